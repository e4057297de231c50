//! Runs each example against a server and phones on loopback, and checks what was heard and said.
#![allow(dead_code, reason = "each example has a main of its own")]

#[path = "../../examples/attended_transfer.rs"]
mod attended_transfer;
#[path = "../../examples/audio_stream.rs"]
mod audio_stream;
#[path = "../../examples/call.rs"]
mod call;
#[path = "../../examples/click_to_dial.rs"]
mod click_to_dial;
#[path = "../../examples/conference.rs"]
mod conference;
#[path = "../../examples/custom_header.rs"]
mod custom_header;
#[path = "../../examples/echo_bot.rs"]
mod echo_bot;
#[path = "../../examples/load_generator.rs"]
mod load_generator;
#[path = "../../examples/voice_menu.rs"]
mod voice_menu;

mod bots;
mod connected;
mod support;

use ringback::{Audio, CallError, CallEvent, CommandError};
use support::{Place, ended, file, heard, in_time, read, tone, write};

#[tokio::test]
async fn call_plays_to_the_one_called_and_records_the_answer() {
    let place = Place::new();
    let (hello, answer, bob_heard) = (file("hello"), file("answer"), file("bob-heard"));
    write(&hello, &tone(600.0, 1.0));
    let bob = place.phone().await;
    let _bob = place.account(&bob, "bob").register().await.expect("Bob is registered");
    let recorded = bob_heard.clone();
    let answering = tokio::spawn(async move {
        let incoming = bob.incoming().await.expect("a call");
        assert!(incoming.from().contains("sip:alice@example.com"), "{}", incoming.from());
        let audio = Audio::samples(tone(1_000.0, 1.0)).record(recorded);
        let mut call = incoming.answer(audio).await.expect("a caller that waits");
        ended(&mut call).await
    });
    let phone = place.phone().await;
    let alice = place.account(&phone, "alice");
    in_time(call::run(alice, ["sip:bob@example.com", &hello, &answer])).await.expect("the example works");
    let summary = in_time(answering).await.expect("Bob answered");
    assert!(summary.talk.is_some());
    let (of_hello, of_answer) = (heard(&read(&bob_heard), 600.0), heard(&read(&answer), 1_000.0));
    assert!(of_hello >= 900 && of_answer >= 800, "{of_hello} and {of_answer} ms");
    std::fs::remove_file(&hello).expect("a file of ours");
}

#[tokio::test]
async fn echo_bot_plays_back_what_it_hears() {
    let place = Place::new();
    let bot = place.phone().await;
    let _bob = place.account(&bot, "bob").register().await.expect("the bot is registered");
    let bot = tokio::spawn(async move { echo_bot::run(bot).await.map_err(|error| error.to_string()) });
    let phone = place.phone().await;
    let alice = place.account(&phone, "alice").register().await.expect("Alice is registered");
    // One call after the other: the bot is there for both.
    for hertz in [700.0, 1_100.0] {
        let echo = file("echo");
        let audio = Audio::samples(tone(hertz, 1.0)).record(&echo);
        let mut call = alice.call("sip:bob@example.com").audio(audio).start().await.expect("a call");
        let done = async {
            while let Some(event) = call.next().await {
                if matches!(event, CallEvent::Played) {
                    call.hangup().expect("a call that is up");
                }
            }
        };
        in_time(done).await;
        let heard = heard(&read(&echo), hertz);
        assert!(heard >= 700, "{heard} ms");
    }
    bot.abort();
}

#[tokio::test]
async fn custom_header_arrives_and_those_of_the_stack_are_refused() {
    let place = Place::new();
    let (phone, bob) = (place.phone().await, place.phone().await);
    let _bob = place.account(&bob, "bob").register().await.expect("Bob is registered");
    let alice = place.account(&phone, "alice").register().await.expect("Alice is registered");
    let answering = async {
        let incoming = bob.incoming().await.expect("a call");
        assert_eq!(incoming.header("x-order"), Some("4711"));
        assert_eq!(incoming.header("X-Other"), None);
        incoming.reject(ringback::StatusCode::BUSY_HERE).expect("a caller that waits");
    };
    let called = custom_header::run(&alice, "sip:bob@example.com", "4711");
    let (called, ()) = in_time(async { tokio::join!(called, answering) }).await;
    called.expect("the example works");
    for (name, value) in
        [("Via", "SIP/2.0/UDP x"), ("f", "<sip:m@x>"), ("X-Order", "1\r\nVia: x"), ("X Y", "1")]
    {
        let call = alice.call("sip:bob@example.com").header(name, value).start().await;
        assert!(matches!(call, Err(CallError::Command(CommandError::Invalid(_)))), "{name}");
    }
    assert_eq!(phone.calls(), 0);
}
