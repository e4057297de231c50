//! The examples of RFC 4317: all descriptions are read and written octet for octet, and where the text says what
//! both sides can do, the machine is played through the dialogue and must come to the same result.

use ringback_sdp::{
    Codec, Direction, Host, LocalMedia, MediaKind, NegotiatedMedia, NegotiationState, OfferAnswer, Origin,
    SessionDescription,
};
use std::path::PathBuf;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn fixture(name: &str) -> SessionDescription {
    let path = fixtures().join(format!("rfc4317-{name}.sdp"));
    let body = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    SessionDescription::parse(&body).unwrap()
}

#[test]
fn every_description_survives_octet_for_octet() {
    let mut count = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let body = std::fs::read(&path).unwrap();
        assert_eq!(SessionDescription::parse(&body).unwrap().to_bytes(), body, "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 54);
}

/// A medium of ours: kind, port and codecs such as `97 iLBC/8000`, all of them dynamic or static as the text says.
fn local(kind: MediaKind, port: u16, codecs: &[&str]) -> LocalMedia {
    let codec = |text: &&str| {
        let (number, encoding) = text.split_once(' ').unwrap();
        let (name, rate) = encoding.split_once('/').unwrap();
        Codec::new(number.parse().unwrap(), name, rate.parse().unwrap()).unwrap()
    };
    let codecs = codecs.iter().map(codec).collect();
    LocalMedia { kind, rtcp_mux: false, ptime: None, ..LocalMedia::audio(port, codecs) }
}

fn audio(port: u16, codecs: &[&str]) -> LocalMedia {
    local(MediaKind::AUDIO, port, codecs)
}

fn video(port: u16, codecs: &[&str]) -> LocalMedia {
    local(MediaKind::VIDEO, port, codecs)
}

fn side(username: &str, media: Vec<LocalMedia>) -> OfferAnswer {
    let origin = Origin { username: username.into(), session_id: 1, address: "192.0.2.1".parse().unwrap() };
    OfferAnswer::new(origin, media)
}

/// What counts in a description: for each line its kind, port, formats by number and name, and direction.
fn essence(description: &SessionDescription) -> Vec<String> {
    let line = |media: &ringback_sdp::Media| match media.port {
        0 => format!("{} 0", media.kind),
        port => {
            let codecs: Vec<String> = media.codecs().iter().map(ToString::to_string).collect();
            format!(
                "{} {port} {} {} {}",
                media.kind,
                media.protocol,
                codecs.join(","),
                description.direction_of(media)
            )
        }
    };
    description.media.iter().map(line).collect()
}

/// Answers one offer of the RFC and compares with its answer.
fn answers(side: &mut OfferAnswer, section: &str, offer: &str, answer: &str) {
    side.receive_offer(&fixture(&format!("{section}-{offer}"))).unwrap();
    let made = side.make_answer().unwrap();
    assert_eq!(essence(&made), essence(&fixture(&format!("{section}-{answer}"))), "answer of {section}");
}

/// Makes an offer, compares it with that of the RFC, and takes the answer of the RFC.
fn offers(side: &mut OfferAnswer, section: &str, offer: &str, answer: &str) {
    let made = side.make_offer().unwrap();
    assert_eq!(essence(&made), essence(&fixture(&format!("{section}-{offer}"))), "offer of {section}");
    side.receive_answer(&fixture(&format!("{section}-{answer}"))).unwrap();
    assert_eq!(side.state(), NegotiationState::Stable);
}

/// The agreed lines: codecs to send, codecs to receive, direction, where to.
fn agreed(side: &OfferAnswer) -> Vec<String> {
    let names = |codecs: &[Codec]| codecs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let line = |media: &NegotiatedMedia| match &media.remote_rtp {
        _ if !media.is_active() => "off".to_owned(),
        Some(to) => format!("{} | {} {} {to}", names(&media.send), names(&media.receive), media.direction),
        None => format!("{} | {} {}", names(&media.send), names(&media.receive), media.direction),
    };
    side.negotiated().iter().map(line).collect()
}

const FULL_AUDIO: [&str; 3] = ["0 PCMU/8000", "8 PCMA/8000", "97 iLBC/8000"];
const FULL_VIDEO: [&str; 2] = ["31 H261/90000", "32 MPV/90000"];
const ATLANTA: &str = "host.atlanta.example.com";
const BILOXI: &str = "host.biloxi.example.com";

#[test]
fn section_2_1_one_codec_each_is_chosen() {
    let mut alice = side("alice", vec![audio(49170, &FULL_AUDIO), video(51372, &FULL_VIDEO)]);
    let mut bob = side("bob", vec![audio(49174, &["0 PCMU/8000"]), video(49170, &["32 MPV/90000"])]);
    offers(&mut alice, "2.1", "1-offer", "2-answer");
    answers(&mut bob, "2.1", "1-offer", "2-answer");
    assert_eq!(
        agreed(&alice),
        [
            format!("0 PCMU/8000 | 0 PCMU/8000 sendrecv {BILOXI}:49174"),
            format!("32 MPV/90000 | 32 MPV/90000 sendrecv {BILOXI}:49170"),
        ]
    );
    assert_eq!(
        agreed(&bob),
        [
            format!("0 PCMU/8000 | 0 PCMU/8000 sendrecv {ATLANTA}:49170"),
            format!("32 MPV/90000 | 32 MPV/90000 sendrecv {ATLANTA}:51372"),
        ]
    );
}

#[test]
fn section_2_2_video_is_refused_and_stays_off() {
    let mut alice = side("alice", vec![audio(49170, &FULL_AUDIO), video(51372, &FULL_VIDEO)]);
    offers(&mut alice, "2.2", "1-offer", "2-answer");
    assert_eq!(agreed(&alice)[1], "off");
    let mut bob = side("bob", vec![audio(49172, &["0 PCMU/8000", "8 PCMA/8000"])]);
    answers(&mut bob, "2.2", "1-offer", "2-answer");
    answers(&mut bob, "2.2", "3-second-offer", "4-second-answer");
    assert_eq!(agreed(&bob), [format!("0 PCMU/8000 | 0 PCMU/8000 sendrecv {ATLANTA}:51372"), "off".into()]);
}

/// The answerer numbers iLBC otherwise than the offerer, so each sends by the other's number.
#[test]
fn section_2_3_numbers_differ_by_direction() {
    let mut alice = side("alice", vec![audio(49170, &FULL_AUDIO), video(51372, &FULL_VIDEO)]);
    offers(&mut alice, "2.3", "1-offer", "2-answer");
    assert_eq!(agreed(&alice)[0], format!("99 iLBC/8000 | 97 iLBC/8000 sendrecv {BILOXI}:49172"));
}

#[test]
fn section_2_4_dtmf_has_a_line_of_its_own() {
    let events = LocalMedia { direction: Direction::SendOnly, ..audio(49172, &["98 telephone-event/8000"]) };
    let mut alice = side("alice", vec![audio(49170, &["0 PCMU/8000", "97 iLBC/8000"]), events]);
    offers(&mut alice, "2.4", "1-offer", "2-answer");
    let mut bob =
        side("bob", vec![audio(49172, &["97 iLBC/8000"]), audio(49174, &["98 telephone-event/8000"])]);
    answers(&mut bob, "2.4", "1-offer", "2-answer");
    let events = |side: &OfferAnswer| agreed(side)[1].clone();
    assert_eq!(
        events(&alice),
        format!("98 telephone-event/8000 | 98 telephone-event/8000 sendonly {BILOXI}:49174")
    );
    assert_eq!(
        events(&bob),
        format!("98 telephone-event/8000 | 98 telephone-event/8000 recvonly {ATLANTA}:49172")
    );
    assert_eq!(alice.negotiated()[1].codec(), None);
    assert_eq!(alice.negotiated()[1].telephone_event_to_send().map(Codec::payload_type), Some(98));
}

#[test]
fn section_2_5_the_peer_moves_and_our_version_stays() {
    let mut alice = side("alice", vec![audio(49170, &["97 iLBC/8000"]), video(51372, &["31 H261/90000"])]);
    offers(&mut alice, "2.5", "1-offer", "2-answer");
    let before = alice.local_description().unwrap().clone();
    answers(&mut alice, "2.5", "3-second-offer", "4-second-answer");
    assert_eq!(alice.local_description(), Some(&before));
    let to = alice.negotiated()[0].remote_rtp.clone().unwrap();
    assert_eq!((to.host, to.port), (Host::Name("newhost.biloxi.example.com".into()), 49178));
}

#[test]
fn section_2_6_the_first_line_is_refused_and_the_second_taken() {
    let mut alice = side(
        "alice",
        vec![audio(49170, &["0 PCMU/8000"]), audio(51372, &["97 iLBC/8000", "101 telephone-event/8000"])],
    );
    offers(&mut alice, "2.6", "1-offer", "2-answer");
    let mut bob = side("bob", vec![audio(49170, &["97 iLBC/8000", "101 telephone-event/8000"])]);
    answers(&mut bob, "2.6", "1-offer", "2-answer");
    assert_eq!((agreed(&alice)[0].as_str(), agreed(&bob)[0].as_str()), ("off", "off"));
    assert_eq!(bob.negotiated()[1].telephone_event_to_send().map(Codec::payload_type), Some(101));
}

#[test]
fn section_2_7_a_codec_is_added() {
    let mut bob = side("bob", vec![audio(49172, &["99 iLBC/8000"]), video(51374, &FULL_VIDEO)]);
    answers(&mut bob, "2.7", "1-offer", "2-answer");
    answers(&mut bob, "2.7", "3-second-offer", "4-second-answer");
    assert_eq!(bob.local_description().unwrap().origin.session_version, "2");
    assert_eq!(bob.negotiated()[1].send.len(), 2);
}

#[test]
fn section_2_8_media_go_to_different_hosts() {
    let mut alice = side("alice", vec![audio(49170, &FULL_AUDIO), video(51372, &FULL_VIDEO)]);
    offers(&mut alice, "2.8", "1-offer", "2-answer");
    let hosts: Vec<String> =
        alice.negotiated().iter().map(|media| media.remote_rtp.as_ref().unwrap().host.to_string()).collect();
    assert_eq!(hosts, [BILOXI, "otherhost.biloxi.example.com"]);
}

#[test]
fn section_3_1_the_answer_holds_and_the_answerer_resumes() {
    let mut alice = side("alice", vec![audio(49170, &["0 PCMU/8000", "97 iLBC/8000"])]);
    let mut bob = side("bob", vec![audio(49172, &["97 iLBC/8000"])]);
    bob.hold();
    offers(&mut alice, "3.1", "1-offer", "2-answer");
    answers(&mut bob, "3.1", "1-offer", "2-answer");
    assert_eq!(
        (alice.negotiated()[0].direction, bob.negotiated()[0].direction),
        (Direction::RecvOnly, Direction::SendOnly)
    );
    assert!(alice.negotiated()[0].is_held_by_peer());
    alice.set_local_port(0, 49178);
    answers(&mut alice, "3.1", "3-second-offer", "4-second-answer");
    bob.resume();
    bob.set_local_port(0, 49170);
    offers(&mut bob, "3.1", "3-second-offer", "4-second-answer");
    assert_eq!(
        (alice.negotiated()[0].direction, bob.negotiated()[0].direction),
        (Direction::SendRecv, Direction::SendRecv)
    );
}

/// The last answer of the RFC says sendrecv to sendonly, which RFC 3264 §6.1 forbids. It is survived, and not copied.
#[test]
fn section_3_2_a_hold_survives_a_wrong_answer() {
    let events = LocalMedia { direction: Direction::RecvOnly, ..audio(49174, &["98 telephone-event/8000"]) };
    let mut bob = side("bob", vec![audio(49172, &["97 iLBC/8000"]), events]);
    answers(&mut bob, "3.2", "1-offer", "2-answer");
    bob.set_direction(0, Direction::SendOnly);
    offers(&mut bob, "3.2", "3-second-offer", "4-second-answer");
    assert_eq!(bob.negotiated()[0].direction, Direction::SendOnly);
    assert_eq!(bob.negotiated()[1].direction, Direction::RecvOnly);

    let mut alice = side(
        "alice",
        vec![audio(49170, &["0 PCMU/8000", "97 iLBC/8000"]), audio(49172, &["98 telephone-event/8000"])],
    );
    alice.set_direction(1, Direction::SendOnly);
    offers(&mut alice, "3.2", "1-offer", "2-answer");
    alice.receive_offer(&fixture("3.2-3-second-offer")).unwrap();
    let answer = alice.make_answer().unwrap();
    assert_eq!(answer.media[0].direction(), Some(Direction::RecvOnly));
}

#[test]
fn section_4_1_a_stream_is_added_by_the_answerer() {
    let mut alice = side("alice", vec![audio(49170, &["0 PCMU/8000", "97 iLBC/8000"])]);
    offers(&mut alice, "4.1", "1-offer", "2-answer");
    // Only when the second line arrives does she open a port for it.
    alice.add_media(LocalMedia {
        direction: Direction::SendOnly,
        ..audio(49172, &["98 telephone-event/8000"])
    });
    answers(&mut alice, "4.1", "3-second-offer", "4-second-answer");
    assert_eq!(
        agreed(&alice)[1],
        "98 telephone-event/8000 | 98 telephone-event/8000 sendonly mediaserver.biloxi.example.com:48282"
    );

    let mut bob = side("bob", vec![audio(49170, &["97 iLBC/8000"])]);
    answers(&mut bob, "4.1", "1-offer", "2-answer");
    bob.add_media(LocalMedia {
        direction: Direction::RecvOnly,
        ..audio(48282, &["98 telephone-event/8000"])
    });
    offers(&mut bob, "4.1", "3-second-offer", "4-second-answer");
    assert_eq!(bob.negotiated()[1].direction, Direction::RecvOnly);
}

#[test]
fn section_4_2_video_is_added_by_the_offerer() {
    let mut alice = side("alice", vec![audio(49170, &["0 PCMU/8000"])]);
    offers(&mut alice, "4.2", "1-offer", "2-answer");
    alice.add_media(video(49172, &["31 H261/90000"]));
    offers(&mut alice, "4.2", "3-second-offer", "4-second-answer");
    let mut bob = side("bob", vec![audio(49172, &["0 PCMU/8000"]), video(49168, &["31 H261/90000"])]);
    answers(&mut bob, "4.2", "1-offer", "2-answer");
    answers(&mut bob, "4.2", "3-second-offer", "4-second-answer");
    assert_eq!((alice.negotiated()[1].local, bob.negotiated()[1].local), (Some(1), Some(1)));
}

#[test]
fn section_4_3_video_is_switched_off_and_its_line_stays() {
    let mut alice = side("alice", vec![audio(49170, &["97 iLBC/8000"]), video(51372, &["31 H261/90000"])]);
    let mut bob = side("bob", vec![audio(49174, &["97 iLBC/8000"]), video(49170, &["31 H261/90000"])]);
    offers(&mut alice, "4.3", "1-offer", "2-answer");
    answers(&mut bob, "4.3", "1-offer", "2-answer");
    bob.set_local_port(1, 0);
    offers(&mut bob, "4.3", "3-second-offer", "4-second-answer");
    answers(&mut alice, "4.3", "3-second-offer", "4-second-answer");
    assert_eq!((agreed(&alice)[1].as_str(), agreed(&bob)[1].as_str()), ("off", "off"));
}

#[test]
fn section_5_1_a_session_may_start_without_media() {
    let mut alice = side("alice", vec![]);
    let mut bob = side("bob", vec![audio(49172, &["97 iLBC/8000"])]);
    offers(&mut alice, "5.1", "1-offer", "2-answer");
    answers(&mut bob, "5.1", "1-offer", "2-answer");
    alice.add_media(audio(49170, &["97 iLBC/8000"]));
    offers(&mut alice, "5.1", "3-second-offer", "4-second-answer");
    answers(&mut bob, "5.1", "3-second-offer", "4-second-answer");
    assert_eq!(agreed(&bob), [format!("97 iLBC/8000 | 97 iLBC/8000 sendrecv {ATLANTA}:49170")]);
}

/// rule 49: `c=0.0.0.0` is hold. The RFC answers with sendrecv; we say that we only listen, which is the same.
#[test]
fn rule_49_section_5_2_an_offer_holds_in_the_old_style() {
    let mut bob = side("bob", vec![audio(49170, &["97 iLBC/8000"])]);
    bob.receive_offer(&fixture("5.2-1-offer")).unwrap();
    assert_eq!(bob.make_answer().unwrap().media[0].direction(), Some(Direction::RecvOnly));
    assert_eq!(agreed(&bob), ["97 iLBC/8000 | 97 iLBC/8000 recvonly"]);
    assert_eq!(bob.negotiated()[0].remote_rtcp, None);
    answers(&mut bob, "5.2", "3-second-offer", "4-second-answer");
    assert_eq!(agreed(&bob), [format!("97 iLBC/8000 | 97 iLBC/8000 sendrecv {ATLANTA}:49170")]);
}

#[test]
fn section_5_3_an_answer_holds_in_the_old_style() {
    let mut alice = side("alice", vec![audio(49170, &["97 iLBC/8000"])]);
    offers(&mut alice, "5.3", "1-offer", "2-answer");
    assert_eq!(agreed(&alice), ["97 iLBC/8000 | 97 iLBC/8000 recvonly"]);
    answers(&mut alice, "5.3", "3-second-offer", "4-second-answer");
    assert_eq!(alice.local_description().unwrap().origin.session_version, "1");
    assert_eq!(agreed(&alice), [format!("97 iLBC/8000 | 97 iLBC/8000 sendrecv {BILOXI}:49172")]);
}
