//! `cargo xtask bench servers flood [options|register|digest|message|invite]`: requests or calls as fast as a server serves them.
//!
//! SIPp asks at most 30,000 times a second, which leaves a server half idle, and then the cost of waking up is what is
//! measured. Here so many are always on their way that the server never sleeps. Then our server is asked at four fifths
//! of the rate that it reached, and the kernel is asked how many datagrams it dropped in front of it.

mod accounts;
mod digest;
mod load;
mod md5;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use self::load::{Load, Ports};
use super::process::{cpu, resident};
use super::{Lab, Peer, start};
use crate::failure::{Failure, Outcome};
use crate::interop::server::free_port;

/// With what a server can be flooded; `digest` is REGISTER with a password.
pub(super) const KINDS: [&str; 5] = ["options", "register", DIGEST, "message", "invite"];
const DIGEST: &str = "digest";

/// How long an answer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_millis(300);

/// What a flood gave.
#[derive(Clone, Copy, Debug)]
struct Flooded {
    /// Microseconds of the server's processor time for each answer.
    each: f64,
    /// Answers in a second.
    rate: f64,
    lost: u64,
    /// Datagrams that the kernel dropped because the server did not read them.
    dropped: u64,
    /// What the server held in the end, in KiB.
    memory: u64,
}

/// Floods the servers in turns with each of these, and prints what came of it.
pub(super) fn run(
    lab: &Lab,
    peers: &[Peer],
    names: &[&str],
    (pairs, seconds): (u64, u64),
    rate: Option<u64>,
) -> Outcome {
    println!(
        "{:20} {:>10} {:>10} {:>8} {:>8} {:>10}",
        "flood", "a second", "µs each", "lost", "dropped", "KiB"
    );
    let rate = rate.map(|rate| rate as f64);
    names.iter().try_for_each(|name| compare(lab, peers, name, (pairs, seconds), rate))
}

fn compare(
    lab: &Lab,
    peers: &[Peer],
    name: &str,
    (pairs, seconds): (u64, u64),
    rate: Option<f64>,
) -> Outcome {
    let mut runs: Vec<Vec<Flooded>> = vec![Vec::new(); peers.len()];
    for pair in 0..pairs {
        eprintln!("flood of {name} {}/{pairs}", pair + 1);
        for (peer, runs) in peers.iter().zip(&mut runs) {
            runs.push(flood(lab, *peer, name, seconds, rate)?);
        }
    }
    let medians: Vec<Flooded> = runs.iter_mut().filter_map(|runs| median(runs)).collect();
    for (peer, median) in peers.iter().zip(&medians) {
        println!("{}", row(&format!("{name} {peer:?}").to_lowercase(), median));
    }
    if let [ours, theirs, ..] = medians.as_slice() {
        println!("ratio {:.2}, of the rates {:.2}", ours.each / theirs.each, ours.rate / theirs.rate);
    }
    if let Some(ours) = medians.first().filter(|_| rate.is_none()) {
        let eased = flood(lab, Peer::Ringback, name, seconds, Some(ours.rate * 0.8))?;
        println!("{}", row("at 80 %", &eased));
        if eased.dropped + eased.lost > 0 {
            return Err(Failure::Failed("datagrams were lost at four fifths of the highest rate".into()));
        }
    }
    Ok(())
}

fn row(name: &str, flooded: &Flooded) -> String {
    let Flooded { each, rate, lost, dropped, memory } = flooded;
    format!("{name:20} {rate:>10.0} {each:>10.2} {lost:>8} {dropped:>8} {memory:>10}")
}

/// The run whose cost is in the middle.
fn median(runs: &mut [Flooded]) -> Option<Flooded> {
    runs.sort_by(|one, other| one.each.total_cmp(&other.each));
    runs.get(runs.len() / 2).copied()
}

fn flood(lab: &Lab, peer: Peer, name: &str, seconds: u64, rate: Option<f64>) -> Outcome<Flooded> {
    let port = free_port()?;
    let passwords = if name == DIGEST { Some(accounts::write(&lab.folder, peer)?) } else { None };
    let server = start(lab, peer, port, passwords)?;
    // The first answers pay for memory that is touched for the first time.
    let mut load = load::of(name);
    ask(port, &mut *load, Duration::from_millis(500), rate)?;
    let before = cpu(server.id());
    let (answered, lost, took) = ask(port, &mut *load, Duration::from_secs(seconds), rate)?;
    let spent = cpu(server.id()) - before;
    if answered == 0 {
        return Err(Failure::Failed(format!("{peer:?} answered nothing; see {}", lab.folder.display())));
    }
    let dropped = dropped(&std::fs::read_to_string("/proc/net/udp").unwrap_or_default(), port);
    let each = spent * 1e6 / answered as f64;
    Ok(Flooded {
        each,
        rate: answered as f64 / took.as_secs_f64(),
        lost,
        dropped,
        memory: resident(server.id()),
    })
}

/// How many ended well and how many were lost, and how long it took.
type Ended = (u64, u64, Duration);

/// Begins for so long, as fast as others end or at a rate.
fn ask(port: u16, load: &mut dyn Load, time: Duration, rate: Option<f64>) -> Outcome<Ended> {
    let failed = |error: std::io::Error| Failure::Failed(format!("no socket to ask from: {error}"));
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(failed)?;
    socket.connect(("127.0.0.1", port)).map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    // What the kernel refuses is lost, and counted when no answer comes.
    let send = |datagram: &[u8]| drop(socket.send(datagram));
    let ports = Ports { own: socket.local_addr().map_err(failed)?.port(), server: port };
    let mut read = [0; 4_096];
    for number in 0..load.users() {
        socket.send(&load::register(ports, number, "flood")).map_err(failed)?;
        socket.recv(&mut read).map_err(failed)?;
    }
    let (mut asked, mut answered, mut lost) = (0, 0, 0);
    let begun = Instant::now();
    loop {
        let under_way = asked - answered - lost;
        let took = begun.elapsed();
        let mut room = load.most().saturating_sub(under_way);
        if took >= time {
            if under_way == 0 {
                return Ok((answered, lost, took));
            }
            room = 0;
        }
        if let Some(rate) = rate {
            room = room.min(((took.as_secs_f64() * rate) as u64).saturating_sub(asked));
        }
        for _ in 0..room {
            load.begin(ports, asked, &send);
            asked += 1;
        }
        if asked == answered + lost {
            continue;
        }
        // The first answer is waited for, and those behind it are taken along.
        socket.set_nonblocking(false).map_err(failed)?;
        let first = socket.recv(&mut read);
        socket.set_nonblocking(true).map_err(failed)?;
        let Ok(length) = first else {
            lost = asked - answered;
            load.forget();
            continue;
        };
        answered += u64::from(load.take(ports, &read[..length], &send));
        for _ in 0..load.most() / 4 {
            let Ok(length) = socket.recv(&mut read) else { break };
            answered += u64::from(load.take(ports, &read[..length], &send));
        }
    }
}

/// How many datagrams were dropped in front of the sockets of a port, from the kernel's table of them.
fn dropped(table: &str, port: u16) -> u64 {
    let ending = format!(":{port:04X}");
    let of_socket = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        words.nth(1).filter(|local| local.ends_with(&ending))?;
        words.next_back()?.parse::<u64>().ok()
    };
    table.lines().filter_map(of_socket).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_counted_for_the_sockets_of_the_port_alone() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             24: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 7\n\
             25: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 5\n\
             26: 0100007F:13C5 0100007F:13C4 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 9\n";
        assert_eq!((dropped(table, 5060), dropped(table, 5061), dropped(table, 1)), (12, 9, 0));
    }

    #[test]
    fn every_question_that_is_answered_is_counted() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let answering = std::thread::spawn(move || {
            let mut read = [0; 2_048];
            let mut seen = 0;
            server.set_read_timeout(Some(PATIENCE * 2)).unwrap();
            while let Ok((length, from)) = server.recv_from(&mut read) {
                assert!(read[..length].starts_with(b"OPTIONS sip:127.0.0.1:"));
                // Every tenth is lost.
                seen += 1;
                if seen % 10 != 0 {
                    server.send_to(b"SIP/2.0 200 OK\r\n\r\n", from).unwrap();
                }
            }
            seen
        });
        let (answered, lost, _) =
            ask(port, &mut *load::of("options"), Duration::from_millis(50), Some(2_000.0)).unwrap();
        let seen = answering.join().unwrap();
        assert_eq!(answered + lost, seen);
        assert_eq!(lost, seen / 10);
    }
}
