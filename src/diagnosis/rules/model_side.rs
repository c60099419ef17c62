//! Time-outs of model calls that no run's time limit tells already.

use super::super::finding::{Code, Finding};
use super::remedy;
use super::view::count;
use crate::gatewaylog::{Cause, Event};
use crate::history::evidence::{Evidence, Logged};
use crate::history::story::dated;
use crate::history::trouble::Times;
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};

/// A run's own limit aborts its model call, which then says that it timed out.
const WITH_THE_LIMIT: TimeDelta = TimeDelta::seconds(120);
/// OpenClaw files a lock timeout under `timeout` too, and would blame the model for it.
const ECHO: TimeDelta = TimeDelta::seconds(3);

#[derive(Debug, Default)]
pub(super) struct ModelSide {
    lines: Evidence,
    times: Times,
    limits: Times,
    last_lock_failure: Option<DateTime<Utc>>,
    undated_limit: bool,
    undated: bool,
}

impl ModelSide {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        let Logged { at, entry, .. } = logged;
        let cause = entry.event.cause();
        if cause.is_some_and(Cause::is_lock) {
            self.last_lock_failure = Some(at);
        }
        if matches!(entry.event, Event::RunTimeout { .. }) {
            self.limits.add(at);
            self.undated_limit |= dated(at).is_none();
        }
        let by_cause = matches!(cause, Some(Cause::ModelIdle { .. } | Cause::ModelTimeout));
        let echo = self.last_lock_failure.is_some_and(|failed| (at - failed).abs() <= ECHO);
        if by_cause || is_model_side(&entry.event) && !echo {
            self.lines.add(logged);
            self.times.add(at);
            self.undated |= dated(at).is_none();
        }
    }

    /// Had the model side stopped answering about then?
    pub(super) fn near(&self, at: DateTime<Utc>) -> bool {
        self.times.any_near(at, WITH_THE_LIMIT)
    }
}

fn is_model_side(event: &Event) -> bool {
    match event {
        Event::ModelIdle { .. } | Event::ProfileTimeout { .. } => true,
        // A channel's request is no model's.
        Event::FetchTimeout { timer_delay_ms: None, operation, .. } => operation
            .as_deref()
            .is_none_or(|operation| operation.contains("model") || operation.contains("fetch")),
        Event::ModelFetchError { name, .. } => name.as_deref().is_some_and(|name| name.contains("Timeout")),
        Event::FailoverDecision { reason, .. } => reason.as_deref() == Some("timeout"),
        Event::ModelFallback { reason, cause, .. } => reason.as_deref() == Some("timeout") && cause.is_none(),
        _ => false,
    }
}

pub(super) fn judge(side: &ModelSide) -> Option<Finding> {
    if side.lines.count() == 0 {
        return None;
    }
    let told = side.times.near(&side.limits, WITH_THE_LIMIT);
    if told == side.times.len() || side.undated && side.undated_limit {
        return None;
    }
    let text = format!(
        "The model side timed out ({}): a slow or unreachable provider. No lock file is part of that.",
        count(side.lines.count(), "line")
    );
    let finding = Finding::new(Code::SlowModelCall, Effect::MessagesFailed, text)
        .backed_by(&side.lines)
        .helps(Some(false));
    Some(finding.act(remedy::say("Look at the provider's status and latency; add a fallback model.")))
}
