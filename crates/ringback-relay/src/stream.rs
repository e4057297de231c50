//! One medium on the packet path.

use crate::{Component, Expected, Side, SourceLock};
use ringback_rtp::Datagram;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Why a datagram goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It comes from a stranger.
    Source,
    /// It is none of RTP, RTCP, STUN and DTLS (RFC 7983 §7).
    NotMedia,
    /// Nobody knows yet where the other side is.
    NoDestination,
}

/// Plain figures of what one side sent since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideStats {
    /// Datagrams that passed.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// RTP packets that never came, less those that came twice (RFC 3550 §A.3).
    pub lost: u64,
    /// Datagrams from strangers.
    pub foreign: u64,
    /// Datagrams that were dropped for another reason.
    pub dropped: u64,
    /// Where its packets come from.
    pub source: Option<SocketAddr>,
}

/// One medium between two sides.
#[derive(Clone, Debug)]
pub struct RelayStream {
    sides: [StreamSide; 2],
    patience: Duration,
    heard: Instant,
    is_silent: bool,
}

#[derive(Clone, Debug, Default)]
struct StreamSide {
    locks: [SourceLock; 2],
    stats: SideStats,
    sequence: Sequence,
}

impl RelayStream {
    /// A stream of which nothing is known yet. It is dead when nothing was heard of it for `patience`.
    pub fn new(now: Instant, patience: Duration) -> Self {
        Self { sides: Default::default(), patience, heard: now, is_silent: false }
    }

    /// What a side said about itself.
    pub fn expect(&mut self, side: Side, expected: Expected) {
        let [rtp, rtcp] = &mut self.sides[side.index()].locks;
        rtp.signal(expected.rtp, expected.behind, expected.exchange);
        rtcp.signal(expected.rtcp, expected.behind, expected.exchange);
    }

    /// Takes a datagram that came to the port of a side, and says where the like port of the other side sends it.
    ///
    /// # Errors
    /// [`Dropped`]; it is counted, and has changed nothing else.
    pub fn receive(
        &mut self,
        now: Instant,
        side: Side,
        component: Component,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<SocketAddr, Dropped> {
        let to = self.sides[side.other().index()].locks[component.index()].destination();
        let own = &mut self.sides[side.index()];
        let kind = Datagram::classify(datagram);
        // STUN and DTLS go through as well: whoever relays between two that encrypt need not know.
        if kind == Datagram::Other && !matches!(datagram.first(), Some(0..=3 | 20..=63)) {
            own.stats.dropped += 1;
            return Err(Dropped::NotMedia);
        }
        if !own.locks[component.index()].admit(from) {
            own.stats.foreign += 1;
            return Err(Dropped::Source);
        }
        self.heard = self.heard.max(now);
        self.is_silent = false;
        let Some(to) = to else {
            own.stats.dropped += 1;
            return Err(Dropped::NoDestination);
        };
        own.stats.packets += 1;
        own.stats.octets += datagram.len() as u64;
        if kind == Datagram::Rtp {
            own.sequence.note(datagram);
        }
        Ok(to)
    }

    /// The figures of what a side sent.
    pub fn stats(&self, side: Side) -> SideStats {
        let own = &self.sides[side.index()];
        SideStats { lost: own.sequence.lost(), source: own.locks[0].source(), ..own.stats }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); none once the stream is known to be dead.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.is_silent).then(|| self.heard + self.patience)
    }

    /// For how long nothing was heard.
    pub fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// Whether the stream has just died: true once, until something is heard again.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let is_news = self.poll_timeout().is_some_and(|at| at <= now);
        self.is_silent |= is_news;
        is_news
    }
}

/// What the sequence numbers of one source tell (RFC 3550 §A.1). They stand in clear in SRTP, too.
#[derive(Clone, Copy, Debug, Default)]
struct Sequence {
    ssrc: u32,
    /// First and highest number, the latter with its roll-overs, once there was a packet.
    range: Option<(u64, u64)>,
    received: u64,
    /// What former sources lost.
    before: u64,
}

impl Sequence {
    fn note(&mut self, packet: &[u8]) {
        let [_, _, s0, s1, _, _, _, _, c0, c1, c2, c3, ..] = *packet else { return };
        let (number, ssrc) = (u16::from_be_bytes([s0, s1]), u32::from_be_bytes([c0, c1, c2, c3]));
        let ahead = self.range.map(|(_, highest)| i64::from(number.wrapping_sub(highest as u16) as i16));
        match (self.range, ahead) {
            // RFC 3550 §A.1: a jump of more than a minute of audio is a sender that began anew.
            (Some((first, highest)), Some(ahead)) if ssrc == self.ssrc && ahead.abs() < 3_000 => {
                self.range = Some((first, highest.saturating_add_signed(ahead).max(highest)));
                self.received += 1;
            }
            _ => {
                // Away from zero, so that a late packet does not lie before all numbers.
                let first = u64::from(number) + (1 << 16);
                *self = Self { ssrc, range: Some((first, first)), received: 1, before: self.lost() };
            }
        }
    }

    fn lost(&self) -> u64 {
        let expected = self.range.map_or(0, |(first, highest)| highest - first + 1);
        self.before + expected.saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn rtp(sequence: u16) -> Vec<u8> {
        let [high, low] = sequence.to_be_bytes();
        [&[0x80, 0, high, low][..], &[0; 40]].concat()
    }

    fn stream(now: Instant) -> RelayStream {
        let mut stream = RelayStream::new(now, Duration::from_secs(60));
        for (side, rtp, rtcp) in [
            (Side::Caller, "192.0.2.1:4000", "192.0.2.1:4001"),
            (Side::Callee, "192.0.2.2:5000", "192.0.2.2:5009"),
        ] {
            stream.expect(
                side,
                Expected { rtp: Some(at(rtp)), rtcp: Some(at(rtcp)), behind: None, exchange: 1 },
            );
        }
        stream
    }

    #[test]
    fn packets_go_from_port_to_like_port() {
        let now = start();
        let mut stream = stream(now);
        let mut pass = |side, component, from| stream.receive(now, side, component, at(from), &rtp(1));
        assert_eq!(pass(Side::Caller, Component::Rtp, "192.0.2.1:4000"), Ok(at("192.0.2.2:5000")));
        assert_eq!(pass(Side::Callee, Component::Rtp, "192.0.2.2:5000"), Ok(at("192.0.2.1:4000")));
        assert_eq!(pass(Side::Callee, Component::Rtcp, "192.0.2.2:5009"), Ok(at("192.0.2.1:4001")));
        assert_eq!(pass(Side::Caller, Component::Rtcp, "192.0.2.1:4000"), Err(Dropped::Source));
        assert_eq!(pass(Side::Caller, Component::Rtp, "192.0.2.2:5000"), Err(Dropped::Source));
    }

    #[test]
    fn what_is_no_media_is_dropped_and_what_two_encrypting_sides_need_passes() {
        let now = start();
        let mut stream = stream(now);
        for (octet, passes) in [(0x80, true), (0, true), (22, true), (4, false), (64, false), (0xc0, false)] {
            let to = stream.receive(now, Side::Caller, Component::Rtp, at("192.0.2.1:4000"), &[octet; 20]);
            assert_eq!(to.is_ok(), passes, "{octet}");
        }
        assert!(stream.receive(now, Side::Caller, Component::Rtp, at("192.0.2.1:4000"), &[]).is_err());
    }

    #[test]
    fn a_stream_dies_once_and_strangers_do_not_keep_it_alive() {
        let now = start();
        let mut stream = stream(now);
        let later = now + Duration::from_secs(30);
        assert!(stream.receive(later, Side::Caller, Component::Rtp, at("203.0.113.66:1"), &rtp(1)).is_err());
        assert_eq!(stream.poll_timeout(), Some(now + Duration::from_secs(60)));
        assert!(stream.receive(later, Side::Callee, Component::Rtp, at("192.0.2.2:5000"), &rtp(1)).is_ok());
        assert!(!stream.handle_timeout(now + Duration::from_secs(60)));
        assert!(stream.handle_timeout(now + Duration::from_secs(90)));
        assert_eq!(stream.poll_timeout(), None);
        assert!(!stream.handle_timeout(now + Duration::from_secs(99)));
    }

    #[test]
    fn losses_are_counted_over_roll_overs_and_new_sources() {
        let now = start();
        let mut stream = stream(now);
        let mut pass = |packet: &[u8]| {
            stream.receive(now, Side::Caller, Component::Rtp, at("192.0.2.1:4000"), packet).expect("passes");
            stream.stats(Side::Caller).lost
        };
        assert_eq!([65_534, 65_535, 1, 0, 4].map(|number| pass(&rtp(number))), [0, 0, 1, 0, 2]);
        let mut other = rtp(500);
        other[11] = 7;
        assert_eq!(pass(&other), 2);
        other[3] = other[3].wrapping_add(2);
        assert_eq!(pass(&other), 3);
    }

    proptest! {
        /// Fault 23 and 24: whatever strangers send, before, between and after, none of it passes and all of the
        /// caller's does.
        #[test]
        fn nothing_of_a_stranger_passes(
            steps in proptest::collection::vec((any::<bool>(), 0u8..4, 1u16.., proptest::collection::vec(any::<u8>(), 0..60)), 1..60),
        ) {
            let now = start();
            let mut stream = stream(now);
            let own = at("192.0.2.1:4000");
            for (sequence, (is_own, host, port, payload)) in (0..).zip(steps) {
                let stranger = SocketAddr::from(([192, 0, 2, host], port));
                if is_own {
                    prop_assert!(stream.receive(now, Side::Caller, Component::Rtp, own, &rtp(sequence)).is_ok());
                } else if stranger != own {
                    let packet = [rtp(sequence), payload].concat();
                    prop_assert!(stream.receive(now, Side::Caller, Component::Rtp, stranger, &packet).is_err());
                }
            }
            prop_assert_eq!(stream.stats(Side::Callee).packets, 0);
        }
    }
}
