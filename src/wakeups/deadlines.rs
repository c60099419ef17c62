//! What is due, and when. Each thing is due at most once: setting it again moves it. No I/O.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// Deadlines on the boot clock, by what is due.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    queue: BTreeSet<(Duration, K)>,
    times: HashMap<K, Duration>,
}

impl<K: Ord + Copy + Hash> Deadlines<K> {
    pub(crate) fn new() -> Self {
        Self { queue: BTreeSet::new(), times: HashMap::new() }
    }

    /// Due at `at`, instead of when it was.
    pub(crate) fn set(&mut self, what: K, at: Duration) {
        if let Some(before) = self.times.insert(what, at) {
            self.queue.remove(&(before, what));
        }
        self.queue.insert((at, what));
    }

    /// Due at `at`, or earlier if it was.
    pub(crate) fn set_by(&mut self, what: K, at: Duration) {
        if self.times.get(&what).is_none_or(|planned| at < *planned) {
            self.set(what, at);
        }
    }

    pub(crate) fn cancel(&mut self, what: K) {
        if let Some(at) = self.times.remove(&what) {
            self.queue.remove(&(at, what));
        }
    }

    pub(crate) fn is_set(&self, what: K) -> bool {
        self.times.contains_key(&what)
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes the first deadline that has passed at `now`.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, what) = self.queue.pop_first()?;
        self.times.remove(&what);
        Some(what)
    }
}

/// How often something is done that a burst of events calls for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// What belongs together comes within this.
    pub(crate) pause: Duration,
    /// Between two times, whatever happens.
    pub(crate) between: Duration,
    last: Option<Duration>,
}

impl Pace {
    pub(crate) const fn new(pause: Duration, between: Duration) -> Self {
        Self { pause, between, last: None }
    }

    /// When it is due, if something calls for it at `now`.
    pub(crate) fn next(&self, now: Duration) -> Duration {
        let earliest = self.last.map_or(Duration::ZERO, |last| last + self.between);
        (now + self.pause).max(earliest)
    }

    pub(crate) fn done(&mut self, now: Duration) {
        self.last = Some(now);
    }

    /// Whether it was done less than `within` ago.
    pub(crate) fn was_done(&self, within: Duration, now: Duration) -> bool {
        self.last.is_some_and(|last| now < last + within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn deadlines_come_in_order_and_not_before_their_time() {
        let mut deadlines = Deadlines::new();
        deadlines.set('c', at(30));
        deadlines.set('a', at(10));
        deadlines.set('b', at(20));
        deadlines.cancel('b');
        assert_eq!(deadlines.take_due(at(9)), None);
        assert_eq!(deadlines.take_due(at(10)), Some('a'));
        assert_eq!(deadlines.take_due(at(10)), None);
        assert_eq!(deadlines.next(), Some(at(30)));
    }

    #[test]
    fn what_is_due_is_due_once_and_can_be_moved() {
        let mut deadlines = Deadlines::new();
        deadlines.set('a', at(10));
        deadlines.set('a', at(20));
        assert_eq!(deadlines.take_due(at(10)), None, "moved");
        deadlines.set_by('a', at(30));
        assert_eq!(deadlines.next(), Some(at(20)), "the earlier one stands");
        deadlines.set_by('a', at(5));
        assert_eq!(deadlines.take_due(at(30)), Some('a'));
        assert_eq!(deadlines.take_due(at(99)), None);
        assert!(!deadlines.is_set('a'));
    }

    #[test]
    fn a_burst_calls_for_one_look_and_no_two_come_close() {
        let mut pace = Pace::new(at(50), at(1000));
        assert_eq!(pace.next(at(100)), at(150));
        pace.done(at(150));
        assert_eq!(pace.next(at(200)), at(1150));
        assert_eq!(pace.next(at(5000)), at(5050));
        assert!(pace.was_done(at(10), at(155)) && !pace.was_done(at(10), at(160)));
    }
}
