//! Sockets for media at several addresses of the host, one at each.

use crate::media::is_passing;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use tokio::net::UdpSocket;

/// Sockets for media at several addresses of the host. Used inside a tokio runtime of the caller's own.
#[derive(Debug, Default)]
pub struct HomeSockets(Vec<(SocketAddr, UdpSocket)>);

impl HomeSockets {
    /// Binds one at each address, at ports that the system chooses. Those at which that cannot be are left out.
    pub fn bind(addresses: &[IpAddr]) -> Self {
        let bind = |ip: &IpAddr| -> io::Result<(SocketAddr, UdpSocket)> {
            let socket = std::net::UdpSocket::bind((*ip, 0))?;
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, UdpSocket::from_std(socket)?))
        };
        Self(addresses.iter().filter_map(|ip| bind(ip).ok()).collect())
    }

    /// Where they are.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.iter().map(|(address, _)| *address)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits for a packet and puts it into `buffer`; gives at which address it came in, its length and its sender. Without a
    /// socket it waits for ever. Cancel safe.
    ///
    /// # Errors
    /// Of a socket. A refusal by the peer of what was sent earlier is none.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(SocketAddr, usize, SocketAddr)> {
        loop {
            let ready = std::future::poll_fn(|context| {
                for (home, socket) in &self.0 {
                    if let Poll::Ready(ready) = socket.poll_recv_ready(context) {
                        return Poll::Ready(ready.map(|()| (*home, socket)));
                    }
                }
                Poll::Pending
            });
            let (home, socket) = ready.await?;
            match socket.try_recv_from(buffer) {
                Ok((length, from)) => return Ok((home, length, from)),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a packet from one of them.
    ///
    /// # Errors
    /// Of the socket, and where there is none at that address.
    pub async fn send(&self, home: SocketAddr, packet: &[u8], to: SocketAddr) -> io::Result<()> {
        let known = self.0.iter().find(|(address, _)| *address == home);
        let (_, socket) = known.ok_or(io::ErrorKind::AddrNotAvailable)?;
        match socket.send_to(packet, to).await {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_come_and_go_at_the_address_that_is_named() {
        let ours: [IpAddr; 3] = ["127.0.0.2", "192.0.2.1", "127.0.0.3"].map(|ip| ip.parse().unwrap());
        let homes = HomeSockets::bind(&ours);
        let addresses: Vec<SocketAddr> = homes.addresses().collect();
        assert_eq!(addresses.len(), 2, "the one that is not ours is left out");
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = peer.local_addr().unwrap();
        for home in addresses {
            peer.send_to(b"packet", home).await.unwrap();
            let mut buffer = [0; 16];
            assert_eq!(homes.receive(&mut buffer).await.unwrap(), (home, 6, at));
            homes.send(home, b"answer", at).await.unwrap();
            assert_eq!(peer.recv_from(&mut buffer).await.unwrap(), (6, home));
        }
        assert!(homes.send(at, b"from nowhere", at).await.is_err());
    }
}
