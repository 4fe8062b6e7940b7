//! Keeps an event on one line.
//!
//! Text from elsewhere (a viewer's words, a library's error, what ffmpeg says) may hold line breaks and other control
//! characters, and so could pretend to be a line of its own. JSON escapes them anyway; this does it for text.

use std::io::{self, Write};

/// A writer that gets an event with each call, and its line's end last.
#[derive(Debug)]
pub(super) struct OneLine<W> {
    /// Where lines go.
    pub(super) to: W,
    /// The formatter colours them, for which it needs a control character itself.
    pub(super) coloured: bool,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (text, end) = match event.split_last() {
            Some((b'\n', text)) => (text, "\n"),
            _ => (event, ""),
        };
        if !text.iter().any(u8::is_ascii_control) {
            return self.to.write_all(event).map(|()| event.len());
        }
        let text = String::from_utf8_lossy(text);
        let mut line = String::with_capacity(event.len() + 16);
        for (at, character) in text.char_indices() {
            if character.is_ascii_control() && !(self.coloured && is_colour(&text[at..])) {
                line.extend(character.escape_default());
            } else {
                line.push(character);
            }
        }
        line.push_str(end);
        self.to.write_all(line.as_bytes()).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// ECMA-48 section 8.3.117, which changes nothing but how text looks.
fn is_colour(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("\x1b[") else { return false };
    rest.trim_start_matches(|character: char| character.is_ascii_digit() || character == ';').starts_with('m')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing::info;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(ansi: bool, event: impl FnOnce()) -> String {
        let shared = Shared::default();
        let to = shared.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(ansi)
            .with_writer(move || OneLine { to: to.clone(), coloured: ansi })
            .finish();
        tracing::subscriber::with_default(subscriber, event);
        String::from_utf8(shared.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }

    #[test]
    fn nothing_that_is_logged_can_begin_a_line_of_its_own() {
        let evil = "a\n2026-11-26T00:00:00Z  INFO gatekeeper: all is well\r\x1b[2J\x00";
        for ansi in [false, true] {
            let text = logged(ansi, || info!(string = evil, display = %evil, debug = ?evil, "{evil}"));
            assert_eq!(text.matches('\n').count(), 1, "{text:?}");
            assert!(text.ends_with('\n') && !text.contains(['\r', '\0']), "{text:?}");
            assert!(!text.contains("\x1b[2J"), "{text:?}");
        }
    }

    #[test]
    fn an_ordinary_line_stays_as_it_is() {
        let text = logged(false, || info!(name = "lobby", "grüß Gott"));
        assert!(text.ends_with("grüß Gott name=\"lobby\"\n"), "{text:?}");
    }
}
