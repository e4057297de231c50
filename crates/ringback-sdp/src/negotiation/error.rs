//! Why an offer or an answer went no further.

use std::error::Error;
use std::fmt;

/// Why a step of offer and answer was not taken. The machine is then as it was before.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegotiationError {
    /// The peer's offer has media, and none of them can be had here: 488, best with
    /// [`crate::OfferAnswer::capabilities`] as its body (RFC 3261 §13.3.1.3).
    NotAcceptable,
    /// The peer's offer crosses one of ours: 491 (RFC 3261 §14.2, RFC 3311 §5.2).
    Glare,
    /// An offer of the peer waits for our answer: its next one gets 500 with Retry-After (RFC 3311 §5.2), and
    /// we make none.
    AnswerOwed,
    /// Our offer waits for its answer, so that there cannot be another (RFC 3264 §4).
    OfferPending,
    /// There is no offer that could be answered.
    NoOffer,
    /// The peer's answer does not have the media of our offer, line by line (RFC 3264 §6).
    AnswerMismatch,
    /// The peer's offer has fewer media than the session (RFC 3264 §8): 488.
    MediaRemoved,
    /// There is no room for another `m=` line ([`crate::MAX_MEDIA`]); 488 when the peer wants it.
    TooManyMedia,
    /// Our own address is 0.0.0.0 or `::`, which would mean hold in the old style.
    UnspecifiedAddress,
}

impl NegotiationError {
    /// The SIP status code that tells the peer about it, when the peer caused it by an offer.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::NotAcceptable | Self::MediaRemoved | Self::TooManyMedia => Some(488),
            Self::Glare => Some(491),
            Self::AnswerOwed => Some(500),
            _ => None,
        }
    }
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAcceptable => "none of the offered media can be had here",
            Self::Glare => "the offer crosses one of ours",
            Self::AnswerOwed => "an earlier offer of the peer is not answered yet",
            Self::OfferPending => "our offer waits for its answer",
            Self::NoOffer => "there is no offer to answer",
            Self::AnswerMismatch => "the media of the answer are not those of the offer",
            Self::MediaRemoved => "the offer leaves out media of the session",
            Self::TooManyMedia => "no room for another medium",
            Self::UnspecifiedAddress => "our own address is not specified",
        })
    }
}

impl Error for NegotiationError {}
