//! How long locks were held lately: enough of them for the status page's quantiles.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::words::millis;

const REMEMBERED: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct HoldTimes {
    recent: VecDeque<Duration>,
    total: u64,
}

/// Of the locks that were released lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Since the start.
    total: u64,
    /// How many the rest is about.
    recent: usize,
    p50_ms: Option<u64>,
    p95_ms: Option<u64>,
    max_ms: Option<u64>,
    /// Upper bound of each class in ms (none for the last), and how many lie in it.
    classes: Vec<(Option<u64>, usize)>,
}

/// Class bounds in milliseconds.
const CLASSES: [u64; 7] = [100, 1000, 5000, 15_000, 60_000, 300_000, 900_000];

impl HoldTimes {
    pub(crate) fn add(&mut self, held: Duration) {
        self.total += 1;
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(held);
    }

    pub(crate) fn summary(&self) -> Summary {
        let mut sorted: Vec<u64> = self.recent.iter().copied().map(millis).collect();
        sorted.sort_unstable();
        let rank = |share: f64| {
            let last = sorted.len().checked_sub(1)?;
            sorted.get((last as f64 * share).round() as usize).copied()
        };
        let bounds = CLASSES.into_iter().map(Some).chain([None]);
        let mut below = 0;
        let classes = bounds.map(|bound| {
            let up_to = bound.map_or(sorted.len(), |bound| sorted.partition_point(|ms| *ms <= bound));
            let count = up_to - below;
            below = up_to;
            (bound, count)
        });
        Summary {
            total: self.total,
            recent: sorted.len(),
            p50_ms: rank(0.5),
            p95_ms: rank(0.95),
            max_ms: sorted.last().copied(),
            classes: classes.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_classes_of_what_was_seen() {
        let mut holds = HoldTimes::default();
        assert_eq!(holds.summary().p50_ms, None);
        for ms in [50, 60, 70, 2000, 1_000_000] {
            holds.add(Duration::from_millis(ms));
        }
        let summary = holds.summary();
        assert_eq!((summary.p50_ms, summary.max_ms, summary.total), (Some(70), Some(1_000_000), 5));
        assert_eq!(summary.classes.iter().map(|(_, count)| count).sum::<usize>(), 5);
        assert_eq!(summary.classes.first(), Some(&(Some(100), 3)));
        assert_eq!(summary.classes.last(), Some(&(None, 1)));
    }
}
