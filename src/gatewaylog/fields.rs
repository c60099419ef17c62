//! `key=value` reading for gateway messages. Values are not escaped by OpenClaw, so each reader says where its value
//! may end: at the next space, at the next known key, or at the last quote of the text.

/// The text after `key` up to the next space; `key` includes its `=` and starts the text or follows a space.
pub(super) fn word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let rest = after(text, key)?;
    Some(&rest[..rest.find([' ', '\n']).unwrap_or(rest.len())])
}

/// As [`word`], with `unknown` and `-` read as absent.
pub(super) fn known<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    word(text, key).filter(|value| !matches!(*value, "" | "unknown" | "-" | "undefined"))
}

pub(super) fn owned(text: &str, key: &str) -> Option<String> {
    known(text, key).map(str::to_owned)
}

/// The text after `key` up to the first ` end=`; ids and session keys may contain spaces.
pub(super) fn until<'a>(text: &'a str, key: &str, end: &str) -> Option<&'a str> {
    let rest = after(text, key)?;
    rest.find(end).map(|at| &rest[..at])
}

/// As [`until`], or to the next space where `end` does not follow.
pub(super) fn until_or_word<'a>(text: &'a str, key: &str, end: &str) -> Option<&'a str> {
    until(text, key, end).or_else(|| word(text, key))
}

/// The text after `key="` up to the LAST quote: OpenClaw does not escape quotes inside.
pub(super) fn quoted_to_last<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let rest = after(text, key)?.strip_prefix('"')?;
    rest.rfind('"').map(|end| &rest[..end])
}

pub(super) fn number(text: &str, key: &str) -> Option<u64> {
    word(text, key).and_then(leading_number)
}

pub(super) fn float(text: &str, key: &str) -> Option<f64> {
    word(text, key)?.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `age=515s` as milliseconds.
pub(super) fn seconds_as_ms(text: &str, key: &str) -> Option<u64> {
    let value = word(text, key)?.strip_suffix('s')?;
    value.parse::<u64>().ok()?.checked_mul(1000)
}

pub(super) fn boolean(text: &str, key: &str) -> Option<bool> {
    match word(text, key)? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The decimal number that `text` starts with (`10000ms`, `0,`); a negative one counts as 0 (clock went back).
pub(super) fn leading_number(text: &str) -> Option<u64> {
    if let Some(rest) = text.strip_prefix('-') {
        return rest.starts_with(|first: char| first.is_ascii_digit()).then_some(0);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The number between `before` and whatever follows it, anywhere in the text.
pub(super) fn number_after(text: &str, before: &str) -> Option<u64> {
    text.find(before).and_then(|at| leading_number(&text[at + before.len()..]))
}

/// The number that stands right before `after`, anywhere in the text.
pub(super) fn number_before(text: &str, after: &str) -> Option<u64> {
    let front = &text[..text.find(after)?];
    let digits = front.bytes().rev().take_while(u8::is_ascii_digit).count();
    front[front.len() - digits..].parse().ok()
}

fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut from = 0;
    while let Some(at) = text[from..].find(key) {
        let start = from + at;
        if start == 0 || matches!(text.as_bytes()[start - 1], b' ' | b'[' | b'(' | b':') {
            return Some(&text[start + key.len()..]);
        }
        from = start + key.len();
    }
    None
}

/// `31.2 seconds`, `1m 5s`, `4.8 minutes`, `2m`, `289 seconds`, `30105ms` as milliseconds.
pub(super) fn humane_ms(text: &str) -> Option<u64> {
    let mut total = 0.0;
    let mut found = false;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let value: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let unit_len = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let scale = match &rest[..unit_len] {
            "ms" | "millisecond" | "milliseconds" => 1.0,
            "s" | "sec" | "second" | "seconds" => 1_000.0,
            "m" | "min" | "minute" | "minutes" => 60_000.0,
            "h" | "hour" | "hours" => 3_600_000.0,
            _ => return None,
        };
        total += value * scale;
        found = true;
        rest = rest[unit_len..].trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    // f64 -> u64 saturates; nothing near the limit is a duration.
    found.then_some(total.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_their_reader_says() {
        let text = r#"lane task error: lane=session:agent:main:a b durationMs=1510 error="Command lane "x" timed out" errorName=E"#;
        assert_eq!(until(text, "lane=", " durationMs="), Some("session:agent:main:a b"));
        assert_eq!(number(text, "durationMs="), Some(1510));
        assert_eq!(quoted_to_last(text, "error="), Some(r#"Command lane "x" timed out"#));
        assert_eq!(word(text, "errorName="), Some("E"));
    }

    #[test]
    fn a_key_matches_whole_names_only() {
        assert_eq!(number("queueDepth=3 activeQueueDepth=4", "Depth="), None);
        assert_eq!(seconds_as_ms("lastProgressAge=2s age=515s", "age="), Some(515_000));
    }

    #[test]
    fn durations_for_people_become_milliseconds() {
        for (text, ms) in [
            ("289 seconds", 289_000),
            ("31.2 seconds", 31_200),
            ("4.8 minutes", 288_000),
            ("2m", 120_000),
            ("1m 5s", 65_000),
            ("250ms", 250),
        ] {
            assert_eq!(humane_ms(text), Some(ms), "{text}");
        }
        assert_eq!(humane_ms("a while"), None);
        assert_eq!(humane_ms(""), None);
    }

    #[test]
    fn numbers_too_large_are_absent_and_negative_ones_are_zero() {
        assert_eq!(number("waitMs=99999999999999999999999", "waitMs="), None);
        assert_eq!(number("waitMs=-3", "waitMs="), Some(0));
    }
}
