//! `scan` beside OpenClaw's real lock code: what is held is called held, what is left behind is not.
//! Needs node and, the first time, npm.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::real::{Node, Session, StateDir, each_package, packages, setting, skip};

/// The titles a gateway and its commands give themselves; they overwrite `/proc/PID/cmdline`.
const TITLES: [&str; 6] =
    ["node", "openclaw", "openclaw-gateway", "clawdbot-gateway", "openclaw-agent", "some-other-name"];

#[test]
fn held_under_any_title_stale_after_kill() {
    each_package(|key| {
        let state = StateDir::new(key);
        let session = state.session(0);
        let mut holder = Node::holder(key, &session);
        for title in TITLES {
            holder.tell(&format!("title {title}"));
            let scan = state.scan();
            assert_eq!(scan.verdict(&session.lock()), "held", "{key} as {title}: {}", scan.0);
            let owner = &scan.of(&session.lock()).unwrap()["owner"]["pid"];
            assert_eq!(owner, holder.process.pid(), "{key}: the owner's pid");
        }
        holder.process.kill();
        let scan = state.scan();
        assert_eq!(scan.verdict(&session.lock()), "stale", "{key} after kill -9: {}", scan.0);
    });
}

#[test]
fn held_then_gone_after_release() {
    each_package(|key| {
        let state = StateDir::new(key);
        let session = state.session(0);
        let mut holder = Node::holder(key, &session);
        assert_eq!(state.scan().verdict(&session.lock()), "held", "{key}");
        holder.tell("release");
        assert_eq!(state.scan().verdict(&session.lock()), "absent", "{key}");
    });
}

/// Two ways to leak: the owner closed its file and forgot the lock, or somebody else left the file there
/// under the owner's own pid and right start time.
#[test]
fn leaked_by_a_live_owner() {
    each_package(|key| {
        let state = StateDir::new(key);
        let [closed, planted] = [state.session(0), state.session(1)];
        let mut holder = Node::holder(key, &closed);
        holder.tell("title openclaw-gateway");
        holder.tell(&format!("plant {}", planted.lock().display()));
        let scan = state.scan();
        assert_eq!(scan.verdict(&planted.lock()), "leaked", "{key} planted: {}", scan.0);
        assert_eq!(scan.verdict(&closed.lock()), "held", "{key} beside it: {}", scan.0);
        holder.tell("leak");
        let scan = state.scan();
        assert_eq!(scan.verdict(&closed.lock()), "leaked", "{key} closed: {}", scan.0);
    });
}

/// In a container the owner is pid 1, which here is somebody else altogether.
#[test]
fn held_by_pid_1_of_another_pid_namespace() {
    const CONTAINER: [&str; 6] = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "node"];
    let probe = std::process::Command::new(CONTAINER[0]).args(&CONTAINER[1..5]).arg("true").output();
    if !probe.is_ok_and(|o| o.status.success()) {
        return skip("no PID namespace may be made here (root makes them)");
    }
    each_package(|key| {
        let state = StateDir::new(key);
        let session = state.session(0);
        let args = [key, session.transcript.to_str().unwrap()];
        let mut holder = Node::spawn_by(&CONTAINER, "holder.mjs", &args);
        assert_eq!(holder.expect("held")["pid"], 1, "{key}: not pid 1 of its namespace");
        let scan = state.scan();
        assert_eq!(scan.verdict(&session.lock()), "held", "{key}: {}", scan.0);
    });
}

/// Locks that come and go as fast as the real code can make them are never once called stale or leaked.
#[test]
fn never_stale_while_it_cycles() {
    let cycles = setting("LOCKDOCTOR_CYCLES", 1000).to_string();
    let scans = AtomicU64::new(0);
    let met = AtomicU64::new(0);
    each_package(|key| {
        let state = StateDir::new(key);
        let sessions: Vec<Session> = (0..4).map(|n| state.session(n)).collect();
        let mut args = vec![key, &cycles];
        args.extend(sessions.iter().map(|s| s.transcript.to_str().unwrap()));
        let mut owner = Node::spawn("cycler.mjs", &args);
        while owner.process.0.try_wait().unwrap().is_none() {
            let scan = state.scan();
            scans.fetch_add(1, Ordering::Relaxed);
            for session in &sessions {
                let verdict = scan.verdict(&session.lock());
                let expected = ["absent", "held", "initialising", "settling"];
                assert!(expected.contains(&verdict), "{key}: {verdict}: {}", scan.0);
                met.fetch_add(u64::from(verdict != "absent"), Ordering::Relaxed);
            }
        }
        owner.expect("done");
        assert!(sessions.iter().all(|s| !s.lock().exists()), "{key}: the cycler left a lock");
    });
    eprintln!("{scans:?} scans met a lock {met:?} times");
    assert!(packages().is_none() || met.into_inner() > 0, "no scan met a lock: this showed nothing");
}
