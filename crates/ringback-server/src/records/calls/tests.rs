//! Calls followed in time that the test makes.

use super::*;
use ringback_sansio::{FlowId, Protocol};

fn calls(most: usize) -> (Calls, Instant) {
    let now = Instant::now();
    let epoch = Epoch { at: now, unix: Duration::from_secs(1_000) };
    (Calls::new(Hasher::default(), epoch, Duration::from_secs(7_200), most), now)
}

fn flow() -> Flow {
    let address = "192.0.2.1:5060".parse().unwrap();
    Flow { id: FlowId(1), protocol: Protocol::Udp, local: address, peer: address }
}

fn text(method: &str, call: &str, from: &str, to: &str, more: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.com>;tag={from}\r\nTo: <sip:bob@example.com>{to}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\
         {more}Content-Length: 0\r\n\r\n"
    )
}

fn request(method: &str, call: &str, from: &str, to: &str) -> Request {
    Request::try_from(Message::parse(text(method, call, from, to, "")).unwrap()).unwrap()
}

fn response(status: &str, call: &str, more: &str) -> String {
    text("INVITE", call, "a", ";tag=b", more).replacen(
        "INVITE sip:bob@192.0.2.9 SIP/2.0",
        &format!("SIP/2.0 {status}"),
        1,
    )
}

/// A call that was answered.
fn up(calls: &mut Calls, now: Instant, call: &str, more: &str) {
    let key = ServerKey::from_bits(1);
    calls.requested(now, key, &flow(), &request("INVITE", call, "a", ""));
    calls.responded(now, key, response("180 Ringing", call, "").as_bytes());
    calls.responded(now + Duration::from_secs(2), key, response("200 OK", call, more).as_bytes());
    calls.ended(now + Duration::from_secs(32), key);
    assert_eq!(calls.len(), 1);
}

#[test]
fn a_call_without_bye_ends_by_its_session_timer_unless_it_shows_that_it_lives() {
    let (mut calls, now) = calls(10);
    let after = |seconds| now + Duration::from_secs(seconds);
    up(&mut calls, now, "x", "Session-Expires: 600;refresher=uac\r\n");
    calls.handle_timeout(after(660));
    assert_eq!(calls.len(), 1);
    calls.requested(after(300), ServerKey::from_bits(2), &flow(), &request("UPDATE", "x", "b", ";tag=a"));
    calls.handle_timeout(after(300 + 663));
    assert_eq!(calls.len(), 1, "the callee has refreshed it");
    calls.handle_timeout(calls.poll_timeout().unwrap());
    let record = calls.poll().unwrap();
    assert_eq!((record.ended_by, record.ended_ms), (EndedBy::Server, 1_000_000 + 964_000));
    assert_eq!(record.reason.as_deref(), Some("no BYE: its session timer ran out"));
    assert!(calls.poll().is_none() && calls.len() == 0 && calls.poll_timeout().is_none());
}

#[test]
fn a_call_without_bye_and_session_timer_ends_by_its_age() {
    let (mut calls, now) = calls(10);
    up(&mut calls, now, "x", "");
    let end = now + Duration::from_secs(7_202);
    assert_eq!(calls.poll_timeout(), Some(end));
    calls.handle_timeout(end);
    assert_eq!(calls.poll().unwrap().reason.as_deref(), Some("no BYE: it was silent for too long"));
}

#[test]
fn a_bye_of_another_dialog_ends_nothing_and_repeated_messages_make_no_second_record() {
    let (mut calls, now) = calls(10);
    up(&mut calls, now, "x", "");
    let key = ServerKey::from_bits(3);
    calls.requested(now, key, &flow(), &request("BYE", "x", "mallory", ";tag=eve"));
    calls.requested(now, key, &flow(), &request("BYE", "y", "a", ";tag=b"));
    assert_eq!(calls.len(), 1);
    for _ in 0..3 {
        calls.responded(now, ServerKey::from_bits(1), response("200 OK", "x", "").as_bytes());
        calls.requested(now, key, &flow(), &request("BYE", "x", "b", ";tag=a"));
    }
    assert_eq!(calls.poll().unwrap().ended_by, EndedBy::Callee);
    assert!(calls.poll().is_none());
}

#[test]
fn the_target_is_that_of_the_branch_that_answered() {
    let (mut calls, now) = calls(10);
    let key = ServerKey::from_bits(1);
    calls.requested(now, key, &flow(), &request("INVITE", "x", "a", ""));
    for (branch, host) in [(1, "192.0.2.7"), (2, "192.0.2.8")] {
        let sent = text("INVITE", "x", "a", "", "").replacen("192.0.2.9", host, 1);
        calls.sent_on(ClientKey::from_bits(branch), sent.as_bytes());
    }
    let answer = response("200 OK", "x", "");
    let parsed = Response::try_from(Message::parse(answer.clone()).unwrap()).unwrap();
    calls.answered(ClientKey::from_bits(1), &parsed);
    calls.responded(now, key, answer.as_bytes());
    calls.close(now);
    assert_eq!(calls.poll().unwrap().target.as_deref(), Some("sip:bob@192.0.2.7"));
}

#[test]
fn beyond_the_limit_calls_go_on_unseen_and_are_counted() {
    let (mut calls, now) = calls(2);
    for number in 1..=5 {
        let invite = request("INVITE", &format!("call {number}").replace(' ', "-"), "a", "");
        calls.requested(now, ServerKey::from_bits(number), &flow(), &invite);
    }
    assert_eq!(calls.not_followed(), 3);
    for number in 1..=5 {
        calls.ended(now, ServerKey::from_bits(number));
    }
    let records: Vec<CallRecord> = std::iter::from_fn(|| calls.poll()).collect();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.status == 0 && record.reason.is_some()));
}
