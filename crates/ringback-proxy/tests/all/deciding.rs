//! Requests of which the policy cannot decide at once.

use crate::common::*;
use ringback_message::StatusCode;
use ringback_proxy::Decision;
use ringback_transport::locate::LocateError;

fn deciding() -> Element {
    let mut element = Element::new();
    element.policy.fixed = Some(Decision::Later("+44".into()));
    element
}

#[test]
fn a_request_waits_for_the_decision_and_then_follows_it() {
    let mut element = deciding();
    element.udp(ALICE, &invite("1"));
    element.expect(&["udp 192.0.2.10:5060 100"]);
    let (token, what) = element.undecided.pop().unwrap();
    assert_eq!(what, "+44");
    element.decide(token, Decision::forward(branch("sip:bob@192.0.2.20")));
    let bob = element.expect(&["udp 192.0.2.20:5060 INVITE sip:bob@192.0.2.20"]).pop().unwrap();
    element.udp(BOB, &bob.reply(486, "b"));
    element.expect(&["udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20", "udp 192.0.2.10:5060 486"]);
    // It is asked for once, and decided once.
    element.decide(token, Decision::reject(StatusCode::NOT_FOUND));
    element.expect(&[]);

    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "2", ""));
    let (token, _) = element.undecided.pop().unwrap();
    element.resolve_to(token, Err(LocateError::NotFound));
    element.expect(&[]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "3", ""));
    let (token, _) = element.undecided.pop().unwrap();
    element.decide(token, Decision::reject(StatusCode::NOT_FOUND));
    element.expect(&["udp 192.0.2.10:5060 404"]);
}

#[test]
fn a_request_that_was_taken_back_is_not_decided_any_more() {
    let mut element = deciding();
    element.udp(ALICE, &invite("1"));
    element.expect(&["udp 192.0.2.10:5060 100"]);
    let (token, _) = element.undecided.pop().unwrap();
    element.udp(ALICE, &cancel("1", ""));
    element.expect(&["udp 192.0.2.10:5060 200", "udp 192.0.2.10:5060 487"]);
    element.decide(token, Decision::forward(branch("sip:bob@192.0.2.20")));
    element.expect(&[]);
}

#[test]
fn those_that_wait_are_bounded() {
    let mut element = Element::with(|config| config.max_contexts = 2, |_| {});
    element.policy.fixed = Some(Decision::Later("+44".into()));
    for number in ["1", "2", "3"] {
        element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", number, ""));
    }
    element.expect(&["udp 192.0.2.10:5060 503"]);
    for (token, _) in std::mem::take(&mut element.undecided) {
        element.decide(token, Decision::reject(StatusCode::NOT_FOUND));
    }
    element.expect(&["udp 192.0.2.10:5060 404", "udp 192.0.2.10:5060 404"]);
}
