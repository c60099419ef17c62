//! A gateway that is down, by what its last starts wrote down (`gateway_boot_lifecycle`).

use crate::redact::foreign;
use chrono::{DateTime, TimeDelta, Utc};

use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState};
use super::super::refusal::Refusal;
use super::steps::{clock, span};
use crate::leases::Workings;
use crate::leases::boots::{Boot, Ended, Outcome};
use crate::leases::queues::InboundState;
use crate::verdict::severity::Effect;
use crate::words::{count, times};

/// A service manager tries again long before this.
const RESTART: TimeDelta = TimeDelta::seconds(90);

/// `cut_off`: a run of its is still on record as under way.
pub(super) fn judge(
    gateway: &GatewayFact,
    workings: &Workings,
    cut_off: bool,
    now: DateTime<Utc>,
) -> Option<Finding> {
    if gateway.state == GatewayState::Starting {
        return slow_start(gateway, now);
    }
    if gateway.state != GatewayState::Down {
        return None;
    }
    let Some(last) = workings.boots.last() else { return cut_off.then(|| gone(now)) };
    let mut finding = match &last.ended {
        None => died(&workings.boots, last, now),
        Some(ended) if ended.outcome == Outcome::StartupFailed => refused(&workings.boots, last, ended, now),
        Some(ended) if ended.outcome == Outcome::PlannedRestart && now - ended.at > RESTART => {
            let text = format!(
                "The gateway is down: it stopped at {} to restart, and has not come back.",
                clock(ended.at, now)
            );
            Finding::new(Code::GatewayDown, Effect::NobodyIsAnswered, text)
                .command("openclaw gateway start", "")
                .command("openclaw gateway status --deep", "says what the service manager knows")
        }
        Some(ended) => stopped(ended, now),
    };
    if last.started_at > now {
        finding.explanation.push_str(" That time lies ahead: the clock has been set back since.");
    }
    let waiting = workings.queues.inbound.rows().iter();
    let waiting = waiting.filter(|message| !matches!(message.state, InboundState::Failed { .. })).count();
    finding.messages_waiting = waiting as u64;
    if waiting > 0 {
        let verb = if waiting > 1 { "wait" } else { "waits" };
        finding.explanation.push_str(&format!(" {} {verb} for its next start.", count(waiting, "message")));
    }
    for boot in workings.boots.iter().rev().take(4).rev() {
        finding = told(finding, boot, now);
    }
    finding.last_seen = Some(now);
    Some(finding.proven().saw("no process has gateway.state.lock open, and a running gateway always has"))
}

/// None of its starts is on record any more.
fn gone(now: DateTime<Utc>) -> Finding {
    let text = "The gateway is down, and did not stop cleanly: a run of its was cut off.";
    let mut finding = Finding::new(Code::GatewayDown, Effect::NobodyIsAnswered, text).likely();
    finding.last_seen = Some(now);
    finding.command("openclaw gateway start", "takes interrupted runs up again")
}

fn told(finding: Finding, boot: &Boot, now: DateTime<Utc>) -> Finding {
    let finding = finding.step(boot.started_at, "gateway started");
    let Some(ended) = &boot.ended else { return finding };
    let after = span(boot.started_at, ended.at);
    let text = match ended.outcome {
        Outcome::CleanStop => format!("stopped as it was told, after {after}"),
        Outcome::PlannedRestart => "stopped to restart".to_owned(),
        Outcome::ForcedStop => "stopped by force: its work did not end in time".to_owned(),
        Outcome::StartupFailed => format!("start refused after {after}"),
        Outcome::SafeModeStable => "had been stable for five minutes without channels".to_owned(),
        Outcome::Repaired => "start refused; mended since".to_owned(),
        Outcome::Other => "ended".to_owned(),
    };
    finding.step(ended.at.min(now), text)
}

fn died(boots: &[Boot], last: &Boot, now: DateTime<Utc>) -> Finding {
    let row = boots.iter().rev().take_while(|boot| boot.ended.is_none()).count();
    let again = if row > 1 { format!(", {row} times in a row") } else { String::new() };
    let text = format!(
        "The gateway is down: it started at {} and died{again} (killed, crashed, or out of memory).",
        clock(last.started_at, now)
    );
    let finding = Finding::new(Code::GatewayDown, Effect::NobodyIsAnswered, text)
        .command("openclaw gateway start", "takes interrupted runs up again")
        .command("openclaw gateway status --deep", "says what the service manager knows of its end");
    let first = boots[boots.len() - row].started_at;
    finding.between(first, now, row)
}

fn stopped(ended: &Ended, now: DateTime<Utc>) -> Finding {
    if ended.outcome == Outcome::Other {
        // A word of a later OpenClaw: whether somebody wanted it down is not known.
        let text =
            format!("The gateway is down: it ended at {}, and how is not known.", clock(ended.at, now));
        let finding = Finding::new(Code::GatewayDown, Effect::Threatens, text)
            .command("openclaw gateway status --deep", "says what the service manager knows of its end")
            .command("openclaw gateway start", "starts it again");
        return Finding { first_seen: Some(ended.at), ..finding };
    }
    let signal =
        ended.reason.as_deref().and_then(signal).map_or(String::new(), |signal| format!(" by {signal}"));
    let forced = if ended.outcome == Outcome::ForcedStop { ", before its work was done" } else { "" };
    let text = format!("The gateway is down: it was stopped{signal} at {}{forced}.", clock(ended.at, now));
    let mut finding = Finding::new(Code::GatewayDown, Effect::Untidy, text)
        .command("openclaw gateway start", "starts it again");
    finding.first_seen = Some(ended.at);
    finding
}

/// `stop (SIGTERM)`.
fn signal(reason: &str) -> Option<&str> {
    let signal = reason.strip_prefix("stop (")?.strip_suffix(')')?;
    (signal.starts_with("SIG") && signal.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(signal)
}

fn refused(boots: &[Boot], last: &Boot, ended: &Ended, now: DateTime<Utc>) -> Finding {
    let row = boots.iter().rev().take_while(|boot| boot.failed()).count();
    let first = boots[boots.len() - row].started_at;
    let times = times(row);
    let since = clock(first, now);
    let reason = ended.reason.as_deref().unwrap_or_default();
    let refusal = match Refusal::of(reason) {
        Refusal::Newer => Refusal::Newer,
        _ if last.needs_doctor() => Refusal::Migration,
        refusal => refusal,
    };
    let why = refusal
        .why()
        .unwrap_or_else(|| "the reason is in the evidence below and in the gateway's log".to_owned());
    let text = format!("The gateway refuses to start ({times} since {since}): {why}.");
    let finding = Finding::new(Code::StartRefused, Effect::NobodyIsAnswered, text).between(first, now, row);
    let finding = match &ended.reason {
        Some(reason) => finding.saw(format!("startup_failed: {}", foreign(reason))),
        None => finding,
    };
    refusal.remedies().into_iter().fold(finding, Finding::act)
}

/// Nothing keeps it out, and still it is not there.
fn slow_start(gateway: &GatewayFact, now: DateTime<Utc>) -> Option<Finding> {
    const LONG: TimeDelta = TimeDelta::minutes(5);
    let started = gateway.started_at.filter(|started| now - *started > LONG)?;
    let pid = gateway.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let text = format!(
        "The gateway{pid} has been starting for {}, and has not taken its lock: nobody is answered.",
        span(started, now)
    );
    let finding = Finding::new(Code::GatewayDown, Effect::WaitsPastLimit, text).likely();
    Some(finding.between(started, now, 1).command("openclaw gateway status --deep", "says what it waits for"))
}
