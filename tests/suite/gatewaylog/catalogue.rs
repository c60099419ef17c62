//! Every known message with the event it stands for. Texts are of real logs or of the templates in OpenClaw's source.

use lockdoctor::gatewaylog::{
    Attention, Cause, Event, Fate, Interruption, Label, LaneCounts, Liveness, LockOwner, LogLoss, Loss,
    Recovery, SessionRef, SlowSqlite, TimeoutPhase, Undelivered, read_line, recognise,
};

pub(crate) struct Message {
    /// As in the file log: not shortened.
    pub(crate) subsystem: &'static str,
    pub(crate) text: &'static str,
    pub(crate) event: Event,
}

pub(crate) const SID: &str = "3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42";
pub(crate) const KEY: &str = "agent:main:telegram:direct:123456789";
const LOCK: &str =
    "/home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock";
const TRANSCRIPT: &str =
    "/home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl";
const STORE: &str = "/home/node/.clawdbot/agents/main/sessions/sessions.json.lock";

fn s(text: &str) -> String {
    text.to_owned()
}

#[allow(clippy::unnecessary_wraps, reason = "half of the table's fields are optional")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn session(id: Option<&str>, key: Option<&str>) -> SessionRef {
    SessionRef { id: id.map(s), key: key.map(s) }
}

fn pid(pid: u32) -> LockOwner {
    LockOwner { pid: Some(pid), ..LockOwner::default() }
}

fn locked(pid_: u32) -> Cause {
    Cause::TranscriptLocked { timeout_ms: 10_000, owner: pid(pid_), lock: s(LOCK) }
}

fn store_timeout() -> Cause {
    Cause::StoreLockTimeout { lock: s(STORE) }
}

fn attention(label: Label, age_ms: u64, queue_depth: u64) -> Attention {
    Attention {
        label,
        session: session(Some(SID), Some(KEY)),
        state: s("processing"),
        age_ms,
        queue_depth,
        reason: None,
        classification: None,
        work: None,
        last_progress: None,
        last_progress_age_ms: None,
        tool: None,
        tool_age_ms: None,
        recovery: None,
    }
}

fn lost(lost: Undelivered) -> Event {
    Event::Undelivered(Box::new(lost))
}

fn undelivered(what: Loss, channel: &str) -> Undelivered {
    Undelivered {
        what,
        fate: Fate::Unknown,
        session: session(None, None),
        lane: None,
        channel: some(channel),
        item: None,
        after_ms: None,
        count: 1,
        cause: Cause::Other { class: None },
        reason: String::new(),
    }
}

/// The lines of the report that started the project, and what they must parse to.
#[rustfmt::skip] // a table: a message, its event
pub(crate) fn original_report() -> Vec<Message> {
    let m = |subsystem, text, event| Message { subsystem, text, event };
    vec![
        m("diagnostic", "lane wait exceeded: lane=session:agent:main:main waitedMs=101778 queueAhead=0",
            Event::LaneWait { lane: s("session:agent:main:main"), waited_ms: 101_778, queue_ahead: 0, counts: None }),
        m("diagnostic", "stuck session: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 state=processing age=515s queueDepth=0",
            Event::Attention(Box::new(attention(Label::Stuck, 515_000, 0)))),
        m("agent/embedded", "embedded run timeout: runId=07556e30-35c0-4001-808f-832740607b59 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 timeoutMs=600000",
            Event::RunTimeout { run_id: some("07556e30-35c0-4001-808f-832740607b59"), session_id: some(SID), timeout_ms: 600_000, phase: TimeoutPhase::Budget }),
        m("gateway/channels/discord", "Slow listener detected: DiscordMessageListener took 289 seconds for event MESSAGE_CREATE",
            Event::SlowListener { listener: some("DiscordMessageListener"), event: some("MESSAGE_CREATE"), duration_ms: Some(289_000) }),
        m("diagnostic", "lane task done: lane=main durationMs=170756 active=1 queued=0",
            Event::LaneDone { lane: s("main"), duration_ms: 170_756, active: 1, queued: 0 }),
        m("agent/embedded", "Profile anthropic:personal timed out (possible rate limit). Trying next account...",
            Event::ProfileTimeout { profile: s("anthropic:personal") }),
        m("gateway/channels/telegram", "handler failed: Error: timeout acquiring session store lock: /home/node/.clawdbot/agents/main/sessions/sessions.json.lock",
            Event::HandlerFailed { channel: some("telegram"), cause: store_timeout() }),
        m("tools", "cron failed: gateway timeout after 10000ms",
            Event::GatewayTimeout { after_ms: Some(10_000), tool: some("cron"), method: None }),
    ]
}

#[rustfmt::skip] // a table: a message, its event
pub(crate) fn messages() -> Vec<Message> {
    let m = |subsystem, text, event| Message { subsystem, text, event };
    let mut all = original_report();
    all.extend(vec![
        // Lanes
        m("diagnostic", "lane enqueue: lane=session:agent:main:main queueSize=2",
            Event::LaneEnqueue { lane: s("session:agent:main:main"), queue_size: 2 }),
        m("diagnostic", "lane dequeue: lane=cron waitMs=12 queueSize=0",
            Event::LaneDequeue { lane: s("cron"), wait_ms: 12, queue_size: 0 }),
        m("diagnostic", "lane dequeue: lane=cron waitMs=-4 queueSize=0",
            Event::LaneDequeue { lane: s("cron"), wait_ms: 0, queue_size: 0 }),
        m("diagnostic", "lane wait exceeded: lane=session:agent:main:slack:channel:my room waitedMs=5651 queueAhead=1 activeAhead=1 activeNow=0 queueBehind=3",
            Event::LaneWait { lane: s("session:agent:main:slack:channel:my room"), waited_ms: 5651, queue_ahead: 1, counts: Some(LaneCounts { active_ahead: 1, active_now: 0, queue_behind: 3 }) }),
        m("diagnostic", "lane task error: lane=main durationMs=10534 error=\"Error: session file locked (timeout 10000ms): pid=5012 /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock\"",
            Event::LaneError { lane: s("main"), duration_ms: 10_534, cause: locked(5012) }),
        m("diagnostic", "lane task error: lane=session:agent:main:main durationMs=60163 error=\"SessionWriteLockTimeoutError: session file locked (timeout 60000ms): pid=20497 alive=true ageMs=65592 /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock\"",
            Event::LaneError { lane: s("session:agent:main:main"), duration_ms: 60_163, cause: Cause::TranscriptLocked { timeout_ms: 60_000, owner: LockOwner { pid: Some(20_497), alive: Some(true), age_ms: Some(65_592) }, lock: s(LOCK) } }),
        m("diagnostic", "lane task error: lane=main durationMs=10574 error=\"Error: session file locked (timeout 10000ms): unknown /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock\"",
            Event::LaneError { lane: s("main"), duration_ms: 10_574, cause: Cause::TranscriptLocked { timeout_ms: 10_000, owner: LockOwner::default(), lock: s(LOCK) } }),
        m("diagnostic", "lane task error: lane=main durationMs=60010 error=\"session file locked (timeout 60000ms): owner=unknown ageMs=12 /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock\"",
            Event::LaneError { lane: s("main"), duration_ms: 60_010, cause: Cause::TranscriptLocked { timeout_ms: 60_000, owner: LockOwner { pid: None, alive: None, age_ms: Some(12) }, lock: s(LOCK) } }),
        m("diagnostic", "lane task error: lane=main durationMs=186 error=\"SessionWriteLockStaleError: session file lock stale (hold-exceeded): pid=20497 alive=true ageMs=600643 /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock\"",
            Event::LaneError { lane: s("main"), duration_ms: 186, cause: Cause::LockStale { reasons: vec![s("hold-exceeded")], owner: LockOwner { pid: Some(20_497), alive: Some(true), age_ms: Some(600_643) }, lock: s(LOCK) } }),
        m("diagnostic", "lane task error: lane=session:agent:main:main durationMs=1510 error=\"CommandLaneTaskTimeoutError: Command lane \"session:agent:main:main\" task timed out after 1500ms\"",
            Event::LaneError { lane: s("session:agent:main:main"), duration_ms: 1510, cause: Cause::LaneTaskTimeout { lane: some("session:agent:main:main"), elapsed_ms: None, budget_ms: Some(1500) } }),
        m("diagnostic", "lane task error: lane=session:agent:main:main durationMs=1510 error=\"Command lane \"session:agent:main:main\" task timed out: elapsed 1501ms reached task budget 1500ms\"",
            Event::LaneError { lane: s("session:agent:main:main"), duration_ms: 1510, cause: Cause::LaneTaskTimeout { lane: some("session:agent:main:main"), elapsed_ms: Some(1501), budget_ms: Some(1500) } }),
        m("diagnostic", "lane task error: lane=main durationMs=8 error=\"CommandLaneClearedError: Command lane \"main\" cleared\"",
            Event::LaneError { lane: s("main"), duration_ms: 8, cause: Cause::LaneCleared }),
        m("diagnostic", "lane task error: lane=main durationMs=8444 error=\"EmbeddedAttemptSessionTakeoverError: session file changed while embedded prompt lock was released: /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl\"",
            Event::LaneError { lane: s("main"), duration_ms: 8444, cause: Cause::Takeover { transcript: s(TRANSCRIPT) } }),
        m("diagnostic", "lane task error: lane=nested durationMs=3 error=\"GatewayDrainingError: Gateway is draining for restart; new tasks are not accepted\"",
            Event::LaneError { lane: s("nested"), duration_ms: 3, cause: Cause::Draining }),
        m("diagnostic", "lane task error: lane=main durationMs=120034 error=\"FailoverError: LLM idle timeout (120s): no response from model\"",
            Event::LaneError { lane: s("main"), duration_ms: 120_034, cause: Cause::ModelIdle { after_ms: Some(120_000) } }),
        m("diagnostic", "lane task error: lane=main durationMs=40 error=\"TypeError: x is not a function\"",
            Event::LaneError { lane: s("main"), duration_ms: 40, cause: Cause::Other { class: some("TypeError") } }),
        m("diagnostic", "lane task interrupted: lane=main durationMs=15 reason=\"LiveSessionModelSwitchError: switch\"",
            Event::LaneInterrupted { lane: s("main"), duration_ms: 15 }),
        m("diagnostic", "lane task rejected after timeout: lane=session:agent:main:main timeoutMs=1500 error=\"Error: aborted\"",
            Event::LaneRejected { lane: s("session:agent:main:main"), timeout_ms: 1500, cause: Cause::Other { class: some("Error") } }),
        m("diagnostic", "drainLane blocked: lane=main draining=true active=0 queue=4",
            Event::LaneJammed { lane: s("main"), queue: 4 }),
        m("diagnostic", "lane onWait callback failed: lane=main error=\"Error: x\"",
            Event::LaneCallbackFailed { lane: s("main") }),
        // Sessions
        m("diagnostic", "stuck session: sessionId=unknown sessionKey=agent:main:main state=processing age=133s queueDepth=2 reason=stale_session_state recovery=checking",
            Event::Attention(Box::new(Attention { session: session(None, Some("agent:main:main")), reason: some("stale_session_state"), recovery: some("checking"), ..attention(Label::Stuck, 133_000, 2) }))),
        m("diagnostic", "stalled session: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 state=idle age=134s queueDepth=2 reason=active_work_without_progress classification=stalled_agent_run activeWorkKind=model_call lastProgress=model_call:started lastProgressAge=134s recovery=none",
            Event::Attention(Box::new(Attention { state: s("idle"), reason: some("active_work_without_progress"), classification: some("stalled_agent_run"), work: some("model_call"), last_progress: some("model_call:started"), last_progress_age_ms: Some(134_000), recovery: some("none"), ..attention(Label::Stalled, 134_000, 2) }))),
        m("diagnostic", "long-running session: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 state=processing age=146s queueDepth=1 reason=active_model_call_without_progress classification=long_running activeWorkKind=tool_call lastProgress=tool:exec:started lastProgressAge=146s activeTool=exec activeToolCallId=toolu_01ABC activeToolAge=140s lastAssistant=\"recovery=\\\"x\\\" state=idle\" recovery=none",
            Event::Attention(Box::new(Attention { reason: some("active_model_call_without_progress"), classification: some("long_running"), work: some("tool_call"), last_progress: some("tool:exec:started"), last_progress_age_ms: Some(146_000), tool: some("exec"), tool_age_ms: Some(140_000), recovery: some("none"), ..attention(Label::LongRunning, 146_000, 1) }))),
        m("diagnostic", "stuck session recovery skipped: reason=active_embedded_run action=observe_only sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 age=150s queueDepth=1",
            Event::Recovery(Box::new(Recovery { session: session(Some(SID), Some(KEY)), step: s("skipped"), action: some("observe_only"), reason: some("active_embedded_run"), ..Recovery::default() }))),
        m("diagnostic", "stuck session recovery: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 age=30s action=release_lane aborted=false drained=true released=1",
            Event::Recovery(Box::new(Recovery { session: session(Some(SID), Some(KEY)), step: s("done"), action: some("release_lane"), aborted: Some(false), drained: Some(true), released: Some(1), ..Recovery::default() }))),
        m("diagnostic", "stuck session recovery outcome: status=released action=release_lane sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 lane=session:agent:main:telegram:direct:123456789 reason=no_active_work released=0",
            Event::Recovery(Box::new(Recovery { session: session(Some(SID), Some(KEY)), step: s("outcome"), status: some("released"), action: some("release_lane"), reason: some("no_active_work"), lane: some("session:agent:main:telegram:direct:123456789"), released: Some(0), ..Recovery::default() }))),
        m("diagnostic", "stuck session recovery reclaiming stale active run: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 age=600s queueDepth=1",
            Event::Recovery(Box::new(Recovery { session: session(Some(SID), Some(KEY)), step: s("reclaiming"), ..Recovery::default() }))),
        m("diagnostic", "session state: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 prev=idle new=processing reason=\"run_started\" queueDepth=0",
            Event::SessionState { session: session(Some(SID), Some(KEY)), prev: s("idle"), new: s("processing"), reason: s("run_started"), queue_depth: 0 }),
        m("diagnostic", "message queued: sessionId=unknown sessionKey=agent:main:telegram:direct:123456789 source=dispatch queueDepth=1 sessionState=idle",
            Event::MessageQueued { session: session(None, Some(KEY)), source: s("dispatch"), queue_depth: 1, state: s("idle") }),
        m("diagnostic", "message received: channel=webchat chatId=unknown messageId=m1 sessionId=unknown sessionKey=agent:main:telegram:direct:123456789 source=dispatch",
            Event::MessageReceived { session: session(None, Some(KEY)), channel: s("webchat") }),
        m("diagnostic", "message processed: channel=telegram chatId=1 messageId=2 sessionId=unknown sessionKey=agent:main:telegram:direct:123456789 outcome=error duration=10041ms error=\"Error: timeout acquiring session store lock: /home/node/.clawdbot/agents/main/sessions/sessions.json.lock\"",
            Event::MessageProcessed { session: session(None, Some(KEY)), channel: s("telegram"), outcome: s("error"), duration_ms: Some(10_041), cause: Some(store_timeout()) }),
        m("diagnostic", "message dispatch started: channel=webchat sessionId=unknown sessionKey=agent:main:main source=replyResolver",
            Event::DispatchStarted { session: session(None, Some("agent:main:main")), channel: s("webchat") }),
        m("diagnostic", "message dispatch completed: channel=webchat sessionId=unknown sessionKey=agent:main:main source=replyResolver outcome=error duration=133ms",
            Event::DispatchCompleted { session: session(None, Some("agent:main:main")), channel: s("webchat"), outcome: s("error"), duration_ms: Some(133), cause: None }),
        m("diagnostic", "session turn created: runId=r1 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 agentId=main channel=webchat trigger=user",
            Event::TurnCreated { session: session(Some(SID), Some(KEY)), run_id: s("r1"), trigger: s("user") }),
        m("diagnostic", "run attempt: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:telegram:direct:123456789 runId=r1 attempt=2",
            Event::RunAttempt { session: session(Some(SID), Some(KEY)), run_id: s("r1"), attempt: 2 }),
        m("diagnostic", "heartbeat: webhooks=0/0/0 active=1 waiting=0 queued=2", Event::Heartbeat { active: 1, waiting: 0, queued: 2 }),
        // Runs and models
        m("agent/embedded", "embedded run start: runId=r1 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 provider=anthropic model=opus thinking=off messageChannel=telegram",
            Event::RunStart { run_id: s("r1"), session_id: s(SID), model: some("opus"), channel: some("telegram") }),
        m("agent/embedded", "embedded run done: runId=r1 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 durationMs=45120 aborted=true",
            Event::RunDone { run_id: s("r1"), session_id: s(SID), duration_ms: 45_120, aborted: true }),
        m("agent/embedded", "embedded run timeout after compaction grace: runId=r1 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 timeoutMs=600000 compactionGraceMs=60000",
            Event::RunTimeout { run_id: some("r1"), session_id: some(SID), timeout_ms: 600_000, phase: TimeoutPhase::AfterCompactionGrace }),
        m("agent/embedded", "embedded run timeout reached during compaction; extending deadline: runId=r1 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 timeoutMs=600000 extraMs=60000",
            Event::RunTimeout { run_id: some("r1"), session_id: some(SID), timeout_ms: 600_000, phase: TimeoutPhase::Extended }),
        m("agent/embedded", "embedded run abort still streaming: runId=r1 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42",
            Event::RunAbortStreaming { run_id: s("r1"), session_id: s(SID) }),
        m("agent/embedded", "embedded abort settle timed out: runId=r1 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 timeoutMs=15000",
            Event::AbortSettleTimeout { run_id: some("r1"), session_id: some(SID), timeout_ms: Some(15_000) }),
        m("agent/embedded", "embedded run agent end: runId=r1 isError=true model=fake-1 provider=fake error=session file changed while embedded prompt lock was released: /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl rawError=x",
            Event::RunAgentEnd { run_id: s("r1"), is_error: true, cause: Some(Cause::Takeover { transcript: s(TRANSCRIPT) }) }),
        m("agent/embedded", "embedded run failover decision: runId=r1 stage=assistant decision=surface_error reason=timeout from=fake/fake-1 profile=-",
            Event::FailoverDecision { run_id: some("r1"), stage: some("assistant"), decision: some("surface_error"), reason: some("timeout"), model: some("fake/fake-1") }),
        m("model-fallback/decision", "model fallback decision: decision=candidate_failed requested=fake/fake-1 candidate=fake/fake-1 reason=timeout next=none",
            Event::ModelFallback { reason: some("timeout"), decision: some("candidate_failed"), cause: None }),
        m("provider-transport-fetch", "[model-fetch] error provider=fake api=openai-completions model=fake-1 elapsedMs=20098 name=TimeoutError code=undefined causeName=undefined causeCode=undefined message=request timed out",
            Event::ModelFetchError { provider: some("fake"), model: some("fake-1"), elapsed_ms: Some(20_098), name: some("TimeoutError") }),
        m("agent/embedded", "[llm-idle-timeout] fake/fake-1 produced no reply before the idle timeout", Event::ModelIdle { after_ms: None }),
        m("agent/embedded", "Profile anthropic:personal timed out. Trying next account...", Event::ProfileTimeout { profile: s("anthropic:personal") }),
        m("diagnostic", "run registered: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 totalActive=1", Event::RunRegistered { session_id: s(SID), total_active: 1 }),
        m("diagnostic", "run cleared: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 totalActive=0", Event::RunCleared { session_id: s(SID), total_active: 0 }),
        m("diagnostic", "run clear skipped: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 reason=handle_mismatch", Event::RunClearSkipped { session_id: s(SID), reason: s("handle_mismatch") }),
        m("diagnostic", "queue message failed: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 reason=not_streaming", Event::QueueMessageFailed { session_id: s(SID), reason: s("not_streaming") }),
        m("diagnostic", "wait timeout: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 timeoutMs=15000", Event::WaitTimeout { session_id: s(SID), timeout_ms: 15_000 }),
        m("", "Embedded agent failed before reply: session file locked (timeout 10000ms): pid=4242 /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock", Event::AgentFailed { cause: locked(4242) }),
        m("agent/embedded", "Removed orphaned user message to prevent consecutive user turns. runId=r1 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42",
            Event::OrphanUserMessage { run_id: some("r1"), session_id: some(SID), preserved: false }),
        m("agent/embedded", "Preserved orphaned user message without removing the active session leaf. runId=r1 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 trigger=user",
            Event::OrphanUserMessage { run_id: some("r1"), session_id: some(SID), preserved: true }),
        // Locks
        m("", "[session-write-lock] releasing lock held for 48298ms (max=20000ms): /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock",
            Event::WatchdogRelease { held_ms: 48_298, max_ms: 20_000, lock: s(LOCK) }),
        m("gateway", "removed stale session lock: /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock (dead-pid, too-old)",
            Event::StaleLockRemoved { lock: s(LOCK), reasons: vec![s("dead-pid"), s("too-old")] }),
        m("gateway", "session lock cleanup failed on startup: Error: EACCES: permission denied", Event::LockCleanupFailed { cause: Cause::Other { class: some("Error") } }),
        m("agent/embedded", "failed to release session lock on abort: runId=r1 Error: EPERM", Event::LockReleaseFailed { run_id: some("r1"), cause: Cause::Other { class: None } }),
        m("main-session-restart-recovery", "marked 1 interrupted main session(s) from stale transcript locks", Event::InterruptedMarked { count: 1, why: Interruption::StaleLocks }),
        m("main-session-restart-recovery", "marked 2 startup-orphaned main session(s) for restart recovery", Event::InterruptedMarked { count: 2, why: Interruption::StartupOrphaned }),
        m("main-session-restart-recovery", "marked 3 interrupted main session(s) for restart recovery", Event::InterruptedMarked { count: 3, why: Interruption::Restart }),
        m("main-session-restart-recovery", "resumed interrupted main session: agent:main:main", Event::RunResumed { session_key: s("agent:main:main") }),
        m("main-session-restart-recovery", "started interrupted main session: agent:main:main", Event::RunResumed { session_key: s("agent:main:main") }),
        m("", "FailoverError: session file locked (timeout 10000ms): pid=4242 /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock", Event::Failed { cause: locked(4242) }),
        m("gateway", "request handler failed: Error: session file locked (timeout 10000ms): pid=77 /home/node/.clawdbot/agents/main/sessions/sessions.json.lock",
            Event::HandlerFailed { channel: some("request"), cause: Cause::StoreLocked { timeout_ms: 10_000, owner: pid(77), lock: s(STORE) } }),
        m("gateway/channels/telegram", "handler failed: Error: timeout waiting for session store lock: /home/node/.openclaw/agents/main/sessions/sessions.json",
            Event::HandlerFailed { channel: some("telegram"), cause: Cause::StoreQueueTimeout { store: s("/home/node/.openclaw/agents/main/sessions/sessions.json") } }),
        // Process
        m("gateway", "listening on ws://127.0.0.1:18789 (PID 6580)", Event::GatewayListening { pid: Some(6580), port: Some(18_789) }),
        m("gateway", "listening on ws://127.0.0.1:23000, ws://[::1]:23000 (PID 7717)", Event::GatewayListening { pid: Some(7717), port: Some(23_000) }),
        m("gateway", "listening on ws://[::1]:18789", Event::GatewayListening { pid: None, port: Some(18_789) }),
        m("gateway", "http server listening (2 plugins, 13.0s)", Event::HttpListening { plugins: Some(2), took_ms: Some(13_000) }),
        m("gateway", "gateway ready", Event::GatewayReady),
        m("gateway", "log file: /tmp/openclaw/openclaw-2026-11-22.log", Event::LogFile { path: s("/tmp/openclaw/openclaw-2026-11-22.log") }),
        m("gateway", "signal SIGTERM received", Event::Signal { name: s("SIGTERM") }),
        m("gateway", "received SIGTERM; shutting down", Event::Shutdown { signal: s("SIGTERM") }),
        m("gateway", "received SIGTERM during shutdown; ignoring", Event::Signal { name: s("SIGTERM") }),
        m("gateway", "received SIGUSR1; restarting", Event::Shutdown { signal: s("SIGUSR1") }),
        m("gateway/shutdown", "shutdown completed cleanly in 832ms", Event::ShutdownDone { took_ms: Some(832) }),
        m("gateway", "draining 3 active task(s) and 1 active embedded run(s) before restart (timeout 30000ms)", Event::Draining { tasks: Some(3), runs: Some(1), timeout_ms: Some(30_000) }),
        m("gateway", "draining active work before stop with timeout 315000ms: queueSize=2 embeddedRuns=1 activeTasks=3 sessionAdmissions=2 rootRequests=1", Event::Draining { tasks: Some(3), runs: Some(1), timeout_ms: Some(315_000) }),
        m("gateway", "restart timeout after 30010ms with 2 active task(s) remaining; forcing restart", Event::DrainTimeout { elapsed_ms: Some(30_010) }),
        m("gateway", "gateway already running (pid 4711); lock timeout after 5000ms", Event::GatewayRefused { pid: Some(4711) }),
        m("gateway", "failed to acquire gateway lock at /tmp/openclaw-0/gateway.0165b212.lock", Event::GatewayRefused { pid: None }),
        m("", "Gateway failed to start: Another Gateway owner lease is still active for this state directory. Run openclaw gateway status --deep for diagnostics.", Event::OwnerLeaseRefused),
        m("", "Refusing to bind gateway to auto without auth.", Event::StartFailed { owned: false, reason: s("Refusing to bind gateway to auto without auth.") }),
        m("", "Missing config. Run `openclaw setup` or set gateway.mode=local (or pass --allow-unconfigured).", Event::StartFailed { owned: false, reason: s("Missing config. Run `openclaw setup` or set gateway.mode=local (or pass --allow-unconfigured).") }),
        m("", "Gateway start blocked: set gateway.mode=local (current: remote) or pass --allow-unconfigured.", Event::StartFailed { owned: false, reason: s("Gateway start blocked: set gateway.mode=local (current: remote) or pass --allow-unconfigured.") }),
        m("", "Gateway auth is set to password, but no password is configured.", Event::StartFailed { owned: false, reason: s("Gateway auth is set to password, but no password is configured.") }),
        m("", "Invalid --tailscale. Use \"off\", \"serve\", or \"funnel\".", Event::StartFailed { owned: false, reason: s("Invalid --tailscale. Use \"off\", \"serve\", or \"funnel\".") }),
        m("", "openclaw: Node 20.20.2: node:sqlite is unavailable; use 24.16+/26.1+ or a build with the fix.", Event::StartFailed { owned: false, reason: s("openclaw: Node 20.20.2: node:sqlite is unavailable; use 24.16+/26.1+ or a build with the fix.") }),
        m("", "Another gateway (pid 4711) already owns this state directory; refusing to run automatic startup migrations or report the gateway ready. Stop it with \"openclaw gateway stop\", then retry startup.", Event::GatewayRefused { pid: Some(4711) }),
        m("gateway", "OpenClaw startup migrations did not complete cleanly; refusing to report the gateway ready.", Event::StartupRefused),
        m("gateway/reload", "config reload skipped (invalid config): : JSON5 parse failed: SyntaxError: JSON5: invalid end of input at 57:13", Event::ConfigIgnored),
        m("", "openclaw-gateway.service: Start request repeated too quickly.", Event::ServiceGaveUp { unit: "openclaw-gateway.service".into(), by_limit: true }),
        m("", "openclaw-gateway.service: Main process exited, code=exited, status=78/CONFIG", Event::ServiceGaveUp { unit: "openclaw-gateway.service".into(), by_limit: false }),
        m("diagnostic", "liveness warning: reasons=event_loop_delay,cpu interval=30s degradedFor=60s eventLoopDelayP99Ms=1811.9 eventLoopDelayMaxMs=3804.2 eventLoopUtilization=0.895 cpuCoreRatio=unknown active=1 waiting=0 queued=2 phase=plugins recentPhases=a:1ms,b:2ms work=[active=agent:main:main(processing/model_call,q=2,age=30s)]",
            Event::Liveness(Box::new(Liveness { reasons: vec![s("event_loop_delay"), s("cpu")], interval_ms: 30_000, degraded_for_ms: Some(60_000), delay_p99_ms: Some(1811.9), delay_max_ms: Some(3804.2), utilization: Some(0.895), cpu_ratio: None, active: 1, waiting: 0, queued: 2, phase: some("plugins") }))),
        m("diagnostic", "liveness heartbeat delayed: overdue=14002ms elapsed=44002ms; deferring recovery decisions", Event::HeartbeatDelayed { overdue_ms: 14_002 }),
        m("diagnostic", "liveness heartbeat delayed 14002ms; deferring recovery decisions", Event::HeartbeatDelayed { overdue_ms: 14_002 }),
        m("diagnostic", "memory pressure: level=critical reason=rss_threshold rssBytes=3221225472 heapUsedBytes=2147483648 thresholdBytes=3000000000", Event::MemoryPressure { critical: true, rss_bytes: Some(3_221_225_472), heap_bytes: Some(2_147_483_648) }),
        m("fetch-timeout", "fetch timeout after 20000ms (elapsed 741051ms) timer delayed 721051ms, likely event-loop starvation operation=fetchWithSsrFGuard url=http://127.0.0.1/v1", Event::FetchTimeout { timeout_ms: Some(20_000), elapsed_ms: Some(741_051), timer_delay_ms: Some(721_051), operation: some("fetchWithSsrFGuard") }),
        m("gateway", "provider auth state pre-warmed in 140644ms eventLoopMax=118984.0ms", Event::AuthPrewarmed { took_ms: 140_644, event_loop_max_ms: Some(118_984.0) }),
        m("logging", "log file size cap reached; suppressing writes file=/tmp/x.log maxFileBytes=500", Event::LogLost { dropped: None, what: LogLoss::SizeCap }),
        m("", "[openclaw] file log queue overflow; dropped 312 oldest records", Event::LogLost { dropped: Some(312), what: LogLoss::QueueOverflow }),
        m("", "[openclaw] log file rotation failed; continuing writes file=/tmp/x.log maxFileBytes=500", Event::LogLost { dropped: None, what: LogLoss::RotationFailed }),
        // RPC and channels
        m("gateway/ws", "⇄ res ✓ cron.list 212603ms conn=8a3f…1c78 id=4f2b…9d11", Event::Rpc { ok: true, method: s("cron.list"), duration_ms: Some(212_603), cause: None }),
        m("gateway/ws", "⇄ res ✗ agent errorCode=UNAVAILABLE errorMessage=FailoverError: session file locked (timeout 10000ms): pid=4242 /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock runId=r1 error=FailoverError: x conn=8a3f…1c78 id=m1", Event::Rpc { ok: false, method: s("agent"), duration_ms: None, cause: Some(locked(4242)) }),
        m("gateway/ws", "⇄ res ✗ agent errorCode=UNAVAILABLE errorMessage=Session \"agent:main:main\" changed while starting work. Retry. | SESSION_WORK_START_CHANGED conn=4…8 id=m", Event::Rpc { ok: false, method: s("agent"), duration_ms: None, cause: Some(Cause::SessionChanged) }),
        m("", "gateway request timeout for cron.list", Event::GatewayTimeout { after_ms: None, tool: None, method: some("cron.list") }),
        m("gateway/channels/discord", "discord handler failed: Error: SQLITE_BUSY: database is locked", Event::HandlerFailed { channel: some("discord"), cause: Cause::DatabaseBusy }),
        m("gateway/channels/discord", "discord inbound worker timed out after 600 seconds", lost(Undelivered { after_ms: Some(600_000), reason: s("discord inbound worker timed out after 600 seconds"), ..undelivered(Loss::Message, "discord") })),
        m("gateway/channels/telegram", "[diag] spooled update 12 failed; keeping for retry: Error: ENOSPC: no space left on device, write", lost(Undelivered { fate: Fate::Retried, item: some("12"), cause: Cause::DiskFull, reason: s("Error: ENOSPC: no space left on device, write"), ..undelivered(Loss::Ingress, "telegram") })),
        m("gateway/channels/telegram", "Polling stall detected (no getUpdates for 95s); forcing restart", Event::PollingStall { channel: some("telegram") }),
        m("cron", "cron: job execution timed out", lost(Undelivered { lane: some("cron"), channel: None, reason: s("cron: job execution timed out"), ..undelivered(Loss::Job, "") })),
        m("", "Error: SQLITE_BUSY: database is locked", Event::Failed { cause: Cause::DatabaseBusy }),
        // SQLite
        m("sqlite/transaction", "slow SQLite transaction hold async=false elapsedMs=1261 isMainThread=false pid=28617 threadId=3 thresholdMs=1000", Event::SlowSqlite { what: SlowSqlite::TransactionHold, elapsed_ms: Some(1261), database: None, operation: None, pid: Some(28_617), outcome: None, main_thread: false }),
        m("sqlite/transaction", "slow SQLite transaction lock wait async=false elapsedMs=5003", Event::SlowSqlite { what: SlowSqlite::LockWait, elapsed_ms: Some(5003), database: None, operation: None, pid: None, outcome: None, main_thread: false }),
        m("sqlite/transaction", "slow SQLite coordinator lock wait async=false database=/home/node/.openclaw/state/openclaw.sqlite elapsedMs=116.4 operation=state.write", Event::SlowSqlite { what: SlowSqlite::CoordinatorLockWait, elapsed_ms: Some(116), database: some("/home/node/.openclaw/state/openclaw.sqlite"), operation: some("state.write"), pid: None, outcome: None, main_thread: false }),
        m("session-sqlite", "slow SQLite session write operation=session-entry.patch elapsedMs=1921", Event::SlowSqlite { what: SlowSqlite::SessionWrite, elapsed_ms: Some(1921), database: None, operation: some("session-entry.patch"), pid: None, outcome: None, main_thread: false }),
        m("session-sqlite", "slow SQLite reclamation Worker operation pid=28103 threadId=0 elapsedMs=3240 outcome=rejected exitCode=0", Event::SlowSqlite { what: SlowSqlite::Reclamation, elapsed_ms: Some(3240), database: None, operation: None, pid: Some(28_103), outcome: some("rejected"), main_thread: false }),
    ]);
    all
}

#[test]
fn every_message_is_its_event() {
    for message in messages() {
        let line = format!(
            "2026-11-22T14:07:28.000Z [{}] {}",
            if message.subsystem.is_empty() { "gateway" } else { message.subsystem },
            message.text
        );
        let line = if message.subsystem.is_empty() {
            format!("2026-11-22T14:07:28.000Z {}", message.text)
        } else {
            line
        };
        let record = read_line(line.as_bytes(), None).unwrap();
        assert_eq!(recognise(&record), Some(message.event), "{line}");
    }
}

#[test]
fn what_is_not_known_is_no_event() {
    for text in [
        "",
        "agent model: fake/fake-1",
        "lane task exploded: lane=main durationMs=5",
        "lane task done: lane=main durationMs=abc active=1 queued=0",
        "stuck session: sessionId=x",
        "embedded run timeout: runId=x",
        "the user said: handler failed to amuse me",
        "session file locked",
        "device pairing auto-approved device=x role=operator",
        "Profile picture of the day timed out",
        "closed: the shop",
        "marked 3 messages as read",
    ] {
        let line = format!("2026-11-22T14:07:28.000Z [agent] {text}");
        let event = read_line(line.as_bytes(), None).ok().and_then(|record| recognise(&record));
        assert_eq!(event, None, "{text}");
    }
}

/// Every message template of OpenClaw's own diagnostic, lane, session, lock and ingress code, of nine releases, as
/// `tests/real/templates.mjs --save` renders them. What is left alone on purpose is named there.
#[test]
fn every_template_of_the_source_is_recognised() {
    let rendered = include_str!("../../fixtures/logs/templates.txt");
    let unknown: Vec<&str> = rendered
        .lines()
        .filter(|row| {
            let line = row.split_once('\t').expect("versions, then the line").1;
            let record = read_line(format!("2026-11-22T14:07:28.000Z [gateway] {line}").as_bytes(), None);
            record.ok().and_then(|record| recognise(&record)).is_none()
        })
        .collect();
    assert!(rendered.lines().count() > 150);
    assert!(unknown.is_empty(), "{unknown:#?}");
}
