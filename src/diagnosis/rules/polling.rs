//! Channels that fetch their messages, and whose fetching stalls again and again: nothing that is sent there is picked
//! up meanwhile. One stall mends itself.

use super::super::evidence::Evidence;
use super::super::finding::{Code, Finding};
use super::super::story::dated;
use super::super::trouble::{ByName, entry};
use super::{View, count, remedy};
use crate::gatewaylog::{Entry, Event};
use crate::redact::foreign;
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};

/// Stalls further apart are two troubles.
const APART: TimeDelta = TimeDelta::minutes(15);
/// So many in a row do not mend themselves.
const MANY: u64 = 3;

#[derive(Debug, Default)]
pub(in super::super) struct Polling {
    channels: ByName<Stalls>,
}

#[derive(Debug, Default)]
struct Stalls {
    lines: Evidence,
    in_a_row: u64,
    last: Option<DateTime<Utc>>,
}

impl Polling {
    pub(in super::super) fn push(&mut self, at: DateTime<Utc>, source: usize, entry_: &Entry) {
        match &entry_.event {
            Event::PollingStall { channel } => {
                let name = channel.as_deref().unwrap_or("telegram");
                let Some(stalls) = entry(&mut self.channels, name) else { return };
                if stalls.last.is_some_and(|last| at - last > APART) {
                    (stalls.in_a_row, stalls.lines) = (0, Evidence::default());
                }
                stalls.lines.add(source, entry_);
                stalls.in_a_row += 1;
                stalls.last = Some(at);
            }
            Event::Inbound { .. } | Event::Answered { .. } => {
                let name = entry_.subsystem.as_deref().and_then(|name| name.rsplit('/').next());
                if let Some(stalls) = name.and_then(|name| self.channels.get_mut(name)) {
                    *stalls = Stalls::default();
                }
            }
            _ => {}
        }
    }
}

pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    let stalled = view.model.counters.polling.channels.iter().filter(|(_, stalls)| stalls.in_a_row >= MANY);
    let judged = stalled.filter_map(|(name, stalls)| {
        let last = stalls.last?;
        // A blocked event loop tells it better.
        if view.model.counters.event_loop.explains(last, 0) {
            return None;
        }
        let quiet = view.model.last.zip(dated(last)).is_some_and(|(end, last)| end - last > APART * 2);
        let text = format!(
            "The polling of {} stalled {} on end and was started afresh each time{}",
            foreign(name),
            count(stalls.in_a_row, "time"),
            if quiet { "; it has not stalled since." } else { ": what is sent there is not picked up." }
        );
        let effect = if quiet { Effect::HealsItself } else { Effect::WaitsPastLimit };
        let finding = Finding::new(Code::IngressStalled, effect, text).backed_by(&stalls.lines).helps(Some(false));
        Some(finding.act(remedy::restart(view)).act(remedy::say(
            "Look at the network or proxy to the channel, and whether a second gateway polls the same account.",
        )))
    });
    judged.collect()
}
