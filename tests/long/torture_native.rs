//! The torture again with fast native owners that follow OpenClaw's protocol step by step: many more rounds,
//! and two owners on one session, so that a lock that is away for an instant can do its worst.
//! `LOCKDOCTOR_TORTURE_ROUNDS` makes it long (`tests/real/torture.sh`). Needs neither node nor npm.
//!
//! Two real owners would rob each other of a dead lock all by themselves (they judge and remove by path). The
//! native ones do that part in turn: whatever harm is left is the besieger's.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::real::siege::{Besieger, Count, Siege};
use crate::real::{StateDir, setting, skip};
use crate::support::dead_pid;
use rustix::process::{Pid, test_kill_process};
use serde_json::Value;

/// Two owners each.
const SESSIONS: usize = 8;
/// No kernel hands out more: a lock that names one is a tombstone.
const PID_MAX: i32 = 1 << 22;
/// The besieger's time is sought below this, in microseconds.
const SLOWEST_US: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_millis(200);

/// How an owner lets go.
#[derive(Clone, Copy, Debug)]
enum Release {
    /// Up to 2026.5.7: whatever is at the path.
    Unchecked,
    /// From 2026.5.12: only a file of the same device, inode and bytes.
    Compared,
}

#[test]
fn no_live_owner_loses_its_lock_to_reclaim() {
    besiege(Some(Besieger::Reclaim));
}

#[test]
fn no_live_owner_loses_its_lock_to_watch() {
    besiege(Some(Besieger::Watch));
}

/// Left to themselves these owners do each other no harm.
#[test]
fn owners_alone_do_no_harm() {
    besiege(None);
}

/// The torture can fail.
#[test]
fn control_unlink_by_path_robs_live_owners() {
    let rounds = setting("LOCKDOCTOR_TORTURE_ROUNDS", 1000);
    let mut all = Count::default();
    // A shell on a machine with much else to do may not come round in a thousand rounds.
    for _ in 0..20 {
        for release in [Release::Unchecked, Release::Compared] {
            let count = rounds_of(release, Some(Besieger::Unlink), rounds);
            eprintln!("control {release:?}: {count:?}");
            all += count;
        }
        if all.lost > 0 {
            break;
        }
    }
    assert!(all.lost > 0, "the control lost nothing, so this torture sees nothing: {all:?}");
}

fn besiege(besieger: Option<Besieger>) {
    if besieger.is_some_and(|b| !b.available()) {
        return skip(&format!(
            "this lockdoctor has no {besieger:?} that acts again and again (--no-breaker)"
        ));
    }
    // In all ten times the rounds of the torture with the real code; most under watch, which has no process
    // to start each time.
    let share = if besieger == Some(Besieger::Watch) { 9 } else { 1 };
    let each = setting("LOCKDOCTOR_TORTURE_ROUNDS", 1000) * share / 2;
    let mut all = Count::default();
    for release in [Release::Unchecked, Release::Compared] {
        let whom = format!("{besieger:?} {release:?}");
        let mut count = rounds_of(release, besieger, each);
        // On a machine with much else to do the besieger may hardly come round in so few rounds.
        for _ in 0..20 {
            if besieger.is_none() || count.shows_something() {
                break;
            }
            count += rounds_of(release, besieger, each);
        }
        eprintln!("{whom}: {count:?}");
        match besieger {
            Some(_) => count.assert_unharmed(&whom),
            None => assert_eq!((count.lost, count.replaced, count.risen), (0, 0, 0), "{whom}: {count:?}"),
        }
        all += count;
    }
    eprintln!("{besieger:?} in all: {all:?}");
}

fn rounds_of(release: Release, besieger: Option<Besieger>, rounds: u64) -> Count {
    let state = StateDir::for_torture("openclaw-2026.5.22");
    let arenas: Vec<Arena> = (0..SESSIONS).map(|n| Arena::new(state.session(n).lock(), release)).collect();
    let locks: Vec<PathBuf> = arenas.iter().map(|arena| arena.lock.clone()).collect();
    let mut siege = besieger.map(|b| Siege::lay(b, state.path(), locks));
    let left = AtomicU64::new(rounds);
    let mut all = Count::default();
    std::thread::scope(|scope| {
        let owners: Vec<_> = (0..2 * SESSIONS as u64)
            .map(|n| {
                let (arena, left) = (&arenas[n as usize / 2], &left);
                scope.spawn(move || arena.contend(left, Dice(n * 2 + 1)))
            })
            .collect();
        for owner in owners {
            all += owner.join().unwrap();
        }
    });
    assert!(siege.as_mut().is_none_or(Siege::stands), "{besieger:?} did not last");
    if let Some(siege) = siege {
        eprintln!("{besieger:?} {release:?}: {:?}", siege.results.lock().unwrap());
    }
    all
}

/// One session and those who want it.
struct Arena {
    lock: PathBuf,
    release: Release,
    /// Judging and removing a dead lock, in turn.
    turn: Mutex<()>,
    inside: AtomicU32,
    plants: AtomicU64,
    /// Dead locks that an owner has removed.
    removed: AtomicU64,
    dead: AtomicU32,
    /// How long the besieger takes, in microseconds: the owners come about then.
    taken: AtomicU64,
}

struct Held {
    file: File,
    inode: (u64, u64),
    bytes: Vec<u8>,
}

impl Arena {
    fn new(lock: PathBuf, release: Release) -> Self {
        let (turn, dead) = (Mutex::new(()), AtomicU32::new(dead_pid()));
        let [plants, removed, taken] = [0, 0, SLOWEST_US / 100].map(AtomicU64::new);
        Self { lock, release, turn, inside: AtomicU32::new(0), plants, removed, dead, taken }
    }

    fn contend(&self, left: &AtomicU64, mut dice: Dice) -> Count {
        let mut count = Count::default();
        let one_more = |n: u64| n.checked_sub(1);
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok() {
            self.round(&mut count, &mut dice);
            count.rounds += 1;
        }
        count
    }

    fn round(&self, count: &mut Count, dice: &mut Dice) {
        if let Some(planted) = self.leave_dead_lock() {
            self.aim(planted, dice);
        }
        let Some(held) = self.acquire(count, dice) else {
            count.blocked += 1;
            return;
        };
        if self.inside.fetch_add(1, Ordering::SeqCst) > 0 {
            count.lost += 1;
        }
        self.hold(&held, count, Duration::from_micros(dice.below(300)));
        self.inside.fetch_sub(1, Ordering::SeqCst);
        let bytes = held.bytes.clone();
        self.let_go(held);
        if self.stands(&bytes) && !crate::real::eventually(GRACE, || !self.stands(&bytes)) {
            count.risen += 1;
        }
    }

    /// A dead owner's lock, unless somebody's is there. Made aside and linked: it is never seen half-written.
    fn leave_dead_lock(&self) -> Option<(u64, u64)> {
        let n = self.plants.fetch_add(1, Ordering::Relaxed);
        if n % 1000 == 999 {
            self.dead.store(dead_pid(), Ordering::Relaxed); // before its pid is handed out again
        }
        let aside = self.lock.with_extension(format!("plant-{n}"));
        fs::write(&aside, payload(self.dead.load(Ordering::Relaxed), n)).unwrap();
        let planted = fs::hard_link(&aside, &self.lock).is_ok().then(|| identity(&aside).unwrap());
        fs::remove_file(&aside).unwrap();
        planted
    }

    /// Comes when the besieger is about to act; now and then stands back, and measures when that is.
    fn aim(&self, planted: (u64, u64), dice: &mut Dice) {
        let start = Instant::now();
        let removed = self.removed.load(Ordering::SeqCst);
        let taken = self.taken.load(Ordering::Relaxed);
        if dice.below(20) > 0 {
            let until = Duration::from_micros(dice.below(taken * 5 / 4));
            std::thread::sleep(until.saturating_sub(Duration::from_millis(1)));
            while start.elapsed() < until {}
            return;
        }
        while identity(&self.lock) == Some(planted) && start.elapsed() < Duration::from_micros(SLOWEST_US) {
            std::thread::sleep(Duration::from_micros(100));
        }
        let now = start.elapsed().as_micros() as u64;
        // If the other owner was first, the besieger would have taken longer than that.
        let other_was_first = self.removed.load(Ordering::SeqCst) != removed;
        let better = if other_was_first { taken * 3 / 2 } else { (taken * 3 + now) / 4 };
        self.taken.store(better.clamp(50, SLOWEST_US), Ordering::Relaxed);
    }

    fn acquire(&self, count: &mut Count, dice: &mut Dice) -> Option<Held> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            {
                let _turn = self.turn.lock().unwrap();
                let made =
                    self.create().or_else(|| self.remove_if_dead(count).then(|| self.create()).flatten());
                if let Some(held) = made {
                    return Some(held);
                }
            }
            let nap = dice.below(self.taken.load(Ordering::Relaxed) * 2 + 1);
            std::thread::sleep(Duration::from_micros(nap));
        }
        None
    }

    fn create(&self) -> Option<Held> {
        match OpenOptions::new().write(true).create_new(true).open(&self.lock) {
            Ok(mut file) => {
                let bytes = payload(std::process::id(), self.plants.fetch_add(1, Ordering::Relaxed));
                file.write_all(&bytes).unwrap();
                let held = file.metadata().unwrap();
                Some(Held { file, inode: (held.dev(), held.ino()), bytes })
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
                None
            }
        }
    }

    fn remove_if_dead(&self, count: &mut Count) -> bool {
        let seen = (identity(&self.lock), fs::read(&self.lock).unwrap_or_default());
        let pid = serde_json::from_slice::<Value>(&seen.1).unwrap_or_default()["pid"].as_i64();
        let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let Some(pid) = pid.filter(|pid| test_kill_process(*pid).is_err()) else { return false };
        count.met += u64::from(pid.as_raw_nonzero().get() > PID_MAX);
        self.removed.fetch_add(1, Ordering::SeqCst);
        self.remove(&seen);
        true
    }

    fn remove(&self, seen: &(Option<(u64, u64)>, Vec<u8>)) {
        let unchanged = || identity(&self.lock) == seen.0 && fs::read(&self.lock).is_ok_and(|b| b == seen.1);
        if matches!(self.release, Release::Unchecked) || unchanged() {
            let _somebody_else_may_have = fs::remove_file(&self.lock);
        }
    }

    /// Sees to it that the path names this owner's file all the while.
    fn hold(&self, held: &Held, count: &mut Count, time: Duration) {
        let start = Instant::now();
        let mut away: Option<Instant> = None;
        loop {
            let ours = identity(&self.lock) == Some(held.inode);
            if let Some(since) = away.take_if(|_| ours) {
                count.replaced += 1;
                count.longest_us = count.longest_us.max(since.elapsed().as_micros() as u64);
            }
            if !ours {
                away.get_or_insert_with(Instant::now);
            }
            match away {
                Some(since) if since.elapsed() > GRACE => {
                    count.lost += 1;
                    return;
                }
                None if start.elapsed() > time => return,
                _ => {}
            }
        }
    }

    fn let_go(&self, Held { file, inode, bytes }: Held) {
        drop(file);
        self.remove(&(Some(inode), bytes));
    }

    fn stands(&self, bytes: &[u8]) -> bool {
        fs::read(&self.lock).is_ok_and(|b| b == bytes)
    }
}

fn identity(lock: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(lock).ok().map(|m| (m.dev(), m.ino()))
}

/// The session lock of 2026.5.22, with something that makes each one different.
fn payload(pid: u32, n: u64) -> Vec<u8> {
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    format!("{{\n  \"pid\": {pid},\n  \"createdAt\": \"{now}\",\n  \"maxHoldMs\": {}\n}}\n", 1_000_000 + n)
        .into_bytes()
}

/// A xorshift: the torture needs variety, not unpredictability.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}
