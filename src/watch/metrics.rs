//! The numbers that `/metrics` serves (`docs/metrics.md`). Every series is there from the start; no label ever
//! carries a path, a pid or a session key.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::findings::Code;
use super::logs::numbers::LogMetrics;
use super::process_stats;
use super::release::Release;
use super::tell::Delivery;
use crate::install::gateway::GatewayState;
use crate::leases::{self, ClaimKind};
use crate::openclaw::lock_kind::LockKind;
use crate::reclaim::Outcome;
use crate::verdict::{Reason, Verdict};

type Label = (&'static str, &'static str);
type Float = Gauge<f64, AtomicU64>;

/// From an instant lock of the session store to a run of two days.
const HOLD_BUCKETS: [f64; 12] =
    [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 172_800.0];
const RECLAIM_BUCKETS: [f64; 10] = [0.05, 0.1, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 60.0, 600.0];

/// Why a full listing was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    Start,
    SafetyScan,
    Overflow,
    /// A directory was replaced, a configuration changed, a state directory came back.
    Change,
}

impl Trigger {
    const ALL: [Self; 4] = [Self::Start, Self::SafetyScan, Self::Overflow, Self::Change];

    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::SafetyScan => "safety-scan",
            Self::Overflow => "overflow",
            Self::Change => "change",
        }
    }
}

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    pub(super) locks: Family<[Label; 2], Gauge>,
    pub(super) oldest_age: Family<[Label; 1], Float>,
    pub(super) stuck_sessions: Gauge,
    pub(super) gateways: Family<[Label; 1], Gauge>,
    pub(super) directories: Family<[Label; 1], Gauge>,
    pub(super) watched_processes: Gauge,
    pub(super) findings: Family<[Label; 1], Gauge>,
    pub(super) overflows: Counter,
    pub(super) clock_steps: Counter,
    pub(super) last_scan: Float,
    ended: Family<[Label; 1], Counter>,
    hold: Histogram,
    findings_raised: Family<[Label; 1], Counter>,
    reclaims: Family<[Label; 2], Counter>,
    stale_to_reclaimed: Histogram,
    scans: Family<[Label; 1], Counter>,
    pub(super) deliveries: Deliveries,
    pub(super) logs: LogMetrics,
    pub(super) leases: Family<[Label; 2], Gauge>,
    pub(super) running_sessions: Gauge,
    pub(super) database_looks: Counter,
}

/// Counts what was told; threads that tell count for themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Deliveries(Family<[Label; 2], Counter>);

impl Deliveries {
    pub(super) fn count(&self, delivery: Delivery) {
        let (channel, result) = delivery.labels();
        self.0.get_or_create(&[("channel", channel), ("result", result)]).inc();
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("lockdoctor");
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "What is running", Info::new(version));
        let mut metrics = Self {
            locks: Family::default(),
            oldest_age: Family::default(),
            stuck_sessions: Gauge::default(),
            gateways: Family::default(),
            directories: Family::default(),
            watched_processes: Gauge::default(),
            findings: Family::default(),
            overflows: Counter::default(),
            clock_steps: Counter::default(),
            last_scan: Float::default(),
            ended: Family::default(),
            hold: Histogram::new(HOLD_BUCKETS),
            findings_raised: Family::default(),
            reclaims: Family::default(),
            stale_to_reclaimed: Histogram::new(RECLAIM_BUCKETS),
            scans: Family::default(),
            deliveries: Deliveries::default(),
            logs: LogMetrics::new(&mut registry),
            leases: Family::default(),
            running_sessions: Gauge::default(),
            database_looks: Counter::default(),
            registry,
        };
        metrics.register();
        metrics.start_every_series();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("locks", "Locks that are there now, by kind and verdict", self.locks.clone());
        registry.register_with_unit(
            "oldest_lock_age",
            "Age of the oldest lock with this verdict, 0 without one",
            Unit::Seconds,
            self.oldest_age.clone(),
        );
        registry.register(
            "stuck_sessions",
            "Sessions whose lock is held past its limit, or could not be freed",
            self.stuck_sessions.clone(),
        );
        registry.register(
            "gateways",
            "OpenClaw gateways of the watched installs, by state",
            self.gateways.clone(),
        );
        registry.register("watched_directories", "Directories under watch, by how", self.directories.clone());
        registry.register(
            "watched_processes",
            "Processes whose end wakes lockdoctor",
            self.watched_processes.clone(),
        );
        registry.register("findings", "Findings that are open now, by code", self.findings.clone());
        registry.register(
            "findings_raised",
            "Findings since the start, by code",
            self.findings_raised.clone(),
        );
        registry.register(
            "locks_ended",
            "Locks that were seen and are gone, by how they went",
            self.ended.clone(),
        );
        registry.register_with_unit(
            "lock_hold",
            "Time from the creation of a session or store lock to its release, as seen",
            Unit::Seconds,
            self.hold.clone(),
        );
        registry.register(
            "reclaims",
            "Attempts to reclaim a lock, by reason and result",
            self.reclaims.clone(),
        );
        registry.register_with_unit(
            "stale_to_reclaimed",
            "Time from the look that first showed a lock to be stale or leaked to its reclaim",
            Unit::Seconds,
            self.stale_to_reclaimed.clone(),
        );
        registry.register("scans", "Full listings, by what called for them", self.scans.clone());
        registry.register_with_unit(
            "last_scan_timestamp",
            "When the last full listing ended, seconds since 1970",
            Unit::Seconds,
            self.last_scan.clone(),
        );
        registry.register(
            "inotify_overflows",
            "Times the kernel dropped events; each was followed by a full listing",
            self.overflows.clone(),
        );
        registry.register("clock_steps", "Times the wall clock was set", self.clock_steps.clone());
        registry.register(
            "leases",
            "Leases in the databases of 2026.6 and later, by kind and verdict",
            self.leases.clone(),
        );
        registry.register(
            "running_sessions",
            "Sessions that their database calls running",
            self.running_sessions.clone(),
        );
        registry.register("database_looks", "Times the databases were read", self.database_looks.clone());
        registry.register(
            "deliveries",
            "Commands, web hooks and gateway restarts, by channel and result",
            self.deliveries.0.clone(),
        );
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
        for state in [GatewayState::Running, GatewayState::Down, GatewayState::Unknown] {
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
        for (channel, result) in Delivery::every().map(Delivery::labels) {
            drop(self.deliveries.0.get_or_create(&[("channel", channel), ("result", result)]));
        }
    }

    /// `held`: how long, where that is worth a histogram.
    pub(super) fn lock_ended(&self, how: Release, held: Option<Duration>) {
        self.ended.get_or_create(&[("how", how.as_str())]).inc();
        if let Some(held) = held {
            self.hold.observe(held.as_secs_f64());
        }
    }

    pub(super) fn reclaim(&self, reasons: &[Reason], outcome: &Outcome, since_stale: Duration) {
        let reason = reasons.first().copied().unwrap_or(Reason::NoWriter);
        self.reclaims.get_or_create(&[("reason", reason.as_str()), ("result", outcome.as_str())]).inc();
        if let Outcome::Reclaimed { .. } = outcome {
            self.stale_to_reclaimed.observe(since_stale.as_secs_f64());
        }
    }

    pub(super) fn raised(&self, code: Code) {
        self.findings_raised.get_or_create(&[("code", code.as_str())]).inc();
    }

    pub(super) fn scanned(&self, trigger: Trigger) {
        self.scans.get_or_create(&[("trigger", trigger.as_str())]).inc();
    }

    /// OpenMetrics 1.0.
    pub(super) fn open_metrics(&self) -> String {
        let mut out = self.registries();
        // Writing to a String cannot fail.
        let _ = encode_eof(&mut out);
        out
    }

    /// The older text format, for scrapers that do not ask for OpenMetrics: there a counter's family is called
    /// by its full name, and neither units nor an end mark exist.
    pub(super) fn classic_text(&self) -> String {
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
        let _ = encode_registry(&mut out, &process_stats::registry());
        out
    }
}
