//! What a reclaim planned or did, for people and for programs.

use std::fmt::Write;

use anstyle::Style;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::blocks::prose;
use super::json::{Lock, lock};
use super::lock_words::why;
use super::style::{BOLD, DIM};
use super::table::style;
use crate::answer::Name;
use crate::examination::facts::effect;
use crate::reclaim::Outcome;
use crate::reclaim::run::{Attempt, AttemptResult, Run};
use crate::redact::Redactor;
use crate::verdict::self_heal;
use crate::verdict::severity::Severity;
use crate::verdict::{Reason, Verdict};
use crate::words::{self, count, duration, printable, rfc3339, shell_word};

pub const RECLAIM_SCHEMA: &str = "lockdoctor/reclaim/v1";

/// What may come of an attempt.
pub const RESULTS: [&str; 5] = ["planned", "reclaimed", "vanished", "changed", "failed"];

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document {
    schema: &'static str,
    #[cfg_attr(test, schemars(with = "chrono::DateTime<chrono::Utc>"))]
    generated_at: String,
    locks: Vec<ReclaimedLock>,
    summary: Map<String, Value>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReclaimedLock {
    #[serde(flatten)]
    lock: Lock,
    result: &'static str,
    quarantine_id: Option<String>,
    /// Why it failed, and what to do about it.
    error: Option<String>,
}

pub fn document(run: &Run, redaction: Redactor) -> Document {
    let mut summary = Map::from_iter([("total".to_owned(), json!(run.attempts.len()))]);
    summary.extend(RESULTS.map(|result| (result.to_owned(), json!(run.count(result)))));
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

/// Nothing at all where there was nothing to do: made for timers and cron mail. `open`: what is still open.
pub fn one_line(run: &Run, open: Option<&str>) -> String {
    let parts: Vec<String> = ["planned", "reclaimed", "failed"]
        .into_iter()
        .filter(|result| run.count(result) > 0)
        .map(|result| format!("{} {result}", run.count(result)))
        .collect();
    let mut out = String::new();
    if !parts.is_empty() {
        // That somebody else was faster is no news.
        let is_news = |attempt: &&Attempt| {
            !matches!(attempt.result, AttemptResult::Done(Outcome::Vanished | Outcome::Changed))
        };
        let names: Vec<String> = run.attempts.iter().filter(is_news).map(summary_of).collect();
        let _ = writeln!(out, "lockdoctor: {}: {}", parts.join(", "), names.join("; "));
    }
    if let Some(open) = open {
        let _ = writeln!(out, "lockdoctor: still open: {open}");
    }
    out
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

/// For the commands that come next.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    pub redaction: Redactor,
    /// As they were typed.
    pub scope: &'a str,
    pub options: &'a str,
    /// What is still open, in a line.
    pub open: Option<&'a str>,
    pub width: usize,
}

/// What came of one attempt, said when it ends.
pub fn attempt(run: &Run, attempt: &Attempt, page: Page<'_>) -> String {
    let mut out = String::new();
    one(&mut out, run, attempt, page);
    out
}

/// What it all comes to, below the attempts.
pub fn in_the_end(run: &Run, page: Page<'_>) -> String {
    let mut out = String::new();
    if !run.attempts.is_empty() {
        out.push('\n');
    }
    for (sentence, command) in conclusion(run, page) {
        prose(&mut out, &sentence, page.width, 0, Style::new());
        if let Some(command) = command {
            let _ = writeln!(out, "    {command}");
        }
    }
    out
}

fn one(out: &mut String, run: &Run, attempt: &Attempt, page: Page<'_>) {
    let lock = &attempt.lock;
    let root = &run.survey.roots[lock.root];
    let (word, colour) = match &attempt.result {
        AttemptResult::Planned => ("would free", style(lock.judgement.verdict)),
        AttemptResult::Done(Outcome::Reclaimed { .. }) => ("freed", style(Verdict::Held)),
        AttemptResult::Done(Outcome::Vanished) => ("gone", style(Verdict::Held)),
        AttemptResult::Done(Outcome::Changed) => ("in use", style(Verdict::Settling)),
        AttemptResult::Obstructed(_) => ("cannot", style(Verdict::Stale)),
        AttemptResult::Done(Outcome::Failed(_)) => ("not freed", style(Verdict::Stale)),
    };
    let age = lock.evidence.age.map_or_else(String::new, |age| format!(", {} old", duration(age)));
    let name = match (&lock.session_key, &lock.agent) {
        (Some(key), _) => Name::of_key(&page.redaction.key(key)).with_agent(),
        (None, Some(agent)) => format!("{} ({agent})", lock.name.to_string_lossy()),
        (None, None) => lock.name.to_string_lossy().into_owned(),
    };
    let verdict = lock.judgement.verdict.as_str();
    let _ = writeln!(out, "{colour}{word:<10}{colour:#} {BOLD}{}{BOLD:#}", printable(&name));
    let text = format!("{verdict}: {}{age}", why(&lock.judgement));
    prose(out, &text, page.width, 4, Style::new());
    let _ = writeln!(out, "    {}", words::path(&lock.path()));
    let note = match &attempt.result {
        AttemptResult::Planned => {
            let version = root.install.as_ref().and_then(|install| install.version.as_ref());
            let judgement = &lock.judgement;
            self_heal::predict(&lock.evidence, judgement.verdict, &judgement.reasons, version).sentence()
        }
        AttemptResult::Done(Outcome::Reclaimed { quarantine_id }) => {
            format!("kept in quarantine as {quarantine_id}")
        }
        AttemptResult::Done(Outcome::Vanished) => "somebody released or removed it meanwhile".to_owned(),
        AttemptResult::Done(Outcome::Changed) => "it is another lock now, and in use; left alone".to_owned(),
        AttemptResult::Done(Outcome::Failed(failure)) | AttemptResult::Obstructed(failure) => {
            failure.to_string()
        }
    };
    prose(out, &note, page.width, 4, DIM);
}

/// Sentences, each with the command that comes next.
fn conclusion(run: &Run, page: Page<'_>) -> Vec<(String, Option<String>)> {
    let again = format!("{}{}", page.scope, page.options);
    let (planned, failed, freed) = (run.count("planned"), run.count("failed"), run.count("reclaimed"));
    let is_obstructed = |attempt: &Attempt| matches!(attempt.result, AttemptResult::Obstructed(_));
    let mut said = Vec::new();
    if planned > 0 {
        let text = format!("{} would be freed; nothing was changed. To free:", count(planned, "lock"));
        said.push((text, Some(format!("lockdoctor reclaim{again} --yes"))));
    }
    if run.attempts.iter().any(is_obstructed) {
        said.push((format!("{} cannot be freed, for the reason given.", count(failed, "lock")), None));
    } else if failed > 0 {
        said.push((format!("{} not freed, for the reason given.", count(failed, "lock")), None));
    }
    if freed > 0 {
        let blocked = run.attempts.iter().filter(|attempt| was_blocking(run, attempt)).count();
        let send =
            if blocked > 0 { " Send the failed messages again: OpenClaw does not retry them." } else { "" };
        said.push((format!("{} freed.{send}", count(freed, "lock")), None));
        let roots = run.survey.roots.iter();
        let scope: String =
            roots.map(|root| format!(" --state-dir {}", shell_word(&root.path.to_string_lossy()))).collect();
        said.push(("What was there is kept:".to_owned(), Some(format!("lockdoctor quarantine list{scope}"))));
    }
    if run.beyond_max > 0 {
        let text = format!("{} left, which --max leaves for later.", count(run.beyond_max, "free lock"));
        said.push((text, None));
    }
    match page.open {
        Some(open) => {
            said.push((format!("Still open: {open}"), Some(format!("lockdoctor status{}", page.scope))));
        }
        None if said.is_empty() => {
            said.push(("Nothing to free: no lock is without an owner.".to_owned(), None));
        }
        None => {}
    }
    said
}

/// It was freed, and messages failed, or would have, until then.
fn was_blocking(run: &Run, attempt: &Attempt) -> bool {
    let install = run.survey.install_of(&attempt.lock);
    let freed = matches!(attempt.result, AttemptResult::Done(Outcome::Reclaimed { .. }));
    freed && effect(&attempt.lock, install).severity() > Severity::Info
}
