//! Real gateways of the SQLite era: in a run, killed, restarted, and restarted under another host name.
//!
//! Needs gateways that `tests/real/install.mjs` has put below `$LOCKDOCTOR_LAB`, and a node new enough for them
//! (`$LOCKDOCTOR_NODE`, else `node`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chrono::Utc;
use lockdoctor::sqlite::judge::{Claim, Clears, judge};
use lockdoctor::sqlite::os_lock::{self, OsLock};
use lockdoctor::sqlite::{
    Era, LeaseOwner, OwnerFacts, PidState, Reason, SessionStatus, Sessions, StartTime, StateDb, Tri, Verdict,
    era, survey,
};
use serde_json::Value;

use crate::support::fingerprint;

const VERSIONS: [&str; 2] = ["2026.8.2", "2026.9.6"];

/// `unshare --uts` with another host name, as a re-created container has one.
const ELSEWHERE: [&str; 5] = ["unshare", "--uts", "sh", "-c", "hostname re-created && exec \"$0\" \"$@\""];

struct Driver {
    process: Child,
    answers: BufReader<ChildStdout>,
    state: PathBuf,
}

impl Driver {
    /// `Err` says why there is no such gateway here.
    fn new(version: &str, home: &Path, prefix: &[&str]) -> Result<Self, String> {
        if std::env::var_os("LOCKDOCTOR_LAB").is_none() {
            return Err("LOCKDOCTOR_LAB is not set: no real gateways".into());
        }
        let node = std::env::var("LOCKDOCTOR_NODE").unwrap_or_else(|_| "node".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sqlite/drive.mjs");
        let script = script.to_str().ok_or("a path that is not UTF-8")?;
        let key = format!("openclaw-{version}");
        let home = home.to_str().ok_or("a path that is not UTF-8")?;
        let words = [prefix, &[&node, script, &key, home]].concat();
        let mut process = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", words[0]))?;
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        let mut driver = Self { process, answers, state: PathBuf::new() };
        let ready = driver.answer()?;
        driver.state = ready["state"].as_str().unwrap_or_default().into();
        Ok(driver)
    }

    fn tell(&mut self, command: &str) -> Result<Value, String> {
        let stdin = self.process.stdin.as_mut().expect("piped");
        writeln!(stdin, "{command}").map_err(|error| error.to_string())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&line).map_err(|_| format!("the driver said {line:?}"))?;
        if answer["ok"] == true { Ok(answer) } else { Err(answer["error"].to_string()) }
    }

    fn state_db(&self) -> StateDb {
        survey(&self.state, Sessions::Running).state.expect("readable")
    }

    /// How many sessions are running, and whether their runs are under way.
    fn running(&self) -> Vec<bool> {
        let agents = survey(&self.state, Sessions::Running).agents;
        let nodes = agents.iter().flat_map(|(_, db)| db.as_ref().expect("readable").nodes.rows());
        nodes
            .inspect(|node| assert_eq!(node.status, Some(SessionStatus::Running)))
            .map(|node| node.lifecycle_run_id.is_some())
            .collect()
    }

    fn gateway_lock(&self) -> OsLock {
        let tmp = fs::read_dir(self.state.join("tmp")).expect("there").flatten();
        let uid =
            tmp.map(|entry| entry.file_name()).find(|name| name.to_string_lossy().starts_with("openclaw"));
        let name = Path::new("tmp").join(uid.expect("a lock directory")).join("gateway.state.lock.sqlite");
        os_lock::coordinator(&self.state, &name)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.tell("stop");
        let _ = self.process.wait();
    }
}

/// What this very host knows about a process: the namespace is ours, the host name may not be.
fn facts(owner: &LeaseOwner, gateway_lock: OsLock) -> OwnerFacts {
    let stat = owner.pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    let field = |n: usize| Some(stat.as_ref()?.rsplit_once(')')?.1.split_whitespace().nth(n)?.to_owned());
    let start = field(19).and_then(|ticks| ticks.parse::<u64>().ok());
    OwnerFacts {
        pid: match field(0).as_deref() {
            None => PidState::Dead,
            Some("Z") => PidState::Zombie,
            Some(_) => PidState::Alive,
        },
        start_time: match (start, owner.started_at) {
            (Some(now), Some(then)) if now == then => StartTime::Equal,
            (Some(_), Some(_)) => StartTime::Different,
            _ => StartTime::Unknown,
        },
        same_host: Tri::Yes,
        same_pid_domain: Tri::Yes,
        gateway_lock_held: match gateway_lock {
            OsLock::Held { .. } => Tri::Yes,
            OsLock::Free => Tri::No,
            OsLock::Unknown => Tri::Unknown,
        },
        gateway_lock_is_owners: Tri::Unknown,
    }
}

fn verdicts(db: &StateDb, lock: OsLock) -> BTreeMap<String, (Verdict, Vec<Reason>, Clears)> {
    let leases =
        db.leases.rows().iter().map(|lease| (format!("{}/{}", lease.scope, lease.key), Claim::from(lease)));
    let opened = db.agent_database_leases.rows().iter().map(|row| (row.lease_id.clone(), Claim::from(row)));
    let judged = |(name, claim): (String, Claim)| {
        let verdict = judge(&claim, &facts(claim.owner, lock), Utc::now());
        (name, (verdict.verdict, verdict.reasons, verdict.clears))
    };
    leases.chain(opened).map(judged).collect()
}

fn databases(state: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    fingerprint(&state.join("state"), &mut all);
    fingerprint(&state.join("agents"), &mut all);
    all
}

/// The gateway renews its lease every 30 s: it takes a moment without that to see that we leave no trace.
fn leaves_no_trace(state: &Path) {
    for _ in 0..10 {
        let before = databases(state);
        for _ in 0..20 {
            survey(state, Sessions::All).state.expect("readable");
            assert_eq!(era(state), Era::Sqlite);
        }
        if before == databases(state) {
            return;
        }
        sleep(Duration::from_millis(500));
    }
    panic!("the files never were the same after 20 readings as before");
}

fn until(what: &str, mut probe: impl FnMut() -> bool) {
    let start = Instant::now();
    while !probe() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited for {what}");
        sleep(Duration::from_millis(100));
    }
}

fn a_gateways_life(version: &str) -> Result<(), String> {
    let home = tempfile::Builder::new().prefix("lockdoctor-sqlite-").tempdir().expect("a directory");
    let mut gateway = Driver::new(version, home.path(), &[])?;
    let pid = gateway.tell("start")?["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    gateway.tell("message warm-up [[tag=one]]")?;
    gateway.tell("send [[delay=600]] [[tag=two]]")?;
    until("a run under way", || gateway.running() == [true]);

    let lock = gateway.gateway_lock();
    assert_eq!(lock, OsLock::Held { pid }, "{version}: the kernel knows the gateway");
    let database = os_lock::database_open(&gateway.state, Path::new("state/openclaw.sqlite"));
    assert!(matches!(database, OsLock::Held { .. }), "{version}: {database:?}");
    let living = verdicts(&gateway.state_db(), lock);
    assert!(!living.is_empty());
    assert!(living.values().all(|(verdict, ..)| *verdict == Verdict::Held), "{version}: {living:?}");
    assert_eq!(living.contains_key("gateway-owner/global"), version == "2026.9.6");
    leaves_no_trace(&gateway.state);

    gateway.tell("kill")?;
    assert_eq!(gateway.running(), [true], "{version}: running survives its gateway");
    assert_eq!(gateway.gateway_lock(), OsLock::Free, "{version}");
    let database = os_lock::database_open(&gateway.state, Path::new("state/openclaw.sqlite"));
    assert_eq!(database, OsLock::Free, "{version}");
    let dead = verdicts(&gateway.state_db(), OsLock::Free);
    let expected = (Verdict::Stale, vec![Reason::DeadPid], Clears::AtNextUse);
    assert!(dead.values().all(|seen| *seen == expected), "{version}: {dead:?}");
    assert_eq!(dead.keys().collect::<Vec<_>>(), living.keys().collect::<Vec<_>>());
    leaves_no_trace(&gateway.state);

    another_host_name(version, home.path(), &gateway)?;
    gateway.tell("start")?;
    let lock = gateway.gateway_lock();
    let restarted = verdicts(&gateway.state_db(), lock);
    let live = restarted.values().filter(|(verdict, ..)| *verdict == Verdict::Held).count();
    let left = restarted.values().filter(|seen| **seen == expected).count();
    assert!(live > 0 && live + left == restarted.len(), "{version}: {restarted:?}");
    Ok(())
}

/// openclaw#155644: a 9.6 gateway cannot take over from one of another host name, however dead.
fn another_host_name(version: &str, home: &Path, dead: &Driver) -> Result<(), String> {
    if version != "2026.9.6" {
        return Ok(());
    }
    let mut next = match Driver::new(version, home, &ELSEWHERE) {
        Ok(next) => next,
        Err(why) => {
            eprintln!("SKIPPED: another host name: {why}");
            return Ok(());
        }
    };
    next.tell("start").expect_err("refused for as long as the lease runs");
    let console = fs::read_to_string(home.join("console.log")).map_err(|error| error.to_string())?;
    let db = dead.state_db();
    let [lease] = db.leases.rows() else { return Err(format!("{:?}", db.leases)) };
    assert!(console.contains(lease.scope.refusal().expect("known")), "{console}");
    // As seen from inside the new container: the pid is somebody else's, or nobody's, and proves nothing.
    let inside = OwnerFacts {
        same_host: Tri::No,
        same_pid_domain: Tri::Unknown,
        gateway_lock_held: Tri::No,
        ..OwnerFacts::default()
    };
    let verdict = judge(&lease.into(), &inside, Utc::now() + chrono::TimeDelta::seconds(60));
    assert_eq!((verdict.verdict, verdict.reasons), (Verdict::Stale, vec![Reason::NoWriter]));
    assert_eq!(verdict.clears, Clears::At(lease.expires_at.expect("it expires")));
    Ok(())
}

#[test]
fn lives_and_deaths_of_real_gateways() {
    for version in VERSIONS {
        match a_gateways_life(version) {
            Ok(()) => eprintln!("openclaw {version}: as expected"),
            Err(why)
                if why.contains("not installed")
                    || why.contains("LOCKDOCTOR_LAB")
                    || why.contains("cannot be run") =>
            {
                assert!(std::env::var_os("LOCKDOCTOR_REQUIRE_REAL").is_none(), "required, but {why}");
                eprintln!("SKIPPED: openclaw {version}: {why}");
            }
            Err(why) => panic!("openclaw {version}: {why}"),
        }
    }
}
