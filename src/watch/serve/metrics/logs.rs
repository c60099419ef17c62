//! What the logs tell, as metrics. Only what is written while the daemon runs is counted.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::declare::{in_unit, plain};
use super::tally::{self, CAUSES, LANES, RUN_RESULTS};
use crate::gatewaylog::Event;
use crate::watch::sources::logs::Reach;

type Label = (&'static str, &'static str);
type Histograms = Family<[Label; 1], Histogram, fn() -> Histogram>;

/// From the 2 s at which OpenClaw first tells of a wait to a morning.
const WAIT_BUCKETS: [f64; 9] = [0.1, 0.5, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];
/// From a canned answer to the default time limit of later versions.
const RUN_BUCKETS: [f64; 11] = [0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 7200.0];

#[derive(Debug)]
pub(crate) struct LogMetrics {
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
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let r = registry;
        let metrics = Self {
            lane_wait: in_unit(
                r,
                "lane_wait",
                Unit::Seconds,
                "Waits for a lane that the gateway logged, by lane",
                Family::new_with_constructor(|| Histogram::new(WAIT_BUCKETS)),
            ),
            lane_run: in_unit(
                r,
                "lane_run",
                Unit::Seconds,
                "How long tasks of a lane ran, failed ones included, by lane",
                Family::new_with_constructor(|| Histogram::new(RUN_BUCKETS)),
            ),
            lane_errors: plain(
                r,
                "lane_errors",
                "Lane tasks that ended in an error, by lane",
                Family::default(),
            ),
            lane_queue: plain(
                r,
                "lane_queue_length",
                "Tasks that wait in the lane, as the last line about it told",
                Family::default(),
            ),
            run: in_unit(
                r,
                "run",
                Unit::Seconds,
                "How long runs of the agent took that ended or met their time limit",
                Histogram::new(RUN_BUCKETS),
            ),
            runs: plain(r, "runs", "Runs of the agent that ended, by result", Family::default()),
            complaints: plain(
                r,
                "session_complaints",
                "Lines of the gateway's own watchdog about a session, by its label",
                Family::default(),
            ),
            errors: plain(r, "gateway_errors", "Errors that the gateway logged, by cause", Family::default()),
            files: plain(r, "log_files", "Log files under watch", Gauge::default()),
            bytes: in_unit(r, "log_read", Unit::Bytes, "Bytes of logs that were read", Counter::default()),
            lines: plain(
                r,
                "log_lines",
                "Lines of logs that were read, by what they were",
                Family::default(),
            ),
        };
        metrics.start_every_series();
        metrics
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

    /// Counts one event.
    pub(crate) fn count(&self, event: &Event) {
        tally::count(event, self);
    }

    pub(crate) fn lane_wait(&self, lane: &'static str, ms: u64) {
        self.lane_wait.get_or_create(&[("lane", lane)]).observe(ms as f64 / 1000.0);
    }

    pub(crate) fn lane_run(&self, lane: &'static str, ms: u64) {
        self.lane_run.get_or_create(&[("lane", lane)]).observe(ms as f64 / 1000.0);
    }

    pub(crate) fn lane_error(&self, lane: &'static str) {
        self.lane_errors.get_or_create(&[("lane", lane)]).inc();
    }

    pub(crate) fn lane_queue(&self, lane: &'static str, length: u64) {
        self.lane_queue.get_or_create(&[("lane", lane)]).set(length as i64);
    }

    /// `took`: where the line says it.
    pub(crate) fn run(&self, result: &'static str, took_ms: Option<u64>) {
        self.runs.get_or_create(&[("result", result)]).inc();
        if let Some(ms) = took_ms {
            self.run.observe(ms as f64 / 1000.0);
        }
    }

    pub(crate) fn complaint(&self, label: &'static str) {
        self.complaints.get_or_create(&[("label", label)]).inc();
    }

    pub(crate) fn error(&self, cause: &'static str) {
        self.errors.get_or_create(&[("cause", cause)]).inc();
    }

    /// How far the reading has come.
    pub(crate) fn read(&self, reach: Reach) {
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
