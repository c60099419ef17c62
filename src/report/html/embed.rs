//! The timeline as data for the page's script: columns instead of objects, starts as differences, labels once.
//! A day of 100 000 spans is about 2 MB.

use std::collections::HashMap;

use serde::Serialize;

use super::markup::{clip, visible};
use super::model::{Group, Timeline};
use super::rows::{DrawnRow, Placed};
use super::strip;

/// A span's label is one line beside the pointer.
const LABEL_MAX: usize = 300;

#[derive(Debug, Serialize)]
pub(super) struct Data {
    /// Milliseconds since the epoch.
    start: i64,
    length: i64,
    shape: Shape,
    labels: Vec<String>,
    rows: Vec<Row>,
    marks: Vec<Mark>,
}

#[derive(Debug, Serialize)]
struct Shape {
    pad: u32,
    bar: u32,
    pitch: u32,
}

#[derive(Debug, Serialize)]
struct Row {
    label: String,
    group: Group,
    tracks: u8,
    /// The first is since the start of the timeline, each other since the one before.
    starts: Vec<i64>,
    lengths: Vec<u64>,
    /// One digit a span: the index in `SpanKind::ALL`, the severity, the track.
    kinds: String,
    severities: String,
    on: String,
    /// Indices in `labels`.
    labels: Vec<usize>,
}

#[derive(Debug, Serialize)]
struct Mark {
    at: i64,
    kind: usize,
    label: String,
}

pub(super) fn data(timeline: &Timeline, rows: &[DrawnRow], length: i64) -> Data {
    let mut labels = Labels::default();
    let rows = rows.iter().map(|drawn| row(drawn, &mut labels)).collect();
    let marks = timeline.marks.iter().filter(|mark| mark.row.is_none()).map(|mark| Mark {
        at: (mark.at - timeline.start).num_milliseconds(),
        kind: mark.kind.span_kind().index(),
        label: line(&mark.label),
    });
    Data {
        start: timeline.start.timestamp_millis(),
        length,
        shape: Shape { pad: strip::PAD, bar: strip::BAR, pitch: strip::PITCH },
        rows,
        marks: marks.collect(),
        labels: labels.all,
    }
}

fn row<'a>(drawn: &DrawnRow<'a>, labels: &mut Labels<'a>) -> Row {
    let digit = |number: usize| char::from(b'0' + number as u8);
    let mut before = 0;
    let starts = drawn.spans.iter().map(|span| span.start - std::mem::replace(&mut before, span.start));
    Row {
        label: line(&drawn.label),
        group: drawn.group,
        tracks: drawn.tracks,
        starts: starts.collect(),
        lengths: drawn.spans.iter().map(Placed::length).collect(),
        kinds: drawn.spans.iter().map(|span| digit(span.kind.index())).collect(),
        severities: drawn.spans.iter().map(|span| digit(span.severity as usize)).collect(),
        on: drawn.spans.iter().map(|span| digit(span.track.into())).collect(),
        labels: drawn.spans.iter().map(|span| labels.index(span.label)).collect(),
    }
}

fn line(text: &str) -> String {
    visible(&clip(text, LABEL_MAX)).into_owned()
}

#[derive(Debug, Default)]
struct Labels<'a> {
    all: Vec<String>,
    seen: HashMap<&'a str, usize>,
}

impl<'a> Labels<'a> {
    fn index(&mut self, label: &'a str) -> usize {
        *self.seen.entry(label).or_insert_with(|| {
            self.all.push(line(label));
            self.all.len() - 1
        })
    }
}
