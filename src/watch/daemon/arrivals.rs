//! From changes of names to locks that appear, are released, and are looked at.

use std::collections::HashSet;
use std::ffi::OsString;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::Daemon;
use crate::directories::Change;
use crate::directories::root::{Root, Trigger};
use crate::openclaw::lock_kind::{LockKind, Management};
use crate::survey::SurveyedLock;
use crate::wakeups::Due;
use crate::wakeups::ids::{DirectoryId, LockId, RootId};
use crate::wakeups::inotify::Wd;
use crate::watch::findings::of_locks::deleted_while_held;
use crate::watch::locks::Removed;
use crate::watch::locks::known::{Birth, KnownLock};
use crate::watch::locks::release::Release;

/// At its creation a lock is empty 99 times of 100; the payload follows within 60 ms, the release of a short
/// one too. Nothing is judged before.
const CREATION_DELAY: Duration = Duration::from_millis(40);
/// An owner that releases closes the file and unlinks it a moment later.
const CLOSE_DELAY: Duration = Duration::from_millis(10);
/// A payload may come in several writes.
const WRITE_DELAY: Duration = Duration::from_millis(5);
/// How long an owner may have an unlinked lock open before the deletion counts as another's. A process that exits
/// unlinks its locks before the kernel closes them.
const REMOVAL_GRACE: Duration = Duration::from_secs(2);

impl Daemon {
    pub(super) fn apply_one(&mut self, change: Change) {
        let now = self.view.now.boot;
        match change {
            Change::Appeared { directory, name, kind } => self.appeared(directory, name, kind),
            Change::Deleted { directory, name } => {
                if let Some(id) = self.locks.table.find(directory, &name) {
                    self.released(id, Release::Deleted);
                }
            }
            Change::Displaced { directory, name } => {
                if let Some(id) = self.locks.table.find(directory, &name) {
                    self.wakeups.deadlines.set_by(Due::Look(id), now);
                }
            }
            Change::Listed { directory, locks } => self.listed(directory, locks),
            Change::Lost(directory) => {
                for id in self.locks.table.in_directory(directory) {
                    self.released(id, Release::DirectoryLost);
                }
                self.locks.table.forget_directory(directory);
            }
            Change::Content { wd, closed } => self.content_touched(wd, closed),
            Change::ContentIgnored(wd) => {
                self.locks.table.content_ignored(wd);
                self.locks.removed.remove(&wd);
            }
            Change::Configuration(root) | Change::Root(root) => self.schedule_root(root, Trigger::Change),
            Change::Overflow => {
                self.serving.metrics.overflows.inc();
                warn!("the kernel dropped events; everything is listed again");
                self.schedule_every_root(Trigger::Overflow);
            }
            Change::Trouble(problem) => self.notify.said.problem(&problem),
        }
    }

    fn appeared(&mut self, directory: DirectoryId, name: OsString, kind: LockKind) {
        let now = self.view.now.boot;
        // A listing may have shown it before its event arrived; if another file has its name, the look says so.
        let Some(id) = self.known(directory, name, kind, Birth::Seen) else { return };
        self.wakeups.deadlines.set_by(Due::Look(id), now + CREATION_DELAY);
        self.expect_logs();
    }

    fn listed(&mut self, directory: DirectoryId, locks: Vec<(OsString, LockKind)>) {
        let now = self.view.now.boot;
        let mut there = HashSet::new();
        for (name, kind) in locks {
            let Some(id) = self.known(directory, name, kind, Birth::Found) else { continue };
            there.insert(id);
            self.wakeups.deadlines.set_by(Due::Look(id), now);
        }
        for id in self.locks.table.in_directory(directory) {
            if !there.contains(&id) {
                self.released(id, Release::Unseen);
            }
        }
    }

    /// The lock of that name, as of now; `None`: it was not asked for.
    fn known(
        &mut self,
        directory: DirectoryId,
        name: OsString,
        kind: LockKind,
        birth: Birth,
    ) -> Option<LockId> {
        let table = &mut self.locks.table;
        table.find(directory, &name).or_else(|| {
            let wanted = self.directories.includes(directory, &name);
            wanted.then(|| table.insert(directory, name, kind, birth, self.view.now.boot))
        })
    }

    /// In a directory that installs share, a lock is ours once a look has shown it.
    fn is_ours(&self, lock: &KnownLock) -> bool {
        let watched = self.directories.get(lock.directory);
        watched.is_none_or(|watched| !watched.belonging.is_shared()) || lock.look().is_some()
    }

    fn content_touched(&mut self, wd: Wd, closed: bool) {
        if closed {
            self.locks.removed.remove(&wd);
        }
        let Some(id) = self.locks.table.by_content(wd) else { return };
        if let Some(lock) = self.locks.table.get_mut(id) {
            lock.closed |= closed;
        }
        let delay = if closed { CLOSE_DELAY } else { WRITE_DELAY };
        self.wakeups.deadlines.set_by(Due::Look(id), self.view.now.boot + delay);
    }

    /// A process that locks or gateways name has ended.
    pub(super) fn process_ended(&mut self, pid: u32) {
        let now = self.view.now.boot;
        self.wakeups.processes.ended(pid);
        self.database_owner_ended(pid);
        let locks = self.locks.table.iter();
        let theirs: Vec<LockId> =
            locks.filter(|(_, lock)| lock.watched_process == Some(pid)).map(|(id, _)| id).collect();
        debug!(pid, locks = theirs.len(), "process ended");
        for id in theirs {
            self.wakeups.deadlines.set_by(Due::Look(id), now);
        }
        if self.directories.roots().filter_map(Root::gateway_pid).any(|gateway| gateway == pid) {
            info!(pid, "the gateway has ended");
            self.look_for_gateways();
        }
    }

    /// A lock is not there any more.
    pub(super) fn released(&mut self, id: LockId, how: Release) {
        let Some(lock) = self.locks.table.remove(id) else { return };
        self.wakeups.deadlines.cancel(Due::Look(id));
        let now = self.view.now.boot;
        if lock.kind == LockKind::Gateway && lock.look().is_some() {
            self.look_for_gateways();
        }
        // Its directory may be gone from the list already.
        let path = lock.look().map(SurveyedLock::path);
        let path = path.unwrap_or_else(|| self.directories.path_of(lock.directory, &lock.name));
        let seen_through = matches!(how, Release::Deleted | Release::Replaced);
        let held = (lock.kind.management() == Management::Managed && seen_through).then(|| lock.age(now));
        if let Some(held) = held {
            self.locks.hold_times.add(held);
        }
        if self.is_ours(&lock) {
            self.serving.metrics.lock_ended(how, held);
            debug!(path = %path.display(), how = how.as_str(), "lock released");
        }
        for finding in self.board.resolve_lock(&path, None) {
            info!(path = %path.display(), code = finding.code.as_str(), "resolved");
            self.notify.resolved(&finding, self.view.now, &mut self.wakeups);
        }
        if let Some(look) = lock.look().filter(|look| look.kind == LockKind::Gateway) {
            self.expect_gateway(RootId::of(look));
        }
        let Some(wd) = lock.content_watch else { return };
        if how != Release::Deleted {
            return self.directories.inotify.forget(wd);
        }
        let root = self.directories.get(lock.directory).map(|watched| watched.root);
        if let Some(root) = root.filter(|_| lock.is_held_open()) {
            self.locks.removed.insert(wd, Removed { lock, root, path });
            self.wakeups.deadlines.set(Due::Removed(wd), now + REMOVAL_GRACE);
        }
    }

    /// A lock was unlinked two seconds ago, and its owner still has the file open: the owner did not do it.
    pub(super) fn judge_removed(&mut self, wd: Wd) {
        let Some(Removed { lock, root, path }) = self.locks.removed.remove(&wd) else { return };
        self.directories.inotify.forget(wd);
        let Some(look) = lock.look() else { return };
        warn!(path = %path.display(), pid = lock.owner_pid(), "a lock was deleted while its owner held it");
        if let Some(finding) = deleted_while_held(look, root, &path, &self.context(Some(root))) {
            self.raise(finding);
        }
    }
}
