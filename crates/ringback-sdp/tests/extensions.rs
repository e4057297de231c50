//! Header extensions (RFC 8285 §5 to §7) and redundancy (RFC 2198, RFC 4102) in offers and answers.

use ringback_sdp::{
    Codec, Direction, HeaderExtension, LocalMedia, MediaKind, OfferAnswer, Origin, SessionDescription,
};

const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

fn side(address: &str, media: Vec<LocalMedia>) -> OfferAnswer {
    let address = address.parse().unwrap();
    OfferAnswer::new(Origin { username: "-".into(), session_id: 1, address }, media)
}

fn audio(port: u16, extensions: &[&str]) -> LocalMedia {
    let header_extensions = extensions.iter().map(|uri| HeaderExtension::new(*uri)).collect();
    LocalMedia { header_extensions, ..LocalMedia::audio(port, vec![Codec::pcmu()]) }
}

fn wire(description: &SessionDescription) -> SessionDescription {
    SessionDescription::parse(&description.to_bytes()).unwrap()
}

fn peer(lines: &str) -> SessionDescription {
    let head = "v=0\no=p 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n";
    SessionDescription::parse(format!("{head}{lines}").as_bytes()).unwrap()
}

fn exchange(from: &mut OfferAnswer, to: &mut OfferAnswer) -> (String, String) {
    let offer = from.make_offer().unwrap();
    to.receive_offer(&wire(&offer)).unwrap();
    let answer = to.make_answer().unwrap();
    from.receive_answer(&wire(&answer)).unwrap();
    (offer.to_string(), answer.to_string())
}

fn answer_to(ours: LocalMedia, offer: &str) -> (OfferAnswer, String) {
    let mut side = side("192.0.2.1", vec![ours]);
    side.receive_offer(&peer(offer)).unwrap();
    let answer = side.make_answer().unwrap().to_string();
    (side, answer)
}

fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let prefix = format!("a={name}:");
    text.lines().filter(|line| line.starts_with(&prefix)).collect()
}

fn agreed(side: &OfferAnswer) -> Vec<(u8, String, Direction)> {
    let extensions = &side.negotiated()[0].header_extensions;
    extensions.iter().map(|it| (it.id, it.uri.clone(), it.direction)).collect()
}

#[test]
fn what_both_understand_is_agreed_by_the_number_of_the_offer() {
    let mut alice = side("192.0.2.1", vec![audio(4000, &["urn:x", LEVEL])]);
    let mut bob = side("192.0.2.2", vec![audio(5000, &[LEVEL])]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(lines(&offer, "extmap"), ["a=extmap:1 urn:x", &format!("a=extmap:2 {LEVEL}")]);
    assert_eq!(lines(&answer, "extmap"), [format!("a=extmap:2 {LEVEL}")]);
    let level = [(2, LEVEL.to_owned(), Direction::SendRecv)];
    assert_eq!((agreed(&alice), agreed(&bob)), (level.to_vec(), level.to_vec()));
    // Bob had wished for 1: the number stays as long as the session does.
    let (offer, _) = exchange(&mut bob, &mut alice);
    assert_eq!(lines(&offer, "extmap"), [format!("a=extmap:2 {LEVEL}")]);
    assert_eq!(agreed(&bob), level);
}

#[test]
fn directions_of_both_sides_meet() {
    for (offered, ours, written, direction) in [
        ("/sendonly", Direction::SendRecv, "/recvonly", Direction::RecvOnly),
        ("/recvonly", Direction::SendRecv, "/sendonly", Direction::SendOnly),
        ("", Direction::RecvOnly, "/recvonly", Direction::RecvOnly),
        ("/sendrecv", Direction::SendRecv, "", Direction::SendRecv),
    ] {
        let mut media = audio(4000, &[LEVEL]);
        media.header_extensions[0].direction = ours;
        let (side, answer) =
            answer_to(media, &format!("m=audio 6000 RTP/AVP 0\na=extmap:5{offered} {LEVEL} vad=off\n"));
        assert_eq!(lines(&answer, "extmap"), [format!("a=extmap:5{written} {LEVEL} vad=off")]);
        assert_eq!(agreed(&side), [(5, LEVEL.to_owned(), direction)]);
        assert_eq!(side.negotiated()[0].header_extension(LEVEL).unwrap().attributes, "vad=off");
    }
    let mut media = audio(4000, &[LEVEL]);
    media.header_extensions[0].direction = Direction::SendOnly;
    let (side, answer) = answer_to(media, &format!("m=audio 6000 RTP/AVP 0\na=extmap:5/sendonly {LEVEL}\n"));
    assert_eq!((lines(&answer, "extmap").len(), agreed(&side)), (0, vec![]), "nobody would read it");
}

#[test]
fn numbers_that_are_none_or_taken_are_not_agreed_on() {
    let offer = format!(
        "m=audio 6000 RTP/AVP 0\na=extmap:1 urn:unknown\na=extmap:4096 {MID}\na=extmap:3 {LEVEL}\n\
         a=extmap:4 {LEVEL}\na=extmap:0 {MID}\na=extmap:3 {MID}\n"
    );
    let (side, answer) = answer_to(audio(4000, &[LEVEL, MID]), &offer);
    // 4096 says that the answerer chooses, which takes none of the offer's.
    assert_eq!(lines(&answer, "extmap"), [format!("a=extmap:2 {MID}"), format!("a=extmap:3 {LEVEL}")]);
    assert_eq!(agreed(&side).len(), 2);
}

#[test]
fn an_answer_that_was_not_asked_for_changes_nothing() {
    for line in [
        format!("a=extmap:7 {LEVEL}"),
        "a=extmap:1 urn:other".to_owned(),
        format!("a=extmap:1/inactive {LEVEL}"),
    ] {
        let mut alice = side("192.0.2.1", vec![audio(4000, &[LEVEL])]);
        alice.make_offer().unwrap();
        alice.receive_answer(&peer(&format!("m=audio 6000 RTP/AVP 0\n{line}\n"))).unwrap();
        assert_eq!(agreed(&alice), [], "{line}");
    }
}

#[test]
fn one_means_the_same_at_each_of_our_lines() {
    let video = LocalMedia { kind: MediaKind::VIDEO, ..audio(4002, &[MID, "urn:y"]) };
    let mut alice = side("192.0.2.1", vec![audio(4000, &[LEVEL, MID]), video]);
    let offer = alice.make_offer().unwrap().to_string();
    let mid = format!("a=extmap:2 {MID}");
    assert_eq!(lines(&offer, "extmap"), [&format!("a=extmap:1 {LEVEL}"), &mid, &mid, "a=extmap:3 urn:y"]);
}

fn redundant(port: u16, offers_redundancy: bool) -> LocalMedia {
    let codecs = vec![Codec::opus(), Codec::pcmu(), Codec::pcma()];
    let red = [(Codec::opus(), 112), (Codec::pcmu(), 113), (Codec::pcma(), 114)];
    let red = red.map(|(codec, number)| Codec::redundancy_of(&codec, number).unwrap());
    LocalMedia { offers_redundancy, ..LocalMedia::audio(port, [codecs, red.to_vec()].concat()) }
}

fn red_of(side: &OfferAnswer, codec: &str) -> Option<(u8, String)> {
    let media = &side.negotiated()[0];
    let codec = media.send.iter().find(|it| it.is_named(codec))?;
    let red = media.redundancy_of(codec)?;
    Some((red.payload_type(), red.fmtp()?.to_owned()))
}

#[test]
fn redundancy_is_offered_where_it_is_wanted_and_answered_anyway() {
    let (mut alice, mut bob) =
        (side("192.0.2.1", vec![redundant(4000, false)]), side("192.0.2.2", vec![redundant(5000, false)]));
    let (offer, _) = exchange(&mut alice, &mut bob);
    assert!(!offer.contains("red"), "{offer}");
    let mut alice = side("192.0.2.1", vec![redundant(4000, true)]);
    let (offer, answer) = exchange(&mut alice, &mut bob_again());
    let all = ["a=fmtp:112 111/111", "a=fmtp:113 0/0", "a=fmtp:114 8/8"];
    assert_eq!((lines(&offer, "fmtp"), lines(&answer, "fmtp")), (all.to_vec(), all.to_vec()));
    assert_eq!(red_of(&alice, "opus"), Some((112, "111/111".into())));
    assert_eq!(alice.negotiated()[0].codec().unwrap().name(), "opus", "nothing is said in redundancy alone");
}

fn bob_again() -> OfferAnswer {
    side("192.0.2.2", vec![redundant(5000, false)])
}

#[test]
fn redundancy_is_of_what_it_repeats_by_the_numbers_of_the_peer() {
    let offer = "m=audio 6000 RTP/AVP 96 63 8 97 98\na=rtpmap:96 opus/48000/2\na=rtpmap:63 red/48000/2\n\
                 a=fmtp:63 96/96\na=rtpmap:97 red/8000\na=fmtp:97 8/8/8\na=rtpmap:98 red/8000\na=fmtp:98 18/18\n";
    let (mut side, answer) = answer_to(redundant(4000, false), offer);
    assert_eq!(lines(&answer, "fmtp"), ["a=fmtp:63 96/96", "a=fmtp:97 8/8"]);
    assert_eq!(red_of(&side, "opus"), Some((63, "96/96".into())));
    assert_eq!(red_of(&side, "PCMA"), Some((97, "8/8/8".into())));
    // What was spoken of stays in our next offer, by the numbers that it has.
    let again = side.make_offer().unwrap().to_string();
    assert_eq!(lines(&again, "fmtp"), ["a=fmtp:63 96/96", "a=fmtp:113 0/0", "a=fmtp:97 8/8"]);
}

#[test]
fn redundancy_without_a_format_to_repeat_is_left_out() {
    for fmtp in ["", "a=fmtp:99 x/y\n", "a=fmtp:99 99/99\n", "a=fmtp:99 300\n", "a=fmtp:99 18/18\n"] {
        let offer = format!("m=audio 6000 RTP/AVP 0 99\na=rtpmap:99 red/8000\n{fmtp}");
        let (side, answer) = answer_to(redundant(4000, false), &offer);
        assert!(answer.contains("m=audio 4000 RTP/AVP 0\r\n"), "{answer}");
        assert_eq!(red_of(&side, "PCMU"), None);
    }
    let offer = "m=audio 6000 RTP/AVP 99 18\na=rtpmap:99 red/8000\na=fmtp:99 0/0\n";
    assert!(
        side("192.0.2.1", vec![redundant(4000, true)]).receive_offer(&peer(offer)).is_err(),
        "it carries nothing of ours"
    );
}

/// RFC 4103 §11: text beside audio, with what was typed before.
#[test]
fn text_has_a_line_of_its_own() {
    let media = |port| vec![LocalMedia::audio(port, vec![Codec::pcmu()]), LocalMedia::text(port + 2)];
    let (mut alice, mut bob) = (side("192.0.2.1", media(4000)), side("192.0.2.2", media(5000)));
    let (offer, answer) = exchange(&mut alice, &mut bob);
    let text = "RTP/AVP 100 98\r\na=rtpmap:100 red/1000\r\na=fmtp:100 98/98/98\r\na=rtpmap:98 t140/1000\r\na=rtcp-mux\r\n";
    assert!(
        offer.contains(&format!("m=text 4002 {text}")) && answer.contains(&format!("m=text 5002 {text}")),
        "{offer}"
    );
    let agreed = &alice.negotiated()[1];
    let codec = agreed.codec().unwrap();
    assert_eq!((codec.name(), agreed.redundancy_of(codec).map(Codec::payload_type)), ("t140", Some(100)));
    // Who knows no redundancy gets none, by numbers of its own.
    let (side, answer) = answer_to(LocalMedia::text(4002), "m=text 6000 RTP/AVP 96\na=rtpmap:96 t140/1000\n");
    assert!(answer.contains("m=text 4002 RTP/AVP 96\r\n"), "{answer}");
    assert_eq!(side.negotiated()[0].send.len(), 1);
    // And who has no text refuses it alone.
    let mut carol = self::side("192.0.2.3", vec![LocalMedia::audio(7000, vec![Codec::pcmu()])]);
    let (_, answer) = exchange(&mut self::side("192.0.2.1", media(4000)), &mut carol);
    assert!(answer.contains("m=audio 7000") && answer.contains("m=text 0"), "{answer}");
}
