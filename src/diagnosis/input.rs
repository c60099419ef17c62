//! What the diagnosis is told besides the log: plain facts about locks, the session store, the gateway process. All
//! of it is optional; with a log alone the log has to do.

use chrono::{DateTime, Utc};

use crate::leases::Workings;

use crate::verdict::severity::Effect;

pub use crate::openclaw::version::Era;
pub use crate::verdict::Verdict;

/// Everything that was seen outside the logs.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub locks: Vec<LockFact>,
    /// `locks` is all there is: a lock that the log names and that is not in it is gone.
    pub scanned: bool,
    pub sessions: Vec<SessionFact>,
    pub gateways: Vec<GatewayFact>,
    pub stores: Vec<StoreFact>,
    pub leases: Vec<LeaseFact>,
    /// Lock files that a process holds open although their names are gone.
    pub deleted: Vec<DeletedLock>,
    /// What deletes lock files by age on this machine: `crontab of node: */2 * * * * find ... -delete`.
    pub deleters: Vec<String>,
    /// `2026.3.13`, if known.
    pub version: Option<String>,
    pub era: Era,
}

/// One lock file, judged.
#[derive(Debug, Clone, Default)]
pub struct LockFact {
    pub path: String,
    pub kind: LockKind,
    pub agent: Option<String>,
    pub session_id: Option<String>,
    pub session_key: Option<String>,
    pub verdict: Verdict,
    pub reasons: Vec<String>,
    pub owner_pid: Option<u32>,
    pub owner_alive: Option<bool>,
    pub owner_command: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub age_ms: Option<u64>,
    pub limit_ms: Option<u64>,
    /// The owner's own watchdog gives up at this age, where the lock says so (`maxHoldMs`).
    pub max_hold_ms: Option<u64>,
    /// Would OpenClaw of this version free it by itself at the next message?
    pub frees_itself: Option<bool>,
    /// What it does to people, as long as no message failed on it.
    pub effect: Effect,
    pub transcript_bytes: Option<u64>,
    /// Last change of the transcript beside it.
    pub transcript_changed: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LockKind {
    #[default]
    Session,
    Store,
    Gateway,
    Other,
}

/// One entry of a session store.
#[derive(Debug, Clone, Default)]
pub struct SessionFact {
    pub key: String,
    pub id: Option<String>,
    pub status: Option<String>,
    /// Of its run; where only that is known, the last change of its entry.
    pub started_at: Option<DateTime<Utc>>,
    /// How long a run may take here.
    pub limit_ms: Option<u64>,
    pub transcript_bytes: Option<u64>,
    /// The transcript's tree has a branch that no later message continues.
    pub forked: bool,
}

/// A gateway process, or its absence.
#[derive(Debug, Clone, Default)]
pub struct GatewayFact {
    pub state: GatewayState,
    pub pid: Option<u32>,
    pub started_at: Option<DateTime<Utc>>,
    pub load: Option<LoadSample>,
    /// Did its port answer within the time that was given?
    pub answers: Option<bool>,
    /// What its port said of itself.
    pub readiness: Option<Readiness>,
    pub suspended: Option<Suspended>,
    pub disk: Disk,
    pub config: ConfigFact,
    /// What is beside it, from 2026.8 on.
    pub workings: Option<Workings>,
}

/// Whether its databases can be written where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Disk {
    #[default]
    Fine,
    /// So few bytes are left.
    Little(u64),
    ReadOnly,
}

/// The configuration that its next start reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFact {
    /// `openclaw.json is not valid JSON5 (line 3, column 7)`.
    pub broken: Option<String>,
    pub changed_at: Option<DateTime<Utc>>,
}

/// The gateway's own word on itself (`/readyz`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    pub ready: bool,
    /// `gateway-draining`, `state-database`, the name of a channel: words.
    pub failing: Vec<String>,
    /// Channels that it does not start.
    pub suppressed: Vec<String>,
}

/// Why a process does nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspended {
    /// By a signal: SIGSTOP, a terminal, a debugger.
    Stopped,
    /// By the cgroup's freezer, as `docker pause` does.
    Frozen,
    /// It waits for a disk or a network file system.
    Disk,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GatewayState {
    Running,
    Starting,
    Down,
    #[default]
    Unknown,
}

/// How busy the gateway's main thread was over a short sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadSample {
    /// CPU time over wall time, 1.0 is one core.
    pub cores: f64,
    pub over_ms: u64,
    /// `R`, `S`, `D` ... at its end.
    pub state: char,
}

/// A session store on disk: its size is paid at every message (to 4.29).
#[derive(Debug, Clone, Default)]
pub struct StoreFact {
    pub path: String,
    pub bytes: u64,
}

/// A lease or a busy writer of the SQLite era.
#[derive(Debug, Clone, Default)]
pub struct LeaseFact {
    pub agent: Option<String>,
    pub session_id: Option<String>,
    pub session_key: Option<String>,
    pub owner_pid: Option<u32>,
    pub owner_alive: Option<bool>,
    pub since: Option<DateTime<Utc>>,
    /// The sentence that says what is the case, and why.
    pub what: String,
    pub effect: LeaseEffect,
    /// What that was concluded from.
    pub evidence: Vec<String>,
    /// What to do, where the era's own knowledge goes beyond a restart.
    pub advice: Vec<String>,
    /// As far as can be seen, `reclaim --leases` would remove it.
    pub removable: bool,
}

/// Whom a lease holds up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LeaseEffect {
    /// One session, or one operation.
    #[default]
    One,
    /// No gateway can start.
    NoGateway,
}

/// A lock's own file, which its owner has open and which is not under the lock's name any more.
#[derive(Debug, Clone, Default)]
pub struct DeletedLock {
    /// A copy lies under the name: a restored backup, `sed -i`, a moved directory.
    pub replaced: bool,
    pub path: String,
    pub pid: u32,
    pub agent: Option<String>,
    pub session_id: Option<String>,
}
