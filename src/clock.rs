//! The one place that reads clocks. Everything that judges takes a [`Now`] instead.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::time::{ClockId, clock_gettime};

/// One reading of both clocks: the wall clock for people and for payloads, the boot clock for waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub wall: DateTime<Utc>,
    /// Time since boot, suspend included; it never steps (clock_gettime(2), `CLOCK_BOOTTIME`).
    pub boot: Duration,
}

impl Now {
    pub fn read() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        Self { wall: Utc::now(), boot: Duration::new(boot.tv_sec as u64, boot.tv_nsec as u32) }
    }

    /// When this kernel booted, by the wall clock as it stands now. It moves when the wall clock is stepped,
    /// so it supports a verdict but never carries one alone.
    pub fn booted_at(&self) -> DateTime<Utc> {
        self.wall - TimeDelta::from_std(self.boot).unwrap_or(TimeDelta::zero())
    }

    /// How long ago `then` was; `None` if it lies in the future.
    pub fn since(&self, then: DateTime<Utc>) -> Option<Duration> {
        (self.wall - then).to_std().ok()
    }
}
