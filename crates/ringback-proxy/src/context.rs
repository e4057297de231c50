//! The response context: one request, its branches and what came back (RFC 3261 §16).

use crate::proxy::Token;
use crate::recursion::Recursion;
use crate::{Branch, Gate, best};
use ringback_message::{Request, Response, StatusCode};
use ringback_sansio::{Flow, Target};
use ringback_transaction::{ClientKey, ServerKey};
use smallvec::SmallVec;
use std::sync::Arc;

/// One request on its way.
pub(crate) struct Context {
    pub(crate) server: ServerKey,
    /// How the request came.
    pub(crate) flow: Flow,
    /// The flow to take where the request is relayed: our Route named it.
    pub(crate) along: Option<Box<Flow>>,
    pub(crate) is_invite: bool,
    pub(crate) loop_hash: u64,
    /// The request with our Routes removed, while copies may still be made of it.
    pub(crate) template: Option<Box<Request>>,
    /// Targets that are tried when those before them have failed, the next one last.
    pub(crate) later: Vec<Branch>,
    pub(crate) attempts: SmallVec<[Attempt; 1]>,
    /// Where redirections are followed, what is known of them.
    pub(crate) recursion: Option<Box<Recursion>>,
    pub(crate) answered: Answered,
    /// Whether the policy named the targets. What a flow of theirs means is then told nobody (RFC 5626 §14.1).
    pub(crate) chosen: bool,
    /// CANCEL came from upstream, or a 2xx or 6xx from downstream: no new branches.
    pub(crate) stopped: bool,
    /// A branch was not sent, for its gate had no room or its next hop has too much to do.
    pub(crate) unsent: bool,
}

/// What final response went upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    No,
    Success,
    Failure,
}

/// One branch.
pub(crate) struct Attempt {
    pub(crate) state: AttemptState,
    /// Where it was sent last, until it has answered.
    pub(crate) to: Option<Box<Target>>,
    /// What to try where the target does not work, while nothing was heard of it.
    pub(crate) instead: Option<Box<Instead>>,
    /// The other flows to the same user agent.
    pub(crate) others: Option<Box<Others>>,
    pub(crate) gated: Option<Box<Gated>>,
}

/// A request that a gate has let in.
pub(crate) struct Gated {
    pub(crate) gate: Arc<dyn Gate>,
    /// As it was let in, to be sent again with a password.
    pub(crate) request: Box<Request>,
    /// It has rung, or otherwise shown that it works.
    pub(crate) heard: bool,
    /// It was given up before that, and its 487 means that nobody answered.
    pub(crate) given_up: bool,
}

/// What is left to try of the flows to one user agent.
pub(crate) struct Others {
    /// The request as it was before anything was written for the flow before.
    pub(crate) request: Box<Request>,
    pub(crate) flows: Vec<Branch>,
    pub(crate) share: Option<u32>,
}

/// The same request to other targets (RFC 3263 §4.3), each in a transaction of its own.
pub(crate) struct Instead {
    pub(crate) request: Box<Request>,
    /// The next one last.
    pub(crate) targets: SmallVec<[Target; 4]>,
}

pub(crate) enum AttemptState {
    /// Waits for a name to be resolved.
    Resolving,
    /// Waits for its device to wake up.
    Asleep(Token),
    /// Sent.
    Pending(ClientKey),
    /// Redirected to others, who are asked instead.
    Moved,
    /// Over, with this response, or with a status of our own making.
    Done(Result<Box<Response>, StatusCode>),
}

impl Attempt {
    /// Whether its target is of the trust domain by what its gate says.
    pub(crate) fn is_trusted(&self) -> bool {
        self.gated.as_ref().is_some_and(|gated| gated.gate.is_trusted())
    }

    pub(crate) fn new(state: AttemptState) -> Self {
        Self { state, to: None, instead: None, others: None, gated: None }
    }

    /// The beginning of one to a target that the policy named.
    pub(crate) fn to(branch: &Branch, request: &Request, share: Option<u32>) -> Self {
        let others = (!branch.other_flows.is_empty()).then(|| {
            let flows = branch.other_flows.clone();
            Box::new(Others { request: Box::new(request.clone()), flows, share })
        });
        Self { others, ..Self::new(AttemptState::Resolving) }
    }

    /// A branch that failed before it began.
    pub(crate) fn failed(status: StatusCode) -> Self {
        Self::new(AttemptState::Done(Err(status)))
    }
}

impl Context {
    /// Where the branch of this client was sent.
    pub(crate) fn target_of(&self, key: ClientKey) -> Option<Target> {
        self.attempts.get(self.index_of(key)?)?.to.as_deref().copied()
    }

    /// Whether some branch has no final response yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.attempts
            .iter()
            .any(|attempt| !matches!(attempt.state, AttemptState::Moved | AttemptState::Done(_)))
    }

    /// The branch that this client has no final response for yet.
    pub(crate) fn index_of(&self, key: ClientKey) -> Option<usize> {
        self.attempts
            .iter()
            .position(|attempt| matches!(attempt.state, AttemptState::Pending(own) if own == key))
    }

    pub(crate) fn attempt_of(&mut self, key: ClientKey) -> Option<&mut Attempt> {
        let index = self.index_of(key)?;
        self.attempts.get_mut(index)
    }

    /// The clients that have no final response yet.
    pub(crate) fn pending(&self) -> SmallVec<[ClientKey; 4]> {
        let pending = |attempt: &Attempt| match attempt.state {
            AttemptState::Pending(key) => Some(key),
            AttemptState::Resolving
            | AttemptState::Asleep(_)
            | AttemptState::Moved
            | AttemptState::Done(_) => None,
        };
        self.attempts.iter().filter_map(pending).collect()
    }

    /// Begins no new branches, and gives up those that wait for a name or for a device; gives under which tokens they waited for
    /// devices, which are to be forgotten.
    #[must_use]
    pub(crate) fn stop(&mut self) -> SmallVec<[Token; 2]> {
        self.stopped = true;
        self.later.clear();
        self.template = None;
        let asleep = self.asleep();
        for attempt in &mut self.attempts {
            if matches!(attempt.state, AttemptState::Resolving | AttemptState::Asleep(_)) {
                attempt.state = AttemptState::Done(Err(StatusCode::REQUEST_TERMINATED));
            }
        }
        asleep
    }

    /// The tokens of the branches that wait for devices.
    pub(crate) fn asleep(&self) -> SmallVec<[Token; 2]> {
        let asleep = |attempt: &Attempt| match attempt.state {
            AttemptState::Asleep(token) => Some(token),
            _ => None,
        };
        self.attempts.iter().filter_map(asleep).collect()
    }

    /// The targets to try next: all that share the highest preference.
    pub(crate) fn next_group(&mut self) -> SmallVec<[Branch; 2]> {
        let mut group = SmallVec::new();
        let Some(first) = self.later.pop() else { return group };
        let q = first.q;
        group.push(first);
        while let Some(next) = self.later.pop_if(|branch| branch.q == q) {
            group.push(next);
        }
        group
    }

    /// Takes the best of what came back; an error is a status of our own making.
    pub(crate) fn best(&mut self) -> Result<Response, StatusCode> {
        let done = self.attempts.iter().enumerate().filter_map(|(index, attempt)| match &attempt.state {
            AttemptState::Done(Ok(response)) => Some((index, response.status())),
            AttemptState::Done(Err(status)) => Some((index, *status)),
            AttemptState::Resolving
            | AttemptState::Asleep(_)
            | AttemptState::Pending(_)
            | AttemptState::Moved => None,
        });
        let chosen = done.reduce(|old, new| if best::is_better(new.1, old.1) { new } else { old });
        // Nobody to ask.
        let Some((index, status)) = chosen else { return Err(StatusCode::TEMPORARILY_UNAVAILABLE) };
        // Rule 18: 503 would tell upstream that this proxy is in trouble, and it is not.
        // Where there was no room to send it on, it is, for this request.
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(if self.unsent { status } else { StatusCode::SERVER_INTERNAL_ERROR });
        }
        if status == StatusCode::FLOW_FAILED && self.chosen {
            return Err(StatusCode::TEMPORARILY_UNAVAILABLE);
        }
        let taken = AttemptState::Done(Err(status));
        match std::mem::replace(&mut self.attempts[index].state, taken) {
            AttemptState::Done(Ok(mut response)) => {
                let others = self.attempts.iter().filter_map(|attempt| match &attempt.state {
                    AttemptState::Done(Ok(other)) => Some(&**other),
                    AttemptState::Done(Err(_))
                    | AttemptState::Resolving
                    | AttemptState::Asleep(_)
                    | AttemptState::Pending(_)
                    | AttemptState::Moved => None,
                });
                best::aggregate(&mut response, others);
                Ok(*response)
            }
            AttemptState::Done(Err(_))
            | AttemptState::Resolving
            | AttemptState::Asleep(_)
            | AttemptState::Pending(_)
            | AttemptState::Moved => Err(status),
        }
    }
}
