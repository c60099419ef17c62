//! From a survey to a status and its line. Pure.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::range::{Range, Threshold};
use crate::openclaw::lock_kind::{LockKind, Management};
use crate::openclaw::version::Era;
use crate::redact::Redactor;
use crate::survey::{NOTHING_YET, ProblemSeverity, Survey, SurveyedLock};
use crate::verdict::self_heal::{SelfHeal, predict};
use crate::verdict::{Reason, Verdict};
use crate::words::{self, count, duration};

/// The state of the service; the worst that was found is the answer, and CRITICAL goes before all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Ok,
    Unknown,
    Warning,
    Critical,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

/// What is counted. The order is that of the performance data, and of the phrases in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Blocked,
    StuckGuards,
    Stale,
    Leaked,
    Overdue,
    Overtime,
    Other,
    Held,
    Oldest,
    Unjudged,
}

impl Metric {
    pub const ALL: [Self; 10] = [
        Self::Blocked,
        Self::StuckGuards,
        Self::Stale,
        Self::Leaked,
        Self::Overdue,
        Self::Overtime,
        Self::Other,
        Self::Held,
        Self::Oldest,
        Self::Unjudged,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::StuckGuards => "stuck_guards",
            Self::Stale => "stale",
            Self::Leaked => "leaked",
            Self::Overdue => "overdue",
            Self::Overtime => "overtime",
            Self::Other => "other",
            Self::Held => "held",
            Self::Oldest => "oldest",
            Self::Unjudged => "unjudged",
        }
    }

    pub fn names() -> String {
        Self::ALL.map(Self::label).join(", ")
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Overtime | Self::Oldest => "s",
            _ => "",
        }
    }

    fn default_warning(self) -> Option<Range> {
        match self {
            Self::Stale | Self::Leaked | Self::Overdue | Self::Other => Some(Range::none_allowed()),
            _ => None,
        }
    }

    fn default_critical(self) -> Option<Range> {
        match self {
            Self::Blocked | Self::StuckGuards => Some(Range::none_allowed()),
            Self::Overtime => Some(Range::up_to(900)),
            _ => None,
        }
    }

    /// What the line says of an alerting value.
    fn phrase(self, value: u64) -> String {
        let number = value as usize;
        match self {
            Self::Blocked => format!("{} blocked", count(number, "session")),
            Self::StuckGuards => count(number, "stuck guard"),
            Self::Stale => count(number, "stale lock"),
            Self::Leaked => count(number, "leaked lock"),
            Self::Overdue => format!("{value} overdue"),
            Self::Overtime => format!("overdue by {}", duration(Duration::from_secs(value))),
            Self::Other => format!("{} of another kind to look at", count(number, "lock")),
            Self::Held => format!("{value} held"),
            Self::Oldest => format!("oldest held for {}", duration(Duration::from_secs(value))),
            Self::Unjudged => format!("{value} not to be judged from here"),
        }
    }
}

#[derive(Debug)]
struct Measured {
    metric: Metric,
    value: u64,
    warning: Option<Range>,
    critical: Option<Range>,
}

impl Measured {
    fn status(&self) -> Status {
        let alerts = |range: &Option<Range>| range.as_ref().is_some_and(|r| r.alerts(self.value as f64));
        if alerts(&self.critical) {
            Status::Critical
        } else if alerts(&self.warning) {
            Status::Warning
        } else {
            Status::Ok
        }
    }

    /// `'label'=value[UOM];[warn];[crit];[min]`; there is no maximum.
    fn performance(&self) -> String {
        let text = |range: &Option<Range>| range.as_ref().map(ToString::to_string).unwrap_or_default();
        let Self { metric, value, .. } = self;
        let (warning, critical) = (text(&self.warning), text(&self.critical));
        format!("{}={value}{};{warning};{critical};0", metric.label(), metric.unit())
    }
}

/// The answer of one check.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) status: Status,
    text: String,
    measured: Vec<Measured>,
    /// One line for each lock that raised the status, the worst first.
    pub(super) details: Vec<String>,
}

impl Report {
    /// Nothing could be looked at.
    pub(super) fn unknown(why: &str) -> Self {
        let text = one_line(why.lines().next().unwrap_or_default().trim_end_matches("; looked at:"));
        Self { status: Status::Unknown, text, measured: Vec::new(), details: Vec::new() }
    }

    pub(super) fn of(
        survey: &Survey,
        warning: &[Threshold],
        critical: &[Threshold],
        redaction: Redactor,
    ) -> Self {
        let measured: Vec<Measured> = Metric::ALL
            .into_iter()
            .map(|metric| Measured {
                metric,
                value: measure(metric, survey),
                warning: typed(warning, metric).or_else(|| metric.default_warning()),
                critical: typed(critical, metric).or_else(|| metric.default_critical()),
            })
            .collect();
        let incomplete: Vec<_> =
            survey.problems.iter().filter(|p| p.severity == ProblemSeverity::Incomplete).collect();
        let unseen = if incomplete.is_empty() { Status::Ok } else { Status::Unknown };
        let status = measured.iter().map(Measured::status).max().unwrap_or(Status::Ok).max(unseen);

        let mut phrases: Vec<String> = measured
            .iter()
            .filter(|m| m.status() != Status::Ok && !told_by_another(m.metric, &measured))
            .map(|m| m.metric.phrase(m.value))
            .collect();
        let mut sick = sick(survey, redaction);
        if let (Some(worst), Some(first)) = (sick.first(), phrases.first_mut()) {
            let _ = write!(first, " ({})", worst.1);
        }
        if let Some(problem) = incomplete.first() {
            phrases.push(format!("{}: {}", words::path(&problem.path), problem.what));
        }
        phrases.extend(background(&measured, survey));
        Self {
            status,
            text: one_line(&phrases.join(", ")),
            measured,
            details: sick.drain(..).map(|(_, line)| one_line(&line)).collect(),
        }
    }

    /// The same, of directories that OpenClaw has not been in yet.
    pub(super) fn of_nothing_yet(mut self) -> Self {
        if self.status == Status::Ok {
            NOTHING_YET.clone_into(&mut self.text);
        }
        self
    }

    /// `LOCKS OK - 3 held | stale=0;0;;0 held=3;;;0 …`
    pub(super) fn line(&self) -> String {
        let performance: Vec<String> = self.measured.iter().map(Measured::performance).collect();
        let separator = if performance.is_empty() { "" } else { " | " };
        format!("LOCKS {} - {}{separator}{}", self.status.as_str(), self.text, performance.join(" "))
    }

    pub(super) fn to_json(&self) -> Value {
        let metrics = self.measured.iter().map(|m| {
            json!({
                "label": m.metric.label(),
                "value": m.value,
                "unit": m.metric.unit(),
                "warning": m.warning.as_ref().map(ToString::to_string),
                "critical": m.critical.as_ref().map(ToString::to_string),
            })
        });
        json!({
            "schema": "lockdoctor/check/v1",
            "status": self.status.as_str(),
            "text": self.text,
            "metrics": metrics.collect::<Vec<_>>(),
            "details": self.details,
        })
    }
}

fn typed(thresholds: &[Threshold], metric: Metric) -> Option<Range> {
    thresholds.iter().rev().find(|threshold| threshold.metric == metric).map(|t| t.range.clone())
}

fn measure(metric: Metric, survey: &Survey) -> u64 {
    let number = |wanted: &dyn Fn(&SurveyedLock) -> bool| {
        survey.locks.iter().filter(|lock| wanted(lock)).count() as u64
    };
    let managed =
        |lock: &SurveyedLock, verdict: Verdict| is_managed(lock) && lock.judgement.verdict == verdict;
    match metric {
        Metric::Blocked => number(&|lock| blocks(lock, survey)),
        Metric::StuckGuards => number(&|lock| lock.judgement.verdict == Verdict::StuckGuard),
        Metric::Stale => number(&|lock| managed(lock, Verdict::Stale)),
        Metric::Leaked => number(&|lock| managed(lock, Verdict::Leaked)),
        Metric::Overdue => number(&|lock| managed(lock, Verdict::Overdue)),
        Metric::Overtime => survey.locks.iter().filter_map(overtime).max().map_or(0, |over| over.as_secs()),
        Metric::Other => number(&|lock| {
            !is_managed(lock)
                && lock.judgement.needs_attention()
                && lock.judgement.verdict != Verdict::StuckGuard
        }),
        Metric::Held => number(&|lock| managed(lock, Verdict::Held)),
        Metric::Oldest => {
            let held = survey.locks.iter().filter(|lock| is_managed(lock) && is_held(lock));
            held.filter_map(|lock| lock.evidence.age).max().map_or(0, |age| age.as_secs())
        }
        Metric::Unjudged => number(&|lock| {
            is_managed(lock) && matches!(lock.judgement.verdict, Verdict::Foreign | Verdict::Indeterminate)
        }),
    }
}

fn is_managed(lock: &SurveyedLock) -> bool {
    lock.kind.management() == Management::Managed
}

fn is_held(lock: &SurveyedLock) -> bool {
    matches!(lock.judgement.verdict, Verdict::Held | Verdict::Overdue)
}

fn overtime(lock: &SurveyedLock) -> Option<Duration> {
    if !is_managed(lock) || lock.judgement.verdict != Verdict::Overdue {
        return None;
    }
    lock.evidence.age?.checked_sub(lock.evidence.limit.as_ref()?.after)
}

/// A message to this session fails now, and goes on failing until somebody acts.
fn blocks(lock: &SurveyedLock, survey: &Survey) -> bool {
    match lock.judgement.verdict {
        Verdict::StuckGuard => true,
        Verdict::Stale | Verdict::Leaked if is_managed(lock) => {
            !matches!(self_heal(lock, survey), SelfHeal::Frees(_) | SelfHeal::Ignored(_))
        }
        _ => false,
    }
}

fn self_heal(lock: &SurveyedLock, survey: &Survey) -> SelfHeal {
    let version = survey.roots[lock.root].install.as_ref().and_then(|install| install.version.as_ref());
    predict(&lock.evidence, lock.judgement.verdict, &lock.judgement.reasons, version)
}

/// A count that another phrase already carries: a blocked session's lock is stale, leaked or a guard, and
/// an overtime is that of an overdue lock.
fn told_by_another(metric: Metric, measured: &[Measured]) -> bool {
    let alerting = |wanted: Metric| measured.iter().find(|m| m.metric == wanted && m.status() != Status::Ok);
    let value = |wanted: Metric| measured.iter().find(|m| m.metric == wanted).map_or(0, |m| m.value);
    match metric {
        Metric::StuckGuards => alerting(Metric::Blocked).is_some(),
        Metric::Stale | Metric::Leaked => alerting(Metric::Blocked).is_some_and(|blocked| {
            blocked.value >= value(Metric::Stale) + value(Metric::Leaked) + value(Metric::StuckGuards)
        }),
        _ => false,
    }
}

/// What the line says besides alerts.
fn background(measured: &[Measured], survey: &Survey) -> Vec<String> {
    let value = |wanted: Metric| measured.iter().find(|m| m.metric == wanted && m.status() == Status::Ok);
    let mut phrases = Vec::new();
    if let Some(held) = value(Metric::Held) {
        phrases.push(held.metric.phrase(held.value));
    }
    phrases.extend(value(Metric::Unjudged).filter(|m| m.value > 0).map(|m| m.metric.phrase(m.value)));
    let sqlite = |era: Option<Era>| era == Some(Era::Sqlite);
    if survey.roots.iter().any(|root| sqlite(root.install.as_ref().map(|install| install.era))) {
        phrases.push(
            "sessions of 2026.8.1 and later are in SQLite, about which lock files say nothing".to_owned(),
        );
    }
    phrases
}

/// Locks that need attention, the worst first: a name of a few words, and a line of its own.
fn sick(survey: &Survey, redaction: Redactor) -> Vec<(String, String)> {
    let mut locks: Vec<&SurveyedLock> =
        survey.locks.iter().filter(|lock| lock.judgement.needs_attention()).collect();
    locks.sort_by_key(|lock| {
        let urgency = (blocks(lock, survey), is_managed(lock), lock.judgement.verdict, lock.evidence.age);
        std::cmp::Reverse(urgency)
    });
    let described = locks.into_iter().map(|lock| {
        let name = name(lock, redaction);
        let line = format!("{}: {}. {}", name, state(lock), self_heal(lock, survey).sentence());
        (format!("{name}: {}", state(lock)), line)
    });
    described.collect()
}

fn name(lock: &SurveyedLock, redaction: Redactor) -> String {
    match (&lock.session_key, &lock.agent, &lock.session_id) {
        (Some(key), ..) => redaction.key(key).into_owned(),
        (None, Some(agent), Some(id)) => format!("agent {agent}, session {id}"),
        (None, Some(agent), None) if lock.kind == LockKind::Store => {
            format!("session store of agent {agent}")
        }
        _ => lock.name.to_string_lossy().into_owned(),
    }
}

fn state(lock: &SurveyedLock) -> String {
    let reasons: Vec<&str> = lock.judgement.reasons.iter().copied().map(Reason::as_str).collect();
    let mut text = lock.judgement.verdict.as_str().to_owned();
    if !reasons.is_empty() {
        let _ = write!(text, " [{}]", reasons.join(", "));
    }
    if let Some(age) = lock.evidence.age {
        let _ = write!(text, ", {} old", duration(age));
    }
    text
}

/// `|` starts the performance data, and a line ends the first line: neither may come from a file name.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c == '|' || c.is_control() { ' ' } else { c }).collect()
}
