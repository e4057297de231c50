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

/// One message, without its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Instant,
    pub(crate) direction: Direction,
    pub(crate) way: Target,
    len: u32,
}

/// The last messages, within limits of number and size.
///
/// The bytes are copied into one piece of memory, round and round. To keep the received buffers instead would save the
/// copy, but cost more: memory that is given back at once is used again while it is still in the processor's cache.
#[derive(Debug)]
pub(crate) struct Ring {
    entries: VecDeque<Entry>,
    bytes: Box<[u8]>,
    /// Where the next message begins, and how much is in use before it.
    next: usize,
    used: usize,
    max_messages: usize,
    max_bytes: usize,
}

impl Ring {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { entries: VecDeque::new(), bytes: Box::default(), next: 0, used: 0, max_messages, max_bytes }
    }

    pub(crate) fn push(&mut self, at: Instant, direction: Direction, way: Target, bytes: &[u8]) {
        if self.max_messages == 0 || bytes.len() > self.max_bytes {
            return;
        }
        if self.bytes.is_empty() {
            // Not before there is something to remember: most shards of a small server stay empty.
            self.bytes = vec![0; self.max_bytes].into();
        }
        while self.entries.len() >= self.max_messages || self.used + bytes.len() > self.max_bytes {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.used -= oldest.len as usize;
        }
        // The front of the message fills the end of the memory, and the rest begins it anew.
        let (front, rest) = bytes.split_at(bytes.len().min(self.max_bytes - self.next));
        self.bytes[self.next..][..front.len()].copy_from_slice(front);
        self.bytes[..rest.len()].copy_from_slice(rest);
        self.next = (self.next + bytes.len()) % self.max_bytes;
        self.used += bytes.len();
        self.entries.push_back(Entry { at, direction, way, len: bytes.len() as u32 });
    }

    /// The messages of the calls whose Call-ID is wanted, the oldest first.
    pub(crate) fn of_calls(&self, wanted: impl Fn(&str) -> bool) -> Vec<(Entry, Bytes)> {
        let mut found = Vec::new();
        let mut start = (self.next + self.max_bytes - self.used).checked_rem(self.max_bytes).unwrap_or(0);
        for entry in &self.entries {
            let len = entry.len as usize;
            let front = &self.bytes[start..self.max_bytes.min(start + len)];
            let bytes: Bytes = [front, &self.bytes[..len - front.len()]].concat().into();
            start = (start + len) % self.max_bytes;
            if is_of(&bytes, &wanted) {
                found.push((*entry, bytes));
            }
        }
        found
    }
}

/// Whether a message belongs to a call whose Call-ID is wanted.
fn is_of(bytes: &Bytes, wanted: impl Fn(&str) -> bool) -> bool {
    let message = Message::parse(bytes.clone());
    message.is_ok_and(|message| matches!(message.first::<CallId<'_>>(), Some(Ok(own)) if wanted(own.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(call: &str, fill: usize) -> String {
        format!("OPTIONS sip:x SIP/2.0\r\ni: {call}\r\ns: {}\r\n\r\n", "x".repeat(fill))
    }

    fn push(ring: &mut Ring, text: &str) {
        let way = Target::Address(Protocol::Udp, "192.0.2.1:5060".parse().unwrap());
        ring.push(Instant::now(), Direction::In, way, text.as_bytes());
    }

    #[test]
    fn the_last_messages_come_back_whole_within_the_limits() {
        for fill in 0..200 {
            let mut ring = Ring::new(4, 600);
            for round in 0..40 {
                push(&mut ring, &message("a", (fill * 7 + round * 13) % 300));
                push(&mut ring, &message("b", fill));
                assert!(ring.entries.len() <= 4 && ring.used <= 600);
                assert_eq!(ring.of_calls(|call| call == "b").last().unwrap().1, message("b", fill));
                assert_eq!(
                    ring.of_calls(|call| call == "a").len() + ring.of_calls(|call| call == "b").len(),
                    ring.entries.len()
                );
            }
            assert!(ring.of_calls(|call| call == "c").is_empty());
        }
    }

    #[test]
    fn what_is_larger_than_all_there_is_room_for_is_passed_over() {
        let mut ring = Ring::new(4, 100);
        push(&mut ring, &message("a", 10));
        push(&mut ring, &message("a", 100));
        assert_eq!(ring.of_calls(|call| call == "a").len(), 1);
        let mut off = Ring::new(0, 0);
        push(&mut off, &message("a", 10));
        assert!(off.of_calls(|call| call == "a").is_empty() && off.bytes.is_empty());
    }
}
