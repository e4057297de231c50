//! The levels of audio that packets tell (RFC 6464), and what is passed over by them.

use crate::support::{ALICE, BOB, Call, clean, speech_at};
use ringback_media::{AudioFormat, FrameKind, Law, Opus, level};
use ringback_rtp::{AudioLevel, RtpPacket};
use std::time::Duration;

const ID: u8 = 3;

fn told(format: AudioFormat) -> AudioFormat {
    AudioFormat { level_to_send: Some(ID), level_to_receive: Some(ID), ..format }
}

/// Words of a second with a second of silence behind each.
fn words(rate: u32) -> Vec<i16> {
    let mut said = speech_at(rate, 20.0);
    for (n, sample) in said.iter_mut().enumerate() {
        if n / rate as usize % 2 == 1 {
            *sample = 0;
        }
    }
    said
}

fn level_of(packet: &[u8]) -> Option<AudioLevel> {
    let packet = RtpPacket::parse(packet).expect("RTP");
    AudioLevel::parse(packet.extension?.element(ID)?)
}

#[test]
fn each_packet_tells_how_loud_it_is_and_digits_tell_nothing() {
    let said = words(8_000);
    let mut call = Call::of(&told(AudioFormat::new(Law::Mu)), 8_000, 1, &said);
    let mut levels = Vec::new();
    call.run(Duration::from_secs(20), &mut |n, packet| {
        levels.push(level_of(packet));
        clean(n, packet)
    });
    // Both parties send; Alice's are those that are not silence all along.
    let expected: Vec<u8> = said.chunks(160).map(level).collect();
    let loud = levels.iter().flatten().filter(|it| it.level < 127).count();
    assert_eq!(loud, expected.iter().filter(|level| **level < 127).count());
    let voiced = levels.iter().flatten().filter(|it| it.voice).count();
    assert!((300..900).contains(&voiced), "{voiced} of 500 packets of words");
    call.parties[ALICE].leg.send_digit('1', Duration::from_millis(200)).expect("a digit");
    let mut digits = 0;
    call.run(Duration::from_secs(1), &mut |n, packet| {
        if packet[1] & 0x7f == 101 {
            digits += 1;
            assert_eq!(RtpPacket::parse(packet).expect("RTP").extension, None);
        }
        clean(n, packet)
    });
    assert!(digits >= 10);
    assert_eq!(call.parties[BOB].digits(), "1");
}

#[test]
fn nothing_is_told_where_nothing_was_agreed() {
    let mut call = Call::of(&AudioFormat::new(Law::Mu), 8_000, 1, &words(8_000));
    call.run(Duration::from_secs(2), &mut |n, packet| {
        assert_eq!(RtpPacket::parse(packet).expect("RTP").extension, None);
        clean(n, packet)
    });
}

#[test]
fn silence_is_passed_over_and_words_are_heard_as_before() {
    for (format, rate) in [(AudioFormat::new(Law::Mu), 8_000), (AudioFormat::new(Opus::default()), 48_000)] {
        let said = words(rate);
        let heard = |faintest| {
            let mut call = Call::of(&told(format.clone()), rate, 2, &said);
            call.parties[BOB].leg.pass_over(faintest);
            call.run(Duration::from_secs(20), &mut clean);
            let [_, bob] = call.parties;
            bob
        };
        let (all, some) = (heard(None), heard(Some(55)));
        let silent = some.count(FrameKind::Silence) - all.count(FrameKind::Silence);
        assert!((400..520).contains(&silent), "{silent} frames of 500 silent ones were passed over");
        assert_eq!(some.count(FrameKind::Concealed), 0);
        // Where there are words they are the same, from their first frame on.
        let frame = rate as usize / 50;
        let (mut error, mut power) = (0.0, 0.0);
        for (all, some) in all.played.chunks(frame).zip(some.played.chunks(frame)) {
            if level(all) < 50 {
                power += all.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>();
                error +=
                    all.iter().zip(some).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
            }
        }
        let ratio = 10.0 * (power / error.max(1.0)).log10();
        assert!(ratio > 20.0, "{} differs by {ratio:.1} dB", format.send.name());
    }
}

#[test]
fn what_gets_lost_in_passed_silence_is_silence() {
    let mut call = Call::of(&told(AudioFormat::new(Opus::default())), 48_000, 3, &words(48_000));
    call.parties[BOB].leg.pass_over(Some(55));
    call.run(Duration::from_secs(20), &mut |n, packet| {
        let is_silent = level_of(packet).is_none_or(|it| it.level == 127);
        if is_silent && n % 5 == 0 { Vec::new() } else { clean(n, packet) }
    });
    let bob = &call.parties[BOB];
    let concealed = bob.count(FrameKind::Concealed);
    assert!(concealed < 20, "{concealed} frames of old words in the silence");
}
