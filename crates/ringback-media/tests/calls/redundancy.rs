//! Frames that are repeated with later ones (RFC 2198), through networks that lose packets, on virtual time.

use crate::support::{ALICE, BOB, Call, clean, speech, speech_at};
use ringback_media::{AudioFormat, FrameKind, Law, Opus};
use ringback_rtp::red::Redundant;
use ringback_rtp::{PayloadType, RtpPacket};
use ringback_sansio::{Entropy, SeededEntropy};
use ringback_sdp::Direction;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const RED: PayloadType = PayloadType::new(113).expect("below 128");

fn redundant(format: AudioFormat) -> AudioFormat {
    AudioFormat { red_to_send: Some(RED), red_to_receive: vec![RED], ..format }
}

/// Loses a share of the packets, each for itself.
fn lossy(percent: u64, seed: u64) -> impl FnMut(usize, &mut Vec<u8>) -> Vec<Duration> {
    let mut random = SeededEntropy::new(seed);
    move |_, _| if random.below(100) < percent { Vec::new() } else { vec![Duration::from_millis(20)] }
}

/// Losses that come in heaps of two on average.
fn bursty(percent: u64, seed: u64) -> impl FnMut(usize, &mut Vec<u8>) -> Vec<Duration> {
    let mut random = SeededEntropy::new(seed);
    let mut bad = false;
    move |_, _| {
        bad = if bad { random.below(2) == 0 } else { random.below(20_000) < percent * 100 };
        if bad { Vec::new() } else { vec![Duration::from_millis(20)] }
    }
}

/// The share of what Bob hears that is made up, in per cent, once Alice knows of the losses.
fn concealed(call: &mut Call, network: &mut dyn FnMut(usize, &mut Vec<u8>) -> Vec<Duration>) -> f64 {
    call.run(Duration::from_secs(15), network);
    let begin = call.parties[BOB].kinds.len();
    call.run(MINUTE, network);
    let kinds = &call.parties[BOB].kinds[begin..];
    100.0 * kinds.iter().filter(|it| **it == FrameKind::Concealed).count() as f64 / kinds.len() as f64
}

/// How many frames each packet repeats, over a second.
fn repeats(call: &mut Call, network: &mut dyn FnMut(usize, &mut Vec<u8>) -> Vec<Duration>) -> usize {
    let mut most = 0;
    call.run(Duration::from_secs(1), &mut |n, packet| {
        let sent = RtpPacket::parse(packet).expect("RTP");
        if sent.payload_type == RED {
            most = most.max(Redundant::parse(sent.payload).expect("RED").repeated().count());
        }
        network(n, packet)
    });
    most
}

#[test]
fn a_tenth_of_lost_packets_is_hardly_heard() {
    let opus = AudioFormat::new(Opus::default());
    for (format, rate) in [(AudioFormat::new(Law::Mu), 8_000), (opus, 48_000)] {
        let said = speech_at(rate, 80.0);
        let share = |format: &AudioFormat, network: &mut dyn FnMut(usize, &mut Vec<u8>) -> Vec<Duration>| {
            let mut call = Call::of(format, rate, 3, &said);
            let share = concealed(&mut call, network);
            (share, call)
        };
        let (plain, _) = share(&format, &mut lossy(10, 4));
        let (repaired, call) = share(&redundant(format.clone()), &mut lossy(10, 4));
        assert!((8.0..13.0).contains(&plain), "{plain:.1} %");
        assert!(repaired < plain / 10.0, "{repaired:.2} % instead of {plain:.1} %");
        let stats = call.parties[BOB].leg.stats();
        assert!(stats.lost > 300 && stats.recovered * 10 > stats.lost * 7, "{stats:?}");
        assert!(
            stats.loss().expect("enough came") < 0.03 && stats.delay < Duration::from_millis(140),
            "{stats:?}"
        );
        let (plain, _) = share(&format, &mut bursty(10, 5));
        let (repaired, _) = share(&redundant(format.clone()), &mut bursty(10, 5));
        assert!(repaired < plain / 2.0, "{repaired:.2} % instead of {plain:.1} % in bursts");
    }
}

#[test]
fn what_is_repeated_follows_the_losses() {
    let mut call = Call::of(&redundant(AudioFormat::new(Law::A)), 8_000, 6, &speech(90.0));
    assert_eq!(repeats(&mut call, &mut clean), 0, "nothing is lost");
    let mut few = lossy(4, 1);
    call.run(Duration::from_secs(15), &mut few);
    assert_eq!(repeats(&mut call, &mut few), 1);
    let mut many = lossy(20, 1);
    call.run(Duration::from_secs(15), &mut many);
    assert_eq!(repeats(&mut call, &mut many), 2);
    call.run(Duration::from_secs(30), &mut clean);
    assert_eq!(repeats(&mut call, &mut clean), 0, "and nothing any more");
    assert_eq!(call.parties[ALICE].leg.stats().repeats, 0);
}

#[test]
fn what_is_recovered_is_recorded_as_it_was_said() {
    let said = speech(40.0);
    let mut call = Call::of(&redundant(AudioFormat::new(Law::Mu)), 8_000, 7, &said);
    let mut third =
        |n: usize, _: &mut Vec<u8>| if n % 3 == 1 { vec![] } else { vec![Duration::from_millis(20)] };
    call.run(Duration::from_secs(15), &mut third);
    call.run(Duration::from_secs(25), &mut third);
    let segment = &call.parties[BOB].recorder.segments()[0];
    let early = segment.gaps().iter().filter(|gap| gap.start < 8_000 * 12).count();
    assert!(
        early > 20 && segment.gaps().len() == early,
        "{} gaps, {early} before the report",
        segment.gaps().len()
    );
}

#[test]
fn digits_and_holds_come_between_without_harm() {
    let mut call = Call::of(&redundant(AudioFormat::new(Law::Mu)), 8_000, 8, &speech(60.0));
    let mut network = lossy(10, 9);
    call.run(Duration::from_secs(15), &mut network);
    for _ in 0..5 {
        let alice = &mut call.parties[ALICE].leg;
        alice.send_digit('5', Duration::from_millis(100)).expect("a digit");
        call.run(Duration::from_secs(2), &mut network);
    }
    assert_eq!(call.parties[BOB].digits(), "55555");
    let now = call.begin + call.now;
    for direction in [Direction::RecvOnly, Direction::SendRecv] {
        let alice = &mut call.parties[ALICE].leg;
        let format = alice.format().clone();
        alice.renegotiate(now, format, direction, None);
        call.run(Duration::from_secs(3), &mut network);
    }
    assert_eq!(repeats(&mut call, &mut network), 2);
    assert_eq!(call.parties[BOB].refused, []);
}

#[test]
fn damaged_repetitions_are_refused_and_change_nothing() {
    let mut call = Call::of(&redundant(AudioFormat::new(Law::Mu)), 8_000, 10, &speech(30.0));
    call.run(Duration::from_secs(15), &mut lossy(10, 1));
    let (mut random, mut spoilt) = (SeededEntropy::new(2), 0);
    call.run(Duration::from_secs(10), &mut |n, packet| {
        if packet[1] & 0x7f == RED.number() && n % 4 == 0 {
            spoilt += 1;
            for _ in 0..4 {
                let at = 12 + random.below(9) as usize;
                packet[at] = random.next_u64() as u8;
            }
        }
        clean(n, packet)
    });
    let bob = &call.parties[BOB];
    assert!(spoilt > 50 && !bob.refused.is_empty());
    assert!(bob.leg.stats().delay < Duration::from_millis(250), "{:?}", bob.leg.stats());
}
