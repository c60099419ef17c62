//! The only code that changes a watched directory. A lock is never deleted: it is swapped, atomically, for a
//! tombstone that names no process, and OpenClaw's own acquirer removes that. The name is never absent, and
//! what comes out of the swap is looked at before it counts as done.
//!
//! Order of one reclaim: trust the directory → take its owner's identity → our turn in the store → last check →
//! journal the intent → make the tombstone → last check again → swap → look at what came out → journal the end.
//! Each step survives a SIGKILL: see [`recovery`].

pub mod breaker;
pub mod entry;
mod failure;
pub mod homes;
pub mod journal;
pub mod leases;
mod past;
pub mod policy;
pub mod quarantine;
mod recovery;
pub mod run;
pub mod store;
mod store_error;
mod swap;
pub mod tombstone;
pub mod trust;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;

use crate::evidence::Writer;
use crate::evidence::directory::Directory;
use crate::evidence::identity::ActingAs;
use crate::evidence::lease::Leases;
use crate::evidence::lockfile::{PinnedLock, Presence};
use crate::verdict::{StaleProof, Verdict};
use breaker::Breaker;
use entry::{Entry, Event, Subject, Word};
pub use failure::Failure;
use past::Memory;
use store::{Patience, STORE, Store, StoreError, Turn};
use swap::{Places, SwapOutcome};

/// What became of one lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Reclaimed {
        quarantine_id: String,
    },
    /// It was gone when we came: somebody else did it.
    Vanished,
    /// It is not the lock that was judged any more.
    Changed,
    Failed(Failure),
}

impl Outcome {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reclaimed { .. } => "reclaimed",
            Self::Vanished => "vanished",
            Self::Changed => "changed",
            Self::Failed(_) => "failed",
        }
    }
}

/// What is written about a lock besides its file.
#[derive(Debug, Clone)]
pub struct Case {
    pub subject: Subject,
    /// When the tombstone says the lock was made: the payload's own time, else the file's.
    pub created_at: Option<DateTime<Utc>>,
    /// When the process started that may have taken it; `None`: that is not known.
    pub owner_since: Option<DateTime<Utc>>,
}

/// Reclaims locks of one state directory (or of one sessions directory that was named alone).
#[derive(Debug)]
pub struct Reclaimer {
    store: Store,
    /// Stores of sessions directories that turned out to lie on another mount, by device and inode.
    elsewhere: HashMap<(u64, u64), Store>,
    breaker: Breaker,
    patience: Patience,
}

impl Reclaimer {
    /// Opens, or creates, `lockdoctor/` in `home`, and finishes or undoes what a killed lockdoctor left half
    /// done there.
    pub fn open(
        home: &Arc<Directory>,
        breaker: Breaker,
        patience: Patience,
        leases: &mut Leases,
    ) -> Result<Self, Failure> {
        let store = open_store(home, patience, leases)?;
        Ok(Self { store, elsewhere: HashMap::new(), breaker, patience })
    }

    /// How often a lock was freed in the last ten minutes because its owner had died.
    pub fn deaths_lately(&self, lock: &Path) -> usize {
        let lock = lock.strip_prefix(&self.store.home.path).unwrap_or(lock).to_string_lossy();
        self.store.freed().filter(|freed| freed.of_dead_owner && freed.is(&lock)).count()
    }

    /// Swaps `lock` for a tombstone. The proof says that it has no holder; the last check asks once more.
    pub fn reclaim(
        &mut self,
        lock: PinnedLock,
        proof: StaleProof,
        mut case: Case,
        leases: &mut Leases,
    ) -> Outcome {
        case.subject.verdict = Word::Ours(proof.verdict());
        let act = Act { lock, proof, case, breaker: self.breaker };
        let outcome = match act.carry_out(&mut self.store, leases) {
            Err(Failure::OtherMount { .. }) if !same(&self.store.home, act.lock.directory()) => {
                self.reclaim_beside(act, leases)
            }
            outcome => outcome,
        };
        outcome.unwrap_or_else(Outcome::Failed)
    }

    /// A bind mount or a project quota can part a sessions directory from its state directory without a sign:
    /// then journal and quarantine lie in the sessions directory itself.
    fn reclaim_beside(&mut self, mut act: Act, leases: &mut Leases) -> Result<Outcome, Failure> {
        use std::collections::hash_map::Entry;
        let directory = act.lock.directory();
        let store = match self.elsewhere.entry((directory.dev, directory.ino)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(open_store(directory, self.patience, leases)?),
        };
        act.case.subject.lock = act.lock.name().to_string_lossy().into_owned();
        act.carry_out(store, leases)
    }
}

/// Finishes or undoes what a killed lockdoctor left half done in `home`, if it ever worked there.
pub fn recover(home: &Arc<Directory>, patience: Patience, leases: &mut Leases) -> Result<(), Failure> {
    if Store::exists(home) { open_store(home, patience, leases).map(drop) } else { Ok(()) }
}

/// What would keep a reclaim in `directory` from being done, as far as it can be told without doing it.
pub fn obstacle(directory: &Directory, home: &Directory) -> Option<Failure> {
    let store = match home.open_beneath(Path::new(STORE)) {
        Ok(store) => Some(store),
        Err(Errno::NOENT) => None,
        Err(Errno::LOOP | Errno::NOTDIR) => {
            let path = home.path.join(STORE).display().to_string();
            return Some(Failure::of_store(StoreError::Tampered { path }, home));
        }
        Err(error) => return Some(Failure::of("opening lockdoctor's directory", error, home)),
    };
    let kept = store.as_ref().unwrap_or(home);
    [directory, kept].into_iter().find_map(|place| may_change(place).err())
}

fn may_change(directory: &Directory) -> Result<(), Failure> {
    trust::check(directory)?;
    let _acting = acting_as_owner_of(directory)?;
    let may = |what| rustix::fs::accessat(directory, ".", what, AtFlags::EACCESS);
    match may(Access::WRITE_OK | Access::EXEC_OK) {
        // A container's filter answers so to any question of this kind: then it shows when it is tried.
        Err(Errno::PERM) if may(Access::EXISTS) == Err(Errno::PERM) => Ok(()),
        answer => answer.map_err(|error| Failure::of("writing to the directory", error, directory)),
    }
}

fn open_store(home: &Arc<Directory>, patience: Patience, leases: &mut Leases) -> Result<Store, Failure> {
    trust::check(home)?;
    let _acting = acting_as_owner_of(home)?;
    Store::open(home, Memory::Recent, patience, leases).map_err(|error| Failure::of_store(error, home))
}

fn acting_as_owner_of(directory: &Directory) -> Result<ActingAs, Failure> {
    // A container may have taken CAP_SETUID from its root.
    ActingAs::owner_of(directory).map_err(|_| Failure::WrongUser { uid: directory.uid })
}

fn same(one: &Directory, other: &Directory) -> bool {
    (one.dev, one.ino) == (other.dev, other.ino)
}

/// One reclaim.
#[derive(Debug)]
struct Act {
    lock: PinnedLock,
    proof: StaleProof,
    case: Case,
    breaker: Breaker,
}

impl Act {
    fn carry_out(&self, store: &mut Store, leases: &mut Leases) -> Result<Outcome, Failure> {
        if !self.proof.is_about(self.lock.facts().id()) {
            return Ok(Outcome::Changed);
        }
        let directory = self.lock.directory();
        if self.lock.name().to_str().is_none() {
            return Err(Failure::ForeignName);
        }
        trust::check(directory)?;
        trust::check(&store.home)?;
        let _acting = acting_as_owner_of(directory)?;
        let home = Arc::clone(&store.home);
        let in_store = |error| Failure::of_store(error, &home);
        let mut turn = store.turn(leases).map_err(in_store)?;
        if let Some(outcome) = self.last_check(leases)? {
            return Ok(outcome);
        }
        let now = Utc::now();
        let subject = &self.case.subject;
        let tripped = |tripped| Failure::Breaker { tripped, home: home.path.to_string_lossy().into_owned() };
        self.breaker.check(|| turn.freed(), subject, self.case.owner_since, now).map_err(tripped)?;
        let id = turn.new_id(now, self.lock.facts().ino);
        turn.write(&Entry::new(now, &id, Event::Intent, subject, self.lock.facts())).map_err(in_store)?;
        let result = self.replace(&turn, &id, now, leases);
        let (event, answer) = match result {
            Ok(SwapOutcome::Judged) => {
                (Event::Reclaimed, Ok(Outcome::Reclaimed { quarantine_id: id.clone() }))
            }
            Ok(SwapOutcome::Vanished) => (Event::Vanished, Ok(Outcome::Vanished)),
            Ok(SwapOutcome::Changed) => (Event::Changed, Ok(Outcome::Changed)),
            Ok(SwapOutcome::PutBack) => (Event::LivePutBack, Ok(Outcome::Changed)),
            Ok(SwapOutcome::ReleasedMeanwhile) => (Event::ReleasedMeanwhile, Ok(Outcome::Changed)),
            Ok(SwapOutcome::DoubleHolder) => (Event::DoubleHolder, Err(Failure::DoubleHolder)),
            // The intent stays open: the next lockdoctor tries again to put it back.
            Ok(SwapOutcome::Unfinished(error)) => {
                return Err(Failure::System {
                    what: "putting a live lock back; run lockdoctor again",
                    error,
                });
            }
            Err(failure) => (Event::Failed, Err(failure)),
        };
        let mut end = Entry::new(Utc::now(), &id, event, subject, self.lock.facts());
        end.detail = answer.as_ref().err().map(ToString::to_string);
        turn.write_end(end);
        turn.bound(now);
        answer
    }

    fn replace(
        &self,
        turn: &Turn<'_>,
        id: &str,
        now: DateTime<Utc>,
        leases: &mut Leases,
    ) -> Result<SwapOutcome, Failure> {
        let lock = &self.lock;
        let bytes = tombstone::bytes(lock, self.case.created_at, id, now);
        let tombstone = tombstone::place(&turn.quarantine, id, &bytes, lock.facts(), now)
            .map_err(|error| Failure::of("writing the tombstone", error, lock.directory()))?;
        let places =
            Places { quarantine: &turn.quarantine, id, directory: lock.directory(), name: lock.name() };
        match self.last_check(leases) {
            Ok(None) => swap::swap(places, &tombstone, lock, &self.proof, leases),
            other => {
                tombstone::withdraw(&turn.quarantine, id);
                other.map(|outcome| match outcome {
                    Some(Outcome::Vanished) => SwapOutcome::Vanished,
                    _ => SwapOutcome::Changed,
                })
            }
        }
    }

    /// The same file, the same bytes, and still no writer. `Some`: it must not be touched any more.
    ///
    /// The name is looked at last, so that nothing but the swap itself comes after it.
    fn last_check(&self, leases: &mut Leases) -> Result<Option<Outcome>, Failure> {
        let lock = &self.lock;
        let system = |error| Failure::of("looking at the lock once more", error, lock.directory());
        if guard_stands(lock).map_err(system)? {
            return Err(Failure::Guarded);
        }
        let in_use = match (self.proof.verdict(), lock.probe_writer(leases)) {
            // An abandoned lock is taken although its owner has it open: that is what --abandoned means.
            (Verdict::Overdue, _) => false,
            // Its owner lives, so nothing but the kernel's word frees it.
            (Verdict::Leaked, writer) => writer != Writer::NoneOpen,
            (_, writer) => writer == Writer::Open,
        };
        let unchanged = lock.bytes_unchanged().map_err(system)?;
        match lock.presence().map_err(system)? {
            Presence::Gone => Ok(Some(Outcome::Vanished)),
            Presence::Changed => Ok(Some(freed_or_changed(lock))),
            Presence::Same if in_use || !unchanged => Ok(Some(Outcome::Changed)),
            Presence::Same => Ok(None),
        }
    }
}

/// Another lockdoctor's tombstone under the name means that somebody else did it.
fn freed_or_changed(lock: &PinnedLock) -> Outcome {
    match tombstone::at(lock.directory(), lock.name()) {
        Ok(Some(_)) => Outcome::Vanished,
        _ => Outcome::Changed,
    }
}

/// Whether fs-safe's reclaim guard stands beside the lock; what cannot be seen counts as an error, not as "no".
fn guard_stands(lock: &PinnedLock) -> Result<bool, Errno> {
    let mut name: OsString = lock.name().to_owned();
    name.push(".reclaim");
    match rustix::fs::statat(lock.directory(), &name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}
