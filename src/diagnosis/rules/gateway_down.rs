//! The gateway is down: by the last lines of the log, or because no process is there.

use super::super::finding::{Certainty, Code, Finding};
use super::super::input::{LockFact, LockKind};
use super::remedy;
use super::view::{View, clock, count, times};
use crate::gatewaylog::Event;
use crate::history::evidence::{Evidence, Logged, excerpt};
use crate::history::lives::{End, Life};
use crate::history::story::dated;
use crate::redact::foreign;
use crate::verdict::Verdict;
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};

/// What came in, and what ended the process.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    last_inbound: Option<DateTime<Utc>>,
    crash: Evidence,
    crashed: Option<DateTime<Utc>>,
    /// A start was refused.
    refused: Option<DateTime<Utc>>,
    /// The last error, in the words of the line.
    words: Option<String>,
}

/// What a service manager says of it comes within this; so does the end of a process that did not start.
const ECHO: TimeDelta = TimeDelta::seconds(10);

impl Traffic {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        let Logged { at, entry, .. } = logged;
        match &entry.event {
            Event::Inbound { .. } | Event::MessageReceived { .. } => self.last_inbound = Some(at),
            // It was started again.
            Event::GatewayListening { .. } | Event::GatewayReady | Event::HttpListening { .. } => {
                self.crashed = None;
            }
            Event::GatewayRefused { .. }
            | Event::StartFailed { .. }
            | Event::StartupRefused
            | Event::OwnerLeaseRefused => self.refused = Some(at),
            Event::Crashed { reason, .. } => {
                let told = self.crashed.max(self.refused);
                if told.is_some_and(|told| dated(at).is_some() && at - told <= ECHO) {
                    return;
                }
                self.crash.add(logged);
                self.words = Some(excerpt(reason));
                self.crashed = Some(at);
            }
            _ => {}
        }
    }
}

pub(super) fn judge(view: &View<'_>, traffic: &Traffic) -> Option<Finding> {
    let last = view.lives.all().last();
    let crashed = traffic.crashed.filter(|at| last.is_none_or(|life| life.start <= *at));
    let ended = crashed.is_some() && view.facts.gateways.is_empty();
    if !view.gateway_is_down() && !ended {
        return came_back(traffic);
    }
    let since = |life: &Life| life.end.filter(|_| life.ended == End::Stopped);
    let planned = last.and_then(since).filter(|_| crashed.is_none());
    let missed = planned.is_some_and(|stopped| traffic.last_inbound.is_some_and(|at| at > stopped));
    let (effect, text) = match (planned, crashed, last) {
        (Some(at), ..) if !missed => (
            Effect::Untidy,
            format!("The gateway was stopped at {}, and no message is known to have come since.", clock(at)),
        ),
        (Some(at), ..) => (
            Effect::NobodyIsAnswered,
            format!(
                "The gateway was stopped at {}, and messages have come since: nobody answers them.",
                clock(at)
            ),
        ),
        (None, Some(_), _) => (
            Effect::NobodyIsAnswered,
            format!(
                "The gateway ended on an error that nobody caught ({}){}, and no start follows: no message is answered.",
                count(traffic.crash.count(), "line"),
                traffic.error()
            ),
        ),
        (None, None, Some(life)) => (
            Effect::NobodyIsAnswered,
            format!(
                "The gateway is down. It was started at {} and its log has no stop: no message is answered.",
                clock(life.start)
            ),
        ),
        (None, None, None) => {
            // Without a log, what a process left behind says that it did not stop as it was told. Else nothing
            // tells whether a gateway is meant to run here.
            let left = view.facts.locks.iter().filter(|lock| is_left_by_the_dead(lock, view)).count();
            if left == 0 {
                return None;
            }
            let text = format!(
                "The gateway is down, and did not stop cleanly: {} of a process that is gone {} there.",
                count(left as u64, "lock"),
                if left == 1 { "is" } else { "are" }
            );
            (Effect::WaitsPastLimit, text)
        }
    };
    let mut finding =
        Finding::new(Code::GatewayDown, effect, text).backed_by(&traffic.crash).helps(Some(false));
    let is_known = planned.is_some() || crashed.is_some() || last.is_some();
    finding.certainty = if is_known { Certainty::Proven } else { Certainty::Likely };
    finding.count = 1;
    finding.first_seen = planned.or(crashed).or(finding.first_seen);
    if finding.evidence.is_empty() {
        finding.evidence.push(crate::history::evidence::Line::seen("no process of the gateway was found"));
    }
    Some(finding.act(remedy::start()).act(remedy::gateway_status()))
}

impl Traffic {
    /// `: TypeError: fetch failed`.
    fn error(&self) -> String {
        let words = self.words.as_deref().filter(|words| !words.is_empty());
        if words.is_some_and(|words| words.contains("heap out of memory")) {
            return ": it ran out of memory".to_owned();
        }
        if words.is_some_and(|words| words.contains("status=9/")) {
            return ": it was killed, by hand or because the machine had no memory left".to_owned();
        }
        words.map_or_else(String::new, |words| format!(": \"{}\"", foreign(words)))
    }
}

/// It ended on errors and was started again each time.
fn came_back(traffic: &Traffic) -> Option<Finding> {
    let n = traffic.crash.count();
    if n == 0 {
        return None;
    }
    let times = times(n);
    let text = format!(
        "The gateway ended {times} on an error that nobody caught{}, and was started again: what was under way got no answer.",
        traffic.error()
    );
    let effect = if n == 1 { Effect::HealsItself } else { Effect::MessagesFailed };
    let mut finding =
        Finding::new(Code::GatewayDown, effect, text).backed_by(&traffic.crash).helps(Some(false));
    finding.certainty = Certainty::Proven;
    Some(finding.act(remedy::gateway_status()).act(remedy::say(
        "If it goes on: the restart counter of the service, and an upgrade; the error is OpenClaw's own.",
    )))
}

/// A session's lock file says so only where sessions have one: from 2026.8.1 on it is a fossil.
fn is_left_by_the_dead(lock: &LockFact, view: &View<'_>) -> bool {
    let is_fossil = view.sqlite_era() && lock.kind != LockKind::Gateway;
    !is_fossil
        && lock.verdict == Verdict::Stale
        && lock.owner_alive == Some(false)
        && matches!(lock.kind, LockKind::Session | LockKind::Store | LockKind::Gateway)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counted, judged};
    use super::*;

    #[test]
    fn a_crash_is_over_once_the_gateway_is_up_again() {
        let crash = ("10:00:00", "[openclaw] Uncaught exception: TypeError: x is not a function");
        let told = |lines: &[(&str, &str)]| {
            let traffic = counted(lines, Traffic::push);
            judged(|view| judge(view, &traffic)).unwrap().explanation
        };
        assert!(told(&[crash]).ends_with("no start follows: no message is answered."));
        assert!(told(&[crash, ("10:00:20", "[gateway] gateway ready")]).contains("was started again"));
    }
}
