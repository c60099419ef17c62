//! What a reclaim planned or did, for people and for programs.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json::{Lock, lock};
use super::table::{BOLD, DIM, style};
use crate::reclaim::Outcome;
use crate::reclaim::run::{Attempt, AttemptResult, Run};
use crate::redact::Redactor;
use crate::report::lock_words::owner;
use crate::verdict::self_heal;
use crate::verdict::{Reason, Verdict};
use crate::words::shell_word;
use crate::words::{self, count, duration, rfc3339, wrapped};

pub const RECLAIM_SCHEMA: &str = "lockdoctor/reclaim/v1";

#[derive(Debug, Serialize)]
pub struct Document {
    schema: &'static str,
    generated_at: String,
    locks: Vec<ReclaimedLock>,
    summary: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub struct ReclaimedLock {
    #[serde(flatten)]
    lock: Lock,
    result: &'static str,
    quarantine_id: Option<String>,
    /// Why it failed, and what to do about it.
    error: Option<String>,
}

pub fn document(run: &Run, redaction: Redactor) -> Document {
    let results = ["planned", "reclaimed", "vanished", "changed", "failed"];
    let mut summary = Map::from_iter([("total".to_owned(), json!(run.attempts.len()))]);
    summary.extend(results.map(|result| (result.to_owned(), json!(run.count(result)))));
    Document {
        schema: RECLAIM_SCHEMA,
        generated_at: rfc3339(run.survey.now.wall),
        locks: locks(run, redaction).collect(),
        summary,
    }
}

pub fn locks(run: &Run, redaction: Redactor) -> impl Iterator<Item = ReclaimedLock> + '_ {
    run.attempts.iter().map(move |attempt| ReclaimedLock {
        lock: lock(&attempt.lock, &run.survey.roots[attempt.lock.root], redaction),
        result: attempt.result.as_str(),
        quarantine_id: quarantine_id(attempt),
        error: error(attempt),
    })
}

fn quarantine_id(attempt: &Attempt) -> Option<String> {
    match &attempt.result {
        AttemptResult::Done(Outcome::Reclaimed { quarantine_id }) => Some(quarantine_id.clone()),
        _ => None,
    }
}

fn error(attempt: &Attempt) -> Option<String> {
    match &attempt.result {
        AttemptResult::Done(Outcome::Failed(failure)) | AttemptResult::Obstructed(failure) => {
            Some(failure.to_string())
        }
        _ => None,
    }
}

/// Result, verdict, reasons, path: tab-separated, one line a lock. Writing to a String cannot fail.
pub fn plain(run: &Run) -> String {
    let mut out = String::new();
    for attempt in &run.attempts {
        let verdict = attempt.lock.judgement.verdict.as_str();
        let (result, reasons, path) = (attempt.result.as_str(), reasons(attempt, ","), attempt.lock.path());
        let _ = writeln!(out, "{result}\t{verdict}\t{reasons}\t{}", words::path(&path));
    }
    out
}

/// Nothing at all where there was nothing to do: made for timers and cron mail.
pub fn one_line(run: &Run) -> String {
    let parts: Vec<String> = ["planned", "reclaimed", "failed"]
        .into_iter()
        .filter(|result| run.count(result) > 0)
        .map(|result| format!("{} {result}", run.count(result)))
        .collect();
    if parts.is_empty() {
        return String::new();
    }
    // That somebody else was faster is no news.
    let is_news = |attempt: &&Attempt| {
        !matches!(attempt.result, AttemptResult::Done(Outcome::Vanished | Outcome::Changed))
    };
    let names: Vec<String> = run.attempts.iter().filter(is_news).map(summary_of).collect();
    format!("lockdoctor: {}: {}\n", parts.join(", "), names.join("; "))
}

/// Why the lock that `--id` names was not taken up.
pub fn not_found(run: &Run, fingerprint: &str, scope: &str) -> String {
    match run.survey.locks.iter().find(|lock| lock.fingerprint == fingerprint) {
        Some(lock) => {
            let (path, verdict) = (lock.path(), lock.judgement.verdict.as_str());
            format!("{}: it is {verdict}, so it was left alone", words::path(&path))
        }
        None => format!(
            "no lock has the fingerprint {fingerprint}: it was released, or is another one now; look again with `lockdoctor scan{scope}`"
        ),
    }
}

fn summary_of(attempt: &Attempt) -> String {
    let name = attempt.lock.name.to_string_lossy();
    let why = error(attempt).unwrap_or_else(|| reasons(attempt, ", "));
    format!("{name} ({why})")
}

fn reasons(attempt: &Attempt, separator: &str) -> String {
    let words: Vec<&str> = attempt.lock.judgement.reasons.iter().copied().map(Reason::as_str).collect();
    words.join(separator)
}

/// For the commands that come next. `scope` and `options`: as they were typed.
pub fn for_people(run: &Run, redaction: Redactor, scope: &str, options: &str, width: usize) -> String {
    let mut out = String::new();
    if run.attempts.is_empty() {
        let rest = if run.others_need_attention() {
            format!("Nothing to free, but something needs attention:\n    lockdoctor scan{scope}\n")
        } else {
            "Nothing to free: no lock is stale or leaked.\n".to_owned()
        };
        return rest;
    }
    for attempt in &run.attempts {
        one(&mut out, run, attempt, redaction, width);
    }
    out.push('\n');
    let (sentence, command) = conclusion(run, &format!("{scope}{options}"));
    for line in wrapped(&sentence, width) {
        let _ = writeln!(out, "{line}");
    }
    if let Some(command) = command {
        let _ = writeln!(out, "    {command}");
    }
    out
}

fn one(out: &mut String, run: &Run, attempt: &Attempt, redaction: Redactor, width: usize) {
    let lock = &attempt.lock;
    let root = &run.survey.roots[lock.root];
    let (word, colour) = match &attempt.result {
        AttemptResult::Planned => ("would free", style(lock.judgement.verdict)),
        AttemptResult::Done(Outcome::Reclaimed { .. }) => ("freed", style(Verdict::Held)),
        AttemptResult::Done(Outcome::Vanished) => ("gone", style(Verdict::Held)),
        AttemptResult::Done(Outcome::Changed) => ("changed", style(Verdict::Settling)),
        AttemptResult::Obstructed(_) => ("cannot", style(Verdict::Stale)),
        AttemptResult::Done(Outcome::Failed(_)) => ("not freed", style(Verdict::Stale)),
    };
    let age = lock.evidence.age.map_or_else(|| "-".to_owned(), duration);
    let _ = writeln!(
        out,
        "{colour}{word:<10}{colour:#} {} ({})  {}  {age}",
        lock.judgement.verdict.as_str(),
        reasons(attempt, ", "),
        owner(&lock.evidence)
    );
    if let Some(key) = &lock.session_key {
        let _ = writeln!(out, "    {}", redaction.key(key).into_owned());
    }
    let _ = writeln!(out, "    {BOLD}{}{BOLD:#}", words::path(&lock.path()));
    let note = match &attempt.result {
        AttemptResult::Planned => {
            let version = root.install.as_ref().and_then(|install| install.version.as_ref());
            let judgement = &lock.judgement;
            self_heal::predict(&lock.evidence, judgement.verdict, &judgement.reasons, version).sentence()
        }
        AttemptResult::Done(Outcome::Reclaimed { quarantine_id }) => format!("kept as {quarantine_id}"),
        AttemptResult::Done(Outcome::Vanished) => "somebody released or removed it meanwhile".to_owned(),
        AttemptResult::Done(Outcome::Changed) => "it is another lock now, and in use; left alone".to_owned(),
        AttemptResult::Done(Outcome::Failed(failure)) | AttemptResult::Obstructed(failure) => {
            failure.to_string()
        }
    };
    for line in wrapped(&note, width.saturating_sub(4)) {
        let _ = writeln!(out, "    {DIM}{line}{DIM:#}");
    }
}

/// A sentence, and the command that comes next.
fn conclusion(run: &Run, again: &str) -> (String, Option<String>) {
    let (planned, failed) = (run.count("planned"), run.count("failed"));
    let obstructed =
        run.attempts.iter().any(|attempt| matches!(attempt.result, AttemptResult::Obstructed(_)));
    if planned > 0 || obstructed {
        let mut text =
            if planned > 0 { format!("{} would be freed; ", count(planned, "lock")) } else { String::new() };
        if obstructed {
            let _ = write!(text, "{} cannot be freed, for the reason given; ", count(failed, "lock"));
        }
        text.push_str("nothing was changed.");
        let command = (planned > 0).then(|| format!("lockdoctor reclaim{again} --yes"));
        if command.is_some() {
            text.push_str(" To carry it out:");
        }
        return (text, command);
    }
    let mut text = format!("{} freed.", count(run.count("reclaimed"), "lock"));
    if failed > 0 {
        let _ = write!(text, " {failed} not freed, for the reason given.");
    }
    if run.count("reclaimed") == 0 {
        return (text, None);
    }
    text.push_str(" What was there is kept:");
    let roots = run.survey.roots.iter();
    let scope: String =
        roots.map(|root| format!(" --state-dir {}", shell_word(&root.path.to_string_lossy()))).collect();
    (text, Some(format!("lockdoctor quarantine list{scope}")))
}
