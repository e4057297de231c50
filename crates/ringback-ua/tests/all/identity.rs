//! Who is at the other end: connected identity (RFC 4916), P-Asserted-Identity (RFC 3325), P-Early-Media (RFC 5009), Join
//! (RFC 3911), and calls that ask to be answered by themselves (RFC 5373).

use crate::world::{PEER, SDP, World, audio, sdp};
use ringback_message::header::{From, To};
use ringback_message::{HeaderId, Method, Request};
use ringback_ua::{Account, Incoming, Opening, UaEvent};
use std::time::Duration;

fn connected(world: &mut World) -> Option<String> {
    let events = world.agents[0].events.drain(..);
    events.into_iter().find_map(|event| match event {
        UaEvent::Connected { identity, .. } => Some(identity),
        _ => None,
    })
}

fn incoming(world: &mut World) -> Incoming {
    match world.event(0) {
        UaEvent::Incoming(incoming) => incoming,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_that_becomes_somebody_else_is_told_and_addressed_so() {
    let mut world = World::new(1);
    let (call, invite) = world.peer_up();
    assert!(invite.values(HeaderId::SUPPORTED).any(|tag| tag == b"from-change"));
    for (number, from, told) in [
        (1, "\"Bob\" <sip:peer@192.0.2.99:5060>;tag=b", None),
        (2, "Carol <sip:carol@example.com>;tag=b", Some("Carol <sip:carol@example.com>")),
        (3, "<sip:carol@example.com>;tag=b", None),
    ] {
        let mut update = world.peer_within(&invite, "b", Method::UPDATE, number).build().unwrap();
        update.set(HeaderId::FROM, from).unwrap();
        world.peer_sends(0, update);
        assert_eq!(world.expect_final().status().as_u16(), 200);
        assert_eq!(connected(&mut world).as_deref(), told, "{from}");
    }
    let bye = world.end_with_peer(call);
    let to = bye.require::<To<'_>>().unwrap();
    assert_eq!((to.uri.to_string().as_str(), to.tag()), ("sip:carol@example.com", Some("b")));
}

#[test]
fn who_answers_for_somebody_else_says_who_that_is_to_those_who_understand() {
    for (supported, allow, method) in [
        ("from-change", "INVITE, UPDATE", Some(Method::UPDATE)),
        ("from-change", "INVITE", Some(Method::INVITE)),
        ("timer", "INVITE, UPDATE", None),
    ] {
        let mut world = World::new(1);
        let invite = world
            .peer_invite(0)
            .header(HeaderId::SUPPORTED, supported)
            .header(HeaderId::ALLOW, allow)
            .body(SDP, sdp(9000));
        let mut invite = invite.build().unwrap();
        // Forwarded on the way: the Request-URI has another user than To.
        invite.set(HeaderId::TO, "<sip:sales@example.com>").unwrap();
        world.peer_sends(0, invite);
        let call = world.incoming(0);
        world.act(0, |ua, now| ua.answer(now, call, audio(0)));
        world.run(10);
        let ok = world.last("200 INVITE");
        let ack = world.peer_within(&ok, "p", Method::ACK, 1).build().unwrap();
        world.peer_sends(0, ack);
        let from = |request: &Request| request.require::<From<'_>>().unwrap().uri.to_string();
        if let Some(method) = &method {
            let change = world.expect(method.clone());
            assert_eq!(from(&change), "sip:user0@example.com");
            let reply = World::reply(&change, 200, "p");
            let reply = if change.body().is_empty() { reply } else { reply.body(SDP, sdp(9000)) };
            world.peer_sends(0, reply.build().unwrap());
        }
        let bye = world.end_with_peer(call);
        let expected = if method.is_some() { "sip:user0@example.com" } else { "sip:sales@example.com" };
        assert_eq!(from(&bye), expected);
    }
}

#[test]
fn an_identity_is_believed_from_the_own_server_alone() {
    for (is_own, asserted) in [(true, Some("\"Eve\" <tel:+4930123>")), (false, None)] {
        let mut world = World::new(1);
        if !is_own {
            let account = world.agents[0].account;
            world.agents[0].ua.remove_account(account);
            let account = Account::new("sip:user0@example.com".parse().unwrap());
            world.agents[0].account = world.agents[0].ua.add_account(account);
        }
        let invite = world.peer_invite(0).body(SDP, sdp(9000));
        let invite = invite.header(HeaderId::P_ASSERTED_IDENTITY, "\"Eve\" <tel:+4930123>");
        world.peer_sends(0, invite.build().unwrap());
        let incoming = incoming(&mut world);
        assert_eq!(incoming.asserted.as_deref(), asserted);
        world.act(0, |ua, now| ua.reject(now, incoming.call, ringback_message::StatusCode::BUSY_HERE));
        world.finish();
    }
}

#[test]
fn who_answers_is_told_where_the_server_says_that_it_is_somebody_else() {
    for (identity, told) in [
        ("Eve <sip:eve@example.com>", Some("Eve <sip:eve@example.com>")),
        ("<sip:peer@192.0.2.99:5060>", None),
    ] {
        let mut world = World::new(1);
        let call = world.call_peer(0);
        let invite = world.expect(Method::INVITE);
        let ok = World::reply(&invite, 200, "b").header(HeaderId::P_ASSERTED_IDENTITY, identity);
        world.peer_sends(0, ok.body(SDP, sdp(9000)).build().unwrap());
        assert_eq!(connected(&mut world).as_deref(), told);
        world.end_with_peer(call);
    }
}

#[test]
fn media_that_the_network_does_not_let_through_are_not_told_before_it_does() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    let early = |world: &mut World| {
        let events = world.agents[0].events.drain(..);
        events.into_iter().filter(|event| matches!(event, UaEvent::EarlyMedia { .. })).count()
    };
    for (says, told) in
        [(Some("inactive"), 0), (None, 0), (Some("gated, sendonly"), 1), (Some("sendrecv"), 0)]
    {
        let progress = World::reply(&invite, 183, "b").body(SDP, sdp(9000));
        let progress = match says {
            Some(says) => progress.header(HeaderId::P_EARLY_MEDIA, says),
            None => progress,
        };
        world.peer_sends(0, progress.build().unwrap());
        assert_eq!(early(&mut world), told, "{says:?}");
    }
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    world.answered(0);
    world.end_with_peer(call);
}

#[test]
fn rule_37_join_is_matched_as_replaces_is_and_refused_for_we_do_not_mix() {
    for (accepts, tag, status) in [(true, "b", 488), (true, "other", 481), (false, "b", 403)] {
        let mut world = World::with(1, |_, config| config.accepts_transfers = accepts);
        let (call, invite) = world.peer_up();
        let call_id = String::from_utf8_lossy(invite.values(HeaderId::CALL_ID).next().unwrap()).into_owned();
        let ours = invite.require::<From<'_>>().unwrap().tag().unwrap().to_owned();
        let join = format!("{call_id};to-tag={ours};from-tag={tag}");
        let joining = world.peer_invite(0).header(HeaderId::JOIN, join).body(SDP, sdp(9002));
        world.peer_sends(0, joining.build().unwrap());
        assert_eq!(world.expect_final().status().as_u16(), status);
        world.no_event(0);
        // RFC 3911 §4: not beside Replaces; and nobody may require it.
        let both = world
            .peer_invite(0)
            .header(HeaderId::JOIN, "x;to-tag=1;from-tag=2")
            .header(HeaderId::REPLACES, "x;to-tag=1;from-tag=2");
        world.peer_sends(0, both.build().unwrap());
        assert_eq!(world.expect_final().status().as_u16(), 400);
        let required = world.peer_invite(0).header(HeaderId::REQUIRE, "join").build().unwrap();
        world.peer_sends(0, required);
        assert_eq!(world.expect_final().status().as_u16(), 420);
        world.end_with_peer(call);
    }
}

#[test]
fn a_call_that_asks_to_be_answered_by_itself_says_so_to_the_application() {
    let mut world = World::new(1);
    let account = world.agents[0].account;
    let target = format!("sip:peer@{PEER}").parse().unwrap();
    let headers = vec![("Answer-Mode".to_owned(), "Auto".to_owned())];
    let call = world.act(0, |ua, now| ua.call_as(now, account, &target, Opening::Offer(audio(0)), headers));
    world.run(10);
    let invite = world.expect(Method::INVITE);
    assert_eq!(invite.values(HeaderId::ANSWER_MODE).next(), Some(&b"Auto"[..]));
    world.act(0, |ua, now| ua.hangup(now, call));
    world.peer_sends(0, World::reply(&invite, 486, "b").build().unwrap());
    world.agents[0].events.clear();
    for (field, after) in [(Some("Auto"), Some(Duration::ZERO)), (None, None)] {
        let invite = world.peer_invite(0).body(SDP, sdp(9000));
        let invite = match field {
            Some(mode) => invite.header(HeaderId::ANSWER_MODE, mode),
            None => invite,
        };
        world.peer_sends(0, invite.build().unwrap());
        let incoming = incoming(&mut world);
        assert_eq!(incoming.auto_answer, after);
        world.act(0, |ua, now| ua.reject(now, incoming.call, ringback_message::StatusCode::BUSY_HERE));
        world.agents[0].events.clear();
    }
    world.finish();
}
