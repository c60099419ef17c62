//! Where OpenClaw keeps its state on this machine: found as OpenClaw finds it, and in the environment of
//! gateways that run. Links left by its own migrations are followed once; duplicates are one install.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::config::{Environment, expand_home, home};
use super::gateway::openclaw_processes;
use crate::evidence::view::SystemView;

/// A state directory, and why it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    pub path: PathBuf,
    pub found_by: String,
}

/// What was found, and every place that was looked at.
#[derive(Debug, Default)]
pub struct Discovery {
    pub found: Vec<StateDir>,
    pub looked_at: Vec<StateDir>,
}

/// Looks in the places of every version: 1.24 `config/paths.js:16-47` to 9.6 `paths-DehQwyE0.mjs:52-312`.
pub fn discover(environment: &Environment, view: &SystemView) -> Discovery {
    let mut places = named_by(environment, "");
    if let Some(home) = home(environment) {
        places.extend(below_home(&home));
    }
    for gateway in openclaw_processes(view.census()) {
        let found_by = format!("the environment of {} (pid {})", gateway.process.comm, gateway.process.pid);
        places.extend(
            gateway.state_dirs().into_iter().map(|path| StateDir { path, found_by: found_by.clone() }),
        );
    }
    let mut discovery = Discovery::default();
    let mut seen = HashSet::new();
    for place in places {
        if let Ok(metadata) = std::fs::metadata(&place.path)
            && metadata.is_dir()
            && seen.insert((metadata.dev(), metadata.ino()))
        {
            discovery.found.push(StateDir { path: real(&place.path), ..place.clone() });
        }
        if !discovery.looked_at.contains(&place) {
            discovery.looked_at.push(place);
        }
    }
    discovery
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn named_by(environment: &Environment, whose: &str) -> Vec<StateDir> {
    let variables = ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR"];
    let named = variables.iter().filter_map(|name| {
        let path = expand_home(environment.get(name)?, environment);
        Some(StateDir { path, found_by: format!("{name}{whose}") })
    });
    named.collect()
}

/// `~/.openclaw`, its profiles `~/.openclaw-NAME`, and the names of earlier versions.
fn below_home(home: &Path) -> Vec<StateDir> {
    let mut names: Vec<String> = crate::openclaw::names::STATE_DIRECTORIES.map(str::to_owned).to_vec();
    let mut profiles: Vec<String> = std::fs::read_dir(home)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(".openclaw-") || name.starts_with(".clawdbot-"))
        .collect();
    profiles.sort_unstable();
    names.append(&mut profiles);
    names
        .into_iter()
        .map(|name| StateDir { path: home.join(name), found_by: "the home directory".to_owned() })
        .collect()
}
