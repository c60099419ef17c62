//! Which process holds OpenClaw's coordinators and databases, asked of the kernel (`F_GETLK`); nothing is taken.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::evidence::process::{Owner, look_up, read_proc};
use crate::evidence::view::SystemView;
use crate::install::Install;
use crate::install::gateway::{STATE_COORDINATOR, openclaw_processes, own_locks, uids};
use crate::leases::holders::{Holder, HolderProcess, Log, Thing};
use crate::leases::{self, agent_db, state_db};
use crate::peek::Sizes;
use crate::peek::held::{self, Hold};

/// OpenClaw writes a log back at 4 MB; one that is larger is kept by a reader, or is about to be.
const LARGE_LOG: u64 = 5_000_000;
/// No healthy read of OpenClaw's takes so long.
const LONG_READ: Duration = Duration::from_millis(200);

/// Everything of `install` that some process holds.
pub fn look(install: &Install, view: &SystemView) -> Vec<Holder> {
    let mut holders = Vec::new();
    let state = &install.root.path;
    for uid in uids(&install.root) {
        let file = own_locks(uid).join(STATE_COORDINATOR);
        add(&mut holders, Thing::GatewayLock, state, &file, view);
    }
    holders.extend(of_starts(install, view));
    holders
}

/// The coordinators outside the state directory. A process that starts, runs or changes the install holds one of them.
pub fn of_starts(install: &Install, view: &SystemView) -> Vec<Holder> {
    let mut holders = Vec::new();
    let state = &install.root.path;
    let state = std::fs::canonicalize(state).unwrap_or_else(|_| state.clone());
    coordinators(&mut holders, Path::new("/tmp"), &state, install, view);
    // A container has a /tmp of its own, and another name for the directory.
    for process in openclaw_processes(view.census()) {
        let base = PathBuf::from(format!("/proc/{}/root/tmp", process.process.pid));
        if !same_directory(&base, Path::new("/tmp")) && process.uses(&install.root) {
            for seen_as in process.state_dirs() {
                coordinators(&mut holders, &base, &seen_as, install, view);
            }
        }
    }
    holders
}

fn coordinators(holders: &mut Vec<Holder>, base: &Path, state: &Path, install: &Install, view: &SystemView) {
    let database = state.join("state").join(state_db::NAME);
    let hash = short_hash(&database);
    for uid in uids(&install.root) {
        let directory = base.join(format!("openclaw-state-locks-{uid}"));
        // Everybody can write to /tmp: another user's directory of this name says nothing.
        if !std::fs::symlink_metadata(&directory).is_ok_and(|meta| meta.is_dir() && meta.uid() == uid) {
            continue;
        }
        for thing in Thing::COORDINATORS {
            let file = PathBuf::from(format!("{}.{hash}.lock.sqlite", thing.as_str()));
            add(holders, thing, &directory, &file, view);
        }
    }
}

fn add(holders: &mut Vec<Holder>, thing: Thing, directory: &Path, file: &Path, view: &SystemView) {
    let Some([holds]) = held::below(directory, file, [held::DATABASE]) else { return };
    for process in by_process(&holds, view) {
        let pid = |process: &Option<HolderProcess>| process.as_ref().map(|process| process.pid);
        // Each process of a container has its own way to the same file.
        if holders.iter().all(|known| known.thing != thing || pid(&known.process) != pid(&process)) {
            holders.push(Holder { thing, file: directory.join(file), process });
        }
    }
}

/// Whether to look twice at those who read, which takes a fifth of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    LookTwice,
    LookOnce,
}

/// The logs of the databases that were read, and who keeps them.
pub fn logs(databases: &leases::Survey, root: &Path, readers: Readers, view: &SystemView) -> Vec<Log> {
    let shared = databases
        .state
        .as_ref()
        .ok()
        .map(|state| (PathBuf::from("state").join(state_db::NAME), None, state.sizes));
    let of_agents = databases.agents.iter().filter_map(|(agent, database)| {
        let file = Path::new("agents").join(agent).join("agent").join(agent_db::NAME);
        Some((file, Some(agent.clone()), database.as_ref().ok()?.sizes))
    });
    shared
        .into_iter()
        .chain(of_agents)
        .map(|(file, agent, sizes)| log(root, &file, agent, sizes, readers, view))
        .collect()
}

fn log(
    root: &Path,
    file: &Path,
    agent: Option<String>,
    sizes: Sizes,
    readers: Readers,
    view: &SystemView,
) -> Log {
    let mut shm = file.as_os_str().to_owned();
    shm.push("-shm");
    let shm = Path::new(&shm);
    // A connection keeps a lock on the database itself, and in WAL mode one on the `-shm` as well.
    let open = held::below(root, file, [held::DATABASE]).map(|[mut holds]| {
        holds.extend(held::below(root, shm, [held::WAL_OPEN]).into_iter().flatten().flatten());
        by_process(&holds, view)
    });
    let state = held::wal_state(root, file);
    let mut pinned_by = Vec::new();
    if sizes.wal_bytes >= LARGE_LOG {
        let mut old = old_readers(root, file, shm);
        if !old.is_empty() && readers == Readers::LookTwice {
            std::thread::sleep(LONG_READ);
            let still = old_readers(root, file, shm);
            old.retain(|hold| still.contains(hold));
        }
        pinned_by = by_process(&old, view).into_iter().flatten().collect();
    }
    Log { database: root.join(file), agent, sizes, state, open, pinned_by }
}

/// Readers of a state of the database that has been changed since.
fn old_readers(root: &Path, file: &Path, shm: &Path) -> Vec<Hold> {
    let Some(state) = held::wal_state(root, file) else { return Vec::new() };
    let Some([holds]) = held::below(root, shm, [held::WAL_READERS]) else { return Vec::new() };
    let slot = |hold: &Hold| hold.start.saturating_sub(held::WAL_READERS.start) as usize;
    holds.into_iter().filter(|hold| state.pins(slot(hold))).collect()
}

/// Each once, whatever it holds how often.
fn by_process(holds: &[Hold], view: &SystemView) -> Vec<Option<HolderProcess>> {
    let mut pids: Vec<Option<u32>> = holds.iter().map(|hold| hold.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().map(|pid| pid.and_then(|pid| process(pid, view))).collect()
}

fn process(pid: u32, view: &SystemView) -> Option<HolderProcess> {
    match look_up(pid) {
        Owner::Alive(process) | Owner::Zombie(process) => Some(HolderProcess {
            pid,
            name: title(pid, &process.comm),
            state: process.state,
            since: Some(process.started_at(view.now.booted_at())),
            parent: parent(pid),
        }),
        Owner::Hidden => Some(HolderProcess {
            pid,
            name: "a hidden process".to_owned(),
            state: '?',
            since: None,
            parent: None,
        }),
        _ => None,
    }
}

/// The kernel cuts the name to 15 bytes; the title has it whole.
fn title(pid: u32, comm: &str) -> String {
    let line = read_proc(pid, "cmdline").unwrap_or_default();
    let first = line.split(['\0', ' ']).next().unwrap_or_default();
    if first.starts_with(comm) && first.len() < 64 { first.to_owned() } else { comm.to_owned() }
}

fn parent(pid: u32) -> Option<u32> {
    let status = read_proc(pid, "status")?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// As OpenClaw names a coordinator after its database: the first eight digits of SHA-256.
fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(4).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn same_directory(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    id(one).is_some_and(|one| Some(one) == id(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026.9.6 made `gateway-lifecycle.0b127083.lock.sqlite` for this path.
    #[test]
    fn coordinators_are_named_as_openclaw_names_them() {
        let database = "/tmp/lab-sqlite/run/dump-2026.9.6/.openclaw/state/openclaw.sqlite";
        assert_eq!(short_hash(Path::new(database)), "0b127083");
    }
}
