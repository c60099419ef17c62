//! Runs that ended at their time limit.

use super::super::finding::{Code, Finding};
use super::super::input::Verdict;
use super::event_loop::LoopTrouble;
use super::model_side::ModelSide;
use super::remedy;
use super::view::{View, clock, count, lasting};
use super::why;
use crate::gatewaylog::{Cause, Event, TimeoutPhase};
use crate::history::chat::Chat;
use crate::history::evidence::{Evidence, Logged};
use crate::history::story::{Story, dated};
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};

/// Hits remembered per chat, the latest ones.
const HITS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) hits: Vec<Hit>,
    pub(super) lines: Evidence,
    /// The abort did not end the run.
    unsettled: Option<Unsettled>,
    /// The chat's conversation was being shortened.
    compacting: Option<DateTime<Utc>>,
    /// OpenClaw still counted a run as active.
    active: Option<DateTime<Utc>>,
    /// The attempt that had reached its limit returned.
    returned: Option<DateTime<Utc>>,
    /// A task of the chat's lane ran into the lane's own budget.
    budget: Evidence,
}

#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) at: DateTime<Utc>,
    run_id: Option<String>,
    session_id: Option<String>,
    pub(super) timeout_ms: u64,
    /// The line is the run's own word, and not one that a message carries: it may license an act.
    witnessed: bool,
}

/// The answer to: did this lock's run end at its time limit?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedOut {
    pub at: DateTime<Utc>,
    pub timeout_ms: u64,
    pub run_id: String,
    /// The gateway said that the model stream went on after the abort, and nothing since shows the run leaving.
    pub still_streaming: bool,
    /// A line after the limit shows that the attempt returned (and with it released what it held).
    pub unwound: bool,
    /// It is the run's own word, which may license an act.
    pub witnessed: bool,
}

/// Who says that a run reached its limit, in every version.
const WITNESS: (&str, &str) = ("agent/embedded", "embedded run timeout");

#[derive(Debug, Clone, Copy)]
pub(super) struct Unsettled {
    pub(super) at: DateTime<Utc>,
    streaming: bool,
}

impl Limits {
    pub(super) fn push(&mut self, logged: Logged<'_>, story: &mut Story) {
        let Logged { at, entry, .. } = logged;
        if is_of_compaction(&entry.event) {
            self.compacting = Some(at);
        }
        match &entry.event {
            Event::RunTimeout { run_id, session_id, timeout_ms, phase }
                if *phase != TimeoutPhase::Extended =>
            {
                self.lines.add(logged);
                if self.hits.len() == HITS {
                    self.hits.remove(0);
                }
                story.note(at, "limit", format!("a run reached its time limit of {}", lasting(*timeout_ms)));
                let (run_id, session_id) = (run_id.clone(), session_id.clone());
                let witnessed = entry.is_said_by(WITNESS.0, WITNESS.1);
                self.hits.push(Hit { at, run_id, session_id, timeout_ms: *timeout_ms, witnessed });
            }
            Event::RunActive { .. } => {
                if self.hits.last().is_some_and(|hit| at - hit.at > SETTLE) {
                    story.note(at, "active", "OpenClaw still counted a run as active");
                    self.lines.note(logged);
                }
                self.active = Some(at);
            }
            Event::RunAbortStreaming { .. } => {
                story.note(at, "streaming", "the model stream went on after the abort");
                self.unsettled(at, true);
                self.lines.note(logged);
            }
            Event::AbortSettleTimeout { .. } => {
                story.note(at, "unsettled", "the abort of a run did not settle in time");
                self.unsettled(at, false);
                self.lines.note(logged);
            }
            // These come after the attempt has returned; another run's say nothing of this one, such as that of the next
            // message, which could not get the lock.
            Event::FailoverDecision { run_id, .. } if self.is_of_last_hit(run_id.as_deref()) => {
                self.returned(logged, story);
            }
            Event::ProfileTimeout { .. } if !self.hits.is_empty() => self.returned(logged, story),
            Event::LaneError { cause: Cause::LaneTaskTimeout { .. }, .. } => {
                story.note(at, "budget", "a task ran into the time budget of its lane");
                self.budget.add(logged);
            }
            _ => {}
        }
    }

    /// As far as the run is named.
    fn is_of_last_hit(&self, run_id: Option<&str>) -> bool {
        self.hits.last().is_some_and(|hit| match (hit.run_id.as_deref(), run_id) {
            (Some(hit), Some(run)) => hit == run,
            _ => true,
        })
    }

    fn unsettled(&mut self, at: DateTime<Utc>, streaming: bool) {
        self.unsettled = Some(Unsettled { at, streaming });
    }

    fn returned(&mut self, logged: Logged<'_>, story: &mut Story) {
        story.note(logged.at, "returned", "the attempt returned");
        self.lines.note(logged);
        self.returned = self.returned.max(Some(logged.at));
    }

    /// When something last showed that a run of this chat returned, or that its lane went on.
    fn unwound(&self, chat: &Chat) -> Option<DateTime<Utc>> {
        self.returned.max(chat.ended)
    }

    /// The abort that nothing has ended since.
    pub(super) fn open_abort(&self, chat: &Chat) -> Option<Unsettled> {
        self.unsettled.filter(|abort| self.unwound(chat).is_none_or(|unwound| unwound < abort.at))
    }

    /// When the run of the last hit last counted as active, long after its limit, as far as no newer one can be meant.
    fn still_active(&self, chat: &Chat) -> Option<DateTime<Utc>> {
        let hit = self.hits.last()?;
        let newer = chat.started.is_some_and(|started| started > hit.at);
        let unwound = self.unwound(chat).is_some_and(|unwound| unwound >= hit.at);
        self.active.filter(|at| *at - hit.at > SETTLE && !newer && !unwound)
    }

    /// Whether the run that took the session's lock ended at its time limit, and nothing of the chat began since.
    pub(super) fn timed_out(
        &self,
        chat: &Chat,
        session_id: &str,
        created_at: DateTime<Utc>,
    ) -> Option<TimedOut> {
        let ours = |hit: &&Hit| hit.session_id.as_deref() == Some(session_id) && hit.at > created_at;
        let hit = self.hits.iter().rev().find(ours)?;
        if chat.started.is_some_and(|started| started > hit.at) {
            return None;
        }
        Some(TimedOut {
            at: hit.at,
            timeout_ms: hit.timeout_ms,
            run_id: hit.run_id.clone().unwrap_or_default(),
            still_streaming: self.open_abort(chat).is_some_and(|abort| abort.at >= hit.at),
            unwound: self.unwound(chat).is_some_and(|unwound| unwound >= hit.at),
            witnessed: hit.witnessed,
        })
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.hits.extend(other.hits);
        self.hits.sort_by_key(|hit| hit.at);
        if self.lines.count() == 0 {
            self.lines = other.lines;
        }
        if self.budget.count() == 0 {
            self.budget = other.budget;
        }
        self.compacting = self.compacting.max(other.compacting);
        self.active = self.active.max(other.active);
        self.unsettled = self.unsettled.or(other.unsettled);
        self.returned = self.returned.max(other.returned);
    }
}

/// A run that meets its limit while it compacts says so before or after.
fn is_of_compaction(event: &Event) -> bool {
    match event {
        Event::RunTimeout { phase, .. } => *phase != TimeoutPhase::Budget,
        event => matches!(event.cause(), Some(Cause::Compaction { .. })),
    }
}

pub(super) fn judge(
    view: &View<'_>,
    chat: &Chat,
    limits: &Limits,
    event_loop: &LoopTrouble,
    model_side: &ModelSide,
) -> Option<Finding> {
    let Some(last) = limits.hits.last() else { return budget(view, chat, &limits.budget) };
    // A lock that outlived its run tells the story better.
    let lock_tells = |id: &String| {
        let is_ours = view.chats.of_session(id).is_some_and(|other| other.id == chat.id);
        is_ours
            && view.lock_of(id).is_some_and(|lock| {
                matches!(lock.verdict, Verdict::Leaked | Verdict::Overdue | Verdict::Held)
                    && lock.created_at.is_some_and(|created| limits.timed_out(chat, id, created).is_some())
            })
    };
    if last.session_id.as_ref().is_some_and(lock_tells) {
        return None;
    }
    let limit = lasting(last.timeout_ms);
    if let Some(abort) = limits.open_abort(chat).filter(|abort| abort.streaming && abort.at >= last.at) {
        let when = dated(abort.at).map_or_else(String::new, |at| format!(" ({})", clock(at)));
        let text = format!(
            "The run ended at its time limit of {limit}{when}, the model stream went on after the abort, and nothing since shows the run leaving: what it holds, it keeps."
        );
        let finding = Finding::new(Code::StuckRun, Effect::RunCannotEnd, text).backed_by(&limits.lines);
        return Some(finding.helps(view.no_lock_helps(chat)).act(remedy::restart()).act(remedy::look()));
    }
    if let Some(active) = limits.still_active(chat) {
        let text = format!(
            "The run reached its time limit of {limit}, and {} later OpenClaw still counted it as active ({}): it did not end, and what it holds, it keeps.",
            lasting(u64::try_from((active - last.at).num_milliseconds()).unwrap_or(0)),
            clock(active)
        );
        let finding = Finding::new(Code::StuckRun, Effect::RunCannotEnd, text).backed_by(&limits.lines);
        return Some(finding.helps(view.no_lock_helps(chat)).act(remedy::restart()).act(remedy::look()));
    }
    let n = limits.hits.len() as u64;
    let compacted = limits.compacting.is_some_and(|at| (at - last.at).abs() <= SETTLE);
    let mut text = if n == 1 {
        format!("A run ended at its time limit of {limit}.")
    } else {
        format!("{} ended at their time limit of {limit}.", count(n, "run"))
    };
    if compacted {
        text.push_str(" It was shortening the conversation (compaction) at the time.");
    }
    if event_loop.explains(last.at, 0) {
        text.push_str(" The event loop was blocked at the time, so its timers were late.");
    } else if model_side.near(last.at) {
        text.push_str(" The model side had stopped answering.");
    }
    let returned = limits.unwound(chat).is_some_and(|unwound| unwound >= last.at);
    let helps = view.no_lock_helps(chat);
    text.push_str(match (returned, helps) {
        (true, _) => " The attempt returned, and the chat went on.",
        (false, None) => " Nothing after it shows what became of the run: whether its lock is still there the log cannot tell.",
        (false, Some(_)) => " Nothing after it shows what became of the run.",
    });
    let mut finding =
        Finding::new(Code::RunTimeout, Effect::MessagesFailed, text).backed_by(&limits.lines).helps(helps);
    (finding.count, finding.messages_failed) = (n, n);
    let finding = if compacted {
        why::of_compaction(true, finding).act(remedy::send_again())
    } else {
        finding.act(remedy::say(
            "Look at the model provider's latency and at what the run was doing; then send the message again.",
        ))
    };
    let finding = if returned { finding } else { finding.act(remedy::restart()) };
    Some(if last.timeout_ms > 3_600_000 {
        finding.act(remedy::say(
            "The limit is very long: set `agents.defaults.timeoutSeconds` to what a run may really take.",
        ))
    } else {
        finding
    })
}

/// Only the lane's own budget: from 4.29 on.
fn budget(view: &View<'_>, chat: &Chat, lines: &Evidence) -> Option<Finding> {
    (lines.count() > 0).then(|| {
        let text =
            format!("{} of this chat ran into the time budget of its lane.", count(lines.count(), "task"));
        let mut finding = Finding::new(Code::RunTimeout, Effect::MessagesFailed, text).backed_by(lines);
        finding.messages_failed = lines.count();
        finding
            .helps(view.no_lock_helps(chat))
            .act(remedy::say(
                "Look at what the task waited for, a slow model or tool; then send the message again.",
            ))
            .act(remedy::restart())
    })
}

/// Longer ago than the abort (10 s) and its settling (15 s) may take.
pub(super) const SETTLE: TimeDelta = TimeDelta::seconds(30);
