//! Our own offers before the answer: in UPDATE (RFC 3311) and PRACK (RFC 3262), refused, lost and taken, with a peer that is
//! led by hand.

use crate::world::{Fate, SDP, World, audio, field, sdp, sdp_with};
use ringback_message::{HeaderId, Method, Request};
use ringback_sdp::{Direction, SessionDescription};
use ringback_ua::{CallKey, Session, UaEvent};

const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE";

/// A call of agent 0 that has agreed with the peer by a reliable 183, whose PRACK is answered.
fn early(world: &mut World, allow: &str) -> (CallKey, Request) {
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    agree(world, &invite, allow);
    let prack = world.expect(Method::PRACK);
    assert!(prack.body().is_empty());
    world.peer_sends(0, World::reply(&prack, 200, "b").build().unwrap());
    world.agents[0].events.clear();
    (call, invite)
}

fn agree(world: &mut World, invite: &Request, allow: &str) {
    agree_with(world, invite, allow, "b");
}

fn agree_with(world: &mut World, invite: &Request, allow: &str, tag: &str) {
    let progress = World::reply(invite, 183, tag)
        .header(HeaderId::REQUIRE, "100rel")
        .header(HeaderId::RSEQ, 1u32)
        .header(HeaderId::ALLOW, allow)
        .body(SDP, sdp(9000));
    world.peer_sends(0, progress.build().unwrap());
}

fn direction(request: &Request) -> Option<Direction> {
    SessionDescription::parse(request.body()).unwrap().media[0].direction()
}

fn early_session(world: &mut World) -> Option<Session> {
    std::iter::from_fn(|| world.agents[0].events.pop_front()).find_map(|event| match event {
        UaEvent::EarlyMedia { session, .. } => Some(session),
        _ => None,
    })
}

/// The peer answers the call, and the agent hangs up.
fn answer_and_end(world: &mut World, call: CallKey, invite: &Request) -> Session {
    world.peer_sends(0, World::reply(invite, 200, "b").header(HeaderId::ALLOW, ALLOW).build().unwrap());
    let session = world.answered(0);
    world.end_with_peer(call);
    session
}

#[test]
fn rule_44_a_hold_before_the_answer_goes_by_update() {
    let mut world = World::new(1);
    let (call, invite) = early(&mut world, ALLOW);
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let update = world.expect(Method::UPDATE);
    assert_eq!(direction(&update), Some(Direction::SendOnly));
    assert!(update.has(HeaderId::CONTACT));
    let ok = World::reply(&update, 200, "b").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n"));
    world.peer_sends(0, ok.build().unwrap());
    assert!(early_session(&mut world).unwrap().held_by_us);
    // The 200 says nothing new, and there is nothing left to change.
    let session = answer_and_end(&mut world, call, &invite);
    assert!(session.held_by_us);
    assert_eq!((world.sent("UPDATE"), world.sent("INVITE")), (1, 1));
}

#[test]
fn rule_44_a_hold_that_is_wished_for_before_the_reliable_answer_goes_with_the_prack() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    // Rule 45: the offer of the INVITE is not answered yet.
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    assert_eq!(world.sent("UPDATE"), 0);
    agree(&mut world, &invite, ALLOW);
    let prack = world.expect(Method::PRACK);
    assert_eq!(direction(&prack), Some(Direction::SendOnly));
    let ok = World::reply(&prack, 200, "b").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n"));
    world.peer_sends(0, ok.build().unwrap());
    let session = answer_and_end(&mut world, call, &invite);
    assert!(session.held_by_us);
    assert_eq!((world.sent("UPDATE"), world.sent("INVITE")), (0, 1));
}

#[test]
fn rule_44_without_update_the_hold_waits_for_the_answer() {
    let mut world = World::new(1);
    let (call, invite) = early(&mut world, "INVITE, ACK, BYE, CANCEL, PRACK");
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    assert_eq!(world.sent("UPDATE"), 0);
    world.peer_sends(0, World::reply(&invite, 200, "b").build().unwrap());
    assert!(!world.answered(0).held_by_us);
    world.run(10);
    let reinvite = world.expect(Method::INVITE);
    assert_eq!(direction(&reinvite), Some(Direction::SendOnly));
    let ok = World::reply(&reinvite, 200, "b").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n"));
    world.peer_sends(0, ok.build().unwrap());
    assert!(world.changed(0).held_by_us);
    world.end_with_peer(call);
}

#[test]
fn rule_35_an_early_offer_that_is_refused_or_lost_is_rolled_back() {
    for status in [Some(488), Some(504), None] {
        let mut world = World::new(1);
        let (call, invite) = early(&mut world, ALLOW);
        world.act(0, |ua, now| ua.hold(now, call));
        world.run(10);
        let update = world.expect(Method::UPDATE);
        match status {
            Some(status) => world.peer_sends(0, World::reply(&update, status, "b").build().unwrap()),
            None => world.run(33_000),
        }
        let told = world.agents[0].events.iter().find_map(|event| match event {
            UaEvent::ChangeRefused { status, .. } => Some(status.as_u16()),
            _ => None,
        });
        assert_eq!(told, Some(status.unwrap_or(408)));
        let session = answer_and_end(&mut world, call, &invite);
        assert_eq!((session.held_by_us, session.direction()), (false, Direction::SendRecv), "{status:?}");
    }
}

#[test]
fn rule_45_an_early_offer_that_has_to_wait_is_made_again() {
    for (status, pause) in [(491, 4_000), (500, 1_000)] {
        let mut world = World::new(1);
        let (call, invite) = early(&mut world, ALLOW);
        world.act(0, |ua, now| ua.hold(now, call));
        world.run(10);
        let update = world.expect(Method::UPDATE);
        let refusal = World::reply(&update, status, "b").header(HeaderId::RETRY_AFTER, 1u32);
        world.peer_sends(0, refusal.build().unwrap());
        // Rule 34: the owner of the Call-ID waits 2.1 seconds at least after 491.
        world.run(900);
        assert_eq!(world.sent("UPDATE"), 1);
        world.run(pause);
        let update = world.expect(Method::UPDATE);
        let ok = World::reply(&update, 200, "b").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n"));
        world.peer_sends(0, ok.build().unwrap());
        assert!(answer_and_end(&mut world, call, &invite).held_by_us);
    }
}

#[test]
fn rule_45_an_offer_of_the_peer_that_crosses_our_early_one_gets_491() {
    let mut world = World::new(1);
    let (call, invite) = early(&mut world, ALLOW);
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let ours = world.expect(Method::UPDATE);
    let theirs = world.peer_within(&invite, "b", Method::UPDATE, 1).body(SDP, sdp_with(9001, 2, ""));
    world.peer_sends(0, theirs.build().unwrap());
    assert_eq!(world.expect_final().status().as_u16(), 491);
    // The call is answered while our offer is under way: a change has to wait for that.
    world.peer_sends(0, World::reply(&invite, 200, "b").header(HeaderId::ALLOW, ALLOW).build().unwrap());
    assert!(!world.answered(0).held_by_us);
    let theirs = world.peer_within(&invite, "b", Method::INVITE, 2);
    let theirs = theirs.header(HeaderId::CONTACT, format_args!("<sip:peer@{}>", crate::world::PEER));
    world.peer_sends(0, theirs.build().unwrap());
    assert_eq!(world.expect_final().status().as_u16(), 491);
    let ok = World::reply(&ours, 200, "b").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n"));
    world.peer_sends(0, ok.build().unwrap());
    assert!(world.changed(0).held_by_us);
    world.end_with_peer(call);
}

#[test]
fn rule_44_the_callee_holds_before_it_answers_once_the_prack_is_there() {
    for lost in ["", "UPDATE", "200 UPDATE", "200 INVITE", "ACK", "200 PRACK"] {
        let mut world = World::direct(2);
        let mut left = 1;
        world.fate = Box::new(move |packet| match packet.name() == lost && left > 0 {
            true => {
                left -= 1;
                Fate::IsLost
            }
            false => Fate::Arrives,
        });
        let calling = world.call(0, 1);
        world.run(50);
        let called = world.incoming(1);
        world.act(1, |ua, now| ua.ring_reliably(now, called, Some(audio(1))));
        world.act(1, |ua, now| ua.hold(now, called));
        // There is no PRACK yet.
        assert_eq!(world.sent("UPDATE"), 0);
        world.run(3_000);
        let first = world.log.iter().find(|packet| packet.name() == "UPDATE").unwrap();
        assert_eq!(first.from, world.agents[1].address, "{lost}");
        assert!(early_session(&mut world).unwrap().audio.is_active());
        world.act(1, |ua, now| ua.answer(now, called, audio(1)));
        world.run(3_000);
        assert!(world.answered(0).held_by_them, "{lost}");
        assert!(world.answered(1).held_by_us, "{lost}");
        assert_eq!(world.sent("INVITE"), 1, "{lost}");
        world.act(0, |ua, now| ua.hangup(now, calling));
        world.run(1_000);
        world.finish();
    }
}

#[test]
fn rule_27_a_fork_that_refuses_our_hold_speaks_for_itself_alone() {
    for answers in ["b", "c"] {
        let mut world = World::new(1);
        let call = world.call_peer(0);
        let invite = world.expect(Method::INVITE);
        for tag in ["b", "c"] {
            agree_with(&mut world, &invite, ALLOW, tag);
            let prack = world.expect(Method::PRACK);
            world.peer_sends(0, World::reply(&prack, 200, tag).build().unwrap());
        }
        world.act(0, |ua, now| ua.hold(now, call));
        world.run(10);
        let updates = [world.expect(Method::UPDATE), world.expect(Method::UPDATE)];
        for update in updates {
            let is_first = field(&update, HeaderId::TO).concat().ends_with("tag=b");
            let reply = match is_first {
                true => World::reply(&update, 488, "b"),
                false => World::reply(&update, 200, "c").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n")),
            };
            world.peer_sends(0, reply.build().unwrap());
        }
        world.run(5_000);
        let refused =
            world.agents[0].events.iter().any(|event| matches!(event, UaEvent::ChangeRefused { .. }));
        assert!(!refused, "one of two has agreed");
        assert_eq!(world.sent("UPDATE"), 2, "nobody is asked again, or to come back");
        let ok = World::reply(&invite, 200, answers).header(HeaderId::ALLOW, ALLOW);
        world.peer_sends(0, ok.build().unwrap());
        let is_held = world.answered(0).held_by_us;
        assert_eq!(is_held, answers == "c");
        if !is_held {
            // Who has refused before the answer is asked again after it.
            let hold = world.expect(Method::INVITE);
            assert_eq!(direction(&hold), Some(Direction::SendOnly));
            let ok = World::reply(&hold, 200, answers).body(SDP, sdp_with(9000, 2, "a=recvonly\r\n"));
            world.peer_sends(0, ok.build().unwrap());
            assert!(world.changed(0).held_by_us);
        }
        world.end_with_peer(call);
    }
}

#[test]
fn rule_27_a_hold_that_all_forks_refuse_is_refused() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    for tag in ["b", "c"] {
        agree_with(&mut world, &invite, ALLOW, tag);
        let prack = world.expect(Method::PRACK);
        world.peer_sends(0, World::reply(&prack, 200, tag).build().unwrap());
    }
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    for _ in 0..2 {
        let update = world.expect(Method::UPDATE);
        world.peer_sends(0, World::reply(&update, 488, "x").build().unwrap());
    }
    let told = world.agents[0].events.iter().filter(|event| matches!(event, UaEvent::ChangeRefused { .. }));
    assert_eq!(told.count(), 1);
    world.peer_sends(0, World::reply(&invite, 200, "c").header(HeaderId::ALLOW, ALLOW).build().unwrap());
    assert!(!world.answered(0).held_by_us);
    world.end_with_peer(call);
}
