//! What somebody has to know of: findings that are open, and what was done lately. No I/O; whoever raises a
//! finding passes the time in.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::openclaw::lock_kind::LockKind;
use crate::report::words::rfc3339;
use crate::verdict::Verdict;

/// How many past acts the status shows.
const REMEMBERED: usize = 50;

/// The finding codes of the contract that a watch can raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    StaleLock,
    LeakedLock,
    OverdueLock,
    GatewayLock,
    StuckGuard,
    LockDeletedWhileHeld,
}

impl Code {
    pub const ALL: [Self; 6] = [
        Self::StaleLock,
        Self::LeakedLock,
        Self::OverdueLock,
        Self::GatewayLock,
        Self::StuckGuard,
        Self::LockDeletedWhileHeld,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::StaleLock => "stale-lock",
            Self::LeakedLock => "leaked-lock",
            Self::OverdueLock => "overdue-lock",
            Self::GatewayLock => "gateway-lock",
            Self::StuckGuard => "stuck-guard",
            Self::LockDeletedWhileHeld => "lock-deleted-while-held",
        }
    }

    /// What a verdict on a lock of `kind` is called as a finding.
    pub fn of(kind: LockKind, verdict: Verdict) -> Option<Self> {
        Some(match verdict {
            Verdict::Stale | Verdict::Leaked if kind == LockKind::Gateway => Self::GatewayLock,
            Verdict::Stale => Self::StaleLock,
            Verdict::Leaked => Self::LeakedLock,
            Verdict::Overdue => Self::OverdueLock,
            Verdict::StuckGuard => Self::StuckGuard,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// What would end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The lock is reclaimed, by us or by OpenClaw.
    Reclaim,
    /// Only the gateway's restart: a live run holds the lock past its limit.
    GatewayRestart,
    /// A person has to look.
    Person,
}

/// One finding, with the keys of `lockdoctor/diagnosis/v1`.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub agent: Option<String>,
    pub session_id: Option<String>,
    /// Redacted, unless asked otherwise.
    pub session_key: Option<String>,
    pub lock: PathBuf,
    #[serde(serialize_with = "as_rfc3339")]
    pub first_seen: DateTime<Utc>,
    #[serde(serialize_with = "as_rfc3339")]
    pub last_seen: DateTime<Utc>,
    pub count: u64,
    pub explanation: String,
    pub evidence: Vec<String>,
    pub advice: Vec<String>,
    pub removing_lock_helps: bool,
    /// `first_seen` on the boot clock.
    #[serde(skip)]
    pub since: std::time::Duration,
    #[serde(skip)]
    pub remedy: Remedy,
    /// The root it belongs to, by index.
    #[serde(skip)]
    pub root: usize,
}

fn as_rfc3339<S: serde::Serializer>(at: &DateTime<Utc>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&rfc3339(*at))
}

/// Names a finding for as long as it is open.
pub type Key = (Code, PathBuf);

/// Whether a finding is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raised {
    New,
    Known,
}

/// What came of an attempt to reclaim a lock.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Act {
    #[serde(serialize_with = "as_rfc3339")]
    pub(super) at: DateTime<Utc>,
    pub(super) lock: PathBuf,
    pub(super) agent: Option<String>,
    pub(super) session_key: Option<String>,
    pub(super) verdict: &'static str,
    pub(super) reasons: Vec<&'static str>,
    pub(super) result: &'static str,
    pub(super) quarantine_id: Option<String>,
    pub(super) why: Option<String>,
    /// From the look that first showed it to be stale.
    pub(super) after_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Board {
    open: BTreeMap<Key, Finding>,
    acts: VecDeque<Act>,
}

impl Board {
    pub(super) fn raise(&mut self, finding: Finding) -> Raised {
        let key = (finding.code, finding.lock.clone());
        if let Some(known) = self.open.get_mut(&key) {
            let Finding { first_seen, since, count, .. } = *known;
            *known = Finding { first_seen, since, count: count + 1, ..finding };
            Raised::Known
        } else {
            self.open.insert(key, finding);
            Raised::New
        }
    }

    /// Everything that was open about the lock at `path`, but for `except`.
    pub(super) fn resolve_lock(&mut self, path: &Path, except: Option<Code>) -> Vec<Finding> {
        let codes = Code::ALL.into_iter().filter(|code| Some(*code) != except);
        // Nobody can undo a deletion: that one ages out instead.
        codes
            .filter(|code| *code != Code::LockDeletedWhileHeld)
            .filter_map(|code| self.open.remove(&(code, path.to_path_buf())))
            .collect()
    }

    pub(super) fn remember(&mut self, act: Act) {
        if self.acts.len() == REMEMBERED {
            self.acts.pop_back();
        }
        self.acts.push_front(act);
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Finding> {
        self.open.values()
    }

    /// The latest first.
    pub(super) fn acts(&self) -> impl Iterator<Item = &Act> {
        self.acts.iter()
    }
}
