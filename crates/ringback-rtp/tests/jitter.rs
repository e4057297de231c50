//! The jitter buffer against seeded traces: how much is concealed, how long it takes, what it keeps.

use ringback_rtp::jitter::{Inserted, JitterBuffer, JitterConfig, JitterStats, MAX_PACKETS, Pace, Pull};
use ringback_rtp::{PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use ringback_sansio::{Entropy, SeededEntropy};
use std::time::{Duration, Instant};

/// Ticks of 8 kHz in a packet of 20 ms.
const TICKS: u32 = 160;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

fn packet(sequence: SequenceNumber, time: RtpTime, payload: &[u8]) -> RtpPacket<'_> {
    RtpPacket {
        marker: false,
        payload_type: PayloadType::PCMU,
        sequence,
        time,
        ssrc: Ssrc(1),
        contributors: Default::default(),
        extension: None,
        payload,
    }
}

/// One packet on the network.
#[derive(Clone, Copy)]
struct Arrival {
    at_us: u64,
    sequence: u16,
    time: u32,
}

/// Fifty packets a second; `delay_us` says what the network does with each, `None` loses it.
fn trace(packets: u32, mut delay_us: impl FnMut(u32) -> Option<u64>) -> Vec<Arrival> {
    let mut arrivals: Vec<Arrival> = (0..packets)
        .filter_map(|packet| {
            let at_us = u64::from(packet) * 20_000 + delay_us(packet)?;
            Some(Arrival { at_us, sequence: (packet as u16).wrapping_add(65_000), time: packet * TICKS })
        })
        .collect();
    arrivals.sort_by_key(|it| it.at_us);
    arrivals
}

/// What a player experienced.
#[derive(Debug, Default)]
struct Outcome {
    stats: JitterStats,
    played: Vec<u32>,
    delays_ms: Vec<u64>,
    shortened: u32,
    stretched: u32,
    silences: u32,
    most_waiting: usize,
}

impl Outcome {
    /// The share of frames that were concealed, in per cent of the frames played.
    fn concealed(&self) -> f64 {
        100.0 * (self.stats.lost + self.stats.underruns) as f64 / self.played.len().max(1) as f64
    }

    fn delay(&self, quantile: f64) -> u64 {
        let mut sorted = self.delays_ms.clone();
        sorted.sort_unstable();
        sorted[((sorted.len() - 1) as f64 * quantile) as usize]
    }
}

/// Plays a trace with a player whose clock ticks every 20 ms and that changes tempo by 6 ms when asked.
fn play(arrivals: &[Arrival]) -> Outcome {
    let begin = start();
    let at = |us: u64| begin + Duration::from_micros(us);
    let mut buffer = JitterBuffer::new(begin, JitterConfig::speech(8_000));
    let mut outcome = Outcome::default();
    let mut arrivals = arrivals.iter().peekable();
    let mut left = 0u32;
    for tick in 0.. {
        let now_us = tick * 20_000;
        while let Some(arrival) = arrivals.next_if(|it| it.at_us <= now_us) {
            let payload = arrival.time.to_be_bytes();
            let (sequence, time) = (SequenceNumber(arrival.sequence), RtpTime(arrival.time));
            buffer.insert(at(arrival.at_us), &packet(sequence, time, &payload), TICKS);
        }
        outcome.most_waiting = outcome.most_waiting.max(buffer.stats().waiting);
        while left < TICKS {
            left += match buffer.pull(at(now_us)) {
                Pull::Frame { time, payload, pace, .. } => {
                    assert_eq!(payload, time.0.to_be_bytes(), "a payload keeps its time");
                    outcome.played.push(time.0);
                    outcome.shortened += u32::from(pace == Pace::Shorten);
                    outcome.stretched += u32::from(pace == Pace::Stretch);
                    outcome.delays_ms.push(buffer.stats().delay.as_millis() as u64);
                    match pace {
                        Pace::Keep => TICKS,
                        Pace::Shorten => TICKS - 48,
                        Pace::Stretch => TICKS + 48,
                    }
                }
                Pull::Lost { .. } | Pull::Underrun => TICKS,
                Pull::Silence => {
                    outcome.silences += 1;
                    TICKS
                }
            };
        }
        left -= TICKS;
        if arrivals.peek().is_none() && buffer.stats().waiting == 0 {
            break;
        }
    }
    outcome.stats = buffer.stats();
    assert!(outcome.played.is_sorted(), "frames are played in order");
    assert!(outcome.stats.waiting <= MAX_PACKETS);
    outcome
}

#[test]
fn a_constant_delay_is_played_untouched() {
    let outcome = play(&trace(3_000, |_| Some(30_000)));
    assert_eq!(outcome.played.len(), 3_000);
    assert_eq!((outcome.stats.lost, outcome.stats.underruns, outcome.stats.late), (0, 0, 0));
    assert_eq!((outcome.shortened, outcome.stretched), (0, 0));
    assert!((30..=60).contains(&outcome.delay(0.95)), "{} ms", outcome.delay(0.95));
}

#[test]
fn jitter_below_the_minimum_changes_nothing() {
    let mut random = SeededEntropy::new(1);
    let outcome = play(&trace(3_000, |_| Some(10_000 + random.below(15_000))));
    assert_eq!(
        (outcome.stats.lost, outcome.stats.underruns, outcome.shortened, outcome.stretched),
        (0, 0, 0, 0)
    );
}

#[test]
fn uniform_jitter_is_learnt() {
    for (jitter_ms, most_delay) in [(60, 110), (120, 170)] {
        let mut random = SeededEntropy::new(2);
        let outcome = play(&trace(6_000, |_| Some(10_000 + random.below(jitter_ms * 1_000))));
        assert!(outcome.concealed() < 1.5, "{jitter_ms} ms: {}", outcome.concealed());
        assert!(outcome.stats.late < 60, "{jitter_ms} ms: {} late", outcome.stats.late);
        assert!(outcome.delay(0.95) <= most_delay, "{jitter_ms} ms: {} ms", outcome.delay(0.95));
    }
}

#[test]
fn bursty_loss_is_concealed_and_costs_no_delay() {
    // Gilbert-Elliott: the bad state loses half of its packets and lasts five on average.
    for (percent, to_bad) in [(1, 4), (5, 22), (10, 50)] {
        let mut random = SeededEntropy::new(percent);
        let mut bad = false;
        let mut lost = 0u64;
        let arrivals = trace(6_000, |_| {
            bad = if bad { random.below(1_000) >= 200 } else { random.below(1_000) < to_bad };
            let drop = bad && random.below(2) == 0;
            lost += u64::from(drop);
            (!drop).then(|| 10_000 + random.below(10_000))
        });
        let outcome = play(&arrivals);
        assert_eq!(outcome.played.len(), arrivals.len(), "what arrives is played");
        let made_up = outcome.stats.lost + outcome.stats.underruns + u64::from(outcome.silences);
        assert!(made_up <= lost + 20, "{percent} %: {made_up} made up for {lost} lost");
        assert!(outcome.delay(0.95) <= 85, "{percent} %: {} ms", outcome.delay(0.95));
    }
}

#[test]
fn reordered_packets_are_put_in_order() {
    // Every tenth packet comes 25 ms late, behind its successor.
    let outcome = play(&trace(3_000, |packet| Some(if packet % 10 == 5 { 35_000 } else { 10_000 })));
    assert_eq!(outcome.stats.reordered, 300);
    assert!(outcome.stats.late <= 1 && outcome.concealed() < 0.2, "{:?}", outcome.stats);
}

#[test]
fn a_spike_loses_nothing_and_its_delay_is_worked_off() {
    // The network holds everything back for 120 ms, once in ten seconds, and then delivers in a burst.
    let outcome = play(&trace(6_000, |packet| {
        Some(10_000 + (120_000u64).saturating_sub(u64::from(packet % 500) * 20_000))
    }));
    assert_eq!(outcome.played.len(), 6_000);
    assert!(outcome.shortened > 0, "the delay is reduced");
    assert!(outcome.concealed() < 2.0, "{}", outcome.concealed());
    assert!(outcome.delays_ms.last().is_some_and(|it| *it <= 200), "{:?}", outcome.delays_ms.last());
}

#[test]
fn drifting_clocks_neither_starve_nor_flood() {
    for ppm in [-200i64, 200] {
        // Ten minutes.
        let arrivals =
            trace(30_000, |packet| Some((1_000_000 + i64::from(packet) * 20 * ppm / 1_000) as u64));
        let outcome = play(&arrivals);
        assert!(outcome.most_waiting <= 8, "{ppm} ppm: {} packets", outcome.most_waiting);
        assert!(outcome.delay(1.0) <= 100, "{ppm} ppm: {} ms", outcome.delay(1.0));
        assert!(outcome.concealed() < 0.1, "{ppm} ppm: {:?}", outcome.stats);
    }
}

#[test]
fn pauses_of_the_sender_are_silence_and_no_loss() {
    // One second of speech, one second of nothing; sequence numbers run on, timestamps follow the clock.
    let mut sequence = 0;
    let arrivals: Vec<Arrival> = (0..3_000u32)
        .filter(|packet| packet / 50 % 2 == 0)
        .map(|packet| {
            sequence += 1;
            Arrival { at_us: u64::from(packet) * 20_000 + 10_000, sequence, time: packet * TICKS }
        })
        .collect();
    let outcome = play(&arrivals);
    assert_eq!(outcome.played.len(), arrivals.len());
    assert_eq!(outcome.stats.lost, 0);
    // What ends a talkspurt cannot be told from a late packet until the next one comes.
    assert!(outcome.stats.underruns <= 3 * 30, "{:?}", outcome.stats);
    assert!(outcome.delay(1.0) <= 80, "{} ms", outcome.delay(1.0));
}

#[test]
fn clocks_may_jump_either_way() {
    for jump in [90_000u32, 0x8000_0000, 0u32.wrapping_sub(90_000), 0u32.wrapping_sub(4_000)] {
        let mut arrivals = trace(2_000, |_| Some(10_000));
        for arrival in &mut arrivals[1_000..] {
            arrival.time = arrival.time.wrapping_add(jump);
        }
        let begin = start();
        let mut buffer = JitterBuffer::new(begin, JitterConfig::speech(8_000));
        let mut played = 0;
        for (tick, arrival) in (0..).zip(&arrivals) {
            let now = begin + Duration::from_micros(arrival.at_us);
            let (sequence, time) = (SequenceNumber(arrival.sequence), RtpTime(arrival.time));
            buffer.insert(now, &packet(sequence, time, &[0; 160]), TICKS);
            if let Pull::Frame { .. } = buffer.pull(now) {
                played += 1;
            }
            assert!(buffer.stats().waiting < 40, "packet {tick} after a jump of {jump}");
        }
        assert!(played > 1_960, "{played} played with a jump of {jump}");
    }
}

#[test]
fn duplicates_late_and_oversized_packets_are_told() {
    let begin = start();
    let mut buffer = JitterBuffer::new(begin, JitterConfig::speech(8_000));
    let insert = |buffer: &mut JitterBuffer, sequence: u16, payload: &[u8]| {
        let time = RtpTime(u32::from(sequence) * TICKS);
        buffer.insert(begin, &packet(SequenceNumber(sequence), time, payload), TICKS)
    };
    assert_eq!(insert(&mut buffer, 1, &[1]), Inserted::Queued);
    assert_eq!(insert(&mut buffer, 1, &[1]), Inserted::Duplicate);
    assert_eq!(insert(&mut buffer, 2, &[0; 1_501]), Inserted::TooLong);
    assert_eq!(buffer.pull(begin), Pull::Silence);
    let later = begin + Duration::from_millis(60);
    assert!(matches!(buffer.pull(later), Pull::Frame { payload: [1], .. }));
    assert_eq!(insert(&mut buffer, 1, &[1]), Inserted::Late);
    assert_eq!(insert(&mut buffer, 0, &[1]), Inserted::Late);
}

#[test]
fn a_flood_is_bounded() {
    let begin = start();
    let mut buffer = JitterBuffer::new(begin, JitterConfig::speech(8_000));
    for packet in 0..5_000u32 {
        let sequence = SequenceNumber(packet as u16);
        buffer.insert(begin, &self::packet(sequence, RtpTime(packet * 2), &[0; 2]), 2);
    }
    assert_eq!(buffer.stats().waiting, MAX_PACKETS);
    for packet in 5_000..10_000u32 {
        buffer.skip(SequenceNumber(packet as u16));
    }
    assert_eq!(buffer.stats().waiting, MAX_PACKETS);
}

#[test]
fn numbers_of_other_payloads_are_no_loss() {
    // Ten packets of speech, five of a telephone event, speech again.
    let begin = start();
    let mut buffer = JitterBuffer::new(begin, JitterConfig::speech(8_000));
    for packet in 0..40u32 {
        let now = begin + Duration::from_millis(20) * packet;
        match packet {
            10..15 => buffer.skip(SequenceNumber(packet as u16)),
            _ => {
                let (sequence, time) = (SequenceNumber(packet as u16), RtpTime(packet * TICKS));
                buffer.insert(now, &self::packet(sequence, time, &[0; 160]), TICKS);
            }
        }
        buffer.pull(now);
    }
    let stats = buffer.stats();
    assert_eq!((stats.lost, stats.late, stats.underruns), (0, 0, 0));
    assert!(stats.played >= 30, "{stats:?}");
}

#[test]
fn what_waits_is_played_to_the_end_of_a_stream_that_rests_and_nothing_is_concealed_after_it() {
    let begin = start();
    let mut buffer = JitterBuffer::new(begin, JitterConfig::speech(8_000));
    let mut pulled = Vec::new();
    for tick in 0..20u32 {
        let now = begin + Duration::from_millis(20) * tick;
        if tick < 10 {
            let (sequence, time) = (SequenceNumber(tick as u16), RtpTime(tick * TICKS));
            buffer.insert(now, &packet(sequence, time, &[0; 160]), TICKS);
        } else {
            buffer.rest();
        }
        pulled.push(matches!(buffer.pull(now), Pull::Frame { .. }));
    }
    assert_eq!(pulled.iter().filter(|it| **it).count(), 10);
    assert_eq!((buffer.stats().underruns, pulled.last()), (0, Some(&false)));
}
