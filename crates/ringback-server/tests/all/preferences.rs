//! Callers who say which phone they want, over real sockets (RFC 3841).

use crate::support::{Phone, config, start};
use ringback_message::{HeaderId, Method, StatusCode};
use ringback_server::Server;

fn phone(server: &Server, features: &str) -> Phone {
    let mut phone = Phone::udp(server, "bob", "b");
    let (aor, contact) = (phone.aor(), phone.contact());
    let register = phone
        .request(Method::REGISTER, "sip:example.com", &aor)
        .header(HeaderId::CONTACT, format_args!("{contact}{features}"));
    assert_eq!(phone.transact(register).0.status(), StatusCode::OK);
    phone
}

#[test]
fn rfc_3841_the_phones_that_fit_are_asked_in_the_way_that_is_wanted() {
    let server = start(config());
    let mut desk = phone(&server, ";audio;video;mobility=\"fixed\"");
    let mut mobile = phone(&server, ";audio;mobility=\"mobile\"");
    let mut caller = Phone::udp(&server, "eve", "");
    caller.domain = "example.org".into();
    let mut ask = |name: &str, value: &str| {
        let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
        let message = message.other(name, value).build().unwrap();
        caller.send(&message);
    };
    // Left out: an answer of one is the last word.
    ask("Reject-Contact", "*;mobility=\"fixed\"");
    let request = mobile.requested(&Method::MESSAGE);
    mobile.reply(&request, StatusCode::BUSY_HERE);
    ask("Accept-Contact", "*;video;require;explicit");
    let request = desk.requested(&Method::MESSAGE);
    desk.reply(&request, StatusCode::BUSY_HERE);
    // One alone, the one that fits best.
    ask("Request-Disposition", "no-fork");
    let request = mobile.requested(&Method::MESSAGE);
    mobile.reply(&request, StatusCode::BUSY_HERE);
    for answer in 0..3 {
        assert_eq!(caller.response(&Method::MESSAGE).status(), StatusCode::BUSY_HERE, "{answer}");
    }
    // One after the other.
    let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    let message = message
        .header(HeaderId::ACCEPT_CONTACT, "*;video")
        .header(HeaderId::REQUEST_DISPOSITION, "sequential")
        .build()
        .unwrap();
    caller.send(&message);
    let request = desk.requested(&Method::MESSAGE);
    desk.reply(&request, StatusCode::BUSY_HERE);
    let request = mobile.requested(&Method::MESSAGE);
    mobile.reply(&request, StatusCode::OK);
    assert_eq!(caller.response(&Method::MESSAGE).status(), StatusCode::OK);
    // Nobody fits.
    let message = caller.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    let message = message.header(HeaderId::ACCEPT_CONTACT, "*;text;require;explicit");
    assert_eq!(caller.transact(message).0.status(), StatusCode::TEMPORARILY_UNAVAILABLE);
}

#[test]
fn rfc_3841_9_1_our_own_users_may_be_told_where_to_look() {
    let server = start(config());
    let desk = phone(&server, "");
    let mut alice = Phone::udp(&server, "alice", "a");
    let message = alice.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    let (told, _) = alice.transact(message.header(HeaderId::REQUEST_DISPOSITION, "redirect"));
    assert_eq!(told.status(), StatusCode::MOVED_TEMPORARILY);
    assert_eq!(told.values(HeaderId::CONTACT).next(), Some(desk.contact().as_bytes()));
}
