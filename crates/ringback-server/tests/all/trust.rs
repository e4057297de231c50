//! Asserted identities at the edge of the trust domain, over real sockets (RFC 3325).

use crate::support::{Phone, config, start};
use ringback_message::{HeaderId, Method, StatusCode};
use ringback_server::ServerConfig;

const CARRIER: &str = "<sip:+441632960083@carrier.example>";

/// Carrier and phone on this machine, of which each network here is trusted; whether the phone sees what the carrier asserts,
/// and the carrier what the phone does.
fn told(trust: &[&str]) -> (bool, bool) {
    let trust = trust.iter().map(|network| network.parse().unwrap()).collect();
    let server = start(ServerConfig { trust, ..config() });
    let mut bob = Phone::udp(&server, "bob", "b");
    bob.register(600);
    let mut carrier = Phone::udp(&server, "carrier", "");
    carrier.domain = "carrier.example".into();
    let message = carrier.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    let message = message.header(HeaderId::P_ASSERTED_IDENTITY, CARRIER).build().unwrap();
    carrier.send(&message);
    let request = bob.requested(&Method::MESSAGE);
    let answer = request
        .reply(StatusCode::OK, Some("b"))
        .header(HeaderId::P_ASSERTED_IDENTITY, "<sip:bob@example.com>")
        .build()
        .unwrap();
    bob.send(&answer);
    let answer = carrier.response(&Method::MESSAGE);
    assert_eq!(answer.status(), StatusCode::OK);
    (request.has(HeaderId::P_ASSERTED_IDENTITY), answer.has(HeaderId::P_ASSERTED_IDENTITY))
}

#[test]
fn rfc_3325_5_identities_stay_within_the_trust_domain() {
    assert_eq!(told(&[]), (false, false));
    assert_eq!(told(&["10.0.0.0/8"]), (false, false));
    assert_eq!(told(&["10.0.0.0/8", "127.0.0.1/32"]), (true, true));
}
