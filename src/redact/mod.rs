//! What must not leave the machine, out of everything that is shown: tokens, phone numbers, e-mail addresses, chat
//! ids, user names in paths, message text. Pure text to text; the same input gives the same output, so two redacted
//! rows can still be matched.

mod allowed;
mod command;
mod document;
mod keys;
mod named;
mod numbers;
mod places;
mod secrets;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use keys::Agents;

/// Shown in place of what is cut out.
const CUT: &str = "…";

/// How much is redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redactor {
    /// Made to be shared: user names in paths go, too.
    On,
    /// For a user of this machine: paths are shown as they are, so that a command with one works.
    OwnPaths,
    /// For a user at this machine's terminal: session keys are shown as well, so that a chat can be recognised.
    OwnChats,
    /// `--no-redact`.
    Off,
}

/// Makes masks unlike those of other installs: two reports of two people cannot be matched.
pub fn salt_with(secret: &[u8]) {
    keys::salt_with(secret);
}

impl Redactor {
    fn agents(self) -> Agents {
        if self == Self::On { Agents::Masked } else { Agents::Named }
    }

    /// A session key: `agent:main:telegram:direct:123456789` → `agent:main:telegram:direct:…1f3a`.
    pub fn key(self, key: &str) -> Cow<'_, str> {
        match self {
            Self::Off | Self::OwnChats => Cow::Borrowed(key),
            Self::On | Self::OwnPaths => Cow::Owned(keys::session_key(key, self.agents())),
        }
    }

    /// A lane: `session:<key>`, `nested:<key>`, `main`.
    pub fn lane(self, lane: &str) -> Cow<'_, str> {
        match self {
            Self::Off | Self::OwnChats => Cow::Borrowed(lane),
            Self::On | Self::OwnPaths => keys::lane(lane, self.agents()),
        }
    }

    /// An agent's name.
    pub fn agent(self, agent: &str) -> Cow<'_, str> {
        match self {
            Self::Off | Self::OwnPaths | Self::OwnChats => Cow::Borrowed(agent),
            Self::On => keys::word(agent),
        }
    }

    /// The id of a session or a run: a UUID stands.
    pub fn session(self, id: &str) -> Cow<'_, str> {
        match self {
            Self::Off | Self::OwnPaths | Self::OwnChats => Cow::Borrowed(id),
            Self::On => Cow::Owned(allowed::session(id)),
        }
    }

    /// The path of a file that somebody may have to name in a command; what leaves the machine names what is
    /// OpenClaw's in it.
    pub fn path(self, path: &str) -> Cow<'_, str> {
        match self {
            Self::Off | Self::OwnPaths | Self::OwnChats => Cow::Borrowed(path),
            Self::On => Cow::Owned(allowed::path(path)),
        }
    }

    /// One technical word out of a line: a model, an error's class, a channel, a reason.
    pub fn name(self, name: &str) -> Cow<'_, str> {
        if self == Self::Off || allowed::is_name(name) { Cow::Borrowed(name) } else { Cow::Borrowed(CUT) }
    }

    /// A line of a log, or a part of one: what is known of it, and nothing else.
    pub fn line(self, line: &str) -> Cow<'_, str> {
        match self {
            Self::Off => Cow::Borrowed(line),
            Self::On | Self::OwnPaths | Self::OwnChats => Cow::Owned(allowed::line(line)),
        }
    }

    /// A line of somebody's crontab.
    pub fn command(self, line: &str) -> Cow<'_, str> {
        match self {
            Self::Off => Cow::Borrowed(line),
            Self::On | Self::OwnPaths | Self::OwnChats => Cow::Owned(command::line(line, self.agents())),
        }
    }

    /// Text of which nothing is known.
    pub fn unknown(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Off => Cow::Borrowed(text),
            Self::On | Self::OwnPaths | Self::OwnChats => Cow::Owned(format!("{CUT} ({} bytes)", text.len())),
        }
    }

    /// A sentence of ours with names in it; what was put between [`foreign`]'s marks is shown as far as it is known.
    pub fn text(self, text: &str) -> Cow<'_, str> {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find([FOREIGN, LOCAL]) {
            shown.push_str(&self.own(&rest[..at]));
            let mark = if rest[at..].starts_with(LOCAL) { LOCAL } else { FOREIGN };
            let inside = &rest[at + mark.len_utf8()..];
            let (part, after) = inside.split_once(mark).unwrap_or((inside, ""));
            match (self, mark) {
                (Self::Off, _) | (Self::OwnPaths | Self::OwnChats, LOCAL) => shown.push_str(part),
                (Self::On, LOCAL) if allowed::is_name(part) => shown.push_str(part),
                (Self::On, LOCAL) if part.contains('/') => shown.push_str(&allowed::path(part)),
                (Self::On, LOCAL) => shown.push_str(&keys::masked(part)),
                _ => shown.push_str(&allowed::line(part)),
            }
            rest = after;
        }
        shown.push_str(&self.own(rest));
        Cow::Owned(shown.replace(&format!("{SAYS}{CUT}{SAID}"), ""))
    }

    fn own(self, text: &str) -> Cow<'_, str> {
        if self == Self::Off { Cow::Borrowed(text) } else { Cow::Owned(redact(text, self.agents())) }
    }
}

/// Stand around what nobody here wrote, in a sentence that waits for [`Redactor::text`].
const FOREIGN: char = '\u{2}';
const LOCAL: char = '\u{3}';

/// Marks what comes out of a line or a row, for a sentence of ours.
pub fn foreign(text: &str) -> String {
    format!("{FOREIGN}{}{FOREIGN}", text.replace([FOREIGN, LOCAL], ""))
}

const SAYS: &str = " OpenClaw's words: \"";
const SAID: &str = "\".";

/// A sentence that quotes OpenClaw; [`Redactor::text`] leaves it out where none of it may be shown.
pub fn quotation(words: &str) -> String {
    format!("{SAYS}{}{SAID}", foreign(words))
}

/// Marks a name that only users of this machine may read: of a process, of an agent, of a file.
pub fn local(name: &str) -> String {
    format!("{LOCAL}{}{LOCAL}", name.replace([FOREIGN, LOCAL], ""))
}

/// Word by word, then the numbers, which may run over several words.
fn redact(text: &str, agents: Agents) -> String {
    let text = quoted_content(text);
    let mut shown = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(first) = rest.chars().next() {
        if let Some((value, length)) = named::value_at(&shown, rest) {
            shown.push_str(&value);
            rest = &rest[length..];
        } else if is_break(first) {
            shown.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (token, after) = rest.split_at(named::token_end(rest));
            // `Bearer TOKEN`, `Bot TOKEN`: the next word is the secret, whatever it looks like.
            let secret_next =
                secrets::announced_by(&shown) && token.len() >= 8 || shown.ends_with("crontab of ");
            if secret_next {
                shown.push_str(CUT);
            } else {
                shown.push_str(&word(token, rest, agents));
            }
            rest = after;
        }
    }
    // Last, as a number may be a part of a secret.
    numbers::mask(&shown)
}

fn is_break(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | ',' | ';' | '|')
}

/// One token: `key=value`, a session key, a path, a secret. `text` begins with it.
fn word(token: &str, text: &str, agents: Agents) -> String {
    // Most words of a sentence.
    if token.len() < secrets::SHORTEST && token.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.')
    {
        return token.to_owned();
    }
    if let Some(at) = keys::start(token) {
        return format!("{}{}", word(&token[..at], text, agents), keys::session_key(&token[at..], agents));
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
        return format!("{key}={}", assigned(key, value, &text[key.len() + 1..], agents));
    }
    if secrets::is_secret(token) {
        return CUT.to_owned();
    }
    if places::is_email(token) {
        return format!("{CUT}@{CUT}");
    }
    if token.contains('/') || token.contains('\\') {
        return match agents {
            Agents::Masked if token.starts_with(['/', '~']) => allowed::path(token),
            _ => places::path(token),
        };
    }
    token.to_owned()
}

/// The value of `key=`, with which `text` begins.
fn assigned(key: &str, value: &str, text: &str, agents: Agents) -> String {
    const SESSIONS: [&str; 3] = ["sessionkey", "session", "lane"];
    if value.is_empty() || value.starts_with(CUT) {
        return value.to_owned();
    }
    let name = key.rsplit(['?', '&', '/', ':', '.']).next().unwrap_or(key).to_ascii_lowercase();
    if secrets::is_name_of_one(&name) {
        return CUT.to_owned();
    }
    if SESSIONS.contains(&name.as_str()) && value.contains(':') {
        return keys::lane(value, agents).into_owned();
    }
    // A telephone number may go on in the next word, and is masked with it.
    let goes_on = !value.contains(char::is_alphabetic) && numbers::is_phone(text);
    if named::is_of_a_person(&name, value) && !goes_on {
        return keys::masked(value);
    }
    word(value, text, agents)
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
    if !text.contains("=\"") && !text.contains("\":\"") {
        return shown;
    }
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
