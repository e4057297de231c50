//! Two sessions talk to each other over a wire of plain vectors.

use ringback_rtp::rtcp::{Compound, RtcpPacket, VoipMetrics};
use ringback_rtp::{
    Continuity, PayloadType, RtpConfig, RtpError, RtpEvent, RtpPacket, RtpSession, RtpTime, SequenceNumber,
    Ssrc,
};
use ringback_sansio::{Epoch, SeededEntropy};
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

fn session(now: Instant, seed: u64) -> RtpSession {
    let epoch = Epoch { at: now, unix: Duration::from_secs(1_800_000_000) };
    let config = RtpConfig { clock_rate: 8_000, cname: format!("peer-{seed}"), bandwidth: 80_000, epoch };
    RtpSession::new(now, config, &mut SeededEntropy::new(seed))
}

fn speak(session: &mut RtpSession, now: Instant, frame: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    let time = session.first_time().plus(frame * 160);
    session.write(now, time, PayloadType::PCMU, frame == 0, &[0xff; 160], &mut packet);
    packet
}

fn forged(ssrc: Ssrc, sequence: u16) -> Vec<u8> {
    let mut out = Vec::new();
    RtpPacket {
        marker: false,
        payload_type: PayloadType::PCMU,
        sequence: SequenceNumber(sequence),
        time: RtpTime(u32::from(sequence) * 160),
        ssrc,
        contributors: Default::default(),
        extension: None,
        payload: &[0; 160],
    }
    .write(&mut out);
    out
}

#[test]
fn a_minute_of_call_is_reported_on_both_sides() {
    let begin = start();
    let (mut alice, mut bob) = (session(begin, 1), session(begin, 2));
    let delay = Duration::from_millis(40);
    let mut to_alice = Vec::new();
    let mut reports = 0;
    for frame in 0..3_000 {
        let now = begin + FRAME * frame;
        let packet = speak(&mut alice, now, frame);
        if frame % 10 != 7 {
            bob.read(now + delay, &packet).expect("a steady stream");
        }
        let mut rtcp = Vec::new();
        if alice.poll_rtcp(now, &mut rtcp) {
            bob.handle_rtcp(now + delay, &rtcp).expect("our own report");
            reports += 1;
        }
        rtcp.clear();
        if bob.poll_rtcp(now + delay, &mut rtcp) {
            to_alice.push((now + 2 * delay, rtcp));
        }
        for (at, rtcp) in to_alice.extract_if(.., |(at, _)| *at <= now) {
            alice.handle_rtcp(at, &rtcp).expect("our own report");
        }
    }
    // RFC 3550 §6.2: five seconds on average, less what the compensation takes.
    assert!((10..=20).contains(&reports), "{reports} reports in a minute");
    let heard = bob.stats();
    assert_eq!((heard.packets_received, heard.octets_received), (2_700, 432_000));
    assert_eq!(heard.lost, 300);
    assert_eq!(heard.jitter, Duration::ZERO);
    let told = alice.stats();
    assert_eq!((told.packets_sent, told.octets_sent), (3_000, 480_000));
    let rtt = told.rtt.expect("Bob saw a sender report").as_secs_f64();
    assert!((rtt - 0.08).abs() < 0.001, "{rtt}");
    assert!(told.remote_lost.is_some_and(|lost| (200..=300).contains(&lost)), "{:?}", told.remote_lost);
}

#[test]
fn the_first_report_is_early_and_says_receiver_until_something_was_sent() {
    let begin = start();
    let mut bob = session(begin, 3);
    let due = bob.poll_timeout().expect("open sessions report");
    assert!(due - begin < Duration::from_millis(3_100), "half the minimum, randomised: {:?}", due - begin);
    let mut rtcp = Vec::new();
    let mut now = due;
    while !bob.poll_rtcp(now, &mut rtcp) {
        let next = bob.poll_timeout().expect("open sessions report");
        assert!(next > now, "reconsideration moves the deadline");
        now = next;
    }
    let packets: Vec<_> = Compound::parse(&rtcp).expect("our own report").packets().collect();
    assert!(matches!(packets[..], [RtcpPacket::ReceiverReport { .. }, RtcpPacket::SourceDescription(_)]));
}

#[test]
fn bye_ends_both_halves_once() {
    let begin = start();
    let (mut alice, mut bob) = (session(begin, 4), session(begin, 5));
    let packet = speak(&mut alice, begin, 0);
    bob.read(begin, &packet).expect("first packet");
    assert_eq!(bob.poll_event(), Some(RtpEvent::SourceChanged { from: None, to: alice.ssrc() }));
    let mut bye = Vec::new();
    assert!(alice.close(begin, "hung up", &mut bye));
    assert!(!alice.close(begin, "hung up", &mut bye));
    assert_eq!(alice.poll_timeout(), None);
    bob.handle_rtcp(begin, &bye).expect("our own report");
    bob.handle_rtcp(begin, &bye).expect("our own report");
    assert_eq!(bob.poll_event(), Some(RtpEvent::SourceLeft(alice.ssrc())));
    assert_eq!(bob.poll_event(), None);
    // RFC 3550 §6.3.7: whoever sent nothing leaves silently.
    assert!(!bob.close(begin, "hung up", &mut Vec::new()));
}

#[test]
fn another_source_takes_over_only_from_a_silent_one() {
    // Injected packets are dropped and counted while the true source speaks.
    let begin = start();
    let (mut alice, mut bob) = (session(begin, 6), session(begin, 7));
    let other = Ssrc(0x0bad_cafe);
    for frame in 0..20 {
        let now = begin + FRAME * frame;
        let packet = speak(&mut alice, now, frame);
        bob.read(now, &packet).expect("the true source");
        let injected = forged(other, frame as u16);
        assert_eq!(bob.read(now, &injected), Err(RtpError::OtherSource(other)));
    }
    assert_eq!(bob.stats().refused, 20);
    let later = begin + FRAME * 23;
    let next = forged(other, 20);
    let heard = bob.read(later, &next).expect("two in a row, and the old one is silent");
    assert_eq!(heard.continuity, Continuity::NewSource);
    assert_eq!(bob.remote_ssrc(), Some(other));
}

#[test]
fn a_restarted_sender_is_heard_again() {
    let begin = start();
    let mut bob = session(begin, 8);
    for sequence in [1, 2, 3] {
        bob.read(begin, &forged(Ssrc(9), sequence)).expect("steady");
    }
    assert_eq!(bob.read(begin, &forged(Ssrc(9), 30_000)), Err(RtpError::SequenceJump));
    let next = forged(Ssrc(9), 30_001);
    let heard = bob.read(begin, &next).expect("the jump is confirmed");
    assert_eq!(heard.continuity, Continuity::Restarted);
    assert_eq!(bob.stats().lost, 0);
}

#[test]
fn a_collision_changes_our_ssrc_and_a_loop_does_not_do_so_for_ever() {
    let begin = start();
    let mut bob = session(begin, 10);
    let old = bob.ssrc();
    assert_eq!(bob.read(begin, &forged(old, 1)), Err(RtpError::Collision));
    assert_ne!(bob.ssrc(), old);
    assert_eq!(bob.poll_event(), Some(RtpEvent::OwnSsrcChanged { from: old, to: bob.ssrc() }));
    let mut bye = Vec::new();
    assert_eq!(bob.poll_timeout(), Some(begin));
    assert!(bob.poll_rtcp(begin, &mut bye));
    let left = Compound::parse(&bye)
        .expect("our own")
        .packets()
        .any(|it| matches!(it, RtcpPacket::Bye { sources, .. } if sources.iter().eq([old])));
    assert!(left, "the old number is signed off");
    for sequence in 2..50 {
        let own = bob.ssrc();
        assert_eq!(bob.read(begin, &forged(own, sequence)), Err(RtpError::Collision));
    }
    let settled = bob.ssrc();
    assert_eq!(bob.read(begin, &forged(settled, 50)), Err(RtpError::Collision));
    assert_eq!(bob.ssrc(), settled);
}

#[test]
fn same_seed_and_inputs_give_the_same_octets() {
    let begin = start();
    let run = || {
        let mut alice = session(begin, 11);
        let mut out = Vec::new();
        for frame in 0..500 {
            out.extend(speak(&mut alice, begin + FRAME * frame, frame));
            alice.poll_rtcp(begin + FRAME * frame, &mut out);
        }
        out
    };
    assert_eq!(run(), run());
}

/// RFC 3611 §4.4 and §4.5: one who sends nothing learns the round trip by reference times.
#[test]
fn a_listener_learns_the_round_trip_and_the_speaker_what_is_heard() {
    let begin = start();
    let (mut speaker, mut listener) = (session(begin, 6), session(begin, 7));
    listener.extend_reports(true);
    let delay = Duration::from_millis(30);
    let mut on_the_way: Vec<(Instant, bool, Vec<u8>)> = Vec::new();
    for frame in 0..1_500 {
        let now = begin + FRAME * frame;
        let packet = speak(&mut speaker, now, frame);
        listener.read(now, &packet).expect("a steady stream");
        listener.set_voip_metrics(Some(VoipMetrics { r_factor: 77, ..VoipMetrics::unknown(speaker.ssrc()) }));
        for (session, is_speaker) in [(&mut speaker, true), (&mut listener, false)] {
            let mut rtcp = Vec::new();
            if session.poll_rtcp(now, &mut rtcp) {
                on_the_way.push((now + delay, is_speaker, rtcp));
            }
        }
        for (at, is_speaker, rtcp) in on_the_way.extract_if(.., |(at, ..)| *at <= now) {
            let to = if is_speaker { &mut listener } else { &mut speaker };
            to.handle_rtcp(at, &rtcp).expect("our own report");
        }
    }
    let rtt = listener.stats().rtt.expect("the speaker answered").as_secs_f64();
    // What is on its way is looked at once a frame.
    assert!((0.055..0.085).contains(&rtt), "{rtt}");
    assert_eq!(speaker.stats().remote_metrics.map(|metrics| metrics.r_factor), Some(77));
    assert_eq!(listener.stats().remote_metrics, None, "nobody asked the speaker");
    // Its own reports, looped back, tell it nothing.
    let mut looped = session(begin, 8);
    looped.extend_reports(true);
    looped.set_voip_metrics(Some(VoipMetrics::unknown(looped.ssrc())));
    let mut rtcp = Vec::new();
    speak(&mut looped, begin, 0);
    assert!(looped.close(begin, "", &mut rtcp));
    looped.handle_rtcp(begin, &rtcp).expect("well-formed");
    assert_eq!(looped.stats().remote_metrics, None);
}
