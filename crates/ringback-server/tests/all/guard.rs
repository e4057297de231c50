//! Who is listened to, over real sockets: each source is an address of this machine.

use crate::support::{Phone, Scratch, call, config, start};
use ringback_message::{HeaderId, Method, StatusCode};
use ringback_sansio::Protocol;
use ringback_server::{Server, admin};
use std::net::Ipv4Addr;
use std::time::Instant;

fn guarded(name: &str) -> (Server, Scratch) {
    let (mut config, scratch) = (config(), Scratch::new(name));
    config.guard.trusted.clear();
    config.guard.failures = 5;
    config.admin = scratch.path().join("admin.sock").into();
    (start(config), scratch)
}

fn phone(server: &Server, host: u8, name: &str, password: &str) -> Phone {
    let own = Ipv4Addr::new(127, 0, 0, host).into();
    Phone::from(own, server.listeners()[0].address, Protocol::Udp, name, password)
}

/// Waits until so many were dropped for a reason: each source may have a thread of its own.
fn await_dropped(server: &Server, reason: &str, count: u64) {
    let dropped = || server.stats().dropped.get(reason).copied().unwrap_or_default();
    let end = Instant::now() + crate::support::PATIENCE;
    while dropped() < count && Instant::now() < end {
        std::thread::yield_now();
    }
    assert_eq!(dropped(), count, "{reason}");
}

#[test]
fn fault_16_whoever_guesses_a_password_is_not_listened_to_and_its_owner_is() {
    let (server, scratch) = guarded("guesses");
    let socket = scratch.path().join("admin.sock");
    let (mut alice, mut bob) = (phone(&server, 1, "alice", "a"), phone(&server, 1, "bob", "b"));
    assert_eq!(alice.register(600).status(), StatusCode::OK);
    assert_eq!(bob.register(600).status(), StatusCode::OK);

    for _ in 0..6 {
        assert_eq!(phone(&server, 66, "alice", "x").register(600).status(), StatusCode::FORBIDDEN);
    }
    let mut cracker = phone(&server, 66, "alice", "a");
    let register = cracker.request(Method::REGISTER, "sip:example.com", "sip:alice@example.com");
    cracker.send(&register.build().unwrap());
    // By now even the right password would not be looked at from elsewhere; at home it is.
    assert_eq!(phone(&server, 67, "alice", "a").register(600).status(), StatusCode::FORBIDDEN);
    assert_eq!(alice.register(600).status(), StatusCode::OK);
    call(&mut alice, &mut bob);
    await_dropped(&server, "banned_source", 1);

    let bans = admin::bans(&socket).unwrap();
    assert_eq!((bans.len(), bans[0].source.to_string(), bans[0].times), (1, "127.0.0.66".to_owned(), 1));
    assert!((590..=600).contains(&bans[0].seconds));
    assert!(admin::pardon(&socket, bans[0].source).unwrap());
    assert!(!admin::pardon(&socket, bans[0].source).unwrap());
    assert_eq!(phone(&server, 66, "bob", "b").register(600).status(), StatusCode::OK);
}

#[test]
fn scanners_get_no_answer() {
    let (server, _scratch) = guarded("scans");
    let mut scanner = phone(&server, 66, "100", "x");
    let scan = scanner.request(Method::OPTIONS, "sip:example.com", "sip:100@example.com");
    scanner.send(&scan.header(HeaderId::USER_AGENT, "friendly-scanner").build().unwrap());
    let again = scanner.request(Method::OPTIONS, "sip:example.com", "sip:100@example.com");
    scanner.send(&again.build().unwrap());
    assert_eq!(phone(&server, 1, "alice", "a").register(600).status(), StatusCode::OK);
    await_dropped(&server, "scanner", 1);
    await_dropped(&server, "banned_source", 1);
}

#[test]
fn fault_11_a_flood_from_one_source_leaves_the_others_alone() {
    let mut config = config();
    config.guard.trusted.clear();
    // Nothing of it comes back within the test.
    (config.guard.requests_per_second, config.guard.burst) = (1, 20);
    let server = start(config);
    let mut flood = phone(&server, 66, "mallory", "x");
    for _ in 0..100 {
        let options = flood.request(Method::OPTIONS, "sip:example.com", "sip:example.com");
        flood.send(&options.build().unwrap());
    }
    let (mut alice, mut bob) = (phone(&server, 1, "alice", "a"), phone(&server, 2, "bob", "b"));
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    call(&mut alice, &mut bob);
    await_dropped(&server, "source_over_rate", 80);
}
