//! The vocabulary: every gateway message that says something about lanes, sessions, runs, locks or the health of
//! the process, as a type. Names and units follow the messages themselves; `unknown` in a message is `None` here.

use std::fmt;

/// The two names of one conversation; either half may be missing from a line (1.24 to 3.13 print `unknown`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SessionRef {
    pub id: Option<String>,
    pub key: Option<String>,
}

/// Which of the watchdog's three labels a session got. Before 5.3 there was only `Stuck`, and it meant no more than
/// "no queue or state event for a while".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    Stuck,
    Stalled,
    LongRunning,
}

/// Which limit of a run a timeout line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeoutPhase {
    /// The run's own time budget ended.
    Budget,
    /// It ended after the extra time that compaction had been given.
    AfterCompactionGrace,
    /// It was met during compaction and extended: the run goes on.
    Extended,
}

/// How sure the gateway was that a run it met at start had been interrupted, by what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interruption {
    /// `marked N interrupted main session(s) from stale transcript locks` (4.24 to 7.35).
    StaleLocks,
    /// `marked N startup-orphaned main session(s) for restart recovery` (6.11 and later).
    StartupOrphaned,
    /// `marked N interrupted main session(s) for restart recovery`: a shutdown marks its own.
    Restart,
}

/// What was slow in SQLite (8.1 and later).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlowSqlite {
    TransactionHold,
    LockWait,
    CoordinatorLockWait,
    SessionWrite,
    Reclamation,
}

impl fmt::Display for SlowSqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TransactionHold => "transaction hold",
            Self::LockWait => "transaction lock wait",
            Self::CoordinatorLockWait => "coordinator lock wait",
            Self::SessionWrite => "session write",
            Self::Reclamation => "reclamation",
        })
    }
}

/// Who owned a lock, as far as the error text says. `pid` is missing when the payload was unreadable, or when the
/// file was already gone at the moment the error was composed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct LockOwner {
    pub pid: Option<u32>,
    pub alive: Option<bool>,
    pub age_ms: Option<u64>,
}

/// Why something failed: the error text inside a line, reduced to the cases that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Cause {
    /// `session file locked (timeout Nms): ... <sid>.jsonl.lock`.
    TranscriptLocked {
        timeout_ms: u64,
        owner: LockOwner,
        lock: String,
    },
    /// The same text for `sessions.json.lock` (2.17 to 4.29).
    StoreLocked {
        timeout_ms: u64,
        owner: LockOwner,
        lock: String,
    },
    /// `session file lock stale (hold-exceeded): ...` (6.5 to 7.35): judged stale, owner alive, not removed.
    LockStale {
        reasons: Vec<String>,
        owner: LockOwner,
        lock: String,
    },
    /// `timeout acquiring session store lock: ...` (to 2.12).
    StoreLockTimeout {
        lock: String,
    },
    /// `timeout waiting for session store lock: ...` (2.17 to 4.29): the in-process queue, no lock file involved.
    StoreQueueTimeout {
        store: String,
    },
    /// `session file changed while embedded prompt lock was released: ...`.
    Takeover {
        transcript: String,
    },
    LaneTaskTimeout {
        lane: Option<String>,
        elapsed_ms: Option<u64>,
        budget_ms: Option<u64>,
    },
    LaneCleared,
    /// `Gateway is draining ...; new tasks are not accepted`.
    Draining,
    /// `LLM idle timeout (Ns): no response from model`, and the circuit breaker over it.
    ModelIdle {
        after_ms: Option<u64>,
    },
    /// `request timed out`, and a failover for `timeout` that is not a lock timeout in disguise.
    ModelTimeout,
    GatewayTimeout {
        after_ms: u64,
    },
    /// `Session "K" changed while starting work. Retry.` (7.1 and later).
    SessionChanged,
    /// `reply session initialization conflicted for K` (6.10 and later).
    SessionConflict,
    /// `Session S already has an active turn claim` (8.1 and later).
    TurnClaimed {
        session_id: Option<String>,
    },
    /// `another OpenClaw process owns ...`, a lease that another process holds (9.x).
    StateOwned,
    /// The run was aborted, by a person or by OpenClaw's own recovery.
    Aborted,
    /// A provider's refusal, or OpenClaw's of a model (`FailoverError: ...`).
    Model(ModelFault),
    /// `file is not a database`, `database disk image is malformed`.
    DatabaseDamaged,
    /// `Borrowed agent database closed or changed ...`, `database file identity changed` (9.x): removed, or another file.
    DatabaseReplaced,
    DatabaseBusy,
    /// The conversation could not be made shorter; `by_limit`: not in the time that this may take.
    Compaction {
        by_limit: bool,
    },
    /// The turn ended without a text to send (`incomplete turn detected`).
    NoText,
    /// The channel is not connected, or its network fails.
    ChannelDown,
    /// The memory search waits for the row that guards its workspace.
    MemoryLocked,
    DiskFull,
    /// `sqlite_wal_sidecar_identity_mismatch` (9.x): the `-wal` beside the database is not its own.
    WalMismatch,
    /// Another error; its class where the text names one.
    Other {
        class: Option<String>,
    },
}

/// Why a model gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModelFault {
    /// 401, 403, an expired login, no key.
    SignIn,
    /// 402, no credit left.
    Billing,
    /// 429.
    RateLimit,
    /// 503, 529.
    Overloaded,
    UnknownModel,
    /// No connection: refused, no such host, a proxy, a certificate.
    Unreachable,
    /// After earlier errors OpenClaw lets each login of the provider rest.
    Cooldown,
    /// The conversation is longer than the model takes.
    ContextFull,
    /// The provider's words name none of these.
    Other,
}

impl Cause {
    /// Is a lock file of a session at the bottom of it?
    pub fn is_lock(&self) -> bool {
        self.lock().is_some() || matches!(self, Self::StoreQueueTimeout { .. })
    }

    /// The path of the lock file that the text names.
    pub fn lock(&self) -> Option<&str> {
        match self {
            Self::TranscriptLocked { lock, .. }
            | Self::StoreLocked { lock, .. }
            | Self::LockStale { lock, .. }
            | Self::StoreLockTimeout { lock } => Some(lock),
            _ => None,
        }
    }
}

/// One thing that happened, as the gateway told it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    // Lanes
    LaneEnqueue {
        lane: String,
        queue_size: u64,
    },
    LaneDequeue {
        lane: String,
        wait_ms: u64,
        queue_size: u64,
    },
    LaneDone {
        lane: String,
        duration_ms: u64,
        active: u64,
        queued: u64,
    },
    LaneError {
        lane: String,
        duration_ms: u64,
        cause: Cause,
    },
    LaneInterrupted {
        lane: String,
        duration_ms: u64,
    },
    LaneRejected {
        lane: String,
        timeout_ms: u64,
        cause: Cause,
    },
    /// Printed when the waiting task *starts*. Up to 5.18 `queue_ahead` counts what is still behind it.
    LaneWait {
        lane: String,
        waited_ms: u64,
        queue_ahead: u64,
        counts: Option<LaneCounts>,
    },
    /// `drainLane blocked`: the pump flag is set and nothing runs.
    LaneJammed {
        lane: String,
        queue: u64,
    },
    LaneCallbackFailed {
        lane: String,
    },

    // Sessions
    Attention(Box<Attention>),
    Recovery(Box<Recovery>),
    SessionState {
        session: SessionRef,
        prev: String,
        new: String,
        reason: String,
        queue_depth: u64,
    },
    MessageQueued {
        session: SessionRef,
        source: String,
        queue_depth: u64,
        state: String,
    },
    MessageReceived {
        session: SessionRef,
        channel: String,
    },
    MessageProcessed {
        session: SessionRef,
        channel: String,
        outcome: String,
        duration_ms: Option<u64>,
        cause: Option<Cause>,
    },
    DispatchStarted {
        session: SessionRef,
        channel: String,
    },
    DispatchCompleted {
        session: SessionRef,
        channel: String,
        outcome: String,
        duration_ms: Option<u64>,
        cause: Option<Cause>,
    },
    TurnCreated {
        session: SessionRef,
        run_id: String,
        trigger: String,
    },
    RunAttempt {
        session: SessionRef,
        run_id: String,
        attempt: u64,
    },
    /// The DEBUG line of every 30 s; its spacing shows a late timer in versions that have no liveness warning.
    Heartbeat {
        active: u64,
        waiting: u64,
        queued: u64,
    },

    // Runs and models
    RunStart {
        run_id: String,
        session_id: String,
        model: Option<String>,
        channel: Option<String>,
    },
    RunDone {
        run_id: String,
        session_id: String,
        duration_ms: u64,
        aborted: bool,
    },
    /// A paste may have lost the names.
    RunTimeout {
        run_id: Option<String>,
        session_id: Option<String>,
        timeout_ms: u64,
        phase: TimeoutPhase,
    },
    RunAbortStreaming {
        run_id: String,
        session_id: String,
    },
    AbortSettleTimeout {
        run_id: Option<String>,
        session_id: Option<String>,
        timeout_ms: Option<u64>,
    },
    RunAgentEnd {
        run_id: String,
        is_error: bool,
        cause: Option<Cause>,
    },
    RunRegistered {
        session_id: String,
        total_active: u64,
    },
    RunCleared {
        session_id: String,
        total_active: u64,
    },
    /// Somebody asked whether a run of the session is at work, and it was (DEBUG).
    RunActive {
        session_id: String,
    },
    RunClearSkipped {
        session_id: String,
        reason: String,
    },
    QueueMessageFailed {
        session_id: String,
        reason: String,
    },
    WaitTimeout {
        session_id: String,
        timeout_ms: u64,
    },
    ProfileTimeout {
        profile: String,
    },
    FailoverDecision {
        run_id: Option<String>,
        stage: Option<String>,
        decision: Option<String>,
        reason: Option<String>,
        model: Option<String>,
    },
    ModelFallback {
        reason: Option<String>,
        decision: Option<String>,
        cause: Option<Cause>,
    },
    ModelFetchError {
        provider: Option<String>,
        model: Option<String>,
        elapsed_ms: Option<u64>,
        name: Option<String>,
    },
    ModelIdle {
        after_ms: Option<u64>,
    },
    AgentFailed {
        cause: Cause,
    },
    OrphanUserMessage {
        run_id: Option<String>,
        session_id: Option<String>,
        preserved: bool,
    },

    // Locks
    /// `releasing lock held for ...`: the owner's own watchdog. On raw stderr only from 4.2 to 7.35.
    WatchdogRelease {
        held_ms: u64,
        max_ms: u64,
        lock: String,
    },
    StaleLockRemoved {
        lock: String,
        reasons: Vec<String>,
    },
    LockCleanupFailed {
        cause: Cause,
    },
    LockReleaseFailed {
        run_id: Option<String>,
        cause: Cause,
    },
    InterruptedMarked {
        count: u64,
        why: Interruption,
    },
    RunResumed {
        session_key: String,
    },
    /// An error text that reached the log by itself (`FailoverError: session file locked ...`).
    Failed {
        cause: Cause,
    },

    // The gateway process
    GatewayListening {
        pid: Option<u32>,
        port: Option<u16>,
    },
    HttpListening {
        plugins: Option<u64>,
        took_ms: Option<u64>,
    },
    GatewayReady,
    LogFile {
        path: String,
    },
    Signal {
        name: String,
    },
    Shutdown {
        signal: String,
    },
    ShutdownDone {
        took_ms: Option<u64>,
    },
    Draining {
        tasks: Option<u64>,
        runs: Option<u64>,
        timeout_ms: Option<u64>,
    },
    DrainTimeout {
        elapsed_ms: Option<u64>,
    },
    GatewayRefused {
        pid: Option<u32>,
    },
    /// A start that came to nothing; `owned`: because another process has the state.
    StartFailed {
        owned: bool,
        reason: String,
    },
    /// A change of its configuration that a running gateway did not take over: it is not valid.
    ConfigIgnored,
    /// systemd does not start the gateway again: too many starts, or exit status 78.
    ServiceGaveUp {
        unit: String,
        by_limit: bool,
    },
    /// The process ends on an error that nobody caught.
    Crashed {
        cause: Cause,
        reason: String,
    },
    StartupRefused,
    /// From 2026.9.5: the lease of an earlier gateway has not expired.
    OwnerLeaseRefused,
    Liveness(Box<Liveness>),
    /// The watchdog's own 30 s timer came late: proof of a blocked loop (8.1 and later).
    HeartbeatDelayed {
        overdue_ms: u64,
    },
    MemoryPressure {
        critical: bool,
        rss_bytes: Option<u64>,
        heap_bytes: Option<u64>,
    },
    FetchTimeout {
        timeout_ms: Option<u64>,
        elapsed_ms: Option<u64>,
        timer_delay_ms: Option<u64>,
        operation: Option<String>,
    },
    AuthPrewarmed {
        took_ms: u64,
        event_loop_max_ms: Option<f64>,
    },
    LogLost {
        dropped: Option<u64>,
        what: LogLoss,
    },

    // RPC and channels
    Rpc {
        ok: bool,
        method: String,
        duration_ms: Option<u64>,
        cause: Option<Cause>,
    },
    GatewayTimeout {
        after_ms: Option<u64>,
        tool: Option<String>,
        method: Option<String>,
    },
    HandlerFailed {
        channel: Option<String>,
        cause: Cause,
    },
    SlowListener {
        listener: Option<String>,
        event: Option<String>,
        duration_ms: Option<u64>,
    },
    /// The channel's own look at its polling: nothing has come in for too long, so it starts afresh.
    PollingStall {
        channel: Option<String>,
    },
    /// Another program fetches the messages of the same account.
    PollingConflict {
        channel: Option<String>,
    },
    /// Something that somebody sent, or waits for, came to nothing.
    Undelivered(Box<Undelivered>),
    Inbound {
        peer: Option<String>,
    },
    /// An answer went out.
    Answered {
        peer: Option<String>,
    },

    // SQLite (8.1 and later)
    SlowSqlite {
        what: SlowSqlite,
        elapsed_ms: Option<u64>,
        database: Option<String>,
        operation: Option<String>,
        pid: Option<u32>,
        outcome: Option<String>,
        /// On the thread of the event loop, which stands still meanwhile.
        main_thread: bool,
    },
}

/// The four counts that 5.19 and later print with a lane wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneCounts {
    pub active_ahead: u64,
    pub active_now: u64,
    pub queue_behind: u64,
}

/// `stuck session`, `stalled session`, `long-running session`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    pub label: Label,
    pub session: SessionRef,
    pub state: String,
    pub age_ms: u64,
    pub queue_depth: u64,
    pub reason: Option<String>,
    pub classification: Option<String>,
    pub work: Option<String>,
    pub last_progress: Option<String>,
    pub last_progress_age_ms: Option<u64>,
    pub tool: Option<String>,
    pub tool_age_ms: Option<u64>,
    pub recovery: Option<String>,
}

/// What came to nothing, and what becomes of it: said by whatever part of OpenClaw, in words that a rule need not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    pub what: Loss,
    pub fate: Fate,
    pub session: SessionRef,
    /// The channel's own lane (`telegram:123456789`), a lane of the gateway for jobs.
    pub lane: Option<String>,
    pub channel: Option<String>,
    /// The update, event, run or job that is meant.
    pub item: Option<String>,
    pub after_ms: Option<u64>,
    /// How many messages the line is about.
    pub count: u64,
    pub cause: Cause,
    /// The words behind the verb, in the text's own spelling: to be redacted.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// A message to or from a chat.
    Message,
    /// A message between the channel and its turn.
    Ingress,
    /// A sub-agent's result.
    Announce,
    /// A scheduled job.
    Job,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    Retried,
    GivenUp,
    Unknown,
}

/// `stuck session recovery ...` (4.29 and later), outcome lines included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    pub session: SessionRef,
    /// `skipped`, `no-op`, `failed`, `outcome`, `reclaiming`, or `done` for the bare form.
    pub step: String,
    pub status: Option<String>,
    pub action: Option<String>,
    pub reason: Option<String>,
    pub lane: Option<String>,
    pub aborted: Option<bool>,
    pub drained: Option<bool>,
    pub force_cleared: Option<bool>,
    pub released: Option<u64>,
}

/// `liveness warning`: how late the event loop ran over the last window (4.27 and later).
#[derive(Debug, Clone, PartialEq)]
pub struct Liveness {
    pub reasons: Vec<String>,
    pub interval_ms: u64,
    pub degraded_for_ms: Option<u64>,
    pub delay_p99_ms: Option<f64>,
    pub delay_max_ms: Option<f64>,
    pub utilization: Option<f64>,
    pub cpu_ratio: Option<f64>,
    pub active: u64,
    pub waiting: u64,
    pub queued: u64,
    pub phase: Option<String>,
}

/// How the log itself says that records are missing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogLoss {
    SizeCap,
    QueueOverflow,
    RotationFailed,
}

impl Event {
    /// The error inside the line, if it carries one.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::LaneError { cause, .. }
            | Self::LaneRejected { cause, .. }
            | Self::AgentFailed { cause }
            | Self::LockCleanupFailed { cause }
            | Self::LockReleaseFailed { cause, .. }
            | Self::Failed { cause }
            | Self::HandlerFailed { cause, .. }
            | Self::Crashed { cause, .. } => Some(cause),
            Self::Undelivered(lost) => Some(&lost.cause),
            Self::MessageProcessed { cause, .. }
            | Self::DispatchCompleted { cause, .. }
            | Self::RunAgentEnd { cause, .. }
            | Self::ModelFallback { cause, .. }
            | Self::Rpc { cause, .. } => cause.as_ref(),
            _ => None,
        }
    }

    /// How the work on one message ended.
    pub fn is_outcome(&self) -> bool {
        matches!(
            self,
            Self::LaneError { .. }
                | Self::AgentFailed { .. }
                | Self::HandlerFailed { .. }
                | Self::MessageProcessed { .. }
                | Self::DispatchCompleted { .. }
        ) || matches!(self, Self::Rpc { ok: false, method, .. } if method == "chat.send")
    }

    /// The lane, for lane messages.
    pub fn lane(&self) -> Option<&str> {
        match self {
            Self::LaneEnqueue { lane, .. }
            | Self::LaneDequeue { lane, .. }
            | Self::LaneDone { lane, .. }
            | Self::LaneError { lane, .. }
            | Self::LaneInterrupted { lane, .. }
            | Self::LaneRejected { lane, .. }
            | Self::LaneWait { lane, .. }
            | Self::LaneJammed { lane, .. }
            | Self::LaneCallbackFailed { lane } => Some(lane),
            _ => None,
        }
    }
}
