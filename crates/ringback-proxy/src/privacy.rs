//! Who is told who somebody is: identities that are asserted (RFC 3325), and what senders ask to be kept private (RFC 3323).

use ringback_message::header::Privacy;
use ringback_message::{HeaderId, Message};

/// Whether a kind of privacy is asked for.
pub(crate) fn asks(message: &Message, kind: &str) -> bool {
    message.has(HeaderId::PRIVACY)
        && message.all::<Privacy<'_>>().any(|value| value.is_ok_and(|value| value.has(kind)))
}

/// Takes out of a message what is for the trust domain alone, on its way to somebody who is not of it. RFC 3325 §7: `none` says that
/// the identity is for everybody. Whoever asks for anything else as well did not mean that.
pub(crate) fn leave_domain(message: &mut Message) {
    if !message.has(HeaderId::P_ASSERTED_IDENTITY) {
        return;
    }
    if !asks(message, "none") || asks(message, "id") {
        message.remove(HeaderId::P_ASSERTED_IDENTITY);
    }
}

/// Whether stations of a request may be told others: not where those who had a hand in it want them, or all that identifies them, left
/// out (RFC 7044 §10.1.2, RFC 3323 §4.2).
pub(crate) fn tells_stations(message: &Message) -> bool {
    !["header", "session", "history"].into_iter().any(|kind| asks(message, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(privacy: &str) -> Message {
        let text = format!(
            "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\n\
             Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nP-Asserted-Identity: <sip:a@x>\r\n{privacy}\r\n"
        );
        Message::parse(text.into_bytes()).unwrap()
    }

    #[test]
    fn rfc_3325_7_only_none_tells_everybody() {
        for (privacy, is_told) in [
            ("", false),
            ("Privacy: id\r\n", false),
            ("Privacy: NONE\r\n", true),
            ("Privacy: none;id\r\n", false),
            ("Privacy: none\r\nPrivacy: id\r\n", false),
            ("Privacy: header;critical\r\n", false),
            ("Privacy: ,,;\r\n", false),
        ] {
            let mut message = message(privacy);
            leave_domain(&mut message);
            assert_eq!(message.has(HeaderId::P_ASSERTED_IDENTITY), is_told, "{privacy}");
        }
    }

    #[test]
    fn stations_are_kept_from_others_where_that_is_asked_for() {
        for (privacy, tells) in [
            ("", true),
            ("Privacy: id\r\n", true),
            ("Privacy: header\r\n", false),
            ("Privacy: id;history\r\n", false),
        ] {
            assert_eq!(tells_stations(&message(privacy)), tells, "{privacy}");
        }
    }
}
