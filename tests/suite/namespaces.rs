//! Locks across PID, mount and time namespaces: containers, sidecars, hidepid. A number that counts elsewhere
//! never makes a lock stale here while somebody has it open.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{
    AS_NOBODY, Running, TestEnv, binary, dead_pid, hold, is_root, own_pid, payload, payload_made, skipped,
    start_ticks,
};

/// A PID namespace with a `/proc` of its own, ended with the command that made it.
const NEW_PID_NAMESPACE: [&str; 5] = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

fn may_unshare() -> bool {
    is_root()
        && std::process::Command::new("unshare")
            .args(["--pid", "--fork", "true"])
            .status()
            .is_ok_and(|s| s.success())
}

/// A process that is pid 1 of its namespace, as in a container, and holds `lock` until it reads a line, then
/// lives on.
fn container_holding(lock: &Path) -> Running {
    let script = r#"
        exec 9> "$1"
        ticks=$(cut -d' ' -f22 /proc/1/stat)
        printf '{"pid": 1, "createdAt": "%s", "starttime": %s}' "$(date -u +%FT%T.000Z)" "$ticks" >&9
        echo held
        read -r _
        exec 9>&-
        echo closed
        # The same process, in an event loop: it has nothing left to do.
        exec "$2" demo-actor --title openclaw-gateway
    "#;
    let mut command = std::process::Command::new(NEW_PID_NAMESPACE[0]);
    command.args(&NEW_PID_NAMESPACE[1..]).args(["sh", "-c", script, "sh"]).arg(lock).arg(binary());
    let mut container = Running::start(command.stdin(std::process::Stdio::piped()));
    assert_eq!(container.line(), "held");
    container
}

#[test]
fn a_container_that_holds_its_lock_is_seen_to_hold_it() {
    if skipped(may_unshare(), "a PID namespace needs root and unshare(1)") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("container");
    let mut container = container_holding(&lock);
    env.scan().exits(0).says(&lock, "held");
    // Another user may not ask the kernel, and pid 1 is somebody else here.
    let unasked = env.scan_as_nobody().exits(2);
    unasked.says(&lock, "foreign");
    assert_eq!(unasked.lock(&lock)["action"], "none");

    container.tell("let go");
    assert_eq!(container.line(), "closed");
    // On a busy machine it takes a while to begin its event loop.
    crate::support::eventually("it has let go", || env.scan().lock(&lock)["verdict"] == "leaked");
    let leaked = env.scan().exits(0);
    leaked.says(&lock, "leaked no-writer");
    assert_eq!(leaked.lock(&lock)["evidence"]["pid_domain"], "foreign");

    drop(container);
    crate::support::eventually("its death is seen", || env.scan().lock(&lock)["verdict"] == "stale");
}

/// To 2026.3 a lock records no start tick, and its owner was pid 1 of a container, or 2, as its shell's child. On the host
/// those numbers are init's and a kernel thread's, whose programs only root may read, and not everywhere.
#[test]
fn a_dead_container_is_not_taken_for_the_init_of_the_host() {
    if skipped(may_unshare(), "a PID namespace needs root and unshare(1)") {
        return;
    }
    let env = TestEnv::new("2026.1.30");
    for pid in [1, 2] {
        let lock = env.session(&format!("container-{pid}"));
        fs::write(&lock, payload_made(pid, None, Duration::ZERO)).expect("lock");
        // Other containers of this machine may have the number as well.
        crate::support::eventually("init is no owner", || env.scan().lock(&lock)["verdict"] == "stale");
    }
}

#[test]
fn from_within_a_container_numbers_of_the_host_prove_nothing() {
    if skipped(may_unshare(), "a PID namespace needs root and unshare(1)") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (held, dead, first) = (env.session("held"), env.session("dead"), env.session("first"));
    let _held = hold(&held, &payload(own_pid(), Some(start_ticks(own_pid()))));
    // lockdoctor is pid 1 itself there.
    let _first = hold(&first, &payload(1, None));
    fs::write(&dead, payload(dead_pid(), Some(1))).expect("lock");
    let scan = env.scan_within(&NEW_PID_NAMESPACE).exits(2);
    scan.says(&held, "held").says(&first, "held");
    // Nobody on this kernel has it open: that is certain. But who had it cannot be looked at, and the file is younger
    // than the lock that it holds: the owner may have the original.
    scan.says(&dead, "indeterminate");
    let fresh = env.session("fresh");
    fs::write(&fresh, payload_made(dead_pid(), Some(1), Duration::ZERO)).expect("lock");
    let settling = env.scan_within(&NEW_PID_NAMESPACE).lock(&fresh);
    assert_eq!((&settling["verdict"], &settling["action"]), (&"settling".into(), &"wait".into()));
    assert!(
        settling["evidence"]["note"].as_str().is_some_and(|note| note.contains("15 minutes")),
        "{settling:#}"
    );

    let as_nobody: Vec<&str> = NEW_PID_NAMESPACE.into_iter().chain(AS_NOBODY).collect();
    let unasked = env.scan_within(&as_nobody).exits(2);
    unasked.says(&held, "foreign").says(&dead, "foreign").says(&first, "foreign");
}

#[test]
fn hidepid_makes_nobody_dead() {
    if skipped(may_unshare(), "a mount of /proc needs root and unshare(1)") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (held, dead) = (env.session("held"), env.session("dead"));
    let _held = hold(&held, &payload(own_pid(), Some(start_ticks(own_pid()))));
    fs::write(&dead, payload(dead_pid(), Some(1))).expect("lock");
    for hidepid in ["1", "2"] {
        let mount = format!("mount -t proc -o hidepid={hidepid} proc /proc && exec \"$@\"");
        let wrapper: Vec<&str> =
            ["unshare", "--mount", "sh", "-c", mount.as_str(), "sh"].into_iter().chain(AS_NOBODY).collect();
        let scan = env.scan_within(&wrapper).exits(2);
        for lock in [&held, &dead] {
            let seen = scan.lock(lock);
            let verdict = seen["verdict"].as_str().expect("verdict");
            assert!(matches!(verdict, "foreign" | "indeterminate" | "held"), "hidepid={hidepid}: {seen:#}");
            assert_eq!(seen["action"], "none");
        }
        assert_eq!(scan.lock(&held)["owner"]["alive"], true, "it exists, hidden or not");
    }
}

#[test]
fn start_ticks_of_another_time_namespace_do_not_recycle_a_live_owner() {
    let shifted = ["unshare", "--time", "--boottime", "100000", "--fork"];
    let works = is_root()
        && std::process::Command::new(shifted[0])
            .args(&shifted[1..])
            .arg("true")
            .status()
            .is_ok_and(|s| s.success());
    if skipped(works, "a time namespace needs root and unshare(1)") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let held = env.session("held");
    let _held = hold(&held, &payload(own_pid(), Some(start_ticks(own_pid()))));
    env.scan_within(&shifted).exits(0).says(&held, "held");
    let as_nobody: Vec<&str> = shifted.into_iter().chain(AS_NOBODY).collect();
    let unasked = env.scan_within(&as_nobody).exits(2);
    unasked.says(&held, "indeterminate");
    assert_ne!(unasked.lock(&held)["evidence"]["owner_start_ticks"], start_ticks(own_pid()));
}

/// A gateway in a container shares the state directory, but not our numbers.
#[test]
fn a_gateway_in_a_container_runs_but_does_not_vouch_for_pids() {
    if skipped(may_unshare(), "a PID namespace needs root and unshare(1)") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let gateway = env.named_like("openclaw-gateway");
    let mut command = std::process::Command::new(NEW_PID_NAMESPACE[0]);
    env.isolate(&mut command).args(&NEW_PID_NAMESPACE[1..]).arg(&gateway).arg("1000");
    command.env("OPENCLAW_STATE_DIR", env.state());
    let _container = Running::start(&mut command);
    let lock = env.session("dead");
    fs::write(&lock, payload(dead_pid(), Some(1))).expect("lock");
    crate::support::eventually("the gateway is seen", || {
        env.scan().json()["roots"][0]["gateway"]["state"] == "running"
    });
    let note = env.scan().lock(&lock)["evidence"]["pid_domain_note"].clone();
    assert!(!note.as_str().expect("a note").contains("gateway"), "{note}");
}

/// A guest with an init of its own (LXC, nspawn, a VPS), which nested PID namespaces look like: its state directory is no
/// volume, so that a number that was handed out there means the process that took the lock. The gateway crashed, and no
/// other runs: its lock is freed in seconds. What was not handed out there may be somebody's elsewhere.
#[test]
fn in_a_machine_of_its_own_a_death_is_proven_in_seconds() {
    let on_root = |path: &Path| {
        let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&fs::metadata(path).expect("there"));
        device(path) == device(Path::new("/"))
    };
    let env = TestEnv::new("2026.5.22");
    let works = may_unshare() && on_root(env.home());
    if skipped(works, "a PID namespace needs root and unshare(1), and /tmp on the root file system") {
        return;
    }
    let [dead, other, early] = ["dead", "other", "early"].map(|id| env.session(id));
    let guest = r#"
        sleep 1000 & sleep 1
        sleep 1000 & pid=$!
        ticks=$(cut -d' ' -f22 /proc/$pid/stat) now=$(date -u +%FT%T.000Z)
        lock() { printf '{"pid": %s, "createdAt": "%s", "starttime": %s}' "$1" "$now" "$2"; }
        lock $pid $ticks > "$1"
        lock 3999999 $ticks > "$2"
        lock $pid 7 > "$3"
        kill -9 $pid; wait $pid 2>/dev/null
        shift 3
        "$@"
    "#;
    let mut command = std::process::Command::new(NEW_PID_NAMESPACE[0]);
    env.isolate(&mut command).args(&NEW_PID_NAMESPACE[1..]).args(["sh", "-c", guest, "sh"]);
    command.arg(&dead).arg(&other).arg(&early).arg(binary());
    command.args(["reclaim", "--yes", "--json", "--state-dir"]).arg(env.state());
    let run = crate::support::Run::of(command);
    assert_eq!(run.lock(&dead)["result"], "reclaimed", "{run:#?}");
    assert!(run.took < Duration::from_secs(10), "{run:#?}");
    for elsewhere in [&other, &early] {
        assert!(crate::support::reclaim::tombstone(elsewhere).is_none(), "{}: {run:#?}", elsewhere.display());
    }
}
