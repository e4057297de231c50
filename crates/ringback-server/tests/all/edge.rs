//! A server before another one: phones register through it and are reached over the connections that they made (RFC 5626 §5.3).

use crate::support::{Phone, call, config, start};
use ringback_message::{HeaderId, Method, StatusCode};
use ringback_net::Protocol;
use ringback_server::{Registrations, Server, ServerConfig};

/// The server that has the users, and the one before it.
fn servers() -> (Server, Server) {
    let registrations = Registrations { lenient_path: true, ..Registrations::default() };
    let registrar = start(ServerConfig { registrations, ..config() });
    let edge = format!("sip:{}", registrar.listeners()[0].address);
    let edge = start(ServerConfig { edge: Some(edge), users: Default::default(), ..config() });
    (registrar, edge)
}

#[test]
fn rfc_5626_5_3_calls_go_both_ways_over_the_connection_that_the_phone_made() {
    let (registrar, edge) = servers();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let mut alice = Phone::udp(&registrar, "alice", "a");
        assert_eq!(alice.register(600).status(), StatusCode::OK);
        let mut bob = Phone::new(&edge, protocol, "bob", "b");
        assert_eq!(bob.register(600).status(), StatusCode::OK, "{protocol}");
        call(&mut alice, &mut bob);
        call(&mut bob, &mut alice);
        // Who knows of such ways is told his.
        let (aor, contact) = (bob.aor(), bob.contact());
        let register = bob.request(Method::REGISTER, "sip:example.com", &aor);
        let register = register.header(HeaderId::CONTACT, contact).header(HeaderId::SUPPORTED, "path");
        let registered = bob.transact(register).0;
        let path = registered.values(HeaderId::PATH).next().expect("the way to the phone is told");
        let path = String::from_utf8_lossy(path).into_owned();
        let told = format!("@{};lr;ob>", edge.listeners()[0].address);
        assert!(path.starts_with("<sip:") && path.ends_with(&told), "{path}");
        assert_eq!(bob.register(0).status(), StatusCode::OK);
    }
}

#[test]
fn a_token_that_somebody_made_up_leads_to_the_server_behind_and_no_further() {
    let (_registrar, edge) = servers();
    let mut mallory = Phone::udp(&edge, "mallory", "m");
    mallory.domain = "elsewhere.example".into();
    let address = edge.listeners()[0].address;
    let message = mallory.request(Method::MESSAGE, "sip:x@192.0.2.1", "sip:x@192.0.2.1");
    let route = format!("<sip:{}@{address};lr;ob>", "00".repeat(29));
    let message = message.header(HeaderId::ROUTE, &route).build().unwrap();
    mallory.send(&message);
    assert_eq!(mallory.outcome(&message).status(), StatusCode::FORBIDDEN, "as that one says of strangers");
}
