//! lockdoctor's own process, under the names that every exporter uses. Read when asked for.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Now;
use crate::evidence::process::{parse_stat, read_proc};

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::with_prefix("process");
    let pid = std::process::id();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    if let Some(process) = read_proc(pid, "stat").as_deref().and_then(parse_stat) {
        registry.register_with_unit(
            "cpu",
            "CPU time spent in user and kernel mode",
            Unit::Seconds,
            ConstCounter::new(process.cpu_ticks as f64 / ticks),
        );
        let started = process.started_at(Now::read().booted_at()).timestamp_millis() as f64 / 1000.0;
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(started);
        registry.register_with_unit(
            "start_time",
            "When the process started, seconds since 1970",
            Unit::Seconds,
            gauge,
        );
    }
    if let Some(pages) = read_proc(pid, "statm").and_then(|text| text.split(' ').nth(1)?.parse::<i64>().ok())
    {
        let bytes = pages * rustix::param::page_size() as i64;
        registry.register_with_unit(
            "resident_memory",
            "Memory that is resident",
            Unit::Bytes,
            ConstGauge::new(bytes),
        );
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        // One of them is the directory that is being read.
        let open = descriptors.count().saturating_sub(1) as i64;
        registry.register("open_fds", "Descriptors that are open", ConstGauge::new(open));
    }
    registry
}
