//! How a connection becomes a WebSocket (RFC 6455 §4.2, RFC 7118 §4), judged from the bytes of the request alone.

use tokio_tungstenite::tungstenite::handshake::machine::TryParse as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::header::{HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};

/// The longest request; browsers send cookies along.
pub(super) const LONGEST: usize = 16 << 10;
/// The sub-protocol of SIP (RFC 7118 §4).
pub(super) const SIP: &str = "sip";

/// What a request that is whole comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The rest of the request is still to come.
    Incomplete,
    /// Send this, and speak WebSocket from then on.
    Accepted(Vec<u8>),
    /// Send this, and close. Why, for the log.
    Refused(Vec<u8>, &'static str),
}

/// Judges a request. `origins` are those of the pages whose scripts may come; without any all may.
pub(super) fn judge(request: &[u8], origins: &[String]) -> Verdict {
    let (length, request) = match Request::try_parse(request) {
        Ok(None) if request.len() < LONGEST => return Verdict::Incomplete,
        Ok(None) => return refused("431 Request Header Fields Too Large", "", "its request is too long"),
        Err(_) => return refused("400 Bad Request", "", "it does not speak HTTP"),
        Ok(Some((length, parsed))) => (length == request.len(), parsed),
    };
    let Ok(mut response) = create_response(&request) else {
        let more = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
        return refused("426 Upgrade Required", more, "it does not ask for WebSocket");
    };
    let header = |name: HeaderName| request.headers().get_all(name).into_iter();
    let offered = header(SEC_WEBSOCKET_PROTOCOL).filter_map(|value| value.to_str().ok());
    if !offered.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case(SIP)) {
        return refused("400 Bad Request", "", "it does not offer the sub-protocol sip");
    }
    // Whoever can leave Origin out can also make one up: it protects the users of browsers, and nobody else.
    let allowed = |origin: &HeaderValue| {
        origins.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    };
    if !origins.is_empty() && !header(ORIGIN).all(allowed) {
        return refused("403 Forbidden", "", "it comes from a page that may not");
    }
    if !length {
        return refused("400 Bad Request", "", "it does not wait for the answer");
    }
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SIP));
    let mut bytes = Vec::new();
    match write_response(&mut bytes, &response) {
        Ok(()) => Verdict::Accepted(bytes),
        Err(_) => refused("500 Internal Server Error", "", "the answer cannot be written"),
    }
}

fn refused(status: &str, more: &str, why: &'static str) -> Verdict {
    let answer = format!("HTTP/1.1 {status}\r\n{more}Connection: close\r\nContent-Length: 0\r\n\r\n");
    Verdict::Refused(answer.into_bytes(), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://example.com\r\n\
        Sec-WebSocket-Protocol: chat, sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn status(request: &str, origins: &[&str]) -> String {
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let answer = match judge(request.as_bytes(), &origins) {
            Verdict::Incomplete => return "incomplete".into(),
            Verdict::Accepted(answer) | Verdict::Refused(answer, _) => answer,
        };
        String::from_utf8(answer).unwrap()[9..12].to_owned()
    }

    #[test]
    fn the_handshake_of_rfc_7118_is_answered() {
        let Verdict::Accepted(answer) = judge(GOOD.as_bytes(), &[]) else { panic!("it is good") };
        let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        // The key and its answer stand in RFC 6455 §1.3.
        for line in
            ["sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n", "sec-websocket-protocol: sip\r\n"]
        {
            assert!(answer.contains(line), "{answer}");
        }
    }

    #[test]
    fn fault_28_requests_that_will_not_do_are_told_so() {
        for (request, answer) in [
            (GOOD.to_owned(), "101"),
            (GOOD.replace("chat, sip", "chat"), "400"),
            (GOOD.replace("Sec-WebSocket-Protocol: chat, sip\r\n", ""), "400"),
            (GOOD.replace("Upgrade: websocket\r\n", ""), "426"),
            (GOOD.replace("Version: 13", "Version: 8"), "426"),
            (GOOD.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "426"),
            (GOOD.replace("GET", "POST"), "400"),
            ("OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n".to_owned(), "400"),
            (GOOD.replace("Host", &"x".repeat(LONGEST)), "431"),
            (GOOD[..100].to_owned(), "incomplete"),
            (format!("{GOOD}too early"), "400"),
        ] {
            let answer_given =
                if answer == "431" { status(&request[..LONGEST], &[]) } else { status(&request, &[]) };
            assert_eq!(answer_given, answer, "{request}");
        }
    }

    #[test]
    fn fault_28_pages_of_strangers_are_refused_where_origins_are_named() {
        let foreign = GOOD.replace("https://example.com", "https://evil.example");
        assert_eq!(status(&foreign, &[]), "101");
        assert_eq!(status(&foreign, &["https://example.com"]), "403");
        assert_eq!(status(GOOD, &["https://example.org", "HTTPS://example.com"]), "101");
        assert_eq!(status(&GOOD.replace("https://example.com", "null"), &["https://example.com"]), "403");
        assert_eq!(status(&GOOD.replace("Origin: https://example.com\r\n", ""), &["https://a"]), "101");
    }
}
