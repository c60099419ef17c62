//! Messages that failed on the lock of a chat, by the log alone: whose the lock was, whether it was the same one all
//! the time, and what had happened before.

use super::super::finding::{Certainty, Code, Finding};
use super::event_loop::LoopTrouble;
use super::failures::Failures;
use super::remedy;
use super::run_limit::{Hit, Limits};
use super::view::{View, clock, count, lasting};
use crate::gatewaylog::Cause;
use crate::history::chat::Chat;
use crate::history::evidence::Logged;
use crate::history::story::{Story, dated, delta};
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

/// Births of one lock differ by what the errors took to be written.
const SAME: TimeDelta = TimeDelta::seconds(3);

#[derive(Debug, Default)]
pub(super) struct LockErrors {
    pub(super) failures: Failures,
    lock: Option<String>,
    alive: Option<bool>,
    /// When the lock was born, by the ages in the errors: first and last.
    born: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Judged stale by OpenClaw, with these reasons, and left in place.
    stale: BTreeSet<String>,
}

impl LockErrors {
    pub(super) fn push(&mut self, logged: Logged<'_>, story: &mut Story) {
        let Logged { at, entry, .. } = logged;
        let Some(cause) = entry.event.cause() else { return };
        let (waited_ms, owner, told) = match cause {
            Cause::TranscriptLocked { timeout_ms, owner, .. } => {
                let told = format!("a message failed: its lock was not free after {}", lasting(*timeout_ms));
                (*timeout_ms, owner, told)
            }
            Cause::LockStale { reasons, owner, .. } => {
                self.stale.extend(reasons.iter().take(8).cloned());
                (0, owner, "a message failed at once: OpenClaw called its lock stale and left it".to_owned())
            }
            _ => return,
        };
        self.lock = cause.lock().map(str::to_owned).or(self.lock.take());
        self.failures.add(logged, waited_ms, owner.pid);
        story.note(at, "lock", told);
        self.alive = owner.alive.or(self.alive);
        if let (Some(age), Some(at)) = (owner.age_ms, dated(at))
            && let Some(born) = at.checked_sub_signed(delta(age))
        {
            self.born =
                Some(self.born.map_or((born, born), |(first, last)| (first.min(born), last.max(born))));
        }
    }

    /// The lock that the latest of them was about.
    pub(super) fn lock(&self) -> Option<&str> {
        self.lock.as_deref()
    }

    pub(super) fn absorb(&mut self, other: Self) {
        if self.failures.lines.count() == 0 {
            *self = other;
        } else {
            self.failures.incidents.absorb(other.failures.incidents);
        }
    }
}

/// What is known of the lock that the errors were about.
enum Reading {
    /// OpenClaw says that it is its own and that it does not hold it.
    OwnOrphan,
    /// Past its limit; OpenClaw leaves it to its living owner.
    Refused,
    /// Its owner is gone.
    Dead,
    /// Its owner is a gateway process that ended before the failures.
    FormerLife,
    /// An earlier life of the gateway took it, or a second process met the gateway at work.
    OwnNumber,
    /// The same lock over several failures, after a run that did not end well.
    LeftBehind(Option<DateTime<Utc>>),
    /// A lock each time: the chat is simply busy.
    Busy,
    Unknown,
}

fn reading(view: &View<'_>, chat: &Chat, errors: &LockErrors, limits: &Limits) -> Reading {
    let Failures { lines, incidents, waited_ms, owners } = &errors.failures;
    if errors.stale.iter().any(|reason| reason == "orphan-self-pid") {
        return Reading::OwnOrphan;
    }
    if errors.alive == Some(false) {
        return Reading::Dead;
    }
    if !errors.stale.is_empty() {
        return Reading::Refused;
    }
    let lives = view.lives.all().iter();
    let ended = |pid: &u32| lives.clone().any(|life| life.pid == Some(*pid));
    let now = lines.last().and_then(|at| view.lives.at(at)).and_then(|life| life.pid);
    if now.is_some_and(|now| !owners.contains(&now)) && owners.iter().any(ended) {
        return Reading::FormerLife;
    }
    // Up to 4.20 the lock is re-entrant in one process: its own pid in a lock that it waits for is another life's, or
    // the line is another process's.
    let gateways = view.facts.gateways.iter().filter_map(|gateway| gateway.pid);
    let lives = view.lives.all().iter().filter_map(|life| life.pid);
    let own = gateways.chain(lives).any(|pid| owners.contains(&pid)) || owners.contains(&1);
    if own && view.at_least(4, 21) != Some(true) && *waited_ms <= 10_000 {
        return Reading::OwnNumber;
    }
    let one_lock = errors.born.is_some_and(|(first, last)| last - first <= SAME) && incidents.count > 1;
    let begun = lines.first();
    let is_before = |hit: &Hit| dated(hit.at).is_none() || Some(hit.at) < begun;
    if one_lock || limits.hits.last().is_some_and(is_before) || limits.open_abort(chat).is_some() {
        return Reading::LeftBehind(errors.born.filter(|_| one_lock).map(|(first, _)| first));
    }
    if errors.born.is_some_and(|(first, last)| last - first > SAME) {
        return Reading::Busy;
    }
    Reading::Unknown
}

pub(super) fn judge(
    view: &View<'_>,
    chat: &Chat,
    errors: &LockErrors,
    limits: &Limits,
    event_loop: &LoopTrouble,
) -> Option<Finding> {
    let lock = errors.lock.as_deref()?;
    let failures = &errors.failures;
    let over = view.is_gone(lock, chat.lock_failed);
    let served = view.last_answer(chat);
    let still = failures.incidents.since(served);
    let effect = match (still, over) {
        (2.., false) => Effect::MessagesFail,
        _ => Effect::MessagesFailed,
    };
    let failed = format!(
        "{} to this chat failed after waiting {} for its lock",
        count(failures.incidents.count, "message"),
        lasting(failures.waited_ms)
    );
    let owners = failures.owners();
    let reading = reading(view, chat, errors, limits);
    let (code, certainty, mut text) = match reading {
        Reading::OwnOrphan => (
            Code::OrphanLock,
            Certainty::Proven,
            format!(
                "The lock is an orphan of the gateway itself{owners}: OpenClaw finds its own process in it and does not hold it, yet leaves the file, and every message fails at once."
            ),
        ),
        Reading::Refused => (
            Code::OverdueLock,
            Certainty::Proven,
            format!(
                "OpenClaw calls the lock stale ({}) and leaves it to its owner{owners}, which runs: every message fails at once.",
                reasons(errors)
            ),
        ),
        Reading::FormerLife => (
            Code::OrphanLock,
            Certainty::Likely,
            format!(
                "{failed}. Its owner{owners} is an earlier gateway process, which has ended: it left the lock behind."
            ),
        ),
        Reading::Dead => {
            (Code::StaleLock, Certainty::Proven, format!("{failed}, whose owner{owners} no longer runs."))
        }
        Reading::OwnNumber => (
            Code::LockContention,
            Certainty::Possible,
            format!(
                "{failed}. Its owner{owners} has the number of the gateway, which may enter its own locks in these versions: either an earlier life of the gateway left the lock behind, or another process wanted the chat while the gateway was at work in it."
            ),
        ),
        Reading::LeftBehind(born) => (
            Code::LockContention,
            Certainty::Likely,
            left_behind(chat, errors, limits, &failed, &owners, born),
        ),
        Reading::Busy => (
            Code::LockContention,
            Certainty::Likely,
            format!(
                "{failed}. It was another lock each time{owners}: the chat was in use for longer than messages wait."
            ),
        ),
        Reading::Unknown if failures.owners.is_empty() => (
            Code::LockContention,
            Certainty::Possible,
            format!(
                "{failed}; no owner could be named: the lock was unreadable, or gone by the time the error was written."
            ),
        ),
        Reading::Unknown => (
            Code::LockContention,
            Certainty::Possible,
            format!("{failed}. The log does not say whether its owner{owners} was using it."),
        ),
    };
    if failures.explained(event_loop) > 0 {
        text.push_str(" The event loop was blocked at the time, which alone makes lock waits fail.");
    }
    if over {
        text.push_str(" It is over: that lock is gone.");
    }
    let helps = match reading {
        _ if over => Some(false),
        Reading::Dead => Some(true),
        _ => None,
    };
    let mut finding =
        Finding::new(code, effect, text).about_path(lock, view).backed_by(&failures.lines).helps(helps);
    (finding.count, finding.messages_failed) = (failures.incidents.count, failures.incidents.count);
    finding.certainty = certainty;
    Some(advised(view, finding, &reading, over))
}

fn advised(view: &View<'_>, finding: Finding, reading: &Reading, over: bool) -> Finding {
    if over {
        return finding.act(remedy::send_again());
    }
    let finding = match reading {
        Reading::Dead => finding.act(remedy::reclaim()),
        Reading::FormerLife | Reading::OwnOrphan | Reading::Refused | Reading::LeftBehind(_) => {
            finding.act(remedy::look()).act(remedy::restart())
        }
        Reading::OwnNumber => finding.act(remedy::look()).act(remedy::say("Let one process use a chat.")),
        Reading::Busy | Reading::Unknown => finding.act(remedy::look()),
    };
    let finding = match (reading, view.at_least(5, 2)) {
        (Reading::Busy | Reading::Unknown, Some(false)) => finding
            .act(remedy::say("From 2026.5.2 on messages wait 60 s for the lock instead of 10: upgrade.")),
        (Reading::Busy, Some(true)) => finding
            .act(remedy::say("If such long runs are usual, raise `session.writeLock.acquireTimeoutMs`.")),
        _ => finding,
    };
    finding.act(remedy::send_again())
}

fn left_behind(
    chat: &Chat,
    errors: &LockErrors,
    limits: &Limits,
    failed: &str,
    owners: &str,
    born: Option<DateTime<Utc>>,
) -> String {
    let before = match (limits.hits.last(), limits.open_abort(chat)) {
        (Some(hit), _) => {
            let when = dated(hit.at).map_or_else(String::new, |at| format!(" ({})", clock(at)));
            format!(" A run had reached its time limit of {}{when} before", lasting(hit.timeout_ms))
        }
        (None, Some(abort)) => {
            let when = dated(abort.at).map_or_else(String::new, |at| format!(" ({})", clock(at)));
            format!(" The abort of a run had not settled{when}")
        }
        (None, None) => " It was the same lock each time".to_owned(),
    };
    let since =
        born.map_or_else(String::new, |born| format!(", and the lock is the same one since {}", clock(born)));
    let lives = if errors.alive == Some(true) { " runs" } else { " may still run" };
    format!(
        "{failed}.{before}{since}: the run most likely left its lock behind. Its owner{owners}{lives}, so OpenClaw keeps the lock."
    )
}

fn reasons(errors: &LockErrors) -> String {
    errors.stale.iter().cloned().collect::<Vec<_>>().join(", ")
}
