//! The tokio driver of Ringback: real sockets, the real clock, real entropy.
//!
//! The layers below do no I/O. This crate gives them some: it binds UDP, TCP, TLS and WebSocket sockets, hands what arrives to a
//! [`Core`], and carries out what the core puts into its [`Outbox`]. A server uses it with a worker on every
//! processor, a phone with one.
//!
//! ```no_run
//! use ringback_message::{Message, Request, StatusCode, header::Via};
//! use ringback_net::{CloseReason, Core, Flow, LocateError, NetConfig, Outbox, Sockets, Target, Worker};
//! use ringback_transport::via::response_target;
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! /// Answers every request 200, without transactions.
//! struct Polite;
//!
//! impl Core for Polite {
//!     type Tag = ();
//!     fn received(&self, _now: Instant, flow: Flow, message: Message, out: &mut Outbox<()>) {
//!         let Ok(request) = Request::try_from(message) else { return };
//!         let Some(Ok(via)) = request.first::<Via>() else { return };
//!         let (Some(to), Ok(ok)) = (response_target(&flow, &via), request.reply(StatusCode::OK, Some("t")).build())
//!         else { return };
//!         out.send(None, to, ok.render());
//!     }
//!     fn failed(&self, _now: Instant, _tag: (), _reason: CloseReason, _out: &mut Outbox<()>) {}
//!     fn resolved(&self, _now: Instant, _token: u64, _found: Result<&[Target], LocateError>, _out: &mut Outbox<()>) {}
//!     fn handle_timeout(&self, _now: Instant, _worker: Worker, _out: &mut Outbox<()>) {}
//!     fn poll_timeout(&self, _worker: Worker) -> Option<Instant> { None }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = NetConfig::new(["udp:127.0.0.1:0".parse()?, "tcp:[::1]:5060".parse()?]);
//! let sockets = Sockets::bind(config)?;
//! for listener in sockets.listeners() {
//!     println!("{listener}");
//! }
//! let net = sockets.start(Arc::new(Polite))?;
//! net.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Binding and starting are two steps because a core has to know its addresses, which the system may pick, before
//! the first message comes.
//!
//! How it runs: every worker is a thread with a single-threaded runtime. Each has its own UDP socket for each
//! listener (`SO_REUSEPORT`), read and written in batches; no lock is taken between the socket and the core.
//! Streams share one [`Transport`](ringback_transport::Transport) behind a lock, for connections are reused by whoever
//! sends; datagrams never touch it. The core is called from all workers at once and locks what it needs itself.
//!
//! Not here: anything that knows what a message means. Linux only, for the batches and the error queue of its
//! sockets.
//!
//! Sources: RFC 3261 §18 and §26.3, RFC 3263, RFC 5922, RFC 5626 §4.4, RFC 7118, RFC 6455.

mod advertise;
mod batch;
mod byte_stream;
mod config;
mod connection;
mod core;
mod drops;
mod entropy;
pub mod examine;
mod handover;
mod homes;
mod icmp;
mod listen;
mod load;
mod media;
mod net;
mod outbox;
mod proc;
mod resolve;
mod scheduling;
mod segments;
mod shared;
mod sockets;
mod streams;
mod tap;
mod timer;
mod tls;
mod udp;

pub use advertise::Advertise;
pub use byte_stream::{ByteStream, StreamTls};
pub use config::{BindError, NetConfig, WebSocketSettings};
pub use core::{Core, Worker};
pub use entropy::{OsEntropy, epoch};
pub use handover::{Inherited, receive_descriptors, send_descriptors};
pub use homes::HomeSockets;
pub use listen::{Listen, ListenError};
pub use load::{Load, Meter};
pub use media::{MediaKind, MediaSocket};
pub use net::Net;
pub use outbox::Outbox;
pub use resolve::{Hosts, NameServers};
pub use ringback_sansio::{CloseReason, Flow, FlowId, Protocol, Target};
pub use ringback_transport::locate::{Answer, LocateError, NextHop, Question};
pub use scheduling::Scheduling;
pub use sockets::{Sockets, local_addresses, local_ip_towards};
pub use tap::{Direction, Seen, Tap};
pub use tls::{CertificateFacts, Tls, TlsError, TlsIdentity, TlsSettings, TlsVerify};
