//! What a reclaim planned or did, for people and for programs.

use std::collections::HashMap;
use std::fmt::Write;

use anstyle::Style;
use serde::Serialize;
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr;

use super::blocks::{PROSE, alone, beside, prose};
use super::json::{Lock, lock};
use super::lock_words::{self, why};
use super::reclaimed_lease::{self, ReclaimedLease};
use super::style::{BOLD, DIM};
use super::table::style;
use crate::answer::Name;
use crate::examination::facts::effect;
use crate::reclaim::Outcome;
use crate::reclaim::leases::run::LeaseAttempt;
use crate::reclaim::run::{Attempt, AttemptResult, Run};
use crate::redact::Redactor;
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
    /// With --leases: the rows of dead gateways that keep every other one out.
    leases: Vec<ReclaimedLease>,
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

pub fn document(run: &Run, leases: &[LeaseAttempt], redaction: Redactor) -> Document {
    let mut summary = Map::from_iter([("total".to_owned(), json!(run.attempts.len()))]);
    summary.extend(RESULTS.map(|result| (result.to_owned(), json!(run.count(result)))));
    Document {
        schema: RECLAIM_SCHEMA,
        generated_at: rfc3339(run.survey.now.wall),
        locks: locks(run, redaction).collect(),
        leases: reclaimed_lease::leases(leases),
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
        let (result, reasons, path) = (attempt.result.as_str(), reasons(attempt), attempt.lock.path());
        let _ = writeln!(out, "{result}\t{verdict}\t{reasons}\t{}", words::path(&path));
    }
    out
}

/// Nothing at all where there was nothing to do: made for timers and cron mail.
pub fn in_short(run: &Run, page: Page<'_>) -> String {
    let mut out = String::new();
    let of = |result: &str| run.attempts.iter().filter(|attempt| attempt.result.as_str() == result).collect();
    let (planned, freed): (Vec<&Attempt>, Vec<&Attempt>) = (of("planned"), of("reclaimed"));
    if !planned.is_empty() {
        let _ = writeln!(out, "lockdoctor: would free {}", counted(&planned, page));
    }
    if !freed.is_empty() {
        let again = send_again(run);
        let _ = writeln!(out, "lockdoctor: freed {}.{again}", counted(&freed, page));
    }
    // That somebody else was faster is no news.
    for attempt in &run.attempts {
        if let Some(error) = error(attempt) {
            let _ = writeln!(out, "lockdoctor: not freed: {}: {}", name(attempt, page), printable(&error));
        }
    }
    if let Some(open) = page.open {
        let _ = writeln!(out, "lockdoctor: still open: {open}");
    }
    out
}

/// `2 locks: main chat (neo), Telegram 4711 (main)`
fn counted(attempts: &[&Attempt], page: Page<'_>) -> String {
    format!("{}: {}", count(attempts.len(), "lock"), printable(&names(attempts, page)))
}

fn names(attempts: &[&Attempt], page: Page<'_>) -> String {
    let mut names: Vec<String> = attempts.iter().take(NAMES).map(|attempt| name(attempt, page)).collect();
    names.extend((attempts.len() > NAMES).then(|| format!("and {} more", attempts.len() - NAMES)));
    names.join(", ")
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

fn reasons(attempt: &Attempt) -> String {
    let words: Vec<&str> = attempt.lock.judgement.reasons.iter().copied().map(Reason::as_str).collect();
    words.join(",")
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

/// From so many locks on that were freed for the same reason they are told together.
const TOGETHER: usize = 3;
const NAMES: usize = 6;
/// Where the names begin.
const COLUMN: usize = 11;

/// What came of attempts that ended together: a line a lock, and one for locks that are alike.
pub fn attempts(run: &Run, attempts: &[Attempt], page: Page<'_>) -> String {
    // Of locks that were freed for one reason the names are all there is to say.
    let mut alike: HashMap<&str, Vec<&Attempt>> = HashMap::new();
    for attempt in attempts.iter().filter(|attempt| is_freed(attempt)) {
        alike.entry(why(&attempt.lock.judgement)).or_default().push(attempt);
    }
    alike.retain(|_, attempts| attempts.len() >= TOGETHER);
    let mut out = String::new();
    for attempt in attempts {
        match alike.get(why(&attempt.lock.judgement)).filter(|_| is_freed(attempt)) {
            None => one(&mut out, run, attempt, page),
            Some(alike) if std::ptr::eq(alike[0], attempt) => together(&mut out, alike, page),
            Some(_) => {}
        }
    }
    out
}

fn is_freed(attempt: &Attempt) -> bool {
    matches!(attempt.result, AttemptResult::Done(Outcome::Reclaimed { .. }))
}

fn together(out: &mut String, alike: &[&Attempt], page: Page<'_>) {
    let (word, colour) = word(alike[0]);
    let locks = count(alike.len(), "lock");
    let _ = writeln!(
        out,
        "{colour}{word:<10}{colour:#} {BOLD}{locks}{BOLD:#}, each: {}",
        why(&alike[0].lock.judgement)
    );
    prose(out, &names(alike, page), page.width, COLUMN, DIM);
}

/// What it all comes to, below the attempts.
pub fn in_the_end(run: &Run, page: Page<'_>) -> String {
    let mut out = String::new();
    for (sentence, command) in conclusion(run, page) {
        let Some(command) = command else {
            prose(&mut out, &sentence, page.width, 0, Style::new());
            continue;
        };
        if sentence.width() + 1 + command.width() <= page.width.min(PROSE) {
            let _ = writeln!(out, "{} {BOLD}{}{BOLD:#}", printable(&sentence), printable(&command));
        } else {
            prose(&mut out, &sentence, page.width, 0, Style::new());
            alone(&mut out, &command, page.width, 2, BOLD);
        }
    }
    out
}

fn one(out: &mut String, run: &Run, attempt: &Attempt, page: Page<'_>) {
    let lock = &attempt.lock;
    let (word, colour) = word(attempt);
    let (name, why) = (name(attempt, page), why(&lock.judgement));
    let (text, path, note) = match &attempt.result {
        AttemptResult::Planned => {
            let effect =
                lock_words::effect(lock.judgement.verdict, effect(lock, run.survey.install_of(lock)));
            let age = lock.evidence.age.map_or_else(String::new, |age| format!(", {} old", duration(age)));
            (format!("{why}{age} ({effect})"), Some(lock.path()), None)
        }
        AttemptResult::Done(Outcome::Reclaimed { .. }) => (why.to_owned(), None, None),
        AttemptResult::Done(Outcome::Vanished) => {
            ("somebody released or removed it in the meantime".to_owned(), None, None)
        }
        AttemptResult::Done(Outcome::Changed) => {
            ("it is another lock now, and in use; left alone".to_owned(), None, None)
        }
        AttemptResult::Done(Outcome::Failed(failure)) | AttemptResult::Obstructed(failure) => {
            (why.to_owned(), Some(lock.path()), Some(failure.to_string()))
        }
    };
    let head = format!("{colour}{word:<10}{colour:#} ");
    beside(out, &head, COLUMN, &format!("{name}: {text}"), page.width);
    if let Some(path) = path {
        alone(out, &path.to_string_lossy(), page.width, COLUMN, DIM);
    }
    if let Some(note) = note {
        prose(out, &note, page.width, COLUMN, Style::new());
    }
}

/// What came of it, in a word, and its colour.
fn word(attempt: &Attempt) -> (&'static str, Style) {
    match &attempt.result {
        AttemptResult::Planned => ("would free", style(attempt.lock.judgement.verdict)),
        AttemptResult::Done(Outcome::Reclaimed { .. }) => ("freed", style(Verdict::Held)),
        AttemptResult::Done(Outcome::Vanished) => ("gone", style(Verdict::Held)),
        AttemptResult::Done(Outcome::Changed) => ("in use", style(Verdict::Settling)),
        AttemptResult::Obstructed(_) => ("cannot", style(Verdict::Stale)),
        AttemptResult::Done(Outcome::Failed(_)) => ("not freed", style(Verdict::Stale)),
    }
}

fn name(attempt: &Attempt, page: Page<'_>) -> String {
    let lock = &attempt.lock;
    match (&lock.session_key, &lock.agent) {
        (Some(key), _) => Name::of_key(&page.redaction.key(key)).with_agent(),
        (None, Some(agent)) => format!("{} ({agent})", lock.name.to_string_lossy()),
        (None, None) => lock.name.to_string_lossy().into_owned(),
    }
}

/// Sentences, each with the command that comes next.
fn conclusion(run: &Run, page: Page<'_>) -> Vec<(String, Option<String>)> {
    let again = format!("{}{}", page.scope, page.options);
    let (planned, failed, freed) = (run.count("planned"), run.count("failed"), run.count("reclaimed"));
    let is_obstructed = |attempt: &Attempt| matches!(attempt.result, AttemptResult::Obstructed(_));
    let mut said = Vec::new();
    if planned > 0 {
        let them = if planned == 1 { "it" } else { "them" };
        let text = format!("{} would be freed; nothing was changed. To free {them}:", count(planned, "lock"));
        said.push((text, Some(format!("lockdoctor reclaim{again} --yes"))));
    }
    if run.attempts.iter().any(is_obstructed) {
        said.push((format!("{} cannot be freed, for the reason given.", count(failed, "lock")), None));
    } else if failed > 0 {
        said.push((format!("{} not freed, for the reason given.", count(failed, "lock")), None));
    }
    if freed > 0 {
        said.push((format!("{} freed.{}", count(freed, "lock"), send_again(run)), None));
        let roots = run.survey.roots.iter().filter(|_| !page.scope.is_empty());
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
            let text = format!("Still open: {open}. Details:");
            said.push((text, Some(format!("lockdoctor status{}", page.scope))));
        }
        None if said.is_empty() => {
            said.push(("Nothing to free: no lock is without an owner.".to_owned(), None));
        }
        None => {}
    }
    said
}

/// Where a chat was without an answer.
fn send_again(run: &Run) -> &'static str {
    let blocked = run.attempts.iter().any(|attempt| was_blocking(run, attempt));
    if blocked { " Send the failed messages again: OpenClaw does not retry them." } else { "" }
}

/// It was freed, and messages failed, or would have, until then.
fn was_blocking(run: &Run, attempt: &Attempt) -> bool {
    let install = run.survey.install_of(&attempt.lock);
    is_freed(attempt) && effect(&attempt.lock, install).severity() > Severity::Info
}
