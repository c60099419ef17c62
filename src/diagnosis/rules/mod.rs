//! From what was seen to what it means. Each file answers for one kind of cause: what it counts while the log goes by,
//! and what it makes of it in the end. What explains a complaint is told, the complaint itself is not; and a chat is
//! told once, by the rule that knows most, with the story of all of them.

mod at_work;
mod configuration;
mod database;
mod deletions;
mod draining;
mod event_loop;
mod failures;
mod gateway_down;
mod jobs;
mod leases;
mod listeners;
mod lock_errors;
mod locks;
mod log_loss;
mod lost;
mod model_side;
mod nameless;
mod open_lanes;
mod polling;
mod remedy;
mod restarts;
mod rpc;
mod run_limit;
mod session_wait;
mod shared_lanes;
mod starts;
mod store_lock;
mod stuck;
mod swept;
mod takeover;
mod view;
mod watchdog;
mod why;

pub(super) use remedy::{EXPLAIN_LOCK, look_first};
pub use run_limit::TimedOut;
pub(super) use view::View;

use super::finding::Finding;
use super::input::LockFact;
use crate::history::chat::{ByChat, Chat, ChatId};
use crate::history::chats::{Chats, Joined};
use crate::history::evidence::Logged;
use crate::history::lives::Lives;
use crate::history::names::id_of_lock;
use crate::history::story::Story;
use chrono::{DateTime, Utc};
use event_loop::Consequences;
use failures::Failures;
use locks::Case;

/// What the rules count.
#[derive(Debug, Default)]
pub(super) struct Counters {
    chats: ByChat<OfChat>,
    event_loop: event_loop::LoopTrouble,
    stores: store_lock::Stores,
    watchdog: watchdog::Releases,
    swept: swept::Swept,
    model_side: model_side::ModelSide,
    nameless: nameless::Nameless,
    rpc: rpc::Requests,
    listeners: listeners::Listeners,
    shared_lanes: shared_lanes::SharedLanes,
    open_lanes: open_lanes::OpenLanes,
    starts: starts::Starts,
    configuration: configuration::Ignored,
    database: database::Database,
    jobs: jobs::Jobs,
    log_loss: log_loss::Losses,
    gateway_down: gateway_down::Traffic,
    draining: draining::Refusals,
    polling: polling::Polling,
    memory_waits: leases::MemoryWaits,
}

/// What they count of one chat.
#[derive(Debug, Default)]
struct OfChat {
    story: Story,
    limits: run_limit::Limits,
    stuck: stuck::Complaints,
    locks: lock_errors::LockErrors,
    lost: lost::Losses,
    takeover: takeover::Takeover,
    waits: session_wait::Waits,
}

/// The numbers of one chat.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) timeouts: u64,
    pub(super) waits: u64,
    pub(super) longest_wait_ms: u64,
    pub(super) complaints: u64,
}

impl Counters {
    /// Takes the next entry of the log; `chat` is the one that it is about.
    pub(super) fn push(&mut self, logged: Logged<'_>, chat: Option<&Chat>, lives: &Lives) {
        if let Some(chat) = chat {
            self.chats.get_mut(chat.id).push(logged, chat);
        }
        self.event_loop.push(logged, lives);
        self.stores.push(logged);
        self.watchdog.push(logged);
        self.swept.push(logged);
        self.model_side.push(logged);
        self.nameless.push(logged, chat);
        self.rpc.push(logged);
        self.listeners.push(logged);
        self.shared_lanes.push(logged);
        self.open_lanes.push(logged);
        self.starts.push(logged);
        self.configuration.push(logged);
        self.database.push(logged, lives);
        self.jobs.push(logged);
        self.log_loss.push(logged);
        self.gateway_down.push(logged);
        self.draining.push(logged);
        self.polling.push(logged);
        self.memory_waits.push(logged);
    }

    pub(super) fn join(&mut self, Joined { gone, into }: Joined) {
        let gone = std::mem::take(self.chats.get_mut(gone));
        self.chats.get_mut(into).absorb(gone);
    }

    /// Everything that is to be told.
    pub(super) fn judge(&self, view: &View<'_>) -> Vec<Finding> {
        let cases = self.cases(view);
        let is_told = |lock: &str| locks::explains(view, &cases, lock);
        let mut findings = self.of_cases(view, &cases);
        let of_chats: Vec<(&Chat, Finding)> =
            view.chats.all().filter_map(|chat| Some((chat, self.of_chat(view, chat, &cases)?))).collect();
        for (chat, finding) in of_chats {
            if !fold(&mut findings, chat, &finding) {
                findings.push(finding);
            }
        }
        let chats = || self.chats.iter();
        let lock_failures = chats().map(|of| of.locks.failures.explained(&self.event_loop)).sum::<u64>()
            + self.stores.explained(&self.event_loop);
        let consequences = Consequences {
            lock_failures,
            requests: self.rpc.explained(&self.event_loop),
            transaction_ms: self.database.held_on_main_ms(),
        };
        let recovered = view.chats.all().filter_map(|chat| Some((chat, self.of(chat).stuck.recovered_at()?)));
        findings.extend(at_work::judge(view, |chat| self.of(chat).tells_of_a_run()));
        findings.extend(store_lock::judge(view, &self.stores, &self.event_loop, is_told));
        findings.extend(swept::judge(
            view,
            &self.swept,
            chats().any(|of| of.locks.failures.incidents.count > 0),
        ));
        findings.extend(watchdog::judge(view, &self.watchdog));
        findings.extend(model_side::judge(&self.model_side));
        findings.extend(nameless::judge(&self.nameless));
        findings.extend(shared_lanes::judge(&self.shared_lanes, &self.rpc));
        findings.extend(open_lanes::judge(view, &self.open_lanes));
        findings.extend(rpc::judge(view, &self.rpc, &self.event_loop));
        findings.extend(jobs::judge(view, &self.jobs, &self.shared_lanes, recovered));
        findings.extend(listeners::judge(&self.listeners));
        findings.extend(event_loop::judge(view, &self.event_loop, consequences));
        findings.extend(starts::judge(view, &self.starts));
        findings.extend(configuration::judge(view, &self.configuration));
        findings.extend(gateway_down::judge(view, &self.gateway_down));
        findings.extend(restarts::judge(view));
        findings.extend(draining::judge(&self.draining));
        findings.extend(polling::judge(view, &self.polling, &self.event_loop));
        findings.extend(database::judge(&self.database, &self.event_loop));
        findings.extend(leases::judge(view, &self.memory_waits, &self.starts));
        findings.extend(log_loss::judge(&self.log_loss));
        findings
    }

    /// What is told of the locks of the facts, with what the log knows of their chats.
    pub(super) fn judge_locks(&self, view: &View<'_>) -> Vec<Finding> {
        let cases = self.cases(view);
        let mut findings = self.of_cases(view, &cases);
        let ids: Vec<String> = findings.iter().filter_map(|finding| finding.session_id.clone()).collect();
        for chat in ids.iter().filter_map(|id| view.chats.of_session(id)) {
            if let Some(finding) = self.of_chat(view, chat, &cases) {
                fold(&mut findings, chat, &finding);
            }
        }
        findings
    }

    fn of_cases(&self, view: &View<'_>, cases: &[Case<'_>]) -> Vec<Finding> {
        let mut findings = locks::judge(view, cases, self.starts.refused() > 0);
        findings.extend(deletions::judge(view));
        findings
    }

    /// What is told of one chat: the most serious of what the rules find, with what the others know.
    fn of_chat(&self, view: &View<'_>, chat: &Chat, cases: &[Case<'_>]) -> Option<Finding> {
        let of = self.of(chat);
        // A lock that was looked at explains its errors.
        let errors = Some(&of.locks)
            .filter(|errors| errors.lock().is_some_and(|lock| !locks::explains(view, cases, lock)));
        let found = [
            errors.and_then(|errors| lock_errors::judge(view, chat, errors, &of.limits, &self.event_loop)),
            takeover::judge(view, chat, &of.takeover),
            run_limit::judge(view, chat, &of.limits, &self.event_loop, &self.model_side),
            stuck::judge(view, chat, &of.stuck, &self.event_loop),
            lost::judge(view, chat, &of.lost, &of.limits),
            open_lanes::of_chat(view, chat, &self.open_lanes),
            session_wait::judge(&of.waits),
        ];
        let mut found: Vec<Finding> = found.into_iter().flatten().collect();
        super::finding::sort(&mut found);
        let mut found = found.into_iter();
        let mut finding = found.next()?.about(chat);
        finding.story = of.story.steps();
        for other in found {
            finding.take_from(&other);
        }
        Some(finding)
    }

    /// The locks of the facts, with what the log tells of each.
    fn cases<'a>(&'a self, view: &View<'a>) -> Vec<Case<'a>> {
        let case = |lock: &'a LockFact| {
            let chat = lock.session_id.as_deref().and_then(|id| view.chats.of_session(id));
            let ended = lock.session_id.as_deref().zip(lock.created_at);
            Case {
                lock,
                failures: self.failures_on(view.chats, &lock.path),
                timed_out: ended.and_then(|(id, created)| self.timed_out(view.chats, id, created)),
                limits: chat.map(|chat| &self.of(chat).limits.lines),
            }
        };
        view.facts.locks.iter().map(case).collect()
    }

    fn of(&self, chat: &Chat) -> &OfChat {
        self.chats.get(chat.id)
    }

    fn failures_on(&self, chats: &Chats, lock: &str) -> Option<&Failures> {
        let chat = id_of_lock(lock).and_then(|id| chats.of_session(&id));
        let errors = chat.map(|chat| &self.of(chat).locks).filter(|errors| errors.lock() == Some(lock));
        errors.map(|errors| &errors.failures).or_else(|| self.stores.failures(lock))
    }

    /// Messages that failed on this lock since it stands.
    pub(super) fn failed_on(&self, chats: &Chats, lock: &LockFact) -> u64 {
        let failures = self.failures_on(chats, &lock.path);
        failures.map_or(0, |failures| failures.incidents.since(lock.created_at))
    }

    /// Whether the run that took this lock ended at its time limit, and nothing of that session began since.
    pub(super) fn timed_out(
        &self,
        chats: &Chats,
        session_id: &str,
        created_at: DateTime<Utc>,
    ) -> Option<TimedOut> {
        let chat = chats.of_session(session_id)?;
        self.of(chat).limits.timed_out(chat, session_id, created_at)
    }

    /// A lock that is of no chat, or not by its name.
    pub(super) fn knows(&self, lock: &str) -> bool {
        self.stores.knows(lock) || self.watchdog.knows(lock)
    }

    /// A run was given up because its transcript changed under it.
    pub(super) fn saw_takeover(&self) -> bool {
        self.chats.iter().any(|of| of.takeover.lines.count() > 0)
    }

    pub(super) fn tally(&self, chat: ChatId) -> Tally {
        let OfChat { limits, waits, stuck, .. } = self.chats.get(chat);
        Tally {
            timeouts: limits.hits.len() as u64,
            waits: waits.lines.count(),
            longest_wait_ms: waits.longest_ms,
            complaints: stuck.lines.count(),
        }
    }
}

impl OfChat {
    fn push(&mut self, logged: Logged<'_>, chat: &Chat) {
        let story = &mut self.story;
        self.limits.push(logged, story);
        self.stuck.push(logged, chat, story);
        self.locks.push(logged, story);
        let explained = self.limits.hits.last().map(|hit| hit.at).max(chat.lock_failed);
        self.lost.push(logged, story, explained);
        self.takeover.push(logged, story);
        self.waits.push(logged, chat, story);
    }

    fn absorb(&mut self, other: Self) {
        self.story.absorb(other.story);
        self.limits.absorb(other.limits);
        self.stuck.absorb(other.stuck);
        self.locks.absorb(other.locks);
        self.lost.absorb(other.lost);
        self.takeover.absorb(other.takeover);
    }

    /// More than the session store knows of its runs.
    fn tells_of_a_run(&self) -> bool {
        self.stuck.last_complaint().is_some() || !self.limits.hits.is_empty()
    }
}

/// A lock that was looked at tells of its chat better than the log does.
fn fold(findings: &mut [Finding], chat: &Chat, finding: &Finding) -> bool {
    let same = |told: &&mut Finding| {
        told.session_id.is_some() && told.session_id == chat.session_id
            || told.session_key.is_some() && told.session_key == chat.key
    };
    let Some(told) = findings.iter_mut().find(same).filter(|told| told.severity >= finding.severity) else {
        return false;
    };
    told.story.clone_from(&finding.story);
    told.take_from(finding);
    true
}

#[cfg(test)]
mod tests;
