//! Limits, at their edges: what is just within passes, what is just beyond is refused with the response for it.

use ringback_message::header::{Accept, Authorization, Require, Route, Supported, Via};
use ringback_message::{
    HeaderId, Limits, List, MAX_ELEMENTS, MAX_FIELDS, MAX_HEADER_BYTES, MAX_PARAMS, MAX_URI_BYTES, Message,
    Method, Request, StatusCode,
};

const FIELDS: &str = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\n\
    To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";

fn with(fields: &str) -> String {
    format!("OPTIONS sip:a@b SIP/2.0\r\n{FIELDS}{fields}\r\n")
}

/// A message whose header section is so long.
fn of_length(bytes: usize) -> String {
    let rest = with("Subject: \r\n").len();
    with(&format!("Subject: {}\r\n", "x".repeat(bytes - rest)))
}

/// The status of the refusal, and where it is.
fn judge(text: &str, limits: &Limits) -> Result<(), (u16, usize)> {
    let told = |error: ringback_message::ParseError| (error.status.as_u16(), error.offset as usize);
    let message = Message::parse_with(text.to_owned(), limits).map_err(told)?;
    message.validate().map(drop).map_err(told)
}

#[test]
fn a_header_section_has_as_many_bytes_as_offsets_can_tell() {
    let limits = Limits::default();
    assert_eq!(judge(&of_length(MAX_HEADER_BYTES), &limits), Ok(()));
    for more in [1, 2, 3, 1_000] {
        let refused = judge(&of_length(MAX_HEADER_BYTES + more), &limits);
        assert_eq!(refused.unwrap_err().0, 513, "{more}");
    }
    // Bytes of the body are none of the header.
    let long = with("Content-Length: 100000\r\n") + &"x".repeat(100_000);
    assert_eq!(judge(&long, &limits), Ok(()));
}

#[test]
fn a_smaller_header_section_can_be_asked_for() {
    let limits = Limits { head: 1_000, ..Limits::default() };
    assert_eq!(judge(&of_length(1_000), &limits), Ok(()));
    assert_eq!(judge(&of_length(1_001), &limits).unwrap_err().0, 513);
    assert_eq!(judge(&format!("OPTIONS sip:{} SIP/2.0\r\n\r\n", "a".repeat(1_000)), &limits), Err((513, 0)));
    // The sender is told: what was read before the limit says where the answer goes.
    let message = Message::parse_with(of_length(2_000), &limits).unwrap();
    assert!(message.first::<Via<'_>>().unwrap().is_ok() && message.has(HeaderId::CSEQ));
    assert!(!message.has(HeaderId::SUBJECT) && message.body().is_empty());
}

#[test]
fn fields_are_counted() {
    let own = FIELDS.lines().count();
    let bombs = |count: usize| with(&"A: b\r\n".repeat(count - own));
    assert_eq!(judge(&bombs(MAX_FIELDS), &Limits::default()), Ok(()));
    assert_eq!(judge(&bombs(MAX_FIELDS + 1), &Limits::default()).unwrap_err().0, 513);
    assert_eq!(judge(&bombs(10_000), &Limits::default()).unwrap_err().0, 513);
    let few = Limits { fields: 10, ..Limits::default() };
    assert_eq!(judge(&bombs(10), &few), Ok(()));
    let refused = bombs(11);
    assert_eq!(judge(&refused, &few), Err((513, refused.len() - "A: b\r\n\r\n".len())));
    let many = Limits { fields: 1_000, ..Limits::default() };
    assert_eq!(judge(&bombs(1_000), &many), Ok(()));
    // A row that goes on in the next line is one field.
    let folded = with(&format!("Subject: a\r\n{}", " b\r\n".repeat(1_000)));
    assert_eq!(judge(&folded, &Limits::default()), Ok(()));
}

/// A row of so many values, each as short as can be.
fn list(values: usize) -> String {
    with(&format!("Supported: {}\r\n", vec!["a"; values].join(",")))
}

#[test]
fn values_of_a_row_are_counted() {
    let limits = Limits::default();
    for values in [1, MAX_ELEMENTS - 1, MAX_ELEMENTS] {
        assert_eq!(judge(&list(values), &limits), Ok(()), "{values}");
    }
    let beyond = list(MAX_ELEMENTS + 1);
    assert_eq!(judge(&beyond, &limits), Err((400, beyond.len() - "a\r\n\r\n".len())));
    let few = Limits { elements: 3, ..Limits::default() };
    assert_eq!((judge(&list(3), &few), judge(&list(4), &few).unwrap_err().0), (Ok(()), 400));
    let many = Limits { elements: 1_000, ..Limits::default() };
    assert_eq!((judge(&list(1_000), &many), judge(&list(1_001), &many).unwrap_err().0), (Ok(()), 400));
    // In other rows there may be more of them, and where commas are no marks of a list they do not count.
    let rows = list(MAX_ELEMENTS).replace("\r\n\r\n", &format!("\r\nk: b{}\r\n\r\n", ", c".repeat(60)));
    assert_eq!(judge(&rows, &limits), Ok(()));
    assert_eq!(judge(&with(&format!("Subject: {}\r\n", "a,".repeat(9_000))), &limits), Ok(()));
    let quoted =
        with(&format!("Contact: \"{}\" <sip:a@b>, <sip:{}@b>\r\n", "a,".repeat(500), "c,".repeat(500)));
    assert_eq!(judge(&quoted, &limits), Ok(()));
}

#[test]
fn empty_values_count_half() {
    let commas = |count: usize| with(&format!("Supported: {}\r\n", ",".repeat(count)));
    assert_eq!(judge(&commas(2 * MAX_ELEMENTS - 1), &Limits::default()), Ok(()));
    assert_eq!(judge(&commas(2 * MAX_ELEMENTS), &Limits::default()).unwrap_err().0, 400);
    assert_eq!(judge(&commas(60_000), &Limits::default()).unwrap_err().0, 400);
}

#[test]
fn what_is_beyond_is_not_read_and_an_error_comes_last() {
    let text = list(MAX_ELEMENTS + 7).replace("\r\n\r\n", "\r\nSupported: z\r\n\r\n");
    let message = Message::parse(text).unwrap();
    assert_eq!(message.values(HeaderId::SUPPORTED).count(), MAX_ELEMENTS + 1);
    assert_eq!(message.values(HeaderId::SUPPORTED).last(), Some(&b"z"[..]));
    let typed: Vec<_> = message.all::<Supported<'_>>().collect();
    assert_eq!(typed.len(), MAX_ELEMENTS + 2);
    assert_eq!(typed.last().unwrap().as_ref().map(|_| ()).unwrap_err().rule, "list elements");
    assert_eq!(typed.iter().filter(|value| value.is_err()).count(), 1);
    // The first is there whatever follows, and other fields are as they were.
    assert!(message.first::<Supported<'_>>().unwrap().is_ok());
    assert_eq!(message.all::<Require<'_>>().count(), 0);
    assert_eq!(message.detach().values(HeaderId::SUPPORTED).count(), MAX_ELEMENTS + 1);
}

#[test]
fn what_we_write_ourselves_is_not_counted() {
    let words = vec!["a"; 3 * MAX_ELEMENTS];
    let options = Request::builder(Method::OPTIONS, "sip:a@b").header(HeaderId::SUPPORTED, List(&words));
    assert_eq!(options.build().unwrap().values(HeaderId::SUPPORTED).count(), words.len());
    let mut message = Message::parse(with("")).unwrap();
    message.push(HeaderId::SUPPORTED, List(&words)).unwrap();
    assert_eq!(message.values(HeaderId::SUPPORTED).count(), words.len());
    assert!(message.all::<Supported<'_>>().all(|word| word.is_ok()) && message.validate().is_ok());
}

#[test]
fn a_request_uri_has_its_own_limit() {
    let request = |bytes: usize| with("").replacen("sip:a@b", &format!("sip:{}@b", "a".repeat(bytes - 6)), 1);
    assert_eq!(judge(&request(MAX_URI_BYTES), &Limits::default()), Ok(()));
    assert_eq!(judge(&request(MAX_URI_BYTES + 1), &Limits::default()), Err((414, "OPTIONS ".len())));
    let short = Limits { uri: 20, ..Limits::default() };
    assert_eq!((judge(&request(20), &short), judge(&request(21), &short).unwrap_err().0), (Ok(()), 414));
    // Whatever else is wrong with it.
    let odd = request(MAX_URI_BYTES + 1).replacen("OPTIONS ", "OPTIONS  ", 1);
    assert_eq!(judge(&odd, &Limits::default()).unwrap_err().0, 414);
    // It can be answered, for the rest is read.
    let refused = Request::try_from(Message::parse(request(20_000)).unwrap()).unwrap();
    let reply = refused.reply(StatusCode::REQUEST_URI_TOO_LONG, Some("t")).build().unwrap();
    assert_eq!(reply.all::<Via<'_>>().count(), 1);
}

#[test]
fn parameters_of_a_value_are_counted() {
    let read = |fields: &str| {
        let message = Message::parse(with(fields)).unwrap();
        let routes = message.all::<Route<'_>>().all(|value| value.is_ok());
        let accepts = message.all::<Accept<'_>>().all(|value| value.is_ok());
        routes && accepts && message.all::<Authorization<'_>>().all(|value| value.is_ok())
    };
    for (start, one) in [("Route: <sip:a>", ";a"), ("Accept: a/b", ";a=b"), ("Route: <sip:a> ", ";a=\"b\"")] {
        assert!(read(&format!("{start}{}\r\n", one.repeat(MAX_PARAMS))), "{start}");
        assert!(!read(&format!("{start}{}\r\n", one.repeat(MAX_PARAMS + 1))), "{start}");
    }
    let pairs = |count: usize| format!("Authorization: Digest {}\r\n", vec!["a=\"b\""; count].join(", "));
    assert!(read(&pairs(MAX_PARAMS)) && !read(&pairs(MAX_PARAMS + 1)));
    // Those who do not look at them pass them on.
    assert_eq!(
        judge(&with(&format!("Route: <sip:a>{}\r\n", ";a".repeat(10_000))), &Limits::default()),
        Ok(())
    );
}
