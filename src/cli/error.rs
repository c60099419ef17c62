//! How a command ends that could not do what was asked. What is said, and with which exit status it ends, is decided
//! here alone.

use std::fmt;
use std::io::{self, Write};

use clap::error::ContextValue;

use super::output;
use crate::exit::Exit;
use crate::settings::SettingsError;
use crate::words::printable;

/// What kept a command from its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing did: help or the version was asked for.
    Asked,
    /// clap refused what was typed, and says so in a form of its own.
    Syntax,
    /// What was typed, or stands in a configuration file, cannot be done.
    Usage,
    /// It could be done, but something failed.
    Failure,
    /// The reader of the output has gone away (`lockdoctor scan | head`).
    Unread,
}

/// Why a command could not do what was asked, and what to do about it.
#[derive(Debug)]
pub struct CliError {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl CliError {
    /// What was asked cannot be done.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into(), hint: None }
    }

    /// What to do, or where to look.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub fn exit(&self) -> Exit {
        match self.kind {
            Kind::Asked | Kind::Unread => Exit::Clean,
            Kind::Syntax | Kind::Usage | Kind::Failure => Exit::Trouble,
        }
    }

    /// Prints it where it belongs. A failure to print cannot be reported anywhere.
    pub fn tell(&self) {
        let _ = match self.kind {
            Kind::Asked => write!(output::stdout(), "{}", self.message),
            Kind::Syntax => write!(output::stderr(), "{}", self.message),
            Kind::Unread => Ok(()),
            Kind::Usage | Kind::Failure => writeln!(output::stderr(), "lockdoctor: {self}"),
        };
    }

    /// The message for a place that has room for one line.
    pub fn headline(&self) -> &str {
        match self.kind {
            Kind::Syntax => "wrong usage of lockdoctor check",
            _ => self.message.lines().next().unwrap_or_default(),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(out, "\nhint: {hint}"))
    }
}

impl std::error::Error for CliError {}

impl From<clap::Error> for CliError {
    fn from(mut error: clap::Error) -> Self {
        if !error.use_stderr() {
            return Self { kind: Kind::Asked, message: error.render().ansi().to_string(), hint: None };
        }
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
        Self { kind: Kind::Syntax, message: error.to_string(), hint: None }
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Usage(error) => error.into(),
            error => Self::usage(error.to_string()),
        }
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        let is_broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
        };
        let kind = if error.chain().any(is_broken_pipe) { Kind::Unread } else { Kind::Failure };
        error.downcast().unwrap_or_else(|error| Self { kind, message: format!("{error:#}"), hint: None })
    }
}
