//! The view as it looks, and what its keys do, without a terminal.

use std::path::PathBuf;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::commands::{Answered, Ask};
use super::keys::{Wish, pressed};
use super::screen::{Palette, draw};
use super::snapshot::{Row, Snapshot};
use super::state::{Overlay, State};
use crate::diagnosis::Severity;

const MINUTE: u64 = 60;

fn row(name: &str, state: &'static str, severity: Option<Severity>, minutes: u64) -> Row {
    let lock = PathBuf::from(format!("/srv/claw/agents/main/sessions/{name}.jsonl.lock"));
    Row {
        name: name.to_owned(),
        state,
        severity,
        age: Some(Duration::from_secs(minutes * MINUTE)),
        limit: Some(Duration::from_secs(13 * MINUTE)),
        why: "A live run holds it.".to_owned(),
        what: Some(lock.to_string_lossy().into_owned()),
        lock: Some(lock),
        ..Row::default()
    }
}

fn three() -> Snapshot {
    let leaked = Row {
        failed: 4,
        is_free: true,
        why: "The gateway (pid 24031) still runs but has forgotten this lock; messages to this chat fail until it \
              is freed. It has already failed 4 messages."
            .to_owned(),
        remedy: Some("lockdoctor reclaim --yes".to_owned()),
        ..row("Telegram 12345678 (main)", "no answer", Some(Severity::Critical), 17)
    };
    let overdue = Row {
        waiting: 2,
        remedy: Some("openclaw gateway restart".to_owned()),
        ..row("WhatsApp group 120363111122223333 (sales)", "waiting", Some(Severity::Warning), 95)
    };
    Snapshot {
        headline: "1 chat gets no answer · 1 chat waits".to_owned(),
        severity: Some(Severity::Critical),
        whole: true,
        installs: vec!["OpenClaw 2026.3.13, gateway up 3h 12m".to_owned()],
        rows: vec![leaked, overdue, row("main chat (neo)", "in use", None, 1)],
        ..Snapshot::default()
    }
}

fn showing(snapshot: Snapshot) -> State {
    let mut state = State::new();
    state.take(snapshot);
    state
}

fn screen(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(frame, state, Palette::Plain)).expect("a picture");
    terminal.backend().to_string()
}

fn press(state: &mut State, code: KeyCode) -> Wish {
    pressed(state, KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn it_fits_every_width() {
    for width in [60, 100, 200] {
        insta::assert_snapshot!(format!("three-{width}"), screen(&showing(three()), width, 20));
    }
}

#[test]
fn it_survives_every_size() {
    let mut state = showing(three());
    for over in [Overlay::None, Overlay::Help, Overlay::Log, Overlay::Filter] {
        state.over = over;
        for (width, height) in [(1, 1), (3, 2), (20, 5), (59, 9), (400, 100)] {
            screen(&state, width, height);
        }
    }
    screen(&State::new(), 60, 20);
}

#[test]
fn health_is_said_and_three_hundred_locks_can_be_walked_through() {
    let well = Snapshot { headline: "Every chat is answered".to_owned(), whole: true, ..Snapshot::default() };
    let shown = screen(&showing(well), 60, 16);
    assert!(shown.contains("✓ Every chat is answered") && shown.contains("No chat is at work"), "{shown}");

    let rows = (0..300).map(|at| row(&format!("chat {at:03}"), "in use", None, 300 - at)).collect();
    let mut state = showing(Snapshot { rows, whole: true, ..Snapshot::default() });
    assert!(screen(&state, 60, 20).contains("chat 000"));
    press(&mut state, KeyCode::End);
    let shown = screen(&state, 60, 20);
    assert!(shown.contains("chat 299") && !shown.contains("chat 000"), "{shown}");
    press(&mut state, KeyCode::Char('/'));
    for letter in "chat 123".chars() {
        press(&mut state, KeyCode::Char(letter));
    }
    let shown = screen(&state, 60, 20);
    assert!(shown.contains("1 of 300 chats") && shown.contains("chat 123"), "{shown}");
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.rows().len(), 300);
}

#[test]
fn what_is_blind_does_not_look_well() {
    let blind = Snapshot { headline: "Cannot tell".to_owned(), ..Snapshot::default() };
    assert!(screen(&showing(blind), 60, 16).contains("? Cannot tell"));
}

#[test]
fn hostile_names_are_spelt_out() {
    let mut snapshot = three();
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}gnp.exe\r\n";
    snapshot.headline = evil.to_owned();
    snapshot.rows[0].name = crate::words::printable(evil).into_owned();
    snapshot.rows[0].why = evil.to_owned();
    let mut state = showing(snapshot);
    state.log = vec![evil.to_owned()];
    for over in [Overlay::None, Overlay::Log] {
        state.over = over;
        let shown = screen(&state, 100, 20);
        let strange = |c: char| c != '\n' && !crate::door::can_be_seen(c);
        assert!(!shown.contains(strange), "{shown:?}");
        assert!(shown.contains("\\u{1b}[2J"), "{shown}");
    }
}

#[test]
fn a_lock_is_freed_only_after_its_plan_and_a_yes() {
    let mut state = showing(three());
    let lock = state.rows()[0].lock.clone().expect("a lock");
    assert_eq!(press(&mut state, KeyCode::Char('f')), Wish::Run(Ask::Plan(lock.clone())));
    // Keys that come before the plan free nothing.
    assert_eq!(press(&mut state, KeyCode::Char('y')), Wish::Nothing);
    assert_eq!(press(&mut state, KeyCode::Char('f')), Wish::Run(Ask::Plan(lock.clone())));
    state.answered(Answered { to: Ask::Plan(lock.clone()), text: "would free it".to_owned() });
    let shown = screen(&state, 80, 20);
    assert!(shown.contains("Free this lock?") && shown.contains("y free it"), "{shown}");
    assert_eq!(press(&mut state, KeyCode::Down), Wish::Nothing);
    assert_eq!(press(&mut state, KeyCode::Char('y')), Wish::Run(Ask::Free(lock)));

    // A live run's lock is not even asked about.
    let mut state = showing(three());
    press(&mut state, KeyCode::Down);
    assert_eq!(press(&mut state, KeyCode::Char('f')), Wish::Nothing);
    assert!(screen(&state, 80, 20).contains("openclaw gateway restart"));
    assert_eq!(press(&mut state, KeyCode::Char('y')), Wish::Nothing);
}

#[test]
fn the_choice_stays_with_its_chat_when_the_order_changes() {
    let mut state = showing(three());
    press(&mut state, KeyCode::Down);
    let mut turned = three();
    turned.rows.reverse();
    state.take(turned);
    assert!(state.chosen().expect("a row").name.starts_with("WhatsApp"));
    let explained = press(&mut state, KeyCode::Enter);
    assert!(matches!(explained, Wish::Run(Ask::Explain(what)) if what.contains("WhatsApp")));
    assert_eq!(press(&mut state, KeyCode::Esc), Wish::Nothing);
    assert_eq!(press(&mut state, KeyCode::Char('q')), Wish::Quit);
}
