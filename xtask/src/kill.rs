//! `cargo xtask kill [--times N]`: SIGKILL for `ringback serve` while it is used, and what is left afterwards.
//!
//! The test itself is one of `ringback-cli`; here is only the way to it.

use crate::failure::{Failure, Outcome, take_number};
use crate::process::{cargo, run as show};

/// How often it is killed unless told.
const WHOLE: u64 = 10;
/// Enough to see the second start on the same data.
pub(crate) const SHORT: u64 = 2;

/// Kills it `--times N`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let times = take_number(&mut arguments, "--times")?.unwrap_or(WHOLE);
    if !arguments.is_empty() {
        return Err(Failure::Usage("usage: cargo xtask kill [--times N]".into()));
    }
    kill(times)
}

/// Kills it so many times. Built of all packages' features, as the tests are.
pub(crate) fn kill(times: u64) -> Outcome {
    let test =
        ["test", "--workspace", "--test", "storm", "--", "--ignored", "--nocapture", "outlives_a_kill"];
    show(cargo(test).env("RINGBACK_KILL_TIMES", times.to_string()))
}
