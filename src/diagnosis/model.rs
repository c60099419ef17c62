//! One model of what happened, built as the log goes by in memory that does not grow with it.

use super::input::{Facts, LockFact};
use super::rules::{Counters, TimedOut, View};
use crate::gatewaylog::{Entry, Event};
use crate::history::chats::Chats;
use crate::history::evidence::Logged;
use crate::history::lanes::Lanes;
use crate::history::lives::Lives;
use crate::history::names::id_of_lock;
use crate::history::release::Releases;
use crate::history::timeline::Recorder;
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
    /// The time of the event before: an undated line comes right after it.
    clock: DateTime<Utc>,
}

impl Model {
    /// Without a timeline and with fewer samples of each lane, which are the greater part of what a long log leaves
    /// in memory.
    pub fn small() -> Self {
        Self { timeline: Recorder::off(), lanes: Lanes::small(), ..Self::default() }
    }

    /// A run was given up because its transcript changed under it.
    pub fn saw_takeover(&self) -> bool {
        self.counters.saw_takeover()
    }

    /// Session keys with their current ids, as the stores have them. Before the first entry.
    pub fn know_sessions<'a>(&mut self, sessions: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
        for (key, id) in sessions {
            self.chats.know(key, id);
        }
    }

    /// Messages that failed on this lock since it stands.
    pub fn failed_on(&self, lock: &LockFact) -> u64 {
        self.counters.failed_on(&self.chats, lock)
    }

    /// Whether anything that was logged is about this lock, or the session behind it.
    pub fn mentions(&self, session_id: Option<&str>, lock: &str) -> bool {
        session_id.is_some_and(|id| self.chats.of_session(id).is_some()) || self.counters.knows(lock)
    }

    /// Whether the run that took this lock ended at its time limit, and nothing of that session began since.
    pub fn run_timed_out(&self, session_id: &str, created_at: DateTime<Utc>) -> Option<TimedOut> {
        self.counters.timed_out(&self.chats, session_id, created_at)
    }

    pub(super) fn view<'a>(&'a self, facts: &'a Facts, now: DateTime<Utc>) -> View<'a> {
        let Self { chats, lives, releases, last, .. } = self;
        View { facts, now, chats, lives, releases, last: *last }
    }

    /// Takes the next event; `source` is the index of its source.
    pub fn push(&mut self, source: usize, entry: &Entry) {
        if let Some(at) = entry.when.time() {
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            self.last = Some(self.last.map_or(at, |last| last.max(at)));
            self.lives.push(at, &entry.event);
            self.clock = at;
        } else {
            self.clock = self.clock.checked_add_signed(TimeDelta::milliseconds(1)).unwrap_or(self.clock);
        }
        let at = self.clock;
        self.releases.note(entry);
        self.lanes.push(entry.when.time(), &entry.event);
        let chat = self.chats.push(at, &entry.event);
        for joined in self.chats.joined() {
            self.counters.join(joined);
        }
        let lane = self.session_lane(&entry.event);
        self.timeline.push(entry, lane.as_deref());
        let chat = chat.map(|id| self.chats.get(id));
        self.counters.push(Logged { at, source, entry }, chat, &self.lives);
    }

    /// The lane of the session that a line without a lane is about.
    fn session_lane(&self, event: &Event) -> Option<String> {
        let by_id = |id: &str| self.chats.of_session(id).and_then(|chat| chat.key.clone());
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
