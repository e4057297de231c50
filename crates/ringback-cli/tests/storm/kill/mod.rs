//! The server is killed again and again while it is used, and started again on the same data: what it has acknowledged
//! holds, and calls that were up go on.
//!
//! Not part of every run: `cargo xtask kill [--times N]`.

mod calls;
mod message;
mod registrations;
mod wire;

use crate::number;
use crate::support::{Folder, Running};
use calls::Calls;
use registrations::Registrations;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Registrations begun in a second.
const REGISTRATIONS: u32 = 500;
/// Calls begun in a second.
const CALLS: u32 = 100;
/// How long a request may wait for its answer while there is a server, and what repeating it takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
#[ignore = "takes half a minute: cargo xtask kill"]
fn what_was_acknowledged_outlives_a_kill_and_calls_go_on() {
    let times = number("RINGBACK_KILL_TIMES", 10);
    let folder = Folder::new("kill");
    let (mut serve, server) = start(&folder, "127.0.0.1:0");
    let (mut registrations, mut calls) = (Registrations::new(server), Calls::new(server));
    for time in 1..=times {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| registrations.register(REGISTRATIONS, &over));
            scope.spawn(|| calls.call(CALLS, &over));
            // Not always at the same moment of what comes every so often.
            thread::sleep(Duration::from_millis(1_500 + 137 * time));
            serve.signal("-KILL");
            over.store(true, Ordering::Relaxed);
        });
        drop(serve);
        let killed = Instant::now();
        serve = start(&folder, &server.to_string()).0;
        let ready = killed.elapsed().as_millis();
        let ((there, gone), up) = thread::scope(|scope| {
            let registrations = scope.spawn(|| registrations.check());
            let up = calls.check();
            (registrations.join().expect("bindings are as acknowledged"), up)
        });
        registrations.settle();
        println!(
            "kill {time}: ready after {ready} ms; {there} bindings are there, {gone} gone, {up} calls go on"
        );
        assert!(there > 0 && up > 0);
    }
    calls.close();
    let (acknowledged, Calls { answers, ended, within, .. }) = (registrations.acknowledged, calls);
    println!(
        "{acknowledged} registrations acknowledged, {answers} calls answered, {within} requests within them answered"
    );
    assert_eq!(answers, ended);
}

/// Starts the server on the data of the folder; where it listens.
fn start(folder: &Folder, at: &str) -> (Running, SocketAddr) {
    let (data, listen) = (folder.path("data"), format!("udp:{at}"));
    let mut serve = Running::logged(
        &["serve", "--no-auth", "--data", &data, "--domain", "example.com", "--listen", &listen],
        &folder.path("log"),
    );
    let line = serve.wait_for("listening udp:");
    serve.wait_for("ready");
    (serve, line.trim_start_matches("listening udp:").parse().expect("an address"))
}

/// Turns at a fixed rate.
struct Pace {
    begun: Instant,
    rate: u32,
    done: u32,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self { begun: Instant::now(), rate, done: 0 }
    }

    /// The turns whose time has come since it was asked last.
    fn due(&mut self) -> Range<u32> {
        let due = (self.begun.elapsed().as_millis() as u64 * u64::from(self.rate) / 1_000) as u32;
        std::mem::replace(&mut self.done, due)..due
    }
}
