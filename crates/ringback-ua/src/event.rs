//! What goes in and what comes out.

use crate::{
    AccountKey, CallKey, Ending, LocalAudio, MessageId, PublicationKey, Receipt, ReceiptWish, Session,
    Subscriber, TurnedAway,
};
use bytes::Bytes;
use ringback_dialog::{CallError, Notification, SubscriptionEnd, SubscriptionKey, TransferKey, WatcherKey};
use ringback_message::{InvalidValue, Message, Request, Response, StatusCode, UriBuf};
use ringback_sansio::{CloseReason, Flow, Target};
use ringback_sdp::{Codec, NegotiationError};
use ringback_transaction::Key;
use ringback_transport::locate::{LocateError, NextHop};
use std::fmt;
use std::time::Duration;

/// What the transport and the resolver tell the user agent.
#[derive(Clone, Debug)]
pub enum UaInput {
    /// A valid message came. Its topmost Via, when it is a request, says where from (`received`, `rport`).
    Message(Flow, Message),
    /// What [`UaOutput::Transmit`] asked for under this key could not be done.
    Failed(Key, CloseReason),
    /// The answer to [`UaOutput::Resolve`], exactly one for each: targets, best first, or why there are none.
    Resolved(Token, Result<Vec<Target>, LocateError>),
    /// A connection ended, or a flow of datagrams that is kept is not what it was.
    Closed(Flow, CloseReason),
}

/// What the user agent asks for and reports, in causal order.
#[derive(Clone, Debug)]
pub enum UaOutput {
    /// Send these bytes.
    Transmit {
        /// Whom to tell when it fails ([`UaInput::Failed`]); `None` is nobody.
        key: Option<Key>,
        /// Where to.
        to: Target,
        /// The message.
        bytes: Bytes,
    },
    /// Find the addresses of a name. It is always [`NextHop::Name`].
    Resolve(Token, NextHop),
    /// This target did not work, or asks not to be asked for so long: names should lead elsewhere for a while
    /// (see `ringback_transport::locate::Penalties`).
    Unavailable(Target, Option<Duration>),
    /// Keep this flow open, with keep-alives that often at most; tell its end by [`UaInput::Closed`].
    Keep(Flow, Duration),
    /// Keep this flow no longer.
    Forget(Flow),
    /// Something happened that the application wants to know.
    Event(UaEvent),
}

/// Names one question to the resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub(crate) u64);

impl Token {
    /// The token as one number, for resolvers that carry numbers.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The token back from [`to_bits`](Self::to_bits).
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// Names one request outside of calls, which gets exactly one [`UaEvent::Reply`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey(pub(crate) ringback_sansio::Key<crate::outgoing::Outgoing>);

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {:?}", self.0)
    }
}

/// What an application is told.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum UaEvent {
    /// The account is registered, for the first time or again.
    Registered {
        /// Whose.
        account: AccountKey,
        /// For how long, if it were not refreshed before.
        expires: Duration,
    },
    /// A registration, or taking it back, was refused or not answered.
    RegistrationFailed {
        /// Whose.
        account: AccountKey,
        /// The status; 408 when no answer came, 503 when the registrar cannot be reached.
        status: StatusCode,
        /// Why, for people.
        reason: String,
        /// When it is tried again; `None` when there is no use in that.
        retry_in: Option<Duration>,
    },
    /// The registration was taken back.
    Unregistered {
        /// Whose.
        account: AccountKey,
    },
    /// Somebody calls: ring, answer or reject.
    Incoming(Incoming),
    /// Somebody called, and was refused because the account must not be disturbed.
    TurnedAway(TurnedAway),
    /// The next hop has our INVITE.
    Trying {
        /// Which call.
        call: CallKey,
    },
    /// The call makes progress elsewhere: 180 is ringing.
    Ringing {
        /// Which call.
        call: CallKey,
        /// The status, 101 to 199.
        status: StatusCode,
    },
    /// The call was redirected, and is tried at another address.
    Redirected {
        /// Which call.
        call: CallKey,
        /// Where it goes now.
        target: UriBuf,
    },
    /// The peer sends media before it answers.
    EarlyMedia {
        /// Which call.
        call: CallKey,
        /// What was described.
        session: Session,
    },
    /// The call was answered with an offer, and our answer to it waits for
    /// [`answer_offer`](crate::UserAgent::answer_offer).
    Offered {
        /// Which call.
        call: CallKey,
        /// The peer's audio, as another may be told it.
        audio: LocalAudio,
    },
    /// The call is up.
    Answered {
        /// Which call.
        call: CallKey,
        /// What was agreed.
        session: Session,
    },
    /// Something else was agreed: hold, resume, another address or codec.
    SessionChanged {
        /// Which call.
        call: CallKey,
        /// What is agreed now.
        session: Session,
    },
    /// Hold or resume was refused; all is as before.
    ChangeRefused {
        /// Which call.
        call: CallKey,
        /// The status.
        status: StatusCode,
        /// Why, for people.
        reason: String,
    },
    /// The peer asks us to call somebody else.
    TransferRequested {
        /// In which call.
        call: CallKey,
        /// To accept or refuse it by.
        transfer: TransferKey,
        /// Whom to call.
        target: UriBuf,
        /// Who asks, as Referred-By says.
        by: Option<String>,
    },
    /// How far the transfer is that we have asked the peer for.
    TransferProgress {
        /// Which call.
        call: CallKey,
        /// The status, 100 to 199.
        status: StatusCode,
    },
    /// What became of it. After a success the call ends, too.
    TransferEnded {
        /// Which call.
        call: CallKey,
        /// The final status.
        status: StatusCode,
    },
    /// The peer is somebody else than before, or than we have called: it says so itself (RFC 4916), or our own server does
    /// (RFC 3325).
    Connected {
        /// Which call.
        call: CallKey,
        /// Who, as From or P-Asserted-Identity says.
        identity: String,
    },
    /// The peer has sent a digit by INFO.
    Digit {
        /// Which call.
        call: CallKey,
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
        /// How long it was pressed.
        duration: Duration,
    },
    /// All our digits by INFO were taken, or one was refused and those behind it were not sent.
    DigitsSent {
        /// Which call.
        call: CallKey,
        /// 2xx, or the status that one was refused with.
        status: StatusCode,
    },
    /// A message of ours within a call was taken, or refused.
    MessageSent {
        /// Which call.
        call: CallKey,
        /// The number that [`message_in_call`](crate::UserAgent::message_in_call) gave it.
        number: u64,
        /// 2xx, or the status that it was refused with.
        status: StatusCode,
    },
    /// The call is over. Exactly once for each.
    Ended {
        /// Which call.
        call: CallKey,
        /// By whom and why.
        ending: Ending,
    },
    /// Somebody sent a message (RFC 3428).
    MessageReceived {
        /// For whom: the account that was meant, or the one of the call.
        account: AccountKey,
        /// What From says, without tag.
        from: String,
        /// What the body is.
        content_type: String,
        /// The body.
        body: Bytes,
        /// The call that it came in.
        call: Option<CallKey>,
        /// What the sender wants to hear of it ([`tell_receipt`](crate::UserAgent::tell_receipt)).
        wish: Option<ReceiptWish>,
    },
    /// What became of a message of ours that receipts were asked for.
    Receipt {
        /// Who was told.
        account: AccountKey,
        /// Who tells it: what From says, without tag.
        from: String,
        /// Which message.
        message: MessageId,
        /// What became of it.
        receipt: Receipt,
    },
    /// A notifier told something, in a subscription of ours.
    Notified {
        /// Which subscription.
        subscription: SubscriptionKey,
        /// What it told.
        notification: Notification,
    },
    /// No notifier is left for now, and the subscription begins anew by itself.
    SubscriptionLapsed {
        /// Which subscription.
        subscription: SubscriptionKey,
        /// Why.
        why: SubscriptionEnd,
        /// When it begins anew.
        retry_in: Duration,
    },
    /// A subscription of ours is over. Exactly once for each.
    SubscriptionEnded {
        /// Which subscription.
        subscription: SubscriptionKey,
        /// Why.
        why: SubscriptionEnd,
    },
    /// Somebody wants to subscribe to a state of ours: accept or refuse it.
    SubscriptionRequested(Box<Subscriber>),
    /// A subscription of a peer is over. Exactly once for each.
    WatcherGone {
        /// Which subscription.
        watcher: WatcherKey,
    },
    /// The server has the newest state of a publication, or holds it for longer.
    Published {
        /// Which publication.
        publication: PublicationKey,
        /// For how long, if it were not refreshed before.
        expires: Duration,
    },
    /// A publication was refused or not answered.
    PublicationFailed {
        /// Which publication.
        publication: PublicationKey,
        /// The status; 408 when no answer came, 503 when the server cannot be reached.
        status: StatusCode,
        /// Why, for people.
        reason: String,
        /// When it is tried again; `None` when there is no use in that, and the publication is over.
        retry_in: Option<Duration>,
    },
    /// A publication was taken back, and is over.
    Unpublished {
        /// Which publication.
        publication: PublicationKey,
    },
    /// What became of a request outside of calls.
    Reply {
        /// Which request.
        request: RequestKey,
        /// The final status; 408 when none came, 503 when the request could not be sent.
        status: StatusCode,
        /// Why, for people.
        reason: String,
        /// The response, when there was one.
        response: Option<Response>,
    },
}

/// A call that somebody makes to us.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The call.
    pub call: CallKey,
    /// Who is called.
    pub account: AccountKey,
    /// What From says, without tag.
    pub from: String,
    /// What To says.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// The formats that both sides have; empty when the peer leaves the offer to us.
    pub offered: Vec<Codec>,
    /// The call that this one takes the place of once it is answered.
    pub replaces: Option<CallKey>,
    /// Who calls as the account's own server says (P-Asserted-Identity), which From alone does not prove.
    pub asserted: Option<String>,
    /// After how long the caller wants it answered without anybody doing that (RFC 5373 and what phones invented).
    pub auto_answer: Option<Duration>,
    /// The INVITE, for all else that it says.
    pub request: Request,
}

/// Why a command was not carried out.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The call is over, or the account was removed.
    Gone,
    /// The call is not in a state for this.
    WrongState,
    /// There are as many calls as allowed.
    TooManyCalls,
    /// Our own media cannot be described.
    Negotiation(NegotiationError),
    /// A value cannot stand in a message.
    Invalid(InvalidValue),
    /// The address is no `sip` or `sips` URI.
    NotSip,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("there is no such call or account any more"),
            Self::WrongState => f.write_str("the call is not in a state for this"),
            Self::TooManyCalls => f.write_str("there are as many calls as allowed"),
            Self::Negotiation(error) => write!(f, "our media cannot be described: {error}"),
            Self::Invalid(error) => write!(f, "this cannot stand in a message: {error}"),
            Self::NotSip => f.write_str("the address is no sip or sips URI"),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<CallError> for CommandError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::WrongState => Self::WrongState,
            CallError::TooManyCalls => Self::TooManyCalls,
            CallError::Negotiation(error) => Self::Negotiation(error),
            CallError::Invalid(error) => Self::Invalid(error),
            _ => Self::Gone,
        }
    }
}

impl From<InvalidValue> for CommandError {
    fn from(error: InvalidValue) -> Self {
        Self::Invalid(error)
    }
}
