//! Following all logs of a machine: tails on the files that are written, new dated files as they appear, rotated
//! ones left alone (they have been read under their old name).

use super::discover::Places;
use super::scan::Entry;
use super::stamp::Dating;
use super::tail::{Begin, Tail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that has not been written for so long is not written any more.
const IDLE_SECONDS: i64 = 2 * 24 * 3600;

/// All followed logs. Watch [`Places::directories`] with inotify and call [`Follower::advance`] when something moves.
#[derive(Debug)]
pub struct Follower {
    places: Places,
    tails: BTreeMap<PathBuf, Tail>,
    /// Paths that are not followed: compressed, idle, or the old part of a rotated log.
    others: BTreeSet<PathBuf>,
}

/// What one look brought.
#[derive(Debug, Default)]
pub struct Advance {
    /// In the order of each file; files one after the other.
    pub entries: Vec<Entry>,
    /// Files that could not be read.
    pub errors: Vec<(PathBuf, io::Error)>,
}

impl Follower {
    /// Follows what is written from now on. `now_seconds` is the clock, since the epoch.
    pub fn new(places: Places, dating: Dating, now_seconds: i64) -> Self {
        let mut follower = Self { places, tails: BTreeMap::new(), others: BTreeSet::new() };
        for path in follower.places.logs() {
            let idle = path.metadata().map_or(true, |metadata| metadata.mtime() < now_seconds - IDLE_SECONDS);
            let tail = if idle || is_packed(&path) {
                None
            } else {
                Tail::open(&path, Begin::AtEnd, Some(dating)).ok()
            };
            match tail {
                Some(tail) => drop(follower.tails.insert(path, tail)),
                None => drop(follower.others.insert(path)),
            }
        }
        follower
    }

    /// The files that are followed.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.tails.keys().map(PathBuf::as_path)
    }

    /// The events since the last look. `dating` is for logs without dates: today.
    pub fn advance(&mut self, dating: Dating) -> Advance {
        let mut advance = Advance::default();
        self.look_for_new(dating, &mut advance);
        for (path, tail) in &mut self.tails {
            match tail.advance() {
                Ok(entries) => advance.entries.extend(entries),
                Err(error) => advance.errors.push((path.clone(), error)),
            }
        }
        self.tails.retain(|path, _| path.exists());
        advance
    }

    fn look_for_new(&mut self, dating: Dating, advance: &mut Advance) {
        let found = self.places.logs();
        self.others.retain(|path| found.binary_search(path).is_ok());
        for path in found {
            if self.tails.contains_key(&path) || self.others.contains(&path) {
                continue;
            }
            // A name that is new for a file that is open: the log was rotated, its tail goes on by itself.
            let identity = path.metadata().ok().as_ref().map(identity);
            let rotated =
                self.tails.values().any(|tail| identity.is_some() && tail.identity().ok() == identity);
            if rotated || is_packed(&path) {
                self.others.insert(path);
                continue;
            }
            match Tail::open(&path, Begin::AtStart, Some(dating)) {
                Ok(tail) => drop(self.tails.insert(path, tail)),
                Err(error) => advance.errors.push((path, error)),
            }
        }
    }
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// Who a file is, whatever its name.
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
