//! SIP transport without sockets (RFC 3261 §18).
//!
//! What lies between bytes and transactions: cutting messages out of streams ([`Framer`]), marking requests with
//! where they came from and finding the way of responses back ([`via`]), deciding where a URI leads
//! ([`locate`]), and keeping the connections that all of it travels on ([`Transport`]). Beside it, what one process writes to
//! another that goes on with its sockets ([`passing`]).
//!
//! Nothing here opens a socket, resolves a name or reads a clock. A driver feeds [`FromNetwork`] in and carries
//! [`TransportOutput`] out:
//!
//! ```
//! use ringback_sansio::{Flow, FlowId, Machine, Protocol, Target};
//! use ringback_transport::{FromNetwork, Transport, TransportConfig, TransportOutput};
//! use std::time::Instant;
//!
//! # let now = Instant::now();
//! let mut transport: Transport<u32> = Transport::new(TransportConfig::default());
//! let socket = FlowId(1);
//! transport.listen(socket, Protocol::Udp, "127.0.0.1:5060".parse().unwrap());
//!
//! let flow = Flow { id: socket, protocol: Protocol::Udp, local: "127.0.0.1:5060".parse().unwrap(),
//!                   peer: "127.0.0.1:6000".parse().unwrap() };
//! transport.handle(now, FromNetwork::Datagram(flow, "OPTIONS sip:x SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP client.invalid;branch=z9hG4bK1;rport\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\n\
//!     Call-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n".into()));
//! while let Some(output) = transport.poll() {
//!     match output {
//!         TransportOutput::Received(flow, message) => {
//!             let via: ringback_message::header::Via = message.require().unwrap();
//!             assert_eq!(via.rport(), Some(Some(6000)));
//!             transport.send(now, 7, Target::Flow(flow), "SIP/2.0 200 OK\r\n\r\n".into());
//!         }
//!         TransportOutput::Datagram(id, to, _bytes) => assert_eq!((id, to.port()), (socket, 6000)),
//!         _ => unreachable!(),
//!     }
//! }
//! ```
//!
//! Not here: TLS and the frames of WebSocket (the driver hands over what is in them), and caches of what DNS said.
//!
//! Sources: RFC 3261 §18 and §7.5, RFC 3581, RFC 3263 §4, RFC 7984, RFC 8305, RFC 2782, RFC 5923, RFC 5626 §4.4, RFC 6223,
//! RFC 7118, RFC 8489.

mod alias;
mod bindings;
mod framing;
pub mod locate;
pub mod passing;
mod race;
mod streams;
pub mod stun;
mod transport;
pub mod via;

pub use alias::Identity;
pub use framing::{Frame, Framer, FramingLimits};
pub use transport::{FromNetwork, Transport, TransportConfig, TransportOutput};
