//! Runs simulations and random walks by their seeds, on all cores: `sim --seeds N [--from S]`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people to look at")]

use ringback_testkit::scenario::random_walk;
use ringback_testkit::sim::{Failure, Report, simulate};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Every so many seeds one is run twice, to see that it can be repeated.
const REPEATED: u64 = 32;
/// More failures than this are not worth waiting for.
const MOST_FAILURES: usize = 5;

fn main() -> ExitCode {
    let Some((seeds, from)) = arguments() else {
        eprintln!("usage: sim --seeds N [--from S]");
        return ExitCode::from(2);
    };
    let started = Instant::now();
    let (next, done) = (AtomicU64::new(from), AtomicU64::new(0));
    let (failures, total) = (Mutex::new(Vec::<Box<Failure>>::new()), Mutex::new(Total::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let failed = failures.lock().expect("nobody panics with it").len();
                    if seed - from >= seeds || failed >= MOST_FAILURES {
                        return;
                    }
                    match run(seed) {
                        Ok(report) => total.lock().expect("nobody panics with it").add(&report),
                        Err(failure) => {
                            println!("{failure}");
                            failures.lock().expect("nobody panics with it").push(failure);
                        }
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(200) && done < seeds {
                        println!("{done} of {seeds} seeds, {:.0} s", started.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    let total = total.into_inner().expect("nobody panics with it");
    let failures = failures.into_inner().expect("nobody panics with it");
    println!(
        "{} seeds kept the laws, and as many random walks: {} calls, {} forked, {} redirected, {} answered, {} datagrams, {} lost, {:.1} s",
        total.seeds,
        total.calls,
        total.forked,
        total.redirected,
        total.answered,
        total.datagrams,
        total.lost,
        started.elapsed().as_secs_f64()
    );
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    let seeds: Vec<String> = failures.iter().map(|failure| failure.seed.to_string()).collect();
    println!("FAILED: seeds {}", seeds.join(", "));
    ExitCode::FAILURE
}

/// One seed, a simulation and a random walk of user agents; a panic is a failure as well.
fn run(seed: u64) -> Result<Report, Box<Failure>> {
    let run = || {
        let report = simulate(seed)?;
        if seed.is_multiple_of(REPEATED) && simulate(seed)? != report {
            let what = "another run went otherwise".to_owned();
            return Err(Box::new(Failure { seed, what, trace: String::new() }));
        }
        random_walk(seed).map_err(|told| {
            let (what, trace) = told.split_once('\n').unwrap_or((&told, ""));
            Box::new(Failure { seed, what: what.to_owned(), trace: trace.to_owned() })
        })?;
        Ok(report)
    };
    std::panic::catch_unwind(run).unwrap_or_else(|_| {
        let what = "panicked, see above".to_owned();
        Err(Box::new(Failure { seed, what, trace: String::new() }))
    })
}

#[derive(Default)]
struct Total {
    seeds: usize,
    calls: usize,
    forked: usize,
    redirected: usize,
    answered: usize,
    datagrams: u64,
    lost: u64,
}

impl Total {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.calls += report.calls;
        self.forked += report.forked;
        self.redirected += report.redirected;
        self.answered += report.answered;
        self.datagrams += report.datagrams;
        self.lost += report.lost;
    }
}

fn arguments() -> Option<(u64, u64)> {
    let (mut seeds, mut from) = (None, 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = arguments.next()?.parse().ok()?;
        match argument.as_str() {
            "--seeds" => seeds = Some(number),
            "--from" => from = number,
            _ => return None,
        }
    }
    Some((seeds?, from))
}
