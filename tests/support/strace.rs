//! lockdoctor under strace(1): which calls it makes, and what becomes of it if one of them is tampered with.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::reclaim::command_within;
use crate::support::TestEnv;

/// One system call of a traced run.
#[derive(Debug, Clone)]
pub struct Call {
    pub name: String,
    /// The how-manieth of its name, from 1: what `when=` counts.
    pub nth: usize,
    pub line: String,
}

impl Call {
    /// An expression for `-e` that tampers with just this call.
    pub fn inject(&self, what: &str) -> String {
        format!("inject={}:{what}:when={}", self.name, self.nth)
    }
}

/// A run under strace.
#[derive(Debug)]
pub struct Traced {
    pub calls: Vec<Call>,
    pub killed: bool,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Traced {
    /// Reads what `strace -f -o` wrote of a process with one thread.
    pub fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut calls = Vec::new();
        for line in text.lines() {
            let call = line.split_once(' ').map_or("", |(_, rest)| rest.trim_start());
            let Some((name, _)) = call.split_once('(') else { continue };
            if name.starts_with(['+', '-', '<']) {
                continue;
            }
            let nth = counts.entry(name.to_owned()).and_modify(|count| *count += 1).or_insert(1);
            calls.push(Call { name: name.to_owned(), nth: *nth, line: call.to_owned() });
        }
        let killed = text.contains("+++ killed by SIGKILL +++");
        Self { calls, killed, code: None, stdout: String::new(), stderr: String::new() }
    }
}

/// Runs `lockdoctor ARGUMENTS` on the state directory with these `-e` expressions.
pub fn trace(env: &TestEnv, arguments: &[&str], expressions: &[String]) -> Traced {
    let file = env.tmp().join("trace");
    let mut words = vec!["strace", "-f", "-s", "400", "-o", file.to_str().expect("UTF-8")];
    for expression in expressions {
        words.extend(["-e", expression.as_str()]);
    }
    let mut command = command_within(env, &words, arguments);
    let output = command.output().expect("strace runs");
    let mut traced = Traced::read(&file);
    traced.code = output.status.code();
    traced.stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    traced.stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!traced.stderr.contains("panicked"), "{traced:#?}");
    traced
}

/// Knows the calls by which a process with one thread reads files whose path is of a kind, one after the other.
pub struct Reads {
    concerns: fn(&str) -> bool,
    /// The descriptor that is read from, as strace writes it; empty without one.
    open: String,
}

impl Reads {
    pub fn of(concerns: fn(&str) -> bool) -> Self {
        Self { concerns, open: String::new() }
    }

    /// Whether this call, the next of the trace, names one of them, reads it or closes it.
    pub fn include(&mut self, call: &str) -> bool {
        let Some((name, arguments)) = call.split_once('(') else { return false };
        let path = arguments.strip_prefix("AT_FDCWD, ").unwrap_or(arguments).strip_prefix('"');
        if path.and_then(|path| path.split_once('"')).is_some_and(|(path, _)| (self.concerns)(path)) {
            if name.starts_with("open") {
                self.open = arguments.rsplit_once("= ").map_or_else(String::new, |(_, fd)| fd.to_owned());
            }
            return true;
        }
        let reads = arguments.split([',', ')']).next() == Some(&self.open);
        if reads && name == "close" {
            self.open.clear();
        }
        reads
    }
}

/// Tries an aimed act until it hits: a call is known by the how-manieth of its name it is, counted from the start of the
/// process, and whatever else goes on on the machine shifts that.
pub fn aimed<T>(what: &str, mut shot: impl FnMut() -> Option<T>) -> T {
    (0..50).find_map(|_| shot()).unwrap_or_else(|| panic!("{what}: never hit in 50 attempts"))
}

pub fn works() -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    strace.status().is_ok_and(|status| status.success())
}
