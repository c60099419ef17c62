//! Clients of the listener, answered from what the daemon knows.

use super::Daemon;
use crate::watch::serve::{Picture, TimeLimit};
use crate::watch::wakeups::Due;

impl Daemon {
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
        let due = Due::Connection(id);
        match self.serving.turn(id, &self.wakeups.poller, &picture) {
            TimeLimit::Stays => {}
            TimeLimit::Until(at) => self.wakeups.deadlines.set(due, at),
            TimeLimit::Over => self.wakeups.deadlines.cancel(due),
        }
    }
}
