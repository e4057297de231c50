//! A server with addresses of both families, one of which does not answer (RFC 8305), on real sockets.

use crate::support::{PATIENCE, Told, on, request, start};
use ringback_message::UriBuf;
use ringback_net::{Hosts, LocateError, NetConfig, Outbox, Protocol, Target};
use ringback_transport::locate::next_hop;
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// A port of both loopback addresses: by IPv4 somebody listens there, by IPv6 the queue is full and nobody answers.
struct Server {
    answers: TcpListener,
    _silent: Vec<Socket>,
}

impl Server {
    fn start() -> Self {
        loop {
            let answers = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = answers.local_addr().unwrap().port();
            let address = SocketAddr::new([0, 0, 0, 0, 0, 0, 0, 1].into(), port);
            let queue = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
            if queue.bind(&address.into()).is_err() {
                continue;
            }
            queue.listen(0).unwrap();
            let mut silent = vec![queue];
            // Until the next one has to wait.
            loop {
                let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
                let is_taken = socket.connect_timeout(&address.into(), Duration::from_millis(200)).is_ok();
                silent.push(socket);
                if !is_taken {
                    return Self { answers, _silent: silent };
                }
            }
        }
    }

    fn port(&self) -> u16 {
        self.answers.local_addr().unwrap().port()
    }
}

fn hosts() -> Hosts {
    Hosts::from_text("::1 dual.example\n127.0.0.1 dual.example\n")
}

#[test]
fn a_family_that_does_not_answer_costs_a_quarter_of_a_second() {
    let server = Server::start();
    let config = NetConfig { hosts: hosts(), ..on(&["tcp:127.0.0.1:0", "tcp:[::1]:0"]) };
    let (net, told) = start(config);
    let uri: UriBuf = format!("sip:a@dual.example:{};transport=tcp", server.port()).parse().unwrap();
    let hop = next_hop(&uri.as_sip().unwrap()).unwrap();
    let begun = Instant::now();
    let mut out = Outbox::new();
    // Two that ask at the same time share what is connected.
    out.resolve(1, hop.clone());
    out.resolve(2, hop);
    net.send(out);
    let target =
        |ip: &str| Target::Address(Protocol::Tcp, format!("{ip}:{}", server.port()).parse().unwrap());
    for _ in 0..2 {
        let Told::Resolved(_, Ok(targets)) = told.recv_timeout(PATIENCE).unwrap() else {
            panic!("it is found")
        };
        assert_eq!(targets, [target("127.0.0.1"), target("[::1]")], "the one that answers comes first");
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(250), "{took:?}");
    assert!(took < Duration::from_secs(8), "less than a connection may take: {took:?}");
    assert_eq!(net.open_streams(), 1);
    let mut out = Outbox::new();
    let local = net.listeners()[0].address;
    out.send(None, target("127.0.0.1"), request(Protocol::Tcp, local, 1, 0));
    net.send(out);
    let (mut stream, _) = server.answers.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(crate::support::read_message(&mut stream).is_request());
    server.answers.set_nonblocking(true).unwrap();
    assert!(server.answers.accept().is_err(), "one connection, made once");
}

#[test]
fn the_preferred_family_is_taken_where_it_answers() {
    let server = TcpListener::bind("[::1]:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let (net, told) =
        start(NetConfig { hosts: hosts(), ..on(&["tcp:127.0.0.1:0", "tcp:[::1]:0", "udp:127.0.0.1:0"]) });
    let mut out = Outbox::new();
    for (token, transport) in [(1, "tcp"), (2, "udp")] {
        let uri: UriBuf = format!("sip:a@dual.example:{port};transport={transport}").parse().unwrap();
        out.resolve(token, next_hop(&uri.as_sip().unwrap()).unwrap());
    }
    net.send(out);
    for _ in 0..2 {
        match told.recv_timeout(PATIENCE).unwrap() {
            Told::Resolved(1, Ok(targets)) => assert!(targets[0].peer().is_ipv6() && targets.len() == 2),
            // Datagrams have nothing to connect; and we send none by IPv6.
            Told::Resolved(2, Ok(targets)) => assert!(targets.len() == 1 && targets[0].peer().is_ipv4()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(net.open_streams(), 1);
}

#[test]
fn where_neither_answers_nothing_is_left_to_try() {
    let port = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap().port()
    };
    let (net, told) = start(NetConfig { hosts: hosts(), ..on(&["tcp:127.0.0.1:0", "tcp:[::1]:0"]) });
    let uri: UriBuf = format!("sip:a@dual.example:{port};transport=tcp").parse().unwrap();
    let mut out = Outbox::new();
    out.resolve(1, next_hop(&uri.as_sip().unwrap()).unwrap());
    net.send(out);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Told::Resolved(1, Err(LocateError::Unreachable)));
}
