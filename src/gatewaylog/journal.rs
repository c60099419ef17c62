//! The journal, through `journalctl` (its file format is its own business): a unit's messages as JSON lines.

use super::scan::{Entry, Scanner};
use chrono::{DateTime, Utc};
use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdout, Command, Stdio};

/// One unit's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    pub unit: String,
    pub manager: Manager,
}

/// Whose service manager runs the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    User,
    System,
}

/// The names under which OpenClaw has installed itself, newest first (`daemon/constants.js`, `daemon/systemd.js`).
pub const KNOWN_UNITS: [&str; 3] =
    ["openclaw-gateway.service", "moltbot-gateway.service", "clawdbot-gateway.service"];

impl Journal {
    /// `user:NAME` and `system:NAME` say which manager; a bare name is a user unit, as OpenClaw installs it.
    pub fn named(unit: &str) -> Self {
        let (manager, unit) = match unit.split_once(':') {
            Some(("system", unit)) => (Manager::System, unit),
            Some(("user", unit)) => (Manager::User, unit),
            _ => (Manager::User, unit),
        };
        Self { unit: unit.to_owned(), manager }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("journalctl");
        // Bound to its option: a unit name is never an option. Messages of a user's units carry `_SYSTEMD_USER_UNIT`.
        match self.manager {
            Manager::User => command.arg(format!("--user-unit={}", self.unit)),
            Manager::System => command.arg(format!("--unit={}", self.unit)),
        };
        // --all: long messages are null in JSON without it.
        command.args(["--output=json", "--all", "--no-pager", "--quiet"]);
        command.arg("--output-fields=MESSAGE,_PID,PRIORITY");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// Everything since then.
    pub(super) fn read(&self, since: Option<DateTime<Utc>>) -> io::Result<Running> {
        let mut command = self.command();
        if let Some(since) = since {
            // `@seconds` is free of time zones.
            command.arg(format!("--since=@{}", since.timestamp()));
        }
        Running::start(command)
    }

    /// New messages from now on.
    pub fn follow(&self) -> io::Result<JournalTail> {
        let mut command = self.command();
        command.args(["--follow", "--lines=0"]);
        let running = Running::start(command)?;
        rustix::io::ioctl_fionbio(&running.output, true)?;
        Ok(JournalTail { scanner: Scanner::new(running, None).following() })
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manager = match self.manager {
            Manager::User => "user",
            Manager::System => "system",
        };
        write!(f, "journal:{manager}:{}", self.unit)
    }
}

/// Follows a unit; readable (`AsFd`) when there may be something new.
#[derive(Debug)]
pub struct JournalTail {
    scanner: Scanner<Running>,
}

impl JournalTail {
    /// The events of what has come since the last call.
    pub fn advance(&mut self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while let Some(entry) = self.scanner.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

impl AsFd for JournalTail {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.scanner.reader().output.as_fd()
    }
}

/// journalctl at work; ended with the reader.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    output: ChildStdout,
}

impl Running {
    fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("journalctl has no output"))?;
        Ok(Self { child, output })
    }
}

impl Read for Running {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.output.read(into)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it must not stay a zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
