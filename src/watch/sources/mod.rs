//! What is heard beside the locks: the gateway's logs, and the databases of 2026.6 and later.

pub(crate) mod databases;
pub(crate) mod logs;
pub(crate) mod memory;

use std::time::Duration;

use crate::clock::Now;
use databases::Databases;
use logs::Logs;

#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) logs: Logs,
    pub(crate) databases: Databases,
}

impl Sources {
    pub(crate) fn new(window: Duration, now: Now) -> Self {
        Self { logs: Logs::new(window, now), databases: Databases::default() }
    }
}
