//! `cargo xtask bench [--against REV] [FILTER]`: criterion benchmarks, alone or beside those of another revision.
//! `cargo xtask bench parse [--peers] [--instructions]`: the table of what messages cost.
//! `cargo xtask bench servers [SCENARIO…]`: what requests cost our server and another one.
//! `cargo xtask bench bindings`: what a million stored bindings cost it.
//! `cargo xtask bench held [CALLS] [MORE]`: what held calls of the crate `ringback` cost in memory.
//! `cargo xtask bench relay [OPTION…]`: what relayed media cost our server, and rtpengine where it is installed.
//!
//! A figure alone means little on a shared machine. With a revision both are measured in turns in the same run, so
//! that what else the machine does falls on both alike.

mod bindings;
mod servers;

pub(crate) use bindings::resident;
pub(crate) use servers::optimised;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome, take_value};
use crate::json::Json;
use crate::process::{cargo, output, run as show};

/// How often the two revisions take turns.
const ROUNDS: usize = 3;

/// Runs the benchmarks whose names contain FILTER.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    match arguments.first().map(String::as_str) {
        Some("parse") => return parse(&arguments[1..]),
        Some("servers") => return servers::run(&arguments[1..]),
        Some("bindings") => return bindings::run(&arguments[1..]),
        Some("held") => return held(&arguments[1..]),
        Some("relay") => return relay(&arguments[1..]),
        _ => {}
    }
    let revision = take_value(&mut arguments, "--against")?;
    match revision {
        None => show(cargo(["bench", "--package", "ringback-benches", "--"]).args(&arguments)),
        Some(revision) => against(&revision, &arguments),
    }
}

/// Measures what calls cost in memory that an application holds.
fn held(arguments: &[String]) -> Outcome {
    let release = ["run", "--quiet", "--release", "--package", "ringback-benches", "--bin", "held", "--"];
    show(cargo(release).args(arguments))
}

/// Measures what relayed media cost, of two servers in turns where there are two.
fn relay(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let binary = optimised(take_value(&mut arguments, "--binary")?)?;
    let release = ["run", "--quiet", "--release", "--package", "ringback-benches", "--bin", "relay", "--"];
    let has_peer = Command::new("rtpengine").arg("--version").output().is_ok();
    for _ in 0..ROUNDS {
        show(cargo(release).args(&arguments).arg("--binary").arg(&binary))?;
        if has_peer {
            show(cargo(release).args(&arguments).arg("--rtpengine"))?;
        }
    }
    Ok(())
}

/// Measures what messages cost, beside floors and with `--peers` beside other crates; with `--instructions` also counts
/// the instructions of each row, which repeat where times do not.
fn parse(arguments: &[String]) -> Outcome {
    const USAGE: &str = "usage: cargo xtask bench parse [--peers] [--instructions]";
    if let Some(unknown) =
        arguments.iter().find(|word| !["--peers", "--instructions"].contains(&word.as_str()))
    {
        return Err(Failure::Usage(format!("unknown argument `{unknown}`; {USAGE}")));
    }
    let has = |flag: &str| arguments.iter().any(|word| word == flag);
    let features: &[&str] = if has("--peers") { &["--features", "peers"] } else { &[] };
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    show(
        cargo(["build", "--quiet", "--profile", "bench", "--package", "ringback-benches", "--bin", "parse"])
            .args(features),
    )?;
    let program = target.join("release/parse");
    show(&mut Command::new(&program))?;
    if has("--instructions") {
        print!("{}", instructions(&program)?);
    }
    Ok(())
}

/// A table of instructions for each row and message.
fn instructions(program: &Path) -> Result<String, Failure> {
    let cells = output(Command::new(program).arg("cells"))?;
    let names = |kind: &str| -> Vec<String> {
        cells.lines().filter_map(|line| line.strip_prefix(kind)).map(str::to_owned).collect()
    };
    let messages = names("message ");
    let mut text = String::from("\ninstructions a message, by valgrind --tool=callgrind\n");
    let head: String = messages.iter().map(|name| format!(" {name:>14}")).collect();
    let _ = writeln!(text, "{:24}{head}", "");
    for row in names("row ") {
        let _ = write!(text, "{row:24}");
        for message in &messages {
            // What starting the program costs falls out of the difference.
            let counts = (count(program, &row, message, 100)?, count(program, &row, message, 300)?);
            let each = match counts {
                (Some(few), Some(many)) if many > few => ((many - few) / 200).to_string(),
                _ => "–".to_owned(),
            };
            let _ = write!(text, " {each:>14}");
        }
        text.push('\n');
    }
    Ok(text)
}

/// The instructions of a whole run; `None` where the row refuses the message.
fn count(program: &Path, row: &str, message: &str, times: u32) -> Result<Option<u64>, Failure> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([row, message, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}; install it, or leave out --instructions"))?;
    let told = String::from_utf8_lossy(&run.stderr);
    let collected = told.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, number)| number);
    Ok(if run.status.success() { collected.and_then(|number| number.trim().parse().ok()) } else { None })
}

fn against(revision: &str, filter: &[String]) -> Outcome {
    let commit =
        output(Command::new("git").args(["rev-parse", "--verify", &format!("{revision}^{{commit}}")]))
            .map_err(|_| Failure::Usage(format!("git knows no revision `{revision}`")))?;
    let here = std::env::current_dir().map_err(|error| format!("no current folder: {error}"))?;
    let place = here.join("target/bench");
    let theirs = place.join("worktree");
    checkout(&theirs, commit.trim())?;
    let mut figures = [BTreeMap::new(), BTreeMap::new()];
    for round in 0..ROUNDS {
        for (side, (name, folder)) in [("then", &theirs), ("now", &here)].into_iter().enumerate() {
            let results = place.join(format!("{name}-{round}"));
            let _ = std::fs::remove_dir_all(&results);
            show(
                cargo(["bench", "--package", "ringback-benches", "--"])
                    .args(filter)
                    .current_dir(folder)
                    .env("CARGO_TARGET_DIR", place.join(format!("{name}-build")))
                    .env("CRITERION_HOME", &results),
            )?;
            collect(&results, &mut figures[side])?;
        }
    }
    let [then, now] = figures;
    print!("{}", table(&then, &now, revision));
    Ok(())
}

/// A worktree of its own, so that what stands in this checkout is not touched.
fn checkout(folder: &Path, commit: &str) -> Outcome {
    if folder.exists() {
        return show(
            Command::new("git").current_dir(folder).args(["checkout", "--quiet", "--detach", commit]),
        );
    }
    let _ = output(Command::new("git").args(["worktree", "prune"]));
    show(Command::new("git").args(["worktree", "add", "--quiet", "--detach"]).arg(folder).arg(commit))
}

/// Reads each `NAME/new/estimates.json` under a folder and keeps the smallest median of the rounds, in nanoseconds.
fn collect(results: &Path, into: &mut BTreeMap<String, f64>) -> Outcome {
    for file in files_named(results, "estimates.json") {
        let Some(folder) = file.parent().filter(|folder| folder.ends_with("new")) else { continue };
        let name = folder.parent().and_then(|folder| folder.strip_prefix(results).ok()).unwrap_or(folder);
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let median = Json::parse(&text)?.get("median").get("point_estimate").number();
        let median = median.ok_or_else(|| format!("{}: no median", file.display()))?;
        let best = into.entry(name.display().to_string()).or_insert(f64::INFINITY);
        *best = best.min(median);
    }
    Ok(())
}

fn files_named(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|file| file == name) {
                found.push(path);
            }
        }
    }
    found
}

fn table(then: &BTreeMap<String, f64>, now: &BTreeMap<String, f64>, revision: &str) -> String {
    let mut text = format!("\n{:44} {:>12} {:>12} {:>8}\n", "benchmark", revision, "now", "ratio");
    for (name, now) in now {
        let _ = match then.get(name) {
            Some(then) => {
                writeln!(text, "{name:44} {:>12} {:>12} {:>8.2}", span(*then), span(*now), now / then)
            }
            None => writeln!(text, "{name:44} {:>12} {:>12} {:>8}", "–", span(*now), "new"),
        };
    }
    for name in then.keys().filter(|name| !now.contains_key(*name)) {
        let _ = writeln!(text, "{name:44} {:>12} {:>12} {:>8}", span(then[name]), "–", "gone");
    }
    text
}

fn span(nanoseconds: f64) -> String {
    match nanoseconds {
        small if small < 1e3 => format!("{small:.1} ns"),
        middle if middle < 1e6 => format!("{:.2} µs", middle / 1e3),
        large => format!("{:.2} ms", large / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_ratios_and_what_came_and_went() {
        let then = BTreeMap::from([("parse".to_owned(), 400.0), ("old".to_owned(), 1.0)]);
        let now = BTreeMap::from([("parse".to_owned(), 300.0), ("fresh".to_owned(), 2.5e6)]);
        let table = table(&then, &now, "v1");
        assert!(table.contains("400.0 ns     300.0 ns     0.75"), "{table}");
        assert!(table.contains("2.50 ms      new") && table.contains("gone"), "{table}");
    }

    #[test]
    fn the_best_round_of_each_benchmark_counts() {
        let folder = std::env::temp_dir().join(format!("ringback-bench-{}", std::process::id()));
        let mut figures = BTreeMap::new();
        for median in [5.0, 3.0, 4.0] {
            let place = folder.join("parse/invite/new");
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(
                place.join("estimates.json"),
                format!("{{\"median\":{{\"point_estimate\":{median}}}}}"),
            )
            .unwrap();
            collect(&folder, &mut figures).unwrap();
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(figures, BTreeMap::from([("parse/invite".to_owned(), 3.0)]));
    }
}
