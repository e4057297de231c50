//! A party of a room: what it sends, and what it sees.

use super::{KeyFrameWish, Layer, VideoPartyKey};
use crate::video::line::OutLine;
use crate::video::{StreamId, VideoPacket};
use ringback_sdp::Codec;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Over how long a bit rate is measured.
const MEASURED: Duration = Duration::from_millis(500);

/// A stream of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamKey {
    pub(super) party: VideoPartyKey,
    pub(super) stream: StreamId,
}

#[derive(Debug)]
pub(super) struct Party {
    pub(super) key: VideoPartyKey,
    /// What it can show.
    pub(super) formats: Vec<Codec>,
    pub(super) estimate: Option<u64>,
    pub(super) layer: Layer,
    pub(super) streams: Vec<Published>,
    /// Its places. Each is a stream towards it, which keeps its numbers whoever is seen there.
    pub(super) lines: Vec<Line>,
}

/// A place at which a party sees somebody.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) of: Option<VideoPartyKey>,
    pub(super) seen: OutLine<StreamKey>,
}

/// Whom a party is to see, by the numbers of its places.
pub(super) type Places = Vec<(usize, Option<VideoPartyKey>)>;

/// What a party sends.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) id: StreamId,
    pub(super) rid: Option<Arc<str>>,
    pub(super) format: Arc<Codec>,
    pub(super) wish: KeyFrameWish,
    pub(super) heard: Instant,
    /// Bits a second of late; zero before it was measured.
    pub(super) bit_rate: u64,
    counted: u64,
    counted_since: Instant,
}

impl Party {
    pub(super) fn new(key: VideoPartyKey) -> Self {
        let (formats, streams, lines) = (Vec::new(), Vec::new(), Vec::new());
        Self { key, formats, estimate: None, layer: Layer::Fitting, streams, lines }
    }

    /// The place of that number; it is made where it is the next one.
    pub(super) fn line_mut(&mut self, number: usize) -> Option<&mut Line> {
        if number == self.lines.len() {
            self.lines.push(Line { of: None, seen: OutLine::new() });
        }
        self.lines.get_mut(number)
    }

    /// Nobody is seen anywhere. The places stay, as their streams do.
    pub(super) fn clear_lines(&mut self) {
        for line in &mut self.lines {
            line.of = None;
            if let Some(shown) = line.seen.showing() {
                line.seen.lose(shown);
            }
            line.seen.want(None);
        }
    }

    pub(super) fn lose_party(&mut self, key: VideoPartyKey) {
        for line in &mut self.lines {
            line.of = line.of.filter(|of| *of != key);
            for stream in [line.seen.showing(), line.seen.wanted()].into_iter().flatten() {
                if stream.party == key {
                    line.seen.lose(stream);
                }
            }
        }
    }

    /// Who of `others` is seen at which place: who has one keeps it, and who is new takes one that is free.
    pub(super) fn places(&self, others: &[VideoPartyKey], most: usize) -> Places {
        let kept = |line: &Line| line.of.filter(|of| others.contains(of));
        let mut places: Vec<Option<VideoPartyKey>> = self.lines.iter().take(most).map(kept).collect();
        for other in others {
            if places.contains(&Some(*other)) {
                continue;
            }
            match places.iter().position(Option::is_none) {
                Some(free) => places[free] = Some(*other),
                None if places.len() < most => places.push(Some(*other)),
                None => break,
            }
        }
        places.into_iter().enumerate().collect()
    }
}

impl Published {
    pub(super) fn new(now: Instant, packet: &VideoPacket) -> Self {
        Self {
            id: packet.stream,
            rid: packet.rid.clone(),
            format: Arc::clone(&packet.format),
            wish: KeyFrameWish::default(),
            heard: now,
            bit_rate: 0,
            counted: 0,
            counted_since: now,
        }
    }

    /// Counts a packet.
    pub(super) fn heard(&mut self, now: Instant, packet: &VideoPacket) {
        self.heard = now;
        if self.rid.is_none() {
            self.rid.clone_from(&packet.rid);
        }
        self.counted += packet.payload.len() as u64 * 8;
        let passed = now.saturating_duration_since(self.counted_since);
        if passed >= MEASURED {
            let rate = (self.counted as f64 / passed.as_secs_f64()) as u64;
            self.bit_rate = if self.bit_rate == 0 { rate } else { (self.bit_rate + rate) / 2 };
            (self.counted, self.counted_since) = (0, now);
        }
    }
}
