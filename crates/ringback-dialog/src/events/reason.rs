//! Why a notifier ends a subscription, and whether to begin a new one (RFC 6665 §4.1.3).

use ringback_message::StatusCode;
use std::fmt;

/// Why a notifier ended a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Termination {
    /// The subscriber should begin anew at once, perhaps elsewhere.
    Deactivated,
    /// The subscriber should begin anew later.
    Probation,
    /// The policy has changed: never again.
    Rejected,
    /// It was not refreshed, or it was taken back.
    Timeout,
    /// Nobody decided whether it is allowed: later, perhaps.
    GiveUp,
    /// What it is about does not exist any more.
    NoResource,
    /// What it is about never changes: the last state holds.
    Invariant,
    /// A reason that RFC 6665 does not know; empty where none was given.
    Other(String),
}

impl Termination {
    pub(crate) fn parse(word: Option<&str>) -> Self {
        let word = word.unwrap_or_default();
        let known = [
            Self::Deactivated,
            Self::Probation,
            Self::Rejected,
            Self::Timeout,
            Self::GiveUp,
            Self::NoResource,
            Self::Invariant,
        ];
        let found = known.into_iter().find(|reason| reason.as_str().eq_ignore_ascii_case(word));
        found.unwrap_or_else(|| Self::Other(word.to_owned()))
    }

    /// The word in Subscription-State.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::GiveUp => "giveup",
            Self::NoResource => "noresource",
            Self::Invariant => "invariant",
            Self::Other(word) => word,
        }
    }

    /// When to subscribe again after it. `after` is what the notifier says of that.
    pub(crate) fn again(&self, after: Option<u32>) -> Again {
        match (self, after) {
            // RFC 6665 §4.1.3: retry-after has no meaning with these.
            (Self::Rejected | Self::NoResource | Self::Invariant, _) => Again::Never,
            (Self::Deactivated | Self::Timeout, _) => Again::AtOnce,
            (Self::Probation | Self::GiveUp | Self::Other(_), Some(seconds)) => Again::After(seconds),
            (Self::Probation | Self::GiveUp | Self::Other(_), None) => Again::Later,
        }
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(word) if word.is_empty() => f.write_str("no reason given"),
            other => f.write_str(other.as_str()),
        }
    }
}

/// Whether and when to subscribe again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    AtOnce,
    /// After so many seconds, or later.
    After(u32),
    /// At some later time.
    Later,
}

impl Again {
    /// After a SUBSCRIBE that did not succeed.
    pub(crate) fn after_status(status: StatusCode, after: Option<u32>) -> Self {
        let may_pass = match status {
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TEMPORARILY_UNAVAILABLE
            | StatusCode::CALL_DOES_NOT_EXIST
            | StatusCode::REQUEST_PENDING
            | StatusCode::FLOW_FAILED => true,
            status => status.class() == 5 && status != StatusCode::NOT_IMPLEMENTED,
        };
        match (may_pass, after) {
            (true, Some(seconds)) => Self::After(seconds),
            (true, None) => Self::Later,
            (false, _) => Self::Never,
        }
    }
}

/// Whether a response to a request in its dialog ends a subscription (RFC 6665 §4.1.2.2 and §4.2.2, RFC 5057, rule 32).
pub(crate) fn ends_usage(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::GONE
            | StatusCode::UNSUPPORTED_URI_SCHEME
            | StatusCode::TEMPORARILY_UNAVAILABLE
            | StatusCode::CALL_DOES_NOT_EXIST
            | StatusCode::LOOP_DETECTED
            | StatusCode::TOO_MANY_HOPS
            | StatusCode::ADDRESS_INCOMPLETE
            | StatusCode::AMBIGUOUS
            | StatusCode::BAD_EVENT
            | StatusCode::NOT_IMPLEMENTED
            | StatusCode::DOES_NOT_EXIST_ANYWHERE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_39_each_reason_says_whether_and_when_to_subscribe_again() {
        let again = |word: &str, after| Termination::parse(Some(word)).again(after);
        assert_eq!(again("deactivated", Some(9)), Again::AtOnce);
        assert_eq!(again("Timeout", None), Again::AtOnce);
        assert_eq!(again("probation", Some(9)), Again::After(9));
        assert_eq!(again("probation", None), Again::Later);
        assert_eq!(again("giveup", Some(9)), Again::After(9));
        for never in ["rejected", "noresource", "invariant"] {
            assert_eq!(again(never, Some(9)), Again::Never, "{never}");
        }
        assert_eq!(again("mood", Some(9)), Again::After(9));
        assert_eq!(Termination::parse(None).again(None), Again::Later);
    }

    #[test]
    fn refusals_that_may_pass_are_tried_again() {
        let again = |status, after| Again::after_status(StatusCode::new(status).unwrap(), after);
        assert_eq!(again(503, Some(7)), Again::After(7));
        assert_eq!(again(480, None), Again::Later);
        for never in [403, 404, 489, 501, 603] {
            assert_eq!(again(never, Some(7)), Again::Never, "{never}");
        }
    }

    #[test]
    fn rule_32_481_and_408_end_the_usage_and_500_does_not() {
        let ends = |status| ends_usage(StatusCode::new(status).unwrap());
        assert_eq!([481, 408, 489, 500, 503, 491].map(ends), [true, true, true, false, false, false]);
    }
}
