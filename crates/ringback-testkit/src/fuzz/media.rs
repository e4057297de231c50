//! Laws of the media packets, and of the files that hold them.

use ringback_media::{AudioCodecs, AudioFile, AudioFormat, RecorderLimits, TimestampRecorder, read_wav};
use ringback_rtp::event::{EventReceiver, EventReport};
use ringback_rtp::jitter::{JitterBuffer, JitterConfig, MAX_PACKETS, Repeated};
use ringback_rtp::red::Redundant;
use ringback_rtp::rtcp::{Compound, Feedback, RtcpPacket, write_transport_feedback};
use ringback_rtp::text::{ERASE, TextReceiver, TextSender, Transcript};
use ringback_rtp::{
    Datagram, Element, Extension, PayloadType, RtpConfig, RtpPacket, RtpSession, RtpTime, SequenceNumber,
    Ssrc,
};
use ringback_sansio::{Epoch, SeededEntropy};
use ringback_trace::{Calls, CaptureReader, CaptureWriter, Names, TextStyle};
use std::time::{Duration, Instant};

/// A packet that was read is written and read again as the same, but for its padding; so are its header extension and what it repeats.
pub(super) fn rtp(input: &[u8]) {
    let Ok(packet) = RtpPacket::parse(input) else { return };
    let mut written = Vec::new();
    packet.write(&mut written);
    let again = RtpPacket::parse(&written).expect("what we write can be read");
    assert_eq!((again.payload, again.ssrc, again.sequence), (packet.payload, packet.ssrc, packet.sequence));
    let elements: Vec<Element<'_>> = packet.extension.into_iter().flat_map(Extension::elements).collect();
    let mut buffer = Vec::new();
    let composed = Extension::compose(&elements, &mut buffer);
    assert!(composed.into_iter().flat_map(Extension::elements).eq(elements.iter().copied()));
    if let Ok(redundant) = Redundant::parse(packet.payload) {
        let blocks: Vec<_> = redundant.repeated().collect();
        written.clear();
        Redundant::write(&blocks, redundant.payload_type, redundant.payload, &mut written);
        assert_eq!(written, packet.payload);
    }
}

/// A compound packet is read whole or not at all, and a session survives it.
pub(super) fn rtcp(input: &[u8]) {
    if let Ok(compound) = Compound::parse_reduced(input) {
        assert!(compound.packets().count() > 0);
        compound.packets().for_each(feedback);
    }
    let now = start();
    let mut session = RtpSession::new(now, config(now), &mut SeededEntropy::new(1));
    let _ = session.handle_rtcp(now, input);
    let mut report = Vec::new();
    if let Some(at) = session.poll_timeout() {
        while session.poll_rtcp(at, &mut report) && report.len() < 4096 {}
    }
    while session.poll_event().is_some() {}
}

/// What is told of packets is bounded by its length, or by a limit of ours.
fn feedback(packet: RtcpPacket<'_>) {
    let RtcpPacket::Feedback { feedback, .. } = packet else { return };
    match feedback {
        Feedback::Nack(lost) => assert!(lost.iter().count() < 1 << 19),
        Feedback::FullIntraRequest(wanted) => assert!(wanted.iter().count() < 1 << 15),
        Feedback::RateRequest(limits) | Feedback::RateNotification(limits) => {
            assert!(limits.iter().count() < 1 << 15);
        }
        Feedback::MaximumRate(rate) => assert!(rate.sources().count() < 256),
        Feedback::Transport(told) => {
            let arrivals: Vec<_> = told.iter().map(|(_, at)| at).collect();
            assert_eq!(arrivals.len(), told.len());
            let mut again = Vec::new();
            let written =
                write_transport_feedback(&mut again, Ssrc(1), Ssrc(2), told.number, told.first, &arrivals);
            if written == arrivals.len() && written > 0 {
                let compound = Compound::parse_reduced(&again).expect("what we write can be read");
                assert_eq!(compound.packets().count(), 1);
            }
        }
        Feedback::PictureLoss | Feedback::Unknown { .. } => {}
    }
}

/// Whatever comes in whatever order, a session and its buffer stay bounded and every pull gives an answer.
///
/// Two octets of length before each datagram; a length of zero pulls a frame.
pub(super) fn jitter(input: &[u8]) {
    let mut now = start();
    let mut session = RtpSession::new(now, config(now), &mut SeededEntropy::new(2));
    let mut buffer = JitterBuffer::new(now, JitterConfig::speech(8_000));
    let mut digits = EventReceiver::new();
    let mut rest = input;
    while let [high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (datagram, after) = tail.split_at(length);
        rest = after;
        if datagram.is_empty() {
            now += Duration::from_millis(20);
            buffer.pull(now);
            continue;
        }
        match Datagram::classify(datagram) {
            Datagram::Rtp => {
                if let Ok(received) = session.read(now, datagram) {
                    digits.receive(now, RtpTime(0), received.packet.payload);
                    let packet = received.packet;
                    buffer.insert(now, &packet, 160);
                    let redundant = Redundant::parse(packet.payload);
                    for (back, block) in (1..).zip(redundant.iter().flat_map(Redundant::repeated)) {
                        let repeated = Repeated {
                            sequence: SequenceNumber(packet.sequence.0.wrapping_sub(back)),
                            time: RtpTime(packet.time.0.wrapping_sub(block.offset)),
                            payload_type: block.payload_type,
                            payload: block.payload,
                            duration: 160,
                        };
                        buffer.recover(now, &repeated);
                    }
                    assert!(buffer.stats().waiting <= MAX_PACKETS);
                }
            }
            Datagram::Rtcp => {
                let _ = session.handle_rtcp(now, datagram);
            }
            Datagram::Other => {}
        }
    }
    if let Some(at) = digits.poll_timeout() {
        digits.handle_timeout(at);
    }
    let _: Vec<EventReport> = std::iter::from_fn(|| digits.poll()).collect();
}

/// Whatever text comes, nothing of it steers a terminal, and what was read arrives as it is when it is sent on.
///
/// Each packet has its sequence number in two octets, the length of its payload in a third, and redundancy where the highest bit of that is
/// set.
pub(super) fn text(input: &[u8]) {
    let (mut receiver, mut rest) = (TextReceiver::new(), input);
    while let [high, low, length, tail @ ..] = rest {
        let sequence = SequenceNumber(u16::from_be_bytes([*high, *low]));
        let (payload, after) = tail.split_at(usize::from(length & 0x7f).min(tail.len()));
        rest = after;
        match Redundant::parse(payload) {
            Ok(redundant) if length & 0x80 != 0 => receiver.receive_redundant(sequence, &redundant),
            _ => receiver.receive(sequence, payload),
        }
    }
    let read = receiver.take();
    assert!(!read.chars().any(|it| it.is_control() && !matches!(it, '\n' | ERASE)), "{read:?}");
    let mut lines = Transcript::default();
    assert!(lines.push(&read).iter().all(|line| !line.contains(ERASE)));
    let mut now = start();
    let (number, red) = (PayloadType::new(98).expect("below 128"), PayloadType::new(100));
    let mut sender = TextSender::new(now, number, red, 10_000);
    if sender.push(now, &read).is_err() {
        return;
    }
    let (mut again, mut sequence) = (TextReceiver::new(), SequenceNumber(65_000));
    while let Some(at) = sender.poll_timeout() {
        now = now.max(at);
        while let Some(packet) = sender.poll(now) {
            let redundant = Redundant::parse(packet.payload).expect("what we write can be read");
            again.receive_redundant(sequence, &redundant);
            sequence = sequence.next();
        }
    }
    assert_eq!(again.take(), read);
}

/// Whatever payloads come, a decoder gives as many samples as it said, and a recorder keeps to its limits.
///
/// The first octet chooses the codec; then each payload stands behind two octets of length. A length of zero is a lost packet.
pub(super) fn codec(input: &[u8]) {
    let Some((choice, mut rest)) = input.split_first() else { return };
    let codecs: AudioCodecs = "opus,g722,pcmu,pcma,l16".parse().expect("codecs of ours");
    let number = usize::from(*choice) % codecs.iter().count();
    let Some(payload) = codecs.iter().nth(number).map(|codec| AudioFormat::of(codec.clone()).send) else {
        return;
    };
    let (codec, clock) = (payload.codec.clone(), u64::from(payload.clock_rate()));
    let rates = codec.sample_rates();
    let rate = rates[usize::from(*choice) / 8 % rates.len()];
    let mut decoder = codec.decoder(rate);
    let limits = RecorderLimits { gap: Duration::from_secs(1), length: Duration::from_secs(5) };
    let mut recorder = TimestampRecorder::new(limits);
    let (mut samples, mut sequence, mut time) = (Vec::new(), SequenceNumber(0), RtpTime(0));
    while let [high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (octets, after) = tail.split_at(length);
        rest = after;
        samples.clear();
        sequence = sequence.next();
        let Some(ticks) = codec.ticks(octets) else {
            let step = rate as usize / 50;
            let made = decoder.conceal(step, Some(octets).filter(|it| !it.is_empty()), &mut samples);
            assert_eq!(samples.len(), if made { step } else { 0 });
            time = time.plus(payload.clock_rate() / 50);
            continue;
        };
        if decoder.decode(octets, &mut samples).is_ok() {
            assert_eq!(samples.len() as u64, u64::from(ticks) * u64::from(rate) / clock);
        }
        let packet = RtpPacket {
            marker: false,
            payload_type: payload.number,
            sequence,
            // Some packets overtake others.
            time: if octets.len() % 7 == 3 { RtpTime(time.0.wrapping_sub(ticks)) } else { time },
            ssrc: Ssrc(1),
            contributors: Default::default(),
            extension: None,
            payload: octets,
        };
        recorder.write(&payload, &packet);
        time = time.plus(ticks);
    }
    recorder.finish();
    assert!(recorder.samples().count() <= 5 * payload.sample_rate() as usize);
}

/// A recording is read or refused, and what comes out is no longer than what went in allows: of WAV here, and of Ogg with Opus, of
/// which a packet of one octet can be 120 ms.
pub(super) fn wav(input: &[u8]) {
    if let Ok(samples) = read_wav(input, 8_000) {
        // The lowest rate that can be resampled is far above 100 Hz.
        assert!(samples.len() <= (input.len() + 1) * 80);
    }
    if let Ok(file) = AudioFile::read(input) {
        let (mut source, mut frames) = (file.once(), 0);
        while !source.is_finished() && frames < 400 {
            source.fill(8_000, &mut [0; 160]);
            frames += 1;
        }
        assert!(frames <= 10 * (input.len() + 1), "{frames} frames of {} octets", input.len());
    }
}

/// A capture is read as far as it goes, drawn, written, and read again with the same packets.
pub(super) fn capture(input: &[u8]) {
    let packets: Vec<_> = CaptureReader::new(input).map_while(Result::ok).take(256).collect();
    let mut calls = Calls::new();
    for packet in &packets {
        calls.add(packet);
    }
    let names = Names::new();
    for call in calls.iter() {
        let ladder = call.ladder(&names);
        assert!(ladder.svg().starts_with("<svg"));
        let text = ladder.text(&TextStyle { width: 80, ..TextStyle::default() });
        assert!(!text.contains('\x1b'), "what a peer wrote does not reach the terminal");
    }
    let mut writer = CaptureWriter::new(Vec::new()).expect("memory takes all");
    let written = packets.iter().filter(|packet| writer.write(packet).is_ok()).count();
    let bytes = writer.finish().expect("memory takes all");
    assert!(CaptureReader::new(bytes.as_slice()).take_while(Result::is_ok).count() <= written);
}

fn config(now: Instant) -> RtpConfig {
    let epoch = Epoch { at: now, unix: Duration::from_secs(1_800_000_000) };
    RtpConfig { clock_rate: 8_000, cname: "fuzz".into(), bandwidth: 80_000, epoch }
}

/// Any moment does: a run depends only on what passes after it.
fn start() -> Instant {
    Instant::now()
}
