//! What must not leave the machine, out of everything that is shown: tokens, phone numbers, e-mail addresses, chat
//! ids, user names in paths, message text. Pure text to text; the same input gives the same output, so two redacted
//! rows can still be matched.

mod keys;
mod numbers;
mod places;
mod secrets;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

/// Shown in place of what is cut out.
const CUT: &str = "…";

/// How much is redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redactor {
    /// Made to be shared: user names in paths go, too.
    On,
    /// For whoever sits at this machine: a path stands as it is, so that a command with it works.
    OwnPaths,
    /// `--no-redact`.
    Off,
}

impl Redactor {
    /// A session key: `agent:main:telegram:direct:123456789` → `agent:main:telegram:direct:…1f3a`.
    pub fn key(self, key: &str) -> Cow<'_, str> {
        match self {
            Self::Off => Cow::Borrowed(key),
            Self::On | Self::OwnPaths => Cow::Owned(keys::session_key(key)),
        }
    }

    /// A lane: `session:<key>`, `nested:<key>`, `main`.
    pub fn lane(self, lane: &str) -> Cow<'_, str> {
        match self {
            Self::Off => Cow::Borrowed(lane),
            Self::On | Self::OwnPaths => keys::lane(lane),
        }
    }

    /// The path of a file that somebody may have to name in a command.
    pub fn path(self, path: &str) -> Cow<'_, str> {
        match self {
            Self::Off | Self::OwnPaths => Cow::Borrowed(path),
            Self::On => self.text(path),
        }
    }

    /// Any text: a log line, an error, a sentence.
    pub fn text(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Off => Cow::Borrowed(text),
            Self::On | Self::OwnPaths => Cow::Owned(redact(text)),
        }
    }
}

/// Word by word, then the numbers, which may run over several words.
fn redact(text: &str) -> String {
    let text = quoted_content(text);
    let mut shown = String::with_capacity(text.len());
    let mut rest = &*text;
    while !rest.is_empty() {
        let end = rest.find(is_break).unwrap_or(rest.len());
        if end > 0 {
            let (token, after) = rest.split_at(end);
            // `Bearer TOKEN`, `Bot TOKEN`: the next word is the secret, whatever it looks like.
            let secret_next = secrets::announced_by(&shown) && token.len() >= 8
                || secrets::named_by(&shown)
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
    // Last, as a number may be a part of a secret.
    numbers::mask(&shown)
}

fn is_break(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | ',' | ';' | '|')
}

/// One token: `key=value`, a session key, a path, a secret.
fn word(token: &str) -> String {
    if let Some(at) = keys::start(token) {
        return format!("{}{}", word(&token[..at]), keys::session_key(&token[at..]));
    }
    if let Some((scheme, rest)) = token.split_once("://")
        && !scheme.contains('=')
    {
        let shown = if scheme.ends_with("file") { places::path(rest) } else { places::url(rest) };
        return format!("{scheme}://{shown}");
    }
    if let Some((key, value)) = token.split_once('=')
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '?' | '&' | '/' | ':'))
    {
        return format!("{key}={}", assigned(key, value));
    }
    if secrets::is_secret(token) {
        return CUT.to_owned();
    }
    if places::is_email(token) {
        return format!("{CUT}@{CUT}");
    }
    if token.contains('/') || token.contains('\\') {
        return places::path(token);
    }
    token.to_owned()
}

/// The value of `key=`.
fn assigned(key: &str, value: &str) -> String {
    const PEOPLE: [&str; 10] = [
        "chatid",
        "messageid",
        "userid",
        "senderid",
        "channelid",
        "accountid",
        "to",
        "from",
        "sender",
        "peer",
    ];
    const SESSIONS: [&str; 3] = ["sessionkey", "session", "lane"];
    if value.starts_with(CUT) {
        return value.to_owned();
    }
    let name = key.rsplit(['?', '&', '/', ':', '.']).next().unwrap_or(key).to_ascii_lowercase();
    if secrets::is_name_of_one(&name) && !value.is_empty() {
        return CUT.to_owned();
    }
    if SESSIONS.contains(&name.as_str()) && value.contains(':') {
        return keys::lane(value).into_owned();
    }
    // A telephone number may go on in the next word.
    let goes_on = value.starts_with(['+', '0']);
    if PEOPLE.contains(&name.as_str())
        && value != "unknown"
        && value != "-"
        && !value.contains('/')
        && !goes_on
    {
        return keys::masked(value);
    }
    word(value)
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
