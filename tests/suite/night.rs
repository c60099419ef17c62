//! 3 a.m.: somebody types `lockdoctor`, and then what it says to type. Two commands, and the message flows.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use crate::support::{Owner, Run, TestEnv, dead_pid, payload_made};

/// What a person reads at that hour, the two commands included.
const LINES: usize = 25;
/// Of the terminal.
const COLUMNS: usize = 80;
/// Of a process that cannot be: OpenClaw removes a lock of that pid by its own rules.
const TOMBSTONE: &str = "4194305";

/// One forgotten lock that has failed a message, one left behind, one run past its limit, three runs at work.
struct Night {
    env: TestEnv,
    forgotten: PathBuf,
    left_behind: PathBuf,
    in_use: Vec<PathBuf>,
    _gateway: Owner,
}

impl Night {
    fn falls() -> Self {
        let env = TestEnv::new("2026.5.22").variable("COLUMNS", COLUMNS.to_string());
        // As at a terminal.
        let env = env.variable("LOCKDOCTOR_NO_REDACT", "true");
        let mut gateway = Owner::start();
        let chats = [
            ("main", "telegram:direct:12345678"),
            ("neo", "main"),
            ("sales", "whatsapp:direct:+4915112345432"),
            ("main", "slack:channel:c024be91l"),
            ("sales", "discord:channel:1465000000000000001"),
            ("neo", "telegram:group:-1001234567890"),
        ];
        let mut locks = Vec::new();
        for (at, (agent, rest)) in chats.iter().enumerate() {
            let id = format!("5dd6c97c-7d95-47ad-b732-08084000000{at}");
            let sessions = env.sessions(agent);
            let store = sessions.join("sessions.json");
            let mut entries: serde_json::Value = fs::read(&store)
                .map_or_else(|_| json!({}), |bytes| serde_json::from_slice(&bytes).expect("JSON"));
            entries[format!("agent:{agent}:{rest}")] = json!({ "sessionId": id });
            fs::write(&store, entries.to_string()).expect("store");
            fs::write(sessions.join(format!("{id}.jsonl")), "").expect("transcript");
            locks.push(sessions.join(format!("{id}.jsonl.lock")));
        }
        let own = env.tmp().join(format!("openclaw-{}", rustix::process::getuid().as_raw()));
        fs::create_dir_all(&own).expect("the gateway's directory");
        gateway.hold_gateway(&own.join("gateway.0a1b2c3d.lock"), &env.state().join("openclaw.json"));
        gateway.leak(&locks[0]);
        fs::write(&locks[1], payload_made(dead_pid(), Some(1), Duration::from_secs(7200))).expect("lock");
        gateway.hold_since(&locks[2], Duration::from_secs(95 * 60));
        for lock in &locks[3..] {
            gateway.hold_since(lock, Duration::from_secs(40));
        }
        let night = Self {
            forgotten: locks[0].clone(),
            left_behind: locks[1].clone(),
            in_use: locks[2..].to_vec(),
            env,
            _gateway: gateway,
        };
        night.log(chats[0].1);
        night
    }

    /// A message that failed at the forgotten lock, in the words of 2026.5.22.
    fn log(&self, rest: &str) {
        // After the lock was made.
        std::thread::sleep(Duration::from_millis(50));
        let stamp = Utc::now().format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let lock = self.forgotten.display();
        let error =
            format!("session file locked (timeout 60000ms): pid={} alive=true {lock}", std::process::id());
        let line = format!(
            "{stamp} [diagnostic] lane task error: lane=session:agent:main:{rest} durationMs=60014 \
             error=\"SessionWriteLockTimeoutError: {error}\"\n"
        );
        let logs = self.env.state().join("logs");
        fs::create_dir_all(&logs).expect("logs");
        fs::write(logs.join("gateway.log"), line).expect("log");
    }

    /// Types a line as it was read.
    fn types(&self, line: &str) -> Run {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        self.env.run(&words)
    }
}

fn names_a_tombstone(lock: &Path) -> bool {
    fs::read_to_string(lock).expect("the lock").contains(TOMBSTONE)
}

#[test]
fn two_commands_and_the_message_flows() {
    let night = Night::falls();
    let before: Vec<Vec<u8>> = night.in_use.iter().map(|lock| fs::read(lock).expect("lock")).collect();

    let answer = night.types(&format!("lockdoctor --state-dir {}", night.env.state().display())).exits(1);
    let first = answer.stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("✗ 1 chat gets no answer"), "who gets no answer comes first: {answer:#?}");
    assert!(answer.stdout.contains("1 message failed"), "{answer:#?}");
    let to_type = answer.stdout.lines().map(str::trim).find(|line| line.starts_with("lockdoctor reclaim"));
    let to_type = to_type.unwrap_or_else(|| panic!("no command to type: {answer:#?}"));

    let freed = night.types(to_type);
    assert!(names_a_tombstone(&night.forgotten) && names_a_tombstone(&night.left_behind), "{freed:#?}");
    assert!(freed.stdout.contains("Send the failed messages again"), "{freed:#?}");
    // The run past its limit is still open: said, and never taken.
    assert_eq!(freed.code, 1, "{freed:#?}");
    assert!(freed.stdout.contains("Still open"), "{freed:#?}");
    for (lock, before) in night.in_use.iter().zip(before) {
        assert_eq!(fs::read(lock).expect("lock"), before, "a lock in use is never touched");
    }

    // At home nobody types where the install is.
    let typed = format!(" --state-dir {}", night.env.state().display());
    let said = ["lockdoctor", to_type, &answer.stdout, &freed.stdout].map(|text| text.replace(&typed, ""));
    let read: usize = said.iter().map(|text| lines(text)).sum();
    assert!(read < LINES, "{read} lines:\n{}\n{}", answer.stdout, freed.stdout);
}

/// As a terminal shows a text: whatever is printed is read, blank or not, and a long line is several.
fn lines(text: &str) -> usize {
    text.lines().map(|line| line.width().div_ceil(COLUMNS).max(1)).sum()
}

/// A sentence wraps at blanks; a path or a command that is too long stands alone, so that it can be copied.
#[test]
fn at_sixty_columns_nothing_is_broken_but_what_stands_alone() {
    let night = Night::falls();
    let (state, lock) = (night.env.state(), night.in_use[0].clone());
    let (state, lock) = (state.to_string_lossy(), lock.to_string_lossy());
    for words in [
        &["status", "--state-dir", &*state][..],
        &["scan", "--all", "-v", "--state-dir", &*state],
        &["diagnose", "--state-dir", &*state],
        &["doctor", "--state-dir", &*state],
        &["reclaim", "--settle", "0s", "--state-dir", &*state],
        &["explain", &*lock],
    ] {
        let mut command = night.env.command(words);
        command.env("COLUMNS", "60");
        let run = Run::of(command);
        let wide = run.stdout.lines().filter(|line| line.width() > 60).map(str::trim);
        let broken: Vec<&str> = wide.filter(|line| line.contains(' ') && !is_a_command(line)).collect();
        assert!(
            run.stdout.lines().count() > 5 && broken.is_empty(),
            "{words:?}: {broken:#?}\n{}",
            run.stdout
        );
    }
}

fn is_a_command(line: &str) -> bool {
    ["lockdoctor ", "openclaw ", "TMPDIR=", "sudo "].iter().any(|word| line.starts_with(word))
}
