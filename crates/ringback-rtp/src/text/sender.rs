//! The sending half of a text conversation (RFC 4103 §3 to §6).

use super::{BEGIN, ERASE, LINE_END};
use crate::PayloadType;
use crate::red::{Block, MAX_OFFSET, MAX_REPEATED_LEN, Redundant};
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// How long what is typed is gathered (RFC 4103 §5.1).
const GATHERED: Duration = Duration::from_millis(300);
/// How often each piece of text is repeated (RFC 4103 §4.2).
const REPEATED: usize = 2;
/// Characters that may wait: what is pasted goes at the pace that the peer reads.
const MAX_WAITING: usize = 8_192;
/// Of ten characters a second that the peer takes nine are the pace, and the tenth is what may go at once, so that no ten seconds have
/// more than allowed.
const PACE: f64 = 0.9;

/// More text waits than anybody types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuchText;

impl fmt::Display for TooMuchText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MAX_WAITING} characters of text wait to be sent")
    }
}

impl std::error::Error for TooMuchText {}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutgoingText<'a> {
    /// When its text was sent, in ticks of [`TEXT_CLOCK`](super::TEXT_CLOCK) behind the first time of the stream.
    pub ticks: u32,
    /// Whether it is the first after a pause.
    pub marker: bool,
    /// What it is.
    pub payload_type: PayloadType,
    /// The payload.
    pub payload: &'a [u8],
}

/// Turns what is typed into payloads. It reads no clock and sends nothing by itself.
#[derive(Clone, Debug)]
pub struct TextSender {
    text: PayloadType,
    red: Option<PayloadType>,
    /// Characters a second that the peer takes.
    pace: f64,
    begin: Instant,
    waiting: VecDeque<char>,
    /// What may go at once, in characters, and since when.
    credit: f64,
    credited: Instant,
    /// What was sent last, and is repeated: the latest last.
    sent: VecDeque<(u32, String)>,
    /// Packets that are due still for the repetitions.
    owed: usize,
    due: Option<Instant>,
    is_idle: bool,
    payload: Vec<u8>,
}

impl TextSender {
    /// A conversation that begins now: its beginning is said at once. `text` is the number of T.140, `red` that of its redundancy, where the
    /// peer takes it; `most` is how many characters a second it takes (`cps`; 30 where it says nothing).
    pub fn new(now: Instant, text: PayloadType, red: Option<PayloadType>, most: u32) -> Self {
        let pace = f64::from(most.clamp(1, 10_000));
        Self {
            text,
            red,
            pace,
            begin: now,
            waiting: VecDeque::from([BEGIN]),
            credit: pace,
            credited: now,
            sent: VecDeque::new(),
            owed: 0,
            due: Some(now),
            is_idle: true,
            payload: Vec::new(),
        }
    }

    /// Goes on by other numbers, as after another offer and answer.
    pub fn renumber(&mut self, text: PayloadType, red: Option<PayloadType>, most: u32) {
        (self.text, self.red) = (text, red);
        self.pace = f64::from(most.clamp(1, 10_000));
    }

    /// Sends text, as soon as the pace of the peer allows. Control characters are dropped but for [`ERASE`] and the ends of lines.
    ///
    /// # Errors
    /// [`TooMuchText`] when more waits than anybody types; nothing of it is sent then.
    pub fn push(&mut self, now: Instant, text: &str) -> Result<(), TooMuchText> {
        if self.waiting.len() + text.len() > MAX_WAITING {
            return Err(TooMuchText);
        }
        let sayable = |it: char| match it {
            '\n' => Some(LINE_END),
            ERASE => Some(it),
            it => Some(it).filter(|it| !it.is_control()),
        };
        self.waiting.extend(text.chars().filter_map(sayable));
        if !self.waiting.is_empty() {
            // The first character after a pause goes at once; those behind it are gathered (RFC 4103 §5.1).
            self.due.get_or_insert(now);
        }
        Ok(())
    }

    /// Whether all that was typed has gone, and was repeated as often as it is to be.
    pub fn is_idle(&self) -> bool {
        self.due.is_none()
    }

    /// When to call [`poll`](Self::poll).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The packet that is due, if one is.
    pub fn poll(&mut self, now: Instant) -> Option<OutgoingText<'_>> {
        if self.due.is_none_or(|due| now < due) {
            return None;
        }
        let ticks = now.saturating_duration_since(self.begin).as_millis() as u32;
        let text = self.take(now);
        if text.is_empty() && self.owed == 0 {
            // What waits has to wait for the pace.
            self.due = (!self.waiting.is_empty()).then(|| now + GATHERED);
            self.is_idle |= self.due.is_none();
            return None;
        }
        self.owed = match (text.is_empty(), self.red) {
            (true, _) => self.owed - 1,
            (false, Some(_)) => REPEATED,
            (false, None) => 0,
        };
        self.due = (self.owed > 0 || !self.waiting.is_empty()).then(|| now + GATHERED);
        let marker = std::mem::replace(&mut self.is_idle, self.due.is_none());
        self.payload.clear();
        let payload_type = match self.red {
            Some(red) => {
                // In a row without a gap, so that their places tell their numbers (RFC 4103 §4.2).
                let is_near = |(at, _): &&(u32, String)| ticks.wrapping_sub(*at) <= MAX_OFFSET;
                let near = self.sent.iter().rev().take_while(is_near).count();
                let repeated = self.sent.iter().skip(self.sent.len() - near).map(|(at, text)| Block {
                    payload_type: self.text,
                    offset: ticks.wrapping_sub(*at),
                    payload: text.as_bytes(),
                });
                let repeated: Vec<Block<'_>> = repeated.collect();
                Redundant::write(&repeated, self.text, text.as_bytes(), &mut self.payload);
                red
            }
            None => {
                self.payload.extend(text.as_bytes());
                self.text
            }
        };
        self.sent.push_back((ticks, text));
        if self.sent.len() > REPEATED {
            self.sent.pop_front();
        }
        Some(OutgoingText { ticks, marker, payload_type, payload: &self.payload })
    }

    /// What may go now of what waits.
    fn take(&mut self, now: Instant) -> String {
        let passed = now.saturating_duration_since(self.credited).as_secs_f64();
        self.credited = self.credited.max(now);
        self.credit = (self.credit + passed * self.pace * PACE).min(self.pace);
        // A character has four octets at most, and a block that is to be repeated 1,023.
        let count = (self.credit as usize).min(self.waiting.len()).min(MAX_REPEATED_LEN / 4);
        self.credit -= count as f64;
        self.waiting.drain(..count).collect()
    }
}
