//! From the death of an owner to the verdict, and to the reclaim.

use std::time::{Duration, Instant};

use crate::promised;
use crate::support::TestEnv;
use crate::support::watch::{Watch, distribution, holder};

const ROUNDS: usize = 60;
const SETTLE: Duration = Duration::from_millis(300);

#[test]
fn a_death_is_known_within_50_ms_and_dealt_with_after_the_settle_time() {
    let _alone = crate::alone();
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &["--reclaim", "--settle", "300ms"]);
    let mut to_verdict = Vec::new();
    let mut to_reclaim = Vec::new();
    for round in 0..ROUNDS {
        let lock = env.session(&format!("s{round}"));
        let mut owner = holder(&lock);
        watch.verdict(&lock, "held");
        let killed = Instant::now();
        owner.child.kill().expect("kill");
        // Half of the owners are collected by their parent, half stay zombies.
        if round % 2 == 0 {
            owner.child.wait().expect("wait");
        }
        to_verdict.push(watch.verdict(&lock, "stale").at - killed);
        let reclaimed = watch.wait_for(|line| line.is_about(&lock) && line.says("reclaimed"));
        to_reclaim.push(reclaimed.at - killed);
        watch.verdict(&lock, "freed");
    }
    let (half, most, longest) = distribution(to_verdict);
    eprintln!("killed → stale: p50 {half:.1} ms, p99 {most:.1} ms, longest {longest:.1} ms");
    assert!(most < milliseconds(promised(Duration::from_millis(50))), "p99 {most} ms");
    let (half, most, longest) = distribution(to_reclaim);
    eprintln!(
        "killed → reclaimed: p50 {half:.1} ms, p99 {most:.1} ms, longest {longest:.1} ms (settle 300 ms)"
    );
    assert!(most < milliseconds(promised(SETTLE + Duration::from_millis(100))), "p99 {most} ms");
    assert!(half >= milliseconds(SETTLE), "it acted before the settle time: {half} ms");
    assert_eq!(
        watch.metric(r#"lockdoctor_reclaims_total{reason="dead-pid",result="reclaimed"}"#)
            + watch.metric(r#"lockdoctor_reclaims_total{reason="zombie-pid",result="reclaimed"}"#),
        ROUNDS as f64
    );
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[test]
fn a_leak_is_seen_when_the_owner_closes_the_file_and_reclaimed_after_its_own_settle_time() {
    let _alone = crate::alone();
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &["--reclaim", "--settle", "1200ms"]);
    let lock = env.session("leaked");
    let mut owner = crate::support::Owner::start();
    owner.leak(&lock);
    let closed = Instant::now();
    let settling = watch.verdict(&lock, "settling");
    assert!(settling.at - closed < promised(Duration::from_millis(100)), "{:?}", settling.at - closed);
    watch.verdict(&lock, "leaked");
    let reclaimed = watch.wait_for(|line| line.is_about(&lock) && line.says("reclaimed"));
    let took = reclaimed.at - closed;
    assert!(took > Duration::from_millis(1150) && took < promised(Duration::from_millis(1300)), "{took:?}");
}

#[test]
fn keep_leaked_keeps_them() {
    let _alone = crate::alone();
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &["--reclaim", "--settle", "50ms", "--keep-leaked"]);
    let lock = env.session("kept");
    let mut owner = crate::support::Owner::start();
    owner.leak(&lock);
    watch.verdict(&lock, "leaked");
    let acted = watch.try_wait_for(Duration::from_millis(1500), |line| line.says("reclaimed"));
    assert!(acted.is_none(), "{acted:?}");
    assert!(lock.exists());
}
