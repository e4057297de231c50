//! Requests for the server itself: REGISTER and OPTIONS.

use crate::core::ServerCore;
use crate::shard::Node;
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
            method if *method == Method::REGISTER => {
                return self.register(now, shard, node, key, flow, request);
            }
            method if *method == Method::OPTIONS => options(request, &node.tag()),
            _ => {
                let reply = request.reply(StatusCode::METHOD_NOT_ALLOWED, Some(&node.tag()));
                reply.header(HeaderId::ALLOW, METHODS)
            }
        };
        respond(now, node, key, response.build());
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
