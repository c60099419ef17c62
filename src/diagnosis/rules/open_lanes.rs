//! Lanes that took a task and never came back, with others behind it. Only what ended is logged as such, so what began
//! and did not end by the end of the log is judged here (the lines are DEBUG: in every file log up to 2.26).

use super::super::finding::{Code, Finding};
use super::remedy;
use super::view::{View, clock, count, lasting, waiting};
use crate::gatewaylog::Event;
use crate::history::chat::Chat;
use crate::history::evidence::{Evidence, Logged};
use crate::history::story::{dated, elapsed_ms};
use crate::history::trouble::{ByName, entry};
use crate::redact::foreign;
use crate::verdict::severity::Effect;
use chrono::{DateTime, Utc};

/// The run limit of the versions that log this (600 s), and a minute to unwind.
const PATIENCE_MS: u64 = 660_000;
/// So many do not gather behind a task that ends soon.
const A_QUEUE: u64 = 3;
/// In a chat: one may be sent while an answer is under way, two more tell of somebody who gets none.
const A_CHATS_QUEUE: u64 = 2;

enum Stands {
    Since(DateTime<Utc>, u64),
    Undated,
}

impl Stands {
    fn sentence(&self, what: &str) -> String {
        match self {
            Self::Since(since, ms) => {
                format!("{what} began at {} and has not ended for {}", clock(*since), lasting(*ms))
            }
            Self::Undated => format!("{what} began and does not end in this log"),
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Since(..) => Effect::RunCannotEnd,
            Self::Undated => Effect::WaitsPastLimit,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct OpenLanes {
    lanes: ByName<OpenLane>,
}

#[derive(Debug, Default)]
struct OpenLane {
    running: u64,
    queued: u64,
    /// When a task last began or ended.
    moved: Option<DateTime<Utc>>,
    lines: Evidence,
}

impl OpenLanes {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        let Logged { at, entry: line, .. } = logged;
        // Lanes are in memory: a start empties them.
        if matches!(
            line.event,
            Event::GatewayListening { .. } | Event::GatewayReady | Event::HttpListening { .. }
        ) {
            self.lanes.clear();
        }
        let Some(lane) = line.event.lane().and_then(|lane| entry(&mut self.lanes, lane)) else { return };
        match &line.event {
            Event::LaneEnqueue { queue_size, .. } => {
                lane.queued = queue_size.saturating_sub(lane.running);
                lane.lines.add(logged);
            }
            Event::LaneDequeue { queue_size, .. } => {
                lane.running += 1;
                lane.queued = *queue_size;
                lane.moved = Some(at);
                lane.lines.add(logged);
            }
            Event::LaneDone { active, queued, .. } => {
                (lane.running, lane.queued, lane.moved) = (*active, *queued, Some(at));
                lane.lines = Evidence::default();
            }
            Event::LaneError { .. } | Event::LaneInterrupted { .. } => {
                lane.running = lane.running.saturating_sub(1);
                lane.moved = Some(at);
            }
            _ => {}
        }
    }
}

impl OpenLane {
    /// It has stood still for too long with somebody waiting: since when and for how long, or (without times) that a
    /// whole queue gathered behind one task.
    fn stands(&self, view: &View<'_>, a_queue: u64) -> Option<Stands> {
        let since = self.moved.filter(|_| self.running > 0 && self.queued > 0 && !view.gateway_is_down())?;
        match dated(since) {
            Some(since) => {
                let ms = elapsed_ms(since, view.now)?;
                (ms >= PATIENCE_MS).then_some(Stands::Since(since, ms))
            }
            None => (self.queued >= a_queue).then_some(Stands::Undated),
        }
    }
}

/// A chat's own lane.
pub(super) fn of_chat(view: &View<'_>, chat: &Chat, lanes: &OpenLanes) -> Option<Finding> {
    let lane = lanes.lanes.get(&format!("session:{}", chat.key.as_deref()?))?;
    let stands = lane.stands(view, A_CHATS_QUEUE)?;
    let text = format!("{}; {}.", stands.sentence("A run of this chat"), waiting(lane.queued));
    let mut finding = Finding::new(Code::LaneStuck, stands.effect(), text).backed_by(&lane.lines);
    finding.messages_waiting = lane.queued;
    finding.count = 1;
    Some(finding.helps(view.no_lock_helps(chat)).act(remedy::stop()).act(remedy::restart()))
}

/// Lanes that chats and jobs share.
pub(super) fn judge(view: &View<'_>, lanes: &OpenLanes) -> Vec<Finding> {
    let shared = lanes.lanes.iter().filter(|(name, _)| !name.starts_with("session:"));
    let judged = shared.filter_map(|(name, lane)| {
        let stands = lane.stands(view, A_QUEUE)?;
        let behind = if lane.queued == 1 { "1 more waits".to_owned() } else { format!("{} more wait", lane.queued) };
        let text = format!(
            "The lane `{}` stands still: {}; {behind} behind it. Lanes are in memory, no lock file is part of them.",
            foreign(name),
            stands.sentence("its task")
        );
        let mut finding = Finding::new(Code::LaneStuck, stands.effect(), text).backed_by(&lane.lines);
        finding.lane = Some(name.clone());
        (finding.count, finding.messages_waiting) = (1, lane.queued);
        let runs = lane.moved.map_or(0, |since| runs_since(view, since));
        if runs > 0 {
            finding.explanation.push_str(&format!(" {} that began then {} not ended either.", count(runs, "run"), if runs == 1 { "has" } else { "have" }));
        }
        Some(finding.helps(Some(false)).act(remedy::restart()))
    });
    judged.collect()
}

/// Runs that began with that task and are still open.
fn runs_since(view: &View<'_>, since: DateTime<Utc>) -> u64 {
    let began =
        |chat: &&Chat| chat.open.as_ref().is_some_and(|open| (open.since - since).num_seconds().abs() <= 5);
    view.chats.all().filter(began).count() as u64
}
