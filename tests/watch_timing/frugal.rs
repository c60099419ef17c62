//! What it costs: nothing while nothing happens, next to nothing while transcripts grow.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::support::watch::Watch;
use crate::support::{TestEnv, eventually, hold, is_shipped, own_pid, payload, start_ticks};

const MIB: u64 = 1024;

#[test]
fn an_idle_watch_does_not_wake() {
    let _alone = crate::alone();
    let env = TestEnv::new("2026.4.15");
    let held = hold(&env.session("held"), &payload(own_pid(), Some(start_ticks(own_pid()))));
    let watch = Watch::start(&env, &["--reclaim"]);
    eventually("the lock is known", || watch.status()["summary"]["held"] == 1);
    // The session's name is looked up once, when the lock is found.
    std::thread::sleep(Duration::from_secs(1));
    let switches = |watch: &Watch| {
        watch.proc_status("voluntary_ctxt_switches") + watch.proc_status("nonvoluntary_ctxt_switches")
    };
    // Gateways of other tests may take locks in the temporary directory that all of this user's share, which
    // wakes it rightly; a quiet stretch of five seconds shows that nothing of its own does.
    let quiet = (0..6).find(|_| {
        let (before, ticks) = (switches(&watch), watch.cpu_ticks());
        std::thread::sleep(Duration::from_secs(5));
        let woken = switches(&watch) - before;
        eprintln!("idle for 5 s: {woken} context switches, {} ticks of CPU", watch.cpu_ticks() - ticks);
        woken == 0
    });
    assert!(quiet.is_some());
    drop(held);
}

#[test]
fn two_hundred_agents_with_two_thousand_locks_fit_into_8_mib() {
    let _alone = crate::alone();
    let env = TestEnv::new("2026.4.15");
    let bytes = payload(own_pid(), Some(start_ticks(own_pid())));
    let mut held = Vec::new();
    for agent in 0..200 {
        let sessions = env.sessions(&format!("agent{agent:03}"));
        for lock in 0..10 {
            held.push(hold(
                &sessions.join(format!("{agent:08}-0000-4000-8000-{lock:012}.jsonl.lock")),
                &bytes,
            ));
        }
    }
    let bare = Watch::start(&TestEnv::new("2026.4.15"), &[]);
    let watch = Watch::start(&env, &[]);
    eventually("2000 locks", || watch.status()["summary"]["held"] == 2000);
    let of_locks = watch.proc_status("RssAnon") - bare.proc_status("RssAnon");
    let (settled, peak) = (watch.proc_status("VmRSS"), watch.proc_status("VmHWM"));
    eprintln!(
        "RSS: {settled} KiB with 2000 locks of 200 agents (peak {peak}, with none {}), of which {of_locks} KiB are \
         theirs; {} descriptors",
        bare.proc_status("VmRSS"),
        watch.open_descriptors()
    );
    assert!(of_locks < 7 * MIB / 2, "{of_locks} KiB for the locks");
    // How much of the program itself is in memory differs with the profile: what is shipped has to be small.
    if is_shipped() {
        assert!(settled < 8 * MIB, "{settled} KiB");
    }
}

#[test]
fn growing_transcripts_cost_less_than_a_hundredth_of_a_core() {
    let _alone = crate::alone();
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &["--reclaim"]);
    let paths: Vec<_> = (0..100).map(|n| env.session(&format!("t{n}")).with_extension("")).collect();
    std::thread::sleep(Duration::from_millis(300));
    let (before, switches) = (watch.cpu_ticks(), watch.proc_status("voluntary_ctxt_switches"));
    let started = Instant::now();
    let mut appends = 0_u64;
    // 100 transcripts, each opened, appended to and closed 100 times a second, as OpenClaw does it.
    while started.elapsed() < Duration::from_secs(5) {
        for path in &paths {
            let mut file = OpenOptions::new().append(true).open(path).expect("transcript");
            file.write_all(b"{\"type\":\"message\"}\n").expect("append");
            appends += 1;
        }
        let due = Duration::from_micros(appends * 100);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
    let seconds = started.elapsed().as_secs_f64();
    let ticks = watch.cpu_ticks() - before;
    let woken = watch.proc_status("voluntary_ctxt_switches") - switches;
    eprintln!(
        "{:.0} appends/s for {seconds:.1} s: {ticks} ticks of CPU, woken {woken} times",
        appends as f64 / seconds
    );
    assert!((ticks as f64 / 100.0) < seconds * 0.01, "{ticks} ticks");
    assert_eq!(woken, 0, "an append must not wake it");
}
