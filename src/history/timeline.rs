//! What happened when, for the eye: rows with spans and marks. Bounded; what did not fit is counted.

use super::lives::{End, Life};
use crate::gatewaylog::{Entry, Event};
use crate::redact::Redactor;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::HashMap;

const LIMIT: usize = 150_000;
const GATEWAY: &str = "gateway";
const LOOP: &str = "event loop";

#[derive(Debug, Default, Clone, Serialize)]
pub struct Timeline {
    /// `gateway`, `event loop`, lanes; a session is its lane `session:<key>`.
    pub rows: Vec<String>,
    pub spans: Vec<Span>,
    pub marks: Vec<Mark>,
    /// Spans and marks that did not fit.
    pub dropped: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Index into `rows`.
    pub row: usize,
    pub kind: SpanKind,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpanKind {
    Run,
    FailedRun,
    Wait,
    Hold,
    Blocked,
    Life,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mark {
    pub row: usize,
    pub kind: MarkKind,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    Start,
    Stop,
    Crash,
    Timeout,
    LockError,
    Attention,
    Recovery,
    LockRemoved,
    RpcTimeout,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Recorder {
    timeline: Timeline,
    index: HashMap<String, usize>,
    off: bool,
}

impl Recorder {
    /// Draws nothing.
    pub(crate) fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// `session` is the lane of the session that the entry is about, where it is known.
    pub(crate) fn push(&mut self, entry: &Entry, session: Option<&str>) {
        let Some(at) = entry.when.time().filter(|_| !self.off) else { return };
        let lane = entry.event.lane().or(session);
        match &entry.event {
            Event::LaneDone { duration_ms, .. } => self.span(lane, SpanKind::Run, *duration_ms, at),
            Event::LaneError { duration_ms, .. } => self.span(lane, SpanKind::FailedRun, *duration_ms, at),
            Event::LaneWait { waited_ms, .. } => self.span(lane, SpanKind::Wait, *waited_ms, at),
            Event::WatchdogRelease { held_ms, .. } => self.span(lane, SpanKind::Hold, *held_ms, at),
            Event::Liveness(liveness) if liveness.delay_p99_ms.is_some_and(|ms| ms >= 1000.0) => {
                self.span(Some(LOOP), SpanKind::Blocked, liveness.interval_ms, at);
            }
            Event::HeartbeatDelayed { overdue_ms: ms }
            | Event::FetchTimeout { timer_delay_ms: Some(ms), .. } => {
                self.span(Some(LOOP), SpanKind::Blocked, *ms, at);
            }
            Event::RunTimeout { .. } => self.mark(lane, MarkKind::Timeout, at),
            Event::Attention(_) => self.mark(lane, MarkKind::Attention, at),
            Event::Recovery(_) => self.mark(lane, MarkKind::Recovery, at),
            Event::StaleLockRemoved { .. } => self.mark(Some(GATEWAY), MarkKind::LockRemoved, at),
            Event::GatewayTimeout { .. } => self.mark(Some(GATEWAY), MarkKind::RpcTimeout, at),
            _ => {}
        }
        if entry.event.cause().is_some_and(crate::gatewaylog::Cause::is_lock) {
            self.mark(lane.or(Some(GATEWAY)), MarkKind::LockError, at);
        }
    }

    pub(crate) fn life(&mut self, life: &Life, now: DateTime<Utc>) {
        let to = life.end.unwrap_or(now).max(life.start);
        self.add_span(GATEWAY, SpanKind::Life, life.start, to);
        self.mark(Some(GATEWAY), MarkKind::Start, life.start);
        match life.ended {
            End::Stopped => self.mark(Some(GATEWAY), MarkKind::Stop, to),
            End::Vanished => self.mark(Some(GATEWAY), MarkKind::Crash, to),
            End::Open => {}
        }
    }

    pub(crate) fn hold(&mut self, row: &str, from: DateTime<Utc>, to: DateTime<Utc>) {
        self.add_span(row, SpanKind::Hold, from, to.max(from));
    }

    pub(crate) fn finish(mut self, redactor: Redactor) -> Timeline {
        for row in &mut self.timeline.rows {
            if row != GATEWAY && row != LOOP {
                *row = redactor.lane(row).into_owned();
            }
        }
        self.timeline
    }

    fn span(&mut self, row: Option<&str>, kind: SpanKind, ms: u64, to: DateTime<Utc>) {
        let length = i64::try_from(ms).ok().and_then(TimeDelta::try_milliseconds);
        if let (Some(row), Some(from)) = (row, length.and_then(|length| to.checked_sub_signed(length))) {
            self.add_span(row, kind, from, to);
        }
    }

    fn add_span(&mut self, row: &str, kind: SpanKind, from: DateTime<Utc>, to: DateTime<Utc>) {
        if self.has_room() {
            let row = self.row(row);
            self.timeline.spans.push(Span { row, kind, from, to });
        }
    }

    fn mark(&mut self, row: Option<&str>, kind: MarkKind, at: DateTime<Utc>) {
        if let (Some(row), true) = (row, self.has_room()) {
            let row = self.row(row);
            self.timeline.marks.push(Mark { row, kind, at });
        }
    }

    fn has_room(&mut self) -> bool {
        let room = self.timeline.spans.len() + self.timeline.marks.len() < LIMIT;
        self.timeline.dropped += u64::from(!room);
        room
    }

    fn row(&mut self, name: &str) -> usize {
        if let Some(row) = self.index.get(name) {
            return *row;
        }
        let row = self.timeline.rows.len();
        self.timeline.rows.push(name.to_owned());
        self.index.insert(name.to_owned(), row);
        row
    }
}
