//! What lockdoctor knows of OpenClaw: where it lives, how it is configured, which locks it takes, what it does
//! with them itself. Rules name the version and file they were read from.

pub mod config;
pub mod discover;
pub mod gateway;
pub mod install;
pub mod limits;
pub mod lock_kind;
pub mod names;
pub mod self_heal;
pub mod sessions;
pub mod trace;
pub mod version;
