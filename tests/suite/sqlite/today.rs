//! What an install of 2026.9 says of itself without a log, end to end: stand-in processes, hand-made rows. The first
//! finding is the right one, what it tells to type cures it, no text of a message is shown, and nothing is touched.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::Utc;
use lockdoctor::peek::held;
use rusqlite::Connection;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::stand_in::{StandIn, until_within};
use crate::support::TestEnv;
use crate::support::sqlite::{Left, fingerprint, rebuild};

/// As 2026.9.6 makes them.
const TABLES: &str = "
    CREATE TABLE gateway_boot_lifecycle (boot_id TEXT NOT NULL PRIMARY KEY, pid INTEGER NOT NULL,
        started_at_ms INTEGER NOT NULL, completed_at_ms INTEGER, outcome TEXT, startup_reason TEXT, reason TEXT) STRICT;
    CREATE TABLE channel_ingress_events (queue_name TEXT NOT NULL, event_id TEXT NOT NULL, channel_id TEXT NOT NULL,
        account_id TEXT NOT NULL, status TEXT NOT NULL, lane_key TEXT, payload_json TEXT NOT NULL, metadata_json TEXT,
        received_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, claim_token TEXT, claim_owner TEXT,
        claimed_at INTEGER, attempts INTEGER NOT NULL DEFAULT 0, last_attempt_at INTEGER, last_error TEXT,
        failed_reason TEXT, failed_at INTEGER, completed_at INTEGER, completed_metadata_json TEXT,
        PRIMARY KEY (queue_name, event_id)) STRICT;
    CREATE TABLE task_runs (task_id TEXT NOT NULL PRIMARY KEY, runtime TEXT NOT NULL, requester_session_key TEXT,
        child_session_key TEXT, agent_id TEXT, run_id TEXT, task TEXT NOT NULL, status TEXT NOT NULL,
        created_at INTEGER NOT NULL, ended_at INTEGER, error TEXT) STRICT;";

/// What nobody but its reader is meant to see.
const PRIVATE: &str = "meet me at the old mill";

struct Install {
    env: TestEnv,
}

impl Install {
    /// Its gateway was killed in a run; `rows` are added to the shared database.
    fn with(rows: &str) -> Self {
        let env = TestEnv::new("2026.9.6");
        rebuild("state-2026.9.6-midrun.sql", &env.state().join("state/openclaw.sqlite"), Left::Closed);
        let agent = env.state().join("agents/main/agent/openclaw-agent.sqlite");
        rebuild("agent-2026.9.6-midrun.sql", &agent, Left::Closed);
        let install = Self { env };
        let db = Connection::open(install.env.state().join("state/openclaw.sqlite")).expect("opened");
        db.execute_batch(&format!("{TABLES} DELETE FROM agent_database_leases; {rows}")).expect("made");
        drop(db);
        fs::create_dir_all(install.lock().parent().expect("a parent")).expect("made");
        fs::write(install.lock().with_extension("lock.sqlite"), "").expect("the coordinator");
        install
    }

    fn lock(&self) -> PathBuf {
        let uid = rustix::process::geteuid().as_raw();
        self.env.state().join(format!("tmp/openclaw-{uid}/gateway.state.lock"))
    }

    fn run(&self, command: &[&str]) -> (i32, String) {
        let state = self.env.state();
        let run = self.env.run(&[command, &["--state-dir", &state.to_string_lossy()]].concat());
        assert!(!run.stdout.contains(PRIVATE) && !run.stderr.contains(PRIVATE), "{command:?}: {run:#?}");
        (run.code, run.stdout)
    }

    /// The findings, most serious first; looking changes nothing.
    fn findings(&self) -> Vec<Value> {
        let before = self.files();
        let (_, stdout) = self.run(&["diagnose", "--json"]);
        assert_eq!(before, self.files(), "looking leaves no trace");
        let json: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
        json["findings"].as_array().expect("findings").clone()
    }

    fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut all = BTreeMap::new();
        fingerprint(&self.env.state(), &mut all);
        all
    }

    /// `check` names the trouble too.
    fn checks(&self, status: i32) {
        let (code, line) = self.run(&["check"]);
        assert_eq!(code, status, "{line}");
    }
}

fn until(what: &str, probe: impl FnMut() -> bool) {
    until_within(30, what, probe);
}

fn state_of(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('X')
}

fn types(finding: &Value) {
    let command = finding["actions"][0]["command"].as_str().expect("something to type");
    assert!(Command::new("sh").args(["-c", command]).status().expect("sh").success(), "{command}");
}

fn first(findings: &[Value]) -> (&str, &str, &str) {
    let text = |field: &str| findings.first().and_then(|first| first[field].as_str()).unwrap_or_default();
    (text("code"), text("severity"), text("explanation"))
}

fn ago(seconds: i64) -> i64 {
    Utc::now().timestamp_millis() - seconds * 1000
}

/// OpenClaw keeps its coordinators in /tmp, wherever the temporary files are.
fn coordinator(state: &Path) -> PathBuf {
    use std::os::unix::fs::DirBuilderExt;
    let database = fs::canonicalize(state).expect("there").join("state/openclaw.sqlite");
    let digest = Sha256::digest(database.as_os_str().as_encoded_bytes());
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let uid = rustix::process::geteuid().as_raw();
    let directory = PathBuf::from(format!("/tmp/openclaw-state-locks-{uid}"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).expect("made");
    directory.join(format!("gateway-lifecycle.{hash}.lock.sqlite"))
}

/// No test of its own: this binary as another program, which holds a coordinator as OpenClaw does.
#[test]
#[ignore = "a stand-in that other tests start"]
fn holds_a_coordinator() {
    let Some(file) = std::env::var_os("HOLD") else { return };
    let db = Connection::open(file).expect("opened");
    db.execute_batch("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE").expect("held");
    std::thread::sleep(Duration::from_secs(120));
}

#[test]
fn a_doctor_that_hangs_keeps_gateways_out_and_is_no_gateway() {
    let install = Install::with("");
    let file = coordinator(&install.env.state());
    let program = install.env.tmp().join("openclaw-doctor");
    std::os::unix::fs::symlink(std::env::current_exe().expect("this binary"), &program).expect("linked");
    let mut command = Command::new(&program);
    install.env.isolate(&mut command);
    command.args(["--exact", "sqlite::today::holds_a_coordinator", "--ignored"]).env("HOLD", &file);
    command.env("OPENCLAW_STATE_DIR", install.env.state()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut doctor = StandIn(command.spawn().expect("started"));
    let pid = doctor.0.id();
    let (directory, name) = (file.parent().expect("a parent"), Path::new(file.file_name().expect("a name")));
    let held = || {
        let holds = held::below(directory, name, [held::DATABASE]).into_iter().flatten().flatten();
        holds.map(|hold| hold.pid).collect::<Vec<_>>()
    };
    until("the lock", || held() == [Some(pid)]);
    let at_work = install.findings();
    let refused = at_work.iter().find(|finding| finding["code"] == "start-refused");
    assert_eq!(refused.map(|finding| &finding["severity"]), Some(&"info".into()), "{at_work:#?}");

    Command::new("kill").args(["-STOP", &pid.to_string()]).status().expect("kill(1)");
    until("the stop", || state_of(pid) == 'T');
    let findings = install.findings();
    let (code, severity, text) = first(&findings);
    assert_eq!((code, severity), ("start-refused", "critical"), "{findings:#?}");
    let who = format!("No gateway can start: `openclaw-doctor` (pid {pid}, stopped");
    assert!(text.starts_with(&who) && text.contains("holds gateway-lifecycle"), "{text}");
    install.checks(2);
    let (code, scan) = install.run(&["scan"]);
    let line = format!("`openclaw-doctor` (pid {pid}, stopped");
    assert!(code == 1 && scan.contains("gateway down") && scan.contains(&line), "{scan}");
    assert!(scan.contains(&format!("    kill {pid} && kill -CONT {pid}")), "{scan}");
    for what in [&pid.to_string(), "openclaw-doctor", "gateway-lifecycle"] {
        let (code, explained) = install.run(&["explain", what]);
        assert!(code == 0 && explained.contains("every other gateway"), "{what}: {explained}");
    }
    for (schema, words) in [
        (include_str!("../../../schemas/scan.schema.json"), &["scan"][..]),
        (include_str!("../../../schemas/status.schema.json"), &["status"]),
        (include_str!("../../../schemas/holder.schema.json"), &["explain", "gateway-lifecycle"]),
    ] {
        let (_, document) = install.run(&[words, &["--json"]].concat());
        let document: Value = serde_json::from_str(&document).expect("JSON");
        let schema = serde_json::from_str(schema).expect("JSON");
        let errors: Vec<String> = jsonschema::validator_for(&schema)
            .expect("a schema")
            .iter_errors(&document)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{words:?}: {errors:#?}");
        assert!(document.to_string().contains(&format!("\"pid\":{pid}")), "{words:?}: {document:#}");
    }

    types(&findings[0]);
    until("its end", || doctor.0.try_wait().expect("asked").is_some());
    let findings = install.findings();
    assert_ne!(first(&findings).0, "start-refused", "{findings:#?}");
    let _ = fs::remove_file(file);
}

#[test]
fn a_stopped_gateway_answers_nobody_until_it_goes_on() {
    let boot =
        format!("INSERT INTO gateway_boot_lifecycle VALUES ('b', 1, {}, NULL, NULL, NULL, NULL);", ago(600));
    let install = Install::with(&boot);
    let script = r#"printf '{"pid":%d,"ownerId":"x","configPath":"/c","stateDir":"%s"}\n' $$ "$2" >"$1"
                    exec 3>>"$1"; kill -STOP $$; sleep 60"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(install.lock()).arg(install.env.state());
    let gateway = StandIn(command.stdin(Stdio::null()).spawn().expect("started"));
    until("the stop", || state_of(gateway.0.id()) == 'T');
    let findings = install.findings();
    let (code, severity, text) = first(&findings);
    assert_eq!((code, severity), ("gateway-down", "critical"), "{findings:#?}");
    assert!(text.contains("is stopped by a signal"), "{text}");
    install.checks(2);
    types(&findings[0]);
    until("it to go on", || state_of(gateway.0.id()) != 'T');
    let findings = install.findings();
    assert_ne!(first(&findings).0, "gateway-down", "{findings:#?}");
}

#[test]
fn a_lease_whose_owner_missed_two_beats_keeps_gateways_out_until_it_expires() {
    let lease = |beat: i64| {
        format!(
            "DELETE FROM state_leases; INSERT INTO state_leases VALUES ('startup-migrations', 'global',
             '3f0c1e52-0000-4000-8000-000000000000', {}, {}, NULL, {}, {});",
            ago(beat) + 300_000,
            ago(beat),
            ago(beat),
            ago(beat)
        )
    };
    let findings = Install::with(&lease(80)).findings();
    let (code, severity, text) = first(&findings);
    assert_eq!((code, severity), ("lease-stuck", "critical"), "{findings:#?}");
    assert!(text.starts_with("No gateway can finish its start-up migrations before 20"), "{text}");
    let findings = Install::with(&lease(10)).findings();
    assert!(
        findings
            .iter()
            .all(|finding| finding["code"] != "lease-stuck" || finding["session_key"] != Value::Null)
    );
}

/// This process as the gateway: it has the lock open.
fn as_gateway(install: &Install) -> fs::File {
    as_gateway_on(install, None)
}

fn as_gateway_on(install: &Install, port: Option<u16>) -> fs::File {
    let stat = fs::read_to_string("/proc/self/stat").expect("read");
    let ticks = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(19)).expect("a start");
    let state = install.env.state();
    let payload = format!(
        r#"{{"pid":{},"ownerId":"x","configPath":"/c","stateDir":"{}","startTime":{ticks}{}}}"#,
        std::process::id(),
        state.display(),
        port.map_or_else(String::new, |port| format!(r#","port":{port}"#))
    );
    fs::write(install.lock(), payload).expect("written");
    fs::OpenOptions::new().append(true).open(install.lock()).expect("open")
}

#[test]
fn what_its_port_says_is_told_by_every_command() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let server = std::thread::spawn(move || {
        for stream in listener.incoming().take(4) {
            let mut stream = stream.expect("a client");
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(
                b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":false,\"failing\":[\"state-database\"]}",
            );
        }
    });
    let boot =
        format!("INSERT INTO gateway_boot_lifecycle VALUES ('b', 1, {}, NULL, NULL, NULL, NULL);", ago(600));
    let install = Install::with(&boot);
    let _gateway = as_gateway_on(&install, Some(port));
    install.checks(2);
    for command in ["status", "scan", "diagnose"] {
        let (code, text) = install.run(&[command]);
        let prose = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(code == 1 && prose.contains("cannot use its state database"), "{command}: {code} {text}");
    }
    server.join().expect("served");
}

#[test]
fn no_word_of_lock_files_where_there_are_none() {
    let boot =
        format!("INSERT INTO gateway_boot_lifecycle VALUES ('b', 1, {}, NULL, NULL, NULL, NULL);", ago(600));
    let install = Install::with(&format!("{boot} DELETE FROM state_leases;"));
    let _ = fs::remove_file(install.lock());
    for command in [&["scan"][..], &["scan", "--all"], &["check"], &["status"], &["doctor", "version"]] {
        let (_, text) = install.run(command);
        let text = text.to_lowercase();
        assert!(!text.contains("lock file") && !text.contains("no locks"), "{command:?}: {text}");
    }
}

#[test]
fn messages_that_wait_or_were_lost_are_counted_and_never_shown() {
    let event = |id: u32, status: &str, received: i64, rest: &str| {
        format!(
            "INSERT INTO channel_ingress_events (queue_name, event_id, channel_id, account_id, status, lane_key,
             payload_json, received_at, updated_at, last_error, claim_owner, claimed_at, failed_reason, failed_at)
             VALUES ('q', '{id}', 'telegram', 'a', '{status}', 'l', '{PRIVATE}', {}, 1, '{PRIVATE}', {rest});",
            ago(received)
        )
    };
    let rows = [
        format!("INSERT INTO gateway_boot_lifecycle VALUES ('b', 1, {}, NULL, NULL, NULL, NULL);", ago(600)),
        event(1, "claimed", 2_000, &format!("'9:77:uuid', {}, NULL, NULL", ago(1_900))),
        event(2, "pending", 1_500, "NULL, NULL, NULL, NULL"),
        event(3, "pending", 1_400, "NULL, NULL, NULL, NULL"),
        event(4, "failed", 9_000, &format!("NULL, NULL, 'handler-timeout', {}", ago(8_000))),
        event(5, "failed", 9_000, &format!("NULL, NULL, '{PRIVATE}', {}", ago(8_000))),
        event(6, "completed", 9_000, "NULL, NULL, NULL, NULL"),
        format!(
            "INSERT INTO task_runs VALUES ('t', 'cli', 'agent:main:main', 'agent:main:main', 'main', 'r', '{PRIVATE}',
             'failed', {}, {}, '{PRIVATE} | PROVIDER_UNAVAILABLE');",
            ago(500),
            ago(499)
        ),
    ];
    let install = Install::with(&rows.concat());
    let _gateway = as_gateway(&install);
    let findings = install.findings();
    let told: Vec<(&str, &str)> = findings
        .iter()
        .map(|finding| {
            (finding["code"].as_str().unwrap_or(""), finding["explanation"].as_str().unwrap_or(""))
        })
        .collect();
    let says =
        |code: &str, words: &str| told.iter().any(|(each, text)| *each == code && text.contains(words));
    assert!(says("ingress-stalled", "3 messages of telegram wait since "), "{told:#?}");
    assert!(says("ingress-stalled", "the first is claimed by pid 9, which is gone."), "{told:#?}");
    assert!(says("message-failed", "(handler-timeout): it is lost"), "{told:#?}");
    assert!(says("message-failed", "1 message failed since "), "{told:#?}");
    assert!(says("message-failed", "(PROVIDER_UNAVAILABLE)"), "{told:#?}");
    install.checks(2);
    for command in
        [&["scan", "--json"][..], &["status", "--json"], &["status"], &["diagnose"], &["report", "-o", "-"]]
    {
        install.run(command);
    }
}

#[test]
fn a_gateway_that_is_down_says_how_its_last_start_ended() {
    let boots = |rows: &[(i64, &str)]| {
        let rows = rows.iter().enumerate().map(|(id, (at, rest))| {
            format!("INSERT INTO gateway_boot_lifecycle VALUES ('{id}', 1, {}, {rest});", ago(*at))
        });
        format!("DELETE FROM state_leases; {}", rows.collect::<String>())
    };
    let refused =
        format!("{}, 'startup_failed', 'gateway.maintenance_required', 'needs a migration'", ago(290));
    let stopped = format!("{}, 'clean_stop', NULL, 'stop (SIGTERM)'", ago(100));
    for (rows, expected) in [
        (boots(&[(300, "NULL, NULL, NULL, NULL")]), ("gateway-down", "critical", "and died")),
        (boots(&[(300, &refused)]), ("start-refused", "critical", "need a migration")),
        (boots(&[(300, &stopped)]), ("gateway-down", "info", "it was stopped by SIGTERM")),
    ] {
        let findings = Install::with(&rows).findings();
        let told = findings
            .iter()
            .map(|finding| first(std::slice::from_ref(finding)))
            .find(|(code, ..)| *code == expected.0)
            .unwrap_or_else(|| panic!("{expected:?}: {findings:#?}"));
        assert!(told.1 == expected.1 && told.2.contains(expected.2), "{expected:?}: {told:?}");
    }
}
