//! One picture in several sizes (RFC 8853).

use ringback_sdp::{
    Codec, HeaderExtension, LocalMedia, OfferAnswer, Origin, RTP_STREAM_ID, SessionDescription,
};

fn answer(lines: &str, takes_sizes: bool) -> (String, Vec<String>) {
    let text = format!(
        "v=0\no=p 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=video 6000 RTP/AVPF 96 98\n\
         a=rtpmap:96 VP8/90000\na=rtpmap:98 AV1/90000\n{lines}"
    );
    let vp8 = Codec::new(120, "VP8", 90_000).unwrap();
    let video = LocalMedia {
        header_extensions: vec![HeaderExtension::new(RTP_STREAM_ID)],
        takes_sizes,
        ..LocalMedia::video(4000, vec![vp8])
    };
    let origin = Origin { username: "-".into(), session_id: 1, address: "192.0.2.2".parse().unwrap() };
    let mut bob = OfferAnswer::new(origin, vec![video]);
    bob.receive_offer(&SessionDescription::parse(text.as_bytes()).unwrap()).unwrap();
    let answer = bob.make_answer().unwrap().to_string();
    let lines = answer.lines().filter(|line| line.starts_with("a=rid:") || line.starts_with("a=simulcast:"));
    (lines.collect::<Vec<_>>().join("\n"), bob.negotiated()[0].sizes.clone())
}

const EXTENSION: &str = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\n";

#[test]
fn the_sizes_that_are_offered_are_taken_by_their_names() {
    let sizes = "a=rid:q send\na=rid:h send pt=98,96;max-width=640\na=rid:f send\na=simulcast:send f;~h;q\n";
    let (lines, taken) = answer(&format!("{EXTENSION}{sizes}"), true);
    assert_eq!(lines, "a=rid:f recv\na=rid:h recv pt=96\na=rid:q recv\na=simulcast:recv f;~h;q");
    assert_eq!(taken, ["f", "h", "q"]);
    assert_eq!(answer(&format!("{EXTENSION}{sizes}"), false), (String::new(), vec![]), "not wanted");
    assert_eq!(answer(sizes, true), (String::new(), vec![]), "packets cannot say which they are");
}

#[test]
fn of_alternatives_one_is_taken_and_of_many_a_few() {
    let sizes = "a=rid:a send pt=98\na=rid:b send\na=rid:c send\na=rid:d recv\n";
    let (lines, taken) = answer(&format!("{EXTENSION}{sizes}a=simulcast:send a,b;c;d;e\n"), true);
    assert_eq!(lines, "a=rid:b recv\na=rid:c recv\na=simulcast:recv b;c");
    assert_eq!(taken, ["b", "c"]);
    // One size is no choice.
    let (lines, _) = answer(&format!("{EXTENSION}{sizes}a=simulcast:send a;c\n"), true);
    assert_eq!(lines, "");
    let many: String = (0..50).map(|n| format!("a=rid:{n} send\n")).collect();
    let list: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let (_, taken) = answer(&format!("{EXTENSION}{many}a=simulcast:send {}\n", list.join(";")), true);
    assert_eq!(taken.len(), 4);
}
