//! The commands on databases of real gateways: what `scan` names, `explain` takes; what cannot be read is said, with
//! the exit code of the contract, and nothing is written.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::TestEnv;
use crate::support::sqlite::{Left, fingerprint, rebuild};

const STATE: &str = "state-2026.9.6-midrun.sql";

/// An install of 2026.9.6 whose gateway was killed in a run, with this configuration.
fn killed(config: &str) -> TestEnv {
    let env = TestEnv::new("2026.9.6");
    env.config(config);
    rebuild(STATE, &env.state().join("state/openclaw.sqlite"), Left::Killed);
    let agent = env.state().join("agents/main/agent/openclaw-agent.sqlite");
    rebuild("agent-2026.9.6-midrun.sql", &agent, Left::Killed);
    env
}

fn scanned(env: &TestEnv) -> Value {
    let run = env.run(&["scan", "--json", "--state-dir", &env.state().to_string_lossy()]);
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

#[test]
fn explain_takes_what_scan_names() {
    let env = killed("{}");
    let json = scanned(&env);
    let leases: Vec<&Value> =
        json["locks"].as_array().expect("locks").iter().filter(|lock| lock["kind"] == "lease").collect();
    assert_eq!(leases.len(), 4, "{json:#}");
    for lease in leases {
        let path = lease["path"].as_str().expect("a path");
        let people = env.run(&["explain", path]).exits(0);
        let verdict = lease["verdict"].as_str().expect("a verdict");
        for words in [path, verdict, "What it is", "Evidence", "OpenClaw itself", "Next"] {
            assert!(people.stdout.contains(words), "{words}: {people:#?}");
        }
        let again: Value =
            serde_json::from_str(&env.run(&["explain", "--json", path]).exits(0).stdout).expect("JSON");
        for key in ["path", "kind", "verdict", "reasons", "action", "owner", "created_at", "limit_ms"] {
            assert_eq!(again[key], lease[key], "{key}");
        }
    }
}

#[test]
fn a_lease_that_is_not_there_is_an_error_that_names_those_that_are() {
    let env = killed("{}");
    let database = env.state().join("state/openclaw.sqlite");
    let unknown = format!("{}#state_leases/gateway-owner/another", database.display());
    let run = env.run(&["explain", &unknown]).exits(2);
    assert!(run.stderr.contains("state_leases/gateway-owner/global"), "{run:#?}");
    let run = env.run(&["explain", "/nowhere/state/openclaw.sqlite#state_leases/a/b"]).exits(2);
    assert!(run.stderr.contains("/nowhere"), "{run:#?}");
}

#[test]
fn the_version_is_that_of_the_databases_where_the_configuration_is_older_or_silent() {
    for config in ["{}", r#"{"meta": {"lastTouchedVersion": "2026.7.1-2"}}"#] {
        let root = scanned(&killed(config))["roots"][0].clone();
        assert_eq!((&root["openclaw_version"], &root["era"]), (&"2026.9.6".into(), &"sqlite".into()));
    }
    let newer = scanned(&killed(r#"{"meta": {"lastTouchedVersion": "2026.9.8"}}"#));
    assert_eq!(newer["roots"][0]["openclaw_version"], "2026.9.8");
}

/// Exit 2 where leases may have been missed, and one sentence that says why.
#[test]
fn databases_that_are_not_what_they_should_be() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil, bool, &str); 6] = [
        (
            "corrupt",
            |db| fs::write(db, &fs::read(db).expect("read")[..4096]).expect("cut"),
            true,
            "is damaged",
        ),
        ("empty", |db| fs::write(db, "").expect("emptied"), false, "is empty"),
        (
            "no database",
            |db| fs::write(db, vec![7; 8192]).expect("written"),
            true,
            "is not a SQLite database",
        ),
        (
            "foreign",
            |db| {
                fs::remove_file(db).expect("removed");
                Connection::open(db)
                    .expect("opened")
                    .execute_batch("CREATE TABLE moz_places (id)")
                    .expect("made");
            },
            true,
            "not OpenClaw's",
        ),
        (
            "half-migrated",
            |db| {
                Connection::open(db).expect("opened").execute_batch("PRAGMA user_version = 17").expect("set");
            },
            false,
            "half-migrated",
        ),
        (
            "unknown table",
            |db| {
                let sql = "ALTER TABLE state_leases RENAME COLUMN expires_at TO valid_until";
                Connection::open(db).expect("opened").execute_batch(sql).expect("renamed");
            },
            true,
            "has no column expires_at",
        ),
    ];
    for (name, spoil, incomplete, says) in cases {
        let env = TestEnv::new("2026.9.6");
        let database = env.state().join("state/openclaw.sqlite");
        rebuild(STATE, &database, Left::Closed);
        spoil(&database);
        let seen = || {
            let mut all = std::collections::BTreeMap::new();
            fingerprint(&env.state(), &mut all);
            all
        };
        let before = seen();
        let run = env.run(&["scan", "--state-dir", &env.state().to_string_lossy()]);
        assert_eq!(run.code == 2, incomplete, "{name}: {run:#?}");
        let told: Vec<&str> = run.stderr.lines().filter(|line| line.contains(says)).collect();
        assert_eq!(told.len(), 1, "{name}: {run:#?}");
        assert_eq!(told[0].matches("openclaw.sqlite").count(), 1, "{name}: {told:?}");
        assert_eq!(before, seen(), "{name}");
    }
}

#[test]
fn a_locked_database_is_scanned_all_the_same() {
    let env = TestEnv::new("2026.9.6");
    let database = env.state().join("state/openclaw.sqlite");
    rebuild(STATE, &database, Left::Closed);
    let owner = Connection::open(&database).expect("opened");
    owner.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    let run = env.run(&["scan", "--state-dir", &env.state().to_string_lossy()]);
    assert!(run.code != 2 && run.stderr.is_empty(), "{run:#?}");
}

#[test]
fn diagnose_says_first_that_the_gateway_is_down() {
    let env = killed("{}");
    if scanned(&env)["roots"][0]["gateway"]["state"] != "down" {
        return eprintln!(
            "SKIPPED: not every process can be seen here, so that no gateway is known to be down"
        );
    }
    let state = env.state();
    let run = env.run(&["diagnose", "--state-dir", &state.to_string_lossy()]).exits(1);
    let first = run.stdout.lines().next().unwrap_or_default();
    assert!(first.contains("The gateway is down: no chat is answered"), "{run:#?}");
    for words in ["lease-stuck", "was cut off", "openclaw gateway start"] {
        assert!(run.stdout.contains(words), "{words}: {run:#?}");
    }
}
