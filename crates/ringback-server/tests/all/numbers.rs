//! Telephone numbers that DNS knows (ENUM, RFC 6116), through a whole server and a name server on loopback.

use crate::support::{Phone, config, start};
use hickory_resolver::proto::op::{Message as Dns, ResponseCode};
use hickory_resolver::proto::rr::rdata::NAPTR;
use hickory_resolver::proto::rr::{Name, RData, Record};
use ringback_message::{Method, StatusCode};
use ringback_server::{Server, ServerConfig};
use std::net::{SocketAddr, UdpSocket};
use std::thread;

/// Knows +441632960083 by this expression; +441632960084 fails, and others are not there.
fn name_server(rule: String) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
            let mut answer = Dns::from_vec(&buffer[..len]).unwrap().into_response();
            let name = answer.queries[0].name().clone();
            answer.metadata.response_code = match name.to_ascii().as_str() {
                "3.8.0.0.6.9.2.3.6.1.4.4.e164.example." => {
                    let (flags, service) = ((*b"u").into(), (*b"E2U+sip").into());
                    let regexp = rule.as_bytes().into();
                    let naptr = RData::NAPTR(NAPTR::new(10, 1, flags, service, regexp, Name::root()));
                    answer.add_answer(Record::from_rdata(name, 60, naptr));
                    ResponseCode::NoError
                }
                name if name.starts_with("4.8.0.0.") => ResponseCode::ServFail,
                _ => ResponseCode::NXDomain,
            };
            let _ = socket.send_to(&answer.to_vec().unwrap(), peer);
        }
    });
    address
}

fn server(rule: &str) -> Server {
    start(ServerConfig {
        name_servers: vec![name_server(rule.to_owned())],
        enum_domain: Some("e164.example".into()),
        ..config()
    })
}

fn status(from: &mut Phone, uri: &str) -> u16 {
    let message = from.request(Method::MESSAGE, uri, uri).body("text/plain", "hello");
    from.transact(message).0.status().as_u16()
}

/// Sends a message that arrives, and says what its Request-URI was.
fn reaches(from: &mut Phone, to: &mut Phone, uri: &str) -> String {
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let message = to.requested(&Method::MESSAGE);
            to.reply(&message, StatusCode::OK);
            String::from_utf8(message.uri_bytes().to_vec()).unwrap()
        });
        assert_eq!(status(from, uri), 200, "{uri}");
        asked.join().unwrap()
    })
}

#[test]
fn a_number_leads_to_one_of_our_users() {
    let server = server("!^.*$!sip:bob@example.com!");
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    assert_eq!(status(&mut alice, "tel:+44-1632-960083"), 480, "he is not registered");
    bob.register(600);
    for uri in ["tel:+44-1632-960083", "sip:+44-1632-960083@example.com;user=phone"] {
        assert!(reaches(&mut alice, &mut bob, uri).starts_with("sip:bob@127.0.0.1:"), "{uri}");
    }
}

#[test]
fn a_number_leads_elsewhere_with_what_stands_in_it() {
    let mut far = Phone::at("127.0.0.1:1".parse().unwrap(), ringback_sansio::Protocol::Udp, "far", "x");
    let server = server(&format!("!^\\+44(.*)$!sip:0\\1@{}!", far.own));
    far.turn_to(&server);
    let mut alice = Phone::udp(&server, "alice", "a");
    let uri = reaches(&mut alice, &mut far, "tel:+441632960083");
    assert_eq!(uri, format!("sip:01632960083@{}", far.own));
}

#[test]
fn what_leads_nowhere_is_told_apart_and_nobody_else_may_ask() {
    let server = server("!^.*$!sip:bob@example.com!");
    let mut alice = Phone::udp(&server, "alice", "a");
    for (uri, expected) in [
        ("tel:+441632960085", 404),
        ("tel:+441632960084", 480),
        ("sip:+441632960085@example.com;user=phone", 404),
        // No number of all the world, or more than a number.
        ("tel:112;phone-context=example.com", 404),
        ("tel:+441632960083;ext=5", 404),
        ("sip:+441632960083@example.com", 404),
    ] {
        assert_eq!(status(&mut alice, uri), expected, "{uri}");
    }
    let mut stranger = Phone::udp(&server, "mallory", "m");
    stranger.domain = "example.org".into();
    assert_eq!(status(&mut stranger, "tel:+441632960083"), 404);
}
