//! Durations, times and counts as the page writes them. `spans.js` has the same `duration`.

use chrono::{DateTime, Utc};

use super::markup::Html;
use super::model::Period;

/// `850ms`, `31.2s`, `4m 12s`, `3h 5m`, `2d 1h`.
pub(super) fn duration(ms: u64) -> String {
    let two = |big: u64, unit: char, small: u64, lesser: char| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit} {small}{lesser}") }
    };
    let seconds = (ms + 500) / 1000;
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..59_950 => {
            let tenths = (ms + 50) / 100;
            if tenths.is_multiple_of(10) {
                format!("{}s", tenths / 10)
            } else {
                format!("{}.{}s", tenths / 10, tenths % 10)
            }
        }
        _ if seconds < 3600 => two(seconds / 60, 'm', seconds % 60, 's'),
        _ if seconds < 86_400 => two(seconds / 3600, 'h', seconds % 3600 / 60, 'm'),
        _ => two(seconds / 86_400, 'd', seconds % 86_400 / 3600, 'h'),
    }
}

/// Digits in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1 lock`, `2 locks`.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{}\u{a0}{noun}s", grouped(number)) }
}

/// Times without their date where the whole page is about one day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    one_day: bool,
}

impl Clock {
    pub(super) fn new(times: impl IntoIterator<Item = DateTime<Utc>>) -> Self {
        let mut days = times.into_iter().map(|time| time.date_naive());
        let first = days.next();
        Self { one_day: days.all(|day| Some(day) == first) }
    }

    pub(super) fn time(self, out: &mut Html, at: DateTime<Utc>) {
        out.time(at, if self.one_day { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" });
    }

    /// `14:02:11 to 14:12:41 UTC`, or one time where both are in the same second; `false`: none is known.
    pub(super) fn interval(
        self,
        out: &mut Html,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
    ) -> bool {
        let (Some(from), Some(to)) = (from.or(to), to.or(from)) else { return false };
        self.time(out, from);
        if from.timestamp() != to.timestamp() {
            out.raw(" to ");
            self.time(out, to);
        }
        out.raw(ZONE);
        true
    }
}

/// Behind times; the script puts the reader's zone there.
pub(super) const ZONE: &str = r#" <span class="zone">UTC</span>"#;

/// The date always, and both ends: `2026-11-22 00:00 to 2026-11-22 18:40 UTC`.
pub(super) fn period(out: &mut Html, period: Period) {
    let day = "%Y-%m-%d %H:%M";
    out.time(period.start, day).raw(" to ").time(period.end, day).raw(ZONE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        let said =
            [0, 999, 1_000, 31_200, 59_949, 59_950, 600_000, 252_000, 3_599_600, 11_100_000, 176_400_000]
                .map(duration)
                .join(" | ");
        assert_eq!(said, "0ms | 999ms | 1s | 31.2s | 59.9s | 1m | 10m | 4m 12s | 1h | 3h 5m | 2d 1h");
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(count(1, "lock"), "1 lock");
        assert_eq!(count(1_234_567, "lock"), "1\u{202f}234\u{202f}567\u{a0}locks");
    }

    #[test]
    fn dates_are_said_where_they_matter() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (a, b, c) = (at("2026-11-22T14:02:11Z"), at("2026-11-22T14:12:41Z"), at("2026-11-23T01:00:00Z"));
        let (day, days) = (Clock::new([a, b]), Clock::new([a, c]));
        let said = |clock: Clock, from, to| {
            let mut out = Html::default();
            let known = clock.interval(&mut out, from, to);
            let html = out.finish();
            let text = html.split('<').filter_map(|part| Some(part.split_once('>')?.1)).collect::<String>();
            if known { text } else { String::new() }
        };
        assert_eq!(said(day, Some(a), Some(b)), "14:02:11 to 14:12:41 UTC");
        assert_eq!(said(day, None, Some(b)), "14:12:41 UTC");
        assert_eq!(said(days, Some(a), Some(c)), "2026-11-22 14:02:11 to 2026-11-23 01:00:00 UTC");
        assert_eq!(said(days, None, None), "");
    }
}
