//! Exit codes, as `--help` documents them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, and nothing needs attention.
    Clean,
    /// Done, and something needs attention.
    Findings,
    /// Wrong usage, or something could not be looked at.
    Trouble,
    /// `check` only: UNKNOWN in the convention of the monitoring plugins.
    Unknown,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Findings => 1,
            Exit::Trouble => 2,
            Exit::Unknown => 3,
        })
    }
}
