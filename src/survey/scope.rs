//! What the user asked to look at: state directories, a part of one, a bare sessions directory, one lock.

use std::path::{Path, PathBuf};

use super::Problem;
use crate::evidence::view::SystemView;
use crate::install::discover::{Contained, Discovery, StateDir, discover, identity};
use crate::install::environment::Environment;
use crate::install::trace::{self, Trace};
use crate::openclaw::lock_kind::Place;
use crate::words;

/// Everything one command looks at.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub targets: Vec<Target>,
    /// State directories that only another user's process led to, and that user.
    pub of_others: Vec<(PathBuf, u32)>,
    /// What belongs to it and cannot be looked at.
    pub unseen: Vec<Problem>,
}

/// One thing to walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A state directory.
    State { path: PathBuf, only: Part },
    /// A directory that holds locks but lies in no state directory.
    Directory { path: PathBuf, place: Place, only: Part },
}

/// How much of a target was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// What lies at or below these paths.
    Below(Vec<PathBuf>),
}

impl Part {
    /// Something in `directory` may have been asked for.
    pub fn touches(&self, directory: &Path) -> bool {
        match self {
            Self::Whole => true,
            Self::Below(paths) => {
                paths.iter().any(|path| path.starts_with(directory) || directory.starts_with(path))
            }
        }
    }

    pub fn includes(&self, path: &Path) -> bool {
        match self {
            Self::Whole => true,
            Self::Below(paths) => paths.iter().any(|below| path.starts_with(below)),
        }
    }

    /// Both parts of one directory; `from` spells `other` with another name for it than `to`.
    fn add(&mut self, other: Self, from: &Path, to: &Path) {
        match (self, other) {
            (Self::Below(paths), Self::Below(more)) => {
                let respelt = more.into_iter().map(|path| match path.strip_prefix(from) {
                    Ok(relative) => to.join(relative),
                    Err(_) => path,
                });
                paths.extend(respelt);
            }
            (part @ Self::Below(_), Self::Whole) => *part = Self::Whole,
            (Self::Whole, _) => {}
        }
    }
}

impl Target {
    pub fn path(&self) -> &Path {
        let (Self::State { path, .. } | Self::Directory { path, .. }) = self;
        path
    }

    /// What it shows of OpenClaw; `None`: it cannot be read, which the walk says, or is a part of something.
    pub(super) fn trace(&self) -> Option<Trace> {
        let trace = match self {
            Self::State { path, .. } => trace::of_state_directory(path),
            Self::Directory { path, place: Place::Sessions, only: Part::Whole } => {
                trace::of_sessions_directory(path)
            }
            Self::Directory { .. } => return None,
        };
        trace.ok()
    }

    /// That it has nothing to do with OpenClaw, and what may have been meant.
    pub fn foreign(&self) -> Option<String> {
        if self.trace() != Some(Trace::Foreign) {
            return None;
        }
        let path = self.path();
        let meant = trace::state_directory_below(path).or_else(|| state_dir_around(path));
        let hint = match (meant, self) {
            (Some(meant), _) => format!("did you mean {}?", words::path(&meant)),
            (None, Self::State { .. }) if is_sessions_directory(path) => {
                "it looks like a sessions directory: name it as a PATH, without --state-dir".to_owned()
            }
            (None, _) if trace::is_called_like_one(path) => {
                "is it the directory that your gateway uses?".to_owned()
            }
            (None, _) => "name the state directory, usually ~/.openclaw".to_owned(),
        };
        Some(format!("does not look like an OpenClaw directory; {hint}"))
    }

    fn only(&mut self) -> &mut Part {
        let (Self::State { only, .. } | Self::Directory { only, .. }) = self;
        only
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    #[error("{}: {what}", words::path(.path))]
    Path { path: PathBuf, what: String },
    #[error("no OpenClaw install found; looked at:\n{}\n{}", places(.looked_at), what_to_name(.contained))]
    NothingFound { looked_at: Vec<StateDir>, contained: Vec<Contained> },
}

fn places(looked_at: &[StateDir]) -> String {
    let lines: Vec<String> = looked_at
        .iter()
        .map(|place| format!("  {} ({})", words::path(&place.path), words::printable(&place.found_by)))
        .collect();
    if lines.is_empty() { "  nothing: HOME is not set".to_owned() } else { lines.join("\n") }
}

fn what_to_name(contained: &[Contained]) -> String {
    match contained {
        [] => "Name one with --state-dir DIR, or try `lockdoctor demo`.".to_owned(),
        contained => {
            let hints = contained.iter().map(|gateway| {
                let path = words::shell_word(&gateway.path.to_string_lossy());
                format!(
                    "A gateway runs in a container (pid {}); its install:\n    --state-dir {path}",
                    gateway.pid
                )
            });
            hints.collect::<Vec<_>>().join("\n")
        }
    }
}

impl Problem {
    /// Of an install that a gateway in a container uses.
    fn of_container(gateway: &Contained) -> Self {
        let path = words::shell_word(&gateway.path.to_string_lossy());
        let what = format!(
            "a gateway runs in a container (pid {}), and its install is not looked at; add --state-dir {path}",
            gateway.pid
        );
        Self::unseen(&gateway.path, what)
    }
}

impl Scope {
    /// The scope of `[PATH…]` and `--state-dir`; with neither, the installs are found as OpenClaw finds them.
    pub fn resolve(paths: &[PathBuf], state_dirs: &[PathBuf], view: &SystemView) -> Result<Self, ScopeError> {
        if paths.is_empty() && state_dirs.is_empty() {
            let discovery = discover(&Environment::of_this_process(), view);
            if discovery.found.is_empty() {
                let Discovery { looked_at, contained, .. } = discovery;
                return Err(ScopeError::NothingFound { looked_at, contained });
            }
            let of_others =
                discovery.found.iter().filter_map(|found| Some((found.path.clone(), found.of_user?)));
            let of_others = of_others.collect();
            let unseen = discovery.contained.iter().map(Problem::of_container).collect();
            let targets = discovery
                .found
                .into_iter()
                .map(|found| Target::State { path: found.path, only: Part::Whole });
            return Ok(Self { targets: targets.collect(), of_others, unseen });
        }
        let mut scope = Self::default();
        for path in state_dirs {
            existing_directory(path)?;
            scope.add_named(Target::State { path: absolute(path)?, only: Part::Whole })?;
        }
        for path in paths {
            scope.add_named(target_of(path)?)?;
        }
        Ok(scope)
    }

    /// Nothing to look at is not nothing to find.
    fn add_named(&mut self, target: Target) -> Result<(), ScopeError> {
        if let Some(what) = target.foreign() {
            return Err(problem(target.path(), &what));
        }
        self.add(target);
        Ok(())
    }

    /// Whether there is nothing of OpenClaw's in what was named, and nothing else either: it has not been there yet.
    pub fn is_empty(&self) -> bool {
        self.targets.iter().all(|target| target.trace() == Some(Trace::Empty))
    }

    /// Two names of one directory are one target.
    fn add(&mut self, mut target: Target) {
        let real = |target: &Target| identity(target.path());
        let name = real(&target);
        match self.targets.iter_mut().find(|other| name.is_some() && real(other) == name) {
            Some(known) => {
                let only = std::mem::replace(target.only(), Part::Whole);
                let spelt = known.path().to_owned();
                known.only().add(only, target.path(), &spelt);
            }
            None => self.targets.push(target),
        }
    }
}

fn is_sessions_directory(path: &Path) -> bool {
    trace::of_sessions_directory(path).is_ok_and(|trace| trace == Trace::Found)
}

fn absolute(path: &Path) -> Result<PathBuf, ScopeError> {
    std::path::absolute(path).map_err(|error| problem(path, &error.to_string()))
}

fn existing_directory(path: &Path) -> Result<(), ScopeError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(problem(path, "is not a directory")),
        Err(error) => Err(problem(path, &error.to_string())),
    }
}

fn problem(path: &Path, what: &str) -> ScopeError {
    ScopeError::Path { path: path.to_owned(), what: what.to_owned() }
}

/// What one PATH of the command line means.
pub fn target_of(path: &Path) -> Result<Target, ScopeError> {
    let metadata = std::fs::symlink_metadata(path).map_err(|error| problem(path, &error.to_string()))?;
    let path = absolute(path)?;
    let is_lock = path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.ends_with(".lock") || name.ends_with(".reclaim") || name.ends_with(".lock.sqlite")
    });
    let is_directory = metadata.is_dir() || (metadata.is_symlink() && path.is_dir());
    if !is_lock && !is_directory {
        return Err(problem(&path, "is neither a directory nor a lock"));
    }
    if let Some(state) = state_dir_around(&path) {
        let only = if state == path { Part::Whole } else { Part::Below(vec![path]) };
        return Ok(Target::State { path: state, only });
    }
    if is_lock {
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        let place = Place::of_directory(&directory);
        return Ok(Target::Directory { path: directory, place, only: Part::Below(vec![path]) });
    }
    let place = Place::of_directory(&path);
    Ok(Target::Directory { path, place, only: Part::Whole })
}

/// The state directory that `path` lies in, or is.
fn state_dir_around(path: &Path) -> Option<PathBuf> {
    let holds_agents = |directory: &Path| directory.join("agents").is_dir();
    if holds_agents(path) || trace::has_configuration(path) {
        return Some(path.to_owned());
    }
    let around = path.ancestors().skip(1).find(|directory| {
        let below = path.strip_prefix(directory).unwrap_or(path);
        holds_agents(directory) && (trace::has_configuration(directory) || is_part_of_an_agent(below))
    });
    around.map(Path::to_owned)
}

/// `agents`, `agents/<id>`, `agents/<id>/sessions/…`, `agents/<id>/agent/…`: what OpenClaw makes there itself,
/// so that a directory that happens to be called `agents` is not taken for a part of an install.
fn is_part_of_an_agent(below: &Path) -> bool {
    let mut parts = below.iter();
    parts.next().is_some_and(|part| part == "agents")
        && parts.nth(1).is_none_or(|part| part == "sessions" || part == "agent")
}
