//! Full disks, failing disks, exhausted tables: every call of a reclaim fails once, and every error is clear,
//! loses nothing, and leaves nothing unrecorded. `LOCKDOCTOR_FAULTS=all` tries every errno at every call; the short
//! form lets a seventh of the calls fail.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::reclaim::{
    Mounted, Results, act, comes_to_the_swap, command_within, dead_lock, events, gateway,
    held_before_the_swap, journal, quarantined, reclaim, run, tombstone,
};
use crate::support::strace::{self, Call, Traced, aimed, trace};
use crate::support::{Run, TestEnv, hold, is_root, own_pid, payload, set_age, skipped, start_ticks};
use serde_json::Value;

const RECLAIM: [&str; 5] = ["reclaim", "--yes", "--settle", "0s", "--json"];
const BYTES: &[u8] = b"{\"pid\": 12";

fn cannot_trace() -> bool {
    skipped(strace::works(), "strace(1) is missing or may not trace")
}

/// An install whose gateway runs, with unfinished locks.
fn install(locks: &[&str]) -> (TestEnv, File, Vec<PathBuf>) {
    let env = TestEnv::new("2026.5.22");
    let gateway = gateway(&env);
    let unfinished = |id: &&str| {
        let lock = env.session(id);
        fs::write(&lock, BYTES).expect("lock");
        set_age(&lock, Duration::from_mins(1));
        lock
    };
    let locks = locks.iter().map(unfinished).collect();
    (env, gateway, locks)
}

/// Calls that ask the kernel for something that can fail on a real machine.
fn can_fail(call: &Call) -> bool {
    let names = [
        "openat",
        "openat2",
        "mkdirat",
        "newfstatat",
        "statx",
        "fstat",
        "pread64",
        "read",
        "write",
        "fdatasync",
        "fsync",
        "renameat2",
        "fchmod",
        "utimensat",
        "flock",
        "fcntl",
        "getdents64",
        "unlinkat",
        "fgetxattr",
        "fstatfs",
    ];
    names.contains(&call.name.as_str())
}

fn errors_of(call: &Call) -> &'static [&'static str] {
    let all = std::env::var("LOCKDOCTOR_FAULTS").is_ok_and(|how| how == "all");
    match call.name.as_str() {
        _ if all => &["EIO", "ENOSPC", "EMFILE", "EACCES", "EROFS", "ENOMEM", "EDQUOT", "EPERM"],
        "openat" | "openat2" => &["EIO", "EMFILE"],
        "write" | "fdatasync" | "fsync" => &["EIO", "ENOSPC"],
        "renameat2" => &["EIO", "EACCES"],
        _ => &["EIO"],
    }
}

/// What the run said of its one lock: result and error.
fn said(traced: &Traced) -> Option<(String, String)> {
    let json: Value = serde_json::from_str(&traced.stdout).ok()?;
    let lock = json["locks"].as_array()?.first()?.clone();
    Some((lock["result"].as_str()?.to_owned(), lock["error"].as_str().unwrap_or_default().to_owned()))
}

#[test]
fn any_call_may_fail() {
    if cannot_trace() {
        return;
    }
    let (dry, _gateway, _) = install(&["a"]);
    let traced = trace(&dry, &RECLAIM, &[]);
    let acting = traced.calls.iter().skip_while(|call| !call.line.contains(", \"lockdoctor\""));
    let plan: Vec<&Call> = acting.filter(|call| can_fail(call)).collect();
    assert!(plan.len() > 40, "{plan:#?}");
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    let mut faults = 0;
    for call in plan.iter().step_by(crate::thinned(7)) {
        for errno in errors_of(call) {
            let (env, _gateway, locks) = install(&["a"]);
            let lock = &locks[0];
            let faulty = trace(&env, &RECLAIM, &[call.inject(&format!("error={errno}"))]);
            let context = format!("{errno} at {}", call.line);
            faults += 1;
            assert!(matches!(faulty.code, Some(0..=2)), "{context}: {faulty:#?}");

            let freed = tombstone(lock).is_some();
            let kept = quarantined(&env.state()).into_values().filter(|bytes| bytes == BYTES).count();
            assert!(freed || fs::read(lock).is_ok_and(|bytes| bytes == BYTES), "{context}: the lock is lost");
            assert_eq!(kept, usize::from(freed), "{context}");
            let told = events(&env.state());
            assert!(!freed || told.first().is_some_and(|event| event == "intent"), "{context}: unrecorded");
            if let Some((result, error)) = said(&faulty) {
                assert_eq!(freed, result == "reclaimed", "{context}: it said {result} {error:?}");
                assert_eq!(result == "failed", !error.is_empty(), "{context}");
                let answer = if error.is_empty() { result } else { format!("{result}: {error}") };
                *answers.entry(answer.replace(&*env.home().to_string_lossy(), "")).or_default() += 1;
            }
            let next = act(&env).exits(0);
            assert!(tombstone(lock).is_some(), "{context}: {next:#?}");
            let kept: Vec<_> = quarantined(&env.state()).into_values().collect();
            assert_eq!(kept, [BYTES], "{context}: the next lockdoctor");
            let entries = journal(&env.state());
            let last = entries.last().expect("entries");
            assert!(
                ["reclaimed", "completed"].contains(&last["event"].as_str().expect("event")),
                "{context}"
            );
        }
    }
    eprintln!("{faults} faults at {} calls; the answers:\n{answers:#?}", plan.len());
}

/// A reclaim whose disk is full when it records the end of its first act.
fn full_at_the_first_end(names: &[&str]) -> (Traced, TestEnv, File, Vec<PathBuf>) {
    let ends = |call: &&Call| call.line.contains("reclaimed\\\"");
    aimed("a full disk at the first end", || {
        let (dry, _gateway, _) = install(names);
        let end = trace(&dry, &RECLAIM, &[]).calls.iter().find(ends).expect("an end").inject("error=ENOSPC");
        let (env, gateway, locks) = install(names);
        let full = trace(&env, &RECLAIM, &[end]);
        let hit = full.calls.iter().find(ends).is_some_and(|call| call.line.contains("(INJECTED)"));
        hit.then_some((full, env, gateway, locks))
    })
}

#[test]
fn a_full_disk_after_the_swap_is_no_failure_and_the_record_follows() {
    if cannot_trace() {
        return;
    }
    // Four lines: a lock's intent and end, then the next's.
    let (full, env, _gateway, locks) = full_at_the_first_end(&["a", "b"]);
    let json: Value = serde_json::from_str(&full.stdout).expect("JSON");
    let results: Vec<&str> =
        json["locks"].as_array().expect("locks").iter().filter_map(|lock| lock["result"].as_str()).collect();
    assert_eq!(results, ["reclaimed", "reclaimed"], "both are freed, and it says so");
    assert!(locks.iter().all(|lock| tombstone(lock).is_some()));
    assert_eq!(events(&env.state()), ["intent", "reclaimed", "intent", "reclaimed"], "owed, and paid first");

    // Where nothing comes after, the next lockdoctor finds out.
    let (full, env, _gateway, locks) = full_at_the_first_end(&["a"]);
    assert_eq!(said(&full).expect("JSON").0, "reclaimed");
    assert!(tombstone(&locks[0]).is_some());
    assert_eq!(events(&env.state()), ["intent"]);
    act(&env).exits(0);
    assert_eq!(events(&env.state()), ["intent", "completed"]);
}

/// lockdoctor in the instant before the swap, with `more` faults; `meanwhile` happens then.
fn held_up(env: &TestEnv, more: &[&str], meanwhile: impl FnOnce()) -> Value {
    let delay = "inject=renameat2:delay_enter=400000:when=2";
    let mut words = vec!["strace", "-f", "-o", "/dev/null", "-e", delay];
    for expression in more {
        words.extend(["-e", *expression]);
    }
    let mut command = command_within(env, &words, &RECLAIM);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("strace");
    held_before_the_swap(env);
    meanwhile();
    let output = child.wait_with_output().expect("strace");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_quarantine_that_is_removed_meanwhile_is_not_taken_for_a_released_lock() {
    if cannot_trace() {
        return;
    }
    let (env, _gateway, locks) = install(&["a", "b"]);
    let store = env.state().join("lockdoctor");
    let json = held_up(&env, &[], || fs::remove_dir_all(&store).expect("removed"));
    assert_eq!(json["locks"][1]["result"], "reclaimed", "the next one has a quarantine again");
    assert!(tombstone(&locks[1]).is_some());
    assert_eq!(events(&env.state()), ["intent", "reclaimed"]);
    assert_eq!(json["locks"][0]["result"], "failed");
    let error = json["locks"][0]["error"].as_str().expect("error");
    assert!(error.contains("the quarantine was removed"), "{error}");
    assert_eq!(fs::read(&locks[0]).expect("lock"), BYTES);
    assert_eq!(act(&env).exits(0).result(&locks[0]), "reclaimed");
    assert_eq!(quarantined(&env.state()).len(), 2);
}

#[test]
fn a_lock_that_is_released_meanwhile_has_vanished() {
    if cannot_trace() {
        return;
    }
    let (env, _gateway, locks) = install(&["a"]);
    let json = held_up(&env, &[], || fs::remove_file(&locks[0]).expect("released"));
    assert_eq!(json["locks"][0]["result"], "vanished");
    assert_eq!(events(&env.state()), ["intent", "vanished"]);
    assert!(!locks[0].exists() && quarantined(&env.state()).is_empty());
}

/// The worst that can fail: a live lock was met, and the swap back fails too.
#[test]
fn a_live_lock_that_could_not_be_put_back_is_put_back_by_the_next() {
    if cannot_trace() {
        return;
    }
    let (env, _gateway, locks, owner) = aimed("a delay after the last look at the name", || {
        let (dry, _gateway, _) = install(&["a"]);
        let calls = trace(&dry, &RECLAIM, &[]).calls;
        let swap = calls.iter().position(|call| call.name == "renameat2" && call.nth == 2).expect("swap");
        let delay = format!("-e{}", calls[swap - 1].inject("delay_exit=400000"));
        let (env, gateway, locks) = install(&["a"]);
        // Held up there; then the swap back fails.
        let words = ["strace", "-fo/dev/null", &delay, "-einject=renameat2:error=EIO:when=3"];
        let mut command = command_within(&env, &words, &RECLAIM);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("strace");
        if !comes_to_the_swap(&env, &mut child) {
            return None;
        }
        fs::remove_file(&locks[0]).expect("a waiter removes the dead lock");
        let owner = hold(&locks[0], &payload(own_pid(), Some(start_ticks(own_pid()))));
        let output = child.wait_with_output().expect("strace");
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let error = json["locks"][0]["error"].as_str().unwrap_or_default();
        error.contains("putting a live lock back").then_some((env, gateway, locks, owner))
    });
    let lock = &locks[0];
    let inode = owner.metadata().expect("held").ino();
    assert!(tombstone(lock).is_some(), "our tombstone has the name");
    assert_eq!(events(&env.state()).last().expect("entries"), "intent", "no end yet");
    act(&env).exits(0);
    assert_eq!(fs::metadata(lock).expect("lock").ino(), inode, "the live owner's lock is back");
    assert_eq!(events(&env.state()).last().expect("entries"), "live-put-back");
    env.scan().exits(0).says(lock, "held");
    drop(owner);
}

/// A state directory on a file system of its own.
fn on_tmpfs(env: &TestEnv, options: &str) -> Mounted {
    let mounted = Mounted::new(&["-t", "tmpfs", "-o", options, "tmpfs"], &env.state()).expect("tmpfs");
    fs::create_dir_all(env.state().join("agents/main/sessions")).expect("sessions");
    mounted
}

#[test]
fn a_full_disk_is_said_and_nothing_is_done() {
    if skipped(is_root(), "mounting needs root") {
        return;
    }
    for made_before in [false, true] {
        let env = TestEnv::new("2026.5.22");
        let _mounted = on_tmpfs(&env, "size=64k");
        if made_before {
            dead_lock(&env, "earlier");
            act(&env).exits(0);
        }
        let (lock, bytes) = dead_lock(&env, "a");
        let told = events(&env.state());
        let filler = env.state().join("filler");
        // A page is full or it is not: what is written must not fit into the rest of one.
        fs::write(&filler, vec![0; 1 << 20]).expect_err("full");
        let journal = env.state().join("lockdoctor/journal.jsonl");
        let rest = 4096 - fs::metadata(&journal).map_or(0, |metadata| metadata.len() % 4096);
        if made_before {
            let pad = format!("{}\n", " ".repeat(rest as usize - 1));
            let mut text = fs::read(&journal).expect("journal");
            text.extend(pad.as_bytes());
            fs::write(&journal, text).expect("its last page has room");
        }
        let run = act(&env).exits(1);
        assert_eq!(run.result(&lock), "failed");
        assert!(run.error(&lock).contains("No space left"), "{run:#?}");
        assert_eq!(fs::read(&lock).expect("lock"), bytes);
        assert_eq!(events(&env.state()), told, "nothing was recorded, so nothing was done");
        fs::remove_file(&filler).expect("room again");
        assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
    }
}

#[test]
fn no_inodes_left_is_said_and_nothing_is_done() {
    if skipped(is_root(), "mounting needs root") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let _mounted = on_tmpfs(&env, "size=1m,nr_inodes=40");
    let (lock, bytes) = dead_lock(&env, "a");
    let fill =
        || (0..60).map(|n| env.state().join(format!("f{n}"))).take_while(|path| File::create(path).is_ok());
    let files: Vec<PathBuf> = fill().collect();
    for (spare, file) in files.iter().enumerate().take(4) {
        // One inode more each time: for the directory, the quarantine, the journal, the tombstone.
        let run = act(&env);
        assert!(run.code == 1 || run.code == 2, "{run:#?}");
        assert_eq!(run.result(&lock), "failed", "{spare} to spare");
        assert!(run.error(&lock).contains("No space left"), "{run:#?}");
        assert_eq!(fs::read(&lock).expect("lock"), bytes);
        assert!(quarantined(&env.state()).is_empty());
        fs::remove_file(file).expect("room");
    }
    let run = act(&env).exits(0);
    assert_eq!(run.result(&lock), "reclaimed");
    assert!(events(&env.state()).iter().all(|event| event != "undone"), "{:?}", events(&env.state()));
}

#[test]
fn too_few_descriptors_are_said_and_nothing_is_lost() {
    let mut freed = 0;
    for descriptors in 5..24 {
        let (env, _gateway, locks) = install(&["a", "b", "c"]);
        let script = format!("ulimit -n {descriptors}; exec \"$@\"");
        let mut command = command_within(&env, &["sh", "-c", &script, "sh"], &RECLAIM);
        command.stdin(Stdio::null());
        let few = Run::of(command);
        let stones = locks.iter().filter(|lock| tombstone(lock).is_some()).count();
        freed += stones;
        if stones < locks.len() {
            assert!(few.code != 0, "{descriptors}: {few:#?}");
            let said = format!("{}{}", few.stdout, few.stderr);
            assert!(said.to_lowercase().contains("too many open files") || few.code == 127, "{few:#?}");
        }
        act(&env).exits(0);
        assert!(locks.iter().all(|lock| tombstone(lock).is_some()), "{descriptors} descriptors");
        assert_eq!(quarantined(&env.state()).len(), 3, "{descriptors} descriptors");
    }
    assert!(freed > 0);
}

#[test]
fn a_disk_that_fails_for_good_is_said() {
    if skipped(is_root(), "mounting needs root") {
        return;
    }
    // A disk of 64 MB, of which there are but eight: what does not fit is an I/O error.
    let env = TestEnv::new("2026.5.22");
    let below = env.home().join("below");
    let _below = Mounted::new(&["-t", "tmpfs", "-o", "size=8m", "tmpfs"], &below).expect("tmpfs");
    let image = below.join("image");
    File::create(&image).expect("image").set_len(64 << 20).expect("size");
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-O", "^has_journal"]).arg(&image)).expect("mkfs.ext4");
    let mounted = Mounted::new(&["-o", "loop", image.to_str().expect("UTF-8")], &env.state());
    if skipped(mounted.is_ok(), "no loop device can be mounted here") {
        return;
    }
    fs::create_dir_all(env.state().join("agents/main/sessions")).expect("sessions");
    let (lock, bytes) = dead_lock(&env, "a");
    run(&mut Command::new("sync")).expect("sync");
    fs::write(below.join("filler"), vec![0; 16 << 20]).expect_err("full");
    let run = reclaim(&env, &["--yes", "--settle", "0s", "--json"]);
    assert!(run.code >= 1, "{run:#?}");
    let result = run.result(&lock);
    assert_eq!(result, "failed", "{run:#?}");
    let error = run.error(&lock);
    let known = ["Input/output error", "No space left", "read-only"];
    assert!(known.iter().any(|words| error.contains(words)), "{error}");
    assert_eq!(fs::read(&lock).expect("from memory"), bytes);
}
