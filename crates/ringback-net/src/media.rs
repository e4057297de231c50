//! A pair of sockets for one stream of media: RTP on an even port, RTCP on the next one (RFC 3550 §11).

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::UdpSocket;

/// What came or goes: media, or the talk about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// A packet of media.
    Rtp,
    /// A report.
    Rtcp,
}

/// Sockets for one stream of media. Used inside a tokio runtime of the caller's own.
#[derive(Debug)]
pub struct MediaSocket {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    address: SocketAddr,
}

impl MediaSocket {
    /// Binds a pair of ports that the system has free.
    ///
    /// # Errors
    /// When the address is not ours, or no pair was found.
    pub fn bind(ip: IpAddr) -> io::Result<Self> {
        let mut last = None;
        for _ in 0..64 {
            // The system picks one; its neighbour is free most of the time.
            let picked = std::net::UdpSocket::bind((ip, 0))?;
            let port = picked.local_addr()?.port();
            let (rtp, rtcp) = if port % 2 == 0 {
                (Ok(picked), std::net::UdpSocket::bind((ip, port + 1)))
            } else {
                (std::net::UdpSocket::bind((ip, port - 1)), Ok(picked))
            };
            match (rtp, rtcp) {
                (Ok(rtp), Ok(rtcp)) => return Self::from_pair(rtp, rtcp),
                (Err(error), _) | (_, Err(error)) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    fn from_pair(rtp: std::net::UdpSocket, rtcp: std::net::UdpSocket) -> io::Result<Self> {
        rtp.set_nonblocking(true)?;
        rtcp.set_nonblocking(true)?;
        let address = rtp.local_addr()?;
        Ok(Self { rtp: UdpSocket::from_std(rtp)?, rtcp: UdpSocket::from_std(rtcp)?, address })
    }

    /// Where media is received; the port is even.
    pub fn rtp_address(&self) -> SocketAddr {
        self.address
    }

    /// Where reports are received.
    pub fn rtcp_address(&self) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.address.port() + 1)
    }

    /// Waits for a packet and puts it into `buffer`; gives its kind, length and sender. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// Of the socket. A refusal by the peer of what was sent earlier is none.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(MediaKind, usize, SocketAddr)> {
        loop {
            // Ready first, then read: two reads could not share the buffer.
            let kind = tokio::select! {
                ready = self.rtp.readable() => ready.map(|()| MediaKind::Rtp)?,
                ready = self.rtcp.readable() => ready.map(|()| MediaKind::Rtcp)?,
            };
            match self.socket(kind).try_recv_from(buffer) {
                Ok((len, from)) => return Ok((kind, len, from)),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// Of the socket. A refusal by the peer of what was sent earlier is none.
    pub async fn send(&self, kind: MediaKind, packet: &[u8], to: SocketAddr) -> io::Result<()> {
        match self.socket(kind).send_to(packet, to).await {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn socket(&self, kind: MediaKind) -> &UdpSocket {
        match kind {
            MediaKind::Rtp => &self.rtp,
            MediaKind::Rtcp => &self.rtcp,
        }
    }
}

pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted
    )
}
