//! What people and programs read: the schema's promises, and the texts as a whole.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use crate::support::{TestEnv, hold, own_pid, payload_made, scan_schema, set_age};
use serde_json::{Value, json};

#[test]
fn the_schema_can_say_no() {
    let good = sample().scan().json();
    assert!(scan_schema().is_valid(&good));
    for (pointer, wrong) in [
        ("/schema", json!("lockdoctor/scan/v2")),
        ("/generated_at", json!("2026-05-26 07:22")),
        ("/locks/0/verdict", json!("dead")),
        ("/locks/0/kind", json!("sessions")),
        ("/locks/0/action", json!("delete")),
        ("/locks/0/reasons", json!(["old"])),
        ("/locks/0/age_ms", json!(1.5)),
        ("/locks/0/owner", json!(null)),
        ("/roots/0/gateway/state", json!("up")),
        ("/summary", json!({"total": 1})),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect(pointer) = wrong;
        assert!(!scan_schema().is_valid(&bad), "{pointer}");
    }
}

/// An install with something of everything; the descriptors hold what is held.
struct Sample {
    env: TestEnv,
    _held: Vec<File>,
}

impl Sample {
    fn scan(&self) -> crate::support::Run {
        self.env.scan()
    }

    fn lock(&self, id: &str) -> PathBuf {
        self.env.sessions("main").join(format!("{id}.jsonl.lock"))
    }

    /// The text of a run, with all that differs from run to run replaced.
    fn shows(&self, name: &str, arguments: &[&str]) {
        let run = self.env.run(arguments);
        let text = format!("{}{}[exit status: {}]", run.stdout, run.stderr, run.code);
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings.add_filter(&regex_escaped(&self.env.home().to_string_lossy()), "/home/u");
        settings.add_filter(&own_pid().to_string(), "[PID]");
        settings.add_filter(r"\bsuite-[0-9a-f]+", "[COMM]");
        settings.add_filter(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[TIME]");
        // Pids and start times are longer on some machines.
        settings.add_filter(r"inode \d+, \d+ bytes", "inode [INODE], [N] bytes");
        settings.add_filter(r"inode \d+", "inode [INODE]");
        settings.add_filter(r"\b[0-9a-f]{16}\b", "[FINGERPRINT]");
        settings.add_filter(r"\d+ % CPU, \d+ MiB, \w+, up [^\n]+", "[PROCESS]");
        settings.add_filter(r"uid \d+", "uid [UID]");
        settings.add_filter(r"\b\d+(ms|s)\b", "[S]");
        settings.add_filter(r"(\d{4}-\d\d-\d\d )?\b\d\d:\d\d\b", "[CLOCK]");
        settings.add_filter(r"…[0-9a-f]{4}\b", "…[MASK]");
        settings.add_filter(r" {2,}", "  ");
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

fn regex_escaped(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_alphanumeric() { vec![c] } else { vec!['\\', c] }).collect()
}

fn sample() -> Sample {
    let env = TestEnv::new("2026.5.22");
    let hours = |n: u64| Duration::from_secs(n * 3600);
    // Ages far from a change of the larger unit, so that a slow machine shows the same; the stale one younger
    // than any machine's uptime.
    let held = hold(&env.session("held"), &payload_made(own_pid(), None, Duration::from_secs(90)));
    let overdue =
        hold(&env.session("overdue"), &payload_made(own_pid(), None, hours(3) + Duration::from_secs(30)));
    fs::write(env.session("stale"), payload_made(TOO_BIG, Some(1), Duration::from_secs(210))).expect("lock");
    let malformed = env.session("malformed");
    fs::write(&malformed, "{not json").expect("lock");
    set_age(&malformed, hours(50) + Duration::from_secs(1800));
    std::os::unix::fs::symlink("/etc/passwd", env.session("symlink")).expect("symlink");
    fs::write(
        env.sessions("main").join("sessions.json"),
        r#"{"agent:main:telegram:direct:123456789": {"sessionId": "stale"}, "agent:main:main": {"sessionId": "held"}}"#,
    )
    .expect("store");
    env.sessions("nina");
    Sample { env, _held: vec![held, overdue] }
}

/// No Linux kernel hands out a pid above 2^22, so this one is dead everywhere and reads the same in each run.
const TOO_BIG: u32 = 4_200_000;

/// Lines fit a pipe of 120 columns; no word is broken.
#[test]
fn the_answer_for_people() {
    let sample = sample();
    let state = sample.env.state();
    let state = state.to_string_lossy();
    // Other gateways of this machine log below /tmp.
    let log = sample.env.tmp().join("gateway.log");
    fs::write(&log, "2026-11-22T14:00:00.000Z [gateway] ready\n").expect("log");
    let log = log.to_string_lossy();
    sample.shows("status", &["status", "--log", &log, "--state-dir", &state]);
    sample.shows("diagnose", &["diagnose", "--log", &log, "--state-dir", &state]);
    sample.shows("reclaim-plan", &["reclaim", "--settle", "0s", "--state-dir", &state]);
}

#[test]
fn scan_and_explain_for_people() {
    let sample = sample();
    let state = sample.env.state();
    let state = state.to_string_lossy();
    sample.shows("scan", &["scan", "--state-dir", &state]);
    sample.shows("scan-all", &["scan", "--all", "--state-dir", &state]);
    sample.shows("explain-stale", &["explain", &sample.lock("stale").to_string_lossy()]);
    sample.shows("explain-overdue", &["explain", &sample.lock("overdue").to_string_lossy()]);
    sample.shows("explain-symlink", &["explain", &sample.lock("symlink").to_string_lossy()]);
}

#[test]
fn plain_and_line_by_line_for_programs() {
    let sample = sample();
    let state = sample.env.state();
    let state = state.to_string_lossy();
    let plain = sample.env.run(&["scan", "--format", "plain", "--state-dir", &state]).exits(1);
    let rows: Vec<Vec<&str>> = plain.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row.len() == 8), "{rows:#?}");
    let stale = rows.iter().find(|row| row[0] == "stale" && row[2].contains("dead-pid")).expect("stale");
    assert_eq!((stale[1], stale[3], stale[4]), ("reclaim", "session", "4200000"));
    assert!(stale[6].starts_with("agent:main:telegram:direct:…") && !stale[6].contains("12345"));
    assert_eq!(stale[7], sample.lock("stale").to_string_lossy());

    let lines = sample.env.run(&["scan", "--format", "ndjson", "--state-dir", &state]).exits(1);
    let locks: Vec<Value> =
        lines.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(locks.len(), 5);
    let whole = sample.scan().json();
    let paths = |locks: &[Value]| locks.iter().map(|lock| lock["path"].clone()).collect::<Vec<_>>();
    assert_eq!(paths(&locks), paths(whole["locks"].as_array().expect("locks")));

    let explained = sample.env.run(&["explain", "--json", &sample.lock("stale").to_string_lossy()]).exits(0);
    let explained: Value = serde_json::from_str(&explained.stdout).expect("JSON");
    assert_eq!(explained["verdict"], "stale");
}

#[test]
fn keys_are_redacted_unless_asked_for() {
    let sample = sample();
    let state = sample.env.state();
    let state = state.to_string_lossy();
    for format in ["table", "plain", "json", "ndjson"] {
        let scan = |more: &[&str]| {
            let mut arguments = vec!["scan", "--format", format, "--state-dir", &state];
            arguments.extend(more);
            sample.env.run(&arguments).stdout
        };
        assert!(!scan(&[]).contains("123456789"), "{format}");
        assert!(scan(&["--no-redact"]).contains("123456789"), "{format}");
    }
}

#[test]
fn colours_only_where_they_are_wanted() {
    let sample = sample();
    let state = sample.env.state();
    let state = state.to_string_lossy();
    let scan = |color: &str| sample.env.run(&["scan", "--color", color, "--state-dir", &state]).stdout;
    assert!(scan("always").contains("\u{1b}["));
    assert!(!scan("auto").contains('\u{1b}') && !scan("never").contains('\u{1b}'));
}

#[test]
fn help_of_each_command() {
    let sample = Sample { env: TestEnv::empty(), _held: Vec::new() };
    sample.shows("help-scan", &["scan", "--help"]);
    sample.shows("help-explain", &["explain", "--help"]);
}

#[test]
fn one_document_a_line_is_one_line() {
    let sample = sample();
    let state = sample.env.state();
    let state = state.to_string_lossy();
    let lock = sample.env.run(&["scan", "--json", "--state-dir", &state]).paths().remove(0);
    for command in
        [&["explain", &lock][..], &["check", &state], &["doctor", "clock", &state], &["diagnose", &state]]
    {
        let run = sample.env.run(&[command, &["--format", "ndjson"]].concat());
        assert_eq!(run.stdout.lines().count(), 1, "{command:?}: {run:#?}");
        run.json();
    }
    let demo = sample.env.run(&["demo", "--json"]).exits(2);
    assert!(demo.stderr.contains("one format"), "{demo:#?}");
}

#[test]
fn a_bad_variable_is_called_by_its_name() {
    let env = TestEnv::empty().variable("LOCKDOCTOR_FORMAT", "xml");
    let run = env.run(&["scan"]).exits(2);
    assert!(run.stderr.contains("for 'LOCKDOCTOR_FORMAT'") && !run.stderr.contains("xml"), "{run:#?}");
    let run = env.run(&["scan", "--format", "yaml"]).exits(2);
    assert!(run.stderr.contains("'yaml' for '--format"), "{run:#?}");
}
