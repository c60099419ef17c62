//! Throughput of the log scanner beside `grep -cE` and ripgrep with the same patterns, and its peak memory.
//!
//! `cargo bench --bench log_scan` makes its own logs; `cargo bench --bench log_scan -- FILE...` reads real ones.

use lockdoctor::diagnosis::Model;
use lockdoctor::diagnosis::input::Facts;
use lockdoctor::gatewaylog::{Merged, Reading, Source, Stream};
use lockdoctor::redact::Redactor;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MEGABYTE: f64 = 1_000_000.0;

/// A few of the anchors, as one would grep for them.
const PATTERN: &str = "lane wait exceeded|lane task (done|error)|(stuck|stalled|long-running) session|embedded run timeout|session file locked|session store lock|releasing lock held|stale session lock|liveness warning|handler failed|Slow listener|gateway timeout after";

fn main() {
    let named: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    let dir = std::env::temp_dir().join(format!("lockdoctor-bench-{}", std::process::id()));
    let made = named.is_empty();
    let files = if made {
        std::fs::create_dir_all(&dir).expect("a directory for the logs");
        vec![log(&dir, "quiet.log", 0), log(&dir, "one-in-ten.log", 10), log(&dir, "every-line.log", 1)]
    } else {
        named
    };
    println!(
        "{:<40} {:>9} {:>12} {:>12} {:>12} {:>12}",
        "log, by CPU time", "MB", "scan", "+ diagnosis", "grep -cE", "rg -c"
    );
    for file in &files {
        let size = std::fs::metadata(file).expect("a log").len() as f64 / MEGABYTE;
        // Once to warm the page cache.
        scan(file);
        let (ours, events, lines) = scan(file);
        let judged = judge(file);
        let grep = time(Command::new("grep").args(["-cE", PATTERN]).arg(file).env("LC_ALL", "C"));
        let rg = time(Command::new("rg").args(["-c", "-j1", PATTERN]).arg(file));
        let rate = |seconds: Option<f64>| {
            seconds.map_or_else(|| "not here".to_owned(), |s| format!("{:.0} MB/s", size / s))
        };
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!(
            "{name:<40} {size:>9.0} {:>12} {:>12} {:>12} {:>12}   {events} events in {lines} lines",
            rate(Some(ours)),
            rate(Some(judged)),
            rate(grep),
            rate(rg)
        );
    }
    println!("peak resident memory: {} MiB", peak_kib() / 1024);
    if made {
        let _ = std::fs::remove_dir_all(&dir);
    }
}

fn scan(file: &Path) -> (f64, u64, u64) {
    let started = cpu_seconds().0;
    let reading = Reading::new(chrono::Local::now().fixed_offset(), None);
    let mut stream = Stream::open(&Source::File(file.to_owned()), &reading).expect("opens");
    while stream.next_entry().expect("reads").is_some() {}
    let counters = stream.counters();
    (cpu_seconds().0 - started, counters.parsed, counters.lines)
}

/// The same with merging and the diagnosis of it all.
fn judge(file: &Path) -> f64 {
    let started = cpu_seconds().0;
    let now = chrono::Local::now().fixed_offset();
    let stream = Stream::open(&Source::File(file.to_owned()), &Reading::new(now, None)).expect("opens");
    let mut model = Model::default();
    for (source, entry) in Merged::new(vec![stream]) {
        model.push(source, &entry);
    }
    std::hint::black_box(model.diagnose(&Facts::default(), now.into(), Redactor::On));
    cpu_seconds().0 - started
}

fn time(command: &mut Command) -> Option<f64> {
    let started = cpu_seconds().1;
    // Piped, not null: grep stops at the first match when its output is /dev/null.
    command.stdout(Stdio::piped()).stderr(Stdio::null()).output().ok()?;
    Some(cpu_seconds().1 - started)
}

/// CPU seconds of this process, and of its children that have ended (proc_pid_stat(5), in ticks of 10 ms): the
/// clock on the wall says little on a machine that is shared.
fn cpu_seconds() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("procfs");
    let fields: Vec<f64> =
        stat.rsplit(") ").next().unwrap_or("").split(' ').filter_map(|field| field.parse().ok()).collect();
    // After `(comm) `: field 3 is a letter and dropped, so field 14 (utime) is at 10.
    ((fields[10] + fields[11]) / 100.0, (fields[12] + fields[13]) / 100.0)
}

/// About 300 MB of tslog records as 5.22 writes them; one in `interval` is of interest (0: none).
fn log(dir: &Path, name: &str, interval: u64) -> PathBuf {
    let path = dir.join(name);
    let mut out = BufWriter::new(File::create(&path).expect("a file for the log"));
    let mut written = 0;
    let mut n = 0_u64;
    while written < 300_000_000 {
        n += 1;
        let interesting = interval > 0 && n.is_multiple_of(interval);
        let (subsystem, text) = match (interesting, n / 10 % 5) {
            (true, 0) => (
                "diagnostic",
                format!(
                    "lane wait exceeded: lane=session:agent:main:main waitedMs={n} queueAhead=1 activeAhead=1 activeNow=0 queueBehind=0"
                ),
            ),
            (true, 1) => {
                ("diagnostic", format!("lane task done: lane=main durationMs={n} active=1 queued=0"))
            }
            (true, 2) => (
                "diagnostic",
                format!(
                    "lane task error: lane=main durationMs={n} error=\\\"SessionWriteLockTimeoutError: session file locked (timeout 60000ms): pid=20497 alive=true ageMs=65592 /home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock\\\""
                ),
            ),
            (true, 3) => (
                "diagnostic",
                format!(
                    "session state: sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 sessionKey=agent:main:main prev=idle new=processing reason=\\\"run_started\\\" queueDepth={}",
                    n % 9
                ),
            ),
            (true, _) => (
                "agent/embedded",
                format!(
                    "embedded run done: runId=07556e30-35c0-4001-808f-832740607b59 sessionId=3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42 durationMs={n} aborted=false"
                ),
            ),
            (false, 0) => (
                "plugins",
                format!(
                    "[plugins] loading anthropic from /usr/lib/node_modules/openclaw/dist/extensions/anthropic/index.js #{n}"
                ),
            ),
            (false, 1) => (
                "agents/harness",
                format!("selected harness pi for fake/fake-1 candidates=1 reason=default request={n}"),
            ),
            (false, 2) => (
                "provider-transport-fetch",
                format!(
                    "[model-fetch] response provider=fake api=openai-completions model=fake-1 status=200 elapsedMs={n} contentType=text/event-stream"
                ),
            ),
            (false, 3) => (
                "skills/workshop",
                format!(
                    "experience review skipped: reason=below-depth-bar iterations={n} session=agent:main:main"
                ),
            ),
            (false, _) => (
                "state/sqlite",
                format!(
                    "SQLite read-only snapshot for /home/node/.openclaw/state/openclaw.sqlite: 1.{n} MiB, budget 30 seconds"
                ),
            ),
        };
        let (minute, second, milli) = (n / 60_000 % 60, n / 1000 % 60, n % 1000);
        let line = format!(
            "{{\"0\":\"{{\\\"subsystem\\\":\\\"{subsystem}\\\"}}\",\"1\":\"{text}\",\"_meta\":{{\"runtime\":\"node\",\"runtimeVersion\":\"22.12.0\",\"hostname\":\"unknown\",\"name\":\"{{\\\"subsystem\\\":\\\"{subsystem}\\\"}}\",\"parentNames\":[\"openclaw\"],\"date\":\"2026-11-22T14:{minute:02}:{second:02}.{milli:03}Z\",\"logLevelId\":2,\"logLevelName\":\"DEBUG\",\"path\":{{\"fullFilePath\":\"file:///usr/lib/node_modules/openclaw/dist/subsystem-BDbeCphF.js:420:12\",\"fileName\":\"subsystem-BDbeCphF.js\",\"fileNameWithLine\":\"subsystem-BDbeCphF.js:420\",\"fileColumn\":\"12\",\"fileLine\":\"420\",\"filePath\":\"usr/lib/node_modules/openclaw/dist/subsystem-BDbeCphF.js\",\"filePathWithLine\":\"usr/lib/node_modules/openclaw/dist/subsystem-BDbeCphF.js:420\",\"method\":\"logToFile\"}}}},\"time\":\"2026-11-22T14:{minute:02}:{second:02}.{milli:03}+00:00\",\"hostname\":\"unknown\",\"message\":\"{text}\"}}\n"
        );
        out.write_all(line.as_bytes()).expect("room for the log");
        written += line.len();
    }
    out.flush().expect("room for the log");
    path
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
