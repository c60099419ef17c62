//! Messages that were refused because the gateway takes no new work: during a planned stop, or for ever after one.

use super::super::finding::{Certainty, Code, Finding};
use super::remedy;
use super::view::{clock, count};
use crate::gatewaylog::{Cause, Event};
use crate::history::evidence::{Evidence, Logged};
use crate::history::story::{Incidents, dated};
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};

/// No drain is given longer (five minutes, and one to come up again).
const LONGEST_DRAIN: TimeDelta = TimeDelta::minutes(6);

#[derive(Debug, Default)]
pub(super) struct Refusals {
    lines: Evidence,
    incidents: Incidents,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
    /// A stop or restart began, and a gateway came up.
    closing: Option<DateTime<Utc>>,
    opened: Option<DateTime<Utc>>,
    /// Refused by a gateway that had come up after the last stop.
    while_up: u64,
}

impl Refusals {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        let Logged { at, entry, .. } = logged;
        match &entry.event {
            Event::Signal { .. } | Event::Shutdown { .. } | Event::Draining { .. } => self.closing = Some(at),
            Event::GatewayReady | Event::GatewayListening { .. } | Event::HttpListening { .. } => {
                self.opened = Some(at);
            }
            event if event.cause() == Some(&Cause::Draining) && is_of_a_message(event) => {
                self.lines.add(logged);
                let fresh = self.incidents.note(at, entry.message.split([':', '=']).next().unwrap_or(""));
                self.while_up += u64::from(fresh && self.opened.is_some() && self.opened > self.closing);
                self.first = self.first.or(Some(at));
                self.last = Some(at);
            }
            _ => {}
        }
    }

    /// For longer than any drain lasts, or by a gateway that was up.
    fn is_for_ever(&self) -> bool {
        let spread = self.first.zip(self.last).map_or(TimeDelta::zero(), |(first, last)| last - first);
        self.while_up > 1 || spread > LONGEST_DRAIN
    }
}

fn is_of_a_message(event: &Event) -> bool {
    event.is_outcome() || matches!(event, Event::Undelivered(_) | Event::Failed { .. })
}

pub(super) fn judge(refusals: &Refusals) -> Option<Finding> {
    let last = refusals.last?;
    let n = refusals.incidents.count;
    let over = refusals.opened.is_some_and(|up| up > last);
    let (effect, text) = if refusals.is_for_ever() && !over {
        let since =
            refusals.first.and_then(dated).map_or_else(String::new, |at| format!(" since {}", clock(at)));
        let text = format!(
            "The gateway runs and refuses each message{since} ({n} refused): it counts itself as draining for a restart that is over or never came."
        );
        (Effect::NobodyIsAnswered, text)
    } else {
        let text = format!(
            "{} refused: the gateway was draining for a stop or a restart and took no new work.",
            if n == 1 { "1 message was".to_owned() } else { format!("{} were", count(n, "message")) }
        );
        (Effect::MessagesFailed, text)
    };
    let mut finding =
        Finding::new(Code::MessageFailed, effect, text).backed_by(&refusals.lines).helps(Some(false));
    finding.certainty = Certainty::Proven;
    (finding.count, finding.messages_failed) = (n, n);
    let finding = if over { finding } else { finding.act(remedy::restart()) };
    Some(finding.act(remedy::send_again()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::counted;
    use super::*;
    use crate::verdict::severity::Severity;

    const REFUSED: &str = "[diagnostic] lane task error: lane=main durationMs=3 error=\"GatewayDrainingError: Gateway is draining for restart; new tasks are not accepted\"";

    fn severity(lines: &[(&str, &str)]) -> Severity {
        let refusals = counted(lines, Refusals::push);
        judge(&refusals).unwrap().severity
    }

    #[test]
    fn a_gateway_that_is_up_and_refuses_does_so_for_ever() {
        let stop = ("10:00:00", "[gateway] signal SIGTERM received");
        assert_eq!(severity(&[stop, ("10:00:05", REFUSED)]), Severity::Warning);
        let up = ("10:01:00", "[gateway] gateway ready");
        assert_eq!(severity(&[stop, up, ("10:02:00", REFUSED), ("10:03:00", REFUSED)]), Severity::Critical);
    }
}
