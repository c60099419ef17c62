//! The gateway's logs, followed in the daemon's own loop. A write is a hint; a moment later what has come is read
//! in slices, each only when nothing else waits, so that a burst of lines never delays a judgement.

pub(super) mod memory;
pub(super) mod numbers;
pub(super) mod tally;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Local, SubsecRound, TimeDelta, Utc};
use tracing::{info, warn};

use super::daemon::Daemon;
use super::hints::Topic;
use super::options::{LogSources, Run};
use super::table::Due;
use crate::diagnosis::LaneReport;
use crate::examination::{RUN_GRACE, logs::places};
use crate::gatewaylog::{Counters, Dating, Entry, Event, Followed, Follower, Repeats, When};
use crate::install::Install;
use memory::Memory;

/// Lines of one moment are read together, and a busy log wakes the daemon this seldom.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two looks for new logs.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// When a lock shows that a gateway is at work, but no log was found so far.
const BETWEEN_SEARCHES: Duration = Duration::from_secs(10);
/// Bytes read at a time: two milliseconds of work, where every line is of interest.
const SLICE: u64 = 64 << 10;

#[derive(Debug)]
pub(super) struct Logs {
    /// `None`: logs are not followed.
    follower: Option<Follower>,
    pub(super) memory: Memory,
    repeats: Repeats,
    /// As of the last diagnosis.
    pub(super) lanes: Vec<LaneReport>,
    /// Written to since the last look.
    written: BTreeSet<PathBuf>,
    /// What was there before the start counts for findings, not for metrics.
    started: DateTime<Utc>,
    caught_up: bool,
    last_look: Duration,
    planned: bool,
    look_planned: bool,
}

/// What is followed, and how much was read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reach {
    pub(super) files: usize,
    pub(super) counters: Counters,
}

impl Logs {
    pub(super) fn new(window: Duration, now: crate::clock::Now) -> Self {
        Self {
            follower: None,
            memory: Memory::new(window, now.boot),
            repeats: Repeats::default(),
            lanes: Vec::new(),
            written: BTreeSet::new(),
            // Logs tell no less than a millisecond.
            started: now.wall.trunc_subsecs(3),
            caught_up: false,
            last_look: now.boot,
            planned: false,
            look_planned: false,
        }
    }

    /// By the wall clock, when the following began.
    pub(super) fn started(&self) -> DateTime<Utc> {
        self.started
    }

    pub(super) fn has_backlog(&self) -> bool {
        self.follower.as_ref().is_some_and(Follower::has_more)
    }

    pub(super) fn reach(&self) -> Reach {
        let Some(follower) = &self.follower else { return Reach::default() };
        Reach { files: follower.paths().count(), counters: follower.counters() }
    }
}

impl Daemon {
    /// Begins to follow, or begins anew after the options have changed.
    pub(super) fn follow_logs(&mut self) {
        self.hints.forget(Topic::Log);
        self.logs = Logs::new(self.options.logs.window, self.view.now);
        // Whoever ends once the locks have settled does not wait for what logs may tell.
        if self.options.run == Run::Once {
            return;
        }
        let what = match &self.options.logs.sources {
            LogSources::None => return,
            LogSources::Discovered => Followed::Discovered(self.log_places()),
            LogSources::Named(files) => Followed::Named(files.clone()),
        };
        let follower = Follower::new(what, today(), self.view.now.wall.timestamp());
        self.logs.follower = Some(follower);
        self.watch_logs();
        // What was written between the opening and the watch.
        self.look_for_logs();
        let reach = self.logs.reach();
        info!(files = reach.files, "following logs");
    }

    fn log_places(&self) -> crate::gatewaylog::Places {
        let roots = self.ground.roots.iter().filter_map(|root| root.standing.as_ref());
        let state_dirs = roots.clone().map(|root| root.path.clone()).collect();
        let installs: Vec<&Install> = roots.filter_map(|root| root.install()).collect();
        places(installs.into_iter(), state_dirs)
    }

    fn watch_logs(&mut self) {
        let Some(follower) = &self.logs.follower else { return };
        for directory in follower.directories() {
            self.hints.watch_names(Topic::Log, &directory);
        }
        for path in follower.paths() {
            self.hints.arm(Topic::Log, path);
        }
    }

    pub(super) fn log_written(&mut self, path: PathBuf) {
        self.logs.written.insert(path);
        if !self.logs.planned {
            self.logs.planned = true;
            self.table.deadlines.set(self.view.now.boot + PAUSE, Due::Logs);
        }
    }

    /// The watch comes first: what is written after the look wakes the loop again.
    pub(super) fn read_written_logs(&mut self) {
        self.logs.planned = false;
        let Some(follower) = &mut self.logs.follower else { return };
        for path in std::mem::take(&mut self.logs.written) {
            self.hints.arm(Topic::Log, &path);
            if let Err(error) = follower.stirred(&path, today()) {
                warn!(path = %path.display(), %error, "the log cannot be read");
            }
        }
    }

    /// Looks for new logs, soon.
    pub(super) fn log_names_changed(&mut self) {
        if self.logs.follower.is_some() && !self.logs.look_planned {
            self.logs.look_planned = true;
            let at = (self.logs.last_look + BETWEEN_LOOKS).max(self.view.now.boot);
            self.table.deadlines.set(at, Due::LogNames);
        }
    }

    /// A lock has appeared, so a gateway is at work: where no log is known, it may have made one by now.
    pub(super) fn expect_logs(&mut self) {
        let searched = self.logs.last_look + BETWEEN_SEARCHES > self.view.now.boot;
        if !searched && self.logs.reach().files == 0 {
            self.log_names_changed();
        }
    }

    pub(super) fn look_for_logs(&mut self) {
        self.logs.look_planned = false;
        self.logs.last_look = self.view.now.boot;
        let places = matches!(self.options.logs.sources, LogSources::Discovered).then(|| self.log_places());
        let Some(follower) = &mut self.logs.follower else { return };
        if let Some(places) = places {
            follower.look_in(places);
        }
        for (path, error) in follower.look_around(today()) {
            self.say_once(&path, &format!("the log cannot be read: {error}"));
        }
        self.watch_logs();
    }

    /// Reads a slice of what has come.
    pub(super) fn read_logs_on(&mut self) {
        let Some(mut follower) = self.logs.follower.take() else { return };
        self.logs.memory.forget(self.view.now.boot);
        let oldest =
            self.view.now.wall - TimeDelta::from_std(self.logs.memory.window()).unwrap_or(TimeDelta::MAX);
        let mut budget = SLICE;
        while let Some((source, entry)) = follower.next_within(&mut budget) {
            let at = entry.when.time();
            let known = at.is_some_and(|at| self.logs.repeats.is_repeated(&entry, at, source));
            if !known && at.is_none_or(|at| at >= oldest) {
                self.heard(source, &entry);
            }
            if budget == 0 {
                break;
            }
        }
        self.logs.caught_up |= !follower.has_more();
        self.logs.follower = Some(follower);
    }

    fn heard(&mut self, source: usize, entry: &Entry) {
        self.logs.memory.push(source, entry);
        let new = match entry.when {
            When::At(at) | When::After(at) => at >= self.logs.started,
            When::Unknown => self.logs.caught_up,
        };
        if new {
            tally::count(&entry.event, &self.metrics.logs);
        }
        if let Event::RunTimeout { session_id, .. } = &entry.event {
            self.look_after_timeout(session_id, entry.when.time());
        }
        self.plan_diagnosis();
    }

    /// A run has ended at its time limit. If its lock is still there when the run has had time to unwind, the
    /// look at it says so.
    fn look_after_timeout(&mut self, session_id: &str, timed_out: Option<DateTime<Utc>>) {
        let grace = RUN_GRACE.to_std().unwrap_or_default() + Duration::from_secs(1);
        let passed = timed_out.and_then(|at| (self.view.now.wall - at).to_std().ok()).unwrap_or_default();
        let at = self.view.now.boot + grace.saturating_sub(passed);
        let theirs = self.table.iter().filter(|(_, entry)| {
            entry.lock.as_ref().is_some_and(|lock| lock.session_id.as_deref() == Some(session_id))
        });
        let theirs: Vec<_> = theirs.map(|(id, _)| id).collect();
        for id in theirs {
            self.table.look_by(id, at);
        }
    }
}

fn today() -> Dating {
    Dating::of(Local::now().fixed_offset())
}
