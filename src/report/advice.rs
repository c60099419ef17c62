//! What to type next. State first, cause next, then the command.

use crate::openclaw::lock_kind::LockKind;
use crate::openclaw::version::Era;
use crate::survey::{Survey, SurveyedLock};
use crate::verdict::{Action, Verdict};
use crate::words::{count, shell_word};

/// The lines below a scan's table, most urgent first. `scope` is what the user typed to get here, so that the
/// commands mean the same locks.
pub fn after_scan(survey: &Survey, scope: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let number = |wanted: &dyn Fn(Verdict, Action) -> bool| {
        survey.locks.iter().filter(|lock| wanted(lock.judgement.verdict, lock.judgement.action)).count()
    };
    let reclaimable = number(&|_, action| action == Action::Reclaim);
    if reclaimable > 0 {
        lines.push(format!(
            "{} can be freed. The plan first, then the act:\n    lockdoctor reclaim{scope}\n    lockdoctor reclaim{scope} --yes",
            count(reclaimable, "lock"),
        ));
    }
    let overdue = number(&|verdict, _| verdict == Verdict::Overdue);
    if overdue > 0 {
        lines.push(format!(
            "{} held past the limit by a live process; removing the lock would fork the transcript. What holds it up:\n    \
             lockdoctor diagnose{scope}",
            if overdue == 1 { "1 lock is".to_owned() } else { format!("{overdue} locks are") },
        ));
    }
    let is_unknown = |lock: &&SurveyedLock| {
        matches!(lock.judgement.verdict, Verdict::Foreign | Verdict::Indeterminate)
            && lock.kind != LockKind::Coordinator
    };
    let unknown = survey.locks.iter().filter(is_unknown).count();
    if unknown > 0 {
        lines.push(format!(
            "{} cannot be judged from here. What is missing, and how to get it:\n    lockdoctor doctor{scope}",
            count(unknown, "lock"),
        ));
    }
    if let Some(lock) = survey.locks.iter().find(|lock| lock.judgement.needs_attention()) {
        lines.push(format!(
            "Why, for one lock:\n    lockdoctor explain {}",
            shell_word(&lock.path().to_string_lossy())
        ));
    } else if let Some(lease) = survey.leases.iter().find(|lease| lease.needs_attention()) {
        lines.push(format!("All that is known of it:\n    lockdoctor explain {}", shell_word(&lease.path)));
    }
    let sqlite = survey.roots.iter().filter_map(|root| root.install.as_ref()).any(|i| i.era == Era::Sqlite);
    if sqlite {
        lines.push(
            "OpenClaw 2026.8.1 and later keep sessions in SQLite: a lock file says nothing about them, a lease \
             does. Runs that were cut off, and what the log tells:\n    lockdoctor diagnose"
                .to_owned()
                + scope,
        );
    }
    lines
}
