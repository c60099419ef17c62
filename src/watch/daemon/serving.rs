//! Clients of the listener, answered from what the daemon knows.

use super::Daemon;
use crate::wakeups::Due;
use crate::watch::live;
use crate::watch::serve::{Picture, TimeLimit};

/// What it knows now; `serving` stays free to be changed meanwhile.
macro_rules! picture {
    ($daemon:ident) => {
        Picture {
            now: $daemon.view.now,
            options: &$daemon.options,
            directories: &$daemon.directories,
            locks: &$daemon.locks,
            sources: &$daemon.sources,
            board: &$daemon.board,
            processes: $daemon.wakeups.processes.len(),
        }
    };
}

impl Daemon {
    pub(super) fn serve(&mut self, id: u32) {
        self.freshen();
        let picture = picture!(self);
        let due = Due::Connection(id);
        match self.serving.turn(id, &self.wakeups.poller, &picture) {
            TimeLimit::Stays => {}
            TimeLimit::Until(at) => self.wakeups.deadlines.set(due, at),
            TimeLimit::Over => {
                self.wakeups.deadlines.cancel(due);
                // What makes a page is seldom run.
                if self.serving.is_idle() {
                    crate::sys::return_code();
                }
            }
        }
    }

    /// Somebody looks, so what is shown is fresh; what is not known yet is not shown at all.
    pub(super) fn show_live(&mut self) {
        if self.live.is_none() {
            return;
        }
        self.wakeups.deadlines.set(Due::Live, self.view.now.boot + live::EVERY);
        if !self.serving.watching {
            return;
        }
        self.freshen();
        if let Some(live) = &self.live {
            live.show(&picture!(self));
        }
    }
}
