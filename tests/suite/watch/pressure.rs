//! What others do to the daemon's surroundings does not hold it up: a log that nobody reads, descriptors that run
//! out, clients that say nothing, a store that another keeps locked, thousands of stale locks, a root that goes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

use crate::support::watch::Watch;
use crate::support::{TestEnv, binary, dead_pid, eventually, payload};

/// A second install under the same home.
fn second_state(env: &TestEnv) -> PathBuf {
    let state = env.home().join("second");
    std::fs::create_dir_all(state.join("agents/main/sessions")).expect("sessions");
    std::fs::write(state.join("openclaw.json"), r#"{"meta": {"lastTouchedVersion": "2026.4.15"}}"#)
        .expect("config");
    state
}

fn dead_lock(sessions: &Path, id: &str) -> PathBuf {
    let lock = sessions.join(format!("{id}.jsonl.lock"));
    std::fs::write(&lock, payload(dead_pid(), Some(1))).expect("lock");
    lock
}

fn is_freed(lock: &Path) -> bool {
    std::fs::read_to_string(lock).is_ok_and(|text| text.contains("\"lockdoctor\""))
}

fn answers(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(3))).expect("timeout");
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address").to_string()
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let env = TestEnv::new("2026.4.15");
    let sessions = env.sessions("main");
    let (reader, writer) = std::io::pipe().expect("pipe");
    let address = free_port();
    let state = env.state();
    let mut command =
        env.command(&["watch", "--reclaim", "--settle", "100ms", "--no-logs", "--log-level", "trace"]);
    command.args(["--listen", &address, "--state-dir"]).arg(&state).stderr(writer);
    let mut child = command.spawn().expect("starts");
    drop(command);
    eventually("it answers", || answers(&address));
    for index in 0..1500 {
        let lock = sessions.join(format!("{index:04}.jsonl.lock"));
        std::fs::write(&lock, payload(std::process::id(), Some(1))).expect("lock");
        std::fs::remove_file(lock).expect("remove");
    }
    let lock = dead_lock(&sessions, "later");
    eventually("the lock is freed though nobody reads the log", || is_freed(&lock));
    assert!(answers(&address));
    let asked = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).expect("our own child");
    assert!(child.wait().expect("ends").success());
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    drop(reader);
}

#[test]
fn without_descriptors_it_does_less_and_goes_on() {
    let env = TestEnv::new("2026.4.15");
    let (sessions, second) = (env.sessions("main"), second_state(&env));
    // More than the limit, by one user: of live numbers and closed, so that they settle for a long time.
    for index in 0..200 {
        let lock = sessions.join(format!("{index:03}.jsonl.lock"));
        std::fs::write(lock, payload(std::process::id(), Some(1))).expect("lock");
    }
    let mut command = Command::new("sh");
    env.isolate(&mut command)
        .args(["-c", "ulimit -n 96; exec \"$@\"", "sh"])
        .arg(binary())
        .args(["watch", "--reclaim", "--settle", "2s", "--no-logs", "--log-format", "json"])
        .args(["--listen", "127.0.0.1:0", "--state-dir"])
        .arg(env.state())
        .arg("--state-dir")
        .arg(&second);
    let watch = Watch::of(command, true);
    assert!(watch.open_descriptors() < 80, "{} of 96", watch.open_descriptors());
    let lock = dead_lock(&second.join("agents/main/sessions"), "of-another");
    eventually("the other user's lock is freed", || is_freed(&lock));
    assert!(answers(&watch.address));
    let before = watch.cpu_ticks();
    let clients: Vec<TcpStream> = (0..60).filter_map(|_| TcpStream::connect(&watch.address).ok()).collect();
    std::thread::sleep(Duration::from_secs(2));
    assert!(watch.cpu_ticks() - before < 60, "it spins: {} ticks in 2 s", watch.cpu_ticks() - before);
    drop(clients);
    eventually("it answers", || answers(&watch.address));
}

#[test]
fn clients_that_say_nothing_make_room_for_a_probe() {
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &[]);
    let mut silent: Vec<TcpStream> = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        silent.extend((0..40).filter_map(|_| TcpStream::connect(&watch.address).ok()));
        // On a busy machine a probe may come to its words after the next forty clients: then it asks again.
        let answered = (0..3).any(|_| answers(&watch.address));
        assert!(answered, "the probe is shut out after {:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_head_is_waited_for_one_second() {
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &[]);
    let mut slow = TcpStream::connect(&watch.address).expect("connect");
    slow.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
    let began = Instant::now();
    slow.write_all(b"GET / HT").expect("write");
    slow.read_to_end(&mut Vec::new()).ok();
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn a_store_that_another_keeps_locked_delays_its_own_locks_alone() {
    let env = TestEnv::new("2026.4.15");
    let (sessions, second) = (env.sessions("main"), second_state(&env));
    let second_sessions = second.join("agents/main/sessions");
    let state = second.to_string_lossy().into_owned();
    let watch = Watch::start(&env, &["--reclaim", "--settle", "100ms", "--state-dir", &state]);
    let first = dead_lock(&sessions, "makes-the-store");
    eventually("it is freed", || is_freed(&first));
    let store = std::fs::File::open(env.state().join("lockdoctor")).expect("the store");
    flock(&store, FlockOperation::LockExclusive).expect("our turn");
    let waits = dead_lock(&sessions, "waits");
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    let other = dead_lock(&second_sessions, "other");
    eventually("it is freed", || is_freed(&other));
    assert!(began.elapsed() < Duration::from_secs(4), "it waited for the store: {:?}", began.elapsed());
    assert!(answers(&watch.address) && !is_freed(&waits));
    flock(&store, FlockOperation::Unlock).expect("unlock");
    eventually("its own turn comes", || is_freed(&waits));
}

#[test]
fn the_start_costs_in_proportion_to_the_stale_locks() {
    let cost = |locks: usize| {
        let env = TestEnv::new("2026.4.15");
        let sessions = env.sessions("main");
        let text = payload(dead_pid(), Some(1));
        for index in 0..locks {
            std::fs::write(sessions.join(format!("{index:05}.jsonl.lock")), &text).expect("lock");
        }
        let (address, state) = (free_port(), env.state());
        let state = state.to_str().expect("UTF-8");
        let arguments =
            ["watch", "--no-logs", "--log-level", "error", "--listen", &address, "--state-dir", state];
        let mut watch = Watch::of(env.command(&arguments), false);
        watch.address = address;
        eventually("it is ready", || watch.get("/readyz").0.starts_with("HTTP/1.1 200"));
        watch.cpu_ticks().max(1)
    };
    let (few, many) = (cost(500), cost(4000));
    assert!(many < few * 20, "8 times the locks cost {many} ticks in place of {few}");
}

#[test]
fn a_root_that_goes_while_its_listing_is_due_is_not_asked_for() {
    let env = TestEnv::new("2026.4.15");
    env.sessions("main");
    let second = second_state(&env);
    let config = env.home().join("lockdoctor.toml");
    let name = |dirs: &[&Path]| {
        let dirs: Vec<String> = dirs.iter().map(|dir| format!("{:?}", dir.display().to_string())).collect();
        let new = config.with_extension("new");
        std::fs::write(&new, format!("state-dir = [{}]\n", dirs.join(", "))).expect("write");
        std::fs::rename(new, &config).expect("rename");
    };
    let state = env.state();
    for round in 0..3 {
        name(&[&state, &second]);
        let config = config.to_string_lossy().into_owned();
        let arguments =
            ["watch", "--config", &config, "--no-logs", "--log-format", "json", "--listen", "127.0.0.1:0"];
        let watch = Watch::spawn(&env, &arguments);
        for number in 1..3 {
            let new = second.join("new");
            let text = format!(r#"{{"meta": {{"lastTouchedVersion": "2026.4.15"}}, "x": {number}}}"#);
            std::fs::write(&new, text).expect("write");
            std::fs::rename(new, second.join("openclaw.json")).expect("rename");
            std::thread::sleep(Duration::from_millis(50 * round));
        }
        name(&[&state]);
        watch.signal(Signal::HUP);
        watch.wait_for(|line| line.says("configuration read again"));
        std::thread::sleep(Duration::from_millis(500));
        assert!(answers(&watch.address), "it is gone");
    }
}
