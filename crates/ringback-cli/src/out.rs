//! What goes to standard output: text for people, or one JSON object a line.

use serde_json::{Map, Value};
use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Instant;

/// Writes one line to standard output. Who closed it does not want to hear any more, so errors are dropped.
pub(crate) fn line(text: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Writes one line to standard error.
pub(crate) fn complain(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "ringback: {text}");
}

/// Text that came from a peer, with what could steer a terminal made visible.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Tells what happens, in the way that was asked for.
#[derive(Clone, Copy)]
pub(crate) struct Reporter {
    json: bool,
    begun: Instant,
}

impl Reporter {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, begun: Instant::now() }
    }

    /// Tells one event: `text` for people, or `name` with its fields and the seconds since the start.
    pub(crate) fn tell<const N: usize>(&self, name: &str, fields: [(&str, Value); N], text: impl Display) {
        if !self.json {
            return line(text);
        }
        let mut object = Map::new();
        object.insert("event".into(), name.into());
        let at = (self.begun.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        object.insert("at".into(), at.into());
        object.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        line(Value::Object(object));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_47_what_steers_a_terminal_is_made_visible() {
        assert_eq!(plain("Bob\u{1b}[2J\r\n\u{202e}x"), "Bob\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}x");
    }
}
