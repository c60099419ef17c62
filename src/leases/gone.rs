//! PURE: whether the lease of a dead gateway may be removed. The kernel or a file answers for each fact; one that is
//! missing refuses. `survey::removal` gathers them, `reclaim::leases` acts on the proof.
//!
//! Two things decide: no process can still be the owner, and none can become one meanwhile. A gateway publishes its row
//! up to 3.7 s before it has `gateway.state.lock`, so neither age nor a free lock proves anything alone. The lock file
//! names its last owner, which had therefore got past its start. That owner has let go, or is dead, if no process has
//! the file open, none has the database open, and lockdoctor holds the lock's coordinator until the removal is committed.

use serde::{Deserialize, Serialize};

use super::holders::Thing;
use super::judge::Tri;
use super::{Lease, LeaseScope};

/// The one row that is ever removed.
pub const SCOPE: &str = "gateway-owner";
pub const KEY: &str = "global";

pub fn is_the_row(lease: &Lease) -> bool {
    lease.scope == LeaseScope::GatewayOwner && lease.key == KEY
}

/// The releases that have this lease and were tried.
pub const TESTED: [&str; 2] = ["2026.9.5", "2026.9.6"];

/// All that the schema of these releases says of `state_leases`, with single spaces, in this order.
pub const TABLE: [&str; 3] = [
    "CREATE INDEX idx_state_leases_expiry ON state_leases(expires_at, scope, lease_key) WHERE expires_at IS NOT NULL",
    "CREATE INDEX idx_state_leases_owner ON state_leases(owner, updated_at DESC)",
    "CREATE TABLE state_leases ( scope TEXT NOT NULL, lease_key TEXT NOT NULL, owner TEXT NOT NULL, expires_at INTEGER, \
     heartbeat_at INTEGER, payload_json TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, \
     PRIMARY KEY (scope, lease_key) ) STRICT",
];

/// The row, every column of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub owner: String,
    pub expires_at: Option<i64>,
    pub heartbeat_at: Option<i64>,
    pub payload_json: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What tells one row from the next: a gateway has a new owner id at each start, and renews it with each beat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub owner: String,
    /// Milliseconds.
    pub heartbeat_at: Option<i64>,
}

impl From<&Row> for Named {
    fn from(row: &Row) -> Self {
        Self { owner: row.owner.clone(), heartbeat_at: row.heartbeat_at }
    }
}

/// Which kernels can have the files open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// This one alone; its answers were tried here.
    Ours,
    Several,
    /// A layer of an overlay, or an overlay itself: the same file has two identities.
    Layered,
    NotShown,
}

/// `gateway.state.lock.sqlite`, which a gateway holds for as long as it has its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordinator {
    /// Held by this process.
    Ours,
    /// No process holds it at the moment of asking.
    Free,
    Held,
    Missing,
}

/// Who `gateway.state.lock` says holds it, or held it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockFile {
    OfGateway(String),
    /// `openclaw doctor` and the like take it too.
    OfAnother,
    Missing,
    Unreadable,
}

/// Everything that must be known. What could not be found out has a value of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub kernel: Kernel,
    /// Directories and files belong to the one user who owns the state directory, and none is a link.
    pub of_one_user: bool,
    pub version: Option<String>,
    /// As [`TABLE`].
    pub table: Vec<String>,
    /// The database is in WAL mode.
    pub in_wal_mode: bool,
    pub row: Option<Named>,
    pub coordinator: Coordinator,
    pub lock_file: LockFile,
    /// A process has the lock file open for writing.
    pub writer: Tri,
    /// Another process has the database open.
    pub database_open: Tri,
    /// Other processes of OpenClaw that use the directory, or whose directory cannot be read.
    pub processes: Vec<u32>,
    /// The coordinators in `/tmp` that a process holds.
    pub held: Vec<Thing>,
    /// The process that the row names, by pid and start tick.
    pub owner_runs: Option<u32>,
}

/// Why the row stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("another machine may have the state directory open, and this kernel does not see that")]
    OtherKernel,
    #[error("the state directory is on an overlay, or a layer of one: who has its files open cannot be seen")]
    Layered,
    #[error("the self-test of the kernel's answers failed on this file system")]
    KernelNotShown,
    #[error("files of the state directory belong to several users, or are links")]
    SeveralUsers,
    #[error("only 2026.9.5 and 2026.9.6 were tried, not OpenClaw {0}")]
    Version(String),
    #[error("the database does not say which OpenClaw made it")]
    NoVersion,
    #[error("the table of leases is not exactly that of this release")]
    Table,
    #[error("the database is not in WAL mode")]
    NotInWalMode,
    #[error("the row is gone")]
    Gone,
    #[error("the row has changed: its owner renewed it, or a gateway has started")]
    Changed,
    #[error(
        "a process holds gateway.state.lock.sqlite: a gateway runs or starts, or `openclaw doctor` works"
    )]
    CoordinatorHeld,
    #[error("gateway.state.lock.sqlite is not there: this is not how OpenClaw leaves a state directory")]
    CoordinatorMissing,
    #[error("gateway.state.lock.sqlite is not held by lockdoctor")]
    CoordinatorNotOurs,
    #[error("gateway.state.lock is not there, so nothing shows that the row's owner had got past its start")]
    NoLockFile,
    #[error("gateway.state.lock names another owner than the row: the owner may be starting")]
    OtherOwner,
    #[error("gateway.state.lock was last taken by a command of OpenClaw, not by a gateway")]
    OtherRole,
    #[error("gateway.state.lock cannot be read")]
    LockFileUnreadable,
    #[error("a process has gateway.state.lock open: its owner is alive")]
    LockFileOpen,
    #[error("whether a process has gateway.state.lock open could not be asked")]
    WriterNotKnown,
    #[error("another process has the database open")]
    DatabaseOpen,
    #[error("whether another process has the database open could not be asked")]
    DatabaseNotKnown,
    #[error("a process of OpenClaw uses the state directory, or may use it: pid {0}")]
    Process(u32),
    #[error("a process holds {}: it runs, starts or changes this install", .0.as_str())]
    Held(Thing),
    #[error("the process that the row names runs: pid {0}")]
    OwnerRuns(u32),
    #[error("lockdoctor has removed a row of this owner before, and does so once")]
    Before,
}

impl Refusal {
    /// A moment later it may be otherwise.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::CoordinatorHeld
                | Self::LockFileOpen
                | Self::DatabaseOpen
                | Self::DatabaseNotKnown
                | Self::Process(_)
                | Self::Held(_)
                | Self::OtherOwner
                | Self::OtherRole
                | Self::NoLockFile
        )
    }
}

/// What keeps the row from being removed, as far as can be seen without taking the coordinator.
pub fn refusal(facts: &Facts) -> Option<Refusal> {
    let kernel = match facts.kernel {
        Kernel::Ours => None,
        Kernel::Several => Some(Refusal::OtherKernel),
        Kernel::Layered => Some(Refusal::Layered),
        Kernel::NotShown => Some(Refusal::KernelNotShown),
    };
    kernel.or_else(|| of_files(facts)).or_else(|| of_processes(facts))
}

fn of_files(facts: &Facts) -> Option<Refusal> {
    if !facts.of_one_user {
        return Some(Refusal::SeveralUsers);
    }
    match &facts.version {
        None => return Some(Refusal::NoVersion),
        Some(version) if !TESTED.contains(&version.as_str()) => {
            return Some(Refusal::Version(version.clone()));
        }
        Some(_) => {}
    }
    if facts.table != TABLE {
        return Some(Refusal::Table);
    }
    (!facts.in_wal_mode).then_some(Refusal::NotInWalMode)
}

fn of_processes(facts: &Facts) -> Option<Refusal> {
    let Some(row) = &facts.row else { return Some(Refusal::Gone) };
    let coordinator = match facts.coordinator {
        Coordinator::Ours | Coordinator::Free => None,
        Coordinator::Held => Some(Refusal::CoordinatorHeld),
        Coordinator::Missing => Some(Refusal::CoordinatorMissing),
    };
    let lock_file = match &facts.lock_file {
        LockFile::OfGateway(owner) if *owner == row.owner => None,
        LockFile::OfGateway(_) => Some(Refusal::OtherOwner),
        LockFile::OfAnother => Some(Refusal::OtherRole),
        LockFile::Missing => Some(Refusal::NoLockFile),
        LockFile::Unreadable => Some(Refusal::LockFileUnreadable),
    };
    let writer = match facts.writer {
        Tri::No => None,
        Tri::Yes => Some(Refusal::LockFileOpen),
        Tri::Unknown => Some(Refusal::WriterNotKnown),
    };
    let database = match facts.database_open {
        Tri::No => None,
        Tri::Yes => Some(Refusal::DatabaseOpen),
        Tri::Unknown => Some(Refusal::DatabaseNotKnown),
    };
    let process = facts.processes.first().map(|pid| Refusal::Process(*pid));
    let held = facts.held.first().map(|thing| Refusal::Held(*thing));
    let owner = facts.owner_runs.map(Refusal::OwnerRuns);
    [coordinator, lock_file, writer, database, process, held, owner].into_iter().flatten().next()
}

/// The owner of one row is gone, and no gateway can start while the coordinator is held. Only [`LeaseOwnerGone::prove`]
/// makes one; it is good for that row, and for one act.
#[derive(Debug)]
#[must_use]
pub struct LeaseOwnerGone {
    row: Named,
}

impl LeaseOwnerGone {
    /// `judged`: the row that was judged to be in the way.
    pub fn prove(facts: &Facts, judged: &Named) -> Result<Self, Refusal> {
        if let Some(refusal) = refusal(facts) {
            return Err(refusal);
        }
        if facts.coordinator != Coordinator::Ours {
            return Err(Refusal::CoordinatorNotOurs);
        }
        match &facts.row {
            Some(row) if row == judged => Ok(Self { row: row.clone() }),
            Some(_) => Err(Refusal::Changed),
            None => Err(Refusal::Gone),
        }
    }

    pub fn row(&self) -> &Named {
        &self.row
    }
}

#[cfg(test)]
#[path = "gone_tests.rs"]
mod tests;
