//! Where OpenClaw keeps its state on this machine: found as OpenClaw finds it, and in the environment of
//! gateways that run. Links left by its own migrations are followed once; duplicates are one install.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::environment::{Environment, expand_home, home};
use super::gateway::openclaw_processes;
use crate::evidence::view::SystemView;

/// A state directory, and why it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    pub path: PathBuf,
    pub found_by: String,
    /// Another user, whose process alone led here: shown, and acted on only when it is named.
    pub of_user: Option<u32>,
}

/// A gateway in a container, whose state directory is not among those that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contained {
    pub pid: u32,
    /// As it is reached from here.
    pub path: PathBuf,
}

/// What was found, and every place that was looked at.
#[derive(Debug, Default)]
pub struct Discovery {
    pub found: Vec<StateDir>,
    pub looked_at: Vec<StateDir>,
    pub contained: Vec<Contained>,
}

/// Looks in the places of every version: 1.24 `config/paths.js:16-47` to 9.6 `paths-DehQwyE0.mjs:52-312`.
pub fn discover(environment: &Environment, view: &SystemView) -> Discovery {
    let mut places = named_by(environment, "");
    if let Some(home) = home(environment) {
        places.extend(below_home(&home));
    }
    let ours = rustix::process::geteuid().as_raw();
    let mut in_containers = Vec::new();
    for gateway in openclaw_processes(view.census()) {
        let pid = gateway.process.pid;
        let found_by = format!("the environment of {} (pid {pid})", gateway.process.comm);
        let user = std::fs::metadata(format!("/proc/{pid}")).map_or(ours, |process| process.uid());
        for path in gateway.state_dirs() {
            let inside = PathBuf::from(format!("/proc/{pid}/root{}", path.display()));
            match (identity(&inside), identity(&path)) {
                (Some(there), here) if Some(there) != here => {
                    in_containers.push((there, Contained { pid, path: inside }));
                }
                // Where another user's process says that it keeps its state, that user has to own it.
                (_, here) if user == ours || user == 0 || here.is_none() || owner(&path) == Some(user) => {
                    let of_user = (user != ours).then_some(user);
                    places.push(StateDir { path, found_by: found_by.clone(), of_user });
                }
                _ => {}
            }
        }
    }
    let mut discovery = Discovery::default();
    let mut seen = HashSet::new();
    for place in places {
        if let Some(identity) = identity(&place.path)
            && seen.insert(identity)
        {
            discovery.found.push(StateDir { path: real(&place.path), ..place.clone() });
        }
        if !discovery.looked_at.contains(&place) {
            discovery.looked_at.push(place);
        }
    }
    let unseen = in_containers.into_iter().filter(|(identity, _)| seen.insert(*identity));
    discovery.contained = unseen.map(|(_, contained)| contained).collect();
    discovery
}

/// What makes a directory the same one under two names. (Below `/proc/PID/root` a path resolves to another's.)
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino()))
}

fn owner(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|metadata| metadata.uid())
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn named_by(environment: &Environment, whose: &str) -> Vec<StateDir> {
    let variables = ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR"];
    let named = variables.iter().filter_map(|name| {
        let path = expand_home(environment.get(name)?, environment);
        Some(StateDir { path, found_by: format!("{name}{whose}"), of_user: None })
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
        .map(|name| StateDir {
            path: home.join(name),
            found_by: "the home directory".to_owned(),
            of_user: None,
        })
        .collect()
}
