//! What a watch was asked to do.

use std::path::PathBuf;
use std::time::Duration;

use super::mandate::Mandate;
use super::notify::command::CommandLine;
use super::notify::restart::RestartPolicy;
use crate::directories::root::What;
use crate::reclaim::policy::Permission;
use crate::redact::Redactor;

/// How the daemon runs. A reload replaces it as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub what: What,
    /// What was typed to select it, ready to stand behind another command.
    pub scope: String,
    pub mandate: Mandate,
    /// Whether the lease of a dead gateway that keeps the next one out may be removed.
    pub leases: Permission,
    pub safety_scan: Duration,
    /// How often directories are listed that inotify cannot see.
    pub poll: Duration,
    pub run: Run,
    pub listen: Option<Listen>,
    pub tell: Telling,
    pub logs: Logs,
    pub redaction: Redactor,
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    UntilStopped,
    /// Until everything that is there has been judged, and what may be reclaimed is.
    Once,
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
    pub redaction: Redactor,
    pub command: Option<CommandLine>,
    pub webhook: Option<String>,
    /// Asked for again and again as a sign of life.
    pub ping: Option<String>,
    /// The same finding is not told again sooner.
    pub cool_down: Duration,
    /// How long a command may run.
    pub time_limit: Duration,
    pub restart: Option<(CommandLine, RestartPolicy)>,
}
