//! Responses upstream (RFC 3261 §16.7), and what ends a response context.

use crate::RoutePolicy;
use crate::best;
use crate::context::{Answered, AttemptState, Context};
use crate::privacy;
use crate::proxy::Proxy;
use ringback_message::header::{RetryAfter, Via};
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::{Entropy, Flow, Key as SlabKey};
use ringback_transaction::{ClientKey, ServerKey, Transactions};
use std::time::{Duration, Instant};

/// Why the other branches of an INVITE are taken back (RFC 3326 §3.1).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

impl Proxy {
    pub(crate) fn response<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        policy: &mut dyn RoutePolicy,
        client: ClientKey,
        from: &Flow,
        mut response: Box<Response>,
    ) {
        let status = response.status();
        // Our own Via is on top: the transaction layer matched by it.
        if let Some(restraint) = &self.config.restraint
            && let Some(Ok(via)) = response.first::<Via<'_>>()
        {
            restraint.told(now, from.peer, &via);
        }
        response.pop_front(HeaderId::VIA);
        let key = self.by_client.get(&client).copied();
        let found = key.and_then(|key| Some((key, self.contexts.get_mut(key)?)));
        let Some((key, context)) = found else {
            // The request's own transaction is over, but a 2xx to INVITE always goes on (rule 18).
            return self.forward_success(*response);
        };
        // RFC 3325 §5: who is not trusted asserts nothing, and is told nothing.
        if response.has(HeaderId::P_ASSERTED_IDENTITY) {
            let is_of_gate = context.attempt_of(client).is_some_and(|attempt| attempt.is_trusted());
            if !is_of_gate && !self.config.trusts(from.peer.ip()) {
                response.remove(HeaderId::P_ASSERTED_IDENTITY);
            } else if !self.config.trusts(context.flow.peer.ip()) {
                privacy::leave_domain(&mut response);
            }
        }
        if !response.has(HeaderId::VIA) {
            // §16.7 step 3: without a Via it is not for anybody upstream.
            if status.is_final() {
                self.finish_attempt(now, transactions, key, client, Err(StatusCode::BAD_GATEWAY));
            }
            return;
        }
        if status.is_provisional() {
            // The target works: it is this one that answers, well or badly.
            if let Some(attempt) = context.attempt_of(client) {
                attempt.instead = None;
            }
            // Rule 18: a 100 is for this hop only, and does not count as ringing.
            if status != StatusCode::TRYING {
                if let Some(gated) = context.attempt_of(client).and_then(|attempt| attempt.gated.as_mut()) {
                    gated.heard = true;
                }
                if self.timer_c.deadline(client).is_some() {
                    self.timer_c.set(client, now + self.config.timer_c);
                }
                if context.answered == Answered::No {
                    let _ = transactions.respond(now, context.server, *response);
                }
            }
        } else if status.is_success() {
            self.succeed(now, transactions, key, client, response);
        } else {
            if status == StatusCode::SERVICE_UNAVAILABLE {
                // Rule 10: whoever says for how long is left alone for so long.
                if let Some(Ok(RetryAfter { seconds, .. })) = response.first::<RetryAfter<'_>>() {
                    let to = context.target_of(client);
                    self.unavailable(to, Some(Duration::from_secs(seconds.into())));
                }
                if self.send_instead(now, transactions, key, client) {
                    return;
                }
            }
            if status.class() == 3 {
                self.recurse(now, policy, key, client, &mut response);
            }
            self.finish_attempt(now, transactions, key, client, Ok(response));
        }
    }

    /// Rule 18: every 2xx to INVITE goes on at once, whatever went before; of other methods the first final response.
    fn succeed<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        client: ClientKey,
        response: Box<Response>,
    ) {
        self.timer_c.cancel(client);
        let Some(context) = self.contexts.get_mut(key) else { return };
        if let Some(attempt) = context.attempt_of(client) {
            attempt.state = AttemptState::Done(Err(StatusCode::OK));
            attempt.to = None;
            if let Some(gated) = attempt.gated.take() {
                gated.gate.left(now, Ok(response.status()));
            }
        }
        if context.answered == Answered::Failure {
            // Its transaction takes no 2xx any more.
            return self.forward_success(*response);
        }
        if context.answered == Answered::Success && !context.is_invite {
            return;
        }
        let news = context.answered == Answered::No;
        context.answered = Answered::Success;
        let asleep = context.stop();
        if news && let Some(request) = transactions.server_request(context.server) {
            self.calls = self.calls.saturating_add_signed(change_of_calls(request));
        }
        if transactions.is_alive(context.server) {
            let _ = transactions.respond(now, context.server, *response);
        } else {
            self.forward_success(*response);
        }
        self.forget(asleep);
        if news {
            self.cancel_pending(now, transactions, key, Some(ELSEWHERE));
        }
        self.forget_answered(key);
    }

    /// Forgets a request other than INVITE of which everything has come that can. Copies are for the transactions.
    fn forget_answered(&mut self, key: SlabKey<Context>) {
        let over = |context: &&Context| {
            !context.is_invite && context.answered != Answered::No && !context.is_pending()
        };
        if let Some(context) = self.contexts.get(key).filter(over) {
            self.by_server.remove(&context.server);
            self.contexts.remove(key);
        }
    }

    /// Ends a branch with a response other than 2xx, or with a status of our own.
    pub(crate) fn finish_attempt<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        client: ClientKey,
        outcome: Result<Box<Response>, StatusCode>,
    ) {
        self.timer_c.cancel(client);
        if let Ok(response) = &outcome
            && best::is_challenge(response.status())
            && self.answer_challenge(now, transactions, key, client, response)
        {
            return;
        }
        let Some(context) = self.contexts.get_mut(key) else { return };
        let mut status = outcome.as_ref().map_or_else(|status| *status, |response| response.status());
        let index = context.index_of(client);
        let recursion = context.recursion.as_ref();
        let has_moved = recursion.zip(index).is_some_and(|(recursion, index)| recursion.has_moved(index));
        let mut goes_on = None;
        if let Some(attempt) = context.attempt_of(client) {
            let gated = attempt.gated.take();
            let given_up = status == StatusCode::REQUEST_TERMINATED
                && gated.as_ref().is_some_and(|gated| gated.given_up);
            let outcome = if given_up { Err(StatusCode::REQUEST_TIMEOUT) } else { outcome };
            let answer = outcome.as_ref().map(|response| response.status()).map_err(|status| *status);
            status = answer.unwrap_or_else(|own| own);
            let is_hidden = best::is_challenge(status)
                && gated.as_ref().is_some_and(|gated| gated.gate.hides_challenges());
            goes_on = gated.map(|gated| gated.gate.left(now, answer));
            let outcome = if is_hidden { Err(StatusCode::SERVER_INTERNAL_ERROR) } else { outcome };
            attempt.state = match outcome {
                // §16.7 step 4: a 3xx of which nothing is left is no candidate.
                Ok(response) if has_moved && !response.has(HeaderId::CONTACT) => AttemptState::Moved,
                outcome => AttemptState::Done(outcome),
            };
        }
        // RFC 5626 §7: after any other answer the same user agent is not asked again.
        if let (StatusCode::FLOW_FAILED | StatusCode::REQUEST_TIMEOUT, Some(index)) = (status, index) {
            self.try_other_flow(now, transactions, key, index);
        }
        let Some(context) = self.contexts.get_mut(key) else { return };
        if status.class() == 6 {
            // §16.7 step 5: nobody else is to be asked.
            let asleep = context.stop();
            self.forget(asleep);
            self.cancel_pending(now, transactions, key, None);
        } else if !goes_on.unwrap_or(status.class() == 5 || status == StatusCode::REQUEST_TIMEOUT) {
            context.later.retain(|branch| !branch.is_spare);
        }
        self.settle(now, transactions, key);
    }

    /// Answers upstream when all branches are over, or goes on to the next ones.
    pub(crate) fn settle<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
    ) {
        while let Some(context) = self.contexts.get_mut(key) {
            if context.answered != Answered::No || context.is_pending() {
                return;
            }
            if context.stopped || context.later.is_empty() {
                context.answered = Answered::Failure;
                let server = context.server;
                let best = context.best();
                let status = best.as_ref().map_or_else(|status| *status, Response::status);
                let request = transactions.server_request(server);
                if request.is_some_and(|request| *request.method() == Method::BYE)
                    && !best::is_challenge(status)
                {
                    // RFC 3261 §15.1.1: whatever is answered, the call is over.
                    self.calls = self.calls.saturating_sub(1);
                }
                match best {
                    Ok(response) => drop(transactions.respond(now, server, response)),
                    Err(status) => {
                        let later = (status == StatusCode::SERVICE_UNAVAILABLE)
                            .then(|| (HeaderId::RETRY_AFTER, "10".to_owned()));
                        self.refuse(now, transactions, server, (status, Vec::from_iter(later)));
                    }
                }
                return self.forget_answered(key);
            }
            self.try_next_group(now, transactions, key);
        }
    }

    /// CANCEL came from upstream (§16.10).
    pub(crate) fn cancelled<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        server: ServerKey,
        cancel: &Request,
    ) {
        let Some(key) = self.by_server.get(&server).copied() else {
            self.forget_undecided(server);
            // A request that the element itself is answering, or of which nothing is decided.
            return self.refuse(now, transactions, server, (StatusCode::REQUEST_TERMINATED, Vec::new()));
        };
        let Some(context) = self.contexts.get_mut(key) else { return };
        let asleep = context.stop();
        self.forget(asleep);
        // RFC 3326 §2: those further on are told why as well.
        let reason = cancel.values(HeaderId::REASON).next();
        let reason = reason.and_then(|reason| std::str::from_utf8(reason).ok());
        self.cancel_pending(now, transactions, key, reason);
        self.settle(now, transactions, key);
    }

    /// Whatever is decided about a request, it comes too late.
    fn forget_undecided(&mut self, server: ServerKey) {
        if let Some(waiting) = self.undecided.remove(&server) {
            self.waiting.remove(waiting);
        }
    }

    /// The transaction towards the sender is over, and with it the context: what still rings has nobody to ring for.
    pub(crate) fn server_ended<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        server: ServerKey,
    ) {
        self.forget_undecided(server);
        let Some(key) = self.by_server.remove(&server) else { return };
        self.cancel_pending(now, transactions, key, None);
        let Some(context) = self.contexts.remove(key) else { return };
        self.forget(context.asleep());
        for client in context.pending() {
            self.timer_c.cancel(client);
            self.by_client.remove(&client);
        }
    }
}

/// What a 2xx to this request means for how many calls are up.
fn change_of_calls(request: &Request) -> isize {
    match request.method() {
        method if *method == Method::INVITE && matches!(request.to_tag(), Ok(None)) => 1,
        method if *method == Method::BYE => -1,
        _ => 0,
    }
}
