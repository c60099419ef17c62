//! What a watch was asked to do.

use std::path::PathBuf;
use std::time::Duration;

use super::notify::command::CommandLine;
use super::notify::restart::RestartPolicy;
use crate::evidence::RunTimedOut;
use crate::examination::facts::transcript_changed_since;
use crate::openclaw::lock_kind::Management;
use crate::reclaim::policy::Policy;
use crate::redact::Redactor;
use crate::survey::SurveyedLock;
use crate::verdict::{Settle, Verdict};

/// How the daemon runs. A reload replaces it as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub what: What,
    /// What was typed to select it, ready to stand behind another command.
    pub scope: String,
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

impl Mandate {
    /// The settle times after which the daemon acts; `None` if it may not.
    pub(crate) fn settle(self) -> Option<Settle> {
        match self {
            Self::Watch => None,
            Self::Reclaim(policy) => Some(policy.settle),
        }
    }

    /// The settle time after which this lock of a run that ended at its time limit is taken; `None` if it may not.
    pub(crate) fn settle_of_abandoned(self, lock: &SurveyedLock, shown: Verdict) -> Option<Duration> {
        let Self::Reclaim(policy) = self else { return None };
        let RunTimedOut::Yes { at } = lock.evidence.run_timed_out else { return None };
        let may = shown == Verdict::Overdue && policy.allows(shown) && !transcript_changed_since(lock, at);
        may.then_some(policy.settle.leaked)
    }

    /// Whether the daemon will reclaim this lock by itself.
    pub(crate) fn covers(self, lock: &SurveyedLock) -> bool {
        let Self::Reclaim(policy) = self else { return false };
        let verdict = lock.judgement.verdict;
        lock.kind.management() == Management::Managed
            && policy.allows(verdict)
            && (verdict != Verdict::Overdue || self.settle_of_abandoned(lock, verdict).is_some())
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
