//! The SIP user agent core, sans-IO: accounts, registration, calls, messages.

mod account;
mod agent;
mod config;
mod entropy;
mod event;
mod glue;
mod inspect;
mod outgoing;
mod registration;

pub use account::{Account, AccountKey, Outbound};
pub use agent::UserAgent;
pub use config::{InboundAuthentication, UaConfig};
pub use event::{CommandError, Incoming, RequestKey, Token, UaEvent, UaInput, UaOutput};
pub use ringback_dialog::{CallKey, EndedBy, Ending, LocalAudio, Session};
pub use ringback_sansio::{Protocol, Target};
