//! The leases of one `reclaim --leases`: what would be removed, or the result.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::child::have_done;
use super::{Answer, Order, What};
use crate::install::Install;
use crate::leases::gone::Refusal;
use crate::leases::{LeaseOwner, Reason as Why};
use crate::reclaim::entry::{Subject, Word};
use crate::reclaim::run::Step;
use crate::survey::Survey;
use crate::survey::claims::{Removal, SurveyedLease};
use crate::verdict::{Reason, Verdict};

/// A row that keeps every gateway out, and the result.
#[derive(Debug)]
pub struct LeaseAttempt {
    /// The database, and after `#` the table and the row.
    pub path: String,
    pub owner: LeaseOwner,
    pub expires_at: Option<DateTime<Utc>>,
    pub result: LeaseResult,
}

#[derive(Debug)]
pub enum LeaseResult {
    Planned,
    /// It stays.
    Obstructed(Refusal),
    Done(Answer),
}

impl LeaseAttempt {
    pub fn result(&self) -> &'static str {
        match &self.result {
            LeaseResult::Planned => "planned",
            LeaseResult::Obstructed(_) => "refused",
            LeaseResult::Done(answer) => answer.as_str(),
        }
    }

    /// Why it was not removed.
    pub fn why(&self) -> Option<String> {
        match &self.result {
            LeaseResult::Planned => None,
            LeaseResult::Obstructed(refusal) => Some(refusal.to_string()),
            LeaseResult::Done(answer) => answer.why().map(str::to_owned),
        }
    }

    pub fn quarantine_id(&self) -> Option<&str> {
        match &self.result {
            LeaseResult::Done(Answer::Removed { quarantine_id }) => Some(quarantine_id),
            _ => None,
        }
    }

    pub fn needs_attention(&self) -> bool {
        matches!(self.result(), "planned" | "refused" | "failed")
    }
}

/// Takes up the rows of dead gateways that are in the way; those that are removed leave the survey. `acts_in`: whether
/// a root is acted upon.
pub fn carry_out(survey: &mut Survey, step: Step, acts_in: impl Fn(&Path) -> bool) -> Vec<LeaseAttempt> {
    let mut attempts = Vec::new();
    let leases = std::mem::take(&mut survey.leases);
    for lease in leases {
        let root = survey.roots.get(lease.root);
        let install = root.filter(|root| acts_in(&root.path)).and_then(|root| root.install.as_ref());
        let attempt = install.zip(lease.removal.as_ref()).map(|(install, removal)| LeaseAttempt {
            path: lease.path.clone(),
            owner: lease.owner.clone(),
            expires_at: lease.expires_at,
            result: result(step, install, &lease, removal),
        });
        let is_gone = attempt.as_ref().is_some_and(|attempt| attempt.quarantine_id().is_some());
        attempts.extend(attempt);
        if !is_gone {
            survey.leases.push(lease);
        }
    }
    attempts
}

fn result(step: Step, install: &Install, lease: &SurveyedLease, removal: &Removal) -> LeaseResult {
    match (&removal.refusal, step) {
        (Some(refusal), _) => LeaseResult::Obstructed(refusal.clone()),
        (None, Step::Plan) => LeaseResult::Planned,
        (None, Step::Act) => LeaseResult::Done(have_done(&order(install, lease, removal, true))),
    }
}

/// What the child process is told. `waits`: for another lockdoctor.
pub fn order(install: &Install, lease: &SurveyedLease, removal: &Removal, waits: bool) -> Order {
    let root = &install.root;
    let reasons = lease.verdict.reasons.iter().filter_map(|reason| match reason {
        Why::DeadPid => Some(Reason::DeadPid),
        Why::ZombiePid => Some(Reason::ZombiePid),
        Why::RecycledPid => Some(Reason::RecycledPid),
        Why::NoWriter => Some(Reason::NoWriter),
        Why::Expired => None,
    });
    let path = Path::new(&lease.path);
    let subject = Subject {
        lock: path.strip_prefix(&root.path).unwrap_or(path).to_string_lossy().into_owned(),
        kind: lease.kind.as_str().to_owned(),
        pid: lease.owner.pid,
        verdict: Word::Ours(Verdict::Stale),
        reasons: reasons.map(Word::Ours).collect(),
        fingerprint: removal.row.owner.clone(),
        gateway: install.gateway.state.as_str().to_owned(),
        openclaw_version: install.version.as_ref().map(ToString::to_string),
        ..Subject::default()
    };
    Order {
        state_dir: std::path::absolute(&root.path).unwrap_or_else(|_| root.path.clone()),
        id: (root.dev, root.ino),
        waits,
        what: What::Remove { row: removal.row.clone(), subject: Box::new(subject) },
    }
}
