//! The locks that are known, by directory and name, and when each is to be looked at next. No I/O.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::rc::Rc;
use std::time::Duration;

use super::inotify::Wd;
use super::timer::Deadlines;
use super::weigh::Suspicion;
use crate::openclaw::lock_kind::LockKind;
use crate::survey::SurveyedLock;
use crate::verdict::Verdict;

/// A watched directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SpotId(pub(super) u32);

/// A lock, from its creation to its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LockId(u64);

/// How a lock came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Birth {
    /// Its creation was seen.
    Seen,
    /// A listing showed it.
    Found,
}

/// Something that is due at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Look(LockId),
    /// A lock was unlinked while its owner had it open: has the owner let go since?
    Removed(Wd),
    /// A root has to be looked at as a whole.
    Root(usize),
    SafetyScan,
    /// The service manager wants to hear that the loop turns.
    Watchdog,
    /// A client is too slow.
    Connection(u32),
    /// A command that we started runs too long.
    CommandLimit,
    /// A gateway restart that was put off.
    Restart,
    /// Logs were written.
    Logs,
    /// Logs have come, or gone.
    LogNames,
    /// The databases of a root may have changed.
    Databases(usize),
    /// What the logs and the databases tell is to be made up anew.
    Diagnosis,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) spot: SpotId,
    pub(super) name: Rc<OsStr>,
    pub(super) kind: LockKind,
    pub(super) birth: Birth,
    /// When it was first seen, on the boot clock.
    pub(super) appeared: Duration,
    /// Its age when it was first looked at, by the wall clock; from there the boot clock counts.
    pub(super) aged: Option<Aged>,
    /// The last look at it.
    pub(super) lock: Option<Box<SurveyedLock>>,
    pub(super) suspicion: Option<Suspicion>,
    pub(super) content_watch: Option<Wd>,
    pub(super) session_named: bool,
    /// Somebody who could write to it has closed it since the last change of its content.
    pub(super) closed: bool,
    /// The last look did not find it.
    pub(super) vanished: bool,
    /// The process whose end is waited for on its behalf.
    pub(super) watched_process: Option<u32>,
    /// Why the last attempt to reclaim it came to nothing, and when the next is due.
    pub(super) setback: Option<Box<Setback>>,
    due: Option<Duration>,
}

/// Wall-clock ages at one moment of the boot clock: setting the wall clock later changes nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aged {
    pub(super) at: Duration,
    pub(super) age: Option<Duration>,
    pub(super) untouched_for: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Setback {
    pub(super) why: String,
    pub(super) attempts: u32,
    pub(super) retry_at: Duration,
}

impl Entry {
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.lock.as_ref().map(|lock| lock.judgement.verdict)
    }

    /// Age at `now` (boot clock): since its creation as its payload tells it, or since it was first seen.
    pub(super) fn age(&self, now: Duration) -> Duration {
        match self.aged {
            Some(Aged { at, age: Some(age), .. }) => age + now.saturating_sub(at),
            _ => now.saturating_sub(self.appeared),
        }
    }

    pub(super) fn owner_pid(&self) -> Option<u32> {
        self.lock.as_ref()?.evidence.payload().map(|payload| payload.pid)
    }
}

#[derive(Debug)]
pub(super) struct Table {
    /// Boxed: half of a hash table is room to grow.
    entries: HashMap<LockId, Box<Entry>>,
    names: HashMap<SpotId, HashMap<Rc<OsStr>, LockId>>,
    contents: HashMap<Wd, LockId>,
    next_id: u64,
    pub(super) deadlines: Deadlines<Due>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            entries: HashMap::new(),
            names: HashMap::new(),
            contents: HashMap::new(),
            next_id: 0,
            deadlines: Deadlines::new(),
        }
    }

    pub(super) fn insert(
        &mut self,
        spot: SpotId,
        name: impl Into<Rc<OsStr>>,
        kind: LockKind,
        birth: Birth,
        now: Duration,
    ) -> LockId {
        let (id, name) = (LockId(self.next_id), name.into());
        self.next_id += 1;
        self.names.entry(spot).or_default().insert(Rc::clone(&name), id);
        let entry = Entry {
            spot,
            name,
            kind,
            birth,
            appeared: now,
            aged: None,
            lock: None,
            suspicion: None,
            content_watch: None,
            session_named: false,
            closed: false,
            vanished: false,
            watched_process: None,
            setback: None,
            due: None,
        };
        self.entries.insert(id, Box::new(entry));
        id
    }

    pub(super) fn find(&self, spot: SpotId, name: &OsStr) -> Option<LockId> {
        self.names.get(&spot)?.get(name).copied()
    }

    pub(super) fn get(&self, id: LockId) -> Option<&Entry> {
        self.entries.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: LockId) -> Option<&mut Entry> {
        self.entries.get_mut(&id).map(Box::as_mut)
    }

    pub(super) fn remove(&mut self, id: LockId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(names) = self.names.get_mut(&entry.spot) {
            names.remove(&entry.name);
        }
        if let Some(at) = entry.due {
            self.deadlines.clear(at, Due::Look(id));
        }
        if let Some(wd) = entry.content_watch {
            self.contents.remove(&wd);
        }
        Some(*entry)
    }

    /// Every lock of a directory.
    pub(super) fn of_spot(&self, spot: SpotId) -> Vec<LockId> {
        self.names.get(&spot).map(|names| names.values().copied().collect()).unwrap_or_default()
    }

    /// Forgets a directory, which has no locks any more.
    pub(super) fn forget_spot(&mut self, spot: SpotId) {
        self.names.remove(&spot);
    }

    pub(super) fn watch_content(&mut self, id: LockId, wd: Wd) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.content_watch = Some(wd);
            self.contents.insert(wd, id);
        }
    }

    pub(super) fn by_content(&self, wd: Wd) -> Option<LockId> {
        self.contents.get(&wd).copied()
    }

    /// The kernel has dropped the watch on a lock's content.
    pub(super) fn content_ignored(&mut self, wd: Wd) {
        if let Some(id) = self.contents.remove(&wd)
            && let Some(entry) = self.entries.get_mut(&id)
        {
            entry.content_watch = None;
        }
    }

    /// Looks at `id` at `at`, instead of when it was planned; `None`: not by itself.
    pub(super) fn look_at(&mut self, id: LockId, at: Option<Duration>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.due == at {
            return;
        }
        if let Some(before) = entry.due {
            self.deadlines.clear(before, Due::Look(id));
        }
        entry.due = at;
        if let Some(at) = at {
            self.deadlines.set(at, Due::Look(id));
        }
    }

    /// Looks at `id` at `at`, or earlier if that was planned.
    pub(super) fn look_by(&mut self, id: LockId, at: Duration) {
        let sooner = self.entries.get(&id).and_then(|entry| entry.due).is_none_or(|planned| at < planned);
        if sooner {
            self.look_at(id, Some(at));
        }
    }

    /// Whether a look is planned.
    pub(super) fn is_planned(&self, id: LockId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.due.is_some())
    }

    /// The look that was due is being taken.
    pub(super) fn looking(&mut self, id: LockId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.due = None;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LockId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry.as_ref()))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
