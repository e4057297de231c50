//! Client transactions: what the machines' effects mean.

use crate::hop::{ack, cancel};
use crate::machines::{ClientStimulus, Effects, InviteClient, NonInviteClient, Pace, Send, TimerSet};
use crate::table::{Identity, client_identity};
use crate::{ClientKey, End, Gone, Key, RequestError, TransactionOutput, Transactions};
use bytes::Bytes;
use ringback_message::header::{CSeq, Via};
use ringback_message::{
    HeaderId, InvalidValue, Message, Method, Output, ParseError, Request, Response, Value,
};
use ringback_sansio::{Entropy, Flow, Target};
use smallvec::SmallVec;
use std::time::Instant;

/// A client transaction.
pub(crate) struct Client {
    pub(crate) machine: ClientMachine,
    to: Target,
    method: Method,
    /// What is retransmitted: the request, later the ACK.
    kept: Bytes,
    identity: Identity,
    pub(crate) armed: TimerSet,
    /// The Reason of a CANCEL that is still to be sent.
    reason: Option<Box<str>>,
    /// A CANCEL of the layer's own, of which its user hears nothing.
    is_own: bool,
}

/// A branch of ours. §8.1.1.7: unique over space and time, so 96 random bits; nothing about us can be read from
/// it but what the user put behind them.
type Branch = SmallVec<[u8; 64]>;

fn branch(entropy: &mut impl Entropy, suffix: &str) -> Branch {
    let (high, low) = (entropy.next_u64(), entropy.next_u64() as u32);
    let random = high.to_be_bytes().into_iter().chain(low.to_be_bytes());
    let digits =
        random.flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    let mut branch = Branch::from_slice(b"z9hG4bK");
    branch.extend(digits);
    branch.extend_from_slice(suffix.as_bytes());
    branch
}

/// The Via that goes on top of a request.
pub(crate) struct TopVia<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) sent_by: &'a str,
    /// Whole, or without the cookie.
    pub(crate) branch: [&'a [u8]; 2],
    /// Parameters that follow `rport`.
    pub(crate) more: [&'a str; 3],
}

impl Value for TopVia<'_> {
    fn write(&self, out: &mut Output<'_>) {
        out.extend_from_slice(b"SIP/2.0/");
        out.extend_from_slice(self.protocol.as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.sent_by.as_bytes());
        out.extend_from_slice(b";branch=");
        self.branch.iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(b";rport");
        self.more.iter().for_each(|param| out.extend_from_slice(param.as_bytes()));
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientMachine {
    Invite(InviteClient),
    NonInvite(NonInviteClient),
}

impl ClientMachine {
    fn step(self, on: ClientStimulus, pace: &Pace<'_>, effects: &mut Effects) -> Self {
        match self {
            Self::Invite(machine) => Self::Invite(machine.step(on, pace, effects)),
            Self::NonInvite(machine) => Self::NonInvite(machine.step(on, pace, effects)),
        }
    }

    /// Whether nothing of it will be sent again: what waits are copies of the response.
    fn is_answered(self) -> bool {
        match self {
            Self::Invite(machine) => machine == InviteClient::Accepted,
            Self::NonInvite(machine) => machine == NonInviteClient::Completed,
        }
    }
}

impl<E: Entropy> Transactions<E> {
    pub(crate) fn open_client(
        &mut self,
        now: Instant,
        to: Target,
        mut request: Request,
        suffix: &str,
    ) -> Result<ClientKey, RequestError> {
        let method = request.method().clone();
        if method == Method::ACK || method == Method::CANCEL {
            return Err(RequestError::Method);
        }
        if self.clients.len().saturating_sub(self.own_clients) >= self.config.max_client {
            return Err(RequestError::Overload);
        }
        if request.require::<CSeq>().map_err(RequestError::Malformed)?.method != method {
            return Err(RequestError::Malformed(ParseError::new(0, "CSeq method")));
        }
        // The ACK and the CANCEL are made of them.
        for id in [HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID] {
            if !request.has(id) {
                return Err(RequestError::Malformed(ParseError::new(0, id.name())));
            }
        }
        let branch = self.stamp(&mut request, &to, suffix)?;
        Ok(ClientKey(self.insert_client(now, to, method, &branch, request.render(), false)))
    }

    fn insert_client(
        &mut self,
        now: Instant,
        to: Target,
        method: Method,
        branch: &[u8],
        kept: Bytes,
        is_own: bool,
    ) -> ringback_sansio::Key<Client> {
        client_identity(branch, &mut self.scratch);
        let identity = self.by_branch.identity(&self.scratch);
        let machine = if method == Method::INVITE {
            ClientMachine::Invite(InviteClient::NEW)
        } else {
            ClientMachine::NonInvite(NonInviteClient::NEW)
        };
        let armed = TimerSet::default();
        let client = Client { machine, to, method, kept, identity, armed, reason: None, is_own };
        let key = self.clients.insert(client);
        self.own_clients += usize::from(is_own);
        self.by_branch.insert(identity, key);
        self.step_client(now, key, ClientStimulus::Start, None);
        key
    }

    /// Puts our Via on top and tells its branch.
    pub(crate) fn stamp(
        &mut self,
        request: &mut Request,
        to: &Target,
        suffix: &str,
    ) -> Result<Branch, RequestError> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
        if !suffix.bytes().all(is_token) {
            return Err(RequestError::Invalid(InvalidValue::Malformed("branch")));
        }
        let branch = branch(&mut self.entropy, suffix);
        let sent_by = self.config.locals.sent_by(to).ok_or(RequestError::NoLocal)?;
        let keep = if self.config.keep_alive && *request.method() == Method::REGISTER { ";keep" } else { "" };
        let alias = self.config.locals.alias(to.protocol());
        let feedback = self.config.locals.feedback();
        let protocol = to.protocol().as_via();
        let via = TopVia { protocol, sent_by, branch: [&branch, b""], more: [keep, alias, feedback] };
        request.push_front(HeaderId::VIA, via).map_err(RequestError::Invalid)?;
        Ok(branch)
    }

    pub(crate) fn on_response(&mut self, now: Instant, flow: Flow, response: Box<Response>) {
        let Some(Ok(via)) = response.first::<Via<'_>>() else { return };
        // §18.1.2: a response to somebody else's request is nothing to us, not even a stray.
        if !self.config.locals.is_ours(&via) {
            return;
        }
        let Ok(cseq) = response.require::<CSeq>() else { return };
        match via.branch().and_then(|branch| self.find_client(branch, &cseq.method)) {
            Some(key) => {
                let status = response.status();
                self.step_client(now, key, ClientStimulus::Response(status), Some((flow, response)));
            }
            None => self.outputs.push_back(TransactionOutput::Stray(flow, Box::new((*response).into()))),
        }
    }

    /// Whether a response belongs to a transaction that is there.
    pub(crate) fn is_of_client(&mut self, response: &Response) -> bool {
        let Some(Ok(via)) = response.first::<Via<'_>>() else { return false };
        let Ok(cseq) = response.require::<CSeq>() else { return false };
        via.branch().is_some_and(|branch| self.find_client(branch, &cseq.method).is_some())
    }

    /// Rule 1: by branch and by method, for CANCEL shares the branch of what it cancels.
    fn find_client(&mut self, branch: &str, method: &Method) -> Option<ringback_sansio::Key<Client>> {
        client_identity(branch.as_bytes(), &mut self.scratch);
        let identity = self.by_branch.identity(&self.scratch);
        self.by_branch
            .candidates(identity)
            .find(|key| self.clients.get(*key).is_some_and(|client| client.method == *method))
    }

    pub(crate) fn cancel_client(
        &mut self,
        now: Instant,
        key: ClientKey,
        reason: Option<&str>,
    ) -> Result<(), Gone> {
        let client = self.clients.get_mut(key.0).ok_or(Gone)?;
        match client.machine {
            ClientMachine::Invite(machine) if machine.can_cancel() => {}
            ClientMachine::Invite(_) | ClientMachine::NonInvite(_) => return Err(Gone),
        }
        if let Some(reason) = reason {
            client.reason = Some(reason.into());
        }
        self.step_client(now, key.0, ClientStimulus::Cancel, None);
        Ok(())
    }

    /// Takes one step and does what it asks for.
    pub(crate) fn step_client(
        &mut self,
        now: Instant,
        key: ringback_sansio::Key<Client>,
        on: ClientStimulus,
        message: Option<(Flow, Box<Response>)>,
    ) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let mut effects = Effects::default();
        let reliable = client.to.protocol().is_reliable();
        let pace = Pace { timings: &self.config.timings, reliable, trying_at_once: false };
        client.machine = client.machine.step(on, &pace, &mut effects);

        let name = Key::Client(ClientKey(key));
        self.timers.apply(now, name, &mut client.armed, &effects);
        let send = match effects.send {
            Send::Nothing | Send::Response | Send::Trying => false,
            Send::Kept => true,
            Send::Ack => match message.as_ref().and_then(|(_, response)| ack(&client.kept, response)) {
                Some(bytes) => {
                    client.kept = bytes;
                    true
                }
                None => {
                    client.kept = Bytes::new();
                    false
                }
            },
        };
        let to = client.to;
        if send && !client.kept.is_empty() {
            let bytes = client.kept.clone();
            self.outputs.push_back(TransactionOutput::Transmit { key: Some(name), to, bytes });
        }
        let is_own = client.is_own;
        if client.machine.is_answered() {
            client.kept = Bytes::new();
        }
        let cancel =
            if effects.cancel { cancel(&client.kept, client.reason.take().as_deref()) } else { None };
        if effects.pass_up
            && !is_own
            && let Some((flow, response)) = message
        {
            self.outputs.push_back(TransactionOutput::Response(ClientKey(key), flow, response));
        }
        if let Some(end) = effects.end {
            self.end_client(key, end);
        }
        if let Some(cancel) = cancel {
            self.send_cancel(now, to, cancel);
        }
    }

    fn send_cancel(&mut self, now: Instant, to: Target, cancel: Bytes) {
        let Ok(message) = Message::parse(cancel.clone()) else { return };
        let Some(Ok(via)) = message.first::<Via<'_>>() else { return };
        if let Some(branch) = via.branch() {
            self.insert_client(now, to, Method::CANCEL, branch.as_bytes(), cancel, true);
        }
    }

    fn end_client(&mut self, key: ringback_sansio::Key<Client>, end: End) {
        let Some(client) = self.clients.remove(key) else { return };
        let name = Key::Client(ClientKey(key));
        self.by_branch.remove(client.identity, key);
        self.timers.cancel_all(name, client.armed);
        if client.is_own {
            self.own_clients -= 1;
        } else {
            self.outputs.push_back(TransactionOutput::Ended(name, end));
        }
    }
}
