//! What stands in front of a text line: stamps, host and unit (journald, syslog), stream (CRI), service (docker
//! compose, pm2, kubectl), the marks of a paste (quotes, lists, `grep -n`), and OpenClaw's own `[subsystem]` or
//! `level subsystem`. Where none of that is found, the first thing in the line that can only be OpenClaw's is.

use super::anchors;
use super::level::Level;
use super::stamp::{self, Stamp};
use chrono::DateTime;

/// What one step took off the front; `rest` is as long as the input when nothing was there to take.
#[derive(Debug)]
pub(super) struct Peeled<'a> {
    pub(super) stamp: Option<Stamp>,
    pub(super) pid: Option<u32>,
    pub(super) rest: &'a str,
}

/// Takes one container or journal prefix off the line. A stamp that OpenClaw itself wrote is taken too: [`console`]
/// works with or without it.
pub(super) fn peel(text: &str) -> Peeled<'_> {
    let none = |rest| Peeled { stamp: None, pid: None, rest };
    let text = text.trim_start();
    if let Some(rest) = priority(text).or_else(|| kubectl(text)).or_else(|| service(text)) {
        return none(rest);
    }
    let Some((stamp, rest)) = any_stamp(text) else {
        return none(paste_mark(text).unwrap_or(text));
    };
    if let Some(rest) = cri_stream(rest) {
        return Peeled { stamp: Some(stamp), pid: None, rest };
    }
    let syslog = matches!(stamp, Stamp::Yearless { .. });
    if let Some((pid, rest)) = unit(rest, syslog) {
        return Peeled { stamp: Some(stamp), pid, rest };
    }
    // A time of day is OpenClaw's own pretty style: nothing outside writes it.
    Peeled { stamp: Some(stamp), pid: None, rest }
}

fn any_stamp(text: &str) -> Option<(Stamp, &str)> {
    // `[2026-11-22T14:07:28Z] openclaw gateway lifecycle ...` of gateway-restart.log.
    if let Some(inner) = text.strip_prefix('[')
        && let Some((stamp, len)) = stamp::leading(inner)
        && stamp.is_dated()
    {
        return inner[len..].strip_prefix("] ").map(|rest| (stamp, rest));
    }
    if let Some(unix) = unix_stamp(text) {
        return Some(unix);
    }
    // journalctl -o short-full: `Sun 2026-11-22 14:07:28 UTC host ...`.
    let weekday = text
        .get(..4)
        .is_some_and(|day| ["Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "].contains(&day));
    let from = if weekday { &text[4..] } else { text };
    let (stamp, len) = stamp::leading(from)?;
    let rest = &from[len..];
    // pm2 ends its own stamp in a colon, tables and CSV in their separators.
    let rest = rest.strip_prefix([':', ',', ']', '|', ')', '\t']).unwrap_or(rest);
    if rest.len() + len == from.len() && !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    match (stamp, rest.trim_start()) {
        (Stamp::Local(naive), rest) if weekday && rest.starts_with("UTC ") => {
            Some((Stamp::Instant(naive.and_utc()), &rest[4..]))
        }
        (stamp, rest) => Some((stamp, rest)),
    }
}

/// journalctl -o short-unix: `1795356448.123456 host unit[pid]: `.
fn unix_stamp(text: &str) -> Option<(Stamp, &str)> {
    let (number, rest) = text.split_once(' ')?;
    let (seconds, fraction) = number.split_once('.')?;
    if seconds.len() != 10 || fraction.len() != 6 {
        return None;
    }
    let micros = seconds.parse::<i64>().ok()? * 1_000_000 + fraction.parse::<u32>().ok().map(i64::from)?;
    Some((Stamp::Instant(DateTime::from_timestamp_micros(micros)?), rest))
}

/// Kubernetes CRI: `stdout F `, `stderr P `.
fn cri_stream(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("stdout ").or_else(|| text.strip_prefix("stderr "))?;
    rest.strip_prefix("F ").or_else(|| rest.strip_prefix("P "))
}

/// `host unit[1234]: `, and `host unit: ` where the stamp is syslog's own.
fn unit(text: &str, syslog: bool) -> Option<(Option<u32>, &str)> {
    let (host, rest) = text.split_once(' ')?;
    if host.is_empty() || host.starts_with(['[', '{']) {
        return None;
    }
    let (tag, rest) = rest.split_once(": ").unwrap_or_else(|| (rest.strip_suffix(':').unwrap_or(""), ""));
    if tag.is_empty() || tag.contains(' ') {
        return None;
    }
    let pid = tag
        .strip_suffix(']')
        .and_then(|tag| tag.rsplit_once('['))
        .and_then(|(_, pid)| pid.parse::<u32>().ok());
    (pid.is_some() || syslog).then_some((pid, rest))
}

/// syslog's `<13>`.
fn priority(text: &str) -> Option<&str> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    (!number.is_empty() && number.len() <= 3 && number.bytes().all(|b| b.is_ascii_digit())).then_some(rest)
}

/// `kubectl logs --prefix`: `[pod/name/container] `.
fn kubectl(text: &str) -> Option<&str> {
    text.strip_prefix("[pod/")?.split_once("] ").map(|(_, rest)| rest)
}

/// `docker compose logs` (`gateway-1  | `) and pm2 (`0|openclaw  | `).
fn service(text: &str) -> Option<&str> {
    let at = text.find(" | ")?;
    let name = text[..at].trim_end();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '|');
    (!name.is_empty() && name.len() <= 80 && name.chars().all(plain)).then(|| &text[at + 3..])
}

/// What people and tools put in front of a line that they quote: `> `, `- `, `3. `, backticks, `12:`, `file.log:12:`.
fn paste_mark(text: &str) -> Option<&str> {
    for quote in ['`', '"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            return Some(rest.strip_suffix(quote).unwrap_or(rest).trim());
        }
    }
    if let Some(rest) = text.strip_prefix(['>', '\u{2022}', '(']) {
        return Some(rest.trim_start());
    }
    if let Some(rest) = ["- ", "* ", "+ ", "| ", "# "].iter().find_map(|mark| text.strip_prefix(mark)) {
        return Some(rest);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if (1..=9).contains(&digits)
        && let Some(rest) = text[digits..].strip_prefix([':', '.', ')', '-'])
    {
        // Not a number that the text begins with.
        return rest.starts_with([' ', '[', '{', '2']).then(|| rest.trim_start()).or_else(|| begins(rest));
    }
    let (file, rest) = text.split_once(':')?;
    let named = file.ends_with(".log") || file.ends_with(".txt") || file.ends_with(".gz");
    (named && !file.contains(' ')).then_some(rest)
}

fn begins(rest: &str) -> Option<&str> {
    any_stamp(rest).map(|_| rest).or_else(|| anchors::begins(rest).then_some(rest))
}

/// OpenClaw's own console prefix.
#[derive(Debug)]
pub(super) struct Console<'a> {
    pub(super) stamp: Option<Stamp>,
    pub(super) level: Option<Level>,
    pub(super) subsystem: Option<&'a str>,
    pub(super) message: &'a str,
    /// The subsystem was not marked as one: it may be the first word of the text.
    pub(super) guessed: bool,
}

/// `[stamp] [subsystem] text`, `[stamp] level subsystem text`, or text.
pub(super) fn console(text: &str) -> Console<'_> {
    let (stamp, text) = match any_stamp(text) {
        Some((stamp, rest)) => (Some(stamp), rest.trim_start()),
        None => (None, text),
    };
    let (level, rest) = match level(text) {
        Some((level, rest)) => (Some(level), rest),
        None => (None, text),
    };
    if let Some((subsystem, message)) = bracketed(rest) {
        // Some loggers write `[name] - text`.
        let message = message.strip_prefix("- ").unwrap_or(message);
        return Console { stamp, level, subsystem: Some(subsystem), message, guessed: false };
    }
    if level.is_none() {
        return Console { stamp, level, subsystem: None, message: text, guessed: false };
    }
    let (subsystem, message) = match rest.split_once([' ', '\t']) {
        Some((subsystem, message)) if subsystem.chars().all(name_char) && !subsystem.ends_with(':') => {
            (Some(subsystem), message)
        }
        _ => (None, rest),
    };
    let message = message.strip_prefix("| ").unwrap_or(message);
    Console { stamp, level, subsystem, message, guessed: subsystem.is_some() }
}

/// `warn `, `WARN: `, `[warn] `, `level=warn `.
fn level(text: &str) -> Option<(Level, &str)> {
    let inside = text.strip_prefix('[').or_else(|| text.strip_prefix("level=")).unwrap_or(text);
    let end = inside.bytes().take_while(u8::is_ascii_alphabetic).count();
    let level = Level::from_name(&inside[..end])?;
    let rest = &inside[end..];
    let rest = rest.strip_prefix([']', ':', ',', '\t']).unwrap_or(rest);
    // A word that a text begins with, not a level.
    (rest.starts_with(' ') || rest.len() + end < inside.len()).then(|| (level, rest.trim_start()))
}

/// `[name] rest`.
pub(super) fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('[')?.split_once("] ")?;
    let first = name.chars().next()?;
    // A number in brackets is a time of the kernel's.
    let named = first.is_ascii_alphanumeric() && name.contains(|c: char| c.is_ascii_alphabetic());
    (named && name.chars().all(name_char)).then_some((name, rest))
}

fn name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | ':' | '@' | '-')
}

/// How much of a line may be something nobody has described.
const UNKNOWN_FRONT: usize = 240;

/// A line with something unknown in front: where the message begins that can only be OpenClaw's, and what stands
/// before it of stamps, levels and names.
pub(super) fn located(text: &str) -> Option<Console<'_>> {
    let at = anchors::beginning(text).filter(|at| (1..=UNKNOWN_FRONT).contains(at))?;
    let (front, message) = text.split_at(at);
    // A sentence that quotes one of them is not a prefix.
    if front.contains("rror") || front.contains("ailed") {
        return None;
    }
    let mut found = Console { stamp: None, level: None, subsystem: None, message, guessed: false };
    let starts = front.char_indices().filter(|(at, c)| {
        let before = front[..*at].chars().next_back();
        c.is_ascii_alphanumeric() && before.is_none_or(|before| !before.is_ascii_alphanumeric())
    });
    for (start, _) in starts {
        let word = &front[start..];
        if let Some((stamp, _)) = stamp::leading(word)
            && (stamp.is_dated() || found.stamp.is_none())
        {
            found.stamp = Some(stamp);
        }
        let end = word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len());
        found.level = found.level.or_else(|| Level::from_name(&word[..end]));
    }
    let name = front.rfind('[').and_then(|open| bracketed(&front[open..]));
    found.subsystem = name.filter(|(_, rest)| rest.trim().is_empty()).map(|(name, _)| name);
    Some(found)
}
