//! Rule 58: whichever future an application drops, and whenever, its endpoint goes on and nothing is left behind.

use futures::poll;
use ringback::{Audio, Call, CallEvent, Endpoint};
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Polls a future so often, and drops it. What it came to, if it did.
async fn abandoned<R>(future: impl Future<Output = R>, polls: u32) -> Option<R> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(outcome) = poll!(future.as_mut()) {
            return Some(outcome);
        }
        tokio::task::yield_now().await;
    }
    None
}

async fn within<R>(what: &str, future: impl Future<Output = R>) -> R {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("{what} in time"))
}

async fn until(call: &mut Call, is_it: impl Fn(&CallEvent) -> bool) {
    while !is_it(&within("an event", call.next()).await.expect("the call is not over yet")) {}
}

async fn phones() -> (Endpoint, Endpoint, String) {
    let alice = Endpoint::builder().listen("udp:127.0.0.1:0").start().await.expect("a free port");
    let bob = Endpoint::builder().listen("udp:127.0.0.1:0").answers_anyone();
    let bob = bob.start().await.expect("a free port");
    let target = format!("sip:bob@{}", bob.listeners()[0].address);
    (alice, bob, target)
}

/// No call is left at either side.
async fn quiet(phones: [&Endpoint; 2]) {
    let is_quiet = async {
        while phones.iter().any(|phone| phone.calls() > 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("all calls are over", is_quiet).await;
}

#[tokio::test]
async fn rule_58_a_call_survives_every_future_that_is_dropped_around_it() {
    for polls in 0..4 {
        let (alice, bob, target) = phones().await;
        let _bobs = bob.account("sip:bob@127.0.0.1").open().await.expect("an account");
        abandoned(alice.account("sip:alice@127.0.0.1").open(), polls).await;
        let account = alice.account("sip:alice@127.0.0.1").open().await.expect("an account");
        abandoned(account.message(&target, "hello"), polls).await;
        abandoned(account.ping(&target), polls).await;
        abandoned(account.call(&target).start(), polls).await;
        abandoned(bob.incoming(), polls).await;
        abandoned(bob.message(), polls).await;

        let mut calling = account.call(&target).audio(Audio::silence()).start().await.expect("a call");
        abandoned(calling.next(), polls).await;
        // Those before it were given up by who called, or are declined here.
        let mut incoming = loop {
            let incoming = within("the call", bob.incoming()).await.expect("Bob listens");
            if incoming.call_id() == calling.call_id() {
                break incoming;
            }
        };
        abandoned(incoming.cancelled(), polls).await;
        let mut called = incoming.answer(Audio::silence()).await.expect("it still rings");
        until(&mut calling, |event| matches!(event, CallEvent::Answered(_))).await;
        abandoned(calling.send_digits("1"), polls).await;
        abandoned(calling.play(Audio::silence()), polls).await;
        calling.hold().expect("it is up");
        abandoned(called.next(), polls).await;
        calling.hangup().expect("it is up");
        let last = abandoned(calling.next(), polls).await.flatten();
        if !matches!(last, Some(CallEvent::Ended(_))) {
            until(&mut calling, |event| matches!(event, CallEvent::Ended(_))).await;
        }
        until(&mut called, |event| matches!(event, CallEvent::Ended(_))).await;
        quiet([&alice, &bob]).await;
        // An endpoint whose shutdown nobody waits for is still shut down when it is dropped.
        abandoned(alice.shutdown(), polls).await;
        within("shutdown", bob.shutdown()).await;
    }
}

#[tokio::test]
async fn rule_58_an_answer_or_a_registration_that_is_dropped_half_way_ends_properly() {
    for polls in 0..4 {
        let (alice, bob, target) = phones().await;
        let _bobs = bob.account("sip:bob@127.0.0.1").open().await.expect("an account");
        // Bob's phone is no registrar, and says so; what matters is that nobody waits for that.
        let builder = alice.account("sip:alice@127.0.0.1").server(target.trim_start_matches("sip:bob@"));
        let mut account = builder.open().await.expect("an account");
        abandoned(account.register(), polls).await;
        abandoned(account.unregister(), polls).await;
        abandoned(account.registration_changed(), polls).await;

        let mut calling = account.call(&target).audio(Audio::silence()).start().await.expect("a call");
        let incoming = within("the call", bob.incoming()).await.expect("Bob listens");
        // Declined where it was not answered yet, hung up where it was.
        abandoned(incoming.answer(Audio::silence()), polls).await;
        until(&mut calling, |event| matches!(event, CallEvent::Ended(_))).await;
        quiet([&alice, &bob]).await;
        within("a reply", account.ping(&target)).await.expect("Bob's phone is there");
    }
}
