//! Numbers of people: telephone numbers however they are written, chat ids, ids of Slack. Numbers that measure or
//! name something of the machine stay: times, sizes, pids, inodes, UUIDs, hashes.

use super::CUT;
use super::keys::masked;

/// Nine digits in a row and more are a number of somebody, unless something speaks against it.
const LONG: usize = 9;

/// Masks every number of a person.
pub(super) fn mask(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| c.is_ascii_alphanumeric()).map(|found| at + found) {
        shown.push_str(&text[at..start]);
        let run = alphanumeric(&text[start..]);
        at = if let Some(uuid) = text.get(start..start + 36).filter(|uuid| stands_alone(text, start, uuid)) {
            shown.push_str(uuid);
            start + 36
        } else if let Some(phone) = phone_at(text, start) {
            if shown.ends_with('+') {
                shown.pop();
            }
            shown.push_str(&masked(phone));
            start + phone.len()
        } else {
            shown.push_str(&word(run, &text[..start], &text[start + run.len()..]));
            start + run.len()
        };
    }
    shown.push_str(&text[at..]);
    shown
}

fn stands_alone(text: &str, start: usize, uuid: &str) -> bool {
    is_uuid(uuid) && !text[start + 36..].starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn alphanumeric(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len())]
}

fn digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// `U0123ABCD`, `C024BE91L`: of a user, a channel, a team.
pub(super) fn is_slack_id(word: &str) -> bool {
    let [kind, second, ..] = word.as_bytes() else { return false };
    (9..=11).contains(&word.len())
        && b"UWCDGTB".contains(kind)
        && second.is_ascii_digit()
        && word.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// Whether `text` begins with a telephone number.
pub(super) fn is_phone(text: &str) -> bool {
    phone_at(text, usize::from(text.starts_with('+'))).is_some()
}

/// The telephone number that begins at `start`, as it is written.
fn phone_at(text: &str, start: usize) -> Option<&str> {
    let before = &text[..start];
    let here = &text[start..];
    if before.ends_with(CUT) || !here.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let groups = groups(here);
    if let Some(head) = before.strip_suffix('+')
        && !head.ends_with(|c: char| c.is_ascii_alphanumeric())
    {
        return international(here, &groups);
    }
    // A part of a time, a date, a decimal number.
    let joint = before.strip_suffix([':', '/', '.', '_', '-']);
    if joint.is_some_and(|head| head.ends_with(|c: char| c.is_ascii_digit())) {
        return None;
    }
    // A part of a path.
    national(here, &groups).filter(|phone| !(before.ends_with('/') && phone.contains('/')))
}

/// Where each group of digits begins and ends; one or two separators between them.
fn groups(text: &str) -> Vec<(usize, usize)> {
    let mut groups = Vec::new();
    let mut at = 0;
    loop {
        let end = at + digits(&text[at..]).len();
        if end == at {
            return groups;
        }
        groups.push((at, end));
        let separators = text[end..].bytes().take_while(|byte| b" -./()".contains(byte)).count();
        if separators == 0 || separators > 2 {
            return groups;
        }
        at = end + separators;
    }
}

fn lengths(groups: &[(usize, usize)]) -> Vec<usize> {
    groups.iter().map(|(start, end)| end - start).collect()
}

/// After a plus: 8 to 15 digits (E.164), in one piece or in groups.
fn international<'a>(text: &'a str, groups: &[(usize, usize)]) -> Option<&'a str> {
    let mut total = 0;
    let mut end = 0;
    for (start, stop) in groups {
        // One that is written in one piece is whole; what follows is another number.
        let whole = end > 0 && total >= 8 && groups[0].1 == end;
        if whole || total + stop - start > 15 {
            break;
        }
        total += stop - start;
        end = *stop;
    }
    (total >= 8).then(|| &text[..end])
}

/// Without a plus, in groups: `0171 234 5678`, `06 12 34 56 78`, `0049 170 1234567`, `(555) 123-4567`.
fn national<'a>(text: &'a str, groups: &[(usize, usize)]) -> Option<&'a str> {
    // The longest that fits, so that a date or a time behind it does not hide it.
    (2..=groups.len().min(6)).rev().find_map(|number| {
        let groups = &groups[..number];
        let end = groups[number - 1].1;
        let cut_short = text[end..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':');
        (!cut_short && is_national(&text[..end], &lengths(groups))).then(|| &text[..end])
    })
}

fn is_national(text: &str, lengths: &[usize]) -> bool {
    let total: usize = lengths.iter().sum();
    let trunk = text.starts_with('0') && !text.starts_with("000") && (LONG..=15).contains(&total);
    let by_shape = match lengths {
        [2, 2, 2, 2, 2] => trunk,
        // Not a date: its groups are short.
        [2, rest @ ..] => trunk && rest.iter().all(|length| *length >= 4),
        [first, rest @ ..] if *first >= 3 => trunk && rest.iter().all(|length| *length >= 2),
        _ => false,
    };
    // Of North America; in blanks alone these may be three numbers.
    let separated = text.contains(['-', '.', ')']);
    let american = match lengths {
        [3, 3, 4] => separated,
        [1, 3, 3, 4] => separated && text.starts_with('1'),
        _ => false,
    };
    by_shape || american
}

/// Letters and digits between two other characters.
fn word(run: &str, before: &str, after: &str) -> String {
    if is_slack_id(run) {
        return masked(run);
    }
    if is_hash(run) || is_stamp(run) || is_fraction(run, before) {
        return run.to_owned();
    }
    let mut shown = String::with_capacity(run.len());
    let mut rest = run;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let number = digits(&rest[start..]);
        shown.push_str(&rest[..start]);
        rest = &rest[start + number.len()..];
        let whole = number.len() == run.len();
        let measures = has_unit(rest, after) || whole && (is_epoch(number) || is_measure(before));
        if number.len() >= LONG && !measures {
            shown.push_str(&masked(number));
        } else {
            shown.push_str(number);
        }
    }
    shown.push_str(rest);
    shown
}

/// A fingerprint or the like, of 16 hexadecimal digits and more, in which letters are among the digits.
fn is_hash(run: &str) -> bool {
    run.len() >= 16
        && run.bytes().all(|byte| byte.is_ascii_hexdigit())
        && run.bytes().filter(u8::is_ascii_alphabetic).count() >= 2
}

/// `20261122`, alone or before what is left of a time: `20261122140728`, `20261122T140728123Z`.
fn is_stamp(run: &str) -> bool {
    let Some(date) = run.get(..8).filter(|date| date.bytes().all(|byte| byte.is_ascii_digit())) else {
        return false;
    };
    let part = |range: std::ops::Range<usize>| date[range].parse().unwrap_or(0);
    let is_date = date.starts_with("20") && (1..=12).contains(&part(4..6)) && (1..=31).contains(&part(6..8));
    is_date && (run.len() == 14 || run[8..].starts_with('T'))
}

/// Behind the point of a decimal number, or of the seconds of a time. A telephone number may follow a point, too: what
/// is longer than nanoseconds must be said to measure.
fn is_fraction(run: &str, before: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit();
    let Some(whole) = before.strip_suffix('.').filter(|whole| whole.ends_with(is_digit)) else {
        return false;
    };
    run.chars().filter(char::is_ascii_digit).count() <= LONG || is_measure(whole.trim_end_matches(is_digit))
}

/// Milliseconds since 1970, of these years: no telephone number has thirteen digits and begins like them.
fn is_epoch(number: &str) -> bool {
    number.len() == 13 && ["15", "16", "17", "18", "19"].iter().any(|start| number.starts_with(start))
}

/// `…ms`, `… bytes`.
fn has_unit(rest: &str, after: &str) -> bool {
    let joined = ["ms", "s", "us", "ns", "B"].contains(&rest);
    let apart = rest.is_empty()
        && after.strip_prefix(' ').map(alphanumeric).is_some_and(|unit| {
            ["ms", "us", "ns", "bytes", "byte", "KiB", "MiB", "GiB", "lines", "tokens"].contains(&unit)
        });
    joined || apart
}

/// Whether the name before a number says that it measures or counts: `rssBytes=`, `"createdAt":`, `inode `.
fn is_measure(before: &str) -> bool {
    let named = before.trim_end_matches([' ', '=', ':', '"', '\'']);
    let assigned = before[named.len()..].contains(['=', ':']);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = named.rsplit(|c| !is_part(c)).next().unwrap_or("");
    let last = last_word(name).to_ascii_lowercase();
    let of_the_machine = ["pid", "inode", "ino", "tick", "ticks", "port", "size", "bytes", "fd"];
    let measured = [
        "ms",
        "at",
        "ts",
        "depth",
        "tokens",
        "time",
        "starttime",
        "mtime",
        "ctime",
        "limit",
        "offset",
        "seconds",
        "count",
    ];
    of_the_machine.contains(&last.as_str()) || assigned && measured.contains(&last.as_str())
}

/// `Ms` of `timeoutMs`, `at` of `created_at`; but all of `chat`.
fn last_word(name: &str) -> &str {
    let name = name.rsplit(['-', '_']).next().unwrap_or(name);
    let begins = |at: &usize| {
        name[*at..].starts_with(|c: char| c.is_ascii_uppercase())
            && !name[..*at].ends_with(|c: char| c.is_ascii_uppercase())
    };
    &name[(1..name.len()).rev().find(begins).unwrap_or(0)..]
}
