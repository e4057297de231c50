//! The transaction layer.

use crate::{
    ClientKey, Gone, Locals, RequestError, ServerKey, TransactionConfig, TransactionInput, TransactionOutput,
};
use ringback_message::{Request, Response};
use ringback_sansio::{Entropy, Machine, Target};
use std::time::Instant;

/// All transactions of one element.
pub struct Transactions<E> {
    config: TransactionConfig,
    entropy: E,
}

impl<E: Entropy> Transactions<E> {
    /// An empty layer.
    pub fn new(config: TransactionConfig, entropy: E) -> Self {
        Self { config, entropy }
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
        _now: Instant,
        _to: Target,
        _request: Request,
        _suffix: &str,
    ) -> Result<ClientKey, RequestError> {
        Err(RequestError::Overload)
    }

    /// Sends a response in a server transaction.
    ///
    /// # Errors
    /// When the transaction is over or has its final response. After a 2xx to INVITE further 2xx are fine.
    pub fn respond(&mut self, _now: Instant, _key: ServerKey, _response: Response) -> Result<(), Gone> {
        Err(Gone)
    }

    /// Takes back an INVITE: sends CANCEL as soon as a provisional response allows it (RFC 3261 §9.1).
    /// `reason` is the value of a Reason field (RFC 3326); one that cannot be a header value is left out.
    ///
    /// # Errors
    /// When there is nothing to cancel: a final response is there, or the request is no INVITE.
    pub fn cancel(&mut self, _now: Instant, _key: ClientKey, _reason: Option<&str>) -> Result<(), Gone> {
        Err(Gone)
    }

    /// Puts a Via of ours on top of a request that goes without a transaction: the ACK to a 2xx.
    ///
    /// # Errors
    /// [`RequestError::NoLocal`] and [`RequestError::Invalid`].
    pub fn stamp_via(
        &mut self,
        _request: &mut Request,
        _to: &Target,
        _suffix: Option<&str>,
    ) -> Result<(), RequestError> {
        let _ = self.entropy.next_u64();
        Err(RequestError::NoLocal)
    }

    /// The request of a server transaction that is alive.
    pub fn server_request(&self, _key: ServerKey) -> Option<&Request> {
        None
    }

    /// The To tag that responses of this server transaction carry: of the last response that had one, or the
    /// one with which a CANCEL was answered before there was any. A 487 should use it (RFC 3261 §9.2).
    pub fn to_tag(&self, _key: ServerKey) -> Option<&str> {
        None
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
        0
    }

    /// How many server transactions are alive, answered CANCELs included.
    pub fn servers(&self) -> usize {
        0
    }

    /// How many transactions are alive.
    pub fn len(&self) -> usize {
        self.clients() + self.servers()
    }

    /// Whether no transaction is alive and no timer runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E: Entropy> Machine for Transactions<E> {
    type Input = TransactionInput;
    type Output = TransactionOutput;

    fn handle(&mut self, _now: Instant, _input: TransactionInput) {}

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll(&mut self) -> Option<TransactionOutput> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
