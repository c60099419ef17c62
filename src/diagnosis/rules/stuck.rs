//! Chats that OpenClaw's own watchdog complains of, and what its recovery did about them. What counts is progress, not
//! age: what the last mark of it was, how old it is, who waits, and whether the chat went on since.

use super::super::finding::{Code, Finding};
use super::super::input::Verdict;
use super::event_loop::LoopTrouble;
use super::remedy;
use super::view::{View, clock, count, lasting, waiting};
use crate::history::chat::Chat;
use crate::history::evidence::{Evidence, Logged};
use crate::history::story::{Incidents, Story, dated, delta, elapsed_ms};

use crate::gatewaylog::{Attention, Event, Label, Recovery};
use crate::redact::foreign;
use crate::verdict::severity::Effect;
use chrono::{DateTime, TimeDelta, Utc};
use std::fmt::Write as _;

/// OpenClaw itself aborts a run without progress after this (5.22 and later).
const ABORTS_AFTER_MS: u64 = 300_000;
/// A model may think for so long while somebody waits.
const LONG_CALL_MS: u64 = 600_000;
/// Without anybody who waits, this much.
const VERY_LONG_MS: u64 = 1_800_000;
/// The run limit up to 3.13 (600 s), and a minute to unwind.
const EARLY_RUN_LIMIT_MS: u64 = 660_000;
/// A mark of progress that is younger shows a run at work.
const FRESH_MS: u64 = 60_000;
/// Looks on end at which a lane was kept.
const KEPT_TOO_OFTEN: u64 = 4;
/// One look writes two lines.
const ECHO: TimeDelta = TimeDelta::milliseconds(1500);
/// Ages are whole seconds, taken some time before the line is written.
const SLACK: TimeDelta = TimeDelta::seconds(5);

/// The watchdog's lines about one chat, since it went on last.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    pub(super) lines: Evidence,
    last: Option<Attention>,
    at: Option<DateTime<Utc>>,
    /// Since when nothing has moved, by the ages in the lines.
    since: Option<DateTime<Utc>>,
    idle_ms: u64,
    /// The log showed a run of it under way at the time (else it may only not be logged).
    run_known: bool,
    recovery: Acts,
    kept: KeptInARow,
}

/// The lane was kept at one look after the other: what is at work in it never comes to an end.
#[derive(Debug, Default)]
struct KeptInARow {
    times: u64,
    since: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
}

impl KeptInARow {
    /// `age_ms`: how long ago, by the complaint, anything had happened in the chat.
    fn note(&mut self, at: DateTime<Utc>, age_ms: u64) {
        let Some(last) = self.last.filter(|last| dated(*last).is_some() == dated(at).is_some()) else {
            (self.times, self.since, self.last) = (1, Some(at), Some(at));
            return;
        };
        if dated(at).is_some() && at - last <= ECHO {
            return;
        }
        self.last = Some(at);
        if at - last <= delta(age_ms.saturating_add(FRESH_MS)) {
            self.times += 1;
        } else if self.times < KEPT_TOO_OFTEN {
            (self.times, self.since) = (1, Some(at));
        }
    }

    /// Since when it has been kept too often on end.
    fn too_often(&self, answered: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        self.since.filter(|since| self.times >= KEPT_TOO_OFTEN && answered.is_none_or(|at| at < *since))
    }
}

/// What OpenClaw's recovery did.
#[derive(Debug, Default)]
struct Acts {
    freed: Incidents,
    freed_nothing: Incidents,
    kept: Incidents,
    found_nothing: Incidents,
    /// When it did anything but look.
    last: Option<DateTime<Utc>>,
}

impl Complaints {
    pub(super) fn push(&mut self, logged: Logged<'_>, chat: &Chat, story: &mut Story) {
        let Logged { at, entry, .. } = logged;
        match &entry.event {
            Event::Attention(attention) => {
                self.complained(at, attention);
                self.lines.add(logged);
                self.run_known |= chat.open.is_some();
                let label = match attention.label {
                    Label::Stuck => "stuck",
                    Label::Stalled => "stalled",
                    Label::LongRunning => "long-running",
                };
                let idle = lasting(idle_ms(attention));
                let queue = waiting(attention.queue_depth);
                story.note(
                    at,
                    label,
                    format!("OpenClaw called the chat {label}: {idle} since its last mark, {queue}"),
                );
            }
            Event::Recovery(recovery) => {
                self.lines.note(logged);
                if let Some(told) = self.recovery.push(at, recovery) {
                    if told == KEPT {
                        self.kept.note(at, self.last.as_ref().map_or(0, |last| last.age_ms));
                    }
                    story.note(at, told, format!("OpenClaw's recovery {told}"));
                }
            }
            _ => {}
        }
        if chat.moved == Some(at) {
            self.kept = KeptInARow::default();
        }
    }

    fn complained(&mut self, at: DateTime<Utc>, attention: &Attention) {
        let idle = idle_ms(attention);
        let begun = dated(at).map(|at| at.checked_sub_signed(delta(idle)).unwrap_or(at));
        // It began anew after the last complaint, and not because a recovery had reset the clock.
        let acted = self.recovery.last.is_some_and(|act| self.at.is_some_and(|last| act >= last));
        let moved = !acted && begun.zip(self.at).is_some_and(|(begun, last)| begun > last + SLACK);
        if moved {
            (self.since, self.idle_ms, self.recovery) = (None, 0, Acts::default());
        }
        self.since = self.since.into_iter().chain(begun).min();
        self.idle_ms = self.idle_ms.max(idle);
        self.at = Some(at);
        self.last = Some(attention.clone());
    }

    pub(super) fn last_complaint(&self) -> Option<&Attention> {
        self.last.as_ref()
    }

    /// When OpenClaw's recovery last acted on the chat.
    pub(super) fn recovered_at(&self) -> Option<DateTime<Utc>> {
        self.recovery.last
    }

    fn lasted_ms(&self) -> u64 {
        let by_stamps = self.since.zip(self.at).and_then(|(from, to)| elapsed_ms(from, to));
        by_stamps.unwrap_or(0).max(self.idle_ms)
    }

    pub(super) fn absorb(&mut self, other: Self) {
        if self.last.is_none() {
            *self = other;
        }
    }
}

const KEPT: &str = "left the chat alone, as something seemed at work in it";

impl Acts {
    /// What it did, in words.
    fn push(&mut self, at: DateTime<Utc>, recovery: &Recovery) -> Option<&'static str> {
        let acted = recovery.action.as_deref() != Some("none")
            && (matches!(recovery.status.as_deref(), Some("aborted" | "released"))
                || recovery.step == "done"
                || recovery.force_cleared == Some(true));
        let (tally, told) = if acted && recovery.released.is_some_and(|released| released > 0) {
            (&mut self.freed, "released the lane of the chat")
        } else if acted {
            (&mut self.freed_nothing, "aborted the run and released nothing")
        } else if recovery.reason.as_deref() == Some("no_active_work") || recovery.step == "failed" {
            (&mut self.found_nothing, "found no work in progress and did nothing")
        } else if matches!(recovery.step.as_str(), "skipped") || recovery.status.as_deref() == Some("skipped")
        {
            (&mut self.kept, KEPT)
        } else {
            return None;
        };
        tally.note(at, &recovery.step);
        self.last = self.last.max(acted.then_some(at));
        Some(told)
    }

    fn sentence(&self) -> String {
        let mut said = String::new();
        for (tally, what) in [
            (&self.freed_nothing, "aborted the run and released nothing"),
            (&self.found_nothing, "found no work in progress and did nothing"),
            (&self.kept, KEPT),
            (&self.freed, "released the lane of the chat"),
        ] {
            if tally.count > 0 {
                let times = if tally.count == 1 {
                    String::new()
                } else {
                    format!(", {}", count(tally.count, "time"))
                };
                let _ = write!(said, " OpenClaw's recovery {what}{times}.");
            }
        }
        said
    }
}

/// What the chat is busy with, as far as the line says.
enum Work<'a> {
    /// Its last mark of progress is fresh.
    Moving,
    Tool(&'a str),
    Model,
    /// The last thing that it did has ended, and nothing followed.
    Ended(&'a str),
    Run,
    /// OpenClaw knows of no work at all.
    None,
    /// Before 5.3 a label means only that there was no event for two minutes.
    Unsaid,
}

fn work(last: &Attention) -> Work<'_> {
    let progress = last.last_progress.as_deref().unwrap_or("");
    if last.classification.is_none() {
        return Work::Unsaid;
    }
    if last.last_progress_age_ms.is_some_and(|age| age < FRESH_MS) && last.label == Label::LongRunning {
        return Work::Moving;
    }
    if last.work.as_deref() == Some("tool_call") || last.tool.is_some() {
        return Work::Tool(last.tool.as_deref().unwrap_or("a tool"));
    }
    if [":ended", ":completed", ":wait_ended", ":failed"].iter().any(|end| progress.ends_with(end)) {
        return Work::Ended(progress);
    }
    match last.work.as_deref() {
        Some("model_call") => Work::Model,
        Some(_) => Work::Run,
        None if last.label == Label::Stuck => Work::None,
        None => Work::Run,
    }
}

fn idle_ms(attention: &Attention) -> u64 {
    attention.last_progress_age_ms.unwrap_or(attention.age_ms)
}

pub(super) fn judge(
    view: &View<'_>,
    chat: &Chat,
    complaints: &Complaints,
    event_loop: &LoopTrouble,
) -> Option<Finding> {
    let (last, at) = (complaints.last.as_ref()?, complaints.at?);
    let lasted = complaints.lasted_ms();
    let went_on = chat.moved.max(view.last_answer(chat)).filter(|moved| *moved > at);
    let work = work(last);
    let kept_since = complaints.kept.too_often(view.last_answer(chat));
    let helpless = kept_since.is_some() || is_helpless(complaints, &work, lasted, at);
    let unsure = event_loop.explains(at, 0);
    let behind = if went_on.is_some() { 0 } else { last.queue_depth };

    let (code, mut text) = described(view, chat, complaints, &work, lasted);
    if let (Some(since), Work::None) = (kept_since, &work) {
        let span = elapsed_ms(since, at).map_or_else(String::new, |ms| format!(" for {}", lasting(ms)));
        text = format!(
            "The chat has been marked busy again and again{span}: {} on end OpenClaw found a reply at work in it, and nothing came of it",
            count(complaints.kept.times, "time")
        );
    }
    let _ = write!(text, "; {}.", waiting(last.queue_depth));
    text.push_str(&complaints.recovery.sentence());
    let effect = if let Some(then) = went_on {
        text.push_str(&dated(then).map_or_else(
            || " It went on after that.".to_owned(),
            |then| format!(" It went on at {}.", clock(then)),
        ));
        Effect::HealsItself
    } else if unsure {
        text.push_str(
            " The event loop stood still at the time, so the gateway's own clocks say little here.",
        );
        Effect::HealsItself
    } else if helpless && behind > 0 {
        Effect::RunCannotEnd
    } else if helpless {
        Effect::WaitsPastLimit
    } else {
        effect(complaints, &work, lasted, behind)
    };
    let mut finding = Finding::new(code, effect, text).backed_by(&complaints.lines);
    finding.messages_waiting = behind;
    finding.first_seen = complaints.since.or(finding.first_seen);
    let finding = finding.helps(view.no_lock_helps(chat));
    Some(advised(view, finding, &work, effect, helpless))
}

/// OpenClaw tried, and it did not help; or the run is over and its mark stays.
fn is_helpless(complaints: &Complaints, work: &Work<'_>, lasted: u64, at: DateTime<Utc>) -> bool {
    let acts = &complaints.recovery;
    let complained_after = acts.last.is_some_and(|act| at > act);
    acts.freed_nothing.count > 1
        || acts.freed_nothing.count == 1 && complained_after
        || acts.found_nothing.count > 0
        || matches!(work, Work::Ended(_)) && acts.kept.count > 1 && lasted >= ABORTS_AFTER_MS
        || acts.kept.count > 2 && lasted >= VERY_LONG_MS
}

fn effect(complaints: &Complaints, work: &Work<'_>, lasted: u64, behind: u64) -> Effect {
    let acts = &complaints.recovery;
    let past = match work {
        Work::Moving => false,
        Work::Model => behind > 0 && lasted >= LONG_CALL_MS || lasted >= VERY_LONG_MS,
        Work::Tool(_) => behind > 0 && lasted >= ABORTS_AFTER_MS || lasted >= VERY_LONG_MS,
        Work::Ended(_) | Work::Run => behind > 0 && lasted >= ABORTS_AFTER_MS || lasted >= LONG_CALL_MS,
        Work::Unsaid => behind > 0 && lasted > EARLY_RUN_LIMIT_MS,
        // The next line of OpenClaw may take the label back.
        Work::None if acts.kept.count > 0 => lasted >= LONG_CALL_MS,
        Work::None => behind > 0 && acts.freed.count == 0,
    };
    if past {
        Effect::WaitsPastLimit
    } else if acts.freed.count + acts.kept.count > 0 {
        Effect::HealsItself
    } else {
        Effect::Slow
    }
}

/// What it is, and its state in words.
fn described(
    view: &View<'_>,
    chat: &Chat,
    complaints: &Complaints,
    work: &Work<'_>,
    lasted: u64,
) -> (Code, String) {
    let lasting = lasting(lasted);
    match work {
        Work::Moving => (Code::SlowModelCall, "A run is at work and makes progress".to_owned()),
        Work::Tool(tool) => {
            (Code::StuckRun, format!("The run has been in the tool `{}` for {lasting}", foreign(tool)))
        }
        Work::Model => {
            (Code::SlowModelCall, format!("A model call has been under way for {lasting} without a token"))
        }
        Work::Ended(what) => (
            Code::StuckSession,
            format!(
                "Nothing has happened in the chat for {lasting}: its last step had ended (`{what}`), and the run did not go on"
            ),
        ),
        Work::Run => (Code::StuckSession, format!("The run has shown no progress for {lasting}")),
        Work::None if complaints.recovery.kept.count > 0 => (
            Code::StuckSession,
            format!(
                "The chat was marked busy for {lasting}, and OpenClaw found a reply at work when it looked again"
            ),
        ),
        Work::None => (
            Code::StuckSession,
            format!(
                "The chat has been marked busy for {lasting}, and OpenClaw knows of no run, model call or tool in it"
            ),
        ),
        Work::Unsaid => unsaid(view, chat, complaints, &lasting),
    }
}

fn unsaid(view: &View<'_>, chat: &Chat, complaints: &Complaints, lasting: &str) -> (Code, String) {
    if complaints.recovery.found_nothing.count > 0 {
        return (
            Code::StuckSession,
            format!("The chat has been marked busy for {lasting} without any work in it"),
        );
    }
    let held = chat.session_id.as_deref().and_then(|id| view.lock_of(id));
    let running = held.is_some_and(|lock| matches!(lock.verdict, Verdict::Held | Verdict::Overdue))
        || super::at_work::is_running(view, chat);
    if complaints.run_known || running || complaints.last.as_ref().is_some_and(is_the_runs_half) {
        let text = format!(
            "A run has been at work for {lasting}: a slow model or tool. In this version `stuck session` means no more than two minutes without an event of its queue"
        );
        return (Code::SlowModelCall, text);
    }
    let text = format!(
        "The chat was marked busy for {lasting} without an event of its queue. Up to 2026.4.27 a healthy long run looks the same, so the log cannot tell"
    );
    (Code::StuckSession, text)
}

/// Up to 3.13 one run makes two entries, and the embedded run's own has an id and no key: it is there from run start
/// to run end.
fn is_the_runs_half(last: &Attention) -> bool {
    last.session.id.is_some()
        && last.session.key.is_none()
        && last.state == "processing"
        && last.age_ms <= EARLY_RUN_LIMIT_MS
}

fn advised(view: &View<'_>, finding: Finding, work: &Work<'_>, effect: Effect, helpless: bool) -> Finding {
    if effect == Effect::HealsItself {
        return finding.act(remedy::say("Leave it, unless it comes back with a growing age."));
    }
    if helpless {
        let finding = finding.act(remedy::restart()).act(remedy::say("Or send `/reset` in the chat."));
        return if view.at_least(7, 1) == Some(true) {
            finding
        } else {
            finding.act(remedy::say("Upgrade: from 2026.7 on the lane is reset when messages wait."))
        };
    }
    match work {
        Work::Moving => finding.act(remedy::say("Leave it, unless it comes back with a growing age.")),
        Work::Model => {
            finding.act(remedy::stop()).act(remedy::say("Look at the provider's status and latency."))
        }
        Work::Tool(_) => finding
            .act(remedy::say(
                "Look at what the tool waits for: a command that asks its own gateway waits for itself.",
            ))
            .act(remedy::stop())
            .act(remedy::restart()),
        Work::Ended(_) | Work::Run | Work::None => finding.act(remedy::stop()).act(remedy::restart()),
        Work::Unsaid => finding.act(remedy::say(
            "If messages to it hang: `/stop` in the chat, or restart the gateway (`openclaw gateway restart`).",
        )),
    }
}
