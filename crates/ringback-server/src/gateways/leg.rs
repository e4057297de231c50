//! One request on its way to a gateway, and the calls that come of them.

use super::Member;
use crate::shard::call_id;
use ringback_auth::Attempt;
use ringback_message::header::From;
use ringback_message::{Method, Request, Response, StatusCode};
use ringback_proxy::Gate;
use ringback_sansio::Map;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A call whose end nobody heard of is over after so long.
const LONGEST_CALL: Duration = Duration::from_secs(12 * 3_600);

/// The calls that are up, by Call-ID.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<Map<Box<[u8]>, Call>>);

/// A call with a gateway.
#[derive(Debug)]
struct Call {
    member: Arc<Member>,
    since: Instant,
    /// The tag of who called: he who sends under it sends to the gateway.
    caller: String,
}

impl Calls {
    fn begin(&self, call_id: &[u8], call: Call) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = calls.insert(call_id.into(), call) {
            before.member.end();
        }
    }

    /// The gateway that a request of a call goes to.
    pub(super) fn towards(&self, call_id: &[u8], request: &Request) -> Option<Arc<Member>> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let call = calls.get(call_id)?;
        (tag(request) == call.caller).then(|| call.member.clone())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether a call with a gateway is up.
    pub(super) fn has(&self, call_id: &[u8]) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(call_id)
    }

    pub(super) fn end(&self, call_id: &[u8]) {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(call_id);
        if let Some(call) = ended {
            call.member.end();
        }
    }

    /// Ends those that are too old to be up.
    pub(super) fn sweep(&self, now: Instant) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|_, call| {
            let is_up = now.saturating_duration_since(call.since) < LONGEST_CALL;
            if !is_up {
                call.member.end();
            }
            is_up
        });
    }
}

/// A request for a gateway.
#[derive(Debug)]
pub(super) struct Leg {
    member: Arc<Member>,
    calls: Arc<Calls>,
    call_id: Box<[u8]>,
    /// Whether it makes a call, which takes room.
    is_call: bool,
    /// Whether it takes room now.
    is_in: AtomicBool,
    caller: String,
    /// The challenges that were answered.
    attempt: Mutex<Attempt>,
}

/// The tag of From.
fn tag(request: &Request) -> String {
    let from = request.first::<From<'_>>().and_then(Result::ok);
    from.as_ref().and_then(|from| from.tag()).unwrap_or_default().to_owned()
}

impl Leg {
    pub(super) fn new(member: Arc<Member>, calls: Arc<Calls>, request: &Request) -> Self {
        Self {
            member,
            calls,
            call_id: call_id(request).into(),
            is_call: *request.method() == Method::INVITE,
            is_in: AtomicBool::new(false),
            caller: tag(request),
            attempt: Mutex::default(),
        }
    }

    fn leave(&self) -> bool {
        self.is_in.swap(false, Ordering::SeqCst)
    }
}

impl Gate for Leg {
    fn enter(&self, now: Instant, request: &mut Request) -> Result<(), StatusCode> {
        if self.is_call && !self.member.begin(now) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        self.is_in.store(self.is_call, Ordering::SeqCst);
        if let Some(trunk) = &self.member.trunk {
            trunk.preauthorize(request);
        }
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.member.timeout)
    }

    fn challenged(&self, response: &Response, request: &mut Request) -> bool {
        let mut attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        let trunk = self.member.trunk.as_ref();
        trunk.is_some_and(|trunk| trunk.authorize(&mut attempt, response, request))
    }

    fn hides_challenges(&self) -> bool {
        self.member.trunk.is_some()
    }

    fn is_trusted(&self) -> bool {
        self.member.is_trusted
    }

    fn left(&self, now: Instant, answer: Result<StatusCode, StatusCode>) -> bool {
        let was_in = self.leave();
        if let Ok(status) = answer
            && status.is_success()
        {
            if was_in {
                self.member.answered();
                let (member, caller) = (self.member.clone(), self.caller.clone());
                self.calls.begin(&self.call_id, Call { member, since: now, caller });
            }
            return false;
        }
        if was_in {
            self.member.end();
        }
        self.member.failed(now, answer)
    }
}

/// Whatever became of the request, it takes no room any more.
impl Drop for Leg {
    fn drop(&mut self) {
        if self.leave() {
            self.member.end();
        }
    }
}
