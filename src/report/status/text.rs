//! The answer for people: who gets no answer first, the cause next, then the command to type.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::answer::{Answer, BlindSpot};
use crate::install::Install;
use crate::install::gateway::GatewayState::{Down, Running, Starting, Unknown};
use crate::openclaw::version::Era;
use crate::report::blocks::{Grouping, INDENT, PROSE, View, alone, labelled, prose, remedy, serious};
use crate::report::style::{BOLD, DIM};
use crate::survey::SurveyedRoot;
use crate::verdict::severity::Severity;
use crate::words::{count, duration, path, wrapped};

/// So many blocks, and the rest in a line: what is not on the screen is not read.
const BLOCKS: usize = 8;
const NAMES: usize = 6;

/// Writing to a String cannot fail, so the results of `write!` are dropped in this module. `scope`: the options that
/// select what is looked at, as they were typed.
pub fn page(view: View<'_>, roots: &[SurveyedRoot], scope: &str) -> String {
    let mut out = String::new();
    headline(&mut out, view, roots);
    let blocks = serious(view, Grouping::ByCause);
    let mut rest = String::new();
    let mut explained = "";
    for block in blocks.iter().take(BLOCKS) {
        block.heading(&mut rest, view);
        let finding = block.findings[0];
        // What is said of one of many names its lock and its owner; of many the title says enough.
        if !block.is_group() && finding.explanation != explained {
            prose(&mut rest, &finding.explanation, view.width, INDENT, Style::new());
            explained = &finding.explanation;
        }
        if let Some(action) = finding.actions.first() {
            remedy(&mut rest, action, view.width);
        }
    }
    if blocks.len() > BLOCKS {
        let _ = writeln!(rest, " · and {} more", blocks.len() - BLOCKS);
    }
    unnamed(&mut rest, view, scope);
    leftovers(&mut rest, view);
    for spot in &view.answer.blind_spots {
        blind_spot(&mut rest, spot, view.width);
    }
    if !blocks.is_empty() || view.answer.leftovers.locks > 0 {
        footer(&mut rest, view, scope);
    }
    if !rest.is_empty() {
        let _ = write!(out, "\n{rest}");
    }
    out
}

/// The answer in a line, and to the right of it, or below, whose it is.
pub fn headline(out: &mut String, view: View<'_>, roots: &[SurveyedRoot]) {
    let answer = view.answer;
    let (style, sign) = sign(answer, is_down(roots));
    let named: Vec<(&SurveyedRoot, String)> =
        roots.iter().filter_map(|root| Some((root, installed(root.install.as_ref()?)))).collect();
    let beside = match &named[..] {
        [(_, text)] if answer.headline.width() + text.width() + 8 <= view.width => Some(text),
        _ => None,
    };
    for (at, line) in wrapped(&answer.headline, view.width.saturating_sub(2)).iter().enumerate() {
        let _ = write!(out, "{style}{} {line}{style:#}", if at == 0 { sign } else { ' ' });
        if let Some(text) = beside {
            let gap = view.width.min(PROSE + 20).saturating_sub(line.width() + 2 + text.width()).max(4);
            let _ = write!(out, "{:gap$}{DIM}{text}{DIM:#}", "");
        }
        out.push('\n');
    }
    if beside.is_none() {
        for (root, text) in &named {
            let which = if named.len() > 1 { format!("{}  ", path(&root.path)) } else { String::new() };
            let _ = writeln!(out, "  {DIM}{which}{text}{DIM:#}");
        }
    }
}

/// Nobody is answered where no gateway runs, whether or not one is meant to.
fn is_down(roots: &[SurveyedRoot]) -> bool {
    let mut installs = roots.iter().filter_map(|root| root.install.as_ref()).peekable();
    installs.peek().is_some() && installs.all(|install| install.gateway.state == Down)
}

fn sign(answer: &Answer, is_down: bool) -> (Style, char) {
    let (colour, sign) = match answer.severity {
        Some(Severity::Critical) => (AnsiColor::Red, '✗'),
        Some(Severity::Warning) => (AnsiColor::Yellow, '!'),
        _ if answer.is_blind() => (AnsiColor::Yellow, '?'),
        _ if is_down => (AnsiColor::Yellow, '·'),
        _ => (AnsiColor::Green, '✓'),
    };
    (colour.on_default().bold(), sign)
}

/// `OpenClaw 2026.3.13, gateway up 3h 12m`
pub fn installed(install: &Install) -> String {
    let version = match (&install.version, install.era) {
        (Some(version), _) => format!("OpenClaw {version}"),
        (None, Era::Sqlite) => "OpenClaw 2026.8.1 or later".to_owned(),
        (None, Era::File | Era::Unknown) => "OpenClaw, version unknown".to_owned(),
    };
    match (install.gateway.state, install.gateway.up) {
        (Running, Some(up)) => format!("{version}, gateway up {}", duration(up)),
        (Running, None) => format!("{version}, gateway running"),
        (Starting, _) => format!("{version}, gateway starting"),
        (Down, _) => format!("{version}, gateway down"),
        (Unknown, _) => format!("{version}, gateway not visible"),
    }
}

/// Locks that no finding tells of: a link in a lock's place, say.
pub fn unnamed(out: &mut String, view: View<'_>, scope: &str) {
    let number = view.answer.unnamed_locks.len();
    if number > 0 {
        point(out, '!', &format!("{} to look at:", count(number, "lock")), view.width);
        alone(out, &format!("lockdoctor scan{scope}"), view.width, INDENT + 2, BOLD);
    }
}

fn leftovers(out: &mut String, view: View<'_>) {
    let leftovers = &view.answer.leftovers;
    if leftovers.locks == 0 {
        return;
    }
    let whose = match &leftovers.agents[..] {
        [] => String::new(),
        agents if agents.len() <= NAMES => format!(" ({})", agents.join(", ")),
        agents => format!(" ({} agents)", agents.len()),
    };
    let them = if leftovers.locks == 1 { "it" } else { "them" };
    let locks = count(leftovers.locks, "leftover lock");
    point(out, '·', &format!("{locks}{whose}: harmless, OpenClaw removes {them} itself"), view.width);
}

/// What could not be seen, and the command that shows more.
pub fn blind_spot(out: &mut String, spot: &BlindSpot, width: usize) {
    point(out, '?', &spot.text, width);
    if let Some(command) = &spot.command {
        alone(out, command, width, INDENT + 2, BOLD);
    }
}

fn point(out: &mut String, sign: char, text: &str, width: usize) {
    for (at, line) in wrapped(text, width.min(PROSE).saturating_sub(3)).iter().enumerate() {
        let _ = writeln!(out, " {} {line}", if at == 0 { sign } else { ' ' });
    }
}

fn footer(out: &mut String, view: View<'_>, scope: &str) {
    let (details, share) = (format!("lockdoctor diagnose{scope}"), format!("lockdoctor report{scope}"));
    if details.width() + share.width() + 20 <= view.width {
        let _ = writeln!(out, " {DIM}details: {details} · share: {share}{DIM:#}");
    } else {
        labelled(out, "details:", &details, view.width);
        labelled(out, "share:", &share, view.width);
    }
    mask_hint(out, view);
}

/// How to see whose chats they are, where they are masked.
pub fn mask_hint(out: &mut String, view: View<'_>) {
    let keys = view.answer.chats.iter().filter_map(|chat| chat.session_key.as_deref());
    if view.masked && keys.into_iter().any(|key| key.contains('…')) {
        let _ = writeln!(out, " {DIM}Chat ids are masked here; --no-redact shows them.{DIM:#}");
    }
}
