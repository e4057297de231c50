//! The examples that answer: what a caller hears of them.

use crate::support::{Place, ended, happens, hear, in_time, tone};
use crate::{audio_stream, load_generator, voice_menu};
use futures::SinkExt as _;
use ringback::{Audio, CallEvent, EndedBy, Endpoint, IncomingCall};

#[tokio::test]
async fn voice_menu_plays_what_the_digits_ask_for() {
    let place = Place::new();
    let bot = place.phone().await;
    let _bob = place.account(&bot, "bob").register().await.expect("the bot is registered");
    let (menu, hours) = (Audio::samples(tone(500.0, 3.0)), Audio::samples(tone(900.0, 3.0)));
    let bot =
        tokio::spawn(async move { voice_menu::run(bot, menu, hours).await.map_err(|it| it.to_string()) });
    let phone = place.phone().await;
    let alice = place.account(&phone, "alice").register().await.expect("Alice is registered");
    let (audio, mut stream) = Audio::stream();
    let mut call = alice.call("sip:bob@example.com").audio(audio).start().await.expect("a call");
    let summary = in_time(async {
        hear(&mut stream, 500.0, 300).await;
        for (digit, answer) in [("1", 900.0), ("7", 500.0)] {
            call.send_digits(digit).await.expect("a call that is up");
            hear(&mut stream, answer, 500).await;
        }
        call.send_digits("2").await.expect("a call that is up");
        for _ in 0..3 {
            happens(&mut call, |event| matches!(event, CallEvent::DigitsSent)).await;
        }
        stream.send(tone(1_300.0, 4.0)).await.expect("a call that is up");
        hear(&mut stream, 1_300.0, 500).await;
        call.send_digits("0").await.expect("a call that is up");
        ended(&mut call).await
    })
    .await;
    assert_eq!(summary.ending.by, EndedBy::Peer);
    bot.abort();
}

#[tokio::test]
async fn audio_stream_repeats_a_sentence_after_its_end() {
    let place = Place::new();
    let bot = place.phone().await;
    let _bob = place.account(&bot, "bob").register().await.expect("the bot is registered");
    let bot = tokio::spawn(async move { audio_stream::run(bot).await.map_err(|it| it.to_string()) });
    let phone = place.phone().await;
    let alice = place.account(&phone, "alice").register().await.expect("Alice is registered");
    let (audio, mut stream) = Audio::stream();
    let mut call = alice.call("sip:bob@example.com").audio(audio).start().await.expect("a call");
    in_time(async {
        happens(&mut call, |event| matches!(event, CallEvent::Answered(_))).await;
        for hertz in [800.0, 1_200.0] {
            stream.send(tone(hertz, 1.5)).await.expect("a call that is up");
            hear(&mut stream, hertz, 400).await;
        }
    })
    .await;
    bot.abort();
}

/// Answers two of three calls.
async fn two_of_three(phone: Endpoint) {
    let answer = async |incoming: IncomingCall| {
        let mut call = incoming.answer(Audio::silence()).await.expect("a caller that waits");
        ended(&mut call).await;
    };
    for number in 0..12 {
        let incoming = phone.incoming().await.expect("a call");
        match number % 3 {
            0 => incoming.reject(ringback::StatusCode::BUSY_HERE).expect("a caller that waits"),
            _ => drop(tokio::spawn(answer(incoming))),
        }
    }
}

#[tokio::test]
async fn load_generator_counts_the_calls_that_were_answered() {
    let place = Place::new();
    let phone = place.phone().await;
    let _bob = place.account(&phone, "bob").register().await.expect("Bob is registered");
    let answering = tokio::spawn(two_of_three(phone));
    let phone = place.phone().await;
    let alice = place.account(&phone, "alice").register().await.expect("Alice is registered");
    let setups = in_time(load_generator::run(&alice, "sip:bob@example.com", 12, 50.0)).await;
    let setups = setups.expect("the example works");
    assert_eq!(setups.len(), 8);
    assert!(setups.is_sorted());
    assert_eq!(phone.calls(), 0);
    in_time(answering).await.expect("twelve calls came");
}
