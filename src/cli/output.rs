//! Where output goes: data to standard output, messages to standard error, colours only where they can be seen.

use std::io::{BufWriter, StderrLock, StdoutLock, Write};

use anstream::ColorChoice;
use serde::Serialize;

use super::{ColorWhen, Format};
use crate::door::{self, Door, Form};

/// Applies `--color`; `auto` leaves the decision to the stream (terminal, NO_COLOR, TERM).
pub fn set_color(when: ColorWhen) {
    match when {
        ColorWhen::Auto => {}
        ColorWhen::Always => ColorChoice::Always.write_global(),
        ColorWhen::Never => ColorChoice::Never.write_global(),
    }
}

/// Standard output, for people.
pub fn stdout() -> Door<StdoutLock<'static>> {
    door::stdout(Form::Text)
}

/// Standard output for `--format plain`, scripts and pages: tabs are ours, colours there are none.
pub fn columns() -> Door<StdoutLock<'static>> {
    door::stdout(Form::Columns)
}

/// Standard error.
pub fn stderr() -> Door<StderrLock<'static>> {
    door::stderr()
}

/// Writes `text` over what stands in this line of the terminal. Nothing depends on its being seen.
pub fn say_over(text: &str) {
    let mut err = door::stderr();
    let _ = err.control("\r\u{1b}[K").and_then(|()| write!(err, "{text}")).and_then(|()| err.flush());
}

/// The width for people: the terminal's, within reason; where there is none what COLUMNS says, else 120.
pub fn width() -> usize {
    let terminal = door::stdout_is_terminal().then(terminal_size::terminal_size).flatten();
    let terminal = terminal.map(|(width, _)| usize::from(width.0));
    let named = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(named).map_or(120, |width: usize| width.clamp(60, 200))
}

/// Buffered in front of the door: a document is written in a great many small pieces.
fn json() -> BufWriter<Door<StdoutLock<'static>>> {
    BufWriter::with_capacity(64 * 1024, door::stdout(Form::Json))
}

/// One JSON document, ended by a newline.
pub fn print_json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let mut out = json();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// One document, as the format wants it: on one line if lines are documents.
pub fn print_document<T: Serialize>(format: Format, value: &T) -> anyhow::Result<()> {
    match format {
        Format::Ndjson => print_ndjson([value]),
        Format::Table | Format::Plain | Format::Json => print_json(value),
    }
}

/// One JSON document a line.
pub fn print_ndjson<T: Serialize>(values: impl IntoIterator<Item = T>) -> anyhow::Result<()> {
    let mut out = json();
    for value in values {
        serde_json::to_writer(&mut out, &value)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
