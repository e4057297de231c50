//! Text beside the audio of calls, between endpoints on this machine: what is typed arrives, whole and protected.

use ringback::{
    Audio, Call, CallEvent, Direction, Endpoint, EndpointBuilder, Ice, MediaHook, MediaInfo, Seen,
    SrtpPolicy, Tap, Transcript,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn phone() -> EndpointBuilder {
    Endpoint::builder().listen("udp:127.0.0.1:0").answers_anyone()
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("done in time")
}

/// Alice calls Bob; both calls, once they are up, and what was agreed.
async fn connected(alice: &Endpoint, bob: &Endpoint) -> (Call, Call, MediaInfo) {
    let listening = bob.account("sip:bob@127.0.0.1").open().await.expect("an account");
    let account = alice.account("sip:alice@127.0.0.1").open().await.expect("an account");
    let target = format!("sip:bob@{}", bob.listeners()[0].address);
    let mut ours = account.call(target).audio(Audio::silence()).start().await.expect("a call");
    let incoming = bob.incoming().await.expect("a call");
    let theirs = incoming.answer(Audio::silence()).await.expect("an answer");
    drop((listening, account));
    loop {
        match ours.next().await.expect("an answer") {
            CallEvent::Answered(media) => return (ours, theirs, media),
            CallEvent::Ended(summary) => panic!("not answered: {}", summary.ending),
            _ => {}
        }
    }
}

/// The text that comes in a call, until it is as long as this in characters.
async fn heard(call: &mut Call, length: usize) -> String {
    let mut text = String::new();
    while text.chars().count() < length {
        match call.next().await.expect("the call is up") {
            CallEvent::Text(came) => text.push_str(&came),
            CallEvent::Ended(summary) => panic!("over after {text:?}: {}", summary.ending),
            _ => {}
        }
    }
    text
}

#[tokio::test]
async fn both_sides_type_and_each_reads_the_other() {
    let (alice, bob) = (phone().real_time_text().start().await, phone().real_time_text().start().await);
    let (alice, bob) = (alice.expect("a port"), bob.expect("a port"));
    let (mut ours, mut theirs, media) = in_time(connected(&alice, &bob)).await;
    assert!(media.has_text);
    ours.send_text("helo\u{8}lo, Bob\n").await.expect("up");
    theirs.send_text("grüß dich").await.expect("up");
    let came = in_time(heard(&mut theirs, "helo\u{8}lo, Bob\n".chars().count())).await;
    assert_eq!(Transcript::default().push(&came), ["hello, Bob"]);
    assert_eq!(in_time(heard(&mut ours, 9)).await, "grüß dich");
    // It goes on after a hold.
    ours.hold().expect("up");
    in_time(async {
        while !matches!(ours.next().await, Some(CallEvent::Changed(media)) if media.held_by_us) {}
    })
    .await;
    ours.resume().expect("up");
    in_time(async {
        while !matches!(ours.next().await, Some(CallEvent::Changed(media)) if !media.held_by_us) {}
    })
    .await;
    theirs.send_text("\nagain").await.expect("up");
    assert_eq!(in_time(heard(&mut ours, 6)).await, "\nagain");
}

#[tokio::test]
async fn who_has_no_text_refuses_it_alone() {
    let (alice, bob) = (phone().real_time_text().start().await, phone().start().await);
    let (alice, bob) = (alice.expect("a port"), bob.expect("a port"));
    let (ours, _theirs, media) = in_time(connected(&alice, &bob)).await;
    assert!(!media.has_text && media.codec == "opus");
    ours.send_text("nobody reads this").await.expect("up");
}

#[tokio::test]
async fn a_third_of_lost_packets_loses_no_text() {
    // Each third packet of text is lost on its way to Bob, and each third one twice in a row.
    let counted = AtomicU32::new(0);
    let lossy: MediaHook = Arc::new(move |packet| {
        let is_text = packet.get(1).is_some_and(|it| matches!(it & 0x7f, 98 | 100));
        !is_text || !matches!(counted.fetch_add(1, Ordering::Relaxed) % 9, 1 | 4 | 7 | 8)
    });
    let (alice, bob) =
        (phone().real_time_text().start().await, phone().real_time_text().media_hook(lossy).start().await);
    let (alice, bob) = (alice.expect("a port"), bob.expect("a port"));
    let (ours, mut theirs, _) = in_time(connected(&alice, &bob)).await;
    let said = "What is typed as it is typed, and arrives as it was typed, whatever the network does to it.";
    ours.send_text(said).await.expect("up");
    let came = in_time(heard(&mut theirs, said.len())).await;
    assert!(came.replace('\u{fffd}', "") == came && came == said, "{came}");
}

/// What an endpoint has sent that holds this word.
struct Spy(&'static [u8], Mutex<(u32, u32)>);

impl Tap for Spy {
    fn saw(&self, seen: Seen<'_>) {
        let mut counts = self.1.lock().expect("nobody panicked");
        let is_media = seen.bytes.first().is_some_and(|first| first & 0xc0 == 0x80);
        if seen.direction == Direction::Out && is_media {
            counts.0 += 1;
            counts.1 += u32::from(seen.bytes.windows(self.0.len()).any(|it| it == self.0));
        }
    }
}

#[tokio::test]
async fn text_is_protected_as_the_audio_is() {
    for (policy, by_dtls, is_plain) in [
        (SrtpPolicy::Off, false, true),
        (SrtpPolicy::Require, false, false),
        (SrtpPolicy::Offer, true, false),
    ] {
        let spy = Arc::new(Spy(b"secret", Mutex::default()));
        let alice = phone().real_time_text().srtp(policy).tap(Arc::<Spy>::clone(&spy));
        let alice = if by_dtls { alice.dtls() } else { alice };
        let (alice, bob) =
            (alice.start().await.expect("a port"), phone().real_time_text().start().await.expect("a port"));
        let (ours, mut theirs, media) = in_time(connected(&alice, &bob)).await;
        assert_eq!((media.has_text, media.encryption.is_none()), (true, is_plain));
        // What is typed at once goes in one packet.
        ours.send_text("the secret").await.expect("up");
        assert_eq!(in_time(heard(&mut theirs, 10)).await, "the secret", "{policy:?}, by DTLS: {by_dtls}");
        let (sent, told) = *spy.1.lock().expect("nobody panicked");
        assert!(sent > 0 && (told > 0) == is_plain, "{told} of {sent} packets tell it");
    }
}

#[tokio::test]
async fn text_finds_its_way_by_ice_as_the_audio_does() {
    let phone = || phone().real_time_text().ice(Ice::offered());
    let (alice, bob) = (phone().start().await.expect("a port"), phone().start().await.expect("a port"));
    let (ours, mut theirs, media) = in_time(connected(&alice, &bob)).await;
    assert!(media.has_text && media.agreed.ice.is_some());
    ours.send_text("this way").await.expect("up");
    assert_eq!(in_time(heard(&mut theirs, 8)).await, "this way");
}
