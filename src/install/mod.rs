//! One state directory: its configuration, version and era, its agents and where their sessions lie.

pub mod config;
pub mod discover;
pub mod gateway;
pub mod sessions;
pub mod trace;

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use serde_json::Value;

use self::config::{Config, Environment, Links, expand_home, read_json5};
use self::gateway::Gateway;
use crate::evidence::directory::Directory;
use crate::evidence::view::SystemView;
use crate::leases;
use crate::openclaw::names::{CONFIGURATIONS, STORE};
use crate::openclaw::version::{Era, Version};

/// An install of OpenClaw, as far as it can be seen.
#[derive(Debug)]
pub struct Install {
    pub root: Rc<Directory>,
    pub config: Config,
    pub config_path: PathBuf,
    pub gateway: Gateway,
    pub version: Option<Version>,
    pub era: Era,
    cron_timeouts: OnceCell<HashMap<String, Duration>>,
}

impl Install {
    /// Opens the state directory at `path`.
    pub fn open(path: &Path, view: &mut SystemView) -> Result<Self, Errno> {
        Self::open_with_databases(path, view).map(|(install, _)| install)
    }

    /// Opens it, and hands over what its databases held: they tell the era, and there is no need to read them again
    /// for what else they tell.
    pub fn open_with_databases(path: &Path, view: &mut SystemView) -> Result<(Self, leases::Survey), Errno> {
        let root = Rc::new(Directory::open_root(path)?);
        let own = Environment::of_this_process();
        let (config_path, links) = config_path(&root, &own);
        let gateway = gateway::detect(&root, &config_path, view);
        // The gateway's own variables decide where it runs with others than this shell.
        let of_gateway = gateway.pid.and_then(Environment::of_process);
        let environment = of_gateway.unwrap_or_else(|| own.as_owner_of(&root.path));
        let config = Config::read(&config_path, links, &environment);
        let databases = leases::survey(&root.path, leases::Sessions::Running);
        let leases::Origin { era, app_version } = leases::origin(&root.path, &databases);
        let of_databases = app_version.and_then(|text| text.parse::<Version>().ok());
        // Every command that saves the configuration signs it, and every migration its databases: the younger
        // version is the one in use.
        let version = config.version.clone().max(of_databases);
        let era = era_of(era, version.as_ref());
        let cron_timeouts = OnceCell::new();
        Ok((Self { root, config, config_path, gateway, version, era, cron_timeouts }, databases))
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

    /// The sessions directories that `session.store` names, where they lie elsewhere.
    pub fn moved_sessions(&self, agents: &[String]) -> Vec<MovedSessions> {
        let Some(pattern) = &self.config.session_store else { return Vec::new() };
        let pattern = self.root.path.join(pattern);
        let text = pattern.to_string_lossy();
        let mut stores = Vec::new();
        if let Some((before, _)) = text.split_once("{agentId}") {
            let mut ids: BTreeSet<String> = agents.iter().cloned().collect();
            // An agent may have left nothing but its sessions.
            ids.extend(before.ends_with('/').then(|| names_in(Path::new(before))).into_iter().flatten());
            stores
                .extend(ids.into_iter().map(|id| (PathBuf::from(text.replace("{agentId}", &id)), Some(id))));
        } else {
            stores.push((pattern.clone(), None));
        }
        let usual = |agent: &Option<String>| {
            agent.as_ref().map(|id| self.root.path.join("agents").join(id).join("sessions"))
        };
        let moved = stores.into_iter().filter_map(|(store, agent)| {
            let path = store.parent()?.to_owned();
            let store = store.file_name()?.to_string_lossy().into_owned();
            let is_usual = usual(&agent).is_some_and(|usual| usual == path) && store == STORE;
            (!is_usual).then_some(MovedSessions { path, store, agent })
        });
        moved.collect()
    }

    /// The time limit of the cron job whose session `key` is (`payload.timeoutSeconds` in `cron/jobs.json`).
    pub fn cron_timeout(&self, key: &str) -> Option<Duration> {
        let mut parts = key.split(':').skip_while(|part| *part != "cron");
        parts.next()?;
        self.cron_timeouts.get_or_init(|| self.read_cron_timeouts()).get(parts.next()?).copied()
    }

    fn read_cron_timeouts(&self) -> HashMap<String, Duration> {
        let default = self.root.path.join("cron").join("jobs.json");
        let path = self.config.cron_store.clone().unwrap_or(default);
        let store = read_json5(&path, Links::Refuse).ok().flatten().unwrap_or_default();
        let timeout_of = |job: &Value| {
            let id = job.get("id")?.as_str()?.to_owned();
            let seconds = job.get("payload")?.get("timeoutSeconds")?.as_f64().filter(|s| *s > 0.0)?;
            Some((id, Duration::try_from_secs_f64(seconds).ok()?))
        };
        let jobs = store.get("jobs").and_then(Value::as_array);
        jobs.into_iter().flatten().filter_map(timeout_of).collect()
    }
}

/// A sessions directory outside of its usual place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedSessions {
    pub path: PathBuf,
    /// The name of the session store in it.
    pub store: String,
    /// `None`: every agent keeps its sessions there.
    pub agent: Option<String>,
}

fn names_in(directory: &Path) -> Vec<String> {
    let names = Directory::open_root(directory).and_then(|directory| directory.subdirectories());
    names.unwrap_or_default().into_iter().filter_map(|name| name.into_string().ok()).collect()
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
    let existing =
        CONFIGURATIONS.iter().map(|name| root.path.join(name)).find(|path| path.symlink_metadata().is_ok());
    (existing.unwrap_or_else(|| root.path.join(CONFIGURATIONS[0])), Links::Refuse)
}

fn explicit_state_dir_is(root: &Directory, environment: &Environment) -> bool {
    ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR"]
        .iter()
        .find_map(|name| environment.get(name))
        .is_some_and(|dir| expand_home(dir, environment) == root.path)
}

/// What the databases hold decides; the version that wrote the configuration last stands in where they do not
/// tell. An install that was updated but not started yet still is of the era its files are of.
fn era_of(databases: leases::Era, version: Option<&Version>) -> Era {
    match (databases, version) {
        (leases::Era::File, _) => Era::File,
        (leases::Era::Sqlite, _) => Era::Sqlite,
        (leases::Era::Unknown(_), Some(version)) if version.at_least(8, 1) => Era::Sqlite,
        (leases::Era::Unknown(_), Some(_)) => Era::File,
        (leases::Era::Unknown(_), None) => Era::Unknown,
    }
}
