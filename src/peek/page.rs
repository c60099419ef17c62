//! One b-tree page: its kind, its cells, and the records they hold.
//!
//! After <https://www.sqlite.org/fileformat2.html#b_tree_pages>. The bytes may be anybody's, or torn by a
//! checkpoint that ran meanwhile: every offset is checked, and nothing panics.

use super::error::{ReadError, Result};
use super::snapshot::Snapshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InteriorIndex,
    InteriorTable,
    LeafIndex,
    LeafTable,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) kind: Kind,
    pub(crate) cells: usize,
    bytes: Vec<u8>,
    number: u32,
    /// Page 1 begins with the database header.
    start: usize,
}

/// The part of a record that lies in its page, and where the rest begins.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) local: &'a [u8],
    length: usize,
    overflow: u32,
}

/// The largest record that is read. The largest known one, a session's `entry_json`, is under 100 kB.
const MAX_RECORD: u64 = 16 << 20;

impl Page {
    pub(crate) fn read(snapshot: &mut Snapshot, number: u32) -> Result<Self> {
        let bytes = snapshot.page(number)?;
        let start = if number == 1 { 100 } else { 0 };
        let kind = match bytes[start] {
            0x02 => Kind::InteriorIndex,
            0x05 => Kind::InteriorTable,
            0x0a => Kind::LeafIndex,
            0x0d => Kind::LeafTable,
            other => return Err(snapshot.corrupt(&format!("page {number} has the unknown kind {other}"))),
        };
        let cells = usize::from(u16::from_be_bytes([bytes[start + 3], bytes[start + 4]]));
        Ok(Self { kind, cells, bytes, number, start })
    }

    /// The page left of cell `index`, or right of all cells.
    pub(crate) fn child(&self, index: usize, snapshot: &Snapshot) -> Result<u32> {
        let at = if index < self.cells { self.cell(index, snapshot)? } else { self.start + 8 };
        self.u32_at(at, snapshot)
    }

    /// The rowid in a cell of a table's page.
    pub(crate) fn key(&self, index: usize, snapshot: &Snapshot) -> Result<i64> {
        let at = self.cell(index, snapshot)?;
        let skip = if self.kind == Kind::InteriorTable { 4 } else { self.varint(at, snapshot)?.1 };
        Ok(self.varint(at + skip, snapshot)?.0 as i64)
    }

    /// The record in a cell of any page but a table's interior one, which has none.
    pub(crate) fn record(&self, index: usize, snapshot: &Snapshot) -> Result<Record<'_>> {
        let mut at = self.cell(index, snapshot)?;
        if self.kind == Kind::InteriorIndex {
            at += 4;
        }
        let (length, n) = self.varint(at, snapshot)?;
        at += n;
        if self.kind == Kind::LeafTable {
            at += self.varint(at, snapshot)?.1;
        }
        if length > MAX_RECORD {
            return Err(snapshot.corrupt(&format!("page {} holds a record of {length} bytes", self.number)));
        }
        let length = length as usize;
        let fits = self.local_part(length, snapshot.usable());
        let local = self.slice(at, fits, snapshot)?;
        let overflow = if fits < length { self.u32_at(at + fits, snapshot)? } else { 0 };
        Ok(Record { local, length, overflow })
    }

    fn cell(&self, index: usize, snapshot: &Snapshot) -> Result<usize> {
        let header = if matches!(self.kind, Kind::InteriorIndex | Kind::InteriorTable) { 12 } else { 8 };
        let pointer = self.slice(self.start + header + 2 * index, 2, snapshot)?;
        Ok(usize::from(u16::from_be_bytes([pointer[0], pointer[1]])))
    }

    /// How much of a record of `length` bytes lies in the page.
    fn local_part(&self, length: usize, usable: usize) -> usize {
        let most = if self.kind == Kind::LeafTable { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
        if length <= most {
            return length;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let fitting = least + (length - least) % (usable - 4);
        if fitting <= most { fitting } else { least }
    }

    fn varint(&self, at: usize, snapshot: &Snapshot) -> Result<(u64, usize)> {
        self.bytes.get(at..).and_then(varint).ok_or_else(|| self.torn(snapshot))
    }

    fn u32_at(&self, at: usize, snapshot: &Snapshot) -> Result<u32> {
        let b = self.slice(at, 4, snapshot)?;
        Ok(u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn slice(&self, at: usize, length: usize, snapshot: &Snapshot) -> Result<&[u8]> {
        at.checked_add(length).and_then(|end| self.bytes.get(at..end)).ok_or_else(|| self.torn(snapshot))
    }

    fn torn(&self, snapshot: &Snapshot) -> ReadError {
        snapshot.corrupt(&format!("page {} points beyond its end", self.number))
    }
}

impl Record<'_> {
    pub(crate) fn is_local(&self) -> bool {
        self.local.len() == self.length
    }

    /// The whole record, through its overflow pages.
    pub(crate) fn complete(&self, snapshot: &mut Snapshot) -> Result<Vec<u8>> {
        let mut bytes = self.local.to_vec();
        let mut next = self.overflow;
        // Each page adds at least one byte, so a chain that runs in a circle ends too.
        while bytes.len() < self.length {
            let page = snapshot.page(next)?;
            let take = (self.length - bytes.len()).min(snapshot.usable() - 4);
            bytes.extend_from_slice(&page[4..4 + take]);
            next = u32::from_be_bytes([page[0], page[1], page[2], page[3]]);
        }
        Ok(bytes)
    }
}

/// A big-endian number of one to nine bytes, and how many it took.
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().take(8).enumerate() {
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    bytes.get(8).map(|&byte| (value << 8 | u64::from(byte), 9))
}
