//! lockdoctor: lock hygiene and diagnostics for OpenClaw.
//!
//! Dependencies point one way, from `cli` down to `sys`; `tests/tidy/layers.rs` has the order. [`verdict`], [`history`],
//! [`diagnosis`] and [`answer`] are pure: they know no clock, no file and no process.

#![warn(unreachable_pub)]

pub mod answer;
pub mod cli;
pub mod clock;
pub mod demo;
pub mod diagnosis;
#[cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, reason = "nobody is there to restart a daemon or an act")
)]
pub mod directories;
pub mod doctor;
pub mod door;
pub mod evidence;
pub mod examination;
pub mod exit;
pub mod gatewaylog;
pub mod history;
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
mod wakeups;
#[cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, reason = "nobody is there to restart a daemon or an act")
)]
pub mod watch;
pub mod words;
