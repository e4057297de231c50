//! How the driver is set up, and why it could not be.

use crate::{Hosts, Listen, NameServers, Scheduling, Tap, Tls};
use ringback_transport::TransportConfig;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How the driver is set up.
#[derive(Clone)]
pub struct NetConfig {
    /// Where to listen. UDP needs a listener also to send.
    pub listen: Vec<Listen>,
    /// How many threads, each with sockets of its own; at least one.
    pub workers: usize,
    /// How the kernel schedules these threads.
    pub scheduling: Scheduling,
    /// Limits and times of streams.
    pub transport: TransportConfig,
    /// The bytes of socket buffer to ask for, each way. The system may give less.
    pub socket_buffer: usize,
    /// The class by which routers may tell our packets from others (RFC 2474), 0 to 63; 24 is what RFC 4594 has for
    /// signalling. Without one the system's default.
    pub dscp: Option<u8>,
    /// The most messages that wait in one connection to be written; more, and the peer is a slow reader.
    pub max_queued: usize,
    /// The most bytes that wait in one connection to be written.
    pub max_queued_bytes: usize,
    /// How long a peer may not read before its connection is closed.
    pub write_timeout: Duration,
    /// The most questions to the resolver at once; more get no addresses.
    pub max_questions: usize,
    /// TLS, for its listeners and for connections that we make; without it there is none.
    pub tls: Option<Arc<Tls>>,
    /// How long a client may take to shake hands (fault 29).
    pub handshake: Duration,
    /// The most clients that shake hands at once; more are closed.
    pub max_handshakes: usize,
    /// WebSocket, for its listeners and for connections that we make.
    pub web_socket: WebSocketSettings,
    /// Names that are known without asking.
    pub hosts: Hosts,
    /// Who is asked for the others.
    pub name_servers: NameServers,
    /// For how long an answer of DNS is used while its servers fail, after it was given last (RFC 8767); zero is never.
    pub serve_stale: Duration,
    /// Whether nothing is read and accepted before it is asked for ([`Net::read_datagrams`](crate::Net::read_datagrams),
    /// [`Net::accept_connections`](crate::Net::accept_connections)): another program still does. It can send from the start.
    pub waits: bool,
    /// Who sees all traffic.
    pub tap: Option<Arc<dyn Tap>>,
}

/// How SIP over WebSocket is done (RFC 7118).
#[derive(Clone, Debug)]
pub struct WebSocketSettings {
    /// The pages whose scripts may connect, by the origin that browsers tell: `https://example.com`. Without any all may.
    /// Who tells none is no browser, and is let in.
    pub origins: Vec<String>,
    /// Whether we make such connections. A client does; servers do not speak it among themselves (RFC 7118 §3).
    pub connects: bool,
    /// The path that we ask a server for.
    pub path: String,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self { origins: Vec::new(), connects: false, path: "/".to_owned() }
    }
}

impl NetConfig {
    /// One worker on these listeners.
    pub fn new(listen: impl IntoIterator<Item = Listen>) -> Self {
        Self {
            listen: listen.into_iter().collect(),
            workers: 1,
            scheduling: Scheduling::default(),
            transport: TransportConfig::default(),
            socket_buffer: 4 << 20,
            dscp: None,
            max_queued: 1_024,
            max_queued_bytes: 1 << 20,
            write_timeout: Duration::from_secs(30),
            max_questions: 256,
            tls: None,
            handshake: Duration::from_secs(10),
            max_handshakes: 1_024,
            web_socket: WebSocketSettings::default(),
            hosts: Hosts::of_system(),
            name_servers: NameServers::System,
            serve_stale: Duration::from_secs(3_600),
            waits: false,
            tap: None,
        }
    }
}

impl fmt::Debug for NetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetConfig {{ listen: {:?}, workers: {} }}", self.listen, self.workers)
    }
}

/// A place that cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    /// Where.
    pub listen: Listen,
    /// Why.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, source } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse => write!(f, "cannot listen on {listen}: another program does already"),
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "cannot listen on {listen}: no such address on this machine")
            }
            io::ErrorKind::InvalidInput => {
                write!(f, "cannot listen on {listen}: it needs a certificate and its key")
            }
            io::ErrorKind::PermissionDenied => write!(f, "cannot listen on {listen}: not permitted"),
            _ => write!(f, "cannot listen on {listen}: {source}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
