//! Is the gateway of a state directory running? Answered from its own lock with the lease probe first, then
//! from `/proc`. Process titles overwrite the command line, so names are matched, not arguments.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::io::Errno;
use serde::Serialize;

use super::environment::{Environment, home};
use crate::clock::Now;
use crate::evidence::directory::Directory;
use crate::evidence::lease::Writer;
use crate::evidence::lockfile::{Look, PinnedLock};
use crate::evidence::pid_domain::{Census, Named};
use crate::evidence::process::{Owner, Process, look_up, read_proc};
use crate::evidence::view::SystemView;
use crate::evidence::{Content, Payload, StartTicks};
use crate::openclaw::lock_kind::{LockKind, Place, recognise};
use crate::openclaw::version::Era;
use crate::peek::held;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum GatewayState {
    Running,
    /// Its process is there, and has not taken its lock yet.
    Starting,
    Down,
    Unknown,
}

impl GatewayState {
    pub const ALL: [Self; 4] = [Self::Running, Self::Starting, Self::Down, Self::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Starting => "starting",
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
    /// How long it had run when it was looked at.
    pub up: Option<Duration>,
    pub started_at: Option<DateTime<Utc>>,
    pub port: Option<u16>,
    /// How it is known.
    pub how: &'static str,
    /// By its own lock, which it has open: its number in its own PID namespace, and when it started.
    pub number: Option<Named>,
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
        let numbering = Numbering::Other;
        Self { state, pid: None, up: None, started_at: None, port: None, how, number: None, numbering }
    }

    fn of_process(
        state: GatewayState,
        process: &Process,
        now: &Now,
        numbering: Numbering,
        how: &'static str,
    ) -> Self {
        let started_at = process.started_at(now.booted_at());
        let up = now.since(started_at);
        let pid = Some(process.pid);
        Self { state, pid, up, started_at: Some(started_at), port: None, how, number: None, numbering }
    }

    /// What is known of it once the era of its databases is: from 2026.8.1 on a gateway has its lock for as long as it
    /// runs, and one that has none is starting.
    #[must_use]
    pub fn in_era(self, era: Era) -> Self {
        let fresh = era == Era::Unknown && self.up.is_some_and(|up| up < FIRST_START);
        if self.how == WITHOUT_LOCK && (era == Era::Sqlite || fresh) {
            return Self { state: GatewayState::Starting, how: TAKES_LOCK, ..self };
        }
        self
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
    pub fn uses(&self, root: &Directory) -> bool {
        let seen_by_it = |dir: &Path| format!("/proc/{}/root{}", self.process.pid, dir.display());
        self.state_dirs()
            .iter()
            .any(|dir| same_directory(Path::new(&seen_by_it(dir)), root) || same_directory(dir, root))
    }

    /// Its name says that it is a gateway, or may be one; `openclaw-doctor` and the other commands are none.
    fn is_gateway(&self, era: LockEra) -> bool {
        let comm = self.process.comm.as_str();
        // Cut to 15 bytes by the kernel.
        let named = PROGRAMS.iter().any(|name| {
            comm.strip_prefix(name).is_some_and(|rest| rest.starts_with("-gatewa"))
                // Gateways of 2026.5 call themselves no more than this, as do the commands that start newer ones.
                || era == LockEra::Shared && comm == *name
        });
        named || started_plainly(comm, self.process.pid)
    }

    /// State directories this gateway may use, the explicit one first.
    pub fn state_dirs(&self) -> Vec<PathBuf> {
        let Some(environment) = &self.environment else { return Vec::new() };
        let explicit = ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR"];
        if let Some(dir) = explicit.iter().find_map(|name| environment.get(name)) {
            return vec![super::environment::expand_home(dir, environment)];
        }
        let Some(home) = home(environment) else { return Vec::new() };
        crate::openclaw::names::STATE_DIRECTORIES.iter().map(|name| home.join(name)).collect()
    }
}

/// It makes its databases before anything else.
const FIRST_START: Duration = Duration::from_secs(90);
const WITHOUT_LOCK: &str = "a process of OpenClaw uses this state directory";
const TAKES_LOCK: &str = "its process is there, and has not taken its lock yet";

const PROGRAMS: [&str; 3] = ["openclaw", "clawdbot", "moltbot"];

/// Where gateways keep their locks: it tells what a process without one can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockEra {
    /// In a temporary directory (to 2026.7.35).
    Shared,
    /// Below the state directory, always (from 2026.8.1).
    Own,
}

/// Whether some process holds the state directory's own coordinator, which a gateway does for as long as it lives. The
/// file beside the lock is permanent: it stays when gateways come and go.
fn coordinator(root: &Directory) -> (LockEra, Coordinator) {
    let asked = uids(root).into_iter().filter_map(|uid| {
        let file = own_locks(uid).join(STATE_COORDINATOR);
        let [holds] = held::below(&root.path, &file, [held::DATABASE])?;
        Some(holds.is_empty())
    });
    match asked.reduce(|all, free| all && free) {
        None => (LockEra::Shared, Coordinator::Unknown),
        Some(true) => (LockEra::Own, Coordinator::Free),
        Some(false) => (LockEra::Own, Coordinator::Held),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coordinator {
    Free,
    Held,
    Unknown,
}

/// The lock that a gateway has open for as long as it runs, from 2026.8.1 on.
pub const STATE_LOCK: &str = "gateway.state.lock";

/// Its coordinator, beside it.
pub const STATE_COORDINATOR: &str = "gateway.state.lock.sqlite";

/// Where the gateways of `uid` keep their locks below the state directory.
pub fn own_locks(uid: u32) -> PathBuf {
    Path::new("tmp").join(format!("openclaw-{uid}"))
}

/// Before it sets its title a gateway is a plain `node` (its main thread `MainThread` in newer Node).
fn started_plainly(comm: &str, pid: u32) -> bool {
    matches!(comm, "node" | "MainThread" | "nodejs")
        && read_proc(pid, "cmdline").is_some_and(|line| is_gateway_command(&line))
}

/// Every OpenClaw process of the census, whatever it does.
pub fn openclaw_processes(census: &Census) -> Vec<RunningGateway> {
    let found = census.processes.iter().filter_map(|resident| {
        let comm = resident.comm.as_str();
        let named = PROGRAMS.iter().any(|name| comm.starts_with(name));
        if !named && !started_plainly(comm, resident.pid) {
            return None;
        }
        let Owner::Alive(process) = look_up(resident.pid) else { return None };
        let numbering = if resident.nested_pid.is_none() { Numbering::Ours } else { Numbering::Other };
        let environment = Environment::of_process(process.pid);
        // One that ends meanwhile can be read no more, and is no gateway either.
        if environment.is_none() && !matches!(look_up(resident.pid), Owner::Alive(_)) {
            return None;
        }
        Some(RunningGateway { process, environment, numbering })
    });
    found.collect()
}

fn is_gateway_command(cmdline: &str) -> bool {
    let mut arguments = cmdline.split('\0');
    let package = arguments.any(|a| PROGRAMS.iter().any(|name| a.contains(name)));
    package && cmdline.split('\0').any(|argument| argument == "gateway")
}

/// Looks for the gateway of the state directory `root`, whose configuration is at `config_path`.
pub fn detect(root: &Directory, config_path: &Path, view: &mut SystemView) -> Gateway {
    let locks = gateway_locks(root);
    let (mut lock_left_behind, mut cannot_ask) = (false, !locks.unseen.is_empty());
    for (directory, name) in locks.found {
        let lock = match PinnedLock::look(&directory, &name) {
            Ok(Look::Pinned(lock)) => lock,
            Ok(_) => continue,
            Err(_) => {
                cannot_ask = true;
                continue;
            }
        };
        let Content::Parsed(payload) = lock.content() else { continue };
        if !names_install(&payload, &directory, root, config_path) {
            continue;
        }
        match lock.probe_writer(&mut view.leases) {
            // Another command that keeps gateways out: it is no gateway.
            Writer::Open if payload.gateway.as_ref().is_some_and(|of| of.role.is_some()) => {}
            Writer::Open => return holder(&payload, view),
            Writer::NoneOpen => lock_left_behind = true,
            Writer::Unknown(_) => cannot_ask = true,
        }
    }
    from_proc(root, view, lock_left_behind, cannot_ask)
}

/// The gateway that has this lock open.
fn holder(payload: &Payload, view: &mut SystemView) -> Gateway {
    let port = payload.gateway.as_ref().and_then(|of| of.port);
    let same = |process: &Process, shifted: bool| {
        shifted || payload.start_ticks.is_none_or(|ticks| ticks == process.start_ticks)
    };
    let shifted = view.namespaces.start_ticks == StartTicks::Shifted;
    let owner = view.processes.owner(payload.pid);
    if let Some(process) = owner.process().filter(|process| same(process, shifted)) {
        let how = "it holds its own lock";
        let running = GatewayState::Running;
        return Gateway { port, ..Gateway::of_process(running, process, &view.now, Numbering::Ours, how) };
    }
    let how = "it holds its own lock, from another PID namespace";
    let nested = view.census().in_nested_namespaces(payload.pid).find_map(|pid| match look_up(pid) {
        Owner::Alive(process) if payload.start_ticks.is_some() && same(&process, false) => Some(process),
        _ => None,
    });
    let gateway = match nested {
        Some(process) => {
            Gateway::of_process(GatewayState::Running, &process, &view.now, Numbering::Other, how)
        }
        None => Gateway::without_process(GatewayState::Running, how),
    };
    // Its start tick is the kernel's own count, wherever it was read, but for another time namespace.
    let number = Some(Named::by(payload, view.now.booted_at())).filter(|_| !shifted);
    Gateway { port, number, ..gateway }
}

fn from_proc(root: &Directory, view: &mut SystemView, lock_left_behind: bool, cannot_ask: bool) -> Gateway {
    let (era, coordinator) = coordinator(root);
    let mut running = openclaw_processes(view.census());
    running.retain(|gateway| gateway.is_gateway(era));
    if let Some(gateway) = running.iter().find(|gateway| gateway.uses(root)) {
        let (state, how) = match era {
            LockEra::Own if !cannot_ask => (GatewayState::Starting, TAKES_LOCK),
            LockEra::Shared if !cannot_ask => (GatewayState::Running, WITHOUT_LOCK),
            _ => (
                GatewayState::Running,
                "a process of OpenClaw uses this state directory; its lock cannot be asked",
            ),
        };
        return Gateway::of_process(state, &gateway.process, &view.now, gateway.numbering, how);
    }
    if running.iter().any(|gateway| gateway.environment.is_none()) {
        return Gateway::without_process(
            GatewayState::Unknown,
            "an OpenClaw process runs, but its state directory cannot be read",
        );
    }
    // The kernel answers for the coordinator wherever its holder runs.
    let answered = coordinator == Coordinator::Free && !cannot_ask;
    let all_visible = view.namespaces.in_initial_pid_namespace && view.namespaces.proc_is_complete;
    if !answered && !all_visible {
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

/// The gateway locks that may belong to an install.
#[derive(Debug, Default)]
pub struct GatewayLocks {
    pub found: Vec<(Arc<Directory>, OsString)>,
    /// Directories that are there and could not be looked at.
    pub unseen: Vec<(PathBuf, Errno)>,
}

/// The gateway locks that may belong to `root`: in the temporary directories up to 2026.7.35, below the
/// state directory from 2026.8.1.
pub fn gateway_locks(root: &Directory) -> GatewayLocks {
    let mut locks = GatewayLocks::default();
    for uid in uids(root) {
        let relative = own_locks(uid);
        locks.collect(root.open_beneath(&relative), || root.path.join(&relative));
    }
    for (path, uid) in shared_lock_directories(root) {
        locks.collect(open_shared(&path, uid), || path.clone());
    }
    locks
}

impl GatewayLocks {
    fn collect(&mut self, opened: Result<Directory, Errno>, path: impl FnOnce() -> PathBuf) {
        let listed = opened.and_then(|directory| {
            let mut names = Vec::new();
            directory.for_each_entry(|name, _| {
                if recognise(Place::GatewayTmp, name) == Some(LockKind::Gateway) {
                    names.push(OsStr::from_bytes(name).to_owned());
                }
            })?;
            Ok((Arc::new(directory), names))
        });
        match listed {
            Ok((directory, names)) => {
                self.found.extend(names.into_iter().map(|name| (Arc::clone(&directory), name)));
            }
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => self.unseen.push((path(), error)),
        }
    }
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

/// The users whose gateway may run on `root`: its owner, the owner of its databases, and ourselves. A
/// volume may belong to root, and what is in it to the gateway's user.
pub fn uids(root: &Directory) -> Vec<u32> {
    let of_databases = root.open_beneath(Path::new("state")).ok().map(|state| state.uid);
    let ours = rustix::process::geteuid().as_raw();
    let mut uids = vec![root.uid];
    for uid in of_databases.into_iter().chain([ours]) {
        if !uids.contains(&uid) {
            uids.push(uid);
        }
    }
    uids
}
