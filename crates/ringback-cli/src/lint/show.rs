//! How a deviation looks: like the message of a compiler, or as JSON.

use super::find::{Fate, Finding};
use crate::out::plain;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// So many characters of a line are shown.
const WIDTH: usize = 120;

/// The text that was looked at.
pub(super) struct Source<'a> {
    name: &'a str,
    bytes: &'a [u8],
    /// Where each line begins.
    lines: Vec<usize>,
}

/// Where something stands.
struct Place {
    /// From one.
    line: usize,
    /// In characters, from one.
    column: usize,
    /// What is shown of the line.
    text: String,
    /// Where the place begins in that, and how long it is, in characters.
    at: usize,
    length: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &'a str, bytes: &'a [u8]) -> Self {
        let behind = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        Self { name, bytes, lines: std::iter::once(0).chain(behind).collect() }
    }

    pub(super) fn json(&self, finding: &Finding) -> Value {
        let place = self.place(finding);
        json!({
            "file": self.name,
            "line": place.line,
            "column": place.column,
            "offset": finding.offset,
            "length": finding.length,
            "fate": match finding.fate {
                Fate::Accepted => "accepted",
                Fate::Unreadable => "unreadable",
                Fate::Refused => "refused",
            },
            "rule": finding.rule,
            "what": finding.what,
            "section": finding.section,
            "help": finding.help,
            "status": finding.status,
        })
    }

    pub(super) fn text(&self, finding: &Finding, colour: bool) -> String {
        let place = self.place(finding);
        let (level, paint) = match finding.fate {
            Fate::Refused => ("error", "\u{1b}[1;31m"),
            _ => ("warning", "\u{1b}[1;33m"),
        };
        let (paint, blue, bold, plain) = match colour {
            true => (paint, "\u{1b}[1;34m", "\u{1b}[1m", "\u{1b}[0m"),
            false => ("", "", "", ""),
        };
        let number = place.line.to_string();
        let gap = " ".repeat(number.len());
        let carets = "^".repeat(place.length.max(1));
        let indent = " ".repeat(place.at);
        let mut out = String::new();
        let _ = write!(
            out,
            "{paint}{level}[{}]{plain}{bold}: {}: {}{plain}\n\
             {gap}{blue}-->{plain} {}:{}:{}\n\
             {gap} {blue}|{plain}\n\
             {blue}{number} |{plain} {}\n\
             {gap} {blue}|{plain} {indent}{paint}{carets}{plain}\n",
            finding.section, finding.rule, finding.what, self.name, place.line, place.column, place.text
        );
        if let Some(help) = finding.help {
            let _ = writeln!(out, "{gap} {blue}={plain} help: {help}");
        }
        let note = match (finding.fate, finding.status) {
            (Fate::Refused, Some(status)) => Some(format!("such a request is answered with {status}")),
            (Fate::Refused, None) => Some("this is not read".to_owned()),
            (Fate::Unreadable, _) => Some("the message passes; who needs this value refuses it".to_owned()),
            (Fate::Accepted, _) => None,
        };
        if let Some(note) = note {
            let _ = writeln!(out, "{gap} {blue}={plain} note: {note}");
        }
        out
    }

    fn place(&self, finding: &Finding) -> Place {
        let offset = finding.offset.min(self.bytes.len());
        let index = self.lines.partition_point(|start| *start <= offset) - 1;
        let start = self.lines[index];
        let next = self.lines.get(index + 1).copied().unwrap_or(self.bytes.len());
        let line = &self.bytes[start..next];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // What steers a terminal is one sign each, so that the carets stand where they should.
        let shown = |bytes: &[u8]| plain(&String::from_utf8_lossy(bytes)).chars().collect::<Vec<char>>();
        let at = (offset - start).min(line.len());
        let end = (at + finding.length).min(line.len());
        let (before, inside, behind) = (shown(&line[..at]), shown(&line[at..end]), shown(&line[end..]));
        let column = before.len() + 1;
        // Of a long line, what is around the place.
        let skipped = before.len().saturating_sub(WIDTH / 2);
        let inside: Vec<char> = inside.into_iter().take(WIDTH / 2).collect();
        let mut text: String = if skipped > 0 { "…".to_owned() } else { String::new() };
        let shift = text.chars().count();
        text.extend(&before[skipped..]);
        text.extend(&inside);
        let room = WIDTH.saturating_sub(text.chars().count());
        text.extend(behind.iter().take(room));
        if behind.len() > room {
            text.push('…');
        }
        Place { line: index + 1, column, text, at: before.len() - skipped + shift, length: inside.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(offset: usize, length: usize) -> Finding {
        Finding {
            offset,
            length,
            rule: "rule",
            what: "what",
            section: "RFC",
            help: Some("help"),
            fate: Fate::Accepted,
            status: None,
        }
    }

    #[test]
    fn carets_stand_under_the_place() {
        let source = Source::new("f", "one\r\ntwö three\r\n".as_bytes());
        let text = source.text(&finding(10, 5), false);
        assert_eq!(
            text,
            "warning[RFC]: rule: what\n --> f:2:5\n  |\n2 | twö three\n  |     ^^^^^\n  = help: help\n"
        );
    }

    #[test]
    fn long_lines_are_cut_and_what_steers_a_terminal_is_not_shown() {
        let line = format!("\u{1b}[2J{}x{}", "a".repeat(5_000), "b".repeat(5_000));
        let source = Source::new("f", line.as_bytes());
        let text = source.text(&finding(5_004, 1), false);
        assert!(text.lines().all(|line| line.chars().count() < 140), "{text}");
        let rows: Vec<&str> = text.lines().collect();
        let caret = rows[4].chars().position(|c| c == '^').unwrap();
        assert_eq!(rows[3].chars().nth(caret), Some('x'), "{text}");
        assert!(!source.text(&finding(0, 1), false).contains('\u{1b}'));
    }

    #[test]
    fn what_is_missing_at_the_end_has_a_place() {
        for bytes in [&b""[..], b"a", b"a\r\n"] {
            let text = Source::new("f", bytes).text(&finding(99, 3), false);
            assert!(text.contains('^'), "{text}");
        }
    }
}
