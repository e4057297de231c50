//! One medium on the packet path.

use crate::{Component, Expected, Side, SourceLock};
use ringback_rtp::Datagram;
use ringback_sdp::NegotiatedCrypto;
use ringback_srtp::{Inbound, Outbound, sdes};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// By how many octets a packet may grow when it is protected: a tag, an index and the longest identifier of a key.
pub const MAX_GROWTH: usize = 16 + 4 + ringback_srtp::MAX_MKI_LEN;

/// Why a datagram goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It comes from a stranger.
    Source,
    /// It is none of RTP, RTCP, STUN and DTLS (RFC 7983 §7).
    NotMedia,
    /// Nobody knows yet where the other side is.
    NoDestination,
    /// It is not protected by the keys of its side, has come before, or cannot be protected for the other side.
    Forged,
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
#[derive(Debug)]
pub struct RelayStream {
    sides: [StreamSide; 2],
    patience: Duration,
    heard: Instant,
    is_silent: bool,
}

#[derive(Debug, Default)]
struct StreamSide {
    locks: [SourceLock; 2],
    protection: Protection,
    stats: SideStats,
    sequence: Sequence,
}

/// What is done with the packets of one side.
#[derive(Debug, Default)]
enum Protection {
    /// They are as they are.
    #[default]
    None,
    /// By which we protect what goes there, and by which we believe what comes from there.
    Keys(Box<(Outbound, Inbound)>),
    /// The keys are none: nothing may be sent, and nothing is believed.
    Broken,
}

impl Protection {
    /// Whether a packet that passes was made by who has the key.
    fn proves(&self) -> bool {
        matches!(self, Self::Keys(_))
    }

    fn unprotect(&mut self, kind: Datagram, packet: &mut [u8]) -> Result<usize, Dropped> {
        let length = match (self, kind) {
            (Self::None, _) => Ok(packet.len()),
            (Self::Keys(keys), Datagram::Rtp) => keys.1.unprotect_rtp(packet),
            (Self::Keys(keys), Datagram::Rtcp) => keys.1.unprotect_rtcp(packet),
            (Self::Keys(_), Datagram::Other) | (Self::Broken, _) => return Err(Dropped::Forged),
        };
        length.map_err(|_| Dropped::Forged)
    }

    fn protect(&mut self, kind: Datagram, buffer: &mut [u8], length: usize) -> Result<usize, Dropped> {
        let length = match (self, kind) {
            (Self::None, _) => Ok(length),
            (Self::Keys(keys), Datagram::Rtp) => keys.0.protect_rtp(buffer, length),
            (Self::Keys(keys), Datagram::Rtcp) => keys.0.protect_rtcp(buffer, length),
            (Self::Keys(_), Datagram::Other) | (Self::Broken, _) => return Err(Dropped::Forged),
        };
        length.map_err(|_| Dropped::Forged)
    }
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

    /// By what keys the packets of a side are protected from now on; none for packets that pass as they are.
    pub fn protect(&mut self, side: Side, keys: Option<&NegotiatedCrypto>) {
        self.sides[side.index()].protection = match keys.map(sdes::contexts) {
            None => Protection::None,
            Some(Ok(contexts)) => Protection::Keys(Box::new(contexts)),
            Some(Err(_)) => Protection::Broken,
        };
    }

    /// Takes the datagram of `length` octets at the begin of `buffer`, which came to the port of a side, and says where the like port
    /// of the other side sends what is then there, and how long that is. For packets that are protected anew the buffer should have
    /// [`MAX_GROWTH`] octets more.
    ///
    /// # Errors
    /// [`Dropped`]; it is counted, and has changed nothing else but the buffer.
    pub fn receive(
        &mut self,
        now: Instant,
        side: Side,
        component: Component,
        from: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> Result<(SocketAddr, usize), Dropped> {
        let [caller, callee] = &mut self.sides;
        let (own, other) = match side {
            Side::Caller => (caller, callee),
            Side::Callee => (callee, caller),
        };
        let to = other.locks[component.index()].destination();
        let packet = buffer.get_mut(..length).unwrap_or(&mut []);
        let kind = Datagram::classify(packet);
        // STUN and DTLS go through as well: whoever relays between two that encrypt need not know.
        if kind == Datagram::Other && !matches!(packet.first(), Some(0..=3 | 20..=63)) {
            own.stats.dropped += 1;
            return Err(Dropped::NotMedia);
        }
        let lock = &mut own.locks[component.index()];
        let is_expected = lock.may_admit(from);
        // Who can prove the key may come from anywhere: a NAT has forgotten him, or his network has changed.
        if !is_expected && !own.protection.proves() {
            own.stats.foreign += 1;
            return Err(Dropped::Source);
        }
        let clear = match own.protection.unprotect(kind, packet) {
            Ok(clear) => clear,
            Err(_) if !is_expected => {
                own.stats.foreign += 1;
                return Err(Dropped::Source);
            }
            Err(dropped) => {
                own.stats.dropped += 1;
                return Err(dropped);
            }
        };
        // And who cannot is not believed where he is, either.
        match own.protection.proves() {
            true => lock.follow(from),
            false => _ = lock.admit(from),
        }
        self.heard = self.heard.max(now);
        self.is_silent = false;
        let Some(to) = to else {
            own.stats.dropped += 1;
            return Err(Dropped::NoDestination);
        };
        if kind == Datagram::Rtp {
            own.sequence.note(packet);
        }
        let length = other.protection.protect(kind, buffer, clear).inspect_err(|_| own.stats.dropped += 1)?;
        own.stats.packets += 1;
        own.stats.octets += length as u64;
        Ok((to, length))
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
    use ringback_sansio::SeededEntropy;
    use ringback_sdp::Word;
    use ringback_srtp::{MasterKey, Profile};

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

    fn take(
        stream: &mut RelayStream,
        now: Instant,
        side: Side,
        component: Component,
        from: SocketAddr,
        packet: &[u8],
    ) -> Result<SocketAddr, Dropped> {
        let mut buffer = packet.to_vec();
        let (to, length) = stream.receive(now, side, component, from, &mut buffer, packet.len())?;
        assert_eq!((length, &buffer[..]), (packet.len(), packet), "it passes as it is");
        Ok(to)
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
        let mut pass = |side, component, from| take(&mut stream, now, side, component, at(from), &rtp(1));
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
            let to = take(&mut stream, now, Side::Caller, Component::Rtp, at("192.0.2.1:4000"), &[octet; 20]);
            assert_eq!(to.is_ok(), passes, "{octet}");
        }
        assert!(take(&mut stream, now, Side::Caller, Component::Rtp, at("192.0.2.1:4000"), &[]).is_err());
    }

    #[test]
    fn a_stream_dies_once_and_strangers_do_not_keep_it_alive() {
        let now = start();
        let mut stream = stream(now);
        let later = now + Duration::from_secs(30);
        let stranger = at("203.0.113.66:1");
        assert!(take(&mut stream, later, Side::Caller, Component::Rtp, stranger, &rtp(1)).is_err());
        assert_eq!(stream.poll_timeout(), Some(now + Duration::from_secs(60)));
        let callee = at("192.0.2.2:5000");
        assert!(take(&mut stream, later, Side::Callee, Component::Rtp, callee, &rtp(1)).is_ok());
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
            let own = at("192.0.2.1:4000");
            take(&mut stream, now, Side::Caller, Component::Rtp, own, packet).expect("passes");
            stream.stats(Side::Caller).lost
        };
        assert_eq!([65_534, 65_535, 1, 0, 4].map(|number| pass(&rtp(number))), [0, 0, 1, 0, 2]);
        let mut other = rtp(500);
        other[11] = 7;
        assert_eq!(pass(&other), 2);
        other[3] = other[3].wrapping_add(2);
        assert_eq!(pass(&other), 3);
    }

    /// Keys of both directions of one leg, as we see them and as the side does.
    fn keys() -> (NegotiatedCrypto, NegotiatedCrypto) {
        let key = |number| {
            sdes::key_params(&MasterKey::generate(
                Profile::AesCm128HmacSha1_80,
                &mut SeededEntropy::new(number),
            ))
        };
        let suite = Word::from_static("AES_CM_128_HMAC_SHA1_80");
        let (ours, theirs) = (key(1), key(2));
        let seen_by_us =
            NegotiatedCrypto { suite: suite.clone(), local: ours.clone(), remote: theirs.clone() };
        (seen_by_us, NegotiatedCrypto { suite, local: theirs, remote: ours })
    }

    fn buffer(packet: &[u8]) -> Vec<u8> {
        [packet, &[0; MAX_GROWTH]].concat()
    }

    #[test]
    fn one_side_encrypts_and_the_other_does_not() {
        let now = start();
        let mut stream = stream(now);
        let (ours, theirs) = keys();
        stream.protect(Side::Caller, Some(&ours));
        let (mut outbound, mut inbound) = sdes::contexts(&theirs).unwrap();
        let (caller, callee) = (at("192.0.2.1:4000"), at("192.0.2.2:5000"));
        for number in 0..50 {
            let mut packet = buffer(&rtp(number));
            let length = outbound.protect_rtp(&mut packet, 44).unwrap();
            let to = stream.receive(now, Side::Caller, Component::Rtp, caller, &mut packet, length);
            assert_eq!((to, &packet[..44]), (Ok((callee, 44)), &rtp(number)[..]));
            let mut packet = buffer(&rtp(number));
            let to = stream.receive(now, Side::Callee, Component::Rtp, callee, &mut packet, 44);
            assert_eq!(to, Ok((caller, 54)));
            assert_eq!(inbound.unprotect_rtp(&mut packet[..54]), Ok(44));
            assert_eq!(packet[..44], rtp(number));
        }
        // Reports as well, and nothing that is neither.
        let report = [&[0x80, 201, 0, 1][..], &7u32.to_be_bytes()].concat();
        let mut packet = buffer(&report);
        let length = outbound.protect_rtcp(&mut packet, 8).unwrap();
        let to =
            stream.receive(now, Side::Caller, Component::Rtcp, at("192.0.2.1:4001"), &mut packet, length);
        assert_eq!((to, &packet[..8]), (Ok((at("192.0.2.2:5009"), 8)), &report[..]));
        let mut hello = buffer(&[22; 60]);
        let to = stream.receive(now, Side::Callee, Component::Rtp, callee, &mut hello, 60);
        assert_eq!(to, Err(Dropped::Forged));
    }

    #[test]
    fn who_proves_the_key_may_move_and_nobody_else() {
        let now = start();
        let mut stream = stream(now);
        let (ours, theirs) = keys();
        stream.protect(Side::Caller, Some(&ours));
        let (mut outbound, _) = sdes::contexts(&theirs).unwrap();
        let elsewhere = at("203.0.113.7:9000");
        let mut said = |stream: &mut RelayStream, number, from| {
            let mut packet = buffer(&rtp(number));
            let length = outbound.protect_rtp(&mut packet, 44).unwrap();
            let again = packet.clone();
            (stream.receive(now, Side::Caller, Component::Rtp, from, &mut packet, length), again, length)
        };
        assert!(said(&mut stream, 1, at("192.0.2.1:4000")).0.is_ok());
        let (moved, mut again, length) = said(&mut stream, 2, elsewhere);
        assert!(moved.is_ok());
        let mut number = 0;
        let mut back = |stream: &mut RelayStream| {
            number += 1;
            let mut packet = buffer(&rtp(number));
            let to = stream.receive(now, Side::Callee, Component::Rtp, at("192.0.2.2:5000"), &mut packet, 44);
            to.map(|(to, _)| to)
        };
        assert_eq!(back(&mut stream), Ok(elsewhere));
        // A copy of what he said, and what is in clear, come from somebody else.
        let mallory = at("203.0.113.66:1");
        let copied = stream.receive(now, Side::Caller, Component::Rtp, mallory, &mut again, length);
        assert_eq!(copied, Err(Dropped::Source));
        let clear = stream.receive(now, Side::Caller, Component::Rtp, mallory, &mut buffer(&rtp(3)), 44);
        assert_eq!(clear, Err(Dropped::Source));
        let forged = stream.receive(now, Side::Caller, Component::Rtp, elsewhere, &mut buffer(&rtp(3)), 44);
        assert_eq!(forged, Err(Dropped::Forged));
        assert_eq!((back(&mut stream), stream.stats(Side::Caller).foreign), (Ok(elsewhere), 2));
        // Keys that are none let nothing pass, in either direction.
        let broken = NegotiatedCrypto { remote: "inline:none".into(), ..keys().0 };
        stream.protect(Side::Caller, Some(&broken));
        assert!(said(&mut stream, 4, elsewhere).0.is_err() && back(&mut stream).is_err());
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
                    prop_assert!(take(&mut stream, now, Side::Caller, Component::Rtp, own, &rtp(sequence)).is_ok());
                } else if stranger != own {
                    let packet = [rtp(sequence), payload].concat();
                    prop_assert!(take(&mut stream, now, Side::Caller, Component::Rtp, stranger, &packet).is_err());
                }
            }
            prop_assert_eq!(stream.stats(Side::Callee).packets, 0);
        }
    }
}
