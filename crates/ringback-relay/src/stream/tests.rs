//! Packets on their way between two sides.

use super::*;
use crate::start;
use proptest::prelude::*;
use ringback_sansio::SeededEntropy;
use ringback_sdp::Word;
use ringback_srtp::{MasterKey, Profile};

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
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
        let expected = Expected {
            rtp: Some(at(rtp)),
            rtcp: Some(at(rtcp)),
            exchange: 1,
            talks: true,
            ..Expected::default()
        };
        stream.expect(now, side, expected);
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
fn a_side_falls_silent_once_and_strangers_are_not_taken_for_it() {
    let start = start();
    let mut stream = stream(start);
    let after = |seconds| start + Duration::from_secs(seconds);
    assert_eq!((stream.poll_timeout(), stream.handle_timeout(after(900))), (None, None), "it still rings");
    stream.answered(after(900));
    let (stranger, callee) = (at("203.0.113.66:1"), at("192.0.2.2:5000"));
    assert!(take(&mut stream, after(930), Side::Caller, Component::Rtp, stranger, &rtp(1)).is_err());
    assert!(take(&mut stream, after(930), Side::Callee, Component::Rtp, callee, &rtp(1)).is_ok());
    assert_eq!(stream.poll_timeout(), Some(after(960)));
    assert_eq!(stream.handle_timeout(after(960)), Some(Side::Caller));
    assert_eq!(stream.handle_timeout(after(960)), None);
    assert!(stream.is_silent(Side::Caller) && !stream.is_silent(Side::Callee));
    assert_eq!(stream.handle_timeout(after(990)), Some(Side::Callee));
    assert_eq!((stream.poll_timeout(), stream.handle_timeout(after(999))), (None, None));
    // Heard again, it may fall silent again.
    assert!(take(&mut stream, after(999), Side::Callee, Component::Rtp, callee, &rtp(2)).is_ok());
    assert_eq!(stream.poll_timeout(), Some(after(1_059)));
}

#[test]
fn who_holds_or_is_held_may_be_silent() {
    let start = start();
    let mut stream = stream(start);
    stream.answered(start);
    let after = |seconds| start + Duration::from_secs(seconds);
    let held =
        |talks| Expected { rtp: Some(at("192.0.2.1:4000")), exchange: 2, talks, ..Expected::default() };
    stream.expect(after(50), Side::Caller, held(false));
    assert_eq!((stream.poll_timeout(), stream.handle_timeout(after(500))), (None, None));
    // Time on hold does not count.
    stream.expect(after(500), Side::Caller, held(true));
    assert_eq!(stream.poll_timeout(), Some(after(560)));
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
        sdes::key_params(&MasterKey::generate(Profile::AesCm128HmacSha1_80, &mut SeededEntropy::new(number)))
    };
    let suite = Word::from_static("AES_CM_128_HMAC_SHA1_80");
    let (ours, theirs) = (key(1), key(2));
    let seen_by_us = NegotiatedCrypto { suite: suite.clone(), local: ours.clone(), remote: theirs.clone() };
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
    let to = stream.receive(now, Side::Caller, Component::Rtcp, at("192.0.2.1:4001"), &mut packet, length);
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
