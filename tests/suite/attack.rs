//! Files of others that mean to lead lockdoctor astray: configurations, environments. Beside the state directory lies a
//! canary of another user, built like a place with dead locks in it: nothing in it may change, not even a ctime.
//! What needs races is in `tests/long/attack.rs`. Needs root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::reclaim::{binary_for_all, command_within, dead_lock, reclaim, run, tombstone, tree};
use crate::support::{Run, Running, TestEnv, dead_pid, is_root, payload, skipped};

const HOSTILE: u32 = 4242;
const VICTIM: u32 = 4343;
const AS_HOSTILE: [&str; 4] = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"];
/// What a configuration may lead to, and what would be freed there.
const BAIT: [&str; 6] = [
    "passwd.lock",
    "sessions.json.lock",
    "Cargo.lock",
    "a.jsonl.lock",
    "main/sessions/sessions.json.lock",
    "main/sessions/a.jsonl.lock",
];

fn chown(path: &Path, uid: u32) {
    run(Command::new("chown").arg("-hR").arg(format!("{uid}:{uid}")).arg(path)).expect("chown(1)");
}

/// The canary of `owner`, readable for all or for its owner alone.
fn canary(env: &TestEnv, owner: u32, mode: u32) -> PathBuf {
    let canary = env.home().join(format!("canary-{owner}-{mode:o}"));
    fs::create_dir_all(canary.join("main/sessions")).expect("canary");
    let dead = payload(dead_pid(), Some(1));
    for name in BAIT {
        fs::write(canary.join(name), &dead).expect("bait");
    }
    for name in ["passwd", "sessions.json", "a.jsonl", "main/sessions/a.jsonl"] {
        fs::write(canary.join(name), "{}\n").expect("canary");
    }
    chown(&canary, owner);
    fs::set_permissions(&canary, Permissions::from_mode(mode)).expect("chmod");
    canary
}

/// Configurations that lead to `canary`, which lies in the home directory.
fn traps(env: &TestEnv, canary: &Path) -> Vec<(&'static str, String)> {
    let name = canary.file_name().expect("name").to_string_lossy().into_owned();
    let canary = canary.display();
    let store = |path: String| format!(r#"{{"session": {{"store": "{path}"}}}}"#);
    std::os::unix::fs::symlink(format!("../{name}"), env.state().join("link")).expect("link");
    let included = env.home().join("included.json5");
    fs::write(&included, store(format!("{canary}/sessions.json"))).expect("include");
    chown(&included, VICTIM);
    vec![
        ("a file that is no store", store(format!("{canary}/passwd"))),
        ("a name that a package manager has", store(format!("{canary}/Cargo"))),
        ("a store", store(format!("{canary}/sessions.json"))),
        ("a store for each agent", store(format!("{canary}/{{agentId}}/sessions/sessions.json"))),
        (
            "an agent that is a path",
            format!(
                r#"{{"session": {{"store": "{canary}/{{agentId}}/sessions.json"}}, "agents": {{"list": [{{"id": "main/sessions"}}, {{"id": ".."}}]}}}}"#
            ),
        ),
        ("the home directory", store(format!("~/{name}/sessions.json"))),
        ("a variable", store(format!("${{HOME}}/{name}/sessions.json"))),
        ("steps back", store(format!("{canary}/main/../sessions.json"))),
        ("a relative path", store(format!("../{name}/sessions.json"))),
        ("a link below the state directory", store("link/sessions.json".to_owned())),
        ("JSON5", format!("// a comment\n{{session: {{store: '{canary}/sessions.json',}},}}")),
        ("an include", format!(r#"{{"$include": "{}"}}"#, included.display())),
        (
            "an agent's directory",
            format!(
                r#"{{"agents": {{"list": [{{"id": "main", "agentDir": "{canary}", "workspace": "{canary}"}}], "defaults": {{"workspace": "{canary}"}}}}}}"#
            ),
        ),
        ("the list of cron jobs", format!(r#"{{"cron": {{"store": "{canary}/sessions.json"}}}}"#)),
        ("the log", format!(r#"{{"logging": {{"file": "{canary}/passwd.lock"}}}}"#)),
    ]
}

/// As root and as the hostile user: a configuration leads nowhere but to what its owner has.
#[test]
fn a_configuration_does_not_lead_to_what_is_not_its_owners() {
    if skipped(is_root(), "acting against another user needs root") {
        return;
    }
    for (owner, mode) in [(0, 0o755), (VICTIM, 0o755), (VICTIM, 0o700), (VICTIM, 0o1777)] {
        let env = TestEnv::new("2026.3.13");
        let canary = canary(&env, owner, mode);
        let before = tree(&canary);
        for (what, config) in traps(&env, &canary) {
            for wrapper in [&["env"][..], &AS_HOSTILE] {
                let (lock, _) = dead_lock(&env, "a");
                env.config(&config);
                chown(&env.state(), HOSTILE);
                let run = Run::of(command_within(&env, wrapper, &["reclaim", "--yes", "--settle", "0s"]));
                let context = format!("{what}, of {owner} with mode {mode:o}, by {}: {run:#?}", wrapper[0]);
                assert!(tree(&canary) == before, "the canary changed: {context}");
                assert!(tombstone(&lock).is_some(), "it still does its work: {context}");
                assert!((0..=2).contains(&run.code), "{context}");
                fs::remove_file(&lock).expect("tombstone");
            }
        }
    }
}

/// What belongs to the owner of the state directory is acted upon: a moved store is an honest thing too.
#[test]
fn a_store_that_its_owner_has_moved_is_freed() {
    if skipped(is_root(), "acting for another user needs root") {
        return;
    }
    let env = TestEnv::new("2026.3.13");
    let moved = canary(&env, HOSTILE, 0o755);
    env.config(&format!(r#"{{"session": {{"store": "{}/sessions.json"}}}}"#, moved.display()));
    chown(&env.state(), HOSTILE);
    let run = reclaim(&env, &["--yes", "--settle", "0s"]);
    assert!(tombstone(&moved.join("a.jsonl.lock")).is_some(), "{run:#?}");
    assert!(tombstone(&moved.join("sessions.json.lock")).is_some(), "{run:#?}");
    assert!(
        tombstone(&moved.join("passwd.lock")).is_none() && tombstone(&moved.join("Cargo.lock")).is_none()
    );
    assert_eq!(fs::metadata(moved.join("a.jsonl.lock")).expect("tombstone").uid(), HOSTILE);
}

/// Any local process can call itself a gateway and name a state directory. In a PID namespace of its own, so that no
/// other install of this machine is found.
#[test]
fn a_process_of_another_user_leads_root_to_nothing_but_a_word() {
    if skipped(is_root(), "another user's process needs root") {
        return;
    }
    let env = TestEnv::empty();
    let theirs = TestEnv::new("2026.3.13");
    let (lock, _) = dead_lock(&theirs, "a");
    let canary = canary(&theirs, 0, 0o755);
    theirs.config(&format!(r#"{{"session": {{"store": "{}/sessions.json"}}}}"#, canary.display()));
    chown(&theirs.state(), HOSTILE);
    let before = (tree(&canary), tree(&theirs.state()));
    let (binary, gateway) = (binary_for_all(&env), theirs.named_like("openclaw-gateway"));
    let script = r#"
        OPENCLAW_STATE_DIR="$1" setpriv --reuid=4242 --regid=4242 --clear-groups "$2" 1000 &
        for _ in 1 2 3 4 5 6 7 8 9 10; do grep -q openclaw /proc/$!/comm && break; sleep 0.1; done
        shift 2; exec "$@""#;
    let within = |arguments: &[&str]| {
        let mut command = apart(&env, &[], script);
        command.arg(theirs.state()).arg(&gateway).arg(&binary).args(arguments);
        Run::of(command)
    };
    let bare = within(&["reclaim", "--yes", "--settle", "0s"]);
    assert!((tree(&canary), tree(&theirs.state())) == before, "{bare:#?}");
    assert!(bare.stderr.contains("4242") && bare.stderr.contains("--state-dir"), "{bare:#?}");
    let state = theirs.state();
    let named = within(&["reclaim", "--yes", "--settle", "0s", "--state-dir", &state.to_string_lossy()]);
    assert!(tree(&canary) == before.0, "{named:#?}");
    assert!(lock.exists());
}

/// A shell script in a PID namespace of its own, which ends with it; its arguments are still to come.
fn apart(env: &TestEnv, more: &[&str], script: &str) -> Command {
    let mut command = Command::new("unshare");
    env.isolate(&mut command).args(more).args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", script, "sh"]);
    command
}

/// The story that was reported: a configuration names /etc/passwd, and a live vipw(8) loses its lock. In a mount
/// namespace with an /etc of its own.
#[test]
fn a_live_vipw_keeps_its_lock() {
    let there = is_root() && crate::support::has("vipw") && crate::support::has("unshare");
    if skipped(there, "vipw(8), unshare(1) and root are needed") {
        return;
    }
    let env = TestEnv::new("2026.3.13");
    env.config(r#"{"session": {"store": "/etc/passwd"}}"#);
    let (dead, _) = dead_lock(&env, "a");
    chown(&env.state(), HOSTILE);
    let etc = env.home().join("etc");
    run(Command::new("cp").args(["-a", "/etc"]).arg(&etc)).expect("cp(1)");
    let editor = env.home().join("editor");
    fs::write(&editor, "#!/bin/sh\nsleep 1000\n").expect("editor");
    fs::set_permissions(&editor, Permissions::from_mode(0o755)).expect("chmod");
    let script = r#"
        mount --bind "$1" /etc
        EDITOR="$2" VISUAL="$2" vipw >/dev/null 2>&1 &
        for _ in $(seq 50); do [ -e /etc/passwd.lock ] && break; sleep 0.1; done
        before=$(stat -c '%i %z %s' /etc/passwd.lock) || { echo "no lock: vipw"; exit; }
        for _ in 1 2; do "$3" reclaim --yes --settle 0s --state-dir "$4" >&2; "$3" reclaim --yes --settle 0s >&2; done
        "$3" watch --once --reclaim --settle 0s --state-dir "$4" >&2
        [ "$before" = "$(stat -c '%i %z %s' /etc/passwd.lock)" ] && echo kept || echo "taken: $before"
    "#;
    let mut command = apart(&env, &["--mount"], script);
    let mut story = Running::start(command.arg(&etc).arg(&editor).arg(binary_for_all(&env)).arg(env.state()));
    let said = story.line();
    if skipped(!said.starts_with("no lock"), &said) {
        return;
    }
    assert_eq!(said, "kept");
    assert!(tombstone(&dead).is_some() || dead.exists());
}
