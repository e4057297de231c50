//! `cargo xtask soak [--minutes N] [--rate R]`: calls and registrations at a fixed rate for a long time, and what becomes of
//! the server's memory meanwhile.
//!
//! Once a second it is written down how much memory the server holds, how many calls have failed, and how many datagrams the
//! kernel had no room for. The graph of it is an SVG. The server keeps its state for half a minute after each call, and
//! remembers the last messages, so the first part of the time does not count.

mod graph;

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench::{optimised, resident};
use crate::failure::{Failure, Outcome, take_number, take_value};
use crate::interop::child::Running;

const USAGE: &str =
    "usage: cargo xtask soak [--minutes N] [--rate R] [--registrations R] [--svg FILE] [--binary FILE]";

/// Unless told.
const MINUTES: u64 = 30;
const CALLS_A_SECOND: u64 = 200;
const REGISTRATIONS_A_SECOND: u64 = 200;
/// How long each call lasts.
const HOLD: &str = "2s";
/// How many users take turns at registering.
const USERS: usize = 5_000;
/// The part of the time, one in so many, in which memory may still grow, and the least of it in seconds.
const WARM_UP: u64 = 3;
const SHORTEST_WARM_UP: u64 = 90;
/// By how much memory may grow after that.
const GROWTH: f64 = 0.03;

/// What was seen in one second.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Seconds since the load began.
    at: f64,
    /// Resident memory in bytes.
    resident: f64,
    /// Until then.
    failed: u64,
    dropped: u64,
}

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let seconds = take_number(&mut arguments, "--minutes")?.unwrap_or(MINUTES).max(1) * 60;
    let rate = take_number(&mut arguments, "--rate")?.unwrap_or(CALLS_A_SECOND).max(1);
    let registrations =
        take_number(&mut arguments, "--registrations")?.unwrap_or(REGISTRATIONS_A_SECOND).max(1);
    let svg = take_value(&mut arguments, "--svg")?;
    let binary = take_value(&mut arguments, "--binary")?;
    if !arguments.is_empty() {
        return Err(Failure::Usage(USAGE.into()));
    }
    let folder = fresh()?;
    let soak = Soak { binary: optimised(binary)?, folder, seconds, rate, registrations };
    let samples = soak.drive()?;
    let warm = (seconds / WARM_UP).max(SHORTEST_WARM_UP);
    let verdict = Verdict::of(&samples, warm as f64);
    let title =
        format!("{rate} calls and {registrations} registrations a second for {} minutes", seconds / 60);
    let told = verdict.to_string();
    let svg = svg.map_or_else(|| soak.folder.join("soak.svg"), PathBuf::from);
    std::fs::write(&svg, graph::draw([&title, &told], &samples, warm as f64))
        .map_err(|error| format!("{}: {error}", svg.display()))?;
    println!("{title}: {told}\ndrawn in {}", svg.display());
    if verdict.holds() { Ok(()) } else { Err(Failure::Failed("the server did not hold".into())) }
}

fn fresh() -> Outcome<PathBuf> {
    let folder = std::env::current_dir().map_err(|error| error.to_string())?.join("target/soak");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

struct Soak {
    binary: PathBuf,
    folder: PathBuf,
    seconds: u64,
    rate: u64,
    registrations: u64,
}

impl Soak {
    /// Makes calls and registrations until the time is over, and looks at the server once a second.
    fn drive(&self) -> Outcome<Vec<Sample>> {
        let mut serve = self.start("serve", |command| {
            let words =
                ["serve", "--no-auth", "--domain", "example.com", "--listen", "udp:127.0.0.1:0", "--data"];
            command.args(words).arg(self.folder.join("data"));
        })?;
        let server = listening(&mut serve)?;
        let mut answer = self.start("answer", |command| {
            command.args(["load", "--answer", "--listen", "udp:127.0.0.1:0", "--threads", "1"]);
        })?;
        register("callee", listening(&mut answer)?, server)?;
        let users = self.folder.join("users.csv");
        let lines: String = (0..USERS).map(|user| format!("user{user},none\n")).collect();
        std::fs::write(&users, lines).map_err(|error| format!("{}: {error}", users.display()))?;
        let mut calls = self.load("calls", self.rate, server, |command| {
            command.args(["--hold", HOLD, "sip:callee@example.com"]);
        })?;
        let mut registrations = self.load("registrations", self.registrations, server, |command| {
            command.args(["--method", "register", "--users"]).arg(&users).arg("sip:example.com");
        })?;
        let mut samples = self.watch(&serve, server.port(), [&mut calls, &mut registrations])?;
        // Calls that were begun last come to their end. Where some failed the graph shows when.
        let mut failed = 0;
        for load in [&mut calls, &mut registrations] {
            load.wait(Duration::from_secs(90))?;
            failed += load.said().iter().filter_map(|line| failures(line)).next_back().unwrap_or(0);
        }
        if let Some(last) = samples.last_mut() {
            (last.failed, last.dropped) = (last.failed.max(failed), dropped(server.port()));
        }
        serve.terminate(Duration::from_secs(30))?;
        Ok(samples)
    }

    fn watch(&self, serve: &Running, port: u16, mut loads: [&mut Running; 2]) -> Outcome<Vec<Sample>> {
        let (begun, mut samples) = (Instant::now(), Vec::new());
        let mut failed = [0; 2];
        for second in 1..=self.seconds {
            let next = begun + Duration::from_secs(second);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            for (load, failed) in loads.iter_mut().zip(&mut failed) {
                *failed = load.said().iter().filter_map(|line| failures(line)).next_back().unwrap_or(*failed);
            }
            samples.push(Sample {
                at: begun.elapsed().as_secs_f64(),
                resident: resident(serve.id())?,
                failed: failed.iter().sum(),
                dropped: dropped(port),
            });
        }
        Ok(samples)
    }

    /// Somebody who keeps up a rate all the time.
    fn load(
        &self,
        name: &str,
        rate: u64,
        server: SocketAddr,
        more: impl FnOnce(&mut Command),
    ) -> Outcome<Running> {
        self.start(name, |command| {
            command.args(["load", "--threads", "1", "--rate", &rate.to_string()]);
            command.args(["--calls", &(rate * self.seconds).to_string(), "--server", &server.to_string()]);
            more(command);
        })
    }

    fn start(&self, name: &str, arguments: impl FnOnce(&mut Command)) -> Outcome<Running> {
        let mut command = Command::new(&self.binary);
        arguments(&mut command);
        Running::start(&self.folder, name, &mut command)
    }
}

/// Where a program of ours listens, once it is ready.
fn listening(running: &mut Running) -> Outcome<SocketAddr> {
    let mut address = None;
    running.line(Duration::from_secs(10), |line| {
        address = line.strip_prefix("listening udp:").and_then(|text| text.parse().ok()).or(address);
        (line == "ready").then_some(())
    })?;
    address.ok_or_else(|| running.failed("did not say where it listens"))
}

/// Registers who is called for longer than any soak takes.
fn register(user: &str, contact: SocketAddr, server: SocketAddr) -> Outcome {
    let request = format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKsoak;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@example.com>;tag=1\r\nTo: <sip:{user}@example.com>\r\n\
         Call-ID: soak\r\nCSeq: 1 REGISTER\r\nContact: <sip:{user}@{contact}>\r\nExpires: 86400\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let ask = || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.send_to(request.as_bytes(), server)?;
        let mut answer = [0; 2_048];
        let length = socket.recv(&mut answer)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer[..length]).into_owned())
    };
    match ask() {
        Ok(answer) if answer.starts_with("SIP/2.0 200 ") => Ok(()),
        Ok(answer) => Err(Failure::Failed(format!("{user} cannot be registered: {answer}"))),
        Err(error) => Err(Failure::Failed(format!("{user} cannot be registered: {error}"))),
    }
}

/// The number before `failed` in a line of the load tool.
fn failures(line: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let at = words.iter().position(|word| *word == "failed")?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

/// Datagrams that the kernel had no room for, on all sockets of a port.
fn dropped(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    dropped_in(&table, port)
}

fn dropped_in(table: &str, port: u16) -> u64 {
    let ending = format!(":{port:04X}");
    let rows = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let own = rows.filter(|row| row.get(1).is_some_and(|own| own.ends_with(&ending)));
    own.filter_map(|row| row.last()?.parse::<u64>().ok()).sum()
}

/// What came of it.
#[derive(Debug, PartialEq)]
struct Verdict {
    /// By how much memory grew after the warm-up, at most, as a part of what it was.
    growth: f64,
    failed: u64,
    dropped: u64,
}

impl Verdict {
    fn of(samples: &[Sample], warm: f64) -> Self {
        let after: Vec<f64> =
            samples.iter().filter(|sample| sample.at >= warm).map(|sample| sample.resident).collect();
        // One second alone may fall into a moment with more at once.
        let first = &after[..after.len().min(10)];
        let before = first.iter().sum::<f64>() / first.len().max(1) as f64;
        let most = after.iter().copied().fold(0.0, f64::max);
        let last = samples.last().copied().unwrap_or_default();
        let growth = if before > 0.0 { most / before - 1.0 } else { 0.0 };
        Self { growth, failed: last.failed, dropped: last.dropped }
    }

    fn holds(&self) -> bool {
        self.growth <= GROWTH && self.failed == 0 && self.dropped == 0
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { growth, failed, dropped } = self;
        let growth = 100.0 * growth;
        write!(
            f,
            "memory grew by {growth:.1} % at most after warm-up, {failed} failed, {dropped} dropped by the kernel"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_second_tells_is_read() {
        let line = "    3 s     500.9/s     252 up      1246 done     7 failed     0 retransmissions";
        assert_eq!(failures(line), Some(7));
        assert_eq!(failures("ready"), None);
        let table = "  sl  local_address rem_address st drops\n 1: 0100007F:13C4 00000000:0000 07 3\n \
                     2: 0100007F:13C5 00000000:0000 07 9\n 3: 0100007F:13C4 00000000:0000 07 4\n";
        assert_eq!(dropped_in(table, 5_060), 7);
    }

    #[test]
    fn growth_counts_after_the_warm_up() {
        let sample = |at, resident| Sample { at, resident, ..Sample::default() };
        let mut samples: Vec<Sample> = (0..10).map(|at| sample(f64::from(at), 50.0)).collect();
        samples.extend((10..40).map(|at| sample(f64::from(at), 100.0)));
        assert!(Verdict::of(&samples, 10.0).holds());
        samples.push(sample(40.0, 104.0));
        assert!(!Verdict::of(&samples, 10.0).holds());
        samples.pop();
        samples.push(Sample { at: 40.0, resident: 100.0, failed: 1, dropped: 0 });
        assert!(!Verdict::of(&samples, 10.0).holds());
    }
}
