//! Beside a writer that never stops: every look is consistent, and the writer never waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lockdoctor::leases::{Sessions, survey};
use lockdoctor::peek::ReadError;
use rusqlite::Connection;

use crate::support::sqlite::{Left, StateDir};

/// How many looks beside a writer have to be whole before a test counts. A writer without a pause leaves few.
const ENOUGH_LOOKS: u64 = 5;

/// Each transaction moves all leases to one new expiry, so that two expiries in one look are a torn look.
/// Checkpoints of every kind, log resets and a growing and shrinking file are mixed in.
fn write_until(stop: &AtomicBool, written: &AtomicU64, db: &Connection, pause: Duration) {
    let mut round = 0_i64;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        db.execute_batch("BEGIN IMMEDIATE").expect("the writer is never kept waiting");
        db.execute("UPDATE state_leases SET expires_at = ?1, owner = ?1", [round]).expect("updated");
        if round % 40 == 0 {
            db.execute("DELETE FROM plugin_state_entries", []).expect("deleted");
        } else {
            let row = "INSERT OR REPLACE INTO plugin_state_entries VALUES ('p', 'n', ?1, ?2, 1, NULL)";
            db.execute(row, (round % 37, "z".repeat(usize::try_from(round % 97).unwrap_or(0) * 300)))
                .expect("inserted");
        }
        db.execute_batch("COMMIT").expect("the writer is never kept waiting");
        let mode = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][usize::try_from(round % 4).unwrap_or(0)];
        let busy: i64 = db
            .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))
            .expect("checkpointed");
        assert_eq!(busy, 0, "a {mode} checkpoint found a reader in its way");
        if round % 50 == 0 {
            db.execute_batch("PRAGMA incremental_vacuum(64)").expect("vacuumed");
        }
        written.store(round.unsigned_abs(), Ordering::Relaxed);
        thread::sleep(pause);
    }
}

/// A failed assertion must end the writer too, or its thread is waited for until the end of time.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn race(mode: &str, enough: u64, pause: Duration) {
    let state = StateDir::new().with_state("state-2026.9.6-midrun.sql", Left::Closed);
    let db = Connection::open(state.state_db()).expect("opened");
    db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;").expect("vacuumed");
    db.pragma_update(None, "journal_mode", mode).expect("set");
    db.busy_timeout(Duration::ZERO).expect("set");
    for i in 0..200 {
        let row = "INSERT INTO state_leases VALUES ('race', ?1, '0', 0, 0, NULL, 1, 1)";
        db.execute(row, [i]).expect("inserted");
    }
    db.execute("UPDATE state_leases SET expires_at = 0, owner = '0'", []).expect("updated");
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    db.pragma_update(None, "synchronous", "OFF").expect("set");
    let (mut looks, mut gave_up) = (0_u64, 0_u64);
    thread::scope(|scope| {
        scope.spawn({
            let (stop, written) = (&stop, &written);
            move || write_until(stop, written, &db, pause)
        });
        let _stop = StopOnDrop(&stop);
        let start = Instant::now();
        let done = |looks| looks >= ENOUGH_LOOKS && written.load(Ordering::Relaxed) >= enough;
        while !done(looks) && start.elapsed() < Duration::from_mins(1) {
            match survey(state.path(), Sessions::Running).state {
                Ok(seen) => {
                    looks += 1;
                    let mut expiries: Vec<_> =
                        seen.leases.rows().iter().map(|lease| lease.expires_at).collect();
                    expiries.dedup();
                    assert_eq!((expiries.len(), seen.leases.rows().len()), (1, 201), "a torn look");
                    let owner = &seen.leases.rows()[0].owner.raw;
                    assert_eq!(expiries[0].map(|at| at.timestamp_millis().to_string()).as_ref(), Some(owner));
                }
                Err(ReadError::Busy { .. } | ReadError::Journal { .. }) => gave_up += 1,
                Err(other) => panic!("after {looks} looks: {other}"),
            }
        }
    });
    eprintln!("{mode}: {looks} consistent looks, {gave_up} times too busy, {written:?} transactions");
    assert!(looks >= ENOUGH_LOOKS, "{looks} looks, {gave_up} times too busy");
}

#[test]
fn a_writer_in_wal_mode() {
    race("WAL", 5000, Duration::ZERO);
}

#[test]
fn a_writer_with_a_rollback_journal() {
    // There is no way into a file that is rewritten without a pause, and no gateway does that.
    race("DELETE", 300, Duration::from_millis(20));
}
