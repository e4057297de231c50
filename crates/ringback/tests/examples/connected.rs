//! The examples that connect two others: what the two hear of each other.

use crate::support::{Place, answer, ended, happens, hear, in_time, tone};
use crate::{attended_transfer, click_to_dial, conference};
use futures::SinkExt as _;
use ringback::{Audio, CallEvent, EndedBy};

#[tokio::test]
async fn click_to_dial_connects_two_and_ends_with_either() {
    let place = Place::new();
    let (alice, bob, desk) = (place.phone().await, place.phone().await, place.phone().await);
    let _alice = place.account(&alice, "alice").register().await.expect("Alice is registered");
    let _bob = place.account(&bob, "bob").register().await.expect("Bob is registered");
    let carol = place.account(&desk, "carol").register().await.expect("the desk is registered");
    let called = async {
        let (mut of_alice, mut alice) = answer(&alice).await;
        let (of_bob, mut bob) = answer(&bob).await;
        // Each hears the other, and for as long as it speaks: a sink takes what is said at the pace of the call.
        alice.send(tone(600.0, 3.0)).await.expect("Alice's call is up");
        bob.send(tone(1_000.0, 3.0)).await.expect("Bob's call is up");
        tokio::join!(hear(&mut alice, 1_000.0, 700), hear(&mut bob, 600.0, 700));
        of_bob.hangup().expect("Bob's call is up");
        ended(&mut of_alice).await
    };
    let dialled = click_to_dial::run(&carol, "sip:alice@example.com", "sip:bob@example.com");
    let (dialled, summary) = in_time(async { tokio::join!(dialled, called) }).await;
    dialled.expect("the example works");
    assert_eq!(summary.ending.by, EndedBy::Peer);
}

#[tokio::test]
async fn conference_brings_three_together() {
    let place = Place::new();
    let desk = place.phone().await;
    let host = place.account(&desk, "desk").register().await.expect("the desk is registered");
    let mut people = Vec::new();
    for (name, hertz, others) in [
        ("alice", 600.0, [1_000.0, 1_400.0]),
        ("bob", 1_000.0, [600.0, 1_400.0]),
        ("carol", 1_400.0, [600.0, 1_000.0]),
    ] {
        let phone = place.phone().await;
        let account = place.account(&phone, name).register().await.expect("registered");
        people.push(async move {
            let _account = account;
            let (mut call, mut stream) = answer(&phone).await;
            // One after the other has the word, a second each, so that each tone is heard alone.
            for turn in [600.0, 1_000.0, 1_400.0] {
                if turn == hertz {
                    // Who spoke before goes on for half a second.
                    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
                    stream.send(tone(turn, 1.0)).await.expect("the call is up");
                    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
                } else if others.contains(&turn) {
                    hear(&mut stream, turn, 500).await;
                }
            }
            call.hangup().expect("the call is up");
            ended(&mut call).await;
        });
    }
    let called = ["sip:alice@example.com", "sip:bob@example.com", "sip:carol@example.com"];
    let held = conference::run(&host, &called);
    let (held, _) = in_time(async { tokio::join!(held, futures::future::join_all(people)) }).await;
    held.expect("the example works");
    assert_eq!(desk.calls(), 0);
}

#[tokio::test]
async fn attended_transfer_leaves_the_two_talking_to_each_other() {
    let place = Place::new();
    let (alice, bob, desk) = (place.phone().await, place.phone().await, place.phone().await);
    let _alice = place.account(&alice, "alice").register().await.expect("Alice is registered");
    let _bob = place.account(&bob, "bob").register().await.expect("Bob is registered");
    let carol = place.account(&desk, "carol").register().await.expect("the desk is registered");
    let of_alice = async {
        let (mut old, _) = answer(&alice).await;
        let transfer = loop {
            if let CallEvent::TransferRequested(transfer) = old.next().await.expect("the call is up") {
                break transfer;
            }
        };
        let (audio, mut stream) = Audio::stream();
        let mut new = transfer.accept(audio).await.expect("a call to Bob");
        happens(&mut new, |event| matches!(event, CallEvent::Answered(_))).await;
        stream.send(tone(700.0, 3.0)).await.expect("the call to Bob is up");
        hear(&mut stream, 1_100.0, 700).await;
        // The operator has left.
        assert_eq!(ended(&mut old).await.ending.by, EndedBy::Peer);
        new
    };
    let of_bob = async {
        let (mut old, _) = answer(&bob).await;
        let incoming = bob.incoming().await.expect("the call of Alice");
        assert!(incoming.is_replacement());
        assert!(incoming.from().contains("sip:alice@example.com"), "{}", incoming.from());
        let (audio, mut stream) = Audio::stream();
        let new = incoming.answer(audio).await.expect("Alice waits");
        stream.send(tone(1_100.0, 3.0)).await.expect("the call of Alice is up");
        hear(&mut stream, 700.0, 700).await;
        ended(&mut old).await;
        new
    };
    let transferred = attended_transfer::run(&carol, "sip:alice@example.com", "sip:bob@example.com");
    let (transferred, of_alice, mut of_bob) =
        in_time(async { tokio::join!(transferred, of_alice, of_bob) }).await;
    transferred.expect("the example works");
    // The call of Alice with Bob is all that is left.
    assert_eq!((alice.calls(), bob.calls(), desk.calls()), (1, 1, 0));
    of_alice.hangup().expect("the call to Bob is up");
    in_time(ended(&mut of_bob)).await;
}
