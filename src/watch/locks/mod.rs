//! The locks that are known: what each is going through, when patience with it ends, how long they were held. No
//! I/O, no clock.

pub(crate) mod hold_times;
pub(crate) mod known;
pub(crate) mod patience;
pub(crate) mod pins;
pub(crate) mod release;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;

use crate::wakeups::ids::RootId;
use crate::wakeups::inotify::Wd;
use hold_times::HoldTimes;
use known::KnownLock;
use pins::Pins;
use table::Table;

#[derive(Debug)]
pub(crate) struct Locks {
    pub(crate) table: Table,
    pub(crate) pins: Pins,
    /// Unlinked a moment ago while their owners had them open, by the watch on their content.
    pub(crate) removed: HashMap<Wd, Removed>,
    pub(crate) hold_times: HoldTimes,
}

impl Locks {
    /// `descriptors`: as many as the process may have open.
    pub(crate) fn new(descriptors: usize) -> Self {
        Self {
            table: Table::default(),
            pins: Pins::new(descriptors),
            removed: HashMap::new(),
            hold_times: HoldTimes::default(),
        }
    }
}

/// A lock that was unlinked while its owner had it open.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) lock: KnownLock,
    pub(crate) root: RootId,
    pub(crate) path: PathBuf,
}
