//! The session store of the file era, read-only: which session key a transcript belongs to. It is read as a stream, and
//! of its entries those are kept that somebody asks for: memory does not grow with the file.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::evidence::directory::Directory;
use crate::words::count;

/// Stores of more than this are not read (24 MB have been reported; each entry repeats a skills snapshot).
const MAX_STORE_BYTES: u64 = 256 * 1024 * 1024;
/// No more entries than this are kept, whoever asks.
const MAX_KEPT: usize = 20_000;
/// A key, an id or a path that is longer is none.
const MAX_TEXT: usize = 1024;
/// The parser holds one string at a time in memory.
const MAX_STRING: usize = 4 * 1024 * 1024;

/// One entry of `sessions.json`, reduced to what leads to a lock and to what `diagnose` reads.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    #[serde(deserialize_with = "text")]
    pub session_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub session_file: Option<String>,
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    #[serde(deserialize_with = "number")]
    pub started_at: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub updated_at: Option<i64>,
}

/// A field of another type than expected counts as missing; the rest of the entry stays usable.
enum Field {
    Text(String),
    Number(i64),
    Other,
}

fn text<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(match input.deserialize_any(AnyField)? {
        Field::Text(text) => Some(text),
        _ => None,
    })
}

fn number<'de, D: Deserializer<'de>>(input: D) -> Result<Option<i64>, D::Error> {
    Ok(match input.deserialize_any(AnyField)? {
        Field::Number(number) => Some(number),
        _ => None,
    })
}

struct AnyField;

impl<'de> Visitor<'de> for AnyField {
    type Value = Field;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(if text.len() > MAX_TEXT { Field::Other } else { Field::Text(text.to_owned()) })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field, E> {
        Ok(Field::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(i64::try_from(number).map_or(Field::Other, Field::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

impl Entry {
    /// The name of its transcript without `.jsonl`.
    fn stem(&self) -> Option<&str> {
        let file = self.session_file.as_deref().and_then(|file| file.rsplit('/').next());
        file.and_then(|file| file.strip_suffix(".jsonl")).or(self.session_id.as_deref())
    }
}

/// Topic transcripts (`<id>-topic-<n>`) belong to the session of the id before the suffix.
fn without_topic(stem: &str) -> &str {
    stem.split("-topic-").next().unwrap_or(stem)
}

/// Which entries are kept.
#[derive(Debug)]
pub enum Wanted<'a> {
    /// Those of these transcripts.
    Of(HashSet<&'a str>),
    Every,
}

impl<'a> Wanted<'a> {
    /// Those of the transcripts with these names.
    pub fn of(stems: impl Iterator<Item = &'a str>) -> Self {
        Self::Of(stems.flat_map(|stem| [stem, without_topic(stem)]).collect())
    }

    fn wants(&self, entry: &Entry) -> bool {
        match self {
            Self::Of(stems) => entry.stem().is_some_and(|stem| stems.contains(stem)),
            Self::Every => entry.stem().is_some(),
        }
    }
}

/// Session keys by transcript name without `.jsonl`.
#[derive(Debug, Default)]
pub struct SessionStore {
    pub bytes: u64,
    pub entries: Vec<(String, Entry)>,
    /// Entries that were asked for and not kept.
    left_out: usize,
    by_stem: HashMap<String, usize>,
}

impl SessionStore {
    /// Opens the store called `name` in `directory`: the file and its size. `Err` says why it could not be used.
    pub fn open(directory: &Directory, name: &str) -> Result<Option<(File, u64)>, String> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(directory.as_fd(), name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(format!("{name} cannot be read: {error}")),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|error| format!("{name} cannot be read: {error}"))?;
        let bytes = stat.st_size as u64;
        let regular = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile;
        if !regular || bytes > MAX_STORE_BYTES {
            return Err(format!("{name} is not a file of a size that is read"));
        }
        Ok(Some((File::from(fd), bytes)))
    }

    /// Reads it.
    pub fn read(directory: &Directory, name: &str, wanted: &Wanted<'_>) -> Result<Option<Self>, String> {
        let Some((file, bytes)) = Self::open(directory, name)? else { return Ok(None) };
        let file = file.take(MAX_STORE_BYTES);
        let reader = io::BufReader::with_capacity(256 * 1024, ShortStrings::of(file));
        let mut json = serde_json::Deserializer::from_reader(reader);
        let (entries, left_out) = Entries(wanted)
            .deserialize(&mut json)
            .map_err(|_| format!("{name} is not whole JSON (it may be in the middle of a rewrite)"))?;
        let mut store = Self { bytes, entries, left_out, by_stem: HashMap::new() };
        for (index, (_, entry)) in store.entries.iter().enumerate() {
            if let Some(stem) = entry.stem() {
                store.by_stem.insert(stem.to_owned(), index);
            }
        }
        Ok(Some(store))
    }

    /// What is missing of it, as the end of a sentence about it.
    pub fn gap(&self) -> Option<String> {
        let left_out = count(self.left_out, "session");
        (self.left_out > 0).then(|| {
            format!("holds more than {MAX_KEPT} sessions, or names too long; {left_out} not looked at")
        })
    }

    /// The key of the session whose transcript is `<stem>.jsonl`.
    pub fn key_of(&self, stem: &str) -> Option<&str> {
        let index = self.by_stem.get(stem).or_else(|| self.by_stem.get(without_topic(stem)))?;
        Some(&self.entries[*index].0)
    }
}

struct Entries<'a>(&'a Wanted<'a>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    /// What is kept, and how many more there were.
    type Value = (Vec<(String, Entry)>, usize);

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = (Vec<(String, Entry)>, usize);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of sessions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut entries, mut left_out) = (Vec::new(), 0);
        while let Some(key) = map.next_key::<String>()? {
            let entry = map.next_value::<Entry>()?;
            match self.0.wants(&entry) {
                true if entries.len() < MAX_KEPT && key.len() <= MAX_TEXT => entries.push((key, entry)),
                wanted => left_out += usize::from(wanted),
            }
        }
        Ok((entries, left_out))
    }
}

/// JSON whose strings are of a length that strings have.
struct ShortStrings<R> {
    inner: R,
    inside: bool,
    escaped: bool,
    length: usize,
}

impl<R: Read> ShortStrings<R> {
    fn of(inner: R) -> Self {
        Self { inner, inside: false, escaped: false, length: 0 }
    }
}

impl<R: Read> Read for ShortStrings<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for byte in &buffer[..read] {
            match (self.inside, byte) {
                (true, _) if self.escaped => self.escaped = false,
                (true, b'\\') => self.escaped = true,
                (_, b'"') => (self.inside, self.length) = (!self.inside, 0),
                _ => {}
            }
            self.length += usize::from(self.inside);
            if self.length > MAX_STRING {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(text: &str) -> Result<Option<SessionStore>, String> {
        let directory = tempfile::tempdir().expect("tempdir");
        std::fs::write(directory.path().join("sessions.json"), text).expect("write");
        SessionStore::read(
            &Directory::open_root(directory.path()).expect("open"),
            "sessions.json",
            &Wanted::Every,
        )
    }

    #[test]
    fn a_transcript_leads_to_its_key() {
        let text = r#"{"agent:main:main":{"sessionId":"a","skillsSnapshot":{"x":[1]},"updatedAt":"no number"},
            "agent:main:cron:j":{"sessionId":"b","sessionFile":"/s/2026_b.jsonl"}}"#;
        let store = store(text).expect("readable").expect("there");
        assert_eq!(store.key_of("a"), Some("agent:main:main"));
        assert_eq!(store.key_of("a-topic-7"), Some("agent:main:main"));
        assert_eq!(store.key_of("2026_b"), Some("agent:main:cron:j"));
        assert_eq!(store.key_of("c"), None);
    }

    #[test]
    fn a_half_written_store_is_said_to_be_one() {
        assert!(store(r#"{"agent:main:main":{"sess"#).is_err());
    }

    #[test]
    fn what_nobody_asks_for_is_not_kept() {
        let directory = tempfile::tempdir().expect("tempdir");
        let entries: Vec<String> =
            (0..50_000).map(|n| format!("\"k{n}\": {{\"sessionId\": \"s{n}\"}}")).collect();
        std::fs::write(directory.path().join("sessions.json"), format!("{{{}}}", entries.join(",")))
            .expect("write");
        let directory = Directory::open_root(directory.path()).expect("open");
        let read = |wanted| {
            SessionStore::read(&directory, "sessions.json", &wanted).expect("readable").expect("there")
        };
        let store = read(Wanted::of(["s7-topic-1", "s49999"].into_iter()));
        assert_eq!(
            (store.entries.len(), store.key_of("s7-topic-1"), store.key_of("s49999")),
            (2, Some("k7"), Some("k49999"))
        );
        assert_eq!(store.gap(), None);
        let every = read(Wanted::Every);
        assert_eq!(every.entries.len(), MAX_KEPT);
        assert!(
            every.gap().is_some_and(|gap| gap.ends_with("30000 sessions not looked at")),
            "{:?}",
            every.gap()
        );
    }

    #[test]
    fn strings_without_end_and_odd_values_cost_nothing() {
        let long = format!("{{\"a\": {{\"sessionId\": \"{}\"}}}}", "x".repeat(MAX_STRING + 1));
        assert!(store(&long).is_err());
        let odd = r#"{"a": {"sessionId": [[1],{"b":2}], "status": 1.5, "startedAt": "x"}, "b": {"sessionId": "b"}}"#;
        let store = store(odd).expect("readable").expect("there");
        assert_eq!(store.entries.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), ["b"]);
    }
}
