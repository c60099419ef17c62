//! The text of one message, and how its fields are read.

use super::super::event::SessionRef;
use super::super::record::Record;
use super::super::{fields, prefix};

/// One message on its way to becoming an event.
pub(super) struct Line<'a> {
    /// The text without `[tag]`s.
    pub(super) text: &'a str,
    /// The innermost tag, else the subsystem: `gateway/ws`, `tools`, `session-write-lock`.
    pub(super) tag: &'a str,
    pub(super) record: &'a Record,
}

impl<'a> Line<'a> {
    pub(super) fn of(record: &'a Record, message: &'a str) -> Self {
        let mut tag = record.subsystem.as_deref().unwrap_or("");
        let mut text = message.trim_start();
        while let Some((name, rest)) = prefix::bracketed(text) {
            tag = name;
            text = rest;
        }
        Self { text, tag, record }
    }

    pub(super) fn after(&self, start: &str) -> Option<&'a str> {
        self.text.strip_prefix(start)
    }

    /// A number from the metadata, else `key=N` from the text (9.6 appends metadata to console lines).
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.meta_number(key).or_else(|| fields::number(self.text, &format!("{key}=")))
    }

    pub(super) fn meta_number(&self, key: &str) -> Option<u64> {
        // Durations are sometimes fractional (1056.4); the fraction means nothing here.
        let value = self.record.meta.get(key)?;
        value.as_u64().or_else(|| value.as_f64().filter(|ms| *ms >= 0.0).map(|ms| ms as u64))
    }

    pub(super) fn string(&self, key: &str) -> Option<String> {
        match self.record.meta.get(key).and_then(serde_json::Value::as_str) {
            Some(value) => Some(value.to_owned()),
            None => fields::owned(self.text, &format!("{key}=")),
        }
    }
}

/// `sessionId=S sessionKey=K <next>=`: keys may contain spaces, so the next field's name ends them.
pub(super) fn session(text: &str, next: &str) -> SessionRef {
    let id = fields::until_or_word(text, "sessionId=", " sessionKey=").filter(|id| !id.contains(' '));
    let key = fields::until_or_word(text, "sessionKey=", next);
    let known = |name: Option<&str>| {
        name.filter(|name| !matches!(*name, "" | "unknown") && !name.starts_with('<')).map(str::to_owned)
    };
    SessionRef { id: known(id), key: known(key) }
}
