//! A process that keeps every gateway out, by what it holds.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState};
use super::steps::span;
use crate::leases::Workings;
use crate::leases::holders::{Holder, HolderProcess, Thing};
use crate::redact::local;
use crate::verdict::severity::Effect;

/// `openclaw doctor --fix` took 70 s on a busy machine; what holds on for longer hangs.
const MAINTENANCE: TimeDelta = TimeDelta::minutes(10);
/// A unit of systemd's has no other parent; a child whose command was killed has no other either.
const WITHOUT_PARENT: TimeDelta = TimeDelta::minutes(3);

pub(super) fn judge(gateway: &GatewayFact, workings: &Workings, now: DateTime<Utc>) -> Option<Finding> {
    if !matches!(gateway.state, GatewayState::Down | GatewayState::Starting | GatewayState::Unknown) {
        return None;
    }
    let keeps_out = |holder: &&Holder| {
        let is_the_start = holder.process.as_ref().is_some_and(|process| {
            // A gateway starts itself anew, with other options, and is called `openclaw` until it has its lock.
            let started_by_it = process.parent.is_some() && process.parent == gateway.pid;
            Some(process.pid) == gateway.pid
                || !process.is_stopped() && (process.is_gateway() || started_by_it)
        });
        matches!(holder.thing, Thing::GatewayLifecycle | Thing::StateLifecycle | Thing::GatewayLock)
            && !is_the_start
    };
    let mut keepers: Vec<&Holder> = workings.holders.iter().filter(keeps_out).collect();
    keepers.sort_by_key(|holder| holder.thing);
    let holder = *keepers.first()?;
    let thing = holder.thing.as_str();
    let file = format!("{} is locked", local(&holder.file.to_string_lossy()));
    let Some(process) = &holder.process else {
        // Its own gateway may hold it where we cannot see.
        if gateway.state == GatewayState::Unknown {
            return None;
        }
        let text = format!("No gateway can start: a process in another container holds {thing}.");
        let finding = Finding::new(Code::StartRefused, Effect::NobodyIsAnswered, text).proven().saw(file);
        return Some(finding.hint("Run lockdoctor on the host: it names the process."));
    };
    let age = process.since.map(|since| now - since);
    // A thing of moments, caught in one of them.
    if holder.thing == Thing::StateLifecycle
        && !process.is_stopped()
        && age.is_none_or(|age| age < MAINTENANCE)
    {
        return None;
    }
    let patience = if process.is_orphan() { WITHOUT_PARENT } else { MAINTENANCE };
    let hangs = process.is_stopped() || age.is_none_or(|age| age >= patience);
    let who = process.described();
    let since = process.since.map_or(String::new(), |since| format!(", running for {}", span(since, now)));
    let (effect, text) = if hangs {
        (Effect::NobodyIsAnswered, format!("No gateway can start: {who} holds {thing}{since}."))
    } else {
        let text = format!(
            "The gateway is down while {who} works: it holds {thing}{since}, and lets go when it is done."
        );
        (Effect::HealsItself, text)
    };
    let mut finding = Finding::new(Code::StartRefused, effect, text).proven().saw(file);
    finding.first_seen = process.since;
    finding.last_seen = Some(now);
    if let Some(since) = process.since {
        finding = finding.step(since, format!("{} started", process.name));
    }
    if hangs {
        finding = finding
            .command(end(process), "it ends and lets go; what it had begun is begun anew at the next start")
            .command(
                "openclaw gateway start",
                "OpenClaw has exited with 78, and systemd does not try again after that",
            )
            .hint("Never delete the *.lock.sqlite files: they are permanent, and removing one lets two gateways in.");
    } else {
        finding = finding.hint("Wait until it is done, then: openclaw gateway start");
    }
    Some(finding)
}

/// A stopped process takes no signal before it goes on.
fn end(process: &HolderProcess) -> String {
    let pid = process.pid;
    if process.is_stopped() { format!("kill {pid} && kill -CONT {pid}") } else { format!("kill {pid}") }
}
