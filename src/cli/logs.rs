//! Which logs a command reads, and the whole look at installs and logs that `status`, `diagnose` and `report` share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use super::{Common, output};
use crate::diagnosis::input::Facts;
use crate::doctor::cron::deleters;
use crate::door;
use crate::evidence::view::SystemView;
use crate::examination::consult::{self, Request};
use crate::examination::{Asked, Examination, LogModel, logs, read_logs, reading};
use crate::gatewaylog::{Journal, Reading, Source};
use crate::redact::Redactor;
use crate::survey::{Scope, Survey, survey};
use crate::words::shell_word;

/// Of the logs that nobody has named.
const USUALLY_READ: TimeDelta = TimeDelta::hours(24);
/// What is read without a sign of it.
const A_MOMENTS_WORTH: u64 = 64 * 1024 * 1024;

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
    pub fn as_typed(&self) -> String {
        let files = self.log.iter().map(|path| ("log", path.to_string_lossy()));
        let units = self.journal.iter().map(|unit| ("journal", unit.into()));
        let since = self.since.iter().map(|since| ("since", since.into()));
        let options = files.chain(units).chain(since);
        options.map(|(name, value)| format!(" --{name} {}", shell_word(&value))).collect()
    }
}

/// Looks at the locks (unless only logs were named), reads the logs, and puts both together.
pub fn look(
    common: &Common,
    paths: &[PathBuf],
    args: &LogArgs,
    redactor: Redactor,
) -> anyhow::Result<(Option<Survey>, Examination)> {
    let reading = reading(args.since(Utc::now())?);
    let named = args.named();
    let scope = common.scope_as_shown(paths, redactor);
    if !named.is_empty() && paths.is_empty() && common.state_dir.is_empty() {
        let log = with_progress(&named, &Facts::default(), &reading);
        return Ok((None, consult::logs_alone(log, redactor, &scope)));
    }
    let mut view = SystemView::open();
    let targets = Scope::resolve(paths, &common.state_dir, &view)?;
    let mut survey = survey(&targets, &mut view);
    let asked = if named.is_empty() { Asked::Searched } else { Asked::Named };
    let sources = if named.is_empty() { logs::discovered(&survey) } else { named };
    let request = Request {
        sources: &sources,
        asked,
        reading: &reading,
        redactor,
        scope: &scope,
        read: with_progress,
        deleters: |state_dirs| deleters(state_dirs, redactor),
    };
    let examination = consult::everything(&mut survey, request);
    Ok((Some(survey), examination))
}

/// Shows progress on a terminal while more than a moment's worth of files is read.
fn with_progress(sources: &[Source], facts: &Facts, reading: &Reading) -> LogModel {
    let total: u64 = sources.iter().filter_map(size_of).sum();
    if total < A_MOMENTS_WORTH || !door::stderr_is_terminal() {
        return read_logs(sources, facts, reading);
    }
    let progress = Arc::clone(&reading.progress);
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            use std::sync::mpsc::RecvTimeoutError::Timeout;
            while waiting.recv_timeout(Duration::from_millis(100)) == Err(Timeout) {
                let percent = progress.load(Ordering::Relaxed).saturating_mul(100) / total;
                output::say_over(&format!("reading logs: {percent} %"));
            }
            output::say_over("");
        });
        let log = read_logs(sources, facts, reading);
        drop(done);
        log
    })
}

fn size_of(source: &Source) -> Option<u64> {
    match source {
        Source::File(path) | Source::Found(path) => std::fs::metadata(path).ok().map(|meta| meta.len()),
        Source::Stdin | Source::Journal(_) => None,
    }
}
