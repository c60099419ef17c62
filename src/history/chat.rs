//! One chat: its names, which runs of it began and ended, when it went on, and when somebody got an answer.

use super::names::agent_of_key;
use super::story::delta;
use crate::gatewaylog::{Cause, Event};
use chrono::{DateTime, TimeDelta, Utc};

/// Between taking a task from a session's lane and the first line of its run.
pub(crate) const START_GAP: TimeDelta = TimeDelta::seconds(5);
/// A wait that ends within this after a lock error was for the message that failed.
const AFTER: TimeDelta = TimeDelta::milliseconds(1500);

/// Which chat: never given to another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ChatId(usize);

/// One thing for each chat.
#[derive(Debug, Default)]
pub(crate) struct ByChat<T> {
    all: Vec<T>,
    /// Of a chat about which nothing was noted.
    nothing: T,
}

impl<T: Default> ByChat<T> {
    pub(crate) fn add(&mut self, make: impl FnOnce(ChatId) -> T) -> ChatId {
        let id = ChatId(self.all.len());
        self.all.push(make(id));
        id
    }

    pub(crate) fn get(&self, id: ChatId) -> &T {
        self.all.get(id.0).unwrap_or(&self.nothing)
    }

    pub(crate) fn get_mut(&mut self, id: ChatId) -> &mut T {
        if self.all.len() <= id.0 {
            self.all.resize_with(id.0 + 1, T::default);
        }
        &mut self.all[id.0]
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.all.iter()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Chat {
    pub(crate) id: ChatId,
    pub(crate) key: Option<String>,
    /// The latest one that the log names for it.
    pub(crate) session_id: Option<String>,
    /// Where neither is known.
    pub(crate) lane: Option<String>,
    pub(crate) runs: u64,
    pub(crate) open: Option<OpenRun>,
    pub(crate) started: Option<DateTime<Utc>>,
    /// Its lane or its run went on.
    pub(crate) moved: Option<DateTime<Utc>>,
    /// A run of it returned, or its lane went on to the next.
    pub(crate) ended: Option<DateTime<Utc>>,
    /// A turn of it ended well.
    pub(crate) answered: Option<DateTime<Utc>>,
    /// A message to it failed on its lock.
    pub(crate) lock_failed: Option<DateTime<Utc>>,
    pub(crate) orphaned_messages: u64,
    /// Another one has taken this one over.
    pub(crate) merged: Option<ChatId>,
}

#[derive(Debug, Clone)]
pub(crate) struct OpenRun {
    pub(crate) since: DateTime<Utc>,
    run_id: Option<String>,
}

impl Chat {
    pub(crate) fn new(id: ChatId) -> Self {
        Self { id, ..Self::default() }
    }

    pub(crate) fn agent(&self) -> Option<&str> {
        agent_of_key(self.key.as_deref()?)
    }

    /// Whether a wait that ends now was for a message that failed on the lock.
    pub(crate) fn is_after_a_lock_error(&self, at: DateTime<Utc>) -> bool {
        self.lock_failed.is_some_and(|failed| (at - failed).abs() <= AFTER)
    }

    pub(crate) fn push(&mut self, at: DateTime<Utc>, event: &Event) {
        if let Some(Cause::TranscriptLocked { .. } | Cause::LockStale { .. }) = event.cause() {
            self.lock_failed = Some(at);
        }
        match event {
            Event::RunStart { run_id, .. } => self.start(at, Some(run_id)),
            Event::RunRegistered { .. } => self.start(at, None),
            Event::SessionState { new, reason, .. } if new == "processing" && reason == "run_started" => {
                self.start(at, None);
            }
            Event::SessionState { new, reason, .. } if new == "idle" && reason == "run_completed" => {
                self.end(at);
            }
            Event::RunDone { aborted, .. } => {
                self.end(at);
                self.answered = self.answered.max((!aborted).then_some(at));
            }
            Event::RunCleared { .. } => self.end(at),
            Event::LaneDone { .. } => {
                self.end(at);
                self.answered = self.answered.max(Some(at));
            }
            // The failure of the next message says nothing of the run before it.
            Event::LaneError { cause, .. } if cause.is_lock() => {}
            Event::LaneError { duration_ms, .. } => {
                self.started = self.started.max(at.checked_sub_signed(delta(*duration_ms)));
                self.end(at);
            }
            // Whatever was ahead is over, and the next run begins.
            Event::LaneWait { .. } => {
                self.moved = self.moved.max(Some(at));
                if !self.is_after_a_lock_error(at) {
                    self.ended = self.ended.max(Some(at));
                    self.started = self.started.max(Some(at));
                }
            }
            Event::MessageProcessed { outcome, .. } | Event::DispatchCompleted { outcome, .. }
                if is_success(outcome) =>
            {
                self.moved = self.moved.max(Some(at));
                self.answered = self.answered.max(Some(at));
            }
            Event::OrphanUserMessage { .. } => self.orphaned_messages += 1,
            _ => {}
        }
    }

    fn start(&mut self, at: DateTime<Utc>, run_id: Option<&String>) {
        let same = |open: &OpenRun| {
            at - open.since <= START_GAP
                && (run_id.is_none() || open.run_id.is_none() || open.run_id.as_ref() == run_id)
        };
        if let Some(open) = self.open.as_mut().filter(|open| same(open)) {
            open.run_id = open.run_id.take().or_else(|| run_id.cloned());
            return;
        }
        self.runs += 1;
        self.started = self.started.max(Some(at));
        self.moved = self.moved.max(Some(at));
        self.open = Some(OpenRun { since: at, run_id: run_id.cloned() });
    }

    fn end(&mut self, at: DateTime<Utc>) {
        self.open = None;
        self.moved = self.moved.max(Some(at));
        self.ended = self.ended.max(Some(at));
    }

    /// Two names were of one chat.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.session_id = self.session_id.take().or(other.session_id);
        self.runs += other.runs;
        self.open = self.open.take().or(other.open);
        self.started = self.started.max(other.started);
        self.moved = self.moved.max(other.moved);
        self.ended = self.ended.max(other.ended);
        self.answered = self.answered.max(other.answered);
        self.lock_failed = self.lock_failed.or(other.lock_failed);
        self.orphaned_messages += other.orphaned_messages;
    }
}

fn is_success(outcome: &str) -> bool {
    matches!(outcome, "completed" | "ok" | "success" | "delivered" | "processed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap()
    }

    fn wait() -> Event {
        Event::LaneWait { lane: "session:x".into(), waited_ms: 10_000, queue_ahead: 0, counts: None }
    }

    #[test]
    fn two_lines_on_one_start_are_one_run() {
        let mut chat = Chat::default();
        let start = |run_id: &str| Event::RunStart {
            run_id: run_id.into(),
            session_id: "3f0d".into(),
            model: None,
            channel: None,
        };
        chat.push(at(0), &Event::RunRegistered { session_id: "3f0d".into(), total_active: 1 });
        chat.push(at(1), &start("r1"));
        assert_eq!(chat.runs, 1);
        chat.push(at(2), &start("r2"));
        assert_eq!((chat.runs, chat.open.map(|open| open.since)), (2, Some(at(2))));
    }

    #[test]
    fn a_wait_for_a_message_that_failed_on_the_lock_ends_no_run() {
        let mut chat = Chat { lock_failed: Some(at(0)), ..Chat::default() };
        chat.push(at(1), &wait());
        assert_eq!((chat.moved, chat.ended, chat.started), (Some(at(1)), None, None));
        chat.push(at(60), &wait());
        assert_eq!((chat.ended, chat.started), (Some(at(60)), Some(at(60))));
    }
}
