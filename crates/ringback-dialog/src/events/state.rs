//! What a NOTIFY says of its subscription (RFC 6665 §8.2.3), read and written for subscriptions of their own and for
//! those of REFER.

use super::event::Standing;
use super::reason::Termination;
use crate::field;
use ringback_message::Request;
use ringback_message::header::SubscriptionState;

/// What Subscription-State says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) standing: Standing,
    /// How long it still lasts, in seconds.
    pub(crate) expires: Option<u32>,
    pub(crate) retry_after: Option<u32>,
}

/// Reads Subscription-State; `None` where it is missing or out of its grammar.
pub(crate) fn told(notify: &Request) -> Option<Told> {
    let state: SubscriptionState<'_> = field::value(notify)?;
    let standing = match state {
        _ if state.is_terminated() => Standing::Terminated(Termination::parse(state.reason())),
        _ if state.is("pending") => Standing::Pending,
        // §4.1.3: states that are not known are as good as this one.
        _ => Standing::Active,
    };
    Some(Told { standing, expires: state.expires(), retry_after: state.retry_after() })
}

/// The value of Subscription-State. `seconds` is how long it still lasts; when it has ended, when to try again.
pub(crate) fn value(standing: &Standing, seconds: Option<u32>) -> String {
    match (standing, seconds) {
        (Standing::Active, Some(seconds)) => format!("active;expires={seconds}"),
        (Standing::Active, None) => "active".to_owned(),
        (Standing::Pending, Some(seconds)) => format!("pending;expires={seconds}"),
        (Standing::Pending, None) => "pending".to_owned(),
        (Standing::Terminated(reason), seconds) => {
            let word = reason.as_str();
            let reason = if word.is_empty() { String::new() } else { format!(";reason={word}") };
            let after = seconds.map(|seconds| format!(";retry-after={seconds}")).unwrap_or_default();
            format!("terminated{reason}{after}")
        }
    }
}
