//! Connections to the two families of one server, side by side (RFC 8305).
#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use bytes::Bytes;
use ringback_sansio::{CloseReason, Flow, FlowId, Machine as _, Protocol, Target};
use ringback_transport::{FromNetwork, Transport, TransportConfig, TransportOutput};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

struct World {
    now: Instant,
    transport: Transport<u8>,
}

fn six() -> Target {
    Target::Address(Protocol::Tcp, "[2001:db8::1]:5060".parse().unwrap())
}

fn four() -> Target {
    Target::Address(Protocol::Tcp, "192.0.2.1:5060".parse().unwrap())
}

fn word(target: Target) -> &'static str {
    if target.peer().is_ipv6() { "six" } else { "four" }
}

impl World {
    fn new() -> Self {
        Self { now: Instant::now(), transport: Transport::new(TransportConfig::default()) }
    }

    fn race(&mut self, token: u64) {
        self.transport.race(self.now, token, six(), four());
    }

    fn send(&mut self, tag: u8, to: Target) {
        self.transport.send(self.now, tag, to, Bytes::from_static(b"message"));
    }

    fn connected(&mut self, id: u64, target: Target) {
        let local: SocketAddr = "192.0.2.9:1".parse().unwrap();
        let flow = Flow { id: FlowId(id), protocol: Protocol::Tcp, local, peer: target.peer() };
        self.transport.handle(self.now, FromNetwork::Connected(target, flow));
    }

    fn refused(&mut self, target: Target) {
        self.transport.handle(self.now, FromNetwork::ConnectFailed(target, CloseReason::Refused));
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.transport.handle_timeout(self.now);
    }

    fn said(&mut self) -> Vec<String> {
        let name = |output| match output {
            TransportOutput::Connect(to) => format!("connect {}", word(to)),
            TransportOutput::Abandon(to) => format!("abandon {}", word(to)),
            TransportOutput::Raced(token, there) => format!("raced {token} {}", there.map_or("none", word)),
            TransportOutput::Write(id, _) => format!("write {}", id.0),
            TransportOutput::Failed(tag, _) => format!("failed {tag}"),
            other => format!("{other:?}"),
        };
        std::iter::from_fn(|| self.transport.poll()).map(name).collect()
    }
}

const DELAY: Duration = Duration::from_millis(250);

#[test]
fn the_other_family_is_tried_after_a_quarter_of_a_second_and_the_first_to_connect_wins() {
    let mut world = World::new();
    world.race(1);
    assert_eq!(world.said(), ["connect six"]);
    world.wait(DELAY - Duration::from_millis(1));
    assert_eq!(world.said(), [""; 0]);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.said(), ["connect four"]);
    world.connected(7, four());
    assert_eq!(world.said(), ["raced 1 four", "abandon six"]);
    world.send(1, four());
    assert_eq!(world.said(), ["write 7"]);
    // The connection that is there is the answer from now on.
    world.race(2);
    assert_eq!(world.said(), ["raced 2 four"]);
}

#[test]
fn one_that_is_there_in_time_has_no_rival() {
    let mut world = World::new();
    world.race(1);
    world.race(2);
    world.connected(7, six());
    assert_eq!(world.said(), ["connect six", "raced 1 six", "raced 2 six"]);
    world.wait(Duration::from_secs(1));
    assert_eq!(world.said(), [""; 0]);
}

#[test]
fn a_refusal_needs_no_waiting_and_two_are_the_end() {
    let mut world = World::new();
    world.race(1);
    world.refused(six());
    assert_eq!(world.said(), ["connect six", "connect four"]);
    world.refused(four());
    assert_eq!(world.said(), ["raced 1 none"]);
    assert_eq!(world.transport.poll_timeout(), None, "nothing is left");
    world.race(2);
    world.wait(Duration::from_secs(30));
    world.wait(Duration::from_secs(30));
    assert_eq!(world.said(), ["connect six", "connect four", "raced 2 none"]);
}

#[test]
fn sends_share_what_is_being_connected_and_keep_it() {
    let mut world = World::new();
    world.send(1, six());
    world.race(1);
    world.send(2, six());
    world.wait(DELAY);
    assert_eq!(world.said(), ["connect six", "connect four"]);
    world.connected(7, four());
    assert_eq!(world.said(), ["raced 1 four"], "somebody waits for the other");
    world.connected(8, six());
    assert_eq!(world.said(), ["write 8", "write 8"]);
}

#[test]
fn without_room_for_a_connection_there_is_no_race() {
    let mut world = World::new();
    let config = TransportConfig { max_streams: 0, ..TransportConfig::default() };
    world.transport = Transport::new(config);
    world.race(1);
    assert_eq!(world.said(), ["raced 1 none"]);
    assert_eq!(world.transport.poll_timeout(), None);
}
