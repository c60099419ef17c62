//! A lock file, pinned: opened below its directory without following links and kept open, because ext4 and
//! overlayfs hand an inode number out again at once unless a descriptor holds it.

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, StatxFlags};
use rustix::io::{Errno, retry_on_intr};

use super::directory::Directory;
use super::lease::{Leases, Writer};
use crate::clock::Now;
use crate::openclaw::payload::{self, Content, MAX_LOCK_BYTES, Payload};

/// What lies at the lock's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Regular,
    /// A lock that is a directory by design (proper-lockfile, clobber, runtime-deps, reclaim guards).
    Directory,
    Refused(Refusal),
}

/// Why lockdoctor will not touch, or even read, what lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Symlink,
    HardLink,
    NotRegular,
    Oversize,
    UnexpectedUid,
    Unreadable,
}

impl Refusal {
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Symlink => "it is a symbolic link; links are never followed",
            Self::HardLink => "it has more than one hard link, so another name shares its fate",
            Self::NotRegular => "it is not a regular file",
            Self::Oversize => "it is larger than any lock OpenClaw writes",
            Self::UnexpectedUid => {
                "it belongs to neither the owner of its directory nor to the user lockdoctor runs as"
            }
            Self::Unreadable => "it cannot be opened for reading",
        }
    }
}

/// The facts of fstat(2) that identify one file and tell whether it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    pub dev: u64,
    pub ino: u64,
    pub size: u64,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
    pub nlink: u64,
    pub mtime: (i64, u64),
    pub ctime: (i64, u64),
}

/// One file, unchanged: what a proof is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileId {
    dev: u64,
    ino: u64,
    size: u64,
    ctime: (i64, u64),
}

/// Whether the file is as old as the lock that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Birth {
    #[default]
    NotAsked,
    /// It was made when its payload says.
    WithTheLock,
    /// It was made later: a copy, whose original the owner may still have open.
    Later,
    /// This file system, or the payload, does not tell.
    Unknown,
}

/// How much later than `createdAt` the owner's own file may have been made.
const BIRTH_SLACK: TimeDelta = TimeDelta::seconds(1);

impl FileFacts {
    pub fn id(&self) -> FileId {
        FileId { dev: self.dev, ino: self.ino, size: self.size, ctime: self.ctime }
    }

    fn from_stat(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: stat.st_size as u64,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode,
            nlink: stat.st_nlink as u64,
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
            ctime: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    pub fn modified_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.mtime.0, self.mtime.1 as u32)
    }

    /// Time since it was written; by its ctime if the mtime was set to the future.
    pub fn untouched_for(&self, now: &Now) -> Duration {
        let changed_at = || DateTime::from_timestamp(self.ctime.0, self.ctime.1 as u32);
        let since = |at| now.since(at);
        self.modified_at().and_then(since).or_else(|| changed_at().and_then(since)).unwrap_or_default()
    }

    /// The same file, with the same content as far as fstat(2) can tell.
    pub fn same_file(&self, other: &Self) -> bool {
        (self.dev, self.ino, self.size, self.mtime, self.ctime)
            == (other.dev, other.ino, other.size, other.mtime, other.ctime)
    }
}

/// Outcome of looking at a name.
#[derive(Debug)]
pub enum Look {
    Pinned(PinnedLock),
    /// There, but not a file that may be read: judged by its shape alone.
    Unpinned(Shape, Option<FileFacts>),
    /// Gone by the time we looked: somebody released it.
    Vanished,
}

/// What a lock's name leads to, compared with the pinned file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The pinned file, unchanged since it was read.
    Same,
    /// Another file, or the same one with other content.
    Changed,
    /// Nothing: somebody released or removed the lock.
    Gone,
}

/// One lock file, held open, with the bytes it had when it was opened.
#[derive(Debug)]
pub struct PinnedLock {
    fd: OwnedFd,
    directory: Arc<Directory>,
    name: OsString,
    facts: FileFacts,
    bytes: Box<[u8]>,
}

impl PinnedLock {
    /// Opens `name` in `directory` and reads it.
    pub fn look(directory: &Arc<Directory>, name: &OsStr) -> Result<Look, Errno> {
        // NONBLOCK: opening a FIFO must not wait for its other end. NOCTTY: nor may a device become ours.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(Look::Vanished),
            Err(Errno::MFILE | Errno::NFILE) => return Err(Errno::MFILE),
            // A symlink (ELOOP), a socket or a device without driver (ENXIO), a file we may not read.
            Err(_) => return Self::look_at_shape(directory, name),
        };
        let facts = FileFacts::from_stat(&rustix::fs::fstat(&fd)?);
        if facts.nlink == 0 {
            return Ok(Look::Vanished);
        }
        let shape = shape_of(&facts, directory);
        if shape != Shape::Regular {
            return Ok(Look::Unpinned(shape, Some(facts)));
        }
        let bytes = read_at_start(&fd)?;
        Ok(Look::Pinned(Self { fd, directory: Arc::clone(directory), name: name.to_owned(), facts, bytes }))
    }

    fn look_at_shape(directory: &Arc<Directory>, name: &OsStr) -> Result<Look, Errno> {
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let facts = FileFacts::from_stat(&stat);
                let shape = match shape_of(&facts, directory) {
                    Shape::Regular => Shape::Refused(Refusal::Unreadable),
                    other => other,
                };
                Ok(Look::Unpinned(shape, Some(facts)))
            }
            Err(Errno::NOENT) => Ok(Look::Vanished),
            Err(error) => Err(error),
        }
    }

    /// What the name leads to now.
    pub fn presence(&self) -> Result<Presence, Errno> {
        match rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if self.facts.same_file(&FileFacts::from_stat(&stat)) && stat.st_nlink == 1 => {
                Ok(Presence::Same)
            }
            Ok(_) => Ok(Presence::Changed),
            Err(Errno::NOENT) => Ok(Presence::Gone),
            Err(error) => Err(error),
        }
    }

    /// Reads the pinned file again and says whether its bytes are still those that were judged.
    pub fn bytes_unchanged(&self) -> Result<bool, Errno> {
        Ok(read_at_start(&self.fd)? == self.bytes)
    }

    pub fn probe_writer(&self, leases: &mut Leases) -> Writer {
        leases.probe(&self.directory, self.fd.as_fd(), self.facts.uid)
    }

    /// Probes for the last time: the lease ends with the descriptor, which saves a call.
    pub fn probe_writer_and_close(self, leases: &mut Leases) -> Writer {
        leases.probe_last(&self.directory, self.fd, self.facts.uid)
    }

    pub fn content(&self) -> Content {
        payload::parse(&self.bytes)
    }

    /// Whether the file was made when its payload says (statx(2), `STATX_BTIME`).
    pub fn birth(&self) -> Birth {
        let Content::Parsed(Payload { created_at: Some(created_at), .. }) = self.content() else {
            return Birth::Unknown;
        };
        let stat = rustix::fs::statx(&self.fd, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME).ok();
        let told = stat.filter(|stat| stat.stx_mask & StatxFlags::BTIME.bits() != 0);
        let born = told.and_then(|s| DateTime::from_timestamp(s.stx_btime.tv_sec, s.stx_btime.tv_nsec));
        match born {
            None => Birth::Unknown,
            Some(born) if born > created_at + BIRTH_SLACK => Birth::Later,
            Some(_) => Birth::WithTheLock,
        }
    }

    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub fn name(&self) -> &OsStr {
        &self.name
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path.join(&self.name)
    }
}

fn shape_of(facts: &FileFacts, directory: &Directory) -> Shape {
    match FileType::from_raw_mode(facts.mode) {
        FileType::Directory => Shape::Directory,
        FileType::Symlink => Shape::Refused(Refusal::Symlink),
        FileType::RegularFile if facts.nlink != 1 => Shape::Refused(Refusal::HardLink),
        FileType::RegularFile if facts.size > MAX_LOCK_BYTES => Shape::Refused(Refusal::Oversize),
        FileType::RegularFile if facts.uid != directory.uid && facts.uid != directory.euid => {
            Shape::Refused(Refusal::UnexpectedUid)
        }
        FileType::RegularFile => Shape::Regular,
        _ => Shape::Refused(Refusal::NotRegular),
    }
}

/// As large as a lock mostly is, and then some.
const MOSTLY: usize = 4096;

/// One pread; two, if it is larger than any that OpenClaw writes.
fn read_at_start(fd: &OwnedFd) -> Result<Box<[u8]>, Errno> {
    let read = read_into(fd, &mut [MaybeUninit::uninit(); MOSTLY])?;
    if read.len() < MOSTLY {
        return Ok(read);
    }
    read_into(fd, &mut vec![MaybeUninit::uninit(); MAX_LOCK_BYTES as usize])
}

fn read_into(fd: &OwnedFd, bytes: &mut [MaybeUninit<u8>]) -> Result<Box<[u8]>, Errno> {
    // A transient read error must never look like an empty lock.
    retry_on_intr(|| Ok(rustix::io::pread(fd, &mut *bytes, 0)?.0.into()))
}
