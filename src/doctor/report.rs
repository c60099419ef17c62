//! The findings of doctor for people, and as JSON.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{CHECKS, Examined, Finding, Level};
use crate::report::blocks::{alone, beside};
use crate::report::style::{BOLD, DIM};
use crate::words::{count, rfc3339, wrapped};

const NAME_WIDTH: usize = 14;

fn mark(level: Level) -> (Style, &'static str) {
    let (colour, mark) = match level {
        Level::Good => (AnsiColor::Green, "[✓]"),
        Level::Note => (AnsiColor::Cyan, "[-]"),
        Level::Warning => (AnsiColor::Yellow, "[!]"),
        Level::Failure => (AnsiColor::Red, "[✗]"),
    };
    (colour.on_default(), mark)
}

/// Whether lockdoctor sees and acts here; then one line a finding, its remedy below it.
///
/// Writing to a String cannot fail, so the results of `write!` are dropped in this module.
pub fn for_people(examined: &[Examined], ran: Ran, width: usize) -> String {
    let mut out = String::new();
    for line in wrapped(&verdict(examined, ran), width) {
        let _ = writeln!(out, "{BOLD}{line}{BOLD:#}");
    }
    out.push('\n');
    for each in examined {
        for finding in &each.findings {
            let _ = write!(out, "{}", lines(each.check.name, finding, width));
        }
    }
    out
}

/// Which checks were run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    All,
    Some,
}

/// Does it see and act here? A few checks cannot tell.
fn verdict(examined: &[Examined], ran: Ran) -> String {
    let number = |level| examined.iter().filter(|each| each.level() == level).count();
    let (failures, warnings) = (number(Level::Failure), number(Level::Warning));
    match (failures, warnings) {
        (0, 0) if ran == Ran::Some => "What was checked is in order.".to_owned(),
        (0, 0) => "lockdoctor sees every lock and can act here.".to_owned(),
        (0, _) => format!("lockdoctor works here, with limits: {}.", count(warnings, "warning")),
        (_, 0) => format!("lockdoctor cannot do its work here yet: {}.", count(failures, "problem")),
        _ => format!(
            "lockdoctor cannot do its work here yet: {}, {}.",
            count(failures, "problem"),
            count(warnings, "warning")
        ),
    }
}

fn lines(name: &str, finding: &Finding, width: usize) -> String {
    let (style, mark) = mark(finding.level);
    let indent = NAME_WIDTH + 5;
    let mut out = String::new();
    let head = format!("{style}{mark}{style:#} {name:<NAME_WIDTH$} ");
    beside(&mut out, &head, indent, &finding.text, width);
    // Paths and lines of a crontab stay whole.
    for detail in &finding.details {
        alone(&mut out, detail, width, indent, DIM);
    }
    if let Some(remedy) = &finding.remedy {
        beside(&mut out, &format!("{:indent$}→ ", ""), indent + 2, &remedy.text, width);
        for command in &remedy.commands {
            alone(&mut out, command, width, indent + 2, Style::new());
        }
    }
    out
}

/// The names and what they look at, for `--list`.
pub fn list() -> String {
    CHECKS.iter().fold(String::new(), |mut out, check| {
        let _ = writeln!(out, "{:<NAME_WIDTH$} {}", check.name, check.about);
        out
    })
}

pub const SCHEMA: &str = "lockdoctor/doctor/v1";

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    schema: &'static str,
    #[cfg_attr(test, schemars(with = "chrono::DateTime<chrono::Utc>"))]
    generated_at: String,
    /// Those that have something to say.
    checks: Vec<Check<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Check<'a> {
    name: &'static str,
    about: &'static str,
    /// The worst of its findings.
    level: Level,
    findings: &'a [Finding],
}

pub fn document(examined: &[Examined], now: DateTime<Utc>) -> Document<'_> {
    let checks = examined.iter().map(|each| Check {
        name: each.check.name,
        about: each.check.about,
        level: each.level(),
        findings: &each.findings,
    });
    Document { schema: SCHEMA, generated_at: rfc3339(now), checks: checks.collect() }
}
