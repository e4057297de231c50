//! Calls and refusals through a whole server, over real sockets.

use crate::support::{Phone, call, config, start};
use ringback_message::{HeaderId, Message, Method, Request, StatusCode};
use ringback_net::Direction;
use ringback_sansio::Protocol;

#[test]
fn a_registered_user_is_called_over_every_transport() {
    let server = start(config());
    for (from, to) in [
        (Protocol::Udp, Protocol::Udp),
        (Protocol::Tcp, Protocol::Tcp),
        (Protocol::Udp, Protocol::Tcp),
        (Protocol::Tcp, Protocol::Udp),
    ] {
        let (mut alice, mut bob) =
            (Phone::new(&server, from, "alice", "a"), Phone::new(&server, to, "bob", "b"));
        let ok = bob.register(600);
        assert_eq!(ok.status(), StatusCode::OK);
        let contact = String::from_utf8_lossy(ok.values(HeaderId::CONTACT).next().unwrap()).into_owned();
        assert!(contact.ends_with(";expires=600"), "{contact}");
        call(&mut alice, &mut bob);
        assert_eq!(bob.register(0).values(HeaderId::CONTACT).count(), 0, "{from} to {to}");
    }
}

#[test]
fn the_server_remembers_what_was_said_in_a_call_and_counts() {
    let server = start(config());
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    bob.register(600);
    let call_id = call(&mut alice, &mut bob);
    let said = server.why(&call_id);
    let first = |direction| {
        let mut lines = said.iter().filter(|message| message.direction == direction);
        String::from_utf8_lossy(&lines.next().unwrap().bytes).lines().next().unwrap().to_owned()
    };
    assert_eq!(first(Direction::In), "INVITE sip:bob@example.com SIP/2.0");
    assert!(first(Direction::Out).starts_with("SIP/2.0 100"));
    assert!(said.is_sorted_by_key(|message| message.at));
    assert!(server.why("another").is_empty());
    assert_eq!(server.why(&call_id[..call_id.len() - 1]), said, "the beginning of a Call-ID is enough");
    assert!(server.why("").len() > said.len(), "and nothing asks for all that is remembered lately");
    let stats = server.stats();
    assert_eq!((stats.bindings, stats.malformed), (1, 0));
    assert!(stats.requests_received >= 7 && stats.responses_sent[3] >= 2, "{stats:?}");
}

#[test]
fn rule_14_a_ringing_call_is_cancelled() {
    let server = start(config());
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    // In another domain's name, so that no password comes between INVITE and CANCEL.
    alice.domain = "example.org".into();
    bob.register(600);
    let invite = alice.invite("sip:bob@example.com").build().unwrap();
    alice.send(&invite);
    let rings = bob.requested(&Method::INVITE);
    bob.reply(&rings, StatusCode::RINGING);
    assert_eq!(alice.response(&Method::INVITE).status(), StatusCode::RINGING);
    let cancel = Request::builder(Method::CANCEL, invite.uri_bytes())
        .copy(&invite, HeaderId::VIA)
        .copy(&invite, HeaderId::FROM)
        .copy(&invite, HeaderId::TO)
        .copy(&invite, HeaderId::CALL_ID)
        .header(HeaderId::CSEQ, "1 CANCEL");
    let cancel = cancel.build().unwrap();
    alice.send(&cancel);
    assert_eq!(alice.response(&Method::CANCEL).status(), StatusCode::OK);
    let cancelled = bob.requested(&Method::CANCEL);
    bob.reply(&cancelled, StatusCode::OK);
    bob.reply(&rings, StatusCode::REQUEST_TERMINATED);
    bob.requested(&Method::ACK);
    assert_eq!(alice.response(&Method::INVITE).status(), StatusCode::REQUEST_TERMINATED);
}

#[test]
fn a_busy_user_is_told_to_the_caller() {
    let server = start(config());
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    bob.register(600);
    let invite = alice.invite("sip:bob@example.com");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let invite = bob.requested(&Method::INVITE);
            bob.reply(&invite, StatusCode::BUSY_HERE);
            bob.requested(&Method::ACK);
        });
        assert_eq!(alice.transact(invite).0.status(), StatusCode::BUSY_HERE);
    });
}

#[test]
fn passwords_are_asked_for_and_judged() {
    let server = start(config());
    let mut wrong = Phone::udp(&server, "alice", "x");
    assert_eq!(wrong.register(600).status(), StatusCode::FORBIDDEN);
    // Fault 15: an unknown user is told the same.
    assert_eq!(Phone::udp(&server, "carol", "x").register(600).status(), StatusCode::FORBIDDEN);
    let invite = wrong.invite("sip:bob@example.com");
    assert_eq!(wrong.transact(invite).0.status(), StatusCode::FORBIDDEN);
    // Fault 17: a right password does not make anybody else.
    let mut alice = Phone::udp(&server, "alice", "a");
    let register = alice
        .request(Method::REGISTER, "sip:example.com", "sip:bob@example.com")
        .header(HeaderId::CONTACT, "<sip:alice@127.0.0.1:9>");
    assert_eq!(alice.transact(register).0.status(), StatusCode::FORBIDDEN);
    alice.name = "bob".into();
    let message = alice.request(Method::MESSAGE, "sip:alice@example.com", "sip:alice@example.com");
    assert_eq!(alice.transact(message).0.status(), StatusCode::FORBIDDEN, "From is another's");
}

#[test]
fn users_are_unknown_or_away_and_strangers_are_not_told() {
    let server = start(config());
    let mut alice = Phone::udp(&server, "alice", "a");
    for (to, status) in [
        ("sip:carol@example.com", StatusCode::NOT_FOUND),
        ("sip:bob@example.com", StatusCode::TEMPORARILY_UNAVAILABLE),
        ("tel:+12025550142", StatusCode::NOT_FOUND),
    ] {
        let invite = alice.invite(to);
        assert_eq!(alice.transact(invite).0.status(), status, "{to}");
    }
    let mut stranger = Phone::udp(&server, "eve", "");
    stranger.domain = "example.org".into();
    for to in ["sip:carol@example.com", "sip:bob@example.com"] {
        let invite = stranger.invite(to);
        assert_eq!(stranger.transact(invite).0.status(), StatusCode::TEMPORARILY_UNAVAILABLE, "{to}");
    }
    let invite = stranger.invite("sip:victim@127.0.0.1:9");
    assert_eq!(stranger.transact(invite).0.status(), StatusCode::FORBIDDEN, "no open relay");
}

#[test]
fn a_users_messages_of_any_method_reach_another_domain() {
    let server = start(config());
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    let elsewhere = format!("sip:bob@{}", bob.own);
    for method in [Method::MESSAGE, Method::new("FROBNICATE").unwrap()] {
        let request = alice
            .request(method.clone(), &elsewhere, &elsewhere)
            .header(HeaderId::P_ASSERTED_IDENTITY, "<sip:president@example.com>");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let request = bob.requested(&method);
                assert!(!request.has(HeaderId::P_ASSERTED_IDENTITY), "fault 21");
                assert!(!request.has(HeaderId::PROXY_AUTHORIZATION), "our credentials stay here");
                bob.reply(&request, StatusCode::OK);
            });
            assert_eq!(alice.transact(request).0.status(), StatusCode::OK);
        });
    }
}

#[test]
fn the_server_itself_answers_options_and_refuses_the_rest() {
    let server = start(config());
    let mut eve = Phone::udp(&server, "eve", "");
    eve.domain = "example.org".into();
    let options = eve.request(Method::OPTIONS, "sip:example.com", "sip:example.com");
    let (ok, _) = eve.transact(options);
    assert_eq!(ok.status(), StatusCode::OK);
    assert!(ok.has(HeaderId::ALLOW) && ok.has(HeaderId::ACCEPT) && ok.has(HeaderId::SUPPORTED));
    let options = eve
        .request(Method::OPTIONS, "sip:example.com", "sip:example.com")
        .header(HeaderId::REQUIRE, "path, teleport");
    let (refused, _) = eve.transact(options);
    assert_eq!(refused.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(refused.values(HeaderId::UNSUPPORTED).next(), Some(&b"teleport"[..]));
    let publish = eve.request(Method::PUBLISH, "sip:example.com", "sip:example.com");
    let (refused, _) = eve.transact(publish);
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(refused.has(HeaderId::ALLOW));
}

#[test]
fn nonsense_is_answered_or_dropped_and_the_server_lives() {
    let server = start(config());
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    bob.register(600);
    let mut eve = Phone::udp(&server, "eve", "");
    let good = eve.request(Method::OPTIONS, "sip:example.com", "sip:example.com").build().unwrap().render();
    let good = String::from_utf8(good.to_vec()).unwrap();
    for (bad, status) in [
        (good.replace("1 OPTIONS", "one OPTIONS"), StatusCode::BAD_REQUEST),
        (good.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"), StatusCode::VERSION_NOT_SUPPORTED),
        (good.replace("Content-Length: 0", "Content-Length: 99"), StatusCode::BAD_REQUEST),
        (good.replace("Max-Forwards: 70", "Max-Forwards: x"), StatusCode::BAD_REQUEST),
    ] {
        eve.send_bytes(bad.as_bytes());
        assert_eq!(eve.receive().status(), Some(status), "{bad}");
    }
    let noise: Vec<Vec<u8>> = (0..200)
        .map(|_| {
            use ringback_sansio::Entropy as _;
            let mut noise = vec![0; 1 + eve.entropy.below(1_400) as usize];
            eve.entropy.fill(&mut noise);
            noise
        })
        .collect();
    for noise in noise {
        eve.send_bytes(&noise);
    }
    call(&mut alice, &mut bob);
    assert!(server.stats().malformed >= 3);
}

#[test]
fn a_thousand_calls_are_up_at_once() {
    const CALLS: usize = 1_000;
    // What the phones' own socket buffers can take.
    const PART: usize = 50;
    let mut open = config();
    open.no_auth = true;
    let server = start(open);
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", ""), Phone::udp(&server, "bob", ""));
    bob.register(600);
    let callee = std::thread::spawn(move || {
        let (mut acks, mut byes) = (0, 0);
        while byes < CALLS {
            let Ok(request) = Request::try_from(bob.receive()) else { continue };
            match request.method() {
                method if *method == Method::ACK => acks += 1,
                method => {
                    byes += usize::from(*method == Method::BYE);
                    bob.reply(&request, StatusCode::OK);
                }
            }
        }
        acks
    });
    let mut calls = Vec::new();
    while calls.len() < CALLS {
        let invites: Vec<Request> =
            (0..PART).map(|_| alice.invite("sip:bob@example.com").build().unwrap()).collect();
        invites.iter().for_each(|invite| alice.send(invite));
        for _ in 0..PART {
            let ok = alice.response(&Method::INVITE);
            assert_eq!(ok.status(), StatusCode::OK);
            let call_id = ok.values(HeaderId::CALL_ID).next();
            let invite =
                invites.iter().find(|invite| invite.values(HeaderId::CALL_ID).next() == call_id).unwrap();
            let ack = alice.in_dialog(Method::ACK, invite, &ok).build().unwrap();
            alice.send(&ack);
            calls.push((invite.clone(), ok));
        }
    }
    for part in calls.chunks(PART) {
        for (invite, ok) in part {
            let bye = alice.in_dialog(Method::BYE, invite, ok).build().unwrap();
            alice.send(&bye);
        }
        for _ in part {
            assert_eq!(alice.response(&Method::BYE).status(), StatusCode::OK);
        }
    }
    assert!(callee.join().unwrap() >= CALLS, "every call was acknowledged");
    assert_eq!(server.stats().failed_sends, 0);
}

#[test]
fn without_passwords_anybody_registers_and_calls() {
    let mut open = config();
    open.no_auth = true;
    open.users.clear();
    let server = start(open);
    let (mut carol, mut dave) = (Phone::udp(&server, "carol", ""), Phone::udp(&server, "dave", ""));
    assert_eq!(dave.register(600).status(), StatusCode::OK);
    call(&mut carol, &mut dave);
    // The same user under the server's address.
    dave.domain = server.listeners()[0].address.to_string();
    call(&mut carol, &mut dave);
    let invite = carol.invite("sip:nobody@example.com");
    assert_eq!(carol.transact(invite).0.status(), StatusCode::TEMPORARILY_UNAVAILABLE);
}

#[test]
fn a_phone_behind_nat_is_reached_the_way_it_came() {
    let mut open = config();
    open.no_auth = true;
    let server = start(open);
    let mut alice = Phone::udp(&server, "alice", "");
    for (protocol, contact) in [
        (Protocol::Udp, "<sip:bob@10.99.0.7:5060>"),
        (Protocol::Tcp, "<sip:bob@10.99.0.7:5060;transport=tcp>"),
        (Protocol::Tcp, "<sip:bob@df7jal23ls0d.invalid;transport=tcp>"),
    ] {
        let mut bob = Phone::new(&server, protocol, "bob", "");
        let register = bob
            .request(Method::REGISTER, "sip:example.com", "sip:bob@example.com")
            .header(HeaderId::CONTACT, contact);
        assert_eq!(bob.transact(register).0.status(), StatusCode::OK);
        let message = alice.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let message = bob.requested(&Method::MESSAGE);
                bob.reply(&message, StatusCode::OK);
            });
            assert_eq!(alice.transact(message).0.status(), StatusCode::OK, "{contact}");
        });
        let register = bob
            .request(Method::REGISTER, "sip:example.com", "sip:bob@example.com")
            .header(HeaderId::CONTACT, "*")
            .header(HeaderId::EXPIRES, 0u32);
        assert_eq!(bob.transact(register).0.status(), StatusCode::OK);
    }
}

#[test]
fn rule_11_a_large_request_comes_by_udp_where_tcp_is_refused() {
    let mut open = config();
    open.no_auth = true;
    let server = start(open);
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", ""), Phone::udp(&server, "bob", ""));
    bob.register(600);
    let message = alice
        .request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com")
        .body("text/plain", vec![b'x'; 3_000]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let message = bob.requested(&Method::MESSAGE);
            assert_eq!(message.body().len(), 3_000);
            bob.reply(&message, StatusCode::OK);
        });
        assert_eq!(alice.transact(message).0.status(), StatusCode::OK);
    });
}

#[test]
fn limits_refuse_new_work_and_leave_what_is_alive() {
    let mut tight = config();
    tight.no_auth = true;
    // Two for each shard, and all requests of one Call-ID are in one.
    tight.limits.transactions = 64;
    let server = start(tight);
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", ""), Phone::udp(&server, "bob", ""));
    bob.register(600);
    let invites: Vec<Request> = (0..3)
        .map(|_| {
            let mut invite = alice.invite("sip:bob@example.com").build().unwrap();
            invite.set(HeaderId::CALL_ID, "one").unwrap();
            invite
        })
        .collect();
    alice.send(&invites[0]);
    let alive = bob.requested(&Method::INVITE);
    invites[1..].iter().for_each(|invite| alice.send(invite));
    let refused = alice.response(&Method::INVITE);
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.has(HeaderId::RETRY_AFTER));
    bob.reply(&alive, StatusCode::OK);
    // Both new ones are refused when the REGISTER before is in the same shard.
    let mut later = std::iter::repeat_with(|| alice.response(&Method::INVITE).status());
    assert_eq!(later.find(|status| *status != StatusCode::SERVICE_UNAVAILABLE), Some(StatusCode::OK));
}

#[test]
fn numbers_go_to_the_gateway_that_works_and_only_for_users() {
    let gateways = ["127.0.0.1:0"; 2].map(|any| std::net::UdpSocket::bind(any).unwrap());
    let addresses = gateways.each_ref().map(|gateway| gateway.local_addr().unwrap());
    let mut config = config();
    let route = ringback_server::RouteConfig {
        user: Some("^00[1-9]".into()),
        to: addresses.map(|address| format!("sip:{address}")).to_vec(),
        strip: 2,
        prefix: "+".into(),
        ..Default::default()
    };
    config.routes = vec![route];
    let server = start(config);
    let answer = |gateway: &std::net::UdpSocket, status| {
        gateway.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        let mut buffer = vec![0; 65_536];
        let (length, peer) = gateway.recv_from(&mut buffer).unwrap();
        let request = Request::try_from(Message::parse(buffer[..length].to_vec()).unwrap()).unwrap();
        let response = request.reply(status, Some("gw")).build().unwrap();
        gateway.send_to(&response.render(), peer).unwrap();
        request
    };
    let uri = |gateway: usize| format!("sip:+3312345@{}", addresses[gateway]);

    let mut stranger = Phone::udp(&server, "mallory", "x");
    stranger.domain = "example.org".into();
    let call = stranger.invite("sip:003312345@example.com");
    assert_eq!(stranger.transact(call).0.status(), StatusCode::FORBIDDEN, "no toll fraud");

    let mut alice = Phone::udp(&server, "alice", "a");
    let calls = std::thread::spawn(move || {
        ["a", "b"].map(|_| {
            let call = alice.invite("sip:003312345@example.com");
            alice.transact(call).0.status()
        })
    });
    // One that is in trouble is passed over, one that refuses has decided.
    assert_eq!(answer(&gateways[0], StatusCode::SERVICE_UNAVAILABLE).uri_bytes(), uri(0).as_bytes());
    let request = loop {
        let request = answer(&gateways[1], StatusCode::BUSY_HERE);
        if request.is(&Method::INVITE) {
            break request;
        }
    };
    assert_eq!(request.uri_bytes(), uri(1).as_bytes());
    loop {
        if answer(&gateways[0], StatusCode::NOT_FOUND).is(&Method::INVITE) {
            break;
        }
    }
    assert_eq!(calls.join().unwrap(), [StatusCode::BUSY_HERE, StatusCode::NOT_FOUND]);
}

#[test]
fn options_for_the_server_are_answered_alike_each_time_and_leave_nothing_behind() {
    let server = start(config());
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let mut alice = Phone::new(&server, protocol, "alice", "a");
        let before = server.stats().transactions;
        let asked = alice.request(Method::OPTIONS, "sip:example.com", "sip:example.com").build().unwrap();
        alice.send(&asked);
        let first = alice.response(&Method::OPTIONS);
        assert_eq!(first.status(), StatusCode::OK);
        assert!(first.values(HeaderId::ALLOW).next().is_some());
        assert!(first.require::<ringback_message::header::To>().unwrap().tag().is_some());
        alice.send(&asked);
        assert_eq!(alice.response(&Method::OPTIONS).render(), first.render(), "repeated over {protocol}");
        assert_eq!(server.stats().transactions, before);
        // What wants a closer look takes the usual way.
        let asked = alice.request(Method::OPTIONS, "sip:example.com", "sip:example.com");
        let asked = asked.header(HeaderId::REQUIRE, "nothing-known").build().unwrap();
        alice.send(&asked);
        assert_eq!(alice.response(&Method::OPTIONS).status(), StatusCode::BAD_EXTENSION);
    }
    assert_eq!((server.stats().requests_received, server.stats().responses_sent[1]), (6, 4));
}
