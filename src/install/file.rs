//! Files of others, read with a bound. A file that a configuration or a link leads to is read as the owner of the
//! state directory.

use std::io::Read;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::evidence::directory::{Directory, container_root};
use crate::evidence::identity::ActingAs;

/// Whose file it may be.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Somebody named it.
    Named,
    /// It was found below this state directory, or a configuration there leads to it: a link is followed with the
    /// rights of the directory's owner, and to a file of that owner or of root alone.
    Below(&'a Directory),
}

/// Reads a regular file of at most `limit` bytes. `Ok(None)`: there is none.
pub fn read_bounded(path: &Path, trust: Trust<'_>, limit: u64) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: Errno| format!("cannot be read: {error}");
    let acting = match trust {
        Trust::Named => None,
        Trust::Below(root) => Some(ActingAs::owner_of(root).map_err(failed)?),
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // An absolute link in a container leads to a file of the container, not to one of ours.
    let in_container = matches!(trust, Trust::Below(root) if container_root(&root.path).is_some());
    let flags = if in_container { flags | OFlags::NOFOLLOW } else { flags };
    let fd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR) if path.symlink_metadata().is_err() => return Ok(None),
        Err(Errno::LOOP) => return Err("is a symbolic link, which is not followed".to_owned()),
        Err(error) => return Err(failed(error)),
    };
    drop(acting);
    let stat = rustix::fs::fstat(&fd).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("is not a regular file".to_owned());
    }
    if let Trust::Below(root) = trust
        && ![0, root.uid, root.euid].contains(&stat.st_uid)
    {
        return Err(format!("belongs to uid {}, not to the owner of the state directory", stat.st_uid));
    }
    let mut bytes = Vec::new();
    let mut file = std::fs::File::from(fd).take(limit + 1);
    file.read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("is larger than {limit} bytes"));
    }
    Ok(Some(bytes))
}
