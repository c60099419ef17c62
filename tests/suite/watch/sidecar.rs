//! A gateway and lockdoctor as two containers: mount namespaces of their own with one volume between them, and
//! the PID namespace shared, or not. A live lock is never touched; what the kernel can prove is reclaimed; for the
//! rest lockdoctor says what it would need.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::watch::Watch;
use crate::support::{Running, TestEnv, eventually, is_root, skipped};

/// As the gateway's container: everything that a lock can be, made by processes of this namespace. Those that
/// live on are started before a lock is open, so that none inherits one.
const GATEWAY: &str = r#"
    volume=$1 state=$2 title=$3
    mount --bind "$volume" "$state"
    cd "$state/agents/main/sessions"
    OPENCLAW_STATE_DIR=$state "$title" 1000 &
    sh -c 'sleep 1000 & echo $! > ../zombie; exec sleep 1000' &
    sleep 1000 & dead=$!
    until [ -s ../zombie ]; do sleep 0.05; done
    zombie=$(cat ../zombie)
    ticks() { cut -d' ' -f22 "/proc/$1/stat"; }
    lock() { printf '{"pid": %s, "createdAt": "%s", "starttime": %s}' "$1" "$(date -u +%FT%T.000Z)" "$2"; }
    lock "$dead" "$(ticks $dead)" > dead.jsonl.lock
    lock "$dead" "$(ticks $dead)" > sessions.json.lock
    lock "$zombie" "$(ticks $zombie)" > zombie.jsonl.lock
    lock $$ 1 > recycled.jsonl.lock
    lock $$ "$(ticks $$)" > ../../work/sessions/sessions.json.lock
    kill -9 $dead $zombie
    wait $dead
    exec 8> live.jsonl.lock 9> leaked.jsonl.lock
    lock $$ "$(ticks $$)" >&8
    lock $$ "$(ticks $$)" >&9
    echo ready
    read -r _
    exec 9>&-
    echo leaked
    # The same process, which still has its live lock open, in an event loop: it has nothing left to do.
    exec "$4" demo-actor --title openclaw-gateway
"#;

const LOCKDOCTOR: &str = r#"
    mount --bind "$1" "$2" && mount -t proc proc /proc && shift 2 && exec "$@"
"#;

const OWN_PIDS: [&str; 5] = ["unshare", "--mount", "--pid", "--fork", "--kill-child"];

struct Pod {
    env: TestEnv,
    gateway: Running,
}

impl Pod {
    /// The store lock of 2026.2.12 is closed once it is written: about it the kernel has nothing to say.
    fn start() -> Self {
        let env = TestEnv::new("2026.2.12");
        for agent in ["main", "work"] {
            env.sessions(agent);
        }
        for id in ["dead", "zombie", "recycled", "live", "leaked"] {
            env.session(id);
        }
        let title = env.named_like("openclaw-gateway");
        std::fs::create_dir(env.home().join("mounted")).expect("mount point");
        let mut command = Command::new(OWN_PIDS[0]);
        env.isolate(&mut command).args(&OWN_PIDS[1..]).arg("--mount-proc");
        command.args(["sh", "-c", GATEWAY, "gateway"]).arg(env.state()).arg(env.home().join("mounted"));
        let mut gateway =
            Running::start(command.arg(title).arg(crate::support::binary()).stdin(Stdio::piped()));
        assert_eq!(gateway.line(), "ready");
        Self { env, gateway }
    }

    /// The pid of the container's first process, as it is seen from outside.
    fn first_process(&self) -> String {
        let pid = self.gateway.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("unshare");
        children.split_whitespace().next().expect("a child").to_owned()
    }

    fn watch(&self, wrapper: &[&str]) -> Watch {
        let state = self.env.home().join("mounted");
        let mut command = Command::new(wrapper[0]);
        self.env.isolate(&mut command).args(&wrapper[1..]).args(["sh", "-c", LOCKDOCTOR, "sidecar"]);
        command.arg(self.env.state()).arg(&state).arg(crate::support::binary());
        command.args([
            "watch",
            "--reclaim",
            "--settle",
            "300ms",
            "--no-logs",
            "--no-redact",
            "--listen",
            "127.0.0.1:0",
        ]);
        command.args(["--log-format", "json", "--log-level", "debug", "--state-dir"]).arg(&state);
        Watch::of(command, true)
    }

    fn bytes(&self) -> Vec<Vec<u8>> {
        let sessions = self.env.sessions("main");
        let live = [sessions.join("live.jsonl.lock"), self.env.sessions("work").join("sessions.json.lock")];
        live.iter().map(|path| std::fs::read(path).expect("a live lock is never touched")).collect()
    }
}

fn verdicts(watch: &Watch) -> Vec<(String, String)> {
    let status = watch.status();
    let text = |lock: &Value, key: &str| lock[key].as_str().unwrap_or_default().to_owned();
    let locks = status["locks"].as_array().expect("locks").iter();
    let mut all: Vec<(String, String)> = locks
        .filter(|lock| lock["kind"] == "session" || lock["kind"] == "store")
        .map(|lock| {
            let path = PathBuf::from(text(lock, "path"));
            let agent = text(lock, "agent");
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            (format!("{agent}/{name}"), text(lock, "verdict"))
        })
        .collect();
    all.sort();
    all
}

fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, verdict)| ((*name).to_owned(), (*verdict).to_owned())).collect()
}

fn may_unshare() -> bool {
    let works = |words: &[&str]| {
        Command::new(words[0]).args(&words[1..]).arg("true").status().is_ok_and(|status| status.success())
    };
    is_root() && works(&OWN_PIDS) && Path::new("/usr/bin/nsenter").exists()
}

#[test]
fn a_sidecar_that_shares_the_pid_namespace_frees_every_kind_of_stale_session_lock() {
    if skipped(may_unshare(), "two containers need root, unshare(1) and nsenter(1)") {
        return;
    }
    let mut pod = Pod::start();
    let live = pod.bytes();
    let target = pod.first_process();
    // As `docker run --pid=container:GATEWAY` and `shareProcessNamespace: true` do.
    let watch = pod.watch(&["nsenter", "--target", &target, "--pid", "unshare", "--mount"]);
    let mut wanted = [
        ("main/dead.jsonl.lock", "freed"),
        ("main/leaked.jsonl.lock", "held"),
        ("main/live.jsonl.lock", "held"),
        ("main/recycled.jsonl.lock", "freed"),
        // Its owner may as well be in a third container, which a nested namespace cannot see, and the kernel cannot
        // be asked: OpenClaw closes this one at once, and evicts it after 30 s.
        ("main/sessions.json.lock", "indeterminate"),
        ("main/zombie.jsonl.lock", "freed"),
        ("work/sessions.json.lock", "held"),
    ];
    eventually("what is stale is freed", || verdicts(&watch) == expected(&wanted));
    pod.gateway.tell("leak");
    assert_eq!(pod.gateway.line(), "leaked");
    wanted[1].1 = "freed";
    eventually("and what has leaked", || verdicts(&watch) == expected(&wanted));
    assert_eq!(pod.bytes(), live);
}

/// It cannot see the gateway's processes, so none of them is known to be dead: one may be in the middle of a release.
#[test]
fn a_sidecar_with_pids_of_its_own_takes_its_time_and_says_what_it_lacks() {
    if skipped(may_unshare(), "two containers need root, unshare(1) and nsenter(1)") {
        return;
    }
    let mut pod = Pod::start();
    let live = pod.bytes();
    let watch = pod.watch(&OWN_PIDS);
    let mut wanted = [
        ("main/dead.jsonl.lock", "settling"),
        ("main/leaked.jsonl.lock", "held"),
        ("main/live.jsonl.lock", "held"),
        ("main/recycled.jsonl.lock", "settling"),
        ("main/sessions.json.lock", "foreign"),
        ("main/zombie.jsonl.lock", "settling"),
        ("work/sessions.json.lock", "foreign"),
    ];
    eventually("what nobody has open settles", || verdicts(&watch) == expected(&wanted));
    pod.gateway.tell("leak");
    assert_eq!(pod.gateway.line(), "leaked");
    wanted[1].1 = "settling";
    eventually("and what has leaked", || verdicts(&watch) == expected(&wanted));
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(verdicts(&watch), expected(&wanted), "ten times the settle time later");
    assert_eq!(pod.bytes(), live);
    let status = watch.status();
    let settling = status["locks"].as_array().expect("locks").iter();
    for lock in settling.filter(|lock| lock["verdict"] == "settling") {
        assert!(lock["note"].as_str().is_some_and(|note| note.contains("15 minutes")), "{lock:#}");
    }
    let foreign: Vec<&Value> = status["locks"]
        .as_array()
        .expect("locks")
        .iter()
        .filter(|lock| lock["verdict"] == "foreign")
        .collect();
    assert_eq!(foreign.len(), 2);
    for lock in foreign {
        assert_eq!(lock["action"], "none");
        let note = lock["note"].as_str().expect("a note");
        assert!(note.contains("--pid=container:GATEWAY") && note.contains("shareProcessNamespace"), "{note}");
    }
}
