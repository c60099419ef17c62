//! lockdoctor: lock hygiene and diagnostics for OpenClaw.

pub mod sqlite;
