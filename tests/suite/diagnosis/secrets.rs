//! Nothing secret leaves: captures with planted secrets, and every string of the output looked at.

use super::{capture, model_of, now};
use lockdoctor::diagnosis::input::{DeletedLock, Facts, LockFact, SessionFact, Verdict};
use lockdoctor::redact::Redactor;
use std::fmt::Write as _;

const SECRETS: &[&str] = &[
    "anna",
    "123456789",
    "491701234567",
    "1465000000000000000",
    "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    "sk-ant-api03-geheim",
    "hunter2",
    "anna.muster@example.org",
    "meet me at noon",
];

fn planted() -> String {
    let key = "agent:main:telegram:direct:123456789";
    let lock = "/home/anna/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock";
    let mut log = String::new();
    for (second, text) in [
        format!("[diagnostic] lane wait exceeded: lane=session:{key} waitedMs=101778 queueAhead=0"),
        format!("[diagnostic] stuck session: sessionId=unknown sessionKey={key} state=processing age=515s queueDepth=2 reason=stale_session_state classification=stale_session_state lastAssistant=\"meet me at noon\" recovery=none"),
        format!("[diagnostic] lane task error: lane=session:{key} durationMs=10 error=\"Error: session file locked (timeout 10000ms): pid=1 {lock}\""),
        format!("[diagnostic] lane task error: lane=session:{key} durationMs=10 error=\"EmbeddedAttemptSessionTakeoverError: session file changed while embedded prompt lock was released: {}\"", lock.trim_end_matches(".lock")),
        "[telegram] handler failed: Error: timeout acquiring session store lock: /home/anna/.clawdbot/agents/main/sessions/sessions.json.lock url=https://api.telegram.org/bot8123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getUpdates".to_owned(),
        "[agent/embedded] Profile anthropic:anna.muster@example.org timed out (possible rate limit). Trying next account...".to_owned(),
        "[agent/embedded] [model-fetch] error provider=x model=y elapsedMs=5 name=TimeoutError message=401 sk-ant-api03-geheim1234567890 password=hunter2".to_owned(),
        "[discord] Slow listener detected: DiscordMessageListener took 289 seconds for event MESSAGE_CREATE from +49 170 1234567 and +491701234567".to_owned(),
        "[diagnostic] lane wait exceeded: lane=session:agent:main:discord:channel:1465000000000000000 waitedMs=5000 queueAhead=0".to_owned(),
        format!("[session-write-lock] releasing lock held for 1200000ms (max=720000ms): {lock}"),
        format!("[gateway] removed stale session lock: {lock} (dead-pid)"),
    ]
    .into_iter()
    .enumerate()
    {
        writeln!(log, "2026-11-22T14:{second:02}:00.000Z {text}").unwrap();
    }
    log
}

#[test]
fn planted_secrets_are_in_no_output() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    std::fs::write(&path, planted()).unwrap();
    let lock = "/home/anna/.openclaw/agents/main/sessions/9f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock";
    let facts = Facts {
        locks: vec![LockFact {
            path: lock.into(),
            session_key: Some("agent:main:whatsapp:direct:+491701234567".into()),
            verdict: Verdict::Stale,
            created_at: Some(super::at("2026-11-22T13:00:00Z")),
            ..LockFact::default()
        }],
        sessions: vec![SessionFact {
            key: "agent:main:whatsapp:direct:+491701234567".into(),
            ..SessionFact::default()
        }],
        deleted: vec![DeletedLock { path: lock.into(), pid: 7, ..DeletedLock::default() }],
        deleters: vec![
            "crontab of anna: */2 * * * * find /home/anna/.clawdbot -name \"*.lock\" -delete".into(),
        ],
        ..Facts::default()
    };
    let redacted = model_of(std::slice::from_ref(&path), &facts).diagnose(&facts, now().into(), Redactor::On);
    let json = serde_json::to_string(&redacted).unwrap();
    for secret in SECRETS {
        assert!(!json.contains(secret), "{secret}: …{}…", around(&json, secret));
    }
    let open = model_of(&[path], &facts).diagnose(&facts, now().into(), Redactor::Off);
    let json = serde_json::to_string(&open).unwrap();
    for secret in SECRETS
        .iter()
        .filter(|secret| !["491701234567", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"].contains(secret))
    {
        assert!(json.contains(secret), "not planted where it can be seen: {secret}");
    }
}

fn around<'a>(json: &'a str, secret: &str) -> &'a str {
    let at = json.find(secret).unwrap_or(0);
    let start = (0..=at.saturating_sub(80)).rev().find(|i| json.is_char_boundary(*i)).unwrap_or(0);
    let end = (at..json.len().min(at + 80)).rev().find(|i| json.is_char_boundary(*i)).unwrap_or(json.len());
    &json[start..end]
}

/// The captures hold a home directory; two rows of one session must still match.
#[test]
fn the_user_of_a_capture_is_not_named_and_sessions_still_match() {
    let files = capture("2026.5.22", "S6", "console");
    let diagnosis =
        model_of(&files, &Facts::default()).diagnose(&Facts::default(), now().into(), Redactor::On);
    let json = serde_json::to_string(&diagnosis).unwrap();
    assert!(!json.contains("/home/node"), "{json}");
    let keys: Vec<_> =
        diagnosis.findings.iter().filter_map(|finding| finding.session_key.as_deref()).collect();
    assert!(keys.iter().all(|key| *key == "agent:main:main"), "{keys:?}");
}

/// Lines of every subject, with a place for text of others in each: `~`.
const SHAPES: &[&str] = &[
    "[diagnostic] lane wait exceeded: lane=session:agent:main:main waitedMs=101778 queueAhead=2~",
    "[diagnostic] stuck session: sessionId=unknown sessionKey=agent:main:main state=processing age=515s queueDepth=2 reason=~ lastAssistant=\"~\" recovery=none ~",
    "[diagnostic] lane task error: lane=session:agent:main:main durationMs=10 error=\"Error: ~\"",
    "[diagnostic] lane task error: lane=main durationMs=10 error=\"Error: session file locked (timeout 10000ms): pid=1 ~\"",
    "[telegram] handler failed: Error: ~",
    "[telegram] message failed: ~: ~",
    "[~] handler failed: ~",
    "[agent/embedded] embedded run timeout: runId=07556e30-35c0-4001-808f-832740607b59 sessionId=07556e30-35c0-4001-808f-832740607b59 timeoutMs=600000 ~",
    "[agent/embedded] Profile ~ timed out (possible rate limit). Trying next account... ~",
    "[agent/embedded] [model-fetch] error provider=~ model=~ elapsedMs=5 name=~ message=~",
    "[discord] Slow listener detected: ~ took 289 seconds for event ~",
    "[session-write-lock] releasing lock held for 1200000ms (max=720000ms): ~",
    "[gateway] removed stale session lock: ~ (dead-pid ~)",
    "[gateway] ⇄ res ✗ chat.send 10002ms errorCode=~ errorMessage=~ conn=~",
    "[gateway] Gateway failed to start: ~",
    "[diagnostic] liveness warning: reasons=event_loop_delay,~ interval=30s eventLoopDelayP99Ms=1811.9 active=~",
    "[diagnostic] memory pressure: level=~ rssBytes=3221225472 ~",
    "[cron] job failed: ~ error=~",
    "{\"error\":\"~\",\"~\":\"~\"}",
    "~",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(96))]

    /// Whatever stands where a field of the event does not is in no answer, however it is spelt.
    #[test]
    fn no_byte_of_a_line_is_said_that_is_no_field_of_its_event(
        words in proptest::collection::vec("[qxz]{7,9}", 1..5),
        around in proptest::sample::select(vec![
            ("", ""), ("\"", "\""), ("'", "'"), ("(", ")"), ("a=", ""), ("key: ", ";"), ("https://", "/x"), ("/", "/y"), ("\\\"", "\\\""),
            ("é", "ß"), ("Error: ", ""), ("lane=", ""), ("\u{a0}", "\u{3000}"), ("{", "}"), ("%", "%"), ("~/", "/"),
        ]),
        joint in proptest::sample::select(vec![" ", ", ", "-", "_", ".", ": ", " = ", "\t", "|"]),
        level in proptest::sample::select(vec!["", "error ", "WARN "]),
    ) {
        let planted = format!("{}{}{}", around.0, words.join(joint), around.1);
        let mut log = String::new();
        for (second, shape) in SHAPES.iter().enumerate() {
            writeln!(log, "2026-11-22T14:{second:02}:00.000Z {level}{}", shape.replace('~', &planted)).unwrap();
        }
        for redactor in [Redactor::On, Redactor::OwnPaths, Redactor::OwnChats] {
            // A channel's name is a field: it is shown here, and nowhere else.
            let shown = |line: &&str| redactor == Redactor::On || !line.contains(&format!("[{planted}]"));
            let log: String = log.lines().filter(shown).map(|line| format!("{line}\n")).collect();
            let model = super::model_of_text(&log, &Facts::default());
            let diagnosis = model.diagnose(&Facts::default(), now().into(), redactor);
            assert!(!diagnosis.findings.is_empty());
            let json = serde_json::to_string(&diagnosis).unwrap();
            for word in &words {
                proptest::prop_assert!(!json.contains(word.as_str()), "{planted:?} ({redactor:?}): …{}…", self::around(&json, word));
            }
        }
    }
}
