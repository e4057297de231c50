//! What is coded once for many legs, and what legs tell each other of their speech.

use ringback_media::{
    AudioCodec, AudioFormat, AudioLeg, AudioSource, Coded, CommonCoders, G722, Incoming, Law, LegConfig,
    Opus, PeerAddress, PlayoutMode, Sent,
};
use ringback_sansio::{Epoch, SeededEntropy};
use ringback_sdp::Direction;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const RATE: u32 = 16_000;
const FRAME: usize = 320;
const PERIOD: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

fn address(n: u8) -> SocketAddr {
    ([192, 0, 2, n], 4_000).into()
}

fn leg(begin: Instant, format: &AudioFormat, own: u8, peer: u8) -> AudioLeg {
    let to = address(peer);
    let config = LegConfig {
        format: format.clone(),
        direction: Direction::SendRecv,
        peer: Some(PeerAddress { rtp: to, rtcp: to, rtcp_mux: true }),
        cname: "x".into(),
        epoch: Epoch { at: begin, unix: Duration::from_secs(1_800_000_000) },
        rate: RATE,
        playout: PlayoutMode::Adaptive,
    };
    AudioLeg::new(begin, config, &mut SeededEntropy::new(own.into())).expect("a rate")
}

/// A tone from one leg to the other, coded by the leg itself or in common as `is_common` says for each period; what is heard.
fn heard(format: &AudioFormat, is_common: impl Fn(usize) -> bool) -> Vec<i16> {
    let begin = start();
    let (mut from, mut to) = (leg(begin, format, 1, 2), leg(begin, format, 2, 1));
    let mut coders = CommonCoders::new(RATE);
    let (mut source, mut frame, mut out) = (AudioSource::tone(440.0, -10.0), [0; FRAME], Vec::new());
    for period in 0..100 {
        let now = begin + PERIOD * period as u32;
        source.fill(RATE, &mut frame);
        coders.begin(&frame);
        let coded: Option<Coded> = from.shared_format().and_then(|format| coders.code(format));
        let mut packet = Vec::new();
        let sent = match coded.filter(|_| is_common(period)) {
            Some(coded) => from.send_coded(now, &frame, &coded, &mut packet),
            None => from.send_frame(now, &frame, &mut packet),
        };
        assert_eq!(sent, Sent::Audio);
        assert!(matches!(to.receive(now, address(1), &mut packet), Ok(Incoming::Audio { .. })));
        to.next_frame(now, &mut frame);
        out.extend(frame);
    }
    out
}

/// The greatest difference of a sample from the line between its neighbours.
fn roughness(samples: &[i16]) -> i32 {
    let bend = |it: &[i16]| (i32::from(it[0]) + i32::from(it[2]) - 2 * i32::from(it[1])).abs();
    samples.windows(3).map(bend).max().unwrap_or(0)
}

#[test]
fn a_leg_goes_over_to_common_coders_and_back_without_a_click() {
    for codec in [Arc::new(Opus::default()) as Arc<dyn AudioCodec>, Arc::new(G722), Arc::new(Law::A)] {
        let format = AudioFormat::of(codec);
        let (own, changing) = (heard(&format, |_| false), heard(&format, |period| period / 10 % 2 == 1));
        let quiet = FRAME * 20;
        let (whole, changed) = (roughness(&own[quiet..]), roughness(&changing[quiet..]));
        assert!(changed <= whole * 2 + 200, "{}: {changed} beside {whole}", format.send.name());
        // Within a decibel: a coder takes some packets to settle on a tone.
        let power = |it: &[i16]| it.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>();
        let share = power(&changing[quiet..]) / power(&own[quiet..]);
        assert!((0.8..1.25).contains(&share), "{}: {share:.2} of the power", format.send.name());
    }
}

#[test]
fn common_coders_code_once_for_all_of_one_format() {
    let begin = start();
    let opus = AudioFormat::new(Opus::default());
    let (one, other) = (leg(begin, &opus, 1, 2), leg(begin, &opus, 3, 4));
    let mut coders = CommonCoders::new(RATE);
    coders.begin(&[500; FRAME]);
    let coded = |coders: &mut CommonCoders, leg: &AudioLeg| {
        let coded = leg.shared_format().and_then(|format| coders.code(format)).expect("few formats");
        format!("{coded:?}")
    };
    assert_eq!(coded(&mut coders, &one), coded(&mut coders, &other));
    // What is coded in another format is not sent as it is.
    let law = AudioFormat::new(Law::A);
    let mut third = leg(begin, &law, 5, 6);
    let wrong = one.shared_format().and_then(|format| coders.code(format)).expect("few formats");
    let mut packet = Vec::new();
    assert_eq!(third.send_coded(begin, &[500; FRAME], &wrong, &mut packet), Sent::Audio);
    assert_eq!(packet.len(), 12 + 160, "G.711 of its own");
}

#[test]
fn each_side_tells_the_other_how_its_speech_comes_through() {
    let begin = start();
    let format = AudioFormat { extended_reports: true, ..AudioFormat::new(Law::A) };
    let mut legs = [leg(begin, &format, 1, 2), leg(begin, &format, 2, 1)];
    let (mut source, mut frame) = (AudioSource::tone(440.0, -10.0), [0; FRAME]);
    for period in 0..1_000 {
        let now = begin + PERIOD * period;
        source.fill(RATE, &mut frame);
        for from in 0..2 {
            let (mut packet, mut report) = (Vec::new(), Vec::new());
            legs[from].send_frame(now, &frame, &mut packet);
            let has_report = legs[from].poll_rtcp(now, &mut report);
            let [a, b] = &mut legs;
            let (to, source) = if from == 0 { (b, address(1)) } else { (a, address(2)) };
            // Of what the first says, three in a row are lost every second.
            if from == 1 || period % 50 > 2 {
                to.receive(now, source, &mut packet).expect("speech");
            }
            if has_report {
                to.receive(now, source, &mut report).expect("a report");
            }
        }
        legs.iter_mut().for_each(|leg| {
            leg.next_frame(now, &mut [0; FRAME]);
        });
    }
    let told = legs[0].stats().remote_metrics.expect("the second tells");
    assert_eq!(told.ssrc, legs[0].ssrc());
    assert!((10..=20).contains(&told.loss_rate), "three of fifty: {told:?}");
    assert!(told.bursts.burst_density > 200 && told.bursts.burst_duration >= 40, "{told:?}");
    assert!(told.mos_conversation < 43, "{told:?}");
    let well = legs[1].stats().remote_metrics.expect("the first tells");
    assert_eq!((well.loss_rate, well.bursts.burst_density), (0, 0));
    assert!(well.mos_conversation >= 43 && well.r_factor > 85, "{well:?}");
    // The opinion of a peer is its own word.
    assert_eq!(legs[0].stats().remote_mos(), Some(f64::from(told.mos_conversation) / 10.0));
}
