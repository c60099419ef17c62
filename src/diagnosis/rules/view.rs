//! What a rule may look at, and what findings are put together with.

use super::super::finding::Finding;
use super::super::input::{Era, Facts, GatewayState, LockFact};
use crate::history::chat::Chat;
use crate::history::chats::Chats;
use crate::history::lives::Lives;
use crate::history::names::{agent_of_key, agent_of_path, id_of_lock};
use crate::history::release::Releases;
use crate::leases::queues::TaskStatus;
use crate::verdict::Verdict;
use crate::words;
pub(super) use crate::words::{count, times};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// What every rule may look at; what another rule counts it is given as an argument.
pub(in super::super) struct View<'a> {
    pub(in super::super) facts: &'a Facts,
    pub(in super::super) now: DateTime<Utc>,
    pub(in super::super) chats: &'a Chats,
    pub(in super::super) lives: &'a Lives,
    pub(in super::super) releases: &'a Releases,
    /// The latest time in the log.
    pub(in super::super) last: Option<DateTime<Utc>>,
}

impl View<'_> {
    pub(super) fn sqlite_era(&self) -> bool {
        match self.facts.era {
            Era::Sqlite => true,
            Era::File => false,
            Era::Unknown => self.at_least(8, 1) == Some(true),
        }
    }

    /// When the chat was answered last, by the log or by OpenClaw's own record of its runs.
    pub(super) fn last_answer(&self, chat: &Chat) -> Option<DateTime<Utc>> {
        let logged = self.chats.last_answer(chat);
        let Some(key) = chat.key.as_deref() else { return logged };
        let workings = self.facts.gateways.iter().filter_map(|gateway| gateway.workings.as_ref());
        let answers = workings
            .flat_map(|workings| workings.queues.tasks.rows())
            .filter(|task| task.status == TaskStatus::Succeeded && task.session_key.as_deref() == Some(key));
        logged.max(answers.map(|task| task.ended_at.unwrap_or(task.created_at)).max())
    }

    pub(super) fn lock_of(&self, session_id: &str) -> Option<&LockFact> {
        self.facts.locks.iter().find(|lock| lock.session_id.as_deref() == Some(session_id))
    }

    /// The lock that errors were about is not there any more, or it is another one.
    pub(super) fn is_gone(&self, path: &str, last_error: Option<DateTime<Utc>>) -> bool {
        match (self.facts.locks.iter().find(|lock| lock.path == path), last_error) {
            (None, _) => self.facts.scanned,
            (Some(lock), Some(last)) => {
                lock.verdict == Verdict::Freed || lock.created_at.is_some_and(|created| created > last)
            }
            (Some(_), None) => false,
        }
    }

    /// Whether removing a lock would help a chat whose trouble lies elsewhere: no, where it is known that there is
    /// none, or that it is in use; else nobody can tell.
    pub(super) fn no_lock_helps(&self, chat: &Chat) -> Option<bool> {
        if self.sqlite_era() {
            return Some(false);
        }
        let known = chat.session_id.is_some() || self.facts.locks.is_empty();
        (self.facts.scanned && known).then_some(false)
    }

    /// Whether the log is of `2026.MONTH.PATCH` or later.
    pub(in super::super) fn at_least(&self, month: u16, patch: u16) -> Option<bool> {
        let named = self.facts.version.as_deref().and_then(|version| {
            let mut parts = version.strip_prefix("2026.")?.split(['.', '-', '+']).map(str::parse::<u16>);
            Some((parts.next()?.ok()?, parts.next()?.ok()?))
        });
        match named {
            Some(release) => Some(release >= (month, patch)),
            None => self.releases.at_least((month, patch)),
        }
    }

    pub(super) fn gateway_is_down(&self) -> bool {
        !self.facts.gateways.is_empty()
            && self.facts.gateways.iter().all(|gateway| gateway.state == GatewayState::Down)
    }
}

impl Finding {
    pub(super) fn about(mut self, chat: &Chat) -> Self {
        self.agent = self.agent.or_else(|| chat.agent().map(str::to_owned));
        self.session_id = self.session_id.or_else(|| chat.session_id.clone());
        self.session_key = self.session_key.or_else(|| chat.key.clone());
        let lane = || chat.key.as_ref().map(|key| format!("session:{key}")).or_else(|| chat.lane.clone());
        self.lane = self.lane.or_else(lane);
        self
    }

    pub(super) fn about_lock(mut self, lock: &LockFact) -> Self {
        self.agent = lock.agent.clone().or_else(|| agent_of_path(&lock.path).map(str::to_owned));
        self.session_id.clone_from(&lock.session_id);
        self.session_key.clone_from(&lock.session_key);
        self.lane = lock.session_key.as_ref().map(|key| format!("session:{key}"));
        self.lock = Some(lock.path.clone());
        self
    }

    /// A lock that only the log names.
    pub(super) fn about_path(mut self, path: &str, view: &View<'_>) -> Self {
        let id = id_of_lock(path);
        let chat = id.as_deref().and_then(|id| view.chats.of_session(id));
        self.session_key = chat.and_then(|chat| chat.key.clone());
        let of_key = || self.session_key.as_deref().and_then(agent_of_key);
        self.agent = agent_of_path(path).or_else(of_key).map(str::to_owned);
        self.lane = self.session_key.as_ref().map(|key| format!("session:{key}"));
        self.session_id = id;
        if path.ends_with(".lock") {
            self.lock = Some(path.to_owned());
        }
        self
    }

    /// A chat that only a line of the log names, by its session key.
    pub(super) fn about_key(mut self, key: &str) -> Self {
        self.agent = agent_of_key(key).map(str::to_owned);
        self.lane = Some(format!("session:{key}"));
        self.session_key = Some(key.to_owned());
        self
    }

    pub(super) fn helps(mut self, helps: Option<bool>) -> Self {
        self.removing_lock_helps = helps;
        self
    }

    /// What another finding on the same chat knows besides.
    pub(super) fn take_from(&mut self, other: &Self) {
        const LINES: usize = 12;
        self.messages_failed = self.messages_failed.max(other.messages_failed);
        self.messages_waiting = self.messages_waiting.max(other.messages_waiting);
        for line in &other.evidence {
            if self.evidence.len() < LINES && !self.evidence.contains(line) {
                self.evidence.push(line.clone());
            }
        }
    }
}

/// A duration for people.
pub(super) fn lasting(ms: u64) -> String {
    words::duration(Duration::from_millis(ms))
}

pub(super) fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `nobody waits behind it`, `3 messages wait behind it`.
pub(super) fn waiting(n: u64) -> String {
    match n {
        0 => "nobody waits behind it".to_owned(),
        1 => "1 message waits behind it".to_owned(),
        n => format!("{n} messages wait behind it"),
    }
}
