//! `lockdoctor diagnose`: what holds sessions up, from locks, logs and session stores.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use super::{Common, Format, output, scan};
use crate::diagnosis::input::Facts;
use crate::doctor::cron::deleters;
use crate::evidence::view::SystemView;
use crate::examination::{Examination, LogModel, consult, examine, logs, read_logs, reading};
use crate::exit::Exit;
use crate::gatewaylog::{Journal, Reading, Source};
use crate::redact::Redactor;
use crate::report::diagnosed;
use crate::survey::{Scope, Survey, survey};
use crate::words::shell_word;

/// Names what holds sessions up: stuck runs, leaked locks, lane waits, slow models, a blocked event loop. Each
/// finding says whether removing a lock would help, and what will. Read-only.
///
/// With --log or --journal and no PATH or --state-dir, only those logs are read; no install is needed.
#[derive(Debug, Clone, Args)]
pub struct DiagnoseArgs {
    /// State directories, agent or sessions directories, or single locks. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub logs: LogArgs,
}

/// Of the logs that nobody has named.
const USUALLY_READ: TimeDelta = TimeDelta::hours(24);

/// Which logs, and from when on.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Read the logs of this much time, or since an instant: 2h, 3days, 2026-11-22T14:00:00Z [default: 24h; a
    /// --log as a whole].
    #[arg(long, value_name = "WHEN", env = "LOCKDOCTOR_SINCE")]
    pub since: Option<String>,
    /// A log file, also gzip; - is standard input (repeatable). Default: every log of the installs.
    #[arg(long, value_name = "FILE", env = "LOCKDOCTOR_LOG", value_delimiter = ':')]
    pub log: Vec<PathBuf>,
    /// A systemd unit whose journal to read: NAME, user:NAME or system:NAME (repeatable).
    #[arg(long, value_name = "UNIT", env = "LOCKDOCTOR_JOURNAL", value_delimiter = ',')]
    pub journal: Vec<String>,
}

impl LogArgs {
    /// The sources that were named.
    fn named(&self) -> Vec<Source> {
        let files = self.log.iter().map(|path| Source::named(path));
        let units = self.journal.iter().map(|unit| Source::Journal(Journal::named(unit)));
        files.chain(units).collect()
    }

    /// `--since` as an instant. A log that was named is read whole unless --since says otherwise.
    fn since(&self, now: DateTime<Utc>) -> anyhow::Result<Option<DateTime<Utc>>> {
        let Some(since) = &self.since else {
            return Ok(self.log.is_empty().then(|| now - USUALLY_READ));
        };
        if let Ok(at) = DateTime::parse_from_rfc3339(since) {
            return Ok(Some(at.with_timezone(&Utc)));
        }
        let ago: Duration = humantime::parse_duration(since).map_err(|error| {
            anyhow::anyhow!(
                "--since {since}: {error}; give a duration such as 2h or an instant such as 2026-11-22T14:00:00Z"
            )
        })?;
        let at = TimeDelta::from_std(ago).ok().and_then(|ago| now.checked_sub_signed(ago));
        Ok(Some(at.with_context(|| format!("--since {since}: before the beginning of time"))?))
    }

    /// These options again, ready to stand behind another command.
    fn as_typed(&self) -> String {
        let files = self.log.iter().map(|path| ("log", path.to_string_lossy()));
        let units = self.journal.iter().map(|unit| ("journal", unit.into()));
        let since = self.since.iter().map(|since| ("since", since.into()));
        let options = files.chain(units).chain(since);
        options.map(|(name, value)| format!(" --{name} {}", shell_word(&value))).collect()
    }
}

pub fn run(common: &Common, args: &DiagnoseArgs) -> anyhow::Result<Exit> {
    let (_, examination) = examination(common, &args.paths, &args.logs, common.redaction())?;
    match common.format() {
        format @ (Format::Json | Format::Ndjson) => {
            output::print_document(
                format,
                &diagnosed::document(&examination, Utc::now(), common.redaction()),
            )?;
        }
        Format::Plain => write!(output::columns(), "{}", diagnosed::plain(&examination))?,
        Format::Table => {
            let (scope, logs) = (common.scope_as_typed(&args.paths), args.logs.as_typed());
            let text = diagnosed::for_people(&examination, &scope, &logs, output::width());
            write!(output::stdout(), "{text}")?;
        }
    }
    // A log that was asked for and cannot be read is an error; one that was merely looked for is not.
    let unread =
        !args.logs.named().is_empty() && examination.sources.iter().any(|source| source.error.is_some());
    for source in examination.sources.iter().filter(|_| unread) {
        if let Some(error) = &source.error {
            writeln!(output::stderr(), "lockdoctor: {}: {error}", source.label)?;
        }
    }
    if unread { Ok(Exit::Trouble) } else { Ok(scan::exit(&examination, common.redaction())) }
}

/// Looks at the locks (unless only logs were named), reads the logs, and puts both together.
pub fn examination(
    common: &Common,
    paths: &[PathBuf],
    args: &LogArgs,
    redactor: Redactor,
) -> anyhow::Result<(Option<Survey>, Examination)> {
    let now = Utc::now();
    let reading = reading(args.since(now)?);
    let named = args.named();
    let logs_alone = !named.is_empty() && paths.is_empty() && common.state_dir.is_empty();
    if logs_alone {
        let log = with_progress(&named, &Facts::default(), &reading);
        let end = log_end(&log).unwrap_or(now);
        return Ok((None, examine(log, Facts::default(), end, redactor)));
    }
    let mut view = SystemView::open();
    let scope = Scope::resolve(paths, &common.state_dir, &view)?;
    let mut survey = survey(&scope, &mut view);
    scan::print_problems(&survey)?;
    let sources = if named.is_empty() { logs::discovered(&survey) } else { named };
    let examination = consult::everything(&mut survey, &sources, &reading, redactor, with_progress, deleters);
    Ok((Some(survey), examination))
}

/// A log that is read for itself is judged as of its end, whenever that was.
fn log_end(log: &LogModel) -> Option<DateTime<Utc>> {
    log.sources.iter().filter_map(|source| source.counters.last).max()
}

/// Shows progress on a terminal while more than a moment's worth of files is read.
fn with_progress(sources: &[Source], facts: &Facts, reading: &Reading) -> LogModel {
    let total: u64 = sources.iter().filter_map(size_of).sum();
    if total < 64 * 1024 * 1024 || !std::io::stderr().is_terminal() {
        return read_logs(sources, facts, reading);
    }
    let bar = indicatif::ProgressBar::new(total);
    if let Ok(style) =
        indicatif::ProgressStyle::with_template("reading logs {bar:30} {bytes}/{total_bytes} {eta}")
    {
        bar.set_style(style);
    }
    let progress = std::sync::Arc::clone(&reading.progress);
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let shown = bar.clone();
        scope.spawn(move || {
            use std::sync::mpsc::RecvTimeoutError::Timeout;
            while waiting.recv_timeout(Duration::from_millis(100)) == Err(Timeout) {
                shown.set_position(progress.load(Ordering::Relaxed));
            }
        });
        let log = read_logs(sources, facts, reading);
        drop(done);
        bar.finish_and_clear();
        log
    })
}

fn size_of(source: &Source) -> Option<u64> {
    match source {
        Source::File(path) | Source::Found(path) => std::fs::metadata(path).ok().map(|meta| meta.len()),
        Source::Stdin | Source::Journal(_) => None,
    }
}
