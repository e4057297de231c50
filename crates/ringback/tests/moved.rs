//! An endpoint moves to another address while it talks, by what is on the wire.

use ringback::{Audio, Call, CallEvent, Direction, Endpoint, Ice, Seen, Tap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// The INVITEs that Bob is sent.
struct Invites(UnboundedSender<String>);

impl Tap for Invites {
    fn saw(&self, seen: Seen<'_>) {
        if seen.direction == Direction::In && seen.bytes.starts_with(b"INVITE") {
            let _ = self.0.send(String::from_utf8_lossy(seen.bytes).into_owned());
        }
    }
}

async fn next(invites: &mut UnboundedReceiver<String>) -> String {
    let invite = tokio::time::timeout(Duration::from_secs(10), invites.recv());
    invite.await.expect("in time").expect("Bob listens")
}

/// The address for audio that a message names.
fn connection(message: &str) -> IpAddr {
    let (_, rest) = message.split_once("c=IN IP4 ").expect("an address");
    rest.lines().next().expect("a line").parse().expect("an address")
}

#[tokio::test]
async fn a_call_goes_on_at_the_new_address() {
    let (sender, mut invites) = mpsc::unbounded_channel();
    let alice = Endpoint::builder().listen("udp:0.0.0.0:0").start().await.expect("a free port");
    let bob = Endpoint::builder().listen("udp:127.0.0.1:0").answers_anyone();
    let bob = bob.tap(Arc::new(Invites(sender))).start().await.expect("a free port");
    let bobs: SocketAddr = bob.listeners()[0].address;
    let account = bob.account("sip:bob@127.0.0.1").open().await.expect("an account");
    let answering = tokio::spawn(async move {
        let _account = account;
        let mut call = bob.incoming().await.expect("Alice calls").answer(Audio::silence()).await.expect("up");
        while call.next().await.is_some() {}
    });
    let account = alice.account("sip:alice@127.0.0.1").open().await.expect("an account");
    let call = account.call(format!("sip:bob@{bobs}")).audio(Audio::silence());
    let mut call = call.start().await.expect("a call");
    while !matches!(call.next().await.expect("Bob answers"), CallEvent::Answered(_)) {}
    let first = connection(&next(&mut invites).await);

    alice.moved(first, IpAddr::from([127, 0, 0, 2]));
    // The first may have come twice.
    let mut moved = next(&mut invites).await;
    while connection(&moved) == first {
        moved = next(&mut invites).await;
    }
    assert!(moved.contains("c=IN IP4 127.0.0.2") && moved.contains("@127.0.0.2:"), "{moved}");
    drop(call);
    tokio::time::timeout(Duration::from_secs(10), answering).await.expect("BYE comes").expect("no panic");
}

/// Where ICE has found the other side, the next time that it has.
async fn path(call: &mut Call) -> SocketAddr {
    let found = async {
        loop {
            if let CallEvent::Path(to) = call.next().await.expect("a call that is up") {
                return to;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.expect("in time")
}

/// What a message says of ICE: the name, and the addresses of the candidates.
fn ice(message: &str) -> (&str, Vec<&str>) {
    let ufrag = message.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).expect("a name");
    let candidates = message.lines().filter_map(|line| line.strip_prefix("a=candidate:")?.split(' ').nth(4));
    (ufrag, candidates.collect())
}

#[tokio::test]
async fn rule_52_a_move_begins_ice_anew_from_the_new_address() {
    let (sender, mut invites) = mpsc::unbounded_channel();
    let alice = Endpoint::builder().listen("udp:0.0.0.0:0").ice(Ice::offered());
    let alice = alice.start().await.expect("a free port");
    let bob = Endpoint::builder().listen("udp:127.0.0.1:0").answers_anyone();
    let bob = bob.tap(Arc::new(Invites(sender))).start().await.expect("a free port");
    let bobs: SocketAddr = bob.listeners()[0].address;
    let account = bob.account("sip:bob@127.0.0.1").open().await.expect("an account");
    let answering = tokio::spawn(async move {
        let _account = account;
        let mut call = bob.incoming().await.expect("Alice calls").answer(Audio::silence()).await.expect("up");
        while call.next().await.is_some() {}
    });
    let account = alice.account("sip:alice@127.0.0.1").open().await.expect("an account");
    let call = account.call(format!("sip:bob@{bobs}")).audio(Audio::silence());
    let mut call = call.start().await.expect("a call");
    let before = path(&mut call).await;
    let first = next(&mut invites).await;
    let (name, candidates) = ice(&first);
    let old = connection(&first).to_string();
    // Other addresses of this host may follow.
    assert_eq!(candidates[0], old);

    alice.moved(connection(&first), IpAddr::from([127, 0, 0, 2]));
    let mut moved = next(&mut invites).await;
    while connection(&moved) == connection(&first) {
        moved = next(&mut invites).await;
    }
    let (fresh, candidates) = ice(&moved);
    assert_ne!(fresh, name);
    assert!(candidates[0] == "127.0.0.2" && !candidates.contains(&&*old), "{candidates:?}");
    while !matches!(call.next().await.expect("Bob agrees"), CallEvent::Changed(_)) {}
    drop(call);
    tokio::time::timeout(Duration::from_secs(10), answering).await.expect("BYE comes").expect("no panic");
    assert_eq!(before.ip(), IpAddr::from([127, 0, 0, 1]));
}
