//! Message text → [`Event`]. Templates are those of OpenClaw's own source (clawdbot 2026.1.24 to openclaw 2026.9.6);
//! a text that fits none is `None`, never a guess.

mod cause;
mod channels;
mod failures;
mod lanes;
mod locks;
mod process;
mod runs;
mod sessions;

use super::event::{Event, SessionRef};
use super::fields;
use super::prefix;
use super::record::Record;

/// What the record means, if it is one of the known messages.
pub fn recognise(record: &Record) -> Option<Event> {
    let line = Line::of(record, &record.message);
    // `openclaw logs` prints root records as `error Embedded agent failed ...`: the "subsystem" was text.
    let word = record.subsystem.as_deref().filter(|_| record.guessed_subsystem);
    template(&line)
        .or_else(|| word.and_then(|word| template(&Line::of(record, &format!("{word} {}", record.message)))))
        .or_else(|| failures::known(&line))
        .or_else(|| locks::bare_error(&line))
        .or_else(|| failures::any(&line))
}

fn template(line: &Line<'_>) -> Option<Event> {
    lanes::read(line)
        .or_else(|| sessions::read(line))
        .or_else(|| runs::read(line))
        .or_else(|| locks::read(line))
        .or_else(|| process::read(line))
        .or_else(|| channels::read(line))
}

/// One message on its way to becoming an event.
struct Line<'a> {
    /// The text without `[tag]`s.
    text: &'a str,
    /// The innermost tag, else the subsystem: `gateway/ws`, `tools`, `session-write-lock`.
    tag: &'a str,
    record: &'a Record,
}

impl<'a> Line<'a> {
    fn of(record: &'a Record, message: &'a str) -> Self {
        let mut tag = record.subsystem.as_deref().unwrap_or("");
        let mut text = message.trim_start();
        while let Some((name, rest)) = prefix::bracketed(text) {
            tag = name;
            text = rest;
        }
        Self { text, tag, record }
    }

    fn after(&self, start: &str) -> Option<&'a str> {
        self.text.strip_prefix(start)
    }

    /// A number from the metadata, else `key=N` from the text (9.6 appends metadata to console lines).
    fn number(&self, key: &str) -> Option<u64> {
        self.meta_number(key).or_else(|| fields::number(self.text, &format!("{key}=")))
    }

    fn meta_number(&self, key: &str) -> Option<u64> {
        // Durations are sometimes fractional (1056.4); the fraction means nothing here.
        let value = self.record.meta.get(key)?;
        value.as_u64().or_else(|| value.as_f64().filter(|ms| *ms >= 0.0).map(|ms| ms as u64))
    }

    fn string(&self, key: &str) -> Option<String> {
        match self.record.meta.get(key).and_then(serde_json::Value::as_str) {
            Some(value) => Some(value.to_owned()),
            None => fields::owned(self.text, &format!("{key}=")),
        }
    }
}

/// `sessionId=S sessionKey=K <next>=`: keys may contain spaces, so the next field's name ends them.
fn session(text: &str, next: &str) -> SessionRef {
    let id = fields::until_or_word(text, "sessionId=", " sessionKey=").filter(|id| !id.contains(' '));
    let key = fields::until_or_word(text, "sessionKey=", next);
    let known = |name: Option<&str>| {
        name.filter(|name| !matches!(*name, "" | "unknown") && !name.starts_with('<')).map(str::to_owned)
    };
    SessionRef { id: known(id), key: known(key) }
}
