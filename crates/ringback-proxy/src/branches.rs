//! Branches downstream: how they begin, fail and are taken back (RFC 3261 §16.6, §16.8 to §16.10).

use crate::checks::{Suffix, breadth};
use crate::context::{Attempt, AttemptState, Context};
use crate::proxy::{Proxy, ProxyOutput, Token, Waiting};
use crate::{Branch, forward};
use ringback_message::{Request, StatusCode};
use ringback_sansio::{Entropy, Key as SlabKey, Target};
use ringback_transaction::{ClientKey, End, Transactions};
use ringback_transport::locate::NextHop;
use std::time::Instant;

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
            self.attempt(now, transactions, key, (*template).clone(), Some(branch), Some(share));
        }
        if let Some(context) = self.contexts.get_mut(key)
            && !context.later.is_empty()
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
        mut request: Request,
        branch: Option<&Branch>,
        share: Option<u32>,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let index = context.attempts.len();
        context.attempts.push(Attempt::new(AttemptState::Resolving));
        match forward::prepare(&mut request, branch, share, self.config.realm.as_deref()) {
            Ok(NextHop::Known(to)) => self.send(now, transactions, key, index, request, to),
            Ok(hop) => {
                let token = self.wait(Waiting::Attempt(key, index, Box::new(request)));
                self.outputs.push_back(ProxyOutput::Resolve(token, hop));
            }
            Err(status) => context.attempts[index] = Attempt::failed(status),
        }
    }

    /// Sends a branch to the first choice of transport.
    fn send<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        index: usize,
        request: Request,
        to: Target,
    ) {
        let by_size = forward::by_size(&request, &self.config, transactions.locals(), to);
        let fallback = (by_size != to).then(|| Box::new((to, request.clone())));
        self.send_by(now, transactions, key, index, request, by_size);
        if let Some(attempt) = self.contexts.get_mut(key).and_then(|context| context.attempts.get_mut(index))
        {
            attempt.fallback = fallback;
        }
    }

    fn send_by<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        index: usize,
        mut request: Request,
        to: Target,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let suffix = Suffix::new(context.loop_hash);
        let sent =
            forward::record_route(&mut request, &self.config, transactions.locals(), &context.flow, &to)
                .map_err(forward::status_of)
                .and_then(|()| {
                    let sent = transactions.request_with_branch(now, to, request, suffix.as_str());
                    sent.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
                });
        let Some(attempt) = context.attempts.get_mut(index) else { return };
        match sent {
            Ok(client) => {
                attempt.state = AttemptState::Pending(client);
                self.by_client.insert(client, key);
                if context.is_invite {
                    self.timer_c.set(client, now + self.config.timer_c);
                }
            }
            Err(status) => attempt.state = AttemptState::Done(Err(status)),
        }
    }

    /// Takes the addresses of a name; none when there are none.
    pub fn resolved<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        token: Token,
        targets: &[Target],
    ) {
        let now = self.clamp(now);
        match (self.waiting.remove(token.0), targets.first()) {
            (Some(Waiting::Attempt(key, index, request)), target) => {
                let Some(context) = self.contexts.get_mut(key) else { return };
                let Some(attempt) = context.attempts.get_mut(index) else { return };
                // It is Done when the request was taken back meanwhile.
                if !matches!(attempt.state, AttemptState::Resolving) {
                    return;
                }
                match target {
                    Some(to) => self.send(now, transactions, key, index, *request, *to),
                    None => attempt.state = AttemptState::Done(Err(StatusCode::BAD_GATEWAY)),
                }
                self.settle(now, transactions, key);
            }
            (Some(Waiting::Stateless(request, branch)), Some(to)) => {
                self.send_stateless(transactions, *request, *to, branch);
            }
            (Some(Waiting::Stateless(..)) | None, _) => {}
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
        let Some(context) = self.contexts.get_mut(key) else { return };
        let is_it = |attempt: &Attempt| matches!(attempt.state, AttemptState::Pending(own) if own == client);
        let Some(index) = context.attempts.iter().position(is_it) else { return };
        let stopped = context.stopped;
        let status = match end {
            End::TransportFailed(_) => {
                if let Some(fallback) = context.attempts[index].fallback.take_if(|_| !stopped) {
                    // Rule 11: back to UDP where TCP is refused.
                    let (to, request) = *fallback;
                    self.send_by(now, transactions, key, index, request, to);
                    return self.settle(now, transactions, key);
                }
                StatusCode::SERVICE_UNAVAILABLE
            }
            End::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::SERVER_INTERNAL_ERROR,
        };
        self.finish_attempt(now, transactions, key, client, Err(status));
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
