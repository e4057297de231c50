//! Registrations over datagrams, which are answered without a transaction.

use crate::support::{Phone, Scratch, config, start};
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::Protocol;
use ringback_server::{ServerConfig, Storage};

/// A registration, and the request that was accepted.
fn register(phone: &mut Phone, expires: u32) -> (Response, Request) {
    let (aor, contact) = (phone.aor(), phone.contact());
    let request = phone
        .request(Method::REGISTER, "sip:example.com", &aor)
        .header(HeaderId::CONTACT, contact)
        .header(HeaderId::EXPIRES, expires);
    phone.transact(request)
}

fn contacts(response: &Response) -> usize {
    response.values(HeaderId::CONTACT).count()
}

#[test]
fn a_copy_of_a_registration_is_answered_and_changes_nothing() {
    let scratch = Scratch::new("copies");
    let kept = ServerConfig { storage: Storage::Directory(scratch.path().into()), ..config() };
    for config in [config(), kept] {
        let server = start(config);
        let mut bob = Phone::udp(&server, "bob", "b");
        let (ok, request) = register(&mut bob, 600);
        assert_eq!((ok.status(), contacts(&ok)), (StatusCode::OK, 1));
        // As when the answer was lost: the same words, though the nonce was used.
        bob.send(&request);
        let again = bob.outcome(&request);
        assert_eq!(again.values(HeaderId::TO).next(), ok.values(HeaderId::TO).next());
        assert_eq!((again.status(), contacts(&again)), (StatusCode::OK, 1));
        let (ok, _) = register(&mut bob, 0);
        assert_eq!((ok.status(), contacts(&ok)), (StatusCode::OK, 0));
        // One that was under way for long does not bring back what is gone.
        bob.send(&request);
        let late = bob.outcome(&request);
        assert_eq!((late.status(), contacts(&late)), (StatusCode::OK, 0));
        // From elsewhere it is no copy, and proves nothing.
        let mut mallory = Phone::udp(&server, "bob", "?");
        mallory.send(&request);
        assert_eq!(mallory.outcome(&request).status(), StatusCode::UNAUTHORIZED);
        let stats = server.stats();
        assert_eq!((stats.bindings, stats.transactions), (0, 0));
    }
}

#[test]
fn one_that_was_refused_is_judged_anew() {
    let server = start(config());
    let mut bob = Phone::udp(&server, "bob", "b");
    let (refused, mut request) = register(&mut bob, 1);
    assert_eq!(refused.status(), StatusCode::INTERVAL_TOO_BRIEF);
    // The phone asks for longer under the same branch, which it should not.
    request.set(HeaderId::EXPIRES, 600u32).unwrap();
    bob.send(&request);
    assert_ne!(bob.outcome(&request).status(), StatusCode::INTERVAL_TOO_BRIEF);
}

#[tokio::test]
async fn a_refresh_is_on_the_disk_when_the_server_ends() {
    let scratch = Scratch::new("refresh");
    let kept = || ServerConfig { storage: Storage::Directory(scratch.path().into()), ..config() };
    let server = start(kept());
    let mut bob = Phone::udp(&server, "bob", "b");
    assert_eq!(register(&mut bob, 100).0.status(), StatusCode::OK);
    assert_eq!(register(&mut bob, 1_000).0.status(), StatusCode::OK);
    server.shutdown().await;
    let server = start(kept());
    bob.turn_to(&server);
    let aor = bob.aor();
    let ask = bob.request(Method::REGISTER, "sip:example.com", &aor);
    let told = bob.transact(ask).0;
    let contact = told.values(HeaderId::CONTACT).next().map(String::from_utf8_lossy);
    let seconds = contact.as_ref().and_then(|contact| contact.rsplit_once("expires=")?.1.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| (900..=1_000).contains(&seconds)), "{contact:?}");
}

#[test]
fn what_came_through_others_or_over_a_stream_has_a_transaction() {
    let server = start(config());
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let mut bob = Phone::new(&server, protocol, "bob", "b");
        let (ok, request) = register(&mut bob, 600);
        assert_eq!(ok.status(), StatusCode::OK);
        assert_eq!(ok.require::<CSeq>().unwrap().number, request.require::<CSeq>().unwrap().number);
    }
    let mut bob = Phone::udp(&server, "bob", "b");
    let (aor, contact, via) = (bob.aor(), bob.contact(), bob.via());
    let request = bob.request(Method::REGISTER, "sip:example.com", &aor);
    let request = request.header(HeaderId::VIA, via).header(HeaderId::CONTACT, contact).build().unwrap();
    bob.send(&request);
    assert_eq!(bob.outcome(&request).status(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.stats().transactions, 1, "the one through a proxy");
}
