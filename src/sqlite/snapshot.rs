//! One consistent view of a live database, taken without a lock.
//!
//! In WAL mode the main file changes only through checkpoints, and a checkpoint copies only pages that were
//! committed to the log before. So a page that comes from the log as of one commit, and from the main file
//! otherwise, is right unless, while it was being read, (a) the log was started over, or (b) the log got a newer
//! version of a page that was read from the main file. Both can be seen afterwards: [`Snapshot::still_true`].
//! A reader that meets either simply reads again, as with a seqlock; the writer never notices.
//!
//! In rollback mode (OpenClaw uses it on network file systems) the main file is rewritten in place: there the
//! change counter and the absence of a journal, before and after, take the place of (a) and (b).

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{ReadError, Result};
use super::place::{Identity, Place, io_error};
use super::wal::{ReadAt, WalIndex, valid_page_size};

/// 2 + 4 + 8 + 16 + 32 ms of patience: longer than any commit that was measured, shorter than anyone notices.
const ATTEMPTS: u32 = 6;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_LEN: usize = 100;
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    place: &'a Place,
    name: &'a str,
    main: File,
    main_is: Identity,
    journal: JournalMode,
    page_size: usize,
    page_count: u32,
    reserved: usize,
    user_version: u32,
    from_main: HashSet<u32>,
    sizes: Sizes,
}

#[derive(Debug)]
enum JournalMode {
    /// WAL mode, or a clean database: there was no log, or nothing committed in it.
    NoLog {
        change_counter: [u8; 4],
    },
    Log {
        file: File,
        is: Identity,
        index: WalIndex,
    },
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
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(1 << attempt));
        }
        match Snapshot::open(place, name) {
            Ok(mut snapshot) => {
                let seen = look(&mut snapshot);
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
    fn open(place: &'a Place, name: &'a str) -> Result<Self> {
        let path = place.path_of(name);
        let main = place.open(name)?.ok_or_else(|| ReadError::Missing { path: path.clone() })?;
        let main_is = Identity::of(&main, &path)?;
        let mut header = [0; HEADER_LEN];
        let got = main.read_up_to(&mut header, 0).map_err(|e| io_error(&path, e))?;
        if got == 0 {
            return Err(ReadError::Empty { path });
        }
        let page_size = page_size_of(&header);
        if got < HEADER_LEN || &header[..16] != MAGIC || !valid_page_size(page_size) {
            return Err(ReadError::NotSqlite { path });
        }
        let journal = Self::journal_mode(place, name, &header)?;
        let database_bytes = main.metadata().map_err(|e| io_error(&path, e))?.len();
        let mut sizes = Sizes { database_bytes, ..Sizes::default() };
        let mut page_count = u32::try_from(database_bytes / page_size as u64).unwrap_or(u32::MAX);
        if let JournalMode::Log { file, index, .. } = &journal {
            if index.page_size != page_size {
                return Err(ReadError::Corrupt { path, what: "its log has pages of another size".into() });
            }
            page_count = index.page_count;
            sizes.wal_bytes = file.metadata().map_err(|e| io_error(&path, e))?.len();
            sizes.wal_committed_bytes = index.committed_frames * (page_size as u64 + 24);
        } else if let Some(wal) = place.open(&format!("{name}-wal"))? {
            sizes.wal_bytes = wal.metadata().map_err(|e| io_error(&path, e))?.len();
        }
        let mut snapshot = Self {
            place,
            name,
            main,
            main_is,
            journal,
            page_size,
            page_count,
            reserved: 0,
            user_version: 0,
            from_main: HashSet::new(),
            sizes,
        };
        snapshot.read_header()?;
        Ok(snapshot)
    }

    fn journal_mode(place: &Place, name: &str, header: &[u8; HEADER_LEN]) -> Result<JournalMode> {
        let wal_name = format!("{name}-wal");
        if let Some(file) = place.open(&wal_name)? {
            let path = place.path_of(&wal_name);
            if let Some(index) = WalIndex::scan(&file).map_err(|e| io_error(&path, e))? {
                return Ok(JournalMode::Log { is: Identity::of(&file, &path)?, file, index });
            }
        }
        if journal_is_hot(place, name)? {
            return Err(ReadError::Journal { path: place.path_of(name) });
        }
        Ok(JournalMode::NoLog { change_counter: change_counter(header) })
    }

    /// The header that counts is the one in the newest page 1, which may still be in the log.
    fn read_header(&mut self) -> Result<()> {
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

    pub(crate) fn page_count(&self) -> u32 {
        self.page_count
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

    pub(crate) fn page(&mut self, number: u32) -> Result<Vec<u8>> {
        if number == 0 || number > self.page_count {
            return Err(self.corrupt(&format!("it refers to page {number} of {}", self.page_count)));
        }
        let logged = match &self.journal {
            JournalMode::Log { file, index, .. } => index.offset_of(number).map(|offset| (file, offset)),
            JournalMode::NoLog { .. } => None,
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
        if self.place.identity(self.name)? != Some(self.main_is) {
            return Ok(false);
        }
        let wal_name = format!("{}-wal", self.name);
        match &self.journal {
            JournalMode::Log { file, is, index } => {
                if self.place.identity(&wal_name)? != Some(*is) {
                    return Ok(false);
                }
                let newer =
                    index.newer_pages(file).map_err(|e| io_error(&self.place.path_of(&wal_name), e))?;
                Ok(newer.is_some_and(|pages| pages.iter().all(|page| !self.from_main.contains(page))))
            }
            JournalMode::NoLog { change_counter: before } => {
                let mut header = [0; HEADER_LEN];
                let got = self.main.read_up_to(&mut header, 0).map_err(|e| io_error(&self.path(), e))?;
                if got < HEADER_LEN
                    || change_counter(&header) != *before
                    || journal_is_hot(self.place, self.name)?
                {
                    return Ok(false);
                }
                // A log that has begun since may already have been checkpointed into what was read.
                let Some(wal) = self.place.open(&wal_name)? else { return Ok(true) };
                let begun = WalIndex::scan(&wal).map_err(|e| io_error(&self.place.path_of(&wal_name), e))?;
                Ok(begun.is_none())
            }
        }
    }
}

/// A journal with its header is a transaction under way, or one that died; a zeroed or empty one is at rest.
fn journal_is_hot(place: &Place, name: &str) -> Result<bool> {
    let journal = format!("{name}-journal");
    let Some(file) = place.open(&journal)? else { return Ok(false) };
    let mut magic = [0; 8];
    let got = file.read_up_to(&mut magic, 0).map_err(|e| io_error(Path::new(&journal), e))?;
    Ok(got == magic.len() && magic == JOURNAL_MAGIC)
}

fn page_size_of(header: &[u8; HEADER_LEN]) -> usize {
    match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        size => usize::from(size),
    }
}

fn change_counter(header: &[u8; HEADER_LEN]) -> [u8; 4] {
    [header[24], header[25], header[26], header[27]]
}
