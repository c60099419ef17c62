//! What is heard beside the locks: the gateway's logs, its port, and the databases of 2026.6 and later.

pub(crate) mod databases;
pub(crate) mod logs;
pub(crate) mod memory;
pub(crate) mod ports;

use std::time::Duration;

use crate::clock::Now;
use databases::Databases;
use logs::Logs;
use ports::Ports;
use rustix::io::Errno;

#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) logs: Logs,
    pub(crate) databases: Databases,
    pub(crate) ports: Ports,
}

impl Sources {
    pub(crate) fn new(window: Duration, now: Now) -> Result<Self, Errno> {
        Ok(Self { logs: Logs::new(window, now), databases: Databases::default(), ports: Ports::new()? })
    }
}
