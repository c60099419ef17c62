//! Runs and model calls (`agents/pi-embedded-runner/*`, later `embedded-*`; `provider-transport-fetch`).

use super::super::event::{Cause, Event, TimeoutPhase};
use super::super::fields;
use super::cause;
use super::line::Line;

pub(super) fn read(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    // `embedded abort settle timed out: `, `sessions_yield abort settle timed out: `: whatever was aborted.
    if let Some((_, rest)) = text.split_once("abort settle timed out: ") {
        return Some(Event::AbortSettleTimeout {
            run_id: name(rest, "runId="),
            session_id: name(rest, "sessionId="),
            timeout_ms: fields::number(rest, "timeoutMs="),
        });
    }
    if let Some(rest) = line.after("embedded ") {
        return embedded(line, rest);
    }
    if let Some(rest) = line.after("run ") {
        return registry(rest);
    }
    if let Some(rest) = line.after("queue message failed: ") {
        return Some(Event::QueueMessageFailed {
            session_id: fields::word(rest, "sessionId=")?.to_owned(),
            reason: fields::word(rest, "reason=")?.to_owned(),
        });
    }
    if let Some(rest) = line.after("wait timeout: ") {
        return Some(Event::WaitTimeout {
            session_id: fields::word(rest, "sessionId=")?.to_owned(),
            timeout_ms: fields::number(rest, "timeoutMs=")?,
        });
    }
    if let Some(rest) = line.after("Profile ") {
        // `Profile P timed out (possible rate limit). Trying next account...`; 9.x may end in another advice.
        let (profile, _) = rest.split_once(" timed out")?;
        return (!profile.contains(' ')).then(|| Event::ProfileTimeout { profile: profile.to_owned() });
    }
    if let Some(rest) = line.after("Embedded agent failed before reply: ") {
        return Some(Event::AgentFailed { cause: cause::of(rest) });
    }
    let preserved = text.starts_with("Preserved orphaned user message");
    if preserved || text.starts_with("Removed orphaned user message") {
        let (run_id, session_id) = (fields::owned(text, "runId="), fields::owned(text, "sessionId="));
        return Some(Event::OrphanUserMessage { run_id, session_id, preserved });
    }
    if line.tag == "model-fetch" && text.starts_with("error ") {
        return Some(Event::ModelFetchError {
            provider: fields::owned(text, "provider="),
            model: fields::owned(text, "model="),
            elapsed_ms: fields::number(text, "elapsedMs="),
            name: fields::owned(text, "name="),
        });
    }
    if text.starts_with("model fallback decision") {
        let detail = || text.split_once("detail=").map(|(_, detail)| detail.to_owned());
        let error = line.string("errorPreview").or_else(detail);
        return Some(Event::ModelFallback {
            reason: line.string("reason"),
            decision: line.string("decision"),
            cause: error.as_deref().and_then(cause::known),
        });
    }
    if line.tag == "llm-idle-timeout" || line.tag == "idle-timeout-circuit-breaker-tripped" {
        return Some(Event::ModelIdle { after_ms: None });
    }
    // The bare error text; with a class in front it is `Failed` (locks.rs).
    line.after("LLM idle timeout (")
        .map(|rest| Event::ModelIdle { after_ms: fields::humane_ms(rest.split(')').next().unwrap_or("")) })
}

/// An id; not what somebody put in its place before the lines were shared.
fn name(text: &str, key: &str) -> Option<String> {
    fields::owned(text, key).filter(|id| !id.starts_with(['<', '[', '*']))
}

/// What follows `embedded `.
fn embedded(line: &Line<'_>, rest: &str) -> Option<Event> {
    let id = |key: &str| fields::word(rest, key).map(str::to_owned);
    for (start, phase) in [
        ("run timeout: ", TimeoutPhase::Budget),
        ("run timeout after compaction grace: ", TimeoutPhase::AfterCompactionGrace),
        ("run timeout reached during compaction; extending deadline: ", TimeoutPhase::Extended),
    ] {
        if rest.starts_with(start) {
            return Some(Event::RunTimeout {
                run_id: name(rest, "runId="),
                session_id: name(rest, "sessionId="),
                timeout_ms: fields::number(rest, "timeoutMs=")?,
                phase,
            });
        }
    }
    if rest.starts_with("run abort still streaming: ") {
        return Some(Event::RunAbortStreaming { run_id: id("runId=")?, session_id: id("sessionId=")? });
    }
    if rest.starts_with("run start: ") {
        return Some(Event::RunStart {
            run_id: id("runId=")?,
            session_id: id("sessionId=")?,
            model: fields::owned(rest, "model="),
            channel: fields::owned(rest, "messageChannel="),
        });
    }
    if rest.starts_with("run done: ") {
        return Some(Event::RunDone {
            run_id: id("runId=")?,
            session_id: id("sessionId=")?,
            duration_ms: fields::number(rest, "durationMs=")?,
            aborted: fields::boolean(rest, "aborted=")?,
        });
    }
    if rest.starts_with("run agent end") {
        let is_error = line.record.meta.get("isError").and_then(serde_json::Value::as_bool);
        let error =
            line.string("error").or_else(|| rest.split_once(" error=").map(|(_, error)| error.to_owned()));
        return Some(Event::RunAgentEnd {
            run_id: line.string("runId")?,
            is_error: is_error.or_else(|| fields::boolean(rest, "isError="))?,
            cause: error.as_deref().map(|_| cause::of(rest)).map(|found| match (found, error.as_deref()) {
                (Cause::Other { .. }, Some(error)) => cause::of(error),
                (found, _) => found,
            }),
        });
    }
    if rest.starts_with("run failover decision") {
        let reason = line.string("failoverReason").or_else(|| fields::owned(rest, "reason="));
        let from_meta = line
            .string("provider")
            .zip(line.string("model"))
            .map(|(provider, model)| format!("{provider}/{model}"));
        return Some(Event::FailoverDecision {
            run_id: line.string("runId"),
            stage: line.string("stage"),
            decision: line.string("decision"),
            reason,
            model: fields::owned(rest, "from=").or(from_meta).or_else(|| fields::owned(rest, "provider=")),
        });
    }
    None
}

/// The run registry (`runs.js`): the best begin and end marks of a run, DEBUG.
fn registry(rest: &str) -> Option<Event> {
    let session_id = || fields::word(rest, "sessionId=").map(str::to_owned);
    let total_active = || fields::number(rest, "totalActive=");
    if rest.starts_with("registered: ") {
        return Some(Event::RunRegistered { session_id: session_id()?, total_active: total_active()? });
    }
    if rest.starts_with("cleared: ") {
        return Some(Event::RunCleared { session_id: session_id()?, total_active: total_active()? });
    }
    if rest.starts_with("active check: ") && fields::boolean(rest, "active=") == Some(true) {
        return Some(Event::RunActive { session_id: session_id()? });
    }
    if rest.starts_with("clear skipped: ") {
        return Some(Event::RunClearSkipped {
            session_id: session_id()?,
            reason: fields::word(rest, "reason=")?.to_owned(),
        });
    }
    None
}
