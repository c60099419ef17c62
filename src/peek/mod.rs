//! A live SQLite database in WAL mode, read without a trace.
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
//! [`btree`] and [`record`] decode the few tables that matter, whose columns [`definition`] reads from their
//! `CREATE TABLE` texts. Nothing in this module writes, locks, or creates a file, and no SQL of others is run.

pub(crate) mod btree;
mod budget;
mod definition;
pub mod error;
pub mod held;
#[cfg(test)]
mod oracle_tests;
mod page;
pub(crate) mod place;
pub(crate) mod record;
pub(crate) mod snapshot;
pub(crate) mod table;
mod wal;
mod wal_index;
mod witness;

pub use error::ReadError;
pub use snapshot::Sizes;
pub use wal_index::WalState;
