//! What a notice of the kernel, or a listing, means for locks and roots.

use std::ffi::OsString;

use crate::openclaw::lock_kind::LockKind;
use crate::survey::Problem;
use crate::wakeups::ids::{DirectoryId, RootId};
use crate::wakeups::inotify::Wd;

#[derive(Debug)]
pub(crate) enum Change {
    Appeared {
        directory: DirectoryId,
        name: OsString,
        kind: LockKind,
    },
    /// Unlinked: what has this name afterwards was made later, and says so itself.
    Deleted {
        directory: DirectoryId,
        name: OsString,
    },
    /// Renamed away, or exchanged with another file that has its name now.
    Displaced {
        directory: DirectoryId,
        name: OsString,
    },
    /// Every lock that lies in a directory.
    Listed {
        directory: DirectoryId,
        locks: Vec<(OsString, LockKind)>,
    },
    /// A directory is not there any more, and its locks with it.
    Lost(DirectoryId),
    /// A watched lock was closed by one who could write to it, or written to.
    Content {
        wd: Wd,
        closed: bool,
    },
    ContentIgnored(Wd),
    /// The configuration of a root may have changed.
    Configuration(RootId),
    /// A root may have come or gone.
    Root(RootId),
    Overflow,
    Trouble(Problem),
}
