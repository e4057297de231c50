//! Receipts of messages (RFC 5438), both sides, and what is wrapped in ways that are none.

use crate::world::{World, field};
use ringback_message::body::{CPIM, Cpim};
use ringback_message::{HeaderId, Method, Request};
use ringback_ua::{MessageId, Receipt, ReceiptWish, UaEvent};
use std::time::Duration;

const TIME: Duration = Duration::from_secs(1_289_690_940);

fn wrapped(id: &str, asks: &str, content_type: &str, body: &str) -> String {
    format!(
        "From: <sip:peer@example.com>\r\nTo: <sip:user0@example.com>\r\nDateTime: 2026-11-30T20:00:00Z\r\n\
         NS: x <urn:ietf:params:imdn>\r\nx.Message-ID: {id}\r\nx.Disposition-Notification: {asks}\r\n\r\n\
         Content-Type: {content_type}\r\n\r\n{body}"
    )
}

/// A message of the peer: what it is answered, and what is heard of it.
fn received(world: &mut World, body: &str) -> (u16, Option<UaEvent>) {
    let message = world.peer_request(0, Method::MESSAGE).body(CPIM, body.to_owned()).build().unwrap();
    world.peer_sends(0, message);
    (world.expect_final().status().as_u16(), world.agents[0].events.pop_front())
}

fn text(event: Option<UaEvent>) -> (String, String, Option<ReceiptWish>) {
    match event {
        Some(UaEvent::MessageReceived { content_type, body, wish, .. }) => {
            (content_type, String::from_utf8(body.to_vec()).unwrap(), wish)
        }
        other => panic!("{other:?}"),
    }
}

fn told(world: &mut World) -> Request {
    let notice = world.expect(Method::MESSAGE);
    world.peer_sends(0, World::reply(&notice, 200, "p").build().unwrap());
    notice
}

#[test]
fn a_message_is_told_to_have_come_and_to_have_been_shown() {
    let mut world = World::direct(2);
    let account = world.agents[0].account;
    let (_, id) = world.act(0, |ua, now| {
        ua.message_with_receipts(now, account, &World::uri(1), "text/plain", "Lunch?", TIME)
    });
    world.run(50);
    let sent = world.last("MESSAGE");
    let cpim = Cpim::parse(sent.body()).unwrap();
    assert_eq!(cpim.field("DateTime"), Some(&b"2010-11-13T23:29:00Z"[..]));
    let (content_type, body, wish) = text(world.agents[1].events.pop_front());
    assert_eq!((content_type.as_str(), body.as_str()), ("text/plain", "Lunch?"));
    let wish = wish.expect("receipts are asked for");
    // Where From leads nobody is at home in this world, so that the way back is one by name.
    world.names = vec![ringback_ua::Target::Address(ringback_ua::Protocol::Udp, world.agents[0].address)];
    for receipt in [Receipt::Delivered, Receipt::Displayed] {
        assert!(world.act(1, |ua, now| ua.tell_receipt(now, &wish, receipt)).is_some());
        world.run(50);
        let heard = world.agents[0].events.drain(..).find_map(|event| match event {
            UaEvent::Receipt { message, receipt, from, .. } => Some((message, receipt, from)),
            _ => None,
        });
        assert_eq!(heard, Some((id.clone(), receipt, "<sip:user1@example.com>".to_owned())));
    }
    // Nobody is told about a receipt.
    assert_eq!(world.sent("MESSAGE"), 3);
    world.finish();
}

#[test]
fn only_what_was_asked_for_is_told_and_to_whom_from_names() {
    let mut world = World::new(1);
    for (asks, delivered, displayed) in [
        ("positive-delivery, display", true, true),
        ("display", false, true),
        ("negative-delivery,positive-delivery;x=y", true, false),
        ("negative-delivery", false, false),
        ("processing", false, false),
    ] {
        let (status, event) =
            received(&mut world, &wrapped("m<1>", asks, "text/plain;charset=utf-8", "hi\r\n"));
        let (content_type, body, wish) = text(event);
        assert_eq!(
            (status, content_type.as_str(), body.as_str()),
            (200, "text/plain;charset=utf-8", "hi\r\n")
        );
        assert_eq!(wish.is_some(), delivered || displayed, "{asks}");
        let Some(wish) = wish else { continue };
        for (receipt, is_wanted) in
            [(Receipt::Delivered, delivered), (Receipt::Displayed, displayed), (Receipt::Failed, false)]
        {
            assert_eq!(world.act(0, |ua, now| ua.tell_receipt(now, &wish, receipt)).is_some(), is_wanted);
            world.run(10);
            if is_wanted {
                let notice = told(&mut world);
                assert_eq!(notice.uri_bytes(), b"sip:peer@example.com");
                assert_eq!(field(&notice, HeaderId::CONTENT_TYPE), [CPIM]);
                let cpim = Cpim::parse(notice.body()).unwrap();
                assert!(cpim.content().is("message", "imdn+xml"));
                let xml = String::from_utf8(cpim.content().body().to_vec()).unwrap();
                assert!(xml.contains("<message-id>m&lt;1&gt;</message-id>"), "{xml}");
                assert!(xml.contains("<datetime>2026-11-30T20:00:00Z</datetime>"), "{xml}");
                assert!(xml.contains(&format!("<status><{receipt}/></status>")), "{xml}");
            }
        }
        world.agents[0].events.clear();
    }
    world.finish();
}

#[test]
fn what_is_wrapped_wrongly_is_refused_and_what_asks_wrongly_is_read() {
    let mut world = World::new(1);
    for body in
        ["", "no field\r\n\r\n", "From: a\r\n\r\n", &wrapped("1", "display", "message/imdn+xml", "<imdn>")]
    {
        if body.is_empty() {
            continue;
        }
        let (status, event) = received(&mut world, body);
        assert_eq!(status, 400, "{body:?}");
        assert!(event.is_none(), "{body:?}");
    }
    let (status, event) = received(&mut world, &wrapped(&"x".repeat(1_000), "display", "text/plain", "hi"));
    let (_, body, wish) = text(event);
    assert_eq!((status, body.as_str(), wish), (200, "hi", None));
    world.finish();
}

#[test]
fn a_receipt_for_an_unknown_message_is_only_passed_on() {
    let mut world = World::new(1);
    let xml = "<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\"><message-id>other</message-id><display-notification>\
               <status><displayed/></status></display-notification></imdn>";
    let (status, event) = received(&mut world, &wrapped("1", "display", "message/imdn+xml", xml));
    assert_eq!(status, 200);
    let Some(UaEvent::Receipt { message, receipt, .. }) = event else { panic!("{event:?}") };
    let _: &MessageId = &message;
    assert_eq!((message.to_string().as_str(), receipt), ("other", Receipt::Displayed));
    world.no_event(0);
    world.finish();
    assert_eq!(world.sent("MESSAGE"), 1, "a receipt is not told about");
}
