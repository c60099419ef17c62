//! What the journal tells, as far as somebody needs it in memory. No I/O.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::entry::{Entry, Event};

/// No breaker looks further back.
pub(super) const LONGEST_WINDOW: TimeDelta = TimeDelta::minutes(10);

/// By how much the clocks of two readings may differ.
pub(super) const SLACK: TimeDelta = TimeDelta::minutes(1);

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// Every entry, to tell what became of a lock.
    Whole,
    /// What the circuit breaker and recovery ask for: a daemon must not grow with the journal.
    Recent,
}

/// Acts that may be open at the same time: a lockdoctor that was killed leaves one. The eldest are forgotten.
const MOST_OPEN: usize = 256;

/// A lock that was freed, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Freed {
    pub(super) at: DateTime<Utc>,
    pub(super) of_dead_owner: bool,
    lock: Box<str>,
}

impl Freed {
    pub(super) fn is(&self, lock: &str) -> bool {
        *self.lock == *lock
    }
}

#[derive(Debug)]
pub(super) struct Past {
    memory: Memory,
    /// With [`Memory::Whole`] alone.
    entries: Vec<Entry>,
    /// Within the longest window of a circuit breaker, in the order of the journal.
    freed: VecDeque<Freed>,
    /// What was begun and has not ended, by id.
    open: BTreeMap<String, Entry>,
}

impl Past {
    pub(super) fn new(memory: Memory) -> Self {
        Self { memory, entries: Vec::new(), freed: VecDeque::new(), open: BTreeMap::new() }
    }

    pub(super) fn memory(&self) -> Memory {
        self.memory
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn freed(&self) -> impl DoubleEndedIterator<Item = &Freed> {
        self.freed.iter()
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Entry> {
        self.open.values()
    }

    pub(super) fn take_in(&mut self, entry: Entry, now: DateTime<Utc>) {
        // An end may come twice: from the process that failed to write it, and from the one that found it open.
        let ends = !entry.event.is_beginning() && self.open.remove(&entry.id).is_some();
        if ends && matches!(entry.event, Event::Reclaimed | Event::Completed) {
            self.freed.push_back(Freed {
                at: entry.at,
                of_dead_owner: entry.subject.is_of_dead_owner(),
                lock: entry.subject.lock.as_str().into(),
            });
            while self.freed.front().is_some_and(|oldest| !is_recent(oldest.at, now)) {
                self.freed.pop_front();
            }
        }
        if self.memory == Memory::Whole {
            self.entries.push(entry.clone());
        }
        if entry.event.is_beginning() {
            self.open.insert(entry.id.clone(), entry);
            if self.open.len() > MOST_OPEN {
                self.open.pop_first();
            }
        }
    }

    /// Takes in every line that is whole and returns their length. A torn last line is what a power cut leaves;
    /// it records nothing.
    pub(super) fn absorb(&mut self, text: &[u8], now: DateTime<Utc>) -> usize {
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (lines, _torn) = text.split_at(whole);
        for line in lines.split(|byte| *byte == b'\n') {
            if let Ok(entry) = serde_json::from_slice(line) {
                self.take_in(entry, now);
            }
        }
        whole
    }

    /// What an older journal began was seen to before this one was begun.
    pub(super) fn nothing_is_open(&mut self) {
        self.open.clear();
    }
}

/// A little longer than the longest window: the caller's clock reading may differ.
pub(super) fn is_recent(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    lies_within(at, LONGEST_WINDOW + SLACK, now)
}

/// Whether `at` was less than `within` ago. What lies further ahead than clocks differ was written before the clock
/// was set back, and tells nothing of the last minutes.
pub(super) fn lies_within(at: DateTime<Utc>, within: TimeDelta, now: DateTime<Utc>) -> bool {
    let ago = now - at;
    -SLACK < ago && ago < within
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::reclaim::entry::Subject;

    fn entry(id: usize, event: Event, at: DateTime<Utc>) -> Entry {
        let subject =
            Subject { lock: format!("agents/main/sessions/{}.jsonl.lock", id % 3), ..Subject::default() };
        Entry::about(at, &id.to_string(), event, subject)
    }

    #[test]
    fn a_forged_journal_costs_a_bounded_room() {
        let mut past = Past::new(Memory::Recent);
        for act in 0..100_000 {
            past.take_in(entry(act, Event::Intent, DateTime::UNIX_EPOCH), DateTime::UNIX_EPOCH);
        }
        assert_eq!(past.open().count(), MOST_OPEN);
    }

    /// A day of three acts a second.
    #[test]
    fn a_daemon_does_not_grow_with_the_journal() {
        let mut past = Past::new(Memory::Recent);
        let start = DateTime::UNIX_EPOCH;
        let mut most = 0;
        for act in 0..3 * 24 * 3600 {
            let at = start + TimeDelta::milliseconds(act as i64 * 333);
            past.take_in(entry(act, Event::Intent, at), at);
            past.take_in(entry(act, Event::Reclaimed, at), at);
            past.take_in(entry(act, Event::Purged, at), at);
            most = most.max(past.freed.capacity());
        }
        assert!(past.entries.is_empty());
        assert_eq!(past.open.len(), 0);
        assert!(most <= 4096, "room for {most}");
        let window = LONGEST_WINDOW.num_milliseconds() / 333;
        assert!(past.freed().count() as i64 >= window, "the breaker needs {window}");
    }

    #[test]
    fn what_has_no_end_is_open() {
        for memory in [Memory::Whole, Memory::Recent] {
            let mut past = Past::new(memory);
            let at = DateTime::UNIX_EPOCH;
            past.take_in(entry(1, Event::Intent, at), at);
            past.take_in(entry(2, Event::Intent, at), at);
            past.take_in(entry(1, Event::Failed, at), at);
            assert_eq!(past.open().map(|open| open.id.as_str()).collect::<Vec<_>>(), ["2"]);
        }
    }

    #[test]
    fn an_end_that_is_told_twice_counts_once() {
        let mut past = Past::new(Memory::Recent);
        let at = DateTime::UNIX_EPOCH;
        for event in [Event::Intent, Event::Completed, Event::Reclaimed] {
            past.take_in(entry(1, event, at), at);
        }
        assert_eq!(past.freed().count(), 1);
    }

    #[test]
    fn what_was_freed_before_the_clock_was_set_back_is_forgotten() {
        let mut past = Past::new(Memory::Recent);
        let (now, ahead) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::hours(3));
        for (act, at) in [(1, ahead), (2, now)] {
            past.take_in(entry(act, Event::Intent, at), at);
            past.take_in(entry(act, Event::Reclaimed, at), at);
        }
        assert_eq!(past.freed().map(|freed| freed.at).collect::<Vec<_>>(), [now]);
    }
}
