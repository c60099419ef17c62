//! What the view is showing: the rows, which of them is chosen, and what is laid over them.

use std::time::{Duration, Instant};

use super::commands::{Answered, Ask};
use super::snapshot::{Row, Snapshot};

#[derive(Debug)]
pub(super) struct State {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) taken: Instant,
    /// What is chosen, by what tells rows apart: their order changes.
    pub(super) chosen: Option<String>,
    pub(super) filter: String,
    pub(super) over: Overlay,
    pub(super) log: Vec<String>,
}

/// What lies over the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Overlay {
    None,
    /// The filter is being typed.
    Filter,
    Help,
    Log,
    /// A command is at work.
    Busy(&'static str),
    Text(Text),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) title: &'static str,
    pub(super) text: String,
    pub(super) scrolled: u16,
    /// What `y` does.
    pub(super) on_yes: Option<Ask>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            snapshot: None,
            taken: Instant::now(),
            chosen: None,
            filter: String::new(),
            over: Overlay::None,
            log: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, snapshot: Snapshot) {
        self.snapshot = Some(snapshot);
        self.taken = Instant::now();
    }

    /// Since the snapshot was made: ages go on by themselves.
    pub(super) fn passed(&self) -> Duration {
        self.taken.elapsed()
    }

    /// Rows that the filter lets through.
    pub(super) fn rows(&self) -> Vec<&Row> {
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let matches = |row: &&Row| {
            let text = format!("{} {} {}", row.name, row.state, row.why).to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        self.snapshot.iter().flat_map(|snapshot| &snapshot.rows).filter(matches).collect()
    }

    /// The place of the chosen row: the first, unless one was chosen that is still there.
    pub(super) fn place(&self, rows: &[&Row]) -> usize {
        let is_chosen = |row: &&Row| self.chosen.as_deref() == Some(row.identity());
        rows.iter().position(is_chosen).unwrap_or_default()
    }

    pub(super) fn chosen(&self) -> Option<Row> {
        let rows = self.rows();
        rows.get(self.place(&rows)).map(|row| (*row).clone())
    }

    /// Chooses another row, so many further down.
    pub(super) fn step(&mut self, by: isize) {
        let rows = self.rows();
        let last = rows.len().saturating_sub(1);
        let place = self.place(&rows).saturating_add_signed(by).min(last);
        self.chosen = rows.get(place).map(|row| row.identity().to_owned());
    }

    pub(super) fn answered(&mut self, answered: Answered) {
        // Somebody who has gone on to something else is not interrupted.
        if !matches!(self.over, Overlay::Busy(_)) {
            return;
        }
        let (title, on_yes) = match answered.to {
            Ask::Explain(_) => ("Evidence", None),
            Ask::Plan(lock) => ("Free this lock?", Some(Ask::Free(lock))),
            Ask::Free(_) => ("Freed", None),
        };
        self.over = Overlay::Text(Text { title, text: answered.text, scrolled: 0, on_yes });
    }
}

impl Row {
    /// Tells it from the others.
    pub(super) fn identity(&self) -> &str {
        self.what.as_deref().unwrap_or(&self.name)
    }
}
