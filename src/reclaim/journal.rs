//! The audit log: one JSON line before and after every act, on disk before the next step. It tells who did
//! what to which lock, on which evidence, by which rule, and what came of it; and after a crash, what was
//! under way.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::breaker::LONGEST_WINDOW;
use super::store::{StoreError, failed};
use crate::evidence::directory::Directory;
use crate::evidence::lockfile::FileFacts;

const JOURNAL: &str = "journal.jsonl";
const PREVIOUS: &str = "journal.1.jsonl";
/// Then a new journal is begun and the previous one kept beside it: together at least the last 3 000 acts.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// Read at once; longer lines take more.
const BLOCK: u64 = 64 * 1024;

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
    /// A lockdoctor that was killed had not begun to change anything.
    Undone,
    /// A lockdoctor that was killed had already swapped; what it began is complete.
    Completed,
    /// Written before a lock is put back under its name.
    Restoring,
    Restored,
    Purged,
}

impl Event {
    /// Something may have been begun that this line alone does not end.
    pub fn is_beginning(self) -> bool {
        matches!(self, Self::Intent | Self::Restoring)
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
            // The real one: root acts under its user's effective uid.
            uid: rustix::process::getuid().as_raw(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Self { at, id: id.to_owned(), event, by, subject, dev: 0, inode: 0, detail: None }
    }
}

/// The journal of one store, and what stands in it. Whoever reads or writes it has the store's lock, except for
/// a mere look.
#[derive(Debug)]
pub(super) struct Journal {
    fd: OwnedFd,
    ino: u64,
    path: PathBuf,
    memory: Memory,
    read_to: u64,
    entries: Vec<Entry>,
    /// What was begun and has not ended, by id.
    open: BTreeMap<String, Entry>,
}

/// How much of the past is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// For whoever asks what became of a lock.
    Whole,
    /// What the circuit breaker asks for: a daemon must not grow with the journal.
    Recent,
}

impl Memory {
    fn keeps(self, at: DateTime<Utc>) -> bool {
        self == Self::Whole || Utc::now() - at < LONGEST_WINDOW + TimeDelta::minutes(1)
    }
}

/// Whether the journal may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Journal {
    /// Opens it and reads it and its predecessor; with [`Access::Write`] it is created if it is missing.
    pub(super) fn open(directory: &Directory, access: Access, memory: Memory) -> Result<Self, StoreError> {
        let path = directory.path.join(JOURNAL);
        let (fd, ino) = open_file(directory, &path, access)?;
        let (entries, open) = (Vec::new(), BTreeMap::new());
        let mut journal = Self { fd, ino, path, memory, read_to: 0, entries, open };
        journal.read_previous(directory);
        journal.read_on()?;
        Ok(journal)
    }

    /// Takes in what others have written since.
    pub(super) fn refresh(&mut self, directory: &Directory) -> Result<(), StoreError> {
        let named = rustix::fs::statat(directory, JOURNAL, AtFlags::SYMLINK_NOFOLLOW);
        if named.is_ok_and(|named| named.st_ino == self.ino) {
            return self.read_on();
        }
        // Another lockdoctor began a new one, or somebody removed it.
        *self = Self::open(directory, Access::Write, self.memory)?;
        Ok(())
    }

    fn read_on(&mut self) -> Result<(), StoreError> {
        let size = self.size()?;
        // Should somebody have cut it, what we know of it is all that is left.
        self.read_to = self.read_to.min(size);
        let mut block = BLOCK;
        while self.read_to < size {
            let end = size.min(self.read_to + block);
            let text = read_range(&self.fd, self.read_to, end)
                .map_err(|error| self.failed("reading the journal", error))?;
            match self.absorb(&text) {
                0 if end < size => block *= 2,
                0 => break,
                whole => self.read_to += whole,
            }
        }
        Ok(())
    }

    /// Begins a new journal once this one is large. Nothing may be under way.
    pub(super) fn rotate(&mut self, directory: &Directory) -> Result<(), StoreError> {
        if self.read_to <= MAX_BYTES || !self.open.is_empty() {
            return Ok(());
        }
        rustix::fs::renameat_with(directory, JOURNAL, directory, PREVIOUS, RenameFlags::empty())
            .map_err(|error| self.failed("beginning a new journal", error))?;
        *self = Self::open(directory, Access::Write, self.memory)?;
        Ok(())
    }

    pub(super) fn memory(&self) -> Memory {
        self.memory
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What a lockdoctor began and did not end.
    pub(super) fn unfinished(&self) -> Vec<Entry> {
        self.open.values().cloned().collect()
    }

    /// Appends, and waits until it is on disk.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.write_line(entry)?;
        self.take_in(entry.clone());
        Ok(())
    }

    /// One write, one fdatasync: a line is there whole or torn at the end, never in the middle.
    pub(super) fn write_line(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let mut line = Vec::new();
        // A line that a full disk tore would swallow the next one: begin on a line of its own.
        if self.ends_torn() {
            line.push(b'\n');
        }
        // Strings and numbers alone; there is nothing that could not be written as JSON.
        line.extend(serde_json::to_vec(entry).unwrap_or_default());
        line.push(b'\n');
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&self.fd, &line))
            .map_err(|error| self.failed("writing the journal", error))?;
        if written < line.len() {
            return Err(self.failed("writing the journal", Errno::NOSPC));
        }
        rustix::fs::fdatasync(&self.fd).map_err(|error| self.failed("writing the journal", error))?;
        self.read_to = self.size()?;
        Ok(())
    }

    /// Counts an entry as told, written or not.
    pub(super) fn take_in(&mut self, entry: Entry) {
        if entry.event.is_beginning() {
            self.open.insert(entry.id.clone(), entry.clone());
        } else {
            self.open.remove(&entry.id);
        }
        self.entries.push(entry);
    }

    /// Takes in every line that is whole and returns their length. A torn last line is what a power cut leaves;
    /// it records nothing.
    fn absorb(&mut self, text: &[u8]) -> u64 {
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in text[..whole].split(|byte| *byte == b'\n') {
            if let Ok(entry) = serde_json::from_slice(line) {
                self.take_in(entry);
            }
        }
        let memory = self.memory;
        if memory == Memory::Recent {
            self.entries.retain(|entry| memory.keeps(entry.at));
        }
        whole as u64
    }

    /// What the previous journal tells of the locks that are still in the quarantine. History, so it is no
    /// error if it cannot be read.
    fn read_previous(&mut self, directory: &Directory) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(fd) = rustix::fs::openat(directory, PREVIOUS, flags, Mode::empty()) else { return };
        let modified =
            rustix::fs::fstat(&fd).ok().and_then(|stat| DateTime::from_timestamp(stat.st_mtime, 0));
        if modified.is_some_and(|at| !self.memory.keeps(at)) {
            return;
        }
        if let Ok(text) = read_range(&fd, 0, 2 * MAX_BYTES) {
            self.absorb(&text);
        }
        self.open.clear();
    }

    fn ends_torn(&self) -> bool {
        let size = self.size().unwrap_or(0);
        let mut last = [b'\n'];
        size > 0 && rustix::io::pread(&self.fd, &mut last, size - 1).is_ok() && last[0] != b'\n'
    }

    fn size(&self) -> Result<u64, StoreError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|error| self.failed("reading the journal", error))?;
        Ok(stat.st_size as u64)
    }

    fn failed(&self, what: &'static str, error: Errno) -> StoreError {
        failed(&self.path, what, error)
    }
}

fn open_file(
    directory: &Directory,
    path: &std::path::Path,
    access: Access,
) -> Result<(OwnedFd, u64), StoreError> {
    let mode = match access {
        Access::Read => OFlags::RDONLY,
        Access::Write => OFlags::RDWR | OFlags::APPEND | OFlags::CREATE,
    };
    // NONBLOCK: opening a FIFO must not wait for its other end.
    let flags = mode | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let tampered = || StoreError::Tampered { path: path.display().to_string() };
    let fd = match rustix::fs::openat(directory, JOURNAL, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => fd,
        Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Err(tampered()),
        Err(error) => return Err(failed(path, "opening the journal", error)),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| failed(path, "opening the journal", error))?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !regular || stat.st_nlink != 1 || stat.st_uid != directory.uid {
        return Err(tampered());
    }
    Ok((fd, stat.st_ino))
}

fn read_range(fd: &OwnedFd, from: u64, to: u64) -> Result<Vec<u8>, Errno> {
    let mut text = vec![0; to.saturating_sub(from).min(4 * MAX_BYTES) as usize];
    let mut filled = 0;
    while filled < text.len() {
        match rustix::io::pread(fd, &mut text[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(filled);
    Ok(text)
}
