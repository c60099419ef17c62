//! JSON5 with `$include`, of which only the keys are kept that somebody asks for: memory and work are bounded by the
//! budget, whatever the files hold.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::install::file::{Trust, read_bounded};
use crate::words::{path as shown, printable};

/// The keys that are read; `*` stands for any.
const KEYS: [&[&str]; 16] = [
    &["meta", "lastTouchedVersion"],
    &["agents", "defaults", "timeoutSeconds"],
    &["agents", "defaults", "compaction", "timeoutSeconds"],
    &["agents", "defaults", "workspace"],
    &["agents", "list", "*", "id"],
    &["agents", "list", "*", "agentDir"],
    &["agents", "entries", "*", "agentDir"],
    &["agent", "workspace"],
    &["session", "store"],
    &["session", "writeLock", "maxHoldMs"],
    &["session", "writeLock", "acquireTimeoutMs"],
    &["logging", "file"],
    &["gateway", "port"],
    &["cron", "store"],
    &["env", "*"],
    &["env", "vars", "*"],
];
const INCLUDE: &str = "$include";

/// Of all files together.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
const MAX_FILES: usize = 64;
/// OpenClaw's own bound (2.26 `auth-profiles-6WJHPoy1.js:5004-5186`).
const MAX_DEPTH: usize = 10;
/// The parser recurses; real configurations are less than 20 deep.
const MAX_NESTING: usize = 100;
/// Entries of one object or list that are kept, and bytes of one value.
pub(super) const MAX_ENTRIES: usize = 10_000;
const MAX_VALUE: usize = 4096;

/// What stood at the keys, and what could not be read.
pub(super) struct Read {
    /// `None`: there is no such file.
    pub(super) root: Option<Value>,
    /// The file itself is not JSON5, and how.
    pub(super) broken: Option<String>,
    pub(super) problems: Vec<String>,
}

/// How the parser's error of a file that is no JSON5 begins.
const BROKEN: &str = "is not valid JSON5";

/// Reads the configuration at `path` with all that it includes.
pub(super) fn read(path: &Path, trust: Trust<'_>) -> Read {
    let mut reader = Reader {
        trust,
        confine: path.parent().unwrap_or(Path::new("/")).to_owned(),
        on_the_way: Vec::new(),
        files: MAX_FILES,
        bytes: MAX_BYTES,
        problems: Vec::new(),
    };
    let mut broken = None;
    let root = match reader.file(path, trust, &KEYS) {
        Ok(root) => root,
        Err(problem) => {
            reader.problems.push(format!("{}: {problem}; defaults are used", shown(path)));
            broken = problem.starts_with(BROKEN).then_some(problem);
            Some(Value::Null)
        }
    };
    Read { root, broken, problems: reader.problems }
}

fn ends_early(code: json5::ErrorCode) -> bool {
    use json5::ErrorCode as Code;
    matches!(
        code,
        Code::EofParsingArray
            | Code::EofParsingComment
            | Code::EofParsingIdentifier
            | Code::EofParsingNumber
            | Code::EofParsingObject
            | Code::EofParsingString
            | Code::EofParsingValue
    )
}

struct Reader<'a> {
    trust: Trust<'a>,
    confine: PathBuf,
    /// The files whose including led here: one of them again is a circle, which OpenClaw refuses.
    on_the_way: Vec<PathBuf>,
    files: usize,
    bytes: u64,
    problems: Vec<String>,
}

type Keys<'k> = [&'k [&'static str]];

impl Reader<'_> {
    /// One file, of which the values at `keys` are kept.
    fn file(&mut self, path: &Path, trust: Trust<'_>, keys: &Keys<'_>) -> Result<Option<Value>, String> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.on_the_way.contains(&real) {
            return Err("includes itself, which OpenClaw refuses".to_owned());
        }
        if self.on_the_way.len() > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} levels deep"));
        }
        let Some(bytes) = read_bounded(path, trust, self.bytes)? else { return Ok(None) };
        self.bytes -= bytes.len() as u64;
        let text = String::from_utf8_lossy(&bytes);
        if nesting(&text) > MAX_NESTING {
            return Err("is nested too deeply".to_owned());
        }
        // The parser's own message may quote the file, which may hold tokens: only the position is passed on.
        let mut parser = json5::Deserializer::from_str(&text);
        let mut value = Kept(keys).deserialize(&mut parser).map_err(|error| match error.position() {
            // The position of an unexpected end is that of the innermost object's beginning.
            _ if error.code().is_some_and(ends_early) => format!("{BROKEN} (it ends too early)"),
            Some(at) => format!("{BROKEN} (line {}, column {})", at.line + 1, at.column + 1),
            None => BROKEN.to_owned(),
        })?;
        let directory = real.parent().unwrap_or(Path::new("/")).to_owned();
        self.on_the_way.push(real);
        self.include(&mut value, &directory, keys);
        self.on_the_way.pop();
        Ok(Some(value))
    }

    /// Replaces `$include` by what it names: relative to the including file, inside the configuration's own
    /// directory, deep-merged in order, the including object's own keys last.
    fn include(&mut self, value: &mut Value, base: &Path, keys: &Keys<'_>) {
        let object = match value {
            Value::Object(object) => object,
            Value::Array(items) => {
                let keys = below(keys, "*");
                return items.iter_mut().for_each(|item| self.include(item, base, &keys));
            }
            _ => return,
        };
        let names: Vec<String> = match object.shift_remove(INCLUDE) {
            None => Vec::new(),
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
            }
            Some(_) => {
                self.problems
                    .push("$include is neither a string nor a list of them; it is ignored".to_owned());
                Vec::new()
            }
        };
        let mut merged = Value::Object(Map::new());
        for name in names {
            match self.included(&name, base, keys) {
                Ok(part) => merge(&mut merged, part),
                // Enough of them to see what is wrong.
                Err(_) if self.problems.len() > MAX_FILES => {}
                Err(problem) => {
                    self.problems.push(format!("$include {}: {problem}; it is ignored", printable(&name)));
                }
            }
        }
        let mut own = std::mem::take(object);
        for (key, item) in &mut own {
            self.include(item, base, &below(keys, key));
        }
        if !own.is_empty() {
            merge(&mut merged, Value::Object(own));
        }
        *value = merged;
    }

    fn included(&mut self, name: &str, base: &Path, keys: &Keys<'_>) -> Result<Value, String> {
        self.files = self.files.checked_sub(1).ok_or_else(|| format!("more than {MAX_FILES} files"))?;
        let real = base.join(name).canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
        let confine = self.confine.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
        if !real.starts_with(&confine) && !real.starts_with(base) {
            return Err("lies outside the configuration's directory".to_owned());
        }
        self.file(&real, self.trust, keys)?.ok_or_else(|| "does not exist".to_owned())
    }
}

/// What is left of `keys` below `key`.
fn below<'k>(keys: &Keys<'k>, key: &str) -> Vec<&'k [&'static str]> {
    let rest = |path: &&'k [&'static str]| {
        let (first, rest) = path.split_first()?;
        (*first == key || *first == "*").then_some(rest)
    };
    keys.iter().filter_map(rest).collect()
}

/// An upper bound of the nesting depth: brackets inside strings count too.
fn nesting(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(existing) => merge(existing, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

/// Reads a value and keeps what lies at the keys.
struct Kept<'k, 'a>(&'a Keys<'k>);

impl<'de> DeserializeSeed<'de> for Kept<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Kept<'_, '_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(if value.len() > MAX_VALUE { Value::Null } else { value.into() })
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        input.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let keys = if key == INCLUDE { vec![&["*"] as &[&str]] } else { below(self.0, &key) };
            if keys.is_empty() || kept.len() >= MAX_ENTRIES || key.len() > MAX_VALUE {
                map.next_value::<IgnoredAny>()?;
            } else {
                kept.insert(key, map.next_value_seed(Kept(&keys))?);
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let keys = below(self.0, "*");
        let mut kept = Vec::new();
        if !keys.is_empty() {
            while kept.len() < MAX_ENTRIES
                && let Some(value) = list.next_element_seed(Kept(&keys))?
            {
                kept.push(value);
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(kept))
    }
}
