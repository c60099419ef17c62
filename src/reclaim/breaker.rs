//! The circuit breaker: a lock that comes back again and again is a symptom. Decided from the journal, so that
//! it holds across processes and restarts.

use chrono::{DateTime, TimeDelta, Utc};

use super::journal::Subject;
use super::store::Store;

/// No breaker looks further back.
pub const LONGEST_WINDOW: TimeDelta = TimeDelta::minutes(10);

/// By how much the clocks of two readings may differ.
pub(super) const SLACK: TimeDelta = TimeDelta::minutes(1);

/// How many reclaims are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    pub same_lock: usize,
    pub same_lock_within: TimeDelta,
    pub all_locks: usize,
    pub all_locks_within: TimeDelta,
}

impl Breaker {
    /// Three of one lock in ten minutes, a hundred in a minute.
    pub const DEFAULT: Self = Self {
        same_lock: 3,
        same_lock_within: LONGEST_WINDOW,
        all_locks: 100,
        all_locks_within: TimeDelta::minutes(1),
    };
    /// For torture tests.
    pub const OFF: Self = Self { same_lock: usize::MAX, all_locks: usize::MAX, ..Self::DEFAULT };

    /// Refuses a reclaim that would be one too many.
    pub fn check(&self, store: &Store, subject: &Subject, now: DateTime<Utc>) -> Result<(), Tripped> {
        let done = |within: TimeDelta, of: Option<&str>| {
            let recent = store.freed().filter(|freed| lies_within(freed.at, within, now));
            recent.filter(|freed| of.is_none_or(|lock| freed.is(lock))).count()
        };
        if done(self.same_lock_within, Some(&subject.lock)) >= self.same_lock {
            return Err(Tripped::SameLock {
                times: self.same_lock,
                minutes: self.same_lock_within.num_minutes(),
            });
        }
        if done(self.all_locks_within, None) >= self.all_locks {
            return Err(Tripped::TooMany { times: self.all_locks });
        }
        Ok(())
    }
}

/// Whether `at` was less than `within` ago. What lies further ahead than clocks differ was written before the clock
/// was set back, and tells nothing of the last minutes.
pub(super) fn lies_within(at: DateTime<Utc>, within: TimeDelta, now: DateTime<Utc>) -> bool {
    let ago = now - at;
    -SLACK < ago && ago < within
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Tripped {
    #[error("freed {times} times in {minutes} minutes already: the lock is a symptom, not the cause")]
    SameLock { times: usize, minutes: i64 },
    #[error(
        "{times} locks were freed within a minute, which is enough at once: look for what kills their holders, then run it again"
    )]
    TooMany { times: usize },
}
