//! Session descriptions in messages.

use ringback_message::header::ContentType;
use ringback_message::{HeaderId, Message};
use ringback_sdp::{SdpError, SessionDescription};

/// The media type of session descriptions.
pub(crate) const SDP: &str = "application/sdp";

/// The session description that a message carries; `None` when it carries none, or none that is meant as the
/// session (RFC 3261 §20.11).
pub(crate) fn description(message: &Message) -> Result<Option<SessionDescription>, SdpError> {
    let is_sdp = match message.first::<ContentType<'_>>() {
        Some(Ok(kind)) => kind.is("application", "sdp"),
        Some(Err(_)) => false,
        // Some peers forget to say so.
        None => message.body().starts_with(b"v="),
    };
    let disposition = message.values(HeaderId::CONTENT_DISPOSITION).next();
    let is_session = disposition.is_none_or(|value| {
        let kind = value.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next().unwrap_or_default();
        kind.eq_ignore_ascii_case(b"session")
    });
    if message.body().is_empty() || !is_sdp || !is_session {
        return Ok(None);
    }
    SessionDescription::parse(message.body()).map(Some)
}
