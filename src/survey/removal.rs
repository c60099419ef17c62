//! Gathers what must be known before the lease of a dead gateway may be removed (`leases::gone`). Takes no lock.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType};

use super::holders;
use crate::evidence::directory::Directory;
use crate::evidence::filesystem::FsClass;
use crate::evidence::lease::SelfTest;
use crate::evidence::lockfile::{Look, PinnedLock};
use crate::evidence::mounts;
use crate::evidence::process::{Owner, look_up};
use crate::evidence::view::SystemView;
use crate::evidence::{Content, Writer};
use crate::install::Install;
use crate::install::gateway::{STATE_COORDINATOR, STATE_LOCK, openclaw_processes, own_locks};
use crate::leases::gone::{self, Coordinator, Facts, Kernel, LockFile, Named};
use crate::leases::state_db::{self, StateDb};
use crate::leases::{Lease, Tri};
use crate::peek::held::{self, Watched};

/// In WAL mode both version numbers, the last bytes of this much of a database, are 2.
const HEADER: usize = 20;

/// Who has the coordinator of `gateway.state.lock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoordinatorIs {
    /// This process: its file must not be opened, as closing it again would end the hold (fcntl(2)).
    Ours,
    /// To be asked of the kernel.
    Asked,
}

/// The directories that matter, each reached without following a link.
#[derive(Debug)]
pub struct Places {
    pub state: Arc<Directory>,
    /// `tmp/openclaw-UID`.
    pub locks: Arc<Directory>,
}

impl Places {
    pub fn open(root: &Directory) -> Option<Self> {
        let state = root.open_beneath(Path::new("state")).ok()?;
        let locks = root.open_beneath(&own_locks(root.uid)).ok()?;
        Some(Self { state: Arc::new(state), locks: Arc::new(locks) })
    }
}

/// The database and the index of its log, open while it is asked who else has them.
#[derive(Debug)]
pub struct DatabaseFiles {
    database: Watched,
    index: Option<Watched>,
}

impl DatabaseFiles {
    /// `None`: the database is not there, or cannot be opened.
    pub fn open(root: &Path) -> Option<Self> {
        let file = Path::new("state").join(state_db::NAME);
        let mut index = file.clone().into_os_string();
        index.push("-shm");
        Some(Self { database: Watched::open(root, &file)?, index: Watched::open(root, index.as_ref()) })
    }

    fn are_in_wal_mode(&self) -> bool {
        self.database.start::<HEADER>().is_some_and(|header| header.ends_with(&[2, 2]))
    }

    /// A connection has a lock on the database itself, and in WAL mode one on the index.
    pub fn are_open_elsewhere(&self) -> Tri {
        let Some(holds) = self.database.others(held::DATABASE) else { return Tri::Unknown };
        let index = self.index.as_ref().map(|index| index.others(held::WAL_WHOLE));
        match index {
            Some(None) => Tri::Unknown,
            Some(Some(index)) if !index.is_empty() => Tri::Yes,
            _ if holds.is_empty() => Tri::No,
            _ => Tri::Yes,
        }
    }
}

/// All that is known of the gateway's row in `database`, which was read a moment ago.
pub fn look(
    install: &Install,
    database: &StateDb,
    coordinator: CoordinatorIs,
    view: &mut SystemView,
) -> Facts {
    let root = &install.root;
    let row = database.leases.rows().iter().find(|lease| gone::is_the_row(lease));
    let places = Places::open(root);
    let (lock_file, writer) = lock_file(places.as_ref(), view);
    let files = DatabaseFiles::open(&root.path);
    Facts {
        kernel: kernel(root, places.as_ref(), view),
        of_one_user: places.as_ref().is_none_or(|places| are_of_one_user(root, places)),
        version: database.migration.app_version.clone(),
        table: database.lease_table.clone(),
        in_wal_mode: files.as_ref().is_some_and(DatabaseFiles::are_in_wal_mode),
        row: row.map(named),
        coordinator: match coordinator {
            CoordinatorIs::Ours => Coordinator::Ours,
            CoordinatorIs::Asked => asked(root),
        },
        lock_file,
        writer,
        database_open: files.map_or(Tri::Unknown, |files| files.are_open_elsewhere()),
        processes: others(install, view),
        held: holders::of_starts(install, view).into_iter().map(|holder| holder.thing).collect(),
        owner_runs: row.and_then(owner_that_runs),
    }
}

/// What tells this row from the next.
pub fn named(lease: &Lease) -> Named {
    Named { owner: lease.owner.raw.clone(), heartbeat_at: lease.heartbeat_at.map(|at| at.timestamp_millis()) }
}

fn kernel(root: &Directory, places: Option<&Places>, view: &mut SystemView) -> Kernel {
    let below = places.map(|places| [&*places.state, &*places.locks]);
    let directories: Vec<&Directory> = [root].into_iter().chain(below.into_iter().flatten()).collect();
    if directories.iter().any(|each| matches!(each.filesystem, FsClass::Network | FsClass::Fuse)) {
        return Kernel::Several;
    }
    if directories.iter().any(|each| each.filesystem == FsClass::Overlay || is_a_layer(each, view)) {
        return Kernel::Layered;
    }
    let shown = directories
        .iter()
        .all(|each| each.filesystem.has_one_kernel() && view.leases.self_test(each) == SelfTest::Passed);
    if shown { Kernel::Ours } else { Kernel::NotShown }
}

/// Whether an overlay shows the directory to a process as another file system: what is held there is not held here.
fn is_a_layer(directory: &Directory, view: &SystemView) -> bool {
    let Some(path) = directory.real_path() else { return true };
    let processes = openclaw_processes(view.census()).into_iter().map(|each| each.process.pid.to_string());
    let tables = ["self".to_owned()].into_iter().chain(processes);
    tables.filter_map(mounts::of).flatten().any(|mount| mount.is_overlay_over(&path))
}

fn are_of_one_user(root: &Directory, places: &Places) -> bool {
    let uid = root.uid;
    let is_ours = |directory: &Directory, name: &str| {
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                stat.st_uid == uid
                    && stat.st_nlink == 1
                    && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            }
            // Its reader reports a missing file.
            Err(error) => error == rustix::io::Errno::NOENT,
        }
    };
    let database = ["", "-wal", "-shm"].map(|suffix| format!("{}{suffix}", state_db::NAME));
    places.state.uid == uid
        && places.locks.uid == uid
        && database.iter().all(|name| is_ours(&places.state, name))
        && [STATE_LOCK, STATE_COORDINATOR].iter().all(|name| is_ours(&places.locks, name))
        && !others_have_locks(root)
}

/// Another user's gateway has locks of its own in the same state directory.
fn others_have_locks(root: &Directory) -> bool {
    let Ok(tmp) = root.open_beneath(Path::new("tmp")) else { return true };
    let ours = format!("openclaw-{}", root.uid).into_bytes();
    let mut others = false;
    let listed = tmp.for_each_entry(|name, _| {
        let number = name.strip_prefix(b"openclaw-").unwrap_or_default();
        others |= !number.is_empty() && number.iter().all(u8::is_ascii_digit) && name != ours;
    });
    listed.is_err() || others
}

fn lock_file(places: Option<&Places>, view: &mut SystemView) -> (LockFile, Tri) {
    let Some(places) = places else { return (LockFile::Missing, Tri::Unknown) };
    match PinnedLock::look(&places.locks, STATE_LOCK.as_ref()) {
        Ok(Look::Pinned(lock)) => (owner_in(&lock), tri(lock.probe_writer(&mut view.leases))),
        Ok(Look::Vanished) => (LockFile::Missing, Tri::No),
        _ => (LockFile::Unreadable, Tri::Unknown),
    }
}

/// Who the lock names.
pub fn owner_in(lock: &PinnedLock) -> LockFile {
    let Content::Parsed(payload) = lock.content() else { return LockFile::Unreadable };
    match payload.gateway {
        Some(of) if of.role.as_deref().is_some_and(|role| role != "gateway") => LockFile::OfAnother,
        Some(of) => of.owner_id.map_or(LockFile::Unreadable, LockFile::OfGateway),
        None => LockFile::Unreadable,
    }
}

pub fn tri(writer: Writer) -> Tri {
    match writer {
        Writer::Open => Tri::Yes,
        Writer::NoneOpen => Tri::No,
        Writer::Unknown(_) => Tri::Unknown,
    }
}

fn asked(root: &Directory) -> Coordinator {
    let file = own_locks(root.uid).join(STATE_COORDINATOR);
    match held::below(&root.path, &file, [held::DATABASE]) {
        None => Coordinator::Missing,
        Some([holds]) if holds.is_empty() => Coordinator::Free,
        Some(_) => Coordinator::Held,
    }
}

/// Those whose directory cannot be read may use this one.
fn others(install: &Install, view: &SystemView) -> Vec<u32> {
    let processes = openclaw_processes(view.census()).into_iter();
    let may_use = processes.filter(|each| each.environment.is_none() || each.uses(&install.root));
    may_use.map(|each| each.process.pid).collect()
}

/// The pid and the start tick agree: it is that process, whatever namespace it counts in.
fn owner_that_runs(lease: &Lease) -> Option<u32> {
    let pid = lease.owner.pid?;
    match look_up(pid) {
        Owner::Alive(process) if Some(process.start_ticks) == lease.owner.started_at => Some(pid),
        _ => None,
    }
}
