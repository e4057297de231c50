//! What no transaction wants: the ACK to a 2xx, and 2xx that come late. Both are forwarded without state
//! (RFC 3261 §16.7 step 9 and §16.11).

use crate::checks::Suffix;
use crate::proxy::{Proxy, ProxyOutput, Waiting};
use crate::{Branch, Decision, Hop, RoutePolicy, forward, routes, token};
use ringback_message::header::{CSeq, MaxForwards, Via};
use ringback_message::{HeaderId, Message, Method, Request, Response};
use ringback_sansio::{Entropy, Flow, Target};
use ringback_transaction::Transactions;
use ringback_transport::locate::NextHop;
use ringback_transport::via::response_by_via;
use std::hash::BuildHasher as _;
use std::time::Instant;

impl Proxy {
    pub(crate) fn stray<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        policy: &mut dyn RoutePolicy,
        flow: &Flow,
        message: Message,
    ) {
        match Request::try_from(message) {
            Ok(ack) if *ack.method() == Method::ACK => {
                self.acknowledge(now, transactions, policy, flow, Box::new(ack));
            }
            Ok(_) => {}
            Err(message) => self.late(transactions, message),
        }
    }

    /// Forwards the ACK to a 2xx: along a Route of ours, or to where the policy leads it.
    fn acknowledge<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        policy: &mut dyn RoutePolicy,
        flow: &Flow,
        mut ack: Box<Request>,
    ) {
        if matches!(ack.first::<MaxForwards>(), Some(Ok(MaxForwards(0)))) {
            return;
        }
        // The same each time the ACK is repeated (RFC 3261 §16.11): made of the sender's own branch.
        let branch = self.loops.hash_one((flow.peer, ack.values(HeaderId::VIA).next()));
        let Ok(own) = routes::preprocess(&mut ack, &self.config.ownership) else { return };
        let own_route = own.any;
        let own_uri = self.is_own_uri(&ack);
        // What comes along our Route may still name one of our users: by a GRUU, as the remote target of a dialog.
        let is_at_its_end = own_uri && !ack.has(HeaderId::ROUTE);
        let target = if own_route && !is_at_its_end {
            None
        } else {
            match policy.route(now, &mut ack, Hop { flow, own_route, own_uri, along: None }) {
                Decision::Forward(branches) => match branches.into_iter().max_by_key(|branch| branch.q) {
                    Some(target) => Some(target),
                    None => return,
                },
                Decision::Relay if is_at_its_end => return,
                Decision::Relay => None,
                Decision::Reject(..)
                | Decision::Fail(..)
                | Decision::Redirect(_)
                | Decision::Local
                | Decision::Later(_) => return,
            }
        };
        let along =
            own.token.filter(|_| target.is_none()).and_then(|token| token::read(self.flow_key, &token));
        self.forward_ack(transactions, ack, target.as_ref(), along, branch);
    }

    fn forward_ack<E: Entropy>(
        &mut self,
        transactions: &mut Transactions<E>,
        mut ack: Box<Request>,
        target: Option<&Branch>,
        along: Option<Flow>,
        branch: u64,
    ) {
        let hop = forward::prepare(&mut ack, target, None, self.config.realm.as_deref());
        match hop.map(|hop| forward::along(hop, along)) {
            Ok(NextHop::Known(to)) => self.send_stateless(transactions, ack, to, branch),
            Ok(hop) => {
                let token = self.wait(Waiting::Stateless(ack, branch));
                self.outputs.push_back(ProxyOutput::Resolve(token, hop));
            }
            Err(_) => {}
        }
    }

    pub(crate) fn send_stateless<E: Entropy>(
        &mut self,
        transactions: &mut Transactions<E>,
        mut request: Box<Request>,
        to: Target,
        branch: u64,
    ) {
        let branch = Suffix::new(branch);
        if transactions.stamp_via(&mut request, &to, Some(branch.digits())).is_ok() {
            self.outputs.push_back(ProxyOutput::Transmit { key: None, to, bytes: request.render() });
        }
    }

    /// Rule 18: a 2xx to INVITE goes on whatever became of its transactions. No other response does, least of all one
    /// to a non-INVITE, for which nobody waits any more (RFC 4320 §4.2).
    fn late<E: Entropy>(&mut self, transactions: &Transactions<E>, message: Message) {
        let Ok(mut response) = Response::try_from(message) else { return };
        let ours =
            matches!(response.first::<Via<'_>>(), Some(Ok(via)) if transactions.locals().is_ours(&via));
        if ours {
            response.pop_front(HeaderId::VIA);
            self.forward_success(response);
        }
    }

    /// Sends a 2xx to INVITE, our Via removed, to where the next Via leads.
    pub(crate) fn forward_success(&mut self, response: Response) {
        let is_invite = response.require::<CSeq>().is_ok_and(|cseq| cseq.method == Method::INVITE);
        if !is_invite || !response.status().is_success() {
            return;
        }
        let to = match response.first::<Via<'_>>() {
            Some(Ok(via)) => response_by_via(&via),
            Some(Err(_)) | None => None,
        };
        if let Some(to) = to {
            self.outputs.push_back(ProxyOutput::Transmit { key: None, to, bytes: response.render() });
        }
    }
}
