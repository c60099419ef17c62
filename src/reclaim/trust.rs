//! Whether a directory may be changed at all: whoever else can write to it could put anything under the name.

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
}

const STICKY: u32 = 0o1000;
const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITE: u32 = 0o020;

/// Root may act for the directory's owner: every step is relative to an open directory and follows no link,
/// so the owner can fool it only about files that are the owner's already. A group is trusted if it is the
/// owner's private one or if we are in it (Kubernetes' fsGroup makes volumes group-writable).
pub fn check(directory: &Directory) -> Result<(), Distrust> {
    let path = || directory.path.display().to_string();
    let ours = geteuid().as_raw();
    if directory.uid != ours && ours != 0 && directory.uid != 0 {
        return Err(Distrust::ForeignOwner { path: path(), uid: directory.uid });
    }
    if directory.mode & STICKY != 0 {
        return Ok(());
    }
    if directory.mode & OTHERS_WRITE != 0 {
        return Err(Distrust::WorldWritable { path: path() });
    }
    let gid = directory.gid;
    let trusted = gid == directory.uid
        || gid == getegid().as_raw()
        || getgroups().is_ok_and(|groups| groups.iter().any(|group| group.as_raw() == gid));
    if directory.mode & GROUP_WRITE != 0 && !trusted {
        return Err(Distrust::GroupWritable { path: path(), gid });
    }
    Ok(())
}
