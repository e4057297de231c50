//! The assembled SIP server: registrar and proxy on real sockets, with storage and a memory of recent calls.
//!
//! [`Server`] wires the layers below into one program; `ringback serve` is little more than a command line around it:
//!
//! ```no_run
//! use ringback_server::{Server, ServerConfig, Storage};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = ServerConfig::default();
//! config.listen = vec!["udp:127.0.0.1:0".parse()?, "tcp:127.0.0.1:0".parse()?];
//! config.users.insert("alice".into(), "secret".into());
//! config.storage = Storage::Ephemeral;
//!
//! let server = Server::start(config)?;
//! for listener in server.listeners() {
//!     println!("{listener}");
//! }
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! How it is built: calls are split by Call-ID into shards, each a lock around the transactions and the proxy
//! of its calls; whoever receives a message takes that lock for the microseconds that it needs. Bindings are split
//! by address of record in the same way. Both live in memory. With a data directory, users and bindings are also
//! in SQLite: a REGISTER is answered 200 only when its bindings are on disk, so that nothing that was promised is lost
//! when the process is killed.
//!
//! What it lets through:
//!
//! | request | from our user | from a stranger |
//! |---|---|---|
//! | along a Route of ours, inside a dialog | goes on | goes on |
//! | to a user of ours | after the password (407) | goes on |
//! | to the server itself | REGISTER after the password (401), OPTIONS answered, else 405 | the same |
//! | to elsewhere | after the password (407) | 403 |
//!
//! Before that the routes of the configuration are asked ([`RouteConfig`]): the first that is for a request says where it
//! goes. It takes a proved user of ours, or a network that the route names. A route may lead to a group of gateways
//! ([`GatewayConfig`]), of which those that are there and have room are asked in turn.
//!
//! "Our user" is whoever names one of our domains in From; a password then also proves that name. ACK, CANCEL and
//! requests inside a dialog are never asked: a dialog is known by its two ends, who refuse what does not belong to it.
//! Where nobody is asked for a password, only a caller on this machine reaches elsewhere: an open relay is used by
//! strangers within hours.
//!
//! A server that runs is asked over a local socket ([`admin`]), and over HTTP where the configuration says so
//! ([`AdminConfig`]); what it goes by can be exchanged while it runs ([`Server::reload`]).
//!
//! Not here: the command line, call features, media.

pub mod admin;
mod answer;
mod authority;
mod config;
mod core;
pub mod doctor;
mod drain;
mod due;
mod enumeration;
mod gateways;
mod guard;
mod handover;
mod history;
mod http;
mod identity;
mod inquiry;
mod limits;
mod locations;
mod media;
mod metrics;
mod outside;
mod overload;
mod policy;
mod push;
mod reach;
mod records;
mod registering;
mod reload;
mod routes;
mod seen;
mod server;
mod shard;
mod stateless;
mod store;
mod tls;
mod trace;
mod trust;
mod users;
mod writer;

pub use config::{
    AdminConfig, ConfigError, HistoryLimits, Registrations, Reread, Restart, ServerConfig, Storage,
    TlsConfig, TraceConfig, TraceTo, read_duration,
};
pub use gateways::{GatewayConfig, GatewayStats, MemberConfig, Password};
pub use guard::{Ban, GuardConfig};
pub use history::Recorded;
pub use inquiry::Inquiry;
pub use limits::{Limits, MessageLimits};
pub use media::{CallMedia, MediaConfig, MediaLeg, MediaMode};
pub use metrics::{Histogram, Stats};
pub use overload::OverloadConfig;
pub use push::{ProviderConfig, PushConfig, PushFailure, PushNotification, PushSender, PushSent, PushStats};
pub use records::{CallRecord, EndedBy, RecordStore, RecordsConfig, UpCall};
pub use reload::Reloaded;
pub use ringback_net::TlsVerify;
pub use routes::{Explained, RouteConfig, RouteVerdict, explain};
pub use server::{Server, StartError};
pub use store::{StoreError, UserStore};
