//! What one part knows, all know: no advice names an act that lockdoctor refuses.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::of_the_daemon;
use crate::support::{TestEnv, dead_pid, fifo, hold, own_pid, payload, payload_made, set_age, start_ticks};

/// Where OpenClaw puts a lock of each kind, below the state directory.
const PLACES: &[&str] = &[
    "agents/main/sessions/NAME.jsonl.lock",
    "agents/main/sessions/sessions.json.lock",
    "agents/main/sessions/.usage-cost-cache.json.lock",
    "agents/main/agent/auth-profiles.json.lock",
    "agents/main/qmd-write.lock.lock",
    "locks/oauth-refresh/lock-NAME.lock",
    "credentials/NAME-pairing.json.lock",
    "openclaw.json.lock",
    "exec-approvals.json.lock",
    "sandbox/containers.json.lock",
    "qmd/embed.lock.lock",
    "workspace/memory/.dreams/short-term-promotion.lock",
    "acp/event-ledger.json.lock",
    "crestodian/NAME.jsonl.lock",
    ".fs-safe-write-NAME.lock",
    "agents/main/sessions/NAME.jsonl.lock.reclaim",
];

/// What may have become of a lock.
#[derive(Debug, Clone, Copy)]
enum State {
    Dead,
    Held,
    Leaked,
    Empty,
    Malformed,
    Overdue,
    Link,
    HardLink,
    Directory,
    Pipe,
}

const STATES: [State; 10] = [
    State::Dead,
    State::Held,
    State::Leaked,
    State::Empty,
    State::Malformed,
    State::Overdue,
    State::Link,
    State::HardLink,
    State::Directory,
    State::Pipe,
];

fn plant(env: &TestEnv, place: &str, state: State) -> (PathBuf, Option<fs::File>) {
    let path = env.state().join(place.replace("NAME", "3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42"));
    fs::create_dir_all(path.parent().expect("below")).expect("directory");
    if let Some(transcript) = path.to_string_lossy().strip_suffix(".lock")
        && transcript.ends_with(".jsonl")
    {
        fs::write(transcript, "{}\n").expect("transcript");
    }
    let own = payload(own_pid(), Some(start_ticks(own_pid())));
    let elsewhere = env.home().join("elsewhere.lock");
    let mut open = None;
    match state {
        State::Dead => fs::write(&path, payload(dead_pid(), Some(1))).expect("lock"),
        State::Held => open = Some(hold(&path, &own)),
        State::Leaked => fs::write(&path, own).expect("lock"),
        State::Empty => fs::write(&path, "").expect("lock"),
        State::Malformed => fs::write(&path, "no JSON").expect("lock"),
        State::Overdue => {
            let made = payload_made(own_pid(), Some(start_ticks(own_pid())), Duration::from_secs(7 * 86_400));
            open = Some(hold(&path, &made));
        }
        State::Link => symlink("/etc/passwd", &path).expect("link"),
        State::HardLink => {
            fs::write(&elsewhere, payload(dead_pid(), Some(1))).expect("lock");
            fs::hard_link(&elsewhere, &path).expect("link");
        }
        State::Directory => fs::create_dir(&path).expect("directory"),
        State::Pipe => fifo(&path),
    }
    if matches!(state, State::Dead | State::Leaked | State::Empty | State::Malformed) {
        set_age(&path, Duration::from_secs(600));
    }
    (path, open)
}

/// Every text in a document that somebody may take for something to type.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.values().for_each(|value| texts(value, found)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::String(text) if text.contains("lockdoctor ") => found.push(text.clone()),
        _ => {}
    }
}

/// Whether `reclaim` would free the lock at `path`.
fn is_freed(env: &TestEnv, path: &Path) -> bool {
    let (state, path) = (env.state(), path.to_string_lossy());
    let plan = env.run(&["reclaim", "--json", "--settle", "0s", "--state-dir", &state.to_string_lossy()]);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap_or_else(|error| panic!("{error}: {plan:#?}"));
    let locks = plan["locks"].as_array().expect("locks");
    locks.iter().any(|lock| lock["path"] == *path && lock["result"] == "planned")
}

/// Every kind in every state; each command that is advised is typed.
#[test]
fn no_advice_names_an_act_that_is_refused() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for place in PLACES {
        for state in STATES {
            let env = TestEnv::new(if place.ends_with(".reclaim") { "2026.8.1" } else { "2026.4.15" });
            let (path, _open) = plant(&env, place, state);
            let directory = env.state();
            let directory = directory.to_string_lossy();
            let log = env.home().join("gateway.log");
            fs::write(&log, "").expect("log");
            let log = log.to_string_lossy();
            let lock = path.to_string_lossy();
            let mut said = Vec::new();
            for command in [
                vec!["scan", "--json", "--all", "--state-dir", &directory],
                vec!["status", "--json", "--log", &log, "--state-dir", &directory],
                vec!["diagnose", "--json", "--log", &log, "--state-dir", &directory],
                vec!["explain", "--json", &lock],
            ] {
                let run = env.run(&command);
                if let Ok(document) = serde_json::from_str(&run.stdout) {
                    texts(&document, &mut said);
                }
            }
            said.sort();
            said.dedup();
            let advised = said.iter().any(|text| text.contains("lockdoctor reclaim"));
            if advised && !is_freed(&env, &path) {
                wrong.push(format!("{place} {state:?}: {said:#?}"));
            }
            for text in said.iter().filter(|text| text.starts_with("lockdoctor ") && !text.ends_with('.')) {
                tried += 1;
                let mut words = std::process::Command::new("sh");
                let typed = text.replacen("lockdoctor", &crate::support::binary().to_string_lossy(), 1);
                let output = env.isolate(&mut words).args(["-c", &typed]).output().expect("sh");
                let errors = String::from_utf8_lossy(&output.stderr).into_owned();
                let usage = errors.contains("Usage:") || errors.contains("error:");
                if output.status.code().is_none_or(|code| code > 2) || usage {
                    wrong.push(format!("{place} {state:?}: {text}: {output:?}"));
                }
            }
        }
    }
    assert!(tried > 20, "{tried}");
    assert!(wrong.is_empty(), "{} of it: {wrong:#?}", wrong.len());
}

/// The daemon's own words for the same.
#[test]
fn the_daemon_advises_no_act_that_is_refused() {
    let env = TestEnv::new("2026.4.15");
    let mut refused = Vec::new();
    let mut open = Vec::new();
    for place in PLACES.iter().filter(|place| !place.ends_with(".reclaim")) {
        let (path, file) = plant(&env, place, State::Dead);
        open.extend(file);
        if !is_freed(&env, &path) {
            refused.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    assert!(refused.len() >= 10, "{refused:?}");
    let log = env.home().join("gateway.log");
    fs::write(&log, "").expect("log");
    let said = of_the_daemon(&env, &env.state().to_string_lossy(), &log.to_string_lossy());
    for outlet in
        said.iter().filter(|said| ["/status.json", "web hook", "command"].contains(&said.outlet.as_str()))
    {
        for line in outlet.text.lines().filter(|line| line.starts_with('{') || line.starts_with("POST")) {
            let mut found = Vec::new();
            if let Ok(document) = serde_json::from_str(line) {
                texts(&document, &mut found);
            }
            for text in found.iter().filter(|text| text.contains("lockdoctor reclaim ")) {
                assert!(
                    refused.iter().all(|name| !text.contains(name.as_str())),
                    "{}: {text}",
                    outlet.outlet
                );
            }
        }
    }
}
