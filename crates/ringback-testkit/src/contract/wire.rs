//! Messages as a peer would send them, for the subjects.

use ringback_message::{Message, Request, Response, StatusCode};
use ringback_sansio::{Entropy, Flow, FlowId, Protocol, SeededEntropy};
use ringback_transport::via::{Inbound, receive};
use std::net::SocketAddr;

pub(super) const DESCRIPTION: &str = "v=0\r\no=- 7 7 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 8\r\na=sendrecv\r\n";

pub(super) fn local() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5_060))
}

pub(super) fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 5_060))
}

pub(super) fn protocol(entropy: &mut SeededEntropy) -> Protocol {
    if entropy.below(3) == 0 { Protocol::Tcp } else { Protocol::Udp }
}

pub(super) fn flow(protocol: Protocol) -> Flow {
    Flow { id: FlowId(1), protocol, local: local(), peer: peer() }
}

pub(super) fn pick<T>(entropy: &mut SeededEntropy, from: &[T]) -> Option<usize> {
    (!from.is_empty()).then(|| entropy.below(from.len() as u64) as usize)
}

pub(super) fn one<'a>(entropy: &mut SeededEntropy, from: &[&'a str]) -> &'a str {
    from[entropy.below(from.len() as u64) as usize]
}

pub(super) fn status(entropy: &mut SeededEntropy) -> StatusCode {
    const STATUSES: [u16; 13] = [100, 180, 183, 200, 200, 200, 302, 401, 404, 408, 486, 491, 603];
    let code = STATUSES[entropy.below(STATUSES.len() as u64) as usize];
    StatusCode::new(code).expect("a status")
}

/// A request of the peer's to `uri`: few branches and tags, so that they meet.
pub(super) fn request(
    entropy: &mut SeededEntropy,
    protocol: Protocol,
    uri: &str,
    to_tag: &str,
) -> Option<Message> {
    const METHODS: [&str; 13] = [
        "INVITE",
        "INVITE",
        "INVITE",
        "ACK",
        "CANCEL",
        "BYE",
        "OPTIONS",
        "MESSAGE",
        "UPDATE",
        "INFO",
        "SUBSCRIBE",
        "NOTIFY",
        "NOTIFY",
    ];
    let method = one(entropy, &METHODS);
    let (branch, number, call) = (entropy.below(8), 1 + entropy.below(4), entropy.below(3));
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    let body = if entropy.below(2) == 0 { DESCRIPTION } else { "" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let states =
        ["active;expires=60", "pending", "terminated;reason=deactivated", "terminated;reason=rejected"];
    let event = match method {
        "SUBSCRIBE" => format!("Event: dialog\r\nExpires: {}\r\n", 60 * entropy.below(3)),
        "NOTIFY" => format!("Event: dialog\r\nSubscription-State: {}\r\n", one(entropy, &states)),
        _ => String::new(),
    };
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{} 192.0.2.9;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:bob@example.com>;tag=b{call}\r\nTo: <sip:alice@example.com>{to_tag}\r\nCall-ID: c{call}\r\n\
         CSeq: {number} {method}\r\nContact: <sip:bob@192.0.2.9>\r\n{event}{kind}Content-Length: {}\r\n\r\n{body}",
        protocol.as_via(),
        body.len(),
    );
    match receive(&flow(protocol), text.into()) {
        Inbound::Message(message) => Some(message),
        Inbound::KeepAlive | Inbound::Malformed(..) => None,
    }
}

/// The peer's response to a request of ours.
pub(super) fn response(entropy: &mut SeededEntropy, request: &Request) -> Option<Response> {
    let status = status(entropy);
    let tag = format!("p{}", entropy.below(3));
    let mut reply = request.reply(status, Some(&tag)).other("Contact", "<sip:bob@192.0.2.9>");
    if entropy.below(4) > 0 {
        reply = reply.body("application/sdp", DESCRIPTION);
    }
    reply.build().ok()
}

/// The requests among what was sent.
pub(super) fn as_request(bytes: &bytes::Bytes) -> Option<Request> {
    Request::try_from(Message::parse(bytes.clone()).ok()?).ok()
}
