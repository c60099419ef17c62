//! What a watch was asked to do.

use std::path::PathBuf;
use std::time::Duration;

use super::tell::command::CommandLine;
use super::tell::restart::RestartPolicy;
use crate::reclaim::breaker::Breaker;
use crate::redact::Redactor;
use crate::verdict::{Settle, Verdict};

/// How the daemon runs. A reload replaces it as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub what: What,
    pub mandate: Mandate,
    pub safety_scan: Duration,
    /// How often directories are listed that inotify cannot see.
    pub poll: Duration,
    pub run: Run,
    pub listen: Option<Listen>,
    pub tell: Telling,
    pub logs: Logs,
    pub redaction: Redactor,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The installs that OpenClaw itself would find, as they come.
    EveryInstall,
    Named {
        state_dirs: Vec<PathBuf>,
        paths: Vec<PathBuf>,
    },
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    UntilStopped,
    /// Until everything that is there has been judged, and what may be reclaimed is.
    Once,
}

/// What the daemon may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mandate {
    /// Look and tell.
    Watch,
    Reclaim(Policy),
}

/// What may be reclaimed, and how patiently: the same as for `reclaim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub settle: Settle,
    pub leaked: Permission,
    pub abandoned: Permission,
    pub breaker: Breaker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Granted,
    Withheld,
}

impl Policy {
    pub fn allows(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Stale => true,
            Verdict::Leaked => self.leaked == Permission::Granted,
            Verdict::Overdue => self.abandoned == Permission::Granted,
            _ => false,
        }
    }
}

/// Where the status is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub address: std::net::SocketAddr,
    /// Host names beyond the loopback ones and the bound address.
    pub allow_hosts: Vec<String>,
    pub ready: Ready,
}

/// What makes `/readyz` answer 503 once everything is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    OnceWatching,
    /// Also while a session is stuck, or its lock could not be freed.
    UnlessStuck,
}

/// Which logs of gateways are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    pub sources: LogSources,
    /// How long what they tell counts.
    pub window: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSources {
    None,
    /// Every log that the watched installs write.
    Discovered,
    Named(Vec<PathBuf>),
}

/// Who is told of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    pub command: Option<CommandLine>,
    pub webhook: Option<String>,
    /// The same finding is not told again sooner.
    pub cool_down: Duration,
    /// How long a command may run.
    pub time_limit: Duration,
    pub restart: Option<(CommandLine, RestartPolicy)>,
}
