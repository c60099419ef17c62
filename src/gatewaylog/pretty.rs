//! Pretty console logs have a clock but no calendar. A file's last change gives the date of its last line; counting
//! the midnights in it gives the date of the first.

use super::stamp::{Dating, Stamp};
use super::{ansi, prefix};
use chrono::{DateTime, Days, FixedOffset, NaiveTime, Offset, Timelike, Utc};
use std::io::{self, BufRead, BufReader, Read};

/// Lines that are looked at before a log is taken to be dated (or to have no stamps at all).
const SAMPLE_LINES: usize = 50;
const LINE_LIMIT: u64 = 4096;
/// A clock that goes back by more seconds than this has passed midnight; less is disorder, or the end of daylight
/// saving time.
pub(super) const STEP_BACK: u32 = 7_200;

/// Do the first stamps name no day?
pub(super) fn is_undated(log: impl Read) -> io::Result<bool> {
    let mut lines = Lines { log: BufReader::new(log), line: Vec::new() };
    for _ in 0..SAMPLE_LINES {
        match lines.next_stamp()? {
            Step::End => return Ok(false),
            Step::Line(Some(stamp)) => return Ok(!stamp.is_dated()),
            Step::Line(None) => {}
        }
    }
    Ok(false)
}

/// The date of the first line of a log that was last written at `changed` (in the local offset).
///
/// Up to 2.26 the clock is UTC, later local: the one under which the last line is nearest to the last change wins.
pub(super) fn dating(log: impl Read, changed: DateTime<FixedOffset>) -> io::Result<Dating> {
    let mut lines = Lines { log: BufReader::with_capacity(1 << 16, log), line: Vec::new() };
    let mut midnights = 0;
    let mut last: Option<NaiveTime> = None;
    while let Step::Line(stamp) = lines.next_stamp()? {
        let Some(Stamp::Wall { time, .. }) = stamp else { continue };
        midnights += u64::from(last.is_some_and(|last| seconds(time) + STEP_BACK < seconds(last)));
        last = Some(time);
    }
    let Some(last) = last else {
        return Ok(Dating::of(changed));
    };
    let utc = changed.with_timezone(&Utc.fix());
    let ended = if distance(last, changed.time()) <= distance(last, utc.time()) { changed } else { utc };
    let mut dating = Dating::of(ended);
    // Written just before midnight, changed just after it.
    let days = midnights + u64::from(seconds(last) > seconds(ended.time()) + 43_200);
    dating.date = dating.date.checked_sub_days(Days::new(days)).unwrap_or(dating.date);
    Ok(dating)
}

fn seconds(time: NaiveTime) -> u32 {
    time.num_seconds_from_midnight()
}

/// Seconds between two clocks on a dial of a day.
fn distance(one: NaiveTime, other: NaiveTime) -> u32 {
    let apart = seconds(one).abs_diff(seconds(other));
    apart.min(86_400 - apart)
}

/// The next line's stamp, if it has one.
enum Step {
    Line(Option<Stamp>),
    End,
}

struct Lines<R> {
    log: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    fn next_stamp(&mut self) -> io::Result<Step> {
        self.line.clear();
        if self.log.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(Step::End);
        }
        if self.line.last() != Some(&b'\n') {
            self.log.skip_until(b'\n')?;
        }
        let text = String::from_utf8_lossy(&self.line);
        if text.starts_with('{') {
            // JSON lines are dated.
            return Ok(Step::Line(Some(Stamp::Instant(DateTime::UNIX_EPOCH))));
        }
        let plain = ansi::strip(&text);
        let peeled = prefix::peel(&plain);
        Ok(Step::Line(peeled.stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339(text).unwrap()
    }

    const THREE_DAYS: &str =
        "\u{1b}[90m22:00:00\u{1b}[39m a\n23:59:59 b\nnoise\n00:00:01 c\n12:00:00 d\n01:00:00 e\n";

    #[test]
    fn the_first_line_is_as_many_days_back_as_there_are_midnights() {
        assert!(is_undated(THREE_DAYS.as_bytes()).unwrap());
        let dating = dating(THREE_DAYS.as_bytes(), at("2026-11-22T01:00:02-05:00")).unwrap();
        assert_eq!(dating.date.to_string(), "2026-11-20");
        assert_eq!(dating.offset.local_minus_utc(), -5 * 3600);
    }

    #[test]
    fn the_clock_that_fits_the_last_change_is_the_clock() {
        let log = "14:07:28 a\n14:07:30 b\n";
        let dating = dating(log.as_bytes(), at("2026-11-22T09:07:31-05:00")).unwrap();
        assert_eq!((dating.date.to_string().as_str(), dating.offset.local_minus_utc()), ("2026-11-22", 0));
    }

    #[test]
    fn dated_logs_are_not_undated() {
        assert!(!is_undated("2026-11-22T14:07:28Z [a] b\n".as_bytes()).unwrap());
        assert!(!is_undated("{\"0\":\"x\"}\n14:07:28 b\n".as_bytes()).unwrap());
        assert!(!is_undated("".as_bytes()).unwrap());
    }
}
