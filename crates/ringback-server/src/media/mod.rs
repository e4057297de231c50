//! Media through the server: what descriptions say, and the ports behind it.

mod auto;
mod calls;
mod config;
mod converters;
mod dialog;
mod ending;
mod engine;
mod figures;
mod ports;
mod watch;
mod worker;

pub(crate) use auto::is_needed;
pub(crate) use calls::{NotRelayed, RelayedCalls};
pub use config::{MediaConfig, MediaMode};
pub(crate) use config::{MediaWishes, music};
pub(crate) use ending::send as send_bye;
pub(crate) use engine::MediaEngine;
pub use figures::{CallMedia, MediaLeg};
pub(crate) use watch::MediaWatch;
