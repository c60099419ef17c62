//! One run over a survey: waits out the settle time, judges a second time, and acts on what is proven.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use super::breaker::Breaker;
use super::journal::Subject;
use super::{Case, Failure, Outcome, Reclaimer};
use crate::evidence::directory::Directory;
use crate::evidence::view::SystemView;
use crate::survey::{Confirmed, Survey, SurveyedLock, SurveyedRoot, confirm, settle_of};
use crate::verdict::{Action, Reason, Settle, StaleProof, Verdict};

/// Whether to act or only to say what would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Plan,
    Act,
}

/// A lock that the run is about, and what came of it.
#[derive(Debug)]
pub struct Attempt {
    pub lock: SurveyedLock,
    pub result: AttemptResult,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    Planned,
    Done(Outcome),
}

impl AttemptResult {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Done(outcome) => outcome.as_str(),
        }
    }
}

impl Attempt {
    pub fn needs_attention(&self) -> bool {
        matches!(self.result, AttemptResult::Planned | AttemptResult::Done(Outcome::Failed(_)))
    }
}

/// The state of one `reclaim`.
#[derive(Debug)]
pub struct Run {
    /// The survey without the locks that the run takes up.
    pub survey: Survey,
    pub attempts: Vec<Attempt>,
    pending: Vec<SurveyedLock>,
    started: Instant,
    settle: Settle,
    breaker: Breaker,
    max: usize,
}

impl Run {
    /// `started`: when the survey made its first look.
    pub fn new(survey: Survey, started: Instant, settle: Settle, breaker: Breaker) -> Self {
        Self { survey, attempts: Vec::new(), pending: Vec::new(), started, settle, breaker, max: usize::MAX }
    }

    /// Takes up the locks that may turn out to be reclaimable.
    pub fn limit_to(
        &mut self,
        max: Option<usize>,
        fingerprint: Option<&str>,
        allows: impl Fn(Verdict) -> bool,
    ) {
        self.max = max.unwrap_or(usize::MAX);
        let wanted = |lock: &mut SurveyedLock| {
            lock.judgement.suspected.is_some_and(&allows)
                && fingerprint.is_none_or(|wanted| wanted == lock.fingerprint)
        };
        self.pending = self.survey.locks.extract_if(.., wanted).collect();
        let settle = self.settle;
        self.pending.sort_by_key(|lock| settle_of(lock, settle));
    }

    /// Judges each lock again once it has settled, and acts on what is proven.
    pub fn carry_out(&mut self, step: Step, view: &mut SystemView) {
        let mut reclaimers: HashMap<PathBuf, Result<Reclaimer, Failure>> = HashMap::new();
        let mut last_wait = None;
        for mut lock in std::mem::take(&mut self.pending) {
            if self.attempts.len() >= self.max {
                self.survey.locks.push(lock);
                continue;
            }
            let wait = settle_of(&lock, self.settle);
            std::thread::sleep(wait.saturating_sub(self.started.elapsed()));
            if last_wait != Some(wait) {
                view.refresh();
                last_wait = Some(wait);
            }
            let apart = self.started.elapsed().max(wait);
            match confirm(&mut lock, view, apart, self.settle) {
                Confirmed::Proven(proof) => self.proven(step, lock, proof, &mut reclaimers, view),
                // Released, or taken by somebody else: nothing to do, and no error.
                Confirmed::Gone => self.done(lock, Outcome::Vanished),
                Confirmed::Changed => self.done(lock, Outcome::Changed),
                Confirmed::NotProven => self.survey.locks.push(lock),
            }
        }
    }

    fn proven(
        &mut self,
        step: Step,
        mut lock: SurveyedLock,
        proof: StaleProof,
        reclaimers: &mut HashMap<PathBuf, Result<Reclaimer, Failure>>,
        view: &mut SystemView,
    ) {
        if lock.judgement.action != Action::Reclaim {
            return self.survey.locks.push(lock);
        }
        if step == Step::Plan {
            return self.attempts.push(Attempt { lock, result: AttemptResult::Planned });
        }
        let root = &self.survey.roots[lock.root];
        let home = home_of(root, &lock.directory);
        let reclaimer = reclaimers
            .entry(home.path.clone())
            .or_insert_with(|| Reclaimer::open(&home, self.breaker, &mut view.leases));
        let case = Case { subject: subject(&lock, root, &home.path), created_at: created_at(&lock) };
        let outcome = match (reclaimer, lock.pin.take()) {
            (Ok(reclaimer), Some(pin)) => reclaimer.reclaim(pin, proof, case, &mut view.leases),
            (Err(failure), _) => Outcome::Failed(failure.clone()),
            (Ok(_), None) => Outcome::Vanished,
        };
        self.done(lock, outcome);
    }

    fn done(&mut self, lock: SurveyedLock, outcome: Outcome) {
        self.attempts.push(Attempt { lock, result: AttemptResult::Done(outcome) });
    }

    /// Locks beside those that were taken up.
    pub fn others_need_attention(&self) -> bool {
        self.survey.locks.iter().any(|lock| lock.judgement.needs_attention())
    }

    /// How many attempts ended with this result.
    pub fn count(&self, result: &str) -> usize {
        self.attempts.iter().filter(|attempt| attempt.result.as_str() == result).count()
    }
}

/// Where journal and quarantine live: in the state directory, or in a sessions directory that lies elsewhere
/// (`session.store`, or named alone), because a swap needs both names on one mount.
pub fn home_of(root: &SurveyedRoot, directory: &Rc<Directory>) -> Rc<Directory> {
    match &root.install {
        Some(install)
            if install.root.dev == directory.dev && directory.path.starts_with(&install.root.path) =>
        {
            Rc::clone(&install.root)
        }
        _ => Rc::clone(directory),
    }
}

/// What the journal records of a lock.
pub fn subject(lock: &SurveyedLock, root: &SurveyedRoot, home: &Path) -> Subject {
    let path = lock.path();
    let install = root.install.as_ref();
    Subject {
        lock: path.strip_prefix(home).unwrap_or(&path).to_string_lossy().into_owned(),
        kind: lock.kind.as_str().to_owned(),
        pid: lock.evidence.payload().map(|payload| payload.pid),
        verdict: lock.judgement.verdict.as_str().to_owned(),
        reasons: lock.judgement.reasons.iter().copied().map(Reason::as_str).map(str::to_owned).collect(),
        rule: lock.judgement.rule.as_str().to_owned(),
        fingerprint: lock.fingerprint.clone(),
        gateway: install.map_or("unknown", |install| install.gateway.state.as_str()).to_owned(),
        openclaw_version: install.and_then(|install| install.version.as_ref()).map(ToString::to_string),
    }
}

/// The tombstone tells when the lock was made, as its payload does.
pub fn created_at(lock: &SurveyedLock) -> Option<chrono::DateTime<chrono::Utc>> {
    let payload = lock.evidence.payload().and_then(|payload| payload.created_at);
    payload.or_else(|| lock.facts.as_ref().and_then(crate::evidence::FileFacts::modified_at))
}
