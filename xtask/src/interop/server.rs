//! A `ringback serve` of our own, on ports that the system picks.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::Lab;
use super::certificates::Authority;
use super::child::Running;
use crate::failure::{Failure, Outcome};

/// The domain that the server is responsible for, beside its address.
pub(crate) const DOMAIN: &str = "127.0.0.1";

/// Users that each server knows. The passwords are as good as any for a server on loopback.
pub(crate) const USERS: &[(&str, &str)] = &[("alice", "wonderland"), ("bob", "builder"), ("carol", "singer")];

/// How long a program may take to start.
const START: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct Server {
    running: Running,
    pub(crate) udp: SocketAddr,
    listeners: Vec<(String, SocketAddr)>,
}

impl Server {
    /// Starts the server on UDP and TCP, on ports that the system picks, and waits until it is ready.
    pub(crate) fn start(binary: &Path, folder: &Path) -> Outcome<Self> {
        Self::start_on(0, binary, folder)
    }

    /// Starts the server on this port, for both transports.
    pub(crate) fn start_on(port: u16, binary: &Path, folder: &Path) -> Outcome<Self> {
        Self::launch(port, binary, folder, &[])
    }

    /// Starts the server on one transport more, such as `tls` with a certificate that the [`Authority`] signed.
    pub(crate) fn start_with(transport: &str, authority: &Authority, lab: &Lab) -> Outcome<Self> {
        Self::start_traced(transport, authority, &[], lab)
    }

    /// The same, and what it tells of its messages goes to these places.
    pub(crate) fn start_traced(
        transport: &str,
        authority: &Authority,
        places: &[String],
        lab: &Lab,
    ) -> Outcome<Self> {
        let listen = format!("{transport}:127.0.0.1:0");
        let (certificate, key) =
            (authority.certificate.display().to_string(), authority.key.display().to_string());
        let ca = authority.ca.display().to_string();
        let more = ["--listen", &listen, "--tls-cert", &certificate, "--tls-key", &key, "--tls-ca", &ca];
        let places = places.iter().flat_map(|place| ["--trace", place]);
        Self::launch(0, &lab.binary, &lab.folder, &more.into_iter().chain(places).collect::<Vec<_>>())
    }

    /// Starts the server on TLS for those only who have a certificate of the [`Authority`].
    pub(crate) fn start_mutual(authority: &Authority, lab: &Lab) -> Outcome<Self> {
        let file = |path: &Path| path.display().to_string();
        let (certificate, key, ca) =
            (file(&authority.certificate), file(&authority.key), file(&authority.ca));
        let own = ["--listen", "tls:127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key];
        let theirs = ["--tls-verify", "mutual", "--tls-client-ca", &ca];
        Self::launch(0, &lab.binary, &lab.folder, &[&own[..], &theirs].concat())
    }

    /// Starts the server with this configuration, and an admin socket in the folder of the case.
    pub(crate) fn configured(config: &Path, lab: &Lab) -> Outcome<Self> {
        let (config, admin) = (config.display().to_string(), admin(lab).display().to_string());
        Self::launch(0, &lab.binary, &lab.folder, &["--config", &config, "--admin", &admin])
    }

    fn launch(port: u16, binary: &Path, folder: &Path, more: &[&str]) -> Outcome<Self> {
        let users: String = USERS.iter().map(|(name, password)| format!("{name}:{password}\n")).collect();
        let file = folder.join("users");
        std::fs::write(&file, users).map_err(|error| format!("{}: {error}", file.display()))?;
        let both = ["udp", "tcp"].map(|transport| format!("{transport}:127.0.0.1:{port}"));
        let mut running = Running::start(
            folder,
            "serve",
            Command::new(binary)
                // Peers that fell silent in a call are what some cases are about.
                .args(["serve", "--ephemeral", "--domain", DOMAIN, "--drain", "0"])
                .args(["--listen", &both[0], "--listen", &both[1]])
                .arg("--users")
                .arg(&file)
                .args(more),
        )?;
        let mut listeners = Vec::new();
        running.line(START, |line| {
            listeners.extend(listener(line).map(|(transport, address)| (transport.to_owned(), address)));
            (line == "ready").then_some(())
        })?;
        let udp = listeners.iter().find(|(transport, _)| transport == "udp").map(|(_, address)| *address);
        let Some(udp) = udp else {
            return Err(running.failed("was ready without naming a listener for udp"));
        };
        Ok(Self { running, udp, listeners })
    }

    /// Where the server listens for a transport that it was started with.
    pub(crate) fn address(&self, transport: &str) -> SocketAddr {
        let found = self.listeners.iter().find(|(own, _)| own == transport);
        found.map_or(self.udp, |(_, address)| *address)
    }

    /// Ends the server, which must go in an orderly way.
    pub(crate) fn stop(mut self) -> Outcome {
        if !self.running.is_alive() {
            return Err(self.running.failed("ended before the test did"));
        }
        let status = self.running.terminate(Duration::from_secs(10))?;
        if status.success() {
            Ok(())
        } else {
            Err(self.running.failed(&format!("ended on SIGTERM with {status}")))
        }
    }
}

/// The admin socket of a server that was [`configured`](Server::configured).
pub(crate) fn admin(lab: &Lab) -> PathBuf {
    lab.folder.join("admin.sock")
}

/// The password of a user.
pub(crate) fn password(user: &str) -> &'static str {
    USERS.iter().find(|(name, _)| *name == user).map_or("", |(_, password)| password)
}

/// Reads `listening udp:127.0.0.1:40123`.
fn listener(line: &str) -> Option<(&str, SocketAddr)> {
    let (transport, address) = line.strip_prefix("listening ")?.split_once(':')?;
    Some((transport, address.parse().ok()?))
}

/// A port that was free for UDP and TCP a moment ago, for programs that cannot say which one they got.
pub(crate) fn free_port() -> Outcome<u16> {
    for _ in 0..64 {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
        let port = socket.local_addr().map_err(|error| format!("no free port: {error}"))?.port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Failure::Failed("no port is free for both UDP and TCP".into()))
}

/// A free port of four digits.
pub(crate) fn short_port() -> Outcome<u16> {
    // Not always the same first one, so that two runs side by side seldom meet.
    let first = 5_100 + (std::process::id() % 4_000) as u16;
    (first..=9_999)
        .chain(5_100..first)
        .find(|port| is_free("udp", *port) && is_free("tcp", *port))
        .ok_or_else(|| Failure::Failed("no port of four digits is free".into()))
}

/// Waits until a program that was started listens on its port.
pub(crate) fn until_taken(transport: &str, port: u16) -> Outcome {
    let end = Instant::now() + START;
    // Asked of the system and not tried by binding, which could take the port away in that moment.
    let table = format!("/proc/net/{transport}");
    while !std::fs::read_to_string(&table).is_ok_and(|table| is_bound(&table, port)) {
        if Instant::now() > end {
            return Err(Failure::Failed(format!("nobody listens on {transport} port {port}")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Whether a line of the system's table has this port as its own.
fn is_bound(table: &str, port: u16) -> bool {
    let ending = format!(":{port:04X}");
    table.lines().filter_map(|line| line.split_ascii_whitespace().nth(1)).any(|own| own.ends_with(&ending))
}

fn is_free(transport: &str, port: u16) -> bool {
    match transport {
        "tcp" => TcpListener::bind(("127.0.0.1", port)).is_ok(),
        _ => UdpSocket::bind(("127.0.0.1", port)).is_ok(),
    }
}

/// The program under test: given by hand, or built in the dev profile that the tests use too.
pub(crate) fn binary(given: Option<String>) -> Outcome<PathBuf> {
    if let Some(path) = given {
        let path = PathBuf::from(path);
        let here = std::env::current_dir().map_err(|error| format!("no current folder: {error}"))?;
        let path = here.join(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Failure::Usage(format!("{} is no file", path.display())))
        };
    }
    crate::process::run(&mut crate::process::cargo(["build", "--bin", "ringback"]))?;
    built("ringback")
}

/// Where cargo puts what it builds by that name.
pub(crate) fn built(name: &str) -> Outcome<PathBuf> {
    let metadata = crate::process::output(&mut crate::process::cargo([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ]))?;
    let metadata = crate::json::Json::parse(&metadata)?;
    let target = metadata.get("target_directory").text().ok_or("cargo names no target directory")?;
    Ok(Path::new(target).join("debug").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_listener_is_read() {
        let address = "127.0.0.1:40123".parse().unwrap();
        assert_eq!(listener("listening udp:127.0.0.1:40123"), Some(("udp", address)));
        assert_eq!(listener("listening tcp:[::1]:5060"), Some(("tcp", "[::1]:5060".parse().unwrap())));
        assert_eq!(listener("ready"), None);
    }

    #[test]
    fn a_bound_port_is_seen_in_the_table_of_the_system() {
        let table = "  sl  local_address rem_address\n  0: 0100007F:13C4 00000000:0000 07\n";
        assert!(is_bound(table, 5_060));
        assert!(!is_bound(table, 5_061));
    }
}
