//! Time stamps as they stand in front of log lines: ISO 8601 with and without offset, `HH:MM:SS` of the pretty
//! console style, and syslog's `Nov 22 14:07:28`. Pure text in, time out; the date that a stamp lacks is passed in.

use chrono::{DateTime, Datelike, Duration, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// What an incomplete stamp is completed with: the day the line is taken to be from, and the local offset then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dating {
    pub date: NaiveDate,
    pub offset: FixedOffset,
}

impl Dating {
    /// Lines are taken to be from the day of `instant`, in the offset that it carries.
    pub fn of(instant: DateTime<FixedOffset>) -> Self {
        Self { date: instant.date_naive(), offset: *instant.offset() }
    }

    pub(crate) fn resolve(self, naive: NaiveDateTime) -> Option<DateTime<Utc>> {
        naive.and_local_timezone(self.offset).single().map(|local| local.with_timezone(&Utc))
    }
}

/// One stamp as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// Date, time and offset: an instant.
    Instant(DateTime<Utc>),
    /// Date and time, no offset.
    Local(NaiveDateTime),
    /// Month, day and time, no year.
    Yearless { month: u32, day: u32, time: NaiveTime },
    /// Time of day only; `openclaw logs` prints its offset beside it.
    Wall { time: NaiveTime, offset: Option<FixedOffset> },
}

impl Stamp {
    /// Does it say which day? (A stamp without a day is worth less than any other stamp on the line.)
    pub(crate) fn is_dated(self) -> bool {
        !matches!(self, Self::Wall { .. })
    }

    pub(crate) fn resolve(self, dating: Option<&Dating>) -> Option<DateTime<Utc>> {
        match (self, dating) {
            (Self::Instant(at), _) => Some(at),
            (Self::Local(naive), Some(dating)) => dating.resolve(naive),
            (Self::Local(naive), None) => Some(naive.and_utc()),
            (Self::Yearless { month, day, time }, Some(dating)) => {
                // The year that makes it the latest date not after the base day (one day of grace for clocks).
                let latest = dating.date.succ_opt().unwrap_or(dating.date);
                let year = dating.date.year();
                [year + 1, year, year - 1, year - 2, year - 3, year - 4]
                    .into_iter()
                    .filter_map(|year| NaiveDate::from_ymd_opt(year, month, day))
                    .find(|date| *date <= latest)
                    .and_then(|date| dating.resolve(date.and_time(time)))
            }
            (Self::Wall { time, offset }, Some(dating)) => {
                Dating { offset: offset.unwrap_or(dating.offset), ..*dating }
                    .resolve(dating.date.and_time(time))
            }
            (Self::Yearless { .. } | Self::Wall { .. }, None) => None,
        }
    }
}

/// A stamp at the start of `text`, and the number of bytes it takes.
pub(crate) fn leading(text: &str) -> Option<(Stamp, usize)> {
    let bytes = text.as_bytes();
    match bytes.first()? {
        b'0'..=b'9' if bytes.get(4) == Some(&b'-') => iso(bytes),
        b'0'..=b'9' => wall(bytes),
        b'A'..=b'Z' => syslog(bytes),
        _ => None,
    }
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, by their length.
pub(crate) fn epoch(text: &str) -> Option<Stamp> {
    let (whole, _) = text.split_once('.').unwrap_or((text, ""));
    let number: i64 = whole.parse().ok()?;
    let micros = match whole.len() {
        10 => number.checked_mul(1_000_000)?,
        13 => number.checked_mul(1_000)?,
        16 => number,
        19 => number / 1_000,
        _ => return None,
    };
    DateTime::from_timestamp_micros(micros).map(Stamp::Instant)
}

/// `2026-11-22T14:07:28.123456789Z`, `2026-11-22 09:07:28,123-0500`, `2026-11-22T14:07:28`.
pub(crate) fn iso(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let year = number(bytes, 0, 4)?;
    let month = number(bytes, 5, 2)?;
    let day = number(bytes, 8, 2)?;
    if bytes.get(4) != Some(&b'-')
        || bytes.get(7) != Some(&b'-')
        || !matches!(bytes.get(10), Some(b'T' | b' '))
    {
        return None;
    }
    let (time, time_len) = clock(&bytes[11..])?;
    let date = NaiveDate::from_ymd_opt(year.cast_signed(), month, day)?;
    let naive = date.and_time(time);
    let end = 11 + time_len;
    // Some tools set the offset apart: `2026-11-22 14:07:28 +0000`.
    let gap = usize::from(matches!(&bytes[end..], [b' ', b'+' | b'-', b'0'..=b'9', ..]));
    match offset(&bytes[end + gap..]) {
        Some((offset, len)) => {
            let seconds = Duration::seconds(i64::from(offset.local_minus_utc()));
            Some((Stamp::Instant((naive - seconds).and_utc()), end + gap + len))
        }
        None => Some((Stamp::Local(naive), end)),
    }
}

/// `Z`, `+02:00`, `-0500`.
fn offset(bytes: &[u8]) -> Option<(FixedOffset, usize)> {
    let sign = match bytes.first()? {
        b'Z' => return FixedOffset::east_opt(0).map(|utc| (utc, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = number(bytes, 1, 2)?;
    let colon = usize::from(bytes.get(3) == Some(&b':'));
    let minutes = number(bytes, 3 + colon, 2)?;
    let seconds = (hours * 3600 + minutes * 60).cast_signed();
    FixedOffset::east_opt(sign * seconds).map(|offset| (offset, 5 + colon))
}

/// `14:07:28`, with an optional fraction and an optional offset.
fn wall(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let (time, len) = clock(bytes)?;
    let offset = offset(&bytes[len..]);
    Some((
        Stamp::Wall { time, offset: offset.map(|(offset, _)| offset) },
        len + offset.map_or(0, |(_, len)| len),
    ))
}

/// `Nov 22 14:07:28`, `Nov  2 14:07:28.123456` (RFC 3164; journalctl's short and short-precise).
fn syslog(bytes: &[u8]) -> Option<(Stamp, usize)> {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let name = bytes.get(..3)?;
    let month = MONTHS.iter().position(|known| *known == name)? as u32 + 1;
    if bytes.get(3) != Some(&b' ') || bytes.get(6) != Some(&b' ') {
        return None;
    }
    let day = if bytes[4] == b' ' { number(bytes, 5, 1)? } else { number(bytes, 4, 2)? };
    let (time, len) = clock(&bytes[7..])?;
    Some((Stamp::Yearless { month, day, time }, 7 + len))
}

/// `HH:MM:SS[.fraction]`. Node 20's `hour12: false` writes the first hour of the day as 24, of the same date.
fn clock(bytes: &[u8]) -> Option<(NaiveTime, usize)> {
    let hour = match number(bytes, 0, 2)? {
        24 => 0,
        hour => hour,
    };
    let minute = number(bytes, 3, 2)?;
    let second = number(bytes, 6, 2)?;
    if bytes.get(2) != Some(&b':') || bytes.get(5) != Some(&b':') {
        return None;
    }
    let mut len = 8;
    let mut nanos = 0_u32;
    if matches!(bytes.get(8), Some(b'.' | b',')) {
        let digits = bytes[9..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            len = 9 + digits;
            for place in 0..9 {
                let digit = if place < digits { u32::from(bytes[9 + place] - b'0') } else { 0 };
                nanos = nanos * 10 + digit;
            }
        }
    }
    // A leap second is written as 60; chrono wants it as 59 with nanos above a second.
    let (second, nanos) = if second == 60 { (59, nanos + 1_000_000_000) } else { (second, nanos) };
    NaiveTime::from_hms_nano_opt(hour, minute, second, nanos).map(|time| (time, len))
}

fn number(bytes: &[u8], at: usize, digits: usize) -> Option<u32> {
    let mut value = 0;
    for byte in bytes.get(at..at + digits)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(byte - b'0');
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    fn new_york() -> Dating {
        Dating::of(DateTime::parse_from_rfc3339("2026-11-22T09:00:00-05:00").unwrap())
    }

    fn read(text: &str) -> Option<DateTime<Utc>> {
        leading(text).and_then(|(stamp, _)| stamp.resolve(Some(&new_york())))
    }

    #[test]
    fn every_spelling_of_an_instant_is_the_same_instant() {
        for text in [
            "2026-11-22T14:07:28.500Z",
            "2026-11-22T14:07:28.500000000Z",
            "2026-11-22T14:07:28,500+00:00",
            "2026-11-22T09:07:28.500-05:00",
            "2026-11-22T09:07:28.500-0500",
            "2026-11-22 19:37:28.5+0530",
            "2026-11-22T09:07:28.500",
            "Nov 22 09:07:28.500000",
            "09:07:28.500",
        ] {
            assert_eq!(read(text), Some(at("2026-11-22T14:07:28.500Z")), "{text}");
        }
    }

    #[test]
    fn hour_24_is_the_first_hour_of_the_same_date() {
        assert_eq!(read("2026-11-22T24:00:05.000-05:00"), Some(at("2026-11-22T05:00:05Z")));
        assert_eq!(read("24:00:05"), Some(at("2026-11-22T05:00:05Z")));
    }

    #[test]
    fn a_syslog_date_after_the_base_day_is_last_years() {
        assert_eq!(read("Dec 31 23:59:59"), Some(at("2026-01-01T04:59:59Z")));
        assert_eq!(read("Nov 23 00:00:00"), Some(at("2026-11-23T05:00:00Z")));
        assert_eq!(read("Feb 29 12:00:00"), Some(at("2024-02-29T17:00:00Z")));
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        for text in [
            "",
            "2026",
            "2026-13-01T00:00:00Z",
            "25:61:00",
            "Now 22 09:07:28",
            "[gateway]",
            "10.0.0.1:80",
            "été",
        ] {
            assert_eq!(leading(text).and_then(|(stamp, _)| stamp.resolve(Some(&new_york()))), None, "{text}");
        }
    }

    #[test]
    fn a_stamp_without_a_day_needs_a_base() {
        let (stamp, len) = leading("14:07:28 [gateway] ready").unwrap();
        assert_eq!((stamp.resolve(None), len, stamp.is_dated()), (None, 8, false));
    }
}
