//! One state directory: its configuration, version and era, its agents and where their sessions lie.

pub mod config;
mod directories;
pub mod discover;
pub mod environment;
pub mod file;
pub mod gateway;
pub mod sessions;
pub mod trace;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::config::Config;
use self::environment::{Environment, expand_home};
use self::file::{Trust, read_bounded};
use self::gateway::Gateway;
use rustix::io::Errno;
use serde::Deserialize;

use crate::evidence::directory::Directory;
use crate::evidence::view::SystemView;
use crate::leases;
use crate::openclaw::names::CONFIGURATIONS;
use crate::openclaw::version::{Era, Version};
use crate::words::path as shown;

pub use self::directories::{MovedSessions, Sessions};

const MAX_JOBS_BYTES: u64 = 4 * 1024 * 1024;

/// An install of OpenClaw, as far as it can be seen.
#[derive(Debug)]
pub struct Install {
    pub root: Arc<Directory>,
    pub config: Config,
    pub config_path: PathBuf,
    pub gateway: Gateway,
    pub version: Option<Version>,
    pub era: Era,
    cron_timeouts: OnceLock<Result<HashMap<String, Duration>, String>>,
}

impl Install {
    /// Opens the state directory at `path`.
    pub fn open(path: &Path, view: &mut SystemView) -> Result<Self, Errno> {
        Self::open_with_databases(path, view).map(|(install, _)| install)
    }

    /// Opens it, and hands over what its databases held: they tell the era, and there is no need to read them again
    /// for what else they tell.
    pub fn open_with_databases(path: &Path, view: &mut SystemView) -> Result<(Self, leases::Survey), Errno> {
        let root = Arc::new(Directory::open_root(path)?);
        let own = Environment::of_this_process();
        let (named, usual) = (named_config(&root, &own), usual_config(&root));
        let gateway = gateway::detect(&root, named.as_ref().unwrap_or(&usual), view);
        // The gateway's own variables decide where it runs with others than this shell.
        let of_gateway = gateway.pid.and_then(Environment::of_process);
        let led_to = of_gateway.as_ref().and_then(|environment| named_config(&root, environment));
        let trust = if named.is_some() { Trust::Named } else { Trust::Below(&root) };
        let config_path = named.or(led_to).unwrap_or(usual);
        let environment = of_gateway.unwrap_or_else(|| own.presumed(&root));
        let (environment, unread) = match environment.clone().with_dotenv(&root) {
            Ok(environment) => (environment, None),
            Err(why) => (environment, Some(format!(".env {why}; its variables are not known"))),
        };
        let mut config = Config::read(&config_path, trust, &environment);
        config.problems.extend(unread);
        let databases = leases::survey(&root.path, leases::Sessions::Running);
        let leases::Origin { era, app_version } = leases::origin(&root.path, &databases);
        let of_databases = app_version.and_then(|text| text.parse::<Version>().ok());
        // Every command that saves the configuration signs it, and every migration its databases: the younger
        // version is the one in use.
        let version = config.version.clone().max(of_databases);
        let era = era_of(era, version.as_ref());
        let gateway = gateway.in_era(era);
        let cron_timeouts = OnceLock::new();
        Ok((Self { root, config, config_path, gateway, version, era, cron_timeouts }, databases))
    }

    /// The time limit of the cron job whose session `key` is (`payload.timeoutSeconds` in `cron/jobs.json`).
    pub fn cron_timeout(&self, key: &str) -> Option<Duration> {
        let mut parts = key.split(':').skip_while(|part| *part != "cron");
        parts.next()?;
        let timeouts = self.cron_timeouts.get_or_init(|| self.read_cron_timeouts()).as_ref().ok()?;
        timeouts.get(parts.next()?).copied()
    }

    /// Why the time limits of cron jobs are not known, if somebody has asked for one.
    pub fn cron_problem(&self) -> Option<&str> {
        self.cron_timeouts.get()?.as_ref().err().map(String::as_str)
    }

    fn read_cron_timeouts(&self) -> Result<HashMap<String, Duration>, String> {
        let default = self.root.path.join("cron").join("jobs.json");
        let path = self.config.cron_store.clone().unwrap_or(default);
        let unknown =
            |why: &str| format!("{} {why}; the time limits of cron jobs are not known", shown(&path));
        let bytes =
            read_bounded(&path, Trust::Below(&self.root), MAX_JOBS_BYTES).map_err(|why| unknown(&why))?;
        let Some(bytes) = bytes else { return Ok(HashMap::new()) };
        let jobs: Jobs =
            serde_json::from_slice(&bytes).map_err(|_| unknown("is not the JSON of cron jobs"))?;
        let timeout_of = |job: Job| {
            let seconds = job.payload?.timeout_seconds.filter(|seconds| *seconds > 0.0)?;
            Some((job.id?, Duration::try_from_secs_f64(seconds).ok()?))
        };
        Ok(jobs.jobs.into_iter().filter_map(timeout_of).collect())
    }
}

/// `cron/jobs.json`, of which nothing else is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Jobs {
    jobs: Vec<Job>,
}

#[derive(Debug, Deserialize)]
struct Job {
    id: Option<String>,
    payload: Option<Payload>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "timeoutSeconds")]
    timeout_seconds: Option<f64>,
}

/// The configuration that a variable names.
fn named_config(root: &Directory, environment: &Environment) -> Option<PathBuf> {
    let named = ["OPENCLAW_CONFIG_PATH", "CLAWDBOT_CONFIG_PATH"];
    let path = expand_home(named.iter().find_map(|name| environment.get(name))?, environment);
    // It belongs to the install that the environment means, not to every one on the machine.
    let ours =
        path.parent().is_some_and(|parent| parent == root.path) || explicit_state_dir_is(root, environment);
    ours.then_some(path)
}

/// The first name that exists, else the current name.
fn usual_config(root: &Directory) -> PathBuf {
    let names = CONFIGURATIONS.iter().map(|name| root.path.join(name));
    let existing = names.clone().find(|path| path.symlink_metadata().is_ok());
    existing.unwrap_or_else(|| root.path.join(CONFIGURATIONS[0]))
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
