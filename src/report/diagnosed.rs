//! A diagnosis for people and for programs (`lockdoctor/diagnosis/v1`).

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::table::{BOLD, DIM};
use crate::diagnosis::input::GatewayState;
use crate::diagnosis::{Finding, LaneReport, Severity, Spread};
use crate::examination::{Examination, Looked};
use crate::redact::Redactor;
use crate::words::{count, printable, rfc3339, wrapped};

pub const DIAGNOSIS_SCHEMA: &str = "lockdoctor/diagnosis/v1";

#[derive(Debug, Serialize)]
pub struct Document<'a> {
    schema: &'static str,
    generated_at: String,
    from: Option<String>,
    to: Option<String>,
    findings: &'a [Finding],
    lanes: &'a [LaneReport],
    sessions: Value,
    sources: Vec<Value>,
}

pub fn document(examination: &Examination, now: DateTime<Utc>, redactor: Redactor) -> Document<'_> {
    let diagnosis = &examination.diagnosis;
    Document {
        schema: DIAGNOSIS_SCHEMA,
        generated_at: rfc3339(now),
        from: diagnosis.from.map(rfc3339),
        to: diagnosis.to.map(rfc3339),
        findings: &diagnosis.findings,
        lanes: &diagnosis.lanes,
        sessions: json!(diagnosis.sessions),
        sources: sources(examination, redactor),
    }
}

fn sources(examination: &Examination, redactor: Redactor) -> Vec<Value> {
    let source = |source: &crate::gatewaylog::SourceSummary| {
        json!({
            "path": redactor.text(&source.label),
            "lines": source.counters.lines,
            "parsed": source.counters.parsed,
            "skipped": source.counters.skipped,
            "error": source.error.as_deref().map(|error| redactor.text(error)),
        })
    };
    examination.sources.iter().map(source).collect()
}

/// Severity, code, session, explanation: tab-separated. Writing to a String cannot fail.
pub fn plain(examination: &Examination) -> String {
    let mut out = String::new();
    for finding in &examination.diagnosis.findings {
        let session = finding.session_key.as_deref().or(finding.session_id.as_deref()).unwrap_or("-");
        let (session, explanation) = (printable(session), printable(&finding.explanation));
        let _ =
            writeln!(out, "{}\t{}\t{session}\t{explanation}", word(finding.severity), finding.code.as_str());
    }
    out
}

/// For the commands that come next. `scope` and `logs`: as they were typed.
pub fn for_people(examination: &Examination, scope: &str, logs: &str, width: usize) -> String {
    let diagnosis = &examination.diagnosis;
    let (info, serious): (Vec<&Finding>, Vec<&Finding>) =
        diagnosis.findings.iter().partition(|finding| finding.severity == Severity::Info);
    let mut out = format!("{}\n", headline(&serious, examination));
    for finding in &serious {
        describe(&mut out, finding, scope, width);
    }
    if !info.is_empty() {
        let _ = writeln!(out, "\n{DIM}For information{DIM:#}");
        for finding in &info {
            describe(&mut out, finding, scope, width);
        }
    }
    lanes(&mut out, &diagnosis.lanes);
    let _ = writeln!(out, "\n{DIM}{}{DIM:#}", read_from(examination));
    let _ = writeln!(out, "With a timeline, on one page:\n    lockdoctor report{scope}{logs} -o report.html");
    out
}

/// The verdict in a sentence.
pub fn headline(serious: &[&Finding], examination: &Examination) -> String {
    let critical = serious.iter().filter(|finding| finding.severity == Severity::Critical).count();
    let read_nothing = examination.sources.iter().all(|source| source.counters.lines == 0);
    let found = match (critical, serious.len()) {
        (0, 0) if examination.looked == Looked::Partly => {
            "Not everything could be looked at, so nothing can be ruled out.".to_owned()
        }
        (0, 0) if examination.looked == Looked::LogsAlone && read_nothing => "Nothing was read.".to_owned(),
        (0, 0) if examination.looked == Looked::LogsAlone => {
            "The log names nothing that holds a session up. No lock was looked at.".to_owned()
        }
        (0, 0) if read_nothing => {
            "No lock is in the way. No log was read, so waits and runs are not known.".to_owned()
        }
        (0, 0) => "Nothing holds a session up.".to_owned(),
        (0, warnings) => format!("{} to look at.", count(warnings, "thing")),
        (critical, all) if critical == all => format!("{} in trouble now.", count(critical, "thing")),
        (critical, all) => {
            format!("{} in trouble now, {} more to look at.", count(critical, "thing"), all - critical)
        }
    };
    match (examination.gateway, serious.is_empty()) {
        (GatewayState::Down, true) => {
            "The gateway is down: no message is answered. Nothing else is wrong.".to_owned()
        }
        (GatewayState::Down, false) => format!("The gateway is down: no message is answered. {found}"),
        (GatewayState::Running | GatewayState::Starting | GatewayState::Unknown, _) => found,
    }
}

/// State and cause, what to type, and last what was seen.
fn describe(out: &mut String, finding: &Finding, scope: &str, width: usize) {
    let colour = style(finding.severity);
    let place = [&finding.session_key, &finding.lane, &finding.session_id].into_iter().flatten().next();
    let times = if finding.count > 1 { format!(" ×{}", finding.count) } else { String::new() };
    let _ = writeln!(
        out,
        "\n{colour}{} {}{colour:#}{times}{}",
        symbol(finding.severity),
        finding.code.as_str(),
        place.map_or_else(String::new, |place| format!("  {BOLD}{}{BOLD:#}", printable(place))),
    );
    indented(out, &finding.explanation, width);
    let helps = match finding.removing_lock_helps {
        Some(true) => Some("Removing the lock helps."),
        Some(false) => Some("Removing the lock does not help."),
        None => None,
    };
    helps.into_iter().for_each(|helps| indented(out, helps, width));
    for advice in &finding.advice {
        let advice = as_typed(advice, scope);
        // A command is pasted: a line break in it would cut it in two.
        let width = if advice.starts_with("lockdoctor ") { usize::MAX } else { width };
        indented(out, &format!("→ {advice}"), width);
    }
    let room = width.saturating_sub(6).max(40);
    for line in finding.evidence.iter().take(3) {
        let lines = wrapped(&line.text, room);
        for (at, text) in lines.iter().take(2).enumerate() {
            let cut = if at == 1 && lines.len() > 2 { " …" } else { "" };
            let _ = writeln!(out, "    {DIM}│ {text}{cut}{DIM:#}");
        }
    }
    if finding.evidence.len() > 3 {
        let _ = writeln!(out, "    {DIM}│ and {} more{DIM:#}", count(finding.evidence.len() - 3, "line"));
    }
}

/// A command of lockdoctor for the same locks as were looked at.
fn as_typed(advice: &str, scope: &str) -> String {
    for command in ["lockdoctor scan", "lockdoctor reclaim"] {
        let options = advice.strip_prefix(command).filter(|rest| rest.is_empty() || rest.starts_with(" --"));
        if let Some(options) = options {
            return format!("{command}{scope}{options}");
        }
    }
    advice.to_owned()
}

fn indented(out: &mut String, text: &str, width: usize) {
    for line in wrapped(text, width.saturating_sub(4)) {
        let _ = writeln!(out, "    {line}");
    }
}

fn lanes(out: &mut String, lanes: &[LaneReport]) {
    let busy: Vec<&LaneReport> = lanes.iter().filter(|lane| lane.tasks > 0 || lane.waits > 0).collect();
    if busy.is_empty() {
        return;
    }
    let mut builder = tabled::builder::Builder::default();
    builder.push_record(["LANE", "TASKS", "ERRORS", "RUN p50/p95/max", "WAITS", "WAIT p50/p95/max", "QUEUE"]);
    for lane in &busy {
        builder.push_record([
            printable(&lane.lane).into_owned(),
            lane.tasks.to_string(),
            lane.errors.to_string(),
            spread(lane.run_ms),
            lane.waits.to_string(),
            spread(lane.wait_ms),
            lane.queue_max.to_string(),
        ]);
    }
    let mut table = builder.build();
    table.with(tabled::settings::Style::empty()).with(tabled::settings::Padding::new(2, 0, 0, 0));
    out.push('\n');
    for row in table.to_string().lines() {
        let _ = writeln!(out, "{}", row.trim_end());
    }
}

fn spread(spread: Option<Spread>) -> String {
    let text = |ms| crate::words::duration(std::time::Duration::from_millis(ms));
    spread.map_or_else(|| "-".to_owned(), |s| format!("{} / {} / {}", text(s.p50), text(s.p95), text(s.max)))
}

fn read_from(examination: &Examination) -> String {
    let read: Vec<_> = examination.sources.iter().filter(|source| source.counters.lines > 0).collect();
    let lines: u64 = read.iter().map(|source| source.counters.lines).sum();
    let parsed: u64 = read.iter().map(|source| source.counters.parsed).sum();
    match (read.len(), examination.diagnosis.from, examination.diagnosis.to) {
        (0, ..) => "No log was found; name one with --log FILE or --journal UNIT.".to_owned(),
        (sources, Some(from), Some(to)) => format!(
            "From {} ({}, {parsed} about locks, lanes and runs), {} to {}.",
            count(sources, "log"),
            of_lines(lines),
            rfc3339(from),
            rfc3339(to)
        ),
        (sources, ..) if parsed > 0 => format!(
            "From {} ({}, {parsed} about locks, lanes and runs), without times: taken in the order in which they stand.",
            count(sources, "log"),
            of_lines(lines)
        ),
        (sources, ..) => {
            format!("From {} ({}, none about locks, lanes or runs).", count(sources, "log"), of_lines(lines))
        }
    }
}

fn of_lines(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), "line")
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default(),
        Severity::Warning => AnsiColor::Yellow.on_default(),
        Severity::Info => AnsiColor::Cyan.on_default(),
    }
}

fn symbol(severity: Severity) -> char {
    match severity {
        Severity::Critical => '✗',
        Severity::Warning => '!',
        Severity::Info => '·',
    }
}

pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
