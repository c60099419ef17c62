//! `lockdoctor scan`: every lock with its verdict. Read-only.

use std::io::Write;
use std::path::PathBuf;

use anstyle::Style;
use clap::Args;

use super::outcome::exit_of;
use super::{Common, Format, output};
use crate::evidence::view::SystemView;
use crate::examination::consult::{self, Logs};
use crate::exit::Exit;
use crate::redact::Redactor;
use crate::report::blocks::{alone, prose};
use crate::report::{advice, json, plain, table};
use crate::survey::{ProblemSeverity, Scope, Survey, survey};
use crate::words;

const EXAMPLES: &str = "\
Examples:
  lockdoctor scan                            every install
  lockdoctor scan --all -v                   healthy locks as well, with reason codes
  lockdoctor scan ~/.openclaw/agents/main    one agent
  lockdoctor scan --json | jq '.locks[] | select(.verdict == \"leaked\")'";

/// List all locks with a verdict, those that fail messages first. Read-only.
///
/// A lock that looks stale or forgotten is looked at a second time, at most half a second later, before it
/// is called so.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ScanArgs {
    /// State directories, agent or sessions directories, or single locks. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// List healthy locks too, each on a line of its own.
    #[arg(long, short)]
    pub all: bool,
    /// Show reason codes and the rule that decided.
    #[arg(long, short)]
    pub verbose: bool,
}

pub fn run(common: &Common, args: &ScanArgs) -> anyhow::Result<Exit> {
    let mut view = SystemView::open();
    let scope = Scope::resolve(&args.paths, &common.state_dir, &view)?;
    let mut survey = survey(&scope, &mut view);
    let redaction = common.redaction();
    let typed = common.scope_as_typed(&args.paths);
    // Programs get no sentence of it.
    let shown = if common.format() == Format::Table { redaction } else { Redactor::Off };
    let examination = consult::locks(&mut survey, Logs::IfTheyDecide, shown, &typed);
    match common.format() {
        Format::Json => output::print_json(&json::scan(&survey, redaction))?,
        Format::Ndjson => output::print_ndjson(json::locks(&survey, redaction))?,
        Format::Plain => write!(output::columns(), "{}", plain::locks(&survey, redaction))?,
        Format::Table => {
            let page = table::Page {
                survey: &survey,
                effects: &examination.effects,
                severities: &examination.answer.locks,
                redaction,
                listing: if args.all { table::Listing::All } else { table::Listing::SickOnly },
                verbose: args.verbose,
                width: output::width(),
            };
            let mut out = output::stdout();
            write!(out, "{}", table::scan(page))?;
            let unjudged = examination.answer.blind_spots.iter().filter(|spot| spot.command.is_some());
            let unjudged = unjudged
                .map(|spot| format!("{}\n    {}", spot.text, spot.command.as_deref().unwrap_or_default()));
            let of_gateway = advice::beyond_locks(&examination.diagnosis.findings);
            let of_locks = advice::after_scan(&survey, &examination.answer.locks, &typed);
            for advice in of_gateway.chain(of_locks).chain(unjudged) {
                writeln!(out)?;
                let mut text = String::new();
                for line in advice.lines() {
                    match line.strip_prefix("    ") {
                        Some(command) => alone(&mut text, command, output::width(), 4, Style::new()),
                        None => prose(&mut text, line, output::width(), 0, Style::new()),
                    }
                }
                write!(out, "{text}")?;
            }
        }
    }
    print_problems(&survey)?;
    Ok(exit_of(&examination.answer))
}

/// What could not be looked at goes to standard error in every format.
pub fn print_problems(survey: &Survey) -> anyhow::Result<()> {
    let mut err = output::stderr();
    for problem in &survey.problems {
        writeln!(err, "lockdoctor: {}: {}", words::path(&problem.path), words::printable(&problem.what))?;
    }
    Ok(())
}

/// Whether locks may have been missed.
pub fn is_incomplete(survey: &Survey) -> bool {
    survey.problems.iter().any(|problem| problem.severity == ProblemSeverity::Incomplete)
}
