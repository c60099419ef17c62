//! Several at one lock at the same time: lockdoctors, rm(1), a waiter of OpenClaw; and one lock seen under two
//! mounts. Never a double act, never an error where "somebody else did it" is the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::reclaim::{
    Mounted, Results, act, command_within, dead_lock, events, held_before_the_swap, quarantine, quarantined,
    reclaim_command, tombstone,
};
use crate::support::strace;
use crate::support::{
    Owner, Run, TestEnv, dead_pid, eventually, is_root, own_pid, payload, skipped, start_ticks,
};
use serde_json::Value;

const ALL_AT_ONCE: [&str; 5] = ["--yes", "--settle", "0s", "--no-breaker", "--json"];

fn start(env: &TestEnv) -> Child {
    let mut command = reclaim_command(env, &ALL_AT_ONCE);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("lockdoctor")
}

/// The results of a run that ended well, by path.
#[track_caller]
fn results(child: Child) -> BTreeMap<String, String> {
    let output = child.wait_with_output().expect("lockdoctor");
    assert!(output.stderr.is_empty() && output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let result = |lock: &Value| {
        (lock["path"].as_str().expect("path").to_owned(), lock["result"].as_str().expect("result").to_owned())
    };
    json["locks"].as_array().expect("locks").iter().map(result).collect()
}

#[test]
fn twenty_lockdoctors_free_each_of_two_hundred_locks_once() {
    let env = TestEnv::new("2026.5.22");
    let locks: Vec<_> = (0..200).map(|n| dead_lock(&env, &format!("s{n:03}")).0).collect();
    let before: BTreeSet<u64> = locks.iter().map(|lock| fs::metadata(lock).expect("lock").ino()).collect();
    let children: Vec<Child> = (0..20).map(|_| start(&env)).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut freed: BTreeMap<String, usize> = BTreeMap::new();
    for child in children {
        for (path, result) in results(child) {
            *freed.entry(path).or_default() += usize::from(result == "reclaimed");
            *counts.entry(result).or_default() += 1;
        }
    }
    eprintln!("{counts:?}");
    assert!(freed.values().all(|times| *times == 1), "{freed:#?}");
    assert_eq!(freed.len(), 200);
    assert!(counts.keys().all(|result| ["reclaimed", "vanished"].contains(&result.as_str())), "{counts:?}");
    assert!(locks.iter().all(|lock| tombstone(lock).is_some()));
    let kept = fs::read_dir(env.state().join("lockdoctor/quarantine")).expect("quarantine");
    let kept: BTreeSet<u64> =
        kept.map(|entry| entry.expect("entry").metadata().expect("kept").ino()).collect();
    assert_eq!(kept, before, "the very files that were judged");
    let told = events(&env.state());
    assert_eq!(told.iter().filter(|event| *event == "reclaimed").count(), 200);
    assert_eq!(told.iter().filter(|event| *event == "intent").count(), 200, "nothing was tried twice");
}

#[test]
fn beside_rm_whoever_comes_second_has_nothing_to_do() {
    let env = TestEnv::new("2026.5.22");
    let locks: Vec<_> = (0..80).map(|n| dead_lock(&env, &format!("s{n:02}")).0).collect();
    let child = start(&env);
    eventually("it has begun", || tombstone(&locks[20]).is_some());
    let removed = locks.iter().rev().filter(|lock| match fs::remove_file(lock) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            false
        }
    });
    let removed = removed.count();
    let results = results(child);
    let vanished = results.values().filter(|result| *result == "vanished").count();
    eprintln!("{removed} removed, {vanished} of them under lockdoctor's eyes");
    assert!(
        results.values().all(|result| ["reclaimed", "vanished"].contains(&result.as_str())),
        "{results:#?}"
    );
    assert!(quarantined(&env.state()).keys().all(|name| !name.ends_with(".new")));
}

/// A waiter as OpenClaw has them: creates the lock if it can, else removes it if its owner is dead.
fn waiter(lock: &Path, patience: Duration) -> Option<(fs::File, Duration)> {
    let started = Instant::now();
    while started.elapsed() < patience {
        match fs::OpenOptions::new().write(true).create_new(true).open(lock) {
            Ok(file) => return Some((file, started.elapsed())),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
        }
        let bytes = fs::read(lock).unwrap_or_default();
        let pid = serde_json::from_slice::<Value>(&bytes).ok().and_then(|value| value["pid"].as_i64());
        let pid = pid.and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
        if pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_err()) {
            fs::remove_file(lock).ok();
        } else {
            thread::sleep(Duration::from_millis(50));
        }
    }
    None
}

#[test]
fn a_waiter_behind_a_leaked_lock_gets_in() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("a");
    let mut owner = Owner::start();
    let bytes = owner.leak(&lock);
    assert!(waiter(&lock, Duration::from_millis(300)).is_none(), "it is blocked: the owner lives");
    let waiting = {
        let lock = lock.clone();
        thread::spawn(move || waiter(&lock, Duration::from_secs(10)))
    };
    assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
    let (_held, took) = waiting.join().expect("waiter").expect("it got in");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(tombstone(&lock).is_none(), "the waiter removed the tombstone by its own rule");
    assert_eq!(quarantined(&env.state()).into_values().collect::<Vec<_>>(), [bytes]);
    assert_eq!(env.scan().exits(0).lock(&lock)["evidence"]["writer"], "open");
}

/// Owners take and leave one lock while lockdoctors go over it again and again: whoever has it, keeps it.
#[test]
fn a_live_owner_never_loses_its_lock() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("a");
    let rounds = 100;
    let besieger = thread::scope(|scope| {
        let (env, path) = (&env, &lock);
        let besieger = scope.spawn(move || {
            let mut freed = 0;
            let stop = env.tmp().join("stop");
            while !stop.exists() {
                let run = Run::of(reclaim_command(env, &ALL_AT_ONCE));
                freed += run.stdout.matches("\"result\": \"reclaimed\"").count();
                assert_eq!(run.stdout.matches("\"result\": \"failed\"").count(), 0, "{run:#?}");
            }
            freed
        });
        for round in 0..rounds {
            fs::remove_file(path).ok();
            // Every other one is a lock that the waiter could not free alone.
            let left = if round % 2 == 0 { dead_pid() } else { own_pid() };
            fs::write(env.tmp().join("left"), payload(left, None)).expect("lock");
            fs::rename(env.tmp().join("left"), path).expect("left behind");
            thread::sleep(Duration::from_micros(round * 397 % 40_000));
            let (file, _) = waiter(path, Duration::from_secs(10)).expect("nothing keeps it out");
            std::io::Write::write_all(&mut &file, &payload(own_pid(), Some(start_ticks(own_pid()))))
                .expect("payload");
            let mine = file.metadata().expect("held").ino();
            let until = Instant::now() + Duration::from_millis(6);
            let mut last = 0;
            while Instant::now() < until {
                last = fs::metadata(path).expect("the name is never free").ino();
            }
            if last != mine {
                // Replaced for an instant, perhaps; for good, never.
                eventually("the lock comes back", || fs::metadata(path).is_ok_and(|stat| stat.ino() == mine));
            }
        }
        fs::write(env.tmp().join("stop"), "").expect("stop");
        besieger.join().expect("besieger")
    });
    eprintln!("{rounds} rounds, {besieger} locks freed meanwhile; {:?}", {
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        events(&env.state()).into_iter().for_each(|event| *told.entry(event).or_default() += 1);
        told
    });
    assert!(besieger > 0, "it never acted, so this shows nothing");
}

/// `mount --bind`, which moves nothing and yet forbids every rename across.
#[test]
fn a_bind_mount_gets_a_home_of_its_own() {
    if skipped(is_root(), "mounting needs root") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let sessions = env.sessions("main");
    let elsewhere = env.home().join("volume");
    fs::create_dir(&elsewhere).expect("volume");
    let _mounted =
        Mounted::new(&["--bind", elsewhere.to_str().expect("UTF-8")], &sessions).expect("bind mount");
    let (lock, bytes) = dead_lock(&env, "a");
    let run = act(&env).exits(0);
    assert_eq!(run.result(&lock), "reclaimed");
    assert!(!env.state().join("lockdoctor").exists(), "nothing was even tried across the mount");
    assert_eq!(events(&sessions), ["intent", "reclaimed"]);
    assert_eq!(quarantined(&sessions).into_values().collect::<Vec<_>>(), std::slice::from_ref(&bytes));
    env.scan().exits(0).says(&lock, "freed");

    let id = run.lock(&lock)["quarantine_id"].as_str().expect("id").to_owned();
    let list = quarantine(&env, &["list", "--json"]).exits(0).json();
    assert_eq!(list["locks"][0]["id"], *id);
    quarantine(&env, &["restore", &id]).exits(0);
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
}

/// What a project quota does too, and no statx(2) tells.
#[test]
fn a_swap_that_crosses_an_unseen_border_is_done_beside_the_lock() {
    if skipped(strace::works(), "strace(1) is missing or may not trace") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes) = dead_lock(&env, "a");
    let run = strace::trace(
        &env,
        &["reclaim", "--yes", "--settle", "0s", "--json"],
        &["inject=renameat2:error=EXDEV:when=2".to_owned()],
    );
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(tombstone(&lock).is_some());
    let sessions = env.sessions("main");
    assert_eq!(events(&env.state()), ["intent", "failed"]);
    assert_eq!(events(&sessions), ["intent", "reclaimed"]);
    assert_eq!(quarantined(&sessions).into_values().collect::<Vec<_>>(), [bytes]);
    assert!(quarantined(&env.state()).is_empty());
    let list = quarantine(&env, &["list", "--json"]).exits(0).json();
    assert_eq!(list["locks"].as_array().expect("locks").len(), 1);
}

#[test]
fn sessions_that_were_moved_to_another_disk_are_freed_there() {
    if skipped(is_root(), "mounting needs root") {
        return;
    }
    let env = TestEnv::new("2026.3.13");
    let volume = env.home().join("volume");
    let mounted = Mounted::new(&["-t", "tmpfs", "tmpfs"], &volume).expect("tmpfs");
    let sessions = mounted.at().join("main");
    fs::create_dir(&sessions).expect("sessions");
    env.config(&format!(
        r#"{{"meta": {{"lastTouchedVersion": "2026.3.13"}}, "session": {{"store": "{}/{{agentId}}/sessions.json"}}}}"#,
        volume.display()
    ));
    env.sessions("main");
    let lock = sessions.join("x.jsonl.lock");
    let bytes = payload(dead_pid(), Some(1));
    fs::write(&lock, &bytes).expect("lock");
    assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
    assert_eq!(quarantined(&sessions).into_values().collect::<Vec<_>>(), [bytes]);
    let id = quarantined(&sessions).into_keys().next().expect("id");
    quarantine(&env, &["restore", &id]).exits(0);
    assert!(tombstone(&lock).is_none() && lock.exists());
}

/// A host and a container may each have a lockdoctor, with a store of its own: neither waits for the other.
#[test]
fn two_lockdoctors_that_cannot_know_of_each_other_do_no_harm() {
    if skipped(is_root(), "mounting needs root")
        || skipped(strace::works(), "strace(1) is missing or may not trace")
    {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes) = dead_lock(&env, "a");
    let view = env.home().join("view");
    let sessions = env.sessions("main");
    let _mounted = Mounted::new(&["--bind", sessions.to_str().expect("UTF-8")], &view).expect("bind mount");
    // The first is held up right before its swap; the second comes, sees, and frees the lock.
    let words = ["strace", "-fo/dev/null", "-einject=renameat2:delay_enter=600000:when=2"];
    let mut first = command_within(&env, &words, &["reclaim", "--yes", "--settle", "0s", "--json"]);
    let first = first.stdout(Stdio::piped()).spawn().expect("strace");
    held_before_the_swap(&env);
    let mut second = env.command(&["reclaim", "--yes", "--settle", "0s", "--json"]);
    second.arg(&view);
    let second = Run::of(second).exits(0);
    assert_eq!(second.result(&view.join("a.jsonl.lock")), "reclaimed");
    let output = first.wait_with_output().expect("strace");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["locks"][0]["result"], "changed", "{json:#}");
    assert_eq!(events(&env.state()), ["intent", "live-put-back"]);
    assert!(tombstone(&lock).is_some(), "the second one's");
    assert!(quarantined(&env.state()).is_empty());
    assert_eq!(quarantined(&sessions).into_values().collect::<Vec<_>>(), [bytes]);
}

#[test]
fn a_lockdoctor_that_waits_for_locks_to_settle_keeps_nobody_waiting() {
    let env = TestEnv::new("2026.5.22");
    dead_lock(&env, "a");
    let mut owner = Owner::start();
    owner.leak(&env.session("leaked"));
    // It frees `a` after 2 s and waits for `leaked` until 5 s have gone by.
    let patient = reclaim_command(&env, &["--yes"]).stdout(Stdio::null()).spawn().expect("lockdoctor");
    thread::sleep(Duration::from_millis(2800));
    let (lock, _) = dead_lock(&env, "b");
    let other = act(&env).exits(0);
    assert_eq!(other.result(&lock), "reclaimed");
    assert!(other.took < Duration::from_secs(2), "{:?}", other.took);
    let listed = quarantine(&env, &["list"]).exits(0);
    assert!(listed.took < Duration::from_secs(1), "{:?}", listed.took);
    assert!(patient.wait_with_output().expect("lockdoctor").status.success());
}
