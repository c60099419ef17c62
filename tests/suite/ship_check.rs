//! `lockdoctor check` as a monitoring system sees it: one line, performance data, exit status.

use crate::support::Owner;
use crate::support::ship::{DEAD_PID, State, code, lockdoctor, stdout};

fn check(state: &State, more: &[&str]) -> (i32, String) {
    let directory = state.path().to_string_lossy().into_owned();
    let output = lockdoctor(&[&["check", "--state-dir", &directory], more].concat());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (code(&output), stdout(&output))
}

/// `'label'=value[UOM];[warn];[crit];[min];[max]`, blank-separated.
fn performance(line: &str) -> Vec<(String, String)> {
    let (_, data) = line.trim_end().split_once(" | ").expect("performance data");
    let metrics = data.split(' ').map(|metric| {
        let (label, rest) = metric.split_once('=').expect("label=value");
        let fields: Vec<&str> = rest.split(';').collect();
        assert_eq!(fields.len(), 4, "{metric}");
        let number = fields[0].trim_end_matches('s');
        assert!(number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty(), "{metric}");
        assert!(label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{metric}");
        (label.to_owned(), rest.to_owned())
    });
    metrics.collect()
}

fn value(line: &str, label: &str) -> String {
    performance(line).into_iter().find(|(each, _)| each == label).expect(label).1
}

#[test]
fn a_healthy_install_is_ok() {
    let state = State::of_version("2026.3.13");
    let _held = state.held_lock("a", 12);
    let (code, line) = check(&state, &[]);
    assert_eq!(code, 0, "{line}");
    assert!(line.starts_with("LOCKS OK - 1 held | critical=0;;0;0 warning=0;0;;0 "), "{line}");
    assert_eq!(line.lines().count(), 1);
    assert!(["12s;;;0", "13s;;;0"].contains(&value(&line, "oldest").as_str()), "{line}");
}

#[test]
fn a_lock_that_openclaw_frees_itself_is_untidy() {
    let state = State::of_version("2026.3.13");
    state.left_lock("a", DEAD_PID, 600);
    let (code, line) = check(&state, &[]);
    // It is the gateway that did not stop cleanly that somebody has to know of.
    assert!(code == 1 && line.contains("The gateway is down"), "{line}");
    assert_eq!((value(&line, "stale"), value(&line, "blocked")), ("1;;;0".to_owned(), "0;;;0".to_owned()));
    assert_eq!(check(&state, &["-w", "warning=~:"]).0, 0);
    assert_eq!(check(&state, &["-w", "warning=~:", "-w", "stale=0"]).0, 1);
}

/// Its owner lives and has let go: up to 30 minutes nobody gets in.
#[test]
fn a_blocked_chat_is_a_warning_and_critical_once_a_message_failed() {
    let state = State::of_version("2026.3.13");
    let lock = state.sessions().join("a.jsonl.lock");
    let mut owner = Owner::start();
    owner.leak(&lock);
    let (code, line) = check(&state, &["--verbose"]);
    assert_eq!(code, 1, "{line}");
    assert!(line.contains("agent main, session a: leaked ["), "{line}");
    assert_eq!(value(line.lines().next().expect("a line"), "blocked"), "1;;;0");
    assert_eq!(line.lines().count(), 2, "the second line is about the one lock: {line}");
    assert!(line.contains("until then each message to this session fails"), "{line}");

    std::fs::create_dir(state.path().join("logs")).expect("logs");
    let at = (chrono::Utc::now() - chrono::TimeDelta::seconds(20)).format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let error = format!("Error: session file locked (timeout 10000ms): pid=99 {}", lock.display());
    let failed = format!(
        "{at} [diagnostic] lane task error: lane=session:agent:main:main durationMs=10014 error=\"{error}\"\n"
    );
    state.write("logs/gateway.log", &failed);
    let (code, line) = check(&state, &[]);
    assert_eq!(code, 2, "{line}");
    assert_eq!(value(&line, "critical"), "1;;0;0");
}

#[test]
fn overdue_is_a_warning_and_thresholds_say_when_it_is_more() {
    let limit = 600 + 120 + 60;
    let state = State::of_version("2026.3.13");
    let _held = state.held_lock("a", limit + 3600);
    let (code, line) = check(&state, &[]);
    assert_eq!(code, 1, "{line}");
    assert_eq!(value(&line, "overdue"), "1;;;0");
    assert_eq!(check(&state, &["-c", "overtime=900"]).0, 2);
    assert_eq!(check(&state, &["-c", "overtime=7200"]).0, 1);
    assert_eq!(check(&state, &["-w", "warning=~:"]).0, 0);
    assert_eq!(check(&state, &["-w", "warning=~:", "-w", "oldest=10"]).0, 1);
}

#[test]
fn what_cannot_be_looked_at_is_unknown() {
    let missing = lockdoctor(&["check", "--state-dir", "/nonexistent/state"]);
    assert_eq!(code(&missing), 3);
    assert!(stdout(&missing).starts_with("LOCKS UNKNOWN - /nonexistent/state: "), "{}", stdout(&missing));
    let nothing = lockdoctor(&["check"]);
    // Gateways that happen to run on this machine are found without a name.
    if code(&nothing) == 3 {
        assert_eq!(stdout(&nothing), "LOCKS UNKNOWN - no OpenClaw install found\n");
    }
}

#[test]
fn wrong_usage_is_unknown_too() {
    for wrong in [
        &["check", "--nonsense"][..],
        &["check", "-w", "nonsense=1"],
        &["check", "-c", "stale=b:a"],
        &["--state-dir", "scan", "check", "--nonsense"],
        &["--format=json", "--color", "never", "check", "--nonsense"],
        &["--nonsense", "check"],
        &["--config", "/nonexistent/config.toml", "check"],
    ] {
        let output = lockdoctor(wrong);
        assert_eq!(code(&output), 3, "{wrong:?}");
        assert!(stdout(&output).starts_with("LOCKS UNKNOWN - "), "{wrong:?}: {}", stdout(&output));
    }
    assert_eq!(code(&lockdoctor(&["scan", "--nonsense"])), 2);
    assert_eq!(code(&lockdoctor(&["--state-dir", "check", "scan", "--nonsense"])), 2);
    assert_eq!(code(&lockdoctor(&["check", "--help"])), 0);
}

#[test]
fn the_sqlite_era_is_not_called_healthy_without_a_word() {
    let state = State::of_version("2026.9.6");
    let (_, line) = check(&state, &[]);
    assert!(line.contains("gateway down") && !line.contains("- 0 held"), "{line}");
}

#[test]
fn json_carries_the_same() {
    let state = State::of_version("2026.3.13");
    state.left_lock("a", DEAD_PID, 600);
    let (code, text) = check(&state, &["--json", "-w", "stale=0"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(code, 1);
    assert_eq!(
        (json["schema"].as_str(), json["status"].as_str()),
        (Some("lockdoctor/check/v1"), Some("WARNING"))
    );
    let metric =
        json["metrics"].as_array().expect("metrics").iter().find(|m| m["label"] == "stale").expect("stale");
    assert_eq!((metric["value"].as_u64(), metric["warning"].as_str()), (Some(1), Some("0")));
}
