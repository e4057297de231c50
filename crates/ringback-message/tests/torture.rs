//! The torture messages of RFC 4475: what is read, what is refused, and what forwarding leaves alone.
//!
//! Rule 57: each message has its verdict asserted. The column `parse` of the index says what it must be.

mod facts;

use ringback_message::header::{CSeq, Contact, From, MaxForwards, Route, To, Via};
use ringback_message::{HeaderId, Message, Method, Request, StatusCode};
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rfc4475")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.sip"))).unwrap()
}

fn read(name: &str) -> Message {
    Message::parse(bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of the index: name, parse verdict, allowed codes.
fn index() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(folder().join("index.tsv")).unwrap();
    text.lines()
        .skip(1)
        .map(|row| {
            let columns: Vec<&str> = row.split('\t').collect();
            (columns[1].to_owned(), columns[4].to_owned(), columns[7].to_owned())
        })
        .collect()
}

#[test]
fn rule_57_every_message_has_its_verdict() {
    let mut judged = 0;
    for (name, verdict, _) in index() {
        let accepted = Message::parse(bytes(&name)).is_ok_and(|message| message.validate().is_ok());
        match verdict.as_str() {
            "accept" | "accept first request only" => assert!(accepted, "{name} must be accepted"),
            "reject" | "reject on UDP" => assert!(!accepted, "{name} must be refused"),
            "accept far enough to answer" => {
                let message = read(&name);
                let error = message.validate().map(drop).expect_err(&name);
                assert!(error.status.as_u16() >= 400, "{name}");
            }
            "either" => {}
            other => panic!("{name}: unknown verdict {other}"),
        }
        judged += 1;
    }
    assert_eq!(judged, 50, "49 messages and the one that only the archive holds");
}

#[test]
fn every_message_says_what_the_index_has_of_it() {
    let text = std::fs::read_to_string(folder().join("index.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for row in text.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        for fact in facts::split(columns[8]) {
            asked += 1;
            if let Err(ours) = facts::check(&bytes(columns[1]), &fact) {
                wrong.push(format!("{}: {fact}, but {ours}", columns[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked > 150, "{asked} facts");
}

#[test]
fn refused_requests_name_the_response() {
    let cases = [
        ("badvers", 505),
        ("mismatch01", 400),
        ("mismatch02", 501),
        ("clerr", 400),
        ("ncl", 400),
        ("scalar02", 400),
        ("quotbal", 400),
        ("lwsruri", 400),
        ("ltgtruri", 400),
        ("lwsstart", 400),
        ("trws", 400),
        ("insuf", 400),
        ("multi01", 400),
        ("mcl01", 400),
        ("badinv01", 400),
    ];
    for (name, code) in cases {
        let error = read(name).validate().map(drop).expect_err(name);
        assert_eq!(error.status.as_u16(), code, "{name}: {error}");
        // And it can be answered from what is there.
        let request = Request::try_from(read(name)).unwrap();
        let reply = request.reply(error.status, Some("t")).build().unwrap();
        assert_eq!(reply.status(), error.status, "{name}");
    }
}

#[test]
fn valid_messages_are_forwarded_octet_for_octet() {
    for (name, verdict, _) in index() {
        if verdict != "accept" {
            continue;
        }
        let original = bytes(&name);
        let message = read(&name);
        assert_eq!(message.render(), original[..message.rendered_len()], "{name}");
        // A forwarding edit changes its own lines only.
        let mut forwarded = message.clone();
        forwarded.push_front(HeaderId::VIA, "SIP/2.0/UDP proxy;branch=z9hG4bKp").unwrap();
        assert!(forwarded.pop_front(HeaderId::VIA), "{name}");
        assert_eq!(forwarded.render(), message.render(), "{name}");
    }
}

#[test]
fn wsinv_is_read_through_its_white_space() {
    let message = read("wsinv");
    let vias: Vec<Via<'_>> = message.all().map(Result::unwrap).collect();
    let branches: Vec<_> = vias.iter().map(|via| via.branch().unwrap()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!((vias[1].transport, vias[0].host.to_string().as_str()), ("TCP", "192.0.2.2"));
    assert_eq!(message.require::<MaxForwards>().unwrap(), MaxForwards(68));
    assert_eq!(message.require::<CSeq>().unwrap(), CSeq { number: 9, method: Method::INVITE });
    assert_eq!(message.require::<To>().unwrap().tag(), Some("1918181833n"));
    let from = message.require::<From>().unwrap();
    assert_eq!((&*from.display(), from.tag()), (&b"J Rosenberg \\\""[..], Some("98asjd8")));
    let Contact::Address(contact) = message.require::<Contact>().unwrap() else { panic!("no wildcard") };
    assert_eq!(contact.q(), Some(330));
    assert_eq!(message.all::<Route>().count(), 1);
    assert_eq!(message.values(HeaderId::SUBJECT).collect::<Vec<_>>(), [b""]);
    assert_eq!(message.other("unknownheaderwithunusualvalue"), Some(&b";;,,;;,;"[..]));
    assert_eq!(message.body().len(), 150);
}

#[test]
fn percent_is_an_escape_in_uris_only() {
    let message = Request::try_from(read("esc02")).unwrap();
    assert_eq!(message.method().as_str(), "RE%47IST%45R", "rule 68");
    assert_eq!(message.all::<Contact>().count(), 2);
    assert_eq!(&*message.require::<To>().unwrap().display(), b"%Z%45");
    let message = Request::try_from(read("esc01")).unwrap();
    let uri = message.uri().unwrap();
    assert_eq!(uri.as_sip().unwrap().user_octets().as_deref(), Some(&b"sips:user@example.com"[..]));
    let contacts = read("escnull");
    let users: Vec<Vec<u8>> = contacts
        .all::<Contact>()
        .map(|contact| match contact.unwrap() {
            Contact::Address(address) => address.uri.as_sip().unwrap().user_octets().unwrap().into_owned(),
            Contact::Wildcard => panic!("no wildcard"),
        })
        .collect();
    assert_eq!(users, [vec![0], vec![0, 0]]);
}

#[test]
fn the_rest_of_the_facts() {
    let message = read("intmeth");
    assert_eq!(message.method().unwrap().as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(&*message.require::<To>().unwrap().display(), b"BEL:\x07 NUL:\x00 DEL:\x7f");
    assert_eq!(message.require::<From>().unwrap().tag(), Some("_token~1'+`*%!-."));

    assert_eq!(read("longreq").all::<Via>().count(), 34);
    assert_eq!(read("longreq").all::<Via>().last().unwrap().unwrap().received(), Some([192, 0, 2, 5].into()));
    assert_eq!(read("dblreq").body().len(), 0, "rule 78: octets behind the body are noise");
    assert_eq!(read("mpart01").body().len(), 553);
    assert_eq!(read("semiuri").method(), Some(&Method::OPTIONS));

    let transports: Vec<String> =
        read("transports").all::<Via>().map(|via| via.unwrap().transport.into()).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);

    let message = read("noreason");
    assert_eq!(message.status(), Some(StatusCode::TRYING));
    assert!(Message::parse(bytes("bigcode")).is_err(), "a status code never wraps");

    for (name, in_uri) in [("cparam01", false), ("cparam02", true)] {
        let message = read(name);
        let Contact::Address(contact) = message.require::<Contact>().unwrap() else { panic!("no wildcard") };
        let uri = contact.uri.as_sip().unwrap();
        assert_eq!(
            (contact.params.has("unknownparam"), uri.param("unknownparam").is_some()),
            (!in_uri, in_uri)
        );
    }
    let message = read("regescrt");
    let Contact::Address(contact) = message.require::<Contact>().unwrap() else { panic!("no wildcard") };
    assert!(contact.uri.as_sip().unwrap().headers().unwrap().starts_with("Route="));
}
