//! Publications (RFC 3903 §4): a server that is led by hand.

use crate::world::{PEER, World};
use ringback_message::header::{CSeq, Expires};
use ringback_message::{HeaderId, Method, Request, StatusCode};
use ringback_ua::{Content, PublicationKey, UaEvent};
use std::time::Duration;

fn content(text: &str) -> Content {
    Content::new("application/pidf+xml", text.to_owned())
}

fn publish(world: &mut World, seconds: u64) -> (PublicationKey, Request) {
    let account = world.agents[0].account;
    let target = format!("sip:user0@{PEER}").parse().unwrap();
    let key = world.act(0, |ua, now| {
        ua.publish(now, account, &target, "presence", content("here"), Duration::from_secs(seconds))
    });
    world.run(10);
    (key, world.expect(Method::PUBLISH))
}

fn ok(world: &mut World, request: &Request, etag: &str, seconds: u32) {
    let reply = World::reply(request, 200, "e").header(HeaderId::SIP_ETAG, etag);
    world.peer_sends(0, reply.header(HeaderId::EXPIRES, seconds).build().unwrap());
}

fn published(world: &mut World) -> u64 {
    match world.event(0) {
        UaEvent::Published { expires, .. } => expires.as_secs(),
        other => panic!("{other:?}"),
    }
}

fn etag(request: &Request) -> Option<String> {
    request.values(HeaderId::SIP_IF_MATCH).next().map(|it| String::from_utf8(it.to_vec()).unwrap())
}

fn remove(world: &mut World, key: PublicationKey, etag_of: &str) {
    world.act(0, |ua, now| ua.unpublish(now, key));
    world.run(10);
    let last = world.expect(Method::PUBLISH);
    assert_eq!((etag(&last).as_deref(), last.require::<Expires>().unwrap().0), (Some(etag_of), 0));
    assert!(last.body().is_empty());
    ok(world, &last, "gone", 0);
    assert!(matches!(world.event(0), UaEvent::Unpublished { publication } if publication == key));
    world.no_event(0);
    world.finish();
}

#[test]
fn a_publication_is_refreshed_by_its_tag_and_without_its_body() {
    let mut world = World::new(1);
    let (key, first) = publish(&mut world, 3_600);
    assert_eq!((etag(&first), first.body().as_ref()), (None, &b"here"[..]));
    assert_eq!(first.values(HeaderId::EVENT).next().unwrap(), b"presence");
    ok(&mut world, &first, "one", 600);
    assert_eq!(published(&mut world), 600);
    world.run(480_100);
    let second = world.expect(Method::PUBLISH);
    assert_eq!(etag(&second).as_deref(), Some("one"));
    assert!(second.body().is_empty());
    assert!(second.require::<CSeq>().unwrap().number > first.require::<CSeq>().unwrap().number);
    ok(&mut world, &second, "two", 600);
    published(&mut world);
    remove(&mut world, key, "two");
}

#[test]
fn changes_are_told_one_at_a_time_and_the_newest_wins() {
    let mut world = World::new(1);
    let (key, first) = publish(&mut world, 3_600);
    for text in ["away", "gone", "back"] {
        world.act(0, |ua, now| ua.republish(now, key, content(text)));
    }
    world.run(10);
    assert_eq!(world.sent("PUBLISH"), 1);
    ok(&mut world, &first, "one", 3_600);
    let second = world.expect(Method::PUBLISH);
    assert_eq!((etag(&second).as_deref(), second.body().as_ref()), (Some("one"), &b"back"[..]));
    ok(&mut world, &second, "two", 3_600);
    published(&mut world);
    published(&mut world);
    remove(&mut world, key, "two");
}

#[test]
fn rule_39_412_has_it_published_anew() {
    let mut world = World::new(1);
    let (key, first) = publish(&mut world, 3_600);
    ok(&mut world, &first, "one", 600);
    published(&mut world);
    world.run(480_100);
    let refresh = world.expect(Method::PUBLISH);
    world.peer_sends(0, World::reply(&refresh, 412, "e").build().unwrap());
    let anew = world.expect(Method::PUBLISH);
    assert_eq!((etag(&anew), anew.body().as_ref()), (None, &b"here"[..]));
    ok(&mut world, &anew, "two", 600);
    published(&mut world);
    remove(&mut world, key, "two");

    // 412 to what named nothing is no answer.
    let mut world = World::new(1);
    let (_, first) = publish(&mut world, 3_600);
    world.peer_sends(0, World::reply(&first, 412, "e").build().unwrap());
    let refused = world.event(0);
    assert!(
        matches!(
            refused,
            UaEvent::PublicationFailed { status: StatusCode::CONDITIONAL_REQUEST_FAILED, retry_in: None, .. }
        ),
        "{refused:?}"
    );
    world.finish();
}

#[test]
fn rule_39_423_has_it_published_for_longer() {
    let mut world = World::new(1);
    let (key, first) = publish(&mut world, 60);
    let brief = World::reply(&first, 423, "e").header(HeaderId::MIN_EXPIRES, 900u32).build().unwrap();
    world.peer_sends(0, brief);
    let second = world.expect(Method::PUBLISH);
    assert_eq!((second.require::<Expires>().unwrap().0, second.body().as_ref()), (900, &b"here"[..]));
    ok(&mut world, &second, "one", 900);
    assert_eq!(published(&mut world), 900);
    remove(&mut world, key, "one");
}

#[test]
fn rule_39_489_ends_it_and_503_does_not() {
    let mut world = World::new(1);
    let (_, first) = publish(&mut world, 60);
    world.peer_sends(0, World::reply(&first, 489, "e").build().unwrap());
    assert!(matches!(world.event(0), UaEvent::PublicationFailed { retry_in: None, .. }));
    world.finish();

    let mut world = World::new(1);
    let (key, first) = publish(&mut world, 600);
    let busy = World::reply(&first, 503, "e").header(HeaderId::RETRY_AFTER, 100u32).build().unwrap();
    world.peer_sends(0, busy);
    let UaEvent::PublicationFailed { retry_in: Some(wait), .. } = world.event(0) else { panic!() };
    assert_eq!(wait.as_secs(), 100);
    world.run(100_100);
    let second = world.expect(Method::PUBLISH);
    assert_eq!(second.body().as_ref(), b"here");
    ok(&mut world, &second, "one", 600);
    published(&mut world);
    remove(&mut world, key, "one");
}

#[test]
fn what_is_taken_back_while_it_is_on_its_way_is_taken_back_when_it_is_there() {
    let mut world = World::new(1);
    let (key, first) = publish(&mut world, 600);
    world.act(0, |ua, now| ua.unpublish(now, key));
    world.run(10);
    assert_eq!(world.sent("PUBLISH"), 1);
    ok(&mut world, &first, "one", 600);
    let last = world.expect(Method::PUBLISH);
    assert_eq!(etag(&last).as_deref(), Some("one"));
    ok(&mut world, &last, "gone", 0);
    assert!(matches!(world.event(0), UaEvent::Unpublished { .. }));
    world.finish();
}
