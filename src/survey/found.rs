//! What a survey finds: roots, locks, leases, and what could not be looked at.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::claims::{RunningSession, SurveyedLease};
use crate::clock::Now;
use crate::evidence::directory::Directory;
use crate::evidence::identity;
use crate::evidence::lockfile::{FileFacts, PinnedLock, Refusal, Shape};
use crate::evidence::{Evidence, Relevance};
use crate::install::Install;
use crate::leases::Workings;
use crate::openclaw::lock_kind::{LockKind, Management};
use crate::verdict::{Judgement, Settle, Sighting, Verdict, judge};

/// How long a scan waits before its second look; only if something calls for one.
pub const SCAN_SETTLE: Settle = Settle {
    dead: Duration::ZERO,
    stale: Duration::from_millis(300),
    leaked: Duration::from_millis(500),
    unseen: Settle::UNSEEN,
};

/// What a survey found.
#[derive(Debug)]
pub struct Survey {
    pub now: Now,
    pub roots: Vec<SurveyedRoot>,
    pub locks: Vec<SurveyedLock>,
    /// Rows of the databases of 2026.6 and later.
    pub leases: Vec<SurveyedLease>,
    /// What those databases call running.
    pub running: Vec<RunningSession>,
    /// Of those roots that have them.
    pub workings: Vec<(usize, Workings)>,
    pub problems: Vec<Problem>,
    /// Directories (device, inode) that were listed: two agents, or two roots, may share one (`session.store`).
    pub(super) listed: HashSet<(u64, u64)>,
}

/// A state directory, or a sessions directory that was named alone.
#[derive(Debug)]
pub struct SurveyedRoot {
    pub path: PathBuf,
    pub install: Option<Install>,
}

/// Something that could not be looked at. The rest was still scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub path: PathBuf,
    pub what: String,
    pub severity: ProblemSeverity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemSeverity {
    /// Locks may have been missed: the scan is not whole.
    Incomplete,
    /// Nothing was missed, but a detail is unknown.
    Detail,
}

/// One lock with its evidence and verdict.
#[derive(Debug)]
pub struct SurveyedLock {
    /// Index into [`Survey::roots`].
    pub root: usize,
    pub directory: Arc<Directory>,
    pub name: OsString,
    /// When this very file was already there, since boot: a process that started later did not make it.
    pub seen_at: Duration,
    pub kind: LockKind,
    pub agent: Option<String>,
    pub session_id: Option<String>,
    pub session_key: Option<String>,
    pub transcript: TranscriptListed,
    pub guarded: Guarded,
    pub facts: Option<FileFacts>,
    pub fingerprint: String,
    pub evidence: Evidence,
    pub judgement: Judgement,
    /// Held open while the lock is settling, so that its inode number cannot be given to another file.
    /// Boxed, as few locks have it.
    pub pin: Option<Box<PinnedLock>>,
}

impl SurveyedLock {
    pub fn path(&self) -> PathBuf {
        self.directory.path.join(&self.name)
    }

    /// What is missing or refused, how to get it, and whose file it is where that is the reason.
    pub fn note(&self) -> Option<Cow<'static, str>> {
        let note = self.judgement.note?;
        let uid = self.facts.map(|facts| facts.uid);
        let (Shape::Refused(Refusal::UnexpectedUid | Refusal::Unreadable), Some(whose)) =
            (self.evidence.shape, uid)
        else {
            return Some(note.into());
        };
        let remedy = if whose == 0 { "run lockdoctor as root" } else { "run lockdoctor as that user" };
        Some(format!("it belongs to {}; {note}; {remedy}", identity::user(whose)).into())
    }

    /// A lock that fails messages if it is stale, and nobody can say whether it is.
    pub fn is_unjudged(&self) -> bool {
        self.kind.management() == Management::Managed
            && self.evidence.relevance != Relevance::Fossil
            && matches!(self.judgement.verdict, Verdict::Foreign | Verdict::Indeterminate)
    }

    /// Its process is gone, and nothing says that it was let go as it should be.
    pub fn is_left_by_the_dead(&self) -> bool {
        self.judgement.verdict == Verdict::Stale
            && self.evidence.owner_alive() == Some(false)
            && self.evidence.relevance != Relevance::Fossil
            && matches!(self.kind, LockKind::Session | LockKind::Store | LockKind::Gateway)
    }

    /// Judges a held lock again after something about its limit became known.
    ///
    /// Returns whether it is judged otherwise now.
    pub fn judge_held_again(&mut self) -> bool {
        if !matches!(self.judgement.verdict, Verdict::Held | Verdict::Overdue) {
            return false;
        }
        let before =
            std::mem::replace(&mut self.judgement, judge(&self.evidence, Sighting::First, SCAN_SETTLE));
        self.judgement != before
    }

    /// Judges again, `apart` after the first look, with the evidence as it stands.
    pub fn judge_again(&mut self, apart: Duration, settle: Settle) {
        self.judgement = judge(&self.evidence, Sighting::Again { apart }, settle);
    }
}

impl Survey {
    /// Nothing was looked at yet.
    pub(super) fn new(now: Now) -> Self {
        Self {
            now,
            roots: Vec::new(),
            locks: Vec::new(),
            leases: Vec::new(),
            running: Vec::new(),
            workings: Vec::new(),
            problems: Vec::new(),
            listed: HashSet::new(),
        }
    }

    /// Adds what a second thread found below the same root.
    pub(super) fn take_from(&mut self, other: Self) {
        self.locks.extend(other.locks);
        self.problems.extend(other.problems);
        self.listed.extend(other.listed);
    }

    /// What had to be looked at and could not be, locks that cannot be judged among it. While there is any, nothing
    /// is healthy.
    pub fn unseen(&self) -> Vec<Problem> {
        let missed = self.problems.iter().filter(|problem| problem.severity == ProblemSeverity::Incomplete);
        let unjudged = self.locks.iter().filter(|lock| lock.is_unjudged()).map(|lock| {
            let why = lock.note().unwrap_or_else(|| lock.judgement.sentence().into());
            Problem::unseen(&lock.path(), format!("cannot be judged: {why}"))
        });
        missed.cloned().chain(unjudged).collect()
    }

    /// The install that a lock was found in; `None`: its directory was named alone.
    pub fn install_of(&self, lock: &SurveyedLock) -> Option<&Install> {
        self.roots.get(lock.root)?.install.as_ref()
    }

    pub(super) fn lists(&self, directory: &Directory, name: &OsStr) -> bool {
        let there = |lock: &SurveyedLock| {
            lock.name == name && (lock.directory.dev, lock.directory.ino) == (directory.dev, directory.ino)
        };
        self.locks.iter().any(there)
    }
}

/// Whether the directory listing showed the transcript that the lock guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TranscriptListed {
    Yes,
    No,
    NotApplicable,
}

/// Whether a `<lock>.reclaim` guard stood beside the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    Yes,
    No,
}
