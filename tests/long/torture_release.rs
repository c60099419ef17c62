//! Owners that let go under waiters, three processes to a session, by OpenClaw's real lock code: between the close and
//! the unlink their loop blocks, their pool hangs, or they are stopped, for up to 20 s; or copies of their locks are put
//! under the name. lockdoctor has nothing to do there, and may do nothing. The control, the rule "nobody has had it open
//! for five seconds", robs them. `LOCKDOCTOR_TORTURE_ROUNDS` makes it long. Needs node and, the first time, npm.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockdoctor::evidence::Writer;
use lockdoctor::evidence::lease::probe;
use rustix::process::{Pid, Signal, kill_process};

use crate::real::siege::{Besieger, Siege};
use crate::real::{Node, StateDir, eventually, packages, setting};

/// Release by path without a look (4.15, 5.7), and after a comparison (5.22, 7.1). The waiters of 1.24 rob each other by
/// themselves.
const PACKAGES: [&str; 4] =
    ["openclaw-2026.4.15", "openclaw-2026.5.7", "openclaw-2026.5.22", "openclaw-2026.7.1-2"];
/// To one session. None of them has another: a process that stands still while it makes a lock would be robbed by
/// OpenClaw's own waiters.
const PROCESSES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Release,
    Copies,
}

#[test]
fn no_owner_loses_its_lock_around_its_release() {
    besiege(Kind::Release, 90);
}

#[test]
fn no_owner_loses_its_lock_behind_a_copy() {
    besiege(Kind::Copies, 60);
}

/// The torture can fail: freeing what nobody has had open for five seconds robs live owners, in both kinds.
#[test]
fn control_closed_for_five_seconds_is_not_let_go() {
    let Some(_) = packages() else { return };
    for kind in [Kind::Release, Kind::Copies] {
        let mut all = Count::default();
        for _ in 0..5 {
            all += rounds(
                PACKAGES[0],
                kind,
                setting("LOCKDOCTOR_TORTURE_ROUNDS", 120).clamp(120, 2000),
                old_rule,
            );
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
        assert_eq!(count.acts, 0, "{kind:?} {key}: a lock that had an owner was freed: {count:?}");
        all += count;
    }
    eprintln!("{kind:?} in all: {all:?}");
}

/// So many rounds by groups of processes, while `beside` does its work until it is told that they are over.
fn rounds(key: &str, kind: Kind, rounds: u64, beside: impl FnOnce(&Path, &dyn Fn() -> bool) + Send) -> Count {
    let groups = (rounds / 9).clamp(2, 10) as usize;
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
            let session = state.session(group).transcript;
            for _ in 0..PROCESSES {
                let owner =
                    Node::spawn("releaser.mjs", &[key, &share, &word, session.to_str().expect("UTF-8")]);
                owners.push(scope.spawn(move || Count::of(owner)));
            }
        }
        for owner in owners {
            all += owner.join().expect("an owner");
        }
        over.store(true, order);
        besieger.join().expect("the besieger");
    });
    let journal = std::fs::read_to_string(state.path().join("lockdoctor/journal.jsonl")).unwrap_or_default();
    all.acts += journal.lines().filter(|line| line.contains(r#""event":"intent""#)).count() as u64;
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

fn is_stopped(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
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
    /// Of lockdoctor, by its journal.
    acts: u64,
}

impl Count {
    /// Continues the owner whenever it has stopped, until it is done.
    fn of(mut owner: Node) -> Self {
        let pid = i32::try_from(owner.process.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        loop {
            let said = owner.next().expect("it says that it is done");
            if said["event"] == "stop" {
                // On a busy machine the word is there long before the stop, and a signal before it would be lost.
                assert!(eventually(Duration::from_secs(60), || is_stopped(pid)), "it stops as it said");
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
                acts: 0,
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
        self.acts += other.acts;
    }
}
