//! Finding the way of media between two hosts: ICE, STUN and TURN, sans-IO.
//!
//! - [`Gatherer`] finds out which addresses we have: our own, the one that a STUN server sees, one at a TURN server;
//! - [`Relay`] is the client of a TURN server: it holds the address there and wraps what goes through it, over UDP or
//!   over a stream;
//! - [`IceAgent`] checks which pair of addresses works, agrees with the peer on one, and goes on asking whether the peer
//!   still wants packets.
//!
//! # The run loop
//!
//! Two agents that know each other's descriptions (of which the signalling has told them) find a pair:
//!
//! ```
//! use ringback_ice::{IceAgent, IceInput, IceOutput, LocalCandidate};
//! use ringback_sansio::Machine;
//! use ringback_sdp::{IceCredentials, NegotiatedIce};
//! use std::net::SocketAddr;
//! use std::time::{Duration, Instant};
//!
//! # let mut now = Instant::now();
//! let credentials = |ufrag: &str| IceCredentials { ufrag: ufrag.into(), pwd: ufrag.repeat(6) };
//! let addresses: [SocketAddr; 2] = ["192.0.2.1:4000".parse()?, "192.0.2.2:5000".parse()?];
//! let mut agents = [IceAgent::new(credentials("alice"), 7), IceAgent::new(credentials("bobby"), 8)];
//! let lines: Vec<String> = agents.iter_mut().zip(addresses)
//!     .filter_map(|(agent, address)| agent.add_local(LocalCandidate::Host(address))).collect();
//! for (own, other) in [(0, 1), (1, 0)] {
//!     let names = ["alice", "bobby"];
//!     agents[own].start(now, &NegotiatedIce {
//!         local: credentials(names[own]),
//!         remote: credentials(names[other]),
//!         remote_candidates: vec![lines[other].clone()],
//!         peer_is_lite: false,
//!         is_complete: true,
//!         is_controlling: own == 0,
//!     });
//! }
//! while agents.iter().any(|agent| agent.selected().is_none()) {
//!     now += Duration::from_millis(10);
//!     for at in 0..2 {
//!         agents[at].handle_timeout(now);
//!         while let Some(output) = agents[at].poll() {
//!             if let IceOutput::Send { from, to, datagram } = output {
//!                 let input = IceInput { from, to, datagram };
//!                 agents[1 - at].handle(now, input); // The network.
//!             }
//!         }
//!     }
//! }
//! assert_eq!(agents[0].selected().map(|pair| pair.remote), Some(addresses[1]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: sockets, offers and answers (`ringback-sdp` has those), and two components: RTP and RTCP share a port.
//!
//! Sources: RFC 8445 (ICE), RFC 7675 (consent), RFC 8489 (STUN), RFC 8656 (TURN), RFC 8839 §5.1 (candidates in SDP).

mod agent;
mod candidate;
mod framing;
mod gather;
mod relay;
mod stun;

pub use agent::{IceAgent, IceFigures, IceInput, IceOutput, Pair};
pub use candidate::LocalCandidate;
pub use gather::{Gathered, Gatherer, TurnServer};
pub use relay::{FromServer, Relay, Relayed};
pub use stun::is_stun;
