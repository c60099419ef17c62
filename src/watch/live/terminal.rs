//! The terminal: taken over, drawn on, and given back however the view ends.

use std::io::{Stdout, stdin, stdout};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::Shared;
use super::commands::Commands;
use super::keys::{self, Wish};
use super::screen::{self, Palette};
use super::state::{Overlay, State};
use crate::watch::log::Recent;

/// How long the view waits for a key before it looks for news.
const TICK: Duration = Duration::from_millis(100);
/// Ages go on.
const SECOND: Duration = Duration::from_secs(1);

/// While it lives the terminal is ours.
#[derive(Debug)]
pub(super) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    pub(super) fn enter() -> std::io::Result<Self> {
        enable_raw_mode()?;
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            hook(panic);
        }));
        let entered = execute!(stdout(), EnterAlternateScreen, Hide)
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        if entered.is_err() {
            give_back();
        }
        entered.map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// What fails here fails on a terminal that is gone.
fn give_back() {
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// Until a key is pressed, for [`TICK`] at most. Of a terminal that has hung up it is an error; crossterm would read it
/// for ever.
fn wait_for_key() -> rustix::io::Result<()> {
    let stdin = stdin();
    let mut terminal = [PollFd::new(&stdin, PollFlags::IN)];
    let tick = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as i64 };
    match rustix::event::poll(&mut terminal, Some(&tick)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error),
    }
    let [terminal] = terminal;
    let is_gone = terminal.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
    if is_gone { Err(Errno::IO) } else { Ok(()) }
}

/// Draws and listens until the person quits, the daemon ends, or the terminal is gone.
pub(super) fn run(mut screen: Screen, shared: &Shared, commands: Commands, log: &Recent) {
    let mut state = State::new();
    let palette = Palette::from_environment();
    let mut drawn: Option<Instant> = None;
    while !shared.is_over() {
        let mut news = drawn.is_none_or(|at| at.elapsed() >= SECOND);
        if let Some(snapshot) = shared.take() {
            state.take(snapshot);
            news = true;
        }
        if let Some(answered) = commands.answered() {
            state.answered(answered);
            news = true;
        }
        if news {
            if state.over == Overlay::Log {
                state.log = log.lines();
            }
            if screen.0.draw(|frame| screen::draw(frame, &state, palette)).is_err() {
                return;
            }
            drawn = Some(Instant::now());
        }
        if wait_for_key().is_err() {
            return;
        }
        let event = match event::poll(Duration::ZERO) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        // Whatever it was, the picture may have to change.
        drawn = None;
        match event {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                match keys::pressed(&mut state, key) {
                    Wish::Nothing => {}
                    Wish::Quit => return,
                    Wish::Run(ask) => {
                        let width = screen.0.size().map_or(80, |size| size.width);
                        commands.run(ask, width.saturating_sub(4));
                    }
                }
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}
