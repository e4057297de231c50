//! SIGTERM to a server with calls, from the outside.

use crate::support::{Running, Server, run, text};

const AS_BOB: [&str; 4] = ["--from", "sip:bob@example.com", "--password-env", "BOB"];
const AS_ALICE: [&str; 4] = ["--from", "sip:alice@example.com", "--password-env", "ALICE"];

/// A server that was told to end while a call is up, and its two sides.
struct Draining {
    server: Server,
    alice: Running,
    bob: Running,
}

impl Draining {
    fn start(time: &str) -> Self {
        let args = ["--ephemeral", "--user", "alice:wonderland", "--user", "bob:builder", "--drain", time];
        let mut server = Server::start(&args);
        let at = ["--server", server.address.as_str()];
        let mut bob = Running::start(&[&["answer", "--calls", "1"][..], &AS_BOB, &at].concat());
        bob.wait_for("ready");
        let mut alice = Running::start(&[&["call", "bob"][..], &AS_ALICE, &at].concat());
        alice.wait_for("answered");
        server.process.signal("-TERM");
        let said = server.process.wait_for("draining");
        assert!(said.starts_with("draining: calls up: 1; it ends with them, or in "), "{said}");
        Self { server, alice, bob }
    }
}

#[test]
fn the_first_sigterm_lets_calls_end_and_takes_nothing_new() {
    let Draining { mut server, alice, mut bob } = Draining::start("5m");
    let at = ["--server", server.address.as_str()];
    let refused = run(&[&["message", "alice", "hello"][..], &AS_BOB, &at].concat());
    assert!(!refused.status.success() && text(&refused).contains("503"), "{}", text(&refused));
    alice.signal("-INT");
    assert!(alice.wait().success(), "its BYE was answered");
    bob.rest();
    server.process.wait_for("drained: calls up: 0");
    assert!(server.process.wait().success());
}

#[test]
fn the_second_sigterm_ends_it_at_once_and_so_does_an_interrupt() {
    for signal in ["-TERM", "-INT"] {
        let Draining { mut server, alice, bob } = Draining::start("5m");
        server.process.signal(signal);
        server.process.wait_for("drained: calls up: 1");
        assert!(server.process.wait().success());
        drop((alice, bob));
    }
}

#[test]
fn calls_that_go_on_too_long_are_left_behind() {
    let Draining { mut server, alice, bob } = Draining::start("100ms");
    server.process.wait_for("drained: calls up: 1");
    assert!(server.process.wait().success());
    drop((alice, bob));
}
