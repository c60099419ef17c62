//! Following a growing file across rotation and truncation, without polling: the caller says when to look (inotify),
//! and gets the events of what has been written since.

use super::follow::identity;
use super::scan::{Counters, Entry, Scanner};
use super::stamp::Dating;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use std::path::{Path, PathBuf};

/// Where a tail begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    AtStart,
    /// Only what is written from now on.
    AtEnd,
}

/// One followed file.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    scanner: Scanner<File>,
}

impl Tail {
    pub fn open(path: &Path, begin: Begin, dating: Option<Dating>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        if begin == Begin::AtEnd {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(Self { path: path.to_owned(), scanner: Scanner::new(file, dating).following() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn counters(&self) -> Counters {
        self.scanner.counters()
    }

    /// The events of what has been written since the last call. The old file is read to its end before a new one
    /// under the same name is begun; a file that became shorter is read from its start.
    pub fn advance(&mut self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        self.drain(&mut entries)?;
        if let Some(fresh) = self.replaced()? {
            // What was written to the old file between the first look and its replacement.
            self.drain(&mut entries)?;
            entries.extend(self.scanner.restart(fresh));
            self.drain(&mut entries)?;
        }
        Ok(entries)
    }

    /// Which file is open, whatever its name is by now.
    pub(super) fn identity(&self) -> io::Result<(u64, u64)> {
        self.scanner.reader().metadata().as_ref().map(identity).map_err(|error| io::Error::from(error.kind()))
    }

    fn drain(&mut self, entries: &mut Vec<Entry>) -> io::Result<()> {
        while let Some(entry) = self.scanner.next_entry()? {
            entries.push(entry);
        }
        Ok(())
    }

    /// The file to go on with, if it is not the one that is open, or not as long as it was.
    fn replaced(&mut self) -> io::Result<Option<File>> {
        let current = match File::open(&self.path) {
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
