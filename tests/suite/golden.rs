//! The documents for programs, whole, about the directory of the demo: what leans on them sees every change here.
//! Numbers and times that differ from run to run are spelled `#`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{TestEnv, binary, skipped};

/// A demo, held up right after it has set its stage.
struct Stage {
    demo: Child,
    env: TestEnv,
}

impl Stage {
    fn set() -> Self {
        let env = TestEnv::empty();
        let mut command = Command::new(binary());
        env.isolate(&mut command).arg("demo").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut demo = command.spawn().expect("demo");
        let mut line = String::new();
        BufReader::new(demo.stdout.take().expect("piped")).read_line(&mut line).expect("an introduction");
        let pid = rustix::process::Pid::from_child(&demo);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("stop");
        // What has closed its pipe to the demo needs a moment to become the zombie of the scene.
        std::thread::sleep(Duration::from_millis(300));
        Self { demo, env }
    }

    fn directory(&self) -> PathBuf {
        self.env.tmp().join(format!("lockdoctor-demo-{}", self.demo.id()))
    }

    /// What `lockdoctor WORDS --json` says of the stage.
    fn json(&self, words: &[&str]) -> Value {
        let mut command = self.env.command(words);
        command.args(["--json", "--state-dir"]).arg(self.directory().join("state"));
        let output = command.env("TMPDIR", self.directory().join("tmp")).output().expect("lockdoctor");
        let mut json: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        // Worst first, then the oldest; some are as old as others to the millisecond.
        if let Some(details) = json.get_mut("details").and_then(Value::as_array_mut) {
            details.sort_by_key(ToString::to_string);
        }
        json["exit_status"] = output.status.code().into();
        json
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Its processes end with its pipes.
        self.demo.kill().ok();
        self.demo.wait().ok();
        fs::remove_dir_all(self.directory()).ok();
    }
}

/// What a gateway of 2026.5.22 writes when a message fails at `lock`.
fn log_of(lock: &str) -> String {
    let at = (chrono::Utc::now() - chrono::TimeDelta::minutes(3)).format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let error = format!("Error: session file locked (timeout 60000ms): pid=99 {lock}");
    ["main", "session:agent:nina:main"]
        .map(|lane| {
            format!("{at} [diagnostic] lane task error: lane={lane} durationMs=60014 error=\"{error}\"\n")
        })
        .concat()
}

#[test]
fn the_documents_about_the_demo_are_as_ever() {
    let container = Command::new("unshare").args(["--pid", "--fork", "true"]).output();
    if skipped(container.is_ok_and(|output| output.status.success()), "no PID namespace may be made here") {
        return;
    }
    let stage = Stage::set();
    let lock = |name: &str| {
        let path = stage.directory().join("state/agents").join(name);
        path.to_str().expect("UTF-8").to_owned()
    };
    let log = stage.directory().join("gateway.log");
    fs::write(&log, log_of(&lock("nina/sessions/killed.jsonl.lock"))).expect("log");
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("golden");
    let directory = stage.directory().to_string_lossy().replace('.', r"\.");
    let first_process = fs::read_to_string("/proc/1/comm").expect("procfs");
    let first_process = format!(r#""{}""#, first_process.trim_end().replace('.', r"\."));
    for (pattern, plain) in [
        (directory.as_str(), "/demo"),
        // Whatever pid 1 is called here, and whenever it began.
        (first_process.as_str(), r#""pid-1""#),
        (r#""owner_start_ticks": \d+"#, r#""owner_start_ticks": #"#),
        // What is masked differs with the directory's name.
        (r"…[0-9a-f]{4}\b", "…#"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "#"),
        (r"\b\d+ (d|h|min|ms|s)( \d+ (h|min|ms|s))*\b", "#"),
        (r"\b\d+(d|h|m|ms|s)( \d+(h|m|s))*\b", "#"),
        (r"\b[0-9a-f]{16}\b", "#"),
        (r"\b\d{3,}\b", "#"),
        (r#"(_ms"|Ms"|"cpu_percent"|"size"): [0-9.]+"#, "$1: #"),
        // Whether the locks are older than the machine is up.
        (r#""previous-boot",\s*|previous-boot, "#, ""),
    ] {
        settings.add_filter(pattern, plain);
    }
    let [killed, hanging] = ["nina/sessions/killed.jsonl.lock", "main/sessions/hanging.jsonl.lock"].map(lock);
    let documents: [(&str, Vec<&str>); 6] = [
        ("scan", vec!["scan"]),
        ("reclaim", vec!["reclaim"]),
        ("check", vec!["check"]),
        ("diagnose", vec!["diagnose", "--log", log.to_str().expect("UTF-8")]),
        ("explain-killed", vec!["explain", &killed]),
        ("explain-hanging", vec!["explain", &hanging]),
    ];
    settings.bind(|| {
        for (name, words) in documents {
            let text = serde_json::to_string_pretty(&stage.json(&words)).expect("JSON");
            insta::assert_snapshot!(name, text);
        }
    });
}
