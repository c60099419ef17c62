//! Who besieges the owners in a torture: lockdoctor at its fastest, or, as the control that shows what the
//! torture can see, a cleaner that judges right and then unlinks by path.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::{Guarded, command};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Besieger {
    /// `reclaim --yes --settle 0s`, started again and again.
    Reclaim,
    /// `watch --reclaim --settle 0s`, which acts on the lock's creation.
    Watch,
    /// The control: looks whether the owner lives, and removes by path.
    Unlink,
}

impl Besieger {
    /// Whether this lockdoctor has the command, and can be told to act again and again on one lock.
    pub(crate) fn available(self) -> bool {
        let nothing_there = tempfile::tempdir().unwrap();
        let fails = |args: &[&str]| {
            let mut run = command(args, nothing_there.path());
            run.args(extra_arguments()).arg("--help"); // last: clap stops there
            run.output().unwrap().status.code() == Some(USAGE)
        };
        match self {
            Self::Reclaim => !fails(&["reclaim"]),
            Self::Watch => !fails(&["watch", "--reclaim"]),
            Self::Unlink => true,
        }
    }
}

/// clap's exit code for an argument that it does not know.
const USAGE: i32 = 2;

/// As people write it: the right question, asked of the right process, and then a path.
const CLEANER: &str = r#"
while :; do for lock; do
    pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$lock" 2>/dev/null)
    [ -z "$pid" ] || kill -0 "$pid" 2>/dev/null || rm -f "$lock"
done; done"#;

pub(crate) type Tally = Arc<Mutex<BTreeMap<String, u64>>>;

/// A besieger at work on a state directory, until it is dropped.
pub(crate) struct Siege {
    over: Arc<AtomicBool>,
    /// What `reclaim` said became of the locks; `watch` is not asked.
    pub(crate) results: Tally,
    thread: Option<JoinHandle<()>>,
    process: Option<Guarded>,
}

impl Siege {
    pub(crate) fn lay(besieger: Besieger, state_dir: &Path, locks: Vec<PathBuf>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let results = Tally::default();
        let (stop, tally, dir) = (Arc::clone(&over), Arc::clone(&results), state_dir.to_owned());
        let mut siege = Self { over, results, thread: None, process: None };
        let going = move || !stop.load(Ordering::Relaxed);
        match besieger {
            Besieger::Watch => {
                let mut watch = command(&["watch", "--reclaim", "--settle", "0s"], state_dir);
                watch.args(extra_arguments()).stdout(Stdio::null()).stderr(Stdio::null());
                siege.process = Some(Guarded::spawn(&mut watch));
                std::thread::sleep(Duration::from_millis(500));
            }
            Besieger::Reclaim => {
                siege.thread = Some(std::thread::spawn(move || {
                    while going() {
                        let mut reclaim = command(&["reclaim", "--yes", "--settle", "0s", "--json"], &dir);
                        let output = reclaim.args(extra_arguments()).output().unwrap();
                        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
                        for lock in said["locks"].as_array().into_iter().flatten() {
                            if let Some(result) = lock["result"].as_str() {
                                *tally.lock().unwrap().entry(result.to_owned()).or_default() += 1;
                            }
                        }
                    }
                }));
            }
            Besieger::Unlink => {
                let mut cleaner = Command::new("sh");
                siege.process = Some(Guarded::spawn(cleaner.args(["-c", CLEANER, "cleaner"]).args(locks)));
            }
        }
        siege
    }

    /// Whether it is still there: a besieger that died has proved nothing.
    pub(crate) fn stands(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.0.try_wait().unwrap().is_none())
            && self.thread.as_ref().is_none_or(|thread| !thread.is_finished())
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The circuit breaker would stop a torture at its fourth round.
fn extra_arguments() -> Vec<String> {
    let given = std::env::var("LOCKDOCTOR_TORTURE_ARGS").unwrap_or_else(|_| "--no-breaker".to_owned());
    given.split_whitespace().map(str::to_owned).collect()
}

/// What became of the owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) rounds: u64,
    /// Two owners at once, or a live owner's lock gone for good.
    pub(crate) lost: u64,
    /// A live owner's lock replaced, and put back.
    pub(crate) replaced: u64,
    pub(crate) longest_us: u64,
    /// A released lock that came back.
    pub(crate) risen: u64,
    /// An owner that could not get in within 10 s.
    pub(crate) blocked: u64,
    /// Turned away at once: the race of 2026.5.12 to 5.20 with a lock that vanishes.
    pub(crate) refused: u64,
    /// Rounds in which the besieger had freed the dead lock before an owner came.
    pub(crate) met: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.lost += other.lost;
        self.replaced += other.replaced;
        self.longest_us = self.longest_us.max(other.longest_us);
        self.risen += other.risen;
        self.blocked += other.blocked;
        self.refused += other.refused;
        self.met += other.met;
    }
}

impl Count {
    pub(crate) fn assert_unharmed(&self, whom: &str) {
        assert_eq!(self.lost, 0, "{whom}: live owners lost their lock: {self:?}");
        assert_eq!(self.risen, 0, "{whom}: released locks came back: {self:?}");
        assert_eq!(self.blocked, 0, "{whom}: owners were shut out: {self:?}");
        assert!(self.shows_something(), "{whom}: it hardly ever acted, so this shows nothing: {self:?}");
    }

    pub(crate) fn shows_something(&self) -> bool {
        self.met * 1000 >= self.rounds
    }
}
