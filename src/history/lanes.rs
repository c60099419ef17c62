//! Lane statistics: how long tasks ran and waited, how many failed, how long the queue was; over all and per hour.

use crate::gatewaylog::Event;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Samples per lane and kind. Beyond it every second one goes, and from then on every second one is taken.
    samples: usize,
    /// Lanes that are told apart (every session has one); the rest is one row.
    lanes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { samples: 1 << 16, lanes: 4096 }
    }
}

/// For a daemon that shares its machine with what it watches.
const SMALL: Room = Room { samples: 512, lanes: 512 };
const OTHER: &str = "(other lanes)";

/// Three points of a distribution, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Spread {
    pub p50: u64,
    pub p95: u64,
    pub max: u64,
}

/// One lane over the whole time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LaneReport {
    pub lane: String,
    /// Tasks that ended: done (DEBUG, from 3.2 on not in the log by default) or failed.
    pub tasks: u64,
    pub errors: u64,
    pub run_ms: Option<Spread>,
    /// Waits that the gateway reported (`lane wait exceeded`: two seconds or more).
    pub waits: u64,
    pub wait_ms: Option<Spread>,
    pub queue_max: u64,
    pub hours: Vec<LaneHour>,
}

/// One lane in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LaneHour {
    pub hour: DateTime<Utc>,
    pub tasks: u64,
    pub errors: u64,
    pub run_ms: Option<Spread>,
    pub waits: u64,
    pub wait_ms: Option<Spread>,
    pub queue_max: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    room: Room,
}

#[derive(Debug, Default)]
struct Lane {
    runs: Samples,
    waits: Samples,
    total: Tally,
    hours: BTreeMap<i64, Tally>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    tasks: u64,
    errors: u64,
    waits: u64,
    queue_max: u64,
}

impl Lanes {
    /// Keeps little, at the price of coarser quantiles.
    pub(crate) fn small() -> Self {
        Self { room: SMALL, ..Self::default() }
    }

    pub(crate) fn push(&mut self, at: Option<DateTime<Utc>>, event: &Event) {
        let Some(name) = event.lane() else { return };
        let name =
            if self.lanes.len() < self.room.lanes || self.lanes.contains_key(name) { name } else { OTHER };
        if !self.lanes.contains_key(name) {
            self.lanes.insert(name.to_owned(), Lane::default());
        }
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let hour = at.map(|at| at.timestamp().div_euclid(3600));
        lane.count(hour, event);
        match event {
            Event::LaneDone { duration_ms, .. } | Event::LaneError { duration_ms, .. } => {
                lane.runs.add(hour, *duration_ms, self.room.samples);
            }
            Event::LaneWait { waited_ms, .. } => lane.waits.add(hour, *waited_ms, self.room.samples),
            _ => {}
        }
    }

    pub(crate) fn report(&self) -> Vec<LaneReport> {
        let report = |(name, lane): (&String, &Lane)| LaneReport {
            lane: name.clone(),
            tasks: lane.total.tasks,
            errors: lane.total.errors,
            run_ms: lane.runs.spread(None),
            waits: lane.total.waits,
            wait_ms: lane.waits.spread(None),
            queue_max: lane.total.queue_max,
            hours: lane.hours.iter().filter_map(|(hour, tally)| lane.hour(*hour, *tally)).collect(),
        };
        self.lanes.iter().map(report).collect()
    }
}

impl Lane {
    fn count(&mut self, hour: Option<i64>, event: &Event) {
        let queue = match event {
            Event::LaneEnqueue { queue_size, .. } | Event::LaneDequeue { queue_size, .. } => *queue_size,
            Event::LaneDone { queued, .. } => *queued,
            Event::LaneWait { queue_ahead, counts, .. } => {
                (*queue_ahead).max(counts.map_or(0, |counts| counts.queue_behind))
            }
            Event::LaneJammed { queue, .. } => *queue,
            _ => 0,
        };
        let failed = matches!(event, Event::LaneError { .. });
        let ended = failed || matches!(event, Event::LaneDone { .. } | Event::LaneInterrupted { .. });
        let waited = matches!(event, Event::LaneWait { .. });
        let of_hour = hour.map(|hour| self.hours.entry(hour).or_default());
        for tally in of_hour.into_iter().chain([&mut self.total]) {
            tally.tasks += u64::from(ended);
            tally.errors += u64::from(failed);
            tally.waits += u64::from(waited);
            tally.queue_max = tally.queue_max.max(queue);
        }
    }

    fn hour(&self, hour: i64, tally: Tally) -> Option<LaneHour> {
        Some(LaneHour {
            hour: DateTime::from_timestamp(hour * 3600, 0)?,
            tasks: tally.tasks,
            errors: tally.errors,
            run_ms: self.runs.spread(Some(hour)),
            waits: tally.waits,
            wait_ms: self.waits.spread(Some(hour)),
            queue_max: tally.queue_max,
        })
    }
}

/// Durations with the hour they fell into; the largest of each hour is kept exactly.
#[derive(Debug)]
struct Samples {
    values: Vec<(i64, u32)>,
    max: BTreeMap<i64, u64>,
    stride: usize,
    skipped: usize,
}

impl Default for Samples {
    fn default() -> Self {
        Self { values: Vec::new(), max: BTreeMap::new(), stride: 1, skipped: 0 }
    }
}

impl Samples {
    fn add(&mut self, hour: Option<i64>, ms: u64, room: usize) {
        let hour = hour.unwrap_or(i64::MIN);
        let max = self.max.entry(hour).or_default();
        *max = (*max).max(ms);
        self.skipped += 1;
        if self.skipped < self.stride {
            return;
        }
        self.skipped = 0;
        if self.values.len() == room {
            let mut keep = false;
            self.values.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
        }
        self.values.push((hour, u32::try_from(ms).unwrap_or(u32::MAX)));
    }

    fn spread(&self, hour: Option<i64>) -> Option<Spread> {
        let within = |sample: &&(i64, u32)| hour.is_none_or(|hour| sample.0 == hour);
        let mut sorted: Vec<u32> = self.values.iter().filter(within).map(|(_, ms)| *ms).collect();
        let max = match hour {
            Some(hour) => self.max.get(&hour).copied(),
            None => self.max.values().copied().max(),
        }?;
        sorted.sort_unstable();
        // Nearest rank: the smallest value that at least that share of the samples does not exceed.
        let rank = |share: usize| {
            let index = (sorted.len() * share).div_ceil(100).saturating_sub(1);
            sorted.get(index).map_or(max, |ms| u64::from(*ms))
        };
        Some(Spread { p50: rank(50), p95: rank(95), max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(ms: u64) -> Event {
        Event::LaneDone { lane: "main".into(), duration_ms: ms, active: 0, queued: 2 }
    }

    #[test]
    fn percentiles_are_by_nearest_rank_and_hours_are_apart() {
        let mut lanes = Lanes::default();
        let noon: DateTime<Utc> = "2026-11-22T12:59:59Z".parse().unwrap();
        for ms in 1..=100 {
            lanes.push(Some(noon), &done(ms));
        }
        lanes.push(
            Some(noon + chrono::TimeDelta::seconds(1)),
            &Event::LaneError {
                lane: "main".into(),
                duration_ms: 7000,
                cause: crate::gatewaylog::Cause::LaneCleared,
            },
        );
        lanes.push(
            None,
            &Event::LaneWait { lane: "main".into(), waited_ms: 101_778, queue_ahead: 5, counts: None },
        );
        let report = lanes.report();
        let lane = &report[0];
        assert_eq!((lane.tasks, lane.errors, lane.waits, lane.queue_max), (101, 1, 1, 5));
        assert_eq!(lane.run_ms, Some(Spread { p50: 51, p95: 96, max: 7000 }));
        assert_eq!(lane.wait_ms, Some(Spread { p50: 101_778, p95: 101_778, max: 101_778 }));
        assert_eq!(lane.hours.len(), 2);
        assert_eq!(lane.hours[0].run_ms, Some(Spread { p50: 50, p95: 95, max: 100 }));
        assert_eq!((lane.hours[1].tasks, lane.hours[1].errors, lane.hours[1].wait_ms), (1, 1, None));
    }

    #[test]
    fn a_lane_of_a_million_tasks_stays_small_and_its_maximum_exact() {
        let mut samples = Samples::default();
        for ms in 0..1_000_000 {
            samples.add(Some(1), ms % 1000, Room::default().samples);
        }
        samples.add(Some(1), 123_456, Room::default().samples);
        assert!(samples.values.len() <= Room::default().samples);
        let spread = samples.spread(None).unwrap();
        assert_eq!(spread.max, 123_456);
        assert!(spread.p50.abs_diff(500) < 20 && spread.p95.abs_diff(950) < 20, "{spread:?}");
    }
}
