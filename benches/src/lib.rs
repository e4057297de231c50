//! What the benchmarks work on: messages as phones and proxies send them, written for this purpose.
//!
//! `cargo xtask bench` runs them, `cargo xtask bench --against REV` beside those of another revision.

/// A message by its name.
pub type Sample = (&'static str, &'static [u8]);

/// An INVITE of a softphone with an offer.
pub const INVITE: &[u8] = include_bytes!("../messages/invite.sip");
/// The answer to it, as it comes back to the second proxy.
pub const OK: &[u8] = include_bytes!("../messages/ok.sip");
/// A REGISTER of a desk phone in compact form.
pub const REGISTER: &[u8] = include_bytes!("../messages/register.sip");
/// An INVITE that came through three proxies.
pub const THREE_PROXIES: &[u8] = include_bytes!("../messages/three-proxies.sip");
/// The offer of a border element: one medium with many codecs.
pub const AUDIO_SDP: &[u8] = include_bytes!("../messages/audio.sdp");
/// The offer of a browser: audio, video and a data channel in one bundle.
pub const WEBRTC_SDP: &[u8] = include_bytes!("../messages/webrtc.sdp");

/// All messages.
pub const SAMPLES: &[Sample] =
    &[("invite", INVITE), ("three-proxies", THREE_PROXIES), ("ok", OK), ("register", REGISTER)];

/// The body of a message.
pub fn body(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    &message[end..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::Message;
    use ringback_sdp::SessionDescription;

    #[test]
    fn every_sample_is_a_valid_message() {
        for (name, bytes) in SAMPLES {
            let message = Message::parse(*bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            message.validate().unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(message.rendered_len(), bytes.len(), "{name}: the body is as long as it says");
        }
        for text in [body(INVITE), AUDIO_SDP, WEBRTC_SDP] {
            assert_eq!(SessionDescription::parse(text).unwrap().to_bytes(), text);
        }
    }
}
