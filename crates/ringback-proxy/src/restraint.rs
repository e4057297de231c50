//! Sending less to those who have too much to do (RFC 7339).

use ringback_message::Request;
use ringback_message::header::Via;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Instant;

/// Remembers what next hops say of their load. It answers at once and from memory; several proxies may ask it at the same time.
pub trait Restraint: Debug + Send + Sync {
    /// An element answered a request of ours with this Via, which is the one that we had put on it.
    fn told(&self, now: Instant, by: SocketAddr, via: &Via<'_>);

    /// Whether this request is to be kept from an element that asked for fewer. Its branch is then over as if it were answered 503,
    /// and where nobody else can be asked its sender is told that.
    fn holds_back(&self, now: Instant, to: SocketAddr, request: &Request) -> bool;
}
