//! `lockdoctor scan`: every lock with its verdict. Read-only.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Common, Format, output};
use crate::evidence::view::SystemView;
use crate::examination::{Examination, Looked, consult};
use crate::exit::Exit;
use crate::redact::Redactor;
use crate::report::{advice, json, plain, table};
use crate::survey::{ProblemSeverity, Scope, Survey, survey};
use crate::verdict::severity::Severity;
use crate::words;

/// Looks at every lock and says what it is. Nothing is changed.
///
/// A lock that looks stale or leaked is looked at a second time, at most half a second later, before it is
/// called so.
#[derive(Debug, Clone, Args)]
pub struct ScanArgs {
    /// State directories, agent or sessions directories, or single locks. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// List healthy locks too, each on a line of its own.
    #[arg(long, short)]
    pub all: bool,
}

pub fn run(common: &Common, args: &ScanArgs) -> anyhow::Result<Exit> {
    let mut view = SystemView::open();
    let scope = Scope::resolve(&args.paths, &common.state_dir, &view)?;
    let mut survey = survey(&scope, &mut view);
    let redaction = common.redaction();
    let examination = consult::locks(&mut survey, redaction);
    match common.format() {
        Format::Json => output::print_json(&json::scan(&survey, redaction))?,
        Format::Ndjson => output::print_ndjson(json::locks(&survey, redaction))?,
        Format::Plain => write!(output::columns(), "{}", plain::locks(&survey, redaction))?,
        Format::Table => {
            let listing = if args.all { table::Listing::All } else { table::Listing::SickOnly };
            let mut out = output::stdout();
            write!(out, "{}", table::scan(&survey, redaction, listing, output::width()))?;
            for advice in advice::after_scan(&survey, &common.scope_as_typed(&args.paths)) {
                writeln!(out, "\n{advice}")?;
            }
        }
    }
    print_problems(&survey)?;
    Ok(exit(&examination, redaction))
}

/// What could not be looked at goes to standard error in every format.
pub fn print_problems(survey: &Survey) -> anyhow::Result<()> {
    let mut err = output::stderr();
    for problem in &survey.problems {
        writeln!(err, "lockdoctor: {}: {}", words::path(&problem.path), words::printable(&problem.what))?;
    }
    Ok(())
}

/// 2 if something could not be looked at or judged, 1 if something is at `warning` or above, else 0.
pub fn exit(examination: &Examination, redactor: Redactor) -> Exit {
    match examination.worst(redactor) {
        _ if examination.looked == Looked::Partly || examination.unjudged() > 0 => Exit::Trouble,
        Some(Severity::Warning | Severity::Critical) => Exit::Findings,
        Some(Severity::Info) | None => Exit::Clean,
    }
}

/// Whether locks may have been missed.
pub fn is_incomplete(survey: &Survey) -> bool {
    survey.problems.iter().any(|problem| problem.severity == ProblemSeverity::Incomplete)
}
