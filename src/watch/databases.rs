//! The databases of the SQLite era, looked at again when a file has changed, its owner has ended or its time is
//! up. A change is only a hint: the files are read without a connection, and seldom enough to cost next to nothing
//! beside a gateway that writes all the time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tracing::{info, warn};

use super::daemon::Daemon;
use super::hints::Topic;
use super::options::Run;
use super::table::Due;
use crate::clock::Now;
use crate::evidence::Owner;
use crate::leases::Verdict;
use crate::openclaw::version::Era;
use crate::survey::claims::{GatewayLock, Leases, RunningSession, SurveyedLease, look};

/// One transaction is several writes.
const PAUSE: Duration = Duration::from_millis(50);
/// Least time between two looks that changes call for, and how many times the length of the last one.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const SHARE: u32 = 50;
/// A lease of a gateway that is younger than this is not judged by the gateway's lock file.
const GATEWAY_START: Duration = Duration::from_secs(61);

#[derive(Debug, Default)]
pub(super) struct Databases {
    known: BTreeMap<usize, Known>,
}

#[derive(Debug, Default)]
struct Known {
    found: Leases,
    /// On the boot clock.
    looked: Duration,
    /// CPU time.
    took: Duration,
    planned: Option<Duration>,
}

impl Databases {
    pub(super) fn leases(&self) -> impl Iterator<Item = &SurveyedLease> {
        self.known.values().flat_map(|known| &known.found.leases)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &RunningSession> {
        self.known.values().flat_map(|known| &known.found.running)
    }

    /// Processes whose end changes a verdict.
    pub(super) fn owners(&self) -> impl Iterator<Item = u32> {
        self.leases().filter_map(|lease| lease.process.process()).map(|process| process.pid)
    }

    fn roots_of_owner(&self, pid: u32) -> Vec<usize> {
        let names = |known: &Known| {
            known.found.leases.iter().any(|lease| lease.process.process().is_some_and(|each| each.pid == pid))
        };
        self.known.iter().filter(|(_, known)| names(known)).map(|(root, _)| *root).collect()
    }
}

impl Daemon {
    /// Something may have changed in the databases of a root.
    pub(super) fn databases_changed(&mut self, root: usize) {
        // Whoever ends once the locks have settled acts on nothing here.
        if self.options.run == Run::Once {
            return;
        }
        let known = self.databases.known.entry(root).or_default();
        let pause = BETWEEN_LOOKS.max(known.took * SHARE);
        let at = (known.looked + pause).max(self.view.now.boot + PAUSE);
        self.plan_databases(root, at);
    }

    pub(super) fn database_owner_ended(&mut self, pid: u32) {
        for root in self.databases.roots_of_owner(pid) {
            // After the look at the gateway's lock, which had the same owner.
            self.plan_databases(root, self.view.now.boot + PAUSE);
        }
    }

    fn plan_databases(&mut self, root: usize, at: Duration) {
        let known = self.databases.known.entry(root).or_default();
        if known.planned.is_some_and(|planned| planned <= at) {
            return;
        }
        if let Some(before) = known.planned.replace(at) {
            self.table.deadlines.clear(before, Due::Databases(root));
        }
        self.table.deadlines.set(at, Due::Databases(root));
    }

    /// The roots are others now.
    pub(super) fn forget_databases(&mut self) {
        for (root, known) in std::mem::take(&mut self.databases.known) {
            self.hints.forget(Topic::Database(root));
            if let Some(at) = known.planned {
                self.table.deadlines.clear(at, Due::Databases(root));
            }
        }
    }

    pub(super) fn look_at_databases(&mut self, root: usize) {
        if let Some(known) = self.databases.known.get_mut(&root) {
            known.planned = None;
        }
        let standing = self.ground.roots.get(root).and_then(|root| root.standing.as_ref());
        let Some(install) = standing.and_then(|standing| standing.install()) else {
            self.hints.forget(Topic::Database(root));
            self.databases.known.remove(&root);
            return;
        };
        let state = install.root.path.clone();
        if install.era != Era::Sqlite && !state.join("state/openclaw.sqlite").exists() {
            return;
        }
        // Watched before they are read, so that a change in between is not missed.
        for directory in directories(&state) {
            self.hints.watch_names(Topic::Database(root), &directory);
        }
        for file in files(&state) {
            self.hints.arm(Topic::Database(root), &file);
        }
        let judged = self.table.iter().filter_map(|(_, entry)| entry.lock.as_deref());
        let gateway_lock = GatewayLock::of(judged.filter(|lock| lock.root == root));
        let before_look = work_done();
        let found = look(root, install, &gateway_lock, &mut self.view);
        self.metrics.database_looks.inc();
        let after = Now::read();
        for problem in &found.problems {
            self.say_once(&problem.path, &problem.what);
        }
        for lease in &found.leases {
            if let Owner::Alive(process) = &lease.process {
                self.owners.watch(process.pid, process.start_ticks, &self.poller);
            }
        }
        let before = self.databases.known.remove(&root).unwrap_or_default();
        log_changes(&before.found.leases, &found.leases);
        let next = found.leases.iter().filter_map(|lease| time_tells(lease, after)).min();
        let took = work_done().saturating_sub(before_look);
        self.databases.known.insert(root, Known { found, looked: after.boot, took, planned: before.planned });
        if let Some(at) = next {
            self.plan_databases(root, at);
        }
        self.plan_diagnosis();
    }
}

/// CPU time of this thread: on a busy machine a look takes longer than it costs.
fn work_done() -> Duration {
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
    [settled, expired].into_iter().flatten().min().map(|left| now.boot + left + Duration::from_millis(1))
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

fn directories(state: &Path) -> Vec<PathBuf> {
    [state.join("state")].into_iter().chain(agents(state)).collect()
}

/// A write goes to the `-wal`, and to the database itself only later.
fn files(state: &Path) -> Vec<PathBuf> {
    let shared = state.join("state").join("openclaw.sqlite");
    let of_agents = agents(state).into_iter().map(|directory| directory.join("openclaw-agent.sqlite"));
    let with_wal = |database: PathBuf| {
        let mut wal = database.clone().into_os_string();
        wal.push("-wal");
        [database, PathBuf::from(wal)]
    };
    [shared].into_iter().chain(of_agents).flat_map(with_wal).collect()
}
