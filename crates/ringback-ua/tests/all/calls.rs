//! Calls between two user agents, from the first INVITE to the last BYE.

use crate::world::{Fate, World, audio};
use ringback_message::header::{CSeq, Contact};
use ringback_message::{HeaderId, StatusCode};
use ringback_sdp::{Codec, Direction};
use ringback_ua::{EndedBy, UaEvent};

#[test]
fn a_call_is_made_answered_and_hung_up() {
    let mut world = World::direct(2);
    let calling = world.call(0, 1);
    world.run(50);
    let UaEvent::Incoming(incoming) = world.event(1) else { panic!() };
    assert_eq!(incoming.from, "<sip:user0@example.com>");
    assert_eq!(incoming.offered.len(), 3);
    assert_eq!(world.agents[0].ua.call_id(calling), Some(incoming.call_id.as_str()));
    world.act(1, |ua, now| ua.ring(now, incoming.call));
    world.run(50);
    assert!(matches!(world.event(0), UaEvent::Ringing { status: StatusCode::RINGING, .. }));
    world.act(1, |ua, now| ua.answer(now, incoming.call, audio(1)));
    world.run(100);
    let (caller, callee) = (world.answered(0), world.answered(1));
    assert_eq!(caller.remote_rtp(), Some(audio(1).rtp));
    assert_eq!(callee.remote_rtp(), Some(audio(0).rtp));
    assert_eq!(caller.codec(), Some(&Codec::pcmu()));
    assert_eq!(caller.telephone_event(), Some(101));
    assert_eq!(caller.direction(), Direction::SendRecv);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.run(100);
    assert_eq!(world.ended_by(0), (EndedBy::Us, None));
    assert_eq!(world.ended_by(1), (EndedBy::Peer, None));
    assert_eq!(world.wire(), ["INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"]);
    world.finish();
}

#[test]
fn the_callee_can_hang_up_too_and_requests_count_up_on_each_side() {
    let mut world = World::direct(2);
    let (_, called) = world.up();
    world.act(1, |ua, now| ua.hangup(now, called));
    world.run(100);
    assert_eq!(world.ended_by(0), (EndedBy::Peer, None));
    assert_eq!(world.ended_by(1), (EndedBy::Us, None));
    world.finish();
}

#[test]
fn a_call_can_be_rejected() {
    let mut world = World::direct(2);
    world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.reject(now, called, StatusCode::BUSY_HERE));
    world.run(100);
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(486)));
    assert_eq!(world.ended_by(1), (EndedBy::Us, Some(486)));
    assert_eq!(world.wire(), ["INVITE", "486 INVITE", "ACK"]);
    world.finish();
}

#[test]
fn hanging_up_before_answering_declines() {
    let mut world = World::direct(2);
    world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.hangup(now, called));
    world.run(100);
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(603)));
    world.finish();
}

#[test]
fn a_call_that_nobody_answers_rings_on() {
    let mut world = World::direct(2);
    let calling = world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.ring(now, called));
    world.run(400_000);
    // RFC 3261 §13.3.1.1: a sign of life each minute.
    assert_eq!(world.sent("180 INVITE"), 7);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.run(100);
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(487)));
    world.finish();
}

#[test]
fn rule_13_cancel_waits_for_a_provisional() {
    let mut world = World::direct(2);
    let calling = world.call(0, 1);
    world.act(0, |ua, now| ua.hangup(now, calling));
    assert_eq!(world.wire(), ["INVITE"]);
    // The callee's 100 comes after 200 ms of silence.
    world.run(150);
    assert_eq!(world.sent("CANCEL"), 0);
    world.run(500);
    assert_eq!(world.wire(), ["INVITE", "100 INVITE", "CANCEL", "200 CANCEL", "487 INVITE", "ACK"]);
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(487)));
    assert_eq!(world.ended_by(1), (EndedBy::Peer, Some(487)));
    world.finish();
}

#[test]
fn rule_14_cancel_after_ringing_ends_both_sides_with_equal_tags() {
    let mut world = World::direct(2);
    let calling = world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.ring(now, called));
    world.run(50);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.run(500);
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(487)));
    assert_eq!(world.ended_by(1), (EndedBy::Peer, Some(487)));
    let tag = |name: &str| {
        let message = world.last(name);
        message.require::<ringback_message::header::To>().unwrap().tag().map(str::to_owned)
    };
    assert_eq!(tag("487 INVITE"), tag("180 INVITE"));
    assert_eq!(tag("487 INVITE"), tag("200 CANCEL"));
    world.finish();
}

#[test]
fn rule_15_a_cancel_that_crosses_the_answer_ends_in_ack_and_bye() {
    let mut world = World::direct(2);
    let calling = world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.ring(now, called));
    world.run(50);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.act(1, |ua, now| ua.answer(now, called, audio(1)));
    world.run(500);
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(487)));
    world.answered(1);
    assert_eq!(world.ended_by(1), (EndedBy::Peer, None));
    assert_eq!(
        world.wire(),
        ["INVITE", "180 INVITE", "CANCEL", "200 INVITE", "200 CANCEL", "ACK", "BYE", "200 BYE"]
    );
    world.finish();
}

#[test]
fn rule_26_the_answer_is_repeated_until_it_is_acknowledged() {
    let mut world = World::direct(2);
    let mut lost = 0;
    world.fate = Box::new(move |packet| {
        let is_ack = packet.name() == "ACK";
        lost += u32::from(is_ack);
        if is_ack && lost <= 4 { Fate::IsLost } else { Fate::Arrives }
    });
    world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    let before = world.now;
    world.act(1, |ua, now| ua.answer(now, called, audio(1)));
    // T1, 2·T1, 4·T1, then T2 = 8·T1: at 0, 0.5, 1.5, 3.5 and 7.5 s.
    for (until, copies) in [(400, 1), (600, 2), (1_600, 3), (3_600, 4), (7_600, 5), (31_000, 5)] {
        let passed = (world.now - before).as_millis() as u64;
        world.run(until - passed);
        assert_eq!(world.sent("200 INVITE"), copies, "after {until} ms");
    }
    // Every copy was acknowledged by the same ACK but for its branch.
    assert_eq!(world.sent("ACK"), 5);
    world.answered(0);
    world.no_event(0);
    world.act(1, |ua, now| ua.hangup(now, called));
    world.run(100);
    assert_eq!(world.ended_by(0), (EndedBy::Peer, None));
    world.finish();
}

#[test]
fn rule_26_without_any_ack_the_callee_gives_up_with_bye() {
    let mut world = World::direct(2);
    world.fate = Box::new(|packet| if packet.name() == "ACK" { Fate::IsLost } else { Fate::Arrives });
    world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.answer(now, called, audio(1)));
    world.run(31_900);
    assert_eq!(world.sent("BYE"), 0);
    world.run(300);
    assert_eq!(world.sent("BYE"), 1);
    assert_eq!(world.ended_by(1), (EndedBy::Network, None));
    assert_eq!(world.ended_by(0), (EndedBy::Peer, None));
    world.finish();
}

#[test]
fn who_answered_says_bye_only_after_the_ack() {
    let mut world = World::direct(2);
    world.fate = Box::new(|packet| match packet.name().as_str() {
        "ACK" => Fate::Takes(std::time::Duration::from_millis(200)),
        _ => Fate::Arrives,
    });
    world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.answer(now, called, audio(1)));
    world.run(50);
    world.act(1, |ua, now| ua.hangup(now, called));
    world.run(50);
    assert_eq!(world.sent("BYE"), 0);
    world.run(500);
    assert_eq!(world.sent("BYE"), 1);
    assert_eq!(world.ended_by(0), (EndedBy::Peer, None));
    world.finish();
}

#[test]
fn lost_answers_are_made_up_for() {
    let mut world = World::direct(2);
    let mut lost = 0;
    world.fate = Box::new(move |packet| {
        let is_answer = packet.name() == "200 INVITE";
        lost += u32::from(is_answer);
        if is_answer && lost <= 3 { Fate::IsLost } else { Fate::Arrives }
    });
    let calling = world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.answer(now, called, audio(1)));
    world.run(5_000);
    world.answered(0);
    assert_eq!(world.sent("ACK"), 1);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn rule_32_bye_that_crosses_bye_ends_both_sides_once() {
    let mut world = World::direct(2);
    let (calling, called) = world.up();
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.act(1, |ua, now| ua.hangup(now, called));
    world.run(100);
    assert_eq!((world.sent("BYE"), world.sent("200 BYE")), (2, 2));
    assert_eq!(world.ended_by(0), (EndedBy::Us, None));
    assert_eq!(world.ended_by(1), (EndedBy::Us, None));
    world.finish();
    world.no_event(0);
    world.no_event(1);
}

#[test]
fn rule_49_hold_and_resume_restore_each_side_separately() {
    let mut world = World::direct(2);
    let (calling, called) = world.up();
    world.act(0, |ua, now| ua.hold(now, calling));
    world.run(100);
    let (zero, one) = (world.changed(0), world.changed(1));
    assert_eq!((zero.held_by_us, zero.held_by_them, zero.direction()), (true, false, Direction::SendOnly));
    assert_eq!((one.held_by_us, one.held_by_them, one.direction()), (false, true, Direction::RecvOnly));
    // The other side holds as well.
    world.act(1, |ua, now| ua.hold(now, called));
    world.run(100);
    let (zero, one) = (world.changed(0), world.changed(1));
    assert_eq!((zero.held_by_us, zero.held_by_them, zero.direction()), (true, true, Direction::Inactive));
    assert_eq!((one.held_by_us, one.held_by_them), (true, true));
    // One resumes, and is still held.
    world.act(0, |ua, now| ua.resume(now, calling));
    world.run(100);
    let (zero, one) = (world.changed(0), world.changed(1));
    assert_eq!((zero.held_by_us, zero.held_by_them), (false, true));
    assert_eq!((one.held_by_us, one.held_by_them, one.direction()), (true, false, Direction::SendOnly));
    world.act(1, |ua, now| ua.resume(now, called));
    world.run(100);
    assert_eq!(world.changed(0).direction(), Direction::SendRecv);
    assert_eq!(world.changed(1).direction(), Direction::SendRecv);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn rule_47_the_version_of_the_description_counts_changes_only() {
    let mut world = World::direct(2);
    let (calling, _) = world.up();
    world.act(0, |ua, now| ua.hold(now, calling));
    world.run(100);
    world.act(0, |ua, now| ua.resume(now, calling));
    world.run(100);
    let origins: Vec<(String, u32)> = world
        .log
        .iter()
        .filter(|packet| packet.name() == "INVITE")
        .map(|packet| {
            let body = ringback_sdp::SessionDescription::parse(packet.message().body()).unwrap();
            let version = body.origin.session_version.as_str().parse().unwrap();
            (body.origin.session_id.as_str().to_owned(), version)
        })
        .collect();
    let versions: Vec<u32> = origins.iter().map(|(_, version)| *version).collect();
    assert_eq!(versions, [1, 2, 3]);
    assert!(origins.iter().all(|(id, _)| *id == origins[0].0));
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn rule_34_holds_that_cross_are_refused_and_tried_again() {
    let mut world = World::direct(2);
    let (calling, called) = world.up();
    world.act(0, |ua, now| ua.hold(now, calling));
    world.act(1, |ua, now| ua.hold(now, called));
    world.run(100);
    assert_eq!(world.sent("491 INVITE"), 2);
    world.run(2_000);
    // Who does not own the Call-ID waits for at most two seconds.
    let one = world.changed(1);
    assert!(one.held_by_us);
    // By then the caller's hold has gone with its answer, and it need not try again.
    world.run(5_000);
    assert_eq!(world.sent("INVITE"), 4);
    let session = world.agents[0].ua.session(calling).unwrap();
    assert!(session.held_by_us && session.held_by_them);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn rule_34_a_retry_is_dropped_when_nobody_needs_it_any_more() {
    let mut world = World::direct(2);
    let (calling, called) = world.up();
    world.act(0, |ua, now| ua.hold(now, calling));
    world.act(1, |ua, now| ua.hold(now, called));
    world.run(20);
    world.act(0, |ua, now| ua.resume(now, calling));
    world.act(1, |ua, now| ua.resume(now, called));
    world.run(10_000);
    assert_eq!(world.sent("INVITE"), 3);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn rule_46_the_answer_may_go_with_the_ack() {
    let mut world = World::direct(2);
    let account = world.agents[0].account;
    let calling = world.act(0, |ua, now| ua.call_without_offer(now, account, &World::uri(1), audio(0)));
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.answer(now, called, audio(1)));
    world.no_event(1);
    world.run(100);
    assert_eq!(world.answered(0).remote_rtp(), Some(audio(1).rtp));
    assert_eq!(world.answered(1).remote_rtp(), Some(audio(0).rtp));
    assert!(world.last("INVITE").body().is_empty());
    assert!(!world.last("ACK").body().is_empty());
    world.act(1, |ua, now| ua.hangup(now, called));
    world.run(100);
    world.ended(0);
    assert!(world.agents[0].ua.hangup(world.now, calling).is_err());
    world.finish();
}

#[test]
fn rule_54_an_offer_without_a_common_codec_is_refused_with_a_warning() {
    let mut world = World::direct(2);
    let account = world.agents[0].account;
    let odd = audio(0).codecs(vec![Codec::new(96, "opus", 48000).unwrap()]);
    world.act(0, |ua, now| ua.call(now, account, &World::uri(1), odd));
    world.run(100);
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(488)));
    world.no_event(1);
    assert!(world.last("488 INVITE").has(HeaderId::WARNING));
    // What fits the agent, but not the media that the application answers with.
    world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    let alaw = audio(1).codecs(vec![Codec::new(97, "iLBC", 8000).unwrap()]);
    world.act(1, |ua, now| ua.answer(now, called, alaw));
    world.run(100);
    assert_eq!(world.ended_by(1), (EndedBy::Us, Some(488)));
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(488)));
    world.finish();
}

#[test]
fn rule_4_a_peer_that_is_not_there_is_given_up_after_32_seconds() {
    let mut world = World::direct(1);
    world.call(0, 7);
    world.run(31_900);
    world.no_event(0);
    world.run(200);
    assert_eq!(world.ended_by(0), (EndedBy::Network, Some(408)));
    assert_eq!(world.sent("INVITE"), 7);
    world.finish();
}

#[test]
fn beyond_the_limit_a_call_is_busy_and_we_make_none() {
    let mut world = World::with(2, |_, config| config.max_calls = 1);
    for agent in &mut world.agents {
        let account = ringback_ua::Account::new(agent.ua.account(agent.account).unwrap().aor.clone());
        agent.ua.remove_account(agent.account);
        agent.account = agent.ua.add_account(account);
    }
    let (calling, _) = world.up();
    let account = world.agents[0].account;
    let (ua, now) = world.ua(0);
    assert!(ua.call(now, account, &World::uri(1), audio(0)).is_err());
    let mut third = world.peer_invite(1).build().unwrap();
    third.set_body(Some(crate::world::SDP), crate::world::sdp(9000)).unwrap();
    world.peer_sends(1, third);
    world.run(20);
    assert_eq!(world.expect_final().status(), StatusCode::BUSY_HERE);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn contacts_name_the_way_that_the_message_takes() {
    let mut world = World::direct(2);
    let account = world.agents[0].account;
    let uri = format!("{};transport=tcp", World::uri(1)).parse().unwrap();
    let calling = world.act(0, |ua, now| ua.call(now, account, &uri, audio(0)));
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.answer(now, called, audio(1)));
    world.run(100);
    let contact = |name: &str| {
        let message = world.last(name);
        message.require::<Contact>().unwrap().address().unwrap().uri.to_string()
    };
    assert_eq!(contact("INVITE"), "sip:user0@192.0.2.1:5060;transport=tcp");
    assert_eq!(contact("200 INVITE"), "sip:user1@192.0.2.2:5060;transport=tcp");
    assert!(world.log.iter().all(|packet| packet.protocol == ringback_ua::Protocol::Tcp));
    assert!(world.last("ACK").require::<CSeq>().unwrap().number < 1 << 31);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn a_call_can_be_given_up_while_its_name_is_being_resolved() {
    let mut world = World::direct(1);
    world.resolves = false;
    let account = world.agents[0].account;
    let call =
        world.act(0, |ua, now| ua.call(now, account, &"sip:bob@example.com".parse().unwrap(), audio(0)));
    world.act(0, |ua, now| ua.hangup(now, call));
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(487)));
    world.resolves = true;
    world.answer_questions();
    assert!(world.log.is_empty());
    world.finish();
}

#[test]
fn rule_36_under_sips_the_contact_is_sips() {
    let mut world = World::with(2, |index, config| {
        let address = format!("192.0.2.{}:5061", index + 1).parse().unwrap();
        config.transactions.locals.set(ringback_ua::Protocol::Tls, address);
        config.answers_anyone = true;
    });
    let account = ringback_ua::Account::new("sips:user0@example.com".parse().unwrap());
    let account = world.agents[0].ua.add_account(account);
    let call = world
        .act(0, |ua, now| ua.call(now, account, &"sips:user1@192.0.2.2:5060".parse().unwrap(), audio(0)));
    world.run(50);
    let called = world.incoming(1);
    world.act(1, |ua, now| ua.answer(now, called, audio(1)));
    world.run(10);
    for name in ["INVITE", "200 INVITE"] {
        let message = world.last(name);
        let contact = message.require::<Contact>().unwrap().address().unwrap().uri.to_string();
        assert!(contact.starts_with("sips:user"), "{contact}");
    }
    assert!(world.log.iter().all(|packet| packet.protocol == ringback_ua::Protocol::Tls));
    world.act(0, |ua, now| ua.hangup(now, call));
    world.finish();
}
