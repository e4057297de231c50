//! Two legs, a network between them that is told what to do to each packet, and virtual time.

use ringback_media::{
    AudioFormat, AudioLeg, AudioSource, FrameKind, Incoming, Law, LegConfig, LegEvent, PeerAddress,
    PlayoutMode, RecorderLimits, Refused, Sent, TimestampRecorder,
};
use ringback_rtp::Datagram;
use ringback_sansio::{Entropy, Epoch, SeededEntropy};
use ringback_sdp::Direction;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// A voice of sorts at 8 kHz: harmonics on a gliding pitch, in syllables, with a hiss now and then.
pub(crate) fn speech(seconds: f64) -> Vec<i16> {
    speech_at(8_000, seconds)
}

/// The same at any rate.
pub(crate) fn speech_at(rate: u32, seconds: f64) -> Vec<i16> {
    let rate = f64::from(rate);
    let mut random = SeededEntropy::new(7);
    let mut phase = 0.0;
    (0..(seconds * rate) as usize)
        .map(|n| {
            let t = n as f64 / rate;
            let pitch = 120.0 + 25.0 * (t * 1.7).sin() + 8.0 * (t * 11.0).sin();
            phase += pitch / rate;
            let syllable = (t * 3.1).fract();
            let loudness = if syllable < 0.75 { (syllable / 0.75 * std::f64::consts::PI).sin() } else { 0.0 };
            let voice: f64 = (1..12)
                .map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k).powf(1.2))
                .sum();
            let hiss = (random.below(2_001) as f64 - 1_000.0) * if syllable > 0.68 { 1.0 } else { 0.02 };
            (voice * loudness * 7_000.0 + hiss) as i16
        })
        .collect()
}

pub(crate) fn through(law: Law, samples: &[i16]) -> Vec<i16> {
    samples.iter().map(|it| law.decode(law.encode(*it))).collect()
}

/// One end and everything that it did.
pub(crate) struct Party {
    pub(crate) leg: AudioLeg,
    pub(crate) address: SocketAddr,
    pub(crate) source: AudioSource,
    pub(crate) recorder: TimestampRecorder,
    pub(crate) played: Vec<i16>,
    pub(crate) kinds: Vec<FrameKind>,
    pub(crate) events: Vec<(Duration, LegEvent)>,
    pub(crate) sent: Vec<(Duration, Sent)>,
    /// When RTCP left.
    pub(crate) reports: Vec<Duration>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) most_delay: Duration,
    /// Between two frames; another value than 20 ms is a crystal that is off.
    tick: Duration,
    next: Duration,
}

impl Party {
    pub(crate) fn count(&self, kind: FrameKind) -> usize {
        self.kinds.iter().filter(|it| **it == kind).count()
    }

    pub(crate) fn digits(&self) -> String {
        let started = |event: &LegEvent| match event {
            LegEvent::DigitStarted(digit) => Some(*digit),
            _ => None,
        };
        self.events.iter().filter_map(|(_, event)| started(event)).collect()
    }
}

/// What the network does to the n-th packet: when its copies arrive after it was sent; none for a loss.
pub(crate) type Network<'a> = dyn FnMut(usize, &mut Vec<u8>) -> Vec<Duration> + 'a;

pub(crate) struct Call {
    pub(crate) begin: Instant,
    pub(crate) now: Duration,
    pub(crate) parties: [Party; 2],
    wire: Vec<(Duration, usize, Vec<u8>)>,
    /// RTP packets given to the network, by sender.
    given: [usize; 2],
}

pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;

impl Call {
    /// Alice plays `speech` at 8 kHz, Bob is silent.
    pub(crate) fn new(law: Law, seed: u64, speech: &[i16]) -> Self {
        Self::of(&AudioFormat::new(law), 8_000, seed, speech)
    }

    /// The same in any format, with frames of `rate`; `speech` has that rate too.
    pub(crate) fn of(format: &AudioFormat, rate: u32, seed: u64, speech: &[i16]) -> Self {
        let begin = start();
        let addresses = ["192.0.2.1:4000", "192.0.2.2:5000"].map(|it| it.parse().expect("an address"));
        let party = |own: usize| {
            let peer: SocketAddr = addresses[1 - own];
            let config = LegConfig {
                format: format.clone(),
                direction: Direction::SendRecv,
                peer: Some(PeerAddress { rtp: peer, rtcp: peer, rtcp_mux: true }),
                cname: format!("party{own}"),
                epoch: Epoch { at: begin, unix: Duration::from_secs(1_800_000_000) },
                rate,
                playout: PlayoutMode::Adaptive,
            };
            let samples: Arc<[i16]> = if own == ALICE { speech.into() } else { [].into() };
            Party {
                leg: AudioLeg::new(begin, config, &mut SeededEntropy::new(seed + own as u64))
                    .expect("a rate"),
                address: addresses[own],
                source: AudioSource::once(samples, rate),
                recorder: TimestampRecorder::new(RecorderLimits::default()),
                played: Vec::new(),
                kinds: Vec::new(),
                events: Vec::new(),
                sent: Vec::new(),
                reports: Vec::new(),
                refused: Vec::new(),
                most_delay: Duration::ZERO,
                tick: format.ptime,
                // Bob's clock is out of step with Alice's.
                next: Duration::from_millis(7) * own as u32,
            }
        };
        Self {
            begin,
            now: Duration::ZERO,
            parties: [party(ALICE), party(BOB)],
            wire: Vec::new(),
            given: [0; 2],
        }
    }

    /// Bob begins anew, and plays what he hears in another way.
    pub(crate) fn restart_bob(&mut self, playout: PlayoutMode) {
        let peer = self.parties[ALICE].address;
        let bob = &mut self.parties[BOB];
        let config = LegConfig {
            format: bob.leg.format().clone(),
            direction: Direction::SendRecv,
            peer: Some(PeerAddress { rtp: peer, rtcp: peer, rtcp_mux: true }),
            cname: "bob".into(),
            epoch: Epoch { at: self.begin, unix: Duration::from_secs(1_800_000_000) },
            rate: bob.leg.rate(),
            playout,
        };
        bob.leg = AudioLeg::new(self.begin, config, &mut SeededEntropy::new(99)).expect("a rate");
    }

    pub(crate) fn set_drift(&mut self, party: usize, parts_per_million: i32) {
        let nanos = 20_000_000 + i64::from(parts_per_million) * 20;
        self.parties[party].tick = Duration::from_nanos(nanos.unsigned_abs());
    }

    /// Alice puts another amount of speech into a packet, and plays as much at a time.
    pub(crate) fn set_ptime(&mut self, ptime: Duration) {
        let now = self.begin + self.now;
        let alice = &mut self.parties[ALICE];
        alice.tick = ptime;
        let format = AudioFormat { ptime, ..alice.leg.format().clone() };
        alice.leg.renegotiate(now, format, Direction::SendRecv, None);
    }

    /// Lets `span` pass with `network` between the parties. RTCP is never harmed.
    pub(crate) fn run(&mut self, span: Duration, network: &mut Network<'_>) {
        let until = self.now + span;
        loop {
            let arrival = (0..self.wire.len()).min_by_key(|it| self.wire[*it].0);
            let arrives = arrival.map(|it| self.wire[it].0);
            let party = usize::from(self.parties[BOB].next < self.parties[ALICE].next);
            let ticks = self.parties[party].next;
            let due = arrives.map_or(ticks, |it| it.min(ticks));
            if due >= until {
                self.now = until;
                return;
            }
            self.now = due;
            match arrival.filter(|_| arrives == Some(due)) {
                Some(index) => {
                    let (_, to, datagram) = self.wire.remove(index);
                    let from = self.parties[1 - to].address;
                    self.deliver(to, from, &datagram);
                }
                None => self.tick(party, network),
            }
        }
    }

    pub(crate) fn deliver(&mut self, to: usize, from: SocketAddr, datagram: &[u8]) {
        let now = self.begin + self.now;
        let party = &mut self.parties[to];
        match party.leg.receive(now, from, &mut datagram.to_vec()) {
            Ok(Incoming::Audio { payload, packet, recovered }) => {
                for (payload, packet) in recovered {
                    party.recorder.write(&payload, &packet);
                }
                party.recorder.write(&payload, &packet);
            }
            Ok(Incoming::Event | Incoming::Noise | Incoming::Rtcp) => {}
            Err(refused) => party.refused.push(refused),
        }
        self.drain(to);
    }

    fn tick(&mut self, own: usize, network: &mut Network<'_>) {
        let now = self.begin + self.now;
        let party = &mut self.parties[own];
        party.next += party.tick;
        let mut pcm = vec![0; party.leg.frame_len()];
        party.source.fill(party.leg.rate(), &mut pcm);
        let mut packet = Vec::new();
        let sent = party.leg.send_frame(now, &pcm, &mut packet);
        party.sent.push((self.now, sent));
        assert_eq!(matches!(sent, Sent::Nothing | Sent::Pause), packet.is_empty());
        if !packet.is_empty() {
            assert_eq!(Datagram::classify(&packet), Datagram::Rtp);
            let delays = network(self.given[own], &mut packet);
            self.given[own] += 1;
            self.wire.extend(delays.into_iter().map(|delay| (self.now + delay, 1 - own, packet.clone())));
        }
        let party = &mut self.parties[own];
        let mut out = vec![0; pcm.len()];
        party.kinds.push(party.leg.next_frame(now, &mut out));
        party.played.extend(out);
        party.most_delay = party.most_delay.max(party.leg.stats().delay);
        if party.leg.poll_timeout().is_some_and(|at| at <= now) {
            party.leg.handle_timeout(now);
            let mut report = Vec::new();
            while party.leg.poll_rtcp(now, &mut report) {
                party.reports.push(self.now);
                let at = self.now + Duration::from_millis(10);
                self.wire.push((at, 1 - own, std::mem::take(&mut report)));
            }
        }
        self.drain(own);
    }

    fn drain(&mut self, own: usize) {
        let party = &mut self.parties[own];
        while let Some(event) = party.leg.poll_event() {
            party.events.push((self.now, event));
        }
    }
}

/// Every packet takes 15 ms.
pub(crate) fn clean(_: usize, _: &mut Vec<u8>) -> Vec<Duration> {
    vec![Duration::from_millis(15)]
}
