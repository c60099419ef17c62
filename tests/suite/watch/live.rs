//! The live view on a real terminal: `script` makes one.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::support::{TestEnv, binary, dead_pid, eventually, payload_made};

const KEY: &str = "agent:main:telegram:direct:123456789";
const ID: &str = "5dd6c97c-7d95-47ad-b732-080840c144ca";

/// A terminal of 60 columns with a command in it.
struct Terminal {
    child: Child,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
}

impl Terminal {
    fn run(env: &TestEnv, command: &str) -> Self {
        let mut script = Command::new("script");
        let inside = format!("stty cols 60 rows 24; {command}; echo left with $?");
        env.isolate(&mut script).args(["-qec", &inside, "/dev/null"]);
        script.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = script.spawn().expect("script");
        let mut stdout = child.stdout.take().expect("a pipe");
        let (tell, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                if tell.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, output, screen: vt100::Parser::new(24, 60, 0) }
    }

    fn shows(&mut self, wanted: &str) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let shown = self.screen.screen().contents();
            if shown.contains(wanted) {
                return shown;
            }
            match self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(error) => panic!("{error}: no {wanted:?} on the screen:\n{shown}"),
            }
        }
    }

    fn is_drawn_on(&self) -> bool {
        self.screen.screen().alternate_screen()
    }

    fn types(&mut self, keys: &str) {
        self.child.stdin.as_mut().expect("a pipe").write_all(keys.as_bytes()).expect("a terminal");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn blocked() -> TestEnv {
    let env = TestEnv::new("2026.3.13");
    fs::write(env.session(ID), payload_made(dead_pid(), None, Duration::from_secs(300))).expect("lock");
    let store = format!(r#"{{"{KEY}": {{"sessionId": "{ID}"}}}}"#);
    fs::write(env.sessions("main").join("sessions.json"), store).expect("store");
    env
}

fn watch(env: &TestEnv) -> String {
    format!("{} watch --no-logs --state-dir {}", binary().display(), env.state().display())
}

#[test]
fn a_lock_is_shown_explained_and_freed_and_the_terminal_given_back() {
    let env = blocked();
    let lock = || fs::read_to_string(env.session(ID)).expect("the lock");
    // Whoever has said yes for good has said it for commands that they type.
    let mut terminal = Terminal::run(&env, &format!("LOCKDOCTOR_YES=1 {}", watch(&env)));
    // One's own chat on one's own terminal.
    terminal.shows("Telegram 123456789");
    assert!(terminal.is_drawn_on());
    terminal.types("e");
    terminal.shows("Evidence");
    terminal.types("\u{1b}");
    terminal.shows("q quit");
    terminal.types("f");
    terminal.shows("y free it");
    assert!(!lock().contains("4194305"), "a plan changes nothing");
    terminal.types("y");
    terminal.shows("Freed");
    assert!(lock().contains("4194305"), "{}", terminal.shows("Freed"));
    terminal.types("\u{1b}");
    terminal.shows("q quit");
    terminal.types("q");
    terminal.shows("left with 0");
    assert!(!terminal.is_drawn_on());
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let env = blocked();
    let mut terminal = Terminal::run(&env, &format!("timeout --foreground -s TERM 5 {}", watch(&env)));
    terminal.shows("Telegram 123456789");
    terminal.shows("left with 124");
    assert!(!terminal.is_drawn_on());
}

#[test]
fn a_log_format_asks_for_lines() {
    let env = blocked();
    let mut terminal = Terminal::run(&env, &format!("{} --log-format text --once", watch(&env)));
    let shown = terminal.shows("left with");
    assert!(shown.contains("watching") && !terminal.is_drawn_on(), "{shown}");
}

#[test]
fn a_terminal_that_is_gone_ends_it() {
    let env = blocked();
    let mut terminal = Terminal::run(&env, &watch(&env));
    terminal.shows("Telegram 123456789");
    let state = env.state().to_string_lossy().into_owned();
    assert!(is_watched(&state));
    drop(terminal);
    eventually("it has ended", || !is_watched(&state));
}

fn is_watched(state: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok()).any(|words| {
        let words = String::from_utf8_lossy(&words).into_owned();
        words.contains("lockdoctor\0watch\0") && words.contains(state)
    })
}
