//! Feedback and retransmissions in offers and answers (RFC 4585 §4.2, RFC 4588 §8).

use ringback_sdp::{Codec, FeedbackKind, FeedbackSet, LocalMedia, OfferAnswer, Origin, SessionDescription};
use std::time::Duration;

fn vp8(number: u8) -> Vec<Codec> {
    let vp8 = Codec::new(number, "VP8", 90_000).unwrap();
    vec![vp8, Codec::retransmission(number + 1, number).unwrap()]
}

fn side(address: &str, number: u8, kinds: &[FeedbackKind]) -> OfferAnswer {
    let video = LocalMedia {
        feedback: FeedbackSet::of(kinds.iter().copied()),
        ..LocalMedia::video(4000, vp8(number))
    };
    let origin = Origin { username: "-".into(), session_id: 1, address: address.parse().unwrap() };
    OfferAnswer::new(origin, vec![video])
}

fn peer(lines: &str) -> SessionDescription {
    let text = format!("v=0\no=p 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n{lines}");
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn feedback(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("a=rtcp-fb:")).collect()
}

#[test]
fn both_sides_end_with_what_both_understand() {
    use FeedbackKind::{FullIntraRequest, MaximumRate, Nack, PictureLoss};
    let mut alice = side("192.0.2.1", 96, &[Nack, PictureLoss, FullIntraRequest]);
    let mut bob = side("192.0.2.2", 120, &[MaximumRate, PictureLoss, Nack]);
    let offer = alice.make_offer().unwrap().to_string();
    assert_eq!(feedback(&offer), ["* nack", "* nack pli", "* ccm fir"]);
    assert!(!offer.contains("ptime"), "{offer}");
    bob.receive_offer(&SessionDescription::parse(offer.as_bytes()).unwrap()).unwrap();
    let answer = bob.make_answer().unwrap().to_string();
    assert_eq!(feedback(&answer), ["* nack", "* nack pli"]);
    assert!(answer.contains("RTP/AVP 96 97") && answer.contains("a=fmtp:97 apt=96"), "{answer}");
    alice.receive_answer(&SessionDescription::parse(answer.as_bytes()).unwrap()).unwrap();
    for side in [&alice, &bob] {
        let media = &side.negotiated()[0];
        assert!(media.feedback.iter().eq([Nack, PictureLoss]));
        assert_eq!(media.codec().map(Codec::payload_type), Some(96));
        assert_eq!(media.send[1].repairs(), Some(96));
    }
}

#[test]
fn feedback_that_is_for_one_format_is_answered_for_it_and_counts_where_all_have_it() {
    use FeedbackKind::{Nack, PictureLoss, Transport};
    let lines = "m=video 6000 RTP/AVPF 100 101 102 103\na=rtpmap:100 VP8/90000\na=rtpmap:101 rtx/90000\n\
                 a=fmtp:101 apt=100\na=rtpmap:102 H264/90000\na=fmtp:102 packetization-mode=1\na=rtpmap:103 red/90000\n\
                 a=rtcp-fb:100 nack\na=rtcp-fb:100 nack pli\na=rtcp-fb:100 transport-cc\na=rtcp-fb:102 nack pli\n\
                 a=rtcp-fb:* trr-int 60000\n";
    let mut bob = side("192.0.2.2", 120, &[Nack, PictureLoss, Transport]);
    bob.receive_offer(&peer(lines)).unwrap();
    let answer = bob.make_answer().unwrap().to_string();
    assert_eq!(feedback(&answer), ["100 nack", "100 nack pli", "100 transport-cc"]);
    let agreed = bob.negotiated()[0].feedback;
    assert!(agreed.iter().eq([Nack, PictureLoss, Transport]));
    assert_eq!(agreed.least_interval(), Some(Duration::from_secs(5)), "nobody is silenced");

    let h264 = Codec::new(97, "H264", 90_000).unwrap().with_fmtp("packetization-mode=1").unwrap();
    let codecs = [vp8(120), vec![h264]].concat();
    let video =
        LocalMedia { feedback: FeedbackSet::of([Nack, PictureLoss]), ..LocalMedia::video(4000, codecs) };
    let origin = Origin { username: "-".into(), session_id: 1, address: "192.0.2.2".parse().unwrap() };
    let mut bob = OfferAnswer::new(origin, vec![video]);
    bob.receive_offer(&peer(lines)).unwrap();
    let answer = bob.make_answer().unwrap().to_string();
    assert_eq!(feedback(&answer), ["100 nack", "100 nack pli", "102 nack pli"]);
    assert!(bob.negotiated()[0].feedback.iter().eq([PictureLoss]));
}

#[test]
fn who_says_nothing_gets_nothing() {
    let mut bob = side("192.0.2.2", 120, &FeedbackKind::ALL);
    bob.receive_offer(&peer("m=video 6000 RTP/AVP 100\na=rtpmap:100 VP8/90000\n")).unwrap();
    let answer = bob.make_answer().unwrap().to_string();
    assert!(feedback(&answer).is_empty() && !answer.contains("rtx"), "{answer}");
    assert!(bob.negotiated()[0].feedback.is_empty());
}
