//! What one receiver sees at one place: now this source, now that, and always one stream that goes on.

use super::vp8::Descriptor;
use super::{CLOCK, PictureCoding, VideoPacket};
use ringback_rtp::{RtpTime, SequenceNumber};
use std::sync::Arc;
use std::time::Instant;

/// What is this far from the newest packet is no part of the same stream, or of no use to anybody.
const MAX_LATE: i16 = 1_000;

/// A stream towards a receiver, made of streams of others.
///
/// The sequence numbers of a source are kept with their gaps, so that what was lost before us can be asked for and
/// come later.
#[derive(Clone, Debug)]
pub(super) struct OutLine<Source> {
    showing: Option<Shown<Source>>,
    /// What is to be shown as soon as a key frame of it comes.
    wanted: Option<Source>,
    last: Option<Last>,
}

/// How the numbers of the source that is shown become ours.
#[derive(Clone, Copy, Debug)]
struct Shown<Source> {
    source: Source,
    /// The first packet of the source that is passed on.
    begins: SequenceNumber,
    sequence: u16,
    time: u32,
    picture: u16,
    tl0: u8,
}

/// The newest packet that went out.
#[derive(Clone, Copy, Debug)]
struct Last {
    at: Instant,
    sequence: SequenceNumber,
    time: RtpTime,
    picture: Option<u16>,
    tl0: Option<u8>,
}

impl<Source: Copy + PartialEq> OutLine<Source> {
    pub(super) fn new() -> Self {
        Self { showing: None, wanted: None, last: None }
    }

    /// What is shown.
    pub(super) fn showing(&self) -> Option<Source> {
        self.showing.map(|shown| shown.source)
    }

    /// What is waited for.
    pub(super) fn wanted(&self) -> Option<Source> {
        self.wanted
    }

    /// What is to be shown. What there is stays until a key frame comes. Says whether one has to be asked for.
    pub(super) fn want(&mut self, source: Option<Source>) -> bool {
        let wanted = source.filter(|source| self.showing() != Some(*source));
        let is_news = wanted.is_some() && self.wanted != wanted;
        self.wanted = wanted;
        is_news
    }

    /// A source is gone.
    pub(super) fn lose(&mut self, source: Source) {
        self.showing = self.showing.filter(|shown| shown.source != source);
        self.wanted = self.wanted.filter(|wanted| *wanted != source);
    }

    /// Takes a packet of a source, and gives what goes to the receiver, if anything does.
    pub(super) fn take(
        &mut self,
        now: Instant,
        source: Source,
        packet: &VideoPacket,
        begins_key_frame: bool,
    ) -> Option<VideoPacket> {
        let coding = PictureCoding::of(&packet.format);
        let descriptor = match coding {
            PictureCoding::Vp8 => Descriptor::parse(&packet.payload).unwrap_or_default(),
            PictureCoding::Vp9 | PictureCoding::H264 | PictureCoding::Other => Descriptor::default(),
        };
        let is_far = self.showing.is_some_and(|shown| shown.source == source && self.is_far(shown, packet));
        if (self.wanted == Some(source) || is_far) && begins_key_frame {
            self.showing = Some(self.go_on_with(now, source, packet, descriptor));
            self.wanted = self.wanted.filter(|wanted| *wanted != source);
        } else if is_far {
            return None;
        }
        let shown = self.showing.as_mut().filter(|shown| shown.source == source)?;
        let behind_begin = packet.sequence.distance_from(shown.begins);
        if behind_begin > MAX_LATE {
            // Follows the newest, so that it never comes round to where it would look old.
            shown.begins = SequenceNumber(packet.sequence.0.wrapping_sub(MAX_LATE as u16));
        } else if behind_begin < 0 {
            return None;
        }
        let sequence = SequenceNumber(packet.sequence.0.wrapping_add(shown.sequence));
        let time = packet.time.plus(shown.time);
        let picture = descriptor.picture.map(|picture| picture.wrapping_add(shown.picture) & 0x7fff);
        let tl0 = descriptor.tl0.map(|tl0| tl0.wrapping_add(shown.tl0));
        if self.last.is_none_or(|last| sequence.distance_from(last.sequence) > 0) {
            let before = self.last;
            self.last = Some(Last {
                at: now,
                sequence,
                time,
                picture: picture.or(before.and_then(|it| it.picture)),
                tl0: tl0.or(before.and_then(|it| it.tl0)),
            });
        }
        let payload = match (picture, tl0) {
            (None, None) => Arc::clone(&packet.payload),
            (picture, tl0) => {
                let mut payload = packet.payload.to_vec();
                descriptor.rewrite(&mut payload, picture.unwrap_or(0), tl0.unwrap_or(0));
                payload.into()
            }
        };
        Some(VideoPacket { sequence, time, payload, rid: None, ..packet.clone() })
    }

    /// Whether the numbers of the source have gone somewhere else: it has begun anew, or somebody forges it.
    fn is_far(&self, shown: Shown<Source>, packet: &VideoPacket) -> bool {
        let ours = SequenceNumber(packet.sequence.0.wrapping_add(shown.sequence));
        self.last.is_some_and(|last| !(-MAX_LATE..=MAX_LATE).contains(&ours.distance_from(last.sequence)))
    }

    /// The numbers of a source that takes the place of another: each follows on the last one.
    fn go_on_with(
        &self,
        now: Instant,
        source: Source,
        packet: &VideoPacket,
        descriptor: Descriptor,
    ) -> Shown<Source> {
        let begins = packet.sequence;
        let Some(last) = self.last else {
            return Shown { source, begins, sequence: 0, time: 0, picture: 0, tl0: 0 };
        };
        // As much later as it is, so that the picture keeps its pace; at least a tick, for it is another picture.
        let passed = now.saturating_duration_since(last.at).as_micros() * u128::from(CLOCK) / 1_000_000;
        let time = last.time.plus((passed as u32).max(1));
        let after = |last: u16, this: Option<u16>| last.wrapping_add(1).wrapping_sub(this.unwrap_or(0));
        Shown {
            source,
            begins,
            sequence: after(last.sequence.0, Some(packet.sequence.0)),
            time: time.0.wrapping_sub(packet.time.0),
            picture: last.picture.map_or(0, |last| after(last, descriptor.picture)),
            tl0: last.tl0.map_or(0, |last| last.wrapping_add(1).wrapping_sub(descriptor.tl0.unwrap_or(0))),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;
    use crate::video::StreamId;
    use ringback_sdp::Codec;
    use std::time::Duration;

    /// A packet of VP8 with a long picture id.
    fn packet(sequence: u16, time: u32, picture: u16, is_key: bool) -> VideoPacket {
        let [high, low] = picture.to_be_bytes();
        VideoPacket {
            stream: StreamId(0),
            rid: None,
            format: Codec::new(96, "VP8", 90_000).unwrap().into(),
            marker: true,
            sequence: SequenceNumber(sequence),
            time: RtpTime(time),
            payload: vec![0x90, 0xc0, 0x80 | high, low, picture as u8, u8::from(!is_key)].into(),
        }
    }

    struct Watched {
        line: OutLine<char>,
        now: Instant,
        seen: Vec<(char, u16, u32, u16, u8)>,
    }

    impl Watched {
        fn new() -> Self {
            Self { line: OutLine::new(), now: Instant::now(), seen: Vec::new() }
        }

        fn take(&mut self, source: char, packet: &VideoPacket) -> bool {
            let is_key = PictureCoding::Vp8.begins_key_frame(&packet.payload);
            let taken = self.line.take(self.now, source, packet, is_key);
            let is_taken = taken.is_some();
            self.seen.extend(taken.map(|it| {
                let found = Descriptor::parse(&it.payload).unwrap();
                (source, it.sequence.0, it.time.0, found.picture.unwrap(), found.tl0.unwrap())
            }));
            is_taken
        }
    }

    #[test]
    fn another_source_follows_on_with_its_key_frame_and_the_old_one_stays_until_then() {
        let mut watched = Watched::new();
        assert!(watched.line.want(Some('a')));
        assert!(!watched.take('a', &packet(9, 0, 9, false)), "nothing before a key frame");
        assert!(watched.take('a', &packet(10, 3_000, 10, true)));
        assert!(watched.take('a', &packet(11, 6_000, 11, false)));
        assert!(watched.line.want(Some('b')) && !watched.line.want(Some('b')));
        assert!(!watched.take('b', &packet(60_000, 777, 30_000, false)));
        assert!(watched.take('a', &packet(12, 9_000, 12, false)));
        watched.now += Duration::from_millis(40);
        assert!(watched.take('b', &packet(60_001, 3_777, 30_001, true)));
        assert!(!watched.take('a', &packet(13, 12_000, 13, true)), "the old one is over");
        assert!(watched.take('b', &packet(60_002, 6_777, 30_002, false)));
        assert_eq!(
            watched.seen,
            [
                ('a', 10, 3_000, 10, 10),
                ('a', 11, 6_000, 11, 11),
                ('a', 12, 9_000, 12, 12),
                ('b', 13, 12_600, 13, 13),
                ('b', 14, 15_600, 14, 14)
            ]
        );
    }

    #[test]
    fn gaps_stay_gaps_and_what_comes_late_fills_them() {
        let mut watched = Watched::new();
        watched.line.want(Some('a'));
        for number in [65_534, 65_535, 2, 0, 1] {
            let number: u16 = number;
            assert!(watched.take('a', &packet(number, u32::from(number), 7, number == 65_534)));
        }
        let numbers: Vec<u16> = watched.seen.iter().map(|it| it.1).collect();
        assert_eq!(numbers, [65_534, 65_535, 2, 0, 1]);
        // From before the key frame, or of another source from before the change.
        assert!(!watched.take('a', &packet(65_533, 0, 6, false)));
        watched.line.want(Some('b'));
        watched.take('b', &packet(500, 0, 0, true));
        assert_eq!(watched.seen.last().map(|it| it.1), Some(3), "behind the highest, not the latest");
        assert!(!watched.take('b', &packet(499, 0, 0, false)));
    }

    #[test]
    fn numbers_that_leap_are_not_followed_until_a_key_frame() {
        let mut watched = Watched::new();
        watched.line.want(Some('a'));
        watched.take('a', &packet(10, 0, 10, true));
        for number in [5_000, 40_000, 64_000] {
            assert!(!watched.take('a', &packet(number, 0, 11, false)));
        }
        assert!(watched.take('a', &packet(11, 3_000, 11, false)));
        assert!(watched.take('a', &packet(40_001, 90_000, 500, true)), "it has begun anew");
        assert!(watched.take('a', &packet(40_002, 93_000, 501, false)));
        let numbers: Vec<_> = watched.seen.iter().map(|it| (it.1, it.3)).collect();
        assert_eq!(numbers, [(10, 10), (11, 11), (12, 12), (13, 13)]);
    }

    #[test]
    fn a_long_stream_goes_round_the_numbers() {
        let mut watched = Watched::new();
        watched.line.want(Some('a'));
        for number in 0..200_000u32 {
            assert!(watched.take('a', &packet(number as u16, number, number as u16 & 0x7fff, number == 0)));
        }
        assert!(watched.seen.windows(2).all(|pair| pair[1].1 == pair[0].1.wrapping_add(1)));
    }

    #[test]
    fn who_is_gone_is_shown_no_more_and_numbers_go_on_afterwards() {
        let mut watched = Watched::new();
        watched.line.want(Some('a'));
        watched.take('a', &packet(10, 0, 10, true));
        watched.line.lose('a');
        assert!(!watched.take('a', &packet(11, 0, 11, true)));
        assert!(watched.line.want(Some('a')));
        assert!(watched.take('a', &packet(700, 0, 11, true)));
        assert_eq!(watched.seen.last().map(|it| (it.1, it.3)), Some((11, 11)));
    }
}
