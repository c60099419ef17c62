//! The findings, most serious first: what it is, what to do about it, why, and, folded, what that rests on.

use std::cmp::Reverse;

use super::markup::Html;
use super::model::{Advice, Finding, Severity};
use super::quantity::{Clock, count, grouped};
use super::rows::DrawnRow;
use super::strip::severity_class;

const LINE_MAX: usize = 1_500;
const PROSE_MAX: usize = 5_000;
const LINES_MAX: usize = 100;

pub(super) fn section(out: &mut Html, findings: &[Finding], rows: &[DrawnRow], clock: Clock) {
    out.raw(r#"<section id="findings" aria-labelledby="h-findings"><h2 id="h-findings">Findings</h2>"#);
    if findings.is_empty() {
        out.raw(r#"<p class="quiet-note">None. Nothing that was looked at holds a session up.</p>"#);
    }
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| Reverse(finding.severity));
    for finding in sorted {
        article(out, finding, rows, clock);
    }
    out.raw("</section>");
}

fn article(out: &mut Html, finding: &Finding, rows: &[DrawnRow], clock: Clock) {
    out.raw(r#"<article class="finding "#).raw(severity_class(finding.severity)).raw(r#""><h3>"#);
    out.raw(r#"<span class="badge">"#).raw(severity_word(finding.severity)).raw("</span> ");
    out.clipped(&finding.title, 300).raw("</h3>");
    seen(out, finding, rows, clock);
    if !finding.chats.is_empty() {
        out.raw(r#"<p class="chats">"#).clipped(&finding.chats.join(" · "), PROSE_MAX).raw("</p>");
    }
    out.raw("<dl>");
    advice(out, &finding.advice);
    why(out, finding);
    evidence(out, finding);
    out.raw("</dl></article>");
}

fn why(out: &mut Html, finding: &Finding) {
    out.raw(r#"<dt>Why</dt><dd class="prose">"#).clipped(finding.explanation.trim(), PROSE_MAX);
    match finding.removing_lock_helps {
        Some(true) => out.raw(" Removing the lock <strong>helps</strong>."),
        // Where no lock is in sight, no word about one.
        Some(false) if finding.place.lock.is_some() => {
            out.raw(" Removing the lock <strong>does not help</strong>.")
        }
        Some(false) | None => out,
    };
    out.raw("</dd>");
}

pub(super) fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Info",
        Severity::Warning => "Warning",
        Severity::Critical => "Critical",
    }
}

/// When, how often, and where on the timeline.
fn seen(out: &mut Html, finding: &Finding, rows: &[DrawnRow], clock: Clock) {
    let row = finding.place.row.as_ref();
    let row = row.and_then(|id| rows.iter().position(|row| row.ids.contains(&id.as_str())));
    let seen = [finding.first_seen, finding.last_seen];
    if seen == [None; 2] && row.is_none() {
        return;
    }
    out.raw(r#"<ul class="facts">"#);
    if seen != [None; 2] {
        out.raw("<li>");
        clock.interval(out, finding.first_seen, finding.last_seen);
        if finding.count > 1 {
            out.raw(", ").text(&grouped(finding.count)).raw(" times");
        }
        out.raw("</li>");
    }
    if let Some(row) = row {
        out.raw(r#"<li><button type="button" class="show" data-row=""#).integer(row as u64);
        for (name, at) in [(r#"" data-from=""#, finding.first_seen), (r#"" data-to=""#, finding.last_seen)] {
            out.raw(name);
            if let Some(at) = at {
                out.text(&at.timestamp_millis().to_string());
            }
        }
        out.raw(r#"" hidden>Show on the timeline</button></li>"#);
    }
    out.raw("</ul>");
}

/// Folded: who it is about, by name, and the lines that it rests on.
fn evidence(out: &mut Html, finding: &Finding) {
    let lines = &finding.evidence;
    out.raw("<dt>Evidence</dt><dd><details><summary>");
    match lines.len() {
        0 => out.raw("Where"),
        number => out.text(&count(number as u64, "line")),
    };
    out.raw(r#"</summary><ul class="facts"><li><code>"#).clipped(&finding.code, 60).raw("</code></li>");
    let place = &finding.place;
    let named =
        [("agent", &place.agent), ("session", &place.session), ("lane", &place.lane), ("lock", &place.lock)];
    for (name, value) in named {
        if let Some(value) = value {
            out.raw(r#"<li><span class="of">"#).raw(name).raw("</span> <code>");
            out.clipped(value, 300).raw("</code></li>");
        }
    }
    out.raw("</ul>");
    if !lines.is_empty() {
        block(out, &lines[..lines.len().min(LINES_MAX)]);
    }
    if lines.len() > LINES_MAX {
        out.raw("<p>The first ").integer(LINES_MAX as u64).raw(" are shown.</p>");
    }
    out.raw("</details></dd>");
}

/// One item a line, so that a long line that wraps is still one line.
fn block(out: &mut Html, lines: &[String]) {
    out.raw(r#"<ul class="lines">"#);
    for line in lines {
        out.raw("<li>").clipped(line, LINE_MAX).raw("</li>");
    }
    out.raw("</ul>");
}

fn advice(out: &mut Html, steps: &[Advice]) {
    if steps.is_empty() {
        return;
    }
    out.raw(r#"<dt>Do this</dt><dd><ol class="steps">"#);
    for step in steps {
        out.raw("<li>").clipped(&step.text, PROSE_MAX);
        if let Some(command) = &step.command {
            out.raw(r#"<div class="copyable"><pre class="command"><code>"#).clipped(command, LINE_MAX);
            out.raw("</code></pre></div>");
        }
        out.raw("</li>");
    }
    out.raw("</ol></dd>");
}
