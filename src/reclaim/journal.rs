//! The audit log: one JSON line before and after every act, on disk before the next step. It tells who did
//! what to which lock, on which evidence, by which rule, and what came of it; and after a crash, what was
//! under way.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::entry::Entry;
use super::past::{Freed, Memory, Past, is_recent};
use super::store_error::{StoreError, failed};
use crate::evidence::directory::Directory;

const JOURNAL: &str = "journal.jsonl";
const PREVIOUS: &str = "journal.1.jsonl";
/// Then a new journal is begun and the previous one kept beside it: together at least the last 3 000 acts.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// What of a journal is read at most, its end. One of ours is never as long.
const LONGEST: u64 = 4 * MAX_BYTES;
/// Read at once; longer lines take more.
const BLOCK: u64 = 64 * 1024;

/// The journal of one store, and its entries. Reading or writing it takes the store's lock, except for a mere look.
#[derive(Debug)]
pub(super) struct Journal {
    fd: OwnedFd,
    ino: u64,
    path: PathBuf,
    read_to: u64,
    past: Past,
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
        let mut journal = Self { fd, ino, path, read_to: 0, past: Past::new(memory) };
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
        // Another lockdoctor began a new one, or it was removed.
        *self = Self::open(directory, Access::Write, self.memory())?;
        Ok(())
    }

    fn read_on(&mut self) -> Result<(), StoreError> {
        let size = self.size()?;
        // If it was truncated, what we know of it is all that is left.
        self.read_to = self.read_to.min(size).max(size.saturating_sub(LONGEST));
        self.read_to = absorb_range(&self.fd, self.read_to, size, &mut self.past)
            .map_err(|error| failed(&self.path, "reading the journal", error))?;
        Ok(())
    }

    /// Begins a new journal once this one is large. Nothing may be under way.
    pub(super) fn rotate(&mut self, directory: &Directory) -> Result<(), StoreError> {
        if self.read_to <= MAX_BYTES || self.past.open().next().is_some() {
            return Ok(());
        }
        rustix::fs::renameat_with(directory, JOURNAL, directory, PREVIOUS, RenameFlags::empty())
            .map_err(|error| self.failed("beginning a new journal", error))?;
        *self = Self::open(directory, Access::Write, self.memory())?;
        Ok(())
    }

    pub(super) fn memory(&self) -> Memory {
        self.past.memory()
    }

    /// Oldest first; none unless the whole past is kept.
    pub(super) fn entries(&self) -> &[Entry] {
        self.past.entries()
    }

    /// The locks that were freed lately, oldest first.
    pub(super) fn freed(&self) -> impl DoubleEndedIterator<Item = &Freed> {
        self.past.freed()
    }

    /// What a lockdoctor began and did not end.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = &Entry> {
        self.past.open()
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
        self.past.take_in(entry, Utc::now());
    }

    /// What the previous journal tells. History, so it is no error if it cannot be read.
    fn read_previous(&mut self, directory: &Directory) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(fd) = rustix::fs::openat(directory, PREVIOUS, flags, Mode::empty()) else { return };
        let Ok(stat) = rustix::fs::fstat(&fd) else { return };
        let modified = DateTime::from_timestamp(stat.st_mtime, 0);
        if self.memory() == Memory::Recent && modified.is_some_and(|at| !is_recent(at, Utc::now())) {
            return;
        }
        let _ = absorb_range(&fd, 0, (stat.st_size as u64).min(2 * MAX_BYTES), &mut self.past);
        self.past.nothing_is_open();
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

/// Takes in the whole lines between two offsets, a block at a time, and returns where the last one ends.
fn absorb_range(fd: &OwnedFd, from: u64, to: u64, past: &mut Past) -> Result<u64, Errno> {
    let now = Utc::now();
    let (mut at, mut block) = (from, BLOCK);
    while at < to {
        let end = to.min(at + block);
        let text = read_range(fd, at, end)?;
        match past.absorb(&text, now) {
            0 if end < to => block *= 2,
            0 => break,
            whole => at += whole as u64,
        }
    }
    Ok(at)
}

fn read_range(fd: &OwnedFd, from: u64, to: u64) -> Result<Vec<u8>, Errno> {
    let mut text = vec![0; to.saturating_sub(from).min(4 * MAX_BYTES) as usize];
    let mut filled = 0;
    while let Some(rest @ [_, ..]) = text.get_mut(filled..) {
        match rustix::io::pread(fd, rest, from + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(filled);
    Ok(text)
}
