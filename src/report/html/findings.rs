//! The findings, most serious first: what it is, what to do about it, where it was seen, and what that rests on.

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
    out.raw(r#"<article class="finding "#)
        .raw(severity_class(finding.severity))
        .raw(r#""><h3><span class="badge">"#);
    let (title, text) = finding.title_and_text();
    out.raw(severity_word(finding.severity)).raw("</span> ").clipped(title, 300).raw("</h3>");
    if !text.is_empty() {
        out.raw(r#"<p class="prose">"#).clipped(text, PROSE_MAX).raw("</p>");
    }
    out.raw("<dl>");
    advice(out, &finding.advice);
    let helps = match finding.removing_lock_helps {
        Some(true) => Some("Removing the lock <strong>helps</strong>."),
        Some(false) => Some("Removing the lock <strong>does not help</strong>."),
        None => None,
    };
    if let Some(helps) = helps {
        out.raw("<dt>Lock</dt><dd>").raw(helps).raw("</dd>");
    }
    place(out, finding, rows, clock);
    evidence(out, &finding.evidence);
    out.raw("</dl></article>");
}

pub(super) fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Info",
        Severity::Warning => "Warning",
        Severity::Critical => "Critical",
    }
}

fn place(out: &mut Html, finding: &Finding, rows: &[DrawnRow], clock: Clock) {
    let place = &finding.place;
    out.raw(r#"<dt>Where</dt><dd><ul class="facts"><li><code>"#)
        .clipped(&finding.code, 60)
        .raw("</code></li>");
    let named =
        [("agent", &place.agent), ("session", &place.session), ("lane", &place.lane), ("lock", &place.lock)];
    for (name, value) in named {
        if let Some(value) = value {
            out.raw(r#"<li><span class="of">"#)
                .raw(name)
                .raw("</span> <code>")
                .clipped(value, 300)
                .raw("</code></li>");
        }
    }
    if let Some(seen) = clock.interval(finding.first_seen, finding.last_seen) {
        out.raw("<li>").text(&seen);
        out.raw(" UTC");
        if finding.count > 1 {
            out.raw(", ").text(&grouped(finding.count)).raw(" times");
        }
        out.raw("</li>");
    }
    let row = place.row.as_ref().and_then(|id| rows.iter().position(|row| row.ids.contains(&id.as_str())));
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
    out.raw("</ul></dd>");
}

fn evidence(out: &mut Html, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    out.raw("<dt>Evidence</dt><dd><details><summary>");
    out.text(&count(lines.len() as u64, "line")).raw("</summary>");
    block(out, &lines[..lines.len().min(LINES_MAX)]);
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
