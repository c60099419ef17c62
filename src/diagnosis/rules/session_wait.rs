//! Messages that waited for the turn before them in the same chat: told when the wait is over.

use super::super::chats::Chat;
use super::super::evidence::Evidence;
use super::super::finding::{Code, Finding};
use super::super::story::Story;
use super::{View, count, lasting, remedy};
use crate::gatewaylog::{Entry, Event};
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};
use std::fmt::Write as _;

/// A wait that ends within this after a lock error was for the message that failed.
const AFTER: TimeDelta = TimeDelta::milliseconds(1500);

#[derive(Debug, Default)]
pub(in super::super) struct Waits {
    pub(in super::super) lines: Evidence,
    pub(in super::super) longest_ms: u64,
    behind: u64,
    /// Waits whose task ahead ended in a lock error.
    after_lock_error: u64,
    pub(in super::super) last_is_after_a_lock_error: bool,
}

impl Waits {
    pub(in super::super) fn push(
        &mut self,
        at: DateTime<Utc>,
        source: usize,
        entry: &Entry,
        story: &mut Story,
        lock_failed: Option<DateTime<Utc>>,
    ) {
        let Event::LaneWait { waited_ms, queue_ahead, counts, .. } = &entry.event else { return };
        self.lines.add(source, entry);
        self.longest_ms = self.longest_ms.max(*waited_ms);
        self.behind = self.behind.max(counts.map_or(*queue_ahead, |counts| counts.queue_behind));
        self.last_is_after_a_lock_error = lock_failed.is_some_and(|error| (at - error).abs() <= AFTER);
        self.after_lock_error += u64::from(self.last_is_after_a_lock_error);
        story.note(at, "wait", format!("a message got its turn after waiting {}", lasting(*waited_ms)));
    }
}

pub(super) fn judge(_: &View<'_>, chat: &Chat) -> Option<Finding> {
    let waits = &chat.waits;
    let n = waits.lines.count() - waits.after_lock_error;
    if n == 0 {
        return None;
    }
    let mut text = format!(
        "{} waited up to {} for the turn before in the same chat, and then got its turn: turns of one chat run one after the other.",
        count(n, "message"),
        lasting(waits.longest_ms)
    );
    if waits.behind > 0 {
        let _ = write!(text, " Behind them up to {} more waited.", waits.behind);
    }
    let mut finding =
        Finding::new(Code::LaneWait, Effect::Slow, text).backed_by(&waits.lines).helps(Some(false));
    finding.count = n;
    Some(finding.act(remedy::say(
        "Harmless by itself. Where waits are long, the run ahead is: a slow model or tool.",
    )))
}
