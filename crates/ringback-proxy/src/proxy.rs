//! The proxy: what comes in, and to which part it goes.

use crate::checks::{self, Refusal, Suffix};
use crate::context::{Answered, Context};
use crate::wake::Asleep;
use crate::{Branch, Decision, Device, FlowKey, Hop, ProxyConfig, RoutePolicy, routes, token};
use bytes::Bytes;
use ringback_message::{HeaderId, Method, Request, StatusCode};
use ringback_sansio::{Entropy, Flow, Key as SlabKey, Map, Seal, Slab, Target, TimerQueue};
use ringback_transaction::{ClientKey, Key, ServerKey, TransactionOutput, Transactions};
use ringback_transport::locate::NextHop;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    Local(ServerKey, Flow, Box<Request>),
    /// Resolve a name, and answer with [`Proxy::resolved`] in any case: with no target where there is none.
    Resolve(Token, NextHop),
    /// Find out what the policy wants to know, and answer with [`Proxy::decided`] in any case.
    Decide(Token, String),
    /// Wake this device, and answer with [`Proxy::woken`] when it has registered again or cannot be woken; no answer means that it
    /// stays silent. [`Proxy::asleep`] tells which request waits.
    Wake(Token, Arc<Device>),
    /// The request under this token waits for its device no longer.
    Forget(Token),
    /// This target did not work, or asks not to be asked for so long: names should lead elsewhere for a while
    /// (see `ringback_transport::locate::Penalties`).
    Unavailable(Target, Option<Duration>),
}

/// Names a question of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub(crate) SlabKey<Waiting>);

/// What waits for a name.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A branch, by its number in the context.
    Attempt(SlabKey<Context>, usize, Box<Request>),
    /// A request that goes without a transaction, and the end of its branch.
    Stateless(Box<Request>, u64),
    /// A request of which it is not decided what to do with it.
    Decision(Box<Undecided>),
    /// A request for a device that is being woken.
    Asleep(Box<Asleep>),
}

/// A request that passed the checks.
#[derive(Debug)]
pub(crate) struct Undecided {
    key: ServerKey,
    flow: Flow,
    request: Box<Request>,
    loop_hash: u64,
    along: Option<Flow>,
}

/// A transaction-stateful proxy.
pub struct Proxy {
    pub(crate) config: ProxyConfig,
    /// For the hashes by which loops are seen.
    pub(crate) loops: Seal,
    tags: Seal,
    /// For flow tokens.
    pub(crate) flow_key: FlowKey,
    pub(crate) contexts: Slab<Context>,
    pub(crate) by_server: Map<ServerKey, SlabKey<Context>>,
    pub(crate) by_client: Map<ClientKey, SlabKey<Context>>,
    /// Timer C of each INVITE that rings (rule 17).
    pub(crate) timer_c: TimerQueue<ClientKey>,
    pub(crate) waiting: Slab<Waiting>,
    /// Until when each of those waits that are for a device that sleeps.
    pub(crate) sleepers: TimerQueue<SlabKey<Waiting>>,
    /// Requests of which it is not decided what to do with them.
    pub(crate) undecided: Map<ServerKey, SlabKey<Waiting>>,
    pub(crate) outputs: VecDeque<ProxyOutput>,
    /// Calls that were answered and not hung up.
    pub(crate) calls: usize,
    now: Option<Instant>,
}

impl Proxy {
    /// A proxy without requests in progress. Entropy keys the hashes by which it sees loops and the To tags of its
    /// refusals.
    pub fn new(config: ProxyConfig, entropy: &mut impl Entropy) -> Self {
        let [loops, tags, secret, run] = std::array::from_fn(|_| entropy.next_u64());
        Self {
            flow_key: config.flow_key.unwrap_or(FlowKey { secret, run }),
            config,
            loops: Seal::keyed(loops),
            tags: Seal::keyed(tags),
            contexts: Slab::new(),
            by_server: Map::default(),
            by_client: Map::default(),
            timer_c: TimerQueue::new(),
            waiting: Slab::new(),
            sleepers: TimerQueue::new(),
            undecided: Map::default(),
            outputs: VecDeque::new(),
            calls: 0,
            now: None,
        }
    }

    /// How many requests are in progress.
    pub fn len(&self) -> usize {
        self.contexts.len()
    }

    /// How many requests in progress have no final answer. It looks at all that are in progress.
    pub fn unanswered(&self) -> usize {
        let open = |(_, context): &(SlabKey<Context>, &Context)| context.answered == Answered::No;
        self.contexts.iter().filter(open).count() + self.undecided.len()
    }

    /// About how many calls are up: those that began here with a 2xx, less those that ended here with a BYE. A proxy keeps no
    /// dialogs, so a call whose BYE never came is counted for ever.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Whether a request comes by a Route of ours that names one of our connections, which nobody else can write to.
    pub fn leads_over_connection(&self, request: &Request) -> bool {
        routes::tokens(request, &self.config.ownership)
            .filter_map(|token| token::read(self.flow_key, &token))
            .any(|flow| flow.protocol.is_reliable())
    }

    /// Whether nothing is in progress and nothing waits.
    pub fn is_empty(&self) -> bool {
        self.contexts.is_empty()
            && self.by_server.is_empty()
            && self.by_client.is_empty()
            && self.waiting.is_empty()
            && self.undecided.is_empty()
            && self.timer_c.is_empty()
            && self.sleepers.is_empty()
    }

    /// How it behaves.
    pub fn config(&self) -> &ProxyConfig {
        &self.config
    }

    /// How it behaves, to be changed when listeners or domains come and go. Requests in progress are not affected.
    pub fn config_mut(&mut self) -> &mut ProxyConfig {
        &mut self.config
    }

    /// Takes one output of the transaction layer.
    pub fn handle<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        policy: &mut dyn RoutePolicy,
        output: TransactionOutput,
    ) {
        let now = self.clamp(now);
        match output {
            TransactionOutput::Transmit { key, to, bytes } => {
                self.outputs.push_back(ProxyOutput::Transmit { key, to, bytes });
            }
            TransactionOutput::Request(key, flow, request) => {
                self.request(now, transactions, policy, key, flow, request);
            }
            TransactionOutput::Cancelled(key, cancel) => self.cancelled(now, transactions, key, &cancel),
            TransactionOutput::Response(key, flow, response) => {
                self.response(now, transactions, policy, key, &flow, response);
            }
            TransactionOutput::Stray(flow, message) => self.stray(now, transactions, policy, &flow, *message),
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
        [self.timer_c.next(), self.sleepers.next()].into_iter().flatten().min()
    }

    /// Gives up on what rang too long (rule 17): CANCEL where something was heard, else the branch counts as 408; and on devices
    /// that did not wake up.
    pub fn handle_timeout<E: Entropy>(&mut self, now: Instant, transactions: &mut Transactions<E>) {
        let now = self.clamp(now);
        self.wake_timeouts(now, transactions);
        while let Some(client) = self.timer_c.pop_expired(now) {
            let context = self.by_client.get(&client).and_then(|key| self.contexts.get_mut(*key));
            let attempt = context.and_then(|context| context.attempt_of(client));
            if let Some(gated) = attempt.and_then(|attempt| attempt.gated.as_mut()) {
                gated.given_up = !gated.heard;
            }
            if transactions.cancel(now, client, None).is_err()
                && let Some(key) = self.by_client.get(&client).copied()
            {
                self.finish_attempt(now, transactions, key, client, Err(StatusCode::REQUEST_TIMEOUT));
            }
        }
    }

    fn request<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        policy: &mut dyn RoutePolicy,
        key: ServerKey,
        flow: Flow,
        mut request: Box<Request>,
    ) {
        if *request.method() == Method::CANCEL {
            // Rule 14: it matches nothing here.
            return self.refuse(now, transactions, key, (StatusCode::CALL_DOES_NOT_EXIST, Vec::new()));
        }
        let loop_hash = checks::loop_hash(self.loops, &request);
        let Ok(own) = routes::preprocess(&mut request, &self.config.ownership) else {
            return self.refuse(now, transactions, key, (StatusCode::BAD_REQUEST, Vec::new()));
        };
        let own_route = own.any;
        let own_uri = self.is_own_uri(&request);
        if let Err(refusal) = checks::check(&request, loop_hash, transactions.locals(), own_uri) {
            return self.refuse(now, transactions, key, refusal);
        }
        let along = own.token.and_then(|token| token::read(self.flow_key, &token));
        let hop = Hop { flow: &flow, own_route, own_uri, along: along.as_ref() };
        let decision = policy.route(now, &mut request, hop);
        self.follow(now, transactions, decision, Undecided { key, flow, request, loop_hash, along });
    }

    /// Takes the decision that was asked for by [`ProxyOutput::Decide`]. A request that was taken back meanwhile needs none.
    pub fn decided<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        token: Token,
        decision: Decision,
    ) {
        let now = self.clamp(now);
        if let Some(Waiting::Decision(undecided)) = self.waiting.remove(token.0) {
            self.undecided.remove(&undecided.key);
            self.follow(now, transactions, decision, *undecided);
        }
    }

    /// Does with a request what was decided.
    fn follow<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        decision: Decision,
        undecided: Undecided,
    ) {
        let key = undecided.key;
        let targets = match decision {
            Decision::Local => {
                let Undecided { flow, request, .. } = undecided;
                return self.outputs.push_back(ProxyOutput::Local(key, flow, request));
            }
            Decision::Reject(status, headers) => {
                return self.refuse(now, transactions, key, (status, headers));
            }
            Decision::Fail(status, reason) => return self.refuse(now, transactions, key, (status, reason)),
            Decision::Redirect(contacts) => {
                let contacts = contacts.iter().map(|uri| (HeaderId::CONTACT, format!("<{uri}>")));
                let contacts: Vec<(HeaderId, String)> = contacts.collect();
                return self.refuse(now, transactions, key, (StatusCode::MOVED_TEMPORARILY, contacts));
            }
            Decision::Forward(branches) => Some(branches),
            Decision::Relay => None,
            Decision::Later(question)
                if self.contexts.len() + self.undecided.len() < self.config.max_contexts =>
            {
                let token = self.wait(Waiting::Decision(Box::new(undecided)));
                self.undecided.insert(key, token.0);
                return self.outputs.push_back(ProxyOutput::Decide(token, question));
            }
            // No room, which is said below.
            Decision::Later(_) => None,
        };
        if self.contexts.len() + self.undecided.len() >= self.config.max_contexts {
            let later = vec![(HeaderId::RETRY_AFTER, "10".to_owned())];
            return self.refuse(now, transactions, key, (StatusCode::SERVICE_UNAVAILABLE, later));
        }
        let Undecided { flow, request, loop_hash, along, .. } = undecided;
        let context = Context {
            server: key,
            flow,
            along: along.map(Box::new),
            is_invite: *request.method() == Method::INVITE,
            loop_hash,
            template: None,
            later: Vec::new(),
            attempts: SmallVec::new(),
            recursion: None,
            answered: Answered::No,
            chosen: targets.is_some(),
            stopped: false,
            unsent: false,
        };
        let context = self.contexts.insert(context);
        self.by_server.insert(key, context);
        self.begin(now, transactions, context, request, targets);
    }

    /// Begins the branches of a new context; without targets the request goes where Route and Request-URI lead.
    fn begin<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: SlabKey<Context>,
        request: Box<Request>,
        targets: Option<SmallVec<[Branch; 2]>>,
    ) {
        if self.config.recursion
            && targets.is_some()
            && matches!(request.to_tag(), Ok(None))
            && let Some(context) = self.contexts.get_mut(key)
        {
            context.recursion = Some(Box::default());
            context.template = Some(request.clone());
        }
        match targets {
            None => self.attempt(now, transactions, key, request, None, None),
            // By far the commonest: one target, for which no copy is kept.
            Some(targets) if targets.len() == 1 => {
                self.attempt(now, transactions, key, request, targets.first(), None);
            }
            Some(mut targets) => {
                let Some(context) = self.contexts.get_mut(key) else { return };
                targets.sort_by_key(|branch| branch.q);
                // The ones that are preferred most stand last and stay.
                let excess = targets.len().saturating_sub(self.config.max_branches);
                targets.drain(..excess);
                // Of equals the one that was named first goes first, and the next one is taken from the end.
                targets.reverse();
                targets.sort_by_key(|branch| branch.q);
                context.later = targets.into_vec();
                context.template = Some(request);
            }
        }
        self.settle(now, transactions, key);
    }

    /// An earlier `now` than one already seen is treated as that one.
    pub(crate) fn clamp(&mut self, now: Instant) -> Instant {
        let now = self.now.map_or(now, |seen| seen.max(now));
        self.now = Some(now);
        now
    }

    pub(crate) fn is_own_uri(&self, request: &Request) -> bool {
        let own =
            |uri: ringback_message::Uri<'_>| uri.as_sip().is_some_and(|uri| self.config.ownership.is_me(uri));
        request.uri().is_ok_and(own)
    }

    pub(crate) fn wait(&mut self, waiting: Waiting) -> Token {
        Token(self.waiting.insert(waiting))
    }

    /// Answers a request with a status of our own.
    pub(crate) fn refuse<E: Entropy>(
        &self,
        now: Instant,
        transactions: &mut Transactions<E>,
        key: ServerKey,
        refusal: impl Into<Refusal>,
    ) {
        let Refusal { status, headers, reason } = refusal.into();
        // Gone means that nobody waits for the answer any more.
        let Some(request) = transactions.server_request(key) else { return };
        // A CANCEL was answered under this tag already (RFC 3261 §9.2).
        let told = transactions.to_tag(key);
        let made_up = Suffix::new(self.tags.hash_one(key));
        let reason = reason.as_deref().unwrap_or(status.reason());
        let reply = request.reply_with(status, reason, Some(told.as_deref().unwrap_or(made_up.digits())));
        let reply = headers.into_iter().fold(reply, |reply, (id, value)| reply.header(id, value));
        if let Ok(reply) = reply.build() {
            let _ = transactions.respond(now, key, reply);
        }
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy {{ contexts: {}, waiting: {} }}", self.contexts.len(), self.waiting.len())
    }
}
