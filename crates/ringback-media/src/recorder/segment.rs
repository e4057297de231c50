//! A run of one sender's clock: what was decoded of it, and where nothing came.

use super::Placed;
use crate::AudioPayload;
use crate::codec::{Decoder, rate_among};
use crate::convert::Converter;
use ringback_rtp::{RtpPacket, RtpTime, Ssrc};
use std::collections::BTreeMap;
use std::ops::Range;

/// How far in front of a segment a late packet may still be put, as a part of a second: a fifth.
const MAX_PREPEND: u32 = 5;
/// Packets that wait for those before them. More than that, and what is missing is taken for lost.
const MAX_WAITING: usize = 10;

/// Samples of one sender on one clock.
#[derive(Debug)]
pub struct Segment {
    ssrc: Ssrc,
    start: RtpTime,
    payload: AudioPayload,
    decoder: Box<dyn Decoder>,
    /// What the decoder gives, to what is recorded. `None` where that is the same, or cannot be converted.
    converter: Option<Converter>,
    /// Samples a second of the recording, and of the decoder.
    rate: u32,
    own: u32,
    samples: Vec<i16>,
    /// What never came, in order and without touching each other.
    gaps: Vec<Range<usize>>,
    /// Payloads by their place, where they have to be decoded in order.
    waiting: BTreeMap<i64, Vec<u8>>,
    /// Whether they have.
    in_order: bool,
    /// Whether something of it was settled, so that nothing can be in front any more.
    is_settled: bool,
    decoded: Vec<i16>,
}

impl Segment {
    /// One that begins with `packet`, which has still to be written.
    pub(super) fn new(payload: AudioPayload, packet: &RtpPacket<'_>, rate: u32) -> Self {
        let own = rate_among(payload.codec.sample_rates(), rate);
        Self {
            ssrc: packet.ssrc,
            start: packet.time,
            decoder: payload.codec.decoder(own),
            in_order: payload.codec.has_memory() || own != rate,
            payload,
            converter: (own != rate).then(|| Converter::new(own, rate).ok()).flatten(),
            rate,
            own,
            samples: Vec::new(),
            gaps: Vec::new(),
            waiting: BTreeMap::new(),
            is_settled: false,
            decoded: Vec::new(),
        }
    }

    /// Who sent it.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The timestamp of the first sample.
    pub fn start(&self) -> RtpTime {
        self.start
    }

    /// The samples; silence where nothing came.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Where nothing came, as ranges of [`samples`](Self::samples) in order.
    pub fn gaps(&self) -> &[Range<usize>] {
        &self.gaps
    }

    /// Whether a packet of this sender and format could belong to it.
    pub(super) fn is_of(&self, ssrc: Ssrc, payload: &AudioPayload) -> bool {
        self.ssrc == ssrc && self.payload.number == payload.number
    }

    /// Puts a packet in its place, or lets it wait; `None` when its place is too far away.
    pub(super) fn write(
        &mut self,
        packet: &RtpPacket<'_>,
        ticks: u32,
        gap: usize,
        left: &mut usize,
    ) -> Option<Placed> {
        let clock = i64::from(self.payload.clock_rate().max(1));
        let samples = |ticks: i64| ticks * i64::from(self.rate) / clock;
        let (mut at, length) =
            (samples(packet.time.ticks_since(self.start).into()), samples(ticks.into()) as usize);
        let end = self.samples.len();
        if self.in_order {
            // What was decoded is the past; whatever comes for it is too late.
            let furthest = self.waiting.last_key_value().map_or(end as i64, |(at, _)| *at);
            if at < end as i64 {
                let is_near = end as i64 - at <= i64::from(self.rate);
                return is_near.then_some(Placed::Duplicate);
            }
            if at > furthest.saturating_add(gap as i64) {
                return None;
            }
            if length > *left {
                return Some(Placed::Full);
            }
            if self.waiting.contains_key(&at) {
                return Some(Placed::Duplicate);
            }
            self.waiting.insert(at, packet.payload.to_vec());
            self.flush(MAX_WAITING, left);
            return Some(Placed::Added);
        }
        // A late packet from before the first one: room is made for it, as long as it may still be the first.
        if (-i64::from(self.rate / MAX_PREPEND)..0).contains(&at)
            && end <= self.rate as usize
            && !self.is_settled
        {
            let room = at.unsigned_abs() as usize;
            if room > *left {
                return Some(Placed::Full);
            }
            *left -= room;
            self.prepend(room);
            at = 0;
        }
        let end = self.samples.len();
        let at = usize::try_from(at).ok().filter(|at| *at <= end.saturating_add(gap))?;
        let grows = (at + length).saturating_sub(end);
        if grows > *left {
            return Some(Placed::Full);
        }
        self.decoded.clear();
        if self.decoder.decode(packet.payload, &mut self.decoded).is_err() {
            return Some(Placed::Damaged);
        }
        *left -= grows;
        let decoded = std::mem::take(&mut self.decoded);
        let placed = if self.place(at, &decoded) { Placed::Added } else { Placed::Duplicate };
        self.decoded = decoded;
        Some(placed)
    }

    /// Decodes what is next, and more than that while over `most` packets wait.
    pub(super) fn flush(&mut self, most: usize, left: &mut usize) {
        while let Some(first) = self.waiting.first_entry() {
            let at = usize::try_from(*first.key()).unwrap_or(0);
            if at != self.samples.len() && self.waiting.len() <= most {
                return;
            }
            let Some((_, payload)) = self.waiting.pop_first() else { return };
            self.decoded.clear();
            if self.decoder.decode(&payload, &mut self.decoded).is_err() {
                continue;
            }
            let length = self.decoded.len() * self.rate as usize / self.own as usize;
            let mut decoded = std::mem::take(&mut self.decoded);
            if let Some(converter) = &mut self.converter {
                let mut converted = Vec::with_capacity(length);
                converter.convert(&decoded, length, &mut converted);
                decoded = converted;
            }
            let grows = (at + decoded.len()).saturating_sub(self.samples.len());
            if grows > *left {
                self.waiting.clear();
                return;
            }
            *left -= grows;
            self.place(at, &decoded);
            self.decoded = decoded;
        }
    }

    /// Moves all but the last `keep` samples to `out`, in whole steps of 20 ms, so that the clock can follow.
    pub(super) fn settle(&mut self, keep: usize, out: &mut Vec<i16>) {
        let step = self.rate as usize / 50;
        let mut count = self.samples.len().saturating_sub(keep);
        if keep > 0 {
            count -= count % step.max(1);
        }
        self.is_settled |= count > 0;
        out.extend(self.samples.drain(..count));
        self.gaps.retain_mut(|gap| {
            *gap = gap.start.saturating_sub(count)..gap.end.saturating_sub(count);
            gap.start < gap.end
        });
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = waiting.into_iter().map(|(at, payload)| (at - count as i64, payload)).collect();
        let ticks = count as u64 * u64::from(self.payload.clock_rate()) / u64::from(self.rate.max(1));
        self.start = self.start.plus(ticks as u32);
    }

    /// Moves everything back by `room` samples of nothing.
    fn prepend(&mut self, room: usize) {
        self.samples.splice(..0, std::iter::repeat_n(0, room));
        for gap in &mut self.gaps {
            *gap = gap.start + room..gap.end + room;
        }
        self.gaps.insert(0, 0..room);
        let ticks = room as u64 * u64::from(self.payload.clock_rate()) / u64::from(self.rate.max(1));
        self.start = RtpTime(self.start.0.wrapping_sub(ticks as u32));
    }

    /// Fills what is empty of the samples from `at` on; says whether anything was.
    fn place(&mut self, at: usize, new: &[i16]) -> bool {
        let length = self.samples.len();
        let end = at + new.len();
        if end > length {
            if at > length {
                self.gaps.push(length..at);
            }
            self.samples.resize(end, 0);
        }
        let mut filled = self.fill(at, new, length.min(end)..end);
        // Behind the end of what was there: only gaps may be filled. Late packets are few and near the end.
        let mut index = self.gaps.len();
        while let Some(gap) = index.checked_sub(1).and_then(|it| self.gaps.get(it)).cloned() {
            index -= 1;
            if gap.end <= at {
                break;
            }
            let part = gap.start.max(at)..gap.end.min(end);
            if part.start < part.end {
                filled |= self.fill(at, new, part.clone());
                let rest = [gap.start..part.start, part.end..gap.end];
                self.gaps.splice(index..=index, rest.into_iter().filter(|it| !it.is_empty()));
            }
        }
        filled
    }

    /// Copies the part of `new` that covers `part`; `new` lies at `at`.
    fn fill(&mut self, at: usize, new: &[i16], part: Range<usize>) -> bool {
        let part = part.start.max(at)..part.end;
        let Some(new) = new.get(part.start - at..part.end.max(part.start) - at) else { return false };
        for (sample, new) in self.samples[part.start..].iter_mut().zip(new) {
            *sample = *new;
        }
        !new.is_empty()
    }
}
