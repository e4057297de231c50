//! Hundreds of hostile connections against the real server while calls go through it: no call fails, whoever behaves is
//! answered, what was dropped is counted by reason, and memory comes back to where it was (faults 3, 4, 28, 29).
//!
//! Not part of every run, for it takes minutes: `cargo xtask storm [--seconds N] [--seed S]`.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

#[path = "../support/mod.rs"]
mod support;

mod attack;
mod dice;
mod kill;
mod stage;
mod wire;

use attack::{ATTACKS, DEAF, Visit};
use dice::Dice;
use stage::Stage;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use wire::Kind;

/// Hostile connections at once.
const CONNECTIONS: u64 = 500;
/// Of them those that never read.
const DEAF_ONES: u64 = 2;
/// How long the storm before lasts at least, in seconds.
const WARM_UP: u64 = 30;
/// By how much memory may have grown, in parts of a hundred.
const GROWTH: u64 = 5;

/// Reasons that the server has to name after every storm.
const REASONS: &[&str] = &[
    "handshake_too_slow",
    "malformed_message cut short",
    "no_tls",
    "no_web_socket",
    "stream_framing_lost",
    "stream_message_too_slow",
    "stream_reset",
    "stream_slow_reader",
    "web_socket_not_understood",
    "web_socket_too_large",
];

#[test]
#[ignore = "takes minutes: cargo xtask storm"]
fn calls_go_through_a_storm_and_memory_comes_back() {
    let (seconds, seed) = (number("RINGBACK_STORM_SECONDS", 60), number("RINGBACK_STORM_SEED", 1));
    let stage = Stage::start();
    // Of the same kind, so that what is there once is there already: remembered messages fill their room, tables and the
    // allocator's arenas reach the size that so many connections take.
    storm(&stage, seed ^ u64::MAX, seconds.max(WARM_UP));
    stage.until_quiet();
    let before = stage.resident();
    storm(&stage, seed, seconds);
    stage.until_quiet();
    let after = stage.resident();
    let stats = stage.stats();
    println!("memory: {before} KiB before, {after} KiB after\ndropped: {:#}", stats["dropped"]);
    for reason in REASONS {
        assert!(stats["dropped"][reason].as_u64() > Some(0), "{reason} is not counted");
    }
    assert_eq!(stage.panics(), Vec::<String>::new());
    assert!(after * 100 <= before * (100 + GROWTH), "memory grew from {before} to {after} KiB");
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Attacks while calls are made for so long.
fn storm(stage: &Stage, seed: u64, seconds: u64) {
    let over = AtomicBool::new(false);
    let (faults, visits) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    let reports = thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let (over, faults, visits) = (&over, &faults, &visits);
            let attack = move || attacker(stage, seed, connection, over, faults, visits);
            thread::Builder::new().stack_size(512 << 10).spawn_scoped(scope, attack).expect("a thread");
        }
        let callers = stage.call(seconds);
        let reports = callers.map(stage::Caller::finish);
        over.store(true, Ordering::Relaxed);
        reports
    });
    for report in &reports {
        let number = |name: &str| report[name].as_u64().unwrap();
        println!(
            "calls: {} placed, {} done, {} failed, {} retransmissions; INVITE to 200: {} ms at the 99th percentile",
            number("placed"),
            number("done"),
            number("failed"),
            number("retransmissions"),
            report["milliseconds"]["answer"]["p99"]
        );
        assert_eq!((number("done"), number("failed")), (number("placed"), 0), "{report:#}");
    }
    println!("visits: {:?}", visits.into_inner().unwrap());
    let faults: Vec<String> = faults.into_inner().unwrap();
    assert!(
        faults.is_empty(),
        "seed {seed}: {} faults: {:#?}",
        faults.len(),
        &faults[..faults.len().min(10)]
    );
}

/// One connection after the other, each with the next attack.
fn attacker(
    stage: &Stage,
    seed: u64,
    connection: u64,
    over: &AtomicBool,
    faults: &Mutex<Vec<String>>,
    visits: &Mutex<BTreeMap<&'static str, u64>>,
) {
    for visit in 0.. {
        let mut dice = Dice::new(seed, connection, visit);
        // So that they do not all come at once.
        thread::sleep(dice.millis(0, 500));
        if over.load(Ordering::Relaxed) {
            return;
        }
        let (name, attack) = match connection < DEAF_ONES {
            true => DEAF,
            false => ATTACKS[(connection + visit) as usize % ATTACKS.len()],
        };
        let kind = *dice.pick(&Kind::ALL);
        // A connection that breaks is nothing to complain of; one that never came about would be.
        match attack(&mut Visit { goal: &stage.goal, kind, dice, over }) {
            Ok(Some(fault)) if !over.load(Ordering::Relaxed) => {
                faults
                    .lock()
                    .unwrap()
                    .push(format!("connection {connection}, visit {visit}, {name}: {fault}"));
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                faults.lock().unwrap().push(format!("connection {connection}, visit {visit}: {error}"));
            }
            _ => {}
        }
        *visits.lock().unwrap().entry(name).or_default() += 1;
    }
}
