//! Calls in each codec: what is heard and recorded, digits, pauses, losses, and a change of codec on the way.

use crate::support::{ALICE, BOB, Call, clean, speech, speech_at, start};
use ringback_media::{
    AudioCodec, AudioFormat, AudioLeg, DamagedPayload, Decoder, Encoder, FrameKind, G722, Incoming, L16, Law,
    LegConfig, LegEvent, Opus, PeerAddress, PlayoutMode, Sent,
};
use ringback_rtp::{PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use ringback_sansio::{Epoch, SeededEntropy};
use ringback_sdp::{Codec, Direction};
use std::time::Duration;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How alike it has to be: Opus keeps how speech sounds, and below the highest rates not its wave.
fn alike(format: &AudioFormat) -> f64 {
    if format.send.name() == "opus" { 0.75 } else { 0.9 }
}

fn formats() -> Vec<AudioFormat> {
    vec![
        AudioFormat::new(Law::Mu),
        AudioFormat::new(G722),
        AudioFormat::new(Opus::default()),
        AudioFormat::new(L16::WIDE),
        AudioFormat::new(L16::FULL),
    ]
}

/// How like each other two sounds are, 0 to 1: the mean over pieces of 400 ms, each where it fits best, up to 200 ms later.
fn likeness(said: &[i16], heard: &[i16], rate: u32) -> f64 {
    let (piece, most) = (rate as usize * 2 / 5, rate as usize / 5);
    let product =
        |a: &[i16], b: &[i16]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let pieces =
        said.chunks_exact(piece).zip((0..).step_by(piece)).filter(|(_, at)| at + piece + most <= heard.len());
    let best: Vec<f64> = pieces
        .map(|(said, at)| {
            let likeness = |delay: usize| {
                let heard = &heard[at + delay..at + delay + piece];
                product(said, heard) / (product(said, said) * product(heard, heard)).sqrt().max(1.0)
            };
            (0..most).step_by(rate as usize / 8_000).map(likeness).fold(0.0, f64::max)
        })
        .collect();
    best.iter().sum::<f64>() / best.len() as f64
}

#[test]
fn every_codec_is_heard_and_recorded_at_every_rate() {
    for format in formats() {
        for rate in [8_000, 16_000, 48_000] {
            let said = speech_at(rate, 2.0);
            let what = format!("{} at {rate} Hz", format.send.name());
            let mut call = Call::of(&format, rate, 1, &said);
            call.run(secs(2), &mut clean);
            let bob = &call.parties[BOB];
            let like = likeness(&said[..said.len() / 2], &bob.played, rate);
            assert!(like > alike(&format), "{what}: heard {like:.3}");
            let begin = bob.kinds.iter().position(|it| *it == FrameKind::Audio).expect("audio");
            assert!(bob.kinds[begin..].iter().all(|it| *it == FrameKind::Audio), "{what}");
            let stats = bob.leg.stats();
            assert_eq!(
                (stats.lost, stats.refused, stats.concealed, stats.jitter),
                Default::default(),
                "{what}"
            );
            assert_eq!(bob.recorder.rate(), Some(format.send.sample_rate()), "{what}");
            let segment = &bob.recorder.segments()[0];
            assert_eq!(segment.start(), call.parties[ALICE].leg.first_time());
            let recorded = segment.samples().len() as f64 / f64::from(format.send.sample_rate());
            assert!((1.9..2.01).contains(&recorded), "{what}: {recorded} s recorded");
            assert!(segment.gaps().is_empty());
        }
    }
}

#[test]
fn packets_of_each_length_that_a_codec_has_are_heard() {
    for format in formats() {
        for ptime in [10, 20, 30, 40, 60] {
            let ptime = format.send.codec.packet_time(Duration::from_millis(ptime));
            let rate = format.send.sample_rate();
            let said = speech_at(rate, 2.0);
            let mut call = Call::of(&format, rate, 2, &said);
            call.set_ptime(ptime);
            call.run(secs(2), &mut clean);
            let bob = &call.parties[BOB];
            let like = likeness(&said[..said.len() / 2], &bob.played, rate);
            assert!(like > alike(&format), "{} in {ptime:?}: {like:.3}", format.send.name());
            assert_eq!(bob.count(FrameKind::Concealed), 0, "{} in {ptime:?}", format.send.name());
        }
    }
}

#[test]
fn digits_count_by_the_clock_of_the_codec() {
    for format in [AudioFormat::new(Opus::default()), AudioFormat::new(G722), AudioFormat::new(L16::WIDE)] {
        let mut call = Call::of(&format, 16_000, 3, &speech_at(16_000, 5.0));
        call.run(secs(1), &mut clean);
        for key in "42#".chars() {
            call.parties[ALICE].leg.send_digit(key, Duration::from_millis(100)).expect("sent");
        }
        // Longer than one segment of 16 bits at 48 kHz.
        call.parties[ALICE].leg.send_digit('9', Duration::from_millis(2_000)).expect("sent");
        call.run(secs(4), &mut clean);
        let bob = &call.parties[BOB];
        let lengths: Vec<(char, u128)> = bob
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                LegEvent::DigitEnded(digit, length) => Some((*digit, length.as_millis())),
                _ => None,
            })
            .collect();
        assert_eq!(lengths, [('4', 100), ('2', 100), ('#', 100), ('9', 2_000)], "{}", format.send.name());
        assert_eq!((bob.leg.stats().lost, bob.count(FrameKind::Concealed)), (0, 0));
    }
}

#[test]
fn losses_are_reported_and_the_coder_follows() {
    let mut call = Call::of(&AudioFormat::new(Opus::default()), 16_000, 4, &speech_at(16_000, 60.0));
    let begin = call.parties[ALICE].leg.stats().bit_rate.expect("a rate that can be chosen");
    call.run(secs(30), &mut |n, packet| if n % 3 == 1 { Vec::new() } else { clean(n, packet) });
    let lossy = call.parties[ALICE].leg.stats().bit_rate.expect("a rate that can be chosen");
    assert!(lossy < begin * 3 / 4, "{lossy} of {begin} bit/s with a third lost");
    call.run(secs(60), &mut clean);
    let after = call.parties[ALICE].leg.stats().bit_rate.expect("a rate that can be chosen");
    assert!(after > lossy, "{after} after {lossy} bit/s");
    let stats = call.parties[ALICE].leg.stats();
    assert!(stats.remote_mos() < Some(4.0), "{stats:?}");
}

/// A codec of an application's own: Opus whose coder counts on losses from the first packet, and whose decoder may not repair them.
#[derive(Debug)]
struct Prepared {
    repairs: bool,
}

impl AudioCodec for Prepared {
    fn description(&self) -> Codec {
        Codec::opus()
    }

    fn sample_rates(&self) -> &[u32] {
        &[16_000]
    }

    fn ticks(&self, payload: &[u8]) -> Option<u32> {
        Opus::default().ticks(payload)
    }

    fn encoder(&self, rate: u32, _: &Codec) -> Box<dyn Encoder> {
        let described = Opus::default().description();
        let mut encoder = Opus::default().encoder(rate, &described);
        encoder.adapt(0.1);
        Box::new(Steady(encoder))
    }

    fn decoder(&self, rate: u32) -> Box<dyn Decoder> {
        let decoder = Opus::default().decoder(rate);
        if self.repairs { decoder } else { Box::new(Unrepaired(decoder)) }
    }
}

/// Does not listen to reports, so that it makes the same packets in every call.
#[derive(Debug)]
struct Steady(Box<dyn Encoder>);

impl Encoder for Steady {
    fn encode(&mut self, samples: &[i16], payload: &mut Vec<u8>) {
        self.0.encode(samples, payload);
    }
}

#[derive(Debug)]
struct Unrepaired(Box<dyn Decoder>);

impl Decoder for Unrepaired {
    fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) -> Result<(), DamagedPayload> {
        self.0.decode(payload, samples)
    }

    fn conceal(&mut self, length: usize, _: Option<&[u8]>, samples: &mut Vec<i16>) -> bool {
        self.0.conceal(length, None, samples)
    }
}

#[test]
fn a_lost_packet_is_heard_from_the_next_one() {
    let heard = |repairs: bool, loses: bool| {
        let format = AudioFormat::new(Prepared { repairs });
        let mut call = Call::of(&format, 16_000, 5, &speech_at(16_000, 10.0));
        call.run(secs(10), &mut |n, packet| if loses && n % 10 == 7 { Vec::new() } else { clean(n, packet) });
        let [_, bob] = call.parties;
        (bob.played, bob.leg.stats().concealed)
    };
    let (whole, _) = heard(true, false);
    let error = |(played, concealed): (Vec<i16>, Duration)| -> f64 {
        assert!((900..1_100).contains(&concealed.as_millis()), "{concealed:?} of ten seconds");
        whole.iter().zip(&played).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
    };
    let (repaired, made_up) = (error(heard(true, true)), error(heard(false, true)));
    assert!(repaired < made_up * 0.75, "{repaired:.3e} of {made_up:.3e}");
}

#[test]
fn silence_is_not_sent_where_it_may_be_left_out() {
    let format = AudioFormat::new(Opus { pauses: true });
    let mut said = speech_at(16_000, 2.0);
    said.resize(16_000 * 6, 0);
    said.extend(speech_at(16_000, 2.0));
    let mut call = Call::of(&format, 16_000, 6, &said);
    call.run(secs(8), &mut clean);
    let paused = call.parties[ALICE].sent.iter().filter(|(_, sent)| *sent == Sent::Pause).count();
    assert!(paused > 120, "{paused} of 200 frames of silence were left out");
    let bob = &call.parties[BOB];
    assert_eq!(bob.leg.stats().lost, 0);
    let concealed = bob.count(FrameKind::Concealed);
    assert!(concealed <= 3, "{concealed} frames concealed: a pause is no loss");
    let like = likeness(&said[16_000 * 6..], &bob.played[16_000 * 6..], 16_000);
    assert!(like > 0.75, "speech after the pause: {like:.3}");
}

#[test]
fn the_codec_changes_in_the_middle_of_a_call() {
    let rate = 48_000;
    let said = speech_at(rate, 9.0);
    // Both take all of them, and send one after the other.
    let all: Vec<_> = formats().iter().map(|format| format.send.clone()).collect();
    let with = |format: AudioFormat| AudioFormat { receive: all.clone(), ..format };
    let [opus, narrow, wide] =
        [AudioFormat::new(Opus::default()), AudioFormat::new(Law::Mu), AudioFormat::new(G722)].map(with);
    let mut call = Call::of(&opus, rate, 7, &said);
    call.run(secs(3), &mut clean);
    for format in [narrow, wide] {
        let now = call.begin + call.now;
        for party in [ALICE, BOB] {
            call.parties[party].leg.renegotiate(now, format.clone(), Direction::SendRecv, None);
        }
        call.run(secs(3), &mut clean);
        let at = said.len() / 9 * (call.now.as_secs() as usize - 2);
        let like = likeness(&said[at..at + rate as usize], &call.parties[BOB].played[at..], rate);
        assert!(like > alike(&format), "{}: {like:.3}", format.send.name());
    }
    let bob = &call.parties[BOB];
    assert_eq!(bob.leg.stats().refused, 0);
    assert!(bob.count(FrameKind::Concealed) <= 8, "{}", bob.count(FrameKind::Concealed));
    // Each format is a segment of its own, at the rate of the first.
    let lengths: Vec<usize> =
        bob.recorder.segments().iter().map(|it| it.samples().len() / rate as usize).collect();
    assert_eq!(lengths, [3, 3, 3], "seconds");
}

#[test]
fn a_fixed_delay_stays_and_nothing_is_stretched() {
    let mut call = Call::new(Law::A, 8, &speech(20.0));
    call.restart_bob(PlayoutMode::Fixed(Duration::from_millis(100)));
    let mut seed = 5_u32;
    call.run(secs(20), &mut |_, _| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        vec![Duration::from_millis(u64::from(seed >> 24) % 60)]
    });
    let bob = &call.parties[BOB];
    assert_eq!(bob.count(FrameKind::Altered), 0);
    assert_eq!(bob.count(FrameKind::Concealed), 0);
    let delay = bob.leg.stats().delay;
    assert!((90..=125).contains(&delay.as_millis()), "{delay:?}");
}

#[test]
fn comfort_noise_is_heard_while_the_peer_pauses() {
    let begin = start();
    let peer = "192.0.2.9:9000".parse().expect("an address");
    let noise = PayloadType::new(13).expect("a number");
    let mut format = AudioFormat::new(Law::Mu);
    format.noise_to_receive = vec![noise];
    let config = LegConfig {
        format,
        direction: Direction::SendRecv,
        peer: Some(PeerAddress { rtp: peer, rtcp: peer, rtcp_mux: true }),
        cname: "x".into(),
        epoch: Epoch { at: begin, unix: Duration::from_secs(1_800_000_000) },
        rate: 8_000,
        playout: PlayoutMode::Adaptive,
    };
    let mut leg = AudioLeg::new(begin, config, &mut SeededEntropy::new(1)).expect("a rate");
    let mut levels = Vec::new();
    for n in 0..200_u32 {
        let now = begin + Duration::from_millis(20) * n;
        // A second of silence in packets, then noise 40 decibels below overload, then speech of zeroes again.
        let packet = match n {
            0..50 | 150.. => Some((PayloadType::PCMU, vec![0xff; 160])),
            50 => Some((noise, vec![40])),
            _ => None,
        };
        if let Some((payload_type, payload)) = packet {
            let sequence = SequenceNumber(if n >= 150 { n - 99 } else { n } as u16);
            let mut datagram = Vec::new();
            RtpPacket {
                marker: n == 150,
                payload_type,
                sequence,
                time: RtpTime(n * 160),
                ssrc: Ssrc(7),
                contributors: Default::default(),
                extension: None,
                payload: &payload,
            }
            .write(&mut datagram);
            let received = leg.receive(now, peer, &mut datagram).expect("agreed on");
            assert_eq!(n == 50, matches!(received, Incoming::Noise));
        }
        let mut frame = [0; 160];
        let kind = leg.next_frame(now, &mut frame);
        assert_ne!(kind, FrameKind::Concealed, "frame {n}");
        levels.push(ringback_media::level(&frame));
    }
    assert!(levels[20..48].iter().all(|level| *level == 127), "{levels:?}");
    assert!(levels[80..145].iter().all(|level| (37..=43).contains(level)), "{levels:?}");
    assert!(levels[165..].iter().all(|level| *level == 127), "{levels:?}");
}
