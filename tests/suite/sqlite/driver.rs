//! A real gateway, as `drive.mjs` starts it and talks to it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use lockdoctor::leases::{SessionStatus, Sessions, StateDb, survey};
use lockdoctor::peek::held;
use serde_json::Value;

pub(crate) struct Driver {
    process: Child,
    answers: BufReader<ChildStdout>,
    pub(crate) state: PathBuf,
}

impl Driver {
    /// `Err` says why there is no such gateway here.
    pub(crate) fn new(version: &str, home: &Path, prefix: &[&str]) -> Result<Self, String> {
        if std::env::var_os("LOCKDOCTOR_LAB").is_none() {
            return Err("LOCKDOCTOR_LAB is not set: no real gateways".into());
        }
        let node = std::env::var("LOCKDOCTOR_NODE").unwrap_or_else(|_| "node".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/drive.mjs");
        let script = script.to_str().ok_or("a path that is not UTF-8")?;
        let key = format!("openclaw-{version}");
        let home = home.to_str().ok_or("a path that is not UTF-8")?;
        let words = [prefix, &[&node, script, &key, home]].concat();
        let mut process = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", words[0]))?;
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        let mut driver = Self { process, answers, state: PathBuf::new() };
        let ready = driver.answer()?;
        driver.state = ready["state"].as_str().unwrap_or_default().into();
        Ok(driver)
    }

    pub(crate) fn tell(&mut self, command: &str) -> Result<Value, String> {
        let stdin = self.process.stdin.as_mut().expect("piped");
        writeln!(stdin, "{command}").map_err(|error| error.to_string())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&line).map_err(|_| format!("the driver said {line:?}"))?;
        if answer["ok"] == true { Ok(answer) } else { Err(answer["error"].to_string()) }
    }

    pub(crate) fn state_db(&self) -> StateDb {
        survey(&self.state, Sessions::Running).state.expect("readable")
    }

    /// How many sessions are running, and whether their runs are under way.
    pub(crate) fn running(&self) -> Vec<bool> {
        let agents = survey(&self.state, Sessions::Running).agents;
        let nodes = agents.iter().flat_map(|(_, db)| db.as_ref().expect("readable").nodes.rows());
        nodes
            .inspect(|node| assert_eq!(node.status, Some(SessionStatus::Running)))
            .map(|node| node.lifecycle_run_id.is_some())
            .collect()
    }

    /// Who has the shared database open.
    pub(crate) fn opened_by(&self) -> Vec<Option<u32>> {
        let shm = Path::new("state/openclaw.sqlite-shm");
        let holds = held::below(&self.state, shm, [held::WAL_OPEN]).into_iter().flatten().flatten();
        holds.map(|hold| hold.pid).collect()
    }

    /// Who holds the gateway's own coordinator, as far as the kernel names them.
    pub(crate) fn gateway_lock(&self) -> Vec<Option<u32>> {
        let tmp = fs::read_dir(self.state.join("tmp")).expect("there").flatten();
        let uid =
            tmp.map(|entry| entry.file_name()).find(|name| name.to_string_lossy().starts_with("openclaw"));
        let name = Path::new("tmp").join(uid.expect("a lock directory")).join("gateway.state.lock.sqlite");
        let [holds] = held::below(&self.state, &name, [held::DATABASE]).expect("asked");
        holds.into_iter().map(|hold| hold.pid).collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.tell("stop");
        let _ = self.process.wait();
    }
}

/// What is not here is skipped; everything else that goes wrong is a failure.
pub(crate) fn skipped(version: &str, why: &str) {
    let not_here =
        ["LOCKDOCTOR_LAB", "is not installed", "cannot be run"].iter().any(|sign| why.contains(sign));
    assert!(not_here, "openclaw {version}: {why}");
    assert!(std::env::var_os("LOCKDOCTOR_REQUIRE_REAL").is_none(), "required, but {why}");
    eprintln!("SKIPPED: openclaw {version}: {why}");
}
