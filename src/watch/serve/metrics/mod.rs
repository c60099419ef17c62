//! The numbers that `/metrics` serves (`docs/metrics.md`). Every series is there from the start; no label ever
//! carries a path, a pid or a session key.

mod declare;
mod logs;
mod process;
mod tally;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::directories::root::Trigger;
use crate::install::gateway::GatewayState;
use crate::leases::{self, ClaimKind};
use crate::openclaw::lock_kind::LockKind;
use crate::reclaim::Outcome;
use crate::verdict::{Reason, Verdict};
use crate::watch::findings::Code;
use crate::watch::locks::release::Release;
use crate::watch::notify::delivery::Deliveries;
use declare::{in_unit, plain};
use logs::LogMetrics;

type Label = (&'static str, &'static str);
type Float = Gauge<f64, AtomicU64>;

/// From an instant lock of the session store to a run of two days.
const HOLD_BUCKETS: [f64; 12] =
    [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 172_800.0];
const RECLAIM_BUCKETS: [f64; 10] = [0.05, 0.1, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 60.0, 600.0];

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) locks: Family<[Label; 2], Gauge>,
    pub(crate) oldest_age: Family<[Label; 1], Float>,
    pub(crate) stuck_sessions: Gauge,
    pub(crate) gateways: Family<[Label; 1], Gauge>,
    pub(crate) directories: Family<[Label; 1], Gauge>,
    pub(crate) watched_processes: Gauge,
    pub(crate) findings: Family<[Label; 1], Gauge>,
    pub(crate) overflows: Counter,
    pub(crate) clock_steps: Counter,
    pub(crate) last_scan: Float,
    ended: Family<[Label; 1], Counter>,
    hold: Histogram,
    findings_raised: Family<[Label; 1], Counter>,
    reclaims: Family<[Label; 2], Counter>,
    stale_to_reclaimed: Histogram,
    scans: Family<[Label; 1], Counter>,
    pub(crate) logs: LogMetrics,
    pub(crate) leases: Family<[Label; 2], Gauge>,
    pub(crate) running_sessions: Gauge,
    pub(crate) database_looks: Counter,
    pub(crate) log_lines_dropped: Counter,
}

impl Metrics {
    pub(crate) fn new(deliveries: &Deliveries) -> Self {
        let mut registry = Registry::with_prefix("lockdoctor");
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "What is running", Info::new(version));
        registry.register(
            "deliveries",
            "Commands, web hooks and gateway restarts, by channel and result",
            deliveries.0.clone(),
        );
        let logs = LogMetrics::new(&mut registry);
        let r = &mut registry;
        let metrics = Self {
            locks: plain(r, "locks", "Locks that are there now, by kind and verdict", Family::default()),
            oldest_age: in_unit(
                r,
                "oldest_lock_age",
                Unit::Seconds,
                "Age of the oldest lock with this verdict, 0 without one",
                Family::default(),
            ),
            stuck_sessions: plain(
                r,
                "stuck_sessions",
                "Sessions whose lock is held past its limit, or could not be freed",
                Gauge::default(),
            ),
            gateways: plain(
                r,
                "gateways",
                "OpenClaw gateways of the watched installs, by state",
                Family::default(),
            ),
            directories: plain(
                r,
                "watched_directories",
                "Directories under watch, by how",
                Family::default(),
            ),
            watched_processes: plain(
                r,
                "watched_processes",
                "Processes whose end wakes lockdoctor",
                Gauge::default(),
            ),
            findings: plain(r, "findings", "Findings that are open now, by code", Family::default()),
            findings_raised: plain(
                r,
                "findings_raised",
                "Findings since the start, by code",
                Family::default(),
            ),
            ended: plain(
                r,
                "locks_ended",
                "Locks that were seen and are gone, by how they went",
                Family::default(),
            ),
            hold: in_unit(
                r,
                "lock_hold",
                Unit::Seconds,
                "Time from the creation of a session or store lock to its release, as seen",
                Histogram::new(HOLD_BUCKETS),
            ),
            reclaims: plain(
                r,
                "reclaims",
                "Attempts to reclaim a lock, by reason and result",
                Family::default(),
            ),
            stale_to_reclaimed: in_unit(
                r,
                "stale_to_reclaimed",
                Unit::Seconds,
                "Time from the look that first showed a lock to be stale or leaked to its reclaim",
                Histogram::new(RECLAIM_BUCKETS),
            ),
            scans: plain(r, "scans", "Full listings, by what called for them", Family::default()),
            last_scan: in_unit(
                r,
                "last_scan_timestamp",
                Unit::Seconds,
                "When the last full listing ended, seconds since 1970",
                Float::default(),
            ),
            overflows: plain(
                r,
                "inotify_overflows",
                "Times the kernel dropped events; each was followed by a full listing",
                Counter::default(),
            ),
            clock_steps: plain(r, "clock_steps", "Times the wall clock was set", Counter::default()),
            leases: plain(
                r,
                "leases",
                "Leases in the databases of 2026.6 and later, by kind and verdict",
                Family::default(),
            ),
            running_sessions: plain(
                r,
                "running_sessions",
                "Sessions that their database calls running",
                Gauge::default(),
            ),
            database_looks: plain(r, "database_looks", "Times the databases were read", Counter::default()),
            log_lines_dropped: plain(
                r,
                "own_log_lines_dropped",
                "Lines of lockdoctor's own log that were dropped because its reader did not keep up",
                Counter::default(),
            ),
            logs,
            registry,
        };
        metrics.start_every_series();
        metrics
    }

    fn start_every_series(&self) {
        for kind in LockKind::ALL {
            for verdict in Verdict::ALL {
                drop(self.locks.get_or_create(&[("kind", kind.as_str()), ("verdict", verdict.as_str())]));
            }
        }
        for verdict in Verdict::ALL {
            drop(self.oldest_age.get_or_create(&[("verdict", verdict.as_str())]));
        }
        for state in GatewayState::ALL {
            drop(self.gateways.get_or_create(&[("state", state.as_str())]));
        }
        for how in ["inotify", "polling"] {
            drop(self.directories.get_or_create(&[("by", how)]));
        }
        for code in Code::ALL {
            drop(self.findings.get_or_create(&[("code", code.as_str())]));
            drop(self.findings_raised.get_or_create(&[("code", code.as_str())]));
        }
        for how in Release::ALL {
            drop(self.ended.get_or_create(&[("how", how.as_str())]));
        }
        for reason in Reason::ALL {
            for result in ["reclaimed", "vanished", "changed", "failed"] {
                drop(self.reclaims.get_or_create(&[("reason", reason.as_str()), ("result", result)]));
            }
        }
        for kind in ClaimKind::WORDS {
            for verdict in leases::Verdict::ALL {
                drop(self.leases.get_or_create(&[("kind", kind), ("verdict", verdict.as_str())]));
            }
        }
        for trigger in Trigger::ALL {
            drop(self.scans.get_or_create(&[("trigger", trigger.as_str())]));
        }
    }

    /// `held`: how long, where that is worth a histogram.
    pub(crate) fn lock_ended(&self, how: Release, held: Option<Duration>) {
        self.ended.get_or_create(&[("how", how.as_str())]).inc();
        if let Some(held) = held {
            self.hold.observe(held.as_secs_f64());
        }
    }

    pub(crate) fn reclaim(&self, reasons: &[Reason], outcome: &Outcome, since_stale: Duration) {
        let reason = reasons.first().copied().unwrap_or(Reason::NoWriter);
        self.reclaims.get_or_create(&[("reason", reason.as_str()), ("result", outcome.as_str())]).inc();
        if let Outcome::Reclaimed { .. } = outcome {
            self.stale_to_reclaimed.observe(since_stale.as_secs_f64());
        }
    }

    pub(crate) fn raised(&self, code: Code) {
        self.findings_raised.get_or_create(&[("code", code.as_str())]).inc();
    }

    pub(crate) fn scanned(&self, trigger: Trigger) {
        self.scans.get_or_create(&[("trigger", trigger.as_str())]).inc();
    }

    /// OpenMetrics 1.0.
    pub(crate) fn open_metrics(&self) -> String {
        let mut out = self.registries();
        // Writing to a String cannot fail.
        let _ = encode_eof(&mut out);
        out
    }

    /// The older text format, for scrapers that do not ask for OpenMetrics: there a counter's family is called
    /// by its full name, and neither units nor an end mark exist.
    pub(crate) fn classic_text(&self) -> String {
        let text = self.registries();
        let mut out = String::with_capacity(text.len());
        let kind_of = |name: &str| {
            let line = format!("# TYPE {name} ");
            text.lines().find_map(|each| each.strip_prefix(line.as_str()))
        };
        for line in text.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words.as_slice() {
                ["#", "UNIT", ..] => continue,
                ["#", what, name, rest] => match kind_of(name) {
                    Some("counter") => out.push_str(&format!("# {what} {name}_total {rest}")),
                    Some("info") => {
                        let rest = if *what == "TYPE" { "gauge" } else { rest };
                        out.push_str(&format!("# {what} {name}_info {rest}"));
                    }
                    _ => out.push_str(line),
                },
                _ => out.push_str(line),
            }
            out.push('\n');
        }
        out
    }

    fn registries(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = encode_registry(&mut out, &self.registry);
        let _ = encode_registry(&mut out, &process::registry());
        out
    }
}
