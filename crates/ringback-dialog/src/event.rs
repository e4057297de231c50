//! What goes in and what comes out.

use crate::{CallKey, LocalAudio, SendTag, Session, TransferKey};
use ringback_message::{InvalidValue, Request, Response, StatusCode, UriBuf};
use ringback_sdp::{Codec, NegotiationError};
use ringback_transaction::ServerKey;
use std::fmt;
use std::time::Duration;

/// What the layer below tells the calls.
#[derive(Clone, Debug)]
pub enum DialogInput {
    /// A request with a To tag came: one inside of a dialog. `contact` is how we are reached over the flow that
    /// it came by.
    Request {
        /// Its server transaction.
        key: ServerKey,
        /// Our Contact towards the peer.
        contact: UriBuf,
        /// The request.
        request: Request,
    },
    /// The peer cancelled an INVITE that has no final response.
    Cancelled {
        /// The server transaction of the INVITE.
        key: ServerKey,
        /// The tag in the answer to the CANCEL (see
        /// [`Transactions::to_tag`](ringback_transaction::Transactions::to_tag)).
        tag: Option<String>,
        /// The CANCEL, which may say why.
        cancel: Request,
    },
    /// An ACK that no transaction wanted.
    Ack(Request),
    /// A response to what [`DialogOutput::Send`] asked for. Not those that the layer above deals with itself,
    /// such as a challenge that it can answer.
    Response(SendTag, Response),
    /// A 2xx to INVITE that no transaction wanted, because it is late.
    Stray(Response),
    /// Nothing more will come for this tag. Exactly once for each.
    Ended(SendTag, SendEnd),
    /// A server transaction that was handed in is over.
    Over(ServerKey),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendEnd {
    /// With a final response, which was handed in before.
    Completed,
    /// Without a final response in time.
    TimedOut,
    /// It could not be sent to any target.
    Unreachable,
}

/// What the calls ask for and report, in causal order.
#[derive(Clone, Debug)]
pub enum DialogOutput {
    /// Send a request in a transaction. It lacks Via and Contact, which depend on the way that it takes.
    Send {
        /// Names it in [`DialogInput`].
        tag: SendTag,
        /// The call that it belongs to.
        call: CallKey,
        /// The URI of the next hop: the first Route, else the Request-URI. `None` for the first request of a call,
        /// whose way the caller chose (see [`Invitation`](crate::Invitation)).
        hop: Option<UriBuf>,
        /// The request.
        request: Request,
    },
    /// Take back the INVITE of this tag, if it has no final response yet.
    Cancel(SendTag),
    /// Send an ACK to a 2xx. It belongs to no transaction, and lacks Via.
    Ack {
        /// The call that it belongs to.
        call: CallKey,
        /// The URI of the next hop.
        hop: UriBuf,
        /// The ACK.
        request: Request,
    },
    /// Respond in a server transaction. When it is over already, there is nobody to answer any more.
    Respond(ServerKey, Response),
    /// A request inside of a dialog that is no matter of the call: MESSAGE, OPTIONS and unknown ones. It needs an
    /// answer.
    Unhandled(ServerKey, CallKey, Request),
    /// Something happened to a call.
    Event(CallKey, CallEvent),
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// The next hop has our INVITE.
    Trying,
    /// The call makes progress elsewhere, mostly by ringing (180).
    Ringing(StatusCode),
    /// The call was redirected, and is tried at another address.
    Redirected(UriBuf),
    /// The peer describes its media before it answers: ringing tones and announcements.
    EarlyMedia(Session),
    /// The call was answered with an offer, and our answer to it waits for
    /// [`Calls::answer_offer`](crate::Calls::answer_offer): the peer's audio, as another may be told it.
    Offered(LocalAudio),
    /// The call is up.
    Answered(Session),
    /// The session was changed, by us or by the peer.
    Changed(Session),
    /// Our change of the session was refused; all is as before.
    ChangeRefused(StatusCode, String),
    /// The peer asks us to call somebody else: [`Calls::take_transfer`](crate::Calls::take_transfer) or
    /// [`refuse_transfer`](crate::Calls::refuse_transfer).
    TransferRequested {
        /// Which transfer.
        transfer: TransferKey,
        /// Whom to call.
        target: UriBuf,
        /// Who asks, as Referred-By says.
        by: Option<String>,
    },
    /// How far the transfer is that we have asked the peer for.
    TransferProgress(StatusCode),
    /// What became of it. After a success the call ends, too.
    TransferEnded(StatusCode),
    /// The peer is, or calls itself, somebody else than before (RFC 4916): what From says now, without tag. Nothing proves it.
    Connected(String),
    /// The peer has sent a digit by INFO, so long.
    Digit(char, Duration),
    /// All our digits by INFO were taken (2xx), or one was refused with this status and those behind it were not sent.
    DigitsSent(StatusCode),
    /// A message of ours within the call was taken (2xx), or refused with this status; its number is the one that
    /// [`Calls::message`](crate::Calls::message) gave.
    MessageSent(u64, StatusCode),
    /// The call is over. Exactly once for each.
    Ended(Ending),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Who ended it.
    pub by: EndedBy,
    /// The status that ended it, where one did.
    pub status: Option<StatusCode>,
    /// Why, for people.
    pub reason: String,
    /// What the refusal says about how to do better.
    pub advice: Option<Advice>,
}

/// What a refusal says about how to do better.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// 3xx that was not followed: these addresses, best first.
    TryInstead(Vec<String>),
    /// To try again after so many seconds (413, 480, 486, 500, 503, 600, 603).
    RetryAfter(u32),
    /// 405: what is taken there.
    Allows(Vec<String>),
    /// 415: types, encodings and languages that are understood there.
    Accepts(Vec<String>),
    /// 420: the extensions that are not understood there.
    Unsupported(Vec<String>),
    /// 421: the extensions that have to be understood.
    Requires(Vec<String>),
    /// 422: how long a session has to last at least, in seconds.
    LongerSession(u32),
    /// 488 and 606: the code and text of Warning.
    Warning(u16, String),
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TryInstead(targets) => write!(f, "try {}", targets.join(", ")),
            Self::RetryAfter(seconds) => write!(f, "try again in {seconds} s"),
            Self::Allows(methods) => write!(f, "it takes {}", methods.join(", ")),
            Self::Accepts(types) => write!(f, "it understands {}", types.join(", ")),
            Self::Unsupported(tags) => write!(f, "it does not know {}", tags.join(", ")),
            Self::Requires(tags) => write!(f, "it requires {}", tags.join(", ")),
            Self::LongerSession(seconds) => write!(f, "a session has to last {seconds} s"),
            Self::Warning(code, text) => write!(f, "{code} {text}"),
        }
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// We did, by a command or because the peer broke the rules.
    Us,
    /// The peer did, or somebody on the way to it.
    Peer,
    /// Nobody: messages got lost.
    Network,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.by {
            EndedBy::Us => "by us: ",
            EndedBy::Peer => "by the peer: ",
            EndedBy::Network => "by the network: ",
        })?;
        if let Some(status) = self.status {
            write!(f, "{status} ")?;
        }
        f.write_str(&self.reason)?;
        match &self.advice {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

/// What came with an INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    /// The call.
    pub call: CallKey,
    /// The formats that both sides have; empty when the peer leaves the offer to us.
    pub offered: Vec<Codec>,
    /// The call that this one takes the place of once it is answered (RFC 3891).
    pub replaces: Option<CallKey>,
}

/// Why a command was not carried out.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The call is over.
    Gone,
    /// The call is not in a state for this.
    WrongState,
    /// There are as many calls as allowed.
    TooManyCalls,
    /// Our own media cannot be described.
    Negotiation(NegotiationError),
    /// A value cannot stand in a message.
    Invalid(InvalidValue),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the call is over"),
            Self::WrongState => f.write_str("the call is not in a state for this"),
            Self::TooManyCalls => f.write_str("there are as many calls as allowed"),
            Self::Negotiation(error) => write!(f, "our media cannot be described: {error}"),
            Self::Invalid(error) => write!(f, "this cannot stand in a message: {error}"),
        }
    }
}

impl std::error::Error for CallError {}

impl From<InvalidValue> for CallError {
    fn from(error: InvalidValue) -> Self {
        Self::Invalid(error)
    }
}

impl From<NegotiationError> for CallError {
    fn from(error: NegotiationError) -> Self {
        Self::Negotiation(error)
    }
}
