//! The SQLite era: leases as a database changes and as their owners die.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::sqlite::{Left, rebuild};
use crate::support::watch::Watch;
use crate::support::{Running, TestEnv, eventually, start_ticks};

/// A state directory as 2026.9.6 leaves it, without anybody's leases.
fn state_directory() -> TestEnv {
    let env = TestEnv::new("2026.9.6");
    let database = env.state().join("state/openclaw.sqlite");
    rebuild("state-2026.9.6-midrun.sql", &database, Left::Closed);
    rebuild(
        "agent-2026.9.6-midrun.sql",
        &env.state().join("agents/main/agent/openclaw-agent.sqlite"),
        Left::Closed,
    );
    let connection = Connection::open(&database).expect("opened");
    connection
        .execute_batch("DELETE FROM state_leases; DELETE FROM agent_database_leases;")
        .expect("emptied");
    env
}

/// As a gateway has it open: in WAL mode, for as long as the connection lives.
fn connect(env: &TestEnv) -> Connection {
    let connection = Connection::open(env.state().join("state/openclaw.sqlite")).expect("opened");
    connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    connection
}

fn take_lease(connection: &Connection, id: &str, pid: u32) {
    let now = chrono::Utc::now().timestamp_millis();
    connection
        .execute(
            "INSERT INTO agent_database_leases VALUES (?1, 'main', '/s/openclaw-agent.sqlite', ?2, ?3, ?4)",
            (id, pid, start_ticks(pid) as i64, now),
        )
        .expect("inserted");
}

fn leases(watch: &Watch) -> Vec<Value> {
    watch.status()["leases"].as_array().expect("leases").clone()
}

fn verdicts(watch: &Watch) -> Vec<String> {
    let word = |lease: &Value| lease["verdict"].as_str().expect("verdict").to_owned();
    leases(watch).iter().map(word).collect()
}

fn count(watch: &Watch, verdict: &str) -> f64 {
    watch.metric(&format!("lockdoctor_leases{{kind=\"agent-database\",verdict=\"{verdict}\"}}"))
}

#[test]
fn a_lease_is_seen_when_it_is_taken_when_its_owner_dies_and_when_it_goes() {
    let env = state_directory();
    let connection = connect(&env);
    let watch = Watch::start(&env, &[]);
    assert_eq!(watch.status()["gateways"][0]["era"], "sqlite");
    eventually("the databases are read", || watch.metric("lockdoctor_database_looks_total") >= 1.0);
    assert!(leases(&watch).is_empty());

    let owner = Running::shell("echo up; exec sleep 1000");
    take_lease(&connection, "one", owner.id());
    eventually("it is held", || verdicts(&watch) == ["held"]);
    assert_eq!(leases(&watch)[0]["kind"], "agent-database");
    assert_eq!(count(&watch, "held"), 1.0);

    // Nothing is written to the database when its owner is killed.
    drop(owner);
    eventually("its owner is dead", || verdicts(&watch) == ["stale"]);
    assert_eq!(count(&watch, "stale"), 1.0);
    assert_eq!(leases(&watch)[0]["reasons"][0], "dead-pid");

    connection.execute_batch("DELETE FROM agent_database_leases").expect("deleted");
    eventually("it is gone", || leases(&watch).is_empty());
    assert_eq!(count(&watch, "stale"), 0.0);
}

#[test]
fn a_lease_that_blocks_and_whose_owner_is_dead_is_a_finding() {
    let env = state_directory();
    let connection = connect(&env);
    let watch = Watch::start(&env, &["--no-redact"]);
    let owner = Running::shell("echo up; exec sleep 1000");
    let (pid, ticks) = (owner.id(), start_ticks(owner.id()));
    let now = chrono::Utc::now().timestamp_millis();
    // Plugin work: its next acquirer waits for the expiry, whoever is dead.
    connection
        .execute(
            "INSERT INTO state_leases VALUES ('core:plugin-lifecycle', 'global', 'token', ?1, ?2, ?3, ?2, ?2)",
            (now + 3_600_000, now, format!(r#"{{"owner":{{"pid":{pid},"host":"h","startedAt":{ticks}}}}}"#)),
        )
        .expect("inserted");
    eventually("it is held", || verdicts(&watch) == ["held"]);
    drop(owner);
    let is_finding = || {
        let status = watch.status();
        let about_it = |each: &Value| {
            each["code"] == "lease-stuck"
                && each["explanation"].to_string().contains("No plugin can be installed")
        };
        status["findings"].as_array().expect("findings").iter().any(about_it)
    };
    eventually("it is a finding", is_finding);
    assert_eq!(verdicts(&watch), ["stale"]);
    connection.execute_batch("DELETE FROM state_leases").expect("deleted");
    eventually("it is resolved", || !is_finding());
}

#[test]
fn a_database_that_is_written_all_the_time_is_read_seldom_and_left_alone() {
    let env = state_directory();
    let connection = connect(&env);
    let watch = Watch::start(&env, &[]);
    eventually("the databases are read", || watch.metric("lockdoctor_database_looks_total") >= 1.0);
    let looks = watch.metric("lockdoctor_database_looks_total");
    let begun = std::time::Instant::now();
    let read_again = || watch.metric("lockdoctor_database_looks_total") > looks;
    while begun.elapsed() < Duration::from_secs(4) || !read_again() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not read again");
        connection.execute_batch("UPDATE schema_meta SET updated_at = updated_at + 1").expect("updated");
        std::thread::sleep(Duration::from_millis(2));
    }
    let looks = watch.metric("lockdoctor_database_looks_total") - looks;
    let most = begun.elapsed().as_secs_f64() + 1.0;
    assert!(looks <= most, "{looks} looks in {most:.1} s");
    let names: Vec<_> = std::fs::read_dir(env.state().join("state")).expect("there").flatten().collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(!Path::new(&env.state().join("state/openclaw.sqlite-journal")).exists());
}

#[test]
fn a_database_that_comes_later_is_found() {
    let env = TestEnv::new("2026.9.6");
    let watch = Watch::start(&env, &["--safety-scan", "1s"]);
    assert!(leases(&watch).is_empty());
    rebuild("state-2026.9.6-midrun.sql", &env.state().join("state/openclaw.sqlite"), Left::Killed);
    eventually("its leases are judged", || !leases(&watch).is_empty());
}
