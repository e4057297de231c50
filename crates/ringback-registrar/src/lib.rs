//! The registrar core: who can be reached where, and until when.
//!
//! - [`Registrar`] answers REGISTER requests by the rules of RFC 3261 §10.3: all of a request takes effect, or
//!   nothing does;
//! - [`Binding`] is one contact of an address of record ([`Aor`]);
//! - [`LocationStore`] is where bindings are kept, [`MemoryLocations`] a store in memory that knows when each ends;
//! - [`Gruus`] makes addresses that lead to one instance of a user ([`Gruu`]), and reads them;
//! - [`Preferences`] of a caller choose among the bindings of a user;
//! - [`PushPolicy`] says by which services phones that sleep are woken ([`Push`]);
//! - [`Change`] says what happened to a store, so that a server can write it behind to disk and play it back.
//!
//! ```
//! use ringback_message::{HeaderId, Method, Request, StatusCode};
//! use ringback_registrar::{Aor, MemoryLocations, Registrar, RegistrarConfig};
//! use ringback_sansio::{Flow, FlowId, Protocol, SeededEntropy};
//! use std::time::{Duration, Instant};
//!
//! let mut config = RegistrarConfig::default();
//! config.domains.push("example.com".into());
//! let mut registrar = Registrar::new(config, MemoryLocations::new(100_000), SeededEntropy::new(1));
//!
//! # let now = Instant::now();
//! let peer = "192.0.2.4:5060".parse()?;
//! let flow = Flow { id: FlowId(1), protocol: Protocol::Udp, local: "192.0.2.1:5060".parse()?, peer };
//! let register = Request::builder(Method::REGISTER, "sip:example.com")
//!     .header(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1")
//!     .header(HeaderId::FROM, "<sip:bob@example.com>;tag=1")
//!     .header(HeaderId::TO, "<sip:bob@example.com>")
//!     .header(HeaderId::CALL_ID, "x")
//!     .header(HeaderId::CSEQ, "1 REGISTER")
//!     .header(HeaderId::CONTACT, "<sip:bob@192.0.2.4>;expires=60")
//!     .build()?;
//!
//! // Whoever proved to be "bob" before may register for bob; see `ringback-auth`.
//! let outcome = registrar.register(now, &register, &flow, Some("bob"));
//! assert_eq!(outcome.status, StatusCode::OK);
//! assert_eq!(outcome.changes.len(), 1, "for the disk");
//!
//! // What a proxy asks.
//! let bob = Aor::parse("sip:bob@example.com").expect("a user of a domain");
//! assert_eq!(registrar.locations().lookup(now, &bob)[0].contact.as_str(), "sip:bob@192.0.2.4");
//!
//! // What the driver does when `next_expiry` says so.
//! let later = now + Duration::from_secs(60);
//! assert_eq!(registrar.locations().next_expiry(), Some(later));
//! assert_eq!(registrar.locations_mut().expire(later).count(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: proving who the user is (`ringback-auth`), finding out whether a request is for us and what becomes of
//! a request to a binding (`ringback-proxy`), disks (the server), keep-alive pings.
//!
//! Sources: RFC 3261 §10.3, §20.10, §20.19; RFC 3327 (Path); RFC 3608 (Service-Route); RFC 5626 §6 (outbound: one binding for
//! each flow of an instance); RFC 5627 (GRUU); RFC 3840 and 3841 (caller preferences); RFC 8599
//! (push notifications).

mod aor;
mod binding;
mod decide;
mod gruu;
mod outbound;
mod policy;
mod preferences;
mod push;
mod refusal;
mod registrar;
mod store;
mod words;

pub use aor::Aor;
pub use binding::{Binding, Change};
pub use gruu::{Gruu, Gruus};
pub use outbound::BindingKey;
pub use policy::{AnyContact, ContactPolicy, NotOurselves, PathPolicy};
pub use preferences::Preferences;
pub use push::{Push, PushPolicy, PushService};
pub use refusal::Refusal;
pub use registrar::{Outcome, Registrar, RegistrarConfig};
pub use store::{CommitError, LocationStore, MemoryLocations};
pub use words::{Said, Words};
