//! Reliable provisional responses (RFC 3262) and UPDATE (RFC 3311), both roles, with a peer that is led by hand.

use crate::world::{Fate, SDP, World, audio, sdp, sdp_with};
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Message, Method, Request, RequestBuilder, ResponseBuilder};
use ringback_sdp::{Direction, SessionDescription};
use ringback_ua::{CallKey, EndedBy, Session, UaEvent};
use std::time::Duration;

fn number(message: &Message) -> u32 {
    message.require::<CSeq>().unwrap().number
}

fn field(message: &Message, id: HeaderId) -> Option<String> {
    message.values(id).next().map(|value| String::from_utf8_lossy(value).into_owned())
}

fn lists(message: &Message, id: HeaderId, what: &str) -> bool {
    message.values(id).any(|value| value == what.as_bytes())
}

/// A provisional response of the peer that wants a PRACK.
fn reliable(invite: &Request, status: u16, tag: &str, rseq: u32) -> ResponseBuilder {
    World::reply(invite, status, tag).header(HeaderId::REQUIRE, "100rel").header(HeaderId::RSEQ, rseq)
}

fn early(world: &mut World) -> Option<Session> {
    std::iter::from_fn(|| world.agents[0].events.pop_front()).find_map(|event| match event {
        UaEvent::EarlyMedia { session, .. } => Some(session),
        _ => None,
    })
}

/// Acknowledges the PRACK that the agent has sent, and gives it.
fn pracked(world: &mut World, tag: &str) -> Request {
    let prack = world.expect(Method::PRACK);
    world.peer_sends(0, World::reply(&prack, 200, tag).build().unwrap());
    prack
}

fn hang_up(world: &mut World, call: CallKey) {
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    let bye = world.expect(Method::BYE);
    world.peer_sends(0, World::reply(&bye, 200, "x").build().unwrap());
    world.ended(0);
    world.finish();
}

/// An INVITE of the peer that can take reliable responses.
fn invite(world: &mut World) -> RequestBuilder {
    world.peer_invite(0).header(HeaderId::SUPPORTED, "100rel")
}

/// The PRACK of the peer to the newest 180 of the agent.
fn prack(world: &mut World, number: u32) -> RequestBuilder {
    let ringing = world.last("180 INVITE");
    let (rseq, invite) = (field(&ringing, HeaderId::RSEQ).unwrap(), self::number(&ringing));
    world
        .peer_within(&ringing, "p", Method::PRACK, number)
        .header(HeaderId::RACK, format_args!("{rseq} {invite} INVITE"))
}

/// The peer acknowledges the 200 of the agent.
fn ack(world: &mut World) {
    let ok = world.last("200 INVITE");
    let ack = world.peer_within(&ok, "p", Method::ACK, number(&ok)).build().unwrap();
    world.peer_sends(0, ack);
}

#[test]
fn rule_40_each_reliable_response_is_acknowledged_once_and_in_order() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    assert!(lists(&invite, HeaderId::SUPPORTED, "100rel"));
    world.peer_sends(0, reliable(&invite, 180, "b", 7).build().unwrap());
    world.run(10);
    let prack = pracked(&mut world, "b");
    assert_eq!(field(&prack, HeaderId::RACK).unwrap(), format!("7 {} INVITE", number(&invite)));
    assert!(number(&prack) > number(&invite));
    // A copy, one that comes too early, and one that is too old.
    for rseq in [7, 9, 6] {
        world.peer_sends(0, reliable(&invite, 183, "b", rseq).build().unwrap());
    }
    world.run(10);
    assert_eq!(world.sent("PRACK"), 1);
    world.peer_sends(0, reliable(&invite, 183, "b", 8).build().unwrap());
    world.run(10);
    let prack = pracked(&mut world, "b");
    assert_eq!(field(&prack, HeaderId::RACK).unwrap(), format!("8 {} INVITE", number(&invite)));
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.answered(0);
    hang_up(&mut world, call);
}

#[test]
fn rule_40_forks_are_acknowledged_each_in_its_own_dialog() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    for (fork, rseq) in [("b1", 100), ("b2", 5)] {
        world.peer_sends(0, reliable(&invite, 180, fork, rseq).build().unwrap());
        world.run(10);
        let prack = pracked(&mut world, fork);
        let to = prack.require::<ringback_message::header::To<'_>>().unwrap();
        assert_eq!(to.tag(), Some(fork));
    }
    world.peer_sends(0, World::reply(&invite, 200, "b2").body(SDP, sdp(9002)).build().unwrap());
    world.run(10);
    world.answered(0);
    hang_up(&mut world, call);
}

#[test]
fn rule_44_an_answer_in_a_reliable_response_counts_and_the_200_needs_none() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    world.peer_sends(0, reliable(&invite, 183, "b", 1).body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    assert_eq!(early(&mut world).unwrap().remote_rtp(), Some("192.0.2.99:9000".parse().unwrap()));
    assert!(pracked(&mut world, "b").body().is_empty());
    // What comes later with the same tag is no answer any more.
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9999)).build().unwrap());
    world.run(10);
    assert_eq!(world.answered(0).remote_rtp(), Some("192.0.2.99:9000".parse().unwrap()));
    assert!(world.expect(Method::ACK).body().is_empty());
    hang_up(&mut world, call);
}

#[test]
fn rule_46_an_offer_in_a_reliable_response_is_answered_in_the_prack() {
    let mut world = World::new(1);
    let account = world.agents[0].account;
    let target = format!("sip:peer@{}", crate::world::PEER).parse().unwrap();
    let call = world.act(0, |ua, now| ua.call_without_offer(now, account, &target, audio(0)));
    world.run(10);
    let invite = world.expect(Method::INVITE);
    world.peer_sends(0, reliable(&invite, 183, "b", 1).body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    let prack = pracked(&mut world, "b");
    let answer = SessionDescription::parse(prack.body()).unwrap();
    assert_eq!(answer.media[0].port, 4000);
    world.peer_sends(0, World::reply(&invite, 200, "b").build().unwrap());
    world.run(10);
    world.answered(0);
    assert!(world.expect(Method::ACK).body().is_empty());
    hang_up(&mut world, call);
}

#[test]
fn rule_44_a_reliable_offer_that_cannot_be_used_ends_the_call() {
    let mut world = World::new(1);
    world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    world.peer_sends(0, reliable(&invite, 183, "b", 1).body(SDP, "v=0\r\nbroken").build().unwrap());
    world.run(10);
    pracked(&mut world, "b");
    let cancel = world.last("CANCEL");
    world.peer_sends(0, World::reply(&cancel.try_into().unwrap(), 200, "b").build().unwrap());
    world.peer_sends(0, World::reply(&invite, 487, "b").build().unwrap());
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(487)));
    world.finish();
}

#[test]
fn rule_45_updates_before_the_answer_change_what_was_agreed_reliably_and_nothing_else() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&invite, 180, "b").build().unwrap());
    let update = |world: &mut World, number, body: String| {
        let update = world.peer_within(&invite, "b", Method::UPDATE, number).body(SDP, body);
        world.peer_sends(0, update.build().unwrap());
        world.run(10);
        world.expect_final()
    };
    // Our own offer is not answered yet.
    assert_eq!(update(&mut world, 1, sdp(9001)).status().as_u16(), 491);
    world.peer_sends(0, reliable(&invite, 183, "b", 1).body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    pracked(&mut world, "b");
    world.agents[0].events.clear();
    let ok = update(&mut world, 2, sdp_with(9002, 2, "a=sendonly\r\n"));
    assert_eq!(ok.status().as_u16(), 200);
    let answer = SessionDescription::parse(ok.body()).unwrap();
    assert_eq!(answer.media[0].direction(), Some(Direction::RecvOnly));
    assert_eq!(early(&mut world).unwrap().remote_rtp(), Some("192.0.2.99:9002".parse().unwrap()));
    world.peer_sends(0, World::reply(&invite, 200, "b").build().unwrap());
    world.run(10);
    let session = world.answered(0);
    assert_eq!(session.remote_rtp(), Some("192.0.2.99:9002".parse().unwrap()));
    assert!(session.held_by_them);
    hang_up(&mut world, call);
}

#[test]
fn rule_40_our_reliable_response_is_repeated_at_doubling_intervals_until_the_prack() {
    let mut world = World::new(1);
    let invite = invite(&mut world).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    world.act(0, |ua, now| ua.ring_reliably(now, call, Some(audio(0))));
    world.run(3_600);
    // At 0, 0.5, 1.5 and 3.5 seconds.
    assert_eq!(world.sent("180 INVITE"), 4);
    let ringing = world.last("180 INVITE");
    assert_eq!(field(&ringing, HeaderId::REQUIRE).unwrap(), "100rel");
    assert!(lists(&ringing, HeaderId::ALLOW, "UPDATE"));
    assert!(!ringing.body().is_empty());
    // Rule 40: the answer waits, for the description is not known to have arrived.
    world.act(0, |ua, now| ua.answer(now, call, audio(0)));
    world.run(100);
    assert_eq!(world.sent("200 INVITE"), 0);
    let wrong = prack(&mut world, 2);
    let wrong = {
        let mut wrong = wrong.build().unwrap();
        wrong.set(HeaderId::RACK, "1 1 INVITE").unwrap();
        wrong
    };
    world.peer_sends(0, wrong);
    world.run(10);
    assert_eq!(world.sent("481 PRACK"), 1);
    let prack = prack(&mut world, 3).build().unwrap();
    world.peer_sends(0, prack);
    world.run(10);
    assert_eq!(world.sent("200 PRACK"), 1);
    let ok = world.last("200 INVITE");
    assert!(ok.body().is_empty(), "it was described before");
    ack(&mut world);
    world.answered(0);
    world.run(10_000);
    assert_eq!(world.sent("180 INVITE"), 4);
    hang_up(&mut world, call);
}

#[test]
fn rule_40_without_a_prack_the_call_is_refused() {
    let mut world = World::new(1);
    let invite = invite(&mut world).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    world.act(0, |ua, now| ua.ring_reliably(now, call, Some(audio(0))));
    world.run(31_900);
    world.no_event(0);
    world.run(200);
    assert_eq!(world.ended_by(0), (EndedBy::Network, Some(504)));
    assert_eq!(world.sent("504 INVITE"), 1);
    let last = world.last("504 INVITE");
    let ack = world.peer_within(&last, "p", Method::ACK, 1);
    drop(ack);
    world.finish();
}

#[test]
fn rule_40_callers_that_do_not_know_it_get_an_ordinary_180_and_those_who_require_it_a_reliable_one() {
    for (extension, asks, is_reliable) in [
        (None, true, false),
        (Some((HeaderId::SUPPORTED, "timer")), true, false),
        (Some((HeaderId::REQUIRE, "100rel")), false, true),
    ] {
        let mut world = World::new(1);
        let invite = world.peer_invite(0).body(SDP, sdp(9000));
        let invite = match extension {
            Some((id, tag)) => invite.header(id, tag),
            None => invite,
        };
        world.peer_sends(0, invite.build().unwrap());
        let call = world.incoming(0);
        world.act(0, |ua, now| match asks {
            true => ua.ring_reliably(now, call, Some(audio(0))),
            false => ua.ring(now, call),
        });
        world.run(10);
        assert_eq!(world.last("180 INVITE").has(HeaderId::RSEQ), is_reliable, "{extension:?}");
        world.act(0, |ua, now| ua.reject(now, call, ringback_message::StatusCode::BUSY_HERE));
        world.finish();
    }
}

#[test]
fn rule_46_our_offer_in_a_reliable_response_is_answered_by_the_prack_or_the_call_is_refused() {
    for answers in [true, false] {
        let mut world = World::new(1);
        let invite = invite(&mut world).build().unwrap();
        world.peer_sends(0, invite);
        let call = world.incoming(0);
        world.act(0, |ua, now| ua.ring_reliably(now, call, Some(audio(0))));
        world.run(10);
        assert!(!world.last("180 INVITE").body().is_empty());
        let prack = prack(&mut world, 2);
        let prack = if answers { prack.body(SDP, sdp(9000)) } else { prack };
        world.peer_sends(0, prack.build().unwrap());
        world.run(10);
        if !answers {
            assert_eq!((world.sent("400 PRACK"), world.sent("488 INVITE")), (1, 1));
            world.ended(0);
            world.finish();
            continue;
        }
        world.act(0, |ua, now| ua.answer(now, call, audio(0)));
        world.run(10);
        ack(&mut world);
        assert_eq!(world.answered(0).remote_rtp(), Some("192.0.2.99:9000".parse().unwrap()));
        hang_up(&mut world, call);
    }
}

#[test]
fn rule_44_offers_in_prack_and_early_update_are_answered() {
    let mut world = World::new(1);
    let invite = invite(&mut world).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    // Rule 45: while we owe the answer, an offer has to wait.
    world.act(0, |ua, now| ua.ring(now, call));
    world.run(10);
    let ringing = world.last("180 INVITE");
    let update = world.peer_within(&ringing, "p", Method::UPDATE, 2).body(SDP, sdp_with(9001, 2, ""));
    world.peer_sends(0, update.build().unwrap());
    world.run(10);
    let refused = world.last("500 UPDATE");
    assert!(refused.has(HeaderId::RETRY_AFTER));
    world.act(0, |ua, now| ua.ring_reliably(now, call, Some(audio(0))));
    world.run(10);
    let prack = prack(&mut world, 3).body(SDP, sdp_with(9002, 2, "")).build().unwrap();
    world.peer_sends(0, prack);
    world.run(10);
    assert!(!world.last("200 PRACK").body().is_empty());
    let update = world.peer_within(&ringing, "p", Method::UPDATE, 4).body(SDP, sdp_with(9003, 3, ""));
    world.peer_sends(0, update.build().unwrap());
    world.run(10);
    assert!(!world.last("200 UPDATE").body().is_empty());
    world.act(0, |ua, now| ua.answer(now, call, audio(0)));
    world.run(10);
    ack(&mut world);
    assert_eq!(world.answered(0).remote_rtp(), Some("192.0.2.99:9003".parse().unwrap()));
    hang_up(&mut world, call);
}

#[test]
fn rule_40_two_of_us_agree_before_the_answer_whatever_gets_lost() {
    for lost in ["PRACK", "180 INVITE", "200 PRACK", "200 INVITE", "ACK"] {
        let mut world = World::direct(2);
        let mut left = 1;
        world.fate = Box::new(move |packet| {
            if packet.name() == lost && left > 0 {
                left -= 1;
                return Fate::IsLost;
            }
            Fate::Arrives
        });
        let calling = world.call(0, 1);
        world.run(50);
        let called = world.incoming(1);
        world.act(1, |ua, now| ua.ring_reliably(now, called, Some(audio(1))));
        world.run(5_000);
        assert!(early(&mut world).is_some(), "{lost}");
        world.act(1, |ua, now| ua.answer(now, called, audio(1)));
        world.run(5_000);
        world.answered(0);
        world.answered(1);
        world.act(0, |ua, now| ua.hangup(now, calling));
        world.run(100);
        world.ended(1);
        world.finish();
    }
}

#[test]
fn rule_14_a_call_that_rings_reliably_can_be_cancelled_at_any_moment() {
    for wait in [1u64, 4, 6, 11, 16, 30] {
        let mut world = World::direct(2);
        let calling = world.call(0, 1);
        world.run(50);
        let called = world.incoming(1);
        world.act(1, |ua, now| ua.ring_reliably(now, called, Some(audio(1))));
        world.run(wait);
        world.act(0, |ua, now| ua.hangup(now, calling));
        world.run(40_000);
        assert_eq!(world.ended(0).status.map(ringback_message::StatusCode::as_u16), Some(487));
        assert_eq!(world.ended(1).by, EndedBy::Peer);
        assert!(world.elapsed() > Duration::from_secs(30));
        world.finish();
    }
}
