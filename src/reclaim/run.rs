//! One run over a survey: waits out the settle time, judges a second time, and acts on what is proven.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::entry::{Subject, Word};
use super::policy::Policy;
use super::store::{Patience, STORE};
use super::{Case, Failure, Outcome, Reclaimer, homes, obstacle, recover, tombstone};
use crate::evidence::directory::Directory;
use crate::evidence::lockfile::{Look, PinnedLock};
use crate::evidence::view::SystemView;
use crate::evidence::{PidDomain, RunTimedOut};
use crate::examination::facts::transcript_changed_since;
use crate::install::Install;
use crate::survey::{Confirmed, Problem, ProblemSeverity, Survey, SurveyedLock, confirm, settle_of};
use crate::verdict::{Action, Reason, Settle, Sighting, StaleProof, Verdict, abandon};

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
    /// It would be, if this did not stand in the way.
    Obstructed(Failure),
    Done(Outcome),
}

impl AttemptResult {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Obstructed(_) => "failed",
            Self::Done(outcome) => outcome.as_str(),
        }
    }
}

impl Attempt {
    pub fn needs_attention(&self) -> bool {
        use AttemptResult::{Done, Obstructed, Planned};
        matches!(self.result, Planned | Obstructed(_) | Done(Outcome::Failed(_)))
    }
}

/// The state of one `reclaim`.
#[derive(Debug)]
pub struct Run {
    /// The survey without the locks that the run takes up.
    pub survey: Survey,
    pub attempts: Vec<Attempt>,
    pending: Vec<SurveyedLock>,
    /// Locks of runs that ended at their time limit, pinned at the instant beside them.
    abandoned: Option<(Vec<SurveyedLock>, Instant)>,
    /// How many of the attempts have been reported.
    told: usize,
    started: Instant,
    policy: Policy,
    max: usize,
    /// Proven to be free, and left by `--max`.
    pub beyond_max: usize,
    /// Roots that are shown and not acted upon.
    left_alone: HashSet<usize>,
}

/// Hears of attempts that have ended.
pub type Told<'a> = dyn FnMut(&Run, &[Attempt]) + 'a;

/// How often the owner of a lock that it has closed is looked at until it is seen idle.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

impl Run {
    /// `started`: when the survey made its first look.
    pub fn new(survey: Survey, started: Instant, policy: Policy) -> Self {
        let (attempts, pending) = (Vec::new(), Vec::new());
        let left_alone = HashSet::new();
        Self {
            survey,
            attempts,
            pending,
            abandoned: None,
            told: 0,
            started,
            policy,
            max: usize::MAX,
            beyond_max: 0,
            left_alone,
        }
    }

    /// Leaves alone the installs that only another user's process points to: such a process could name anything.
    pub fn leave(&mut self, of_others: &[(PathBuf, u32)]) {
        let roots = self.survey.roots.iter().enumerate();
        let theirs = roots.filter(|(_, root)| of_others.iter().any(|(path, _)| *path == root.path));
        self.left_alone = theirs.map(|(at, _)| at).collect();
    }

    /// Takes up the locks that may turn out to be reclaimable: at most `max`, only the one with this fingerprint.
    pub fn limit_to(&mut self, max: Option<usize>, fingerprint: Option<&str>) {
        self.max = max.unwrap_or(usize::MAX);
        let policy = self.policy;
        let left_alone = &self.left_alone;
        let wanted = |lock: &mut SurveyedLock| {
            !left_alone.contains(&lock.root)
                && lock.judgement.suspected.is_some_and(|suspected| policy.allows(suspected))
                && fingerprint.is_none_or(|wanted| wanted == lock.fingerprint)
        };
        self.pending = self.survey.locks.extract_if(.., wanted).collect();
    }

    /// Takes up, as `--abandoned` asks, the locks whose own run ended at its time limit. Their owner lives and has
    /// them open, so nothing suspects and nothing has pinned them; they settle from now on.
    pub fn take_up_abandoned(&mut self, fingerprint: Option<&str>) {
        let left_alone = &self.left_alone;
        let wanted = |lock: &mut SurveyedLock| {
            !left_alone.contains(&lock.root)
                && lock.judgement.verdict == Verdict::Overdue
                && lock.judgement.reasons.contains(&Reason::RunTimedOut)
                && fingerprint.is_none_or(|wanted| wanted == lock.fingerprint)
                && pin(lock)
        };
        let locks = self.survey.locks.extract_if(.., wanted).collect();
        self.abandoned = Some((locks, Instant::now()));
    }

    /// How many locks have been taken up and are to settle.
    pub fn pending(&self) -> usize {
        self.pending.len() + self.abandoned.as_ref().map_or(0, |(locks, _)| locks.len())
    }

    /// Judges each lock again once it has settled, and acts on what is proven. A live owner that was not seen idle yet
    /// is looked at again for as long as the policy's patience lasts. `told`: hears of the attempts as they end, of
    /// those that end together at once.
    pub fn carry_out(&mut self, step: Step, view: &mut SystemView, told: &mut Told<'_>) {
        if step == Step::Act {
            self.recover(view);
        }
        let mut reclaimers: HashMap<PathBuf, Result<Reclaimer, Failure>> = HashMap::new();
        let mut waiting = std::mem::take(&mut self.pending);
        while !waiting.is_empty() {
            waiting = self.judge_again(step, waiting, &mut reclaimers, view, told);
            if !waiting.is_empty() {
                std::thread::sleep(BETWEEN_LOOKS);
                view.refresh();
            }
        }
        let Some((abandoned, pinned)) = self.abandoned.take().filter(|(locks, _)| !locks.is_empty()) else {
            return;
        };
        let settle = self.policy.settle;
        std::thread::sleep(settle.leaked.saturating_sub(pinned.elapsed()));
        view.refresh();
        for mut lock in abandoned {
            let install = self.survey.install_of(&lock);
            let apart = pinned.elapsed().max(settle.leaked);
            let confirmed = confirm_abandoned(&mut lock, install, view, apart, settle);
            self.conclude(step, lock, confirmed, &mut reclaimers, view);
        }
        self.tell(told);
    }

    /// One round over the locks that have not been decided; those that may still be come back.
    fn judge_again(
        &mut self,
        step: Step,
        mut waiting: Vec<SurveyedLock>,
        reclaimers: &mut HashMap<PathBuf, Result<Reclaimer, Failure>>,
        view: &mut SystemView,
        told: &mut Told<'_>,
    ) -> Vec<SurveyedLock> {
        let (settle, patience) = (self.policy.settle, self.policy.patience());
        waiting.sort_by_key(|lock| settle_of(lock, settle));
        let (mut last_wait, mut undecided) = (None, Vec::new());
        for mut lock in waiting {
            let wait = settle_of(&lock, settle);
            if wait > patience {
                self.survey.locks.push(lock);
                continue;
            }
            let still = wait.saturating_sub(self.started.elapsed());
            if !still.is_zero() {
                self.tell(told);
                std::thread::sleep(still);
            }
            if last_wait != Some(wait) {
                view.refresh();
                last_wait = Some(wait);
            }
            let apart = self.started.elapsed().max(wait);
            let install = self.survey.install_of(&lock);
            let confirmed = confirm(&mut lock, install, view, apart, settle);
            let may_change = lock.judgement.suspected.is_some_and(|verdict| self.policy.allows(verdict));
            if confirmed == Confirmed::NotProven && may_change && self.started.elapsed() < patience {
                undecided.push(lock);
            } else {
                self.conclude(step, lock, confirmed, reclaimers, view);
            }
        }
        self.tell(told);
        undecided
    }

    /// Of the attempts that have not been told of.
    fn tell(&mut self, told: &mut Told<'_>) {
        if let Some(news) = self.attempts.get(self.told..).filter(|news| !news.is_empty()) {
            told(self, news);
        }
        self.told = self.attempts.len();
    }

    /// Acts on what the second judgement proved.
    fn conclude(
        &mut self,
        step: Step,
        lock: SurveyedLock,
        confirmed: Confirmed,
        reclaimers: &mut HashMap<PathBuf, Result<Reclaimer, Failure>>,
        view: &mut SystemView,
    ) {
        match confirmed {
            Confirmed::Proven(proof) if self.may_act_on(&lock, &proof) => {
                if self.count("planned") + self.count("reclaimed") < self.max {
                    self.proven(step, lock, proof, reclaimers, view);
                } else {
                    self.beyond_max += 1;
                    self.survey.locks.push(lock);
                }
            }
            // Released, or taken by somebody else: nothing to do, and no error.
            Confirmed::Gone => self.done(lock, Outcome::Vanished),
            Confirmed::Changed if is_tombstone(&lock) => self.done(lock, Outcome::Vanished),
            Confirmed::Changed => self.done(lock, Outcome::Changed),
            Confirmed::NotProven | Confirmed::Proven(_) => self.survey.locks.push(lock),
        }
    }

    /// What a killed lockdoctor left half done is not always a lock that a survey finds.
    fn recover(&mut self, view: &mut SystemView) {
        let roots = self.survey.roots.iter().enumerate();
        for (_, root) in roots.filter(|(at, _)| !self.left_alone.contains(at)) {
            for home in homes::worked_in(root.install.as_ref(), &root.path) {
                if let Err(failure) = recover(&home, Patience::TheirTurn, &mut view.leases) {
                    self.survey.problems.push(Problem {
                        path: home.path.join(STORE),
                        what: failure.to_string(),
                        severity: ProblemSeverity::Incomplete,
                    });
                }
            }
        }
    }

    /// The second judgement may have come to another verdict than the first suspected.
    fn may_act_on(&self, lock: &SurveyedLock, proof: &StaleProof) -> bool {
        // An overdue lock is only ever reported: its proof is the licence that was asked for.
        (lock.judgement.action == Action::Reclaim || proof.verdict() == Verdict::Overdue)
            && self.policy.allows(proof.verdict())
    }

    fn proven(
        &mut self,
        step: Step,
        mut lock: SurveyedLock,
        proof: StaleProof,
        reclaimers: &mut HashMap<PathBuf, Result<Reclaimer, Failure>>,
        view: &mut SystemView,
    ) {
        let install = self.survey.install_of(&lock);
        let home = home_of(install, &lock.directory);
        if step == Step::Plan {
            let obstacle = obstacle(&lock.directory, &home);
            let result = obstacle.map_or(AttemptResult::Planned, AttemptResult::Obstructed);
            return self.attempts.push(Attempt { lock, result });
        }
        let reclaimer = reclaimers.entry(home.path.clone()).or_insert_with(|| {
            Reclaimer::open(&home, self.policy.breaker, Patience::TheirTurn, &mut view.leases)
        });
        let case = case(&lock, install, &home.path);
        let outcome = match (reclaimer, lock.pin.take()) {
            (Ok(reclaimer), Some(pin)) => reclaimer.reclaim(*pin, proof, case, &mut view.leases),
            (Err(failure), _) => Outcome::Failed(failure.clone()),
            (Ok(_), None) => Outcome::Vanished,
        };
        self.done(lock, outcome);
    }

    fn done(&mut self, lock: SurveyedLock, outcome: Outcome) {
        self.attempts.push(Attempt { lock, result: AttemptResult::Done(outcome) });
    }

    /// How many attempts ended with this result.
    pub fn count(&self, result: &str) -> usize {
        self.attempts.iter().filter(|attempt| attempt.result.as_str() == result).count()
    }
}

/// Holds on to the file that was judged; `false` if the name leads to another by now.
pub fn pin(lock: &mut SurveyedLock) -> bool {
    let Ok(Look::Pinned(pin)) = PinnedLock::look(&lock.directory, &lock.name) else { return false };
    let same = lock.facts.is_some_and(|facts| facts.same_file(pin.facts()))
        && pin.content() == lock.evidence.content;
    lock.pin = same.then(|| Box::new(pin));
    same
}

/// The second judgement of a lock whose run ended at its time limit. Should its owner have died or closed the file
/// meanwhile, the lock is stale or leaked like any other; should it write again, the run is not over.
fn confirm_abandoned(
    lock: &mut SurveyedLock,
    install: Option<&Install>,
    view: &mut SystemView,
    apart: Duration,
    settle: Settle,
) -> Confirmed {
    let confirmed = confirm(lock, install, view, apart, settle);
    let RunTimedOut::Yes { at } = lock.evidence.run_timed_out else { return confirmed };
    if confirmed != Confirmed::NotProven || transcript_changed_since(lock, at) {
        return confirmed;
    }
    abandon(&lock.evidence, Sighting::Again { apart }, settle.leaked)
        .map_or(Confirmed::NotProven, Confirmed::Proven)
}

/// Another lockdoctor was faster.
fn is_tombstone(lock: &SurveyedLock) -> bool {
    matches!(tombstone::at(&lock.directory, &lock.name), Ok(Some(_)))
}

/// Where journal and quarantine for locks in `directory` live.
pub fn home_of(install: Option<&Install>, directory: &Arc<Directory>) -> Arc<Directory> {
    homes::home_for(install, directory)
}

/// What is to be known of a lock besides its file.
pub fn case(lock: &SurveyedLock, install: Option<&Install>, home: &Path) -> Case {
    let evidence = &lock.evidence;
    let owner_since = match evidence.domain {
        // The number is somebody else's here.
        PidDomain::Foreign { .. } => None,
        _ => evidence.owner_process().map(|process| process.started_at(evidence.booted_at)),
    };
    Case { subject: subject(lock, install, home), created_at: created_at(lock), owner_since }
}

/// What the journal records of a lock.
fn subject(lock: &SurveyedLock, install: Option<&Install>, home: &Path) -> Subject {
    let path = lock.path();
    Subject {
        lock: path.strip_prefix(home).unwrap_or(&path).to_string_lossy().into_owned(),
        kind: lock.kind.as_str().to_owned(),
        pid: lock.evidence.payload().map(|payload| payload.pid),
        // What it is acted upon for is the verdict of the proof.
        verdict: Word::Ours(lock.judgement.verdict),
        reasons: lock.judgement.reasons.iter().copied().map(Word::Ours).collect(),
        rule: Word::Ours(lock.judgement.rule),
        fingerprint: lock.fingerprint.clone(),
        gateway: install.map_or("unknown", |install| install.gateway.state.as_str()).to_owned(),
        openclaw_version: install.and_then(|install| install.version.as_ref()).map(ToString::to_string),
    }
}

/// The tombstone tells when the lock was made, as its payload does.
fn created_at(lock: &SurveyedLock) -> Option<chrono::DateTime<chrono::Utc>> {
    let payload = lock.evidence.payload().and_then(|payload| payload.created_at);
    payload.or_else(|| lock.facts.as_ref().and_then(crate::evidence::FileFacts::modified_at))
}
