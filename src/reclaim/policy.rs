//! What may be reclaimed, and how patiently: one policy for `reclaim` and `watch`.

use std::time::Duration;

use super::breaker::Breaker;
use crate::verdict::{Settle, Verdict};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub settle: Settle,
    pub leaked: Permission,
    pub abandoned: Permission,
    pub breaker: Breaker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Granted,
    Withheld,
}

impl Permission {
    pub fn granted_if(granted: bool) -> Self {
        if granted { Self::Granted } else { Self::Withheld }
    }
}

impl Policy {
    /// Whether a lock of this verdict may be reclaimed at all.
    pub fn allows(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Stale => true,
            Verdict::Leaked => self.leaked == Permission::Granted,
            Verdict::Overdue => self.abandoned == Permission::Granted,
            _ => false,
        }
    }

    /// How long a single run waits for a lock to settle, and for its owner to be seen idle.
    pub fn patience(&self) -> Duration {
        const FOR_THE_OWNER: Duration = Duration::from_secs(4);
        let asked = self.settle.dead.max(self.settle.stale).max(self.settle.leaked);
        asked + FOR_THE_OWNER
    }
}

/// The settle times of an act. `asked`: what `--settle` names. Whatever it names, a lock whose owner lives, or cannot
/// be looked at, keeps its floor.
pub fn settle_of(asked: Option<Duration>) -> Settle {
    const STALE: Duration = Duration::from_secs(2);
    const STALE_FLOOR: Duration = Duration::from_millis(300);
    // The owner lives, so more patience costs little and rules more out.
    const LEAKED: Duration = Duration::from_secs(5);
    const LEAKED_FLOOR: Duration = Duration::from_secs(1);
    let stale = asked.unwrap_or(STALE);
    Settle {
        dead: stale,
        stale: stale.max(STALE_FLOOR),
        leaked: asked.unwrap_or(LEAKED).max(LEAKED_FLOOR),
        unseen: stale.max(Settle::UNSEEN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_settle_time_goes_below_its_floor() {
        let shortest = settle_of(Some(Duration::ZERO));
        assert_eq!(shortest.dead, Duration::ZERO, "a death cannot be undone by waiting");
        assert_eq!(shortest.stale, Duration::from_millis(300));
        assert_eq!(shortest.leaked, Duration::from_secs(1));
        assert_eq!(shortest.unseen, Settle::UNSEEN);
        let long = settle_of(Some(Duration::from_secs(3600)));
        assert!(long.steps().all(|step| step == Duration::from_secs(3600)));
    }
}
