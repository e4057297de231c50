//! Each kind of deviation once, and what holds for all of them.

use super::*;

const GOOD: &str = "INVITE sip:bob@example.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Alice A.\" <sip:alice@example.com>;tag=1\r\n\
    To: Bob <sip:bob@example.com>\r\n\
    Call-ID: 7@example.com\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:alice@192.0.2.1>\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 2\r\n\
    \r\n\
    hi";

fn deviations(text: &str) -> Vec<Deviation> {
    Message::parse(text.as_bytes().to_vec()).unwrap().deviations()
}

/// What is found, each as its rule and the text that it is about.
fn found(text: &str) -> Vec<(&'static str, String)> {
    let place = |it: &Deviation| {
        let bytes = text.as_bytes();
        let place = &bytes[it.offset as usize..(it.offset + it.length) as usize];
        String::from_utf8_lossy(place).into_owned()
    };
    deviations(text).iter().map(|it| (it.rule, place(it))).collect()
}

#[test]
fn a_message_by_the_letter_has_none() {
    assert_eq!(found(GOOD), []);
    assert!(Message::parse_with_policy(GOOD, Policy::Strict).is_ok());
    let full = GOOD.replace(
        "Contact:",
        "Accept: application/sdp;level=1, */*;q=0.5\r\nAccept-Language: da, en-gb;q=0.8\r\n\
         Alert-Info: <http://www.example.com/sounds/moo.wav>;x=y\r\nAllow: INVITE, ACK\r\n\
         Authorization: Digest username=\"bob\", realm=\"a, b\", nonce=\"84a4\", uri=\"sip:b@example.com\",\r\n \
         response=\"7587245234b3434cc3412213e5f113a5\", algorithm=MD5, nc=00000001, qop=auth, cnonce=\"1\"\r\n\
         Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nSubject: Лунь\r\nSupported: \r\nRequire: 100rel,\r\n\ttimer\r\n\
         Retry-After: 18000 (back (soon)) ;duration=3600\r\nServer: HomeServer/v2 (x\\)y)\r\nTimestamp: 54.21 0.3\r\n\
         Warning: 307 isi.edu \"no such \\\"net\\\"\", 399 [2001:db8::1]:5060 \"x\"\r\nMIME-Version: 1.0\r\n\
         Replaces: a@b;to-tag=1;from-tag=2\r\nSession-Expires: 1800;refresher=uac\r\nPrivacy: id;critical\r\n\
         P-Asserted-Identity: \"x\" <sip:a@b.example>, tel:+1-201-555-0123\r\nMin-SE: 90\r\nPriority: urgent\r\n\
         Route: <sip:[2001:db8::1]:5061;lr>,<sips:p%41:x@b.example;transport=tcp?a=b>\r\nContact:",
    );
    assert_eq!(found(&full.replace("?a=b", "")), []);
}

#[test]
fn each_deviation_has_its_rule_and_its_place() {
    type Found = &'static [(&'static str, &'static str)];
    #[rustfmt::skip]
    let table: &[(&str, &str, Found)] = &[
        // Start line.
        ("INVITE sip", "INVITE  sip", &[("Request-Line", "  ")]),
        ("SIP/2.0\r\nVia", "sip/2.0\r\nVia", &[("SIP-Version", "sip/2.0")]),
        ("SIP/2.0\r\nVia", "SIP/2.0 \r\nVia", &[("Request-Line", " ")]),
        ("INVITE sip:bob@example.com", "INVITE sip:bob@example.com?x=y", &[("headers", "?x=y")]),
        // Lines.
        ("Max-Forwards: 70\r\n", "Max-Forwards: 70\n", &[("CRLF", "\n")]),
        ("Max-Forwards: 70\r\n", "Max-Forwards: 70 \r\n", &[("message-header", " ")]),
        ("Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nno colon\r\n", &[("message-header", "no colon")]),
        ("Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nX-A: \u{1}\r\n", &[("control character", "\u{1}")]),
        // Via.
        ("SIP/2.0/UDP ", "SIP/2.0/UDP  ", &[]),
        ("SIP/2.0/UDP", "SIP/3.0/UDP", &[("sent-protocol", "SIP/3.0/")]),
        ("branch=z9hG4bKa", "branch=a", &[("via-branch", "SIP/2.0/UDP 192.0.2.1:5060;branch=a;rport")]),
        (";rport", ";rport;received=x", &[("via-params", "received=x")]),
        (";rport", ";rport;ttl=256", &[("via-params", "ttl=256")]),
        (";rport", ";rport=", &[("response-port", "rport="), ("gen-value", "=")]),
        (";rport", ";a;A", &[("generic-param", "A")]),
        (":5060", ":99999", &[("port", "99999")]),
        ("UDP 192.0.2.1", "UDP 192.0.2.256", &[("toplabel", "192.0.2.256")]),
        ("UDP 192.0.2.1", "UDP a_b.example", &[("hostname", "_")]),
        // Addresses and URIs.
        ("\"Alice A.\"", "Alice A.", &[]),
        ("\"Alice A.\"", "Alice (A)", &[("display-name", "Alice (A)")]),
        ("\"Alice A.\" <", "Alice<", &[("display-name", "<")]),
        ("\"Alice A.\"", "\"Alice A.", &[("display-name", "\"")]),
        ("<sip:alice@example.com>", "< sip:alice@example.com>", &[("name-addr", " ")]),
        ("alice@example.com", "al ice@example.com", &[("user", " ")]),
        ("alice@example.com", "al%zz@example.com", &[("escaped", "%")]),
        ("alice@example.com", "al[@example.com", &[("user", "[")]),
        ("alice@example.com", "alice@example.com;transport=udp", &[("uri-parameter", "transport")]),
        ("alice@example.com", "alice@example.com;x=1;X=2", &[("uri-parameter", "X")]),
        ("<sip:bob@example.com>", "<bob>", &[("scheme", "bob")]),
        ("<sip:bob@example.com>", "<tel:12>", &[("local-number", "12")]),
        ("<sip:bob@example.com>", "<tel:+1x>", &[("telephone-subscriber", "x")]),
        (";tag=1", "", &[("tag-param", "\"Alice A.\" <sip:alice@example.com>")]),
        (";tag=1", ";tag=a b", &[("From", "b")]),
        (";tag=1", ";tag=1, <sip:b@c.example>", &[("From", ",")]),
        ("<sip:alice@192.0.2.1>", "<sip:alice@192.0.2.1>;q=1.1", &[("qvalue", "1.1")]),
        ("<sip:alice@192.0.2.1>", "*", &[("STAR", "*")]),
        ("<sip:alice@192.0.2.1>", "sip:a@b.example?x=y", &[("addr-spec", "?")]),
        ("<sip:alice@192.0.2.1>", "<sip:a@b.example>,", &[("Contact", ",")]),
        // Other fields.
        ("Max-Forwards: 70", "Max-Forwards: 256", &[("Max-Forwards", "256")]),
        ("CSeq: 1 ", "CSeq: 2147483648 ", &[("CSeq", "2147483648")]),
        ("CSeq: 1 INVITE", "CSeq: 1 BYE", &[("CSeq method", "1 BYE")]),
        ("7@example.com", "7@example.com@x", &[("word", "@")]),
        ("text/plain", "text", &[("media-type", "")]),
        ("text/plain", "multipart/mixed", &[("boundary", "multipart")]),
        ("Content-Type: text/plain\r\n", "", &[("Content-Type", "")]),
        ("Content-Length: 2", "Content-Length: 1", &[("Content-Length", "1")]),
        ("Content-Length: 2", "Content-Length: 3", &[("Content-Length", "3")]),
        ("Content-Length: 2", "Content-Length: 2\r\nl: 2", &[("Content-Length", "2")]),
        ("Contact", "Date: Sun, 13 Nov 2010 23:29:00 GMT\r\nContact", &[("SIP-date", "Sun,")]),
        ("Contact", "Date: Wed, 29 Feb 2023 00:00:00 GMT\r\nContact", &[("SIP-date", "29")]),
        ("Contact", "Allow: INVITE,,ACK\r\nContact", &[("Allow", ",")]),
        ("Contact", "Require:\r\nContact", &[("Require", "")]),
        ("Contact", "Route: sip:a.example\r\nContact", &[("name-addr", "sip:a.example")]),
        ("Contact", "User-Agent: a@b\r\nContact", &[("server-val", "@b")]),
        ("Contact", "Subject: \u{e9}\r\nContact", &[]),
        ("Contact", "Session-Expires: 60\r\nContact", &[("Session-Expires", "60")]),
        ("Contact", "Replaces: a;to-tag=1\r\nContact", &[("Replaces", "a")]),
        ("Contact", "Authorization: Digest realm=x\r\nContact", &[("digest parameters", "Digest"), ("auth-param", "x")]),
        ("Contact", "Recv-Info: \r\nContact", &[]),
        ("Contact", "Max-Breadth: x\r\nContact", &[("Max-Breadth", "x")]),
        ("Contact", "Warning: 39 a \"x\"\r\nContact", &[("warn-code", "39")]),
        ("Max-Forwards: 70\r\n", "", &[("Max-Forwards", "")]),
        ("Contact: <sip:alice@192.0.2.1>\r\n", "", &[("Contact", "")]),
        ("To: Bob <sip:bob@example.com>\r\n", "", &[("To", "")]),
    ];
    let mut wrong = Vec::new();
    for (from, to, expected) in table {
        let text = GOOD.replacen(from, to, 1);
        let found = found(&text);
        let found: Vec<(&str, &str)> = found.iter().map(|(rule, place)| (*rule, place.as_str())).collect();
        if found != *expected {
            wrong.push(format!("{from:?} as {to:?}: {found:?}, not {expected:?}"));
        }
        let strict = Message::parse_with_policy(text, Policy::Strict);
        assert_eq!(strict.is_err(), !expected.is_empty(), "{to:?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn responses_are_held_to_what_their_status_demands() {
    let response = |status: &str| {
        GOOD.replace("INVITE sip:bob@example.com SIP/2.0", &format!("SIP/2.0 {status}"))
            .replace("Max-Forwards: 70\r\n", "")
            .replace("To: Bob <sip:bob@example.com>", "To: Bob <sip:bob@example.com>;tag=2")
    };
    let rules = |text: &str| found(text).into_iter().map(|(rule, _)| rule).collect::<Vec<_>>();
    assert_eq!(rules(&response("200 OK")), [""; 0]);
    assert_eq!(rules(&response("100 Trying").replace(";tag=2", "")), [""; 0]);
    assert_eq!(rules(&response("200").replace(";tag=2", "")), ["Status-Line", "tag-param"]);
    assert_eq!(rules(&response("200 a\"b%")), ["Reason-Phrase", "Reason-Phrase"]);
    assert_eq!(rules(&response("407 No")), ["Proxy-Authenticate"]);
    assert_eq!(rules(&response("200 OK").replace("Contact: <sip:alice@192.0.2.1>\r\n", "")), ["Contact"]);
}

#[test]
fn what_is_refused_is_told_as_such_and_what_is_changed_is_looked_at_as_changed() {
    let severities = |text: &str| deviations(text).iter().map(|it| it.severity).collect::<Vec<_>>();
    assert_eq!(severities(&GOOD.replace("70", "256")), [Severity::Unreadable]);
    assert_eq!(severities(&GOOD.replace("CSeq: 1 INVITE", "CSeq: 1 BYE")), [Severity::Refused]);
    assert_eq!(severities(&GOOD.replace("\"Alice A.\" <", "Alice<")), [Severity::Tolerated]);

    let mut message = Message::parse(GOOD.as_bytes()).unwrap();
    message.set(crate::HeaderId::SUBJECT, "fine").unwrap();
    assert_eq!(message.deviations(), []);
    message.set(crate::HeaderId::DATE, "today").unwrap();
    let told = message.deviations();
    let rendered = message.render();
    assert_eq!(&rendered[told[0].offset as usize..][..5], b"today");
    assert_eq!(told.len(), 1);
}

#[test]
fn very_many_are_not_all_told_and_cost_grows_as_size_does() {
    let many = GOOD.replace("Contact", &format!("Allow: {}\r\nContact", ",".repeat(60_000)));
    assert_eq!(deviations(&many).len(), MAX_DEVIATIONS);
    // What would take minutes if anything were gone through again and again.
    for piece in [",", ";a", "\"", "<", "(", "\\", "a,", "%", "sip:a,", "=", ";", "a ", "@", "?", "&"] {
        for name in ["Via", "Contact", "Route", "Server", "Warning", "Authorization", "Accept", "X-A"] {
            let value = piece.repeat(60_000 / piece.len());
            deviations(&GOOD.replace("Content-Type", &format!("{name}: {value}\r\nContent-Type")));
        }
    }
}

#[test]
fn what_the_builders_render_has_none() {
    use crate::header::CSeq;
    use crate::{HeaderId, Method, Request};
    for method in [Method::INVITE, Method::REGISTER, Method::OPTIONS, Method::BYE, Method::MESSAGE] {
        let request = Request::builder(method.clone(), "sip:example.com;transport=tcp")
            .header(HeaderId::VIA, "SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bKa;rport")
            .header(HeaderId::MAX_FORWARDS, "70")
            .header(HeaderId::FROM, "\"A, \\\"B\\\"\" <sip:a%20b@example.com>;tag=1")
            .header(HeaderId::TO, "<tel:+1-201-555-0123>")
            .header(HeaderId::CALL_ID, "a@[2001:db8::1]")
            .header(HeaderId::CSEQ, CSeq { number: 1, method: method.clone() }.to_string())
            .header(HeaderId::CONTACT, "<sip:a@[2001:db8::1];ob>;expires=60;q=0.5")
            .body("text/plain", "hi")
            .build()
            .unwrap();
        assert_eq!(request.deviations(), [], "{request:?}");
        assert!(Message::parse_with_policy(request.render(), Policy::Strict).is_ok());
        for status in
            [StatusCode::TRYING, StatusCode::RINGING, StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST]
        {
            let response = request.reply(status, Some("b")).build().unwrap();
            assert_eq!(response.deviations(), [], "{response:?}");
        }
        // Every status, with the reason phrase that this crate has for it.
        for status in (200..700).filter_map(StatusCode::new) {
            let response = request.reply(status, Some("b")).build().unwrap();
            let told = response.deviations();
            assert!(told.iter().all(|it| it.length == 0), "only what the caller has to add: {told:?}");
        }
    }
}
