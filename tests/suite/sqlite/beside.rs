//! Reading ten times a second beside a gateway at work: it must not notice.
//!
//! Stretches with and without the reader take turns, so that whatever else the machine does hits both alike.
//! `LOCKDOCTOR_BESIDE_SECONDS` is the length of the whole; without it, it is skipped.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lockdoctor::leases::{Sessions, survey};

use super::driver::{Driver, skipped};

const VERSION: &str = "2026.9.6";
const STRETCH: Duration = Duration::from_secs(20);
const PERIOD: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Readings {
    done: AtomicU64,
    failed: AtomicU64,
    micros: AtomicU64,
}

fn read_until(stop: &AtomicBool, on: &AtomicBool, readings: &Readings, state: &std::path::Path) {
    while !stop.load(Ordering::Relaxed) {
        if on.load(Ordering::Relaxed) {
            let start = Instant::now();
            let seen = survey(state, Sessions::Running);
            let sound = seen.state.is_ok() && seen.agents.iter().all(|(_, db)| db.is_ok());
            let (counter, spent) = (if sound { &readings.done } else { &readings.failed }, start.elapsed());
            counter.fetch_add(1, Ordering::Relaxed);
            readings.micros.fetch_add(spent.as_micros().try_into().unwrap_or(0), Ordering::Relaxed);
            thread::sleep(PERIOD.saturating_sub(spent));
        } else {
            thread::sleep(PERIOD);
        }
    }
}

fn measure(seconds: u64) -> Result<(), String> {
    let home = tempfile::Builder::new().prefix("lockdoctor-beside-").tempdir().expect("a directory");
    let mut gateway = Driver::new(VERSION, home.path(), &[])?;
    gateway.tell("start")?;
    for _ in 0..5 {
        gateway.tell("message warm-up")?;
    }
    let (stop, on, readings) = (AtomicBool::new(false), AtomicBool::new(false), Readings::default());
    let state = gateway.state.clone();
    let mut runs: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    thread::scope(|scope| {
        scope.spawn(|| read_until(&stop, &on, &readings, &state));
        let start = Instant::now();
        let result = (|| {
            while start.elapsed() < Duration::from_secs(seconds) {
                let reading = (start.elapsed().as_secs() / STRETCH.as_secs()) % 2 == 1;
                on.store(reading, Ordering::Relaxed);
                let answer = gateway.tell("message [[tag=busy]]")?;
                runs[usize::from(reading)].push(answer["ms"].as_f64().ok_or("no time")?);
            }
            Ok::<_, String>(())
        })();
        stop.store(true, Ordering::Relaxed);
        result
    })?;
    let log = fs::read_to_string(home.path().join("gateway.log")).unwrap_or_default()
        + &fs::read_to_string(home.path().join("console.log")).unwrap_or_default();
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| {
            ["SQLITE_BUSY", "database is locked", "blocked by a reader", "remained busy", "sidecar identity"]
                .iter()
                .any(|sign| line.contains(sign))
        })
        .collect();
    let [without, with] = runs.map(|mut ms| {
        ms.sort_by(f64::total_cmp);
        (ms.len(), ms[ms.len() / 2], ms[ms.len() * 9 / 10])
    });
    let (done, failed) = (readings.done.load(Ordering::Relaxed), readings.failed.load(Ordering::Relaxed));
    let mean = readings.micros.load(Ordering::Relaxed) / (done + failed).max(1);
    eprintln!("alone: {} runs, median {:.0} ms, p90 {:.0} ms", without.0, without.1, without.2);
    eprintln!(
        "read beside: {} runs, median {:.0} ms, p90 {:.0} ms; ratio {:.3}",
        with.0,
        with.1,
        with.2,
        with.1 / without.1
    );
    eprintln!(
        "{done} readings, {failed} too busy, {mean} µs each; {} complaints in the log",
        complaints.len()
    );
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(failed * 100 <= done, "{failed} of {done} readings found no moment");
    Ok(())
}

#[test]
fn ten_readings_a_second() {
    match std::env::var("LOCKDOCTOR_BESIDE_SECONDS").ok().and_then(|text| text.parse().ok()) {
        None => eprintln!("SKIPPED: LOCKDOCTOR_BESIDE_SECONDS is not set: this takes minutes"),
        Some(seconds) => {
            if let Err(why) = measure(seconds) {
                skipped(VERSION, &why);
            }
        }
    }
}
