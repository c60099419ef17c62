//! What the logs and the databases tell, as findings beside those of the locks.

use std::path::PathBuf;

use super::of_locks::is_of_gateway;
use super::{Code, Finding, Origin, Remedy};
use crate::clock::Now;
use crate::diagnosis::{self, Line};
use crate::install::Install;
use crate::redact::Redactor;
use crate::survey::SurveyedLock;
use crate::watch::ids::RootId;
use crate::words::rfc3339;

/// The locks' own findings: here they are known sooner and better.
pub(crate) const OF_LOCKS: [Code; 6] = [
    Code::StaleLock,
    Code::LeakedLock,
    Code::OverdueLock,
    Code::GatewayLock,
    Code::StuckGuard,
    Code::LockDeletedWhileHeld,
];

/// Takes over what a diagnosis found. `lock`: of the session that it is about, if it has one, with its install.
pub(crate) fn finding(
    found: diagnosis::Finding,
    lock: Option<(&SurveyedLock, Option<&Install>)>,
    redaction: Redactor,
    now: Now,
) -> Finding {
    let key = lock.and_then(|(lock, _)| lock.session_key.as_deref());
    let session_key = found.session_key.or_else(|| key.map(|key| redaction.key(key).into_owned()));
    let remedy = match found.code {
        Code::StuckRun if lock.is_some_and(|(lock, install)| is_of_gateway(lock, install)) => {
            Remedy::GatewayRestart
        }
        _ => Remedy::Person,
    };
    let since = found.first_seen.unwrap_or(now.wall);
    let named = [found.lock.clone(), session_key.clone(), found.session_id.clone(), found.lane.clone()];
    // Leases of one agent differ in when they were taken.
    let unnamed = || format!("{} since {}", found.agent.as_deref().unwrap_or("-"), rfc3339(since));
    let about = match found.code {
        Code::LeaseStuck => unnamed(),
        _ => named.into_iter().flatten().next().unwrap_or_default(),
    };
    Finding {
        code: found.code,
        severity: found.severity,
        agent: found.agent,
        session_id: found.session_id,
        session_key,
        lane: found.lane,
        lock: found.lock.map(PathBuf::from),
        first_seen: since,
        last_seen: found.last_seen.unwrap_or(now.wall),
        count: found.count,
        explanation: found.explanation,
        evidence: found.evidence.into_iter().map(evidence).collect(),
        advice: found.advice,
        removing_lock_helps: found.removing_lock_helps,
        about,
        since: now.boot,
        origin: Origin::Heard,
        remedy,
        root: lock.map(|(lock, _)| RootId::of(lock)),
    }
}

fn evidence(line: Line) -> String {
    match line.at {
        Some(at) => format!("{} {}", rfc3339(at), line.text),
        None => line.text,
    }
}
