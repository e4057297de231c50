//! Server transactions: what the machines' effects mean.

use crate::asked::{Asked, call_id};
use crate::machines::{Effects, InviteServer, NonInviteServer, Pace, Send, ServerStimulus, Timer, TimerSet};
use crate::table::{Identity, Matching, server_identity};
use crate::{End, Gone, Key, ServerKey, TransactionOutput, Transactions, reply};
use bytes::Bytes;
use ringback_message::header::{To, Via};
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_sansio::{CloseReason, Entropy, Flow, Target};
use std::time::Instant;

/// A server transaction.
pub(crate) struct Server {
    pub(crate) machine: ServerMachine,
    /// The stream that the request came over.
    stream: Option<Box<Flow>>,
    reply_to: Target,
    pub(crate) asked: Asked,
    /// The last response, which is retransmitted; empty while there is none.
    kept: Bytes,
    identity: Identity,
    matching: Matching,
    pub(crate) armed: TimerSet,
    /// The To tag with which a CANCEL was answered before there was another, or that of a response that is forgotten.
    tag: Option<Box<str>>,
    /// Whether its user knows that it is cancelled.
    cancelled: bool,
    /// Whether responses left the stream that the request came over, because that is gone.
    reopened: bool,
    /// A CANCEL that the layer answered, of which its user hears nothing.
    is_own: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ServerMachine {
    Invite(InviteServer),
    NonInvite(NonInviteServer),
}

impl ServerMachine {
    fn step(self, on: ServerStimulus, pace: &Pace<'_>, effects: &mut Effects) -> Self {
        match self {
            Self::Invite(machine) => Self::Invite(machine.step(on, pace, effects)),
            Self::NonInvite(machine) => Self::NonInvite(machine.step(on, pace, effects)),
        }
    }

    /// Whether it has its final response, and waits for copies and for the ACK alone.
    fn is_answered(self) -> bool {
        match self {
            Self::Invite(machine) => machine != InviteServer::Proceeding,
            Self::NonInvite(machine) => machine == NonInviteServer::Completed,
        }
    }

    fn takes(self, status: StatusCode) -> bool {
        match self {
            Self::Invite(machine) => machine.takes(status),
            Self::NonInvite(machine) => machine.takes(),
        }
    }
}

impl Server {
    /// The To tag that its responses carry.
    pub(crate) fn to_tag(&self) -> Option<String> {
        let last = if self.kept.is_empty() { None } else { Message::parse(self.kept.clone()).ok() };
        last.as_ref()
            .and_then(|last| last.first::<To<'_>>()?.ok()?.tag().map(str::to_owned))
            .or_else(|| self.tag.as_deref().map(str::to_owned))
    }

    /// Whether a 2xx is forgotten once it is sent. RFC 6026 §7.1: it is repeated by whoever handed it over; a stream, though, may
    /// be found gone, and then it is sent again.
    fn forgets_success(&self) -> bool {
        matches!(self.machine, ServerMachine::Invite(_)) && self.stream.is_none()
    }

    /// §17.2.3 on RFC 2543 peers: the To tag is that of the request, in an ACK that of the response.
    fn has_to_tag_of(&self, request: &Request) -> bool {
        if self.matching == Matching::Branch {
            return true;
        }
        let theirs = to_tag(request);
        if *request.method() == Method::ACK {
            theirs == self.to_tag().as_deref()
        } else {
            theirs == self.asked.request().and_then(|own| to_tag(own))
        }
    }
}

/// Whether what is new may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Room {
    /// As far as the limits allow.
    Any,
    /// Nothing is begun; who asks is told when to come again.
    None(Option<u32>),
}

/// The To tag of refusals without a transaction: a mark of the identity, which the ACK has as well.
fn refusal_tag(mark: u64) -> String {
    format!("{mark:016x}")
}

fn to_tag(message: &Message) -> Option<&str> {
    message.first::<To<'_>>()?.ok()?.tag()
}

/// What a step is about.
pub(crate) enum About {
    Nothing,
    Ack(Flow, Box<Request>),
    Response(Bytes),
}

impl<E: Entropy> Transactions<E> {
    pub(crate) fn on_request(&mut self, now: Instant, flow: Flow, request: Box<Request>, room: Room) {
        let Some(Ok(via)) = request.first::<Via<'_>>() else { return };
        let Some(matching) = server_identity(&request, &via, &mut self.scratch) else { return };
        let Some(reply_to) = reply::target(&flow, &via) else { return };
        let identity = self.by_hop.identity(&self.scratch);
        let method = request.method();
        if *method == Method::ACK {
            match self.find_server(identity, &request, |other| *other == Method::INVITE) {
                Some(key) => self.step_server(now, key, ServerStimulus::Ack, About::Ack(flow, request)),
                // To a refusal below, which has no transaction and wants none.
                None if to_tag(&request)
                    .is_some_and(|tag| tag == refusal_tag(self.by_hop.mark(&self.scratch))) => {}
                None => self.outputs.push_back(TransactionOutput::Stray(flow, Box::new((*request).into()))),
            }
            return;
        }
        if let Some(key) = self.find_server(identity, &request, |other| other == method) {
            self.step_server(now, key, ServerStimulus::Retransmission, About::Nothing);
            return;
        }
        if *method == Method::CANCEL
            // §9.2: the transaction that it would be a retransmission of, if it were not a CANCEL. The Call-ID
            // is compared as well, so that a guessed branch is not enough.
            && let Some(key) = self.find_server(identity, &request, |other| *other != Method::CANCEL)
            && self.is_of_the_same_call(key, &request)
        {
            self.on_cancel(now, flow, reply_to, request, identity, matching, key);
            return;
        }
        if self.servers.len() >= self.config.max_server {
            self.refuse(reply_to, &request, Some(self.config.retry_after));
            return;
        }
        if let Room::None(later) = room {
            self.refuse(reply_to, &request, later);
            return;
        }
        let key = self.insert_server(flow, reply_to, request.clone(), identity, matching, false);
        self.outputs.push_back(TransactionOutput::Request(ServerKey(key), flow, request));
        self.step_server(now, key, ServerStimulus::Start, About::Nothing);
    }

    /// Whether a request belongs to a transaction that is there.
    pub(crate) fn is_of_server(&mut self, request: &Request) -> bool {
        let Some(Ok(via)) = request.first::<Via<'_>>() else { return false };
        if server_identity(request, &via, &mut self.scratch).is_none() {
            return false;
        }
        let identity = self.by_hop.identity(&self.scratch);
        let method = request.method();
        self.find_server(identity, request, |other| match method {
            method if *method == Method::ACK => *other == Method::INVITE,
            method if *method == Method::CANCEL => true,
            method => other == method,
        })
        .is_some()
    }

    fn find_server(
        &self,
        identity: Identity,
        request: &Request,
        fits: impl Fn(&Method) -> bool,
    ) -> Option<ringback_sansio::Key<Server>> {
        self.by_hop.candidates(identity).find(|key| {
            let server = self.servers.get(*key);
            server.is_some_and(|server| fits(server.asked.method()) && server.has_to_tag_of(request))
        })
    }

    fn is_of_the_same_call(&self, key: ringback_sansio::Key<Server>, request: &Request) -> bool {
        let call_id = call_id(request);
        let identity = self.by_hop.identity(call_id);
        self.servers.get(key).is_some_and(|server| server.asked.has_call_id(call_id, identity))
    }

    fn insert_server(
        &mut self,
        flow: Flow,
        reply_to: Target,
        request: Box<Request>,
        identity: Identity,
        matching: Matching,
        is_own: bool,
    ) -> ringback_sansio::Key<Server> {
        let machine = if *request.method() == Method::INVITE {
            ServerMachine::Invite(InviteServer::NEW)
        } else {
            ServerMachine::NonInvite(NonInviteServer::NEW)
        };
        let key = self.servers.insert(Server {
            machine,
            stream: flow.protocol.is_reliable().then(|| Box::new(flow)),
            reply_to,
            asked: Asked::Whole(request),
            kept: Bytes::new(),
            identity,
            matching,
            armed: TimerSet::default(),
            tag: None,
            cancelled: false,
            reopened: false,
            is_own,
        });
        self.by_hop.insert(identity, key);
        key
    }

    /// Limits refuse new work: 503, by no transaction, with a To tag that is the same for every copy. The identity of the request is
    /// in the scratch buffer.
    fn refuse(&mut self, to: Target, request: &Request, later: Option<u32>) {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut bytes = Vec::new();
        let answer = (status, status.reason());
        let tag = refusal_tag(self.by_hop.mark(&self.scratch));
        let written = request.write_reply(&mut bytes, answer, Some(&tag), b"", |fields| {
            if let Some(later) = later {
                fields.header(HeaderId::RETRY_AFTER, later);
            }
        });
        if written.is_ok() {
            self.outputs.push_back(TransactionOutput::Transmit { key: None, to, bytes: bytes.into() });
        }
    }

    /// Rule 14: a CANCEL that matches is answered 200 whatever has become of its INVITE.
    #[expect(clippy::too_many_arguments, reason = "what on_request found out about the CANCEL")]
    fn on_cancel(
        &mut self,
        now: Instant,
        flow: Flow,
        reply_to: Target,
        cancel: Box<Request>,
        identity: Identity,
        matching: Matching,
        key: ringback_sansio::Key<Server>,
    ) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let tag = server.to_tag().unwrap_or_else(|| {
            let tag = format!("{:016x}", self.entropy.next_u64());
            server.tag = Some(tag.as_str().into());
            tag
        });
        let pending = matches!(server.machine, ServerMachine::Invite(InviteServer::Proceeding));
        let news = pending && !server.cancelled;
        server.cancelled |= pending;
        if let Ok(ok) = cancel.reply(StatusCode::OK, Some(&tag)).build() {
            let bytes = ok.render();
            if self.servers.len() < self.config.max_server {
                let own = self.insert_server(flow, reply_to, cancel.clone(), identity, matching, true);
                let about = About::Response(bytes);
                self.step_server(now, own, ServerStimulus::Respond(StatusCode::OK), about);
            } else {
                // A full table must not keep anybody from giving up what fills it.
                self.outputs.push_back(TransactionOutput::Transmit { key: None, to: reply_to, bytes });
            }
        }
        if news {
            self.outputs.push_back(TransactionOutput::Cancelled(ServerKey(key), cancel));
        }
    }

    /// Notes the tag of a 2xx to INVITE, of which nothing else is kept.
    pub(crate) fn note_tag(&mut self, key: ServerKey, response: &Response) {
        if response.status().is_success()
            && let Some(server) = self.servers.get_mut(key.0)
            && server.forgets_success()
            && server.tag.is_none()
        {
            server.tag = to_tag(response).map(Into::into);
        }
    }

    pub(crate) fn respond_server(
        &mut self,
        now: Instant,
        key: ServerKey,
        status: StatusCode,
        response: Bytes,
    ) -> Result<(), Gone> {
        let server = self.servers.get(key.0).ok_or(Gone)?;
        if !server.machine.takes(status) {
            return Err(Gone);
        }
        let about = About::Response(response);
        self.step_server(now, key.0, ServerStimulus::Respond(status), about);
        Ok(())
    }

    /// Rule 12: when the stream is gone, the response is sent once more to where the peer can be called.
    pub(crate) fn on_server_failed(
        &mut self,
        now: Instant,
        key: ringback_sansio::Key<Server>,
        reason: CloseReason,
    ) {
        let Some(server) = self.servers.get_mut(key) else { return };
        if !server.reopened && !server.kept.is_empty() {
            let via = server.asked.request().and_then(|request| request.first::<Via<'_>>()?.ok());
            let stream = server.stream.as_deref();
            if let Some(to) = via.and_then(|via| reply::after_the_stream(stream?, &via)) {
                server.reopened = true;
                server.reply_to = to;
                let (key, bytes) = (Some(ServerKey(key).into()), server.kept.clone());
                self.outputs.push_back(TransactionOutput::Transmit { key, to, bytes });
                return;
            }
        }
        self.step_server(now, key, ServerStimulus::TransportFailed(reason), About::Nothing);
    }

    /// Takes one step and does what it asks for.
    pub(crate) fn step_server(
        &mut self,
        now: Instant,
        key: ringback_sansio::Key<Server>,
        on: ServerStimulus,
        about: About,
    ) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let mut effects = Effects::default();
        let reliable = server.reply_to.protocol().is_reliable();
        let trying_at_once = self.config.trying_at_once;
        let pace = Pace { timings: &self.config.timings, reliable, trying_at_once };
        server.machine = server.machine.step(on, &pace, &mut effects);

        // Who asks again before our time has come is told then and there.
        let is_invite = matches!(server.machine, ServerMachine::Invite(_));
        if effects.send == Send::Kept && is_invite && server.armed.contains(Timer::Trying) {
            effects.send = Send::Trying;
            effects.disarm(Timer::Trying);
        }
        let name = Key::Server(ServerKey(key));
        self.timers.apply(now, name, &mut server.armed, &effects);
        let mut ack = None;
        match about {
            About::Response(bytes) if effects.send == Send::Response => server.kept = bytes,
            About::Ack(flow, request) if effects.pass_up => ack = Some((flow, request)),
            About::Nothing | About::Ack(..) | About::Response(_) => {}
        }
        if effects.send == Send::Trying {
            let trying =
                server.asked.request().map(|request| request.reply(StatusCode::TRYING, None).build());
            server.kept = trying.and_then(Result::ok).map_or_else(Bytes::new, |trying| trying.render());
        }
        // Datagrams have no way back that could be lost with a connection, for which the Via would be asked again.
        if server.machine.is_answered() && !reliable && server.matching == Matching::Branch {
            server.asked.answered(|call_id| self.by_hop.identity(call_id));
        }
        if effects.forget {
            server.kept = Bytes::new();
        }
        if effects.send != Send::Nothing && !server.kept.is_empty() {
            let (to, bytes) = (server.reply_to, server.kept.clone());
            let is_accepted = matches!(server.machine, ServerMachine::Invite(InviteServer::Accepted));
            if is_accepted && server.forgets_success() {
                if server.tag.is_none() {
                    server.tag = server.to_tag().map(Into::into);
                }
                server.kept = Bytes::new();
            }
            self.outputs.push_back(TransactionOutput::Transmit { key: Some(name), to, bytes });
        }
        if let Some((flow, request)) = ack {
            self.outputs.push_back(TransactionOutput::Stray(flow, Box::new((*request).into())));
        }
        if let Some(end) = effects.end {
            self.end_server(key, end);
        }
    }

    fn end_server(&mut self, key: ringback_sansio::Key<Server>, end: End) {
        let Some(server) = self.servers.remove(key) else { return };
        let name = Key::Server(ServerKey(key));
        self.by_hop.remove(server.identity, key);
        self.timers.cancel_all(name, server.armed);
        if !server.is_own {
            self.outputs.push_back(TransactionOutput::Ended(name, end));
        }
    }
}
