//! SIP dialogs and calls, sans-IO: early and confirmed dialogs, offer/answer, re-INVITE, BYE.

mod audio;
mod body;
mod call;
mod callee;
mod caller;
mod calls;
mod change;
mod dialog;
mod event;
mod key;
mod refusal;

pub use audio::{LocalAudio, Session};
pub use calls::{Calls, CallsConfig, Invitation};
pub use event::{CallError, CallEvent, DialogInput, DialogOutput, EndedBy, Ending, Invited, SendEnd};
pub use key::{CallKey, SendTag};
