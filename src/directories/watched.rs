//! One watched directory.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use rustix::io::Errno;

use crate::evidence::directory::{Directory, Unreached};
use crate::survey::StandingRoot;
use crate::survey::standing::{Belonging, Role};
use crate::wakeups::ids::RootId;
use crate::wakeups::inotify::Wd;

/// Where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Position {
    /// Below its root; empty for the root itself.
    Below(PathBuf),
    /// Somewhere else, named by the configuration or by convention.
    Elsewhere(PathBuf),
}

/// How changes in a directory come to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coverage {
    Inotify(Wd),
    /// inotify does not see every change here (another machine, a FUSE server), so it is listed at intervals
    /// as well.
    Polled(Option<Wd>),
}

impl Coverage {
    pub(crate) fn wd(self) -> Option<Wd> {
        match self {
            Self::Inotify(wd) => Some(wd),
            Self::Polled(wd) => wd,
        }
    }
}

#[derive(Debug)]
pub(crate) struct WatchedDirectory {
    pub(crate) root: RootId,
    pub(crate) position: Position,
    pub(crate) path: PathBuf,
    pub(crate) role: Role,
    pub(crate) belonging: Belonging,
    pub(crate) coverage: Coverage,
    identity: (u64, u64),
    /// Shared by the locks that lie there; opened anew when there are none.
    directory: Weak<Directory>,
}

impl WatchedDirectory {
    pub(crate) fn new(
        root: RootId,
        position: Position,
        role: Role,
        belonging: Belonging,
        coverage: Coverage,
        directory: &Arc<Directory>,
    ) -> Self {
        Self {
            root,
            position,
            path: directory.path.clone(),
            role,
            belonging,
            coverage,
            identity: (directory.dev, directory.ino),
            directory: Arc::downgrade(directory),
        }
    }

    pub(crate) fn is_same(&self, directory: &Directory) -> bool {
        self.identity == (directory.dev, directory.ino)
    }

    /// Opens the directory; `ESTALE` if another one has taken its place.
    pub(crate) fn open(&mut self, root: &StandingRoot) -> Result<Arc<Directory>, Errno> {
        if let Some(directory) = self.directory.upgrade() {
            return Ok(directory);
        }
        let directory = open_at(root, &self.position, self.belonging)?;
        if !self.is_same(&directory) {
            return Err(Errno::STALE);
        }
        self.directory = Arc::downgrade(&directory);
        Ok(directory)
    }
}

/// Opens what lies at `position` now.
pub(crate) fn open_at(
    root: &StandingRoot,
    position: &Position,
    belonging: Belonging,
) -> Result<Arc<Directory>, Errno> {
    match position {
        Position::Below(relative) if relative.as_os_str().is_empty() => Ok(Arc::clone(&root.directory)),
        Position::Below(relative) => root.directory.open_beneath(relative).map(Arc::new),
        Position::Elsewhere(path) => {
            root.open_elsewhere(path, belonging).map(Arc::new).map_err(Unreached::errno)
        }
    }
}
