//! Recording what came, by the clock of the sender: sample for sample, whatever the network did to the order.
//!
//! A jitter buffer may stretch and conceal; this does not. Each packet lies where its timestamp puts it, what never
//! came is silence, and [`Segment::gaps`] tells where. A jump of the clock or another sender begins a new segment,
//! so that no number in a packet decides how much memory is taken.

use crate::Law;
use ringback_rtp::{RtpPacket, RtpTime, Ssrc};
use std::ops::Range;
use std::time::Duration;

/// Samples a second.
const RATE: u128 = 8_000;
/// How far in front of a segment a late packet may still be put: a fifth of a second.
const MAX_PREPEND: usize = 1_600;
/// What is longer than a second has seen its first packet, late or not.
const PREPEND_UNTIL: usize = 8_000;
/// Segments in one recording.
const MAX_SEGMENTS: usize = 256;

/// What a recording may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderLimits {
    /// The longest gap that is filled with silence; a longer one begins a new segment.
    pub gap: Duration,
    /// How long everything may be together; what comes after is dropped.
    pub length: Duration,
}

impl Default for RecorderLimits {
    /// Gaps of ten seconds, one hour in all (58 MB).
    fn default() -> Self {
        Self { gap: Duration::from_secs(10), length: Duration::from_secs(3_600) }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It lies in the running segment.
    Added,
    /// It began a new segment.
    NewSegment,
    /// Its place is taken already; the first one stays.
    Duplicate,
    /// The recording is as long as it may be.
    Full,
}

/// Samples of one sender on one clock.
#[derive(Clone, Debug)]
pub struct Segment {
    ssrc: Ssrc,
    start: RtpTime,
    samples: Vec<i16>,
    /// What never came, in order and without touching each other.
    gaps: Vec<Range<usize>>,
}

impl Segment {
    /// Who sent it.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The timestamp of the first sample.
    pub fn start(&self) -> RtpTime {
        self.start
    }

    /// The samples at 8 kHz; silence where nothing came.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Where nothing came, as ranges of [`samples`](Self::samples) in order.
    pub fn gaps(&self) -> &[Range<usize>] {
        &self.gaps
    }
}

/// Puts decoded packets where their timestamps say.
#[derive(Clone, Debug)]
pub struct TimestampRecorder {
    gap: usize,
    /// Samples that may still be added.
    left: usize,
    segments: Vec<Segment>,
}

impl TimestampRecorder {
    /// A recorder that has heard nothing.
    pub fn new(limits: RecorderLimits) -> Self {
        let samples = |span: Duration| usize::try_from(span.as_millis() * RATE / 1_000).unwrap_or(usize::MAX);
        Self { gap: samples(limits.gap), left: samples(limits.length), segments: Vec::new() }
    }

    /// Decodes a packet and puts it in its place.
    pub fn write(&mut self, law: Law, packet: &RtpPacket<'_>) -> Placed {
        let payload = packet.payload;
        if payload.is_empty() {
            return Placed::Duplicate;
        }
        let Some(segment) = self.segments.last_mut().filter(|it| it.ssrc == packet.ssrc) else {
            return self.begin(law, packet);
        };
        let mut at = i64::from(packet.time.ticks_since(segment.start));
        // A late packet from before the first one: room is made for it.
        if (-(MAX_PREPEND as i64)..0).contains(&at) && segment.samples.len() <= PREPEND_UNTIL {
            let room = at.unsigned_abs() as usize;
            if room > self.left {
                return Placed::Full;
            }
            self.left -= room;
            segment.prepend(room);
            at = 0;
        }
        let length = segment.samples.len();
        let Some(at) = usize::try_from(at).ok().filter(|at| *at <= length.saturating_add(self.gap)) else {
            return self.begin(law, packet);
        };
        let grows = (at + payload.len()).saturating_sub(length);
        if grows > self.left {
            return Placed::Full;
        }
        self.left -= grows;
        match segment.place(law, at, payload) {
            true => Placed::Added,
            false => Placed::Duplicate,
        }
    }

    /// What was recorded, one segment for each run of the sender's clock.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// All segments one after the other.
    pub fn samples(&self) -> impl Iterator<Item = i16> + '_ {
        self.segments.iter().flat_map(|it| it.samples.iter().copied())
    }

    fn begin(&mut self, law: Law, packet: &RtpPacket<'_>) -> Placed {
        let length = packet.payload.len();
        if length > self.left || self.segments.len() >= MAX_SEGMENTS {
            return Placed::Full;
        }
        self.left -= length;
        let mut samples = Vec::with_capacity(length);
        law.decode_into(packet.payload, &mut samples);
        self.segments.push(Segment { ssrc: packet.ssrc, start: packet.time, samples, gaps: Vec::new() });
        Placed::NewSegment
    }
}

impl Segment {
    /// Moves everything back by `room` samples of nothing.
    fn prepend(&mut self, room: usize) {
        self.samples.splice(..0, std::iter::repeat_n(0, room));
        for gap in &mut self.gaps {
            *gap = gap.start + room..gap.end + room;
        }
        self.gaps.insert(0, 0..room);
        self.start = RtpTime(self.start.0.wrapping_sub(room as u32));
    }

    /// Fills what is empty of `at..at + payload.len()`; says whether anything was.
    fn place(&mut self, law: Law, at: usize, payload: &[u8]) -> bool {
        let length = self.samples.len();
        let end = at + payload.len();
        if end > length {
            if at > length {
                self.gaps.push(length..at);
            }
            self.samples.resize(end, 0);
        }
        let mut filled = self.fill(law, at, payload, length.min(end)..end);
        // Behind the end of what was there: only gaps may be filled. Late packets are few and near the end.
        let mut index = self.gaps.len();
        while let Some(gap) = index.checked_sub(1).and_then(|it| self.gaps.get(it)).cloned() {
            index -= 1;
            if gap.end <= at {
                break;
            }
            let part = gap.start.max(at)..gap.end.min(end);
            if part.start < part.end {
                filled |= self.fill(law, at, payload, part.clone());
                let rest = [gap.start..part.start, part.end..gap.end];
                self.gaps.splice(index..=index, rest.into_iter().filter(|it| !it.is_empty()));
            }
        }
        filled
    }

    /// Decodes the part of the payload that covers `part`; the payload lies at `at`.
    fn fill(&mut self, law: Law, at: usize, payload: &[u8], part: Range<usize>) -> bool {
        let part = part.start.max(at)..part.end;
        let Some(octets) = payload.get(part.start - at..part.end.max(part.start) - at) else { return false };
        for (sample, octet) in self.samples[part.start..].iter_mut().zip(octets) {
            *sample = law.decode(*octet);
        }
        !octets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ringback_rtp::{PayloadType, SequenceNumber};

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
            assert_eq!(recorder.write(Law::Mu, &packet(9, time(n), parts[n as usize])), placed, "packet {n}");
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
            recorder.write(Law::Mu, &packet(9, n * 4, &[7; 4]));
        }
        let segment = &recorder.segments()[0];
        assert_eq!(segment.gaps(), [8..16, 20..24]);
        assert!(segment.samples()[8..16].iter().all(|it| *it == 0));
        assert_eq!(segment.samples().len(), 28);
    }

    #[test]
    fn a_jump_or_another_sender_begins_a_segment_and_takes_no_memory() {
        let mut recorder = recorder(2, 60);
        recorder.write(Law::A, &packet(1, 1_000, &[1; 160]));
        assert_eq!(recorder.write(Law::A, &packet(1, 1_000 + 0x4000_0000, &[1; 160])), Placed::NewSegment);
        assert_eq!(recorder.write(Law::A, &packet(1, 1_000, &[1; 160])), Placed::NewSegment, "far back");
        assert_eq!(recorder.write(Law::A, &packet(2, 1_160, &[1; 160])), Placed::NewSegment, "other sender");
        assert_eq!(recorder.samples().count(), 4 * 160);
        for n in 0..1_000 {
            recorder.write(Law::A, &packet(n, 0, &[1; 160]));
        }
        assert_eq!(recorder.segments().len(), MAX_SEGMENTS);
    }

    #[test]
    fn a_recording_ends_at_its_limit() {
        let mut recorder = recorder(1, 2);
        for n in 0..200 {
            recorder.write(Law::Mu, &packet(1, n * 160, &[0; 160]));
        }
        assert_eq!(recorder.samples().count(), 16_000);
        assert_eq!(recorder.write(Law::Mu, &packet(1, 160_000, &[0; 160])), Placed::Full);
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
                in_order.write(Law::Mu, &packet(1, starts[*n], &payloads[*n]));
            }
            chosen.sort_by_key(|n| (*n as u64 + 1).wrapping_mul(order | 1).rotate_left(17));
            let mut shuffled = recorder(10, 60);
            for n in &chosen {
                shuffled.write(Law::Mu, &packet(1, starts[*n], &payloads[*n]));
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
                recorder.write(Law::A, &packet(ssrc, last, &vec![3; length]));
                prop_assert!(recorder.samples().count() <= 80_000);
            }
            for segment in recorder.segments() {
                prop_assert!(segment.gaps().windows(2).all(|it| it[0].end <= it[1].start));
                prop_assert!(segment.gaps().iter().all(|it| it.start < it.end && it.end <= segment.samples().len()));
            }
        }
    }
}
