//! The bytes of a lock file as typed fields. Tolerant where OpenClaw's own readers are: each field stands
//! alone, unknown fields and trailing white space are ignored, a field of the wrong type counts as missing.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

/// Largest lock that is read. Real ones are below 500 bytes; fs-safe's own cap is 1 MiB.
pub const MAX_LOCK_BYTES: u64 = 64 * 1024;

/// Key that marks a lock file as lockdoctor's own tombstone (see `reclaim::tombstone`).
pub const TOMBSTONE_KEY: &str = "lockdoctor";
/// How the sentence under that key begins.
pub const TOMBSTONE_SENTENCE: &str = "lockdoctor freed this lock at ";
/// The key beside [`TOMBSTONE_KEY`] that ties a tombstone to its journal entry.
pub const TOMBSTONE_ID_KEY: &str = "lockdoctorId";
/// `PID_MAX_LIMIT` is 2^22 (`include/linux/threads.h`): this pid can belong to nobody.
pub const TOMBSTONE_PID: u32 = (1 << 22) + 1;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Empty,
    /// Not a payload that OpenClaw could have finished writing; the sentence says why.
    Malformed(&'static str),
    Parsed(Payload),
    /// The file was not opened: its shape alone decides.
    NotRead,
}

/// The fields of a completely written lock. `pid` is always there; a payload without a usable
/// pid is [`Content::Malformed`], as OpenClaw's readers treat it (`missing-pid`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    pub pid: u32,
    /// `createdAt` (ISO 8601), or the numeric `startedAt` / `createdAtMs` of other lock kinds.
    pub created_at: Option<DateTime<Utc>>,
    /// `starttime` (session, plugin locks) or `startTime` (gateway locks): field 22 of `/proc/PID/stat`,
    /// clock ticks since boot.
    pub start_ticks: Option<u64>,
    /// `maxHoldMs`, written from 2026.5.22 on.
    pub max_hold_ms: Option<u64>,
    pub format: Format,
    pub origin: Origin,
    /// Boxed: session locks come by the thousand and have none of it.
    pub gateway: Option<Box<OfGateway>>,
}

/// What only a gateway's lock says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfGateway {
    pub config_path: Option<String>,
    pub state_dir: Option<String>,
    pub port: Option<u16>,
    /// `ownerId`, from 2026.8.1 on: equal to the owner of the gateway's lease.
    pub owner_id: Option<String>,
    /// `role`, from 2026.8.1 on: what took the lock where that is no gateway.
    pub role: Option<String>,
}

/// How the payload was serialised: evidence of the OpenClaw version that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Format {
    pub layout: Layout,
    pub ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// `JSON.stringify(x, null, 2)`.
    #[default]
    Pretty,
    /// One line of JSON.
    Compact,
    /// `pid:milliseconds`, the form of `short-term-promotion.lock`.
    PidColonMs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// No final newline: written before 2026.5.12.
    #[default]
    Bare,
    /// A final newline: fs-safe, 2026.5.12 and later.
    Newline,
    /// fs-safe's ownership token of tabs and spaces: 2026.8.1 and later.
    Token,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    #[default]
    OpenClaw,
    /// lockdoctor's own tombstone.
    Tombstone,
}

/// Reads `bytes` as OpenClaw's readers would. Never fails: what cannot be read is said in the result.
pub fn parse(bytes: &[u8]) -> Content {
    if bytes.is_empty() {
        return Content::Empty;
    }
    // Node decodes with replacement characters, so a stray byte inside a string does not lose the payload.
    let text = String::from_utf8_lossy(bytes);
    let body = text.trim_end();
    if body.trim_start().is_empty() {
        return Content::Malformed("only white space");
    }
    if let Some(payload) = parse_pid_colon_ms(body) {
        return Content::Parsed(payload);
    }
    let Ok(Value::Object(fields)) = from_json(body) else {
        return Content::Malformed("not a JSON object");
    };
    let Some(pid) = fields.get("pid").and_then(positive_integer).and_then(|n| i32::try_from(n).ok()) else {
        return Content::Malformed("no usable pid");
    };
    let created_at =
        ["createdAt", "startedAt", "createdAtMs"].iter().find_map(|key| instant(fields.get(*key)?));
    let text_of = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
    let of_gateway = OfGateway {
        config_path: text_of("configPath"),
        state_dir: text_of("stateDir"),
        port: fields.get("port").and_then(positive_integer).and_then(|n| u16::try_from(n).ok()),
        owner_id: text_of("ownerId"),
        role: text_of("role").filter(|role| role != "gateway"),
    };
    Content::Parsed(Payload {
        pid: pid as u32,
        created_at,
        start_ticks: ["starttime", "startTime"].iter().find_map(|key| integer(fields.get(*key)?)),
        max_hold_ms: fields.get("maxHoldMs").and_then(positive_integer),
        gateway: Some(of_gateway).filter(|of| *of != OfGateway::default()).map(Box::new),
        format: Format {
            layout: if body.contains('\n') { Layout::Pretty } else { Layout::Compact },
            ending: ending(&text[body.len()..]),
        },
        origin: if tombstone_id(&fields).is_some() { Origin::Tombstone } else { Origin::OpenClaw },
    })
}

/// The id in the fields of a tombstone: its pid, its sentence and its id are there. A lock that only bears the key is
/// somebody's lock.
pub fn tombstone_id(fields: &serde_json::Map<String, Value>) -> Option<&str> {
    let pid = fields.get("pid").and_then(Value::as_u64)?;
    let sentence = fields.get(TOMBSTONE_KEY).and_then(Value::as_str)?;
    let id = fields.get(TOMBSTONE_ID_KEY).and_then(Value::as_str)?;
    // A time, an inode, a number.
    let is_id = id.starts_with(|first: char| first.is_ascii_digit())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let whole = pid == u64::from(TOMBSTONE_PID) && sentence.starts_with(TOMBSTONE_SENTENCE) && is_id;
    whole.then_some(id)
}

/// serde_json stops at 128 levels of nesting, so hostile depth is an error and not a stack overflow.
fn from_json(body: &str) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_str(body);
    let value = Value::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

fn parse_pid_colon_ms(body: &str) -> Option<Payload> {
    let (pid, ms) = body.split_once(':')?;
    if !pid.bytes().all(|b| b.is_ascii_digit()) || !ms.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let pid = pid.parse::<i32>().ok().filter(|pid| *pid > 0)?;
    Some(Payload {
        pid: pid as u32,
        created_at: from_millis(ms.parse().ok()?),
        format: Format { layout: Layout::PidColonMs, ending: Ending::Newline },
        ..Payload::default()
    })
}

fn ending(tail: &str) -> Ending {
    match tail.trim_matches('\n') {
        "" if tail.is_empty() => Ending::Bare,
        "" => Ending::Newline,
        _ => Ending::Token,
    }
}

/// A JSON number that JavaScript's `Number.isInteger` accepts, at least zero.
fn integer(value: &Value) -> Option<u64> {
    const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
    value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        (float.fract() == 0.0 && (0.0..=MAX_SAFE).contains(&float)).then_some(float as u64)
    })
}

fn positive_integer(value: &Value) -> Option<u64> {
    integer(value).filter(|n| *n > 0)
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc)),
        number => from_millis(integer(number)?),
    }
}

/// Up to the year 9999, as far as an ISO 8601 time goes: nothing that is later added to it can overflow.
fn from_millis(ms: u64) -> Option<DateTime<Utc>> {
    const END_OF_9999: u64 = 253_402_300_799_999;
    DateTime::from_timestamp_millis(i64::try_from(ms).ok().filter(|_| ms <= END_OF_9999)?)
}
