//! What the table keeps of one transaction.

use crate::client::Client;
use crate::effects::{Effects, Stimulus};
use crate::invite_client::InviteClient;
use crate::invite_server::InviteServer;
use crate::matching::ServerId;
use crate::server::Server;
use crate::{ClientKey, Timings};
use bytes::Bytes;
use ringback_message::Request;
use ringback_sansio::Target;
use smallvec::SmallVec;

/// The machine of a client transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientMachine {
    Invite(InviteClient),
    Other(Client),
}

impl ClientMachine {
    pub(crate) fn start(invite: bool, reliable: bool, timings: &Timings, effects: &mut Effects) -> Self {
        if invite {
            Self::Invite(InviteClient::start(reliable, timings, effects))
        } else {
            Self::Other(Client::start(reliable, timings, effects))
        }
    }

    pub(crate) fn step(self, on: Stimulus, reliable: bool, timings: &Timings, effects: &mut Effects) -> Self {
        match self {
            Self::Invite(state) => Self::Invite(state.step(on, reliable, timings, effects)),
            Self::Other(state) => Self::Other(state.step(on, reliable, timings, effects)),
        }
    }
}

/// One client transaction.
pub(crate) struct ClientEntry {
    pub(crate) machine: ClientMachine,
    pub(crate) to: Target,
    /// The request as it was sent, for repetitions.
    pub(crate) sent: Bytes,
    /// The INVITE itself, from which ACK and CANCEL are made.
    pub(crate) invite: Option<Box<Request>>,
    /// The ACK to a refusal, for its repetitions.
    pub(crate) ack: Option<Bytes>,
    pub(crate) branch: SmallVec<[u8; 64]>,
    pub(crate) cancel: Cancel,
    /// A CANCEL of the layer's own, of which the core knows nothing.
    pub(crate) internal: bool,
    pub(crate) armed: u16,
}

/// How far the cancelling of an INVITE is.
#[derive(Clone, Debug, Default)]
pub(crate) enum Cancel {
    #[default]
    No,
    /// Asked for before a provisional response came (rule 13). Holds the value of Reason.
    Queued(Option<String>),
    /// On its way in this transaction.
    Sent(ClientKey),
}

/// The machine of a server transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ServerMachine {
    Invite(InviteServer),
    Other(Server),
}

impl ServerMachine {
    pub(crate) fn start(invite: bool, at_once: bool, timings: &Timings, effects: &mut Effects) -> Self {
        if invite {
            Self::Invite(InviteServer::start(at_once, timings, effects))
        } else {
            Self::Other(Server::start(timings, effects))
        }
    }

    pub(crate) fn step(self, on: Stimulus, reliable: bool, timings: &Timings, effects: &mut Effects) -> Self {
        match self {
            Self::Invite(state) => Self::Invite(state.step(on, reliable, timings, effects)),
            Self::Other(state) => Self::Other(state.step(on, reliable, timings, effects)),
        }
    }

    /// Whether the core may still answer.
    pub(crate) fn accepts(self, success: bool) -> bool {
        match self {
            Self::Invite(InviteServer::Proceeding) | Self::Other(Server::Trying | Server::Proceeding) => true,
            Self::Invite(InviteServer::Accepted) => success,
            Self::Invite(_) | Self::Other(_) => false,
        }
    }

    pub(crate) fn is_pending_invite(self) -> bool {
        matches!(self, Self::Invite(InviteServer::Proceeding))
    }
}

/// One server transaction.
pub(crate) struct ServerEntry {
    pub(crate) machine: ServerMachine,
    pub(crate) id: ServerId,
    pub(crate) reply_to: Target,
    pub(crate) request: Request,
    /// The last response, for repetitions of the request.
    pub(crate) sent: Option<Bytes>,
    pub(crate) to_tag: Option<Box<str>>,
    /// Whether the way back was already exchanged for the one in Via (rule 12).
    pub(crate) rerouted: bool,
    /// Whether a CANCEL was reported already.
    pub(crate) cancelled: bool,
    /// A CANCEL that the layer answered itself.
    pub(crate) internal: bool,
    pub(crate) armed: u16,
}
