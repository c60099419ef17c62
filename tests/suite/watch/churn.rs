//! Many locks, fast; events that are lost; directories that come and go.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::watch::{Watch, holder};
use crate::support::{Owner, TestEnv, eventually, hold, own_pid, payload, start_ticks};

fn bytes() -> Vec<u8> {
    payload(own_pid(), Some(start_ticks(own_pid())))
}

/// No verdict that would have led to an act was ever given.
fn assert_nothing_misjudged(watch: &Watch) {
    for line in watch.lines() {
        let verdict = line.fields["verdict"].as_str().unwrap_or_default();
        assert!(!matches!(verdict, "stale" | "leaked" | "overdue" | "refused"), "{}", line.fields);
    }
    for code in ["stale-lock", "leaked-lock", "overdue-lock", "lock-deleted-while-held"] {
        assert_eq!(
            watch.metric(&format!("lockdoctor_findings_raised_total{{code=\"{code}\"}}")),
            0.0,
            "{code}"
        );
    }
}

/// Releases as OpenClaw does: close, then unlink.
fn release(path: &Path, file: std::fs::File) {
    drop(file);
    std::fs::remove_file(path).expect("still there");
}

#[test]
fn ten_thousand_locks_in_ten_seconds_are_all_seen_and_none_is_misjudged() {
    const LOCKS: usize = 10_000;
    let env = TestEnv::new("2026.4.15");
    let directories: Vec<PathBuf> = (0..10).map(|n| env.sessions(&format!("agent{n}"))).collect();
    // At its fastest: were it to misjudge one, it would take it.
    let watch = Watch::start(&env, &["--reclaim", "--settle", "0s"]);
    let bytes = bytes();
    let started = Instant::now();
    let mut held = std::collections::VecDeque::new();
    for number in 0..LOCKS {
        let due = Duration::from_millis(number as u64);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        let path = directories[number % directories.len()].join(format!("s{number}.jsonl.lock"));
        held.push_back((path.clone(), hold(&path, &bytes)));
        // Some are released at once, some after about 100 ms, so that a look falls into their life.
        if number % 3 == 0 || held.len() > 100 {
            let (path, file) =
                if number % 3 == 0 { held.pop_back() } else { held.pop_front() }.expect("held");
            release(&path, file);
        }
    }
    held.into_iter().for_each(|(path, file)| release(&path, file));
    eprintln!("{LOCKS} locks created and released in {:.1} s", started.elapsed().as_secs_f64());
    eventually("every release is counted", || {
        watch.metric(r#"lockdoctor_locks_ended_total{how="deleted"}"#) as usize == LOCKS
    });
    assert_eq!(watch.metric("lockdoctor_lock_hold_seconds_count") as usize, LOCKS);
    assert_eq!(watch.metric("lockdoctor_inotify_overflows_total"), 0.0);
    assert_eq!(watch.status()["summary"]["total"], 0);
    assert_nothing_misjudged(&watch);
}

#[test]
fn after_an_overflow_everything_is_found_again_within_a_second() {
    let env = TestEnv::new("2026.4.15");
    let sessions = env.sessions("main");
    let watch = Watch::start(&env, &["--reclaim", "--settle", "0s"]);
    let limit: usize = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(16_384);
    watch.signal(Signal::STOP);
    for number in 0..limit / 2 + 1000 {
        let path = sessions.join(format!("noise{number}"));
        std::fs::write(&path, "").expect("write");
        std::fs::remove_file(&path).expect("remove");
    }
    let bytes = bytes();
    let held: Vec<_> = (0..200)
        .map(|number| {
            let path = sessions.join(format!("s{number}.jsonl.lock"));
            (path.clone(), hold(&path, &bytes))
        })
        .collect();
    let fresh = env.sessions("came-unseen").join("new.jsonl.lock");
    let fresh_file = hold(&fresh, &bytes);
    let woken = Instant::now();
    watch.signal(Signal::CONT);
    watch.verdict(&fresh, "held");
    for (path, _) in &held {
        watch.verdict(path, "held");
    }
    let took = woken.elapsed();
    eprintln!("201 locks found {:.0} ms after the overflow", took.as_secs_f64() * 1000.0);
    // On a machine that is busy with other things, that says nothing about the daemon.
    assert!(std::env::var_os("LOCKDOCTOR_MEASURE").is_none() || took < Duration::from_secs(1), "{took:?}");
    assert!(watch.metric("lockdoctor_inotify_overflows_total") >= 1.0);
    // And from there on events count again.
    held.into_iter().for_each(|(path, file)| release(&path, file));
    release(&fresh, fresh_file);
    eventually("all are released", || watch.status()["summary"]["total"] == 0);
    assert_nothing_misjudged(&watch);
}

#[test]
fn a_burst_of_new_agents_is_seen_whole() {
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &[]);
    let bytes = bytes();
    let mut held = Vec::new();
    for agent in 0..100 {
        let sessions = env.sessions(&format!("new{agent}"));
        for lock in 0..5 {
            let path = sessions.join(format!("{lock}.jsonl.lock"));
            held.push((path.clone(), hold(&path, &bytes)));
        }
    }
    eventually("500 locks in 100 new agents", || watch.status()["summary"]["held"] == 500);
    std::fs::remove_dir_all(env.state().join("agents")).expect("remove");
    eventually("all are gone", || watch.status()["summary"]["total"] == 0);
    let again = hold(&env.session("again"), &bytes);
    eventually("agents/ is watched again", || watch.status()["summary"]["held"] == 1);
    drop(again);
}

#[test]
fn a_state_directory_may_come_late_go_and_come_back() {
    let env = TestEnv::empty();
    let watch = Watch::start(&env, &[]);
    assert_eq!(watch.status()["roots"][0]["present"], false);
    let bytes = bytes();
    for round in 0..3 {
        let lock = env.session(&format!("s{round}"));
        let file = hold(&lock, &bytes);
        watch.verdict(&lock, "held");
        assert_eq!(watch.status()["roots"][0]["present"], true);
        if round == 1 {
            std::fs::rename(env.state(), env.home().join("aside")).expect("rename");
            drop(file);
        } else {
            drop(file);
            std::fs::remove_dir_all(env.state()).expect("remove");
        }
        eventually("its end is noticed", || watch.status()["roots"][0]["present"] == false);
        assert_eq!(watch.status()["summary"]["total"], 0);
    }
}

#[test]
fn a_lock_that_somebody_deletes_while_it_is_held_is_a_finding() {
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &[]);
    let (robbed, released) = (env.session("robbed"), env.session("released"));
    let _owner = holder(&robbed);
    let file = hold(&released, &bytes());
    watch.verdict(&robbed, "held");
    watch.verdict(&released, "held");
    std::fs::remove_file(&robbed).expect("remove");
    release(&released, file);
    let message = "a lock was deleted while its owner held it";
    let line = watch.wait_for(|line| line.says(message));
    assert!(line.is_about(&robbed), "{}", line.fields);
    assert_eq!(watch.status()["findings"][0]["code"], "lock-deleted-while-held");
    assert_eq!(watch.lines().iter().filter(|line| line.says(message)).count(), 1);
}

#[test]
fn its_own_tombstone_is_shown_as_freed_and_left_alone() {
    let env = TestEnv::new("2026.4.15");
    let lock = env.session("dead");
    std::fs::write(&lock, payload(crate::support::dead_pid(), Some(1))).expect("write");
    let watch = Watch::start(&env, &["--reclaim", "--settle", "100ms"]);
    watch.verdict(&lock, "freed");
    let tombstone = std::fs::read(&lock).expect("the name is never absent");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(std::fs::read(&lock).expect("there"), tombstone);
    assert_eq!(watch.status()["acts"].as_array().map(Vec::len), Some(1));
    assert_eq!(watch.metric("lockdoctor_stale_to_reclaimed_seconds_count"), 1.0);
}

/// A crash loop: another process each time, and each of its locks is freed at once.
#[test]
fn a_lock_whose_owners_keep_dying_is_freed_each_time() {
    let env = TestEnv::new("2026.4.15");
    let lock = env.session("again-and-again");
    let watch = Watch::start(&env, &["--reclaim", "--settle", "50ms", "--ready-fails-on-stuck"]);
    for round in 1..=8 {
        std::fs::write(&lock, payload(crate::support::dead_pid(), Some(1))).expect("write");
        eventually("reclaimed", || watch.status()["acts"].as_array().map(Vec::len) == Some(round));
        watch.verdict(&lock, "freed");
        std::fs::remove_file(&lock).expect("as OpenClaw does");
        eventually("gone", || watch.status()["summary"]["total"] == 0);
    }
    assert!(watch.get("/readyz").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_lock_that_one_process_keeps_leaking_is_slowed_down() {
    let env = TestEnv::new("2026.4.15");
    let lock = env.session("again-and-again");
    let watch = Watch::start(&env, &["--reclaim", "--settle", "50ms", "--ready-fails-on-stuck"]);
    assert!(watch.get("/readyz").0.starts_with("HTTP/1.1 200"));
    let mut owner = Owner::start();
    for round in 1..=4 {
        owner.leak(&lock);
        if round < 4 {
            eventually("reclaimed", || watch.status()["acts"].as_array().map(Vec::len) == Some(round));
            watch.verdict(&lock, "freed");
            std::fs::remove_file(&lock).expect("as OpenClaw does");
            eventually("gone", || watch.status()["summary"]["total"] == 0);
        }
    }
    let line = watch.wait_for(|line| line.says("cannot be reclaimed"));
    assert!(
        line.fields["why"].as_str().is_some_and(|why| why.contains("leaked it 3 times")),
        "{}",
        line.fields
    );
    assert!(watch.get("/readyz").0.starts_with("HTTP/1.1 503"));
    assert_eq!(watch.metric("lockdoctor_stuck_sessions"), 1.0);
    let status = watch.status();
    assert_eq!(status["locks"][0]["verdict"], "leaked");
    assert!(status["locks"][0]["setback"].as_str().is_some_and(|why| why.contains("2 minutes")), "{status}");
}

/// A gateway that crashes and is started again and again: each dead lock is freed, and somebody is told.
#[test]
fn a_crash_loop_is_a_finding() {
    let env = TestEnv::new("2026.3.13");
    let watch = Watch::start(&env, &["--reclaim", "--settle", "0s"]);
    let crash_loop = |watch: &Watch| {
        let status = watch.status();
        let findings = status["findings"].as_array().cloned().unwrap_or_default();
        findings.into_iter().find(|finding| {
            finding["explanation"].as_str().is_some_and(|text| text.contains("crashes and is started again"))
        })
    };
    for death in 1..=3 {
        assert!(crash_loop(&watch).is_none(), "after {} deaths", death - 1);
        let (lock, _) = crate::support::reclaim::dead_lock(&env, "a");
        eventually("the lock is freed", || crate::support::reclaim::tombstone(&lock).is_some());
        std::fs::remove_file(&lock).expect("the next gateway removes the tombstone");
    }
    eventually("it is told", || crash_loop(&watch).is_some());
    let finding = crash_loop(&watch).expect("told");
    assert_eq!((&finding["code"], &finding["severity"]), (&"gateway-down".into(), &"warning".into()));
}
