//! What the log says about each chat: its names joined, its runs, and what the rules count about it.
//!
//! Lines name a chat by session id, by session key, or by lane, often by one only (1.24 to 3.13 print `unknown` for
//! the other). The store, lines with both, and lock paths in lane errors join them.

use super::evidence::Evidence;
use super::rules::lock_errors::LockErrors;
use super::rules::lost::Losses;
use super::rules::run_limit::Limits;
use super::rules::session_wait::Waits;
use super::rules::stuck::Complaints;
use super::rules::takeover::Takeover;
use super::story::Story;
use crate::gatewaylog::{Cause, Entry, Event, SessionRef, Undelivered};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;

/// Chats that are followed; more than that (every cron run is one) are left out.
const CHATS: usize = 4096;
/// Between taking a task from a session's lane and the first line of its run.
const START_GAP: TimeDelta = TimeDelta::seconds(5);

#[derive(Debug, Default)]
pub(super) struct Chats {
    chats: Vec<Chat>,
    by_id: HashMap<String, usize>,
    by_key: HashMap<String, usize>,
    /// A channel's own lane, or a channel: where a line knows no more.
    by_lane: HashMap<String, usize>,
    by_run: HashMap<String, usize>,
    unnamed: Option<usize>,
    /// Session lanes from which a task was taken and whose run has not shown itself yet.
    starting: Vec<(DateTime<Utc>, usize)>,
    answers: HashMap<String, DateTime<Utc>>,
}

/// One chat.
#[derive(Debug, Default)]
pub(super) struct Chat {
    pub(super) key: Option<String>,
    /// The latest id that the log names for it.
    pub(super) id: Option<String>,
    /// Where neither is known.
    pub(super) lane: Option<String>,
    pub(super) runs: u64,
    pub(super) open: Option<OpenRun>,
    pub(super) started: Option<DateTime<Utc>>,
    /// Its lane or its run went on.
    pub(super) moved: Option<DateTime<Utc>>,
    /// A turn of it ended well.
    pub(super) answered: Option<DateTime<Utc>>,
    pub(super) story: Story,
    pub(super) limits: Limits,
    pub(super) stuck: Complaints,
    pub(super) waits: Waits,
    pub(super) locks: LockErrors,
    pub(super) lost: Losses,
    pub(super) takeover: Takeover,
    pub(super) orphaned_messages: Evidence,
    /// Another one has taken this one over.
    merged: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct OpenRun {
    pub(super) since: DateTime<Utc>,
    run_id: Option<String>,
}

impl Chats {
    /// A store entry: this key's current id.
    pub(super) fn know(&mut self, key: &str, id: Option<&str>) {
        self.find(id, Some(key));
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Chat> {
        self.chats.iter().filter(|chat| chat.merged.is_none())
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&Chat> {
        self.by_id.get(id).map(|index| &self.chats[self.root(*index)])
    }

    /// When the last answer went out to whom this chat is with.
    pub(super) fn last_answer(&self, chat: &Chat) -> Option<DateTime<Utc>> {
        let name = chat.key.as_deref().or(chat.lane.as_deref())?;
        let to = self.answers.iter().filter(|(peer, _)| is_with(name, peer)).map(|(_, at)| *at).max();
        chat.answered.max(to)
    }

    pub(super) fn push(&mut self, at: DateTime<Utc>, source: usize, entry: &Entry) {
        if let Event::Answered { peer: Some(peer) } = &entry.event {
            if self.answers.len() < CHATS || self.answers.contains_key(peer) {
                self.answers.insert(peer.clone(), at);
            }
            return;
        }
        let Some(index) = self.chat_of(at, &entry.event) else { return };
        self.note_start(at, index, &entry.event);
        if let Event::RunTimeout { run_id: Some(run), .. } = &entry.event
            && self.by_run.len() < CHATS
        {
            self.by_run.insert(run.clone(), index);
        }
        self.chats[index].push(at, source, entry);
    }

    /// Which chat a line is about.
    fn chat_of(&mut self, at: DateTime<Utc>, event: &Event) -> Option<usize> {
        if let Event::RunStart { session_id, .. } | Event::RunRegistered { session_id, .. } = event {
            self.join_the_starting(at, session_id);
        }
        let named = event.cause().and_then(session_id_in);
        let lane_key = event.lane().and_then(session_of_lane);
        if named.is_some() || lane_key.is_some() {
            return self.find(named.as_deref(), lane_key);
        }
        if let Some(SessionRef { id, key }) = session_of(event)
            && (id.is_some() || key.is_some())
        {
            return self.find(id.as_deref(), key.as_deref());
        }
        match event {
            Event::RunStart { session_id, .. }
            | Event::RunDone { session_id, .. }
            | Event::RunAbortStreaming { session_id, .. }
            | Event::RunRegistered { session_id, .. }
            | Event::RunCleared { session_id, .. }
            | Event::QueueMessageFailed { session_id, .. }
            | Event::WaitTimeout { session_id, .. } => self.find(Some(session_id), None),
            Event::RunTimeout { session_id: Some(id), .. }
            | Event::AbortSettleTimeout { session_id: Some(id), .. }
            | Event::OrphanUserMessage { session_id: Some(id), .. } => self.find(Some(id), None),
            Event::RunResumed { session_key } => self.find(None, Some(session_key)),
            Event::FailoverDecision { run_id: Some(run), .. } => {
                self.by_run.get(run).map(|index| self.root(*index))
            }
            Event::Undelivered(lost) => self.chat_of_lost(lost),
            // A request to the gateway is no message.
            Event::HandlerFailed { channel: Some(channel), cause }
                if !cause.is_lock() && channel != "request" =>
            {
                self.at_lane(channel)
            }
            Event::RunTimeout { .. } | Event::AbortSettleTimeout { .. } | Event::Attention(_) => {
                self.unnamed()
            }
            Event::ProfileTimeout { .. } | Event::AgentFailed { .. } => self.unnamed,
            _ => None,
        }
    }

    fn chat_of_lost(&mut self, lost: &Undelivered) -> Option<usize> {
        if let Some(lane) = &lost.lane {
            let with = |(key, index): (&String, &usize)| {
                let (channel, peer) = lane.split_once(':')?;
                (key.split(':').any(|part| part == channel) && key.ends_with(peer)).then_some(*index)
            };
            let known = self.by_key.iter().find_map(with);
            return known.map(|index| self.root(index)).or_else(|| self.at_lane(lane));
        }
        match &lost.channel {
            Some(channel) => self.at_lane(channel),
            None => self.unnamed(),
        }
    }

    fn note_start(&mut self, at: DateTime<Utc>, index: usize, event: &Event) {
        if matches!(event, Event::LaneDequeue { .. }) {
            self.starting.retain(|(then, other)| at - *then <= START_GAP && *other != index);
            self.starting.push((at, index));
        }
    }

    /// One lane has just let a task go and only one: this is its run.
    fn join_the_starting(&mut self, at: DateTime<Utc>, session_id: &str) {
        self.starting.retain(|(then, _)| at - *then <= START_GAP);
        if let [(_, lane)] = self.starting[..] {
            let lane = self.root(lane);
            let key = self.chats[lane].key.clone();
            let other = self.by_id(session_id).and_then(|chat| chat.key.as_deref());
            if other.is_none() || other == key.as_deref() {
                self.find(Some(session_id), key.as_deref());
                self.starting.clear();
            }
        }
    }

    /// The chat, by whichever name there is; two names join two.
    fn find(&mut self, id: Option<&str>, key: Option<&str>) -> Option<usize> {
        let by_id = id.and_then(|id| self.by_id.get(id)).map(|index| self.root(*index));
        let by_key = key.and_then(|key| self.by_key.get(key)).map(|index| self.root(*index));
        let index = match (by_id, by_key) {
            (Some(one), Some(other)) if one != other => self.merge(one, other),
            (Some(index), _) | (_, Some(index)) => index,
            (None, None) if id.is_none() && key.is_none() => return None,
            (None, None) => self.fresh()?,
        };
        let chat = &mut self.chats[index];
        if let Some(id) = id {
            chat.id = Some(id.to_owned());
            self.by_id.insert(id.to_owned(), index);
        }
        if let Some(key) = key {
            chat.key = Some(key.to_owned());
            self.by_key.insert(key.to_owned(), index);
        }
        Some(index)
    }

    fn at_lane(&mut self, lane: &str) -> Option<usize> {
        if let Some(index) = self.by_lane.get(lane) {
            return Some(self.root(*index));
        }
        let index = self.fresh()?;
        self.chats[index].lane = Some(lane.to_owned());
        self.by_lane.insert(lane.to_owned(), index);
        Some(index)
    }

    /// The one that lines are about whose names somebody took out.
    fn unnamed(&mut self) -> Option<usize> {
        if self.unnamed.is_none() {
            self.unnamed = self.fresh();
        }
        self.unnamed
    }

    fn fresh(&mut self) -> Option<usize> {
        (self.chats.len() < CHATS).then(|| {
            self.chats.push(Chat::default());
            self.chats.len() - 1
        })
    }

    fn root(&self, mut index: usize) -> usize {
        while let Some(next) = self.chats[index].merged {
            index = next;
        }
        index
    }

    /// The one known by id only goes into the one known by key.
    fn merge(&mut self, by_id: usize, by_key: usize) -> usize {
        if self.chats[by_id].key.is_some() {
            // An id that was joined to another key: keys are aliases of one chat at most for a time.
            return by_key;
        }
        let taken = std::mem::take(&mut self.chats[by_id]);
        self.chats[by_id].merged = Some(by_key);
        self.chats[by_key].absorb(taken);
        by_key
    }
}

impl Chat {
    pub(super) fn agent(&self) -> Option<&str> {
        agent_of_key(self.key.as_deref()?)
    }

    fn push(&mut self, at: DateTime<Utc>, source: usize, entry: &Entry) {
        self.limits.push(at, source, entry, &mut self.story);
        self.stuck.push(at, source, entry, &mut self.story, self.open.is_some());
        self.locks.push(at, source, entry, &mut self.story);
        let limit = self.limits.hits.last().map(|hit| hit.at);
        self.lost.push(at, source, entry, &mut self.story, limit.max(self.locks.failed_at()));
        self.takeover.push(at, source, entry, &mut self.story);
        self.waits.push(at, source, entry, &mut self.story, self.locks.failed_at());
        match &entry.event {
            Event::RunStart { run_id, .. } => self.start(at, Some(run_id)),
            Event::RunRegistered { .. } => self.start(at, None),
            Event::SessionState { new, reason, .. } if new == "processing" && reason == "run_started" => {
                self.start(at, None);
            }
            Event::SessionState { new, reason, .. } if new == "idle" && reason == "run_completed" => {
                self.end(at);
            }
            Event::RunDone { aborted, .. } => {
                self.end(at);
                self.answered = self.answered.max((!aborted).then_some(at));
            }
            Event::RunCleared { .. } => self.end(at),
            Event::LaneDone { .. } => {
                self.end(at);
                self.answered = self.answered.max(Some(at));
            }
            // The failure of the next message says nothing of the run before it.
            Event::LaneError { cause, .. } if cause.is_lock() => {}
            Event::LaneError { duration_ms, .. } => {
                let started = at.checked_sub_signed(super::story::delta(*duration_ms));
                self.started = self.started.max(started);
                self.end(at);
            }
            // Whatever was ahead is over, and the next run begins.
            Event::LaneWait { .. } => {
                self.moved = self.moved.max(Some(at));
                if !self.waits.last_is_after_a_lock_error {
                    self.limits.unwound = self.limits.unwound.max(Some(at));
                    self.started = self.started.max(Some(at));
                }
            }
            Event::MessageProcessed { outcome, .. } | Event::DispatchCompleted { outcome, .. }
                if is_success(outcome) =>
            {
                self.moved = self.moved.max(Some(at));
                self.answered = self.answered.max(Some(at));
            }
            Event::OrphanUserMessage { .. } => self.orphaned_messages.add(source, entry),
            _ => {}
        }
        if self.moved == Some(at) {
            self.stuck.went_on();
        }
    }

    fn start(&mut self, at: DateTime<Utc>, run_id: Option<&String>) {
        let same = |open: &OpenRun| {
            at - open.since <= START_GAP
                && (run_id.is_none() || open.run_id.is_none() || open.run_id.as_ref() == run_id)
        };
        if let Some(open) = self.open.as_mut().filter(|open| same(open)) {
            open.run_id = open.run_id.take().or_else(|| run_id.cloned());
            return;
        }
        self.runs += 1;
        self.started = self.started.max(Some(at));
        self.moved = self.moved.max(Some(at));
        self.open = Some(OpenRun { since: at, run_id: run_id.cloned() });
    }

    fn end(&mut self, at: DateTime<Utc>) {
        self.open = None;
        self.moved = self.moved.max(Some(at));
        self.limits.unwound = self.limits.unwound.max(Some(at));
    }

    fn absorb(&mut self, other: Self) {
        self.runs += other.runs;
        self.open = self.open.take().or(other.open);
        self.started = self.started.max(other.started);
        self.moved = self.moved.max(other.moved);
        self.answered = self.answered.max(other.answered);
        self.story.absorb(other.story);
        self.limits.absorb(other.limits);
        self.stuck.absorb(other.stuck);
        self.locks.absorb(other.locks);
        self.lost.absorb(other.lost);
        if self.takeover.lines.count() == 0 {
            self.takeover = other.takeover;
        }
        if self.orphaned_messages.count() == 0 {
            self.orphaned_messages = other.orphaned_messages;
        }
        self.id = self.id.take().or(other.id);
    }
}

fn is_success(outcome: &str) -> bool {
    matches!(outcome, "completed" | "ok" | "success" | "delivered" | "processed")
}

fn session_of(event: &Event) -> Option<&SessionRef> {
    Some(match event {
        Event::Attention(attention) => &attention.session,
        Event::Recovery(recovery) => &recovery.session,
        Event::Undelivered(lost) => &lost.session,
        Event::SessionState { session, .. }
        | Event::MessageQueued { session, .. }
        | Event::MessageReceived { session, .. }
        | Event::MessageProcessed { session, .. }
        | Event::DispatchStarted { session, .. }
        | Event::DispatchCompleted { session, .. }
        | Event::TurnCreated { session, .. }
        | Event::RunAttempt { session, .. } => session,
        _ => return None,
    })
}

/// The session that an error itself names.
fn session_id_in(cause: &Cause) -> Option<String> {
    match cause {
        Cause::TranscriptLocked { lock: path, .. }
        | Cause::LockStale { lock: path, .. }
        | Cause::Takeover { transcript: path } => id_of_lock(path),
        Cause::TurnClaimed { session_id } => session_id.clone(),
        _ => None,
    }
}

/// `session:<key>`; `nested:<key>` is a run of that session, too.
pub(super) fn session_of_lane(lane: &str) -> Option<&str> {
    lane.strip_prefix("session:").or_else(|| lane.strip_prefix("nested:"))
}

/// Whether a chat of that name is with `peer`: `agent:main:telegram:direct:123` and `123`.
fn is_with(name: &str, peer: &str) -> bool {
    let peer = peer.rsplit(':').next().unwrap_or(peer);
    peer.len() >= 4 && name.rsplit(':').next() == Some(peer)
}

/// `agent:<id>:...` → `<id>`.
pub(super) fn agent_of_key(key: &str) -> Option<&str> {
    key.strip_prefix("agent:")?.split(':').next().filter(|agent| !agent.is_empty())
}

/// `.../agents/<id>/sessions/...` → `<id>`; Windows separates by `\`.
pub(super) fn agent_of_path(path: &str) -> Option<&str> {
    let mut parts = path.split(['/', '\\']).skip_while(|part| *part != "agents");
    parts.nth(1).filter(|agent| !agent.is_empty())
}

/// `<sid>.jsonl.lock`, `<sid>-topic-<id>.jsonl.lock`, `<time>_<sid>.jsonl.lock` → `<sid>`; `boot-<time>_<time>` is one.
pub(super) fn id_of_lock(lock: &str) -> Option<String> {
    let name = lock.rsplit(['/', '\\']).next()?;
    let stem = name.strip_suffix(".lock").unwrap_or(name).strip_suffix(".jsonl")?;
    let stem = stem.split("-topic-").next().unwrap_or(stem);
    let dated = stem.starts_with(|c: char| c.is_ascii_digit());
    Some(stem.rsplit_once('_').filter(|_| dated).map_or(stem, |(_, id)| id).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_agents_of_locks() {
        for (lock, id) in [
            ("/s/agents/work/sessions/3f0d.jsonl.lock", "3f0d"),
            ("/s/agents/work/sessions/3f0d-topic-99.jsonl.lock", "3f0d"),
            ("/s/agents/work/2026-11-22T10-00-00_3f0d.jsonl", "3f0d"),
            (
                "/s/agents/work/sessions/boot-2026-02-14_16-22-48-951-a9b4.jsonl.lock",
                "boot-2026-02-14_16-22-48-951-a9b4",
            ),
            ("C:\\Users\\Ann\\.openclaw\\agents\\work\\sessions\\3f0d.jsonl.lock", "3f0d"),
        ] {
            assert_eq!((id_of_lock(lock).as_deref(), agent_of_path(lock)), (Some(id), Some("work")));
        }
        assert_eq!(id_of_lock("/s/sessions.json.lock"), None);
        assert_eq!(agent_of_key("agent:work:main"), Some("work"));
    }

    #[test]
    fn who_a_chat_is_with() {
        assert!(is_with("agent:main:telegram:direct:123456789", "123456789"));
        assert!(is_with("telegram:123456789", "telegram:123456789"));
        assert!(!is_with("agent:main:main", "123456789"));
    }
}
