//! What a server tells of its messages: a capture, lines of JSON, a collector of HEP.

use crate::support::{PATIENCE, Phone, Scratch, call, config, start};
use ringback_sansio::Protocol;
use ringback_server::{Server, ServerConfig, TraceConfig};
use ringback_trace::{CaptureReader, Outcome, Packet};
use serde_json::Value;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;

/// A server that tells in all of these places.
fn telling(places: &[String]) -> ServerConfig {
    let to = places.iter().map(|place| place.parse().unwrap()).collect();
    ServerConfig { trace: TraceConfig { to, ..TraceConfig::default() }, ..config() }
}

/// A call over two transports, and the end of the server.
fn session(server: Server) -> String {
    let mut alice = Phone::new(&server, Protocol::Tcp, "alice", "a");
    let mut bob = Phone::udp(&server, "bob", "b");
    bob.register(600);
    let call_id = call(&mut alice, &mut bob);
    let stats = server.stats();
    assert!(!stats.dropped.keys().any(|reason| reason.starts_with("trace")), "{:?}", stats.dropped);
    drop(server);
    call_id
}

fn captured(file: &str) -> Vec<Packet> {
    let bytes = fs::read(file).unwrap();
    CaptureReader::new(&bytes[..]).map(Result::unwrap).collect()
}

#[test]
fn every_message_is_in_the_capture_the_lines_and_at_the_collector() {
    let scratch = Scratch::new("trace");
    let [capture, lines] =
        ["a.pcapng", "b.jsonl"].map(|name| scratch.path().join(name).display().to_string());
    let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
    collector.set_read_timeout(Some(PATIENCE)).unwrap();
    let places = [capture.clone(), lines.clone(), format!("hep:{}", collector.local_addr().unwrap())];
    let call_id = session(start(telling(&places)));

    let packets = captured(&capture);
    let over = |protocol| packets.iter().filter(|packet| packet.protocol == protocol).count();
    // REGISTER and INVITE are challenged; then 100, 180, 200, ACK, BYE and its 200 on each side.
    assert!(over(Protocol::Tcp) >= 10 && over(Protocol::Udp) >= 10, "{packets:#?}");
    assert!(packets.is_sorted_by_key(|packet| packet.time.as_micros()), "in order of time");
    let mut calls = ringback_trace::Calls::new();
    assert!(packets.iter().all(|packet| calls.add(packet)), "all of it is SIP");
    let found = calls.find(&call_id).expect("the call is in it");
    assert!(matches!(found.outcome(), Outcome::Completed { .. }), "{:?}", found.outcome());

    let text = fs::read_to_string(&lines).unwrap();
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), packets.len());
    for (object, packet) in objects.iter().zip(&packets) {
        assert_eq!(object["message"].as_str().unwrap().as_bytes(), &packet.payload[..]);
        assert_eq!(object["from"], packet.source.to_string());
        assert_eq!(object["transport"], packet.protocol.as_param());
    }
    let mut datagram = vec![0; 65_536];
    for packet in &packets {
        let length = collector.recv(&mut datagram).unwrap();
        assert!(datagram[..length].starts_with(b"HEP3") && datagram[..length].ends_with(&packet.payload));
    }
    for file in [&capture, &lines] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_capture_is_gone_on_with_and_no_other_file_is_touched() {
    let scratch = Scratch::new("trace-again");
    let capture = scratch.path().join("a.pcapng").display().to_string();
    session(start(telling(std::slice::from_ref(&capture))));
    let first = captured(&capture).len();
    session(start(telling(std::slice::from_ref(&capture))));
    assert!(captured(&capture).len() > first);
    fs::write(&capture, "a letter").unwrap();
    let error = Server::start(telling(std::slice::from_ref(&capture))).unwrap_err().to_string();
    assert!(error.contains("is there, and no pcapng file"), "{error}");
    assert_eq!(fs::read_to_string(&capture).unwrap(), "a letter");
}
