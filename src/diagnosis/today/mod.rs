//! What an install of 2026.8 or later says of itself without a log: its databases, its locks and the kernel tell which
//! gateway is down and who keeps it out, which messages wait, and which were lost. Pure; no text of a message is here.

mod channels;
pub(super) mod configuration;
mod disk;
mod holding;
mod log_growth;
mod messages;
mod prevention;
mod silence;
mod starts;
mod steps;

use super::finding::{Code, Finding};
use super::input::{Facts, GatewayFact, GatewayState, LeaseEffect};
use crate::leases::Workings;
use crate::verdict::severity::Severity;
use chrono::{DateTime, TimeDelta, Utc};

/// The findings of every install that was looked at.
pub(super) fn all(facts: &Facts, now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for gateway in &facts.gateways {
        findings.extend(configuration::judge(gateway, now));
        findings.extend(silence::judge(gateway, now));
        if let Some(workings) = &gateway.workings {
            findings.extend(of_install(facts, gateway, workings, now));
        }
    }
    findings
}

/// Every gateway is down, and no process keeps it out any more.
pub(super) fn is_free(facts: &Facts) -> bool {
    let free = |gateway: &GatewayFact| {
        gateway.state == GatewayState::Down
            && gateway.workings.as_ref().is_some_and(|workings| workings.holders.is_empty())
    };
    !facts.gateways.is_empty() && facts.gateways.iter().all(free)
}

/// A gateway has started after `then`, by its own record, and was not refused. A start that lies ahead was written by
/// another clock.
pub(super) fn started_after(facts: &Facts, then: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let workings = facts.gateways.iter().filter_map(|gateway| gateway.workings.as_ref());
    workings
        .filter_map(|workings| workings.boots.last())
        .any(|last| last.started_at > then && last.started_at <= now && !last.failed())
}

fn of_install(facts: &Facts, gateway: &GatewayFact, workings: &Workings, now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let keeper = holding::judge(gateway, workings, now);
    let kept_out = keeper.is_some()
        || configuration::keeps_out(gateway)
        || facts.leases.iter().any(|lease| lease.effect == LeaseEffect::NoGateway);
    findings.extend(keeper);
    if !kept_out {
        let cut_off = facts.leases.iter().any(|lease| lease.session_key.is_some());
        let down = starts::judge(gateway, workings, cut_off, now);
        findings.extend(down.map(|finding| disk::before_a_start(gateway, finding)));
    }
    findings.extend(disk::judge(gateway));
    findings.extend(channels::judge(gateway, workings, now));
    findings.extend(messages::judge(gateway, workings, now));
    findings.extend(log_growth::judge(workings));
    findings.extend(prevention::judge(gateway, workings));
    findings
}

/// Adds them to what the log tells. Where both speak of the gateway's being down, the state directory knows better, and
/// the log's lines become evidence; where both speak of a chat's lost messages, the log has the story.
pub(super) fn join(findings: &mut Vec<Finding>, mut today: Vec<Finding>) {
    let of_gateway = |finding: &Finding| match finding.code {
        Code::GatewayDown | Code::StartRefused => true,
        Code::ConfigInvalid => finding.severity == Severity::Critical,
        _ => false,
    };
    // A lease that keeps every gateway out is the cause: a start before it ends is refused.
    let keeps_out = |finding: &Finding| {
        finding.code == Code::LeaseStuck
            && finding.severity == Severity::Critical
            && finding.session_key.is_none()
    };
    let lease = findings.extract_if(.., |logged| keeps_out(logged)).next();
    if let Some(mut own) = lease {
        for ended in today.extract_if(.., |ended| ended.code == Code::GatewayDown) {
            own.evidence.extend(ended.evidence);
            own.story.splice(0..0, ended.story);
        }
        today.insert(0, own);
    }
    // A refusal that came after the gateway's end is the news.
    let refused =
        |logged: &Finding| logged.code == Code::StartRefused && logged.severity == Severity::Critical;
    if findings.iter().any(refused) {
        for ended in today.extract_if(.., |own| own.code == Code::GatewayDown) {
            if let Some(logged) = findings.iter_mut().find(|logged| refused(logged)) {
                logged.evidence.extend(ended.evidence);
                logged.story.splice(0..0, ended.story);
            }
        }
    }
    if let Some(own) = today.iter_mut().find(|finding| keeps_out(finding) || of_gateway(finding)) {
        let same = |logged: &mut Finding| logged.code == Code::GatewayDown || refused(logged);
        for logged in findings.extract_if(.., same) {
            own.evidence.extend(logged.evidence);
            own.story.splice(0..0, logged.story);
        }
    } else if findings.iter().any(refused) {
        findings.retain(|logged| logged.code != Code::GatewayDown);
    }
    let blocked = |finding: &Finding| finding.code == Code::EventLoopBlocked;
    if let Some(own) = today.iter_mut().find(|finding| blocked(finding)) {
        for logged in findings.extract_if(.., |logged| blocked(logged)) {
            own.evidence.extend(logged.evidence);
            own.story.splice(0..0, logged.story);
        }
    }
    // A log that says nobody waits has not seen the queue.
    for own in today.iter_mut().filter(|own| own.code == Code::LaneWait) {
        let same = |logged: &mut Finding| {
            matches!(logged.code, Code::SlowModelCall | Code::LaneWait)
                && logged.session_key == own.session_key
                && logged.severity <= own.severity
        };
        for logged in findings.extract_if(.., same) {
            own.evidence.extend(logged.evidence);
            own.story.extend(logged.story);
        }
    }
    // A row says whose job it was; the log's lines on the same failures are evidence.
    for own in today.iter_mut().filter(|own| own.code == Code::JobFailed && own.session_key.is_some()) {
        let same: Vec<Finding> = findings.extract_if(.., |logged| is_of_the_same_job(logged, own)).collect();
        own.evidence.extend(same.into_iter().flat_map(|logged| logged.evidence));
    }
    today.retain(|own| {
        let told = |logged: &&Finding| {
            own.session_key.is_some()
                && logged.session_key == own.session_key
                && logged.severity >= own.severity
        };
        !(own.code == Code::MessageFailed && findings.iter().any(|logged| told(&logged)))
    });
    findings.append(&mut today);
}

/// Between a job's end in its row and the log's line on it.
const OF_ONE_END: TimeDelta = TimeDelta::seconds(30);

/// All that the log counts are failures of the job that `own` is about.
fn is_of_the_same_job(logged: &Finding, own: &Finding) -> bool {
    let one_end = logged.last_seen.zip(own.last_seen).is_some_and(|(a, b)| (a - b).abs() <= OF_ONE_END);
    logged.code == Code::JobFailed
        && logged.messages_failed == 0
        && (logged.session_key.is_none() || logged.session_key == own.session_key)
        && logged.count <= own.count
        && one_end
}

#[cfg(test)]
mod tests;
