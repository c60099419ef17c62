//! What an answer is made from.

use crate::diagnosis::Finding;
use crate::diagnosis::input::Facts;
use crate::redact::Redactor;
use crate::verdict::severity::Effect;

/// What is known.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The most serious first.
    pub findings: &'a [Finding],
    pub facts: &'a Facts,
    /// What each lock of the facts does to people, in their order; messages that failed on it included.
    pub effects: &'a [Effect],
    /// As the findings were redacted.
    pub redactor: Redactor,
    /// Whether a log was read: without one, nobody knows of runs and waits.
    pub log: LogContent,
}

/// What the logs hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogContent {
    NotRead,
    /// Not one line is about a chat, a run or a lock.
    Irrelevant,
    Relevant,
}
