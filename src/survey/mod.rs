//! From paths to judged locks: walks the installs, pins what it finds, gathers the evidence, judges, and looks
//! a second time before it calls a lock stale or leaked. Read-only.

pub mod claims;
pub mod gather;
pub mod holders;
pub mod scope;
pub mod standing;
pub mod walk;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::Now;
use crate::evidence::directory::Directory;
use crate::evidence::identity;
use crate::evidence::lockfile::{FileFacts, PinnedLock, Presence, Refusal, Shape};
use crate::evidence::view::SystemView;
use crate::evidence::{Evidence, Relevance, Writer};
use crate::install::Install;
use crate::install::trace::Trace;
use crate::leases::Workings;
use crate::openclaw::lock_kind::{LockKind, Management};
use crate::verdict::{Judgement, Settle, Sighting, StaleProof, Verdict, judge};

pub use gather::{see_owner, settle_of};
pub use scope::{Scope, ScopeError};
pub use standing::StandingRoot;

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
    pub leases: Vec<claims::SurveyedLease>,
    /// What those databases call running.
    pub running: Vec<claims::RunningSession>,
    /// Of those roots that have them.
    pub workings: Vec<(usize, Workings)>,
    pub problems: Vec<Problem>,
    /// Directories (device, inode) that were listed: two agents, or two roots, may share one (`session.store`).
    listed: HashSet<(u64, u64)>,
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
    pub directory: Rc<Directory>,
    pub name: OsString,
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
        let whose = match (self.evidence.shape, uid) {
            (Shape::Refused(Refusal::UnexpectedUid | Refusal::Unreadable), Some(uid)) => uid,
            _ => return Some(note.into()),
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

    /// Judges a held lock again after something about its limit became known.
    pub fn judge_held_again(&mut self) {
        if matches!(self.judgement.verdict, Verdict::Held | Verdict::Overdue) {
            self.judgement = judge(&self.evidence, Sighting::First, SCAN_SETTLE);
        }
    }

    /// Judges again, `apart` after the first look, with the evidence as it stands.
    pub fn judge_again(&mut self, apart: Duration, settle: Settle) {
        self.judgement = judge(&self.evidence, Sighting::Again { apart }, settle);
    }
}

impl Survey {
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

    fn lists(&self, directory: &Directory, name: &OsStr) -> bool {
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

/// Said of a directory that OpenClaw has not been in yet.
pub const NOTHING_YET: &str = "nothing of OpenClaw's is here yet";

/// Looks at everything in `scope` once; locks that call for it come back as `settling`.
pub fn first_look(scope: &Scope, view: &mut SystemView) -> Survey {
    raise_descriptor_limit();
    let mut survey = Survey {
        now: view.now,
        roots: Vec::new(),
        locks: Vec::new(),
        leases: Vec::new(),
        running: Vec::new(),
        workings: Vec::new(),
        problems: scope.unseen.clone(),
        listed: HashSet::new(),
    };
    for target in &scope.targets {
        if target.trace() == Some(Trace::Empty) {
            survey.problems.push(Problem {
                path: target.path().to_owned(),
                what: NOTHING_YET.to_owned(),
                severity: ProblemSeverity::Detail,
            });
        }
        walk::walk(target, view, &mut survey);
    }
    survey
}

/// Looks at everything in `scope`, and again at what calls for it.
pub fn survey(scope: &Scope, view: &mut SystemView) -> Survey {
    let mut survey = first_look(scope, view);
    second_look(&mut survey, view, SCAN_SETTLE);
    survey
}

/// Waits as long as the settling locks need, at most `settle`, and looks at them again.
pub fn second_look(survey: &mut Survey, view: &mut SystemView, settle: Settle) {
    let candidates: Vec<usize> =
        (0..survey.locks.len()).filter(|at| survey.locks[*at].judgement.suspected.is_some()).collect();
    let mut waiting = Vec::new();
    for at in candidates {
        let lock = &mut survey.locks[at];
        // A death that is proven for this kernel cannot be undone by waiting.
        let at_once = judge(&lock.evidence, Sighting::Again { apart: Duration::ZERO }, settle);
        if at_once.suspected.is_none() {
            // And nobody opens a dead man's lock for writing: it is enough that it still lies there.
            look_again(lock, Duration::ZERO, settle, |lock, _| lock.evidence.writer);
        } else {
            waiting.push(at);
        }
    }
    let wait = waiting.iter().map(|at| settle_of(&survey.locks[*at], settle)).max();
    if let Some(wait) = wait {
        std::thread::sleep(wait);
        view.refresh();
        for at in waiting {
            let lock = &mut survey.locks[at];
            let install = survey.roots[lock.root].install.as_ref();
            look_again(lock, wait, settle, |lock, pin| {
                see_owner(lock, &pin, install, view);
                pin.probe_writer_and_close(&mut view.leases)
            });
        }
    }
    // Without facts it was never there, or is gone.
    survey.locks.retain(|lock| lock.facts.is_some());
}

/// The second look at one lock: the name still leads to the same file, unchanged, and nobody writes to it.
fn look_again(
    lock: &mut SurveyedLock,
    apart: Duration,
    settle: Settle,
    probe: impl FnOnce(&mut SurveyedLock, PinnedLock) -> Writer,
) {
    let Some(pin) = lock.pin.take() else { return };
    match pin.presence() {
        Ok(Presence::Same) => {
            lock.evidence.writer = probe(lock, *pin);
            lock.judge_again(apart, settle);
        }
        // Released meanwhile: there is no lock to speak of any more.
        Ok(Presence::Gone) => lock.facts = None,
        // Taken by somebody else, or unreadable: it stays `settling`.
        Ok(Presence::Changed) | Err(_) => {}
    }
}

/// The second judgement of a reclaim: the same pinned file, everything asked anew, the pin kept.
pub fn confirm(
    lock: &mut SurveyedLock,
    install: Option<&Install>,
    view: &mut SystemView,
    apart: Duration,
    settle: Settle,
) -> Confirmed {
    let Some(pin) = lock.pin.take() else { return Confirmed::Gone };
    match pin.presence() {
        Ok(Presence::Gone) => return Confirmed::Gone,
        Ok(Presence::Changed) | Err(_) => return Confirmed::Changed,
        Ok(Presence::Same) => {}
    }
    lock.evidence.writer = pin.probe_writer(&mut view.leases);
    // Whoever has come since the first look may carry the number in another namespace.
    see_owner(lock, &pin, install, view);
    lock.judge_again(apart, settle);
    lock.pin = Some(pin);
    lock.judgement.take_proof().map_or(Confirmed::NotProven, Confirmed::Proven)
}

/// What a second judgement found.
#[derive(Debug, PartialEq, Eq)]
pub enum Confirmed {
    Proven(StaleProof),
    /// It is there, but nothing proves any more that it has no holder.
    NotProven,
    Changed,
    Gone,
}

/// Settling locks are pinned by an open descriptor each; the soft limit is often 1024.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Should it fail, the locks beyond the limit are reported as not looked at.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
