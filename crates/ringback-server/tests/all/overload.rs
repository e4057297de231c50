//! More requests than there is time for, over real sockets.

use crate::support::{PATIENCE, Phone, config, start};
use ringback_message::header::RetryAfter;
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::Protocol;
use ringback_server::{OverloadConfig, Server};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

fn via(message: &Response) -> String {
    String::from_utf8_lossy(message.values(HeaderId::VIA).next().unwrap()).into_owned()
}

/// Pings the server until nearly everything new is refused, and goes on while something is done.
fn flooded<T>(server: &Server, act: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut pinger = Phone::udp(server, "pinger", "p");
        let is_over = &is_over;
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let ping = pinger.request(Method::OPTIONS, "sip:example.com", "sip:example.com");
                pinger.transact(ping);
            }
        });
        let _over = Over(is_over);
        let end = Instant::now() + PATIENCE;
        while server.stats().refused_share < 0.9 && Instant::now() < end {
            std::thread::yield_now();
        }
        act()
    })
}

/// Ends a flood, also where a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_is_new_is_refused_without_a_transaction_and_what_is_up_goes_on() {
    let mut config = config();
    // Some pings are more than this machine may be busy with.
    config.overload = OverloadConfig { cpu: Some(1), ..OverloadConfig::default() };
    config.no_auth = true;
    let server = start(config);
    let (mut alice, mut bob) =
        (Phone::new(&server, Protocol::Tcp, "alice", "a"), Phone::udp(&server, "bob", "b"));
    // Even these few may be more than it wants to do.
    while bob.register(600).status() != StatusCode::OK {}
    let (ok, invite) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let invite = bob.requested(&Method::INVITE);
            bob.reply(&invite, StatusCode::OK);
        });
        loop {
            let invite = alice.invite("sip:bob@example.com");
            let answered = alice.transact(invite);
            if answered.0.status() == StatusCode::OK {
                break answered;
            }
        }
    });
    let ack = alice.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
    alice.send(&ack);
    flooded(&server, || {
        let answers: Vec<Response> = (0..40)
            .map(|_| {
                let request =
                    alice.request(Method::MESSAGE, "sip:nobody@example.com", "sip:nobody@example.com");
                alice.send(&request.build().unwrap());
                alice.response(&Method::MESSAGE)
            })
            .collect();
        let refused: Vec<&Response> =
            answers.iter().filter(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE).collect();
        assert!(refused.len() > 20, "{}", refused.len());
        for refusal in refused {
            let later = refusal.first::<RetryAfter<'_>>().unwrap().unwrap().seconds;
            assert!((5..=10).contains(&later), "{later}");
        }
        // Who can be told how much less to send is told that.
        let request = alice.request(Method::MESSAGE, "sip:nobody@example.com", "sip:nobody@example.com");
        let mut request = request.build().unwrap();
        let own = String::from_utf8_lossy(request.values(HeaderId::VIA).next().unwrap()).into_owned();
        request.replace_front(HeaderId::VIA, format!("{own};oc;oc-algo=\"loss\"").as_str()).unwrap();
        alice.send(&request);
        let answer = alice.response(&Method::MESSAGE);
        let told = via(&answer);
        let share = told.split(";oc=").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
        assert!(share.parse::<u8>().unwrap() > 50 && told.contains(";oc-validity=1000;oc-seq="), "{told}");
        assert!(answer.first::<RetryAfter<'_>>().is_none());
        // Who is in need is never sent away for that.
        for _ in 0..5 {
            let request = alice.request(Method::INVITE, "urn:service:sos", "urn:service:sos");
            alice.send(&request.build().unwrap());
            assert_ne!(alice.response(&Method::INVITE).status(), StatusCode::SERVICE_UNAVAILABLE);
        }
        let bye = alice.in_dialog(Method::BYE, &invite, &ok);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let bye = bob.requested(&Method::BYE);
                bob.reply(&bye, StatusCode::OK);
            });
            assert_eq!(alice.transact(bye).0.status(), StatusCode::OK);
        });
    });
    assert!(server.stats().dropped["overload_refused"] > 20);
}

#[test]
fn a_next_hop_that_asks_for_fewer_requests_gets_fewer() {
    let mut config = config();
    config.overload.ask = true;
    let server = start(config);
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    let message =
        |alice: &mut Phone| alice.request(Method::MESSAGE, "sip:bob@example.com", "sip:bob@example.com");
    let first = message(&mut alice);
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            let request: Request = bob.requested(&Method::MESSAGE);
            let own = String::from_utf8_lossy(request.values(HeaderId::VIA).next().unwrap()).into_owned();
            assert!(own.contains(";oc;oc-algo=\"loss\""), "{own}");
            let mut answer = request.reply(StatusCode::BUSY_HERE, Some("b")).build().unwrap();
            let told = own.replace(";oc;", ";oc=100;oc-validity=60000;oc-seq=1.5;");
            answer.replace_front(HeaderId::VIA, told.as_str()).unwrap();
            bob.send(&answer);
        });
        alice.transact(first).0
    });
    assert_eq!(answer.status(), StatusCode::BUSY_HERE);
    for _ in 0..3 {
        let next = message(&mut alice);
        assert_eq!(alice.transact(next).0.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(server.stats().dropped["held_back_for_next_hop"], 3);
}
