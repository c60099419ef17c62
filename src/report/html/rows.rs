//! From a timeline to rows that can be drawn: in which order, which are shown at first, and on which track of its
//! row each span goes. Pure geometry in time; pixels are the business of `strip.rs` and `picture.js`.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::model::{Group, Mark, Row, Severity, Span, SpanKind, Timeline};

/// Lane `main` runs four tasks at a time by default; what does not fit is drawn over the last track.
pub(super) const TRACKS_MAX: u8 = 4;

/// Beyond this many rows of one group, the quietest are drawn as one. Nobody reads 10 000 rows, but every span
/// stays visible.
const ROWS_MAX: usize = 300;

/// A wait and the run it waited for are logged by different lines; so far apart they still are neighbours.
const SAME_MOMENT_MS: i64 = 50;

/// Milliseconds since the start of the timeline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'a> {
    pub start: i64,
    pub end: i64,
    pub kind: SpanKind,
    pub severity: Severity,
    pub track: u8,
    pub label: &'a str,
}

impl Placed<'_> {
    pub(super) fn length(&self) -> u64 {
        u64::try_from(self.end - self.start).unwrap_or(0)
    }
}

#[derive(Debug)]
pub(super) struct DrawnRow<'a> {
    /// The ids of the model's rows that it shows; more than one where quiet rows were drawn as one.
    pub ids: Vec<&'a str>,
    pub label: String,
    pub group: Group,
    pub tracks: u8,
    pub has_holds: bool,
    /// Shown at once; the others on demand.
    pub at_first: bool,
    /// Sorted by start.
    pub spans: Vec<Placed<'a>>,
}

/// Gateway, lanes, sessions; in each group the most serious first, then the busiest.
pub(super) fn arrange(timeline: &Timeline) -> Vec<DrawnRow<'_>> {
    let mut marks = MarksOf::new();
    for mark in &timeline.marks {
        if let Some(row) = &mark.row {
            marks.entry(row).or_default().push(mark);
        }
    }
    let mut out = Vec::new();
    for group in [Group::Gateway, Group::Lane, Group::Session] {
        let mut rows: Vec<&Row> = timeline.rows.iter().filter(|row| row.group == group).collect();
        rows.sort_by_cached_key(|row| (Reverse(weight(row, &marks)), &row.label, &row.id));
        let (own, folded) = rows.split_at(rows.len().min(ROWS_MAX));
        let at_first = at_first(group);
        out.extend(own.iter().enumerate().map(|(index, row)| {
            let row = std::slice::from_ref(row);
            drawn(row, row[0].label.clone(), index < at_first, &marks, timeline.start)
        }));
        if !folded.is_empty() {
            let label = format!("{} quieter {}", folded.len(), plural(group));
            out.push(drawn(folded, label, false, &marks, timeline.start));
        }
    }
    out
}

fn at_first(group: Group) -> usize {
    match group {
        Group::Gateway => 4,
        Group::Lane => 8,
        Group::Session => 12,
    }
}

fn plural(group: Group) -> &'static str {
    match group {
        Group::Gateway => "gateways",
        Group::Lane => "lanes",
        Group::Session => "sessions",
    }
}

type MarksOf<'a> = HashMap<&'a str, Vec<&'a Mark>>;

fn weight(row: &Row, marks: &MarksOf) -> (Option<Severity>, i64) {
    let marks = marks.get(row.id.as_str()).into_iter().flatten().map(|mark| mark.severity);
    let busy = row.spans.iter().map(|span| (span.end - span.start).num_milliseconds().max(0)).sum();
    (row.spans.iter().map(|span| span.severity).chain(marks).max(), busy)
}

fn drawn<'a>(
    rows: &[&'a Row],
    label: String,
    at_first: bool,
    marks: &MarksOf<'a>,
    origin: DateTime<Utc>,
) -> DrawnRow<'a> {
    let marks = rows.iter().filter_map(|row| marks.get(row.id.as_str())).flatten();
    let spans = rows.iter().flat_map(|row| &row.spans).map(|span| placed(span, origin));
    let mut spans: Vec<Placed> = spans.chain(marks.map(|mark| instant(mark, origin))).collect();
    spans.sort_by_key(|span| (span.start, Reverse(span.end), span.kind));
    let tracks = assign_tracks(&mut spans);
    DrawnRow {
        ids: rows.iter().map(|row| row.id.as_str()).collect(),
        label,
        group: rows.first().map_or(Group::Session, |row| row.group),
        tracks,
        has_holds: spans.iter().any(|span| span.kind == SpanKind::Hold),
        at_first,
        spans,
    }
}

fn placed(span: &Span, origin: DateTime<Utc>) -> Placed<'_> {
    let start = (span.start - origin).num_milliseconds();
    let end = if span.kind.is_instant() { start } else { (span.end - origin).num_milliseconds().max(start) };
    Placed { start, end, kind: span.kind, severity: span.severity, track: 0, label: &span.label }
}

fn instant(mark: &Mark, origin: DateTime<Utc>) -> Placed<'_> {
    let at = (mark.at - origin).num_milliseconds();
    let kind = mark.kind.span_kind();
    Placed { start: at, end: at, kind, severity: mark.severity, track: 0, label: &mark.label }
}

/// Tasks that overlap go side by side. A run goes where its wait was, a model call where its run is.
fn assign_tracks(spans: &mut [Placed]) -> u8 {
    let mut ends: Vec<i64> = Vec::with_capacity(TRACKS_MAX.into());
    for span in spans.iter_mut() {
        let free = |end: &i64| *end <= span.start + SAME_MOMENT_MS;
        let track = match span.kind {
            SpanKind::Hold | SpanKind::Life => continue,
            instant if instant.is_instant() => continue,
            SpanKind::ModelCall => ends.iter().position(|end| *end > span.start).unwrap_or(0),
            _ => {
                let continued = ends.iter().position(|end| end.abs_diff(span.start) <= SAME_MOMENT_MS as u64);
                continued.or_else(|| ends.iter().position(free)).unwrap_or(ends.len())
            }
        };
        let track = track.min(usize::from(TRACKS_MAX) - 1);
        if track == ends.len() {
            ends.push(span.end);
        } else if span.kind != SpanKind::ModelCall {
            ends[track] = ends[track].max(span.end);
        }
        span.track = track as u8;
    }
    (ends.len() as u8).max(1)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn origin() -> DateTime<Utc> {
        "2026-11-22T00:00:00Z".parse().unwrap()
    }

    fn span(kind: SpanKind, start: i64, end: i64) -> Span {
        let at = |ms| origin() + TimeDelta::milliseconds(ms);
        Span { kind, start: at(start), end: at(end), label: String::new(), severity: Severity::Info }
    }

    fn row(id: &str, group: Group, spans: Vec<Span>) -> Row {
        Row { id: id.to_owned(), label: id.to_owned(), group, spans }
    }

    fn timeline(rows: Vec<Row>) -> Timeline {
        Timeline { start: origin(), end: origin() + TimeDelta::hours(1), rows, marks: Vec::new() }
    }

    fn tracks(spans: Vec<Span>) -> (u8, Vec<u8>) {
        let timeline = timeline(vec![row("r", Group::Lane, spans)]);
        let rows = arrange(&timeline);
        (rows[0].tracks, rows[0].spans.iter().map(|span| span.track).collect())
    }

    #[test]
    fn overlapping_tasks_lie_side_by_side_and_a_run_follows_its_wait() {
        use SpanKind::{ModelCall, Run, Wait};
        let spans = vec![
            span(Run, 0, 1000),
            span(Wait, 100, 1000),
            span(Wait, 200, 1400),
            span(Run, 1005, 1400),
            span(Run, 1410, 2000),
            span(ModelCall, 1450, 1900),
        ];
        let (count, tracks) = tracks(spans);
        assert_eq!(count, 3);
        assert_eq!(tracks, [0, 1, 2, 0, 0, 0]);
    }

    #[test]
    fn a_crowd_shares_the_last_track() {
        let (count, tracks) = tracks((0..9).map(|at| span(SpanKind::Run, at, 9000)).collect());
        assert_eq!(count, TRACKS_MAX);
        assert_eq!(tracks, [0, 1, 2, 3, 3, 3, 3, 3, 3]);
    }

    #[test]
    fn serious_rows_come_first_in_their_group() {
        let mut bad = span(SpanKind::Run, 0, 10);
        bad.severity = Severity::Critical;
        let timeline = timeline(vec![
            row("short", Group::Session, vec![span(SpanKind::Run, 0, 10)]),
            row("long", Group::Session, vec![span(SpanKind::Run, 0, 1000)]),
            row("bad", Group::Session, vec![bad]),
            row("gateway", Group::Gateway, Vec::new()),
        ]);
        let labels: Vec<String> = arrange(&timeline).into_iter().map(|row| row.label).collect();
        assert_eq!(labels, ["gateway", "bad", "long", "short"]);
    }

    #[test]
    fn too_many_rows_are_drawn_as_one_and_no_span_is_lost() {
        let rows = (0..ROWS_MAX + 5)
            .map(|n| row(&format!("s{n}"), Group::Session, vec![span(SpanKind::Run, 0, 10)]))
            .collect();
        let timeline = timeline(rows);
        let rows = arrange(&timeline);
        assert_eq!(rows.len(), ROWS_MAX + 1);
        assert_eq!(rows.last().unwrap().label, "5 quieter sessions");
        assert_eq!(rows.iter().map(|row| row.spans.len()).sum::<usize>(), ROWS_MAX + 5);
        assert_eq!(rows.iter().filter(|row| row.at_first).count(), 12);
    }

    #[test]
    fn a_span_that_ends_before_it_begins_has_no_length() {
        let timeline = timeline(vec![row("r", Group::Lane, vec![span(SpanKind::Run, 50, 10)])]);
        assert_eq!(arrange(&timeline)[0].spans[0].length(), 0);
    }
}
