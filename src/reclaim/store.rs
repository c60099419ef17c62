//! `lockdoctor/` in a state directory: the journal and the quarantine. One lockdoctor at a time works in it;
//! the kernel's flock(2) on the journal says who, and ends with the process.
//!
//! OpenClaw looks for locks and transcripts in `agents/*/sessions` only, and nothing here ends in `.lock`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, Uid};
use rustix::io::Errno;

use super::journal::{Entry, Event, Journal};
use crate::evidence::directory::Directory;
use crate::evidence::lockfile::FileFacts;

/// The directory's name in a state directory, or in a sessions directory that lies elsewhere.
pub const STORE: &str = "lockdoctor";
const QUARANTINE: &str = "quarantine";
/// How long to wait for another lockdoctor; one reclaim takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is kept without being asked: the newest of these, and nothing older than that.
const KEEP_FILES: usize = 200;
const KEEP_FOR: TimeDelta = TimeDelta::days(30);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: {what}: {error}")]
    System { path: String, what: &'static str, error: Errno },
    #[error("another lockdoctor has been at work in {path} for 10 s")]
    Busy { path: String },
    #[error("{path} is not what lockdoctor made (a link, or not its own file); remove it, then try again")]
    Tampered { path: String },
}

impl StoreError {
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { error, .. } => Some(*error),
            _ => None,
        }
    }
}

impl From<Errno> for StoreError {
    fn from(error: Errno) -> Self {
        Self::System { path: QUARANTINE.to_owned(), what: "writing the tombstone", error }
    }
}

/// The opened and locked store.
#[derive(Debug)]
pub struct Store {
    pub quarantine: Rc<Directory>,
    journal: Journal,
    pub entries: Vec<Entry>,
}

impl Store {
    /// Opens it, creating what is missing, and waits for its lock.
    pub fn open(home: &Directory) -> Result<Self, StoreError> {
        let directory = made(home, STORE)?;
        let quarantine = Rc::new(made(&directory, QUARANTINE)?);
        let journal = Journal::open(&directory)?;
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = rustix::fs::flock(journal.fd(), FlockOperation::NonBlockingLockExclusive) {
            if error != Errno::WOULDBLOCK {
                return Err(failed(&directory.path, "locking the journal", error));
            }
            if Instant::now() > deadline {
                return Err(StoreError::Busy { path: directory.path.display().to_string() });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let entries = journal.read()?;
        Ok(Self { quarantine, journal, entries })
    }

    /// Opens it only if it is there; nothing is created. For `quarantine list`.
    pub fn open_existing(home: &Directory) -> Result<Option<Self>, StoreError> {
        match home.open_beneath(&Path::new(STORE).join(QUARANTINE)) {
            Ok(_) => Self::open(home).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(failed(&home.path, "opening lockdoctor's directory", error)),
        }
    }

    /// Appends to the journal and waits until it is on disk.
    pub fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.journal.append(entry)?;
        self.entries.push(entry.clone());
        Ok(())
    }

    /// A name that sorts by time and tells files apart.
    pub fn new_id(&self, now: DateTime<Utc>, facts: &FileFacts) -> String {
        let stamp = now.format("%Y%m%dT%H%M%S%.3fZ");
        let base = format!("{stamp}-{:x}", facts.ino);
        let taken = |id: &str| self.entries.iter().rev().take(64).any(|entry| entry.id == id);
        (0..)
            .map(|n| if n == 0 { base.clone() } else { format!("{base}-{n}") })
            .find(|id| !taken(id))
            .unwrap_or(base)
    }

    /// Names of what lies in the quarantine, oldest first.
    pub fn quarantined(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        self.quarantine
            .for_each_entry(|name, _| names.push(OsStr::from_bytes(name).to_string_lossy().into_owned()))
            .map_err(|error| failed(&self.quarantine.path, "listing the quarantine", error))?;
        names.sort_unstable();
        Ok(names)
    }

    /// Removes one file from the quarantine for good, and says so in the journal.
    pub fn drop_file(&mut self, id: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        rustix::fs::unlinkat(&self.quarantine, id, AtFlags::empty())
            .map_err(|error| failed(&self.quarantine.path, "removing from the quarantine", error))?;
        let subject =
            self.entries.iter().rev().find(|entry| entry.id == id).map(|entry| entry.subject.clone());
        self.write(&Entry::about(now, id, Event::Purged, subject.unwrap_or_default()))
    }

    /// Keeps the quarantine within its bounds.
    pub fn bound(&mut self, now: DateTime<Utc>) {
        let Ok(names) = self.quarantined() else { return };
        let excess = names.len().saturating_sub(KEEP_FILES);
        let oldest = (now - KEEP_FOR).format("%Y%m%dT%H%M%S").to_string();
        let due: Vec<String> = names
            .iter()
            .enumerate()
            .filter(|(at, name)| *at < excess || **name < oldest)
            .map(|(_, n)| n.clone())
            .collect();
        for name in due {
            // What cannot be removed now is tried again after the next reclaim.
            let _ = self.drop_file(&name, now);
        }
    }
}

/// Opens the sub-directory `name`, creating it for its user alone. For root: for the user whose state it is.
fn made(parent: &Directory, name: &str) -> Result<Directory, StoreError> {
    let path = parent.path.join(name);
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Ok(()) if rustix::process::geteuid().as_raw() == 0 && parent.uid != 0 => {
            let (uid, gid) = (Uid::from_raw(parent.uid), Gid::from_raw(parent.gid));
            rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| failed(&path, "giving the directory to its user", error))?;
        }
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed(&path, "creating the directory", error)),
    }
    let directory = parent.open_beneath(Path::new(name)).map_err(|error| match error {
        Errno::LOOP | Errno::NOTDIR => StoreError::Tampered { path: path.display().to_string() },
        error => failed(&path, "opening the directory", error),
    })?;
    let ours = rustix::process::geteuid().as_raw();
    if directory.uid != parent.uid && directory.uid != ours && directory.uid != 0 {
        return Err(StoreError::Tampered { path: path.display().to_string() });
    }
    Ok(directory)
}

pub(super) fn failed(path: &Path, what: &'static str, error: Errno) -> StoreError {
    StoreError::System { path: path.display().to_string(), what, error }
}
