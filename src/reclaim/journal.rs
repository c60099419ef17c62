//! The audit log: one JSON line before and after every act, on disk before the next step. It tells who did
//! what to which lock, on which evidence, by which rule, and what came of it; and after a crash, what was
//! under way.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use rustix::fs::{FileType, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::store::{StoreError, failed};
use crate::evidence::directory::Directory;
use crate::evidence::lockfile::FileFacts;

const JOURNAL: &str = "journal.jsonl";
const PREVIOUS: &str = "journal.1.jsonl";
/// Then a new journal is begun and the previous one kept beside it.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What one line records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Written before anything is touched.
    Intent,
    Reclaimed,
    Vanished,
    Changed,
    /// A live lock came out of the swap and went back at once.
    LivePutBack,
    /// Another lock came out of the swap, already let go by its owner.
    ReleasedMeanwhile,
    /// Two processes hold this lock now: an incident.
    DoubleHolder,
    Failed,
    /// A killed lockdoctor had not begun to change anything.
    Undone,
    /// A killed lockdoctor had already swapped; what it began is complete.
    Completed,
    Restored,
    Purged,
}

impl Event {
    /// The act is over: nothing has to be recovered.
    pub fn is_end(self) -> bool {
        self != Self::Intent
    }
}

/// The lock, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// Relative to the home of the journal where it lies below it, else absolute.
    pub lock: String,
    pub kind: String,
    pub pid: Option<u32>,
    pub verdict: String,
    pub reasons: Vec<String>,
    pub rule: String,
    pub fingerprint: String,
    pub gateway: String,
    pub openclaw_version: Option<String>,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub id: String,
    pub event: Event,
    pub by: By,
    #[serde(flatten)]
    pub subject: Subject,
    #[serde(default)]
    pub dev: u64,
    #[serde(default)]
    pub inode: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Who wrote the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    pub pid: u32,
    pub uid: u32,
    pub version: String,
}

impl Entry {
    pub fn new(at: DateTime<Utc>, id: &str, event: Event, subject: &Subject, facts: &FileFacts) -> Self {
        Self { dev: facts.dev, inode: facts.ino, ..Self::about(at, id, event, subject.clone()) }
    }

    pub fn about(at: DateTime<Utc>, id: &str, event: Event, subject: Subject) -> Self {
        let by = By {
            pid: std::process::id(),
            uid: rustix::process::geteuid().as_raw(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Self { at, id: id.to_owned(), event, by, subject, dev: 0, inode: 0, detail: None }
    }
}

/// The open journal of one store.
#[derive(Debug)]
pub struct Journal {
    fd: OwnedFd,
    path: PathBuf,
}

impl Journal {
    pub fn open(directory: &Directory) -> Result<Self, StoreError> {
        let path = directory.path.join(JOURNAL);
        let journal = Self::open_file(directory, path.clone())?;
        let size = rustix::fs::fstat(&journal.fd).map_or(0, |stat| stat.st_size as u64);
        if size <= MAX_BYTES {
            return Ok(journal);
        }
        rustix::fs::renameat_with(directory, JOURNAL, directory, PREVIOUS, RenameFlags::empty())
            .map_err(|error| failed(&path, "rotating the journal", error))?;
        Self::open_file(directory, path)
    }

    fn open_file(directory: &Directory, path: PathBuf) -> Result<Self, StoreError> {
        let flags = OFlags::RDWR
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        let tampered = || StoreError::Tampered { path: path.display().to_string() };
        let fd = match rustix::fs::openat(directory, JOURNAL, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => fd,
            Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Err(tampered()),
            Err(error) => return Err(failed(&path, "opening the journal", error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|error| failed(&path, "opening the journal", error))?;
        let ours = rustix::process::geteuid().as_raw();
        let expected_owner = stat.st_uid == ours || stat.st_uid == directory.uid;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
            || stat.st_nlink != 1
            || !expected_owner
        {
            return Err(tampered());
        }
        if ours == 0 && directory.uid != 0 && stat.st_uid == 0 {
            let (uid, gid) = (Uid::from_raw(directory.uid), Gid::from_raw(directory.gid));
            rustix::fs::fchown(&fd, Some(uid), Some(gid))
                .map_err(|error| failed(&path, "giving the journal to its user", error))?;
        }
        Ok(Self { fd, path })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Every line that is whole. A torn last line is what a power cut leaves; it records nothing.
    pub fn read(&self) -> Result<Vec<Entry>, StoreError> {
        let copy =
            self.fd.try_clone().map_err(|_| failed(&self.path, "reading the journal", Errno::MFILE))?;
        rustix::fs::seek(&copy, rustix::fs::SeekFrom::Start(0))
            .map_err(|error| failed(&self.path, "reading the journal", error))?;
        let mut text = Vec::new();
        std::fs::File::from(copy).take(2 * MAX_BYTES).read_to_end(&mut text).map_err(|error| {
            failed(&self.path, "reading the journal", Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })?;
        Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// One write, one fsync: a line is there whole or torn at the end, never in the middle.
    pub fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        // A line that a full disk tore would swallow the next one: begin on a line of its own.
        if self.ends_torn() {
            line.insert(0, b'\n');
        }
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&self.fd, &line))
            .map_err(|error| failed(&self.path, "writing the journal", error))?;
        if written < line.len() {
            return Err(failed(&self.path, "writing the journal", Errno::NOSPC));
        }
        rustix::fs::fdatasync(&self.fd).map_err(|error| failed(&self.path, "writing the journal", error))
    }

    fn ends_torn(&self) -> bool {
        let size = rustix::fs::fstat(&self.fd).map_or(0, |stat| stat.st_size as u64);
        let mut last = [b'\n'];
        size > 0 && rustix::io::pread(&self.fd, &mut last, size - 1).is_ok() && last[0] != b'\n'
    }
}
