//! Identities. A number is given out once and never again: what is gone cannot be taken for what came after it.

use crate::survey::SurveyedLock;

/// What was asked for, from one reading of the configuration to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RootId(u32);

/// A watched directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DirectoryId(u32);

/// A lock, from its creation to its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LockId(u64);

impl RootId {
    /// As the survey carries it along with each lock.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }

    /// The root under which a lock was surveyed.
    pub(crate) fn of(lock: &SurveyedLock) -> Self {
        Self(lock.root as u32)
    }
}

/// Gives out identities of one sort.
#[derive(Debug)]
pub(crate) struct Numbering<T> {
    last: u64,
    of: std::marker::PhantomData<T>,
}

impl<T> Default for Numbering<T> {
    fn default() -> Self {
        Self { last: 0, of: std::marker::PhantomData }
    }
}

impl<T: From<u64>> Numbering<T> {
    pub(crate) fn next(&mut self) -> T {
        self.last += 1;
        T::from(self.last)
    }
}

impl From<u64> for RootId {
    fn from(number: u64) -> Self {
        Self(number as u32)
    }
}

impl From<u64> for DirectoryId {
    fn from(number: u64) -> Self {
        Self(number as u32)
    }
}

impl From<u64> for LockId {
    fn from(number: u64) -> Self {
        Self(number)
    }
}
