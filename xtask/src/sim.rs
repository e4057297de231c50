//! `cargo xtask sim`: UA–proxy–UA and UA–proxy–proxy–UA calls, forked and redirected, over a network that loses, doubles, reorders, delays and parts.
//!
//! The simulator itself is `ringback-testkit`; here is only the way to it.

use crate::failure::{Failure, Outcome, take_number};
use crate::process::{cargo, run as show};

/// Runs `--seeds N` simulations (200 unless told), from seed `--from S` (0 unless told), optimised.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let seeds = take_number(&mut arguments, "--seeds")?.unwrap_or(200);
    let from = take_number(&mut arguments, "--from")?.unwrap_or(0);
    let dev = arguments.first().is_some_and(|argument| argument == "--dev");
    if arguments.len() > usize::from(dev) {
        return Err(Failure::Usage("usage: cargo xtask sim [--seeds N] [--from S] [--dev]".into()));
    }
    simulate(seeds, from, if dev { "dev" } else { "release" })
}

/// Runs the seeds `from..from + seeds` with a build of the given profile.
pub(crate) fn simulate(seeds: u64, from: u64, profile: &str) -> Outcome {
    show(cargo(["run", "--quiet", "--profile", profile, "--bin", "sim", "--"]).args([
        "--seeds",
        &seeds.to_string(),
        "--from",
        &from.to_string(),
    ]))
}
