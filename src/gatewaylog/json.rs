//! One JSON line, whatever wrote it: a tslog record of any era, json console style, `openclaw logs --json`, or a
//! container's envelope (docker json-file, `journalctl -o json`) around another line.

use super::level::Level;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The keys that mean something, last one wins; the rest is `extra`.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// tslog's positional arguments `"0"`, `"1"`, `"2"` ... in order.
    pub(super) args: Vec<Arg>,
    pub(super) meta: Option<TslogMeta>,
    pub(super) time: Option<String>,
    pub(super) level: Option<Level>,
    pub(super) subsystem: Option<String>,
    pub(super) message: Option<String>,
    /// `openclaw logs --json` carries the file's own line here.
    pub(super) raw: Option<String>,
    /// docker json-file.
    pub(super) log: Option<String>,
    /// What log collectors call the line.
    pub(super) line: Option<String>,
    /// journald: `MESSAGE` (a byte array when it holds control characters), and the fields around it.
    pub(super) journal_message: Option<String>,
    pub(super) journal_micros: Option<i64>,
    pub(super) journal_pid: Option<u32>,
    pub(super) extra: Map<String, Value>,
}

impl Object {
    /// Nothing in it says anything.
    pub(super) fn is_empty(&self) -> bool {
        let told = [&self.message, &self.raw, &self.log, &self.line, &self.journal_message];
        self.args.is_empty() && told.iter().all(|text| text.is_none())
    }
}

#[derive(Debug)]
pub(super) enum Arg {
    Text(String),
    Object(Map<String, Value>),
    Other,
}

#[derive(Debug, Default)]
pub(super) struct TslogMeta {
    pub(super) date: Option<String>,
    pub(super) level: Option<Level>,
    pub(super) name: Option<String>,
}

/// `None` when the line is not one whole JSON object.
pub(super) fn parse(line: &str) -> Option<Object> {
    let mut json = serde_json::Deserializer::from_str(line);
    let object = json.deserialize_map(ObjectVisitor).ok()?;
    json.end().ok()?;
    Some(object)
}

/// The JSON object that `text` starts with, and what follows it.
pub(super) fn leading_object(text: &str) -> Option<(Map<String, Value>, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Map<String, Value>>();
    let object = values.next()?.ok()?;
    let rest = &text[values.byte_offset()..];
    Some((object, rest.trim_start()))
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Arg => object.args.push(map.next_value::<Arg>()?),
                Key::Meta => object.meta = map.next_value_seed(MetaSeed)?,
                Key::Time => object.time = text(map.next_value()?),
                Key::Level => object.level = level(&map.next_value()?),
                Key::Subsystem => object.subsystem = text(map.next_value()?),
                Key::Message => object.message = text(map.next_value()?),
                Key::Raw => object.raw = text(map.next_value()?),
                Key::Log => object.log = text(map.next_value()?),
                Key::Line => {
                    // Some have a number of that name as well.
                    if let Value::String(line) = map.next_value()? {
                        object.line = Some(line);
                    }
                }
                Key::JournalMessage => object.journal_message = bytes_or_text(map.next_value()?),
                Key::JournalMicros => object.journal_micros = number(map.next_value()?),
                Key::JournalPid => {
                    object.journal_pid = number(map.next_value()?).and_then(|pid| pid.try_into().ok());
                }
                Key::Ignored => {
                    map.next_value::<IgnoredAny>()?;
                }
                Key::Other(name) => {
                    object.extra.insert(name, map.next_value()?);
                }
            }
        }
        Ok(object)
    }
}

enum Key {
    Arg,
    Meta,
    Time,
    Level,
    Subsystem,
    Message,
    Raw,
    Log,
    Line,
    JournalMessage,
    JournalMicros,
    JournalPid,
    Ignored,
    Other(String),
}

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "_meta" => Key::Meta,
                    "time" | "timestamp" | "@timestamp" | "ts" | "datetime" => Key::Time,
                    "level" => Key::Level,
                    "subsystem" | "module" => Key::Subsystem,
                    "message" => Key::Message,
                    "raw" => Key::Raw,
                    "log" => Key::Log,
                    "line" | "msg" | "text" | "textPayload" | "body" | "@message" => Key::Line,
                    "MESSAGE" => Key::JournalMessage,
                    "__REALTIME_TIMESTAMP" => Key::JournalMicros,
                    "_PID" => Key::JournalPid,
                    "type" | "stream" | "hostname" | "traceId" | "spanId" | "parentSpanId" | "traceFlags" => {
                        Key::Ignored
                    }
                    _ if key.len() <= 2 && key.bytes().all(|byte| byte.is_ascii_digit()) => Key::Arg,
                    // journald's own fields; there are dozens.
                    _ if key.starts_with('_') => Key::Ignored,
                    _ => Key::Other(key.to_owned()),
                })
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

impl<'de> serde::Deserialize<'de> for Arg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::String(text) => Self::Text(text),
            Value::Object(map) => Self::Object(map),
            _ => Self::Other,
        })
    }
}

/// `_meta` is half of every record (file paths of the caller); only three of its keys are looked at.
struct MetaSeed;

impl<'de> serde::de::DeserializeSeed<'de> for MetaSeed {
    type Value = Option<TslogMeta>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MetaSeed {
    type Value = Option<TslogMeta>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tslog's _meta")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut meta = TslogMeta::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "date" => meta.date = text(map.next_value()?),
                "logLevelName" => meta.level = level(&map.next_value()?),
                "name" => meta.name = text(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(meta))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// journald writes numbers as strings.
fn number(value: Value) -> Option<i64> {
    text(value)?.parse().ok()
}

fn level(value: &Value) -> Option<Level> {
    value.as_str().and_then(Level::from_name)
}

fn bytes_or_text(value: Value) -> Option<String> {
    match value {
        Value::Array(items) => {
            let bytes: Option<Vec<u8>> =
                items.iter().map(|item| item.as_u64().and_then(|b| u8::try_from(b).ok())).collect();
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        }
        other => text(other),
    }
}
