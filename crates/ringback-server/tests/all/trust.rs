//! Asserted identities at the edge of the trust domain, over real sockets (RFC 3325).

use crate::support::{Gateway, Phone, config, start};
use ringback_message::{HeaderId, Method, Request, StatusCode};
use ringback_server::{GatewayConfig, MemberConfig, RouteConfig, Server, ServerConfig};

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

/// A server that sends what begins with 00 to a gateway, and a message of alice for it with these fields.
fn towards(trusted: bool, from: &str, fields: &[(HeaderId, &str)]) -> (Server, Gateway, Phone, Request) {
    let gateway = Gateway::new();
    let member = MemberConfig { uri: gateway.uri(), ..MemberConfig::default() };
    let group = GatewayConfig {
        name: "carrier".into(),
        members: vec![member],
        probe: 0,
        trusted,
        ..GatewayConfig::default()
    };
    let route =
        RouteConfig { user: Some("^00".into()), gateway: Some("carrier".into()), ..RouteConfig::default() };
    let server = start(ServerConfig { routes: vec![route], gateways: vec![group], ..config() });
    let mut alice = Phone::udp(&server, "alice", "a");
    let mut message = alice.request(Method::MESSAGE, "sip:0044123@example.com", "sip:0044123@example.com");
    for (id, value) in fields {
        message = message.header(*id, *value);
    }
    let mut message = message.build().unwrap();
    if !from.is_empty() {
        message.set(HeaderId::FROM, format_args!("{from};tag=a")).unwrap();
    }
    (server, gateway, alice, message)
}

/// What the gateway is told of it.
fn told_gateway(trusted: bool, from: &str, fields: &[(HeaderId, &str)]) -> Request {
    let (_server, mut gateway, mut alice, mut message) = towards(trusted, from, fields);
    alice.prove(&mut message);
    let request = gateway.requested(&Method::MESSAGE);
    gateway.reply(&request, StatusCode::OK);
    assert_eq!(alice.outcome(&message).status(), StatusCode::OK);
    request
}

fn asserted(request: &Request) -> Vec<String> {
    let values = request.values(HeaderId::P_ASSERTED_IDENTITY);
    values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn rfc_3325_5_a_user_who_proved_who_he_is_is_asserted_as_he_prefers() {
    const PREFERRED: HeaderId = HeaderId::P_PREFERRED_IDENTITY;
    const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    let alice = "<sip:alice@example.com>";
    for (from, preferred, is) in [
        ("", None, alice),
        ("", Some("\"Alice\" <sip:alice@example.com>"), "\"Alice\" <sip:alice@example.com>"),
        // Nobody prefers to be somebody else.
        ("", Some("<sip:bob@example.com>"), alice),
        ("", Some("<sip:alice@elsewhere.example>"), alice),
        (ANONYMOUS, None, alice),
        (ANONYMOUS, Some(alice), alice),
    ] {
        let fields: Vec<(HeaderId, &str)> = preferred.iter().map(|value| (PREFERRED, *value)).collect();
        let request = told_gateway(true, from, &fields);
        assert_eq!(asserted(&request), [is], "{from} {preferred:?}");
        assert!(!request.has(PREFERRED), "{from} {preferred:?}");
        // What he says of himself stays as he says it.
        assert_eq!(
            from.is_empty(),
            !String::from_utf8_lossy(request.as_received()).contains("anonymous.invalid")
        );
    }
}

#[test]
fn rfc_3323_the_edge_keeps_what_it_is_asked_to_keep() {
    const PRIVACY: HeaderId = HeaderId::PRIVACY;
    for (trusted, privacy, is_told) in [
        (false, None, false),
        (false, Some("id"), false),
        (false, Some("none"), true),
        (true, Some("id"), true),
        (false, Some("header"), false),
        (true, Some("id;critical"), true),
    ] {
        let fields: Vec<(HeaderId, &str)> = privacy.iter().map(|value| (PRIVACY, *value)).collect();
        let request = told_gateway(trusted, "", &fields);
        assert_eq!(request.has(HeaderId::P_ASSERTED_IDENTITY), is_told, "{trusted} {privacy:?}");
        assert_eq!(request.has(PRIVACY), privacy.is_some(), "the next one has to keep it as well");
    }
}

#[test]
fn rfc_3323_5_what_is_critical_and_not_given_fails_with_500_that_names_it() {
    for (privacy, is_required, named) in [
        ("header;critical", false, "header"),
        ("user;id;critical", false, "user"),
        ("critical;session;header", false, "session, header"),
        ("future;critical", false, "future"),
        ("header;critical", true, "header"),
    ] {
        let mut fields = vec![(HeaderId::PRIVACY, privacy)];
        fields.extend(is_required.then_some((HeaderId::PROXY_REQUIRE, "privacy")));
        let (_server, _gateway, mut alice, message) = towards(true, "", &fields);
        alice.send(&message);
        let answer = alice.outcome(&message);
        assert_eq!(answer.status(), StatusCode::SERVER_INTERNAL_ERROR, "{privacy}");
        assert_eq!(answer.reason(), format!("Privacy Not Given: {named}").as_bytes());
    }
}

#[test]
fn rfc_3323_5_the_last_one_in_the_trust_domain_does_what_is_insisted_on() {
    const INSISTS: (HeaderId, &str) = (HeaderId::PROXY_REQUIRE, "Privacy");
    for privacy in ["id;critical", "id", "none", "history", "none;critical"] {
        for trusted in [true, false] {
            let request = told_gateway(trusted, "", &[(HeaderId::PRIVACY, privacy), INSISTS]);
            let is_told = trusted || privacy.starts_with("none");
            assert_eq!(request.has(HeaderId::P_ASSERTED_IDENTITY), is_told, "{privacy} {trusted}");
            assert_eq!(request.has(HeaderId::PROXY_REQUIRE), trusted, "{privacy}: others have to do it");
        }
    }
    // What is not given here is not passed on to somebody who might not give it either.
    for (privacy, required, unsupported) in [
        ("header", "privacy", "privacy"),
        ("id;user", "privacy", "privacy"),
        ("id", "privacy, foo", "foo"),
        ("header;critical", "foo", "foo"),
    ] {
        let fields = [(HeaderId::PRIVACY, privacy), (HeaderId::PROXY_REQUIRE, required)];
        let (_server, _gateway, mut alice, message) = towards(true, "", &fields);
        alice.send(&message);
        let answer = alice.outcome(&message);
        assert_eq!(answer.status(), StatusCode::BAD_EXTENSION, "{privacy} {required}");
        let tags: Vec<&[u8]> = answer.values(HeaderId::UNSUPPORTED).collect();
        assert_eq!(tags, [unsupported.as_bytes()], "{privacy} {required}");
    }
}
