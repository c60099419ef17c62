//! What a key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::commands::Ask;
use super::snapshot::Row;
use super::state::{Overlay, State, Text};

/// Lines of one page.
const PAGE: i16 = 10;

/// What the view is to do that it cannot do by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Quit,
    Run(Ask),
}

pub(super) fn pressed(state: &mut State, key: KeyEvent) -> Wish {
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return Wish::Quit;
    }
    match &mut state.over {
        Overlay::None => in_rows(state, key.code),
        Overlay::Filter => {
            match key.code {
                KeyCode::Char(letter) => state.filter.push(letter),
                KeyCode::Backspace => drop(state.filter.pop()),
                KeyCode::Esc => {
                    state.filter.clear();
                    state.over = Overlay::None;
                }
                KeyCode::Enter | KeyCode::Down => state.over = Overlay::None,
                _ => {}
            }
            Wish::Nothing
        }
        Overlay::Text(text) => match (key.code, text.on_yes.take()) {
            (KeyCode::Char('y' | 'Y'), Some(ask)) => {
                state.over = Overlay::Busy("Checking twice, then freeing");
                Wish::Run(ask)
            }
            (code, on_yes) => {
                text.on_yes = on_yes;
                match scrolled(code) {
                    Some(by) => text.scrolled = text.scrolled.saturating_add_signed(by),
                    None => state.over = Overlay::None,
                }
                Wish::Nothing
            }
        },
        Overlay::Help | Overlay::Log | Overlay::Busy(_) => {
            state.over = Overlay::None;
            Wish::Nothing
        }
    }
}

fn scrolled(code: KeyCode) -> Option<i16> {
    Some(match code {
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::PageDown | KeyCode::Char(' ') => PAGE,
        KeyCode::PageUp => -PAGE,
        _ => return None,
    })
}

fn in_rows(state: &mut State, code: KeyCode) -> Wish {
    match code {
        KeyCode::Char('q') => return Wish::Quit,
        KeyCode::Esc if state.filter.is_empty() => {}
        KeyCode::Esc => state.filter.clear(),
        KeyCode::Char('/') => state.over = Overlay::Filter,
        KeyCode::Char('?' | 'h') => state.over = Overlay::Help,
        KeyCode::Char('l') => state.over = Overlay::Log,
        KeyCode::Home | KeyCode::Char('g') => state.step(isize::MIN),
        KeyCode::End | KeyCode::Char('G') => state.step(isize::MAX),
        KeyCode::Enter | KeyCode::Char('e') => {
            if let Some(row) = state.chosen() {
                return explain(state, row);
            }
        }
        KeyCode::Char('f') => {
            if let Some(row) = state.chosen() {
                return free(state, row);
            }
        }
        code => state.step(scrolled(code).unwrap_or_default().into()),
    }
    Wish::Nothing
}

fn explain(state: &mut State, row: Row) -> Wish {
    if let Some(what) = row.what {
        state.over = Overlay::Busy("Looking");
        return Wish::Run(Ask::Explain(what));
    }
    let remedy = row.remedy.map_or_else(String::new, |remedy| format!("\n\n{remedy}"));
    state.over = said("Why", format!("{}: {}\n\n{}{remedy}", row.name, row.state, row.why));
    Wish::Nothing
}

/// The plan first; only a lock that nobody has is asked about at all.
fn free(state: &mut State, row: Row) -> Wish {
    match row.lock {
        Some(lock) if row.is_free => {
            state.over = Overlay::Busy("Looking");
            Wish::Run(Ask::Plan(lock))
        }
        Some(_) => {
            let instead = row.remedy.map_or_else(String::new, |remedy| format!("\n\nInstead:\n  {remedy}"));
            state.over = said("Not free", format!("{}{instead}", row.why));
            Wish::Nothing
        }
        None => {
            state.over =
                said("No lock", "No lock is in the way of this one. Press Enter to see why.".to_owned());
            Wish::Nothing
        }
    }
}

fn said(title: &'static str, text: String) -> Overlay {
    Overlay::Text(Text { title, text, scrolled: 0, on_yes: None })
}
