//! Which chat a line is about: its names joined.
//!
//! Lines name a chat by session id, by session key, or by lane, often by one only (1.24 to 3.13 print `unknown` for
//! the other). The store, lines with both, and lock paths in lane errors join them.

use super::chat::{ByChat, Chat, ChatId, START_GAP};
use super::names::{id_of_lock, is_with, session_of_lane};
use crate::gatewaylog::{Cause, Event, SessionRef, Undelivered};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// Chats that are followed; more than that (every cron run is one) are left out.
const CHATS: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Chats {
    chats: ByChat<Chat>,
    by_id: HashMap<String, ChatId>,
    by_key: HashMap<String, ChatId>,
    /// A channel's own lane, or a channel: where a line knows no more.
    by_lane: HashMap<String, ChatId>,
    by_run: HashMap<String, ChatId>,
    unnamed: Option<ChatId>,
    /// Of which the watchdog complained last: what it does about it need not name it again.
    complained: Option<ChatId>,
    /// Session lanes from which a task was taken and whose run has not shown itself yet.
    starting: Vec<(DateTime<Utc>, ChatId)>,
    answers: HashMap<String, DateTime<Utc>>,
    joined: Vec<Joined>,
}

/// Two chats turned out to be one: what is noted of the first is of the second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joined {
    pub(crate) gone: ChatId,
    pub(crate) into: ChatId,
}

impl Chats {
    /// A store entry: this key's current id.
    pub(crate) fn know(&mut self, key: &str, id: Option<&str>) {
        self.find(id, Some(key));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Chat> {
        self.chats.iter().filter(|chat| chat.merged.is_none())
    }

    pub(crate) fn get(&self, id: ChatId) -> &Chat {
        self.chats.get(id)
    }

    pub(crate) fn of_session(&self, id: &str) -> Option<&Chat> {
        self.by_id.get(id).map(|id| self.chats.get(self.root(*id)))
    }

    /// When the last answer went out to whom this chat is with.
    pub(crate) fn last_answer(&self, chat: &Chat) -> Option<DateTime<Utc>> {
        let name = chat.key.as_deref().or(chat.lane.as_deref())?;
        let to = self.answers.iter().filter(|(peer, _)| is_with(name, peer)).map(|(_, at)| *at).max();
        chat.answered.max(to)
    }

    /// Takes the next event; tells the chat that it is about.
    pub(crate) fn push(&mut self, at: DateTime<Utc>, event: &Event) -> Option<ChatId> {
        if let Event::Answered { peer: Some(peer) } = event {
            if self.answers.len() < CHATS || self.answers.contains_key(peer) {
                self.answers.insert(peer.clone(), at);
            }
            return None;
        }
        let id = self.chat_of(at, event)?;
        self.note_start(at, id, event);
        if matches!(event, Event::Attention(_)) {
            self.complained = Some(id);
        }
        if let Event::RunTimeout { run_id: Some(run), .. } = event
            && self.by_run.len() < CHATS
        {
            self.by_run.insert(run.clone(), id);
        }
        self.chats.get_mut(id).push(at, event);
        Some(id)
    }

    /// Chats that were joined since this was last asked.
    pub(crate) fn joined(&mut self) -> Vec<Joined> {
        std::mem::take(&mut self.joined)
    }

    /// Which chat a line is about.
    fn chat_of(&mut self, at: DateTime<Utc>, event: &Event) -> Option<ChatId> {
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
            | Event::RunActive { session_id }
            | Event::QueueMessageFailed { session_id, .. }
            | Event::WaitTimeout { session_id, .. } => self.find(Some(session_id), None),
            Event::RunTimeout { session_id: Some(id), .. }
            | Event::AbortSettleTimeout { session_id: Some(id), .. }
            | Event::OrphanUserMessage { session_id: Some(id), .. } => self.find(Some(id), None),
            Event::RunResumed { session_key } => self.find(None, Some(session_key)),
            Event::FailoverDecision { run_id: Some(run), .. } => {
                self.by_run.get(run).map(|id| self.root(*id))
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
            Event::Recovery(_) => self.complained.map(|id| self.root(id)),
            // A lock whose name was removed.
            Event::Failed { cause: Cause::TranscriptLocked { .. } } => self.unnamed(),
            Event::ProfileTimeout { .. } | Event::AgentFailed { .. } => self.unnamed,
            _ => None,
        }
    }

    fn chat_of_lost(&mut self, lost: &Undelivered) -> Option<ChatId> {
        if let Some(lane) = &lost.lane {
            let with = |(key, id): (&String, &ChatId)| {
                let (channel, peer) = lane.split_once(':')?;
                (key.split(':').any(|part| part == channel) && key.ends_with(peer)).then_some(*id)
            };
            let known = self.by_key.iter().find_map(with);
            return known.map(|id| self.root(id)).or_else(|| self.at_lane(lane));
        }
        match &lost.channel {
            Some(channel) => self.at_lane(channel),
            None => self.unnamed(),
        }
    }

    fn note_start(&mut self, at: DateTime<Utc>, id: ChatId, event: &Event) {
        if matches!(event, Event::LaneDequeue { .. }) {
            self.starting.retain(|(then, other)| at - *then <= START_GAP && *other != id);
            self.starting.push((at, id));
        }
    }

    /// One lane has just let a task go and only one: this is its run.
    fn join_the_starting(&mut self, at: DateTime<Utc>, session_id: &str) {
        self.starting.retain(|(then, _)| at - *then <= START_GAP);
        if let [(_, lane)] = self.starting[..] {
            let lane = self.root(lane);
            let key = self.chats.get(lane).key.clone();
            let other = self.of_session(session_id).and_then(|chat| chat.key.as_deref());
            if other.is_none() || other == key.as_deref() {
                self.find(Some(session_id), key.as_deref());
                self.starting.clear();
            }
        }
    }

    /// The chat, by whichever name there is; two names join two.
    fn find(&mut self, session_id: Option<&str>, key: Option<&str>) -> Option<ChatId> {
        let by_id = session_id.and_then(|id| self.by_id.get(id)).map(|id| self.root(*id));
        let by_key = key.and_then(|key| self.by_key.get(key)).map(|id| self.root(*id));
        let id = match (by_id, by_key) {
            (Some(one), Some(other)) if one != other => self.merge(one, other),
            (Some(id), _) | (_, Some(id)) => id,
            (None, None) if session_id.is_none() && key.is_none() => return None,
            (None, None) => self.fresh()?,
        };
        let chat = self.chats.get_mut(id);
        if let Some(session_id) = session_id {
            chat.session_id = Some(session_id.to_owned());
            self.by_id.insert(session_id.to_owned(), id);
        }
        if let Some(key) = key {
            chat.key = Some(key.to_owned());
            self.by_key.insert(key.to_owned(), id);
        }
        Some(id)
    }

    fn at_lane(&mut self, lane: &str) -> Option<ChatId> {
        if let Some(id) = self.by_lane.get(lane) {
            return Some(self.root(*id));
        }
        let id = self.fresh()?;
        self.chats.get_mut(id).lane = Some(lane.to_owned());
        self.by_lane.insert(lane.to_owned(), id);
        Some(id)
    }

    /// The chat of the lines whose names were removed.
    fn unnamed(&mut self) -> Option<ChatId> {
        if self.unnamed.is_none() {
            self.unnamed = self.fresh();
        }
        self.unnamed
    }

    fn fresh(&mut self) -> Option<ChatId> {
        (self.chats.iter().len() < CHATS).then(|| self.chats.add(Chat::new))
    }

    fn root(&self, mut id: ChatId) -> ChatId {
        while let Some(next) = self.chats.get(id).merged {
            id = next;
        }
        id
    }

    /// The one known by id only goes into the one known by key.
    fn merge(&mut self, by_id: ChatId, by_key: ChatId) -> ChatId {
        if self.chats.get(by_id).key.is_some() {
            // An id that was joined to another key: keys are aliases of one chat at most for a time.
            return by_key;
        }
        let gone = self.chats.get_mut(by_id);
        let taken = std::mem::replace(gone, Chat::new(by_id));
        gone.merged = Some(by_key);
        self.chats.get_mut(by_key).absorb(taken);
        self.joined.push(Joined { gone: by_id, into: by_key });
        by_key
    }
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
