//! What the logs tell, as metrics. Only what is written while the daemon runs is counted.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Reach;
use super::tally::{CAUSES, LANES, RUN_RESULTS};

type Label = (&'static str, &'static str);
type Histograms = Family<[Label; 1], Histogram, fn() -> Histogram>;

/// From the 2 s at which OpenClaw first tells of a wait to a morning.
const WAIT_BUCKETS: [f64; 9] = [0.1, 0.5, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];
/// From a canned answer to the default time limit of later versions.
const RUN_BUCKETS: [f64; 11] = [0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 7200.0];

#[derive(Debug)]
pub(in crate::watch) struct LogMetrics {
    lane_wait: Histograms,
    lane_run: Histograms,
    lane_errors: Family<[Label; 1], Counter>,
    lane_queue: Family<[Label; 1], Gauge>,
    run: Histogram,
    runs: Family<[Label; 1], Counter>,
    complaints: Family<[Label; 1], Counter>,
    errors: Family<[Label; 1], Counter>,
    files: Gauge,
    bytes: Counter,
    lines: Family<[Label; 1], Counter>,
}

impl LogMetrics {
    pub(in crate::watch) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            lane_wait: Family::new_with_constructor(|| Histogram::new(WAIT_BUCKETS)),
            lane_run: Family::new_with_constructor(|| Histogram::new(RUN_BUCKETS)),
            lane_errors: Family::default(),
            lane_queue: Family::default(),
            run: Histogram::new(RUN_BUCKETS),
            runs: Family::default(),
            complaints: Family::default(),
            errors: Family::default(),
            files: Gauge::default(),
            bytes: Counter::default(),
            lines: Family::default(),
        };
        metrics.register(registry);
        metrics.start_every_series();
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "lane_wait",
            "Waits for a lane that the gateway logged, by lane",
            Unit::Seconds,
            self.lane_wait.clone(),
        );
        registry.register_with_unit(
            "lane_run",
            "How long tasks of a lane ran, failed ones included, by lane",
            Unit::Seconds,
            self.lane_run.clone(),
        );
        registry.register(
            "lane_errors",
            "Lane tasks that ended in an error, by lane",
            self.lane_errors.clone(),
        );
        registry.register(
            "lane_queue_length",
            "Tasks that wait in the lane, as the last line about it told",
            self.lane_queue.clone(),
        );
        registry.register_with_unit(
            "run",
            "How long runs of the agent took that ended or met their time limit",
            Unit::Seconds,
            self.run.clone(),
        );
        registry.register("runs", "Runs of the agent that ended, by result", self.runs.clone());
        registry.register(
            "session_complaints",
            "Lines of the gateway's own watchdog about a session, by its label",
            self.complaints.clone(),
        );
        registry.register("gateway_errors", "Errors that the gateway logged, by cause", self.errors.clone());
        registry.register("log_files", "Log files under watch", self.files.clone());
        registry.register_with_unit(
            "log_read",
            "Bytes of logs that were read",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register("log_lines", "Lines of logs that were read, by what they were", self.lines.clone());
    }

    fn start_every_series(&self) {
        for lane in LANES {
            drop(self.lane_wait.get_or_create(&[("lane", lane)]));
            drop(self.lane_run.get_or_create(&[("lane", lane)]));
            drop(self.lane_errors.get_or_create(&[("lane", lane)]));
            drop(self.lane_queue.get_or_create(&[("lane", lane)]));
        }
        for result in RUN_RESULTS {
            drop(self.runs.get_or_create(&[("result", result)]));
        }
        for label in ["stuck", "stalled", "long-running"] {
            drop(self.complaints.get_or_create(&[("label", label)]));
        }
        for cause in CAUSES {
            drop(self.errors.get_or_create(&[("cause", cause)]));
        }
        for kind in ["event", "other", "unreadable"] {
            drop(self.lines.get_or_create(&[("kind", kind)]));
        }
    }

    pub(super) fn lane_wait(&self, lane: &'static str, ms: u64) {
        self.lane_wait.get_or_create(&[("lane", lane)]).observe(ms as f64 / 1000.0);
    }

    pub(super) fn lane_run(&self, lane: &'static str, ms: u64) {
        self.lane_run.get_or_create(&[("lane", lane)]).observe(ms as f64 / 1000.0);
    }

    pub(super) fn lane_error(&self, lane: &'static str) {
        self.lane_errors.get_or_create(&[("lane", lane)]).inc();
    }

    pub(super) fn lane_queue(&self, lane: &'static str, length: u64) {
        self.lane_queue.get_or_create(&[("lane", lane)]).set(length as i64);
    }

    /// `took`: where the line says it.
    pub(super) fn run(&self, result: &'static str, took_ms: Option<u64>) {
        self.runs.get_or_create(&[("result", result)]).inc();
        if let Some(ms) = took_ms {
            self.run.observe(ms as f64 / 1000.0);
        }
    }

    pub(super) fn complaint(&self, label: &'static str) {
        self.complaints.get_or_create(&[("label", label)]).inc();
    }

    pub(super) fn error(&self, cause: &'static str) {
        self.errors.get_or_create(&[("cause", cause)]).inc();
    }

    /// How far the reading has come.
    pub(in crate::watch) fn read(&self, reach: Reach) {
        let Reach { files, counters } = reach;
        self.files.set(files as i64);
        let raise = |counter: &Counter, to: u64| {
            counter.inc_by(to.saturating_sub(counter.get()));
        };
        raise(&self.bytes, counters.bytes);
        let other = counters.lines.saturating_sub(counters.parsed + counters.skipped);
        for (kind, lines) in [("event", counters.parsed), ("other", other), ("unreadable", counters.skipped)]
        {
            raise(&self.lines.get_or_create(&[("kind", kind)]), lines);
        }
    }
}
