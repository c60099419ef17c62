//! What somebody could put where a lock belongs: nothing hangs, nothing is followed, nothing is called stale.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::support::{
    TestEnv, dead_pid, fifo, hold, is_root, own_pid, payload, set_age, skipped, start_ticks,
};

#[test]
fn what_is_not_an_ordinary_file_is_refused() {
    let env = TestEnv::new("2026.5.22");
    let lock = |name: &str| env.session(name);
    let stale = payload(dead_pid(), Some(1));

    let (passwd, dangling, to_lock) = (lock("passwd"), lock("dangling"), lock("to-lock"));
    let real = env.home().join("elsewhere.jsonl.lock");
    fs::write(&real, &stale).expect("lock");
    symlink("/etc/passwd", &passwd).expect("symlink");
    symlink("/nonexistent", &dangling).expect("symlink");
    symlink(&real, &to_lock).expect("symlink");

    let hard = lock("hard");
    fs::hard_link(&real, &hard).expect("link");

    let (pipe, socket, directory) = (lock("pipe"), lock("socket"), lock("directory"));
    fifo(&pipe);
    let _listener = UnixListener::bind(&socket).expect("socket");
    fs::create_dir(&directory).expect("directory");

    let sparse = lock("sparse");
    File::create(&sparse).expect("file").set_len(1 << 30).expect("sparse");

    let scan = env.scan().exits(0);
    for lock in [&passwd, &dangling, &to_lock, &hard, &pipe, &socket, &directory, &sparse] {
        scan.says(lock, "refused");
        let seen = scan.lock(lock);
        assert_eq!(seen["action"], "none", "{seen:#}");
        assert!(seen["evidence"]["note"].is_string(), "{seen:#}");
    }
    assert!(scan.took < Duration::from_secs(10), "{:?}", scan.took);

    for lock in [&passwd, &hard, &pipe, &socket, &directory, &sparse] {
        let explained = env.run(&["explain", &lock.to_string_lossy()]).exits(0);
        assert!(explained.stdout.contains("refused"), "{explained:#?}");
    }
}

#[test]
fn a_device_is_refused() {
    if skipped(is_root(), "making a device needs root") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("device");
    let null = rustix::fs::makedev(1, 3);
    let mode = rustix::fs::Mode::from_bits_retain(0o644);
    let kind = rustix::fs::FileType::CharacterDevice;
    if skipped(rustix::fs::mknodat(rustix::fs::CWD, &lock, kind, mode, null).is_ok(), "no mknod here") {
        return;
    }
    env.scan().exits(0).says(&lock, "refused");
}

#[test]
fn hostile_payloads_are_judged_like_any_unfinished_lock() {
    let env = TestEnv::new("2026.5.22");
    let payloads: [(&str, Vec<u8>); 12] = [
        ("zero", br#"{"pid":0}"#.to_vec()),
        ("negative", br#"{"pid":-1}"#.to_vec()),
        ("huge", br#"{"pid":9223372036854775808}"#.to_vec()),
        ("float", br#"{"pid":1.5}"#.to_vec()),
        ("string", br#"{"pid":"12"}"#.to_vec()),
        ("utf8", vec![0xff, 0xfe, b'{', b'}']),
        ("bom", "\u{feff}{\"pid\":1}".as_bytes().to_vec()),
        ("deep", "[".repeat(60_000).into_bytes()),
        ("nul", vec![0; 4096]),
        ("text", b"hello".to_vec()),
        ("spaces", b"   \n".to_vec()),
        ("far", br#"{"pid":4294967297,"startedAt":8210266876799999}"#.to_vec()),
    ];
    for (name, bytes) in &payloads {
        let lock = env.session(name);
        fs::write(&lock, bytes).expect("lock");
    }
    let scan = env.scan().exits(0);
    for (name, _) in &payloads {
        scan.says(&env.session(name), "initialising");
        set_age(&env.session(name), Duration::from_secs(60));
    }
    let scan = env.scan().exits(1);
    for (name, _) in &payloads {
        scan.says(&env.session(name), "stale malformed no-writer");
    }
}

#[test]
fn times_at_the_end_of_time_upset_nothing() {
    let env = TestEnv::new("2026.5.22");
    let (far, early) = (env.session("far"), env.session("early"));
    let made = |at: &str| format!(r#"{{"pid": {}, "createdAt": "{at}"}}"#, own_pid());
    let _far = hold(&far, made("9999-12-31T23:59:59.999Z").as_bytes());
    let _early = hold(&early, made("0000-01-01T00:00:00.000Z").as_bytes());
    let scan = env.scan().exits(1);
    scan.says(&far, "held").says(&early, "overdue");
    assert_eq!(scan.lock(&far)["age_ms"], serde_json::Value::Null);
}

/// A process may call itself anything, and a file too: neither may move the cursor of who reads about it.
#[test]
fn names_cannot_forge_the_output() {
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("a\u{1b}[2J\nstale\tb");
    fs::write(&lock, payload(dead_pid(), Some(1))).expect("lock");
    let state = env.state();
    let state = state.to_string_lossy();
    for format in ["table", "plain"] {
        let run = env.run(&["scan", "--format", format, "--color", "never", "--state-dir", &state]).exits(1);
        assert!(!run.stdout.contains('\u{1b}') && run.stdout.contains("\\u{1b}"), "{run:#?}");
    }
    let run = env.run(&["explain", &lock.to_string_lossy()]).exits(0);
    assert!(!run.stdout.contains('\u{1b}'), "{run:#?}");
    assert_eq!(env.scan().lock(&lock)["verdict"], "stale");
}

#[test]
fn a_lock_of_another_user_is_left_to_that_user() {
    if skipped(is_root(), "a file of another user needs root") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (foreign, ours) = (env.session("foreign"), env.session("ours"));
    fs::write(&foreign, payload(dead_pid(), Some(1))).expect("lock");
    std::os::unix::fs::chown(&foreign, Some(1234), None).expect("chown");
    fs::write(&ours, payload(dead_pid(), Some(1))).expect("lock");
    let scan = env.scan().exits(1);
    scan.says(&foreign, "refused");
    assert_eq!(scan.lock(&ours)["verdict"], "stale");
}

/// As nobody: the lease may not be asked for another user's file, so the owner has to carry the verdict.
#[test]
fn what_may_only_be_read_is_judged_by_its_owner() {
    if skipped(is_root(), "running as another user needs root") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (held, leaked, dead) = (env.session("held"), env.session("leaked"), env.session("dead"));
    let own = payload(own_pid(), Some(start_ticks(own_pid())));
    let _open = hold(&held, &own);
    fs::write(&leaked, &own).expect("lock");
    fs::write(&dead, payload(dead_pid(), Some(1))).expect("lock");
    let secret = env.session("secret");
    fs::write(&secret, &own).expect("lock");
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("chmod");
    let scan = env.scan_as_nobody();
    scan.says(&held, "held").says(&secret, "indeterminate");
    // Its owner lives and is the same process: without the kernel's answer it counts as held.
    scan.says(&leaked, "held");
    assert_eq!(scan.lock(&secret)["action"], "none");
    assert_eq!(scan.lock(&held)["evidence"]["writer"], "unknown");
    let verdict = scan.lock(&dead)["verdict"].clone();
    assert!(verdict == "stale" || verdict == "foreign", "{verdict}");
}

#[test]
fn what_may_not_be_entered_is_named_and_the_rest_is_scanned() {
    if skipped(is_root(), "running as another user needs root") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let open = env.session("open");
    let _open = hold(&open, &payload(own_pid(), None));
    let closed = env.sessions("closed");
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).expect("chmod");
    let scan = env.scan_as_nobody().exits(2);
    assert!(scan.stderr.contains(&*closed.to_string_lossy()), "{scan:#?}");
    scan.says(&open, "held");
    let problems = &scan.json()["problems"];
    assert_eq!(problems[0]["path"], *closed.to_string_lossy());
    assert_eq!(problems[0]["incomplete"], true);
}
