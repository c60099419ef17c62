//! One look at the machine: the clocks, the processes seen so far, what the lease probe can be trusted with.
//! Each question is asked of the kernel once.

use std::cell::OnceCell;

use super::lease::Leases;
use super::pid_domain::{Census, Namespaces};
use super::process::ProcessTable;
use super::release::Owners;
use crate::clock::Now;

#[derive(Debug)]
pub struct SystemView {
    pub now: Now,
    pub processes: ProcessTable,
    pub leases: Leases,
    pub namespaces: Namespaces,
    pub owners: Owners,
    census: OnceCell<Census>,
}

impl SystemView {
    pub fn open() -> Self {
        Self {
            now: Now::read(),
            processes: ProcessTable::default(),
            leases: Leases::default(),
            namespaces: Namespaces::detect(),
            owners: Owners::default(),
            census: OnceCell::new(),
        }
    }

    /// Every process, read when it is first needed.
    pub fn census(&self) -> &Census {
        self.census.get_or_init(Census::take)
    }

    /// A new look: clocks and processes are read again, self-tests are kept.
    pub fn refresh(&mut self) {
        self.now = Now::read();
        self.processes.forget();
        self.owners.forget();
        self.census.take();
    }
}
