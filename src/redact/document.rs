//! A document that leaves the machine: each string is redacted according to its key, wherever it came from, and
//! while it is written, so that no second copy of it is ever in memory.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, Formatter};

use super::Redactor;

impl Redactor {
    /// Writes `document` as JSON, and of every string in it what may be shown of its kind.
    pub fn json(self, document: &impl Serialize, out: impl Write) -> serde_json::Result<()> {
        match self {
            Self::Off => serde_json::to_writer(out, document),
            _ => document.serialize(&mut Serializer::with_formatter(out, Redacting::by(self))),
        }
    }

    fn string(self, key: &str, text: &str) -> String {
        match key {
            "path" | "lock" | "store" | "database" | "directory" | "state_dir" => self.path(text),
            "agent" => self.agent(text),
            "session_id" | "run_id" => self.session(text),
            "session_key" => self.key(text),
            "lane" => self.lane(text),
            "command" if !text.contains(' ') => self.name(text),
            // Words of the contract, times, fingerprints; what people read has blanks in it.
            _ if !text.contains([' ', '/', '@']) => text.into(),
            _ => self.text(text),
        }
        .into_owned()
    }
}

/// Holds each string back until it is whole, and then writes what may be shown of it.
struct Redacting {
    redactor: Redactor,
    text: String,
    /// The key that the next value stands at; of a list's items, that of the list.
    key: String,
    is_key: bool,
    /// The keys of the objects around it.
    around: Vec<String>,
}

impl Redacting {
    fn by(redactor: Redactor) -> Self {
        Self { redactor, text: String::new(), key: String::new(), is_key: false, around: Vec::new() }
    }
}

impl Formatter for Redacting {
    fn begin_string<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.text.clear();
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, _: &mut W, fragment: &str) -> io::Result<()> {
        self.text.push_str(fragment);
        Ok(())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, _: &mut W, escape: CharEscape) -> io::Result<()> {
        self.text.push(match escape {
            CharEscape::Quote => '"',
            CharEscape::ReverseSolidus => '\\',
            CharEscape::Solidus => '/',
            CharEscape::Backspace => '\u{8}',
            CharEscape::FormFeed => '\u{c}',
            CharEscape::LineFeed => '\n',
            CharEscape::CarriageReturn => '\r',
            CharEscape::Tab => '\t',
            CharEscape::AsciiControl(byte) => char::from(byte),
        });
        Ok(())
    }

    fn end_string<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        if self.is_key {
            self.key.clone_from(&self.text);
            return Ok(serde_json::to_writer(out, &self.text)?);
        }
        Ok(serde_json::to_writer(out, &self.redactor.string(&self.key, &self.text))?)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.is_key = true;
        if first { Ok(()) } else { out.write_all(b",") }
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_key = false;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.around.push(self.key.clone());
        out.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.key = self.around.pop().unwrap_or_default();
        out.write_all(b"}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn redacted(document: &Value) -> String {
        let mut out = Vec::new();
        Redactor::On.json(document, &mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn nothing_that_names_somebody_is_left() {
        let lock = "/home/joedoe/.openclaw/agents/joe.doe@example.org/sessions/+4915112345678.jsonl.lock";
        let document = json!({
            "schema": "lockdoctor/event/v1", "at": "2026-11-29T12:00:00.000Z", "code": "stale-lock",
            "finding": {"agent": "joe.doe@example.org", "session_id": "+4915112345678", "lock": lock,
                "session_key": "agent:joe.doe@example.org:whatsapp:direct:+4915112345678",
                "names": ["call +4915112345678 now", {"agent": "joedoe"}, "at joe.doe@example.org "],
                "actions": [{"command": format!("lockdoctor reclaim {lock} --yes")}],
                "owner": {"command": "joedoe-bot"}},
        });
        let once = redacted(&document);
        for secret in ["joedoe", "joe.doe", "15112345678"] {
            assert!(!once.contains(secret), "{secret}: {once}");
        }
        assert!(once.contains("stale-lock") && once.contains(".openclaw/agents/"), "{once}");
        assert_eq!(redacted(&serde_json::from_str(&once).expect("JSON")), once);
    }

    #[test]
    fn what_is_no_text_of_others_stays_as_it_is() {
        let document = json!({"rule": "a \"b\"\\\n\t\u{1}\u{8} c", "empty": {}, "list": [], "n": [1, 2.5, null, true],
            "deep": {"deeper": [{"code": "stale-lock"}]}, "\"": "x"});
        assert_eq!(serde_json::from_str::<Value>(&redacted(&document)).expect("JSON"), document);
    }
}
