//! Media through the server: what descriptions say, and the ports behind it.

mod auto;
mod calls;
mod config;
mod engine;
mod ports;
mod worker;

pub(crate) use auto::is_needed;
pub(crate) use calls::{NotRelayed, RelayedCalls};
pub use config::{MediaConfig, MediaMode};
pub(crate) use engine::MediaEngine;
