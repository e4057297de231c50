//! Keys in offers and answers (RFC 4568), and where they are offered without insisting (RFC 8643).

use ringback_sdp::{
    Codec, LocalCrypto, LocalMedia, LocalSrtp, NegotiatedCrypto, NegotiationError, OfferAnswer, Origin,
    SessionDescription, SrtpPolicy, Word,
};

const PEER_KEY: &str = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const SHORT_KEY: &str = "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==";

fn side(policy: SrtpPolicy, letter: char) -> OfferAnswer {
    let crypto = |suite, key_len: usize, digits: usize| LocalCrypto {
        suite: Word::new(suite).unwrap(),
        key_params: format!("inline:{}", letter.to_string().repeat(digits)),
        key_len,
    };
    let suites = vec![
        crypto("AEAD_AES_128_GCM", 28, 38),
        crypto("AES_CM_128_HMAC_SHA1_80", 30, 40),
        crypto("AES_CM_128_HMAC_SHA1_32", 30, 40),
    ];
    let audio = LocalMedia::audio(4000, vec![Codec::pcmu()]);
    let audio = LocalMedia { srtp: LocalSrtp { policy, suites, offered: 2 }, ..audio };
    let address = if letter == 'A' { "192.0.2.1" } else { "192.0.2.2" };
    let origin = Origin { username: "-".into(), session_id: 1, address: address.parse().unwrap() };
    OfferAnswer::new(origin, vec![audio])
}

fn peer(protocol: &str, lines: &str) -> SessionDescription {
    let text = format!(
        "v=0\no=p 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 6000 {protocol} 0\n{lines}"
    );
    SessionDescription::parse(text.as_bytes()).unwrap()
}

/// What the answer to an offer says about protocol and keys, and what is agreed.
fn answer(side: &mut OfferAnswer, offer: &SessionDescription) -> Option<(String, Option<NegotiatedCrypto>)> {
    side.receive_offer(offer).ok()?;
    let text = side.make_answer().unwrap().to_string();
    let lines = text.lines().filter(|line| line.starts_with("m=") || line.starts_with("a=crypto"));
    Some((lines.collect::<Vec<_>>().join("|"), side.negotiated()[0].crypto.clone()))
}

fn exchange(from: &mut OfferAnswer, to: &mut OfferAnswer) -> Result<(), NegotiationError> {
    let offer = from.make_offer()?;
    to.receive_offer(&SessionDescription::parse(&offer.to_bytes()).unwrap())?;
    from.receive_answer(&SessionDescription::parse(&to.make_answer()?.to_bytes()).unwrap())
}

#[test]
fn two_that_offer_agree_on_keys_with_the_plain_protocol() {
    let (mut alice, mut bob) = (side(SrtpPolicy::Offer, 'A'), side(SrtpPolicy::Offer, 'B'));
    let offer = alice.capabilities().unwrap().to_string();
    assert!(offer.contains("m=audio 4000 RTP/AVP 0"), "{offer}");
    assert_eq!(offer.matches("a=crypto:").count(), 2, "{offer}");
    exchange(&mut alice, &mut bob).unwrap();
    let (a, b) = (alice.negotiated()[0].crypto.clone().unwrap(), bob.negotiated()[0].crypto.clone().unwrap());
    assert_eq!((a.suite.as_str(), &a.suite), ("AEAD_AES_128_GCM", &b.suite));
    assert_eq!((&a.local, &a.remote), (&b.remote, &b.local));
    assert_ne!(a.local, a.remote);
    // Another exchange, from the other side, changes no key.
    bob.hold();
    exchange(&mut bob, &mut alice).unwrap();
    assert_eq!(
        (alice.negotiated()[0].crypto.clone(), bob.negotiated()[0].crypto.clone()),
        (Some(a), Some(b))
    );
}

#[test]
fn policies_meet() {
    use SrtpPolicy::{Off, Offer, Require};
    for (from, to, encrypted) in [
        (Off, Off, Some(false)),
        (Off, Offer, Some(false)),
        (Offer, Off, Some(false)),
        (Offer, Require, Some(true)),
        (Require, Offer, Some(true)),
        (Require, Require, Some(true)),
        (Require, Off, None),
        (Off, Require, None),
    ] {
        let (mut alice, mut bob) = (side(from, 'A'), side(to, 'B'));
        let agreed = exchange(&mut alice, &mut bob).map(|()| alice.negotiated()[0].crypto.is_some());
        assert_eq!(agreed.ok(), encrypted, "{from:?} {to:?}");
        assert_eq!(
            alice.negotiated().first().and_then(|it| it.crypto.as_ref()).is_some(),
            encrypted == Some(true)
        );
    }
}

#[test]
fn the_first_line_of_the_peer_that_can_be_used_is_answered_by_its_tag() {
    let lines = format!(
        "a=crypto:7 F8_128_HMAC_SHA1_80 {PEER_KEY}\na=crypto:8 AES_CM_128_HMAC_SHA1_80 {PEER_KEY} UNENCRYPTED_SRTP\n\
         a=crypto:9 AES_CM_128_HMAC_SHA1_80 {SHORT_KEY}\na=crypto:10 AES_CM_128_HMAC_SHA1_80 other:x\n\
         a=crypto:11 aes_cm_128_hmac_sha1_32 {PEER_KEY}|2^20|1:4\na=crypto:12 AEAD_AES_128_GCM {SHORT_KEY}\n"
    );
    for protocol in ["RTP/AVP", "RTP/SAVP", "RTP/SAVPF"] {
        let (said, keys) = answer(&mut side(SrtpPolicy::Offer, 'B'), &peer(protocol, &lines)).unwrap();
        let key = "B".repeat(40);
        assert_eq!(
            said,
            format!("m=audio 4000 {protocol} 0|a=crypto:11 AES_CM_128_HMAC_SHA1_32 inline:{key}")
        );
        assert_eq!(keys.unwrap().remote, format!("{PEER_KEY}|2^20|1:4"));
    }
}

/// rule 51: no silent step from a secure profile to a plain one.
#[test]
fn rule_51_a_secure_profile_without_usable_keys_is_refused() {
    let unusable = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {SHORT_KEY}\n");
    let usable = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {PEER_KEY}\n");
    for (policy, protocol, lines, is_taken) in [
        (SrtpPolicy::Offer, "RTP/SAVP", "", false),
        (SrtpPolicy::Offer, "RTP/SAVP", &*unusable, false),
        (SrtpPolicy::Off, "RTP/SAVP", &*usable, false),
        (SrtpPolicy::Offer, "UDP/TLS/RTP/SAVPF", &*usable, false),
        (SrtpPolicy::Require, "RTP/AVP", "", false),
        (SrtpPolicy::Require, "RTP/AVP", &*unusable, false),
        (SrtpPolicy::Require, "RTP/AVP", &*usable, true),
        (SrtpPolicy::Offer, "RTP/AVP", &*unusable, true),
        (SrtpPolicy::Off, "RTP/AVP", &*usable, true),
    ] {
        let taken = answer(&mut side(policy, 'B'), &peer(protocol, lines));
        assert_eq!(taken.is_some(), is_taken, "{policy:?} {protocol} {lines}");
    }
    // Nor in the middle of a call.
    let mut bob = side(SrtpPolicy::Offer, 'B');
    answer(&mut bob, &peer("RTP/SAVP", &usable)).unwrap();
    assert_eq!(bob.receive_offer(&peer("RTP/AVP", "")), Err(NegotiationError::NotAcceptable));
    assert!(answer(&mut bob, &peer("RTP/AVP", &usable)).is_some());
}

#[test]
fn answers_with_keys_that_nobody_offered_are_refused() {
    let answered = |policy, protocol: &str, lines: &str| {
        let mut alice = side(policy, 'A');
        alice.make_offer().unwrap();
        let result = alice.receive_answer(&peer(protocol, lines));
        result.map(|()| alice.negotiated()[0].crypto.is_some())
    };
    let line = |tag: u32, suite: &str, key: &str| format!("a=crypto:{tag} {suite} {key}\n");
    let good = line(2, "AES_CM_128_HMAC_SHA1_80", PEER_KEY);
    assert_eq!(answered(SrtpPolicy::Offer, "RTP/AVP", &good), Ok(true));
    assert_eq!(answered(SrtpPolicy::Offer, "RTP/AVP", ""), Ok(false));
    assert_eq!(answered(SrtpPolicy::Require, "RTP/SAVP", &good), Ok(true));
    for lines in [
        line(1, "AES_CM_128_HMAC_SHA1_80", PEER_KEY),
        line(3, "AES_CM_128_HMAC_SHA1_32", PEER_KEY),
        line(2, "AES_CM_128_HMAC_SHA1_80", SHORT_KEY),
        "a=crypto:x\n".to_owned(),
    ] {
        assert_eq!(
            answered(SrtpPolicy::Offer, "RTP/AVP", &lines),
            Err(NegotiationError::NotAcceptable),
            "{lines}"
        );
    }
    assert_eq!(answered(SrtpPolicy::Require, "RTP/SAVP", ""), Err(NegotiationError::NotAcceptable));
    assert_eq!(answered(SrtpPolicy::Require, "RTP/AVP", &good), Err(NegotiationError::NotAcceptable));
}

#[test]
fn keys_do_not_show_in_logs() {
    let mut bob = side(SrtpPolicy::Offer, 'B');
    let line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {PEER_KEY}\n");
    answer(&mut bob, &peer("RTP/AVP", &line)).unwrap();
    let shown = format!("{:?} {:?}", bob.negotiated(), bob.local_media().next());
    assert!(!shown.contains("d0RmdmcmVC") && !shown.contains("BBBB"), "{shown}");
}
