//! `ringback demo` from the outside: it checks itself, and the check bites.

use crate::support::{Folder, run, text};

#[test]
fn the_demo_proves_itself_and_leaves_its_files() {
    let folder = Folder::new("demo");
    let output = run(&["demo", "--out", &folder.path("out")]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("Bob   recorded what Alice said") && text.contains("Alice recorded what Bob said"),
        "{text}"
    );
    for side in ["Alice media: SRTP AEAD_AES_128_GCM", "Bob   media: SRTP AEAD_AES_128_GCM"] {
        assert!(text.contains(side), "{text}");
    }
    for file in ["alice-heard.wav", "bob-heard.wav", "call.pcap", "ladder.txt", "ladder.svg"] {
        let length = std::fs::metadata(folder.path(&format!("out/{file}"))).map(|it| it.len());
        assert!(length.is_ok_and(|length| length > 1_000), "{file}");
    }
    let traced = run(&["trace", &folder.path("out/call.pcap")]);
    assert!(traced.status.success());
    let traced = crate::support::text(&traced);
    let looked_at = run(&["lint", &folder.path("out/call.pcap")]);
    assert_eq!(
        looked_at.status.code(),
        Some(0),
        "what we send is by the letter: {}",
        crate::support::text(&looked_at)
    );
    for step in ["INVITE", "180 Ringing", "200 OK", "ACK", "BYE", "RTP PCMU"] {
        assert!(traced.contains(step), "{step}:\n{traced}");
    }
}

#[test]
fn one_flipped_bit_in_the_received_audio_makes_the_demo_fail() {
    let folder = Folder::new("flip");
    let output = run(&["demo", "--flip", "--out", &folder.path("out")]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("Bob did not record what Alice said, at"), "{text}");
    assert!(text.contains("Alice recorded what Bob said"), "the other way is whole: {text}");
}

#[test]
fn a_conference_of_three_proves_by_tones_who_heard_whom() {
    let folder = Folder::new("conference");
    let output = run(&["demo", "--conference", "--out", &folder.path("out")]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    for told in ["alice heard bob and carol", "bob   heard alice and carol", "carol heard alice and bob"] {
        assert!(text.contains(told), "{text}");
    }
    for codec in ["with opus", "with G722", "with PCMU"] {
        assert!(text.contains(codec), "{text}");
    }
}
