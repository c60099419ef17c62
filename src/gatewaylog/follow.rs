//! Following all logs of a machine: tails on the files that are written, new dated files as they appear, rotated
//! ones left alone (they have been read under their old name).

use super::discover::Places;
use super::scan::{Counters, Entry};
use super::stamp::Dating;
use super::tail::{Access, Begin, Tail};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What has not been written for so long is opened only when it is written again.
const IDLE_SECONDS: i64 = 2 * 24 * 3600;
/// How much of a log is read to know what happened before.
const LATELY: u64 = 1 << 20;

/// What is to be followed.
#[derive(Debug, Clone)]
pub enum Followed {
    /// Every log of these places, as they come.
    Discovered(Places),
    Named(Vec<PathBuf>),
}

/// All followed logs. Watch [`Follower::directories`] for names and [`Follower::paths`] for writes, say what moved,
/// and take what has come.
#[derive(Debug)]
pub struct Follower {
    what: Followed,
    tails: BTreeMap<PathBuf, Open>,
    /// Files that nobody writes, with their length.
    idle: BTreeMap<PathBuf, u64>,
    /// Paths that are not followed: compressed, or the old part of a rotated log.
    others: BTreeSet<PathBuf>,
    sources: usize,
    /// Of tails that have been closed.
    counted: Counters,
}

#[derive(Debug)]
struct Open {
    tail: Tail,
    source: usize,
    /// Read ahead, so that several logs can be told in the order of time.
    head: Option<Entry>,
    /// Time of its last event, for those without one.
    latest: DateTime<Utc>,
    /// There may be more to read.
    stirred: bool,
}

impl Follower {
    /// What is there already is told from a little before its end. `now_seconds` is the clock, since the epoch;
    /// `dating` is for logs without dates: today.
    pub fn new(what: Followed, dating: Dating, now_seconds: i64) -> Self {
        let mut follower = Self {
            what,
            tails: BTreeMap::new(),
            idle: BTreeMap::new(),
            others: BTreeSet::new(),
            sources: 0,
            counted: Counters::default(),
        };
        for path in follower.wanted() {
            let Ok(metadata) = path.metadata() else { continue };
            if is_packed(&path) {
                follower.others.insert(path);
            } else if metadata.mtime() < now_seconds - IDLE_SECONDS {
                follower.idle.insert(path, metadata.len());
            } else {
                // What cannot be opened now is tried again when somebody looks for new files.
                let _ = follower.open(path, Begin::Near(LATELY), dating);
            }
        }
        follower
    }

    /// Looks in other places from now on.
    pub fn look_in(&mut self, places: Places) {
        if let Followed::Discovered(before) = &mut self.what {
            *before = places;
        }
    }

    /// The files to be watched for writes.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.tails.keys().chain(self.idle.keys()).map(PathBuf::as_path)
    }

    /// The directories in which logs may appear.
    pub fn directories(&self) -> BTreeSet<PathBuf> {
        match &self.what {
            Followed::Discovered(places) => places.directories().into_iter().map(|(path, _)| path).collect(),
            Followed::Named(files) => {
                files.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect()
            }
        }
    }

    /// Files that are read, not only watched.
    pub fn open_files(&self) -> usize {
        self.tails.len()
    }

    /// What was met so far: bytes, lines, events.
    pub fn counters(&self) -> Counters {
        let open = self.tails.values().map(|open| open.tail.counters());
        open.fold(self.counted, |sum, one| Counters {
            bytes: sum.bytes + one.bytes,
            lines: sum.lines + one.lines,
            parsed: sum.parsed + one.parsed,
            skipped: sum.skipped + one.skipped,
            mended: sum.mended + one.mended,
            out_of_order: sum.out_of_order + one.out_of_order,
            ..sum
        })
    }

    /// Something was written to the file at `path`.
    pub fn stirred(&mut self, path: &Path, dating: Dating) -> io::Result<()> {
        if let Some(open) = self.tails.get_mut(path) {
            open.stirred = true;
        } else if let Some(length) = self.idle.remove(path) {
            self.open(path.to_owned(), Begin::After(length), dating)?;
        }
        Ok(())
    }

    /// Names have come or gone, or writes may have been missed: looks at everything. Returns files that cannot be
    /// read.
    pub fn look_around(&mut self, dating: Dating) -> Vec<(PathBuf, io::Error)> {
        let found: BTreeSet<PathBuf> = self.wanted().into_iter().collect();
        self.others.retain(|path| found.contains(path));
        self.idle.retain(|path, _| found.contains(path));
        let mut errors = Vec::new();
        for path in found {
            let grown = self.idle.get(&path).copied();
            if let Some(length) = grown
                && path.metadata().is_ok_and(|now| now.len() != length)
            {
                self.idle.remove(&path);
                errors.extend(self.open(path.clone(), Begin::After(length), dating).err().map(|e| (path, e)));
                continue;
            }
            if grown.is_some() || self.tails.contains_key(&path) || self.others.contains(&path) {
                continue;
            }
            // A name that is new for a file that is open: the log was rotated, its tail goes on by itself.
            let identity = path.metadata().ok().as_ref().map(identity);
            let is_read = |open: &Open| identity.is_some_and(|identity| open.tail.has_read(identity));
            if is_packed(&path) || self.tails.values().any(is_read) {
                self.others.insert(path);
                continue;
            }
            errors.extend(self.open(path.clone(), Begin::AtStart, dating).err().map(|error| (path, error)));
        }
        self.close_what_is_gone();
        for open in self.tails.values_mut() {
            open.stirred = true;
        }
        errors
    }

    /// The earliest event that has come, and the index of its source. `None` when there is none, or with nothing
    /// left of `budget` (bytes read); [`Follower::has_more`] tells which.
    pub fn next_within(&mut self, budget: &mut u64) -> Option<(usize, Entry)> {
        for open in self.tails.values_mut() {
            while open.head.is_none() && open.stirred {
                match open.tail.next_within(budget) {
                    Ok(Some(entry)) => {
                        open.latest = entry.when.time().map_or(open.latest, |at| at.max(open.latest));
                        open.head = Some(entry);
                    }
                    Ok(None) if *budget == 0 => return None,
                    // What cannot be read now is looked at again at the next write.
                    Ok(None) | Err(_) => open.stirred = false,
                }
            }
        }
        let first =
            self.tails.values_mut().filter(|open| open.head.is_some()).min_by_key(|open| open.latest)?;
        first.head.take().map(|entry| (first.source, entry))
    }

    /// There may be more to take.
    pub fn has_more(&self) -> bool {
        self.tails.values().any(Open::has_more)
    }

    fn open(&mut self, path: PathBuf, begin: Begin, dating: Dating) -> io::Result<()> {
        let access = match &self.what {
            Followed::Discovered(places) => Access::Found(places.owners.clone()),
            Followed::Named(_) => Access::Named,
        };
        let tail = Tail::open(&path, access, begin, Some(dating))?;
        let (source, latest) = (self.sources, DateTime::<Utc>::MIN_UTC);
        self.sources += 1;
        self.tails.insert(path, Open { tail, source, head: None, latest, stirred: true });
        Ok(())
    }

    fn wanted(&self) -> Vec<PathBuf> {
        match &self.what {
            Followed::Discovered(places) => places.logs(),
            Followed::Named(files) => files.iter().filter(|file| file.is_file()).cloned().collect(),
        }
    }

    /// Files without a name of which nothing is left to be read.
    fn close_what_is_gone(&mut self) {
        let gone = self.tails.iter().filter(|(path, open)| !open.has_more() && !path.exists());
        let gone: Vec<PathBuf> = gone.map(|(path, _)| path.clone()).collect();
        for path in gone {
            let sum = self.counters();
            if self.tails.remove(&path).is_some() {
                let rest = self.counters();
                self.counted.bytes += sum.bytes - rest.bytes;
                self.counted.lines += sum.lines - rest.lines;
                self.counted.parsed += sum.parsed - rest.parsed;
                self.counted.skipped += sum.skipped - rest.skipped;
            }
        }
    }
}

impl Open {
    fn has_more(&self) -> bool {
        self.stirred || self.head.is_some()
    }
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// Who a file is, whatever its name.
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
