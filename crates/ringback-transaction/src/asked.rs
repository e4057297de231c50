//! What is remembered of the request of a server transaction.

use crate::table::Identity;
use ringback_message::header::CallId;
use ringback_message::{Message, Method, Request};

/// A request, as long as somebody may want to see it again.
///
/// Most of the time that a transaction over datagrams lives, it only waits for copies of a request that is answered: 32 s, and
/// a flood of registrations lives there. What tells the copies apart is then all that stays.
#[derive(Debug)]
pub(crate) enum Asked {
    /// As it came.
    Whole(Box<Request>),
    /// Answered for good.
    Answered {
        method: Method,
        /// What is left of the Call-ID, for a CANCEL that comes late.
        call_id: Identity,
    },
}

impl Asked {
    pub(crate) fn method(&self) -> &Method {
        match self {
            Self::Whole(request) => request.method(),
            Self::Answered { method, .. } => method,
        }
    }

    pub(crate) fn request(&self) -> Option<&Request> {
        match self {
            Self::Whole(request) => Some(request),
            Self::Answered { .. } => None,
        }
    }

    /// Whether this is the Call-ID of the request, as bytes and as `identity` keeps them.
    pub(crate) fn has_call_id(&self, bytes: &[u8], identity: Identity) -> bool {
        match self {
            Self::Whole(request) => call_id(request) == bytes,
            Self::Answered { call_id, .. } => *call_id == identity,
        }
    }

    /// Keeps no more than copies need.
    pub(crate) fn answered(&mut self, identity: impl FnOnce(&[u8]) -> Identity) {
        if let Self::Whole(request) = self {
            *self = Self::Answered { method: request.method().clone(), call_id: identity(call_id(request)) };
        }
    }
}

/// The Call-ID of a message; nothing where it has none.
pub(crate) fn call_id(message: &Message) -> &[u8] {
    message.first::<CallId<'_>>().and_then(Result::ok).map_or(b"", |call_id| call_id.0.as_bytes())
}
