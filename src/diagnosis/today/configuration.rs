//! A configuration that OpenClaw cannot read: who runs goes on with the last one, and nobody starts.

use chrono::{DateTime, Utc};

use super::super::finding::{Code, Finding, Remedy};
use super::super::input::{GatewayFact, GatewayState};
use super::super::refusal::Refusal;
use crate::verdict::severity::Effect;

pub(super) fn judge(gateway: &GatewayFact, now: DateTime<Utc>) -> Option<Finding> {
    let broken = gateway.config.broken.as_deref()?;
    let mut finding = if keeps_out(gateway) {
        let text = format!("No gateway can start: {broken}.");
        let finding = Finding::new(Code::ConfigInvalid, Effect::NobodyIsAnswered, text);
        Refusal::Configuration.remedies().into_iter().fold(finding, Finding::act)
    } else if gateway.state == GatewayState::Running {
        let text =
            format!("{broken}: the gateway goes on with what it read before, and its next start is refused.");
        let finding = Finding::new(Code::ConfigInvalid, Effect::Threatens, text);
        mend().into_iter().fold(finding, Finding::act)
    } else {
        return None;
    };
    finding.first_seen = gateway.config.changed_at;
    finding.last_seen = Some(now);
    if let Some(changed) = gateway.config.changed_at {
        finding = finding.step(changed, "the configuration was changed");
    }
    Some(finding.proven())
}

/// A gateway that has run here is down, and no start gets by.
pub(super) fn keeps_out(gateway: &GatewayFact) -> bool {
    let has_run = gateway.workings.as_ref().is_some_and(|workings| !workings.boots.is_empty());
    gateway.config.broken.is_some() && gateway.state == GatewayState::Down && has_run
}

/// Without a start: a gateway runs.
pub(in super::super) fn mend() -> Vec<Remedy> {
    let mut remedies = Refusal::Configuration.remedies();
    remedies.pop();
    remedies
}
