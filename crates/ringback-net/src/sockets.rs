//! Sockets that are bound and not read yet.

use crate::batch::socket_addr;
use crate::net::Net;
use crate::{BindError, Core, Inherited, Listen, NetConfig};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{setsockopt, sockopt};
use ringback_sansio::{FlowId, Protocol};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The sockets of a driver, bound, with nobody to hear them yet.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) config: NetConfig,
    listeners: Vec<Listen>,
    /// The same as they stood in the configuration.
    pub(crate) asked: Vec<Listen>,
    pub(crate) udp: Vec<Datagrams>,
    pub(crate) tcp: Vec<Accepting>,
}

/// One UDP listener: a socket for each worker, all on one address.
#[derive(Debug)]
pub(crate) struct Datagrams {
    pub(crate) id: FlowId,
    pub(crate) local: SocketAddr,
    pub(crate) by_worker: Vec<Arc<Socket>>,
}

/// One listener for connections: a socket for each worker, all on one address.
#[derive(Debug)]
pub(crate) struct Accepting {
    pub(crate) protocol: Protocol,
    pub(crate) by_worker: Vec<Socket>,
}

impl Sockets {
    /// Binds everything that the configuration asks for.
    ///
    /// # Errors
    /// Names the first place that cannot be listened on; nothing stays bound then.
    pub fn bind(config: NetConfig) -> Result<Self, BindError> {
        Self::bind_or_inherit(config, Vec::new())
    }

    /// The same, going on with the sockets of another program for those listeners that it had as well. There are then as many
    /// workers as it had, whatever the configuration says, for each has sockets of its own.
    ///
    /// # Errors
    /// As [`bind`](Self::bind), and when sockets that were handed over are not those of a listener.
    pub fn bind_or_inherit(mut config: NetConfig, mut inherited: Vec<Inherited>) -> Result<Self, BindError> {
        config.workers = inherited.first().map_or(config.workers, |first| first.sockets.len()).max(1);
        let mut sockets =
            Self { listeners: Vec::new(), asked: Vec::new(), udp: Vec::new(), tcp: Vec::new(), config };
        for listen in sockets.config.listen.clone() {
            let fail = |source| BindError { listen, source };
            let taken_up = inherited.iter().position(|own| own.listen == listen);
            let (address, by_worker) = match taken_up.map(|at| inherited.swap_remove(at)) {
                Some(own) if own.sockets.len() == sockets.config.workers => own.take_up(),
                Some(_) => {
                    Err(io::Error::other("more or fewer sockets were handed over than there are workers"))
                }
                None => bind_all(listen, &sockets.config),
            }
            .map_err(fail)?;
            sockets.asked.push(listen);
            sockets.listeners.push(Listen { address, ..listen });
            match listen.protocol {
                Protocol::Udp => {
                    let id = FlowId(sockets.udp.len() as u64);
                    let by_worker = by_worker.into_iter().map(Arc::new).collect();
                    sockets.udp.push(Datagrams { id, local: address, by_worker });
                }
                Protocol::Tls | Protocol::Wss
                    if !sockets.config.tls.as_ref().is_some_and(|tls| tls.has_identity()) =>
                {
                    return Err(fail(io::ErrorKind::InvalidInput.into()));
                }
                protocol @ (Protocol::Tcp | Protocol::Tls | Protocol::Ws | Protocol::Wss) => {
                    sockets.tcp.push(Accepting { protocol, by_worker });
                }
            }
        }
        Ok(sockets)
    }

    /// Where we listen, in the order asked for, with the ports that the system picked.
    pub fn listeners(&self) -> &[Listen] {
        &self.listeners
    }

    /// Starts the workers, which hand what arrives to `core`. They are threads of their own: no runtime is needed
    /// around them.
    ///
    /// # Errors
    /// When the system gives no threads or no file descriptors.
    pub fn start<C: Core>(self, core: Arc<C>) -> io::Result<Net<C>> {
        Net::start(self, core)
    }
}

/// Which of our addresses packets to `peer` leave from: what to write into Contact and SDP when we listen on all
/// addresses. Sends nothing.
///
/// # Errors
/// When there is no route.
pub fn local_ip_towards(peer: SocketAddr) -> io::Result<IpAddr> {
    let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, None)?;
    socket.connect(&peer.into())?;
    address_of(&socket).map(|address| address.ip())
}

/// The addresses of this machine, for whoever listens on all of them and has to know them by name. Without those of
/// one link only, which mean nothing to a peer that is told them.
///
/// # Errors
/// When the system does not tell.
pub fn local_addresses() -> io::Result<Vec<IpAddr>> {
    let addresses = getifaddrs()?.filter_map(|interface| socket_addr(interface.address.as_ref()?));
    let mut addresses: Vec<IpAddr> = addresses.map(|address| address.ip()).collect();
    addresses.retain(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

fn bind_all(listen: Listen, config: &NetConfig) -> io::Result<(SocketAddr, Vec<Socket>)> {
    // Workers share a port by SO_REUSEPORT, with which a second program would share it as well and unseen. So one
    // socket without it asks first whether the port is free, and picks one where none was named.
    let shared = config.workers > 1;
    let probe = bind(listen.protocol, listen.address, false, config)?;
    let address = address_of(&probe)?;
    if !shared {
        listen_on(&probe, listen.protocol)?;
        return Ok((address, vec![probe]));
    }
    drop(probe);
    let sockets: io::Result<Vec<Socket>> = (0..config.workers)
        .map(|_| {
            let socket = bind(listen.protocol, address, true, config)?;
            listen_on(&socket, listen.protocol)?;
            Ok(socket)
        })
        .collect();
    Ok((address, sockets?))
}

/// Marks what leaves from a socket, and from connections that it accepts.
pub(crate) fn mark(socket: SockRef<'_>, is_ipv4: bool, config: &NetConfig) -> io::Result<()> {
    let Some(dscp) = config.dscp else { return Ok(()) };
    // The lower two bits are for congestion, which is the system's.
    let class = u32::from(dscp & 63) << 2;
    if is_ipv4 { socket.set_tos_v4(class) } else { socket.set_tclass_v6(class) }
}

fn bind(protocol: Protocol, address: SocketAddr, shared: bool, config: &NetConfig) -> io::Result<Socket> {
    let buffer = config.socket_buffer;
    let kind = if protocol == Protocol::Udp { Type::DGRAM } else { Type::STREAM };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    // Readers of datagrams sleep in the socket; who sends says each time that it will not wait.
    socket.set_nonblocking(protocol != Protocol::Udp)?;
    if address.is_ipv6() {
        // IPv4 has a listener of its own where it is wanted; addresses then look the same everywhere.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(shared)?;
    mark(SockRef::from(&socket), address.is_ipv4(), config)?;
    if protocol == Protocol::Udp {
        enlarge(&socket, buffer);
        if setsockopt(&socket, sockopt::SndBufForce, &buffer).is_err() {
            let _ = socket.set_send_buffer_size(buffer);
        }
        // Says which datagram it was that could not be delivered (see `icmp`).
        if address.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
        }
    } else {
        // A restart must not wait for connections of the last run to be forgotten.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A burst has to fit while the worker is not running. Who may, goes over the system's limit; for others less than asked
/// for is what the system allows, and better than not to start.
pub(crate) fn enlarge(socket: &Socket, buffer: usize) {
    if setsockopt(socket, sockopt::RcvBufForce, &buffer).is_err() {
        let _ = socket.set_recv_buffer_size(buffer);
    }
}

fn listen_on(socket: &Socket, protocol: Protocol) -> io::Result<()> {
    if protocol == Protocol::Udp { Ok(()) } else { socket.listen(1_024) }
}

pub(crate) fn address_of(socket: &Socket) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?.as_socket();
    address.ok_or_else(|| io::Error::other("the socket has no internet address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_the_connections_that_they_accept_are_marked() {
        let config = NetConfig { dscp: Some(24), ..NetConfig::new([]) };
        let local = "127.0.0.1:0".parse().unwrap();
        let udp = bind(Protocol::Udp, local, false, &config).unwrap();
        assert_eq!(udp.tos_v4().unwrap(), 24 << 2);
        let udp = bind(Protocol::Udp, "[::1]:0".parse().unwrap(), false, &config).unwrap();
        assert_eq!(udp.tclass_v6().unwrap(), 24 << 2);
        let listener = bind(Protocol::Tcp, local, false, &config).unwrap();
        listen_on(&listener, Protocol::Tcp).unwrap();
        let _client = std::net::TcpStream::connect(address_of(&listener).unwrap()).unwrap();
        let accepted = std::iter::repeat_with(|| listener.accept()).find_map(Result::ok).unwrap().0;
        assert_eq!(accepted.tos_v4().unwrap(), 24 << 2);
    }
}
