//! Calls in each codec.

use crate::support::{Sound, answering, called, end_of, file, in_time, phone, played, speaking};
use futures::{SinkExt as _, StreamExt as _};
use ringback::{Audio, AudioCodecs, MediaHook, PlayoutMode};
use std::sync::Arc;
use std::time::Duration;

const LENGTH: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn what_is_said_is_recorded_at_the_rate_of_the_codec() {
    let all = "l16/48000,l16,opus,g722,pcmu,pcma";
    for (codecs, name, rate, tones) in [
        ("opus", "opus", 48_000, [440.0, 3_000.0, 10_000.0]),
        ("g722", "G722", 16_000, [440.0, 3_000.0, 6_000.0]),
        ("pcma", "PCMA", 8_000, [440.0, 1_000.0, 3_000.0]),
        ("l16", "L16", 16_000, [440.0, 3_000.0, 7_000.0]),
        ("l16/48000", "L16", 48_000, [440.0, 3_000.0, 15_000.0]),
    ] {
        let path = file(&codecs.replace('/', "-"));
        let (alice, bob) = (speaking(codecs).await, speaking(all).await);
        let said = Sound::chord(&tones, 48_000, LENGTH);
        let listening = answering(&bob, Audio::silence().record(&path)).await;
        let (call, media) = in_time(called(&alice, &bob, said.audio())).await;
        assert_eq!(media.codec, name);
        let (ours, theirs) =
            in_time(async { (played(call).await, listening.await.expect("no panic")) }).await;
        let recorded = theirs.recorded.expect("asked for");
        assert!(theirs.fault.is_none() && theirs.media.is_some_and(|media| media.lost + media.refused == 0));
        let heard = Sound::read(&path);
        assert_eq!(heard.rate, rate, "{codecs}");
        // What was said, and the silence behind it.
        let length = heard.length();
        assert!((LENGTH..LENGTH + Duration::from_millis(400)).contains(&length), "{length:?}");
        assert!(recorded.abs_diff(length) < Duration::from_millis(1));
        let inner = heard.between(Duration::from_millis(300), Duration::from_millis(1_200));
        for hertz in tones {
            assert!(inner.strength(hertz) > 0.04, "{codecs}, {hertz} Hz: {:.4}", inner.strength(hertz));
            let beside = inner.strength(hertz * 0.7);
            assert!(beside < 0.01, "{codecs}, beside {hertz} Hz: {beside:.4}");
        }
        assert_eq!(ours.media.is_some_and(|media| media.bit_rate.is_some()), name == "opus");
    }
}

#[tokio::test]
async fn the_callee_takes_the_best_of_the_caller_that_it_speaks() {
    for (caller, callee, chosen) in [
        ("opus,g722,pcmu", "pcmu,opus", "opus"),
        ("g722,pcma,opus", "opus,pcma", "PCMA"),
        ("pcmu,pcma", "g722,pcma", "PCMA"),
    ] {
        let (alice, bob) = (speaking(caller).await, speaking(callee).await);
        let listening = answering(&bob, Audio::silence()).await;
        let (call, media) = in_time(called(&alice, &bob, Audio::silence())).await;
        assert_eq!(media.codec, chosen);
        drop(call);
        in_time(listening).await.expect("no panic");
    }
}

#[tokio::test]
async fn both_sides_of_a_call_are_in_one_file() {
    let path = file("both");
    let phone = || phone().playout(PlayoutMode::Fixed(Duration::from_millis(60)));
    let (alice, bob) = (phone().start().await.expect("a port"), phone().start().await.expect("a port"));
    let listening = answering(&bob, Sound::tone(500.0, 16_000, LENGTH).audio()).await;
    let audio = Sound::tone(900.0, 8_000, LENGTH).audio().record_both(&path);
    let (call, _) = in_time(called(&alice, &bob, audio)).await;
    in_time(async { (played(call).await, listening.await.expect("no panic")) }).await;
    let mut wav = hound::WavReader::open(&path).expect("a WAV file");
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 48_000));
    let samples: Vec<i16> = wav.samples().map(|sample| sample.expect("whole")).collect();
    let channel = |number: usize| Sound {
        rate: 48_000,
        samples: samples.iter().skip(number).step_by(2).copied().collect::<Vec<i16>>(),
    };
    let middle = |number| channel(number).between(Duration::from_millis(400), Duration::from_millis(1_200));
    assert_eq!(middle(0).hears(&[500.0, 900.0]), [500.0], "the other side is left");
    assert_eq!(middle(1).hears(&[500.0, 900.0]), [900.0], "and we are right");
}

#[tokio::test]
async fn a_stream_hears_and_speaks_at_the_rate_that_the_application_wants() {
    for (codecs, rate) in [("opus", 16_000), ("pcmu", 16_000), ("g722", 8_000)] {
        let (alice, bob) = (speaking(codecs).await, speaking(codecs).await);
        let (audio, stream) = Audio::stream_at(rate);
        let listening = answering(&bob, audio).await;
        let (mut say, mut hear) = stream.split();
        let answer = Sound::tone(800.0, rate, LENGTH);
        let path = file(&format!("stream-{codecs}"));
        let (call, _) =
            in_time(called(&alice, &bob, Sound::tone(600.0, 48_000, LENGTH).audio().record(&path))).await;
        say.send(answer.samples).await.expect("a call that is up");
        let mut heard = Sound { rate, samples: Vec::new() };
        while heard.length() < Duration::from_millis(1_200) {
            heard.samples.extend(in_time(hear.next()).await.expect("a frame"));
        }
        let inner = heard.between(Duration::from_millis(400), Duration::from_millis(1_000));
        assert_eq!(inner.hears(&[600.0, 800.0]), [600.0], "{codecs} at {rate} Hz");
        drop(hear);
        call.hangup().expect("a call that is up");
        in_time(async { (end_of(call).await, listening.await.expect("no panic")) }).await;
        let recorded = Sound::read(&path).between(Duration::from_millis(400), Duration::from_millis(1_000));
        assert_eq!(recorded.hears(&[600.0, 800.0]), [800.0], "{codecs} at {rate} Hz");
    }
}

#[tokio::test]
async fn a_recording_is_whole_at_any_moment() {
    let path = file("growing");
    let (alice, bob) = (speaking("opus").await, speaking("opus").await);
    let listening = answering(&bob, Audio::silence().record(&path)).await;
    let said = Sound::tone(440.0, 48_000, Duration::from_secs(5));
    let (call, _) = in_time(called(&alice, &bob, said.audio())).await;
    // The call is up and not over: what a program that is killed now leaves behind can be played.
    let grown = in_time(async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let copy = std::fs::read(&path).expect("a file");
            if copy.len() > 44 + 2 * 48_000 {
                return copy;
            }
        }
    })
    .await;
    let wav = hound::WavReader::new(grown.as_slice()).expect("a header");
    let samples: Vec<i16> = wav.into_samples().map_while(Result::ok).collect();
    let heard = Sound { rate: 48_000, samples };
    assert!(heard.length() >= Duration::from_millis(900), "{:?}", heard.length());
    assert!(heard.between(Duration::from_millis(200), Duration::from_millis(800)).strength(440.0) > 0.05);
    call.hangup().expect("a call that is up");
    in_time(async { (end_of(call).await, listening.await.expect("no panic")) }).await;
}

#[tokio::test]
async fn what_the_network_loses_is_found_again_in_what_is_repeated() {
    // Each fifth packet of audio is lost on its way to Bob, who hears of repetition from Alice alone.
    let counted = std::sync::atomic::AtomicU32::new(0);
    let lossy: MediaHook = Arc::new(move |packet| {
        let is_rtcp = packet.get(1).is_some_and(|it| (192..=223).contains(it));
        is_rtcp || !counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(5)
    });
    let alice = phone().codecs(AudioCodecs::default().redundant()).start().await.expect("a port");
    let bob = phone().media_hook(lossy).start().await.expect("a port");
    let listening = answering(&bob, Audio::silence()).await;
    let said = Sound::tone(440.0, 48_000, Duration::from_secs(60));
    let (call, media) = in_time(called(&alice, &bob, said.audio())).await;
    assert_eq!(media.codec, "opus");
    assert!(media.agreed.send.iter().any(|codec| codec.is_redundancy() && codec.clock_rate() == 48_000));
    // The first report of Bob tells of the losses.
    in_time(async {
        while call.audio_status().is_none_or(|status| status.stats.repeats == 0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    call.hangup().expect("a call that is up");
    let (_, heard) = in_time(async { (end_of(call).await, listening.await.expect("no panic")) }).await;
    let stats = heard.media.expect("audio");
    assert!(stats.recovered >= 5 && stats.recovered <= stats.lost, "{stats:?}");
}
