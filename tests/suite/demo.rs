//! The first command of the README: shows every state, quickly, and leaves nothing behind.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{AS_NOBODY, Run, TestEnv, binary, eventually, is_root, skipped};

const VERDICTS: [&str; 6] = ["stale", "leaked", "overdue", "held", "initialising", "refused"];
const REASONS: [&str; 6] = ["dead-pid", "zombie-pid", "recycled-pid", "thread-id", "malformed", "no-writer"];

fn left_in(env: &TestEnv) -> Vec<String> {
    let entries = fs::read_dir(env.tmp()).expect("tmp").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Processes of a demo that was started with this environment; theirs name the parent's directory.
fn actors_of(pid: u32) -> usize {
    let is_actor = |entry: &fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)).map(str::to_owned);
        parent == Some(pid.to_string())
    };
    fs::read_dir("/proc").expect("/proc").flatten().filter(is_actor).count()
}

fn shows_everything(run: &Run) {
    for word in VERDICTS.iter().chain(&REASONS) {
        assert!(run.stdout.contains(word), "{word}: {run:#?}");
    }
    assert!(run.stdout.contains("lockdoctor scan"), "{run:#?}");
    assert_eq!(run.stderr, "");
}

#[test]
fn it_shows_every_state_and_cleans_up() {
    let env = TestEnv::empty();
    let run = env.run(&["demo"]).exits(0);
    shows_everything(&run);
    assert_eq!(left_in(&env), Vec::<String>::new());
    let before = run.stdout.find("What you see").expect("an explanation");
    let after = run.stdout.rfind("lockdoctor scan --state-dir").expect("a second scan");
    assert!(run.stdout[..before].contains(" stale ") && !run.stdout[after..].contains(" stale "), "{run:#?}");
}

#[test]
fn it_needs_neither_root_nor_a_home() {
    if skipped(is_root(), "running as another user needs root") {
        return;
    }
    let env = TestEnv::empty();
    fs::set_permissions(env.tmp(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).expect("chmod");
    let mut command = Command::new(AS_NOBODY[0]);
    env.isolate(&mut command).env_remove("HOME").args(&AS_NOBODY[1..]).arg(env.binary_for_all()).arg("demo");
    shows_everything(&Run::of(command).exits(0));
    assert_eq!(left_in(&env), Vec::<String>::new());
}

#[test]
fn an_interruption_cleans_up_too() {
    for (signal, cleans) in [("INT", true), ("TERM", true), ("KILL", false)] {
        let env = TestEnv::empty();
        let mut command = Command::new(binary());
        env.isolate(&mut command).arg("demo").stdout(Stdio::null()).stderr(Stdio::null());
        let mut demo = command.spawn().expect("demo");
        let pid = demo.id();
        eventually("its processes play", || actors_of(pid) >= 4);
        let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().expect("kill(1)");
        assert!(sent.success());
        demo.wait().expect("demo");
        assert!(!cleans || left_in(&env).is_empty(), "{signal}: {:?}", left_in(&env));
        // Its actors end with the pipe, whoever ended the demo: nobody is left to have its directory open.
        eventually("its actors end", || {
            let holds = |entry: &fs::DirEntry| {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let own = fs::read_link(entry.path().join("fd/3")).unwrap_or_default();
                line.windows(10).any(|word| word == b"demo-actor") && own.starts_with(env.tmp())
            };
            !fs::read_dir("/proc").expect("/proc").flatten().any(|entry| holds(&entry))
        });
    }
}
