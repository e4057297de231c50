//! Conferences: by the tones in the recordings is told who heard whom.

use crate::support::{Sound, answering, called, end_of, file, in_time, phone, speaking};
use ringback::{Audio, Conference};
use std::time::Duration;

const LENGTH: Duration = Duration::from_secs(4);
const TONES: [f64; 3] = [400.0, 700.0, 1_100.0];

#[tokio::test]
async fn two_calls_and_our_own_voice_are_a_conference_of_three() {
    let [host, bob, carol] = [phone().start().await, Ok(speaking("g722").await), Ok(speaking("pcmu").await)];
    let (host, bob, carol) = (host.expect("a port"), bob.expect("a port"), carol.expect("a port"));
    let tone = |hertz| Sound::tone(hertz, 16_000, LENGTH).audio();
    let heard_by = ["host", "bob", "carol"].map(|name| file(&format!("three-{name}")));
    let of_calls = ["bob", "carol"].map(|name| file(&format!("three-from-{name}")));
    let ends = [
        answering(&bob, tone(TONES[1]).record(&heard_by[1])).await,
        answering(&carol, tone(TONES[2]).record(&heard_by[2])).await,
    ];
    let (to_bob, media) = in_time(called(&host, &bob, Audio::silence().record(&of_calls[0]))).await;
    assert_eq!(media.codec, "G722");
    let (to_carol, media) = in_time(called(&host, &carol, Audio::silence().record(&of_calls[1]))).await;
    assert_eq!(media.codec, "PCMU");

    let conference = Conference::new();
    let in_conference =
        [conference.join(&to_bob).await.expect("up"), conference.join(&to_carol).await.expect("up")];
    let voice = conference.speak(tone(TONES[0]).record(&heard_by[0])).expect("audio");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let members = conference.members();
    assert_eq!(members.len(), 3);
    assert!(members.iter().all(|member| member.speaks && member.level < 40), "{members:?}");
    assert_eq!(members.iter().filter(|member| member.has_floor).count(), 1);
    assert!(
        members[..2].iter().map(|member| member.member).eq(in_conference) && members[2].member == voice.id()
    );
    voice.leave().await.expect("a recording");

    // Without us the others go on.
    tokio::time::sleep(Duration::from_millis(800)).await;
    to_carol.hangup().expect("up");
    in_time(end_of(to_carol)).await;
    let alone = in_time(async {
        while conference.members().len() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        conference.members()
    });
    assert_eq!(alone.await[0].member, in_conference[0], "who hangs up has left");
    to_bob.hangup().expect("up");
    in_time(end_of(to_bob)).await;
    for end in ends {
        in_time(end).await.expect("no panic");
    }

    let half = |path| Sound::read(path).between(Duration::from_millis(500), Duration::from_millis(1_200));
    assert_eq!(half(&heard_by[0]).hears(&TONES), [TONES[1], TONES[2]], "we hear the two");
    assert_eq!(half(&heard_by[1]).hears(&TONES), [TONES[0], TONES[2]], "Bob hears us and Carol");
    assert_eq!(half(&heard_by[2]).hears(&TONES), [TONES[0], TONES[1]], "Carol hears us and Bob");
    assert_eq!(half(&of_calls[0]).hears(&TONES), [TONES[1]], "of Bob comes only Bob");
    assert_eq!(half(&of_calls[1]).hears(&TONES), [TONES[2]], "of Carol comes only Carol");
}

#[tokio::test]
async fn callers_meet_in_a_conference_of_the_callee() {
    let host = phone().start().await.expect("a port");
    let conference = Conference::new();
    let mut calls = Vec::new();
    for (n, codecs) in ["opus", "g722", "pcma"].into_iter().enumerate() {
        let caller = speaking(codecs).await;
        let (seat, _) = conference.seat();
        let answered = answering(&host, seat).await;
        let path = file(&format!("met-{n}"));
        let audio = Sound::tone(TONES[n], 16_000, LENGTH).audio().record(&path);
        let (call, _) = in_time(called(&caller, &host, audio)).await;
        calls.push((caller, call, answered, path));
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut heard = Vec::new();
    for (_, call, answered, path) in calls {
        // Only what the last one heard was all of them.
        call.hangup().expect("up");
        in_time(async { (end_of(call).await, answered.await.expect("no panic")) }).await;
        heard.push(path);
    }
    let last = |path| {
        let sound = Sound::read(path);
        let end = sound.length().saturating_sub(Duration::from_millis(400));
        sound.between(end.saturating_sub(Duration::from_millis(700)), end)
    };
    assert_eq!(last(&heard[0]).hears(&TONES), [TONES[1], TONES[2]]);
    assert_eq!(
        Sound::read(&heard[2])
            .between(Duration::from_millis(400), Duration::from_millis(1_200))
            .hears(&TONES),
        [TONES[0], TONES[1]]
    );
}

#[tokio::test]
async fn a_call_leaves_by_playing_something_else_and_the_end_of_the_conference_is_silence() {
    let (host, bob) = (speaking("pcmu").await, speaking("pcmu").await);
    let path = file("left");
    let ended = answering(&bob, Audio::silence().record(&path)).await;
    let (call, _) = in_time(called(&host, &bob, Audio::silence())).await;
    let conference = Conference::new();
    conference.join(&call).await.expect("up");
    let mut voice =
        conference.speak(Sound::tone(TONES[0], 8_000, Duration::from_millis(800)).audio()).expect("audio");
    in_time(voice.finished()).await;
    call.play(Sound::tone(TONES[1], 8_000, LENGTH).audio()).await.expect("up");
    in_time(async {
        while conference.members().len() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    call.hangup().expect("up");
    in_time(async { (end_of(call).await, ended.await.expect("no panic")) }).await;
    let heard = Sound::read(&path);
    assert_eq!(
        heard.between(Duration::from_millis(200), Duration::from_millis(700)).hears(&TONES),
        [TONES[0]]
    );
    let end = heard.length();
    let last = heard.between(end.saturating_sub(Duration::from_millis(400)), end);
    assert_eq!(last.hears(&TONES), [TONES[1]]);
}

#[tokio::test]
async fn in_a_large_conference_all_who_listen_hear_those_who_speak() {
    let host = phone().start().await.expect("a port");
    let conference = Conference::new();
    let mut calls = Vec::new();
    // Two speak and eight listen, which is more than are mixed apart.
    for n in 0..10 {
        let caller = speaking(["opus", "pcma"][n % 2]).await;
        let (seat, _) = conference.seat();
        let answered = answering(&host, seat).await;
        let path = file(&format!("large-{n}"));
        let audio = match TONES.get(n).filter(|_| n < 2) {
            Some(tone) => Sound::tone(*tone, 16_000, LENGTH * 10).audio(),
            None => Audio::silence(),
        };
        let (call, _) = in_time(called(&caller, &host, audio.record(&path))).await;
        calls.push((caller, call, answered, path));
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let speaks: Vec<bool> = conference.members().iter().map(|member| member.speaks).collect();
    assert_eq!(speaks.iter().filter(|speaks| **speaks).count(), 2, "{speaks:?}");
    // Whoever hangs up is not missed by the rest: the listeners go first, all at once.
    calls.reverse();
    for (_, call, ..) in &calls {
        call.hangup().expect("up");
    }
    for (n, (_, call, answered, path)) in (0..10).rev().zip(calls) {
        let (_, answered) = in_time(async { (end_of(call).await, answered.await.expect("no panic")) }).await;
        // Who is silent, and says so, is not decoded.
        let passed_over = answered.media.expect("audio").passed_over;
        assert_eq!(passed_over > Duration::from_millis(700), n >= 2, "party {n}: {passed_over:?}");
        let sound = Sound::read(&path);
        let end = sound.length().saturating_sub(Duration::from_millis(400));
        let heard = sound.between(end.saturating_sub(Duration::from_millis(700)), end).hears(&TONES);
        let expected: &[f64] = match n {
            0 => &TONES[1..2],
            1 => &TONES[..1],
            _ => &TONES[..2],
        };
        assert_eq!(heard, expected, "party {n}");
    }
}
