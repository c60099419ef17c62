//! lockdoctor: lock hygiene and diagnostics for OpenClaw.
pub mod gatewaylog;
pub mod redact;
