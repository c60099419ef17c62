//! Locks of an earlier life that a start found and cleared, and releases that failed.

use super::super::finding::{Certainty, Code, Finding};
use super::remedy;
use super::view::{View, count};
use crate::gatewaylog::{Event, Interruption};
use crate::history::evidence::{Evidence, Logged};
use crate::redact::foreign;
use crate::verdict::severity::Effect;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug, Default)]
pub(super) struct Swept {
    removed: Evidence,
    reasons: BTreeMap<String, u64>,
    interrupted: u64,
    resumed: u64,
    restart: Evidence,
    release_failed: Evidence,
}

impl Swept {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        match &logged.entry.event {
            Event::StaleLockRemoved { reasons, .. } => {
                self.removed.add(logged);
                for reason in reasons.iter().take(8) {
                    if self.reasons.len() < 32 || self.reasons.contains_key(reason) {
                        *self.reasons.entry(reason.clone()).or_default() += 1;
                    }
                }
            }
            Event::InterruptedMarked { count, why } => {
                self.restart.add(logged);
                self.interrupted += if *why == Interruption::Restart { 0 } else { *count };
            }
            Event::RunResumed { .. } => {
                self.restart.add(logged);
                self.resumed += 1;
            }
            Event::LockReleaseFailed { .. } => self.release_failed.add(logged),
            _ => {}
        }
    }
}

/// `failed`: messages failed on a chat's lock.
pub(super) fn judge(view: &View<'_>, swept: &Swept, failed: bool) -> Vec<Finding> {
    cleared(swept).into_iter().chain(not_released(view, swept, failed)).collect()
}

fn cleared(swept: &Swept) -> Option<Finding> {
    let n = swept.removed.count();
    if n == 0 {
        return None;
    }
    let reasons: Vec<String> =
        swept.reasons.iter().map(|(reason, n)| format!("{} {n}", foreign(reason))).collect();
    let mut text = format!(
        "The gateway found {} of an earlier process at its start and removed {} ({}).",
        count(n, "lock"),
        if n == 1 { "it" } else { "them" },
        reasons.join(", ")
    );
    if swept.interrupted > 0 {
        let _ = write!(
            text,
            " {} had been interrupted, {} resumed.",
            count(swept.interrupted, "run"),
            swept.resumed
        );
    }
    let mut finding = Finding::new(Code::OrphanLock, Effect::HealsItself, text)
        .backed_by(&swept.removed)
        .helps(Some(false));
    finding.certainty = Certainty::Proven;
    finding.evidence.extend(swept.restart.lines());
    Some(finding.act(remedy::say("Nothing to do: this is what the start is for.")))
}

/// OpenClaw's own word that a lock was leaked (5.28 to 7.35). Where messages failed on it, that is told instead.
fn not_released(view: &View<'_>, swept: &Swept, failed: bool) -> Option<Finding> {
    if swept.release_failed.count() == 0 || failed || !view.facts.locks.is_empty() {
        return None;
    }
    let text = format!(
        "The gateway could not release a lock of its own ({}): the next message to that chat may fail on it.",
        count(swept.release_failed.count(), "time")
    );
    let helps = view.facts.scanned.then_some(false);
    let finding = Finding::new(Code::LeakedLock, Effect::NextMessageFails, text)
        .backed_by(&swept.release_failed)
        .helps(helps);
    Some(finding.act(remedy::look()).act(remedy::restart()))
}
