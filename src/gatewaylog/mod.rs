//! Gateway logs: sources → lines → [`Record`]s → typed [`Event`]s. Reading only; what the events mean together is
//! for `diagnosis`.
//!
//! A line passes a prefilter of a few anchor strings first: most lines of a log say nothing about locks or lanes and
//! are never parsed, only counted.

mod anchors;
mod ansi;
mod event;
mod fields;
mod json;
mod prefix;
mod recognise;
mod record;
mod scan;
mod stamp;

pub use event::{
    Attention, Cause, Event, Interruption, Label, LaneCounts, Liveness, LockOwner, LogLoss, Recovery, SessionRef,
    SlowSqlite, TimeoutPhase,
};
pub use recognise::recognise;
pub use record::{Level, Record, Unreadable, read_line};
pub use scan::{Counters, Entry, Scanner, When};
pub use stamp::Dating;
