//! One model of what happened, built as the log goes by in memory that does not grow with it.

use super::evidence::Evidence;
use super::input::LockFact;
use super::lanes::Lanes;
use super::lives::Lives;
use super::sessions::{RunTimeout, Sessions, id_of_lock};
use super::timeline::Recorder;
use super::trouble::{ByName, LockTrouble, LoopTrouble, Times, entry};
use crate::gatewaylog::{Cause, Entry, Event, Interruption, SlowSqlite};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, VecDeque};

/// A task as long as this is worth naming when something else timed out beside it.
const LONG_TASK_MS: u64 = 60_000;
const LONG_TASKS: usize = 1024;

/// What the log tells, ready to be judged together with the facts.
#[derive(Debug, Default)]
pub struct Model {
    pub(super) lanes: Lanes,
    pub(super) lives: Lives,
    pub(super) sessions: Sessions,
    pub(super) timeline: Recorder,
    pub(super) transcripts: ByName<LockTrouble>,
    pub(super) stores: ByName<LockTrouble>,
    pub(super) event_loop: LoopTrouble,
    pub(super) takeovers: ByName<LockTrouble>,
    /// Lane tasks that ran into their lane's own budget.
    pub(super) lane_timeouts: ByName<Evidence>,
    pub(super) watchdog: ByName<Release>,
    pub(super) removed: Evidence,
    pub(super) removed_reasons: BTreeMap<String, u64>,
    pub(super) release_failures: Evidence,
    pub(super) interrupted: u64,
    pub(super) resumed: u64,
    pub(super) restart_lines: Evidence,
    pub(super) provider_timeouts: Evidence,
    pub(super) provider_times: Times,
    pub(super) timeout_times: Times,
    pub(super) rpc_timeouts: Evidence,
    pub(super) rpc_times: Times,
    pub(super) cron_rpc_timeouts: u64,
    pub(super) slow_cron_rpc: Evidence,
    pub(super) listeners: ByName<Listener>,
    pub(super) lane_waits: ByName<Waiting>,
    pub(super) jammed: ByName<Jam>,
    pub(super) long_tasks: VecDeque<LongTask>,
    pub(super) refused: Evidence,
    pub(super) startup_refused: Evidence,
    pub(super) owner_refused: Evidence,
    pub(super) database_busy: Evidence,
    pub(super) wal_mismatch: bool,
    pub(super) slow_sqlite: BTreeMap<SlowSqlite, SlowStore>,
    pub(super) first: Option<DateTime<Utc>>,
    pub(super) last: Option<DateTime<Utc>>,
    /// Run starts and ends are in this log (DEBUG).
    pub(super) runs_logged: bool,
    pub(super) events: u64,
    last_lock_failure: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
pub(super) struct Release {
    pub(super) lines: Evidence,
    pub(super) held_ms: u64,
    pub(super) max_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Listener {
    pub(super) lines: Evidence,
    pub(super) longest_ms: u64,
}

/// Waits for a global lane.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) lines: Evidence,
    pub(super) longest_ms: u64,
    pub(super) behind: u64,
}

#[derive(Debug, Default)]
pub(super) struct Jam {
    pub(super) lines: Evidence,
    pub(super) queue: u64,
}

#[derive(Debug, Default)]
pub(super) struct SlowStore {
    pub(super) lines: Evidence,
    pub(super) longest_ms: u64,
}

#[derive(Debug, Clone)]
pub(super) struct LongTask {
    pub(super) lane: String,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    pub(super) text: String,
}

/// The answer to: did this lock's run end at its time limit?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedOut {
    pub at: DateTime<Utc>,
    pub timeout_ms: u64,
    pub run_id: String,
    /// The gateway said that the model stream went on after the abort, and nothing since shows the run leaving.
    pub still_streaming: bool,
    /// A line after the limit shows that the attempt returned (and with it released what it held).
    pub unwound: bool,
    /// Run starts are in this log: that none follows is then seen, not only not logged.
    pub starts_logged: bool,
}

impl Model {
    /// Without a timeline and with fewer samples of each lane, which are the greater part of what a long log leaves
    /// in memory.
    pub fn small() -> Self {
        Self { timeline: Recorder::off(), lanes: Lanes::small(), ..Self::default() }
    }

    /// A run was given up because its transcript changed under it.
    pub fn saw_takeover(&self) -> bool {
        !self.takeovers.is_empty()
    }

    /// Session keys with their current ids, as the stores have them. Before the first entry.
    pub fn know_sessions<'a>(&mut self, sessions: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
        for (key, id) in sessions {
            self.sessions.know(key, id);
        }
    }

    /// Messages that failed on this lock since it stands.
    pub fn failed_on(&self, lock: &LockFact) -> u64 {
        let trouble = self.transcripts.get(&lock.path).or_else(|| self.stores.get(&lock.path));
        let Some(trouble) = trouble else { return 0 };
        let before = |created: DateTime<Utc>| trouble.times.iter().filter(|at| *at < created).count() as u64;
        trouble.incidents.saturating_sub(lock.created_at.map_or(0, before))
    }

    /// Whether anything that was logged is about this lock, or the session behind it.
    pub fn mentions(&self, session_id: Option<&str>, lock: &str) -> bool {
        session_id.is_some_and(|id| self.sessions.by_id(id).is_some())
            || self.transcripts.contains_key(lock)
            || self.stores.contains_key(lock)
            || self.watchdog.contains_key(lock)
    }

    /// Takes the next event; `source` is the index of its source.
    pub fn push(&mut self, source: usize, entry: &Entry) {
        self.events += 1;
        let at = entry.when.time();
        if let Some(at) = at {
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            self.last = Some(self.last.map_or(at, |last| last.max(at)));
            self.lives.push(at, &entry.event);
        }
        self.runs_logged |= matches!(entry.event, Event::RunStart { .. } | Event::RunRegistered { .. });
        self.sessions.push(source, entry);
        self.lanes.push(at, &entry.event);
        let lane = self.session_lane(&entry.event);
        self.timeline.push(entry, lane.as_deref());
        let lives = &self.lives;
        self.event_loop.push(source, entry, |at| lives.starting(at));
        if let Some(cause) = entry.event.cause() {
            self.failed(source, entry, cause);
        }
        self.note(source, entry);
    }

    /// Whether the run that took this lock ended at its time limit, and nothing of that session began since.
    pub fn run_timed_out(&self, session_id: &str, created_at: DateTime<Utc>) -> Option<TimedOut> {
        let track = self.sessions.by_id(session_id)?;
        let ours = |timeout: &&RunTimeout| timeout.session_id == session_id && timeout.at > created_at;
        let timeout = track.timeouts.iter().rev().find(ours)?;
        if track.started.is_some_and(|started| started > timeout.at) {
            return None;
        }
        let after = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at >= timeout.at);
        Some(TimedOut {
            at: timeout.at,
            timeout_ms: timeout.timeout_ms,
            run_id: timeout.run_id.clone(),
            still_streaming: after(track.still_streaming) && track.unwound <= track.still_streaming,
            unwound: after(track.unwound),
            starts_logged: self.runs_logged,
        })
    }

    fn failed(&mut self, source: usize, entry_: &Entry, cause: &Cause) {
        match cause {
            Cause::TranscriptLocked { lock, owner, .. } | Cause::LockStale { lock, owner, .. } => {
                self.last_lock_failure = entry_.when.time();
                let (own, former) = self.whose(entry_.when.time(), owner.pid);
                if let Some(trouble) = entry(&mut self.transcripts, lock) {
                    trouble.push(source, entry_, cause);
                    trouble.own_pid += u64::from(own);
                    trouble.former_pid += u64::from(former);
                }
            }
            Cause::StoreLocked { lock: store, owner: crate::gatewaylog::LockOwner { pid, .. }, .. } => {
                self.last_lock_failure = entry_.when.time();
                let (own, former) = self.whose(entry_.when.time(), *pid);
                if let Some(trouble) = entry(&mut self.stores, store) {
                    trouble.push(source, entry_, cause);
                    trouble.own_pid += u64::from(own);
                    trouble.former_pid += u64::from(former);
                }
            }
            Cause::StoreLockTimeout { lock } => {
                self.last_lock_failure = entry_.when.time();
                if let Some(trouble) = entry(&mut self.stores, lock) {
                    trouble.push(source, entry_, cause);
                }
            }
            Cause::StoreQueueTimeout { store } => {
                self.last_lock_failure = entry_.when.time();
                if let Some(trouble) = entry(&mut self.stores, store) {
                    trouble.push(source, entry_, cause);
                }
            }
            Cause::Takeover { transcript } => {
                if let Some(trouble) = entry(&mut self.takeovers, transcript) {
                    trouble.push(source, entry_, cause);
                }
            }
            Cause::ModelIdle { .. } | Cause::ModelTimeout => self.model_timed_out(source, entry_),
            Cause::LaneTaskTimeout { lane, .. } => {
                let lane = entry_.event.lane().or(lane.as_deref()).unwrap_or("unknown").to_owned();
                if let Some(lines) = entry(&mut self.lane_timeouts, &lane) {
                    lines.add(source, entry_);
                }
            }
            Cause::DatabaseBusy | Cause::WalMismatch => {
                self.database_busy.add(source, entry_);
                self.wal_mismatch |= *cause == Cause::WalMismatch;
            }
            _ => {}
        }
    }

    /// Is that pid the gateway of that time? An earlier one?
    fn whose(&self, at: Option<DateTime<Utc>>, pid: Option<u32>) -> (bool, bool) {
        let (Some(at), Some(pid)) = (at, pid) else { return (false, false) };
        let Some(life) = self.lives.at(at) else { return (false, false) };
        let own = life.pid == Some(pid);
        let former =
            !own && self.lives.all().iter().any(|other| other.start < life.start && other.pid == Some(pid));
        (own, former)
    }

    fn note(&mut self, source: usize, entry_: &Entry) {
        let at = entry_.when.time();
        match &entry_.event {
            Event::RunTimeout { .. } => {
                if let Some(at) = at {
                    self.timeout_times.add(at);
                }
            }
            Event::LaneDone { lane, duration_ms, .. } | Event::LaneError { lane, duration_ms, .. } => {
                self.long_task(lane, *duration_ms, entry_);
            }
            Event::LaneWait { lane, waited_ms, queue_ahead, counts } if !lane.starts_with("session:") => {
                if let Some(waiting) = entry(&mut self.lane_waits, lane) {
                    waiting.lines.add(source, entry_);
                    waiting.longest_ms = waiting.longest_ms.max(*waited_ms);
                    waiting.behind =
                        waiting.behind.max(counts.map_or(*queue_ahead, |counts| counts.queue_behind));
                }
            }
            Event::LaneJammed { lane, queue } => {
                if let Some(jam) = entry(&mut self.jammed, lane) {
                    jam.lines.add(source, entry_);
                    jam.queue = jam.queue.max(*queue);
                }
            }
            Event::WatchdogRelease { held_ms, max_ms, lock } => {
                if let Some(release) = entry(&mut self.watchdog, lock) {
                    release.lines.add(source, entry_);
                    release.held_ms = release.held_ms.max(*held_ms);
                    release.max_ms = *max_ms;
                }
            }
            Event::StaleLockRemoved { reasons, .. } => {
                self.removed.add(source, entry_);
                for reason in reasons {
                    *self.removed_reasons.entry(reason.clone()).or_default() += 1;
                }
            }
            Event::LockReleaseFailed { .. } => self.release_failures.add(source, entry_),
            Event::InterruptedMarked { count, why } => {
                self.restart_lines.add(source, entry_);
                self.interrupted += if *why == Interruption::Restart { 0 } else { *count };
            }
            Event::RunResumed { .. } => {
                self.restart_lines.add(source, entry_);
                self.resumed += 1;
            }
            Event::SlowListener { listener, duration_ms, .. } => {
                let name = listener.as_deref().unwrap_or("listener");
                if let Some(slow) = entry(&mut self.listeners, name) {
                    slow.lines.add(source, entry_);
                    slow.longest_ms = slow.longest_ms.max(duration_ms.unwrap_or(0));
                }
            }
            Event::GatewayTimeout { tool, method, .. } => {
                let cron = tool.as_deref() == Some("cron")
                    || method.as_deref().is_some_and(|method| method.starts_with("cron."));
                // The same error with and without colour, and its five lines.
                if self
                    .rpc_timeouts
                    .last()
                    .is_none_or(|last| at.is_none_or(|at| at - last > TimeDelta::seconds(1)))
                {
                    self.rpc_timeouts.add(source, entry_);
                    self.cron_rpc_timeouts += u64::from(cron);
                    if let Some(at) = at {
                        self.rpc_times.add(at);
                    }
                }
            }
            Event::Rpc { method, duration_ms: Some(ms), .. }
                if method.starts_with("cron.") && *ms >= 5_000 =>
            {
                self.slow_cron_rpc.add(source, entry_);
            }
            Event::GatewayRefused { .. } => self.refused.add(source, entry_),
            Event::OwnerLeaseRefused => self.owner_refused.add(source, entry_),
            Event::StartupRefused => self.startup_refused.add(source, entry_),
            // A worker's clean-up is slow by design, and at start everything is.
            Event::SlowSqlite { what, elapsed_ms, .. }
                if *what != SlowSqlite::Reclamation && !at.is_some_and(|at| self.lives.starting(at)) =>
            {
                let slow = self.slow_sqlite.entry(*what).or_default();
                slow.lines.add(source, entry_);
                slow.longest_ms = slow.longest_ms.max(elapsed_ms.unwrap_or(0));
            }
            event if is_model_side(event) => {
                // OpenClaw files a lock timeout under `timeout` too and would blame the model for it.
                let echo =
                    |failed: DateTime<Utc>| at.is_some_and(|at| (at - failed).abs() <= TimeDelta::seconds(3));
                if !self.last_lock_failure.is_some_and(echo) {
                    self.model_timed_out(source, entry_);
                }
            }
            _ => {}
        }
    }

    fn model_timed_out(&mut self, source: usize, entry_: &Entry) {
        self.provider_timeouts.add(source, entry_);
        if let Some(at) = entry_.when.time() {
            self.provider_times.add(at);
        }
    }

    fn long_task(&mut self, lane: &str, duration_ms: u64, entry_: &Entry) {
        let Some(to) = entry_.when.time() else { return };
        let from = i64::try_from(duration_ms)
            .ok()
            .and_then(TimeDelta::try_milliseconds)
            .and_then(|length| to.checked_sub_signed(length));
        if let (true, Some(from)) = (duration_ms >= LONG_TASK_MS, from) {
            if self.long_tasks.len() == LONG_TASKS {
                self.long_tasks.pop_front();
            }
            let text = entry_.message.lines().next().unwrap_or("").to_owned();
            self.long_tasks.push_back(LongTask { lane: lane.to_owned(), from, to, text });
        }
    }

    /// The lane of the session that a line without a lane is about.
    fn session_lane(&self, event: &Event) -> Option<String> {
        let by_id = |id: &str| self.sessions.by_id(id).and_then(|track| track.key.clone());
        let session = match event {
            Event::Attention(attention) => Some(&attention.session),
            Event::Recovery(recovery) => Some(&recovery.session),
            _ => None,
        };
        let key = match event {
            Event::RunTimeout { session_id, .. } => by_id(session_id),
            Event::WatchdogRelease { lock, .. } => id_of_lock(lock).and_then(|id| by_id(&id)),
            _ => session
                .and_then(|session| session.key.clone().or_else(|| session.id.as_deref().and_then(by_id))),
        }?;
        Some(format!("session:{key}"))
    }
}

fn is_model_side(event: &Event) -> bool {
    match event {
        Event::ModelIdle { .. }
        | Event::ProfileTimeout { .. }
        | Event::FetchTimeout { timer_delay_ms: None, .. } => true,
        Event::ModelFetchError { name, .. } => name.as_deref().is_some_and(|name| name.contains("Timeout")),
        Event::FailoverDecision { reason, .. } => reason.as_deref() == Some("timeout"),
        Event::ModelFallback { reason, cause, .. } => reason.as_deref() == Some("timeout") && cause.is_none(),
        _ => false,
    }
}
