//! The locks of a directory, by the names alone. Transcripts are named by the kernel and passed over.

use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use super::{Guarded, TranscriptListed};
use crate::evidence::directory::Directory;
use crate::openclaw::lock_kind::{LockKind, Place, recognise};

/// A lock that a listing showed.
pub(super) struct Listed {
    pub name: OsString,
    pub kind: LockKind,
    pub transcript: TranscriptListed,
    pub guarded: Guarded,
}

/// What a sessions directory holds.
pub(super) struct SessionsListed {
    pub locks: Vec<Listed>,
    /// Its session store is there.
    pub has_store: bool,
}

impl SessionsListed {
    /// `store`: the name of its session store.
    pub(super) fn read(directory: &Directory, store: &str) -> Result<Self, Errno> {
        let has_store = Cell::new(false);
        let locks = listing(directory, |name| {
            has_store.set(has_store.get() || name == store.as_bytes());
            let is_store_lock = name.strip_suffix(b".lock").is_some_and(|name| name == store.as_bytes());
            if is_store_lock { Some(LockKind::Store) } else { recognise(Place::Sessions, name) }
        })?;
        Ok(Self { locks, has_store: has_store.get() })
    }
}

/// The locks in a directory, in the order of their names.
pub(super) fn listing(
    directory: &Directory,
    kind_of: impl Fn(&[u8]) -> Option<LockKind>,
) -> Result<Vec<Listed>, Errno> {
    // Hashes, as there may be a hundred thousand names and mostly no lock that asks for one.
    let mut transcripts: Vec<u64> = Vec::new();
    let mut guards: HashSet<Vec<u8>> = HashSet::new();
    let mut locks = Vec::new();
    directory.for_each_entry(|name, _| {
        if let Some(stem) = name.strip_suffix(b".jsonl") {
            transcripts.push(hash(stem));
        } else if let Some(kind) = kind_of(name) {
            if kind == LockKind::Guard {
                guards.extend(name.strip_suffix(b".reclaim").map(<[u8]>::to_vec));
            }
            locks.push((OsStr::from_bytes(name).to_owned(), kind));
        }
    })?;
    if locks.is_empty() {
        return Ok(Vec::new());
    }
    locks.sort_unstable();
    transcripts.sort_unstable();
    let listed = locks.into_iter().map(|(name, kind)| {
        let transcript = match name.as_bytes().strip_suffix(b".jsonl.lock") {
            Some(stem) if transcripts.binary_search(&hash(stem)).is_ok() => TranscriptListed::Yes,
            Some(_) => TranscriptListed::No,
            None => TranscriptListed::NotApplicable,
        };
        let guarded = if guards.contains(name.as_bytes()) { Guarded::Yes } else { Guarded::No };
        Listed { name, kind, transcript, guarded }
    });
    Ok(listed.collect())
}

/// Quick rather than strong: a collision tells a transcript that is not there, in a display.
fn hash(name: &[u8]) -> u64 {
    name.chunks(8).fold(0, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
    })
}
