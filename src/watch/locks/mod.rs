//! The locks that are known: what each is going through, when patience with it ends, how long they were held. No
//! I/O, no clock.

pub(crate) mod hold_times;
pub(crate) mod known;
pub(crate) mod patience;
pub(crate) mod release;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;

use super::ids::RootId;
use super::wakeups::inotify::Wd;
use hold_times::HoldTimes;
use known::KnownLock;
use table::Table;

#[derive(Debug, Default)]
pub(crate) struct Locks {
    pub(crate) table: Table,
    /// Unlinked a moment ago while their owners had them open, by the watch on their content.
    pub(crate) removed: HashMap<Wd, Removed>,
    pub(crate) hold_times: HoldTimes,
}

/// A lock that was unlinked while its owner had it open.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) lock: KnownLock,
    pub(crate) root: RootId,
    pub(crate) path: PathBuf,
}
