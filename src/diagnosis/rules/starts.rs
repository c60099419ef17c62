//! Starts that came to nothing: another process has the state, a lease of an earlier gateway, migrations, errors.

use super::super::evidence::Evidence;
use super::super::finding::{Certainty, Code, Finding};
use super::super::input::{GatewayState, LeaseEffect};
use super::{View, count, remedy};
use crate::gatewaylog::{Entry, Event};
use crate::redact::foreign;
use crate::verdict::severity::Effect;
use chrono::{DateTime, Utc};

#[derive(Debug, Default)]
pub(in super::super) struct Starts {
    /// `gateway already running`.
    second: Evidence,
    /// Who runs, by its words.
    other: Option<u32>,
    migrations: Evidence,
    owner_lease: Evidence,
    failed: Evidence,
    /// Another process owns the state.
    owned: bool,
    reason: Option<String>,
    last: Option<DateTime<Utc>>,
    /// A gateway came up after the last of them.
    up: Option<DateTime<Utc>>,
}

const WORDS: usize = 160;

impl Starts {
    pub(in super::super) fn push(&mut self, at: DateTime<Utc>, source: usize, entry: &Entry) {
        match &entry.event {
            Event::GatewayRefused { pid } => {
                self.second.add(source, entry);
                self.other = pid.or(self.other);
            }
            Event::StartupRefused => self.migrations.add(source, entry),
            Event::OwnerLeaseRefused => self.owner_lease.add(source, entry),
            Event::StartFailed { owned, reason } => {
                self.failed.add(source, entry);
                self.owned |= owned;
                if !reason.is_empty() {
                    self.reason = Some(reason.chars().filter(|c| !c.is_control()).take(WORDS).collect());
                }
            }
            Event::GatewayReady | Event::GatewayListening { .. } => {
                self.up = Some(at);
                return;
            }
            _ => return,
        }
        self.last = Some(at);
    }

    /// Starts that failed: the lines, and the reason in OpenClaw's words.
    pub(super) fn failed(&self) -> (&Evidence, Option<&str>) {
        (&self.failed, self.reason.as_deref())
    }

    pub(super) fn refused_by_owner(&self) -> &Evidence {
        &self.owner_lease
    }

    pub(super) fn refused(&self) -> u64 {
        self.second.count()
    }
}

pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    let starts = &view.model.counters.starts;
    let running = view.facts.gateways.iter().any(|gateway| gateway.state == GatewayState::Running);
    let over = running || starts.up.is_some() && starts.up >= starts.last;
    [
        second(view, starts, over),
        migrations(view, starts, over),
        owner_lease(view, starts, over),
        failed(view, starts, over),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Nothing answers until a start succeeds.
fn effect(over: bool) -> Effect {
    if over { Effect::HealsItself } else { Effect::NobodyIsAnswered }
}

const OVER: &str = " A gateway runs by now: it is over.";

fn second(view: &View<'_>, starts: &Starts, over: bool) -> Option<Finding> {
    let lines = &starts.second;
    if lines.count() == 0 {
        return None;
    }
    let who = starts.other.map_or_else(
        || "another one runs, or its lock says so".to_owned(),
        |pid| format!("its lock says that another one runs as pid {pid}"),
    );
    let text = format!("A gateway refused to start {}: {who}.", times(lines.count()));
    let effect = if over { Effect::Untidy } else { Effect::Threatens };
    let finding = Finding::new(Code::GatewayLock, effect, text).backed_by(lines).helps(Some(false));
    Some(
        finding
            .act(remedy::gateway_status(view))
            .act(remedy::say("Two services for one gateway? `systemctl --user list-units '*gateway*'`")),
    )
}

fn migrations(view: &View<'_>, starts: &Starts, over: bool) -> Option<Finding> {
    let lines = &starts.migrations;
    if lines.count() == 0 {
        return None;
    }
    let mut text = "The gateway refused to start because its start-up migrations did not complete, or are at work in another process.".to_owned();
    text.push_str(if over { OVER } else { "" });
    let finding = Finding::new(Code::LeaseStuck, effect(over), text).backed_by(lines).helps(Some(false));
    Some(finding.act(remedy::doctor(view)).act(remedy::say(
        "Wait until the other process has finished, or its lease has expired; then start again.",
    )))
}

/// openclaw#155644. Told by the lease itself while it is there.
fn owner_lease(view: &View<'_>, starts: &Starts, over: bool) -> Option<Finding> {
    let lines = &starts.owner_lease;
    let is_judged = view.facts.leases.iter().any(|lease| lease.effect == LeaseEffect::NoGateway);
    if lines.count() == 0 || is_judged {
        return None;
    }
    let now = if over {
        OVER
    } else {
        " It ends by itself when the lease expires, five minutes after it was renewed last."
    };
    let text = format!(
        "A gateway refused to start {}: the lease of an earlier one was still in the database, and under another host name OpenClaw cannot see that its owner is gone.{now}",
        times(lines.count())
    );
    let finding = Finding::new(Code::LeaseStuck, effect(over), text).backed_by(lines).helps(Some(false));
    Some(finding.act(remedy::look()).act(remedy::say(
        "If it comes back after each re-creation of a container: give it a fixed host name (docker run --hostname, compose hostname:).",
    )))
}

fn failed(view: &View<'_>, starts: &Starts, over: bool) -> Option<Finding> {
    let (lines, reason) = starts.failed();
    if lines.count() == 0 {
        return None;
    }
    let mut text = if starts.owned {
        "OpenClaw refused to start: another OpenClaw process owns its state.".to_owned()
    } else {
        let why = reason.and_then(known_reason).map_or_else(String::new, |why| format!(": {why}"));
        format!("OpenClaw did not start ({}){why}.", count(lines.count(), "line"))
    };
    if let Some(reason) = reason {
        text.push_str(&format!(" Its words: \"{}\".", foreign(reason)));
    }
    text.push_str(if over { OVER } else { " Until it starts, no message is answered." });
    let mut finding =
        Finding::new(Code::StartRefused, effect(over), text).backed_by(lines).helps(Some(false));
    finding.certainty = Certainty::Proven;
    let finding = if starts.owned {
        finding.act(remedy::say(
            "Look for a living `openclaw doctor`, `update` or second gateway (`ps aux | grep openclaw`) and let it end. Never delete `*.lock.sqlite` files: the kernel holds those locks.",
        ))
    } else {
        finding.act(remedy::doctor(view))
    };
    Some(finding.act(remedy::gateway_status(view)))
}

/// What is common among the reasons, in our words.
fn known_reason(reason: &str) -> Option<String> {
    let says = |word: &str| reason.contains(word);
    if says("already listening") || says("EADDRINUSE") || says("already in use") {
        let port = reason.rsplit(':').next().and_then(|port| port.trim_end_matches('.').parse::<u16>().ok());
        let port = port.map_or_else(|| "its port".to_owned(), |port| format!("port {port}"));
        return Some(format!("another process has {port}"));
    }
    if says("maintenance") {
        return Some("a maintenance of its database is under way, or counts as such".to_owned());
    }
    let errno = reason.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| {
        word.len() >= 4 && word.starts_with('E') && word.bytes().all(|byte| byte.is_ascii_uppercase())
    });
    let code = errno.map_or_else(String::new, |code| format!(" ({code})"));
    says("gateway lock").then(|| format!("the system refused it its lock file{code}"))
}

fn times(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}
