//! The lines that a finding rests on: the first few and the last few of however many there are.

use crate::gatewaylog::Entry;
use crate::redact::Redactor;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::VecDeque;

const FIRST: usize = 3;
const LAST: usize = 2;
/// Longest text that is kept of one line.
const TEXT: usize = 400;

/// One line of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Line {
    #[serde(serialize_with = "crate::words::rfc3339_or_null")]
    pub at: Option<DateTime<Utc>>,
    /// Index into the diagnosis' sources; `None` for what was seen outside a log.
    pub source: Option<usize>,
    pub line: Option<u64>,
    pub text: String,
}

impl Line {
    /// Something that was seen, not logged.
    pub(crate) fn seen(text: impl Into<String>) -> Self {
        Self { at: None, source: None, line: None, text: text.into() }
    }
}

/// One entry of the log as it goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged<'a> {
    /// An undated entry comes right after the one before it.
    pub(crate) at: DateTime<Utc>,
    /// Index into the diagnosis' sources.
    pub(crate) source: usize,
    pub(crate) entry: &'a Entry,
}

/// The beginning of somebody else's words, as much as a sentence can carry.
pub(crate) fn excerpt(text: &str) -> String {
    const WORDS: usize = 160;
    text.chars().filter(|c| !c.is_control()).take(WORDS).collect()
}

/// Lines as they come; the middle of many is counted and dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    first: Vec<Line>,
    last: VecDeque<Line>,
    count: u64,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl Evidence {
    pub(crate) fn add(&mut self, logged: Logged<'_>) {
        self.count += 1;
        self.note(logged);
    }

    /// Evidence for something that is already counted.
    pub(crate) fn note(&mut self, Logged { source, entry, .. }: Logged<'_>) {
        if let Some(at) = entry.when.time() {
            self.from = Some(self.from.map_or(at, |from| from.min(at)));
            self.to = Some(self.to.map_or(at, |to| to.max(at)));
        }
        let text = entry.message.lines().next().unwrap_or("");
        let end = (0..=TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let tag = entry.subsystem.as_deref().map_or_else(String::new, |name| format!("[{name}] "));
        let cut = if end < text.len() { "…" } else { "" };
        let line = Line {
            at: entry.when.time(),
            source: Some(source),
            line: Some(entry.line),
            text: format!("{tag}{}{cut}", &text[..end]),
        };
        if self.first.len() < FIRST {
            self.first.push(line);
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn first(&self) -> Option<DateTime<Utc>> {
        self.from
    }

    pub(crate) fn last(&self) -> Option<DateTime<Utc>> {
        self.to
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.first.iter().chain(&self.last).cloned().collect()
    }
}

pub(crate) fn redact(lines: &mut [Line], redactor: Redactor) {
    for line in lines {
        // What was seen is our own sentence, what was logged is not.
        let shown = if line.source.is_some() { redactor.line(&line.text) } else { redactor.text(&line.text) };
        line.text = shown.into_owned();
    }
}
