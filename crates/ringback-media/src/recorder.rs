//! Recording what came, by the clock of the sender: sample for sample, whatever the network did to the order.
//!
//! A jitter buffer may stretch and conceal; this does not. Each packet lies where its timestamp puts it, what never
//! came is silence, and [`Segment::gaps`] tells where. A jump of the clock or another sender begins a new segment,
//! so that no number in a packet decides how much memory is taken. Of codecs whose payloads depend on each other, packets that overtook
//! each other are put in order first.

mod segment;

pub use segment::Segment;

use crate::AudioPayload;
use ringback_rtp::RtpPacket;
use std::time::Duration;

/// Segments in one recording.
const MAX_SEGMENTS: usize = 256;
/// What a recording keeps back when it is [settled](TimestampRecorder::settle), for packets that come late.
const UNSETTLED: Duration = Duration::from_secs(1);

/// What a recording may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderLimits {
    /// The longest gap that is filled with silence; a longer one begins a new segment.
    pub gap: Duration,
    /// How long everything may be together; what comes after is dropped.
    pub length: Duration,
}

impl Default for RecorderLimits {
    /// Gaps of ten seconds, one hour in all (58 MB of G.711, unless it is settled meanwhile).
    fn default() -> Self {
        Self { gap: Duration::from_secs(10), length: Duration::from_secs(3_600) }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It lies in the running segment, or waits for those before it.
    Added,
    /// It began a new segment.
    NewSegment,
    /// Its place is taken already; the first one stays. Or its place is over, as those behind it are decoded.
    Duplicate,
    /// The recording is as long as it may be.
    Full,
    /// It is none of its codec.
    Damaged,
}

/// Puts decoded packets where their timestamps say.
#[derive(Debug)]
pub struct TimestampRecorder {
    limits: RecorderLimits,
    /// Samples a second; 0 until the first packet tells.
    rate: u32,
    /// Samples that may still be added.
    left: usize,
    segments: Vec<Segment>,
}

impl TimestampRecorder {
    /// A recorder that has heard nothing. It records at the highest rate of the codec that it hears first.
    pub fn new(limits: RecorderLimits) -> Self {
        Self { limits, rate: 0, left: 0, segments: Vec::new() }
    }

    /// Samples a second of what is recorded; `None` before there is anything.
    pub fn rate(&self) -> Option<u32> {
        (self.rate > 0).then_some(self.rate)
    }

    /// Decodes a packet and puts it in its place.
    pub fn write(&mut self, payload: &AudioPayload, packet: &RtpPacket<'_>) -> Placed {
        let Some(ticks) = payload.codec.ticks(packet.payload) else { return Placed::Damaged };
        if self.rate == 0 {
            self.rate = payload.sample_rate();
            self.left = self.samples_in(self.limits.length);
        }
        let gap = self.samples_in(self.limits.gap);
        let running = self.segments.last_mut().filter(|it| it.is_of(packet.ssrc, payload));
        let Some(segment) = running else { return self.begin(payload, packet, ticks) };
        segment
            .write(packet, ticks, gap, &mut self.left)
            .unwrap_or_else(|| self.begin(payload, packet, ticks))
    }

    /// Decodes what still waits for packets before it.
    pub fn finish(&mut self) {
        if let Some(segment) = self.segments.last_mut() {
            segment.flush(0, &mut self.left);
        }
    }

    /// What was recorded and not yet [settled](Self::settle), one segment for each run of the sender's clock.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// All segments one after the other.
    pub fn samples(&self) -> impl Iterator<Item = i16> + '_ {
        self.segments.iter().flat_map(|it| it.samples().iter().copied())
    }

    /// Moves to `out` what no packet will change any more: all but the last second. With that, what is kept in memory does not
    /// grow with the recording.
    pub fn settle(&mut self, out: &mut Vec<i16>) {
        let keep = self.samples_in(UNSETTLED);
        let count = self.segments.len();
        for segment in &mut self.segments[..count.saturating_sub(1)] {
            segment.settle(0, out);
        }
        self.segments.drain(..count.saturating_sub(1));
        if let Some(segment) = self.segments.last_mut() {
            segment.settle(keep, out);
        }
    }

    fn begin(&mut self, payload: &AudioPayload, packet: &RtpPacket<'_>, ticks: u32) -> Placed {
        self.finish();
        if self.segments.len() >= MAX_SEGMENTS {
            return Placed::Full;
        }
        let mut segment = Segment::new(payload.clone(), packet, self.rate);
        match segment.write(packet, ticks, 0, &mut self.left) {
            Some(Placed::Added) => {
                self.segments.push(segment);
                Placed::NewSegment
            }
            other => other.unwrap_or(Placed::Full),
        }
    }

    fn samples_in(&self, span: Duration) -> usize {
        usize::try_from(span.as_millis() * u128::from(self.rate) / 1_000).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{G722, Opus};
    use crate::{AudioCodec, AudioFormat, Law};
    use proptest::prelude::*;
    use ringback_rtp::{PayloadType, RtpTime, SequenceNumber, Ssrc};

    fn coded(codec: impl AudioCodec + 'static) -> AudioPayload {
        AudioFormat::new(codec).send
    }

    fn packet(ssrc: u32, time: u32, payload: &[u8]) -> RtpPacket<'_> {
        RtpPacket {
            marker: false,
            payload_type: PayloadType::PCMU,
            sequence: SequenceNumber(0),
            time: RtpTime(time),
            ssrc: Ssrc(ssrc),
            contributors: Default::default(),
            extension: None,
            payload,
        }
    }

    fn recorder(gap: u64, length: u64) -> TimestampRecorder {
        let (gap, length) = (Duration::from_secs(gap), Duration::from_secs(length));
        TimestampRecorder::new(RecorderLimits { gap, length })
    }

    fn decoded(payload: &[u8]) -> Vec<i16> {
        payload.iter().map(|it| Law::Mu.decode(*it)).collect()
    }

    #[test]
    fn late_early_and_double_packets_end_up_in_their_places() {
        let mut recorder = recorder(10, 60);
        let parts: [&[u8]; 4] = [&[1, 2], &[3, 4], &[5, 6], &[7, 8]];
        let time = |n: u32| u32::MAX.wrapping_add(2 * n); // The clock wraps after the first packet.
        for (n, placed) in [
            (1, Placed::NewSegment),
            (3, Placed::Added),
            (3, Placed::Duplicate),
            (0, Placed::Added),
            (2, Placed::Added),
            (2, Placed::Duplicate),
        ] {
            assert_eq!(
                recorder.write(&coded(Law::Mu), &packet(9, time(n), parts[n as usize])),
                placed,
                "packet {n}"
            );
        }
        assert_eq!(recorder.segments().len(), 1);
        assert_eq!(recorder.segments()[0].start(), RtpTime(u32::MAX));
        assert_eq!(recorder.segments()[0].samples(), decoded(&[1, 2, 3, 4, 5, 6, 7, 8]));
        assert!(recorder.segments()[0].gaps().is_empty());
    }

    #[test]
    fn what_never_came_is_silence_and_told() {
        let mut recorder = recorder(10, 60);
        for n in [0, 1, 4, 6] {
            recorder.write(&coded(Law::Mu), &packet(9, n * 4, &[7; 4]));
        }
        let segment = &recorder.segments()[0];
        assert_eq!(segment.gaps(), [8..16, 20..24]);
        assert!(segment.samples()[8..16].iter().all(|it| *it == 0));
        assert_eq!(segment.samples().len(), 28);
    }

    #[test]
    fn a_jump_or_another_sender_begins_a_segment_and_takes_no_memory() {
        let mut recorder = recorder(2, 60);
        recorder.write(&coded(Law::A), &packet(1, 1_000, &[1; 160]));
        assert_eq!(
            recorder.write(&coded(Law::A), &packet(1, 1_000 + 0x4000_0000, &[1; 160])),
            Placed::NewSegment
        );
        assert_eq!(
            recorder.write(&coded(Law::A), &packet(1, 1_000, &[1; 160])),
            Placed::NewSegment,
            "far back"
        );
        assert_eq!(
            recorder.write(&coded(Law::A), &packet(2, 1_160, &[1; 160])),
            Placed::NewSegment,
            "other sender"
        );
        assert_eq!(recorder.samples().count(), 4 * 160);
        for n in 0..1_000 {
            recorder.write(&coded(Law::A), &packet(n, 0, &[1; 160]));
        }
        assert_eq!(recorder.segments().len(), MAX_SEGMENTS);
    }

    #[test]
    fn a_recording_ends_at_its_limit() {
        let mut recorder = recorder(1, 2);
        for n in 0..200 {
            recorder.write(&coded(Law::Mu), &packet(1, n * 160, &[0; 160]));
        }
        assert_eq!(recorder.samples().count(), 16_000);
        assert_eq!(recorder.write(&coded(Law::Mu), &packet(1, 160_000, &[0; 160])), Placed::Full);
    }

    /// Codecs with memory: ten packets of a rising tone in two orders.
    #[test]
    fn packets_that_depend_on_each_other_are_decoded_in_order() {
        for payload in [coded(G722), coded(Opus::default())] {
            let rate = payload.sample_rate();
            let mut encoder = payload.codec.encoder(rate, &payload.described);
            let step = payload.clock_rate() / 50;
            let said: Vec<i16> = (0..rate / 5).map(|n| ((n * n / 4_000) % 8_000) as i16).collect();
            let coded: Vec<Vec<u8>> = said
                .chunks(rate as usize / 50)
                .map(|frame| {
                    let mut octets = Vec::new();
                    encoder.encode(frame, &mut octets);
                    octets
                })
                .collect();
            let record = |order: [u32; 10]| {
                let mut recorder = recorder(10, 60);
                for n in order {
                    recorder.write(&payload, &packet(1, 77 + n * step, &coded[n as usize]));
                    recorder.write(&payload, &packet(1, 77 + n * step, &coded[n as usize]));
                }
                recorder.finish();
                recorder
            };
            let in_order = record([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
            assert_eq!(in_order.rate(), Some(rate));
            assert_eq!(in_order.samples().count(), said.len());
            let mixed = record([0, 2, 1, 5, 4, 3, 6, 9, 7, 8]);
            assert!(mixed.samples().eq(in_order.samples()), "{}", payload.name());
            // One that never comes is silence in its place, and the others are where they were.
            let mut lossy = recorder(10, 60);
            for n in [0, 1, 2, 4, 5, 6, 7, 8, 9_u32] {
                lossy.write(&payload, &packet(1, 77 + n * step, &coded[n as usize]));
            }
            lossy.finish();
            let frame = rate as usize / 50;
            let gaps = lossy.segments()[0].gaps();
            assert_eq!((gaps.len(), gaps.first()), (1, Some(&(3 * frame..4 * frame))));
            assert_eq!(lossy.samples().count(), said.len());
        }
    }

    #[test]
    fn what_is_settled_is_the_recording_piece_by_piece() {
        let payload = coded(Law::Mu);
        let octets: Vec<Vec<u8>> = (0..500_u32).map(|n| vec![n as u8; 160]).collect();
        let (mut whole, mut pieces, mut settled) = (recorder(10, 60), recorder(10, 60), Vec::new());
        for n in 0..500_u32 {
            // The clock jumps in the middle, and two packets have changed places.
            let n = if n % 50 == 7 {
                n + 1
            } else if n % 50 == 8 {
                n - 1
            } else {
                n
            };
            let time = n * 160 + if n >= 300 { 1_000_000 } else { 0 };
            let packet = packet(1, time, &octets[n as usize]);
            whole.write(&payload, &packet);
            pieces.write(&payload, &packet);
            pieces.settle(&mut settled);
            assert!(pieces.samples().count() <= 8_000 + 320, "{} are kept", pieces.samples().count());
        }
        settled.extend(pieces.samples());
        assert!(whole.samples().eq(settled));
    }

    proptest! {
        #[test]
        fn any_order_of_any_packets_gives_the_same_recording(
            present in prop::collection::vec(any::<bool>(), 1..40), order in any::<u64>()
        ) {
            let payloads: Vec<Vec<u8>> = (0..present.len()).map(|n| vec![n as u8; 1 + n % 7]).collect();
            let starts: Vec<u32> = payloads.iter().scan(77u32, |at, it| {
                let start = *at;
                *at += it.len() as u32;
                Some(start)
            }).collect();
            let mut chosen: Vec<usize> = (0..present.len()).filter(|n| present[*n]).collect();
            let mut in_order = recorder(10, 60);
            for n in &chosen {
                in_order.write(&coded(Law::Mu), &packet(1, starts[*n], &payloads[*n]));
            }
            chosen.sort_by_key(|n| (*n as u64 + 1).wrapping_mul(order | 1).rotate_left(17));
            let mut shuffled = recorder(10, 60);
            for n in &chosen {
                shuffled.write(&coded(Law::Mu), &packet(1, starts[*n], &payloads[*n]));
            }
            let all = |it: &TimestampRecorder| {
                it.segments().iter().map(|it| (it.start(), it.samples().to_vec(), it.gaps().to_vec())).collect::<Vec<_>>()
            };
            prop_assert_eq!(all(&in_order), all(&shuffled));
        }

        #[test]
        fn nothing_a_peer_sends_breaks_it(packets in prop::collection::vec(
            (0u32..3, any::<u32>(), 0usize..400, any::<bool>()), 0..200
        )) {
            let mut recorder = recorder(1, 10);
            let mut last = 0u32;
            for (ssrc, time, length, near) in packets {
                last = if near { last.wrapping_add(time % 4_000).wrapping_sub(2_000) } else { time };
                recorder.write(&coded(Law::A), &packet(ssrc, last, &vec![3; length]));
                prop_assert!(recorder.samples().count() <= 80_000);
            }
            for segment in recorder.segments() {
                prop_assert!(segment.gaps().windows(2).all(|it| it[0].end <= it[1].start));
                prop_assert!(segment.gaps().iter().all(|it| it.start < it.end && it.end <= segment.samples().len()));
            }
        }
    }
}
