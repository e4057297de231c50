//! The driver against real sockets on loopback: what a peer sees.

use crate::support::{PATIENCE, Told, is_ok, on, read_datagram, read_message, request, start, tcp, udp};
use ringback_message::header::{Header as _, Via};
use ringback_message::{HeaderId, Request, StatusCode};
use ringback_net::{
    CloseReason, Direction, MediaKind, MediaSocket, NetConfig, NextHop, Outbox, Protocol, Seen, Sockets, Tap,
    Target, local_addresses, local_ip_towards,
};
use ringback_transport::locate::Name;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[test]
fn datagrams_are_answered_on_both_families() {
    let (net, _told) = start(on(&["udp:127.0.0.1:0", "udp:[::1]:0"]));
    for listen in net.listeners() {
        let client = udp(listen.address);
        // The largest that fits a datagram on loopback comes whole.
        for body in [0, 1_300, 9_000, 60_000] {
            client.send(&request(Protocol::Udp, client.local_addr().unwrap(), body + 1, body)).unwrap();
            let answer = read_datagram(&client);
            assert!(is_ok(&answer));
            let via = Via::parse(answer.values(HeaderId::VIA).next().unwrap()).unwrap();
            assert_eq!(via.rport(), Some(Some(client.local_addr().unwrap().port())));
        }
    }
}

#[test]
fn every_datagram_of_a_burst_is_answered_by_many_workers() {
    let mut config = on(&["udp:127.0.0.1:0"]);
    config.workers = 3;
    let (net, _told) = start(config);
    let to = net.listeners()[0].address;
    let clients: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let client = udp(to);
                let mut seen = Vec::new();
                // In parts, for the client's own buffer is small.
                for part in 0..5 {
                    for cseq in 1..=50 {
                        let cseq = part * 50 + cseq;
                        client.send(&request(Protocol::Udp, client.local_addr().unwrap(), cseq, 0)).unwrap();
                    }
                    let answers = (0..50).map(|_| read_datagram(&client));
                    seen.extend(answers.map(|answer| answer.values(HeaderId::CSEQ).next().unwrap().to_vec()));
                }
                seen.sort();
                seen.dedup();
                seen.len()
            })
        })
        .collect();
    let answered: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert_eq!(answered, 1_000);
}

#[test]
fn streams_carry_messages_split_anywhere_and_keep_alives() {
    let (net, told) = start(on(&["tcp:127.0.0.1:0", "tcp:[::1]:0"]));
    for listen in net.listeners() {
        let mut client = tcp(listen.address);
        let own = client.local_addr().unwrap();
        client.write_all(&request(Protocol::Tcp, own, 1, 5_000).repeat(3)).unwrap();
        for _ in 0..3 {
            assert!(is_ok(&read_message(&mut client)));
        }
        client.set_nodelay(true).unwrap();
        for byte in request(Protocol::Tcp, own, 2, 0) {
            client.write_all(&[byte]).unwrap();
        }
        assert!(is_ok(&read_message(&mut client)));
        client.write_all(b"\r\n\r\n").unwrap();
        let mut pong = [0; 2];
        client.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"\r\n");
        // What was asked before the end is answered.
        client.write_all(&request(Protocol::Tcp, own, 3, 0)).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(is_ok(&read_message(&mut client)));
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Closed(own)));
    }
    assert_eq!(net.open_streams(), 0);
}

#[test]
fn a_connection_is_made_once_and_used_for_everything_that_follows() {
    let (net, told) = start(on(&["tcp:127.0.0.1:0"]));
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = Target::Address(Protocol::Tcp, server.local_addr().unwrap());
    let mut out = Outbox::new();
    for cseq in 1..=2 {
        out.send(Some(cseq), to, request(Protocol::Tcp, net.listeners()[0].address, cseq as usize, 0));
    }
    net.send(out);
    let (mut stream, _) = server.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..2 {
        let asked = Request::try_from(read_message(&mut stream)).unwrap();
        stream.write_all(&asked.reply(StatusCode::RINGING, Some("x")).build().unwrap().render()).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Response(StatusCode::RINGING, Protocol::Tcp)));
    }
    let mut out = Outbox::new();
    out.send(Some(3), to, request(Protocol::Tcp, net.listeners()[0].address, 3, 0));
    net.send(out);
    assert_eq!(read_message(&mut stream).values(HeaderId::CSEQ).next(), Some(&b"3 OPTIONS"[..]));
}

#[test]
fn rule_10_what_cannot_be_sent_is_reported() {
    let (net, told) = start(on(&["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]));
    // Ports on which nobody listens: they were free a moment ago.
    let closed_udp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed_tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (tag, to, reason) in [
        (1, Target::Address(Protocol::Tcp, closed_tcp), CloseReason::Refused),
        (2, Target::Address(Protocol::Udp, closed_udp), CloseReason::Reset),
        (3, Target::Address(Protocol::Udp, "[::1]:5060".parse().unwrap()), CloseReason::NoRoute),
        (4, Target::Address(Protocol::Tls, closed_tcp), CloseReason::NoRoute),
    ] {
        let mut out = Outbox::new();
        out.send(Some(tag), to, request(Protocol::Udp, closed_udp, 1, 0));
        net.send(out);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Failed(tag, reason)));
    }
    // The socket that heard of it goes on.
    let client = udp(net.listeners()[0].address);
    client.send(&request(Protocol::Udp, client.local_addr().unwrap(), 1, 0)).unwrap();
    assert!(is_ok(&read_datagram(&client)));
}

#[test]
fn fault_3_half_a_message_ends_the_connection_and_no_other() {
    let mut config = on(&["tcp:127.0.0.1:0"]);
    config.transport.message = Duration::from_millis(100);
    let (net, _told) = start(config);
    let (mut slow, mut other) = (tcp(net.listeners()[0].address), tcp(net.listeners()[0].address));
    slow.write_all(b"OPTIONS sip:").unwrap();
    assert_eq!(slow.read(&mut [0]).unwrap(), 0, "closed by us");
    let own = other.local_addr().unwrap();
    other.write_all(&request(Protocol::Tcp, own, 1, 0)).unwrap();
    assert!(is_ok(&read_message(&mut other)));
}

#[test]
fn fault_4_a_peer_that_does_not_read_is_closed() {
    let mut config = on(&["tcp:127.0.0.1:0"]);
    config.max_queued_bytes = 10_000;
    let (net, told) = start(config);
    let slow = tcp(net.listeners()[0].address);
    let own = slow.local_addr().unwrap();
    let bytes = request(Protocol::Tcp, own, 1, 0);
    let writer = std::thread::spawn({
        let mut slow = slow.try_clone().unwrap();
        // Ends with an error when we close.
        move || while slow.write_all(&bytes.repeat(100)).is_ok() {}
    });
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Closed(own)));
    drop(slow);
    writer.join().unwrap();
}

#[test]
fn malformed_messages_are_answered_and_told() {
    let (net, told) = start(on(&["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]));
    let client = udp(net.listeners()[0].address);
    let own = client.local_addr().unwrap();
    let broken =
        String::from_utf8(request(Protocol::Udp, own, 1, 0).to_vec()).unwrap().replace("1 OPTIONS", "x");
    client.send(broken.as_bytes()).unwrap();
    assert_eq!(read_datagram(&client).status(), Some(StatusCode::BAD_REQUEST));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Malformed("CSeq")));
    let mut client = tcp(net.listeners()[1].address);
    client.write_all(broken.replace("Content-Length: 0", "Content-Length: -1").as_bytes()).unwrap();
    assert_eq!(read_message(&mut client).status(), Some(StatusCode::BAD_REQUEST));
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "framing is lost, so it is closed");
}

#[test]
fn names_are_resolved_to_what_we_listen_on() {
    let (net, told) = start(on(&["udp:127.0.0.1:0"]));
    let mut out = Outbox::new();
    let name = Name { host: "localhost".into(), port: Some(5070), protocol: None, secure: false };
    out.resolve(7, NextHop::Name(name));
    net.send(out);
    let here = Target::Address(Protocol::Udp, "127.0.0.1:5070".parse().unwrap());
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Resolved(7, Ok(vec![here]))));
    let mut out = Outbox::new();
    out.resolve(8, NextHop::Known(here));
    net.send(out);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Resolved(8, Ok(vec![here]))));
}

#[test]
fn a_deadline_that_a_command_set_wakes_its_worker() {
    let mut config = on(&["udp:127.0.0.1:0"]);
    config.workers = 2;
    let (net, told) = start(config);
    for millis in [50, 0, 5] {
        let at = Instant::now() + Duration::from_millis(millis);
        *net.core().due.lock().unwrap() = Some(at);
        net.wake();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Timeout));
        assert!(Instant::now() >= at);
    }
}

#[test]
fn a_port_that_is_taken_is_refused_by_name() {
    let (net, _told) = start(on(&["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]));
    for listen in net.listeners() {
        for workers in [1, 2] {
            let error = Sockets::bind(NetConfig { workers, ..NetConfig::new([*listen]) }).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot listen on {listen}: another program does already"));
        }
    }
}

#[tokio::test]
async fn shutdown_writes_what_waits_and_frees_the_ports() {
    let (net, told) = start(on(&["tcp:127.0.0.1:0", "udp:127.0.0.1:0"]));
    let listeners = net.listeners().to_vec();
    let mut client = tcp(listeners[0].address);
    let own = client.local_addr().unwrap();
    client.write_all(&request(Protocol::Tcp, own, 1, 0)).unwrap();
    assert!(is_ok(&read_message(&mut client)));
    net.shutdown().await;
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Closed(own)));
    drop(net);
    assert!(Sockets::bind(NetConfig::new(listeners)).is_ok());
}

/// Counts what went each way.
#[derive(Default)]
struct Counts([AtomicUsize; 2]);

impl Tap for Counts {
    fn saw(&self, seen: Seen<'_>) {
        assert!(seen.at > Duration::from_secs(1_600_000_000) && !seen.bytes.is_empty());
        self.0[usize::from(seen.direction == Direction::Out)].fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_tap_sees_both_ways() {
    let counts = Arc::new(Counts::default());
    let mut config = on(&["udp:127.0.0.1:0"]);
    config.tap = Some(counts.clone());
    let (net, _told) = start(config);
    let client = udp(net.listeners()[0].address);
    client.send(&request(Protocol::Udp, client.local_addr().unwrap(), 1, 0)).unwrap();
    read_datagram(&client);
    assert_eq!(counts.0.each_ref().map(|count| count.load(Ordering::SeqCst)), [1, 1]);
}

/// Whom second messages went to, in their order.
#[derive(Debug, Default)]
struct Sent(Mutex<Vec<SocketAddr>>);

impl Tap for Sent {
    fn saw(&self, seen: Seen<'_>) {
        let is_second = seen.bytes.windows(9).any(|part| part == b"2 OPTIONS");
        if seen.direction == Direction::Out && is_second {
            self.0.lock().unwrap().push(seen.peer);
        }
    }
}

#[test]
fn what_one_turn_sends_leaves_in_its_order_whatever_it_goes_over() {
    let sent = Arc::new(Sent::default());
    let mut config = on(&["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]);
    config.tap = Some(sent.clone());
    let (net, _told) = start(config);
    let servers = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [first, second] = servers.each_ref().map(|server| server.local_addr().unwrap());
    let send = |peers: &[(Protocol, SocketAddr)], cseq: usize| {
        let mut out = Outbox::new();
        for (protocol, peer) in peers {
            out.send(None, Target::Address(*protocol, *peer), request(*protocol, *peer, cseq, 0));
        }
        net.send(out);
    };
    let mut streams = Vec::new();
    for server in &servers {
        send(&[(Protocol::Tcp, server.local_addr().unwrap())], 1);
        let (mut stream, _) = server.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        read_message(&mut stream);
        streams.push(stream);
    }
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for peers in [
        [(Protocol::Tcp, first), (Protocol::Tcp, second), (Protocol::Udp, datagrams)],
        [(Protocol::Udp, datagrams), (Protocol::Tcp, second), (Protocol::Tcp, first)],
    ] {
        sent.0.lock().unwrap().clear();
        send(&peers, 2);
        for stream in &mut streams {
            read_message(stream);
        }
        assert_eq!(*sent.0.lock().unwrap(), peers.map(|(_, peer)| peer));
    }
}

#[tokio::test]
async fn media_has_an_even_port_and_the_next_one() {
    let localhost = "127.0.0.1".parse().unwrap();
    let (here, there) = (MediaSocket::bind(localhost).unwrap(), MediaSocket::bind(localhost).unwrap());
    assert_eq!(here.rtp_address().port() % 2, 0);
    for (kind, to) in [(MediaKind::Rtp, there.rtp_address()), (MediaKind::Rtcp, there.rtcp_address())] {
        here.send(kind, b"packet", to).await.unwrap();
        let mut buffer = [0; 1_500];
        let (got, len, _) = there.receive(&mut buffer).await.unwrap();
        assert_eq!((got, &buffer[..len]), (kind, &b"packet"[..]));
    }
    assert_eq!(local_ip_towards(there.rtp_address()).unwrap(), localhost);
    assert!(local_addresses().unwrap().contains(&localhost));
}

#[test]
fn stun_is_answered_on_the_port_of_sip_and_a_kept_flow_tells_when_nobody_is_there() {
    let (server, _) = start(on(&["udp:127.0.0.1:0", "udp:[::1]:0"]));
    for listen in server.listeners() {
        let client = udp(listen.address);
        client.send(&ringback_transport::stun::request([7; 12])).unwrap();
        let mut buffer = [0; 128];
        let length = client.recv(&mut buffer).unwrap();
        let own = client.local_addr().unwrap();
        assert_eq!(ringback_transport::stun::mapped(&buffer[..length]), Some(([7; 12], own)));
        // Rubbish of that kind is not, and disturbs nobody.
        client.send(&ringback_transport::stun::request([7; 12])[..19]).unwrap();
        client.send(&request(Protocol::Udp, own, 1, 0)).unwrap();
        assert!(is_ok(&read_datagram(&client)));
    }
    let (net, told) = start(on(&["udp:127.0.0.1:0"]));
    let own = net.listeners()[0].address;
    let flow =
        |peer| ringback_net::Flow { id: ringback_net::FlowId(0), protocol: Protocol::Udp, local: own, peer };
    let mut out = Outbox::new();
    out.keep(flow(server.listeners()[0].address), Duration::from_secs(29));
    net.send(out);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Mapped(own)));
}

#[test]
fn rule_42_a_kept_connection_whose_peer_is_silent_is_told_as_closed() {
    let mut config = on(&["tcp:127.0.0.1:0"]);
    config.transport.pong = Duration::from_millis(200);
    let (net, told) = start(config);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = server.local_addr().unwrap();
    let mut out = Outbox::new();
    out.send(None, Target::Address(Protocol::Tcp, peer), request(Protocol::Tcp, peer, 1, 0));
    net.send(out);
    let (mut stream, _) = server.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let asked = Request::try_from(read_message(&mut stream)).unwrap();
    stream.write_all(&asked.reply(StatusCode::OK, Some("x")).build().unwrap().render()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Response(StatusCode::OK, Protocol::Tcp)));
    let mut out = Outbox::new();
    out.keep(net.core().last.lock().unwrap().unwrap(), Duration::from_millis(200));
    net.send(out);
    let mut ping = [0; 4];
    for pong in [&b"\r\n"[..], b"\r\n", b""] {
        stream.read_exact(&mut ping).unwrap();
        assert_eq!(&ping, b"\r\n\r\n");
        stream.write_all(pong).unwrap();
    }
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Closed(peer)));
    assert_eq!(stream.read(&mut ping).unwrap(), 0);
}

#[test]
fn fault_45_a_kept_flow_whose_nat_forgets_it_is_told_as_reset() {
    let (server, _) = start(on(&["udp:127.0.0.1:0"]));
    let (net, told) = start(on(&["udp:127.0.0.1:0"]));
    let own = net.listeners()[0].address;
    // A NAT that takes another port for what comes after the third question.
    let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
    let peer = inside.local_addr().unwrap();
    let outside = [udp(server.listeners()[0].address), udp(server.listeners()[0].address)];
    let ports = outside.each_ref().map(|socket| socket.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 1_500];
        for question in 0.. {
            let Ok((length, from)) = inside.recv_from(&mut buffer) else { return };
            let outside = &outside[usize::from(question >= 3)];
            outside.send(&buffer[..length]).unwrap();
            let length = outside.recv(&mut buffer).unwrap();
            inside.send_to(&buffer[..length], from).unwrap();
        }
    });
    let flow = ringback_net::Flow { id: ringback_net::FlowId(0), protocol: Protocol::Udp, local: own, peer };
    let mut out = Outbox::new();
    out.keep(flow, Duration::from_millis(50));
    net.send(out);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Mapped(ports[0])));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Closed(peer)));
}
