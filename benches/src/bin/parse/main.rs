//! What reading, changing and writing a message costs: the table of `docs/performance.md`.
//!
//! `parse` prints nanoseconds and allocations of each task and message, our rows and those of others in turns in one
//! process. `parse TASK/WHO MESSAGE COUNT` runs one cell so often and prints nothing: for counting instructions, which
//! repeat where times do not; `parse cells` names rows and messages. `cargo xtask bench parse` does all of it. `RINGBACK_BENCH_MESSAGES` names a folder of messages to take in place of our own.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a report")]

mod floors;
#[cfg(feature = "peers")]
mod peers;
mod tasks;

use bytes::Bytes;
use std::alloc::System;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static MEMORY: &stats_alloc::StatsAlloc<System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// One way of doing a task: prepared with a message, then run so often.
pub(crate) struct Runner {
    /// The task: `T1` to `T5`.
    pub(crate) task: &'static str,
    /// Whose code it is.
    pub(crate) who: &'static str,
    /// Runs it so often; `None` where it refuses the message.
    pub(crate) run: fn(&Bytes, u32) -> Option<()>,
}

/// How often each cell is measured; the best counts.
const ROUNDS: usize = 15;

fn main() -> ExitCode {
    let messages = messages();
    let runners = tasks::RUNNERS.into_iter().chain(floors::runners());
    #[cfg(feature = "peers")]
    let runners = runners.chain(peers::runners());
    let runners: Vec<Runner> = runners.collect();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => report(&messages, &runners),
        [word] if word == "cells" => {
            runners.iter().for_each(|runner| println!("row {}/{}", runner.task, runner.who));
            messages.iter().for_each(|(name, _)| println!("message {name}"));
        }
        [task, message, count] => {
            let runner = runners.iter().find(|runner| format!("{}/{}", runner.task, runner.who) == *task);
            let message = messages.iter().find(|(name, _)| name == message);
            let (Some(runner), Some((_, message)), Ok(count)) = (runner, message, count.parse()) else {
                eprintln!("usage: parse [cells | TASK/WHO MESSAGE COUNT]");
                return ExitCode::from(64);
            };
            if (runner.run)(message, count).is_none() {
                return ExitCode::FAILURE;
            }
        }
        _ => {
            eprintln!("usage: parse [cells | TASK/WHO MESSAGE COUNT]");
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}

/// The messages of the named folder in the order of their names, or our own.
fn messages() -> Vec<(String, Bytes)> {
    let Some(folder) = std::env::var_os("RINGBACK_BENCH_MESSAGES") else {
        return ringback_benches::SAMPLES
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), Bytes::from_static(bytes)))
            .collect();
    };
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "sip"));
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| {
            let bytes = as_sent(std::fs::read(&path).ok()?);
            Some((path.file_stem()?.to_string_lossy().into_owned(), Bytes::from(bytes)))
        })
        .collect()
}

/// What is in a file as it goes on the wire: lines end in CRLF, and the length of the body stands where a template
/// says `{CL}`.
fn as_sent(mut bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.contains(&b'\r') {
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        bytes = lines.join(&b"\r\n"[..]);
    }
    let length = ringback_benches::body(&bytes).len().to_string();
    match memchr::memmem::find(&bytes, b"{CL}") {
        Some(at) => [&bytes[..at], length.as_bytes(), &bytes[at + 4..]].concat(),
        None => bytes,
    }
}

fn report(messages: &[(String, Bytes)], runners: &[Runner]) {
    let mut best = vec![vec![f64::INFINITY; messages.len()]; runners.len()];
    let mut allocations = vec![vec![0; messages.len()]; runners.len()];
    for _ in 0..ROUNDS {
        for (row, runner) in runners.iter().enumerate() {
            for (column, (_, message)) in messages.iter().enumerate() {
                const COUNT: u32 = 500;
                let before = MEMORY.stats().allocations;
                let start = Instant::now();
                let done = black_box((runner.run)(black_box(message), COUNT));
                let took = start.elapsed().as_nanos() as f64 / f64::from(COUNT);
                // What a runner prepares once does not count.
                allocations[row][column] = (MEMORY.stats().allocations - before) / COUNT as usize;
                if done.is_some() {
                    best[row][column] = best[row][column].min(took);
                }
            }
        }
    }
    let head: String = messages.iter().map(|(name, _)| format!(" {name:>14}")).collect();
    println!("ns a message, best of {ROUNDS} rounds in turns (allocations)\n{:24}{head} {:>10}", "", "mean");
    for task in ["T1", "T2", "T3", "T4", "T5"] {
        println!("{task} {}", tasks::about(task));
        for (row, runner) in runners.iter().enumerate().filter(|(_, runner)| runner.task == task) {
            print!("   {:21}", runner.who);
            for (column, time) in best[row].iter().enumerate() {
                match time.is_finite() {
                    true => print!(" {:>14}", format!("{time:.0} ({})", allocations[row][column])),
                    false => print!(" {:>14}", "refuses"),
                }
            }
            let read: Vec<f64> = best[row].iter().copied().filter(|time| time.is_finite()).collect();
            println!(" {:>10.0}", read.iter().sum::<f64>() / read.len().max(1) as f64);
        }
    }
}
