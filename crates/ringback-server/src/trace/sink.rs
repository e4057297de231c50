//! Where messages are told: a capture, a file of JSON, a collector.

use crate::config::{ConfigError, TraceConfig, TraceTo};
use ringback_net::Direction;
use ringback_trace::{CaptureFormat, CaptureWriter, HepAgent, Packet};
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What a section of pcapng begins with.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// One place where all messages go.
pub(super) struct Sink {
    name: String,
    place: Place,
    /// Whether the last write failed, so that a disk that stays full is told of once.
    fails: bool,
}

enum Place {
    Capture(Box<CaptureWriter<BufWriter<File>>>),
    Lines(BufWriter<File>),
    Hep(UdpSocket, HepAgent),
}

impl Sink {
    pub(super) fn open(to: &TraceTo, config: &TraceConfig) -> Result<Self, ConfigError> {
        let name = to.to_string();
        let place = match to {
            TraceTo::Capture(path) => capture(path),
            TraceTo::Lines(path) => file(path).map(|file| Place::Lines(BufWriter::new(file))),
            TraceTo::Hep(collector) => {
                let agent = HepAgent { id: config.hep_agent, password: config.hep_password.clone() };
                collect(collector).map(|socket| Place::Hep(socket, agent))
            }
        };
        let place = place.map_err(|error| ConfigError::new(format!("trace: {name}: {error}")))?;
        Ok(Self { name, place, fails: false })
    }

    /// Tells of a message; says whether it got there.
    pub(super) fn write(&mut self, direction: Direction, packet: &Packet) -> bool {
        let written = match &mut self.place {
            Place::Capture(writer) => writer.write(packet),
            Place::Lines(file) => line(file, direction, packet),
            // A collector that is not there is told of by the next send; datagrams may get lost anyhow.
            Place::Hep(socket, agent) => socket.send(&agent.datagram(packet)).map(drop),
        };
        self.judge(written)
    }

    pub(super) fn flush(&mut self) {
        let flushed = match &mut self.place {
            Place::Capture(writer) => writer.flush(),
            Place::Lines(file) => file.flush(),
            Place::Hep(..) => return,
        };
        self.judge(flushed);
    }

    fn judge(&mut self, done: io::Result<()>) -> bool {
        if let (Err(error), false) = (&done, self.fails) {
            tracing::warn!(%error, "the trace to {} is not complete", self.name);
        }
        self.fails = done.is_err();
        done.is_ok()
    }
}

/// A file that is gone on with. Messages are nobody else's business.
fn file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn capture(path: &Path) -> io::Result<Place> {
    let mut file = file(path)?;
    let mut begin = [0; 4];
    let is_other = match file.read(&mut begin)? {
        0 => false,
        _ => begin != SECTION,
    };
    if is_other {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "is there, and no pcapng file"));
    }
    let writer = CaptureWriter::with_format(BufWriter::new(file), CaptureFormat::Pcapng)?;
    Ok(Place::Capture(Box::new(writer)))
}

fn collect(collector: &str) -> io::Result<UdpSocket> {
    let addresses: Vec<SocketAddr> = collector.to_socket_addrs()?.collect();
    let to = addresses.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let socket = match to {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
    };
    socket.connect(to)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The same that `ringback why --json` prints, and which way it went.
fn line(file: &mut impl io::Write, direction: Direction, packet: &Packet) -> io::Result<()> {
    let object = json!({
        "at": packet.time.as_secs_f64(),
        "direction": if direction == Direction::In { "in" } else { "out" },
        "from": packet.source.to_string(),
        "to": packet.destination.to_string(),
        "transport": packet.protocol.as_param(),
        "message": String::from_utf8_lossy(&packet.payload),
    });
    writeln!(file, "{object}")
}
