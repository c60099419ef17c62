//! Threshold ranges of the monitoring plugins: `10`, `10:`, `~:10`, `10:20`, `@10:20`.

use std::fmt;
use std::str::FromStr;

use super::assess::Metric;

/// An alert is raised if the value lies outside, or with `@` inside, the two ends, which belong to the range.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    start: f64,
    end: f64,
    inside: bool,
    text: String,
}

impl Range {
    pub fn alerts(&self, value: f64) -> bool {
        let within = self.start <= value && value <= self.end;
        within == self.inside
    }

    /// `0`: an alert for anything above zero.
    pub fn none_allowed() -> Self {
        Self::up_to(0)
    }

    pub fn up_to(end: u32) -> Self {
        Self { start: 0.0, end: f64::from(end), inside: false, text: end.to_string() }
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error("'{0}' is not a range; write 5, 5:, ~:5, 5:10 or @5:10")]
    Range(String),
    #[error("'{0}' has no metric; write METRIC=RANGE, as in overdue=0")]
    NoMetric(String),
    #[error("there is no metric '{0}'; there are {all}", all = Metric::names())]
    Metric(String),
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let wrong = || RangeError::Range(text.to_owned());
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(wrong);
        let (inside, rest) = text.strip_prefix('@').map_or((false, text), |rest| (true, rest));
        let (start, end) = rest.split_once(':').unwrap_or(("", rest));
        let start = match start {
            "" => 0.0,
            "~" => f64::NEG_INFINITY,
            other => number(other)?,
        };
        let end = match end {
            "" if rest.contains(':') => f64::INFINITY,
            other => number(other)?,
        };
        if start > end {
            return Err(wrong());
        }
        Ok(Self { start, end, inside, text: text.to_owned() })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// `overdue=0`: a range for one metric, as typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    pub metric: Metric,
    pub range: Range,
}

impl FromStr for Threshold {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (name, range) = text.split_once('=').ok_or_else(|| RangeError::NoMetric(text.to_owned()))?;
        let metric = Metric::ALL.into_iter().find(|metric| metric.label() == name);
        Ok(Self { metric: metric.ok_or_else(|| RangeError::Metric(name.to_owned()))?, range: range.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_alert_as_the_guidelines_say() {
        let cases: [(&str, &[f64], &[f64]); 6] = [
            ("10", &[-1.0, 11.0], &[0.0, 10.0]),
            ("10:", &[9.0], &[10.0, 1e9]),
            ("~:10", &[11.0], &[-1e9, 10.0]),
            ("10:20", &[9.0, 21.0], &[10.0, 20.0]),
            ("@10:20", &[10.0, 20.0], &[9.0, 21.0]),
            ("~:", &[], &[-1e9, 0.0, 1e9]),
        ];
        for (text, alerting, calm) in cases {
            let range: Range = text.parse().expect(text);
            assert!(alerting.iter().all(|value| range.alerts(*value)), "{text}");
            assert!(!calm.iter().any(|value| range.alerts(*value)), "{text}");
            assert_eq!(range.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "x", "20:10", "@", "1:2:3", "NaN", "inf"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
        assert!("overdue".parse::<Threshold>().is_err());
        assert!("nonsense=1".parse::<Threshold>().is_err());
    }
}
