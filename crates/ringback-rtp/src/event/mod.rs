//! Telephone events: DTMF digits as RTP payload (RFC 4733).

mod receiver;
mod sender;

pub use receiver::{EventReceiver, EventReport};
pub use sender::{EventPacket, EventSender, TooManyEvents};

use std::fmt;

/// An event code (RFC 4733 §3.2, table 3): 0 to 15 are the DTMF digits, 16 is a hook flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event(pub u8);

impl Event {
    /// Hook flash.
    pub const FLASH: Self = Self(16);

    /// The event of a key: `0` to `9`, `*`, `#`, `A` to `D` in either case.
    pub fn from_digit(digit: char) -> Option<Self> {
        let code = "0123456789*#ABCD".find(digit.to_ascii_uppercase())?;
        Some(Self(code as u8))
    }

    /// The key of the event, when it is one.
    pub fn digit(self) -> Option<char> {
        b"0123456789*#ABCD".get(usize::from(self.0)).map(|it| char::from(*it))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digit() {
            Some(digit) => write!(f, "{digit}"),
            None => write!(f, "event {}", self.0),
        }
    }
}

/// The four octets of one event (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPayload {
    /// Which event.
    pub event: Event,
    /// Whether it is over.
    pub end: bool,
    /// Its power below 0 dBm0 in decibels, 0..=63; DTMF below 36 is valid.
    pub volume: u8,
    /// How long it has lasted since the packet's timestamp, in ticks.
    pub duration: u16,
}

impl EventPayload {
    /// Reads four octets; the reserved bit is ignored.
    pub fn parse(octets: [u8; 4]) -> Self {
        let [event, flags, d0, d1] = octets;
        Self {
            event: Event(event),
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([d0, d1]),
        }
    }

    /// The four octets; a volume above 63 is written as 63.
    pub fn octets(self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event.0, (u8::from(self.end) << 7) | self.volume.min(63), d0, d1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_codes_belong_together() {
        for (code, digit) in (0..).zip("0123456789*#ABCD".chars()) {
            assert_eq!(Event::from_digit(digit), Some(Event(code)));
            assert_eq!(Event(code).digit(), Some(digit));
        }
        assert_eq!(Event::from_digit('d'), Some(Event(15)));
        assert_eq!(Event::from_digit('x'), None);
        assert_eq!(Event::FLASH.digit(), None);
    }

    #[test]
    fn payloads_come_back_as_they_were() {
        let payload = EventPayload { event: Event(11), end: true, volume: 10, duration: 0xfffe };
        assert_eq!(payload.octets(), [11, 0x8a, 0xff, 0xfe]);
        assert_eq!(EventPayload::parse(payload.octets()), payload);
        assert_eq!(EventPayload::parse([1, 0x4a, 1, 0x90]).octets(), [1, 0x0a, 1, 0x90]);
    }
}
