//! The scan for people: grouped by install, the sick first, one line for the healthy.

use std::cmp::Reverse;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use tabled::builder::Builder;
use tabled::settings::Padding;

use crate::install::Install;
use crate::install::gateway::{Gateway, GatewayState};
use crate::openclaw::lock_kind::LockKind;
use crate::openclaw::version::Era;
use crate::redact::Redactor;
use crate::report::lock_words::owner;
use crate::survey::claims::SurveyedLease;
use crate::survey::{Survey, SurveyedLock, SurveyedRoot};
use crate::verdict::{Reason, Verdict};
use crate::words::{self, count, duration, printable};

/// Whether healthy locks get lines of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    SickOnly,
    All,
}

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();

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
fn is_healthy(lock: &SurveyedLock) -> bool {
    let healthy = [Verdict::Held, Verdict::Freed, Verdict::Initialising, Verdict::Settling];
    healthy.contains(&lock.judgement.verdict) || is_at_rest(lock)
}

/// A coordinator that nobody has lies there for ever and means nothing.
fn is_at_rest(lock: &SurveyedLock) -> bool {
    lock.kind == LockKind::Coordinator && lock.judgement.verdict == Verdict::Indeterminate
}

/// Writing to a String cannot fail, so the results of `write!` are dropped in this module.
pub fn scan(survey: &Survey, redaction: Redactor, listing: Listing, width: usize) -> String {
    let mut out = String::new();
    for (index, root) in survey.roots.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", heading(root));
        let locks: Vec<&SurveyedLock> = survey.locks.iter().filter(|lock| lock.root == index).collect();
        let (shown, mut healthy) = split(&locks, listing);
        healthy.retain(|lock| !is_at_rest(lock));
        if !shown.is_empty() {
            let _ = writeln!(out, "\n{}", table(&shown, root, redaction, width));
        }
        out.push_str(&summary(&healthy, shown.len(), listing));
        out.push_str(&leases(survey, index, listing, width));
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
        let _ = writeln!(out, "    {DIM}{}{DIM:#}", lease.path);
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

fn split<'a>(locks: &[&'a SurveyedLock], listing: Listing) -> (Vec<&'a SurveyedLock>, Vec<&'a SurveyedLock>) {
    let (mut shown, healthy): (Vec<_>, Vec<_>) =
        locks.iter().copied().partition(|lock| listing == Listing::All || !is_healthy(lock));
    let worst = |agent: &Option<String>| shown_worst(locks, agent.as_deref());
    shown.sort_by_cached_key(|lock| {
        let verdict = lock.judgement.verdict;
        (Reverse(worst(&lock.agent)), lock.agent.clone(), Reverse(verdict), Reverse(lock.evidence.age))
    });
    (shown, healthy)
}

fn shown_worst(locks: &[&SurveyedLock], agent: Option<&str>) -> Option<Verdict> {
    locks.iter().filter(|lock| lock.agent.as_deref() == agent).map(|lock| lock.judgement.verdict).max()
}

fn heading(root: &SurveyedRoot) -> String {
    let path = format!("{BOLD}{}{BOLD:#}", words::path(&root.path));
    match &root.install {
        Some(install) => format!("{path}  {DIM}{} · {}{DIM:#}", openclaw(install), gateway(&install.gateway)),
        None => path,
    }
}

fn openclaw(install: &Install) -> String {
    match (&install.version, install.era) {
        (Some(version), _) => format!("OpenClaw {version}"),
        (None, Era::Sqlite) => "OpenClaw 2026.8.1 or later".to_owned(),
        (None, Era::File) => "OpenClaw, version unknown".to_owned(),
        (None, Era::Unknown) => "nothing that tells the version of OpenClaw".to_owned(),
    }
}

fn gateway(gateway: &Gateway) -> String {
    let state = match gateway.state {
        GatewayState::Running => "gateway running",
        GatewayState::Starting => "gateway starting",
        GatewayState::Down => "gateway down",
        GatewayState::Unknown => return format!("gateway unknown: {}", gateway.how),
    };
    match (gateway.pid, gateway.up) {
        (Some(pid), Some(up)) => format!("{state} (pid {pid}, up {})", duration(up)),
        (Some(pid), None) => format!("{state} (pid {pid})"),
        _ => state.to_owned(),
    }
}

/// A line of facts for each lock, and below it what names the lock: short lines, so that nothing wraps in a
/// narrow terminal and paths can be copied.
fn table(locks: &[&SurveyedLock], root: &SurveyedRoot, redaction: Redactor, width: usize) -> String {
    let mut builder = Builder::default();
    builder.push_record(["VERDICT", "OWNER", "AGE", "WHY"].map(|head| format!("{DIM}{head}{DIM:#}")));
    for lock in locks {
        let verdict = lock.judgement.verdict;
        let colour = style(verdict);
        builder.push_record([
            format!("{colour}{} {}{colour:#}", symbol(verdict), verdict.as_str()),
            owner(&lock.evidence),
            lock.evidence.age.map_or_else(|| "-".to_owned(), duration),
            why(lock),
        ]);
    }
    let mut table = builder.build();
    table.with(tabled::settings::Style::empty()).with(Padding::new(2, 0, 0, 0));
    let text = table.to_string();
    let mut rows = text.lines();
    let mut out = rows.next().unwrap_or_default().trim_end().to_owned();
    for (row, lock) in rows.zip(locks) {
        let _ = write!(out, "\n{}", row.trim_end());
        for line in naming(lock, root, redaction, width) {
            let _ = write!(out, "\n    {line}");
        }
    }
    out
}

/// The session's key, the lock's path within the install, and what is worth a sentence.
fn naming(lock: &SurveyedLock, root: &SurveyedRoot, redaction: Redactor, width: usize) -> Vec<String> {
    let path = lock.path();
    let relative = words::path(path.strip_prefix(&root.path).unwrap_or(&path));
    let key = |key: &String| printable(&redaction.key(key)).into_owned();
    let mut lines: Vec<String> = lock.session_key.iter().map(key).collect();
    lines.push(format!("{DIM}{relative}{DIM:#}"));
    let limit = lock.evidence.limit.as_ref().filter(|_| lock.judgement.verdict == Verdict::Overdue);
    let limit = limit.map(|limit| format!("limit {}: {}", duration(limit.after), limit.source));
    for sentence in limit.into_iter().chain(lock.note().map(|note| note.into_owned())) {
        lines.extend(words::wrapped(&sentence, width.saturating_sub(4)));
    }
    lines
}

fn why(lock: &SurveyedLock) -> String {
    let judgement = &lock.judgement;
    let reasons: Vec<&str> = judgement.reasons.iter().copied().map(Reason::as_str).collect();
    match (reasons.is_empty(), judgement.verdict) {
        (false, _) => reasons.join(", "),
        (true, Verdict::Overdue) => "past its limit".to_owned(),
        (true, _) => super::lock_words::in_short(judgement.rule).to_owned(),
    }
}

fn summary(healthy: &[&SurveyedLock], shown: usize, listing: Listing) -> String {
    if healthy.is_empty() && shown == 0 {
        return "  No locks.\n".to_owned();
    }
    if listing == Listing::All || healthy.is_empty() {
        return String::new();
    }
    let mut verdicts: Vec<Verdict> = healthy.iter().map(|lock| lock.judgement.verdict).collect();
    verdicts.sort_unstable();
    let counts: Vec<String> =
        verdicts.chunk_by(|a, b| a == b).map(|same| format!("{} {}", same.len(), same[0].as_str())).collect();
    let other = if shown > 0 { "other lock" } else { "lock" };
    let green = AnsiColor::Green.on_default();
    format!("  {green}✓{green:#} {}: {}.\n", count(healthy.len(), other), counts.join(", "))
}
