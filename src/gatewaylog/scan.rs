//! A stream of bytes → a stream of events, in constant memory and mostly without looking at single lines: the
//! prefilter runs over a whole chunk, and only lines in which an anchor stands are cut out and parsed.

use super::level::Level;
use super::record::Record;
use super::stamp::Dating;
use super::{Event, anchors, pretty, read_line, recognise};
use chrono::{DateTime, Days, Timelike, Utc};
use std::io::{self, Read};

/// Longest line that is read; a longer one is skipped and counted. OpenClaw's longest known line of interest is
/// under 64 KiB.
const MAX_LINE: usize = 1 << 20;
/// Bytes asked for at a time: fits the second-level cache, so the passes over it cost little.
const CHUNK: usize = 256 << 10;
/// The same for a source that is followed: little comes at a time, and several are followed at once.
const FOLLOWED_CHUNK: usize = 64 << 10;
/// Lines looked at backwards for a stamp when a line of interest has none.
const LOOK_BACK: usize = 50;

/// When an event happened, as far as its source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The line's own stamp.
    At(DateTime<Utc>),
    /// The line has none; it was written after a line with this one.
    After(DateTime<Utc>),
    Unknown,
}

impl When {
    pub fn time(self) -> Option<DateTime<Utc>> {
        match self {
            Self::At(at) | Self::After(at) => Some(at),
            Self::Unknown => None,
        }
    }
}

/// One event with the line it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub when: When,
    /// Line number in its source, from 1.
    pub line: u64,
    pub level: Level,
    pub subsystem: Option<String>,
    pub pid: Option<u32>,
    /// The text of the message: evidence, to be redacted before it is shown.
    pub message: String,
    pub event: Event,
}

impl Entry {
    /// The line has a stamp of its own, comes from this subsystem, and begins with this text. What a message quotes, or
    /// carries on its second line, does not.
    pub fn is_said_by(&self, subsystem: &str, beginning: &str) -> bool {
        matches!(self.when, When::At(_))
            && self.subsystem.as_deref() == Some(subsystem)
            && self.message.starts_with(beginning)
    }
}

/// What was met in one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub bytes: u64,
    pub lines: u64,
    /// Lines that became an event. The rest says nothing about locks or lanes, or is not known.
    pub parsed: u64,
    /// Lines that could not be read: longer than a megabyte, or broken JSON around something of interest.
    pub skipped: u64,
    /// Lines of interest that held bytes which are not UTF-8 or NULs; they were read all the same.
    pub mended: u64,
    /// Events whose stamp lies before that of an event already seen.
    pub out_of_order: u64,
    /// First and last stamp of an event.
    pub first: Option<DateTime<Utc>>,
    pub last: Option<DateTime<Utc>>,
}

/// Reads events out of a byte stream.
#[derive(Debug)]
pub struct Scanner<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Ordinary size of the buffer.
    chunk: usize,
    /// Lines before this are done with.
    position: usize,
    /// End of the last whole line in the buffer.
    whole: usize,
    filled: usize,
    /// Inside a line that is too long: drop bytes up to the next newline.
    overlong: bool,
    ended: bool,
    follow: bool,
    dating: Option<Dating>,
    /// Set for a log whose stamps name no day: the last of them.
    wall: Option<Wall>,
    /// The last stamp that was met, for lines without one.
    latest: Option<DateTime<Utc>>,
    counters: Counters,
}

#[derive(Debug, Clone, Copy)]
struct Wall {
    second_of_day: u32,
}

impl<R: Read> Scanner<R> {
    /// `dating` completes stamps that lack a day or an offset; for a pretty-style log it is the day of its first line.
    pub fn new(reader: R, dating: Option<Dating>) -> Self {
        Self {
            reader,
            buffer: vec![0; CHUNK],
            chunk: CHUNK,
            position: 0,
            whole: 0,
            filled: 0,
            overlong: false,
            ended: false,
            follow: false,
            dating,
            wall: None,
            latest: None,
            counters: Counters::default(),
        }
    }

    /// The source may grow: an unfinished last line is kept for later, and the end is not final.
    #[must_use]
    pub fn following(mut self) -> Self {
        self.follow = true;
        self.chunk = FOLLOWED_CHUNK;
        self.buffer = vec![0; FOLLOWED_CHUNK];
        self
    }

    /// The source begins inside a line, which is dropped.
    #[must_use]
    pub(super) fn inside_a_line(mut self) -> Self {
        self.overlong = true;
        self
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The next event; `None` at the end of the stream (of what there is so far, when following).
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        self.next_within(&mut { u64::MAX })
    }

    /// The same, reading on only while `budget` bytes are left; what is read is taken off it. With nothing left
    /// of it, `None` says nothing about the end.
    pub(super) fn next_within(&mut self, budget: &mut u64) -> io::Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.next_in_buffer() {
                return Ok(Some(entry));
            }
            if self.ended || *budget == 0 {
                return Ok(None);
            }
            let before = self.counters.bytes;
            if !self.refill()? {
                return Ok(None);
            }
            *budget = budget.saturating_sub(self.counters.bytes - before);
        }
    }

    /// What follows comes from another file under the same name (rotation): finish the last line, start afresh.
    pub(super) fn restart(&mut self, reader: R) -> Option<Entry> {
        let entry = self.finish();
        self.reader = reader;
        (self.position, self.whole, self.filled) = (0, 0, 0);
        self.overlong = false;
        entry
    }

    pub(super) fn reader(&self) -> &R {
        &self.reader
    }

    pub(super) fn reader_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Takes the unfinished last line as a line.
    fn finish(&mut self) -> Option<Entry> {
        if self.filled > self.whole && !self.overlong {
            self.whole = self.filled;
        }
        self.next_in_buffer()
    }

    fn next_in_buffer(&mut self) -> Option<Entry> {
        while self.position < self.whole {
            let line_start = if self.wall.is_some() {
                // Pretty style: the day is known only by watching every line's clock.
                self.position
            } else if let Some(hit) = anchors::find(&self.buffer[..self.whole], self.position) {
                memchr::memrchr(b'\n', &self.buffer[self.position..hit])
                    .map_or(self.position, |at| self.position + at + 1)
            } else {
                self.whole
            };
            self.counters.lines += newlines(&self.buffer[self.position..line_start]);
            if line_start >= self.whole {
                // The last line of a stream may lack its newline.
                self.counters.lines +=
                    u64::from(line_start > self.position && self.buffer[line_start - 1] != b'\n');
                self.position = self.whole;
                return None;
            }
            let line_end = memchr::memchr(b'\n', &self.buffer[line_start..self.whole])
                .map_or(self.whole, |at| line_start + at);
            self.position = (line_end + 1).min(self.whole);
            self.counters.lines += 1;
            if let Some(entry) = self.line(line_start, line_end) {
                return Some(entry);
            }
        }
        None
    }

    fn line(&mut self, start: usize, end: usize) -> Option<Entry> {
        let line = &self.buffer[start..end];
        let damaged = memchr::memchr(0, line).is_some() || std::str::from_utf8(line).is_err();
        let dating = self.dating;
        let mut record = match read_line(line, dating.as_ref()) {
            Ok(record) => record,
            Err(super::Unreadable::BrokenJson) => {
                // The last line of a file may be half written yet.
                self.counters.skipped += u64::from(end < self.whole);
                return None;
            }
            Err(_) => return None,
        };
        let when = self.when(&record, start);
        self.take_wrapped(&mut record);
        let event = recognise(&record)?;
        self.counters.mended += u64::from(damaged);
        self.counters.parsed += 1;
        if let When::At(at) = when {
            self.counters.out_of_order += u64::from(self.counters.last.is_some_and(|last| at < last));
            self.counters.first = Some(self.counters.first.map_or(at, |first| first.min(at)));
            self.counters.last = Some(self.counters.last.map_or(at, |last| last.max(at)));
        }
        let Record { level, subsystem, pid, message, .. } = record;
        Some(Entry { when, line: self.counters.lines, level, subsystem, pid, message, event })
    }

    /// People wrap a line before each of its fields: `  sessionId=...` below `stuck session:`, or without the blanks.
    fn take_wrapped(&mut self, record: &mut Record) {
        let has_fields = anchors::has_fields(&record.message);
        while let Some(first) = self.buffer[..self.whole].get(self.position).copied() {
            let goes_on = matches!(first, b' ' | b'\t') || has_fields && first.is_ascii_lowercase();
            if !goes_on {
                return;
            }
            let rest = &self.buffer[self.position..self.whole];
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let Ok(line) = std::str::from_utf8(&rest[..end]) else { return };
            let line = line.trim();
            let name = line.split('=').next().unwrap_or("");
            let is_field = name.len() < line.len() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if name.is_empty() || !is_field {
                return;
            }
            let wrapped = record.message.trim_end().len();
            record.message.truncate(wrapped);
            record.message.push(' ');
            record.message.push_str(line);
            self.position = (self.position + end + 1).min(self.whole);
            self.counters.lines += 1;
        }
    }

    fn when(&mut self, record: &Record, start: usize) -> When {
        if record.undated {
            return self.wall_time(record);
        }
        if let Some(at) = record.at {
            self.latest = Some(at);
            return When::At(at);
        }
        let before = self.stamp_before(start).or(self.latest);
        before.map_or(When::Unknown, When::After)
    }

    /// A time of day: the day goes on when the clock steps back by more than disorder and daylight saving
    /// explain.
    fn wall_time(&mut self, record: &Record) -> When {
        if let (None, Some(latest), Some(dating)) = (self.wall, self.latest, self.dating.as_mut()) {
            // An undated line among dated ones is of their day.
            dating.date = latest.with_timezone(&dating.offset).date_naive();
        }
        let (Some(at), Some(dating)) = (record.at, self.dating.as_mut()) else {
            self.wall.get_or_insert(Wall { second_of_day: 0 });
            return When::Unknown;
        };
        let second_of_day = at.with_timezone(&dating.offset).num_seconds_from_midnight();
        let stepped_back =
            self.wall.is_some_and(|wall| second_of_day + pretty::STEP_BACK < wall.second_of_day);
        self.wall = Some(Wall { second_of_day });
        if !stepped_back {
            self.latest = Some(at);
            return When::At(at);
        }
        let Some(next) = dating.date.checked_add_days(Days::new(1)) else {
            return When::Unknown;
        };
        dating.date = next;
        let at = at + Days::new(1);
        self.latest = Some(at);
        When::At(at)
    }

    /// The stamp of the nearest line above that has one.
    fn stamp_before(&self, start: usize) -> Option<DateTime<Utc>> {
        let mut end = start.checked_sub(1)?;
        for _ in 0..LOOK_BACK {
            let from = memchr::memrchr(b'\n', &self.buffer[..end]).map_or(0, |at| at + 1);
            if let Some(at) =
                read_line(&self.buffer[from..end], self.dating.as_ref()).ok().and_then(|record| record.at)
            {
                return Some(at);
            }
            end = from.checked_sub(1)?;
        }
        None
    }

    /// Reads on, as much as there is room for. `false`: nothing more came.
    fn refill(&mut self) -> io::Result<bool> {
        self.keep_unfinished_line();
        let fresh = self.filled;
        while self.filled < self.buffer.len() {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.ended = !self.follow;
                    break;
                }
                Ok(got) => self.filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.follow && error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            // What is followed is told as it comes.
            if self.follow {
                break;
            }
        }
        let fresh = fresh..self.filled;
        self.counters.bytes += fresh.len() as u64;
        if fresh.is_empty() && (self.follow || self.overlong) {
            return Ok(false);
        }
        self.first_look();
        if let Some(newline) = memchr::memrchr(b'\n', &self.buffer[fresh.clone()]) {
            self.whole = fresh.start + newline + 1;
        }
        if self.overlong {
            self.drop_overlong(fresh.start);
        }
        if self.ended && !self.overlong {
            // The last line may lack its newline.
            self.whole = self.filled;
        }
        Ok(self.whole > self.position || !fresh.is_empty())
    }

    /// Moves the unfinished last line to the front, and makes room; remembers the time that it was.
    fn keep_unfinished_line(&mut self) {
        if self.whole > 0 {
            self.latest = self.stamp_before(self.whole).or(self.latest);
            self.buffer.copy_within(self.whole..self.filled, 0);
            self.filled -= self.whole;
            (self.position, self.whole) = (0, 0);
        }
        if self.filled < self.buffer.len() {
            // Back to the ordinary size after a long line.
            if self.filled < self.chunk / 2 && self.buffer.len() > self.chunk {
                self.buffer.truncate(self.chunk);
                self.buffer.shrink_to_fit();
            }
            return;
        }
        if self.buffer.len() < MAX_LINE {
            self.buffer.resize(self.buffer.len() * 2, 0);
            return;
        }
        if !self.overlong {
            self.overlong = true;
            self.counters.lines += 1;
            self.counters.skipped += 1;
        }
        self.filled = 0;
    }

    /// Cuts off the rest of the line that is too long, which begins the buffer.
    fn drop_overlong(&mut self, fresh: usize) {
        if let Some(newline) = memchr::memchr(b'\n', &self.buffer[fresh..self.filled]) {
            self.overlong = false;
            self.position = fresh + newline + 1;
        } else {
            (self.filled, self.whole) = (0, 0);
        }
    }

    /// The first bytes tell whether the lines are dated.
    fn first_look(&mut self) {
        if self.counters.lines > 0 || self.wall.is_some() {
            return;
        }
        let lines = self.buffer[..self.filled].split(|byte| *byte == b'\n').take(200);
        let mut undated = false;
        for record in lines.filter_map(|line| read_line(line, self.dating.as_ref()).ok()) {
            match (record.undated, record.at) {
                (true, _) => undated = true,
                (false, Some(_)) => return,
                (false, None) => {}
            }
        }
        if undated {
            self.wall = Some(Wall { second_of_day: 0 });
        }
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
