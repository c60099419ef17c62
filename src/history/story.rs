//! What happened to one chat, step by step: recognised fields only, repeated steps told once, bounded.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::VecDeque;

const FIRST: usize = 6;
const LAST: usize = 6;
/// Steps this near to each other are one.
const ECHO: TimeDelta = TimeDelta::milliseconds(1500);

/// One dated step of what happened, made of recognised fields only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    #[serde(serialize_with = "crate::words::rfc3339_or_null")]
    pub at: Option<DateTime<Utc>>,
    pub text: String,
}

/// The time of an event in the model: undated lines come one after the other in a year that no log is of.
pub(crate) fn dated(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (at.timestamp() > 900_000_000).then_some(at)
}

/// From one moment to another, where both are known.
pub(crate) fn elapsed_ms(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<u64> {
    let lasted = dated(to)? - dated(from)?;
    u64::try_from(lasted.num_milliseconds()).ok()
}

/// Milliseconds as a time-delta; absurd ones are as long as there is.
pub(crate) fn delta(ms: u64) -> TimeDelta {
    i64::try_from(ms).ok().and_then(TimeDelta::try_milliseconds).unwrap_or(TimeDelta::MAX)
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Story {
    first: Vec<Beat>,
    last: VecDeque<Beat>,
    left_out: u64,
}

#[derive(Debug, Clone)]
struct Beat {
    at: DateTime<Utc>,
    until: DateTime<Utc>,
    /// What is the same kind of step and may be told as one.
    kind: &'static str,
    text: String,
    times: u64,
}

impl Story {
    pub(crate) fn note(&mut self, at: DateTime<Utc>, kind: &'static str, text: impl Into<String>) {
        let text = text.into();
        let latest = self.last.back_mut().or(self.first.last_mut());
        if let Some(beat) = latest.filter(|beat| beat.kind == kind) {
            let echo = dated(at).is_some() && at - beat.until <= ECHO;
            beat.times += u64::from(!echo);
            (beat.until, beat.text) = (at, text);
            return;
        }
        let beat = Beat { at, until: at, kind, text, times: 1 };
        if self.first.len() < FIRST {
            self.first.push(beat);
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(beat);
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        let mut beats: Vec<Beat> = std::mem::take(&mut self.first);
        beats.extend(std::mem::take(&mut self.last));
        beats.extend(other.first);
        beats.extend(other.last);
        beats.sort_by_key(|beat| beat.at);
        self.left_out += other.left_out;
        for beat in beats {
            if self.first.len() < FIRST {
                self.first.push(beat);
            } else {
                if self.last.len() == LAST {
                    self.last.pop_front();
                    self.left_out += 1;
                }
                self.last.push_back(beat);
            }
        }
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        let step = |beat: &Beat| Step { at: dated(beat.at), text: beat.told() };
        let gap =
            (self.left_out > 0).then(|| Step { at: None, text: format!("{} more steps", self.left_out) });
        self.first.iter().map(step).chain(gap).chain(self.last.iter().map(step)).collect()
    }
}

impl Beat {
    fn told(&self) -> String {
        match (self.times, dated(self.until)) {
            (1, _) => self.text.clone(),
            (n, Some(until)) => format!("{} ({n} times, until {})", self.text, until.format("%H:%M:%S")),
            (n, None) => format!("{} ({n} times)", self.text),
        }
    }
}

/// Complaints about one thing: what one failure writes in several places is one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Incidents {
    pub(crate) count: u64,
    pub(crate) times: super::trouble::Times,
    last: Option<DateTime<Utc>>,
    /// Undated lines: how often each kind of line came.
    kinds: std::collections::BTreeMap<String, u64>,
}

impl Incidents {
    /// `kind`: what kind of line it was, for lines without a time. Whether it is one that was not told yet.
    pub(crate) fn note(&mut self, at: DateTime<Utc>, kind: &str) -> bool {
        if dated(at).is_some() {
            let fresh = self.last.is_none_or(|last| at - last > ECHO);
            self.last = Some(at);
            if fresh {
                self.count += 1;
                self.times.add(at);
            }
            return fresh;
        }
        if self.kinds.len() < 16 || self.kinds.contains_key(kind) {
            *self.kinds.entry(kind.to_owned()).or_default() += 1;
        }
        let most = self.kinds.values().copied().max().unwrap_or(1);
        let fresh = most > self.count;
        self.count = self.count.max(most);
        fresh
    }

    /// How many came after that.
    pub(crate) fn since(&self, then: Option<DateTime<Utc>>) -> u64 {
        match then.and_then(dated) {
            Some(then) if self.times.len() > 0 => self.times.iter().filter(|at| *at > then).count() as u64,
            _ => self.count,
        }
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.count += other.count;
        for at in other.times.iter() {
            self.times.add(at);
        }
        self.last = self.last.max(other.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap()
    }

    #[test]
    fn repeated_steps_are_one_and_the_middle_of_many_is_counted() {
        let mut story = Story::default();
        story.note(at(0), "limit", "a run reached its limit");
        for second in [60, 61, 120, 180] {
            story.note(at(second), "lock", "a message failed");
        }
        let steps = story.steps();
        assert_eq!(steps.len(), 2);
        assert!(steps[1].text.starts_with("a message failed (3 times, until "), "{}", steps[1].text);
        for n in 0..40 {
            story.note(at(200 + n), if n % 2 == 0 { "a" } else { "b" }, "x");
        }
        let steps = story.steps();
        assert_eq!(steps.len(), FIRST + LAST + 1);
        assert!(steps[FIRST].text.ends_with("more steps"));
    }

    #[test]
    fn lines_of_one_failure_are_one_incident_with_and_without_times() {
        let mut dated = Incidents::default();
        for second in [0, 1, 60, 61] {
            dated.note(at(second), "x");
        }
        assert_eq!((dated.count, dated.since(Some(at(30)))), (2, 1));
        let mut undated = Incidents::default();
        for n in 0..6 {
            let at = DateTime::from_timestamp_millis(n).unwrap();
            undated.note(at, if n % 2 == 0 { "lane=main" } else { "lane=session" });
        }
        assert_eq!(undated.count, 3);
    }
}
