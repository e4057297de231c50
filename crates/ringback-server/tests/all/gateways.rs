//! Routes to groups of gateways, over real sockets.

use crate::support::{Gateway, Phone, config, start, until};
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Method, Request, StatusCode};
use ringback_server::{GatewayConfig, MemberConfig, RouteConfig, ServerConfig};

fn member(gateway: &Gateway, priority: u16) -> MemberConfig {
    MemberConfig { uri: gateway.uri(), priority, ..MemberConfig::default() }
}

fn group(members: Vec<MemberConfig>) -> GatewayConfig {
    GatewayConfig { name: "carrier".into(), members, probe: 0, ..GatewayConfig::default() }
}

fn with(group: GatewayConfig) -> ServerConfig {
    let route = RouteConfig {
        user: Some("^00".into()),
        strip: 2,
        prefix: "+".into(),
        gateway: Some("carrier".into()),
        ..RouteConfig::default()
    };
    ServerConfig { routes: vec![route], gateways: vec![group], ..config() }
}

/// A caller who has proved who he is, so that an INVITE goes at once.
fn ring(alice: &mut Phone, gateway: &mut Gateway) -> (Request, Request) {
    let invite = alice.invite("sip:0044123@example.com");
    let sent = std::thread::scope(|scope| {
        let invited = scope.spawn(|| gateway.requested(&Method::INVITE));
        let mut invite = invite.build().unwrap();
        alice.prove(&mut invite);
        (invite, invited.join().unwrap())
    });
    assert_eq!(sent.1.uri_bytes(), format!("sip:+44123@{}", &gateway.uri()[4..]).as_bytes());
    sent
}

#[test]
fn the_next_member_is_tried_after_503_and_silence_and_a_call_takes_room_until_its_bye() {
    let (mut first, mut second) = (Gateway::new(), Gateway::new());
    let limited = MemberConfig { calls: 1, ..member(&second, 1) };
    let server = start(with(GatewayConfig { timeout: 1, ..group(vec![member(&first, 0), limited]) }));
    let mut alice = Phone::udp(&server, "alice", "a");
    let (invite, invited) = ring(&mut alice, &mut first);
    first.reply(&invited, StatusCode::SERVICE_UNAVAILABLE);
    let invited = second.requested(&Method::INVITE);
    second.reply(&invited, StatusCode::OK);
    let ok = alice.outcome(&invite);
    assert_eq!(ok.status(), StatusCode::OK);
    let ack = alice.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
    alice.send(&ack);
    second.requested(&Method::ACK);
    let stats = server.stats();
    assert_eq!((stats.gateways[0].failed, stats.gateways[1].calls), (1, 1), "{stats:?}");

    // A second call finds no room there, and silence at the first.
    let (other, invited) = ring(&mut alice, &mut first);
    first.reply(&invited, StatusCode::TRYING);
    let cancel = first.requested(&Method::CANCEL);
    first.reply(&cancel, StatusCode::OK);
    first.reply(&invited, StatusCode::REQUEST_TERMINATED);
    assert_eq!(alice.outcome(&other).status().class(), 4);
    let stats = server.stats();
    assert_eq!((stats.gateways[0].up, stats.gateways[1].full), (false, 1), "{stats:?}");

    let bye = alice.in_dialog(Method::BYE, &invite, &ok).build().unwrap();
    alice.send(&bye);
    let bye = second.requested(&Method::BYE);
    second.reply(&bye, StatusCode::OK);
    assert_eq!(alice.response(&Method::BYE).status(), StatusCode::OK);
    assert_eq!(server.stats().gateways[1].calls, 0);
    // The silent one is left alone now.
    let (other, invited) = ring(&mut alice, &mut second);
    second.reply(&invited, StatusCode::BUSY_HERE);
    assert_eq!(alice.outcome(&other).status(), StatusCode::BUSY_HERE);
}

#[test]
fn a_call_for_which_no_member_has_room_is_told_to_come_later() {
    let mut gateway = Gateway::new();
    let members = vec![MemberConfig { calls: 1, ..member(&gateway, 0) }];
    let server = start(with(group(members)));
    let mut alice = Phone::udp(&server, "alice", "a");
    let (invite, invited) = ring(&mut alice, &mut gateway);
    gateway.reply(&invited, StatusCode::OK);
    assert_eq!(alice.outcome(&invite).status(), StatusCode::OK);
    let other = alice.invite("sip:0044124@example.com");
    let refusal = alice.transact(other).0;
    assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refusal.values(HeaderId::RETRY_AFTER).next(), Some(&b"10"[..]));
    assert_eq!(server.stats().gateways[0].full, 1);
}

#[test]
fn a_member_that_is_asked_and_does_not_want_gets_no_calls_until_it_does() {
    let (mut first, mut second) = (Gateway::new(), Gateway::new());
    let members = vec![member(&first, 0), member(&second, 1)];
    let server = start(with(GatewayConfig { probe: 5, ..group(members) }));
    let options = first.requested(&Method::OPTIONS);
    assert_eq!(options.require::<CSeq>().unwrap().method, Method::OPTIONS);
    first.reply(&options, StatusCode::SERVICE_UNAVAILABLE);
    let options = second.requested(&Method::OPTIONS);
    second.reply(&options, StatusCode::OK);
    until(&server, |stats| !stats.gateways[0].up && stats.gateways[1].up);
    let mut alice = Phone::udp(&server, "alice", "a");
    let (other, invited) = ring(&mut alice, &mut second);
    second.reply(&invited, StatusCode::BUSY_HERE);
    assert_eq!(alice.outcome(&other).status(), StatusCode::BUSY_HERE);
    // Five seconds later it is asked again.
    let options = first.requested(&Method::OPTIONS);
    first.reply(&options, StatusCode::NOT_FOUND);
    until(&server, |stats| stats.gateways[0].up);
    let (other, invited) = ring(&mut alice, &mut first);
    first.reply(&invited, StatusCode::BUSY_HERE);
    assert_eq!(alice.outcome(&other).status(), StatusCode::BUSY_HERE);
}

#[test]
fn without_any_member_that_is_there_callers_are_told_to_come_later() {
    let mut gateway = Gateway::new();
    let server = start(with(GatewayConfig { probe: 60, ..group(vec![member(&gateway, 0)]) }));
    let options = gateway.requested(&Method::OPTIONS);
    gateway.reply(&options, StatusCode::SERVICE_UNAVAILABLE);
    until(&server, |stats| !stats.gateways[0].up);
    let mut alice = Phone::udp(&server, "alice", "a");
    let invite = alice.invite("sip:0044123@example.com");
    let (answer, _) = alice.transact(invite);
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.has(HeaderId::RETRY_AFTER));
    let invite = alice.invite("sip:00@example.com");
    let mut plus = with(group(vec![member(&gateway, 0)]));
    plus.routes[0].prefix.clear();
    drop(server);
    let server = start(plus);
    alice.turn_to(&server);
    assert_eq!(alice.transact(invite).0.status(), StatusCode::ADDRESS_INCOMPLETE);
}
