//! Session timers (RFC 4028), both roles, with a peer that is led by hand.

use crate::world::{Fate, SDP, World, audio, branch, sdp, sdp_with};
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Message, Method, Request, Response};
use ringback_sdp::SessionDescription;
use ringback_ua::{CallKey, EndedBy, UaConfig};

fn number(message: &Message) -> u32 {
    message.require::<CSeq>().unwrap().number
}

fn field(message: &Message, id: HeaderId) -> Option<String> {
    message.values(id).next().map(|value| String::from_utf8_lossy(value).into_owned())
}

fn lists(message: &Message, id: HeaderId, what: &str) -> bool {
    message.values(id).any(|value| value == what.as_bytes())
}

fn expires(message: &Message) -> Option<String> {
    field(message, HeaderId::SESSION_EXPIRES)
}

fn with(seconds: Option<u32>) -> World {
    World::with(1, |_, config: &mut UaConfig| config.session_expires = seconds)
}

/// A call of agent 0 that the peer answers with these fields.
fn calling(world: &mut World, fields: &[(HeaderId, &str)]) -> (CallKey, Request) {
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    let mut ok = World::reply(&invite, 200, "b");
    for (id, value) in fields {
        ok = ok.header(*id, *value);
    }
    world.peer_sends(0, ok.body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.answered(0);
    (call, invite)
}

/// A call of the peer with these fields that agent 0 answers; the 200.
fn called(world: &mut World, fields: &[(HeaderId, &str)]) -> (CallKey, Response) {
    let mut invite = world.peer_invite(0);
    for (id, value) in fields {
        invite = invite.header(*id, *value);
    }
    world.peer_sends(0, invite.body(SDP, sdp(9000)).build().unwrap());
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
fn rule_41_the_caller_refreshes_by_update_at_half_time() {
    let mut world = with(Some(200));
    let fields = [(HeaderId::SESSION_EXPIRES, "100;refresher=uac"), (HeaderId::ALLOW, "INVITE, UPDATE, BYE")];
    let (call, invite) = calling(&mut world, &fields);
    assert_eq!(expires(&invite).as_deref(), Some("200"));
    assert!(lists(&invite, HeaderId::SUPPORTED, "timer"));
    for _ in 0..3 {
        world.run(49_900);
        assert!(world.mail.iter().all(|message| message.method() != Some(&Method::UPDATE)));
        world.run(200);
        let update = world.expect(Method::UPDATE);
        assert!(update.body().is_empty() && update.has(HeaderId::CONTACT));
        assert_eq!(expires(&update).as_deref(), Some("100;refresher=uac"));
        let ok = World::reply(&update, 200, "b").header(HeaderId::SESSION_EXPIRES, "100;refresher=uac");
        world.peer_sends(0, ok.build().unwrap());
    }
    hang_up(&mut world, call);
}

#[test]
fn rule_41_without_update_a_reinvite_refreshes_and_leaves_the_description_alone() {
    let mut world = with(Some(200));
    let fields = [(HeaderId::SESSION_EXPIRES, "100;refresher=uac"), (HeaderId::ALLOW, "INVITE, BYE")];
    let (call, invite) = calling(&mut world, &fields);
    world.run(50_100);
    let refresh = world.expect_newest(Method::INVITE);
    let origin = |request: &Request| SessionDescription::parse(request.body()).unwrap().origin;
    assert_eq!(origin(&refresh), origin(&invite));
    assert_eq!(expires(&refresh).as_deref(), Some("100;refresher=uac"));
    let ok = World::reply(&refresh, 200, "b").header(HeaderId::SESSION_EXPIRES, "100;refresher=uac");
    world.peer_sends(0, ok.body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.expect(Method::ACK);
    world.no_event(0);
    hang_up(&mut world, call);
}

#[test]
fn rule_41_the_callee_repeats_its_answer_in_a_refreshing_reinvite() {
    let mut world = with(Some(100));
    let fields = [(HeaderId::SUPPORTED, "timer"), (HeaderId::SESSION_EXPIRES, "100;refresher=uas")];
    let (call, ok) = called(&mut world, &fields);
    world.run(50_100);
    let refresh = world.expect_newest(Method::INVITE);
    assert_eq!(refresh.body(), ok.body());
    assert_eq!(expires(&refresh).as_deref(), Some("100;refresher=uac"));
    let answer = World::reply(&refresh, 200, "x").header(HeaderId::SESSION_EXPIRES, "100;refresher=uac");
    let answer = answer.body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, answer);
    world.run(10);
    hang_up(&mut world, call);
}

#[test]
fn rule_41_who_refreshes_is_chosen_as_table_2_says_and_the_time_never_raised() {
    let supported = (HeaderId::SUPPORTED, "timer");
    let asked = |value| (HeaderId::SESSION_EXPIRES, value);
    for (ours, fields, expected, required) in [
        (Some(1800), vec![supported, asked("600")], Some("600;refresher=uac"), true),
        (Some(1800), vec![supported, asked("600;refresher=uas")], Some("600;refresher=uas"), false),
        (Some(1800), vec![supported, asked("600;refresher=uac")], Some("600;refresher=uac"), true),
        (Some(300), vec![supported, asked("600")], Some("300;refresher=uac"), true),
        (
            Some(300),
            vec![supported, asked("600"), (HeaderId::MIN_SE, "400")],
            Some("400;refresher=uac"),
            true,
        ),
        (Some(300), vec![supported], Some("300;refresher=uac"), true),
        // A proxy on the way asks for it, and the caller knows nothing.
        (Some(1800), vec![asked("600")], Some("600;refresher=uas"), false),
        (None, vec![asked("600")], Some("600;refresher=uas"), false),
        (None, vec![supported], None, false),
        (Some(1800), vec![], None, false),
    ] {
        let mut world = with(ours);
        let (call, ok) = called(&mut world, &fields);
        assert_eq!(expires(&ok).as_deref(), expected, "{fields:?}");
        assert_eq!(ok.has(HeaderId::REQUIRE), required, "{fields:?}");
        hang_up(&mut world, call);
    }
}

#[test]
fn rule_41_too_short_a_session_is_refused_with_what_would_do() {
    let mut world = with(Some(1800));
    let invite = world.peer_invite(0).header(HeaderId::SUPPORTED, "timer");
    let invite = invite.header(HeaderId::SESSION_EXPIRES, "60").body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let refused = world.expect_final();
    assert_eq!(refused.status().as_u16(), 422);
    assert_eq!(field(&refused, HeaderId::MIN_SE).as_deref(), Some("90"));
    world.no_event(0);
    world.finish();
}

#[test]
fn rule_41_a_422_raises_both_fields_in_the_same_call_and_only_once() {
    let mut world = with(Some(100));
    world.call_peer(0);
    let first = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&first, 422, "b").header(HeaderId::MIN_SE, 500u32).build().unwrap());
    world.run(10);
    let second = world.expect(Method::INVITE);
    assert_eq!(field(&second, HeaderId::CALL_ID), field(&first, HeaderId::CALL_ID));
    assert_eq!(field(&second, HeaderId::FROM), field(&first, HeaderId::FROM));
    assert_eq!(field(&second, HeaderId::TO), field(&first, HeaderId::TO));
    assert!(number(&second) > number(&first) && branch(&second) != branch(&first));
    assert_eq!(
        (expires(&second).as_deref(), field(&second, HeaderId::MIN_SE).as_deref()),
        (Some("500"), Some("500"))
    );
    assert_eq!(second.body(), first.body());
    world.peer_sends(0, World::reply(&second, 422, "b").header(HeaderId::MIN_SE, 900u32).build().unwrap());
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(422)));
    world.finish();
}

#[test]
fn rule_41_a_peer_that_gives_no_sign_of_life_is_taken_for_gone() {
    // 100 s less a third, which is more than 32 s.
    for (interval, after) in [("100", 68_000u64), ("90", 60_000)] {
        let mut world = with(Some(200));
        let value = format!("{interval};refresher=uas");
        calling(&mut world, &[(HeaderId::SESSION_EXPIRES, value.as_str())]);
        world.run(after - 100);
        world.no_event(0);
        world.run(200);
        assert_eq!(world.ended_by(0), (EndedBy::Network, None));
        let bye = world.expect(Method::BYE);
        world.peer_sends(0, World::reply(&bye, 200, "b").build().unwrap());
        world.finish();
    }
}

#[test]
fn rule_41_refreshes_of_the_peer_keep_the_call_alive() {
    let mut world = with(Some(200));
    let fields = [(HeaderId::SUPPORTED, "timer"), (HeaderId::SESSION_EXPIRES, "100;refresher=uac")];
    let (call, ok) = called(&mut world, &fields);
    for refresh in 0..4 {
        world.run(50_000);
        let update = world
            .peer_within(&ok, "p", Method::UPDATE, 10 + refresh)
            .header(HeaderId::SUPPORTED, "timer")
            .header(HeaderId::SESSION_EXPIRES, "100;refresher=uac");
        world.peer_sends(0, update.build().unwrap());
        world.run(10);
        assert_eq!(expires(&world.last("200 UPDATE")).as_deref(), Some("100;refresher=uac"));
    }
    world.no_event(0);
    hang_up(&mut world, call);
}

#[test]
fn rule_41_glare_and_refusals_of_a_refresh_do_not_end_the_call_but_481_does() {
    for (status, ends) in [(491u16, false), (500, false), (488, false), (405, false), (481, true)] {
        let mut world = with(Some(200));
        let fields = [(HeaderId::SESSION_EXPIRES, "100;refresher=uac"), (HeaderId::ALLOW, "UPDATE")];
        let (call, _) = calling(&mut world, &fields);
        world.run(50_100);
        let update = world.expect(Method::UPDATE);
        world.peer_sends(0, World::reply(&update, status, "b").build().unwrap());
        world.run(5_000);
        if ends {
            assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(481)));
            let bye = world.expect(Method::BYE);
            world.peer_sends(0, World::reply(&bye, 481, "b").build().unwrap());
            world.finish();
            continue;
        }
        world.no_event(0);
        match status {
            491 | 500 => drop(world.expect(Method::UPDATE)),
            405 => drop(world.expect(Method::INVITE)),
            _ => {}
        }
        // Without success it ends when its time is over.
        world.run(60_000);
        assert_eq!(world.ended(0).by, EndedBy::Network, "{status}");
        let _ = call;
        world.finish();
    }
}

#[test]
fn rule_41_both_sides_may_refresh_at_once_and_hold_goes_along() {
    let mut world = World::with(2, |_, config| config.session_expires = Some(90));
    for (index, agent) in world.agents.iter_mut().enumerate() {
        agent.ua.remove_account(agent.account);
        let account = ringback_ua::Account::new(format!("sip:user{index}@example.com").parse().unwrap());
        agent.account = agent.ua.add_account(account);
    }
    let (calling, called) = world.up();
    let mut lost = 0;
    world.fate = Box::new(move |packet| {
        lost += 1;
        if packet.name() == "200 UPDATE" && lost % 3 == 0 { Fate::IsLost } else { Fate::Arrives }
    });
    for round in 0..6 {
        // Just before the refresh is due.
        world.run(44_900);
        match round % 2 {
            0 => world.act(1, |ua, now| ua.hold(now, called)),
            _ => world.act(1, |ua, now| ua.resume(now, called)),
        }
        world.run(3_000);
        assert_eq!(world.changed(0).held_by_them, round % 2 == 0);
    }
    world.run(600_000);
    world.no_event(0);
    assert!(world.sent("UPDATE") >= 10);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn rule_41_a_change_of_the_session_counts_as_a_sign_of_life() {
    let mut world = with(Some(200));
    let fields = [(HeaderId::SESSION_EXPIRES, "100;refresher=uac"), (HeaderId::ALLOW, "UPDATE")];
    let (call, _) = calling(&mut world, &fields);
    world.run(30_000);
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let hold = world.expect(Method::INVITE);
    assert_eq!(expires(&hold).as_deref(), Some("100;refresher=uac"));
    let ok = World::reply(&hold, 200, "b").header(HeaderId::SESSION_EXPIRES, "100;refresher=uac");
    world.peer_sends(0, ok.body(SDP, sdp_with(9000, 2, "a=recvonly\r\n")).build().unwrap());
    world.changed(0);
    let before = world.sent("UPDATE");
    world.run(40_000);
    assert_eq!(world.sent("UPDATE"), before);
    world.run(11_000);
    let update = world.expect(Method::UPDATE);
    world.peer_sends(0, World::reply(&update, 200, "b").build().unwrap());
    // A 2xx without Session-Expires means that there is no timer any more.
    world.run(400_000);
    world.no_event(0);
    hang_up(&mut world, call);
}

/// A day of talk takes no time on the virtual clock, every sign of life is where it should be, and the same day again is the
/// same to the octet.
#[test]
fn rule_60_a_day_on_the_virtual_clock_is_the_same_each_time() {
    let day = || {
        let mut world = World::direct(2);
        let (calling, _) = world.up();
        world.run(86_400_000);
        world.act(0, |ua, now| ua.hangup(now, calling));
        world.run(100);
        world.ended(1);
        world.finish();
        world.log.iter().map(|packet| packet.bytes.clone()).collect::<Vec<_>>()
    };
    let wire = day();
    let updates = wire.iter().filter(|bytes| bytes.starts_with(b"UPDATE")).count();
    // Half an hour lasts a session, and a sign of life comes at half time.
    assert!((95..=96).contains(&updates), "{updates}");
    assert_eq!(wire, day());
}
