//! The gateway's logs, followed in the daemon's own loop. A write is a hint; a moment later what has come is read
//! in slices, each only when nothing else waits, so that a burst of lines never delays a judgement.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::{info, warn};

use super::Daemon;
use crate::examination::{RUN_GRACE, logs::places};
use crate::gatewaylog::{Event, Followed, Places};
use crate::install::Install;
use crate::wakeups::Due;
use crate::wakeups::file_writes::{Hint, Topic};
use crate::wakeups::ids::LockId;
use crate::watch::findings::day::Happened;
use crate::watch::options::{LogSources, Run};
use crate::watch::sources::logs::{Logs, today};

/// When a lock shows that a gateway is at work, but no log was found so far.
const BETWEEN_SEARCHES: Duration = Duration::from_secs(10);

impl Daemon {
    pub(super) fn take_file_writes(&mut self) -> anyhow::Result<()> {
        for hint in self.wakeups.file_writes.read()? {
            match hint {
                Hint::Written(Topic::Log, path) => self.log_written(path),
                Hint::Names(Topic::Log) => self.log_names_changed(),
                Hint::Written(Topic::Database(root), _) | Hint::Names(Topic::Database(root)) => {
                    self.databases_changed(root);
                }
                Hint::Anything => {
                    self.log_names_changed();
                    self.directories.root_ids().into_iter().for_each(|root| self.databases_changed(root));
                }
            }
        }
        Ok(())
    }

    /// Begins to follow, or begins anew after the options have changed.
    pub(super) fn follow_logs(&mut self) {
        self.wakeups.file_writes.forget(Topic::Log);
        self.sources.logs = Logs::new(self.options.logs.window, self.view.now);
        // What ends once the locks have settled does not wait for what logs may tell.
        if self.options.run == Run::Once {
            return;
        }
        let what = match &self.options.logs.sources {
            LogSources::None => return,
            LogSources::Discovered => Followed::Discovered(self.log_places()),
            LogSources::Named(files) => Followed::Named(files.clone()),
        };
        self.sources.logs.follow(what, self.view.now);
        self.watch_logs();
        // What was written between the opening and the watch.
        self.look_for_logs();
        info!(files = self.sources.logs.reach().files, "following logs");
    }

    fn log_places(&self) -> Places {
        let roots = self.directories.roots().filter_map(|root| root.standing.as_ref());
        let state_dirs = roots.clone().map(|root| root.path.clone()).collect();
        let installs: Vec<&Install> = roots.filter_map(|root| root.install()).collect();
        places(installs.into_iter(), state_dirs)
    }

    fn watch_logs(&mut self) {
        let Some(follower) = &self.sources.logs.follower else { return };
        for directory in follower.directories() {
            self.wakeups.file_writes.watch_names(Topic::Log, &directory);
        }
        for path in follower.paths() {
            self.wakeups.file_writes.arm(Topic::Log, path);
        }
    }

    fn log_written(&mut self, path: PathBuf) {
        self.sources.logs.was_written(path);
        let at = self.sources.logs.reading.next(self.view.now.boot);
        self.wakeups.deadlines.set_by(Due::Logs, at);
    }

    /// The watch comes first: what is written after the look wakes the loop again.
    pub(super) fn read_written_logs(&mut self) {
        let written = self.sources.logs.take_written();
        let Some(follower) = &mut self.sources.logs.follower else { return };
        for path in written {
            self.wakeups.file_writes.arm(Topic::Log, &path);
            if let Err(error) = follower.stirred(&path, today()) {
                warn!(path = %path.display(), %error, "the log cannot be read");
            }
        }
    }

    /// Looks for new logs, soon.
    pub(super) fn log_names_changed(&mut self) {
        if self.sources.logs.follower.is_some() {
            let at = self.sources.logs.looking.next(self.view.now.boot);
            self.wakeups.deadlines.set_by(Due::LogNames, at);
        }
    }

    /// A lock has appeared, so a gateway is at work: where no log is known, it may have made one by now.
    pub(super) fn expect_logs(&mut self) {
        let logs = &self.sources.logs;
        if !logs.looking.was_done(BETWEEN_SEARCHES, self.view.now.boot) && logs.reach().files == 0 {
            self.log_names_changed();
        }
    }

    pub(super) fn look_for_logs(&mut self) {
        self.sources.logs.looking.done(self.view.now.boot);
        let places = matches!(self.options.logs.sources, LogSources::Discovered).then(|| self.log_places());
        let Some(follower) = &mut self.sources.logs.follower else { return };
        if let Some(places) = places {
            follower.look_in(places);
        }
        for (path, error) in follower.look_around(today()) {
            self.notify.said.once(&path, &format!("the log cannot be read: {error}"));
        }
        self.watch_logs();
    }

    /// Reads a slice of what has come.
    pub(super) fn read_logs_on(&mut self) {
        let heard = self.sources.logs.read_on(self.view.now);
        if !heard.is_empty() {
            self.plan_diagnosis();
        }
        for line in heard {
            if line.new {
                self.serving.metrics.logs.count(&line.entry.event);
            }
            let happened = match &line.entry.event {
                Event::LaneError { lane, .. } if lane.starts_with("session:") => {
                    Some(Happened::MessageFailed)
                }
                Event::LaneWait { .. } => Some(Happened::MessageWaited),
                _ => None,
            };
            if let (Some(happened), Some(at)) = (happened, line.entry.when.time()) {
                self.board.day.note(happened, at, self.view.now.wall);
            }
            if let Event::RunTimeout { session_id: Some(session_id), .. } = &line.entry.event {
                self.look_after_timeout(session_id, line.entry.when.time());
            }
        }
    }

    /// A run has ended at its time limit. If its lock is still there when the run has had time to unwind, the
    /// look at it says so.
    fn look_after_timeout(&mut self, session_id: &str, timed_out: Option<DateTime<Utc>>) {
        let grace = RUN_GRACE.to_std().unwrap_or_default() + Duration::from_secs(1);
        let passed = timed_out.and_then(|at| (self.view.now.wall - at).to_std().ok()).unwrap_or_default();
        let at = self.view.now.boot + grace.saturating_sub(passed);
        let locks = self.locks.table.iter();
        let theirs: Vec<LockId> = locks
            .filter(|(_, lock)| {
                lock.look().is_some_and(|look| look.session_id.as_deref() == Some(session_id))
            })
            .map(|(id, _)| id)
            .collect();
        for id in theirs {
            self.wakeups.deadlines.set_by(Due::Look(id), at);
        }
    }
}
