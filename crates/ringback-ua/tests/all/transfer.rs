//! Transfers (RFC 3515, RFC 4488, RFC 5589) and Replaces (RFC 3891), both roles.

use crate::world::{PEER, SDP, World, audio, sdp};
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_ua::{Account, CallKey, EndedBy, TransferKey, UaEvent};

fn number(message: &Message) -> u32 {
    message.require::<CSeq>().unwrap().number
}

fn field(message: &Message, id: HeaderId) -> Option<String> {
    message.values(id).next().map(|value| String::from_utf8_lossy(value).into_owned())
}

/// Agents that reach each other directly and may be transferred.
fn direct(count: usize) -> World {
    let mut world = World::with(count, |_, config| config.accepts_transfers = true);
    for (index, agent) in world.agents.iter_mut().enumerate() {
        agent.ua.remove_account(agent.account);
        agent.account =
            agent.ua.add_account(Account::new(format!("sip:user{index}@example.com").parse().unwrap()));
    }
    world
}

fn asked(world: &mut World, agent: usize) -> (TransferKey, String) {
    std::iter::from_fn(|| world.agents[agent].events.pop_front())
        .find_map(|event| match event {
            UaEvent::TransferRequested { transfer, target, .. } => Some((transfer, target.to_string())),
            _ => None,
        })
        .expect("a transfer was asked for")
}

fn outcome(world: &mut World, agent: usize) -> u16 {
    std::iter::from_fn(|| world.agents[agent].events.pop_front())
        .find_map(|event| match event {
            UaEvent::TransferEnded { status, .. } => Some(status.as_u16()),
            _ => None,
        })
        .expect("the transfer came to an end")
}

/// A call of the peer that agent 0 has answered and the peer acknowledged.
fn called(world: &mut World) -> (CallKey, Response) {
    let invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    world.act(0, |ua, now| ua.answer(now, call, audio(0)));
    world.run(10);
    world.answered(0);
    let ok = world.expect_final();
    let ack = world.peer_within(&ok, "p", Method::ACK, number(&ok)).build().unwrap();
    world.peer_sends(0, ack);
    (call, ok)
}

fn transferable() -> World {
    World::with(1, |_, config| config.accepts_transfers = true)
}

fn ok(world: &mut World, request: &Request, tag: &str) {
    world.peer_sends(0, World::reply(request, 200, tag).build().unwrap());
    world.run(10);
}

#[test]
fn rule_38_a_blind_transfer_leads_to_the_third_and_ends_the_first_call() {
    let mut world = direct(3);
    let (first, _) = world.up();
    world.agents[1].events.clear();
    world.act(0, |ua, now| ua.transfer(now, first, &World::uri(2)));
    world.run(50);
    let (transfer, target) = asked(&mut world, 1);
    assert_eq!(target, World::uri(2).to_string());
    assert_eq!(field(&world.last("REFER"), HeaderId::REFERRED_BY).unwrap(), "<sip:user0@example.com>");
    let second = world.act(1, |ua, now| ua.accept_transfer(now, transfer, audio(1)));
    world.run(50);
    let third = world.incoming(2);
    world.act(2, |ua, now| ua.answer(now, third, audio(2)));
    world.run(200);
    world.answered(2);
    assert_eq!(outcome(&mut world, 0), 200);
    assert_eq!(world.ended_by(0), (EndedBy::Us, None));
    world.answered(1);
    assert_eq!(world.ended(1).by, EndedBy::Peer);
    let notify = world.last("NOTIFY");
    assert_eq!(field(&notify, HeaderId::SUBSCRIPTION_STATE).unwrap(), "terminated;reason=noresource");
    assert_eq!(&notify.body()[..], b"SIP/2.0 200 OK\r\n");
    world.act(1, |ua, now| ua.hangup(now, second));
    world.run(100);
    world.ended(2);
    world.finish();
}

#[test]
fn rule_38_a_transfer_that_fails_or_is_refused_leaves_the_call_as_it_is() {
    for accepts in [true, false] {
        let mut world = direct(3);
        let (first, _) = world.up();
        world.agents[1].events.clear();
        world.act(0, |ua, now| ua.transfer(now, first, &World::uri(2)));
        world.run(50);
        let (transfer, _) = asked(&mut world, 1);
        if accepts {
            world.act(1, |ua, now| ua.accept_transfer(now, transfer, audio(1)));
            world.run(50);
            let third = world.incoming(2);
            world.act(2, |ua, now| ua.reject(now, third, ringback_message::StatusCode::BUSY_HERE));
        } else {
            let (ua, now) = world.ua(1);
            ua.refuse_transfer(now, transfer);
        }
        world.run(100);
        assert_eq!(outcome(&mut world, 0), if accepts { 486 } else { 603 });
        world.no_event(0);
        world.act(0, |ua, now| ua.hold(now, first));
        world.run(100);
        world.changed(0);
        world.act(0, |ua, now| ua.hangup(now, first));
        world.finish();
    }
}

#[test]
fn rule_37_an_attended_transfer_replaces_the_call_of_the_one_in_the_middle() {
    let mut world = direct(3);
    let (first, _) = world.up();
    let consultation = world.call(0, 2);
    world.run(50);
    let consulted = world.incoming(2);
    world.act(2, |ua, now| ua.answer(now, consulted, audio(2)));
    world.run(100);
    world.agents.iter_mut().for_each(|agent| agent.events.clear());
    world.act(0, |ua, now| ua.transfer_to(now, first, consultation));
    world.run(50);
    let (transfer, target) = asked(&mut world, 1);
    assert!(target.contains("?Replaces=") && !target.contains(';'), "{target}");
    let second = world.act(1, |ua, now| ua.accept_transfer(now, transfer, audio(1)));
    world.run(50);
    assert!(!world.last("INVITE").uri_bytes_of().contains(&b'?'));
    let UaEvent::Incoming(incoming) = world.event(2) else { panic!() };
    assert_eq!(incoming.replaces, Some(consulted));
    world.act(2, |ua, now| ua.answer(now, incoming.call, audio(2)));
    world.run(200);
    // Both calls of the one in the middle are over.
    assert_eq!(outcome(&mut world, 0), 200);
    assert_eq!(world.agents[0].ua.calls(), 0);
    assert_eq!((world.agents[1].ua.calls(), world.agents[2].ua.calls()), (1, 1));
    world.act(1, |ua, now| ua.hangup(now, second));
    world.finish();
}

trait UriBytes {
    fn uri_bytes_of(&self) -> Vec<u8>;
}

impl UriBytes for Message {
    fn uri_bytes_of(&self) -> Vec<u8> {
        Request::try_from(self.clone()).unwrap().uri_bytes().to_vec()
    }
}

#[test]
fn rule_37_replaces_names_a_dialog_exactly_and_is_refused_otherwise() {
    for (case, status) in
        [("unknown", 481), ("tag", 481), ("early", 486), ("twice", 400), ("policy", 403), ("right", 200)]
    {
        let mut world = World::with(1, |_, config| config.accepts_transfers = case != "policy");
        let (call, answer) = called(&mut world);
        let call_id = field(&answer, HeaderId::CALL_ID).unwrap();
        let ours = answer.require::<ringback_message::header::To<'_>>().unwrap().tag().unwrap().to_owned();
        let value = match case {
            "unknown" => format!("other;to-tag={ours};from-tag=p"),
            "tag" => format!("{call_id};to-tag={ours};from-tag=q"),
            "early" => format!("{call_id};to-tag={ours};from-tag=p;early-only"),
            _ => format!("{call_id};from-tag=p;to-tag={ours}"),
        };
        let mut invite = world.peer_invite(0).header(HeaderId::REQUIRE, "replaces");
        for _ in 0..if case == "twice" { 2 } else { 1 } {
            invite = invite.header(HeaderId::REPLACES, &value);
        }
        world.peer_sends(0, invite.body(SDP, sdp(9010)).build().unwrap());
        if case == "right" {
            let UaEvent::Incoming(incoming) = world.event(0) else { panic!() };
            assert_eq!(incoming.replaces, Some(call));
            world.act(0, |ua, now| ua.answer(now, incoming.call, audio(0)));
            world.run(10);
            let bye = world.expect(Method::BYE);
            assert_eq!(field(&bye, HeaderId::CALL_ID).unwrap(), call_id);
            ok(&mut world, &bye, "p");
            let answer = world.last("200 INVITE");
            let ack = world.peer_within(&answer, "p", Method::ACK, number(&answer)).build().unwrap();
            world.peer_sends(0, ack);
            world.act(0, |ua, now| ua.hangup(now, incoming.call));
        } else {
            assert_eq!(world.expect_final().status().as_u16(), status, "{case}");
            world.no_event(0);
            world.act(0, |ua, now| ua.hangup(now, call));
        }
        world.run(10);
        let bye = world.expect(Method::BYE);
        ok(&mut world, &bye, "p");
        world.agents[0].events.clear();
        world.finish();
    }
}

#[test]
fn rule_38_what_a_refer_asks_is_looked_at() {
    for (case, status) in [("none", 400), ("two", 400), ("tel", 603), ("policy", 603), ("silent", 202)] {
        let mut world = World::with(1, |_, config| config.accepts_transfers = case != "policy");
        let (call, answer) = called(&mut world);
        let refer = world.peer_within(&answer, "p", Method::REFER, 10);
        let target = format!("<sip:c@{PEER}?Route=%3Csip:evil%3E&Subject=x>");
        let refer = match case {
            "none" => refer,
            "two" => refer.header(HeaderId::REFER_TO, "<sip:a@h>").header(HeaderId::REFER_TO, "<sip:b@h>"),
            "tel" => refer.header(HeaderId::REFER_TO, "<tel:+1900>"),
            _ => refer.header(HeaderId::REFER_TO, &target).header(HeaderId::REFER_SUB, "false"),
        };
        world.peer_sends(0, refer.build().unwrap());
        assert_eq!(world.expect_final().status().as_u16(), status, "{case}");
        if case == "silent" {
            let (transfer, _) = asked(&mut world, 0);
            let second = world.act(0, |ua, now| ua.accept_transfer(now, transfer, audio(0)));
            world.run(10);
            // Rule 83: nothing of what stood in the URI is copied.
            let invite = world.expect(Method::INVITE);
            assert!(!invite.has(HeaderId::SUBJECT) && !invite.has(HeaderId::ROUTE));
            assert_eq!(invite.uri_bytes(), format!("sip:c@{PEER}").as_bytes());
            world.act(0, |ua, now| ua.hangup(now, second));
            world.peer_sends(0, World::reply(&invite, 486, "c").build().unwrap());
            world.run(10);
            assert_eq!(world.sent("NOTIFY"), 0);
        }
        world.agents[0].events.clear();
        world.act(0, |ua, now| ua.hangup(now, call));
        world.run(10);
        let bye = world.expect(Method::BYE);
        ok(&mut world, &bye, "p");
        world.finish();
    }
}

#[test]
fn rule_38_several_refers_are_told_of_each_by_its_id() {
    let mut world = transferable();
    let (call, answer) = called(&mut world);
    for number in [10, 11] {
        let refer = world.peer_within(&answer, "p", Method::REFER, number);
        world
            .peer_sends(0, refer.header(HeaderId::REFER_TO, format_args!("<sip:c@{PEER}>")).build().unwrap());
        world.run(10);
        let (transfer, _) = asked(&mut world, 0);
        let notify = world.expect(Method::NOTIFY);
        assert_eq!(field(&notify, HeaderId::EVENT).unwrap(), format!("refer;id={number}"));
        assert_eq!(&notify.body()[..], b"SIP/2.0 100 Trying\r\n");
        ok(&mut world, &notify, "p");
        let (ua, now) = world.ua(0);
        ua.refuse_transfer(now, transfer);
        world.run(10);
        let notify = world.expect(Method::NOTIFY);
        assert_eq!(field(&notify, HeaderId::EVENT).unwrap(), format!("refer;id={number}"));
        assert!(notify.has(HeaderId::CONTACT));
        ok(&mut world, &notify, "p");
    }
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    let bye = world.expect(Method::BYE);
    ok(&mut world, &bye, "p");
    world.agents[0].events.clear();
    world.finish();
}

#[test]
fn rule_39_notify_may_overtake_the_202_and_strangers_are_turned_away() {
    let mut world = transferable();
    let (call, answer) = called(&mut world);
    world.act(0, |ua, now| ua.transfer(now, call, &format!("sip:c@{PEER}").parse().unwrap()));
    world.run(10);
    let refer = world.expect(Method::REFER);
    let mut next = 10;
    let mut notify = |world: &mut World, event: &str, state: &str, body: &str| {
        next += 1;
        let notify = world
            .peer_within(&answer, "p", Method::NOTIFY, next)
            .header(HeaderId::EVENT, event)
            .header(HeaderId::SUBSCRIPTION_STATE, state)
            .body("message/sipfrag", body.to_owned());
        world.peer_sends(0, notify.build().unwrap());
        world.expect_final().status().as_u16()
    };
    let id = format!("refer;id={}", number(&refer));
    assert_eq!(notify(&mut world, "presence", "active", ""), 489);
    assert_eq!(notify(&mut world, "refer;id=1", "active", "SIP/2.0 200 OK"), 481);
    assert_eq!(notify(&mut world, &id, "active;expires=60", "SIP/2.0 100 Trying"), 200);
    world.peer_sends(0, World::reply(&refer, 202, "p").build().unwrap());
    assert!(matches!(world.event(0), UaEvent::TransferProgress { .. }));
    // A fragment may hold more than its start line, or less (RFC 3420 §2).
    let ringing = "SIP/2.0 180 Ringing\r\nTo: <sip:c@example.com>;tag=c\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(notify(&mut world, &id, "active;expires=60", ringing), 200);
    assert!(matches!(world.event(0), UaEvent::TransferProgress { status: StatusCode::RINGING, .. }));
    assert_eq!(notify(&mut world, &id, "active;expires=60", "To: <sip:c@example.com>;tag=c\r\n"), 200);
    world.no_event(0);
    assert_eq!(notify(&mut world, "refer", "terminated;reason=noresource", "SIP/2.0 200 OK\r\n"), 200);
    assert_eq!(outcome(&mut world, 0), 200);
    assert_eq!(world.ended_by(0), (EndedBy::Us, None));
    world.run(10);
    let bye = world.expect(Method::BYE);
    ok(&mut world, &bye, "p");
    world.finish();
}

/// A REFER outside of the call that names it.
fn refer_beside(world: &mut World, ok: &Response, tags: (&str, &str), more: &[(HeaderId, &str)]) -> Request {
    let call_id = field(ok, HeaderId::CALL_ID).unwrap();
    let (ours, theirs) = tags;
    let refer = world
        .peer_request(0, Method::REFER)
        .header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>"))
        .header(HeaderId::REQUIRE, "tdialog")
        .header(HeaderId::TARGET_DIALOG, format_args!("{call_id};local-tag={ours};remote-tag={theirs}"))
        .header(HeaderId::REFER_TO, "<sip:carol@example.com>");
    let refer = more.iter().fold(refer, |refer, (id, value)| refer.header(*id, *value));
    let refer = refer.build().unwrap();
    world.peer_sends(0, refer.clone());
    refer
}

#[test]
fn rule_38_who_knows_the_call_may_ask_beside_it_and_hears_of_it_there() {
    let mut world = transferable();
    let (call, ok) = called(&mut world);
    let tag = ok.require::<ringback_message::header::To>().unwrap().tag().unwrap().to_owned();
    for tags in [(tag.as_str(), "p"), ("p", tag.as_str())] {
        refer_beside(&mut world, &ok, tags, &[]);
        let accepted = world.expect_final();
        assert_eq!(accepted.status().as_u16(), 202);
        let beside = accepted.require::<ringback_message::header::To>().unwrap().tag().unwrap().to_owned();
        assert_ne!(beside, tag, "it is another dialog");
        let notify = world.expect(Method::NOTIFY);
        let from = notify.require::<ringback_message::header::From>().unwrap();
        assert_eq!(
            (from.tag(), field(&notify, HeaderId::EVENT).as_deref()),
            (Some(beside.as_str()), Some("refer"))
        );
        assert_eq!(field(&notify, HeaderId::CALL_ID), field(&accepted, HeaderId::CALL_ID));
        world.peer_sends(0, World::reply(&notify, 200, "p").build().unwrap());
        let (transfer, target) = asked(&mut world, 0);
        assert_eq!((transfer.call(), target.as_str()), (call, "sip:carol@example.com"));
        world.act(0, |ua, now| -> Result<(), ()> {
            ua.refuse_transfer(now, transfer);
            Ok(())
        });
        world.run(10);
        let last = world.expect(Method::NOTIFY);
        assert_eq!(number(&last), number(&notify) + 1);
        assert!(field(&last, HeaderId::SUBSCRIPTION_STATE).unwrap().starts_with("terminated"));
        world.peer_sends(0, World::reply(&last, 200, "p").build().unwrap());
    }
    // Who does not want to hear of it does not.
    refer_beside(&mut world, &ok, (&tag, "p"), &[(HeaderId::REFER_SUB, "false")]);
    assert_eq!(world.expect_final().status().as_u16(), 202);
    let (transfer, _) = asked(&mut world, 0);
    world.act(0, |ua, now| -> Result<(), ()> {
        ua.refuse_transfer(now, transfer);
        Ok(())
    });
    world.run(10);
    assert_eq!(world.sent("NOTIFY"), 4);
    world.end_with_peer(call);
}

#[test]
fn rule_23_who_does_not_know_the_call_may_not_ask() {
    let mut world = transferable();
    let (call, ok) = called(&mut world);
    let tag = ok.require::<ringback_message::header::To>().unwrap().tag().unwrap().to_owned();
    for (tags, status) in [((tag.as_str(), "q"), 481), (("x", "p"), 481), ((tag.as_str(), ""), 481)] {
        refer_beside(&mut world, &ok, tags, &[]);
        assert_eq!(world.expect_final().status().as_u16(), status, "{tags:?}");
    }
    refer_beside(&mut world, &ok, (&tag, "p"), &[(HeaderId::REFER_TO, "<sip:dave@example.com>")]);
    assert_eq!(world.expect_final().status().as_u16(), 400);
    world.end_with_peer(call);
    refer_beside(&mut world, &ok, (&tag, "p"), &[]);
    assert_eq!(world.expect_final().status().as_u16(), 481);
}
