//! Values of every field that has a type: examples of their RFCs, and what becomes of them when they are maimed.

use proptest::prelude::*;
use ringback_message::header::{Bearer, check, has_type, normal_form};
use ringback_message::{HeaderId, Message, header};

/// Fields and values that their RFCs show. Where the usual spelling differs it stands behind.
const GOOD: &[(&str, &str, &str)] = &[
    ("Accept", "application/sdp;level=1", ""),
    ("Accept", "text/*", ""),
    ("Accept-Contact", "*;audio;require", ""),
    ("Accept-Contact", "*;methods=\"BYE\";class=\"business\";q=1.0", ""),
    ("Accept-Encoding", "gzip;q=1.0", ""),
    ("Accept-Encoding", "*", ""),
    ("Accept-Language", "en-gb;q=0.8", ""),
    ("Accept-Resource-Priority", "dsn.flash-override", ""),
    ("Alert-Info", "<http://www.example.com/sounds/moo.wav>", ""),
    ("Alert-Info", "<urn:alert:service:call-waiting>", ""),
    ("Allow", "INVITE", ""),
    ("Allow-Events", "conference", ""),
    ("Allow-Events", "presence.winfo", ""),
    ("Answer-Mode", "Auto;require", ""),
    ("Authentication-Info", "nextnonce=\"47364c23432d2e131a5fb210812c\"", ""),
    ("Authorization", "Digest username=\"bob\", realm=\"biloxi.com\", nc=00000001", ""),
    ("Authorization", "Bearer mF_9.B5f-4.1JqM==", ""),
    ("Call-ID", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com", ""),
    ("Call-ID", "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{", ""),
    (
        "Call-Info",
        "<http://wwww.example.com/alice/photo.jpg> ;purpose=icon",
        "<http://wwww.example.com/alice/photo.jpg>;purpose=icon",
    ),
    ("Contact", "*", ""),
    (
        "Contact",
        "\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600",
        "\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600",
    ),
    ("Contact", "mailto:watson@bell-telephone.com", "<mailto:watson@bell-telephone.com>"),
    ("Content-Disposition", "session;handling=required", ""),
    ("Content-Encoding", "gzip", ""),
    ("Content-ID", "<target123@atlanta.example.com>", ""),
    ("Content-Language", "fr", ""),
    ("Content-Length", "349", ""),
    ("Content-Length", "0068", "68"),
    ("Content-Type", "application/sdp", ""),
    ("Content-Type", "multipart/mixed ; boundary=\"a b\"", "multipart/mixed; boundary=\"a b\""),
    ("CSeq", "4711 INVITE", ""),
    ("CSeq", "0009\r\n  INVITE", "9 INVITE"),
    ("Date", "Sat, 13 Nov 2010 23:29:00 GMT", ""),
    ("Diversion", "<sip:+19195551212@carrier.example>;reason=user-busy;counter=1", ""),
    ("Error-Info", "<sip:not-in-service-recording@atlanta.com>", ""),
    ("Event", "presence", ""),
    ("Event", "refer;id=93809824", ""),
    ("Expires", "5", ""),
    ("Feature-Caps", "*;+sip.666;+sip.777", ""),
    ("Flow-Timer", "126", ""),
    (
        "From",
        "\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s",
        "\"A. G. Bell\" <sip:agb@bell-telephone.com>;tag=a48s",
    ),
    (
        "From",
        "sip:+12125551212@server.phone2net.com;tag=887s",
        "<sip:+12125551212@server.phone2net.com>;tag=887s",
    ),
    ("From", "Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8", ""),
    ("Geolocation", "<cid:target123@atlanta.example.com>", ""),
    ("Geolocation-Error", "100;code=\"Cannot Process Location\"", ""),
    ("Geolocation-Routing", "no", ""),
    ("History-Info", "<sip:bob@biloxi.example.com?Reason=SIP%3Bcause%3D408>;index=1.1;rc=1", ""),
    ("Identity", "..sv5CTo05KqpSmtHt3dcEiO;info=<https://biloxi.example.org/biloxi.cert>;ppt=shaken", ""),
    ("Info-Package", "foo", ""),
    ("In-Reply-To", "70710@saturn.bell-tel.com", ""),
    ("Join", "12adf2f34456gs5;to-tag=12345;from-tag=54321", ""),
    ("Max-Breadth", "69", ""),
    ("Max-Forwards", "6", ""),
    ("MIME-Version", "1.0", ""),
    ("Min-Expires", "60", ""),
    ("Min-SE", "60", ""),
    ("Organization", "Boxes by Bob", ""),
    (
        "P-Access-Network-Info",
        "3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11",
        "3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11",
    ),
    ("P-Asserted-Identity", "\"Cullen Jennings\" <sip:fluffy@cisco.com>", ""),
    ("P-Asserted-Identity", "tel:+14085264000", "<tel:+14085264000>"),
    ("P-Associated-URI", "<sip:user@example.com>", ""),
    ("P-Called-Party-ID", "<sip:user1-business@example.com>", ""),
    (
        "P-Charging-Vector",
        "icid-value=1234bc9876e; icid-generated-at=192.0.6.8; orig-ioi=home1.net",
        "icid-value=1234bc9876e; icid-generated-at=192.0.6.8; orig-ioi=home1.net",
    ),
    ("P-Preferred-Identity", "\"Cullen Jennings\" <sip:fluffy@cisco.com>", ""),
    ("P-Served-User", "<sip:user@example.com>;sescase=orig;regstate=reg", ""),
    ("P-Visited-Network-ID", "\"Visited network number 1\"", ""),
    ("P-Visited-Network-ID", "other.net", ""),
    ("Path", "<sip:P1.EXAMPLEVISITED.COM;lr>", ""),
    ("Permission-Missing", "sip:userC@example.com", "<sip:userC@example.com>"),
    ("Priority", "emergency", ""),
    ("Priv-Answer-Mode", "Manual", ""),
    ("Privacy", "id", ""),
    ("Privacy", "header;session;critical", ""),
    ("Proxy-Authenticate", "Digest realm=\"atlanta.com\", qop=\"auth\", stale=FALSE, algorithm=MD5", ""),
    ("Proxy-Authentication-Info", "qop=auth, nc=00000001", ""),
    ("Proxy-Authorization", "Digest username=\"Alice\", response=\"245f23415f11432b3434341c022\"", ""),
    ("Proxy-Require", "foo", ""),
    ("RAck", "776656 1 INVITE", ""),
    ("RSeq", "988789", ""),
    ("Reason", "Q.850;cause=16;text=\"Terminated\"", ""),
    (
        "Reason",
        "SIP ;cause=200 ;text=\"Call completed elsewhere\"",
        "SIP;cause=200 ;text=\"Call completed elsewhere\"",
    ),
    ("Record-Route", "<sip:server10.biloxi.com;lr>", ""),
    ("Recv-Info", "P", ""),
    ("Refer-Sub", "false", ""),
    ("Refer-To", "<sip:bob@biloxi.example.net?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345>", ""),
    ("Referred-By", "<sip:referror@referror.example>;cid=\"20398823.2UWQFN309shb3@referror.example\"", ""),
    ("Reject-Contact", "*;actor=\"msg-taker\";video", ""),
    ("Remote-Party-ID", "\"John Jones\" <sip:jjones@acme.com>;party=calling;privacy=full;screen=yes", ""),
    ("Replaces", "425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only", ""),
    ("Reply-To", "Bob <sip:bob@biloxi.com>", ""),
    ("Request-Disposition", "no-fork", ""),
    ("Require", "100rel", ""),
    ("Resource-Priority", "wps.3", ""),
    ("Retry-After", "120", ""),
    ("Retry-After", "18000;duration=3600", "18000;duration=3600"),
    ("Route", "<sip:alice@atlanta.com>", ""),
    ("Security-Client", "ipsec-ike;q=0.1", ""),
    ("Security-Server", "tls;q=0.2", ""),
    ("Security-Verify", "digest;d-alg=MD5;d-qop=auth", ""),
    ("Server", "HomeServer v2", ""),
    ("Service-Route", "<sip:HSP.EXAMPLEHOME.COM;lr>", ""),
    ("Session-Expires", "4000;refresher=uac", ""),
    ("Session-ID", "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2", ""),
    ("SIP-ETag", "12345", ""),
    ("SIP-If-Match", "12345", ""),
    ("Subject", "Need more boxes", ""),
    ("Subscription-State", "active;expires=599", ""),
    ("Supported", "timer", ""),
    ("Suppress-If-Match", "*", ""),
    ("Target-Dialog", "fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544", ""),
    ("Timestamp", "54", ""),
    ("Timestamp", "54.2  1.5", "54.2 1.5"),
    ("To", "The Operator <sip:operator@cs.columbia.edu>;tag=287447", ""),
    ("To", "<urn:service:sos>", ""),
    ("Unsupported", "foo", ""),
    ("User-Agent", "Softphone Beta1.5", ""),
    ("User-to-User", "56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar", ""),
    (
        "Via",
        "SIP/2.0/UDP 192.0.2.1:5060 ;received=192.0.2.207;branch=z9hG4bK77asjd",
        "SIP/2.0/UDP 192.0.2.1:5060;received=192.0.2.207;branch=z9hG4bK77asjd",
    ),
    ("Via", "SIP / 2.0 / UDP first.example.com: 4000;ttl=16", "SIP/2.0/UDP first.example.com:4000;ttl=16"),
    ("Via", "SIP/2.0/TCP [2001:db8::9:1];branch=z9hG4bK1", ""),
    ("Warning", "307 isi.edu \"Session parameter 'foo' not understood\"", ""),
    ("WWW-Authenticate", "Digest realm=\"atlanta.com\", domain=\"sip:boxesbybob.com\"", ""),
];

fn id(name: &str) -> HeaderId {
    HeaderId::from_name(name.as_bytes())
}

#[test]
fn examples_are_read_and_written_in_their_usual_spelling() {
    for (name, value, usual) in GOOD {
        let written = normal_form(id(name), value.as_bytes());
        let written =
            written.unwrap_or_else(|| panic!("{name}: {value}: {:?}", check(id(name), value.as_bytes())));
        let usual = if usual.is_empty() { value } else { usual };
        assert_eq!(String::from_utf8_lossy(written.as_slice()), *usual, "{name}");
    }
}

#[test]
fn every_type_has_an_example() {
    for id in HeaderId::all().filter(|id| has_type(*id)) {
        assert!(GOOD.iter().any(|(name, _, _)| self::id(name) == id), "{id}");
    }
}

#[test]
fn what_is_out_of_its_grammar_is_refused() {
    for (name, value) in [
        ("Accept", "text"),
        ("Accept-Contact", "audio"),
        ("Accept-Resource-Priority", "dsn"),
        ("Alert-Info", "moo.wav"),
        ("Authentication-Info", "nextnonce"),
        ("Call-ID", "a b"),
        ("Contact", ""),
        ("Content-Disposition", ";handling=optional"),
        ("Content-ID", "target"),
        ("Content-Length", "-1"),
        ("CSeq", "INVITE 1"),
        ("Date", "yesterday"),
        ("Event", "a b"),
        ("Expires", "soon"),
        ("Flow-Timer", "1.5"),
        ("Identity", "<x>"),
        ("Max-Breadth", "-1"),
        ("Max-Forwards", "256"),
        ("P-Charging-Vector", "orig-ioi=home1.net"),
        ("Privacy", ";"),
        ("RAck", "1 INVITE"),
        ("Replaces", ";to-tag=1"),
        ("Resource-Priority", "a.b.c"),
        ("Session-Expires", ";refresher=uac"),
        ("Subscription-State", "active;;"),
        ("Timestamp", "now"),
        ("Via", "SIP/2.0/UDP"),
        ("Warning", "99 a \"b\""),
    ] {
        assert!(check(id(name), value.as_bytes()).is_err(), "{name}: {value}");
    }
}

#[test]
fn bearer_tokens_are_opaque() {
    let message =
        Message::parse(&b"OPTIONS sip:a@b SIP/2.0\r\nAuthorization: Bearer abc.def\r\n\r\n"[..]).unwrap();
    let credentials: header::Authorization<'_> = message.require().unwrap();
    assert_eq!(credentials.bearer().map(|Bearer(token)| token), Some("abc.def"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Whatever is still taken is written so that it is taken again, and then it is in its usual spelling.
    #[test]
    fn maimed_values_are_refused_or_settle(
        example in 0..GOOD.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[ ;,=<>\"\\\\%:@a1é\r\n\\t/*]{0,2}"), 1..3),
    ) {
        let (name, value, _) = GOOD[example];
        let mut bytes = value.as_bytes().to_vec();
        for (place, text) in cuts {
            let at = place.index(bytes.len() + 1);
            let end = (at + 1).min(bytes.len());
            bytes.splice(at..end, text.bytes());
        }
        if let Some(written) = normal_form(id(name), &bytes) {
            prop_assert_eq!(check(id(name), written.as_slice()), Ok(()), "{:?}", &written);
            let again = normal_form(id(name), written.as_slice()).unwrap();
            prop_assert_eq!(again.as_slice(), written.as_slice());
        } else {
            prop_assert!(check(id(name), &bytes).is_err());
        }
    }
}
