//! lockdoctor: lock hygiene and diagnostics for OpenClaw.
pub mod diagnosis;
pub mod gatewaylog;
pub mod redact;
