//! A finding: one named cause with its evidence and what to do about it.

use super::evidence::Line;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// The codes of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    // In the order in which equally severe findings are shown: nearer to the cause first.
    LockDeletedWhileHeld,
    LeakedLock,
    StaleLock,
    StuckRun,
    StuckGuard,
    GatewayLock,
    LeaseStuck,
    EventLoopBlocked,
    OverdueLock,
    RunTimeout,
    SessionTakeover,
    WatchdogRelease,
    OrphanLock,
    LockContention,
    StoreLockContention,
    StuckSession,
    SlowModelCall,
    RpcTimeout,
    LaneWait,
    SlowListener,
}

impl Code {
    pub const ALL: [Self; 20] = [
        Self::LockDeletedWhileHeld,
        Self::LeakedLock,
        Self::StaleLock,
        Self::StuckRun,
        Self::StuckGuard,
        Self::GatewayLock,
        Self::LeaseStuck,
        Self::EventLoopBlocked,
        Self::OverdueLock,
        Self::RunTimeout,
        Self::SessionTakeover,
        Self::WatchdogRelease,
        Self::OrphanLock,
        Self::LockContention,
        Self::StoreLockContention,
        Self::StuckSession,
        Self::SlowModelCall,
        Self::RpcTimeout,
        Self::LaneWait,
        Self::SlowListener,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::LockDeletedWhileHeld => "lock-deleted-while-held",
            Self::LeakedLock => "leaked-lock",
            Self::StaleLock => "stale-lock",
            Self::StuckRun => "stuck-run",
            Self::StuckGuard => "stuck-guard",
            Self::GatewayLock => "gateway-lock",
            Self::LeaseStuck => "lease-stuck",
            Self::EventLoopBlocked => "event-loop-blocked",
            Self::OverdueLock => "overdue-lock",
            Self::RunTimeout => "run-timeout",
            Self::SessionTakeover => "session-takeover",
            Self::WatchdogRelease => "watchdog-release",
            Self::OrphanLock => "orphan-lock",
            Self::LockContention => "lock-contention",
            Self::StoreLockContention => "store-lock-contention",
            Self::StuckSession => "stuck-session",
            Self::RpcTimeout => "rpc-timeout",
            Self::SlowModelCall => "slow-model-call",
            Self::LaneWait => "lane-wait",
            Self::SlowListener => "slow-listener",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// One finding, redacted and ready to show.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub agent: Option<String>,
    pub session_id: Option<String>,
    pub session_key: Option<String>,
    pub lane: Option<String>,
    pub lock: Option<String>,
    pub first_seen: Option<DateTime<Utc>>,
    pub last_seen: Option<DateTime<Utc>>,
    pub count: u64,
    /// The state, then its cause.
    pub explanation: String,
    pub evidence: Vec<Line>,
    /// What to do, most useful first; commands as they are typed.
    pub advice: Vec<String>,
    pub removing_lock_helps: bool,
}

impl Finding {
    pub(super) fn new(code: Code, severity: Severity, explanation: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            agent: None,
            session_id: None,
            session_key: None,
            lane: None,
            lock: None,
            first_seen: None,
            last_seen: None,
            count: 1,
            explanation: explanation.into(),
            evidence: Vec::new(),
            advice: Vec::new(),
            removing_lock_helps: false,
        }
    }

    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    pub(super) fn seen(
        mut self,
        first: Option<DateTime<Utc>>,
        last: Option<DateTime<Utc>>,
        count: u64,
    ) -> Self {
        (self.first_seen, self.last_seen, self.count) = (first, last, count);
        self
    }

    pub(super) fn backed_by(mut self, evidence: &super::evidence::Evidence) -> Self {
        self.evidence = evidence.lines();
        self.seen(evidence.first(), evidence.last(), evidence.count())
    }
}

/// Most serious first; among equals the code nearest to a cause, then the one that was seen most.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let order = (b.severity, rank(a)).cmp(&(a.severity, rank(b)));
        order
            .then(b.count.cmp(&a.count))
            .then(b.last_seen.cmp(&a.last_seen))
            .then_with(|| a.session_key.cmp(&b.session_key))
    });
}

/// What is harmless explains least; a slow database last of all.
fn rank(finding: &Finding) -> (bool, Code) {
    (finding.severity == Severity::Info && finding.code == Code::StoreLockContention, finding.code)
}
