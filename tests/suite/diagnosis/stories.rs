//! Troubles as their logs tell them, one of each kind: what comes first, how serious it is, what is said and what must
//! not be. And the same in every shape in which people paste a log.

use super::{codes, diagnose};
use lockdoctor::diagnosis::input::Facts;
use lockdoctor::diagnosis::{Diagnosis, Finding, Severity};
use std::fmt::Write as _;

use Severity::{Critical, Info, Warning};

struct Story {
    name: &'static str,
    log: String,
    first: Option<&'static str>,
    severity: Severity,
    helps: Option<bool>,
    /// Each of them, in what is said.
    says: &'static [&'static str],
    never: &'static [&'static str],
}

const SID: &str = "5b0c7a11-2f6e-4d1c-8a35-7f10c2d40e11";
const KEY: &str = "agent:desk:matrix:channel:lobby";
const DIR: &str = "/srv/claw/.openclaw/agents/desk/sessions";

/// `HH:MM:SS text` lines of one day.
fn log(lines: &[(&str, &str)]) -> String {
    let mut log = String::new();
    for (time, text) in lines {
        let text = text.replace("SID", SID).replace("KEY", KEY).replace("DIR", DIR);
        writeln!(log, "2026-06-20T{time}.000Z {text}").unwrap();
    }
    log
}

fn stalled(progress: &str, age: u32, queue: u32, recovery: &str) -> String {
    format!(
        "[diagnostic] stalled session: sessionId=SID sessionKey=KEY state=processing age={age}s queueDepth={queue} reason=active_work_without_progress classification=stalled_agent_run activeWorkKind=embedded_run lastProgress={progress} lastProgressAge={age}s recovery={recovery}"
    )
}

const FREED_NOTHING: &str = "[diagnostic] stuck session recovery outcome: status=aborted action=abort_embedded_run sessionId=SID sessionKey=KEY activeWorkKind=embedded_run lane=session:KEY aborted=true drained=true forceCleared=false released=0";
const LOCKED: &str = "[diagnostic] lane task error: lane=session:KEY durationMs=60120 error=\"SessionWriteLockTimeoutError: session file locked (timeout 60000ms): pid=909 DIR/SID.jsonl.lock\"";

const KEPT_AGAIN: &str = "[diagnostic] stuck session: sessionId=SID sessionKey=KEY state=processing age=121s queueDepth=1 reason=queued_work_without_active_run classification=stale_session_state recovery=checking";
const KEPT: &str = "[diagnostic] stuck session recovery skipped: reason=active_reply_work action=keep_lane sessionId=SID sessionKey=KEY age=121s queueDepth=1 activeSessionId=SID";

fn story(name: &'static str, log: String, first: &'static str, severity: Severity) -> Story {
    Story { name, log, first: Some(first), severity, helps: None, says: &[], never: &[] }
}

#[rustfmt::skip] // a table
fn stories() -> Vec<Story> {
    let ended = stalled("model_call:ended", 420, 1, "none");
    let started = stalled("embedded_run:started", 400, 2, "checking");
    let later = stalled("embedded_run:recovery_skipped_active_owner", 130, 2, "checking");
    let call = "[diagnostic] stalled session: sessionId=SID sessionKey=KEY state=processing age=200s queueDepth=1 reason=active_work_without_progress classification=stalled_agent_run activeWorkKind=model_call lastProgress=model_call:started lastProgressAge=200s recovery=none";
    vec![
        Story { says: &["5m", "reached its time limit", "left its lock behind"], never: &["No lock is involved", "let go of its lock"],
            ..story("a run at its limit, and messages that fail on its lock", log(&[
                ("09:00:00", "[agent/embedded] embedded run timeout: runId=r1 sessionId=SID timeoutMs=300000"),
                ("09:02:00", LOCKED), ("09:04:00", LOCKED), ("09:06:00", LOCKED)]), "lock-contention", Critical) },
        Story { says: &["model_call:ended", "/stop"], never: &["in use"],
            ..story("a model call that ended and nothing after it", log(&[("09:00:00", &ended)]), "stuck-session", Warning) },
        Story { says: &["released nothing", "gateway restart"],
            ..story("a recovery that frees nothing", log(&[("09:00:00", &started), ("09:00:01", FREED_NOTHING), ("09:02:40", &later)]), "stuck-session", Critical) },
        Story { says: &["It went on at"], never: &["gateway restart"],
            ..story("a slow call that came to its end", log(&[("09:00:00", call),
                ("09:01:10", "[diagnostic] lane wait exceeded: lane=session:KEY waitedMs=190000 queueAhead=0 activeAhead=1 activeNow=0 queueBehind=0")]), "slow-model-call", Info) },
        Story { says: &["left the chat alone", "run:completed"],
            ..story("a run whose mark stays", log(&[
                ("09:00:00", "[diagnostic] stuck session: sessionId=SID sessionKey=KEY state=processing age=140s queueDepth=5 reason=queued_work_without_active_run classification=stale_session_state lastProgress=run:completed lastProgressAge=500s recovery=checking"),
                ("09:00:01", "[diagnostic] stuck session recovery outcome: status=skipped action=keep_lane sessionId=SID sessionKey=KEY reason=active_reply_work"),
                ("09:05:00", "[diagnostic] stuck session: sessionId=SID sessionKey=KEY state=processing age=130s queueDepth=6 reason=queued_work_without_active_run classification=stale_session_state lastProgress=run:completed lastProgressAge=800s recovery=checking"),
                ("09:05:01", "[diagnostic] stuck session recovery outcome: status=skipped action=keep_lane sessionId=SID sessionKey=KEY reason=active_reply_work")]), "stuck-session", Critical) },
        Story { says: &["Nothing after it shows"], never: &["No lock", "lock is involved"],
            ..story("a run at its limit and nothing more", log(&[("09:00:00", "[agent/embedded] embedded run timeout: runId=r1 sessionId=SID timeoutMs=600000")]), "run-timeout", Warning) },
        Story { says: &["another one each time|another lock each time"], never: &["left its lock behind"],
            ..story("a chat that is simply busy", log(&[
                ("09:00:00", "[diagnostic] lane task error: lane=session:KEY durationMs=60100 error=\"SessionWriteLockTimeoutError: session file locked (timeout 60000ms): pid=909 alive=true ageMs=61000 DIR/SID.jsonl.lock\""),
                ("09:20:00", "[diagnostic] lane task error: lane=session:KEY durationMs=60100 error=\"SessionWriteLockTimeoutError: session file locked (timeout 60000ms): pid=909 alive=true ageMs=62000 DIR/SID.jsonl.lock\"")]), "lock-contention", Critical) },
        Story { helps: Some(true), says: &["no longer runs", "lockdoctor reclaim"],
            ..story("an owner that OpenClaw itself calls dead", log(&[
                ("09:00:00", "[diagnostic] lane task error: lane=session:KEY durationMs=60100 error=\"SessionWriteLockTimeoutError: session file locked (timeout 60000ms): pid=909 alive=false ageMs=61000 DIR/SID.jsonl.lock\"")]), "stale-lock", Warning) },
        Story { says: &["orphan of the gateway itself", "restart"], never: &["leaves it to its owner"],
            ..story("a lock that the gateway finds itself in, on Windows", log(&[
                ("09:00:00", "[diagnostic] lane task error: lane=session:KEY durationMs=90 error=\"SessionWriteLockStaleError: session file lock stale (orphan-self-pid): pid=909 alive=true ageMs=900000 D:\\claw\\agents\\desk\\sessions\\SID.jsonl.lock\"")]), "orphan-lock", Warning) },
        Story { says: &["3 messages", "SQLite|reclamation"], helps: Some(false),
            ..story("a database that its own clean-up keeps busy", log(&[
                ("09:00:00", "[session-sqlite] slow SQLite reclamation Worker operation reclamationKind=session-archive elapsedMs=30000 outcome=completed"),
                ("09:00:10", "[diagnostic] lane task error: lane=session:KEY durationMs=5200 error=\"database is locked\""),
                ("09:00:30", "[diagnostic] lane task error: lane=session:KEY durationMs=5200 error=\"database is locked\""),
                ("09:00:50", "[diagnostic] lane task error: lane=session:KEY durationMs=5200 error=\"database is locked\"")]), "database-busy", Critical) },
        Story { says: &["never let go of it", "gateway restart"], helps: Some(false),
            ..story("a turn claim that stays", log(&[
                ("09:00:00", "[diagnostic] lane task error: lane=session:KEY durationMs=9 error=\"Session SID already has an active turn claim\""),
                ("09:01:00", "[diagnostic] lane task error: lane=session:KEY durationMs=9 error=\"Session SID already has an active turn claim\"")]), "message-failed", Critical) },
        Story { says: &["matrix", "given it up"],
            ..story("an event that nobody picked up", log(&[
                ("09:00:00", "[matrix] Channel ingress claim\u{2192}adoption stalled for event e5 on lane matrix:!room after 300000ms; marking failed (handler-timeout).")]), "ingress-stalled", Warning) },
        Story { says: &["1 message"],
            ..story("a family of messages that nobody has described", log(&[
                ("09:00:00", "[line] reply delivery gave up for KEY: upstream closed the stream")]), "message-failed", Warning) },
        Story { says: &["stands still", "3 more wait"], helps: Some(false),
            ..story("a lane whose task never ended", log(&[
                ("09:00:00", "[diagnostic] lane enqueue: lane=subagent queueSize=1"), ("09:00:00", "[diagnostic] lane dequeue: lane=subagent waitMs=0 queueSize=0"),
                ("09:10:00", "[diagnostic] lane enqueue: lane=subagent queueSize=2"), ("10:10:00", "[diagnostic] lane enqueue: lane=subagent queueSize=3"), ("11:10:00", "[diagnostic] lane enqueue: lane=subagent queueSize=4")]), "lane-stuck", Critical) },
        Story { says: &["maxConcurrentRuns"], helps: Some(false), never: &["taken by other work"],
            ..story("a job that waits for itself", log(&[
                ("09:05:00", "[cron] cron: job execution timed out"), ("09:05:00", "[diagnostic] lane wait exceeded: lane=cron waitedMs=299990 queueAhead=0")]), "job-failed", Warning) },
        Story { says: &["another OpenClaw process", "no message is answered"], helps: Some(false),
            ..story("a start that somebody else's state refuses", log(&[
                ("09:00:00", "[openclaw] Gateway failed to start: another OpenClaw process owns state-lifecycle")]), "start-refused", Critical) },
        Story { says: &["no start follows"], helps: Some(false),
            ..story("a gateway that ended on an error", log(&[
                ("08:00:00", "[gateway] listening on ws://127.0.0.1:18789 (PID 77)"),
                ("09:00:00", "[openclaw] Uncaught exception: TypeError: x is not a function")]), "gateway-down", Critical) },
        Story { says: &["main thread"], helps: Some(false), never: &["armless"],
            ..story("a transaction on the thread of the loop", log(&[
                ("09:00:00", "[sqlite/transaction] slow SQLite transaction hold async=false elapsedMs=21000 isMainThread=true thresholdMs=1000"),
                ("09:00:01", "[diagnostic] liveness heartbeat delayed: overdue=21000ms elapsed=51000ms; deferring recovery decisions")]), "event-loop-blocked", Warning) },
        Story { says: &["sessions_send"], helps: Some(false),
            ..story("two runs of one gateway in one chat", log(&[
                ("09:00:00", "[diagnostic] lane task error: lane=nested:KEY durationMs=9000 error=\"EmbeddedAttemptSessionTakeoverError: session file changed while embedded prompt lock was released: DIR/SID.jsonl\"")]), "session-takeover", Warning) },
        Story { says: &["refuses each message", "draining", "gateway restart"], helps: Some(false),
            ..story("a drain that never ends", log(&[
                ("09:00:00", "[gateway] draining 1 active task(s) before restart with timeout 300000ms"), ("09:00:20", "[gateway] ready"),
                ("09:05:00", "[diagnostic] lane task error: lane=session:KEY durationMs=3 error=\"GatewayDrainingError: Gateway is draining for restart; new tasks are not accepted\""),
                ("09:25:00", "[diagnostic] lane task error: lane=session:KEY durationMs=3 error=\"GatewayDrainingError: Gateway is draining for restart; new tasks are not accepted\"")]), "message-failed", Critical) },
        Story { says: &["1 message was refused", "Send the failed message again"], helps: Some(false), never: &["refuses each message"],
            ..story("a message during a restart", log(&[
                ("09:00:00", "[gateway] draining 1 active task(s) before restart with timeout 300000ms"),
                ("09:00:05", "[diagnostic] lane task error: lane=session:KEY durationMs=3 error=\"GatewayDrainingError: Gateway is draining for restart; new tasks are not accepted\""),
                ("09:00:20", "[gateway] ready")]), "message-failed", Warning) },
        Story { says: &["7 messages"],
            ..story("a restart that drops replies", log(&[
                ("09:00:00", "[shutdown] restart reply drain timed out after 0ms with 7 pending reply(ies) still active; continuing shutdown")]), "message-failed", Warning) },
        Story { says: &["ended 2 times", "was started again", "fetch failed"], helps: Some(false),
            ..story("a gateway that ends on errors again and again", log(&[
                ("08:00:00", "[gateway] listening on ws://127.0.0.1:18789 (PID 77)"), ("09:00:00", "[openclaw] Unhandled promise rejection: TypeError: fetch failed"),
                ("09:00:09", "[gateway] listening on ws://127.0.0.1:18789 (PID 78)"), ("09:40:00", "[openclaw] Unhandled promise rejection: TypeError: fetch failed"),
                ("09:40:09", "[gateway] listening on ws://127.0.0.1:18789 (PID 79)")]), "gateway-down", Warning) },
        Story { says: &["was killed", "gateway start"], helps: Some(false),
            ..story("a gateway that the system killed", log(&[
                ("08:00:00", "[gateway] listening on ws://127.0.0.1:18789 (PID 77)"),
                ("09:00:00", "openclaw-gateway.service: Main process exited, code=killed, status=9/KILL")]), "gateway-down", Critical) },
        Story { says: &["as pid 4711"], helps: Some(false), never: &["left behind"],
            ..story("a second gateway", log(&[
                ("09:00:00", "Gateway failed to start: gateway already running (pid 4711); lock timeout after 5000ms")]), "gateway-lock", Warning) },
        Story { says: &["another process has port 18789"], helps: Some(false),
            ..story("a port that is taken", log(&[
                ("09:00:00", "Gateway failed to start: another gateway instance is already listening on ws://127.0.0.1:18789")]), "start-refused", Critical) },
        Story { says: &["its lock file (EROFS)"], helps: Some(false),
            ..story("a lock file that the system refuses", log(&[
                ("09:00:00", "Gateway failed to start: failed to acquire gateway lock at /x/gateway.lock: EROFS: read-only file system")]), "start-refused", Critical) },
        Story { says: &["4 times on end", "nothing came of it", "gateway restart"],
            ..story("a chat that counts as busy at each look", log(&[
                ("09:00:00", KEPT_AGAIN), ("09:00:00", KEPT), ("09:02:00", KEPT_AGAIN), ("09:02:00", KEPT),
                ("09:04:00", KEPT_AGAIN), ("09:04:00", KEPT), ("09:06:00", KEPT_AGAIN), ("09:06:00", KEPT)]), "stuck-session", Critical) },
        Story { says: &["3 times on end", "telegram"], helps: Some(false),
            ..story("a channel whose polling stalls on end", log(&[
                ("09:00:00", "[telegram] Polling stall detected (no completed getUpdates for 101s); forcing restart."),
                ("09:04:00", "[telegram] Polling stall detected (no completed getUpdates for 102s); forcing restart."),
                ("09:08:00", "[telegram] Polling stall detected (active getUpdates stuck for 99s); forcing restart.")]), "ingress-stalled", Warning) },
        Story { says: &["memory search", "2026.9"], helps: Some(false),
            ..story("a memory search that waits for a row that nobody holds", log(&[
                ("09:00:00", "[memory] sync failed (watch): Error: Timed out waiting for memory workspace lock"),
                ("09:01:30", "[memory] sync failed (watch): Error: Timed out waiting for memory workspace lock"),
                ("09:03:00", "[memory] sync failed (watch): Error: Timed out waiting for memory workspace lock")]), "lease-stuck", Warning) },
        Story { says: &["1 message of whatsapp failed"], helps: Some(false),
            ..story("a message that the database did not take", log(&[
                ("09:00:00", "[whatsapp] failed to admit inbound message; message dropped: database is locked")]), "database-busy", Warning) },
        Story { says: &["expired as stale"],
            ..story("a reply that waited too long", log(&[
                ("09:00:00", "[diagnostic] lane task error: lane=session:KEY durationMs=600001 error=\"AbortError: Reply operation expired as stale\"")]), "message-failed", Warning) },
        Story { helps: Some(false),
            ..story("a listener that the library stopped waiting for", log(&[
                ("09:00:00", "[EventQueue] Listener DiscordMessageListener timed out after 30000ms for event MESSAGE_CREATE")]), "slow-listener", Info) },
        Story { first: None,
            ..story("one stall of the polling, and traffic after it", log(&[
                ("09:00:00", "[telegram] Polling stall detected (no completed getUpdates for 101s); forcing restart."),
                ("09:03:00", "[telegram] outbound send ok accountId=default chatId=5512")]), "", Info) },
        Story { first: None,
            ..story("an ordinary hour of failures that nobody waits for", log(&[
                ("09:00:00", "[gateway] update check failed: fetch failed"), ("09:01:00", "[telegram] sendChatAction failed: Network request failed!"),
                ("09:02:00", "[fetch-timeout] fetch timeout after 10000ms (elapsed 10004ms) operation=telegram.getMe url=https://x"),
                ("09:03:00", "[plugins] plugin hook failed: before_agent_start: Error: x"), ("09:04:00", "[whatsapp] Web connection closed (status 428). Retry 1/12 in 2.1s"),
                ("09:05:00", "discord typing failed target=channel:1: Error: discord typing start timed out after 5000ms"),
                ("09:06:00", "[gateway/broadcast] broadcast send failed conn=a271aefd: write EPIPE"),
                ("09:06:00", "[ws] ⇄ res ✗ config.patch 12ms errorCode=INVALID_REQUEST errorMessage=failed to parse")]), "", Info) },
        Story { first: None,
            ..story("an idle hour", log(&[("09:00:00", "[cron] cron: started"), ("09:10:00", "[tools] exec failed: Command exited with code 1"),
                ("09:20:00", "[gateway] remote model catalog refresh failed")]), "", Info) },
    ]
}

/// What a finding says in words of ours.
fn said(finding: &Finding) -> String {
    let actions = finding.actions.iter().map(|action| action.text.clone().into_owned());
    let story = finding.story.iter().map(|step| step.text.clone());
    [finding.explanation.clone()].into_iter().chain(story).chain(actions).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_kind_of_trouble_is_told_rightly() {
    let mut wrong = String::new();
    for story in stories() {
        let diagnosis = diagnose(&story.log, &Facts::default());
        let first = diagnosis.findings.first();
        let found =
            first.map(|finding| (finding.code.as_str(), finding.severity, finding.removing_lock_helps));
        if found != story.first.map(|code| (code, story.severity, story.helps)) {
            let _ = writeln!(wrong, "{}: {found:?} of {:?}", story.name, codes(&diagnosis));
        }
        let said: String = diagnosis.findings.iter().map(said).collect();
        for words in story.says.iter().filter(|words| !words.split('|').any(|word| said.contains(word))) {
            let _ = writeln!(wrong, "{}: nowhere {words:?} in {said}", story.name);
        }
        for words in story.never.iter().filter(|words| said.contains(**words)) {
            let _ = writeln!(wrong, "{}: {words:?} in {said}", story.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Where nobody can tell whether a lock is in the way, the first thing to type is what can.
#[test]
fn what_cannot_be_told_begins_with_the_command_that_can() {
    for story in stories() {
        for finding in diagnose(&story.log, &Facts::default()).findings {
            let first = finding.actions.first().and_then(|action| action.command.as_deref());
            let looks = first.is_some_and(|command| command.starts_with("lockdoctor "));
            assert!(looks || finding.removing_lock_helps.is_some(), "{}: {finding:?}", story.name);
            assert_eq!(finding.advice.len(), finding.actions.len(), "{}", story.name);
        }
    }
}

#[test]
fn a_chat_is_told_once_with_its_whole_story() {
    let story = &stories()[0];
    let diagnosis = diagnose(&story.log, &Facts::default());
    let [finding] = &diagnosis.findings[..] else { panic!("{:?}", codes(&diagnosis)) };
    let steps: Vec<&str> = finding.story.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert!(steps[0].contains("time limit") && steps[1].contains("3 times"), "{steps:?}");
    assert!(finding.story.iter().all(|step| step.at.is_some()));
    assert_eq!((finding.messages_failed, finding.session_id.as_deref()), (3, Some(SID)));
}

/// The shapes in which people paste a log.
fn shapes(log: &str) -> Vec<(&'static str, String)> {
    let each = |shape: &dyn Fn(usize, &str) -> String| {
        log.lines().enumerate().map(|(n, line)| shape(n + 1, line) + "\n").collect::<String>()
    };
    let json = |line: &str| serde_json::to_string(line).unwrap();
    vec![
        ("newest first", log.lines().rev().map(|line| format!("{line}\n")).collect()),
        ("quoted", each(&|_, line| format!("> {line}"))),
        ("a list", each(&|_, line| format!("- {line}"))),
        ("numbered", each(&|n, line| format!("{n}. {line}"))),
        ("grep -n", each(&|n, line| format!("{n}:{line}"))),
        ("grep -Hn", each(&|n, line| format!("openclaw-2026-06-20.log:{n}:{line}"))),
        ("code", each(&|_, line| format!("`{line}`"))),
        ("pm2 --time", each(&|_, line| format!("0|claw  | {}: {line}", &line[..19]))),
        ("loud levels", each(&|_, line| line.replacen(' ', " WARN ", 1))),
        ("an unknown front", each(&|_, line| format!("app=gw zone=b :: {line}"))),
        (
            "docker",
            each(&|_, line| format!("{{\"log\":{},\"stream\":\"stderr\"}}", json(&format!("{line}\n")))),
        ),
        (
            "a collector",
            each(&|_, line| format!("{{\"ts\":\"2026-06-20T12:00:00Z\",\"msg\":{}}}", json(line))),
        ),
        ("CRLF", log.replace('\n', "\r\n")),
    ]
}

#[test]
fn every_shape_of_a_log_says_the_same() {
    let told = |diagnosis: &Diagnosis| {
        let mut told: Vec<_> = diagnosis.findings.iter().map(|f| (f.code, f.severity)).collect();
        told.sort_unstable();
        told
    };
    for story in stories() {
        let plain = told(&diagnose(&story.log, &Facts::default()));
        for (shape, log) in shapes(&story.log) {
            assert_eq!(told(&diagnose(&log, &Facts::default())), plain, "{}: {shape}\n{log}", story.name);
        }
    }
}

/// A third of all pastes has no times: order and ages have to do.
#[test]
fn without_times_nothing_is_dropped() {
    for story in stories() {
        let undated: String =
            story.log.lines().map(|line| line.split_once(' ').unwrap().1.to_owned() + "\n").collect();
        let diagnosis = diagnose(&undated, &Facts::default());
        let dated = diagnose(&story.log, &Facts::default());
        assert_eq!(codes(&diagnosis).first(), codes(&dated).first(), "{}", story.name);
        for finding in &diagnosis.findings {
            assert!(finding.story.iter().all(|step| step.at.is_none()), "{}", story.name);
        }
    }
}
