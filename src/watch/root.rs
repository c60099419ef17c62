//! What the user asked to watch: there, or awaited. A state directory that does not exist yet, was deleted, or
//! was moved away is waited for in the nearest directory above it that exists.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::inotify::Wd;
use crate::evidence::directory::Directory;
use crate::evidence::view::SystemView;
use crate::survey::StandingRoot;
use crate::survey::scope::{Part, Target, target_of};

/// What was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// `--state-dir`, or a place where OpenClaw keeps its state.
    StateDir(PathBuf),
    /// A PATH: a state directory, a part of one, a sessions directory, a lock.
    Path(PathBuf),
}

impl Wish {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::StateDir(path) | Self::Path(path) => path,
        }
    }

    /// What it leads to now.
    fn target(&self) -> Option<Target> {
        match self {
            Self::StateDir(path) => {
                path.is_dir().then(|| Target::State { path: path.clone(), only: Part::Whole })
            }
            Self::Path(path) => target_of(path).ok(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Root {
    pub(super) wish: Wish,
    /// `None` while it is awaited.
    pub(super) standing: Option<StandingRoot>,
    /// How much of it was asked for.
    only: Part,
    /// The watch through which its coming or going is noticed.
    pub(super) path_watch: Option<Wd>,
    /// The name that is waited for in the directory of `path_watch`.
    awaited: Option<OsString>,
}

impl Root {
    pub(super) fn new(wish: Wish) -> Self {
        Self { wish, standing: None, only: Part::Whole, path_watch: None, awaited: None }
    }

    /// Why nothing is to be seen of it yet.
    pub(super) fn awaited_because(&self) -> Option<String> {
        match self.wish.target() {
            None => Some("is not there".to_owned()),
            Some(target) => target.foreign(),
        }
    }

    /// Opens it if it is there.
    pub(super) fn open(&mut self, index: usize, view: &mut SystemView) -> Result<(), Errno> {
        let target = self.wish.target().ok_or(Errno::NOENT)?;
        let standing = StandingRoot::open(index, &target, view)?;
        let (Target::State { only, .. } | Target::Directory { only, .. }) = target;
        self.only = only;
        self.standing = Some(standing);
        Ok(())
    }

    /// Whether its path still leads to the directory that is watched.
    pub(super) fn is_in_place(&self) -> bool {
        self.standing.as_ref().is_some_and(|standing| {
            Directory::open_root(&standing.path)
                .is_ok_and(|now| (now.dev, now.ino) == (standing.directory.dev, standing.directory.ino))
        })
    }

    /// The directory in which its coming, or going, shows: its parent, or the nearest directory above that
    /// exists.
    pub(super) fn vantage_point(&mut self) -> Option<Directory> {
        let path = match &self.standing {
            Some(standing) => standing.path.clone(),
            None => self.wish.path().to_owned(),
        };
        let path = std::path::absolute(path).ok()?;
        let mut below = path.as_path();
        while let (Some(parent), Some(name)) = (below.parent(), below.file_name()) {
            if let Ok(directory) = Directory::open_root(parent) {
                self.awaited = Some(name.to_owned());
                return Some(directory);
            }
            below = parent;
        }
        None
    }

    /// Whether a change of `name` in the directory of its `path_watch` concerns it.
    pub(super) fn concerns(&self, name: &OsStr) -> bool {
        self.awaited.as_deref() == Some(name)
    }

    pub(super) fn is_configuration(&self, name: &OsStr) -> bool {
        let install = self.standing.as_ref().and_then(StandingRoot::install);
        install.is_some_and(|install| install.config_path.file_name() == Some(name))
    }

    pub(super) fn gateway_pid(&self) -> Option<u32> {
        self.standing.as_ref()?.install()?.gateway.pid
    }

    /// Whether the lock at `path` was asked for.
    pub(super) fn includes(&self, path: &Path) -> bool {
        self.only.includes(path)
    }
}
