//! The RTP of a call: runs of packets between two addresses, and the digits in them.

use crate::capture::Packet;
use ringback_rtp::event::{Event, EventPayload};
use ringback_rtp::{RtpPacket, RtpTime, SequenceNumber, Ssrc};
use std::net::SocketAddr;
use std::time::Duration;

/// Silence that ends a run, as on hold.
const PAUSE: Duration = Duration::from_secs(1);
/// A jump that is no loss but a stream that starts over (RFC 3550 §A.1).
const MAX_DROPOUT: i16 = 3_000;
/// Runs and digits of one call that are kept; later ones are not shown.
const MAX_RUNS: usize = 64;
const MAX_DIGITS: usize = 256;

/// RTP that flows one way without a pause.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) codec: String,
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
    pub(crate) packets: u64,
    ssrc: Ssrc,
    highest: SequenceNumber,
    /// Packets that there should be up to `highest`.
    expected: u64,
}

impl Run {
    pub(crate) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.packets)
    }

    fn continues(&self, packet: &Packet, rtp: &RtpPacket<'_>) -> bool {
        let ahead = rtp.sequence.distance_from(self.highest);
        (self.source, self.destination, self.ssrc) == (packet.source, packet.destination, rtp.ssrc)
            && packet.time.saturating_sub(self.end) < PAUSE
            && ahead.unsigned_abs() < MAX_DROPOUT.unsigned_abs()
    }
}

/// A key that was pressed.
#[derive(Clone, Debug)]
pub(crate) struct Digit {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) time: Duration,
    pub(crate) event: Event,
    ssrc: Ssrc,
    began: RtpTime,
}

/// All RTP of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Media {
    pub(crate) runs: Vec<Run>,
    pub(crate) digits: Vec<Digit>,
}

impl Media {
    /// Counts a packet. `codec` is what its payload type is called, if the SDP told.
    pub(crate) fn add(&mut self, packet: &Packet, rtp: &RtpPacket<'_>, codec: Option<&str>) {
        let is_event = codec.is_some_and(|it| it.eq_ignore_ascii_case("telephone-event"));
        if is_event {
            self.digit(packet, rtp);
        }
        let name = || match (codec, rtp.payload_type.number()) {
            (Some(name), _) => name.to_owned(),
            (None, number) => format!("payload type {number}"),
        };
        let full = self.runs.len() >= MAX_RUNS;
        match self.runs.iter_mut().rev().find(|it| it.continues(packet, rtp)) {
            Some(run) => {
                let ahead = rtp.sequence.distance_from(run.highest);
                if ahead > 0 {
                    run.highest = rtp.sequence;
                    run.expected += ahead.unsigned_abs() as u64;
                }
                run.packets += 1;
                run.end = run.end.max(packet.time);
            }
            None if full => {}
            None => self.runs.push(Run {
                source: packet.source,
                destination: packet.destination,
                codec: name(),
                begin: packet.time,
                end: packet.time,
                packets: 1,
                ssrc: rtp.ssrc,
                highest: rtp.sequence,
                expected: 1,
            }),
        }
    }

    fn digit(&mut self, packet: &Packet, rtp: &RtpPacket<'_>) {
        let Some(octets) = rtp.payload.first_chunk::<4>() else { return };
        let known = self.digits.iter().rev().any(|it| (it.ssrc, it.began) == (rtp.ssrc, rtp.time));
        if known || self.digits.len() >= MAX_DIGITS {
            return;
        }
        self.digits.push(Digit {
            source: packet.source,
            destination: packet.destination,
            time: packet.time,
            event: EventPayload::parse(*octets).event,
            ssrc: rtp.ssrc,
            began: rtp.time,
        });
    }
}
