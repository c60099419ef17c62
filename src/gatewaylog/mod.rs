//! Gateway logs: sources → lines → [`Record`]s → typed [`Event`]s. Reading only; what the events mean together is
//! for `diagnosis`.
//!
//! A line passes a prefilter of a few anchor strings first: most lines of a log say nothing about locks or lanes and
//! are never parsed, only counted.

mod anchors;
mod ansi;
mod discover;
mod event;
mod fields;
mod follow;
mod journal;
mod json;
mod level;
mod merge;
mod prefix;
mod pretty;
mod recognise;
mod record;
mod scan;
mod source;
mod stamp;
mod tail;
mod utf16;

pub use discover::{Owners, Places};
pub use event::{
    Attention, Cause, Event, Fate, Interruption, Label, LaneCounts, Liveness, LockOwner, LogLoss, Loss,
    ModelFault, Recovery, SessionRef, SlowSqlite, TimeoutPhase, Undelivered,
};
pub use follow::{Followed, Follower};
pub use journal::{Journal, JournalTail, KNOWN_UNITS, Manager};
pub use level::Level;
pub use merge::{Merged, Repeats, SourceSummary};
pub use recognise::recognise;
pub use record::{Record, Unreadable, read_line};
pub use scan::{Counters, Entry, Scanner, When};
pub use source::{Reading, Source, Stream};
pub use stamp::Dating;
pub use tail::{Access, Begin, Tail};
