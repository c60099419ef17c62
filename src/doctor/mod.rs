//! Is this a place where lockdoctor can see and act? Named checks of the environment, each with its remedy.
//!
//! Read-only but for two things that have no other answer: a nameless file (the lease self-test) and a scratch
//! directory that is gone again before the check returns (the swap).

mod clock;
pub mod cron;
mod cron_line;
mod filesystem;
pub mod identity;
mod inotify;
mod install;
pub mod namespaces;
pub mod report;
mod rights;
mod surroundings;
mod swap;
mod tmpdir;

use serde::Serialize;

pub use surroundings::Surroundings;

/// How it stands. The worst finding of a check is the check's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Good,
    /// Nothing to do, or nothing that could be looked at from here.
    Note,
    /// lockdoctor works, but knows less than it could.
    Warning,
    /// Something does not work.
    Failure,
}

impl Level {
    /// Somebody has to know of it: doctor's exit code is 1.
    pub fn needs_attention(self) -> bool {
        self >= Self::Warning
    }
}

/// What one check has to say.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub level: Level,
    pub text: String,
    pub details: Vec<String>,
    pub remedy: Option<Remedy>,
}

/// What to do about it, and what to type.
#[derive(Debug, Clone, Serialize)]
pub struct Remedy {
    pub text: String,
    pub commands: Vec<String>,
}

impl Finding {
    fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), details: Vec::new(), remedy: None }
    }

    fn good(text: impl Into<String>) -> Self {
        Self::new(Level::Good, text)
    }

    fn note(text: impl Into<String>) -> Self {
        Self::new(Level::Note, text)
    }

    fn warning(text: impl Into<String>) -> Self {
        Self::new(Level::Warning, text)
    }

    fn failure(text: impl Into<String>) -> Self {
        Self::new(Level::Failure, text)
    }

    fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    fn with_remedy<const N: usize>(mut self, text: &str, commands: [String; N]) -> Self {
        self.remedy = Some(Remedy { text: text.to_owned(), commands: commands.into() });
        self
    }
}

/// One check: a name to call it by, what it looks at, and how.
#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    pub about: &'static str,
    run: fn(&mut Surroundings) -> Vec<Finding>,
}

impl Check {
    pub fn run(&self, surroundings: &mut Surroundings) -> Vec<Finding> {
        (self.run)(surroundings)
    }
}

/// Every check, in the order in which they are run: what others build on first.
pub const CHECKS: &[Check] = &[
    Check { name: "install", about: "an install of OpenClaw was found", run: install::found },
    Check {
        name: "version",
        about: "which OpenClaw it is, and where it keeps sessions",
        run: install::version,
    },
    Check { name: "gateway", about: "whether its gateway runs", run: install::gateway },
    Check { name: "uid", about: "lockdoctor runs as the user who owns the sessions", run: rights::uid },
    Check { name: "writable", about: "the sessions directories can be changed", run: rights::writable },
    Check { name: "journal", about: "journal and quarantine can be written", run: rights::journal },
    Check { name: "filesystem", about: "only this kernel can have the locks open", run: filesystem::class },
    Check { name: "lease", about: "the kernel tells who has a lock open", run: filesystem::lease },
    Check { name: "swap", about: "a lock can be swapped for a tombstone", run: swap::possible },
    Check { name: "pid-namespace", about: "pids in locks mean the same here", run: namespaces::shared },
    Check { name: "hidepid", about: "/proc shows every process", run: namespaces::proc_complete },
    Check { name: "container", about: "whether lockdoctor runs in a container", run: namespaces::container },
    Check { name: "inotify", about: "watch can be told of every lock", run: inotify::limits },
    Check { name: "tmpdir", about: "TMPDIR and /tmp are those of the gateway", run: tmpdir::same },
    Check { name: "clock", about: "the clocks make sense", run: clock::sane },
    Check { name: "cron", about: "nothing else deletes locks", run: cron::jobs },
];

/// The check called `name`.
pub fn find(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
}

/// A check and what it found.
#[derive(Debug)]
pub struct Examined {
    pub check: &'static Check,
    pub findings: Vec<Finding>,
}

impl Examined {
    pub fn level(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Good)
    }
}
