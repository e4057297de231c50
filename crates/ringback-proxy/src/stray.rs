//! What no transaction wants: the ACK to a 2xx, and 2xx that come late. Both are forwarded without state
//! (RFC 3261 §16.7 step 9 and §16.11).

use crate::forward;
use crate::proxy::{Proxy, ProxyOutput, Waiting};
use crate::routes;
use ringback_message::header::{MaxForwards, Via};
use ringback_message::{HeaderId, Message, Method, Request, Response};
use ringback_sansio::{Entropy, Flow, Hasher, Target};
use ringback_transaction::Transactions;
use ringback_transport::locate::NextHop;
use ringback_transport::via::response_by_via;
use std::hash::BuildHasher as _;

impl Proxy {
    pub(crate) fn stray<E: Entropy>(
        &mut self,
        transactions: &mut Transactions<E>,
        flow: &Flow,
        message: Message,
    ) {
        match Request::try_from(message) {
            Ok(request) if *request.method() == Method::ACK => self.acknowledge(transactions, flow, request),
            Ok(_) => {}
            Err(message) => self.late(transactions, message),
        }
    }

    /// Forwards the ACK to a 2xx. Only along a Route of ours: an ACK that merely names us is for nobody here, and
    /// one for elsewhere would make us an open relay.
    fn acknowledge<E: Entropy>(&mut self, transactions: &mut Transactions<E>, flow: &Flow, mut ack: Request) {
        if !matches!(routes::preprocess(&mut ack, &self.config.ownership), Ok(true)) {
            return;
        }
        if matches!(ack.first::<MaxForwards>(), Some(Ok(MaxForwards(0)))) {
            return;
        }
        // The same each time the ACK is repeated (RFC 3261 §16.11): made of the sender's own branch.
        let via = ack.values(HeaderId::VIA).next();
        let branch = format!("{:016x}", Hasher::keyed(flow.peer.port().into()).hash_one(via));
        let own_uri =
            ack.uri().is_ok_and(|uri| uri.as_sip().is_some_and(|uri| self.config.ownership.is_me(uri)));
        if own_uri && !ack.has(HeaderId::ROUTE) {
            return;
        }
        let Ok(copy) = forward::copy(&ack, None, None) else { return };
        match copy.hop {
            NextHop::Known(to) => self.send_stateless(transactions, copy.request, to, &branch),
            hop => {
                let token = self.wait(Waiting::Stateless(Box::new(copy.request), branch));
                self.outputs.push_back(ProxyOutput::Resolve(token, hop));
            }
        }
    }

    pub(crate) fn send_stateless<E: Entropy>(
        &mut self,
        transactions: &mut Transactions<E>,
        mut request: Request,
        to: Target,
        branch: &str,
    ) {
        if transactions.stamp_via(&mut request, &to, Some(branch)).is_ok() {
            self.outputs.push_back(ProxyOutput::Transmit { key: None, to, bytes: request.render() });
        }
    }

    fn late<E: Entropy>(&mut self, transactions: &Transactions<E>, message: Message) {
        let Ok(mut response) = Response::try_from(message) else { return };
        let ours =
            matches!(response.first::<Via<'_>>(), Some(Ok(via)) if transactions.locals().is_ours(&via));
        if ours && response.status().is_success() {
            response.pop_front(HeaderId::VIA);
            self.forward_response(response);
        }
    }

    /// Sends a response, our Via removed, to where the next Via leads.
    pub(crate) fn forward_response(&mut self, response: Response) {
        let to = match response.first::<Via<'_>>() {
            Some(Ok(via)) => response_by_via(&via),
            Some(Err(_)) | None => None,
        };
        if let Some(to) = to {
            self.outputs.push_back(ProxyOutput::Transmit { key: None, to, bytes: response.render() });
        }
    }
}
