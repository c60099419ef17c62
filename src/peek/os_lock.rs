//! Asking the kernel who holds the locks that SQLite takes, without taking any.
//!
//! SQLite locks byte ranges (`fcntl`), at offsets that its file format fixes; a gateway holds, for as long as it
//! lives, an exclusive one on each of its coordinators (`*.lock.sqlite`: empty files, whose presence means nothing)
//! and a shared one on every database that it has open. `F_GETLK` answers for every process of this kernel, in any
//! PID namespace, and changes nothing. Seen on real gateways 2026.8.2 and 2026.9.6 (`docs/sqlite-era.md`).

use std::fs::File;
use std::path::Path;

use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::error::Result;
use super::place::Place;

/// `PENDING_BYTE` and the 511 after it that SQLite's locks on a database file use (SQLite `os.h`).
const DATABASE_LOCKS: (u64, u64) = (0x4000_0000, 512);

/// `UNIX_SHM_DMS`: shared while a process has a WAL database open (SQLite `os_unix.c`).
const SHM_DEAD_MAN_SWITCH: (u64, u64) = (128, 1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OsLock {
    Held {
        /// Unknown when the holder is in a PID namespace that we cannot see into.
        pid: Option<u32>,
    },
    Free,
    /// There is no such file, or it could not be asked.
    Unknown,
}

/// Whether some process has this coordinator, by its path below the state directory:
/// `tmp/openclaw-UID/gateway.state.lock.sqlite` is the gateway's.
pub fn coordinator(state_dir: &Path, relative: &Path) -> OsLock {
    held(state_dir, relative, "", DATABASE_LOCKS)
}

/// Whether some process has the WAL database at `relative` open.
pub fn database_open(state_dir: &Path, relative: &Path) -> OsLock {
    held(state_dir, relative, "-shm", SHM_DEAD_MAN_SWITCH)
}

fn held(state_dir: &Path, relative: &Path, suffix: &str, range: (u64, u64)) -> OsLock {
    let file = || -> Result<Option<File>> {
        let parent = Place::root(state_dir)?.below(relative.parent().unwrap_or(Path::new("")))?;
        let name = relative.file_name().unwrap_or_default().to_string_lossy();
        parent.open(&format!("{name}{suffix}"))
    };
    let Ok(Some(file)) = file() else { return OsLock::Unknown };
    // "Could I have it for writing?": the lock is only asked for, never set.
    let wish = Flock {
        start: range.0,
        length: range.1,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    match fcntl_getlk(&file, &wish) {
        Ok(Some(lock)) => {
            let pid = lock.pid.map(|pid| pid.as_raw_nonzero().get());
            OsLock::Held { pid: pid.and_then(|pid| u32::try_from(pid).ok()) }
        }
        Ok(None) => OsLock::Free,
        Err(_) => OsLock::Unknown,
    }
}
