//! `cargo xtask bench bindings`: what a stored binding costs, in memory and when the server starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::servers::{optimised, process::cpu};
use crate::failure::{Failure, Outcome, take_number, take_value};
use crate::interop::child::Running;
use crate::process::{cargo, run as show};

const USAGE: &str = "usage: cargo xtask bench bindings [--count N] [--binary FILE]";

/// Unless told.
const COUNT: u64 = 1_000_000;
/// How often the server is started on them.
const STARTS: usize = 3;
/// What a million may take to be there again, and each in memory.
const LONGEST: Duration = Duration::from_secs(10);
const MOST_BYTES: f64 = 0.8 * 1024.0;

/// One start.
struct Start {
    /// From the start of the process to `ready`.
    took: Duration,
    /// Seconds of processor time until then.
    cpu: f64,
    /// Resident bytes then, and the most there were.
    resident: f64,
    peak: f64,
}

pub(super) fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let count = take_number(&mut arguments, "--count")?.unwrap_or(COUNT).max(1);
    let binary = take_value(&mut arguments, "--binary")?;
    if !arguments.is_empty() {
        return Err(Failure::Usage(USAGE.into()));
    }
    let folder = std::env::current_dir().map_err(|error| error.to_string())?.join("target/bench-bindings");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let data = folder.join("data");
    let write = ["test", "-p", "ringback-server", "--lib", "--", "--ignored", "very_many_bindings"];
    show(cargo(write).env("RINGBACK_BINDINGS_FOLDER", &data).env("RINGBACK_BINDINGS", count.to_string()))?;
    let binary = optimised(binary)?;
    let empty = start(&binary, &folder, &folder.join("empty"))?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(start(&binary, &folder, &data)?);
    }
    starts.sort_by_key(|start| start.took);
    let median = &starts[starts.len() / 2];
    let each = (median.resident - empty.resident) / count as f64;
    println!(
        "{count} bindings: ready after {:.1} s ({:.1} s of processor time), {each:.0} bytes each, {:.0} at the peak",
        median.took.as_secs_f64(),
        median.cpu,
        (median.peak - empty.peak) / count as f64
    );
    if each > MOST_BYTES || median.took > LONGEST {
        return Err(Failure::Failed(format!("more than {LONGEST:?}, or than {MOST_BYTES:.0} bytes")));
    }
    Ok(())
}

fn start(binary: &Path, folder: &Path, data: &Path) -> Outcome<Start> {
    let begun = Instant::now();
    let mut command = Command::new(binary);
    command.args(["serve", "--no-auth", "--domain", "example.com", "--listen", "udp:127.0.0.1:0", "--data"]);
    let mut serve = Running::start(folder, "serve", command.arg(data))?;
    serve.line(Duration::from_secs(120), |line| (line == "ready").then_some(()))?;
    let took = begun.elapsed();
    let started = Start {
        took,
        cpu: cpu(serve.id()),
        resident: resident(serve.id())?,
        peak: status(serve.id(), "VmHWM:")?,
    };
    serve.terminate(Duration::from_secs(30))?;
    Ok(started)
}

/// The resident memory of a process, in bytes.
pub(crate) fn resident(process: u32) -> Outcome<f64> {
    status(process, "VmRSS:")
}

/// A figure of the system about a process, in bytes.
fn status(process: u32, name: &str) -> Outcome<f64> {
    let file = PathBuf::from(format!("/proc/{process}/status"));
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.ok_or_else(|| format!("{}: no {name}", file.display()))? * 1024.0)
}
