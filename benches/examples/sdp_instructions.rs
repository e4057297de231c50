//! Reads each given description, or the samples, as often as told: `sdp_instructions COUNT [FILE…]`.
//!
//! For a counter of instructions, of which the figures repeat where those of a clock do not:
//!
//! ```text
//! cargo build --profile bench -p ringback-benches --example sdp_instructions
//! valgrind --tool=callgrind target/release/examples/sdp_instructions 1000 audio.sdp
//! ```
//!
//! What a run with COUNT 0 takes is to be subtracted.

use ringback_benches::{AUDIO_SDP, WEBRTC_SDP};
use ringback_sdp::SessionDescription;
use std::hint::black_box;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1);
    let mut descriptions: Vec<Vec<u8>> = arguments
        .map(|file| std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}")))
        .collect();
    if descriptions.is_empty() {
        descriptions = vec![AUDIO_SDP.to_vec(), WEBRTC_SDP.to_vec()];
    }
    for description in &descriptions {
        for _ in 0..count {
            let _ = black_box(SessionDescription::parse(black_box(description)));
        }
    }
}
