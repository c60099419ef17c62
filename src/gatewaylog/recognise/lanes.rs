//! Lane messages (`process/command-queue.js` in every version).

use super::super::event::{Cause, Event, LaneCounts};
use super::super::fields;
use super::cause;
use super::line::Line;

pub(super) fn read(message: &Line<'_>) -> Option<Event> {
    let text = message.text;
    if let Some(rest) = message.after("drainLane blocked: ") {
        let lane = fields::until(rest, "lane=", " draining=")?.to_owned();
        return Some(Event::LaneJammed { lane, queue: fields::number(rest, "queue=")? });
    }
    let rest = message.after("lane ")?;
    let (what, _) = rest.split_once(": lane=")?;
    let lane = |end: &str| fields::until(text, "lane=", end).map(str::to_owned);
    let number = |key: &str| fields::number(text, key);
    Some(match what {
        "enqueue" => Event::LaneEnqueue { lane: lane(" queueSize=")?, queue_size: number("queueSize=")? },
        "dequeue" => Event::LaneDequeue {
            lane: lane(" waitMs=")?,
            wait_ms: number("waitMs=")?,
            queue_size: number("queueSize=")?,
        },
        "task done" => Event::LaneDone {
            lane: lane(" durationMs=")?,
            duration_ms: number("durationMs=")?,
            active: number("active=")?,
            queued: number("queued=")?,
        },
        "task error" => Event::LaneError {
            lane: lane(" durationMs=")?,
            duration_ms: number("durationMs=")?,
            cause: error(message)?,
        },
        "task interrupted" => {
            Event::LaneInterrupted { lane: lane(" durationMs=")?, duration_ms: number("durationMs=")? }
        }
        "task rejected after timeout" => Event::LaneRejected {
            lane: lane(" timeoutMs=")?,
            timeout_ms: number("timeoutMs=")?,
            cause: error(message)?,
        },
        "wait exceeded" => Event::LaneWait {
            lane: lane(" waitedMs=")?,
            waited_ms: number("waitedMs=")?,
            queue_ahead: number("queueAhead=")?,
            counts: counts(text),
        },
        "onWait callback failed" | "onQueued callback failed" => {
            Event::LaneCallbackFailed { lane: lane(" error=")? }
        }
        _ => return None,
    })
}

fn counts(text: &str) -> Option<LaneCounts> {
    Some(LaneCounts {
        active_ahead: fields::number(text, "activeAhead=")?,
        active_now: fields::number(text, "activeNow=")?,
        queue_behind: fields::number(text, "queueBehind=")?,
    })
}

/// Up to 7.35 the class is in the text, from 8.1 in the metadata.
fn error(message: &Line<'_>) -> Option<Cause> {
    let text = fields::quoted_to_last(message.text, "error=")?;
    Some(match cause::of(text) {
        Cause::Other { class: None } => Cause::Other { class: message.string("errorName") },
        known => known,
    })
}
