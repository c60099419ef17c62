//! The commands: what was typed, and who carries it out. Every option is declared here once; `--help`, the
//! man pages and the completions are made from it.

pub mod bounds;
pub mod check;
pub mod completions;
pub mod demo;
pub mod diagnose;
pub mod doctor;
pub mod explain;
pub mod man;
pub mod output;
pub mod quarantine;
pub mod reclaim;
pub mod report;
pub mod scan;
pub mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ContextValue;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::Exit;
use crate::redact::Redactor;
use crate::settings;
use crate::words::{printable, shell_word};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit status:
  0  nothing needs attention, or what was asked is done
  1  something needs attention
  2  wrong usage, or something could not be looked at
`check` follows the monitoring plugins instead: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

Every option can be given as a variable too (LOCKDOCTOR_STATE_DIR, LOCKDOCTOR_FORMAT, …) or in the
configuration file; a flag wins over a variable, a variable over the file.";

/// Finds, explains and safely reclaims stale OpenClaw session locks, and says what holds a session up.
#[derive(Debug, Parser)]
#[command(name = "lockdoctor", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// State directory of an OpenClaw install (repeatable). Default: every install that OpenClaw itself
    /// would find, and those of gateways that run.
    #[arg(long, value_name = "DIR", global = true, env = "LOCKDOCTOR_STATE_DIR", value_delimiter = ':')]
    pub state_dir: Vec<PathBuf>,
    /// How to print the result.
    #[arg(long, value_name = "FORMAT", global = true, env = "LOCKDOCTOR_FORMAT", default_value = "table")]
    pub format: Format,
    /// Short for --format json.
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours. NO_COLOR is honoured.
    #[arg(long, value_name = "WHEN", global = true, env = "LOCKDOCTOR_COLOR", default_value = "auto")]
    pub color: ColorWhen,
    /// Configuration file. Default: /etc/lockdoctor/config.toml, then
    /// $XDG_CONFIG_HOME/lockdoctor/config.toml.
    #[arg(long, value_name = "FILE", global = true, env = "LOCKDOCTOR_CONFIG")]
    pub config: Option<PathBuf>,
    /// Show session keys as they are; by default chat ids and phone numbers in them are masked.
    #[arg(long, global = true, env = "LOCKDOCTOR_NO_REDACT")]
    pub no_redact: bool,
}

impl Common {
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    /// The options and paths that select what is looked at, ready to stand behind another command.
    pub fn scope_as_typed(&self, paths: &[PathBuf]) -> String {
        let dirs =
            self.state_dir.iter().map(|dir| format!(" --state-dir {}", shell_word(&dir.to_string_lossy())));
        let paths = paths.iter().map(|path| format!(" {}", shell_word(&path.to_string_lossy())));
        dirs.chain(paths).collect()
    }

    pub fn redaction(&self) -> Redactor {
        if self.no_redact { Redactor::Off } else { Redactor::OwnPaths }
    }

    /// For what is made to be passed on.
    pub fn redaction_to_share(&self) -> Redactor {
        if self.no_redact { Redactor::Off } else { Redactor::On }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: grouped, the sick first.
    Table,
    /// One line a lock, tab-separated, no header.
    Plain,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Ndjson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

/// What each does stands at its arguments, so that `--help` and the manual say all of it.
#[derive(Debug, Subcommand)]
pub enum Command {
    Scan(scan::ScanArgs),
    Explain(explain::ExplainArgs),
    Reclaim(reclaim::ReclaimArgs),
    Quarantine(quarantine::QuarantineArgs),
    /// Names what holds sessions up, from locks, logs and session stores. Nothing is changed.
    Diagnose(diagnose::DiagnoseArgs),
    /// Writes the diagnosis as one self-contained HTML page with a timeline.
    Report(report::ReportArgs),
    Watch(Box<watch::WatchArgs>),
    Check(check::CheckArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    /// Shows every state of a lock, with real processes, in a directory that is thrown away.
    ///
    /// Needs no OpenClaw, no root and no network, and takes about two seconds.
    Demo,
    /// One process of the demo.
    #[command(hide = true)]
    DemoActor(demo::ActorArgs),
}

/// Carries out what was typed.
pub fn run(cli: &Cli) -> anyhow::Result<Exit> {
    output::set_color(cli.common.color);
    match &cli.command {
        Command::Scan(args) => scan::run(&cli.common, args),
        Command::Explain(args) => explain::run(&cli.common, args),
        Command::Diagnose(args) => diagnose::run(&cli.common, args),
        Command::Report(args) => report::run(&cli.common, args),
        Command::Reclaim(args) => reclaim::run(&cli.common, args),
        Command::Quarantine(args) => quarantine::run(&cli.common, args),
        Command::Watch(args) => watch::run(&cli.common, args),
        Command::Check(args) => check::run(&cli.common, args),
        Command::Doctor(args) => doctor::run(&cli.common, args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
        Command::Demo => demo::run(&cli.common),
        Command::DemoActor(args) => demo::play(args),
    }
}

/// Prints what clap has to say: help, version, or what was wrong with the command line.
pub fn usage_error(mut error: clap::Error, typed: impl Iterator<Item = OsString>) -> Exit {
    // Nobody reads it: then there is nobody to tell either.
    if error.use_stderr() {
        let quoted: Vec<_> = error
            .context()
            .filter_map(|(kind, value)| match value {
                ContextValue::String(text) => Some((kind, printable(text).into_owned())),
                _ => None,
            })
            .collect();
        for (kind, text) in quoted {
            error.insert(kind, ContextValue::String(text));
        }
        // Without colours, which would be those of what was typed.
        let _ = write!(output::stderr(), "{error}");
        trouble("wrong usage of lockdoctor check", typed)
    } else {
        let _ = write!(output::stdout(), "{}", error.render().ansi());
        Exit::Clean
    }
}

/// How a command ends that could not begin; for `check` that is UNKNOWN and not CRITICAL.
pub fn trouble(why: &str, typed: impl Iterator<Item = OsString>) -> Exit {
    if !settings::names_command("check", typed) {
        return Exit::Trouble;
    }
    // A monitoring system shows standard output only.
    let _ = writeln!(output::stdout(), "{}", check::unknown(why));
    Exit::Unknown
}

/// The reader of our output has gone away (`lockdoctor scan | head`): not an error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
