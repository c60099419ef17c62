//! What the logs and the databases tell, as findings beside those of the locks. Made up anew when something was
//! heard, at the safety scan, and when somebody asks and the last time is a while ago: never by a clock alone.

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use tracing::{info, warn};

use super::daemon::Daemon;
use super::findings::{Code, Finding, Origin, Remedy, Severity};
use super::table::Due;
use super::tell::What;
use crate::diagnosis::input::Facts;
use crate::diagnosis::{Finding as Told, Line};
use crate::examination::facts::{Sample, era, leases, lock_fact, version};
use crate::examination::gateway;
use crate::install::Install;
use crate::survey::SurveyedLock;
use crate::words::rfc3339;

/// Between two diagnoses, however much is logged.
const BETWEEN: Duration = Duration::from_secs(2);
/// The lines of one event come within this.
const PAUSE: Duration = Duration::from_millis(200);
/// What somebody who asks may be shown without another look.
const FRESH: Duration = Duration::from_secs(10);

/// When the last diagnosis was, and whether the next is planned.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    last: Duration,
    planned: bool,
}

/// The locks' own findings: here they are known sooner and better.
const OF_LOCKS: [Code; 6] = [
    Code::StaleLock,
    Code::LeakedLock,
    Code::OverdueLock,
    Code::GatewayLock,
    Code::StuckGuard,
    Code::LockDeletedWhileHeld,
];

impl Daemon {
    pub(super) fn plan_diagnosis(&mut self) {
        if !self.rhythm.planned {
            self.rhythm.planned = true;
            let now = self.view.now.boot;
            self.table.deadlines.set((self.rhythm.last + BETWEEN).max(now + PAUSE), Due::Diagnosis);
        }
    }

    /// Before somebody is answered.
    pub(super) fn freshen(&mut self) {
        if self.view.now.boot >= self.rhythm.last + FRESH {
            self.diagnose();
        }
    }

    pub(super) fn diagnose(&mut self) {
        self.rhythm = Rhythm { last: self.view.now.boot, planned: false };
        let now = self.view.now;
        self.logs.memory.forget(now.boot);
        let model = self.logs.memory.model();
        let facts = self.facts();
        let told = model.findings(&facts, now.wall, self.options.redaction);
        self.logs.lanes = model.lane_reports(self.options.redaction);
        let window = TimeDelta::from_std(self.logs.memory.window()).unwrap_or(TimeDelta::MAX);
        let recent = |finding: &Told| finding.last_seen.is_none_or(|at| now.wall - at <= window);
        let told = told.into_iter().filter(|finding| !OF_LOCKS.contains(&finding.code)).filter(recent);
        let findings: Vec<Finding> = told.map(|finding| self.adopt_finding(finding)).collect();
        let change = self.board.told(findings);
        for finding in change.gone {
            info!(code = finding.code.as_str(), about = finding.about, "resolved");
        }
        for finding in change.new {
            self.metrics.raised(finding.code);
            if finding.severity == Severity::Info {
                continue;
            }
            warn!(code = finding.code.as_str(), about = finding.about, "{}", finding.explanation);
            // What happened before the start was told, or missed, then.
            if finding.last_seen >= self.logs.started() {
                let deliveries = self.tell.tell(What::Finding, &finding, None, now, &self.poller);
                self.count(deliveries);
            }
            if finding.remedy == Remedy::GatewayRestart {
                self.consider_restart();
            }
        }
        self.say_status();
    }

    fn facts(&self) -> Facts {
        let roots = || self.ground.roots.iter().filter_map(|root| root.standing.as_ref()?.install());
        let model = self.logs.memory.model();
        // Of thousands of locks a few are of interest, and no more are copied.
        let matters =
            |lock: &&SurveyedLock| model.mentions(lock.session_id.as_deref(), &lock.path().to_string_lossy());
        let locks = self.table.iter().filter_map(|(_, entry)| entry.lock.as_deref()).filter(matters);
        let gateways =
            roots().map(|install| gateway::fact(&install.gateway, install.config.gateway_port, Sample::Skip));
        Facts {
            locks: locks.map(|lock| lock_fact(lock, self.install(lock.root))).collect(),
            scanned: true,
            gateways: gateways.collect(),
            leases: leases(self.databases.leases(), self.databases.running(), |root| self.install(root)),
            version: version(roots()),
            era: era(roots()),
            ..Facts::default()
        }
    }

    pub(super) fn install(&self, root: usize) -> Option<&Install> {
        self.ground.roots.get(root)?.standing.as_ref()?.install()
    }

    fn adopt_finding(&self, told: Told) -> Finding {
        let now = self.view.now;
        let lock = told.session_id.as_deref().and_then(|id| self.lock_of(id));
        let key = lock.and_then(|lock| lock.session_key.as_deref());
        let session_key =
            told.session_key.or_else(|| key.map(|key| self.options.redaction.key(key).into_owned()));
        let of_gateway = lock.is_some_and(|lock| {
            let gateway = self.install(lock.root).and_then(|install| install.gateway.pid);
            gateway.is_some() && gateway == lock.evidence.owner.process().map(|process| process.pid)
        });
        let remedy = match told.code {
            Code::StuckRun if of_gateway => Remedy::GatewayRestart,
            _ => Remedy::Person,
        };
        let since = told.first_seen.unwrap_or(now.wall);
        let named = [told.lock.clone(), session_key.clone(), told.session_id.clone(), told.lane.clone()];
        // Leases of one agent differ in when they were taken.
        let unnamed = || format!("{} since {}", told.agent.as_deref().unwrap_or("-"), rfc3339(since));
        let about = match told.code {
            Code::LeaseStuck => unnamed(),
            _ => named.into_iter().flatten().next().unwrap_or_default(),
        };
        Finding {
            code: told.code,
            severity: told.severity,
            agent: told.agent,
            session_id: told.session_id,
            session_key,
            lane: told.lane,
            lock: told.lock.map(PathBuf::from),
            first_seen: since,
            last_seen: told.last_seen.unwrap_or(now.wall),
            count: told.count,
            explanation: told.explanation,
            evidence: told.evidence.into_iter().map(evidence).collect(),
            advice: told.advice,
            removing_lock_helps: told.removing_lock_helps,
            about,
            since: now.boot,
            origin: Origin::Told,
            remedy,
            root: lock.map_or(0, |lock| lock.root),
        }
    }

    fn lock_of(&self, session_id: &str) -> Option<&SurveyedLock> {
        let locks = self.table.iter().filter_map(|(_, entry)| entry.lock.as_deref());
        let mut locks = locks.filter(|lock| lock.session_id.as_deref() == Some(session_id));
        locks.next()
    }
}

fn evidence(line: Line) -> String {
    match line.at {
        Some(at) => format!("{} {}", rfc3339(at), line.text),
        None => line.text,
    }
}
