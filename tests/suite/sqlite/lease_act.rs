//! `reclaim --leases`: the lease of a dead gateway is removed under every proof, is kept, and comes back; each single veto
//! leaves the databases as they are, byte for byte; a kill between any two steps leaves nothing wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lockdoctor::peek::held;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde_json::{Value, json};

use super::stand_in::{StandIn, until_within};
use crate::support::TestEnv;
use crate::support::sqlite::{Left, fingerprint, rebuild};
use crate::support::strace::Call;

const OWNER: &str = "8194dc4b-def1-4d8e-a5ab-317a84ae39f2";
const NAME: &str = "state/openclaw.sqlite#state_leases/gateway-owner/global";
/// A pid that nobody has: the kernel hands out none as high here.
const NOBODY: u32 = 4_194_300;

/// An install whose gateway was killed under another host name.
struct Install {
    env: TestEnv,
    beat: i64,
}

fn until(what: &str, probe: impl FnMut() -> bool) {
    until_within(60, what, probe);
}

impl Install {
    fn dead() -> Self {
        let env = TestEnv::new("2026.9.6");
        let database = env.state().join("state/openclaw.sqlite");
        rebuild("state-2026.9.6-midrun.sql", &database, Left::Killed);
        let now = chrono::Utc::now().timestamp_millis();
        let install = Self { env, beat: now - 20_000 };
        let payload = json!({"owner": {"pid": NOBODY, "host": "c1aaaaaaaaaa", "startedAt": 5}, "port": 18789,
                             "mode": "foreground", "supervisor": null});
        install.sql(&format!(
            "DELETE FROM agent_database_leases; DELETE FROM state_leases; INSERT INTO state_leases VALUES
             ('gateway-owner', 'global', '{OWNER}', {}, {}, '{payload}', {}, {1})",
            install.beat + 300_000,
            install.beat,
            now - 120_000
        ));
        fs::create_dir_all(install.lock().parent().expect("a parent")).expect("made");
        fs::write(install.coordinator(), "").expect("the coordinator");
        install.lock_names(OWNER);
        install
    }

    fn lock_names(&self, owner: &str) {
        let lock = json!({"pid": NOBODY, "ownerId": owner, "createdAt": "2026-11-29T08:00:00.000Z",
                          "configPath": "/c", "stateDir": self.env.state(), "startTime": 5});
        fs::write(self.lock(), lock.to_string()).expect("the lock");
    }

    /// As a process that is killed leaves the files.
    fn sql(&self, sql: &str) {
        let db = Connection::open(self.database()).expect("opened");
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).expect("set");
        db.execute_batch(sql).expect("done");
    }

    fn database(&self) -> PathBuf {
        self.env.state().join("state/openclaw.sqlite")
    }

    fn lock(&self) -> PathBuf {
        let uid = rustix::process::geteuid().as_raw();
        self.env.state().join(format!("tmp/openclaw-{uid}/gateway.state.lock"))
    }

    fn coordinator(&self) -> PathBuf {
        self.lock().with_extension("lock.sqlite")
    }

    /// Every column; read from a copy.
    fn row(&self) -> Option<String> {
        let copy = tempfile::tempdir().expect("a directory");
        for suffix in ["", "-wal"] {
            let name = format!("openclaw.sqlite{suffix}");
            let _ = fs::copy(self.env.state().join("state").join(&name), copy.path().join(&name));
        }
        let db = Connection::open(copy.path().join("openclaw.sqlite")).expect("opened");
        let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        assert_eq!(check, "ok");
        let sql =
            "SELECT scope||lease_key||owner||expires_at||heartbeat_at||payload_json||created_at||updated_at
                   FROM state_leases";
        db.query_row(sql, [], |row| row.get(0)).ok()
    }

    fn reclaim(&self, words: &[&str]) -> (i32, Value) {
        let state = self.env.state();
        let command = [&["reclaim", "--leases", "--json", "--state-dir", &state.to_string_lossy()], words];
        let run = self.env.run(&command.concat());
        let document: Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"));
        (run.code, document["leases"][0].clone())
    }

    /// Removed, once nothing passing is in the way: another test's process of OpenClaw that ends this very moment.
    fn freed(&self) -> Value {
        let mut done = Value::Null;
        until("the row to be removed", || {
            done = self.reclaim(&["--yes"]).1;
            done["result"] != "refused"
        });
        done
    }

    fn run(&self, words: &[&str]) -> (i32, String) {
        let state = self.env.state();
        let run = self.env.run(&[words, &["--state-dir", &state.to_string_lossy()]].concat());
        assert!(!run.stderr.contains("panicked"), "{run:#?}");
        (run.code, format!("{}{}", run.stdout, if run.code == 2 { run.stderr } else { String::new() }))
    }

    /// What the act itself says, whatever a look before it would have said.
    fn act(&self) -> Value {
        let mut child = self.env.command(&["lease-actor"]);
        child.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().expect("started");
        child.stdin.take().expect("piped").write_all(self.order().as_bytes()).expect("told");
        let said = child.wait_with_output().expect("ended").stdout;
        serde_json::from_slice(&said).unwrap_or(Value::Null)
    }

    fn order(&self) -> String {
        let root = fs::metadata(self.env.state()).expect("there");
        let subject = json!({"lock": NAME, "kind": "gateway-owner", "pid": NOBODY, "verdict": "stale",
                             "reasons": ["dead-pid"], "fingerprint": OWNER});
        json!({"state_dir": self.env.state(), "id": [root.dev(), root.ino()], "waits": true,
               "what": {"Remove": {"row": {"owner": OWNER, "heartbeat_at": self.beat}, "subject": subject}}})
        .to_string()
    }

    fn databases(&self) -> BTreeMap<PathBuf, String> {
        let mut all = BTreeMap::new();
        fingerprint(&self.env.state().join("state"), &mut all);
        fingerprint(&self.env.state().join("tmp"), &mut all);
        all
    }

    fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.env.state().join("lockdoctor/journal.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn kept(&self) -> Vec<String> {
        let entries = fs::read_dir(self.env.state().join("lockdoctor/quarantine")).into_iter().flatten();
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// This binary as another program that has `file` open, in a transaction that `begins` so.
    fn opened(file: &Path, begins: &str) -> StandIn {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "sqlite::lease_act::has_a_database_open", "--ignored"]);
        command.env("OPENS", file).env("BEGINS", begins).stdout(Stdio::null()).stderr(Stdio::null());
        let stand_in = StandIn(command.spawn().expect("started"));
        let (directory, name) =
            (file.parent().expect("a parent"), Path::new(file.file_name().expect("a name")));
        until("it to be open", || {
            held::below(directory, name, [held::DATABASE]).is_some_and(|[holds]| !holds.is_empty())
        });
        stand_in
    }
}

#[test]
#[ignore = "a stand-in that other tests start"]
fn has_a_database_open() {
    let (Some(file), Ok(begins)) = (std::env::var_os("OPENS"), std::env::var("BEGINS")) else { return };
    let db = Connection::open(file).expect("opened");
    db.execute_batch(&begins).expect("held");
    std::thread::sleep(Duration::from_secs(120));
}

fn as_schema_says(install: &Install) {
    let (_, text) = install.run(&["reclaim", "--leases", "--json"]);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let schema = include_str!("../../../schemas/reclaim.schema.json");
    let schema = serde_json::from_str(schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_row_of_a_dead_gateway_goes_is_kept_and_comes_back() {
    let install = Install::dead();
    let before = install.databases();
    let row = install.row().expect("a row");
    let (code, planned) = install.reclaim(&[]);
    assert_eq!(
        (code, &planned["result"], &planned["error"]),
        (1, &json!("planned"), &Value::Null),
        "{planned}"
    );
    as_schema_says(&install);
    let (_, told) = install.run(&["diagnose"]);
    assert!(told.contains("--leases --yes"), "{told}");
    let (_, text) = install.run(&["reclaim", "--leases"]);
    assert!(text.contains("would free") && text.contains("--leases --yes"), "{text}");
    let (_, left_out) = install.run(&["reclaim", "--json"]);
    assert!(left_out.contains("\"leases\": []"), "{left_out}");
    assert_eq!(before, install.databases(), "a plan changes nothing");

    let done = install.freed();
    assert_eq!(done["result"], "reclaimed", "{done}");
    assert_eq!(install.row(), None);
    let events: Vec<Value> = install.journal().iter().map(|entry| entry["event"].clone()).collect();
    assert_eq!(events, ["intent", "reclaimed"]);
    assert!(install.journal().iter().all(|entry| entry["row"]["owner"] == OWNER && entry["lock"] == NAME));
    let id = done["quarantine_id"].as_str().expect("kept").to_owned();
    assert_eq!(install.kept(), std::slice::from_ref(&id));
    let (_, list) = install.run(&["quarantine"]);
    assert!(list.contains(&id) && list.contains("gateway-owner/global"), "{list}");

    let (code, said) = install.run(&["quarantine", "restore", &id]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(install.row(), Some(row));
    let (_, again) = install.reclaim(&["--yes"]);
    assert_eq!(again["result"], "refused", "each owner once: {again}");
    assert!(install.row().is_some());
}

/// Root acts as the owner of the state directory, and what SQLite touches stays the owner's.
#[test]
fn root_acts_as_the_owner() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: not root");
    }
    let install = Install::dead();
    let tmp = install.env.state().join("tmp");
    fs::rename(tmp.join("openclaw-0"), tmp.join("openclaw-65534")).expect("renamed");
    let own = ["-R", "65534:65534"].map(PathBuf::from).into_iter().chain([install.env.state()]);
    assert!(Command::new("chown").args(own).status().expect("chown(1)").success());
    let done = install.freed();
    assert_eq!(done["result"], "reclaimed", "{done}");
    assert_eq!(install.row(), None);
    for directory in ["state", "tmp/openclaw-65534", "lockdoctor", "lockdoctor/quarantine"] {
        for entry in fs::read_dir(install.env.state().join(directory)).expect("readable").flatten() {
            assert_eq!(entry.metadata().expect("there").uid(), 65534, "{}", entry.path().display());
        }
    }
}

#[test]
fn a_row_that_stands_is_not_written_over() {
    let install = Install::dead();
    let done = install.freed();
    let id = done["quarantine_id"].as_str().expect("kept").to_owned();
    install.sql(&format!(
        "INSERT INTO state_leases VALUES ('gateway-owner', 'global', 'next', {0}, {0}, '', {0}, {0})",
        install.beat
    ));
    let (code, said) = install.run(&["quarantine", "restore", &id]);
    assert!(code == 2 && said.contains("a row stands there"), "{said}");
    assert!(install.row().expect("a row").contains("next"));
    let (code, said) = install.run(&["quarantine", "purge", "--older-than", "0s"]);
    assert!(code == 0 && install.kept().is_empty(), "{said}");
}

/// Prepares one veto; what it returns is held until the end.
type Veto = (&'static str, fn(&Install) -> Option<StandIn>);

fn shell(script: &str, words: &[&Path]) -> StandIn {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).args(words).stdin(Stdio::null());
    StandIn(command.spawn().expect("started"))
}

const VETOES: [Veto; 9] = [
    ("gateway.state.lock.sqlite", |install| {
        Some(Install::opened(&install.coordinator(), "PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE"))
    }),
    ("gateway.state.lock open", |install| {
        let lock = install.lock();
        let stand_in = shell("exec 3>>\"$1\"; : >\"$1.open\"; sleep 120", &[&lock]);
        let open = lock.with_extension("lock.open");
        until("the lock to be open", || open.exists());
        fs::remove_file(open).expect("removed");
        Some(stand_in)
    }),
    ("database open", |install| {
        Some(Install::opened(&install.database(), "BEGIN; SELECT count(*) FROM state_leases"))
    }),
    ("names another owner", |install| {
        install.lock_names("a-gateway-that-starts");
        None
    }),
    ("is not there", |install| {
        fs::remove_file(install.lock()).expect("removed");
        None
    }),
    ("OpenClaw 2026.9.7", |install| {
        install.sql("UPDATE schema_meta SET app_version = '2026.9.7' WHERE meta_key = 'primary'");
        None
    }),
    ("not exactly that of this release", |install| {
        install.sql("CREATE TRIGGER t AFTER DELETE ON state_leases BEGIN DELETE FROM schema_meta; END");
        None
    }),
    ("several users, or are links", |install| {
        fs::create_dir(install.env.state().join("tmp/openclaw-4242")).expect("made");
        None
    }),
    ("uses the state directory", |install| {
        let program = install.env.named_like("openclaw-doctor");
        let mut command = Command::new(program);
        command.arg("120").env("OPENCLAW_STATE_DIR", install.env.state());
        let stand_in = StandIn(command.spawn().expect("started"));
        let name = format!("/proc/{}/comm", stand_in.0.id());
        until("its name", || fs::read_to_string(&name).is_ok_and(|name| name.starts_with("openclaw-doctor")));
        Some(stand_in)
    }),
];

#[test]
fn each_single_veto_leaves_everything_as_it_is() {
    for (why, prepare) in VETOES {
        let install = Install::dead();
        let _held = prepare(&install);
        let before = install.databases();
        let answer = install.act();
        let said = answer.to_string();
        assert!(said.contains("refused") && said.contains(why), "{why}: {said}");
        assert!(install.journal().is_empty() && install.kept().is_empty(), "{why}: nothing was begun");
        let (code, attempt) = install.reclaim(&["--yes"]);
        assert_ne!((code, &attempt["result"]), (0, &json!("reclaimed")), "{why}: {attempt}");
        assert_eq!(before, install.databases(), "{why}: untouched");
        assert!(install.row().is_some(), "{why}");
    }
}

/// Another owner's row, or the same one's next beat, is not the row that was judged.
#[test]
fn a_row_that_was_renewed_since_stays() {
    for change in ["heartbeat_at = heartbeat_at + 1", "owner = 'next'"] {
        let install = Install::dead();
        install.sql(&format!("UPDATE state_leases SET {change}"));
        if change.contains("owner") {
            install.lock_names("next");
        }
        let before = install.databases();
        assert_eq!(install.act(), "changed", "{change}");
        assert!(install.row().is_some());
        assert_eq!(before, install.databases(), "{change}");
    }
}

/// Killed at any call that writes, it leaves the row, or the row's copy and its record; the next one ends it.
#[test]
fn a_kill_between_any_two_steps_leaves_nothing_wrong() {
    if Command::new("strace").arg("-V").output().is_err() {
        return eprintln!("SKIPPED: no strace(1)");
    }
    let traced = |install: &Install, inject: Option<String>| {
        let file = install.env.tmp().join("trace");
        let mut command = Command::new("strace");
        install.env.isolate(&mut command).args(["-f", "-o"]).arg(&file);
        command.args(inject.iter().flat_map(|inject| ["-e", inject]));
        command.arg(env!("CARGO_BIN_EXE_lockdoctor")).arg("lease-actor");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().expect("strace");
        child.stdin.take().expect("piped").write_all(install.order().as_bytes()).expect("told");
        child.wait().expect("ended");
        crate::support::strace::Traced::read(&file)
    };
    let whole = traced(&Install::dead(), None);
    let writes = ["write", "pwrite64", "fdatasync", "fsync", "unlinkat", "mkdirat", "fcntl"];
    let begun = whole.calls.iter().position(|call| call.line.contains("quarantine")).expect("a store");
    let ours = |call: &&Call| {
        writes.contains(&call.name.as_str()) && (call.name != "fcntl" || call.line.contains("F_SETLK"))
    };
    let calls: Vec<&Call> = whole.calls.iter().skip(begun).filter(ours).collect();
    assert!(calls.len() > 10, "{calls:#?}");
    let (mut stood, mut gone) = (0, 0);
    let every = if std::env::var_os("LOCKDOCTOR_LONG").is_some() { 1 } else { 5 };
    for call in calls.into_iter().rev().step_by(every) {
        let install = Install::dead();
        let row = install.row();
        traced(&install, Some(call.inject("signal=SIGKILL")));
        if let Some(left) = install.row() {
            stood += 1;
            assert_eq!(Some(left), row, "{}", call.line);
        } else {
            gone += 1;
            assert_eq!(install.kept().len(), 1, "{}: its copy", call.line);
            assert_eq!(install.journal()[0]["row"]["owner"], OWNER, "{}: its record", call.line);
        }
        install.freed();
        assert_eq!(install.row(), None, "{}: the next one ends it", call.line);
        assert_eq!(install.kept().len(), 1, "{}", call.line);
        let journal = install.journal();
        let open = journal.iter().filter(|entry| entry["event"] == "intent").count();
        let ends = journal.iter().filter(|entry| entry["event"] != "intent").count();
        assert_eq!(open, ends, "{}: {journal:#?}", call.line);
    }
    assert!(stood > 1 && gone > 0, "{stood} {gone}");
}

#[test]
fn a_watch_frees_the_start_by_itself() {
    let install = Install::dead();
    let state = install.env.state();
    let mut command = install.env.command(&["watch", "--reclaim-leases", "--log-format", "text"]);
    let mut watch =
        StandIn(command.arg("--state-dir").arg(&state).stderr(Stdio::null()).spawn().expect("started"));
    until("the row to go", || install.row().is_none());
    until("the record", || install.journal().len() == 2);
    let _ = watch.0.kill();
}
