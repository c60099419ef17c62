//! State directories rebuilt from the dumps in `tests/fixtures/sqlite`, and fingerprints of what is in them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lockdoctor::leases::{Era, Sessions, origin, survey};
use rusqlite::Connection;
use tempfile::TempDir;

/// How the gateway left its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// By SIGKILL: everything is in the `-wal`, and `-shm` is there too.
    Killed,
    /// By SIGKILL, then copied without its `-shm`.
    KilledNoShm,
    /// In good order: no `-wal`, no `-shm`.
    Closed,
    /// As on a network file system: a rollback journal instead of a log.
    Rollback,
}

pub(crate) const EVERY_WAY: [Left; 4] = [Left::Killed, Left::KilledNoShm, Left::Closed, Left::Rollback];

pub(crate) struct StateDir {
    pub(crate) dir: TempDir,
}

impl StateDir {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn state_db(&self) -> PathBuf {
        self.path().join("state/openclaw.sqlite")
    }

    pub(crate) fn agent_db(&self, agent: &str) -> PathBuf {
        self.path().join("agents").join(agent).join("agent/openclaw-agent.sqlite")
    }

    pub(crate) fn with_state(self, dump: &str, left: Left) -> Self {
        rebuild(dump, &self.state_db(), left);
        self
    }

    pub(crate) fn with_agent(self, agent: &str, dump: &str, left: Left) -> Self {
        rebuild(dump, &self.agent_db(agent), left);
        self
    }

    /// Name, inode, size, times and content of every file: what must be the same after we have looked.
    pub(crate) fn fingerprint(&self) -> BTreeMap<PathBuf, String> {
        let mut all = BTreeMap::new();
        fingerprint(self.path(), &mut all);
        all
    }
}

pub(crate) fn fingerprint(dir: &Path, all: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(dir).expect("readable").flatten() {
        let path = entry.path();
        let meta = fs::symlink_metadata(&path).expect("there");
        let content = if meta.is_file() { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        all.insert(path.clone(), format!("{} {} {times:?} {:x}", meta.ino(), meta.len(), fnv(&content)));
        if meta.is_dir() {
            fingerprint(&path, all);
        }
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

pub(crate) fn rebuild(dump: &str, at: &Path, left: Left) {
    let dir = at.parent().expect("a parent");
    fs::create_dir_all(dir).expect("created");
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let original = scratch.path().join("made.sqlite");
    let sql =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sqlite").join(dump))
            .expect("the dump");
    let connection = Connection::open(&original).expect("opened");
    let journal_mode = if left == Left::Rollback { "DELETE" } else { "WAL" };
    connection.pragma_update(None, "journal_mode", journal_mode).expect("set");
    // The dumps hold the tables that are read, not all that those refer to.
    connection.pragma_update(None, "foreign_keys", false).expect("set");
    connection.execute_batch(&sql).expect("a dump that SQLite accepts");
    // The files of a process that is killed are those that are there while it lives.
    let still_open = matches!(left, Left::Killed | Left::KilledNoShm).then_some(connection);
    for suffix in ["", "-wal", "-shm"] {
        let from = scratch.path().join(format!("made.sqlite{suffix}"));
        if from.exists() && !(left == Left::KilledNoShm && suffix == "-shm") {
            fs::copy(from, with_suffix(at, suffix)).expect("copied");
        }
    }
    drop(still_open);
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

pub(crate) fn era(state: &Path) -> Era {
    origin(state, &survey(state, Sessions::Running)).era
}
