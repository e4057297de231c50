//! Our address changes: registrations, calls that are up and calls that ring, with a peer that is led by hand.

use crate::world::{SDP, World, audio, field, sdp};
use ringback_message::{HeaderId, Message, Method, Request, StatusCode};
use ringback_ua::{CallKey, EndedBy, UaEvent};
use std::net::IpAddr;

const NEW: &str = "198.51.100.9";

fn moves(world: &mut World, from: &str, to: &str) {
    let [from, to]: [IpAddr; 2] = [from, to].map(|ip| ip.parse().unwrap());
    world.act(0, |ua, now| -> Result<(), ()> {
        ua.moved(now, from, to);
        Ok(())
    });
    world.run(10);
}

fn goes_to_wifi(world: &mut World) {
    moves(world, "192.0.2.1", NEW);
}

fn contact(message: &Message) -> String {
    field(message, HeaderId::CONTACT).concat()
}

fn text(request: &Request) -> String {
    String::from_utf8(request.body().to_vec()).unwrap()
}

/// A call of ours that is up.
fn up(world: &mut World) -> CallKey {
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    let ok = World::reply(&invite, 200, "b").header(HeaderId::ALLOW, "INVITE, ACK, BYE, UPDATE");
    world.peer_sends(0, ok.body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.answered(0);
    world.mail.clear();
    call
}

fn accept(world: &mut World, invite: &Request) {
    world.peer_sends(0, World::reply(invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    world.run(10);
    world.expect(Method::ACK);
}

fn hang_up(world: &mut World, call: CallKey) {
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    let bye = world.expect(Method::BYE);
    world.peer_sends(0, World::reply(&bye, 200, "b").build().unwrap());
    world.ended(0);
    world.finish();
}

#[test]
fn a_call_that_is_up_goes_on_from_the_new_address() {
    let mut world = World::new(1);
    let call = up(&mut world);
    goes_to_wifi(&mut world);
    let invite = world.expect(Method::INVITE);
    assert_eq!(contact(&invite), format!("<sip:user0@{NEW}:5060>"));
    assert!(field(&invite, HeaderId::VIA)[0].contains(NEW));
    let sdp = text(&invite);
    assert!(sdp.contains(&format!("c=IN IP4 {NEW}")), "{sdp}");
    assert!(sdp.lines().any(|line| line.starts_with("o=") && line.ends_with("192.0.2.1")), "{sdp}");
    accept(&mut world, &invite);
    // Once is enough, and nothing has changed for the user.
    world.run(5_000);
    assert!(world.mail.is_empty());
    world.no_event(0);
    hang_up(&mut world, call);
}

#[test]
fn rule_34_glare_puts_the_news_off() {
    let mut world = World::new(1);
    let call = up(&mut world);
    goes_to_wifi(&mut world);
    let first = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&first, 491, "b").build().unwrap());
    world.run(2_000);
    world.mail.clear();
    world.run(2_100);
    let second = world.expect(Method::INVITE);
    assert!(text(&second).contains(&format!("c=IN IP4 {NEW}")));
    accept(&mut world, &second);
    hang_up(&mut world, call);
}

#[test]
fn rule_32_a_peer_that_is_gone_ends_the_call() {
    for status in [481, 408] {
        let mut world = World::new(1);
        up(&mut world);
        goes_to_wifi(&mut world);
        let invite = world.expect(Method::INVITE);
        world.peer_sends(0, World::reply(&invite, status, "b").build().unwrap());
        world.run(10);
        assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(status)));
        let bye = world.expect_newest(Method::BYE);
        world.peer_sends(0, World::reply(&bye, 481, "b").build().unwrap());
        world.finish();
    }
}

#[test]
fn a_peer_that_does_not_want_the_news_is_not_asked_for_ever() {
    let mut world = World::new(1);
    let call = up(&mut world);
    goes_to_wifi(&mut world);
    let invite = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&invite, 488, "b").build().unwrap());
    world.run(10);
    assert!(matches!(world.event(0), UaEvent::ChangeRefused { .. }));
    world.mail.clear();
    world.run(60_000);
    assert!(world.mail.is_empty());
    hang_up(&mut world, call);
}

#[test]
fn who_rings_here_is_answered_from_the_new_address() {
    let mut world = World::new(1);
    let invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    goes_to_wifi(&mut world);
    world.act(0, |ua, now| ua.answer(now, call, audio(0)));
    world.run(10);
    let ok = world.expect_final();
    assert!(contact(&ok).contains(NEW), "{ok:?}");
    let number = ok.require::<ringback_message::header::CSeq>().unwrap().number;
    let ack = world.peer_within(&ok, "p", Method::ACK, number).build().unwrap();
    world.peer_sends(0, ack);
    world.run(10);
    world.answered(0);
    world.mail.clear();
    hang_up(&mut world, call);
}

#[test]
fn a_call_without_an_answer_is_cancelled() {
    let mut world = World::new(1);
    world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&invite, 180, "b").build().unwrap());
    world.run(10);
    world.event(0);
    goes_to_wifi(&mut world);
    let cancel = world.expect(Method::CANCEL);
    assert_eq!(field(&cancel, HeaderId::VIA)[0], field(&invite, HeaderId::VIA)[0], "it matches the INVITE");
    world.peer_sends(0, World::reply(&cancel, 200, "b").build().unwrap());
    // What was sent to the old address may come all the same.
    world.peer_sends(0, World::reply(&invite, 487, "b").build().unwrap());
    world.run(10);
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(487)));
    world.finish();
}

fn register(world: &mut World) -> Request {
    let account = world.agents[0].account;
    world.act(0, |ua, now| ua.register(now, account));
    world.run(10);
    world.expect_newest(Method::REGISTER)
}

/// Accepts a REGISTER that is seen to come from there.
fn registered(world: &mut World, request: &Request, seen: Option<&str>) {
    let via = field(request, HeaderId::VIA).concat();
    let contact = field(request, HeaderId::CONTACT).remove(0);
    let ok = request.reply(StatusCode::OK, Some("r"));
    let uri = contact.split('>').next().unwrap();
    let mut ok = ok.header(HeaderId::CONTACT, format_args!("{uri}>;expires=600")).build().unwrap();
    if let Some((ip, port)) = seen.and_then(|seen| seen.split_once(':')) {
        let via = via.replace(";rport", &format!(";rport={port};received={ip}"));
        ok.replace_front(HeaderId::VIA, &via).unwrap();
    }
    world.peer_sends(0, ok);
    world.run(10);
}

fn unregister(world: &mut World) {
    world.agents[0].events.clear();
    world.mail.clear();
    let account = world.agents[0].account;
    world.act(0, |ua, now| ua.unregister(now, account));
    world.run(10);
    let request = world.expect_newest(Method::REGISTER);
    registered(world, &request, None);
    world.event(0);
    world.finish();
}

#[test]
fn a_registration_moves_and_takes_the_old_binding_back() {
    let mut world = World::new(1);
    let first = register(&mut world);
    registered(&mut world, &first, None);
    goes_to_wifi(&mut world);
    let second = world.expect_newest(Method::REGISTER);
    let [new, old] = &field(&second, HeaderId::CONTACT)[..] else { panic!("{second:?}") };
    assert!(new.starts_with(&format!("<sip:user0@{NEW}:5060>;")) && new.ends_with(";expires=3600"), "{new}");
    assert_eq!(old, "<sip:user0@192.0.2.1:5060>;expires=0");
    assert_eq!(field(&second, HeaderId::CALL_ID), field(&first, HeaderId::CALL_ID));
    registered(&mut world, &second, None);
    unregister(&mut world);
}

#[test]
fn a_registration_in_flight_is_waited_for_and_then_moved() {
    let mut world = World::new(1);
    let first = register(&mut world);
    goes_to_wifi(&mut world);
    // RFC 3261 §10.2: not before the one in flight has come to an end.
    assert!(world.mail.is_empty());
    registered(&mut world, &first, None);
    let second = world.expect_newest(Method::REGISTER);
    assert_eq!(field(&second, HeaderId::CONTACT).len(), 2, "{second:?}");
    assert!(contact(&second).contains(NEW));
    registered(&mut world, &second, None);
    unregister(&mut world);
}

#[test]
fn rfc_3311_a_nat_that_maps_us_elsewhere_is_told_by_update() {
    let mut world = World::new(1);
    let first = register(&mut world);
    registered(&mut world, &first, Some("198.51.100.7:40000"));
    let second = world.expect_newest(Method::REGISTER);
    registered(&mut world, &second, Some("198.51.100.7:40000"));
    world.agents[0].events.clear();
    let call = up(&mut world);
    world.run(490_000);
    let third = world.expect_newest(Method::REGISTER);
    registered(&mut world, &third, Some("198.51.100.7:41111"));
    let fourth = world.expect_newest(Method::REGISTER);
    assert!(world.sent("UPDATE") == 0, "the registrar comes first");
    registered(&mut world, &fourth, Some("198.51.100.7:41111"));
    let update = world.expect_newest(Method::UPDATE);
    assert_eq!(contact(&update), "<sip:user0@198.51.100.7:41111>");
    assert!(update.body().is_empty());
    world.peer_sends(0, World::reply(&update, 200, "b").build().unwrap());
    world.run(10);
    world.agents[0].events.clear();
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    let bye = world.expect_newest(Method::BYE);
    world.peer_sends(0, World::reply(&bye, 200, "b").build().unwrap());
    unregister(&mut world);
}

#[test]
fn rfc_3261_8_3_a_call_is_redirected() {
    let mut world = World::new(1);
    let invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    let target = "sip:carol@example.com".parse().unwrap();
    world.act(0, |ua, now| ua.redirect(now, call, &target));
    world.run(10);
    let moved = world.expect_final();
    assert_eq!((moved.status().as_u16(), contact(&moved).as_str()), (302, "<sip:carol@example.com>"));
    assert_eq!(world.ended_by(0), (EndedBy::Us, Some(302)));
}
