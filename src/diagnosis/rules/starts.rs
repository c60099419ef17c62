//! Starts that came to nothing: another process has the state, a lease of an earlier gateway, migrations, errors.

use super::super::finding::{Certainty, Code, Finding, Remedy};
use super::super::input::{GatewayState, LeaseEffect};
use super::super::refusal::Refusal;
use super::super::today;
use super::remedy;
use super::view::{View, times};
use crate::gatewaylog::Event;
use crate::history::evidence::{Evidence, Logged, excerpt};
use crate::redact::foreign;
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};

#[derive(Debug, Default)]
pub(super) struct Starts {
    /// `gateway already running`.
    second: Evidence,
    /// Who runs, by its words.
    other: Option<u32>,
    migrations: Evidence,
    owner_lease: Evidence,
    failed: Evidence,
    /// Of the last of them, by the whole of its words.
    refusal: Option<Refusal>,
    /// Its first words.
    reason: Option<String>,
    /// The service manager does not try again.
    gave_up: Evidence,
    by_limit: bool,
    unit: Option<String>,
    last: Option<DateTime<Utc>>,
    /// A gateway came up after the last of them.
    up: Option<DateTime<Utc>>,
}

/// Lines of one refusal come together; a start takes longer.
const ONE_START: TimeDelta = TimeDelta::seconds(2);
/// The term of a gateway's lease.
const LEASE: TimeDelta = TimeDelta::minutes(5);

impl Starts {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        match &logged.entry.event {
            Event::GatewayRefused { pid } => {
                self.second.add(logged);
                self.other = pid.or(self.other);
            }
            Event::StartupRefused => self.migrations.add(logged),
            Event::OwnerLeaseRefused => self.owner_lease.add(logged),
            Event::StartFailed { owned, reason } => {
                self.failed.add(logged);
                let refusal = if *owned { Refusal::Owned } else { Refusal::of(reason) };
                // One refusal may take several lines, and one of an earlier start is no reason of this one.
                let goes_on = self.last.is_some_and(|last| logged.at - last < ONE_START);
                if refusal != Refusal::Unknown || !goes_on {
                    self.refusal = Some(refusal);
                }
                if !reason.is_empty() {
                    self.reason = Some(excerpt(reason));
                }
            }
            Event::ServiceGaveUp { unit, by_limit } => {
                self.gave_up.add(logged);
                self.by_limit |= by_limit;
                self.unit = Some(unit.clone());
            }
            Event::GatewayReady | Event::GatewayListening { .. } => {
                self.up = Some(logged.at);
                return;
            }
            _ => return,
        }
        self.last = Some(logged.at);
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

pub(super) fn judge(view: &View<'_>, starts: &Starts) -> Vec<Finding> {
    let running = view.facts.gateways.iter().any(|gateway| gateway.state == GatewayState::Running);
    let later = starts.last.is_some_and(|last| today::started_after(view.facts, last, view.now));
    let over = running || later || starts.up.is_some() && starts.up >= starts.last;
    [
        second(starts, over),
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

const OVER: &str = " A gateway has started since: it is over.";
const TWO_SERVICES: &str = "Two services for one gateway? `systemctl --user list-units '*gateway*'`";

fn second(starts: &Starts, over: bool) -> Option<Finding> {
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
    Some(finding.act(remedy::gateway_status()).act(remedy::say(TWO_SERVICES)))
}

fn migrations(view: &View<'_>, starts: &Starts, over: bool) -> Option<Finding> {
    let lines = &starts.migrations;
    let is_judged = view.facts.leases.iter().any(|lease| lease.effect == LeaseEffect::NoGateway);
    if lines.count() == 0 || is_judged {
        return None;
    }
    let mut text = "The gateway refused to start because its start-up migrations did not complete, or are at work in another process.".to_owned();
    text.push_str(if over { OVER } else { "" });
    let finding = Finding::new(Code::LeaseStuck, effect(over), text).backed_by(lines).helps(Some(false));
    if over {
        return Some(finding);
    }
    // `doctor --fix` mends nothing while a lease stands.
    let expired = starts.last.is_some_and(|last| view.now - last > LEASE);
    let finding = if expired || today::is_free(view.facts) {
        finding
    } else {
        finding.act(remedy::say("Wait until the other process has finished, or its lease has expired."))
    };
    Some(finding.act(remedy::doctor()).act(remedy::start()))
}

/// openclaw#155644. Told by the lease itself while it is there.
fn owner_lease(view: &View<'_>, starts: &Starts, over: bool) -> Option<Finding> {
    let lines = &starts.owner_lease;
    let is_judged = view.facts.leases.iter().any(|lease| lease.effect == LeaseEffect::NoGateway);
    if lines.count() == 0 || is_judged {
        return None;
    }
    let expired = starts.last.is_some_and(|last| view.now - last > LEASE);
    let now = if over {
        OVER
    } else if expired {
        " By now that lease has expired: a start is not refused because of it any more."
    } else {
        " It ends by itself when the lease expires, five minutes after it was renewed last."
    };
    let text = format!(
        "A gateway refused to start {}: the lease of an earlier one was still in the database, and under another host name OpenClaw cannot see that its owner is gone.{now}",
        times(lines.count())
    );
    let finding = Finding::new(Code::LeaseStuck, effect(over), text).backed_by(lines).helps(Some(false));
    let finding = if expired && !over { finding.act(remedy::start()) } else { finding.act(remedy::look()) };
    Some(finding.act(remedy::say(
        "If it comes back after each re-creation of a container: give it a fixed host name (docker run --hostname, compose hostname:).",
    )))
}

fn failed(view: &View<'_>, starts: &Starts, over: bool) -> Option<Finding> {
    let (lines, reason) = starts.failed();
    if lines.count() == 0 {
        return given_up(starts, over);
    }
    let refusal = starts.refusal.unwrap_or(Refusal::Unknown);
    if refusal == Refusal::Owned
        && let (Some(first), Some(last)) = (running_since(view), starts.last)
        && first < last
    {
        return Some(beside_the_first(lines));
    }
    let why = refusal.why().map_or_else(String::new, |why| format!(": {why}"));
    let mut text = format!("OpenClaw refused to start {}{why}.", times(lines.count()));
    if let Some(reason) = reason.filter(|_| refusal.leaves_something_to_say()) {
        text.push_str(&format!(" Its words: \"{}\".", foreign(reason)));
    }
    let let_go = refusal == Refusal::Owned && today::is_free(view.facts);
    text.push_str(match (over, let_go) {
        (true, _) => OVER,
        (false, true) => " That one has let go since. Until the gateway starts, no message is answered.",
        (false, false) => " Until it starts, no message is answered.",
    });
    let mut finding =
        Finding::new(Code::StartRefused, effect(over), text).backed_by(lines).helps(Some(false));
    finding.certainty = Certainty::Proven;
    if over {
        return Some(finding);
    }
    let mut remedies = refusal.remedies();
    if let_go {
        remedies.remove(0);
    }
    if starts.gave_up.count() > 0 {
        // In the place of a plain start.
        remedies.pop();
        remedies.push(reset(starts));
    }
    Some(remedies.into_iter().fold(finding, Finding::act))
}

fn running_since(view: &View<'_>) -> Option<DateTime<Utc>> {
    let running = view.facts.gateways.iter().filter(|gateway| gateway.state == GatewayState::Running);
    running.filter_map(|gateway| gateway.started_at).min()
}

/// The state is owned, as it should be, by the gateway that began before the refusal.
fn beside_the_first(lines: &Evidence) -> Finding {
    let text = format!(
        "A second gateway refused to start {}: the one that runs owns the state. It was not disturbed.",
        times(lines.count())
    );
    let finding = Finding::new(Code::GatewayLock, Effect::Untidy, text).backed_by(lines).helps(Some(false));
    finding.act(remedy::say(TWO_SERVICES))
}

/// systemd does not start it any more, and the log has no reason.
fn given_up(starts: &Starts, over: bool) -> Option<Finding> {
    let lines = &starts.gave_up;
    if lines.count() == 0 || over {
        return None;
    }
    let why = if starts.by_limit {
        "it ended too often in a short time (start limit)"
    } else {
        "it exited with 78, which stands for something that only a person can mend"
    };
    let text = format!("systemd has given up starting the gateway: {why}. No message is answered.");
    let finding = Finding::new(Code::StartRefused, effect(over), text).backed_by(lines).helps(Some(false));
    let finding = Refusal::Unknown.remedies().into_iter().take(2).fold(finding, Finding::act);
    Some(finding.act(reset(starts)))
}

fn reset(starts: &Starts) -> Remedy {
    let unit = starts.unit.as_deref().unwrap_or("openclaw-gateway.service");
    let command = format!("systemctl --user reset-failed {unit} && systemctl --user start {unit}");
    Remedy::command(
        command,
        "Makes systemd try again, once the cause is mended; without --user for a system unit.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counted, judged};
    use super::*;
    use crate::verdict::severity::Severity;

    #[test]
    fn a_refused_start_is_over_once_a_gateway_is_up() {
        let severity = |lines: &[(&str, &str)]| {
            let starts = counted(lines, Starts::push);
            judged(|view| judge(view, &starts)).iter().map(|finding| finding.severity).max()
        };
        let refused = ("10:00:00", "[gateway] gateway already running (pid 4711); lock timeout after 5000ms");
        assert_eq!(severity(&[refused]), Some(Severity::Warning));
        assert_eq!(severity(&[refused, ("10:01:00", "[gateway] gateway ready")]), Some(Severity::Info));
    }

    /// A 2026.8.2 on the databases of a 2026.9.6, after a start that a busy machine had been too slow for.
    #[test]
    fn the_last_refusal_is_told_by_its_own_reason() {
        let slow = "Gateway failed to start: state lease heartbeat did not become ready (phase=startup, trigger=timeout, status=starting, elapsedMs=5035, timeoutMs=5000). Run openclaw gateway status --deep for diagnostics.";
        let told = |last: &str| {
            let starts = counted(&[("10:00:00", slow), ("10:01:00", last)], Starts::push);
            judged(|view| judge(view, &starts)).remove(0).explanation
        };
        let newer = told(
            "Gateway failed to start: Gateway refused startup because 1 OpenClaw database schema(s) are newer than this build. Refused by OpenClaw 2026.8.2 (0965053) installed at /x/openclaw.",
        );
        assert!(newer.contains("a newer OpenClaw than this one wrote its databases"), "{newer}");
        let unknown = told("Gateway failed to start: the moon is in the wrong house");
        assert!(!unknown.contains("time limit"), "{unknown}");
    }
}
