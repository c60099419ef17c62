//! A good daemon: it ends when it is told to, reads its configuration again, tells its manager.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::watch::{Watch, holder};
use crate::support::{Owner, TestEnv, dead_pid, eventually, payload};

#[test]
fn sigterm_ends_it_within_a_second() {
    let env = TestEnv::new("2026.4.15");
    let lock = env.session("held");
    let _owner = holder(&lock);
    for signal in [Signal::TERM, Signal::INT] {
        let mut watch = Watch::start(&env, &["--reclaim"]);
        watch.verdict(&lock, "held");
        let asked = Instant::now();
        watch.signal(signal);
        let status = watch.child.wait().expect("ends");
        assert!(status.success(), "{status:?}");
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
}

#[test]
fn the_service_manager_hears_of_it() {
    let env = TestEnv::new("2026.4.15");
    let socket = env.home().join("notify.sock");
    let manager = UnixDatagram::bind(&socket).expect("socket");
    manager.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
    let heard = |wanted: &str| {
        let mut bytes = [0; 512];
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let read = manager.recv(&mut bytes).expect("a message");
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            if text.contains(wanted) {
                return text;
            }
        }
        panic!("{wanted} was not said");
    };
    let env = env.variable("NOTIFY_SOCKET", &socket).variable("WATCHDOG_USEC", "400000");
    let mut watch = Watch::start(&env, &[]);
    heard("READY=1");
    heard("STATUS=0 locks, 0 findings");
    let first = Instant::now();
    heard("WATCHDOG=1");
    heard("WATCHDOG=1");
    heard("WATCHDOG=1");
    assert!(first.elapsed() < Duration::from_millis(900), "every 200 ms: {:?}", first.elapsed());
    watch.signal(Signal::HUP);
    let reload = heard("RELOADING=1");
    assert!(reload.contains("MONOTONIC_USEC="), "{reload}");
    heard("READY=1");
    watch.signal(Signal::TERM);
    heard("STOPPING=1");
    watch.child.wait().expect("ends");
}

#[test]
fn sighup_reads_the_configuration_again_and_a_bad_one_changes_nothing() {
    let env = TestEnv::new("2026.4.15");
    let config = env.home().join("lockdoctor.toml");
    std::fs::write(&config, "[watch]\nreclaim = false\n").expect("write");
    let lock = env.session("dead");
    std::fs::write(&lock, payload(dead_pid(), Some(1))).expect("write");
    let watch = Watch::start(&env, &["--config", config.to_str().expect("UTF-8"), "--settle", "100ms"]);
    watch.verdict(&lock, "stale");
    assert_eq!(watch.status()["mode"], "watch");

    std::fs::write(&config, "[watch]\nreclaim = true\nsettel = '1s'\n").expect("write");
    watch.signal(Signal::HUP);
    let refused = watch.wait_for(|line| line.says("the configuration cannot be used; the old one stays"));
    let why = refused.fields["error"].as_str().expect("why").to_owned();
    assert!(why.contains("settel") && why.contains("lockdoctor.toml"), "{why}");
    assert_eq!(watch.status()["mode"], "watch");

    std::fs::write(&config, "[watch]\nreclaim = true\n").expect("write");
    watch.signal(Signal::HUP);
    watch.wait_for(|line| line.says("configuration read again"));
    watch.wait_for(|line| line.is_about(&lock) && line.says("reclaimed"));
    assert_eq!(watch.status()["mode"], "reclaim");
}

#[test]
fn sighup_reaches_the_circuit_breaker() {
    let env = TestEnv::new("2026.4.15");
    let config = env.home().join("lockdoctor.toml");
    std::fs::write(&config, "[watch]\nreclaim = true\nno-breaker = true\n").expect("write");
    let watch = Watch::start(&env, &["--config", config.to_str().expect("UTF-8"), "--settle", "100ms"]);
    let lock = env.session("again");
    let mut owner = Owner::start();
    for _ in 0..4 {
        std::fs::remove_file(&lock).ok();
        owner.leak(&lock);
        eventually("freed", || {
            std::fs::read_to_string(&lock).is_ok_and(|text| text.contains("lockdoctorId"))
        });
    }
    std::fs::write(&config, "[watch]\nreclaim = true\n").expect("write");
    watch.signal(Signal::HUP);
    watch.wait_for(|line| line.says("configuration read again"));
    std::fs::remove_file(&lock).expect("as OpenClaw does");
    owner.leak(&lock);
    let refused = watch.wait_for(|line| line.is_about(&lock) && line.says("cannot be reclaimed"));
    assert!(refused.fields["why"].to_string().contains("4 times"), "{refused:?}");
}

/// The daemon keeps the quarantine open from act to act.
#[test]
fn a_quarantine_that_was_opened_to_everybody_is_not_trusted() {
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &["--reclaim", "--settle", "100ms"]);
    let lock = env.session("first");
    leave_and_see_freed(&lock);
    let quarantine = env.state().join("lockdoctor/quarantine");
    std::fs::set_permissions(&quarantine, Permissions::from_mode(0o777)).expect("chmod");
    let second = env.session("second");
    std::fs::write(&second, payload(dead_pid(), Some(1))).expect("write");
    let refused = watch.wait_for(|line| line.is_about(&second) && line.says("cannot be reclaimed"));
    assert!(refused.fields["why"].to_string().contains("can be written by everybody"), "{refused:?}");
}

fn leave_and_see_freed(lock: &Path) {
    let _ = std::fs::remove_file(lock);
    std::fs::write(lock, payload(dead_pid(), Some(1))).expect("write");
    let freed = || std::fs::read_to_string(lock).is_ok_and(|text| text.contains("lockdoctorId"));
    eventually("it is freed", freed);
}

#[test]
fn once_deals_with_what_is_there_and_ends() {
    let env = TestEnv::new("2026.4.15");
    let state = env.state();
    let state = state.to_str().expect("UTF-8");
    env.run(&["watch", "--once", "--state-dir", state]).exits(0);
    let dead = env.session("dead");
    std::fs::write(&dead, payload(dead_pid(), Some(1))).expect("write");
    // OpenClaw frees it by itself, which is nobody's trouble.
    env.run(&["watch", "--once", "--state-dir", state]).exits(0);
    let run = env.run(&["watch", "--once", "--reclaim", "--settle", "200ms", "--state-dir", state]).exits(0);
    assert!(run.took > Duration::from_millis(200) && run.took < Duration::from_secs(5), "{:?}", run.took);
    assert!(run.stderr.contains("reclaimed"), "{run:?}");
    env.scan().says(&dead, "freed");
}

#[test]
fn wrong_usage_is_said_and_exits_2() {
    let env = TestEnv::new("2026.4.15");
    for wrong in [
        &["watch", "--listen", "nowhere"][..],
        &["watch", "--safety-scan", "0s"],
        &["watch", "--on-finding", "'open"],
        &["watch", "--webhook", "ftp://x"],
        &["watch", "--listen", "192.0.2.1:1"],
    ] {
        let run = env.run(wrong).exits(2);
        assert!(!run.stderr.is_empty());
    }
}
