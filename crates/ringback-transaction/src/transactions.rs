//! The transaction layer: commands from above, messages from below.

use crate::effects::{Effects, Stimulus};
use crate::entry::{Cancel, ClientEntry, ClientMachine, ServerEntry, ServerMachine};
use crate::matching::{server_id, way_back};
use crate::table::Table;
use crate::{
    ClientKey, Gone, Key, Locals, RequestError, ServerKey, TransactionConfig, TransactionInput,
    TransactionOutput, requests,
};
use ringback_message::header::{CSeq, Via};
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::{Entropy, Flow, Hasher, Machine, Target};
use smallvec::SmallVec;
use std::io::Write as _;
use std::time::Instant;

/// All transactions of one element.
pub struct Transactions<E> {
    config: TransactionConfig,
    entropy: E,
    hasher: Hasher,
    table: Table,
    now: Option<Instant>,
}

type Branch = SmallVec<[u8; 64]>;

impl<E: Entropy> Transactions<E> {
    /// An empty layer.
    pub fn new(config: TransactionConfig, mut entropy: E) -> Self {
        let hasher = Hasher::keyed(entropy.next_u64());
        let table = Table { timings: config.timings, ..Table::default() };
        Self { config, entropy, hasher, table, now: None }
    }

    /// Sends `request` to `to` in a new client transaction, under a Via of ours with a new branch.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing was sent then.
    pub fn request(&mut self, now: Instant, to: Target, request: Request) -> Result<ClientKey, RequestError> {
        self.request_with_branch(now, to, request, "")
    }

    /// As [`request`](Self::request), with `suffix` at the end of the branch: where a proxy keeps what it
    /// needs to see a loop (RFC 5393).
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn request_with_branch(
        &mut self,
        now: Instant,
        to: Target,
        mut request: Request,
        suffix: &str,
    ) -> Result<ClientKey, RequestError> {
        let now = self.clamp(now);
        if matches!(*request.method(), Method::ACK | Method::CANCEL) {
            return Err(RequestError::Method);
        }
        if self.table.clients.len() >= self.config.max_client {
            return Err(RequestError::Overload);
        }
        let cseq = request.require::<CSeq>().map_err(RequestError::Malformed)?;
        if cseq.method != *request.method() {
            return Err(RequestError::Method);
        }
        let invite = *request.method() == Method::INVITE;
        let mut effects = Effects::default();
        let reliable = to.protocol().is_reliable();
        let machine = ClientMachine::start(invite, reliable, &self.config.timings, &mut effects);
        let random = self.entropy.next_u64();
        let key = ClientKey(self.table.clients.insert(ClientEntry {
            machine,
            to,
            sent: bytes::Bytes::new(),
            invite: None,
            ack: None,
            branch: Branch::new(),
            cancel: Cancel::No,
            internal: false,
            armed: 0,
        }));
        // The branch names the entry, so a response finds it without a search; the random part makes it one
        // that nobody can guess.
        let mut branch = Branch::new();
        let _ = write!(branch, "z9hG4bK{:x}.{random:016x}{suffix}", key.to_bits());
        if let Err(error) = self.push_via(&mut request, &to, &branch) {
            self.table.clients.remove(key.0);
            return Err(error);
        }
        if let Some(entry) = self.table.clients.get_mut(key.0) {
            entry.sent = request.render();
            entry.branch = branch;
            entry.invite = invite.then(|| Box::new(request));
        }
        self.table.run_client(now, key, effects, None);
        Ok(key)
    }

    /// Sends a response in a server transaction.
    ///
    /// # Errors
    /// When the transaction is over or has its final response. After a 2xx to INVITE further 2xx are fine.
    pub fn respond(&mut self, now: Instant, key: ServerKey, response: Response) -> Result<(), Gone> {
        let now = self.clamp(now);
        let entry = self.table.servers.get_mut(key.0).ok_or(Gone)?;
        let status = response.status();
        if !entry.machine.accepts(status.is_success()) {
            return Err(Gone);
        }
        Table::keep_tag(entry, &response);
        self.table.step_server(now, key, Stimulus::Send(status), Some(response.render()));
        Ok(())
    }

    /// Takes back an INVITE: sends CANCEL as soon as a provisional response allows it (RFC 3261 §9.1).
    /// `reason` is the value of a Reason field (RFC 3326); one that cannot be a header value is left out.
    ///
    /// # Errors
    /// When there is nothing to cancel: a final response is there, or the request is no INVITE.
    pub fn cancel(&mut self, now: Instant, key: ClientKey, reason: Option<&str>) -> Result<(), Gone> {
        use crate::invite_client::InviteClient;
        let now = self.clamp(now);
        let entry = self.table.clients.get_mut(key.0).ok_or(Gone)?;
        match (&entry.cancel, entry.machine) {
            (Cancel::No, ClientMachine::Invite(InviteClient::Calling(_) | InviteClient::Proceeding)) => {
                entry.cancel = Cancel::Queued(reason.map(str::to_owned));
            }
            (Cancel::Queued(_) | Cancel::Sent(_), ClientMachine::Invite(_)) => {}
            (_, ClientMachine::Invite(_) | ClientMachine::Other(_)) => return Err(Gone),
        }
        self.send_queued_cancel(now, key);
        Ok(())
    }

    /// Sends a CANCEL that was asked for, when the INVITE allows it (rule 13).
    fn send_queued_cancel(&mut self, now: Instant, key: ClientKey) {
        let Some(entry) = self.table.clients.get_mut(key.0) else { return };
        let ClientMachine::Invite(state) = entry.machine else { return };
        let (Cancel::Queued(reason), true) = (&entry.cancel, state.may_cancel()) else { return };
        let Some(invite) = &entry.invite else { return };
        let made = requests::cancel(invite, reason.as_deref()).or_else(|_| requests::cancel(invite, None));
        let Ok(cancel) = made else { return };
        let (to, branch) = (entry.to, entry.branch.clone());
        let mut effects = Effects::default();
        let machine =
            ClientMachine::start(false, to.protocol().is_reliable(), &self.config.timings, &mut effects);
        let own = ClientKey(self.table.clients.insert(ClientEntry {
            machine,
            to,
            sent: cancel.render(),
            invite: None,
            ack: None,
            branch,
            cancel: Cancel::No,
            internal: true,
            armed: 0,
        }));
        if let Some(entry) = self.table.clients.get_mut(key.0) {
            entry.cancel = Cancel::Sent(own);
        }
        self.table.run_client(now, own, effects, None);
        self.table.step_client(now, key, Stimulus::Cancel, None);
    }

    /// Puts a Via of ours on top of a request that goes without a transaction: the ACK to a 2xx. A `branch` makes
    /// its end, for requests that must look the same each time they pass; without one it is random.
    ///
    /// # Errors
    /// [`RequestError::NoLocal`] and [`RequestError::Invalid`].
    pub fn stamp_via(
        &mut self,
        request: &mut Request,
        to: &Target,
        branch: Option<&str>,
    ) -> Result<(), RequestError> {
        let mut text = Branch::new();
        let _ = match branch {
            Some(branch) => write!(text, "z9hG4bK{branch}"),
            None => write!(text, "z9hG4bK{:016x}", self.entropy.next_u64()),
        };
        self.push_via(request, to, &text)
    }

    fn push_via(&self, request: &mut Request, to: &Target, branch: &[u8]) -> Result<(), RequestError> {
        let sent_by = self.config.locals.sent_by(to).ok_or(RequestError::NoLocal)?;
        let branch = std::str::from_utf8(branch)
            .map_err(|_| RequestError::Invalid(ringback_message::InvalidValue::Malformed("branch")))?;
        let protocol = to.protocol().as_via();
        let via = format_args!("SIP/2.0/{protocol} {sent_by};branch={branch};rport");
        request.push_front(HeaderId::VIA, via).map_err(RequestError::Invalid)
    }

    /// The request of a server transaction that is alive.
    pub fn server_request(&self, key: ServerKey) -> Option<&Request> {
        self.table.servers.get(key.0).map(|entry| &entry.request)
    }

    /// The To tag that responses of this server transaction carry: of the last response that had one, or the
    /// one with which a CANCEL was answered before there was any. A 487 should use it (RFC 3261 §9.2).
    pub fn to_tag(&self, key: ServerKey) -> Option<&str> {
        self.table.servers.get(key.0)?.to_tag.as_deref()
    }

    /// Our sent-by values.
    pub fn locals(&self) -> &Locals {
        &self.config.locals
    }

    /// Our sent-by values, to be changed when listeners come and go.
    pub fn locals_mut(&mut self) -> &mut Locals {
        &mut self.config.locals
    }

    /// How many client transactions are alive, CANCELs of the layer's own included.
    pub fn clients(&self) -> usize {
        self.table.clients.len()
    }

    /// How many server transactions are alive, answered CANCELs included.
    pub fn servers(&self) -> usize {
        self.table.servers.len()
    }

    /// How many transactions are alive.
    pub fn len(&self) -> usize {
        self.clients() + self.servers()
    }

    /// Whether no transaction is alive and no timer runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.table.timers.is_empty()
    }

    fn clamp(&mut self, now: Instant) -> Instant {
        let now = self.now.map_or(now, |seen| seen.max(now));
        self.now = Some(now);
        now
    }

    fn response(&mut self, now: Instant, flow: Flow, response: Response) {
        let status = response.status();
        let matched = match (response.require::<Via<'_>>(), response.require::<CSeq>()) {
            // Rule 1: a response that was not sent to us is dropped.
            (Ok(via), _) if !self.config.locals.is_ours(&via) => return,
            (Ok(via), Ok(cseq)) => self.client_of(&via, &cseq.method),
            _ => return,
        };
        match matched {
            Some(key) => {
                self.table.step_client(now, key, Stimulus::Response(status), Some((flow, response)));
                self.send_queued_cancel(now, key);
            }
            None => self.table.outputs.push_back(TransactionOutput::Stray(flow, response.into())),
        }
    }

    /// Rule 1: branch and method of CSeq, for CANCEL and its INVITE share the branch.
    fn client_of(&self, via: &Via<'_>, method: &Method) -> Option<ClientKey> {
        let branch = via.branch()?;
        let bits = branch.get(7..)?.split_once('.')?.0;
        let key = ClientKey::from_bits(u64::from_str_radix(bits, 16).ok()?);
        let entry = self.table.clients.get(key.0)?;
        if entry.branch[..] != *branch.as_bytes() {
            return None;
        }
        match (&entry.cancel, *method == Method::CANCEL, entry.machine) {
            (Cancel::Sent(cancel), true, _) => self.table.clients.get(cancel.0).map(|_| *cancel),
            (_, true, _) => None,
            (_, false, ClientMachine::Invite(_)) => (*method == Method::INVITE).then_some(key),
            (_, false, ClientMachine::Other(_)) => (*method != Method::INVITE).then_some(key),
        }
    }

    fn incoming(&mut self, now: Instant, flow: Flow, request: Request) {
        // The transport has validated what gets here; whatever else is driven with is dropped.
        let Ok(routing) = request.routing() else { return };
        let id = |method: &Method| server_id(self.hasher, &request, &routing, method);
        if *request.method() == Method::ACK {
            let known = self.table.by_id.get(&id(&Method::INVITE)).copied();
            let passed = match known {
                Some(key) => self.table.step_server(now, key, Stimulus::Ack, None),
                None => true,
            };
            if passed {
                self.table.outputs.push_back(TransactionOutput::Stray(flow, request.into()));
            }
            return;
        }
        let own = id(request.method());
        if let Some(key) = self.table.by_id.get(&own) {
            self.table.step_server(now, *key, Stimulus::Request, None);
            return;
        }
        let reply_to = way_back(&flow, &routing.via);
        if self.table.servers.len() >= self.config.max_server {
            let reply = request.reply(StatusCode::SERVICE_UNAVAILABLE, Some("overload"));
            let reply = reply.header(HeaderId::RETRY_AFTER, self.config.retry_after).build();
            let bytes = reply.ok().map(|reply| reply.render());
            self.table.outputs.extend(bytes.map(|bytes| TransactionOutput::Transmit {
                key: None,
                to: reply_to,
                bytes,
            }));
            return;
        }
        let invite_id = (*request.method() == Method::CANCEL).then(|| id(&Method::INVITE));
        let invite = invite_id.and_then(|id| self.table.by_id.get(&id).copied());
        self.admit(now, flow, request, own, reply_to, invite);
    }

    /// Opens a server transaction. `invite` is the one that a CANCEL matches.
    fn admit(
        &mut self,
        now: Instant,
        flow: Flow,
        request: Request,
        id: u64,
        reply_to: Target,
        invite: Option<ServerKey>,
    ) {
        let mut effects = Effects::default();
        let is_invite = *request.method() == Method::INVITE;
        let machine =
            ServerMachine::start(is_invite, self.config.trying_at_once, &self.config.timings, &mut effects);
        let key = ServerKey(self.table.servers.insert(ServerEntry {
            machine,
            id,
            reply_to,
            request: request.clone(),
            sent: None,
            to_tag: None,
            rerouted: false,
            cancelled: false,
            internal: invite.is_some(),
            armed: 0,
        }));
        self.table.by_id.insert(id, key);
        self.table.run_server(now, key, effects, None);
        match invite {
            None => self.table.outputs.push_back(TransactionOutput::Request(key, flow, request)),
            Some(invite) => self.cancelled(now, key, invite, request),
        }
    }

    /// Rule 14: a CANCEL that matches is answered 200, with the To tag of the INVITE's responses.
    fn cancelled(&mut self, now: Instant, cancel: ServerKey, invite: ServerKey, request: Request) {
        let random = self.entropy.next_u64();
        let Some(entry) = self.table.servers.get_mut(invite.0) else { return };
        let tag = entry.to_tag.get_or_insert_with(|| format!("{random:x}").into());
        let reply = request.reply(StatusCode::OK, Some(tag)).build();
        let pending = entry.machine.is_pending_invite() && !std::mem::replace(&mut entry.cancelled, true);
        if let Ok(reply) = reply {
            self.table.step_server(now, cancel, Stimulus::Send(StatusCode::OK), Some(reply.render()));
        }
        if pending {
            self.table.outputs.push_back(TransactionOutput::Cancelled(invite, request));
        }
    }
}

impl<E: Entropy> Machine for Transactions<E> {
    type Input = TransactionInput;
    type Output = TransactionOutput;

    fn handle(&mut self, now: Instant, input: TransactionInput) {
        let now = self.clamp(now);
        match input {
            TransactionInput::Message(flow, message) => match Request::try_from(message) {
                Ok(request) => self.incoming(now, flow, request),
                Err(message) => {
                    if let Ok(response) = Response::try_from(message) {
                        self.response(now, flow, response);
                    }
                }
            },
            TransactionInput::Failed(key, reason) => self.table.failed(now, key, reason),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.clamp(now);
        while let Some((key, timer)) = self.table.timers.pop_expired(now) {
            let on = Stimulus::Timer(timer);
            match key {
                Key::Client(key) => self.table.step_client(now, key, on, None),
                Key::Server(key) => {
                    self.table.step_server(now, key, on, None);
                }
            }
        }
    }

    fn poll(&mut self) -> Option<TransactionOutput> {
        self.table.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.table.timers.next()
    }
}

impl<E> std::fmt::Debug for Transactions<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (clients, servers) = (self.table.clients.len(), self.table.servers.len());
        write!(f, "Transactions {{ clients: {clients}, servers: {servers} }}")
    }
}
