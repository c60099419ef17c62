//! What the tests against OpenClaw's real lock code share: the packages, the node scripts beside this
//! file, a state directory to play in, and the lockdoctor under test (`LOCKDOCTOR_BIN`, else the one built
//! with the tests). Nothing here judges; the tests do.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) mod siege;

/// One package for each form of the lock protocol that was ever published.
pub(crate) const PACKAGES: [&str; 13] = [
    "clawdbot@2026.1.24-3",
    "openclaw@2026.1.30",
    "openclaw@2026.2.6-3",
    "openclaw@2026.2.26",
    "openclaw@2026.3.13",
    "openclaw@2026.4.15",
    "openclaw@2026.4.22",
    "openclaw@2026.5.7",
    "openclaw@2026.5.12",
    "openclaw@2026.5.22",
    "openclaw@2026.6.1",
    "openclaw@2026.7.1-2",
    "openclaw@2026.7.35",
];

/// The packages' keys for the scripts, or why they cannot be had.
///
/// With `LOCKDOCTOR_REQUIRE_REAL` set, what cannot be had fails the test instead of skipping it.
pub(crate) fn packages() -> Option<Vec<String>> {
    static FETCHED: OnceLock<Result<Vec<String>, String>> = OnceLock::new();
    let fetched = FETCHED.get_or_init(|| {
        let run = Command::new("node").arg(script("fetch.mjs")).args(PACKAGES).output();
        match run {
            Err(error) => Err(format!("node cannot be run: {error}")),
            Ok(output) if output.status.success() => {
                Ok(PACKAGES.iter().map(|p| p.replace('@', "-")).collect())
            }
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().replace("SKIPPED: ", "")),
        }
    });
    match fetched {
        Ok(keys) => Some(keys.clone()),
        Err(why) => {
            skip(why);
            None
        }
    }
}

/// Does the same with every package (in the short form with every sixth: the first, one in the middle, the last), four
/// at a time: most of it is waiting.
pub(crate) fn each_package(test: impl Fn(&str) + Sync) {
    let keys: Vec<String> = packages().unwrap_or_default().into_iter().step_by(crate::thinned(6)).collect();
    for keys in keys.chunks(4) {
        std::thread::scope(|scope| {
            let running: Vec<_> = keys.iter().map(|key| scope.spawn(|| test(key))).collect();
            for thread in running {
                if let Err(panic) = thread.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
    }
}

pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("LOCKDOCTOR_REQUIRE_REAL").is_none(), "required, but {why}");
    eprintln!("SKIPPED: {why}");
}

pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real").join(name)
}

/// A number from the environment, for the longest versions of a test; without it `default`, or a tenth of it in the
/// short form.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    let default = default / crate::thinned(10) as u64;
    std::env::var(name).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v} is no number")))
}

/// A state directory with one agent, as an install of that version leaves it.
pub(crate) struct StateDir {
    dir: tempfile::TempDir,
}

impl StateDir {
    pub(crate) fn new(key: &str) -> Self {
        Self::below(key, &std::env::temp_dir())
    }

    /// Where the rate counts: in memory, unless `LOCKDOCTOR_TORTURE_DIR` names a place on another file system.
    pub(crate) fn for_torture(key: &str) -> Self {
        let memory = Some(PathBuf::from("/dev/shm")).filter(|shm| shm.is_dir());
        let given = std::env::var_os("LOCKDOCTOR_TORTURE_DIR").map(PathBuf::from);
        Self::below(key, &given.or(memory).unwrap_or_else(std::env::temp_dir))
    }

    fn below(key: &str, at: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("lockdoctor-real-").tempdir_in(at).unwrap();
        let (name, version) = key.split_once('-').unwrap();
        let config = format!(r#"{{"meta":{{"lastTouchedVersion":"{version}"}}}}"#);
        fs::write(dir.path().join(format!("{name}.json")), config).unwrap();
        let state = Self { dir };
        fs::create_dir_all(state.sessions()).unwrap();
        state
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn sessions(&self) -> PathBuf {
        self.path().join("agents/main/sessions")
    }

    /// The transcript of the `n`th session; its lock is beside it.
    pub(crate) fn session(&self, n: usize) -> Session {
        let transcript = self.sessions().join(format!("{n:08x}-1111-4111-8111-111111111111.jsonl"));
        if !transcript.exists() {
            fs::write(&transcript, "{\"type\":\"session\"}\n").unwrap();
        }
        Session { transcript }
    }

    pub(crate) fn scan(&self) -> Scan {
        Scan(json(&lockdoctor(&["scan", "--json"], self.path())))
    }

    pub(crate) fn reclaim(&self) -> Scan {
        Scan(json(&lockdoctor(&["reclaim", "--yes", "--settle", "0s", "--json"], self.path())))
    }
}

#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) transcript: PathBuf,
}

impl Session {
    pub(crate) fn lock(&self) -> PathBuf {
        self.transcript.with_extension("jsonl.lock")
    }
}

/// What `scan` or `reclaim` said of each lock.
pub(crate) struct Scan(pub(crate) Value);

impl Scan {
    pub(crate) fn of(&self, lock: &Path) -> Option<&Value> {
        let real = fs::canonicalize(lock.parent()?).ok()?.join(lock.file_name()?);
        let locks = self.0["locks"].as_array().unwrap_or_else(|| panic!("no locks[] in {}", self.0));
        locks
            .iter()
            .find(|l| l["path"].as_str().is_some_and(|p| Path::new(p) == lock || Path::new(p) == real))
    }

    /// The verdict on one lock; "absent" where the scan did not list it.
    pub(crate) fn verdict(&self, lock: &Path) -> &str {
        self.of(lock).map_or("absent", |l| l["verdict"].as_str().unwrap_or("none"))
    }

    pub(crate) fn result(&self, lock: &Path) -> &str {
        self.of(lock).map_or("absent", |l| l["result"].as_str().unwrap_or("none"))
    }
}

pub(crate) fn binary() -> PathBuf {
    std::env::var_os("LOCKDOCTOR_BIN").map_or_else(|| env!("CARGO_BIN_EXE_lockdoctor").into(), PathBuf::from)
}

/// A command of the lockdoctor under test, in an environment that knows no other install.
pub(crate) fn command(args: &[&str], state_dir: &Path) -> Command {
    let mut command = Command::new(binary());
    command.args(args).arg("--state-dir").arg(state_dir).stdin(Stdio::null());
    for name in ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR", "OPENCLAW_HOME"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn lockdoctor(args: &[&str], state_dir: &Path) -> Output {
    command(args, state_dir).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let [out, err] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
        panic!("{}: no JSON ({error})\nstdout: {out}\nstderr: {err}", output.status)
    })
}

/// A process that is killed and reaped with its handle, whatever becomes of the test.
pub(crate) struct Guarded(pub(crate) Child);

impl Guarded {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn kill(&mut self) {
        let _gone_already = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A process that does nothing for long under the name `argv0`.
pub(crate) fn bystander(argv0: &str) -> Guarded {
    use std::os::unix::process::CommandExt;
    let process = Guarded::spawn(Command::new("sleep").arg0(argv0).arg("3600").stdin(Stdio::null()));
    let exec_seen =
        || fs::read_to_string(format!("/proc/{}/comm", process.pid())).is_ok_and(|c| c == "sleep\n");
    assert!(eventually(Duration::from_secs(5), exec_seen), "sleep did not start");
    process
}

/// A script of this directory that is talked to by lines.
pub(crate) struct Node {
    pub(crate) process: Guarded,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Node {
    pub(crate) fn spawn(name: &str, args: &[&str]) -> Self {
        Self::spawn_by(&["node"], name, args)
    }

    /// `launcher` stands before the script, as `unshare … node` does.
    pub(crate) fn spawn_by(launcher: &[&str], name: &str, args: &[&str]) -> Self {
        let mut command = Command::new(launcher[0]);
        command.args(&launcher[1..]).arg(script(name)).args(args);
        let mut process = Guarded::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let stdin = process.0.stdin.take();
        let stdout = BufReader::new(process.0.stdout.take().unwrap());
        Self { process, stdin, stdout }
    }

    pub(crate) fn holder(key: &str, session: &Session) -> Self {
        let mut holder = Self::spawn("holder.mjs", &[key, session.transcript.to_str().unwrap()]);
        holder.expect("held");
        holder
    }

    /// The next thing it says; `None` when it has ended.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}")))
    }

    pub(crate) fn expect(&mut self, event: &str) -> Value {
        let said = self.next().unwrap_or_else(|| panic!("ended before it said {event}"));
        assert_eq!(said["event"], event, "{said}");
        said
    }

    /// Has a command done.
    pub(crate) fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its stdin is open until close()");
        writeln!(stdin, "{line}").unwrap();
        self.expect(line.split(' ').next().unwrap());
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }
}

/// A lock whose owner, the real code, was killed while it held it: its bytes, as they were left.
pub(crate) fn killed_owners_lock(key: &str) -> Vec<u8> {
    let state = StateDir::new(key);
    let session = state.session(0);
    Node::holder(key, &session).process.kill();
    fs::read(session.lock()).unwrap()
}

pub(crate) fn eventually(limit: Duration, mut probe: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if probe() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
