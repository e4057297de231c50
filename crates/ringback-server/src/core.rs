//! The server as the driver sees it: messages and time in, sends out.

use crate::authority::Authority;
use crate::config::{ConfigError, ServerConfig};
use crate::drain::Up;
use crate::due::Due;
use crate::enumeration::{Lookup, Step};
use crate::gateways::Gateways;
use crate::handover::HandOver;
use crate::history::{Entry, Recorded, Ring};
use crate::locations::{Locations, PARTS};
use crate::media::{MediaEngine, MediaMode, send_bye};
use crate::metrics::Stats;
use crate::overload::{Overload, Verdict, Wishes};
use crate::policy::Policy;
use crate::reach::Reach;
use crate::records::{Calls, Queue, UpCall};
use crate::routes::Routes;
use crate::shard::{Asker, Node, SHARDS, Shard, call_id};
use crate::stateless;
use crate::trace;
use crate::trust::Trusted;
use crate::writer::{Job, Jobs};
use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use ringback_message::{Message, ParseError};
use ringback_net::{
    Answer, CloseReason, Core, Direction, Flow, LocateError, OsEntropy, Outbox, Protocol, Target, Worker,
};
use ringback_proxy::{FlowKey, Ownership, ProxyConfig, ProxyOutput, Restraint, Token, TrustDomain};
use ringback_sansio::{Entropy as _, Epoch, Hasher, Machine as _, Seal};
use ringback_transaction::{Key, ServerKey, TransactionConfig, TransactionInput, TransactionOutput};
use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whose send it was: the shard, and the transaction in it.
pub(crate) type Tag = (u16, Key);
pub(crate) type Out = Outbox<Tag>;

/// What is told elsewhere, by those who handle messages, and what they know of each other from run to run.
pub(crate) struct Outlets {
    /// Where changes of bindings are written; nowhere when nothing is kept.
    pub(crate) jobs: Option<Jobs>,
    /// What the trace did not get.
    pub(crate) traced: Arc<trace::Counts>,
    /// Where records of calls go, where they are kept.
    pub(crate) records: Option<Queue>,
    /// By which flow tokens are known.
    pub(crate) flow_key: FlowKey,
}

/// Everything that handles messages.
pub(crate) struct ServerCore {
    hasher: Hasher,
    /// Makes the tags of answers that have no transaction.
    seal: Seal,
    shards: Vec<Shard>,
    pub(crate) locations: Locations,
    pub(crate) authority: Authority,
    pub(crate) ownership: ArcSwap<Ownership>,
    /// Where requests go, exchanged as a whole when the configuration is read again.
    pub(crate) routes: ArcSwap<Routes>,
    pub(crate) gateways: Gateways,
    pub(crate) trust: Arc<Trusted>,
    /// Where changes of bindings are written; nowhere when nothing is kept.
    pub(crate) jobs: Option<Jobs>,
    pub(crate) epoch: Epoch,
    pub(crate) reach: ArcSwap<Reach>,
    media: Option<Arc<MediaEngine>>,
    /// The Route to the server that this one stands before.
    pub(crate) edge: Option<Bytes>,
    /// The way of media where no route says another.
    pub(crate) media_mode: MediaMode,
    /// Where telephone numbers are looked up.
    pub(crate) enum_domain: ArcSwapOption<String>,
    traced: Arc<trace::Counts>,
    /// Where records of calls go, where they are kept.
    pub(crate) records: Option<Queue>,
    /// What is done with more than there is time for.
    pub(crate) overload: Overload,
    /// What next hops want to be sent less, where they are asked.
    wishes: ArcSwapOption<Wishes>,
    /// Whether nothing new is taken.
    draining: AtomicBool,
    /// Who goes on with the sockets, and who had them before.
    pub(crate) hand_over: HandOver,
    malformed: AtomicU64,
    malformed_by_rule: Mutex<BTreeMap<&'static str, u64>>,
}

impl ServerCore {
    pub(crate) fn new(
        config: &ServerConfig,
        epoch: Epoch,
        reach: Reach,
        authority: Authority,
        locations: Locations,
        outlets: Outlets,
    ) -> Result<Self, ConfigError> {
        let Outlets { jobs, traced, records, flow_key } = outlets;
        let ownership = reach.ownership();
        let media = reach.first().map(|(own, told)| MediaEngine::new(&config.media, own, told));
        let most = share(config.limits.transactions);
        let transactions = TransactionConfig {
            max_client: most,
            max_server: most,
            // RFC 3261 §16.2: a proxy answers at once, so that INVITE is not repeated to it.
            trying_at_once: true,
            locals: reach.locals(config),
            ..TransactionConfig::default()
        };
        let mut proxy = ProxyConfig::new(ownership.clone());
        proxy.max_contexts = most;
        proxy.large_by_tcp = reach.speaks(Protocol::Tcp);
        // Passwords for another server are for that one.
        proxy.realm = config.edge.is_none().then(|| config.realm());
        proxy.is_edge = config.edge.is_some();
        proxy.recursion = config.recursion;
        proxy.wake_time = config.push.wait();
        let trust = Arc::new(Trusted::new(config.trust.clone()));
        proxy.trust = Some(trust.clone());
        proxy.flow_key = Some(flow_key);
        let wishes = config.overload.ask.then(new_wishes);
        proxy.restraint = wishes.clone().map(|wishes| wishes as Arc<dyn Restraint>);
        let (messages, bytes) =
            (config.history.messages.div_ceil(SHARDS), config.history.bytes.div_ceil(SHARDS));
        let hasher = Hasher::keyed(OsEntropy::new().next_u64());
        let max_age = Duration::from_secs(config.records.max_age.into());
        let calls = || {
            records.as_ref().map(|_| Calls::new(hasher.clone(), epoch, max_age, share(config.records.calls)))
        };
        let dues = locations.dues.clone();
        let shard = |_| {
            let ring = Ring::new(messages, bytes);
            Shard::new(&dues, transactions.clone(), proxy.clone(), ring, media.clone(), calls(), most)
        };
        Ok(Self {
            hasher: hasher.clone(),
            seal: Seal::keyed(OsEntropy::new().next_u64()),
            shards: (0..SHARDS).map(shard).collect(),
            locations,
            authority,
            ownership: ArcSwap::from_pointee(ownership),
            routes: ArcSwap::from_pointee(Routes::new(&config.routes)?),
            trust,
            gateways: Gateways::new(&dues, epoch.at, &config.gateways, OsEntropy::new().next_u64())?,
            jobs,
            epoch,
            reach: ArcSwap::from_pointee(reach),
            edge: config.edge.as_ref().map(|uri| route_to(uri)),
            media_mode: config.media.mode,
            enum_domain: ArcSwapOption::from_pointee(config.enum_domain.clone()),
            traced,
            records,
            overload: Overload::new(config.overload, Hasher::keyed(OsEntropy::new().next_u64())),
            wishes: ArcSwapOption::new(wishes),
            draining: AtomicBool::new(false),
            hand_over: HandOver::new(),
            media,
            malformed: AtomicU64::new(0),
            malformed_by_rule: Mutex::default(),
        })
    }

    /// Goes on as another configuration says, of which nothing can be wrong any more. What is alive is not touched.
    pub(crate) fn renew(&self, now: Instant, config: &ServerConfig, reach: Reach, routes: Routes) {
        let most = share(config.limits.transactions);
        let ownership = reach.ownership();
        let wishes = config.overload.ask.then(|| self.wishes.load_full().unwrap_or_else(new_wishes));
        let restraint = wishes.clone().map(|wishes| wishes as Arc<dyn Restraint>);
        for shard in &self.shards {
            let mut node = shard.lock();
            node.transactions.set_limits(most, most);
            *node.transactions.locals_mut() = reach.locals(config);
            let proxy = node.proxy.config_mut();
            (proxy.max_contexts, proxy.recursion) = (most, config.recursion);
            proxy.ownership.clone_from(&ownership);
            proxy.restraint.clone_from(&restraint);
        }
        self.wishes.store(wishes);
        self.overload.renew(config.overload);
        self.trust.renew(config.trust.clone());
        self.gateways.renew(now, &config.gateways);
        self.ownership.store(ownership.into());
        self.reach.store(reach.into());
        self.enum_domain.store(config.enum_domain.clone().map(Arc::new));
        self.routes.store(Arc::new(routes));
    }

    /// Refuses from now on what is new, or takes it again.
    pub(crate) fn set_draining(&self, is_to: bool) {
        if self.draining.swap(is_to, Ordering::Relaxed) != is_to {
            tracing::warn!(
                "{}",
                if is_to { "nothing new is taken any more" } else { "new requests are taken again" }
            );
        }
    }

    /// Whether nothing new is taken.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// What is not over yet.
    pub(crate) fn up(&self) -> Up {
        self.shards.iter().fold(Up::default(), |up, shard| {
            let node = shard.lock();
            // Where somebody goes on, calls of which only the number is known end there.
            let counted = if self.hand_over.is_over() { node.relayed.len() } else { node.proxy.calls() };
            let calls = node.calls.as_ref().map_or(counted, Calls::len);
            Up { calls: up.calls + calls, unanswered: up.unanswered + node.proxy.unanswered() }
        })
    }

    /// What relays, where it can.
    pub(crate) fn media(&self) -> Option<&MediaEngine> {
        self.media.as_deref()
    }

    /// Waits until whoever handles something in a shard at the moment has done so, in every shard.
    pub(crate) fn pass_every_shard(&self) {
        self.shards.iter().for_each(|shard| drop(shard.lock()));
    }

    /// Keyed by a secret.
    pub(crate) fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }

    pub(crate) fn shard(&self, index: usize) -> &Shard {
        &self.shards[index]
    }

    /// The number of the shard of a call.
    pub(crate) fn index(&self, call_id: &[u8]) -> usize {
        self.hasher.hash_one(call_id) as usize % SHARDS
    }

    /// Does something with the state of a shard, and then all that comes of it, in other shards as well.
    pub(crate) fn with_shard(&self, now: Instant, index: usize, out: &mut Out, act: impl FnOnce(&mut Node)) {
        self.with_shard_alone(now, index, out, act);
        self.wake_ready(now, out);
    }

    /// Does something with the state of a shard, and then all that comes of it in this shard.
    pub(crate) fn with_shard_alone(
        &self,
        now: Instant,
        index: usize,
        out: &mut Out,
        act: impl FnOnce(&mut Node),
    ) {
        let mut node = self.shards[index].lock();
        act(&mut node);
        self.settle(now, index, &mut node, out);
    }

    /// Does all that comes of what was done with the state of a shard.
    fn settle(&self, now: Instant, index: usize, node: &mut Node, out: &mut Out) {
        self.drain(now, index, node, out);
        if let (Some(calls), Some(records)) = (&mut node.calls, &self.records) {
            let relayed = &node.relayed;
            std::iter::from_fn(|| calls.poll()).for_each(|mut record| {
                record.media = relayed.heard(&record.call_id);
                records.push(record);
            });
        }
        node.relayed.forget_ended();
        self.shards[index].due.set(node.poll_timeout());
    }

    /// Hands a message to its shard.
    fn take(
        &self,
        now: Instant,
        index: usize,
        flow: Flow,
        mut message: Message,
        verdict: Verdict,
        out: &mut Out,
    ) {
        let mut node = self.shards[index].lock();
        if self.hand_over.passes() && flow.protocol == Protocol::Udp {
            let keeps;
            (message, keeps) = self.keeps(&mut node, message);
            if !keeps {
                drop(node);
                return self.hand_over.pass(&flow, message.as_received());
            }
        }
        node.counters.received.count(message.as_received());
        node.ring.push(now, Direction::In, Target::Flow(flow), message.as_received());
        if let Some(status) = message.status() {
            node.relayed.response(&mut message, status.as_u16(), flow.peer.ip());
        }
        let input = match verdict {
            Verdict::Refuse(later) => TransactionInput::Overloaded(flow, message, later),
            Verdict::Take | Verdict::Drop => TransactionInput::Message(flow, message),
        };
        node.transactions.handle(now, input);
        self.settle(now, index, &mut node, out);
        drop(node);
        self.wake_ready(now, out);
    }

    /// Carries outputs from layer to layer until there are none.
    fn drain(&self, now: Instant, index: usize, node: &mut Node, out: &mut Out) {
        loop {
            while let Some(output) = node.transactions.poll() {
                if self.is_of_errand(now, node, &output) {
                    continue;
                }
                let begun = node.calls.as_mut().and_then(|calls| follow(now, calls, &output));
                let mut policy = Policy::new(self, &mut node.relayed);
                node.proxy.handle(now, &mut node.transactions, &mut policy, output);
                let route = policy.route_taken();
                if let (Some(calls), Some(key), Some(route)) = (&mut node.calls, begun, route) {
                    calls.routed(key, &route);
                }
            }
            let Some(output) = node.proxy.poll() else { return };
            match output {
                ProxyOutput::Transmit { key, to, bytes } => {
                    node.counters.sent.count(&bytes);
                    node.relayed.answered(&bytes);
                    node.ring.push(now, Direction::Out, to, &bytes);
                    if let Some(calls) = &mut node.calls {
                        match key {
                            Some(Key::Server(key)) => calls.responded(now, key, &bytes),
                            Some(Key::Client(key)) => calls.sent_on(key, &bytes),
                            None => {}
                        }
                    }
                    out.send(key.map(|key| (index as u16, key)), to, bytes);
                }
                ProxyOutput::Local(key, flow, request) => self.answer(now, index, node, key, &flow, &request),
                ProxyOutput::Decide(token, number) => {
                    let root = self.enum_domain.load();
                    let root = root.as_ref().map_or("", |root| root.as_str());
                    let (lookup, step) = Lookup::new(&number, root);
                    self.look_up(now, index, node, (token, lookup), step, out);
                }
                ProxyOutput::Wake(token, device) => self.wake(now, index, node, token, &device),
                ProxyOutput::Forget(token) => self.forget(index, token),
                ProxyOutput::Unavailable(to, after) => out.avoid(to, after),
                ProxyOutput::Resolve(token, hop) => {
                    node.asked += 1;
                    node.questions.insert(node.asked, Asker::Proxy(token));
                    out.resolve((index as u64) << 48 | node.asked, hop);
                }
            }
        }
    }

    /// Goes on looking for a number, or decides what becomes of the request for it.
    fn look_up(
        &self,
        now: Instant,
        index: usize,
        node: &mut Node,
        (token, lookup): (Token, Lookup),
        step: Step,
        out: &mut Out,
    ) {
        match step {
            Step::Ask(question) => {
                node.asked += 1;
                node.lookups.insert(node.asked, (token, lookup));
                out.look_up((index as u64) << 48 | node.asked, question);
            }
            Step::Done(found) => {
                let decision = Policy::new(self, &mut node.relayed).numbered(now, found);
                node.proxy.decided(now, &mut node.transactions, token, decision);
            }
        }
    }

    /// What was said in a call lately, in order of time. Where no call has just this Call-ID: in all calls whose Call-ID
    /// begins so, of which the latest messages are told.
    pub(crate) fn why(&self, call: &str) -> Vec<Recorded> {
        /// Enough for a list of calls, and little enough for one line of an answer.
        const LATEST: usize = 2_000;
        let mut said = self.shards[self.index(call.as_bytes())].lock().ring.of_calls(|own| own == call);
        if said.is_empty() {
            let begins = |own: &str| own.starts_with(call);
            said = self.shards.iter().flat_map(|shard| shard.lock().ring.of_calls(begins)).collect();
            said.sort_by_key(|(entry, _)| entry.at);
            said.drain(..said.len().saturating_sub(LATEST));
        }
        let recorded = said.into_iter().map(|(Entry { at, direction, way, .. }, bytes)| Recorded {
            at: self.epoch.unix(at),
            direction,
            protocol: way.protocol(),
            local: self.reach.load().local(&way),
            peer: way.peer(),
            bytes,
        });
        recorded.collect()
    }

    /// The calls that are up, at most so many; nothing where no records are kept.
    pub(crate) fn calls(&self, now: Instant, most: usize) -> Vec<UpCall> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let node = shard.lock();
            let room = most.saturating_sub(found.len());
            let calls = node.calls.iter().flat_map(|calls| calls.list(now)).take(room);
            found.extend(calls.map(|call| UpCall { media: node.relayed.heard(&call.call_id), ..call }));
        }
        found
    }

    /// Writes a record of each call that is up, for the server ends.
    pub(crate) fn close_calls(&self, now: Instant) {
        let Some(records) = &self.records else { return };
        for shard in &self.shards {
            let node = &mut *shard.lock();
            if let Some(calls) = &mut node.calls {
                calls.close(now);
                std::iter::from_fn(|| calls.poll()).for_each(|mut record| {
                    record.media = node.relayed.heard(&record.call_id);
                    records.push(record);
                });
            }
        }
    }

    /// The counters, without those of the driver.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats { malformed: self.malformed.load(Ordering::Relaxed), ..Stats::default() };
        let mut counters = Vec::with_capacity(SHARDS);
        let mut not_followed = 0;
        for shard in &self.shards {
            let node = shard.lock();
            counters.push(node.counters);
            if let Some(calls) = &node.calls {
                stats.calls += calls.len();
                stats.call_setup.add(&calls.setup());
                not_followed += calls.not_followed();
            }
            stats.transactions += node.transactions.len();
            stats.contexts += node.proxy.len();
        }
        stats = self.authority.counted(stats.with_counters(counters));
        stats.bans = self.authority.guard.bans(Instant::now()).len();
        stats.bindings = self.locations.len();
        if let Some(media) = &self.media {
            (stats.media_streams, stats.media_packets, stats.media_converted) = media.figures();
            stats
                .dropped
                .extend(media.dropped().into_iter().map(|(reason, count)| (reason.to_owned(), count)));
        }
        stats.push = self.locations.push().map(|push| push.stats());
        stats.gateways = self.gateways.stats(Instant::now());
        stats.refused_share = self.overload.share();
        stats.dropped.extend(self.overload.counts());
        if let Some(held_back) =
            self.wishes.load().as_ref().map(|wishes| wishes.held_back()).filter(|count| *count > 0)
        {
            stats.dropped.insert("held_back_for_next_hop".into(), held_back);
        }
        stats.dropped.extend(self.traced.read());
        stats.dropped.extend(self.records.iter().flat_map(Queue::dropped));
        if not_followed > 0 {
            stats.dropped.insert("calls_not_followed".into(), not_followed);
        }
        let by_rule = self.malformed_by_rule.lock().unwrap_or_else(PoisonError::into_inner);
        let guarded = self.authority.guard.counters();
        stats.dropped.extend(guarded.into_iter().map(|(reason, count)| (reason.to_owned(), count)));
        stats.dropped.extend(by_rule.iter().map(|(rule, count)| (format!("malformed_{rule}"), *count)));
        stats
    }
}

/// Follows a call by what the transactions report; gives the key of a request that is new.
fn follow(now: Instant, calls: &mut Calls, output: &TransactionOutput) -> Option<ServerKey> {
    match output {
        TransactionOutput::Request(key, flow, request) => {
            calls.requested(now, *key, flow, request);
            return Some(*key);
        }
        TransactionOutput::Cancelled(key, cancel) => calls.cancelled(*key, cancel),
        TransactionOutput::Response(key, _, response) => calls.answered(*key, response),
        TransactionOutput::Ended(Key::Server(key), _) => calls.ended(now, *key),
        TransactionOutput::Transmit { .. }
        | TransactionOutput::Stray(..)
        | TransactionOutput::Ended(Key::Client(_), _) => {}
    }
    None
}

/// A URI as the Route that leads there.
fn route_to(uri: &str) -> Bytes {
    format!("<{uri};lr>").into()
}

/// Nothing is known of next hops yet.
fn new_wishes() -> Arc<Wishes> {
    Arc::new(Wishes::new(Hasher::keyed(OsEntropy::new().next_u64())))
}

/// What a shard may hold of a limit: more than its share, for shares are never even.
fn share(limit: usize) -> usize {
    limit.div_ceil(SHARDS).saturating_mul(2).min(limit)
}

impl Core for ServerCore {
    type Tag = Tag;

    fn received(&self, now: Instant, flow: Flow, message: Message, out: &mut Out) {
        if self.authority.guard.admit(now, flow.peer.ip(), &message).is_err() {
            return;
        }
        let index = self.index(call_id(&message));
        let mut message = message;
        let is_trusted = || self.trust.has(flow.peer.ip().to_canonical());
        let verdict = self.overload.judge(&mut message, self.epoch.unix(now), is_trusted);
        if verdict == Verdict::Drop {
            return;
        }
        let is_usual = verdict == Verdict::Take && !self.is_draining();
        if is_usual && self.edge.is_none() && !flow.protocol.is_reliable() && stateless::is_register(&message)
        {
            return match self.register_plainly(now, index, flow, message, out) {
                Ok(()) => self.wake_ready(now, out),
                Err(message) => self.take(now, index, flow, message, verdict, out),
            };
        }
        if !is_usual || !stateless::is_options(&message) {
            return self.take(now, index, flow, message, verdict, out);
        }
        match stateless::answer(message, &flow, &self.ownership.load(), &self.seal) {
            Ok((request, to, bytes)) => {
                let mut node = self.shards[index].lock();
                node.counters.received.count(request.as_received());
                // Not remembered: those who ask whether we are there would push out of the memory why calls failed.
                node.counters.sent.count(&bytes);
                drop(node);
                out.send(None, to, bytes);
            }
            Err(message) => self.take(now, index, flow, message, verdict, out),
        }
    }

    fn malformed(&self, _now: Instant, flow: Flow, error: ParseError) {
        let count = self.malformed.fetch_add(1, Ordering::Relaxed) + 1;
        let mut by_rule = self.malformed_by_rule.lock().unwrap_or_else(PoisonError::into_inner);
        *by_rule.entry(error.rule).or_insert(0) += 1;
        drop(by_rule);
        // Fault 47: the rule is a word of ours, and nothing that the peer wrote gets into the log. A flood of rubbish
        // must not become a flood of lines: powers of two tell as much.
        if count <= 100 || count.is_power_of_two() {
            tracing::warn!(peer = %flow.peer, protocol = %flow.protocol, count, "malformed message: bad {}", error.rule);
        }
    }

    fn failed(&self, now: Instant, (index, key): Tag, reason: CloseReason, out: &mut Out) {
        self.with_shard(now, index.into(), out, |node| {
            node.counters.failed_sends += 1;
            node.transactions.handle(now, TransactionInput::Failed(key, reason));
        });
    }

    fn resolved(&self, now: Instant, token: u64, found: Result<&[Target], LocateError>, out: &mut Out) {
        let (index, asked) = (token >> 48, token & ((1 << 48) - 1));
        // Fault 12: names must not lead to where nobody may be sent.
        let answerable = |target: &&Target| ringback_transport::via::is_answerable(target.peer().ip());
        let found = found.map(|targets| targets.iter().filter(answerable).copied().collect::<Vec<Target>>());
        self.with_shard(now, index as usize, out, |node| {
            let found = found.as_deref().map_err(|error| *error);
            match (node.questions.remove(&asked), found) {
                (Some(Asker::Proxy(token)), found) => {
                    node.proxy.resolved(now, &mut node.transactions, token, found);
                }
                (Some(Asker::Errand(errand, call_id)), Ok([to, ..])) => {
                    self.run_errand(now, node, errand, &call_id, *to);
                }
                (Some(Asker::Errand(errand, _)), _) => self.errand_failed(now, &errand),
                (Some(Asker::Bye(bye)), Ok([to, ..])) => send_bye(now, node, *to, *bye),
                (Some(Asker::Bye(_)), _) => tracing::debug!("there is no way for a BYE of ours"),
                (None, _) => {}
            }
        });
    }

    fn answered(&self, now: Instant, token: u64, answer: Answer, out: &mut Out) {
        let (index, asked) = ((token >> 48) as usize, token & ((1 << 48) - 1));
        let mut asks = Out::new();
        self.with_shard(now, index, out, |node| {
            if let Some((token, mut lookup)) = node.lookups.remove(&asked) {
                let step = lookup.answer(answer);
                self.look_up(now, index, node, (token, lookup), step, &mut asks);
            }
        });
        out.append(asks);
    }

    fn closed(&self, now: Instant, flow: Flow, _reason: CloseReason, _out: &mut Out) {
        // A successor reads and writes the store, and phones come to it.
        if self.hand_over.passes() {
            return;
        }
        self.locations.closed(now, &flow, |changes| {
            if let Some(jobs) = &self.jobs {
                jobs.push(Job { changes, answer: None });
            }
        });
    }

    fn handle_timeout(&self, now: Instant, worker: Worker, out: &mut Out) {
        for index in (0..SHARDS).filter(|index| worker.is_home_of(*index)) {
            if self.shards[index].due.is_due(now) {
                self.with_shard(now, index, out, |node| {
                    node.transactions.handle_timeout(now);
                    node.proxy.handle_timeout(now, &mut node.transactions);
                    if let Some(calls) = &mut node.calls {
                        calls.handle_timeout(now);
                    }
                });
            }
        }
        if worker.is_home_of(0) && self.gateways.due.is_due(now) {
            self.tend_gateways(now, out);
        }
        for part in (0..PARTS).filter(|part| worker.is_home_of(*part)) {
            self.locations.expire(now, part);
        }
    }

    fn is_sooner(&self) -> bool {
        self.locations.dues.take_sooner()
    }

    fn poll_timeout(&self, worker: Worker) -> Option<Instant> {
        let shards = worker.homes(&self.shards).map(|shard| &shard.due);
        let gateways = worker.is_home_of(0).then_some(&self.gateways.due);
        Due::earliest(self.epoch.at, shards.chain(self.locations.due(worker)).chain(gateways))
    }
}
