//! Encrypted calls between two endpoints, by what is on the wire.

use ringback::{
    Audio, AudioCodecs, CallEvent, Direction, Endpoint, Seen, SrtpPolicy, SrtpProfile, StatusCode, Summary,
    Tap,
};
use ringback_media::{Law, read_wav};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A sound that every sample of the call has.
const SAMPLE: i16 = 8_031;

/// The RTP packets that an endpoint sent.
#[derive(Default)]
struct Wire(Mutex<Vec<Vec<u8>>>);

impl Tap for Wire {
    fn saw(&self, seen: Seen<'_>) {
        // Version 2 and no SIP; RTCP says nothing of the sound.
        let is_rtp = seen.bytes.first().is_some_and(|first| first & 0xc0 == 0x80);
        if seen.direction == Direction::Out && is_rtp && seen.bytes[1] & 0x7f == 0 {
            self.0.lock().expect("nobody panicked").push(seen.bytes.to_vec());
        }
    }
}

impl Wire {
    /// How many packets there were, and how many of them anybody could listen to.
    fn packets(&self) -> (usize, usize) {
        let packets = self.0.lock().expect("nobody panicked");
        let octet = Law::Mu.encode(SAMPLE);
        let is_plain = |packet: &&Vec<u8>| packet.windows(8).any(|octets| octets == [octet; 8]);
        (packets.len(), packets.iter().filter(is_plain).count())
    }
}

struct Outcome {
    caller: Summary,
    wire: Arc<Wire>,
    heard: Vec<i16>,
}

/// Alice, with one policy, plays to Bob, with another, for as long as there is something to play.
async fn call(name: &str, alice: SrtpPolicy, bob: SrtpPolicy) -> Outcome {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("srtp-{name}.wav"));
    let wire = Arc::new(Wire::default());
    let phone = || Endpoint::builder().listen("udp:127.0.0.1:0").codecs(AudioCodecs::g711()).answers_anyone();
    let alice = phone().srtp(alice).tap(Arc::<Wire>::clone(&wire)).start().await.expect("a free port");
    let bob = phone().srtp(bob).start().await.expect("a free port");
    let target = format!("sip:bob@{}", bob.listeners()[0].address);
    let recorded = file.clone();
    let listening = bob.account("sip:bob@127.0.0.1").open().await.expect("an account");
    let answering = tokio::spawn(async move {
        let _listening = listening;
        while let Some(incoming) = bob.incoming().await {
            let Ok(mut call) = incoming.answer(Audio::silence().record(&recorded)).await else { continue };
            while call.next().await.is_some() {}
            return;
        }
    });
    let account = alice.account("sip:alice@127.0.0.1").open().await.expect("an account");
    let audio = Audio::samples(vec![SAMPLE; 4_000]);
    let mut call = account.call(target).audio(audio).start().await.expect("a call");
    let caller = loop {
        match call.next().await.expect("an end") {
            CallEvent::Played => call.hangup().expect("a call that is up"),
            CallEvent::Ended(summary) => break *summary,
            _ => {}
        }
    };
    let mut heard = Vec::new();
    if caller.setup.is_some() {
        answering.await.expect("Bob answered");
        heard = read_wav(std::fs::File::open(file).expect("a recording"), 8_000).expect("a WAV file");
    }
    Outcome { caller, wire, heard }
}

async fn in_time(call: impl Future<Output = Outcome>) -> Outcome {
    tokio::time::timeout(Duration::from_secs(20), call).await.expect("the call ended in time")
}

fn loud(samples: &[i16]) -> usize {
    samples.iter().filter(|sample| **sample > SAMPLE / 2).count()
}

#[tokio::test]
async fn two_that_can_encrypt_do_and_nothing_is_to_be_heard_on_the_wire() {
    for (name, alice) in [("offer", SrtpPolicy::Offer), ("require", SrtpPolicy::Require)] {
        let outcome = in_time(call(name, alice, SrtpPolicy::Offer)).await;
        let (packets, plain) = outcome.wire.packets();
        assert!(packets >= 25, "{packets} packets: {:?}", outcome.caller);
        assert_eq!(plain, 0);
        assert_eq!(loud(&outcome.heard), 4_000);
        let media = outcome.caller.media.expect("there was audio");
        assert_eq!(media.encryption.map(SrtpProfile::name), Some("AEAD_AES_128_GCM"));
        assert_eq!(media.forged, 0);
    }
}

#[tokio::test]
async fn a_peer_that_cannot_is_spoken_to_in_clear_where_that_is_allowed() {
    let outcome = in_time(call("plain", SrtpPolicy::Offer, SrtpPolicy::Off)).await;
    let (packets, plain) = outcome.wire.packets();
    assert!(packets >= 25 && plain >= 24, "{plain} of {packets} packets");
    assert_eq!(loud(&outcome.heard), 4_000);
    assert_eq!(outcome.caller.media.expect("there was audio").encryption, None);
}

#[tokio::test]
async fn where_it_is_required_and_one_side_cannot_there_is_no_call() {
    for (name, alice, bob) in
        [("must", SrtpPolicy::Require, SrtpPolicy::Off), ("never", SrtpPolicy::Off, SrtpPolicy::Require)]
    {
        let outcome = in_time(call(name, alice, bob)).await;
        assert_eq!(outcome.caller.ending.status.map(StatusCode::as_u16), Some(488), "{name}");
        assert_eq!(outcome.wire.packets().0, 0, "{name}");
    }
}
