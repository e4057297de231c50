//! Session descriptions in messages.

use ringback_message::Message;
use ringback_message::body::Entity;
use ringback_message::header::ContentType;
use ringback_sdp::{SdpError, SessionDescription};

/// The media type of session descriptions.
pub(crate) const SDP: &str = "application/sdp";

/// Whether a body, or a part of one, is a session description.
pub fn is_description(body: &Entity<'_>) -> bool {
    match body.first::<ContentType<'_>>() {
        Some(kind) => kind.is_ok_and(|kind| kind.is("application", "sdp")),
        // Some peers forget to say so.
        None => body.body().starts_with(b"v="),
    }
}

/// The session description that a message carries, alone or among other parts; `None` when it carries none, or none that
/// is meant as the session (RFC 3261 §20.11).
pub(crate) fn description(message: &Message) -> Result<Option<SessionDescription>, SdpError> {
    let body = message.entity();
    // A request with other parts that would have to be understood was refused before. Of a response the session counts
    // all the same: nobody can refuse one.
    let any = |part: &Entity<'_>| is_description(part) || part.multipart().is_none();
    let Ok(known) = body.select(&is_description).or_else(|_| body.select(&any)) else { return Ok(None) };
    let is_session = |part: &&Entity<'_>| {
        !part.body().is_empty() && part.disposition().is_none_or(|disposition| disposition.is("session"))
    };
    let description = known.iter().filter(|part| is_description(part)).find(is_session);
    description.map(|part| SessionDescription::parse(part.body())).transpose()
}
