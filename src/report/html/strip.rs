//! The timeline as still pictures: one small SVG a row. They are what print and a browser without JavaScript show;
//! the script draws the same shapes on its canvas. Kind is told by shape, severity by an overline and a colour.

use std::collections::BTreeMap;

use super::markup::Html;
use super::model::{Severity, SpanKind};
use super::rows::{DrawnRow, Placed};

/// The shapes' places within a row, in pixels; the script reads them from the page's data.
pub(super) const PAD: u32 = 6;
pub(super) const BAR: u32 = 9;
pub(super) const PITCH: u32 = 14;
pub(super) const FOOT: u32 = 4;
pub(super) const HOLD: u32 = 3;

/// The picture's width in its own units; what is nearer together than one is drawn as one.
const WIDTH: f64 = 1000.0;

/// The narrowest shape: about a pixel for what is ordinary, more for what must not be missed.
const NARROWEST: [f64; 3] = [1.5, 2.5, 3.5];

/// From the back to the front.
const DRAWN: [SpanKind; 6] = [
    SpanKind::Life,
    SpanKind::Run,
    SpanKind::ModelCall,
    SpanKind::Wait,
    SpanKind::EventLoopDelay,
    SpanKind::Hold,
];

/// Instants nearer together than this share one sign.
const SIGNS_APART: f64 = 5.0;

pub(super) fn height(row: &DrawnRow) -> u32 {
    PAD + u32::from(row.tracks) * PITCH + if row.has_holds { HOLD } else { 0 } + FOOT
}

/// The window of time that the pictures show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Milliseconds; never zero.
    pub length: i64,
}

impl Scale {
    pub(super) fn x(self, at: i64) -> f64 {
        (at as f64 / self.length as f64 * WIDTH).clamp(0.0, WIDTH)
    }

    fn shows(self, span: &Placed) -> bool {
        span.end >= 0 && span.start <= self.length
    }
}

/// What crosses all rows: the gateway's restarts, and the times at which its event loop stood still.
#[derive(Debug, Default)]
pub(super) struct Backdrop {
    pub restarts: Vec<i64>,
    pub stalls: Vec<(i64, i64)>,
}

pub(super) fn draw(out: &mut Html, row: &DrawnRow, backdrop: &Backdrop, scale: Scale) {
    let height = height(row);
    out.raw(r#"<svg class="strip" aria-hidden="true" height=""#).integer(height.into());
    out.raw(r#""><svg width="100%" height=""#).integer(height.into());
    out.raw(r#"" viewBox="0 0 1000 "#).integer(height.into()).raw(r#"" preserveAspectRatio="none">"#);
    stalls(out, backdrop, height, scale);
    for kind in DRAWN {
        for severity in Severity::ALL {
            let shapes = merged(row, kind, severity, scale);
            bars(out, &shapes, kind, severity, row);
            if kind != SpanKind::Hold {
                overlines(out, &shapes, severity);
            }
        }
    }
    let own = row.spans.iter().filter(|span| span.kind == SpanKind::Restart).map(|span| span.start);
    restarts(out, own.chain(backdrop.restarts.iter().copied()), height, scale);
    out.raw("</svg>");
    signs(out, row, height, scale);
    out.raw("</svg>");
}

/// A shape that stands for one span or for many that lie close together.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shape {
    track: u8,
    x: f64,
    end: f64,
}

fn merged(row: &DrawnRow, kind: SpanKind, severity: Severity, scale: Scale) -> Vec<Shape> {
    let mut open: BTreeMap<u8, Shape> = BTreeMap::new();
    let mut done = Vec::new();
    let wanted = |span: &&Placed| span.kind == kind && span.severity == severity && scale.shows(span);
    let narrowest = NARROWEST[severity as usize];
    for span in row.spans.iter().filter(wanted) {
        let x = scale.x(span.start).min(WIDTH - narrowest);
        let end = scale.x(span.end).max(x + narrowest);
        let shape = open.entry(span.track).or_insert(Shape { track: span.track, x, end });
        if x <= shape.end + 1.0 {
            shape.end = shape.end.max(end);
        } else {
            done.push(std::mem::replace(shape, Shape { track: span.track, x, end }));
        }
    }
    done.extend(open.into_values());
    done
}

fn bars(out: &mut Html, shapes: &[Shape], kind: SpanKind, severity: Severity, row: &DrawnRow) {
    if shapes.is_empty() {
        return;
    }
    out.raw(r#"<path class=""#).raw(kind_class(kind)).raw(" ").raw(severity_class(severity)).raw(r#"" d=""#);
    for shape in shapes {
        let top = PAD + u32::from(shape.track) * PITCH;
        let (y, thickness) = match kind {
            SpanKind::ModelCall => (top + 3, 3),
            SpanKind::Wait => (top + 4, 2),
            SpanKind::Hold => (PAD + u32::from(row.tracks) * PITCH - 1, 2),
            // A dashed stroke makes a comb that stays one when the picture is stretched.
            SpanKind::EventLoopDelay => {
                out.raw("M").coordinate(shape.x).raw(" ").coordinate(f64::from(top) + f64::from(BAR) / 2.0);
                out.raw("h").coordinate(shape.end - shape.x);
                continue;
            }
            _ => (top, BAR),
        };
        let width = shape.end - shape.x;
        out.raw("M").coordinate(shape.x).raw(" ").integer(y.into()).raw("h").coordinate(width);
        out.raw("v").integer(thickness.into()).raw("h").coordinate(-width).raw("z");
    }
    out.raw(r#""/>"#);
}

fn overlines(out: &mut Html, shapes: &[Shape], severity: Severity) {
    if severity == Severity::Info || shapes.is_empty() {
        return;
    }
    out.raw(r#"<path class="over "#).raw(severity_class(severity)).raw(r#"" d=""#);
    for shape in shapes {
        let y = PAD + u32::from(shape.track) * PITCH - 2;
        out.raw("M").coordinate(shape.x).raw(" ").integer(y.into());
        out.raw("h").coordinate(shape.end - shape.x);
    }
    out.raw(r#""/>"#);
}

fn stalls(out: &mut Html, backdrop: &Backdrop, height: u32, scale: Scale) {
    if backdrop.stalls.is_empty() {
        return;
    }
    out.raw(r#"<path class="stall" d=""#);
    let mut drawn_to = f64::NEG_INFINITY;
    for (start, end) in &backdrop.stalls {
        let x = scale.x(*start).max(drawn_to);
        let end = scale.x(*end).max(scale.x(*start) + NARROWEST[0]);
        if end > x {
            out.raw("M").coordinate(x).raw(" 0h").coordinate(end - x);
            out.raw("v").integer(height.into()).raw("h").coordinate(x - end).raw("z");
            drawn_to = end;
        }
    }
    out.raw(r#""/>"#);
}

fn restarts(out: &mut Html, at: impl Iterator<Item = i64>, height: u32, scale: Scale) {
    let mut places: Vec<f64> =
        at.filter(|at| (0..=scale.length).contains(at)).map(|at| scale.x(at)).collect();
    places.sort_by(f64::total_cmp);
    places.dedup_by(|next, kept| *next - *kept < 1.0);
    if places.is_empty() {
        return;
    }
    out.raw(r#"<path class="restart" d=""#);
    for x in places {
        out.raw("M").coordinate(x).raw(" 0v").integer(height.into());
    }
    out.raw(r#""/>"#);
}

/// Text, because a cross or a dot within the stretched picture would be stretched too.
fn signs(out: &mut Html, row: &DrawnRow, height: u32, scale: Scale) {
    for (kind, sign) in [(SpanKind::Notice, "•</text>"), (SpanKind::Timeout, "×</text>")] {
        let mut last = f64::NEG_INFINITY;
        for span in row.spans.iter().filter(|span| span.kind == kind && scale.shows(span)) {
            let x = scale.x(span.start);
            if x - last < SIGNS_APART {
                continue;
            }
            last = x;
            out.raw(r#"<text class=""#).raw(kind_class(kind)).raw(" ").raw(severity_class(span.severity));
            out.raw(r#"" x=""#).coordinate(x / 10.0).raw(r#"%" y=""#);
            out.integer((height / 2 + 5).into()).raw(r#"">"#).raw(sign);
        }
    }
}

pub(super) fn kind_class(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Run => "run",
        SpanKind::Wait => "wait",
        SpanKind::Hold => "hold",
        SpanKind::ModelCall => "model",
        SpanKind::EventLoopDelay => "delay",
        SpanKind::Timeout => "timeout",
        SpanKind::Restart => "restart",
        SpanKind::Life => "life",
        SpanKind::Notice => "notice",
    }
}

pub(super) fn severity_class(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "s0",
        Severity::Warning => "s1",
        Severity::Critical => "s2",
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Group;
    use super::*;

    fn row(spans: Vec<Placed<'static>>) -> DrawnRow<'static> {
        DrawnRow {
            ids: vec!["r"],
            label: "r".to_owned(),
            group: Group::Lane,
            tracks: 1,
            has_holds: false,
            at_first: true,
            spans,
        }
    }

    fn span(kind: SpanKind, start: i64, end: i64) -> Placed<'static> {
        Placed { start, end, kind, severity: Severity::Info, track: 0, label: "" }
    }

    #[test]
    fn a_picture_does_not_grow_with_the_number_of_spans() {
        let spans = (0..100_000).map(|at| span(SpanKind::Run, at * 10, at * 10 + 4)).collect();
        let shapes = merged(&row(spans), SpanKind::Run, Severity::Info, Scale { length: 1_000_000 });
        assert_eq!(shapes, [Shape { track: 0, x: 0.0, end: 1000.0 }]);
        let sparse = (0..100_000).map(|at| span(SpanKind::Run, at * 1000, at * 1000)).collect();
        let shapes = merged(&row(sparse), SpanKind::Run, Severity::Info, Scale { length: 100_000_000 });
        assert!(shapes.len() <= 1000, "{}", shapes.len());
    }

    #[test]
    fn spans_outside_the_window_are_cut_or_left_out() {
        let spans = vec![
            span(SpanKind::Run, -500, -1),
            span(SpanKind::Run, -500, 100),
            span(SpanKind::Run, 900, 5000),
            span(SpanKind::Run, 1001, 5000),
        ];
        let shapes = merged(&row(spans), SpanKind::Run, Severity::Info, Scale { length: 1000 });
        assert_eq!(
            shapes,
            [Shape { track: 0, x: 0.0, end: 100.0 }, Shape { track: 0, x: 900.0, end: 1000.0 }]
        );
    }

    #[test]
    fn what_is_short_and_serious_stays_visible() {
        let mut short = span(SpanKind::Run, 500_000, 500_001);
        short.severity = Severity::Critical;
        let shapes =
            merged(&row(vec![short]), SpanKind::Run, Severity::Critical, Scale { length: 86_400_000 });
        assert!(shapes[0].end - shapes[0].x >= 3.5);
    }
}
