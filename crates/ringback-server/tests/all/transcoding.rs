//! Phones that do not speak the same, through a real server: each hears the other, and digits arrive.

use crate::support::{PATIENCE, Phone, config, start};
use ringback_media::{AudioCodec, DtmfDetector, Law, Opus, level};
use ringback_message::{HeaderId, Message, Method};
use ringback_rtp::event::{Event, EventPayload};
use ringback_rtp::{Contributors, PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use ringback_sdp::{Codec, Media, SessionDescription};
use ringback_server::{MediaConfig, MediaMode, ServerConfig};
use std::net::{SocketAddr, UdpSocket};

/// A phone's end of the audio: one codec and its socket.
pub(crate) struct Ear {
    pub(crate) socket: UdpSocket,
    pub(crate) relay: SocketAddr,
    pub(crate) sequence: u16,
    pub(crate) time: u32,
}

impl Ear {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, relay: "127.0.0.1:9".parse().unwrap(), sequence: 65_500, time: 1_000 }
    }

    pub(crate) fn description(&self, formats: &str, lines: &str) -> String {
        let port = self.socket.local_addr().unwrap().port();
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n{lines}"
        )
    }

    pub(crate) fn send(&mut self, number: u8, time: u32, payload: &[u8]) {
        let packet = RtpPacket {
            marker: false,
            payload_type: PayloadType::new(number).unwrap(),
            sequence: SequenceNumber(self.sequence),
            time: RtpTime(time),
            ssrc: Ssrc(5),
            contributors: Contributors::default(),
            extension: None,
            payload,
        };
        let mut octets = Vec::new();
        packet.write(&mut octets);
        self.socket.send_to(&octets, self.relay).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Payload type and payload of the next packet.
    pub(crate) fn receive(&self) -> (u8, Vec<u8>) {
        let mut buffer = [0; 2_048];
        let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
        assert_eq!(from, self.relay);
        let packet = RtpPacket::parse(&buffer[..length]).unwrap();
        (packet.payload_type.number(), packet.payload.to_vec())
    }
}

pub(crate) fn audio(message: &Message) -> (SocketAddr, Media) {
    let description = SessionDescription::parse(message.body()).unwrap();
    let media = description.media[0].clone();
    (SocketAddr::new("127.0.0.1".parse().unwrap(), media.port), media)
}

pub(crate) fn words(media: &Media) -> String {
    media.codecs().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(crate) fn tone(hertz: f64, rate: u32, frames: u32) -> Vec<i16> {
    let step = hertz / f64::from(rate) * std::f64::consts::TAU;
    (0..frames * rate / 50).map(|n| ((f64::from(n) * step).sin() * 9_000.0) as i16).collect()
}

/// How much of a sound is this tone, 0 to 1, once coders have found their way.
pub(crate) fn share(sound: &[i16], hertz: f64, rate: u32) -> f64 {
    let sound = &sound[rate as usize / 5..];
    let step = hertz / f64::from(rate) * std::f64::consts::TAU;
    let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
    for (n, sample) in (0u32..).zip(sound) {
        let (turn, sample) = (f64::from(n) * step, f64::from(*sample));
        sine += turn.sin() * sample;
        cosine += turn.cos() * sample;
        all += sample * sample;
    }
    (sine * sine + cosine * cosine) * 2.0 / (sound.len() as f64 * all).max(1.0)
}

pub(crate) fn bridging() -> ServerConfig {
    let media = MediaConfig { mode: MediaMode::Bridge, ports: [0, 0], ..MediaConfig::default() };
    ServerConfig { media, ..config() }
}

#[test]
fn a_phone_with_g711_and_one_with_opus_hear_each_other_and_digits_arrive() {
    let server = start(bridging());
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    bob.register(600);
    let (mut a, mut b) = (Ear::new(), Ear::new());
    let events = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n";
    let invite = alice.invite("sip:bob@example.com").body("application/sdp", a.description("8 101", events));
    let opus = b.description("111", "a=rtpmap:111 opus/48000/2\r\na=sendrecv\r\n");
    let (ok, offered) = std::thread::scope(|scope| {
        let callee = scope.spawn(|| {
            let invite = bob.requested(&Method::INVITE);
            let contact = bob.contact();
            let ok = invite
                .reply(ringback_message::StatusCode::OK, Some("callee"))
                .copy(&invite, HeaderId::RECORD_ROUTE)
                .header(HeaderId::CONTACT, contact)
                .body("application/sdp", opus);
            bob.send(&ok.build().unwrap());
            bob.requested(&Method::ACK);
            audio(&invite)
        });
        let (ok, invite) = alice.transact(invite);
        let ack = alice.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
        alice.send(&ack);
        (audio(&ok), callee.join().unwrap())
    });
    assert!(
        words(&offered.1).starts_with("8 PCMA/8000, 101 telephone-event/8000, 111 opus/48000/2, 9 G722/8000")
    );
    assert_eq!(words(&ok.1), "8 PCMA/8000, 101 telephone-event/8000");
    (a.relay, b.relay) = (ok.0, offered.0);

    // Both speak at once; what one says comes out as one tone at the other.
    const FRAMES: u32 = 60;
    let (low, high) = (tone(440.0, 8_000, FRAMES), tone(1_000.0, 16_000, FRAMES));
    let mut coder = Opus::default().encoder(16_000, &Codec::opus());
    let (mut at_alice, mut at_bob) = (Vec::new(), Vec::new());
    let (mut from_opus, from_law) = (Opus::default().decoder(8_000), Law::A);
    for (low, high) in low.chunks(160).zip(high.chunks(320)) {
        let mut payload = Vec::new();
        Law::A.encode_into(low, &mut payload);
        let time = a.time;
        a.send(8, time, &payload);
        a.time += 160;
        payload.clear();
        coder.encode(high, &mut payload);
        let time = b.time;
        b.send(111, time, &payload);
        b.time += 960;
        let (number, payload) = b.receive();
        assert_eq!(number, 111);
        from_opus.decode(&payload, &mut at_bob).unwrap();
        let (number, payload) = a.receive();
        assert_eq!((number, payload.len()), (8, 160));
        at_alice.extend(payload.iter().map(|octet| from_law.decode(*octet)));
    }
    let (at_bob_share, at_alice_share) = (share(&at_bob, 440.0, 8_000), share(&at_alice, 1_000.0, 8_000));
    assert!(at_bob_share > 0.9 && at_alice_share > 0.9, "{at_bob_share:.3} {at_alice_share:.3}");

    // Bob knows no events: Alice's digit comes as its tones.
    let begun = a.time;
    let mut heard = Vec::new();
    for n in 1..=8u16 {
        let payload = EventPayload { event: Event(7), end: n >= 6, volume: 10, duration: 160 * n.min(6) };
        a.send(101, begun, &payload.octets());
        if n <= 6 {
            let (number, payload) = b.receive();
            assert_eq!(number, 111);
            from_opus.decode(&payload, &mut heard).unwrap();
        }
    }
    // What the decoder still holds back.
    a.time += 960;
    let mut payload = Vec::new();
    Law::A.encode_into(&[0; 160], &mut payload);
    let time = a.time;
    a.send(8, time, &payload);
    from_opus.decode(&b.receive().1, &mut heard).unwrap();
    let mut digits = Vec::new();
    DtmfDetector::new(8_000).hear(&heard, &mut digits);
    assert_eq!(digits, ['7'], "{:?}", heard.chunks(160).map(level).collect::<Vec<_>>());

    assert!(server.stats().media_converted >= u64::from(2 * FRAMES) + 6);
    drop(server);
}

#[test]
fn with_a_format_in_common_nothing_is_converted_and_a_server_may_be_told_not_to() {
    for transcode in [true, false] {
        let mut config = bridging();
        config.media.transcode = transcode;
        let server = start(config);
        let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
        bob.register(600);
        let (mut a, mut b) = (Ear::new(), Ear::new());
        let invite = alice.invite("sip:bob@example.com").body("application/sdp", a.description("0", ""));
        let answer = b.description("0", "");
        let ((relay, answered), offered) = std::thread::scope(|scope| {
            let callee = scope.spawn(|| {
                let invite = bob.requested(&Method::INVITE);
                let contact = bob.contact();
                let ok = invite
                    .reply(ringback_message::StatusCode::OK, Some("callee"))
                    .copy(&invite, HeaderId::RECORD_ROUTE)
                    .header(HeaderId::CONTACT, contact)
                    .body("application/sdp", answer);
                bob.send(&ok.build().unwrap());
                bob.requested(&Method::ACK);
                audio(&invite)
            });
            let (ok, invite) = alice.transact(invite);
            let ack = alice.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
            alice.send(&ack);
            (audio(&ok), callee.join().unwrap())
        });
        assert_eq!(words(&offered.1).contains("opus"), transcode);
        assert_eq!(words(&answered), "0 PCMU/8000");
        (a.relay, b.relay) = (relay, offered.0);
        for n in 0..10 {
            a.send(0, n * 160, &[n as u8; 160]);
            assert_eq!(b.receive(), (0, vec![n as u8; 160]));
            b.send(0, n * 160, &[n as u8 + 100; 160]);
            assert_eq!(a.receive(), (0, vec![n as u8 + 100; 160]));
        }
        assert_eq!(server.stats().media_converted, 0);
    }
}
