//! A running `lockdoctor watch`, its log as it comes, its listener, and processes that hold locks.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Running, TestEnv};

/// One line of the log, and when it came.
#[derive(Debug, Clone)]
pub struct Line {
    pub at: Instant,
    pub fields: Value,
}

impl Line {
    pub fn says(&self, message: &str) -> bool {
        self.fields["message"] == message
    }

    pub fn is_about(&self, path: &Path) -> bool {
        self.fields["path"] == *path.to_string_lossy()
    }
}

type Log = Arc<(Mutex<Vec<Line>>, Condvar)>;

pub struct Watch {
    pub child: Child,
    pub address: String,
    log: Log,
}

impl Watch {
    /// Watches the state directory of `env`, and the logs that are named. Those that discovery would find may be
    /// of any gateway of this machine.
    pub fn start(env: &TestEnv, arguments: &[&str]) -> Self {
        let named = arguments.iter().any(|argument| ["--log", "--no-logs"].contains(argument));
        let logs: &[&str] = if named { &[] } else { &["--no-logs"] };
        Self::start_with_all_logs(env, &[logs, arguments].concat())
    }

    pub fn start_with_all_logs(env: &TestEnv, arguments: &[&str]) -> Self {
        let state = env.state();
        let mut all = vec!["watch", "--state-dir", state.to_str().expect("UTF-8")];
        all.extend(["--listen", "127.0.0.1:0", "--log-format", "json", "--log-level", "debug"]);
        all.extend(arguments);
        Self::spawn(env, &all)
    }

    pub fn spawn(env: &TestEnv, arguments: &[&str]) -> Self {
        Self::of(env.command(arguments), arguments.contains(&"--listen"))
    }

    /// A command that ends in lockdoctor, however it comes to it.
    pub fn of(mut command: Command, listens: bool) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("lockdoctor starts");
        let log: Log = Arc::default();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let at = Instant::now();
                let fields = serde_json::from_str(&line).unwrap_or_else(|_| Value::String(line));
                writer.0.lock().expect("log").push(Line { at, fields });
                writer.1.notify_all();
            }
        });
        let mut watch = Self { child, address: String::new(), log };
        if listens {
            let line = watch.wait_for(|line| line.says("listening"));
            line.fields["address"].as_str().expect("address").clone_into(&mut watch.address);
        }
        watch
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).expect("pid");
        kill_process(pid, signal).expect("our own child");
    }

    /// The first line that `wanted` picks, waited for up to 20 s.
    #[track_caller]
    pub fn wait_for(&self, wanted: impl Fn(&Line) -> bool) -> Line {
        self.try_wait_for(Duration::from_secs(20), wanted)
            .unwrap_or_else(|| panic!("no such line in 20 s; the log:\n{}", self.dump()))
    }

    pub fn try_wait_for(&self, patience: Duration, wanted: impl Fn(&Line) -> bool) -> Option<Line> {
        let deadline = Instant::now() + patience;
        let mut lines = self.log.0.lock().expect("log");
        loop {
            if let Some(line) = lines.iter().find(|line| wanted(line)) {
                return Some(line.clone());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            lines = self.log.1.wait_timeout(lines, left).expect("log").0;
        }
    }

    /// Waits for this verdict on the lock at `path`.
    #[track_caller]
    pub fn verdict(&self, path: &Path, verdict: &str) -> Line {
        self.wait_for(|line| line.is_about(path) && line.fields["verdict"] == verdict && line.says("verdict"))
    }

    pub fn lines(&self) -> Vec<Line> {
        self.log.0.lock().expect("log").clone()
    }

    pub fn dump(&self) -> String {
        let lines = self.lines();
        let last = lines.iter().skip(lines.len().saturating_sub(60));
        last.map(|line| format!("{}\n", line.fields)).collect()
    }

    /// Status line, headers and body of `GET path`.
    pub fn get(&self, path: &str) -> (String, String) {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    pub fn request(&self, request: &str) -> (String, String) {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return Default::default() };
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        stream.write_all(request.as_bytes()).expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.to_owned(), body.to_owned())
    }

    pub fn status(&self) -> Value {
        let (head, body) = self.get("/status.json");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// The value of one series.
    #[track_caller]
    pub fn metric(&self, series: &str) -> f64 {
        let (_, body) = self.get("/metrics");
        let line =
            body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no series {series} in:\n{body}")).parse().expect("a number")
    }

    /// A field of `/proc/PID/status`, its first number.
    pub fn proc_status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("alive");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("field");
        line.trim_start_matches(':').split_whitespace().next().expect("number").parse().expect("number")
    }

    /// CPU time so far, in clock ticks.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("alive");
        let fields: Vec<&str> = stat[stat.rfind(')').expect("name") + 2..].split(' ').collect();
        fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
    }

    pub fn open_descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("alive").count()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("the log of the watch:\n{}", self.dump());
        }
    }
}

/// A process that takes the lock at `path` and keeps it open until it is killed. It names itself, with its
/// start tick, as OpenClaw does.
pub fn holder(path: &Path) -> Running {
    let script = format!(
        "set -- $(cat /proc/$$/stat); exec 9>'{}'; \
         printf '{{\\n  \"pid\": %s,\\n  \"createdAt\": \"%s\",\\n  \"starttime\": %s\\n}}\\n' \
         $$ \"$(date -u +%Y-%m-%dT%H:%M:%S.000Z)\" ${{22}} >&9; echo held; exec sleep 1000",
        path.display()
    );
    let mut holder = Running::shell(&script);
    assert_eq!(holder.line(), "held");
    holder
}

/// p50, p99 and the longest, in milliseconds.
pub fn distribution(mut times: Vec<Duration>) -> (f64, f64, f64) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).ceil() as usize].as_secs_f64() * 1000.0;
    (at(0.5), at(0.99), at(1.0))
}
