//! What the tests of `reclaim` share: dead locks, looks at everything below a directory, the journal and the
//! quarantine, mounts that end with the test.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;

use crate::support::{Run, TestEnv, binary, dead_pid, eventually, hold, own_pid, payload, start_ticks};

/// A pid that no Linux kernel hands out (`PID_MAX_LIMIT`, `include/linux/threads.h`).
pub const TOMBSTONE_PID: u64 = (1 << 22) + 1;

/// The lock of session `id`, left by a process that is gone; and its bytes.
pub fn dead_lock(env: &TestEnv, id: &str) -> (PathBuf, Vec<u8>) {
    let lock = env.session(id);
    let bytes = payload(dead_pid(), Some(1));
    fs::write(&lock, &bytes).expect("lock");
    (lock, bytes)
}

/// A gateway that holds its own lock, as far as anybody can see. Found there, it is not looked for among all
/// processes, so that every run makes the same calls.
pub fn gateway(env: &TestEnv) -> File {
    let uid = rustix::process::geteuid().as_raw();
    let directory = env.state().join(format!("tmp/openclaw-{uid}"));
    fs::create_dir_all(&directory).expect("directory");
    hold(&directory.join("gateway.state.lock"), &payload(own_pid(), Some(start_ticks(own_pid()))))
}

/// `lockdoctor reclaim --state-dir …` with these options.
pub fn reclaim(env: &TestEnv, options: &[&str]) -> Run {
    Run::of(reclaim_command(env, options))
}

pub fn reclaim_command(env: &TestEnv, options: &[&str]) -> Command {
    let mut command = env.command(&["reclaim", "--state-dir"]);
    command.arg(env.state()).args(options);
    command
}

/// Acts at once and says what it did.
pub fn act(env: &TestEnv) -> Run {
    reclaim(env, &["--yes", "--settle", "0s", "--json"])
}

pub fn quarantine(env: &TestEnv, arguments: &[&str]) -> Run {
    let mut command = env.command(&["quarantine"]);
    command.args(arguments).arg("--state-dir").arg(env.state());
    Run::of(command)
}

/// lockdoctor on the state directory, from within `wrapper` (setpriv(1), strace(1)): the words before its name.
pub fn within(env: &TestEnv, wrapper: &[&str], arguments: &[&str]) -> Run {
    Run::of(command_within(env, wrapper, arguments))
}

pub fn command_within(env: &TestEnv, wrapper: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(wrapper[0]);
    env.isolate(&mut command).args(&wrapper[1..]).arg(binary_for_all(env));
    command.args(arguments).arg("--state-dir").arg(env.state());
    command
}

/// A copy of the binary where every user may execute it.
pub fn binary_for_all(env: &TestEnv) -> PathBuf {
    let copy = env.home().join("lockdoctor");
    if !copy.exists() {
        install(&binary(), &copy);
    }
    copy
}

/// Copies a program so that everybody may execute it. By another process: if this one had it open for writing
/// while another thread starts a child, it could not be executed at once (ETXTBSY).
pub fn install(program: &Path, at: &Path) {
    run(Command::new("install").args(["-m", "755"]).arg(program).arg(at)).expect("install(1)");
}

pub trait Results {
    /// How it ended for the lock at `path`.
    fn result(&self, path: &Path) -> String;
    /// Why it failed.
    fn error(&self, path: &Path) -> String;
}

impl Results for Run {
    #[track_caller]
    fn result(&self, path: &Path) -> String {
        self.lock(path)["result"].as_str().expect("result").to_owned()
    }

    #[track_caller]
    fn error(&self, path: &Path) -> String {
        self.lock(path)["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// The fields of the lock at `path`, if it is a tombstone.
pub fn tombstone(path: &Path) -> Option<Value> {
    let value: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    value.get("lockdoctor").is_some().then_some(value)
}

/// What lies in the quarantine of a home: name and bytes, drafts and all.
pub fn quarantined(home: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(home.join("lockdoctor/quarantine")) else { return BTreeMap::new() };
    let file = |entry: fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap_or_default())
    };
    entries.map(|entry| file(entry.expect("entry"))).collect()
}

/// The lines of a home's journal.
pub fn journal(home: &Path) -> Vec<Value> {
    let text = fs::read_to_string(home.join("lockdoctor/journal.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The events of a home's journal, in order.
pub fn events(home: &Path) -> Vec<String> {
    journal(home).iter().map(|line| line["event"].as_str().expect("event").to_owned()).collect()
}

/// Waits until a lockdoctor that is held up by strace stands right before its swap.
pub fn held_before_the_swap(env: &TestEnv) {
    eventually("a tombstone in the quarantine", || stands_before_the_swap(env));
    std::thread::sleep(std::time::Duration::from_millis(50));
}

/// The same; `false` if it ends before.
pub fn comes_to_the_swap(env: &TestEnv, lockdoctor: &mut Child) -> bool {
    let mut ended = false;
    eventually("a tombstone in the quarantine, or the end", || {
        ended = lockdoctor.try_wait().expect("a child").is_some();
        ended || stands_before_the_swap(env)
    });
    std::thread::sleep(std::time::Duration::from_millis(50));
    stands_before_the_swap(env)
}

/// Once the tombstone has its name, nothing but the swap is left.
fn stands_before_the_swap(env: &TestEnv) -> bool {
    quarantined(&env.state()).keys().any(|name| !name.ends_with(".new"))
}

/// Everything that can be seen of a file but its access time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub content: Vec<u8>,
    pub mode: u32,
    pub owner: (u32, u32),
    pub inode: u64,
    pub links: u64,
    pub modified: (i64, i64),
    pub changed: (i64, i64),
}

/// Everything below `root`, itself included; links are not followed.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Fact> {
    let mut facts = BTreeMap::new();
    add(root, &mut facts);
    facts
}

fn add(path: &Path, facts: &mut BTreeMap<PathBuf, Fact>) {
    let Ok(stat) = fs::symlink_metadata(path) else { return };
    let content = if stat.is_symlink() {
        fs::read_link(path).unwrap_or_default().to_string_lossy().into_owned().into_bytes()
    } else if stat.is_file() {
        fs::read(path).unwrap_or_default()
    } else {
        Vec::new()
    };
    let fact = Fact {
        content,
        mode: stat.mode(),
        owner: (stat.uid(), stat.gid()),
        inode: stat.ino(),
        links: stat.nlink(),
        modified: (stat.mtime(), stat.mtime_nsec()),
        changed: (stat.ctime(), stat.ctime_nsec()),
    };
    facts.insert(path.to_owned(), fact);
    if stat.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            add(&entry.path(), facts);
        }
    }
}

/// A mount that ends with the test.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// `mount(8)` with these words before the mount point; the reason if it cannot.
    pub fn new(words: &[&str], at: &Path) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        run(Command::new("mount").args(words).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// What another program mounted at `at`.
    pub fn already(at: &Path) -> Self {
        Self { at: at.to_owned() }
    }

    pub fn at(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.at).status().ok();
    }
}

/// Runs a command; what it said if it fails.
pub fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
