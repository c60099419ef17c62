//! `lockdoctor/` in a state directory: the journal and the quarantine. Lockdoctors take turns in it; the
//! kernel's flock(2) on the directory says whose turn it is, and ends with the process.
//!
//! OpenClaw looks for locks and transcripts in `agents/*/sessions` only, and nothing here ends in `.lock`.

use std::ffi::OsStr;
use std::ops::{Deref, DerefMut};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode};
use rustix::io::Errno;

use super::entry::{Entry, Event};
use super::journal::{Access, Journal};
use super::past::{Freed, Memory};
use super::store_error::failed;
use super::trust;

pub use super::store_error::StoreError;
use super::{recovery, tombstone};
use crate::evidence::directory::Directory;
use crate::evidence::lease::Leases;

/// The directory's name in a state directory, or in a sessions directory that lies elsewhere.
pub const STORE: &str = "lockdoctor";
const QUARANTINE: &str = "quarantine";
const STAMP: &str = "%Y%m%dT%H%M%S%.3fZ";
/// What is kept without being asked: the newest of these, and nothing older than that. The circuit breaker
/// lets 100 in a minute, so even a runaway leaves ten minutes to look.
const KEEP_FILES: usize = 1000;
const KEEP_FOR: TimeDelta = TimeDelta::days(30);

/// How often the store may turn out to be another one, however little patience there is.
const MOST_REPLACEMENTS: u32 = 3;

/// How long to wait for another lockdoctor; one reclaim takes milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all: the daemon has other work, and comes back later.
    None,
    /// Ten seconds.
    TheirTurn,
}

impl Patience {
    fn limit(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::TheirTurn => Duration::from_secs(10),
        }
    }
}

/// The opened store.
#[derive(Debug)]
pub struct Store {
    pub home: Arc<Directory>,
    pub quarantine: Arc<Directory>,
    directory: Directory,
    journal: Journal,
    patience: Patience,
    /// Ends that a full disk kept out of the journal; they go first as soon as it takes lines again.
    owed: Vec<Entry>,
}

impl Store {
    /// Opens it, creating what is missing, and finishes or undoes what a killed lockdoctor left half done.
    pub(super) fn open(
        home: &Arc<Directory>,
        memory: Memory,
        patience: Patience,
        leases: &mut Leases,
    ) -> Result<Self, StoreError> {
        let mut store = Self::created(home, memory, patience)?;
        let turn = store.turn(leases)?;
        for name in turn.quarantined()?.iter().filter(|name| tombstone::is_draft(name)) {
            tombstone::withdraw(&turn.quarantine, name);
        }
        drop(turn);
        Ok(store)
    }

    fn created(home: &Arc<Directory>, memory: Memory, patience: Patience) -> Result<Self, StoreError> {
        let directory = made(home, STORE)?;
        let quarantine = Arc::new(made(&directory, QUARANTINE)?);
        let journal = Journal::open(&directory, Access::Write, memory)?;
        Ok(Self { home: Arc::clone(home), quarantine, directory, journal, patience, owed: Vec::new() })
    }

    /// Opens it for a mere look, if it is there: nothing is created, and nobody has to wait.
    pub fn look(home: &Arc<Directory>) -> Result<Option<Self>, StoreError> {
        let opened = || {
            let directory = home.open_beneath(Path::new(STORE))?;
            let quarantine = Arc::new(directory.open_beneath(Path::new(QUARANTINE))?);
            Ok((directory, quarantine))
        };
        let (directory, quarantine) = match opened() {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed(&home.path, "opening lockdoctor's directory", error)),
        };
        let journal = match Journal::open(&directory, Access::Read, Memory::Whole) {
            Err(StoreError::System { error: Errno::NOENT, .. }) => return Ok(None),
            journal => journal?,
        };
        let (home, patience) = (Arc::clone(home), Patience::TheirTurn);
        Ok(Some(Self { home, quarantine, directory, journal, patience, owed: Vec::new() }))
    }

    /// Whether `home` has a store.
    pub fn exists(home: &Directory) -> bool {
        rustix::fs::statat(home, STORE, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Waits until no other lockdoctor is at work here, and takes in what they did.
    pub fn turn(&mut self, leases: &mut Leases) -> Result<Turn<'_>, StoreError> {
        let deadline = Instant::now() + self.patience.limit();
        for attempt in 0_u32.. {
            self.lock(deadline)?;
            if self.is_in_place() {
                break;
            }
            if attempt >= MOST_REPLACEMENTS && Instant::now() > deadline {
                return Err(StoreError::Tampered { path: self.directory.path.display().to_string() });
            }
            // Somebody removed or replaced it. The lock on the old one ends with its descriptor.
            let owed = std::mem::take(&mut self.owed);
            let home = Arc::clone(&self.home);
            *self = Self { owed, ..Self::created(&home, self.journal.memory(), self.patience)? };
        }
        let mut turn = Turn(self);
        let store = &mut *turn;
        // A daemon keeps them open: they may have been opened to others since.
        trust::check(&store.directory)?;
        trust::check(&store.quarantine)?;
        store.journal.refresh(&store.directory)?;
        recovery::recover(store, leases)?;
        store.journal.rotate(&store.directory)?;
        Ok(turn)
    }

    fn lock(&self, deadline: Instant) -> Result<(), StoreError> {
        loop {
            match rustix::fs::flock(&self.directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(()),
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(StoreError::Busy { path: self.directory.path.display().to_string() });
                }
                Err(error) => return Err(failed(&self.directory.path, "taking our turn", error)),
            }
        }
    }

    /// The names still lead to the directories that we hold open.
    fn is_in_place(&self) -> bool {
        let leads_to = |parent: &Directory, name: &str, child: &Directory| {
            rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (child.dev, child.ino))
        };
        leads_to(&self.home, STORE, &self.directory)
            && leads_to(&self.directory, QUARANTINE, &self.quarantine)
    }

    /// Oldest first; none unless the whole past was asked for.
    pub fn entries(&self) -> &[Entry] {
        self.journal.entries()
    }

    /// The locks that were freed lately, oldest first.
    pub(super) fn freed(&self) -> impl DoubleEndedIterator<Item = &Freed> {
        self.journal.freed()
    }

    pub(super) fn unfinished(&self) -> Vec<Entry> {
        self.journal.unfinished().cloned().collect()
    }

    /// Appends to the journal and waits until it is on disk.
    pub(super) fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        while let Some(owed) = self.owed.first() {
            self.journal.write_line(owed)?;
            self.owed.remove(0);
        }
        self.journal.append(entry)
    }

    /// Records how an act ended. The act is done, so a full disk does not make it a failure: the intent is on
    /// disk, and the end follows as soon as there is room, or the next lockdoctor finds out how it ended.
    pub(super) fn write_end(&mut self, entry: Entry) {
        if self.write(&entry).is_err() {
            self.journal.take_in(entry.clone());
            self.owed.push(entry);
        }
    }

    /// A name that sorts by time and tells files apart.
    pub(super) fn new_id(&self, now: DateTime<Utc>, inode: u64) -> String {
        let base = format!("{}-{:x}", now.format(STAMP), inode);
        let unfinished = |id: &str| self.journal.unfinished().any(|entry| entry.id == id);
        let lies_there =
            |id: &str| rustix::fs::statat(&self.quarantine, id, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        let taken = |id: &String| unfinished(id) || lies_there(id);
        let others = (1..=64).map(|n| format!("{base}-{n}"));
        std::iter::once(base.clone()).chain(others).find(|id| !taken(id)).unwrap_or(base)
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

    /// Removes one file from the quarantine for good, having said so in the journal.
    pub(super) fn drop_file(&mut self, id: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let cannot = |error| failed(&self.quarantine.path, "removing from the quarantine", error);
        let stat = rustix::fs::statat(&self.quarantine, id, AtFlags::SYMLINK_NOFOLLOW).map_err(cannot)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Err(cannot(Errno::ISDIR));
        }
        let subject =
            self.entries().iter().rev().find(|entry| entry.id == id).map(|entry| entry.subject.clone());
        self.write(&Entry::about(now, id, Event::Purged, subject.unwrap_or_default()))?;
        rustix::fs::unlinkat(&self.quarantine, id, AtFlags::empty())
            .map_err(|error| failed(&self.quarantine.path, "removing from the quarantine", error))
    }

    /// Keeps the quarantine within its bounds.
    pub(super) fn bound(&mut self, now: DateTime<Utc>) {
        let Ok(names) = self.quarantined() else { return };
        let excess = names.len().saturating_sub(KEEP_FILES);
        let oldest = (now - KEEP_FOR).format("%Y%m%dT%H%M%S").to_string();
        for name in names.iter().enumerate().filter(|(at, name)| *at < excess || **name < oldest) {
            // What cannot be removed now is tried again after the next reclaim.
            let _ = self.drop_file(name.1, now);
        }
    }
}

/// Our turn in a store: no other lockdoctor changes anything in it as long as this lives.
#[derive(Debug)]
pub struct Turn<'a>(&'a mut Store);

impl Deref for Turn<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.0
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Store {
        self.0
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Should it fail, the turn ends with the process.
        let _ = rustix::fs::flock(&self.0.directory, FlockOperation::Unlock);
    }
}

/// When a file came into the quarantine, by its name.
pub(super) fn time_in(id: &str) -> Option<DateTime<Utc>> {
    let (stamp, _) = id.split_once('-')?;
    chrono::NaiveDateTime::parse_from_str(stamp, STAMP).ok().map(|at| at.and_utc())
}

/// Opens the sub-directory `name`, creating it for its user alone.
fn made(parent: &Directory, name: &str) -> Result<Directory, StoreError> {
    let path = parent.path.join(name);
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed(&path, "creating the directory", error)),
    }
    let tampered = || StoreError::Tampered { path: path.display().to_string() };
    let directory = parent.open_beneath(Path::new(name)).map_err(|error| match error {
        Errno::LOOP | Errno::NOTDIR => tampered(),
        error => failed(&path, "opening the directory", error),
    })?;
    let ours = rustix::process::geteuid().as_raw();
    if directory.uid != ours {
        return Err(tampered());
    }
    trust::check(&directory)?;
    Ok(directory)
}
