//! INFO (RFC 6086): packages that we do not have, and digits in the old ways, both sides.

use crate::world::{SDP, World, audio, field, sdp};
use ringback_message::{HeaderId, Message, Method, Request};
use ringback_ua::{EndedBy, UaEvent};
use std::time::Duration;

const RELAY: &str = "application/dtmf-relay";

fn info(
    world: &mut World,
    invite: &Request,
    number: u32,
    package: Option<&str>,
    body: (&str, &str),
) -> Message {
    let info = world.peer_within(invite, "b", Method::INFO, number);
    let info = match package {
        Some(package) => info.header(HeaderId::INFO_PACKAGE, package),
        None => info,
    };
    let info = if body.1.is_empty() { info } else { info.body(body.0, body.1.to_owned()) };
    world.peer_sends(0, info.build().unwrap());
    world.expect_final().into()
}

fn digits(world: &mut World) -> Vec<(char, u128)> {
    let events = world.agents[0].events.drain(..);
    let digit = |event| match event {
        UaEvent::Digit { digit, duration, .. } => Some((digit, duration.as_millis())),
        _ => None,
    };
    events.filter_map(digit).collect()
}

fn sent(world: &mut World) -> Option<u16> {
    let events = world.agents[0].events.drain(..);
    events.into_iter().find_map(|event| match event {
        UaEvent::DigitsSent { status, .. } => Some(status.as_u16()),
        _ => None,
    })
}

#[test]
fn packages_are_refused_by_name_and_none_is_welcome() {
    let mut world = World::new(1);
    let (call, invite) = world.peer_up();
    assert!(invite.has(HeaderId::RECV_INFO) && field(&invite, HeaderId::RECV_INFO).is_empty());
    let refused = info(&mut world, &invite, 1, Some("conference"), (RELAY, "Signal=1\r\n"));
    assert_eq!(refused.status().unwrap().as_u16(), 469);
    assert!(refused.has(HeaderId::RECV_INFO) && field(&refused, HeaderId::RECV_INFO).is_empty());
    assert_eq!(digits(&mut world), []);
    // Without a package an empty one is a sign of life, and what is unknown says what would do.
    let ok = info(&mut world, &invite, 2, None, ("", ""));
    assert_eq!(ok.status().unwrap().as_u16(), 200);
    let refused = info(&mut world, &invite, 3, None, ("application/x-power", "on"));
    assert_eq!(refused.status().unwrap().as_u16(), 415);
    assert!(field(&refused, HeaderId::ACCEPT).concat().contains(RELAY));
    world.end_with_peer(call);
}

#[test]
fn digits_of_the_peer_are_told_in_both_ways() {
    let mut world = World::new(1);
    let (call, invite) = world.peer_up();
    for (number, (body, status)) in [
        ((RELAY, "Signal=5\r\nDuration=160\r\n"), 200),
        (("application/dtmf", "#"), 200),
        (("Application/DTMF-Relay", "signal= 10\nduration= 80\n"), 200),
        ((RELAY, "Signal=x\r\n"), 400),
    ]
    .into_iter()
    .enumerate()
    {
        let response = info(&mut world, &invite, number as u32 + 1, None, body);
        assert_eq!(response.status().unwrap().as_u16(), status, "{body:?}");
    }
    assert_eq!(digits(&mut world), [('5', 160), ('#', 250), ('*', 80)]);
    world.end_with_peer(call);
}

#[test]
fn our_digits_go_one_after_the_other() {
    let mut world = World::new(1);
    let (call, _) = world.peer_up();
    world.act(0, |ua, now| ua.send_digits(now, call, "1*", Duration::from_millis(120)));
    world.run(10);
    let first = world.expect(Method::INFO);
    assert_eq!(field(&first, HeaderId::CONTENT_TYPE), [RELAY]);
    assert_eq!(first.body().as_ref(), b"Signal=1\r\nDuration=120\r\n");
    assert_eq!((world.sent("INFO"), sent(&mut world)), (1, None));
    world.peer_sends(0, World::reply(&first, 200, "b").build().unwrap());
    let second = world.expect(Method::INFO);
    assert_eq!(second.body().as_ref(), b"Signal=*\r\nDuration=120\r\n");
    world.peer_sends(0, World::reply(&second, 200, "b").build().unwrap());
    assert_eq!(sent(&mut world), Some(200));
    // What is no digit, and what nobody dials ahead.
    let (ua, now) = world.ua(0);
    assert!(ua.send_digits(now, call, "1x", Duration::from_millis(120)).is_err());
    assert!(ua.send_digits(now, call, &"1".repeat(65), Duration::from_millis(120)).is_err());
    world.end_with_peer(call);
}

#[test]
fn a_peer_that_takes_the_digit_alone_gets_it_so_and_one_that_takes_none_ends_it() {
    let mut world = World::new(1);
    let (call, _) = world.peer_up();
    world.act(0, |ua, now| ua.send_digits(now, call, "12", Duration::from_millis(120)));
    world.run(10);
    let refused = world.expect(Method::INFO);
    world.peer_sends(0, World::reply(&refused, 415, "b").build().unwrap());
    let again = world.expect(Method::INFO);
    assert_eq!(field(&again, HeaderId::CONTENT_TYPE), ["application/dtmf"]);
    assert_eq!(again.body().as_ref(), b"1");
    world.peer_sends(0, World::reply(&again, 405, "b").build().unwrap());
    assert_eq!((sent(&mut world), world.sent("INFO")), (Some(405), 2));
    world.end_with_peer(call);
}

#[test]
fn rule_32_a_peer_that_knows_nothing_of_the_call_ends_it_by_its_answer_to_info() {
    for status in [Some(481), Some(408), None] {
        let mut world = World::new(1);
        let (call, _) = world.peer_up();
        world.act(0, |ua, now| ua.send_digits(now, call, "1", Duration::from_millis(120)));
        world.run(10);
        let info = world.expect(Method::INFO);
        match status {
            Some(status) => world.peer_sends(0, World::reply(&info, status, "b").build().unwrap()),
            None => world.run(33_000),
        }
        let by = if status.is_some() { EndedBy::Peer } else { EndedBy::Network };
        assert_eq!(world.ended(0).by, by);
        assert!(world.sent("BYE") > 0);
        world.run(40_000);
        world.finish();
    }
}

#[test]
fn digits_wait_for_the_ack() {
    let mut world = World::new(1);
    let invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, invite);
    let call = world.incoming(0);
    let (ua, now) = world.ua(0);
    assert!(ua.send_digits(now, call, "1", Duration::from_millis(120)).is_err());
    world.act(0, |ua, now| ua.answer(now, call, audio(0)));
    world.act(0, |ua, now| ua.send_digits(now, call, "1", Duration::from_millis(120)));
    world.run(10);
    assert_eq!(world.sent("INFO"), 0);
    let ok = world.last("200 INVITE");
    let ack = world.peer_within(&ok, "p", Method::ACK, 1).build().unwrap();
    world.peer_sends(0, ack);
    let info = world.expect(Method::INFO);
    world.peer_sends(0, World::reply(&info, 200, "x").build().unwrap());
    world.end_with_peer(call);
}
