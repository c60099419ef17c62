//! From paths to judged locks: walks the installs, pins what it finds, gathers the evidence, judges, and looks
//! a second time before it calls a lock stale or leaked. Read-only.

pub mod claims;
mod found;
pub mod gather;
pub mod holders;
mod listing;
pub mod removal;
pub mod scope;
pub mod standing;
pub mod walk;

use std::time::Duration;

use crate::evidence::Writer;
use crate::evidence::lockfile::{PinnedLock, Presence};
use crate::evidence::view::SystemView;
use crate::install::Install;
use crate::install::trace::Trace;
use crate::verdict::{Settle, Sighting, StaleProof, judge};

pub use found::{
    Guarded, Problem, ProblemSeverity, SCAN_SETTLE, Survey, SurveyedLock, SurveyedRoot, TranscriptListed,
};
use gather::see_copy;
pub use gather::{see_owner, settle_of};
pub use scope::{Scope, ScopeError};
pub use standing::StandingRoot;

/// Said of a directory that OpenClaw has not been in yet.
pub const NOTHING_YET: &str = "nothing of OpenClaw's is here yet";

/// Looks at everything in `scope` once; locks that call for it come back as `settling`.
pub fn first_look(scope: &Scope, view: &mut SystemView) -> Survey {
    raise_descriptor_limit();
    let mut survey = Survey { problems: scope.unseen.clone(), ..Survey::new(view.now) };
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
            // No process opens a dead owner's lock for writing: it is enough that it is still there.
            let install = survey.roots[lock.root].install.as_ref();
            look_again(lock, Duration::ZERO, settle, |lock, pin| {
                see_copy(lock, &pin, install, view);
                lock.evidence.writer
            });
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
    // A process that came after the first look may have the pid in another namespace.
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
