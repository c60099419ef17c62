//! How long a lock may be held before it is called overdue. A limit is a reason to report, never to act.

use std::sync::Arc;
use std::time::Duration;

use super::lock_kind::LockKind;
use super::payload::Payload;
use super::timeouts::{Timeout, Timeouts};
use super::version::{Version, versions_writing};

/// OpenClaw's own watchdog looks at held locks once a minute, so a lock that is past its maximum hold may
/// live up to a minute longer in good health (2.17+, `session-write-lock.ts`).
const WATCHDOG: Duration = Duration::from_secs(60);
/// Added to a run's timeout for its clean-up (2.17+).
const RUN_GRACE: Duration = Duration::from_secs(120);
/// Least maximum hold, and the one of callers that name none (2.17+).
const MIN_HOLD: Duration = Duration::from_secs(300);
/// 1.24 – 2.12 evict the store lock by its mtime after this time (1.24 `config/sessions/store.js:207`).
const STORE_EVICTION: Duration = Duration::from_secs(30);
/// Store lock 4.1 – 4.29: max(5 s, 10 s + 5 s).
const STORE_MAX_HOLD: Duration = Duration::from_secs(15);
const CAP: Duration = Duration::from_millis(2_147_000_000);

/// The time after which a held lock is overdue, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Counted from `createdAt`, watchdog included.
    pub after: Duration,
    pub source: Arc<str>,
}

impl Limit {
    fn new(max_hold: Duration, source: impl Into<Arc<str>>) -> Self {
        Self { after: max_hold.min(CAP).saturating_add(WATCHDOG), source: source.into() }
    }
}

/// The limit of one lock. `cron_timeout` is the own time limit of the cron job whose session this is.
pub fn limit_of(
    kind: LockKind,
    payload: Option<&Payload>,
    version: Option<&Version>,
    timeouts: &Timeouts,
    cron_timeout: Option<Duration>,
) -> Option<Limit> {
    let written_by = payload.and_then(|payload| versions_writing(kind, payload));
    match kind {
        LockKind::Store => Some(store_limit(version, written_by)),
        LockKind::Session | LockKind::Sandbox => {
            if let Some(ms) = payload.and_then(|payload| payload.max_hold_ms) {
                return Some(Limit::new(Duration::from_millis(ms), "maxHoldMs of the lock + 60 s watchdog"));
            }
            if let Some((hold, source)) = &timeouts.max_hold {
                return Some(Limit::new(*hold, format!("{source} + 60 s watchdog")));
            }
            Some(run_limit(version.cloned().or(newest(written_by)), timeouts, cron_timeout))
        }
        _ => None,
    }
}

fn newest(range: Option<(Version, Version)>) -> Option<Version> {
    range.map(|(_, newest)| newest)
}

fn store_limit(version: Option<&Version>, written_by: Option<(Version, Version)>) -> Limit {
    let version = version.cloned().or(newest(written_by));
    match version {
        Some(version) if !version.at_least(2, 17) => {
            Limit { after: STORE_EVICTION, source: "OpenClaw evicts this lock after 30 s".into() }
        }
        Some(version) if !version.at_least(4, 1) => {
            Limit::new(MIN_HOLD, "300 s for the session store + 60 s watchdog")
        }
        _ => Limit::new(STORE_MAX_HOLD, "15 s for the session store + 60 s watchdog"),
    }
}

/// `resolveSessionLockMaxHoldFromTimeout`: max(300 s, run timeout [+ compaction] + 120 s); 4.15
/// `session-write-lock-CcI4KSH8.js:48-54`. Versions before 2.17 have no maximum hold of their own; the same
/// sum is when their run should have ended.
fn run_limit(version: Option<Version>, timeouts: &Timeouts, cron_timeout: Option<Duration>) -> Limit {
    let era = version.as_ref();
    let compaction_only = era.is_some_and(|v| v.at_least(5, 22));
    let with_compaction = era.is_none_or(|v| v.at_least(3, 22));
    let compaction = timeouts.compaction(era);
    if compaction_only {
        let hold = MIN_HOLD.max(compaction.value.saturating_add(RUN_GRACE));
        return Limit::new(hold, format!("{} + 120 s grace + 60 s watchdog", compaction.source));
    }
    let run = match cron_timeout {
        Some(value) => Timeout { value, source: "the cron job's timeoutSeconds".to_owned() },
        None => timeouts.run(era),
    };
    let mut hold = run.value;
    let mut source = run.source;
    if with_compaction {
        hold = hold.saturating_add(compaction.value);
        source = format!("{source} + {}", compaction.source);
    }
    Limit::new(
        MIN_HOLD.max(hold.saturating_add(RUN_GRACE)),
        format!("{source} + 120 s grace + 60 s watchdog"),
    )
}
