//! One model of what happened, built as the log goes by in memory that does not grow with it.

use super::chats::{Chat, Chats, id_of_lock};
use super::input::LockFact;
use super::lanes::Lanes;
use super::lives::Lives;
use super::release::Releases;
use super::rules::Counters;
use super::rules::run_limit::Hit;
use super::story::dated;
use super::timeline::Recorder;
use crate::gatewaylog::{Entry, Event};
use chrono::{DateTime, TimeDelta, Utc};

/// What the log tells, ready to be judged together with the facts.
#[derive(Debug, Default)]
pub struct Model {
    pub(super) lanes: Lanes,
    pub(super) lives: Lives,
    pub(super) chats: Chats,
    pub(super) timeline: Recorder,
    pub(super) counters: Counters,
    pub(super) releases: Releases,
    pub(super) first: Option<DateTime<Utc>>,
    pub(super) last: Option<DateTime<Utc>>,
    /// Run starts and ends are in this log (DEBUG).
    pub(super) runs_logged: bool,
    pub(super) events: u64,
    /// The time of the event before: an undated line comes right after it.
    clock: DateTime<Utc>,
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
    /// It is the run's own word, which may license an act.
    pub witnessed: bool,
}

impl Model {
    /// Without a timeline and with fewer samples of each lane, which are the greater part of what a long log leaves
    /// in memory.
    pub fn small() -> Self {
        Self { timeline: Recorder::off(), lanes: Lanes::small(), ..Self::default() }
    }

    /// A run was given up because its transcript changed under it.
    pub fn saw_takeover(&self) -> bool {
        self.chats.all().any(|chat| chat.takeover.lines.count() > 0)
    }

    /// Session keys with their current ids, as the stores have them. Before the first entry.
    pub fn know_sessions<'a>(&mut self, sessions: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
        for (key, id) in sessions {
            self.chats.know(key, id);
        }
    }

    /// Messages that failed on this lock since it stands.
    pub fn failed_on(&self, lock: &LockFact) -> u64 {
        let of = |chat: &&Chat| chat.locks.lock.as_deref() == Some(&lock.path);
        let chat = id_of_lock(&lock.path).and_then(|id| self.chats.by_id(&id)).filter(of);
        let incidents = chat.map(|chat| &chat.locks.incidents);
        let incidents = incidents.or_else(|| self.counters.stores.incidents(&lock.path));
        incidents.map_or(0, |incidents| incidents.since(lock.created_at))
    }

    /// Whether anything that was logged is about this lock, or the session behind it.
    pub fn mentions(&self, session_id: Option<&str>, lock: &str) -> bool {
        session_id.is_some_and(|id| self.chats.by_id(id).is_some())
            || self.counters.stores.knows(lock)
            || self.counters.watchdog.knows(lock)
    }

    /// Takes the next event; `source` is the index of its source.
    pub fn push(&mut self, source: usize, entry: &Entry) {
        self.events += 1;
        if let Some(at) = entry.when.time() {
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            self.last = Some(self.last.map_or(at, |last| last.max(at)));
            self.lives.push(at, &entry.event);
            self.clock = at;
        } else {
            self.clock = self.clock.checked_add_signed(TimeDelta::milliseconds(1)).unwrap_or(self.clock);
        }
        let at = self.clock;
        self.runs_logged |= matches!(entry.event, Event::RunStart { .. } | Event::RunRegistered { .. });
        self.releases.note(entry);
        self.chats.push(at, source, entry);
        self.lanes.push(entry.when.time(), &entry.event);
        let lane = self.session_lane(&entry.event);
        self.timeline.push(entry, lane.as_deref());
        self.count(at, source, entry);
    }

    /// What is of no one chat.
    fn count(&mut self, at: DateTime<Utc>, source: usize, entry: &Entry) {
        let (counters, lives) = (&mut self.counters, &self.lives);
        counters.event_loop.push(at, source, entry, |at| lives.starting(at));
        counters.stores.push(at, source, entry);
        counters.watchdog.push(source, entry);
        counters.swept.push(source, entry);
        counters.model_side.push(at, source, entry);
        counters.rpc.push(at, source, entry);
        counters.listeners.push(source, entry);
        counters.shared_lanes.push(at, source, entry);
        counters.open_lanes.push(at, source, entry);
        counters.starts.push(at, source, entry);
        counters.database.push(at, source, entry, dated(at).is_some_and(|at| lives.starting(at)));
        counters.jobs.push(at, source, entry);
        counters.log_loss.push(source, entry);
        counters.gateway_down.push(at, source, entry);
        counters.draining.push(at, source, entry);
        counters.polling.push(at, source, entry);
        counters.memory_waits.push(at, source, entry);
    }

    /// Whether the run that took this lock ended at its time limit, and nothing of that session began since.
    pub fn run_timed_out(&self, session_id: &str, created_at: DateTime<Utc>) -> Option<TimedOut> {
        let chat = self.chats.by_id(session_id)?;
        let ours = |hit: &&Hit| hit.session_id.as_deref() == Some(session_id) && hit.at > created_at;
        let hit = chat.limits.hits.iter().rev().find(ours)?;
        if chat.started.is_some_and(|started| started > hit.at) {
            return None;
        }
        let abort = chat.limits.open_abort().filter(|abort| abort.at >= hit.at);
        Some(TimedOut {
            at: hit.at,
            timeout_ms: hit.timeout_ms,
            run_id: hit.run_id.clone().unwrap_or_default(),
            still_streaming: abort.is_some(),
            unwound: chat.limits.unwound.is_some_and(|unwound| unwound >= hit.at),
            starts_logged: self.runs_logged,
            witnessed: hit.witnessed,
        })
    }

    /// The lane of the session that a line without a lane is about.
    fn session_lane(&self, event: &Event) -> Option<String> {
        let by_id = |id: &str| self.chats.by_id(id).and_then(|chat| chat.key.clone());
        let session = match event {
            Event::Attention(attention) => Some(&attention.session),
            Event::Recovery(recovery) => Some(&recovery.session),
            _ => None,
        };
        let key = match event {
            Event::RunTimeout { session_id: Some(id), .. } => by_id(id),
            Event::WatchdogRelease { lock, .. } => id_of_lock(lock).and_then(|id| by_id(&id)),
            _ => session
                .and_then(|session| session.key.clone().or_else(|| session.id.as_deref().and_then(by_id))),
        }?;
        Some(format!("session:{key}"))
    }
}
