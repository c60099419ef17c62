//! How the view looks: the answer on top, a row for each chat, what is chosen below, the keys last. It fits 60
//! columns, and says nothing by colour alone.

use chrono::Local;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Clear, Paragraph, Row as TableRow, Table, TableState, Wrap};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::snapshot::{Row, Snapshot};
use super::state::{Overlay, State, Text};
use crate::diagnosis::Severity;
use crate::words::{clock, count, duration, printable, wrapped};

/// Fewer lines leave room for the rows alone.
const LOW: u16 = 16;
/// From here on the table has all of its columns.
const WIDE: u16 = 96;
/// From here on it has a limit beside the age.
const MIDDLE: u16 = 76;

/// Colours, unless there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Palette {
    Colours,
    Plain,
}

impl Palette {
    /// `NO_COLOR` is honoured.
    pub(super) fn from_environment() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if plain { Self::Plain } else { Self::Colours }
    }

    fn of(self, severity: Option<Severity>) -> Style {
        let colour = match severity {
            Some(Severity::Critical) => Color::Red,
            Some(Severity::Warning) => Color::Yellow,
            Some(Severity::Info) | None => Color::Reset,
        };
        if self == Self::Plain { Style::new() } else { Style::new().fg(colour) }
    }

    fn good(self) -> Style {
        if self == Self::Plain { Style::new() } else { Style::new().fg(Color::Green) }
    }
}

const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

pub(super) fn draw(frame: &mut Frame<'_>, state: &State, palette: Palette) {
    let area = frame.area();
    let keys = Constraint::Length(1);
    let Some(snapshot) = &state.snapshot else {
        let [all, bottom] = Layout::vertical([Constraint::Fill(1), keys]).areas(area);
        frame.render_widget(Paragraph::new(" … looking at every lock once"), all);
        return draw_keys(frame, bottom, state);
    };
    let rows = state.rows();
    let chosen = rows.get(state.place(&rows)).copied();
    let acts = if area.height < LOW { 0 } else { snapshot.acts.len() as u16 };
    let detail = if area.height < LOW || chosen.is_none() { 0 } else { 5 };
    let [top, table, below, freed, bottom] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Length(detail),
        Constraint::Length(acts),
        keys,
    ])
    .areas(area);
    draw_headline(frame, top, snapshot, state, palette);
    draw_rows(frame, table, &rows, state, palette);
    if let Some(row) = chosen.filter(|_| detail > 0) {
        draw_detail(frame, below, row, palette);
    }
    draw_acts(frame, freed, snapshot, palette);
    draw_keys(frame, bottom, state);
    match &state.over {
        Overlay::None | Overlay::Filter => {}
        Overlay::Help => overlay(frame, "Keys", HELP, 0),
        Overlay::Log => {
            let room = usize::from(area.height.saturating_sub(6));
            let last = state.log.iter().skip(state.log.len().saturating_sub(room));
            let lines: Vec<&str> = last.map(|line| &**line).collect();
            let text = if lines.is_empty() { "Nothing yet.".to_owned() } else { lines.join("\n") };
            overlay(frame, "Log", &text, 0);
        }
        Overlay::Busy(what) => overlay(frame, what, "One moment …", 0),
        Overlay::Text(Text { title, text, scrolled, .. }) => overlay(frame, title, text, *scrolled),
    }
}

const HELP: &str = "\
↑ ↓ j k     choose a chat
Enter e     explain it: all the evidence
f           free its lock: shows the plan, then asks
/           filter by chat, agent or state; Esc ends it
l           what lockdoctor has logged
? h         this help
q Ctrl-C    quit; watching ends with it

✗ gets no answer   ! will not, or waits too long   · in order";

fn draw_headline(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, state: &State, palette: Palette) {
    let (sign, style) = match snapshot.severity {
        Some(Severity::Critical) => ("✗", palette.of(snapshot.severity)),
        Some(Severity::Warning) => ("!", palette.of(snapshot.severity)),
        _ if !snapshot.whole => ("?", palette.of(Some(Severity::Warning))),
        _ => ("✓", palette.good()),
    };
    let width = usize::from(area.width);
    let headline = fitted(&format!("{sign} {}", printable(&snapshot.headline)), width);
    let mut first = vec![Span::styled(headline.clone(), style.patch(BOLD))];
    let installs = snapshot.installs.join(" · ");
    if !installs.is_empty() && headline.width() + installs.width() + 4 <= width {
        first.push(Span::raw(" ".repeat(width - headline.width() - installs.width() - 1)));
        first.push(Span::styled(installs, DIM));
    }
    let does = if snapshot.frees { "frees what nobody is using" } else { "changes nothing" };
    let all: usize = snapshot.rows.len() + snapshot.omitted;
    let shown = state.rows().len();
    let number = if shown == all { count(all, "chat") } else { format!("{shown} of {}", count(all, "chat")) };
    let mut second = vec![Span::styled(format!("  {number} · {does}"), DIM)];
    if state.over == Overlay::Filter || !state.filter.is_empty() {
        second.push(Span::raw("   /"));
        second.push(Span::styled(printable(&state.filter).into_owned(), BOLD));
        second.push(Span::raw(if state.over == Overlay::Filter { "▏" } else { "" }));
    }
    frame.render_widget(Paragraph::new(vec![Line::from(first), Line::from(second)]), area);
}

fn draw_rows(frame: &mut Frame<'_>, area: Rect, rows: &[&Row], state: &State, palette: Palette) {
    if rows.is_empty() {
        let text =
            if state.filter.is_empty() { "No chat is at work, and none waits." } else { "Nothing matches." };
        frame.render_widget(Paragraph::new(format!("\n  {text}")).style(DIM), area);
        return;
    }
    let passed = state.passed();
    let age = |row: &Row| row.age.map_or_else(String::new, |age| duration(age + passed));
    let messages = |row: &Row| match (row.failed, row.waiting) {
        (0, 0) => String::new(),
        (0, waiting) => format!("{waiting} wait"),
        (failed, _) => format!("{failed} failed"),
    };
    let limit = |row: &Row| row.limit.map_or_else(String::new, duration);
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    let (head, widths): (Vec<&str>, Vec<u16>) = match area.width {
        WIDE.. => (vec!["STATE", "AGE", "LIMIT", "FAILED", "WAITING"], vec![18, 8, 8, 6, 7]),
        MIDDLE.. => (vec!["STATE", "AGE", "LIMIT", "MESSAGES"], vec![14, 8, 8, 9]),
        _ => (vec!["STATE", "AGE", "MESSAGES"], vec![12, 8, 9]),
    };
    let gaps = widths.len() as u16 + 2;
    let name = area.width.saturating_sub(widths.iter().sum::<u16>() + gaps + 1);
    let cells = |row: &Row| -> Vec<String> {
        match area.width {
            WIDE.. => {
                vec![row.state.to_owned(), age(row), limit(row), number(row.failed), number(row.waiting)]
            }
            MIDDLE.. => vec![row.state.to_owned(), age(row), limit(row), messages(row)],
            _ => vec![row.state.to_owned(), age(row), messages(row)],
        }
    };
    let table_rows = rows.iter().map(|row| {
        let mut shown =
            vec![Cell::from(sign(row.severity)), Cell::from(fitted(&row.name, usize::from(name)))];
        let cells = cells(row);
        shown.extend(
            cells
                .into_iter()
                .zip(&widths)
                .map(|(text, width)| Cell::from(fitted(&text, usize::from(*width)))),
        );
        TableRow::new(shown).style(palette.of(row.severity))
    });
    let mut constraints = vec![Constraint::Length(1), Constraint::Length(name)];
    constraints.extend(widths.iter().map(|width| Constraint::Length(*width)));
    let head = ["", "CHAT"].into_iter().chain(head).map(Cell::from);
    let table = Table::new(table_rows, constraints)
        .header(TableRow::new(head).style(DIM))
        .row_highlight_style(Modifier::REVERSED)
        .column_spacing(1);
    let mut chosen = TableState::default().with_selected(Some(state.place(rows)));
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn sign(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Critical) => "✗",
        Some(Severity::Warning) => "!",
        Some(Severity::Info) | None => "·",
    }
}

fn draw_detail(frame: &mut Frame<'_>, area: Rect, row: &Row, palette: Palette) {
    let width = usize::from(area.width).saturating_sub(4);
    let mut lines: Vec<Line<'_>> = Vec::new();
    let why = wrapped(&row.why, width);
    let room = if row.remedy.is_some() { 3 } else { 4 };
    for (at, line) in why.iter().take(room).enumerate() {
        let is_cut = at + 1 == room && why.len() > room;
        lines.push(Line::raw(format!("  {}{}", line, if is_cut { " …" } else { "" })));
    }
    if let Some(remedy) = &row.remedy {
        lines.push(Line::styled(format!("    {}", fitted(remedy, width.saturating_sub(2))), BOLD));
    }
    let title = format!(" {} ", fitted(&row.name, width.saturating_sub(2)));
    let block = Block::new().borders(Borders::TOP).title(Span::styled(title, palette.of(row.severity)));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_acts(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let now = Local::now();
    let lines = snapshot.acts.iter().map(|act| {
        let text = format!(" ✓ {}  {}", clock(act.at, &now), printable(&act.text));
        Line::styled(fitted(&text, usize::from(area.width)), palette.good())
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

fn draw_keys(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let keys = match &state.over {
        Overlay::None => " ↑↓ choose  Enter explain  f free  / filter  ? help  q quit",
        Overlay::Filter => " type to filter  Enter keep  Esc clear",
        Overlay::Text(Text { on_yes: Some(_), .. }) => " y free it  any other key: leave it",
        Overlay::Text(_) => " ↑↓ scroll  Esc back",
        Overlay::Help | Overlay::Log | Overlay::Busy(_) => " Esc back",
    };
    frame.render_widget(Paragraph::new(keys).style(DIM), area);
}

/// A box over the rows. `text` is spelt out a line at a time: it may have been another's.
fn overlay(frame: &mut Frame<'_>, title: &str, text: &str, scrolled: u16) {
    let area = frame.area();
    let area = Rect { y: 2, height: area.height.saturating_sub(3), ..area };
    let lines: Vec<Line<'_>> = text.lines().map(|line| Line::raw(printable(line).into_owned())).collect();
    let block =
        Block::new().borders(Borders::TOP | Borders::BOTTOM).title(Span::styled(format!(" {title} "), BOLD));
    let text = Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((scrolled, 0)).block(block);
    frame.render_widget(Clear, area);
    frame.render_widget(text, area);
}

/// As much of a text as fits, its end marked where it is cut.
fn fitted(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut fits = String::new();
    let mut used = 1;
    for letter in text.chars() {
        used += letter.width().unwrap_or_default();
        if used > width {
            break;
        }
        fits.push(letter);
    }
    fits.push('…');
    fits
}
