//! Requests for the server itself: REGISTER and OPTIONS.

use crate::authority::Proof;
use crate::core::ServerCore;
use crate::shard::Node;
use crate::writer::{Answer, Job};
use ringback_auth::Place;
use ringback_message::header::{Require, Token as _};
use ringback_message::{HeaderId, Method, Request, Response, ResponseBuilder, StatusCode};
use ringback_sansio::Flow;
use ringback_transaction::ServerKey;
use std::time::Instant;

/// What can be sent to us or through us.
pub(crate) const METHODS: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, UPDATE, PRACK, SUBSCRIBE, NOTIFY, REFER, PUBLISH";

/// What the answer to OPTIONS tells: what can be sent to us, and what we can do.
pub(crate) const CAPABILITIES: [(HeaderId, &str); 3] =
    [(HeaderId::ALLOW, METHODS), (HeaderId::ACCEPT, "application/sdp"), (HeaderId::SUPPORTED, SUPPORTED)];

/// What our registrar knows, and says that it does.
const SUPPORTED: &str = "path, outbound, gruu";

impl ServerCore {
    /// Answers a request for the server itself, at once or when the store has written what it changes.
    pub(crate) fn answer(
        &self,
        now: Instant,
        shard: usize,
        node: &mut Node,
        key: ServerKey,
        flow: &Flow,
        request: &Request,
    ) {
        let response = match request.method() {
            method if *method == Method::REGISTER => self.register(now, shard, node, key, flow, request),
            method if *method == Method::OPTIONS => Some(options(request, &node.tag())),
            _ => {
                let reply = request.reply(StatusCode::METHOD_NOT_ALLOWED, Some(&node.tag()));
                Some(reply.header(HeaderId::ALLOW, METHODS))
            }
        };
        if let Some(response) = response {
            respond(now, node, key, response.build());
        }
    }

    fn register(
        &self,
        now: Instant,
        shard: usize,
        node: &mut Node,
        key: ServerKey,
        flow: &Flow,
        request: &Request,
    ) -> Option<ResponseBuilder> {
        let user = match self.authority.prove(now, request, Place::Server, flow.peer.ip()) {
            Proof::Of(user) => user,
            Proof::Missing(challenges) => {
                let reply = request.reply(Place::Server.status(), Some(&node.tag()));
                return Some(
                    challenges.into_iter().fold(reply, |reply, (id, value)| reply.header(id, value)),
                );
            }
            Proof::Wrong => return Some(request.reply(StatusCode::FORBIDDEN, Some(&node.tag()))),
        };
        if user.as_ref().is_some_and(|user| !self.authority.guard.user_may_send(now, flow.peer.ip(), user)) {
            let reply = request.reply(StatusCode::SERVICE_UNAVAILABLE, Some(&node.tag()));
            return Some(reply.header(HeaderId::RETRY_AFTER, 1u32));
        }
        let busy = request
            .reply(StatusCode::SERVICE_UNAVAILABLE, Some(&node.tag()))
            .header(HeaderId::RETRY_AFTER, 10u32);
        let Some(jobs) = &self.jobs else {
            return Some(
                self.locations.register(now, request, flow, user.as_deref(), |outcome| outcome.response),
            );
        };
        // Fault 40: with a disk that does not keep up, registrations wait outside.
        if jobs.is_full() {
            return Some(busy);
        }
        self.locations.register(now, request, flow, user.as_deref(), |outcome| {
            if outcome.changes.is_empty() {
                return Some(outcome.response);
            }
            let (Ok(kept), Ok(lost)) = (outcome.response.build(), busy.build()) else { return None };
            let answer = Some(Answer { shard, key, kept, lost });
            jobs.push(Job { changes: outcome.changes, answer });
            None
        })
    }
}

/// Sends a response, unless it cannot be built or nobody waits for it any more.
pub(crate) fn respond<E>(now: Instant, node: &mut Node, key: ServerKey, response: Result<Response, E>) {
    if let Ok(response) = response {
        let _ = node.transactions.respond(now, key, response);
    }
}

/// The answer to OPTIONS.
fn options(request: &Request, tag: &str) -> ResponseBuilder {
    let required = request.all::<Require<'_>>().flatten();
    let is_known = |tag: &str| SUPPORTED.split(", ").any(|known| known.eq_ignore_ascii_case(tag));
    let unknown: Vec<&str> =
        required.map(|tag| tag.token()).filter(|tag| !tag.is_empty() && !is_known(tag)).collect();
    if !unknown.is_empty() {
        let reply = request.reply(StatusCode::BAD_EXTENSION, Some(tag));
        return reply.header(HeaderId::UNSUPPORTED, unknown.join(", "));
    }
    let reply = request.reply(StatusCode::OK, Some(tag));
    CAPABILITIES.into_iter().fold(reply, |reply, (id, value)| reply.header(id, value))
}
