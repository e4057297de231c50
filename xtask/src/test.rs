//! `cargo xtask test`: all tests that need nothing but Rust, a C compiler and tmux.

use crate::failure::Outcome;
use crate::process::{cargo, run as show};

/// Unit, integration and doc tests; further arguments go to `cargo test`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    show(cargo(["test", "--workspace"]).args(arguments))
}
