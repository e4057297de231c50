//! Fuzz bodies: what must hold for any input at all, one function a target.
//!
//! The targets in `fuzz/` are five lines each and call these; `tests/corpus.rs` replays the committed inputs on stable
//! Rust. A body panics when a law is broken, and otherwise says nothing.

mod agent;
mod connections;
mod machines;
mod media;
mod path;
mod relay;
mod script;
mod srtp;
mod syntax;
mod video;

/// A target by its name, which is that of its folder under `fuzz/corpus/` too.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("capture", media::capture),
    ("cpim", syntax::cpim),
    ("codec", media::codec),
    ("digest", syntax::digest),
    ("jitter", media::jitter),
    ("media_path", path::media_path),
    ("message", syntax::message),
    ("offer_answer", machines::offer_answer),
    ("passing", connections::passing),
    ("proxy", machines::proxy),
    ("registrar", machines::registrar),
    ("relay", relay::relay),
    ("rtcp", media::rtcp),
    ("rtp", media::rtp),
    ("sdp", syntax::sdp),
    ("srtp", srtp::srtp),
    ("stream", syntax::stream),
    ("text", media::text),
    ("transactions", machines::transactions),
    ("transcode", relay::transcode),
    ("transport", connections::transport),
    ("uri", syntax::uri),
    ("multipart", syntax::multipart),
    ("sipfrag", syntax::sipfrag),
    ("user_agent", agent::user_agent),
    ("video_leg", video::video_leg),
    ("video_room", video::video_room),
    ("wav", media::wav),
];

/// Runs one target on one input.
///
/// # Panics
/// When a law is broken, or when there is no such target.
pub fn run(target: &str, input: &[u8]) {
    let (_, body) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target of the table");
    body(input);
}
