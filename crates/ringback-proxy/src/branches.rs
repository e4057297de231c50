//! Branches downstream: how they begin, fail and are taken back (RFC 3261 §16.6, §16.8 to §16.10).

use crate::checks::{Suffix, breadth};
use crate::context::{Answered, Attempt, AttemptState, Context, Gated, Instead, Others};
use crate::proxy::{Proxy, ProxyOutput, Token, Waiting};
use crate::{Branch, forward, history, privacy, wake};
use ringback_message::{HeaderId, Request, Response, StatusCode};
use ringback_sansio::{Entropy, Key as SlabKey, Target};
use ringback_transaction::{ClientKey, End, Transactions};
use ringback_transport::locate::{LocateError, NextHop};
use smallvec::SmallVec;
use std::time::{Duration, Instant};

impl Proxy {
    /// Begins the branches to all targets of the highest preference that is left.
    pub(crate) fn try_next_group<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let group = context.next_group();
        let Some(template) = context.template.take() else { return };
        let share = breadth(&template) / (group.len() as u32).max(1);
        if share == 0 {
            // Rule 19: there is not one for each.
            context.attempts.push(Attempt::failed(StatusCode::MAX_BREADTH_EXCEEDED));
            context.later.clear();
            return;
        }
        for branch in &group {
            self.attempt(now, transactions, key, template.clone(), Some(branch), Some(share));
        }
        if let Some(context) = self.contexts.get_mut(key)
            && (!context.later.is_empty() || context.recursion.is_some())
        {
            context.template = Some(template);
        }
    }

    /// Begins one branch.
    pub(crate) fn attempt<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        request: Box<Request>,
        branch: Option<&Branch>,
        share: Option<u32>,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let index = context.attempts.len();
        context.attempts.push(match branch {
            Some(branch) => Attempt::to(branch, &request, share),
            None => Attempt::new(AttemptState::Resolving),
        });
        if let (Some(recursion), Some(branch)) = (&mut context.recursion, branch) {
            recursion.asks(index, &branch.uri);
        }
        match branch.and_then(|branch| branch.wake.as_ref()).filter(|_| wake::is_waiting_for(&request)) {
            Some(device) => self.sleep(now, (key, index), request, device, share),
            None => self.attempt_at(now, transactions, (key, index), request, branch, share),
        }
    }

    /// The same for a branch that has its place already.
    pub(crate) fn attempt_at<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        (key, index): (SlabKey<Context>, usize),
        mut request: Box<Request>,
        branch: Option<&Branch>,
        share: Option<u32>,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let along = context.along.as_deref().copied().filter(|_| branch.is_none());
        let was_for = branch
            .filter(|_| history::is_wanted(&request))
            .and_then(|_| Some(request.uri().ok()?.to_owned()));
        let mut hop = forward::prepare(&mut request, branch, share, self.config.realm.as_deref());
        if let (Ok(_), Some(was_for)) = (&hop, was_for) {
            let way = match (&context.recursion, branch) {
                (Some(recursion), Some(branch)) => recursion.way_to(&branch.uri),
                _ => Vec::new(),
            };
            hop = history::add(&mut request, &was_for, index + 1, &way).map_err(forward::status_of).and(hop);
        }
        if let (Ok(_), Some(gate)) = (&hop, branch.and_then(|branch| branch.gate.as_ref())) {
            match gate.enter(now, &mut request) {
                Ok(()) => {
                    let gated =
                        Gated { gate: gate.clone(), request: request.clone(), heard: false, given_up: false };
                    context.attempts[index].gated = Some(Box::new(gated));
                }
                Err(status) => {
                    context.unsent |= status == StatusCode::SERVICE_UNAVAILABLE;
                    hop = Err(status);
                }
            }
        }
        match hop.map(|hop| forward::along(hop, along)) {
            Ok(NextHop::Known(to)) => self.send(now, transactions, key, index, request, &[to]),
            Ok(hop) => {
                let token = self.wait(Waiting::Attempt(key, index, request));
                self.outputs.push_back(ProxyOutput::Resolve(token, hop));
            }
            Err(status) => context.attempts[index] = Attempt::failed(status),
        }
    }

    /// Sends a branch to the first of its targets, which are there, and keeps the others for when that does not work.
    fn send<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        index: usize,
        request: Box<Request>,
        targets: &[Target],
    ) {
        let mut ways: SmallVec<[Target; 4]> = SmallVec::new();
        for target in targets.iter().rev() {
            // Rule 11: back to UDP where TCP, chosen for the size alone, is refused.
            ways.push(*target);
            let by_size = forward::by_size(&request, &self.config, transactions.locals(), *target);
            if by_size != *target {
                ways.push(by_size);
            }
        }
        let Some(first) = ways.pop() else { return };
        let instead =
            (!ways.is_empty()).then(|| Box::new(Instead { request: request.clone(), targets: ways }));
        self.send_by(now, transactions, key, index, request, first);
        if let Some(attempt) = self.contexts.get_mut(key).and_then(|context| context.attempts.get_mut(index))
        {
            attempt.instead = instead;
        }
    }

    /// Goes on to the next flow of the user agent that a branch was for, where it is known that the one before led nowhere.
    pub(crate) fn try_other_flow<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        index: usize,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let is_over = context.stopped || context.answered != Answered::No;
        let others = context.attempts.get_mut(index).and_then(|attempt| attempt.others.take());
        let Some(Others { request, mut flows, share }) = others.map(|others| *others) else { return };
        if is_over || flows.is_empty() {
            return;
        }
        let mut next = flows.remove(0);
        next.other_flows = flows;
        self.attempt(now, transactions, key, request, Some(&next), share);
    }

    /// Sends a branch again that was refused with a challenge which its gate can answer; says whether it did.
    pub(crate) fn answer_challenge<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        client: ClientKey,
        response: &Response,
    ) -> bool {
        let Some(context) = self.contexts.get_mut(key).filter(|context| !context.stopped) else {
            return false;
        };
        let Some(index) = context.index_of(client) else { return false };
        let Some(Attempt { to: Some(to), gated: Some(gated), .. }) = context.attempts.get_mut(index) else {
            return false;
        };
        if !gated.gate.challenged(response, &mut gated.request) {
            return false;
        }
        let (request, to) = (gated.request.clone(), **to);
        self.timer_c.cancel(client);
        self.by_client.remove(&client);
        self.send_by(now, transactions, key, index, request, to);
        self.settle(now, transactions, key);
        true
    }

    /// Rule 10: tries the next target of a branch under a new branch parameter; `false` when there is none.
    pub(crate) fn send_instead<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        client: ClientKey,
    ) -> bool {
        let Some(context) = self.contexts.get_mut(key).filter(|context| !context.stopped) else {
            return false;
        };
        let Some(index) = context.index_of(client) else { return false };
        let Some(mut instead) = context.attempts[index].instead.take() else { return false };
        let Some(to) = instead.targets.pop() else { return false };
        self.timer_c.cancel(client);
        let request = if instead.targets.is_empty() {
            instead.request
        } else {
            let request = instead.request.clone();
            context.attempts[index].instead = Some(instead);
            request
        };
        self.send_by(now, transactions, key, index, request, to);
        self.settle(now, transactions, key);
        true
    }

    fn send_by<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        index: usize,
        mut request: Box<Request>,
        to: Target,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let restraint = self.config.restraint.as_ref();
        if restraint.is_some_and(|restraint| restraint.holds_back(now, to.peer(), &request)) {
            context.unsent = true;
            if let Some(attempt) = context.attempts.get_mut(index) {
                attempt.state = AttemptState::Done(Err(StatusCode::SERVICE_UNAVAILABLE));
                if let Some(gated) = attempt.gated.take() {
                    gated.gate.left(now, Err(StatusCode::SERVICE_UNAVAILABLE));
                }
            }
            return;
        }
        let suffix = Suffix::new(context.loop_hash);
        // RFC 3325 §5: at the edge of the trust domain identities are left behind.
        let attempt = context.attempts.get(index);
        if !attempt.is_some_and(Attempt::is_trusted) && !self.config.trusts(to.peer().ip()) {
            privacy::leave_domain(&mut request);
        }
        let (key_of_tokens, from) = (self.flow_key, context.flow);
        let locals = transactions.locals();
        let sent = forward::path(&mut request, key_of_tokens, &self.config, locals, &from, &to)
            .and_then(|()| {
                forward::record_route(&mut request, key_of_tokens, &self.config, locals, &from, &to)
            })
            .map_err(forward::status_of)
            .and_then(|()| {
                let sent = transactions.request_with_branch(now, to, *request, suffix.as_str());
                sent.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
            });
        let Some(attempt) = context.attempts.get_mut(index) else { return };
        attempt.to = Some(Box::new(to));
        match sent {
            Ok(client) => {
                attempt.state = AttemptState::Pending(client);
                self.by_client.insert(client, key);
                if context.is_invite {
                    let patience = attempt.gated.as_ref().and_then(|gated| gated.gate.patience());
                    self.timer_c.set(client, now + patience.unwrap_or(self.config.timer_c));
                }
            }
            Err(status) => attempt.state = AttemptState::Done(Err(status)),
        }
    }

    /// Takes the targets that a name stands for, best first, or why there are none. A name that leads nowhere is answered 404
    /// where it stood in the Request-URI and 502 where a Route named it, one that cannot be looked up at the moment 480: 503
    /// would say that we, and not the one domain, are out of order (RFC 3261 §16.7 step 6, §21.4.5, §21.4.18).
    pub fn resolved<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        token: Token,
        found: Result<&[Target], LocateError>,
    ) {
        let now = self.clamp(now);
        let found = found.and_then(|targets| match targets.first() {
            Some(first) => Ok((first, targets)),
            None => Err(LocateError::NotFound),
        });
        match (self.waiting.remove(token.0), found) {
            (Some(Waiting::Attempt(key, index, request)), found) => {
                let Some(context) = self.contexts.get_mut(key) else { return };
                let Some(attempt) = context.attempts.get_mut(index) else { return };
                // It is Done when the request was taken back meanwhile.
                if !matches!(attempt.state, AttemptState::Resolving) {
                    return;
                }
                match found {
                    Ok((_, targets)) => self.send(now, transactions, key, index, request, targets),
                    Err(error) => {
                        let status = status_of(error, &request);
                        attempt.state = AttemptState::Done(Err(status));
                        if let Some(gated) = attempt.gated.take() {
                            gated.gate.left(now, Err(status));
                        }
                        self.try_other_flow(now, transactions, key, index);
                    }
                }
                self.settle(now, transactions, key);
            }
            (Some(Waiting::Stateless(request, branch)), Ok((to, _))) => {
                self.send_stateless(transactions, request, *to, branch);
            }
            (Some(Waiting::Stateless(..) | Waiting::Decision(_) | Waiting::Asleep(_)) | None, _) => {}
        }
    }

    pub(crate) fn client_ended<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        client: ClientKey,
        end: End,
    ) {
        self.timer_c.cancel(client);
        let Some(key) = self.by_client.remove(&client) else { return };
        let to = self.contexts.get(key).and_then(|context| context.target_of(client));
        let is_flow = matches!(to, Some(Target::Flow(flow)) if flow.protocol.is_reliable());
        let is_along = self.contexts.get(key).is_some_and(|context| context.along.is_some());
        if matches!(end, End::TransportFailed(_) | End::TimedOut) {
            self.unavailable(to, None);
        }
        let status = match end {
            // RFC 5626 §5.3.1: only whoever made a connection can make it anew. Where our Route named it, that is said;
            // a user who registered over it is not there.
            End::TransportFailed(_) if is_flow && is_along => StatusCode::FLOW_FAILED,
            End::TransportFailed(_) if is_flow => StatusCode::TEMPORARILY_UNAVAILABLE,
            End::TransportFailed(_) => StatusCode::SERVICE_UNAVAILABLE,
            End::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::SERVER_INTERNAL_ERROR,
        };
        if self.send_instead(now, transactions, key, client) {
            return;
        }
        if matches!(end, End::TransportFailed(_))
            && let Some(index) = self.contexts.get(key).and_then(|context| context.index_of(client))
        {
            self.try_other_flow(now, transactions, key, index);
        }
        self.finish_attempt(now, transactions, key, client, Err(status));
    }

    /// Tells that a target did not work, where another one could be chosen the next time.
    pub(crate) fn unavailable(&mut self, target: Option<Target>, retry_after: Option<Duration>) {
        if let Some(target @ (Target::Address(..) | Target::Domain(..))) = target {
            self.outputs.push_back(ProxyOutput::Unavailable(target, retry_after));
        }
    }

    /// Takes back all branches that have no final response.
    pub(crate) fn cancel_pending<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        reason: Option<&str>,
    ) {
        let Some(context) = self.contexts.get(key).filter(|context| context.is_invite) else { return };
        for client in context.pending() {
            // Gone means that its final response is on its way up already.
            let _ = transactions.cancel(now, client, reason);
        }
    }
}

/// What a name that has no targets means for the request.
fn status_of(error: LocateError, request: &Request) -> StatusCode {
    match error {
        LocateError::NotFound | LocateError::NotOffered if request.has(HeaderId::ROUTE) => {
            StatusCode::BAD_GATEWAY
        }
        LocateError::NotFound | LocateError::NotOffered => StatusCode::NOT_FOUND,
        LocateError::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::TEMPORARILY_UNAVAILABLE,
    }
}
