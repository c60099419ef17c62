//! One line, whatever wraps it, as a [`Record`]: when, how loud, from where, what. Pure: the caller passes the bytes
//! and the base date for stamps that lack one.
//!
//! Envelopes are peeled from the outside in (container or journal prefix, JSON envelope, console prefix); the
//! innermost stamp that names a day wins, since outer ones are later by the time the line travelled.

use super::json::{self, Arg, Object};
use super::level::Level;
use super::stamp::{self, Dating, Stamp};
use super::{ansi, prefix};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// A line that was read. What it means is for [`recognise`](super::recognise).
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// `None`: the line carries no stamp (raw stderr), or one without a day and no base date was given.
    pub at: Option<DateTime<Utc>>,
    pub level: Level,
    pub subsystem: Option<String>,
    /// The whole text, without colours, prefixes and bindings.
    pub message: String,
    /// Metadata that was logged with the text.
    pub meta: Map<String, Value>,
    /// The writer's pid, where the envelope knows it (journal, SQLite metadata).
    pub pid: Option<u32>,
    /// `openclaw logs` prints `level subsystem text` unmarked: the subsystem may be the text's first word.
    pub(super) guessed_subsystem: bool,
    /// The stamp is a time of day only.
    pub(super) undated: bool,
}

/// Why a line could not be read as a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    Blank,
    /// Starts like JSON and is not: cut off by a crash, or mixed with another line.
    BrokenJson,
    /// JSON of another program.
    ForeignJson,
}

/// How many envelopes may lie around a line (kubectl prefix, CRI, journald, `openclaw logs`, tslog).
const MAX_DEPTH: usize = 6;

/// Reads one line. `dating` completes stamps that lack the day or the offset.
pub fn read_line(line: &[u8], dating: Option<&Dating>) -> Result<Record, Unreadable> {
    let line = String::from_utf8_lossy(line);
    // A file that was cut by a crash and grown again begins with NULs.
    let line = line.trim_matches(|c: char| c == '\0' || c == '\u{feff}' || c == '\r' || c == '\n');
    Peeler { stamp: None, pid: None, level: Level::Unknown, dating }.peel(line, MAX_DEPTH)
}

struct Peeler<'d> {
    stamp: Option<Stamp>,
    pid: Option<u32>,
    level: Level,
    dating: Option<&'d Dating>,
}

impl Peeler<'_> {
    fn peel(&mut self, line: &str, depth: usize) -> Result<Record, Unreadable> {
        let plain = ansi::strip(line);
        let mut text = plain.trim_end();
        for _ in 0..MAX_DEPTH {
            let peeled = prefix::peel(text);
            if let Some(stamp) = peeled.stamp {
                self.saw(stamp);
            }
            self.pid = peeled.pid.or(self.pid);
            if peeled.rest.len() == text.len() {
                break;
            }
            text = peeled.rest;
        }
        if text.is_empty() {
            return Err(Unreadable::Blank);
        }
        if text.starts_with('{') {
            return match json::parse(text) {
                Some(object) => self.object(object, depth),
                None => self.behind_bindings(text),
            };
        }
        Ok(self.console(text))
    }

    /// `{"subsystem":"diagnostic"} "stuck session: ..."`, as people copy it out of a record.
    fn behind_bindings(&mut self, text: &str) -> Result<Record, Unreadable> {
        let (Some(name), rest) = unbind(text) else { return Err(Unreadable::BrokenJson) };
        let quoted = rest.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest));
        Ok(self.finish(Some(name), false, quoted.unwrap_or(rest).to_owned(), Map::new()))
    }

    /// A stamp further in replaces one further out, unless it names no day and the other does.
    fn saw(&mut self, stamp: Stamp) {
        if stamp.is_dated() || self.stamp.is_none_or(|outer| !outer.is_dated()) {
            self.stamp = Some(stamp);
        }
    }

    fn saw_text(&mut self, text: &str) {
        if let Some(stamp) = stamp::leading(text).map(|(stamp, _)| stamp).or_else(|| stamp::epoch(text)) {
            self.saw(stamp);
        }
    }

    fn object(&mut self, object: Object, depth: usize) -> Result<Record, Unreadable> {
        if let Some(meta) = &object.meta {
            // `time` is local from 3.2 on and UTC before; `_meta.date` is UTC in every version.
            if let Some(time) = meta.date.as_deref().or(object.time.as_deref()) {
                self.saw_text(time);
            }
            return Ok(self.tslog(object));
        }
        // What is repeated as it was in the file has more in it, if it is whole.
        let raw = object.raw.as_ref().filter(|raw| json::parse(raw).is_none_or(|raw| !raw.is_empty()));
        let inner = raw.or(object.journal_message.as_ref()).or(object.log.as_ref());
        if let (Some(inner), true) = (inner, depth > 0) {
            if let Some(micros) = object.journal_micros
                && let Some(at) = DateTime::from_timestamp_micros(micros)
            {
                self.saw(Stamp::Instant(at));
            }
            if let Some(time) = &object.time {
                self.saw_text(time);
            }
            self.pid = object.journal_pid.or(self.pid);
            self.level = object.level.unwrap_or(self.level);
            return self.peel(inner.trim_end_matches(['\n', '\r']), depth - 1);
        }
        if let Some(time) = &object.time {
            self.saw_text(time);
        }
        let Some(message) = object.message else {
            return match object.line.filter(|_| depth > 0) {
                Some(line) if object.subsystem.is_none() => {
                    self.level = object.level.unwrap_or(self.level);
                    self.peel(line.trim_end_matches(['\n', '\r']), depth - 1)
                }
                Some(line) => Ok(self.json_console(object.level, object.subsystem, &line, object.extra)),
                None => Err(Unreadable::ForeignJson),
            };
        };
        Ok(self.json_console(object.level, object.subsystem, &message, object.extra))
    }

    fn tslog(&mut self, object: Object) -> Record {
        let mut subsystem = object.subsystem;
        let mut meta = Map::new();
        let mut message = String::new();
        for (index, arg) in object.args.into_iter().enumerate() {
            match arg {
                Arg::Text(text) if index == 0 && text.starts_with('{') => match bindings(&text) {
                    Some(map) => subsystem = bound_name(&map).map(str::to_owned).or(subsystem),
                    None => push_words(&mut message, &text),
                },
                Arg::Text(text) => push_words(&mut message, &text),
                Arg::Object(map) => meta.extend(map),
                Arg::Other => {}
            }
        }
        if message.is_empty() {
            message = object.message.unwrap_or_default();
        }
        if let Some(tslog) = object.meta {
            self.level = tslog.level.unwrap_or(Level::Unknown);
            let name = tslog.name.as_deref().and_then(bindings);
            subsystem = subsystem.or_else(|| name.as_ref().and_then(bound_name).map(str::to_owned));
        }
        let plain = ansi::strip(&message);
        // A captured console line has its own prefix inside (root records, every era).
        if subsystem.is_none() {
            let console = prefix::console(plain.trim_end());
            return self.finish(
                console.subsystem.map(str::to_owned),
                false,
                console.message.to_owned(),
                meta,
            );
        }
        let message = plain.trim_end().to_owned();
        self.finish(subsystem, false, message, meta)
    }

    fn json_console(
        &mut self,
        level: Option<Level>,
        subsystem: Option<String>,
        message: &str,
        meta: Map<String, Value>,
    ) -> Record {
        self.level = level.unwrap_or(Level::Unknown);
        let plain = ansi::strip(message);
        let (bound, message) = unbind(plain.trim_end());
        if subsystem.is_some() || bound.is_some() {
            let message = message.to_owned();
            return self.finish(subsystem.or(bound), false, message, meta);
        }
        let console = prefix::console(message);
        self.finish(console.subsystem.map(str::to_owned), false, console.message.to_owned(), meta)
    }

    fn console(&mut self, text: &str) -> Record {
        let mut console = prefix::console(text);
        if console.subsystem.is_none() {
            console = prefix::located(text).unwrap_or(console);
        }
        if let Some(stamp) = console.stamp {
            self.saw(stamp);
        }
        self.level = console.level.unwrap_or(self.level);
        // `openclaw logs` up to 9.6 joins the bindings into the text: `... diagnostic {"subsystem":"diagnostic"} lane ...`.
        let (bound, message) = unbind(console.message);
        let guessed = console.guessed && bound.is_none();
        let subsystem = bound.or_else(|| console.subsystem.map(str::to_owned));
        let (meta, message) = match json::leading_object(message).filter(|_| message.starts_with('{')) {
            Some((meta, rest)) if !rest.is_empty() => (meta, rest.to_owned()),
            _ => (Map::new(), message.to_owned()),
        };
        self.finish(subsystem, guessed, message, meta)
    }

    fn finish(
        &mut self,
        subsystem: Option<String>,
        guessed: bool,
        message: String,
        meta: Map<String, Value>,
    ) -> Record {
        let from_meta = || meta.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
        Record {
            at: self.stamp.and_then(|stamp| stamp.resolve(self.dating)),
            level: self.level,
            subsystem,
            message,
            pid: self.pid.or_else(from_meta),
            meta,
            guessed_subsystem: guessed,
            undated: self.stamp.is_some_and(|stamp| !stamp.is_dated()),
        }
    }
}

/// A bindings string such as `{"subsystem":"diagnostic"}`, if it is one.
fn bindings(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Some(map),
        _ => None,
    }
}

fn bound_name(map: &Map<String, Value>) -> Option<&str> {
    ["subsystem", "module", "plugin"].iter().find_map(|key| map.get(*key).and_then(Value::as_str))
}

/// A bindings object in front of a text.
fn unbind(message: &str) -> (Option<String>, &str) {
    if !message.starts_with("{\"") {
        return (None, message);
    }
    let Some((map, rest)) = json::leading_object(message) else {
        return (None, message);
    };
    let rest = rest.strip_prefix(':').unwrap_or(rest).trim_start();
    match bound_name(&map) {
        Some(name) if !rest.is_empty() => (Some(name.to_owned()), rest),
        _ => (None, message),
    }
}

fn push_words(message: &mut String, text: &str) {
    if !message.is_empty() {
        message.push(' ');
    }
    message.push_str(text);
}
