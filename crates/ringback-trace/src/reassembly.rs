//! Messages cut out of what is seen of flows while they are alive.

use crate::Packet;
use crate::message::begins_message;
use ringback_sansio::{Map, Protocol};
use ringback_transport::{Frame, Framer, FramingLimits};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Directions in which a message has begun and not ended; the oldest is given up.
const MAX_OPEN: usize = 512;
/// The longest body that is waited for; what is longer is told without it.
const MAX_BODY: usize = 64 << 10;

type Key = (SocketAddr, SocketAddr, Protocol);

/// Makes whole messages of the pieces in which streams are read: of part of one, or of several. What keeps flows alive is
/// passed over.
#[derive(Debug, Default)]
pub struct Reassembly {
    open: Map<Key, Framer>,
    /// Keys by age, some of which may be closed.
    order: VecDeque<Key>,
}

impl Reassembly {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was seen, in order of time for each flow; appends the messages that it completes to `whole`.
    pub fn add(&mut self, seen: Packet, whole: &mut Vec<Packet>) {
        if !matches!(seen.protocol, Protocol::Tcp | Protocol::Tls) {
            if begins_message(&seen.payload) {
                whole.push(seen);
            }
            return;
        }
        let key = (seen.source, seen.destination, seen.protocol);
        let limits = FramingLimits { body: MAX_BODY, ..FramingLimits::default() };
        let mut framer = self.open.remove(&key).unwrap_or_else(|| Framer::new(limits));
        framer.push(&seen.payload);
        loop {
            match framer.poll() {
                Some(Frame::Message(payload)) => whole.push(Packet { payload, ..seen.clone() }),
                Some(Frame::Ping | Frame::Pong) => {}
                // Whoever reads the stream gives it up here, and so do we.
                Some(Frame::Broken(_, head)) => {
                    if begins_message(&head) {
                        whole.push(Packet { payload: head, ..seen });
                    }
                    return;
                }
                None => break,
            }
        }
        if framer.is_partial() {
            self.keep(key, framer);
        }
    }

    fn keep(&mut self, key: Key, framer: Framer) {
        if self.order.len() >= MAX_OPEN {
            let open = &self.open;
            self.order.retain(|it| open.contains_key(it) || *it == key);
            if self.order.len() >= MAX_OPEN
                && let Some(oldest) = self.order.pop_front()
            {
                self.open.remove(&oldest);
            }
        }
        if !self.order.contains(&key) {
            self.order.push_back(key);
        }
        self.open.insert(key, framer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::time::Duration;

    const MESSAGE: &str = "MESSAGE sip:a@x SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nhello";

    fn packet(port: u16, protocol: Protocol, payload: &[u8]) -> Packet {
        Packet {
            time: Duration::ZERO,
            source: SocketAddr::from(([192, 0, 2, 1], port)),
            destination: "192.0.2.9:5060".parse().unwrap(),
            protocol,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    fn add(reassembly: &mut Reassembly, packet: Packet) -> usize {
        let mut whole = Vec::new();
        reassembly.add(packet, &mut whole);
        assert!(whole.iter().all(|it| it.payload == MESSAGE));
        whole.len()
    }

    #[test]
    fn pieces_cut_anywhere_make_the_messages_that_were_sent() {
        let both = [MESSAGE, "\r\n\r\n", MESSAGE].concat();
        for cut in 0..=both.len() {
            let mut reassembly = Reassembly::new();
            let (one, two) = both.as_bytes().split_at(cut);
            let first = add(&mut reassembly, packet(1, Protocol::Tls, one));
            // Another flow does not get between.
            add(&mut reassembly, packet(2, Protocol::Tls, &one[..one.len() / 2]));
            let second = add(&mut reassembly, packet(1, Protocol::Tls, two));
            assert_eq!(first + second, 2, "cut at {cut}");
        }
    }

    #[test]
    fn whole_messages_pass_and_keep_alives_do_not() {
        let mut reassembly = Reassembly::new();
        for protocol in [Protocol::Udp, Protocol::Ws, Protocol::Wss] {
            assert_eq!(add(&mut reassembly, packet(1, protocol, MESSAGE.as_bytes())), 1);
            assert_eq!(add(&mut reassembly, packet(1, protocol, b"\r\n\r\n")), 0);
        }
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let mut reassembly = Reassembly::new();
        for port in 0..10_000 {
            assert_eq!(add(&mut reassembly, packet(port, Protocol::Tcp, &MESSAGE.as_bytes()[..30])), 0);
        }
        assert!(reassembly.open.len() <= MAX_OPEN && reassembly.order.len() <= MAX_OPEN);
        assert_eq!(add(&mut reassembly, packet(9_999, Protocol::Tcp, &MESSAGE.as_bytes()[30..])), 1);
    }
}
