//! Log events as numbers for `/metrics`. Lanes and causes come down to a fixed handful of words, so that no label
//! ever names a session.

use super::logs::LogMetrics;
use crate::gatewaylog::{Cause, Event, Label, TimeoutPhase};

/// The lanes that OpenClaw shares out among conversations, by name; every conversation has one of its own too.
const SHARED: [&str; 5] = ["main", "cron", "subagent", "nested", "background"];

/// Every word that [`lane_word`] can give.
pub(crate) const LANES: [&str; 7] = ["session", "main", "cron", "subagent", "nested", "background", "other"];

/// Every word that [`cause_word`] can give.
pub(crate) const CAUSES: [&str; 10] = [
    "lock",
    "store-lock",
    "takeover",
    "lane-timeout",
    "model-error",
    "model-timeout",
    "gateway-timeout",
    "draining",
    "database",
    "other",
];

/// How a run can end, as the log tells it.
pub(crate) const RUN_RESULTS: [&str; 4] = ["done", "aborted", "timed-out", "failed"];

pub(crate) fn lane_word(lane: &str) -> &'static str {
    if lane.starts_with("session:") {
        return "session";
    }
    SHARED.into_iter().find(|name| *name == lane).unwrap_or("other")
}

fn label_word(label: Label) -> &'static str {
    match label {
        Label::Stuck => "stuck",
        Label::Stalled => "stalled",
        Label::LongRunning => "long-running",
    }
}

fn cause_word(cause: &Cause) -> &'static str {
    match cause {
        Cause::TranscriptLocked { .. } | Cause::LockStale { .. } => "lock",
        Cause::StoreLocked { .. } | Cause::StoreLockTimeout { .. } | Cause::StoreQueueTimeout { .. } => {
            "store-lock"
        }
        Cause::Takeover { .. } | Cause::SessionChanged => "takeover",
        Cause::LaneTaskTimeout { .. } => "lane-timeout",
        Cause::ModelIdle { .. } | Cause::ModelTimeout => "model-timeout",
        Cause::Model(_) | Cause::NoText => "model-error",
        Cause::GatewayTimeout { .. } => "gateway-timeout",
        Cause::LaneCleared | Cause::Draining => "draining",
        Cause::DatabaseBusy
        | Cause::DatabaseDamaged
        | Cause::DatabaseReplaced
        | Cause::WalMismatch
        | Cause::DiskFull => "database",
        Cause::SessionConflict
        | Cause::TurnClaimed { .. }
        | Cause::StateOwned
        | Cause::Aborted
        | Cause::MemoryLocked
        | Cause::Compaction { .. }
        | Cause::ChannelDown
        | Cause::Other { .. } => "other",
    }
}

/// Counts one event.
pub(crate) fn count(event: &Event, metrics: &LogMetrics) {
    match event {
        Event::LaneWait { lane, waited_ms, queue_ahead, counts } => {
            metrics.lane_wait(lane_word(lane), *waited_ms);
            let behind = counts.map_or(*queue_ahead, |counts| counts.queue_behind);
            metrics.lane_queue(lane_word(lane), behind);
        }
        Event::LaneEnqueue { lane, queue_size } | Event::LaneDequeue { lane, queue_size, .. } => {
            metrics.lane_queue(lane_word(lane), *queue_size);
        }
        Event::LaneJammed { lane, queue } => metrics.lane_queue(lane_word(lane), *queue),
        Event::LaneDone { lane, duration_ms, queued, .. } => {
            metrics.lane_run(lane_word(lane), *duration_ms);
            metrics.lane_queue(lane_word(lane), *queued);
        }
        Event::LaneError { lane, duration_ms, .. } => {
            metrics.lane_run(lane_word(lane), *duration_ms);
            metrics.lane_error(lane_word(lane));
        }
        Event::Attention(attention) => metrics.complaint(label_word(attention.label)),
        Event::RunDone { duration_ms, aborted, .. } => {
            metrics.run(if *aborted { "aborted" } else { "done" }, Some(*duration_ms));
        }
        Event::RunTimeout { timeout_ms, phase, .. } if *phase != TimeoutPhase::Extended => {
            metrics.run("timed-out", Some(*timeout_ms));
        }
        Event::RunAgentEnd { is_error: true, .. } => metrics.run("failed", None),
        _ => {}
    }
    // An error comes twice, from the inner lane and from the session's: it is counted with the latter.
    let inner = matches!(event, Event::LaneError { lane, .. } if !lane.starts_with("session:"));
    if let Some(cause) = event.cause().filter(|_| !inner) {
        metrics.error(cause_word(cause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_of_a_conversation_is_never_named() {
        assert_eq!(lane_word("session:agent:main:telegram:direct:+4915112345678"), "session");
        assert_eq!(lane_word("cron"), "cron");
        assert_eq!(lane_word("auth-probe:x"), "other");
        for word in SHARED {
            assert!(LANES.contains(&lane_word(word)));
        }
    }
}
