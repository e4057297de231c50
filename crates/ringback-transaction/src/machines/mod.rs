//! The four machines of RFC 3261 §17, as corrected by RFC 4320 and RFC 6026.
//!
//! Each is a pure and total `step`: state and stimulus in, state and [`Effects`] out. They know neither
//! messages nor addresses; what the effects mean is done by [`crate::client`] and [`crate::server`].

mod effects;
mod invite_client;
mod invite_server;
mod non_invite_client;
mod non_invite_server;
#[cfg(test)]
mod tests;

pub(crate) use effects::{Effects, Pace, Send, Timer, TimerSet};
pub(crate) use invite_client::InviteClient;
pub(crate) use invite_server::InviteServer;
pub(crate) use non_invite_client::NonInviteClient;
pub(crate) use non_invite_server::NonInviteServer;

use ringback_message::StatusCode;
use ringback_sansio::CloseReason;

/// What can happen to a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientStimulus {
    /// It is new.
    Start,
    /// A response to it came.
    Response(StatusCode),
    /// Its user takes the request back.
    Cancel,
    /// A timer fired.
    Timer(Timer),
    /// What it sent could not be sent.
    TransportFailed(CloseReason),
}

/// What can happen to a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerStimulus {
    /// It is new.
    Start,
    /// Its request came again.
    Retransmission,
    /// An ACK for it came; to non-INVITE never.
    Ack,
    /// Its user sends a response.
    Respond(StatusCode),
    /// A timer fired.
    Timer(Timer),
    /// What it sent could not be sent.
    TransportFailed(CloseReason),
}
