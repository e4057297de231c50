//! What reading costs: allocations that do not depend on the number of words, and time that is linear in the size.

use ringback_sdp::SessionDescription;

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
