//! Variants of the invented day: healthy, huge, hostile. Shared by the example and the tests.

use chrono::{DateTime, TimeDelta, Utc};
use lockdoctor::report::html::model::{
    Group, Headline, ReportModel, Row, Severity, Span, SpanKind, Timeline,
};

use super::sample::{Dice, at, day};

fn at_ms(ms: i64) -> DateTime<Utc> {
    at(0) + TimeDelta::milliseconds(ms)
}

pub(crate) fn healthy() -> ReportModel {
    let mut model = day();
    model.headline = Headline {
        sentence: "Nothing holds a session up: 3 locks, all held by live runs within their limits."
            .to_owned(),
        severity: None,
    };
    model.findings.clear();
    model.timeline.marks.clear();
    model.timeline.rows.clear();
    model.lanes.clear();
    model.locks.clear();
    model
}

/// A whole day of `events` spans on four lanes and sixty sessions, most with labels of their own.
pub(crate) fn large(events: usize) -> ReportModel {
    let mut model = day();
    let mut dice = Dice(3);
    let day_ms = 86_400_000;
    let mut rows: Vec<Row> = (0..64)
        .map(|nth| {
            let (group, label) = if nth < 4 {
                (Group::Lane, ["main", "cron", "subagent", "nested"][nth].to_owned())
            } else {
                (Group::Session, format!("agent:main:discord:channel:…{:04x}", 0x1000 + nth * 611))
            };
            Row { id: format!("r{nth}"), label, group, spans: Vec::new() }
        })
        .collect();
    for nth in 0..events {
        let row = if dice.roll(5) < 2 { dice.roll(4) } else { 4 + dice.roll(60) } as usize;
        let kind = match dice.roll(20) {
            0..9 => SpanKind::Run,
            9..13 => SpanKind::Hold,
            13..17 => SpanKind::ModelCall,
            17..19 => SpanKind::Wait,
            _ if dice.roll(40) == 0 => SpanKind::Timeout,
            _ => SpanKind::Wait,
        };
        let severity = match dice.roll(2000) {
            0 => Severity::Critical,
            1..12 => Severity::Warning,
            _ => Severity::Info,
        };
        let start = dice.roll(24 * 3600) * 1000 + dice.roll(1000);
        let end = start + 80 + dice.roll(9_000) + if dice.roll(60) == 0 { dice.roll(400_000) } else { 0 };
        let label = format!("runId={nth:08x}-9be4-4c53 durationMs={}", end - start);
        rows[row].spans.push(Span { kind, start: at_ms(start), end: at_ms(end), label, severity });
    }
    rows.insert(0, model.timeline.rows.swap_remove(0));
    model.timeline = Timeline { start: at_ms(0), end: at_ms(day_ms), rows, marks: model.timeline.marks };
    model.timeline.marks.retain(|mark| mark.row.is_none());
    model
}

/// What a log, a file name or a session key could bring along.
pub(crate) const HOSTILE: [&str; 8] = [
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 2</script><!--",
    "\"><img src=x onerror=\"window.owned=3\">",
    "' onmouseover='window.owned=4' x='",
    "</style><style>body{display:none}</style>",
    "javascript:window.owned=5",
    "\u{202e}gnp.txt\u{2066}\u{200b}\u{1b}[31m\0",
    "${window.owned=6}{{7*7}}%3Cscript%3E",
];

/// Every string of the model is hostile, and some are 10 kB long.
pub(crate) fn hostile() -> ReportModel {
    let mut model = day();
    let long: String = "abcdefgh<&>".chars().cycle().take(10_000).collect();
    let mut nth = 0;
    let mut taint = |text: &mut String| {
        nth += 1;
        *text = if nth % 11 == 0 { long.clone() } else { HOSTILE[nth % HOSTILE.len()].to_owned() + text };
    };
    taint(&mut model.headline.sentence);
    for finding in &mut model.findings {
        taint(&mut finding.code);
        taint(&mut finding.title);
        taint(&mut finding.explanation);
        let place = &mut finding.place;
        for text in
            [&mut place.agent, &mut place.session, &mut place.lane, &mut place.lock].into_iter().flatten()
        {
            taint(text);
        }
        finding.evidence.iter_mut().for_each(&mut taint);
        for advice in &mut finding.advice {
            taint(&mut advice.text);
            advice.command.iter_mut().for_each(&mut taint);
        }
    }
    for row in &mut model.timeline.rows {
        taint(&mut row.label);
        row.spans.iter_mut().for_each(|span| taint(&mut span.label));
    }
    model.timeline.marks.iter_mut().for_each(|mark| taint(&mut mark.label));
    model.lanes.iter_mut().for_each(|lane| taint(&mut lane.lane));
    for lock in &mut model.locks {
        taint(&mut lock.verdict);
        lock.reasons.iter_mut().for_each(&mut taint);
        taint(&mut lock.path);
        lock.session.iter_mut().for_each(&mut taint);
        lock.owner.iter_mut().for_each(&mut taint);
    }
    for fact in &mut model.environment {
        taint(&mut fact.key);
        taint(&mut fact.value);
    }
    taint(&mut model.paste);
    model
}
