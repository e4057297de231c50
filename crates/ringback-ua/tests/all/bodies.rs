//! Bodies of several parts (RFC 2046, RFC 5621), as a peer sends them.

use crate::world::{PEER, SDP, World, audio, sdp};
use ringback_message::body::{BodyBuf, MultipartBuf, PartBuf};
use ringback_message::header::ContentType;
use ringback_message::{HeaderId, Method, StatusCode};
use ringback_ua::EndedBy;

fn description(port: u16) -> PartBuf {
    PartBuf::new(SDP, sdp(port))
}

/// What gateways of telephone networks add to an INVITE (RFC 3204).
fn isup() -> PartBuf {
    PartBuf::new("application/isup;version=itu-t92+", &b"\x01\r\n--x\x00"[..])
}

fn optional() -> PartBuf {
    isup().disposition("signal;handling=optional")
}

fn built(parts: MultipartBuf) -> BodyBuf {
    parts.build().unwrap()
}

#[test]
fn a_call_whose_description_is_one_of_several_parts_is_answered() {
    let inner =
        built(MultipartBuf::alternative().part(PartBuf::new("text/plain", "?")).part(description(9000)));
    for body in [
        built(MultipartBuf::mixed().part(description(9000)).part(optional())),
        built(MultipartBuf::mixed().part(optional()).part(description(9000).disposition("session"))),
        built(MultipartBuf::related().part(description(9000)).part(PartBuf::new("image/png", "").id("a@b"))),
        built(MultipartBuf::alternative().part(description(9000)).part(isup())),
        built(MultipartBuf::mixed().part(optional()).part(inner.into_part())),
    ] {
        let mut world = World::new(1);
        let invite = world.peer_invite(0).body(&body.content_type, body.bytes).build().unwrap();
        world.peer_sends(0, invite);
        let call = world.incoming(0);
        world.act(0, |ua, now| ua.answer(now, call, audio(0)));
        world.run(10);
        assert_eq!(world.answered(0).remote_rtp().unwrap().port(), 9000, "{}", body.content_type);
        let ok = world.expect_final();
        assert!(
            ok.status().is_success() && ok.require::<ContentType<'_>>().unwrap().is("application", "sdp")
        );
        let ack = world.peer_within(&ok, "p", Method::ACK, 1).build().unwrap();
        world.peer_sends(0, ack);
        world.act(0, |ua, now| ua.hangup(now, call));
        world.run(10);
        let bye = world.expect(Method::BYE);
        world.peer_sends(0, World::reply(&bye, 200, "p").build().unwrap());
        assert_eq!(world.ended_by(0), (EndedBy::Us, None));
        world.finish();
    }
}

#[test]
fn what_must_be_understood_and_is_not_is_415_with_what_is() {
    for body in [
        built(MultipartBuf::mixed().part(description(9000)).part(isup())),
        built(MultipartBuf::related().part(isup()).part(description(9000))),
        built(MultipartBuf::alternative().part(isup())),
    ] {
        let mut world = World::new(1);
        let invite = world.peer_invite(0).body(&body.content_type, body.bytes).build().unwrap();
        world.peer_sends(0, invite);
        let refusal = world.expect_final();
        assert_eq!(refusal.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let accepted: Vec<_> = refusal.values(HeaderId::ACCEPT).map(String::from_utf8_lossy).collect();
        assert_eq!(
            accepted,
            ["application/sdp", "multipart/mixed", "multipart/related", "multipart/alternative"]
        );
        world.no_event(0);
        world.finish();
    }
}

#[test]
fn rule_82_a_multipart_that_cannot_be_taken_apart_is_refused_by_its_fault() {
    let part = format!("--b\r\nContent-Type: application/sdp\r\n\r\n{}\r\n", sdp(9000));
    let many = part.repeat(65);
    for (kind, text, status) in [
        ("multipart/mixed", part.as_str(), 400),
        ("multipart/mixed;boundary=c", &part, 400),
        ("multipart/mixed;boundary=b", &many, 413),
    ] {
        let mut world = World::new(1);
        let invite = world.peer_invite(0).body(kind, text.to_owned()).build().unwrap();
        world.peer_sends(0, invite);
        assert_eq!(world.expect_final().status().as_u16(), status, "{kind}");
        world.no_event(0);
        world.finish();
    }
}

#[test]
fn an_answer_among_other_parts_is_taken() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let invite = world.expect(Method::INVITE);
    // Nobody can refuse a response, so even a part that would have to be understood does no harm.
    let body = built(MultipartBuf::mixed().part(isup()).part(description(9000)));
    let ok = World::reply(&invite, 200, "p").header(HeaderId::CONTACT, format_args!("<sip:{PEER}>"));
    world.peer_sends(0, ok.body(&body.content_type, body.bytes).build().unwrap());
    world.run(10);
    assert_eq!(world.answered(0).remote_rtp().unwrap().port(), 9000);
    world.expect(Method::ACK);
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    let bye = world.expect(Method::BYE);
    world.peer_sends(0, World::reply(&bye, 200, "p").build().unwrap());
    world.agents[0].events.clear();
    world.finish();
}
