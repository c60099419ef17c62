//! Is the gateway of a state directory running? Answered from its own lock with the lease probe first, then
//! from `/proc`. Process titles overwrite the command line, so names are matched, not arguments.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use serde::Serialize;

use super::config::{Environment, home};
use crate::clock::Now;
use crate::evidence::directory::Directory;
use crate::evidence::lease::Writer;
use crate::evidence::lockfile::{Look, PinnedLock};
use crate::evidence::pid_domain::Census;
use crate::evidence::process::{Owner, Process, look_up, read_proc};
use crate::evidence::view::SystemView;
use crate::evidence::{Content, Payload, StartTicks};
use crate::openclaw::lock_kind::{LockKind, Place, recognise};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GatewayState {
    Running,
    Down,
    Unknown,
}

impl GatewayState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// The gateway of one state directory.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub state: GatewayState,
    /// Its pid in our namespace.
    pub pid: Option<u32>,
    pub up: Option<Duration>,
    pub port: Option<u16>,
    /// How it is known.
    pub how: &'static str,
    numbering: Numbering,
}

/// Where the pids count that the gateway writes into locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbering {
    Ours,
    /// In a PID namespace of its own, or not known.
    Other,
}

impl Gateway {
    fn without_process(state: GatewayState, how: &'static str) -> Self {
        Self { state, pid: None, up: None, port: None, how, numbering: Numbering::Other }
    }

    fn of_process(process: &Process, now: &Now, numbering: Numbering, how: &'static str) -> Self {
        let up = now.since(process.started_at(now.booted_at()));
        Self { state: GatewayState::Running, pid: Some(process.pid), up, port: None, how, numbering }
    }

    /// Its process is visible in our PID namespace, so pids in its locks count here.
    pub fn is_visible(&self) -> bool {
        self.pid.is_some() && self.numbering == Numbering::Ours
    }
}

/// A gateway process found in `/proc`, with the state directory that its environment names.
#[derive(Debug, Clone)]
pub struct RunningGateway {
    pub process: Process,
    pub environment: Option<Environment>,
    numbering: Numbering,
}

impl RunningGateway {
    /// Whether its own view of the file system has `root` as its state directory; a container's paths are
    /// not ours.
    fn uses(&self, root: &Directory) -> bool {
        let seen_by_it = |dir: &Path| format!("/proc/{}/root{}", self.process.pid, dir.display());
        self.state_dirs()
            .iter()
            .any(|dir| same_directory(Path::new(&seen_by_it(dir)), root) || same_directory(dir, root))
    }

    /// A command that works on a session by itself, without a gateway.
    fn is_agent_run(&self) -> bool {
        self.process.comm.ends_with("-agent")
    }

    /// State directories this gateway may use, the explicit one first.
    pub fn state_dirs(&self) -> Vec<PathBuf> {
        let Some(environment) = &self.environment else { return Vec::new() };
        let explicit = ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR"];
        if let Some(dir) = explicit.iter().find_map(|name| environment.get(name)) {
            return vec![super::config::expand_home(dir, environment)];
        }
        let Some(home) = home(environment) else { return Vec::new() };
        crate::openclaw::names::STATE_DIRECTORIES.iter().map(|name| home.join(name)).collect()
    }
}

/// Every OpenClaw process of the census.
pub fn running_gateways(census: &Census) -> Vec<RunningGateway> {
    let found = census.processes.iter().filter_map(|resident| {
        let comm = resident.comm.as_str();
        let named = ["openclaw", "clawdbot", "moltbot"].iter().any(|name| comm.starts_with(name));
        // Before it sets its title a gateway is a plain `node` (its main thread `MainThread` in newer Node).
        let started_plainly = || {
            matches!(comm, "node" | "MainThread" | "nodejs")
                && read_proc(resident.pid, "cmdline").is_some_and(|line| is_gateway_command(&line))
        };
        if !named && !started_plainly() {
            return None;
        }
        let Owner::Alive(process) = look_up(resident.pid) else { return None };
        let numbering = if resident.nested_pid.is_none() { Numbering::Ours } else { Numbering::Other };
        Some(RunningGateway { environment: Environment::of_process(process.pid), process, numbering })
    });
    found.collect()
}

fn is_gateway_command(cmdline: &str) -> bool {
    let mut arguments = cmdline.split('\0');
    let package = arguments.any(|a| ["openclaw", "clawdbot", "moltbot"].iter().any(|name| a.contains(name)));
    package && cmdline.split('\0').any(|argument| argument == "gateway")
}

/// Looks for the gateway of the state directory `root`, whose configuration is at `config_path`.
pub fn detect(root: &Directory, config_path: &Path, view: &mut SystemView) -> Gateway {
    let mut lock_left_behind = false;
    for (directory, name) in gateway_locks(root) {
        let Ok(Look::Pinned(lock)) = PinnedLock::look(&directory, &name) else { continue };
        let Content::Parsed(payload) = lock.content() else { continue };
        if !names_install(&payload, &directory, root, config_path) {
            continue;
        }
        match lock.probe_writer(&mut view.leases) {
            Writer::Open => {
                let owner = view.processes.owner(payload.pid);
                let same = owner.process().filter(|process| {
                    view.namespaces.start_ticks == StartTicks::Shifted
                        || payload.start_ticks.is_none_or(|ticks| ticks == process.start_ticks)
                });
                let mut gateway = match same {
                    Some(process) => {
                        Gateway::of_process(process, &view.now, Numbering::Ours, "it holds its own lock")
                    }
                    None => Gateway::without_process(
                        GatewayState::Running,
                        "it holds its own lock, from another PID namespace",
                    ),
                };
                gateway.port = payload.gateway.as_ref().and_then(|of| of.port);
                return gateway;
            }
            Writer::NoneOpen => lock_left_behind = true,
            Writer::Unknown(_) => {}
        }
    }
    from_proc(root, view, lock_left_behind)
}

fn from_proc(root: &Directory, view: &mut SystemView, lock_left_behind: bool) -> Gateway {
    let mut running = running_gateways(view.census());
    running.retain(|gateway| !gateway.is_agent_run());
    if let Some(gateway) = running.iter().find(|gateway| gateway.uses(root)) {
        let how = "a process of OpenClaw uses this state directory";
        return Gateway::of_process(&gateway.process, &view.now, gateway.numbering, how);
    }
    if running.iter().any(|gateway| gateway.environment.is_none()) {
        return Gateway::without_process(
            GatewayState::Unknown,
            "an OpenClaw process runs, but its state directory cannot be read",
        );
    }
    if !view.namespaces.in_initial_pid_namespace || !view.namespaces.proc_is_complete {
        return Gateway::without_process(GatewayState::Unknown, "not every process can be seen from here");
    }
    let how = if lock_left_behind { "its lock is left over" } else { "no process of OpenClaw uses it" };
    Gateway::without_process(GatewayState::Down, how)
}

/// Whether a gateway lock belongs to the install at `root`.
pub fn names_install(payload: &Payload, directory: &Directory, root: &Directory, config_path: &Path) -> bool {
    let Some(of) = &payload.gateway else { return false };
    let config = of.config_path.as_deref().map(Path::new);
    directory.path.starts_with(&root.path)
        || of.state_dir.as_deref().is_some_and(|dir| Path::new(dir) == root.path)
        || config.is_some_and(|path| path == config_path || path.parent() == Some(&root.path))
}

fn same_directory(path: &Path, root: &Directory) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (root.dev, root.ino))
}

/// The gateway locks that may belong to `root`: in the temporary directories up to 2026.7.35, below the
/// state directory from 2026.8.1.
pub fn gateway_locks(root: &Directory) -> Vec<(Rc<Directory>, std::ffi::OsString)> {
    let mut found = Vec::new();
    let mut collect = |directory: Directory| {
        let directory = Rc::new(directory);
        let mut names = Vec::new();
        let listed = directory.for_each_entry(|name, _| {
            if recognise(Place::GatewayTmp, name) == Some(LockKind::Gateway) {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        });
        if listed.is_ok() {
            found.extend(names.into_iter().map(|name| (Rc::clone(&directory), name)));
        }
    };
    for uid in uids(root) {
        if let Ok(directory) = root.open_beneath(Path::new(&format!("tmp/openclaw-{uid}"))) {
            collect(directory);
        }
    }
    for (path, uid) in shared_lock_directories(root) {
        if let Ok(directory) = open_shared(&path, uid) {
            collect(directory);
        }
    }
    found
}

/// Where gateways up to 2026.7.35 keep their locks, and the user who must own the directory: all installs of
/// a user share it.
pub fn shared_lock_directories(root: &Directory) -> Vec<(PathBuf, u32)> {
    let mut bases = vec![std::env::temp_dir()];
    if bases[0] != Path::new("/tmp") {
        bases.push(PathBuf::from("/tmp"));
    }
    let mut places = Vec::new();
    for uid in uids(root) {
        for base in &bases {
            places.extend(["openclaw", "clawdbot"].map(|name| (base.join(format!("{name}-{uid}")), uid)));
        }
    }
    places
}

/// Opens one of them. In a directory that everybody can write, another user could play our gateway.
pub fn open_shared(path: &Path, uid: u32) -> Result<Directory, Errno> {
    let (Some(base), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::NOENT) };
    let directory = Directory::open_root(base)?.open_beneath(Path::new(name))?;
    if directory.uid == uid { Ok(directory) } else { Err(Errno::NOENT) }
}

/// The users whose gateway may run on `root`: its owner, and ourselves.
fn uids(root: &Directory) -> Vec<u32> {
    let ours = rustix::process::geteuid().as_raw();
    if ours == root.uid { vec![ours] } else { vec![root.uid, ours] }
}
