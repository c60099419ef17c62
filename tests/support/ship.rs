//! What the shipping tests share: a throw-away state directory, and the program under test.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A pid that no process has: far above what a test machine hands out, below the kernel's limit.
pub(crate) const DEAD_PID: u32 = 4_194_303;

/// A state directory with one agent.
pub(crate) struct State {
    directory: tempfile::TempDir,
}

impl State {
    /// Of an install that was last used with `version`.
    pub(crate) fn of_version(version: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir_all(directory.path().join("agents/main/sessions")).expect("mkdir");
        let state = Self { directory };
        state.write("openclaw.json", &format!(r#"{{ "meta": {{ "lastTouchedVersion": "{version}" }} }}"#));
        state
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn sessions(&self) -> PathBuf {
        self.path().join("agents/main/sessions")
    }

    pub(crate) fn write(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.path().join(relative);
        std::fs::write(&path, text).expect("write");
        path
    }

    /// A session lock that nobody has open.
    pub(crate) fn left_lock(&self, session: &str, pid: u32, age_seconds: i64) -> PathBuf {
        self.write(&format!("agents/main/sessions/{session}.jsonl.lock"), &payload(pid, age_seconds))
    }

    /// A session lock that this process holds until the file is dropped.
    pub(crate) fn held_lock(&self, session: &str, age_seconds: i64) -> File {
        let path = self.sessions().join(format!("{session}.jsonl.lock"));
        let mut file = File::create(path).expect("create");
        file.write_all(payload(std::process::id(), age_seconds).as_bytes()).expect("write");
        file
    }
}

/// As 2026.3.2 to 2026.5.7 write it; the start time only if the process can be seen.
fn payload(pid: u32, age_seconds: i64) -> String {
    let created = chrono::Utc::now() - chrono::TimeDelta::seconds(age_seconds);
    let created = created.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    match start_ticks(pid) {
        Some(ticks) => {
            format!("{{\n  \"pid\": {pid},\n  \"createdAt\": \"{created}\",\n  \"starttime\": {ticks}\n}}")
        }
        None => format!("{{\n  \"pid\": {pid},\n  \"createdAt\": \"{created}\",\n  \"starttime\": 1\n}}"),
    }
}

fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 2..].split(' ').nth(19)?.parse().ok()
}

pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_lockdoctor")
}

/// Runs lockdoctor in an environment of its own.
pub(crate) fn lockdoctor(arguments: &[&str]) -> Output {
    Command::new(program())
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .expect("lockdoctor runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

/// Says why a test did not run; a silent skip would look like a pass.
pub(crate) fn skipped(test: &str, why: &str) {
    eprintln!("SKIPPED: {test}: {why}");
}

/// Whether a program is installed.
pub(crate) fn installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
