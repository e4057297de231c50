//! What the machine gives a SIP program, for those who ask before they blame it: descriptors, buffers, addresses, names.

use crate::resolve::{Finder, Seen};
use crate::{Hosts, Listen, NameServers, NetConfig, OsEntropy};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringback_message::UriBuf;
use ringback_sansio::{Entropy as _, Protocol, Target};
use ringback_transport::locate::{Answer, Kind, LocateError, NextHop, Question, Record, Resources, next_hop};
use ringback_transport::stun;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;

/// How often a STUN server is asked, and how long it may think each time.
const TRIES: u32 = 3;
const TRY: Duration = Duration::from_millis(700);

/// How many files the program may have open: now, and when it asks for more.
///
/// # Errors
/// When the system does not tell.
pub fn open_files() -> io::Result<(u64, u64)> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?)
}

/// Asks for all the open files that the program may have, for each connection is one. What it then may have open.
///
/// # Errors
/// When the system refuses; then nothing has changed.
pub fn raise_open_files() -> io::Result<u64> {
    let (now, most) = open_files()?;
    if now < most {
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    }
    Ok(most)
}

/// The bytes of receive buffer that a UDP socket of ours gets.
///
/// # Errors
/// When there are no sockets.
pub fn receive_buffer() -> io::Result<(usize, usize)> {
    let asked = NetConfig::new([]).socket_buffer;
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    crate::sockets::enlarge(&socket, asked);
    // The system counts as much again for its own use.
    Ok((socket.recv_buffer_size()? / 2, asked))
}

/// Asks a STUN server where it sees packets come from that leave from `own`.
///
/// # Errors
/// `TimedOut` when it does not answer.
pub async fn seen_from_outside(own: IpAddr, server: SocketAddr) -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    let mut id = [0; 12];
    OsEntropy::new().fill(&mut id);
    let mut buffer = [0; 1_500];
    for _ in 0..TRIES {
        socket.send(&stun::request(id)).await?;
        let Ok(read) = tokio::time::timeout(TRY, socket.recv(&mut buffer)).await else { continue };
        if let Some((_, seen)) = stun::mapped(&buffer[..read?]).filter(|(answered, _)| *answered == id) {
            return Ok(seen);
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// How a URI leads to addresses.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// What was asked and what came of it, in words, in order.
    pub steps: Vec<(String, String)>,
    /// Where it leads, best first; or why nowhere.
    pub targets: Result<Vec<Target>, LocateError>,
}

/// Finds where `sip:DOMAIN` leads, and says how. To be called in a runtime.
///
/// # Errors
/// When it is no domain.
pub async fn look_up(domain: &str, hosts: Hosts, servers: NameServers) -> Result<Lookup, String> {
    let uri = UriBuf::new(&format!("sip:{domain}")).map_err(|error| error.to_string())?;
    let uri = uri.as_sip().ok_or("it is no domain")?;
    let name = match next_hop(&uri).map_err(|error| error.to_string())? {
        NextHop::Known(target) => return Ok(Lookup { steps: Vec::new(), targets: Ok(vec![target]) }),
        NextHop::Name(name) => name,
    };
    let finder = Finder::new(&NetConfig { hosts, name_servers: servers, ..NetConfig::new([]) });
    let resources = Resources {
        protocols: vec![Protocol::Tls, Protocol::Tcp, Protocol::Udp],
        families: vec![Kind::Aaaa, Kind::A],
    };
    let mut steps = Vec::new();
    let mut seen = |question: &Question, answer: &Answer| {
        steps.push((asked(question), answered(question.kind, answer)));
    };
    let targets = finder.find(name, resources, Some(&mut seen as Seen<'_>)).await;
    Ok(Lookup { steps, targets: targets.map(|(targets, _)| targets) })
}

fn asked(Question { name, kind }: &Question) -> String {
    match kind {
        Kind::Naptr => format!("which services has {name} (NAPTR)"),
        Kind::Srv => format!("which servers has {name} (SRV)"),
        Kind::A => format!("which IPv4 addresses has {name} (A)"),
        Kind::Aaaa => format!("which IPv6 addresses has {name} (AAAA)"),
    }
}

fn answered(kind: Kind, answer: &Answer) -> String {
    let records = match answer {
        Answer::Records(records) => records,
        Answer::NoRecords => return "none".into(),
        Answer::NoSuchName => return "there is no such name".into(),
        Answer::Failed => return "the name servers do not answer".into(),
    };
    let fitting = records.iter().filter_map(|record| match record {
        Record::Naptr { order, service, replacement, .. } => {
            Some(format!("{service} at {replacement} (order {order})"))
        }
        Record::Srv { target, .. } if target.trim_matches('.').is_empty() => Some("decidedly none".into()),
        Record::Srv { priority, weight, port, target } => {
            Some(format!("{target} port {port} (priority {priority}, weight {weight})"))
        }
        Record::A(ip) if kind == Kind::A => Some(ip.to_string()),
        Record::Aaaa(ip) if kind == Kind::Aaaa => Some(ip.to_string()),
        Record::Cname(name) => Some(format!("it is another name for {name}")),
        Record::A(_) | Record::Aaaa(_) => None,
    });
    let fitting: Vec<String> = fitting.collect();
    if fitting.is_empty() { "none".into() } else { fitting.join(", ") }
}

/// A place that leads to this listener from the machine itself.
pub fn from_here(listen: &Listen) -> SocketAddr {
    let ip = match listen.address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, listen.address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_buffers_are_told() {
        let (now, most) = open_files().unwrap();
        assert!(now > 0 && now <= most);
        assert_eq!(raise_open_files().unwrap(), most);
        assert_eq!(open_files().unwrap(), (most, most));
        let (got, asked) = receive_buffer().unwrap();
        assert!(got > 0 && asked >= got, "{got} of {asked}");
    }

    #[test]
    fn answers_are_told_in_words() {
        let srv = Record::Srv { priority: 1, weight: 2, port: 5061, target: "a.example".into() };
        let nothing = Record::Srv { priority: 0, weight: 0, port: 0, target: ".".into() };
        for (kind, answer, said) in [
            (Kind::Srv, Answer::Records(vec![srv]), "a.example port 5061 (priority 1, weight 2)"),
            (Kind::Srv, Answer::Records(vec![nothing]), "decidedly none"),
            (Kind::A, Answer::Records(vec![Record::Aaaa("::1".parse().unwrap())]), "none"),
            (Kind::A, Answer::NoSuchName, "there is no such name"),
        ] {
            assert_eq!(answered(kind, &answer), said);
        }
    }
}
