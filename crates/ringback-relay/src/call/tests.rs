//! What comes out of descriptions, and what follows for the streams.

use super::*;
use ringback_sansio::SeededEntropy;

const RELAY: &str = "198.51.100.9";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn description(text: &str) -> SessionDescription {
    let text = format!("v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nt=0 0\n{text}");
    SessionDescription::parse(text.as_bytes()).expect("a description")
}

/// As many streams as there are, with ten ports each.
struct Few {
    opened: u16,
    most: u16,
}

impl Ports<u16> for Few {
    fn open(&mut self) -> Option<Opened<u16>> {
        (self.opened < self.most).then(|| {
            self.opened += 1;
            Opened { stream: self.opened, ports: [30_000 + self.opened * 10, 30_002 + self.opened * 10] }
        })
    }

    fn owns(&self, port: u16) -> bool {
        (30_000..31_000).contains(&port)
    }
}

struct Scene {
    call: RelayedCall<u16>,
    ports: Few,
    entropy: SeededEntropy,
}

impl Scene {
    fn new(most: u16) -> Self {
        Self {
            call: RelayedCall::new(ip(RELAY)),
            ports: Few { opened: 0, most },
            entropy: SeededEntropy::new(1),
        }
    }

    fn ending_encryption() -> Self {
        Self { call: RelayedCall::ending_encryption(ip(RELAY)), ..Self::new(9) }
    }

    /// The lines of the description that comes out, and what changes.
    fn say(&mut self, side: Side, exchange: u32, by: &str, text: &str) -> (String, Vec<Change<u16>>) {
        let mut said = description(text);
        let (ports, entropy) = (&mut self.ports, &mut self.entropy);
        let changes = self.call.rewrite(side, exchange, ip(by), &mut said, ports, entropy);
        let text = said.to_string();
        (text.lines().skip(3).collect::<Vec<_>>().join("|"), changes)
    }
}

fn expected(change: &Change<u16>) -> (u16, Side, Expected) {
    match change {
        Change::Expect { stream, side, expected } => (*stream, *side, expected.clone()),
        Change::Protect { .. } | Change::Convert { .. } | Change::Close(_) => panic!("{change:?}"),
    }
}

#[test]
fn each_side_is_told_the_port_that_faces_it() {
    let mut scene = Scene::new(9);
    let offer = "c=IN IP4 10.0.0.1\nm=audio 4000 RTP/AVP 0\na=rtcp:4009\na=x-kept: as it is\n";
    let (said, changes) = scene.say(Side::Caller, 1, "10.0.0.1", offer);
    assert_eq!(said, format!("c=IN IP4 {RELAY}|t=0 0|m=audio 30012 RTP/AVP 0|a=x-kept: as it is"));
    let (stream, side, from) = expected(&changes[0]);
    assert_eq!((stream, side, from.behind), (1, Side::Caller, None));
    assert_eq!(
        (from.rtp, from.rtcp),
        (Some("10.0.0.1:4000".parse().unwrap()), Some("10.0.0.1:4009".parse().unwrap()))
    );
    let (said, changes) =
        scene.say(Side::Callee, 1, "203.0.113.5", "m=audio 5000 RTP/AVP 0\nc=IN IP4 10.0.0.2\n");
    assert!(
        said.contains("m=audio 30010 RTP/AVP 0") && said.contains(&format!("c=IN IP4 {RELAY}")),
        "{said}"
    );
    assert_eq!(expected(&changes[0]).2.behind, Some(ip("203.0.113.5")), "a NAT is between");
    assert_eq!(scene.ports.opened, 1);
}

#[test]
fn nothing_leads_around_the_relay() {
    let mut scene = Scene::new(9);
    let offer = "c=IN IP4 10.0.0.1\na=group:BUNDLE a b\na=group:LS a b\na=ice-lite\n\
        m=audio 4000 RTP/AVP 0\na=mid:a\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\n\
        a=candidate:1 1 udp 2130706431 10.0.0.1 4000 typ host\na=end-of-candidates\na=rtcp-mux\na=crypto:1 X inline:y\n\
        m=video 4002 RTP/AVP 96\nc=IN IP4 10.0.0.3\na=mid:b\n";
    let (said, _) = scene.say(Side::Caller, 1, "10.0.0.1", offer);
    for gone in ["candidate", "ice", "BUNDLE", "10.0.0."] {
        assert!(!said.contains(gone), "{gone} in {said}");
    }
    for kept in ["LS a b", "rtcp-mux", "a=crypto", "m=video 30022"] {
        assert!(said.contains(kept), "{kept} not in {said}");
    }
}

#[test]
fn the_same_again_comes_to_the_same_and_media_that_end_are_closed() {
    let mut scene = Scene::new(9);
    let offer = "c=IN IP4 10.0.0.1\nm=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 96\n";
    let first = scene.say(Side::Caller, 1, "10.0.0.1", offer);
    assert_eq!(scene.say(Side::Caller, 1, "10.0.0.1", offer), first);
    let (said, changes) = scene.say(Side::Caller, 2, "10.0.0.1", &offer.replace("4002", "0"));
    assert!(said.contains("m=video 0 "), "{said}");
    assert!(changes.contains(&Change::Close(2)));
    assert_eq!(scene.call.streams().collect::<Vec<_>>(), [1]);
    // It is moved on again, with other ports.
    assert!(scene.say(Side::Caller, 3, "10.0.0.1", offer).0.contains("m=video 30032 "));
}

#[test]
fn without_ports_or_with_too_many_media_a_line_is_switched_off() {
    let mut scene = Scene::new(1);
    let (said, _) = scene.say(
        Side::Caller,
        1,
        "10.0.0.1",
        &("c=IN IP4 10.0.0.1\n".to_owned() + &"m=audio 4000 RTP/AVP 0\n".repeat(7)),
    );
    assert_eq!(said.matches("m=audio 0 ").count(), 6);
    assert!(scene.call.is_short());
    let mut scene = Scene::new(9);
    let (said, _) = scene.say(
        Side::Caller,
        1,
        "10.0.0.1",
        &("c=IN IP4 10.0.0.1\n".to_owned() + &"m=audio 4000 RTP/AVP 0\n".repeat(7)),
    );
    assert_eq!(
        (said.matches("m=audio 0 ").count(), scene.ports.opened),
        (7 - MAX_STREAMS, MAX_STREAMS as u16)
    );
    assert!(!scene.call.is_short());
}

/// Fault 32.
#[test]
fn addresses_that_would_hurt_are_not_sent_to() {
    for host in ["0.0.0.0", "224.2.1.1", "255.255.255.255", RELAY] {
        let (_, changes) = Scene::new(9).say(
            Side::Caller,
            1,
            "10.0.0.1",
            &format!("c=IN IP4 {host}\nm=audio 30500 RTP/AVP 0\n"),
        );
        assert_eq!(expected(&changes[0]).2.rtp, None, "{host}");
    }
    let hold = Scene::new(9).say(Side::Caller, 1, "10.0.0.1", "c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n").0;
    assert!(hold.contains("c=IN IP4 0.0.0.0"), "hold in the old style stays one: {hold}");
}

#[test]
fn a_description_that_comes_back_is_left_alone() {
    let mut scene = Scene::new(9);
    let (_, _) = scene.say(Side::Caller, 1, "10.0.0.1", "c=IN IP4 10.0.0.1\nm=audio 4000 RTP/AVP 0\n");
    let own = format!("c=IN IP4 {RELAY}\nm=audio 30012 RTP/AVP 0\n");
    let (said, changes) = scene.say(Side::Caller, 1, RELAY, &own);
    assert!(said.contains("m=audio 30012 ") && changes.is_empty(), "{said}");
}

const KEY: &str = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const OTHER: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

fn audio(protocol: &str, crypto: &str) -> String {
    format!("c=IN IP4 10.0.0.1\nm=audio 4000 {protocol} 0\n{crypto}")
}

/// The keys of a side that changes speak of; none where they are taken away, nothing where they do not speak of it.
fn keys(changes: &[Change<u16>], of: Side) -> Option<Option<&NegotiatedCrypto>> {
    changes.iter().find_map(|change| match change {
        Change::Protect { side, keys, .. } if *side == of => Some(keys.as_deref()),
        _ => None,
    })
}

#[test]
fn who_encrypts_talks_to_who_does_not() {
    let mut scene = Scene::ending_encryption();
    let offer =
        audio("RTP/SAVP", &format!("a=crypto:4 F8_128_HMAC_SHA1_80 {KEY}\na=crypto:7 {SUITE} {KEY}\n"));
    let (said, changes) = scene.say(Side::Caller, 1, "10.0.0.1", &offer);
    assert!(said.contains("m=audio 30012 RTP/AVP 0") && !said.contains(KEY), "{said}");
    assert_eq!(said.matches("a=crypto:").count(), 2, "it is offered to the callee as well: {said}");
    assert_eq!(keys(&changes, Side::Caller), None, "nothing is agreed yet");
    let (said, changes) = scene.say(Side::Callee, 1, "10.0.0.1", &audio("RTP/AVP", ""));
    assert!(
        said.contains("m=audio 30010 RTP/SAVP 0") && said.contains(&format!("a=crypto:7 {SUITE} inline:")),
        "{said}"
    );
    let agreed = keys(&changes, Side::Caller).flatten().expect("keys");
    assert!(agreed.remote == KEY && said.contains(&agreed.local));
    assert_eq!(keys(&changes, Side::Callee), None, "the callee stays in clear");
    // The same again, as in the 200 after a 183, changes nothing more.
    let (again, changes) = scene.say(Side::Callee, 1, "10.0.0.1", &audio("RTP/AVP", ""));
    assert_eq!(again, said);
    assert_eq!(keys(&changes, Side::Caller), None);
}

#[test]
fn who_is_offered_more_than_he_asked_for_may_take_it() {
    let mut scene = Scene::ending_encryption();
    let (said, _) = scene.say(Side::Caller, 1, "10.0.0.1", &audio("RTP/AVPF", ""));
    assert!(said.contains("RTP/AVPF 0") && said.contains("a=crypto:1 AEAD_AES_128_GCM inline:"), "{said}");
    let answer = audio("RTP/AVPF", &format!("a=crypto:2 {SUITE} {OTHER}\n"));
    let (answered, changes) = scene.say(Side::Callee, 1, "10.0.0.1", &answer);
    assert!(answered.contains("RTP/AVPF 0") && !answered.contains("crypto"), "{answered}");
    let agreed = keys(&changes, Side::Callee).flatten().expect("keys");
    assert!(agreed.remote == OTHER && said.contains(&format!("a=crypto:2 {SUITE} {}", agreed.local)));
    // The callee holds: what is in use goes on, and it is not offered to the caller in place of clear packets.
    let hold = answer.replace("a=crypto:2", "a=sendonly\na=crypto:1");
    let (held, changes) = scene.say(Side::Callee, 2, "10.0.0.1", &hold);
    assert!(held.contains("RTP/AVPF 0") && held.contains("a=sendonly"), "{held}");
    assert_eq!(keys(&changes, Side::Callee), None);
    let (held, changes) = scene.say(Side::Caller, 2, "10.0.0.1", &audio("RTP/AVPF", "a=recvonly\n"));
    assert!(held.contains(&format!("a=crypto:1 {SUITE} {}", agreed_local(&said))), "{held}");
    assert_eq!((keys(&changes, Side::Caller), keys(&changes, Side::Callee)), (None, None));
}

/// Our key in the second line of an offer.
fn agreed_local(said: &str) -> &str {
    said.split('|').find_map(|line| line.strip_prefix("a=crypto:2 ")?.split(' ').nth(1)).expect("a key")
}

#[test]
fn a_side_that_insists_gets_no_packets_in_clear() {
    let mut scene = Scene::ending_encryption();
    scene.say(Side::Caller, 1, "10.0.0.1", &audio("RTP/AVP", ""));
    scene.say(Side::Callee, 1, "10.0.0.1", &audio("RTP/AVP", ""));
    // It asks for encryption itself now, and from then on is offered nothing else.
    let secure = audio("RTP/SAVP", &format!("a=crypto:1 {SUITE} {KEY}\n"));
    scene.say(Side::Callee, 2, "10.0.0.1", &secure);
    scene.say(Side::Caller, 2, "10.0.0.1", &audio("RTP/AVP", ""));
    let (said, _) = scene.say(Side::Caller, 5, "10.0.0.1", &audio("RTP/AVP", ""));
    assert!(said.contains("RTP/SAVP 0"), "{said}");
    let (said, changes) = scene.say(Side::Callee, 5, "10.0.0.1", &audio("RTP/SAVP", ""));
    assert!(said.contains("m=audio 0 ") && changes.is_empty(), "an answer without keys is none: {said}");
}

#[test]
fn what_is_encrypted_otherwise_passes_as_it_is() {
    for (protocol, lines) in [
        ("UDP/TLS/RTP/SAVPF", "a=fingerprint:sha-256 AA\na=setup:actpass\n"),
        ("RTP/SAVP", "a=crypto:1 F8_128_HMAC_SHA1_80 inline:abcd\n"),
    ] {
        let mut scene = Scene::ending_encryption();
        for side in [Side::Caller, Side::Callee] {
            let (said, changes) = scene.say(side, 1, "10.0.0.1", &audio(protocol, lines));
            assert!(
                said.contains(protocol) && said.contains(lines.trim_end().lines().last().unwrap()),
                "{said}"
            );
            assert!(changes.iter().all(|change| matches!(change, Change::Expect { .. })));
        }
    }
}
