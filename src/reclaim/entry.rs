//! One line of the journal: what was done to which lock, on which evidence, by whom.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::evidence::lockfile::FileFacts;
use crate::leases::gone::Row;
use crate::verdict::{Reason, Rule, Verdict};

/// What one line records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Written before anything is touched.
    Intent,
    Reclaimed,
    Vanished,
    Changed,
    /// A live lock came out of the swap and went back at once.
    LivePutBack,
    /// Another lock came out of the swap, already let go by its owner.
    ReleasedMeanwhile,
    /// Two processes hold this lock now: an incident.
    DoubleHolder,
    Failed,
    /// A lockdoctor that was killed had not begun to change anything.
    Undone,
    /// A lockdoctor that was killed had already swapped; what it began is complete.
    Completed,
    /// Written before a lock is put back under its name.
    Restoring,
    Restored,
    Purged,
}

impl Event {
    /// Something may have been begun that this line alone does not end.
    pub fn is_beginning(self) -> bool {
        matches!(self, Self::Intent | Self::Restoring)
    }
}

/// A word of ours, or one that another version of lockdoctor wrote, which is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Word<T> {
    Ours(T),
    Other(String),
}

impl<T> Default for Word<T> {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl<T: Serialize + Copy> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(word) => word.serialize(f),
            Self::Other(word) => f.write_str(word),
        }
    }
}

/// The lock, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Subject {
    /// Relative to the home of the journal where it lies below it, else absolute.
    pub lock: String,
    pub kind: String,
    pub pid: Option<u32>,
    pub verdict: Word<Verdict>,
    pub reasons: Vec<Word<Reason>>,
    pub rule: Word<Rule>,
    pub fingerprint: String,
    pub gateway: String,
    pub openclaw_version: Option<String>,
}

impl Subject {
    /// Whether its owner was dead for good when it was judged.
    pub fn is_of_dead_owner(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason, Word::Ours(reason) if reason.is_a_death()))
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub id: String,
    pub event: Event,
    pub by: By,
    #[serde(flatten)]
    pub subject: Subject,
    #[serde(default)]
    pub dev: u64,
    #[serde(default)]
    pub inode: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Of an act on a database: the row as it stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Row>,
}

/// Who wrote the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    pub pid: u32,
    pub uid: u32,
    pub version: String,
}

impl Entry {
    pub fn new(at: DateTime<Utc>, id: &str, event: Event, subject: &Subject, facts: &FileFacts) -> Self {
        Self { dev: facts.dev, inode: facts.ino, ..Self::about(at, id, event, subject.clone()) }
    }

    pub fn about(at: DateTime<Utc>, id: &str, event: Event, subject: Subject) -> Self {
        let by = By {
            pid: std::process::id(),
            // The real one: root acts under its user's effective uid.
            uid: rustix::process::getuid().as_raw(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Self { at, id: id.to_owned(), event, by, subject, dev: 0, inode: 0, detail: None, row: None }
    }
}
