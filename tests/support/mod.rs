//! A throw-away home directory with OpenClaw installs in it, and `lockdoctor` run against it with an
//! environment of its own. Other processes are real ones, ended by the guard that started them.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod browser;
pub mod reclaim;
pub mod ship;
pub mod sqlite;
pub mod strace;
pub mod watch;

use std::ffi::{CString, OsStr};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// Before a command that is to run as the user `nobody`.
pub const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// A home directory with one state directory, `~/.openclaw`.
pub struct TestEnv {
    home: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl TestEnv {
    /// With a configuration that names the version, as OpenClaw writes it.
    pub fn new(version: &str) -> Self {
        let env = Self::empty();
        fs::create_dir_all(env.state().join("agents")).expect("state directory");
        // A log of its own: /tmp/openclaw is that of every gateway of this machine.
        let logs = env.home().join("logs");
        fs::create_dir(&logs).expect("logs");
        let file = logs.join("openclaw.log");
        env.config(&format!(
            r#"{{"meta": {{"lastTouchedVersion": "{version}"}}, "logging": {{"file": "{}"}}}}"#,
            file.display()
        ));
        env
    }

    /// A home directory without any install.
    pub fn empty() -> Self {
        let home = tempfile::Builder::new().prefix("lockdoctor-test-").tempdir().expect("tempdir");
        // Other users must be able to come here.
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).expect("chmod");
        fs::create_dir(home.path().join("tmp")).expect("tmp");
        Self { home, variables: Vec::new() }
    }

    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref().to_string_lossy().into_owned();
        self.variables.push((name.to_owned(), value));
        self
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn tmp(&self) -> PathBuf {
        self.home().join("tmp")
    }

    pub fn state(&self) -> PathBuf {
        self.home().join(".openclaw")
    }

    pub fn config(&self, json5: &str) {
        fs::write(self.state().join("openclaw.json"), json5).expect("config");
    }

    /// The sessions directory of `agent`, made if it is not there.
    pub fn sessions(&self, agent: &str) -> PathBuf {
        let path = self.state().join("agents").join(agent).join("sessions");
        fs::create_dir_all(&path).expect("sessions directory");
        path
    }

    /// Where the lock of session `id` of the agent `main` lies; its transcript is written.
    pub fn session(&self, id: &str) -> PathBuf {
        let transcript = self.sessions("main").join(format!("{id}.jsonl"));
        fs::write(&transcript, "{\"type\":\"session\"}\n").expect("transcript");
        transcript.with_extension("jsonl.lock")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        self.isolate(&mut command).args(arguments);
        command
    }

    /// Gives `command` the environment of this home and nothing else.
    pub fn isolate<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("TMPDIR", self.tmp())
            .env("TZ", "UTC")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments))
    }

    /// `scan --json` of the state directory.
    pub fn scan(&self) -> Run {
        let state = self.state();
        self.run(&["scan", "--json", "--state-dir", &state.to_string_lossy()])
    }

    /// The same, from within `wrapper` (unshare(1), setpriv(1)): the words before the binary's name.
    pub fn scan_within(&self, wrapper: &[&str]) -> Run {
        let mut command = Command::new(wrapper[0]);
        self.isolate(&mut command).args(&wrapper[1..]).arg(self.binary_for_all());
        command.args(["scan", "--json", "--state-dir"]).arg(self.state());
        Run::of(command)
    }

    pub fn scan_as_nobody(&self) -> Run {
        self.scan_within(&AS_NOBODY)
    }

    /// sleep(1) under another name, as OpenClaw's processes set theirs.
    pub fn named_like(&self, title: &str) -> PathBuf {
        let path = self.tmp().join(title);
        if !path.exists() {
            fs::copy("/bin/sleep", &path).expect("sleep(1)");
        }
        path
    }

    /// A copy of the binary where every user may execute it.
    pub fn binary_for_all(&self) -> PathBuf {
        let copy = self.home().join("lockdoctor");
        if !copy.exists() {
            fs::copy(binary(), &copy).expect("copy");
            fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("chmod");
        }
        copy
    }
}

/// The binary that is packaged, if it is to be tested in place of the one that cargo built for the tests.
fn shipped() -> Option<PathBuf> {
    std::env::var_os("LOCKDOCTOR_SHIPPED").map(PathBuf::from)
}

pub fn is_shipped() -> bool {
    shipped().is_some()
}

pub fn binary() -> PathBuf {
    shipped().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_lockdoctor")))
}

pub fn scan_schema() -> &'static jsonschema::Validator {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let text = include_str!("../../schemas/scan.schema.json");
        let schema = serde_json::from_str(text).expect("the schema is JSON");
        jsonschema::validator_for(&schema).expect("the schema is one")
    })
}

/// What one run of the binary gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Run {
    pub fn of(mut command: Command) -> Self {
        let started = Instant::now();
        let Output { status, stdout, stderr } = command.output().expect("lockdoctor runs");
        let run = Self {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            took: started.elapsed(),
        };
        assert!(!run.stderr.contains("panicked"), "{run:#?}");
        assert!(run.code >= 0, "ended by a signal: {status:?} {run:#?}");
        run
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Its standard output, which keeps the promises of the schema.
    #[track_caller]
    pub fn json(&self) -> Value {
        let json: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        // Other commands' documents are held against their own schemas where those are tested.
        let schema = Some(scan_schema()).filter(|_| json["schema"] == "lockdoctor/scan/v1");
        let errors: Vec<String> = schema
            .iter()
            .flat_map(|schema| schema.iter_errors(&json))
            .map(|error| format!("{}: {error}", error.instance_path))
            .collect();
        assert!(errors.is_empty(), "{errors:#?} in {self:#?}");
        json
    }

    /// The lock at `path`, which was listed exactly once.
    #[track_caller]
    pub fn lock(&self, path: &Path) -> Value {
        let json = self.json();
        let text = path.to_string_lossy();
        let locks = json["locks"].as_array().expect("locks");
        let mut found = locks.iter().filter(|lock| lock["path"] == *text);
        let lock = found.next().unwrap_or_else(|| panic!("{text} is not listed: {self:#?}"));
        assert!(found.next().is_none(), "{text} is listed twice");
        lock.clone()
    }

    /// Checks the verdict and its reasons, `"stale dead-pid no-writer"`.
    #[track_caller]
    pub fn says(&self, path: &Path, expected: &str) -> &Self {
        let lock = self.lock(path);
        let reasons = lock["reasons"].as_array().expect("reasons").iter().filter_map(Value::as_str);
        let words: Vec<&str> = lock["verdict"].as_str().into_iter().chain(reasons).collect();
        assert_eq!(words.join(" "), expected, "{lock:#}");
        self
    }

    pub fn paths(&self) -> Vec<String> {
        let json = self.json();
        let locks = json["locks"].as_array().expect("locks");
        locks.iter().filter_map(|lock| lock["path"].as_str().map(str::to_owned)).collect()
    }
}

/// The bytes of a session lock as OpenClaw 2026.5.22 and later write them.
pub fn payload(pid: u32, start_ticks: Option<u64>) -> Vec<u8> {
    payload_made(pid, start_ticks, Duration::from_secs(5))
}

/// The same, `ago`.
pub fn payload_made(pid: u32, start_ticks: Option<u64>, ago: Duration) -> Vec<u8> {
    let made: DateTime<Utc> = (SystemTime::now() - ago).into();
    let mut fields = json!({
        "pid": pid,
        "createdAt": made.to_rfc3339_opts(SecondsFormat::Millis, true),
        "maxHoldMs": 1_020_000,
    });
    if let Some(ticks) = start_ticks {
        fields["starttime"] = json!(ticks);
    }
    let mut bytes = serde_json::to_vec_pretty(&fields).expect("JSON");
    bytes.push(b'\n');
    bytes
}

/// Creates a lock as OpenClaw does and keeps it open, as its holder does.
pub fn hold(path: &Path, bytes: &[u8]) -> File {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).expect("new lock");
    file.write_all(bytes).expect("payload");
    file
}

/// Field 22 of `/proc/PID/stat`.
pub fn start_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("process");
    let fields = &stat[stat.rfind(')').expect("a name") + 2..];
    fields.split(' ').nth(19).expect("field 22").parse().expect("a number")
}

pub fn own_pid() -> u32 {
    std::process::id()
}

/// A pid that belongs to nobody, and will to nobody while the test runs: a busy kernel soon hands out again what it took
/// back, so it lies above all that it hands out, where there is room.
pub fn dead_pid() -> u32 {
    const NO_KERNEL_HANDS_OUT_MORE: u32 = 1 << 22;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let limit = fs::read_to_string("/proc/sys/kernel/pid_max").expect("procfs");
    let pid = limit.trim().parse::<u32>().expect("a number") + NEXT.fetch_add(1, Ordering::Relaxed);
    if pid < NO_KERNEL_HANDS_OUT_MORE {
        return pid;
    }
    let mut child = Command::new("true").spawn().expect("true(1)");
    child.wait().expect("child");
    child.id()
}

pub fn set_age(path: &Path, ago: Duration) {
    let file = File::open(path).expect("file");
    file.set_modified(SystemTime::now() - ago).expect("mtime");
}

pub fn fifo(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path.as_c_str(),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("mknod");
}

/// A child process that is ended with the guard.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("child starts");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines }
    }

    pub fn shell(script: &str) -> Self {
        Self::start(Command::new("sh").args(["-c", script]).stdin(Stdio::null()))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{line}").expect("writable");
    }

    /// The next line it prints, which says that it is where the test wants it.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("readable");
        line.trim_end().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A process that takes locks as OpenClaw does and waits in an event loop, so that it is seen to be idle.
#[derive(Debug)]
pub struct Owner(Running);

impl Owner {
    pub fn start() -> Self {
        Self::within(&[])
    }

    /// The same, within `wrapper` (unshare(1)): the words before the binary's name.
    pub fn within(wrapper: &[&str]) -> Self {
        let binary = binary().to_string_lossy().into_owned();
        let actor = [binary.as_str(), "demo-actor", "--title", "openclaw-gateway"];
        let words: Vec<&str> = wrapper.iter().copied().chain(actor).collect();
        let mut command = Command::new(words[0]);
        Self(Running::start(command.args(&words[1..]).stdin(Stdio::piped())))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn hold(&mut self, lock: &Path) -> Vec<u8> {
        self.hold_since(lock, Duration::ZERO)
    }

    /// A lock whose run has gone on for so long.
    pub fn hold_since(&mut self, lock: &Path, ago: Duration) -> Vec<u8> {
        self.order(&json!({"hold": {"lock": lock, "age": ago.as_secs()}}));
        fs::read(lock).expect("lock")
    }

    /// The gateway's own lock.
    pub fn hold_gateway(&mut self, lock: &Path, config: &Path) {
        self.order(&json!({"hold-gateway": {"lock": lock, "config": config}}));
    }

    /// Takes a lock and closes it without removing it.
    pub fn leak(&mut self, lock: &Path) -> Vec<u8> {
        self.order(&json!({"leak": {"lock": lock}}));
        fs::read(lock).expect("lock")
    }

    fn order(&mut self, order: &Value) {
        self.0.tell(&order.to_string());
        let answer = self.0.line();
        assert!(answer.parse::<u32>().is_ok(), "{order}: {answer:?}");
    }
}

/// Waits for something that another process does.
#[track_caller]
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `true` if `program --version` (or any start of it) works.
pub fn has(program: &str) -> bool {
    let quiet = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok()
}

/// Says why a test cannot run here. Use as `if skipped(…) { return; }`.
pub fn skipped(unless: bool, why: &str) -> bool {
    if !unless {
        eprintln!("SKIPPED: {why}");
    }
    !unless
}
