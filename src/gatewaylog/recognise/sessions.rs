//! Session states, the watchdog's labels and its recovery (`logging/diagnostic.js`, `diagnostic-*.js`).

use super::super::event::{Attention, Event, Label, Recovery, SessionRef};
use super::super::fields;
use super::cause;
use super::line::{Line, session};

pub(super) fn read(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    if let Some(rest) = line.after("stuck session recovery") {
        return recovery(rest);
    }
    for (start, label) in [
        ("stuck session: ", Label::Stuck),
        ("stalled session: ", Label::Stalled),
        ("long-running session: ", Label::LongRunning),
    ] {
        if let Some(rest) = line.after(start) {
            return attention(label, rest);
        }
    }
    let number = |key: &str| fields::number(text, key);
    let text_of = |key: &str| fields::word(text, key).unwrap_or("unknown").to_owned();
    Some(match text.split_once(": ")?.0 {
        "session state" => Event::SessionState {
            session: session(text, " prev="),
            prev: fields::word(text, "prev=")?.to_owned(),
            new: fields::word(text, "new=")?.to_owned(),
            reason: fields::until(text, "reason=\"", "\"").unwrap_or("").to_owned(),
            queue_depth: number("queueDepth=")?,
        },
        "message queued" => Event::MessageQueued {
            session: session(text, " source="),
            source: text_of("source="),
            queue_depth: number("queueDepth=")?,
            state: text_of("sessionState="),
        },
        "message received" => {
            Event::MessageReceived { session: session(text, " source="), channel: text_of("channel=") }
        }
        "message processed" => Event::MessageProcessed {
            session: session(text, " outcome="),
            channel: text_of("channel="),
            outcome: fields::word(text, "outcome=")?.to_owned(),
            duration_ms: number("duration="),
            cause: fields::quoted_to_last(text, "error=").map(cause::of),
        },
        "message dispatch started" => {
            Event::DispatchStarted { session: session(text, " source="), channel: text_of("channel=") }
        }
        "message dispatch completed" => Event::DispatchCompleted {
            session: session(text, " source="),
            channel: text_of("channel="),
            outcome: fields::word(text, "outcome=")?.to_owned(),
            duration_ms: number("duration="),
            cause: fields::quoted_to_last(text, "error=").map(cause::of),
        },
        "session turn created" => Event::TurnCreated {
            session: session(text, " agentId="),
            run_id: fields::word(text, "runId=")?.to_owned(),
            trigger: text_of("trigger="),
        },
        "run attempt" => Event::RunAttempt {
            session: session(text, " runId="),
            run_id: fields::word(text, "runId=")?.to_owned(),
            attempt: number("attempt=")?,
        },
        "heartbeat" => {
            fields::word(text, "webhooks=")?;
            Event::Heartbeat {
                active: number("active=")?,
                waiting: number("waiting=")?,
                queued: number("queued=")?,
            }
        }
        _ => return None,
    })
}

fn attention(label: Label, text: &str) -> Option<Event> {
    Some(Event::Attention(Box::new(Attention {
        label,
        session: session(text, " state="),
        state: fields::word(text, "state=")?.to_owned(),
        age_ms: fields::seconds_as_ms(text, "age=")?,
        queue_depth: fields::number(text, "queueDepth=")?,
        reason: fields::owned(text, "reason="),
        classification: fields::owned(text, "classification="),
        work: fields::owned(text, "activeWorkKind="),
        last_progress: fields::owned(text, "lastProgress="),
        last_progress_age_ms: fields::seconds_as_ms(text, "lastProgressAge="),
        tool: fields::owned(text, "activeTool="),
        tool_age_ms: fields::seconds_as_ms(text, "activeToolAge="),
        recovery: text.rfind(" recovery=").and_then(|at| fields::owned(&text[at + 1..], "recovery=")),
    })))
}

/// What follows `stuck session recovery`: `: sessionId=`, ` skipped: `, ` outcome: ` and so on.
fn recovery(rest: &str) -> Option<Event> {
    let (step, fields_text) = rest.split_once(": ")?;
    let step = match step.trim_start() {
        "" => "done",
        "skipped" | "no-op" | "failed" | "outcome" | "unavailable" => step.trim_start(),
        step if step.starts_with("reclaiming") => "reclaiming",
        _ => return None,
    };
    let found = session_anywhere(fields_text);
    Some(Event::Recovery(Box::new(Recovery {
        session: found,
        step: step.to_owned(),
        status: fields::owned(fields_text, "status="),
        action: fields::owned(fields_text, "action="),
        reason: fields::owned(fields_text, "reason="),
        lane: fields::owned(fields_text, "lane="),
        aborted: fields::boolean(fields_text, "aborted="),
        drained: fields::boolean(fields_text, "drained="),
        force_cleared: fields::boolean(fields_text, "forceCleared="),
        released: fields::number(fields_text, "released="),
    })))
}

/// Recovery lines end the key with whichever field comes next.
fn session_anywhere(text: &str) -> SessionRef {
    SessionRef { id: fields::owned(text, "sessionId="), key: fields::owned(text, "sessionKey=") }
}
