//! SIP over WebSocket (RFC 7118): what a client sees, and one that does not keep to the rules.

use crate::support::{PATIENCE, Told, is_ok, on, request, start, tcp};
use bytes::Bytes;
use ringback_message::{Message, StatusCode};
use ringback_net::{
    CloseReason, NetConfig, Outbox, Protocol, Target, Tls, TlsIdentity, TlsSettings, TlsVerify,
};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::client::{IntoClientRequest as _, client};
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message as Frame, WebSocket, accept_hdr};

fn web_socket(peer: SocketAddr) -> WebSocket<TcpStream> {
    let mut asked = format!("ws://{peer}/").into_client_request().unwrap();
    asked.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
    let (socket, answer) = client(asked, tcp(peer)).unwrap();
    assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "sip");
    socket
}

fn read(socket: &mut WebSocket<TcpStream>) -> Message {
    match socket.read().unwrap() {
        Frame::Text(text) => Message::parse(Bytes::from(text)).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A frame of a client, masked with zeros, which change nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The status with which the server closes.
fn closed_with(stream: &mut TcpStream) -> Option<u16> {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    let at = said.windows(2).position(|frame| frame == [0x88, 2])?;
    Some(u16::from_be_bytes([said[at + 2], said[at + 3]]))
}

#[test]
fn messages_go_as_text_or_binary_and_in_pieces() {
    let (net, told) = start(on(&["ws:127.0.0.1:0", "ws:[::1]:0"]));
    for listen in net.listeners() {
        let mut socket = web_socket(listen.address);
        let own = socket.get_ref().local_addr().unwrap();
        let asked = request(Protocol::Ws, own, 1, 5_000);
        let text = String::from_utf8(asked.to_vec()).unwrap();
        for frame in [Frame::Text(text.into()), Frame::Binary(asked.clone())] {
            socket.send(frame).unwrap();
            assert!(is_ok(&read(&mut socket)));
        }
        socket.send(Frame::Ping(Bytes::from_static(b"there?"))).unwrap();
        assert_eq!(socket.read().unwrap(), Frame::Pong(Bytes::from_static(b"there?")));
        socket.send(Frame::Text("\r\n\r\n".into())).unwrap();
        assert_eq!(socket.read().unwrap(), Frame::Text("\r\n".into()), "RFC 5626 works here, too");
        let stream = socket.get_mut();
        stream.set_nodelay(true).unwrap();
        let asked = request(Protocol::Ws, own, 2, 0);
        // Fault 28: a frame for each octet, with a ping among them.
        for (at, octet) in asked.iter().enumerate() {
            let first = if at == 0 { 0x01 } else { 0x00 } | if at + 1 == asked.len() { 0x80 } else { 0 };
            stream.write_all(&frame(first, &[*octet])).unwrap();
            if at == 10 {
                stream.write_all(&frame(0x89, b"!")).unwrap();
            }
        }
        assert_eq!(socket.read().unwrap(), Frame::Pong(Bytes::from_static(b"!")));
        assert!(is_ok(&read(&mut socket)));
        socket.close(None).unwrap();
        assert!(matches!(socket.read(), Ok(Frame::Close(_))));
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Closed(own)));
    }
    assert_eq!(net.open_streams(), 0);
}

#[test]
fn fault_28_rubbish_in_a_frame_is_told_and_the_next_message_is_answered() {
    let (net, told) = start(on(&["ws:127.0.0.1:0"]));
    let mut socket = web_socket(net.listeners()[0].address);
    let own = socket.get_ref().local_addr().unwrap();
    socket.send(Frame::Text("rubbish".into())).unwrap();
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(Told::Malformed(_))));
    socket.send(Frame::Binary(request(Protocol::Ws, own, 1, 0))).unwrap();
    assert!(is_ok(&read(&mut socket)));
}

#[test]
fn fault_28_what_breaks_the_protocol_is_closed_with_the_reason_and_disturbs_nobody() {
    let mut config = on(&["ws:127.0.0.1:0"]);
    config.transport.message = Duration::from_millis(300);
    let (net, _told) = start(config);
    let peer = net.listeners()[0].address;
    let mut other = web_socket(peer);
    let own = other.get_ref().local_addr().unwrap();
    let two_gib = [&[0x82, 0x80 | 127][..], &(1u64 << 31).to_be_bytes(), &[0; 4]].concat();
    for (what, bytes, code) in [
        ("not masked", vec![0x81, 2, b'\r', b'\n'], 1002),
        ("two gibibytes", two_gib, 1009),
        ("all the octets there are", [&[0x82, 0xff][..], &[0xff; 8], &[0; 4]].concat(), 1009),
        ("a huge ping", frame(0x89, &[0; 126]), 1002),
        ("compressed", frame(0xc1, b"bomb"), 1002),
        ("no text", frame(0x81, b"\xff\xfe"), 1007),
        ("a piece of nothing", frame(0x80, b"rest"), 1002),
        ("an unknown kind", frame(0x83, b""), 1002),
        ("a message that does not end", frame(0x01, b"OPTIONS "), 1008),
        ("half a header", vec![0x82], 1008),
    ] {
        let mut socket = web_socket(peer);
        let stream = socket.get_mut();
        stream.write_all(&bytes).unwrap();
        assert_eq!(closed_with(stream), Some(code), "{what}");
    }
    other.send(Frame::Binary(request(Protocol::Ws, own, 1, 0))).unwrap();
    assert!(is_ok(&read(&mut other)));
}

#[test]
fn fault_28_pieces_that_grow_too_large_are_not_gathered() {
    let mut config = on(&["ws:127.0.0.1:0"]);
    config.transport.framing.message.head = 1_000;
    config.transport.framing.body = 1_000;
    let (net, _told) = start(config);
    let mut socket = web_socket(net.listeners()[0].address);
    let stream = socket.get_mut();
    for piece in 0..3 {
        stream.write_all(&frame(u8::from(piece == 0), &[b'x'; 900])).unwrap();
    }
    assert_eq!(closed_with(stream), Some(1009));
}

#[test]
fn fault_28_handshakes_that_stall_or_are_none_end() {
    let mut config = on(&["ws:127.0.0.1:0"]);
    config.handshake = Duration::from_millis(300);
    config.web_socket.origins = vec!["https://example.com".to_owned()];
    let (net, _told) = start(config);
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let flood = format!("GET / HTTP/1.1\r\n{}", "Cookie: 123456789\r\n".repeat(2_000));
    for (sent, said) in [
        ("GET / HT", ""),
        (&format!("{upgrade}\r\n"), "HTTP/1.1 400"),
        (
            &format!("{upgrade}Sec-WebSocket-Protocol: sip\r\nOrigin: https://evil.example\r\n\r\n"),
            "HTTP/1.1 403",
        ),
        (
            &format!("{upgrade}Sec-WebSocket-Protocol: sip\r\nOrigin: https://example.com\r\n\r\n"),
            "HTTP/1.1 101",
        ),
        (&flood, ""),
        ("OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\n\r\n", "HTTP/1.1 400"),
    ] {
        let mut stream = tcp(net.listeners()[0].address);
        // What is too long may be refused before all of it is written.
        let _ = stream.write_all(sent.as_bytes());
        let mut answer = [0; 12];
        let read = stream.read(&mut answer).unwrap_or(0);
        assert!(answer[..read].starts_with(said.as_bytes()), "{sent}");
    }
}

#[test]
fn servers_that_are_asked_for_web_socket_are_spoken_to_over_one_connection() {
    let (server, _) = start(on(&["ws:127.0.0.1:0"]));
    let mut config = on(&["udp:127.0.0.1:0"]);
    config.web_socket.connects = true;
    config.web_socket.path = "/sip?x=1".to_owned();
    let (net, told) = start(config);
    let peer = server.listeners()[0].address;
    for cseq in 1..=2 {
        let mut out = Outbox::new();
        out.send(Some(cseq), Target::Address(Protocol::Ws, peer), request(Protocol::Ws, peer, 1, 9_000));
        net.send(out);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Response(StatusCode::OK, Protocol::Ws)));
    }
    assert_eq!((net.open_streams(), server.open_streams()), (1, 1));
    // One that speaks something else, and one that we are not to speak to.
    let (plain, _) = start(on(&["tcp:127.0.0.1:0"]));
    let failed = |net: &ringback_net::Net<crate::support::Echo>, peer| {
        let mut out = Outbox::new();
        out.send(Some(7), Target::Address(Protocol::Ws, peer), request(Protocol::Ws, peer, 1, 0));
        net.send(out);
    };
    failed(&net, plain.listeners()[0].address);
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(Told::Failed(7, _))));
    let (shy, told) = start(on(&["udp:127.0.0.1:0"]));
    failed(&shy, peer);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Failed(7, CloseReason::NoRoute)));
}

#[test]
fn pings_find_out_that_nobody_is_there() {
    let mut config = on(&["ws:127.0.0.1:0"]);
    (config.transport.web_socket_ping, config.transport.pong) =
        (Duration::from_millis(100), Duration::from_millis(100));
    let (net, told) = start(config);
    let mut socket = web_socket(net.listeners()[0].address);
    let own = socket.get_ref().local_addr().unwrap();
    for _ in 0..3 {
        assert!(matches!(socket.read(), Ok(Frame::Ping(_))));
    }
    // Pongs are written by reading, which ends here.
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Closed(own)));
}

#[test]
fn wss_is_tls_for_the_domain_with_http_in_alpn() {
    let tls = |verify| {
        let identity = TlsIdentity::self_signed(&["127.0.0.1".to_owned()]).unwrap();
        let settings = TlsSettings { identity: Some(identity), verify, ..TlsSettings::default() };
        Some(Arc::new(Tls::new(settings).unwrap()))
    };
    let (server, _) = start(NetConfig { tls: tls(TlsVerify::On), ..on(&["wss:127.0.0.1:0"]) });
    let peer = server.listeners()[0].address;
    for (verify, expected) in [
        (TlsVerify::Off, Told::Response(StatusCode::OK, Protocol::Wss)),
        (TlsVerify::On, Told::Failed(1, CloseReason::Untrusted)),
    ] {
        let mut config = NetConfig { tls: tls(verify), ..on(&["udp:127.0.0.1:0"]) };
        config.web_socket.connects = true;
        let (net, told) = start(config);
        let mut out = Outbox::new();
        out.send(Some(1), Target::Address(Protocol::Wss, peer), request(Protocol::Wss, peer, 1, 0));
        net.send(out);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(expected));
    }
}

#[test]
fn fault_46_a_server_that_vanishes_in_a_message_is_told() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = server.local_addr().unwrap();
    let mut config = on(&["udp:127.0.0.1:0"]);
    config.web_socket.connects = true;
    let (net, told) = start(config);
    let mut out = Outbox::new();
    out.send(Some(1), Target::Address(Protocol::Ws, peer), request(Protocol::Ws, peer, 1, 0));
    net.send(out);
    let (stream, _) = server.accept().unwrap();
    let upgraded = accept_hdr(
        stream,
        #[expect(clippy::result_large_err, reason = "the library asks for it")]
        |_: &server::Request, mut answer: server::Response| {
            answer.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
            Ok(answer)
        },
    );
    let mut socket = upgraded.unwrap();
    assert!(matches!(socket.read(), Ok(Frame::Text(_))));
    let mut stream = WebSocket::from_raw_socket(socket.into_inner(), Role::Server, None).into_inner();
    stream.write_all(&[0x81, 100, b'S', b'I', b'P']).unwrap();
    drop(stream);
    // It never said anything, so what was sent to it is known to be lost.
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Failed(1, CloseReason::Closed)));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Closed(peer)));
}
