//! What was lost is sent again: the sender's memory, the receiver's questions, and the stream that answers travel in
//! (RFC 4585 §6.2.1, RFC 4588).

mod history;
mod missing;
mod rtx;

pub use history::{History, HistoryLimits};
pub use missing::{Missing, Order};
pub use rtx::{original, retransmission};
