//! Messages that wait, and messages that were lost, by OpenClaw's own queues: how many, of which channel or chat, since
//! when, and why.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::finding::{Code, Finding};
use super::super::input::{GatewayFact, GatewayState};
use super::steps::{clock, span};
use crate::leases::Workings;
use crate::leases::queues::{
    Flow, Inbound, InboundState, Outbound, START_CHANGED, Subagent, Task, TaskStatus,
};
use crate::redact::foreign;
use crate::verdict::severity::Effect;
use crate::words::{count, shell_word, times};

/// What is older is told as past.
const RECENT: TimeDelta = TimeDelta::hours(24);
const WEEK: TimeDelta = TimeDelta::days(7);
/// OpenClaw's own run limit, where none is configured.
const WAIT: TimeDelta = TimeDelta::minutes(10);
/// A run takes moments to minutes; what waits for longer behind one is told.
const NOTICED: TimeDelta = TimeDelta::minutes(2);
const LONG_WAIT: TimeDelta = TimeDelta::minutes(5);
/// How long any claim counts (9.6 `INGRESS_CLAIM_LEASE_MS`).
const CLAIM: TimeDelta = TimeDelta::minutes(30);
/// OpenClaw's audit of task flows calls one stale after this.
const FLOW: TimeDelta = TimeDelta::minutes(30);
/// A gateway that has just started takes up what the last one left.
const TAKING_UP: TimeDelta = TimeDelta::minutes(2);

pub(super) fn judge(gateway: &GatewayFact, workings: &Workings, now: DateTime<Utc>) -> Vec<Finding> {
    let began = workings.boots.last().map(|boot| boot.started_at);
    let runs = gateway.state == GatewayState::Running;
    let mut findings = given_up(workings.queues.inbound.rows(), now);
    if runs {
        findings.extend(stalled(workings.queues.inbound.rows(), began, now));
        findings.extend(undelivered_results(workings.queues.subagents.rows(), now));
        findings.extend(flows(workings.queues.flows.rows(), now));
    }
    if let Some(began) = began.filter(|_| runs) {
        findings.extend(behind_runs(workings.queues.tasks.rows(), began, now));
    }
    findings.extend(undelivered(workings.queues.outbound.rows(), runs, now));
    findings.extend(failed_runs(workings.queues.tasks.rows(), runs, began.filter(|_| runs), now));
    findings
}

/// A message that nobody will try again: of which channel, why, since when.
type Lost<'a> = (&'a str, Option<&'a str>, DateTime<Utc>);

fn by<T, K: Ord>(rows: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

/// Messages that nobody will try again.
fn given_up(inbound: &[Inbound], now: DateTime<Utc>) -> Vec<Finding> {
    let failed = inbound.iter().filter_map(|message| match &message.state {
        InboundState::Failed { at, reason } if now - *at < WEEK => {
            Some((message.channel.as_str(), reason.word(), *at))
        }
        _ => None,
    });
    let of = |((channel, reason), lost): ((&str, Option<&str>), Vec<Lost<'_>>)| {
        let channel = foreign(channel);
        let times: Vec<DateTime<Utc>> = lost.into_iter().map(|(.., at)| at).collect();
        let (first, last) = (times.iter().min().copied()?, times.iter().max().copied()?);
        let why = reason.map_or_else(String::new, |reason| format!(" ({})", foreign(reason)));
        let many = times.len() > 1;
        let text = format!(
            "{} of {channel} {} given up since {}{why}: {} lost.",
            count(times.len(), "message"),
            if many { "were" } else { "was" },
            clock(first, now),
            if many { "they are" } else { "it is" }
        );
        let effect = if now - last < RECENT { Effect::MessagesFailed } else { Effect::Untidy };
        let mut finding =
            Finding::new(Code::MessageFailed, effect, text).proven().between(first, last, times.len());
        finding.messages_failed = times.len() as u64;
        Some(
            finding
                .step(last, "the last of them was given up")
                .saw(format!("channel_ingress_events: status=failed channel={channel}{why}"))
                .hint("Ask for them to be sent again: OpenClaw does not."),
        )
    };
    by(failed, |(channel, reason, _)| (*channel, *reason)).into_iter().filter_map(of).collect()
}

/// Messages that came in and that nobody works on.
fn stalled(inbound: &[Inbound], began: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<Finding> {
    let settled = began.is_none_or(|began| now - began > TAKING_UP);
    let open = inbound.iter().filter(|message| !matches!(message.state, InboundState::Failed { .. }));
    let of = |(channel, messages): (&str, Vec<&Inbound>)| {
        let claims = || {
            messages.iter().filter_map(|message| match &message.state {
                InboundState::Claimed { owner, at } => Some((message, owner, *at)),
                _ => None,
            })
        };
        // One gateway at a time: what was claimed before it began was claimed by one that is gone.
        let left = claims().find(|(_, _, at)| settled && at.zip(began).is_some_and(|(at, began)| at < began));
        let worked_on = |message: &Inbound| claims().any(|(claimed, ..)| claimed.lane == message.lane);
        let oldest = messages.iter().min_by_key(|message| message.received_at)?;
        let waits = now - oldest.received_at;
        let (how, proven) = if let Some((_, owner, _)) = left {
            let pid = owner.pid.map_or_else(|| "a process".to_owned(), |pid| format!("pid {pid}"));
            (format!("the first is claimed by {pid}, which is gone"), true)
        } else if let Some((_, _, Some(at))) =
            claims().find(|(_, _, at)| at.is_some_and(|at| now - at > CLAIM))
        {
            (format!("the first has been worked on for {}", span(at, now)), false)
        } else if waits > WAIT && !worked_on(oldest) {
            let tried = match oldest.attempts {
                0 => String::new(),
                attempts => format!(" after {}", count(attempts as usize, "attempt")),
            };
            (format!("nobody works on the first{tried}"), false)
        } else {
            return None;
        };
        let many = messages.len() > 1;
        let channel = foreign(channel);
        let text = format!(
            "{} of {channel} {} since {}; {how}.",
            count(messages.len(), "message"),
            if many { "wait" } else { "waits" },
            clock(oldest.received_at, now)
        );
        let effect = if waits > CLAIM { Effect::MessagesFail } else { Effect::WaitsPastLimit };
        let finding = Finding::new(Code::IngressStalled, effect, text);
        let mut finding = if proven { finding.proven() } else { finding.likely() };
        finding.messages_waiting = messages.len() as u64;
        Some(
            finding
                .between(oldest.received_at, now, messages.len())
                .step(oldest.received_at, "the first of them came in")
                .saw(format!("channel_ingress_events: channel={channel}, {how}"))
                .command("openclaw gateway restart", "a start takes up what waits, whoever had claimed it"),
        )
    };
    by(open, |message| message.channel.as_str()).into_iter().filter_map(of).collect()
}

/// Answers that did not reach their channel.
fn undelivered(outbound: &[Outbound], runs: bool, now: DateTime<Utc>) -> Vec<Finding> {
    let matters = |entry: &&Outbound| match entry.failed_at {
        Some(at) => now - at < WEEK,
        None => runs && now - entry.enqueued_at > WAIT,
    };
    let of = |((channel, failed), entries): ((Option<&str>, bool), Vec<&Outbound>)| {
        let at = |entry: &&Outbound| entry.failed_at.unwrap_or(entry.enqueued_at);
        let (first, last) = (entries.iter().map(at).min()?, entries.iter().map(at).max()?);
        let to = channel.map_or_else(String::new, |channel| format!(" to {}", foreign(channel)));
        let answers = count(entries.len(), "answer");
        let reason = entries.iter().find_map(|entry| entry.reason.word());
        let why = reason.map_or_else(String::new, |reason| format!(" ({})", foreign(reason)));
        let since = clock(first, now);
        let (effect, text) = if failed {
            let effect = if now - last < RECENT { Effect::MessagesFailed } else { Effect::Untidy };
            (
                effect,
                format!(
                    "{answers}{to} could not be delivered since {since}{why}, and will not be tried again."
                ),
            )
        } else {
            let tries = entries.iter().map(|entry| entry.attempts).max().unwrap_or(0);
            let tries = count(tries as usize, "attempt");
            (
                Effect::WaitsPastLimit,
                format!("{answers}{to} not delivered since {since}, after {tries}{why}."),
            )
        };
        let mut finding =
            Finding::new(Code::MessageFailed, effect, text).proven().between(first, last, entries.len());
        if failed {
            finding.messages_failed = entries.len() as u64;
        } else {
            finding.messages_waiting = entries.len() as u64;
        }
        if let [only] = entries[..] {
            finding.session_key.clone_from(&only.session_key);
        }
        Some(
            finding
                .saw(format!("delivery_queue_entries: status={}", if failed { "failed" } else { "pending" }))
                .command("openclaw channels status --probe", "says whether the channel can be reached"),
        )
    };
    let groups =
        by(outbound.iter().filter(matters), |entry| (entry.channel.as_deref(), entry.failed_at.is_some()));
    groups.into_iter().filter_map(of).collect()
}

/// Chats whose last messages failed, none of which was answered since.
fn failed_runs(tasks: &[Task], runs: bool, began: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<Finding> {
    // A subagent's failure is its parent's to tell.
    let known = tasks.iter().filter(|task| task.session_key.is_some() && task.runtime != "subagent");
    by(known, |task| task.session_key.as_deref())
        .into_values()
        .filter_map(|tasks| failing_chat(&tasks, runs, began, now))
        .collect()
}

fn failing_chat(
    tasks: &[&Task],
    runs: bool,
    began: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Finding> {
    let answered =
        tasks.iter().filter(|task| task.status == TaskStatus::Succeeded).map(|task| task.created_at).max();
    let failed: Vec<&&Task> = tasks
        .iter()
        .filter(|task| matches!(task.status, TaskStatus::Failed | TaskStatus::TimedOut | TaskStatus::Lost))
        .filter(|task| {
            now - task.created_at < RECENT && answered.is_none_or(|answered| task.created_at > answered)
        })
        .collect();
    let (first, last) = (failed.first()?, failed.last()?);
    let running = tasks.iter().find(|task| {
        task.status == TaskStatus::Running && began.is_some_and(|began| task.created_at >= began)
    });
    let refused = last.reason.word() == Some(START_CHANGED);
    let messages = count(failed.len(), "message");
    let since = clock(first.created_at, now);
    let job = last.runtime == "cron";
    let why = match (last.status, last.reason.word()) {
        (TaskStatus::TimedOut, _) => " (time limit)".to_owned(),
        (TaskStatus::Lost, _) => " (its process ended)".to_owned(),
        (_, Some(reason)) => format!(" ({})", foreign(reason)),
        (_, None) => String::new(),
    };
    let (effect, text) = match running {
        Some(run) if refused => (
            Effect::MessagesFail,
            format!(
                "{messages} refused at once since {since}: a run that began at {} holds the chat, and each new message \
                 is turned away until it ends.",
                clock(run.created_at, now)
            ),
        ),
        _ if job => (
            Effect::MessagesFailed,
            format!("A scheduled job has failed {} since {since}{why}.", times(failed.len())),
        ),
        _ => {
            let goes_on = failed.len() > 1 && now - last.created_at < TimeDelta::hours(1);
            let effect = if goes_on { Effect::MessagesFail } else { Effect::MessagesFailed };
            (effect, format!("{messages} failed since {since}{why}, and none was answered since."))
        }
    };
    let code = if job { Code::JobFailed } else { Code::MessageFailed };
    let mut finding = Finding::new(code, effect, text).proven().between(
        first.created_at,
        last.ended_at.unwrap_or(last.created_at),
        failed.len(),
    );
    let key = last.session_key.clone().unwrap_or_default();
    finding.agent.clone_from(&last.agent);
    finding.messages_failed = if job { 0 } else { failed.len() as u64 };
    if let Some(run) = running {
        finding = finding.step(run.created_at, "a run began");
    }
    finding = finding
        .step(
            first.created_at,
            if failed.len() > 1 { "the first message failed" } else { "a message failed" },
        )
        .saw(format!("task_runs: {} × status=failed{why}", failed.len()));
    if refused && running.is_some() {
        let params = shell_word(&format!("{{\"sessionKey\":\"{key}\"}}"));
        finding = finding
            .command(
                format!("openclaw gateway call chat.abort --params {params}"),
                "ends that run, as /stop in the chat does; the next message is answered",
            )
            .command("openclaw gateway restart", "if chat.abort answers no-active-run");
    } else if !runs {
        finding = finding.command("openclaw gateway start", "nobody is answered before");
    } else if !job && last.status != TaskStatus::Lost {
        finding = finding.command(
            "openclaw gateway status --deep",
            "says whether the gateway and its model can be reached",
        );
    }
    finding.session_key = Some(key);
    if job {
        return Some(finding.hint("Run the job again by hand once its cause is gone."));
    }
    let then = if finding.actions.is_empty() { "Send" } else { "Then send" };
    Some(finding.hint(format!("{then} the failed messages again: OpenClaw does not.")))
}

/// Messages that came while a run of their chat was, and still is, under way.
fn behind_runs(tasks: &[Task], began: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Finding> {
    let open = tasks.iter().filter(|task| {
        matches!(task.status, TaskStatus::Running | TaskStatus::Queued)
            && task.created_at >= began
            && task.session_key.is_some()
            && !matches!(task.runtime.as_str(), "subagent" | "cron")
    });
    let of = |(key, tasks): (Option<&str>, Vec<&Task>)| {
        let [run, next, ..] = &tasks[..] else { return None };
        let waits = now - next.created_at;
        if waits < NOTICED {
            return None;
        }
        let number = tasks.len() - 1;
        let verb = if number > 1 { "wait" } else { "waits" };
        let text = format!(
            "{} {verb} since {} behind a run that began at {} and has not ended.",
            count(number, "message"),
            clock(next.created_at, now),
            clock(run.created_at, now)
        );
        let effect = if waits < LONG_WAIT { Effect::Slow } else { Effect::WaitsPastLimit };
        let mut finding =
            Finding::new(Code::LaneWait, effect, text).proven().between(next.created_at, now, number);
        finding.messages_waiting = number as u64;
        finding.agent.clone_from(&run.agent);
        finding = finding
            .step(run.created_at, "the run began")
            .step(next.created_at, "the first message behind it came in")
            .saw(format!("task_runs: {} of this chat with status=running", tasks.len()));
        let key = key?.to_owned();
        let params = shell_word(&format!("{{\"sessionKey\":\"{key}\"}}"));
        finding.session_key = Some(key);
        let finding = finding.command(
            format!("openclaw gateway call chat.abort --params {params}"),
            "ends the run and what waits behind it, as /stop in the chat does; the next message is answered, these are to be sent again",
        );
        Some(finding.hint(
            "Should it answer `unauthorized` (2026.8, a run that another client began): send /stop in that chat.",
        ))
    };
    by(open, |task| task.session_key.as_deref()).into_iter().filter_map(of).collect()
}

/// Subagents that are done, and whose requester does not know.
fn undelivered_results(subagents: &[Subagent], now: DateTime<Utc>) -> Option<Finding> {
    let old = |run: &&Subagent| run.ended_at.is_some_and(|ended| now - ended > WAIT && now - ended < RECENT);
    let waiting: Vec<&Subagent> = subagents.iter().filter(old).collect();
    let first = waiting.iter().filter_map(|run| run.ended_at).min()?;
    let text = format!(
        "The result of {} has not reached the chat that asked for it since {}.",
        count(waiting.len(), "subagent run"),
        clock(first, now)
    );
    let mut finding = Finding::new(Code::JobFailed, Effect::WaitsPastLimit, text).proven();
    if let [only] = waiting[..] {
        finding.session_key = Some(only.requester.clone());
    }
    let states: Vec<&str> = waiting.iter().filter_map(|run| run.delivery.as_deref()).collect();
    Some(
        finding
            .between(first, now, waiting.len())
            .saw(format!("subagent_runs: delivery {}", states.join(", ")))
            .hint("Write to that chat: the next message hands the result over, or ask for it again."),
    )
}

/// Task flows that have not advanced for longer than OpenClaw's own audit allows (`stale_running` and the like). One that
/// waits, or is blocked, may wait for a person.
fn flows(flows: &[Flow], now: DateTime<Utc>) -> Vec<Finding> {
    let stale = flows.iter().filter(|flow| now - flow.updated_at >= FLOW);
    let of = |(owner, flows): (&str, Vec<&Flow>)| {
        let since = flows.iter().map(|flow| flow.updated_at).min()?;
        let runs = flows.iter().any(|flow| flow.status == "running");
        let effect = if runs { Effect::WaitsPastLimit } else { Effect::Slow };
        let mut states: Vec<&str> = flows.iter().map(|flow| flow.status.as_str()).collect();
        states.sort_unstable();
        states.dedup();
        let has = if flows.len() > 1 { "have" } else { "has" };
        let text = format!(
            "{} of this chat {has} not advanced since {} ({}).",
            count(flows.len(), "task flow"),
            clock(since, now),
            states.join(", ")
        );
        let mut finding =
            Finding::new(Code::StuckRun, effect, text).proven().between(since, now, flows.len());
        finding.session_key = Some(owner.to_owned());
        Some(
            finding
                .saw(format!("flow_runs: status {}", states.join(", ")))
                .command("openclaw tasks audit", "names them and what each lacks; only reads")
                .command(
                    format!("openclaw tasks flow cancel {}", shell_word(owner)),
                    "ends the latest of this chat, if nobody waits for it any more",
                ),
        )
    };
    by(stale, |flow| flow.owner.as_str()).into_iter().filter_map(of).collect()
}
