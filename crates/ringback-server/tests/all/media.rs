//! Media through the server: whose packets pass, and whose never do.

use crate::support::{PATIENCE, Phone, Scratch, config, start};
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_server::{
    CallRecord, EndedBy, MediaConfig, MediaMode, RouteConfig, Server, ServerConfig, admin,
};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Ports that the system chooses.
fn relaying() -> ServerConfig {
    ServerConfig {
        media: MediaConfig { mode: MediaMode::Relay, ports: [0, 0], ..MediaConfig::default() },
        ..config()
    }
}

/// A socket for RTP.
struct Media(UdpSocket);

impl Media {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn offer(&self) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n\
             a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n",
            self.port()
        )
    }

    /// One packet whose payload is that octet.
    fn send(&self, to: SocketAddr, number: u8, octet: u8) {
        let packet = [&[0x80, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 1][..], &[octet; 160]].concat();
        self.0.send_to(&packet, to).unwrap();
    }

    /// The payload octet of the next packet, and where it came from.
    fn receive(&self) -> (u8, SocketAddr) {
        let mut buffer = [0; 2_048];
        let (length, from) = self.0.recv_from(&mut buffer).unwrap();
        assert_eq!(length, 172);
        (buffer[12], from)
    }

    fn is_silent(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let nothing = self.0.recv_from(&mut [0; 2_048]).is_err();
        self.0.set_nonblocking(false).unwrap();
        nothing
    }
}

/// Where a description wants its audio.
fn told(message: &Message) -> SocketAddr {
    let text = String::from_utf8(message.body().to_vec()).unwrap();
    assert!(!text.contains("candidate"), "{text}");
    let word = |line: &str, at: usize| {
        let line = text.lines().find(|it| it.starts_with(line)).unwrap();
        line.split(' ').nth(at).unwrap().to_owned()
    };
    SocketAddr::new(word("c=", 2).parse().unwrap(), word("m=audio", 1).parse().unwrap())
}

struct Up {
    alice: Phone,
    bob: Phone,
    /// Their sockets, and where each was told to send.
    media: [Media; 2],
    relay: [SocketAddr; 2],
    invite: Request,
    ok: Response,
    /// The number of the INVITE.
    cseq: u32,
}

/// A call that is up.
fn up(server: &Server) -> Up {
    let (mut alice, mut bob) = (Phone::udp(server, "alice", "a"), Phone::udp(server, "bob", "b"));
    bob.register(600);
    let media = [Media::new(), Media::new()];
    let invite = alice.invite("sip:bob@example.com").body("application/sdp", media[0].offer());
    let (answer, ((ok, invite), at_bob)) = (
        media[1].offer(),
        std::thread::scope(|scope| {
            let answered = scope.spawn(|| {
                let invite = bob.requested(&Method::INVITE);
                let contact = bob.contact();
                let ok = invite
                    .reply(StatusCode::OK, Some("callee"))
                    .copy(&invite, HeaderId::RECORD_ROUTE)
                    .header(HeaderId::CONTACT, contact)
                    .body("application/sdp", media[1].offer());
                bob.send(&ok.build().unwrap());
                bob.requested(&Method::ACK);
                told(&invite)
            });
            let (ok, invite) = alice.transact(invite);
            let ack = alice.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
            alice.send(&ack);
            ((ok, invite), answered.join().unwrap())
        }),
    );
    assert!(answer.contains("candidate"));
    let relay = [told(&ok), at_bob];
    let cseq = invite.require::<CSeq>().unwrap().number;
    Up { alice, bob, media, relay, invite, ok, cseq }
}

fn hang_up(up: &mut Up) {
    let bye = up.alice.in_dialog(Method::BYE, &up.invite, &up.ok);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let bye = up.bob.requested(&Method::BYE);
            up.bob.reply(&bye, StatusCode::OK);
        });
        assert_eq!(up.alice.transact(bye).0.status(), StatusCode::OK);
    });
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn audio_goes_through_the_server_both_ways_and_ends_with_the_call() {
    let server = start(relaying());
    let mut up = up(&server);
    let [alice, bob] = &up.media;
    assert_ne!(up.relay[0].port(), bob.port());
    assert_ne!(up.relay[1].port(), alice.port());
    for number in 0..20 {
        alice.send(up.relay[0], number, 0xa0);
        assert_eq!(bob.receive(), (0xa0, up.relay[1]), "from the port that Bob sends to");
        bob.send(up.relay[1], number, 0xb0);
        assert_eq!(alice.receive(), (0xb0, up.relay[0]));
    }
    assert_eq!(server.stats().media_streams, 1);
    wait_until("packets are counted", || server.stats().media_packets == 40);
    hang_up(&mut up);
    wait_until("the ports are free", || server.stats().media_streams == 0);
    UdpSocket::bind(up.relay[0]).expect("nobody has the port any more");
}

/// Faults 23 and 24: before, during and after the call an attacker, on the same host even, neither gets nor puts audio.
#[test]
fn fault_23_packets_of_a_stranger_never_pass() {
    let server = start(relaying());
    let mut up = up(&server);
    let stranger = Media::new();
    let mallory = |number| up.relay.iter().for_each(|port| stranger.send(*port, number, 0x66));
    // Before anybody has spoken: he would be the first.
    (0..10).for_each(mallory);
    wait_until("they are seen", || server.stats().dropped.get("media_stranger") == Some(&20));
    let [alice, bob] = &up.media;
    for number in 0..10 {
        alice.send(up.relay[0], number, 0xa0);
        mallory(number);
        bob.send(up.relay[1], number, 0xb0);
        assert_eq!((bob.receive().0, alice.receive().0), (0xa0, 0xb0));
    }
    // And between two packets of a party that has fallen silent.
    (10..20).for_each(mallory);
    wait_until("they are seen", || server.stats().dropped.get("media_stranger") == Some(&60));
    alice.send(up.relay[0], 20, 0xa1);
    assert_eq!(bob.receive().0, 0xa1);
    assert!(alice.is_silent() && bob.is_silent() && stranger.is_silent());
    hang_up(&mut up);
    wait_until("the ports are free", || server.stats().media_streams == 0);
    let [alice, bob] = &up.media;
    up.relay.iter().for_each(|port| stranger.send(*port, 21, 0x66));
    assert!(alice.is_silent() && bob.is_silent() && stranger.is_silent());
}

#[test]
fn a_call_that_fails_holds_no_ports_and_without_ports_there_is_no_call() {
    let server = start(relaying());
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    bob.register(600);
    let invite = alice.invite("sip:bob@example.com");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let invite = bob.requested(&Method::INVITE);
            assert_eq!(server.stats().media_streams, 1);
            bob.reply(&invite, StatusCode::BUSY_HERE);
        });
        assert_eq!(alice.transact(invite).0.status(), StatusCode::BUSY_HERE);
    });
    wait_until("the ports are free", || server.stats().media_streams == 0);

    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port() & !1;
    let mut config = relaying();
    config.media.ports = [port, port + 3];
    let server = start(config);
    let (mut alice, mut bob) = (Phone::udp(&server, "alice", "a"), Phone::udp(&server, "bob", "b"));
    bob.register(600);
    let refused = alice.invite("sip:bob@example.com");
    let refused = alice.transact(refused).0;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.values(HeaderId::RETRY_AFTER).next().is_some());
}

/// Who has died is told of, shown, and where that is configured both sides are told that the call is over.
#[test]
fn a_call_of_which_a_side_has_died_is_told_and_ended() {
    let scratch = Scratch::new("silent");
    for is_ended in [false, true] {
        let mut config = relaying();
        (config.media.timeout, config.media.end_silent_calls) = (1, is_ended);
        let lines = scratch.path().join(format!("{is_ended}.jsonl"));
        config.records.jsonl = Some(lines.clone());
        config.admin = scratch.path().join("admin.sock").into();
        let server = start(config);
        let mut up = up(&server);
        let dropped = |name: &str| server.stats().dropped.get(name).copied().unwrap_or_default();
        // Alice speaks on, and Bob is not heard.
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in (0..=255).cycle() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    up.media[0].send(up.relay[0], number, 0xa0);
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            if is_ended {
                for (phone, number) in [(&mut up.alice, 1), (&mut up.bob, up.cseq + 1)] {
                    let bye = phone.requested(&Method::BYE);
                    phone.reply(&bye, StatusCode::OK);
                    let reason = bye
                        .values(HeaderId::REASON)
                        .next()
                        .map(|it| String::from_utf8_lossy(it).into_owned());
                    assert_eq!(reason.as_deref(), Some("Q.850;cause=102;text=\"no media for 1 s\""));
                    assert_eq!(bye.require::<CSeq>().unwrap().number, number);
                    assert!(!bye.has(HeaderId::ROUTE), "nobody is between");
                }
            } else {
                wait_until("silence is counted", || dropped("media_silent") == 1);
                let calls = admin::calls(server.admin().unwrap()).unwrap();
                let heard = calls[0].media.unwrap();
                assert!(heard.callee.silent && !heard.caller.silent, "{heard:?}");
                assert!(heard.caller.packets > 10 && heard.callee.packets == 0, "{heard:?}");
                // Heard again, he is there again.
                up.media[1].send(up.relay[1], 1, 0xb0);
                let is_heard =
                    || !admin::calls(server.admin().unwrap()).unwrap()[0].media.unwrap().callee.silent;
                wait_until("he is heard", is_heard);
            }
            over.store(true, Ordering::Relaxed);
        });
        if !is_ended {
            hang_up(&mut up);
        }
        wait_until("the ports are free", || server.stats().media_streams == 0);
        assert_eq!((dropped("media_silent"), dropped("media_silent_ended")), (1, u64::from(is_ended)));
        assert_eq!(server.stats().calls, 0);
        drop(server);
        let text = std::fs::read_to_string(lines).unwrap();
        let record: CallRecord = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let heard = record.media.unwrap();
        assert!(heard.caller.packets > 20 && heard.caller.mos.is_none_or(|mos| mos > 4.0), "{heard:?}");
        assert_eq!((heard.callee.silent, heard.callee.packets), (is_ended, u64::from(!is_ended)));
        let (by, reason) = match is_ended {
            true => (EndedBy::Server, Some("no media of the callee for 1 s")),
            false => (EndedBy::Caller, None),
        };
        assert_eq!((record.ended_by, record.reason.as_deref()), (by, reason));
    }
}

#[test]
fn a_route_says_whose_media_are_relayed() {
    let route = |user: &str, media| RouteConfig {
        user: Some(user.to_owned()),
        to: vec!["sip:127.0.0.1:9".into()],
        media,
        ..RouteConfig::default()
    };
    let mut config = config();
    config.media.ports = [0, 0];
    let gateway = UdpSocket::bind("127.0.0.1:0").unwrap();
    gateway.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = format!("sip:{}", gateway.local_addr().unwrap());
    config.routes = vec![
        route("^1", Some(MediaMode::Relay)),
        route("^2", Some(MediaMode::Direct)),
        route("^3", None),
        route("^[45]", Some(MediaMode::Auto)),
    ];
    config.routes.iter_mut().for_each(|route| route.to = vec![to.clone()]);
    let server = start(config);
    let mut alice = Phone::udp(&server, "alice", "a");
    // The last one is behind a NAT: its media are not where its signalling comes from.
    for (user, is_relayed) in [("1", true), ("2", false), ("3", false), ("4", false), ("5", true)] {
        let host = if user == "5" { "10.0.0.1" } else { "127.0.0.1" };
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
        );
        let invite = alice.invite(&format!("sip:{user}@example.com")).body("application/sdp", offer);
        let body = std::thread::scope(|scope| {
            let seen = scope.spawn(|| {
                let mut buffer = [0; 8_192];
                let (length, from) = gateway.recv_from(&mut buffer).unwrap();
                let invite = Request::try_from(Message::parse(buffer[..length].to_vec()).unwrap()).unwrap();
                let refusal = invite.reply(StatusCode::BUSY_HERE, Some("gateway")).build().unwrap();
                gateway.send_to(&refusal.render(), from).unwrap();
                // The ACK to it.
                gateway.recv_from(&mut buffer).unwrap();
                String::from_utf8(invite.body().to_vec()).unwrap()
            });
            assert_eq!(alice.transact(invite).0.status(), StatusCode::BUSY_HERE);
            seen.join().unwrap()
        });
        assert_eq!(!body.contains("m=audio 4000 "), is_relayed, "{user}: {body}");
    }
    wait_until("no ports are held", || server.stats().media_streams == 0);
}
