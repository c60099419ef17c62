//! Roots that come, go, or have to be listed again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use tracing::{debug, info, warn};

use super::Daemon;
use crate::directories::Listing;
use crate::directories::root::Trigger;
use crate::directories::root::What;
use crate::evidence::{Owner, Release};
use crate::reclaim::store::{Patience, STORE};
use crate::reclaim::{homes, recover};
use crate::survey::{Problem, StandingRoot};
use crate::wakeups::Due;
use crate::wakeups::ids::{LockId, RootId};
use crate::watch::locks::known::KnownLock;
use crate::watch::mandate::Mandate;
use crate::watch::options::Run;

/// When another lockdoctor is at work where something may have been left half done.
const BUSY: Duration = Duration::from_secs(5);

impl Daemon {
    /// Says at the start what is not there. `false`: there is nothing at all to watch.
    pub(super) fn say_what_is_awaited(&mut self) -> bool {
        let awaited: Vec<(PathBuf, String)> = self
            .directories
            .roots()
            .filter_map(|root| Some((root.wish.path().to_owned(), root.awaited_because()?)))
            .collect();
        let nothing = awaited.len() == self.directories.roots().count();
        let then = if self.options.run == Run::Once { "" } else { "; waiting for OpenClaw to come" };
        match self.options.what {
            What::Named { .. } => {
                awaited.iter().for_each(|(path, what)| self.notify.said.once(path, &format!("{what}{then}")));
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
    pub(super) fn schedule_root(&mut self, id: RootId, trigger: Trigger) {
        let Some(root) = self.directories.root_mut(id) else { return };
        root.called_for_by = trigger;
        self.wakeups.deadlines.set_by(Due::Root(id), root.listing.next(self.view.now.boot));
    }

    pub(super) fn schedule_every_root(&mut self, trigger: Trigger) {
        self.directories.root_ids().into_iter().for_each(|root| self.schedule_root(root, trigger));
    }

    pub(super) fn tend_root_in_turn(&mut self, id: RootId) {
        if let Some(trigger) = self.directories.root(id).map(|root| root.called_for_by) {
            self.tend_root(id, trigger);
        }
    }

    /// Opens a root that has come, lets go of one that has gone, lists one that is there.
    pub(super) fn tend_root(&mut self, id: RootId, trigger: Trigger) {
        let Some(root) = self.directories.root_mut(id) else { return };
        let path = root.wish.path().to_owned();
        let was_there = root.standing.is_some();
        let in_place = root.is_in_place();
        if was_there && !in_place {
            info!(path = %path.display(), "is gone; waiting for it to come back");
            root.standing = None;
            let mut changes = Vec::new();
            self.directories.leave_root(id, &mut changes);
            self.apply(changes);
        }
        match self.open_root(id) {
            Ok(()) => self.list_root(id, &path, was_there && in_place, trigger),
            Err(Errno::NOENT) => {
                if !was_there {
                    debug!(path = %path.display(), "is not there; waiting for it");
                }
            }
            Err(error) => self.notify.said.problem(&Problem::of(&path, error)),
        }
    }

    /// Its configuration and its gateway are looked at again with it.
    fn open_root(&mut self, id: RootId) -> Result<(), Errno> {
        let root = self.directories.root_mut(id).ok_or(Errno::NOENT)?;
        let opened = root.open(id, &mut self.view);
        let Some(vantage) = root.vantage_point() else { return opened };
        self.directories.watch_for_path(id, &vantage);
        // It may have come before the watch was there.
        match (opened, self.directories.root_mut(id)) {
            (Err(_), Some(root)) => root.open(id, &mut self.view),
            (opened, _) => opened,
        }
    }

    fn list_root(&mut self, id: RootId, path: &Path, known: bool, trigger: Trigger) {
        if let Some(root) = self.directories.root_mut(id) {
            root.listing.done(self.view.now.boot);
        }
        self.reclaimers.close();
        if !known && trigger != Trigger::Start {
            info!(path = %path.display(), "is there");
        }
        self.recover(id);
        let mut changes = Vec::new();
        self.directories.enter(id, Path::new(""), Listing::Always, &mut changes);
        self.directories.enter_elsewhere(id, Listing::Always, &mut changes);
        self.apply(changes);
        self.serving.metrics.scanned(trigger);
        self.serving.metrics.last_scan.set(self.view.now.wall.timestamp_millis() as f64 / 1000.0);
        self.watch_gateway(id);
        self.wakeups.deadlines.set_by(Due::Ports, self.view.now.boot);
        self.databases_changed(id);
        let problems = self.install(id).map(|install| install.config.problems.clone());
        for problem in problems.unwrap_or_default() {
            self.notify.said.once(path, &problem);
        }
    }

    /// Finishes or undoes what a killed lockdoctor left half done under this root. It may have taken a live
    /// lock's name, and no event tells of that.
    pub(super) fn recover(&mut self, id: RootId) {
        let standing = self.directories.root(id).and_then(|root| root.standing.as_ref());
        let (Some(standing), Mandate::Reclaim(_)) = (standing, self.mandate_in(id)) else { return };
        for home in homes::worked_in(standing.install(), &standing.path) {
            let Err(failure) = recover(&home, Patience::None, &mut self.view.leases) else { continue };
            if failure.is_busy() {
                self.wakeups.deadlines.set(Due::Recovery(id), self.view.now.boot + BUSY);
            } else {
                self.notify.said.once(&home.path.join(STORE), &failure.to_string());
            }
        }
    }

    /// Its end changes what pids in its locks mean, and what is shown.
    fn watch_gateway(&mut self, id: RootId) {
        let Some(pid) = self.install(id).and_then(|install| install.gateway.pid) else { return };
        if let Owner::Alive(process) = self.view.processes.owner(pid) {
            self.wakeups.processes.watch(pid, process.start_ticks, &self.wakeups.poller);
        }
    }

    /// Asks again whether the gateways run: one has ended.
    pub(super) fn look_for_gateways(&mut self) {
        for id in self.directories.root_ids() {
            self.look_for_gateway(id);
        }
    }

    /// A lock tells that the gateway of this root may have come or gone.
    pub(super) fn expect_gateway(&mut self, id: RootId) {
        if let Some(root) = self.directories.root(id) {
            let at = root.asking_for_gateway.next(self.view.now.boot);
            self.wakeups.deadlines.set_by(Due::Gateway(id), at);
        }
    }

    pub(super) fn look_for_gateway(&mut self, id: RootId) {
        self.ask_for_gateway(id);
        self.wakeups.deadlines.set_by(Due::Ports, self.view.now.boot);
    }

    pub(super) fn ask_for_gateway(&mut self, id: RootId) {
        let Some(root) = self.directories.root_mut(id) else { return };
        root.asking_for_gateway.done(self.view.now.boot);
        let Some(standing) = root.standing.as_mut() else { return };
        let state = |standing: &StandingRoot| standing.install().map(|install| install.gateway.state);
        let number = |standing: &StandingRoot| {
            let number = standing.install()?.gateway.number?;
            Some((number.pid, number.start_ticks))
        };
        let before = (state(standing), number(standing));
        standing.look_for_gateway(&mut self.view);
        if let (Some(now), path) = (state(standing), &standing.path)
            && before.0 != Some(now)
        {
            info!(path = %path.display(), gateway = now.as_str(), "the gateway");
        }
        if number(standing).is_some_and(|now| before.1 != Some(now)) {
            self.look_at_unseen(id);
        }
        self.watch_gateway(id);
        self.databases_changed(id);
        self.plan_diagnosis();
        self.log_names_changed();
    }

    /// The next life of a gateway shows that the owner of a lock is gone which could not be looked at.
    fn look_at_unseen(&mut self, root: RootId) {
        let unseen = |lock: &KnownLock| {
            lock.look().is_some_and(|look| {
                RootId::of(look) == root
                    && matches!(look.evidence.release, Release::Unseen | Release::NotLookedAt)
                    && look.judgement.suspected.is_some()
            })
        };
        let locks = self.locks.table.iter();
        let theirs: Vec<LockId> = locks.filter(|(_, lock)| unseen(lock)).map(|(id, _)| id).collect();
        for id in theirs {
            self.wakeups.deadlines.set_by(Due::Look(id), self.view.now.boot);
        }
    }
}
