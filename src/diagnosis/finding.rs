//! A finding: one named cause with its evidence and what to do about it.

use crate::history::evidence::Line;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::borrow::Cow;

use crate::history::story::Step;
use crate::verdict::severity::{Effect, Severity};

/// The codes of the contract, in the order in which equally severe findings are shown: nearer to the cause first.
macro_rules! codes {
    ($($code:ident = $word:literal,)*) => {
        /// What a finding is about: a word of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(rename_all = "kebab-case")]
        pub enum Code { $($code,)* }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $word,)* }
            }
        }
    };
}

codes! {
    GatewayDown = "gateway-down",
    StartRefused = "start-refused",
    ConfigInvalid = "config-invalid",
    LockDeletedWhileHeld = "lock-deleted-while-held",
    LeakedLock = "leaked-lock",
    StaleLock = "stale-lock",
    StuckRun = "stuck-run",
    LaneStuck = "lane-stuck",
    StuckGuard = "stuck-guard",
    GatewayLock = "gateway-lock",
    LeaseStuck = "lease-stuck",
    MessageFailed = "message-failed",
    IngressStalled = "ingress-stalled",
    EventLoopBlocked = "event-loop-blocked",
    OverdueLock = "overdue-lock",
    RunTimeout = "run-timeout",
    SessionTakeover = "session-takeover",
    WatchdogRelease = "watchdog-release",
    OrphanLock = "orphan-lock",
    LockContention = "lock-contention",
    DatabaseBusy = "database-busy",
    StoreLockContention = "store-lock-contention",
    StuckSession = "stuck-session",
    JobFailed = "job-failed",
    SlowModelCall = "slow-model-call",
    RpcTimeout = "rpc-timeout",
    LaneWait = "lane-wait",
    SlowListener = "slow-listener",
    LogIncomplete = "log-incomplete",
}

/// How sure a finding's cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    Possible,
    Likely,
    /// By the kernel, or by an unambiguous line of OpenClaw's own.
    Proven,
}

/// One thing to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Remedy {
    /// Typed as it is.
    pub command: Option<Cow<'static, str>>,
    pub text: Cow<'static, str>,
    /// What it does, and what it costs.
    pub effect: Option<Cow<'static, str>>,
}

/// One finding, redacted and ready to show.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub certainty: Certainty,
    pub agent: Option<String>,
    pub session_id: Option<String>,
    pub session_key: Option<String>,
    pub lane: Option<String>,
    pub lock: Option<String>,
    #[serde(serialize_with = "crate::words::rfc3339_or_null")]
    pub first_seen: Option<DateTime<Utc>>,
    #[serde(serialize_with = "crate::words::rfc3339_or_null")]
    pub last_seen: Option<DateTime<Utc>>,
    pub count: u64,
    /// Messages that got no answer because of it, as far as was seen.
    pub messages_failed: u64,
    pub messages_waiting: u64,
    /// The state, then its cause.
    pub explanation: String,
    pub story: Vec<Step>,
    pub evidence: Vec<Line>,
    /// What to do, most useful first.
    pub actions: Vec<Remedy>,
    /// The texts of `actions`.
    pub advice: Vec<Cow<'static, str>>,
    /// `None`: what was looked at cannot tell; then the first action is the command that can.
    pub removing_lock_helps: Option<bool>,
}

impl Remedy {
    /// To type; what it does, and what it costs.
    pub(crate) fn command(
        command: impl Into<Cow<'static, str>>,
        effect: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { effect: Some(effect.into()), ..Self::bare_command(command) }
    }

    /// To type, and it says itself what it does.
    pub(crate) fn bare_command(command: impl Into<Cow<'static, str>>) -> Self {
        let command = command.into();
        Self { text: command.clone(), command: Some(command), effect: None }
    }

    /// To do, and no command does it.
    pub(crate) fn hint(text: impl Into<Cow<'static, str>>) -> Self {
        Self { command: None, text: text.into(), effect: None }
    }
}

impl Finding {
    pub(crate) fn new(code: Code, effect: Effect, explanation: impl Into<String>) -> Self {
        Self {
            code,
            severity: effect.severity(),
            certainty: Certainty::Likely,
            agent: None,
            session_id: None,
            session_key: None,
            lane: None,
            lock: None,
            first_seen: None,
            last_seen: None,
            count: 1,
            messages_failed: 0,
            messages_waiting: 0,
            explanation: explanation.into(),
            story: Vec::new(),
            evidence: Vec::new(),
            actions: Vec::new(),
            advice: Vec::new(),
            removing_lock_helps: None,
        }
    }

    /// A command to type, what it is for, and what it does or costs.
    pub(crate) fn act(mut self, action: Remedy) -> Self {
        self.advice.push(action.text.clone());
        self.actions.push(action);
        self
    }

    /// Changes every text of what is to be done for which `spelled` has another.
    pub(super) fn respell(&mut self, spelled: impl Fn(&str) -> Option<String>) {
        let of_actions = self.actions.iter_mut().flat_map(|action| {
            let Remedy { command, text, effect } = action;
            [Some(text), command.as_mut(), effect.as_mut()].into_iter().flatten()
        });
        for text in of_actions.chain(&mut self.advice) {
            if let Some(spelled) = spelled(text) {
                *text = spelled.into();
            }
        }
    }

    pub(super) fn seen(
        mut self,
        first: Option<DateTime<Utc>>,
        last: Option<DateTime<Utc>>,
        count: u64,
    ) -> Self {
        (self.first_seen, self.last_seen, self.count) = (first, last, count);
        self
    }

    pub(super) fn backed_by(mut self, evidence: &crate::history::evidence::Evidence) -> Self {
        self.evidence = evidence.lines();
        self.seen(evidence.first(), evidence.last(), evidence.count())
    }
}

/// Most serious first; among equals the code nearest to a cause, then the one that was seen most.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let order = (b.severity, rank(a)).cmp(&(a.severity, rank(b)));
        order
            .then(b.certainty.cmp(&a.certainty))
            .then(b.count.cmp(&a.count))
            .then(b.last_seen.cmp(&a.last_seen))
            .then_with(|| a.session_key.cmp(&b.session_key))
    });
}

/// What is harmless explains least; a slow database last of all.
fn rank(finding: &Finding) -> (bool, Code) {
    (
        finding.severity == Severity::Info
            && matches!(finding.code, Code::StoreLockContention | Code::DatabaseBusy),
        finding.code,
    )
}
