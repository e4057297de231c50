//! The terminal, taken over and given back: at the end, after an error, and in a panic.

use crate::outcome::Failure;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use ratatui::DefaultTerminal;
use std::io::{IsTerminal as _, stdin, stdout};
use std::ops::{Deref, DerefMut};
use std::panic;

/// The terminal as long as the phone has it.
pub(crate) struct Terminal(DefaultTerminal);

/// Says what to do where there is no terminal.
pub(crate) fn check() -> Result<(), Failure> {
    if stdin().is_terminal() && stdout().is_terminal() {
        return Ok(());
    }
    let text = "the phone needs a terminal; in scripts use `ringback call`, `answer` and `message`";
    Err(Failure::Usage(text.to_owned()))
}

impl Terminal {
    /// Takes it over.
    pub(crate) fn open() -> Result<Self, Failure> {
        // This also has panics restore the terminal before they are told.
        let terminal = ratatui::try_init()
            .map_err(|error| Failure::Failed(format!("cannot draw on this terminal: {error}")))?;
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let _ = execute!(stdout(), DisableBracketedPaste);
            told(panic);
        }));
        // Terminals that do not know it send pasted text as keys.
        let _ = execute!(stdout(), EnableBracketedPaste);
        Ok(Self(terminal))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = execute!(stdout(), DisableBracketedPaste);
        ratatui::restore();
    }
}

impl Deref for Terminal {
    type Target = DefaultTerminal;

    fn deref(&self) -> &DefaultTerminal {
        &self.0
    }
}

impl DerefMut for Terminal {
    fn deref_mut(&mut self) -> &mut DefaultTerminal {
        &mut self.0
    }
}
