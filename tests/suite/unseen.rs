//! What could not be seen is never called healthy: every place that is read, with everything that can stand in its way.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Run, TestEnv, dead_pid, fifo, payload};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    Pipe,
    Directory,
    PlainFile,
    LinkToNowhere,
    LinkToItself,
    LinkToDevice,
    Garbage,
    Terabyte,
}

use Obstacle::{Directory, Garbage, LinkToDevice, LinkToItself, LinkToNowhere, Pipe, PlainFile, Terabyte};

/// Of a file that is read.
const OF_FILES: &[Obstacle] =
    &[Pipe, Directory, LinkToNowhere, LinkToItself, LinkToDevice, Garbage, Terabyte];
/// Of a file of which a line more or less says nothing.
const OF_LINES: &[Obstacle] = &[Pipe, Directory, LinkToNowhere, LinkToItself, LinkToDevice, Terabyte];
/// Of a directory without which OpenClaw cannot work.
const OF_SESSIONS: &[Obstacle] = &[Pipe, PlainFile, LinkToNowhere, LinkToItself];
/// Of any directory: where a file lies in its place, there can be no lock.
const OF_DIRECTORIES: &[Obstacle] = &[LinkToNowhere, LinkToItself];

const PLACES: &[(&str, &[Obstacle])] = &[
    ("openclaw.json", OF_FILES),
    (".env", OF_LINES),
    ("agents/main/sessions/sessions.json", OF_LINES),
    ("state/openclaw.sqlite", OF_FILES),
    ("agents/main/agent/openclaw-agent.sqlite", OF_FILES),
    ("agents", OF_SESSIONS),
    ("agents/main", OF_DIRECTORIES),
    ("agents/main/sessions", OF_SESSIONS),
    ("agents/main/agent", OF_DIRECTORIES),
    ("locks/oauth-refresh", OF_DIRECTORIES),
    ("credentials", OF_DIRECTORIES),
    ("credentials/whatsapp", OF_DIRECTORIES),
    ("sandbox", OF_DIRECTORIES),
    ("qmd", OF_DIRECTORIES),
    ("acp", OF_DIRECTORIES),
    ("plugins", OF_DIRECTORIES),
    ("plugins/active-memory/transcripts", OF_DIRECTORIES),
    ("crestodian/sessions", OF_DIRECTORIES),
    ("commitments/extractor-sessions/x", OF_DIRECTORIES),
    ("internal-agent-runs", OF_DIRECTORIES),
    ("workspace/memory/.dreams", OF_DIRECTORIES),
    ("tmp", OF_DIRECTORIES),
];

fn put(obstacle: Obstacle, path: &Path) {
    fs::create_dir_all(path.parent().expect("below")).expect("directory");
    if path.is_dir() {
        fs::remove_dir_all(path).expect("removed");
    } else if path.exists() {
        fs::remove_file(path).expect("removed");
    }
    match obstacle {
        Pipe => fifo(path),
        Directory => fs::create_dir(path).expect("directory"),
        PlainFile => fs::write(path, "x").expect("file"),
        LinkToNowhere => symlink("/nonexistent/volume", path).expect("link"),
        LinkToItself => symlink(path.file_name().expect("a name"), path).expect("link"),
        LinkToDevice => symlink("/dev/zero", path).expect("link"),
        Garbage => fs::write(path, b"\xff\x00garbage".repeat(200)).expect("file"),
        Terabyte => File::create(path).expect("file").set_len(1 << 40).expect("sparse"),
    }
}

/// Commands that look at locks; with the logs, those that look at more.
const LOOKS: [&[&str]; 3] = [&["scan", "--json"], &["status", "--json"], &["diagnose", "--json"]];

/// Which of them call what they saw whole.
fn healthy(env: &TestEnv, looks: &[&[&str]]) -> Vec<String> {
    let state = env.state();
    let state = state.to_string_lossy();
    let mut wrong = Vec::new();
    for look in looks {
        let run = env.run(&[look, &["--state-dir", &*state][..]].concat());
        let said = run.stdout.contains("\"problems\"") || run.stdout.contains("blind_spots");
        if run.code != 2 || !said {
            wrong.push(format!("{} exits {}: {}", look[0], run.code, run.stderr));
        }
        assert!(run.took < std::time::Duration::from_secs(20), "{run:#?}");
    }
    if looks.len() == LOOKS.len() {
        let check = env.run(&["check", "--state-dir", &state]);
        if check.code == 0 {
            wrong.push(format!("check: {}", check.stdout));
        }
    }
    wrong
}

#[test]
fn whatever_stands_in_the_way_is_said() {
    let mut wrong = Vec::new();
    for (place, obstacles) in PLACES {
        for obstacle in *obstacles {
            let env = TestEnv::new("2026.5.22");
            env.session("a");
            put(*obstacle, &env.state().join(place));
            wrong.extend(
                healthy(&env, &LOOKS).into_iter().map(|what| format!("{place} {obstacle:?}: {what}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{} of it: {wrong:#?}", wrong.len());
    let env = TestEnv::new("2026.5.22");
    env.session("a");
    let looks = healthy(&env, &LOOKS);
    assert_eq!(looks.len(), LOOKS.len() + 1, "nothing stands in the way, and yet: {looks:#?}");
}

#[test]
fn whatever_a_configuration_leads_to_in_vain_is_said() {
    let mut wrong = Vec::new();
    for (config, made, looks) in [
        (r#""session": {"store": "/nonexistent/volume/sessions.json"}"#, None, 0),
        (r#""session": {"store": "~/elsewhere/{agentId}/sessions.json"}"#, None, 0),
        (r#""session": {"store": "/etc/hostname"}"#, None, 0),
        (r#""session": {"store": null}"#, None, 0),
        (r#""session": {"store": "~/moved/s.json"}"#, Some(("moved/s.json", Pipe)), 0),
        (r#""session": {"store": "~/moved/s.json"}"#, Some(("moved", LinkToNowhere)), 0),
        (r#""session": {"writeLock": {"maxHoldMs": "720000"}}"#, None, 0),
        (r#""agents": {"defaults": {"timeoutSeconds": "15m"}}"#, None, 0),
        (r#""agents": {"list": [{"id": "x", "agentDir": "~/ad"}]}"#, Some(("ad", LinkToNowhere)), 0),
        (r#""agents": {"list": [{"id": "x", "agentDir": "~/ad"}]}"#, Some(("ad", LinkToItself)), 0),
        (r#""agents": {"defaults": {"workspace": "~/ws"}}"#, Some(("ws", LinkToNowhere)), 0),
        (r#""$include": "./more.json""#, None, 0),
        // A scan reads no log where no lock asks for it.
        (r#""logging": {"file": "~/g.log"}"#, Some(("g.log", Pipe)), 1),
        (r#""logging": {"file": "~/g.log"}"#, Some(("g.log", Directory)), 1),
        (r#""logging": {"file": "~/g.log"}"#, Some(("g.log", LinkToNowhere)), 1),
        (r#""logging": {"file": "~/g.log"}"#, Some(("g.log", LinkToDevice)), 1),
    ] {
        let env = TestEnv::new("2026.5.22");
        env.session("a");
        env.config(&format!(r#"{{"meta": {{"lastTouchedVersion": "2026.4.15"}}, {config}}}"#));
        if let Some((path, obstacle)) = made {
            put(obstacle, &env.home().join(path));
        }
        let found = healthy(&env, &LOOKS[looks..]);
        wrong.extend(found.into_iter().map(|what| format!("{config} {made:?}: {what}")));
    }
    assert!(wrong.is_empty(), "{} of it: {wrong:#?}", wrong.len());
}

/// The time limit of a cron job decides whether its lock is overdue.
#[test]
fn limits_that_cannot_be_read_are_said() {
    for obstacle in [Pipe, Directory, LinkToNowhere, Garbage, Terabyte] {
        let env = TestEnv::new("2026.5.22");
        let lock = env.session("a");
        fs::write(&lock, payload(dead_pid(), Some(1))).expect("lock");
        fs::write(lock.with_file_name("sessions.json"), r#"{"agent:main:cron:j": {"sessionId": "a"}}"#)
            .expect("store");
        put(obstacle, &env.state().join("cron/jobs.json"));
        let scan: Run = env.scan().exits(2);
        assert!(
            scan.json()["problems"].to_string().contains("cron jobs are not known"),
            "{obstacle:?}: {scan:#?}"
        );
    }
}
