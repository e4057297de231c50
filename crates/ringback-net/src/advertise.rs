//! What peers have to be told instead of the address of a socket: behind a NAT, or in a container.

use crate::{Listen, ListenError};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// An address that stands in messages for one of ours.
///
/// Written `203.0.113.7` for all listeners of its family, each with its own port, or `LISTENER=ADDRESS:PORT` for one of them:
///
/// ```
/// use ringback_net::{Advertise, Listen};
/// let all: Advertise = "203.0.113.7".parse()?;
/// let one: Advertise = "udp:10.0.0.7:5060=203.0.113.7:5070".parse()?;
/// let listen: Listen = "udp:10.0.0.7:5060".parse()?;
/// assert_eq!(all.instead_of(&listen, 5060), Some("203.0.113.7:5060".parse().unwrap()));
/// assert_eq!(one.instead_of(&listen, 5060), Some("203.0.113.7:5070".parse().unwrap()));
/// # Ok::<(), ringback_net::ListenError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertise {
    /// The listener that it stands for; without one all of its family.
    pub listener: Option<Listen>,
    /// What others reach it at.
    pub ip: IpAddr,
    /// The port there; without one that of the listener.
    pub port: Option<u16>,
}

impl Advertise {
    /// What stands in messages for a listener that was asked for as `listen` and has this port.
    pub fn instead_of(&self, listen: &Listen, port: u16) -> Option<SocketAddr> {
        let fits = match &self.listener {
            Some(own) => own == listen,
            None => listen.address.is_ipv4() == self.ip.is_ipv4(),
        };
        fits.then(|| SocketAddr::new(self.ip, self.port.unwrap_or(port)))
    }

    /// The one of several that stands for a listener: one that names it before one for all.
    pub fn of(all: &[Self], listen: &Listen, port: u16) -> Option<SocketAddr> {
        let named = all.iter().filter(|own| own.listener.is_some());
        named
            .chain(all.iter().filter(|own| own.listener.is_none()))
            .find_map(|own| own.instead_of(listen, port))
    }
}

impl FromStr for Advertise {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let fail = |problem| ListenError::advertised(text, problem);
        let (listener, address) = match text.split_once('=') {
            Some((listener, address)) => (Some(listener.parse::<Listen>()?), address),
            None => (None, text),
        };
        let (ip, port) = match address.parse::<SocketAddr>() {
            Ok(address) => (address.ip(), Some(address.port())),
            Err(_) => {
                let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
                (bare.unwrap_or(address).parse().map_err(|_| fail("that is no address"))?, None)
            }
        };
        if ip.is_unspecified() || ip.is_multicast() || port == Some(0) {
            return Err(fail("nobody can be reached there"));
        }
        if port.is_some() && listener.is_none() {
            return Err(fail("a port stands for one listener, which has to be named"));
        }
        if listener.is_some_and(|listener| listener.address.is_ipv4() != ip.is_ipv4()) {
            return Err(fail("the two are not of one family"));
        }
        Ok(Self { listener, ip, port })
    }
}

impl fmt::Display for Advertise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(listener) = &self.listener {
            write!(f, "{listener}=")?;
        }
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_names_the_listener_comes_first() {
        let all: Vec<Advertise> =
            ["203.0.113.7", "2001:db8::7", "tcp:10.0.0.7=203.0.113.8", "udp:[::]:0=[2001:db8::9]:5070"]
                .map(|text| text.parse().unwrap())
                .into();
        for (listen, port, seen) in [
            ("udp:10.0.0.7:5060", 5_060, "203.0.113.7:5060"),
            ("tcp:10.0.0.7:5060", 5_060, "203.0.113.8:5060"),
            ("udp:[::]:0", 40_000, "[2001:db8::9]:5070"),
            ("tcp:[::]:5062", 5_062, "[2001:db8::7]:5062"),
        ] {
            let listen = listen.parse().unwrap();
            assert_eq!(Advertise::of(&all, &listen, port), Some(seen.parse().unwrap()));
        }
        assert_eq!(Advertise::of(&all[1..2], &"udp:10.0.0.7".parse().unwrap(), 5_060), None);
        for one in &all {
            assert_eq!(one.to_string().parse::<Advertise>().as_ref(), Ok(one));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, problem) in [
            ("host.example", "no address"),
            ("0.0.0.0", "nobody can be reached"),
            ("203.0.113.7:5060", "which has to be named"),
            ("udp:10.0.0.7=2001:db8::1", "not of one family"),
            ("10.0.0.7=203.0.113.7", "the transport is"),
        ] {
            let error = text.parse::<Advertise>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
