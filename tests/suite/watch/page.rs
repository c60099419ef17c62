//! The status page in a real browser, beside a daemon that has something to show.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use chrono::{SecondsFormat, TimeDelta, Utc};

use crate::support::browser::{checks, chromium};
use crate::support::sqlite::{Left, rebuild};
use crate::support::watch::{Watch, holder};
use crate::support::{
    Running, TestEnv, dead_pid, eventually, hold, own_pid, payload, payload_made, start_ticks,
};

/// Session keys as they are in the wild, one of them a trap.
const STORE: &str = r#"{
    "agent:main:main": {"sessionId": "5b1e7d02-0000-4000-8000-000000000001"},
    "agent:main:telegram:direct:+4915112345678": {"sessionId": "5b1e7d02-0000-4000-8000-000000000002"},
    "agent:main:discord:channel:<img src=x onerror=owned=1>": {"sessionId": "5b1e7d02-0000-4000-8000-000000000003"},
    "agent:main:cron:backup": {"sessionId": "5b1e7d02-0000-4000-8000-000000000004"}
}"#;

fn id(n: u32) -> String {
    format!("5b1e7d02-0000-4000-8000-{n:012}")
}

/// Half an hour of a gateway that is busy, and in trouble at its end.
fn log() -> String {
    let mut text = String::new();
    let mut say = |seconds: i64, message: &str| {
        let at = (Utc::now() - TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Millis, false);
        writeln!(text, "{at} {message}").expect("a String");
    };
    say(1800, "[gateway] listening on ws://127.0.0.1:18789 (PID 4242)");
    for n in 0..40 {
        let (at, ms) = (1700 - n * 40, 4_000 + (n * 7_919) % 90_000);
        say(at, &format!("[diagnostic] lane task done: lane=main durationMs={ms} active=1 queued=0"));
        say(
            at,
            &format!(
                "[diagnostic] lane task done: lane=session:agent:main:main durationMs={} active=0 queued=0",
                ms + 12
            ),
        );
    }
    for n in 0..5 {
        let wait = 12_000 + n * 9_000;
        say(
            900 - n * 60,
            &format!(
                "[diagnostic] lane wait exceeded: lane=session:agent:main:telegram:direct:+4915112345678 waitedMs={wait} queueAhead=1"
            ),
        );
        say(
            880 - n * 60,
            &format!("[diagnostic] lane wait exceeded: lane=main waitedMs={} queueAhead=2", wait / 3),
        );
    }
    say(
        400,
        "[diagnostic] lane task error: lane=cron durationMs=61000 error=\"FailoverError: LLM request timed out.\"",
    );
    say(
        300,
        &format!("[agent/embedded] embedded run timeout: runId=9a7c sessionId={} timeoutMs=600000", id(2)),
    );
    say(
        280,
        &format!(
            "[diagnostic] stalled session: sessionId={} sessionKey=agent:main:telegram:direct:+4915112345678 state=processing age=420s queueDepth=2 classification=stalled_agent_run activeWorkKind=model_call",
            id(2)
        ),
    );
    text
}

#[test]
fn a_browser_agrees() {
    let (chromium, directory) = match (chromium(), checks("status.mjs")) {
        (Ok(chromium), Ok(directory)) => (chromium, directory),
        (Err(why), _) | (_, Err(why)) => return eprintln!("SKIPPED: {why}"),
    };
    let env = TestEnv::new("2026.5.22");
    fs::write(env.sessions("main").join("sessions.json"), STORE).expect("store");
    let log_file = env.home().join("gateway.log");
    fs::write(&log_file, log()).expect("log");
    let owner = holder(&env.session(&id(1)));
    let ours = Some(start_ticks(own_pid()));
    let overdue = env.session(&id(3));
    let _overdue = hold(&overdue, &payload_made(own_pid(), ours, Duration::from_secs(4000)));
    let past = SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(overdue.with_extension("")).expect("transcript").set_modified(past).expect("mtime");
    fs::write(env.session(&id(4)), payload(dead_pid(), Some(1))).expect("dead");
    let _held = hold(&env.session(&id(2)), &payload(own_pid(), ours));

    let newer = TestEnv::new("2026.9.6");
    let newer_state = newer.state();
    rebuild("state-2026.9.6-midrun.sql", &newer_state.join("state/openclaw.sqlite"), Left::Killed);

    let watch = Watch::start(
        &env,
        &[
            "--state-dir",
            newer_state.to_str().expect("UTF-8"),
            "--reclaim",
            "--settle",
            "100ms",
            "--log",
            log_file.to_str().expect("UTF-8"),
        ],
    );
    eventually("everything is there to be shown", || {
        let status = watch.status();
        let codes = status["findings"].to_string();
        let len = |key: &str| status[key].as_array().map_or(0, Vec::len);
        codes.contains("run-timeout") && len("acts") == 1 && len("leases") > 0 && len("lanes") > 2
    });
    let mut browser = Command::new("node");
    browser.arg("status.mjs").arg(chromium).arg(format!("http://{}/", watch.address)).arg(&directory);
    // It kills the holder, and says when.
    let mut browser = Running::start(browser.current_dir(&directory).stdin(std::process::Stdio::piped()));
    let mut said = String::new();
    let mut owner = Some(owner);
    loop {
        let line = browser.line();
        match line.as_str() {
            "" => break,
            "kill the holder" => drop(owner.take()),
            _ => writeln!(said, "{line}").expect("a String"),
        }
    }
    let ended = browser.child.wait().expect("node");
    eprintln!("screenshots: {}", directory.display());
    assert!(ended.success(), "{said}");
}
