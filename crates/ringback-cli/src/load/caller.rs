//! Places calls, or single requests, at a rate: sans-IO, one for each thread.

use super::attempt::{Attempt, Dialog, Ending, Proof, Stage, read_tag};
use super::hub::{Side, Tag};
use super::options::Kind;
use super::plan::Plan;
use super::tally::{ANSWER, BYE, Cause, REQUEST, RINGING, Tally};
use bytes::Bytes;
use ringback_auth::DigestClient;
use ringback_message::header::{CSeq, From, To};
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_net::{CloseReason, Flow, OsEntropy, Outbox, Target};
use ringback_sansio::{Key as Name, Machine as _, Map, Slab};
use ringback_transaction::{
    ClientKey, End, Key, ServerKey, TransactionConfig, TransactionInput, TransactionOutput, Transactions,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many transactions may live at once: those of calls that are over stay for half a minute.
const MOST_TRANSACTIONS: usize = 4_000_000;

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
    plan: Arc<Plan>,
    share: Share,
    contact: String,
    offer: Bytes,
    entropy: OsEntropy,
    transactions: Transactions<OsEntropy>,
    attempts: Slab<Attempt>,
    /// Requests that wait for a final response.
    flights: Map<ClientKey, Flight>,
    /// When calls are to be hung up, and taken back: all wait equally long, so the next one is in front.
    holds: VecDeque<(Instant, Name<Attempt>)>,
    patience: VecDeque<(Instant, Name<Attempt>)>,
    /// How many are still to be placed, and when the next one is.
    left: u64,
    next: Instant,
    tally: Tally,
}

/// A request of ours without its final response.
struct Flight {
    attempt: Name<Attempt>,
    is_bye: bool,
    sends: u32,
}

impl Caller {
    /// `contact` is where the thread's socket can be reached.
    pub(crate) fn new(plan: Arc<Plan>, share: Share, contact: String, mut config: TransactionConfig) -> Self {
        config.max_client = MOST_TRANSACTIONS;
        config.max_server = MOST_TRANSACTIONS;
        Self {
            offer: plan.offer(),
            contact,
            entropy: OsEntropy::new(),
            transactions: Transactions::new(config, OsEntropy::new()),
            attempts: Slab::new(),
            flights: Map::default(),
            holds: VecDeque::new(),
            patience: VecDeque::new(),
            left: share.calls,
            next: share.first,
            tally: Tally::default(),
            plan,
            share,
        }
    }

    fn is_call(&self) -> bool {
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
        let attempt = Attempt::new(now, user, &mut self.entropy);
        let key = self.attempts.insert(attempt);
        if self.is_call() {
            self.patience.push_back((now + self.plan.timeout, key));
        }
        match self.first(key) {
            Some(request) => self.send(now, key, self.plan.hop, request, false),
            None => self.finish(key, Ending::Failed(Cause::NotSent)),
        }
    }

    fn first(&self, key: Name<Attempt>) -> Option<Request> {
        self.attempts.get(key)?.first(key, &self.plan, &self.contact, &self.offer).ok()
    }

    fn send(&mut self, now: Instant, key: Name<Attempt>, to: Target, request: Request, is_bye: bool) {
        match self.transactions.request(now, to, request) {
            Ok(client) => {
                self.flights.insert(client, Flight { attempt: key, is_bye, sends: 0 });
                if let Some(attempt) = self.attempts.get_mut(key) {
                    attempt.client = Some(client);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a request was not sent");
                self.finish(key, Ending::Failed(Cause::NotSent));
            }
        }
    }

    /// Does what the transactions ask for, and tells what happened in them.
    fn pump(&mut self, now: Instant, out: &mut Outbox<Tag>) {
        while let Some(output) = self.transactions.poll() {
            match output {
                TransactionOutput::Transmit { key, to, bytes } => {
                    self.count_send(key, &bytes);
                    out.send(key.map(|key| (self.share.index, key)), to, bytes);
                }
                TransactionOutput::Request(key, _, request) => self.requested(now, key, &request),
                // No INVITE of a peer waits here for its answer.
                TransactionOutput::Cancelled(..) => {}
                TransactionOutput::Response(client, _, response) => {
                    self.responded(now, client, &response, out)
                }
                TransactionOutput::Stray(_, message) => {
                    // A copy of a 2xx whose transaction is over: its caller still waits for the ACK.
                    if let Ok(response) = Response::try_from(*message)
                        && response.status().is_success()
                        && is_of(&response, &Method::INVITE)
                    {
                        self.acknowledge(now, None, &response, out);
                    }
                }
                TransactionOutput::Ended(Key::Client(client), end) => self.ended(now, client, end),
                TransactionOutput::Ended(Key::Server(_), _) => {}
            }
        }
    }

    fn count_send(&mut self, key: Option<Key>, bytes: &Bytes) {
        let Some(Key::Client(client)) = key else { return };
        // The ACK to a failure goes under the key of its INVITE.
        if let Some(flight) = self.flights.get_mut(&client).filter(|_| !bytes.starts_with(b"ACK ")) {
            flight.sends += 1;
            self.tally.retransmissions += u64::from(flight.sends > 1);
        }
    }

    fn responded(&mut self, now: Instant, client: ClientKey, response: &Response, out: &mut Outbox<Tag>) {
        let status = response.status();
        if status.is_provisional() {
            return self.progressed(now, client, status);
        }
        let Some(Flight { attempt: key, is_bye, .. }) = self.flights.remove(&client) else {
            // Another 2xx to the INVITE: a copy, or of another fork.
            return self.acknowledge(now, None, response, out);
        };
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            && attempt.stage != Stage::GivingUp
            && self.answer_challenge(now, key, response, is_bye)
        {
            return;
        }
        match is_bye {
            true => self.left(now, key, status),
            false if self.is_call() => self.decided(now, key, response, out),
            false if status.is_success() => {
                let Some(attempt) = self.attempts.get(key) else { return };
                self.tally.steps[REQUEST].record(now.saturating_duration_since(attempt.placed));
                self.tally.answered += 1;
                self.finish(key, Ending::Done);
            }
            false => self.finish(key, Ending::Failed(Cause::Refused(status))),
        }
    }

    fn progressed(&mut self, now: Instant, client: ClientKey, status: StatusCode) {
        let Some(flight) = self.flights.get(&client).filter(|flight| !flight.is_bye) else { return };
        let Some(attempt) = self.attempts.get_mut(flight.attempt) else { return };
        if status != StatusCode::TRYING && !attempt.rang && self.plan.kind == Kind::Invite {
            attempt.rang = true;
            self.tally.steps[RINGING].record(now.saturating_duration_since(attempt.placed));
        }
    }

    /// The final response to an INVITE.
    fn decided(&mut self, now: Instant, key: Name<Attempt>, response: &Response, out: &mut Outbox<Tag>) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        if !response.status().is_success() {
            let ending = match attempt.stage {
                Stage::GivingUp => attempt.ending,
                Stage::Asking | Stage::Up | Stage::Leaving(_) => {
                    Ending::Failed(Cause::Refused(response.status()))
                }
            };
            return self.finish(key, ending);
        }
        attempt.dialog = Dialog::of_response(response);
        let was = std::mem::replace(&mut attempt.stage, Stage::Up);
        let took = now.saturating_duration_since(attempt.placed);
        self.acknowledge(now, Some(key), response, out);
        if self.attempts.get(key).is_none_or(|attempt| attempt.dialog.is_none()) {
            return self.finish(key, Ending::Failed(Cause::NotSent));
        }
        match was {
            Stage::Asking => {
                self.tally.answered += 1;
                self.tally.steps[ANSWER].record(took);
                match self.plan.hold {
                    Duration::ZERO => self.hang_up(now, key),
                    hold => self.holds.push_back((now + hold, key)),
                }
            }
            // Answered while it was taken back.
            Stage::GivingUp | Stage::Up | Stage::Leaving(_) => self.hang_up(now, key),
        }
    }

    /// Sends the ACK to a 2xx, the first or a copy. A fork that answers second is turned away.
    fn acknowledge(
        &mut self,
        now: Instant,
        first: Option<Name<Attempt>>,
        response: &Response,
        out: &mut Outbox<Tag>,
    ) {
        let attempt = first.or_else(|| self.attempt_of(response)).and_then(|key| self.attempts.get(key));
        let own = attempt.and_then(|attempt| attempt.dialog.as_ref());
        let is_fork = own.is_some_and(|dialog| !dialog.is_of(response));
        let Some(dialog) = Dialog::of_response(response) else { return };
        let invite = attempt.and_then(|attempt| attempt.proof.as_ref()?.invite.as_ref());
        let Some((mut ack, to)) = dialog.ack(response, &self.plan, invite) else { return };
        if self.transactions.stamp_via(&mut ack, &to, None).is_ok() {
            out.send(None, to, ack.render());
        }
        if first.is_none() {
            self.tally.retransmissions += u64::from(!is_fork);
        }
        if is_fork && let Some((bye, to)) = dialog.turn_away(response, &self.plan) {
            // Nobody waits for what becomes of it.
            let _ = self.transactions.request(now, to, bye);
        }
    }

    fn attempt_of(&self, response: &Response) -> Option<Name<Attempt>> {
        let (key, secret) = read_tag(response.first::<From<'_>>()?.ok()?.tag()?)?;
        self.attempts.get(key).filter(|attempt| attempt.has_secret(secret)).map(|_| key)
    }

    fn hang_up(&mut self, now: Instant, key: Name<Attempt>) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        attempt.stage = Stage::Leaving(now);
        attempt.cseq = attempt.cseq.saturating_add(1);
        match attempt.bye(key, &self.plan) {
            Some((mut bye, to)) => {
                // A proxy that asked once wants credentials with this as well.
                if let Some(proof) = &mut attempt.proof {
                    let _ = proof.client.preauthorize(&mut bye);
                }
                self.send(now, key, to, bye, true);
            }
            None => self.finish(key, Ending::Failed(Cause::NotSent)),
        }
    }

    /// The final response to a BYE.
    fn left(&mut self, now: Instant, key: Name<Attempt>, status: StatusCode) {
        let Some(attempt) = self.attempts.get(key) else { return };
        let Stage::Leaving(since) = attempt.stage else { return };
        let ending = attempt.ending;
        if status.is_success() {
            self.tally.steps[BYE].record(now.saturating_duration_since(since));
        }
        let fine = status.is_success() || ending != Ending::Done;
        self.finish(key, if fine { ending } else { Ending::Failed(Cause::ByeRefused(status)) });
    }

    /// Sends a request again with credentials. False when there are none that could help.
    fn answer_challenge(
        &mut self,
        now: Instant,
        key: Name<Attempt>,
        response: &Response,
        is_bye: bool,
    ) -> bool {
        let Some(attempt) = self.attempts.get_mut(key) else { return false };
        let Some((name, password)) = &self.plan.users[attempt.user].login else { return false };
        let mut proof = attempt.proof.take().unwrap_or_else(|| {
            Box::new(Proof {
                client: DigestClient::new(name, password),
                first: ringback_auth::Attempt::default(),
                bye: ringback_auth::Attempt::default(),
                invite: None,
            })
        });
        attempt.cseq = attempt.cseq.saturating_add(1);
        let again = match is_bye {
            true => attempt.bye(key, &self.plan),
            false => {
                let first = attempt.first(key, &self.plan, &self.contact, &self.offer);
                first.ok().map(|request| (request, self.plan.hop))
            }
        };
        let Some((mut request, to)) = again else { return false };
        let tried = if is_bye { &mut proof.bye } else { &mut proof.first };
        if let Err(error) = proof.client.authorize(tried, response, &mut request, &mut self.entropy) {
            tracing::debug!(%error, "a challenge was not answered");
            return false;
        }
        if !is_bye {
            proof.invite = Some(request.clone());
        }
        attempt.proof = Some(proof);
        self.send(now, key, to, request, is_bye);
        true
    }

    /// A transaction is over; where no final response came before, its attempt has failed.
    fn ended(&mut self, now: Instant, client: ClientKey, end: End) {
        let Some(Flight { attempt: key, is_bye, .. }) = self.flights.remove(&client) else { return };
        let Some(attempt) = self.attempts.get(key) else { return };
        tracing::debug!(
            ?end,
            "no answer {:?} after it was placed",
            now.saturating_duration_since(attempt.placed)
        );
        let ending = match (attempt.stage, end) {
            (Stage::GivingUp, _) => attempt.ending,
            (Stage::Leaving(_), _) if attempt.ending != Ending::Done => attempt.ending,
            (_, End::TransportFailed(_)) => Ending::Failed(Cause::Unreachable),
            _ if is_bye => Ending::Failed(Cause::ByeTimedOut),
            _ => Ending::Failed(Cause::TimedOut),
        };
        self.finish(key, ending);
    }

    fn finish(&mut self, key: Name<Attempt>, ending: Ending) {
        if self.attempts.remove(key).is_none() {
            return;
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
        if let Some(client) = attempt.client {
            // Where the final response is on its way up already, that decides.
            let _ = self.transactions.cancel(now, client, None);
        }
    }
}

impl Side for Caller {
    fn received(&mut self, now: Instant, flow: Flow, message: Message, out: &mut Outbox<Tag>) {
        self.transactions.handle(now, TransactionInput::Message(flow, message));
        self.pump(now, out);
        self.place_due(now);
        self.pump(now, out);
    }

    fn failed(&mut self, now: Instant, key: Key, reason: CloseReason, out: &mut Outbox<Tag>) {
        self.transactions.handle(now, TransactionInput::Failed(key, reason));
        self.pump(now, out);
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Tag>) {
        self.transactions.handle_timeout(now);
        self.pump(now, out);
        while let Some(key) = pop_due(&mut self.holds, now) {
            if self.attempts.get(key).is_some_and(|attempt| attempt.stage == Stage::Up) {
                self.hang_up(now, key);
            }
        }
        while let Some(key) = pop_due(&mut self.patience, now) {
            self.give_up(now, key, Ending::Failed(Cause::Unanswered));
        }
        self.place_due(now);
        self.pump(now, out);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let may_place = self.left > 0 && self.attempts.len() < self.share.most;
        let fronts = [self.holds.front(), self.patience.front()].into_iter().flatten().map(|(at, _)| *at);
        fronts.chain(self.transactions.poll_timeout()).chain(may_place.then_some(self.next)).min()
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

fn is_of(response: &Response, method: &Method) -> bool {
    response.require::<CSeq>().is_ok_and(|cseq| cseq.method == *method)
}
