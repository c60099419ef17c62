//! Rows of real gateways, read in every state that a gateway can leave its files in.

use chrono::DateTime;
use lockdoctor::leases::{Era, LeaseScope, Section, SessionStatus, Sessions, survey};

use crate::support::sqlite::{EVERY_WAY, Left, StateDir, era};

#[test]
fn a_gateway_in_the_middle_of_a_run() {
    for left in EVERY_WAY {
        let state = StateDir::new().with_state("state-2026.9.6-midrun.sql", left).with_agent(
            "main",
            "agent-2026.9.6-midrun.sql",
            left,
        );
        let before = state.fingerprint();
        let seen = survey(state.path(), Sessions::Running);
        assert_eq!(before, state.fingerprint(), "{left:?}: reading left a trace");

        let db = seen.state.unwrap_or_else(|error| panic!("{left:?}: {error}"));
        let [lease] = db.leases.rows() else { panic!("{left:?}: {:?}", db.leases) };
        assert_eq!((&lease.scope, lease.key.as_str()), (&LeaseScope::GatewayOwner, "global"));
        assert_eq!(lease.owner.raw, "b1a8e4dd-ae50-47f8-b59c-faeaef9ca560");
        assert_eq!((lease.owner.pid, lease.owner.host.as_deref()), (Some(11850), Some("host-a")));
        assert_eq!(lease.owner.started_at, Some(204_858));
        assert_eq!(lease.expires_at, DateTime::from_timestamp_millis(1_795_364_676_080));
        assert_eq!(lease.heartbeat_at, DateTime::from_timestamp_millis(1_795_364_376_080));
        assert_eq!(lease.payload.as_ref().and_then(|p| p["port"].as_u64()), Some(23300));

        let opened = db.agent_database_leases.rows();
        assert_eq!(opened.len(), 3, "{left:?}: one a connection");
        assert!(opened.iter().all(|o| o.agent == "main" && o.owner.pid == Some(11850)));
        assert_eq!(db.memory_locks, Section::Rows(vec![]));
        assert_eq!(db.migration.app_version.as_deref(), Some("2026.9.6"));
        assert_eq!((db.migration.schema_version, db.migration.user_version), (Some(18), 18));
        assert_eq!(db.migration.unfinished(), None);

        let [(agent, Ok(db))] = &seen.agents[..] else { panic!("{left:?}: {:?}", seen.agents) };
        assert_eq!(agent, "main");
        let ([node], [window]) = (db.nodes.rows(), db.windows.rows()) else { panic!("{left:?}: {db:?}") };
        assert_eq!((node.key.as_str(), &node.status), ("agent:main:main", &Some(SessionStatus::Running)));
        assert_eq!(node.active_writer_run_id, node.lifecycle_run_id, "{left:?}: a run is under way");
        assert!(node.lifecycle_run_id.is_some());
        assert_eq!((&window.session_id, &window.key), (&node.session_id, &node.key));
        assert_eq!(window.ended_at, None);
        assert_eq!(era(state.path()), Era::Sqlite);
        assert_eq!(before, state.fingerprint(), "{left:?}: reading left a trace");
    }
}

#[test]
fn a_restarted_8_2_keeps_the_row_of_its_dead_predecessor() {
    let state = StateDir::new().with_state("state-2026.8.2-restarted.sql", Left::Killed).with_agent(
        "main",
        "agent-2026.8.2-midrun.sql",
        Left::Killed,
    );
    let seen = survey(state.path(), Sessions::All);
    let db = seen.state.expect("readable");
    assert_eq!(db.leases, Section::Rows(vec![]), "8.2 has no gateway-owner lease");
    let pids: Vec<_> = db.agent_database_leases.rows().iter().filter_map(|lease| lease.owner.pid).collect();
    assert_eq!(pids, [12733, 13121]);
    assert_eq!(era(state.path()), Era::Sqlite);
}

#[test]
fn before_2026_8_there_are_no_sessions_in_the_databases() {
    for (dump, startup) in [("state-2026.7.1-2.sql", Some("2026.7.1-2")), ("state-2026.6.11.sql", None)] {
        let state = StateDir::new().with_state(dump, Left::Killed);
        assert_eq!(era(state.path()), Era::Unknown("no agent has a session yet".into()), "{dump}");
        let sessions = state.path().join("agents/main/sessions");
        std::fs::create_dir_all(&sessions).expect("created");
        std::fs::write(sessions.join("sessions.json"), "{}").expect("written");
        // Credentials only: the file is there, sessions are not.
        let state = state.with_agent("main", dump, Left::Closed);
        assert_eq!(era(state.path()), Era::File, "{dump}");

        let db = survey(state.path(), Sessions::All).state.expect("readable");
        assert_eq!(db.agent_database_leases, Section::Absent, "{dump}");
        assert_eq!(db.migration.startup_migrations.as_deref(), startup, "{dump}");
        assert_eq!(db.migration.unfinished(), None, "{dump}");
    }
}

#[test]
fn files_that_are_younger_than_the_database_are_a_contradiction() {
    let state = StateDir::new().with_agent("main", "agent-2026.9.6-midrun.sql", Left::Closed);
    let store = state.path().join("agents/main/sessions/sessions.json");
    std::fs::create_dir_all(store.parent().expect("a parent")).expect("created");
    std::fs::write(&store, "{}").expect("written");
    let file = std::fs::File::options().write(true).open(&store).expect("opened");
    let millis = |ms| std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms);
    // The run of the fixture was at 1795364388; a store from before is what a migration leaves behind.
    file.set_modified(millis(1_795_000_000_000)).expect("set");
    assert_eq!(era(state.path()), Era::Sqlite);
    file.set_modified(millis(1_796_000_000_000)).expect("set");
    assert!(matches!(era(state.path()), Era::Unknown(why) if why.contains("two versions")));
}

#[test]
fn a_memory_lock_that_never_expires() {
    let state = StateDir::new().with_state("state-2026.8.2-restarted.sql", Left::Closed);
    let db = rusqlite::Connection::open(state.state_db()).expect("opened");
    let insert = "INSERT INTO plugin_state_entries (plugin_id, namespace, entry_key, value_json, created_at)
                  VALUES (?1, ?2, ?3, ?4, 1)";
    // The row of openclaw#134999, among a thousand of others.
    for i in 0..1000 {
        let long = format!("{{\"text\":\"{}\"}}", "x".repeat(i * 7));
        db.execute(insert, ["memory-core", "short-term-recall", &format!("k{i}"), &long]).expect("inserted");
    }
    let value = r#"{"owner":"1:1783191672693","acquiredAt":1783191672693}"#;
    db.execute(insert, ["memory-core", "short-term-locks", "workspace", value]).expect("inserted");
    drop(db);
    let db = survey(state.path(), Sessions::Running).state.expect("readable");
    let [lock] = db.memory_locks.rows() else { panic!("{:?}", db.memory_locks) };
    assert_eq!((lock.key.as_str(), lock.owner.pid, lock.expires_at), ("workspace", Some(1), None));
    assert_eq!(lock.acquired_at, DateTime::from_timestamp_millis(1_783_191_672_693));
}

#[test]
fn columns_that_are_new_do_not_matter_and_columns_that_are_gone_are_said() {
    let change = |sql: &str| {
        let state = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Closed);
        rusqlite::Connection::open(state.state_db()).expect("opened").execute_batch(sql).expect("changed");
        survey(state.path(), Sessions::Running).state.expect("readable")
    };
    let newer = change(
        "ALTER TABLE state_leases ADD COLUMN epoch INTEGER NOT NULL DEFAULT 7;
         ALTER TABLE state_leases ADD COLUMN label TEXT GENERATED ALWAYS AS (scope || lease_key) VIRTUAL;",
    );
    assert_eq!(newer.leases.rows().len(), 1);
    let other = change("ALTER TABLE state_leases RENAME COLUMN expires_at TO valid_until;");
    let Section::Unreadable(why) = &other.leases else { panic!("{:?}", other.leases) };
    assert!(why.contains("table state_leases has no column expires_at"), "{why}");
    assert_eq!(other.agent_database_leases.rows().len(), 3, "the other tables are not hidden");
    let half = change("PRAGMA user_version = 17;");
    assert_eq!(
        half.migration.unfinished().as_deref(),
        Some("half-migrated: its tables are of schema 18, its header says 17")
    );
}

#[test]
fn two_state_directories_are_two_worlds() {
    let one = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Killed);
    let two = StateDir::new().with_state("state-2026.8.2-restarted.sql", Left::Killed);
    assert_eq!(survey(one.path(), Sessions::All).state.expect("readable").leases.rows().len(), 1);
    assert_eq!(survey(two.path(), Sessions::All).state.expect("readable").leases.rows().len(), 0);
}
