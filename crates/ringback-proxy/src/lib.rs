//! The SIP proxy core (RFC 3261 §16), transaction-stateful, without I/O.
//!
//! [`Proxy`] sits on a transaction layer: it is handed what the transactions report, checks requests, asks a
//! [`RoutePolicy`] where they go, forwards copies, and brings the best response back. Requests for the element itself
//! come out as [`ProxyOutput::Local`] for the core beside it, such as a registrar.
//!
//! ```
//! use ringback_message::Request;
//! use ringback_proxy::{Decision, Hop, Ownership, Proxy, ProxyConfig, ProxyOutput, RoutePolicy, Branch};
//! use ringback_sansio::{Flow, Machine, Protocol, SeededEntropy};
//! use ringback_transaction::{TransactionConfig, Transactions};
//! use std::time::Instant;
//!
//! /// Everything goes to one place.
//! struct Static;
//! impl RoutePolicy for Static {
//!     fn route(&mut self, _now: Instant, _request: &mut Request, _hop: Hop<'_>) -> Decision {
//!         Decision::forward(Branch::to("sip:bob@192.0.2.4".parse().unwrap()))
//!     }
//! }
//!
//! # let now = Instant::now();
//! let here = "192.0.2.1:5060".parse().unwrap();
//! let mut config = TransactionConfig { trying_at_once: true, ..TransactionConfig::default() };
//! config.locals.set(Protocol::Udp, here);
//! let mut transactions = Transactions::new(config, SeededEntropy::new(1));
//! let config = ProxyConfig::new(Ownership::new([here], ["example.com"]));
//! let mut proxy = Proxy::new(config, &mut SeededEntropy::new(2));
//!
//! // transactions.handle(now, message); then, until both are drained:
//! while let Some(output) = transactions.poll() {
//!     proxy.handle(now, &mut transactions, &mut Static, output);
//! }
//! while let Some(output) = proxy.poll() {
//!     match output {
//!         ProxyOutput::Transmit { to, bytes, .. } => println!("{} bytes to {}", bytes.len(), to.peer()),
//!         ProxyOutput::Local(key, _flow, request) => println!("{:?} {} is for us", key, request.method()),
//!         ProxyOutput::Unavailable(..) => unreachable!("nobody was asked"),
//!         ProxyOutput::Decide(token, question) => println!("{token:?} waits until somebody knows {question}"),
//!         ProxyOutput::Wake(..) | ProxyOutput::Forget(_) => unreachable!("nobody sleeps"),
//!         ProxyOutput::Resolve(token, name) => println!("{token:?} waits for {name:?}"),
//!     }
//! }
//! ```
//!
//! Not here: who may do what (the policy), where users are (a location store), and media.
//!
//! Sources: RFC 3261 §16, RFC 5393 (loops, Max-Breadth), RFC 6026, RFC 4320, RFC 5658 (double Record-Route),
//! RFC 3263 §4.3 (the next target), RFC 3327 (Path), RFC 5626 §5 (flow tokens), RFC 3326 (Reason in CANCEL), RFC 3325 (trust domain), RFC 7044 (History-Info),
//! RFC 8599 (devices that sleep).

mod answers;
mod best;
mod branches;
mod checks;
mod config;
mod context;
mod forward;
mod gate;
mod history;
mod own;
mod policy;
mod privacy;
mod proxy;
mod recursion;
mod restraint;
mod routes;
mod stray;
mod token;
mod wake;

pub use config::{FlowKey, Ownership, ProxyConfig, TrustDomain};
pub use gate::Gate;
pub use policy::{Branch, Decision, Hop, RoutePolicy};
pub use privacy::failure as privacy_failure;
pub use proxy::{Proxy, ProxyOutput, Token};
pub use restraint::Restraint;
pub use wake::Device;
