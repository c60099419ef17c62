//! Channels that fetch their messages, and whose fetching stalls again and again: nothing that is sent there is picked
//! up meanwhile. One stall mends itself.

use super::super::finding::{Code, Finding};
use super::event_loop::LoopTrouble;
use super::remedy;
use super::view::{View, count, times};
use crate::gatewaylog::Event;
use crate::history::evidence::{Evidence, Logged};
use crate::history::story::dated;
use crate::history::trouble::{ByName, entry};
use crate::redact::foreign;
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};

/// Stalls further apart are two troubles.
const APART: TimeDelta = TimeDelta::minutes(15);
/// So many in a row do not mend themselves.
const MANY: u64 = 3;

#[derive(Debug, Default)]
pub(super) struct Polling {
    channels: ByName<Stalls>,
}

#[derive(Debug, Default)]
struct Stalls {
    lines: Evidence,
    in_a_row: u64,
    /// Another program fetched the messages: how often, of these.
    conflicts: u64,
    last: Option<DateTime<Utc>>,
}

impl Polling {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        let Logged { at, entry: line, .. } = logged;
        match &line.event {
            Event::PollingStall { channel } | Event::PollingConflict { channel } => {
                let name = channel.as_deref().unwrap_or("telegram");
                let Some(stalls) = entry(&mut self.channels, name) else { return };
                if stalls.last.is_some_and(|last| at - last > APART) {
                    *stalls = Stalls::default();
                }
                stalls.lines.add(logged);
                stalls.in_a_row += 1;
                stalls.conflicts += u64::from(matches!(line.event, Event::PollingConflict { .. }));
                stalls.last = Some(at);
            }
            Event::Inbound { .. } | Event::Answered { .. } => {
                let name = line.subsystem.as_deref().and_then(|name| name.rsplit('/').next());
                if let Some(stalls) = name.and_then(|name| self.channels.get_mut(name)) {
                    *stalls = Stalls::default();
                }
            }
            _ => {}
        }
    }
}

pub(super) fn judge(view: &View<'_>, polling: &Polling, event_loop: &LoopTrouble) -> Vec<Finding> {
    let stalled =
        polling.channels.iter().filter(|(_, stalls)| stalls.in_a_row >= MANY || stalls.conflicts > 0);
    let judged = stalled.filter_map(|(name, stalls)| {
        let last = stalls.last?;
        // A blocked event loop tells it better.
        if event_loop.explains(last, 0) {
            return None;
        }
        let quiet = view.last.zip(dated(last)).is_some_and(|(end, last)| end - last > APART * 2);
        if stalls.conflicts > 0 {
            return Some(conflict(name, stalls, quiet));
        }
        let text = format!(
            "The polling of {} stalled {} on end and was started afresh each time{}",
            foreign(name),
            count(stalls.in_a_row, "time"),
            if quiet { "; it has not stalled since." } else { ": what is sent there is not picked up." }
        );
        let effect = if quiet { Effect::HealsItself } else { Effect::WaitsPastLimit };
        let finding = Finding::new(Code::IngressStalled, effect, text).backed_by(&stalls.lines).helps(Some(false));
        Some(finding.act(remedy::restart()).act(remedy::say(
            "Look at the network or proxy to the channel, and whether a second gateway polls the same account.",
        )))
    });
    judged.collect()
}

/// Telegram gives the messages of a bot to one program only. After a restart it may take a moment to see that the old
/// one is gone.
fn conflict(name: &str, stalls: &Stalls, quiet: bool) -> Finding {
    let goes_on = stalls.conflicts >= MANY && !quiet;
    let text = format!(
        "{} refused the polling {}, as another program fetches the messages of the same account{}",
        foreign(name),
        times(stalls.conflicts),
        if goes_on {
            ": what is sent there reaches the gateway late or not at all."
        } else {
            ". Once, after a restart, it is harmless."
        }
    );
    let effect = if goes_on { Effect::WaitsPastLimit } else { Effect::HealsItself };
    let finding =
        Finding::new(Code::IngressStalled, effect, text).backed_by(&stalls.lines).helps(Some(false));
    finding
        .act(remedy::gateway_status())
        .act(remedy::say(
            "If it goes on: look for a second gateway, another host or a script with the same token.",
        ))
        .act(remedy::say("If there is none, an older poller of the same gateway may be left: restart it."))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counted, judged};
    use super::*;
    use crate::verdict::severity::Severity;

    #[test]
    fn stalls_on_end_are_told_until_a_message_comes_in() {
        const STALL: &str = "[telegram] Polling stall detected (no getUpdates for 95s); forcing restart";
        let told = |lines: &[(&str, &str)]| {
            let polling = counted(lines, Polling::push);
            judged(|view| judge(view, &polling, &LoopTrouble::default())).len()
        };
        let mut lines = vec![("10:00:00", STALL), ("10:02:00", STALL), ("10:04:00", STALL)];
        assert_eq!(told(&lines), 1);
        assert_eq!(told(&lines[..2]), 0);
        lines.push(("10:05:00", "[telegram] Inbound message 123456789 -> bot (direct, 41 chars)"));
        assert_eq!(told(&lines), 0);
        assert_eq!(told(&[("10:00:00", STALL), ("10:20:00", STALL), ("10:40:00", STALL)]), 0);
    }

    #[test]
    fn a_second_poller_is_told_and_matters_once_it_goes_on() {
        const CONFLICT: &str = "[telegram] getUpdates conflict: Call to 'getUpdates' failed! (409: Conflict: terminated by other getUpdates request; make sure that only one bot instance is running); retrying in 30s.";
        let severity = |lines: &[(&str, &str)]| {
            let polling = counted(lines, Polling::push);
            judged(|view| judge(view, &polling, &LoopTrouble::default())).pop().unwrap().severity
        };
        let lines = [("10:00:00", CONFLICT), ("10:00:30", CONFLICT), ("10:01:00", CONFLICT)];
        assert_eq!(severity(&lines[..1]), Severity::Info);
        assert_eq!(severity(&lines), Severity::Warning);
    }
}
