//! All calls of one user agent: the table, the commands, and who is meant by a message.

use crate::audio::LocalAudio;
use crate::body::{SDP, description};
use crate::call::{Call, Ours, Purpose, Side, Stage, Theirs};
use crate::config::CallsConfig;
use crate::dialog::{Dialog, Ends, cseq, from_tag, to_tag};
use crate::early::wish;
use crate::field::{has_token, is_of_application};
use crate::identity::FROM_CHANGE;
use crate::late::Opening;
use crate::redirect::Redirects;
use crate::timer::{self, Lifetime};
use crate::transfer;
use crate::{
    CallError, CallKey, DialogInput, DialogOutput, Invited, SendEnd, SendTag, Session, TransferKey, refusal,
};
use ringback_message::header::{CSeq, CallId, From, Supported, To};
use ringback_message::{HeaderId, InvalidValue, Method, Request, Response, StatusCode, UriBuf};
use ringback_sansio::{Entropy, Machine, Map, Slab, TimerQueue};
use ringback_sdp::Codec;
use ringback_transaction::{ServerKey, Timings};
use std::collections::VecDeque;
use std::time::Instant;

/// The extensions that our INVITE may be answered with.
const SUPPORTED: &str = "100rel, timer, replaces, from-change, answermode, tdialog";

/// The same where a reliable response with an offer could not be answered at once.
const SUPPORTED_LATER: &str = "timer, replaces, from-change, answermode, tdialog";

/// A call to be made.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Whom to call: the Request-URI. Its headers are not used (rule 83).
    pub target: UriBuf,
    /// The value of From, without tag.
    pub from: String,
    /// The value of To.
    pub to: String,
    /// The proxies to visit: the rows of Route, topmost first.
    pub routes: Vec<String>,
    /// How our audio is described, and by whom first.
    pub opening: Opening,
    /// Header fields of the application, name and value: those that the registry does not name, and `Subject`, `Call-Info`,
    /// `Alert-Info`, `Priority` and `Organization`. All others are ours to write, and refused.
    pub headers: Vec<(String, String)>,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// To send our 2xx once more (rule 26).
    Repeat,
    /// To give up on an ACK.
    GiveUp,
    /// To try a change of the session again (rule 34).
    Glare,
    /// To show proxies on the way that the call is still alive (RFC 3261 §13.3.1.1).
    StillRinging,
    /// To send a reliable provisional response once more (rule 40).
    RepeatRinging,
    /// To give a sign of life (rule 41).
    Refresh,
    /// To take the peer for gone.
    Expire,
}

impl Timer {
    const ALL: [Self; 7] = [
        Self::Repeat,
        Self::GiveUp,
        Self::Glare,
        Self::StillRinging,
        Self::RepeatRinging,
        Self::Refresh,
        Self::Expire,
    ];
}

/// What a call needs from the table that it is in.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) key: CallKey,
    pub(crate) timings: &'a Timings,
    pub(crate) accepts_transfers: bool,
    pub(crate) entropy: &'a mut dyn Entropy,
    pub(crate) outputs: &'a mut VecDeque<DialogOutput>,
    pub(crate) timers: &'a mut TimerQueue<(CallKey, Timer)>,
    pub(crate) senders: &'a mut Map<SendTag, CallKey>,
    pub(crate) servers: &'a mut Map<ServerKey, CallKey>,
    pub(crate) serial: &'a mut u64,
}

/// All calls of one user agent. See the [crate documentation](crate).
pub struct Calls<E> {
    pub(crate) config: CallsConfig,
    entropy: E,
    pub(crate) calls: Slab<Call>,
    /// How many of them are not over.
    live: usize,
    /// By our own tag, which is random: a peer can neither guess nor choose it.
    by_tag: Map<String, CallKey>,
    senders: Map<SendTag, CallKey>,
    /// INVITEs of peers that have no final response yet.
    servers: Map<ServerKey, CallKey>,
    timers: TimerQueue<(CallKey, Timer)>,
    outputs: VecDeque<DialogOutput>,
    serial: u64,
    now: Option<Instant>,
}

impl<E: Entropy> Calls<E> {
    /// No calls yet.
    pub fn new(config: CallsConfig, entropy: E) -> Self {
        Self {
            config,
            entropy,
            calls: Slab::new(),
            live: 0,
            by_tag: Map::default(),
            senders: Map::default(),
            servers: Map::default(),
            timers: TimerQueue::new(),
            outputs: VecDeque::new(),
            serial: 0,
            now: None,
        }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// [`CallError::TooManyCalls`], or when the media or an address cannot be written.
    pub fn call(&mut self, now: Instant, invitation: Invitation) -> Result<CallKey, CallError> {
        self.invite(now, invitation, None)
    }

    fn invite(
        &mut self,
        now: Instant,
        invitation: Invitation,
        replaces: Option<String>,
    ) -> Result<CallKey, CallError> {
        let now = self.clamp(now);
        if self.live >= self.config.max_calls {
            return Err(CallError::TooManyCalls);
        }
        let Invitation { target, from, to, routes, opening, headers } = invitation;
        let holds = matches!(opening, Opening::HeldOffer(_));
        let offers = holds || matches!(opening, Opening::Offer(_));
        let mut session = match opening {
            Opening::Offer(audio) | Opening::HeldOffer(audio) | Opening::Answer(audio) => {
                Some(audio.negotiate(&mut self.entropy))
            }
            Opening::LaterAnswer => None,
        };
        let offer = match &mut session {
            Some(session) if offers => {
                wish(session, holds);
                Some(session.make_offer()?)
            }
            _ => None,
        };
        let call_id = format!("{:016x}{:016x}", self.entropy.next_u64(), self.entropy.next_u64());
        let ends = Ends { call_id, local: from, local_tag: self.tag(), remote: to };
        // §8.1.1.5: arbitrary and below 2^31.
        let number = self.entropy.below(1 << 30) as u32 + 1;
        let uri = target.as_sip().map_or(target.as_str(), |sip| sip.without_headers()).to_owned();
        let mut invite = Request::builder(Method::INVITE, &uri).header(HeaderId::MAX_FORWARDS, 70u8);
        for route in &routes {
            invite = invite.header(HeaderId::ROUTE, route);
        }
        let lifetime = Lifetime::new(self.config.session_expires);
        let mut invite = lifetime
            .ask(invite)
            .header(HeaderId::SUPPORTED, if session.is_some() { SUPPORTED } else { SUPPORTED_LATER })
            .header(HeaderId::FROM, format_args!("{};tag={}", ends.local, ends.local_tag))
            .header(HeaderId::TO, &ends.remote)
            .header(HeaderId::CALL_ID, &ends.call_id)
            .header(HeaderId::CSEQ, CSeq { number, method: Method::INVITE });
        if let Some(replaces) = replaces {
            invite = invite.header(HeaderId::REPLACES, replaces);
        }
        for (name, value) in &headers {
            if !is_of_application(HeaderId::from_name(name.as_bytes())) {
                return Err(InvalidValue::Malformed("header field of an application").into());
            }
            invite = invite.other(name, value.as_str());
        }
        if let Some(offer) = &offer {
            invite = invite.body(SDP, offer.to_bytes());
        }
        let invite = invite.build()?;
        let mut call = Call::new(Side::Caller, ends, Stage::Inviting, number, lifetime);
        call.target = UriBuf::new(&uri).ok();
        call.session = session;
        call.wants_hold = holds;
        call.invite = Some(Box::new(invite.clone()));
        call.redirects = Redirects::new(self.config.max_redirects);
        let key = self.insert(call);
        self.with(now, key, |call, cx| {
            let tag = call.send(cx, Purpose::Invite, None, invite);
            call.ours = Some(Ours { tag, offers });
        });
        Ok(key)
    }

    /// Takes an INVITE without To tag, which passed the inspection of RFC 3261 §8.2. `contact` is how we are
    /// reached over the flow that it came by. `None` when it was refused: an offer that cannot be read (400) or
    /// used (488), no Contact (400), too many calls (486).
    pub fn invited(
        &mut self,
        now: Instant,
        key: ServerKey,
        contact: UriBuf,
        request: Request,
    ) -> Option<Invited> {
        let now = self.clamp(now);
        let tag = self.tag();
        let admitted = self.admit(&request);
        match admitted.and_then(|it| self.named_call(&request).map(|replaces| (it, replaces))) {
            Ok(((dialog, ends, offered), replaces)) => {
                let ends = Ends { local_tag: tag, ..ends };
                // §8.1.1.5: arbitrary and below 2^31.
                let first = self.entropy.below(1 << 30) as u32;
                let number = dialog.remote_cseq.unwrap_or_default();
                let mut call = Call::new(
                    Side::Callee,
                    ends,
                    Stage::Ringing,
                    first,
                    Lifetime::new(self.config.session_expires),
                );
                call.lifetime.learn(&request);
                call.peer_follows = has_token::<Supported<'_>>(&request, FROM_CHANGE);
                call.dialogs.push(dialog);
                call.theirs = Some(Box::new(Theirs::new(key, number, request, contact, true)));
                call.replaces = replaces;
                let call = self.insert(call);
                self.servers.insert(key, call);
                self.with(now, call, |_, _| ());
                Some(Invited { call, offered, replaces })
            }
            Err(refusal) => {
                if let Some(response) = refusal.response(&request, Some(&tag), &contact) {
                    self.outputs.push_back(DialogOutput::Respond(key, response));
                }
                None
            }
        }
    }

    fn admit(&self, request: &Request) -> Result<(Dialog, Ends, Vec<Codec>), refusal::Refusal> {
        use refusal::Refusal;
        if self.live >= self.config.max_calls {
            return Err(Refusal::plain(StatusCode::BUSY_HERE));
        }
        let malformed = |what| Refusal::because(StatusCode::BAD_REQUEST, what);
        let from = request.require::<From<'_>>().map_err(|_| malformed("Bad From"))?;
        let to = request.require::<To<'_>>().map_err(|_| malformed("Bad To"))?;
        let call_id = request.require::<CallId<'_>>().map_err(|_| malformed("Bad Call-ID"))?.0.to_owned();
        timer::check(request)?;
        let dialog = Dialog::of_request(request).ok_or(malformed("Bad Contact"))?;
        let offered = match description(request) {
            Ok(Some(offer)) => {
                let (srtp, dtls) = (&self.config.srtp, self.config.dtls.as_ref());
                refusal::shared(&self.config.codecs, srtp, dtls, &offer)?
            }
            Ok(None) => Vec::new(),
            Err(error) => return Err(Refusal::because(StatusCode::BAD_REQUEST, &error.to_string())),
        };
        let (local, remote) = (to.address(), from.address());
        Ok((dialog, Ends { call_id, local, local_tag: String::new(), remote }, offered))
    }

    /// Tells the caller that it rings here: 180, and has it acknowledge that where it wants to (RFC 3262).
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the peer's INVITE waits for its answer.
    pub fn ring(&mut self, now: Instant, key: CallKey) -> Result<(), CallError> {
        self.command(now, key, Call::ring)
    }

    /// Rings, and has the caller acknowledge that (RFC 3262). With `audio` our description goes along, so that both
    /// sides are ready to talk before the answer; what [`answer`](Self::answer) is given is not used then. Callers
    /// that cannot acknowledge get what [`ring`](Self::ring) says.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn ring_reliably(
        &mut self,
        now: Instant,
        key: CallKey,
        audio: Option<LocalAudio>,
    ) -> Result<(), CallError> {
        self.command(now, key, |call, cx| call.ring_reliably(cx, audio))
    }

    /// Accepts a call: 2xx with our answer, or with our offer where the INVITE had none. When nothing in the
    /// offer fits `audio` the call is refused with 488 and ends.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the peer's INVITE waits for its answer, or when `audio` cannot be described.
    pub fn answer(&mut self, now: Instant, key: CallKey, audio: LocalAudio) -> Result<(), CallError> {
        self.command(now, key, |call, cx| call.answer(cx, audio))
    }

    /// Refuses a call with a status of 300 or above.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the peer's INVITE waits for its answer and the status is 300 or above.
    pub fn reject(&mut self, now: Instant, key: CallKey, status: StatusCode) -> Result<(), CallError> {
        self.command(now, key, |call, cx| call.reject(cx, status))
    }

    /// Ends a call as its state asks: CANCEL before an answer came, BYE after, 603 before we answered.
    ///
    /// The end is told when it is certain: at once, except that a CANCEL waits for the final response to its INVITE,
    /// and that who answered may not say BYE before the ACK (RFC 3261 §15).
    ///
    /// # Errors
    /// [`CallError::Gone`].
    pub fn hangup(&mut self, now: Instant, key: CallKey) -> Result<(), CallError> {
        self.command(now, key, Call::hangup)
    }

    /// Holds the peer. [`CallEvent::Changed`](crate::CallEvent::Changed) or
    /// [`ChangeRefused`](crate::CallEvent::ChangeRefused) follows, unless it is held already. Before the answer it is
    /// offered in PRACK or UPDATE where both sides have agreed on something reliably, and
    /// [`EarlyMedia`](crate::CallEvent::EarlyMedia) follows; else it waits for the answer.
    ///
    /// # Errors
    /// [`CallError::WrongState`] when the call is being hung up.
    pub fn hold(&mut self, now: Instant, key: CallKey) -> Result<(), CallError> {
        self.command(now, key, |call, cx| call.change(cx, true))
    }

    /// Ends our hold, as [`hold`](Self::hold) begins it.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn resume(&mut self, now: Instant, key: CallKey) -> Result<(), CallError> {
        self.command(now, key, |call, cx| call.change(cx, false))
    }

    /// Asks the peer to call `target` instead of talking to us (RFC 3515).
    /// [`CallEvent::TransferEnded`](crate::CallEvent::TransferEnded) follows.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the call is up and is not being transferred.
    pub fn transfer(&mut self, now: Instant, key: CallKey, target: &UriBuf) -> Result<(), CallError> {
        let to = target.as_sip().map_or(target.as_str(), |sip| sip.without_headers()).to_owned();
        self.command(now, key, |call, cx| call.refer(cx, &to))
    }

    /// Connects the peers of two calls of ours: the peer of `key` is asked to call the peer of `other` in our place
    /// (RFC 5589 §7).
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless both calls are up.
    pub fn transfer_to(&mut self, now: Instant, key: CallKey, other: CallKey) -> Result<(), CallError> {
        let other = self.calls.get(other.0).filter(|_| other != key).ok_or(CallError::Gone)?;
        let to = other.as_replaceable().ok_or(CallError::WrongState)?;
        self.command(now, key, |call, cx| call.refer(cx, to.as_str()))
    }

    /// Whom a peer asks us to call.
    pub fn transfer_target(&self, transfer: TransferKey) -> Option<&UriBuf> {
        let call = self.calls.get(transfer.call.0)?;
        call.referrals.iter().find(|referral| referral.id == transfer.id).map(|referral| &referral.target)
    }

    /// Makes the call that a peer asks for, and tells the peer what becomes of it. Of the headers in the target only
    /// Replaces is used (rule 83).
    ///
    /// # Errors
    /// As [`call`](Self::call); [`CallError::Gone`] when nobody waits for it any more.
    pub fn take_transfer(
        &mut self,
        now: Instant,
        transfer: TransferKey,
        invitation: Invitation,
    ) -> Result<CallKey, CallError> {
        let target = self.transfer_target(transfer).ok_or(CallError::Gone)?;
        let replaces = transfer::replaces_of(target);
        let key = self.invite(now, invitation, replaces)?;
        if let Some(call) = self.calls.get_mut(key.0) {
            call.transfer = Some(transfer);
        }
        Ok(key)
    }

    /// Does not make the call that a peer asks for, and says so with a status of 300 or above.
    pub fn refuse_transfer(&mut self, now: Instant, transfer: TransferKey, status: StatusCode) {
        let now = self.clamp(now);
        self.with(now, transfer.call, |call, cx| call.notify(cx, transfer.id, status));
    }

    /// Gives a request that is sent again with credentials the next number of its call (rule 24).
    pub fn renumber(&mut self, tag: SendTag, request: &mut Request) {
        let Some(key) = self.senders.get(&tag) else { return };
        if let Some(call) = self.calls.get_mut(key.0) {
            let cseq = CSeq { number: call.next_cseq(), method: request.method().clone() };
            // A number of at most ten digits has taken the place of another before.
            let _ = request.set(HeaderId::CSEQ, cseq);
        }
    }

    /// Tells what was really sent for a tag: the credentials of an INVITE go into its ACK too (rule 16).
    pub fn sent(&mut self, tag: SendTag, request: &Request) {
        let Some(key) = self.senders.get(&tag) else { return };
        if let Some(call) = self.calls.get_mut(key.0)
            && *request.method() == Method::INVITE
        {
            call.credentials = [HeaderId::AUTHORIZATION, HeaderId::PROXY_AUTHORIZATION]
                .into_iter()
                .flat_map(|id| request.values(id).map(move |value| (id, value.to_vec())))
                .collect();
        }
    }

    /// The Call-ID of a call that is not over.
    pub fn call_id(&self, key: CallKey) -> Option<&str> {
        let call = self.calls.get(key.0).filter(|call| call.stage != Stage::Over)?;
        Some(&call.ends.call_id)
    }

    /// What From or To says of the peer of a call that is not over, without tag.
    pub fn remote(&self, key: CallKey) -> Option<&str> {
        let call = self.calls.get(key.0).filter(|call| call.stage != Stage::Over)?;
        Some(&call.ends.remote)
    }

    /// What is agreed in a call that is up.
    pub fn session(&self, key: CallKey) -> Option<Session> {
        let call = self.calls.get(key.0).filter(|call| call.stage == Stage::Up)?;
        call.told.as_deref().cloned()
    }

    /// Whether a call is known, be it over and only its last messages still on their way.
    pub fn contains(&self, key: CallKey) -> bool {
        self.calls.contains(key.0)
    }

    /// How many calls are not over.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether nothing is left of any call.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
            && self.by_tag.is_empty()
            && self.senders.is_empty()
            && self.servers.is_empty()
            && self.timers.is_empty()
    }

    /// Responds to what belongs to no call.
    pub(crate) fn respond_outside(&mut self, key: ServerKey, request: &Request, status: StatusCode) {
        let tag = self.tag();
        if let Ok(response) = request.reply(status, Some(&tag)).build() {
            self.outputs.push_back(DialogOutput::Respond(key, response));
        }
    }

    pub(crate) fn tag(&mut self) -> String {
        format!("{:016x}", self.entropy.next_u64())
    }

    fn insert(&mut self, call: Call) -> CallKey {
        let tag = call.ends.local_tag.clone();
        let key = CallKey(self.calls.insert(call));
        self.by_tag.insert(tag, key);
        self.live += 1;
        key
    }

    pub(crate) fn command(
        &mut self,
        now: Instant,
        key: CallKey,
        act: impl FnOnce(&mut Call, &mut Context<'_>) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let now = self.clamp(now);
        let is_live = self.calls.get(key.0).is_some_and(|call| call.stage != Stage::Over);
        if !is_live {
            return Err(CallError::Gone);
        }
        self.with(now, key, act).unwrap_or(Err(CallError::Gone))
    }

    /// Lets a call act, and removes it when nothing is left to do.
    pub(crate) fn with<R>(
        &mut self,
        now: Instant,
        key: CallKey,
        act: impl FnOnce(&mut Call, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let call = self.calls.get_mut(key.0)?;
        let before = call.stage;
        let was_live = before != Stage::Over;
        let mut cx = Context {
            now,
            key,
            timings: &self.config.timings,
            accepts_transfers: self.config.accepts_transfers,
            entropy: &mut self.entropy,
            outputs: &mut self.outputs,
            timers: &mut self.timers,
            senders: &mut self.senders,
            servers: &mut self.servers,
            serial: &mut self.serial,
        };
        call.stock_ice(&mut cx);
        let result = act(call, &mut cx);
        let after = call.stage;
        let (transfer, replaces, status) = (call.transfer, call.replaces, call.last_status);
        let is_done = call.is_done();
        self.live -= usize::from(was_live && call.stage == Stage::Over);
        if is_done && let Some(call) = self.calls.remove(key.0) {
            self.by_tag.remove(&call.ends.local_tag);
            for timer in Timer::ALL {
                self.timers.cancel((key, timer));
            }
        }
        if before != after && matches!(before, Stage::Inviting | Stage::Ringing) {
            let outcome = match after {
                Stage::Up => StatusCode::OK,
                _ => {
                    status.filter(|status| status.class() > 2).unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE)
                }
            };
            self.tell_others(
                now,
                transfer.map(|transfer| (transfer, outcome)),
                replaces.filter(|_| after == Stage::Up),
            );
        }
        Some(result)
    }

    /// A call came about, or did not: tells who has asked for it, and ends the one whose place it takes.
    fn tell_others(
        &mut self,
        now: Instant,
        transfer: Option<(TransferKey, StatusCode)>,
        replaced: Option<CallKey>,
    ) {
        if let Some((transfer, outcome)) = transfer {
            self.with(now, transfer.call, |call, cx| call.notify(cx, transfer.id, outcome));
        }
        if let Some(replaced) = replaced {
            self.with(now, replaced, Call::replaced);
        }
    }

    /// The call whose tag of ours this is, if the Call-ID is right too.
    pub(crate) fn find(&self, tag: Option<&str>, call_id: Option<&str>) -> Option<CallKey> {
        let key = self.by_tag.get(tag?)?;
        let call = self.calls.get(key.0)?;
        (Some(call.ends.call_id.as_str()) == call_id).then_some(*key)
    }

    fn on_request(&mut self, now: Instant, key: ServerKey, contact: UriBuf, request: Request) {
        let call_id = request.first::<CallId<'_>>().and_then(Result::ok).map(|id| id.0);
        match self.find(to_tag(&request), call_id) {
            Some(call) => {
                self.with(now, call, |call, cx| call.on_request(cx, key, contact, request));
            }
            // Rule 23.
            None => {
                if let Ok(response) = request.reply(StatusCode::CALL_DOES_NOT_EXIST, None).build() {
                    self.outputs.push_back(DialogOutput::Respond(key, response));
                }
            }
        }
    }

    fn on_ack(&mut self, now: Instant, ack: &Request) {
        let call_id = ack.first::<CallId<'_>>().and_then(Result::ok).map(|id| id.0);
        if let Some(call) = self.find(to_tag(ack), call_id) {
            self.with(now, call, |call, cx| call.on_ack(cx, ack));
        }
    }

    fn on_response(&mut self, now: Instant, tag: SendTag, response: &Response) {
        if let Some(call) = self.senders.get(&tag).copied() {
            self.with(now, call, |call, cx| call.on_response(cx, tag, response));
        }
    }

    fn on_stray(&mut self, now: Instant, response: &Response) {
        let is_invite =
            response.first::<CSeq>().is_some_and(|cseq| cseq.is_ok_and(|it| it.method == Method::INVITE));
        if !is_invite || !response.status().is_success() || cseq(response).is_none() {
            return;
        }
        let call_id = response.first::<CallId<'_>>().and_then(Result::ok).map(|id| id.0);
        if let Some(call) = self.find(from_tag(response), call_id) {
            self.with(now, call, |call, cx| call.on_late_success(cx, response));
        }
    }

    fn on_ended(&mut self, now: Instant, tag: SendTag, end: SendEnd) {
        if let Some(call) = self.senders.remove(&tag) {
            self.with(now, call, |call, cx| call.on_ended(cx, tag, end));
        }
    }

    /// An earlier `now` than one already seen is treated as that one.
    pub(crate) fn clamp(&mut self, now: Instant) -> Instant {
        let now = self.now.map_or(now, |seen| seen.max(now));
        self.now = Some(now);
        now
    }
}

impl<E: Entropy> Machine for Calls<E> {
    type Input = DialogInput;
    type Output = DialogOutput;

    fn handle(&mut self, now: Instant, input: DialogInput) {
        let now = self.clamp(now);
        match input {
            DialogInput::Request { key, contact, request } => self.on_request(now, key, contact, request),
            DialogInput::Cancelled { key, tag, cancel } => {
                if let Some(call) = self.servers.get(&key).copied() {
                    self.with(now, call, |call, cx| call.on_cancelled(cx, tag.as_deref(), &cancel));
                }
            }
            DialogInput::Ack(ack) => self.on_ack(now, &ack),
            DialogInput::Response(tag, response) => self.on_response(now, tag, &response),
            DialogInput::Stray(response) => self.on_stray(now, &response),
            DialogInput::Ended(tag, end) => self.on_ended(now, tag, end),
            DialogInput::Over(key) => {
                if let Some(call) = self.servers.get(&key).copied() {
                    self.with(now, call, Call::on_caller_lost);
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.clamp(now);
        while let Some((key, timer)) = self.timers.pop_expired(now) {
            self.with(now, key, |call, cx| match timer {
                Timer::Repeat => call.repeat_answer(cx),
                Timer::GiveUp => call.give_up_on_ack(cx),
                Timer::Glare => call.settle(cx),
                Timer::StillRinging => drop(call.ring(cx)),
                Timer::RepeatRinging => call.repeat_ringing(cx),
                Timer::Refresh => call.on_refresh_due(cx),
                Timer::Expire => call.on_session_expired(cx),
            });
        }
    }

    fn poll(&mut self) -> Option<DialogOutput> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl<E> std::fmt::Debug for Calls<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Calls {{ live: {}, all: {} }}", self.live, self.calls.len())
    }
}
