//! Removes the lease of a dead gateway that keeps every other gateway out, and keeps a copy. The only act on a database.
//!
//! Order: trust → the owner's identity → our turn in the store → the coordinator → every proof → SQLite's write lock
//! → the proofs again, on the row itself → the row into the quarantine and the journal → a last look → DELETE, COMMIT
//! → the journal → the coordinator is let go. A kill in between leaves the row, or its record and copy.
//!
//! [`child`] runs [`act`] in a process of its own, for the reason that [`row`] gives.

pub mod act;
pub mod child;
pub(super) mod kept;
mod row;
pub mod run;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::entry::Subject;
use crate::leases::gone::Named;

/// What the child process is to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub state_dir: PathBuf,
    /// Which directory that was.
    pub id: (u64, u64),
    /// Whether to wait for another lockdoctor.
    pub waits: bool,
    pub what: What,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum What {
    Remove { row: Named, subject: Box<Subject> },
    PutBack { quarantine_id: String },
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Removed {
        quarantine_id: String,
    },
    PutBack {
        subject: Box<Subject>,
    },
    /// It is gone, or another one by now.
    Vanished,
    Changed,
    /// A proof is missing. `passes`: a moment later it may be there.
    Refused {
        why: String,
        passes: bool,
    },
    Failed {
        why: String,
    },
}

impl Answer {
    /// In the words of other attempts.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Removed { .. } => "reclaimed",
            Self::PutBack { .. } => "restored",
            Self::Vanished => "vanished",
            Self::Changed => "changed",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
        }
    }

    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Refused { why, .. } | Self::Failed { why } => Some(why),
            _ => None,
        }
    }
}
