//! What a scan costs, in system calls: counts are the same on every machine, times are not.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use crate::support::strace::Reads;
use crate::support::{Running, TestEnv, dead_pid, has, hold, own_pid, payload, skipped, start_ticks};

const LOCKS: usize = 200;
const OWNERS: usize = 10;

/// The calls of one scan, by name, and the whole trace.
fn trace(env: &TestEnv) -> (BTreeMap<String, usize>, String) {
    let log = env.home().join("trace");
    let mut command = Command::new("strace");
    env.isolate(&mut command).args(["-f", "-qq", "-o"]).arg(&log).arg(crate::support::binary());
    command.args(["scan", "--json", "--state-dir"]).arg(env.state());
    let run = crate::support::Run::of(command);
    assert!(run.code < 2, "{run:#?}");
    let text = fs::read_to_string(&log).expect("trace");
    let mut calls = BTreeMap::new();
    // The census looks at every process of the machine, whoever they are.
    let mut census = Reads::of(|path| path.starts_with("/proc/") && path.ends_with("/status"));
    for line in text.lines() {
        let call = line.split_once(' ').map(|(_, call)| call.trim_start()).unwrap_or_default();
        // The standard library's own check in a debug build.
        if call.contains("F_GETFD") {
            continue;
        }
        if let Some((name, _)) = call.split_once('(').filter(|_| !census.include(call)) {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    (calls, text)
}

fn total(calls: &BTreeMap<String, usize>) -> usize {
    // Memory is a matter of the allocator.
    let memory = ["brk", "mmap", "munmap", "mremap", "madvise"];
    calls.iter().filter(|(name, _)| !memory.contains(&name.as_str())).map(|(_, n)| n).sum()
}

/// A tree with as many transcripts as it has locks later.
fn tree() -> TestEnv {
    let env = TestEnv::new("2026.5.22");
    for number in 0..LOCKS {
        fs::write(env.sessions("main").join(format!("{number}.jsonl")), "{}\n").expect("transcript");
    }
    env
}

fn lock(env: &TestEnv, number: usize) -> std::path::PathBuf {
    env.sessions("main").join(format!("{number}.jsonl.lock"))
}

fn traced() -> bool {
    has("strace")
        && Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success())
}

/// For a distinct owner: is it there?
const AN_OWNER: usize = 5;
/// Whose it is, and whether it uses this state directory.
const A_PROCESS: usize = 24;
/// And what has it open, what do its threads do? Asked only of one whose locks look leaked, once.
const AN_OWNER_LOOKED_AT: usize = 80;

/// What does not grow with the locks: the session store, the output, one wait for all second looks, and processes of
/// other tests that come and go meanwhile. A single call more for each lock is five times as much.
const A_MACHINE: usize = 40;

/// At most eight calls for a lock and so many for its owners, over the same tree without locks; no transcript is
/// opened or looked at.
fn assert_frugal(what: &str, env: &TestEnv, baseline: &BTreeMap<String, usize>, for_owners: usize) {
    let (calls, text) = trace(env);
    let spent = total(&calls) - total(baseline);
    // And, once, whether one of the OpenClaw processes of this machine holds what these are copies of.
    let processes = text.matches("/environ\"").count();
    let allowed = 8 * LOCKS + for_owners + A_MACHINE + A_PROCESS * processes;
    eprintln!("{what}: {:.2} calls a lock, {spent} in all for {LOCKS} locks", spent as f64 / LOCKS as f64);
    assert!(spent <= allowed, "{what}: {spent} > {allowed}\n{calls:#?}\nwithout locks {baseline:#?}");
    let touched: Vec<&str> = text.lines().filter(|line| line.contains(".jsonl\"")).collect();
    assert!(touched.is_empty(), "{what}: {touched:#?}");
}

#[test]
fn a_lock_costs_eight_calls_at_most() {
    if skipped(traced(), "strace(1) is not here, or may not trace") {
        return;
    }
    let env = tree();
    let (baseline, _) = trace(&env);

    let dead: Vec<u32> = (0..OWNERS).map(|_| dead_pid()).collect();
    for number in 0..LOCKS {
        fs::write(lock(&env, number), payload(dead[number % OWNERS], Some(1))).expect("lock");
    }
    assert_frugal("dead owners", &env, &baseline, AN_OWNER * OWNERS);
    let (calls, _) = trace(&env);
    assert_eq!(calls.get("clock_nanosleep"), None, "a proven death needs no second look");

    let strangers: Vec<Running> =
        (0..OWNERS).map(|_| Running::start(Command::new("sleep").arg("1000"))).collect();
    for number in 0..LOCKS {
        fs::write(lock(&env, number), payload(strangers[number % OWNERS].id(), Some(1))).expect("lock");
    }
    assert_frugal("recycled numbers", &env, &baseline, AN_OWNER * OWNERS);

    for number in 0..LOCKS {
        let pid = strangers[number % OWNERS].id();
        fs::write(lock(&env, number), payload(pid, Some(start_ticks(pid)))).expect("lock");
    }
    assert_frugal("closed by live owners", &env, &baseline, AN_OWNER_LOOKED_AT * OWNERS);

    let held: Vec<_> = (0..LOCKS)
        .map(|number| {
            fs::remove_file(lock(&env, number)).expect("lock");
            hold(&lock(&env, number), &payload(own_pid(), Some(start_ticks(own_pid()))))
        })
        .collect();
    assert_frugal("held", &env, &baseline, AN_OWNER);
    drop(held);
}

#[test]
fn memory_and_time_of_a_small_scan() {
    let env = tree();
    for number in 0..10 {
        fs::write(lock(&env, number), payload(dead_pid(), Some(1))).expect("lock");
    }
    let state = env.state();
    let mut scan = env.command(&["scan", "--json", "--state-dir", &state.to_string_lossy()]);
    scan.stdout(Stdio::null());
    let Some(peak) = peak(&scan) else { return eprintln!("SKIPPED: the peak is measured by python3") };
    assert!(peak < 20 * 1024, "{peak} KiB at its peak");
    // The best of several: whatever else runs only adds.
    let best = (0..20).map(|_| cpu_time(&mut scan)).min().expect("runs");
    eprintln!("ten locks: {best} µs of CPU, {peak} KiB at the peak");
    let bound = if cfg!(debug_assertions) { 40_000 } else { 5_000 };
    assert!(best <= bound, "{best} µs of CPU for ten locks");
}

/// The peak of one run in KiB. What fork(2) leaves in `ru_maxrss` is the size of the process that forked, so a small
/// one has to do it.
fn peak(command: &Command) -> Option<i64> {
    const MEASURE: &str = "import resource, subprocess, sys; \
        subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); \
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let mut python = Command::new("python3");
    python.args(["-c", MEASURE]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        value.map(|value| python.env(name, value));
    }
    let output = python.output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// CPU time of one run in microseconds.
#[expect(clippy::zombie_processes, reason = "wait4(2) collects it")]
fn cpu_time(command: &mut Command) -> i64 {
    let child = command.spawn().expect("lockdoctor");
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: wait4(2) fills the structure it is given, which outlives the call.
    let usage = unsafe {
        let collected = libc::wait4(child.id().cast_signed(), std::ptr::null_mut(), 0, usage.as_mut_ptr());
        assert_eq!(collected, child.id().cast_signed());
        usage.assume_init()
    };
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}
