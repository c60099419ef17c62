//! Names that are no text: each costs itself alone, and is counted and said.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::everything;
use crate::support::{TestEnv, dead_pid, payload};

#[test]
fn names_that_are_no_text_silence_no_outlet() {
    let env = TestEnv::new("2026.5.22");
    let sessions = env.sessions("main");
    let stale = payload(dead_pid(), Some(1));
    let odd = OsStr::from_bytes(b"odd-\xff\xfe.jsonl.lock");
    fs::write(sessions.join(odd), &stale).expect("lock");
    fs::write(sessions.join(OsStr::from_bytes(b"odd-\xff\xfe.jsonl")), "{}\n").expect("transcript");
    let plain = env.session("plain");
    fs::write(&plain, &stale).expect("lock");
    let agent = env.state().join("agents").join(OsStr::from_bytes(b"agent-\xe4")).join("sessions");
    fs::create_dir_all(&agent).expect("agent");
    fs::write(agent.join("x.jsonl.lock"), &stale).expect("lock");
    let log = env.home().join("gateway.log");
    fs::write(&log, b"\xff\xfe no text \xff\n").expect("log");

    let json = env.scan().json();
    let paths: Vec<&str> =
        json["locks"].as_array().expect("locks").iter().filter_map(|lock| lock["path"].as_str()).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    assert!(paths.iter().any(|path| path.ends_with("odd-\u{fffd}\u{fffd}.jsonl.lock")), "{paths:?}");

    for said in everything(&env, &env.state(), &log, &plain) {
        let lists = ["scan", "reclaim", "/status.json"].iter().any(|outlet| said.outlet.starts_with(outlet));
        assert!(said.outlet == "quarantine list" || !said.text.is_empty(), "{said:#?}");
        assert!(!lists || said.text.matches(".jsonl.lock").count() >= 3, "{said:#?}");
        if said.outlet == "web hook" || said.outlet == "command" {
            assert_eq!(said.text.matches("\"stale-lock\"").count(), 3, "{said:#?}");
        }
    }
}
