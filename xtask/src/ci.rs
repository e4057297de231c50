//! `cargo xtask ci`: everything beside the tests that must hold before a change lands.

use crate::failure::{Outcome, no_arguments};
use crate::process::{Steps, cargo, run as show};
use crate::{codegen, doc, fuzz, kill, sim, storm, tidy};

/// How many simulated calls a change must survive.
const SEEDS: u64 = 200;

/// Runs all steps and says at the end which failed.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments("ci", arguments)?;
    let mut steps = Steps::default();
    steps.step("format", || show(&mut cargo(["fmt", "--all", "--check"])));
    steps.step("tidy", || tidy::run(&[]));
    steps.step("codegen --check", || codegen::run(&["--check".into()]));
    steps.step("clippy", || {
        show(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    steps.step("documentation", || doc::run(&[]));
    steps.step("fuzz corpus", fuzz::replay);
    // The dev profile is optimised enough for this many calls, and it is built already.
    steps.step("simulation", || sim::simulate(SEEDS, 0, "dev"));
    steps.step("kill", || kill::kill(kill::SHORT));
    steps.step("storm", || storm::storm(storm::SHORT, 1));
    steps.finish()
}
