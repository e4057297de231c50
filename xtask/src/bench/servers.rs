//! `cargo xtask bench servers [SCENARIO…]`: what a request or call costs our server, beside Kamailio where it is installed.
//!
//! SIPp drives both in turns in the same run, for what else the machine does changes from minute to minute. What is counted is
//! the processor time of all threads of the server, as the scheduler counts it; loopback charges the delivery of what a server
//! sends to it, whichever server it is.

mod flood;
pub(super) mod process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use self::process::cpu;
use crate::failure::{Failure, Outcome, take_number, take_value};
use crate::interop::child::Running;
use crate::interop::packages;
use crate::interop::server::{free_port, until_taken};
use crate::process::{cargo, installed, run as show};

/// What is measured: its name, the scenario of the one who sends, that of the one who answers, and the usual rate.
struct Scenario {
    name: &'static str,
    sends: &'static str,
    answers: Option<&'static str>,
    rate: u64,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "options", sends: "bench/options.xml", answers: None, rate: 10_000 },
    Scenario { name: "register", sends: "bench/register.xml", answers: None, rate: 5_000 },
    Scenario {
        name: "message",
        sends: "bench/message.xml",
        answers: Some("bench/message-answer.xml"),
        rate: 3_000,
    },
    Scenario { name: "invite", sends: "interop/call.xml", answers: Some("interop/answer.xml"), rate: 500 },
];

/// How often the servers take turns.
const PAIRS: u64 = 3;
/// For how many seconds each run sends.
const SECONDS: u64 = 6;
/// How many users take turns at registering.
const USERS: usize = 1_000;

/// Pings without a pause, which SIPp cannot send.
const FLOOD: &str = "flood";

const USAGE: &str = "usage: cargo xtask bench servers [flood] [SCENARIO…] [--rate N] [--seconds N] [--pairs N] [--binary FILE] [--pin]";

struct Lab {
    folder: PathBuf,
    binary: PathBuf,
    /// Whether the servers are kept on the first processor.
    pin: bool,
}

/// What one run cost and gave.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// Microseconds of processor time for each call or request.
    each: f64,
    failed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Peer {
    Ringback,
    Kamailio,
}

pub(super) fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let rate = take_number(&mut arguments, "--rate")?;
    let seconds = take_number(&mut arguments, "--seconds")?.unwrap_or(SECONDS).max(1);
    let pairs = take_number(&mut arguments, "--pairs")?.unwrap_or(PAIRS).max(1);
    let binary = take_value(&mut arguments, "--binary")?;
    let pin = arguments.iter().position(|word| word == "--pin").map(|at| arguments.remove(at)).is_some();
    let flooded = arguments.iter().position(|word| word == FLOOD).map(|at| arguments.remove(at)).is_some();
    let known: Vec<&str> =
        if flooded { flood::KINDS.to_vec() } else { SCENARIOS.iter().map(|own| own.name).collect() };
    if let Some(unknown) = arguments.iter().find(|word| !known.contains(&word.as_str())) {
        let names: Vec<&str> = known.into_iter().chain([FLOOD]).collect();
        return Err(Failure::Usage(format!(
            "unknown scenario `{unknown}`; known: {}\n{USAGE}",
            names.join(", ")
        )));
    }
    if !flooded {
        packages::ensure(&[packages::SIPP])?;
    }
    let lab = Lab {
        folder: Path::new("target/bench-servers").to_owned(),
        binary: optimised(binary)?,
        pin: pin || flooded,
    };
    std::fs::create_dir_all(&lab.folder).map_err(|error| format!("{}: {error}", lab.folder.display()))?;
    let peers: &[Peer] = if installed("kamailio") {
        &[Peer::Ringback, Peer::Kamailio]
    } else {
        eprintln!(
            "kamailio is not installed, so there is nothing to compare with (`apt-get install kamailio`)"
        );
        &[Peer::Ringback]
    };
    let named = |name: &str| arguments.is_empty() || arguments.iter().any(|word| word == name);
    if flooded {
        let names: Vec<&str> = known.into_iter().filter(|name| named(name)).collect();
        return flood::run(&lab, peers, &names, (pairs, seconds), rate);
    }
    println!(
        "{:10} {:>8} {:>12} {:>12} {:>7}  failed",
        "", "a second", "ringback µs", "kamailio µs", "ratio"
    );
    for scenario in SCENARIOS.iter().filter(|own| named(own.name)) {
        let rate = rate.unwrap_or(scenario.rate);
        let mut runs: Vec<Vec<Measured>> = vec![Vec::new(); peers.len()];
        for pair in 0..pairs {
            eprintln!("{} {}/{pairs}", scenario.name, pair + 1);
            for (peer, runs) in peers.iter().zip(&mut runs) {
                runs.push(measure(&lab, *peer, scenario, rate, rate * seconds)?);
            }
        }
        println!("{}", row(scenario.name, rate, &runs));
    }
    Ok(())
}

/// One line of the table: medians, and their ratio.
fn row(name: &str, rate: u64, runs: &[Vec<Measured>]) -> String {
    let medians: Vec<f64> = runs.iter().map(|runs| median(runs)).collect();
    let failed: Vec<String> =
        runs.iter().map(|runs| runs.iter().map(|run| run.failed).sum::<u64>().to_string()).collect();
    let (theirs, ratio) = match medians.as_slice() {
        [ours, theirs, ..] => (format!("{theirs:.1}"), format!("{:.2}", ours / theirs)),
        _ => ("–".into(), "–".into()),
    };
    format!(
        "{name:10} {rate:>8} {:>12.1} {theirs:>12} {ratio:>7}  {}",
        medians.first().copied().unwrap_or_default(),
        failed.join(" / ")
    )
}

fn median(runs: &[Measured]) -> f64 {
    let mut each: Vec<f64> = runs.iter().map(|run| run.each).collect();
    each.sort_by(f64::total_cmp);
    each.get(each.len() / 2).copied().unwrap_or_default()
}

/// The optimised program: given by hand, or built.
pub(crate) fn optimised(given: Option<String>) -> Outcome<PathBuf> {
    if given.is_some() {
        return crate::interop::server::binary(given);
    }
    show(&mut cargo(["build", "--release", "--bin", "ringback"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(target.join("release/ringback"))
}

/// Starts a server, sends it `calls` at `rate`, and tells what they cost it.
fn measure(lab: &Lab, peer: Peer, scenario: &Scenario, rate: u64, calls: u64) -> Outcome<Measured> {
    let port = free_port()?;
    let server = start(lab, peer, port, None)?;
    let mut answering = None;
    if let Some(file) = scenario.answers {
        let callee = free_port()?;
        let mut command = sipp(lab, "callee", file, callee)?;
        answering = Some(Running::start(&lab.folder, "callee", command.args(["-m", &calls.to_string()]))?);
        until_taken("udp", callee)?;
        let mut register = sending(lab, "register", "bench/register.xml", port, callee)?;
        users(lab, "one.csv", &["bob".to_owned()])?;
        register.arg("-inf").arg(lab.folder.join("one.csv")).args(["-m", "1"]);
        Running::start(&lab.folder, "register", &mut register)?.succeed(Duration::from_secs(20))?;
    }
    let names: Vec<String> = (0..USERS).map(|index| format!("u{index}")).collect();
    users(lab, "users.csv", &names)?;
    let mut caller = sending(lab, "caller", scenario.sends, port, 5_060)?;
    caller
        .arg("-inf")
        .arg(lab.folder.join("users.csv"))
        .args(["-s", "bob", "-key", "user", "guest", "-d", "0"]);
    caller.args(["-r", &rate.to_string(), "-m", &calls.to_string()]);
    let before = cpu(server.id());
    let ended = Running::start(&lab.folder, "caller", &mut caller)?
        .wait(Duration::from_secs(30 + 4 * calls / rate))?;
    let spent = cpu(server.id()) - before;
    drop(answering);
    let failed = failures(&lab.folder.join("caller.csv")).unwrap_or(calls);
    if !ended.success() && failed == calls {
        return Err(Failure::Failed(format!(
            "no {} came through; see {}",
            scenario.name,
            lab.folder.display()
        )));
    }
    Ok(Measured { each: spent * 1e6 / calls as f64, failed })
}

/// Starts a server that asks for passwords by these words, or asks nobody.
fn start(lab: &Lab, peer: Peer, port: u16, passwords: Option<Vec<String>>) -> Outcome<Running> {
    let (name, words): (&str, Vec<String>) = match peer {
        Peer::Ringback => {
            let listen = format!("udp:127.0.0.1:{port}");
            let words =
                ["serve", "--ephemeral", "--domain", "127.0.0.1", "--listen", &listen].map(str::to_owned);
            let users = passwords.unwrap_or_else(|| vec!["--no-auth".to_owned()]);
            ("ringback", words.into_iter().chain(users).collect())
        }
        Peer::Kamailio => {
            let runtime = lab.folder.canonicalize().map_err(|error| error.to_string())?.display().to_string();
            let listen = format!("udp:127.0.0.1:{port}");
            // Debian's usual allocator costs more than half as much again; this is the fast one.
            let words = [
                "-f",
                "xtask/bench/kamailio.cfg",
                "-DD",
                "-E",
                "-T",
                "-m",
                "1024",
                "-M",
                "16",
                "-x",
                "fm",
                "-X",
                "fm",
            ];
            let words = words.into_iter().chain(["-Y", &runtime, "-l", &listen]);
            ("kamailio", words.map(str::to_owned).chain(passwords.unwrap_or_default()).collect())
        }
    };
    let program = if peer == Peer::Ringback { lab.binary.as_os_str() } else { name.as_ref() };
    let mut command = if lab.pin { Command::new("taskset") } else { Command::new(program) };
    if lab.pin {
        command.args(["-c", "0"]).arg(program);
    }
    let server = Running::start(&lab.folder, name, command.args(words))?;
    until_taken("udp", port)?;
    Ok(server)
}

fn users(lab: &Lab, file: &str, names: &[String]) -> Outcome {
    let path = lab.folder.join(file);
    let lines: String = names.iter().map(|name| format!("{name};\n")).collect();
    std::fs::write(&path, format!("SEQUENTIAL\n{lines}"))
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

/// SIPp that sends to the server; contacts are at `contact`.
fn sending(lab: &Lab, name: &str, scenario: &str, server: u16, contact: u16) -> Outcome<Command> {
    let mut command = sipp(lab, name, scenario, free_port()?)?;
    command.arg(format!("127.0.0.1:{server}")).args(["-key", "contact", &format!("127.0.0.1:{contact}")]);
    command.args(["-trace_stat", "-stf"]).arg(lab.folder.join(format!("{name}.csv")));
    Ok(command)
}

fn sipp(lab: &Lab, name: &str, scenario: &str, port: u16) -> Outcome<Command> {
    let mut command = Command::new("sipp");
    command.arg("-sf").arg(Path::new("xtask").join(scenario)).args([
        "-i",
        "127.0.0.1",
        "-p",
        &port.to_string(),
    ]);
    command.args(["-nostdin", "-recv_timeout", "10000", "-trace_err", "-error_file"]);
    command.arg(lab.folder.join(format!("{name}.errors")));
    Ok(command)
}

/// How many calls failed, by the counts that SIPp wrote last.
fn failures(file: &Path) -> Option<u64> {
    crate::interop::sipp::last_value(&std::fs::read_to_string(file).ok()?, "FailedCall(C)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_medians_and_their_ratio() {
        let runs = |all: [f64; 3], failed| all.map(|each| Measured { each, failed }).to_vec();
        let line = row("options", 10_000, &[runs([12.0, 9.0, 10.0], 0), runs([20.0, 25.0, 19.0], 1)]);
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        assert_eq!(words, ["options", "10000", "10.0", "20.0", "0.50", "0", "/", "3"]);
        let alone = row("options", 10_000, &[runs([12.0, 9.0, 10.0], 0)]);
        assert!(alone.contains("–"), "{alone}");
    }

    #[test]
    fn a_scenario_that_nobody_knows_is_named() {
        let failure = run(&["nothing".to_owned()]).unwrap_err().to_string();
        assert!(
            failure.contains("`nothing`") && failure.contains("options, register, message, invite, flood"),
            "{failure}"
        );
        // What only floods is known there alone.
        let failure = run(&["digest".to_owned()]).unwrap_err().to_string();
        assert!(failure.contains("unknown scenario `digest`"), "{failure}");
        let failure = run(&["flood".to_owned(), "nothing".to_owned()]).unwrap_err().to_string();
        assert!(failure.contains("options, register, digest, message, invite"), "{failure}");
    }
}
