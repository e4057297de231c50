//! The diagram row by row, while the call goes on.

use super::canvas::{Canvas, TextStyle};
use super::{Arrow, Column, Row, RowKind, Tone};
use crate::calls::home;
use crate::capture::Packet;
use crate::message::{Described, Hints};
use crate::names::Names;
use crate::text::printable;
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Messages among which a repeated one is looked for.
const REMEMBERED: usize = 64;
/// The longest note.
const MAX_NOTE: usize = 120;

/// Prints rows as they happen, for participants that are known beforehand.
///
/// Every method gives whole lines, each with its end; nothing is printed here.
#[derive(Clone, Debug)]
pub struct LadderPrinter {
    canvas: Canvas,
    participants: Vec<String>,
    names: Names,
    begin: Option<Duration>,
    last: Duration,
    remembered: VecDeque<(SocketAddr, SocketAddr, Bytes)>,
}

impl LadderPrinter {
    /// A column for each participant, from left to right; `names` says which addresses are whose.
    pub fn new(participants: &[&str], names: Names, style: TextStyle) -> Self {
        let participants: Vec<String> = participants.iter().map(|it| printable(it.as_bytes(), 32)).collect();
        let column = |name: &String| Column {
            name: name.clone(),
            address: names.address(name).map(|it| it.to_string()).filter(|it| it != name),
        };
        let columns: Vec<Column> = participants.iter().map(column).collect();
        let canvas = Canvas::new(&columns, style);
        Self { canvas, participants, names, begin: None, last: Duration::ZERO, remembered: VecDeque::new() }
    }

    /// Names another address, as of a connection that was opened meanwhile.
    pub fn name(&mut self, address: SocketAddr, name: &str) {
        self.names.add(address, name);
    }

    /// The names above their life lines.
    pub fn header(&self) -> String {
        self.canvas.header()
    }

    /// The row of a SIP message. One that goes the same way again is marked as sent again.
    pub fn message(&mut self, packet: &Packet) -> String {
        let Packet { time, source, destination, payload, .. } = packet;
        let Some(described) = Described::read(payload) else {
            return self.note(*time, &format!("no SIP message from {}", self.names.of(*source)));
        };
        let home = home(packet, &described).filter(|_| self.names.given(*source).is_none());
        if let Some(name) = home.and_then(|it| self.names.given(it)).map(str::to_owned) {
            self.names.add(*source, &name);
        }
        let again = self.remembered.iter().any(|it| (it.0, it.1, &it.2) == (*source, *destination, payload));
        if !again {
            if self.remembered.len() >= REMEMBERED {
                self.remembered.pop_front();
            }
            self.remembered.push_back((*source, *destination, payload.clone()));
        }
        let (Some(from), Some(to)) = (self.column(*source), self.column(*destination)) else {
            let (from, to) = (self.names.of(*source), self.names.of(*destination));
            return self.note(*time, &format!("{} from {from} to {to}", described.label()));
        };
        self.print(*time, RowKind::Arrow(Arrow::of_message(&described, from, to, again, String::new())))
    }

    /// The row of audio that flows both ways between two participants.
    pub fn media(&mut self, time: Duration, from: SocketAddr, to: SocketAddr, label: &str) -> String {
        let (Some(from), Some(to)) = (self.column(from), self.column(to)) else {
            return self.note(time, label);
        };
        let label = printable(label.as_bytes(), MAX_NOTE);
        let arrow = Arrow {
            from,
            to,
            both: true,
            tone: Tone::Media,
            label,
            hints: Hints::new(),
            again: false,
            tip: String::new(),
        };
        self.print(time, RowKind::Arrow(arrow))
    }

    /// A row with something that is no message.
    pub fn note(&mut self, time: Duration, text: &str) -> String {
        let text = printable(text.as_bytes(), MAX_NOTE);
        self.print(time, RowKind::Note(text))
    }

    /// The ends of the life lines.
    pub fn footer(&self) -> String {
        self.canvas.footer()
    }

    fn print(&mut self, time: Duration, kind: RowKind) -> String {
        let begin = *self.begin.get_or_insert(time);
        let at = time.saturating_sub(begin);
        let pause = self.canvas.pause(at.saturating_sub(self.last));
        self.last = self.last.max(at);
        pause + &self.canvas.row(&Row { at, kind })
    }

    fn column(&self, address: SocketAddr) -> Option<usize> {
        let name = self.names.of(address);
        self.participants.iter().position(|it| *it == name)
    }
}
