//! What a listener gets through networks of all sorts: seeded traces on virtual time.

use crate::support::{ALICE, BOB, Call, Party, clean, speech, through};
use ringback_media::{Concealer, FrameKind, Law};
use ringback_sansio::{Entropy, SeededEntropy};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A minute of speech through the network; Bob afterwards.
fn minute(drift: i32, network: &mut dyn FnMut(usize) -> Vec<Duration>) -> Party {
    let mut call = Call::new(Law::Mu, 42, &speech(60.0));
    call.set_drift(ALICE, drift);
    call.run(MINUTE, &mut |n, _| network(n));
    let [_, bob] = call.parties;
    bob
}

/// The share of the playout that was made up, in per cent, from its beginning on.
fn concealed(party: &Party) -> f64 {
    let begin = party.kinds.iter().position(|it| *it != FrameKind::Silence).expect("audio");
    let frames = party.kinds.len() - begin;
    100.0 * party.count(FrameKind::Concealed) as f64 / frames as f64
}

/// Losses in bursts (Gilbert and Elliott): all is well in the good state, all is lost in the bad one, which lasts
/// two packets on average.
fn gilbert_elliott(percent: u64, seed: u64) -> impl FnMut(usize) -> Vec<Duration> {
    let mut random = SeededEntropy::new(seed);
    let mut bad = false;
    move |_| {
        bad = if bad { random.below(2) == 0 } else { random.below(20_000) < percent * 100 };
        if bad { Vec::new() } else { vec![ms(30)] }
    }
}

#[test]
fn a_constant_delay_costs_forty_milliseconds_and_nothing_else() {
    let bob = minute(0, &mut |_| vec![ms(80)]);
    assert_eq!((bob.count(FrameKind::Concealed), bob.count(FrameKind::Altered)), (0, 0));
    assert!(bob.most_delay <= ms(60), "{:?}", bob.most_delay);
}

#[test]
fn uniform_jitter_is_bought_off_with_delay() {
    for (jitter, least, most) in [(20, 20, 80), (60, 50, 130)] {
        let mut random = SeededEntropy::new(jitter);
        let bob = minute(0, &mut |_| vec![ms(20) + ms(1).mul_f64(random.below(jitter * 1_000) as f64 / 1e3)]);
        let stats = bob.leg.stats();
        assert!(concealed(&bob) < 1.0, "{jitter} ms: {:.2} % concealed", concealed(&bob));
        assert!(stats.late * 100 <= stats.packets_received, "{jitter} ms: {} late", stats.late);
        assert!((ms(least)..=ms(most)).contains(&stats.delay), "{jitter} ms: {:?}", stats.delay);
    }
}

#[test]
fn bursts_of_loss_cost_what_was_lost_and_no_delay() {
    for percent in [1, 5, 10] {
        let bob = minute(0, &mut gilbert_elliott(percent, percent));
        let stats = bob.leg.stats();
        let lost = stats.lost as f64 / 30.0;
        assert!((lost - percent as f64).abs() < 1.0 + percent as f64 / 4.0, "{lost:.1} of {percent} % lost");
        assert!(concealed(&bob) < 1.25 * lost + 0.5, "{:.1} % concealed for {lost:.1}", concealed(&bob));
        assert!(bob.most_delay < ms(140), "{percent} %: {:?}", bob.most_delay);
        assert_eq!(bob.recorder.segments().len(), 1);
    }
}

#[test]
fn reordered_and_doubled_packets_are_played_in_order_and_once() {
    let mut random = SeededEntropy::new(5);
    let said = speech(60.0);
    let bob = minute(0, &mut |_| match random.below(10) {
        0 => vec![ms(45)], // Behind the next one.
        1 => vec![ms(20), ms(33)],
        _ => vec![ms(20)],
    });
    let stats = bob.leg.stats();
    assert!(stats.duplicates + stats.late > 200, "{stats:?}");
    assert!(concealed(&bob) < 0.5, "{:.2} %", concealed(&bob));
    let recorded = bob.recorder.segments()[0].samples();
    assert_eq!(recorded, &through(Law::Mu, &said)[..recorded.len()], "and recorded as said");
}

#[test]
fn a_spike_of_120_ms_is_waited_for_and_its_delay_given_back() {
    // Once in ten seconds the network stands still for 120 ms and then delivers all at once.
    let mut call = Call::new(Law::Mu, 1, &speech(60.0));
    call.run(MINUTE, &mut |n, _| {
        let behind = (n % 500) as u64;
        vec![ms(20 + 120u64.saturating_sub(behind * 20))]
    });
    let bob = &call.parties[BOB];
    assert!(concealed(bob) < 2.0, "{:.2} %", concealed(bob));
    assert!(bob.most_delay < ms(260), "{:?}", bob.most_delay);
    call.run(MINUTE, &mut clean);
    let stats = call.parties[BOB].leg.stats();
    assert!(stats.delay < ms(80), "after a quiet minute: {stats:?}");
}

#[test]
fn clocks_that_differ_by_200_ppm_neither_grow_the_delay_nor_starve() {
    for drift in [-200, 200] {
        let mut call = Call::new(Law::A, 2, &speech(60.0));
        call.set_drift(ALICE, drift);
        for minute in 0..5 {
            call.run(MINUTE, &mut |_, _| vec![ms(20)]);
            let delay = call.parties[BOB].leg.stats().delay;
            assert!((ms(15)..ms(100)).contains(&delay), "{drift} ppm, minute {minute}: {delay:?}");
        }
        // 200 ppm of five minutes are 60 ms: a few pitch periods, or three frames.
        let bob = &call.parties[BOB];
        assert!(bob.count(FrameKind::Concealed) <= 6, "{} concealed", bob.count(FrameKind::Concealed));
        assert!(bob.count(FrameKind::Altered) <= 40, "{} altered", bob.count(FrameKind::Altered));
    }
}

#[test]
fn jumps_of_both_clocks_are_got_over() {
    // The sender starts over every ten seconds: other sequence numbers and times, the same source.
    let mut call = Call::new(Law::Mu, 3, &speech(60.0));
    call.run(MINUTE, &mut |n, packet| {
        let epoch = (n / 500) as u16;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(epoch.wrapping_mul(9_001));
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4] = packet[4].wrapping_add((epoch * 61) as u8);
        clean(n, packet)
    });
    let bob = &call.parties[BOB];
    assert!(concealed(bob) < 2.0, "{:.2} %", concealed(bob));
    assert_eq!(bob.recorder.segments().len(), 6);
    assert!(bob.most_delay < ms(100), "{:?}", bob.most_delay);
}

#[test]
fn what_is_made_up_is_nearer_to_the_truth_than_silence() {
    let said = through(Law::Mu, &speech(30.0));
    let square = |it: f64| it * it;
    for percent in [1, 5, 10] {
        let (mut wrong, mut silent, mut gaps) = (0.0, 0.0, 0);
        for seed in 0..10 {
            let mut network = gilbert_elliott(percent, seed);
            let mut concealer = Concealer::new(8_000);
            for (n, truth) in said.chunks_exact(160).enumerate() {
                let mut frame = truth.to_vec();
                if network(n).is_empty() {
                    gaps += 1;
                    concealer.conceal(&mut frame);
                    let errors = frame.iter().zip(truth).map(|(a, b)| f64::from(*a) - f64::from(*b));
                    wrong += errors.map(square).sum::<f64>();
                    silent += truth.iter().map(|it| square(f64::from(*it))).sum::<f64>();
                } else {
                    concealer.hear(&mut frame);
                }
            }
        }
        let gain = 10.0 * (silent / wrong).log10();
        assert!(gaps > 100 && gain > 2.0, "{percent} %: {gain:.1} dB better than silence in {gaps} gaps");
    }
}
