//! Two legs with a path each, through a network: checks, handshake, audio, and others who would like to be heard.

use ringback_dtls::{Association, DtlsOutput};
use ringback_media::{
    AudioCodecs, AudioFormat, AudioLeg, AudioSource, Certificate, FrameKind, Incoming, Law, LegConfig,
    LocalCandidate, MediaPath, PathConfig, PathEvent, PeerAddress, PlayoutMode, Way,
};
use ringback_sansio::{Epoch, Machine as _, SeededEntropy};
use ringback_sdp::{
    Codec, Direction, DtlsRole, IceCredentials, LocalDtls, LocalIce, LocalMedia, LocalSrtp, OfferAnswer,
    Origin, SessionDescription, SrtpPolicy,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

/// One side of a call.
struct Side {
    home: SocketAddr,
    session: OfferAnswer,
    path: MediaPath,
    leg: Option<AudioLeg>,
    association: Option<u32>,
    certificate: Certificate,
    ice: IceCredentials,
    source: AudioSource,
    heard: usize,
    events: Vec<String>,
    /// What its descriptions say in place of its fingerprint.
    announced: Option<String>,
}

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.to_owned(), pwd: name.repeat(6) }
}

impl Side {
    fn new(home: &str, name: &str, has_ice: bool, has_dtls: bool) -> Self {
        let (home, certificate): (SocketAddr, _) = (home.parse().unwrap(), Certificate::generate().unwrap());
        let candidates = vec![LocalCandidate::Host(home)];
        let ice = has_ice.then(|| LocalIce {
            credentials: credentials(name),
            spare: vec![credentials(&name.to_uppercase())],
            candidates: MediaPath::lines(&candidates),
            is_offered: true,
        });
        let dtls = has_dtls.then(|| LocalDtls {
            fingerprint: certificate.fingerprint().to_owned(),
            tls_id: name.repeat(4),
            is_offered: true,
        });
        let policy = if has_dtls { SrtpPolicy::Require } else { SrtpPolicy::Off };
        let path = MediaPath::new(PathConfig {
            base: home,
            credentials: ice.as_ref().map(|ice| ice.credentials.clone()),
            candidates,
            relay: None,
            is_hidden: false,
            certificate: has_dtls.then(|| certificate.clone()),
            tie_breaker: u64::from(home.port()),
        });
        let origin = Origin { username: "-".into(), session_id: 1, address: home.ip() };
        let audio = LocalMedia {
            srtp: LocalSrtp { policy, ..LocalSrtp::default() },
            dtls,
            ice,
            ..LocalMedia::audio(home.port(), vec![Codec::pcmu()])
        };
        Self {
            home,
            session: OfferAnswer::new(origin, vec![audio]),
            path,
            leg: None,
            association: None,
            certificate,
            ice: credentials(name),
            source: AudioSource::tone(440.0, -10.0),
            heard: 0,
            events: Vec::new(),
            announced: None,
        }
    }

    /// A description of its own as it comes to the other side.
    fn announce(&self, description: &SessionDescription) -> SessionDescription {
        let text = description.to_string();
        let text = match &self.announced {
            Some(other) => text.replace(self.certificate.fingerprint(), other),
            None => text,
        };
        SessionDescription::parse(text.as_bytes()).unwrap()
    }

    /// Takes what was agreed, as the task of a call does.
    fn agree(&mut self, now: Instant) {
        let media = &self.session.negotiated()[0];
        let (format, peer) = (
            AudioFormat::negotiated(media, &AudioCodecs::default()).unwrap(),
            PeerAddress::negotiated(media),
        );
        match &mut self.leg {
            Some(leg) => leg.renegotiate(now, format, media.direction, peer),
            None => {
                let epoch = Epoch { at: now, unix: Duration::from_secs(1_800_000_000) };
                let direction = Direction::SendRecv;
                let (rate, playout) = (8_000, PlayoutMode::default());
                let config = LegConfig { format, direction, peer, cname: "x".into(), epoch, rate, playout };
                self.leg = Some(
                    AudioLeg::new(now, config, &mut SeededEntropy::new(self.home.port().into())).unwrap(),
                );
            }
        }
        let leg = self.leg.as_mut().unwrap();
        if let Some(dtls) = &media.dtls
            && self.association.replace(dtls.association) != Some(dtls.association)
        {
            leg.await_keys();
        }
        self.path.agree(now, media);
        leg.follow(self.path.way());
    }

    fn run(&mut self, now: Instant, out: &mut Vec<(SocketAddr, SocketAddr, Vec<u8>)>) {
        if self.path.poll_timeout().is_some_and(|at| at <= now) {
            self.path.handle_timeout(now);
        }
        out.extend(
            std::iter::from_fn(|| self.path.poll_transmit()).map(|(to, datagram)| (self.home, to, datagram)),
        );
        while let Some(event) = self.path.poll_event() {
            self.events.push(match &event {
                PathEvent::Selected(to) => format!("way {to}"),
                PathEvent::Lost => "lost".to_owned(),
                PathEvent::RelayLost => "relay lost".to_owned(),
                PathEvent::Keys(keys) => format!("keys {}", keys.profile.name()),
                PathEvent::Failed(failure) => format!("failed: {failure}"),
            });
            let leg = self.leg.as_mut().unwrap();
            leg.follow(self.path.way());
            if let PathEvent::Keys(keys) = event {
                leg.set_keys(*keys);
            }
        }
    }

    fn speak(&mut self, now: Instant, out: &mut Vec<(SocketAddr, SocketAddr, Vec<u8>)>) {
        let Some(leg) = &mut self.leg else { return };
        let mut pcm = [0; 160];
        self.heard += usize::from(leg.next_frame(now, &mut pcm) == FrameKind::Audio);
        self.source.fill(8_000, &mut pcm);
        let mut packet = Vec::new();
        leg.send_frame(now, &pcm, &mut packet);
        if let (false, Some(to)) = (packet.is_empty(), leg.rtp_destination())
            && let Some(to) = self.path.route(now, to, &mut packet)
        {
            out.push((self.home, to, packet));
        }
    }

    fn take(&mut self, now: Instant, from: SocketAddr, mut datagram: Vec<u8>) -> bool {
        let Some((from, len)) = self.path.receive(now, from, &mut datagram) else { return false };
        let Some(leg) = &mut self.leg else { return false };
        matches!(leg.receive(now, from, &mut datagram[..len]), Ok(Incoming::Audio { .. }))
    }
}

struct Stage {
    now: Instant,
    sides: [Side; 2],
    /// All that was on the wire.
    wire: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
}

const ALICE: &str = "192.0.2.1:4000";
const BOB: &str = "192.0.2.2:5000";

impl Stage {
    fn new(ice: [bool; 2], dtls: bool) -> Self {
        let sides = [Side::new(ALICE, "alice", ice[0], dtls), Side::new(BOB, "bobby", ice[1], dtls)];
        Self { now: start(), sides, wire: Vec::new() }
    }

    fn negotiate(&mut self, from: usize) {
        self.negotiate_through(from, Some);
    }

    fn negotiate_through(&mut self, from: usize, network: impl FnMut(Datagram) -> Option<Datagram>) {
        let offer = self.sides[from].session.make_offer().unwrap();
        let offer = self.sides[from].announce(&offer);
        self.sides[1 - from].session.receive_offer(&offer).unwrap();
        let answer = self.sides[1 - from].session.make_answer().unwrap();
        let answer = self.sides[1 - from].announce(&answer);
        self.sides[1 - from].agree(self.now);
        // The answer takes its time, and what the answerer sends is faster.
        self.run(Duration::from_millis(60), network);
        self.sides[from].session.receive_answer(&answer).unwrap();
        self.sides[from].agree(self.now);
    }

    fn run(&mut self, time: Duration, mut network: impl FnMut(Datagram) -> Option<Datagram>) {
        let end = self.now + time;
        while self.now < end {
            self.now += FRAME;
            for at in 0..2 {
                let mut out = Vec::new();
                self.sides[at].run(self.now, &mut out);
                self.sides[at].speak(self.now, &mut out);
                for datagram in out {
                    self.wire.push(datagram.clone());
                    if let Some((from, to, datagram)) = network(datagram)
                        && let Some(other) = self.sides.iter().position(|side| side.home == to)
                    {
                        self.sides[other].take(self.now, from, datagram);
                    }
                }
            }
        }
    }

    fn heard(&self) -> [usize; 2] {
        self.sides.each_ref().map(|side| side.heard)
    }
}

type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// What one would hear who listens on the wire: a payload that is a tone, and no cipher text, repeats.
fn is_clear(packet: &[u8]) -> bool {
    packet.len() == 172
        && packet[12..].iter().filter(|octet| Law::Mu.decode(**octet).abs() < 4_000).count() > 50
        && packet[12..].windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 40).count() > 100
}

#[test]
fn audio_flows_by_ice_and_under_keys_that_were_never_written_down() {
    let mut stage = Stage::new([true, true], true);
    stage.negotiate(0);
    stage.run(Duration::from_secs(2), Some);
    for (side, way) in stage.sides.iter().zip([BOB, ALICE]) {
        assert_eq!(side.events, [format!("way {way}"), "keys AEAD_AES_128_GCM".to_owned()], "{}", side.home);
    }
    assert!(stage.heard().iter().all(|heard| *heard > 75), "{:?}", stage.heard());
    let media = stage.wire.iter().filter(|(_, _, packet)| packet[0] == 0x80);
    assert!(media.clone().count() > 150 && media.clone().all(|(_, _, packet)| !is_clear(packet)));
    // The audio begins behind the keys, and not one packet before them.
    let first = stage.wire.iter().position(|(_, _, packet)| packet[0] == 0x80).unwrap();
    let handshake = stage.wire.iter().position(|(_, _, packet)| packet[0] == 22).unwrap();
    let check = stage.wire.iter().position(|(_, _, packet)| packet[0] < 2).unwrap();
    assert!(check < handshake && handshake < first);
}

#[test]
fn rule_52_a_restart_finds_another_way_while_audio_goes_on_and_a_refresh_does_not() {
    let mut stage = Stage::new([true, true], true);
    stage.negotiate(0);
    stage.run(Duration::from_secs(2), Some);
    let (before, known) = (stage.heard(), stage.sides.each_ref().map(|side| side.events.len()));
    // Hold, resume, a refresh: nothing is checked anew, and the keys stay.
    stage.sides[0].session.hold();
    stage.negotiate(0);
    stage.sides[0].session.resume();
    stage.negotiate(1);
    stage.negotiate(0);
    stage.run(Duration::from_secs(1), Some);
    assert_eq!(stage.sides.each_ref().map(|side| side.events.len()), known);
    let ufrag = |stage: &Stage| stage.sides[0].session.negotiated()[0].ice.clone().unwrap().local.ufrag;
    assert_eq!(ufrag(&stage), stage.sides[0].ice.ufrag);
    // A restart: both have new names, and not a frame is missing meanwhile.
    stage.sides[0].session.restart_ice(0, credentials("again"));
    let count = stage.heard();
    stage.negotiate(0);
    assert_eq!(ufrag(&stage), "again");
    stage.run(Duration::from_secs(1), Some);
    let heard = stage.heard();
    assert!((0..2).all(|at| heard[at] - count[at] >= 50), "{before:?} {count:?} {heard:?}");
    let names: Vec<_> = stage.wire.iter().filter(|(_, _, packet)| packet[0] < 2).collect();
    let is_named = |name: &str| {
        names.iter().any(|(_, _, packet)| packet.windows(name.len()).any(|it| it == name.as_bytes()))
    };
    assert!(is_named("bobby:alice") && is_named("BOBBY:again"));
}

#[test]
fn rule_52_a_mismatch_falls_back_to_the_address_that_was_said() {
    let mut stage = Stage::new([true, true], false);
    let offer = stage.sides[0].session.make_offer().unwrap().to_string();
    // Somebody on the way relays, and knows nothing of ICE.
    let relayed = offer.replace("m=audio 4000", "m=audio 4002");
    let offer = SessionDescription::parse(relayed.as_bytes()).unwrap();
    stage.sides[1].session.receive_offer(&offer).unwrap();
    let answer = stage.sides[1].session.make_answer().unwrap();
    assert!(answer.to_string().contains("a=ice-mismatch"));
    stage.sides[1].agree(stage.now);
    stage.sides[0].session.receive_answer(&answer).unwrap();
    stage.sides[0].agree(stage.now);
    assert_eq!(stage.sides.each_ref().map(|side| side.path.way()), [Way::Signalled; 2]);
    let relay: SocketAddr = "192.0.2.1:4002".parse().unwrap();
    let home: SocketAddr = ALICE.parse().unwrap();
    stage.run(Duration::from_secs(1), |(from, to, packet)| {
        assert!(packet[0] >= 0x80, "no checks");
        let through = if to == relay { home } else { to };
        Some((if from == home { relay } else { from }, through, packet))
    });
    assert!(stage.heard().iter().all(|heard| *heard > 40), "{:?}", stage.heard());
}

#[test]
fn a_peer_without_ice_is_spoken_to_in_the_old_way() {
    for ice in [[true, false], [false, true], [false, false]] {
        let mut stage = Stage::new(ice, true);
        stage.negotiate(0);
        stage.run(Duration::from_secs(2), Some);
        assert!(stage.heard().iter().all(|heard| *heard > 70), "{ice:?}: {:?}", stage.heard());
        assert!(stage.wire.iter().all(|(_, _, packet)| packet[0] >= 20), "{ice:?}: a check");
    }
}

/// Fault 23, with ICE: only who has proved the password is heard.
#[test]
fn fault_23_a_stranger_is_not_heard_before_during_or_after() {
    let mut stage = Stage::new([true, true], false);
    let stranger: SocketAddr = "198.51.100.6:7000".parse().unwrap();
    let forged = [&[0x80, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9][..], &[0; 160]].concat();
    let inject = |stage: &mut Stage| {
        let now = stage.now;
        stage.sides.iter_mut().map(|side| side.take(now, stranger, forged.clone())).filter(|it| *it).count()
    };
    assert_eq!(inject(&mut stage), 0);
    stage.negotiate(0);
    assert_eq!(inject(&mut stage), 0);
    stage.run(Duration::from_secs(1), Some);
    assert_eq!(inject(&mut stage), 0);
    assert!(stage.heard().iter().all(|heard| *heard > 25), "{:?}", stage.heard());
    assert!(!stage.wire.iter().any(|(_, to, _)| *to == stranger));
}

/// Fault 26: a ClientHello from strangers, while the peer is behind a NAT and so is one itself.
#[test]
fn fault_26_strangers_begin_handshakes_and_only_the_peer_finishes_one() {
    // Alice offers, so Bob begins; without ICE nobody knows where Bob really is.
    let mut stage = Stage::new([false, false], true);
    let (outside, bob): (SocketAddr, SocketAddr) =
        ("203.0.113.5:61000".parse().unwrap(), BOB.parse().unwrap());
    let eve = Certificate::generate().unwrap();
    let announced = [stage.sides[0].certificate.fingerprint().to_owned()];
    let mut handshake = Association::new(stage.now, &eve, DtlsRole::Client, &announced).unwrap();
    let Some(DtlsOutput::Send(hello)) = handshake.poll() else { panic!("a client begins") };
    let everywhere = |port: u16| SocketAddr::new("198.51.100.6".parse().unwrap(), port);
    let through_nat = |(from, to, packet): Datagram| match (from == bob, to == outside) {
        (true, _) => Some((outside, to, packet)),
        (_, true) => Some((from, bob, packet)),
        _ if to == bob => None,
        _ => Some((from, to, packet)),
    };
    stage.negotiate_through(0, through_nat);
    let mut answered = 0;
    stage.run(Duration::from_millis(20), through_nat);
    for port in 1..200 {
        let now = stage.now;
        assert!(!stage.sides[0].take(now, everywhere(port), hello.clone()));
    }
    stage.run(Duration::from_secs(12), |datagram| {
        answered += usize::from(datagram.1.ip() == everywhere(1).ip());
        through_nat(datagram)
    });
    // A few of two hundred were answered at all, with a cookie each and its repetitions.
    assert!(answered <= 60, "{answered}");
    assert_eq!(stage.sides[0].events, ["keys AEAD_AES_128_GCM"]);
    assert_eq!(stage.sides[1].events, ["keys AEAD_AES_128_GCM"]);
    assert!(stage.heard().iter().all(|heard| *heard > 300), "{:?}", stage.heard());
    // Whoever comes now is nobody.
    let now = stage.now;
    assert!(!stage.sides[0].take(now, everywhere(500), hello));
    stage.run(Duration::from_secs(1), |datagram| {
        assert_ne!(datagram.1, everywhere(500));
        through_nat(datagram)
    });
}

#[test]
fn rule_51_another_certificate_than_was_announced_is_never_spoken_to() {
    for has_ice in [true, false] {
        let mut stage = Stage::new([has_ice; 2], true);
        // Somebody on the way of the signalling has put another fingerprint there.
        stage.sides[1].announced = Some(Certificate::generate().unwrap().fingerprint().to_owned());
        stage.negotiate(0);
        stage.run(Duration::from_secs(35), Some);
        let failed: Vec<_> =
            stage.sides[0].events.iter().filter(|event| event.starts_with("failed")).collect();
        assert_eq!(failed, ["failed: the other side shows another certificate than it has announced"]);
        assert!(!stage.sides.iter().any(|side| side.events.iter().any(|event| event.starts_with("keys"))));
        assert_eq!(stage.heard(), [0, 0]);
        assert!(stage.wire.iter().all(|(_, _, packet)| packet[0] != 0x80));
    }
}
