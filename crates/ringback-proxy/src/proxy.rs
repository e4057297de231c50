//! The proxy: requests forward, responses back.

use crate::checks::{self, Refusal};
use crate::context::{Attempt, AttemptState, Context};
use crate::forward::{self, Copy};
use crate::{Branch, Decision, Hop, ProxyConfig, RoutePolicy, routes};
use bytes::Bytes;
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::{Entropy, Flow, Hasher, Key as SlabKey, Map, Slab, Target, TimerQueue};
use ringback_transaction::{ClientKey, End, Key, ServerKey, TransactionOutput, Transactions};
use ringback_transport::locate::NextHop;
use std::collections::VecDeque;
use std::time::Instant;

/// What the proxy wants done.
#[derive(Debug)]
pub enum ProxyOutput {
    /// Send these bytes; a failure goes back to the transactions under `key`.
    Transmit {
        /// Whom to tell when it fails.
        key: Option<Key>,
        /// Where to.
        to: Target,
        /// The message.
        bytes: Bytes,
    },
    /// A request for the element itself. Answer it through the transactions.
    Local(ServerKey, Flow, Request),
    /// Resolve a name, and answer with [`Proxy::resolved`].
    Resolve(Token, NextHop),
}

/// Names a question of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(SlabKey<Waiting>);

/// What waits for a name.
#[derive(Debug)]
pub(crate) enum Waiting {
    Attempt(SlabKey<Context>, usize, Box<Request>),
    Stateless(Box<Request>, String),
}

/// A transaction-stateful proxy.
pub struct Proxy {
    pub(crate) config: ProxyConfig,
    hasher: Hasher,
    contexts: Slab<Context>,
    by_server: Map<ServerKey, SlabKey<Context>>,
    by_client: Map<ClientKey, SlabKey<Context>>,
    /// Timer C of each INVITE that rings (rule 17).
    timer_c: TimerQueue<ClientKey>,
    pub(crate) waiting: Slab<Waiting>,
    pub(crate) outputs: VecDeque<ProxyOutput>,
}

impl Proxy {
    /// A proxy without requests in progress.
    pub fn new(config: ProxyConfig) -> Self {
        Self {
            config,
            hasher: Hasher::default(),
            contexts: Slab::new(),
            by_server: Map::default(),
            by_client: Map::default(),
            timer_c: TimerQueue::new(),
            waiting: Slab::new(),
            outputs: VecDeque::new(),
        }
    }

    /// How many requests are in progress.
    pub fn len(&self) -> usize {
        self.contexts.len()
    }

    /// Whether nothing is in progress and nothing waits.
    pub fn is_empty(&self) -> bool {
        self.contexts.is_empty()
            && self.waiting.is_empty()
            && self.timer_c.is_empty()
            && self.by_client.is_empty()
    }

    /// Takes one output of the transaction layer.
    pub fn handle<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        policy: &mut dyn RoutePolicy,
        output: TransactionOutput,
    ) {
        match output {
            TransactionOutput::Transmit { key, to, bytes } => {
                self.outputs.push_back(ProxyOutput::Transmit { key, to, bytes });
            }
            TransactionOutput::Request(key, flow, request) => {
                self.request(now, transactions, policy, key, flow, request);
            }
            TransactionOutput::Cancelled(key, _) => self.cancelled(now, transactions, key),
            TransactionOutput::Response(key, _, response) => self.response(now, transactions, key, response),
            TransactionOutput::Stray(flow, message) => self.stray(transactions, &flow, message),
            TransactionOutput::Ended(Key::Client(key), end) => self.client_ended(now, transactions, key, end),
            TransactionOutput::Ended(Key::Server(key), _) => self.server_ended(now, transactions, key),
        }
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<ProxyOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timer_c.next()
    }

    /// Gives up on what rang too long (rule 17): CANCEL where something was heard, else the branch counts as 408.
    pub fn handle_timeout<E: Entropy>(&mut self, now: Instant, transactions: &mut Transactions<E>) {
        while let Some(key) = self.timer_c.pop_expired(now) {
            if transactions.cancel(now, key, None).is_err() {
                self.finish_attempt(now, transactions, key, Err(StatusCode::REQUEST_TIMEOUT));
            }
        }
    }

    fn refuse<E: Entropy>(
        now: Instant,
        transactions: &mut Transactions<E>,
        key: ServerKey,
        request: &Request,
        refusal: Refusal,
    ) {
        let (status, headers) = refusal;
        let tag = format!("{:x}", key.to_bits() ^ 0x5bd1_e995_0000);
        let reply = headers
            .into_iter()
            .fold(request.reply(status, Some(&tag)), |reply, (id, value)| reply.header(id, value));
        if let Ok(reply) = reply.build() {
            // Gone means that nobody waits for the answer any more.
            let _ = transactions.respond(now, key, reply);
        }
    }

    fn request<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        policy: &mut dyn RoutePolicy,
        key: ServerKey,
        flow: Flow,
        mut request: Request,
    ) {
        if *request.method() == Method::CANCEL {
            // Rule 14: it matches nothing here.
            return Self::refuse(
                now,
                transactions,
                key,
                &request,
                (StatusCode::CALL_DOES_NOT_EXIST, Vec::new()),
            );
        }
        let loop_hash = checks::loop_hash(self.hasher, &request);
        let Ok(own_route) = routes::preprocess(&mut request, &self.config.ownership) else {
            return Self::refuse(now, transactions, key, &request, (StatusCode::BAD_REQUEST, Vec::new()));
        };
        let own_uri =
            request.uri().is_ok_and(|uri| uri.as_sip().is_some_and(|uri| self.config.ownership.is_me(uri)));
        let refusal = checks::check(&request, loop_hash, transactions.locals(), own_uri);
        if let Err(refusal) = refusal {
            return Self::refuse(now, transactions, key, &request, refusal);
        }
        match policy.route(now, &request, Hop { flow: &flow, own_route, own_uri }) {
            Decision::Local => self.outputs.push_back(ProxyOutput::Local(key, flow, request)),
            Decision::Reject(status, headers) => {
                Self::refuse(now, transactions, key, &request, (status, headers))
            }
            Decision::Redirect(contacts) => {
                let contacts = contacts.iter().map(|uri| (HeaderId::CONTACT, format!("<{uri}>"))).collect();
                Self::refuse(now, transactions, key, &request, (StatusCode::MOVED_TEMPORARILY, contacts));
            }
            Decision::Forward(branches) => {
                self.open(now, transactions, key, flow, request, loop_hash, Some(branches.into_vec()));
            }
            Decision::Relay => self.open(now, transactions, key, flow, request, loop_hash, None),
        }
    }

    /// Opens a response context; without targets the request goes where Route and Request-URI lead.
    #[expect(clippy::too_many_arguments, reason = "the parts of one context, named once")]
    fn open<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        server: ServerKey,
        flow: Flow,
        request: Request,
        loop_hash: u64,
        branches: Option<Vec<Branch>>,
    ) {
        if self.contexts.len() >= self.config.max_contexts {
            let later = vec![(HeaderId::RETRY_AFTER, "10".to_owned())];
            return Self::refuse(
                now,
                transactions,
                server,
                &request,
                (StatusCode::SERVICE_UNAVAILABLE, later),
            );
        }
        let relay = branches.is_none();
        let mut later = branches.unwrap_or_default();
        later.sort_by_key(|branch| branch.q);
        // The ones that are preferred most stand last and stay.
        let excess = later.len().saturating_sub(self.config.max_branches);
        later.drain(..excess);
        let context = Context {
            server,
            flow,
            request,
            loop_hash,
            later,
            attempts: smallvec::SmallVec::new(),
            answered: false,
            stopped: false,
        };
        let key = self.contexts.insert(context);
        self.by_server.insert(server, key);
        if relay {
            self.attempt(now, transactions, key, None, None);
            self.settle(now, transactions, key);
        } else {
            self.try_next_group(now, transactions, key);
        }
    }

    fn try_next_group<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let group = context.next_group();
        let total = group.len() + context.later.len();
        let breadth = checks::max_breadth(&context.request);
        let share = if total > 1 { Some(breadth.unwrap_or(60) / group.len() as u32) } else { None };
        if share == Some(0) {
            // Rule 19: there is not one for each.
            context.attempts.push(Attempt {
                state: AttemptState::Done(Err(StatusCode::MAX_BREADTH_EXCEEDED)),
                fallback: None,
            });
            context.later.clear();
        } else {
            for branch in &group {
                self.attempt(now, transactions, key, Some(branch), share);
            }
        }
        self.settle(now, transactions, key);
    }

    /// Starts one branch.
    fn attempt<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        branch: Option<&Branch>,
        share: Option<u32>,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let index = context.attempts.len();
        let made = forward::copy(&context.request, branch, share);
        context.attempts.push(Attempt { state: AttemptState::Resolving, fallback: None });
        match made {
            Ok(Copy { request, hop: NextHop::Known(to) }) => {
                self.send(now, transactions, key, index, request, to)
            }
            Ok(Copy { request, hop }) => {
                let token = self.wait(Waiting::Attempt(key, index, Box::new(request)));
                self.outputs.push_back(ProxyOutput::Resolve(token, hop));
            }
            Err(status) => context.attempts[index].state = AttemptState::Done(Err(status)),
        }
    }

    fn send<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        index: usize,
        mut request: Request,
        to: Target,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        let suffix = checks::suffix(context.loop_hash);
        let sized = if self.config.large_by_tcp { forward::by_size(&request, to) } else { to };
        let fallback = (sized != to).then(|| Box::new((to, request.clone())));
        let sent =
            forward::record_route(&mut request, &self.config, transactions.locals(), &context.flow, &sized)
                .map_err(forward::status_of)
                .and_then(|()| {
                    let sent = transactions.request_with_branch(now, sized, request, &suffix);
                    sent.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
                });
        let Some(attempt) = context.attempts.get_mut(index) else { return };
        attempt.fallback = fallback;
        match sent {
            Ok(client) => {
                attempt.state = AttemptState::Pending(client);
                let invite = *context.request.method() == Method::INVITE;
                self.by_client.insert(client, key);
                if invite {
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
        match (self.waiting.remove(token.0), targets.first()) {
            (Some(Waiting::Attempt(key, index, request)), target) => {
                let Some(context) = self.contexts.get_mut(key) else { return };
                match target {
                    Some(to) if !context.stopped => self.send(now, transactions, key, index, *request, *to),
                    _ => {
                        if let Some(attempt) = context.attempts.get_mut(index) {
                            let status = if context.stopped {
                                StatusCode::REQUEST_TERMINATED
                            } else {
                                StatusCode::BAD_GATEWAY
                            };
                            attempt.state = AttemptState::Done(Err(status));
                        }
                    }
                }
                self.settle(now, transactions, key);
            }
            (Some(Waiting::Stateless(request, branch)), Some(to)) => {
                self.send_stateless(transactions, *request, *to, &branch);
            }
            (Some(Waiting::Stateless(..)) | None, _) => {}
        }
    }

    pub(crate) fn wait(&mut self, waiting: Waiting) -> Token {
        Token(self.waiting.insert(waiting))
    }

    fn response<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        client: ClientKey,
        mut response: Response,
    ) {
        let status = response.status();
        // Our own Via is on top: the transaction layer matched by it.
        response.pop_front(HeaderId::VIA);
        let Some(key) = self.by_client.get(&client).copied() else {
            // The request's own transaction is over, but a 2xx always goes on (rule 18).
            if status.is_success() {
                self.forward_response(response);
            }
            return;
        };
        let Some(context) = self.contexts.get_mut(key) else { return };
        let invite = *context.request.method() == Method::INVITE;
        if status.is_provisional() {
            if invite && self.timer_c.deadline(client).is_some() && status != StatusCode::TRYING {
                self.timer_c.set(client, now + self.config.timer_c);
            }
            if let Some(attempt) = context.attempt_of(client) {
                attempt.fallback = None;
            }
            // Rule 18: a 100 is for this hop only.
            if status != StatusCode::TRYING && !context.answered {
                let _ = transactions.respond(now, context.server, response);
            }
            return;
        }
        if !status.is_success() {
            return self.finish_attempt(now, transactions, client, Ok(Box::new(response)));
        }
        self.timer_c.cancel(client);
        let server = context.server;
        if let Some(attempt) = context.attempt_of(client) {
            attempt.state = AttemptState::Done(Err(StatusCode::OK));
        }
        // Rule 18: every 2xx to INVITE at once, whatever went before; of other methods the first final response.
        if invite || !context.answered {
            context.answered = true;
            context.stopped = true;
            context.later.clear();
            if transactions.respond(now, server, response.clone()).is_err() {
                self.forward_response(response);
            }
        }
        self.cancel_pending(now, transactions, key, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    }

    /// Ends a branch with a response other than 2xx, or with a status of our own.
    fn finish_attempt<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        client: ClientKey,
        outcome: Result<Box<Response>, StatusCode>,
    ) {
        self.timer_c.cancel(client);
        let Some(key) = self.by_client.get(&client).copied() else { return };
        let Some(context) = self.contexts.get_mut(key) else { return };
        let status = outcome.as_ref().map_or_else(|status| *status, |response| response.status());
        if let Some(attempt) = context.attempt_of(client) {
            attempt.state = AttemptState::Done(outcome);
        }
        if status.class() == 6 {
            // RFC 3261 §16.7 step 5: nobody else is to be asked.
            context.stopped = true;
            context.later.clear();
            self.cancel_pending(now, transactions, key, None);
        }
        self.settle(now, transactions, key);
    }

    /// Answers upstream when all branches are over, or goes on to the next ones.
    fn settle<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
    ) {
        let Some(context) = self.contexts.get_mut(key) else { return };
        if context.answered || context.is_pending() {
            return;
        }
        if !context.stopped && !context.later.is_empty() {
            return self.try_next_group(now, transactions, key);
        }
        context.answered = true;
        let server = context.server;
        match context.best() {
            Ok(response) => {
                let _ = transactions.respond(now, server, response);
            }
            Err(status) => {
                let request = context.request.clone();
                Self::refuse(now, transactions, server, &request, (status, Vec::new()));
            }
        }
    }

    fn cancel_pending<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        reason: Option<&str>,
    ) {
        let Some(context) = self.contexts.get(key) else { return };
        if *context.request.method() != Method::INVITE {
            return;
        }
        for client in context.pending() {
            // Gone means that its final response is on its way up already.
            let _ = transactions.cancel(now, client, reason);
        }
    }

    fn cancelled<E: Entropy>(&mut self, now: Instant, transactions: &mut Transactions<E>, server: ServerKey) {
        let Some(key) = self.by_server.get(&server).copied() else {
            // A request that the element itself is answering, or one that waits for nobody.
            if let Some(request) = transactions.server_request(server).cloned() {
                Self::refuse(
                    now,
                    transactions,
                    server,
                    &request,
                    (StatusCode::REQUEST_TERMINATED, Vec::new()),
                );
            }
            return;
        };
        let Some(context) = self.contexts.get_mut(key) else { return };
        context.stopped = true;
        context.later.clear();
        for attempt in &mut context.attempts {
            if matches!(attempt.state, AttemptState::Resolving) {
                attempt.state = AttemptState::Done(Err(StatusCode::REQUEST_TERMINATED));
            }
        }
        self.cancel_pending(now, transactions, key, None);
        self.settle(now, transactions, key);
    }

    fn client_ended<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        client: ClientKey,
        end: End,
    ) {
        let status = match end {
            End::TransportFailed(_) => StatusCode::SERVICE_UNAVAILABLE,
            End::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::SERVER_INTERNAL_ERROR,
        };
        let key = self.by_client.get(&client).copied();
        if let Some(key) = key
            && let Some(context) = self.contexts.get_mut(key)
            && let Some(index) = context
                .attempts
                .iter()
                .position(|attempt| matches!(attempt.state, AttemptState::Pending(own) if own == client))
        {
            let fallback = context.attempts[index].fallback.take();
            if let (End::TransportFailed(_), Some(fallback), false) = (end, fallback, context.stopped) {
                // Rule 11: back to UDP where TCP is refused.
                self.timer_c.cancel(client);
                self.by_client.remove(&client);
                return self.resend(now, transactions, key, index, *fallback);
            }
            self.finish_attempt(now, transactions, client, Err(status));
        }
        self.timer_c.cancel(client);
        self.by_client.remove(&client);
    }

    fn resend<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        index: usize,
        (to, request): (Target, Request),
    ) {
        let by_tcp = std::mem::replace(&mut self.config.large_by_tcp, false);
        self.send(now, transactions, key, index, request, to);
        self.config.large_by_tcp = by_tcp;
        self.settle(now, transactions, key);
    }

    fn server_ended<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        server: ServerKey,
    ) {
        let Some(key) = self.by_server.remove(&server) else { return };
        // Whatever still rings has nobody to ring for.
        self.cancel_pending(now, transactions, key, None);
        if let Some(context) = self.contexts.remove(key) {
            for client in context.pending() {
                self.timer_c.cancel(client);
                self.by_client.remove(&client);
            }
        }
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy {{ contexts: {}, waiting: {} }}", self.contexts.len(), self.waiting.len())
    }
}
