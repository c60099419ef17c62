//! What OpenClaw does, by version: its locks and their bytes, its names and its limits. Facts only, no I/O. Rules
//! name the version and file they were read from.

pub mod limits;
pub mod lock_kind;
pub mod names;
pub mod payload;
pub mod timeouts;
pub mod version;
