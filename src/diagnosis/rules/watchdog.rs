//! The owner's own watchdog let go of a lock (2.17 to 7.35).

use super::super::finding::{Certainty, Code, Finding};
use super::remedy;
use super::view::{View, lasting};
use crate::gatewaylog::Event;
use crate::history::evidence::{Evidence, Logged};
use crate::history::trouble::{ByName, entry};
use crate::verdict::severity::Effect;

/// It looks every 60 s; what is later than that is a timer that could not run.
const LATE_MS: u64 = 65_000;

#[derive(Debug, Default)]
pub(super) struct Releases {
    by_lock: ByName<Release>,
}

#[derive(Debug, Default)]
struct Release {
    lines: Evidence,
    held_ms: u64,
    max_ms: u64,
}

impl Releases {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        let Event::WatchdogRelease { held_ms, max_ms, lock } = &logged.entry.event else { return };
        if let Some(release) = entry(&mut self.by_lock, lock) {
            release.lines.add(logged);
            release.held_ms = release.held_ms.max(*held_ms);
            release.max_ms = *max_ms;
        }
    }

    pub(super) fn knows(&self, lock: &str) -> bool {
        self.by_lock.contains_key(lock)
    }
}

pub(super) fn judge(view: &View<'_>, releases: &Releases) -> Vec<Finding> {
    // Late, it speaks of the event loop, which is told by itself.
    let in_time = releases
        .by_lock
        .iter()
        .filter(|(_, release)| release.held_ms <= release.max_ms.saturating_add(LATE_MS));
    let finding = |(lock, release): (&String, &Release)| {
        let (held, max) = (lasting(release.held_ms), lasting(release.max_ms));
        let text = if lock.ends_with("sessions.json.lock") {
            format!(
                "The gateway's watchdog took the lock of the session store away from its own update after {held} (limit {max})."
            )
        } else {
            format!(
                "The gateway's watchdog took a lock away from its own run after {held} (limit {max}); from then on the run writes without a lock."
            )
        };
        let mut finding = Finding::new(Code::WatchdogRelease, Effect::Threatens, text)
            .about_path(lock, view)
            .backed_by(&release.lines)
            .helps(Some(false));
        finding.certainty = Certainty::Proven;
        let knob = if lock.ends_with("sessions.json.lock") {
            "Look at the size of the store and at the disk: an update takes milliseconds."
        } else {
            "Raise the limit above what runs really take: `session.writeLock.maxHoldMs`, or `agents.defaults.timeoutSeconds` from which it follows."
        };
        finding
            .act(remedy::say(knob))
            .act(remedy::say("The lock is already gone: there is nothing to remove."))
    };
    in_time.map(finding).collect()
}
