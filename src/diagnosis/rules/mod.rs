//! From what was seen to what it means. Each file answers for one kind of cause: what it counts while the log goes by,
//! and what it makes of it in the end. What explains a complaint is told, the complaint itself is not; and a chat is
//! told once, by the rule that knows most, with the story of all of them.

mod at_work;
mod database;
mod deletions;
mod draining;
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
mod polling;
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
mod view;
mod watchdog;

pub(super) use remedy::look_first;
pub(super) use view::View;
use view::{clock, count, lasting, waiting};

use super::chats::Chat;
use super::finding::Finding;

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
    pub(super) draining: draining::Refusals,
    pub(super) polling: polling::Polling,
    pub(super) memory_waits: leases::MemoryWaits,
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
    findings.extend(draining::judge(view));
    findings.extend(polling::judge(view));
    findings.extend(database::judge(view));
    findings.extend(leases::judge(view));
    findings.extend(log_loss::judge(view));
    findings
}

/// What is told of the locks of the facts, with what the log knows of their chats.
pub(super) fn of_locks(view: &View<'_>) -> Vec<Finding> {
    let mut findings = locks::judged(view);
    findings.extend(deletions::judge(view));
    let ids: Vec<String> = findings.iter().filter_map(|finding| finding.session_id.clone()).collect();
    for chat in ids.iter().filter_map(|id| view.model.chats.by_id(id)) {
        if let Some(finding) = of_chat(view, chat) {
            fold(&mut findings, chat, &finding);
        }
    }
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
