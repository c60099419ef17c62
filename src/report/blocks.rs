//! What is told together: a chat, several chats with one cause and one remedy, or something that is no chat's. The
//! same blocks stand in `status` and `diagnose`.

use std::fmt::Write;

use anstyle::Style;
use chrono::{DateTime, Local};
use unicode_width::UnicodeWidthStr;

use super::style::{BOLD, DIM, of_severity, symbol};
use crate::answer::{Answer, Chat, ChatState, is_of_gateway, title};
use crate::diagnosis::{Code, Finding, Remedy};
use crate::verdict::severity::Severity;
use crate::words::{ago, capitalised, clock, count, printable, wrapped};

/// From so many chats on with the same cause and the same remedy they are told together.
const TOGETHER: usize = 3;
const NAMES: usize = 6;
/// Longer lines are hard to read.
pub const PROSE: usize = 100;
/// Where the text of a block begins.
pub const INDENT: usize = 5;

/// What is shown, and where.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub answer: &'a Answer,
    pub findings: &'a [Finding],
    pub now: DateTime<Local>,
    pub width: usize,
    /// Chat ids are masked.
    pub masked: bool,
}

#[derive(Debug)]
pub struct Block<'a> {
    pub severity: Severity,
    place: Place,
    pub name: String,
    pub summary: String,
    /// Without times, for a page that is read later: `Telegram 4711 (main): the gateway forgot a lock`.
    pub title: String,
    /// The chats of a group.
    pub names: Vec<&'a str>,
    /// About a chat, the first decides; of a group, the one of each chat.
    pub findings: Vec<&'a Finding>,
}

/// Among blocks of one severity: who gets no answer, then what else is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// It keeps every chat from being answered.
    Gateway,
    Chat,
    Rest,
}

/// Whether chats with one cause are told together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    ByCause,
    Apart,
}

/// What is at `warning` or above, the worst first.
pub fn serious(view: View<'_>, grouping: Grouping) -> Vec<Block<'_>> {
    let above = |severity: Severity| severity > Severity::Info;
    blocks(view, grouping, above)
}

/// What is for information.
pub fn notes(view: View<'_>) -> Vec<Block<'_>> {
    blocks(view, Grouping::ByCause, |severity| severity == Severity::Info)
}

fn blocks<'a>(view: View<'a>, grouping: Grouping, wanted: impl Fn(Severity) -> bool) -> Vec<Block<'a>> {
    let findings = view.findings;
    let others = view.answer.others.iter().map(|at| &findings[*at]);
    let others = others.filter(|finding| wanted(finding.severity));
    let mut blocks: Vec<Block<'a>> = others.map(|finding| of_finding(finding, view)).collect();
    let told = |chat: &&Chat| wanted(chat.severity) && !chat.findings.is_empty();
    let mut chats: Vec<&Chat> = view.answer.chats.iter().filter(told).collect();
    while let Some(first) = chats.first().copied() {
        let alike = chats.iter().copied().filter(|chat| cause(chat, findings) == cause(first, findings));
        let alike: Vec<&Chat> = if grouping == Grouping::ByCause { alike.collect() } else { Vec::new() };
        let together = if alike.len() >= TOGETHER { alike } else { vec![first] };
        chats.retain(|chat| !together.iter().any(|told| std::ptr::eq(*told, *chat)));
        blocks.push(of_chats(&together, view));
    }
    blocks.sort_by_key(|block| (std::cmp::Reverse(block.severity), block.place));
    blocks
}

/// What makes two chats one block: their state, the cause and the first thing to do.
fn cause<'a>(chat: &Chat, findings: &'a [Finding]) -> (ChatState, Option<(&'a str, Option<&'a Remedy>)>) {
    let finding = chat.findings.first().map(|at| &findings[*at]);
    (chat.state, finding.map(|finding| (finding.code.as_str(), finding.actions.first())))
}

fn of_finding<'a>(finding: &'a Finding, view: View<'_>) -> Block<'a> {
    Block {
        severity: finding.severity,
        place: if is_of_gateway(finding) { Place::Gateway } else { Place::Rest },
        name: capitalised(title(finding.code)),
        summary: since(finding, view),
        title: capitalised(title(finding.code)),
        names: Vec::new(),
        findings: vec![finding],
    }
}

fn of_chats<'a>(chats: &[&'a Chat], view: View<'a>) -> Block<'a> {
    let first = chats[0];
    let findings: Vec<&Finding> = first.findings.iter().map(|at| &view.findings[*at]).collect();
    if chats.len() == 1 {
        let summary = summary(first, findings[0], view);
        let name = first.name.clone();
        let title = format!("{name}: {}", title(findings[0].code)) + &failed(first.failed);
        let (severity, place, names) = (first.severity, Place::Chat, Vec::new());
        return Block { severity, place, name, summary, title, names, findings };
    }
    let summary = title(findings[0].code).to_owned() + &failed(chats.iter().map(|chat| chat.failed).sum());
    let name = count(chats.len(), "chat");
    Block {
        severity: first.severity,
        place: Place::Chat,
        title: format!("{name}: {summary}"),
        name,
        summary,
        names: chats.iter().map(|chat| chat.name.as_str()).collect(),
        findings: chats.iter().map(|chat| &view.findings[chat.findings[0]]).collect(),
    }
}

/// ` · 4 messages failed`
fn failed(number: u64) -> String {
    if number > 0 { format!(" · {} failed", messages(number)) } else { String::new() }
}

/// What the person notices, and since when.
fn summary(chat: &Chat, finding: &Finding, view: View<'_>) -> String {
    let last = finding.last_seen.map(|at| ago(at, view.now.to_utc())).unwrap_or_default();
    let since = chat.since.map(|at| format!(" since {}", clock(at, &view.now))).unwrap_or_default();
    let title = title(finding.code);
    match (chat.state, chat.failed, chat.waiting) {
        (_, 0, 1) => format!("1 message waits{since}"),
        (_, 0, 2..) => format!("{} wait{since}", messages(chat.waiting)),
        (_, 1.., _) if last.is_empty() => format!("{} failed", messages(chat.failed)),
        (_, 1, _) => format!("1 message failed, {last}"),
        (_, 2.., _) => format!("{} failed, the last {last}", messages(chat.failed)),
        (ChatState::Blocked, ..) => "the next message will fail".to_owned(),
        (ChatState::Stuck, ..) => format!("its run makes no progress{since}"),
        // It has been past its limit for less than that.
        (ChatState::Waiting, ..) if finding.code == Code::OverdueLock => match chat.since {
            Some(at) => format!("a run since {}, past its limit", clock(at, &view.now)),
            None => title.to_owned(),
        },
        (ChatState::Waiting, ..) => format!("{title}{since}"),
        (ChatState::Failing | ChatState::Unknown | ChatState::Answered, ..) => format!("{title}{since}"),
    }
}

fn messages(number: u64) -> String {
    count(number, "message")
}

fn since(finding: &Finding, view: View<'_>) -> String {
    let Some(first) = finding.first_seen else { return String::new() };
    let last = finding.last_seen.filter(|last| finding.count > 1 && *last > first);
    let last = last.map_or_else(String::new, |last| format!(", last {}", ago(last, view.now.to_utc())));
    format!("since {}{last}", clock(first, &view.now))
}

/// Writing to a String cannot fail, so the results of `write!` are dropped here.
impl Block<'_> {
    /// Those that are told at length: of a group one, for all.
    pub fn told(&self) -> &[&Finding] {
        if self.is_group() { &self.findings[..1] } else { &self.findings }
    }

    /// Whether several chats are told together.
    pub fn is_group(&self) -> bool {
        !self.names.is_empty()
    }

    /// Its first line, and the names of a group.
    pub fn heading(&self, out: &mut String, view: View<'_>) {
        let colour = of_severity(self.severity);
        let name = printable(&self.name);
        let _ = write!(out, " {colour}{}{colour:#} {BOLD}{name}{BOLD:#}", symbol(self.severity));
        if name.width() + self.summary.width() + 7 <= view.width {
            let gap = if self.summary.is_empty() { "" } else { "    " };
            let _ = writeln!(out, "{gap}{}", self.summary);
        } else {
            out.push('\n');
            prose(out, &self.summary, view.width, INDENT, Style::new());
        }
        if self.is_group() {
            let more = self.names.len().saturating_sub(NAMES);
            let mut names = self.names[..self.names.len() - more].join(", ");
            if more > 0 {
                let _ = write!(names, " and {more} more");
            }
            prose(out, &names, view.width, INDENT, DIM);
        }
    }
}

/// What to do, and the command on a line of its own, where it can be copied whole.
pub fn remedy(out: &mut String, action: &Remedy, width: usize) {
    if action.command.as_deref() != Some(&*action.text) {
        prose(out, &action.text, width, INDENT, Style::new());
    }
    if let Some(command) = &action.command {
        alone(out, command, width, INDENT + 2, BOLD);
    }
}

/// A command or a path, unbroken on a line of its own, where it can be copied; at the margin if it is long.
pub fn alone(out: &mut String, text: &str, width: usize, indent: usize, style: Style) {
    let text = printable(text);
    let indent = if indent + text.width() <= width { indent } else { 0 };
    let _ = writeln!(out, "{:indent$}{style}{text}{style:#}", "");
}

/// What a command is for, and the command behind it, or below it where both do not fit.
pub fn labelled(out: &mut String, label: &str, command: &str, width: usize) {
    if label.width() + command.width() + 2 <= width {
        let _ = writeln!(out, " {DIM}{label} {}{DIM:#}", printable(command));
    } else {
        let _ = writeln!(out, " {DIM}{label}{DIM:#}");
        alone(out, command, width, 2, DIM);
    }
}

/// A text beside `head`, which ends at column `indent`; it goes on below itself, and a word without room stands alone.
pub fn beside(out: &mut String, head: &str, indent: usize, text: &str, width: usize) {
    let room = width.min(PROSE + indent).saturating_sub(indent);
    let mut head = Some(head);
    for line in text.lines().flat_map(|line| wrapped(line, room)) {
        match head.take() {
            Some(head) if line.width() <= room => {
                let _ = writeln!(out, "{head}{line}");
                continue;
            }
            Some(head) => {
                let _ = writeln!(out, "{}", head.trim_end());
            }
            None => {}
        }
        alone(out, &line, width, indent, Style::new());
    }
}

pub fn prose(out: &mut String, text: &str, width: usize, indent: usize, style: Style) {
    let room = width.min(PROSE).saturating_sub(indent).max(20);
    for line in text.lines().flat_map(|line| wrapped(line, room)) {
        let _ = writeln!(out, "{:indent$}{style}{line}{style:#}", "");
    }
}
