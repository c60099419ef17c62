//! Owners that run OpenClaw's real lock code take their lock at the very moment at which lockdoctor frees
//! it from a killed predecessor: none may ever lose it. `LOCKDOCTOR_TORTURE_ROUNDS` makes it long
//! (`tests/real/torture.sh 100000`). Needs node and, the first time, npm.

use std::fs;

use crate::real::siege::{Besieger, Count, Siege};
use crate::real::{Node, Session, StateDir, killed_owners_lock, packages, setting};

/// One of each protocol: release by path without a look (to 5.7), with start times (from 3.2), non-reentrant
/// (from 4.22), by the shared lock manager (from 5.12), which re-checks before it removes (from 5.22), and
/// reports where it once removed (from 6.1).
const BESIEGED: [&str; 7] = [
    "clawdbot-2026.1.24-3",
    "openclaw-2026.3.13",
    "openclaw-2026.4.22",
    "openclaw-2026.5.7",
    "openclaw-2026.5.12",
    "openclaw-2026.5.22",
    "openclaw-2026.7.35",
];
/// Besieged at once, by one owner each: `watch` lets a new lock be for a moment before it looks.
const SESSIONS: usize = 16;
/// After so many rounds the dead owner is a fresh one, lest its pid be handed out again.
const BATCH: u64 = 2000;

#[test]
fn no_live_owner_loses_its_lock_to_reclaim() {
    besiege(Besieger::Reclaim);
}

#[test]
fn no_live_owner_loses_its_lock_to_watch() {
    besiege(Besieger::Watch);
}

fn besiege(besieger: Besieger) {
    let Some(_) = packages() else { return };
    if !besieger.available() {
        return crate::real::skip(&format!(
            "this lockdoctor has no {besieger:?} that acts again and again (--no-breaker)"
        ));
    }
    let each = setting("LOCKDOCTOR_TORTURE_ROUNDS", 2100).div_ceil(2 * BESIEGED.len() as u64);
    let mut all = Count::default();
    for key in BESIEGED.into_iter().step_by(crate::thinned(3)) {
        let mut count = rounds(key, besieger, each);
        for _ in 0..20 {
            if count.shows_something() {
                break;
            }
            count += rounds(key, besieger, each);
        }
        eprintln!("{besieger:?} {key}: {count:?}");
        count.assert_unharmed(&format!("{besieger:?} {key}"));
        all += count;
    }
    eprintln!("{besieger:?} in all: {all:?}");
}

/// The torture can fail: unlinking by path, after the same judgement, robs live owners.
#[test]
fn control_unlink_by_path_robs_live_owners() {
    let Some(_) = packages() else { return };
    let each = setting("LOCKDOCTOR_TORTURE_ROUNDS", 2100).div_ceil(20).clamp(60, 1000);
    let mut all = Count::default();
    for key in BESIEGED.into_iter().step_by(crate::thinned(3)) {
        let count = rounds(key, Besieger::Unlink, each);
        eprintln!("control {key}: {count:?}");
        all += count;
    }
    assert!(all.lost > 0, "the control lost nothing, so this torture sees nothing: {all:?}");
}

fn rounds(key: &str, besieger: Besieger, rounds: u64) -> Count {
    let mut all = Count::default();
    while all.rounds < rounds {
        let state = StateDir::for_torture(key);
        let sessions: Vec<Session> = (0..SESSIONS).map(|n| state.session(n)).collect();
        let dead = state.path().join("killed-owner");
        fs::write(&dead, killed_owners_lock(key)).unwrap();
        let locks = sessions.iter().map(Session::lock).collect();
        let mut siege = Siege::lay(besieger, state.path(), locks);
        let batch = BATCH.min(rounds - all.rounds).to_string();
        let mut args = vec![key, &batch, dead.to_str().unwrap()];
        args.extend(sessions.iter().map(|s| s.transcript.to_str().unwrap()));
        let mut contender = Node::spawn("contender.mjs", &args);
        let done = contender.expect("done");
        assert!(siege.stands(), "{besieger:?} did not last");
        eprintln!("{besieger:?} {key}: {:?}", siege.results.lock().unwrap());
        let n = |name: &str| done[name].as_u64().unwrap();
        all += Count {
            rounds: n("rounds"),
            lost: n("lost"),
            replaced: n("replaced"),
            longest_us: n("longest_us"),
            risen: n("risen"),
            blocked: n("blocked"),
            refused: n("refused"),
            met: n("met"),
        };
    }
    all
}
