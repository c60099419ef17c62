//! What the log says about each conversation: its two names joined, its runs, time limits, waits and complaints.
//!
//! Lines name a session by id, by key, or by lane, often by one only (1.24 to 3.13 print `unknown` for the other).
//! The store, lines with both, and lock paths in lane errors join them.

use super::evidence::Evidence;
use crate::gatewaylog::{Attention, Entry, Event, TimeoutPhase};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::path::Path;

/// Time limits remembered per session, the latest ones.
const TIMEOUTS: usize = 16;
/// Conversations that are followed; more than that (every cron run is one) are left out.
const TRACKS: usize = 8192;
/// Between taking a task from a session's lane and the first line of its run.
const START_GAP: TimeDelta = TimeDelta::seconds(5);

#[derive(Debug, Default)]
pub(super) struct Sessions {
    tracks: Vec<Track>,
    by_id: HashMap<String, usize>,
    by_key: HashMap<String, usize>,
    /// Session lanes from which a task was taken and whose run has not shown itself yet.
    starting: Vec<(DateTime<Utc>, usize)>,
}

/// One conversation.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) key: Option<String>,
    /// The latest id that the log names for it.
    pub(super) id: Option<String>,
    pub(super) runs: u64,
    pub(super) open: Option<OpenRun>,
    pub(super) started: Option<DateTime<Utc>>,
    /// A run of it left its lane, or said that it ended.
    pub(super) unwound: Option<DateTime<Utc>>,
    pub(super) timeouts: Vec<RunTimeout>,
    pub(super) timeout_lines: Evidence,
    pub(super) still_streaming: Option<DateTime<Utc>>,
    pub(super) attention: Complaints,
    pub(super) recovered: Option<DateTime<Utc>>,
    pub(super) waits: Waits,
    pub(super) orphaned_messages: Evidence,
    /// Another track has taken this one over.
    merged: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct OpenRun {
    pub(super) since: DateTime<Utc>,
    pub(super) run_id: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct RunTimeout {
    pub(super) at: DateTime<Utc>,
    pub(super) run_id: String,
    pub(super) session_id: String,
    pub(super) timeout_ms: u64,
}

/// The watchdog's lines about one session.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    pub(super) lines: Evidence,
    pub(super) age_ms: u64,
    pub(super) queue: u64,
    pub(super) last: Option<Attention>,
    /// The log showed a run of it under way at the time (else it may only not be logged).
    pub(super) run_known: bool,
}

/// Waits for the session's own lane.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) lines: Evidence,
    pub(super) longest_ms: u64,
    pub(super) behind: u64,
    /// Waits whose task ahead ended in a lock error.
    pub(super) after_lock_error: u64,
    last_lock_error: Option<DateTime<Utc>>,
}

impl Sessions {
    /// A store entry: this key's current id.
    pub(super) fn know(&mut self, key: &str, id: Option<&str>) {
        self.find(id, Some(key));
    }

    pub(super) fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.merged.is_none())
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&Track> {
        self.by_id.get(id).map(|index| &self.tracks[self.root(*index)])
    }

    pub(super) fn push(&mut self, source: usize, entry: &Entry) {
        let Some(at) = entry.when.time() else { return };
        self.lane(at, source, entry);
        match &entry.event {
            Event::RunStart { run_id, session_id, .. } => self.run_started(at, session_id, Some(run_id)),
            Event::RunRegistered { session_id, .. } => self.run_started(at, session_id, None),
            Event::TurnCreated { session, .. }
            | Event::RunAttempt { session, .. }
            | Event::MessageQueued { session, .. } => {
                self.find(session.id.as_deref(), session.key.as_deref());
            }
            Event::SessionState { session, new, reason, .. } => {
                let Some(index) = self.find(session.id.as_deref(), session.key.as_deref()) else { return };
                if new == "processing" && reason == "run_started" {
                    self.tracks[index].start(at, None);
                } else if new == "idle" && reason == "run_completed" {
                    self.tracks[index].end(at);
                }
            }
            Event::RunDone { session_id, .. } | Event::RunCleared { session_id, .. } => {
                if let Some(index) = self.find(Some(session_id), None) {
                    self.tracks[index].end(at);
                }
            }
            Event::RunTimeout { run_id, session_id, timeout_ms, phase }
                if *phase != TimeoutPhase::Extended =>
            {
                let Some(index) = self.find(Some(session_id), None) else { return };
                let track = &mut self.tracks[index];
                track.timeout_lines.add(source, entry);
                if track.timeouts.len() == TIMEOUTS {
                    track.timeouts.remove(0);
                }
                let timeout = RunTimeout {
                    at,
                    run_id: run_id.clone(),
                    session_id: session_id.clone(),
                    timeout_ms: *timeout_ms,
                };
                track.timeouts.push(timeout);
            }
            Event::RunAbortStreaming { session_id, .. } | Event::AbortSettleTimeout { session_id, .. } => {
                let Some(index) = self.find(Some(session_id), None) else { return };
                let track = &mut self.tracks[index];
                track.still_streaming = Some(at);
                track.timeout_lines.note(source, entry);
            }
            Event::FailoverDecision { run_id: Some(run_id), .. } => {
                self.attempt_returned(at, source, entry, run_id);
            }
            Event::Attention(attention) => self.complained(source, entry, attention),
            Event::Recovery(recovery) => {
                let released = matches!(recovery.status.as_deref(), Some("released" | "aborted"));
                if let (Some(index), true) =
                    (self.find(recovery.session.id.as_deref(), recovery.session.key.as_deref()), released)
                {
                    self.tracks[index].recovered = Some(at);
                }
            }
            Event::OrphanUserMessage { session_id: Some(session_id), .. } => {
                if let Some(index) = self.find(Some(session_id), None) {
                    self.tracks[index].orphaned_messages.add(source, entry);
                }
            }
            _ => {}
        }
    }

    /// Lane lines of `session:<key>`.
    fn lane(&mut self, at: DateTime<Utc>, source: usize, entry: &Entry) {
        let Some(key) = entry.event.lane().and_then(|lane| lane.strip_prefix("session:")) else { return };
        let Some(index) = self.find(None, Some(key)) else { return };
        match &entry.event {
            Event::LaneDequeue { .. } => {
                self.starting.retain(|(then, other)| at - *then <= START_GAP && *other != index);
                self.starting.push((at, index));
            }
            Event::LaneWait { waited_ms, queue_ahead, counts, .. } => {
                let waits = &mut self.tracks[index].waits;
                waits.lines.add(source, entry);
                waits.longest_ms = waits.longest_ms.max(*waited_ms);
                waits.behind = waits.behind.max(counts.map_or(*queue_ahead, |counts| counts.queue_behind));
                let after = |error: DateTime<Utc>| (at - error).abs() <= TimeDelta::milliseconds(1500);
                waits.after_lock_error += u64::from(waits.last_lock_error.is_some_and(after));
                // Whatever was ahead is over, and the next run begins.
                self.tracks[index].begin_next(at);
            }
            Event::LaneDone { .. } => self.tracks[index].unwound(at),
            Event::LaneError { cause, duration_ms, .. } => {
                let duration = TimeDelta::milliseconds((*duration_ms).try_into().unwrap_or(i64::MAX / 2));
                let track = &mut self.tracks[index];
                if cause.is_lock() {
                    track.waits.last_lock_error = Some(at);
                } else if let Some(started) = at.checked_sub_signed(duration) {
                    track.started = track.started.max(Some(started));
                }
                track.unwound(at);
                if let Some(id) = cause.lock().and_then(id_of_lock) {
                    self.find(Some(&id), Some(key));
                }
            }
            _ => {}
        }
    }

    fn run_started(&mut self, at: DateTime<Utc>, session_id: &str, run_id: Option<&str>) {
        self.starting.retain(|(then, _)| at - *then <= START_GAP);
        // One lane has just let a task go and only one: this is its run.
        if let [(_, lane)] = self.starting[..] {
            let lane = self.root(lane);
            let key = self.tracks[lane].key.clone();
            let other = self.by_id(session_id).and_then(|track| track.key.as_deref());
            if other.is_none() || other == key.as_deref() {
                self.find(Some(session_id), key.as_deref());
                self.starting.clear();
            }
        }
        if let Some(index) = self.find(Some(session_id), None) {
            self.tracks[index].start(at, run_id);
        }
    }

    /// A failover decision comes after the attempt has returned: its lock is released and the run goes on or ends.
    fn attempt_returned(&mut self, at: DateTime<Utc>, source: usize, entry: &Entry, run_id: &str) {
        let whose =
            |track: &&mut Track| track.timeouts.last().is_some_and(|timeout| timeout.run_id == run_id);
        if let Some(track) = self.tracks.iter_mut().filter(|track| track.merged.is_none()).find(whose) {
            track.timeout_lines.note(source, entry);
            track.unwound = track.unwound.max(Some(at));
        }
    }

    fn complained(&mut self, source: usize, entry: &Entry, attention: &Attention) {
        let Some(index) = self.find(attention.session.id.as_deref(), attention.session.key.as_deref()) else {
            return;
        };
        let track = &mut self.tracks[index];
        let run_known = track.open.is_some();
        let complaints = &mut track.attention;
        complaints.lines.add(source, entry);
        complaints.age_ms = complaints.age_ms.max(attention.age_ms);
        complaints.queue = complaints.queue.max(attention.queue_depth);
        complaints.run_known |= run_known;
        complaints.last = Some(attention.clone());
    }

    /// The track of a session, by whichever name there is; two names join two tracks.
    fn find(&mut self, id: Option<&str>, key: Option<&str>) -> Option<usize> {
        let by_id = id.and_then(|id| self.by_id.get(id)).map(|index| self.root(*index));
        let by_key = key.and_then(|key| self.by_key.get(key)).map(|index| self.root(*index));
        let index = match (by_id, by_key) {
            (Some(one), Some(other)) if one != other => self.merge(one, other),
            (Some(index), _) | (_, Some(index)) => index,
            (None, None) => {
                if id.is_none() && key.is_none() || self.tracks.len() >= TRACKS {
                    return None;
                }
                self.tracks.push(Track::default());
                self.tracks.len() - 1
            }
        };
        let track = &mut self.tracks[index];
        if let Some(id) = id {
            track.id = Some(id.to_owned());
            self.by_id.insert(id.to_owned(), index);
        }
        if let Some(key) = key {
            track.key = Some(key.to_owned());
            self.by_key.insert(key.to_owned(), index);
        }
        Some(index)
    }

    fn root(&self, mut index: usize) -> usize {
        while let Some(next) = self.tracks[index].merged {
            index = next;
        }
        index
    }

    /// The track known by id only goes into the one known by key.
    fn merge(&mut self, by_id: usize, by_key: usize) -> usize {
        if self.tracks[by_id].key.is_some() {
            // An id that was joined to another key: keys are aliases of one conversation at most for a time.
            return by_key;
        }
        let taken = std::mem::take(&mut self.tracks[by_id]);
        self.tracks[by_id].merged = Some(by_key);
        self.tracks[by_key].absorb(taken);
        by_key
    }
}

impl Track {
    pub(super) fn agent(&self) -> Option<&str> {
        agent_of_key(self.key.as_deref()?)
    }

    fn start(&mut self, at: DateTime<Utc>, run_id: Option<&str>) {
        let same = |open: &OpenRun| {
            at - open.since <= START_GAP
                && (run_id.is_none() || open.run_id.is_none() || open.run_id.as_deref() == run_id)
        };
        if let Some(open) = self.open.as_mut().filter(|open| same(open)) {
            open.run_id = open.run_id.take().or_else(|| run_id.map(str::to_owned));
            return;
        }
        self.runs += 1;
        self.started = self.started.max(Some(at));
        self.open = Some(OpenRun { since: at, run_id: run_id.map(str::to_owned) });
    }

    fn end(&mut self, at: DateTime<Utc>) {
        self.open = None;
        self.unwound = self.unwound.max(Some(at));
    }

    fn unwound(&mut self, at: DateTime<Utc>) {
        self.end(at);
    }

    /// The lane let the next task go.
    fn begin_next(&mut self, at: DateTime<Utc>) {
        self.unwound = self.unwound.max(Some(at));
        self.started = self.started.max(Some(at));
    }

    fn absorb(&mut self, other: Self) {
        self.runs += other.runs;
        self.open = self.open.take().or(other.open);
        self.started = self.started.max(other.started);
        self.unwound = self.unwound.max(other.unwound);
        self.timeouts.extend(other.timeouts);
        self.timeouts.sort_by_key(|timeout| timeout.at);
        if self.timeout_lines.count() == 0 {
            self.timeout_lines = other.timeout_lines;
        }
        self.still_streaming = self.still_streaming.max(other.still_streaming);
        if self.attention.lines.count() == 0 {
            self.attention = other.attention;
        }
        self.recovered = self.recovered.max(other.recovered);
        if self.orphaned_messages.count() == 0 {
            self.orphaned_messages = other.orphaned_messages;
        }
        self.id = self.id.take().or(other.id);
    }
}

impl Complaints {
    /// 5.3 and later say why; before that a label means only that there was no event for two minutes.
    pub(super) fn classified(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.classification.is_some())
    }
}

/// `agent:<id>:...` → `<id>`.
pub(super) fn agent_of_key(key: &str) -> Option<&str> {
    key.strip_prefix("agent:")?.split(':').next().filter(|agent| !agent.is_empty())
}

/// `.../agents/<id>/sessions/...` → `<id>`.
pub(super) fn agent_of_path(path: &str) -> Option<&str> {
    path.split("/agents/").nth(1)?.split('/').next()
}

/// `<sid>.jsonl.lock`, `<sid>-topic-<id>.jsonl.lock`, `<time>_<sid>.jsonl.lock` → `<sid>`.
pub(super) fn id_of_lock(lock: &str) -> Option<String> {
    let name = Path::new(lock).file_name()?.to_str()?;
    let stem = name.strip_suffix(".lock").unwrap_or(name).strip_suffix(".jsonl")?;
    let stem = stem.split("-topic-").next().unwrap_or(stem);
    Some(stem.rsplit_once('_').map_or(stem, |(_, id)| id).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_locks() {
        for (lock, id) in [
            ("/s/agents/main/sessions/3f0d.jsonl.lock", "3f0d"),
            ("/s/agents/main/sessions/3f0d-topic-99.jsonl.lock", "3f0d"),
            ("/s/2026-11-22T10-00-00_3f0d.jsonl", "3f0d"),
        ] {
            assert_eq!(id_of_lock(lock).as_deref(), Some(id));
        }
        assert_eq!(id_of_lock("/s/sessions.json.lock"), None);
        assert_eq!(agent_of_path("/s/agents/work/sessions/x.jsonl"), Some("work"));
        assert_eq!(agent_of_key("agent:work:main"), Some("work"));
    }
}
