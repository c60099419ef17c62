//! The live view: what the daemon knows, on the terminal it was started on. It runs in a thread of its own and is
//! handed snapshots; the loop never waits for a terminal. What a person asks for from here (explain, free) is run as
//! the command that it is.

mod commands;
mod keys;
mod screen;
mod snapshot;
mod state;
mod terminal;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use super::log::Recent;
use super::serve::Picture;
pub use commands::Commands;
use snapshot::Snapshot;

/// Between two snapshots.
pub(crate) const EVERY: Duration = Duration::from_millis(500);

/// The thread, and what it shares with the loop.
#[derive(Debug)]
pub struct Live {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    latest: Mutex<Option<Snapshot>>,
    /// The daemon ends: the terminal is given back.
    over: AtomicBool,
    /// Written to when the view has ended: the person has quit, or the terminal is gone.
    ended: OwnedFd,
}

impl Live {
    /// Takes over the terminal. `log`: what would have been printed there.
    pub fn start(commands: Commands, log: Recent) -> anyhow::Result<Self> {
        let ended = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let shared = Arc::new(Shared { latest: Mutex::default(), over: AtomicBool::new(false), ended });
        let screen = terminal::Screen::enter()?;
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("live view".to_owned()).spawn(move || {
            let told = EndIsTold(theirs);
            terminal::run(screen, &told.0, commands, &log);
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What is known now, for whenever the view comes to it.
    pub(crate) fn show(&self, picture: &Picture<'_>) {
        self.shared.put(Snapshot::of(picture));
    }
}

impl Shared {
    fn put(&self, snapshot: Snapshot) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    fn take(&self) -> Option<Snapshot> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// However the thread ends, the loop hears of it.
struct EndIsTold(Arc<Shared>);

impl Drop for EndIsTold {
    fn drop(&mut self) {
        // A full counter wakes as well.
        let _ = rustix::io::write(&self.0.ended, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Live {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.ended.as_fd()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
