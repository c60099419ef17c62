//! The last day in quarters of an hour: messages that failed, messages that waited, locks that were freed. Pure.

use std::collections::VecDeque;

use chrono::{DateTime, TimeZone, Utc};
use serde::Serialize;

use crate::words::rfc3339;

const QUARTER: i64 = 15 * 60;
/// Of a day.
const QUARTERS: i64 = 96;

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happened {
    MessageFailed,
    MessageWaited,
    LockFreed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Quarter {
    failed: u64,
    waited: u64,
    freed: u64,
}

/// Quarters without a gap, up to the latest of which something was heard.
#[derive(Debug, Default)]
pub(crate) struct Day {
    quarters: VecDeque<Quarter>,
    /// The number of the last of them, counted from 1970.
    last: i64,
}

/// As `/status.json` has it: the oldest first, the quarter that runs last.
#[derive(Debug, Serialize)]
pub(crate) struct Strip {
    from: String,
    quarter_ms: i64,
    quarters: Vec<Quarter>,
}

impl Day {
    /// What is more than a day older than the latest is past.
    pub(crate) fn note(&mut self, what: Happened, at: DateTime<Utc>, now: DateTime<Utc>) {
        // A log whose clock is ahead does not push the day away.
        let number = at.min(now).timestamp().div_euclid(QUARTER);
        if self.quarters.is_empty() {
            self.last = number - 1;
        }
        for _ in 0..(number - self.last).clamp(0, QUARTERS) {
            self.quarters.push_back(Quarter::default());
        }
        self.last = self.last.max(number);
        while self.quarters.len() > QUARTERS as usize {
            self.quarters.pop_front();
        }
        let ago = self.last - number;
        while (self.quarters.len() as i64) <= ago && ago < QUARTERS {
            self.quarters.push_front(Quarter::default());
        }
        let place = usize::try_from(self.quarters.len() as i64 - 1 - ago).ok();
        let Some(quarter) = place.and_then(|place| self.quarters.get_mut(place)) else { return };
        let count = match what {
            Happened::MessageFailed => &mut quarter.failed,
            Happened::MessageWaited => &mut quarter.waited,
            Happened::LockFreed => &mut quarter.freed,
        };
        *count += 1;
    }

    pub(crate) fn strip(&self, now: DateTime<Utc>) -> Strip {
        let current = now.timestamp().div_euclid(QUARTER);
        let first = current + 1 - QUARTERS;
        let offset = self.last + 1 - self.quarters.len() as i64;
        let quarter = |number: i64| {
            let place = usize::try_from(number - offset).ok();
            place.and_then(|place| self.quarters.get(place)).copied().unwrap_or_default()
        };
        let from = Utc.timestamp_opt(first * QUARTER, 0).single().unwrap_or_default();
        Strip {
            from: rfc3339(from),
            quarter_ms: QUARTER * 1000,
            quarters: (first..=current).map(quarter).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_kept_and_no_more() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let now = at("2026-11-29T12:05:00Z");
        let mut day = Day::default();
        day.note(Happened::MessageFailed, at("2026-11-29T11:59:00Z"), now);
        // Logs are read one after the other: what is older may come later.
        day.note(Happened::MessageWaited, at("2026-11-28T12:20:00Z"), now);
        day.note(Happened::MessageWaited, at("2026-11-27T12:00:00Z"), now);
        day.note(Happened::LockFreed, now, now);
        day.note(Happened::LockFreed, at("2027-01-01T00:00:00Z"), now);
        let strip = day.strip(now);
        assert_eq!((strip.from.as_str(), strip.quarters.len()), ("2026-11-28T12:15:00.000Z", 96));
        assert_eq!(strip.quarters[0], Quarter { waited: 1, ..Quarter::default() });
        assert_eq!(strip.quarters[94], Quarter { failed: 1, ..Quarter::default() });
        assert_eq!(strip.quarters[95], Quarter { freed: 2, ..Quarter::default() });
        let later = day.strip(at("2026-11-30T12:00:00Z"));
        assert_eq!(later.quarters.iter().map(|quarter| quarter.freed).sum::<u64>(), 0);
        assert_eq!(Day::default().strip(now).quarters.len(), 96);
    }
}
