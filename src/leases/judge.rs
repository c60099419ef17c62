//! PURE: whether a lease is held, and by whom, from plain facts about its owner. No I/O, no clock.
//!
//! What decides, in this order: the gateway's own lock file, which the kernel answers for in any PID namespace;
//! the process, by pid and start time, where both are in our PID namespace; the heartbeat. The host name decides
//! nothing: each container has a new one, so a different one is proof neither of another machine nor of death
//! (openclaw#155644). The clock decides one thing only: whether a lease has expired, which is OpenClaw's own rule.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::owner::LeaseOwner;
use super::scope::{LeaseScope, Reclaim};
use super::state_db::{AgentDatabaseLease, Lease, MemoryLock};
use crate::verdict;

/// A gateway takes its lease before its lock file, and waits up to 5 s for that (9.6 `gateway-lock-CYjRlApN.mjs`,
/// `acquireGatewayLock`); on a loaded machine, longer. Until then the lock file says nothing about the lease.
const GATEWAY_START: TimeDelta = TimeDelta::seconds(60);

/// OpenClaw takes a memory lock from a dead owner only after this long (`SHORT_TERM_LOCK_STALE_MS`).
const MEMORY_LOCK_STALE: TimeDelta = TimeDelta::seconds(60);

/// OpenClaw renews a lease every third of its term, and at least this often (9.6 `openclaw-state-lease-store`).
const LONGEST_BEAT: TimeDelta = TimeDelta::seconds(30);
const BEAT_SLACK: TimeDelta = TimeDelta::seconds(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beats {
    /// It has none, or its clock is not ours.
    None,
    Renewed,
    /// Two in a row.
    Missed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tri {
    Yes,
    No,
    #[default]
    Unknown,
}

/// What `pidfd_open` and `/proc` say about the owner's pid, as a number in our PID namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PidState {
    Alive,
    Dead,
    Zombie,
    #[default]
    Unknown,
}

/// The recorded start time against that of the process which has the pid now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartTime {
    Equal,
    Different,
    #[default]
    Unknown,
}

/// Everything that could be found out about a lease's owner. All unknown is a valid answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnerFacts {
    pub pid: PidState,
    pub start_time: StartTime,
    /// When the owner's process began, by the clock as it is now.
    pub began: Option<DateTime<Utc>>,
    /// The recorded host name is ours. OpenClaw's own judge asks for this; ours only tells people what it will say.
    pub same_host: Tri,
    /// The owner's pid counts in the PID namespace that `pid` was asked in.
    pub same_pid_domain: Tri,
    /// Some process has `gateway.state.lock` open for writing, or holds its coordinator.
    pub gateway_lock_held: Tri,
    /// The `ownerId` in `gateway.state.lock` is the lease's owner.
    pub gateway_lock_is_owners: Tri,
    /// Some process that may be the owner has the database open: not the gateway, unless it hangs.
    pub database_open: Tri,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Held,
    Overdue,
    Stale,
    Foreign,
    Indeterminate,
}

impl Verdict {
    pub const ALL: [Self; 5] = [Self::Held, Self::Overdue, Self::Stale, Self::Foreign, Self::Indeterminate];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Overdue => "overdue",
            Self::Stale => "stale",
            Self::Foreign => "foreign",
            Self::Indeterminate => "indeterminate",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "LeaseReason"))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    DeadPid,
    ZombiePid,
    RecycledPid,
    /// Its owner would have `gateway.state.lock` open, and nobody has, or somebody else.
    NoWriter,
    Expired,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeadPid => "dead-pid",
            Self::ZombiePid => "zombie-pid",
            Self::RecycledPid => "recycled-pid",
            Self::NoWriter => "no-writer",
            Self::Expired => "expired",
        }
    }
}

/// A lease is never acted upon for its verdict alone: `leases::gone` has what else must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    None,
    Report,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Report => "report",
        }
    }
}

impl From<Verdict> for verdict::Verdict {
    fn from(of_lease: Verdict) -> Self {
        match of_lease {
            Verdict::Held => Self::Held,
            Verdict::Overdue => Self::Overdue,
            Verdict::Stale => Self::Stale,
            Verdict::Foreign => Self::Foreign,
            Verdict::Indeterminate => Self::Indeterminate,
        }
    }
}

impl From<Action> for verdict::Action {
    fn from(of_lease: Action) -> Self {
        match of_lease {
            Action::None => Self::None,
            Action::Report => Self::Report,
        }
    }
}

/// When OpenClaw gets past the row by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clears {
    /// The next acquirer takes over: the row is untidy, not a blockage.
    AtNextUse,
    /// Acquirers are refused until then.
    At(DateTime<Utc>),
    /// Not before its owner lets go.
    WithItsOwner,
    /// Never: OpenClaw cannot see that its owner is dead, and it does not expire.
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseVerdict {
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
    pub action: Action,
    pub clears: Clears,
}

/// The parts of a lease that matter here, whichever table it came from.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    pub kind: ClaimKind,
    pub owner: &'a LeaseOwner,
    pub since: Option<DateTime<Utc>>,
    pub heartbeat_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimKind {
    Lease(LeaseScope),
    AgentDatabase,
    MemoryLock,
}

impl ClaimKind {
    /// Every word that [`ClaimKind::as_str`] can give.
    pub const WORDS: [&'static str; 9] = [
        "gateway-owner",
        "startup-migrations",
        "agent-database-maintenance",
        "plugin-lifecycle",
        "worktree-run",
        "session-write",
        "agent-database",
        "memory-lock",
        "other",
    ];

    /// What is claimed, without whatever names one of many.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Lease(LeaseScope::GatewayOwner) => "gateway-owner",
            Self::Lease(LeaseScope::StartupMigrations) => "startup-migrations",
            Self::Lease(LeaseScope::AgentDatabaseMaintenance) => "agent-database-maintenance",
            Self::Lease(LeaseScope::PluginLifecycle) => "plugin-lifecycle",
            Self::Lease(LeaseScope::WorktreeRun(_)) => "worktree-run",
            Self::Lease(LeaseScope::SessionWrite) => "session-write",
            Self::Lease(LeaseScope::Other(_)) => "other",
            Self::AgentDatabase => "agent-database",
            Self::MemoryLock => "memory-lock",
        }
    }
}

impl<'a> From<&'a Lease> for Claim<'a> {
    fn from(lease: &'a Lease) -> Self {
        Self {
            kind: ClaimKind::Lease(lease.scope.clone()),
            owner: &lease.owner,
            since: Some(lease.created_at),
            heartbeat_at: lease.heartbeat_at,
            expires_at: lease.expires_at,
        }
    }
}

impl<'a> From<&'a AgentDatabaseLease> for Claim<'a> {
    fn from(lease: &'a AgentDatabaseLease) -> Self {
        let since = Some(lease.opened_at);
        Self {
            kind: ClaimKind::AgentDatabase,
            owner: &lease.owner,
            since,
            heartbeat_at: None,
            expires_at: None,
        }
    }
}

impl<'a> From<&'a MemoryLock> for Claim<'a> {
    fn from(lock: &'a MemoryLock) -> Self {
        Self {
            kind: ClaimKind::MemoryLock,
            owner: &lock.owner,
            since: lock.acquired_at,
            heartbeat_at: None,
            expires_at: lock.expires_at,
        }
    }
}

impl Claim<'_> {
    pub fn expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Until when its owner counts as renewing it: two beats from the last one. OpenClaw renews a lease every third
    /// of its term, and at least every 30 s.
    pub fn renewed_until(&self) -> Option<DateTime<Utc>> {
        let (beat, end) = (self.heartbeat_at?, self.expires_at?);
        Some(beat + ((end - beat) / 3).min(LONGEST_BEAT) * 2 + BEAT_SLACK)
    }

    fn beats(&self, now: DateTime<Utc>) -> Beats {
        match (self.heartbeat_at, self.renewed_until()) {
            (Some(beat), Some(until)) if beat <= now => {
                if now <= until {
                    Beats::Renewed
                } else {
                    Beats::Missed
                }
            }
            _ => Beats::None,
        }
    }

    fn is_gateway(&self) -> bool {
        self.kind == ClaimKind::Lease(LeaseScope::GatewayOwner)
    }

    fn older_than(&self, age: TimeDelta, now: DateTime<Utc>) -> bool {
        self.since.is_some_and(|since| now - since >= age)
    }
}

pub fn judge_lease(lease: &Lease, facts: &OwnerFacts, now: DateTime<Utc>) -> LeaseVerdict {
    judge(&lease.into(), facts, now)
}

pub fn judge(claim: &Claim, facts: &OwnerFacts, now: DateTime<Utc>) -> LeaseVerdict {
    let facts = *facts;
    // Nobody renews a lease before there is a process: the clock was set forward since, and its next beat will say so.
    let other_clock =
        facts.began.zip(claim.heartbeat_at).is_some_and(|(began, beat)| beat < began - BEAT_SLACK);
    let (expired, beats) = (claim.expired(now) && !other_clock, claim.beats(now));
    let (verdict, mut reasons) = match life(claim, facts, now) {
        Life::Dead(reason) => (Verdict::Stale, vec![reason]),
        _ if expired => (Verdict::Overdue, vec![]),
        Life::Alive => (Verdict::Held, vec![]),
        _ if beats == Beats::Renewed => (Verdict::Held, vec![]),
        _ if beats == Beats::Missed && facts.database_open == Tri::No => {
            (Verdict::Stale, vec![Reason::NoWriter])
        }
        _ if beats == Beats::Missed && facts.database_open == Tri::Yes => (Verdict::Overdue, vec![]),
        Life::Elsewhere => (Verdict::Foreign, vec![]),
        Life::Unknown => (Verdict::Indeterminate, vec![]),
    };
    if expired {
        reasons.push(Reason::Expired);
    }
    let clears = clears(claim, facts, verdict, now);
    let blocks = !matches!(clears, Clears::AtNextUse);
    let action = match verdict {
        Verdict::Stale if blocks => Action::Report,
        // A live owner that no longer renews has lost its lease without noticing: its event loop is blocked.
        Verdict::Overdue if alive(claim, facts, now) || !expired => Action::Report,
        _ => Action::None,
    };
    LeaseVerdict { verdict, reasons, action, clears }
}

enum Life {
    Alive,
    Dead(Reason),
    /// Its pid is one of another PID namespace, and nothing else answers for it.
    Elsewhere,
    Unknown,
}

fn alive(claim: &Claim, facts: OwnerFacts, now: DateTime<Utc>) -> bool {
    matches!(life(claim, facts, now), Life::Alive)
}

fn life(claim: &Claim, facts: OwnerFacts, now: DateTime<Utc>) -> Life {
    use {
        PidState as Pid, StartTime as Start,
        Tri::{No, Unknown, Yes},
    };
    let gateway = claim.is_gateway();
    if gateway && facts.gateway_lock_held == Yes && facts.gateway_lock_is_owners == Yes {
        return Life::Alive;
    }
    match (facts.same_pid_domain, facts.pid, facts.start_time) {
        // Pid and start tick agree: the same process, even where the namespace could not be made out.
        (Yes | Unknown, Pid::Alive, Start::Equal) | (Yes, Pid::Alive, Start::Unknown) => return Life::Alive,
        (Yes, Pid::Dead, _) => return Life::Dead(Reason::DeadPid),
        (Yes, Pid::Zombie, _) => return Life::Dead(Reason::ZombiePid),
        (Yes, Pid::Alive, Start::Different) => return Life::Dead(Reason::RecycledPid),
        _ => {}
    }
    let not_its_lock = match facts.gateway_lock_held {
        No => true,
        Yes => facts.gateway_lock_is_owners == No,
        Unknown => false,
    };
    if gateway && not_its_lock && claim.older_than(GATEWAY_START, now) {
        return Life::Dead(Reason::NoWriter);
    }
    if facts.same_pid_domain == No { Life::Elsewhere } else { Life::Unknown }
}

/// What OpenClaw itself will do about the row (rules of 9.6; older versions know fewer dead owners).
fn clears(claim: &Claim, facts: OwnerFacts, verdict: Verdict, now: DateTime<Utc>) -> Clears {
    if claim.expired(now) {
        return Clears::AtNextUse;
    }
    if verdict != Verdict::Stale {
        return claim.expires_at.map_or(Clears::WithItsOwner, Clears::At);
    }
    let sees_it = match &claim.kind {
        ClaimKind::Lease(scope) => match scope.reclaim() {
            Reclaim::SameHostOwner => facts.same_host == Tri::Yes,
            Reclaim::Process => true,
            Reclaim::Expiry => false,
        },
        ClaimKind::AgentDatabase => true,
        ClaimKind::MemoryLock => claim.older_than(MEMORY_LOCK_STALE, now) || claim.since.is_none(),
    };
    // A judge that goes by pid sees death only from the PID namespace of the dead.
    let sees_it = sees_it && facts.same_pid_domain == Tri::Yes;
    match (sees_it, claim.expires_at) {
        (true, _) => Clears::AtNextUse,
        (false, Some(at)) => Clears::At(at),
        (false, None) => Clears::Never,
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
