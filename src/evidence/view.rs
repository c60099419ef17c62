//! One look at the machine: the clocks, the processes seen so far, what the lease probe can be trusted with.
//! Each question is asked of the kernel once.

use std::sync::{Arc, OnceLock};

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
    pub namespaces: Arc<Namespaces>,
    pub owners: Owners,
    census: Arc<OnceLock<Census>>,
}

impl SystemView {
    pub fn open() -> Self {
        Self {
            now: Now::read(),
            processes: ProcessTable::default(),
            leases: Leases::default(),
            namespaces: Arc::new(Namespaces::detect()),
            owners: Owners::default(),
            census: Arc::default(),
        }
    }

    /// Every process, read when it is first needed.
    pub fn census(&self) -> &Census {
        self.census.get_or_init(Census::take)
    }

    /// The same look from another thread: what is asked there is asked anew, but for the census.
    pub(crate) fn beside(&self) -> Self {
        Self {
            now: self.now,
            processes: ProcessTable::default(),
            leases: self.leases.clone(),
            namespaces: Arc::clone(&self.namespaces),
            owners: Owners::default(),
            census: Arc::clone(&self.census),
        }
    }

    /// Keeps what was seen in another thread.
    pub(crate) fn take_from(&mut self, other: Self) {
        self.processes.take_from(other.processes);
        self.leases.take_from(other.leases);
    }

    /// A new look: clocks and processes are read again, self-tests are kept.
    pub fn refresh(&mut self) {
        self.now = Now::read();
        self.processes.forget();
        self.owners.forget();
        self.census = Arc::default();
    }
}
