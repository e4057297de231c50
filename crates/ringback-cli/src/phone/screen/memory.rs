//! The messages of late, kept for the ladders of calls.

use crate::phone::tap;
use ringback::{Seen, Tap};
use ringback_trace::{Calls, Names, Packet, TextStyle};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many messages are kept, and how many octets of them; the oldest go first.
const MESSAGES: usize = 2_000;
const OCTETS: usize = 4 << 20;

/// What was sent and received of late.
#[derive(Default)]
pub(crate) struct Memory {
    kept: Mutex<Kept>,
    /// Who wants to see all of it as well.
    next: Option<Arc<dyn Tap>>,
}

#[derive(Default)]
struct Kept {
    packets: VecDeque<Packet>,
    octets: usize,
    /// How many there were in all.
    count: u64,
}

impl Memory {
    /// Keeps messages, and shows them, and all media, to `next` as well.
    pub(crate) fn before(next: Option<Arc<dyn Tap>>) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), next })
    }

    /// How many messages have passed: a ladder that was drawn at this count is still right.
    pub(crate) fn count(&self) -> u64 {
        self.lock().count
    }

    /// The ladder of a call, line by line.
    pub(crate) fn ladder(&self, call_id: &str, names: &Names, width: usize) -> Vec<String> {
        let packets: Vec<Packet> = self.lock().packets.iter().cloned().collect();
        let mut calls = Calls::new();
        for packet in &packets {
            calls.add(packet);
        }
        let style = TextStyle { width, ..TextStyle::default() };
        let text = calls.find(call_id).map(|call| call.ladder(names).text(&style)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A thread that panicked in here has left a list that is whole.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for Memory {
    fn saw(&self, seen: Seen<'_>) {
        // RTP and RTCP are version 2 in the two highest bits, keep-alives are line ends: SIP begins with a letter.
        if seen.bytes.first().is_some_and(u8::is_ascii_alphabetic) {
            let packet = tap::packet(&seen);
            let mut kept = self.lock();
            kept.count += 1;
            kept.octets += packet.payload.len();
            kept.packets.push_back(packet);
            while kept.packets.len() > MESSAGES || kept.octets > OCTETS {
                let Some(oldest) = kept.packets.pop_front() else { break };
                kept.octets -= oldest.payload.len();
            }
        }
        if let Some(next) = &self.next {
            next.saw(seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ringback::{Direction, Protocol};
    use std::time::Duration;

    fn see(memory: &Memory, bytes: &str) {
        let bytes = Bytes::copy_from_slice(bytes.as_bytes());
        let (local, peer) = ("127.0.0.1:5060".parse().unwrap(), "127.0.0.1:5070".parse().unwrap());
        let (at, direction, protocol) = (Duration::from_secs(1), Direction::Out, Protocol::Udp);
        memory.saw(Seen { at, direction, protocol, local, peer, bytes: &bytes });
    }

    fn options(call_id: &str) -> String {
        format!(
            "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
    }

    #[test]
    fn a_call_is_drawn_and_the_others_are_not() {
        let memory = Memory::before(None);
        see(&memory, &options("one"));
        see(&memory, &options("other"));
        see(&memory, "\u{80}no SIP");
        let lines = memory.ladder("one", &Names::new(), 70);
        assert_eq!(lines.iter().filter(|line| line.contains("OPTIONS")).count(), 1, "{lines:#?}");
        assert_eq!(memory.count(), 2);
        assert!(memory.ladder("none", &Names::new(), 70).is_empty());
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let memory = Memory::before(None);
        see(&memory, &options("first"));
        (0..MESSAGES).for_each(|_| see(&memory, &options("later")));
        assert!(memory.ladder("first", &Names::new(), 70).is_empty());
        assert_eq!(memory.lock().packets.len(), MESSAGES);
    }
}
