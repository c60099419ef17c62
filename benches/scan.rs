//! `scan` beside what a user would type instead, on one tree: 200 agents with 100 000 transcripts and 2 000 locks.
//! Each program in turn, eleven times, so that whatever else the machine does hits all alike; what counts is the
//! ratio. `cargo bench --bench scan -- small` takes a tenth of the tree; `LOCKDOCTOR_BIN` names another lockdoctor.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const AGENTS: usize = 200;
const ROUNDS: usize = 11;

struct Cost {
    wall: Duration,
    cpu: Duration,
    peak_kib: i64,
}

fn main() {
    let small = std::env::args().any(|argument| argument == "small");
    let (transcripts, locks) = if small { (50, 1) } else { (500, 10) };
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: Some(8192), maximum: Some(8192) },
    )
    .expect("RLIMIT_NOFILE");
    let home = tempfile::tempdir().expect("a directory");
    let state = home.path().join(".openclaw");
    let held = plant(&state, transcripts, locks);
    println!("{AGENTS} agents, {} transcripts, {} locks, all held", AGENTS * transcripts, held.len());
    compare(&state);
    drop(held);
    println!("the same locks, all left behind by a dead owner");
    for (lock, _) in locks_of(&state, locks) {
        fs::write(lock, payload(4_194_000, 1)).expect("lock");
    }
    compare(&state);

    let ten = tempfile::tempdir().expect("a directory");
    let state = ten.path().join(".openclaw");
    fs::create_dir_all(state.join("agents/main/sessions")).expect("sessions");
    let held: Vec<File> =
        (0..10).map(|n| hold(&state.join(format!("agents/main/sessions/{n}.jsonl.lock")))).collect();
    println!("ten locks, all held");
    compare(&state);
    drop(held);
}

fn locks_of(state: &Path, locks: usize) -> impl Iterator<Item = (std::path::PathBuf, usize)> {
    (0..AGENTS * locks).map(move |n| {
        let sessions = state.join(format!("agents/agent{:03}/sessions", n % AGENTS));
        (sessions.join(format!("{n:08}-0000-4000-8000-000000000000.jsonl.lock")), n)
    })
}

fn plant(state: &Path, transcripts: usize, locks: usize) -> Vec<File> {
    for agent in 0..AGENTS {
        let sessions = state.join(format!("agents/agent{agent:03}/sessions"));
        fs::create_dir_all(&sessions).expect("sessions");
        for n in 0..transcripts {
            let name = format!("{:08}-0000-4000-8000-000000000000.jsonl", n * AGENTS + agent);
            fs::write(sessions.join(name), "{\"type\":\"session\"}\n").expect("transcript");
        }
    }
    locks_of(state, locks).map(|(lock, _)| hold(&lock)).collect()
}

fn hold(lock: &Path) -> File {
    let stat = fs::read_to_string("/proc/self/stat").expect("stat");
    let start = stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(20)).expect("start time");
    let mut file = File::create_new(lock).expect("lock");
    file.write_all(payload(std::process::id(), start.parse().expect("ticks")).as_bytes()).expect("payload");
    file
}

fn payload(pid: u32, start: u64) -> String {
    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.3fZ");
    format!("{{\n  \"pid\": {pid},\n  \"createdAt\": \"{now}\",\n  \"starttime\": {start}\n}}")
}

fn compare(state: &Path) {
    let state = state.to_str().expect("UTF-8");
    let lockdoctor = &std::env::var("LOCKDOCTOR_BIN").unwrap_or(env!("CARGO_BIN_EXE_lockdoctor").to_owned());
    let contestants: [(&str, Vec<&str>); 4] = [
        ("find -name '*.lock'", vec!["find", state, "-name", "*.lock"]),
        ("find … -mmin +2", vec!["find", state, "-name", "*.lock", "-mmin", "+2"]),
        ("fd -j1 '.lock$'", vec!["fdfind", "-u", "-j1", r"\.lock$", state]),
        ("lockdoctor scan --json", vec![lockdoctor.as_str(), "scan", "--json", "--state-dir", state]),
    ];
    let mut costs: Vec<Vec<Cost>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (costs, (_, words)) in costs.iter_mut().zip(&contestants) {
            costs.extend(run(words));
        }
    }
    let middle = |costs: &[Cost], of: fn(&Cost) -> Duration| {
        let mut all: Vec<Duration> = costs.iter().map(of).collect();
        all.sort();
        all[all.len() / 2].as_secs_f64() * 1000.0
    };
    let find = (middle(&costs[0], |cost| cost.wall), middle(&costs[0], |cost| cost.cpu));
    for (costs, (name, _)) in costs.iter().zip(&contestants) {
        if costs.is_empty() {
            println!("  {name:24} not installed");
            continue;
        }
        let (wall, cpu) = (middle(costs, |cost| cost.wall), middle(costs, |cost| cost.cpu));
        let peak = costs.iter().map(|cost| cost.peak_kib).max().unwrap_or(0);
        println!(
            "  {name:24} wall {wall:7.1} ms ({:.2})  CPU {cpu:7.1} ms ({:.2})  peak {:.1} MiB",
            wall / find.0,
            cpu / find.1,
            peak as f64 / 1024.0
        );
    }
}

fn run(words: &[&str]) -> Option<Cost> {
    let start = Instant::now();
    let child = Command::new(words[0]).args(&words[1..]).stdout(Stdio::null()).spawn().ok()?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the child is ours and not waited for elsewhere; both pointers are to live variables.
    let pid = unsafe { libc::wait4(child.id() as i32, &raw mut status, 0, usage.as_mut_ptr()) };
    assert_eq!(pid, child.id() as i32, "wait4");
    // SAFETY: filled in by wait4, and all zeroes are valid too.
    let usage = unsafe { usage.assume_init() };
    let status = ExitStatus::from_raw(status);
    assert!(status.code().is_some_and(|code| code < 2), "{words:?}: {status}");
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Some(Cost {
        wall: start.elapsed(),
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak_kib: usage.ru_maxrss,
    })
}
