//! DTLS-SRTP in offers and answers (RFC 5763, RFC 8842).

use ringback_sdp::{
    Codec, DtlsRole, LocalCrypto, LocalDtls, LocalMedia, LocalSrtp, NegotiatedDtls, NegotiationError,
    OfferAnswer, Origin, SessionDescription, SrtpPolicy, Word,
};

const PRINT: &str =
    "sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF";
const DTLS: &str = "UDP/TLS/RTP/SAVP";

fn side(policy: SrtpPolicy, letter: char, is_offered: bool) -> OfferAnswer {
    let suite = LocalCrypto {
        suite: Word::new("AES_CM_128_HMAC_SHA1_80").unwrap(),
        key_params: format!("inline:{}", letter.to_string().repeat(40)),
        key_len: 30,
    };
    let dtls = LocalDtls {
        fingerprint: PRINT.replace("AB", &format!("{letter}{letter}")),
        tls_id: letter.to_string().repeat(20),
        is_offered,
    };
    let audio = LocalMedia {
        srtp: LocalSrtp { policy, suites: vec![suite], offered: 1 },
        dtls: Some(dtls),
        ..LocalMedia::audio(4000, vec![Codec::pcmu()])
    };
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

fn exchange(from: &mut OfferAnswer, to: &mut OfferAnswer) -> Result<(String, String), NegotiationError> {
    let offer = from.make_offer()?;
    to.receive_offer(&SessionDescription::parse(&offer.to_bytes()).unwrap())?;
    let answer = to.make_answer()?;
    from.receive_answer(&SessionDescription::parse(&answer.to_bytes()).unwrap())?;
    Ok((offer.to_string(), answer.to_string()))
}

fn dtls(side: &OfferAnswer) -> Option<&NegotiatedDtls> {
    side.negotiated()[0].dtls.as_ref()
}

#[test]
fn who_insists_offers_the_handshake_and_the_answerer_begins_it() {
    let (mut alice, mut bob) = (side(SrtpPolicy::Require, 'A', true), side(SrtpPolicy::Offer, 'B', false));
    let (offer, answer) = exchange(&mut alice, &mut bob).unwrap();
    assert!(offer.contains("m=audio 4000 UDP/TLS/RTP/SAVP 0") && !offer.contains("a=crypto"), "{offer}");
    assert!(offer.contains("a=setup:actpass") && offer.contains("a=fingerprint:sha-256 4A:AD"), "{offer}");
    assert!(offer.contains("a=tls-id:AAAAAAAAAAAAAAAAAAAA-0"), "{offer}");
    assert!(
        answer.contains("a=setup:active") && answer.contains("a=tls-id:BBBBBBBBBBBBBBBBBBBB-0"),
        "{answer}"
    );
    let (a, b) = (dtls(&alice).unwrap(), dtls(&bob).unwrap());
    assert_eq!((a.role, b.role), (DtlsRole::Server, DtlsRole::Client));
    assert_eq!(a.fingerprints, [PRINT.replace("AB", "BB")]);
    assert!(alice.negotiated()[0].crypto.is_none());
    // The roles stay, whoever offers next, and so does the association.
    let before = (a.clone(), b.clone());
    let (offer, answer) = exchange(&mut bob, &mut alice).unwrap();
    assert!(offer.contains("a=setup:actpass") && answer.contains("a=setup:passive"), "{offer}{answer}");
    assert_eq!((dtls(&alice).unwrap(), dtls(&bob).unwrap()), (&before.0, &before.1));
    let refresh = bob.repeat_offer().unwrap().to_string();
    assert!(refresh.contains("a=setup:actpass") && !refresh.contains("a=setup:active\r"), "{refresh}");
}

#[test]
fn rule_51_every_way_to_begin_has_its_answer() {
    for (offered, answered, role) in [
        ("a=setup:actpass\n", "a=setup:active", DtlsRole::Client),
        ("a=setup:passive\n", "a=setup:active", DtlsRole::Client),
        ("a=setup:active\n", "a=setup:passive", DtlsRole::Server),
        ("", "a=setup:active", DtlsRole::Client),
    ] {
        let mut bob = side(SrtpPolicy::Offer, 'B', false);
        let offer = peer(DTLS, &format!("{offered}a=fingerprint:{PRINT}\n"));
        bob.receive_offer(&offer).unwrap();
        let answer = bob.make_answer().unwrap().to_string();
        assert!(answer.contains(answered) && answer.contains(DTLS), "{answer}");
        // Who does not name its associations is not answered with a name.
        assert!(!answer.contains("tls-id"), "{answer}");
        assert_eq!(dtls(&bob).map(|dtls| dtls.role), Some(role));
    }
    let mut bob = side(SrtpPolicy::Offer, 'B', false);
    let held = peer(DTLS, &format!("a=setup:holdconn\na=fingerprint:{PRINT}\n"));
    assert_eq!(bob.receive_offer(&held), Err(NegotiationError::NotAcceptable));
}

#[test]
fn rule_51_another_fingerprint_or_name_is_another_association() {
    let id = |name: &str| format!("a=tls-id:{}\n", name.repeat(20));
    let lines = |print: &str, id: &str| format!("a=setup:actpass\na=fingerprint:{print}\n{id}");
    let mut bob = side(SrtpPolicy::Offer, 'B', false);
    let mut take = |lines: &str| {
        bob.receive_offer(&peer(DTLS, lines)).unwrap();
        let answer = bob.make_answer().unwrap().to_string();
        let id = answer.lines().find_map(|line| line.strip_prefix("a=tls-id:")).map(str::to_owned);
        (dtls(&bob).unwrap().association, id.unwrap_or_default())
    };
    assert_eq!(take(&lines(PRINT, &id("x"))), (0, "BBBBBBBBBBBBBBBBBBBB-0".to_owned()));
    assert_eq!(take(&lines(PRINT, &id("x"))).0, 0);
    assert_eq!(take(&lines(PRINT, &id("y"))), (1, "BBBBBBBBBBBBBBBBBBBB-1".to_owned()));
    assert_eq!(take(&lines(&PRINT.replace("AB", "AC"), &id("y"))).0, 2);
    // A peer that wants the other role wants another one, too.
    let passive = lines(&PRINT.replace("AB", "AC"), &id("y")).replace("actpass", "active");
    assert_eq!(take(&passive).0, 3);
}

#[test]
fn rule_51_a_secure_line_is_never_answered_in_clear() {
    let plain = |side: &mut OfferAnswer, offer: &SessionDescription| side.receive_offer(offer);
    let no_print = peer(DTLS, "a=setup:actpass\n");
    for policy in [SrtpPolicy::Off, SrtpPolicy::Offer, SrtpPolicy::Require] {
        assert_eq!(plain(&mut side(policy, 'B', false), &no_print), Err(NegotiationError::NotAcceptable));
    }
    let with_print = peer(DTLS, &format!("a=setup:actpass\na=fingerprint:{PRINT}\n"));
    assert_eq!(
        plain(&mut side(SrtpPolicy::Off, 'B', true), &with_print),
        Err(NegotiationError::NotAcceptable)
    );
    // An answer of the same protocol without a fingerprint is none.
    let mut alice = side(SrtpPolicy::Require, 'A', true);
    alice.make_offer().unwrap();
    for lines in ["a=setup:active\n".to_owned(), format!("a=setup:actpass\na=fingerprint:{PRINT}\n")] {
        assert_eq!(alice.receive_answer(&peer(DTLS, &lines)), Err(NegotiationError::NotAcceptable));
    }
    assert_eq!(alice.receive_answer(&peer("RTP/AVP", "")), Err(NegotiationError::NotAcceptable));
    // And a line that was secure does not become a plain one.
    let mut bob = side(SrtpPolicy::Offer, 'B', false);
    bob.receive_offer(&with_print).unwrap();
    bob.make_answer().unwrap();
    assert_eq!(bob.receive_offer(&peer("RTP/AVP", "")), Err(NegotiationError::NotAcceptable));
}

#[test]
fn where_both_ways_are_offered_one_is_chosen() {
    let (mut alice, mut bob) = (side(SrtpPolicy::Offer, 'A', true), side(SrtpPolicy::Offer, 'B', false));
    let (offer, answer) = exchange(&mut alice, &mut bob).unwrap();
    assert!(offer.contains("m=audio 4000 RTP/AVP 0"), "{offer}");
    assert!(offer.contains("a=crypto:1 ") && offer.contains("a=fingerprint:"), "{offer}");
    // Who does not offer the handshake prefers keys in SDP, where there are some.
    assert!(answer.contains("a=crypto:1 ") && !answer.contains("a=fingerprint"), "{answer}");
    assert!(alice.negotiated()[0].crypto.is_some() && dtls(&alice).is_none());
    let (mut alice, mut bob) = (side(SrtpPolicy::Offer, 'A', true), side(SrtpPolicy::Offer, 'B', true));
    let (_, answer) = exchange(&mut alice, &mut bob).unwrap();
    assert!(!answer.contains("a=crypto") && answer.contains("a=fingerprint"), "{answer}");
    assert!(alice.negotiated()[0].crypto.is_none() && dtls(&alice).is_some());
    // A peer with neither is spoken to in clear, as it is without DTLS.
    let mut alice = side(SrtpPolicy::Offer, 'A', true);
    alice.make_offer().unwrap();
    alice.receive_answer(&peer("RTP/AVP", "")).unwrap();
    assert!(dtls(&alice).is_none() && alice.negotiated()[0].is_active());
}

#[test]
fn a_fingerprint_of_the_session_stands_for_its_media() {
    let mut bob = side(SrtpPolicy::Offer, 'B', false);
    let offer = peer("UDP/TLS/RTP/SAVPF", "").to_string();
    let offer = offer.replace("t=0 0\r\n", &format!("t=0 0\r\na=setup:actpass\r\na=fingerprint:{PRINT}\r\n"));
    bob.receive_offer(&SessionDescription::parse(offer.as_bytes()).unwrap()).unwrap();
    assert!(bob.make_answer().unwrap().to_string().contains("UDP/TLS/RTP/SAVPF"));
    assert_eq!(dtls(&bob).map(|dtls| dtls.fingerprints.clone()), Some(vec![PRINT.to_owned()]));
}
