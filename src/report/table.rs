//! The scan for people: grouped by install, problems first, one line for the healthy.

use std::cmp::Reverse;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use tabled::builder::Builder;
use tabled::settings::Padding;
use unicode_width::UnicodeWidthStr;

use crate::answer::Name;
use crate::openclaw::lock_kind::LockKind;
use crate::openclaw::version::Era;
use crate::redact::Redactor;
use crate::report::blocks::{alone, prose};
use crate::report::holders;
use crate::report::lock_words::{effect, owner, why};
use crate::report::status::text::installed;
use crate::report::style::{BOLD, DIM, of_severity};
use crate::survey::claims::SurveyedLease;
use crate::survey::{Survey, SurveyedLock, SurveyedRoot};
use crate::verdict::severity::{Effect, Severity};
use crate::verdict::{Reason, Verdict};
use crate::words::{self, count, duration};

/// Whether healthy locks get lines of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    SickOnly,
    All,
}

/// The colour of a verdict; its word always stands beside it.
pub fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Stale | Verdict::Leaked | Verdict::StuckGuard => AnsiColor::Red,
        Verdict::Overdue | Verdict::Refused | Verdict::Foreign | Verdict::Indeterminate => AnsiColor::Yellow,
        Verdict::Settling | Verdict::Initialising => AnsiColor::Cyan,
        Verdict::Held | Verdict::Freed => AnsiColor::Green,
    };
    colour.on_default()
}

/// A symbol that says the same as the colour.
pub fn symbol(verdict: Verdict) -> char {
    match verdict {
        Verdict::Stale | Verdict::Leaked | Verdict::StuckGuard => '✗',
        Verdict::Overdue | Verdict::Refused => '!',
        Verdict::Foreign | Verdict::Indeterminate => '?',
        Verdict::Settling | Verdict::Initialising => '…',
        Verdict::Held | Verdict::Freed => '✓',
    }
}

/// What a summary may count without showing the lock.
fn is_healthy(row: &Row<'_>) -> bool {
    let healthy = [Verdict::Held, Verdict::Freed, Verdict::Initialising, Verdict::Settling];
    let in_order = healthy.contains(&row.lock.judgement.verdict) && row.severity <= Some(Severity::Info);
    in_order || is_at_rest(row.lock)
}

/// A coordinator that nobody has lies there for ever and means nothing.
fn is_at_rest(lock: &SurveyedLock) -> bool {
    lock.kind == LockKind::Coordinator && lock.judgement.verdict == Verdict::Indeterminate
}

/// What is shown, and how.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    pub survey: &'a Survey,
    /// What each lock does to people, in their order.
    pub effects: &'a [Effect],
    pub severities: &'a [Option<Severity>],
    pub redaction: Redactor,
    pub listing: Listing,
    /// Reason codes beside the words.
    pub verbose: bool,
    pub width: usize,
}

/// A lock with what it does.
#[derive(Clone, Copy)]
struct Row<'a> {
    lock: &'a SurveyedLock,
    effect: Effect,
    severity: Option<Severity>,
}

/// Writing to a String cannot fail, so the results of `write!` are dropped in this module.
pub fn scan(page: Page<'_>) -> String {
    let mut out = String::new();
    let survey = page.survey;
    let judged = survey.locks.iter().zip(page.effects.iter().zip(page.severities));
    let rows: Vec<Row<'_>> =
        judged.map(|(lock, (effect, severity))| Row { lock, effect: *effect, severity: *severity }).collect();
    for (index, root) in survey.roots.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        heading(&mut out, root, page.width);
        let of_root = rows.iter().copied().filter(|row| row.lock.root == index);
        let (mut shown, mut healthy): (Vec<Row<'_>>, Vec<Row<'_>>) =
            of_root.partition(|row| page.listing == Listing::All || !is_healthy(row));
        shown.sort_by_cached_key(|row| {
            (Reverse(row.severity), row.effect, row.lock.agent.clone(), Reverse(row.lock.evidence.age))
        });
        healthy.retain(|row| !is_at_rest(row.lock));
        if !shown.is_empty() {
            out.push('\n');
            list(&mut out, &shown, root, page);
        }
        let leases = leases(survey, index, page.listing, page.width);
        // Of an install that has no lock files none are missed.
        let of_sqlite = root.install.as_ref().is_some_and(|install| install.era == Era::Sqlite);
        match (healthy.len() + shown.len(), leases.is_empty()) {
            (0, true) if of_sqlite => out.push_str("  No lease in the database.\n"),
            (0, false) if of_sqlite => {}
            _ => out.push_str(&summary(&healthy, shown.len())),
        }
        out.push_str(&leases);
        let workings = survey.workings.iter().filter(|(of, _)| *of == index);
        workings
            .for_each(|(_, workings)| out.push_str(&holders::lines(workings, survey.now.wall, page.width)));
    }
    out
}

/// Rows of the databases: those that need attention at length, the others counted.
fn leases(survey: &Survey, root: usize, listing: Listing, width: usize) -> String {
    let mut out = String::new();
    let (shown, quiet): (Vec<_>, Vec<_>) = survey
        .leases
        .iter()
        .filter(|lease| lease.root == root)
        .partition(|lease| listing == Listing::All || lease.needs_attention());
    for lease in &shown {
        let (colour, sign) = lease_style(lease);
        let explanation = &lease.explanation;
        let _ = writeln!(out, "  {colour}{sign} {}{colour:#}", explanation.state);
        alone(&mut out, &lease.path, width, 4, DIM);
        let advice = explanation.advice.iter().filter(|_| lease.needs_attention());
        for sentence in explanation.because.iter().chain([&explanation.openclaw]).chain(advice) {
            for line in words::wrapped(sentence, width.saturating_sub(4)) {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    if !quiet.is_empty() {
        let mut verdicts: Vec<&str> = quiet.iter().map(|lease| lease.verdict.verdict.as_str()).collect();
        verdicts.sort_unstable();
        let counts: Vec<String> =
            verdicts.chunk_by(|a, b| a == b).map(|same| format!("{} {}", same.len(), same[0])).collect();
        let _ = writeln!(out, "  ✓ {} in the database: {}.", count(quiet.len(), "lease"), counts.join(", "));
    }
    out
}

/// Colour and symbol of a lease. One that keeps nobody out is quiet, whatever its verdict.
pub fn lease_style(lease: &SurveyedLease) -> (Style, char) {
    use crate::leases::Verdict::{Foreign, Held, Indeterminate, Overdue, Stale};
    let (colour, sign) = match lease.verdict.verdict {
        _ if lease.needs_attention() => (AnsiColor::Red, '✗'),
        Foreign | Indeterminate => (AnsiColor::Yellow, '?'),
        Held | Overdue | Stale => (AnsiColor::Green, '✓'),
    };
    (colour.on_default(), sign)
}

fn heading(out: &mut String, root: &SurveyedRoot, width: usize) {
    let path = words::path(&root.path);
    let _ = write!(out, "{BOLD}{path}{BOLD:#}");
    if let Some(install) = &root.install {
        let text = installed(install);
        let fits = path.width() + text.width() + 2 <= width;
        let _ = write!(out, "{}{DIM}{text}{DIM:#}", if fits { "  " } else { "\n  " });
    }
    out.push('\n');
}

/// A line of facts for each lock, and below it whose it is and where it lies, so that paths can be copied.
fn list(out: &mut String, rows: &[Row<'_>], root: &SurveyedRoot, page: Page<'_>) {
    let mut builder = Builder::default();
    let heads = ["EFFECT", "VERDICT", "OWNER", "AGE"];
    builder.push_record(heads.map(|head| format!("{DIM}{head}{DIM:#}")));
    for row in rows {
        let verdict = row.lock.judgement.verdict;
        let (colour, sign) = mark(row);
        builder.push_record([
            format!("{colour}{sign} {}{colour:#}", effect(verdict, row.effect)),
            verdict.as_str().to_owned(),
            owner(&row.lock.evidence),
            row.lock.evidence.age.map_or_else(|| "-".to_owned(), duration),
        ]);
    }
    let mut table = builder.build();
    table.with(tabled::settings::Style::empty()).with(Padding::new(1, 1, 0, 0));
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let fits = lines.iter().all(|line| plain_width(line) <= page.width);
    if fits {
        let _ = writeln!(out, "{}", lines[0]);
    }
    for (at, row) in rows.iter().enumerate() {
        if fits {
            let _ = writeln!(out, "{}", lines[at + 1]);
        } else {
            in_lines(out, row, page.width);
        }
        naming(out, row.lock, root, page);
    }
}

/// The same where a table does not fit.
fn in_lines(out: &mut String, row: &Row<'_>, width: usize) {
    let verdict = row.lock.judgement.verdict;
    let (colour, sign) = mark(row);
    let _ = writeln!(out, " {colour}{sign} {}{colour:#} ({})", effect(verdict, row.effect), verdict.as_str());
    let age = row.lock.evidence.age.map_or_else(String::new, |age| format!(", {} old", duration(age)));
    prose(out, &format!("{}{age}", owner(&row.lock.evidence)), width, 3, Style::new());
}

/// Colour and symbol of what it does to people; of one in order, of its verdict.
fn mark(row: &Row<'_>) -> (Style, char) {
    match row.severity {
        Some(severity) => (of_severity(severity), super::style::symbol(severity)),
        None => (style(row.lock.judgement.verdict), symbol(row.lock.judgement.verdict)),
    }
}

/// Without our styling, which takes no room.
fn plain_width(line: &str) -> usize {
    anstream::adapter::strip_str(line).to_string().width()
}

/// Whose it is, why, where it lies, and what is worth a sentence.
fn naming(out: &mut String, lock: &SurveyedLock, root: &SurveyedRoot, page: Page<'_>) {
    let key = lock.session_key.as_deref().map(|key| Name::of_key(&page.redaction.key(key)).with_agent());
    let name = key.map_or_else(String::new, |name| format!("{name}: "));
    prose(out, &format!("{name}{}", why(&lock.judgement)), page.width, 3, Style::new());
    let path = lock.path();
    alone(out, &path.strip_prefix(&root.path).unwrap_or(&path).to_string_lossy(), page.width, 3, DIM);
    let limit = lock.evidence.limit.as_ref().filter(|_| lock.judgement.verdict == Verdict::Overdue);
    let limit = limit.map(|limit| format!("limit {}: {}", duration(limit.after), limit.source));
    let reasons: Vec<&str> = lock.judgement.reasons.iter().copied().map(Reason::as_str).collect();
    let codes = (page.verbose && !reasons.is_empty()).then(|| format!("reasons: {}", reasons.join(", ")));
    let rule = page.verbose.then(|| format!("rule: {}", lock.judgement.rule.as_str()));
    let note = lock.note().map(std::borrow::Cow::into_owned);
    for sentence in limit.into_iter().chain(note).chain(codes).chain(rule) {
        prose(out, &sentence, page.width, 3, DIM);
    }
}

fn summary(healthy: &[Row<'_>], shown: usize) -> String {
    match (healthy.len(), shown) {
        (0, 0) => return "  No locks.\n".to_owned(),
        (0, _) => return String::new(),
        _ => {}
    }
    let mut verdicts: Vec<Verdict> = healthy.iter().map(|row| row.lock.judgement.verdict).collect();
    verdicts.sort_unstable();
    let counts: Vec<String> = verdicts
        .chunk_by(|a, b| a == b)
        .map(|same| format!("{} {}", same.len(), effect(same[0], Effect::Untidy)))
        .collect();
    let other = if shown > 0 { "other lock" } else { "lock" };
    let green = AnsiColor::Green.on_default();
    format!(" {green}✓{green:#} {}: {}.\n", count(healthy.len(), other), counts.join(", "))
}
