//! Messages within a call (RFC 3428 §4).

use crate::world::{Fate, World, audio, field};
use ringback_message::{HeaderId, Method};
use ringback_ua::{CallKey, CommandError, EndedBy, UaEvent};

fn write(world: &mut World, call: CallKey, text: &str) -> u64 {
    let text = text.to_owned();
    let number = world.act(0, |ua, now| ua.message_in_call(now, call, "text/plain", text));
    world.run(10);
    number
}

fn sent(world: &mut World) -> Vec<(u64, u16)> {
    let events = world.agents[0].events.drain(..);
    let sent = |event| match event {
        UaEvent::MessageSent { number, status, .. } => Some((number, status.as_u16())),
        _ => None,
    };
    events.filter_map(sent).collect()
}

#[test]
fn messages_go_one_after_the_other_and_arrive_in_their_call() {
    let mut world = World::direct(2);
    let (calling, called) = world.up();
    world.agents[1].events.clear();
    let texts = ["one", "two", "three"];
    for text in texts {
        write(&mut world, calling, text);
    }
    world.run(100);
    let heard: Vec<_> = world.agents[1]
        .events
        .drain(..)
        .filter_map(|event| match event {
            UaEvent::MessageReceived { body, call, .. } => {
                Some((String::from_utf8(body.to_vec()).unwrap(), call))
            }
            _ => None,
        })
        .collect();
    assert_eq!(heard, texts.map(|text| (text.to_owned(), Some(called))));
    assert_eq!(sent(&mut world), [(0, 200), (1, 200), (2, 200)]);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn one_that_is_refused_does_not_hold_back_the_next() {
    let mut world = World::new(1);
    let (call, _) = world.peer_up();
    write(&mut world, call, "one");
    write(&mut world, call, "two");
    let first = world.expect(Method::MESSAGE);
    assert_eq!(
        (first.body().as_ref(), field(&first, HeaderId::CONTENT_TYPE)),
        (&b"one"[..], vec!["text/plain".to_owned()])
    );
    assert!(world.mail.is_empty(), "the second waits");
    world.peer_sends(0, World::reply(&first, 415, "b").build().unwrap());
    let second = world.expect(Method::MESSAGE);
    world.peer_sends(0, World::reply(&second, 202, "b").build().unwrap());
    assert_eq!(sent(&mut world), [(0, 415), (1, 202)]);
    world.end_with_peer(call);
}

#[test]
fn rule_32_a_peer_that_knows_nothing_of_the_call_or_does_not_answer_ends_it() {
    let mut world = World::new(1);
    let (call, _) = world.peer_up();
    write(&mut world, call, "hello?");
    let message = world.expect(Method::MESSAGE);
    world.peer_sends(0, World::reply(&message, 481, "b").build().unwrap());
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(481)));
    world.finish();

    let mut world = World::new(1);
    let (call, _) = world.peer_up();
    write(&mut world, call, "hello?");
    world.run(40_000);
    assert_eq!(world.ended_by(0), (EndedBy::Network, Some(408)));
    world.finish();
}

#[test]
fn messages_wait_for_the_ack_and_are_not_more_than_may_wait() {
    let mut world = World::direct(2);
    let calling = world.call(0, 1);
    world.run(50);
    let called = world.incoming(1);
    assert_eq!(
        world.agents[1].ua.message_in_call(world.now, called, "text/plain", "early"),
        Err(CommandError::WrongState)
    );
    world.fate = Box::new(|packet| match packet.name().as_str() {
        "ACK" => Fate::IsLost,
        _ => Fate::Arrives,
    });
    world.act(1, |ua, now| ua.answer(now, called, audio(1)));
    world.run(100);
    world.act(1, |ua, now| ua.message_in_call(now, called, "text/plain", "hello"));
    world.run(100);
    assert_eq!(world.sent("MESSAGE"), 0);
    world.fate = Box::new(|_| Fate::Arrives);
    world.run(2_000);
    assert_eq!(world.sent("200 MESSAGE"), 1);
    world.fate = Box::new(|packet| match packet.name().as_str() {
        "MESSAGE" => Fate::IsLost,
        _ => Fate::Arrives,
    });
    for _ in 0..64 {
        world.act(1, |ua, now| ua.message_in_call(now, called, "text/plain", "more"));
    }
    let more = world.agents[1].ua.message_in_call(world.now, called, "text/plain", "too many");
    assert_eq!(more, Err(CommandError::WrongState));
    world.fate = Box::new(|_| Fate::Arrives);
    world.act(0, |ua, now| ua.hangup(now, calling));
    world.finish();
}

#[test]
fn a_type_that_cannot_stand_in_a_message_is_refused_at_once() {
    let mut world = World::new(1);
    let (call, _) = world.peer_up();
    let wrong = world.agents[0].ua.message_in_call(world.now, call, "text/plain\r\nFrom: x", "hello");
    assert!(matches!(wrong, Err(CommandError::Invalid(_))), "{wrong:?}");
    world.drain();
    assert_eq!(world.sent("MESSAGE"), 0);
    write(&mut world, call, "right");
    let message = world.expect(Method::MESSAGE);
    world.peer_sends(0, World::reply(&message, 200, "b").build().unwrap());
    assert_eq!(sent(&mut world), [(1, 200)]);
    world.end_with_peer(call);
}
