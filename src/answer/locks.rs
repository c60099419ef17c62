//! How serious each lock is: by what it does itself, and by what was found about it and its session.

use std::collections::{HashMap, HashSet};

use super::Seen;
use crate::diagnosis::input::{LockFact, Verdict};
use crate::verdict::severity::{Effect, Severity};

/// For each lock of the facts; `None`: in good order.
pub(super) fn severities(seen: &Seen<'_>) -> Vec<Option<Severity>> {
    let mut told: HashMap<&str, Severity> = HashMap::new();
    for finding in seen.findings {
        for name in [&finding.lock, &finding.session_id].into_iter().flatten() {
            let severity = told.entry(name).or_insert(finding.severity);
            *severity = finding.severity.max(*severity);
        }
    }
    let of_lock = |(lock, effect): (&LockFact, &Effect)| {
        let sound = is_sound(lock.verdict);
        let by_path = told.get(&*seen.redactor.path(&lock.path)).copied();
        // What a healthy run does to its session is no fault of the lock that it holds.
        let by_session = lock.session_id.as_deref().and_then(|id| told.get(id)).copied();
        let by_session = by_session.filter(|severity| !sound || *severity > Severity::Info);
        by_path.max(by_session).max((!sound).then(|| effect.severity()))
    };
    seen.facts.locks.iter().zip(seen.effects).map(of_lock).collect()
}

fn is_sound(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Held | Verdict::Freed | Verdict::Initialising | Verdict::Settling)
}

/// Locks at `warning` or above that no finding names, by severity.
pub(super) fn unnamed(seen: &Seen<'_>, severities: &[Option<Severity>]) -> Vec<Severity> {
    let names = seen.findings.iter().flat_map(|finding| [&finding.lock, &finding.session_id]).flatten();
    let named: HashSet<&str> = names.map(String::as_str).collect();
    let told = |lock: &LockFact| {
        let id = lock.session_id.as_deref();
        named.contains(&*seen.redactor.path(&lock.path)) || id.is_some_and(|id| named.contains(id))
    };
    let locks = seen.facts.locks.iter().zip(severities);
    let serious = locks.filter_map(|(lock, severity)| severity.map(|severity| (lock, severity)));
    let serious = serious.filter(|(lock, severity)| *severity > Severity::Info && !told(lock));
    serious.map(|(_, severity)| severity).collect()
}
