//! What is said of a lock that calls for attention.

use std::path::PathBuf;

use super::{Code, Finding, Origin, Remedy, Severity};
use crate::clock::Now;
use crate::diagnosis::Model;
use crate::examination::facts::lock_fact;
use crate::install::Install;
use crate::redact::Redactor;
use crate::report::lock_words::owner;
use crate::survey::SurveyedLock;
use crate::verdict::severity::Effect;
use crate::verdict::{Action, self_heal};
use crate::watch::ids::RootId;
use crate::watch::options::Mandate;
use crate::words::{duration, shell_word};

/// What the daemon knows besides the lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) install: Option<&'a Install>,
    /// What the logs told.
    pub(crate) heard: &'a Model,
    pub(crate) mandate: Mandate,
    pub(crate) redaction: Redactor,
    pub(crate) now: Now,
}

/// What makes one finding about a lock different from another.
struct Statement {
    code: Code,
    severity: Severity,
    remedy: Remedy,
    explanation: String,
    evidence: Vec<String>,
    advice: Vec<String>,
}

/// The finding that a verdict amounts to.
pub(crate) fn finding(code: Code, lock: &SurveyedLock, context: &Context<'_>) -> Finding {
    let evidence = &lock.evidence;
    let version = context.install.and_then(|install| install.version.as_ref());
    let judgement = &lock.judgement;
    let heal = self_heal::predict(evidence, judgement.verdict, &judgement.reasons, version);
    let fact = lock_fact(lock, context.install);
    let severity = fact.effect.having_failed(context.heard.failed_on(&fact)).severity();
    let remedy = match code {
        _ if judgement.action == Action::Reclaim => Remedy::Reclaim,
        Code::OverdueLock if is_of_gateway(lock, context.install) => Remedy::GatewayRestart,
        _ => Remedy::Person,
    };
    let path = lock.path();
    let word = shell_word(&context.redaction.path(&path.to_string_lossy()));
    let advice = match (remedy, code) {
        (Remedy::Reclaim, _) if context.mandate.settle().is_some() => {
            vec!["lockdoctor reclaims it once it has settled.".to_owned()]
        }
        (Remedy::Reclaim, _) => vec![format!("lockdoctor reclaim {word}")],
        (_, Code::OverdueLock) => vec![
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
    let statement = Statement { code, severity, remedy, explanation, evidence: facts, advice };
    about(statement, lock, RootId::of(lock), path, context)
}

/// Its name was removed while its owner had it open.
pub(crate) fn deleted_while_held(
    lock: &SurveyedLock,
    root: RootId,
    path: PathBuf,
    context: &Context<'_>,
) -> Finding {
    let pid = lock.evidence.payload().map(|payload| payload.pid);
    let named = pid.map_or_else(String::new, |pid| format!(" (it named pid {pid})"));
    let statement = Statement {
        code: Code::LockDeletedWhileHeld,
        severity: Severity::Critical,
        remedy: Remedy::Person,
        explanation:
            "The lock's name was removed while its owner had the file open: somebody else deleted it, and a \
             second run can now write to the same transcript."
                .to_owned(),
        evidence: vec![format!("unlinked, and two seconds later still open for writing{named}")],
        advice: vec![
            "Look for a cron job or script that deletes *.lock files and remove it: lockdoctor doctor"
                .to_owned(),
        ],
    };
    about(statement, lock, root, path, context)
}

/// Its owners die one after the other: the gateway is started again and again, and does not live.
pub(crate) fn crash_loop(lock: &SurveyedLock, deaths: usize, context: &Context<'_>) -> Finding {
    let root = context.install.map(|install| install.root.path.clone());
    let path = root.unwrap_or_else(|| lock.directory.path.clone());
    let word = shell_word(&path.to_string_lossy());
    let statement = Statement {
        code: Code::GatewayDown,
        severity: Effect::MessagesFailed.severity(),
        remedy: Remedy::Person,
        explanation: format!(
            "The owner of one session's lock died {deaths} times within 10 minutes: the gateway crashes and is started \
             again. Each lock is freed, but the message that was being answered is lost each time."
        ),
        evidence: vec![format!("{} was freed {deaths} times", lock.name.to_string_lossy())],
        advice: vec![format!("lockdoctor diagnose --state-dir {word}")],
    };
    let finding = about(statement, lock, RootId::of(lock), path, context);
    Finding { lock: None, session_id: None, session_key: None, agent: None, ..finding }
}

/// The gateway of its install has the lock, so that a restart releases it.
pub(super) fn is_of_gateway(lock: &SurveyedLock, install: Option<&Install>) -> bool {
    let gateway = install.and_then(|install| install.gateway.pid);
    gateway.is_some() && gateway == lock.evidence.owner.process().map(|process| process.pid)
}

pub(crate) fn shown_key(lock: &SurveyedLock, redaction: Redactor) -> Option<String> {
    lock.session_key.as_deref().map(|key| redaction.key(key).into_owned())
}

fn about(
    statement: Statement,
    lock: &SurveyedLock,
    root: RootId,
    path: PathBuf,
    context: &Context<'_>,
) -> Finding {
    Finding {
        code: statement.code,
        severity: statement.severity,
        agent: lock.agent.clone(),
        session_id: lock.session_id.clone(),
        session_key: shown_key(lock, context.redaction),
        lane: None,
        about: path.to_string_lossy().into_owned(),
        lock: Some(path),
        first_seen: context.now.wall,
        last_seen: context.now.wall,
        count: 1,
        explanation: statement.explanation,
        evidence: statement.evidence,
        advice: statement.advice,
        removing_lock_helps: Some(statement.remedy == Remedy::Reclaim),
        since: context.now.boot,
        origin: Origin::Lock,
        remedy: statement.remedy,
        root: Some(root),
    }
}
