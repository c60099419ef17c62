//! A long life beside agents, sessions and lock holders that come, release, leak, are killed and start again: no
//! live lock is ever touched, every dead one is freed, and memory, descriptors and watches stay as they are.
//! `LOCKDOCTOR_SOAK_SECONDS=1800 cargo test --profile quick --test suite watch::soak -- --nocapture` is the long one.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::support::watch::{Watch, holder};
use crate::support::{Owner, Running, TestEnv, eventually, hold, own_pid, payload, start_ticks};

const WORKERS: u64 = 4;
/// Then the agent is removed and another one comes.
const ROUNDS_OF_AN_AGENT: u64 = 20;
const SETTLE: &str = "200ms";
const LOOKS: u64 = 12;
/// What an allocator may keep back.
const SLACK_KIB: u64 = 1024;

#[derive(Default)]
struct Tally {
    agents: AtomicU64,
    released: AtomicU64,
    killed: AtomicU64,
    leaked: AtomicU64,
    restarted: AtomicU64,
    /// Live locks that were not, or not all the time, where their owner had put them.
    touched: AtomicU64,
}

/// A small generator of its own for each worker; what it yields need not be good.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn a_long_life_beside_owners_that_come_and_go() {
    let seconds = std::env::var("LOCKDOCTOR_SOAK_SECONDS").map_or(6, |s| s.parse().expect("seconds"));
    let env = TestEnv::new("2026.4.15");
    env.sessions("main");
    let arguments = ["--reclaim", "--settle", SETTLE, "--no-breaker"];
    let watch = Watch::start(&env, &arguments);
    eventually("it watches", || watch.get("/readyz").0.starts_with("HTTP/1.1 200"));
    // The first reclaim opens the journal and the quarantine; a living owner's pidfd is kept.
    let tally = Tally::default();
    let mut worker = Worker { env: &env, tally: &tally, dice: Dice(0), name: WORKERS };
    worker.leaked(&env.session("first"));
    worker.released(&env.session("second"));
    eventually("it is at rest", || watch.status()["summary"]["total"] == 0);
    let at_rest = (watch.open_descriptors(), inotify_watches(&watch));
    let started = Instant::now();
    let end = started + Duration::from_secs(seconds);
    let mut resident = Vec::new();
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (env, tally) = (&env, &tally);
            scope.spawn(move || Worker { env, tally, dice: Dice(worker), name: worker }.work_until(end));
        }
        eprintln!("| minute | resident KiB | descriptors | watches | CPU s | freed |");
        for look in 1..=LOOKS {
            let due = started + Duration::from_secs(seconds).mul_f64(look as f64 / LOOKS as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            resident.push(watch.proc_status("VmRSS"));
            eprintln!(
                "| {:.1} | {} | {} | {} | {:.1} | {} |",
                started.elapsed().as_secs_f64() / 60.0,
                resident.last().expect("pushed"),
                watch.open_descriptors(),
                inotify_watches(&watch),
                watch.cpu_ticks() as f64 / 100.0,
                freed(&watch),
            );
        }
    });
    let count = |of: &AtomicU64| of.load(Relaxed);
    let [agents, released, killed] = [&tally.agents, &tally.released, &tally.killed].map(count);
    let [leaked, restarted, touched] = [&tally.leaked, &tally.restarted, &tally.touched].map(count);
    eprintln!(
        "{seconds} s: {agents} agents; {released} locks released, {killed} owners killed, {leaked} locks leaked, \
         {restarted} owners killed and started again at once; {touched} live locks touched"
    );
    assert_eq!(touched, 0, "live locks were touched");
    assert!(released > 0 && killed > 0 && leaked > 0 && restarted > 0);
    assert!(freed(&watch) >= killed + leaked);
    eventually("nothing is left", || watch.status()["summary"]["total"] == 0);
    // Not equal: the connection of the last question may have been among the first count.
    eventually("descriptors and watches are as before", || {
        watch.open_descriptors() <= at_rest.0 && inotify_watches(&watch) <= at_rest.1
    });
    let peak = |of: &[u64]| of.iter().copied().max().expect("looks");
    let (early, late) = (peak(&resident[..resident.len() / 2]), peak(&resident[resident.len() / 2..]));
    assert!(late <= early + SLACK_KIB, "it grew from {early} to {late} KiB: {resident:?}");
}

fn freed(watch: &Watch) -> u64 {
    let (_, body) = watch.get("/metrics");
    let of_reclaims =
        |line: &&str| line.starts_with("lockdoctor_reclaims_total{") && line.contains("reclaimed");
    body.lines()
        .filter(of_reclaims)
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum::<f64>() as u64
}

fn inotify_watches(watch: &Watch) -> usize {
    let about = format!("/proc/{}/fdinfo", watch.pid());
    let of = |entry: fs::DirEntry| fs::read_to_string(entry.path()).unwrap_or_default();
    let texts = fs::read_dir(about).expect("alive").flatten().map(of);
    texts.map(|text| text.lines().filter(|line| line.starts_with("inotify")).count()).sum()
}

struct Worker<'a> {
    env: &'a TestEnv,
    tally: &'a Tally,
    dice: Dice,
    name: u64,
}

impl Worker<'_> {
    fn work_until(&mut self, end: Instant) {
        for generation in 0_u64.. {
            let agent = format!("a{}-{generation}", self.name);
            let sessions = self.env.sessions(&agent);
            self.tally.agents.fetch_add(1, Relaxed);
            for round in 0..ROUNDS_OF_AN_AGENT {
                // Sessions are used again by the next owner, as sessions are.
                let lock = sessions.join(format!("s{}.jsonl.lock", round % 5));
                match self.dice.below(8) {
                    0 => self.killed(&lock),
                    1 => self.leaked(&lock),
                    2 => self.restarted(&lock),
                    _ => self.released(&lock),
                }
                if Instant::now() >= end {
                    break;
                }
            }
            fs::remove_dir_all(sessions.parent().expect("agent")).expect("remove");
            if Instant::now() >= end {
                return;
            }
        }
    }

    fn released(&mut self, lock: &Path) {
        let file = hold(lock, &payload(own_pid(), Some(start_ticks(own_pid()))));
        self.hold_for(lock, &file, 600);
        drop(file);
        fs::remove_file(lock).expect("its owner's");
        self.tally.released.fetch_add(1, Relaxed);
    }

    fn killed(&mut self, lock: &Path) {
        self.kill(lock, holder(lock));
        wait_for_tombstone(lock);
        fs::remove_file(lock).expect("as OpenClaw does");
        self.tally.killed.fetch_add(1, Relaxed);
    }

    fn leaked(&mut self, lock: &Path) {
        let mut owner = Owner::start();
        owner.leak(lock);
        wait_for_tombstone(lock);
        fs::remove_file(lock).expect("as OpenClaw does");
        self.tally.leaked.fetch_add(1, Relaxed);
    }

    /// A gateway that is killed and comes back removes the dead lock and takes its own, about when lockdoctor does.
    fn restarted(&mut self, lock: &Path) {
        self.kill(lock, holder(lock));
        std::thread::sleep(Duration::from_millis(self.dice.below(400)));
        fs::remove_file(lock).expect("the dead lock, or the tombstone");
        let next = holder(lock);
        self.kill(lock, next);
        fs::remove_file(lock).expect("the dead lock");
        self.tally.restarted.fetch_add(1, Relaxed);
    }

    /// Sees to it that the owner's lock is its own for a while, then kills it.
    fn kill(&mut self, lock: &Path, mut owner: Running) {
        let held = File::open(format!("/proc/{}/fd/9", owner.id())).expect("its lock");
        self.hold_for(lock, &held, 600);
        owner.child.kill().expect("ours");
        owner.child.wait().expect("ours");
    }

    fn hold_for(&mut self, lock: &Path, file: &File, at_most_ms: u64) {
        let ours = file.metadata().expect("open").ino();
        let end = Instant::now() + Duration::from_millis(self.dice.below(at_most_ms));
        loop {
            if fs::symlink_metadata(lock).map(|named| named.ino()).ok() != Some(ours) {
                self.tally.touched.fetch_add(1, Relaxed);
                return;
            }
            if Instant::now() >= end {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn wait_for_tombstone(lock: &Path) {
    let lock = PathBuf::from(lock);
    eventually("it is freed", || fs::read_to_string(&lock).is_ok_and(|text| text.contains("lockdoctorId")));
}
