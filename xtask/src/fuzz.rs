//! `cargo xtask fuzz`: new inputs where cargo-fuzz is installed, the committed corpus everywhere.
//!
//! The bodies live in `ringback-testkit`, so that stable Rust replays what a fuzzer once found.

use std::process::Command;

use crate::failure::{Failure, Outcome, take_number};
use crate::process::{Steps, cargo, run as show};

const TARGETS: &str = "fuzz/fuzz_targets";

/// Fuzzes one target or all of them, `--seconds N` each (60 unless told).
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let seconds = take_number(&mut arguments, "--seconds")?.unwrap_or(60);
    let known = targets()?;
    let wanted = match arguments.as_slice() {
        [] => known,
        [target] if known.contains(target) => vec![target.clone()],
        [target] => {
            return Err(Failure::Usage(format!(
                "there is no fuzz target `{target}`; known: {}",
                known.join(", ")
            )));
        }
        _ => return Err(Failure::Usage("usage: cargo xtask fuzz [TARGET] [--seconds N]".into())),
    };
    if !cargo_fuzz_is_there() {
        eprintln!(
            "cargo-fuzz is not installed (`cargo install cargo-fuzz`, and a C++ compiler): \
             replaying the committed corpus instead."
        );
        return replay();
    }
    let mut steps = Steps::default();
    for target in &wanted {
        steps.step(target, || fuzz(target, seconds));
    }
    steps.finish()
}

/// Runs every input of `fuzz/corpus/` through its target on stable Rust.
pub(crate) fn replay() -> Outcome {
    show(&mut cargo(["test", "--workspace", "--test", "corpus"]))
}

fn fuzz(target: &str, seconds: u64) -> Outcome {
    let limit = format!("-max_total_time={seconds}");
    // New inputs go to a folder that git does not see; only what is worth keeping is moved by hand.
    let (found, committed) = (format!("fuzz/found/{target}"), format!("fuzz/corpus/{target}"));
    std::fs::create_dir_all(&found).map_err(|error| format!("{found}: {error}"))?;
    // The sanitizers are unstable flags of a stable compiler; this is how cargo-fuzz gets at them without a nightly.
    show(cargo(["fuzz", "run", target, &found, &committed, "--", &limit]).env("RUSTC_BOOTSTRAP", "1")).map_err(|failure| {
        Failure::Failed(format!(
            "{failure}\nThe input that did it is under fuzz/artifacts/{target}/. Copy it to fuzz/corpus/{target}/ \
             under a telling name, see `cargo xtask ci` fail, then mend the crate."
        ))
    })
}

fn targets() -> Outcome<Vec<String>> {
    let entries = std::fs::read_dir(TARGETS).map_err(|error| format!("{TARGETS}: {error}"))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn cargo_fuzz_is_there() -> bool {
    let probe: &mut Command = &mut cargo(["fuzz", "--version"]);
    probe.output().is_ok_and(|output| output.status.success())
}
