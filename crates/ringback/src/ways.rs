//! What leads to a call beside its own socket: other addresses of the host, and the connection to a TURN server.

use crate::call::CallEvent;
use crate::session::Media;
use ringback_net::{ByteStream, Direction, HomeSockets, MediaKind};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Room for what is read at once, half of it for either.
const LONGEST: usize = 16_384;

/// After an error of a socket, so that one which only fails keeps nobody busy.
const PAUSE: Duration = Duration::from_millis(50);

/// What leads to a call beside its own socket.
#[derive(Debug)]
pub(crate) struct Ways {
    homes: HomeSockets,
    stream: Option<ByteStream>,
    buffer: Vec<u8>,
}

/// What has come, in the buffer.
pub(crate) enum Arrived {
    /// A datagram at another address of the host.
    AtHome { home: SocketAddr, from: SocketAddr, length: usize },
    /// So many octets from the TURN server.
    FromRelay(usize),
    /// There is room for the TURN server again.
    Room,
    /// The connection to the TURN server is gone.
    Gone(io::Error),
}

impl Ways {
    pub(crate) fn new(homes: HomeSockets, stream: Option<ByteStream>) -> Self {
        let is_any = stream.is_some() || !homes.is_empty();
        Self { homes, stream, buffer: if is_any { vec![0; LONGEST] } else { Vec::new() } }
    }

    /// Waits for what comes; `sends` is whether something waits for the TURN server. Cancel safe.
    pub(crate) async fn next(&mut self, sends: bool) -> Arrived {
        let Self { homes, stream, buffer } = self;
        let Some(stream) = stream else {
            return at_home(homes, buffer).await;
        };
        let (low, high) = buffer.split_at_mut(LONGEST / 2);
        let is_full = sends && !stream.has_room();
        let relay = async {
            match is_full {
                true => stream.receive_or_room(low).await,
                false => stream.receive(low).await.map(Some),
            }
        };
        let arrived = tokio::select! {
            received = relay => from_relay(received),
            arrived = at_home(homes, high) => arrived,
        };
        if let Arrived::AtHome { length, .. } = arrived {
            buffer.copy_within(LONGEST / 2..LONGEST / 2 + length, 0);
        }
        arrived
    }
}

async fn at_home(homes: &HomeSockets, buffer: &mut [u8]) -> Arrived {
    loop {
        if let Ok((home, length, from)) = homes.receive(buffer).await {
            return Arrived::AtHome { home, from, length };
        }
        // An error of the network; the next packets tell.
        tokio::time::sleep(PAUSE).await;
    }
}

fn from_relay(received: io::Result<Option<usize>>) -> Arrived {
    match received {
        Ok(Some(0)) => Arrived::Gone(io::ErrorKind::UnexpectedEof.into()),
        Ok(Some(length)) => Arrived::FromRelay(length),
        Ok(None) => Arrived::Room,
        Err(error) => Arrived::Gone(error),
    }
}

impl Media {
    /// Takes what came by another way than the socket of the call.
    pub(crate) fn on_arrived(&mut self, arrived: Arrived, events: &mpsc::Sender<Box<CallEvent>>) {
        let now = Instant::now();
        let buffer = std::mem::take(&mut self.ways.buffer);
        match arrived {
            Arrived::AtHome { home, from, length } => {
                let mut packet = buffer[..length].to_vec();
                self.show(Direction::In, MediaKind::Rtp, from, &packet);
                if self.path.receive_at(now, home, from, &packet) {
                    self.hear(from, &mut packet, events);
                }
            }
            Arrived::FromRelay(length) => {
                self.path.push_stream(&buffer[..length]);
                while let Some(mut relayed) = self.path.poll_relayed(now) {
                    self.show(Direction::In, MediaKind::Rtp, relayed.from, &relayed.datagram);
                    self.hear(relayed.from, &mut relayed.datagram, events);
                }
            }
            Arrived::Room => {}
            Arrived::Gone(error) => {
                tracing::warn!("the connection to the TURN server is gone: {error}");
                self.ways.stream = None;
                self.path.lose_stream(now);
            }
        }
        self.ways.buffer = buffer;
    }

    /// Sends what does not go from the socket of the call.
    pub(crate) async fn send_by_ways(&mut self) {
        while let Some((pair, datagram)) = self.path.poll_home() {
            // What is lost is repeated, or was a packet of media.
            if self.ways.homes.send(pair.local, &datagram, pair.remote).await.is_ok() {
                self.show(Direction::Out, MediaKind::Rtp, pair.remote, &datagram);
            }
        }
        let Some(stream) = &self.ways.stream else { return };
        while stream.has_room()
            && let Some(octets) = self.path.poll_stream()
        {
            stream.send(octets);
        }
        if !self.path.has_stream() && !self.path.has_for_stream() {
            self.ways.stream = None;
        }
    }
}
