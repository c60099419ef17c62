//! Why a lock was not reclaimed, and what to do about it.

use rustix::io::Errno;
use rustix::process::{Uid, geteuid, getuid};

use super::breaker::Tripped;
use super::store_error::StoreError;
use super::trust::Distrust;
use crate::evidence::directory::Directory;
use crate::words::shell_word;

/// Why nothing was done, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    NotTrusted(#[from] Distrust),
    #[error("a reclaim guard stands beside it: OpenClaw is at it itself, or the guard was left behind")]
    Guarded,
    /// `home`: the directory to diagnose.
    #[error("{tripped}; see `lockdoctor diagnose {}`", shell_word(.home))]
    Breaker { tripped: Tripped, home: String },
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error(
        "this file system cannot swap two names (renameat2 RENAME_EXCHANGE); restart the gateway instead"
    )]
    CannotSwap,
    #[error("the lock lies on another mount than {quarantine}; name its directory as a PATH")]
    OtherMount { quarantine: String },
    #[error("permission denied; run lockdoctor as uid {uid}, which owns the directory")]
    WrongUser { uid: u32 },
    #[error(
        "{what}: permission denied, though the directory is ours; look for `lsattr` flags or a security module"
    )]
    Denied { what: &'static str },
    #[error("the file system is mounted read-only; remount it read-write, or restart the gateway")]
    ReadOnly,
    #[error("the quarantine was removed while lockdoctor worked in it; nothing was changed, run it again")]
    QuarantineRemoved,
    #[error(
        "a live lock was met in the instant of the swap, and another process took the name before it could be put back: two processes hold this session; restart the gateway"
    )]
    DoubleHolder,
    #[error("its name is not UTF-8, so OpenClaw did not make it")]
    ForeignName,
    #[error("{what}: {error}")]
    System { what: &'static str, error: Errno },
}

impl Failure {
    /// Another lockdoctor was at work; a moment later it may be done.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Store(StoreError::Busy { .. }))
    }

    /// The remedy for an error of a step in `directory`.
    pub(super) fn of(what: &'static str, error: Errno, directory: &Directory) -> Self {
        match error {
            Errno::ACCESS | Errno::PERM if [geteuid(), getuid()].contains(&Uid::from_raw(directory.uid)) => {
                Self::Denied { what }
            }
            Errno::ACCESS | Errno::PERM => Self::WrongUser { uid: directory.uid },
            Errno::ROFS => Self::ReadOnly,
            error => Self::System { what, error },
        }
    }

    /// The same for an error of the store in `home`.
    pub(super) fn of_store(error: StoreError, home: &Directory) -> Self {
        match (&error, error.errno()) {
            (StoreError::System { what, .. }, Some(errno @ (Errno::ACCESS | Errno::PERM | Errno::ROFS))) => {
                Self::of(what, errno, home)
            }
            _ => Self::Store(error),
        }
    }
}
