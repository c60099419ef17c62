//! Fills the report page from a diagnosis and the locks it was made with.

use chrono::{DateTime, Utc};
use std::borrow::Cow;

use super::blocks::{Block, Grouping, View, notes, serious};
use super::html::model as page;
use crate::answer::title;
use crate::diagnosis::{Diagnosis, Finding, Remedy, Severity};
use crate::examination::Examination;
use crate::history::lanes::{LaneReport, Spread};
use crate::history::timeline::{MarkKind, SpanKind};
use crate::install::Install;
use crate::redact::Redactor;
use crate::report::lock_words::owner;
use crate::survey::{Survey, SurveyedLock};
use crate::verdict::Reason;
use crate::words::{capitalised, count, millis, rfc3339};

/// Lines of evidence of each chat in a group.
const LINES_OF_EACH: usize = 2;

/// The whole page as a model.
pub fn model(
    survey: Option<&Survey>,
    examination: &Examination,
    now: DateTime<Utc>,
    redactor: Redactor,
) -> page::ReportModel {
    let diagnosis = &examination.diagnosis;
    let severities = examination.answer.locks.iter().copied();
    let judged = survey.iter().flat_map(|survey| &survey.locks).zip(severities);
    let locks: Vec<page::Lock> = judged.map(|(each, severity)| lock(each, severity, redactor)).collect();
    let environment = environment(survey, examination, redactor);
    let answer = &examination.answer;
    page::ReportModel {
        paste: paste(&answer.headline, diagnosis, &locks, &environment),
        headline: page::Headline {
            sentence: answer.headline.clone(),
            severity: match answer.severity.filter(|worst| *worst > Severity::Info) {
                Some(worst) => Some(severity(worst)),
                None if answer.is_blind() => Some(page::Severity::Warning),
                None => None,
            },
        },
        generated_at: now,
        period: diagnosis.from.zip(diagnosis.to).map(|(start, end)| page::Period { start, end }),
        findings: findings(examination, redactor),
        timeline: timeline(diagnosis, now),
        lanes: diagnosis.lanes.iter().map(lane).collect(),
        locks,
        environment,
    }
}

fn severity(severity: Severity) -> page::Severity {
    match severity {
        Severity::Info => page::Severity::Info,
        Severity::Warning => page::Severity::Warning,
        Severity::Critical => page::Severity::Critical,
    }
}

/// The blocks of `status` and `diagnose`: one cause of several chats is one entry.
fn findings(examination: &Examination, redactor: Redactor) -> Vec<page::Finding> {
    let view = View {
        answer: &examination.answer,
        findings: &examination.diagnosis.findings,
        now: examination.now.into(),
        width: usize::MAX,
        masked: redactor == Redactor::On,
    };
    let rows = &examination.diagnosis.timeline.rows;
    let blocks = serious(view, Grouping::ByCause).into_iter().chain(notes(view));
    blocks.flat_map(|block| of_block(&block, rows)).collect()
}

fn of_block(block: &Block<'_>, rows: &[String]) -> Vec<page::Finding> {
    let mut entries: Vec<page::Finding> = block.told().iter().map(|each| finding(each, rows)).collect();
    let chat = (block.name != block.title).then_some(&block.name);
    for (entry, told) in entries.iter_mut().zip(block.told()).skip(1) {
        let what = title(told.code);
        entry.title = chat.map_or_else(|| capitalised(what), |chat| format!("{chat}: {what}"));
    }
    let Some(first) = entries.first_mut() else { return entries };
    first.title.clone_from(&block.title);
    if block.is_group() {
        first.severity = severity(block.severity);
        first.explanation = format!("{}: {}", block.names[0], first.explanation);
        first.chats = block.names.iter().map(|name| (*name).to_owned()).collect();
        first.place = page::Place::default();
        first.count = 1;
        first.first_seen = block.findings.iter().filter_map(|finding| finding.first_seen).min();
        first.last_seen = block.findings.iter().filter_map(|finding| finding.last_seen).max();
        let seen = block.findings.iter().flat_map(|finding| finding.evidence.iter().take(LINES_OF_EACH));
        first.evidence = seen.map(|line| line.text.clone()).collect();
    }
    entries
}

fn finding(finding: &Finding, rows: &[String]) -> page::Finding {
    let session_row = finding.session_key.as_ref().map(|key| format!("session:{key}"));
    let row = finding.lane.clone().into_iter().chain(session_row).find(|row| rows.contains(row));
    page::Finding {
        code: finding.code.as_str().to_owned(),
        severity: severity(finding.severity),
        title: capitalised(title(finding.code)),
        chats: Vec::new(),
        explanation: finding.explanation.clone(),
        place: page::Place {
            agent: finding.agent.clone(),
            session: finding.session_key.clone().or_else(|| finding.session_id.clone()),
            lane: finding.lane.clone(),
            lock: finding.lock.clone(),
            row,
        },
        first_seen: finding.first_seen,
        last_seen: finding.last_seen,
        count: finding.count,
        evidence: finding.evidence.iter().map(|line| line.text.clone()).collect(),
        advice: finding.actions.iter().map(advice).collect(),
        removing_lock_helps: finding.removing_lock_helps,
    }
}

/// A command stands by itself where the text is no more than it.
fn advice(action: &Remedy) -> page::Advice {
    let said = [Some(&action.text), action.effect.as_ref()].into_iter().flatten();
    let said: Vec<&str> =
        said.map(AsRef::as_ref).filter(|text: &&str| Some(*text) != action.command.as_deref()).collect();
    page::Advice { text: said.join(" "), command: action.command.clone().map(Cow::into_owned) }
}

fn timeline(diagnosis: &Diagnosis, now: DateTime<Utc>) -> page::Timeline {
    let timeline = &diagnosis.timeline;
    let mut rows: Vec<page::Row> = timeline
        .rows
        .iter()
        .map(|row| page::Row {
            id: row.clone(),
            label: row.strip_prefix("session:").unwrap_or(row).to_owned(),
            group: match row.as_str() {
                "gateway" | "event loop" => page::Group::Gateway,
                row if row.starts_with("session:") => page::Group::Session,
                _ => page::Group::Lane,
            },
            spans: Vec::new(),
        })
        .collect();
    for span in &timeline.spans {
        if let Some(row) = rows.get_mut(span.row) {
            let failed = span.kind == SpanKind::FailedRun;
            row.spans.push(page::Span {
                kind: span_kind(span.kind),
                start: span.from,
                end: span.to,
                label: if failed { "failed".to_owned() } else { String::new() },
                severity: if failed || span.kind == SpanKind::Blocked {
                    page::Severity::Warning
                } else {
                    page::Severity::Info
                },
            });
        }
    }
    rows.sort_by_key(|row| row.group);
    let marks = timeline.marks.iter().map(|mark| {
        // The gateway's start and end concern everybody; what else is told of it stands in its own row.
        let crosses = mark_kind(mark.kind) == page::MarkKind::Restart;
        let row = timeline.rows.get(mark.row).filter(|_| !crosses).cloned();
        page::Mark {
            kind: mark_kind(mark.kind),
            at: mark.at,
            label: mark_label(mark.kind).to_owned(),
            severity: mark_severity(mark.kind),
            row,
        }
    });
    let ends = timeline.spans.iter().flat_map(|span| [span.from, span.to]);
    let instants: Vec<_> = ends.chain(timeline.marks.iter().map(|mark| mark.at)).collect();
    page::Timeline {
        start: instants.iter().min().copied().or(diagnosis.from).unwrap_or(now),
        end: instants.iter().max().copied().or(diagnosis.to).unwrap_or(now),
        marks: marks.collect(),
        rows,
    }
}

fn span_kind(kind: SpanKind) -> page::SpanKind {
    match kind {
        SpanKind::Run | SpanKind::FailedRun => page::SpanKind::Run,
        SpanKind::Wait => page::SpanKind::Wait,
        SpanKind::Hold => page::SpanKind::Hold,
        SpanKind::Blocked => page::SpanKind::EventLoopDelay,
        SpanKind::Life => page::SpanKind::Life,
    }
}

fn mark_kind(kind: MarkKind) -> page::MarkKind {
    match kind {
        MarkKind::Start | MarkKind::Stop | MarkKind::Crash => page::MarkKind::Restart,
        MarkKind::Timeout | MarkKind::RpcTimeout => page::MarkKind::Timeout,
        MarkKind::LockError | MarkKind::Attention | MarkKind::Recovery | MarkKind::LockRemoved => {
            page::MarkKind::Notice
        }
    }
}

fn mark_label(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Start => "gateway started",
        MarkKind::Stop => "gateway stopped",
        MarkKind::Crash => "gateway died",
        MarkKind::Timeout => "run reached its time limit",
        MarkKind::LockError => "lock timeout",
        MarkKind::RpcTimeout => "request timed out",
        MarkKind::Attention => "watchdog warning",
        MarkKind::Recovery => "recovery",
        MarkKind::LockRemoved => "OpenClaw removed a stale lock",
    }
}

fn mark_severity(kind: MarkKind) -> page::Severity {
    match kind {
        MarkKind::Start | MarkKind::Stop | MarkKind::Recovery => page::Severity::Info,
        _ => page::Severity::Warning,
    }
}

fn lane(lane: &LaneReport) -> page::Lane {
    let quantiles = |spread: Option<Spread>| {
        spread.map(|spread| page::Quantiles { p50: spread.p50, p95: spread.p95, max: spread.max })
    };
    page::Lane {
        lane: lane.lane.clone(),
        whole: page::LaneStatistics {
            tasks: lane.tasks,
            errors: lane.errors,
            run_ms: quantiles(lane.run_ms),
            waits: lane.waits,
            wait_ms: quantiles(lane.wait_ms),
            queue_max: Some(lane.queue_max),
        },
        per_hour: lane
            .hours
            .iter()
            .map(|hour| page::LaneHour {
                hour: hour.hour,
                statistics: page::LaneStatistics {
                    tasks: hour.tasks,
                    errors: hour.errors,
                    run_ms: quantiles(hour.run_ms),
                    waits: hour.waits,
                    wait_ms: quantiles(hour.wait_ms),
                    queue_max: None,
                },
            })
            .collect(),
    }
}

fn lock(lock: &SurveyedLock, severity: Option<Severity>, redactor: Redactor) -> page::Lock {
    let judgement = &lock.judgement;
    page::Lock {
        verdict: judgement.verdict.as_str().to_owned(),
        reasons: judgement.reasons.iter().copied().map(Reason::as_str).map(str::to_owned).collect(),
        severity: severity.map(self::severity),
        path: redactor.path(&lock.path().to_string_lossy()).into_owned(),
        session: lock.session_key.as_deref().map(|key| redactor.key(key).into_owned()),
        owner: Some(owner(&lock.evidence)),
        age_ms: lock.evidence.age.map(millis),
        limit_ms: lock.evidence.limit.as_ref().map(|limit| millis(limit.after)),
    }
}

fn environment(survey: Option<&Survey>, examination: &Examination, redactor: Redactor) -> Vec<page::Fact> {
    let fact = |key: &str, value: String| page::Fact { key: key.to_owned(), value };
    let mut facts = vec![fact("lockdoctor", env!("CARGO_PKG_VERSION").to_owned())];
    for install in survey.iter().flat_map(|survey| &survey.roots).filter_map(|root| root.install.as_ref()) {
        facts.push(fact("install", redactor.path(&install.root.path.to_string_lossy()).into_owned()));
        facts.push(fact("openclaw", openclaw(install)));
        facts.push(fact("gateway", format!("{}: {}", install.gateway.state.as_str(), install.gateway.how)));
        facts.push(fact("file system", install.root.filesystem.as_str().to_owned()));
    }
    for source in examination.sources.iter().filter(|source| source.counters.lines > 0) {
        let counters = &source.counters;
        let read = format!(
            "{}, {} relevant, {} unreadable",
            count(counters.lines, "line"),
            counters.parsed,
            counters.skipped
        );
        facts.push(fact("log", format!("{}: {read}", redactor.path(&source.label))));
    }
    facts
}

fn openclaw(install: &Install) -> String {
    let version = install.version.as_ref().map_or_else(|| "version unknown".to_owned(), ToString::to_string);
    format!("{version}, era {}", install.era.as_str())
}

/// The same in Markdown, for an issue. Always redacted, whatever the page shows.
fn paste(sentence: &str, diagnosis: &Diagnosis, locks: &[page::Lock], environment: &[page::Fact]) -> String {
    let redact = |text: &str| Redactor::On.text(text).into_owned();
    let mut lines = vec![format!("**{sentence}**"), String::new()];
    for finding in &diagnosis.findings {
        let explanation = redact(&finding.explanation).replace('\n', " ");
        lines.push(format!(
            "- {} `{}` ×{}: {explanation}",
            finding.severity.as_str(),
            finding.code.as_str(),
            finding.count
        ));
        for line in finding.evidence.iter().take(2) {
            lines.push(format!("  - `{}`", redact(&line.text).replace('`', "'")));
        }
    }
    let sick: Vec<_> = locks.iter().filter(|lock| lock.severity.is_some()).collect();
    if !sick.is_empty() {
        lines.push(String::new());
        lines.extend(sick.iter().map(|lock| {
            format!(
                "- lock `{}` ({}) {}",
                lock.verdict,
                lock.reasons.join(", "),
                redact(lock.owner.as_deref().unwrap_or(""))
            )
        }));
    }
    lines.push(String::new());
    lines.extend(environment.iter().map(|fact| format!("- {}: {}", redact(&fact.key), redact(&fact.value))));
    if let (Some(from), Some(to)) = (diagnosis.from, diagnosis.to) {
        lines.push(format!("- period: {} to {}", rfc3339(from), rfc3339(to)));
    }
    lines.join("\n")
}
