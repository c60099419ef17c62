//! Every kind of lock that a version of OpenClaw puts on disk is recognised where that version puts it, and
//! nothing else is ever listed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{TestEnv, set_age};
use lockdoctor::openclaw::lock_kind::LockKind;

/// `(kind, path below the state directory, fixture)`; a path that ends with `/` is a directory lock.
const LOCKS: &[(&str, &str, &str)] = &[
    ("session", "agents/main/sessions/5dd6c97c.jsonl.lock", "session/2026.1.24-2026.3.1"),
    ("session", "agents/main/sessions/5dd6c97c-topic-12.jsonl.lock", "session/2026.3.2-2026.5.7_linux"),
    (
        "session",
        "agents/nina/sessions/boot-2026-02-14_16-22-48.jsonl.lock",
        "session/2026.5.22-2026.7.35_linux",
    ),
    ("store", "agents/main/sessions/sessions.json.lock", "store/2026.1.24-2026.2.12"),
    ("store", "agents/nina/sessions/sessions.json.lock", "store/2026.3.2-2026.4.29_linux"),
    ("usage-cost", "agents/main/sessions/.usage-cost-cache.json.lock", "usage-cost/2026.5.3-2026.7.35"),
    ("auth", "agents/main/agent/auth-profiles.json.lock", "plugin/2026.2.17-2026.5.7"),
    ("auth", "agents/nina/agent/auth-profiles.json.lock/", ""),
    ("auth", "agents/main/agent/auth.json.lock/", ""),
    (
        "oauth",
        "locks/oauth-refresh/sha256-5dd6c97c7d9547adb732080840c144ca.lock",
        "plugin/2026.5.12-2026.5.22",
    ),
    ("oauth", "locks/oauth-refresh/lock-5dd6c97c.lock", "plugin/2026.5.26-2026.7.35_linux"),
    ("pairing", "credentials/whatsapp-pairing.json.lock", "plugin/2026.2.17-2026.5.7"),
    ("pairing", "credentials/telegram-allowFrom.json.lock/", ""),
    ("config", "openclaw.json.lock", "plugin/2026.5.12-2026.5.22"),
    ("config-clobber", "openclaw.json.clobber.lock/", ""),
    ("sandbox", "sandbox/containers.json.lock", "session/2026.3.2-2026.5.7_linux"),
    ("sandbox", "sandbox/browsers.json.lock", "session/2026.5.22-2026.7.35_linux"),
    ("qmd", "qmd/embed.lock.lock", "plugin/2026.5.26-2026.7.35_linux"),
    ("qmd", "agents/main/qmd-write.lock.lock", "plugin/2026.5.26-2026.7.35_linux"),
    ("promotion", "workspace/memory/.dreams/short-term-promotion.lock", "promotion/2026.4.5-2026.6.8"),
    ("plugin", "acp/event-ledger.json.lock", "plugin/2026.5.26-2026.7.35_linux"),
    ("plugin", "msteams/conversations.sqlite.lock", "plugin/2026.5.26-2026.7.35_linux"),
    ("plugin", ".fs-safe-write-5dd6c97c.lock", "plugin/2026.8.1-_linux"),
    (
        "runtime-deps",
        "plugin-runtime-deps/.openclaw-runtime-deps.lock/owner.json",
        "runtime-deps/2026.4.24-2026.4.29",
    ),
    ("gateway", "tmp/openclaw-UID/gateway.state.lock", "gateway/2026.8.1-_linux"),
    ("gateway", "tmp/openclaw-UID/gateway.0165b212.lock", "gateway/2026.8.1-_agent-embedded"),
    ("coordinator", "tmp/openclaw-UID/gateway.state.lock.sqlite", ""),
    ("guard", "tmp/openclaw-UID/gateway.state.lock.reclaim/", ""),
    ("guard", "agents/main/sessions/5dd6c97c.jsonl.lock.reclaim/", ""),
];

/// Files that a careless eye takes for locks of OpenClaw.
const STRANGERS: &[&str] = &[
    "package-lock.json",
    "Cargo.lock",
    "yarn.lock",
    "flake.lock",
    ".lock",
    "agents/main/sessions/Cargo.lock",
    "agents/main/sessions/sessions.json",
    "agents/main/sessions/notes.lock",
    "agents/main/sessions/.jsonl.lock",
    "agents/main/sessions/a.jsonl.lock.bak",
    "agents/main/sessions/a.jsonl.deleted.lock",
    "agents/main/sessions/sub/b.jsonl.lock",
    "agents/main/agent/package-lock.json",
    "agents/main/agent/openclaw-agent.sqlite-wal",
    "workspace/.git/index.lock",
    "workspace/package-lock.json",
    "workspace/a.jsonl.lock",
    "plugins/x/node_modules/.package-lock.json",
    "plugins/x/node_modules/y/z.json.lock",
    "credentials/.git/index.lock",
    "state/openclaw.sqlite-wal",
    "tmp/openclaw-UID/other.lock",
    "tmp/openclaw-UID/gateway.lock",
    "sandbox/other.lock",
    "lockdoctor/quarantine/x.jsonl.lock",
];

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/locks/{name}.lock", env!("CARGO_MANIFEST_DIR"));
    if name.is_empty() { Vec::new() } else { fs::read(path).expect("fixture") }
}

fn plant(env: &TestEnv, relative: &str, bytes: &[u8]) -> PathBuf {
    let uid = fs::metadata(env.home()).expect("home").uid().to_string();
    let path = env.state().join(relative.replace("UID", &uid));
    if relative.ends_with('/') {
        fs::create_dir_all(&path).expect("directory");
    } else {
        fs::create_dir_all(path.parent().expect("below")).expect("directory");
        fs::write(&path, bytes).expect("file");
    }
    path
}

#[test]
fn every_kind_is_recognised_where_it_lies() {
    let env = TestEnv::new("2026.7.1");
    let mut expected = BTreeSet::new();
    for (kind, relative, name) in LOCKS {
        let path = plant(&env, relative, &fixture(name));
        let lock =
            if *kind == "runtime-deps" { path.parent().expect("a directory").to_owned() } else { path };
        let text = lock.to_string_lossy().trim_end_matches('/').to_owned();
        expected.insert(((*kind).to_owned(), text));
    }
    for relative in STRANGERS {
        plant(&env, relative, b"{}");
    }
    let scan = env.scan();
    let json = scan.json();
    let locks = json["locks"].as_array().expect("locks");
    let word = |lock: &serde_json::Value, key: &str| lock[key].as_str().expect(key).to_owned();
    let found: BTreeSet<(String, String)> =
        locks.iter().map(|lock| (word(lock, "kind"), word(lock, "path"))).collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}\nsurplus {surplus:#?}");
    assert_eq!(locks.len(), expected.len(), "a lock is listed twice");

    for lock in locks {
        let managed = matches!(word(lock, "kind").as_str(), "session" | "store");
        assert!(managed || lock["action"] != "reclaim", "{lock:#}");
        if lock["evidence"]["content"] == "parsed" {
            assert_eq!(lock["owner"]["pid"], 4242, "{lock:#}");
            assert!(lock["created_at"].is_string(), "{lock:#}");
        }
    }
    let kinds: BTreeSet<&str> = LOCKS.iter().map(|(kind, ..)| *kind).collect();
    for kind in LockKind::ALL.into_iter().filter(|kind| *kind != LockKind::Lease) {
        assert!(kinds.contains(kind.as_str()), "no lock of kind {}", kind.as_str());
    }
}

/// Every lock that a scan lists can be asked about, wherever it lies.
#[test]
fn every_lock_that_is_listed_can_be_explained() {
    let env = TestEnv::new("2026.7.1");
    for (_, relative, name) in LOCKS {
        plant(&env, relative, &fixture(name));
    }
    for path in env.scan().paths() {
        let explained = env.run(&["explain", &path]).exits(0);
        assert!(explained.stdout.starts_with(&path), "{explained:#?}");
    }
}

/// Up to 2026.7.35 the gateway lock lies in the temporary directory, named by a hash of the configuration's path.
#[test]
fn gateway_locks_in_the_temporary_directory_are_matched_to_their_install() {
    let env = TestEnv::new("2026.5.22");
    let uid = fs::metadata(env.home()).expect("home").uid();
    let lock = |product: &str, config: &Path| {
        let directory = env.tmp().join(format!("{product}-{uid}"));
        fs::create_dir_all(&directory).expect("directory");
        let hash = config
            .to_string_lossy()
            .bytes()
            .fold(0_u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte));
        let path = directory.join(format!("gateway.{hash:08x}.lock"));
        let payload = serde_json::json!({
            "pid": crate::support::dead_pid(), "createdAt": "2026-05-26T07:22:46.211Z", "configPath": config, "startTime": 1,
        });
        fs::write(&path, payload.to_string()).expect("lock");
        path
    };
    let ours = lock("openclaw", &env.state().join("openclaw.json"));
    let of_old = lock("clawdbot", &env.state().join("clawdbot.json"));
    let other = lock("openclaw", Path::new("/home/somebody/.openclaw/openclaw.json"));
    let scan = env.scan().exits(1);
    for lock in [&ours, &of_old] {
        assert_eq!(scan.lock(lock)["verdict"], "stale");
        assert_eq!(scan.lock(lock)["action"], "report");
        env.run(&["explain", &lock.to_string_lossy()]).exits(0);
    }
    assert!(!scan.paths().contains(&other.to_string_lossy().into_owned()));
    assert_eq!(scan.json()["roots"][0]["gateway"]["state"], "down");
}

#[test]
fn a_directory_lock_is_held_as_long_as_it_is_touched() {
    let env = TestEnv::new("2026.2.12");
    let lock = plant(&env, "agents/main/agent/auth-profiles.json.lock/", b"");
    let lock = lock.parent().expect("agent").join("auth-profiles.json.lock");
    env.scan().exits(0).says(&lock, "held");
    set_age(&lock, Duration::from_secs(60));
    env.scan().exits(0).says(&lock, "indeterminate");
}
