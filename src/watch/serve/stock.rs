//! Sets the gauges to what is there at the moment of a scrape.

use std::collections::HashMap;
use std::time::Duration;

use super::metrics::Metrics;
use super::picture::Picture;
use crate::install::gateway::GatewayState;
use crate::leases::{self, ClaimKind};
use crate::openclaw::lock_kind::LockKind;
use crate::survey::claims::SurveyedLease;
use crate::verdict::Verdict;
use crate::watch::findings::Code;

pub(super) fn take(picture: &Picture<'_>, metrics: &Metrics) {
    take_locks(picture, metrics);
    for state in GatewayState::ALL {
        let installs = picture.directories.roots().filter_map(|root| root.install());
        let count = installs.filter(|install| install.gateway.state == state).count();
        metrics.gateways.get_or_create(&[("state", state.as_str())]).set(count as i64);
    }
    let (watched, polled) = picture.directories.counts();
    metrics.directories.get_or_create(&[("by", "inotify")]).set(watched as i64);
    metrics.directories.get_or_create(&[("by", "polling")]).set(polled as i64);
    metrics.watched_processes.set(picture.processes as i64);
    metrics.logs.read(picture.sources.logs.reach());
    let databases = &picture.sources.databases;
    for kind in ClaimKind::WORDS {
        for verdict in leases::Verdict::ALL {
            let is = |lease: &&SurveyedLease| lease.kind.as_str() == kind && lease.verdict.verdict == verdict;
            let labels = [("kind", kind), ("verdict", verdict.as_str())];
            metrics.leases.get_or_create(&labels).set(databases.leases().filter(is).count() as i64);
        }
    }
    metrics.running_sessions.set(databases.running().count() as i64);
    let dropped = &metrics.log_lines_dropped;
    dropped.inc_by(crate::watch::log::dropped().saturating_sub(dropped.get()));
    for code in Code::ALL {
        let count = picture.board.open().filter(|finding| finding.code == *code).count();
        metrics.findings.get_or_create(&[("code", code.as_str())]).set(count as i64);
    }
}

fn take_locks(picture: &Picture<'_>, metrics: &Metrics) {
    let now = picture.now.boot;
    let mut counts: HashMap<(LockKind, Verdict), i64> = HashMap::new();
    let mut oldest: HashMap<Verdict, Duration> = HashMap::new();
    let mut stuck = 0;
    for (_, lock) in picture.locks.table.iter() {
        let Some(verdict) = lock.verdict() else { continue };
        *counts.entry((lock.kind, verdict)).or_default() += 1;
        let age = oldest.entry(verdict).or_default();
        *age = lock.age(now).max(*age);
        stuck += i64::from(lock.is_stuck());
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
    metrics.stuck_sessions.set(stuck);
}
