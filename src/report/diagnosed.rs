//! A diagnosis for people and for programs (`lockdoctor/diagnosis/v1`).

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::Style;
use chrono::{DateTime, Utc};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::blocks::{Grouping, INDENT, PROSE, View, labelled, notes, prose, remedy, serious};
use super::status::text;
use super::style::DIM;
use crate::answer::BlindSpot;
use crate::diagnosis::{Certainty, Finding, SessionReport};
use crate::examination::Examination;
use crate::history::lanes::{LaneReport, Spread};
use crate::redact::Redactor;
use crate::survey::SurveyedRoot;
use crate::words::{ago, clock, count, duration, printable, rfc3339, wrapped};

pub const DIAGNOSIS_SCHEMA: &str = "lockdoctor/diagnosis/v1";

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    schema: &'static str,
    #[cfg_attr(test, schemars(with = "chrono::DateTime<chrono::Utc>"))]
    generated_at: String,
    #[cfg_attr(test, schemars(with = "Option<chrono::DateTime<chrono::Utc>>"))]
    from: Option<String>,
    #[cfg_attr(test, schemars(with = "Option<chrono::DateTime<chrono::Utc>>"))]
    to: Option<String>,
    headline: &'a str,
    findings: &'a [Finding],
    lanes: &'a [LaneReport],
    sessions: &'a [SessionReport],
    sources: Vec<Source<'a>>,
    blind_spots: &'a [BlindSpot],
}

/// A log that was read.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Source<'a> {
    path: Cow<'a, str>,
    lines: u64,
    parsed: u64,
    skipped: u64,
    /// Why it could not be read.
    error: Option<Cow<'a, str>>,
}

pub fn document(examination: &Examination, now: DateTime<Utc>, redactor: Redactor) -> Document<'_> {
    let diagnosis = &examination.diagnosis;
    Document {
        schema: DIAGNOSIS_SCHEMA,
        generated_at: rfc3339(now),
        from: diagnosis.from.map(rfc3339),
        to: diagnosis.to.map(rfc3339),
        headline: &examination.answer.headline,
        findings: &diagnosis.findings,
        lanes: &diagnosis.lanes,
        sessions: &diagnosis.sessions,
        sources: sources(examination, redactor),
        blind_spots: &examination.answer.blind_spots,
    }
}

fn sources(examination: &Examination, redactor: Redactor) -> Vec<Source<'_>> {
    let sources = examination.sources.iter().map(|source| Source {
        path: redactor.text(&source.label),
        lines: source.counters.lines,
        parsed: source.counters.parsed,
        skipped: source.counters.skipped,
        error: source.error.as_deref().map(|error| redactor.text(error)),
    });
    sources.collect()
}

/// Severity, code, session, explanation: tab-separated. Writing to a String cannot fail.
pub fn plain(examination: &Examination) -> String {
    let mut out = String::new();
    for finding in &examination.diagnosis.findings {
        let session = finding.session_key.as_deref().or(finding.session_id.as_deref()).unwrap_or("-");
        let (session, explanation) = (printable(session), printable(&finding.explanation));
        let _ = writeln!(
            out,
            "{}\t{}\t{session}\t{explanation}",
            finding.severity.as_str(),
            finding.code.as_str()
        );
    }
    out
}

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Usual,
    /// The lines that it rests on, too, and each chat by itself.
    Full,
}

/// One block a chat: what its person notices, the cause, the story, what to do. `scope` and `logs`: as they were typed.
pub fn for_people(
    examination: &Examination,
    view: View<'_>,
    roots: &[SurveyedRoot],
    (scope, logs): (&str, &str),
    detail: Detail,
) -> String {
    let mut out = String::new();
    text::headline(&mut out, view, roots);
    let grouping = if detail == Detail::Full { Grouping::Apart } else { Grouping::ByCause };
    for block in &serious(view, grouping) {
        out.push('\n');
        block.heading(&mut out, view);
        for (at, finding) in block.told().iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            describe(&mut out, finding, view, detail);
        }
    }
    let notes = notes(view);
    if !notes.is_empty() {
        let _ = writeln!(out, "\n{DIM}For information{DIM:#}");
    }
    for block in &notes {
        block.heading(&mut out, view);
        for finding in block.told() {
            describe(&mut out, finding, view, detail);
        }
    }
    if !view.answer.blind_spots.is_empty() || !view.answer.unnamed_locks.is_empty() {
        out.push('\n');
    }
    text::unnamed(&mut out, view, scope);
    for spot in &view.answer.blind_spots {
        text::blind_spot(&mut out, spot, view.width);
    }
    lanes(&mut out, &examination.diagnosis.lanes, view.width);
    if let Some(read) = read_from(examination, view) {
        out.push('\n');
        prose(&mut out, &read, view.width, 1, DIM);
    }
    if detail == Detail::Usual {
        labelled(
            &mut out,
            "with the log lines:",
            &format!("lockdoctor diagnose{scope}{logs} -v"),
            view.width,
        );
    }
    let report = format!("lockdoctor report{scope}{logs}");
    labelled(&mut out, "as one page with a timeline:", &report, view.width);
    text::mask_hint(&mut out, view);
    out
}

/// Code and times, cause, story, what to do, and what it rests on.
fn describe(out: &mut String, finding: &Finding, view: View<'_>, detail: Detail) {
    let mut facts = vec![finding.code.as_str().to_owned()];
    facts.extend((finding.certainty != Certainty::Proven).then(|| certainty(finding.certainty).to_owned()));
    facts.extend((finding.count > 1).then(|| format!("{} times", finding.count)));
    facts.extend(finding.first_seen.map(|at| format!("since {}", clock(at, &view.now))));
    let later = finding.last_seen.filter(|last| finding.first_seen.is_some_and(|first| *last > first));
    facts.extend(later.map(|at| format!("last {}", ago(at, view.now.to_utc()))));
    prose(out, &facts.join(" · "), view.width, INDENT, DIM);
    prose(out, &finding.explanation, view.width, INDENT, Style::new());
    for step in &finding.story {
        let at = step.at.map_or_else(|| "     ".to_owned(), |at| clock(at, &view.now));
        let indent = INDENT + at.width() + 2;
        let room = view.width.min(PROSE).saturating_sub(indent);
        for (line, text) in wrapped(&step.text, room).iter().enumerate() {
            if line == 0 {
                let _ = writeln!(out, "{:INDENT$}{DIM}{at}{DIM:#}  {text}", "");
            } else {
                let _ = writeln!(out, "{:indent$}{text}", "");
            }
        }
    }
    match finding.removing_lock_helps {
        Some(true) => prose(out, "Removing the lock helps.", view.width, INDENT, Style::new()),
        // Where no lock is in sight, no word about one.
        Some(false) if finding.lock.is_some() => {
            prose(out, "Removing the lock does not help.", view.width, INDENT, Style::new());
        }
        Some(false) | None => {}
    }
    for action in &finding.actions {
        remedy(out, action, view.width);
        if let Some(effect) = &action.effect {
            prose(out, effect, view.width, INDENT + 2, DIM);
        }
    }
    if detail == Detail::Full {
        evidence(out, finding, view.width);
    }
}

fn certainty(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Proven => "proven",
        Certainty::Likely => "likely",
        Certainty::Possible => "possible",
    }
}

/// Quoted lines begin with a bar: they are not our words.
fn evidence(out: &mut String, finding: &Finding, width: usize) {
    for line in &finding.evidence {
        for text in wrapped(&line.text, width.saturating_sub(INDENT + 2).max(40)) {
            let _ = writeln!(out, "{:INDENT$}{DIM}│ {text}{DIM:#}", "");
        }
    }
}

/// A table; where it does not fit, a line or two a lane.
fn lanes(out: &mut String, lanes: &[LaneReport], width: usize) {
    let busy: Vec<&LaneReport> = lanes.iter().filter(|lane| lane.tasks > 0 || lane.waits > 0).collect();
    if busy.is_empty() {
        return;
    }
    let mut builder = tabled::builder::Builder::default();
    builder.push_record([
        "LANE",
        "RUNS",
        "FAILED",
        "RUN p50 · p95 · max",
        "WAITS",
        "WAIT p50 · p95 · max",
        "QUEUE",
    ]);
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
    table.with(tabled::settings::Style::empty()).with(tabled::settings::Padding::new(1, 1, 0, 0));
    let table = table.to_string();
    out.push('\n');
    if table.lines().all(|row| row.trim_end().width() <= width) {
        for row in table.lines() {
            let _ = writeln!(out, "{}", row.trim_end());
        }
        return;
    }
    for lane in &busy {
        let _ = writeln!(out, " {}", printable(&lane.lane));
        let mut facts = vec![count(lane.tasks, "run")];
        facts.extend((lane.errors > 0).then(|| format!("{} failed", lane.errors)));
        facts.extend(lane.run_ms.map(|run| format!("run p50 · p95 · max {}", spread(Some(run)))));
        facts.extend((lane.waits > 0).then(|| count(lane.waits, "wait")));
        facts.extend(lane.wait_ms.map(|wait| format!("wait p50 · p95 · max {}", spread(Some(wait)))));
        prose(out, &facts.join(", "), width, 3, DIM);
    }
}

fn spread(spread: Option<Spread>) -> String {
    let text = |ms| duration(std::time::Duration::from_millis(ms));
    spread.map_or_else(|| "-".to_owned(), |s| format!("{} · {} · {}", text(s.p50), text(s.p95), text(s.max)))
}

fn read_from(examination: &Examination, view: View<'_>) -> Option<String> {
    let read: Vec<_> = examination.sources.iter().filter(|source| source.counters.lines > 0).collect();
    let lines: u64 = read.iter().map(|source| source.counters.lines).sum();
    let parsed: u64 = read.iter().map(|source| source.counters.parsed).sum();
    if read.is_empty() {
        return None;
    }
    let unread: u64 = read.iter().map(|source| source.counters.skipped).sum();
    let unread =
        if unread == 0 { String::new() } else { format!(", {} could not be read", count(unread, "line")) };
    let (logs, lines) = (count(read.len(), "log"), count(lines, "line"));
    let diagnosis = &examination.diagnosis;
    let period = match diagnosis.from.zip(diagnosis.to) {
        Some((from, to)) => format!(", {} to {}", clock(from, &view.now), clock(to, &view.now)),
        None if parsed > 0 => ", without times: taken in the order in which they stand".to_owned(),
        None => String::new(),
    };
    Some(format!("read: {logs}, {lines}, {parsed} relevant{unread}{period}"))
}
