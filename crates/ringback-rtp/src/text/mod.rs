//! Real-time text: what is typed goes as it is typed (T.140 over RTP, RFC 4103).
//!
//! [`TextSender`] gathers what is typed for up to 300 ms, and repeats it twice; [`TextReceiver`] puts it together again, in order and once, and
//! marks what is missing. The clock of such a stream has 1,000 ticks a second.
//!
//! Text is characters as they are to be shown, and among them [`ERASE`], `'\n'` and, of what comes, [`MISSING`]. A [`Transcript`] makes lines
//! of them.

mod receiver;
mod sender;
mod transcript;

pub use receiver::TextReceiver;
pub use sender::{OutgoingText, TextSender, TooMuchText};
pub use transcript::Transcript;

/// Ticks a second.
pub const TEXT_CLOCK: u32 = 1_000;
/// Takes back the character before it (T.140 §8.2).
pub const ERASE: char = '\u{8}';
/// Stands for text that was lost (T.140 addendum 1).
pub const MISSING: char = '\u{fffd}';
/// Begins a conversation, and is nothing to be shown (T.140 §8.1).
const BEGIN: char = '\u{feff}';
/// The end of a line, as it goes over the wire (T.140 §8.3).
const LINE_END: char = '\u{2028}';
