//! SIP dialogs and calls, sans-IO: early and confirmed dialogs, offer/answer, re-INVITE, BYE.
//!
//! [`Calls`] holds all calls of one user agent. It never touches the transaction layer: it is told what that layer
//! reports ([`DialogInput`]) and asks for sends ([`DialogOutput`]), so that the layer above can add what depends on
//! the way that a message takes (Via, Contact, credentials) and try another way.
//!
//! A call is made with [`Calls::call`] or comes in through [`Calls::invited`]. Each ends with exactly one
//! [`CallEvent::Ended`]; afterwards its key finds nothing, while what is still to be said to the peer is said:
//! an ACK repeated, a late fork turned away, a BYE answered.
//!
//! ```
//! use ringback_dialog::{
//!     CallEvent, Calls, CallsConfig, DialogInput, DialogOutput, Invitation, LocalAudio, Opening, SendEnd,
//! };
//! use ringback_message::{HeaderId, StatusCode};
//! use ringback_sansio::{Machine, SeededEntropy};
//! use std::time::Instant;
//!
//! # let now = Instant::now();
//! let mut calls = Calls::new(CallsConfig::default(), SeededEntropy::new(1));
//! let call = calls.call(now, Invitation {
//!     target: "sip:bob@192.0.2.2".parse()?,
//!     from: "<sip:alice@example.com>".into(),
//!     to: "<sip:bob@example.com>".into(),
//!     routes: Vec::new(),
//!     opening: Opening::Offer(LocalAudio::new("192.0.2.1:4000".parse()?)),
//!     headers: vec![("X-Order".into(), "4711".into())],
//! })?;
//! let Some(DialogOutput::Send { tag, request: invite, .. }) = calls.poll() else { unreachable!() };
//!
//! // The peer answers; its description is ours with another address.
//! let sdp = String::from_utf8(invite.body().to_vec())?.replace("192.0.2.1", "192.0.2.2");
//! let answer = invite.reply(StatusCode::OK, Some("b")).header(HeaderId::CONTACT, "<sip:bob@192.0.2.2>");
//! calls.handle(now, DialogInput::Response(tag, answer.body("application/sdp", sdp).build()?));
//! let Some(DialogOutput::Ack { hop, request: ack, .. }) = calls.poll() else { unreachable!() };
//! assert_eq!((hop.as_str(), ack.uri_bytes()), ("sip:bob@192.0.2.2", &b"sip:bob@192.0.2.2"[..]));
//! let Some(DialogOutput::Event(_, CallEvent::Answered(session))) = calls.poll() else { unreachable!() };
//! assert_eq!(session.remote_rtp(), Some("192.0.2.2:4000".parse()?));
//!
//! calls.hangup(now, call)?;
//! let Some(DialogOutput::Send { tag: bye, .. }) = calls.poll() else { unreachable!() };
//! assert!(matches!(calls.poll(), Some(DialogOutput::Event(_, CallEvent::Ended(_)))));
//! for tag in [tag, bye] {
//!     calls.handle(now, DialogInput::Ended(tag, SendEnd::Completed));
//! }
//! assert!(calls.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Subscriptions`] holds all event subscriptions in the same way, our own and those of peers.
//!
//! Not here: transactions, digest, where requests go, who may call whom, publications (`ringback-ua`).
//!
//! Sources: RFC 3261 §8.1.3.4 (redirection) and §12 to §15, RFC 3262 (reliable provisional responses), RFC 3264 and
//! RFC 6337 (which message carries which description), RFC 3311 (UPDATE), RFC 3515 and 4488 (REFER), RFC 3725 (calls between others), RFC 3891 (Replaces), RFC 3911 (Join, refused), RFC 3428 (MESSAGE in a dialog), RFC 4028 (session timers), RFC 4916 (connected identity), RFC 4538 (Target-Dialog), RFC 5057 (what ends
//! a dialog), RFC 5373 (who has answered), RFC 5407 (races), RFC 6665 (events), RFC 6086 (INFO), RFC 6141 (refused re-INVITEs).

mod audio;
mod body;
mod call;
mod callee;
mod caller;
mod calls;
mod change;
mod config;
mod dialog;
mod early;
mod event;
mod events;
mod field;
mod identity;
mod info;
mod key;
mod late;
mod mode;
mod moved;
mod redirect;
mod refusal;
mod reliable;
mod replaces;
mod text;
mod timer;
mod transfer;
mod typed;

pub use audio::{LocalAudio, Session, ice_credentials};
pub use body::is_description;
pub use calls::{Calls, Invitation};
pub use config::CallsConfig;
pub use event::{Advice, CallError, CallEvent, DialogInput, DialogOutput, EndedBy, Ending, Invited, SendEnd};
pub use events::{
    Content, EventsConfig, EventsInput, EventsOutput, Notification, Package, Served, Standing,
    SubscriptionEnd, SubscriptionEvent, SubscriptionKey, Subscriptions, Termination, Usage, WatcherEvent,
    WatcherKey, Wish,
};
pub use key::{CallKey, SendTag, TransferKey};
pub use late::Opening;
pub use typed::LocalText;
