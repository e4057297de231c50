//! Places calls, or single requests, at a rate: sans-IO, one for each thread.
//!
//! A call has at most one request on its way, so its transactions are a part of it (see `flight`), and a response finds its call
//! by the branch. What the other side asks runs through the transaction layer, as everywhere else.

use super::attempt::{Attempt, Ending, Stage};
use super::flight::{Due, Flight, Schedule, What};
use super::hub::{Side, Tag, Whose};
use super::options::Kind;
use super::plan::Plan;
use super::tally::{Cause, Tally};
use super::writing::{Writer, branch_of, call_of, read_tag};
use bytes::Bytes;
use ringback_message::header::To;
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_net::{CloseReason, Flow, OsEntropy, Outbox, Protocol, Target};
use ringback_sansio::{Key as Name, Machine as _, Slab};
use ringback_transaction::{ServerKey, TransactionConfig, TransactionInput, TransactionOutput, Transactions};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one thread has to do of the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Which thread.
    pub(crate) index: usize,
    /// Of how many.
    pub(crate) of: usize,
    /// So many calls.
    pub(crate) calls: u64,
    /// The first one then.
    pub(crate) first: Instant,
    /// One after so long.
    pub(crate) interval: Duration,
    /// At most so many at once.
    pub(crate) most: usize,
}

/// Places calls.
pub(crate) struct Caller {
    pub(super) plan: Arc<Plan>,
    share: Share,
    pub(super) writer: Writer,
    pub(super) entropy: OsEntropy,
    /// What the other side asks, and BYEs that nobody waits for.
    pub(super) transactions: Transactions<OsEntropy>,
    pub(super) attempts: Slab<Attempt>,
    pub(super) schedule: Schedule,
    /// When calls are to be hung up, and taken back: all wait equally long, so the next one is in front.
    pub(super) holds: VecDeque<(Instant, Name<Attempt>)>,
    patience: VecDeque<(Instant, Name<Attempt>)>,
    /// How many are still to be placed, and when the next one is.
    left: u64,
    next: Instant,
    pub(super) tally: Tally,
    waiting: Waiting,
}

/// Datagrams that wait for the end of the batch. Those of a kind are mostly equally long, and leave as one piece.
#[derive(Default)]
struct Waiting {
    /// These first: the BYE of a call must not overtake its ACK.
    acks: Vec<(Target, Bytes)>,
    byes: Vec<(Target, Bytes)>,
    others: Vec<(Target, Bytes)>,
}

impl Caller {
    /// `contact` is where the thread's socket can be reached.
    pub(crate) fn new(plan: Arc<Plan>, share: Share, contact: &str, config: TransactionConfig) -> Self {
        let sent_by = config.locals.sent_by(&plan.hop).unwrap_or("invalid");
        Self {
            writer: Writer::new(plan.clone(), sent_by, contact),
            entropy: OsEntropy::new(),
            schedule: Schedule::new(config.timings),
            transactions: Transactions::new(config, OsEntropy::new()),
            attempts: Slab::new(),
            holds: VecDeque::new(),
            patience: VecDeque::new(),
            left: share.calls,
            next: share.first,
            tally: Tally::default(),
            waiting: Waiting::default(),
            plan,
            share,
        }
    }

    pub(super) fn is_call(&self) -> bool {
        self.plan.kind == Kind::Invite
    }

    /// Places what is due, as far as the limit allows.
    fn place_due(&mut self, now: Instant) {
        while self.left > 0 && self.next <= now {
            if self.attempts.len() >= self.share.most {
                // What waits for the limit is not made up for afterwards.
                self.next = now;
                return;
            }
            self.place(now);
            self.left -= 1;
            self.next += self.share.interval;
        }
    }

    fn place(&mut self, now: Instant) {
        let number =
            (self.share.calls - self.left).saturating_mul(self.share.of as u64) + self.share.index as u64;
        let user = (number % self.plan.users.len() as u64) as usize;
        self.tally.place(now);
        let key = self.attempts.insert(Attempt::new(now, user, &mut self.entropy));
        let what = if self.is_call() { What::Invite } else { What::Other };
        if what == What::Invite {
            self.patience.push_back((now + self.plan.timeout, key));
        }
        if let Some(attempt) = self.attempts.get(key) {
            let bytes = self.writer.first(key, attempt);
            self.depart(now, key, what, self.plan.hop, bytes);
        }
    }

    /// Sends a request for the first time.
    pub(super) fn depart(&mut self, now: Instant, key: Name<Attempt>, what: What, to: Target, bytes: Bytes) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        let queue = if what == What::Bye { &mut self.waiting.byes } else { &mut self.waiting.others };
        queue.push((to, bytes.clone()));
        let flight = Flight::new(now, what, to, bytes, self.schedule.timings());
        self.schedule.departed(now, key, &flight, attempt.cseq);
        attempt.flight = Some(flight);
    }

    /// Sends what nobody answers.
    pub(super) fn send_ack(&mut self, to: Target, bytes: Bytes) {
        self.waiting.acks.push((to, bytes));
    }

    /// Gives out what has waited.
    fn flush(&mut self, out: &mut Outbox<Tag>) {
        let Waiting { acks, byes, others } = &mut self.waiting;
        for (to, bytes) in acks.drain(..) {
            out.send(None, to, bytes);
        }
        for (to, bytes) in byes.drain(..).chain(others.drain(..)) {
            // Whether a datagram arrives is asked when it is sent again: what is to be told by itself leaves by itself.
            let tag = (to.protocol() != Protocol::Udp).then(|| call_of(&bytes)).flatten();
            out.send(tag.map(|bits| (self.share.index, Whose::Call(bits))), to, bytes);
        }
    }

    /// Does what the transactions ask for.
    pub(super) fn pump(&mut self, now: Instant, out: &mut Outbox<Tag>) {
        while let Some(output) = self.transactions.poll() {
            match output {
                TransactionOutput::Transmit { key, to, bytes } => {
                    out.send(key.map(|key| (self.share.index, Whose::Transaction(key))), to, bytes);
                }
                TransactionOutput::Request(key, _, request) => self.requested(now, key, &request),
                // No INVITE of a peer waits here for its answer, and nobody for what becomes of a fork's BYE.
                TransactionOutput::Cancelled(..)
                | TransactionOutput::Response(..)
                | TransactionOutput::Stray(..)
                | TransactionOutput::Ended(..) => {}
            }
        }
    }

    /// The time of a request has come.
    fn fire(&mut self, now: Instant, key: Name<Attempt>, first: Option<u32>, out: &mut Outbox<Tag>) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        match self.schedule.fire(now, key, first, attempt) {
            Due::Nothing => {}
            Due::Again => {
                let Some(flight) = &attempt.flight else { return };
                self.tally.retransmissions += 1;
                let tag = (self.share.index, Whose::Call(key.to_bits()));
                out.send(Some(tag), flight.to, flight.bytes.clone());
            }
            Due::TimedOut => self.ended(key, Cause::TimedOut),
        }
    }

    /// No response came, or will come, to the request that is on its way.
    fn ended(&mut self, key: Name<Attempt>, cause: Cause) {
        let Some(attempt) = self.attempts.get(key) else { return };
        let Some(flight) = &attempt.flight else { return };
        tracing::debug!(?cause, what = ?flight.what, "no answer to a request");
        let ending = match attempt.stage {
            Stage::GivingUp => attempt.ending,
            Stage::Leaving(_) if attempt.ending != Ending::Done => attempt.ending,
            _ if cause == Cause::TimedOut && flight.what == What::Bye => Ending::Failed(Cause::ByeTimedOut),
            _ => Ending::Failed(cause),
        };
        self.finish(key, ending);
    }

    pub(super) fn finish(&mut self, key: Name<Attempt>, ending: Ending) {
        let Some(attempt) = self.attempts.remove(key) else { return };
        if let Some(flight) = &attempt.flight {
            self.schedule.landed(key, flight);
        }
        match ending {
            Ending::Done => self.tally.done += 1,
            Ending::ByPeer => {
                self.tally.done += 1;
                self.tally.ended_by_peer += 1;
            }
            Ending::GivenUp => self.tally.given_up += 1,
            Ending::Failed(cause) => self.tally.fail(cause),
        }
    }

    /// What the other side asks during a call.
    fn requested(&mut self, now: Instant, server: ServerKey, request: &Request) {
        let tag = request.first::<To<'_>>().and_then(|to| to.ok()?.tag().and_then(read_tag));
        let found = tag.and_then(|(key, secret)| Some((key, self.attempts.get_mut(key)?, secret)));
        let call = found.filter(|(_, attempt, secret)| attempt.has_secret(*secret));
        let status = match (request.method().clone(), &call) {
            (Method::OPTIONS, _) | (Method::BYE, Some(_)) => StatusCode::OK,
            (Method::INVITE, Some(_)) => StatusCode::NOT_ACCEPTABLE_HERE,
            (Method::BYE | Method::CANCEL, None) => StatusCode::CALL_DOES_NOT_EXIST,
            _ => StatusCode::METHOD_NOT_ALLOWED,
        };
        let mut over = None;
        if let Some((key, attempt, _)) = call
            && *request.method() == Method::BYE
        {
            if attempt.ending == Ending::Done {
                attempt.ending = Ending::ByPeer;
            }
            // After a BYE of our own the answer to that one ends it.
            over = (attempt.stage == Stage::Up).then_some((key, attempt.ending));
        }
        let reply = request.reply(status, Some("load")).header(HeaderId::ALLOW, "BYE, OPTIONS");
        if let Ok(reply) = reply.build() {
            // The transaction is there: it has just begun.
            let _ = self.transactions.respond(now, server, reply);
        }
        if let Some((key, ending)) = over {
            self.finish(key, ending);
        }
    }

    /// Takes back what nobody has answered.
    fn give_up(&mut self, now: Instant, key: Name<Attempt>, ending: Ending) {
        let Some(attempt) = self.attempts.get_mut(key).filter(|attempt| attempt.stage == Stage::Asking)
        else {
            return;
        };
        attempt.stage = Stage::GivingUp;
        attempt.ending = ending;
        // RFC 3261 §9.1: not before something came.
        if attempt.flight.as_ref().is_some_and(|flight| flight.heard) {
            self.cancel(now, key);
        }
    }

    pub(super) fn cancel(&mut self, now: Instant, key: Name<Attempt>) {
        if let Some(attempt) = self.attempts.get(key) {
            let bytes = self.writer.cancel(key, attempt);
            self.depart(now, key, What::Cancel, self.plan.hop, bytes);
        }
    }
}

impl Side for Caller {
    const GATHERS: bool = true;

    fn received(&mut self, now: Instant, flow: Flow, message: Message, out: &mut Outbox<Tag>) {
        let branch = if message.is_request() { None } else { branch_of(&message) };
        match branch {
            Some(branch) => {
                if let Ok(response) = Response::try_from(message) {
                    self.responded(now, &branch, &response);
                }
            }
            None => {
                self.transactions.handle(now, TransactionInput::Message(flow, message));
                self.pump(now, out);
            }
        }
        if flow.protocol != Protocol::Udp {
            self.batch_ended(now, out);
        }
    }

    fn batch_ended(&mut self, now: Instant, out: &mut Outbox<Tag>) {
        self.place_due(now);
        self.flush(out);
        // After the ACK of its fork, which waited.
        self.pump(now, out);
    }

    fn failed(&mut self, now: Instant, whose: Whose, reason: CloseReason, out: &mut Outbox<Tag>) {
        match whose {
            Whose::Transaction(key) => self.transactions.handle(now, TransactionInput::Failed(key, reason)),
            Whose::Call(bits) => self.ended(Name::from_bits(bits), Cause::Unreachable),
        }
        self.pump(now, out);
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Tag>) {
        self.transactions.handle_timeout(now);
        self.pump(now, out);
        while let Some((key, first)) = self.schedule.pop(now) {
            self.fire(now, key, first, out);
        }
        while let Some(key) = pop_due(&mut self.holds, now) {
            if self.attempts.get(key).is_some_and(|attempt| attempt.stage == Stage::Up) {
                self.hang_up(now, key);
            }
        }
        while let Some(key) = pop_due(&mut self.patience, now) {
            self.give_up(now, key, Ending::Failed(Cause::Unanswered));
        }
        self.batch_ended(now, out);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let may_place = self.left > 0 && self.attempts.len() < self.share.most;
        let fronts = [self.holds.front(), self.patience.front()].into_iter().flatten().map(|(at, _)| *at);
        let due = fronts.chain(self.transactions.poll_timeout()).chain(self.schedule.next());
        due.chain(may_place.then_some(self.next)).min()
    }

    fn stop(&mut self, now: Instant, out: &mut Outbox<Tag>) {
        self.left = 0;
        let all: Vec<_> = self.attempts.iter().map(|(key, attempt)| (key, attempt.stage)).collect();
        for (key, stage) in all {
            match stage {
                Stage::Up => self.hang_up(now, key),
                Stage::Asking if self.is_call() => self.give_up(now, key, Ending::GivenUp),
                Stage::Asking | Stage::GivingUp | Stage::Leaving(_) => {}
            }
        }
        self.pump(now, out);
        self.flush(out);
    }

    fn take(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    fn over(&self) -> u64 {
        self.tally.done + self.tally.failures()
    }

    fn active(&self) -> usize {
        self.attempts.len()
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.attempts.is_empty()
    }
}

fn pop_due(queue: &mut VecDeque<(Instant, Name<Attempt>)>, now: Instant) -> Option<Name<Attempt>> {
    let (at, key) = *queue.front()?;
    if at > now {
        return None;
    }
    queue.pop_front();
    Some(key)
}
