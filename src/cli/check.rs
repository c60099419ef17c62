//! `lockdoctor check`: one line for monitoring, after the convention of the monitoring plugins
//! (monitoring-plugins.org, "Development Guidelines"): 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

pub(super) mod assess;
mod range;

use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;

use super::{Common, Format, output};
use crate::evidence::view::SystemView;
use crate::examination::consult::{self, Logs};
use crate::exit::Exit;
use crate::settings::bounds::duration;
use crate::survey::{Scope, survey};

use assess::{Report, Status};
use range::Threshold;

const METRICS: &str = "\
Examples:
  lockdoctor check                           OK, WARNING, CRITICAL or UNKNOWN, in one line
  lockdoctor check --warning stale=0         any lock without an owner is a WARNING
  lockdoctor check --critical overtime=1800  half an hour past its limit is CRITICAL

Metrics, with the ranges that they have by default:
  critical      messages fail or are lost now, or nothing can answer        critical 0
  warning       the next message will fail, or somebody waits past a limit  warning 0
  blocked       chats whose messages fail until a lock is freed
  stuck_guards  left-over guard files that block everybody
  stale         locks without an owner
  leaked        locks that a running gateway has forgotten
  overdue       held past their limit
  overtime      seconds by which the worst of them is past its limit
  other         locks that lockdoctor only reports, and that need attention
  held          locks held in good order
  oldest        age in seconds of the oldest held lock
  unjudged      locks that cannot be judged from here (see `lockdoctor doctor`)
A directory that OpenClaw has not used yet (empty, or only a workspace/ or logs/ made
beforehand) is OK, and the line says so. UNKNOWN means that no install was found, that what was
named is missing or does not look like an OpenClaw directory, or that a part of it could not be
looked at or judged. What was seen to be CRITICAL or WARNING goes before UNKNOWN, and the line
says what is missing.";

/// Print one line for monitoring, with performance data.
///
/// For Nagios, Icinga and the like, and as the health check of a container. Ranges follow that convention: 5 alerts
/// outside 0 to 5, 5: below 5, ~:5 above 5, 5:10 outside, @5:10 inside.
#[derive(Debug, Clone, Args)]
#[command(after_help = METRICS)]
pub struct CheckArgs {
    /// State directories, agent or sessions directories, or single locks. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// WARNING if METRIC is outside RANGE (repeatable); `~:` disables a default threshold.
    #[arg(long, short, value_name = "METRIC=RANGE")]
    pub warning: Vec<Threshold>,
    /// CRITICAL if METRIC is outside RANGE (repeatable).
    #[arg(long, short, value_name = "METRIC=RANGE")]
    pub critical: Vec<Threshold>,
    /// UNKNOWN if the answer takes longer than this (a network file system that hangs).
    #[arg(long, short, value_name = "DUR", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// A line for each lock that needs attention, below the first.
    #[arg(long, short)]
    pub verbose: bool,
}

pub fn run(common: &Common, args: &CheckArgs) -> anyhow::Result<Exit> {
    let report = look(common, args).unwrap_or_else(|why| Report::unknown(&why));
    match common.format() {
        format @ (Format::Json | Format::Ndjson) => output::print_document(format, &report.document())?,
        Format::Table | Format::Plain => {
            let mut out = output::stdout();
            writeln!(out, "{}", report.line())?;
            if args.verbose {
                report.details.iter().try_for_each(|detail| writeln!(out, "{detail}"))?;
            }
        }
    }
    Ok(match report.status {
        Status::Ok => Exit::Clean,
        Status::Warning => Exit::Findings,
        Status::Critical => Exit::Trouble,
        Status::Unknown => Exit::Unknown,
    })
}

/// The end of a check that could not look. A monitoring system shows standard output only.
pub fn unknown(why: &str) -> Exit {
    let _ = writeln!(output::stdout(), "{}", Report::unknown(why).line());
    Exit::Unknown
}

/// Looks on a thread of its own: a read that hangs in the kernel must not take the answer with it.
fn look(common: &Common, args: &CheckArgs) -> Result<Report, String> {
    let (tell, told) = mpsc::channel();
    let (common, args_there) = (common.clone(), args.clone());
    let scope_as_typed = common.scope_as_typed(&args.paths);
    let spawned = std::thread::Builder::new().spawn(move || {
        let mut view = SystemView::open();
        let report = match Scope::resolve(&args_there.paths, &common.state_dir, &view) {
            Ok(scope) => {
                let mut survey = survey(&scope, &mut view);
                let examination =
                    consult::locks(&mut survey, Logs::OfDatabases, common.redaction(), &scope_as_typed);
                let (warning, critical) = (&args_there.warning, &args_there.critical);
                let report = Report::of(&survey, &examination, warning, critical, common.redaction());
                // A sidecar that starts before its gateway's first start is well.
                if scope.is_empty() { report.of_nothing_yet() } else { report }
            }
            Err(error) => Report::unknown(&error.to_string()),
        };
        // The other end is gone only after a timeout, when nobody wants the report any more.
        let _ = tell.send(report);
    });
    spawned.map_err(|error| format!("no thread could be started: {error}"))?;
    let limit = humantime::format_duration(args.timeout);
    match told.recv_timeout(args.timeout) {
        Ok(report) => Ok(report),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("no answer within {limit}")),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err("the look at the locks broke off".to_owned()),
    }
}
