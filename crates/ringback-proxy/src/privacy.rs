//! Who is told who somebody is: identities that are asserted (RFC 3325), and what senders ask to be kept private (RFC 3323).

use ringback_message::header::Privacy;
use ringback_message::{HeaderId, Message, Request};

/// Whether a kind of privacy is asked for.
pub(crate) fn asks(message: &Message, kind: &str) -> bool {
    message.has(HeaderId::PRIVACY)
        && message.all::<Privacy<'_>>().any(|value| value.is_ok_and(|value| value.has(kind)))
}

/// The option tag by which a request insists on it (RFC 3323 §4.3).
pub(crate) const TAG: &str = "privacy";

/// The kinds that are given here, and those that ask for nothing. All others take somebody in the middle of the call, who rewrites
/// addresses and media.
const GIVEN: [&str; 4] = ["id", "none", "history", "critical"];

/// The kinds that are asked for and not given.
fn not_given(message: &Message) -> impl Iterator<Item = &str> {
    let kinds = message.all::<Privacy<'_>>().flatten().flat_map(|value| value.iter());
    kinds.filter(|kind| !GIVEN.iter().any(|given| given.eq_ignore_ascii_case(kind)))
}

/// Whether a kind is asked for that is not given here.
pub(crate) fn is_more_than_given(message: &Message) -> bool {
    not_given(message).next().is_some()
}

/// Why a request has to fail that says that its privacy is critical, where some of it is not given here: the reason phrase of the 500,
/// which names what is not given (RFC 3323 §5).
pub fn failure(request: &Request) -> Option<String> {
    /// So many are named, of that many octets.
    const MOST: (usize, usize) = (4, 32);
    if !request.has(HeaderId::PRIVACY) || !asks(request, "critical") {
        return None;
    }
    let mut kinds: Vec<&str> = Vec::new();
    for kind in not_given(request) {
        if kinds.len() < MOST.0 && !kinds.contains(&kind) {
            kinds.push(kind.get(..MOST.1).unwrap_or(kind));
        }
    }
    (!kinds.is_empty()).then(|| format!("Privacy Not Given: {}", kinds.join(", ")))
}

/// Takes out of a message what is for the trust domain alone, on its way to somebody who is not of it. RFC 3325 §7: `none` says that
/// the identity is for everybody. Whoever asks for anything else as well did not mean that.
pub(crate) fn leave_domain(message: &mut Message) {
    // RFC 3323 §5: what it insists on is done herewith. Nothing else that is required comes as far as here.
    if message.has(HeaderId::PROXY_REQUIRE) {
        message.remove(HeaderId::PROXY_REQUIRE);
    }
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

    #[test]
    fn rfc_3323_5_only_what_is_critical_and_not_given_fails_and_is_named() {
        let long = "x".repeat(100);
        let many = format!("Privacy: critical;a;b;{long};c;d;e\r\n");
        let named = format!("Privacy Not Given: a, b, {}, c", &long[..32]);
        for (privacy, reason) in [
            ("", None),
            ("Privacy: header;session;user\r\n", None),
            ("Privacy: critical\r\n", None),
            ("Privacy: none;critical\r\n", None),
            ("Privacy: ID; History; Critical\r\n", None),
            ("Privacy: header;CRITICAL\r\n", Some("Privacy Not Given: header")),
            (
                "Privacy: user;id\r\nPrivacy: session;user;critical\r\n",
                Some("Privacy Not Given: user, session"),
            ),
            ("Privacy: future;critical\r\n", Some("Privacy Not Given: future")),
            (&many, Some(named.as_str())),
        ] {
            let request = Request::try_from(message(privacy)).unwrap();
            assert_eq!(failure(&request).as_deref(), reason, "{privacy}");
        }
    }
}
