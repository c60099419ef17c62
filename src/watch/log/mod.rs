//! Where the log goes and how: text for a terminal, JSON on request, the journal's priority prefixes under
//! systemd. One line for each change of state, never one for each look.

mod recent;
mod writer;

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anstyle::Style;
use clap::ValueEnum;
use tracing::field::Field;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{self, Format, FormatEvent, FormatFields, Full};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::registry::LookupSpan;

pub use recent::Recent;
use writer::Lines;
pub use writer::Logging;
pub(crate) use writer::dropped;

use crate::door::{self, Form};
use crate::words::printable;

const DIM: Style = Style::new().dimmed();

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// The journal's form under systemd, text elsewhere.
    Auto,
    Text,
    /// One JSON object a line.
    Json,
    /// A priority in front of each line (sd-daemon(3)), and no time: the journal has its own.
    Journal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// Starts logging to standard error; `kept`: into memory instead, where a screen is drawn on the same terminal.
pub fn start(format: LogFormat, level: LogLevel, kept: Option<Recent>) -> io::Result<Logging> {
    let form = if format == LogFormat::Json { Form::Json } else { Form::Text };
    let styled = colours() && kept.is_none();
    let (lines, logging) = match kept {
        Some(recent) => writer::start(recent)?,
        None => writer::start(io::stderr())?,
    };
    let base = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from(level))
        .with_writer(move || Entries { lines: lines.clone(), form, styled })
        .with_target(false)
        .log_internal_errors(false);
    let format = match format {
        LogFormat::Auto if to_journal() => LogFormat::Journal,
        LogFormat::Auto => LogFormat::Text,
        chosen => chosen,
    };
    // A second start, which only tests can cause, keeps the first.
    let _ = match format {
        LogFormat::Json => {
            base.json().flatten_event(true).with_timer(Utc).with_current_span(false).try_init()
        }
        LogFormat::Journal => {
            base.with_ansi(false).fmt_fields(fields()).event_format(Journal::new()).try_init()
        }
        LogFormat::Text | LogFormat::Auto => {
            base.with_ansi(styled).fmt_fields(fields()).with_timer(Utc).try_init()
        }
    };
    Ok(logging)
}

/// Standard error, an entry at a time: whatever its fields hold, it stays one line.
struct Entries {
    lines: Lines,
    form: Form,
    styled: bool,
}

impl Write for Entries {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        self.lines.queue(door::line(entry, self.form, self.styled));
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether standard error is the journal's stream (systemd.exec(5), `JOURNAL_STREAM` = device:inode).
fn to_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = rustix::fs::fstat(io::stderr());
    stderr.is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

fn colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !plain
}

/// The message, then `name=value`; what stands in a name or a path is printable before any styling is added.
fn fields() -> impl for<'a> FormatFields<'a> {
    let each = |out: &mut format::Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let value = format!("{value:?}");
        let (value, name) = (printable(&value), field.name());
        match name {
            "message" => write!(out, "{value}"),
            _ if out.has_ansi_escapes() => write!(out, "{DIM}{name}={DIM:#}{value}"),
            _ => write!(out, "{name}={value}"),
        }
    };
    format::debug_fn(each).delimited(" ")
}

/// RFC 3339, UTC, milliseconds, as everywhere.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, out: &mut format::Writer<'_>) -> fmt::Result {
        out.write_str(&crate::words::rfc3339(chrono::Utc::now()))
    }
}

/// `<4>message fields`: the journal reads the priority off the front.
struct Journal {
    line: Format<Full, ()>,
}

impl Journal {
    fn new() -> Self {
        Self { line: Format::default().without_time().with_level(false).with_target(false) }
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: format::Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(out, "<{priority}>")?;
        self.line.format_event(context, out, event)
    }
}
