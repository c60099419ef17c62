//! The databases of the SQLite era, looked at again when a file has changed, its owner has ended or its time is
//! up.

use super::Daemon;
use crate::clock::Now;
use crate::evidence::Owner;
use crate::openclaw::version::Era;
use crate::survey::claims::{GatewayLock, look};
use crate::wakeups::Due;
use crate::wakeups::file_writes::Topic;
use crate::wakeups::ids::RootId;
use crate::watch::options::Run;
use crate::watch::sources::databases::{Databases, directories, files, work_done};

impl Daemon {
    /// Something may have changed in the databases of a root.
    pub(super) fn databases_changed(&mut self, root: RootId) {
        // What ends once the locks have settled acts on nothing here.
        if self.options.run == Run::UntilStopped {
            let at = self.sources.databases.next_look(root, self.view.now.boot);
            self.wakeups.deadlines.set_by(Due::Databases(root), at);
        }
    }

    pub(super) fn database_owner_ended(&mut self, pid: u32) {
        for root in self.sources.databases.roots_of_owner(pid) {
            let at = Databases::look_after_end(self.view.now.boot);
            self.wakeups.deadlines.set_by(Due::Databases(root), at);
        }
    }

    /// The roots are others now.
    pub(super) fn forget_databases(&mut self) {
        for root in self.sources.databases.forget_all() {
            self.wakeups.file_writes.forget(Topic::Database(root));
            self.wakeups.deadlines.cancel(Due::Databases(root));
        }
    }

    pub(super) fn look_at_databases(&mut self, root: RootId) {
        let Some(install) = self.directories.install(root) else {
            self.wakeups.file_writes.forget(Topic::Database(root));
            return self.sources.databases.forget(root);
        };
        let state = install.root.path.clone();
        if install.era != Era::Sqlite && !state.join("state/openclaw.sqlite").exists() {
            return;
        }
        // Watched before they are read, so that a change in between is not missed.
        for directory in directories(&state) {
            self.wakeups.file_writes.watch_names(Topic::Database(root), &directory);
        }
        for file in files(&state) {
            self.wakeups.file_writes.arm(Topic::Database(root), &file);
        }
        let judged = self.locks.table.iter().filter_map(|(_, lock)| lock.look());
        let gateway_lock = GatewayLock::of(judged.filter(|look| RootId::of(look) == root));
        let before = work_done();
        let found = look(root.number(), install, &gateway_lock, &mut self.view);
        let took = work_done().saturating_sub(before);
        self.serving.metrics.database_looks.inc();
        for problem in &found.problems {
            self.notify.said.problem(problem);
        }
        for lease in &found.leases {
            if let Owner::Alive(process) = &lease.process {
                self.wakeups.processes.watch(process.pid, process.start_ticks, &self.wakeups.poller);
            }
        }
        if let Some(at) = self.sources.databases.keep(root, found, took, Now::read()) {
            self.wakeups.deadlines.set_by(Due::Databases(root), at);
        }
        self.consider_orphan(root);
        self.plan_diagnosis();
    }
}
