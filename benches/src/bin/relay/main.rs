//! `relay [--calls N] [--seconds S] [--mode rtp|srtp] [--binary FILE] [--rtpengine]`: what relayed media cost a server.
//!
//! Calls are set up through a server of ours, or with rtpengine by its own protocol; then each of their two ends sends fifty packets a
//! second and gets those of the other. With `srtp` the ends that call encrypt (AES_CM_128_HMAC_SHA1_80) and those that are called do not.
//! Every packet that arrives is checked. Told are the server's processor time for each packet, what was lost, and how much memory
//! a call takes.

#![allow(clippy::print_stdout, reason = "a report")]

mod ends;
mod rtpengine;
mod signalling;

use ends::End;
use std::error::Error;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// For so long packets flow before it counts.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// What lies between two packets of an end.
const PACKET: Duration = Duration::from_millis(20);

struct Options {
    calls: usize,
    seconds: u64,
    encrypts: bool,
    binary: PathBuf,
    rtpengine: bool,
}

impl Options {
    fn read() -> Outcome<Self> {
        let mut options = Self {
            calls: 100,
            seconds: 10,
            encrypts: false,
            binary: PathBuf::from("target/release/ringback"),
            rtpengine: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--calls" => options.calls = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--binary" => options.binary = value()?.into(),
                "--rtpengine" => options.rtpengine = true,
                "--mode" => match value()?.as_str() {
                    "rtp" => options.encrypts = false,
                    "srtp" => options.encrypts = true,
                    other => return Err(format!("--mode is rtp or srtp, not {other}").into()),
                },
                other => return Err(format!("unknown argument `{other}`").into()),
            }
        }
        Ok(options)
    }
}

/// A server that relays. It ends with this program.
pub(crate) struct Relay {
    child: Child,
}

impl Relay {
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        Ok(Self { child: child.map_err(|error| format!("{command:?}: {error}"))? })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Seconds of processor time of all threads, as exactly as the system counts.
    fn busy(&self) -> Outcome<f64> {
        let mut nanos = 0.0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let line = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += line.split(' ').next().ok_or("an empty schedstat")?.parse::<f64>()?;
        }
        Ok(nanos / 1e9)
    }

    /// Resident KiB that are its own.
    fn memory(&self) -> Outcome<f64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> Outcome {
    let options = Options::read()?;
    let (relay, before, mut ends) = if options.rtpengine {
        let (relay, mut control) = rtpengine::start(options.calls)?;
        let before = relay.memory()?;
        (relay, before, control.calls(options.calls, options.encrypts)?)
    } else {
        let (relay, mut phones) = signalling::start(&options.binary, options.encrypts)?;
        let before = relay.memory()?;
        (relay, before, phones.calls(options.calls, options.encrypts)?)
    };
    let each = (relay.memory()? - before) / options.calls as f64;
    flow(&mut ends, WARM_UP)?;
    let (busy, sent, received) = (relay.busy()?, total(&ends).0, total(&ends).1);
    let begun = Instant::now();
    flow(&mut ends, Duration::from_secs(options.seconds))?;
    let (took, busy) = (begun.elapsed().as_secs_f64(), relay.busy()? - busy);
    settle(&mut ends)?;
    let (sent, received) = (total(&ends).0 - sent, total(&ends).1 - received);
    let spoilt: u64 = ends.iter().map(|end| end.spoilt).sum();
    println!(
        "{} {}: {} calls, {:.0} packets a second, {:.2} µs each, {:.2} of a processor, {} of {sent} lost, {spoilt} spoilt, {each:.1} KiB a call",
        if options.rtpengine { "rtpengine" } else { "ringback" },
        if options.encrypts { "SRTP to RTP and back" } else { "RTP to RTP" },
        options.calls,
        received as f64 / took,
        busy / received.max(1) as f64 * 1e6,
        busy / took,
        sent.saturating_sub(received),
    );
    Ok(())
}

/// How many packets were sent and have arrived.
fn total(ends: &[End]) -> (u64, u64) {
    ends.iter().fold((0, 0), |(sent, received), end| (sent + end.sent, received + end.received))
}

/// Lets all ends speak, one after the other, each of them fifty times a second.
fn flow(ends: &mut [End], time: Duration) -> Outcome {
    let begun = Instant::now();
    let step = PACKET / ends.len() as u32;
    for turn in 0.. {
        for (at, end) in (0u32..).zip(ends.iter_mut()) {
            let due = PACKET * turn + step * at;
            if due > time {
                return Ok(());
            }
            // Several ends are seen to before the next sleep, which takes its time to wake up from.
            while begun.elapsed() < due {
                std::thread::sleep(Duration::from_micros(500));
            }
            end.hear()?;
            end.speak()?;
        }
    }
    Ok(())
}

/// Waits for what is on its way.
fn settle(ends: &mut [End]) -> Outcome {
    std::thread::sleep(Duration::from_millis(200));
    ends.iter_mut().try_for_each(End::hear)
}
