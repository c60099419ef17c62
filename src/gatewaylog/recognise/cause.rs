//! Error texts inside lines (`error="..."`, `errorMessage=`, after `handler failed:`): which [`Cause`] they name.

use super::super::event::{Cause, LockOwner, ModelFault};
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
    if text.contains("ompaction timed out") {
        return Some(Cause::Compaction { by_limit: true });
    }
    if let Some(rest) = after(text, "LLM idle timeout (") {
        return Some(Cause::ModelIdle { after_ms: fields::humane_ms(rest.split(')').next().unwrap_or("")) });
    }
    // The second is Codex's own server, which runs the model.
    if text.contains("idle-timeout") || text.contains("turn idle timed out") {
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
    if text.contains("file is not a database") || text.contains("database disk image is malformed") {
        return Some(Cause::DatabaseDamaged);
    }
    if DATABASE_REPLACED.iter().any(|words| text.contains(words)) {
        return Some(Cause::DatabaseReplaced);
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
    let model = ["request timed out", "Request timed out", "app-server attempt timed out"]
        .iter()
        .any(|known| text.contains(known));
    if model {
        return Some(Cause::ModelTimeout);
    }
    model_fault(text).map(Cause::Model).or_else(|| channel_down(text))
}

/// What 2026.9.6 says where a database is not the file any more that it has open.
const DATABASE_REPLACED: [&str; 6] = [
    "database closed or changed",
    "database file identity changed",
    "database physical identity changed",
    "database path was replaced",
    "database open was replaced",
    "no longer matches its borrowed native owner",
];

/// Of words that no model's error has.
fn channel_down(text: &str) -> Option<Cause> {
    const WORDS: [&str; 2] = ["active WhatsApp Web listener", "WebSocket message as the client is not ready"];
    // grammY's, of the methods that carry an answer: nobody misses a sign of typing.
    let unsent = after(text, "Network request for 'send").is_some_and(|rest| !rest.starts_with("ChatAction"));
    (unsent || WORDS.iter().any(|words| text.contains(words))).then_some(Cause::ChannelDown)
}

/// Only of an error that says itself that it is a model's: a channel has its own 429.
fn model_fault(text: &str) -> Option<ModelFault> {
    const OF_MODELS: [&str; 11] = [
        "FailoverError",
        "All models failed",
        "_error",
        "isError=true",
        "server_is_overloaded",
        "Unknown model",
        "LLM request failed",
        "Re-authenticate the provider",
        "after a provider auth",
        "OAuth token refresh failed",
        "No available auth profile",
    ];
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if !says(&OF_MODELS) {
        return None;
    }
    // `temporarily disabled after a provider auth/billing failure`, and `models status` knows which.
    if says(&["provider auth/billing failure"]) {
        return Some(ModelFault::SignIn);
    }
    let is_known: [(&[&str], ModelFault); 8] = [
        (
            &[
                "connection refused by the provider",
                "DNS lookup for the provider",
                "provider endpoint is unreachable",
                "failed: network connection",
                "reported a network error",
                "proxy or tunnel configuration",
                "certificate validation rejected",
            ],
            ModelFault::Unreachable,
        ),
        (&["nknown model", "odel not found", "model_not_found", "o such model"], ModelFault::UnknownModel),
        (
            &["ontext length", "context_length", "ontext overflow", "rompt is too long"],
            ModelFault::ContextFull,
        ),
        (&["402", "billing", "nsufficient", "redit balance", "uota"], ModelFault::Billing),
        (
            &[
                "429",
                "ate limit",
                "usage limit",
                "rate_limit",
                "rate-limit",
                "oo many requests",
                "Too Many Requests",
            ],
            ModelFault::RateLimit,
        ),
        (&["verloaded", "503", "529", "emporarily unavailable"], ModelFault::Overloaded),
        (
            &[
                "401",
                "403",
                "uthentication",
                "nauthorized",
                "API key",
                "api key",
                "api_key",
                "OAuth",
                "has expired",
            ],
            ModelFault::SignIn,
        ),
        // Last: where the reason of it stands too, that is told.
        (&["all in cooldown or unavailable)", "(all in cooldown)"], ModelFault::Cooldown),
    ];
    let named = is_known.iter().find(|(words, _)| says(words)).map(|(_, fault)| *fault);
    let is_an_error = says(&["FailoverError", "All models failed"]);
    named.or_else(|| is_an_error.then_some(ModelFault::Other))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_gave_no_answer_says_why() {
        for (text, fault) in [
            ("FailoverError: HTTP 401 authentication_error: OAuth token has expired", ModelFault::SignIn),
            // 2026.9.6: no server at the provider's address, then one that answers with 401.
            ("LLM request failed: connection refused by the provider endpoint.", ModelFault::Unreachable),
            (
                "\u{26a0}\u{fe0f} fake/fake-1 request failed (authentication failed, HTTP 401). Re-authenticate the provider and try again.",
                ModelFault::SignIn,
            ),
            (
                "Inline API key for provider \"fake\" is temporarily disabled after a provider auth/billing failure. Retry after about 1 minute, or switch to a different auth profile/API key.",
                ModelFault::SignIn,
            ),
            ("FailoverError: 403 {\"error\":{\"type\":\"permission_error\"}}", ModelFault::SignIn),
            (
                "FailoverError: \u{26a0}\u{fe0f} API rate limit reached. Please try again later.",
                ModelFault::RateLimit,
            ),
            ("FailoverError: Unknown model: mistralai/magistral-small", ModelFault::UnknownModel),
            ("FailoverError: The AI service is temporarily overloaded.", ModelFault::Overloaded),
            ("run agent end: isError=true error=overloaded_error", ModelFault::Overloaded),
            ("FailoverError: 402 Your credit balance is too low", ModelFault::Billing),
            ("All models failed (2): a: Context overflow: prompt too large", ModelFault::ContextFull),
            ("FailoverError: Provider returned error", ModelFault::Other),
            ("No available auth profile for p (all in cooldown or unavailable)", ModelFault::Cooldown),
            ("OAuth token refresh failed for p: p token refresh failed (401): {", ModelFault::SignIn),
        ] {
            assert_eq!(of(text), Cause::Model(fault), "{text}");
        }
        // A channel's own limit, and a lock in disguise, are no model's.
        assert!(!matches!(of("Call to 'sendMessage' failed! (429: Too Many Requests)"), Cause::Model(_)));
        assert!(of("FailoverError: session file locked (timeout 10000ms): pid=1 /a.jsonl.lock").is_lock());
    }

    #[test]
    fn a_damaged_database_is_told_from_a_busy_one() {
        assert_eq!(of("Error: file is not a database: code=ERR_SQLITE_ERROR"), Cause::DatabaseDamaged);
        let removed = "Borrowed agent database closed or changed before Worker admission";
        assert_eq!(of(removed), Cause::DatabaseReplaced);
        assert_eq!(of("Error: SQLITE_BUSY: database is locked"), Cause::DatabaseBusy);
    }
}
