//! Whether a database without a log has changed between two moments.
//!
//! SQLite's own change counter counts only in rollback mode. In WAL mode a transaction can come, be checkpointed,
//! and leave an empty log behind, all between two looks, without touching it (seen in `tests/suite/sqlite/busy.rs`). Then
//! the counter in the `-shm` has moved, as long as a process has the database open; and if none has, the times of
//! the files say so.

use std::time::{Duration, SystemTime};

use super::error::Result;
use super::place::{Place, Stamp, io_error};
use super::wal::ReadAt;

/// Both copies of the index header, with its counter of transactions, and the checkpoint information after it
/// (SQLite `wal.c`, `WalIndexHdr` and `WalCkptInfo`).
const SHM_HEADER: usize = 136;

const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// A file's times move in ticks of up to 10 ms; whatever changed in this very tick can change again unseen.
const TICK: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Witness {
    main: Option<Stamp>,
    wal: Option<Stamp>,
    /// Which has no times worth comparing: it is changed through mappings.
    shm: Option<Vec<u8>>,
    /// Bytes 18 to 27 of the header: the format version, which tells rollback mode, and the change counter.
    header: [u8; 10],
    taken_at: Taken,
}

/// Equal to any other: when a witness was taken is no part of what it saw.
#[derive(Debug, Clone, Copy, Eq)]
struct Taken(SystemTime);

impl PartialEq for Taken {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Witness {
    pub(crate) fn of(place: &Place, name: &str) -> Result<Self> {
        let mut header = [0; 10];
        if let Some(main) = place.open(name)? {
            main.read_up_to(&mut header, 18).map_err(|e| io_error(&place.path_of(name), e))?;
        }
        let shm_name = format!("{name}-shm");
        let shm = match place.open(&shm_name)? {
            Some(shm) => {
                let mut index = vec![0; SHM_HEADER];
                shm.read_up_to(&mut index, 0).map_err(|e| io_error(&place.path_of(&shm_name), e))?;
                Some(index)
            }
            None => None,
        };
        let (main, wal) = (place.stamp(name)?, place.stamp(&format!("{name}-wal"))?);
        Ok(Self { main, wal, shm, header, taken_at: Taken(SystemTime::now()) })
    }

    /// Whether the next change is sure to show: something counts, or the files had been left alone for long enough.
    pub(crate) fn is_quiet(&self) -> bool {
        const ROLLBACK_MODE: u8 = 1;
        let settled = |stamp: &Option<Stamp>| {
            stamp.is_none_or(|stamp| {
                self.taken_at.0.duration_since(stamp.changed()).map_or(true, |age| age > TICK)
            })
        };
        self.header[0] == ROLLBACK_MODE || self.shm.is_some() || settled(&self.main) && settled(&self.wal)
    }

    pub(crate) fn wal_bytes(&self) -> u64 {
        self.wal.map_or(0, |stamp| stamp.size())
    }
}

/// A journal with its header is a transaction under way, or one that died; a zeroed or empty one is at rest.
pub(crate) fn journal_is_hot(place: &Place, name: &str) -> Result<bool> {
    let journal = format!("{name}-journal");
    let Some(file) = place.open(&journal)? else { return Ok(false) };
    let mut magic = [0; 8];
    let got = file.read_up_to(&mut magic, 0).map_err(|e| io_error(&place.path_of(&journal), e))?;
    Ok(got == magic.len() && magic == JOURNAL_MAGIC)
}
