//! URIs up to 8 KiB are read; longer ones are refused by the status of the place where they stand.

use ringback_message::header::From;
use ringback_message::{MAX_URI_BYTES, Message, StatusCode, Uri};

fn uri(scheme: &str, length: usize) -> String {
    let shortest = format!("{scheme}a@b.example");
    format!("{scheme}{}a@b.example", "a".repeat(length - shortest.len()))
}

fn message(request_uri: &str, from: &str) -> Message {
    let text = format!(
        "OPTIONS {request_uri} SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <{from}>;tag=1\r\n\
         To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"
    );
    Message::parse(text.into_bytes()).unwrap()
}

#[test]
fn the_limit_is_8_kib_for_every_scheme() {
    for scheme in ["sip:", "SIPS:", "x:", "sip:%61"] {
        assert!(Uri::parse(uri(scheme, MAX_URI_BYTES).as_bytes()).is_ok(), "{scheme}");
        let error = Uri::parse(uri(scheme, MAX_URI_BYTES + 1).as_bytes()).unwrap_err();
        assert_eq!((error.offset, error.rule), (8192, "length of a URI"), "{scheme}");
    }
}

#[test]
fn a_long_request_uri_is_414_and_another_one_400() {
    let (fits, long) = (uri("sip:", MAX_URI_BYTES), uri("sip:", MAX_URI_BYTES + 1));
    assert!(message(&fits, &fits).validate().is_ok());
    assert_eq!(message(&long, "sip:a@b").validate().unwrap_err().status, StatusCode::REQUEST_URI_TOO_LONG);
    let odd = uri("sip:%61", MAX_URI_BYTES + 1);
    assert_eq!(message(&odd, "sip:a@b").validate().unwrap_err().status, StatusCode::REQUEST_URI_TOO_LONG);
    let from = message("sip:a@b", &long);
    assert_eq!(from.validate().unwrap_err().status, StatusCode::BAD_REQUEST);
    assert!(from.require::<From<'_>>().is_err());
}
