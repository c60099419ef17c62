//! The time limits of a run, as they are configured and as each version reads them.

use std::time::Duration;

use super::version::Version;

/// A time limit and the sentence that says where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeout {
    pub value: Duration,
    pub source: String,
}

/// Configured limits, before the defaults of a version are applied.
#[derive(Debug, Clone, Default)]
pub struct Timeouts {
    /// `agents.defaults.timeoutSeconds`; only numbers count, OpenClaw ignores strings.
    pub run_seconds: Option<f64>,
    /// `agents.defaults.compaction.timeoutSeconds`.
    pub compaction_seconds: Option<f64>,
    /// `OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS` of the gateway, or `session.writeLock.maxHoldMs`.
    pub max_hold: Option<(Duration, String)>,
    /// `…_ACQUIRE_TIMEOUT_MS` / `session.writeLock.acquireTimeoutMs`.
    pub acquire: Option<(Duration, String)>,
}

/// What OpenClaw uses where it means "no limit" (2 147 000 000 ms, 24.8 days).
pub const NO_TIMEOUT: Duration = Duration::from_millis(2_147_000_000);

impl Timeouts {
    /// The run timeout as `version` reads it (1.24 `agents/timeout.js:1-26`, 9.6 `timeout-Bjg7ga80.mjs`).
    pub fn run(&self, version: Option<&Version>) -> Timeout {
        let Some(seconds) = self.run_seconds else {
            return match version {
                Some(v) if !v.at_least(3, 22) => default(600, "default run timeout 600 s (up to 2026.3.13)"),
                Some(_) => default(172_800, "default run timeout 48 h (from 2026.3.22)"),
                None => default(172_800, "default run timeout 48 h (version unknown)"),
            };
        };
        let key = "agents.defaults.timeoutSeconds";
        if seconds == 0.0 && version.is_some_and(|v| v.at_least(8, 1)) {
            return Timeout { value: NO_TIMEOUT, source: format!("{key} = 0 (no limit)") };
        }
        let whole = seconds.floor().max(1.0);
        Timeout { value: seconds_capped(whole), source: format!("{key} = {seconds}") }
    }

    /// The compaction timeout: 300 s up to 3.13, 900 s up to 6.5, 180 s from 6.6.
    pub fn compaction(&self, version: Option<&Version>) -> Timeout {
        if let Some(seconds) = self.compaction_seconds.filter(|s| *s > 0.0) {
            let source = format!("agents.defaults.compaction.timeoutSeconds = {seconds}");
            return Timeout { value: seconds_capped(seconds.floor().max(1.0)), source };
        }
        match version {
            Some(v) if !v.at_least(3, 22) => default(300, "default compaction timeout 300 s"),
            Some(v) if v.at_least(6, 6) => default(180, "default compaction timeout 180 s"),
            _ => default(900, "default compaction timeout 900 s"),
        }
    }
}

fn default(seconds: u64, source: &str) -> Timeout {
    Timeout { value: Duration::from_secs(seconds), source: source.to_owned() }
}

fn seconds_capped(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(NO_TIMEOUT).min(NO_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_negative_timeouts_are_read_as_their_era_does() {
        let timeouts = |n: f64| Timeouts { run_seconds: Some(n), ..Timeouts::default() };
        let old = Version::release(7, 1);
        let new = Version::release(8, 2);
        assert_eq!(timeouts(0.0).run(Some(&old)).value, Duration::from_secs(1));
        assert_eq!(timeouts(0.0).run(Some(&new)).value, NO_TIMEOUT);
        assert_eq!(timeouts(-5.0).run(Some(&new)).value, Duration::from_secs(1));
        let defaults = Timeouts::default();
        assert_eq!(defaults.run(Some(&Version::release(3, 13))).value, Duration::from_secs(600));
        assert_eq!(defaults.run(Some(&Version::release(3, 22))).value, Duration::from_secs(172_800));
    }
}
