//! File systems where inotify is blind (NFS, SMB, FUSE: changes made by another machine or by the server), and
//! directories beyond the limit of watches: notify's PollWatcher looks at them at intervals, in a thread of its
//! own, and wakes the loop when a listing has changed.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{Config, PollWatcher, RecursiveMode, Watcher};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use tracing::warn;

/// The poller; its thread starts with the first directory.
#[derive(Debug)]
pub(crate) struct Polling {
    every: Duration,
    watcher: Option<PollWatcher>,
    shared: Arc<Shared>,
    watched: BTreeSet<PathBuf>,
}

#[derive(Debug)]
struct Shared {
    changed: Mutex<BTreeSet<PathBuf>>,
    wake: OwnedFd,
}

impl Polling {
    pub(crate) fn new(every: Duration) -> Result<Self, Errno> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let shared = Arc::new(Shared { changed: Mutex::default(), wake });
        Ok(Self { every, watcher: None, shared, watched: BTreeSet::new() })
    }

    pub(crate) fn add(&mut self, path: &Path) {
        if !self.watched.insert(path.to_owned()) {
            return;
        }
        if self.watcher.is_none() {
            warn!(
                path = %path.display(),
                every = %humantime::format_duration(self.every),
                "inotify does not see every change on this file system: it is listed at intervals"
            );
            self.watcher = start(Arc::clone(&self.shared), self.every);
        }
        let Some(watcher) = &mut self.watcher else { return };
        if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
            warn!(path = %path.display(), %error, "cannot be polled; the safety scan has to do");
        }
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        if self.watched.remove(path)
            && let Some(watcher) = &mut self.watcher
        {
            // It may have gone by itself, with the directory.
            let _ = watcher.unwatch(path);
        }
    }

    /// The watched directories in which something has changed.
    pub(crate) fn take_changed(&mut self) -> Vec<PathBuf> {
        let _ = rustix::io::read(&self.shared.wake, &mut [0_u8; 8]);
        let changed =
            std::mem::take(&mut *self.shared.changed.lock().unwrap_or_else(PoisonError::into_inner));
        let directory = |path: &PathBuf| {
            let parent = path.parent().map(Path::to_owned);
            if self.watched.contains(path) { Some(path.clone()) } else { parent }
        };
        let mut directories: Vec<PathBuf> = changed.iter().filter_map(directory).collect();
        directories.dedup();
        directories
    }
}

impl AsFd for Polling {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }
}

fn start(shared: Arc<Shared>, every: Duration) -> Option<PollWatcher> {
    let config = Config::default().with_poll_interval(every);
    let handler = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        // Transcripts grow all the time; only names that end like a lock, and directories, are news.
        let news = event.paths.into_iter().filter(|path| {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            !name.ends_with(b".jsonl") && !name.ends_with(b".json")
        });
        let mut changed = shared.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.extend(news);
        if !changed.is_empty() {
            // A full counter wakes as well.
            let _ = rustix::io::write(&shared.wake, &1_u64.to_ne_bytes());
        }
    };
    match PollWatcher::new(handler, config) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            warn!(%error, "polling cannot start; the safety scan has to do");
            None
        }
    }
}
