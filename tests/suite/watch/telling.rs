//! Commands, web hooks, and the restart of a gateway.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::watch::Watch;
use crate::support::{TestEnv, dead_pid, eventually, payload};

fn plant(env: &TestEnv, id: &str) -> std::path::PathBuf {
    let lock = env.session(id);
    std::fs::write(&lock, payload(dead_pid(), Some(1))).expect("write");
    lock
}

/// A program that appends its standard input to `out`.
fn recorder(env: &TestEnv) -> (String, std::path::PathBuf) {
    let out = env.home().join("told.jsonl");
    let program = env.home().join("record me.sh");
    std::fs::write(&program, format!("#!/bin/sh\ncat >> '{}'\n", out.display())).expect("write");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("chmod");
    (format!("'{}' --flag $(id)", program.display()), out)
}

fn told(out: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON document a line")).collect()
}

#[test]
fn a_finding_is_told_once_and_not_through_a_shell() {
    let env = TestEnv::new("2026.4.15");
    let (command, out) = recorder(&env);
    let watch = Watch::start(&env, &["--on-finding", &command, "--safety-scan", "1s", "--no-redact"]);
    let lock = plant(&env, "a");
    eventually("it is told", || told(&out).len() == 1);
    let message = &told(&out)[0];
    let schema = serde_json::from_str(include_str!("../../../schemas/event.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(message).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?} in {message:#}");
    assert_eq!(message["event"], "finding");
    assert_eq!(message["finding"]["code"], "stale-lock");
    assert_eq!(message["finding"]["lock"], *lock.to_string_lossy());
    // Safety scans see it again and again.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(told(&out).len(), 1);
    plant(&env, "b");
    eventually("another is news", || told(&out).len() == 2);
    eventually("both are counted", || {
        watch.metric(r#"lockdoctor_deliveries_total{channel="command",result="ok"}"#) == 2.0
    });
}

#[test]
fn the_end_of_what_was_told_is_told_too() {
    let env = TestEnv::new("2026.4.15");
    let (command, out) = recorder(&env);
    let _watch = Watch::start(&env, &["--on-finding", &command, "--no-redact"]);
    let lock = plant(&env, "a");
    eventually("it is told", || told(&out).len() == 1);
    std::fs::remove_file(&lock).expect("remove");
    eventually("and so is its end", || told(&out).len() == 2);
    let messages = told(&out);
    assert_eq!(messages[1]["event"], "resolved");
    assert_eq!(messages[1]["finding"]["lock"], *lock.to_string_lossy());
    let host = messages[0]["host"].as_str().expect("host");
    for (message, sign) in messages.iter().zip(["!", "✓"]) {
        let title = message["title"].as_str().expect("title");
        assert!(title.starts_with(sign) && title.contains(host), "{title}");
        assert!(!message["text"].as_str().expect("text").is_empty());
    }
}

#[test]
fn a_sign_of_life_is_sent_and_its_address_is_not_logged() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}/ping/s3cret", listener.local_addr().expect("address"));
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &["--ping", &url]);
    let (mut stream, _) = listener.accept().expect("client");
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).expect("read");
    assert!(buffer[..read].starts_with(b"GET /ping/s3cret HTTP/1.1\r\n"));
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("write");
    drop(stream);
    eventually("it counts", || {
        watch.metric(r#"lockdoctor_deliveries_total{channel="ping",result="ok"}"#) == 1.0
    });
    assert!(!watch.dump().contains("s3cret"));
}

#[test]
fn with_reclaim_the_outcome_is_told() {
    let env = TestEnv::new("2026.4.15");
    let (command, out) = recorder(&env);
    let _watch = Watch::start(&env, &["--reclaim", "--settle", "100ms", "--on-finding", &command]);
    plant(&env, "a");
    eventually("it is told", || told(&out).len() == 1);
    std::thread::sleep(Duration::from_millis(300));
    let messages = told(&out);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["event"], "reclaimed");
    assert_eq!(messages[0]["act"]["result"], "reclaimed");
}

#[test]
fn a_command_that_hangs_is_ended_with_what_it_started() {
    let env = TestEnv::new("2026.4.15");
    let pids = env.home().join("pids");
    let line = format!("sleep 1000 & echo $! > '{}'; wait", pids.display());
    let watch = Watch::start(&env, &["--shell", "--on-finding", &line, "--command-timeout", "300ms"]);
    plant(&env, "a");
    watch.wait_for(|line| line.says("command failed") && line.fields["result"] == "timed-out");
    let pid = std::fs::read_to_string(&pids).expect("it ran").trim().to_owned();
    eventually("its child is gone too", || {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
    });
    assert_eq!(watch.metric(r#"lockdoctor_deliveries_total{channel="command",result="timed-out"}"#), 1.0);
}

#[test]
fn a_web_hook_that_fails_is_tried_again_and_never_holds_the_loop_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}/hook?token=s3cret", listener.local_addr().expect("address"));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for (attempt, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("client");
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            while !bytes.ends_with(b"}\n") {
                let read = stream.read(&mut buffer).expect("read");
                if read == 0 {
                    break;
                }
                bytes.extend_from_slice(&buffer[..read]);
            }
            let status = if attempt == 0 { "503 Service Unavailable" } else { "204 No Content" };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .expect("write");
            sender.send(String::from_utf8_lossy(&bytes).into_owned()).ok();
        }
    });
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &["--webhook", &url]);
    plant(&env, "a");
    let first = receiver.recv_timeout(Duration::from_secs(10)).expect("first attempt");
    let asked = Instant::now();
    assert!(watch.get("/healthz").0.starts_with("HTTP/1.1 200"));
    assert!(asked.elapsed() < Duration::from_millis(500));
    let second = receiver.recv_timeout(Duration::from_secs(10)).expect("second attempt");
    let body = |request: &str| request.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    assert_eq!(body(&first), body(&second));
    assert!(body(&first).is_some_and(|body| body.contains("stale-lock")), "{first}");
    eventually("it counts", || {
        watch.metric(r#"lockdoctor_deliveries_total{channel="webhook",result="ok"}"#) == 1.0
    });
    assert!(!watch.dump().contains("s3cret"));
}

#[test]
fn a_receiver_that_is_down_does_not_keep_it_from_ending() {
    let env = TestEnv::new("2026.4.15");
    let mut watch = Watch::start(&env, &["--webhook", "http://127.0.0.1:1/"]);
    plant(&env, "a");
    watch.wait_for(|line| line.fields["verdict"] == "stale");
    std::thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    watch.signal(rustix::process::Signal::TERM);
    watch.child.wait().expect("ends");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

/// Their addresses may hold a token, and the command is somebody's script.
#[test]
fn a_command_inherits_no_address_of_ours() {
    let settings = lockdoctor::settings::command::<lockdoctor::cli::Cli>();
    let watch = settings.find_subcommand("watch").expect("watch");
    let urls = watch.get_arguments().filter(|option| {
        option.get_value_names().unwrap_or_default().iter().any(|name| name.as_str() == "URL")
    });
    let variables: Vec<String> =
        urls.filter_map(|option| Some(option.get_env()?.to_str()?.to_owned())).collect();
    assert!(variables.len() >= 2, "{variables:?}");
    let mut env = TestEnv::new("2026.4.15");
    for variable in &variables {
        env = env.variable(variable, "http://user:s3cret@127.0.0.1:1/s3cret");
    }
    let out = env.home().join("environment");
    let dump =
        format!("env > '{0}.new'; cat /proc/$$/cmdline >> '{0}.new'; mv '{0}.new' '{0}'", out.display());
    let _watch = Watch::start(&env, &["--shell", "--on-finding", &dump]);
    plant(&env, "a");
    eventually("the command runs", || out.exists());
    let seen = std::fs::read_to_string(&out).expect("environment");
    assert!(!seen.contains("s3cret"), "{seen}");
    assert!(seen.contains("HOME="), "{seen}");
}
