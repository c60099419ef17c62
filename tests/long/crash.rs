//! SIGKILL at every system call of a reclaim, by strace(1): whatever step was the last, the next lockdoctor
//! finds its way. Calls before the first that concerns lockdoctor's own directory, and those that read `/proc`, count only
//! with `LOCKDOCTOR_CRASH=all`; without it a restore, a purge and a recovery are killed at every fourth call. The short
//! form kills at a seventh of these.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::reclaim::{
    act, comes_to_the_swap, command_within, dead_lock, events, gateway, journal, quarantine, quarantined,
    reclaim, tombstone,
};
use crate::support::strace::{Call, Reads, Traced, aimed, trace};
use crate::support::{TestEnv, hold, own_pid, payload, set_age, skipped, start_ticks};
use serde_json::Value;

const RECLAIM: [&str; 5] = ["reclaim", "--yes", "--settle", "0s", "--no-breaker"];

fn cannot_trace() -> bool {
    skipped(crate::support::strace::works(), "strace(1) is missing or may not trace")
}

/// An install whose gateway runs.
struct Install {
    env: TestEnv,
    _gateway: File,
}

impl std::ops::Deref for Install {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.env
    }
}

impl Install {
    fn new() -> Self {
        let env = TestEnv::new("2026.5.22");
        let held = gateway(&env);
        Self { env, _gateway: held }
    }

    /// The same with a lock that no process is behind.
    fn with_lock() -> (Self, PathBuf) {
        let install = Self::new();
        let lock = install.session("a");
        fs::write(&lock, BYTES).expect("lock");
        set_age(&lock, Duration::from_mins(1));
        (install, lock)
    }

    /// The same with that lock reclaimed; its quarantine id.
    fn with_kept_lock() -> (Self, PathBuf, String) {
        let (install, lock) = Self::with_lock();
        let id = act(&install).exits(0).lock(&lock)["quarantine_id"].as_str().expect("id").to_owned();
        (install, lock, id)
    }
}

const BYTES: &[u8] = b"{\"pid\": 12";

fn at_all() -> bool {
    std::env::var("LOCKDOCTOR_CRASH").is_ok_and(|how| how == "all")
}

/// The steps to be killed at: those from the first that concerns lockdoctor's directory, without the look at all
/// processes. How many calls that takes is the machine's affair, and it changes nothing, so that the next step stands
/// for it.
fn steps(traced: &Traced) -> Vec<Call> {
    if at_all() {
        return traced.calls.clone();
    }
    let mut census = Reads::of(|path| path.starts_with("/proc"));
    let own = traced.calls.iter().skip_while(|call| !call.line.contains(", \"lockdoctor\""));
    own.filter(|call| !census.include(&call.line)).cloned().collect()
}

/// Every lock whose bytes were judged is at its name or in the quarantine; nothing of ours but whole
/// tombstones has its name; no draft is left; every act has an end.
#[track_caller]
fn assert_sound(env: &TestEnv, lock: &Path, bytes: &[u8], context: &str) {
    let at_name = fs::read(lock).unwrap_or_default();
    let kept: Vec<Vec<u8>> = quarantined(&env.state()).into_values().collect();
    let copies = kept.iter().chain([&at_name]).filter(|found| *found == bytes).count();
    assert_eq!(copies, 1, "{context}: the lock is there exactly once");
    assert!(at_name == bytes || tombstone(lock).is_some(), "{context}: {at_name:?}");
    assert!(quarantined(&env.state()).keys().all(|name| !name.ends_with(".new")), "{context}");
    let entries = journal(&env.state());
    for entry in &entries {
        let last = entries.iter().rev().find(|other| other["id"] == entry["id"]).expect("itself");
        let beginning = last["event"] == "intent" || last["event"] == "restoring";
        assert!(!beginning, "{context}: no end: {entry}");
    }
}

/// An install with one lock, to kill a lockdoctor in.
struct Scene {
    install: Install,
    lock: PathBuf,
    arguments: Vec<String>,
}

impl Scene {
    fn to_reclaim() -> Self {
        let (install, lock) = Install::with_lock();
        Self { install, lock, arguments: RECLAIM.map(str::to_owned).to_vec() }
    }

    fn to_restore() -> Self {
        let (install, lock, id) = Install::with_kept_lock();
        Self { install, lock, arguments: ["quarantine", "restore", &id].map(str::to_owned).to_vec() }
    }

    fn to_purge() -> Self {
        let (install, lock, _) = Install::with_kept_lock();
        let arguments = ["quarantine", "purge", "--older-than", "0s"].map(str::to_owned).to_vec();
        Self { install, lock, arguments }
    }

    fn trace(&self, expressions: &[String]) -> Traced {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        trace(&self.install, &arguments, expressions)
    }
}

/// Kills at every step (or every so many) in turn, each time in a new scene, and has `check` look at what is
/// left; returns how often.
fn killed_at_every(stride: usize, prepare: impl Fn() -> Scene, mut check: impl FnMut(&Scene, &str)) -> usize {
    let stride = if at_all() { 1 } else { stride * crate::thinned(7) };
    let mut plan = steps(&prepare().trace(&[]));
    assert!(plan.len() > 20, "{plan:#?}");
    let mut index = 0;
    let mut missed = 0;
    while index < plan.len() {
        let call = &plan[index];
        let scene = prepare();
        let killed = scene.trace(&[call.inject("signal=KILL")]);
        // Wherever it was killed, or not at all: what is left must be sound.
        check(&scene, &format!("killed at {}", call.line));
        if killed.killed && steps(&killed).len() == index + 1 {
            index += stride;
        } else {
            missed += 1;
            assert!(missed < 100, "never killed at {}", call.line);
            plan = steps(&prepare().trace(&[]));
        }
    }
    plan.len().div_ceil(stride)
}

#[test]
fn a_reclaim_can_be_killed_at_any_step() {
    if cannot_trace() {
        return;
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let steps = killed_at_every(1, Scene::to_reclaim, |scene, context| {
        let (env, lock) = (&scene.install, &scene.lock);
        // At no moment is the name free: a waiter could take it, and its owner's lock would be gone.
        assert!(lock.exists(), "{context}: the name is free");
        let swapped = tombstone(lock).is_some();
        let next = act(env).exits(0);
        assert_sound(env, lock, BYTES, context);
        assert!(tombstone(lock).is_some(), "{context}: {next:#?}");
        let told = events(&env.state());
        let completed = told.iter().filter(|event| *event == "completed").count();
        let reclaimed = told.iter().filter(|event| *event == "reclaimed").count();
        assert_eq!(completed + reclaimed, 1, "{context}: {told:?}");
        assert!(!swapped || next.paths().is_empty(), "{context}: done already, so not done again");
        // And once more: nothing is left to do.
        act(env).exits(0);
        assert_eq!(events(&env.state()), told, "{context}");
        *seen.entry(told.join(" ")).or_default() += 1;
    });
    eprintln!("killed at {steps} calls of a reclaim; what the journal told, and how often: {seen:#?}");
    for story in ["intent reclaimed", "intent undone intent reclaimed", "intent completed"] {
        assert!(seen.contains_key(story), "{story:?} was never told: {seen:#?}");
    }
}

/// lockdoctor under strace, held up in the instant before the swap, while a new owner takes the lock.
struct Met {
    child: Child,
    owner: File,
    inode: u64,
    bytes: Vec<u8>,
}

const DELAY: &str = "inject=renameat2:delay_enter=400000:when=2";

impl Met {
    /// `None` if lockdoctor ended before it came to the swap: what `more` aims at is counted from the start of the
    /// process, and what else goes on on the machine shifts that.
    fn at_the_swap(env: &TestEnv, lock: &Path, more: &[String]) -> Option<Self> {
        let mut words = vec!["strace", "-f", "-o", "/dev/null", "-e", DELAY];
        for inject in more {
            words.extend(["-e", inject.as_str()]);
        }
        let mut command = command_within(env, &words, &RECLAIM);
        let mut child =
            command.arg("--json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("strace");
        if !comes_to_the_swap(env, &mut child) {
            return None;
        }
        fs::remove_file(lock).expect("a waiter removes the dead lock");
        let bytes = payload(own_pid(), Some(start_ticks(own_pid())));
        let owner = hold(lock, &bytes);
        let inode = owner.metadata().expect("held").ino();
        Some(Self { child, owner, inode, bytes })
    }

    /// The owner's very file has the name again.
    #[track_caller]
    fn assert_in_place(&self, lock: &Path, context: &str) {
        let metadata = fs::metadata(lock).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(metadata.ino(), self.inode, "{context}: not the live owner's lock");
        assert_eq!(fs::read(lock).expect("lock"), self.bytes, "{context}");
    }
}

#[test]
fn a_live_lock_met_in_the_instant_of_the_swap_is_put_back() {
    if cannot_trace() {
        return;
    }
    let (env, lock) = Install::with_lock();
    let met = Met::at_the_swap(&env, &lock, &[]).expect("nothing ends it before");
    let inode = met.inode;
    let output = met.child.wait_with_output().expect("strace");
    assert!(output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["locks"][0]["result"], "changed");
    assert_eq!(fs::metadata(&lock).expect("lock").ino(), inode);
    assert_eq!(events(&env.state()), ["intent", "live-put-back"]);
    assert!(quarantined(&env.state()).is_empty());
    drop(met.owner);
}

#[test]
fn a_live_lock_comes_back_after_a_kill_at_any_step() {
    if cannot_trace() {
        return;
    }
    let (mut plan, mut index) = (calls_after_the_swap(), 0);
    let (mut missed, mut put_back_by_recovery) = (0, 0);
    while index < plan.len() {
        let call = &plan[index];
        let (env, lock) = Install::with_lock();
        let Some(mut met) = Met::at_the_swap(&env, &lock, &[call.inject("signal=KILL")]) else {
            missed += 1;
            assert!(missed < 50, "never killed at {}", call.line);
            plan = calls_after_the_swap();
            continue;
        };
        met.child.wait().expect("strace");
        let context = format!("killed at {}", call.line);
        assert!(lock.exists(), "{context}: the name is free");
        let away = tombstone(&lock).is_some();
        act(&env).exits(0);
        met.assert_in_place(&lock, &context);
        assert!(quarantined(&env.state()).is_empty(), "{context}: {:?}", quarantined(&env.state()));
        put_back_by_recovery += usize::from(away);
        env.scan().exits(0).says(&lock, "held");
        index += crate::thinned(3);
    }
    eprintln!(
        "killed at {} calls after the swap; {put_back_by_recovery} times recovery put it back",
        plan.len().div_ceil(crate::thinned(3))
    );
    assert!(put_back_by_recovery > 0, "it was never killed between the two swaps");
}

/// The calls of a run that meets a live lock, from the swap on. The call that swaps back is not among them: it
/// changes nothing before it runs, so that the step before stands for it.
fn calls_after_the_swap() -> Vec<Call> {
    let (dry, lock) = Install::with_lock();
    let calls = trace_meeting(&dry, &lock).calls;
    let swap = calls.iter().position(|call| call.name == "renameat2" && call.nth == 2).expect("a swap");
    let plan: Vec<Call> = calls[swap..].iter().filter(|call| call.name != "renameat2").cloned().collect();
    assert!(plan.len() > 5, "{plan:#?}");
    plan
}

/// No event tells a daemon of it: it has to look in the journal when it starts.
#[test]
fn a_watch_that_starts_puts_a_live_lock_back() {
    if cannot_trace() {
        return;
    }
    let (env, lock, met) = killed_between_the_swaps();
    let state = env.state();
    let watch = ["watch", "--once", "--state-dir", state.to_str().expect("UTF-8")];
    env.run(&watch).exits(0);
    assert!(tombstone(&lock).is_some(), "without --reclaim it changes nothing");
    env.run(&[&watch[..], &["--reclaim"]].concat()).exits(0);
    met.assert_in_place(&lock, "after the start of a watch");
    assert_eq!(events(&state), ["intent", "live-put-back"]);
}

/// What a run calls when it meets a live lock.
fn trace_meeting(env: &TestEnv, lock: &Path) -> Traced {
    let file = env.tmp().join("meeting");
    let words = ["strace", "-f", "-o", file.to_str().expect("UTF-8"), "-e", DELAY];
    let mut command = command_within(env, &words, &RECLAIM);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace");
    assert!(comes_to_the_swap(env, &mut child), "nothing ends it before");
    fs::remove_file(lock).expect("remove");
    let owner = hold(lock, &payload(own_pid(), Some(start_ticks(own_pid()))));
    child.wait().expect("strace");
    drop(owner);
    Traced::read(&file)
}

/// Leaves lockdoctor killed between the two swaps: our tombstone has the name, the live lock is aside.
fn killed_between_the_swaps() -> (Install, PathBuf, Met) {
    aimed("a kill between the swaps", || {
        let right_after_the_swap = &calls_after_the_swap()[0];
        let (env, lock) = Install::with_lock();
        let kill = right_after_the_swap.inject("signal=KILL");
        let mut met = Met::at_the_swap(&env, &lock, &[kill])?;
        met.child.wait().expect("strace");
        tombstone(&lock).is_some().then_some((env, lock, met))
    })
}

#[test]
fn what_the_owner_let_go_after_the_crash_is_not_raised_from_the_dead() {
    if cannot_trace() {
        return;
    }
    for unchecked_release in [true, false] {
        let (env, lock, met) = killed_between_the_swaps();
        drop(met.owner);
        if unchecked_release {
            // Up to 2026.5.7 the owner removes whatever has the name; later ones leave our tombstone alone.
            fs::remove_file(&lock).expect("release");
        }
        act(&env).exits(0);
        assert_eq!(lock.exists(), !unchecked_release);
        assert!(unchecked_release || tombstone(&lock).is_some());
        assert_eq!(events(&env.state()), ["intent", "released-meanwhile"]);
        assert_eq!(quarantined(&env.state()).into_values().collect::<Vec<_>>(), [met.bytes]);
    }
}

#[test]
fn two_holders_after_a_crash_are_told_and_the_newer_keeps_the_name() {
    if cannot_trace() {
        return;
    }
    let (env, lock, met) = killed_between_the_swaps();
    fs::remove_file(&lock).expect("a waiter finds our tombstone's owner dead");
    let newer = hold(&lock, &payload(1, None));
    act(&env).exits(0);
    assert_eq!(fs::metadata(&lock).expect("lock").ino(), newer.metadata().expect("newer").ino());
    assert_eq!(events(&env.state()), ["intent", "double-holder"]);
    assert_eq!(quarantined(&env.state()).into_values().collect::<Vec<_>>(), std::slice::from_ref(&met.bytes));
    drop(met.owner);
}

#[test]
fn putting_a_lock_back_can_be_killed_at_any_step() {
    if cannot_trace() {
        return;
    }
    let steps = killed_at_every(4, Scene::to_restore, |scene, context| {
        let (env, lock) = (&scene.install, &scene.lock);
        assert!(lock.exists(), "{context}: the name is free");
        // The next lockdoctor that acts, but not on this lock.
        dead_lock(env, "b");
        reclaim(env, &["--yes", "--settle", "0s", "--max", "0"]).exits(0);
        assert_sound(env, lock, BYTES, context);
    });
    eprintln!("killed at {steps} calls of a restore");
}

#[test]
fn dropping_a_lock_can_be_killed_at_any_step() {
    if cannot_trace() {
        return;
    }
    let steps = killed_at_every(4, Scene::to_purge, |scene, context| {
        let env = &scene.install;
        let gone = quarantined(&env.state()).is_empty();
        let told = events(&env.state()).contains(&"purged".to_owned());
        assert!(told || !gone, "{context}: dropped, and nobody said so");
        quarantine(env, &["purge", "--older-than", "0s"]).exits(0);
        assert!(quarantined(&env.state()).is_empty());
    });
    eprintln!("killed at {steps} calls of a purge");
}

/// The lockdoctor that puts things right can be killed too.
#[test]
fn a_recovery_can_be_killed_at_any_step() {
    if cannot_trace() {
        return;
    }
    let tombstone_in_place = || {
        aimed("a kill right after the swap", || {
            let dry = Scene::to_reclaim().trace(&[]).calls;
            let swap = dry.iter().position(|call| call.name == "renameat2" && call.nth == 2).expect("swap");
            let scene = Scene::to_reclaim();
            let killed = scene.trace(&[dry[swap + 1].inject("signal=KILL")]).killed;
            let swapped = tombstone(&scene.lock).is_some() && events(&scene.install.state()) == ["intent"];
            (killed && swapped).then_some(scene)
        })
    };
    let steps = killed_at_every(4, tombstone_in_place, |scene, context| {
        let (env, lock) = (&scene.install, &scene.lock);
        assert!(tombstone(lock).is_some(), "{context}: it had been swapped");
        act(env).exits(0);
        assert_sound(env, lock, BYTES, context);
        assert_eq!(events(&env.state()), ["intent", "completed"], "{context}");
    });
    eprintln!("killed at {steps} calls of a recovery");
}

/// A descriptor that the killed process left is closed by the kernel, and with it every lock it had.
#[test]
fn a_killed_lockdoctor_keeps_nobody_waiting() {
    let env = TestEnv::new("2026.5.22");
    dead_lock(&env, "a");
    act(&env).exits(0);
    let directory = env.state().join("lockdoctor");
    let mut holder = Command::new("flock");
    let holder = holder.arg(&directory).args(["sleep", "1000"]).spawn();
    if skipped(holder.is_ok(), "flock(1) is missing") {
        return;
    }
    let mut holder = holder.expect("flock");
    std::thread::sleep(Duration::from_millis(300));
    let (lock, bytes) = dead_lock(&env, "b");
    let busy = act(&env).exits(2);
    assert!(busy.took >= Duration::from_secs(10) && busy.stderr.contains("another lockdoctor"), "{busy:#?}");
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
    // flock(1) holds it by a child, which outlives a killed parent.
    let sleep = fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.id())).unwrap_or_default();
    for pid in sleep.split_whitespace() {
        Command::new("kill").args(["-KILL", pid]).status().expect("kill(1)");
    }
    holder.wait().expect("flock");
    assert!(act(&env).exits(0).took < Duration::from_secs(5));
    assert!(tombstone(&lock).is_some());
}
