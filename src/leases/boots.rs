//! `gateway_boot_lifecycle`: each start of a gateway that got as far as its database, and how it ended. OpenClaw
//! keeps a day of them (2026.8.1 and later).

use chrono::{DateTime, TimeDelta, Utc};

use super::cells::{integer, text, time};
use crate::peek::error::Result;
use crate::peek::record::Value;
use crate::peek::snapshot::Snapshot;
use crate::peek::table::Schema;

/// Three starts within this time that did not end well, and the next one starts no channel.
pub const BREAKER_WINDOW: TimeDelta = TimeDelta::minutes(5);
const BREAKER_STARTS: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// In the PID namespace of the gateway.
    pub pid: Option<u32>,
    pub started_at: DateTime<Utc>,
    pub ended: Option<Ended>,
    /// Why it started as it did, or what it lacked: a word of OpenClaw's, like `gateway.maintenance_required`.
    pub startup_reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub at: DateTime<Utc>,
    pub outcome: Outcome,
    /// The gateway's own sentence; it may name paths.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    CleanStop,
    PlannedRestart,
    ForcedStop,
    StartupFailed,
    /// It had started no channel for five minutes, and went on as the next row.
    SafeModeStable,
    /// Failed, and mended since by `openclaw doctor --fix`.
    Repaired,
    Other,
}

impl Outcome {
    fn parse(word: Option<&str>) -> Self {
        match word {
            Some("clean_stop") => Self::CleanStop,
            Some("planned_restart") => Self::PlannedRestart,
            Some("forced_stop") => Self::ForcedStop,
            Some("startup_failed") => Self::StartupFailed,
            Some("safe_mode_stable") => Self::SafeModeStable,
            Some("startup_failure_repaired") => Self::Repaired,
            _ => Self::Other,
        }
    }
}

impl Boot {
    pub fn failed(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.outcome == Outcome::StartupFailed)
    }

    /// It lacks something that only `openclaw doctor --fix` does.
    pub fn needs_doctor(&self) -> bool {
        let reasons = ["gateway.maintenance_required", "gateway.agent_media_migration_required"];
        self.startup_reason.as_deref().is_some_and(|reason| reasons.contains(&reason))
    }
}

/// When the latest of `boots`, in which no channel starts by itself, lets them start: OpenClaw's restart-loop breaker
/// (its own count, `inspectGatewayCrashLoopBreaker`). `None`: they started.
pub fn held_back_until(boots: &[Boot]) -> Option<DateTime<Utc>> {
    let (last, earlier) = boots.split_last()?;
    if last.ended.is_some() || last.startup_reason.as_deref() == Some("gateway.crash_loop_recovered") {
        return None;
    }
    let from = last.started_at - BREAKER_WINDOW;
    let unclean = |boot: &&Boot| match &boot.ended {
        None => boot.started_at >= from,
        Some(ended) => boot.failed() && ended.at >= from && !boot.needs_doctor(),
    };
    (earlier.iter().filter(unclean).count() >= BREAKER_STARTS).then_some(last.started_at + BREAKER_WINDOW)
}

/// In the order of their starts.
pub(super) fn read(snapshot: &mut Snapshot, schema: &Schema) -> Result<Option<Vec<Boot>>> {
    let Some(table) = schema.table(snapshot, "gateway_boot_lifecycle")? else { return Ok(None) };
    let required = ["pid", "started_at_ms", "completed_at_ms", "outcome"];
    let rows = table.rows(snapshot, &[], &required, &["startup_reason", "reason"])?;
    let boot = |row: &Vec<Value>| {
        let ended = time(&row[2]).map(|at| Ended {
            at,
            outcome: Outcome::parse(text(&row[3]).as_deref()),
            reason: text(&row[5]),
        });
        Some(Boot {
            pid: integer(&row[0]).and_then(|pid| u32::try_from(pid).ok()),
            started_at: time(&row[1])?,
            ended,
            startup_reason: text(&row[4]),
        })
    };
    let boots: Option<Vec<Boot>> = rows.iter().map(boot).collect();
    let mut boots =
        boots.ok_or_else(|| snapshot.corrupt("gateway_boot_lifecycle holds a row that is no start"))?;
    boots.sort_by_key(|boot| boot.started_at);
    Ok(Some(boots))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(at: i64, ended: Option<(i64, Outcome)>, reason: Option<&str>) -> Boot {
        let clock = |s: i64| DateTime::from_timestamp(1_795_000_000 + s, 0).expect("in range");
        Boot {
            pid: Some(7),
            started_at: clock(at),
            ended: ended.map(|(at, outcome)| Ended { at: clock(at), outcome, reason: None }),
            startup_reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn the_fourth_start_after_three_crashes_within_five_minutes_holds_the_channels_back() {
        let crashes = [boot(0, None, None), boot(30, None, None), boot(60, None, None)];
        let with = |last: Boot| held_back_until(&[&crashes[..], &[last]].concat());
        let breaker = boot(90, None, Some("gateway.crash_loop_breaker"));
        assert_eq!(with(breaker.clone()), Some(breaker.started_at + BREAKER_WINDOW));
        // A fifth one writes no reason, and holds them back all the same.
        let fifth = [&crashes[..], &[breaker, boot(120, None, None)]].concat();
        assert!(held_back_until(&fifth).is_some());
        assert_eq!(with(boot(301, None, None)), None, "the first crash is too long ago");
        assert_eq!(with(boot(90, None, Some("gateway.crash_loop_recovered"))), None);
        assert_eq!(with(boot(90, Some((95, Outcome::CleanStop)), None)), None, "it has ended");
        let repaired = boot(30, Some((31, Outcome::Repaired)), Some("gateway.maintenance_required"));
        assert_eq!(
            held_back_until(&[boot(0, None, None), repaired, boot(60, None, None), boot(90, None, None)]),
            None
        );
    }
}
