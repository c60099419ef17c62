//! What the listener answers.

use std::collections::HashMap;
use std::time::Duration;

use super::daemon::Daemon;
use super::http::{Request, Response, Status};
use super::options::Ready;
use super::page;
use super::status;
use super::table::Entry;
use crate::install::gateway::GatewayState;
use crate::leases::{self, ClaimKind};
use crate::openclaw::lock_kind::{LockKind, Management};
use crate::survey::claims::SurveyedLease;
use crate::verdict::Verdict;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Daemon {
    pub(super) fn answer(&self, request: &Request) -> Response {
        match request.path.as_str() {
            "/" => page::response(),
            "/status.json" => match serde_json::to_vec(&status::of(self)) {
                Ok(body) => Response::plain(Status::Ok, "application/json", body),
                Err(error) => Response::text(Status::Unavailable, &error.to_string()),
            },
            "/metrics" => {
                self.take_stock();
                if request.accept.contains("application/openmetrics-text") {
                    Response::plain(Status::Ok, OPEN_METRICS, self.metrics.open_metrics())
                } else {
                    Response::plain(Status::Ok, CLASSIC_TEXT, self.metrics.classic_text())
                }
            }
            // The loop itself answers: that it does is the health that is asked for.
            "/healthz" => Response::text(Status::Ok, "ok"),
            "/readyz" => self.readiness(),
            _ => Response::text(Status::NotFound, "/, /status.json, /metrics, /healthz, /readyz"),
        }
    }

    fn readiness(&self) -> Response {
        let stuck = self.table.iter().filter(|(_, entry)| is_stuck(entry)).count();
        let strict = self.options.listen.as_ref().is_some_and(|listen| listen.ready == Ready::UnlessStuck);
        match stuck {
            _ if !self.watching => Response::text(Status::Unavailable, "not watching yet"),
            0 => Response::text(Status::Ok, "ready"),
            stuck if strict => Response::text(Status::Unavailable, &are_stuck(stuck)),
            stuck => Response::text(Status::Ok, &format!("ready ({})", are_stuck(stuck))),
        }
    }

    /// Sets the gauges to what is there now.
    fn take_stock(&self) {
        let now = self.view.now.boot;
        let metrics = &self.metrics;
        let mut counts: HashMap<(LockKind, Verdict), i64> = HashMap::new();
        let mut oldest: HashMap<Verdict, Duration> = HashMap::new();
        for (_, entry) in self.table.iter() {
            let Some(verdict) = entry.verdict() else { continue };
            *counts.entry((entry.kind, verdict)).or_default() += 1;
            let age = oldest.entry(verdict).or_default();
            *age = entry.age(now).max(*age);
        }
        for verdict in Verdict::ALL {
            for kind in LockKind::ALL {
                let count = counts.get(&(kind, *verdict)).copied().unwrap_or_default();
                let labels = [("kind", kind.as_str()), ("verdict", verdict.as_str())];
                metrics.locks.get_or_create(&labels).set(count);
            }
            let age = oldest.get(verdict).copied().unwrap_or_default();
            metrics.oldest_age.get_or_create(&[("verdict", verdict.as_str())]).set(age.as_secs_f64());
        }
        let stuck = self.table.iter().filter(|(_, entry)| is_stuck(entry)).count();
        metrics.stuck_sessions.set(stuck as i64);
        for state in [GatewayState::Running, GatewayState::Down, GatewayState::Unknown] {
            let roots = self.ground.roots.iter();
            let count = roots
                .filter_map(|root| root.standing.as_ref()?.install())
                .filter(|install| install.gateway.state == state)
                .count();
            metrics.gateways.get_or_create(&[("state", state.as_str())]).set(count as i64);
        }
        let (watched, polled) = self.ground.counts();
        metrics.directories.get_or_create(&[("by", "inotify")]).set(watched as i64);
        metrics.directories.get_or_create(&[("by", "polling")]).set(polled as i64);
        metrics.watched_processes.set(self.owners.len() as i64);
        metrics.logs.read(self.logs.reach());
        for kind in ClaimKind::WORDS {
            for verdict in leases::Verdict::ALL {
                let is =
                    |lease: &&SurveyedLease| lease.kind.as_str() == kind && lease.verdict.verdict == verdict;
                let count = self.databases.leases().filter(is).count();
                let labels = [("kind", kind), ("verdict", verdict.as_str())];
                metrics.leases.get_or_create(&labels).set(count as i64);
            }
        }
        metrics.running_sessions.set(self.databases.running().count() as i64);
        for code in super::findings::Code::ALL {
            let count = self.board.open().filter(|finding| finding.code == *code).count();
            metrics.findings.get_or_create(&[("code", code.as_str())]).set(count as i64);
        }
    }
}

/// Its messages fail until somebody does something: held past the limit, or not to be freed.
fn is_stuck(entry: &Entry) -> bool {
    entry.kind.management() == Management::Managed
        && match entry.verdict() {
            Some(Verdict::Overdue) => true,
            Some(Verdict::Stale | Verdict::Leaked) => entry.setback.is_some(),
            _ => false,
        }
}

fn are_stuck(sessions: usize) -> String {
    if sessions == 1 { "1 session is stuck".to_owned() } else { format!("{sessions} sessions are stuck") }
}
