//! What the user asked to watch: there, or awaited. A state directory that does not exist yet, was deleted, or
//! was moved away is waited for in the nearest directory above it that exists.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use crate::evidence::directory::Directory;
use crate::evidence::view::SystemView;
use crate::install::Install;
use crate::install::discover::discover;
use crate::install::environment::Environment;
use crate::survey::StandingRoot;
use crate::survey::scope::{Part, Target, target_of};
use crate::wakeups::deadlines::Pace;
use crate::wakeups::ids::RootId;
use crate::wakeups::inotify::Wd;

/// A burst of events calls for one listing, not for many.
const BETWEEN_LISTINGS: Duration = Duration::from_millis(250);

/// A gateway that starts takes several locks.
const GATEWAY_PAUSE: Duration = Duration::from_millis(200);
/// Every process is looked at for it.
const BETWEEN_GATEWAY_LOOKS: Duration = Duration::from_secs(2);

/// Why a root is listed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Start,
    SafetyScan,
    Overflow,
    /// A directory was replaced, a configuration changed, a state directory came back.
    Change,
}

impl Trigger {
    pub(crate) const ALL: [Self; 4] = [Self::Start, Self::SafetyScan, Self::Overflow, Self::Change];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::SafetyScan => "safety-scan",
            Self::Overflow => "overflow",
            Self::Change => "change",
        }
    }
}

/// What was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// `--state-dir`, or a place where OpenClaw keeps its state.
    StateDir(PathBuf),
    /// A PATH: a state directory, a part of one, a sessions directory, a lock.
    Path(PathBuf),
}

impl Wish {
    pub(crate) fn path(&self) -> &Path {
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
pub(crate) struct Root {
    pub(crate) wish: Wish,
    /// Nothing but another user's process led to it: it is shown, and not acted upon.
    pub(crate) is_anothers: bool,
    /// `None` while it is awaited.
    pub(crate) standing: Option<StandingRoot>,
    /// How much of it was asked for.
    only: Part,
    /// The watch through which its coming or going is noticed.
    pub(crate) path_watch: Option<Wd>,
    /// The name that is waited for in the directory of `path_watch`.
    awaited: Option<OsString>,
    /// When it was listed, and may be again.
    pub(crate) listing: Pace,
    /// When its gateway was looked for, and may be again.
    pub(crate) asking_for_gateway: Pace,
    /// Why the next listing is due.
    pub(crate) called_for_by: Trigger,
}

impl Root {
    pub(crate) fn new(wish: Wish) -> Self {
        Self {
            wish,
            is_anothers: false,
            standing: None,
            only: Part::Whole,
            path_watch: None,
            awaited: None,
            listing: Pace::new(Duration::ZERO, BETWEEN_LISTINGS),
            asking_for_gateway: Pace::new(GATEWAY_PAUSE, BETWEEN_GATEWAY_LOOKS),
            called_for_by: Trigger::Start,
        }
    }

    /// Why nothing is to be seen of it yet.
    pub(crate) fn awaited_because(&self) -> Option<String> {
        match self.wish.target() {
            None => Some("is not there".to_owned()),
            Some(target) => target.foreign(),
        }
    }

    /// Opens it if it is there.
    pub(crate) fn open(&mut self, id: RootId, view: &mut SystemView) -> Result<(), Errno> {
        let target = self.wish.target().ok_or(Errno::NOENT)?;
        let standing = StandingRoot::open(id.number(), &target, view)?;
        let (Target::State { only, .. } | Target::Directory { only, .. }) = target;
        self.only = only;
        self.standing = Some(standing);
        Ok(())
    }

    /// Whether its path still leads to the directory that is watched.
    pub(crate) fn is_in_place(&self) -> bool {
        self.standing.as_ref().is_some_and(|standing| {
            Directory::open_root(&standing.path)
                .is_ok_and(|now| (now.dev, now.ino) == (standing.directory.dev, standing.directory.ino))
        })
    }

    /// The directory in which its coming, or going, shows: its parent, or the nearest directory above that
    /// exists.
    pub(crate) fn vantage_point(&mut self) -> Option<Directory> {
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
    pub(crate) fn concerns(&self, name: &OsStr) -> bool {
        self.awaited.as_deref() == Some(name)
    }

    pub(crate) fn is_configuration(&self, name: &OsStr) -> bool {
        self.install().is_some_and(|install| install.config_path.file_name() == Some(name))
    }

    pub(crate) fn install(&self) -> Option<&Install> {
        self.standing.as_ref()?.install()
    }

    pub(crate) fn gateway_pid(&self) -> Option<u32> {
        self.install()?.gateway.pid
    }

    /// Whether the lock at `path` was asked for.
    pub(crate) fn includes(&self, path: &Path) -> bool {
        self.only.includes(path)
    }
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The installs that OpenClaw itself would find, as they come.
    EveryInstall,
    Named {
        state_dirs: Vec<PathBuf>,
        paths: Vec<PathBuf>,
    },
}

/// What is to be watched, whether it is there or not.
pub(crate) fn wanted(what: &What, view: &SystemView) -> Vec<Root> {
    let wishes: Vec<Wish> = match what {
        What::Named { state_dirs, paths } => {
            // A directory that is deleted and made again is found by its path, whatever directory we are in.
            let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let state_dirs = state_dirs.iter().map(whole).map(Wish::StateDir);
            state_dirs.chain(paths.iter().map(whole).map(Wish::Path)).collect()
        }
        What::EveryInstall => {
            let discovery = discover(&Environment::of_this_process(), view);
            let places = if discovery.found.is_empty() { discovery.looked_at } else { discovery.found };
            let roots = places.into_iter().map(|place| {
                let is_anothers = place.of_user.is_some();
                Root { is_anothers, ..Root::new(Wish::StateDir(place.path)) }
            });
            return roots.collect();
        }
    };
    wishes.into_iter().map(Root::new).collect()
}
