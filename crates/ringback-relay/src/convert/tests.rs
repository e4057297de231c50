//! Two sides that do not speak the same.

use super::*;
use crate::start;
use proptest::prelude::*;
use ringback_media::{AudioCodec, DtmfDetector, DtmfSender, G722, Law, Opus};
use ringback_rtp::event::{Event, EventPayload, EventReceiver, EventReport};
use ringback_rtp::{PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use ringback_sdp::Codec;
use std::time::Duration;

/// A side that speaks one codec, and events or not.
fn side(codec: &dyn AudioCodec, has_events: bool) -> SideFormats {
    let description = codec.description();
    let events = has_events.then(|| Codec::telephone_event_beside(description.clock_rate()));
    let formats: Vec<Codec> = [description].into_iter().chain(events).collect();
    SideFormats { sends: formats.clone(), takes: formats, ptime: None }
}

/// A voice of sorts at `rate`: a gliding sawtooth without its edges.
fn voice(rate: u32, seconds: f64) -> Vec<i16> {
    let mut phase = 0.0;
    (0..(f64::from(rate) * seconds) as usize)
        .map(|n| {
            let t = n as f64 / f64::from(rate);
            phase += (140.0 + 25.0 * (t * 2.0).sin()) / f64::from(rate);
            let harmonics =
                (1..14).map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k));
            (harmonics.sum::<f64>() * 6_000.0) as i16
        })
        .collect()
}

/// The packets of a sender whose clock begins at `time`.
fn packets(codec: &dyn AudioCodec, rate: u32, said: &[i16], milliseconds: u32) -> Vec<Vec<u8>> {
    let description = codec.description();
    let mut encoder = codec.encoder(rate, &description);
    let step = description.clock_rate() * milliseconds / 1_000;
    let frames = said.chunks_exact((rate * milliseconds / 1_000) as usize);
    frames
        .zip(0u32..)
        .map(|(frame, at)| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload);
            packet(&description, at as u16, 5_000 + at * step, &payload)
        })
        .collect()
}

fn packet(codec: &Codec, number: u16, time: u32, payload: &[u8]) -> Vec<u8> {
    let packet = RtpPacket {
        marker: number == 0,
        payload_type: PayloadType::new(codec.payload_type()).unwrap(),
        sequence: SequenceNumber(number),
        time: RtpTime(time),
        ssrc: Ssrc(77),
        contributors: ringback_rtp::Contributors::default(),
        extension: None,
        payload,
    };
    let mut octets = Vec::new();
    packet.write(&mut octets);
    octets
}

/// What comes out for the callee, of what the caller sends.
fn through(conversion: &mut Conversion, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut out, mut buffer) = (Vec::new(), vec![0; 2_000]);
    for packet in packets {
        let mut packet = packet.clone();
        match conversion.take(Side::Caller, &mut packet) {
            Taken::AsItIs => out.push(packet),
            Taken::Converted => {
                while let Some(length) = conversion.poll(Side::Caller, &mut buffer) {
                    out.push(buffer[..length].to_vec());
                }
            }
            Taken::Unknown => {}
        }
    }
    out
}

/// What a listener hears of packets that follow each other, at `rate`; numbers and times must be without a gap.
fn heard(codec: &dyn AudioCodec, rate: u32, packets: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = codec.decoder(rate);
    let mut samples = Vec::new();
    let mut next: Option<(SequenceNumber, RtpTime)> = None;
    for octets in packets {
        let packet = RtpPacket::parse(octets).unwrap();
        assert_eq!(packet.payload_type.number(), codec.description().payload_type());
        assert_eq!(packet.ssrc, Ssrc(77));
        let ticks = codec.ticks(packet.payload).unwrap();
        if let Some(next) = next {
            assert_eq!((packet.sequence, packet.time), next);
        }
        next = Some((packet.sequence.next(), packet.time.plus(ticks)));
        decoder.decode(packet.payload, &mut samples).unwrap();
    }
    samples
}

/// The correlation with what was said, at the best of all delays up to 30 ms, from a moment in which coders have found their way.
fn likeness(said: &[i16], heard: &[i16], rate: u32) -> f64 {
    let product =
        |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let begin = rate as usize / 5;
    (0..rate as usize * 30 / 1_000)
        .map(|delay| {
            let (a, b) = (&said[begin..said.len() - delay], &heard[(begin + delay).min(heard.len())..]);
            let length = a.len().min(b.len());
            let (a, b) = (&a[..length], &b[..length]);
            product(a, b) / (product(a, a) * product(b, b)).sqrt().max(1.0)
        })
        .fold(-1.0, f64::max)
}

fn pairs() -> Vec<(Box<dyn AudioCodec>, Box<dyn AudioCodec>)> {
    vec![
        (Box::new(Opus::default()), Box::new(Law::A)),
        (Box::new(Law::Mu), Box::new(Opus::default())),
        (Box::new(Law::Mu), Box::new(G722)),
        (Box::new(G722), Box::new(Law::Mu)),
        (Box::new(G722), Box::new(Opus::default())),
        (Box::new(Opus::default()), Box::new(G722)),
        (Box::new(Law::Mu), Box::new(Law::A)),
    ]
}

#[test]
fn speech_comes_through_between_all_codecs_and_packet_times() {
    for (from, to) in pairs() {
        let (from, to) = (from.as_ref(), to.as_ref());
        let rate = |codec: &dyn AudioCodec| {
            codec.sample_rates().iter().copied().filter(|it| *it <= 16_000).max().unwrap()
        };
        let (own, other) = (rate(from), rate(to));
        let length = if from.description().is_named("opus") { 20 } else { 30 };
        for milliseconds in [length, 20] {
            let sent = packets(from, own, &voice(own, 3.0), milliseconds);
            let mut conversion = Conversion::new([side(from, true), side(to, true)]);
            assert!(conversion.is_due() && conversion.wants(Side::Caller, &sent[0]));
            let out = through(&mut conversion, &sent);
            let heard = heard(to, other, &out);
            let likeness = likeness(&voice(other, 3.0), &heard, other);
            assert!(likeness > 0.7, "{from:?} to {to:?}, {milliseconds} ms: {likeness:.3}");
        }
    }
}

#[test]
fn what_is_lost_is_made_up_and_what_is_swapped_is_put_right() {
    let mut sent = packets(&Opus::default(), 16_000, &voice(16_000, 3.0), 20);
    sent.swap(40, 41);
    for lost in [60, 80, 81, 110] {
        sent[lost].clear();
    }
    sent.retain(|packet| !packet.is_empty());
    let out = through(&mut Conversion::new([side(&Opus::default(), true), side(&Law::A, true)]), &sent);
    // Nothing is missing for who listens.
    let heard = heard(&Law::A, 8_000, &out);
    assert_eq!(heard.len(), 150 * 160);
    let likeness = likeness(&voice(8_000, 3.0), &heard, 8_000);
    assert!(likeness > 0.6, "{likeness:.3}");
}

#[test]
fn a_pause_stays_as_long_as_it_was() {
    let mut sent = packets(&Law::Mu, 8_000, &voice(8_000, 0.4), 20);
    for (at, packet) in (0u32..).zip(&mut sent).skip(10) {
        packet[4..8].copy_from_slice(&(5_000 + at * 160 + 16_000).to_be_bytes());
    }
    let out = through(&mut Conversion::new([side(&Law::Mu, true), side(&Opus::default(), true)]), &sent);
    let times: Vec<u32> = out.iter().map(|it| RtpPacket::parse(it).unwrap().time.0).collect();
    assert_eq!(out.len(), 20);
    assert_eq!(times[10] - times[9], 960 + 96_000);
    let markers = out.iter().filter(|it| RtpPacket::parse(it).unwrap().marker).count();
    assert_eq!(markers, 2, "each talkspurt begins once");
}

#[test]
fn a_sender_that_begins_anew_goes_on_for_who_listens() {
    let mut sent = packets(&Law::Mu, 8_000, &voice(8_000, 0.4), 20);
    for (at, packet) in (0u16..).zip(&mut sent).skip(10) {
        packet[2..4].copy_from_slice(&(40_000 + at).to_be_bytes());
        packet[4..8].copy_from_slice(&(3_000_000_000 + u32::from(at) * 160).to_be_bytes());
    }
    let out = through(&mut Conversion::new([side(&Law::Mu, true), side(&Opus::default(), true)]), &sent);
    assert_eq!(heard(&Opus::default(), 8_000, &out).len(), 20 * 160);
}

#[test]
fn packets_that_are_understood_pass_until_the_first_that_is_not() {
    let both =
        SideFormats { sends: vec![Codec::pcmu(), Codec::opus()], takes: vec![Codec::pcmu()], ptime: None };
    let mut conversion = Conversion::new([both, side(&Law::Mu, false)]);
    assert!(!conversion.is_due());
    let plain = packets(&Law::Mu, 8_000, &voice(8_000, 0.2), 20);
    assert_eq!(through(&mut conversion, &plain), plain);
    let mut wide = packets(&Opus::default(), 8_000, &voice(8_000, 0.2), 20);
    for (at, packet) in (10u16..).zip(&mut wide) {
        packet[2..4].copy_from_slice(&at.to_be_bytes());
    }
    assert!(conversion.wants(Side::Caller, &wide[0]) && !conversion.wants(Side::Caller, &plain[0]));
    let out = through(&mut conversion, &wide);
    assert_eq!(heard(&Law::Mu, 8_000, &out).len(), 10 * 160);
    assert_eq!(RtpPacket::parse(&out[0]).unwrap().sequence, SequenceNumber(10));
    // What was never agreed on goes nowhere.
    assert!(through(&mut conversion, &packets(&G722, 16_000, &voice(16_000, 0.1), 20)).is_empty());
}

#[test]
fn events_are_said_as_tones_to_who_knows_none() {
    let (events, law) = (Codec::telephone_event(), Law::A);
    let mut sent = packets(&law, 8_000, &vec![0; 1_600], 20);
    for (at, digit) in [(10u16, '5'), (30, '#')] {
        for n in 0..8u16 {
            let payload = EventPayload {
                event: Event::from_digit(digit).unwrap(),
                end: n >= 5,
                volume: 10,
                duration: 160 * (n + 1).min(6),
            };
            sent.push(packet(&events, at + n, 5_000 + u32::from(at) * 160, &payload.octets()));
        }
        let silence = packets(&law, 8_000, &vec![0; 160 * 12], 20);
        sent.extend(silence.into_iter().zip(at + 8..).map(|(mut packet, number)| {
            packet[2..4].copy_from_slice(&number.to_be_bytes());
            packet[4..8].copy_from_slice(&(5_000 + u32::from(number) * 160).to_be_bytes());
            packet
        }));
    }
    for to in [&law as &dyn AudioCodec, &Opus::default()] {
        let mut conversion = Conversion::new([side(&law, true), side(to, false)]);
        let out = through(&mut conversion, &sent);
        let (mut decoder, mut samples) = (to.decoder(8_000), Vec::new());
        out.iter()
            .for_each(|it| decoder.decode(RtpPacket::parse(it).unwrap().payload, &mut samples).unwrap());
        let mut digits = Vec::new();
        DtmfDetector::new(8_000).hear(&samples, &mut digits);
        assert_eq!(digits, ['5', '#'], "{to:?}");
    }
}

#[test]
fn tones_are_said_as_events_to_who_awaits_them() {
    let mut sender = DtmfSender::new();
    assert!("19*".chars().all(|digit| sender.push(digit, Duration::from_millis(100))));
    let mut sound = vec![0; 160 * 40];
    sender.say(8_000, &mut sound[320..]);
    for to in [&Law::Mu as &dyn AudioCodec, &Opus::default()] {
        let clock = to.description().clock_rate();
        let mut conversion = Conversion::new([side(&Law::Mu, false), side(to, true)]);
        let out = through(&mut conversion, &packets(&Law::Mu, 8_000, &sound, 20));
        let events = Codec::telephone_event_beside(clock).payload_type();
        let (mut receiver, mut digits, mut now) = (EventReceiver::new(), String::new(), start());
        for octets in &out {
            let packet = RtpPacket::parse(octets).unwrap();
            if packet.payload_type.number() == events {
                receiver.receive(now, packet.time, packet.payload);
            }
            now += Duration::from_millis(20);
            while let Some(report) = receiver.poll() {
                if let EventReport::Ended(event, ticks) = report {
                    digits.extend(event.digit());
                    let length = ticks * 1_000 / u64::from(clock);
                    assert!((60..=140).contains(&length), "{length} ms");
                }
            }
        }
        assert_eq!(digits, "19*", "{to:?}");
        let numbers: Vec<u16> = out.iter().map(|it| RtpPacket::parse(it).unwrap().sequence.0).collect();
        assert!(numbers.windows(2).all(|it| it[1] == it[0] + 1), "{numbers:?}");
    }
}

#[test]
fn reports_tell_the_time_of_who_listens() {
    let mut conversion = Conversion::new([side(&Law::Mu, true), side(&Opus::default(), true)]);
    let out = through(&mut conversion, &packets(&Law::Mu, 8_000, &voice(8_000, 1.0), 20));
    let mut report = [vec![0x80, 200, 0, 6], vec![0; 24], vec![0x80, 201, 0, 1, 0, 0, 0, 77]].concat();
    report[16..20].copy_from_slice(&(5_000u32 + 40 * 160).to_be_bytes());
    conversion.report(Side::Caller, &mut report);
    let time = u32::from_be_bytes([report[16], report[17], report[18], report[19]]);
    assert_eq!(time, RtpPacket::parse(&out[40]).unwrap().time.0);
    assert_eq!(report[20..24], 50u32.to_be_bytes());
    // One that lies about its length changes nothing and breaks nothing.
    let mut lie = vec![0x80, 200, 255, 255, 1, 2, 3];
    conversion.report(Side::Caller, &mut lie);
    assert_eq!(lie, [0x80, 200, 255, 255, 1, 2, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes, little is made of it, and what is made can be read.
    #[test]
    fn hostile_packets_make_no_flood(
        sent in prop::collection::vec(
            (0u8..3, any::<u16>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..400)), 1..40)
    ) {
        let mut conversion = Conversion::new([side(&Opus::default(), true), side(&Law::A, false)]);
        for (kind, number, time, payload) in sent {
            let codec = [Codec::opus(), Codec::telephone_event_beside(48_000), Codec::pcmu()][usize::from(kind)].clone();
            let out = through(&mut conversion, &[packet(&codec, number % 64, time, &payload)]);
            prop_assert!(out.len() <= 64, "{} packets", out.len());
            for octets in &out {
                prop_assert!(RtpPacket::parse(octets).is_ok() && octets.len() < 1_300);
            }
        }
    }
}

#[test]
fn packets_are_as_long_as_who_listens_asks_for_and_never_out_of_reason() {
    for (codec, rate, asked, given) in [
        (&Law::Mu as &dyn AudioCodec, 8_000, Some(30), 30),
        (&Law::Mu, 8_000, Some(10), 10),
        (&G722, 16_000, Some(60), 60),
        // Hostile ones.
        (&Law::Mu, 8_000, Some(0), 10),
        (&Law::Mu, 8_000, Some(3_600_000), 60),
        // Opus has no packets of 30 ms.
        (&Opus::default(), 8_000, Some(30), 20),
        (&Law::Mu, 8_000, None, 20),
    ] {
        let from: &dyn AudioCodec = if codec.description().is_named("PCMU") { &G722 } else { &Law::Mu };
        let own_rate = if from.description().is_named("G722") { 16_000 } else { 8_000 };
        let said = voice(own_rate, 1.0);
        let ptime = asked.map(Duration::from_millis);
        let callee = SideFormats { ptime, ..side(codec, false) };
        let mut conversion = Conversion::new([side(from, false), callee]);
        let out = through(&mut conversion, &packets(from, own_rate, &said, 20));
        let ticks = codec.description().clock_rate() * given / 1_000;
        let lengths = out.iter().map(|it| codec.ticks(RtpPacket::parse(it).unwrap().payload).unwrap());
        assert!(lengths.clone().count() >= 16, "{asked:?}");
        assert!(lengths.clone().all(|it| it == ticks), "{asked:?}: {:?}", lengths.collect::<Vec<_>>());
        assert!(heard(codec, rate, &out).len() > rate as usize * 9 / 10);
    }
}

#[test]
fn the_coder_of_opus_repeats_for_a_listener_who_loses_packets() {
    let opus = Opus::default();
    let said = voice(8_000, 4.0);
    let sent = packets(&Law::Mu, 8_000, &said, 20);
    let size = |reports: bool| {
        let mut conversion = Conversion::new([side(&Law::Mu, false), side(&opus, false)]);
        let mut octets = 0;
        for second in sent.chunks(50) {
            octets = through(&mut conversion, second).iter().map(Vec::len).sum();
            if reports {
                // A receiver report: half of what 77 sends is lost.
                let mut report = [&[0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 77, 128][..], &[0; 19]].concat();
                conversion.report(Side::Callee, &mut report);
                // And one of somebody else, who means somebody else.
                let mut other = [&[0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 78, 0][..], &[0; 19]].concat();
                conversion.report(Side::Callee, &mut other);
            }
        }
        octets
    };
    let (usual, lossy) = (size(false), size(true));
    assert!(lossy * 10 < usual * 9, "less is sent where half is lost: {lossy} of {usual} octets");
}
