//! From what was seen to what it means. Each file answers for one kind of cause: what it counts while the log goes by,
//! and what it makes of it in the end. What explains a complaint is told, the complaint itself is not; and a chat is
//! told once, by the rule that knows most, with the story of all of them.

mod at_work;
mod database;
mod deletions;
pub(super) mod event_loop;
mod gateway_down;
mod jobs;
mod leases;
mod listeners;
pub(super) mod lock_errors;
mod locks;
mod log_loss;
pub(super) mod lost;
mod model_side;
pub(super) mod open_lanes;
mod remedy;
mod rpc;
pub(super) mod run_limit;
pub(super) mod session_wait;
mod shared_lanes;
mod starts;
mod store_lock;
pub(super) mod stuck;
mod swept;
pub(super) mod takeover;
mod watchdog;

pub(super) use remedy::look_first;

use super::chats::{Chat, agent_of_key, agent_of_path, id_of_lock};
use super::finding::Finding;
use super::input::{Era, Facts, GatewayState, LockFact};
use super::model::Model;
use crate::words;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// What the rules count that is of no one chat.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) event_loop: event_loop::LoopTrouble,
    pub(super) stores: store_lock::Stores,
    pub(super) watchdog: watchdog::Releases,
    pub(super) swept: swept::Swept,
    pub(super) model_side: model_side::ModelSide,
    pub(super) rpc: rpc::Requests,
    pub(super) listeners: listeners::Listeners,
    pub(super) shared_lanes: shared_lanes::SharedLanes,
    pub(super) open_lanes: open_lanes::OpenLanes,
    pub(super) starts: starts::Starts,
    pub(super) database: database::Database,
    pub(super) jobs: jobs::Jobs,
    pub(super) log_loss: log_loss::Losses,
    pub(super) gateway_down: gateway_down::Traffic,
}

/// Everything that a rule may look at.
pub(super) struct View<'a> {
    pub(super) model: &'a Model,
    pub(super) facts: &'a Facts,
    pub(super) now: DateTime<Utc>,
}

pub(super) fn all(view: &View<'_>) -> Vec<Finding> {
    let mut findings = locks::judged(view);
    findings.extend(deletions::judge(view));
    let of_chats: Vec<(&Chat, Finding)> =
        view.model.chats.all().filter_map(|chat| Some((chat, of_chat(view, chat)?))).collect();
    for (chat, finding) in of_chats {
        if !fold(&mut findings, chat, &finding) {
            findings.push(finding);
        }
    }
    findings.extend(at_work::judge(view));
    findings.extend(store_lock::judge(view));
    findings.extend(swept::judge(view));
    findings.extend(watchdog::judge(view));
    findings.extend(model_side::judge(view));
    findings.extend(shared_lanes::judge(view));
    findings.extend(open_lanes::judge(view));
    findings.extend(rpc::judge(view));
    findings.extend(jobs::judge(view));
    findings.extend(listeners::judge(view));
    findings.extend(event_loop::judge(view));
    findings.extend(starts::judge(view));
    findings.extend(gateway_down::judge(view));
    findings.extend(database::judge(view));
    findings.extend(leases::judge(view));
    findings.extend(log_loss::judge(view));
    findings
}

/// What is told of one chat: the most serious of what the rules find, with what the others know.
fn of_chat(view: &View<'_>, chat: &Chat) -> Option<Finding> {
    let rules = [
        lock_errors::judge,
        takeover::judge,
        run_limit::judge,
        stuck::judge,
        lost::judge,
        open_lanes::of_chat,
        session_wait::judge,
    ];
    let mut found: Vec<Finding> = rules.iter().filter_map(|judge| judge(view, chat)).collect();
    super::finding::sort(&mut found);
    let mut found = found.into_iter();
    let mut finding = found.next()?.about(chat);
    finding.story = chat.story.steps();
    for other in found {
        finding.take_from(&other);
    }
    Some(finding)
}

/// A lock that was looked at tells of its chat better than the log does.
fn fold(findings: &mut [Finding], chat: &Chat, finding: &Finding) -> bool {
    let same = |told: &&mut Finding| {
        told.session_id.is_some() && told.session_id == chat.id
            || told.session_key.is_some() && told.session_key == chat.key
    };
    let Some(told) = findings.iter_mut().find(same).filter(|told| told.severity >= finding.severity) else {
        return false;
    };
    told.story.clone_from(&finding.story);
    told.take_from(finding);
    true
}

impl View<'_> {
    fn sqlite_era(&self) -> bool {
        match self.facts.era {
            Era::Sqlite => true,
            Era::File => false,
            Era::Unknown => self.at_least(8, 1) == Some(true),
        }
    }

    fn lock_of(&self, session_id: &str) -> Option<&LockFact> {
        self.facts.locks.iter().find(|lock| lock.session_id.as_deref() == Some(session_id))
    }

    /// Whether removing a lock would help a chat whose trouble lies elsewhere: no, where it is known that there is
    /// none, or that it is in use; else nobody can tell.
    fn no_lock_helps(&self, chat: &Chat) -> Option<bool> {
        if self.sqlite_era() {
            return Some(false);
        }
        let known = chat.id.is_some() || self.facts.locks.is_empty();
        (self.facts.scanned && known).then_some(false)
    }

    /// `openclaw` or, for the first releases, `clawdbot`.
    fn program(&self) -> &'static str {
        if self.at_least(1, 29) == Some(false) { "clawdbot" } else { "openclaw" }
    }

    /// Whether the log is of `2026.MONTH.PATCH` or later.
    fn at_least(&self, month: u16, patch: u16) -> Option<bool> {
        let named = self.facts.version.as_deref().and_then(|version| {
            let mut parts = version.strip_prefix("2026.")?.split(['.', '-', '+']).map(str::parse::<u16>);
            Some((parts.next()?.ok()?, parts.next()?.ok()?))
        });
        match named {
            Some(release) => Some(release >= (month, patch)),
            None => self.model.releases.at_least((month, patch)),
        }
    }

    fn gateway_is_down(&self) -> bool {
        !self.facts.gateways.is_empty()
            && self.facts.gateways.iter().all(|gateway| gateway.state == GatewayState::Down)
    }
}

impl Finding {
    fn about(mut self, chat: &Chat) -> Self {
        self.agent = self.agent.or_else(|| chat.agent().map(str::to_owned));
        self.session_id = self.session_id.or_else(|| chat.id.clone());
        self.session_key = self.session_key.or_else(|| chat.key.clone());
        let lane = || chat.key.as_ref().map(|key| format!("session:{key}")).or_else(|| chat.lane.clone());
        self.lane = self.lane.or_else(lane);
        self
    }

    fn about_lock(mut self, lock: &LockFact) -> Self {
        self.agent = lock.agent.clone().or_else(|| agent_of_path(&lock.path).map(str::to_owned));
        self.session_id.clone_from(&lock.session_id);
        self.session_key.clone_from(&lock.session_key);
        self.lane = lock.session_key.as_ref().map(|key| format!("session:{key}"));
        self.lock = Some(lock.path.clone());
        self
    }

    /// A lock that only the log names.
    fn about_path(mut self, path: &str, view: &View<'_>) -> Self {
        let id = id_of_lock(path);
        let chat = id.as_deref().and_then(|id| view.model.chats.by_id(id));
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

    fn helps(mut self, helps: Option<bool>) -> Self {
        self.removing_lock_helps = helps;
        self
    }

    /// What another finding on the same chat knows besides.
    fn take_from(&mut self, other: &Self) {
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
fn lasting(ms: u64) -> String {
    words::duration(Duration::from_millis(ms))
}

/// `1 message`, `3 messages`.
fn count(n: u64, one: &str) -> String {
    words::count(usize::try_from(n).unwrap_or(usize::MAX), one)
}

fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `nobody waits behind it`, `3 messages wait behind it`.
fn waiting(n: u64) -> String {
    match n {
        0 => "nobody waits behind it".to_owned(),
        1 => "1 message waits behind it".to_owned(),
        n => format!("{n} messages wait behind it"),
    }
}
