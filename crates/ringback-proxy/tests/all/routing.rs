//! Where requests go: checks, Route and Record-Route, names, sizes (RFC 3261 §16.3 to §16.6).

use crate::common::*;
use ringback_message::HeaderId;
use ringback_proxy::{Branch, Decision};
use ringback_sansio::{Flow, FlowId, Protocol, Target};
use ringback_transport::locate::{LocateError, Name, NextHop};

fn element_with_bob() -> Element {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element
}

#[test]
fn a_call_goes_through() {
    let mut element = element_with_bob();
    element.udp(ALICE, &invite("1"));
    let sent = element.expect(&["udp 192.0.2.10:5060 100", "udp 192.0.2.20:5060 INVITE sip:bob@192.0.2.20"]);
    assert_eq!(sent[0].values(HeaderId::VIA), ["SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1"]);
    let vias = sent[1].values(HeaderId::VIA);
    assert!(vias[0].starts_with("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"), "{}", vias[0]);
    assert_eq!(vias[1], "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1");
    assert_eq!(sent[1].values(HeaderId::RECORD_ROUTE), ["<sip:192.0.2.1:5060;lr>"]);
    assert_eq!(sent[1].value(HeaderId::MAX_FORWARDS), "69");

    element.udp(BOB, &sent[1].reply(180, "b"));
    let ringing = element.expect(&["udp 192.0.2.10:5060 180"]);
    assert_eq!(ringing[0].values(HeaderId::VIA), ["SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1"]);
    element.udp(BOB, &sent[1].reply(200, "b"));
    element.expect(&["udp 192.0.2.10:5060 200"]);

    let in_dialog = "Route: <sip:192.0.2.1:5060;lr>\nTo: <sip:bob@example.com>;tag=b";
    element.udp(ALICE, &request("ACK", "sip:bob@192.0.2.20", "2", in_dialog));
    let ack = element.expect(&["udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20"]);
    assert_eq!(ack[0].values(HeaderId::ROUTE), Vec::<String>::new());
    let bye = format!("{in_dialog}\nCSeq: 2 BYE");
    element.udp(ALICE, &request("BYE", "sip:bob@192.0.2.20", "3", &bye));
    let sent = element.expect(&["udp 192.0.2.20:5060 BYE sip:bob@192.0.2.20"]);
    assert_eq!(sent[0].values(HeaderId::RECORD_ROUTE), Vec::<String>::new());
    element.udp(BOB, &sent[0].reply(200, ""));
    element.expect(&["udp 192.0.2.10:5060 200"]);
    element.expect_end();
}

#[test]
fn rule_19_max_forwards_counts_down_and_starts_at_70() {
    let hops = |lines: &str| {
        let mut element = element_with_bob();
        element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", lines));
        let sent = element.take().pop().unwrap();
        match sent.message.status() {
            Some(status) => status.to_string(),
            None => sent.value(HeaderId::MAX_FORWARDS),
        }
    };
    assert_eq!(hops("Max-Forwards: 70"), "69");
    assert_eq!(hops("Max-Forwards: 1"), "0");
    assert_eq!(hops("Max-Forwards: 0"), "483");
    let mut element = element_with_bob();
    let absent = request("MESSAGE", "sip:bob@example.com", "1", "").replace("Max-Forwards: 70\r\n", "");
    element.udp(ALICE, &absent);
    assert_eq!(element.take()[0].value(HeaderId::MAX_FORWARDS), "70");
}

#[test]
fn rule_19_options_may_be_answered_where_their_hops_end() {
    let mut element = element_with_bob();
    element.udp(ALICE, &request("OPTIONS", "sip:192.0.2.1", "1", "Max-Forwards: 0"));
    element.expect(&[]);
    assert_eq!(element.local.len(), 1);
    element.udp(ALICE, &request("OPTIONS", "sip:bob@192.0.2.20", "2", "Max-Forwards: 0"));
    element.expect(&["udp 192.0.2.10:5060 483"]);
}

#[test]
fn rule_19_a_loop_is_seen_and_a_spiral_is_allowed() {
    let mut element = Element::new();
    // bob leads back to us under another name, which leads to bob again.
    element.user("bob", &[branch("sip:robert@example.com;maddr=192.0.2.1")]);
    element.user("robert", &[branch("sip:bob@example.com;maddr=192.0.2.1")]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    let first = element.expect(&["udp 192.0.2.1:5060 MESSAGE sip:robert@example.com;maddr=192.0.2.1"]);
    // The spiral: the same request with another Request-URI.
    element.udp("192.0.2.1:5060", &first[0].text());
    let second = element.expect(&["udp 192.0.2.1:5060 MESSAGE sip:bob@example.com;maddr=192.0.2.1"]);
    element.udp("192.0.2.1:5060", &second[0].text());
    let third = element.expect(&["udp 192.0.2.1:5060 MESSAGE sip:robert@example.com;maddr=192.0.2.1"]);
    // Now it is where it was before.
    element.udp("192.0.2.1:5060", &third[0].text());
    let answer = element.expect(&["udp 192.0.2.1:5060 482"]);
    // The refusal goes back along the spiral.
    let mut refusal = answer[0].text();
    for _ in 0..2 {
        element.udp("192.0.2.1:5060", &refusal);
        refusal = element.expect(&["udp 192.0.2.1:5060 482"])[0].text();
    }
    element.udp("192.0.2.1:5060", &refusal);
    element.expect(&["udp 192.0.2.10:5060 482"]);
    element.expect_end();
}

#[test]
fn rule_19_breadth_is_shared_and_440_when_there_is_none() {
    let breadth = |lines: &str, branches: usize| {
        let mut element = Element::new();
        let branches: Vec<Branch> =
            (0..branches).map(|at| branch(&format!("sip:bob@192.0.2.{}", 20 + at))).collect();
        element.user("bob", &branches);
        element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", lines));
        let sent = element.take();
        let said = sent.iter().map(|sent| match sent.message.status() {
            Some(status) => status.to_string(),
            None => sent.value(HeaderId::MAX_BREADTH),
        });
        said.collect::<Vec<_>>()
    };
    assert_eq!(breadth("", 1), ["60"]);
    assert_eq!(breadth("", 3), ["20", "20", "20"]);
    assert_eq!(breadth("Max-Breadth: 7", 2), ["3", "3"]);
    assert_eq!(breadth("Max-Breadth: 1", 1), ["1"]);
    assert_eq!(breadth("Max-Breadth: 1", 2), ["440"]);
    assert_eq!(breadth("Max-Breadth: 0", 1), ["440"]);
    assert_eq!(breadth("Max-Breadth: 100000", 1), ["60"]);
}

#[test]
fn rule_21_what_a_proxy_must_know_is_refused_by_name_and_require_is_none_of_its_business() {
    let mut element = element_with_bob();
    let lines = "Proxy-Require: foo, bar\nRequire: baz";
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", lines));
    let sent = element.expect(&["udp 192.0.2.10:5060 420"]);
    assert_eq!(sent[0].values(HeaderId::UNSUPPORTED), ["foo", "bar"]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "2", "Require: baz"));
    let sent = element.expect(&["udp 192.0.2.20:5060 MESSAGE sip:bob@192.0.2.20"]);
    assert_eq!(sent[0].value(HeaderId::REQUIRE), "baz");
}

#[test]
fn schemes_that_lead_nowhere_are_refused() {
    let mut element = Element::new();
    element.udp(ALICE, &request("MESSAGE", "nobodyKnowsThisScheme:x", "1", ""));
    element.udp(ALICE, &request("MESSAGE", "tel:+12025550142", "2", ""));
    element.udp(ALICE, &request("MESSAGE", "sip:x@192.0.2.20;transport=sctp", "3", ""));
    element.expect(&["udp 192.0.2.10:5060 416", "udp 192.0.2.10:5060 416", "udp 192.0.2.10:5060 416"]);
    // A Route says where to go whatever the scheme.
    element.udp(ALICE, &request("MESSAGE", "tel:+12025550142", "4", "Route: <sip:192.0.2.9;lr>"));
    element.expect(&["udp 192.0.2.9:5060 MESSAGE tel:+12025550142"]);
}

#[test]
fn rule_20_our_own_route_is_removed_and_the_next_one_followed() {
    let mut element = Element::new();
    let lines = "Route: <sip:192.0.2.1;lr>, <sip:192.0.2.9:5080;lr>\nRoute: <sip:192.0.2.8;lr>";
    element.udp(ALICE, &request("BYE", "sip:bob@192.0.2.20", "1", lines));
    let sent = element.expect(&["udp 192.0.2.9:5080 BYE sip:bob@192.0.2.20"]);
    assert_eq!(sent[0].values(HeaderId::ROUTE), ["<sip:192.0.2.9:5080;lr>", "<sip:192.0.2.8;lr>"]);
}

#[test]
fn rule_20_a_strict_router_ahead_gets_its_uri_in_the_start_line() {
    let mut element = Element::new();
    let lines = "Route: <sip:192.0.2.1;lr>, <sip:192.0.2.9:5080>, <sip:192.0.2.8;lr>";
    element.udp(ALICE, &request("BYE", "sip:bob@192.0.2.20;x=y", "1", lines));
    let sent = element.expect(&["udp 192.0.2.9:5080 BYE sip:192.0.2.9:5080"]);
    assert_eq!(sent[0].values(HeaderId::ROUTE), ["<sip:192.0.2.8;lr>", "<sip:bob@192.0.2.20;x=y>"]);
}

#[test]
fn rule_20_what_a_strict_router_behind_us_displaced_is_restored() {
    let mut element = Element::new();
    let lines = "Route: <sip:192.0.2.9;lr>, <sip:bob@192.0.2.20>";
    element.udp(ALICE, &request("BYE", "sip:192.0.2.1:5060;lr", "1", lines));
    let sent = element.expect(&["udp 192.0.2.9:5060 BYE sip:bob@192.0.2.20"]);
    assert_eq!(sent[0].values(HeaderId::ROUTE), ["<sip:192.0.2.9;lr>"]);
    // The last hop before the phone.
    let lines = "Route: <sip:bob@192.0.2.20>\nCSeq: 2 BYE";
    element.udp(ALICE, &request("BYE", "sip:192.0.2.1:5060;lr", "2", lines));
    let sent = element.expect(&["udp 192.0.2.20:5060 BYE sip:bob@192.0.2.20"]);
    assert_eq!(sent[0].values(HeaderId::ROUTE), Vec::<String>::new());
}

#[test]
fn rule_20_a_change_of_transport_is_recorded_on_both_sides_and_undone_in_one_step() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20;transport=tcp")]);
    element.udp(ALICE, &invite("1"));
    let sent = element.take();
    let recorded = sent[1].values(HeaderId::RECORD_ROUTE);
    assert_eq!(recorded, ["<sip:192.0.2.1:5060;transport=tcp;lr>", "<sip:192.0.2.1:5060;lr>"]);
    assert_eq!(sent[1].head(), "tcp 192.0.2.20:5060 INVITE sip:bob@192.0.2.20;transport=tcp");
    assert!(sent[1].value(HeaderId::VIA).starts_with("SIP/2.0/TCP 192.0.2.1:5060;"));
    // Alice reverses the list.
    let lines = format!("Route: {}, {}\nCSeq: 2 BYE", recorded[1], recorded[0]);
    element.udp(ALICE, &request("BYE", "sip:bob@192.0.2.20;transport=tcp", "2", &lines));
    let sent = element.expect(&["tcp 192.0.2.20:5060 BYE sip:bob@192.0.2.20;transport=tcp"]);
    assert_eq!(sent[0].values(HeaderId::ROUTE), Vec::<String>::new());
}

#[test]
fn rule_20_a_change_of_address_family_is_recorded_on_both_sides() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@[2001:db8::20]")]);
    element.udp(ALICE, &invite("1"));
    let sent = element.take();
    assert_eq!(sent[1].head(), "udp [2001:db8::20]:5060 INVITE sip:bob@[2001:db8::20]");
    let recorded = sent[1].values(HeaderId::RECORD_ROUTE);
    assert_eq!(recorded, ["<sip:[2001:db8::1]:5060;lr>", "<sip:192.0.2.1:5060;lr>"]);
    element.arrive(Protocol::Udp, "[2001:db8::20]:5060", &sent[1].reply(486, "b"));
    let sent = element.take();
    assert_eq!(sent[1].head(), "udp 192.0.2.10:5060 486");
}

#[test]
fn the_route_of_a_notify_is_recorded_as_it_begins_the_dialog_at_who_subscribed() {
    // RFC 6665 §4.3: it comes with a To tag from the first, and may come before the 200 to the SUBSCRIBE.
    let lines = "To: <sip:bob@192.0.2.20>;tag=b\nRoute: <sip:192.0.2.1:5060;lr>\nEvent: dialog\nSubscription-State: active\n\
                 Contact: <sip:alice@192.0.2.10>";
    let mut element = Element::new();
    element.udp(ALICE, &request("NOTIFY", "sip:bob@192.0.2.20", "1", lines));
    let sent = element.expect(&["udp 192.0.2.20:5060 NOTIFY sip:bob@192.0.2.20"]);
    assert_eq!(sent[0].values(HeaderId::RECORD_ROUTE), ["<sip:192.0.2.1:5060;lr>"]);
    assert_eq!(sent[0].values(HeaderId::ROUTE), Vec::<String>::new());
    element.udp(BOB, &sent[0].reply(200, "b"));
    let ok = element.expect(&["udp 192.0.2.10:5060 200"]);
    assert_eq!(ok[0].values(HeaderId::VIA).len(), 1);
    // A refresh in the dialog records nothing (RFC 3261 §16.6 step 4), and a proxy that stays out of the way never does.
    let refresh = "To: <sip:alice@192.0.2.10>;tag=a\nRoute: <sip:192.0.2.1:5060;lr>\nEvent: dialog";
    element.udp(BOB, &request("SUBSCRIBE", "sip:alice@192.0.2.10", "2", refresh));
    let mut quiet = Element::with(|config| config.record_route = false, |_| {});
    quiet.udp(ALICE, &request("NOTIFY", "sip:bob@192.0.2.20", "3", lines));
    for sent in [element.expect_only("SUBSCRIBE"), quiet.expect_only("NOTIFY")] {
        assert_eq!(sent.values(HeaderId::RECORD_ROUTE), Vec::<String>::new());
    }
}

#[test]
fn record_route_only_where_a_dialog_may_begin_and_only_if_wanted() {
    let mut element = element_with_bob();
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    element.udp(ALICE, &request("INVITE", "sip:bob@example.com", "2", "To: <sip:bob@example.com>;tag=b"));
    let mut quiet = Element::with(|config| config.record_route = false, |_| {});
    quiet.user("bob", &[branch("sip:bob@192.0.2.20")]);
    quiet.udp(ALICE, &invite("1"));
    let sent = element.take().into_iter().chain(quiet.take());
    let requests: Vec<_> = sent.filter(|sent| sent.message.is_request()).collect();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|sent| sent.values(HeaderId::RECORD_ROUTE).is_empty()));
}

#[test]
fn rule_83_headers_of_a_uri_do_not_reach_the_start_line() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20;x?Route=%3Csip:evil%3E&Subject=a")]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    element.udp(ALICE, &request("MESSAGE", "sip:c@192.0.2.30?From=x", "2", ""));
    element.expect(&[
        "udp 192.0.2.20:5060 MESSAGE sip:bob@192.0.2.20;x",
        "udp 192.0.2.30:5060 MESSAGE sip:c@192.0.2.30",
    ]);
}

#[test]
fn the_path_of_a_binding_goes_on_top_and_a_flow_goes_before_its_uri() {
    let mut element = Element::new();
    let mut target = branch("sip:bob@10.0.0.5");
    target.route = vec!["<sip:192.0.2.7;lr>".into(), "<sip:192.0.2.8;lr>".into()];
    element.user("bob", &[target.clone()]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    let sent = element.expect(&["udp 192.0.2.7:5060 MESSAGE sip:bob@10.0.0.5"]);
    assert_eq!(sent[0].values(HeaderId::ROUTE), ["<sip:192.0.2.7;lr>", "<sip:192.0.2.8;lr>"]);

    let flow = Flow {
        id: FlowId(9),
        protocol: Protocol::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        peer: "203.0.113.5:4321".parse().unwrap(),
    };
    element.user("bob", &[Branch { flow: Some(flow), route: Vec::new(), ..target }]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "2", ""));
    let sent = element.expect(&["udp 203.0.113.5:4321 MESSAGE sip:bob@10.0.0.5"]);
    assert_eq!(sent[0].to, Target::Flow(flow));
}

#[test]
fn names_are_asked_for_and_one_that_leads_nowhere_is_answered_by_why() {
    let mut element = Element::new();
    element.udp(ALICE, &request("MESSAGE", "sip:bob@phone.example.net:5070", "1", ""));
    element.expect(&[]);
    let (token, hop) = element.questions.pop().unwrap();
    let name = NextHop::Name(Name {
        host: "phone.example.net".into(),
        port: Some(5070),
        protocol: None,
        secure: false,
    });
    assert_eq!(hop, name);
    element.resolve(token, &[Target::Address(Protocol::Udp, "192.0.2.20:5070".parse().unwrap())]);
    element.expect(&["udp 192.0.2.20:5070 MESSAGE sip:bob@phone.example.net:5070"]);
    element.resolve(token, &[Target::Address(Protocol::Udp, "192.0.2.20:5070".parse().unwrap())]);
    element.expect(&[]);

    element.udp(ALICE, &request("MESSAGE", "sip:bob@nowhere.invalid", "2", ""));
    let (token, _) = element.questions.pop().unwrap();
    element.resolve(token, &[]);
    element.expect(&["udp 192.0.2.10:5060 404"]);
    let route = "Route: <sip:proxy.invalid;lr>\r\n";
    for (number, more, error, status) in [
        (3, "", LocateError::NotOffered, 404),
        (4, "", LocateError::Unanswered, 480),
        (5, "", LocateError::Unreachable, 500),
        (6, route, LocateError::NotFound, 502),
        (7, route, LocateError::Unanswered, 480),
    ] {
        element.udp(ALICE, &request("MESSAGE", "sip:bob@nowhere.invalid", &number.to_string(), more));
        let (token, _) = element.questions.pop().unwrap();
        element.resolve_to(token, Err(error));
        element.expect(&[&format!("udp 192.0.2.10:5060 {status}")]);
    }
    element.expect_end();
}

#[test]
fn rule_10_where_a_target_does_not_work_the_next_one_is_tried_under_a_new_branch() {
    let targets = ["192.0.2.20:5060", "192.0.2.21:5060", "192.0.2.22:5060"]
        .map(|peer| Target::Address(Protocol::Udp, peer.parse().unwrap()));
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@phone.example.net")]);
    element.udp(ALICE, &invite("1"));
    let (token, _) = element.questions.pop().unwrap();
    element.resolve(token, &targets);
    let one =
        element.expect(&["udp 192.0.2.10:5060 100", "udp 192.0.2.20:5060 INVITE sip:bob@phone.example.net"]);
    element.fail(one[1].key);
    let two = element.expect(&["udp 192.0.2.21:5060 INVITE sip:bob@phone.example.net"]);
    assert_ne!(one[1].value(HeaderId::VIA), two[0].value(HeaderId::VIA));
    element.arrive(Protocol::Udp, "192.0.2.21:5060", &two[0].reply(503, "b"));
    let three = element.expect(&[
        "udp 192.0.2.21:5060 ACK sip:bob@phone.example.net",
        "udp 192.0.2.22:5060 INVITE sip:bob@phone.example.net",
    ]);
    assert_eq!(three[1].values(HeaderId::VIA).len(), 2);
    assert_eq!(three[1].values(HeaderId::RECORD_ROUTE).len(), 1);
    element.arrive(Protocol::Udp, "192.0.2.22:5060", &three[1].reply(503, "c"));
    let sent = element.take();
    assert_eq!(sent.last().unwrap().head(), "udp 192.0.2.10:5060 500");
    element.expect_end();
    // What did not work is told, so that names lead elsewhere; a 503 that names no time is none of that.
    assert_eq!(element.unavailable, [(targets[0], None)]);
    element.udp(ALICE, &invite("4"));
    let (token, _) = element.questions.pop().unwrap();
    element.take();
    element.resolve(token, &targets[..1]);
    let sent = element.take().pop().unwrap();
    let busy = sent.reply(503, "b").replacen("\r\n", "\r\nRetry-After: 120\r\n", 1);
    element.arrive(Protocol::Udp, "192.0.2.20:5060", &busy);
    element.take();
    let two_minutes = std::time::Duration::from_secs(120);
    assert_eq!(element.unavailable.pop(), Some((targets[0], Some(two_minutes))));

    // Silence counts as well, but not of one that was heard before.
    element.udp(ALICE, &invite("2"));
    let (token, _) = element.questions.pop().unwrap();
    element.take();
    element.resolve(token, &targets[..2]);
    element.pass(std::time::Duration::from_secs(33));
    let sent = element.take();
    assert!(sent.iter().any(|sent| sent.head().starts_with("udp 192.0.2.21:5060 INVITE")));
    element.udp(ALICE, &invite("3"));
    let (token, _) = element.questions.pop().unwrap();
    element.take();
    element.resolve(token, &targets);
    let ringing = element.take().pop().unwrap();
    element.udp(BOB, &ringing.reply(180, "b"));
    element.udp(BOB, &ringing.reply(503, "b"));
    assert_eq!(element.take().last().unwrap().head(), "udp 192.0.2.10:5060 500");
    element.expect_end();
}

#[test]
fn rule_11_large_requests_go_by_tcp_and_back_to_udp_where_that_is_refused() {
    let mut element = element_with_bob();
    for (padding, protocol) in [(600, "udp"), (900, "tcp")] {
        let lines = format!("Subject: {}", "x".repeat(padding));
        let text = request("INVITE", "sip:bob@example.com", &format!("{padding}"), &lines);
        element.udp(ALICE, &text);
        let sent = element.take();
        assert_eq!(sent[1].head(), format!("{protocol} 192.0.2.20:5060 INVITE sip:bob@192.0.2.20"));
        if protocol == "udp" {
            assert!(sent[1].text().len() <= 1300);
            continue;
        }
        assert_eq!(sent[1].values(HeaderId::RECORD_ROUTE).len(), 2);
        assert!(sent[1].value(HeaderId::VIA).starts_with("SIP/2.0/TCP"));
        element.fail(sent[1].key);
        let again = element.expect(&["udp 192.0.2.20:5060 INVITE sip:bob@192.0.2.20"]);
        assert!(again[0].value(HeaderId::VIA).starts_with("SIP/2.0/UDP"));
        assert_eq!(again[0].values(HeaderId::RECORD_ROUTE), ["<sip:192.0.2.1:5060;lr>"]);
        // Where UDP fails as well there is nothing left, and upstream is not told that we are in trouble.
        element.fail(again[0].key);
        element.expect(&["udp 192.0.2.10:5060 500"]);
    }
    element.expect_end();
}

#[test]
fn rule_11_no_request_over_1300_bytes_leaves_by_udp() {
    for padding in 700..960 {
        let lines = format!("Subject: {}", "x".repeat(padding));
        let text = request("INVITE", "sip:bob@example.com", "1", &lines);
        let mut element = element_with_bob();
        element.udp(ALICE, &text);
        let sent = element.take().pop().unwrap();
        assert!(sent.to.protocol() == Protocol::Tcp || sent.text().len() <= 1300);
        // Where there is no TCP, as here for IPv6, there is no choice.
        element.user("bob", &[branch("sip:bob@[2001:db8:1111:2222:3333:4444:5555:6666]:50600")]);
        element.udp(ALICE, &text.replace("z9hG4bK1", "z9hG4bK2"));
        assert_eq!(element.take().pop().unwrap().to.protocol(), Protocol::Udp);
    }
}

#[test]
fn policies_refuse_redirect_and_keep_for_themselves() {
    let mut element = Element::new();
    let contacts = ["sip:bob@192.0.2.20", "sip:bob@192.0.2.21"].map(|uri| uri.parse().unwrap());
    element.policy.fixed = Some(Decision::Redirect(contacts.to_vec()));
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    let sent = element.expect(&["udp 192.0.2.10:5060 302"]);
    assert_eq!(sent[0].values(HeaderId::CONTACT), ["<sip:bob@192.0.2.20>", "<sip:bob@192.0.2.21>"]);
    element.policy.fixed = Some(Decision::Forward(Vec::new().into()));
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "2", ""));
    element.expect(&["udp 192.0.2.10:5060 480"]);
    element.policy.fixed = Some(Decision::Local);
    element.udp(ALICE, &invite("3"));
    element.expect(&["udp 192.0.2.10:5060 100"]);
    assert_eq!(element.local.len(), 1);
    element.udp(ALICE, &cancel("3", ""));
    let sent = element.expect(&["udp 192.0.2.10:5060 200", "udp 192.0.2.10:5060 487"]);
    assert_eq!(sent[0].value(HeaderId::TO), sent[1].value(HeaderId::TO));
    element.expect_end();
}

#[test]
fn limits_refuse_new_requests_and_harm_no_old_ones() {
    let mut element = Element::with(|config| config.max_contexts = 1, |_| {});
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    let first = element.take();
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "2", ""));
    let refused = element.expect(&["udp 192.0.2.10:5060 503"]);
    assert_eq!(refused[0].value(HeaderId::RETRY_AFTER), "10");
    element.udp(BOB, &first[0].reply(200, "b"));
    element.expect(&["udp 192.0.2.10:5060 200"]);
    element.expect_end();
}

#[test]
fn an_ack_without_a_route_of_ours_goes_where_the_policy_says() {
    let mut element = element_with_bob();
    let to = "To: <sip:bob@example.com>;tag=b";
    element.udp(ALICE, &request("ACK", "sip:bob@example.com", "1", to));
    let one = element.expect(&["udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20"]);
    element.udp(ALICE, &request("ACK", "sip:bob@example.com", "1", to));
    let two = element.take();
    assert_eq!(one[0].text(), two[0].text(), "a copy passes as a copy");
    element.udp(ALICE, &request("ACK", "sip:bob@example.com", "2", to));
    assert_ne!(one[0].value(HeaderId::VIA), element.take()[0].value(HeaderId::VIA));
    // Never answered, whatever is wrong with it (rule 16).
    element.udp(ALICE, &request("ACK", "sip:carol@example.com", "3", to));
    element.udp(ALICE, &request("ACK", "sip:192.0.2.1;lr", "4", "Route: <sip:192.0.2.1;lr>"));
    element.udp(ALICE, &request("ACK", "sip:bob@example.com", "5", "Max-Forwards: 0"));
    element.udp(ALICE, &request("ACK", "tel:1", "6", "Route: <sip:192.0.2.1;lr>"));
    element.expect(&[]);
    element.udp(ALICE, &request("ACK", "sip:bob@phone.example.net", "7", "Route: <sip:192.0.2.1;lr>"));
    let (token, _) = element.questions.pop().unwrap();
    element.resolve(token, &[Target::Address(Protocol::Udp, "192.0.2.21:5060".parse().unwrap())]);
    element.expect(&["udp 192.0.2.21:5060 ACK sip:bob@phone.example.net"]);
    element.expect_end();
}

#[test]
fn credentials_for_our_realm_end_here() {
    let mut element = Element::with(|config| config.realm = Some("example.com".to_owned()), |_| {});
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    let digest = |realm: &str| {
        format!("Digest username=\"alice\", realm=\"{realm}\", nonce=\"n\", uri=\"sip:x\", response=\"r\"")
    };
    let lines = format!(
        "Proxy-Authorization: {}\nProxy-Authorization: {}",
        digest("example.com"),
        digest("example.org")
    );
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", &lines));
    let message = element.expect(&["udp 192.0.2.20:5060 MESSAGE sip:bob@192.0.2.20"]);
    assert_eq!(message[0].values(HeaderId::PROXY_AUTHORIZATION), [digest("example.org")]);

    let ack = format!("Route: <sip:192.0.2.1:5060;lr>\nTo: <sip:bob@example.com>;tag=b\n{lines}");
    element.udp(ALICE, &request("ACK", "sip:bob@192.0.2.20", "2", &ack));
    let ack = element.expect(&["udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20"]);
    assert_eq!(ack[0].values(HeaderId::PROXY_AUTHORIZATION), [digest("example.org")]);
}

#[test]
fn where_every_target_is_dead_each_is_tried_once_and_then_it_is_told() {
    let mut element = Element::new();
    element.udp(ALICE, &request("MESSAGE", "sip:bob@phone.example.net;transport=tcp", "1", ""));
    let (token, _) = element.questions.pop().unwrap();
    let targets: Vec<Target> = (1..=16)
        .map(|host| Target::Address(Protocol::Tcp, format!("198.51.100.{host}:5060").parse().unwrap()))
        .collect();
    element.resolve(token, &targets);
    let mut branches = std::collections::BTreeSet::new();
    for target in &targets {
        let sent = element.take().pop().unwrap();
        assert_eq!(sent.to, *target);
        assert!(branches.insert(sent.value(HeaderId::VIA)), "a new branch each time");
        element.fail(sent.key);
    }
    element.expect(&["udp 192.0.2.10:5060 500"]);
    assert_eq!(element.unavailable.len(), targets.len(), "and all are avoided for a while");
    element.expect_end();
}
