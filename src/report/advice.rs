//! What to type after a scan. State first, cause next, then the command.

use crate::diagnosis::{Code, Finding};
use crate::openclaw::lock_kind::LockKind;
use crate::openclaw::version::Era;
use crate::survey::{Survey, SurveyedLock};
use crate::verdict::severity::Severity;
use crate::verdict::{Action, Verdict};
use crate::words::{count, shell_word};

/// The lines below a scan's table, most urgent first. `severities`: of the locks, in their order. `scope` is what was
/// typed to get here, so that the commands mean the same locks.
pub fn after_scan(survey: &Survey, severities: &[Option<Severity>], scope: &str) -> Vec<String> {
    let judged = || survey.locks.iter().zip(severities);
    let serious = |severity: Option<Severity>| severity > Some(Severity::Info);
    let mut lines = Vec::new();
    let can_be_freed: Vec<Option<Severity>> = judged()
        .filter(|(lock, _)| lock.judgement.action == Action::Reclaim)
        .map(|(_, severity)| *severity)
        .collect();
    let blocking = can_be_freed.iter().filter(|severity| serious(**severity)).count();
    if blocking > 0 {
        lines.push(format!(
            "{} can be freed. Preview, then free:\n    lockdoctor reclaim{scope}\n    lockdoctor reclaim{scope} --yes",
            count(can_be_freed.len(), "lock"),
        ));
    } else if !can_be_freed.is_empty() {
        let it = if can_be_freed.len() == 1 { "it" } else { "them" };
        lines.push(format!(
            "{}: harmless, OpenClaw removes {it} itself. To free {it} now:\n    lockdoctor reclaim{scope} --yes",
            count(can_be_freed.len(), "leftover"),
        ));
    }
    let overdue = judged().filter(|(lock, _)| lock.judgement.verdict == Verdict::Overdue).count();
    if overdue > 0 {
        let runs = if overdue == 1 { "A run is".to_owned() } else { format!("{overdue} runs are") };
        lines.push(format!(
            "{runs} past the limit and still at work: freeing the lock would corrupt the chat. What holds it up:\n    \
             lockdoctor diagnose{scope}",
        ));
    }
    let worst = judged().filter(|(_, severity)| serious(**severity)).max_by_key(|(_, severity)| **severity);
    if let Some((lock, _)) = worst {
        lines.push(explain("Why, for one lock:", lock));
    } else if let Some(lease) = survey.leases.iter().find(|lease| lease.needs_attention()) {
        lines.push(format!("All that is known of it:\n    lockdoctor explain {}", shell_word(&lease.path)));
    }
    let sqlite = survey.roots.iter().filter_map(|root| root.install.as_ref()).any(|i| i.era == Era::Sqlite);
    if sqlite {
        let locks = survey.locks.iter().any(|lock| matches!(lock.kind, LockKind::Session | LockKind::Store));
        let lines_of_locks = "OpenClaw 2026.8.1 and later keep sessions in SQLite: a lock file says nothing about \
                              them, a lease does. ";
        let about_locks = if locks { lines_of_locks } else { "" };
        lines.push(format!(
            "{about_locks}Messages, runs, and what the log tells:\n    lockdoctor status{scope}"
        ));
    }
    lines
}

/// What is wrong with the gateway or its databases, and no lock or lease shows: the sentence, and what to type.
pub fn beyond_locks(findings: &[Finding]) -> impl Iterator<Item = String> {
    let serious = findings.iter().filter(|finding| {
        finding.severity > Severity::Info
            && finding.lock.is_none()
            && finding.removing_lock_helps == Some(false)
    });
    let untold = serious.filter(|finding| finding.code != Code::LeaseStuck || finding.session_key.is_some());
    untold.map(|finding| {
        let action = finding.actions.first();
        let typed =
            action.and_then(|action| action.command.as_ref()).map(|command| format!("\n    {command}"));
        let else_text =
            action.filter(|action| action.command.is_none()).map(|action| format!(" {}", action.text));
        format!("{}{}", finding.explanation, typed.or(else_text).unwrap_or_default())
    })
}

fn explain(what: &str, lock: &SurveyedLock) -> String {
    format!("{what}\n    lockdoctor explain {}", shell_word(&lock.path().to_string_lossy()))
}
