//! `lockdoctor doctor`: the environment, check by check, each with its remedy.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{CliError, Common, Format, output};
use crate::doctor::report::{self, Ran};
use crate::doctor::{self, CHECKS, Check, Examined, Surroundings};
use crate::evidence::view::SystemView;
use crate::examination::consult::{self, Logs};
use crate::exit::Exit;
use crate::survey::{Scope, survey};
use crate::words;

const EXAMPLES: &str = "\
Examples:
  lockdoctor doctor                          every check
  lockdoctor doctor cron                     only: does anything else delete locks?
  lockdoctor doctor --list                   what there is to check
  sudo -u node lockdoctor doctor             as the user who runs the gateway";

/// Check whether lockdoctor can see and act here, and show what to do where it cannot.
///
/// [✓] in order, [-] nothing to say, [!] works, with limits, [✗] does not work.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Checks to run (default: all; see --list), and state directories to run them for.
    #[arg(value_name = "CHECK|PATH")]
    pub what: Vec<PathBuf>,
    /// List the checks.
    #[arg(long)]
    pub list: bool,
}

pub fn run(common: &Common, args: &DoctorArgs) -> anyhow::Result<Exit> {
    if args.list {
        write!(output::stdout(), "{}", report::list())?;
        return Ok(Exit::Clean);
    }
    let (checks, paths) = told_apart(&args.what)?;
    let ran = if checks.len() == CHECKS.len() { Ran::All } else { Ran::Some };
    let mut surroundings = Surroundings::gather(&paths, &common.state_dir, common.redaction())?;
    let examined: Vec<Examined> = checks
        .into_iter()
        .map(|check| Examined { check, findings: check.run(&mut surroundings) })
        .filter(|examined| !examined.findings.is_empty())
        .collect();
    match common.format() {
        format @ (Format::Json | Format::Ndjson) => {
            output::print_document(format, &report::document(&examined, surroundings.view.now.wall))?;
        }
        Format::Table | Format::Plain => {
            write!(output::stdout(), "{}", report::for_people(&examined, ran, output::width()))?;
            if ran == Ran::All && !surroundings.places.is_empty() {
                say_answer(common, &paths)?;
            }
        }
    }
    Ok(if surroundings.places.is_empty() {
        Exit::Trouble
    } else if examined.iter().any(|each| each.level().needs_attention()) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// The environment may be in order and a chat blocked all the same.
fn say_answer(common: &Common, paths: &[PathBuf]) -> anyhow::Result<()> {
    let mut view = SystemView::open();
    let scope = Scope::resolve(paths, &common.state_dir, &view)?;
    let mut survey = survey(&scope, &mut view);
    let typed = common.scope_as_typed(paths);
    let answer = consult::locks(&mut survey, Logs::IfTheyDecide, common.redaction(), &typed).answer;
    let mut out = output::stdout();
    writeln!(out)?;
    for line in words::wrapped(&format!("The locks now: {}.", answer.headline), output::width()) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "    lockdoctor status{typed}")?;
    Ok(())
}

/// Names of checks are words; whatever holds a slash, or is there, is a path.
fn told_apart(what: &[PathBuf]) -> anyhow::Result<(Vec<&'static Check>, Vec<PathBuf>)> {
    let mut checks = Vec::new();
    let mut paths = Vec::new();
    for word in what {
        match word.to_str().and_then(doctor::find) {
            Some(check) => checks.push(check),
            None if word.components().count() > 1 || word.is_absolute() || Path::new(word).exists() => {
                paths.push(word.clone());
            }
            None => {
                let error = CliError::usage(format!("there is no check '{}'", words::path(word)));
                return Err(error.with_hint("`lockdoctor doctor --list` names them").into());
            }
        }
    }
    if checks.is_empty() {
        checks.extend(CHECKS);
    }
    Ok((checks, paths))
}
