//! From what was seen to what it means. Each file answers for one kind of cause; each rule says which lines it rests
//! on, and whether removing a lock would help. What explains a complaint is reported, the complaint itself is not.

mod locks;
mod process;
mod runs;
mod waits;

use super::finding::Finding;
use super::input::{Era, Facts, LockFact};
use super::model::Model;
use super::sessions::{Track, agent_of_key, agent_of_path, id_of_lock};
use chrono::{DateTime, Utc};

/// Everything a rule may look at.
pub(super) struct View<'a> {
    pub(super) model: &'a Model,
    pub(super) facts: &'a Facts,
    pub(super) now: DateTime<Utc>,
}

pub(super) fn all(view: &View<'_>) -> Vec<Finding> {
    let mut findings = locks::judged(view);
    findings.extend(locks::deleted(view));
    findings.extend(locks::failures(view));
    findings.extend(locks::left_over(view));
    findings.extend(runs::timeouts(view));
    findings.extend(runs::lane_timeouts(view));
    findings.extend(runs::complaints(view));
    findings.extend(runs::at_work(view));
    findings.extend(runs::takeovers(view));
    findings.extend(runs::watchdog(view));
    findings.extend(runs::model_side(view));
    findings.extend(waits::session_lanes(view));
    findings.extend(waits::global_lanes(view));
    findings.extend(waits::rpc(view));
    findings.extend(waits::listeners(view));
    findings.extend(process::event_loop(view));
    findings.extend(process::refused_starts(view));
    findings.extend(process::sqlite(view));
    findings
}

impl View<'_> {
    fn sqlite_era(&self) -> bool {
        self.facts.era == Era::Sqlite
    }

    fn lock_of(&self, session_id: &str) -> Option<&LockFact> {
        self.facts.locks.iter().find(|lock| lock.session_id.as_deref() == Some(session_id))
    }

    /// `openclaw` or, for the first releases, `clawdbot`.
    fn program(&self) -> &'static str {
        let old = |version: &str| {
            version.starts_with("2026.1.")
                && version[7..]
                    .split(['-', '.'])
                    .next()
                    .and_then(|day| day.parse().ok())
                    .is_some_and(|day: u32| day < 29)
        };
        if self.facts.version.as_deref().is_some_and(old) { "clawdbot" } else { "openclaw" }
    }

    fn restart(&self) -> String {
        format!("{} gateway restart", self.program())
    }

    /// Release as (month, day part): `2026.5.22` → (5, 22).
    fn release(&self) -> Option<(u32, u32)> {
        let version = self.facts.version.as_deref()?.strip_prefix("2026.")?;
        let mut parts = version.split(['.', '-', '+']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    fn at_least(&self, month: u32, patch: u32) -> Option<bool> {
        self.release().map(|release| release >= (month, patch))
    }
}

impl Finding {
    fn about_track(mut self, track: &Track) -> Self {
        self.agent = track.agent().map(str::to_owned);
        self.session_id.clone_from(&track.id);
        self.session_key.clone_from(&track.key);
        self.lane = track.key.as_ref().map(|key| format!("session:{key}"));
        self
    }

    fn about_lock(mut self, lock: &LockFact) -> Self {
        self.agent = lock.agent.clone().or_else(|| agent_of_path(&lock.path).map(str::to_owned));
        self.session_id.clone_from(&lock.session_id);
        self.session_key.clone_from(&lock.session_key);
        self.lane = lock.session_key.as_ref().map(|key| format!("session:{key}"));
        self.lock = Some(lock.path.clone());
        self
    }

    /// A lock that only the log names.
    fn about_path(mut self, path: &str, view: &View<'_>) -> Self {
        let id = id_of_lock(path);
        let track = id.as_deref().and_then(|id| view.model.sessions.by_id(id));
        self.session_key = track.and_then(|track| track.key.clone());
        let agent = agent_of_path(path)
            .or_else(|| self.session_key.as_deref().and_then(agent_of_key))
            .map(str::to_owned);
        self.agent = agent;
        self.lane = self.session_key.as_ref().map(|key| format!("session:{key}"));
        self.session_id = id;
        if path.strip_suffix(".lock").is_some() {
            self.lock = Some(path.to_owned());
        }
        self
    }
}

/// A duration for people: `10 s`, `102 s`, `8 min 35 s`, `2 h 5 min`.
fn human(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => {
            let tenths = ms / 100;
            if tenths.is_multiple_of(10) {
                format!("{} s", tenths / 10)
            } else {
                format!("{}.{} s", tenths / 10, tenths % 10)
            }
        }
        10_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => {
            let (minutes, seconds) = (ms / 60_000, ms / 1000 % 60);
            if seconds == 0 { format!("{minutes} min") } else { format!("{minutes} min {seconds} s") }
        }
        7_200_000..172_800_000 => format!("{} h {} min", ms / 3_600_000, ms / 60_000 % 60),
        _ => format!("{} days", ms / 86_400_000),
    }
}

/// `1 message`, `3 messages`.
fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn durations_for_people() {
        for (ms, text) in [
            (5, "5 ms"),
            (1_500, "1.5 s"),
            (2_000, "2 s"),
            (101_778, "101 s"),
            (515_000, "8 min 35 s"),
            (600_000, "10 min"),
            (7_500_000, "2 h 5 min"),
            (172_800_000, "2 days"),
        ] {
            assert_eq!(human(ms), text);
        }
    }
}
