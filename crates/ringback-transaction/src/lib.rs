//! The SIP transaction layer (RFC 3261 §17): one table, four machines, no I/O.
//!
//! [`Transactions`] sends requests and responses reliably over unreliable transports, absorbs retransmissions,
//! and pairs responses with requests. It is told messages and time, and says what to transmit and what to tell the
//! core above. Each key that it hands out ends exactly once ([`TransactionOutput::Ended`]), and by then the entry
//! is gone.
//!
//! ```
//! use ringback_message::{HeaderId, Message, Method, Request, StatusCode};
//! use ringback_sansio::{Flow, FlowId, Machine, Protocol, SeededEntropy, Target};
//! use ringback_transaction::{TransactionConfig, TransactionInput, TransactionOutput, Transactions};
//! use std::time::Instant;
//!
//! # let now = Instant::now();
//! let here = "192.0.2.1:5060".parse().unwrap();
//! let there = "192.0.2.2:5060".parse().unwrap();
//! let mut config = TransactionConfig::default();
//! config.locals.set(Protocol::Udp, here);
//! let mut transactions = Transactions::new(config, SeededEntropy::new(1));
//!
//! let options = Request::builder(Method::OPTIONS, "sip:bob@192.0.2.2")
//!     .header(HeaderId::MAX_FORWARDS, 70u8)
//!     .header(HeaderId::FROM, "<sip:alice@192.0.2.1>;tag=a").header(HeaderId::TO, "<sip:bob@192.0.2.2>")
//!     .header(HeaderId::CALL_ID, "c1").header(HeaderId::CSEQ, "1 OPTIONS").build().unwrap();
//! let key = transactions.request(now, Target::Address(Protocol::Udp, there), options).unwrap();
//! while let Some(output) = transactions.poll() {
//!     let TransactionOutput::Transmit { to, bytes, .. } = output else { unreachable!() };
//!     assert_eq!(to.peer(), there);
//!     // The peer answers.
//!     let sent = Request::try_from(Message::parse(bytes).unwrap()).unwrap();
//!     let answer = sent.reply(StatusCode::OK, Some("b")).build().unwrap();
//!     let flow = Flow { id: FlowId(1), protocol: Protocol::Udp, local: here, peer: there };
//!     transactions.handle(now, TransactionInput::Message(flow, answer.into()));
//!     let Some(TransactionOutput::Response(of, _, response)) = transactions.poll() else { unreachable!() };
//!     assert_eq!((of, response.status()), (key, StatusCode::OK));
//! }
//! // Timer K absorbs late answers, then the key ends.
//! transactions.handle_timeout(transactions.poll_timeout().unwrap());
//! assert!(matches!(transactions.poll(), Some(TransactionOutput::Ended(..))));
//! assert!(transactions.is_empty());
//! ```
//!
//! Not here: dialogs, and with them the ACK to a 2xx and the repetition of the 2xx itself; choosing the next hop;
//! failover to another target, which the core does with a new request and so with a new branch.
//!
//! Sources: RFC 3261 §17, §9 and §18.2.2; RFC 6026 (Accepted states); RFC 4320 (non-INVITE); RFC 3581.

mod asked;
mod client;
mod config;
mod hop;
mod key;
mod locals;
mod machines;
mod output;
mod reply;
mod server;
mod table;
mod timers;
mod transactions;

pub use config::{Timings, TransactionConfig};
pub use key::{ClientKey, Key, ServerKey};
pub use locals::Locals;
pub use output::{End, Gone, RequestError, TransactionInput, TransactionOutput};
pub use transactions::Transactions;
