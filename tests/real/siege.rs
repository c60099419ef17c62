//! Who besieges the owners in a torture: lockdoctor at its fastest, or, as the control that shows what the
//! torture can see, a cleaner that judges right and then unlinks by path.

use std::fs;
use std::io::{ErrorKind, Write};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use serde_json::Value;

use super::{Guarded, binary, command};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Besieger {
    /// `reclaim --yes --settle 0s`, started again and again.
    Reclaim,
    /// `watch --reclaim --settle 0s`, which acts on the lock's creation.
    Watch,
    /// The control.
    Unlink,
}

impl Besieger {
    /// `watch` counts once it exists.
    pub(crate) fn available(self) -> bool {
        let help = |name| Command::new(binary()).args([name, "--help"]).output().unwrap().status.success();
        match self {
            Self::Reclaim => help("reclaim"),
            Self::Watch => help("watch"),
            Self::Unlink => true,
        }
    }
}

/// A besieger at work on a state directory, until it is dropped.
pub(crate) struct Siege {
    over: Arc<AtomicBool>,
    acts: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    watch: Option<Guarded>,
}

impl Siege {
    pub(crate) fn lay(besieger: Besieger, state_dir: &Path, locks: Vec<PathBuf>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let acts = Arc::new(AtomicU64::new(0));
        let (stop, count, dir) = (Arc::clone(&over), Arc::clone(&acts), state_dir.to_owned());
        let mut siege = Self { over, acts, thread: None, watch: None };
        let going = move || !stop.load(Ordering::Relaxed);
        match besieger {
            Besieger::Watch => {
                let mut watch = command(&["watch", "--reclaim", "--settle", "0s"], state_dir);
                watch.args(extra_arguments()).stdout(Stdio::null()).stderr(Stdio::null());
                siege.watch = Some(Guarded::spawn(&mut watch));
                std::thread::sleep(Duration::from_millis(500));
            }
            Besieger::Reclaim => {
                siege.thread = Some(std::thread::spawn(move || {
                    while going() {
                        let mut reclaim = command(&["reclaim", "--yes", "--settle", "0s", "--json"], &dir);
                        let output = reclaim.args(extra_arguments()).output().unwrap();
                        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
                        let done = said["locks"].as_array().map_or(0, |locks| {
                            locks.iter().filter(|l| l["result"] == "reclaimed").count()
                        });
                        count.fetch_add(done as u64, Ordering::Relaxed);
                    }
                }));
            }
            Besieger::Unlink => {
                siege.thread = Some(std::thread::spawn(move || {
                    let journal = fs::File::create(dir.join("journal")).unwrap();
                    while going() {
                        for lock in locks.iter().filter(|lock| owner_is_dead(lock)) {
                            // It writes down what it is about to do, as lockdoctor does.
                            writeln!(&journal, "{}", lock.display()).unwrap();
                            journal.sync_data().unwrap();
                            if fs::remove_file(lock).is_ok() {
                                count.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                }));
            }
        }
        siege
    }

    /// How often it acted, where it tells (`watch` does not).
    pub(crate) fn acts(&self) -> u64 {
        self.acts.load(Ordering::Relaxed)
    }

    /// Whether it is still there: a besieger that died has proved nothing.
    pub(crate) fn stands(&mut self) -> bool {
        self.watch.as_mut().is_none_or(|watch| watch.0.try_wait().unwrap().is_none())
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

fn owner_is_dead(lock: &Path) -> bool {
    let owner = match fs::read(lock) {
        Ok(bytes) => serde_json::from_slice::<Value>(&bytes).unwrap_or_default()["pid"].as_i64(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            None
        }
    };
    let pid = owner.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    pid.is_some_and(|pid| test_kill_process(pid).is_err())
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
    /// Rounds in which the besieger had freed the dead lock before the owner came.
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
        assert!(self.met * 100 >= self.rounds, "{whom}: it hardly ever acted, so this shows nothing: {self:?}");
    }
}
