//! What every check looks at, gathered once: the installs, their sessions directories, who we are.

use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use super::identity::Identity;
use crate::evidence::directory::{Directory, Unreached};
use crate::evidence::view::SystemView;
use crate::install::discover::{StateDir, discover};
use crate::install::environment::Environment;
use crate::install::{Install, Sessions};
use crate::redact::Redactor;
use crate::survey::scope::{Part, Target};
use crate::survey::{Scope, ScopeError};
use crate::words::shell_word;

/// A directory that holds locks, or should.
#[derive(Debug)]
pub struct Seen<T> {
    pub path: PathBuf,
    pub opened: Result<T, Errno>,
}

/// One install, or a sessions directory that was named alone.
#[derive(Debug)]
pub struct Place {
    pub path: PathBuf,
    pub found_by: String,
    /// `None` for a bare sessions directory.
    pub install: Option<Result<Install, Errno>>,
    pub sessions: Vec<Seen<Arc<Directory>>>,
}

impl Place {
    pub fn install(&self) -> Option<&Install> {
        self.install.as_ref()?.as_ref().ok()
    }

    /// Where `reclaim` keeps its journal for this place.
    pub fn home(&self) -> Option<&Arc<Directory>> {
        match &self.install {
            Some(install) => install.as_ref().ok().map(|install| &install.root),
            None => self.open_sessions().next(),
        }
    }

    /// What selects it behind another command.
    pub fn scope(&self) -> String {
        let option = if self.install.is_some() { " --state-dir" } else { "" };
        format!("{option} {}", shell_word(&self.path.to_string_lossy()))
    }

    pub fn open_sessions(&self) -> impl Iterator<Item = &Arc<Directory>> {
        self.sessions.iter().filter_map(|seen| seen.opened.as_ref().ok())
    }
}

/// The whole of it.
#[derive(Debug)]
pub struct Surroundings {
    pub view: SystemView,
    pub us: Identity,
    pub environment: Environment,
    pub places: Vec<Place>,
    /// Where installs were looked for, if none was named.
    pub looked_at: Vec<StateDir>,
    /// How much of what others wrote is shown.
    pub redactor: Redactor,
}

impl Surroundings {
    /// Looks at what was named; with nothing named, at what OpenClaw itself would find.
    pub fn gather(paths: &[PathBuf], state_dirs: &[PathBuf], redactor: Redactor) -> Result<Self, ScopeError> {
        let mut view = SystemView::open();
        let environment = Environment::of_this_process();
        let mut looked_at = Vec::new();
        let targets: Vec<(Target, String)> = if paths.is_empty() && state_dirs.is_empty() {
            let discovery = discover(&environment, &view);
            looked_at = discovery.looked_at;
            let found = discovery.found.into_iter();
            found.map(|dir| (Target::State { path: dir.path, only: Part::Whole }, dir.found_by)).collect()
        } else {
            let scope = Scope::resolve(paths, state_dirs, &view)?;
            scope.targets.into_iter().map(|target| (target, "named".to_owned())).collect()
        };
        let places = targets.into_iter().map(|(target, by)| place(target, by, &mut view)).collect();
        Ok(Self { view, us: Identity::of_this_process(), environment, places, looked_at, redactor })
    }

    pub fn installs(&self) -> impl Iterator<Item = (&Place, &Install)> {
        self.places.iter().filter_map(|place| Some((place, place.install()?)))
    }

    /// Every open directory that matters, each with the home of its journal.
    pub fn directories(&self) -> impl Iterator<Item = (&Arc<Directory>, &Arc<Directory>)> {
        self.places.iter().flat_map(|place| {
            let home = place.home().into_iter();
            home.flat_map(move |home| {
                std::iter::once(home).chain(place.open_sessions()).map(move |d| (d, home))
            })
        })
    }

    /// The same, one for each file system.
    pub fn file_systems(&self) -> Vec<Arc<Directory>> {
        let mut seen = Vec::new();
        let mut found: Vec<Arc<Directory>> = Vec::new();
        for (directory, _) in self.directories() {
            if !seen.contains(&directory.dev) {
                seen.push(directory.dev);
                found.push(Arc::clone(directory));
            }
        }
        found
    }
}

fn place(target: Target, found_by: String, view: &mut SystemView) -> Place {
    match target {
        Target::State { path, .. } => {
            let install = Install::open(&path, view);
            let sessions = install.as_ref().map(sessions_of).unwrap_or_default();
            Place { path, found_by, install: Some(install), sessions }
        }
        Target::Directory { path, .. } => {
            let opened = Directory::open_root(&path).map(Arc::new);
            let sessions = vec![Seen { path: path.clone(), opened }];
            Place { path, found_by, install: None, sessions }
        }
    }
}

fn sessions_of(install: &Install) -> Vec<Seen<Arc<Directory>>> {
    let agents = match install.agents() {
        Ok(agents) => agents,
        Err(error) => return vec![Seen { path: install.root.path.join("agents"), opened: Err(error) }],
    };
    let seen = |seen: Sessions| Seen { path: seen.path, opened: seen.opened.map_err(Unreached::errno) };
    install.sessions(&agents).into_iter().map(seen).collect()
}
