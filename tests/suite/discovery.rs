//! Which installs are found, which parts of one are looked at, and that each lock is listed once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::{Run, Running, TestEnv, dead_pid, eventually, hold, is_root, own_pid, payload, skipped};
use serde_json::Value;

/// A lock of session `id` in a state directory at `state`, held by this process.
fn held_in(state: &Path, id: &str) -> (std::path::PathBuf, fs::File) {
    let sessions = state.join("agents/main/sessions");
    fs::create_dir_all(&sessions).expect("sessions");
    let lock = sessions.join(format!("{id}.jsonl.lock"));
    let open = hold(&lock, &payload(own_pid(), None));
    (lock, open)
}

fn listed(run: &Run, lock: &Path) -> bool {
    run.paths().iter().any(|path| Path::new(path) == lock)
}

fn roots(run: &Run) -> Vec<String> {
    let json = run.json();
    let roots = json["roots"].as_array().expect("roots");
    roots.iter().filter_map(|root| root["path"].as_str().map(str::to_owned)).collect()
}

#[test]
fn the_home_directory_with_profiles_and_former_names() {
    let env = TestEnv::empty();
    let names = [".openclaw", ".openclaw-work", ".clawdbot", ".moltbot", ".moldbot", ".clawdbot-dev"];
    let locks: Vec<_> = names.iter().map(|name| held_in(&env.home().join(name), "a")).collect();
    fs::create_dir_all(env.home().join(".openclawish/agents")).expect("directory");
    let scan = env.run(&["scan", "--json"]);
    for (lock, _) in &locks {
        scan.says(lock, "held");
    }
    assert!(!roots(&scan).iter().any(|root| root.contains("openclawish")));
}

#[test]
fn variables_that_name_the_state_directory() {
    for variable in ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR"] {
        let env = TestEnv::empty();
        let state = env.home().join("elsewhere");
        let (lock, _open) = held_in(&state, "a");
        let env = env.variable(variable, &state);
        env.run(&["scan", "--json"]).says(&lock, "held");
    }
    let env = TestEnv::empty();
    let home = env.home().join("other-home");
    let (lock, _open) = held_in(&home.join(".openclaw"), "a");
    let env = env.variable("OPENCLAW_HOME", "~/other-home");
    env.run(&["scan", "--json"]).says(&lock, "held");
}

/// Of the commands that look at a state directory: what they say of `directory`, and their exit codes.
fn looked_at(env: &TestEnv, directory: &Path) -> Vec<(&'static str, Run)> {
    let directory = directory.to_string_lossy().into_owned();
    let commands = ["scan", "check", "doctor", "reclaim", "diagnose"];
    commands.map(|command| (command, env.run(&[command, "--state-dir", &directory]))).into()
}

#[test]
fn a_directory_without_anything_of_openclaw_is_not_healthy() {
    let env = TestEnv::new("2026.3.13");
    let mistyped = env.home().join("notes");
    fs::create_dir(&mistyped).expect("directory");
    fs::write(mistyped.join("todo.md"), "").expect("file");
    let hint = format!("did you mean {}?", env.state().display());
    for (place, hint) in [(env.home(), hint.as_str()), (&mistyped, "name the state directory")] {
        for (command, run) in looked_at(&env, place) {
            assert_eq!(run.code, if command == "check" { 3 } else { 2 }, "{command}: {run:?}");
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(said.contains("does not look like an OpenClaw directory; "), "{command}: {said}");
            assert!(said.contains(hint), "{command}: {said}");
        }
        let run = env.run(&["scan", &place.to_string_lossy()]);
        assert_eq!(run.code, 2, "{run:?}");
        let run = env.run(&["watch", "--once", "--state-dir", &place.to_string_lossy()]);
        assert_eq!(run.code, 2, "{run:?}");
        assert_eq!(run.stderr.matches("WARN").count(), 1, "{run:?}");
        assert!(run.stderr.contains(hint), "{run:?}");
    }
    let called_like_one = env.home().join(".openclaw-work");
    fs::create_dir_all(called_like_one.join("photos")).expect("directory");
    let run = env.run(&["scan", "--state-dir", &called_like_one.to_string_lossy()]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("is it the directory that your gateway uses?"), "{run:?}");
    let sessions = env.home().join("copy");
    fs::create_dir(&sessions).expect("directory");
    fs::write(sessions.join("a.jsonl"), "").expect("file");
    let run = env.run(&["scan", "--state-dir", &sessions.to_string_lossy()]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("name it as a PATH"), "{run:?}");
    assert_eq!(env.run(&["scan", &sessions.to_string_lossy()]).code, 0);
}

#[test]
fn a_fresh_install_and_a_volume_that_is_filled_later_are_no_mistake() {
    let env = TestEnv::empty();
    for first in [
        "agents",
        "identity",
        "devices",
        "tasks",
        "openclaw.json",
        "clawdbot.json",
        "openclaw.json.last-good",
        "config-journal-fingerprint.key",
    ] {
        let state = env.home().join(format!("with-{first}"));
        fs::create_dir_all(state.join("logs")).expect("directory");
        if first.contains('.') {
            fs::write(state.join(first), "{}").expect("file");
        } else {
            fs::create_dir(state.join(first)).expect("directory");
        }
        let run = env.run(&["scan", "--state-dir", &state.to_string_lossy()]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{first}");
    }
    let prepared: [&[&str]; 4] =
        [&["lost+found"], &["workspace"], &["logs", "data", "skills", "workspace", "tmp"], &[]];
    for (number, names) in prepared.into_iter().enumerate() {
        let volume = env.home().join(format!("volume{number}"));
        fs::create_dir(&volume).expect("directory");
        for name in names {
            fs::create_dir(volume.join(name)).expect("directory");
        }
        for (command, run) in looked_at(&env, &volume) {
            match command {
                "check" => assert!(
                    run.stdout.starts_with("LOCKS OK - nothing of OpenClaw's is here yet | "),
                    "{run:?}"
                ),
                "doctor" => assert_ne!(run.code, 2, "{run:?}"),
                _ => assert_eq!(run.code, 0, "{command}, {names:?}: {run:?}"),
            }
        }
        let volume = volume.to_string_lossy();
        let run = env.run(&["scan", "--state-dir", &volume]);
        assert!(run.stderr.contains("nothing of OpenClaw's is here yet"), "{run:?}");
        let timer = env.run(&["reclaim", "--yes", "--quiet", "--state-dir", &volume]);
        assert_eq!((timer.code, timer.stdout.as_str(), timer.stderr.as_str()), (0, "", ""));
        assert_eq!(env.run(&["watch", "--once", "--state-dir", &volume]).code, 0, "{names:?}");
    }
}

/// Nothing but dot names, as in the home directory of a service: its state directory was meant.
#[test]
fn a_home_directory_is_not_taken_for_a_volume() {
    let env = TestEnv::empty();
    let home = env.home().join("service");
    fs::create_dir_all(home.join(".openclaw/agents")).expect("directory");
    fs::create_dir(home.join(".cache")).expect("directory");
    let run = env.run(&["scan", "--state-dir", &home.to_string_lossy()]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("service/.openclaw?"), "{run:?}");
}

#[test]
fn watch_says_what_it_waits_for() {
    let env = TestEnv::empty();
    let missing = env.home().join("later");
    let run = env.run(&["watch", "--once", "--state-dir", &missing.to_string_lossy()]);
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(run.stderr.matches("WARN").count(), 1, "{run:?}");
    assert!(run.stderr.contains("is not there"), "{run:?}");
    assert!(!run.stderr.contains("waiting"), "{run:?}");
    assert!(run.stderr.contains("later"), "{run:?}");
}

#[test]
fn the_environment_of_a_gateway_that_runs() {
    let env = TestEnv::empty();
    let state = env.home().join("service/state");
    let (lock, _open) = held_in(&state, "a");
    let version = r#"{ "meta": { "lastTouchedVersion": "2026.3.13" } }"#;
    fs::write(state.join("openclaw.json"), version).expect("configuration");
    let mut command = Command::new(env.named_like("openclaw-gateway"));
    env.isolate(&mut command).arg("1000").env("OPENCLAW_STATE_DIR", &state);
    let gateway = Running::start(&mut command);
    let pid = gateway.id();
    eventually("the gateway is found", || listed(&env.run(&["scan", "--json"]), &lock));
    let scan = env.run(&["scan", "--json"]);
    let json = scan.json();
    let root =
        json["roots"].as_array().expect("roots").iter().find(|root| root["path"] == *state.to_string_lossy());
    let root = root.expect("its root");
    assert_eq!(root["gateway"]["state"], "running");
    assert_eq!(root["gateway"]["pid"], pid);
    assert!(root["gateway"]["up_ms"].as_u64().is_some());
    drop(gateway);
    let state = state.to_string_lossy();
    let down = env.run(&["scan", "--json", "--state-dir", &state]).exits(0);
    assert_eq!(down.json()["roots"][0]["gateway"]["state"], "down");
}

/// Apart from whatever else runs on this machine.
#[test]
fn no_install_is_an_error_that_names_the_places() {
    let apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let works = is_root()
        && Command::new(apart[0]).args(&apart[1..]).arg("true").status().is_ok_and(|status| status.success());
    if skipped(works, "to see no gateway of others takes root and unshare(1)") {
        return;
    }
    let env = TestEnv::empty();
    let mut command = Command::new(apart[0]);
    env.isolate(&mut command).args(&apart[1..]).arg(crate::support::binary()).args(["scan"]);
    let run = Run::of(command).exits(2);
    assert_eq!(run.stdout, "");
    for place in [".openclaw", ".clawdbot", ".moltbot", ".moldbot"] {
        let place = env.home().join(place);
        assert!(run.stderr.contains(&*place.to_string_lossy()), "{run:#?}");
    }
    assert!(run.stderr.contains("lockdoctor demo") && run.stderr.contains("--state-dir"), "{run:#?}");
}

#[test]
fn one_directory_is_one_install_whatever_its_names() {
    let env = TestEnv::new("2026.5.22");
    let (lock, _open) = held_in(&env.state(), "a");
    symlink(env.state(), env.home().join(".clawdbot")).expect("symlink");
    let found = env.run(&["scan", "--json"]);
    assert_eq!(
        roots(&found).iter().filter(|root| root.starts_with(&*env.home().to_string_lossy())).count(),
        1
    );
    found.says(&lock, "held");

    let (state, alias) = (env.state(), env.home().join(".clawdbot"));
    let (state, alias) = (state.to_string_lossy(), alias.to_string_lossy());
    let twice = env.run(&["scan", "--json", "--state-dir", &state, "--state-dir", &alias, &state]).exits(0);
    assert_eq!(roots(&twice).len(), 1);
    twice.says(&lock, "held");
}

#[test]
fn a_path_selects_a_part() {
    let env = TestEnv::new("2026.5.22");
    let (a, _a) = held_in(&env.state(), "a");
    let (b, _b) = held_in(&env.state(), "b");
    let other = env.sessions("other").join("c.jsonl.lock");
    let _c = hold(&other, &payload(own_pid(), None));
    let scan = |paths: &[&Path]| {
        let mut arguments = vec!["scan".to_owned(), "--json".to_owned()];
        arguments.extend(paths.iter().map(|path| path.to_string_lossy().into_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let run = env.run(&arguments).exits(0);
        let mut names: Vec<String> = run
            .paths()
            .iter()
            .map(|path| Path::new(path).file_name().expect("name").to_string_lossy()[..1].to_owned())
            .collect();
        names.sort();
        (names.concat(), roots(&run))
    };
    let state = env.state();
    let root = vec![state.to_string_lossy().into_owned()];
    assert_eq!(scan(&[&state]), ("abc".to_owned(), root.clone()));
    // What the notorious cron job is pointed at.
    assert_eq!(scan(&[&state.join("agents")]), ("abc".to_owned(), root.clone()));
    assert_eq!(scan(&[&state.join("agents/main")]), ("ab".to_owned(), root.clone()));
    assert_eq!(scan(&[&state.join("agents/main/sessions")]), ("ab".to_owned(), root.clone()));
    assert_eq!(scan(&[&b]), ("b".to_owned(), root.clone()));
    assert_eq!(scan(&[&a, &other]), ("ac".to_owned(), root.clone()));
    assert_eq!(scan(&[&a, &state.join("agents/main")]), ("ab".to_owned(), root));

    // Without a configuration, as a bare copy of sessions, and with a `..` in it.
    fs::remove_file(state.join("openclaw.json")).expect("config");
    assert_eq!(scan(&[&state.join("agents")]).0, "abc");
    let copy = env.home().join("agents/of-mine/copy");
    fs::create_dir_all(&copy).expect("directory");
    let _d = hold(&copy.join("d.jsonl.lock"), &payload(own_pid(), None));
    assert_eq!(scan(&[&copy]).0, "d");
    assert_eq!(scan(&[&copy.join("../copy")]).0, "d");
}

#[test]
fn what_is_no_lock_and_no_directory_is_an_error() {
    let env = TestEnv::new("2026.5.22");
    let file = env.state().join("openclaw.json");
    for path in [file.as_path(), Path::new("/nonexistent/x.jsonl.lock"), Path::new("/nonexistent")] {
        let run = env.run(&["scan", &path.to_string_lossy()]).exits(2);
        assert!(run.stderr.contains(&*path.to_string_lossy()), "{run:#?}");
    }
    env.run(&["scan", "--no-such-option"]).exits(2);
}

#[test]
fn the_session_store_may_lie_elsewhere() {
    let env = TestEnv::new("2026.5.22");
    env.sessions("main");
    env.sessions("nina");
    let lock_in = |directory: &Path, name: &str| {
        fs::create_dir_all(directory).expect("directory");
        let lock = directory.join(name);
        let open = hold(&lock, &payload(own_pid(), None));
        (lock, open)
    };
    // One directory an agent; `gone` left nothing below the state directory.
    env.config(
        r#"{session: {store: "~/data/{agentId}/sessions.json"}, meta: {lastTouchedVersion: "2026.4.15"}}"#,
    );
    let data = env.home().join("data");
    let (nina, _nina) = lock_in(&data.join("nina"), "a.jsonl.lock");
    let (gone, _gone) = lock_in(&data.join("gone"), "b.jsonl.lock");
    let (usual, _usual) = lock_in(&env.sessions("main"), "c.jsonl.lock");
    let scan = env.scan().exits(0);
    scan.says(&nina, "held").says(&gone, "held").says(&usual, "held");
    assert_eq!(scan.lock(&nina)["agent"], "nina");
    assert_eq!(scan.lock(&gone)["agent"], "gone");

    // One directory for all, and a store of another name: each lock once, its agent from its key.
    let shared = env.home().join("shared");
    env.config(&format!(
        r#"{{session: {{store: "{}/all.json"}}, meta: {{lastTouchedVersion: "2026.4.15"}}}}"#,
        shared.display()
    ));
    let (session, _session) = lock_in(&shared, "d.jsonl.lock");
    let (store, _store) = lock_in(&shared, "all.json.lock");
    fs::write(shared.join("all.json"), r#"{"agent:nina:main": {"sessionId": "d"}}"#).expect("store");
    let scan = env.scan().exits(0);
    scan.says(&session, "held").says(&store, "held");
    assert_eq!(scan.lock(&session)["agent"], "nina");
    assert_eq!(scan.lock(&session)["session_key"], "agent:nina:main");
    assert_eq!(scan.lock(&store)["kind"], "store");
}

#[test]
fn a_broken_configuration_is_said_and_replaced_by_defaults() {
    let env = TestEnv::new("2026.5.22");
    let (lock, _open) = held_in(&env.state(), "a");
    env.config("{ token: 'sk-very-secret', oops");
    let scan = env.scan().exits(2);
    scan.says(&lock, "held");
    assert!(scan.stderr.contains("openclaw.json") && scan.stderr.contains("defaults"), "{scan:#?}");
    assert!(!scan.stderr.contains("very-secret") && !scan.stdout.contains("very-secret"));
    assert_eq!(scan.json()["roots"][0]["openclaw_version"], Value::Null);
}

/// `maxHoldMs` of the lock, the gateway's variable, the configuration, a cron job's own limit, the default of
/// the era: the source is always named.
#[test]
fn the_limit_and_where_it_comes_from() {
    let env = TestEnv::new("2026.3.13");
    let lock = env.session("a");
    let old = format!(r#"{{"pid": {}, "createdAt": "2026-01-01T00:00:00.000Z", "starttime": 1}}"#, own_pid());
    let _open = hold(&lock, old.as_bytes());
    let limit = |config: &str| {
        env.config(config);
        let seen = env.scan().lock(&lock);
        (
            seen["limit_ms"].as_u64().expect("limit") / 1000,
            seen["limit_source"].as_str().expect("source").to_owned(),
        )
    };
    let (seconds, source) = limit(r#"{meta: {lastTouchedVersion: "2026.3.13"}}"#);
    assert_eq!(seconds, 600 + 120 + 60, "{source}");
    let (seconds, source) =
        limit(r#"{meta: {lastTouchedVersion: "2026.3.13"}, agents: {defaults: {timeoutSeconds: 900}}}"#);
    assert_eq!(seconds, 900 + 120 + 60, "{source}");
    assert!(source.contains("agents.defaults.timeoutSeconds"), "{source}");
    let (seconds, source) = limit(r#"{meta: {lastTouchedVersion: "2026.4.15"}}"#);
    assert_eq!(seconds, 172_800 + 900 + 120 + 60, "{source}");

    fs::create_dir(env.state().join("cron")).expect("cron");
    fs::write(
        env.state().join("cron/jobs.json"),
        r#"{"jobs": [{"id": "j1", "payload": {"timeoutSeconds": 1200}}]}"#,
    )
    .expect("jobs");
    fs::write(env.sessions("main").join("sessions.json"), r#"{"agent:main:cron:j1": {"sessionId": "a"}}"#)
        .expect("store");
    let (seconds, source) = limit(r#"{meta: {lastTouchedVersion: "2026.3.13"}}"#);
    assert_eq!(seconds, 1200 + 120 + 60, "{source}");
    assert!(source.contains("cron"), "{source}");
}

/// What had to be looked at and could not be: no command calls the rest healthy, and each says what it was.
#[track_caller]
fn is_not_healthy(env: &TestEnv, said: &str) {
    let state = env.state();
    let state = state.to_string_lossy();
    for command in ["scan", "diagnose", "check", "reclaim"] {
        let run = env.run(&[command, "--state-dir", &state]);
        assert!(run.code == if command == "check" { 3 } else { 2 }, "{command}: {run:#?}");
        let words = format!("{}{}", run.stdout, run.stderr);
        let words: Vec<&str> = words.split_whitespace().collect();
        assert!(words.join(" ").contains(said), "{command}: {said}: {run:#?}");
    }
}

#[test]
fn whatever_could_not_be_read_is_not_healthy() {
    let with = |config: &str| {
        let env = TestEnv::new("2026.5.22");
        env.config(config);
        env
    };
    is_not_healthy(&with("{ broken"), "is not valid JSON5");
    is_not_healthy(&with("{$include: './not-there.json'}"), "$include ./not-there.json");
    is_not_healthy(&with("{session: {store: '/x/${NOT_SET}/s.json'}}"), "NOT_SET");
    is_not_healthy(&with("{session: {store: '/etc/passwd'}}"), "ends in .json");
    let env = TestEnv::new("2026.5.22");
    symlink("/nonexistent/openclaw.json", env.state().join("clawdbot.json")).expect("symlink");
    fs::remove_file(env.state().join("openclaw.json")).expect("remove");
    is_not_healthy(&env, "clawdbot.json");
    let env = TestEnv::new("2026.5.22");
    let _open = hold(&env.session("a"), &payload(own_pid(), None));
    fs::write(env.sessions("main").join("sessions.json"), "{\"a\": {\"sess").expect("store");
    is_not_healthy(&env, "session keys are not known");
    if skipped(is_root(), "a directory of another user needs root") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let elsewhere = env.home().join("elsewhere");
    fs::create_dir(&elsewhere).expect("directory");
    std::os::unix::fs::chown(&elsewhere, Some(1234), Some(1234)).expect("chown");
    fs::create_dir(env.state().join("agents/neo")).expect("directory");
    symlink(&elsewhere, env.state().join("agents/neo/sessions")).expect("symlink");
    is_not_healthy(&env, "belongs to uid 1234");
    fs::remove_file(env.state().join("agents/neo/sessions")).expect("remove");
    env.config(&format!("{{session: {{store: '{}/sessions.json'}}}}", elsewhere.display()));
    is_not_healthy(&env, "belongs to uid 1234");
}

/// OpenClaw works behind the link, so its locks are seen; nothing is done there until it is named.
#[test]
fn sessions_behind_a_link_are_looked_at_and_left_alone() {
    let env = TestEnv::new("2026.5.22");
    let data = env.home().join("data");
    fs::create_dir(&data).expect("directory");
    fs::create_dir(env.state().join("agents/neo")).expect("directory");
    symlink(&data, env.state().join("agents/neo/sessions")).expect("symlink");
    let lock = data.join("a.jsonl.lock");
    let dead = payload(dead_pid(), Some(1));
    fs::write(&lock, &dead).expect("lock");
    let scan = env.scan();
    scan.says(&lock, "stale dead-pid no-writer");
    assert_eq!(scan.lock(&lock)["action"], "report", "{scan:#?}");
    let state = env.state();
    env.run(&["reclaim", "--yes", "--state-dir", &state.to_string_lossy()]);
    env.run(&["watch", "--once", "--reclaim", "--state-dir", &state.to_string_lossy()]);
    assert_eq!(fs::read(&lock).expect("there"), dead);
    let named = env.run(&["reclaim", "--yes", &data.to_string_lossy()]).exits(0);
    assert_ne!(fs::read(&lock).expect("there"), dead, "{named:#?}");
}

#[test]
fn a_configuration_that_is_a_link_is_read_through_it() {
    let env = TestEnv::new("2026.5.22");
    let elsewhere = env.home().join("store-of-nix.json");
    let (moved, from_dotenv) = (env.home().join("moved"), env.home().join("dotenv"));
    let store = format!("{}/{{agentId}}/sessions.json", moved.display());
    let config = format!("{{session: {{store: '{store}'}}, agents: {{list: [{{id: 'Neo'}}]}}}}");
    fs::write(&elsewhere, config).expect("config");
    fs::remove_file(env.state().join("openclaw.json")).expect("remove");
    symlink(&elsewhere, env.state().join("openclaw.json")).expect("symlink");
    let in_moved = |directory: &Path| {
        fs::create_dir_all(directory).expect("directory");
        let lock = directory.join("a.jsonl.lock");
        let open = hold(&lock, &payload(own_pid(), None));
        (lock, open)
    };
    let (lock, _open) = in_moved(&moved.join("neo"));
    env.scan().exits(0).says(&lock, "held");
    // `.env` in the state directory is read by the gateway at its start.
    fs::write(env.state().join(".env"), format!("SESSIONS={}\n", from_dotenv.display())).expect(".env");
    fs::write(&elsewhere, "{session: {store: '${SESSIONS}/sessions.json'}}").expect("config");
    let (lock, _open) = in_moved(&from_dotenv);
    env.scan().exits(0).says(&lock, "held");
}

#[test]
fn locks_of_sessions_that_are_no_agents_are_listed() {
    let env = TestEnv::new("2026.7.1");
    let agent_dir = env.home().join("neo-private");
    env.config(&format!("{{agents: {{list: [{{id: 'neo', agentDir: '{}'}}]}}}}", agent_dir.display()));
    let mut open = Vec::new();
    let mut locks = Vec::new();
    for directory in [
        "crestodian/sessions",
        "internal-agent-runs",
        "commitments/extractor-sessions/x",
        "plugins/active-memory/transcripts/main",
    ] {
        let directory = env.state().join(directory);
        fs::create_dir_all(&directory).expect("directory");
        let lock = directory.join("a.jsonl.lock");
        open.push(hold(&lock, &payload(own_pid(), None)));
        locks.push(lock);
    }
    fs::create_dir(&agent_dir).expect("directory");
    locks.push(agent_dir.join("auth-profiles.json.lock"));
    open.push(hold(&locks[4], &payload(own_pid(), None)));
    let scan = env.scan().exits(0);
    for lock in &locks {
        scan.says(lock, "held");
    }
}

/// Two directories of one name in two mount namespaces, as two containers have them.
#[test]
fn two_containers_are_two_installs() {
    if skipped(is_root(), "/proc/PID/root needs root") {
        return;
    }
    let env = TestEnv::empty();
    let mut gateways = Vec::new();
    let mut open = Vec::new();
    for name in ["one", "two"] {
        let state = env.home().join(name);
        open.push(held_in(&state, name));
        let script = format!("mount --bind {} /mnt && echo ready && exec sleep 60", state.display());
        let mut gateway = Running::start(Command::new("unshare").args([
            "--mount",
            "--propagation=private",
            "sh",
            "-c",
            &script,
        ]));
        if skipped(gateway.line() == "ready", "no mount namespace here") {
            return;
        }
        gateways.push(gateway);
    }
    let dirs: Vec<String> =
        gateways.iter().map(|gateway| format!("/proc/{}/root/mnt", gateway.id())).collect();
    let scan = env.run(&["scan", "--json", "--state-dir", &dirs[0], "--state-dir", &dirs[1]]);
    assert_eq!(roots(&scan), dirs, "{scan:#?}");
}

/// A gateway in a container keeps its state where only it sees it: that is said, with what to type.
#[test]
fn a_gateway_in_a_container_is_said_with_what_to_name() {
    if skipped(is_root(), "a PID and a mount namespace need root") {
        return;
    }
    let env = TestEnv::empty();
    let state = env.home().join("volume");
    let (lock, _open) = held_in(&state, "a");
    let gateway = env.named_like("openclaw-gateway");
    let script =
        format!("mount --bind {} /mnt && echo ready && exec {} 60", state.display(), gateway.display());
    let mut command = Command::new("unshare");
    env.isolate(&mut command).env("OPENCLAW_STATE_DIR", "/mnt");
    command.args([
        "--mount",
        "--propagation=private",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        &script,
    ]);
    let mut container = Running::start(&mut command);
    if skipped(container.line() == "ready", "no namespaces here") {
        return;
    }
    let mut run = env.run(&["scan"]);
    eventually("the gateway is seen", || {
        run = env.run(&["scan"]);
        run.stderr.contains("/root/mnt")
    });
    let typed = run.stderr.split("--state-dir ").last().expect("an option").trim().to_owned();
    assert!(run.code == 2 && typed.ends_with("/root/mnt"), "{run:#?}");
    let scan = env.run(&["scan", "--json", "--state-dir", &typed]);
    let inside = Path::new(&typed).join(lock.strip_prefix(&state).expect("below"));
    scan.says(&inside, "held");
}
