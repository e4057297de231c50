//! Calls whose media are somebody else's (RFC 3725): an offer that is answered later, and audio that is described anew, with a
//! peer that is led by hand.

use crate::world::{PEER, SDP, World, audio, sdp, sdp_with};
use ringback_message::{HeaderId, Method, Request};
use ringback_sdp::SessionDescription;
use ringback_ua::{CallKey, Codec, CommandError, EndedBy, LocalAudio, Opening, UaEvent};

fn elsewhere() -> LocalAudio {
    LocalAudio::new("198.51.100.7:7000".parse().unwrap())
}

/// A call without an offer, and the INVITE.
fn later(world: &mut World) -> (CallKey, Request) {
    let account = world.agents[0].account;
    let target = format!("sip:peer@{PEER}").parse().unwrap();
    let call = world.act(0, |ua, now| ua.call_as(now, account, &target, Opening::LaterAnswer, Vec::new()));
    world.run(10);
    let invite = world.expect(Method::INVITE);
    assert!(invite.body().is_empty());
    let supported = invite.values(HeaderId::SUPPORTED).map(String::from_utf8_lossy).collect::<String>();
    assert!(!supported.contains("100rel"), "an offer in a 183 could not be answered: {supported}");
    (call, invite)
}

fn offered(world: &mut World) -> LocalAudio {
    let events = world.agents[0].events.drain(..);
    let offered = events.into_iter().find_map(|event| match event {
        UaEvent::Offered { audio, .. } => Some(audio),
        _ => None,
    });
    offered.expect("something was offered")
}

fn address(request: &Request) -> String {
    let described = SessionDescription::parse(request.body()).unwrap();
    let host = described.connection_of(&described.media[0]).unwrap().host().unwrap();
    format!("{host}:{}", described.media[0].port)
}

#[test]
fn rule_46_an_offer_in_the_2xx_waits_for_who_knows_the_answer() {
    let mut world = World::new(1);
    let (call, invite) = later(&mut world);
    let ok = World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap();
    world.peer_sends(0, ok.clone());
    let audio = offered(&mut world);
    assert_eq!(audio.rtp, "192.0.2.99:9000".parse().unwrap());
    assert_eq!(audio.codecs.iter().map(Codec::payload_type).collect::<Vec<_>>(), [0, 8, 101]);
    // Nothing else can be done with it before, and copies are not acknowledged.
    world.peer_sends(0, ok.clone());
    assert_eq!(world.sent("ACK"), 0);
    let (ua, now) = world.ua(0);
    assert_eq!(ua.transfer(now, call, &World::uri(1)), Err(CommandError::WrongState));
    assert_eq!(ua.redescribe(now, call, elsewhere(), false), Err(CommandError::WrongState));
    let again = world.peer_within(&invite, "b", Method::INVITE, 1).body(SDP, sdp(9002));
    let again = again.header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>"));
    world.peer_sends(0, again.build().unwrap());
    assert_eq!(world.expect_final().status().as_u16(), 491);
    world.run(3_000);
    world.act(0, |ua, now| ua.answer_offer(now, call, elsewhere()));
    world.run(10);
    let ack = world.expect(Method::ACK);
    assert_eq!(address(&ack), "198.51.100.7:7000");
    assert_eq!(world.answered(0).remote_rtp(), Some(audio.rtp));
    let (ua, now) = world.ua(0);
    assert_eq!(ua.answer_offer(now, call, elsewhere()), Err(CommandError::WrongState));
    // The ACK was lost, and is sent again.
    world.peer_sends(0, ok);
    world.run(10);
    assert_eq!(address(&world.expect(Method::ACK)), "198.51.100.7:7000");
    world.end_with_peer(call);
}

#[test]
fn what_nobody_answers_or_can_answer_is_acknowledged_and_ended() {
    // In time.
    let mut world = World::new(1);
    let (_, invite) = later(&mut world);
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    offered(&mut world);
    world.run(33_000);
    assert_eq!(world.ended_by(0), (EndedBy::Us, None));
    assert_eq!((world.sent("ACK"), world.sent("BYE") > 0), (1, true));
    world.finish();
    // By us.
    let mut world = World::new(1);
    let (call, invite) = later(&mut world);
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    world.expect(Method::ACK);
    world.expect(Method::BYE);
    world.finish();
    // By the peer.
    let mut world = World::new(1);
    let (_, invite) = later(&mut world);
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    let bye = world.peer_within(&invite, "b", Method::BYE, 1).build().unwrap();
    world.peer_sends(0, bye);
    assert_eq!(world.ended_by(0), (EndedBy::Peer, None));
    assert_eq!(world.sent("ACK"), 1);
    world.finish();
    // At all.
    for body in [
        "",
        "v=0\r\nbroken",
        "v=0\r\no=- 1 1 IN IP4 192.0.2.99\r\ns=-\r\nc=IN IP4 media.example.com\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\n",
    ] {
        let mut world = World::new(1);
        let (_, invite) = later(&mut world);
        let ok = World::reply(&invite, 200, "b");
        let ok = if body.is_empty() { ok } else { ok.body(SDP, body) };
        world.peer_sends(0, ok.build().unwrap());
        world.run(10);
        world.expect(Method::ACK);
        world.expect(Method::BYE);
        assert_eq!(world.ended_by(0), (EndedBy::Us, None), "{body}");
        world.finish();
    }
}

#[test]
fn an_answer_that_does_not_fit_leaves_the_offer_waiting() {
    let mut world = World::new(1);
    let (call, invite) = later(&mut world);
    world.peer_sends(0, World::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
    let (ua, now) = world.ua(0);
    let wrong = ua.answer_offer(now, call, elsewhere().codecs(Vec::new()));
    assert!(matches!(wrong, Err(CommandError::Negotiation(_))), "{wrong:?}");
    assert_eq!(world.sent("ACK"), 0);
    world.act(0, |ua, now| ua.answer_offer(now, call, elsewhere()));
    world.answered(0);
    world.run(10);
    world.mail.clear();
    world.end_with_peer(call);
}

#[test]
fn rule_35_what_is_described_anew_is_as_before_where_that_is_refused() {
    for refused in [false, true] {
        let mut world = World::new(1);
        let (call, _) = world.peer_up();
        world.act(0, |ua, now| ua.redescribe(now, call, elsewhere().codecs(vec![Codec::pcma()]), false));
        world.run(10);
        let change = world.expect(Method::INVITE);
        assert_eq!(address(&change), "198.51.100.7:7000");
        let reply = match refused {
            true => World::reply(&change, 488, "b"),
            false => World::reply(&change, 200, "b").body(SDP, sdp_with(9000, 2, "")),
        };
        world.peer_sends(0, reply.build().unwrap());
        world.run(10);
        let told = world.agents[0].events.iter().any(|event| matches!(event, UaEvent::ChangeRefused { .. }));
        assert_eq!(told, refused);
        world.mail.clear();
        world.act(0, |ua, now| ua.hold(now, call));
        world.run(10);
        let hold = world.expect(Method::INVITE);
        let expected = if refused { audio(0).rtp } else { elsewhere().rtp };
        assert_eq!(address(&hold), expected.to_string());
        let ok = World::reply(&hold, 200, "b").body(SDP, sdp_with(9000, 3, "a=recvonly\r\n"));
        world.peer_sends(0, ok.build().unwrap());
        world.end_with_peer(call);
    }
}

#[test]
fn a_call_can_begin_on_hold() {
    let mut world = World::new(1);
    let account = world.agents[0].account;
    let target = format!("sip:peer@{PEER}").parse().unwrap();
    let opening = Opening::HeldOffer(audio(0));
    let call = world.act(0, |ua, now| ua.call_as(now, account, &target, opening, Vec::new()));
    world.run(10);
    let invite = world.expect(Method::INVITE);
    assert!(String::from_utf8_lossy(invite.body()).contains("a=sendonly"));
    let ok = World::reply(&invite, 200, "b").body(SDP, sdp_with(9000, 1, "a=recvonly\r\n"));
    world.peer_sends(0, ok.build().unwrap());
    assert!(world.answered(0).held_by_us);
    world.run(5_000);
    assert_eq!(world.sent("INVITE"), 1);
    world.mail.clear();
    world.end_with_peer(call);
}

#[test]
fn rule_45_a_new_description_waits_for_the_answer_to_the_one_before() {
    let mut world = World::new(1);
    let (call, _) = world.peer_up();
    world.act(0, |ua, now| ua.hold(now, call));
    world.run(10);
    let hold = world.expect(Method::INVITE);
    let (ua, now) = world.ua(0);
    let own = LocalAudio::new("192.0.2.99:9000".parse().unwrap());
    assert!(
        matches!(ua.redescribe(now, call, own, false), Err(CommandError::Negotiation(_))),
        "it is the peer's"
    );
    world.act(0, |ua, now| ua.redescribe(now, call, elsewhere(), false));
    world.run(10);
    assert_eq!(world.sent("INVITE"), 2, "one after the other");
    let ok = World::reply(&hold, 200, "b").body(SDP, sdp_with(9000, 2, "a=recvonly\r\n"));
    world.peer_sends(0, ok.build().unwrap());
    assert!(world.changed(0).held_by_us);
    world.run(10);
    let change = world.expect(Method::INVITE);
    assert_eq!(address(&change), "198.51.100.7:7000");
    world.peer_sends(0, World::reply(&change, 200, "b").body(SDP, sdp_with(9000, 3, "")).build().unwrap());
    assert!(!world.changed(0).held_by_us);
    world.run(10);
    world.mail.clear();
    world.end_with_peer(call);
}
