//! `cargo xtask doc`: the API documentation, where a broken link is an error.

use crate::failure::Outcome;
use crate::process::{cargo, run as show};

/// Writes the documentation to `target/doc`; `--open` shows it in the browser.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    show(cargo(["doc", "--workspace", "--no-deps"]).args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
}
