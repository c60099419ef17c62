//! Following a growing file across rotation and truncation, without polling: the caller says when to look (inotify),
//! and gets the events of what has been written since.

use super::discover::Owners;
use super::follow::identity;
use super::pretty;
use super::scan::{Counters, Entry, Scanner};
use super::source::open_found;
use super::stamp::Dating;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use std::path::{Path, PathBuf};

/// Where a tail begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    AtStart,
    /// With the last so many bytes: what happened lately.
    Near(u64),
    /// Where somebody saw it end.
    After(u64),
    /// Only what is written from now on.
    AtEnd,
}

/// How a file came to be read, and so what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The user named it: whatever it is.
    Named,
    /// Discovery found it: a regular file, no link, of one of these owners.
    Found(Owners),
}

impl Access {
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        let Self::Found(owners) = self else { return File::open(path) };
        let file = open_found(path)?;
        if owners.include(&file.metadata()?) {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"))
        }
    }
}

/// One followed file.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    access: Access,
    scanner: Scanner<File>,
    /// The file to go on with once the open one is read to its end.
    successor: Option<File>,
    /// The file that was read before, under whatever name by now.
    left: Option<(u64, u64)>,
    /// Where the last look ended, and what stood before it.
    mark: Option<(u64, Vec<u8>)>,
}

/// Long enough to hold a time stamp, which no two lines share.
const MARK: u64 = 128;

impl Tail {
    pub fn open(path: &Path, access: Access, begin: Begin, dating: Option<Dating>) -> io::Result<Self> {
        let mut file = access.open(path)?;
        let length = file.metadata()?.len();
        let start = match begin {
            Begin::AtStart => 0,
            Begin::AtEnd => length,
            Begin::After(end) if end <= length => end,
            // It is shorter than it was: another file, or cut.
            Begin::After(_) => 0,
            // The day of a line without a date is known only from the file's start.
            Begin::Near(_) if pretty::is_undated(file.try_clone()?)? => length,
            Begin::Near(bytes) => length.saturating_sub(bytes),
        };
        file.seek(SeekFrom::Start(start))?;
        let mut scanner = Scanner::new(file, dating).following();
        if matches!(begin, Begin::Near(_)) && 0 < start && start < length {
            scanner = scanner.inside_a_line();
        }
        Ok(Self { path: path.to_owned(), access, scanner, successor: None, left: None, mark: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn counters(&self) -> Counters {
        self.scanner.counters()
    }

    /// The events of what has been written since the last call.
    pub fn advance(&mut self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while let Some(entry) = self.next_within(&mut { u64::MAX })? {
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The next event; `None` at the end of what there is, or with nothing left of `budget` (bytes). The old file
    /// is read to its end before a new one under the same name is begun; a file that became shorter is read from
    /// its start.
    pub fn next_within(&mut self, budget: &mut u64) -> io::Result<Option<Entry>> {
        if self.mark.is_some() && self.is_rewritten()? {
            // It is the same file: what stands after the place is not all that is new.
            let fresh = self.access.open(&self.path)?;
            self.mark = None;
            if let Some(entry) = self.scanner.restart(fresh) {
                return Ok(Some(entry));
            }
        }
        self.mark = None;
        loop {
            if let Some(entry) = self.scanner.next_within(budget)? {
                return Ok(Some(entry));
            }
            if *budget == 0 {
                return Ok(None);
            }
            if let Some(fresh) = self.successor.take() {
                self.left = self.identity().ok();
                // The look before may have come between a line's two halves; the last one needs no newline.
                if let Some(entry) = self.scanner.restart(fresh) {
                    return Ok(Some(entry));
                }
                continue;
            }
            // What is written to the old file between a look at it and its replacement is read before the new one.
            self.successor = self.replaced()?;
            if self.successor.is_none() {
                self.mark = self.take_mark()?;
                return Ok(None);
            }
        }
    }

    fn take_mark(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let file = self.scanner.reader_mut();
        let position = file.stream_position()?;
        let from = position.saturating_sub(MARK);
        Ok(Some((from, read_at(file, from, position)?)))
    }

    /// What was read last stands there no more: the file was cut, and has grown beyond that place since.
    fn is_rewritten(&mut self) -> io::Result<bool> {
        let Some((from, bytes)) = &self.mark else { return Ok(false) };
        let now = read_at(self.scanner.reader(), *from, from + bytes.len() as u64)?;
        // Shorter than it was: seen by its length.
        Ok(now.len() == bytes.len() && now != *bytes)
    }

    /// Whether it reads that file, or has read it to its end.
    pub(super) fn has_read(&self, file: (u64, u64)) -> bool {
        self.left == Some(file) || self.identity().is_ok_and(|ours| ours == file)
    }

    /// Which file is open, whatever its name is by now.
    fn identity(&self) -> io::Result<(u64, u64)> {
        self.scanner.reader().metadata().as_ref().map(identity).map_err(|error| io::Error::from(error.kind()))
    }

    /// The file to go on with, if it is not the one that is open, or not as long as it was.
    fn replaced(&mut self) -> io::Result<Option<File>> {
        let current = match self.access.open(&self.path) {
            Ok(current) => current,
            // Between the rename and the new file, or for good: the open one is all there is.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let open = self.scanner.reader_mut();
        let position = open.stream_position()?;
        let (ours, theirs) = (open.metadata()?, current.metadata()?);
        let same = identity(&ours) == identity(&theirs);
        Ok((!same || theirs.len() < position).then_some(current))
    }
}

fn read_at(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; to.saturating_sub(from) as usize];
    let read = file.read_at(&mut bytes, from)?;
    bytes.truncate(read);
    Ok(bytes)
}
