//! Laws of the media packets.

use ringback_rtp::event::{EventReceiver, EventReport};
use ringback_rtp::jitter::{JitterBuffer, JitterConfig};
use ringback_rtp::rtcp::Compound;
use ringback_rtp::{Datagram, RtpConfig, RtpPacket, RtpSession, RtpTime};
use ringback_sansio::{Epoch, SeededEntropy};
use std::time::{Duration, Instant};

/// A packet that was read is written and read again as the same, but for its padding.
pub(super) fn rtp(input: &[u8]) {
    let Ok(packet) = RtpPacket::parse(input) else { return };
    let mut written = Vec::new();
    packet.write(&mut written);
    let again = RtpPacket::parse(&written).expect("what we write can be read");
    assert_eq!((again.payload, again.ssrc, again.sequence), (packet.payload, packet.ssrc, packet.sequence));
}

/// A compound packet is read whole or not at all, and a session survives it.
pub(super) fn rtcp(input: &[u8]) {
    if let Ok(compound) = Compound::parse(input) {
        assert!(compound.packets().count() > 0);
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
                    buffer.insert(now, &received.packet, 160);
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

fn config(now: Instant) -> RtpConfig {
    let epoch = Epoch { at: now, unix: Duration::from_secs(1_800_000_000) };
    RtpConfig { clock_rate: 8_000, cname: "fuzz".into(), bandwidth: 80_000, epoch }
}

/// Any moment does: a run depends only on what passes after it.
fn start() -> Instant {
    Instant::now()
}
