//! Laws of the way of media: checks, handshakes and servers.

use ringback_ice::{Gatherer, TurnServer};
use ringback_media::{Certificate, LocalCandidate, MediaPath, PathConfig, PathEvent};
use ringback_sansio::SeededEntropy;
use ringback_sdp::{
    Codec, IceCredentials, LocalDtls, LocalIce, LocalMedia, LocalSrtp, OfferAnswer, Origin,
    SessionDescription, SrtpPolicy,
};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const HOME: &str = "192.0.2.2:5000";
const PEER: &str = "192.0.2.9:6000";
const SERVER: &str = "192.0.2.50:3478";
const STRANGER: &str = "198.51.100.6:7000";

/// Whatever comes from whomever, in whatever order: with ICE only the peer is sent to and nobody else is believed, without
/// it nobody gets more than an answer to a handshake that it has begun; a server can make us ask, and nobody else.
///
/// The first octet chooses: ICE, DTLS, the role in it, or asking servers, by datagrams or over a stream. Then an octet that chooses the sender and two of length
/// before each datagram; a length of zero lets time pass.
pub(super) fn media_path(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    match (choice & 8 != 0, choice & 16 != 0) {
        (true, true) => gather_over_stream(rest),
        (true, false) => gather(rest),
        (false, _) => path(*choice, rest),
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// The datagrams of an input: who sends them, and when.
fn datagrams(mut rest: &[u8]) -> impl Iterator<Item = (SocketAddr, Duration, &[u8])> {
    let mut time = Duration::ZERO;
    std::iter::from_fn(move || {
        let [from, high, low, tail @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (datagram, after) = tail.split_at(length);
        rest = after;
        time += Duration::from_millis(if datagram.is_empty() { 300 } else { 1 });
        Some((at([PEER, STRANGER, SERVER][usize::from(*from) % 3]), time, datagram))
    })
}

fn path(choice: u8, rest: &[u8]) {
    static CERTIFICATES: OnceLock<(Certificate, Certificate)> = OnceLock::new();
    let made = || Certificate::generate().expect("the library draws keys");
    let (own, other) = CERTIFICATES.get_or_init(|| (made(), made()));
    let (has_ice, has_dtls) = (choice & 1 != 0, choice & 2 != 0);
    let credentials = IceCredentials { ufrag: "bobby".to_owned(), pwd: "bobby".repeat(6) };
    let candidates = vec![LocalCandidate::Host(at(HOME))];
    let audio = LocalMedia {
        srtp: LocalSrtp { policy: SrtpPolicy::Offer, ..LocalSrtp::default() },
        dtls: Some(LocalDtls {
            fingerprint: own.fingerprint().to_owned(),
            tls_id: "b".repeat(20),
            is_offered: false,
        }),
        ice: Some(LocalIce {
            credentials: credentials.clone(),
            spare: Vec::new(),
            candidates: MediaPath::lines(&candidates),
            is_offered: false,
        }),
        ..LocalMedia::audio(5000, vec![Codec::pcmu()])
    };
    let origin = Origin { username: "-".into(), session_id: 1, address: at(HOME).ip() };
    let mut session = OfferAnswer::new(origin, vec![audio]);
    let protocol = if has_dtls { "UDP/TLS/RTP/SAVP" } else { "RTP/AVP" };
    let setup = if choice & 4 != 0 { "active" } else { "passive" };
    let mut offer = format!(
        "v=0\no=p 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 6000 {protocol} 0\na=rtcp-mux\n"
    );
    if has_ice {
        offer += "a=ice-ufrag:peer1\na=ice-pwd:peerpeerpeerpeerpeer01\na=candidate:1 1 udp 1 192.0.2.9 6000 typ host\n";
    }
    if has_dtls {
        offer += &format!("a=setup:{setup}\na=fingerprint:{}\n", other.fingerprint());
    }
    let offer = SessionDescription::parse(offer.as_bytes()).expect("an offer");
    session.receive_offer(&offer).expect("audio that can be had");
    session.make_answer().expect("an answer");
    let start = Instant::now();
    let mut path = MediaPath::new(PathConfig {
        base: at(HOME),
        credentials: Some(credentials),
        candidates,
        relay: None,
        is_hidden: false,
        certificate: Some(own.clone()),
        tie_breaker: 7,
    });
    path.agree(start, &session.negotiated()[0]);
    let mut has_begun = false;
    for (from, time, datagram) in datagrams(rest) {
        let now = start + time;
        let is_dtls = matches!(datagram.first(), Some(20..=63));
        has_begun |= is_dtls && from != at(PEER);
        let mut buffer = datagram.to_vec();
        if !datagram.is_empty()
            && let Some((who, len)) = path.receive(now, from, &mut buffer)
        {
            assert!(len <= datagram.len() && who == from);
            assert!(!has_ice, "nobody has proved anything");
        }
        if path.poll_timeout().is_some_and(|at| at <= now) {
            path.handle_timeout(now);
        }
        let mut sent = 0;
        while let Some((to, _)) = path.poll_transmit() {
            let is_reply = !has_ice && has_dtls && has_begun;
            assert!(to == at(PEER) || is_reply, "{to} is sent to");
            sent += 1;
        }
        assert!(sent <= 32, "{sent} datagrams at once");
        while let Some(event) = path.poll_event() {
            assert!(!matches!(event, PathEvent::Keys(_) | PathEvent::Selected(_)), "{event:?}");
        }
    }
}

/// Whatever a TURN server says over a stream, however it is cut: what it is sent are whole messages, and few.
fn gather_over_stream(rest: &[u8]) {
    let (start, server) = (Instant::now(), at(SERVER));
    let turn = TurnServer {
        address: server,
        is_stream: true,
        user: "alice".to_owned(),
        password: "secret".to_owned(),
    };
    let (patience, mut entropy) = (Duration::from_secs(1), SeededEntropy::new(1));
    let mut gatherer = Gatherer::new(start, at(HOME), None, Some(&turn), patience, &mut entropy);
    gatherer.connected(start, at("192.0.2.2:50000"));
    let (mut asked, mut heard) = (0, 0);
    for (_, time, octets) in datagrams(rest) {
        let now = start + time;
        while let Some(message) = gatherer.poll_stream(now) {
            assert!(message.len() >= 20 && message.len() % 4 == 0 && message[0] < 4);
            asked += 1;
        }
        assert_eq!(gatherer.poll_transmit(now), None);
        heard += octets.len();
        gatherer.handle_stream(now, octets);
        if gatherer.poll_timeout() <= now {
            gatherer.handle_timeout(now);
        }
    }
    // An answer has twenty octets at least.
    assert!(asked <= 8 + heard / 10, "{asked} questions for {heard} octets");
    gatherer.disconnected();
    assert_eq!(gatherer.finish().candidates, [LocalCandidate::Host(at(HOME))]);
}

fn gather(rest: &[u8]) {
    let (start, server) = (Instant::now(), at(SERVER));
    let turn = TurnServer {
        address: server,
        is_stream: false,
        user: "alice".to_owned(),
        password: "secret".to_owned(),
    };
    let (patience, mut entropy) = (Duration::from_secs(1), SeededEntropy::new(1));
    let mut gatherer = Gatherer::new(start, at(HOME), Some(server), Some(&turn), patience, &mut entropy);
    let (mut asked, mut heard) = (0, 0);
    for (from, time, datagram) in datagrams(rest) {
        let now = start + time;
        while let Some((to, _)) = gatherer.poll_transmit(now) {
            assert_eq!(to, server);
            asked += 1;
        }
        heard += 1;
        gatherer.handle(now, from, datagram);
        if gatherer.poll_timeout() <= now {
            gatherer.handle_timeout(now);
        }
        assert!(!gatherer.is_done() || time >= patience || heard > 0);
    }
    assert!(asked <= 64 + 2 * heard, "{asked} questions for {heard} datagrams");
    assert_eq!(gatherer.finish().candidates[0], LocalCandidate::Host(at(HOME)));
}
