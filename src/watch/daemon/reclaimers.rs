//! The reclaimers that are open, one for each home of a journal. Between acts other lockdoctors can work there.

use std::collections::HashMap;

use crate::evidence::PinnedLock;
use crate::evidence::lease::Leases;
use crate::install::Install;
use crate::reclaim::breaker::Breaker;
use crate::reclaim::run::{case, home_of};
use crate::reclaim::store::Patience;
use crate::reclaim::{Failure, Outcome, Reclaimer};
use crate::survey::SurveyedLock;
use crate::verdict::StaleProof;

/// By device and inode of their homes.
#[derive(Debug, Default)]
pub(super) struct Reclaimers(HashMap<(u64, u64), Result<Reclaimer, Failure>>);

impl Reclaimers {
    pub(super) fn reclaim(
        &mut self,
        lock: &SurveyedLock,
        (pin, proof): (PinnedLock, StaleProof),
        install: Option<&Install>,
        breaker: Breaker,
        leases: &mut Leases,
    ) -> Outcome {
        let home = home_of(install, &lock.directory);
        let case = case(lock, install, &home.path);
        let opened = || Reclaimer::open(&home, breaker, Patience::None, leases);
        match self.0.entry((home.dev, home.ino)).or_insert_with(opened) {
            Ok(reclaimer) => reclaimer.reclaim(pin, proof, case, leases),
            Err(failure) => Outcome::Failed(failure.clone()),
        }
    }

    /// How often this lock was freed lately because its owner had died.
    pub(super) fn deaths_lately(&self, lock: &SurveyedLock, install: Option<&Install>) -> usize {
        let home = home_of(install, &lock.directory);
        let reclaimer = self.0.get(&(home.dev, home.ino)).and_then(|reclaimer| reclaimer.as_ref().ok());
        reclaimer.map_or(0, |reclaimer| reclaimer.deaths_lately(&lock.path()))
    }

    /// What could not be opened is tried again at the next act.
    pub(super) fn forget_failures(&mut self) {
        self.0.retain(|_, reclaimer| reclaimer.is_ok());
    }

    /// They hold directories open that may be others by now, and have the breaker that was in force then.
    pub(super) fn close(&mut self) {
        self.0.clear();
    }
}
