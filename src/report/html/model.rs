//! What a page shows, and nothing of how it was found: the seam between the diagnosis and the page. All text is
//! shown as it stands here, escaped; the code that fills the model redacts it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportModel {
    pub headline: Headline,
    pub generated_at: DateTime<Utc>,
    /// What the evidence covers; `None` when there was no log.
    pub period: Option<Period>,
    pub findings: Vec<Finding>,
    pub timeline: Timeline,
    pub lanes: Vec<Lane>,
    pub locks: Vec<Lock>,
    pub environment: Vec<Fact>,
    /// A redacted Markdown block, to paste into an issue.
    pub paste: String,
}

/// The verdict in one sentence. No severity means healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headline {
    pub sentence: String,
    pub severity: Option<Severity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

/// The more serious sort last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// One of the contract's codes, `leaked-lock`.
    pub code: String,
    pub severity: Severity,
    /// Who gets no answer, and what it is, in a few words.
    pub title: String,
    /// The chats, where several have one cause and one remedy.
    pub chats: Vec<String>,
    /// Why.
    pub explanation: String,
    #[serde(rename = "where")]
    pub place: Place,
    pub first_seen: Option<DateTime<Utc>>,
    pub last_seen: Option<DateTime<Utc>>,
    pub count: u64,
    /// The log lines and facts that it rests on.
    pub evidence: Vec<String>,
    pub advice: Vec<Advice>,
    pub removing_lock_helps: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub agent: Option<String>,
    pub session: Option<String>,
    pub lane: Option<String>,
    pub lock: Option<String>,
    /// The id of the timeline row that shows it.
    pub row: Option<String>,
}

/// One step: a sentence, and what to type for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    pub text: String,
    pub command: Option<String>,
}

/// Text in the form of lockdoctor's terminal advice: a sentence, then commands indented by four spaces.
impl From<&str> for Advice {
    fn from(advice: &str) -> Self {
        let (mut text, mut command) = (Vec::new(), Vec::new());
        for line in advice.lines() {
            match line.strip_prefix("    ") {
                Some(typed) => command.push(typed),
                None => text.push(line.trim()),
            }
        }
        Self {
            text: text.join(" ").trim().to_owned(),
            command: (!command.is_empty()).then(|| command.join("\n")),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub rows: Vec<Row>,
    pub marks: Vec<Mark>,
}

/// The order of groups on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    Gateway,
    Lane,
    Session,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub id: String,
    pub label: String,
    pub group: Group,
    pub spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpanKind {
    Run,
    Wait,
    Hold,
    ModelCall,
    EventLoopDelay,
    /// A gateway process from its start to its end.
    Life,
    /// An instant, as are the next two: drawn at its start.
    Timeout,
    Restart,
    /// Anything else that a reader should see: a failed lock wait, a session called stuck, a recovery.
    Notice,
}

impl SpanKind {
    pub const ALL: [Self; 9] = [
        Self::Run,
        Self::Wait,
        Self::Hold,
        Self::ModelCall,
        Self::EventLoopDelay,
        Self::Life,
        Self::Timeout,
        Self::Restart,
        Self::Notice,
    ];

    pub fn is_instant(self) -> bool {
        matches!(self, Self::Timeout | Self::Restart | Self::Notice)
    }

    /// Its place in [`Self::ALL`], and in the table of the page's script.
    pub fn index(self) -> usize {
        self as usize
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub kind: SpanKind,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    /// What a reader wants to know of it, in a line; the kind and the times need not be said again.
    pub label: String,
    pub severity: Severity,
}

/// An instant. Without a row it concerns the whole gateway and is drawn across all rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub kind: MarkKind,
    pub at: DateTime<Utc>,
    pub label: String,
    pub severity: Severity,
    pub row: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    Restart,
    Timeout,
    Notice,
}

impl MarkKind {
    /// The kind of a span that looks the same.
    pub fn span_kind(self) -> SpanKind {
        match self {
            Self::Restart => SpanKind::Restart,
            Self::Timeout => SpanKind::Timeout,
            Self::Notice => SpanKind::Notice,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    pub lane: String,
    #[serde(flatten)]
    pub whole: LaneStatistics,
    pub per_hour: Vec<LaneHour>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneHour {
    pub hour: DateTime<Utc>,
    #[serde(flatten)]
    pub statistics: LaneStatistics,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStatistics {
    pub tasks: u64,
    pub errors: u64,
    /// `None` when the log does not tell (no debug lines).
    pub run_ms: Option<Quantiles>,
    pub waits: u64,
    pub wait_ms: Option<Quantiles>,
    pub queue_max: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    pub p50: u64,
    pub p95: u64,
    pub max: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub verdict: String,
    pub reasons: Vec<String>,
    /// How much attention it needs; `None` for a healthy one.
    pub severity: Option<Severity>,
    pub path: String,
    pub session: Option<String>,
    pub owner: Option<String>,
    pub age_ms: Option<u64>,
    pub limit_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub key: String,
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_lines_of_advice_are_commands() {
        let advice = Advice::from("Free it:\n    lockdoctor reclaim\n    lockdoctor scan");
        assert_eq!(advice.text, "Free it:");
        assert_eq!(advice.command.as_deref(), Some("lockdoctor reclaim\nlockdoctor scan"));
        assert_eq!(Advice::from("Nothing to do.").command, None);
    }
}
