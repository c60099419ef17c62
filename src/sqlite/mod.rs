//! What OpenClaw keeps in SQLite since 2026.8.1, read without touching it.
//!
//! The gateway's databases are live, in WAL mode, and watched by their owner: since 2026.8.1 it kills itself
//! when a `-wal` or `-shm` no longer is the file it opened (9.6 `sqlite-wal-BzoPsBh0.mjs:232-311`), and its
//! checkpoints wait zero milliseconds for readers (same file, `reclaimSqliteWalFreePages`). SQLite's own
//! read-only connection is not good enough for that: measured, `mode=ro` creates a missing `-wal` and `-shm`,
//! rewrites the `-shm` that a crash left, and as root changes the ctime of the `-wal` by `fchown`.
//!
//! So no connection is ever opened on them. The files are opened read-only, below the state directory, without
//! following links; [`wal`] finds the committed frames, [`snapshot`] serves pages from them and from the main
//! file without a lock and says afterwards whether a checkpoint ran in between (then it is read again),
//! [`btree`] and [`record`] decode the few tables that matter. SQLite itself reads only the `CREATE TABLE`
//! text ([`table`]), in memory. Nothing in this module writes, locks, or creates a file.
//!
//! [`state_db`] and [`agent_db`] turn rows into types, [`judge`] says whether a lease is held, and by whom;
//! [`era`] tells file-era installs from SQLite-era ones. Deciding what to do, and printing, is not done here.

pub mod agent_db;
mod btree;
pub mod era;
pub mod error;
pub mod explain;
pub mod judge;
#[cfg(test)]
mod oracle_tests;
pub mod os_lock;
pub mod owner;
mod page;
mod place;
mod record;
pub mod scope;
mod snapshot;
pub mod state_db;
pub mod survey;
mod table;
mod wal;
mod witness;

pub use agent_db::{AgentDb, SessionNode, SessionStatus, SessionWindow, Sessions};
pub use era::{Era, Origin, origin};
pub use error::ReadError;
pub use judge::{
    Action, ClaimKind, LeaseVerdict, OwnerFacts, PidState, Reason, StartTime, Tri, Verdict, judge_lease,
};
pub use owner::LeaseOwner;
pub use scope::LeaseScope;
pub use snapshot::Sizes;
pub use state_db::{AgentDatabaseLease, Lease, MemoryLock, Migration, Section, StateDb};
pub use survey::{Survey, survey};
