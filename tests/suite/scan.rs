//! `scan` on real processes and real files: each verdict as it comes about.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{
    Owner, Run, Running, TestEnv, dead_pid, eventually, hold, is_root, own_pid, payload, payload_made,
    set_age, skipped, start_ticks,
};
use serde_json::Value;

const MINUTE: Duration = Duration::from_secs(60);

/// In a PID namespace of our own the numbers prove nothing, and no reason names them.
fn stale(reasons: &str) -> String {
    let initial = fs::metadata("/proc/self/ns/pid").is_ok_and(|ns| ns.ino() == 0xEFFF_FFFC);
    let reasons = reasons.split(' ').filter(|_| initial);
    ["stale"].into_iter().chain(reasons).chain(["no-writer"]).collect::<Vec<_>>().join(" ")
}

/// A process that does nothing until it is dropped.
fn sleeper() -> Running {
    Running::start(Command::new("sleep").arg("1000"))
}

#[test]
fn what_its_owner_has_open_is_held() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("a");
    let open = hold(&lock, &payload(own_pid(), Some(start_ticks(own_pid()))));
    let scan = env.scan().exits(0);
    scan.says(&lock, "held");
    let seen = scan.lock(&lock);
    assert_eq!(seen["owner"]["pid"], own_pid());
    assert_eq!(seen["owner"]["alive"], true);
    assert_eq!(seen["action"], "none");
    assert_eq!(seen["limit_ms"], 1_080_000);
    assert_eq!(seen["evidence"]["writer"], "open");
    assert_eq!(seen["evidence"]["transcript"], "present");
    assert_eq!((&seen["agent"], &seen["session_id"]), (&Value::from("main"), &Value::from("a")));
    drop(open);
    // The same file, the same live process: it has closed it, but it was at work ever since.
    let scan = env.scan().exits(0);
    scan.says(&lock, "settling no-writer");
    assert_eq!(scan.lock(&lock)["evidence"]["suspected"], "leaked");
}

#[test]
fn what_an_idle_owner_has_closed_is_leaked() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("a");
    let mut owner = Owner::start();
    owner.leak(&lock);
    env.scan().exits(1).says(&lock, "leaked no-writer");
}

/// A backup unpacked over it, an editor, a checkout: its owner has another file open.
#[test]
fn a_lock_that_was_replaced_while_it_is_held_is_held() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("a");
    let mut owner = Owner::start();
    let bytes = owner.hold(&lock);
    fs::remove_file(&lock).expect("deleted");
    fs::write(&lock, &bytes).expect("and a copy put there");
    let scan = env.scan();
    scan.says(&lock, "held");
    let seen = scan.lock(&lock);
    assert_eq!(seen["evidence"]["rule"], "replaced");
    assert!(seen["evidence"]["note"].as_str().is_some_and(|note| note.contains("replaced")), "{seen:#}");
    drop(owner);
    env.scan().exits(1).says(&lock, &stale("dead-pid"));
}

/// The copy need not be that of the lock: edited, older and of a process that is dead, or what an interrupted copy left.
#[test]
fn nothing_that_lies_under_the_name_of_a_held_lock_is_free() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("a");
    let state = env.state().display().to_string();
    let mut owner = Owner::within(&["env", &format!("OPENCLAW_STATE_DIR={state}")]);
    let bytes = owner.hold(&lock);
    fs::rename(&lock, lock.with_extension("lock.bak")).expect("sed -i.bak");
    let edited = String::from_utf8_lossy(&bytes).replace(": ", ":").into_bytes();
    let older = payload_made(dead_pid(), Some(1), 61 * MINUTE);
    let half = bytes[..20].to_vec();
    for (what, bytes) in [("edited", edited), ("older", older), ("half", half), ("empty", Vec::new())] {
        fs::write(&lock, &bytes).expect("copy");
        let seen = env.scan().lock(&lock);
        assert_eq!(seen["verdict"], "held", "{what}: {seen:#}");
        for command in [["reclaim", "--yes"], ["watch", "--reclaim"]] {
            let once = (command[0] == "watch").then_some("--once");
            let arguments = command.into_iter().chain(["--settle", "0s", "--state-dir", &state]).chain(once);
            env.run(&arguments.collect::<Vec<_>>());
            assert_eq!(fs::read(&lock).expect("lock"), bytes, "{what}: {command:?}");
        }
    }
    drop(owner);
    env.scan().says(&lock, "stale malformed no-writer");
}

#[test]
fn a_writer_outweighs_whatever_the_payload_says() {
    let env = TestEnv::new("2026.5.22");
    let dead = env.session("dead");
    let recycled = env.session("recycled");
    let old = env.session("old");
    let empty = env.session("empty");
    let _open = [
        hold(&dead, &payload(dead_pid(), Some(1))),
        hold(&recycled, &payload(own_pid(), Some(1))),
        hold(&empty, b""),
    ];
    let _old = hold(&old, &payload_made(own_pid(), None, 41 * MINUTE));
    set_age(&empty, 2 * MINUTE);
    let scan = env.scan().exits(1);
    scan.says(&dead, "held").says(&recycled, "held").says(&empty, "held").says(&old, "overdue");
    assert_eq!(scan.lock(&old)["action"], "report");
}

#[test]
fn a_lock_whose_owner_is_not_there_any_more_is_stale() {
    let env = TestEnv::new("2026.5.22");
    let (gone, zombie) = (env.session("gone"), env.session("zombie"));
    let (recycled, later) = (env.session("recycled"), env.session("later"));
    let (thread, boot) = (env.session("thread"), env.session("boot"));

    fs::write(&gone, payload(dead_pid(), Some(1))).expect("lock");

    let mut corpse = Command::new("true").spawn().expect("true(1)");
    let ticks = start_ticks(corpse.id());
    eventually("the child ends", || {
        fs::read_to_string(format!("/proc/{}/stat", corpse.id())).is_ok_and(|stat| stat.contains(") Z "))
    });
    fs::write(&zombie, payload(corpse.id(), Some(ticks))).expect("lock");

    let stranger = sleeper();
    fs::write(&recycled, payload(stranger.id(), Some(start_ticks(stranger.id()) - 1))).expect("lock");
    fs::write(&later, payload_made(stranger.id(), None, 2 * MINUTE)).expect("lock");

    let (tell, told) = mpsc::channel();
    let (_stop, stopped) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        tell.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).ok();
        stopped.recv().ok();
    });
    let tid = told.recv().expect("a thread");
    fs::write(&thread, payload(tid, None)).expect("lock");

    let year = Duration::from_secs(365 * 24 * 3600);
    fs::write(&boot, payload_made(dead_pid(), Some(1), year)).expect("lock");

    let scan = env.scan().exits(1);
    scan.says(&gone, &stale("dead-pid"))
        .says(&zombie, &stale("zombie-pid"))
        .says(&recycled, &stale("recycled-pid"))
        .says(&later, &stale("recycled-pid"))
        .says(&thread, &stale("thread-id"));
    let boot = scan.lock(&boot);
    assert!(boot["reasons"].as_array().expect("reasons").contains(&"previous-boot".into()), "{boot:#}");
    // The process that has the number now has nothing to do with the lock.
    for lock in [&recycled, &later] {
        let json = scan.lock(lock);
        assert_eq!(
            (json["owner"]["alive"].as_bool(), &json["owner"]["command"]),
            (Some(false), &Value::Null)
        );
        assert_eq!(json["evidence"]["number_now"], "sleep", "{json:#}");
        let explained = env.run(&["explain", &lock.to_string_lossy()]).exits(0);
        let words = explained.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("belongs to another process now"), "{explained:?}");
        assert!(words.contains(&format!("pid {}, now sleep", stranger.id())), "{explained:?}");
    }
    assert_eq!(scan.json()["summary"]["stale"], 6);
    assert_eq!(scan.json()["summary"]["total"], 6);
    assert_eq!(scan.lock(&gone)["action"], "reclaim");
    corpse.wait().expect("child");
}

/// The creator keeps it open until it is whole, so the kernel tells whether it is still being written.
#[test]
fn an_unfinished_lock_is_initialising_while_somebody_has_it_open() {
    let env = TestEnv::new("2026.5.22");
    let (fresh, creating) = (env.session("fresh"), env.session("creating"));
    let (half, old) = (env.session("half"), env.session("old"));
    fs::write(&fresh, "").expect("lock");
    let _creator = hold(&creating, b"");
    fs::write(&half, "{\n  \"pid\": 42").expect("lock");
    fs::write(&old, "{\n  \"pid\": 42").expect("lock");
    set_age(&old, 31 * Duration::from_secs(1));
    let scan = env.scan().exits(0);
    scan.says(&creating, "initialising");
    assert_eq!(scan.lock(&creating)["action"], "wait");
    for lock in [&fresh, &half, &old] {
        scan.says(lock, "stale malformed no-writer");
    }
}

#[test]
fn a_tombstone_is_freed_and_a_guard_is_watched() {
    let env = TestEnv::new("2026.7.1");
    let (tomb, guarded) = (env.session("tomb"), env.session("guarded"));
    let tombstone = br#"{"pid": 4194305, "createdAt": "2026-05-26T07:22:46.211Z", "lockdoctor":
        "lockdoctor freed this lock at 2026-05-26T07:25:00Z: it had no holder.", "lockdoctorId": "1-2"}"#;
    fs::write(&tomb, tombstone).expect("lock");
    fs::write(&guarded, payload(dead_pid(), Some(1))).expect("lock");
    let guard = guarded.with_extension("lock.reclaim");
    fs::create_dir(&guard).expect("guard");
    let scan = env.scan().exits(1);
    scan.says(&tomb, "freed").says(&guard, "initialising");
    assert_eq!(scan.lock(&guarded)["evidence"]["guard"], "present");
    set_age(&guard, MINUTE);
    let scan = env.scan().exits(1);
    scan.says(&guard, "stuck-guard");
    assert_eq!(scan.lock(&guard)["action"], "report");
    assert_eq!(scan.lock(&tomb)["action"], "none");
}

#[test]
fn a_store_lock_that_its_holder_closes_is_judged_by_its_owner() {
    let env = TestEnv::new("2026.1.24-3");
    let lock = env.sessions("main").join("sessions.json.lock");
    let made = chrono::Utc::now().timestamp_millis();
    let write = |pid: u32| fs::write(&lock, format!(r#"{{"pid":{pid},"startedAt":{made}}}"#)).expect("lock");
    write(own_pid());
    env.scan().exits(0).says(&lock, "held");
    write(dead_pid());
    let scan = env.scan();
    let expected = if stale("x").contains('x') { "stale dead-pid" } else { "foreign" };
    scan.says(&lock, expected);
    assert_eq!(scan.lock(&lock)["kind"], "store");
}

#[test]
fn what_happens_between_the_looks_is_seen() {
    let env = TestEnv::new("2026.5.22");
    let (released, replaced) = (env.session("released"), env.session("replaced"));
    let own = payload(own_pid(), Some(start_ticks(own_pid())));
    fs::write(&released, &own).expect("lock");
    fs::write(&replaced, &own).expect("lock");
    let state = env.state();
    let command = env.command(&["scan", "--json", "--state-dir", &state.to_string_lossy()]);
    let scan = std::thread::spawn(move || Run::of(command));
    std::thread::sleep(Duration::from_millis(200));
    fs::remove_file(&released).expect("release");
    fs::remove_file(&replaced).expect("release");
    let _next = hold(&replaced, &own);
    let scan = scan.join().expect("scan");
    assert!(!scan.paths().contains(&released.to_string_lossy().into_owned()), "{scan:#?}");
    let verdict = scan.lock(&replaced)["verdict"].clone();
    assert!(verdict == "settling" || verdict == "held", "{verdict}");
}

#[test]
fn a_directory_that_vanishes_while_it_is_scanned_is_no_error() {
    let env = TestEnv::new("2026.5.22");
    let steady = env.session("steady");
    let _open = hold(&steady, &payload(own_pid(), None));
    let agents = env.state().join("agents");
    let (stop, stopped) = mpsc::channel::<()>();
    let churn = std::thread::spawn(move || {
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            for agent in ["b", "c", "d"] {
                let sessions = agents.join(agent).join("sessions");
                fs::create_dir_all(&sessions).expect("sessions");
                for session in 0..20 {
                    fs::write(sessions.join(format!("{session}.jsonl.lock")), payload(1, Some(1)))
                        .expect("lock");
                }
                fs::remove_dir_all(agents.join(agent)).expect("remove");
            }
        }
    });
    for _ in 0..30 {
        let scan = env.scan();
        assert!(scan.code < 2, "{scan:#?}");
        scan.says(&steady, "held");
    }
    drop(stop);
    churn.join().expect("churn");
}

#[test]
fn a_run_with_nothing_to_do_is_quick_and_calm() {
    let env = TestEnv::new("2026.5.22");
    env.sessions("main");
    let state = env.state();
    let run = env.run(&["scan", "--state-dir", &state.to_string_lossy()]).exits(0);
    assert!(run.stdout.contains("No locks."), "{run:#?}");
    assert_eq!(run.stderr, "");
    let ndjson = env.run(&["scan", "--format", "ndjson", "--state-dir", &state.to_string_lossy()]).exits(0);
    assert_eq!(ndjson.stdout, "");
}

#[test]
fn json_is_the_short_form_whatever_the_variable_says() {
    let env = TestEnv::new("2026.5.22").variable("LOCKDOCTOR_FORMAT", "plain");
    let scan = env.scan().exits(0);
    assert_eq!(scan.json()["schema"], "lockdoctor/scan/v1");
}

/// From 2026.8.1 on sessions live in SQLite: what is left of the file era blocks nobody and needs no attention.
#[test]
fn locks_of_the_file_era_are_fossils_in_the_sqlite_era() {
    let env = TestEnv::new("2026.9.6");
    let lock = env.session("old");
    fs::write(&lock, payload(dead_pid(), Some(1))).expect("lock");
    let scan = env.scan().exits(0);
    assert_eq!(scan.json()["roots"][0]["era"], "sqlite");
    scan.says(&lock, &stale("dead-pid"));
    assert_eq!(scan.lock(&lock)["action"], "none");
}

#[test]
fn where_gateway_locks_cannot_be_seen_it_is_said() {
    if skipped(is_root(), "needs root for another user") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let locks = env.tmp().join("openclaw-65534");
    fs::create_dir(&locks).expect("made");
    for path in [env.state(), locks.clone()] {
        std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).expect("chown");
    }
    let is_said = || env.scan_as_nobody().json()["problems"].to_string().contains("openclaw-65534");
    assert!(!is_said());
    fs::set_permissions(&locks, fs::Permissions::from_mode(0o0)).expect("chmod");
    assert!(is_said());
}

/// Each half of the sessions directories is walked by a thread of its own.
#[test]
fn two_threads_find_what_one_finds() {
    let one = Command::new("taskset").args(["-c", "0", "true"]).status();
    if skipped(one.is_ok_and(|status| status.success()), "taskset(1) is not here") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let mut owner = Owner::start();
    for number in 0..24 {
        let sessions = env.sessions(&format!("agent{number}"));
        owner.hold(&sessions.join("held.jsonl.lock"));
        fs::write(sessions.join("dead.jsonl.lock"), payload(dead_pid(), Some(1))).expect("lock");
        fs::write(sessions.join("store.lock"), "{").expect("lock");
    }
    let found = |run: Run| {
        let locks = run.json()["locks"].as_array().expect("locks").clone();
        let word = |lock: &Value, key: &str| lock[key].as_str().unwrap_or_default().to_owned();
        locks
            .iter()
            .map(|lock| (word(lock, "path"), word(lock, "verdict"), word(lock, "agent")))
            .collect::<Vec<_>>()
    };
    let with_two = found(env.scan());
    assert_eq!(with_two.len(), 48, "{with_two:#?}");
    assert_eq!(with_two, found(env.scan_within(&["taskset", "-c", "0"])), "in the same order");
}
