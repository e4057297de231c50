//! Client transactions as the peer sees them (rules 1, 3 to 6, 10, 13).

mod common;

use common::*;
use ringback_message::header::Via;
use ringback_message::{HeaderId, Message, Request, Response};
use ringback_sansio::{CloseReason, Protocol, Target};
use ringback_transaction::{End, RequestError};

#[test]
fn rule_3_an_invite_is_repeated_twice_as_late_each_time_until_timer_b() {
    let mut layer = Layer::new();
    layer.request("INVITE", Protocol::Udp);
    layer.finish();
    layer.expect(&[
        "0 INVITE",
        "500 INVITE",
        "1500 INVITE",
        "3500 INVITE",
        "7500 INVITE",
        "15500 INVITE",
        "31500 INVITE",
        "32000 ended TimedOut",
    ]);
}

#[test]
fn rule_3_over_reliable_transports_it_is_sent_once() {
    let mut layer = Layer::new();
    layer.request("INVITE", Protocol::Tcp);
    layer.finish();
    layer.expect(&["0 INVITE", "32000 ended TimedOut"]);
}

#[test]
fn rule_3_a_provisional_response_stops_timers_a_and_b() {
    let mut layer = Layer::new();
    let (_, sent) = layer.request("INVITE", Protocol::Udp);
    layer.pass(600);
    layer.udp(&reply(&sent, 100, ""));
    layer.pass(3_600_000);
    layer.expect(&["0 INVITE", "500 INVITE", "600 up 100"]);
    layer.udp(&reply(&sent, 180, "b"));
    layer.udp(&reply(&sent, 486, "b"));
    assert_eq!(layer.said(), ["3600600 up 180", "3600600 ACK", "3600600 up 486"]);
    layer.finish();
}

#[test]
fn rule_4_other_requests_are_repeated_up_to_every_four_seconds_until_timer_f() {
    let mut layer = Layer::new();
    layer.request("OPTIONS", Protocol::Udp);
    layer.finish();
    let at: Vec<String> = layer.said();
    let expected = [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut expected: Vec<String> = expected.iter().map(|at| format!("{at} OPTIONS")).collect();
    expected.push("32000 ended TimedOut".to_owned());
    assert_eq!(at, expected);
}

#[test]
fn rule_4_a_provisional_response_slows_repetition_down_and_does_not_stop_it() {
    let mut layer = Layer::new();
    let (_, sent) = layer.request("OPTIONS", Protocol::Udp);
    layer.pass(100);
    layer.udp(&reply(&sent, 100, ""));
    layer.pass(9_000);
    layer.udp(&reply(&sent, 200, "b"));
    // Copies are absorbed for timer K.
    layer.pass(4_999);
    layer.udp(&reply(&sent, 200, "b"));
    layer.finish();
    layer.expect(&[
        "0 OPTIONS",
        "100 up 100",
        "500 OPTIONS",
        "4500 OPTIONS",
        "8500 OPTIONS",
        "9100 up 200",
        "14100 ended Completed",
    ]);
}

#[test]
fn rule_4_timer_f_covers_proceeding_and_timer_k_is_zero_over_reliable_transports() {
    let mut layer = Layer::new();
    let (_, sent) = layer.request("OPTIONS", Protocol::Tcp);
    layer.arrive(Protocol::Tcp, &reply(&sent, 100, ""));
    layer.finish();
    layer.expect(&["0 OPTIONS", "0 up 100", "32000 ended TimedOut"]);
    let mut layer = Layer::new();
    let (_, sent) = layer.request("OPTIONS", Protocol::Tcp);
    layer.arrive(Protocol::Tcp, &reply(&sent, 404, "b"));
    layer.expect(&["0 OPTIONS", "0 up 404", "0 ended Completed"]);
    layer.finish();
}

#[test]
fn rule_5_every_2xx_goes_up_for_64_t1_and_none_is_acknowledged_here() {
    let mut layer = Layer::new();
    let (_, sent) = layer.request("INVITE", Protocol::Udp);
    layer.udp(&reply(&sent, 200, "b"));
    layer.pass(500);
    layer.udp(&reply(&sent, 200, "b"));
    layer.udp(&reply(&sent, 200, "other"));
    // Neither a late 180 nor a failure means anything now.
    layer.udp(&reply(&sent, 180, "third"));
    layer.udp(&reply(&sent, 486, "third"));
    layer.pass(31_499);
    layer.udp(&reply(&sent, 200, "b"));
    layer.pass(1);
    layer.udp(&reply(&sent, 200, "b"));
    layer.expect(&[
        "0 INVITE",
        "0 up 200",
        "500 up 200",
        "500 up 200",
        "31999 up 200",
        "32000 ended Completed",
        "32000 stray 200",
    ]);
    layer.finish();
}

#[test]
fn rule_6_a_failure_is_acknowledged_each_time_and_told_once() {
    let mut layer = Layer::new();
    let (_, sent) = layer.request("INVITE", Protocol::Udp);
    layer.udp(&reply(&sent, 486, "b"));
    layer.pass(500);
    layer.udp(&reply(&sent, 486, "b"));
    layer.pass(31_499);
    layer.udp(&reply(&sent, 486, "b"));
    layer.finish();
    let seen =
        layer.expect(&["0 INVITE", "0 ACK", "0 up 486", "500 ACK", "31999 ACK", "32000 ended Completed"]);
    let Seen::Wire(_, to, ack) = &seen[1] else { panic!("the ACK") };
    assert_eq!(to.peer().to_string(), PEER);
    let ack = Request::try_from(ack.clone()).unwrap();
    assert_eq!(ack.uri_bytes(), sent.uri_bytes());
    let value = |message: &Message, id| message.values(id).map(<[u8]>::to_vec).collect::<Vec<_>>();
    for id in [HeaderId::VIA, HeaderId::ROUTE, HeaderId::FROM, HeaderId::CALL_ID] {
        assert_eq!(value(&ack, id), value(&sent, id), "{id}");
    }
    assert_eq!(value(&ack, HeaderId::TO), [b"<sip:bob@192.0.2.9>;tag=b".to_vec()]);
    assert_eq!(value(&ack, HeaderId::CSEQ), [b"7 ACK".to_vec()]);
}

#[test]
fn rule_6_timer_d_is_zero_over_reliable_transports() {
    let mut layer = Layer::new();
    let (_, sent) = layer.request("INVITE", Protocol::Tcp);
    layer.arrive(Protocol::Tcp, &reply(&sent, 486, "b"));
    layer.expect(&["0 INVITE", "0 ACK", "0 up 486", "0 ended Completed"]);
    layer.finish();
}

#[test]
fn rule_1_responses_match_by_branch_and_method_and_only_under_our_own_via() {
    let mut layer = Layer::new();
    let (key, sent) = layer.request("INVITE", Protocol::Udp);
    layer.take();
    let ok = reply(&sent, 200, "b");
    // Another method under the same branch is the CANCEL's.
    layer.udp(&ok.replace("CSeq: 7 INVITE", "CSeq: 7 CANCEL"));
    layer.expect(&["0 stray 200"]);
    // Another branch is nobody's.
    layer.udp(&ok.replacen("branch=z9hG4bK", "branch=z9hG4bKx", 1));
    layer.expect(&["0 stray 200"]);
    // §18.1.2: another sent-by is not ours, and not for anybody else here.
    layer.udp(&ok.replacen("192.0.2.1:5060;", "192.0.2.2:5060;", 1));
    layer.udp(&ok.replacen("192.0.2.1:5060;", "192.0.2.1:5061;", 1));
    layer.udp(&ok.replacen("CSeq: 7", "CSeq: x", 1));
    layer.expect(&[]);
    // Letters have no case in a branch, and the default port may be left out.
    layer.udp(&ok.replacen("z9hG4bK", "Z9HG4BK", 1).replacen("192.0.2.1:5060;", "192.0.2.1;", 1));
    let seen = layer.expect(&["0 up 200"]);
    assert!(matches!(seen[0], Seen::Response(of, _) if of == key));
    layer.finish();
}

#[test]
fn rule_10_what_cannot_be_sent_is_over_and_tried_elsewhere_under_a_new_branch() {
    for method in ["INVITE", "OPTIONS"] {
        let mut layer = Layer::new();
        let (key, first) = layer.request(method, Protocol::Tcp);
        layer.fail(key.into(), CloseReason::Refused);
        let seen = layer.expect(&[&format!("0 {method}"), "0 ended TransportFailed(Refused)"]);
        assert!(
            matches!(seen[1], Seen::Ended(of, End::TransportFailed(CloseReason::Refused)) if of == key.into())
        );
        layer.fail(key.into(), CloseReason::Refused);
        layer.expect(&[]);
        let (_, second) = layer.request(method, Protocol::Udp);
        assert_ne!(first.values(HeaderId::VIA).next(), second.values(HeaderId::VIA).next());
        layer.finish();
    }
}

#[test]
fn rule_10_an_invite_that_rings_outlives_its_connection() {
    let mut layer = Layer::new();
    let (key, sent) = layer.request("INVITE", Protocol::Tcp);
    layer.arrive(Protocol::Tcp, &reply(&sent, 180, "b"));
    layer.fail(key.into(), CloseReason::Closed);
    layer.arrive(Protocol::Tcp, &reply(&sent, 200, "b"));
    layer.fail(key.into(), CloseReason::Closed);
    layer.finish();
    layer.expect(&["0 INVITE", "0 up 180", "0 up 200", "32000 ended Completed"]);
}

#[test]
fn rule_13_cancel_waits_for_a_provisional() {
    let mut layer = Layer::new();
    let (key, sent) = layer.request("INVITE", Protocol::Udp);
    assert!(layer.cancel(key));
    layer.pass(600);
    layer.udp(&reply(&sent, 100, ""));
    let seen = layer.expect(&["0 INVITE", "500 INVITE", "600 up 100", "600 CANCEL"]);
    let Seen::Wire(_, _, cancel) = &seen[3] else { panic!("the CANCEL") };
    let cancel = Request::try_from(cancel.clone()).unwrap();
    assert_eq!(cancel.uri_bytes(), sent.uri_bytes());
    for id in [HeaderId::VIA, HeaderId::ROUTE, HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID] {
        assert_eq!(cancel.values(id).next(), sent.values(id).next(), "{id}");
    }
    assert_eq!(cancel.values(HeaderId::CSEQ).next(), Some(&b"7 CANCEL"[..]));
    // It is a transaction of its own: repeated, answered, and nothing to the user.
    layer.pass(500);
    layer.udp(&reply(&cancel, 200, "b"));
    layer.udp(&reply(&sent, 487, "b"));
    layer.expect(&["1100 CANCEL", "1100 ACK", "1100 up 487"]);
    layer.finish();
    layer.expect(&["33100 ended Completed"]);
}

#[test]
fn rule_13_a_final_response_before_the_cancel_could_go_wins() {
    for (status, heads) in
        [(200, &["0 INVITE", "0 up 200"][..]), (486, &["0 INVITE", "0 ACK", "0 up 486"][..])]
    {
        let mut layer = Layer::new();
        let (key, sent) = layer.request("INVITE", Protocol::Udp);
        assert!(layer.cancel(key));
        layer.udp(&reply(&sent, status, "b"));
        layer.expect(heads);
        assert!(!layer.cancel(key), "there is nothing to cancel");
        layer.finish();
    }
}

#[test]
fn rule_13_an_invite_that_ignores_its_cancel_is_given_up_after_64_t1() {
    let mut layer = Layer::new();
    let (key, sent) = layer.request("INVITE", Protocol::Tcp);
    layer.arrive(Protocol::Tcp, &reply(&sent, 180, "b"));
    layer.pass(1_000);
    assert!(layer.cancel(key));
    assert!(layer.cancel(key), "twice does no harm");
    layer.finish();
    layer.expect(&["0 INVITE", "0 up 180", "1000 CANCEL", "33000 ended TimedOut"]);
    assert!(!layer.cancel(key));
}

#[test]
fn only_an_invite_can_be_cancelled_and_ack_and_cancel_are_not_asked_for() {
    let mut layer = Layer::new();
    let (key, _) = layer.request("OPTIONS", Protocol::Udp);
    assert!(!layer.cancel(key));
    let to = Target::Address(Protocol::Udp, PEER.parse().unwrap());
    for method in ["ACK", "CANCEL"] {
        let refused = layer.transactions.request(layer.now, to, outgoing(method));
        assert_eq!(refused, Err(RequestError::Method));
    }
    layer.finish();
}

#[test]
fn limits_refuse_new_requests_but_not_the_cancels_of_old_ones() {
    let mut layer = Layer::with(|config| config.max_client = 1);
    let (key, sent) = layer.request("INVITE", Protocol::Udp);
    let to = Target::Address(Protocol::Udp, PEER.parse().unwrap());
    assert_eq!(layer.transactions.request(layer.now, to, outgoing("OPTIONS")), Err(RequestError::Overload));
    layer.udp(&reply(&sent, 180, "b"));
    assert!(layer.cancel(key));
    layer.expect(&["0 INVITE", "0 up 180", "0 CANCEL"]);
    layer.finish();
    assert!(layer.transactions.request(layer.now, to, outgoing("OPTIONS")).is_ok());
    let nowhere = Target::Address(Protocol::Tls, PEER.parse().unwrap());
    layer.finish();
    assert_eq!(
        layer.transactions.request(layer.now, nowhere, outgoing("OPTIONS")),
        Err(RequestError::NoLocal)
    );
}

#[test]
fn who_sorts_datagrams_is_told_which_responses_are_of_a_transaction() {
    let has = |layer: &mut Layer, text: &str| {
        let response = Response::try_from(Message::parse(text.to_owned()).unwrap()).unwrap();
        layer.transactions.has_response(&response)
    };
    let mut layer = Layer::new();
    let (key, sent) = layer.request("INVITE", Protocol::Udp);
    let ringing = reply(&sent, 180, "b");
    assert!(has(&mut layer, &ringing) && has(&mut layer, &reply(&sent, 486, "b")));
    let branch = sent.require::<Via<'_>>().unwrap().branch().unwrap().to_owned();
    for (part, other) in [
        (branch.as_str(), "z9hG4bKelse"),
        ("CSeq: 7 INVITE", "CSeq: 7 MESSAGE"),
        ("CSeq: 7 INVITE", "CSeq: nonsense"),
        // The CANCEL has the same branch, and has not been sent.
        ("CSeq: 7 INVITE", "CSeq: 7 CANCEL"),
        ("Via: ", "X-Via: "),
    ] {
        let text = ringing.replace(part, other);
        assert_ne!(text, ringing, "{part}");
        assert!(!has(&mut layer, &text), "{text}");
    }
    layer.udp(&ringing);
    assert!(layer.cancel(key));
    assert!(has(&mut layer, &ringing.replace("7 INVITE", "7 CANCEL")), "now it has");
    layer.finish();
    assert!(!has(&mut layer, &ringing), "it is over");
}
