//! Media through the server: whose packets pass, and whose never do.

use crate::support::{PATIENCE, Phone, config, start};
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_server::{MediaConfig, MediaMode, RouteConfig, Server, ServerConfig};
use std::net::{SocketAddr, UdpSocket};
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
    Up { alice, bob, media, relay, invite, ok }
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
