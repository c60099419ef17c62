//! Whether a directory may be changed at all: any other user who can write to it could put anything under the name.

use rustix::fs::Stat;
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};

use crate::evidence::directory::Directory;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("{path} belongs to uid {uid}; run lockdoctor as that user")]
    ForeignOwner { path: String, uid: u32 },
    #[error("{path} can be written by everybody; `chmod o-w` it first")]
    WorldWritable { path: String },
    #[error(
        "{path} can be written by group {gid}, which is neither its owner's own nor ours; `chmod g-w` it first"
    )]
    GroupWritable { path: String, gid: u32 },
    #[error("{path} has an access list that lets others write; `setfacl -b` it first")]
    AccessList { path: String },
    #[error("{path} cannot be looked at: {error}")]
    Unreadable { path: String, error: Errno },
}

const STICKY: u32 = 0o1000;
const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITE: u32 = 0o020;

/// Only the directory's owner may act in it; root acts as that owner (see [`super::identity`]). A directory of
/// root's own may be used by those whom its group lets in: that is how Kubernetes mounts a volume (`fsGroup`).
///
/// A group is trusted with write access if it is the owner's private one, or if the administrator put
/// us into it. With the sticky bit others can add names but cannot take ours away.
pub fn check(directory: &Directory) -> Result<(), Distrust> {
    let path = || directory.path.display().to_string();
    // Asked anew: a daemon keeps its directories open for months.
    let stat = rustix::fs::fstat(directory).map_err(|error| Distrust::Unreadable { path: path(), error })?;
    let Stat { st_uid: uid, st_gid: gid, st_mode: mode, .. } = stat;
    let ours = geteuid().as_raw();
    if uid != ours && ours != 0 && uid != 0 {
        return Err(Distrust::ForeignOwner { path: path(), uid });
    }
    if mode & STICKY != 0 {
        return Ok(());
    }
    if mode & OTHERS_WRITE != 0 {
        return Err(Distrust::WorldWritable { path: path() });
    }
    if mode & GROUP_WRITE == 0 {
        return Ok(());
    }
    // With an access list the group's bits are its mask: the right of the named users, too.
    if rustix::fs::fgetxattr_query(directory, "system.posix_acl_access").is_ok_and(|length| length > 0) {
        return Err(Distrust::AccessList { path: path() });
    }
    let trusted = gid == uid
        || gid == getegid().as_raw()
        || getgroups().is_ok_and(|groups| groups.iter().any(|group| group.as_raw() == gid));
    if trusted { Ok(()) } else { Err(Distrust::GroupWritable { path: path(), gid }) }
}
