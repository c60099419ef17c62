//! Is this a place where lockdoctor can see and act? Named checks of the environment, each with its remedy.
//!
//! Read-only but for two things that have no other answer: a nameless file (the lease self-test) and a scratch
//! directory that is gone again before the check returns (the swap).

mod clock;
pub mod cron;
mod cron_line;
mod filesystem;
mod finding;
pub mod identity;
mod inotify;
mod install;
pub mod namespaces;
pub mod report;
mod rights;
mod surroundings;
mod swap;
mod tmpdir;

pub use finding::{Finding, Level, Remedy};
pub use surroundings::Surroundings;

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
    Check { name: "hostname", about: "the gateway's next start is not refused", run: install::hostname },
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
