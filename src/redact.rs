//! What must not leave the machine, out of everything that is shown: tokens, phone numbers, e-mail addresses, chat
//! ids, user names in paths, message text. Pure text to text; the same input gives the same output, so two redacted
//! rows can still be matched.

use std::borrow::Cow;

/// Shown in place of what is cut out.
const CUT: &str = "…";

/// Redacts, or (`--no-redact`) passes everything through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redactor {
    On,
    Off,
}

impl Redactor {
    /// A session key: `agent:main:telegram:direct:123456789` → `agent:main:telegram:direct:…1f3a`.
    pub fn key(self, key: &str) -> Cow<'_, str> {
        match self {
            Self::Off => Cow::Borrowed(key),
            Self::On => Cow::Owned(session_key(key)),
        }
    }

    /// A lane: `session:<key>`, `nested:<key>`, `main`.
    pub fn lane(self, lane: &str) -> Cow<'_, str> {
        match (self, lane.find("agent:")) {
            (Self::On, Some(at)) => Cow::Owned(format!("{}{}", &lane[..at], session_key(&lane[at..]))),
            (Self::On, None) if lane.contains(':') => Cow::Owned(session_key(lane)),
            _ => Cow::Borrowed(lane),
        }
    }

    /// A path: the user's name goes, the rest stays.
    pub fn path(self, path: &str) -> Cow<'_, str> {
        self.text(path)
    }

    /// Any text: a log line, an error, a sentence.
    pub fn text(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Off => Cow::Borrowed(text),
            Self::On => Cow::Owned(redact(text)),
        }
    }
}

/// Words of a session key that say what kind of conversation it is, not whose.
const KEY_WORDS: &[&str] = &[
    "agent",
    "main",
    "default",
    "global",
    "unknown",
    "session",
    "nested",
    "cron",
    "run",
    "hook",
    "heartbeat",
    "subagent",
    "direct",
    "dm",
    "group",
    "channel",
    "thread",
    "topic",
    "room",
    "guild",
    "account",
    "peer",
    "acp",
    "webchat",
    "web",
    "telegram",
    "discord",
    "whatsapp",
    "slack",
    "signal",
    "imessage",
    "bluebubbles",
    "matrix",
    "msteams",
    "googlechat",
    "mattermost",
    "line",
    "irc",
    "nostr",
    "zalo",
    "feishu",
    "tlon",
    "twitch",
    "nextcloud-talk",
    "probe",
    "temp",
    "auth-probe",
];

fn session_key(key: &str) -> String {
    let mut shown = String::with_capacity(key.len());
    for (index, part) in key.split(':').enumerate() {
        if index > 0 {
            shown.push(':');
        }
        // The second part is the agent's id: the name of a directory, and needed to act on anything.
        let agent = index == 1 && key.starts_with("agent:");
        if agent || KEY_WORDS.contains(&part) || part.starts_with(CUT) {
            shown.push_str(part);
        } else if is_uuid(part) {
            shown.push_str(&part[..8]);
            shown.push_str(CUT);
        } else {
            shown.push_str(CUT);
            shown.push_str(&digest(part));
        }
    }
    shown
}

/// Four hex digits: enough to match two rows, far too few to get a phone number back (each stands for a hundred
/// thousand numbers).
fn digest(text: &str) -> String {
    // FNV-1a, folded: must be the same on every machine and in every release.
    let hash =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{:04x}", (hash >> 16) ^ (hash & 0xffff))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn redact(text: &str) -> String {
    let text = phone_numbers(&quoted_content(text));
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(is_break).unwrap_or(rest.len());
        if end > 0 {
            let (token, after) = rest.split_at(end);
            // `Bearer TOKEN`, `Bot TOKEN`: the next word is the secret, whatever it looks like.
            let secret_next = announces_secret(&shown) && token.len() >= 8
                || names_secret(&shown)
                || shown.ends_with("crontab of ");
            if secret_next {
                shown.push_str(CUT);
            } else {
                shown.push_str(&word(token));
            }
            rest = after;
        }
        let separator = rest.find(|c| !is_break(c)).unwrap_or(rest.len());
        shown.push_str(&rest[..separator]);
        rest = &rest[separator..];
    }
    shown
}

fn is_break(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | ',' | ';' | '|')
}

fn announces_secret(shown: &str) -> bool {
    let before = shown.trim_end();
    let last = before.rsplit(is_break).next().unwrap_or("");
    let gap = shown.len() > before.len();
    gap && ["bearer", "basic", "bot", "token"]
        .contains(&last.rsplit(['=', ':']).next().unwrap_or("").to_ascii_lowercase().as_str())
        && before.to_ascii_lowercase().contains("authorization")
        || gap && last.eq_ignore_ascii_case("bearer")
}

/// `token: `, `x-api-key: `, `"password":"`: the value comes next.
fn names_secret(shown: &str) -> bool {
    let named = shown.trim_end_matches(['"', '\'', ':', ' ']);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = named.rsplit(|c| !is_part(c)).next().unwrap_or("").to_ascii_lowercase();
    let secrets = ["token", "apikey", "api-key", "api_key", "password", "passwd", "secret", "cookie"];
    shown[named.len()..].contains(':') && secrets.iter().any(|secret| name.ends_with(secret))
}

/// One token: `key=value`, a path, a number, a secret.
fn word(token: &str) -> String {
    if let Some(at) = token.find("agent:")
        && (at == 0 || matches!(token.as_bytes()[at - 1], b'=' | b':'))
    {
        return format!("{}{}", word(&token[..at]), session_key(&token[at..]));
    }
    if let Some((scheme, rest)) = token.split_once("://")
        && !scheme.contains('=')
    {
        let shown = if scheme.ends_with("file") { path(rest) } else { url(rest) };
        return format!("{scheme}://{shown}");
    }
    if let Some((key, value)) = token.split_once('=')
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '?' | '&' | '/' | ':'))
    {
        return format!("{key}={}", assigned(key, value));
    }
    if is_secret(token) {
        return CUT.to_owned();
    }
    if is_email(token) {
        return format!("{CUT}@{CUT}");
    }
    if token.contains('/') || token.contains('\\') {
        return path(token);
    }
    numbers(token)
}

/// The value of `key=`; durations and sizes are what the line is about.
fn assigned(key: &str, value: &str) -> String {
    if value.starts_with(CUT) {
        return value.to_owned();
    }
    let name = key.rsplit(['?', '&', '/', ':', '.']).next().unwrap_or(key).to_ascii_lowercase();
    if [
        "token",
        "secret",
        "password",
        "passwd",
        "apikey",
        "api_key",
        "api-key",
        "authorization",
        "cookie",
        "pin",
    ]
    .iter()
    .any(|secret| name.ends_with(secret))
        && !value.is_empty()
    // `tokenCount=`, `maxTokens=` end differently; `token=12` could be either and is cut.
    {
        return CUT.to_owned();
    }
    let counts = ["ms", "bytes", "size", "depth", "tokens", "at", "ticks", "line", "pid", "port"];
    if value.bytes().all(|byte| byte.is_ascii_digit()) && counts.iter().any(|count| name.ends_with(count)) {
        return value.to_owned();
    }
    if ["chatid", "messageid", "userid", "senderid", "channelid", "accountid", "to", "from", "sender", "peer"]
        .contains(&name.as_str())
        && value != "unknown"
        && value != "-"
        && !value.contains('/')
    {
        return format!("{CUT}{}", digest(value));
    }
    word(value)
}

fn url(rest: &str) -> String {
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host =
        authority.rsplit_once('@').map_or_else(|| authority.to_owned(), |(_, host)| format!("{CUT}@{host}"));
    let mut shown = host;
    // A path segment may be a secret by itself: api.telegram.org/bot<TOKEN>/getUpdates.
    let (segments, query) = tail.split_at(tail.find(['?', '#']).unwrap_or(tail.len()));
    for (index, segment) in segments.split('/').enumerate() {
        if index > 0 {
            shown.push('/');
        }
        shown.push_str(&if is_secret(segment) || segment.len() > 40 {
            CUT.to_owned()
        } else {
            numbers(segment)
        });
    }
    if let Some(mark) = query.chars().next() {
        shown.push(mark);
        shown.push_str(CUT);
    }
    shown
}

/// Shapes of well-known credentials, and anything long and random enough to be one.
fn is_secret(token: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "sk-",
        "sk_",
        "pk_",
        "rk_",
        "xox",
        "xapp-",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "AIza",
        "AKIA",
        "ASIA",
        "eyJ",
        "ya29.",
        "hf_",
        "gsk_",
        "npm_",
        "pypi-",
        "xai-",
        "whsec_",
        "SG.",
        "EAA",
        "-----BEGIN",
        "nvapi-",
    ];
    let token = token.trim_end_matches(['.', ':', '!', '?', '=']);
    if token.len() >= 12 && PREFIXES.iter().any(|prefix| token.starts_with(prefix)) {
        return true;
    }
    let bot = token.strip_prefix("bot").unwrap_or(token);
    if let Some((id, secret)) = bot.split_once(':')
        && (6..=12).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_digit())
        && secret.len() >= 20
    {
        return true;
    }
    let opaque = token
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'='));
    let has = |test: fn(&u8) -> bool| token.as_bytes().iter().filter(|byte| test(byte)).count() >= 3;
    opaque
        && token.len() >= 32
        && !is_uuid(token)
        && !token.contains(".js")
        && has(u8::is_ascii_digit)
        && (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
            || token.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_email(token: &str) -> bool {
    token.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !host.contains(['/', '@']) && !user.contains('/')
    })
}

/// `/home/NAME/…`, `/Users/NAME/…`, `C:\Users\NAME\…`; and chat ids in file names (`<sid>-topic-<id>.jsonl`).
fn path(token: &str) -> String {
    let mut shown = String::with_capacity(token.len());
    let mut parent = String::new();
    for piece in token.split_inclusive(['/', '\\']) {
        let name = piece.trim_end_matches(['/', '\\']);
        let user = matches!(parent.as_str(), "home" | "Users") && !name.is_empty();
        if user || is_secret(name) || is_email(name) {
            shown.push_str(CUT);
        } else {
            shown.push_str(&numbers(name));
        }
        shown.push_str(&piece[name.len()..]);
        name.clone_into(&mut parent);
    }
    shown
}

/// Chat ids and national phone numbers: nine digits in a row or more.
fn numbers(token: &str) -> String {
    if is_uuid(token) || looks_dated(token) {
        return token.to_owned();
    }
    let mut shown = String::with_capacity(token.len());
    let mut rest = token;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let len = rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
        let digits = &rest[start..start + len];
        shown.push_str(&rest[..start]);
        // Inside a uuid or a hash digits belong to hex; what stands alone is an id.
        let hex = rest[..start].ends_with(|c: char| c.is_ascii_hexdigit())
            || rest[start + len..].starts_with(|c: char| c.is_ascii_hexdigit());
        let unit = rest[start + len..].starts_with("ms");
        if len >= 9 && !hex && !unit {
            shown.push_str(CUT);
            shown.push_str(&digest(digits));
        } else {
            shown.push_str(digits);
        }
        rest = &rest[start + len..];
    }
    shown.push_str(rest);
    shown
}

/// `+49 170 1234567`: an international number, with spaces or dashes or without.
fn phone_numbers(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        let (before, number) = rest.split_at(plus);
        shown.push_str(before);
        let len = number[1..]
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')')))
            .map_or(number.len(), |at| at + 1);
        let candidate = number[..len].trim_end_matches([' ', '-', '.', '(', ')']);
        let digits: String = candidate.chars().filter(char::is_ascii_digit).collect();
        let starts_with_digit = number[1..].starts_with(|c: char| c.is_ascii_digit());
        if starts_with_digit
            && (8..=15).contains(&digits.len())
            && !before.ends_with(|c: char| c.is_ascii_alphanumeric())
        {
            shown.push_str(CUT);
            shown.push_str(&digest(&digits));
            rest = &number[candidate.len()..];
        } else {
            shown.push('+');
            rest = &number[1..];
        }
    }
    shown.push_str(rest);
    shown
}

/// A time stamp or a dated file name.
fn looks_dated(token: &str) -> bool {
    let bytes = token.as_bytes();
    bytes.len() >= 10
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[5..7].iter().all(u8::is_ascii_digit)
}

/// `lastAssistant="..."` and the like hold what people wrote; the quotes stay, the words go.
fn quoted_content(text: &str) -> Cow<'_, str> {
    const KEYS: &[&str] = &[
        "lastAssistant=\"",
        "lastUser=\"",
        "cronJob=\"",
        "text=\"",
        "body=\"",
        "prompt=\"",
        "content=\"",
        "stopped=\"",
        "title=\"",
        "\"text\":\"",
        "\"body\":\"",
        "\"prompt\":\"",
        "\"content\":\"",
    ];
    let mut shown = Cow::Borrowed(text);
    for key in KEYS {
        let mut from = 0;
        while let Some(at) = shown[from..].find(key) {
            let start = from + at + key.len();
            let bytes = shown.as_bytes();
            let mut end = start;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            let tail = shown.get(end.min(shown.len())..).unwrap_or("").to_owned();
            shown = Cow::Owned(format!("{}{CUT}{tail}", &shown[..start]));
            from = start + CUT.len();
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(text: &str) -> String {
        Redactor::On.text(text).into_owned()
    }

    #[test]
    fn whatever_names_a_secret_hides_its_value() {
        for line in [
            "token: hunter2",
            "x-api-key: hunter2",
            "cookie: hunter2",
            "password: hunter2",
            r#"{"apiKey":"hunter2"}"#,
            r#"{"botToken": "hunter2"}"#,
            r#"text="hello" and text="hunter2 here""#,
            r#"{"text":"dear hunter2"}"#,
            "see https://example.com/cb#access_token=hunter2",
            "at file:///home/hunter2/.npm-global/lib/node_modules/openclaw/dist/x.js:1:2",
        ] {
            assert!(!on(line).contains("hunter2"), "{}", on(line));
        }
        assert_eq!(on("tokens: 1234 used, cached=12"), "tokens: 1234 used, cached=12");
    }

    #[test]
    fn secrets_of_every_shape_go() {
        for (line, secret) in [
            ("error=\"401 invalid key sk-ant-api03-AbCdEf0123456789\"", "sk-ant"),
            ("Authorization: Bearer abcdefgh12345678", "abcdefgh"),
            (
                "url=https://api.telegram.org/bot8123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getUpdates",
                "AAHdq",
            ),
            ("token 8123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "AAHdq"),
            ("slack xoxb-123456789012-abcdefABCDEF", "xoxb"),
            ("https://user:hunter2@example.org/x?token=abc", "hunter2"),
            ("https://example.org/x?key=abcdef", "abcdef"),
            ("gatewayToken=s3cr3t", "s3cr3t"),
            ("password=hunter2", "hunter2"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x", "eyJhb"),
            ("hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "9f86d081884c"),
            ("call +49 170 1234567 or +491701234567", "1701234567"),
            ("from anna.muster@example.org", "anna"),
            ("sessionKey=agent:main:telegram:direct:123456789 state=idle", "123456789"),
            ("lane=session:agent:main:discord:channel:1465000000000000000 waitedMs=5", "146500"),
            ("/home/anna/.openclaw/agents/main/sessions/x.jsonl.lock", "anna"),
            ("/Users/anna/.openclaw/x.jsonl", "anna"),
            ("C:\\Users\\anna\\.openclaw\\x.jsonl", "anna"),
            ("lastAssistant=\"dear \\\"bob\\\", the code is 4711\" recovery=none", "bob"),
            ("chatId=4711 messageId=99", "4711"),
            ("/home/node/x/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42-topic-998877665544.jsonl", "998877665544"),
        ] {
            let shown = on(line);
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn what_the_line_is_about_stays() {
        for line in [
            "lane wait exceeded: lane=session:agent:main:main waitedMs=101778 queueAhead=0",
            "embedded run timeout: runId=07556e30-35c0-4001-808f-832740607b59 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 timeoutMs=172800000",
            "liveness warning: reasons=event_loop_delay interval=30s eventLoopDelayP99Ms=1811.9 eventLoopDelayMaxMs=3804.2",
            "memory pressure: level=critical rssBytes=3221225472",
            "session file locked (timeout 10000ms): pid=4194305 /root/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock",
            "removed stale session lock: /var/lib/x.jsonl.lock (dead-pid, too-old)",
            "log file: /tmp/openclaw/openclaw-2026-11-22.log",
            "2026-11-22T14:07:28.500Z [diagnostic] x",
            "listening on ws://127.0.0.1:18789 (PID 6580)",
        ] {
            assert_eq!(on(line), line);
        }
    }

    #[test]
    fn a_key_keeps_its_shape_and_two_rows_of_it_match() {
        let one = Redactor::On.key("agent:main:telegram:direct:123456789").into_owned();
        assert!(
            one.starts_with("agent:main:telegram:direct:…")
                && one.len() == "agent:main:telegram:direct:…".len() + 4,
            "{one}"
        );
        assert_eq!(one, on("agent:main:telegram:direct:123456789"));
        assert_eq!(on(&one), one);
        assert_ne!(one, Redactor::On.key("agent:main:telegram:direct:123456780"));
        assert_eq!(Redactor::On.key("agent:work:main"), "agent:work:main");
        assert_eq!(Redactor::On.lane("session:agent:main:main"), "session:agent:main:main");
        assert_eq!(
            Redactor::On.key("agent:main:cron:5b6f9c1a-aaaa-4bbb-8ccc-0123456789ab"),
            "agent:main:cron:5b6f9c1a…"
        );
        assert_eq!(Redactor::Off.key("agent:main:telegram:direct:1"), "agent:main:telegram:direct:1");
    }

    #[test]
    fn redacting_twice_changes_nothing() {
        for line in [
            "chatId=4711 x@y.org +491701234567 /home/anna/x",
            "lastAssistant=\"a\" sessionKey=agent:main:slack:channel:C0123ABCD",
        ] {
            assert_eq!(on(&on(line)), on(line));
        }
    }
}
