//! Every place where lockdoctor says something, at once: what may not be said is said by none of them, and one bad item
//! silences none.

mod advice;
mod names;
mod planted;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::watch::Watch;
use crate::support::{Run, TestEnv, eventually};

/// Where it was said, and so who may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Whoever sits at this machine.
    Here,
    /// It leaves the machine.
    Elsewhere,
}

#[derive(Debug)]
struct Said {
    outlet: String,
    reader: Reader,
    text: String,
}

/// What every outlet says of the install at `state`, with `log` as its log, and of `lock`.
fn everything(env: &TestEnv, state: &Path, log: &Path, lock: &Path) -> Vec<Said> {
    let (state, log, lock) = (state.to_string_lossy(), log.to_string_lossy(), lock.to_string_lossy());
    let at_the_logs = ["--log", &*log, "--state-dir", &*state];
    let at_the_install = ["--state-dir", &*state];
    let mut said = Vec::new();
    for (command, options) in [
        (&["scan", "--all"] as &[&str], &at_the_install as &[&str]),
        (&["scan", "--all", "--format", "plain"], &at_the_install),
        (&["scan", "--all", "--json"], &at_the_install),
        (&["scan", "--all", "--format", "ndjson"], &at_the_install),
        (&["status"], &at_the_logs),
        (&["status", "--json"], &at_the_logs),
        (&["status", "--format", "plain"], &at_the_logs),
        (&["diagnose"], &at_the_logs),
        (&["diagnose", "--verbose"], &at_the_logs),
        (&["diagnose", "--json"], &at_the_logs),
        (&["diagnose", "--format", "plain"], &at_the_logs),
        (&["diagnose", "--format", "ndjson"], &at_the_logs),
        (&["explain", &*lock], &[]),
        (&["explain", "--json", &*lock], &[]),
        (&["check", "--verbose"], &at_the_install),
        (&["check", "--json"], &at_the_install),
        (&["doctor"], &at_the_install),
        (&["doctor", "--json"], &at_the_install),
        (&["reclaim", "--settle", "0s"], &at_the_install),
        (&["reclaim", "--settle", "0s", "--json"], &at_the_install),
        (&["quarantine", "list"], &at_the_install),
        (&["report", "--output", "-"], &at_the_logs),
    ] {
        let run = env.run(&[command, options].concat());
        let reader = if command[0] == "report" { Reader::Elsewhere } else { Reader::Here };
        said.push(Said::of(command.join(" "), reader, &run));
    }
    said.extend(of_the_daemon(env, &state, &log));
    said
}

impl Said {
    fn of(outlet: String, reader: Reader, run: &Run) -> Self {
        Self { outlet, reader, text: format!("{}{}", run.stdout, run.stderr) }
    }
}

/// Listener, log, command and web hook.
fn of_the_daemon(env: &TestEnv, state: &str, log: &str) -> Vec<Said> {
    let (url, posted) = receiver();
    let told = env.home().join("told");
    let command = format!("cat >> '{}'", told.display());
    let there = ["watch", "--state-dir", state, "--listen", "127.0.0.1:0"];
    let loud = ["--log-format", "json", "--log-level", "debug"];
    let told_to = ["--log", log, "--webhook", &url, "--shell", "--on-finding", &command];
    let mut watch = Watch::spawn(env, &[&there[..], &loud, &told_to].concat());
    eventually("the web hook hears of it", || !posted.lock().expect("posted").is_empty());
    eventually("the command hears of it", || told.metadata().is_ok_and(|told| told.len() > 0));
    // The diagnosis of the log comes with its next pace.
    std::thread::sleep(Duration::from_secs(3));
    let mut said: Vec<Said> = ["/", "/status.json", "/metrics", "/healthz", "/readyz", "/nonsense"]
        .into_iter()
        .map(|path| {
            let (head, body) = watch.get(path);
            let wanted = if path == "/nonsense" { "404" } else { "200" };
            assert!(head.starts_with(&format!("HTTP/1.1 {wanted}")), "{path}: {head}\n{body}");
            let text = format!("{head}\n{body}");
            Said { outlet: path.to_owned(), reader: Reader::Elsewhere, text }
        })
        .collect();
    watch.signal(rustix::process::Signal::TERM);
    watch.child.wait().expect("ends");
    let log: String = watch.lines().iter().map(|line| format!("{}\n", line.fields)).collect();
    let posted = posted.lock().expect("posted").join("\n");
    let told = fs::read_to_string(&told).expect("UTF-8");
    for (outlet, reader, text) in [
        ("the log of watch", Reader::Here, log),
        ("web hook", Reader::Elsewhere, posted),
        ("command", Reader::Elsewhere, told),
    ] {
        said.push(Said { outlet: outlet.to_owned(), reader, text });
    }
    said
}

/// An address for a web hook, and the bodies that come.
fn receiver() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}/hook", listener.local_addr().expect("address"));
    let posted: Arc<Mutex<Vec<String>>> = Arc::default();
    let bodies = Arc::clone(&posted);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            while !bytes.ends_with(b"}\n") {
                match stream.read(&mut buffer) {
                    Ok(read @ 1..) => bytes.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .ok();
            bodies.lock().expect("posted").push(String::from_utf8_lossy(&bytes).into_owned());
        }
    });
    (url, posted)
}
