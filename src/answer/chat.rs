//! The chats: everything that was found about one conversation, as one entry.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Name, Seen, called};
use crate::diagnosis::input::{LockKind, Verdict};
use crate::diagnosis::{Code, Finding};
use crate::redact::Redactor;
use crate::verdict::severity::Severity;

/// How a chat fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ChatState {
    Answered,
    /// What was looked at cannot tell.
    Unknown,
    /// Somebody waits, past what is usual.
    Waiting,
    /// The next message will fail.
    Blocked,
    /// A run makes no progress, or cannot end.
    Stuck,
    /// Messages failed or were lost.
    Failing,
}

/// One conversation of which something is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    pub agent: Option<String>,
    /// `telegram`, `slack`: where it takes place, if its key tells.
    pub channel: Option<String>,
    pub name: String,
    pub state: ChatState,
    pub severity: Severity,
    pub since: Option<DateTime<Utc>>,
    pub failed: u64,
    pub waiting: u64,
    /// What the first of its findings is about.
    pub cause: Option<Code>,
    /// What was found about it, the most serious first, by its place among the findings.
    pub findings: Vec<usize>,
}

/// What tells one chat from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    key: Option<String>,
    id: Option<String>,
}

/// The chats in the order of their worst finding, and the findings that are about none.
pub(super) fn grouped(seen: &Seen<'_>) -> (Vec<Chat>, Vec<usize>) {
    let mut chats = Chats::default();
    let mut others = Vec::new();
    let sessions = seen.facts.sessions.iter();
    let keys: HashMap<&str, &str> =
        sessions.filter_map(|session| Some((session.id.as_deref()?, session.key.as_str()))).collect();
    for (at, finding) in seen.findings.iter().enumerate() {
        let Some(identity) = identity(finding, &keys, seen.redactor) else {
            others.push(at);
            continue;
        };
        match chats.find(&identity) {
            Some(known) => chats.add(known, at, finding),
            None => chats.push(Chat::of(identity, at, finding)),
        }
    }
    for chat in unjudged(seen, &chats) {
        chats.push(chat);
    }
    let mut chats = chats.all;
    chats.sort_by_key(|chat| std::cmp::Reverse((chat.severity, chat.state)));
    (chats, others)
}

/// Chats in the order in which they were found, and by what tells one from another.
#[derive(Default)]
struct Chats {
    all: Vec<Chat>,
    by_key: HashMap<String, usize>,
    /// Several keys may have had one session.
    by_id: HashMap<String, Vec<usize>>,
}

impl Chats {
    fn find(&self, identity: &Identity) -> Option<usize> {
        let by_key = identity.key.as_ref().and_then(|key| self.by_key.get(key)).copied();
        let of_id = identity.id.as_ref().and_then(|id| self.by_id.get(id));
        let mut of_id = of_id.into_iter().flatten().copied();
        let by_id = of_id.find(|at| identity.key.is_none() || self.all[*at].session_key.is_none());
        by_key.into_iter().chain(by_id).min()
    }

    fn push(&mut self, chat: Chat) {
        self.all.push(chat);
        self.index(self.all.len() - 1);
    }

    fn add(&mut self, known: usize, at: usize, finding: &Finding) {
        let chat = &mut self.all[known];
        let identity = (chat.session_key.is_some(), chat.session_id.is_some());
        chat.add(at, finding);
        if identity != (chat.session_key.is_some(), chat.session_id.is_some()) {
            self.index(known);
        }
    }

    fn index(&mut self, at: usize) {
        let chat = &self.all[at];
        if let Some(key) = &chat.session_key {
            self.by_key.entry(key.clone()).or_insert(at);
        }
        if let Some(id) = &chat.session_id {
            self.by_id.entry(id.clone()).or_default().push(at);
        }
    }
}

/// `keys`: of the sessions in the store, by their id.
fn identity(finding: &Finding, keys: &HashMap<&str, &str>, redactor: Redactor) -> Option<Identity> {
    // The gateway's own trouble may name the session that it was seen in.
    if matches!(finding.code, Code::GatewayDown | Code::StartRefused | Code::GatewayLock) {
        return None;
    }
    let of_lane = || {
        let lane = finding.lane.as_deref()?;
        lane.strip_prefix("session:").or_else(|| lane.strip_prefix("nested:"))
    };
    let of_store = || {
        let key = keys.get(finding.session_id.as_deref()?)?;
        Some(redactor.key(key).into_owned())
    };
    let key = finding.session_key.clone().or_else(|| of_lane().map(str::to_owned)).or_else(of_store);
    let id = finding.session_id.clone();
    (key.is_some() || id.is_some()).then_some(Identity { key, id })
}

impl Chat {
    fn of(identity: Identity, at: usize, finding: &Finding) -> Self {
        let name = identity.key.as_deref().map(Name::of_key);
        let agent = finding.agent.clone().or_else(|| name.as_ref()?.agent.clone());
        let called = called(identity.key.as_deref(), identity.id.as_deref(), agent.as_deref());
        Self {
            name: called.unwrap_or_else(|| "a chat".to_owned()),
            agent,
            channel: name.and_then(|name| name.channel),
            session_key: identity.key,
            session_id: identity.id,
            state: state(finding),
            severity: finding.severity,
            since: finding.first_seen,
            failed: finding.messages_failed,
            waiting: finding.messages_waiting,
            cause: Some(finding.code),
            findings: vec![at],
        }
    }

    /// Findings come the most serious first, so the first decides; one failure told twice is one.
    fn add(&mut self, at: usize, finding: &Finding) {
        self.findings.push(at);
        self.session_key = self.session_key.take().or_else(|| finding.session_key.clone());
        self.session_id = self.session_id.take().or_else(|| finding.session_id.clone());
        if finding.severity == Severity::Info && self.severity > Severity::Info {
            return;
        }
        self.state = self.state.max(state(finding));
        self.failed = self.failed.max(finding.messages_failed);
        self.waiting = self.waiting.max(finding.messages_waiting);
    }
}

fn state(finding: &Finding) -> ChatState {
    if finding.severity == Severity::Info {
        return ChatState::Answered;
    }
    match finding.code {
        Code::StuckRun | Code::LaneStuck | Code::StuckSession => ChatState::Stuck,
        Code::OverdueLock | Code::LaneWait | Code::SlowModelCall if finding.messages_failed == 0 => {
            ChatState::Waiting
        }
        Code::StaleLock | Code::LeakedLock | Code::StuckGuard | Code::LeaseStuck | Code::OrphanLock
            if finding.messages_failed == 0 =>
        {
            ChatState::Blocked
        }
        _ => ChatState::Failing,
    }
}

/// Chats of whose lock nothing here can tell whether it is in use.
fn unjudged(seen: &Seen<'_>, known: &Chats) -> Vec<Chat> {
    let cannot_tell = seen.facts.locks.iter().filter(|lock| {
        lock.kind == LockKind::Session && matches!(lock.verdict, Verdict::Foreign | Verdict::Indeterminate)
    });
    let unknown = cannot_tell.filter_map(|lock| {
        let key = lock.session_key.as_deref().map(|key| seen.redactor.key(key).into_owned());
        let identity = Identity { key, id: lock.session_id.clone() };
        if known.find(&identity).is_some() {
            return None;
        }
        let name = identity.key.as_deref().map(Name::of_key);
        let called = called(identity.key.as_deref(), identity.id.as_deref(), lock.agent.as_deref());
        Some(Chat {
            name: called.unwrap_or_else(|| "a session of an unknown id".to_owned()),
            agent: lock.agent.clone(),
            channel: name.and_then(|name| name.channel),
            session_key: identity.key,
            session_id: identity.id,
            state: ChatState::Unknown,
            severity: Severity::Info,
            since: lock.created_at,
            failed: 0,
            waiting: 0,
            cause: None,
            findings: Vec::new(),
        })
    });
    unknown.collect()
}
