//! Phones that number their flows and name themselves, over real sockets (RFC 5626, RFC 5627).

use crate::support::{PATIENCE, Phone, Scratch, config, start, until};
use ringback_message::header::Contact;
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::Protocol;
use ringback_server::{Server, ServerConfig, Storage};
use std::net::TcpListener;
use std::time::Instant;

const DESK: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const MOBILE: &str = "urn:uuid:00000000-0000-1000-8000-000a95a0e128";

/// Registers a contact that nobody can reach but over the flow.
fn register(phone: &mut Phone, instance: &str, flow: &str, expires: u32) -> Response {
    let aor = phone.aor();
    let contact = format!("<sip:bob@192.0.2.9;ob>;+sip.instance=\"<{instance}>\"{flow};expires={expires}");
    let register = phone
        .request(Method::REGISTER, "sip:example.com", &aor)
        .header(HeaderId::SUPPORTED, "path, outbound, gruu")
        .header(HeaderId::CONTACT, contact);
    phone.transact(register).0
}

fn bob(server: &Server, protocol: Protocol, instance: &str, flow: &str) -> Phone {
    let mut phone = Phone::new(server, protocol, "bob", "b");
    assert_eq!(register(&mut phone, instance, flow, 600).status(), StatusCode::OK);
    phone
}

/// A stranger, who is not asked for a password.
fn caller(server: &Server) -> Phone {
    let mut caller = Phone::udp(server, "eve", "");
    caller.domain = "example.org".into();
    caller
}

fn until_bindings(server: &Server, count: usize) {
    let begun = Instant::now();
    while server.stats().bindings != count {
        assert!(begun.elapsed() < PATIENCE, "{} bindings", server.stats().bindings);
        std::thread::yield_now();
    }
}

fn gruu(response: &Response, instance: &str, name: &str) -> String {
    let mut contacts =
        response.values(HeaderId::CONTACT).map(|value| String::from_utf8_lossy(value).into_owned());
    let contact = contacts.find(|contact| contact.contains(instance)).unwrap();
    let (_, rest) = contact.split_once(&format!("{name}=\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[test]
fn rfc_5626_5_3_requests_take_the_flow_and_its_end_ends_the_binding() {
    let server = start(config());
    let mut caller = caller(&server);
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let mut bob = bob(&server, protocol, DESK, ";reg-id=1");
        let invite = caller.invite("sip:bob@example.com").build().unwrap();
        caller.send(&invite);
        let invited = bob.requested(&Method::INVITE);
        assert_eq!(invited.uri_bytes(), b"sip:bob@192.0.2.9;ob");
        let route =
            String::from_utf8_lossy(invited.values(HeaderId::RECORD_ROUTE).next().unwrap()).into_owned();
        assert!(route.contains('@'), "later requests take it as well: {route}");
        bob.reply(&invited, StatusCode::OK);
        let ok = caller.response(&Method::INVITE);
        // The remote target is where nobody listens; the Route leads over the flow.
        let target = ok.first::<Contact<'_>>().unwrap().unwrap().address().unwrap().uri.as_str().to_owned();
        let bye = caller.in_dialog(Method::BYE, &invite, &ok).build().unwrap().render();
        let bye = String::from_utf8(bye.to_vec()).unwrap().replacen(&target, "sip:bob@192.0.2.9;ob", 1);
        caller.send_bytes(bye.as_bytes());
        let ended = bob.requested(&Method::BYE);
        bob.reply(&ended, StatusCode::OK);
        if protocol == Protocol::Udp {
            register(&mut bob, DESK, ";reg-id=1", 0);
        }
        drop(bob);
        until_bindings(&server, 0);
        let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
        assert_eq!(caller.transact(message).0.status(), StatusCode::TEMPORARILY_UNAVAILABLE);
    }
}

#[test]
fn a_connection_that_is_no_numbered_flow_may_end_before_its_binding() {
    let server = start(config());
    let mut bob = Phone::new(&server, Protocol::Tcp, "bob", "b");
    // Where it says that it listens nobody does.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let aor = bob.aor();
    let register = bob
        .request(Method::REGISTER, "sip:example.com", &aor)
        .header(HeaderId::SUPPORTED, "outbound")
        .header(HeaderId::CONTACT, format!("<sip:bob@{closed};transport=tcp;ob>"));
    assert_eq!(bob.transact(register).0.status(), StatusCode::OK);
    drop(bob);
    // What is written to a connection before its end is seen is answered by nobody.
    until(&server, |stats| stats.connections == 0);
    let mut caller = caller(&server);
    let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    let answer = caller.transact(message).0.status();
    assert!(answer.class() > 3);
    assert_eq!(server.stats().bindings, 1);
}

#[test]
fn rfc_5626_7_one_flow_at_a_time_and_the_next_where_it_has_failed() {
    let server = start(config());
    let mut first = bob(&server, Protocol::Tcp, DESK, ";reg-id=1");
    let mut second = bob(&server, Protocol::Udp, DESK, ";reg-id=2");
    let mut mobile = bob(&server, Protocol::Udp, MOBILE, ";reg-id=1");
    let mut caller = caller(&server);
    let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    let message = message.build().unwrap();
    caller.send(&message);
    // Both instances at once, by their freshest flows.
    let to_mobile = mobile.requested(&Method::MESSAGE);
    let to_second = second.requested(&Method::MESSAGE);
    second.reply(&to_second, StatusCode::FLOW_FAILED);
    let to_first = first.requested(&Method::MESSAGE);
    assert_eq!(to_first.uri_bytes(), to_second.uri_bytes());
    first.reply(&to_first, StatusCode::BUSY_HERE);
    mobile.reply(&to_mobile, StatusCode::OK);
    assert_eq!(caller.response(&Method::MESSAGE).status(), StatusCode::OK);

    // What is refused by one flow is not tried by the other.
    register(&mut mobile, MOBILE, ";reg-id=1", 0);
    let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    let message = message.build().unwrap();
    caller.send(&message);
    let to_second = second.requested(&Method::MESSAGE);
    second.reply(&to_second, StatusCode::DECLINE);
    assert_eq!(caller.response(&Method::MESSAGE).status(), StatusCode::DECLINE);

    // When no flow is left, the caller is told that nobody is there, and not of flows.
    let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    let message = message.build().unwrap();
    caller.send(&message);
    for phone in [&mut second, &mut first] {
        let request = phone.requested(&Method::MESSAGE);
        phone.reply(&request, StatusCode::FLOW_FAILED);
    }
    assert_eq!(caller.response(&Method::MESSAGE).status(), StatusCode::TEMPORARILY_UNAVAILABLE);
}

#[test]
fn rfc_5627_a_gruu_leads_to_its_instance_alone() {
    let server = start(config());
    let mut desk = Phone::udp(&server, "bob", "b");
    let told = register(&mut desk, DESK, ";reg-id=1", 600);
    let mut mobile = Phone::udp(&server, "bob", "b");
    let told_mobile = register(&mut mobile, MOBILE, ";reg-id=1", 600);
    let mut caller = caller(&server);
    for (told, instance, phone) in [(&told, DESK, &mut desk), (&told_mobile, MOBILE, &mut mobile)] {
        for name in ["pub-gruu", "temp-gruu"] {
            let to = gruu(told, instance, name);
            let message = caller.request(Method::MESSAGE, &to, &to).build().unwrap();
            caller.send(&message);
            let request = phone.requested(&Method::MESSAGE);
            assert_eq!(request.uri_bytes(), b"sip:bob@192.0.2.9;ob", "{to}");
            phone.reply(&request, StatusCode::OK);
            assert_eq!(
                caller.response(&Method::MESSAGE).status(),
                StatusCode::OK,
                "and nobody else was asked"
            );
        }
    }
    // Who is not registered is not replaced by another instance.
    register(&mut desk, DESK, ";reg-id=1", 0);
    for name in ["pub-gruu", "temp-gruu"] {
        let to = gruu(&told, DESK, name);
        let message = caller.request(Method::MESSAGE, &to, &to);
        assert_eq!(caller.transact(message).0.status(), StatusCode::TEMPORARILY_UNAVAILABLE, "{to}");
    }
}

#[test]
fn rfc_5627_a_dialog_goes_on_to_a_gruu() {
    let server = start(config());
    let mut desk = Phone::udp(&server, "bob", "b");
    let told = register(&mut desk, DESK, ";reg-id=1", 600);
    let contact = gruu(&told, DESK, "pub-gruu");
    let mut caller = caller(&server);
    let invite = caller.invite("sip:bob@example.com").build().unwrap();
    caller.send(&invite);
    let invited = desk.requested(&Method::INVITE);
    let ok = invited
        .reply(StatusCode::OK, Some("callee"))
        .copy(&invited, HeaderId::RECORD_ROUTE)
        .header(HeaderId::CONTACT, format_args!("<{contact}>"))
        .build()
        .unwrap();
    desk.send(&ok);
    let ok = caller.response(&Method::INVITE);
    for method in [Method::ACK, Method::INFO, Method::BYE] {
        let request = caller.in_dialog(method.clone(), &invite, &ok).build().unwrap();
        assert_eq!(request.uri_bytes(), contact.as_bytes());
        caller.send(&request);
        let request: Request = desk.requested(&method);
        assert_eq!(request.uri_bytes(), b"sip:bob@192.0.2.9;ob", "{method}");
        if method != Method::ACK {
            desk.reply(&request, StatusCode::OK);
            assert_eq!(caller.response(&method).status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn flows_and_gruus_outlive_a_restart() {
    let scratch = Scratch::new("flows");
    let kept = || ServerConfig { storage: Storage::Directory(scratch.path().into()), ..config() };
    let server = start(kept());
    let mut first = bob(&server, Protocol::Udp, DESK, ";reg-id=1");
    let told = register(&mut first, DESK, ";reg-id=1", 600);
    // The same contact over a second flow, and one over a connection that ends.
    let second = bob(&server, Protocol::Udp, DESK, ";reg-id=2");
    let third = bob(&server, Protocol::Tcp, MOBILE, ";reg-id=1");
    assert_eq!(server.stats().bindings, 3);
    drop((second, third));
    until_bindings(&server, 2);
    server.shutdown().await;

    let server = start(kept());
    assert_eq!(server.stats().bindings, 2);
    first.turn_to(&server);
    register(&mut first, DESK, ";reg-id=1", 600);
    let mut caller = caller(&server);
    let to = gruu(&told, DESK, "pub-gruu");
    let message = caller.request(Method::MESSAGE, &to, &to).build().unwrap();
    caller.send(&message);
    let request = first.requested(&Method::MESSAGE);
    first.reply(&request, StatusCode::OK);
    assert_eq!(caller.response(&Method::MESSAGE).status(), StatusCode::OK);
    assert_eq!(server.stats().bindings, 2);
}
