//! The logs that are followed, and what they told lately.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Local, SubsecRound, TimeDelta, Utc};

use super::memory::Memory;
use crate::clock::Now;
use crate::gatewaylog::{Counters, Dating, Entry, Followed, Follower, Repeats, When};
use crate::history::lanes::LaneReport;
use crate::wakeups::deadlines::Pace;

/// Lines of one moment are read together, and a busy log wakes the daemon this seldom.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two looks for new logs.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// Bytes read at a time: two milliseconds of work, where every line is of interest.
const SLICE: u64 = 64 << 10;

#[derive(Debug)]
pub(crate) struct Logs {
    /// `None`: logs are not followed.
    pub(crate) follower: Option<Follower>,
    pub(crate) memory: Memory,
    repeats: Repeats,
    /// As of the last diagnosis.
    pub(crate) lanes: Vec<LaneReport>,
    /// Written to since the last look.
    written: BTreeSet<PathBuf>,
    /// By the wall clock. What was there before the start counts for findings, not for metrics.
    pub(crate) started: DateTime<Utc>,
    caught_up: bool,
    pub(crate) reading: Pace,
    pub(crate) looking: Pace,
}

/// What is followed, and how much was read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reach {
    pub(crate) files: usize,
    pub(crate) counters: Counters,
}

/// A line that was read.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) entry: Entry,
    /// It was written while the daemon ran.
    pub(crate) new: bool,
}

impl Logs {
    pub(crate) fn new(window: Duration, now: Now) -> Self {
        let mut looking = Pace::new(Duration::ZERO, BETWEEN_LOOKS);
        looking.done(now.boot);
        Self {
            follower: None,
            memory: Memory::new(window, now.boot),
            repeats: Repeats::default(),
            lanes: Vec::new(),
            written: BTreeSet::new(),
            // Logs tell no less than a millisecond.
            started: now.wall.trunc_subsecs(3),
            caught_up: false,
            reading: Pace::new(PAUSE, Duration::ZERO),
            looking,
        }
    }

    pub(crate) fn follow(&mut self, what: Followed, now: Now) {
        self.follower = Some(Follower::new(what, today(), now.wall.timestamp()));
    }

    pub(crate) fn has_backlog(&self) -> bool {
        self.follower.as_ref().is_some_and(Follower::has_more)
    }

    pub(crate) fn reach(&self) -> Reach {
        let Some(follower) = &self.follower else { return Reach::default() };
        Reach { files: follower.paths().count(), counters: follower.counters() }
    }

    pub(crate) fn was_written(&mut self, path: PathBuf) {
        self.written.insert(path);
    }

    pub(crate) fn take_written(&mut self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.written)
    }

    /// Reads a slice of what has come, and remembers it.
    pub(crate) fn read_on(&mut self, now: Now) -> Vec<Heard> {
        let mut heard = Vec::new();
        let Some(follower) = &mut self.follower else { return heard };
        self.memory.forget(now.boot);
        let oldest = now.wall - TimeDelta::from_std(self.memory.window()).unwrap_or(TimeDelta::MAX);
        let mut budget = SLICE;
        while let Some((source, entry)) = follower.next_within(&mut budget) {
            let at = entry.when.time();
            let known = at.is_some_and(|at| self.repeats.is_repeated(&entry, at, source));
            if !known && at.is_none_or(|at| at >= oldest) {
                self.memory.push(source, &entry);
                let new = match entry.when {
                    When::At(at) | When::After(at) => at >= self.started,
                    When::Unknown => self.caught_up,
                };
                heard.push(Heard { entry, new });
            }
            if budget == 0 {
                break;
            }
        }
        self.caught_up |= !follower.has_more();
        heard
    }
}

pub(crate) fn today() -> Dating {
    Dating::of(Local::now().fixed_offset())
}
