//! The commands: what was typed, and who carries it out. Every option is declared here once; `--help`, the
//! man pages and the completions are made from it.

pub mod check;
pub mod common;
pub mod completions;
pub mod demo;
pub mod diagnose;
pub mod doctor;
pub mod error;
pub mod explain;
pub mod lease_actor;
pub mod logs;
pub mod man;
pub mod outcome;
pub mod output;
pub mod quarantine;
pub mod reclaim;
pub mod report;
pub mod scan;
#[cfg(test)]
mod schema_tests;
pub mod setup;
pub mod status;
pub mod watch;

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::Exit;
use crate::settings;

pub use common::{ColorWhen, Common, Format};
pub use error::CliError;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit status:
  0  nothing needs attention, or what was asked is done
  1  something is at warning or above
  2  usage error, or something could not be read or judged
`check` follows the monitoring plugins instead: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

Every option can also be set by environment variable (LOCKDOCTOR_STATE_DIR, LOCKDOCTOR_FORMAT, …) or
in the configuration file; a flag wins over a variable, a variable over the file.

`lockdoctor` alone is `lockdoctor status`.";

/// Shows why an OpenClaw chat gets no answer, and frees left-over session locks safely.
#[derive(Debug, Parser)]
#[command(name = "lockdoctor", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What each does stands at its arguments, so that `--help` and the manual say all of it.
#[derive(Debug, Subcommand)]
pub enum Command {
    Status(status::StatusArgs),
    Scan(scan::ScanArgs),
    Explain(explain::ExplainArgs),
    Reclaim(reclaim::ReclaimArgs),
    Quarantine(quarantine::QuarantineArgs),
    Diagnose(diagnose::DiagnoseArgs),
    Report(report::ReportArgs),
    Watch(Box<watch::WatchArgs>),
    Check(check::CheckArgs),
    Doctor(doctor::DoctorArgs),
    Setup(setup::SetupArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Demo(demo::DemoArgs),
    /// One process of the demo.
    #[command(hide = true)]
    DemoActor(demo::ActorArgs),
    /// One act on one row: what `reclaim --leases` starts.
    #[command(hide = true)]
    LeaseActor,
}

/// What was typed, carried out: parses, runs, and says what went wrong.
pub fn main(arguments: &[OsString]) -> Exit {
    let arguments = &with_default_command(arguments);
    let done = settings::parse(arguments).map_err(CliError::from).and_then(|cli: Cli| Ok(run(&cli)?));
    done.unwrap_or_else(|error| {
        let monitored = settings::names_command::<Cli>("check", arguments);
        error.tell();
        if monitored && error.exit() == Exit::Trouble {
            return check::unknown(error.headline());
        }
        error.exit()
    })
}

/// With the command that is meant where none was typed.
fn with_default_command(arguments: &[OsString]) -> Vec<OsString> {
    let command = settings::command::<Cli>().subcommand_required(false).arg_required_else_help(false);
    let typed = command.try_get_matches_from(arguments);
    let none = typed.is_ok_and(|matches| matches.subcommand().is_none());
    arguments.iter().cloned().chain(none.then(|| "status".into())).collect()
}

fn run(cli: &Cli) -> anyhow::Result<Exit> {
    output::set_color(cli.common.color);
    match &cli.command {
        Command::Status(args) => status::run(&cli.common, args),
        Command::Scan(args) => scan::run(&cli.common, args),
        Command::Explain(args) => explain::run(&cli.common, args),
        Command::Diagnose(args) => diagnose::run(&cli.common, args),
        Command::Report(args) => report::run(&cli.common, args),
        Command::Reclaim(args) => reclaim::run(&cli.common, args),
        Command::Quarantine(args) => quarantine::run(&cli.common, args),
        Command::Watch(args) => watch::run(&cli.common, args, Box::new(reread)),
        Command::Check(args) => check::run(&cli.common, args),
        Command::Doctor(args) => doctor::run(&cli.common, args),
        Command::Setup(args) => setup::run(&cli.common, args),
        Command::Completions(args) => completions::run(args, &Cli::command()),
        Command::Man(args) => man::run(args, &Cli::command()),
        Command::Demo(args) => demo::run(&cli.common, args),
        Command::DemoActor(args) => demo::play(args),
        Command::LeaseActor => lease_actor::run(),
    }
}

/// The command line of this `watch`, with variables and configuration as they are now.
fn reread() -> anyhow::Result<crate::watch::options::Options> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli: Cli = settings::parse(&arguments)?;
    match &cli.command {
        Command::Watch(args) => watch::options(&cli.common, args),
        _ => Err(CliError::usage("the command line is not that of watch").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_means_status() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(with_default_command(&words(&["lockdoctor"])), words(&["lockdoctor", "status"]));
        assert_eq!(
            with_default_command(&words(&["lockdoctor", "--json"])),
            words(&["lockdoctor", "--json", "status"])
        );
        assert_eq!(with_default_command(&words(&["lockdoctor", "scan"])), words(&["lockdoctor", "scan"]));
        assert_eq!(with_default_command(&words(&["lockdoctor", "--help"])), words(&["lockdoctor", "--help"]));
    }
}
