//! What is said of a lock that calls for attention.

use std::path::Path;

use super::{Code, Finding, Origin, Remedy};
use crate::clock::Now;
use crate::diagnosis::input::{DeletedLock, Facts};
use crate::diagnosis::{self, Model};
use crate::examination::facts::{Sample, lock_fact};
use crate::examination::{self, gateway};
use crate::install::Install;
use crate::redact::Redactor;
use crate::survey::SurveyedLock;
use crate::verdict::Action;
use crate::verdict::severity::Effect;
use crate::wakeups::ids::RootId;
use crate::watch::mandate::Mandate;
use crate::words::shell_word;

/// What the daemon knows besides the lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) install: Option<&'a Install>,
    /// What the logs told.
    pub(crate) heard: &'a Model,
    pub(crate) mandate: Mandate,
    /// Of the commands that are advised.
    pub(crate) scope: &'a str,
    pub(crate) redaction: Redactor,
    pub(crate) now: Now,
}

/// The finding that a verdict amounts to, in the words of the diagnosis; `None`: it is worth no word.
pub(crate) fn finding(lock: &SurveyedLock, context: &Context<'_>) -> Option<Finding> {
    let found = told(&facts(lock, context.install), context).pop()?;
    let remedy = match found.code {
        _ if lock.judgement.action == Action::Reclaim => Remedy::Reclaim,
        Code::OverdueLock | Code::StuckRun if is_of_gateway(lock, context.install) => Remedy::GatewayRestart,
        _ => Remedy::Person,
    };
    let in_hand = context.mandate.covers(lock);
    let found = if in_hand { dealt_with(found) } else { found };
    let finding = about(found, remedy, RootId::of(lock), &lock.path(), context);
    Some(Finding { in_hand, ..finding })
}

fn told(facts: &Facts, context: &Context<'_>) -> Vec<diagnosis::Finding> {
    let mut found = context.heard.findings_of_locks(facts, context.now.wall, context.redaction);
    examination::type_commands(&mut found, context.scope);
    found
}

/// What a diagnosis of this one lock is told.
fn facts(lock: &SurveyedLock, install: Option<&Install>) -> Facts {
    let gateway = |install: &Install| {
        gateway::fact(&install.gateway, &install.config, None, &install.root, Sample::Skip)
    };
    Facts {
        locks: vec![lock_fact(lock, install)],
        scanned: true,
        gateways: install.map(gateway).into_iter().collect(),
        version: install.and_then(|install| install.version.as_ref()).map(ToString::to_string),
        era: install.map_or_else(Default::default, |install| install.era),
        ..Facts::default()
    }
}

/// Nobody needs to type what the daemon does by itself.
pub(crate) fn dealt_with(mut found: diagnosis::Finding) -> diagnosis::Finding {
    let frees = |action: &diagnosis::Remedy| {
        action.command.as_deref().is_some_and(|command| command.starts_with("lockdoctor reclaim"))
    };
    for action in found.actions.iter_mut().filter(|action| frees(action)) {
        *action = diagnosis::Remedy {
            command: None,
            text: "lockdoctor frees it as soon as it has checked twice.".into(),
            effect: action.effect.take(),
        };
    }
    found.advice = found.actions.iter().map(|action| action.text.clone()).collect();
    found
}

/// Its name was removed while its owner had it open.
pub(crate) fn deleted_while_held(
    lock: &SurveyedLock,
    root: RootId,
    path: &Path,
    context: &Context<'_>,
) -> Option<Finding> {
    let deleted = DeletedLock {
        path: path.display().to_string(),
        session_id: lock.session_id.clone(),
        pid: lock.evidence.payload()?.pid,
        agent: lock.agent.clone(),
        replaced: false,
    };
    let facts = Facts { deleted: vec![deleted], ..facts(lock, context.install) };
    let found = told(&facts, context).into_iter().find(|found| found.code == Code::LockDeletedWhileHeld)?;
    Some(about(found, Remedy::Person, root, path, context))
}

/// Its owners die one after the other: the gateway is started again and again, and does not live.
pub(crate) fn crash_loop(lock: &SurveyedLock, deaths: usize, context: &Context<'_>) -> Finding {
    let root = context.install.map(|install| install.root.path.clone());
    let path = root.unwrap_or_else(|| lock.directory.path.clone());
    let word = shell_word(&path.to_string_lossy());
    let text = format!(
        "The owner of one session's lock died {deaths} times within 10 minutes: the gateway crashes and is started again. \
         Each lock is freed, but the message that was being answered is lost each time."
    );
    let seen = format!("{} was freed {deaths} times", lock.name.to_string_lossy());
    let found = diagnosis::Finding {
        first_seen: Some(context.now.wall),
        last_seen: Some(context.now.wall),
        evidence: vec![crate::history::evidence::Line::seen(seen)],
        removing_lock_helps: Some(false),
        ..diagnosis::Finding::new(Code::GatewayDown, Effect::MessagesFailed, text)
    };
    let command = format!("lockdoctor diagnose --state-dir {word}");
    let found = found.act(diagnosis::Remedy::bare_command(command));
    about(found, Remedy::Person, RootId::of(lock), &path, context)
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
    found: diagnosis::Finding,
    remedy: Remedy,
    root: RootId,
    path: &Path,
    context: &Context<'_>,
) -> Finding {
    Finding {
        found,
        about: path.to_string_lossy().into_owned(),
        since: context.now.boot,
        origin: Origin::Lock,
        remedy,
        in_hand: false,
        root: Some(root),
    }
}
