//! What was said lately, for whoever asks why a call went as it did.

use bytes::Bytes;
use ringback_message::{Message, header::CallId};
use ringback_net::Direction;
use ringback_sansio::{Protocol, Target};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A message that was received or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When, since 1970-01-01T00:00:00Z.
    pub at: Duration,
    /// Which way.
    pub direction: Direction,
    /// How.
    pub protocol: Protocol,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The message as it was on the wire.
    pub bytes: Bytes,
}

/// One message of the ring. Nothing is read or copied when it is put in.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Instant,
    pub(crate) direction: Direction,
    pub(crate) way: Target,
    pub(crate) bytes: Bytes,
}

impl Entry {
    /// Whether it belongs to this call.
    pub(crate) fn is_of(&self, call_id: &str) -> bool {
        let message = Message::parse(self.bytes.clone());
        message
            .is_ok_and(|message| matches!(message.first::<CallId<'_>>(), Some(Ok(own)) if own.0 == call_id))
    }
}

/// The last messages, within limits of number and size.
#[derive(Debug)]
pub(crate) struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

impl Ring {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, max_messages, max_bytes }
    }

    /// Whether anything is remembered at all.
    pub(crate) fn is_on(&self) -> bool {
        self.max_messages > 0
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes.len();
        self.entries.push_back(entry);
        while self.entries.len() > self.max_messages || self.bytes > self.max_bytes {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.bytes.len();
        }
    }

    /// All of it, the oldest first. Cheap: the bytes are shared.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_in_number_and_bytes() {
        let way = Target::Address(Protocol::Udp, "192.0.2.1:5060".parse().unwrap());
        let entry =
            |len| Entry { at: Instant::now(), direction: Direction::In, way, bytes: vec![b'x'; len].into() };
        let mut ring = Ring::new(3, 100);
        for len in [10, 20, 30, 40, 50, 60] {
            ring.push(entry(len));
            assert!(ring.entries.len() <= 3 && ring.bytes <= 100);
        }
        assert_eq!(ring.entries().iter().map(|entry| entry.bytes.len()).collect::<Vec<_>>(), [60]);
        ring.push(entry(101));
        assert!(ring.entries().is_empty(), "what is larger than all there is room for");
    }

    #[test]
    fn a_message_knows_its_call() {
        let text = "OPTIONS sip:x SIP/2.0\r\ni: a@b\r\n\r\n";
        let way = Target::Address(Protocol::Udp, "192.0.2.1:5060".parse().unwrap());
        let entry = Entry { at: Instant::now(), direction: Direction::In, way, bytes: text.into() };
        assert!(entry.is_of("a@b") && !entry.is_of("a"));
    }
}
