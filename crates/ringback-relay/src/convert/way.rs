//! One direction: what comes from one side, made into what the other takes.

use super::digits::{Said, Tone, Tones};
use super::ear::Ear;
use super::line::Line;
use super::mouth::{self, Mouth};
use super::order::{Order, Turn};
use crate::formats::{KNOWN, is_speech};
use ringback_media::{AudioSource, RunningResampler, packet_time};
use ringback_rtp::RtpPacket;
use ringback_rtp::event::EventPayload;
use ringback_rtp::rtcp::{Compound, RtcpPacket};
use ringback_sdp::Codec;
use std::time::Duration;

/// At most so many packets that did not come are made up: 100 ms of the usual ones.
const CONCEALED: u16 = 5;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It goes on as it is, perhaps under another number.
    AsItIs,
    /// What goes on instead, if anything does, is polled.
    Converted,
    /// Its payload type was not agreed on.
    Unknown,
}

/// What is done with a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// It is understood, by this number.
    Pass(u8),
    Speech,
    Events,
    /// It accompanies speech that is converted, and means nothing to who listens.
    Leave,
    Unknown,
}

/// The way from one side to the other.
#[derive(Debug)]
pub(super) struct Way {
    sends: Vec<Codec>,
    takes: Vec<Codec>,
    /// How much audio who listens wants in a packet, and which share of them was lost of late.
    ptime: Duration,
    loss: f64,
    /// What each payload type of `sends` comes to.
    deeds: Vec<Deed>,
    /// The format that is spoken where what is sent is not taken.
    spoken: Option<Codec>,
    /// The payload type and the clock of the events that stand for tones, where only who listens knows them.
    told: Option<(u8, u32)>,
    /// Whether a packet was converted: from then on all are in one order.
    has_begun: bool,
    /// Whether the sender's numbers and times begin anew with the next packet.
    is_anew: bool,
    ssrc: u32,
    /// Number, time and sender of the last packet that passed as it was.
    passed: Option<(u16, u32, u32)>,
    order: Order,
    line: Line,
    ear: Option<Ear>,
    mouth: Option<Mouth>,
    /// From the ear's rate to that of the mouth; none between equal ones.
    between: Option<RunningResampler>,
    tone: Option<Tone>,
    tones: Option<Tones>,
    /// The event that passes: its time to who sends and to who listens.
    event: Option<(u32, u32)>,
    heard: Vec<i16>,
    said: Vec<Said>,
}

impl Way {
    pub(super) fn new(sends: Vec<Codec>, takes: Vec<Codec>, ptime: Option<Duration>) -> Self {
        let mut way = Self {
            sends: Vec::new(),
            takes: Vec::new(),
            ptime: Duration::ZERO,
            loss: 0.0,
            deeds: Vec::new(),
            spoken: None,
            told: None,
            has_begun: false,
            is_anew: false,
            ssrc: 0,
            passed: None,
            order: Order::default(),
            line: Line::default(),
            ear: None,
            mouth: None,
            between: None,
            tone: None,
            tones: None,
            event: None,
            heard: Vec::new(),
            said: Vec::new(),
        };
        way.renew(sends, takes, ptime);
        way
    }

    pub(super) fn renew(&mut self, sends: Vec<Codec>, takes: Vec<Codec>, ptime: Option<Duration>) {
        let ptime = packet_time(ptime, None);
        if (&self.sends, &self.takes, self.ptime) == (&sends, &takes, ptime) {
            return;
        }
        self.ptime = ptime;
        self.spoken = takes.iter().find(|codec| is_speech(codec) && KNOWN.find(codec).is_some()).cloned();
        let clock = self.spoken.as_ref().map(Codec::clock_rate);
        let events =
            takes.iter().find(|codec| codec.is_telephone_event() && Some(codec.clock_rate()) == clock);
        let says_events = sends.iter().any(Codec::is_telephone_event);
        self.told = events.filter(|_| !says_events).map(|event| (event.payload_type(), event.clock_rate()));
        self.deeds = sends
            .iter()
            .map(|codec| deed(codec, &takes, self.spoken.as_ref(), self.told.is_some()))
            .collect();
        (self.sends, self.takes) = (sends, takes);
        self.forget();
    }

    /// Forgets how the last packets sounded.
    fn forget(&mut self) {
        (self.ear, self.mouth, self.between) = (None, None, None);
        (self.tone, self.tones, self.event) = (None, None, None);
    }

    /// Whether all speech has to be converted.
    pub(super) fn is_due(&self) -> bool {
        let mut speech = self.sends.iter().zip(&self.deeds).filter(|(codec, _)| is_speech(codec)).peekable();
        self.has_begun || speech.peek().is_some() && speech.all(|(_, deed)| *deed == Deed::Speech)
    }

    pub(super) fn wants(&self, packet: &[u8]) -> bool {
        let Ok(packet) = RtpPacket::parse(packet) else { return false };
        let deed = self.deed(packet.payload_type.number()).1;
        self.has_begun || matches!(deed, Deed::Speech | Deed::Events)
    }

    fn deed(&self, number: u8) -> (Option<&Codec>, Deed) {
        let found = self.sends.iter().zip(&self.deeds).find(|(codec, _)| codec.payload_type() == number);
        found.map_or((None, Deed::Unknown), |(codec, deed)| (Some(codec), *deed))
    }

    pub(super) fn take(&mut self, octets: &mut [u8]) -> Taken {
        let Ok(packet) = RtpPacket::parse(octets) else { return Taken::Unknown };
        let (sequence, time, ssrc) = (packet.sequence, packet.time.0, packet.ssrc.0);
        let deed = self.deed(packet.payload_type.number()).1;
        if !self.has_begun {
            match (deed, octets.get_mut(1)) {
                (Deed::Pass(number), Some(kind)) => {
                    *kind = *kind & 0x80 | number;
                    self.passed = Some((sequence.0, time, ssrc));
                }
                (Deed::Speech | Deed::Events, _) => {
                    self.has_begun = true;
                    self.line.begin(sequence.0, time, ssrc);
                    self.ssrc = ssrc;
                }
                (Deed::Leave, _) => return Taken::Converted,
                (Deed::Unknown | Deed::Pass(_), _) => return Taken::Unknown,
            }
            if !self.has_begun {
                return Taken::AsItIs;
            }
        }
        if ssrc != self.ssrc {
            self.ssrc = ssrc;
            self.order = Order::default();
            self.line.follow(time, ssrc);
            self.forget();
        }
        self.order.take(sequence, octets);
        while let Some(turn) = self.order.poll() {
            match turn {
                Turn::Packet(octets) => self.play(&octets),
                Turn::Missing(count) => self.conceal(count),
                Turn::Anew => {
                    self.forget();
                    self.is_anew = true;
                }
            }
        }
        Taken::Converted
    }

    pub(super) fn poll(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.line.poll(buffer)
    }

    fn play(&mut self, octets: &[u8]) {
        let Ok(packet) = RtpPacket::parse(octets) else { return };
        let (codec, deed) = self.deed(packet.payload_type.number());
        let Some(codec) = codec.cloned() else { return };
        let time = packet.time.0;
        if std::mem::take(&mut self.is_anew) {
            self.line.follow(time, packet.ssrc.0);
        }
        match deed {
            Deed::Pass(number) if codec.is_telephone_event() => self.pass_event(number, &codec, &packet),
            Deed::Pass(number) => {
                self.line.jump(time, codec.clock_rate(), codec.clock_rate());
                self.line.say(number, self.line.now(), Some(packet.marker), |out| out.extend(packet.payload));
                if let Some(ticks) = KNOWN.find(&codec).and_then(|known| known.ticks(packet.payload)) {
                    self.line.pass(ticks, ticks);
                }
            }
            Deed::Speech => self.speech(&codec, &packet),
            Deed::Events => self.event(&codec, &packet),
            Deed::Leave | Deed::Unknown => {}
        }
    }

    /// Makes the next packet of music, in the format that is spoken. From its first on the listener's numbers and times are ours, as
    /// when something was converted, so that what the sender says later follows them.
    pub(super) fn music(
        &mut self,
        source: &mut AudioSource,
        gap: Option<Duration>,
        seed: u32,
    ) -> Option<Duration> {
        let spoken = self.spoken.clone()?;
        if self.mouth.is_none() {
            let rate = mouth::best_rate(&spoken, mouth::highest_rate(&spoken)?)?;
            self.mouth = Some(Mouth::new(&spoken, rate, self.ptime, self.loss)?);
        }
        let mouth = self.mouth.as_mut()?;
        if let Some(gap) = gap {
            if !std::mem::replace(&mut self.has_begun, true) {
                let (number, time, ssrc) = self.passed.unwrap_or((seed as u16, seed.rotate_left(8), seed));
                self.line.begin(number.wrapping_add(1), time, ssrc);
                self.ssrc = ssrc;
                // The time of the last packet is that of its beginning, and its end is later.
                self.line.rest(mouth.step());
            }
            mouth.clear();
            self.line.rest(ticks(gap, mouth.clock).saturating_sub(mouth.step()));
        }
        let (frame, rate) = (mouth.frame(), mouth.rate);
        let waiting = mouth.take();
        waiting.clear();
        waiting.resize(frame, 0);
        source.fill(rate, waiting);
        utter(mouth, &mut self.line, 0);
        // What the sender says next follows nothing that he has said.
        (self.order, self.is_anew) = (Order::default(), true);
        (self.ear, self.between, self.tone, self.event) = (None, None, None, None);
        Some(mouth.packet())
    }

    /// The sender speaks again, so long after the end of the music.
    pub(super) fn resume(&mut self, gap: Duration) {
        if let Some(mouth) = &mut self.mouth {
            mouth.clear();
            self.line.rest(ticks(gap, mouth.clock));
        }
    }

    /// Makes up what did not come, as the last payload type sounded.
    fn conceal(&mut self, count: u16) {
        let (Some(ear), Some(mouth)) = (&mut self.ear, &mut self.mouth) else { return };
        let next = self.order.peek().and_then(|octets| RtpPacket::parse(octets).ok());
        let next = next.filter(|next| ear.number() == next.payload_type.number()).map(|next| next.payload);
        let made = count.min(CONCEALED);
        for at in 1..=made {
            self.heard.clear();
            let ticks = ear.conceal(next.filter(|_| at == made && made == count), &mut self.heard);
            give(&self.heard, &mut self.between, mouth);
            utter(mouth, &mut self.line, ticks);
        }
    }

    /// Speech that is not taken as it is, or in which tones are listened for.
    fn speech(&mut self, codec: &Codec, packet: &RtpPacket<'_>) {
        if self.prepare(codec).is_none() {
            return;
        }
        let (Some(ear), Some(mouth)) = (&mut self.ear, &mut self.mouth) else { return };
        if self.line.jump(packet.time.0, codec.clock_rate(), mouth.clock) {
            mouth.clear();
        }
        self.heard.clear();
        let Some(ticks) = ear.hear(packet.payload, &mut self.heard) else { return };
        if let (Some((number, _)), Some(tones)) = (self.told, &mut self.tones) {
            self.said.clear();
            let begin = self.line.now();
            let length = self.line.time(packet.time.0.wrapping_add(ticks), codec.clock_rate(), mouth.clock);
            let sounds = tones.hear(&self.heard, begin, length, &mut self.said);
            for (payload, time, begins) in self.said.drain(..) {
                self.line.say(number, time, Some(begins), |out| out.extend(payload.octets()));
            }
            if sounds {
                mouth.clear();
                let passed = length.wrapping_sub(begin);
                return self.line.pass(ticks, passed);
            }
        }
        give(&self.heard, &mut self.between, mouth);
        utter(mouth, &mut self.line, ticks);
    }

    /// An event that is said as a tone.
    fn event(&mut self, codec: &Codec, packet: &RtpPacket<'_>) {
        let [event, flags, d0, d1, ..] = *packet.payload else { return };
        let payload = EventPayload::parse([event, flags, d0, d1]);
        let time = packet.time.0;
        let Some(spoken) = self.spoken.clone() else { return };
        if self.mouth.is_none() {
            self.mouth = mouth::best_rate(&spoken, 8_000)
                .and_then(|rate| Mouth::new(&spoken, rate, self.ptime, self.loss));
        }
        let Some(mouth) = &mut self.mouth else { return };
        if self.tone.as_ref().is_none_or(|tone| tone.time != time) {
            if self.line.jump(time, codec.clock_rate(), mouth.clock) {
                mouth.clear();
            }
            self.tone = Tone::new(time, payload.event);
        }
        let Some(tone) = &mut self.tone else { return };
        let rate = mouth.rate;
        let ticks = tone.lasted(payload.duration.into(), codec.clock_rate(), rate, mouth.take());
        if ticks > 0 {
            utter(mouth, &mut self.line, ticks);
        }
    }

    /// An event that is taken as it is, by another number or another clock.
    fn pass_event(&mut self, number: u8, codec: &Codec, packet: &RtpPacket<'_>) {
        let theirs = self.takes.iter().find(|codec| codec.payload_type() == number).map(Codec::clock_rate);
        let (from, to) = (codec.clock_rate(), theirs.unwrap_or(codec.clock_rate()));
        let time = packet.time.0;
        let there = match self.event {
            Some((own, there)) if own == time => there,
            _ => self.line.now(),
        };
        self.event = Some((time, there));
        self.line.say(number, there, Some(packet.marker), |out| {
            for octets in packet.payload.chunks_exact(4) {
                let mut payload = EventPayload::parse([octets[0], octets[1], octets[2], octets[3]]);
                let ticks = u64::from(payload.duration) * u64::from(to) / u64::from(from.max(1));
                payload.duration = u16::try_from(ticks).unwrap_or(u16::MAX);
                out.extend(payload.octets());
            }
        });
    }

    /// Sees to it that there are an ear for this format and a mouth.
    fn prepare(&mut self, codec: &Codec) -> Option<()> {
        if self.ear.as_ref().is_some_and(|ear| ear.hears(codec)) && self.mouth.is_some() {
            return Some(());
        }
        let spoken = self.spoken.as_ref()?;
        let wanted = mouth::highest_rate(codec)?.min(mouth::highest_rate(spoken)?);
        let ear = Ear::new(codec, wanted)?;
        let rate = mouth::best_rate(spoken, ear.rate)?;
        // One that speaks already goes on, so that its listener hears no break.
        if self.mouth.as_ref().is_none_or(|mouth| mouth.rate != rate) {
            self.mouth = Some(Mouth::new(spoken, rate, self.ptime, self.loss)?);
        }
        self.between =
            if ear.rate == rate { None } else { Some(RunningResampler::new(ear.rate, rate).ok()?) };
        self.tones = self.told.map(|_| Tones::new(ear.rate));
        self.ear = Some(ear);
        Some(())
    }

    /// Heeds what the listener reports of what was made for him.
    pub(super) fn heed(&mut self, packet: &[u8]) {
        if !self.has_begun {
            return;
        }
        let Ok(compound) = Compound::parse(packet) else { return };
        for part in compound.packets() {
            let (RtcpPacket::SenderReport { reports, .. } | RtcpPacket::ReceiverReport { reports, .. }) =
                part
            else {
                continue;
            };
            if let Some(report) = reports.iter().find(|report| report.ssrc.0 == self.ssrc) {
                self.loss = f64::from(report.fraction_lost) / 256.0;
                if let Some(mouth) = &mut self.mouth {
                    mouth.adapt(self.loss);
                }
            }
        }
    }

    /// RFC 3550 §7.2: the time and the counts of a sender's report.
    pub(super) fn report(&self, packet: &mut [u8]) {
        let (true, Some(mouth)) = (self.has_begun, &self.mouth) else { return };
        let from = self.ear.as_ref().map_or(mouth.clock, Ear::clock);
        let mut rest = packet;
        // Each part of a compound says how many words follow its first.
        while let [_, kind, l0, l1, ..] = *rest {
            let length = (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
            let Some((part, behind)) = rest.split_at_mut_checked(length) else { return };
            if kind == 200
                && let Some(info) = part.get_mut(16..28)
                && let [t0, t1, t2, t3, ..] = *info
            {
                let time = self.line.time(u32::from_be_bytes([t0, t1, t2, t3]), from, mouth.clock);
                let time = time.wrapping_add(mouth.waits());
                let (packets, octets) = self.line.sent;
                let words = [time, packets, octets].map(u32::to_be_bytes);
                info.copy_from_slice(words.as_flattened());
            }
            rest = behind;
        }
    }
}

/// What becomes of a payload type.
fn deed(codec: &Codec, takes: &[Codec], spoken: Option<&Codec>, listens: bool) -> Deed {
    let number = || takes.iter().find(|own| own.matches(codec)).map(Codec::payload_type);
    if codec.is_telephone_event() {
        let any = takes.iter().filter(|own| own.is_telephone_event());
        let beside = any.clone().find(|own| spoken.is_some_and(|it| it.clock_rate() == own.clock_rate()));
        let number = number().or(beside.or(any.clone().next()).map(Codec::payload_type));
        return match (number, spoken) {
            (Some(number), _) => Deed::Pass(number),
            (None, Some(_)) => Deed::Events,
            (None, None) => Deed::Unknown,
        };
    }
    let can_convert = spoken.is_some() && KNOWN.find(codec).is_some();
    match number() {
        Some(_) if listens && can_convert => Deed::Speech,
        Some(number) => Deed::Pass(number),
        None if codec.is_comfort_noise() => Deed::Leave,
        None if can_convert => Deed::Speech,
        None => Deed::Unknown,
    }
}

/// Ticks of a clock in a span: of an hour at most, as nobody waits longer.
fn ticks(span: Duration, clock: u32) -> u32 {
    (span.min(Duration::from_secs(3_600)).as_millis() as u64 * u64::from(clock) / 1_000) as u32
}

/// Hands samples to a mouth, at its rate.
fn give(samples: &[i16], between: &mut Option<RunningResampler>, mouth: &mut Mouth) {
    match between {
        Some(between) => between.convert(samples, mouth.take()),
        None => mouth.take().extend_from_slice(samples),
    }
}

/// Says what fills packets; the sender's time goes on by `ticks`.
fn utter(mouth: &mut Mouth, line: &mut Line, ticks: u32) {
    line.pass(ticks, 0);
    let step = mouth.step();
    loop {
        let mut is_one = false;
        line.say(mouth.number, line.now(), None, |payload| is_one = mouth.speak(payload));
        if !is_one {
            return;
        }
        line.pass(0, step);
    }
}
