//! Requests to the gateway that got no answer in time.

use super::super::finding::{Code, Finding};
use super::event_loop::LoopTrouble;
use super::remedy;
use super::view::{View, count, lasting};
use crate::gatewaylog::Event;
use crate::history::evidence::{Evidence, Line, Logged};
use crate::history::story::{Incidents, dated, delta};
use crate::history::trouble::Times;
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// A task as long as this is worth naming when something else timed out beside it.
const LONG_TASK_MS: u64 = 60_000;
const LONG_TASKS: usize = 1024;
/// How long the client waits.
const PATIENCE_MS: u64 = 10_000;
const BESIDE: TimeDelta = TimeDelta::seconds(15);

#[derive(Debug, Default)]
pub(super) struct Requests {
    lines: Evidence,
    incidents: Incidents,
    times: Times,
    cron: u64,
    slow_cron: Evidence,
    pub(super) long_tasks: VecDeque<LongTask>,
}

#[derive(Debug, Clone)]
pub(super) struct LongTask {
    pub(super) lane: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    ms: u64,
    text: String,
}

impl LongTask {
    pub(super) fn line(&self) -> Line {
        Line { at: dated(self.to), source: None, line: None, text: self.text.clone() }
    }

    pub(super) fn lasted_ms(&self) -> u64 {
        self.ms
    }
}

impl Requests {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        let Logged { at, entry, .. } = logged;
        match &entry.event {
            Event::GatewayTimeout { tool, method, .. }
                // The same error with and without colour, and its five lines.
                if self.incidents.note(at, "") => {
                    self.lines.add(logged);
                    self.times.add(at);
                    let cron = tool.as_deref() == Some("cron")
                        || method.as_deref().is_some_and(|method| method.starts_with("cron."));
                    self.cron += u64::from(cron);
                }
            Event::Rpc { method, duration_ms: Some(ms), .. }
                if method.starts_with("cron.") && *ms >= 5_000 =>
            {
                self.slow_cron.add(logged);
            }
            Event::LaneDone { lane, duration_ms, .. } | Event::LaneError { lane, duration_ms, .. }
                if *duration_ms >= LONG_TASK_MS =>
            {
                if self.long_tasks.len() == LONG_TASKS {
                    self.long_tasks.pop_front();
                }
                let text = entry.message.lines().next().unwrap_or("").to_owned();
                let from = at.checked_sub_signed(delta(*duration_ms)).unwrap_or(at);
                self.long_tasks.push_back(LongTask {
                    lane: lane.clone(),
                    from,
                    to: at,
                    ms: *duration_ms,
                    text,
                });
            }
            _ => {}
        }
    }

    /// How many of them a blocked loop explains.
    pub(super) fn explained(&self, event_loop: &LoopTrouble) -> u64 {
        event_loop.explained(&self.times, PATIENCE_MS)
    }
}

pub(super) fn judge(view: &View<'_>, requests: &Requests, event_loop: &LoopTrouble) -> Option<Finding> {
    let n = requests.incidents.count;
    if n == 0 {
        return None;
    }
    let told = count(n, "request");
    if requests.explained(event_loop) > 0 {
        let text = format!("{told} to the gateway got no answer in time while its event loop was blocked.");
        let finding = Finding::new(Code::RpcTimeout, Effect::MessagesFailed, text)
            .backed_by(&requests.lines)
            .helps(Some(false));
        return Some(finding.act(remedy::say("See `event-loop-blocked`: the cause is there.")));
    }
    let beside = |task: &&LongTask| {
        requests.times.iter().any(|at| match (dated(at), dated(task.to)) {
            (Some(at), Some(_)) => task.from - BESIDE <= at && at <= task.to + BESIDE,
            (None, None) => true,
            _ => false,
        })
    };
    let task = requests.long_tasks.iter().filter(beside).max_by_key(|task| task.ms);
    let only_cron = requests.cron == n && view.at_least(2, 4) != Some(true);
    let mut text = format!("{told} to the gateway got no answer in time.");
    if let Some(task) = task {
        let _ = write!(
            text,
            " A turn of {} was at work in the lane `{}` beside it; nothing in the log shows a blocked event loop.",
            lasting(task.ms),
            task.lane
        );
    }
    if only_cron {
        text.push_str(" Up to 2026.2.3 every `cron.*` request waits for the cron job that is running: an in-memory queue, no file lock.");
    }
    let mut finding = Finding::new(Code::RpcTimeout, Effect::MessagesFailed, text)
        .backed_by(&requests.lines)
        .helps(Some(false));
    finding.evidence.extend(requests.slow_cron.lines());
    finding.evidence.extend(task.map(LongTask::line));
    let finding = if only_cron {
        finding.act(remedy::say("Upgrade beyond 2026.2.3, or keep cron jobs short."))
    } else {
        finding.act(remedy::say("Up to 2026.2.3 a request of the cron tool waits for the job that runs: upgrade, if this is such a release."))
    };
    Some(finding.act(remedy::gateway_status()))
}
