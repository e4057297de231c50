//! What goes in and what comes out.

use crate::{ClientKey, Key, ServerKey};
use bytes::Bytes;
use ringback_message::{InvalidValue, Message, ParseError, Request, Response};
use ringback_sansio::{CloseReason, Flow, Target};
use std::fmt;

/// What the layer below tells the transactions.
#[derive(Clone, Debug)]
pub enum TransactionInput {
    /// A message came. It was validated, and its topmost Via, when it is a request, says where it came from
    /// (`received`, `rport`).
    Message(Flow, Message),
    /// The same while the element has too much to do: what would begin a transaction is answered 503 without one, with a
    /// Retry-After of so many seconds where there are any.
    Overloaded(Flow, Message, Option<u32>),
    /// What [`Transmit`](TransactionOutput::Transmit) asked for under this key could not be done.
    Failed(Key, CloseReason),
}

/// What the transactions ask for and report, in causal order.
#[derive(Clone, Debug)]
pub enum TransactionOutput {
    /// Send these bytes.
    Transmit {
        /// Whom to tell when it fails ([`TransactionInput::Failed`]). `None`: nobody, such as for a 503 that
        /// has no transaction. A key that was not handed out otherwise belongs to a transaction of the
        /// layer's own (CANCEL), which ends unreported.
        key: Option<Key>,
        /// Where to.
        to: Target,
        /// The message.
        bytes: Bytes,
    },
    /// A new request that needs an answer. Never ACK; CANCEL only when it matches nothing (answer 481).
    Request(ServerKey, Flow, Box<Request>),
    /// A CANCEL for this INVITE, which has no final response yet. The CANCEL itself is answered already;
    /// answer the INVITE 487, or cancel what was forked. At most once for each key.
    Cancelled(ServerKey, Box<Request>),
    /// A response to our request. Provisional ones each; of finals the first, but every 2xx to INVITE, from
    /// whichever branch behind us (RFC 6026).
    Response(ClientKey, Flow, Box<Response>),
    /// A message that no transaction wants: an ACK to a 2xx, a late 2xx. Other responses here are for the
    /// stateless rules of a proxy (RFC 3261 §16.7) or nobody.
    Stray(Flow, Box<Message>),
    /// The transaction is over and its entry gone. Exactly once for each key.
    Ended(Key, End),
}

/// How a transaction ended.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a final response, and everything that belongs to it.
    Completed,
    /// A client saw no final response in time; an INVITE server no ACK; a non-INVITE server no answer of its
    /// user while anybody waited. To a client's user this is a 408 that is not sent on (RFC 4320 §4.3).
    TimedOut,
    /// The request or the response could not be sent.
    TransportFailed(CloseReason),
}

/// Why a request was not sent.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// There are as many client transactions as allowed.
    Overload,
    /// No sent-by is known for this transport and address family (see [`Locals`](crate::Locals)).
    NoLocal,
    /// ACK has no transaction, and CANCEL is sent with [`cancel`](crate::Transactions::cancel).
    Method,
    /// The request lacks what a request must have, or CSeq names another method.
    Malformed(ParseError),
    /// The Via could not be added, for the header is full or the branch suffix is no token.
    Invalid(InvalidValue),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overload => f.write_str("too many client transactions"),
            Self::NoLocal => f.write_str("no local address for this transport"),
            Self::Method => f.write_str("the method begins no transaction"),
            Self::Malformed(error) => write!(f, "not a request to send: {error}"),
            Self::Invalid(error) => write!(f, "the Via could not be added: {error}"),
        }
    }
}

impl std::error::Error for RequestError {}

/// The transaction is over, or past the state in which it could do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transaction is over")
    }
}

impl std::error::Error for Gone {}
