//! Where output goes: data to standard output, messages to standard error, colours only where they can be seen.

use std::io::{IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use super::{ColorWhen, Format};

/// Applies `--color`; `auto` leaves the decision to the stream (terminal, NO_COLOR, TERM).
pub fn set_color(when: ColorWhen) {
    match when {
        ColorWhen::Auto => {}
        ColorWhen::Always => ColorChoice::Always.write_global(),
        ColorWhen::Never => ColorChoice::Never.write_global(),
    }
}

/// Standard output, with colours removed where they do not belong.
pub fn stdout() -> AutoStream<std::io::StdoutLock<'static>> {
    AutoStream::auto(std::io::stdout().lock())
}

/// The width for people: the terminal's, within reason; 120 when there is none.
pub fn width() -> usize {
    let terminal = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    terminal.map_or(120, |(width, _)| usize::from(width.0).clamp(60, 200))
}

/// Thousands of locks make megabytes of JSON.
const BUFFER: usize = 256 * 1024;

/// One JSON document, ended by a newline.
pub fn print_json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::with_capacity(BUFFER, std::io::stdout().lock());
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
    let mut out = std::io::BufWriter::with_capacity(BUFFER, std::io::stdout().lock());
    for value in values {
        serde_json::to_writer(&mut out, &value)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
