//! Offer and answer between two machines, and between a machine and hand-written peers (RFC 3264, RFC 6337).

use ringback_sdp::{
    Codec, Direction, LocalMedia, MAX_MEDIA, MediaKind, NegotiatedMedia, NegotiationError, NegotiationState,
    OfferAnswer, Origin, SessionDescription,
};
use std::time::Duration;

const ALICE: &str = "192.0.2.1";
const BOB: &str = "192.0.2.2";

fn side(address: &str, media: Vec<LocalMedia>) -> OfferAnswer {
    OfferAnswer::new(Origin { username: "u".into(), session_id: 9, address: address.parse().unwrap() }, media)
}

fn audio(port: u16) -> LocalMedia {
    LocalMedia::audio(port, vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event()])
}

fn video(port: u16) -> LocalMedia {
    let h264 = Codec::new(96, "H264", 90000).unwrap().with_fmtp("packetization-mode=1").unwrap();
    LocalMedia { kind: MediaKind::VIDEO, codecs: vec![h264], ptime: None, ..audio(port) }
}

fn phones() -> (OfferAnswer, OfferAnswer) {
    (side(ALICE, vec![audio(4000)]), side(BOB, vec![audio(5000)]))
}

fn parsed(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

/// An offer or answer of a peer with these media lines.
fn peer(version: u32, media: &str) -> SessionDescription {
    parsed(&format!("v=0\no=p 1 {version} IN IP4 {BOB}\ns=-\nc=IN IP4 {BOB}\nt=0 0\n{media}"))
}

/// One whole exchange, over the wire.
fn exchange(from: &mut OfferAnswer, to: &mut OfferAnswer) {
    let offer = from.make_offer().unwrap();
    to.receive_offer(&parsed(&offer.to_string())).unwrap();
    let answer = to.make_answer().unwrap();
    from.receive_answer(&parsed(&answer.to_string())).unwrap();
}

fn connected() -> (OfferAnswer, OfferAnswer) {
    let (mut alice, mut bob) = phones();
    exchange(&mut alice, &mut bob);
    (alice, bob)
}

fn directions(alice: &OfferAnswer, bob: &OfferAnswer) -> (Direction, Direction) {
    (alice.negotiated()[0].direction, bob.negotiated()[0].direction)
}

fn version(side: &OfferAnswer) -> &str {
    side.local_description().unwrap().origin.session_version.as_str()
}

fn answer_to(side: &mut OfferAnswer, offer: &SessionDescription) -> SessionDescription {
    side.receive_offer(offer).unwrap();
    side.make_answer().unwrap()
}

#[test]
fn an_offer_says_all_that_we_can_do() {
    let (mut alice, _) = phones();
    let expected = "v=0\r\no=u 9 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp-mux\r\na=sendrecv\r\n";
    assert_eq!(alice.make_offer().unwrap().to_string(), expected);
    assert_eq!(alice.state(), NegotiationState::HaveLocalOffer);
}

#[test]
fn both_sides_know_the_same_after_an_exchange() {
    let (alice, bob) = connected();
    let (ours, theirs) = (&alice.negotiated()[0], &bob.negotiated()[0]);
    assert_eq!(ours.remote_rtp.as_ref().unwrap().to_string(), "192.0.2.2:5000");
    assert_eq!(theirs.remote_rtp.as_ref().unwrap().socket_addr(), Some("192.0.2.1:4000".parse().unwrap()));
    assert_eq!((ours.remote_rtcp.as_ref(), ours.rtcp_mux), (ours.remote_rtp.as_ref(), true));
    assert_eq!((ours.codec(), theirs.codec()), (Some(&Codec::pcmu()), Some(&Codec::pcmu())));
    assert_eq!(ours.telephone_event_to_send(), Some(&Codec::telephone_event()));
    assert_eq!(theirs.telephone_events_to_receive().map(Codec::payload_type).collect::<Vec<_>>(), [101]);
    assert_eq!((ours.ptime, ours.maxptime), (Some(Duration::from_millis(20)), None));
    assert_eq!((&ours.send, &ours.receive), (&theirs.receive, &theirs.send));
}

#[test]
fn rtcp_goes_where_the_peer_wants_it() {
    let rtcp = |lines: &str| {
        let mut alice = side(ALICE, vec![audio(4000)]);
        answer_to(&mut alice, &peer(1, &format!("m=audio 5000 RTP/AVP 0\n{lines}")));
        alice.negotiated()[0].remote_rtcp.as_ref().map(ToString::to_string)
    };
    assert_eq!(rtcp("").as_deref(), Some("192.0.2.2:5001"));
    assert_eq!(rtcp("a=rtcp:6001\n").as_deref(), Some("192.0.2.2:6001"));
    assert_eq!(rtcp("a=rtcp:6001 IN IP6 2001:db8::5\n").as_deref(), Some("[2001:db8::5]:6001"));
    assert_eq!(rtcp("a=rtcp:6001 IN IP4 224.0.0.1\n").as_deref(), Some("192.0.2.2:6001"));
    assert_eq!(rtcp("a=rtcp:6001\na=rtcp-mux\n").as_deref(), Some("192.0.2.2:5000"));
    assert_eq!(rtcp("c=IN IP4 192.0.2.7\n").as_deref(), Some("192.0.2.7:5001"));
}

/// rule 47: the identity of the session stays, the version counts changes and nothing else.
#[test]
fn rule_47_the_version_counts_changes_only() {
    let (mut alice, mut bob) = connected();
    assert_eq!((version(&alice), version(&bob)), ("1", "1"));
    exchange(&mut alice, &mut bob);
    exchange(&mut bob, &mut alice);
    assert_eq!((version(&alice), version(&bob)), ("1", "1"));
    alice.hold();
    exchange(&mut alice, &mut bob);
    assert_eq!((version(&alice), version(&bob)), ("2", "2"));
    alice.set_local_address("198.51.100.1".parse().unwrap());
    alice.set_local_port(0, 4002);
    exchange(&mut alice, &mut bob);
    assert_eq!((version(&alice), version(&bob)), ("3", "2"));
    let description = alice.local_description().unwrap();
    assert_eq!((description.origin.address.as_str(), description.origin.session_id.as_str()), (ALICE, "9"));
    assert_eq!(description.connection.as_ref().unwrap().address, "198.51.100.1");
    assert_eq!(bob.negotiated()[0].remote_rtp.as_ref().unwrap().to_string(), "198.51.100.1:4002");
}

/// rule 47: an unchanged version of the peer needs no negotiation; jumps and resets are nothing special.
#[test]
fn rule_47_a_refresh_is_known_by_the_version_of_the_peer() {
    let (mut alice, _) = phones();
    let first = peer(7, "m=audio 5000 RTP/AVP 0\n");
    assert!(!alice.is_refresh(&first));
    let answer = answer_to(&mut alice, &first);
    assert!(alice.is_refresh(&first));
    assert_eq!(answer_to(&mut alice, &first), answer);
    for version in [900, 1] {
        let other = peer(version, "m=audio 5002 RTP/AVP 0\n");
        assert!(!alice.is_refresh(&other));
        assert_eq!(answer_to(&mut alice, &other), answer);
    }
    // rule 55: the peer's numbers may be longer than any integer.
    let long =
        parsed(&first.to_string().replace("p 1 7", "p 99999999999999999999999 99999999999999999999998"));
    assert!(!alice.is_refresh(&long));
    assert_eq!(answer_to(&mut alice, &long), answer);
    assert!(alice.is_refresh(&long));
}

/// rule 49: hold and resume from one side.
#[test]
fn rule_49_hold_and_resume() {
    let (mut alice, mut bob) = connected();
    alice.hold();
    assert_eq!(directions(&alice, &bob), (Direction::SendRecv, Direction::SendRecv));
    exchange(&mut alice, &mut bob);
    assert_eq!(directions(&alice, &bob), (Direction::SendOnly, Direction::RecvOnly));
    assert_eq!(
        (alice.negotiated()[0].is_held_by_peer(), bob.negotiated()[0].is_held_by_peer()),
        (false, true)
    );
    // Hold keeps RTCP.
    assert!(bob.negotiated()[0].remote_rtcp.is_some());
    alice.resume();
    exchange(&mut alice, &mut bob);
    assert_eq!(directions(&alice, &bob), (Direction::SendRecv, Direction::SendRecv));
}

/// rule 49: after both have held, each ends its own hold and not the other's, in either order and by either
/// side's exchange.
#[test]
fn rule_49_a_double_hold_is_restored_by_each_side_separately() {
    let (mut alice, mut bob) = connected();
    alice.hold();
    exchange(&mut alice, &mut bob);
    bob.hold();
    exchange(&mut bob, &mut alice);
    assert_eq!(directions(&alice, &bob), (Direction::Inactive, Direction::Inactive));
    alice.resume();
    exchange(&mut alice, &mut bob);
    assert_eq!(directions(&alice, &bob), (Direction::RecvOnly, Direction::SendOnly));
    // A refresh in between changes nothing.
    exchange(&mut bob, &mut alice);
    assert_eq!(directions(&alice, &bob), (Direction::RecvOnly, Direction::SendOnly));
    bob.resume();
    exchange(&mut bob, &mut alice);
    assert_eq!(directions(&alice, &bob), (Direction::SendRecv, Direction::SendRecv));
}

/// rule 49: a medium that was one-way before the hold is one-way after it, and the peer's session level counts.
#[test]
fn rule_49_hold_respects_the_direction_that_a_medium_has_anyway() {
    let (mut alice, mut bob) = phones();
    assert!(alice.set_direction(0, Direction::RecvOnly));
    assert!(!alice.set_direction(1, Direction::RecvOnly));
    exchange(&mut alice, &mut bob);
    alice.hold();
    exchange(&mut alice, &mut bob);
    assert_eq!(directions(&alice, &bob), (Direction::Inactive, Direction::Inactive));
    alice.resume();
    exchange(&mut alice, &mut bob);
    assert_eq!(directions(&alice, &bob), (Direction::RecvOnly, Direction::SendOnly));

    let (mut alice, _) = phones();
    answer_to(&mut alice, &peer(1, "a=sendonly\nm=audio 5000 RTP/AVP 0\n"));
    assert_eq!(alice.negotiated()[0].direction, Direction::RecvOnly);
    answer_to(&mut alice, &peer(2, "a=sendonly\nm=audio 5000 RTP/AVP 0\na=sendrecv\n"));
    assert_eq!(alice.negotiated()[0].direction, Direction::SendRecv);
}

/// rule 49: 0.0.0.0 is understood as hold and never written.
#[test]
fn rule_49_an_unspecified_address_is_never_offered() {
    let mut alice = side("0.0.0.0", vec![audio(4000)]);
    assert_eq!(alice.make_offer(), Err(NegotiationError::UnspecifiedAddress));
    alice.receive_offer(&peer(1, "m=audio 5000 RTP/AVP 0\n")).unwrap();
    assert_eq!(alice.make_answer(), Err(NegotiationError::UnspecifiedAddress));
    alice.set_local_address(ALICE.parse().unwrap());
    assert_eq!(alice.make_answer().unwrap().media[0].port, 4000);
    answer_to(&mut alice, &peer(2, "m=audio 5000 RTP/AVP 0\nc=IN IP4 0.0.0.0\n"));
    assert_eq!(
        (alice.negotiated()[0].remote_rtp.as_ref(), alice.negotiated()[0].direction),
        (None, Direction::RecvOnly)
    );
}

/// rule 45: offers that cross, and offers before the last one is answered.
#[test]
fn rule_45_only_one_offer_is_outstanding() {
    let (mut alice, mut bob) = connected();
    let (ours, theirs) = (alice.make_offer().unwrap(), bob.make_offer().unwrap());
    assert_eq!(alice.receive_offer(&theirs), Err(NegotiationError::Glare));
    assert_eq!(bob.receive_offer(&ours).map_err(NegotiationError::status), Err(Some(491)));
    assert_eq!(alice.make_offer(), Err(NegotiationError::OfferPending));
    bob.rollback();
    assert_eq!(bob.state(), NegotiationState::Stable);
    bob.receive_offer(&ours).unwrap();
    assert_eq!(bob.state(), NegotiationState::HaveRemoteOffer);
    assert_eq!(bob.receive_offer(&ours).map_err(NegotiationError::status), Err(Some(500)));
    assert_eq!(bob.make_offer(), Err(NegotiationError::AnswerOwed));
    assert_eq!(bob.receive_answer(&ours), Err(NegotiationError::NoOffer));
    alice.receive_answer(&bob.make_answer().unwrap()).unwrap();
    assert_eq!(
        (alice.state(), bob.make_answer()),
        (NegotiationState::Stable, Err(NegotiationError::NoOffer))
    );
    // And now the one that had to wait.
    exchange(&mut bob, &mut alice);
}

/// rule 35: an offer that is refused leaves the media as they were, on both sides and for each kind of offer.
#[test]
fn rule_35_a_refused_offer_changes_nothing() {
    let (mut alice, mut bob) = connected();
    let before = (alice.negotiated().to_vec(), bob.negotiated().to_vec());
    alice.hold();
    alice.add_media(video(4002));
    let refused = alice.make_offer().unwrap();
    assert_eq!(refused.media.len(), 2);
    alice.rollback();
    bob.receive_offer(&refused).unwrap();
    bob.rollback();
    assert_eq!((alice.negotiated(), bob.negotiated()), (&before.0[..], &before.1[..]));
    // rule 47: the next one is not like the last one that was sent, so it has a version of its own.
    alice.resume();
    exchange(&mut alice, &mut bob);
    assert_eq!((version(&alice), alice.negotiated().len()), ("3", 2));
    assert!(!alice.negotiated()[1].is_active());
    assert_eq!((&alice.negotiated()[0], bob.negotiated()[0].direction), (&before.0[0], Direction::SendRecv));
}

/// rule 54: what cannot be had is refused with 488, and what we could have goes with it.
#[test]
fn rule_54_an_offer_without_anything_for_us_is_not_acceptable() {
    let (mut alice, _) = phones();
    #[rustfmt::skip]
    let refused = [
        "m=audio 5000 RTP/AVP 18\n",                                    // no codec in common
        "m=audio 5000 RTP/AVP 18 101\na=rtpmap:101 telephone-event/8000\n", // events are no speech
        "m=audio 5000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\n", // rule 51: no silent downgrade
        "m=audio 5000 UDP/TLS/RTP/SAVPF 0\n",
        "m=audio 5000 TCP/RTP/AVP 0\n",
        "m=image 5000 udptl t38\n",
        "m=video 5000 RTP/AVP 31\n",
        "m=audio 5000 RTP/AVP 0\nc=IN IP4 224.2.1.1/127\n",             // fault 32: one packet to many hosts
        "m=audio 5000 RTP/AVP 0\nc=IN IP6 ff02::1\n",
        "m=audio 5000 RTP/AVP 0\nc=IN IP4 255.255.255.255\n",
        "m=audio 5000 RTP/AVP 0\nc=IN IP7 127.0.0.1\n",
        "m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.1\n",                 // fault 32: to ourselves
    ];
    for media in refused {
        let error = alice.receive_offer(&peer(1, media)).unwrap_err();
        assert_eq!((error, error.status()), (NegotiationError::NotAcceptable, Some(488)), "{media}");
        assert_eq!(alice.state(), NegotiationState::Stable);
    }
    let without_address = parsed("v=0\no=- 1 1 IN IP4 192.0.2.2\nm=audio 5000 RTP/AVP 0\n");
    assert_eq!(alice.receive_offer(&without_address), Err(NegotiationError::NotAcceptable));
    assert_eq!(alice.capabilities().unwrap(), alice.make_offer().unwrap());
}

#[test]
fn a_failed_offer_of_the_peer_keeps_the_session() {
    let (mut alice, _) = phones();
    answer_to(&mut alice, &peer(1, "m=audio 5000 RTP/AVP 0\n"));
    let before = alice.negotiated().to_vec();
    assert_eq!(
        alice.receive_offer(&peer(2, "m=audio 5000 RTP/AVP 18\n")),
        Err(NegotiationError::NotAcceptable)
    );
    assert_eq!((alice.negotiated(), alice.state()), (&before[..], NegotiationState::Stable));
}

/// rule 48: the answer has the lines of the offer, in number, order and type, refused ones with port zero.
#[test]
fn rule_48_an_answer_has_the_lines_of_the_offer() {
    let (mut alice, _) = phones();
    let offer = peer(
        1,
        "m=image 6000 udptl t38\nm=foobar 6002 UDP/X *\nm=audio 5000 RTP/AVPF 0\nm=video 6004 RTP/AVP\nm=audio 5002 RTP/AVP 0\nm=audio 0 RTP/AVP 0\n",
    );
    let answer = answer_to(&mut alice, &offer).to_string();
    let lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=image 0 udptl t38",
            "m=foobar 0 UDP/X *",
            "m=audio 4000 RTP/AVPF 0",
            "m=video 0 RTP/AVP 0",
            "m=audio 0 RTP/AVP 0",
            "m=audio 0 RTP/AVP 0",
        ]
    );
    let active: Vec<Option<usize>> = alice.negotiated().iter().map(|media| media.local).collect();
    assert_eq!(active, [None, None, Some(0), None, None, None]);
    // rule 46: our own offer later has the current lines and all codecs.
    let offer = alice.make_offer().unwrap();
    assert_eq!(offer.media.iter().map(|media| media.port).collect::<Vec<_>>(), [0, 0, 4000, 0, 0, 0]);
    assert_eq!(offer.media[2].formats, ["0", "8", "101"]);
    assert_eq!((offer.media[2].protocol.as_str(), offer.media[0].protocol.as_str()), ("RTP/AVPF", "udptl"));
}

/// rule 48: the answer uses the numbers of the offer, and later offers keep them.
#[test]
fn rule_48_numbers_keep_their_meaning() {
    let opus = Codec::new(101, "opus", 48000).unwrap().with_channels(2);
    let mut alice =
        side(ALICE, vec![LocalMedia::audio(4000, vec![Codec::pcmu(), Codec::telephone_event(), opus])]);
    let offer = peer(
        1,
        "m=audio 5000 RTP/AVP 97 0 101\na=rtpmap:97 Telephone-Event/8000\na=fmtp:97 0-16\na=rtpmap:101 iLBC/8000\n",
    );
    let answer = answer_to(&mut alice, &offer);
    assert_eq!(answer.media[0].formats, ["97", "0"]);
    let negotiated = &alice.negotiated()[0];
    assert_eq!(negotiated.telephone_event_to_send().and_then(Codec::fmtp), Some("0-16"));
    assert_eq!(negotiated.telephone_events_to_receive().next().and_then(Codec::fmtp), Some("0-15"));
    // 97 stays what it was, and 101 does not become something else than what the peer called by it.
    let offered: Vec<String> =
        alice.make_offer().unwrap().media[0].codecs().iter().map(ToString::to_string).collect();
    assert_eq!(offered, ["0 PCMU/8000", "97 telephone-event/8000", "96 opus/48000/2"]);
}

/// rule 48: the count never shrinks within a session; another session through a B2BUA may be smaller.
#[test]
fn rule_48_lines_may_not_vanish() {
    let (mut alice, _) = phones();
    answer_to(&mut alice, &peer(1, "m=video 6000 RTP/AVP 31\nm=audio 5000 RTP/AVP 0\n"));
    let fewer = peer(2, "m=audio 5000 RTP/AVP 0\n");
    assert_eq!(alice.receive_offer(&fewer), Err(NegotiationError::MediaRemoved));
    let elsewhere = parsed(&fewer.to_string().replace("o=p 1", "o=other 1"));
    assert_eq!(answer_to(&mut alice, &elsewhere).media.len(), 1);
    assert_eq!(alice.negotiated()[0].local, Some(0));
}

/// rule 48: a line that is switched off may be used again, by either side.
#[test]
fn rule_48_a_line_that_is_off_is_used_again() {
    let (mut alice, mut bob) =
        (side(ALICE, vec![audio(4000), video(4002)]), side(BOB, vec![audio(5000), video(5002)]));
    exchange(&mut alice, &mut bob);
    assert!(alice.set_local_port(1, 0));
    exchange(&mut alice, &mut bob);
    assert_eq!(bob.negotiated()[1], NegotiatedMedia { local: None, ..bob.negotiated()[1].clone() });
    assert!(!bob.negotiated()[1].is_active());
    // A refresh by the side whose medium was switched off does not switch it on.
    exchange(&mut bob, &mut alice);
    assert_eq!(bob.local_description().unwrap().media[1].port, 0);
    assert!(bob.enable_media(1));
    alice.set_local_port(1, 4004);
    exchange(&mut bob, &mut alice);
    assert_eq!((alice.negotiated().len(), alice.negotiated()[1].local), (2, Some(1)));
    assert_eq!(bob.negotiated()[1].remote_rtp.as_ref().unwrap().port, 4004);
}

/// A medium that was added while the peer's own offer was on its way is still offered afterwards.
#[test]
fn an_added_medium_waits_for_our_offer() {
    let (mut alice, mut bob) = connected();
    alice.add_media(video(4002));
    bob.add_media(video(5002));
    bob.set_local_port(1, 0);
    exchange(&mut bob, &mut alice);
    assert_eq!(alice.negotiated().len(), 1);
    bob.set_local_port(1, 5002);
    exchange(&mut alice, &mut bob);
    assert_eq!((alice.negotiated()[1].local, bob.negotiated()[1].local), (Some(1), Some(1)));
}

/// rule 46: an INVITE without SDP is answered with an offer, and the ACK brings the answer.
#[test]
fn rule_46_a_late_offer_is_a_full_one() {
    let (mut alice, mut bob) = (side(ALICE, vec![LocalMedia::audio(4000, vec![Codec::pcma()])]), phones().1);
    exchange(&mut bob, &mut alice);
    assert_eq!(alice.negotiated()[0].codec(), Some(&Codec::pcma()));
    // Only PCMA was agreed, and yet the fresh offer has everything.
    let fresh = bob.make_offer().unwrap();
    assert_eq!(fresh.media[0].formats, ["0", "8", "101"]);
    bob.receive_answer(&answer_to(&mut alice, &fresh)).unwrap();
    assert_eq!(version(&bob), "1");
}

#[test]
fn an_answer_must_fit_its_offer() {
    let (mut alice, _) = phones();
    alice.make_offer().unwrap();
    for wrong in ["", "m=video 5000 RTP/AVP 31\n", "m=audio 5000 RTP/AVP 0\nm=audio 5002 RTP/AVP 0\n"] {
        assert_eq!(alice.receive_answer(&peer(1, wrong)), Err(NegotiationError::AnswerMismatch), "{wrong:?}");
    }
    for useless in [
        "m=audio 5000 RTP/AVP 18\n",
        "m=audio 5000 RTP/SAVP 0\n",
        "m=audio 5000 RTP/AVP 0\nc=IN IP4 224.0.0.1\n",
    ] {
        assert_eq!(
            alice.receive_answer(&peer(1, useless)),
            Err(NegotiationError::NotAcceptable),
            "{useless:?}"
        );
    }
    assert_eq!(alice.state(), NegotiationState::HaveLocalOffer);
    // All refused is an answer too.
    alice.receive_answer(&peer(1, "m=audio 0 RTP/AVP 0\n")).unwrap();
    assert!(!alice.negotiated()[0].is_active());
}

/// A forked offer is answered by several peers, each of which gets a machine of its own.
#[test]
fn a_fork_is_a_clone() {
    let (mut alice, _) = phones();
    alice.make_offer().unwrap();
    let mut other = alice.clone();
    alice.receive_answer(&peer(1, "m=audio 5000 RTP/AVP 0\n")).unwrap();
    other.receive_answer(&peer(1, "m=audio 7000 RTP/AVP 8\n")).unwrap();
    assert_eq!(
        (alice.negotiated()[0].codec(), other.negotiated()[0].codec()),
        (Some(&Codec::pcmu()), Some(&Codec::pcma()))
    );
}

#[test]
fn a_user_name_that_is_no_word_is_left_out() {
    let origin = Origin { username: "a b\r\n".into(), session_id: u64::MAX, address: "::1".parse().unwrap() };
    let offer = OfferAnswer::new(origin, vec![audio(4000)]).make_offer().unwrap().to_string();
    assert!(offer.starts_with("v=0\r\no=- 18446744073709551615 1 IN IP6 ::1\r\n"), "{offer}");
}

/// RFC 3264 §8.3.3: the type of a line may change, and then its numbers mean something new.
#[test]
fn rule_48_a_line_may_change_its_type() {
    let mut alice = side(ALICE, vec![audio(4000), video(4002)]);
    answer_to(&mut alice, &peer(1, "m=audio 5000 RTP/AVP 96 0\na=rtpmap:96 iLBC/8000\n"));
    let offer = peer(
        2,
        "m=video 5002 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1\nm=audio 0 RTP/AVP 0\n",
    );
    let answer = answer_to(&mut alice, &offer);
    assert_eq!((&answer.media[0].kind, answer.media[0].port), (&MediaKind::VIDEO, 4002));
    assert_eq!((alice.negotiated()[0].local, alice.negotiated()[1].local), (Some(1), None));
    assert_eq!(alice.make_offer().unwrap().media[0].formats, ["96"]);
}

/// RFC 3264 §8.1: when there is no room for another line, one that is off is used again whatever its type.
#[test]
fn rule_48_a_full_description_gives_up_lines_that_are_off() {
    let mut alice = side(ALICE, vec![audio(4000)]);
    let off = "m=application 0 UDP/BFCP *\n".repeat(MAX_MEDIA - 1);
    answer_to(&mut alice, &peer(1, &format!("m=audio 5000 RTP/AVP 0\n{off}")));
    alice.add_media(video(4002));
    let offer = alice.make_offer().unwrap();
    assert_eq!(offer.media.len(), MAX_MEDIA);
    assert_eq!((&offer.media[1].kind, offer.media[1].port), (&MediaKind::VIDEO, 4002));
    assert_eq!(offer.media[1].protocol.as_str(), "RTP/AVP");
}
