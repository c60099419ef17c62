//! Everything that time alone makes due.

use super::inotify::Wd;
use crate::wakeups::ids::{LockId, RootId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Due {
    Look(LockId),
    /// A lock was unlinked while its owner had it open: has the owner let go since?
    Removed(Wd),
    /// A root has to be looked at as a whole.
    Root(RootId),
    /// What a killed lockdoctor left half done could not be looked at yet.
    Recovery(RootId),
    /// The gateway of a root may have come or gone.
    Gateway(RootId),
    SafetyScan,
    /// The service manager wants to hear that the loop turns.
    Watchdog,
    /// A client is too slow.
    Connection(u32),
    /// There may be descriptors for new clients again.
    Listener,
    /// A command that we started runs too long.
    CommandLimit,
    /// A sign of life.
    Ping,
    /// A gateway restart that was put off.
    Restart,
    /// The live view wants to know what there is.
    Live,
    /// Logs were written.
    Logs,
    /// Logs have come, or gone.
    LogNames,
    /// The databases of a root may have changed.
    Databases(RootId),
    /// Gateways are to be asked whether they answer.
    Ports,
    /// What the logs and the databases tell is to be made up anew.
    Diagnosis,
}
