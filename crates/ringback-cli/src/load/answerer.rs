//! Answers calls and requests: sans-IO, one for each thread.

use super::hub::{Side, Tag, Whose};
use super::tally::{ACK, CALL, Cause, Tally};
use bytes::Bytes;
use ringback_message::header::{CallId, To};
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_net::{CloseReason, Flow, OsEntropy, Outbox, Protocol};
use ringback_sansio::{Entropy as _, Key as Name, Machine as _, Map, Slab, TimerQueue};
use ringback_sdp::{Codec, Direction, LocalMedia, OfferAnswer, Origin, SessionDescription};
use ringback_transaction::{
    ServerKey, Timings, TransactionConfig, TransactionInput, TransactionOutput, Transactions,
};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// More calls at once than this are refused.
const MOST_CALLS: usize = 1_000_000;
/// How many transactions may live at once: those of calls that are over stay for half a minute.
const MOST_TRANSACTIONS: usize = 4_000_000;

/// How calls are answered.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// How long it rings.
    pub(crate) ring: Duration,
    /// What Contact says over each transport.
    pub(crate) contacts: Vec<(Protocol, String)>,
    /// What descriptions say.
    pub(crate) own_ip: IpAddr,
}

/// Answers.
pub(crate) struct Answerer {
    index: usize,
    manner: Manner,
    timings: Timings,
    entropy: OsEntropy,
    transactions: Transactions<OsEntropy>,
    calls: Slab<Call>,
    /// The calls that ring, for CANCEL.
    ringing: Map<ServerKey, Name<Call>>,
    /// When to answer, and when to repeat the answer.
    timers: TimerQueue<Name<Call>>,
    /// The last offer and its answer: those of a load are mostly alike.
    described: Option<(Bytes, Bytes)>,
    stopping: bool,
    tally: Tally,
}

struct Call {
    secret: u64,
    call_id: Box<str>,
    server: ServerKey,
    stage: Stage,
}

enum Stage {
    /// Waits to be answered; what is needed for that.
    Ringing(Flow),
    /// Answered at that time; the 2xx is repeated until its ACK comes (RFC 3261 §13.3.1.4).
    Answered { at: Instant, gap: Duration, answer: Response },
    /// Up, since then.
    Up(Instant),
}

impl Answerer {
    pub(crate) fn new(index: usize, manner: Manner, mut config: TransactionConfig) -> Self {
        config.max_client = MOST_TRANSACTIONS;
        config.max_server = MOST_TRANSACTIONS;
        // The caller is to see that it is on its way before it rings.
        config.trying_at_once = true;
        Self {
            index,
            manner,
            timings: config.timings,
            entropy: OsEntropy::new(),
            transactions: Transactions::new(config, OsEntropy::new()),
            calls: Slab::new(),
            ringing: Map::default(),
            timers: TimerQueue::new(),
            described: None,
            stopping: false,
            tally: Tally::default(),
        }
    }

    fn pump(&mut self, now: Instant, out: &mut Outbox<Tag>) {
        while let Some(output) = self.transactions.poll() {
            match output {
                TransactionOutput::Transmit { key, to, bytes } => {
                    out.send(key.map(|key| (self.index, Whose::Transaction(key))), to, bytes);
                }
                TransactionOutput::Request(key, flow, request) => self.requested(now, key, flow, &request),
                TransactionOutput::Cancelled(key, _) => self.cancelled(now, key),
                TransactionOutput::Stray(_, message) => self.acknowledged(now, &message),
                // We send no requests.
                TransactionOutput::Response(..) | TransactionOutput::Ended(..) => {}
            }
        }
    }

    fn requested(&mut self, now: Instant, server: ServerKey, flow: Flow, request: &Request) {
        let method = request.method();
        if *method == Method::INVITE && !has_to_tag(request) {
            return self.invited(now, server, flow, request);
        }
        let call = self.call_of(request);
        let status = match (method.clone(), call) {
            (Method::BYE, Some(call)) => {
                self.left(now, call);
                StatusCode::OK
            }
            // What there is stays as it is; the call goes on (RFC 3261 §14.2).
            (Method::INVITE, Some(_)) => StatusCode::NOT_ACCEPTABLE_HERE,
            (Method::OPTIONS | Method::REGISTER | Method::MESSAGE, None) if !has_to_tag(request) => {
                self.tally.place(now);
                self.tally.answered += 1;
                self.tally.done += 1;
                StatusCode::OK
            }
            (Method::OPTIONS | Method::MESSAGE | Method::INFO, Some(_)) => StatusCode::OK,
            (_, None) if has_to_tag(request) => StatusCode::CALL_DOES_NOT_EXIST,
            (Method::CANCEL, _) => StatusCode::CALL_DOES_NOT_EXIST,
            _ => StatusCode::METHOD_NOT_ALLOWED,
        };
        let mut reply = request.reply(status, Some("load"));
        if *method == Method::REGISTER {
            reply = reply.copy(request, HeaderId::CONTACT).copy(request, HeaderId::EXPIRES);
        } else if matches!(*method, Method::OPTIONS) || status == StatusCode::METHOD_NOT_ALLOWED {
            reply = reply.header(HeaderId::ALLOW, ALLOW).header(HeaderId::ACCEPT, "application/sdp");
        }
        self.respond(now, server, reply.build());
    }

    fn invited(&mut self, now: Instant, server: ServerKey, flow: Flow, request: &Request) {
        let refusal = match request.first::<CallId<'_>>() {
            _ if self.stopping || self.calls.len() >= MOST_CALLS => StatusCode::SERVICE_UNAVAILABLE,
            Some(Ok(CallId(call_id))) => {
                self.tally.place(now);
                let (secret, call_id) = (self.entropy.next_u64(), call_id.into());
                let call = self.calls.insert(Call { secret, call_id, server, stage: Stage::Ringing(flow) });
                self.ringing.insert(server, call);
                let ringing = request.reply(StatusCode::RINGING, Some(&tag(call, secret)));
                self.respond(now, server, ringing.header(HeaderId::CONTACT, self.contact(flow)).build());
                match self.manner.ring {
                    Duration::ZERO => self.answer(now, call),
                    ring => self.timers.set(call, now + ring),
                }
                return;
            }
            _ => StatusCode::BAD_REQUEST,
        };
        self.respond(now, server, request.reply(refusal, Some("load")).build());
    }

    fn answer(&mut self, now: Instant, name: Name<Call>) {
        let Some(Call { server, secret, stage: Stage::Ringing(flow), .. }) = self.calls.get(name) else {
            return;
        };
        let (server, secret, flow) = (*server, *secret, *flow);
        self.ringing.remove(&server);
        let Some(request) = self.transactions.server_request(server).cloned() else {
            // Its connection is gone, and its transaction with that.
            self.calls.remove(name);
            return self.tally.fail(Cause::Unreachable);
        };
        let Some(description) = self.describe(request.body()) else {
            self.calls.remove(name);
            let refusal = StatusCode::NOT_ACCEPTABLE_HERE;
            self.tally.fail(Cause::Refused(refusal));
            return self.respond(now, server, request.reply(refusal, Some(&tag(name, secret))).build());
        };
        let answer = self.accepting(&request, flow, &tag(name, secret), description);
        let Some((call, answer)) = self.calls.get_mut(name).zip(answer) else { return };
        call.stage = Stage::Answered { at: now, gap: self.timings.t1, answer: answer.clone() };
        self.timers.set(name, now + self.timings.t1);
        self.tally.answered += 1;
        self.respond(now, server, Ok::<_, ()>(answer));
    }

    fn accepting(&self, request: &Request, flow: Flow, tag: &str, description: Bytes) -> Option<Response> {
        let reply = request.reply(StatusCode::OK, Some(tag)).copy(request, HeaderId::RECORD_ROUTE);
        let reply = reply.header(HeaderId::CONTACT, self.contact(flow)).header(HeaderId::ALLOW, ALLOW);
        reply.body("application/sdp", description).build().ok()
    }

    fn contact(&self, flow: Flow) -> &str {
        let contacts = &self.manner.contacts;
        let own = contacts.iter().find(|(protocol, _)| *protocol == flow.protocol).or(contacts.first());
        own.map_or("<sip:load@invalid>", |(_, contact)| contact)
    }

    /// The answer to an offer, or an offer where there is none. Of audio that is not there: calls are signalling only.
    fn describe(&mut self, offer: &Bytes) -> Option<Bytes> {
        if let Some((_, answer)) = self.described.as_ref().filter(|(known, _)| known == offer) {
            return Some(answer.clone());
        }
        let session_id = self.entropy.next_u64() >> 2;
        let origin = Origin { username: "-".to_owned(), session_id, address: self.manner.own_ip };
        let audio = LocalMedia {
            direction: Direction::Inactive,
            ..LocalMedia::audio(PORT, vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event()])
        };
        let mut negotiation = OfferAnswer::new(origin, vec![audio]);
        let answer = if offer.is_empty() {
            negotiation.make_offer().ok()?
        } else {
            negotiation.receive_offer(&SessionDescription::parse(offer).ok()?).ok()?;
            negotiation.make_answer().ok()?
        };
        let answer = Bytes::from(answer.to_bytes());
        // A copy: the message that it came in is not kept for it.
        self.described = Some((Bytes::copy_from_slice(offer), answer.clone()));
        Some(answer)
    }

    fn acknowledged(&mut self, now: Instant, message: &Message) {
        if message.method() != Some(&Method::ACK) {
            return;
        }
        let Some(name) = self.call_of(message) else { return };
        if let Some(call) = self.calls.get_mut(name)
            && let Stage::Answered { at, .. } = call.stage
        {
            call.stage = Stage::Up(at);
            self.timers.cancel(name);
            self.tally.steps[ACK].record(now.saturating_duration_since(at));
        }
    }

    fn left(&mut self, now: Instant, name: Name<Call>) {
        let Some(call) = self.calls.remove(name) else { return };
        self.timers.cancel(name);
        match call.stage {
            // RFC 3261 §15.1.2: a BYE ends what waits for an answer as well.
            Stage::Ringing(_) => self.refuse_ringing(now, name, &call),
            // A BYE tells, as an ACK does, that the answer has arrived.
            Stage::Answered { at, .. } | Stage::Up(at) => {
                self.tally.steps[CALL].record(now.saturating_duration_since(at));
                self.tally.done += 1;
            }
        }
    }

    fn cancelled(&mut self, now: Instant, server: ServerKey) {
        let Some(name) = self.ringing.get(&server).copied() else { return };
        self.timers.cancel(name);
        if let Some(call) = self.calls.remove(name) {
            self.refuse_ringing(now, name, &call);
        }
    }

    fn refuse_ringing(&mut self, now: Instant, name: Name<Call>, call: &Call) {
        self.ringing.remove(&call.server);
        self.tally.fail(Cause::Cancelled);
        if let Some(request) = self.transactions.server_request(call.server) {
            let reply = request.reply(StatusCode::REQUEST_TERMINATED, Some(&tag(name, call.secret))).build();
            self.respond(now, call.server, reply);
        }
    }

    fn respond<E>(&mut self, now: Instant, server: ServerKey, response: Result<Response, E>) {
        if let Ok(response) = response {
            // Gone: its client has given up, or the connection is lost.
            let _ = self.transactions.respond(now, server, response);
        }
    }

    /// The answer is repeated, or given up.
    fn repeat(&mut self, now: Instant, name: Name<Call>) {
        let Some(call) = self.calls.get_mut(name) else { return };
        let Stage::Answered { at, gap, answer } = &mut call.stage else { return };
        if now.saturating_duration_since(*at) >= self.timings.timeout() {
            self.tally.fail(Cause::NoAck);
            self.calls.remove(name);
            return;
        }
        *gap = gap.saturating_mul(2).min(self.timings.t2);
        self.timers.set(name, now + *gap);
        let (server, answer) = (call.server, answer.clone());
        self.tally.retransmissions += 1;
        self.respond(now, server, Ok::<_, ()>(answer));
    }

    fn call_of(&self, message: &Message) -> Option<Name<Call>> {
        let (bits, secret) = message.first::<To<'_>>()?.ok()?.tag()?.split_once('.')?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let (name, secret) = (Name::from_bits(number(bits)?), number(secret)?);
        let call = self.calls.get(name).filter(|call| call.secret == secret)?;
        let CallId(call_id) = message.first::<CallId<'_>>()?.ok()?;
        (call_id == &*call.call_id).then_some(name)
    }
}

/// Where audio would come to: not where a caller on this machine says, which would look like a loop.
const PORT: u16 = 4002;
/// What we understand.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, REGISTER, INFO";

fn tag(name: Name<Call>, secret: u64) -> String {
    format!("{:x}.{secret:x}", name.to_bits())
}

fn has_to_tag(request: &Request) -> bool {
    request.first::<To<'_>>().is_some_and(|to| to.is_ok_and(|to| to.tag().is_some()))
}

impl Side for Answerer {
    const GATHERS: bool = false;

    fn received(&mut self, now: Instant, flow: Flow, message: Message, out: &mut Outbox<Tag>) {
        self.transactions.handle(now, TransactionInput::Message(flow, message));
        self.pump(now, out);
    }

    fn failed(&mut self, now: Instant, whose: Whose, reason: CloseReason, out: &mut Outbox<Tag>) {
        if let Whose::Transaction(key) = whose {
            self.transactions.handle(now, TransactionInput::Failed(key, reason));
        }
        self.pump(now, out);
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Tag>) {
        self.transactions.handle_timeout(now);
        while let Some(name) = self.timers.pop_expired(now) {
            match self.calls.get(name).map(|call| &call.stage) {
                Some(Stage::Ringing(_)) => self.answer(now, name),
                Some(Stage::Answered { .. }) => self.repeat(now, name),
                Some(Stage::Up(_)) | None => {}
            }
        }
        self.pump(now, out);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().into_iter().chain(self.transactions.poll_timeout()).min()
    }

    /// Calls that are up are the callers' to end; new ones are refused.
    fn stop(&mut self, _: Instant, _: &mut Outbox<Tag>) {
        self.stopping = true;
    }

    fn take(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    fn over(&self) -> u64 {
        self.tally.done + self.tally.failures()
    }

    fn active(&self) -> usize {
        self.calls.len()
    }

    fn is_done(&self) -> bool {
        self.stopping && self.calls.is_empty()
    }
}
