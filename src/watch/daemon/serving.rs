//! Clients of the listener, answered from what the daemon knows.

use super::Daemon;
use crate::watch::serve::Picture;
use crate::watch::wakeups::Due;

impl Daemon {
    pub(super) fn accept(&mut self) {
        for (id, until) in self.serving.accept(self.view.now.boot, &self.wakeups.poller) {
            self.wakeups.deadlines.set(Due::Connection(id), until);
        }
    }

    pub(super) fn serve(&mut self, id: u32) {
        self.freshen();
        let picture = Picture {
            now: self.view.now,
            options: &self.options,
            directories: &self.directories,
            locks: &self.locks,
            sources: &self.sources,
            board: &self.board,
            processes: self.wakeups.processes.len(),
        };
        if self.serving.turn(id, &self.wakeups.poller, &picture) {
            self.wakeups.deadlines.cancel(Due::Connection(id));
        }
    }
}
