//! What somebody sent, or waits for, and what came to nothing. The known families first; then any line that says in
//! whatever words that a message or a job failed, so that the next family is heard before anybody has described it.

use super::super::event::{Cause, Event, Fate, Loss, SessionRef, Undelivered};
use super::super::fields;
use super::super::level::Level;
use super::line::Line;
use super::{cause, channels};

/// The families that have been met.
pub(super) fn known(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    let lost = if text.starts_with("Channel ingress claim") && text.contains(" stalled for event ") {
        // `Channel ingress claim\u{2192}adoption stalled for event E on lane L after Nms; marking failed (handler-timeout).`
        let rest = text.split_once(" stalled for event ")?.1;
        Undelivered { item: first_word(rest), ..lost(line, Loss::Ingress) }
    } else if text.contains("spool handler timed out behind update ")
        || text.contains("backlog stalled behind update ")
    {
        let rest = text.split_once(" behind update ")?.1;
        Undelivered { item: first_word(rest), ..lost(line, Loss::Ingress) }
    } else if let Some((_, rest)) = text.split_once("spooled update ") {
        if !says_failure(text) {
            return None;
        }
        Undelivered { item: first_word(rest), ..lost(line, Loss::Ingress) }
    } else if text.contains("debounce") && says_failure(text) {
        lost(line, Loss::Ingress)
    } else if let Some(by_limit) = compaction(line) {
        let cause = Cause::Compaction { by_limit };
        // `retrying=false` is no retry.
        Undelivered { channel: None, fate: Fate::Unknown, cause, ..lost(line, Loss::Message) }
    } else if text.starts_with("incomplete turn detected") && text.contains("surfacing error") {
        Undelivered { channel: None, cause: Cause::NoText, ..lost(line, Loss::Message) }
    } else if text.contains("retry failed for entry ") {
        // A reply whose sending was cut off: OpenClaw cannot tell whether it went out, and does not send it again.
        let fate = if text.contains("refusing blind replay") { Fate::GivenUp } else { fate(text) };
        Undelivered { fate, ..lost(line, Loss::Message) }
    } else if text.contains("message dropped")
        || is_bare_session_error(text)
        || text.contains("inbound worker timed out after ")
    {
        lost(line, Loss::Message)
    } else if text.starts_with("failed to resume interrupted ") {
        // Its message was cut off by a restart, and stays without an answer.
        Undelivered { channel: None, ..lost(line, Loss::Message) }
    } else if (text.contains("announce") || text.starts_with("Subagent ")) && says_failure(text) {
        announce(line)
    } else if is_of_a_job(line) && says_failure(text) && !is_harmless(text) {
        Undelivered { lane: Some("cron".to_owned()), ..lost(line, Loss::Job) }
    } else {
        return None;
    };
    Some(Event::Undelivered(Box::new(lost)))
}

/// A compaction that came to nothing, and whether its time limit ended it: `Compaction failed: E`, `context-engine
/// compaction failed`, `using current snapshot: timed out during compaction`, `[compaction-diag] end ... outcome=failed`.
fn compaction(line: &Line<'_>) -> Option<bool> {
    // There was nothing to do, or it had just been done.
    const CALM: [&str; 3] = ["othing to compact", "lready compacted", "below threshold"];
    let text = line.text;
    if is_quiet(line) || CALM.iter().any(|words| text.contains(words)) {
        return None;
    }
    let by_limit = text.contains("timed out") || text.contains("reason=timeout");
    let ended = text.contains("ompaction failed") || text.contains("timed out during compaction");
    let diagnosed = line.tag == "compaction-diag"
        && text.contains("outcome=failed")
        && (by_limit || text.contains("reason=summary_failed") || text.contains("reason=provider_error"));
    (ended || diagnosed).then_some(by_limit)
}

/// An error about a session that reached the log by itself, or behind its class.
fn is_bare_session_error(text: &str) -> bool {
    let bare = text.strip_prefix("Error: ").unwrap_or(text);
    (bare.starts_with("Session ") || bare.starts_with("reply session initialization"))
        && matches!(
            cause::known(text),
            Some(Cause::SessionChanged | Cause::SessionConflict | Cause::TurnClaimed { .. })
        )
}

/// `Subagent announce failed: E`, `announce queue drain failed for K: E`,
/// `Subagent completion direct announce failed for run R: E`,
/// `Subagent announce give up (retry-limit) run=R child=K requester=K retries=3 ... deliveryError=E`.
fn announce(line: &Line<'_>) -> Undelivered {
    let text = line.text;
    let requester = fields::owned(text, "requester=");
    let named = text.split_once(" for run ").and_then(|(_, rest)| first_word(rest));
    let lost = lost(line, Loss::Announce);
    let session = SessionRef { key: requester.or(lost.session.key), id: None };
    Undelivered { session, item: fields::owned(text, "run=").or(named), ..lost }
}

/// Any other line that says that a message, or a job, failed.
pub(super) fn any(line: &Line<'_>) -> Option<Event> {
    let text = line.text;
    if is_quiet(line) || !says_failure(text) || is_harmless(text) || is_of_a_tool(line.tag) {
        return None;
    }
    let head = text.split(['\n', ':']).next().unwrap_or(text).to_ascii_lowercase();
    let what = if is_of_a_message(&head) { Loss::Message } else { return None };
    Some(Event::Undelivered(Box::new(lost(line, what))))
}

fn is_quiet(line: &Line<'_>) -> bool {
    matches!(line.record.level, Level::Trace | Level::Debug | Level::Info)
}

/// What can be read off any such line.
fn lost(line: &Line<'_>, what: Loss) -> Undelivered {
    let text = line.text;
    let subsystem = line.record.subsystem.as_deref().unwrap_or("");
    let channel =
        channels::channel_of(line.tag).or_else(|| channels::channel_of(subsystem)).map(str::to_owned);
    let lane = fields::until(text, "lane ", " after ").or_else(|| fields::until(text, "lane ", " for "));
    let id = fields::owned(text, "sessionId=");
    Undelivered {
        what,
        fate: fate(text),
        session: SessionRef { id, key: session_key(text) },
        lane: lane.filter(|lane| !lane.contains(' ')).map(str::to_owned),
        channel: channel.filter(|name| !matches!(name.as_str(), "cron" | "diagnostic" | "openclaw")),
        item: fields::owned(text, "messageId=").or_else(|| fields::owned(text, "jobId=")),
        after_ms: after_ms(text),
        count: fields::number_before(text, " pending reply").unwrap_or(1),
        cause: cause::of(reason(text)),
        reason: reason(text).to_owned(),
    }
}

/// ` after 300000ms`, ` after 1500.34s`, ` after 1800 seconds`.
fn after_ms(text: &str) -> Option<u64> {
    let rest = text.split_once(" after ")?.1;
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
    let unit = rest[digits..].trim_start();
    let end = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
    fields::humane_ms(&format!("{}{}", &rest[..digits], &unit[..end]))
}

/// The words behind the verb.
fn reason(text: &str) -> &str {
    let text = text.lines().next().unwrap_or(text);
    if let Some(error) = fields::quoted_to_last(text, "error=") {
        return error;
    }
    let behind =
        ["failed: ", "failure: ", "retry: ", "dead-lettered: ", "deliveryError=", "error=", "reason="];
    let named = behind.iter().find_map(|mark| text.split_once(mark)).map(|(_, rest)| rest);
    let rest = named.or_else(|| {
        let at = text.find("ailed")?;
        text[at..].split_once(": ").map(|(_, rest)| rest)
    });
    rest.unwrap_or(text).trim()
}

fn fate(text: &str) -> Fate {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&[
        "marking failed",
        "marking the update failed",
        "give up",
        "giving up",
        "gave up",
        "dead-letter",
        "dropped",
        "iscarded",
        "non-retryable",
        "retry limit",
    ]) {
        Fate::GivenUp
    } else if says(&["retry", "requeue", "queued for recovery", "reschedul"]) {
        Fate::Retried
    } else {
        Fate::Unknown
    }
}

/// The first session key in the text: `agent:<id>:<rest>`.
fn session_key(text: &str) -> Option<String> {
    if let Some(key) = fields::owned(text, "sessionKey=") {
        return Some(key);
    }
    let at = text.find("agent:").filter(|at| !text[..*at].ends_with(|c: char| c.is_ascii_alphanumeric()))?;
    let key = text[at..]
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ')' | '(' | ';'))
        .next()?;
    let key = key.trim_end_matches([':', '.']);
    (key.matches(':').count() >= 2).then(|| key.to_owned())
}

fn says_failure(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "failed",
        "Failed to ",
        "failure",
        "timed out",
        "dropped",
        "give up",
        "giving up",
        "gave up",
        "iscarded",
        "stalled",
        "conflicted",
        "dead-letter",
        "could not be delivered",
        "not delivered",
        "undeliver",
        "expired without",
        "retry limit",
        "rror: ",
    ];
    WORDS.iter().any(|word| text.contains(word))
}

fn is_of_a_message(head: &str) -> bool {
    const WORDS: &[&str] = &[
        "message",
        "reply",
        "replies",
        "dispatch",
        "inbound",
        "deliver",
        "outbound",
        "ingress",
        "flush",
        "turn ",
        "followup",
        "send failed",
        "sending",
        "webhook event",
    ];
    // `update 735973206` is Telegram's word for a message; `update check` is not.
    let update =
        head.split_once("update ").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    update || WORDS.iter().any(|word| head.contains(word))
}

fn is_of_a_job(line: &Line<'_>) -> bool {
    // The third stands in the list of jobs too: `"lastError": "Error: cron: job execution timed out"`.
    line.text.starts_with("cron: ")
        || line.text.starts_with("Error: cron: ")
        || line.text.contains("cron: job execution timed out")
        || line.tag == "cron"
}

/// A tool that fails is the agent's business, and a request to the gateway is answered with its error.
fn is_of_a_tool(tag: &str) -> bool {
    matches!(tag, "tools" | "ws" | "model-fetch" | "memory" | "browser" | "exec" | "media" | "tts")
        || tag.starts_with("plugin")
}

/// Housekeeping: nobody waits for it.
fn is_harmless(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "leanup",
        "clean up",
        // A browser that went away.
        "broadcast send",
        "reaction",
        "typing",
        "hook",
        "best-effort",
        "efresh",
        "warm",
        "probe",
        "bookkeeping",
        "repair",
        "maintenance",
        "notification",
        "memory",
        "ompaction",
        "metadata",
        "thumbnail",
        "ttachment",
        "preview",
        "draft",
        "plugin",
        "skill",
        "catalog",
        "persist",
        "transcri",
        "telemetry",
        "approval",
        "pairing",
        "read receipt",
        "markdown",
        "sentinel",
        "install",
        "package",
        "Update failure",
        "onfig",
        "sendChatAction",
        "setMyCommands",
        "falling back",
        "fallback",
    ];
    // A web hook brings messages, a hook runs beside them.
    let text = text.replace("webhook", "");
    WORDS.iter().any(|word| text.contains(word))
}

fn first_word(text: &str) -> Option<String> {
    text.split([' ', ';', ':', '.', ',']).next().filter(|word| !word.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::super::read_line;
    use super::super::recognise;
    use super::*;

    fn read(line: &str) -> Option<Undelivered> {
        match recognise(&read_line(line.as_bytes(), None).unwrap()) {
            Some(Event::Undelivered(lost)) => Some(*lost),
            _ => None,
        }
    }

    #[test]
    fn each_family_names_what_was_lost_and_whose_it_was() {
        let lost = read("[telegram] [telegram][diag] spooled update 7 failed; keeping for retry attempt 2/8: socket hang up").unwrap();
        assert_eq!((lost.what, lost.fate, lost.item.as_deref()), (Loss::Ingress, Fate::Retried, Some("7")));
        assert_eq!((lost.reason.as_str(), lost.channel.as_deref()), ("socket hang up", Some("telegram")));

        let lost = read("[matrix] Channel ingress claim\u{2192}adoption stalled for event e9 on lane matrix:room:1 after 300000ms; applying retry policy (handler-timeout).").unwrap();
        assert_eq!(
            (lost.what, lost.fate, lost.lane.as_deref()),
            (Loss::Ingress, Fate::Retried, Some("matrix:room:1"))
        );

        let lost = read("Subagent announce give up (expired) run=r1 child=agent:a:subagent:1 requester=agent:b:main retries=3 deliveryError=timeout").unwrap();
        assert_eq!((lost.what, lost.session.key.as_deref()), (Loss::Announce, Some("agent:b:main")));
        assert_eq!((lost.fate, lost.reason.as_str()), (Fate::GivenUp, "timeout"));

        let lost = read("[cron] cron: job failed: Error: no such model").unwrap();
        assert_eq!((lost.what, lost.reason.as_str()), (Loss::Job, "Error: no such model"));
    }

    #[test]
    fn a_run_that_a_restart_cut_off_is_lost() {
        let line = "[main-session-restart-recovery] failed to resume interrupted main session agent:a:telegram:group:-1:topic:7: Error: restart recovery admission changed before settlement";
        let lost = read(line).unwrap();
        assert_eq!(lost.session.key.as_deref(), Some("agent:a:telegram:group:-1:topic:7"));
        assert_eq!(
            (lost.what, lost.reason.as_str()),
            (Loss::Message, "Error: restart recovery admission changed before settlement")
        );
    }

    #[test]
    fn an_announce_that_ran_into_a_timeout_is_a_result_that_was_lost() {
        let lost =
            read("Subagent completion direct announce failed for run r1: gateway request timeout for agent")
                .unwrap();
        assert_eq!((lost.what, lost.item.as_deref()), (Loss::Announce, Some("r1")));
    }

    #[test]
    fn a_family_that_nobody_has_described_is_heard() {
        for (line, key) in [
            (
                "[line] reply dispatch failed for agent:main:line:direct:u1: Error: 502",
                Some("agent:main:line:direct:u1"),
            ),
            ("[gateway/delivery] dropped inbound message: queue is full", None),
            ("2026-11-22T14:00:00Z error slack giving up on outbound message after 5 tries", None),
        ] {
            let lost = read(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((lost.what, lost.session.key.as_deref()), (Loss::Message, key), "{line}");
        }
    }

    #[test]
    fn tools_housekeeping_and_talk_are_not_messages_that_failed() {
        for line in [
            "[tools] message failed: Error: no such chat",
            "[gateway] remote model catalog refresh failed",
            "[telegram] message reaction failed: 400",
            "[whatsapp] Inbound message +1 -> +2 (direct, 4 chars)",
            "[agent] the user said: the job failed",
            "{\"time\":\"2026-11-22T14:00:00Z\",\"level\":\"info\",\"subsystem\":\"x\",\"message\":\"message failed once, sent now\"}",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
