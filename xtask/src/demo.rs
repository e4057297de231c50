//! `cargo xtask demo`: the first minute. Builds the program and makes a call through a real server.

use crate::failure::Outcome;
use crate::process::{cargo, run as show};

/// Builds in the dev profile: it is what `cargo xtask test` needs too, and it compiles in a third of the time.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    eprintln!("Building the program; the first time takes a minute or two.");
    show(&mut cargo(["build", "--bin", "ringback"]))?;
    show(cargo(["run", "--quiet", "--bin", "ringback", "--", "demo"]).args(arguments))
}
