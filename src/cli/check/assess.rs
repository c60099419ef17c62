//! From a survey to a status and its line. Pure.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::range::{Range, Threshold};
use crate::answer::{Answer, Weight, title};
use crate::examination::Examination;
use crate::leases::Verdict as LeaseVerdict;
use crate::openclaw::lock_kind::{LockKind, Management};
use crate::openclaw::version::Era;
use crate::redact::Redactor;
use crate::survey::{NOTHING_YET, Survey, SurveyedLock};
use crate::verdict::self_heal::{SelfHeal, predict};
use crate::verdict::severity::{Effect, Severity};
use crate::verdict::{Reason, Verdict};
use crate::words::{count, duration};

/// The state of the service; the worst that was found is the answer, and CRITICAL goes before all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::cli) enum Status {
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

pub(in crate::cli) const SCHEMA: &str = "lockdoctor/check/v1";

/// What a program gets.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Document<'a> {
    schema: &'static str,
    status: Status,
    text: &'a str,
    metrics: Vec<MetricRow>,
    /// A line for each lock at warning or above, the worst first.
    details: &'a [String],
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct MetricRow {
    label: &'static str,
    value: u64,
    /// `s`, or nothing for a count.
    unit: &'static str,
    /// The range beyond which it is WARNING.
    warning: Option<String>,
    critical: Option<String>,
}

/// What is counted. The order is that of the performance data, and of the phrases in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Critical,
    Warning,
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
    pub const ALL: [Self; 12] = [
        Self::Critical,
        Self::Warning,
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
            Self::Critical => "critical",
            Self::Warning => "warning",
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
        (self == Self::Warning).then(Range::none_allowed)
    }

    fn default_critical(self) -> Option<Range> {
        (self == Self::Critical).then(Range::none_allowed)
    }

    /// What the line says of an alerting value.
    fn phrase(self, value: u64) -> String {
        let number = value as usize;
        match self {
            Self::Critical => format!("{value} critical"),
            Self::Warning => count(number, "warning"),
            Self::Blocked => format!("{} blocked", count(number, "chat")),
            Self::StuckGuards => count(number, "stuck guard"),
            Self::Stale => count(number, "stale lock"),
            Self::Leaked => count(number, "leaked lock"),
            Self::Overdue => format!("{value} overdue"),
            Self::Overtime => format!("overdue by {}", duration(Duration::from_secs(value))),
            Self::Other => format!("{} of another kind to look at", count(number, "lock")),
            Self::Held => format!("{value} held"),
            Self::Oldest => format!("oldest held for {}", duration(Duration::from_secs(value))),
            Self::Unjudged => format!("{value} not judged"),
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
        examination: &Examination,
        warning: &[Threshold],
        critical: &[Threshold],
        redaction: Redactor,
    ) -> Self {
        let measured: Vec<Measured> = Metric::ALL
            .into_iter()
            .map(|metric| Measured {
                metric,
                value: measure(metric, survey, examination),
                warning: typed(warning, metric).or_else(|| metric.default_warning()),
                critical: typed(critical, metric).or_else(|| metric.default_critical()),
            })
            .collect();
        let answer = &examination.answer;
        let unseen = if answer.is_blind() { Status::Unknown } else { Status::Ok };
        let status = measured.iter().map(Measured::status).max().unwrap_or(Status::Ok).max(unseen);
        let mut sick = sick(survey, answer, redaction);
        let mut phrases = Vec::new();
        if answer.needs_attention() {
            phrases.push(match worst(examination).or_else(|| sick.first().map(|(short, _)| short.clone())) {
                Some(worst) => format!("{} ({worst})", answer.headline),
                None => answer.headline.clone(),
            });
        }
        let typed = |m: &&Measured| !matches!(m.metric, Metric::Critical | Metric::Warning);
        let alerts = measured.iter().filter(typed).filter(|m| m.status() != Status::Ok);
        phrases.extend(alerts.map(|m| m.metric.phrase(m.value)));
        let essential = answer.blind_spots.iter().find(|spot| spot.weight == Weight::Essential);
        phrases.extend(essential.map(|spot| spot.text.trim_end_matches('.').to_owned()));
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

    pub(super) fn document(&self) -> Document<'_> {
        let metric = |m: &Measured| MetricRow {
            label: m.metric.label(),
            value: m.value,
            unit: m.metric.unit(),
            warning: m.warning.as_ref().map(ToString::to_string),
            critical: m.critical.as_ref().map(ToString::to_string),
        };
        Document {
            schema: SCHEMA,
            status: self.status,
            text: &self.text,
            metrics: self.measured.iter().map(metric).collect(),
            details: &self.details,
        }
    }
}

fn typed(thresholds: &[Threshold], metric: Metric) -> Option<Range> {
    thresholds.iter().rev().find(|threshold| threshold.metric == metric).map(|t| t.range.clone())
}

fn measure(metric: Metric, survey: &Survey, examination: &Examination) -> u64 {
    let number = |wanted: &dyn Fn(&SurveyedLock) -> bool| {
        survey.locks.iter().filter(|lock| wanted(lock)).count() as u64
    };
    let managed =
        |lock: &SurveyedLock, verdict: Verdict| is_managed(lock) && lock.judgement.verdict == verdict;
    let fails = |effect: &&Effect| matches!(effect, Effect::NextMessageFails | Effect::MessagesFail);
    match metric {
        Metric::Critical => at(Severity::Critical, examination),
        Metric::Warning => at(Severity::Warning, examination),
        Metric::Blocked => examination.effects.iter().filter(fails).count() as u64,
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

/// Findings of this severity, and locks of it that no finding names.
fn at(severity: Severity, examination: &Examination) -> u64 {
    let findings = examination.diagnosis.findings.iter().map(|finding| finding.severity);
    let locks = examination.answer.unnamed_locks.iter().copied();
    findings.chain(locks).filter(|each| *each == severity).count() as u64
}

/// The chat, or else the finding, that somebody has to know of first.
fn worst(examination: &Examination) -> Option<String> {
    let findings = &examination.diagnosis.findings;
    let worst = findings.first().filter(|finding| finding.severity > Severity::Info)?;
    let chat = examination.answer.chats.iter().find(|chat| chat.findings.first() == Some(&0));
    let failed = match worst.messages_failed {
        0 => String::new(),
        failed => format!(", {} failed", count(failed, "message")),
    };
    Some(match chat {
        Some(chat) => format!("{}: {}{failed}", chat.name, title(worst.code)),
        None => format!("{}{failed}", title(worst.code)),
    })
}

fn self_heal(lock: &SurveyedLock, survey: &Survey) -> SelfHeal {
    let version = survey.install_of(lock).and_then(|install| install.version.as_ref());
    predict(&lock.evidence, lock.judgement.verdict, &lock.judgement.reasons, version)
}

/// What the line says besides alerts.
fn background(measured: &[Measured], survey: &Survey) -> Vec<String> {
    let value = |wanted: Metric| measured.iter().find(|m| m.metric == wanted && m.status() == Status::Ok);
    let mut phrases = Vec::new();
    let sqlite =
        survey.roots.iter().filter_map(|root| root.install.as_ref()).filter(|i| i.era == Era::Sqlite);
    let gateways: Vec<&str> = sqlite.map(|install| install.gateway.state.as_str()).collect();
    let only_sqlite = !gateways.is_empty() && gateways.len() == survey.roots.len();
    let held = value(Metric::Held).filter(|m| m.value > 0 || !only_sqlite);
    phrases.extend(held.map(|m| m.metric.phrase(m.value)));
    phrases.extend(value(Metric::Unjudged).filter(|m| m.value > 0).map(|m| m.metric.phrase(m.value)));
    if !gateways.is_empty() {
        let held = survey.leases.iter().filter(|lease| lease.verdict.verdict == LeaseVerdict::Held).count();
        phrases.push(format!("gateway {}", gateways.join(", ")));
        phrases.extend((held > 0).then(|| format!("{} held", count(held, "lease"))));
    }
    phrases
}

/// Locks at `warning` or above, the worst first: a name of a few words, and a line of its own.
fn sick(survey: &Survey, answer: &Answer, redaction: Redactor) -> Vec<(String, String)> {
    let severities = answer.locks.iter().copied();
    let mut locks: Vec<(&SurveyedLock, Option<Severity>)> = survey.locks.iter().zip(severities).collect();
    locks.retain(|(_, severity)| *severity > Some(Severity::Info));
    locks.sort_by_key(|(lock, severity)| {
        std::cmp::Reverse((*severity, is_managed(lock), lock.judgement.verdict, lock.evidence.age))
    });
    let described = locks.into_iter().map(|(lock, _)| {
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
