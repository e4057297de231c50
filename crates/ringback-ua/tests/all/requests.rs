//! Requests outside of calls: what is looked at before they are taken, and how ours find their way.

use crate::world::{Fate, PEER, SDP, World, audio, branch, sdp};
use ringback_auth::{Algorithm, Authenticator, Credentials, Ha1};
use ringback_message::header::{Allow, CSeq, Unsupported, Via};
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_sansio::Epoch;
use ringback_ua::{Account, InboundAuthentication, Outbound, Protocol, RequestKey, Target, UaEvent};
use std::time::Duration;

fn ask(world: &mut World, request: Request) -> Response {
    world.peer_sends(0, request);
    world.expect_final()
}

fn reply(world: &mut World, agent: usize) -> (RequestKey, u16) {
    match world.event(agent) {
        UaEvent::Reply { request, status, .. } => (request, status.as_u16()),
        event => panic!("{event:?}"),
    }
}

#[test]
fn rule_22_methods_that_are_not_ours_are_405_and_unknown_ones_501() {
    let mut world = World::new(1);
    for (method, status) in
        [(Method::PUBLISH, 405), (Method::REGISTER, 405), (Method::new("DANCE").unwrap(), 501)]
    {
        let request = world.peer_request(0, method).build().unwrap();
        let refusal = ask(&mut world, request);
        assert_eq!(refusal.status().as_u16(), status);
        assert_eq!(refusal.all::<Allow>().count(), 12);
    }
    world.finish();
}

#[test]
fn rule_22_schemes_users_extensions_and_bodies_are_looked_at_in_order() {
    let mut world = World::new(1);
    let mut invite = world
        .peer_invite(0)
        .header(HeaderId::REQUIRE, "y, 100rel, x")
        .body("text/plain", "?")
        .build()
        .unwrap();
    let again = |world: &mut World, invite: &mut Request| {
        let number = world.log.len() as u32 + 1;
        invite.set(HeaderId::VIA, format_args!("SIP/2.0/UDP {PEER};branch=z9hG4bK{number}x")).unwrap();
        invite.set(HeaderId::CSEQ, CSeq { number, method: Method::INVITE }).unwrap();
        ask(world, invite.clone())
    };
    invite.set_uri("tel:+1-201-555-0123").unwrap();
    assert_eq!(again(&mut world, &mut invite).status(), StatusCode::UNSUPPORTED_URI_SCHEME);
    invite.set_uri("sip:nobody@192.0.2.1").unwrap();
    assert_eq!(again(&mut world, &mut invite).status(), StatusCode::NOT_FOUND);
    invite.set_uri(World::uri(0)).unwrap();
    let refusal = again(&mut world, &mut invite);
    assert_eq!(refusal.status(), StatusCode::BAD_EXTENSION);
    let named: Vec<_> = refusal.all::<Unsupported<'_>>().map(|it| it.unwrap().0.to_owned()).collect();
    assert_eq!(named, ["y", "x"]);
    invite.remove(HeaderId::REQUIRE);
    let refusal = again(&mut world, &mut invite);
    assert_eq!(refusal.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(refusal.values(HeaderId::ACCEPT).next(), Some(&b"application/sdp"[..]));
    invite.set_body(Some(SDP), sdp(9000)).unwrap();
    invite.set(HeaderId::CONTENT_ENCODING, "gzip").unwrap();
    let refusal = again(&mut world, &mut invite);
    assert_eq!(refusal.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(refusal.has(HeaderId::ACCEPT_ENCODING));
    invite.remove(HeaderId::CONTENT_ENCODING);
    invite.set_body(Some(SDP), "v=0\r\nx").unwrap();
    assert_eq!(again(&mut world, &mut invite).status(), StatusCode::BAD_REQUEST);
    invite.set_body(Some(SDP), sdp(9000)).unwrap();
    invite.remove(HeaderId::CONTACT);
    assert_eq!(again(&mut world, &mut invite).status(), StatusCode::BAD_REQUEST);
    world.no_event(0);
    world.finish();
}

#[test]
fn rule_22_a_request_that_came_two_ways_is_taken_once() {
    let mut world = World::new(1);
    let invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite.clone());
    let call = world.incoming(0);
    let mut copy = invite;
    copy.set(HeaderId::VIA, format_args!("SIP/2.0/UDP {PEER};branch=z9hG4bKother")).unwrap();
    assert_eq!(ask(&mut world, copy).status(), StatusCode::LOOP_DETECTED);
    world.no_event(0);
    world.act(0, |ua, now| ua.reject(now, call, StatusCode::BUSY_HERE));
    world.finish();
}

#[test]
fn rule_23_requests_that_need_a_call_are_481_without_one() {
    let mut world = World::new(1);
    for method in [Method::BYE, Method::INFO, Method::UPDATE, Method::CANCEL] {
        let request = world.peer_request(0, method).build().unwrap();
        assert_eq!(ask(&mut world, request).status(), StatusCode::CALL_DOES_NOT_EXIST);
    }
    world.finish();
}

#[test]
fn malformed_messages_are_answered_and_harm_nobody() {
    let mut world = World::direct(2);
    let (calling, _) = world.up();
    let good = world.peer_request(0, Method::OPTIONS).build().unwrap().render();
    let text = String::from_utf8(good.to_vec()).unwrap();
    for (from, to, status) in [
        ("CSeq: ", "CSeq: x", 400),
        ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505),
        ("Call-ID: ", "Not-Call-ID: ", 400),
        ("Content-Length: 0", "Content-Length: 17", 400),
    ] {
        let bad = text.replacen(from, to, 1).into_bytes();
        world.peer_sends_bytes(0, bad);
        let answer = world.mail.pop_front().map(|message: Message| message.status().unwrap().as_u16());
        assert_eq!(answer, Some(status), "{to}");
    }
    world.no_event(0);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn options_tells_what_we_can_do() {
    let mut world = World::direct(2);
    let account = world.agents[0].account;
    let key = world.act(0, |ua, now| ua.options(now, account, &World::uri(1)));
    world.run(50);
    assert_eq!(reply(&mut world, 0), (key, 200));
    let answer = world.last("200 OPTIONS");
    assert_eq!(answer.all::<Allow>().count(), 12);
    for id in [HeaderId::ACCEPT, HeaderId::SUPPORTED, HeaderId::SERVER] {
        assert!(answer.has(id), "{}", id.name());
    }
    world.finish();
}

#[test]
fn a_message_arrives_and_is_acknowledged() {
    let mut world = World::direct(2);
    let account = world.agents[0].account;
    let key =
        world.act(0, |ua, now| ua.message(now, account, &World::uri(1), "text/plain;charset=UTF-8", "Grüße"));
    world.run(50);
    assert_eq!(reply(&mut world, 0), (key, 200));
    let UaEvent::MessageReceived { from, content_type, body, call, .. } = world.event(1) else { panic!() };
    assert_eq!(
        (from.as_str(), content_type.as_str()),
        ("<sip:user0@example.com>", "text/plain;charset=UTF-8")
    );
    assert_eq!((&body[..], call), ("Grüße".as_bytes(), None));
    world.finish();
}

#[test]
fn rule_11_large_requests_take_a_stream_unless_nobody_is_there() {
    for refused in [false, true] {
        let mut world = World::direct(2);
        if refused {
            world.refuses_streams.insert(world.agents[1].address);
        }
        let account = world.agents[0].account;
        let body = "x".repeat(1200);
        let key = world.act(0, |ua, now| ua.message(now, account, &World::uri(1), "text/plain", body));
        world.run(50);
        assert_eq!(reply(&mut world, 0), (key, 200));
        let request = world.log.iter().find(|packet| packet.name() == "MESSAGE").unwrap();
        let protocol = if refused { Protocol::Udp } else { Protocol::Tcp };
        assert_eq!(request.protocol, protocol);
        assert_eq!(request.message().require::<Via<'_>>().unwrap().transport, protocol.as_via());
        world.finish();
    }
}

#[test]
fn rule_10_the_next_address_is_tried_with_a_new_branch() {
    let mut world = World::direct(1);
    let peer = Target::Address(Protocol::Udp, PEER.parse().unwrap());
    let nobody = Target::Address(Protocol::Udp, "192.0.2.66:5060".parse().unwrap());
    let refused = Target::Address(Protocol::Tcp, "192.0.2.67:5060".parse().unwrap());
    world.refuses_streams.insert(refused.peer());
    world.names = vec![refused, nobody, peer, peer];
    let account = world.agents[0].account;
    let key = world.act(0, |ua, now| ua.options(now, account, &"sip:bob@example.com".parse().unwrap()));
    world.run(33_000);
    let first = world.expect_newest(Method::OPTIONS);
    let dead = world.log.iter().find(|packet| packet.to == nobody.peer()).unwrap().message();
    assert_ne!(branch(&dead), branch(&first));
    // 503 is as good as no answer.
    world.peer_sends(0, first.reply(StatusCode::SERVICE_UNAVAILABLE, Some("x")).build().unwrap());
    world.run(10);
    let second = world.expect(Method::OPTIONS);
    assert_ne!(branch(&second), branch(&first));
    world.no_event(0);
    world.peer_sends(0, second.reply(StatusCode::OK, Some("x")).build().unwrap());
    assert_eq!(reply(&mut world, 0), (key, 200));
    world.finish();
}

#[test]
fn names_that_do_not_exist_and_addresses_without_a_way_are_reported() {
    let mut world = World::direct(1);
    let account = world.agents[0].account;
    for uri in ["sip:bob@example.com", "sip:bob@[2001:db8::1]", "sip:bob@192.0.2.1;transport=pigeon"] {
        let key = world.act(0, |ua, now| ua.options(now, account, &uri.parse().unwrap()));
        world.run(50);
        assert_eq!(reply(&mut world, 0), (key, 503), "{uri}");
    }
    let call =
        world.act(0, |ua, now| ua.call(now, account, &"sip:bob@example.com".parse().unwrap(), audio(0)));
    assert!(world.agents[0].ua.hangup(world.now, call).is_err());
    assert_eq!(world.ended_by(0), (ringback_ua::EndedBy::Network, Some(503)));
    let (ua, now) = world.ua(0);
    assert!(ua.options(now, account, &"tel:+1".parse().unwrap()).is_err());
    assert!(ua.message(now, account, &World::uri(1), "text/plain\r\nX: y", "").is_err());
    world.finish();
}

#[test]
fn lost_messages_and_answers_are_repeated_and_taken_once() {
    let mut world = World::direct(2);
    let mut count = 0;
    world.fate = Box::new(move |_| {
        count += 1;
        match count % 4 {
            0 => Fate::Doubles,
            1 | 2 => Fate::IsLost,
            _ => Fate::Takes(Duration::from_millis(700)),
        }
    });
    let account = world.agents[0].account;
    let key = world.act(0, |ua, now| ua.message(now, account, &World::uri(1), "text/plain", "once"));
    world.run(60_000);
    assert_eq!(reply(&mut world, 0), (key, 200));
    assert_eq!(world.agents[1].events.len(), 1);
    world.finish();
}

#[test]
fn an_outbound_proxy_becomes_a_route() {
    let mut world = World::direct(1);
    let account = Account::new("sip:a@example.com".parse().unwrap())
        .outbound(Outbound::Uri(format!("sip:{PEER};transport=tcp").parse().unwrap()));
    let account = world.agents[0].ua.add_account(account);
    world.act(0, |ua, now| ua.options(now, account, &"sip:bob@example.org".parse().unwrap()));
    world.run(10);
    let options = world.expect(Method::OPTIONS);
    let route = options.values(HeaderId::ROUTE).next().unwrap();
    assert_eq!(route, format!("<sip:{PEER};transport=tcp;lr>").as_bytes());
    assert_eq!(options.uri_bytes(), b"sip:bob@example.org");
    assert_eq!(world.log[0].protocol, Protocol::Tcp);
    world.finish();
    assert_eq!(reply(&mut world, 0).1, 408);
}

struct Passwords;

impl Credentials for Passwords {
    fn ha1(&self, user: &str, realm: &str, algorithm: Algorithm) -> Option<Ha1> {
        (user == "user0").then(|| Ha1::new(user, realm, "secret", algorithm))
    }
}

#[test]
fn rule_24_callers_can_be_asked_for_a_password() {
    let mut world = World::with(2, |index, config| {
        let epoch = Epoch { at: crate::world::start(), unix: Duration::from_secs(1_700_000_000) };
        config.authentication = (index == 1).then(|| InboundAuthentication {
            authenticator: Authenticator::new("phones", [9; 32]),
            credentials: Box::new(Passwords),
            epoch,
        });
        config.answers_anyone = true;
    });
    for (user, password, answered) in [("user0", "secret", true), ("user0", "guess", false)] {
        let account = Account::new("sip:user0@example.com".parse().unwrap()).credentials(user, password);
        let account = world.agents[0].ua.add_account(account);
        let call = world.act(0, |ua, now| {
            ua.call(now, account, &"sip:whoever@192.0.2.2:5060".parse().unwrap(), audio(0))
        });
        world.run(100);
        if answered {
            let called = world.incoming(1);
            world.act(1, |ua, now| ua.answer(now, called, audio(1)));
            world.run(50);
            world.answered(0);
            // Inside of the call nobody is asked again.
            world.act(0, |ua, now| ua.hangup(now, call));
            world.run(50);
            assert_eq!((world.sent("401 INVITE"), world.sent("401 BYE")), (1, 0));
            world.ended(0);
            world.ended(1);
        } else {
            assert_eq!(world.ended_by(0), (ringback_ua::EndedBy::Peer, Some(401)));
        }
    }
    world.no_event(1);
    world.finish();
}
