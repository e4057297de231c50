//! The user agent: what it holds, and what the application tells it to do.

use crate::account::{Ids, Known};
use crate::entropy::Shared;
use crate::outgoing::{Lookup, Outgoing, Purpose};
use crate::publication::{Publication, PublicationKey};
use crate::registration::Registration;
use crate::{
    Account, AccountKey, CallKey, CommandError, InboundAuthentication, LocalAudio, Outbound, RequestKey,
    Session, UaConfig, UaInput, UaOutput,
};
use bytes::Bytes;
use ringback_dialog::{
    CallError, Calls, CallsConfig, EventsConfig, Invitation, Opening, SendTag, Subscriptions, TransferKey,
    Usage,
};
use ringback_message::{HeaderId, Method, Request, StatusCode, UriBuf};
use ringback_sansio::{Entropy, Hasher, Key, Machine, Map, Slab, TimerQueue};
use ringback_transaction::{ClientKey, Locals, ServerKey, TransactionInput, Transactions};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A user agent with its accounts, registrations, calls and transactions. See the [crate documentation](crate).
pub struct UserAgent<E> {
    pub(crate) user_agent: String,
    pub(crate) learns_address: bool,
    pub(crate) max_calls: usize,
    pub(crate) answers_anyone: bool,
    pub(crate) answers_by_itself: bool,
    pub(crate) authentication: Option<InboundAuthentication>,
    pub(crate) entropy: Shared<E>,
    pub(crate) transactions: Transactions<Shared<E>>,
    pub(crate) calls: Calls<Shared<E>>,
    pub(crate) events: Subscriptions<Shared<E>>,
    pub(crate) accounts: Slab<Known>,
    /// The account of each call.
    pub(crate) callers: Map<CallKey, AccountKey>,
    /// The account of each subscription.
    pub(crate) usages: Map<Usage, AccountKey>,
    pub(crate) publications: Slab<Publication>,
    pub(crate) outgoing: Slab<Outgoing>,
    pub(crate) by_client: Map<ClientKey, Key<Outgoing>>,
    pub(crate) by_tag: Map<SendTag, Key<Outgoing>>,
    pub(crate) lookups: Slab<Lookup>,
    /// Requests that are being served, to tell copies that came another way (rule 22).
    pub(crate) served: Map<(String, String, u32, Method), ServerKey>,
    pub(crate) serving: Map<ServerKey, (String, String, u32, Method)>,
    /// When registrations are to be refreshed or tried again.
    pub(crate) timers: TimerQueue<AccountKey>,
    /// When publications are to be.
    pub(crate) publishing: TimerQueue<PublicationKey>,
    pub(crate) outputs: VecDeque<UaOutput>,
    now: Option<Instant>,
}

impl<E: Entropy> UserAgent<E> {
    /// A user agent without accounts.
    pub fn new(config: UaConfig, entropy: E) -> Self {
        let mut entropy = Shared::new(entropy);
        let UaConfig {
            user_agent,
            learns_address,
            mut transactions,
            max_calls,
            codecs,
            srtp,
            dtls,
            accepts_transfers,
            max_redirects,
            session_expires,
            answers_anyone,
            answers_by_itself,
            authentication,
            packages,
            max_watchers,
        } = config;
        let timings = transactions.timings;
        let calls = CallsConfig {
            timings: transactions.timings,
            max_calls,
            codecs,
            srtp,
            dtls,
            max_redirects,
            session_expires,
            accepts_transfers,
        };
        transactions.keep_alive = true;
        // Peers choose what these are looked up by.
        let hasher = Hasher::keyed(entropy.next_u64());
        Self {
            user_agent,
            learns_address,
            max_calls,
            answers_anyone,
            answers_by_itself,
            authentication,
            transactions: Transactions::new(transactions, entropy.clone()),
            calls: Calls::new(calls, entropy.clone()),
            events: Subscriptions::new(
                EventsConfig { timings, packages, max_watchers, ..EventsConfig::default() },
                entropy.clone(),
            ),
            entropy,
            accounts: Slab::new(),
            callers: Map::default(),
            usages: Map::default(),
            publications: Slab::new(),
            outgoing: Slab::new(),
            by_client: Map::default(),
            by_tag: Map::default(),
            lookups: Slab::new(),
            served: Map::with_hasher(hasher),
            serving: Map::default(),
            timers: TimerQueue::new(),
            publishing: TimerQueue::new(),
            outputs: VecDeque::new(),
            now: None,
        }
    }

    /// Adds an account. It can make and take calls at once; [`register`](Self::register) is for being found.
    pub fn add_account(&mut self, account: Account) -> AccountKey {
        let registration = Registration::new(&account, &mut self.entropy);
        AccountKey(self.accounts.insert(Known::new(account, registration)))
    }

    /// Forgets an account. Its registration runs out by itself, unless it was taken back before; its calls go on,
    /// but cannot answer challenges any more.
    pub fn remove_account(&mut self, key: AccountKey) -> Option<Account> {
        self.timers.cancel(key);
        self.follow_flow(key, None);
        self.accounts.remove(key.0).map(|known| known.account)
    }

    /// An account.
    pub fn account(&self, key: AccountKey) -> Option<&Account> {
        self.accounts.get(key.0).map(|known| &known.account)
    }

    /// Registers, and stays registered until [`unregister`](Self::unregister): before the time is over it registers
    /// again, and after a failure that may pass it tries again, at growing intervals (RFC 5626 §4.5).
    ///
    /// # Errors
    /// [`CommandError::Gone`]; [`CommandError::NotSip`] when there is no registrar for such an address.
    pub fn register(&mut self, now: Instant, account: AccountKey) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let result = self.begin_registration(now, account);
        self.pump(now);
        result
    }

    /// Takes the registration back.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub fn unregister(&mut self, now: Instant, account: AccountKey) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let result = self.end_registration(now, account);
        self.pump(now);
        result
    }

    /// Calls somebody.
    ///
    /// # Errors
    /// When the account is gone, there are too many calls, or target or media cannot be written.
    pub fn call(
        &mut self,
        now: Instant,
        account: AccountKey,
        target: &UriBuf,
        audio: LocalAudio,
    ) -> Result<CallKey, CommandError> {
        self.call_as(now, account, target, Opening::Offer(audio), Vec::new())
    }

    /// Calls somebody and leaves the offer to the peer; our answer goes with the ACK (RFC 3261 §13.2.1).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_without_offer(
        &mut self,
        now: Instant,
        account: AccountKey,
        target: &UriBuf,
        audio: LocalAudio,
    ) -> Result<CallKey, CommandError> {
        self.call_as(now, account, target, Opening::Answer(audio), Vec::new())
    }

    /// Calls somebody, with media that are described as `opening` says, and header fields of the application, name and value
    /// (see [`Invitation::headers`]).
    ///
    /// # Errors
    /// As [`call`](Self::call); [`CommandError::Invalid`] when a field is not the application's to write.
    pub fn call_as(
        &mut self,
        now: Instant,
        account: AccountKey,
        target: &UriBuf,
        opening: Opening,
        headers: Vec<(String, String)>,
    ) -> Result<CallKey, CommandError> {
        let now = self.clamp(now);
        let known = self.accounts.get(account.0).ok_or(CommandError::Gone)?;
        if target.as_sip().is_none() && known.account.outbound.is_none() {
            return Err(CommandError::NotSip);
        }
        let invitation = Invitation {
            target: target.clone(),
            from: known.account.from(),
            to: format!("<{}>", bare(target)),
            routes: known.routes(),
            opening,
            headers,
        };
        let call = self.calls.call(now, invitation)?;
        self.callers.insert(call, account);
        self.pump(now);
        Ok(call)
    }

    /// Tells the caller that it rings here.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call waits to be answered.
    pub fn ring(&mut self, now: Instant, call: CallKey) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.ring(now, call))
    }

    /// Rings, and has the caller acknowledge that (RFC 3262), where it can. With `audio` both sides are ready to talk
    /// before the answer, and what [`answer`](Self::answer) is given is not used.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call waits to be answered.
    pub fn ring_reliably(
        &mut self,
        now: Instant,
        call: CallKey,
        audio: Option<LocalAudio>,
    ) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.ring_reliably(now, call, audio))
    }

    /// Accepts a call. When `audio` does not fit the offer the call is refused with 488 and ends.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call waits to be answered.
    pub fn answer(&mut self, now: Instant, call: CallKey, audio: LocalAudio) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.answer(now, call, audio))
    }

    /// Accepts a call without anybody having done that, and says so to a caller that wants to know (RFC 5373).
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn answer_by_itself(
        &mut self,
        now: Instant,
        call: CallKey,
        audio: LocalAudio,
    ) -> Result<(), CommandError> {
        self.command(now, |calls, now| {
            calls.answers_by_itself(now, call)?;
            calls.answer(now, call, audio)
        })
    }

    /// Answers what the peer of a call of ours has offered ([`Offered`](crate::UaEvent::Offered)).
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless an offer waits; [`CommandError::Negotiation`] when this is no answer to it.
    pub fn answer_offer(
        &mut self,
        now: Instant,
        call: CallKey,
        audio: LocalAudio,
    ) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.answer_offer(now, call, audio))
    }

    /// Describes other audio to the peer than before, another address, other codecs, and holds it or not.
    /// [`SessionChanged`](crate::UaEvent::SessionChanged) follows where the peer answers something else than before, or
    /// [`ChangeRefused`](crate::UaEvent::ChangeRefused).
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call is up.
    pub fn redescribe(
        &mut self,
        now: Instant,
        call: CallKey,
        audio: LocalAudio,
        hold: bool,
    ) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.redescribe(now, call, audio, hold))
    }

    /// Refuses a call with a status of 300 or above.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call waits to be answered and the status is 300 or above.
    pub fn reject(&mut self, now: Instant, call: CallKey, status: StatusCode) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.reject(now, call, status))
    }

    /// Answers a call with 302: the caller shall try `target` instead.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call waits to be answered.
    pub fn redirect(&mut self, now: Instant, call: CallKey, target: &UriBuf) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.redirect(now, call, target))
    }

    /// Ends a call as its state asks: CANCEL, BYE, or 603. [`UaEvent::Ended`](crate::UaEvent::Ended) tells when that
    /// is certain.
    ///
    /// # Errors
    /// [`CommandError::Gone`] when it is over already.
    pub fn hangup(&mut self, now: Instant, call: CallKey) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.hangup(now, call))
    }

    /// Holds the peer. [`SessionChanged`](crate::UaEvent::SessionChanged) or
    /// [`ChangeRefused`](crate::UaEvent::ChangeRefused) follows, unless it is held already. Before the answer it is offered
    /// in PRACK or UPDATE where that is possible, and [`EarlyMedia`](crate::UaEvent::EarlyMedia) follows; else it waits for
    /// the answer.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] when the call is being hung up.
    pub fn hold(&mut self, now: Instant, call: CallKey) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.hold(now, call))
    }

    /// Ends our hold.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn resume(&mut self, now: Instant, call: CallKey) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.resume(now, call))
    }

    /// Begins ICE anew for the audio of a call whose way is gone. [`SessionChanged`](crate::UaEvent::SessionChanged) follows, or
    /// [`ChangeRefused`](crate::UaEvent::ChangeRefused).
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call is up and has ICE.
    pub fn restart_ice(&mut self, now: Instant, call: CallKey) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.restart_ice(now, call))
    }

    /// Sends digits by INFO, each so long, for peers that take no telephone events (RFC 4733).
    /// [`DigitsSent`](crate::UaEvent::DigitsSent) follows.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call is up, when one is no digit, or when more than 64 wait.
    pub fn send_digits(
        &mut self,
        now: Instant,
        call: CallKey,
        digits: &str,
        duration: Duration,
    ) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.send_digits(now, call, digits, duration))
    }

    /// Asks the peer of a call to call `target` instead of talking to us. One
    /// [`TransferEnded`](crate::UaEvent::TransferEnded) follows, and after a success the end of the call.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call is up and is not being transferred.
    pub fn transfer(&mut self, now: Instant, call: CallKey, target: &UriBuf) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.transfer(now, call, target))
    }

    /// Connects the peers of two calls: the peer of `call` is asked to take our place towards the peer of `other`.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless both calls are up.
    pub fn transfer_to(&mut self, now: Instant, call: CallKey, other: CallKey) -> Result<(), CommandError> {
        self.command(now, |calls, now| calls.transfer_to(now, call, other))
    }

    /// Makes the call that a peer asks for; the peer hears what becomes of it.
    ///
    /// # Errors
    /// As [`call`](Self::call); [`CommandError::Gone`] when the peer has left.
    pub fn accept_transfer(
        &mut self,
        now: Instant,
        transfer: TransferKey,
        audio: LocalAudio,
    ) -> Result<CallKey, CommandError> {
        let now = self.clamp(now);
        let account = self.callers.get(&transfer.call()).copied().ok_or(CommandError::Gone)?;
        let known = self.accounts.get(account.0).ok_or(CommandError::Gone)?;
        let target = self.calls.transfer_target(transfer).ok_or(CommandError::Gone)?.clone();
        let invitation = Invitation {
            from: known.account.from(),
            to: format!("<{}>", bare(&target)),
            target,
            routes: known.routes(),
            opening: Opening::Offer(audio),
            headers: Vec::new(),
        };
        let call = self.calls.take_transfer(now, transfer, invitation)?;
        self.callers.insert(call, account);
        self.pump(now);
        Ok(call)
    }

    /// Does not make the call that a peer asks for.
    pub fn refuse_transfer(&mut self, now: Instant, transfer: TransferKey) {
        let now = self.clamp(now);
        self.calls.refuse_transfer(now, transfer, StatusCode::DECLINE);
        self.pump(now);
    }

    /// Sends an instant message (RFC 3428). One [`Reply`](crate::UaEvent::Reply) follows.
    ///
    /// # Errors
    /// When the account is gone or a value cannot stand in a message.
    pub fn message(
        &mut self,
        now: Instant,
        account: AccountKey,
        target: &UriBuf,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<RequestKey, CommandError> {
        self.single(now, account, target, Method::MESSAGE, Some((content_type, body.into())))
    }

    /// Sends a message to exactly the peer of a call, one after the other. The number that it gets is told again by
    /// [`MessageSent`](crate::UaEvent::MessageSent).
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call is up, or when 64 wait.
    pub fn message_in_call(
        &mut self,
        now: Instant,
        call: CallKey,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<u64, CommandError> {
        let now = self.clamp(now);
        let number = self.calls.message(now, call, content_type, body.into());
        self.pump(now);
        Ok(number?)
    }

    /// Asks what a peer can do (RFC 3261 §11). One [`Reply`](crate::UaEvent::Reply) follows.
    ///
    /// # Errors
    /// When the account is gone or a value cannot stand in a message.
    pub fn options(
        &mut self,
        now: Instant,
        account: AccountKey,
        target: &UriBuf,
    ) -> Result<RequestKey, CommandError> {
        self.single(now, account, target, Method::OPTIONS, None)
    }

    fn single(
        &mut self,
        now: Instant,
        account: AccountKey,
        target: &UriBuf,
        method: Method,
        body: Option<(&str, Bytes)>,
    ) -> Result<RequestKey, CommandError> {
        let now = self.clamp(now);
        let known = self.accounts.get(account.0).ok_or(CommandError::Gone)?;
        if target.as_sip().is_none() && known.account.outbound.is_none() {
            return Err(CommandError::NotSip);
        }
        let (tag, call_id) = (token(&mut self.entropy), token(&mut self.entropy) + &token(&mut self.entropy));
        // RFC 3261 §8.1.1.5: arbitrary and below 2^31.
        let number = self.entropy.below(1 << 30) as u32 + 1;
        let uri = target.as_sip().map_or(target.as_str(), |sip| sip.without_headers());
        let to = format!("<{}>", bare(target));
        let ids = Ids { to: &to, tag: &tag, call_id: &call_id, number };
        let mut request = known.account.request(method.clone(), uri, &ids, known.routes());
        if method == Method::OPTIONS {
            request = request.header(HeaderId::ACCEPT, "application/sdp");
        }
        if let Some((content_type, body)) = body {
            request = request.body(content_type, body);
        }
        let request = request.build()?;
        let hop = self.first_hop(account, &request);
        let key = self.dispatch(now, Purpose::Single, Some(account), hop, request);
        self.pump(now);
        Ok(RequestKey(key))
    }

    /// The Call-ID of a call that is not over.
    pub fn call_id(&self, call: CallKey) -> Option<&str> {
        self.calls.call_id(call)
    }

    /// What From or To says of the peer of a call that is not over, without tag.
    pub fn remote(&self, call: CallKey) -> Option<&str> {
        self.calls.remote(call)
    }

    /// The account of a call that is not over.
    pub fn account_of(&self, call: CallKey) -> Option<AccountKey> {
        self.callers.get(&call).copied()
    }

    /// What is agreed in a call that is up.
    pub fn session(&self, call: CallKey) -> Option<Session> {
        self.calls.session(call)
    }

    /// The addresses that peers reach us at, to be changed when listeners come and go.
    pub fn locals_mut(&mut self) -> &mut Locals {
        self.transactions.locals_mut()
    }

    /// How many calls are not over.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether nothing is going on: no transaction, call, subscription, publication, question or timer. An account that is registered has a
    /// timer.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
            && self.calls.is_empty()
            && self.callers.is_empty()
            && self.events.is_empty()
            && self.usages.is_empty()
            && self.publications.is_empty()
            && self.publishing.is_empty()
            && self.outgoing.is_empty()
            && self.by_client.is_empty()
            && self.by_tag.is_empty()
            && self.lookups.is_empty()
            && self.served.is_empty()
            && self.serving.is_empty()
            && self.timers.is_empty()
    }

    fn command(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Calls<Shared<E>>, Instant) -> Result<(), CallError>,
    ) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let result = act(&mut self.calls, now);
        self.pump(now);
        result.map_err(CommandError::from)
    }

    /// Where a request goes that belongs to no dialog.
    pub(crate) fn first_hop(&self, account: AccountKey, request: &Request) -> Hop {
        let known = self.accounts.get(account.0).map(|known| &known.account);
        let transport = known.and_then(|known| known.transport);
        match known.and_then(|known| known.outbound.clone()) {
            Some(Outbound::Target(target)) => Hop::Target(target),
            Some(Outbound::Uri(uri)) => Hop::Uri(uri, transport),
            None => match request.uri() {
                Ok(uri) => Hop::Uri(uri.to_owned(), transport),
                Err(_) => Hop::Nowhere,
            },
        }
    }

    /// An earlier `now` than one already seen is treated as that one.
    pub(crate) fn clamp(&mut self, now: Instant) -> Instant {
        let now = self.now.map_or(now, |seen| seen.max(now));
        self.now = Some(now);
        now
    }
}

/// Where a request is to go.
#[derive(Clone, Debug)]
pub(crate) enum Hop {
    /// To where a URI leads, by this transport where the URI names none.
    Uri(UriBuf, Option<crate::Protocol>),
    Target(crate::Target),
    Nowhere,
}

/// A URI as it stands in To: without what is only for the way there (RFC 3261 §19.1.1, Table 1).
pub(crate) fn bare(uri: &UriBuf) -> UriBuf {
    uri.without_params()
}

/// A random word: a tag, half of a Call-ID.
pub(crate) fn token(entropy: &mut dyn Entropy) -> String {
    format!("{:016x}", entropy.next_u64())
}

impl<E: Entropy> Machine for UserAgent<E> {
    type Input = UaInput;
    type Output = UaOutput;

    fn handle(&mut self, now: Instant, input: UaInput) {
        let now = self.clamp(now);
        match input {
            UaInput::Message(flow, message) => {
                self.transactions.handle(now, TransactionInput::Message(flow, message));
            }
            UaInput::Failed(key, reason) => {
                self.transactions.handle(now, TransactionInput::Failed(key, reason));
            }
            UaInput::Resolved(token, found) => self.on_resolved(now, token, found),
            UaInput::Closed(flow, reason) => self.on_closed(now, &flow, reason),
        }
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.clamp(now);
        self.transactions.handle_timeout(now);
        self.pump(now);
        self.calls.handle_timeout(now);
        self.pump(now);
        self.events.handle_timeout(now);
        self.pump(now);
        while let Some(publication) = self.publishing.pop_expired(now) {
            self.renew_publication(now, publication);
            self.pump(now);
        }
        while let Some(account) = self.timers.pop_expired(now) {
            self.renew_registration(now, account);
            self.pump(now);
        }
    }

    fn poll(&mut self) -> Option<UaOutput> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.transactions.poll_timeout(),
            self.calls.poll_timeout(),
            self.events.poll_timeout(),
            self.publishing.next(),
            self.timers.next(),
        ];
        deadlines.into_iter().flatten().min()
    }
}

impl<E> std::fmt::Debug for UserAgent<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserAgent")
            .field("accounts", &self.accounts.len())
            .field("calls", &self.calls)
            .field("subscriptions", &self.events)
            .field("transactions", &self.transactions)
            .finish_non_exhaustive()
    }
}
