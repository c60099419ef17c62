//! `reclaim` on real files: what it plans, what it does, what it leaves alone, what it says, and how it exits.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::reclaim::{
    Mounted, Results, TOMBSTONE_PID, act, dead_lock, events, journal, quarantined, reclaim, reclaim_command,
    tombstone, tree, within,
};
use crate::support::{
    Owner, Run, TestEnv, dead_pid, hold, is_root, own_pid, payload, set_age, skipped, start_ticks,
};
use serde_json::Value;

#[test]
fn the_plan_changes_nothing() {
    let env = TestEnv::new("2026.5.22");
    let (lock, _) = dead_lock(&env, "a");
    let before = tree(env.home());
    let plan = reclaim(&env, &["--settle", "0s", "--json"]).exits(1);
    assert_eq!(plan.result(&lock), "planned");
    assert_eq!(plan.lock(&lock)["quarantine_id"], Value::Null);
    let for_people = reclaim(&env, &["--settle", "0s"]).exits(1);
    assert!(for_people.stdout.contains("nothing was changed"), "{for_people:#?}");
    let command = format!("lockdoctor reclaim --state-dir {} --settle 0s --yes\n", env.state().display());
    assert!(for_people.stdout.contains(&command), "{for_people:#?}");
    assert_eq!(tree(env.home()), before);
}

#[test]
fn the_plan_promises_nothing_that_cannot_be_done() {
    if skipped(is_root(), "needs root for another user") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (lock, _) = dead_lock(&env, "a");
    let nobody = |directory: &std::path::Path| {
        std::os::unix::fs::chown(directory, Some(65_534), Some(65_534)).expect("chown");
    };
    for path in [env.state(), env.state().join("agents"), env.sessions("main"), lock.clone()] {
        nobody(&path);
    }
    let plan = |json: &[&str]| {
        let arguments = [&["reclaim", "--settle", "0s"][..], json].concat();
        within(&env, &crate::support::AS_NOBODY, &arguments)
    };
    assert_eq!(plan(&["--json"]).exits(1).result(&lock), "planned");
    fs::set_permissions(env.sessions("main"), fs::Permissions::from_mode(0o555)).expect("chmod");
    let run = plan(&["--json"]).exits(1);
    assert_eq!(run.result(&lock), "failed", "{run:#?}");
    assert!(run.error(&lock).contains("permission denied"), "{run:#?}");
    let run = plan(&[]).exits(1);
    assert!(run.stdout.contains("1 lock cannot be freed") && !run.stdout.contains("--yes"), "{run:#?}");
}

#[test]
fn a_settle_time_that_nobody_can_mean_is_refused() {
    let env = TestEnv::new("2026.5.22");
    for command in ["reclaim", "watch"] {
        let run = env.run(&[command, "--settle", "3days"]).exits(2);
        assert!(run.stderr.contains("at most 1h is expected"), "{run:#?}");
    }
}

#[test]
fn the_lock_goes_to_the_quarantine_and_a_tombstone_takes_its_name() {
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes) = dead_lock(&env, "a");
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o640)).expect("chmod");
    let transcript = tree(&lock.with_extension(""));
    let judged = fs::metadata(&lock).expect("lock");

    let run = act(&env).exits(0);
    assert_eq!(run.result(&lock), "reclaimed");
    let id = run.lock(&lock)["quarantine_id"].as_str().expect("id").to_owned();

    let kept = env.state().join("lockdoctor/quarantine").join(&id);
    assert_eq!(fs::read(&kept).expect("kept"), bytes);
    assert_eq!(fs::metadata(&kept).expect("kept").ino(), judged.ino(), "the very file, not a copy");

    let stone = tombstone(&lock).expect("a tombstone");
    assert_eq!(stone["pid"], TOMBSTONE_PID);
    assert_eq!(stone["lockdoctorId"], *id);
    let created = |value: &Value| value["createdAt"].as_str().expect("createdAt").to_owned();
    assert_eq!(created(&stone), created(&serde_json::from_slice(&bytes).expect("payload")));
    assert!(stone["lockdoctor"].as_str().expect("sentence").contains("had no holder"));
    let metadata = fs::metadata(&lock).expect("tombstone");
    assert_eq!(metadata.mode() & 0o777, 0o640);
    assert_eq!((metadata.uid(), metadata.gid()), (judged.uid(), judged.gid()));
    let age = SystemTime::now().duration_since(metadata.modified().expect("mtime")).expect("past");
    assert!(age > Duration::from_mins(50), "{age:?}");

    assert_eq!(events(&env.state()), ["intent", "reclaimed"]);
    let line = journal(&env.state()).remove(0);
    assert_eq!(line["lock"], "agents/main/sessions/a.jsonl.lock");
    assert_eq!(line["verdict"], "stale");
    assert_eq!(line["by"]["uid"], rustix::process::getuid().as_raw());
    assert_eq!(line["fingerprint"], run.lock(&lock)["fingerprint"]);

    assert_eq!(tree(&lock.with_extension("")), transcript, "the transcript is never touched");
    env.scan().exits(0).says(&lock, "freed");
    let again = act(&env).exits(0);
    assert!(again.paths().is_empty(), "{again:#?}");
}

#[test]
fn an_id_names_exactly_the_lock_that_was_looked_at() {
    let env = TestEnv::new("2026.5.22");
    let (one, bytes) = dead_lock(&env, "one");
    let (other, _) = dead_lock(&env, "other");
    let id = env.scan().exits(1).lock(&one)["fingerprint"].as_str().expect("fingerprint").to_owned();

    let wrong = reclaim(&env, &["--id", "0123456789abcdef", "--yes", "--settle", "0s"]).exits(2);
    assert!(wrong.stdout.is_empty(), "{wrong:#?}");
    assert!(wrong.stderr.contains("no lock has the fingerprint 0123456789abcdef"), "{wrong:#?}");

    // The same bytes, another file: not what was looked at.
    fs::remove_file(&one).expect("remove");
    fs::write(&one, &bytes).expect("write");
    reclaim(&env, &["--id", &id, "--yes", "--settle", "0s"]).exits(2);
    assert!(tombstone(&one).is_none());

    let id = env.scan().exits(1).lock(&one)["fingerprint"].as_str().expect("fingerprint").to_owned();
    let run = reclaim(&env, &["--id", &id, "--yes", "--settle", "0s", "--json"]);
    assert_eq!(run.result(&one), "reclaimed");
    assert_eq!(run.paths().len(), 1, "{run:#?}");
    assert!(tombstone(&other).is_none(), "the other one was not asked for");
}

#[test]
fn an_id_of_a_held_lock_frees_nothing_and_says_so() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("a");
    let open = hold(&lock, &payload(own_pid(), Some(start_ticks(own_pid()))));
    let id = env.scan().lock(&lock)["fingerprint"].as_str().expect("fingerprint").to_owned();
    let run = reclaim(&env, &["--id", &id, "--yes", "--settle", "0s"]).exits(2);
    assert!(run.stderr.contains("held"), "{run:#?}");
    assert!(tombstone(&lock).is_none());
    drop(open);
}

#[test]
fn nothing_is_freed_before_it_has_settled() {
    let env = TestEnv::new("2026.5.22");
    dead_lock(&env, "stale");
    let leaked = env.session("leaked");
    let mut owner = Owner::start();
    owner.leak(&leaked);
    let run = reclaim(&env, &["--yes", "--json"]).exits(0);
    assert_eq!(run.result(&leaked), "reclaimed");
    assert!(run.took >= Duration::from_secs(5), "leaked: 5 s, {:?}", run.took);

    dead_lock(&env, "another");
    let run = reclaim(&env, &["--yes", "--json"]).exits(0);
    assert!(run.took >= Duration::from_secs(2), "stale: 2 s, {:?}", run.took);
    assert!(run.took < Duration::from_secs(5), "nothing leaked to wait for, {:?}", run.took);

    dead_lock(&env, "third");
    let run = reclaim(&env, &["--yes", "--settle", "700ms", "--json"]).exits(0);
    assert!(run.took >= Duration::from_millis(700) && run.took < Duration::from_secs(2), "{:?}", run.took);
}

#[test]
fn a_leaked_lock_stays_if_that_is_asked_for() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("leaked");
    let mut owner = Owner::start();
    let bytes = owner.leak(&lock);
    let run = reclaim(&env, &["--yes", "--settle", "0s", "--keep-leaked", "--json"]).exits(0);
    assert!(run.paths().is_empty(), "{run:#?}");
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
    assert!(!env.state().join("lockdoctor").exists(), "nothing to do, so nothing is made");
    assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
}

#[test]
fn max_bounds_what_one_run_frees() {
    let env = TestEnv::new("2026.5.22");
    let locks: Vec<_> = (0..5).map(|n| dead_lock(&env, &format!("s{n}")).0).collect();
    let freed = || locks.iter().filter(|lock| tombstone(lock).is_some()).count();
    let plan = reclaim(&env, &["--settle", "0s", "--max", "2", "--json"]).exits(1);
    assert_eq!(plan.paths().len(), 2);
    let for_people = reclaim(&env, &["--settle", "0s", "--max", "2", "--keep-leaked"]).exits(1);
    assert!(
        for_people.stdout.contains(" --max 2 --settle 0s --keep-leaked --yes"),
        "the act that was planned: {for_people:#?}"
    );
    reclaim(&env, &["--yes", "--settle", "0s", "--max", "2"]).exits(0);
    assert_eq!(freed(), 2, "three more are harmless, hence exit 0");
    reclaim(&env, &["--yes", "--settle", "0s", "--max", "0"]).exits(0);
    assert_eq!(freed(), 2);
    reclaim(&env, &["--yes", "--settle", "0s", "--max", "9"]).exits(0);
    assert_eq!(freed(), 5);
}

#[test]
fn locks_that_are_alike_take_one_line() {
    let env = TestEnv::new("2026.5.22");
    for at in 0..8 {
        dead_lock(&env, &format!("s{at}"));
    }
    let run = reclaim(&env, &["--yes", "--settle", "0s"]).exits(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("freed      8 locks, each: nobody is using it"), "{run:#?}");
    assert!(lines[2].ends_with("and 2 more") && lines.len() <= 5, "{run:#?}");
}

#[test]
fn quiet_is_made_for_timers() {
    let env = TestEnv::new("2026.5.22");
    let nothing = reclaim(&env, &["--yes", "--settle", "0s", "--quiet"]).exits(0);
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.as_str()), ("", ""));
    dead_lock(&env, "a");
    dead_lock(&env, "b");
    let done = reclaim(&env, &["--yes", "--settle", "0s", "--quiet"]).exits(0);
    assert_eq!(done.stdout.lines().count(), 1, "{done:#?}");
    assert!(done.stdout.starts_with("lockdoctor: freed 2 locks: a.jsonl.lock (main), "), "{done:#?}");
    let nothing = reclaim(&env, &["--yes", "--settle", "0s", "--quiet"]).exits(0);
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.as_str()), ("", ""));
}

#[test]
fn somebody_else_did_it_is_not_an_error() {
    let env = TestEnv::new("2026.5.22");
    let (removed, _) = dead_lock(&env, "removed");
    let (taken, _) = dead_lock(&env, "taken");
    let mut child = reclaim_command(&env, &["--yes", "--settle", "1500ms", "--json"]);
    let child = child.stdout(std::process::Stdio::piped()).spawn().expect("lockdoctor");
    std::thread::sleep(Duration::from_millis(500));
    fs::remove_file(&removed).expect("removed");
    fs::remove_file(&taken).expect("removed");
    let bytes = payload(own_pid(), Some(start_ticks(own_pid())));
    let owner = hold(&taken, &bytes);
    let output = child.wait_with_output().expect("lockdoctor");
    assert!(output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let result = |name: &str| {
        let locks = json["locks"].as_array().expect("locks");
        let lock = locks.iter().find(|lock| lock["session_id"] == name).expect("listed");
        lock["result"].as_str().expect("result").to_owned()
    };
    assert_eq!((result("removed"), result("taken")), ("vanished".to_owned(), "changed".to_owned()));
    assert_eq!(fs::read(&taken).expect("lock"), bytes);
    assert!(!removed.exists());
    drop(owner);
}

#[test]
fn a_guard_of_openclaw_is_honoured() {
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes) = dead_lock(&env, "a");
    let guard = lock.with_file_name("a.jsonl.lock.reclaim");
    fs::create_dir(&guard).expect("guard");
    let run = act(&env).exits(1);
    assert_eq!(run.result(&lock), "failed");
    assert!(run.error(&lock).contains("guard"), "{run:#?}");
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
    assert_eq!(events(&env.state()), [""; 0], "not even meant");
    fs::remove_dir(&guard).expect("guard");
    assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
}

#[test]
fn other_kinds_of_lock_are_never_touched() {
    let env = TestEnv::new("2026.5.22");
    let dead = payload(dead_pid(), Some(1));
    let agent = env.state().join("agents/main/agent");
    fs::create_dir_all(&agent).expect("agent");
    fs::create_dir_all(env.state().join("locks/oauth-refresh")).expect("oauth");
    fs::create_dir_all(env.state().join("sandbox")).expect("sandbox");
    let sessions = env.sessions("main");
    let locks = [
        agent.join("auth-profiles.json.lock"),
        env.state().join("openclaw.json.lock"),
        env.state().join("locks/oauth-refresh/sha256-0a.lock"),
        env.state().join("sandbox/containers.json.lock"),
        sessions.join(".usage-cost-cache.json.lock"),
        sessions.join("Cargo.lock"),
    ];
    for lock in &locks {
        fs::write(lock, &dead).expect("lock");
        set_age(lock, Duration::from_hours(9));
    }
    let before = tree(env.home());
    act(&env);
    assert_eq!(tree(env.home()), before);
}

#[test]
fn unfinished_locks_are_freed_once_nobody_writes_them() {
    let env = TestEnv::new("2026.5.22");
    let [creating, empty, garbage] = ["creating", "empty", "garbage"].map(|id| env.session(id));
    let creator = hold(&creating, b"");
    fs::write(&empty, b"").expect("lock");
    fs::write(&garbage, b"{\"pid\": 12").expect("lock");
    let run = act(&env).exits(0);
    assert_eq!((run.result(&empty), run.result(&garbage)), ("reclaimed".into(), "reclaimed".into()));
    assert!(run.took >= Duration::from_millis(300), "nobody, twice, a settle apart: {:?}", run.took);
    assert_eq!(fs::read(&creating).expect("lock"), b"", "somebody is writing it");
    let kept = quarantined(&env.state());
    assert!(kept.values().any(Vec::is_empty) && kept.values().any(|bytes| bytes == b"{\"pid\": 12"));
    for lock in [&empty, &garbage] {
        assert_eq!(tombstone(lock).expect("tombstone")["pid"], TOMBSTONE_PID);
    }
    drop(creator);
    assert_eq!(act(&env).exits(0).result(&creating), "reclaimed", "its creator gave up");
}

/// The store lock has two forms: up to 2026.2.12 one line, judged by mtime and closed at once; later as a
/// session lock.
#[test]
fn the_store_lock_is_freed_in_its_own_form() {
    let env = TestEnv::new("2026.2.6-3");
    let lock = env.sessions("main").join("sessions.json.lock");
    let old = format!("{{\"pid\":{},\"startedAt\":1767225600000}}", dead_pid());
    fs::write(&lock, &old).expect("lock");
    assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
    let text = fs::read_to_string(&lock).expect("tombstone");
    assert!(!text.contains('\n'), "one line, no newline: {text}");
    let stone = tombstone(&lock).expect("tombstone");
    assert_eq!((&stone["pid"], &stone["startedAt"]), (&TOMBSTONE_PID.into(), &1_767_225_600_000_u64.into()));
    let age = fs::metadata(&lock).expect("tombstone").modified().expect("mtime").elapsed().expect("past");
    assert!(age > Duration::from_secs(30), "these versions remove it by its mtime alone: {age:?}");

    let env = TestEnv::new("2026.3.13");
    let lock = env.sessions("main").join("sessions.json.lock");
    let later = String::from_utf8(payload(dead_pid(), Some(7))).expect("text");
    fs::write(&lock, later.trim_end()).expect("lock");
    assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
    let text = fs::read_to_string(&lock).expect("tombstone");
    assert!(text.contains("\n  \"pid\": 4194305") && !text.ends_with('\n'), "pretty, no newline: {text}");
}

/// What the judge of each version asks of a lock with a dead owner (openclaw-locks: contention rules): the
/// payload parses, `pid` is a positive integer that no process has, `createdAt` is a date in the past.
#[test]
fn every_version_takes_the_tombstone_for_a_lock_of_a_dead_owner() {
    for (version, ending) in [("2026.1.24-3", ""), ("2026.5.12", "\n"), ("2026.7.35", "\n")] {
        let env = TestEnv::new(version);
        let lock = env.session("a");
        let bytes = String::from_utf8(payload(dead_pid(), None)).expect("text");
        fs::write(&lock, format!("{}{ending}", bytes.trim_end())).expect("lock");
        act(&env).exits(0);
        let text = fs::read_to_string(&lock).expect("tombstone");
        assert_eq!(text.ends_with('\n'), ending == "\n", "{version}: the ending of its own format");
        let stone = tombstone(&lock).expect("JSON");
        let pid = stone["pid"].as_u64().expect("a positive integer");
        assert!(pid > 1 << 22 && i32::try_from(pid).is_ok(), "kill(2) must answer ESRCH, not EINVAL");
        let gone = rustix::process::Pid::from_raw(pid as i32).expect("positive");
        assert_eq!(rustix::process::test_kill_process(gone), Err(rustix::io::Errno::SRCH));
        let created = stone["createdAt"].as_str().expect("a string, or 2026.1.24 drops the payload");
        assert!(chrono::DateTime::parse_from_rfc3339(created).expect("a date") < chrono::Utc::now());
        assert!(stone.get("starttime").is_none() && stone.get("maxHoldMs").is_none());
        let keys: Vec<&str> = stone.as_object().expect("object").keys().map(String::as_str).collect();
        assert_eq!(keys[..2], ["pid", "createdAt"], "as OpenClaw orders them");
    }
}

/// A crash loop: each time it was another process, and each lock that stays loses messages.
#[test]
fn a_death_is_never_braked() {
    let env = TestEnv::new("2026.5.22");
    for time in 1..=12 {
        let (lock, _) = dead_lock(&env, "a");
        assert_eq!(act(&env).exits(0).result(&lock), "reclaimed", "time {time}");
    }
    let many: Vec<_> = (0..103).map(|n| dead_lock(&env, &format!("s{n:03}")).0).collect();
    let run = act(&env).exits(0);
    assert!(many.iter().all(|lock| run.result(lock) == "reclaimed"), "more than a hundred in a minute");
}

#[test]
fn a_process_that_leaks_one_lock_again_and_again_is_slowed_and_never_stopped() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("a");
    let mut owner = Owner::start();
    let mut leak = || {
        fs::remove_file(&lock).ok();
        owner.leak(&lock)
    };
    for _ in 0..3 {
        leak();
        assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
    }
    let bytes = leak();
    let (other, _) = dead_lock(&env, "b");
    let run = act(&env).exits(1);
    assert_eq!(run.result(&lock), "failed");
    assert!(run.error(&lock).contains("leaked it 3 times in 10 minutes"), "{run:#?}");
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
    assert_eq!(run.result(&other), "reclaimed", "another session is another matter");
    // A person who names it is not held up.
    let id = env.scan().lock(&lock)["fingerprint"].as_str().expect("fingerprint").to_owned();
    let named = reclaim(&env, &["--yes", "--settle", "0s", "--json", "--id", &id]).exits(0);
    assert_eq!(named.result(&lock), "reclaimed");
    // Two minutes later it is freed again, however often it was in the last ten: the journal's times decide.
    leak();
    assert_eq!(act(&env).exits(1).result(&lock), "failed");
    let journal = env.state().join("lockdoctor/journal.jsonl");
    let text = fs::read_to_string(&journal).expect("journal");
    let ago = (chrono::Utc::now() - chrono::TimeDelta::seconds(121)).to_rfc3339();
    let old = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        line["at"] = ago.as_str().into();
        line.to_string() + "\n"
    };
    fs::write(&journal, text.lines().map(old).collect::<String>()).expect("journal");
    assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
}

#[test]
fn a_live_process_may_leak_a_hundred_in_a_minute() {
    let env = TestEnv::new("2026.5.22");
    let mut owner = Owner::start();
    let locks: Vec<_> = (0..103).map(|n| env.session(&format!("s{n:03}"))).collect();
    locks.iter().for_each(|lock| drop(owner.leak(lock)));
    let run = act(&env).exits(1);
    assert_eq!(locks.iter().filter(|lock| run.result(lock) == "reclaimed").count(), 100);
    let refused = locks.iter().find(|lock| run.result(lock) == "failed").expect("three of them");
    assert!(run.error(refused).contains("100 locks of live owners were freed within a minute"), "{run:#?}");
    reclaim(&env, &["--yes", "--settle", "0s", "--no-breaker"]).exits(0);
    assert!(locks.iter().all(|lock| tombstone(lock).is_some()));
}

#[test]
fn the_json_is_as_its_schema_says() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/reclaim.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("schema");
    let check = |run: &Run| {
        let errors: Vec<String> = validator.iter_errors(&run.json()).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    };
    let env = TestEnv::new("2026.5.22");
    check(&act(&env));
    dead_lock(&env, "a");
    let (guarded, _) = dead_lock(&env, "guarded");
    fs::create_dir(guarded.with_extension("lock.reclaim")).expect("guard");
    check(&reclaim(&env, &["--settle", "0s", "--json"]));
    let run = act(&env);
    assert_eq!(run.json()["summary"]["failed"], 1);
    check(&run);
    // The schema is not so loose that anything passes.
    let mut wrong = run.json();
    wrong["locks"][0]["result"] = "deleted".into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn a_read_only_mount_is_said() {
    let why = "mounting needs root";
    if skipped(is_root(), why) {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes) = dead_lock(&env, "a");
    let state = env.state();
    let at = state.to_str().expect("UTF-8");
    let mounted = Mounted::new(&["--bind", at], &state).expect("bind mount");
    crate::support::reclaim::run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(mounted.at()))
        .expect("ro");
    let run = act(&env).exits(1);
    assert_eq!(run.result(&lock), "failed");
    assert!(run.error(&lock).contains("mounted read-only"), "{run:#?}");
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
}

#[test]
fn the_wrong_user_is_told_the_right_one() {
    if skipped(is_root(), "running as another user needs root") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes) = dead_lock(&env, "a");
    crate::support::reclaim::run(Command::new("chown").args(["-R", "4242:4242"]).arg(env.state()))
        .expect("chown");
    // Whom the kernel does not answer the lease for; the pid alone proves it dead.
    let run =
        within(&env, &crate::support::AS_NOBODY, &["reclaim", "--yes", "--settle", "0s", "--json"]).exits(1);
    assert_eq!(run.result(&lock), "failed");
    assert!(run.error(&lock).contains("4242"), "{run:#?}");
    assert_eq!(fs::read(&lock).expect("lock"), bytes);

    // Root acts as the owner: everything it makes is the owner's.
    let run = act(&env).exits(0);
    assert_eq!(run.result(&lock), "reclaimed");
    for (path, fact) in tree(&env.state()) {
        assert_eq!(fact.owner, (4242, 4242), "{}", path.display());
    }
    let as_owner = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"];
    let list = within(&env, &as_owner, &["quarantine", "list", "--json"]).exits(0);
    assert_eq!(list.json()["locks"].as_array().expect("locks").len(), 1);
    let line = journal(&env.state()).remove(0);
    assert_eq!(line["by"]["uid"], 0, "the journal names who it really was");
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes) = dead_lock(&env, "a");
    let sessions = env.sessions("main");
    let mode = |mode| fs::set_permissions(&sessions, fs::Permissions::from_mode(mode)).expect("chmod");
    mode(0o777);
    let run = act(&env).exits(1);
    assert!(run.error(&lock).contains("written by everybody"), "{run:#?}");
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
    mode(0o1777);
    assert_eq!(act(&env).exits(0).result(&lock), "reclaimed", "sticky: others cannot take our names away");
}

#[test]
fn a_group_is_trusted_only_if_it_is_the_owners_own_or_ours() {
    if skipped(is_root(), "chown needs root") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (lock, _) = dead_lock(&env, "a");
    let sessions = env.sessions("main");
    crate::support::reclaim::run(Command::new("chown").args(["-R", "4242:4242"]).arg(env.state()))
        .expect("chown");
    crate::support::reclaim::run(Command::new("chown").arg("4242:4343").arg(&sessions)).expect("chown");
    fs::set_permissions(&sessions, fs::Permissions::from_mode(0o2775)).expect("chmod");
    let run = act(&env).exits(1);
    assert!(run.error(&lock).contains("group 4343"), "{run:#?}");
    let access_list =
        crate::support::reclaim::run(Command::new("setfacl").args(["-m", "u:65534:rwx"]).arg(&sessions));
    if skipped(access_list.is_ok(), "setfacl(1) is missing") {
        return;
    }
    crate::support::reclaim::run(Command::new("chown").arg("4242:4242").arg(&sessions)).expect("chown");
    let run = act(&env).exits(1);
    assert!(run.error(&lock).contains("access list"), "{run:#?}");
    crate::support::reclaim::run(Command::new("setfacl").arg("-b").arg(&sessions)).expect("setfacl");
    assert_eq!(act(&env).exits(0).result(&lock), "reclaimed");
}

#[test]
fn a_journal_that_grows_is_begun_anew_and_nothing_is_forgotten() {
    let env = TestEnv::new("2026.5.22");
    let (lock, _) = dead_lock(&env, "a");
    act(&env).exits(0);
    let home = env.state().join("lockdoctor");
    let filler = format!("{{\"note\":\"{}\"}}\n", "x".repeat(1000)).repeat(2200);
    let mut text = fs::read_to_string(home.join("journal.jsonl")).expect("journal");
    text.push_str(&filler);
    fs::write(home.join("journal.jsonl"), text).expect("journal");
    dead_lock(&env, "b");
    act(&env).exits(0);
    assert!(home.join("journal.1.jsonl").exists());
    assert_eq!(events(&env.state()), ["intent", "reclaimed"], "the new journal");
    let list = crate::support::reclaim::quarantine(&env, &["list", "--json"]).exits(0).json();
    let locks: Vec<&str> =
        list["locks"].as_array().expect("locks").iter().filter_map(|lock| lock["lock"].as_str()).collect();
    let name = |id: &str| format!("agents/main/sessions/{id}.jsonl.lock");
    assert_eq!(locks, [name("a"), name("b")], "the old one still tells of its locks");
    assert!(tombstone(&lock).is_some());
}

/// What a power cut or a full disk leaves at the end of the journal.
#[test]
fn a_torn_line_swallows_nothing() {
    let env = TestEnv::new("2026.5.22");
    dead_lock(&env, "a");
    act(&env).exits(0);
    let journal = env.state().join("lockdoctor/journal.jsonl");
    let mut text = fs::read_to_string(&journal).expect("journal");
    text.push_str("{\"at\":\"2026-01-01T00:00:00Z\",\"id\":\"2026");
    fs::write(&journal, text).expect("journal");
    dead_lock(&env, "b");
    act(&env).exits(0);
    assert_eq!(events(&env.state()), ["intent", "reclaimed", "intent", "reclaimed"]);
}

#[test]
fn the_options_can_come_from_the_environment() {
    let env =
        TestEnv::new("2026.5.22").variable("LOCKDOCTOR_SETTLE", "0s").variable("LOCKDOCTOR_YES", "true");
    let (lock, _) = dead_lock(&env, "a");
    reclaim(&env, &[]).exits(0);
    assert!(tombstone(&lock).is_some());
}
