//! An adaptive jitter buffer: packets in as they come, frames out as they are played.
//!
//! The player pulls. Its clock is the only one that matters; the sender's drift shows as delay that slowly
//! grows or shrinks, and the buffer asks the player to shorten or stretch a frame now and then. The target is
//! NetEQ's: the 0.95 quantile of relative delays in a histogram that forgets. Delay also grows by itself when a
//! frame is late, as what is concealed meanwhile is not skipped afterwards; nothing is thrown away on a delay
//! spike.

mod delay;
mod recover;

use crate::number::Unwrap;
use crate::{AudioLevel, PayloadType, RtpPacket, RtpTime, SequenceNumber};
use delay::DelayEstimate;
pub use recover::Repeated;
use recover::Seen;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets that may wait; the oldest is given up for a newer one.
pub const MAX_PACKETS: usize = 200;
/// The largest payload that is taken, 60 ms of anything that fits an Ethernet frame.
pub const MAX_PAYLOAD: usize = 1_500;
/// A transit time that changes by more than this is a new clock, not a slow packet.
const JUMP: Duration = Duration::from_secs(2);
/// So many packets that are all too late tell of a sender whose clock was set back.
const MAX_LATE_IN_A_ROW: u32 = 25;

/// How a jitter buffer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// Ticks a second of the media clock.
    pub clock_rate: u32,
    /// What the player plays at a time, in ticks; gaps are concealed in such steps.
    pub frame: u32,
    /// The least delay, and the one to start with.
    pub minimum: Duration,
    /// The most delay that is aimed at.
    pub maximum: Duration,
    /// Whether the delay follows the network. Without it every frame is played as long as it is, [`minimum`](Self::minimum) after
    /// it was first to be had.
    pub adapts: bool,
}

impl JitterConfig {
    /// For telephone speech: 20 ms frames at `clock_rate`, 40 to 400 ms of delay.
    pub fn speech(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            frame: clock_rate / 50,
            minimum: Duration::from_millis(40),
            maximum: Duration::from_millis(400),
            adapts: true,
        }
    }

    /// One delay for good, for what suffers no change of tempo, such as the tones of a fax or a modem.
    pub fn fixed(clock_rate: u32, delay: Duration) -> Self {
        Self { minimum: delay, maximum: delay, adapts: false, ..Self::speech(clock_rate) }
    }
}

/// What became of a packet that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It waits to be played.
    Queued,
    /// It waits to be played; what waited before belonged to another clock and was dropped.
    Resynchronised,
    /// It is there already.
    Duplicate,
    /// Its time is over.
    Late,
    /// Its payload is longer than [`MAX_PAYLOAD`].
    TooLong,
}

/// What to play next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull<'a> {
    /// A packet's payload.
    Frame {
        /// When its first sample was taken.
        time: RtpTime,
        /// What the payload is.
        payload_type: PayloadType,
        /// The payload.
        payload: &'a [u8],
        /// Whether the player should take more or less time for it.
        pace: Pace,
        /// How loud its sender says it is, where that came with it.
        level: Option<AudioLevel>,
    },
    /// Conceal one frame: its packet is missing, later ones are here.
    Lost {
        /// The packet that follows the missing frame directly, which may repeat it (forward error correction). It stays in the
        /// buffer and is played in its turn.
        next: Option<(PayloadType, &'a [u8])>,
    },
    /// Conceal one frame: nothing is here; the packet may be late, lost, or never sent.
    Underrun,
    /// Play silence: the stream has not begun, pauses, or is being buffered after a pause.
    Silence,
}

/// How long to play a frame, against its nominal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Just as long.
    Keep,
    /// Shorter, by a pitch period: there is more delay than needed.
    Shorten,
    /// Longer, by a pitch period: there is less delay than needed.
    Stretch,
}

/// Counts and delays of a jitter buffer since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets queued.
    pub queued: u64,
    /// Packets that came behind a later one and still in time.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that never came, or too late, and were put in from later ones (RFC 2198).
    pub recovered: u64,
    /// Packets dropped because there were too many, or because the clock of the sender changed.
    pub discarded: u64,
    /// Packets played.
    pub played: u64,
    /// Frames concealed for a missing packet.
    pub lost: u64,
    /// Frames concealed because the buffer was empty.
    pub underruns: u64,
    /// Packets that wait now.
    pub waiting: usize,
    /// The delay that is aimed at.
    pub target: Duration,
    /// The delay of the last frame played, against the fastest packet of the last two seconds.
    pub delay: Duration,
}

/// The buffer.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    clock_rate: i64,
    frame: i64,
    minimum: i64,
    maximum: i64,
    adapts: bool,
    origin: Instant,
    estimate: DelayEstimate,
    sequences: Unwrap,
    times: Unwrap,
    seen: Seen,
    /// Sorted by sequence number.
    waiting: VecDeque<Waiting>,
    /// What [`pull`](JitterBuffer::pull) lends out.
    current: Vec<u8>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
    play: Play,
    last_transit: Option<i64>,
    late_in_a_row: u32,
    since_pace: i64,
    stats: JitterStats,
}

#[derive(Clone, Debug)]
struct Waiting {
    sequence: i64,
    time: i64,
    /// In ticks; zero for a packet that is no audio and only fills its number.
    duration: i64,
    payload_type: PayloadType,
    level: Option<AudioLevel>,
    payload: Vec<u8>,
}

/// Where the player is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Play {
    /// Nothing to continue: the next packet starts a talkspurt when it has waited long enough.
    Pausing { after: Option<i64> },
    /// In the middle of a talkspurt.
    Running {
        /// The sequence number of the last packet that was used.
        sequence: i64,
        /// The time of the next sample.
        position: i64,
        /// Ticks concealed since.
        concealed: i64,
    },
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new(now: Instant, config: JitterConfig) -> Self {
        let rate = config.clock_rate.max(1);
        let ticks = |span: Duration| (span.as_nanos() * u128::from(rate) / 1_000_000_000) as i64;
        Self {
            clock_rate: i64::from(rate),
            frame: i64::from(config.frame.max(1)),
            minimum: ticks(config.minimum),
            maximum: ticks(config.maximum.max(config.minimum)),
            adapts: config.adapts,
            origin: now,
            estimate: DelayEstimate::new(rate),
            sequences: Unwrap::default(),
            times: Unwrap::default(),
            seen: Seen::default(),
            waiting: VecDeque::new(),
            current: Vec::new(),
            spare: Vec::new(),
            play: Play::Pausing { after: None },
            last_transit: None,
            late_in_a_row: 0,
            since_pace: 0,
            stats: JitterStats::default(),
        }
    }

    /// Puts a packet in. `duration` is how long its payload plays, in ticks; a packet without any is no
    /// audio and only fills its number.
    pub fn insert(&mut self, now: Instant, packet: &RtpPacket<'_>, duration: u32) -> Inserted {
        self.insert_with_level(now, packet, duration, None)
    }

    /// The same of a packet with the level of its audio, which is given with its frame.
    pub fn insert_with_level(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        duration: u32,
        level: Option<AudioLevel>,
    ) -> Inserted {
        let RtpPacket { sequence, time, payload, payload_type, .. } = *packet;
        if payload.len() > MAX_PAYLOAD {
            self.stats.discarded += 1;
            return Inserted::TooLong;
        }
        let mut inserted = Inserted::Queued;
        let mut long_time = self.times.time(time);
        let mut transit = self.ticks(now) - long_time;
        if self
            .last_transit
            .is_some_and(|last| (transit - last).abs() > JUMP.as_secs() as i64 * self.clock_rate)
        {
            self.reset();
            inserted = Inserted::Resynchronised;
            long_time = self.times.time(time);
            transit = self.ticks(now) - long_time;
        }
        self.last_transit = Some(transit);
        let sequence = self.sequences.sequence(sequence);
        self.estimate.arrived(now, transit);
        let end = long_time + i64::from(duration);
        if self.seen.comes(sequence) {
            // A later packet has brought it already.
            self.stats.recovered = self.stats.recovered.saturating_sub(1);
            self.stats.duplicates += 1;
            return Inserted::Duplicate;
        }
        if self.is_used(sequence, end) {
            self.stats.late += 1;
            self.late_in_a_row += 1;
            // New numbers with old times: the sender has set its clock back, by less than a jump.
            if self.late_in_a_row > MAX_LATE_IN_A_ROW {
                self.reset();
            }
            return Inserted::Late;
        }
        self.late_in_a_row = 0;
        let Some(place) = self.place(sequence) else {
            self.stats.duplicates += 1;
            return Inserted::Duplicate;
        };
        self.stats.reordered += u64::from(place < self.waiting.len());
        self.stats.queued += 1;
        let (time, duration) = (long_time, i64::from(duration));
        let payload = self.copy(payload);
        self.waiting.insert(place, Waiting { sequence, time, duration, payload_type, level, payload });
        self.bound();
        inserted
    }

    /// Notes a packet of the same stream that is not for this buffer, such as a telephone event, so that its
    /// sequence number is not taken for a loss.
    pub fn skip(&mut self, sequence: SequenceNumber) {
        let sequence = self.sequences.sequence(sequence);
        self.seen.comes(sequence);
        if self.is_used(sequence, i64::MAX) {
            return;
        }
        if let Some(place) = self.place(sequence) {
            // It stands at the time of its neighbour; only its number counts.
            let time = self.waiting.get(place.saturating_sub(1)).map_or(0, |it| it.time);
            self.waiting.insert(
                place,
                Waiting {
                    sequence,
                    time,
                    duration: 0,
                    payload_type: PayloadType::PCMU,
                    level: None,
                    payload: Vec::new(),
                },
            );
            self.bound();
        }
    }

    /// The next frame, or what to play in its place. Call it whenever the player has less than it needs; `now` is when
    /// the frame begins to be heard, so later than the present by what the player still has.
    pub fn pull(&mut self, now: Instant) -> Pull<'_> {
        self.drop_skipped();
        let Some(head) = self.waiting.front() else {
            return self.starve();
        };
        let (sequence, time) = (head.sequence, head.time);
        match self.play {
            Play::Pausing { .. } => {
                // A talkspurt starts when its first packet has the delay that is aimed at.
                if self.delay_of(now, time) + self.frame / 2 < self.target() {
                    return Pull::Silence;
                }
                self.play_head(now, Pace::Keep)
            }
            Play::Running { position, .. } if time <= position => {
                let pace = self.pace(now, time);
                self.play_head(now, pace)
            }
            Play::Running { position, concealed, .. } if time - position <= concealed => {
                self.play_head(now, Pace::Keep)
            }
            Play::Running { sequence: last, .. } if sequence == last + 1 => {
                // Every number is here, so the sender paused on purpose: the best moment to change the delay.
                self.play = Play::Pausing { after: Some(last) };
                self.pull(now)
            }
            Play::Running { sequence, position, concealed } => {
                self.conceal(sequence, position, concealed);
                self.stats.lost += 1;
                let last_of_gap = position + concealed + self.frame;
                let next =
                    self.waiting.front().filter(|it| it.sequence == sequence + 2 && it.time <= last_of_gap);
                Pull::Lost { next: next.map(|it| (it.payload_type, it.payload.as_slice())) }
            }
        }
    }

    /// Forgets the stream, as for another source; what was learnt about the network stays.
    pub fn reset(&mut self) {
        self.stats.discarded += self.waiting.iter().filter(|it| it.duration > 0).count() as u64;
        self.waiting.clear();
        self.play = Play::Pausing { after: None };
        self.sequences = Unwrap::default();
        self.times = Unwrap::default();
        self.seen = Seen::default();
        self.last_transit = None;
        self.late_in_a_row = 0;
        self.estimate.restart();
    }

    /// The sender is known to be silent, as on hold: what waits is still played, and nothing is concealed after it.
    pub fn rest(&mut self) {
        if let Play::Running { sequence, .. } = self.play
            && self.waiting.is_empty()
        {
            self.play = Play::Pausing { after: Some(sequence) };
        }
    }

    /// The figures up to now.
    pub fn stats(&self) -> JitterStats {
        JitterStats { waiting: self.waiting.len(), target: self.span(self.target()), ..self.stats }
    }

    /// Whether the time of such a packet is over.
    fn is_used(&self, sequence: i64, end: i64) -> bool {
        match self.play {
            Play::Pausing { after } => after.is_some_and(|last| sequence <= last),
            Play::Running { sequence: last, position, .. } => sequence <= last || end <= position,
        }
    }

    /// Where a packet belongs; `None` when its number is taken.
    fn place(&self, sequence: i64) -> Option<usize> {
        let behind = self.waiting.iter().rev().take_while(|it| it.sequence > sequence).count();
        let place = self.waiting.len() - behind;
        let before = place.checked_sub(1).and_then(|it| self.waiting.get(it));
        before.is_none_or(|it| it.sequence != sequence).then_some(place)
    }

    fn bound(&mut self) {
        while self.waiting.len() > MAX_PACKETS {
            if let Some(oldest) = self.waiting.pop_front() {
                self.stats.discarded += 1;
                self.recycle(oldest.payload);
            }
        }
    }

    /// Moves over packets at the head that only fill their number.
    fn drop_skipped(&mut self) {
        while self.waiting.front().is_some_and(|it| it.duration == 0) {
            let Some(skipped) = self.waiting.pop_front() else { return };
            match &mut self.play {
                Play::Running { sequence, .. } if skipped.sequence == *sequence + 1 => *sequence += 1,
                Play::Running { .. } => {}
                Play::Pausing { after } => *after = Some(skipped.sequence),
            }
            self.recycle(skipped.payload);
            // The sender sends something else instead of audio, such as an event, so none is missing.
            if self.waiting.is_empty() {
                self.rest();
            }
        }
    }

    fn starve(&mut self) -> Pull<'_> {
        match self.play {
            Play::Pausing { .. } => Pull::Silence,
            Play::Running { sequence, position, concealed } => {
                self.conceal(sequence, position, concealed);
                self.stats.underruns += 1;
                Pull::Underrun
            }
        }
    }

    /// One more frame is made up. After 60 ms concealment has faded out, so what comes then starts a talkspurt.
    fn conceal(&mut self, sequence: i64, position: i64, concealed: i64) {
        let concealed = concealed + self.frame;
        self.play = match concealed * 1_000 >= 60 * self.clock_rate {
            true => Play::Pausing { after: Some(sequence) },
            false => Play::Running { sequence, position, concealed },
        };
    }

    fn play_head(&mut self, now: Instant, pace: Pace) -> Pull<'_> {
        let Some(head) = self.waiting.pop_front() else {
            return Pull::Silence;
        };
        self.stats.delay = self.span(self.delay_of(now, head.time));
        self.stats.played += 1;
        self.play =
            Play::Running { sequence: head.sequence, position: head.time + head.duration, concealed: 0 };
        let played = std::mem::replace(&mut self.current, head.payload);
        self.recycle(played);
        Pull::Frame {
            time: RtpTime(head.time as u32),
            payload_type: head.payload_type,
            payload: &self.current,
            pace,
            level: head.level,
        }
    }

    fn copy(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.extend_from_slice(payload);
        buffer
    }

    fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && self.spare.len() < MAX_PACKETS {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Whether the delay has left the band around the target.
    fn pace(&mut self, now: Instant, time: i64) -> Pace {
        if !self.adapts {
            return Pace::Keep;
        }
        let excess = self.delay_of(now, time) - self.target();
        self.since_pace += self.frame;
        // One change every 100 ms keeps the tempo within some ten per cent; a great excess goes faster.
        let rested = self.since_pace * 10 >= self.clock_rate;
        let pace = if excess > self.frame * 8 || (rested && excess > self.frame * 3 / 2) {
            Pace::Shorten
        } else if rested && excess < -self.frame * 3 / 4 {
            Pace::Stretch
        } else {
            return Pace::Keep;
        };
        self.since_pace = 0;
        pace
    }

    /// How much later than at the earliest moment the sample of `time` is played when it is played now.
    fn delay_of(&self, now: Instant, time: i64) -> i64 {
        let transit = self.ticks(now) - time;
        transit - self.estimate.fastest().unwrap_or(transit)
    }

    fn target(&self) -> i64 {
        self.estimate.target().unwrap_or(0).clamp(self.minimum, self.maximum)
    }

    fn ticks(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.origin);
        (since.as_nanos() * self.clock_rate.unsigned_abs() as u128 / 1_000_000_000) as i64
    }

    fn span(&self, ticks: i64) -> Duration {
        let ticks = ticks.max(0).unsigned_abs();
        Duration::from_nanos(ticks.saturating_mul(1_000_000_000) / self.clock_rate.unsigned_abs())
    }
}
