//! Waits for a lane that chats share, and lanes whose pump is jammed.

use super::super::finding::{Certainty, Code, Finding};
use super::remedy;
use super::rpc::{LongTask, Requests};
use super::view::{count, lasting};
use crate::gatewaylog::Event;
use crate::history::evidence::{Evidence, Logged};
use crate::history::trouble::{ByName, Times, entry};
use crate::verdict::severity::Effect;
use chrono::TimeDelta;

#[derive(Debug, Default)]
pub(super) struct SharedLanes {
    waits: ByName<Waits>,
    jammed: ByName<Jam>,
}

#[derive(Debug, Default)]
struct Waits {
    lines: Evidence,
    times: Times,
    longest_ms: u64,
    /// The wait that ended last, and how many waited behind it then.
    last_ms: u64,
    behind: u64,
}

/// A task behind one that waited this long is past every limit.
const PATIENCE_MS: u64 = 600_000;

#[derive(Debug, Default)]
struct Jam {
    lines: Evidence,
    queue: u64,
}

impl SharedLanes {
    pub(super) fn push(&mut self, logged: Logged<'_>) {
        match &logged.entry.event {
            Event::LaneWait { lane, waited_ms, queue_ahead, counts } if !lane.starts_with("session:") => {
                if let Some(waits) = entry(&mut self.waits, lane) {
                    waits.lines.add(logged);
                    waits.times.add(logged.at);
                    waits.longest_ms = waits.longest_ms.max(*waited_ms);
                    waits.last_ms = *waited_ms;
                    // Up to 5.18 the field is named for what it is not.
                    waits.behind = counts.map_or(*queue_ahead, |counts| counts.queue_behind);
                }
            }
            Event::LaneJammed { lane, queue } => {
                if let Some(jam) = entry(&mut self.jammed, lane) {
                    jam.lines.add(logged);
                    jam.queue = jam.queue.max(*queue);
                }
            }
            _ => {}
        }
    }

    /// Whether a wait for `lane` ended about one of these times.
    pub(super) fn waited_near(&self, lane: &str, times: &Times, within: TimeDelta) -> bool {
        self.waits.get(lane).is_some_and(|waits| waits.times.near(times, within) > 0)
    }
}

pub(super) fn judge(lanes: &SharedLanes, requests: &Requests) -> Vec<Finding> {
    let waits = lanes.waits.iter().map(|(lane, waits)| waited(lane, waits, requests));
    let jams = lanes.jammed.iter().map(|(lane, jam)| {
        let text = format!(
            "The lane `{lane}` is jammed: it believes it is at work, nothing runs, and {} wait.",
            count(jam.queue, "task")
        );
        let mut finding = Finding::new(Code::LaneStuck, Effect::RunCannotEnd, text)
            .backed_by(&jam.lines)
            .helps(Some(false));
        finding.certainty = Certainty::Proven;
        finding.lane = Some(lane.clone());
        finding.messages_waiting = jam.queue;
        finding.act(remedy::restart())
    });
    waits.chain(jams).collect()
}

fn waited(lane: &str, waits: &Waits, requests: &Requests) -> Finding {
    let mut tasks: Vec<&LongTask> = requests.long_tasks.iter().filter(|task| task.lane == lane).collect();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.lasted_ms()));
    let busy = if tasks.is_empty() { "" } else { ", which long tasks had taken" };
    let past = waits.last_ms >= PATIENCE_MS && waits.behind > 0;
    let behind = if past { format!(" {} more waited behind it then.", waits.behind) } else { String::new() };
    let text = format!(
        "{} waited up to {} for a slot of the lane `{lane}`{busy}, and then got it.{behind}",
        count(waits.lines.count(), "task"),
        lasting(waits.longest_ms)
    );
    let effect = if past { Effect::WaitsPastLimit } else { Effect::Slow };
    let mut finding = Finding::new(Code::LaneWait, effect, text).backed_by(&waits.lines).helps(Some(false));
    finding.lane = Some(lane.to_owned());
    finding.messages_waiting = if past { waits.behind } else { 0 };
    finding.evidence.extend(tasks.into_iter().take(4).map(LongTask::line));
    let knob =
        if lane.starts_with("cron") { "cron.maxConcurrentRuns" } else { "agents.defaults.maxConcurrent" };
    finding.act(remedy::say(format!("If it happens often, raise `{knob}`, or shorten what runs there.")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::counted;
    use super::*;

    #[test]
    fn who_waits_behind_a_wait_past_every_limit_is_told() {
        let waiting = |line: &str| {
            let lanes = counted(&[("10:00:00", line)], SharedLanes::push);
            let told = judge(&lanes, &Requests::default());
            told.iter().map(|finding| finding.messages_waiting).collect::<Vec<_>>()
        };
        assert_eq!(waiting("[diagnostic] lane wait exceeded: lane=main waitedMs=700000 queueAhead=2"), [2]);
        assert_eq!(waiting("[diagnostic] lane wait exceeded: lane=main waitedMs=7000 queueAhead=2"), [0]);
        let of_a_chat =
            "[diagnostic] lane wait exceeded: lane=session:agent:main:main waitedMs=700000 queueAhead=2";
        assert_eq!(waiting(of_a_chat), [0_u64; 0]);
    }
}
