//! Real gateways of the SQLite era: in a run, killed, restarted, and restarted under another host name.
//!
//! Needs gateways that `tests/real/install.mjs` has put below `$LOCKDOCTOR_LAB`, and a node new enough for them
//! (`$LOCKDOCTOR_NODE`, else `node`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::driver::{Driver, skipped};
use crate::support::sqlite::{era, fingerprint};
use chrono::Utc;
use lockdoctor::leases::judge::{Claim, Clears, judge};
use lockdoctor::leases::{
    Era, LeaseOwner, OwnerFacts, PidState, Reason, Sessions, StartTime, StateDb, Tri, Verdict, survey,
};

const VERSIONS: [&str; 2] = ["2026.8.2", "2026.9.6"];

/// `unshare --uts` with another host name, as a re-created container has one.
const ELSEWHERE: [&str; 5] = ["unshare", "--uts", "sh", "-c", "hostname re-created && exec \"$0\" \"$@\""];

/// What this very host knows about a process: the namespace is ours, the host name may not be.
fn facts(owner: &LeaseOwner, gateway_lock: &[Option<u32>]) -> OwnerFacts {
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
        began: None,
        same_host: Tri::Yes,
        same_pid_domain: Tri::Yes,
        gateway_lock_held: if gateway_lock.is_empty() { Tri::No } else { Tri::Yes },
        gateway_lock_is_owners: Tri::Unknown,
        database_open: Tri::Unknown,
    }
}

fn verdicts(db: &StateDb, lock: &[Option<u32>]) -> BTreeMap<String, (Verdict, Vec<Reason>, Clears)> {
    let leases =
        db.leases.rows().iter().map(|lease| (format!("{}/{}", lease.scope, lease.key), Claim::from(lease)));
    let opened = db.agent_database_leases.rows().iter().map(|row| (row.lease_id.clone(), Claim::from(row)));
    let judged = |(name, claim): (String, Claim)| {
        let verdict = judge(&claim, &facts(claim.owner, lock), Utc::now());
        (name, (verdict.verdict, verdict.reasons, verdict.clears))
    };
    leases.chain(opened).map(judged).collect()
}

/// Stale, and the next one on this host takes over: a zombie is as dead, only its parent has not looked yet.
fn buried((verdict, reasons, clears): &(Verdict, Vec<Reason>, Clears)) -> bool {
    let dead = matches!(reasons[..], [Reason::DeadPid | Reason::ZombiePid]);
    *verdict == Verdict::Stale && dead && *clears == Clears::AtNextUse
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
    assert_eq!(lock, [pid], "{version}: the kernel knows the gateway");
    assert_eq!(gateway.opened_by(), [pid], "{version}");
    let living = verdicts(&gateway.state_db(), &lock);
    assert!(!living.is_empty());
    assert!(living.values().all(|(verdict, ..)| *verdict == Verdict::Held), "{version}: {living:?}");
    assert_eq!(living.contains_key("gateway-owner/global"), version == "2026.9.6");
    leaves_no_trace(&gateway.state);

    gateway.tell("kill")?;
    until("the kernel to bury the gateway", || gateway.gateway_lock().is_empty());
    assert_eq!(gateway.running(), [true], "{version}: running survives its gateway");
    assert_eq!(gateway.opened_by(), [], "{version}");
    let dead = verdicts(&gateway.state_db(), &[]);
    assert!(dead.values().all(buried), "{version}: {dead:?}");
    assert_eq!(dead.contains_key("gateway-owner/global"), version == "2026.9.6");
    leaves_no_trace(&gateway.state);

    another_host_name(version, home.path(), &gateway)?;
    gateway.tell("start")?;
    let lock = gateway.gateway_lock();
    let restarted = verdicts(&gateway.state_db(), &lock);
    let live = restarted.values().filter(|(verdict, ..)| *verdict == Verdict::Held).count();
    let left = restarted.values().filter(|seen| buried(seen)).count();
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
            Err(why) => skipped(version, &why),
        }
    }
}
