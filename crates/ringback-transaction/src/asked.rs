//! What is remembered of the request of a server transaction.

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
        /// For a CANCEL that comes late.
        call_id: Option<Box<str>>,
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

    pub(crate) fn call_id(&self) -> Option<&str> {
        match self {
            Self::Whole(request) => call_id(request),
            Self::Answered { call_id, .. } => call_id.as_deref(),
        }
    }

    /// Keeps no more than copies need.
    pub(crate) fn answered(&mut self) {
        if let Self::Whole(request) = self {
            *self = Self::Answered {
                method: request.method().clone(),
                call_id: call_id(request).map(Into::into),
            };
        }
    }
}

/// The Call-ID of a message.
pub(crate) fn call_id(message: &Message) -> Option<&str> {
    message.first::<CallId<'_>>()?.ok().map(|call_id| call_id.0)
}
