//! The timeline's markup: rows with a label, a summary for those who do not see the picture, and the picture; the
//! legend; the most important spans as a table. The script puts its canvas over the pictures.

use chrono::{DateTime, TimeDelta, Utc};

use super::markup::Html;
use super::model::{Group, ReportModel, Severity, SpanKind, Timeline};
use super::quantity::{Clock, count, duration, grouped};
use super::rows::{DrawnRow, Placed};
use super::strip::{self, Backdrop, Scale, severity_class};

/// The most important spans, as a table.
const TABLE_ROWS: usize = 40;

/// So many characters at the end of a row's label are always shown.
const TAIL: usize = 12;

const STEPS_S: [i64; 20] = [
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800,
];

/// So many labels fit under a picture that is printed.
const TICKS_MAX: i64 = 8;

/// Per cent of the width; a label further right would be cut.
const AXIS_ROOM: f64 = 96.0;

pub(super) fn section(out: &mut Html, model: &ReportModel, rows: &[DrawnRow], scale: Scale, clock: Clock) {
    out.raw(r#"<section id="timeline" aria-labelledby="h-timeline"><h2 id="h-timeline">Timeline</h2>"#);
    if rows.iter().all(|row| row.spans.is_empty()) && model.timeline.marks.is_empty() {
        out.raw(r#"<p class="quiet-note">No log told of runs, waits or restarts.</p></section>"#);
        return;
    }
    legend(out, rows, &model.timeline);
    out.raw(r#"<div class="tools" id="tools" role="group" aria-label="Timeline view" hidden></div>"#);
    out.raw(r#"<div class="plot" id="plot">"#);
    axis(out, &model.timeline, scale);
    let backdrop = backdrop(&model.timeline, rows);
    for group in [Group::Gateway, Group::Lane, Group::Session] {
        group_rows(out, rows, group, &backdrop, scale);
    }
    out.raw("</div>");
    let hidden = rows.iter().filter(|row| !row.at_first).count();
    if hidden > 0 {
        out.raw(r#"<p class="more" id="more"><span>"#).text(&count(hidden as u64, "quieter row"));
        out.raw(" not shown.</span></p>");
    }
    table(out, &model.timeline, rows, clock);
    out.raw("</section>");
}

fn axis(out: &mut Html, timeline: &Timeline, scale: Scale) {
    out.raw(r#"<div class="axis"><svg id="axis" height="20" aria-hidden="true"><g class="still">"#);
    let step = tick_step(scale.length);
    let start_ms = timeline.start.timestamp_millis();
    let mut at = start_ms + (-start_ms).rem_euclid(step);
    while at <= start_ms + scale.length {
        let x = scale.x(at - start_ms) / 10.0;
        if let Some(time) = DateTime::<Utc>::from_timestamp_millis(at).filter(|_| x < AXIS_ROOM) {
            let format = match step {
                86_400_000.. => "%b %-d",
                60_000.. => "%H:%M",
                _ => "%H:%M:%S",
            };
            out.raw(r#"<text dx="3" y="13" x=""#).coordinate(x).raw(r#"%">"#);
            out.text(&time.format(format).to_string()).raw("</text>");
        }
        at += step;
    }
    out.raw("</g></svg></div>");
}

fn tick_step(length_ms: i64) -> i64 {
    let fits = |step: &&i64| length_ms / (**step * 1000) <= TICKS_MAX;
    let week = 604_800_000;
    STEPS_S.iter().find(fits).map_or_else(|| week * (length_ms / week / TICKS_MAX + 1), |step| step * 1000)
}

fn backdrop(timeline: &Timeline, rows: &[DrawnRow]) -> Backdrop {
    let lines = timeline.marks.iter().filter(|mark| mark.row.is_none());
    let gateway = || rows.iter().filter(|row| row.group == Group::Gateway).flat_map(|row| &row.spans);
    let of = |kind| gateway().filter(move |span| span.kind == kind);
    Backdrop {
        restarts: lines
            .map(|mark| (mark.at - timeline.start).num_milliseconds())
            .chain(of(SpanKind::Restart).map(|span| span.start))
            .collect(),
        stalls: of(SpanKind::EventLoopDelay).map(|span| (span.start, span.end)).collect(),
    }
}

fn group_rows(out: &mut Html, rows: &[DrawnRow], group: Group, backdrop: &Backdrop, scale: Scale) {
    let mut own = rows.iter().enumerate().filter(|(_, row)| row.group == group).peekable();
    if own.peek().is_none() {
        return;
    }
    out.raw(match group {
        Group::Gateway => r#"<h3 class="group">Gateway</h3><ul class="rows">"#,
        Group::Lane => r#"<h3 class="group">Lanes</h3><ul class="rows">"#,
        Group::Session => r#"<h3 class="group">Sessions</h3><ul class="rows">"#,
    });
    for (index, row) in own {
        out.raw(if row.at_first {
            r#"<li class="row" data-row=""#
        } else {
            r#"<li class="row quiet" data-row=""#
        });
        out.integer(index as u64)
            .raw(r#""><span class="label" title=""#)
            .clipped(&row.label, 300)
            .raw(r#"">"#);
        let (head, tail) = halves(&row.label);
        out.raw(r#"<span class="head">"#).clipped(head, 100).raw("</span>").text(tail);
        out.raw(r#"</span><span class="sr">: "#).text(&summary(&row.spans)).raw("</span>");
        if row.at_first {
            strip::draw(out, row, backdrop, scale);
        } else {
            // The script draws it, if it is asked for; a page with hundreds of pictures would be slow to open.
            out.raw(r#"<svg class="strip" aria-hidden="true" height=""#);
            out.integer(strip::height(row).into()).raw(r#""></svg>"#);
        }
        out.raw("</li>");
    }
    out.raw("</ul>");
}

/// Where a label is too long for its place, the middle is cut: what tells session keys apart is their end.
fn halves(label: &str) -> (&str, &str) {
    let at = label.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
    let at = label[at..].rfind(':').map_or(at, |colon| at + colon);
    label.split_at(at)
}

/// `41 runs, longest 10m; 3 waits, longest 1m 42s; 1 timeout`.
fn summary(spans: &[Placed]) -> String {
    let parts: Vec<String> = SpanKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let mut number = 0;
            let mut longest = 0;
            for span in spans.iter().filter(|span| span.kind == kind) {
                number += 1;
                longest = longest.max(span.length());
            }
            let counted = (number > 0).then(|| count(number, noun(kind)))?;
            Some(if longest > 0 { format!("{counted}, longest {}", duration(longest)) } else { counted })
        })
        .collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
}

pub(super) fn noun(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Run => "run",
        SpanKind::Wait => "wait",
        SpanKind::Hold => "lock hold",
        SpanKind::ModelCall => "model call",
        SpanKind::EventLoopDelay => "event-loop delay",
        SpanKind::Timeout => "timeout",
        SpanKind::Restart => "restart",
        SpanKind::Life => "gateway process",
        SpanKind::Notice => "notice",
    }
}

/// Only what occurs. Each key is drawn by the same rules as the rows.
fn legend(out: &mut Html, rows: &[DrawnRow], timeline: &Timeline) {
    let occurs = |kind: SpanKind| {
        rows.iter().any(|row| row.spans.iter().any(|span| span.kind == kind))
            || timeline.marks.iter().any(|mark| mark.kind.span_kind() == kind)
    };
    out.raw(r#"<ul class="legend" aria-label="Legend">"#);
    for kind in SpanKind::ALL.into_iter().filter(|kind| occurs(*kind)) {
        let (shape, said) = match kind {
            SpanKind::Run => (r#"<path class="run s0" d="M1 3h24v9h-24z"/>"#, "run"),
            SpanKind::Wait => (r#"<path class="wait s0" d="M1 7h24v2h-24z"/>"#, "waits for its turn"),
            SpanKind::Hold => (
                r#"<path class="run s0" d="M1 1h24v9h-24z"/><path class="hold s0" d="M1 13h24v2h-24z"/>"#,
                "holds its lock",
            ),
            SpanKind::ModelCall => (
                r#"<path class="run s0" d="M1 3h24v9h-24z"/><path class="model s0" d="M5 6h14v3h-14z"/>"#,
                "model call",
            ),
            SpanKind::EventLoopDelay => (r#"<path class="delay s0" d="M1 7.5h24"/>"#, "event loop blocked"),
            SpanKind::Timeout => (r#"<text class="timeout s2" x="13" y="13">×</text>"#, "timeout"),
            SpanKind::Restart => (r#"<path class="restart" d="M13 0v16"/>"#, "restart"),
            SpanKind::Life => (r#"<path class="life s0" d="M1 3h24v9h-24z"/>"#, "gateway is up"),
            SpanKind::Notice => (r#"<text class="notice s1" x="13" y="13">•</text>"#, "notice"),
        };
        key(out, shape, said);
    }
    let severities = [
        (
            Severity::Warning,
            r#"<path class="run s1" d="M1 5h24v9h-24z"/><path class="over s1" d="M1 3h24"/>"#,
        ),
        (
            Severity::Critical,
            r#"<path class="run s2" d="M1 5h24v9h-24z"/><path class="over s2" d="M1 3h24"/>"#,
        ),
    ];
    for (severity, shape) in severities {
        if rows.iter().any(|row| row.spans.iter().any(|span| span.severity == severity)) {
            key(out, shape, severity.as_str());
        }
    }
    out.raw("</ul>");
}

fn key(out: &mut Html, shape: &'static str, said: &'static str) {
    out.raw(r#"<li><svg width="26" height="16" aria-hidden="true">"#).raw(shape).raw("</svg>");
    out.raw(said).raw("</li>");
}

fn table(out: &mut Html, timeline: &Timeline, rows: &[DrawnRow], clock: Clock) {
    // An ordinary run says all there is to say of the lock it held and the model it called.
    let tells = |span: &Placed| {
        span.severity > Severity::Info
            || !matches!(span.kind, SpanKind::Hold | SpanKind::ModelCall | SpanKind::Life)
    };
    let mut spans: Vec<(&DrawnRow, &Placed)> =
        rows.iter().flat_map(|row| row.spans.iter().map(move |span| (row, span))).collect();
    spans.retain(|(_, span)| tells(span));
    spans.sort_by_key(|(_, span)| (span.severity, span.length()));
    let all = spans.len();
    let mut spans = spans.split_off(spans.len().saturating_sub(TABLE_ROWS));
    spans.sort_by_key(|(row, span)| (span.start, row.ids.first().copied()));
    out.raw(r#"<details class="as-table"><summary>As a table"#);
    if all > spans.len() {
        out.text(&format!(": the {} most important of {} events", spans.len(), grouped(all as u64)));
    }
    out.raw("</summary>");
    out.raw(r#"<div class="scroll" role="region" aria-label="Timeline as a table" tabindex="0"><table><thead><tr>"#);
    out.raw(r#"<th scope="col">Time (<span class="zone">UTC</span>)</th><th scope="col">Row</th><th scope="col">What</th>"#);
    out.raw(r#"<th scope="col" class="n">Lasted</th><th scope="col">Detail</th></tr></thead><tbody>"#);
    for (row, span) in spans {
        let at = timeline.start + TimeDelta::milliseconds(span.start);
        out.raw(r#"<tr class=""#).raw(severity_class(span.severity)).raw(r#""><td class="t">"#);
        clock.time(out, at);
        out.raw(r#"</td><td class="k">"#).clipped(&row.label, 120).raw(r#"</td><td class="w">"#);
        out.raw(noun(span.kind));
        if span.severity > Severity::Info {
            out.raw(r#", <span class="badge">"#).raw(span.severity.as_str()).raw("</span>");
        }
        out.raw(r#"</td><td class="n">"#);
        if span.length() > 0 {
            out.text(&duration(span.length()));
        }
        out.raw(r#"</td><td class="d">"#).clipped(span.label, 300).raw("</td></tr>");
    }
    out.raw("</tbody></table></div></details>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_label_is_kept() {
        assert_eq!(halves("agent:main:telegram:direct:…3f9c"), ("agent:main:telegram:direct", ":…3f9c"));
        assert_eq!(halves("agent:main:cron:5dd6c97c-7d95-47ad-b732-080840c144ca").1, "080840c144ca");
        assert_eq!(halves("main"), ("", "main"));
        assert_eq!(halves(""), ("", ""));
    }

    #[test]
    fn ticks_stay_few_and_round() {
        let steps =
            [1_000, 60_000, 600_000, 86_400_000, 30 * 86_400_000_i64, 3650 * 86_400_000].map(tick_step);
        assert_eq!(steps[..4], [1_000, 10_000, 120_000, 10_800_000]);
        for (length, step) in [(30 * 86_400_000_i64, steps[4]), (3650 * 86_400_000, steps[5])] {
            assert!(length / step <= TICKS_MAX && step % 86_400_000 == 0, "{length} {step}");
        }
    }
}
