//! Logs that grow, turn over and are cut short; and a flood of them while a lock needs care.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use rustix::process::Signal;

use crate::support::watch::{Watch, holder};
use crate::support::{TestEnv, dead_pid, eventually, hold, own_pid, payload, start_ticks};

struct Log(PathBuf);

impl Log {
    fn new(env: &TestEnv) -> Self {
        let log = Self(env.home().join("gateway.log"));
        File::create(&log.0).expect("log");
        log
    }

    fn watch(&self, env: &TestEnv, arguments: &[&str]) -> Watch {
        let path = self.0.to_str().expect("UTF-8");
        let watch = Watch::start(env, &[&["--log", path], arguments].concat());
        watch.wait_for(|line| line.says("following logs"));
        watch
    }

    fn say(&self, message: &str) {
        append(&self.0, &line(message));
    }
}

/// As the console of 2026.5.22 writes it.
fn line(message: &str) -> String {
    format!("{} {message}\n", Utc::now().to_rfc3339_opts(SecondsFormat::Millis, false))
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("log");
    file.write_all(text.as_bytes()).expect("write");
}

fn wait(lane: &str, ms: u64) -> String {
    format!("[diagnostic] lane wait exceeded: lane={lane} waitedMs={ms} queueAhead=0")
}

fn waits(watch: &Watch, lane: &str) -> f64 {
    watch.metric(&format!("lockdoctor_lane_wait_seconds_count{{lane=\"{lane}\"}}"))
}

#[test]
fn lanes_are_told_as_the_log_grows_and_nobody_is_named() {
    let env = TestEnv::new("2026.5.22");
    let log = Log::new(&env);
    log.say(&wait("main", 3_000));
    let watch = log.watch(&env, &[]);
    let session = "session:agent:main:telegram:direct:+4915112345678";
    log.say(&wait(session, 7_000));
    log.say("[diagnostic] lane task error: lane=main durationMs=61000 error=\"Error: session file locked (timeout 10000ms): pid=7 /s/agents/main/sessions/x.jsonl.lock\"");
    log.say(&format!("[diagnostic] lane task error: lane={session} durationMs=61010 error=\"Error: session file locked (timeout 10000ms): pid=7 /s/agents/main/sessions/x.jsonl.lock\""));
    log.say("[diagnostic] stalled session: sessionId=x sessionKey=agent:main:main state=processing age=240s queueDepth=1 classification=stalled_agent_run activeWorkKind=model_call");
    log.say("[agent/embedded] embedded run timeout: runId=r1 sessionId=x timeoutMs=600000");
    eventually("the last line is counted", || {
        watch.metric("lockdoctor_runs_total{result=\"timed-out\"}") == 1.0
    });
    assert_eq!(waits(&watch, "session"), 1.0);
    assert_eq!(waits(&watch, "main"), 0.0, "what was there before the start is not counted");
    assert_eq!(watch.metric("lockdoctor_lane_wait_seconds_sum{lane=\"session\"}"), 7.0);
    assert_eq!(watch.metric("lockdoctor_lane_run_seconds_sum{lane=\"main\"}"), 61.0);
    assert_eq!(watch.metric("lockdoctor_lane_errors_total{lane=\"session\"}"), 1.0);
    assert_eq!(watch.metric("lockdoctor_gateway_errors_total{cause=\"lock\"}"), 1.0, "pairs count once");
    assert_eq!(watch.metric("lockdoctor_session_complaints_total{label=\"stalled\"}"), 1.0);
    assert_eq!(watch.metric("lockdoctor_log_lines_total{kind=\"event\"}"), 6.0);
    eventually("the findings are made up", || {
        let status = watch.status();
        let findings = status["findings"].as_array().expect("findings");
        findings.iter().any(|finding| finding["code"] == "run-timeout")
    });
    let status = watch.status();
    let lanes = status["lanes"].as_array().expect("lanes");
    let main = lanes.iter().find(|lane| lane["lane"] == "main").expect("the lane main");
    assert_eq!((&main["waits"], &main["wait_ms"]["max"]), (&1.into(), &3_000.into()), "{main}");
    assert_eq!(main["errors"], 1);
    assert!(lanes.iter().any(|lane| lane["lane"].as_str().is_some_and(|name| name.contains("telegram"))));
    assert_eq!(status["logs"]["files"], 1);
    for text in [status.to_string(), watch.get("/metrics").1] {
        assert!(!text.contains("4915112345678"), "{text}");
    }
    assert!(!watch.get("/metrics").1.contains("agent:main"));
}

#[test]
fn a_log_may_turn_over_and_be_cut_short() {
    let env = TestEnv::new("2026.5.22");
    let log = Log::new(&env);
    let watch = log.watch(&env, &[]);
    let mut heard = 0.0;
    let mut hears = |watch: &Watch, what: &str| {
        heard += 1.0;
        eventually(what, || waits(watch, "cron") >= heard);
    };
    let whole = line(&wait("cron", 2_500));
    let (first, second) = whole.split_at(40);
    append(&log.0, first);
    std::thread::sleep(Duration::from_millis(400));
    append(&log.0, second);
    hears(&watch, "a line that came in two parts");

    std::fs::rename(&log.0, env.home().join("gateway.log.1")).expect("rename");
    append(&env.home().join("gateway.log.1"), &line(&wait("cron", 2_600)));
    log.say(&wait("cron", 2_700));
    hears(&watch, "the last line of the old file");
    hears(&watch, "the first of the new one");

    OpenOptions::new().write(true).open(&log.0).expect("log").set_len(0).expect("cut");
    log.say(&wait("cron", 2_800));
    hears(&watch, "the first line after the cut");

    std::fs::remove_file(&log.0).expect("remove");
    std::thread::sleep(Duration::from_millis(400));
    log.say(&wait("cron", 2_900));
    hears(&watch, "a file that came back");
    assert_eq!(waits(&watch, "cron"), heard, "and none twice");
}

#[test]
fn the_log_that_the_configuration_names_is_found_and_so_is_the_next_days() {
    let env = TestEnv::new("2026.5.22");
    let logs = env.home().join("logs");
    std::fs::create_dir_all(&logs).expect("logs");
    let today = logs.join("mine.log");
    env.config(&format!(
        r#"{{"meta": {{"lastTouchedVersion": "2026.5.22"}}, "logging": {{"file": "{}"}}}}"#,
        today.display()
    ));
    append(&today, &line(&wait("first-lane", 2_100)));
    let watch = Watch::start_with_all_logs(&env, &["--no-redact"]);
    let has_lane = |name: &str| {
        let status = watch.status();
        status["lanes"].as_array().expect("lanes").iter().any(|lane| lane["lane"] == name)
    };
    eventually("what happened lately is known", || has_lane("first-lane"));
    append(&logs.join("mine-2026-11-23.log"), &line(&wait("next-day", 2_200)));
    eventually("a new file is found", || has_lane("next-day"));
    std::os::unix::fs::symlink("/etc/passwd", logs.join("mine-2026-11-24.log")).expect("link");
    append(&today, &line(&wait("still-there", 2_300)));
    eventually("the old one is still followed", || has_lane("still-there"));
}

#[test]
fn a_flood_of_log_lines_delays_no_reclaim() {
    const FLOOD: usize = 100 << 20;
    let env = TestEnv::new("2026.5.22");
    let log = Log::new(&env);
    let lock = env.session("held");
    let owner = holder(&lock);
    let watch = log.watch(&env, &["--reclaim", "--settle", "200ms"]);
    eventually("the lock is known", || watch.status()["summary"]["held"] == 1);
    let lines: String = (0..1000).map(|n| line(&wait(&format!("flood{}", n % 7), 2_000 + n))).collect();
    let mut file = OpenOptions::new().append(true).open(&log.0).expect("log");
    let mut written = 0;
    while written < FLOOD {
        file.write_all(lines.as_bytes()).expect("write");
        written += lines.len();
    }
    let read = || watch.metric("lockdoctor_log_read_bytes_total");
    eventually("it has begun to read", || read() > 0.0);
    let killed = Instant::now();
    drop(owner);
    let reclaimed = watch.wait_for(|line| line.says("reclaimed"));
    let backlog = written as f64 - read();
    eprintln!(
        "reclaimed {:.0} ms after the kill, with {:.0} MB of log still to be read",
        (reclaimed.at - killed).as_secs_f64() * 1000.0,
        backlog / 1e6
    );
    assert!(backlog > 0.0, "the lock had to wait for the log");
    assert!(watch.get("/healthz").0.starts_with("HTTP/1.1 200"));
    let memory = watch.proc_status("VmHWM");
    assert!(memory < 64 * 1024, "{memory} KiB for a flood that is read in slices");
}

/// A lock that its live owner has open, of a run that ended at its time limit a minute ago.
fn run_that_timed_out(env: &TestEnv) -> (Log, PathBuf, File) {
    let log = Log::new(env);
    let lock = env.session("dead-run");
    let held = hold(&lock, &payload(own_pid(), Some(start_ticks(own_pid()))));
    // Older than what happens to it.
    let past = std::time::SystemTime::now() - Duration::from_secs(3600);
    File::open(lock.with_extension("")).expect("transcript").set_modified(past).expect("mtime");
    let ago = |seconds| {
        let at = Utc::now() - chrono::TimeDelta::seconds(seconds);
        at.to_rfc3339_opts(SecondsFormat::Millis, false)
    };
    let bytes =
        crate::support::payload_made(own_pid(), Some(start_ticks(own_pid())), Duration::from_secs(120));
    std::fs::write(&lock, bytes).expect("payload");
    append(
        &log.0,
        &format!(
            "{} [agent/embedded] embedded run timeout: runId=r1 sessionId=dead-run timeoutMs=60000\n\
             {} [agent/embedded] embedded run abort still streaming: runId=r1 sessionId=dead-run\n",
            ago(60),
            ago(50)
        ),
    );
    (log, lock, held)
}

#[test]
fn a_run_that_the_log_says_has_timed_out_is_a_stuck_run() {
    let env = TestEnv::new("2026.5.22");
    let (log, lock, _held) = run_that_timed_out(&env);
    let bytes = std::fs::read(&lock).expect("lock");
    let watch = log.watch(&env, &["--reclaim", "--settle", "100ms"]);
    eventually("it is named", || {
        let status = watch.status();
        let findings = status["findings"].as_array().expect("findings").clone();
        findings.iter().any(|finding| finding["code"] == "stuck-run" && finding["severity"] == "warning")
    });
    watch.signal(Signal::USR1);
    watch.wait_for(|line| line.fields["message"].as_str().is_some_and(|text| text.starts_with("1 lock,")));
    assert_eq!(std::fs::read(&lock).expect("lock"), bytes, "nobody asked for it to be taken");
}

#[test]
fn what_a_timed_out_run_holds_is_freed_only_with_abandoned_and_only_if_its_transcript_rests() {
    let env = TestEnv::new("2026.5.22");
    let (log, lock, _held) = run_that_timed_out(&env);
    let transcript = lock.with_extension("");
    append(&transcript, "{}\n");
    let bytes = std::fs::read(&lock).expect("lock");
    let arguments = ["--reclaim", "--abandoned", "--settle", "200ms"];
    let watch = log.watch(&env, &arguments);
    watch.verdict(&lock, "held");
    let acted = watch.try_wait_for(Duration::from_secs(2), |line| line.says("reclaimed"));
    assert!(acted.is_none(), "its run writes on: {acted:?}");
    assert_eq!(std::fs::read(&lock).expect("lock"), bytes);
    drop(watch);

    let past = std::time::SystemTime::now() - Duration::from_secs(3600);
    File::open(&transcript).expect("transcript").set_modified(past).expect("mtime");
    let watch = log.watch(&env, &arguments);
    watch.wait_for(|line| line.is_about(&lock) && line.says("reclaimed"));
    assert!(std::fs::read_to_string(&lock).expect("tombstone").contains("4194305"));
}

#[test]
fn without_logs_nothing_is_followed() {
    let env = TestEnv::new("2026.5.22");
    std::fs::write(env.session("x"), payload(dead_pid(), Some(1))).expect("write");
    let watch = Watch::start(&env, &["--no-logs"]);
    assert_eq!(watch.metric("lockdoctor_log_files"), 0.0);
    assert_eq!(watch.status()["logs"]["files"], 0);
}
