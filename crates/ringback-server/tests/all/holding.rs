//! Hold music and the formats of a route, through a real server.

use crate::support::{Phone, Scratch, config, start};
use crate::transcoding::{Ear, audio, bridging, share, tone, words};
use ringback_media::{Law, WavWriter};
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_rtp::{RtpPacket, SequenceNumber};
use ringback_sdp::{Direction, Media};
use ringback_server::{MediaConfig, MediaMode, RouteConfig, ServerConfig};
use std::net::SocketAddr;

/// A second of 600 Hz.
fn music(folder: &Scratch) -> std::path::PathBuf {
    let path = folder.path().join("hold.wav");
    let mut writer = WavWriter::new(std::fs::File::create(&path).unwrap(), 8_000).unwrap();
    writer.write(&tone(600.0, 8_000, 50)).unwrap();
    writer.finish().unwrap();
    path
}

/// What a description tells of its audio.
type Told = (SocketAddr, Media);

/// Alice sends an INVITE with a description, and Bob answers with another; what each was told.
fn exchange(
    alice: &mut Phone,
    bob: &mut Phone,
    dialog: Option<&(Request, Response)>,
    offer: String,
    answer: String,
) -> ((Request, Response), Told, Told) {
    let invite = match dialog {
        Some((invite, ok)) => {
            let contact = alice.contact();
            alice.in_dialog(Method::INVITE, invite, ok).header(HeaderId::CONTACT, contact)
        }
        None => alice.invite("sip:bob@example.com"),
    };
    let invite = invite.body("application/sdp", offer);
    std::thread::scope(|scope| {
        let callee = scope.spawn(|| {
            let invite = bob.requested(&Method::INVITE);
            let contact = bob.contact();
            let ok = invite
                .reply(StatusCode::OK, Some("callee"))
                .copy(&invite, HeaderId::RECORD_ROUTE)
                .header(HeaderId::CONTACT, contact)
                .body("application/sdp", answer);
            bob.send(&ok.build().unwrap());
            bob.requested(&Method::ACK);
            audio(&invite)
        });
        let (ok, invite) = match dialog {
            None => alice.transact(invite),
            Some(_) => {
                let request = invite.build().unwrap();
                alice.send(&request);
                (alice.outcome(&request), request)
            }
        };
        let told = audio(&ok);
        // The way is that of the dialog, which its first answer has told.
        let way = dialog.map_or(&ok, |(_, first)| first);
        let ack = alice.in_dialog(Method::ACK, &invite, way).build().unwrap();
        alice.send(&ack);
        let offered = callee.join().unwrap();
        ((invite, ok), told, offered)
    })
}

fn direction(media: &Media) -> Direction {
    media.direction().unwrap_or_default()
}

/// Number, time and samples of the next packet.
fn next(ear: &Ear) -> (SequenceNumber, u32, Vec<i16>) {
    let mut buffer = [0; 2_048];
    let (length, from) = ear.socket.recv_from(&mut buffer).unwrap();
    assert_eq!(from, ear.relay);
    let packet = RtpPacket::parse(&buffer[..length]).unwrap();
    assert_eq!((packet.ssrc.0, packet.payload_type.number()), (5, 0));
    let samples = packet.payload.iter().map(|octet| Law::Mu.decode(*octet)).collect();
    (packet.sequence, packet.time.0, samples)
}

#[test]
fn who_is_held_hears_the_file_and_then_the_other_side_again_as_one_stream() {
    let folder = Scratch::new("hold");
    let media = MediaConfig { hold_music: Some(music(&folder)), ..bridging().media };
    let server = start(ServerConfig { media, ..config() });
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    bob.register(600);
    let (mut a, mut b) = (Ear::new(), Ear::new());
    let (offer, answer) = (a.description("0", ""), b.description("0", ""));
    let (dialog, told, offered) = exchange(&mut alice, &mut bob, None, offer, answer);
    (a.relay, b.relay) = (told.0, offered.0);
    let mut last = None;
    for n in 0..10_u32 {
        a.send(0, 1_000 + n * 160, &[Law::Mu.encode(50); 160]);
        last = Some(next(&b));
    }

    let (hold, held) = (a.description("0", "a=inactive\r\n"), b.description("0", "a=recvonly\r\n"));
    let (_, told, offered) = exchange(&mut alice, &mut bob, Some(&dialog), hold, held);
    assert_eq!((direction(&offered.1), direction(&told.1)), (Direction::SendOnly, Direction::Inactive));
    let (mut sequence, mut time, _) = last.unwrap();
    let mut heard = Vec::new();
    for n in 0..60 {
        let (number, at, samples) = next(&b);
        assert_eq!(number, sequence.next());
        let step = at.wrapping_sub(time);
        assert!(if n == 0 { step >= 160 } else { step == 160 }, "{step} before packet {n}");
        (sequence, time) = (number, at);
        heard.extend(samples);
    }
    let likeness = share(&heard, 600.0, 8_000);
    assert!(likeness > 0.9, "{likeness}");

    let (talk, talks) = (a.description("0", ""), b.description("0", ""));
    let (_, told, offered) = exchange(&mut alice, &mut bob, Some(&dialog), talk, talks);
    assert_eq!((direction(&offered.1), direction(&told.1)), (Direction::SendRecv, Direction::SendRecv));
    let quiet = Law::Mu.decode(Law::Mu.encode(50));
    for n in 100..120_u32 {
        a.send(0, 1_000 + n * 160, &[Law::Mu.encode(50); 160]);
        // What was still on its way.
        loop {
            let (number, at, samples) = next(&b);
            assert_eq!(number, sequence.next());
            assert!(at.wrapping_sub(time) >= 160 && at.wrapping_sub(time) < 80_000);
            (sequence, time) = (number, at);
            if samples.iter().all(|sample| *sample == quiet) {
                break;
            }
        }
        b.send(0, n * 160, &[Law::Mu.encode(90); 160]);
        assert_eq!(a.receive().1, [Law::Mu.encode(90); 160]);
    }
}

#[test]
fn a_route_says_which_formats_its_calls_are_offered() {
    // A phone has an address once it has found a server; the one with the route leads there.
    let before = start(config());
    let mut bob = Phone::udp(&before, "bob", "b");
    let to = bob.contact().trim_matches(['<', '>']).to_owned();
    let route = RouteConfig {
        user: Some("^gateway$".into()),
        media: Some(MediaMode::Bridge),
        codecs: vec!["opus".into(), "pcma".into()],
        to: vec![to],
        ..RouteConfig::default()
    };
    let media = MediaConfig { ports: [0, 0], ..MediaConfig::default() };
    let server = start(ServerConfig { media, routes: vec![route], ..config() });
    bob.turn_to(&server);
    let mut alice = Phone::udp(&server, "alice", "a");
    let (a, b) = (Ear::new(), Ear::new());
    let events = "a=rtpmap:101 telephone-event/8000\r\n";
    let offer = a.description("0 101", events);
    let answer = b.description("8", "");
    let (offered, answered) = std::thread::scope(|scope| {
        let callee = scope.spawn(|| {
            let invite = bob.requested(&Method::INVITE);
            let contact = bob.contact();
            let ok = invite
                .reply(StatusCode::OK, Some("callee"))
                .copy(&invite, HeaderId::RECORD_ROUTE)
                .header(HeaderId::CONTACT, contact)
                .body("application/sdp", answer);
            bob.send(&ok.build().unwrap());
            audio(&invite)
        });
        let invite = alice.invite("sip:gateway@example.com").body("application/sdp", offer);
        let (ok, _) = alice.transact(invite);
        assert_eq!(ok.status(), StatusCode::OK);
        (callee.join().unwrap(), audio(&ok))
    });
    assert_eq!(
        words(&offered.1),
        "111 opus/48000/2, 8 PCMA/8000, 110 telephone-event/48000, 101 telephone-event/8000"
    );
    assert_eq!(words(&answered.1), "0 PCMU/8000, 101 telephone-event/8000");
}
