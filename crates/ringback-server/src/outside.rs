//! Where others see us, learned from a STUN server when the server starts (RFC 8489).

use crate::config::{ConfigError, ServerConfig};
use ringback_net::{Advertise, OsEntropy, local_ip_towards};
use ringback_sansio::Entropy as _;
use ringback_transport::stun;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

/// How often it is asked, and how long each time.
const TRIES: u32 = 4;
const TRY: Duration = Duration::from_millis(500);
/// RFC 8489 §18.6.
const PORT: u16 = 3_478;

/// Asks the STUN server of the configuration, if it names one, and has what it says advertised for all listeners of which
/// nothing else is said. One that does not answer does not keep the server from starting.
///
/// # Errors
/// When the STUN server cannot be found.
pub(crate) fn learn(config: &mut ServerConfig) -> Result<(), ConfigError> {
    let Some(server) = &config.advertise_stun else { return Ok(()) };
    let place = if has_port(server) { server.clone() } else { format!("{server}:{PORT}") };
    let found = place.to_socket_addrs();
    let found: Vec<SocketAddr> = found
        .map_err(|error| ConfigError::new(format!("advertise_stun: `{server}` is not found: {error}")))?
        .collect();
    // One of each family that it has.
    for is_ipv4 in [true, false] {
        let Some(at) = found.iter().find(|at| at.is_ipv4() == is_ipv4) else { continue };
        match seen_by(*at) {
            Ok((own, seen)) if own == seen => {
                tracing::info!(%own, "no NAT: the STUN server sees our own address");
            }
            Ok((own, seen)) => {
                tracing::info!(%own, %seen, "the STUN server sees us elsewhere, which is what others are told");
                config.advertise.push(Advertise { listener: None, ip: seen, port: None });
            }
            Err(error) => tracing::warn!(
                server,
                %error,
                "the STUN server does not answer: others are told our own addresses"
            ),
        }
    }
    Ok(())
}

/// Whether a port is written: `host:3478`, `192.0.2.1:3478`, `[2001:db8::1]:3478`.
fn has_port(place: &str) -> bool {
    place.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    })
}

/// Our own address on the way there, and the one that is seen.
fn seen_by(server: SocketAddr) -> io::Result<(IpAddr, IpAddr)> {
    let own = local_ip_towards(server)?;
    let socket = UdpSocket::bind((own, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(TRY))?;
    let mut id = [0; 12];
    OsEntropy::new().fill(&mut id);
    let mut buffer = [0; 1_500];
    for _ in 0..TRIES {
        socket.send(&stun::request(id))?;
        let Ok(read) = socket.recv(&mut buffer) else { continue };
        let answer = buffer.get(..read).and_then(stun::mapped);
        if let Some((_, seen)) = answer.filter(|(answered, _)| *answered == id) {
            return Ok((own, seen.ip()));
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A STUN server that sees everybody at this address, or is silent.
    fn stun_server(seen: Option<&'static str>) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while let Ok((read, peer)) = socket.recv_from(&mut buffer) {
                let Some(seen) = seen else { continue };
                let answer = stun::answer(&buffer[..read], seen.parse().unwrap()).unwrap();
                let _ = socket.send_to(&answer, peer);
            }
        });
        address
    }

    fn learned(server: String) -> Vec<String> {
        let fixed = "udp:127.0.0.1:5060=203.0.113.1".parse().unwrap();
        let mut config =
            ServerConfig { advertise: vec![fixed], advertise_stun: Some(server), ..ServerConfig::default() };
        learn(&mut config).unwrap();
        config.advertise.iter().skip(1).map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_stun_server_sees_is_advertised_behind_what_is_configured() {
        assert_eq!(learned(stun_server(Some("203.0.113.9:4000"))), ["203.0.113.9"]);
        assert!(learned(stun_server(Some("127.0.0.1:4000"))).is_empty(), "it is our own");
        assert!(learned(stun_server(None)).is_empty());
        let mut config =
            ServerConfig { advertise_stun: Some("no.invalid".into()), ..ServerConfig::default() };
        assert!(learn(&mut config).unwrap_err().to_string().contains("`no.invalid` is not found"));
    }

    #[test]
    fn ports_are_told_from_addresses() {
        for (place, has) in [
            ("stun.example.com", false),
            ("stun.example.com:3478", true),
            ("192.0.2.1:3478", true),
            ("[2001:db8::1]:3478", true),
            ("[2001:db8::1]", false),
        ] {
            assert_eq!(has_port(place), has, "{place}");
        }
    }
}
