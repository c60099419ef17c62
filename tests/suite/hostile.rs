//! What somebody could put where a lock belongs: nothing hangs, nothing is followed, nothing is called stale.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::support::{self, TestEnv, dead_pid, fifo, hold, is_root, own_pid, payload, skipped, start_ticks};
use lockdoctor::door::can_be_seen;
use lockdoctor::words::shell_word;

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

    let scan = env.scan().exits(1);
    for lock in [&passwd, &dangling, &to_lock, &hard, &pipe, &socket, &directory, &sparse] {
        scan.says(lock, "refused");
        let seen = scan.lock(lock);
        assert_eq!(seen["action"], "report", "{seen:#}");
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
    env.scan().exits(1).says(&lock, "refused");
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
    // OpenClaw frees them before a message fails.
    let scan = env.scan().exits(0);
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
    scan.says(&held, "indeterminate").says(&secret, "indeterminate");
    // Its owner lives and is the same process, but nobody may ask whether it has the lock open.
    scan.says(&leaked, "indeterminate");
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
    scan.says(&open, "indeterminate");
    let problems = &scan.json()["problems"];
    assert_eq!(problems[0]["path"], *closed.to_string_lossy());
    assert_eq!(problems[0]["incomplete"], true);
}

/// Everything that turns, moves, hides or forges, as a file may be called.
const NASTY: &str = "\u{1b}]0;PWN\u{7}\u{1b}[31m\u{9b}2J\u{202e}evil\u{2066}\u{200b}\u{2028}\u{61c}\u{ad}\u{feff}\r\u{8}\u{7f}\t|'`$(id)\nFORGED <2>line";

/// `lockdoctor` on a terminal of its own: what it wrote there.
fn on_a_terminal(env: &TestEnv, arguments: &[&str]) -> String {
    let words: Vec<String> = std::iter::once(&*support::binary().to_string_lossy())
        .chain(arguments.iter().copied())
        .map(shell_word)
        .collect();
    let mut command = std::process::Command::new("script");
    env.isolate(&mut command).env("TERM", "xterm-256color").env("SHELL", "/bin/bash");
    command.args(["--quiet", "--command", &words.join(" "), "/dev/null"]);
    let output = command.output().expect("script(1)");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What may not be on a terminal: nothing but `\n` (which the terminal makes `\r\n`) and our styling passes.
fn unseen(output: &str) -> Vec<String> {
    let lines = output.replace("\r\n", "\n");
    let mut found: Vec<String> =
        lines.lines().filter(|line| line.starts_with("FORGED")).map(str::to_owned).collect();
    let mut rest = &*lines;
    while let Some(at) = rest.find(|c| !can_be_seen(c) && c != '\n') {
        let ours = rest[at..].strip_prefix("\u{1b}[").and_then(|style| style.split_once('m'));
        let ours =
            ours.filter(|(number, _)| number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit()));
        if ours.is_none_or(|(_, after)| after.starts_with('\u{9b}') || after.starts_with("\\u{9b}")) {
            let end = rest[at..].char_indices().nth(30).map_or(rest.len(), |(end, _)| at + end);
            found.push(rest[at..end].escape_debug().to_string());
        }
        rest = ours.map_or_else(
            || rest[at..].split_at(rest[at..].chars().next().map_or(1, char::len_utf8)).1,
            |(_, after)| after,
        );
    }
    found
}

/// A pipe shows less than a terminal: there no colours are asked for, and what strips them strips more.
#[test]
fn nothing_that_others_wrote_reaches_the_terminal_as_it_is() {
    let env = TestEnv::new("2026.5.22");
    let state = env.state();
    let name = |end: &str| format!("{}{end}", NASTY.replace('/', "-"));
    env.config(&format!(
        r#"{{"meta": {{"lastTouchedVersion": "2026.5.22"}}, "$include": [{}], "session": {{"store": "/x${{A}}/s.json"}}}}"#,
        serde_json::to_string(&format!("./{}", name(""))).expect("JSON")
    ));
    let agent = env.sessions(&name(""));
    let stale = payload(dead_pid(), Some(1));
    let lock = env.session(&name(""));
    fs::write(&lock, &stale).expect("lock");
    fs::write(agent.join("a.jsonl.lock"), &stale).expect("lock");
    symlink("/etc/passwd", env.session(&name("link"))).expect("symlink");
    fs::create_dir(env.session(&name("directory"))).expect("directory");
    let store = serde_json::json!({
        format!("agent:main:{NASTY}"): {"sessionId": name(""), "status": format!("running{NASTY}"), "startedAt": 1},
        NASTY: {"sessionId": "a"},
    });
    fs::write(env.sessions("main").join("sessions.json"), store.to_string()).expect("store");
    let log = env.home().join("gateway.log");
    let lines: Vec<String> = [
        format!("lane wait exceeded: lane=session:agent:main:{NASTY} waitedMs=99999 queueAhead=3"),
        format!("lane task error: lane={NASTY} durationMs=20000 error=\"{NASTY}Error: {NASTY}\""),
        format!("embedded run timeout: runId={NASTY} sessionId={NASTY} timeoutMs=600000"),
        format!("removed stale session lock: {NASTY} (dead-pid {NASTY})"),
        format!("{NASTY} handler failed: {NASTY}"),
    ]
    .into_iter()
    .map(|message| {
        serde_json::json!({"0": format!("{{\"subsystem\":{}}}", serde_json::json!(NASTY)), "1": message,
            "_meta": {"date": "2026-11-29T12:00:00.000Z", "logLevelId": 5}, "time": "2026-11-29T12:00:00.000Z"})
        .to_string()
    })
    .collect();
    fs::write(&log, lines.join("\n")).expect("log");
    let (state, log, lock) = (state.to_string_lossy(), log.to_string_lossy(), lock.to_string_lossy());
    let missing = format!("/tmp/{NASTY}");
    for command in [
        vec!["scan", "--all", "--state-dir", &state],
        vec!["scan", "--all", "--format", "json", "--state-dir", &state],
        vec!["scan", "--all", "--format", "ndjson", "--state-dir", &state],
        vec!["status", "--log", &log, "--state-dir", &state],
        vec!["diagnose", "--log", &log, "--state-dir", &state],
        vec!["diagnose", "--no-redact", "-v", "--log", &log, "--state-dir", &state],
        vec!["diagnose", "--json", "--log", &log, "--state-dir", &state],
        vec!["check", "--verbose", "--state-dir", &state],
        vec!["doctor", "--state-dir", &state],
        vec!["reclaim", "--state-dir", &state],
        vec!["explain", &lock],
        vec!["report", "--output", "-", "--log", &log, "--state-dir", &state],
        vec!["watch", "--once", "--log", &log, "--state-dir", &state],
        vec!["watch", "--once", "--log-format", "journal", "--log", &log, "--state-dir", &state],
        vec!["watch", "--once", "--log-format", "json", "--log", &log, "--state-dir", &state],
        vec!["scan", &missing],
        vec!["scan", "--state-dir", &missing],
        vec!["explain", &missing],
        vec!["quarantine", "restore", NASTY, "--state-dir", &state],
        vec!["scan", "--config", &missing],
        vec![&missing],
        vec!["doctor", NASTY],
    ] {
        let output = on_a_terminal(&env, &command);
        assert!(!output.is_empty(), "{command:?}");
        // Line breaks and tabs mean nothing in HTML.
        let harmless = if command[0] == "report" { ["\t", "\nFORGED"] } else { ["\0", "\0"] };
        // How far it has come is written over; what others wrote holds no such sequence.
        let output = output.replace("\r\u{1b}[K", "");
        let found = unseen(&output.replace("\r\n", "\n").replace(harmless[0], " ").replace(harmless[1], " "));
        assert!(found.is_empty(), "{command:?}: {found:#?} in {output}");
    }
    for command in [["scan", "--format", "plain"], ["diagnose", "--format", "plain"]] {
        let mut command = command.to_vec();
        command.extend(["--state-dir", &state]);
        let output = on_a_terminal(&env, &command);
        let found = unseen(&output.replace('\t', " "));
        assert!(!output.is_empty() && found.is_empty(), "{command:?}: {found:#?} in {output}");
    }
}

/// `on-finding` in it is run with our rights.
#[test]
fn the_configuration_of_another_user_decides_nothing() {
    let env = TestEnv::new("2026.5.22");
    let config = env.home().join(".config/lockdoctor/config.toml");
    fs::create_dir_all(config.parent().expect("parent")).expect("directory");
    fs::write(&config, "format = 'json'\n").expect("config");
    let state = env.state();
    let scan = ["scan", "--state-dir", &*state.to_string_lossy()];
    assert!(env.run(&scan).exits(0).stdout.starts_with('{'));
    fs::set_permissions(&config, Permissions::from_mode(0o666)).expect("chmod");
    let run = env.run(&scan).exits(2);
    assert!(run.stderr.contains("can be written by other users; `chmod go-w`"), "{run:#?}");
    fs::set_permissions(&config, Permissions::from_mode(0o644)).expect("chmod");
    for device in ["/dev/zero", "/dev/tty", "/proc"] {
        let run = env.run(&["scan", "--config", device, "--state-dir", &state.to_string_lossy()]).exits(2);
        assert!(run.stderr.contains(device), "{run:#?}");
        assert!(run.took < Duration::from_secs(5), "{run:#?}");
    }
    if skipped(is_root(), "a file of another user needs root") {
        return;
    }
    std::os::unix::fs::chown(&config, Some(1234), None).expect("chown");
    let run = env.run(&scan).exits(2);
    assert!(run.stderr.contains("belongs to uid 1234, and lockdoctor runs as uid 0"), "{run:#?}");
}

#[test]
fn an_error_of_the_configuration_quotes_no_value() {
    let env = TestEnv::new("2026.5.22");
    let secret = "hunter2-https://hooks.example.org/T0KEN";
    for (name, text) in [
        ("duration", format!("[watch]\nsettle = '{secret}'")),
        ("address", format!("[watch]\nlisten = '{secret}'")),
        ("word", format!("format = '{secret}'")),
        ("flag", format!("[watch]\nreclaim = '{secret}'")),
        ("command", format!("[watch]\non-finding = \"'{secret}\"")),
        ("hook", format!("[watch]\nwebhook = '{secret}'")),
        ("syntax", format!("format = {secret}")),
        ("quote", format!("[watch]\nwebhook = '{secret}")),
    ] {
        let config = env.home().join(format!("{name}.toml"));
        fs::write(&config, text).expect("config");
        let run = env.run(&["watch", "--once", "--config", &config.to_string_lossy()]).exits(2);
        assert!(!run.stderr.contains("hunter2") && !run.stderr.contains("T0KEN"), "{name}: {run:#?}");
        assert!(!run.stderr.is_empty(), "{name}");
    }
    for variable in [
        "LOCKDOCTOR_FORMAT",
        "LOCKDOCTOR_SETTLE",
        "LOCKDOCTOR_LISTEN",
        "LOCKDOCTOR_WEBHOOK",
        "LOCKDOCTOR_RECLAIM",
    ] {
        let run = TestEnv::new("2026.5.22").variable(variable, secret).run(&["watch", "--once"]).exits(2);
        assert!(!run.stderr.contains("hunter2") && !run.stderr.contains("T0KEN"), "{variable}: {run:#?}");
    }
}
