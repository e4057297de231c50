//! `cargo xtask storm [--seconds N] [--seed S]`: hostile connections against `ringback serve` while calls go through it.
//!
//! The storm itself is a test of `ringback-cli`; here is only the way to it.

use crate::failure::{Failure, Outcome, take_number};
use crate::process::{cargo, run as show};

/// A whole storm, in seconds.
const WHOLE: u64 = 60;
/// Long enough for every attack to come to its end.
pub(crate) const SHORT: u64 = 12;

/// Storms for `--seconds N` (60 unless told), the same for the same `--seed S` (1 unless told).
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let seconds = take_number(&mut arguments, "--seconds")?.unwrap_or(WHOLE);
    let seed = take_number(&mut arguments, "--seed")?.unwrap_or(1);
    if !arguments.is_empty() {
        return Err(Failure::Usage("usage: cargo xtask storm [--seconds N] [--seed S]".into()));
    }
    storm(seconds, seed)
}

/// Storms for so many seconds, after a storm to warm up. It is built of all packages' features, as the tests are, so that
/// nothing is compiled a second time for fewer.
pub(crate) fn storm(seconds: u64, seed: u64) -> Outcome {
    show(
        cargo([
            "test",
            "--workspace",
            "--test",
            "storm",
            "--",
            "--ignored",
            "--nocapture",
            "through_a_storm",
        ])
        .env("RINGBACK_STORM_SECONDS", seconds.to_string())
        .env("RINGBACK_STORM_SEED", seed.to_string()),
    )
}
