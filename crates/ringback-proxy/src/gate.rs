//! Targets that watch over what is sent to them: gateways that take only so much, and ask for passwords.

use ringback_message::{Request, Response, StatusCode};
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Stands before the target of a branch ([`Branch::gate`](crate::Branch::gate)). It answers at once and from memory; several
/// proxies may ask it at the same time.
pub trait Gate: Debug + Send + Sync {
    /// Lets a request in, ready to be sent but for Record-Route and Via, and may write header fields into it.
    ///
    /// # Errors
    /// Where it may not go there: the branch is over with this status, and the next one is tried.
    fn enter(&self, now: Instant, request: &mut Request) -> Result<(), StatusCode>;

    /// How long the target of an INVITE may be silent before the branch is given up as 408; as long as any other where nothing
    /// is said. 100 is no sign of life.
    fn patience(&self) -> Option<Duration>;

    /// The target refused the request with 401 or 407; says whether it was given what was asked for and is sent again.
    fn challenged(&self, response: &Response, request: &mut Request) -> bool;

    /// Whether the target's challenges are for the gate alone: one that it cannot answer is then told the sender as 500.
    fn hides_challenges(&self) -> bool;

    /// Whether the target is of the trust domain, wherever it is (RFC 3325 §2.3): it is told who callers are, and believed.
    fn is_trusted(&self) -> bool {
        false
    }

    /// A request that was let in is over: with the status of this final response, or with one of our making where none came.
    /// Says whether the next target is tried that stands in for this one. A gate that is dropped without this call was let
    /// down by the caller.
    fn left(&self, now: Instant, answer: Result<StatusCode, StatusCode>) -> bool;
}
