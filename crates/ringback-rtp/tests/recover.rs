//! Packets put into the jitter buffer from what later ones repeat of them (RFC 2198).

use ringback_rtp::jitter::{Inserted, JitterBuffer, JitterConfig, Pull, Repeated};
use ringback_rtp::{AudioLevel, PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use ringback_sansio::{Entropy, SeededEntropy};
use std::time::{Duration, Instant};

const TICKS: u32 = 160;
const FRAME: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

struct Bench {
    begin: Instant,
    buffer: JitterBuffer,
}

impl Bench {
    fn new() -> Self {
        let begin = start();
        Self { begin, buffer: JitterBuffer::new(begin, JitterConfig::speech(8_000)) }
    }

    /// The `n`-th packet comes as soon as it is sent, and says its number.
    fn insert(&mut self, n: u32) -> Inserted {
        let payload = n.to_be_bytes();
        let packet = RtpPacket {
            marker: false,
            payload_type: PayloadType::PCMU,
            sequence: number(n),
            time: time(n),
            ssrc: Ssrc(1),
            contributors: Default::default(),
            extension: None,
            payload: &payload,
        };
        self.buffer.insert(self.begin + FRAME * n, &packet, TICKS)
    }

    /// The packet `of` is repeated by the packet `by`.
    fn recover(&mut self, of: u32, by: u32) -> bool {
        self.recover_as(number(of), time(of), of, by)
    }

    fn recover_as(&mut self, sequence: SequenceNumber, time: RtpTime, of: u32, by: u32) -> bool {
        let payload = of.to_be_bytes();
        let payload_type = PayloadType::PCMU;
        let repeated = Repeated { sequence, time, payload_type, payload: &payload, duration: TICKS };
        self.buffer.recover(self.begin + FRAME * by, &repeated)
    }

    fn pull(&mut self, n: u32) -> Option<u32> {
        match self.buffer.pull(self.begin + FRAME * n) {
            Pull::Frame { payload, .. } => payload.try_into().ok().map(u32::from_be_bytes),
            _ => None,
        }
    }
}

/// The numbers wrap after a hundred packets.
fn number(n: u32) -> SequenceNumber {
    SequenceNumber((n as u16).wrapping_sub(100))
}

fn time(n: u32) -> RtpTime {
    RtpTime(n.wrapping_mul(TICKS).wrapping_sub(5_000))
}

#[test]
fn what_did_not_come_is_played_in_its_turn() {
    let mut bench = Bench::new();
    let mut played = Vec::new();
    for n in 0..200_u32 {
        if n % 10 != 7 {
            bench.insert(n);
            if n > 0 {
                assert_eq!(bench.recover(n - 1, n), n % 10 == 8, "packet {n}");
            }
        }
        played.extend(bench.pull(n));
    }
    assert!(played.windows(2).all(|it| it[1] == it[0] + 1), "{played:?}");
    let stats = bench.buffer.stats();
    assert_eq!((stats.recovered, stats.lost, stats.underruns, stats.late), (20, 0, 0, 0));
}

#[test]
fn the_delay_grows_to_what_recovery_takes() {
    // Two in a row are lost, and the packet behind them repeats both.
    let mut bench = Bench::new();
    let mut missed = 0;
    for n in 0..1_500_u32 {
        if !matches!(n % 10, 6 | 7) {
            bench.insert(n);
            for back in [1, 2] {
                bench.recover(n.saturating_sub(back), n);
            }
        }
        missed += u32::from(bench.pull(n).is_none() && n > 500);
    }
    assert_eq!(missed, 0, "{:?}", bench.buffer.stats());
    assert!(bench.buffer.stats().delay <= Duration::from_millis(100), "{:?}", bench.buffer.stats());
}

#[test]
fn an_original_that_comes_behind_its_repetition_is_a_duplicate() {
    let mut bench = Bench::new();
    for n in [0, 1, 3] {
        bench.insert(n);
    }
    assert!(bench.recover(2, 3));
    assert!(!bench.recover(2, 3), "once is enough");
    assert_eq!(bench.insert(2), Inserted::Duplicate);
    let stats = bench.buffer.stats();
    assert_eq!((stats.recovered, stats.duplicates, stats.late), (0, 1, 0));
}

#[test]
fn what_does_not_fit_where_it_is_said_to_stand_is_left_out() {
    let mut bench = Bench::new();
    for n in [0, 1, 2, 4] {
        bench.insert(n);
    }
    assert!(!bench.recover_as(number(3), time(2), 2, 4), "the time of the one before");
    assert!(!bench.recover_as(number(3), time(4), 4, 4), "the time of the one behind");
    assert!(!bench.recover_as(number(3), RtpTime(time(3).0.wrapping_add(1)), 3, 4), "into the one behind");
    assert!(!bench.recover_as(number(9), time(9), 9, 4), "from the future");
    assert!(!bench.recover_as(number(0), RtpTime(time(0).0.wrapping_sub(9_000)), 0, 4), "there already");
    assert!(bench.recover(3, 4));
}

#[test]
fn levels_come_out_with_their_frames() {
    let mut bench = Bench::new();
    let level = AudioLevel { level: 40, voice: true };
    let packet = |n| RtpPacket {
        marker: false,
        payload_type: PayloadType::PCMU,
        sequence: number(n),
        time: time(n),
        ssrc: Ssrc(1),
        contributors: Default::default(),
        extension: None,
        payload: &[1],
    };
    bench.buffer.insert_with_level(bench.begin, &packet(0), TICKS, Some(level));
    bench.buffer.insert_with_level(bench.begin + FRAME, &packet(1), TICKS, None);
    let mut levels = Vec::new();
    for n in 0..8 {
        if let Pull::Frame { level, .. } = bench.buffer.pull(bench.begin + FRAME * n) {
            levels.push(level);
        }
    }
    assert_eq!(levels, [Some(level), None]);
}

#[test]
fn hostile_repetitions_stay_bounded() {
    let mut random = SeededEntropy::new(11);
    let mut bench = Bench::new();
    for n in 0..5_000 {
        if random.below(2) == 0 {
            bench.insert(n);
        }
        let sequence = SequenceNumber(random.next_u64() as u16);
        let repeated = RtpTime(random.next_u64() as u32);
        bench.recover_as(sequence, repeated, n, n);
        bench.recover_as(number(n.wrapping_sub(random.below(80) as u32)), repeated, n, n);
        bench.pull(n);
        assert!(bench.buffer.stats().waiting <= ringback_rtp::jitter::MAX_PACKETS);
    }
}
