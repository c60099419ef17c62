//! What is watched: roots, the directories below them that may hold locks, and the inotify watches on them. Events
//! go in, changes of locks come out; verdicts are not known here.
//!
//! A directory is watched first and listed then, so that nothing which appears in between is missed.

mod change;
mod digest;
pub mod root;
mod tree;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;
use tracing::warn;

use crate::evidence::directory::Directory;
use crate::install::Install;
use crate::wakeups::ids::{DirectoryId, Numbering, RootId};
use crate::wakeups::inotify::{Inotify, Wd};
use crate::wakeups::polling::Polling;
pub(crate) use change::Change;
use root::Root;
pub(crate) use tree::Listing;
use watched::{Coverage, Position, WatchedDirectory};

/// What a watch descriptor stands for; one directory may serve several ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Directory(DirectoryId),
    /// The directory in which the path of a root is awaited, or its end noticed.
    Path(RootId),
}

#[derive(Debug)]
pub(crate) struct Directories {
    pub(crate) inotify: Inotify,
    pub(crate) polling: Polling,
    roots: BTreeMap<RootId, Root>,
    /// Boxed: half of a hash table is room to grow.
    watched: HashMap<DirectoryId, Box<WatchedDirectory>>,
    places: HashMap<(RootId, Position), DirectoryId>,
    purposes: HashMap<Wd, Vec<Purpose>>,
    root_ids: Numbering<RootId>,
    directory_ids: Numbering<DirectoryId>,
}

impl Directories {
    pub(crate) fn new(roots: Vec<Root>, polling: Polling) -> Result<Self, Errno> {
        let mut directories = Self {
            inotify: Inotify::new()?,
            polling,
            roots: BTreeMap::new(),
            watched: HashMap::new(),
            places: HashMap::new(),
            purposes: HashMap::new(),
            root_ids: Numbering::default(),
            directory_ids: Numbering::default(),
        };
        directories.take_on(roots);
        Ok(directories)
    }

    fn take_on(&mut self, roots: Vec<Root>) {
        self.roots = roots.into_iter().map(|root| (self.root_ids.next(), root)).collect();
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = &Root> + Clone {
        self.roots.values()
    }

    pub(crate) fn root_ids(&self) -> Vec<RootId> {
        self.roots.keys().copied().collect()
    }

    /// `None`: a reload has taken it away.
    pub(crate) fn root(&self, id: RootId) -> Option<&Root> {
        self.roots.get(&id)
    }

    pub(crate) fn root_mut(&mut self, id: RootId) -> Option<&mut Root> {
        self.roots.get_mut(&id)
    }

    pub(crate) fn install(&self, root: RootId) -> Option<&Install> {
        self.root(root)?.install()
    }

    pub(crate) fn get(&self, id: DirectoryId) -> Option<&WatchedDirectory> {
        self.watched.get(&id).map(Box::as_ref)
    }

    /// Opens a watched directory.
    pub(crate) fn open(&mut self, id: DirectoryId) -> Result<Arc<Directory>, Errno> {
        let watched = self.watched.get_mut(&id).ok_or(Errno::STALE)?;
        let standing = self.roots.get(&watched.root).and_then(|root| root.standing.as_ref());
        watched.open(standing.ok_or(Errno::STALE)?)
    }

    /// Watched directories: by inotify alone, and polled.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let polled =
            self.watched.values().filter(|watched| matches!(watched.coverage, Coverage::Polled(_))).count();
        (self.watched.len() - polled, polled)
    }

    /// Where a lock lies, for people.
    pub(crate) fn path_of(&self, id: DirectoryId, name: &OsStr) -> PathBuf {
        self.get(id).map_or_else(|| PathBuf::from(name), |watched| watched.path.join(name))
    }

    /// Whether a lock was asked for.
    pub(crate) fn includes(&self, id: DirectoryId, name: &OsStr) -> bool {
        let root = self.get(id).and_then(|watched| self.root(watched.root));
        root.is_some_and(|root| root.includes(&self.path_of(id, name)))
    }

    /// Watches other roots from now on.
    pub(crate) fn replace_roots(&mut self, roots: Vec<Root>, changes: &mut Vec<Change>) {
        for (id, root) in std::mem::take(&mut self.roots) {
            self.leave_root(id, changes);
            if let Some(wd) = root.path_watch {
                self.end(wd, Purpose::Path(id));
            }
        }
        self.take_on(roots);
    }

    /// Watches `directory` for the path of `root`, in place of what was watched for it before.
    pub(crate) fn watch_for_path(&mut self, id: RootId, directory: &Directory) {
        let before = self.roots.get_mut(&id).and_then(|root| root.path_watch.take());
        match self.inotify.watch_directory(directory) {
            Ok(wd) => {
                self.serve(wd, Purpose::Path(id));
                if let Some(root) = self.roots.get_mut(&id) {
                    root.path_watch = Some(wd);
                }
                if let Some(before) = before.filter(|before| *before != wd) {
                    self.end(before, Purpose::Path(id));
                }
            }
            Err(error) => {
                warn!(path = %directory.path.display(), %error, "cannot be watched; the safety scan has to do");
            }
        }
    }

    fn serve(&mut self, wd: Wd, purpose: Purpose) {
        let purposes = self.purposes.entry(wd).or_default();
        if !purposes.contains(&purpose) {
            purposes.push(purpose);
        }
    }

    fn end(&mut self, wd: Wd, purpose: Purpose) {
        let Some(purposes) = self.purposes.get_mut(&wd) else { return };
        purposes.retain(|each| *each != purpose);
        if purposes.is_empty() {
            self.purposes.remove(&wd);
            self.inotify.forget(wd);
        }
    }
}

impl AsFd for Directories {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
