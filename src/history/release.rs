//! Which releases of OpenClaw can have written the log: messages date themselves.

use crate::gatewaylog::{Cause, Entry, Event, Fate};

/// Month and patch of `2026.MONTH.PATCH`.
type Release = (u16, u16);

const OLDEST: Release = (1, 0);
const NEWEST: Release = (u16::MAX, 0);

/// From and to, both included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Releases {
    from: Release,
    to: Release,
    /// A line names it.
    named: bool,
}

impl Default for Releases {
    fn default() -> Self {
        Self { from: OLDEST, to: NEWEST, named: false }
    }
}

impl Releases {
    pub(crate) fn at_least(&self, release: Release) -> Option<bool> {
        if self.from >= release {
            return Some(true);
        }
        (self.to < release).then_some(false)
    }

    pub(crate) fn note(&mut self, entry: &Entry) {
        if let Some(version) = named(entry) {
            (self.from, self.to, self.named) = (version, version, true);
        }
        if self.named {
            return;
        }
        let (from, to) = written_by(entry);
        // Several releases in one log: the latest lines count.
        if from > self.to || to < self.from {
            *self = Self { from, to, named: false };
            return;
        }
        self.from = self.from.max(from);
        self.to = self.to.min(to);
    }
}

/// `OpenClaw 2026.5.22`, `openclaw/2026.5.22`, in the gateway's own lines.
fn named(entry: &Entry) -> Option<Release> {
    let own = matches!(entry.subsystem.as_deref(), Some("gateway" | "openclaw" | "update"));
    let at = entry.message.find("2026.").filter(|_| own)?;
    let mut numbers = entry.message[at + 5..].split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The releases whose source has that message in that shape.
fn written_by(entry: &Entry) -> (Release, Release) {
    let message = &entry.message;
    match &entry.event {
        Event::LaneWait { counts: Some(_), .. } => ((5, 19), NEWEST),
        Event::LaneWait { counts: None, .. } => (OLDEST, (5, 18)),
        Event::Attention(attention) if attention.classification.is_some() => ((5, 3), NEWEST),
        Event::Attention(attention) if attention.reason.is_some() => ((4, 29), (5, 2)),
        Event::Attention(_) => (OLDEST, (4, 28)),
        Event::Recovery(recovery) if recovery.step == "outcome" => ((5, 12), NEWEST),
        Event::Recovery(recovery) if recovery.step == "no-op" => ((4, 29), (5, 11)),
        Event::Recovery(_) => ((4, 29), NEWEST),
        Event::Liveness(_) => ((4, 27), NEWEST),
        Event::HeartbeatDelayed { .. } | Event::SlowSqlite { .. } => ((8, 1), NEWEST),
        Event::WatchdogRelease { .. } => ((2, 17), (7, 35)),
        Event::Undelivered(lost) if message.contains("ngress claim") && lost.fate == Fate::Retried => {
            ((8, 1), NEWEST)
        }
        event => event.cause().map_or((OLDEST, NEWEST), |cause| failed_in(cause, message)),
    }
}

fn failed_in(cause: &Cause, message: &str) -> (Release, Release) {
    match cause {
        Cause::TranscriptLocked { owner, .. } if owner.alive.is_some() => ((6, 5), (7, 35)),
        Cause::TranscriptLocked { timeout_ms: 60_000, .. } => ((5, 2), (7, 35)),
        Cause::TranscriptLocked { .. } if message.contains("SessionWriteLockTimeoutError") => {
            ((4, 24), (7, 35))
        }
        // The class is the outermost: a failover may hide it.
        Cause::TranscriptLocked { .. } if message.contains("\"Error: session file locked") => {
            (OLDEST, (4, 23))
        }
        Cause::LockStale { .. } => ((6, 5), (7, 35)),
        Cause::StoreLockTimeout { .. } => (OLDEST, (2, 12)),
        Cause::StoreLocked { .. } | Cause::StoreQueueTimeout { .. } => ((2, 17), (4, 29)),
        Cause::Takeover { .. } => ((5, 18), (7, 35)),
        Cause::TurnClaimed { .. } | Cause::StateOwned => ((8, 1), NEWEST),
        Cause::LaneTaskTimeout { elapsed_ms: Some(_), .. } => ((8, 1), NEWEST),
        _ => (OLDEST, NEWEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gatewaylog::Scanner;

    fn of(log: &str) -> Releases {
        let mut releases = Releases::default();
        let mut scanner = Scanner::new(log.as_bytes(), None);
        while let Some(entry) = scanner.next_entry().unwrap() {
            releases.note(&entry);
        }
        releases
    }

    #[test]
    fn messages_date_themselves() {
        let early = of(
            "[diagnostic] lane task error: lane=main durationMs=9 error=\"Error: session file locked (timeout 10000ms): pid=1 /a/b.jsonl.lock\"\n",
        );
        assert_eq!((early.at_least((4, 24)), early.at_least((2, 0))), (Some(false), None));
        let late = of(
            "[diagnostic] lane wait exceeded: lane=main waitedMs=1 queueAhead=0 activeAhead=1 activeNow=0 queueBehind=0\n",
        );
        assert_eq!((late.at_least((5, 19)), late.at_least((8, 1))), (Some(true), None));
        // An update in the middle of a log.
        let both = of(
            "[diagnostic] lane wait exceeded: lane=main waitedMs=1 queueAhead=0\n[sqlite/transaction] slow SQLite transaction hold elapsedMs=1261\n",
        );
        assert_eq!(both.at_least((8, 1)), Some(true));
    }
}
