//! What rules count with: points in time, and one thing per name; both bounded.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// Times remembered for correlation.
const TIMES: usize = 2048;
/// Evidence this near to a complaint explains it.
pub(crate) const NEAR: TimeDelta = TimeDelta::seconds(60);

/// Points in time, the latest ones of many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<DateTime<Utc>>);

impl Times {
    pub(crate) fn add(&mut self, at: DateTime<Utc>) {
        if self.0.len() == TIMES {
            self.0.drain(..TIMES / 2);
        }
        self.0.push(at);
    }

    pub(crate) fn any_near(&self, at: DateTime<Utc>, within: TimeDelta) -> bool {
        self.0.iter().any(|then| (*then - at).abs() <= within)
    }

    /// How many of these lie within that distance of one of the others.
    pub(crate) fn near(&self, others: &Self, within: TimeDelta) -> u64 {
        self.0.iter().filter(|at| others.any_near(**at, within)).count() as u64
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// One thing per name, with its lines.
pub(crate) type ByName<T> = BTreeMap<String, T>;

/// Keep at most so many names: locks of a year of cron runs must not fill the memory.
pub(crate) fn entry<'m, T: Default>(map: &'m mut ByName<T>, name: &str) -> Option<&'m mut T> {
    const NAMES: usize = 4096;
    if !map.contains_key(name) {
        if map.len() >= NAMES {
            return None;
        }
        map.insert(name.to_owned(), T::default());
    }
    map.get_mut(name)
}
