//! What people have to know of: findings that are open, and what was done lately. No I/O, no clock: times are
//! passed in.

pub(crate) mod day;
pub(crate) mod heard;
pub(crate) mod of_locks;
#[cfg(test)]
pub(in crate::watch) mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::answer::Answer;
use crate::diagnosis;
pub(crate) use crate::diagnosis::{Code, Severity};
use crate::verdict::Verdict;
use crate::wakeups::deadlines::Pace;
use crate::wakeups::ids::RootId;
use crate::words::rfc3339;
use day::{Day, Happened};

/// Between two diagnoses, however much is logged.
const BETWEEN: Duration = Duration::from_secs(2);
/// The lines of one event come within this.
const PAUSE: Duration = Duration::from_millis(200);
/// How many past acts the status shows.
const REMEMBERED: usize = 50;
/// A person who looks once a day is to see it.
const CRASH_LOOP_STANDS: Duration = Duration::from_secs(10 * 60);
const DELETIONS_STAND: Duration = Duration::from_secs(24 * 3600);

/// Whether a lock with this verdict is a finding by itself.
pub(crate) fn is_told(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Stale | Verdict::Leaked | Verdict::Overdue | Verdict::StuckGuard)
}

/// What a look at a lock can find, and the next look end.
const OF_A_LOOK: [Code; 7] = [
    Code::GatewayLock,
    Code::StaleLock,
    Code::LeakedLock,
    Code::OverdueLock,
    Code::StuckRun,
    Code::StuckGuard,
    Code::OrphanLock,
];

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

/// A finding that is open, and what the daemon knows of it besides.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(crate) struct Finding {
    pub(crate) found: diagnosis::Finding,
    /// Tells it from others of its code.
    #[serde(skip)]
    pub(crate) about: String,
    #[serde(skip)]
    pub(crate) origin: Origin,
    /// When it was raised, on the boot clock.
    #[serde(skip)]
    pub(crate) since: Duration,
    #[serde(skip)]
    pub(crate) remedy: Remedy,
    /// The daemon is about to deal with it.
    #[serde(skip)]
    pub(crate) in_hand: bool,
    #[serde(skip)]
    pub(crate) root: Option<RootId>,
}

impl Deref for Finding {
    type Target = diagnosis::Finding;

    fn deref(&self) -> &diagnosis::Finding {
        &self.found
    }
}

fn as_rfc3339<S: serde::Serializer>(at: &DateTime<Utc>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&rfc3339(*at))
}

/// A name need not be UTF-8; what cannot be said in JSON must not take the rest with it.
fn lossy_path<S: serde::Serializer>(path: &Path, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&path.to_string_lossy())
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
    /// It stood, and is more serious now.
    Worse,
    Known,
}

impl Raised {
    fn over(known: Option<&Finding>, finding: &diagnosis::Finding) -> Self {
        match known {
            None => Self::New,
            Some(known) if known.severity < finding.severity => Self::Worse,
            Some(_) => Self::Known,
        }
    }
}

/// What came of an attempt to reclaim a lock.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    pub(crate) worse: Vec<Finding>,
    pub(crate) gone: Vec<Finding>,
}

#[derive(Debug)]
pub(crate) struct Board {
    open: Open,
    acts: VecDeque<Act>,
    /// What became of people's messages.
    pub(crate) day: Day,
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
            day: Day::default(),
            answer: None,
            made_up: Pace::new(PAUSE, BETWEEN),
        }
    }
}

impl Board {
    pub(crate) fn raise(&mut self, finding: Finding) -> Raised {
        let known = self.open.remove(&finding.key());
        let raised = Raised::over(known.as_ref(), &finding);
        let since = known.map_or(finding.since, |known| known.since);
        self.open.insert(Finding { since, ..finding });
        raised
    }

    /// Whether a look at its lock has raised the same.
    pub(crate) fn is_told_by_a_look(&self, found: &diagnosis::Finding) -> bool {
        OF_A_LOOK.contains(&found.code)
            && self.open().any(|open| {
                open.origin == Origin::Lock && (open.code, &open.lock) == (found.code, &found.lock)
            })
    }

    /// What the log has told since of locks whose findings are open; what is done about them stays. Those that are
    /// more serious for it come back.
    pub(crate) fn tell_more(&mut self, found: Vec<diagnosis::Finding>) -> Vec<Finding> {
        let mut worse = Vec::new();
        let mut found: HashMap<(Code, Option<String>), diagnosis::Finding> =
            found.into_iter().map(|found| ((found.code, found.lock.clone()), found)).collect();
        let told = self.open.extract(|finding| {
            finding.origin == Origin::Lock && found.contains_key(&(finding.code, finding.lock.clone()))
        });
        for mut finding in told {
            if let Some(more) = found.remove(&(finding.code, finding.lock.clone())) {
                let raised = Raised::over(Some(&finding), &more);
                finding.found = if finding.in_hand { of_locks::dealt_with(more) } else { more };
                worse.extend((raised == Raised::Worse).then(|| finding.clone()));
            }
            self.open.insert(finding);
        }
        worse
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
        let (mut new, mut worse) = (Vec::new(), Vec::new());
        for finding in findings {
            let key = finding.key();
            // The first of a kind is the most serious.
            if self.open.contains(&key) {
                continue;
            }
            let known = before.remove(&key);
            match Raised::over(known.as_ref(), &finding) {
                Raised::New => new.push(finding.clone()),
                Raised::Worse => worse.push(finding.clone()),
                Raised::Known => {}
            }
            let since = known.map_or(finding.since, |known| known.since);
            self.open.insert(Finding { since, ..finding });
        }
        Change { new, worse, gone: before.into_values().collect() }
    }

    pub(crate) fn remember(&mut self, act: Act) {
        if act.quarantine_id.is_some() {
            self.day.note(Happened::LockFreed, act.at, act.at);
        }
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
