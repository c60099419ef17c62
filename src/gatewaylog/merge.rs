//! Several sources as one stream in time order, each event once. A log file and the journal tell the same story, and
//! OpenClaw itself writes an error twice (console capture and direct).

use super::level::Level;
use super::scan::{Counters, Entry};
use super::source::Stream;
use super::{Event, When};
use chrono::{DateTime, TimeDelta, Utc};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Within one source only an error is ever written twice, and at once.
const SAME_SOURCE: TimeDelta = TimeDelta::milliseconds(100);
/// Between sources: pretty style and syslog cut the stamp to the second.
const OTHER_SOURCE: TimeDelta = TimeDelta::milliseconds(1100);
/// Events remembered for the comparison at most; a burst beyond it is not compared.
const REMEMBERED: usize = 512;

/// What became of one source.
#[derive(Debug, Clone)]
pub struct SourceSummary {
    pub label: String,
    pub counters: Counters,
    /// Why it was not read, or not to its end.
    pub error: Option<String>,
}

/// Events of one source that are read ahead: a paste, and most logs, are whole within it, and can be put in order.
const AHEAD: usize = 20_000;
/// A step back by more than this is disorder: newest first, or files joined in the wrong order.
const DISORDER: TimeDelta = TimeDelta::seconds(10);

/// The merged stream.
#[derive(Debug)]
pub struct Merged {
    streams: Vec<Slot>,
    order: BinaryHeap<Reverse<(DateTime<Utc>, usize)>>,
    repeats: Repeats,
    duplicates: u64,
}

/// What was told lately, so that it is not told twice.
#[derive(Debug, Default)]
pub struct Repeats {
    recent: VecDeque<(DateTime<Utc>, usize, Event)>,
}

#[derive(Debug)]
struct Slot {
    stream: Stream,
    /// What was read ahead.
    ahead: VecDeque<Entry>,
    head: Option<Entry>,
    /// Time of its last event, for events without a time.
    latest: DateTime<Utc>,
    error: Option<String>,
}

impl Merged {
    pub fn new(streams: Vec<Stream>) -> Self {
        let mut merged = Self {
            streams: Vec::new(),
            order: BinaryHeap::new(),
            repeats: Repeats::default(),
            duplicates: 0,
        };
        for stream in streams {
            let latest = DateTime::<Utc>::MIN_UTC;
            let mut slot = Slot { stream, ahead: VecDeque::new(), head: None, latest, error: None };
            slot.read_ahead();
            merged.streams.push(slot);
            merged.pull(merged.streams.len() - 1);
        }
        merged
    }

    /// Events that were left out because another source, or the line before, had told them.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Each source with its counters; complete once the stream is at its end.
    pub fn summaries(&self) -> Vec<SourceSummary> {
        let summary = |slot: &Slot| SourceSummary {
            label: slot.stream.label().to_owned(),
            counters: slot.stream.counters(),
            error: slot.error.clone(),
        };
        self.streams.iter().map(summary).collect()
    }

    fn pull(&mut self, index: usize) {
        let slot = &mut self.streams[index];
        if let Some(entry) = slot.ahead.pop_front().or_else(|| slot.read()) {
            // Lines out of order within a source stay in their source's order.
            slot.latest = entry.when.time().map_or(slot.latest, |at| at.max(slot.latest));
            slot.head = Some(entry);
            self.order.push(Reverse((slot.latest, index)));
        }
    }
}

impl Slot {
    fn read(&mut self) -> Option<Entry> {
        match self.stream.next_entry() {
            Ok(entry) => entry,
            Err(error) => {
                self.error = Some(error.to_string());
                None
            }
        }
    }

    fn read_ahead(&mut self) {
        while self.ahead.len() < AHEAD {
            let Some(entry) = self.read() else {
                put_in_order(&mut self.ahead);
                return;
            };
            self.ahead.push_back(entry);
        }
    }
}

/// Newest first is turned round; parts that were joined in the wrong order are sorted. Lines without a time stay with
/// the line before them.
fn put_in_order(entries: &mut VecDeque<Entry>) {
    let times: Vec<DateTime<Utc>> = entries.iter().filter_map(|entry| entry.when.time()).collect();
    let back = times.windows(2).filter(|pair| pair[0] > pair[1]).count();
    let on = times.windows(2).filter(|pair| pair[0] < pair[1]).count();
    let disorder = times.windows(2).any(|pair| pair[0] - pair[1] > DISORDER);
    if back == 0 || !disorder && back <= on {
        return;
    }
    let entries = entries.make_contiguous();
    if back > on {
        entries.reverse();
    }
    let mut latest = DateTime::<Utc>::MIN_UTC;
    let mut keyed: Vec<(DateTime<Utc>, Entry)> = Vec::with_capacity(entries.len());
    for entry in entries.iter() {
        latest = entry.when.time().unwrap_or(latest);
        keyed.push((latest, entry.clone()));
    }
    keyed.sort_by_key(|(at, _)| *at);
    for (place, (_, entry)) in entries.iter_mut().zip(keyed) {
        *place = entry;
    }
}

impl Repeats {
    /// Whether `entry` of `source` at that time was told already; if not, it has been now.
    pub fn is_repeated(&mut self, entry: &Entry, at: DateTime<Utc>, source: usize) -> bool {
        while self.recent.front().is_some_and(|(then, ..)| at - *then > OTHER_SOURCE)
            || self.recent.len() > REMEMBERED
        {
            self.recent.pop_front();
        }
        let repeats = |(then, whose, event): &(DateTime<Utc>, usize, Event)| {
            let window = if *whose == source { SAME_SOURCE } else { OTHER_SOURCE };
            (*whose != source || entry.level >= Level::Error || entry.event.cause().is_some())
                && at - *then <= window
                && *event == entry.event
        };
        if self.recent.iter().any(repeats) {
            return true;
        }
        self.recent.push_back((at, source, entry.event.clone()));
        false
    }
}

impl Iterator for Merged {
    /// The event, and the index of its source.
    type Item = (usize, Entry);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Reverse((at, index)) = self.order.pop()?;
            let entry = self.streams[index].head.take();
            self.pull(index);
            let Some(entry) = entry else { continue };
            if matches!(entry.when, When::Unknown) {
                return Some((index, entry));
            }
            if self.repeats.is_repeated(&entry, at, index) {
                self.duplicates += 1;
                continue;
            }
            return Some((index, entry));
        }
    }
}
