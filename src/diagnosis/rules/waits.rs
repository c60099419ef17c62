//! Waiting: for a lane, for an RPC answer, for a listener.

use super::super::evidence::Line;
use super::super::finding::{Code, Finding};
use super::super::model::LongTask;
use crate::verdict::severity::Effect;
use std::fmt::Write as _;

use super::{View, count, human};
use chrono::TimeDelta;

/// Messages that waited for the turn before them in the same conversation.
pub(super) fn session_lanes(view: &View<'_>) -> Vec<Finding> {
    let waited =
        view.model.sessions.tracks().filter(|track| track.waits.lines.count() > track.waits.after_lock_error);
    waited
        .map(|track| {
            let waits = &track.waits;
            let n = waits.lines.count() - waits.after_lock_error;
            let mut text = format!("{} waited up to {} for the turn before in the same conversation: turns of one session run one after the other.", count(n, "message"), human(waits.longest_ms));
            if waits.behind > 0 {
                let _ = write!(text, " Behind them up to {} more waited.", waits.behind);
            }
            let mut finding = Finding::new(Code::LaneWait, Effect::Untidy, text).about_track(track).backed_by(&waits.lines);
            finding.count = n;
            finding.advise("Harmless by itself. If waits are long, the run ahead is: a slow model or tool.")
        })
        .collect()
}

/// Waits for a lane that conversations share, and lanes that stand still.
pub(super) fn global_lanes(view: &View<'_>) -> Vec<Finding> {
    let waits = view.model.lane_waits.iter().map(|(lane, waiting)| {
        let text = format!(
            "{} waited up to {} for a slot of the lane `{lane}`: all were taken by other work.",
            count(waiting.lines.count(), "task"),
            human(waiting.longest_ms)
        );
        let mut finding = Finding::new(Code::LaneWait, Effect::Untidy, text).backed_by(&waiting.lines);
        finding.lane = Some(lane.clone());
        let holders = holders(view, lane);
        finding.evidence.extend(holders);
        let knob = if lane == "cron" { "cron.maxConcurrentRuns" } else { "agents.defaults.maxConcurrent" };
        finding.advise(format!("If it happens often, raise `{knob}`, or shorten what runs there."))
    });
    let jams = view.model.jammed.iter().map(|(lane, jam)| {
        let text = format!(
            "The lane `{lane}` is jammed: it believes it is at work, nothing runs, and {} wait.",
            count(jam.queue, "task")
        );
        let mut finding = Finding::new(Code::LaneWait, Effect::MessagesFail, text).backed_by(&jam.lines);
        finding.lane = Some(lane.clone());
        finding.advise(format!("{}: lanes are in memory, only a restart empties them.", view.restart()))
    });
    waits.chain(jams).collect()
}

/// The longest tasks of that lane.
fn holders(view: &View<'_>, lane: &str) -> Vec<Line> {
    let mut tasks: Vec<&LongTask> = view.model.long_tasks.iter().filter(|task| task.lane == lane).collect();
    tasks.sort_by_key(|task| task.from - task.to);
    tasks
        .into_iter()
        .take(4)
        .map(|task| Line { at: Some(task.to), source: None, line: None, text: task.text.clone() })
        .collect()
}

/// `gateway timeout after 10000ms`.
pub(super) fn rpc(view: &View<'_>) -> Vec<Finding> {
    let model = view.model;
    let timeouts = &model.rpc_timeouts;
    if timeouts.count() == 0 {
        return Vec::new();
    }
    let n = count(timeouts.count(), "request");
    if model.event_loop.explained(&model.rpc_times, 10_000) > 0 {
        let text = format!("{n} to the gateway got no answer in time while its event loop was blocked.");
        return vec![
            Finding::new(Code::RpcTimeout, Effect::Threatens, text)
                .backed_by(timeouts)
                .advise("See `event-loop-blocked`: the cause is there."),
        ];
    }
    let beside = |task: &&LongTask| {
        model
            .rpc_times
            .iter()
            .any(|at| task.from - TimeDelta::seconds(15) <= at && at <= task.to + TimeDelta::seconds(15))
    };
    let task = model.long_tasks.iter().filter(beside).max_by_key(|task| task.to - task.from);
    let only_cron = model.cron_rpc_timeouts == timeouts.count() && view.at_least(2, 4) != Some(true);
    let mut findings = Vec::new();
    let mut text = format!("{n} to the gateway got no answer in time.");
    if let Some(task) = task {
        let lasted = human((task.to - task.from).num_milliseconds().unsigned_abs());
        let _ = write!(
            text,
            " A task of the lane `{}` was at work beside it for {lasted}, and no lock is to blame.",
            task.lane
        );
        let slow = format!(
            "A run took {lasted} (lane `{}`), a slow model or tool; requests to the gateway timed out meanwhile. Nothing in the log shows a blocked event loop, and no lock is to blame.",
            task.lane
        );
        let mut finding = Finding::new(Code::SlowModelCall, Effect::Threatens, slow).seen(
            Some(task.from),
            Some(task.to),
            1,
        );
        finding.lane = Some(task.lane.clone());
        finding.evidence =
            vec![Line { at: Some(task.to), source: None, line: None, text: task.text.clone() }];
        finding.evidence.extend(timeouts.lines());
        findings.push(finding.advise("Look at what the run did for so long; `lockdoctor diagnose` while it happens also samples the gateway's CPU and port."));
    }
    if only_cron {
        text.push_str(" Up to 2026.2.3 every `cron.*` request waits for the cron job that is running: an in-memory queue, no file lock.");
    }
    let mut finding = Finding::new(Code::RpcTimeout, Effect::Threatens, text).backed_by(timeouts);
    finding.evidence.extend(model.slow_cron_rpc.lines());
    if only_cron {
        finding = finding.advise("Upgrade beyond 2026.2.3, or keep cron jobs short.");
    }
    findings.push(finding.advise(format!("{} gateway status", view.program())));
    findings
}

/// Discord's listener took longer than 30 s.
pub(super) fn listeners(view: &View<'_>) -> Vec<Finding> {
    let finding = |(name, slow): (&String, &super::super::model::Listener)| {
        let text = format!(
            "`{name}` took up to {}. Up to 2026.3.2 it waits for the whole run, so this says only how long the run was.",
            human(slow.longest_ms)
        );
        Finding::new(Code::SlowListener, Effect::Untidy, text).backed_by(&slow.lines).advise(
            "No sign of a lock problem. From 2026.3.8 on events of other conversations do not wait for it.",
        )
    };
    view.model.listeners.iter().map(finding).collect()
}
