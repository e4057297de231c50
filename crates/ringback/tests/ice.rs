//! Calls whose way is found by ICE and whose keys come by DTLS, between two endpoints, by what is on the wire.

use ringback::{
    Audio, AudioCodecs, CallEvent, Direction, Endpoint, EndpointBuilder, Ice, Protocol, Seen, SrtpPolicy,
    SrtpProfile, Summary, Tap,
};
use ringback_media::{Law, read_wav};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;

/// A sound that every sample of the call has.
const SAMPLE: i16 = 8_031;
/// Half a second of it.
const LENGTH: usize = 4_000;

/// All that an endpoint sent.
#[derive(Default)]
struct Wire(Mutex<Vec<Vec<u8>>>);

impl Tap for Wire {
    fn saw(&self, seen: Seen<'_>) {
        if seen.direction == Direction::Out && seen.protocol == Protocol::Udp {
            self.0.lock().expect("nobody panicked").push(seen.bytes.to_vec());
        }
    }
}

impl Wire {
    fn count(&self, is_meant: impl Fn(&[u8]) -> bool) -> usize {
        self.0.lock().expect("nobody panicked").iter().filter(|packet| is_meant(packet)).count()
    }

    /// The descriptions, in their order.
    fn descriptions(&self) -> Vec<String> {
        let packets = self.0.lock().expect("nobody panicked");
        let texts = packets.iter().filter_map(|packet| std::str::from_utf8(packet).ok());
        texts.filter_map(|text| Some(text.split_once("\r\n\r\nv=0")?.1.to_owned())).collect()
    }
}

fn is_check(packet: &[u8]) -> bool {
    packet.len() >= 20 && packet[0] < 2 && packet[4..8] == [0x21, 0x12, 0xA4, 0x42]
}

fn is_handshake(packet: &[u8]) -> bool {
    packet.first() == Some(&22)
}

fn is_media(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first & 0xc0 == 0x80)
        && packet.get(1).is_some_and(|octet| octet & 0x7f == 0)
}

fn is_clear(packet: &[u8]) -> bool {
    is_media(packet) && packet.windows(8).any(|octets| octets == [Law::Mu.encode(SAMPLE); 8])
}

/// What became of a call.
struct Outcome {
    /// Of Alice, who calls and plays.
    events: Vec<String>,
    summary: Summary,
    wire: Arc<Wire>,
    /// By Bob.
    heard: Vec<i16>,
}

fn phone() -> EndpointBuilder {
    // So that what is on the wire can be told from noise.
    Endpoint::builder().listen("udp:127.0.0.1:0").answers_anyone().codecs(AudioCodecs::g711())
}

/// Alice plays to Bob. With `holds` she holds him in between.
async fn call(name: &str, alice: EndpointBuilder, bob: EndpointBuilder, holds: bool) -> Outcome {
    let talk = async {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("ice-{name}.wav"));
        let wire = Arc::new(Wire::default());
        let alice = alice.tap(Arc::<Wire>::clone(&wire)).start().await.expect("a free port");
        let bob = bob.start().await.expect("a free port");
        let target = format!("sip:bob@{}", bob.listeners()[0].address);
        let recorded = file.clone();
        let listening = bob.account("sip:bob@127.0.0.1").open().await.expect("an account");
        let answering = tokio::spawn(async move {
            let _listening = listening;
            let incoming = bob.incoming().await.expect("a call");
            let mut call = incoming.answer(Audio::silence().record(&recorded)).await.expect("a free port");
            while call.next().await.is_some() {}
        });
        let account = alice.account("sip:alice@127.0.0.1").open().await.expect("an account");
        let audio = Audio::samples(vec![SAMPLE; LENGTH]);
        let mut call = account.call(target).audio(audio).start().await.expect("a call");
        let (mut events, mut has_held) = (Vec::new(), !holds);
        let summary = loop {
            match call.next().await.expect("an end") {
                CallEvent::Played if !has_held => call.hold().expect("a call that is up"),
                CallEvent::Played => call.hangup().expect("a call that is up"),
                CallEvent::Changed(media) if media.held_by_us => call.resume().expect("a call that is up"),
                CallEvent::Changed(_) => {
                    has_held = true;
                    let again = Audio::samples(vec![SAMPLE; LENGTH]);
                    call.play(again).await.expect("a call that is up");
                }
                CallEvent::Path(to) => events.push(format!("path {}", to.ip())),
                CallEvent::Secured(profile) => events.push(format!("secured {}", profile.name())),
                CallEvent::MediaFailed(why) => events.push(format!("failed {why}")),
                CallEvent::Ended(summary) => break *summary,
                _ => {}
            }
        };
        answering.await.expect("Bob answered");
        let heard = read_wav(std::fs::File::open(file).expect("a recording"), 8_000).expect("a WAV file");
        Outcome { events, summary, wire, heard }
    };
    tokio::time::timeout(Duration::from_secs(30), talk).await.expect("the call ended in time")
}

fn loud(samples: &[i16]) -> usize {
    samples.iter().filter(|sample| **sample > SAMPLE / 2).count()
}

#[tokio::test]
async fn a_call_is_found_by_ice_keyed_by_dtls_and_heard() {
    let alice = phone().ice(Ice::offered()).srtp(SrtpPolicy::Require).dtls();
    let outcome = call("both", alice, phone(), false).await;
    assert_eq!(outcome.events, ["path 127.0.0.1", "secured AEAD_AES_128_GCM"]);
    let encryption = outcome.summary.media.expect("there was audio").encryption;
    assert_eq!(encryption, Some(SrtpProfile::AeadAes128Gcm));
    assert!(outcome.wire.count(is_check) >= 2 && outcome.wire.count(is_handshake) >= 2);
    assert!(outcome.wire.count(is_media) >= 20);
    assert_eq!(outcome.wire.count(is_clear), 0);
    // The first packets find no keys; what is said from then on is heard to the last sample.
    let heard = loud(&outcome.heard);
    assert!((LENGTH * 3 / 4..=LENGTH).contains(&heard), "{heard}");
    let offer = &outcome.wire.descriptions()[0];
    assert!(offer.contains("UDP/TLS/RTP/SAVP") && !offer.contains("a=crypto"), "{offer}");
}

#[tokio::test]
async fn rule_52_hold_and_resume_repeat_names_and_candidates_and_check_nothing_anew() {
    let alice = phone().ice(Ice::offered()).srtp(SrtpPolicy::Off);
    let outcome = call("hold", alice, phone(), true).await;
    assert_eq!(outcome.events, ["path 127.0.0.1"]);
    let ice = |text: &String| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("a=ice-") || line.starts_with("a=candidate"));
        lines.map(str::to_owned).collect()
    };
    let said: Vec<_> = outcome.wire.descriptions().iter().map(ice).collect();
    assert!(said.len() >= 3 && said[0].len() >= 4, "{said:?}");
    assert!(said.iter().all(|lines| *lines == said[0]), "{said:?}");
    assert!(outcome.wire.count(is_clear) >= 40);
}

#[tokio::test]
async fn keys_by_dtls_need_no_ice_and_ice_needs_no_keys() {
    let alice = phone().ice(Ice::off()).srtp(SrtpPolicy::Require).dtls();
    let outcome = call("dtls", alice, phone().ice(Ice::off()), false).await;
    assert_eq!(outcome.events, ["secured AEAD_AES_128_GCM"]);
    assert_eq!((outcome.wire.count(is_check), outcome.wire.count(is_clear)), (0, 0));
    assert!(loud(&outcome.heard) > LENGTH * 3 / 4);
    let outcome = call("sdes", phone().ice(Ice::offered()), phone(), false).await;
    assert_eq!(outcome.events, ["path 127.0.0.1"]);
    assert_eq!((outcome.wire.count(is_handshake), outcome.wire.count(is_clear)), (0, 0));
    assert!(loud(&outcome.heard) > LENGTH * 3 / 4);
}

#[tokio::test]
async fn rule_52_a_peer_without_ice_gets_its_audio_the_old_way() {
    let alice = phone().ice(Ice::offered()).srtp(SrtpPolicy::Off);
    let outcome = call("fallback", alice, phone().ice(Ice::off()), false).await;
    assert!(outcome.events.is_empty(), "{:?}", outcome.events);
    assert_eq!(loud(&outcome.heard), LENGTH);
    assert_eq!(outcome.wire.count(is_check), 0);
    // And who is not asked for it does not begin with it.
    let outcome = call("answered", phone().srtp(SrtpPolicy::Off), phone(), false).await;
    assert!(!outcome.wire.descriptions()[0].contains("ice-ufrag"));
    assert_eq!(loud(&outcome.heard), LENGTH);
}

#[tokio::test]
async fn a_server_says_where_it_sees_us_and_the_offer_repeats_it() {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = server.local_addr().expect("a bound socket");
    let seen: SocketAddr = "203.0.113.7:61000".parse().expect("an address");
    tokio::spawn(async move {
        let mut buffer = [0; 1_500];
        // The first question is lost.
        let _ = server.recv_from(&mut buffer).await;
        while let Ok((length, from)) = server.recv_from(&mut buffer).await {
            if let Some(answer) = ringback_transport::stun::answer(&buffer[..length], seen) {
                let _ = server.send_to(&answer, from).await;
            }
        }
    });
    let alice = phone().ice(Ice::answered().stun(address.to_string())).srtp(SrtpPolicy::Off);
    let outcome = call("stun", alice, phone(), false).await;
    assert_eq!(outcome.events, ["path 127.0.0.1"]);
    let offer = &outcome.wire.descriptions()[0];
    let candidates: Vec<&str> = offer.lines().filter(|line| line.starts_with("a=candidate")).collect();
    assert_eq!(candidates.len(), 2, "{candidates:?}");
    assert!(candidates[0].ends_with("typ host"), "{candidates:?}");
    assert!(candidates[1].contains(" 203.0.113.7 61000 typ srflx raddr 127.0.0.1 rport "), "{candidates:?}");
    assert!(loud(&outcome.heard) > LENGTH * 3 / 4);
}

#[tokio::test]
async fn a_server_that_does_not_answer_delays_a_call_and_no_more() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("a bound socket").to_string();
    let ice = Ice::answered().stun(&address).turn(&address, "alice", "secret");
    let outcome = call("silent", phone().ice(ice).srtp(SrtpPolicy::Off), phone(), false).await;
    assert_eq!(outcome.events, ["path 127.0.0.1"]);
    assert_eq!(outcome.wire.descriptions()[0].matches("a=candidate").count(), 1);
    // Who may only go through the relay does not go around it.
    let hidden = phone().ice(Ice::offered().turn(&address, "alice", "secret").hidden());
    let alice = hidden.start().await.expect("a free port");
    let account = alice.account("sip:alice@127.0.0.1").open().await.expect("an account");
    assert!(account.call("sip:bob@127.0.0.1:9").start().await.is_err());
}

#[tokio::test]
async fn a_turn_server_that_refuses_or_closes_the_connection_stops_no_call() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let closes = listener.local_addr().expect("an address");
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let refuses = gone.local_addr().expect("an address");
    drop(gone);
    for (name, server) in [("refuses", refuses), ("closes", closes)] {
        let ice = Ice::answered().turn(format!("turn:{server}?transport=tcp"), "alice", "secret");
        let outcome = call(name, phone().ice(ice).srtp(SrtpPolicy::Off), phone(), false).await;
        assert_eq!(outcome.events, ["path 127.0.0.1"], "{name}");
        assert!(loud(&outcome.heard) >= LENGTH * 3 / 4, "{name}");
    }
    let ice = Ice::answered().turn(format!("turn:{refuses}?transport=tcp"), "alice", "secret").hidden();
    let alice = phone().ice(ice).start().await.expect("a free port");
    let account = alice.account("sip:alice@127.0.0.1").open().await.expect("an account");
    let failed = account.call("sip:bob@127.0.0.1:9").start().await.err().expect("no way that hides us");
    assert!(failed.to_string().contains("TURN server"), "{failed}");
    let wrong = phone().ice(Ice::answered().turn("turns:127.0.0.1?transport=udp", "alice", "secret"));
    assert!(wrong.start().await.err().expect("no DTLS").to_string().contains("DTLS"));
}
