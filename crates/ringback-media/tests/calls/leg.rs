//! Two legs and a network: what one party hears, records and is told of what the other one did.

use crate::support::{ALICE, BOB, Call, clean, speech, through};
use proptest::prelude::*;
use ringback_media::{FrameKind, Law, LegEvent, PeerAddress, Refused, Sent};
use ringback_rtp::RtpPacket;
use ringback_sdp::Direction;
use std::time::Duration;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn on_a_clean_path_the_recording_and_the_playout_are_the_decoded_speech() {
    let said = speech(6.0);
    for law in [Law::Mu, Law::A] {
        let mut call = Call::new(law, 1, &said);
        call.run(secs(8), &mut clean);
        let bob = &call.parties[BOB];
        let expected = through(law, &said);
        assert_eq!(bob.recorder.segments().len(), 1);
        let segment = &bob.recorder.segments()[0];
        assert_eq!(segment.start(), call.parties[ALICE].leg.first_time());
        assert_eq!(segment.samples()[..expected.len()], expected);
        assert!(segment.gaps().is_empty());

        // Played: silence until the jitter buffer has its delay, then every sample as it was decoded.
        let begin = bob.kinds.iter().position(|it| *it == FrameKind::Audio).expect("audio");
        assert!(begin < 6, "starts after {begin} frames");
        assert!(bob.kinds[begin..].iter().all(|it| *it == FrameKind::Audio));
        assert_eq!(bob.played[begin * 160..][..expected.len()], expected);
        let stats = bob.leg.stats();
        assert_eq!((stats.lost, stats.late, stats.foreign, stats.refused), (0, 0, 0, 0));
        assert_eq!((stats.concealed, stats.altered, stats.jitter), Default::default());
    }
}

#[test]
fn packets_of_ten_to_sixty_milliseconds_are_played_alike() {
    let said = speech(6.0);
    let expected = through(Law::A, &said);
    for ptime in [10, 20, 30, 40, 50, 60] {
        let mut call = Call::new(Law::A, 1, &said);
        call.set_ptime(Duration::from_millis(ptime));
        call.run(secs(7), &mut clean);
        let bob = &call.parties[BOB];
        assert_eq!(bob.recorder.segments()[0].samples()[..expected.len()], expected, "{ptime} ms");
        let begin = bob.kinds.iter().position(|it| *it != FrameKind::Silence).expect("audio");
        let first = bob.played[begin * 160..].iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(first, None, "{ptime} ms: {:?}", bob.leg.stats());
    }
}

#[test]
fn a_flipped_octet_of_one_payload_shows_in_the_recording() {
    let said = speech(2.0);
    let mut call = Call::new(Law::A, 1, &said);
    call.run(secs(2), &mut |n, packet: &mut Vec<u8>| {
        if n == 30 {
            packet[12 + 80] ^= 0x01;
        }
        clean(n, packet)
    });
    let expected = through(Law::A, &said);
    let recorded = call.parties[BOB].recorder.segments()[0].samples();
    let length = recorded.len().min(expected.len());
    let different = (0..length).filter(|n| recorded[*n] != expected[*n]).count();
    assert!((1..=2).contains(&different), "{different} samples differ");
}

#[test]
fn scheduling_noise_of_a_loopback_changes_nothing() {
    let said = speech(20.0);
    let mut call = Call::new(Law::Mu, 3, &said);
    // 0 to 7 ms in no order, as of a busy machine.
    call.run(secs(22), &mut |n, _| vec![Duration::from_micros((n as u64 * 2_654_435_761 % 7_000) + 50)]);
    let bob = &call.parties[BOB];
    let begin = bob.kinds.iter().position(|it| *it == FrameKind::Audio).expect("audio");
    assert!(bob.kinds[begin..].iter().all(|it| *it == FrameKind::Audio));
    let expected = through(Law::Mu, &said);
    assert_eq!(bob.played[begin * 160..][..expected.len()], expected);
}

#[test]
fn on_hold_no_rtp_is_sent_and_rtcp_goes_on() {
    let mut call = Call::new(Law::Mu, 4, &speech(60.0));
    call.run(secs(10), &mut clean);
    let turn = |call: &mut Call, alice: Direction| {
        for (party, direction) in [(ALICE, alice), (BOB, alice.reversed())] {
            let now = call.begin + call.now;
            let leg = &mut call.parties[party].leg;
            let format = leg.format().clone();
            leg.renegotiate(now, format, direction, None);
        }
    };
    turn(&mut call, Direction::Inactive);
    let (held_at, packets) = (call.now, call.parties[BOB].leg.stats().packets_received);
    call.run(secs(20), &mut clean);
    let reported = |party: usize| call.parties[party].reports.iter().filter(|at| **at > held_at).count();
    assert!(reported(ALICE) >= 2 && reported(BOB) >= 2);
    assert!(call.parties[ALICE].sent.iter().all(|(at, sent)| *at < held_at || *sent == Sent::Nothing));
    let stats = call.parties[BOB].leg.stats();
    assert!(stats.packets_received <= packets + 1, "only what was in flight");
    assert_eq!((stats.concealed, stats.lost), (Duration::ZERO, 0), "the end of a stream is no loss");
    assert_eq!(call.parties[BOB].kinds.last(), Some(&FrameKind::Silence));

    turn(&mut call, Direction::SendOnly);
    let resumed = call.now;
    call.run(secs(2), &mut clean);
    let first = call.parties[ALICE].sent.iter().find(|(at, _)| *at >= resumed);
    assert_eq!(first.map(|(_, sent)| *sent), Some(Sent::Audio));
    assert!(call.parties[BOB].sent.iter().all(|(at, sent)| *at < held_at || *sent == Sent::Nothing));
    // The clock of the stream went on, so the recording has the pause where it was.
    let segments = call.parties[BOB].recorder.segments();
    assert_eq!(segments.len(), 2, "a pause of twenty seconds ends a segment");
    let pause = segments[1].start().ticks_since(segments[0].start()) - segments[0].samples().len() as i32;
    assert_eq!(pause, 20 * 8_000);
}

#[test]
fn digits_replace_speech_and_survive_thirty_per_cent_loss() {
    let keys = "0123456789*#ABCD";
    let mut call = Call::new(Law::A, 5, &speech(10.0));
    call.run(secs(1), &mut clean);
    for key in keys.chars() {
        call.parties[ALICE].leg.send_digit(key, Duration::from_millis(100)).expect("sent");
    }
    let mut lost = 0;
    call.run(secs(6), &mut |n, packet| {
        let drop = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xff < 77;
        lost += usize::from(drop);
        if drop { Vec::new() } else { clean(n, packet) }
    });
    let (alice, bob) = (&call.parties[ALICE], &call.parties[BOB]);
    assert!(lost > 100);
    assert_eq!(bob.digits(), keys);
    let ended = bob.events.iter().filter_map(|(_, event)| match event {
        LegEvent::DigitEnded(_, length) => Some(*length),
        _ => None,
    });
    assert!(ended.clone().all(|it| it <= Duration::from_millis(100)));
    assert_eq!(ended.count(), 16);
    assert!(!alice.leg.is_sending_digits());
    let packets = alice.sent.iter().filter(|(_, sent)| matches!(sent, Sent::Digit(_))).count();
    assert_eq!(packets, 16 * 7, "five packets of 20 ms, the last of them three times");
}

#[test]
fn a_digit_on_a_clean_path_is_no_loss_and_nothing_is_concealed() {
    let mut call = Call::new(Law::Mu, 6, &speech(4.0));
    call.run(secs(1), &mut clean);
    call.parties[ALICE].leg.send_digit('5', Duration::from_millis(200)).expect("sent");
    call.run(secs(2), &mut clean);
    let bob = &call.parties[BOB];
    assert_eq!(bob.digits(), "5");
    assert_eq!(bob.leg.stats().lost, 0);
    assert_eq!(bob.count(FrameKind::Concealed), 0);
    assert_eq!(bob.recorder.segments().len(), 1);
    // Ten packets of digit and two repetitions of its end took the place of speech.
    assert_eq!(bob.recorder.segments()[0].gaps().iter().map(ExactSizeIterator::len).sum::<usize>(), 12 * 160);
}

#[test]
fn reports_come_every_few_seconds_and_carry_loss_jitter_and_round_trip() {
    let mut call = Call::new(Law::Mu, 7, &speech(1.0));
    call.run(secs(120), &mut |n, packet| if n % 10 == 3 { Vec::new() } else { clean(n, packet) });
    for party in &call.parties {
        // RFC 3550 §6.2: five seconds on average, drawn from 0.5 to 1.5 of it and compensated.
        assert!((18..=40).contains(&party.reports.len()), "{} reports", party.reports.len());
        let gaps = party.reports.windows(2).map(|it| it[1] - it[0]);
        assert!(gaps.clone().all(|it| it >= Duration::from_secs(2)), "{:?}", gaps.min());
    }
    let stats = call.parties[ALICE].leg.stats();
    assert_eq!(stats.round_trip.map(|it| it.as_millis().abs_diff(20) <= 1), Some(true), "{stats:?}");
    assert!(stats.remote_lost.is_some_and(|lost| (500..=620).contains(&lost)), "{stats:?}");
    assert!(stats.lost.abs_diff(600) <= 20, "{stats:?}");
}

#[test]
fn the_last_report_says_good_bye() {
    let mut call = Call::new(Law::Mu, 8, &speech(1.0));
    call.run(secs(1), &mut clean);
    let now = call.begin + call.now;
    let mut bye = Vec::new();
    assert!(call.parties[ALICE].leg.close(now, "done", &mut bye));
    assert_eq!(call.parties[ALICE].leg.poll_timeout(), None);
    let from = call.parties[ALICE].address;
    call.deliver(BOB, from, &bye);
    assert!(call.parties[BOB].events.iter().any(|(_, it)| *it == LegEvent::PeerLeft));
    call.run(secs(1), &mut clean);
    assert_eq!(call.parties[BOB].leg.stats().concealed, Duration::ZERO);
}

#[test]
fn fault_23_strangers_are_refused_before_during_and_after_the_latch() {
    let mut call = Call::new(Law::Mu, 9, &speech(5.0));
    let stranger = "203.0.113.66:6666".parse().expect("an address");
    call.run(Duration::from_millis(500), &mut clean);
    let forged = {
        let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
        packet.resize(172, 0x55);
        packet
    };
    call.deliver(BOB, stranger, &forged);
    call.deliver(BOB, stranger, &[0x80, 200, 0, 0]);
    assert_eq!(call.parties[BOB].refused, [Refused::Source(stranger); 2]);
    assert_eq!(call.parties[BOB].leg.stats().foreign, 2);
    assert_eq!(call.parties[BOB].leg.rtp_destination(), Some(call.parties[ALICE].address));
    call.run(secs(1), &mut clean);
    assert_eq!(call.parties[BOB].recorder.segments().len(), 1);
}

#[test]
fn fault_23_a_peer_behind_a_nat_is_latched_once() {
    let mut call = Call::new(Law::Mu, 10, &speech(5.0));
    let (outside, stranger) = ("198.51.100.7:31000", "203.0.113.66:6666");
    let (outside, stranger) = (outside.parse().expect("an address"), stranger.parse().expect("an address"));
    // Not one that was agreed on: it may not latch.
    let mut unknown = vec![0x80, 97, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    unknown.resize(172, 0x55);
    call.deliver(BOB, stranger, &unknown);
    call.parties[ALICE].address = outside;
    call.run(secs(1), &mut clean);
    let signalled = Some("192.0.2.1:4000".parse().expect("an address"));
    let latched = LegEvent::Latched { signalled, source: outside };
    assert_eq!(call.parties[BOB].events.iter().filter(|(_, it)| *it == latched).count(), 1);
    assert_eq!(call.parties[BOB].leg.rtp_destination(), Some(outside));
    assert_eq!(call.parties[BOB].recorder.segments().len(), 1);

    // A move that is signalled opens the latch again.
    let now = call.begin + call.now;
    let moved = PeerAddress { rtp: stranger, rtcp: stranger, rtcp_mux: true };
    let bob = &mut call.parties[BOB].leg;
    bob.renegotiate(now, bob.format().clone(), Direction::SendRecv, Some(moved));
    assert_eq!(bob.rtp_destination(), Some(stranger));
}

#[test]
fn fault_24_forged_jumps_are_refused_and_a_new_source_is_heard_after_the_old_one_ends() {
    let mut call = Call::new(Law::Mu, 11, &speech(5.0));
    call.run(secs(1), &mut clean);
    let from = call.parties[ALICE].address;
    let mut injected = vec![0x80, 0, 0x9c, 0x40, 0, 0, 0, 0, 9, 9, 9, 9];
    injected.resize(172, 0);
    call.deliver(BOB, from, &injected);
    assert!(matches!(call.parties[BOB].refused[..], [Refused::Rtp(_)]));

    // Alice's device restarts: the same address, another SSRC, other numbers.
    let mut first = None;
    call.run(secs(2), &mut |n, packet: &mut Vec<u8>| {
        let ssrc = RtpPacket::parse(packet).expect("RTP").ssrc;
        if *first.get_or_insert(ssrc) == ssrc {
            packet[2] ^= 0x40;
            packet[4] ^= 0x80;
            packet[8] ^= 0xff;
        }
        clean(n, packet)
    });
    let bob = &call.parties[BOB];
    let changed = bob.events.iter().filter(|(_, it)| matches!(it, LegEvent::SourceChanged { .. })).count();
    assert_eq!(changed, 2);
    assert_eq!(bob.recorder.segments().len(), 2);
    assert!(bob.refused.len() <= 5, "{:?}", bob.refused);
    assert_eq!(bob.kinds.last(), Some(&FrameKind::Audio));
}

proptest! {
    #[test]
    fn no_datagram_breaks_a_leg(
        steps in prop::collection::vec(
            (0usize..4, any::<prop::sample::Index>(), any::<u8>(), 0usize..3, 0u64..400, 0usize..400), 1..120
        )
    ) {
        let mut call = Call::new(Law::Mu, 12, &speech(0.5));
        let mut seen: Vec<Vec<u8>> = Vec::new();
        call.parties[ALICE].leg.send_digit('7', Duration::from_millis(60)).expect("sent");
        call.run(Duration::from_millis(600), &mut |n, packet| {
            seen.push(packet.clone());
            clean(n, packet)
        });
        let mut report = Vec::new();
        let now = call.begin + call.now;
        call.parties[ALICE].leg.close(now, "x", &mut report);
        seen.push(report);
        let strangers = [call.parties[ALICE].address, "192.0.2.1:4001".parse().expect("an address"), "198.51.100.1:1".parse().expect("an address")];
        for (changes, at, value, from, millis, length) in steps {
            let mut datagram = seen[at.index(seen.len())].clone();
            for change in 0..changes {
                let place = (usize::from(value) * (change + 1) * 7) % datagram.len();
                datagram[place] = datagram[place].wrapping_add(value).rotate_left(change as u32);
            }
            call.now += Duration::from_millis(millis);
            call.deliver(BOB, strangers[from], &datagram);
            let now = call.begin + call.now;
            let leg = &mut call.parties[BOB].leg;
            let mut out = vec![0; length];
            leg.next_frame(now, &mut out);
            leg.handle_timeout(now);
            let mut packet = Vec::new();
            while leg.poll_rtcp(now, &mut packet) {}
            prop_assert!(leg.poll_timeout().is_none_or(|at| at > now));
            prop_assert!(call.parties[BOB].recorder.samples().count() <= 8_000 * 3_600);
        }
    }
}
