//! Media that share a transport (RFC 9143), and the names of lines that make it possible (RFC 5888).

use ringback_sdp::attribute::{Group, Mid};
use ringback_sdp::{Codec, LocalMedia, MediaKind, OfferAnswer, Origin, SessionDescription};

fn side(address: &str, port: u16) -> OfferAnswer {
    let h264 = Codec::new(96, "H264", 90000).unwrap();
    let audio = LocalMedia::audio(port, vec![Codec::pcmu(), Codec::telephone_event()]);
    let video = LocalMedia { kind: MediaKind::VIDEO, codecs: vec![h264], ptime: None, ..audio.clone() };
    let video = LocalMedia { port: port + 2, ..video };
    let origin = Origin { username: "u".into(), session_id: 1, address: address.parse().unwrap() };
    let mut side = OfferAnswer::new(origin, vec![audio, video]);
    side.set_bundling(true);
    side
}

fn parsed(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn exchange(from: &mut OfferAnswer, to: &mut OfferAnswer) -> (SessionDescription, SessionDescription) {
    let offer = parsed(&from.make_offer().unwrap().to_string());
    to.receive_offer(&offer).unwrap();
    let answer = parsed(&to.make_answer().unwrap().to_string());
    from.receive_answer(&answer).unwrap();
    (offer, answer)
}

fn groups(description: &SessionDescription) -> Vec<String> {
    description.all::<Group<'_>>().map(|group| group.to_string()).collect()
}

fn ports(description: &SessionDescription) -> Vec<u16> {
    description.media.iter().map(|media| media.port).collect()
}

/// The offer of a peer with audio and video in a bundle; the lines given are put at the end of each medium.
fn peer(audio: &str, video: &str) -> SessionDescription {
    parsed(&format!(
        "v=0\no=p 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\na=group:BUNDLE foo bar\n\
         m=audio 10000 RTP/AVP 0\na=mid:foo\na=rtcp-mux\n{audio}\
         m=video 10002 RTP/AVP 31 96\na=mid:bar\na=rtcp-mux\na=rtpmap:96 H264/90000\n{video}"
    ))
}

/// RFC 9143 §7.2 and §7.3: each line has its own port at first, and that of the tagged line from then on.
#[test]
fn rule_53_a_bundle_shares_the_transport_of_its_first_line() {
    let (mut alice, mut bob) = (side("192.0.2.1", 4000), side("192.0.2.2", 5000));
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!((groups(&offer), ports(&offer)), (vec!["BUNDLE 0 1".into()], vec![4000, 4002]));
    assert_eq!((groups(&answer), ports(&answer)), (vec!["BUNDLE 0 1".into()], vec![5000, 5000]));
    for (side, remote) in [(&alice, "192.0.2.2:5000"), (&bob, "192.0.2.1:4000")] {
        for media in side.negotiated() {
            assert_eq!(media.bundle, Some(0));
            assert_eq!(media.remote_rtp.as_ref().unwrap().to_string(), remote);
            assert_eq!(media.remote_rtcp, media.remote_rtp);
        }
    }
    let (offer, answer) = exchange(&mut bob, &mut alice);
    assert_eq!((ports(&offer), ports(&answer)), (vec![5000, 5000], vec![4000, 4000]));
}

/// RFC 9143 §7.3.3: a refused line leaves the group, and another one is tagged when it was the first.
#[test]
fn rule_53_a_rejected_line_leaves_the_group() {
    let mut alice = side("192.0.2.1", 4000);
    alice.set_local_port(0, 0);
    alice.receive_offer(&peer("", "")).unwrap();
    let answer = alice.make_answer().unwrap();
    assert_eq!((groups(&answer), ports(&answer)), (vec!["BUNDLE bar".into()], vec![0, 4002]));
    assert_eq!(alice.negotiated()[1].remote_rtp.as_ref().unwrap().port, 10002);

    let (mut bob, mut carol) = (side("192.0.2.1", 4000), side("192.0.2.2", 5000));
    carol.set_local_port(1, 0);
    let (_, answer) = exchange(&mut bob, &mut carol);
    assert_eq!((groups(&answer), ports(&answer)), (vec!["BUNDLE 0".into()], vec![5000, 0]));
    assert_eq!((bob.negotiated()[0].bundle, bob.negotiated()[1].is_active()), (Some(0), false));
}

/// RFC 9143 §9.3 wants `a=rtcp-mux`, and payload types have to tell lines apart.
#[test]
fn rule_53_what_cannot_share_stays_outside() {
    let mut alice = side("192.0.2.1", 4000);
    let mut offer = peer("", "");
    offer.media[1].attributes.retain(|attribute| attribute.name() != "rtcp-mux");
    alice.receive_offer(&offer).unwrap();
    let answer = alice.make_answer().unwrap();
    assert_eq!((groups(&answer), ports(&answer)), (vec!["BUNDLE foo".into()], vec![4000, 4002]));

    let mut alice = side("192.0.2.1", 4000);
    let text = peer("", "").to_string().replace("m=audio 10000 RTP/AVP 0", "m=audio 10000 RTP/AVP 96");
    alice
        .receive_offer(&parsed(&text.replacen("a=mid:foo", "a=rtpmap:96 PCMU/8000\r\na=mid:foo", 1)))
        .unwrap();
    assert_eq!(groups(&alice.make_answer().unwrap()), ["BUNDLE foo"]);
}

/// RFC 9143 §6: port zero with `a=bundle-only` is no refusal for those who bundle, and one for all others.
#[test]
fn rule_53_a_line_for_bundles_only_needs_a_bundle() {
    let mut offer = peer("", "a=bundle-only\n");
    offer.media[1].port = 0;
    let mut alice = side("192.0.2.1", 4000);
    alice.receive_offer(&offer).unwrap();
    assert_eq!(ports(&alice.make_answer().unwrap()), [4000, 4000]);
    assert_eq!(alice.negotiated()[1].remote_rtp.as_ref().unwrap().port, 10000);

    let mut bob = side("192.0.2.2", 5000);
    bob.set_bundling(false);
    bob.receive_offer(&offer).unwrap();
    let answer = bob.make_answer().unwrap();
    assert_eq!((groups(&answer), ports(&answer)), (vec![], vec![5000, 0]));
}

/// RFC 5888 §9.1 and RFC 9143 §7.3: names are repeated even where the bundle is not wanted.
#[test]
fn names_are_echoed_by_those_who_do_not_bundle() {
    let mut alice = side("192.0.2.1", 4000);
    alice.set_bundling(false);
    alice.receive_offer(&peer("", "")).unwrap();
    let answer = alice.make_answer().unwrap();
    let mids = |it: &SessionDescription| -> Vec<String> {
        it.media.iter().filter_map(|media| Some(media.get::<Mid<'_>>()?.0.to_owned())).collect()
    };
    assert_eq!((mids(&answer), groups(&answer)), (vec!["foo".into(), "bar".into()], vec![]));
    assert!(alice.negotiated().iter().all(|media| media.bundle.is_none() && media.mid.is_some()));
    assert_eq!(mids(&alice.make_offer().unwrap()), ["foo", "bar"]);
}

/// A peer that knows no bundles answers without the group; then each line has its own transport.
#[test]
fn a_bundle_that_is_not_answered_is_none() {
    let (mut alice, mut bob) = (side("192.0.2.1", 4000), side("192.0.2.2", 5000));
    bob.set_bundling(false);
    let (_, answer) = exchange(&mut alice, &mut bob);
    assert_eq!((groups(&answer), ports(&answer)), (vec![], vec![5000, 5002]));
    assert!(alice.negotiated().iter().all(|media| media.bundle.is_none()));
    assert_eq!(ports(&exchange(&mut alice, &mut bob).0), [4000, 4002]);
}

/// rule 47: bundles and names do not make a description differ from itself.
#[test]
fn rule_47_a_bundle_that_stays_changes_no_version() {
    let (mut alice, mut bob) = (side("192.0.2.1", 4000), side("192.0.2.2", 5000));
    exchange(&mut alice, &mut bob);
    let (second, _) = exchange(&mut alice, &mut bob);
    let (third, _) = exchange(&mut alice, &mut bob);
    assert_eq!(second, third);
}
