//! The hostile end of a connection: plain or under TLS, with WebSocket made by hand so that it can be made wrongly.

use crate::dice::Dice;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What is spoken where the server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    pub(crate) fn name(self) -> &'static str {
        ["tcp", "tls", "ws", "wss"][self as usize]
    }

    pub(crate) fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    pub(crate) fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// Where the server listens for each [`Kind`], and how it proves to be itself.
#[derive(Clone)]
pub(crate) struct Goal {
    pub(crate) addresses: [String; 4],
    pub(crate) tls: Arc<ClientConfig>,
}

impl Goal {
    /// A connection without any handshake.
    pub(crate) fn dial(&self, kind: Kind) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.addresses[kind as usize])?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(stream)
    }

    /// Our side of a TLS handshake.
    pub(crate) fn hand(&self) -> io::Result<ClientConnection> {
        let name = ServerName::try_from("example.com").map_err(io::Error::other)?;
        ClientConnection::new(self.tls.clone(), name).map_err(io::Error::other)
    }

    /// A connection that is ready for messages.
    pub(crate) fn open(&self, kind: Kind, dice: &mut Dice) -> io::Result<Wire> {
        let stream = self.dial(kind)?;
        let mut wire = match kind.is_secure() {
            true => Wire::Secure(Box::new(StreamOwned::new(self.hand()?, stream))),
            false => Wire::Plain(stream),
        };
        if kind.is_web() {
            let request = upgrade();
            wire.write_split(request.as_bytes(), dice)?;
            let answer = wire.read_for(Duration::from_secs(20), |seen| seen.ends_with(b"\r\n\r\n"))?;
            if !answer.starts_with(b"HTTP/1.1 101") {
                return Err(io::Error::other("no WebSocket"));
            }
        }
        Ok(wire)
    }
}

/// The request with which WebSocket begins (RFC 7118 §4).
pub(crate) fn upgrade() -> String {
    "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
        .to_owned()
}

/// An end that can be written to and read from.
pub(crate) enum Wire {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => &stream.sock,
        }
    }

    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(octets),
            Self::Secure(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }

    /// Writes in pieces, with pauses now and then.
    pub(crate) fn write_split(&mut self, octets: &[u8], dice: &mut Dice) -> io::Result<()> {
        let mut rest = octets;
        for _ in 0..dice.between(0, 6) {
            let (piece, behind) = rest.split_at(dice.between(0, rest.len()));
            self.write(piece)?;
            rest = behind;
            thread::sleep(dice.millis(0, 4));
        }
        self.write(rest)
    }

    /// Reads until what came is enough, or for so long; an end is an error.
    pub(crate) fn read_for(
        &mut self,
        patience: Duration,
        is_enough: impl Fn(&[u8]) -> bool,
    ) -> io::Result<Vec<u8>> {
        let (end, mut seen) = (Instant::now() + patience, Vec::new());
        while !is_enough(&seen) {
            if Instant::now() > end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut space = [0; 4_096];
            let read = match self {
                Self::Plain(stream) => stream.read(&mut space),
                Self::Secure(stream) => stream.read(&mut space),
            };
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => seen.extend_from_slice(&space[..count]),
                Err(error) if is_patience(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(seen)
    }

    /// Whether the other side ends the connection within that time.
    pub(crate) fn is_closed_within(&mut self, patience: Duration) -> bool {
        let timed_out = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        self.read_for(patience, |_| false).is_err_and(|error| !timed_out(&error))
    }

    /// Breaks the connection off, without a farewell of any layer.
    pub(crate) fn reset(self) {
        // Where it cannot be asked for it ends in the common way.
        let _ = SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
    }

    /// Takes in hardly anything from now on.
    pub(crate) fn narrow(&self) {
        let _ = SockRef::from(self.socket()).set_recv_buffer_size(4_096);
    }

    /// Ends it as its layers want it.
    pub(crate) fn end(mut self) {
        if let Self::Secure(stream) = &mut self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }
}

fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A frame of WebSocket (RFC 6455 §5.2), which claims to be as long as it is told to.
pub(crate) fn frame(first: u8, claimed: u64, payload: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut frame = vec![first];
    match claimed {
        0..=125 => frame.push(0x80 | claimed as u8),
        126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((claimed as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend(claimed.to_be_bytes());
        }
    }
    let mask = (dice.next() as u32).to_be_bytes();
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}

/// A message in as many frames as chance wants.
pub(crate) fn framed(message: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut frames = Vec::new();
    let (mut rest, mut opcode) = (message, 1);
    while dice.coin() && rest.len() > 1 {
        let (piece, behind) = rest.split_at(dice.between(0, rest.len()));
        frames.extend(frame(opcode, piece.len() as u64, piece, dice));
        (rest, opcode) = (behind, 0);
    }
    frames.extend(frame(0x80 | opcode, rest.len() as u64, rest, dice));
    frames
}
