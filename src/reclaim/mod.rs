//! The only code that changes a watched directory. A lock is never deleted: it is swapped, atomically, for a
//! tombstone that names no process, and OpenClaw's own acquirer removes that. The name is never absent, and
//! what comes out of the swap is looked at before it counts as done.
//!
//! Order of one reclaim: trust the directory → journal the intent → make the tombstone → last check → swap →
//! look at what came out → journal the end. Each step survives a SIGKILL: see [`recovery`].

pub mod breaker;
pub mod journal;
pub mod quarantine;
pub mod recovery;
pub mod run;
pub mod store;
pub mod swap;
pub mod tombstone;
pub mod trust;

use std::rc::Rc;

use chrono::{DateTime, Utc};
use rustix::io::Errno;

use crate::evidence::Writer;
use crate::evidence::directory::Directory;
use crate::evidence::lease::Leases;
use crate::evidence::lockfile::{PinnedLock, Presence};
use crate::verdict::{StaleProof, Verdict};
use breaker::Breaker;
use journal::{Entry, Event, Subject};
use store::{Store, StoreError};
use swap::SwapOutcome;

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

/// Why nothing was done, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    NotTrusted(#[from] trust::Distrust),
    #[error("a reclaim guard stands beside it: OpenClaw is at it itself, or the guard was left behind")]
    Guarded,
    #[error("{0}")]
    Breaker(#[from] breaker::Tripped),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error(
        "this file system cannot swap two names (renameat2 RENAME_EXCHANGE); restart the gateway instead"
    )]
    CannotSwap,
    #[error("the lock lies on another mount than {quarantine}; name its directory with --state-dir")]
    OtherMount { quarantine: String },
    #[error("permission denied; run lockdoctor as uid {uid}, which owns the directory")]
    WrongUser { uid: u32 },
    #[error("the file system is mounted read-only")]
    ReadOnly,
    #[error("{what}: {error}")]
    System { what: &'static str, error: Errno },
}

/// What is written about a lock besides its file.
#[derive(Debug, Clone)]
pub struct Case {
    pub subject: Subject,
    /// When the tombstone says the lock was made: the payload's own time, else the file's.
    pub created_at: Option<DateTime<Utc>>,
}

/// Reclaims locks of one state directory (or of one sessions directory that was named alone).
#[derive(Debug)]
pub struct Reclaimer {
    store: Store,
    breaker: Breaker,
}

impl Reclaimer {
    /// Opens, or creates, `lockdoctor/` in `home`, takes its lock, and finishes or undoes what a killed
    /// lockdoctor left half done.
    pub fn open(home: &Rc<Directory>, breaker: Breaker, leases: &mut Leases) -> Result<Self, Failure> {
        trust::check(home)?;
        let mut store = Store::open(home).map_err(|error| explained(error, home))?;
        recovery::recover(&mut store, leases)?;
        Ok(Self { store, breaker })
    }

    /// Swaps `lock` for a tombstone. The proof says that it has no holder; the last check asks once more.
    pub fn reclaim(
        &mut self,
        lock: PinnedLock,
        proof: StaleProof,
        case: Case,
        leases: &mut Leases,
    ) -> Outcome {
        match self.try_reclaim(&lock, proof, case, leases) {
            Ok(outcome) => outcome,
            Err(failure) => Outcome::Failed(failure),
        }
    }

    fn try_reclaim(
        &mut self,
        lock: &PinnedLock,
        proof: StaleProof,
        case: Case,
        leases: &mut Leases,
    ) -> Result<Outcome, Failure> {
        trust::check(lock.directory())?;
        if guard_stands(lock) {
            return Err(Failure::Guarded);
        }
        let now = Utc::now();
        self.breaker.check(&self.store, &case.subject, now)?;
        if let Some(outcome) = last_check(lock, proof, leases)? {
            return Ok(outcome);
        }
        let id = self.store.new_id(now, lock.facts());
        self.store.write(&Entry::new(now, &id, Event::Intent, &case.subject, lock.facts()))?;
        let result = self.act(lock, proof, &id, &case, now, leases);
        let (event, answer) = match result {
            Ok(SwapOutcome::Judged) => {
                (Event::Reclaimed, Ok(Outcome::Reclaimed { quarantine_id: id.clone() }))
            }
            Ok(SwapOutcome::Vanished) => (Event::Vanished, Ok(Outcome::Vanished)),
            Ok(SwapOutcome::Changed) => (Event::Changed, Ok(Outcome::Changed)),
            Ok(SwapOutcome::LiveLockPutBack) => (Event::LivePutBack, Ok(Outcome::Changed)),
            Ok(SwapOutcome::ReleasedMeanwhile) => (Event::ReleasedMeanwhile, Ok(Outcome::Changed)),
            Ok(SwapOutcome::DoubleHolder) => (Event::DoubleHolder, Ok(Outcome::Changed)),
            Err(failure) => (Event::Failed, Err(failure)),
        };
        let mut end = Entry::new(Utc::now(), &id, event, &case.subject, lock.facts());
        end.detail = answer.as_ref().err().map(ToString::to_string);
        self.store.write(&end)?;
        self.store.bound(Utc::now());
        answer
    }

    fn act(
        &mut self,
        lock: &PinnedLock,
        proof: StaleProof,
        id: &str,
        case: &Case,
        now: DateTime<Utc>,
        leases: &mut Leases,
    ) -> Result<SwapOutcome, Failure> {
        let bytes = tombstone::bytes(lock, case.created_at, id, now);
        tombstone::place(&self.store.quarantine, id, &bytes, lock.facts(), now)
            .map_err(|error| explained(error.into(), lock.directory()))?;
        let checked = last_check(lock, proof, leases);
        match checked {
            Ok(None) => swap::swap(&self.store.quarantine, id, lock, leases),
            Ok(Some(outcome)) => {
                tombstone::withdraw(&self.store.quarantine, id);
                Ok(if outcome == Outcome::Vanished { SwapOutcome::Vanished } else { SwapOutcome::Changed })
            }
            Err(failure) => {
                tombstone::withdraw(&self.store.quarantine, id);
                Err(failure)
            }
        }
    }
}

/// The same file, the same bytes, and still no writer. `Some`: it must not be touched any more.
fn last_check(lock: &PinnedLock, proof: StaleProof, leases: &mut Leases) -> Result<Option<Outcome>, Failure> {
    let system = |error| Failure::System { what: "looking at the lock once more", error };
    match lock.presence().map_err(system)? {
        Presence::Gone => return Ok(Some(Outcome::Vanished)),
        Presence::Changed => return Ok(Some(Outcome::Changed)),
        Presence::Same => {}
    }
    if !lock.bytes_unchanged().map_err(system)? {
        return Ok(Some(Outcome::Changed));
    }
    // An abandoned lock is taken although its owner has it open: that is what --abandoned means.
    let writer_is_a_veto = proof.verdict() != Verdict::Overdue;
    if writer_is_a_veto && lock.probe_writer(leases) == Writer::Open {
        return Ok(Some(Outcome::Changed));
    }
    Ok(None)
}

fn guard_stands(lock: &PinnedLock) -> bool {
    let mut name = lock.name().to_owned();
    name.push(".reclaim");
    rustix::fs::statat(lock.directory(), &name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Turns the errors that have a remedy into sentences that name it.
fn explained(error: StoreError, directory: &Directory) -> Failure {
    match error.errno() {
        Some(Errno::ACCESS | Errno::PERM) => Failure::WrongUser { uid: directory.uid },
        Some(Errno::ROFS) => Failure::ReadOnly,
        _ => Failure::Store(error),
    }
}
