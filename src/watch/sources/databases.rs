//! The databases of the SQLite era: what the last look at each root's showed, and which files they are. A change is
//! only a hint: they are read without a connection, and seldom enough to cost next to nothing beside a gateway that
//! writes all the time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tracing::{info, warn};

use crate::clock::Now;
use crate::leases::{Verdict, Workings};
use crate::survey::claims::{Leases, RunningSession, SurveyedLease};
use crate::wakeups::deadlines::Pace;
use crate::wakeups::ids::RootId;

/// One transaction is several writes.
const PAUSE: Duration = Duration::from_millis(50);
/// Least time between two looks that changes call for, and how many times the length of the last one.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const SHARE: u32 = 50;
/// A lease of a gateway that is younger than this is not judged by the gateway's lock file.
const GATEWAY_START: Duration = Duration::from_secs(61);

#[derive(Debug, Default)]
pub(crate) struct Databases {
    known: BTreeMap<RootId, Known>,
}

#[derive(Debug)]
struct Known {
    found: Leases,
    looking: Pace,
    /// Why a lease was not removed, as it was said last.
    stays: Option<String>,
}

impl Default for Known {
    fn default() -> Self {
        Self { found: Leases::default(), looking: Pace::new(PAUSE, BETWEEN_LOOKS), stays: None }
    }
}

impl Databases {
    pub(crate) fn leases(&self) -> impl Iterator<Item = &SurveyedLease> {
        self.known.values().flat_map(|known| &known.found.leases)
    }

    /// The lease of a dead gateway that keeps the next one out.
    pub(crate) fn orphan(&self, root: RootId) -> Option<&SurveyedLease> {
        self.known.get(&root)?.found.leases.iter().find(|lease| lease.removal.is_some())
    }

    /// It was removed: until the next look, nothing is said of it.
    pub(crate) fn take_orphan(&mut self, root: RootId) -> Option<SurveyedLease> {
        let known = self.known.get_mut(&root)?;
        known.stays = None;
        known.found.leases.extract_if(.., |lease| lease.removal.is_some()).next()
    }

    /// Whether `why` a lease stays was not what was said last.
    pub(crate) fn is_news(&mut self, root: RootId, why: &str) -> bool {
        let known = self.known.entry(root).or_default();
        let is_news = known.stays.as_deref() != Some(why);
        known.stays = Some(why.to_owned());
        is_news
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &RunningSession> {
        self.known.values().flat_map(|known| &known.found.running)
    }

    pub(crate) fn workings(&self, root: RootId) -> Option<&Workings> {
        self.known.get(&root)?.found.workings.as_ref()
    }

    /// Processes whose end changes a verdict.
    pub(crate) fn owners(&self) -> impl Iterator<Item = u32> {
        self.leases().filter_map(|lease| lease.process.process()).map(|process| process.pid)
    }

    pub(crate) fn roots_of_owner(&self, pid: u32) -> Vec<RootId> {
        let names = |known: &Known| {
            known.found.leases.iter().any(|lease| lease.process.process().is_some_and(|each| each.pid == pid))
        };
        self.known.iter().filter(|(_, known)| names(known)).map(|(root, _)| *root).collect()
    }

    /// When to look, if something has changed at `now`.
    pub(crate) fn next_look(&mut self, root: RootId, now: Duration) -> Duration {
        self.known.entry(root).or_default().looking.next(now)
    }

    /// When to look after one of the owners has ended: after the look at the gateway's lock, which had the same.
    pub(crate) fn look_after_end(now: Duration) -> Duration {
        now + PAUSE
    }

    pub(crate) fn forget(&mut self, root: RootId) {
        self.known.remove(&root);
    }

    pub(crate) fn forget_all(&mut self) -> Vec<RootId> {
        std::mem::take(&mut self.known).into_keys().collect()
    }

    /// Keeps what a look showed that took `took` of CPU time. Returns when time alone changes a verdict.
    pub(crate) fn keep(&mut self, root: RootId, found: Leases, took: Duration, now: Now) -> Option<Duration> {
        let known = self.known.entry(root).or_default();
        log_changes(&known.found.leases, &found.leases);
        known.found = found;
        known.looking.between = BETWEEN_LOOKS.max(took * SHARE);
        known.looking.done(now.boot);
        known.found.leases.iter().filter_map(|lease| time_tells(lease, now)).min()
    }
}

/// CPU time of this thread: on a busy machine a look takes longer than it costs.
pub(crate) fn work_done() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// When time alone changes the verdict on a lease, on the boot clock.
fn time_tells(lease: &SurveyedLease, now: Now) -> Option<Duration> {
    let from_now = |at: chrono::DateTime<chrono::Utc>| (at - now.wall).to_std().ok();
    let grace = chrono::TimeDelta::from_std(GATEWAY_START).ok()?;
    let unsure = matches!(lease.verdict.verdict, Verdict::Indeterminate | Verdict::Foreign);
    let settled = lease.since.filter(|_| unsure).and_then(|since| from_now(since + grace));
    let expired = lease.expires_at.and_then(from_now);
    // A gateway that is stopped writes nothing: its silence is the only sign.
    let renewed = lease.renewed_until.and_then(from_now);
    [settled, expired, renewed]
        .into_iter()
        .flatten()
        .min()
        .map(|left| now.boot + left + Duration::from_millis(1))
}

fn log_changes(before: &[SurveyedLease], now: &[SurveyedLease]) {
    for lease in now {
        let known = before.iter().find(|each| each.path == lease.path);
        if known.map(|each| each.verdict.verdict) == Some(lease.verdict.verdict) {
            continue;
        }
        let (path, kind, verdict) = (&lease.path, lease.kind.as_str(), lease.verdict.verdict.as_str());
        let pid = lease.owner.pid;
        if lease.needs_attention() {
            warn!(path, kind, verdict, pid, "lease");
        } else {
            info!(path, kind, verdict, pid, "lease");
        }
    }
}

fn agents(state: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(state.join("agents")) else { return Vec::new() };
    let directories = entries.flatten().map(|entry| entry.path().join("agent"));
    directories.filter(|directory| directory.join("openclaw-agent.sqlite").exists()).collect()
}

pub(crate) fn directories(state: &Path) -> Vec<PathBuf> {
    [state.join("state")].into_iter().chain(agents(state)).collect()
}

/// A write goes to the `-wal`, and to the database itself only later.
pub(crate) fn files(state: &Path) -> Vec<PathBuf> {
    let shared = state.join("state").join("openclaw.sqlite");
    let of_agents = agents(state).into_iter().map(|directory| directory.join("openclaw-agent.sqlite"));
    let with_wal = |database: PathBuf| {
        let mut wal = database.clone().into_os_string();
        wal.push("-wal");
        [database, PathBuf::from(wal)]
    };
    [shared].into_iter().chain(of_agents).flat_map(with_wal).collect()
}
