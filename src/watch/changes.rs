//! From changes of names to locks that appear, are released, and are looked at.

use std::collections::HashSet;
use std::ffi::OsString;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::daemon::{Daemon, Removed};
use super::ground::Change;
use super::inotify::Wd;
use super::metrics::Trigger;
use super::release::Release;
use super::table::{Birth, Due, Entry, LockId, SpotId};
use crate::evidence::Writer;
use crate::openclaw::lock_kind::{LockKind, Management};
use crate::survey::standing::Belonging;

/// At its creation a lock is empty 99 times of 100; the payload follows within 60 ms, the release of a short
/// one too. Nothing is judged before.
const CREATION_DELAY: Duration = Duration::from_millis(40);
/// An owner that releases closes the file and unlinks it a moment later.
const CLOSE_DELAY: Duration = Duration::from_millis(10);
/// A payload may come in several writes.
const WRITE_DELAY: Duration = Duration::from_millis(5);
/// How long an owner may have an unlinked lock open before the deletion counts as somebody else's. A process
/// that exits unlinks its locks before the kernel closes them.
const REMOVAL_GRACE: Duration = Duration::from_secs(2);

impl Daemon {
    pub(super) fn apply_one(&mut self, change: Change) {
        let now = self.view.now.boot;
        match change {
            Change::Appeared { spot, name, kind } => self.appeared(spot, name, kind),
            Change::Deleted { spot, name } => {
                if let Some(id) = self.table.find(spot, &name) {
                    self.released(id, Release::Deleted);
                }
            }
            Change::Displaced { spot, name } => {
                if let Some(id) = self.table.find(spot, &name) {
                    self.table.look_by(id, now);
                }
            }
            Change::Listed { spot, locks } => self.listed(spot, locks),
            Change::Lost(spot) => {
                for id in self.table.of_spot(spot) {
                    self.released(id, Release::DirectoryLost);
                }
                self.table.forget_spot(spot);
            }
            Change::Content { wd, closed } => self.content_touched(wd, closed),
            Change::ContentIgnored(wd) => {
                self.table.content_ignored(wd);
                self.removed.remove(&wd);
            }
            Change::Configuration(root) | Change::Root(root) => self.schedule_root(root, Trigger::Change),
            Change::Overflow => {
                self.metrics.overflows.inc();
                warn!("the kernel dropped events; everything is listed again");
                for root in 0..self.ground.roots.len() {
                    self.schedule_root(root, Trigger::Overflow);
                }
            }
            Change::Trouble(problem) => self.say_once(&problem.path, &problem.what),
        }
    }

    fn appeared(&mut self, spot: SpotId, name: OsString, kind: LockKind) {
        let now = self.view.now.boot;
        // A listing may have shown it before its event arrived; if another file has its name, the look says so.
        let id = match self.table.find(spot, &name) {
            Some(known) => known,
            None if self.is_wanted(spot, &name) => self.table.insert(spot, name, kind, Birth::Seen, now),
            None => return,
        };
        self.table.look_by(id, now + CREATION_DELAY);
        self.expect_logs();
    }

    fn listed(&mut self, spot: SpotId, locks: Vec<(OsString, LockKind)>) {
        let now = self.view.now.boot;
        let mut there = HashSet::new();
        for (name, kind) in locks {
            let id = match self.table.find(spot, &name) {
                Some(known) => known,
                None if self.is_wanted(spot, &name) => self.table.insert(spot, name, kind, Birth::Found, now),
                None => continue,
            };
            there.insert(id);
            self.table.look_by(id, now);
        }
        for id in self.table.of_spot(spot) {
            if !there.contains(&id) {
                self.released(id, Release::Unseen);
            }
        }
    }

    fn is_wanted(&self, spot: SpotId, name: &std::ffi::OsStr) -> bool {
        let root = self.ground.spot(spot).map(|spot| &self.ground.roots[spot.root]);
        root.is_some_and(|root| root.includes(&self.ground.path_of(spot, name)))
    }

    /// In a directory that installs share, a lock is ours once a look has shown it.
    fn is_ours(&self, entry: &Entry) -> bool {
        let shared = self.ground.spot(entry.spot).is_some_and(|spot| spot.belonging != Belonging::ByPlace);
        !shared || entry.lock.is_some()
    }

    fn content_touched(&mut self, wd: Wd, closed: bool) {
        let now = self.view.now.boot;
        if closed {
            self.removed.remove(&wd);
        }
        let Some(id) = self.table.by_content(wd) else { return };
        if let Some(entry) = self.table.get_mut(id) {
            entry.closed |= closed;
        }
        self.table.look_by(id, now + if closed { CLOSE_DELAY } else { WRITE_DELAY });
    }

    /// A process that locks or gateways name has ended.
    pub(super) fn process_ended(&mut self, pid: u32) {
        let now = self.view.now.boot;
        self.owners.ended(pid);
        self.database_owner_ended(pid);
        let theirs: Vec<LockId> = self
            .table
            .iter()
            .filter(|(_, entry)| entry.watched_process == Some(pid))
            .map(|(id, _)| id)
            .collect();
        debug!(pid, locks = theirs.len(), "process ended");
        for id in theirs {
            self.table.look_by(id, now);
        }
        let is_gateway = self.ground.roots.iter().any(|root| root.gateway_pid() == Some(pid));
        if is_gateway {
            info!(pid, "the gateway has ended");
            self.look_for_gateways();
        }
    }

    /// A lock is not there any more.
    pub(super) fn released(&mut self, id: LockId, how: Release) {
        let Some(entry) = self.table.remove(id) else { return };
        let now = self.view.now.boot;
        let path = self.ground.path_of(entry.spot, &entry.name);
        let held = (entry.kind.management() == Management::Managed
            && matches!(how, Release::Deleted | Release::Replaced))
        .then(|| entry.age(now));
        if let Some(held) = held {
            self.holds.add(held);
        }
        if self.is_ours(&entry) {
            self.metrics.lock_ended(how, held);
            debug!(path = %path.display(), how = how.as_str(), "lock released");
        }
        for finding in self.board.resolve_lock(&path, None) {
            info!(path = %path.display(), code = finding.code.as_str(), "resolved");
        }
        if let Some(wd) = entry.content_watch {
            if how == Release::Deleted && entry.is_held_open() {
                let root = self.ground.spot(entry.spot).map_or(0, |spot| spot.root);
                self.removed.insert(wd, Removed { entry, root, path });
                self.table.deadlines.set(now + REMOVAL_GRACE, Due::Removed(wd));
            } else if how != Release::Deleted {
                self.ground.inotify.forget(wd);
            }
        }
    }

    /// A lock was unlinked two seconds ago, and its owner still has the file open: the owner did not do it.
    pub(super) fn judge_removed(&mut self, wd: Wd) {
        let Some(Removed { entry, root, path }) = self.removed.remove(&wd) else { return };
        self.ground.inotify.forget(wd);
        let Some(lock) = &entry.lock else { return };
        let pid = entry.owner_pid();
        warn!(path = %path.display(), pid, "a lock was deleted while its owner held it");
        let finding = self.deleted_while_held(lock, root, path, pid);
        self.raise(finding, None);
    }
}

impl Entry {
    /// At the last look its owner had the file open, and has not closed it since.
    fn is_held_open(&self) -> bool {
        !self.closed && self.lock.as_ref().is_some_and(|lock| lock.evidence.writer == Writer::Open)
    }
}
