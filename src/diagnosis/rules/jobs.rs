//! Scheduled jobs, and results of sub-agents, that came to nothing.

use super::super::finding::{Certainty, Code, Finding};
use super::remedy;
use super::shared_lanes::SharedLanes;
use super::view::{View, count};
use crate::gatewaylog::{Cause, Event, Loss, Undelivered};
use crate::history::chat::Chat;
use crate::history::evidence::{Evidence, Logged, excerpt};
use crate::history::names::agent_of_key;
use crate::history::story::Incidents;
use crate::redact::quotation;
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};

/// A failure this near to another line belongs to it.
const NEAR: TimeDelta = TimeDelta::seconds(10);
/// A recovery may cost a job that goes on this long after it.
const AFTERMATH: TimeDelta = TimeDelta::minutes(5);

#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: Failed,
    results: Failed,
    /// Jobs that ran into their own time limit.
    timed_out: u64,
}

#[derive(Debug, Default)]
struct Failed {
    lines: Evidence,
    incidents: Incidents,
    words: Option<String>,
    /// Whose they were, if it was one only.
    key: Option<String>,
    many: bool,
    by_timeout: bool,
    last: Option<DateTime<Utc>>,
}

impl Jobs {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        match &logged.entry.event {
            Event::Undelivered(lost) if lost.what == Loss::Job => {
                self.timed_out += u64::from(lost.reason.contains("timed out"));
                self.jobs.add(logged, Some(lost));
            }
            Event::Undelivered(lost) if lost.what == Loss::Announce && lost.cause.lock().is_none() => {
                self.results.add(logged, Some(lost));
            }
            Event::LaneError {
                lane, cause: Cause::Aborted | Cause::Model(_) | Cause::Other { .. }, ..
            } if lane.starts_with("cron") => {
                self.jobs.add(logged, None);
            }
            _ => {}
        }
    }
}

impl Failed {
    fn add(&mut self, logged: Logged<'_>, lost: Option<&Undelivered>) {
        self.incidents.note(logged.at, logged.entry.message.split(':').next().unwrap_or(""));
        self.lines.add(logged);
        self.last = Some(logged.at);
        let Some(lost) = lost else { return };
        self.by_timeout |= matches!(lost.cause, Cause::GatewayTimeout { .. });
        self.words = Some(excerpt(&lost.reason));
        if let Some(key) = &lost.session.key {
            self.many |= self.key.as_ref().is_some_and(|known| known != key);
            self.key = Some(key.clone());
        }
    }

    fn finding(&self, code: Code, text: String) -> Finding {
        let mut finding =
            Finding::new(code, Effect::MessagesFailed, text).backed_by(&self.lines).helps(Some(false));
        finding.count = self.incidents.count;
        if let Some(key) = self.key.as_ref().filter(|_| !self.many) {
            finding = finding.about_key(key);
        }
        finding
    }
}

/// `recovered`: the chats that OpenClaw's recovery acted on, and when it did so last.
pub(super) fn judge<'a>(
    view: &View<'_>,
    jobs: &Jobs,
    shared_lanes: &SharedLanes,
    recovered: impl Iterator<Item = (&'a Chat, DateTime<Utc>)>,
) -> Vec<Finding> {
    let recovered = jobs.jobs.last.and_then(|failed| recovered_before(failed, recovered));
    results(&jobs.results).into_iter().chain(scheduled(view, jobs, shared_lanes, recovered)).collect()
}

/// The parent chat was asked through the gateway, and did not take the result in time.
fn results(results: &Failed) -> Option<Finding> {
    let n = results.incidents.count;
    if n == 0 {
        return None;
    }
    let why = if results.by_timeout {
        "The announce to the parent chat got no answer from the gateway in time, mostly because that chat was busy with a turn of its own."
    } else {
        "The announce to the parent chat failed."
    };
    let text =
        format!("{} of sub-agents did not reach the chat that waits for it. {why}", count(n, "result"));
    let mut finding = results.finding(Code::JobFailed, text);
    finding.messages_failed = n;
    finding.certainty = Certainty::Likely;
    Some(
        finding
            .act(remedy::say("Ask for the result again in the parent chat once it is idle."))
            .act(remedy::say("Later releases try the announce again: upgrade.")),
    )
}

fn scheduled(
    view: &View<'_>,
    jobs: &Jobs,
    shared_lanes: &SharedLanes,
    recovered: Option<&str>,
) -> Option<Finding> {
    let failed = &jobs.jobs;
    let n = failed.incidents.count;
    if n == 0 {
        return None;
    }
    let mut text = format!("{} failed", count(n, "scheduled job"));
    if jobs.timed_out > 0 {
        text.push_str(", at its own time limit");
    }
    text.push('.');
    if let Some(words) = failed.words.as_ref().filter(|words| jobs.timed_out == 0 && !words.is_empty()) {
        text.push_str(&quotation(words));
    }
    // A job that waited for the one slot of its lane, and did not get it before its limit, waited for itself.
    let waited = shared_lanes.waited_near("cron", &failed.incidents.times, NEAR);
    let itself = waited && jobs.timed_out > 0 && view.at_least(3, 9) != Some(true);
    if itself {
        text.push_str(" It had waited for the lane `cron` all that time: up to 2026.3.8 an isolated job takes the one slot of that lane, and its own turn then waits for the same slot.");
    }
    if recovered.is_some() {
        text.push_str(" Before that, OpenClaw's recovery had released the lane of such a job while it may still have been at work.");
    }
    let mut finding = failed.finding(Code::JobFailed, text);
    finding.certainty = if itself { Certainty::Likely } else { Certainty::Possible };
    if let Some(key) = recovered.filter(|_| finding.session_key.is_none()) {
        finding.agent = agent_of_key(key).map(str::to_owned);
        finding.session_key = Some(key.to_owned());
    }
    finding.lane = finding.lane.or_else(|| Some("cron".to_owned()));
    if itself {
        finding = finding.act(remedy::say(
            "Upgrade beyond 2026.3.8; until then set `cron.maxConcurrentRuns` to 2 or more.",
        ));
    }
    Some(
        finding
            .act(remedy::say("Run the job again by hand once its cause is gone."))
            .act(remedy::gateway_status()),
    )
}

/// The scheduled run whose lane OpenClaw released a little earlier.
fn recovered_before<'a>(
    failed: DateTime<Utc>,
    recovered: impl Iterator<Item = (&'a Chat, DateTime<Utc>)>,
) -> Option<&'a str> {
    let before = recovered.filter(|(_, at)| *at <= failed && failed - *at <= AFTERMATH);
    before.filter_map(|(chat, _)| chat.key.as_deref()).find(|key| key.contains(":cron:"))
}
