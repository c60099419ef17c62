//! Owners that let go under waiters, three processes to a session, by OpenClaw's real lock code: between the close and
//! the unlink their loop blocks, their pool hangs, or they are stopped, for up to 20 s; or copies of their locks are put
//! under the name. None may lose its lock to lockdoctor, and what is leaked has to be freed. The control, the rule
//! "nobody has had it open for five seconds", robs them. `LOCKDOCTOR_TORTURE_ROUNDS` makes it long. Needs node and,
//! the first time, npm.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockdoctor::evidence::Writer;
use lockdoctor::evidence::lease::probe;
use rustix::process::{Pid, Signal, kill_process};

use crate::real::siege::{Besieger, Siege};
use crate::real::{Node, StateDir, packages, setting};

/// Release by path without a look (4.15, 5.7), and after a comparison (5.22, 7.1). The waiters of 1.24 to 3.13 rob each
/// other by themselves.
const PACKAGES: [&str; 4] =
    ["openclaw-2026.4.15", "openclaw-2026.5.7", "openclaw-2026.5.22", "openclaw-2026.7.1-2"];
/// Sessions that the same processes share.
const SHARED: usize = 2;
const PROCESSES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Release,
    Copies,
    /// The first without leaks, which nobody but lockdoctor frees.
    Alone,
}

/// Left to themselves these owners do each other no harm.
#[test]
fn owners_alone_do_no_harm() {
    let Some(_) = packages() else { return };
    for kind in [Kind::Alone, Kind::Copies] {
        for key in PACKAGES.into_iter().step_by(crate::thinned(4)) {
            let count = rounds(key, kind, setting("LOCKDOCTOR_TORTURE_ROUNDS", 60).min(600), |_, _| {});
            eprintln!("alone {kind:?} {key}: {count:?}");
            assert_eq!(count.harm(), 0, "{kind:?} {key}: {count:?}");
        }
    }
}

#[test]
fn no_owner_loses_its_lock_around_its_release() {
    besiege(Kind::Release, 160);
}

#[test]
fn no_owner_loses_its_lock_behind_a_copy() {
    besiege(Kind::Copies, 120);
}

/// The torture can fail: freeing what nobody has had open for five seconds robs live owners, in both kinds.
#[test]
fn control_closed_for_five_seconds_is_not_let_go() {
    let Some(_) = packages() else { return };
    for kind in [Kind::Release, Kind::Copies] {
        let mut all = Count::default();
        for _ in 0..5 {
            all += rounds(PACKAGES[0], kind, setting("LOCKDOCTOR_TORTURE_ROUNDS", 600).min(2000), old_rule);
            if all.harm() > 0 {
                break;
            }
        }
        eprintln!("control {kind:?}: {all:?}");
        assert!(all.harm() > 0, "{kind:?}: the control lost nothing, so this torture sees nothing: {all:?}");
    }
}

fn besiege(kind: Kind, default: u64) {
    let Some(_) = packages() else { return };
    let each = setting("LOCKDOCTOR_TORTURE_ROUNDS", default * 4).div_ceil(4);
    let mut all = Count::default();
    for key in PACKAGES.into_iter().step_by(crate::thinned(4)) {
        let count = rounds(key, kind, each, |state, over| {
            let mut siege = Siege::lay(Besieger::Watch, state, Vec::new());
            while !over() {
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(siege.stands(), "watch did not last");
        });
        eprintln!("{kind:?} {key}: {count:?}");
        assert_eq!(count.harm(), 0, "{kind:?} {key}: {count:?}");
        assert_eq!(count.blocked, 0, "{kind:?} {key}: owners were shut out: {count:?}");
        all += count;
    }
    eprintln!("{kind:?} in all: {all:?}");
}

/// So many rounds by groups of processes, while `beside` does its work until it is told that they are over.
fn rounds(key: &str, kind: Kind, rounds: u64, beside: impl FnOnce(&Path, &dyn Fn() -> bool) + Send) -> Count {
    let groups = (rounds / 60).clamp(2, 20) as usize;
    let share = rounds.div_ceil((groups * PROCESSES) as u64).to_string();
    let state = StateDir::for_torture(key);
    let over = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;
    let word = format!("{kind:?}").to_lowercase();
    let mut all = Count::default();
    std::thread::scope(|scope| {
        let ended = &over;
        let path = state.path();
        let besieger = scope.spawn(move || beside(path, &|| ended.load(order)));
        let mut owners = Vec::new();
        for group in 0..groups {
            let sessions: Vec<PathBuf> =
                (0..SHARED).map(|n| state.session(group * SHARED + n).transcript).collect();
            for _ in 0..PROCESSES {
                let mut args = vec![key, &share, &word];
                args.extend(sessions.iter().map(|session| session.to_str().expect("UTF-8")));
                let owner = Node::spawn("releaser.mjs", &args);
                owners.push(scope.spawn(move || Count::of(owner)));
            }
        }
        for owner in owners {
            all += owner.join().expect("an owner");
        }
        over.store(true, order);
        besieger.join().expect("the besieger");
    });
    all
}

/// What lockdoctor believed once, without the put-back that saved it from the worst: who has closed a lock has let go.
fn old_rule(state: &Path, over: &dyn Fn() -> bool) {
    const CLOSED_FOR: Duration = Duration::from_secs(5);
    let sessions = state.join("agents/main/sessions");
    let mut closed: std::collections::HashMap<PathBuf, (u64, Instant)> = std::collections::HashMap::new();
    while !over() {
        let entries = std::fs::read_dir(&sessions).expect("sessions").flatten().map(|entry| entry.path());
        for lock in entries.filter(|path| path.to_string_lossy().ends_with(".jsonl.lock")) {
            let Some(ino) = unopened(&lock) else {
                closed.remove(&lock);
                continue;
            };
            let since = closed.entry(lock.clone()).or_insert((ino, Instant::now()));
            if since.0 != ino {
                *since = (ino, Instant::now());
            }
            if since.1.elapsed() > CLOSED_FOR && unopened(&lock) == Some(ino) {
                let _released_meanwhile = std::fs::remove_file(&lock);
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The inode under the name, if nobody has it open for writing.
fn unopened(lock: &Path) -> Option<u64> {
    let file = File::open(lock).ok()?;
    let metadata = file.metadata().ok()?;
    (probe(file.as_fd(), metadata.uid()) == Writer::NoneOpen).then(|| metadata.ino())
}

/// What became of the owners.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    rounds: u64,
    lost: u64,
    doubled: u64,
    blocked: u64,
    refused: u64,
    stalls: u64,
    long_stalls: u64,
    copies: u64,
    leaks: u64,
}

impl Count {
    /// Continues the owner whenever it has stopped, until it is done.
    fn of(mut owner: Node) -> Self {
        let pid = i32::try_from(owner.process.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        loop {
            let said = owner.next().expect("it says that it is done");
            if said["event"] == "stop" {
                std::thread::sleep(Duration::from_millis(said["ms"].as_u64().expect("ms")));
                kill_process(pid, Signal::CONT).expect("our own child");
                continue;
            }
            let n = |name: &str| said[name].as_u64().unwrap_or_else(|| panic!("no {name} in {said}"));
            return Self {
                rounds: n("rounds"),
                lost: n("lost"),
                doubled: n("doubled"),
                blocked: n("blocked"),
                refused: n("refused"),
                stalls: n("stalls"),
                long_stalls: n("long_stalls"),
                copies: n("copies"),
                leaks: n("leaks"),
            };
        }
    }

    fn harm(&self) -> u64 {
        self.lost + self.doubled
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.blocked += other.blocked;
        self.refused += other.refused;
        self.stalls += other.stalls;
        self.long_stalls += other.long_stalls;
        self.copies += other.copies;
        self.leaks += other.leaks;
    }
}
