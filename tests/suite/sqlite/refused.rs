//! Corrupt, empty, foreign, linked, locked: a sentence each, and nothing written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use lockdoctor::leases::{Section, Sessions, survey};
use lockdoctor::peek::ReadError;
use rusqlite::Connection;

use crate::support::sqlite::{Left, StateDir, with_suffix};

/// What reading says about a state database that `spoil` has been at.
fn refused(spoil: impl FnOnce(&Path)) -> String {
    let state = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Closed);
    spoil(&state.state_db());
    let before = state.fingerprint();
    let error = survey(state.path(), Sessions::Running).state.expect_err("refused");
    assert_eq!(before, state.fingerprint(), "nothing is written: {error}");
    error.to_string()
}

#[test]
fn nothing_there() {
    let empty = StateDir::new();
    assert!(matches!(survey(empty.path(), Sessions::All).state, Err(ReadError::Missing { .. })));
    assert!(refused(|db| fs::remove_file(db).expect("removed")).contains("does not exist"));
    assert!(refused(|db| fs::write(db, "").expect("written")).contains("is empty"));
}

#[test]
fn not_a_database() {
    assert!(
        refused(|db| fs::write(db, "SQLite? no.").expect("written")).contains("is not a SQLite database")
    );
    assert!(
        refused(|db| fs::write(db, vec![7; 8192]).expect("written")).contains("is not a SQLite database")
    );
    let foreign = refused(|db| {
        fs::remove_file(db).expect("removed");
        Connection::open(db).expect("opened").execute_batch("CREATE TABLE moz_places (id)").expect("created");
    });
    assert!(foreign.contains("not OpenClaw's: it has no table state_leases"), "{foreign}");
}

#[test]
fn links_are_not_followed() {
    let elsewhere = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Closed);
    let target = elsewhere.state_db();
    let linked = refused(|db| {
        fs::remove_file(db).expect("removed");
        symlink(&target, db).expect("linked");
    });
    assert!(linked.contains("is a symbolic link"), "{linked}");
    let log = refused(|db| symlink(&target, with_suffix(db, "-wal")).expect("linked"));
    assert!(log.contains("openclaw.sqlite-wal is a symbolic link"), "{log}");
    let parent = refused(|db| {
        let dir = db.parent().expect("a parent");
        fs::remove_dir_all(dir).expect("removed");
        symlink(target.parent().expect("a parent"), dir).expect("linked");
    });
    assert!(parent.contains("is a symbolic link"), "{parent}");
}

#[test]
fn special_files_do_not_hang() {
    let fifo = refused(|db| {
        fs::remove_file(db).expect("removed");
        rustix::fs::mknodat(rustix::fs::CWD, db, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("made");
    });
    assert!(fifo.contains("is a named pipe"), "{fifo}");
    let dir = refused(|db| {
        fs::remove_file(db).expect("removed");
        fs::create_dir(db).expect("made");
    });
    assert!(dir.contains("is a directory"), "{dir}");
}

#[test]
fn damage_is_said() {
    let cut = refused(|db| {
        let bytes = fs::read(db).expect("read");
        fs::write(db, &bytes[..4096]).expect("written");
    });
    assert!(cut.contains("is damaged"), "{cut}");
    let scribbled = refused(|db| {
        let mut bytes = fs::read(db).expect("read");
        bytes[100..].fill(0xff);
        fs::write(db, bytes).expect("written");
    });
    assert!(scribbled.contains("is damaged"), "{scribbled}");
}

#[test]
fn no_byte_of_damage_makes_it_panic_or_write() {
    let state = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Rollback);
    let sound = fs::read(state.state_db()).expect("read");
    for at in (0..sound.len()).step_by(29) {
        for change in [0xff, sound[at] ^ 0x01] {
            let mut bytes = sound.clone();
            bytes[at] = change;
            fs::write(state.state_db(), bytes).expect("written");
            // Either is fine: much of a page is free space, and a changed digit is a changed digit.
            let _ = survey(state.path(), Sessions::Running);
        }
    }
}

#[test]
fn a_transaction_that_died_in_a_rollback_journal() {
    let state = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Rollback);
    let copy = StateDir::new();
    fs::create_dir_all(copy.path().join("state")).expect("created");
    let writer = Connection::open(state.state_db()).expect("opened");
    // A cache of one page makes the transaction spill into the file, so that the journal is hot.
    writer.execute_batch("PRAGMA cache_size = 1; BEGIN; DELETE FROM state_leases;").expect("begun");
    for i in 0..300 {
        writer
            .execute("INSERT INTO state_leases VALUES (?1, ?1, 'x', 1, 1, ?2, 1, 1)", (i, "y".repeat(2000)))
            .expect("inserted");
    }
    for suffix in ["", "-journal"] {
        fs::copy(with_suffix(&state.state_db(), suffix), with_suffix(&copy.state_db(), suffix))
            .expect("copied");
    }
    let before = copy.fingerprint();
    let error = survey(copy.path(), Sessions::Running).state.expect_err("in the middle of a transaction");
    assert!(matches!(error, ReadError::Journal { .. }), "{error}");
    assert_eq!(before, copy.fingerprint());
    assert!(with_suffix(&copy.state_db(), "-journal").exists(), "SQLite would have rolled it back");
}

#[test]
fn a_locked_database_is_read_all_the_same() {
    let state = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Closed);
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let owner = Connection::open(state.state_db()).expect("opened");
        owner.execute_batch(lock).expect("locked");
        owner.execute("DELETE FROM state_leases", []).expect("deleted, not committed");
        let db = survey(state.path(), Sessions::Running).state.expect("readable");
        assert_eq!(db.leases.rows().len(), 1, "{lock}: what is not committed is not there");
    }
}

/// The text of a table is another program's: it is read, not run. This one would never end.
#[test]
fn a_definition_that_is_a_query_is_not_run() {
    let state = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Closed);
    let endless = "CREATE TABLE state_leases AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) \
                   SELECT x FROM c";
    let db = Connection::open(state.state_db()).expect("opened");
    db.pragma_update(None, "writable_schema", true).expect("set");
    let changed = db.execute("UPDATE sqlite_schema SET sql = ?1 WHERE name = 'state_leases'", [endless]);
    assert_eq!(changed.expect("changed"), 1);
    drop(db);
    let db = survey(state.path(), Sessions::Running).state.expect("the other tables are readable");
    let Section::Unreadable(what) = &db.leases else { panic!("{:?}", db.leases) };
    assert!(what.contains("state_leases is not a plain table"), "{what}");
    assert_eq!(db.agent_database_leases.rows().len(), 3);
}

/// Thirty pages, each with the next one below each of its ninety entries: a walk of 90^30 steps without a circle.
#[test]
fn an_index_that_forks_without_end_is_left() {
    let state = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Closed);
    let root: u32 = Connection::open(state.state_db())
        .expect("opened")
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_plugin_state_entries_1'",
            [],
            |row| row.get(0),
        )
        .expect("an index");
    let entry = [&[5, 35, 45, 15, 1][..], b"memory-coreshort-term-locksk", &[7]].concat();
    let page_above = |below: u32| {
        let cell = [&below.to_be_bytes()[..], &[entry.len() as u8], &entry].concat();
        let mut page = vec![0_u8; 4096];
        page[0] = 2;
        page[3..5].copy_from_slice(&90_u16.to_be_bytes());
        page[8..12].copy_from_slice(&below.to_be_bytes());
        for at in 0..90 {
            let place = 4096 - (at + 1) * cell.len();
            page[12 + 2 * at..14 + 2 * at].copy_from_slice(&(place as u16).to_be_bytes());
            page[place..place + cell.len()].copy_from_slice(&cell);
        }
        page
    };
    let mut bytes = fs::read(state.state_db()).expect("read");
    let end = bytes.len() as u32 / 4096;
    let start = (root as usize - 1) * 4096;
    bytes[start..start + 4096].copy_from_slice(&page_above(end + 1));
    for level in 1..=30 {
        bytes.extend(page_above(end + level + 1));
    }
    let mut leaf = vec![0_u8; 4096];
    leaf[0] = 10;
    bytes.extend(leaf);
    fs::write(state.state_db(), bytes).expect("written");
    let error = survey(state.path(), Sessions::Running).state.expect_err("no end");
    assert!(matches!(error, ReadError::TooMuch { .. }), "{error}");
}
