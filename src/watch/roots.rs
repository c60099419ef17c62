//! Roots that come, go, are replaced, or have to be listed again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use tracing::{debug, info, warn};

use super::daemon::Daemon;
use super::ground::Listing;
use super::metrics::Trigger;
use super::options::{Run, What};
use super::root::{Root, Wish};
use super::table::Due;
use crate::evidence::view::SystemView;
use crate::install::config::Environment;
use crate::install::discover::discover;
use crate::survey::Problem;

/// A burst of events calls for one listing, not for many.
const BETWEEN_RESCANS: Duration = Duration::from_millis(250);

/// What is to be watched, whether it is there or not.
pub(super) fn wishes(what: &What, view: &SystemView) -> Vec<Root> {
    let wishes: Vec<Wish> = match what {
        What::Named { state_dirs, paths } => {
            // A directory that is deleted and made again is found by its path, wherever we stand.
            let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let state_dirs = state_dirs.iter().map(whole).map(Wish::StateDir);
            state_dirs.chain(paths.iter().map(whole).map(Wish::Path)).collect()
        }
        What::EveryInstall => {
            let discovery = discover(&Environment::of_this_process(), view);
            let places = if discovery.found.is_empty() { discovery.looked_at } else { discovery.found };
            places.into_iter().map(|place| Wish::StateDir(place.path)).collect()
        }
    };
    wishes.into_iter().map(Root::new).collect()
}

impl Daemon {
    /// Says at the start what is not there. `false`: there is nothing at all to watch.
    pub(super) fn say_what_is_awaited(&mut self) -> bool {
        let roots = self.ground.roots.iter();
        let awaited: Vec<(PathBuf, String)> =
            roots.filter_map(|root| Some((root.wish.path().to_owned(), root.awaited_because()?))).collect();
        let nothing = awaited.len() == self.ground.roots.len();
        let then = if self.options.run == Run::Once { "" } else { "; waiting for OpenClaw to come" };
        match self.options.what {
            What::Named { .. } => {
                awaited.iter().for_each(|(path, what)| self.say_once(path, &format!("{what}{then}")));
            }
            // Of the places where an install may be, most are empty.
            What::EveryInstall if nothing => {
                let places: Vec<String> =
                    awaited.iter().map(|(path, _)| path.display().to_string()).collect();
                warn!(places = places.join(" "), "no OpenClaw install found{then}");
            }
            What::EveryInstall => {}
        }
        !nothing
    }

    /// Looks at a root as a whole, soon.
    pub(super) fn schedule_root(&mut self, root: usize, trigger: Trigger) {
        let now = self.view.now.boot;
        let earliest = self.last_rescan.get(&root).map_or(now, |last| *last + BETWEEN_RESCANS);
        self.trigger = trigger;
        self.table.deadlines.set(now.max(earliest), Due::Root(root));
    }

    /// Opens a root that has come, lets go of one that has gone, lists one that is there.
    pub(super) fn tend_root(&mut self, root: usize, trigger: Trigger) {
        let now = self.view.now.boot;
        if trigger != Trigger::Start
            && trigger != Trigger::SafetyScan
            && self.last_rescan.get(&root).is_some_and(|last| now < *last + BETWEEN_RESCANS)
        {
            return;
        }
        let mut changes = Vec::new();
        let was_there = self.ground.roots[root].standing.is_some();
        let in_place = self.ground.roots[root].is_in_place();
        if was_there && !in_place {
            let path = self.ground.roots[root].wish.path().to_owned();
            info!(path = %path.display(), "is gone; waiting for it to come back");
            self.ground.leave_root(root, &mut changes);
            self.ground.roots[root].standing = None;
        }
        self.apply(std::mem::take(&mut changes));
        // Its configuration and its gateway are looked at again with it.
        let mut opened = self.ground.roots[root].open(root, &mut self.view);
        if let Some(vantage) = self.ground.roots[root].vantage_point() {
            self.ground.watch_for_path(root, &vantage);
            // It may have come before the watch was there.
            if opened.is_err() {
                opened = self.ground.roots[root].open(root, &mut self.view);
            }
        }
        match opened {
            Ok(()) => self.list_root(root, was_there && in_place, trigger),
            Err(Errno::NOENT) => {
                if !was_there {
                    let path = self.ground.roots[root].wish.path().to_owned();
                    debug!(path = %path.display(), "is not there; waiting for it");
                }
            }
            Err(error) => {
                let path = self.ground.roots[root].wish.path().to_owned();
                let problem = Problem::of(&path, error);
                self.say_once(&problem.path, &problem.what);
            }
        }
    }

    fn list_root(&mut self, root: usize, known: bool, trigger: Trigger) {
        let now = self.view.now.boot;
        self.last_rescan.insert(root, now);
        // They hold the directories of before open.
        self.reclaimers.clear();
        if !known && trigger != Trigger::Start {
            let path = self.ground.roots[root].wish.path().to_owned();
            info!(path = %path.display(), "is there");
        }
        self.recover(root);
        let mut changes = Vec::new();
        self.ground.enter(root, Path::new(""), Listing::Always, &mut changes);
        self.ground.enter_elsewhere(root, Listing::Always, &mut changes);
        self.apply(changes);
        self.metrics.scanned(trigger);
        self.metrics.last_scan.set(self.view.now.wall.timestamp_millis() as f64 / 1000.0);
        self.watch_gateway(root);
        self.databases_changed(root);
        let problems: Vec<String> = self.ground.roots[root]
            .standing
            .as_ref()
            .and_then(|standing| standing.install())
            .map(|install| install.config.problems.clone())
            .unwrap_or_default();
        let path = self.ground.roots[root].wish.path().to_owned();
        for problem in problems {
            self.say_once(&path, &problem);
        }
    }

    /// Its end changes what pids in its locks mean, and what is shown.
    fn watch_gateway(&mut self, root: usize) {
        let standing = self.ground.roots[root].standing.as_ref();
        let Some(pid) = standing.and_then(|standing| standing.install()?.gateway.pid) else { return };
        if let crate::evidence::Owner::Alive(process) = self.view.processes.owner(pid) {
            self.owners.watch(pid, process.start_ticks, &self.poller);
        }
    }

    /// Asks again whether the gateways run: one has ended, or a process has taken a lock that was not known.
    pub(super) fn look_for_gateways(&mut self) {
        for root in 0..self.ground.roots.len() {
            if let Some(standing) = &mut self.ground.roots[root].standing {
                standing.look_for_gateway(&mut self.view);
            }
            self.watch_gateway(root);
            self.databases_changed(root);
        }
        self.log_names_changed();
    }
}
