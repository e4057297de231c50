//! Calls with a peer that is led by hand, message by message: forks, races, and rules that are broken.

use crate::world::{PEER, SDP, World, audio, branch, sdp, sdp_with};
use ringback_message::header::{CSeq, From, RetryAfter, To};
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_sdp::{Direction, SessionDescription};
use ringback_ua::{CallKey, EndedBy, UaEvent};
use std::time::Duration;

fn tag(message: &Message) -> Option<String> {
    message.require::<To<'_>>().unwrap().tag().map(str::to_owned)
}

fn number(message: &Message) -> u32 {
    message.require::<CSeq>().unwrap().number
}

/// A call of agent 0 that the peer has answered with the tag `b`; its INVITE and ACK.
fn calling(world: &mut World) -> (CallKey, Request, Request) {
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.answered(0);
    let ack = world.expect(Method::ACK);
    (call, invite, ack)
}

/// A call of the peer that agent 0 has answered and the peer acknowledged; the 200 that it was answered with.
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

fn hang_up(world: &mut World, call: CallKey) {
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    let bye = world.expect(Method::BYE);
    world.peer_sends(0, World::reply(&bye, 200, "x").build().unwrap());
    world.ended(0);
    world.finish();
}

#[test]
fn rule_27_each_fork_is_a_dialog_and_the_second_answer_is_turned_away() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    for fork in ["b1", "b2"] {
        world.peer_sends(0, World::reply(&invite, 180, fork).build().unwrap());
    }
    let answer = |fork: &str, port| World::reply(&invite, 200, fork).body(SDP, sdp(port)).build().unwrap();
    world.peer_sends(0, answer("b2", 9002));
    world.run(10);
    assert_eq!(world.answered(0).remote_rtp(), Some("192.0.2.99:9002".parse().unwrap()));
    let ack = world.expect(Method::ACK);
    assert_eq!((tag(&ack).as_deref(), number(&ack)), (Some("b2"), number(&invite)));
    world.peer_sends(0, answer("b1", 9001));
    world.run(10);
    assert_eq!(tag(&world.expect(Method::ACK)).as_deref(), Some("b1"));
    let bye = world.expect(Method::BYE);
    assert_eq!(tag(&bye).as_deref(), Some("b1"));
    assert!(number(&bye) > number(&invite));
    world.peer_sends(0, World::reply(&bye, 200, "b1").build().unwrap());
    // Copies are acknowledged again, and the stranger is not told goodbye twice.
    world.peer_sends(0, answer("b1", 9001));
    world.peer_sends(0, answer("b2", 9002));
    world.run(10);
    assert_eq!(tag(&world.expect(Method::ACK)).as_deref(), Some("b1"));
    assert_eq!(tag(&world.expect(Method::ACK)).as_deref(), Some("b2"));
    assert_eq!(world.sent("BYE"), 1);
    world.no_event(0);
    hang_up(&mut world, call);
}

#[test]
fn rule_27_forks_that_both_answer_a_call_that_was_given_up_are_both_turned_away() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    for fork in ["b1", "b2"] {
        world.peer_sends(0, World::reply(&invite, 180, fork).build().unwrap());
    }
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    world.expect(Method::CANCEL);
    for fork in ["b1", "b2"] {
        world.peer_sends(0, World::reply(&invite, 200, fork).body(SDP, sdp(9000)).build().unwrap());
        world.run(10);
        assert_eq!(tag(&world.expect(Method::ACK)).as_deref(), Some(fork));
        let bye = world.expect(Method::BYE);
        assert_eq!(tag(&bye).as_deref(), Some(fork));
        world.peer_sends(0, World::reply(&bye, 200, "x").build().unwrap());
    }
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(487)));
    world.finish();
}

#[test]
fn rule_27_a_fork_that_answers_after_the_call_is_over_is_turned_away_too() {
    let mut world = World::new(1);
    let (call, invite, _) = calling(&mut world);
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    let bye = world.expect(Method::BYE);
    world.peer_sends(0, World::reply(&bye, 200, "b").build().unwrap());
    world.peer_sends(0, World::reply(&invite, 200, "late").body(SDP, sdp(9001)).build().unwrap());
    world.run(10);
    assert_eq!(tag(&world.expect(Method::ACK)).as_deref(), Some("late"));
    assert_eq!(tag(&world.expect(Method::BYE)).as_deref(), Some("late"));
    world.finish();
}

#[test]
fn rule_28_an_answer_without_a_contact_makes_no_dialog() {
    let mut world = World::new(1);
    world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    let mut ringing = World::reply(&invite, 180, "b").build().unwrap();
    ringing.remove(HeaderId::CONTACT);
    world.peer_sends(0, ringing);
    let untagged = invite.reply(StatusCode::SESSION_PROGRESS, None).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, untagged);
    let mut answer = World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap();
    answer.remove(HeaderId::CONTACT);
    world.peer_sends(0, answer);
    world.run(10);
    assert_eq!(world.expect(Method::ACK).uri_bytes(), invite.uri_bytes());
    world.expect(Method::BYE);
    assert_eq!(world.ended_by(0), (EndedBy::Us, None));
    world.finish();
}

#[test]
fn rule_28_a_peer_without_a_tag_can_be_talked_to() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    let answer =
        invite.reply(StatusCode::OK, None).header(HeaderId::CONTACT, format_args!("<sip:old@{PEER}>"));
    world.peer_sends(0, answer.body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.answered(0);
    assert_eq!(tag(&world.expect(Method::ACK)), None);
    hang_up(&mut world, call);
}

#[test]
fn rule_44_media_before_the_answer_are_a_preview_of_it() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    for _ in 0..2 {
        world.peer_sends(0, World::reply(&invite, 183, "b").body(SDP, sdp(9000)).build().unwrap());
    }
    assert!(matches!(world.event(0), UaEvent::Ringing { status: StatusCode::SESSION_PROGRESS, .. }));
    let UaEvent::EarlyMedia { session, .. } = world.event(0) else { panic!() };
    assert_eq!(session.remote_rtp(), Some("192.0.2.99:9000".parse().unwrap()));
    assert!(matches!(world.event(0), UaEvent::Ringing { .. }));
    world.no_event(0);
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    assert!(world.expect(Method::ACK).body().is_empty());
    world.answered(0);
    hang_up(&mut world, call);
}

#[test]
fn rule_29_requests_take_the_recorded_route_of_the_2xx() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    let ringing =
        World::reply(&invite, 180, "b").header(HeaderId::RECORD_ROUTE, "<sip:192.0.2.99:5060;lr;old>");
    world.peer_sends(0, ringing.build().unwrap());
    let answer = World::reply(&invite, 200, "b")
        .header(HeaderId::RECORD_ROUTE, "<sip:far.example.com;lr>, <sip:192.0.2.99:5060;lr>");
    world.peer_sends(0, answer.body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    let ack = world.expect(Method::ACK);
    let routes: Vec<_> = ack.values(HeaderId::ROUTE).collect();
    assert_eq!(routes, [&b"<sip:192.0.2.99:5060;lr>"[..], b"<sip:far.example.com;lr>"]);
    hang_up(&mut world, call);
}

#[test]
fn rule_30_the_target_follows_re_invites_and_nothing_else() {
    let mut world = World::new(1);
    let (call, ok) = called(&mut world);
    let mut info = world.peer_within(&ok, "p", Method::INFO, 5).build().unwrap();
    info.push(HeaderId::CONTACT, "<sip:evil@192.0.2.66>").unwrap();
    world.peer_sends(0, info);
    assert_eq!(world.expect_final().status(), StatusCode::OK);
    let mut again =
        world.peer_within(&ok, "p", Method::INVITE, 6).body(SDP, sdp_with(9000, 1, "")).build().unwrap();
    again.push(HeaderId::CONTACT, "<sip:moved@192.0.2.99:5060;x>").unwrap();
    world.peer_sends(0, again);
    let answer = world.expect_final();
    assert_eq!(answer.status(), StatusCode::OK);
    let ack = world.peer_within(&ok, "p", Method::ACK, 6).build().unwrap();
    world.peer_sends(0, ack);
    // Nothing has changed, so nobody is told.
    world.no_event(0);
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    assert_eq!(world.expect(Method::BYE).uri_bytes(), b"sip:moved@192.0.2.99:5060;x");
    world.finish();
}

#[test]
fn rule_31_requests_that_come_out_of_order_are_refused() {
    let mut world = World::new(1);
    let (call, ok) = called(&mut world);
    let first = number(&ok);
    let late = world.peer_within(&ok, "p", Method::INFO, first - 1).build().unwrap();
    world.peer_sends(0, late);
    assert_eq!(world.expect_final().status(), StatusCode::SERVER_INTERNAL_ERROR);
    let gap = world.peer_within(&ok, "p", Method::INFO, first + 100).build().unwrap();
    world.peer_sends(0, gap);
    assert_eq!(world.expect_final().status(), StatusCode::OK);
    hang_up(&mut world, call);
}

#[test]
fn rule_34_the_owner_of_the_call_id_waits_longer_after_491() {
    let mut world = World::new(1);
    let (call, _, _) = calling(&mut world);
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let hold = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&hold, 491, "b").build().unwrap());
    world.expect(Method::ACK);
    world.run(2_050);
    assert!(world.mail.is_empty());
    world.run(2_000);
    let again = world.expect(Method::INVITE);
    assert_eq!(number(&again), number(&hold) + 1);
    assert_ne!(branch(&again), branch(&hold));
    let held = sdp_with(9000, 2, "a=recvonly\r\n");
    world.peer_sends(0, World::reply(&again, 200, "b").body(SDP, held).build().unwrap());
    assert!(world.changed(0).held_by_us);
    hang_up(&mut world, call);
}

#[test]
fn rule_34_the_other_side_waits_less() {
    let mut world = World::new(1);
    let (call, _) = called(&mut world);
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let hold = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&hold, 491, "p").build().unwrap());
    world.run(2_010);
    let again = world.expect(Method::INVITE);
    world.peer_sends(
        0,
        World::reply(&again, 200, "p").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n")).build().unwrap(),
    );
    assert!(world.changed(0).held_by_us);
    hang_up(&mut world, call);
}

#[test]
fn rule_34_a_second_invite_before_the_first_is_answered_gets_500() {
    let mut world = World::new(1);
    let invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    world.act(0, |ua, now| ua.ring(now, call));
    world.run(10);
    let ringing = world.last("180 INVITE");
    let second = world.peer_within(&ringing, "p", Method::INVITE, 7).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, second);
    let refusal = world.expect_final();
    assert_eq!(refusal.status(), StatusCode::SERVER_INTERNAL_ERROR);
    assert!(refusal.require::<RetryAfter<'_>>().unwrap().seconds <= 10);
    world.act(0, |ua, now| ua.reject(now, call, StatusCode::NOT_FOUND));
    world.finish();
}

#[test]
fn rule_34_an_invite_that_crosses_ours_gets_491() {
    let mut world = World::new(1);
    let (call, ok) = called(&mut world);
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let hold = world.expect(Method::INVITE);
    let theirs =
        world.peer_within(&ok, "p", Method::INVITE, 7).body(SDP, sdp_with(9000, 2, "")).build().unwrap();
    world.peer_sends(0, theirs);
    assert_eq!(world.expect_final().status(), StatusCode::REQUEST_PENDING);
    let update =
        world.peer_within(&ok, "p", Method::UPDATE, 8).body(SDP, sdp_with(9000, 2, "")).build().unwrap();
    world.peer_sends(0, update);
    assert_eq!(world.expect_final().status(), StatusCode::REQUEST_PENDING);
    world.peer_sends(
        0,
        World::reply(&hold, 200, "p").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n")).build().unwrap(),
    );
    assert!(world.changed(0).held_by_us);
    hang_up(&mut world, call);
}

#[test]
fn rule_35_a_refused_change_leaves_the_call_as_it_was() {
    let mut world = World::new(1);
    let (call, _, _) = calling(&mut world);
    let before = world.agents[0].ua.session(call);
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let hold = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&hold, 488, "b").build().unwrap());
    let UaEvent::ChangeRefused { status, .. } = world.event(0) else { panic!() };
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE_HERE);
    assert_eq!(world.agents[0].ua.session(call), before);
    // The next try counts the description on.
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let hold = world.expect(Method::INVITE);
    let offer = SessionDescription::parse(hold.body()).unwrap();
    assert_eq!(offer.media[0].direction(), Some(Direction::SendOnly));
    world.peer_sends(
        0,
        World::reply(&hold, 200, "b").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n")).build().unwrap(),
    );
    assert!(world.changed(0).held_by_us);
    hang_up(&mut world, call);
}

#[test]
fn rule_35_only_481_and_408_to_a_change_end_the_call() {
    for status in [481, 408] {
        let mut world = World::new(1);
        let (call, _, _) = calling(&mut world);
        world.act(0, |ua, now| ua.hold(now, call));
        world.run(10);
        let hold = world.expect(Method::INVITE);
        world.peer_sends(0, World::reply(&hold, status, "b").build().unwrap());
        // Rule 32: BYE all the same.
        world.expect(Method::BYE);
        assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(status)));
        world.finish();
    }
}

#[test]
fn rule_32_no_answer_to_a_change_ends_the_call() {
    let mut world = World::new(1);
    let (call, _, _) = calling(&mut world);
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(33_000);
    assert_eq!(world.ended_by(0), (EndedBy::Network, Some(408)));
    world.expect(Method::BYE);
    world.finish();
}

#[test]
fn rule_33_bye_before_the_answer_ends_the_invite_with_487() {
    let mut world = World::new(1);
    let invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    world.act(0, |ua, now| ua.ring(now, call));
    world.run(10);
    let ringing = world.last("180 INVITE");
    let bye = world.peer_within(&ringing, "p", Method::BYE, 8).build().unwrap();
    world.peer_sends(0, bye);
    assert_eq!((world.sent("200 BYE"), world.sent("487 INVITE")), (1, 1));
    assert_eq!(world.ended_by(0), (EndedBy::Peer, None));
    world.finish();
}

#[test]
fn rule_46_an_invite_without_offer_gets_one_and_needs_an_answer() {
    for answers in [true, false] {
        let mut world = World::new(1);
        let invite = world.peer_invite(0).build().unwrap();
        world.peer_sends(0, invite);
        let call = world.incoming(0);
        world.act(0, |ua, now| ua.answer(now, call, audio(0)));
        world.run(10);
        let ok = world.expect_final();
        let offer = SessionDescription::parse(ok.body()).unwrap();
        assert_eq!(offer.media[0].formats.len(), 3);
        let ack = world.peer_within(&ok, "p", Method::ACK, number(&ok));
        let ack = if answers { ack.body(SDP, sdp(9000)) } else { ack };
        world.peer_sends(0, ack.build().unwrap());
        if answers {
            world.answered(0);
            hang_up(&mut world, call);
        } else {
            world.expect(Method::BYE);
            assert_eq!(world.ended_by(0), (EndedBy::Us, None));
            world.finish();
        }
    }
}

#[test]
fn rule_46_a_re_invite_without_offer_gets_a_full_one() {
    let mut world = World::new(1);
    let invite = world.peer_invite(0).body(SDP, sdp(9000).replace("0 8 101", "8 101")).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    world.act(0, |ua, now| ua.answer(now, call, audio(0)));
    world.run(10);
    let ok = world.expect_final();
    let ack = world.peer_within(&ok, "p", Method::ACK, number(&ok)).build().unwrap();
    world.peer_sends(0, ack);
    let again = world.peer_within(&ok, "p", Method::INVITE, 7).build().unwrap();
    world.peer_sends(0, again);
    let offer = world.expect_final();
    assert_eq!(SessionDescription::parse(offer.body()).unwrap().media[0].formats.len(), 3);
    // While its answer is owed, another INVITE has to wait.
    let third = world.peer_within(&ok, "p", Method::INVITE, 8).build().unwrap();
    world.peer_sends(0, third);
    assert_eq!(world.expect_final().status(), StatusCode::REQUEST_PENDING);
    let ack = world.peer_within(&ok, "p", Method::ACK, 7).body(SDP, sdp_with(9010, 2, "")).build().unwrap();
    world.peer_sends(0, ack);
    assert_eq!(world.changed(0).remote_rtp(), Some("192.0.2.99:9010".parse().unwrap()));
    hang_up(&mut world, call);
}

#[test]
fn an_answer_that_is_none_ends_the_call_politely() {
    for body in ["", "v=0\r\nnonsense", "v=0\r\no=p 1 1 IN IP4 192.0.2.99\r\ns=-\r\nt=0 0\r\n"] {
        let mut world = World::new(1);
        world.call_peer(0);
        let invite = world.expect(Method::INVITE);
        let answer = World::reply(&invite, 200, "b");
        let answer = if body.is_empty() { answer } else { answer.body(SDP, body) };
        world.peer_sends(0, answer.build().unwrap());
        world.run(10);
        world.expect(Method::ACK);
        world.expect(Method::BYE);
        assert_eq!(world.ended_by(0), (EndedBy::Us, None), "{body}");
        world.finish();
    }
}

#[test]
fn update_changes_a_session_that_is_up() {
    let mut world = World::new(1);
    let (call, ok) = called(&mut world);
    let held = sdp_with(9000, 2, "a=sendonly\r\n");
    let update = world.peer_within(&ok, "p", Method::UPDATE, 7).body(SDP, held).build().unwrap();
    world.peer_sends(0, update);
    let answer = world.expect_final();
    let description = SessionDescription::parse(answer.body()).unwrap();
    assert_eq!(description.media[0].direction(), Some(Direction::RecvOnly));
    assert!(world.changed(0).held_by_them);
    let update = world.peer_within(&ok, "p", Method::UPDATE, 8).build().unwrap();
    world.peer_sends(0, update);
    assert_eq!(world.expect_final().status(), StatusCode::OK);
    world.no_event(0);
    hang_up(&mut world, call);
}

#[test]
fn rule_45_update_before_the_answer_has_to_wait_with_its_offer() {
    let mut world = World::new(1);
    let invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    world.act(0, |ua, now| ua.ring(now, call));
    let ringing = world.last("180 INVITE");
    let update = world.peer_within(&ringing, "p", Method::UPDATE, 7).body(SDP, sdp_with(9000, 2, ""));
    let update = update.build().unwrap();
    world.peer_sends(0, update);
    let refusal = world.expect_final();
    assert_eq!(refusal.status(), StatusCode::SERVER_INTERNAL_ERROR);
    assert!(refusal.has(HeaderId::RETRY_AFTER));
    world.act(0, |ua, now| ua.hangup(now, call));
    world.finish();
}

#[test]
fn rule_54_a_change_that_nothing_fits_is_refused_and_the_call_goes_on() {
    let mut world = World::new(1);
    let (call, ok) = called(&mut world);
    let odd = sdp_with(9000, 2, "").replace("RTP/AVP 0 8 101", "RTP/SAVP 0");
    let update = world.peer_within(&ok, "p", Method::INVITE, 7).body(SDP, odd).build().unwrap();
    world.peer_sends(0, update);
    let refusal = world.expect_final();
    assert_eq!(refusal.status(), StatusCode::NOT_ACCEPTABLE_HERE);
    assert!(refusal.has(HeaderId::WARNING));
    world.no_event(0);
    hang_up(&mut world, call);
}

#[test]
fn rule_23_requests_in_no_dialog_are_told_so() {
    let mut world = World::new(1);
    let (call, ok) = called(&mut world);
    for (wrong, method) in
        [("To", Method::BYE), ("Call-ID", Method::INFO), ("From", Method::BYE), ("To", Method::INVITE)]
    {
        let mut request = world.peer_within(&ok, "p", method, 9).build().unwrap();
        match wrong {
            "To" => request.set(HeaderId::TO, "<sip:user0@example.com>;tag=guess").unwrap(),
            "Call-ID" => request.set(HeaderId::CALL_ID, "guess").unwrap(),
            _ => request.set(HeaderId::FROM, "<sip:peer@example.com>;tag=guess").unwrap(),
        }
        world.peer_sends(0, request);
        assert_eq!(world.expect_final().status(), StatusCode::CALL_DOES_NOT_EXIST, "{wrong}");
    }
    // An ACK in no dialog is dropped (rule 16).
    let mut ack = world.peer_within(&ok, "p", Method::ACK, 9).build().unwrap();
    ack.set(HeaderId::CALL_ID, "guess").unwrap();
    let before = world.log.len();
    world.peer_sends(0, ack);
    assert_eq!(world.log.len(), before + 1);
    hang_up(&mut world, call);
}

#[test]
fn methods_within_a_call_get_proper_answers() {
    let mut world = World::new(1);
    let (call, ok) = called(&mut world);
    let expect = |world: &mut World, request: Request, status: u16| {
        let method = request.method().clone();
        world.peer_sends(0, request);
        let answer = world.expect_final();
        assert_eq!(answer.status().as_u16(), status, "{method}");
        answer
    };
    let odd = world.peer_within(&ok, "p", Method::INFO, 10).body("application/x-signal", "Signal=5");
    expect(&mut world, odd.build().unwrap(), 415);
    let package = world.peer_within(&ok, "p", Method::INFO, 11).header(HeaderId::INFO_PACKAGE, "x");
    expect(&mut world, package.build().unwrap(), 469);
    let prack = world.peer_within(&ok, "p", Method::PRACK, 12).build().unwrap();
    expect(&mut world, prack, 481);
    let publish = world.peer_within(&ok, "p", Method::PUBLISH, 12).build().unwrap();
    assert!(expect(&mut world, publish, 405).has(HeaderId::ALLOW));
    let odd = world.peer_within(&ok, "p", Method::new("DANCE").unwrap(), 13).build().unwrap();
    expect(&mut world, odd, 501);
    let options = world.peer_within(&ok, "p", Method::OPTIONS, 14).build().unwrap();
    assert!(expect(&mut world, options, 200).has(HeaderId::ACCEPT));
    let message = world.peer_within(&ok, "p", Method::MESSAGE, 15).body("text/plain", "hello");
    expect(&mut world, message.build().unwrap(), 200);
    let UaEvent::MessageReceived { body, call: within, .. } = world.event(0) else { panic!() };
    assert_eq!((&body[..], within), (&b"hello"[..], Some(call)));
    hang_up(&mut world, call);
}

#[test]
fn rule_16_the_ack_carries_the_credentials_of_its_invite() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    let challenge = "Digest realm=\"example.com\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";
    let refusal = World::reply(&invite, 407, "proxy").header(HeaderId::PROXY_AUTHENTICATE, challenge);
    world.peer_sends(0, refusal.build().unwrap());
    world.run(10);
    let again = world.expect(Method::INVITE);
    // Rule 24.
    assert_eq!(number(&again), number(&invite) + 1);
    assert_ne!(branch(&again), branch(&invite));
    for id in [HeaderId::CALL_ID, HeaderId::FROM, HeaderId::TO] {
        assert!(again.values(id).eq(invite.values(id)), "{}", id.name());
    }
    let credentials = again.values(HeaderId::PROXY_AUTHORIZATION).next().unwrap().to_vec();
    world.peer_sends(0, World::reply(&again, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.answered(0);
    let ack = world.expect(Method::ACK);
    assert_eq!(ack.values(HeaderId::PROXY_AUTHORIZATION).next(), Some(&credentials[..]));
    assert_eq!(number(&ack), number(&again));
    // Later requests carry credentials at once, with the next count.
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    let bye = world.expect(Method::BYE);
    let text = String::from_utf8(bye.values(HeaderId::PROXY_AUTHORIZATION).next().unwrap().to_vec()).unwrap();
    assert!(text.contains("nc=00000002"), "{text}");
    world.finish();
}

#[test]
fn rule_24_a_second_challenge_with_the_same_nonce_is_not_answered() {
    let mut world = World::new(1);
    world.call_peer(0);
    let challenge = "Digest realm=\"example.com\", nonce=\"n1\", qop=\"auth\"";
    for _ in 0..2 {
        let invite = world.expect(Method::INVITE);
        let refusal = World::reply(&invite, 401, "x").header(HeaderId::WWW_AUTHENTICATE, challenge);
        world.peer_sends(0, refusal.build().unwrap());
        world.run(10);
    }
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(401)));
    assert_eq!(world.sent("INVITE"), 2);
    world.finish();
}

#[test]
fn a_call_whose_caller_vanishes_can_still_be_ended() {
    let mut world = World::new(1);
    let (call, _) = called(&mut world);
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(40_000);
    assert_eq!(world.ended_by(0), (EndedBy::Us, None));
    assert_eq!(world.sent("BYE"), 11);
    world.finish();
    assert!(world.elapsed() > Duration::from_secs(40));
}

#[test]
fn from_carries_our_tag_and_to_none_in_the_first_invite() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    assert!(invite.require::<From<'_>>().unwrap().tag().is_some_and(|tag| tag.len() >= 16));
    assert_eq!(tag(&invite), None);
    assert!(
        invite.has(HeaderId::ALLOW) && invite.has(HeaderId::USER_AGENT) && invite.has(HeaderId::SUPPORTED)
    );
    world.act(0, |ua, now| ua.hangup(now, call));
    world.finish();
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(487)));
}

#[test]
fn a_change_in_progress_is_taken_back_when_the_call_ends() {
    let mut world = World::new(1);
    let (call, ok) = called(&mut world);
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let hold = world.expect(Method::INVITE);
    world.peer_sends(0, hold.reply(StatusCode::TRYING, None).build().unwrap());
    let bye = world.peer_within(&ok, "p", Method::BYE, 9).build().unwrap();
    world.peer_sends(0, bye);
    world.run(10);
    assert_eq!(world.ended_by(0), (EndedBy::Peer, None));
    world.expect(Method::CANCEL);
    world.finish();
}

#[test]
fn a_cancel_that_says_why_is_heard() {
    let mut world = World::new(1);
    let invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite.clone());
    world.incoming(0);
    let cancel = Request::builder(Method::CANCEL, invite.uri_bytes())
        .copy(&invite, HeaderId::VIA)
        .copy(&invite, HeaderId::FROM)
        .copy(&invite, HeaderId::TO)
        .copy(&invite, HeaderId::CALL_ID)
        .header(HeaderId::CSEQ, CSeq { number: number(&invite), method: Method::CANCEL })
        .header(HeaderId::REASON, "SIP;cause=200;text=\"Call completed elsewhere\"");
    world.peer_sends(0, cancel.build().unwrap());
    let ending = world.ended(0);
    assert_eq!(ending.to_string(), "by the peer: 487 Call completed elsewhere");
    // Rule 14: both answers carry the same tag.
    assert_eq!(tag(&world.last("200 CANCEL")), tag(&world.last("487 INVITE")));
    world.finish();
}

#[test]
fn a_late_copy_of_the_first_answer_does_no_harm() {
    let mut world = World::new(1);
    let (call, invite, _) = calling(&mut world);
    for round in 0..4u32 {
        world.act(0, |ua, now| if round % 2 == 0 { ua.hold(now, call) } else { ua.resume(now, call) });
        world.run(10);
        let change = world.expect(Method::INVITE);
        let direction = if round % 2 == 0 { "a=recvonly\r\n" } else { "" };
        let answer = World::reply(&change, 200, "b").body(SDP, sdp_with(9000, 2 + round, direction));
        world.peer_sends(0, answer.build().unwrap());
        world.changed(0);
    }
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.no_event(0);
    assert_eq!(world.sent("BYE"), 0);
    hang_up(&mut world, call);
}

#[test]
fn rule_33_bye_of_a_peer_that_may_not_send_it_ends_the_call_all_the_same() {
    let mut world = World::new(1);
    world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&invite, 180, "b").build().unwrap());
    let bye = world.peer_within(&invite, "b", Method::BYE, 1).build().unwrap();
    world.peer_sends(0, bye);
    assert_eq!(world.expect_final().status(), StatusCode::OK);
    world.ended(0);
    world.run(10);
    // And if it answers nevertheless, it is told to go.
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.expect(Method::ACK);
    world.expect(Method::BYE);
    world.finish();
}
