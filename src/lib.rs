//! lockdoctor: lock hygiene and diagnostics for OpenClaw.
