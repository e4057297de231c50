//! A conference that passes pictures on: who speaks is seen by all, or everybody sees everybody.
//!
//! Nothing is decoded. What a receiver sees at one place is one stream that goes on, whoever is shown there
//! ([`OutLine`](super::line::OutLine)); another source is asked for a key frame, and the old picture stays until that comes.

mod choice;
mod party;

use super::wish::KeyFrameWish;
use super::{PictureCoding, StreamId, VideoPacket};
pub use choice::Layer;
use party::{Party, Places, Published, StreamKey};
use ringback_sdp::Codec;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Streams that one party may have: sizes of its picture.
const MAX_STREAMS: usize = 4;
/// Who is shown stays for so long, so that a cough is not seen.
const LEAST_SHOWN: Duration = Duration::from_secs(1);
/// A stream of which so long nothing comes is over.
const SILENCE: Duration = Duration::from_secs(5);
/// How often it is looked at which of its sizes a receiver can take.
const REVIEW: Duration = Duration::from_secs(1);
/// Packets that wait to be polled. Whoever polls after each input never has more than one for each line of each party.
const MAX_OUTPUTS: usize = 4_096;

/// Who sees whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoMode {
    /// All see who speaks, and who speaks sees who has spoken before.
    Switch,
    /// All see all others, so many of them at most.
    Forward(usize),
}

/// A party of a [`VideoRoom`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VideoPartyKey(u64);

/// What a room wants done.
#[derive(Clone, Debug)]
pub enum RoomOutput {
    /// Send this to a party, at one of its places, each of which is a stream of its own.
    Forward {
        /// To whom.
        to: VideoPartyKey,
        /// The place.
        line: usize,
        /// The packet with the numbers that it has there.
        packet: VideoPacket,
    },
    /// Ask a party for a key frame of a stream of its.
    KeyFrame {
        /// Whom.
        party: VideoPartyKey,
        /// Which stream.
        stream: StreamId,
    },
}

/// What a room has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoRoomStats {
    /// Packets that came.
    pub received: u64,
    /// Packets that were passed on, each receiver counted.
    pub forwarded: u64,
    /// Packets of more streams than a party may have, and of parties that are gone.
    pub refused: u64,
    /// Packets that nobody polled in time.
    pub dropped: u64,
    /// How often another party came to be shown.
    pub switches: u64,
    /// Key frames that were asked for.
    pub key_frame_requests: u64,
}

/// A conference that passes pictures on. It does no I/O: packets come by [`publish`](Self::publish) and go by
/// [`poll`](Self::poll).
#[derive(Debug)]
pub struct VideoRoom {
    mode: VideoMode,
    /// In the order of their keys.
    parties: Vec<Party>,
    next: u64,
    /// Who speaks.
    floor: Option<VideoPartyKey>,
    shown: Option<VideoPartyKey>,
    previous: Option<VideoPartyKey>,
    since: Option<Instant>,
    review: Option<Instant>,
    outputs: VecDeque<RoomOutput>,
    stats: VideoRoomStats,
}

impl VideoRoom {
    /// An empty room.
    pub fn new(mode: VideoMode) -> Self {
        Self {
            mode,
            parties: Vec::new(),
            next: 0,
            floor: None,
            shown: None,
            previous: None,
            since: None,
            review: None,
            outputs: VecDeque::new(),
            stats: VideoRoomStats::default(),
        }
    }

    /// Changes who sees whom.
    pub fn set_mode(&mut self, now: Instant, mode: VideoMode) {
        if self.mode != mode {
            self.mode = mode;
            self.parties.iter_mut().for_each(Party::clear_lines);
            self.direct(now);
        }
    }

    /// Who sees whom.
    pub fn mode(&self) -> VideoMode {
        self.mode
    }

    /// One more party, which sees nothing before it is said [what it takes](Self::set_formats).
    pub fn join(&mut self) -> VideoPartyKey {
        let key = VideoPartyKey(self.next);
        self.next += 1;
        self.parties.push(Party::new(key));
        key
    }

    /// One less. A key that is gone already changes nothing, here and below.
    pub fn leave(&mut self, now: Instant, key: VideoPartyKey) {
        let Some(at) = self.at(key) else { return };
        self.parties.remove(at);
        self.floor = self.floor.filter(|floor| *floor != key);
        self.previous = self.previous.filter(|it| *it != key);
        if self.shown == Some(key) {
            (self.shown, self.since) = (self.previous.take(), None);
        }
        for party in &mut self.parties {
            party.lose_party(key);
        }
        self.direct(now);
    }

    /// What a party can show.
    pub fn set_formats(&mut self, now: Instant, key: VideoPartyKey, formats: Vec<Codec>) {
        if let Some(party) = self.party_mut(key)
            && party.formats != formats
        {
            party.formats = formats;
            self.direct(now);
        }
    }

    /// Who speaks. Nobody speaking leaves the picture as it is.
    pub fn set_floor(&mut self, now: Instant, floor: Option<VideoPartyKey>) {
        if self.floor != floor {
            self.floor = floor;
            self.direct(now);
        }
    }

    /// How many bits a second come through to a party, as far as is known.
    pub fn set_estimate(&mut self, now: Instant, key: VideoPartyKey, bit_rate: u64) {
        if let Some(party) = self.party_mut(key) {
            party.estimate = Some(bit_rate);
            // Which size that is is looked at when it is time, so that it does not change with each report.
            self.review.get_or_insert(now + REVIEW);
        }
    }

    /// Which of the sizes that others send a party is to see.
    pub fn set_layer(&mut self, now: Instant, key: VideoPartyKey, layer: Layer) {
        if let Some(party) = self.party_mut(key) {
            party.layer = layer;
            self.direct(now);
        }
    }

    /// A party cannot show what it gets at one of its places before a key frame comes there.
    pub fn key_frame_wanted(&mut self, now: Instant, key: VideoPartyKey, line: usize) {
        let Some(source) = self.party(key).and_then(|party| party.lines.get(line)?.seen.showing()) else {
            return;
        };
        if let Some(stream) = self.stream_mut(source) {
            stream.wish.want();
        }
        self.ask(now);
    }

    /// A stream of a party is over.
    pub fn stream_ended(&mut self, now: Instant, key: VideoPartyKey, stream: StreamId) {
        if let Some(party) = self.party_mut(key) {
            party.streams.retain(|it| it.id != stream);
            self.lose_stream(StreamKey { party: key, stream });
            self.direct(now);
        }
    }

    /// Takes a packet of a party.
    pub fn publish(&mut self, now: Instant, key: VideoPartyKey, packet: &VideoPacket) {
        self.stats.received += 1;
        let source = StreamKey { party: key, stream: packet.stream };
        let Some(party) = self.party_mut(key) else {
            self.stats.refused += 1;
            return;
        };
        let known = party.streams.iter().position(|it| it.id == packet.stream);
        // A stream that is coded otherwise than before is another one.
        let is_same = known.is_some_and(|at| party.streams[at].format == packet.format);
        if !is_same {
            if known.is_none() && party.streams.len() >= MAX_STREAMS {
                self.stats.refused += 1;
                return;
            }
            party.streams.retain(|it| it.id != packet.stream);
            party.streams.push(Published::new(now, packet));
            self.lose_stream(source);
            self.direct(now);
        }
        let begins_key_frame = PictureCoding::of(&packet.format).begins_key_frame(&packet.payload);
        if let Some(stream) = self.stream_mut(source) {
            stream.heard(now, packet);
            if begins_key_frame {
                stream.wish.came();
            }
        }
        for party in self.parties.iter_mut().filter(|party| party.key != key) {
            for (number, line) in party.lines.iter_mut().enumerate() {
                let Some(packet) = line.seen.take(now, source, packet, begins_key_frame) else { continue };
                if self.outputs.len() >= MAX_OUTPUTS {
                    self.stats.dropped += 1;
                    continue;
                }
                self.stats.forwarded += 1;
                self.outputs.push_back(RoomOutput::Forward { to: party.key, line: number, packet });
            }
        }
        self.ask(now);
    }

    /// What is to be done; drain until `None`.
    pub fn poll(&mut self) -> Option<RoomOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let streams = || self.parties.iter().flat_map(|party| &party.streams);
        let wishes = streams().filter_map(|stream| stream.wish.poll_timeout(now));
        let silent = streams().map(|stream| stream.heard + SILENCE).min();
        let shown = self.since.filter(|_| self.waits_for_floor()).map(|since| since + LEAST_SHOWN);
        wishes.chain(silent).chain(shown).chain(self.review).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_silent = |stream: &Published| now >= stream.heard + SILENCE;
        let silent: Vec<StreamKey> = self
            .parties
            .iter()
            .flat_map(|party| party.streams.iter().map(move |stream| (party.key, stream)))
            .filter(|(_, stream)| is_silent(stream))
            .map(|(party, stream)| StreamKey { party, stream: stream.id })
            .collect();
        for source in silent {
            self.stream_ended(now, source.party, source.stream);
        }
        let is_review = self.review.take_if(|due| *due <= now).is_some();
        if is_review || self.waits_for_floor() {
            self.direct(now);
        }
        self.ask(now);
    }

    /// Who is seen by those who do not speak; `None` in a room where all see all.
    pub fn shown(&self) -> Option<VideoPartyKey> {
        self.shown.filter(|_| self.mode == VideoMode::Switch)
    }

    /// How many parties there are.
    pub fn len(&self) -> usize {
        self.parties.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.parties.is_empty()
    }

    /// What was counted.
    pub fn stats(&self) -> VideoRoomStats {
        self.stats
    }

    /// Whether somebody speaks who has a picture and is not shown.
    fn waits_for_floor(&self) -> bool {
        self.mode == VideoMode::Switch
            && self.floor != self.shown
            && self.floor.is_some_and(|floor| self.has_picture(floor))
    }

    fn has_picture(&self, key: VideoPartyKey) -> bool {
        self.party(key).is_some_and(|party| !party.streams.is_empty())
    }

    /// Decides who is shown.
    fn judge_floor(&mut self, now: Instant) {
        let is_settled = self.since.is_none_or(|since| now >= since + LEAST_SHOWN);
        if self.shown.is_some_and(|shown| !self.has_picture(shown)) {
            let previous = self.previous.filter(|it| self.has_picture(*it));
            (self.shown, self.previous, self.since) = (previous, None, None);
        }
        if let Some(floor) = self.floor.filter(|_| is_settled && self.waits_for_floor()) {
            self.stats.switches += 1;
            (self.previous, self.shown, self.since) = (self.shown, Some(floor), Some(now));
        } else if self.shown.is_none() {
            // Anybody, until somebody speaks.
            self.shown = self.parties.iter().find(|party| !party.streams.is_empty()).map(|party| party.key);
            self.since = None;
        }
    }

    /// Decides who sees what, and asks for what that takes.
    fn direct(&mut self, now: Instant) {
        self.judge_floor(now);
        let whom: Vec<(VideoPartyKey, Places)> =
            self.parties.iter().map(|party| (party.key, self.seen_by(party))).collect();
        for (key, lines) in whom {
            let count = lines.len();
            for (number, source) in lines {
                let (Some(at), Some(receiver)) = (source.and_then(|it| self.at(it)), self.party(key)) else {
                    if let Some(line) = self.party_mut(key).and_then(|party| party.line_mut(number)) {
                        line.of = source;
                        line.seen.want(None);
                    }
                    continue;
                };
                let now_seen = receiver.lines.get(number).and_then(|line| line.seen.showing());
                let stream = choice::choose(receiver, &self.parties[at], now_seen, count);
                let wanted = stream.map(|stream| StreamKey { party: self.parties[at].key, stream });
                let Some(line) = self.party_mut(key).and_then(|party| party.line_mut(number)) else {
                    continue;
                };
                line.of = source;
                if line.seen.want(wanted)
                    && let Some(stream) = wanted.and_then(|wanted| self.stream_mut(wanted))
                {
                    stream.wish.want();
                }
            }
        }
        let has_choice = self.parties.iter().any(|party| party.streams.len() > 1);
        self.review = if has_choice { self.review.or(Some(now + REVIEW)) } else { self.review };
        self.ask(now);
    }

    /// Whom a party sees, place by place.
    fn seen_by(&self, party: &Party) -> Places {
        match self.mode {
            VideoMode::Switch => {
                let other = |it: &VideoPartyKey| *it != party.key;
                let shown = self.shown.filter(other);
                let anybody = || {
                    let with_picture = self.parties.iter().filter(|it| !it.streams.is_empty());
                    with_picture.map(|it| it.key).find(other)
                };
                let instead =
                    || self.previous.filter(other).filter(|it| self.has_picture(*it)).or_else(anybody);
                vec![(0, shown.or_else(instead))]
            }
            VideoMode::Forward(most) => {
                let others: Vec<VideoPartyKey> = (self.parties.iter())
                    .filter(|it| it.key != party.key && !it.streams.is_empty())
                    .map(|it| it.key)
                    .collect();
                party.places(&others, most)
            }
        }
    }

    /// Asks for the key frames that are wanted.
    fn ask(&mut self, now: Instant) {
        for party in &mut self.parties {
            for stream in &mut party.streams {
                if stream.wish.poll(now) && self.outputs.len() < MAX_OUTPUTS {
                    self.stats.key_frame_requests += 1;
                    self.outputs.push_back(RoomOutput::KeyFrame { party: party.key, stream: stream.id });
                }
            }
        }
    }

    fn lose_stream(&mut self, source: StreamKey) {
        self.parties.iter_mut().flat_map(|party| &mut party.lines).for_each(|line| line.seen.lose(source));
    }

    fn at(&self, key: VideoPartyKey) -> Option<usize> {
        self.parties.binary_search_by_key(&key, |party| party.key).ok()
    }

    fn party(&self, key: VideoPartyKey) -> Option<&Party> {
        self.at(key).and_then(|at| self.parties.get(at))
    }

    fn party_mut(&mut self, key: VideoPartyKey) -> Option<&mut Party> {
        self.at(key).and_then(|at| self.parties.get_mut(at))
    }

    fn stream_mut(&mut self, source: StreamKey) -> Option<&mut Published> {
        self.party_mut(source.party)?.streams.iter_mut().find(|stream| stream.id == source.stream)
    }
}

#[cfg(test)]
mod tests;
