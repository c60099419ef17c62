//! One state directory: its configuration, version and era, its agents and where their sessions lie.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use serde_json::Value;

use super::config::{Config, Environment, Links, expand_home, read_json5};
use super::gateway::{self, Gateway};
use super::version::{Era, Version};
use crate::evidence::directory::Directory;
use crate::evidence::view::SystemView;

/// An install of OpenClaw, as far as it can be seen.
#[derive(Debug)]
pub struct Install {
    pub root: Rc<Directory>,
    pub config: Config,
    pub config_path: PathBuf,
    pub gateway: Gateway,
    pub version: Option<Version>,
    pub era: Era,
}

impl Install {
    /// Opens the state directory at `path`.
    pub fn open(path: &Path, view: &mut SystemView) -> Result<Self, Errno> {
        let root = Rc::new(Directory::open_root(path)?);
        let own = Environment::of_this_process();
        let (config_path, links) = config_path(&root, &own);
        let gateway = gateway::detect(&root, &config_path, view);
        // The gateway's own variables decide where it runs with others than this shell.
        let environment = gateway.pid.and_then(Environment::of_process).unwrap_or(own);
        let config = Config::read(&config_path, links, &environment);
        let version = config.version.clone();
        let era = era_of(&root, version.as_ref());
        Ok(Self { root, config, config_path, gateway, version, era })
    }

    /// The names of the agents, sorted.
    pub fn agents(&self) -> Result<Vec<String>, Errno> {
        match self.root.open_beneath(Path::new("agents")) {
            Ok(agents) => {
                let names = agents.subdirectories()?;
                Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
            }
            Err(Errno::NOENT) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The sessions directory that `session.store` names for `agent`, if it lies elsewhere.
    pub fn moved_sessions(&self, agent: &str) -> Option<PathBuf> {
        let store = self.config.session_store.as_deref()?.replace("{agentId}", agent);
        let path = expand_home(&store, &Environment::of_this_process());
        let path = if path.is_absolute() { path } else { self.root.path.join(path) };
        let directory = path.parent()?.to_owned();
        let usual = self.root.path.join("agents").join(agent).join("sessions");
        (directory != usual).then_some(directory)
    }

    /// The time limit of the cron job whose session `key` is (`payload.timeoutSeconds` in `cron/jobs.json`).
    pub fn cron_timeout(&self, key: &str) -> Option<Duration> {
        let mut parts = key.split(':').skip_while(|part| *part != "cron");
        parts.next()?;
        let id = parts.next()?;
        let default = self.root.path.join("cron").join("jobs.json");
        let path = self.config.cron_store.clone().unwrap_or(default);
        let store = read_json5(&path, Links::Refuse).ok()??;
        let jobs = store.get("jobs").and_then(Value::as_array)?;
        let job = jobs.iter().find(|job| job.get("id").and_then(Value::as_str) == Some(id))?;
        let seconds = job.get("payload")?.get("timeoutSeconds")?.as_f64().filter(|s| *s > 0.0)?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// As OpenClaw finds it: the variable, else the first name that exists, else the current name.
fn config_path(root: &Directory, environment: &Environment) -> (PathBuf, Links) {
    let named =
        ["OPENCLAW_CONFIG_PATH", "CLAWDBOT_CONFIG_PATH"].iter().find_map(|name| environment.get(name));
    if let Some(named) = named {
        let path = expand_home(named, environment);
        // It belongs to the install that the environment means, not to every one on the machine.
        if path.parent().is_some_and(|parent| parent == root.path) || explicit_state_dir_is(root, environment)
        {
            return (path, Links::Follow);
        }
    }
    let names = ["openclaw.json", "clawdbot.json", "moltbot.json", "moldbot.json"];
    let existing = names.iter().map(|name| root.path.join(name)).find(|path| path.symlink_metadata().is_ok());
    (existing.unwrap_or_else(|| root.path.join(names[0])), Links::Refuse)
}

fn explicit_state_dir_is(root: &Directory, environment: &Environment) -> bool {
    ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR"]
        .iter()
        .find_map(|name| environment.get(name))
        .is_some_and(|dir| expand_home(dir, environment) == root.path)
}

fn era_of(root: &Directory, version: Option<&Version>) -> Era {
    match version {
        Some(version) if version.at_least(8, 1) => Era::Sqlite,
        Some(_) => Era::File,
        None if has_file_store(root) => Era::File,
        None => Era::Unknown,
    }
}

fn has_file_store(root: &Directory) -> bool {
    let Ok(agents) = root.open_beneath(Path::new("agents")) else { return false };
    agents.subdirectories().unwrap_or_default().into_iter().any(|agent| {
        let store = Path::new(&agent).join("sessions").join("sessions.json");
        rustix::fs::statat(&agents, &store, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok()
    })
}
