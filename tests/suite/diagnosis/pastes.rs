//! A few lines of a log as people paste them into a report: without stamps, names or levels, wrapped by hand, copied
//! out of a record. What comes first, and what is said of it.

use super::diagnose;
use lockdoctor::diagnosis::Severity::{self, Critical, Info, Warning};
use lockdoctor::diagnosis::input::Facts;

type Paste = (&'static str, Option<(&'static str, Severity)>, &'static str);

#[rustfmt::skip] // a table
const PASTES: &[Paste] = &[
    ("stalled session: state=processing age=310s queueDepth=2 reason=active_work_without_progress\n\
      classification=stalled_agent_run activeWorkKind=embedded_run lastProgress=embedded_run:started\n\
      lastProgressAge=340s recovery=none",
     Some(("stuck-session", Warning)), "no progress for 5m 40s; 2 messages wait"),
    ("2026-06-20T17:44:07+08:00 [diagnostic] stuck session:\nsessionKey=agent:desk:telegram:direct:<redacted>\n\
      state=processing age=9600s queueDepth=2\nreason=processing_with_queued_work recovery=checking\n\
      2026-06-20T17:44:07+08:00 [diagnostic] stuck session recovery:\naction=none reason=no_active_work",
     Some(("stuck-session", Critical)), "found no work in progress and did nothing"),
    ("{\"subsystem\":\"diagnostic\"} \"stalled session: sessionId=desk sessionKey=agent:desk:desk state=processing age=1049s queueDepth=1 reason=active_work_without_progress classification=stalled_agent_run activeWorkKind=embedded_run lastProgress=embedded_run:started lastProgressAge=1049s recovery=none\"",
     Some(("stuck-session", Warning)), "1 message waits behind it"),
    ("stalled session: sessionKey=agent:desk:whatsapp:default:direct:<redacted> state=processing age=330s queueDepth=1 reason=blocked_tool_call classification=blocked_tool_call activeWorkKind=tool_call lastProgress=tool:exec:started activeTool=exec activeToolAge=3224s recovery=none",
     Some(("stuck-run", Warning)), "in the tool `exec`"),
    ("lane task error: lane=main durationMs=65602 error=\"FailoverError: \u{26a0}\u{fe0f} API rate limit reached. Please try again later.\"",
     Some(("message-failed", Warning)), "limits how much is sent to it"),
    ("22:51:18.302 [diagnostic] lane task error: lane=main durationMs=8069 error=\"FailoverError: HTTP 401 authentication_error: OAuth token has expired\"\n\
      22:51:18.304 [diagnostic] lane task error: lane=session:agent:desk:matrix:room:a durationMs=8071 error=\"FailoverError: HTTP 401 authentication_error: OAuth token has expired\"",
     Some(("message-failed", Warning)), "did not accept the login"),
    ("[diagnostic] lane task error: lane=session:agent:desk:line:direct:u durationMs=632 error=\"FailoverError: Unknown model: nowhere/none-1\"",
     Some(("message-failed", Warning)), "the configured model does not exist"),
    ("2026-03-16T15:09:29Z embedded run agent end: runId=605aeb28 isError=true model=m provider=p error=overloaded_error",
     Some(("message-failed", Warning)), "the provider of the model is overloaded. The log does not say whose"),
    ("Error: timeout acquiring session store lock: /home/u/.openclaw/agents/desk/sessions/sessions.json.lock",
     Some(("store-lock-contention", Warning)), "the session store's lock"),
    ("2026-06-05T00:29:05.26957  GatewayRequestError: Error: file is not a database: code=ERR_SQLITE_ERROR",
     Some(("message-failed", Critical)), "damaged"),
    ("2026-09-07T22:52:30.000Z [main-session-restart-recovery] failed to resume interrupted main session agent:desk:telegram:group:-1:topic:7: Error: restart recovery admission changed before settlement",
     Some(("message-failed", Warning)), "1 message failed"),
    ("Subagent completion direct announce failed for run r1: gateway request timeout for agent",
     Some(("job-failed", Warning)), "did not reach the chat"),
    ("15:06:16.090 stuck session: sessionId=\u{2026} sessionKey=agent:desk:googlechat:direct:spaces/\u{2026}\n  \
      state=processing age=127s queueDepth=7 reason=queued_work_without_active_run\n  \
      classification=stale_session_state lastProgress=run:completed lastProgressAge=370s\n  \
      terminalProgressStale=true recovery=checking\n\
      15:06:16.130 stuck session recovery: \u{2026} action=abort_embedded_run aborted=false drained=false released=0",
     Some(("stuck-session", Warning)), "aborted the run and released nothing"),
    ("Gateway process is running but port 18789 is still free (startup hang/crash loop or very slow VM startup).\n\
      Gateway restart timed out after 60s waiting for health checks.",
     Some(("start-refused", Critical)), "no message is answered"),
    ("WhatsApp periodic drain: retry failed for entry 4f1c: delivery state is send_attempt_started; refusing blind replay without adapter reconciliation",
     Some(("message-failed", Warning)), "OpenClaw has given it up"),
    ("[ws] \u{21c4} res \u{2717} chat.send 3ms errorCode=UNAVAILABLE errorMessage=Gateway is draining; new tasks are not accepted",
     Some(("message-failed", Warning)), "draining"),
    // A compaction that came to nothing, with and without the run that it was part of.
    ("- `embedded run timeout: runId=1c2 sessionId=dde74e9a timeoutMs=600000`\n\
      - `using current snapshot: timed out during compaction runId=1c2 sessionId=dde74e9a`",
     Some(("run-timeout", Warning)), "shortening the conversation"),
    ("`embedded run timeout: timed out during compaction`", Some(("message-failed", Warning)), "within the time limit"),
    ("2026-06-26T13:49:22+08:00 [agents/cli-compaction] CLI transcript compaction failed for p/m: Compaction timed out",
     Some(("message-failed", Warning)), "within the time limit"),
    ("Auto-compaction failed (unhandled): Context overflow: Turn prefix summarization failed:\n\
      400 {\"type\":\"error\",\"error\":{\"message\":\"prompt is too long: 211884 tokens > 200000 maximum\"}}",
     Some(("message-failed", Warning)), "could not be shortened"),
    ("2026-03-06T17:32:42.621Z [agent/embedded] [compaction-diag] end runId=eb2e sessionKey=agent:desk:desk diagId=c trigger=manual outcome=failed reason=timeout durationMs=300011 retrying=false",
     Some(("message-failed", Warning)), "within the time limit"),
    ("2026-02-10T21:50:08.000Z warn agent/embedded embedded run timeout: runId=581e sessionId=77aa timeoutMs=600000\n\
      2026-02-10T21:56:00.000Z debug diagnostic run active check: sessionId=77aa active=true",
     Some(("stuck-run", Critical)), "still counted it as active"),
    ("12:14:52-07:00 warn agent/embedded {\"subsystem\":\"agent/embedded\"} incomplete turn detected: runId=d0ab sessionId=b24e provider=p/m stopReason=stop payloads=0 tools=1 replaySafe=no \u{2014} surfacing error to user",
     Some(("message-failed", Warning)), "without a text to send"),
    ("FailoverError: No available auth profile for google (all in cooldown or unavailable)",
     Some(("message-failed", Warning)), "cooldown"),
    ("17:00:44  lane task error lane=main error=\"FailoverError: OAuth token refresh failed for p: p token refresh failed (401): Your refresh token has already been used\"",
     Some(("message-failed", Warning)), "did not accept the login"),
    ("OAuth token refresh failed for openai-codex: OpenAI Codex token refresh failed (401): {\n  \"error\": {",
     Some(("message-failed", Warning)), "did not accept the login"),
    ("model_fallback_decision:\n  fallbackStepFromFailureDetail:\n    \"session file locked (timeout 60000ms):\n     pid=18948 C:\\.openclaw\\agents\\desk\\sessions\\uuid....lock\"",
     Some(("lock-contention", Warning)), "pid 18948"),
    ("session.ended status=error timedOut=True promptError='codex app-server turn idle timed out waiting for turn/completed'",
     Some(("slow-model-call", Warning)), "The model side timed out"),
    ("telegram sendMessage failed: Network request for 'sendMessage' failed!", Some(("message-failed", Warning)), "could not be reached"),
    ("Error: No active WhatsApp Web listener (account: default). Start the gateway, then link WhatsApp",
     Some(("message-failed", Warning)), "was not connected"),
    ("Gateway is draining; new tasks are not accepted", Some(("message-failed", Warning)), "draining"),
    ("```json\n\"lastError\": \"Error: cron: job execution timed out\"\n\"lastDurationMs\": 30060",
     Some(("job-failed", Warning)), "at its own time limit"),
    // Nobody is kept waiting in these.
    ("[telegram] getUpdates conflict: Call to 'getUpdates' failed! (409: Conflict: terminated by other getUpdates request; make sure that only one bot instance is running); retrying in 30s.",
     Some(("ingress-stalled", Info)), "another program fetches"),
    ("14:24:00 [sqlite/transaction] SQLite transaction lock wait failed", Some(("database-busy", Info)), "No message failed"),
    ("Slow listener detected: discord message handler took 132061ms", Some(("slow-listener", Info)), "2m 12s"),
    ("[agent/embedded] compaction failed: Nothing to compact (session too small)\n[telegram] typing TTL reached (2m); stopping typing indicator\n\
      [compaction-diag] end runId=r sessionKey=agent:desk:desk outcome=failed reason=no_compactable_entries", None, ""),
    ("[WARN] discord/monitor | Slow listener detected: DiscordMessageListener MESSAGE_CREATE durationMs=449803 (449.8 seconds)",
     Some(("slow-listener", Info)), "7m 29s"),
    ("telegram sendMessage ok chat=8071 message=3399\n[ws] \u{21c4} res \u{2713} health 12ms", None, ""),
    ("[diagnostic] lane wait exceeded: lane=session:agent:desk:desk waitedMs=91671  queueAhead=1", Some(("lane-wait", Info)), "1m 31s"),
    ("2026-03-16T15:09:29Z embedded run agent end: runId=r isError=true model=m provider=p error=overloaded_error\n\
      2026-03-16T15:09:40Z embedded run agent end: runId=r isError=false model=n provider=q", None, ""),
];

#[test]
fn a_few_lines_are_enough() {
    let mut wrong = Vec::new();
    for (text, first, says) in PASTES {
        let findings = diagnose(text, &Facts::default()).findings;
        let found = findings.first().map(|finding| (finding.code.as_str(), finding.severity));
        let said = findings.first().map_or("", |finding| &finding.explanation);
        if found != *first || !said.contains(says) {
            wrong.push(format!("{text}\n  expected {first:?} {says:?}\n  found {found:?} {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
