//! What every command takes: where to look, and how to print what was found.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::door;
use crate::redact::Redactor;
use crate::words::shell_word;

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
        self.scope_as_shown(paths, Redactor::Off)
    }

    /// The same where it may be read elsewhere.
    pub fn scope_as_shown(&self, paths: &[PathBuf], redactor: Redactor) -> String {
        let word = |path: &PathBuf| shell_word(&redactor.path(&path.to_string_lossy()));
        let dirs = self.state_dir.iter().map(|dir| format!(" --state-dir {}", word(dir)));
        let paths = paths.iter().map(|path| format!(" {}", word(path)));
        dirs.chain(paths).collect()
    }

    /// A person at the terminal knows whose chats these are; any other output has them masked.
    pub fn redaction(&self) -> Redactor {
        match (self.no_redact, self.format()) {
            (true, _) => Redactor::Off,
            (false, Format::Table) if door::stdout_is_terminal() => Redactor::OwnChats,
            (false, _) => Redactor::OwnPaths,
        }
    }

    /// Whether chat ids are masked in what is shown.
    pub fn is_masked(&self) -> bool {
        !matches!(self.redaction(), Redactor::Off | Redactor::OwnChats)
    }

    /// For what is made to be passed on.
    pub fn redaction_to_share(&self) -> Redactor {
        if self.no_redact { Redactor::Off } else { Redactor::On }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: grouped, problems first.
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
