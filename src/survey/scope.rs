//! What the user asked to look at: state directories, a part of one, a bare sessions directory, one lock.

use std::path::{Path, PathBuf};

use crate::evidence::view::SystemView;
use crate::openclaw::config::Environment;
use crate::openclaw::discover::{StateDir, discover};

/// Everything one command looks at.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub targets: Vec<Target>,
}

/// One thing to walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A state directory; with `only`, just what lies at or below that path.
    State { path: PathBuf, only: Option<PathBuf> },
    /// A directory that holds locks but lies in no state directory; with `only`, just that lock.
    Sessions { path: PathBuf, only: Option<PathBuf> },
}

#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    #[error("{path}: {what}")]
    Path { path: PathBuf, what: String },
    #[error("no OpenClaw install found; looked at:\n{}\nName one with --state-dir DIR, or try `lockdoctor demo`.", places(.looked_at))]
    NothingFound { looked_at: Vec<StateDir> },
}

fn places(looked_at: &[StateDir]) -> String {
    let lines: Vec<String> =
        looked_at.iter().map(|place| format!("  {} ({})", place.path.display(), place.found_by)).collect();
    if lines.is_empty() { "  nothing: HOME is not set".to_owned() } else { lines.join("\n") }
}

impl Scope {
    /// The scope of `[PATH…]` and `--state-dir`; with neither, the installs are found as OpenClaw finds them.
    pub fn resolve(paths: &[PathBuf], state_dirs: &[PathBuf], view: &SystemView) -> Result<Self, ScopeError> {
        if paths.is_empty() && state_dirs.is_empty() {
            let discovery = discover(&Environment::of_this_process(), view);
            if discovery.found.is_empty() {
                return Err(ScopeError::NothingFound { looked_at: discovery.looked_at });
            }
            let targets =
                discovery.found.into_iter().map(|found| Target::State { path: found.path, only: None });
            return Ok(Self { targets: targets.collect() });
        }
        let mut targets = Vec::new();
        for path in state_dirs {
            existing_directory(path)?;
            targets.push(Target::State { path: path.clone(), only: None });
        }
        for path in paths {
            targets.push(target_of(path)?);
        }
        targets.dedup();
        Ok(Self { targets })
    }
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

fn target_of(path: &Path) -> Result<Target, ScopeError> {
    let metadata = std::fs::symlink_metadata(path).map_err(|error| problem(path, &error.to_string()))?;
    let absolute = std::path::absolute(path).map_err(|error| problem(path, &error.to_string()))?;
    let is_lock = absolute.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.ends_with(".lock") || name.ends_with(".reclaim") || name.ends_with(".lock.sqlite")
    });
    let is_directory = metadata.is_dir() || (metadata.is_symlink() && path.is_dir());
    if !is_lock && !is_directory {
        return Err(problem(path, "is neither a directory nor a lock"));
    }
    if let Some(state) = state_dir_around(&absolute) {
        let only = (state != absolute).then_some(absolute);
        return Ok(Target::State { path: state, only });
    }
    if is_lock {
        let directory = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        return Ok(Target::Sessions { path: directory, only: Some(absolute) });
    }
    if absolute.join("agents").is_dir() || has_config(&absolute) {
        return Ok(Target::State { path: absolute, only: None });
    }
    Ok(Target::Sessions { path: absolute, only: None })
}

fn has_config(path: &Path) -> bool {
    ["openclaw.json", "clawdbot.json"].iter().any(|name| path.join(name).exists())
}

/// The state directory that `path` lies in, recognised by `agents/<id>` on the way, or the path itself.
fn state_dir_around(path: &Path) -> Option<PathBuf> {
    if path.join("agents").is_dir() {
        return Some(path.to_owned());
    }
    let mut below = path;
    while let Some(parent) = below.parent() {
        if parent.file_name().is_some_and(|name| name == "agents") {
            return parent.parent().map(Path::to_owned);
        }
        let holds_agents = parent.join("agents").is_dir() && has_config(parent);
        if holds_agents {
            return Some(parent.to_owned());
        }
        below = parent;
    }
    None
}
