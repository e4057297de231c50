//! Watching the traffic, for traces and captures.

use bytes::Bytes;
use ringback_sansio::Protocol;
use std::net::SocketAddr;
use std::time::Duration;

/// Sees everything that is received and sent. Called on the way, from every worker: it must not wait.
pub trait Tap: Send + Sync + 'static {
    /// Something came or went.
    fn saw(&self, seen: Seen<'_>);

    /// Whether it wants to see anything at the moment. Asked before every message, so it must be cheap.
    fn is_on(&self) -> bool {
        true
    }
}

/// One datagram, or one piece of a stream as it was read or written: part of a message, or several.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When, since 1970-01-01T00:00:00Z.
    pub at: Duration,
    /// Which way.
    pub direction: Direction,
    /// How.
    pub protocol: Protocol,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub peer: SocketAddr,
    /// What.
    pub bytes: &'a Bytes,
}

/// Which way something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To us.
    In,
    /// From us.
    Out,
}
