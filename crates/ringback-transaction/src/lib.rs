//! The SIP transaction layer: the four machines of RFC 3261 and their one table, sans-IO.

mod client;
mod config;
mod key;
mod locals;
mod output;
mod server;
mod transactions;

pub use config::{Timings, TransactionConfig};
pub use key::{ClientKey, Key, ServerKey};
pub use locals::Locals;
pub use output::{End, Gone, RequestError, TransactionInput, TransactionOutput};
pub use transactions::Transactions;
