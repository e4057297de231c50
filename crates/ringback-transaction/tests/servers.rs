//! Server transactions as the peer and the user see them (rules 2, 7 to 9, 12, 14).

mod common;

use common::*;
use ringback_message::header::To;
use ringback_message::{HeaderId, Message, Request};
use ringback_sansio::{CloseReason, Protocol};

const BRANCH: &str = "z9hG4bKa";

#[test]
fn rule_7_a_silent_user_is_covered_by_100_after_200_ms() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
    layer.pass(300);
    layer.udp(&theirs("INVITE", BRANCH));
    assert!(layer.respond(key, 180, "a"));
    layer.udp(&theirs("INVITE", BRANCH));
    layer.expect(&["0 request INVITE", "200 100", "300 100", "300 180", "300 180"]);
}

#[test]
fn rule_7_who_asks_again_before_is_told_100_then() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
    layer.pass(100);
    layer.udp(&theirs("INVITE", BRANCH));
    layer.pass(1_000);
    layer.respond(key, 486, "a");
    layer.udp(&theirs("INVITE", BRANCH));
    layer.expect(&["0 request INVITE", "100 100", "1100 486", "1100 486"]);
}

#[test]
fn rule_7_a_user_who_is_quick_needs_no_100_and_a_proxy_sends_it_at_once() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
    layer.respond(key, 183, "a");
    layer.pass(1_000);
    layer.expect(&["0 request INVITE", "0 183"]);
    let mut layer = Layer::with(|config| config.trying_at_once = true);
    layer.udp(&theirs("INVITE", BRANCH));
    layer.expect(&["0 request INVITE", "0 100"]);
}

#[test]
fn rule_7_a_failure_is_repeated_up_to_every_four_seconds_until_timer_h() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
    layer.respond(key, 486, "a");
    layer.pass(100);
    layer.udp(&theirs("INVITE", BRANCH));
    layer.finish();
    let mut expected = vec!["0 request INVITE".to_owned(), "0 486".to_owned(), "100 486".to_owned()];
    let at = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    expected.extend(at.map(|at| format!("{at} 486")));
    expected.push("32000 ended TimedOut".to_owned());
    assert_eq!(layer.said(), expected);
}

#[test]
fn rule_7_an_ack_ends_the_repetition_and_copies_of_it_are_absorbed() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
    layer.respond(key, 486, "a");
    layer.pass(600);
    layer.udp(&theirs("ACK", BRANCH));
    layer.udp(&theirs("ACK", BRANCH));
    layer.udp(&theirs("INVITE", BRANCH));
    assert!(!layer.respond(key, 486, "a"), "one final response");
    layer.finish();
    layer.expect(&["0 request INVITE", "0 486", "500 486", "5600 ended Completed"]);
    let via = "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKa";
    let key = layer.incoming(Protocol::Tcp, &theirs_with("INVITE", via, ""));
    layer.respond(key, 486, "a");
    layer.pass(10_000);
    layer.arrive(Protocol::Tcp, &theirs_with("ACK", via, "a"));
    let said = layer.said();
    assert_eq!(said.iter().filter(|said| said.ends_with(" 486")).count(), 1, "never repeated over a stream");
    assert!(said.last().unwrap().ends_with("ended Completed"), "timer I is zero");
    layer.finish();
}

#[test]
fn rule_8_after_a_2xx_invites_are_absorbed_acks_go_up_and_the_user_repeats() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
    assert!(layer.respond(key, 200, "a"));
    layer.pass(500);
    layer.udp(&theirs("INVITE", BRANCH));
    assert!(layer.respond(key, 200, "a"));
    assert!(!layer.respond(key, 486, "a"));
    layer.fail(key.into(), CloseReason::Reset);
    // The ACK to a 2xx has a branch of its own; one that has the same is passed up as well.
    layer.udp(&theirs("ACK", "z9hG4bKother"));
    layer.udp(&theirs("ACK", BRANCH));
    layer.finish();
    layer.expect(&[
        "0 request INVITE",
        "0 200",
        "500 200",
        "500 stray ACK",
        "500 stray ACK",
        "32000 ended Completed",
    ]);
}

#[test]
fn rule_9_no_100_before_the_peer_has_slowed_down_and_no_other_provisional_at_all() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("OPTIONS", BRANCH));
    assert!(layer.respond(key, 100, ""), "taken, not sent");
    layer.respond(key, 180, "a");
    layer.udp(&theirs("OPTIONS", BRANCH));
    layer.pass(3_600);
    layer.udp(&theirs("OPTIONS", BRANCH));
    layer.respond(key, 200, "a");
    layer.udp(&theirs("OPTIONS", BRANCH));
    layer.pass(31_999);
    layer.udp(&theirs("OPTIONS", BRANCH));
    layer.finish();
    layer.expect(&[
        "0 request OPTIONS",
        "3500 100",
        "3600 100",
        "3600 200",
        "3600 200",
        "35599 200",
        "35600 ended Completed",
    ]);
}

#[test]
fn rule_9_over_reliable_transports_100_may_go_at_once_and_timer_j_is_zero() {
    let mut layer = Layer::new();
    let via = "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKa";
    let key = layer.incoming(Protocol::Tcp, &theirs_with("OPTIONS", via, ""));
    layer.respond(key, 180, "a");
    layer.respond(key, 100, "");
    layer.respond(key, 200, "a");
    layer.expect(&["0 request OPTIONS", "0 100", "0 200", "0 ended Completed"]);
    layer.finish();
}

#[test]
fn rule_9_a_408_is_never_put_on_the_wire_and_silence_ends_as_well() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("OPTIONS", BRANCH));
    assert!(layer.respond(key, 408, "a"));
    layer.udp(&theirs("OPTIONS", BRANCH));
    layer.finish();
    layer.expect(&["0 request OPTIONS", "32000 ended Completed"]);
    layer.incoming(Protocol::Udp, &theirs("OPTIONS", BRANCH));
    let before = layer.said();
    assert_eq!(before.len(), 1);
    layer.finish();
    let said = layer.said();
    assert!(said[0].ends_with(" 100") && said[1].ends_with("ended TimedOut"), "{said:?}");
}

#[test]
fn rule_2_requests_match_by_branch_sent_by_and_method() {
    let mut layer = Layer::new();
    layer.udp(&theirs("INVITE", BRANCH));
    layer.expect(&["0 request INVITE"]);
    for same in
        ["SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKa", "SIP/2.0/UDP 192.0.2.9;branch=Z9HG4BKA;rport=5"]
    {
        layer.udp(&theirs_with("INVITE", same, ""));
        layer.expect(&["0 100"]);
    }
    for other in [
        "SIP/2.0/UDP 192.0.2.9:5061;branch=z9hG4bKa",
        "SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKa",
        "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb",
    ] {
        layer.udp(&theirs_with("INVITE", other, ""));
        layer.expect(&["0 request INVITE"]);
    }
    layer.udp(&theirs("MESSAGE", BRANCH));
    layer.expect(&["0 request MESSAGE"]);
}

#[test]
fn rule_2_peers_of_rfc_2543_match_by_everything_else() {
    let via = "SIP/2.0/UDP 192.0.2.9;branch=1";
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs_with("INVITE", via, ""));
    layer.udp(&theirs_with("INVITE", via, ""));
    layer.expect(&["0 request INVITE", "0 100"]);
    // Another Call-ID, another transaction, though the branch is the same.
    layer.udp(&theirs_with("INVITE", via, "").replace("Call-ID: theirs", "Call-ID: other"));
    layer.expect(&["0 request INVITE"]);
    layer.respond(key, 486, "a");
    // The ACK bears the To tag of the response; another one is not for it.
    layer.udp(&theirs_with("ACK", via, "z"));
    layer.udp(&theirs_with("ACK", via, "a"));
    layer.pass(1_000);
    layer.expect(&["0 486", "0 stray ACK", "200 100"]);
}

#[test]
fn rule_14_a_cancel_is_answered_200_and_told_once() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
    layer.udp(&theirs("CANCEL", BRANCH));
    layer.udp(&theirs("CANCEL", BRANCH));
    let seen = layer.expect(&["0 request INVITE", "0 200", "0 cancelled", "0 200"]);
    let Seen::Wire(_, _, ok) = &seen[1] else { panic!("the 200") };
    let tag = layer.transactions.to_tag(key).unwrap();
    let to = ok.values(HeaderId::TO).next().unwrap();
    assert_eq!(to, format!("<sip:alice@192.0.2.1>;tag={tag}").as_bytes(), "the tag of the 487 to come");
    layer.respond(key, 487, &tag);
    layer.udp(&theirs("ACK", BRANCH));
    layer.expect(&["0 487"]);
    layer.finish();
    layer.expect(&["5000 ended Completed"]);
}

#[test]
fn rule_14_a_cancel_that_comes_too_late_is_answered_and_changes_nothing() {
    for status in [200, 486] {
        let mut layer = Layer::new();
        let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
        layer.respond(key, status, "a");
        layer.udp(&theirs("CANCEL", BRANCH));
        let seen = layer.expect(&["0 request INVITE", &format!("0 {status}"), "0 200"]);
        let Seen::Wire(_, _, ok) = &seen[2] else { panic!("the 200") };
        assert_eq!(ok.values(HeaderId::TO).next().unwrap(), b"<sip:alice@192.0.2.1>;tag=a");
        layer.finish();
    }
}

#[test]
fn rule_14_a_cancel_that_matches_nothing_is_a_request_to_answer_481() {
    let mut layer = Layer::new();
    layer.udp(&theirs("INVITE", BRANCH));
    layer.take();
    layer.udp(&theirs("CANCEL", "z9hG4bKguessed"));
    layer.expect(&["0 request CANCEL"]);
    // A branch alone is not enough.
    layer.udp(&theirs("CANCEL", BRANCH).replace("Call-ID: theirs", "Call-ID: guessed"));
    layer.expect(&["0 request CANCEL"]);
}

#[test]
fn rule_14_a_cancel_of_something_else_is_answered_and_means_nothing() {
    let mut layer = Layer::new();
    layer.udp(&theirs("OPTIONS", BRANCH));
    layer.udp(&theirs("CANCEL", BRANCH));
    layer.expect(&["0 request OPTIONS", "0 200"]);
    layer.finish();
}

#[test]
fn rule_16_an_ack_creates_nothing_and_is_never_answered() {
    let mut layer = Layer::with(|config| config.max_server = 0);
    layer.udp(&theirs("ACK", BRANCH));
    layer.expect(&["0 stray ACK"]);
    assert!(layer.transactions.is_empty());
}

#[test]
fn limits_refuse_new_requests_with_503_and_no_transaction() {
    let mut layer = Layer::with(|config| {
        config.max_server = 1;
        config.retry_after = 7;
    });
    let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
    layer.udp(&theirs("INVITE", "z9hG4bKb"));
    let one = layer.expect(&["0 request INVITE", "0 503"]).pop().unwrap();
    layer.udp(&theirs("INVITE", "z9hG4bKb"));
    let two = layer.expect(&["0 503"]).pop().unwrap();
    let (Seen::Wire(None, _, one), Seen::Wire(None, _, two)) = (one, two) else { panic!("without a key") };
    assert_eq!(one.render(), two.render(), "the same to every copy");
    assert_eq!(one.values(HeaderId::RETRY_AFTER).next(), Some(&b"7"[..]));
    // What is alive goes on, and may be cancelled.
    layer.udp(&theirs("CANCEL", BRANCH));
    layer.expect(&["0 200", "0 cancelled"]);
    assert!(layer.respond(key, 487, "a"));
    layer.finish();
    layer.udp(&theirs("INVITE", "z9hG4bKc"));
    assert!(layer.said().last().unwrap().ends_with("request INVITE"));
}

#[test]
fn an_element_with_too_much_to_do_begins_nothing_and_goes_on_with_what_it_has() {
    let mut layer = Layer::new();
    let key = layer.incoming(Protocol::Udp, &theirs("INVITE", BRANCH));
    layer.expect(&["0 request INVITE"]);
    layer.overloaded(&theirs("INVITE", BRANCH), Some(9));
    layer.expect(&["0 100"]);
    for (later, header) in [(Some(9), Some(&b"9"[..])), (None, None)] {
        layer.overloaded(&theirs("INVITE", "z9hG4bKb"), later);
        let Some(Seen::Wire(None, _, refusal)) = layer.expect(&["0 503"]).pop() else {
            panic!("without a key")
        };
        assert_eq!(refusal.values(HeaderId::RETRY_AFTER).next(), header);
        // Its ACK has nowhere to go on to.
        let Some(Ok(to)) = refusal.first::<To<'_>>() else { panic!("a To") };
        let ack = theirs_with("ACK", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb", to.tag().unwrap());
        layer.udp(&ack);
        layer.expect(&[]);
    }
    assert!(layer.respond(key, 486, "a"));
    layer.expect(&["0 486"]);
    layer.udp(&theirs("ACK", BRANCH));
    layer.finish();
}

#[test]
fn rule_12_a_response_whose_stream_is_gone_is_sent_once_more_to_sent_by() {
    let mut layer = Layer::new();
    let via = "SIP/2.0/TCP 192.0.2.9:5070;branch=z9hG4bKa";
    let key = layer.incoming(Protocol::Tcp, &theirs_with("INVITE", via, ""));
    layer.respond(key, 486, "a");
    layer.fail(key.into(), CloseReason::Closed);
    let seen = layer.expect(&["0 request INVITE", "0 486", "0 486"]);
    let Seen::Wire(_, to, _) = &seen[2] else { panic!("the 486") };
    assert_eq!(to.peer().to_string(), "192.0.2.9:5070");
    layer.fail(key.into(), CloseReason::Refused);
    layer.expect(&["0 ended TransportFailed(Refused)"]);
    layer.finish();
}

#[test]
fn rule_12_udp_responses_go_to_the_source_or_the_port_of_sent_by_or_maddr() {
    for (via, to) in [
        ("SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1", Some("192.0.2.9:5070")),
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK2;received=192.0.2.9;rport=5060", Some("192.0.2.9:5060")),
        ("SIP/2.0/UDP h.invalid;branch=z9hG4bK3;maddr=192.0.2.7", Some("192.0.2.7:5060")),
        ("SIP/2.0/UDP h.invalid;branch=z9hG4bK4;maddr=224.0.1.75", None),
    ] {
        let mut layer = Layer::with(|config| config.trying_at_once = true);
        layer.udp(&theirs_with("INVITE", via, ""));
        let target = layer.take().into_iter().find_map(|(_, seen)| match seen {
            Seen::Wire(_, to, _) => Some(to.peer().to_string()),
            _ => None,
        });
        assert_eq!(target.as_deref(), to, "{via}");
    }
}

/// Whether the table says that a request is of one of its server transactions.
fn has(layer: &mut Layer, text: &str) -> bool {
    let request = Request::try_from(Message::parse(text.to_owned()).unwrap()).unwrap();
    layer.transactions.has_request(&request)
}

#[test]
fn who_sorts_datagrams_is_told_which_requests_are_of_a_transaction() {
    let mut layer = Layer::new();
    let invite = theirs("INVITE", BRANCH);
    assert!(!has(&mut layer, &invite), "nothing has begun");
    let key = layer.incoming(Protocol::Udp, &invite);
    for (text, is_of_it) in [
        (invite.clone(), true),
        (theirs("CANCEL", BRANCH), true),
        (theirs("ACK", BRANCH), true),
        (theirs("BYE", BRANCH), false),
        (theirs("INVITE", "z9hG4bKb"), false),
        (theirs("CANCEL", "z9hG4bKb"), false),
        (theirs("ACK", "z9hG4bKb"), false),
        (theirs_with("INVITE", &format!("SIP/2.0/UDP 192.0.2.8;branch={BRANCH}"), ""), false),
        (invite.replace("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa", "nonsense"), false),
    ] {
        assert_eq!(has(&mut layer, &text), is_of_it, "{text}");
    }
    layer.respond(key, 486, "a");
    assert!(has(&mut layer, &theirs("ACK", BRANCH)), "it waits for its ACK");
    let seen = layer.said();
    assert_eq!(seen, ["0 request INVITE", "0 486"], "to ask does nothing");
    layer.finish();
    assert!(!has(&mut layer, &invite) && !has(&mut layer, &theirs("ACK", BRANCH)), "it is over");
}

#[test]
fn an_ack_is_of_no_transaction_that_is_not_of_an_invite() {
    let mut layer = Layer::new();
    layer.udp(&theirs("MESSAGE", BRANCH));
    assert!(has(&mut layer, &theirs("MESSAGE", BRANCH)) && has(&mut layer, &theirs("CANCEL", BRANCH)));
    assert!(!has(&mut layer, &theirs("ACK", BRANCH)));
}

#[test]
fn requests_of_rfc_2543_are_told_by_everything_else() {
    let via = "SIP/2.0/UDP 192.0.2.9;branch=1";
    let mut layer = Layer::new();
    let invite = theirs_with("INVITE", via, "");
    let key = layer.incoming(Protocol::Udp, &invite);
    assert!(has(&mut layer, &invite));
    assert!(!has(&mut layer, &invite.replace("Call-ID: theirs", "Call-ID: other")));
    layer.respond(key, 486, "a");
    assert!(
        has(&mut layer, &theirs_with("ACK", via, "a")) && !has(&mut layer, &theirs_with("ACK", via, "z"))
    );
}
