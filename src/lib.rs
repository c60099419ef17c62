//! lockdoctor: lock hygiene and diagnostics for OpenClaw.
//!
//! Dependencies point one way: `cli` → `report`, `survey` → `openclaw`, `evidence` → `sys`. [`verdict`] is
//! pure: it knows no clock, no file and no process.

#![warn(unreachable_pub)]

pub mod answer;
pub mod cli;
pub mod clock;
pub mod demo;
pub mod diagnosis;
pub mod doctor;
pub mod door;
pub mod evidence;
pub mod examination;
pub mod exit;
pub mod gatewaylog;
pub mod install;
pub mod leases;
pub mod openclaw;
pub mod peek;
#[cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, reason = "nobody is there to restart a daemon or an act")
)]
pub mod reclaim;
pub mod redact;
pub mod report;
pub mod settings;
pub mod setup;
pub mod survey;
pub mod sys;
pub mod verdict;
#[cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, reason = "nobody is there to restart a daemon or an act")
)]
pub mod watch;
pub mod words;
