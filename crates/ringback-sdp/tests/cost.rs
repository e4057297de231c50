//! What reading costs: allocations that do not depend on the number of words, and time that is linear in the size.

use ringback_sdp::{Codec, LocalMedia, OfferAnswer, Origin, SessionDescription};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The offer of a border element: one medium, nine codecs, keys and candidates.
const AUDIO: &[u8] = include_bytes!("../../../benches/messages/audio.sdp");
/// The offer of a browser: audio, video and a data channel.
const WEBRTC: &[u8] = include_bytes!("../../../benches/messages/webrtc.sdp");

fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

#[test]
fn reading_allocates_for_lists_and_not_for_words() {
    let reading = |text| allocations(|| drop(SessionDescription::parse(text)));
    assert!(reading(AUDIO) <= 12, "{}", reading(AUDIO));
    assert!(reading(WEBRTC) <= 24, "{}", reading(WEBRTC));
}

#[test]
fn writing_allocates_for_its_output_only() {
    let webrtc = SessionDescription::parse(WEBRTC).unwrap();
    // One buffer, of the right size from the start.
    assert_eq!(allocations(|| drop(webrtc.to_bytes())), 1);
}

/// A copy shares the text of its original.
#[test]
fn a_copy_is_a_copy_of_the_lists() {
    let webrtc = SessionDescription::parse(WEBRTC).unwrap();
    assert!(allocations(|| drop(webrtc.clone())) <= 16);
}

/// Fault 32: no input makes an octet cost more because there are many of them.
#[test]
fn cost_grows_as_size_does() {
    #[rustfmt::skip]
    let hostile: &[(&str, &str, &str)] = &[
        ("colons", "a=", ":"),
        ("blanks in m=", "m=audio 1 RTP/AVP", " "),
        ("blanks in o=", "o=-", " "),
        ("tabs", "a=x:", "\t"),
        ("torn lines", "a=x:", "\rx"),
        ("lines of one letter", "", "x=\n"),
        ("empty lines", "", "\n"),
        ("many attributes", "m=audio 1 RTP/AVP 0\n", "a=fmtp:0 0123456789abcdef0123\n"),
        ("many formats", "", "m=audio 1 RTP/AVP 96 97 98 99 100\n"),
        ("tags of a group", "a=group:BUNDLE", " 1"),
        ("restrictions", "m=audio 1 RTP/AVP 0\na=rid:1 send ", "a=1;"),
        ("streams", "m=audio 1 RTP/AVP 0\na=simulcast:send 1", ";1,~2"),
        ("words of many octets", "a=x:", "é"),
    ];
    for (what, start, repeated) in hostile {
        let time = |size: usize| {
            let body = format!(
                "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\n{start}{}",
                repeated.repeat(size / repeated.len())
            );
            (0..7).map(|_| duration(|| read_all(black_box(body.as_bytes())))).min().unwrap()
        };
        let (small, large) = (time(4_000), time(60_000));
        // Fifteen times the size; what is quadratic takes 225 times as long. The rest is left to the machine.
        assert!(large < small.max(Duration::from_micros(20)) * 15 * 5, "{what}: {small:?} and {large:?}");
    }
}

/// All that is done with a description of a peer.
fn read_all(body: &[u8]) {
    let Ok(description) = SessionDescription::parse(body) else { return };
    let _ = SessionDescription::deviations(body);
    let origin = Origin { username: "u".into(), session_id: 1, address: [192, 0, 2, 2].into() };
    let mut machine = OfferAnswer::new(origin, vec![LocalMedia::audio(4000, vec![Codec::pcmu()])]);
    machine.set_bundling(true);
    if machine.receive_offer(&description).is_ok() {
        let _ = machine.make_answer();
    }
    for media in &description.media {
        let _ = (media.codecs(), media.get::<ringback_sdp::attribute::Simulcast<'_>>());
        let _ = media.get::<ringback_sdp::attribute::Rid<'_>>().map(|rid| rid.payload_types().count());
    }
}

#[expect(clippy::disallowed_methods, reason = "the cost is what is measured")]
fn duration(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
