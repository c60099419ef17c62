//! What the daemon may do to a lock, and after how long.

use std::time::Duration;

use crate::evidence::RunTimedOut;
use crate::examination::facts::transcript_changed_since;
use crate::openclaw::lock_kind::Management;
use crate::reclaim::policy::Policy;
use crate::survey::SurveyedLock;
use crate::verdict::{Settle, Verdict};

/// What the daemon may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mandate {
    /// Look and tell.
    Watch,
    Reclaim(Policy),
}

impl Mandate {
    /// The settle times after which the daemon acts; `None` if it may not.
    pub(crate) fn settle(self) -> Option<Settle> {
        match self {
            Self::Watch => None,
            Self::Reclaim(policy) => Some(policy.settle),
        }
    }

    /// The settle time after which this lock of a run that ended at its time limit is taken; `None` if it may not.
    pub(crate) fn settle_of_abandoned(self, lock: &SurveyedLock, shown: Verdict) -> Option<Duration> {
        let Self::Reclaim(policy) = self else { return None };
        let RunTimedOut::Yes { at } = lock.evidence.run_timed_out else { return None };
        let may = shown == Verdict::Overdue && policy.allows(shown) && !transcript_changed_since(lock, at);
        may.then_some(policy.settle.leaked)
    }

    /// Whether the daemon will reclaim this lock by itself.
    pub(crate) fn covers(self, lock: &SurveyedLock) -> bool {
        let Self::Reclaim(policy) = self else { return false };
        let verdict = lock.judgement.verdict;
        lock.kind.management() == Management::Managed
            && policy.allows(verdict)
            && (verdict != Verdict::Overdue || self.settle_of_abandoned(lock, verdict).is_some())
    }
}
