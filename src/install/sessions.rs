//! The session store of the file era, read-only: which session key a transcript belongs to.

use std::collections::HashMap;
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::evidence::directory::Directory;

/// Stores of more than this are not read (24 MB have been reported; each entry repeats a skills snapshot).
const MAX_STORE_BYTES: u64 = 256 * 1024 * 1024;

/// One entry of `sessions.json`, reduced to what leads to a lock and to what `diagnose` reads.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    #[serde(deserialize_with = "lenient")]
    pub session_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub session_file: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub started_at: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub updated_at: Option<i64>,
}

/// A field of another type than expected counts as missing; the rest of the entry stays usable.
fn lenient<'de, D, T>(input: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Field<T> {
        Known(T),
        Other(IgnoredAny),
    }
    Ok(match Field::deserialize(input)? {
        Field::Known(value) => Some(value),
        Field::Other(_) => None,
    })
}

/// Session keys by transcript name without `.jsonl`.
#[derive(Debug, Default)]
pub struct SessionStore {
    pub bytes: u64,
    pub entries: Vec<(String, Entry)>,
    by_stem: HashMap<String, usize>,
}

impl SessionStore {
    /// Reads the store called `name` in `directory`. `Err` says why it could not be used.
    pub fn read(directory: &Directory, name: &str) -> Result<Option<Self>, String> {
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
        let reader = std::io::BufReader::with_capacity(256 * 1024, std::fs::File::from(fd));
        let mut json = serde_json::Deserializer::from_reader(reader);
        let entries = serde::Deserializer::deserialize_map(&mut json, Entries)
            .map_err(|_| format!("{name} is not whole JSON (it may be in the middle of a rewrite)"))?;
        let mut store = Self { bytes, entries, by_stem: HashMap::new() };
        for (index, (_, entry)) in store.entries.iter().enumerate() {
            let file = entry.session_file.as_deref().and_then(|file| file.rsplit('/').next());
            let stem = file.and_then(|file| file.strip_suffix(".jsonl")).or(entry.session_id.as_deref());
            if let Some(stem) = stem {
                store.by_stem.insert(stem.to_owned(), index);
            }
        }
        Ok(Some(store))
    }

    /// The key of the session whose transcript is `<stem>.jsonl`. Topic transcripts
    /// (`<id>-topic-<n>`) fall back to the id before the suffix.
    pub fn key_of(&self, stem: &str) -> Option<&str> {
        let id = stem.split("-topic-").next().unwrap_or(stem);
        let index = self.by_stem.get(stem).or_else(|| self.by_stem.get(id))?;
        Some(&self.entries[*index].0)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, Entry)>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object of sessions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            entries.push((key, map.next_value::<Entry>()?));
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(text: &str) -> Result<Option<SessionStore>, String> {
        let directory = tempfile::tempdir().expect("tempdir");
        std::fs::write(directory.path().join("sessions.json"), text).expect("write");
        SessionStore::read(&Directory::open_root(directory.path()).expect("open"), "sessions.json")
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
}
