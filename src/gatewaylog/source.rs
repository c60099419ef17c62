//! Where lines come from: files (plain or gzip), standard input, the journal. Opening one gives a [`Stream`] of
//! events with its counters.

use super::journal::Journal;
use super::pretty;
use super::scan::{Counters, Entry, Scanner};
use super::stamp::Dating;
use super::utf16;
use chrono::{DateTime, FixedOffset, Utc};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One place to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that the user named: whatever it is, it is read (`/dev/fd/63` included).
    File(PathBuf),
    /// A file that discovery found, possibly in a directory that others can write: only a regular file, no link.
    Found(PathBuf),
    Stdin,
    Journal(Journal),
}

impl Source {
    /// `-` is standard input, as everywhere.
    pub fn named(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::File(path.to_owned()) }
    }

    /// How reports name it.
    pub fn label(&self) -> String {
        match self {
            Self::File(path) | Self::Found(path) => path.display().to_string(),
            Self::Stdin => "-".to_owned(),
            Self::Journal(journal) => journal.to_string(),
        }
    }
}

/// What all sources of one reading have in common.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Events before this are not returned.
    pub since: Option<DateTime<Utc>>,
    /// The clock, in the local offset: what undated stamps are completed from.
    pub now: DateTime<FixedOffset>,
    /// Bytes consumed so far, over all sources: for a progress bar.
    pub progress: Arc<AtomicU64>,
}

impl Reading {
    pub fn new(now: DateTime<FixedOffset>, since: Option<DateTime<Utc>>) -> Self {
        Self { since, now, progress: Arc::default() }
    }
}

type Bytes = Box<dyn Read + Send>;

/// What is read of a log that nobody named: OpenClaw rotates its own long before.
const MOST_OF_OTHERS: u64 = 1 << 30;

/// An open source.
pub struct Stream {
    label: String,
    scanner: Scanner<Bytes>,
    since: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("label", &self.label)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl Stream {
    pub fn open(source: &Source, reading: &Reading) -> io::Result<Self> {
        let (bytes, dating): (Bytes, _) = match source {
            Source::Stdin => (utf16::decoded(io::stdin())?, Dating::of(reading.now)),
            Source::Journal(journal) => (Box::new(journal.read(reading.since)?), Dating::of(reading.now)),
            Source::File(path) => open_file(File::open(path)?, reading)?,
            Source::Found(path) => open_of_others(open_found(path)?, reading)?,
        };
        Ok(Self { label: source.label(), scanner: Scanner::new(bytes, Some(dating)), since: reading.since })
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn counters(&self) -> Counters {
        self.scanner.counters()
    }

    /// The next event at or after `since`.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let Some(entry) = self.scanner.next_entry()? else {
                return Ok(None);
            };
            let before = |since: DateTime<Utc>| entry.when.time().is_some_and(|at| at < since);
            if !self.since.is_some_and(before) {
                return Ok(Some(entry));
            }
        }
    }
}

/// Opens a file that nobody named: a regular one, and no link.
pub(super) fn open_found(path: &Path) -> io::Result<File> {
    // O_NONBLOCK: opening must not hang on what turns out to be a FIFO.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match File::options().read(true).custom_flags(flags).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(io::Error::other(
                "is a symbolic link, which is not followed; name its target with --log",
            ));
        }
        opened => opened?,
    };
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// The end of a file that nobody named, whatever it claims to hold.
fn open_of_others(file: File, reading: &Reading) -> io::Result<(Bytes, Dating)> {
    let length = file.metadata()?.len();
    let (bytes, dating): (Bytes, _) = if length > MOST_OF_OTHERS {
        let mut file = file;
        file.seek(SeekFrom::Start(length - MOST_OF_OTHERS))?;
        (Box::new(Counting { inner: file, progress: Arc::clone(&reading.progress) }), Dating::of(reading.now))
    } else {
        open_file(file, reading)?
    };
    Ok((Box::new(Bounded { inner: bytes, left: MOST_OF_OTHERS, is_part: length > MOST_OF_OTHERS }), dating))
}

fn open_file(file: File, reading: &Reading) -> io::Result<(Bytes, Dating)> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok((utf16::decoded(file)?, Dating::of(reading.now)));
    }
    let offset = reading.now.offset();
    let changed =
        metadata.modified().map_or(reading.now, |at| DateTime::<Utc>::from(at).with_timezone(offset));
    let dating = if pretty::is_undated(decoded(&file, Arc::default())?)? {
        pretty::dating(decoded(&file, Arc::default())?, changed)?
    } else {
        Dating::of(changed)
    };
    Ok((decoded(&file, Arc::clone(&reading.progress))?, dating))
}

/// The file's content from its start, unpacked if it is gzip.
fn decoded(file: &File, progress: Arc<AtomicU64>) -> io::Result<Bytes> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let mut magic = [0; 2];
    let gzip = file.read(&mut magic)? == 2 && magic == [0x1f, 0x8b];
    file.seek(SeekFrom::Start(0))?;
    let counted = Counting { inner: file, progress };
    if gzip {
        return utf16::decoded(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, counted)));
    }
    // Plain text is read straight from the file.
    if matches!(magic, [0xff, 0xfe] | [0xfe, 0xff]) { utf16::decoded(counted) } else { Ok(Box::new(counted)) }
}

/// So many bytes of a source, and an error where that is not all of it.
struct Bounded<R> {
    inner: R,
    left: u64,
    /// The beginning was passed over.
    is_part: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let got = self.inner.read(&mut into[..most])?;
        self.left -= got as u64;
        if got == 0 && (most < into.len() || self.is_part) {
            return Err(io::Error::other("it is longer than 1 GiB, of which the rest was not read"));
        }
        Ok(got)
    }
}

/// Counts what is consumed of a file.
struct Counting<R> {
    inner: R,
    progress: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(into)?;
        self.progress.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}
