//! Dialogs of peers that nobody can connect to: later requests take the connection that is there (RFC 5626 §5.3).

use crate::common::{ALICE, BOB, Element, branch, request};
use ringback_message::{HeaderId, Message, Request};
use ringback_proxy::Branch;
use ringback_sansio::{Flow, FlowId, Protocol, Target};

fn flow(id: u64, peer: &str) -> Flow {
    let local = "192.0.2.1:5060".parse().unwrap();
    Flow { id: FlowId(id), protocol: Protocol::Tls, local, peer: peer.parse().unwrap() }
}

/// Calls Bob, who is registered over TLS, from Alice, who is on TLS as well, and gives the Record-Routes that Bob sees.
fn call(element: &mut Element) -> Vec<String> {
    let bob = Branch { flow: Some(flow(2, BOB)), ..branch("sip:bob@10.0.0.5:9;transport=tls") };
    element.user("bob", &[bob]);
    let invite =
        request("INVITE", "sip:bob@example.com", "1", "Contact: <sip:alice@10.0.0.9:9;transport=tls>");
    element.arrive(Protocol::Tls, ALICE, &invite);
    let sent = element.expect_only("INVITE");
    assert_eq!(sent.to, Target::Flow(flow(2, BOB)));
    let values = sent.message.values(HeaderId::RECORD_ROUTE);
    values.map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

fn with_tls() -> Element {
    Element::with(
        |_| {},
        |transactions| transactions.locals.set(Protocol::Tls, "192.0.2.1:5060".parse().unwrap()),
    )
}

fn in_dialog(method: &str, uri: &str, branch: &str, routes: &[&String]) -> String {
    let routes: String = routes.iter().map(|route| format!("\r\nRoute: {route}")).collect();
    request(method, uri, branch, &format!("To: <sip:bob@example.com>;tag=b{routes}"))
}

#[test]
fn later_requests_take_the_flows_in_both_directions() {
    let mut element = with_tls();
    let routes = call(&mut element);
    assert_eq!(routes.len(), 2, "{routes:?}");
    let from_bob: Vec<&String> = routes.iter().collect();
    let from_alice: Vec<&String> = routes.iter().rev().collect();
    for (number, method) in ["BYE", "INFO", "ACK"].iter().enumerate() {
        let branch = format!("b{number}");
        let text = in_dialog(method, "sip:alice@10.0.0.9:9;transport=tls", &branch, &from_bob);
        element.arrive(Protocol::Tls, BOB, &text);
        // The flow of the harness has the number 1 whoever sends.
        assert_eq!(element.expect_only(method).to, Target::Flow(flow(1, ALICE)), "{method} from Bob");
        let text = in_dialog(method, "sip:bob@10.0.0.5:9;transport=tls", &format!("a{number}"), &from_alice);
        element.arrive(Protocol::Tls, ALICE, &text);
        assert_eq!(element.expect_only(method).to, Target::Flow(flow(2, BOB)), "{method} from Alice");
    }
}

#[test]
fn forged_tokens_lead_to_no_flow() {
    let mut element = with_tls();
    let routes = call(&mut element);
    let (token, _) = routes[1].trim_start_matches("<sip:").split_once('@').unwrap();
    let last = if token.ends_with('0') { "1" } else { "0" };
    let forged = routes[1].replace(token, &format!("{}{last}", &token[..token.len() - 1]));
    let text = in_dialog("BYE", "sip:alice@192.0.2.77:9;transport=tls", "f", &[&routes[0], &forged]);
    element.arrive(Protocol::Tls, BOB, &text);
    let address = Target::Address(Protocol::Tls, "192.0.2.77:9".parse().unwrap());
    assert_eq!(element.expect_only("BYE").to, address, "where the URI leads, as without a token");
}

#[test]
fn a_connection_that_is_gone_is_told_as_430_within_a_dialog_and_as_480_outside() {
    let mut element = with_tls();
    let routes = call(&mut element);
    let text = in_dialog("BYE", "sip:bob@10.0.0.5:9;transport=tls", "b", &[&routes[1], &routes[0]]);
    element.arrive(Protocol::Tls, ALICE, &text);
    let bye = element.expect_only("BYE");
    element.fail(bye.key);
    let answer = element.take().pop().unwrap();
    assert!(answer.head().ends_with(" 430"), "RFC 5626 §5.3.1: {}", answer.head());
    let bob = Branch { flow: Some(flow(2, BOB)), ..branch("sip:bob@10.0.0.5:9;transport=tls") };
    element.user("bob", &[bob]);
    element.arrive(Protocol::Tls, ALICE, &request("MESSAGE", "sip:bob@example.com", "m", ""));
    let message = element.expect_only("MESSAGE");
    element.fail(message.key);
    let answer = element.take().pop().unwrap();
    assert!(answer.head().ends_with(" 480"), "{}", answer.head());
    assert!(element.unavailable.is_empty(), "nobody else could be chosen");
}

fn two_flows() -> Branch {
    let way = |id, peer| Branch { flow: Some(flow(id, peer)), ..branch("sip:bob@10.0.0.5:9;transport=tls") };
    Branch { other_flows: vec![way(3, "10.0.0.6:9")], ..way(2, BOB) }
}

#[test]
fn rfc_5626_7_the_next_flow_is_tried_where_one_has_failed_and_not_where_it_has_answered() {
    for (answer, goes_on) in [(430, true), (408, true), (486, false), (503, false), (600, false)] {
        let mut element = with_tls();
        element.user("bob", &[two_flows()]);
        element.arrive(Protocol::Tls, ALICE, &request("MESSAGE", "sip:bob@example.com", "m", ""));
        let first = element.expect_only("MESSAGE");
        assert_eq!(first.to, Target::Flow(flow(2, BOB)));
        element.arrive(Protocol::Tls, BOB, &first.reply(answer, "b"));
        let next = element.take().pop().unwrap();
        assert_eq!(next.to == Target::Flow(flow(3, "10.0.0.6:9")), goes_on, "{answer}: {}", next.head());
        if goes_on {
            assert_ne!(next.message.render(), first.message.render(), "under a branch of its own");
            element.arrive(Protocol::Tls, "10.0.0.6:9", &next.reply(430, "b"));
            // RFC 5626 §14.1: of flows the caller is told nothing. RFC 4320 §4.2: of 408 neither.
            let told = element.take().pop().map(|told| told.head());
            let expected = (answer == 430).then(|| "tls 192.0.2.10:5060 480".to_owned());
            assert_eq!(told, expected, "{answer}");
        }
    }
}

#[test]
fn a_lost_connection_is_followed_by_the_next_flow() {
    let mut element = with_tls();
    element.user("bob", &[two_flows()]);
    element.arrive(Protocol::Tls, ALICE, &request("MESSAGE", "sip:bob@example.com", "m", ""));
    let first = element.expect_only("MESSAGE");
    element.fail(first.key);
    assert_eq!(element.expect_only("MESSAGE").to, Target::Flow(flow(3, "10.0.0.6:9")));
}

#[test]
fn who_asks_for_his_flow_gets_a_token_over_any_transport() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@10.0.0.5:9")]);
    let mut routes = |number: &str, lines: &str| {
        element.arrive(Protocol::Udp, ALICE, &request("INVITE", "sip:bob@example.com", number, lines));
        let sent = element.take().into_iter().find(|sent| sent.message.is_request()).unwrap();
        let values = sent.message.values(HeaderId::RECORD_ROUTE);
        values.map(|value| String::from_utf8(value.to_vec()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(routes("1", "Contact: <sip:alice@10.0.0.9:9>").len(), 1);
    let [to_bob, to_alice] = &routes("2", "Contact: <sip:alice@10.0.0.9:9;ob>")[..] else { panic!("two") };
    assert!(to_alice.contains('@') && !to_bob.contains('@'), "{to_alice} {to_bob}");
    // What came through another proxy is that one's to keep.
    let behind = "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKd\r\nContact: <sip:alice@10.0.0.9:9;ob>";
    assert_eq!(routes("3", behind).len(), 1);
}

#[test]
fn a_request_is_told_to_lead_over_a_connection_by_a_route_of_ours_alone() {
    let leads = |element: &Element, routes: &[&str]| {
        let routes: Vec<String> = routes.iter().map(|route| (*route).to_owned()).collect();
        let text = in_dialog("BYE", "sip:bob@10.0.0.5:9", "b", &routes.iter().collect::<Vec<_>>());
        element.proxy.leads_over_connection(&Request::try_from(Message::parse(text).unwrap()).unwrap())
    };
    let mut element = with_tls();
    let routes = call(&mut element);
    let [bob, alice] = [routes[0].as_str(), routes[1].as_str()];
    let ours = "<sip:192.0.2.1;lr>";
    // Behind a Route of somebody else the token is not for this request's next step, and a third of ours is none of this call.
    let theirs = "<sip:proxy.example.net;lr>";
    let forged = bob.replacen("<sip:", "<sip:0", 1);
    let elsewhere = bob.replace("192.0.2.1", "192.0.2.2");
    for (routes, leads_there) in [
        (&[bob][..], true),
        (&[alice, bob], true),
        (&[ours, bob], true),
        (&[], false),
        (&[ours], false),
        (&[theirs, bob], false),
        (&[ours, ours, bob], false),
        (&[&forged], false),
        (&[&elsewhere], false),
        (&["<sip:alice@192.0.2.1;lr>"], false),
    ] {
        assert_eq!(leads(&element, routes), leads_there, "{routes:?}");
    }
    // A token of a datagram flow, which the next process can write to as well.
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@10.0.0.5:9")]);
    let asks = "Supported: outbound\r\nContact: <sip:alice@10.0.0.9:9;ob>";
    element.arrive(Protocol::Udp, ALICE, &request("INVITE", "sip:bob@example.com", "1", asks));
    let sent = element.take().into_iter().find(|sent| sent.message.is_request()).unwrap();
    let routes = sent.values(HeaderId::RECORD_ROUTE);
    assert!(routes.iter().any(|route| route.contains('@')), "{routes:?}");
    assert!(!routes.iter().any(|route| leads(&element, &[route])), "{routes:?}");
}
