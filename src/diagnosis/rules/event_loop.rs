//! The gateway's one event loop: signs that it did not turn, and what that explains.

use super::super::finding::{Certainty, Code, Finding};
use super::super::input::{GatewayFact, GatewayState};
use super::remedy;
use super::view::{View, count, lasting};
use crate::gatewaylog::{Entry, Event};
use crate::history::evidence::{Evidence, Line, Logged};
use crate::history::lives::Lives;
use crate::history::story::dated;
use crate::history::trouble::{NEAR, Times};
use crate::redact::local;
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// So long after its start a busy gateway is loading modules.
const START_UP: TimeDelta = TimeDelta::seconds(180);
const BIG_STORE: u64 = 1 << 20;
const BIG_TRANSCRIPT: u64 = 16 << 20;
/// Stalls remembered for correlation.
const STALLS: usize = 2048;
/// As long as people begin to wonder.
const LONG_MS: u64 = 15_000;

/// Signs that the one event loop of the gateway did not turn.
#[derive(Debug, Default)]
pub(super) struct LoopTrouble {
    /// Outside the start-up.
    strong: Evidence,
    /// When, and for how long the loop stood still.
    stalls: Vec<(DateTime<Utc>, u64)>,
    pub(super) worst_ms: u64,
    kinds: BTreeSet<&'static str>,
    last_heartbeat: Option<DateTime<Utc>>,
}

/// Nobody gives up sooner than that.
const MIN_WAIT_MS: u64 = 10_000;
/// A timer of 30 s that comes this much late was held up (it is exact to some milliseconds otherwise).
const LATE_MS: i64 = 5_000;

impl LoopTrouble {
    pub(super) fn push(&mut self, logged: Logged<'_>, lives: &Lives) {
        let Some((kind, ms)) = self.sign(logged.entry) else { return };
        // In the first minutes of a life modules are loaded.
        if lives.starting(logged.at) {
            return;
        }
        self.kinds.insert(kind);
        self.worst_ms = self.worst_ms.max(ms);
        self.strong.add(logged);
        if self.stalls.len() == STALLS {
            self.stalls.drain(..STALLS / 2);
        }
        self.stalls.push((logged.at, ms));
    }

    /// Was there a stall near enough and long enough to explain that somebody gave up after `waited_ms`? Two stalls
    /// of half the time on end will do.
    pub(super) fn explains(&self, at: DateTime<Utc>, waited_ms: u64) -> bool {
        let enough = waited_ms.max(MIN_WAIT_MS) / 2;
        let near = |stall: DateTime<Utc>| match (dated(stall), dated(at)) {
            (Some(stall), Some(at)) => (stall - at).abs() <= NEAR,
            (None, None) => true,
            _ => false,
        };
        self.stalls.iter().any(|(stall, ms)| near(*stall) && *ms >= enough)
    }

    /// How many of these give-ups a stall explains.
    pub(super) fn explained(&self, times: &Times, waited_ms: u64) -> u64 {
        times.iter().filter(|at| self.explains(*at, waited_ms)).count() as u64
    }

    fn sign(&mut self, entry: &Entry) -> Option<(&'static str, u64)> {
        match &entry.event {
            // A high maximum alone is one spike; a high 99th percentile is a loop that did not turn.
            Event::Liveness(liveness) => {
                let p99 = liveness.delay_p99_ms.filter(|p99| *p99 >= 1000.0)?;
                let worst = liveness.delay_max_ms.unwrap_or(p99).max(p99) as u64;
                // A loop that is never idle and late all the time stood still for the window as a whole.
                let throughout = liveness.utilization.is_some_and(|share| share >= 0.95) && p99 >= 5_000.0;
                Some(("liveness warnings", if throughout { worst.max(liveness.interval_ms) } else { worst }))
            }
            Event::HeartbeatDelayed { overdue_ms } => Some(("a late 30 s timer", *overdue_ms)),
            Event::FetchTimeout { timer_delay_ms: Some(delay), .. } => {
                Some(("timers that fired late", *delay))
            }
            Event::WatchdogRelease { held_ms, max_ms, .. } => {
                // It looks every 60 s; what is later than that is a timer that could not run.
                let late = held_ms.checked_sub(max_ms.saturating_add(65_000))?;
                Some(("a late lock watchdog", late))
            }
            Event::Rpc { method, duration_ms: Some(ms), .. } if *ms >= 3_000 && is_trivial(method) => {
                Some(("slow answers to trivial requests", *ms))
            }
            Event::Heartbeat { .. } => self.spacing(entry.when.time()?),
            Event::GatewayListening { .. } | Event::GatewayReady => {
                self.last_heartbeat = None;
                None
            }
            _ => None,
        }
    }

    /// The DEBUG heartbeat comes every 30 s, or not at all while nothing goes on: a gap that is no multiple of 30 s
    /// is a late timer. The only sign in versions without liveness lines.
    fn spacing(&mut self, at: DateTime<Utc>) -> Option<(&'static str, u64)> {
        let before = self.last_heartbeat.replace(at)?;
        let gap = (at - before).num_milliseconds();
        let late = gap.rem_euclid(30_000);
        let held_up = gap > 30_000 + LATE_MS && late > LATE_MS && late < 30_000 - 1_000;
        held_up.then(|| ("an uneven 30 s heartbeat", late.unsigned_abs()))
    }
}

/// Requests that touch neither model nor disk to speak of.
fn is_trivial(method: &str) -> bool {
    matches!(
        method,
        "health" | "status" | "ping" | "system-presence" | "last-heartbeat" | "channels.status" | "node.list"
    )
}

/// What other rules count that a loop which stood still may explain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Consequences {
    pub(super) lock_failures: u64,
    pub(super) requests: u64,
    /// The longest transaction on the loop's thread.
    pub(super) transaction_ms: Option<u64>,
}

/// Everything synchronous in the one process stops every timer, every answer, every lock poll.
pub(super) fn judge(view: &View<'_>, trouble: &LoopTrouble, beside: Consequences) -> Option<Finding> {
    let busy: Vec<String> = view.facts.gateways.iter().filter_map(|gateway| busy(view, gateway)).collect();
    let silent = view
        .facts
        .gateways
        .iter()
        .any(|gateway| gateway.state == GatewayState::Running && gateway.answers == Some(false));
    if trouble.strong.count() == 0 && (busy.is_empty() || !silent) {
        return None;
    }
    let Consequences { lock_failures: locks, requests, transaction_ms } = beside;
    let effect = if silent {
        Effect::NobodyIsAnswered
    } else if locks + requests > 0 {
        Effect::MessagesFail
    } else if trouble.worst_ms >= LONG_MS
        || trouble.worst_ms >= 5_000 && trouble.strong.count() >= 2
        || !busy.is_empty()
    {
        Effect::Threatens
    } else {
        Effect::Slow
    };
    let kinds: Vec<&str> = trouble.kinds.iter().copied().collect();
    let mut text = "The gateway's event loop was blocked".to_owned();
    if trouble.worst_ms > 0 {
        let _ = write!(text, ", for up to {} ({})", lasting(trouble.worst_ms), kinds.join(", "));
    }
    text.push_str(": nobody was served meanwhile.");
    if silent {
        text.push_str(" It does not answer on its port now.");
    }
    if locks > 0 {
        let _ = write!(
            text,
            " {} of those minutes are its consequence: a lock wait that wakes up late finds its deadline over.",
            count(locks, "lock failure")
        );
    } else if requests > 0 {
        let _ = write!(text, " {} timed out because of it.", count(requests, "request"));
    }
    let database = transaction_ms.filter(|ms| *ms >= 1_000 && trouble.worst_ms > 0);
    if let Some(ms) = database {
        let _ = write!(
            text,
            " The cause is in the log: SQLite held a transaction on the main thread for up to {}, and the loop stands still as long.",
            lasting(ms)
        );
    }
    let mut finding =
        Finding::new(Code::EventLoopBlocked, effect, text).backed_by(&trouble.strong).helps(Some(false));
    finding.certainty = Certainty::Proven;
    finding.evidence.extend(busy.into_iter().chain(big(view)).map(Line::seen));
    if silent && trouble.strong.count() == 0 {
        finding = finding.seen(Some(view.now), Some(view.now), 1);
    }
    let look = if database.is_some() {
        "Shrink what is read as a whole: fewer sessions kept, a smaller agent database."
    } else {
        "Look for what is big or slow: session store, transcripts, plugins; memory that swaps; a slow or full disk."
    };
    Some(finding.act(remedy::say(look)).act(remedy::restart()))
}

/// Stores and transcripts that cost the loop a noticeable time whenever they are read or written whole.
fn big(view: &View<'_>) -> Vec<String> {
    let stores =
        view.facts.stores.iter().filter(|store| store.bytes > BIG_STORE).map(|store| {
            (store.bytes, format!("{}: {:.1} MB", local(&store.path), store.bytes as f64 / 1e6))
        });
    let transcripts = view.facts.sessions.iter().filter_map(|session| {
        let bytes = session.transcript_bytes.filter(|bytes| *bytes > BIG_TRANSCRIPT)?;
        Some((bytes, format!("transcript of sessionKey={}: {:.1} MB", session.key, bytes as f64 / 1e6)))
    });
    let beside = view.facts.locks.iter().filter_map(|lock| {
        let bytes = lock.transcript_bytes.filter(|bytes| *bytes > BIG_TRANSCRIPT)?;
        Some((bytes, format!("transcript beside {}: {:.1} MB", local(&lock.path), bytes as f64 / 1e6)))
    });
    let mut big: Vec<(u64, String)> = stores.chain(transcripts).chain(beside).collect();
    big.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    big.into_iter().take(4).map(|(_, text)| text).collect()
}

/// The sentence on a gateway that is busy now, outside its start-up.
fn busy(view: &View<'_>, gateway: &GatewayFact) -> Option<String> {
    let load = gateway.load?;
    let loading = gateway.started_at.is_some_and(|started| view.now - started < START_UP);
    let blocked = load.cores >= 0.9 && load.state == 'R' || load.state == 'D';
    (blocked && !loading).then(|| {
        let pid = gateway.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        format!("gateway{pid}: {:.2} cores over {} ms, state {}", load.cores, load.over_ms, load.state)
    })
}
