//! The transaction layer: commands from above, messages from below.

use crate::client::{Client, TopVia};
use crate::machines::{ClientStimulus, ServerStimulus};
use crate::server::{About, Room, Server};
use crate::table::Index;
use crate::timers::Timers;
use crate::{
    ClientKey, Gone, Key, Locals, RequestError, ServerKey, TransactionConfig, TransactionInput,
    TransactionOutput,
};
use bytes::Bytes;
use ringback_message::{HeaderId, InvalidValue, Request, Response, StatusCode};
use ringback_sansio::{Entropy, Machine, Slab, Target};
use std::collections::VecDeque;
use std::time::Instant;

/// All transactions of one element.
pub struct Transactions<E> {
    pub(crate) config: TransactionConfig,
    pub(crate) entropy: E,
    pub(crate) clients: Slab<Client>,
    /// How many of the clients are CANCELs of the layer's own, which no limit refuses.
    pub(crate) own_clients: usize,
    pub(crate) servers: Slab<Server>,
    pub(crate) by_branch: Index<Client>,
    pub(crate) by_hop: Index<Server>,
    pub(crate) timers: Timers,
    pub(crate) outputs: VecDeque<TransactionOutput>,
    /// Where the identity of the message at hand is written, so that a lookup allocates nothing.
    pub(crate) scratch: Vec<u8>,
    now: Option<Instant>,
}

impl<E: Entropy> Transactions<E> {
    /// An empty layer.
    pub fn new(config: TransactionConfig, mut entropy: E) -> Self {
        let (clients, servers) = (entropy.next_u64(), entropy.next_u64());
        Self {
            config,
            entropy,
            clients: Slab::new(),
            own_clients: 0,
            servers: Slab::new(),
            by_branch: Index::new(clients),
            by_hop: Index::new(servers),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            scratch: Vec::with_capacity(128),
            now: None,
        }
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
        request: Request,
        suffix: &str,
    ) -> Result<ClientKey, RequestError> {
        let now = self.clamp(now);
        self.open_client(now, to, request, suffix)
    }

    /// Sends a response in a server transaction.
    ///
    /// # Errors
    /// When the transaction is over or has its final response. After a 2xx to INVITE further 2xx are fine.
    pub fn respond(&mut self, now: Instant, key: ServerKey, response: Response) -> Result<(), Gone> {
        let now = self.clamp(now);
        self.note_tag(key, &response);
        self.respond_server(now, key, response.status(), response.render())
    }

    /// The same with a response as it is sent, which has this status.
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub fn respond_written(
        &mut self,
        now: Instant,
        key: ServerKey,
        status: StatusCode,
        response: Bytes,
    ) -> Result<(), Gone> {
        let now = self.clamp(now);
        self.respond_server(now, key, status, response)
    }

    /// Takes back an INVITE: sends CANCEL as soon as a provisional response allows it (RFC 3261 §9.1).
    /// `reason` is the value of a Reason field (RFC 3326); one that cannot be a header value is left out.
    ///
    /// # Errors
    /// When there is nothing to cancel: a final response is there, or the request is no INVITE.
    pub fn cancel(&mut self, now: Instant, key: ClientKey, reason: Option<&str>) -> Result<(), Gone> {
        let now = self.clamp(now);
        self.cancel_client(now, key, reason)
    }

    /// Puts a Via of ours on top of a request that goes without a transaction: the ACK to a 2xx. `branch`
    /// follows the magic cookie, for requests that must look the same each time they pass; without one the
    /// branch is random.
    ///
    /// # Errors
    /// [`RequestError::NoLocal`] and [`RequestError::Invalid`].
    pub fn stamp_via(
        &mut self,
        request: &mut Request,
        to: &Target,
        branch: Option<&str>,
    ) -> Result<(), RequestError> {
        let Some(branch) = branch else { return self.stamp(request, to, "").map(drop) };
        if branch.is_empty() || !branch.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
            return Err(RequestError::Invalid(InvalidValue::Malformed("branch")));
        }
        let sent_by = self.config.locals.sent_by(to).ok_or(RequestError::NoLocal)?;
        let alias = self.config.locals.alias(to.protocol());
        let protocol = to.protocol().as_via();
        let via =
            TopVia { protocol, sent_by, branch: [b"z9hG4bK", branch.as_bytes()], more: [alias, "", ""] };
        request.push_front(HeaderId::VIA, via).map_err(RequestError::Invalid)
    }

    /// Whether a server transaction is alive, answered or not.
    pub fn is_alive(&self, key: ServerKey) -> bool {
        self.servers.get(key.0).is_some()
    }

    /// Whether a request belongs to a server transaction that is alive: it is a copy of its request, or its ACK or CANCEL.
    pub fn has_request(&mut self, request: &Request) -> bool {
        self.is_of_server(request)
    }

    /// Whether a response belongs to a client transaction that is alive.
    pub fn has_response(&mut self, response: &Response) -> bool {
        self.is_of_client(response)
    }

    /// The request of a server transaction that is not answered yet. Of those that are, over datagrams, the request is forgotten.
    pub fn server_request(&self, key: ServerKey) -> Option<&Request> {
        self.servers.get(key.0)?.asked.request()
    }

    /// The To tag that responses of this server transaction carry: of the last response that had one, or the
    /// one with which a CANCEL was answered before there was any. A 487 should use it (RFC 3261 §9.2).
    pub fn to_tag(&self, key: ServerKey) -> Option<String> {
        self.servers.get(key.0)?.to_tag()
    }

    /// Our sent-by values.
    pub fn locals(&self) -> &Locals {
        &self.config.locals
    }

    /// Our sent-by values, to be changed when listeners come and go.
    pub fn locals_mut(&mut self) -> &mut Locals {
        &mut self.config.locals
    }

    /// Lets so many transactions of each side be alive from now on. Where there are more already, all of them go on.
    pub fn set_limits(&mut self, max_client: usize, max_server: usize) {
        (self.config.max_client, self.config.max_server) = (max_client, max_server);
    }

    /// How many client transactions are alive, CANCELs of the layer's own included.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// How many server transactions are alive, answered CANCELs included.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// How many transactions are alive.
    pub fn len(&self) -> usize {
        self.clients() + self.servers()
    }

    /// Whether no transaction is alive and no timer runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.timers.len() == 0
    }

    /// An earlier `now` than one already seen is treated as that one.
    fn clamp(&mut self, now: Instant) -> Instant {
        let now = self.now.map_or(now, |seen| seen.max(now));
        self.now = Some(now);
        now
    }
}

impl<E: Entropy> Machine for Transactions<E> {
    type Input = TransactionInput;
    type Output = TransactionOutput;

    fn handle(&mut self, now: Instant, input: TransactionInput) {
        let now = self.clamp(now);
        match input {
            TransactionInput::Message(flow, message) => match Request::try_from(message) {
                Ok(request) => self.on_request(now, flow, Box::new(request), Room::Any),
                Err(message) => {
                    if let Ok(response) = Response::try_from(message) {
                        self.on_response(now, flow, Box::new(response));
                    }
                }
            },
            TransactionInput::Overloaded(flow, message, later) => {
                if let Ok(request) = Request::try_from(message) {
                    self.on_request(now, flow, Box::new(request), Room::None(later));
                }
            }
            TransactionInput::Failed(Key::Client(key), reason) => {
                self.step_client(now, key.0, ClientStimulus::TransportFailed(reason), None);
            }
            TransactionInput::Failed(Key::Server(key), reason) => self.on_server_failed(now, key.0, reason),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.clamp(now);
        while let Some((key, timer)) = self.timers.pop_expired(now) {
            match key {
                Key::Client(key) => {
                    if let Some(client) = self.clients.get_mut(key.0) {
                        client.armed.remove(timer);
                    }
                    self.step_client(now, key.0, ClientStimulus::Timer(timer), None);
                }
                Key::Server(key) => {
                    if let Some(server) = self.servers.get_mut(key.0) {
                        server.armed.remove(timer);
                    }
                    self.step_server(now, key.0, ServerStimulus::Timer(timer), About::Nothing);
                }
            }
        }
    }

    fn poll(&mut self) -> Option<TransactionOutput> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl<E> std::fmt::Debug for Transactions<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transactions {{ clients: {}, servers: {} }}", self.clients.len(), self.servers.len())
    }
}
