//! What reading costs: time that is linear in the size, whatever the message holds (faults 7 and 8).

use ringback_message::header::{
    Authorization, Contact, Date, From, Header, NameAddr, Route, Supported, Via, Warning,
};
use ringback_message::{HeaderId, Message, Request, StatusCode, Uri, unescape};
use std::hint::black_box;
use std::time::{Duration, Instant};

#[rustfmt::skip]
const HOSTILE: &[(&str, &str, &str)] = &[
    // What it is, how it begins, and what comes again and again.
    ("colons in a name", "", ":"),
    ("colons in a value", "Via: SIP/2.0/UDP a", ":"),
    ("folds", "Subject: a", "\r\n "),
    ("folds of a list", "Route: <sip:a>", "\r\n ,"),
    ("folds before a colon", "Via", "\r\n "),
    ("quotes", "From: ", "\""),
    ("quotes with blanks", "Contact: ", "\" "),
    ("quoted strings", "Contact: ", "\"a\""),
    ("opening brackets", "Contact: ", "<"),
    ("closing brackets", "Contact: <sip:a", ">"),
    ("pairs of brackets", "Route: ", "<>"),
    ("commas", "Route: ", ","),
    ("commas behind a quote", "Route: \"", ","),
    ("commas between quotes", "Contact: ", "\",\","),
    ("commas in brackets", "Contact: <sip:a", ",b"),
    ("values", "Via: SIP/2.0/UDP a", ",SIP/2.0/UDP a"),
    ("percent signs", "Contact: <sip:", "%"),
    ("escapes", "Contact: <sip:", "%41"),
    ("semicolons", "Route: <sip:a>", ";"),
    ("parameters", "Route: <sip:a>", ";a=b"),
    ("parameters of a URI", "Contact: <sip:a", ";a=b"),
    ("quoted parameters", "Via: SIP/2.0/UDP a", ";a=\"\\\"\""),
    ("backslashes", "From: \"", "\\"),
    ("backslashes outside quotes", "Contact: ", "\\"),
    ("equals signs", "Via: SIP/2.0/UDP a;a", "="),
    ("ats", "Contact: <sip:", "@"),
    ("slashes", "Via: SIP", "/"),
    ("blanks", "To: <sip:a>", " "),
    ("tabs", "To:", "\t"),
    ("blanks between semicolons", "To: <sip:a>", " ;"),
    ("parentheses", "Server: ", "("),
    ("pairs", "Authorization: Digest a=b", ",a=b"),
    ("one token", "Supported: ", "a"),
    ("digits", "Max-Forwards: ", "9"),
    ("carriage returns", "Subject: ", "\r"),
    ("NUL", "Subject: ", "\0"),
    ("fields", "", "a:\r\n"),
    ("lines without a colon", "", "a\r\n"),
    ("lengths", "", "l:0\r\n"),
    ("hops", "", "v:SIP/2.0/UDP a\r\n"),
    ("UTF-8", "Subject: ", "é"),
    ("broken UTF-8", "Contact: \"", "\u{00c3}"),
];

/// No input makes an octet cost more because there are many of them.
#[test]
fn cost_grows_as_size_does() {
    for (what, start, repeated) in HOSTILE {
        let time = |size: usize| {
            let text = format!(
                "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n{start}{}\r\n\r\n",
                repeated.repeat(size / repeated.len())
            );
            (0..5).map(|_| duration(|| read_all(black_box(text.as_bytes())))).min().unwrap()
        };
        let (small, large) = (time(1_000), time(64_000));
        // Sixty-four times the size; what is quadratic takes 4096 times as long. The rest is left to the machine.
        assert!(large < small.max(Duration::from_micros(20)) * 64 * 5, "{what}: {small:?} and {large:?}");
    }
}

/// A Request-URI and lone values, which have no message around them that would be refused first.
#[test]
fn cost_of_lone_values_grows_as_size_does() {
    for (what, _, repeated) in HOSTILE {
        let time = |size: usize| {
            let uri = format!("sip:{}", repeated.repeat(size / repeated.len()));
            let work = || {
                let bytes = black_box(uri.as_bytes());
                if let Ok(uri) = Uri::parse(bytes) {
                    black_box(uri.as_sip().map(|sip| sip.params().count()));
                }
                black_box((NameAddr::parse(bytes).is_ok(), Via::parse(bytes).is_ok()));
                black_box((Date::parse(bytes).is_ok(), Warning::parse(bytes).is_ok()));
                black_box((unescape(&uri).len(), Authorization::parse(&bytes[4..]).is_ok()));
            };
            (0..5).map(|_| duration(work)).min().unwrap()
        };
        let (small, large) = (time(1_000), time(64_000));
        assert!(large < small.max(Duration::from_micros(20)) * 64 * 5, "{what}: {small:?} and {large:?}");
    }
}

/// All that elements do with a request of a peer.
fn read_all(bytes: &[u8]) {
    fn all<'a, H: Header<'a>>(message: &'a Message) -> usize {
        message.all::<H>().filter(Result::is_ok).count()
    }
    let Ok(mut message) = Message::parse(bytes.to_vec()) else { return };
    let valid = message.validate().is_ok();
    black_box((all::<Via<'_>>(&message), all::<Route<'_>>(&message), all::<Contact<'_>>(&message)));
    black_box((
        all::<From<'_>>(&message),
        all::<Supported<'_>>(&message),
        all::<Authorization<'_>>(&message),
    ));
    black_box(message.deviations().len());
    let _ = message.push_front(HeaderId::VIA, "SIP/2.0/UDP b;branch=z9hG4bK2");
    let _ = (message.pop_back(HeaderId::ROUTE), message.pop_front(HeaderId::CONTACT));
    black_box(message.render());
    if let (true, Ok(request)) = (valid, Request::try_from(message)) {
        black_box(request.reply(StatusCode::BAD_REQUEST, Some("t")).build().is_ok());
    }
}

#[expect(clippy::disallowed_methods, reason = "the cost is what is measured")]
fn duration(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
