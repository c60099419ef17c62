//! Asking the kernel who holds the locks that SQLite takes, without taking any.
//!
//! SQLite locks byte ranges (`fcntl`) at offsets that its file format fixes. `F_GETLK` answers for every process of
//! this kernel, in any PID namespace, and changes nothing; it names one holder. `/proc/locks` lists the others, as
//! far as they are in a PID namespace that is visible from here. Seen on real gateways (`docs/sqlite-era.md`).

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::error::Result;
use super::place::Place;
use super::wal::ReadAt;
use super::wal_index::{self, WalState};

/// `PENDING_BYTE` and the 511 after it: all locks on a database file (SQLite `os.h`).
pub const DATABASE: Range = Range { start: 0x4000_0000, length: 512 };
/// On a `-shm` (SQLite `wal.c`, `os_unix.c`).
pub const WAL_WRITER: Range = Range { start: 120, length: 1 };
pub const WAL_CHECKPOINT: Range = Range { start: 121, length: 1 };
/// Five slots: a reader holds one for as long as its transaction lasts.
pub const WAL_READERS: Range = Range { start: 123, length: 5 };
/// The dead man's switch: shared for as long as a process has the database open.
pub const WAL_OPEN: Range = Range { start: 128, length: 1 };
/// All of these.
pub const WAL_WHOLE: Range = Range { start: 120, length: 9 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub start: u64,
    pub length: u64,
}

/// A lock on a range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold {
    /// `None`: a process in a PID namespace that is not visible from here.
    pub pid: Option<u32>,
    /// Where it begins, within the range that was asked for.
    pub start: u64,
}

/// What is held in the file `relative` below `directory`, range by range; `None` where there is no such file, or it
/// could not be asked.
pub fn below<const N: usize>(
    directory: &Path,
    relative: &Path,
    ranges: [Range; N],
) -> Option<[Vec<Hold>; N]> {
    let file = open(directory, relative).ok()??;
    let mut found = [const { Vec::new() }; N];
    for (found, range) in found.iter_mut().zip(ranges) {
        *found = holds(&file, range).ok()?;
    }
    Some(found)
}

/// How far the log of the database `relative` has been written back.
pub fn wal_state(directory: &Path, relative: &Path) -> Option<WalState> {
    let mut name = relative.as_os_str().to_owned();
    name.push("-shm");
    let file = open(directory, Path::new(&name)).ok()??;
    let mut header = [0; wal_index::LENGTH];
    file.read_up_to(&mut header, 0).ok()?;
    WalState::parse(&header)
}

/// A file that stays open while it is asked about. Closing any descriptor of a file ends every lock of this process
/// on it (fcntl(2)): a process that holds one keeps this open until after its own.
#[derive(Debug)]
pub struct Watched(File);

impl Watched {
    /// `None` where there is no such file, or it cannot be opened.
    pub fn open(directory: &Path, relative: &Path) -> Option<Self> {
        open(directory, relative).ok()?.map(Self)
    }

    /// Who else holds something in `range`: the kernel leaves out what this process holds itself.
    pub fn others(&self, range: Range) -> Option<Vec<Hold>> {
        holds(&self.0, range).ok()
    }

    /// Its first bytes.
    pub fn start<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        (self.0.read_up_to(&mut bytes, 0).ok()? == N).then_some(bytes)
    }
}

fn open(directory: &Path, relative: &Path) -> Result<Option<File>> {
    let parent = Place::root(directory)?.below(relative.parent().unwrap_or(Path::new("")))?;
    parent.open(&relative.file_name().unwrap_or_default().to_string_lossy())
}

/// Every lock on `range` of `file` that can be seen. An empty list is the kernel's word that there is none.
fn holds(file: &File, range: Range) -> io::Result<Vec<Hold>> {
    let Some(first) = ask(file, range)? else { return Ok(Vec::new()) };
    let mut holds = listed(file, range).unwrap_or_default();
    if !holds.iter().any(|hold| hold.pid == first.pid) {
        holds.push(first);
    }
    holds.sort_unstable();
    holds.dedup();
    Ok(holds)
}

/// "Could I have it for writing?": the lock is only asked for, never set.
fn ask(file: &File, range: Range) -> io::Result<Option<Hold>> {
    let wish = Flock {
        start: range.start,
        length: range.length,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let found = fcntl_getlk(file, &wish)?;
    Ok(found.map(|lock| Hold {
        pid: lock.pid.and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok()),
        start: lock.start.max(range.start),
    }))
}

fn listed(file: &File, range: Range) -> io::Result<Vec<Hold>> {
    let meta = file.metadata()?;
    let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
    let id = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    let table = std::fs::read_to_string("/proc/locks")?;
    Ok(table.lines().filter_map(|line| entry(line, &id, range)).collect())
}

/// `1: POSIX  ADVISORY  READ 3548 08:01:1234 128 128`; a waiter has `->` in its line, and holds nothing.
fn entry(line: &str, id: &str, range: Range) -> Option<Hold> {
    let mut words = line.split_ascii_whitespace().skip(1);
    if words.next()? != "POSIX" {
        return None;
    }
    let pid = words.nth(2)?.parse().ok();
    if words.next()? != id {
        return None;
    }
    let start: u64 = words.next()?.parse().ok()?;
    let end = words.next().map_or(u64::MAX, |end| end.parse().unwrap_or(u64::MAX));
    (start < range.start + range.length && end >= range.start)
        .then_some(Hold { pid, start: start.max(range.start) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_the_kernels_table() {
        let line = "3: POSIX  ADVISORY  READ 3548 08:01:1234 128 128";
        assert_eq!(entry(line, "08:01:1234", WAL_OPEN), Some(Hold { pid: Some(3548), start: 128 }));
        assert_eq!(entry(line, "08:01:1235", WAL_OPEN), None, "another file");
        assert_eq!(entry(line, "08:01:1234", WAL_READERS), None, "another byte");
        let whole = "4: POSIX  ADVISORY  WRITE 7 08:01:1234 0 EOF";
        assert_eq!(entry(whole, "08:01:1234", WAL_OPEN), Some(Hold { pid: Some(7), start: 128 }));
        let waiter = "3: -> POSIX  ADVISORY  WRITE 9 08:01:1234 128 128";
        assert_eq!(entry(waiter, "08:01:1234", WAL_OPEN), None, "it waits");
    }
}
