//! The live table: a screen of its own on the terminal, drawn anew each second and left behind as it was found.

use std::io::{Write as _, stdout};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::Print;
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{execute, queue};
use futures::StreamExt as _;
use tokio::time::{MissedTickBehavior, interval};

use super::fetch::Fetch;
use super::{EACH, read, table};
use crate::exit::Failure;

/// Shows the tables until somebody presses q or Ctrl-C, or the process is asked to end.
pub(super) async fn run(fetch: &Fetch) -> Result<(), Failure> {
    // The first answer decides whether there is anything to show; later ones may fail and come back.
    let mut shown = read(fetch).await.map(Ok)?;
    let ended = runtime::shutdown::signals()?;
    let _screen = Screen::enter()?;
    let mut keys = EventStream::new();
    let mut turns = interval(EACH);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns.tick().await;
    loop {
        draw(&match &shown {
            Ok(status) => table::text(status),
            Err(failure) => format!("{failure}"),
        })?;
        tokio::select! {
            _ = turns.tick() => shown = read(fetch).await,
            key = keys.next() => match key {
                Some(Ok(Event::Key(key))) if ends(key) => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            () = ended.cancelled() => return Ok(()),
        }
    }
}

fn ends(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind != KeyEventKind::Release && (key.code == KeyCode::Char('q') || interrupt)
}

/// In raw mode a line ends where it is told to. What does not fit is cut; it is what matters least.
fn draw(text: &str) -> std::io::Result<()> {
    // A terminal that does not know its size says zero.
    let (width, height) = match terminal::size()? {
        (0, _) | (_, 0) => (80, 24),
        size => size,
    };
    let mut out = stdout().lock();
    queue!(out, MoveTo(0, 0), Clear(ClearType::All))?;
    let hint = ["", "q ends"];
    for (row, line) in (0..height).zip(text.lines().chain(hint)) {
        let line: String = line.chars().take(usize::from(width)).collect();
        queue!(out, MoveTo(0, row), Print(line))?;
    }
    out.flush()
}

/// The terminal in our hands; dropped, it is given back.
struct Screen;

impl Screen {
    fn enter() -> Result<Self, Failure> {
        terminal::enable_raw_mode()?;
        let screen = Self;
        execute!(stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing more can be done for a terminal that went away.
        let _ = execute!(stdout(), Show, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}
