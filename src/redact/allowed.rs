//! What may be shown of text that nobody here wrote: what is known to be OpenClaw's own. Everything else is left
//! out, whatever it looks like; no list of secrets has to be complete for that.

use std::sync::LazyLock;

use super::CUT;
use super::keys::{self, masked};
use super::numbers::is_uuid;

/// OpenClaw's own words: of its messages, channels, models and errors, one a line, sorted.
static VOCABULARY: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("vocabulary.txt").lines().collect());

/// Directories and files that OpenClaw, lockdoctor or the system name so.
const PLACES: &[&str] = &[
    ".clawdbot",
    ".dreams",
    ".moldbot",
    ".moltbot",
    ".openclaw",
    "Users",
    "acp",
    "agent",
    "agents",
    "archive",
    "auth-profiles.json.lock",
    "auth.json.lock",
    "commitments",
    "credentials",
    "crestodian",
    "cron",
    "data",
    "etc",
    "exec-approvals.json.lock",
    "extractor-sessions",
    "home",
    "internal-agent-runs",
    "jobs.json",
    "journal.jsonl",
    "lib",
    "lockdoctor",
    "locks",
    "logs",
    "main",
    "memory",
    "mnt",
    "node",
    "oauth-refresh",
    "openclaw",
    "openclaw-agent.sqlite",
    "openclaw.json",
    "openclaw.json.lock",
    "openclaw.sqlite",
    "opt",
    "plugins",
    "proc",
    "qmd",
    "quarantine",
    "root",
    "run",
    "sandbox",
    "sessions",
    "sessions.json",
    "sessions.json.lock",
    "short-term-promotion.lock",
    "srv",
    "state",
    "tmp",
    "transcripts",
    "usr",
    "var",
    "workspace",
    "gateway.state.lock",
    "clawdbot.json",
    "moltbot.json",
    "moldbot.json",
];

/// What a file's name may end with; the stem before it is told apart.
const ENDINGS: &[&str] = &[
    ".jsonl.lock.reclaim",
    ".jsonl.lock",
    ".jsonl",
    ".json.lock",
    ".lock.reclaim",
    ".json",
    ".sqlite",
    ".lock",
    ".log",
];

/// Names of numbers that count, measure or identify something of the machine.
const MEASURES: &[&str] = &[
    "age",
    "ahead",
    "active",
    "attempt",
    "attempts",
    "behind",
    "bytes",
    "count",
    "depth",
    "drained",
    "elapsed",
    "interval",
    "length",
    "limit",
    "max",
    "ms",
    "now",
    "pid",
    "port",
    "queue",
    "queued",
    "released",
    "size",
    "total",
    "utilization",
    "waiting",
    "core",
    "ratio",
];

fn is_known(word: &str) -> bool {
    VOCABULARY.binary_search(&word).is_ok()
}

/// `lane`, `MESSAGE_CREATE`, `SessionWriteLockTimeoutError`, `claude-opus-4-1`: every part is a known word, or a short
/// version number behind one.
pub(super) fn is_name(name: &str) -> bool {
    let mut seen = false;
    let parts = name.split(['-', '_', '.', ':', '/']).flat_map(humps);
    let all = parts.filter(|part| !part.is_empty()).all(|part| {
        let version = seen && part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        seen = true;
        version || is_known(&part.to_ascii_lowercase())
    });
    seen && all && name.len() <= 80
}

/// `session`, `Write`, `LLM` of `sessionWriteLLM`.
fn humps(word: &str) -> Vec<&str> {
    let bytes = word.as_bytes();
    let mut starts = vec![0];
    for at in 1..bytes.len() {
        let (before, here) = (bytes[at - 1], bytes[at]);
        let next_is_lower = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        let begins = here.is_ascii_uppercase() && (!before.is_ascii_uppercase() || next_is_lower)
            || here.is_ascii_digit() != before.is_ascii_digit();
        if begins && word.is_char_boundary(at) {
            starts.push(at);
        }
    }
    starts.push(word.len());
    starts.windows(2).map(|pair| &word[pair[0]..pair[1]]).collect()
}

/// A number that measures: by its own unit, or by the name before it.
fn is_measure(value: &str, name: Option<&str>) -> bool {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let unit = &value[digits.len()..];
    let is_number = !digits.is_empty()
        && digits.len() <= 13
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.matches('.').count() <= 1;
    let named = name.is_some_and(|name| {
        humps(name).iter().any(|part| MEASURES.contains(&part.to_ascii_lowercase().as_str()))
    });
    let has_unit =
        ["ms", "s", "m", "h", "MB", "KB", "GB", "MiB", "KiB", "GiB"].contains(&unit) && digits.len() <= 9;
    is_number && (has_unit || named && unit.is_empty())
}

/// The id of a session or a run: one that OpenClaw made stands, one that somebody gave is masked.
pub(super) fn session(id: &str) -> String {
    let (stem, topic) = id.split_once("-topic-").map_or((id, None), |(stem, topic)| (stem, Some(topic)));
    let shown = |part: &str| {
        let stands = is_uuid(part) || part == "unknown" || part.starts_with(CUT);
        if stands { part.to_owned() } else { masked(part) }
    };
    topic.map_or_else(|| shown(stem), |topic| format!("{}-topic-{}", shown(stem), shown(topic)))
}

/// A path, component by component: those that are known stand, each other has a mask of its own.
pub(super) fn path(path: &str) -> String {
    let mut shown = String::with_capacity(path.len());
    let mut above = "";
    for piece in path.split_inclusive(['/', '\\']) {
        let name = piece.trim_end_matches(['/', '\\']);
        shown.push_str(&component(name, above));
        shown.push_str(&piece[name.len()..]);
        above = name;
    }
    shown
}

fn component(name: &str, above: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let of_user = name.strip_prefix("openclaw-").or_else(|| name.strip_prefix("clawdbot-"));
    let of_gateway = name.strip_prefix("gateway.").and_then(|rest| rest.strip_suffix(".lock"));
    let of_day = of_user.and_then(|rest| rest.strip_suffix(".log"));
    let is_known = ["", ".", "..", "~"].contains(&name)
        || name.starts_with(CUT)
        || PLACES.contains(&name)
        || above == "proc" && is_number(name)
        || of_user.is_some_and(|uid| uid.len() <= 6 && is_number(uid))
        || of_gateway
            .is_some_and(|hash| hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || of_day.is_some_and(|day| day.len() == 10 && is_number(&day.replace('-', "")));
    if is_known {
        return name.to_owned();
    }
    match ENDINGS.iter().find(|ending| name.len() > ending.len() && name.ends_with(*ending)) {
        Some(ending) => format!("{}{ending}", session(&name[..name.len() - ending.len()])),
        None => session(name),
    }
}

/// A line of a log, or a part of one: the words of OpenClaw with which it begins, and its fields as far as their
/// values are known ones.
pub(super) fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(400));
    let mut begins = true;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // Any blank: a word ends at each, so each has to be passed here.
        if first.is_whitespace() || "[](){}<>,;:=|".contains(first) {
            shown.push(if first.is_whitespace() { ' ' } else { first });
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let end =
            rest.find(|c: char| c.is_whitespace() || "[](){}<>,;|=\"'`".contains(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(value) = after.strip_prefix('=').filter(|_| is_name(word)) {
            let (value, after) = value_of(value);
            shown.push_str(word);
            shown.push('=');
            shown.push_str(&field(word, value));
            rest = after;
            continue;
        }
        // A quotation, whole.
        if end == 0 {
            let (_, after) = value_of(rest);
            leave_out(&mut shown);
            (rest, begins) = (after, false);
            continue;
        }
        let bare = word.trim_end_matches([':', '.', '!', '?']);
        if word.contains('/') && (word.starts_with('/') || word.starts_with("~/")) {
            shown.push_str(&path(word));
        } else if begins
            && (is_name(bare) && !looks_like_a_name_of_somebody(bare)
                || is_measure(bare, None)
                || is_http_status(bare))
        {
            shown.push_str(word);
        } else {
            leave_out(&mut shown);
            begins = false;
        }
        rest = after;
    }
    shown
}

/// `401` in `HTTP 401`.
fn is_http_status(word: &str) -> bool {
    word.len() == 3 && word.parse::<u16>().is_ok_and(|status| (400..600).contains(&status))
}

/// `Will`, `Mark`: a capital where only a name has one.
fn looks_like_a_name_of_somebody(word: &str) -> bool {
    let only_first = word.starts_with(|c: char| c.is_ascii_uppercase())
        && word[1..].bytes().all(|byte| byte.is_ascii_lowercase());
    only_first && ["Will", "Mark", "May", "Pat", "Drew", "Grant", "Chase", "Grace"].contains(&word)
}

fn leave_out(shown: &mut String) {
    // One mark for all that is left out in a row, with what stands between.
    let end = shown.trim_end_matches(|c: char| c.is_ascii_whitespace() || ",;:=|".contains(c)).len();
    if shown[..end].ends_with(CUT) {
        shown.truncate(end);
    } else {
        shown.push_str(CUT);
    }
}

/// The value at the start of `text`, without its quotes, and what comes after it.
fn value_of(text: &str) -> (&str, &str) {
    let Some(quote) = text.chars().next().filter(|c| ['"', '\'', '`'].contains(c)) else {
        let end = text.find(|c: char| c.is_whitespace() || ",;)]}|\"".contains(c)).unwrap_or(text.len());
        return text.split_at(end);
    };
    let mut escaped = false;
    let inside = &text[1..];
    let end = inside.find(|c| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    end.map_or((inside, ""), |end| (&inside[..end], &inside[end + 1..]))
}

/// The value of a field, by its name.
fn field(name: &str, value: &str) -> String {
    let last = humps(name).last().map(|part| part.to_ascii_lowercase()).unwrap_or_default();
    match last.as_str() {
        "lane" | "key" | "session" => keys::lane(value, keys::Agents::Masked).into_owned(),
        "id" => session(value),
        "error" | "message" | "cause" => format!("\"{}\"", line(value)),
        _ if is_measure(value, Some(name)) || ["true", "false", "null", "-", ""].contains(&value) => {
            value.to_owned()
        }
        _ if value.starts_with('/') => path(value),
        _ if value.split(',').all(is_name) => value.to_owned(),
        _ => CUT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_is_sorted_and_has_no_short_hex_in_it() {
        assert!(VOCABULARY.is_sorted());
        assert!(VOCABULARY.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
    }

    #[test]
    fn openclaws_own_lines_stand() {
        for text in [
            "[diagnostic] lane wait exceeded: lane=session:agent:main:main waitedMs=101778 queueAhead=0",
            "embedded run timeout: runId=07556e30-35c0-4001-808f-832740607b59 timeoutMs=172800000",
            "stuck session: sessionId=unknown state=processing age=515s queueDepth=2 reason=stale_session_state recovery=none",
            "liveness warning: reasons=event_loop_delay interval=30s eventLoopDelayP99Ms=1811.9",
            "session file locked (timeout 10000ms): pid=4194305 alive=true ageMs=72859 /root/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock",
            "removed stale session lock: /tmp/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock (dead-pid, too-old)",
        ] {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn what_is_not_openclaws_is_left_out() {
        assert_eq!(line("handler failed: Error: please call 4711, dear Anna"), "handler failed: Error: …");
        assert_eq!(
            line("lane task error: lane=main durationMs=10 error=\"Error: meet me at noon\""),
            "lane task error: lane=main durationMs=10 error=\"Error: …\""
        );
        assert_eq!(line("failed code=hunter2 state=hunter2 pid=12"), "failed code=… state=… pid=12");
        assert_eq!(
            line("{\"token\":\"hunter2\"} /srv/kunden-mueller/x.json"),
            format!("{{…}} /srv/{}/{}.json", masked("kunden-mueller"), masked("x"))
        );
        assert!(!line("sessionId=boot-anna-1").contains("anna"));
    }

    /// A word ends at every blank of Unicode's: none may hold the reader up.
    #[test]
    fn blanks_that_are_no_ascii_are_passed() {
        for blank in ['\u{a0}', '\u{2028}', '\u{3000}', '\u{85}'] {
            assert_eq!(
                line(&format!("lane wait exceeded:{blank}lane=main{blank}")),
                "lane wait exceeded: lane=main "
            );
            assert_eq!(line(&blank.to_string()), " ");
        }
    }
}
