//! What people have to know of: findings that are open, and what was done lately. No I/O, no clock: times are
//! passed in.

pub(crate) mod heard;
pub(crate) mod of_locks;
#[cfg(test)]
pub(in crate::watch) mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::answer::Answer;
pub(crate) use crate::diagnosis::{Code, Severity};
use crate::openclaw::lock_kind::LockKind;
use crate::verdict::Verdict;
use crate::watch::ids::RootId;
use crate::watch::wakeups::deadlines::Pace;
use crate::words::rfc3339;

/// Between two diagnoses, however much is logged.
const BETWEEN: Duration = Duration::from_secs(2);
/// The lines of one event come within this.
const PAUSE: Duration = Duration::from_millis(200);
/// How many past acts the status shows.
const REMEMBERED: usize = 50;
/// A person who looks once a day is to see it.
const CRASH_LOOP_STANDS: Duration = Duration::from_secs(10 * 60);
const DELETIONS_STAND: Duration = Duration::from_secs(24 * 3600);

/// What a verdict on a lock of `kind` is called as a finding.
pub(crate) fn code_of(kind: LockKind, verdict: Verdict) -> Option<Code> {
    Some(match verdict {
        Verdict::Stale | Verdict::Leaked if kind == LockKind::Gateway => Code::GatewayLock,
        Verdict::Stale => Code::StaleLock,
        Verdict::Leaked => Code::LeakedLock,
        Verdict::Overdue => Code::OverdueLock,
        Verdict::StuckGuard => Code::StuckGuard,
        _ => return None,
    })
}

/// What a look at a lock can find, and the next look end.
const OF_A_LOOK: [Code; 5] =
    [Code::GatewayLock, Code::StaleLock, Code::LeakedLock, Code::OverdueLock, Code::StuckGuard];

/// Where a finding comes from, and so what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A lock that was looked at: the next look, or its end.
    Lock,
    /// Logs and databases: the next diagnosis that does not name it.
    Heard,
}

/// What would end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The lock is reclaimed, by us or by OpenClaw.
    Reclaim,
    /// Only the gateway's restart: a live run holds the lock past its limit.
    GatewayRestart,
    /// A person has to look.
    Person,
}

/// One finding, with the keys of `lockdoctor/diagnosis/v1`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub agent: Option<String>,
    pub session_id: Option<String>,
    /// Redacted, unless asked otherwise.
    pub session_key: Option<String>,
    pub lane: Option<String>,
    #[serde(serialize_with = "lossy")]
    pub lock: Option<PathBuf>,
    #[serde(serialize_with = "as_rfc3339")]
    pub first_seen: DateTime<Utc>,
    #[serde(serialize_with = "as_rfc3339")]
    pub last_seen: DateTime<Utc>,
    pub count: u64,
    pub explanation: String,
    pub evidence: Vec<String>,
    pub advice: Vec<String>,
    pub removing_lock_helps: Option<bool>,
    /// Tells it from others of its code.
    #[serde(skip)]
    pub about: String,
    #[serde(skip)]
    pub origin: Origin,
    /// `first_seen` on the boot clock.
    #[serde(skip)]
    pub since: Duration,
    #[serde(skip)]
    pub remedy: Remedy,
    #[serde(skip)]
    pub(crate) root: Option<RootId>,
}

fn as_rfc3339<S: serde::Serializer>(at: &DateTime<Utc>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&rfc3339(*at))
}

/// A name need not be UTF-8; what cannot be said in JSON must not take the rest with it.
fn lossy_path<S: serde::Serializer>(path: &Path, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&path.to_string_lossy())
}

#[expect(clippy::ref_option, reason = "serde hands a field over so")]
fn lossy<S: serde::Serializer>(path: &Option<PathBuf>, out: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(out)
}

/// Names a finding for as long as it is open.
pub(crate) type Key = (Code, String);

impl Finding {
    pub(crate) fn key(&self) -> Key {
        (self.code, self.about.clone())
    }
}

/// Whether a finding is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Raised {
    New,
    Known,
}

/// What came of an attempt to reclaim a lock.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Act {
    #[serde(serialize_with = "as_rfc3339")]
    pub(crate) at: DateTime<Utc>,
    #[serde(serialize_with = "lossy_path")]
    pub(crate) lock: PathBuf,
    pub(crate) agent: Option<String>,
    pub(crate) session_key: Option<String>,
    pub(crate) verdict: &'static str,
    pub(crate) reasons: Vec<&'static str>,
    pub(crate) result: &'static str,
    pub(crate) quarantine_id: Option<String>,
    pub(crate) why: Option<String>,
    /// From the look that first showed it to be stale.
    pub(crate) after_ms: u64,
}

/// What is different after a diagnosis.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) new: Vec<Finding>,
    pub(crate) gone: Vec<Finding>,
}

#[derive(Debug)]
pub(crate) struct Board {
    open: Open,
    acts: VecDeque<Act>,
    /// As of the last diagnosis.
    pub(crate) answer: Option<Answer>,
    /// When what logs and databases tell was made up last.
    pub(crate) made_up: Pace,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            open: Open::default(),
            acts: VecDeque::new(),
            answer: None,
            made_up: Pace::new(PAUSE, BETWEEN),
        }
    }
}

impl Board {
    pub(crate) fn raise(&mut self, finding: Finding) -> Raised {
        let Some(Finding { first_seen, since, count, .. }) = self.open.remove(&finding.key()) else {
            self.open.insert(finding);
            return Raised::New;
        };
        self.open.insert(Finding { first_seen, since, count: count + 1, ..finding });
        Raised::Known
    }

    /// A lock that was deleted while it was held, owners that died one after the other: nothing that is seen later ends
    /// that, so time does.
    pub(crate) fn forget_the_past(&mut self, now: Duration) {
        self.open.extract(|finding| {
            let stands = match finding.code {
                Code::LockDeletedWhileHeld => DELETIONS_STAND,
                Code::GatewayDown => CRASH_LOOP_STANDS,
                _ => return false,
            };
            finding.origin == Origin::Lock && now >= finding.since + stands
        });
    }

    /// Everything that was open about the lock at `path`, but for `except`.
    pub(crate) fn resolve_lock(&mut self, path: &Path, except: Option<Code>) -> Vec<Finding> {
        let about = path.to_string_lossy();
        // A deletion cannot be undone; see `forget_the_past`.
        let ends = OF_A_LOOK.into_iter().filter(|code| Some(*code) != except);
        let keys = ends.map(|code| (code, about.clone().into_owned()));
        keys.filter_map(|key| self.open.remove_if(&key, |finding| finding.origin == Origin::Lock)).collect()
    }

    /// What logs and databases tell now, in place of what they told before.
    pub(crate) fn heard(&mut self, findings: Vec<Finding>) -> Change {
        let before = self.open.extract(|finding| finding.origin == Origin::Heard);
        let mut before: BTreeMap<Key, Finding> =
            before.into_iter().map(|finding| (finding.key(), finding)).collect();
        let mut new = Vec::new();
        for finding in findings {
            let key = finding.key();
            // The first of a kind is the most serious.
            if self.open.contains(&key) {
                continue;
            }
            let since = before.remove(&key).map(|known| known.since);
            if since.is_none() {
                new.push(finding.clone());
            }
            self.open.insert(Finding { since: since.unwrap_or(finding.since), ..finding });
        }
        Change { new, gone: before.into_values().collect() }
    }

    pub(crate) fn remember(&mut self, act: Act) {
        if self.acts.len() == REMEMBERED {
            self.acts.pop_back();
        }
        self.acts.push_front(act);
    }

    /// Findings that call for something.
    pub(crate) fn pressing(&self) -> usize {
        self.open.pressing
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &Finding> {
        self.open.findings.values()
    }

    /// The latest first.
    pub(crate) fn acts(&self) -> impl Iterator<Item = &Act> {
        self.acts.iter()
    }
}

/// Open findings, and how many of them call for something: that is asked at each change.
#[derive(Debug, Default)]
struct Open {
    findings: BTreeMap<Key, Finding>,
    pressing: usize,
}

impl Open {
    fn insert(&mut self, finding: Finding) {
        self.pressing += usize::from(presses(&finding));
        if let Some(before) = self.findings.insert(finding.key(), finding) {
            self.pressing -= usize::from(presses(&before));
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Finding> {
        let finding = self.findings.remove(key)?;
        self.pressing -= usize::from(presses(&finding));
        Some(finding)
    }

    fn remove_if(&mut self, key: &Key, is: impl Fn(&Finding) -> bool) -> Option<Finding> {
        if self.findings.get(key).is_some_and(is) { self.remove(key) } else { None }
    }

    fn extract(&mut self, gone: impl Fn(&Finding) -> bool) -> Vec<Finding> {
        let gone: Vec<Finding> =
            self.findings.extract_if(.., |_, finding| gone(finding)).map(|(_, finding)| finding).collect();
        self.pressing -= gone.iter().filter(|finding| presses(finding)).count();
        gone
    }

    fn contains(&self, key: &Key) -> bool {
        self.findings.contains_key(key)
    }
}

fn presses(finding: &Finding) -> bool {
    finding.severity > Severity::Info
}
