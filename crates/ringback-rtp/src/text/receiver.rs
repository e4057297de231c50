//! The receiving half of a text conversation: in order, once, and with marks for what is missing (RFC 4103 §5.4).

use super::{BEGIN, ERASE, LINE_END, MISSING};
use crate::SequenceNumber;
use crate::red::Redundant;

/// Characters that may wait to be read; what comes beyond is dropped, and marked as missing.
const MAX_WAITING: usize = 16_384;
/// A gap of more packets than this is no loss, but a stream that begins anew.
const MAX_GAP: i16 = 100;

/// Puts together what comes in packets.
#[derive(Clone, Debug, Default)]
pub struct TextReceiver {
    last: Option<SequenceNumber>,
    waiting: String,
    /// How many marks were put in.
    missing: u64,
    escape: Escape,
    /// The last character was a carriage return, so that a line feed behind it ends no other line.
    is_returned: bool,
}

/// Where in a sequence of control we are: formats of letters (T.140 §8.4), which are not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// Behind an escape: one character more.
    One,
    /// In a control sequence, up to its final letter.
    Sequence,
}

impl TextReceiver {
    /// A receiver that has heard nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the payload of T.140 alone.
    pub fn receive(&mut self, sequence: SequenceNumber, payload: &[u8]) {
        self.place(sequence, payload, |_| None);
    }

    /// Takes a payload with earlier ones.
    pub fn receive_redundant(&mut self, sequence: SequenceNumber, redundant: &Redundant<'_>) {
        let count = redundant.repeated().count();
        self.place(sequence, redundant.payload, |back| {
            let at = count.checked_sub(back)?;
            redundant.repeated().nth(at).map(|block| block.payload)
        });
    }

    /// Another source, or one that begins anew: what comes next follows nothing.
    pub fn reset(&mut self) {
        self.last = None;
        self.escape = Escape::None;
    }

    /// All that has come since the last call; empty when nothing has.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.waiting)
    }

    /// How often text was missing.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// `repeated` gives what the packet repeats of the one so many before it.
    fn place<'a>(
        &mut self,
        sequence: SequenceNumber,
        payload: &'a [u8],
        repeated: impl Fn(usize) -> Option<&'a [u8]>,
    ) {
        let distance = self.last.map_or(1, |last| sequence.distance_from(last));
        if (-MAX_GAP..=0).contains(&distance) {
            // It is here already, by itself or by what others repeat of it.
            return;
        }
        // Before the first packet there may have been others, whose text this one repeats.
        let lost = match self.last {
            Some(_) if (1..=MAX_GAP).contains(&distance) => usize::from(distance.unsigned_abs()) - 1,
            Some(_) => 0,
            None => usize::MAX,
        };
        let found = (1..=lost).take_while(|back| repeated(*back).is_some()).count();
        if found < lost && self.last.is_some() {
            self.mark();
        }
        for back in (1..=found).rev() {
            self.hear(repeated(back).unwrap_or_default());
        }
        self.hear(payload);
        self.last = Some(sequence);
    }

    fn mark(&mut self) {
        self.missing += 1;
        self.show(MISSING);
    }

    fn hear(&mut self, block: &[u8]) {
        // What is no UTF-8 is missing as well.
        for character in String::from_utf8_lossy(block).chars() {
            match (self.escape, character) {
                (Escape::None, '\u{1b}') => self.escape = Escape::One,
                (Escape::None, '\u{9b}') => self.escape = Escape::Sequence,
                (Escape::None, it) => self.heard(it),
                (Escape::One, '[') => self.escape = Escape::Sequence,
                (Escape::One, _) => self.escape = Escape::None,
                (Escape::Sequence, '0'..='?' | ' '..='/') => {}
                (Escape::Sequence, _) => self.escape = Escape::None,
            }
        }
    }

    fn heard(&mut self, character: char) {
        let was_returned = std::mem::replace(&mut self.is_returned, character == '\r');
        match character {
            '\n' if was_returned => {}
            '\r' | '\n' | LINE_END | '\u{2029}' => self.show('\n'),
            BEGIN => {}
            ERASE => self.show(ERASE),
            it if it.is_control() => {}
            it => self.show(it),
        }
    }

    fn show(&mut self, character: char) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push(character);
        } else if !self.waiting.ends_with(MISSING) {
            self.missing += 1;
            self.waiting.push(MISSING);
        }
    }
}
