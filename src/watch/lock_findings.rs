//! What is said of a lock that calls for attention.

use std::path::PathBuf;

use tracing::info;

use super::daemon::Daemon;
use super::findings::{Code, Finding, Origin, Remedy, Severity, code_of};
use crate::report::lock_words::owner;
use crate::survey::SurveyedLock;
use crate::verdict::self_heal::{self, SelfHeal};
use crate::words::duration;
use crate::words::shell_word;

/// What makes one finding about a lock different from another.
struct Told {
    code: Code,
    severity: Severity,
    remedy: Remedy,
    explanation: String,
    evidence: Vec<String>,
    advice: Vec<String>,
}

impl Daemon {
    pub(super) fn update_findings(&mut self, lock: &SurveyedLock, changed: bool) {
        let path = lock.path();
        let code =
            lock.judgement.needs_attention().then(|| code_of(lock.kind, lock.judgement.verdict)).flatten();
        if changed {
            for finding in self.board.resolve_lock(&path, code) {
                info!(path = %path.display(), code = finding.code.as_str(), "resolved");
            }
        }
        if let Some(code) = code {
            let finding = self.finding(code, lock);
            self.raise(finding, Some(lock));
        }
    }

    pub(super) fn finding(&self, code: Code, lock: &SurveyedLock) -> Finding {
        let evidence = &lock.evidence;
        let install = self.ground.roots[lock.root].standing.as_ref().and_then(|s| s.install());
        let version = install.and_then(|install| install.version.as_ref());
        let judgement = &lock.judgement;
        let heal = self_heal::predict(evidence, judgement.verdict, &judgement.reasons, version);
        let severity = match (code, &heal) {
            (Code::OverdueLock | Code::StuckGuard, _) | (_, SelfHeal::Blocks(_)) => Severity::Critical,
            _ => Severity::Warning,
        };
        let gateway = install.and_then(|install| install.gateway.pid);
        let of_gateway = gateway.is_some() && gateway == evidence.owner.process().map(|process| process.pid);
        let remedy = match code {
            Code::StaleLock | Code::LeakedLock => Remedy::Reclaim,
            Code::OverdueLock if of_gateway => Remedy::GatewayRestart,
            _ => Remedy::Person,
        };
        let path = lock.path();
        let word = shell_word(&path.to_string_lossy());
        let advice = match code {
            Code::StaleLock | Code::LeakedLock if self.acting_settle().is_some() => {
                vec!["lockdoctor reclaims it once it has settled.".to_owned()]
            }
            Code::StaleLock | Code::LeakedLock => vec![format!("lockdoctor reclaim {word}")],
            Code::OverdueLock => vec![
                format!("lockdoctor diagnose {word}"),
                "A gateway restart releases it; removing the lock would fork the transcript.".to_owned(),
            ],
            _ => vec![format!("lockdoctor explain {word}")],
        };
        let mut facts = vec![owner(evidence)];
        if let (Code::OverdueLock, Some(limit)) = (code, &evidence.limit) {
            facts.push(format!("limit {}: {}", duration(limit.after), limit.source));
        }
        let explanation = match code {
            Code::OverdueLock => judgement.sentence().to_owned() + " It is past its limit.",
            _ => format!("{} {}", judgement.sentence(), heal.sentence()),
        };
        let told = Told { code, severity, remedy, explanation, evidence: facts, advice };
        self.about_lock(told, lock, lock.root, path)
    }

    /// Its name was removed while its owner, whose `pid` it gave, had it open.
    pub(super) fn deleted_while_held(
        &self,
        lock: &SurveyedLock,
        root: usize,
        path: PathBuf,
        pid: Option<u32>,
    ) -> Finding {
        let named = pid.map_or_else(String::new, |pid| format!(" (it named pid {pid})"));
        let told = Told {
            code: Code::LockDeletedWhileHeld,
            severity: Severity::Critical,
            remedy: Remedy::Person,
            explanation: "The lock's name was removed while its owner had the file open: somebody else deleted it, and \
                          a second run can now write to the same transcript."
                .to_owned(),
            evidence: vec![format!("unlinked, and two seconds later still open for writing{named}")],
            advice: vec![
                "Look for a cron job or script that deletes *.lock files and remove it: lockdoctor doctor"
                    .to_owned(),
            ],
        };
        self.about_lock(told, lock, root, path)
    }

    pub(super) fn shown_key(&self, lock: &SurveyedLock) -> Option<String> {
        lock.session_key.as_deref().map(|key| self.options.redaction.key(key).into_owned())
    }

    fn about_lock(&self, told: Told, lock: &SurveyedLock, root: usize, path: PathBuf) -> Finding {
        let now = self.view.now;
        Finding {
            code: told.code,
            severity: told.severity,
            agent: lock.agent.clone(),
            session_id: lock.session_id.clone(),
            session_key: self.shown_key(lock),
            lane: None,
            about: path.to_string_lossy().into_owned(),
            lock: Some(path),
            first_seen: now.wall,
            last_seen: now.wall,
            count: 1,
            explanation: told.explanation,
            evidence: told.evidence,
            advice: told.advice,
            removing_lock_helps: Some(told.remedy == Remedy::Reclaim),
            since: now.boot,
            origin: Origin::Lock,
            remedy: told.remedy,
            root,
        }
    }
}
