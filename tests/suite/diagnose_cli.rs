//! `diagnose`, `report` and `reclaim --abandoned` as they are typed: output, exit codes, and nothing secret.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use crate::support::reclaim::{dead_lock, quarantined, reclaim, tombstone};
use crate::support::{Owner, Run, TestEnv, hold, own_pid, payload_made, set_age, start_ticks};
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

const SESSION: &str = "3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42";

fn schema() -> &'static jsonschema::Validator {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let text = include_str!("../../schemas/diagnosis.schema.json");
        let schema = serde_json::from_str(text).expect("the schema is JSON");
        jsonschema::validator_for(&schema).expect("the schema is one")
    })
}

/// The output, which keeps the promises of the schema.
#[track_caller]
fn diagnosis(run: &Run) -> Value {
    let json: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"));
    let errors: Vec<String> =
        schema().iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{errors:#?} in {run:#?}");
    json
}

#[track_caller]
fn finding(json: &Value, code: &str) -> Value {
    let mut all = json["findings"].as_array().expect("findings").iter();
    all.find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("no {code} in {json:#}")).clone()
}

fn codes(json: &Value) -> Vec<&str> {
    let findings = json["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["code"].as_str().expect("code")).collect()
}

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/logs").join(name);
    path.to_str().expect("UTF-8").to_owned()
}

/// `diagnose --json` of the state directory, with its own log so that none of this machine is read.
fn of_state(env: &TestEnv) -> Run {
    let log = env.tmp().join("empty.log");
    File::create(&log).expect("log");
    let (state, log) = (env.state(), log);
    let [state, log] = [&state, &log].map(|path| path.to_str().expect("UTF-8"));
    env.run(&["diagnose", "--json", "--state-dir", state, "--log", log])
}

fn piped(env: &TestEnv, arguments: &[&str], input: &str) -> Run {
    let file = env.tmp().join("stdin");
    fs::write(&file, input).expect("input");
    let mut command = env.command(arguments);
    command.stdin(Stdio::from(File::open(file).expect("input")));
    Run::of(command)
}

#[test]
fn a_log_alone_needs_no_install() {
    let env = TestEnv::empty();
    for (log, exit, first) in [
        ("2026.1.24-3/S1-console-1.txt", 0, "lane-wait"),
        ("2026.1.24-3/S3-console-1.txt", 1, "run-timeout"),
        ("2026.1.24-3/S4a-console-1.txt", 1, "lock-contention"),
        ("2026.3.13/S3-file.log", 1, "run-timeout"),
        ("2026.5.22/S8-console-1.txt", 1, "watchdog-release"),
        ("2026.9.6/S6-file.log", 0, "slow-model-call"),
    ] {
        let log = fixture(log);
        let json = diagnosis(&env.run(&["diagnose", "--json", "--log", &log]).exits(exit));
        let name = log.rsplit('/').next().expect("name");
        assert!(json["sources"][0]["path"].as_str().expect("path").ends_with(name), "{json:#}");
        assert!(codes(&json).contains(&first), "{log}: {:?}", codes(&json));
        if exit == 0 {
            assert!(json["findings"].as_array().expect("array").iter().all(|f| f["severity"] == "info"));
        }
        assert!(json["findings"].as_array().expect("array").iter().all(|f| f["removing_lock_helps"] != true));
    }
}

#[test]
fn the_name_in_a_logs_path_is_nobodys_business() {
    let env = TestEnv::empty();
    let home = env.tmp().join("home/anna");
    fs::create_dir_all(&home).expect("home");
    let log = home.join("gateway.log");
    fs::copy(fixture("2026.1.24-3/S1-console-1.txt"), &log).expect("log");
    let log = log.to_str().expect("UTF-8");
    let json = diagnosis(&env.run(&["diagnose", "--json", "--log", log]).exits(0));
    let shown = json["sources"][0]["path"].as_str().expect("path");
    assert!(shown.ends_with("/home/…/gateway.log") && !shown.contains("anna"), "{shown}");
    let open = diagnosis(&env.run(&["diagnose", "--json", "--no-redact", "--log", log]).exits(0));
    assert_eq!(open["sources"][0]["path"], log);
    let gone = format!("{log}.1");
    let json = diagnosis(&env.run(&["diagnose", "--json", "--log", &gone]).exits(2));
    assert!(!json["sources"][0].to_string().contains("anna"), "{json:#}");
}

#[test]
fn the_command_that_is_printed_works_in_a_home_directory() {
    let env = TestEnv::new("2026.3.13");
    let state = env.home().join("home/anna/.openclaw");
    fs::create_dir_all(state.parent().expect("home")).expect("home");
    fs::rename(env.state(), &state).expect("rename");
    let sessions = state.join("agents/main/sessions");
    fs::create_dir_all(&sessions).expect("sessions");
    let lock = sessions.join(format!("{SESSION}.jsonl.lock"));
    let day = Duration::from_secs(24 * 3600);
    let _held = hold(&lock, &payload_made(own_pid(), Some(start_ticks(own_pid())), day));
    let state = state.to_str().expect("UTF-8");
    let command = format!("lockdoctor explain {}", lock.display());
    let run = env.run(&["diagnose", "--state-dir", state]).exits(1);
    assert!(run.stdout.contains(&command), "{run:#?}");
    let json = diagnosis(&env.run(&["diagnose", "--json", "--state-dir", state]).exits(1));
    let finding = finding(&json, "overdue-lock");
    assert_eq!(finding["lock"], lock.to_str().expect("UTF-8"));
    assert_eq!(finding["advice"][0], command);
    env.run(&["explain", &lock.to_string_lossy()]).exits(0);
    let page = env.run(&["report", "-o", "-", "--state-dir", state]).exits(0);
    assert!(
        !page.stdout.contains("anna") && page.stdout.contains("explain LOCK"),
        "the page is to be shared"
    );
}

#[test]
fn the_next_command_reads_the_same_logs() {
    let env = TestEnv::empty();
    let text = fs::read_to_string(fixture("2026.3.13/S3-file.log")).expect("fixture");
    let log = env.tmp().join("old.log");
    fs::write(&log, text.replace("2026-11-22", "2020-11-22")).expect("log");
    let log = log.to_str().expect("UTF-8").to_owned();
    let run = env.run(&["diagnose", "--log", &log]).exits(1);
    let command = format!("lockdoctor report --log {log}\n");
    assert!(run.stdout.contains(&command), "{run:#?}");
    assert!(run.stdout.lines().all(|line| line.trim_end() == line), "{run:#?}");
    // What is typed counts, also where it is what would be read anyway of logs that nobody named.
    let run = env.run(&["diagnose", "--log", &log, "--since", "24h"]).exits(0);
    let command = format!("lockdoctor report --log {log} --since 24h\n");
    assert!(run.stdout.contains(&command), "{run:#?}");
}

#[test]
fn one_line_is_one_line() {
    let env = TestEnv::empty();
    let line = fs::read_to_string(fixture("2026.1.24-3/S1-console-1.txt")).expect("fixture");
    let line = line.lines().next().expect("a line").to_owned() + "\n";
    let run = piped(&env, &["diagnose", "--log", "-"], &line);
    assert!(run.stdout.contains("read: 1 log, 1 line, "), "{run:#?}");
}

#[test]
fn standard_input_is_a_log() {
    let env = TestEnv::empty();
    let text = fs::read_to_string(fixture("2026.1.24-3/S3-console-1.txt")).expect("fixture");
    let json = diagnosis(&piped(&env, &["diagnose", "--json", "--log", "-"], &text).exits(1));
    assert_eq!(json["sources"][0]["path"], "-");
    assert_eq!(json["sources"][0]["lines"], text.lines().count());
    assert_eq!(finding(&json, "run-timeout")["count"], 2);
}

#[test]
fn a_log_that_was_named_and_cannot_be_read_is_an_error() {
    let env = TestEnv::empty();
    let run = env.run(&["diagnose", "--json", "--log", "/nowhere/gateway.log"]).exits(2);
    assert!(run.stderr.contains("/nowhere/gateway.log"), "{run:#?}");
    let json = diagnosis(&run);
    assert!(json["sources"][0]["error"].is_string());
    env.run(&["diagnose", "--log", &fixture("2026.1.24-3/S1-console-1.txt"), "--since", "yesterday"])
        .exits(2);
}

#[test]
fn lines_that_could_not_be_read_are_said() {
    let env = TestEnv::empty();
    let whole =
        "2026-07-10T10:00:00Z [diagnostic] lane wait exceeded: lane=main waitedMs=2100 queueAhead=0\n";
    let broken = "{\"0\":\"{}\",\"1\":\"lane wait exceeded: lane=main wai\n";
    let run = piped(&env, &["diagnose", "--since", "3650d", "--log", "-"], &[broken, whole].concat());
    assert!(run.stdout.contains("2 lines, 1 relevant, 1 line could not be read"), "{run:#?}");
    let run = piped(&env, &["diagnose", "--since", "3650d", "--log", "-"], whole);
    assert!(!run.stdout.contains("could not be read"), "{run:#?}");
}

/// The six stories of the report that started the project, in other words: the log alone, and what its readers need.
#[test]
fn the_founding_reports_stories_are_answered() {
    let told = |log: &str| {
        let env = TestEnv::empty();
        let json = diagnosis(&piped(&env, &["diagnose", "--json", "--since", "3650d", "--log", "-"], log));
        let first = json["findings"][0].clone();
        (first["code"].as_str().unwrap_or("none").to_owned(), first["removing_lock_helps"].clone(), first)
    };
    let store =
        "timeout acquiring session store lock: /srv/.clawdbot/agents/desk/sessions/sessions.json.lock";
    // 1: a message that the store's lock cost.
    let (code, helps, first) =
        told(&format!("error gateway/channels/telegram handler failed: Error: {store}\n"));
    assert_eq!((code.as_str(), helps), ("store-lock-contention", json!(false)), "{first:#}");
    // 2: a request of the cron tool beside a long turn.
    let (code, helps, first) = told(
        "lane task done: lane=main durationMs=182011 active=1 queued=0\n\
         lane task done: lane=session:agent:desk:main durationMs=182020 active=0 queued=0\n\
         [tools] cron failed: gateway timeout after 10000ms\n",
    );
    assert_eq!((code.as_str(), helps), ("rpc-timeout", json!(false)), "{first:#}");
    // 3: the model side, and its consequences on Discord.
    let (code, _, first) = told(
        "[diagnostic] stuck session: sessionId=<cut> state=processing age=480s queueDepth=0\n\
         [discord] Slow listener detected: DiscordMessageListener took 301 seconds for event MESSAGE_CREATE\n\
         [agent/embedded] embedded run timeout: runId=<cut> timeoutMs=600000\n\
         [agent/embedded] Profile anthropic:work timed out (possible rate limit). Trying next account...\n",
    );
    assert_eq!(code, "run-timeout", "{first:#}");
    // 4: a run at its limit. Whether its lock stayed, the log cannot tell; what can is the first thing to type.
    let (code, helps, first) = told(&format!(
        "07:12:40 [agent/embedded] embedded run timeout: runId=r sessionId={SESSION} timeoutMs=600000\n"
    ));
    assert_eq!((code.as_str(), helps), ("run-timeout", Value::Null), "{first:#}");
    assert_eq!(first["actions"][0]["command"], "lockdoctor status");
    assert_eq!(first["session_id"], SESSION);
    // 5: a tool that failed, a run at its limit, and a wait that ended an hour later.
    let (code, helps, first) = told(&format!(
        "2026-02-03T10:00:18Z [tools] browser failed: Error: locator.click: Timeout 8000ms exceeded.\n\
         2026-02-03T10:08:59Z [agent/embedded] embedded run timeout: runId=r sessionId={SESSION} timeoutMs=600000\n\
         2026-02-03T11:20:40Z [diagnostic] lane wait exceeded: lane=session:agent:desk:main waitedMs=99000 queueAhead=0\n",
    ));
    assert_eq!(code, "run-timeout", "{first:#}");
    assert_ne!(helps, json!(true), "{first:#}");
    // 6: the store's lock, where nobody catches the error.
    let (code, helps, first) = told(&format!(
        "2026-02-01T09:00:00Z [gateway] listening on ws://127.0.0.1:18789 (PID 41)\n\
         2026-02-01T09:10:00Z [telegram] handler failed: Error: {store}\n\
         2026-02-01T09:10:00Z [openclaw] Unhandled promise rejection: Error: {store}\n\
         2026-02-01T09:10:09Z [gateway] listening on ws://127.0.0.1:18789 (PID 43)\n",
    ));
    assert_eq!((code.as_str(), helps), ("store-lock-contention", json!(false)), "{first:#}");
}

/// The two time-outs are 22 s apart.
#[test]
fn since_leaves_out_what_was_before() {
    let env = TestEnv::empty();
    let log = fixture("2026.1.24-3/S3-console-1.txt");
    let timeouts = |since: &str| {
        let run = env.run(&["diagnose", "--json", "--log", &log, "--since", since]);
        let json = diagnosis(&run);
        let findings = json["findings"].as_array().expect("findings");
        findings.iter().find(|f| f["code"] == "run-timeout").map(|f| f["count"].as_u64().expect("count"))
    };
    assert_eq!(timeouts("2026-11-22T13:00:00Z"), Some(2));
    assert_eq!(timeouts("2026-11-22T13:59:50Z"), Some(1));
    assert_eq!(timeouts("2026-11-22T14:01:00Z"), None);
}

#[test]
fn a_held_lock_is_healthy() {
    let env = TestEnv::new("2026.5.22");
    let _held = held(&env, Duration::from_secs(90));
    let json = diagnosis(&of_state(&env).exits(0));
    assert_eq!(codes(&json), Vec::<&str>::new());
}

#[test]
fn stale_and_leaked_locks_are_found() {
    let env = TestEnv::new("2026.5.22");
    let (stale, _) = dead_lock(&env, "dead");
    let leaked = env.session("leaked");
    let mut owner = Owner::start();
    owner.leak(&leaked);
    let json = diagnosis(&of_state(&env).exits(1));
    for (code, session, lock) in [("stale-lock", "dead", &stale), ("leaked-lock", "leaked", &leaked)] {
        let finding = finding(&json, code);
        assert_eq!((&finding["session_id"], &finding["agent"]), (&json!(session), &json!("main")));
        assert_eq!(finding["removing_lock_helps"], true);
        let named = finding["lock"].as_str().expect("lock");
        assert!(named.ends_with(lock.file_name().expect("name").to_str().expect("UTF-8")), "{named}");
        assert!(finding["advice"].to_string().contains("lockdoctor reclaim "), "{finding:#}");
    }
    // A gateway that is down comes before its locks, and what blocks before what OpenClaw frees by itself.
    assert_eq!(codes(&json), ["gateway-down", "leaked-lock", "stale-lock"]);
}

/// A code that the schema knows is explained, and no other is.
#[test]
fn every_code_is_explained() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/diagnosis.schema.json")).expect("JSON");
    let codes = schema.pointer("/$defs/Code/enum").and_then(Value::as_array).expect("codes");
    let mut known: Vec<&str> = codes.iter().filter_map(Value::as_str).collect();
    let headings =
        include_str!("../../docs/findings.md").lines().filter_map(|line| line.strip_prefix("### `"));
    let mut explained: Vec<&str> = headings.filter_map(|line| line.strip_suffix('`')).collect();
    known.sort_unstable();
    explained.sort_unstable();
    assert_eq!(explained, known);
}

#[test]
fn the_schema_can_say_no() {
    let env = TestEnv::new("2026.5.22");
    dead_lock(&env, "dead");
    let good = diagnosis(&of_state(&env));
    for (pointer, wrong) in [
        ("/schema", json!("lockdoctor/diagnosis/v2")),
        ("/findings/0/code", json!("ghost-lock")),
        ("/findings/0/severity", json!("error")),
        ("/findings/0/removing_lock_helps", json!("perhaps")),
        ("/findings/0/first_seen", json!("2026-05-26 07:22")),
        ("/findings/0/evidence/0", json!("a line")),
        ("/sources/0/lines", json!(-1)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} in {good:#}")) = wrong;
        assert!(!schema().is_valid(&bad), "{pointer}");
    }
}

const SECRETS: [&str; 4] =
    ["491701234567", "123456789", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "sk-ant-api03"];

fn log_with_secrets() -> String {
    let key = "agent:main:whatsapp:direct:+491701234567";
    let telegram = "agent:main:telegram:direct:123456789";
    let token = "8123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
    let lines = [
        format!("[diagnostic] lane wait exceeded: lane=session:{key} waitedMs=101778 queueAhead=0"),
        format!("[diagnostic] lane wait exceeded: lane=session:{telegram} waitedMs=5000 queueAhead=0"),
        format!("[diagnostic] lane task error: lane=session:{key} durationMs=10 error=\"Error: session file locked (timeout 10000ms): pid=7 /home/node/.openclaw/agents/main/sessions/{SESSION}.jsonl.lock\""),
        format!("[telegram] handler failed: Error: timeout acquiring session store lock: /home/node/.clawdbot/agents/main/sessions/sessions.json.lock url=https://api.telegram.org/bot{token}/getUpdates"),
        "[agent/embedded] [model-fetch] error provider=x model=y elapsedMs=5 name=TimeoutError message=401 sk-ant-api03-geheim1234567890".to_owned(),
    ];
    let mut log = String::new();
    for (minute, line) in lines.iter().enumerate() {
        writeln!(log, "2026-11-22T14:0{minute}:00.000Z {line}").expect("a string");
    }
    log
}

#[test]
fn nothing_secret_is_printed() {
    let env = TestEnv::empty();
    let log = log_with_secrets();
    for arguments in [
        &["diagnose", "--log", "-"][..],
        &["diagnose", "--json", "--log", "-"],
        &["diagnose", "--format", "plain", "--log", "-"],
        &["report", "-o", "-", "--log", "-"],
    ] {
        let run = piped(&env, arguments, &log);
        assert!(run.stdout.contains("lane-wait"), "{run:#?}");
        for secret in SECRETS {
            assert!(!run.stdout.contains(secret), "{secret} by {arguments:?}: {}", run.stdout);
            assert!(!run.stderr.contains(secret), "{secret} by {arguments:?}: {}", run.stderr);
        }
    }
    let open = piped(&env, &["diagnose", "--json", "--no-redact", "--log", "-"], &log);
    assert!(open.stdout.contains("123456789"), "not planted where it can be seen: {open:#?}");
}

#[test]
fn the_report_loads_nothing_from_elsewhere() {
    let env = TestEnv::empty();
    let page = env.tmp().join("report.html");
    let target = page.to_str().expect("UTF-8");
    let run = env.run(&["report", "-o", target, "--log", &fixture("2026.1.24-3/S4a-console-1.txt")]).exits(0);
    assert!(run.stdout.contains(target), "{run:#?}");
    let html = fs::read_to_string(&page).expect("page");
    assert!(html.starts_with("<!") && html.contains("lock-contention"));
    for load in
        ["src=", "href=\"http", "url(http", "url(//", "@import", "<link", "<iframe", "fetch(", "import("]
    {
        let at = html.find(load).map(|at| html[at..].chars().take(60).collect::<String>());
        assert_eq!(at, None, "{load}");
    }
    // An SVG's namespace is a name, no address; the log's own addresses are text.
    let outside = html.match_indices("http").map(|(at, _)| html[at..].chars().take(60).collect::<String>());
    let outside: Vec<String> =
        outside.filter(|text| text.starts_with("http://") || text.starts_with("https://")).collect();
    assert!(outside.iter().all(|text| text.starts_with("http://www.w3.org/2000/svg")), "{outside:?}");
}

/// A lock that was taken `ago` by this process, which has it open; its transcript has not changed since.
fn held(env: &TestEnv, ago: Duration) -> (PathBuf, File) {
    let lock = env.session(SESSION);
    set_age(&lock.with_extension(""), ago);
    let holder = hold(&lock, &payload_made(own_pid(), Some(start_ticks(own_pid())), ago));
    (lock, holder)
}

/// An install whose configuration names its log, with these lines in it, each so long ago.
fn with_log(lines: &[(i64, &str)]) -> TestEnv {
    let env = TestEnv::new("2026.5.22");
    let log = env.home().join("gateway.log");
    env.config(&format!(
        r#"{{"meta": {{"lastTouchedVersion": "2026.5.22"}}, "logging": {{"file": "{}"}}}}"#,
        log.display()
    ));
    let mut file = File::create(log).expect("log");
    for (ago, text) in lines {
        let at = (Utc::now() - TimeDelta::seconds(*ago)).to_rfc3339_opts(SecondsFormat::Millis, true);
        writeln!(file, "{at} {text}").expect("line");
    }
    env
}

fn timed_out() -> String {
    format!(
        "[agent/embedded] embedded run timeout: runId=07556e30-35c0-4001-808f-832740607b59 sessionId={SESSION} timeoutMs=600000"
    )
}

const AGO: Duration = Duration::from_secs(800);
const ABANDONED: [&str; 4] = ["--abandoned", "--settle", "1s", "--json"];

fn acted(env: &TestEnv) -> Run {
    reclaim(env, &[&["--yes"], &ABANDONED[..]].concat())
}

#[test]
fn an_abandoned_lock_is_freed_only_when_asked_for() {
    let env = with_log(&[(150, &timed_out())]);
    let (lock, _holder) = held(&env, AGO);
    let bytes = fs::read(&lock).expect("lock");

    let state = env.state();
    let run = env.run(&["diagnose", "--json", "--state-dir", state.to_str().expect("UTF-8")]).exits(1);
    let json = diagnosis(&run);
    let stuck = finding(&json, "stuck-run");
    assert_eq!((&stuck["severity"], &stuck["removing_lock_helps"]), (&json!("warning"), &json!(false)));
    assert!(stuck["advice"].to_string().contains("--abandoned"), "{stuck:#}");

    reclaim(&env, &["--yes", "--settle", "0s"]).exits(0);
    assert_eq!(fs::read(&lock).expect("lock"), bytes, "nobody asked for it");

    let plan = reclaim(&env, &["--abandoned", "--settle", "0s"]).exits(1);
    for words in ["would free", "its run hit its time limit", "two writers corrupt", "--abandoned --yes"] {
        assert!(plan.stdout.contains(words), "{words}: {plan:#?}");
    }
    assert_eq!(fs::read(&lock).expect("lock"), bytes, "a plan changes nothing");

    let run = acted(&env).exits(0);
    assert!(run.took >= Duration::from_secs(1), "a settle time apart: {:?}", run.took);
    let json: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(
        (&json["locks"][0]["result"], &json["locks"][0]["verdict"]),
        (&json!("reclaimed"), &json!("overdue"))
    );
    assert!(tombstone(&lock).is_some());
    assert!(quarantined(&env.state()).values().any(|kept| *kept == bytes));
}

/// Everything that speaks against it, one at a time; the lock stays as it is.
#[test]
fn a_run_that_may_still_be_at_work_keeps_its_lock() {
    let other = timed_out().replace(SESSION, "00000000-0000-4000-8000-000000000000");
    let start = format!(
        "[agent/embedded] embedded run start: runId=b sessionId={SESSION} provider=fake model=fake-1 thinking=off messageChannel=x"
    );
    for (why, lines) in [
        ("no log line", vec![]),
        ("another session's", vec![(150, other.as_str())]),
        ("before the lock was taken", vec![(900, &timed_out())]),
        ("within the grace", vec![(10, &timed_out())]),
        ("a newer run", vec![(150, &timed_out()), (100, &start)]),
    ] {
        let env = with_log(&lines);
        let (lock, _holder) = held(&env, AGO);
        let bytes = fs::read(&lock).expect("lock");
        acted(&env).exits(0);
        assert_eq!(fs::read(&lock).expect("lock"), bytes, "{why}");
    }
}

#[test]
fn a_run_that_returned_or_wrote_keeps_its_lock() {
    let done =
        "[diagnostic] lane task done: lane=session:agent:main:main durationMs=600001 active=0 queued=0";
    let env = with_log(&[(150, &timed_out()), (140, done)]);
    let (lock, _holder) = held(&env, AGO);
    let store = json!({"agent:main:main": {"sessionId": SESSION, "updatedAt": 1}});
    fs::write(env.sessions("main").join("sessions.json"), store.to_string()).expect("store");
    let bytes = fs::read(&lock).expect("lock");
    acted(&env).exits(0);
    assert_eq!(fs::read(&lock).expect("lock"), bytes, "its run was seen to return");

    let env = with_log(&[(150, &timed_out())]);
    let (lock, _holder) = held(&env, AGO);
    set_age(&lock.with_extension(""), Duration::from_secs(90));
    let bytes = fs::read(&lock).expect("lock");
    acted(&env).exits(0);
    assert_eq!(fs::read(&lock).expect("lock"), bytes, "its transcript was written to after the limit");
}

/// A line that licenses an act is the run's own word: with a stamp of its own, from the subsystem that writes it, at the
/// beginning of its message. What somebody could make the gateway log is none.
#[test]
fn a_line_that_somebody_else_put_into_the_log_frees_nothing() {
    let record = json!({
        "0": format!("{{\"subsystem\":\"channels/telegram\"}}"),
        "1": timed_out().trim_start_matches("[agent/embedded] "),
        "_meta": {"logLevelName": "WARN"},
        "time": (Utc::now() - TimeDelta::seconds(150)).to_rfc3339_opts(SecondsFormat::Millis, true),
    });
    for (why, line) in [
        ("the second line of a message", format!("[telegram] a user wrote: hello\n{}", timed_out())),
        ("another subsystem", timed_out().replace("[agent/embedded]", "[telegram]")),
        ("any tag", timed_out().replace("[agent/embedded]", "[x]")),
        ("quoted behind the right tag", timed_out().replace("] embedded", "] a user wrote: embedded")),
        ("a tag behind a tag", timed_out().replace("[agent/embedded]", "[telegram] [agent/embedded]")),
        ("a record of another subsystem", format!("[telegram] x\n{record}")),
    ] {
        let env = with_log(&[(150, &line)]);
        let (lock, _holder) = held(&env, AGO);
        let bytes = fs::read(&lock).expect("lock");
        acted(&env);
        assert_eq!(fs::read(&lock).expect("lock"), bytes, "{why}");
    }
}

/// The story that `--abandoned` was made for: the run that timed out keeps the lock, and the next message fails on it. That
/// failure is no proof that the run let go.
#[test]
fn the_next_messages_failure_does_not_speak_for_the_release() {
    let lock_error = format!(
        "[diagnostic] lane task error: lane=session:agent:main:main durationMs=60121 \
         error=\"SessionWriteLockTimeoutError: session file locked (timeout 60000ms): pid=1 /x/{SESSION}.jsonl.lock\""
    );
    let next = r#"[agent/embedded] {"event":"embedded_run_failover_decision","runId":"another","stage":"prompt","decision":"surface_error","failoverReason":"timeout"}"#;
    let env = with_log(&[(150, &timed_out()), (80, &lock_error), (79, next)]);
    let (lock, _holder) = held(&env, AGO);
    let store = json!({"agent:main:main": {"sessionId": SESSION, "updatedAt": 1}});
    fs::write(env.sessions("main").join("sessions.json"), store.to_string()).expect("store");
    acted(&env);
    assert!(tombstone(&lock).is_some(), "it still has the lock");
}
