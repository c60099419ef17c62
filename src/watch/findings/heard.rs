//! What the logs and the databases tell, as findings beside those of the locks.

use super::of_locks::is_of_gateway;
use super::{Code, Finding, Origin, Remedy};
use crate::clock::Now;
use crate::diagnosis;
use crate::install::Install;
use crate::redact::Redactor;
use crate::survey::SurveyedLock;
use crate::wakeups::ids::RootId;
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
    let session_key = found.session_key.clone().or_else(|| key.map(|key| redaction.key(key).into_owned()));
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
    let about = match (found.code, lock) {
        (Code::LeaseStuck, _) => unnamed(),
        // As a look at that lock names it.
        (Code::StuckRun, Some((lock, _))) if found.lock.is_some() => {
            lock.path().to_string_lossy().into_owned()
        }
        _ => named.into_iter().flatten().next().unwrap_or_default(),
    };
    let found = diagnosis::Finding { session_key, first_seen: Some(since), ..found };
    Finding {
        found,
        about,
        since: now.boot,
        origin: Origin::Heard,
        remedy,
        in_hand: false,
        root: lock.map(|(lock, _)| RootId::of(lock)),
    }
}
