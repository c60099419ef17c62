//! The write-ahead log: which frames are committed, and where the newest version of each page lies.
//!
//! After <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>. The checksums chain from the header
//! through every frame, so the tail of a crash, a frame that is being written this moment and the leftovers of
//! an older generation are all told apart from what counts, without the `-shm`.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const HEADER_LEN: usize = 32;
const FRAME_HEADER_LEN: usize = 24;
const VERSION: u32 = 3_007_000;

/// Frames read at once: large enough to make system calls cheap, small enough to forget.
const BATCH: usize = 64;

pub(crate) trait ReadAt {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills as much of `buf` as the file has.
    fn read_up_to(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

impl ReadAt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct WalIndex {
    pub(crate) page_size: usize,
    /// The size of the database in pages as of the last commit.
    pub(crate) page_count: u32,
    header: [u8; HEADER_LEN],
    pages: HashMap<u32, u64>,
    tail: Tail,
}

/// Where the committed part ends, and what the next frame must chain to.
#[derive(Debug, Clone, Copy)]
struct Tail {
    offset: u64,
    sum: Sum,
}

impl WalIndex {
    /// `None` when the log holds nothing that counts: empty, a torn header, or no commit yet. A log that is started
    /// over while it is being scanned can look like that too: look again before taking it for empty.
    pub(crate) fn scan(wal: &(impl ReadAt + ?Sized)) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER_LEN];
        if wal.read_up_to(&mut header, 0)? < HEADER_LEN {
            return Ok(None);
        }
        let Some((generation, sum)) = Generation::parse(&header) else { return Ok(None) };
        let start = Tail { offset: HEADER_LEN as u64, sum };
        let mut index = Self {
            page_size: generation.page_size,
            page_count: 0,
            header,
            pages: HashMap::new(),
            tail: start,
        };
        let mut pending = Vec::new();
        generation.walk(wal, start, |frame| {
            pending.push((frame.page, frame.data));
            if let Some(page_count) = frame.commit {
                index.pages.extend(pending.drain(..));
                index.page_count = page_count;
                index.tail = frame.end;
            }
        })?;
        Ok((index.page_count > 0).then_some(index))
    }

    pub(crate) fn committed_bytes(&self) -> u64 {
        self.tail.offset - HEADER_LEN as u64
    }

    /// Where in the log the committed content of `page` lies.
    pub(crate) fn offset_of(&self, page: u32) -> Option<u64> {
        self.pages.get(&page).copied()
    }

    /// The pages that got a new version since the scan; `None` when the log was started over, or its last
    /// commit taken back, since: then nothing can be said.
    pub(crate) fn newer_pages(&self, wal: &(impl ReadAt + ?Sized)) -> io::Result<Option<Vec<u32>>> {
        let mut last = [0; FRAME_HEADER_LEN];
        let frame_len = (FRAME_HEADER_LEN + self.page_size) as u64;
        if wal.read_up_to(&mut last, self.tail.offset - frame_len)? < FRAME_HEADER_LEN
            || (be32(&last, 16), be32(&last, 20)) != (self.tail.sum.0, self.tail.sum.1)
        {
            return Ok(None);
        }
        let mut pages = Vec::new();
        if let Some((generation, _)) = Generation::parse(&self.header) {
            generation.walk(wal, self.tail, |frame| pages.push(frame.page))?;
        }
        // The header is checked last: a writer that starts the log over writes it before any frame.
        let mut header = [0; HEADER_LEN];
        let same = wal.read_up_to(&mut header, 0)? == HEADER_LEN && header == self.header;
        Ok(same.then_some(pages))
    }
}

/// One generation of the log: from one reset to the next.
struct Generation {
    page_size: usize,
    salts: [u8; 8],
    big_endian: bool,
}

struct Frame {
    page: u32,
    /// The database's size in pages, when this frame ends a transaction.
    commit: Option<u32>,
    data: u64,
    end: Tail,
}

impl Generation {
    fn parse(header: &[u8; HEADER_LEN]) -> Option<(Self, Sum)> {
        let big_endian = match be32(header, 0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let page_size = be32(header, 8) as usize;
        let mut salts = [0; 8];
        salts.copy_from_slice(&header[16..24]);
        let sum = Sum(0, 0).over(&header[..24], big_endian);
        let sound = be32(header, 4) == VERSION
            && valid_page_size(page_size)
            && sum == Sum(be32(header, 24), be32(header, 28));
        sound.then_some((Self { page_size, salts, big_endian }, sum))
    }

    /// Every whole frame of this generation from `from` on, committed or not.
    fn walk(&self, wal: &(impl ReadAt + ?Sized), from: Tail, mut visit: impl FnMut(Frame)) -> io::Result<()> {
        let frame_len = FRAME_HEADER_LEN + self.page_size;
        let mut buf = vec![0; frame_len * BATCH];
        let mut tail = from;
        loop {
            let got = wal.read_up_to(&mut buf, tail.offset)?;
            for bytes in buf[..got].chunks_exact(frame_len) {
                let (page, commit) = (be32(bytes, 0), be32(bytes, 4));
                let sum = tail
                    .sum
                    .over(&bytes[..8], self.big_endian)
                    .over(&bytes[FRAME_HEADER_LEN..], self.big_endian);
                if page == 0 || bytes[8..16] != self.salts || sum != Sum(be32(bytes, 16), be32(bytes, 20)) {
                    return Ok(());
                }
                let data = tail.offset + FRAME_HEADER_LEN as u64;
                tail = Tail { offset: tail.offset + frame_len as u64, sum };
                visit(Frame { page, commit: (commit != 0).then_some(commit), data, end: tail });
            }
            if got < buf.len() {
                return Ok(());
            }
        }
    }
}

/// The running checksum: Fibonacci-weighted sums over pairs of words, in the byte order the header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum(u32, u32);

impl Sum {
    fn over(self, bytes: &[u8], big_endian: bool) -> Self {
        let word = |b: &[u8]| {
            let b = [b[0], b[1], b[2], b[3]];
            if big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) }
        };
        let Self(mut s0, mut s1) = self;
        for pair in bytes.chunks_exact(8) {
            s0 = s0.wrapping_add(word(&pair[..4])).wrapping_add(s1);
            s1 = s1.wrapping_add(word(&pair[4..])).wrapping_add(s0);
        }
        Self(s0, s1)
    }
}

pub(crate) fn valid_page_size(size: usize) -> bool {
    (512..=65536).contains(&size) && size.is_power_of_two()
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
