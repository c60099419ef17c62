//! One judgement: every outlet says the same of one directory at one moment.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::watch::Watch;
use crate::support::{Run, TestEnv, own_pid, payload_made};

const KEY: &str = "agent:main:telegram:direct:123456789";
const ID: &str = "5dd6c97c-7d95-47ad-b732-080840c144ca";

/// An install with a lock that names a thread: nobody holds it, and OpenClaw, which takes the number for a live
/// process, fails each message on it.
fn blocked() -> TestEnv {
    let env = TestEnv::new("2026.3.13");
    let made = payload_made(a_thread(), None, Duration::from_secs(300));
    fs::write(env.session(ID), made).expect("lock");
    let store = format!(r#"{{"{KEY}": {{"sessionId": "{ID}"}}}}"#);
    fs::write(env.sessions("main").join("sessions.json"), store).expect("store");
    env
}

/// The number of a thread that lives as long as the tests do.
fn a_thread() -> u32 {
    static THREAD: OnceLock<u32> = OnceLock::new();
    *THREAD.get_or_init(|| {
        let (tell, told) = channel();
        std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).expect("somebody listens");
            loop {
                std::thread::park();
            }
        });
        told.recv().expect("a thread").try_into().expect("a number")
    })
}

/// Three messages that failed at the lock.
fn log_failures(env: &TestEnv) {
    let lock = env.session(ID);
    let failure = |ago: i64| {
        let at = (chrono::Utc::now() - chrono::TimeDelta::seconds(ago)).format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let error =
            format!("Error: session file locked (timeout 10000ms): pid={} {}", own_pid(), lock.display());
        format!("{at} [diagnostic] lane task error: lane=session:{KEY} durationMs=10014 error=\"{error}\"\n")
    };
    fs::create_dir_all(env.state().join("logs")).expect("logs");
    let lines: String = [200, 130, 60].map(failure).concat();
    fs::write(env.state().join("logs/gateway.log"), lines).expect("log");
}

/// Where a web hook leads: its address, and what comes in there.
fn receiver() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}/", listener.local_addr().expect("address"));
    let (sender, events) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(b"}\n") {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => request.extend_from_slice(&buffer[..read]),
                }
            }
            let _ = stream
                .write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let request = String::from_utf8_lossy(&request);
            let event = request.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
            if event.is_some_and(|event| sender.send(event).is_err()) {
                return;
            }
        }
    });
    (url, events)
}

/// The severity of the lock in the last of these events.
fn heard(events: &Receiver<Value>, expected: &str) -> String {
    let mut last = String::new();
    while last != expected {
        let Ok(event) = events.recv_timeout(Duration::from_secs(10)) else { break };
        let finding = &event["finding"];
        if finding["lock"].as_str().is_some_and(|lock| lock.contains(&ID[..8])) {
            finding["severity"].as_str().expect("severity").clone_into(&mut last);
        }
    }
    last
}

/// The severity of the lock in a document with findings.
fn told(json: &Value) -> String {
    let findings = json["findings"].as_array().expect("findings");
    let about = |finding: &&Value| finding["lock"].as_str().is_some_and(|lock| lock.contains(ID));
    let finding = findings.iter().find(about).unwrap_or_else(|| panic!("no finding of the lock: {json:#}"));
    finding["severity"].as_str().expect("severity").to_owned()
}

fn document(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

/// What each outlet says, by its name; exit statuses as the severity that they stand for.
fn everywhere(env: &TestEnv, expected: &str) -> Vec<(&'static str, String)> {
    let state = env.state();
    let state = state.to_str().expect("UTF-8");
    let run = |words: &[&str]| env.run(&[words, &["--state-dir", state]].concat());
    let status = document(&run(&["status", "--json"]));
    let page = run(&["report", "-o", "-"]).stdout;
    // The row of the lock table.
    let row = page.rsplit("<tr class=\"").find(|row| row.contains(ID)).expect("a row");
    let of_class = match &row[..2] {
        "s2" => "critical",
        "s1" => "warning",
        _ => "info",
    };
    let of_check = match run(&["check"]).code {
        2 => "critical",
        1 => "warning",
        0 => "info",
        _ => "unknown",
    };
    let (url, events) = receiver();
    let watch = Watch::start_with_all_logs(env, &["--webhook", &url]);
    let mut watched = String::new();
    for _ in 0..100 {
        let status = watch.status();
        if status["findings"].as_array().is_some_and(|findings| !findings.is_empty()) {
            watched = told(&status);
        }
        // It reads its logs when it has listed the directories.
        if watched == expected {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut said = vec![
        ("status", told(&status)),
        ("the headline", status["severity"].as_str().expect("severity").to_owned()),
        ("diagnose", told(&document(&run(&["diagnose", "--json"])))),
        ("report", of_class.to_owned()),
        ("check", of_check.to_owned()),
        ("watch", watched),
    ];
    // It speaks before the logs are read, and not again when they make it worse.
    if expected == "warning" {
        said.push(("the web hook", heard(&events, expected)));
    }
    said
}

#[test]
fn every_outlet_says_the_same() {
    let env = blocked();
    let expect = |severity: &str| {
        for (outlet, said) in everywhere(&env, severity) {
            assert_eq!(said, severity, "{outlet}");
        }
    };
    expect("warning");
    log_failures(&env);
    expect("critical");
}

/// Not only its severity: the same words, the same story, the same command.
#[test]
fn the_daemon_says_what_status_says() {
    let env = blocked();
    log_failures(&env);
    let state = env.state();
    let state = state.to_str().expect("UTF-8");
    let status = document(&env.run(&["status", "--json", "--no-redact", "--state-dir", state]).exits(1));
    let watch = Watch::start_with_all_logs(&env, &["--no-redact"]);
    let mut served = Value::Null;
    for _ in 0..100 {
        served = watch.status();
        if served["findings"][0]["messages_failed"] == 3 && served["chats"][0]["messages_failed"] == 3 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let schema = serde_json::from_str(include_str!("../../schemas/status.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&served).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?} in {served:#}");
    for pointer in ["/headline", "/severity", "/gateways", "/chats", "/schema", "/version", "/host"] {
        assert_eq!(served.pointer(pointer), status.pointer(pointer), "{pointer}");
    }
    let told = |document: &Value| {
        let findings = document["findings"].as_array().expect("findings").clone();
        findings.into_iter().find(|finding| finding["code"] == "stale-lock").expect("the lock's finding")
    };
    for key in [
        "certainty",
        "explanation",
        "story",
        "actions",
        "removing_lock_helps",
        "messages_failed",
        "first_seen",
    ] {
        assert_eq!(told(&served)[key], told(&status)[key], "{key}");
    }
}

#[test]
fn exit_statuses_follow_the_severity() {
    let env = blocked();
    let state = env.state();
    let state = state.to_str().expect("UTF-8");
    let codes = |env: &TestEnv| {
        ["status", "scan", "diagnose"].map(|command| env.run(&[command, "--state-dir", state]).code)
    };
    assert_eq!(codes(&env), [1, 1, 1]);
    let freed = env.run(&["reclaim", "--yes", "--settle", "0s", "--state-dir", state]).exits(0);
    assert!(freed.stdout.contains("Send the failed messages again"), "{freed:#?}");
}

#[test]
fn the_answer_names_the_chat_and_the_command() {
    let env = blocked();
    log_failures(&env);
    let state = env.state();
    let state = state.to_str().expect("UTF-8");
    for run in [env.run(&["--state-dir", state]), env.run(&["status", "--state-dir", state])] {
        let run = run.exits(1);
        assert!(run.stdout.contains("1 chat gets no answer"), "{run:#?}");
        assert!(run.stdout.contains("3 messages failed"), "{run:#?}");
        assert!(run.stdout.contains("Telegram …"), "masked where it is no terminal: {run:#?}");
        assert!(!run.stdout.contains("123456789"), "{run:#?}");
        assert!(run.stdout.contains(&format!("lockdoctor reclaim --state-dir {state} --yes")), "{run:#?}");
        assert!(
            run.stdout.lines().count() < 25 && run.stdout.lines().all(|line| line.chars().count() <= 120)
        );
    }
    let json = document(&env.run(&["status", "--json", "--no-redact", "--state-dir", state]).exits(1));
    assert_eq!(json["schema"], "lockdoctor/status/v1");
    let chat = &json["chats"][0];
    assert_eq!((chat["session_key"].as_str(), chat["channel"].as_str()), (Some(KEY), Some("telegram")));
    assert_eq!((chat["state"].as_str(), chat["messages_failed"].as_u64()), (Some("failing"), Some(3)));
    for what in [ID, &ID[..8], KEY] {
        let run = env.run(&["explain", what, "--state-dir", state]).exits(0);
        assert!(run.stdout.contains("thread-id"), "{what}: {run:#?}");
    }
    env.run(&["explain", "nothing-of-that-name", "--state-dir", state]).exits(2);
}

/// Each document keeps the promises of its schema, and the schema is held against a document.
#[test]
fn every_document_fits_its_schema() {
    let env = blocked();
    log_failures(&env);
    let state = env.state();
    let state = state.to_str().expect("UTF-8");
    let lock = env.session(ID);
    let lock = lock.to_str().expect("UTF-8");
    let fits = |schema: &str, words: &[&str]| {
        let run = env.run(&[words, &["--json", "--state-dir", state]].concat());
        let schema = serde_json::from_str(schema).expect("the schema is JSON");
        let validator = jsonschema::validator_for(&schema).expect("the schema is one");
        let json = document(&run);
        let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{words:?}: {errors:#?} in {json:#}");
        assert!(!validator.is_valid(&serde_json::json!({ "schema": "another" })), "{words:?}");
    };
    fits(include_str!("../../schemas/status.schema.json"), &["status"]);
    fits(include_str!("../../schemas/scan.schema.json"), &["scan"]);
    fits(include_str!("../../schemas/diagnosis.schema.json"), &["diagnose"]);
    fits(include_str!("../../schemas/check.schema.json"), &["check"]);
    fits(include_str!("../../schemas/explain.schema.json"), &["explain", lock]);
    fits(include_str!("../../schemas/reclaim.schema.json"), &["reclaim", "--yes", "--settle", "0s"]);
    fits(include_str!("../../schemas/quarantine.schema.json"), &["quarantine"]);
    fits(include_str!("../../schemas/doctor.schema.json"), &["doctor"]);
}
