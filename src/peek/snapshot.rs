//! One consistent view of a live database, taken without a lock.
//!
//! While there is a log, the main file changes only through checkpoints, and a checkpoint copies only pages that
//! were committed to the log before. So a page that comes from the log as of one commit, and from the main file
//! otherwise, is right unless, while it was being read, (a) the log was started over, or (b) the log got a newer
//! version of a page that was read from the main file. Both can be seen afterwards: [`Snapshot::still_true`].
//! A reader that meets either simply reads again, as with a seqlock; the writer never notices.
//!
//! While there is none, the main file is everything, and must not have changed: a [`Witness`] before and after.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::budget::{Budget, Spent};
use super::error::{ReadError, Result};
use super::place::{Identity, Place, io_error};
use super::wal::{ReadAt, WalIndex, valid_page_size};
use super::witness::{self, Witness};

/// 2 + 4 + 8 + 16 + 32 ms of patience: longer than any commit that was measured, shorter than anyone notices.
const ATTEMPTS: u32 = 6;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_LEN: usize = 100;

#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    place: &'a Place,
    name: &'a str,
    main: File,
    content: Content,
    page_size: usize,
    page_count: u32,
    reserved: usize,
    user_version: u32,
    from_main: HashSet<u32>,
    sizes: Sizes,
    budget: Budget,
}

/// Where the database is.
#[derive(Debug)]
enum Content {
    Main(Witness),
    MainAndLog { main_is: Identity, log: File, log_is: Identity, index: WalIndex },
}

/// What the database and its log take on disk: a log that grows and grows means that checkpoints are blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    pub database_bytes: u64,
    pub wal_bytes: u64,
    /// The part of the log that counts: the rest is left over from before the last reset.
    pub wal_committed_bytes: u64,
}

/// Runs `look` on a consistent view. `look` may run several times, and may see nonsense in the runs that are
/// thrown away; its last result, error or not, is about a view that was true.
pub(crate) fn read<T>(
    place: &Place,
    name: &str,
    mut look: impl FnMut(&mut Snapshot) -> Result<T>,
) -> Result<T> {
    let path = place.path_of(name);
    let mut journal = false;
    let mut budget = Budget::WHOLE;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(1 << attempt));
        }
        match Snapshot::open(place, name, budget) {
            Ok(mut snapshot) => {
                let seen = snapshot.read_header().and_then(|()| look(&mut snapshot));
                budget = snapshot.budget;
                if snapshot.still_true()? {
                    return seen;
                }
                journal = false;
            }
            Err(ReadError::Journal { .. }) => journal = true,
            Err(other) => return Err(other),
        }
    }
    Err(if journal { ReadError::Journal { path } } else { ReadError::Busy { path, attempts: ATTEMPTS } })
}

impl<'a> Snapshot<'a> {
    fn open(place: &'a Place, name: &'a str, mut budget: Budget) -> Result<Self> {
        let path = place.path_of(name);
        let main = place.open(name)?.ok_or_else(|| ReadError::Missing { path: path.clone() })?;
        // Before anything is read, or a change right after the reading would go unseen.
        let witness = Witness::of(place, name)?;
        let mut header = [0; HEADER_LEN];
        let got = main.read_up_to(&mut header, 0).map_err(|e| io_error(&path, e))?;
        if got == 0 {
            return Err(ReadError::Empty { path });
        }
        let page_size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65536,
            size => usize::from(size),
        };
        if got < HEADER_LEN || &header[..16] != MAGIC || !valid_page_size(page_size) {
            return Err(ReadError::NotSqlite { path });
        }
        let database_bytes = main.metadata().map_err(|e| io_error(&path, e))?.len();
        let too_much = |what| ReadError::TooMuch { path: path.clone(), what };
        budget.log(witness.wal_bytes()).map_err(too_much)?;
        let mut sizes = Sizes { database_bytes, wal_bytes: witness.wal_bytes(), wal_committed_bytes: 0 };
        let page_count;
        let content = match Self::log(place, name)? {
            Some((log, log_is, index)) => {
                page_count = index.page_count;
                sizes.wal_committed_bytes = index.committed_bytes();
                Content::MainAndLog { main_is: Identity::of(&main, &path)?, log, log_is, index }
            }
            None if witness::journal_is_hot(place, name)? => return Err(ReadError::Journal { path }),
            None => {
                page_count = u32::try_from(database_bytes / page_size as u64).unwrap_or(u32::MAX);
                Content::Main(witness)
            }
        };
        Ok(Self {
            place,
            name,
            main,
            content,
            page_size,
            page_count,
            reserved: 0,
            user_version: 0,
            from_main: HashSet::new(),
            sizes,
            budget,
        })
    }

    fn log(place: &Place, name: &str) -> Result<Option<(File, Identity, WalIndex)>> {
        let name = wal_name(name);
        let Some(log) = place.open(&name)? else { return Ok(None) };
        let path = place.path_of(&name);
        let is = Identity::of(&log, &path)?;
        Ok(WalIndex::scan(&log).map_err(|e| io_error(&path, e))?.map(|index| (log, is, index)))
    }

    /// The header that counts is the one in the newest page 1, which may still be in the log.
    fn read_header(&mut self) -> Result<()> {
        if matches!(&self.content, Content::MainAndLog { index, .. } if index.page_size != self.page_size) {
            return Err(self.corrupt("its log has pages of another size"));
        }
        let first = self.page(1)?;
        if !first.starts_with(MAGIC) {
            return Err(self.corrupt("its newest first page is not a database header"));
        }
        let encoding = u32::from_be_bytes([first[56], first[57], first[58], first[59]]);
        if encoding > 1 {
            return Err(ReadError::Unsupported { path: self.path(), what: "UTF-16 text".into() });
        }
        self.reserved = usize::from(first[20]);
        self.user_version = u32::from_be_bytes([first[60], first[61], first[62], first[63]]);
        Ok(())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.place.path_of(self.name)
    }

    pub(crate) fn corrupt(&self, what: &str) -> ReadError {
        ReadError::Corrupt { path: self.path(), what: what.to_owned() }
    }

    /// The bytes of a page that b-trees may use.
    pub(crate) fn usable(&self) -> usize {
        self.page_size - self.reserved
    }

    /// `PRAGMA user_version`: OpenClaw's schema version.
    pub(crate) fn user_version(&self) -> u32 {
        self.user_version
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Takes memory for values that outlive the page they were read from.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<()> {
        let kept = self.budget.keep(bytes);
        kept.map_err(|what| self.too_much(what))
    }

    fn too_much(&self, what: Spent) -> ReadError {
        ReadError::TooMuch { path: self.path(), what }
    }

    pub(crate) fn page(&mut self, number: u32) -> Result<Vec<u8>> {
        let page = self.budget.page(self.page_size);
        page.map_err(|what| self.too_much(what))?;
        if number == 0 || number > self.page_count {
            return Err(self.corrupt(&format!("it refers to page {number} of {}", self.page_count)));
        }
        let logged = match &self.content {
            Content::MainAndLog { log, index, .. } => index.offset_of(number).map(|offset| (log, offset)),
            Content::Main(_) => None,
        };
        let (file, offset) = logged.unwrap_or_else(|| {
            self.from_main.insert(number);
            (&self.main, u64::from(number - 1) * self.page_size as u64)
        });
        let mut bytes = vec![0; self.page_size];
        let got = file.read_up_to(&mut bytes, offset).map_err(|e| io_error(&self.path(), e))?;
        if got < bytes.len() {
            return Err(self.corrupt(&format!("page {number} ends after {got} bytes")));
        }
        Ok(bytes)
    }

    /// Whether everything that was read so far belonged to one state of the database.
    fn still_true(&self) -> Result<bool> {
        match &self.content {
            Content::Main(before) => {
                let after = Witness::of(self.place, self.name)?;
                Ok(before.is_quiet() && after == *before && !witness::journal_is_hot(self.place, self.name)?)
            }
            Content::MainAndLog { main_is, log, log_is, index } => {
                let wal = wal_name(self.name);
                let same = self.place.identity(self.name)? == Some(*main_is)
                    && self.place.identity(&wal)? == Some(*log_is);
                let newer = index.newer_pages(log).map_err(|e| io_error(&self.place.path_of(&wal), e))?;
                Ok(same && newer.is_some_and(|pages| pages.iter().all(|page| !self.from_main.contains(page))))
            }
        }
    }
}

fn wal_name(name: &str) -> String {
    format!("{name}-wal")
}
