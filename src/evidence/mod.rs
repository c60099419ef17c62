//! What can be seen of one lock. Gathering is impure and lives in the sub-modules; the result is plain data
//! that [`crate::verdict`] judges. Evidence is three-valued: yes, no, or unknown with the reason.

mod descriptors;
pub mod directory;
pub mod filesystem;
pub mod identity;
mod idle;
pub mod lease;
pub mod lockfile;
mod machine;
pub mod mounts;
mod namespaces;
pub mod owner_display;
pub mod pid_domain;
pub mod process;
pub mod release;
pub mod transcript;
pub mod view;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use filesystem::FsClass;
pub use lease::{LeaseUnknown, Writer};
pub use lockfile::{Birth, FileFacts, FileId, PinnedLock, Shape};
pub use pid_domain::PidDomain;
pub use process::{Owner, Process};
pub use release::Release;

pub use crate::openclaw::payload::{Content, Payload};

use crate::openclaw::limits::Limit;
use crate::openclaw::lock_kind::LockKind;

/// How much later than `createdAt` a process must have started to be a stranger. Covers the resolution of a
/// clock tick and the drift of the wall clock against the boot clock.
const START_SLACK: TimeDelta = TimeDelta::seconds(5);

/// Everything known about one lock at one moment.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub kind: LockKind,
    pub shape: Shape,
    /// `None`: it was not opened.
    pub file: Option<FileId>,
    pub birth: Birth,
    pub succession: Succession,
    pub content: Content,
    pub writer: Writer,
    pub owner: Owner,
    /// How far the process that may have taken it has come with letting it go.
    pub release: Release,
    pub domain: PidDomain,
    pub filesystem: FsClass,
    /// Time since the file was last written, by the wall clock; zero if that lies in the future.
    pub untouched_for: Duration,
    /// Time since the payload's `createdAt` (the file's mtime where there is none); `None` if it lies in
    /// the future.
    pub age: Option<Duration>,
    pub booted_at: DateTime<Utc>,
    pub start_ticks: StartTicks,
    pub limit: Option<Limit>,
    pub run_timed_out: RunTimedOut,
    pub relevance: Relevance,
}

impl Evidence {
    pub fn payload(&self) -> Option<&Payload> {
        match &self.content {
            Content::Parsed(payload) => Some(payload),
            Content::Empty | Content::Malformed(_) | Content::NotRead => None,
        }
    }
}

impl Evidence {
    /// The process that carries the number here is not the one that took the lock: the number was given to
    /// it later, or the owner counts in another PID namespace.
    pub fn number_is_anothers(&self) -> bool {
        let recorded = self.payload().and_then(|payload| payload.start_ticks);
        match (self.start_ticks, recorded, self.owner.process()) {
            (StartTicks::Comparable, Some(recorded), Some(process)) => recorded != process.start_ticks,
            _ => false,
        }
    }

    /// By the wall clock, the process that carries the number here started after the lock was made. Weaker than a
    /// start tick, and asked only where the lock records none that can be compared.
    pub fn owner_started_later(&self) -> bool {
        let created_at = self.payload().and_then(|payload| payload.created_at);
        let started_at = self.owner.process().map(|process| process.started_at(self.booted_at));
        matches!((created_at, started_at), (Some(made), Some(started)) if started > made + START_SLACK)
    }

    /// For what is shown: the number that the lock names belongs to another process now. Where nobody has the file
    /// open, the clock is enough to say so.
    pub fn names_another(&self) -> bool {
        let recorded = self.payload().and_then(|payload| payload.start_ticks);
        let same = recorded.is_some() && recorded == self.owner.process().map(|process| process.start_ticks);
        let comparable = recorded.is_some() && self.start_ticks == StartTicks::Comparable;
        let asked = !same && !comparable && self.writer == Writer::NoneOpen;
        let by_clock = asked && self.owner_started_later();
        self.number_is_anothers() || by_clock || matches!(self.owner, Owner::Stranger(_))
    }

    /// Whether the process that the lock names is there: yes, no, or not known.
    pub fn owner_alive(&self) -> Option<bool> {
        if self.names_another() {
            return Some(self.writer == Writer::Open);
        }
        self.owner.is_alive()
    }

    /// The process that took the lock, as far as it can be shown here.
    pub fn owner_process(&self) -> Option<&Process> {
        self.owner.process().filter(|_| !self.names_another())
    }
}

/// Whether something else than the process table shows that the owner is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Succession {
    #[default]
    NotSeen,
    /// The gateway that runs now has the number that the lock names, in its own PID namespace, and started later.
    Gateway,
}

/// Whether start ticks that OpenClaw recorded can be compared with those that `/proc` shows here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTicks {
    Comparable,
    /// `/proc` shifts them by the offset of our time namespace (time_namespaces(7)); OpenClaw's may be another.
    Shifted,
}

/// Whether the OpenClaw of this install still looks at locks of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Relevance {
    /// A symbolic link below the state directory leads to it: shown, never acted on.
    BehindLink,
    #[default]
    Current,
    /// A session or store lock where sessions live in SQLite: nothing looks at it any more.
    Fossil,
}

/// Whether the logs show that the run which took this lock has ended at its time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunTimedOut {
    /// `embedded run timeout` of this session after `createdAt`, no newer run, and the grace has passed.
    Yes {
        at: DateTime<Utc>,
    },
    No,
    #[default]
    NotLookedAt,
}
