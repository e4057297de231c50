//! Routes asked about requests, without a network.

use super::*;
use crate::ServerConfig;
use ringback_message::HeaderId;
use ringback_proxy::Decision;

const TABLE: &str = r#"
[[routes]]
name = "premium"
user = '^(\+44|0)9'
reject = 403

[[routes]]
name = "abroad"
domain = ["example.com", "tel"]
method = "INVITE"
user = '^00[1-9]'
strip = 2
prefix = "+"
to = ["sip:gw1.example.net;transport=tcp", "sip:gw2.example.net:5080"]
set = { "X-Tenant" = "7", Subject = "out" }
remove = ["X-Secret"]

[[routes]]
name = "trunk"
source = ["192.0.2.0/24"]
header = { "X-Kind" = "^fax$" }
to = "sip:fax@10.0.0.9"

[[routes]]
from = '^boss@'
redirect = "sip:assistant@example.com"
"#;

fn request(uri: &str, kind: &str) -> Request {
    Request::builder(Method::INVITE, uri)
        .header(HeaderId::FROM, "<sip:alice@example.com>;tag=1")
        .other("X-Kind", kind)
        .other("x-secret", "s")
        .build()
        .unwrap()
}

fn decide(uri: &str, kind: &str, source: &str) -> (String, Request) {
    let config = ServerConfig::from_toml(TABLE).unwrap();
    let routes = Routes::new(&config.routes).unwrap();
    let mut request = request(uri, kind);
    let facts = Facts::of(&request, source.parse().unwrap());
    let user = facts.user.clone();
    let Some(route) = routes.find(&facts) else { return ("none".to_owned(), request) };
    let said = match route.apply(&mut request, &user) {
        Decision::Reject(status, _) => status.to_string(),
        Decision::Forward(branches) => {
            assert!(branches.is_sorted_by(|a, b| a.q > b.q) && branches.iter().all(|branch| branch.is_spare));
            branches.iter().map(|branch| branch.uri.to_string()).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    };
    (said, request)
}

#[test]
fn the_first_route_that_matches_is_taken() {
    for (uri, kind, source, expected) in [
        ("sip:0900123@example.com", "", "198.51.100.1", "403"),
        (
            "sip:0033123@example.com",
            "",
            "198.51.100.1",
            "sip:+33123@gw1.example.net;transport=tcp sip:+33123@gw2.example.net:5080",
        ),
        (
            "sip:0033123@EXAMPLE.com",
            "fax",
            "192.0.2.1",
            "sip:+33123@gw1.example.net;transport=tcp sip:+33123@gw2.example.net:5080",
        ),
        ("tel:+44-9-11", "", "198.51.100.1", "403"),
        ("sip:0033123@example.org", "", "198.51.100.1", "none"),
        ("sip:bob@example.org", "fax", "192.0.2.1", "sip:fax@10.0.0.9"),
        ("sip:bob@example.org", "fax", "::ffff:192.0.2.1", "sip:fax@10.0.0.9"),
        ("sip:bob@example.org", "faxes", "192.0.2.1", "none"),
        ("sip:bob@example.org", "fax", "192.0.3.1", "none"),
    ] {
        assert_eq!(decide(uri, kind, source).0, expected, "{uri} {kind} {source}");
    }
}

#[test]
fn fields_are_set_and_removed_on_the_way() {
    let (_, request) = decide("sip:0033123@example.com", "", "198.51.100.1");
    assert_eq!(request.other("X-Tenant"), Some(&b"7"[..]));
    assert_eq!(request.values(HeaderId::SUBJECT).next(), Some(&b"out"[..]));
    assert_eq!((request.other("X-Secret"), request.other("X-Kind")), (None, Some(&b""[..])));
}

#[test]
fn what_a_request_would_meet_is_told() {
    let config = ServerConfig::from_toml(TABLE).unwrap();
    let told = |uri, kind, source: &str| {
        explain(&config, &request(uri, kind), source.parse().unwrap()).unwrap().to_string()
    };
    assert_eq!(
        told("sip:0033123@example.com", "", "198.51.100.1"),
        "route premium  passed: the user `0033123` does not match '^(\\+44|0)9'\n\
         route abroad   taken\n\
         goes to sip:+33123@gw1.example.net;transport=tcp\n   \
         or, where that does not work, to sip:+33123@gw2.example.net:5080\n\
         once its sender has proved to be a user of ours"
    );
    assert_eq!(
        told("sip:bob@example.org", "voice", "192.0.2.1").lines().skip(1).collect::<Vec<_>>(),
        [
            "route abroad   passed: the domain `example.org` is none of example.com, tel",
            "route trunk    passed: X-Kind `voice` does not match '^fax$'",
            "route 4        passed: From `alice@example.com` does not match '^boss@'",
            "no route is for it: a user of ours is looked up, and anybody else is reached as the URI says by users of ours",
        ]
    );
    assert!(told("sip:0911@example.com", "", "192.0.2.1").ends_with("refused with 403 Forbidden"));
}

#[test]
fn a_route_that_cannot_be_used_is_refused_with_its_name() {
    for (text, said) in [
        ("[[routes]]\nname = 'a'", "route a: says what becomes of a request by just one of"),
        ("[[routes]]\nto = 'sip:a'\nreject = 404", "route 1: says what becomes"),
        ("[[routes]]\nreject = 200", "route 1: reject = 200 refuses nothing"),
        ("[[routes]]\nto = 'gw.example.net'", "`gw.example.net` is no SIP URI"),
        ("[[routes]]\nto = 'sip:gw'\ncodecs = ['speex']", "route 1: codecs: there is no codec `speex`"),
        ("[[routes]]\nto = 'sip:gw'\ncodecs = 'l16'", "route 1: codecs = 'l16': l16 is not converted"),
        ("[[routes]]\nto = 'sip:gw'\ncodecs = 'opus'\nmedia = 'relay'", "codecs needs media = 'bridge'"),
        ("[[routes]]\nto = 'sip:gw'\nhold_music = '/no/such.wav'", "hold_music: cannot open /no/such.wav"),
        ("[[routes]]\nreject = 404\nuser = '['", "route 1: user = '[' is no regular expression: unclosed"),
        ("[[routes]]\nreject = 404\nuser = '(a{9999}){9999}'", "no regular expression"),
        ("[[routes]]\nreject = 404\nmethod = 'IN VITE'", "`IN VITE` is no method"),
        ("[[routes]]\nto = 'sip:a'\nset = { Via = 'x' }", "Via is what messages find their way by"),
        ("[[routes]]\nto = 'sip:a'\nset = { X = \"a\\r\\nb\" }", "the value of X holds a control"),
        ("[[routes]]\nto = 'sip:a'\nprefix = 'a@'", "prefix `a@` holds"),
        ("[[routes]]\nreject = 404\nsource = ['x']", "`x` is no network"),
    ] {
        let error = ServerConfig::from_toml(text).and_then(|config| config.check()).unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{text}: {error}");
    }
}
