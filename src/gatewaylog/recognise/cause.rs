//! Error texts inside lines (`error="..."`, `errorMessage=`, after `handler failed:`): which [`Cause`] they name.

use super::super::event::{Cause, LockOwner};
use super::super::fields;

/// What the error text says went wrong. Lock texts are looked for anywhere: they come wrapped in class names,
/// `FailoverError:` and JSON.
pub(super) fn of(text: &str) -> Cause {
    lock(text).or_else(|| other_known(text)).unwrap_or_else(|| Cause::Other { class: class(text) })
}

/// As [`of`], with a text that names nothing known as absent.
pub(super) fn known(text: &str) -> Option<Cause> {
    lock(text).or_else(|| other_known(text))
}

fn lock(text: &str) -> Option<Cause> {
    if let Some(rest) = after(text, "session file locked (timeout ") {
        let timeout_ms = fields::leading_number(rest)?;
        let (owner, lock) = owner_and_path(rest.split_once("): ")?.1);
        return Some(if lock.ends_with("sessions.json.lock") {
            Cause::StoreLocked { timeout_ms, owner, lock }
        } else {
            Cause::TranscriptLocked { timeout_ms, owner, lock }
        });
    }
    if let Some(rest) = after(text, "session file lock stale (") {
        let (reasons, rest) = rest.split_once("): ")?;
        let (owner, lock) = owner_and_path(rest);
        let reasons =
            reasons.split(',').map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        return Some(Cause::LockStale { reasons: reasons.collect(), owner, lock });
    }
    if let Some(rest) = after(text, "timeout acquiring session store lock: ") {
        return Some(Cause::StoreLockTimeout { lock: path(rest, ".lock").to_owned() });
    }
    if let Some(rest) = after(text, "timeout waiting for session store lock: ") {
        return Some(Cause::StoreQueueTimeout { store: path(rest, "sessions.json").to_owned() });
    }
    after(text, "session file changed while embedded prompt lock was released: ")
        .map(|rest| Cause::Takeover { transcript: path(rest, ".jsonl").to_owned() })
}

fn other_known(text: &str) -> Option<Cause> {
    if text.contains("CommandLaneTaskTimeoutError")
        || text.contains("task timed out")
        || text.contains("CommandLane") && text.contains("no progress for")
    {
        return Some(lane_timeout(text));
    }
    if text.contains("CommandLaneClearedError")
        || (text.starts_with("Command lane \"") && text.contains("\" cleared"))
    {
        return Some(Cause::LaneCleared);
    }
    if text.contains("Gateway is draining") || text.contains("GatewayDrainingError") {
        return Some(Cause::Draining);
    }
    if let Some(rest) = after(text, "LLM idle timeout (") {
        return Some(Cause::ModelIdle { after_ms: fields::humane_ms(rest.split(')').next().unwrap_or("")) });
    }
    if text.contains("idle-timeout") {
        return Some(Cause::ModelIdle { after_ms: None });
    }
    if let Some(rest) = after(text, "gateway timeout after ") {
        return Some(Cause::GatewayTimeout { after_ms: fields::leading_number(rest)? });
    }
    if text.contains("SESSION_WORK_START_CHANGED") || text.contains("while starting work") {
        return Some(Cause::SessionChanged);
    }
    if text.contains("session initialization conflicted") {
        return Some(Cause::SessionConflict);
    }
    if let Some((before, _)) = text.split_once(" already has an active turn claim") {
        let session_id = before.rsplit([' ', '"']).next().filter(|id| !id.is_empty()).map(str::to_owned);
        return Some(Cause::TurnClaimed { session_id });
    }
    if text.contains("another OpenClaw process owns") || text.contains("acquire plugin lifecycle lease") {
        return Some(Cause::StateOwned);
    }
    // A reply that OpenClaw gave up on its own is no stop that somebody asked for.
    let expired = text.contains("expired as stale");
    let aborted = ["run aborted", "AbortError", "This operation was aborted"];
    if !expired && aborted.iter().any(|words| text.contains(words)) {
        return Some(Cause::Aborted);
    }
    if text.contains("SQLITE_BUSY") || text.contains("database is locked") {
        return Some(Cause::DatabaseBusy);
    }
    if text.contains("waiting for memory workspace lock") {
        return Some(Cause::MemoryLocked);
    }
    if text.contains("sqlite_wal_sidecar_identity_mismatch") {
        return Some(Cause::WalMismatch);
    }
    if text.contains("ENOSPC") || text.contains("no space left on device") {
        return Some(Cause::DiskFull);
    }
    let model = ["request timed out", "Request timed out", "LLM request timed out"]
        .iter()
        .any(|known| text.contains(known));
    model.then_some(Cause::ModelTimeout)
}

/// `Command lane "L" task timed out after Nms` (4.29 to 7.35); `... timed out: elapsed Nms reached task budget Nms` (8.1+).
fn lane_timeout(text: &str) -> Cause {
    let lane = after(text, "Command lane \"")
        .and_then(|rest| rest.split_once("\" "))
        .map(|(lane, _)| lane.to_owned());
    let budget =
        fields::number_after(text, "timed out after ").or_else(|| fields::number_after(text, "budget "));
    Cause::LaneTaskTimeout { lane, elapsed_ms: fields::number_after(text, "elapsed "), budget_ms: budget }
}

/// `pid=N <path>`, `unknown <path>`, `pid=N alive=true ageMs=N <path>`, `owner=unknown <path>`.
fn owner_and_path(text: &str) -> (LockOwner, String) {
    let mut owner = LockOwner::default();
    let mut rest = text;
    while let Some((word, after)) = rest.split_once(' ') {
        match word.split_once('=') {
            Some(("pid", pid)) => owner.pid = pid.parse().ok(),
            Some(("alive", alive)) => owner.alive = Some(alive == "true"),
            Some(("ageMs", age)) => owner.age_ms = fields::leading_number(age),
            Some(("owner", _)) => {}
            None if word == "unknown" => {}
            _ => break,
        }
        rest = after;
    }
    (owner, path(rest, ".lock").to_owned())
}

/// A path: to the end of `suffix` where it occurs (paths may hold spaces), else to the next space or quote.
fn path<'a>(text: &'a str, suffix: &str) -> &'a str {
    let line = text.lines().next().unwrap_or("");
    let ends = line.match_indices(suffix).map(|(at, _)| at + suffix.len());
    for end in ends {
        let boundary = line[end..]
            .chars()
            .next()
            .is_none_or(|next| matches!(next, ' ' | '"' | '\'' | ')' | ',' | '\\' | ';' | ':' | '|'));
        if boundary {
            return &line[..end];
        }
    }
    line.split([' ', '"']).next().unwrap_or("")
}

/// `SomethingError` at the front, or in 9.6's metadata suffix.
fn class(text: &str) -> Option<String> {
    let first = text.split([':', ' ']).next().unwrap_or("");
    let named = first.ends_with("Error") && first.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    named.then(|| first.to_owned()).or_else(|| fields::owned(text, "errorName="))
}

fn after<'a>(text: &'a str, known: &str) -> Option<&'a str> {
    text.find(known).map(|at| &text[at + known.len()..])
}
