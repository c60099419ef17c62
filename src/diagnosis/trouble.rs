//! Complaints that gather while the log goes by: lock failures per lock, signs of a blocked event loop, timeouts.

use super::evidence::Evidence;
use crate::gatewaylog::{Cause, Entry, Event, LockOwner};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// One failure is told several times (lane pair, agent, RPC answer, handler) within this time.
const ECHO: TimeDelta = TimeDelta::milliseconds(1500);
/// Times remembered for correlation.
const TIMES: usize = 2048;
/// Evidence this near to a complaint explains it.
pub(super) const NEAR: TimeDelta = TimeDelta::seconds(60);

/// Points in time, the latest ones of many.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<DateTime<Utc>>);

impl Times {
    pub(super) fn add(&mut self, at: DateTime<Utc>) {
        if self.0.len() == TIMES {
            self.0.drain(..TIMES / 2);
        }
        self.0.push(at);
    }

    pub(super) fn any_near(&self, at: DateTime<Utc>, within: TimeDelta) -> bool {
        self.0.iter().any(|then| (*then - at).abs() <= within)
    }

    /// How many of these lie within that distance of one of the others.
    pub(super) fn near(&self, others: &Self, within: TimeDelta) -> u64 {
        self.0.iter().filter(|at| others.any_near(**at, within)).count() as u64
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// All that failed on one lock (or store).
#[derive(Debug, Default)]
pub(super) struct LockTrouble {
    pub(super) lines: Evidence,
    pub(super) times: Times,
    pub(super) incidents: u64,
    pub(super) owners: BTreeMap<u32, u64>,
    pub(super) owner_alive: Option<bool>,
    /// Failures whose owner was the gateway that logged them.
    pub(super) own_pid: u64,
    /// Failures whose owner was an earlier gateway process.
    pub(super) former_pid: u64,
    pub(super) waited_ms: u64,
    /// Judged stale by OpenClaw (`hold-exceeded`) and left in place.
    pub(super) refused_stale: bool,
    pub(super) in_process: bool,
    pub(super) lanes: BTreeSet<String>,
}

impl LockTrouble {
    pub(super) fn push(&mut self, source: usize, entry: &Entry, cause: &Cause) {
        if let Some(at) = entry.when.time() {
            if self.lines.last().is_none_or(|last| at - last > ECHO) {
                self.incidents += 1;
                self.times.add(at);
            }
        } else if self.incidents == 0 {
            self.incidents = 1;
        }
        self.lines.add(source, entry);
        match cause {
            Cause::TranscriptLocked { timeout_ms, owner, .. }
            | Cause::StoreLocked { timeout_ms, owner, .. } => {
                self.waited_ms = self.waited_ms.max(*timeout_ms);
                self.owned(*owner);
            }
            Cause::LockStale { owner, .. } => {
                self.refused_stale = true;
                self.owned(*owner);
            }
            Cause::StoreLockTimeout { .. } => self.waited_ms = self.waited_ms.max(10_000),
            Cause::StoreQueueTimeout { .. } => self.in_process = true,
            _ => {}
        }
        if let Some(lane) = entry.event.lane().filter(|lane| lane.starts_with("session:"))
            && self.lanes.len() < 64
        {
            self.lanes.insert(lane.to_owned());
        }
    }

    fn owned(&mut self, owner: LockOwner) {
        if let Some(pid) = owner.pid
            && (self.owners.len() < 64 || self.owners.contains_key(&pid))
        {
            *self.owners.entry(pid).or_default() += 1;
        }
        self.owner_alive = owner.alive.or(self.owner_alive);
    }
}

/// Signs that the one event loop of the gateway did not turn.
#[derive(Debug, Default)]
pub(super) struct LoopTrouble {
    /// Outside the start-up.
    pub(super) strong: Evidence,
    /// When, and for how long the loop stood still.
    stalls: Vec<(DateTime<Utc>, u64)>,
    /// In the first minutes of a life, when modules are loaded.
    pub(super) starting: Evidence,
    pub(super) worst_ms: u64,
    pub(super) kinds: BTreeSet<&'static str>,
    last_heartbeat: Option<DateTime<Utc>>,
}

/// Nobody gives up sooner than that.
const MIN_WAIT_MS: u64 = 10_000;
/// A timer of 30 s that comes this much late was held up (it is exact to some milliseconds otherwise).
const LATE_MS: i64 = 5_000;

impl LoopTrouble {
    /// `starting`: is the gateway within its start-up at that time?
    pub(super) fn push(&mut self, source: usize, entry: &Entry, starting: impl Fn(DateTime<Utc>) -> bool) {
        let Some((kind, ms)) = self.sign(entry) else { return };
        let at = entry.when.time();
        if at.is_some_and(starting) {
            self.starting.add(source, entry);
            return;
        }
        self.kinds.insert(kind);
        self.worst_ms = self.worst_ms.max(ms);
        self.strong.add(source, entry);
        if let Some(at) = at {
            if self.stalls.len() == TIMES {
                self.stalls.drain(..TIMES / 2);
            }
            self.stalls.push((at, ms));
        }
    }

    /// Was there a stall near enough and long enough to explain that somebody gave up after `waited_ms`? Two stalls
    /// of half the time on end will do.
    pub(super) fn explains(&self, at: DateTime<Utc>, waited_ms: u64) -> bool {
        let enough = waited_ms.max(MIN_WAIT_MS) / 2;
        self.stalls.iter().any(|(stall, ms)| (*stall - at).abs() <= NEAR && *ms >= enough)
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

/// One thing per name, with its lines.
pub(super) type ByName<T> = BTreeMap<String, T>;

/// Keep at most so many names: locks of a year of cron runs must not fill the memory.
pub(super) fn entry<'m, T: Default>(map: &'m mut ByName<T>, name: &str) -> Option<&'m mut T> {
    const NAMES: usize = 4096;
    if !map.contains_key(name) {
        if map.len() >= NAMES {
            return None;
        }
        map.insert(name.to_owned(), T::default());
    }
    map.get_mut(name)
}
