//! The circuit breaker: one live process that leaks the same lock again and again is slowed down. Decided from the
//! journal, so that it holds across processes and restarts.
//!
//! A death is never braked: each dead lock had another owner, and every minute that it stands loses messages.

use chrono::{DateTime, TimeDelta, Utc};

use super::entry::Subject;
use super::past::{Freed, LONGEST_WINDOW, lies_within};

/// How many reclaims are too many, and how far apart the next ones are then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    pub same_lock: usize,
    pub same_lock_within: TimeDelta,
    /// Never more than the cron jobs that delete locks older than this.
    pub same_lock_apart: TimeDelta,
    pub all_locks: usize,
    pub all_locks_within: TimeDelta,
}

impl Breaker {
    /// After three of one lock in ten minutes, two minutes apart; at most a hundred in a minute.
    pub const DEFAULT: Self = Self {
        same_lock: 3,
        same_lock_within: LONGEST_WINDOW,
        same_lock_apart: TimeDelta::minutes(2),
        all_locks: 100,
        all_locks_within: TimeDelta::minutes(1),
    };
    /// For a lock that a person names by its fingerprint, and for torture tests.
    pub const OFF: Self = Self { same_lock: usize::MAX, all_locks: usize::MAX, ..Self::DEFAULT };

    /// Puts off a reclaim that comes too soon. `freed`: the locks that were freed lately, oldest first. `owner_since`: when
    /// the process that has leaked this one started; what was freed before was another's, the last life of a gateway in a
    /// crash loop.
    pub(super) fn check<'a, I: DoubleEndedIterator<Item = &'a Freed>>(
        &self,
        freed: impl Fn() -> I,
        subject: &Subject,
        owner_since: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), Tripped> {
        if subject.is_of_dead_owner() {
            return Ok(());
        }
        let within = |freed: &&Freed, window: TimeDelta| lies_within(freed.at, window, now);
        let of_live_owners = || freed().filter(|freed| !freed.of_dead_owner);
        let of_this_owner = |freed: &&Freed| owner_since.is_none_or(|since| freed.at > since);
        let same = || of_live_owners().filter(|freed| freed.is(&subject.lock)).filter(of_this_owner);
        let times = same().filter(|freed| within(freed, self.same_lock_within)).count();
        if times >= self.same_lock
            && let Some(last) = same().next_back()
            && within(&last, self.same_lock_apart)
        {
            return Err(Tripped::SameLock { times, retry_at: last.at + self.same_lock_apart });
        }
        let mut recent = of_live_owners().filter(|freed| within(freed, self.all_locks_within));
        let first = recent.next();
        if let Some(first) = first
            && recent.count() + 1 >= self.all_locks
        {
            return Err(Tripped::TooMany {
                times: self.all_locks,
                retry_at: first.at + self.all_locks_within,
            });
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Tripped {
    #[error(
        "its live owner has leaked it {times} times in 10 minutes, so it is freed at most every 2 minutes \
         (next at {}); restart the gateway, or name it with --id",
        .retry_at.format("%H:%M:%SZ")
    )]
    SameLock { times: usize, retry_at: DateTime<Utc> },
    #[error(
        "{times} locks of live owners were freed within a minute; the next at {}",
        .retry_at.format("%H:%M:%SZ")
    )]
    TooMany { times: usize, retry_at: DateTime<Utc> },
}

impl Tripped {
    /// When the breaker lets the next one through.
    pub fn retry_at(self) -> DateTime<Utc> {
        match self {
            Self::SameLock { retry_at, .. } | Self::TooMany { retry_at, .. } => retry_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reclaim::entry::{Entry, Event};
    use crate::reclaim::past::{Memory, Past};

    #[test]
    fn each_life_of_a_gateway_in_a_crash_loop_is_another_process() {
        let start = DateTime::UNIX_EPOCH;
        let at = |seconds| start + TimeDelta::seconds(seconds);
        let lock = Subject { lock: "a.jsonl.lock".to_owned(), ..Subject::default() };
        let mut past = Past::new(Memory::Recent);
        for leak in 1..=3 {
            for event in [Event::Intent, Event::Reclaimed] {
                past.take_in(
                    Entry::about(at(leak * 20), &leak.to_string(), event, lock.clone()),
                    at(leak * 20),
                );
            }
        }
        let check = |since| Breaker::DEFAULT.check(|| past.freed(), &lock, since, at(80));
        assert!(check(None).is_err(), "nobody knows whose they were");
        assert!(check(Some(at(10))).is_err(), "one process has leaked all of them");
        assert_eq!(check(Some(at(70))), Ok(()));
    }
}
