//! A gateway that runs, and starts no channel: OpenClaw's restart-loop breaker.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState};
use super::steps::clock;
use crate::leases::Workings;
use crate::leases::boots::{BREAKER_WINDOW, Boot, held_back_until};
use crate::verdict::severity::Effect;

/// It looks at its own history every five minutes only, with its health monitor (79 s later on a real 2026.9.6).
const NOTICES: TimeDelta = TimeDelta::minutes(6);

pub(super) fn judge(gateway: &GatewayFact, workings: &Workings, now: DateTime<Utc>) -> Option<Finding> {
    if gateway.state != GatewayState::Running {
        return None;
    }
    let until = held_back_until(&workings.boots).filter(|until| now <= *until + NOTICES)?;
    let (last, earlier) = workings.boots.split_last()?;
    let unclean: Vec<&Boot> = earlier
        .iter()
        .filter(|boot| boot.ended.is_none() || boot.failed())
        .filter(|boot| boot.started_at >= last.started_at - BREAKER_WINDOW)
        .collect();
    let text = format!(
        "The gateway runs but starts no channel: {} starts within five minutes ended badly, and OpenClaw's \
         restart-loop breaker holds the channels back until {} at least.",
        unclean.len(),
        clock(until, now)
    );
    let mut finding = Finding::new(Code::IngressStalled, Effect::NobodyIsAnswered, text).proven();
    for boot in &unclean {
        finding = finding.step(boot.started_at, "gateway started, then died");
    }
    finding = finding.step(last.started_at, "gateway started; no channel was");
    Some(
        finding
            .between(unclean.first().map_or(last.started_at, |boot| boot.started_at), now, unclean.len())
            .saw("gateway_boot_lifecycle: three starts that did not end well, and no recovery since")
            .hint(format!(
                "Wait: if it does not crash again, the channels start by themselves at its first check after {0}, within \
                 five minutes of it. A restart before {0} begins the wait anew, one after it starts them at once.",
                clock(until, now)
            ))
            .hint(
                "Or start a channel by hand: openclaw gateway call channels.start --params '{\"channel\":\"telegram\"}' \
                 (with your channel's id)",
            )
            .hint("Find the crash first in the gateway's log: it will come back."),
    )
}
