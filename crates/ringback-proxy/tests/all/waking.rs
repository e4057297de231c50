//! Requests for devices that are asleep (RFC 8599 §5.2, §5.6.2).

use crate::common::*;
use ringback_proxy::Branch;
use std::time::Duration;

/// Bob has one phone, which is asleep.
fn sleeping() -> Element {
    let mut element = Element::new();
    element.user("bob", &[sleeper("sip:bob@192.0.2.20", "x")]);
    element
}

fn woken(element: &mut Element, branch: Option<&Branch>) {
    let (token, _) = element.asleep.pop().expect("somebody waits");
    element.proxy.woken(element.now, &mut element.transactions, token, branch);
    element.drain();
}

#[test]
fn an_invite_waits_for_the_device_and_goes_where_it_is_then() {
    let mut element = sleeping();
    element.udp(ALICE, &invite("1"));
    element.expect(&["udp 192.0.2.10:5060 100"]);
    let (token, what) = element.asleep.last().cloned().unwrap();
    assert_eq!(what, device("x"));
    assert_eq!(element.proxy.asleep(token).unwrap().uri_bytes(), b"sip:bob@example.com");
    // The caller repeats nothing, for it was told 100; if it did, nobody would be woken twice.
    element.udp(ALICE, &invite("1"));
    element.expect(&["udp 192.0.2.10:5060 100"]);
    assert_eq!(element.asleep.len(), 1);
    element.pass(Duration::from_secs(3));
    // It comes from another address. That it may have to be woken does not matter: it is awake.
    woken(&mut element, Some(&sleeper("sip:bob@192.0.2.20:7", "x")));
    let bob = element.expect(&["udp 192.0.2.20:7 INVITE sip:bob@192.0.2.20:7"]).pop().unwrap();
    element.udp("192.0.2.20:7", &bob.reply(180, "b"));
    element.udp("192.0.2.20:7", &bob.reply(200, "b"));
    element.expect(&["udp 192.0.2.10:5060 180", "udp 192.0.2.10:5060 200"]);
    // It is answered once.
    element.proxy.woken(element.now, &mut element.transactions, token, None);
    element.drain();
    element.expect(&[]);
    element.expect_end();
}

#[test]
fn a_call_that_is_taken_back_while_the_device_sleeps_never_reaches_it() {
    let mut element = sleeping();
    element.udp(ALICE, &invite("1"));
    element.expect(&["udp 192.0.2.10:5060 100"]);
    let (token, _) = element.asleep[0].clone();
    element.udp(ALICE, &cancel("1", ""));
    element.expect(&["udp 192.0.2.10:5060 200", "udp 192.0.2.10:5060 487"]);
    assert!(element.asleep.is_empty() && element.proxy.asleep(token).is_none());
    element.proxy.woken(element.now, &mut element.transactions, token, Some(&branch("sip:bob@192.0.2.20")));
    element.drain();
    element.expect(&[]);
    element.expect_end_after_silence();
}

#[test]
fn who_cannot_be_woken_or_does_not_wake_up_is_not_there() {
    let mut element = sleeping();
    element.udp(ALICE, &invite("1"));
    element.expect(&["udp 192.0.2.10:5060 100"]);
    woken(&mut element, None);
    let failed = element.expect(&["udp 192.0.2.10:5060 480"]).pop().unwrap();
    let tag = failed.value(ringback_message::HeaderId::TO).split_once("tag=").unwrap().1.to_owned();
    element.udp(ALICE, &ack("1", &tag));

    element.udp(ALICE, &invite("2"));
    element.expect(&["udp 192.0.2.10:5060 100"]);
    element.pass(Duration::from_secs(29));
    element.expect(&[]);
    assert_eq!(element.asleep.len(), 1);
    element.pass(Duration::from_secs(1));
    assert_eq!(element.take()[0].head(), "udp 192.0.2.10:5060 480");
    assert!(element.asleep.is_empty(), "it is forgotten");

    // Who sent anything else gives up after 32 seconds, and is answered before.
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "3", ""));
    element.pass(Duration::from_secs(19));
    assert_eq!(element.asleep.len(), 1);
    element.take();
    element.pass(Duration::from_secs(1));
    assert_eq!(element.take()[0].head(), "udp 192.0.2.10:5060 480");
    element.expect_end_after_silence();
}

#[test]
fn who_is_in_a_dialog_is_awake() {
    let mut element = sleeping();
    let lines = "To: <sip:bob@example.com>;tag=b";
    element.udp(ALICE, &request("INFO", "sip:bob@example.com", "1", lines));
    element.expect(&["udp 192.0.2.20:5060 INFO sip:bob@192.0.2.20"]);
    element.udp(ALICE, &request("ACK", "sip:bob@example.com", "2", lines));
    element.expect(&["udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20"]);
    assert!(element.asleep.is_empty());
}

#[test]
fn others_ring_meanwhile_and_the_first_to_answer_ends_the_waiting() {
    let mut element = Element::new();
    let (desk, mobile) = (branch("sip:bob@192.0.2.20"), sleeper("sip:bob@192.0.2.30", "x"));
    element.user("bob", &[desk, mobile, sleeper("sip:bob@192.0.2.40", "y")]);
    element.udp(ALICE, &invite("1"));
    let desk = element
        .expect(&["udp 192.0.2.10:5060 100", "udp 192.0.2.20:5060 INVITE sip:bob@192.0.2.20"])
        .pop()
        .unwrap();
    assert_eq!(element.asleep.len(), 2);
    // The last one wakes up, and rings as well.
    woken(&mut element, Some(&branch("sip:bob@192.0.2.40")));
    let other = element.expect(&["udp 192.0.2.40:5060 INVITE sip:bob@192.0.2.40"]).pop().unwrap();
    element.udp("192.0.2.40:5060", &other.reply(486, "c"));
    element.expect(&["udp 192.0.2.40:5060 ACK sip:bob@192.0.2.40"]);
    element.udp(BOB, &desk.reply(200, "b"));
    element.expect(&["udp 192.0.2.10:5060 200"]);
    assert!(element.asleep.is_empty(), "nobody waits for the mobile");
    element.expect_end_after_silence();
    // A refusal for all of them ends it as well.
    element.udp(ALICE, &invite("2"));
    let desk = element.take().pop().unwrap();
    element.udp(BOB, &desk.reply(603, "b"));
    element.expect(&["udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20", "udp 192.0.2.10:5060 603"]);
    assert!(element.asleep.is_empty());
    element.expect_end_after_silence();
}

#[test]
fn what_is_not_woken_is_tried_by_its_other_flow() {
    let mut element = Element::new();
    let mobile =
        Branch { other_flows: vec![branch("sip:bob@192.0.2.30")], ..sleeper("sip:bob@192.0.2.20", "x") };
    element.user("bob", &[mobile]);
    element.udp(ALICE, &invite("1"));
    element.expect(&["udp 192.0.2.10:5060 100"]);
    woken(&mut element, None);
    let bob = element.expect(&["udp 192.0.2.30:5060 INVITE sip:bob@192.0.2.30"]).pop().unwrap();
    element.udp(CAROL, &bob.reply(200, "b"));
    element.expect(&["udp 192.0.2.10:5060 200"]);
    element.expect_end_after_silence();
}

#[test]
fn callers_who_want_the_history_are_not_told_the_name_of_a_device() {
    let mut element = Element::new();
    let contact = "sip:bob@192.0.2.20;pn-provider=apns;pn-prid=x;ob";
    element.user("bob", &[sleeper(contact, "x")]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", "Supported: histinfo"));
    woken(&mut element, Some(&branch(contact)));
    let bob = element.expect(&[&format!("udp 192.0.2.20:5060 MESSAGE {contact}")]).pop().unwrap();
    assert_eq!(
        bob.values(ringback_message::HeaderId::HISTORY_INFO),
        ["<sip:bob@example.com>;index=1", "<sip:bob@192.0.2.20;ob>;index=1.1;rc=1"]
    );
}
