//! Small things spelt the same way everywhere: durations, times, counts, paths, words for a shell.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use serde::{Serialize, Serializer};
use unicode_width::UnicodeWidthStr;

use crate::door::{can_be_seen, spelt};

/// Text from outside (a file's name, a process's) as a part of one line: what could end the line, move the cursor
/// or stay unseen is spelt out.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(can_be_seen) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if can_be_seen(c) { c.to_string() } else { spelt(c).to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// A path as it may stand in a terminal.
pub fn path(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// RFC 3339, UTC, milliseconds: the form of every time in JSON.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The same for a time that may not be known, as a field of a document.
pub fn rfc3339_or_null<S: Serializer>(at: &Option<DateTime<Utc>>, out: S) -> Result<S::Ok, S::Error> {
    at.map(rfc3339).serialize(out)
}

/// At most two units, the smaller one cut off: `850ms`, `4m 12s`, `3h 5m`, `291d 13h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (whole, unit, rest, smaller) = match seconds {
        0 => return format!("{}ms", duration.as_millis()),
        1..60 => (seconds, "s", 0, ""),
        60..3600 => (seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => (seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    };
    if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit} {rest}{smaller}") }
}

/// One unit, for people who want to know how long ago: `40 s`, `95 min`, `5 h`, `3 days`.
pub fn roughly(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long before `now`: `1 min ago`; a moment is `just now`.
pub fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (now - at).to_std() {
        Ok(passed) if passed.as_secs() >= 10 => format!("{} ago", roughly(passed)),
        _ => "just now".to_owned(),
    }
}

/// By the clock on the wall: `16:42`; on another day with the date before it.
pub fn clock<Z: TimeZone>(at: DateTime<Utc>, now: &DateTime<Z>) -> String
where
    Z::Offset: Display,
{
    let local = at.with_timezone(&now.timezone());
    let format = if local.date_naive() == now.date_naive() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    local.format(format).to_string()
}

/// Milliseconds as JSON carries them.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Breaks a sentence, made printable, between words into lines of at most `width` columns.
pub fn wrapped(sentence: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in printable(sentence).split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Of whatever width: things in memory are counted in `usize`, lines and messages in `u64`.
pub trait WholeNumber: Copy + Display + PartialEq + From<u8> {}

impl<N: Copy + Display + PartialEq + From<u8>> WholeNumber for N {}

/// `1 lock`, `2 locks`.
pub fn count<N: WholeNumber>(number: N, noun: &str) -> String {
    if number == N::from(1) { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `once`, `3 times`.
pub fn times<N: WholeNumber>(number: N) -> String {
    if number == N::from(1) { "once".to_owned() } else { format!("{number} times") }
}

/// With a capital at the beginning.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Quotes a word for a POSIX shell, if it needs it.
pub fn shell_word(word: &str) -> String {
    if word.contains(char::is_control) {
        let spelt = |c: char| match c {
            c if c.is_control() => c.to_string().bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
            '\\' | '\'' => format!("\\{c}"),
            c => c.to_string(),
        };
        return format!("$'{}'", word.chars().map(spelt).collect::<String>());
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+=:@%,~#".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) && !word.starts_with(['~', '#']) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let text = |ms| duration(Duration::from_millis(ms));
        assert_eq!([text(0), text(850), text(1_999)], ["0ms", "850ms", "1s"]);
        assert_eq!([text(60_000), text(252_000), text(3_599_999)], ["1m", "4m 12s", "59m 59s"]);
        assert_eq!([text(11_100_000), text(86_400_000)], ["3h 5m", "1d"]);
        assert_eq!(text(25_189_200_000), "291d 13h");
    }

    #[test]
    fn times_are_told_by_the_clock_on_the_wall() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T17:00:00+02:00").expect("a time");
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        assert_eq!(clock(at("2026-11-22T14:42:10Z"), &now), "16:42");
        assert_eq!(clock(at("2026-11-21T21:59:00Z"), &now), "2026-11-21 23:59");
        let told = |text: &str| ago(at(text), now.to_utc());
        assert_eq!(told("2026-11-22T14:59:55Z"), "just now");
        assert_eq!([told("2026-11-22T14:59:20Z"), told("2026-11-22T13:25:00Z")], ["40 s ago", "95 min ago"]);
        assert_eq!([told("2026-11-22T10:00:00Z"), told("2026-11-19T10:00:00Z")], ["5 h ago", "3 days ago"]);
    }

    #[test]
    fn control_characters_are_spelt_out() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}"), "a\\u{1b}[2J\\nb\\u{202e}");
        assert_eq!(printable("Käfer 🦞"), "Käfer 🦞");
    }
}
